/* SPDX-License-Identifier: MIT */
#include "units/bulk.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

/* Below this a huge page would cost more than it saves. */
#define BULK_LEAST (BULK_PAGE / 8)

static size_t mapped_size(size_t size) {
    return (size + BULK_PAGE - 1) & ~(BULK_PAGE - 1);
}

/* A huge page stands at a multiple of its size. */
static char *map_aligned(size_t size) {
    char *data =
        mmap(NULL, size + BULK_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    size_t before;

    if (data == MAP_FAILED)
        return NULL;
    before = -(uintptr_t)data & (BULK_PAGE - 1);
    if (before)
        munmap(data, before);
    munmap(data + before + size, BULK_PAGE - before);
    madvise(data + before, size, MADV_HUGEPAGE);
    return data + before;
}

void *bulk_new(size_t size) {
    if (size < BULK_LEAST)
        return malloc(size);
    if (size > SIZE_MAX - 2 * BULK_PAGE) {
        errno = ENOMEM;
        return NULL;
    }
    return map_aligned(mapped_size(size));
}

void bulk_free(void *data, size_t size) {
    if (size < BULK_LEAST)
        free(data);
    else if (data)
        munmap(data, mapped_size(size));
}
