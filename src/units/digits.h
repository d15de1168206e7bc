/* SPDX-License-Identifier: MIT
 *
 * Numbers in decimal, by hand: a list of 200,000 sockets has more than two million of them, and
 * snprintf() took half its time.
 */
#ifndef TCPWATCH_UNITS_DIGITS_H
#define TCPWATCH_UNITS_DIGITS_H

#include <stddef.h>
#include <stdint.h>

#define DIGITS_MAX 20

/* Writes the number without a NUL; returns its end. */
static inline char *digits_put(char *to, uint64_t number) {
    size_t count = 1;

    for (uint64_t rest = number; rest >= 10; rest /= 10)
        count++;
    for (size_t i = count; i > 0; number /= 10)
        to[--i] = (char)('0' + number % 10);
    return to + count;
}

#endif
