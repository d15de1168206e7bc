/* SPDX-License-Identifier: MIT */
#include "output/rows.h"

#include "units/bulk.h"

#include <stdint.h>

/* The first is small: most lists are short. Of the largest, two share a huge page. */
#define FIRST_SIZE   ((size_t)16 * 1024)
#define LARGEST_SIZE (BULK_SHARED_MAX / 2)
#define GROWTH       16

#define ALIGNMENT sizeof(uint64_t)

_Static_assert(FIRST_SIZE >= 2 * ROWS_MAX, "there is room for a row beside struct chunk");

struct chunk {
    struct chunk *before;
    size_t size, used;
    char data[];
};

static struct chunk *add_chunk(struct rows *rows) {
    const size_t more =
        rows->last ? GROWTH * (rows->last->size + sizeof(struct chunk)) : FIRST_SIZE;
    const size_t size = more < LARGEST_SIZE ? more : LARGEST_SIZE;
    struct chunk *chunk = bulk_new(size);

    if (!chunk)
        return NULL;
    chunk->before = rows->last;
    chunk->size = size - sizeof(*chunk);
    chunk->used = 0;
    rows->last = chunk;
    return chunk;
}

void *rows_next(struct rows *rows) {
    struct chunk *chunk = rows->last;

    if (!chunk || chunk->size - chunk->used < ROWS_MAX)
        chunk = add_chunk(rows);
    return chunk ? chunk->data + chunk->used : NULL;
}

void rows_keep(struct rows *rows, size_t size) {
    rows->last->used += (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
}

void rows_free(struct rows *rows) {
    while (rows->last) {
        struct chunk *chunk = rows->last;

        rows->last = chunk->before;
        bulk_free(chunk, chunk->size + sizeof(*chunk));
    }
}
