/* SPDX-License-Identifier: MIT */
#include "output/rows.h"

#include "units/bulk.h"

#include <stdint.h>

/* The first is small: most lists are short. */
#define FIRST_SIZE ((size_t)64 * 1024)

#define ALIGNMENT sizeof(uint64_t)

struct chunk {
    struct chunk *before;
    size_t size, used;
    char data[];
};

static struct chunk *add_chunk(struct rows *rows) {
    const size_t size = rows->last ? BULK_PAGE : FIRST_SIZE;
    struct chunk *chunk = bulk_new(size);

    if (!chunk)
        return NULL;
    chunk->before = rows->last;
    chunk->size = size - sizeof(*chunk);
    rows->last = chunk;
    return chunk;
}

void *rows_add(struct rows *rows, size_t size) {
    const size_t aligned = (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
    struct chunk *chunk = rows->last;
    void *row;

    if (!chunk || chunk->size - chunk->used < aligned)
        chunk = add_chunk(rows);
    if (!chunk)
        return NULL;
    row = chunk->data + chunk->used;
    chunk->used += aligned;
    return row;
}

void rows_free(struct rows *rows) {
    while (rows->last) {
        struct chunk *chunk = rows->last;

        rows->last = chunk->before;
        bulk_free(chunk, chunk->size + sizeof(*chunk));
    }
}
