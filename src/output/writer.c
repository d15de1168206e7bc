/* SPDX-License-Identifier: MIT */
#include "output/writer.h"

#include "units/clock.h"
#include "units/digits.h"
#include "units/duration.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A pipe that poll() calls writable takes so many bytes without blocking (PIPE_BUF, man 7 pipe). */
#define CHUNK 4096

char *writer_grow(struct writer *writer, size_t more) {
    const size_t size = (writer->len + more + 1) * 2;
    char *data = realloc(writer->data, size);

    if (!data) {
        writer->error = ENOMEM;
        return NULL;
    }
    writer->data = data;
    writer->size = size;
    return data + writer->len;
}

void writer_number(struct writer *writer, uint64_t number) {
    char *to = writer_room(writer, DIGITS_MAX);

    if (to)
        writer_keep(writer, digits_put(to, number));
}

void writer_format(struct writer *writer, const char *format, ...) {
    va_list args;
    char text[512];
    int len;

    va_start(args, format);
    len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (len > 0)
        writer_put(writer, text, (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1);
}

void writer_pad(struct writer *writer, size_t from, size_t width) {
    const size_t written = writer->len - from;
    char *to;

    if (written >= width)
        return;
    to = writer_room(writer, width - written);
    if (to) {
        memset(to, ' ', width - written);
        writer->len += width - written;
    }
}

/* The length of the UTF-8 sequence that starts here and may be shown, 0 where there is none. C1
 * controls (U+0080 to U+009F) are commands to some terminals, as C0 controls are to all. */
static size_t shown_length(const unsigned char *s) {
    const size_t len = s[0] < 0x80 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    static const unsigned least[] = {0, 0x20, 0xa0, 0x800, 0x10000};
    unsigned code = len == 1 ? s[0] : s[0] & (0x7fu >> len);

    if (s[0] == 0x7f || (s[0] >= 0x80 && s[0] < 0xc0) || s[0] > 0xf7)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (s[i] & 0x3f);
    }
    if (code < least[len] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return 0;
    /* Line and paragraph separators and the marks that turn the direction of writing (UAX #9). */
    if (code == 0x061c || code == 0x200e || code == 0x200f || (code >= 0x2028 && code <= 0x202e) ||
        (code >= 0x2066 && code <= 0x2069))
        return 0;
    return len;
}

char *name_put(char *to, const char *name) {
    static const char digits[] = "0123456789abcdef";

    while (*name) {
        const unsigned char *at = (const unsigned char *)name;
        const size_t len = shown_length(at);
        const char escaped[] = {'\\', 'x', digits[*at >> 4], digits[*at & 0xf]};

        to = len ? mempcpy(to, name, len) : mempcpy(to, escaped, sizeof(escaped));
        name += len ? len : 1;
    }
    return to;
}

void writer_name(struct writer *writer, const char *name) {
    char *to = writer_room(writer, NAME_PUT_MAX * strlen(name));

    if (to)
        writer_keep(writer, name_put(to, name));
}

/* Waits until the descriptor takes something. Returns -1 with errno. */
static int wait_writable(int fd, const sigset_t *unblocked, int64_t until_ns) {
    struct pollfd descriptor = {.fd = fd, .events = POLLOUT};
    const struct timespec left = clock_left(until_ns);
    const int ready = ppoll(&descriptor, 1, until_ns == INT64_MAX ? NULL : &left, unblocked);

    if (ready == 0)
        errno = ETIMEDOUT;
    return ready > 0 ? 0 : -1;
}

int writer_flush(struct writer *writer, int fd, const sigset_t *unblocked, int64_t until_ns) {
    size_t done = 0;
    int result = 0;

    if (writer->error) {
        errno = writer->error;
        return -1;
    }
    while (done < writer->len && result == 0) {
        const size_t left = writer->len - done;
        ssize_t written;

        if (unblocked && (result = wait_writable(fd, unblocked, until_ns)) < 0)
            break;
        written = write(fd, writer->data + done, unblocked && left > CHUNK ? CHUNK : left);
        if (written < 0 && errno == EAGAIN)
            result = unblocked ? 0 : wait_writable(fd, NULL, until_ns);
        else if (written < 0)
            result = -1;
        done += written > 0 ? (size_t)written : 0;
    }
    writer->len -= done;
    if (writer->len)
        memmove(writer->data, writer->data + done, writer->len);
    if (result < 0 && errno != EINTR && errno != ETIMEDOUT)
        writer->error = errno;
    return result;
}

void writer_free(struct writer *writer) {
    free(writer->data);
    *writer = (struct writer){0};
}
