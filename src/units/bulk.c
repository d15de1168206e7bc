/* SPDX-License-Identifier: MIT */
#include "units/bulk.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

/* Below this a huge page would cost more than it saves. */
#define BULK_LEAST (BULK_PAGE / 8)

/* What several share: when it is first used the kernel clears all of a huge page, in 100 to 300 us
 * as measured. It stands at a multiple of its size, as a huge page must, and begins with this. */
struct page {
    size_t used;  /* this and all parts that were ever taken */
    size_t parts; /* not yet freed */
};

_Static_assert(CACHE_LINE + 2 * (BULK_SHARED_MAX / 2) <= BULK_PAGE &&
                   sizeof(struct page) <= CACHE_LINE && BULK_SHARED_MAX / 2 % CACHE_LINE == 0,
               "two parts of half the size fit into a page");

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct page *last; /* the one to take parts of; under lock */

static size_t round_up(size_t size, size_t to) {
    return (size + to - 1) & ~(to - 1);
}

static void *map_aligned(size_t size) {
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

static void *take_part(size_t size) {
    void *part;

    if (!last || BULK_PAGE - last->used < size) {
        struct page *page = map_aligned(BULK_PAGE);

        if (!page)
            return NULL;
        *page = (struct page){.used = CACHE_LINE};
        last = page;
    }
    part = (char *)last + last->used;
    last->used += size;
    last->parts++;
    return part;
}

static void give_part_back(void *part) {
    struct page *page = (struct page *)(void *)((char *)part - ((uintptr_t)part & (BULK_PAGE - 1)));

    if (--page->parts > 0)
        return;
    if (page == last)
        last = NULL;
    munmap(page, BULK_PAGE);
}

void *bulk_new(size_t size) {
    void *data;

    if (size < BULK_LEAST)
        return malloc(size);
    if (size > SIZE_MAX - 2 * BULK_PAGE) {
        errno = ENOMEM;
        return NULL;
    }
    if (size > BULK_SHARED_MAX)
        return map_aligned(round_up(size, BULK_PAGE));
    pthread_mutex_lock(&lock);
    data = take_part(round_up(size, CACHE_LINE));
    pthread_mutex_unlock(&lock);
    return data;
}

void bulk_free(void *data, size_t size) {
    if (size < BULK_LEAST) {
        free(data);
    } else if (data && size > BULK_SHARED_MAX) {
        munmap(data, round_up(size, BULK_PAGE));
    } else if (data) {
        pthread_mutex_lock(&lock);
        give_part_back(data);
        pthread_mutex_unlock(&lock);
    }
}
