/* SPDX-License-Identifier: MIT */
#include "units/bulk.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>

/* Below this a huge page would cost more than it saves. */
#define BULK_LEAST (BULK_PAGE / 8)

static size_t mapped_size(size_t size) {
    return size < BULK_LEAST ? size : (size + BULK_PAGE - 1) & ~(BULK_PAGE - 1);
}

static char *map(size_t size) {
    void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return data == MAP_FAILED ? NULL : data;
}

/* A huge page stands at a multiple of its size. */
static char *map_aligned(size_t size) {
    char *data = map(size + BULK_PAGE);
    const size_t before = -(uintptr_t)data & (BULK_PAGE - 1);

    if (!data)
        return NULL;
    if (before)
        munmap(data, before);
    munmap(data + before + size, BULK_PAGE - before);
    madvise(data + before, size, MADV_HUGEPAGE);
    return data + before;
}

void *bulk_new(size_t size) {
    if (size > SIZE_MAX - 2 * BULK_PAGE) {
        errno = ENOMEM;
        return NULL;
    }
    return size < BULK_LEAST ? map(size) : map_aligned(mapped_size(size));
}

void bulk_free(void *data, size_t size) {
    if (data)
        munmap(data, mapped_size(size));
}
