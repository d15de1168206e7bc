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

/* Room for one more row of `size` bytes, at most 32 KiB, aligned for 64 bits. Returns NULL with
 * errno. */
void *rows_add(struct rows *rows, size_t size);

void rows_free(struct rows *rows);

#endif
