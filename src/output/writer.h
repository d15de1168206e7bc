/* SPDX-License-Identifier: MIT
 *
 * A growing buffer of text on its way to a descriptor. Only whole batches are written; a failure is
 * kept and told when asked.
 */
#ifndef TCPWATCH_OUTPUT_WRITER_H
#define TCPWATCH_OUTPUT_WRITER_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct writer {
    char *data;
    size_t len, size;
    int error; /* errno of the first failure; 0: none */
};

/* Makes the buffer larger; as writer_room(). */
char *writer_grow(struct writer *writer, size_t more);

/* Makes room for `more` bytes; returns where they go, NULL where memory ran out. */
static inline char *writer_room(struct writer *writer, size_t more) {
    return writer->len + more < writer->size ? writer->data + writer->len
                                             : writer_grow(writer, more);
}

/* Keeps what was written there up to `end`. */
static inline void writer_keep(struct writer *writer, const char *end) {
    writer->len = (size_t)(end - writer->data);
}

static inline void writer_put(struct writer *writer, const char *data, size_t len) {
    char *to = writer_room(writer, len);

    if (to) {
        memcpy(to, data, len);
        writer->len += len;
    }
}

static inline void writer_text(struct writer *writer, const char *text) {
    writer_put(writer, text, strlen(text));
}

void writer_number(struct writer *writer, uint64_t number);
__attribute__((format(printf, 2, 3))) void writer_format(struct writer *writer, const char *format,
                                                         ...);
/* Pads with blanks until `width` bytes stand after `from`. */
void writer_pad(struct writer *writer, size_t from, size_t width);

/* A name from outside: bytes that a terminal could take for a command, and what is no UTF-8, become
 * \xHH. */
void writer_name(struct writer *writer, const char *name);

/* The same where there is room, NAME_PUT_MAX for each byte of it; returns its end. */
#define NAME_PUT_MAX 4
char *name_put(char *to, const char *name);

/* Writes what is there to the descriptor. `unblocked` is the signal mask while it waits for a slow
 * reader, NULL: as it is; it waits until `until_ns` (CLOCK_MONOTONIC) at the most. Returns 0, or -1
 * with errno: EPIPE the reader is gone, EINTR a signal came or ETIMEDOUT it took too long, in which
 * cases what was not written is kept. */
int writer_flush(struct writer *writer, int fd, const sigset_t *unblocked, int64_t until_ns);

void writer_free(struct writer *writer);

#endif
