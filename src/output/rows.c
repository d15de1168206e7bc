/* SPDX-License-Identifier: MIT */
#include "output/rows.h"

#include "units/bulk.h"

#include <stdint.h>

/* The first is small: most lists are short. The second leaves room in its huge page for what else a
 * long list begins with; of the others, two share one. */
#define FIRST_SIZE   ((size_t)16 * 1024)
#define LARGEST_SIZE (BULK_SHARED_MAX / 2)
#define GROWTH       16

#define ALIGNMENT sizeof(uint64_t)

_Static_assert(FIRST_SIZE >= 2 * ROWS_MAX, "there is room for a row beside struct chunk");

struct chunk {
    struct chunk *before;
    size_t size, used; /* this included; the rows follow it */
};

_Static_assert(sizeof(struct chunk) % ALIGNMENT == 0, "the rows are aligned");

static struct chunk *add_chunk(struct rows *rows) {
    const size_t more = rows->last ? GROWTH * rows->last->size : FIRST_SIZE;
    const size_t size = more < LARGEST_SIZE ? more : LARGEST_SIZE;
    struct chunk *chunk = bulk_new(size);

    if (!chunk)
        return NULL;
    *chunk = (struct chunk){.before = rows->last, .size = size, .used = sizeof(*chunk)};
    rows->last = chunk;
    return chunk;
}

void *rows_next(struct rows *rows) {
    struct chunk *chunk = rows->last;

    if (!chunk || chunk->size - chunk->used < ROWS_MAX)
        chunk = add_chunk(rows);
    return chunk ? (char *)chunk + chunk->used : NULL;
}

void rows_keep(struct rows *rows, size_t size) {
    rows->last->used += (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
}

void rows_free(struct rows *rows) {
    while (rows->last) {
        struct chunk *chunk = rows->last;

        rows->last = chunk->before;
        bulk_free(chunk, chunk->size);
    }
}
