/* SPDX-License-Identifier: MIT
 *
 * The rows of a list. There may be very many: they stand close behind each other, and never move.
 * output's own.
 */
#ifndef TCPWATCH_OUTPUT_ROWS_H
#define TCPWATCH_OUTPUT_ROWS_H

#include <stddef.h>

struct rows {
    struct chunk *last;
};

/* A row is no larger. */
#define ROWS_MAX 1024

/* Where the next row begins, with room for ROWS_MAX bytes, aligned for 64 bits. Returns NULL with
 * errno. */
void *rows_next(struct rows *rows);

/* Keeps `size` bytes of it. */
void rows_keep(struct rows *rows, size_t size);

void rows_free(struct rows *rows);

#endif
