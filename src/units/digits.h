/* SPDX-License-Identifier: MIT
 *
 * Numbers in decimal, by hand: a list of 200,000 sockets has more than two million of them, and
 * snprintf() took half its time.
 */
#ifndef TCPWATCH_UNITS_DIGITS_H
#define TCPWATCH_UNITS_DIGITS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define DIGITS_MAX 20

/* 00 to 99: two digits at a time take half the divisions. */
static const char digits_pairs[] = "00010203040506070809101112131415161718192021222324"
                                   "25262728293031323334353637383940414243444546474849"
                                   "50515253545556575859606162636465666768697071727374"
                                   "75767778798081828384858687888990919293949596979899";

static inline size_t digits_count(uint64_t number) {
    size_t count = 1;

    for (uint64_t power = 10; number >= power && count < DIGITS_MAX; power *= 10)
        count++;
    return count;
}

/* Writes the number without a NUL, DIGITS_MAX bytes at the most; returns its end. */
static inline char *digits_put(char *to, uint64_t number) {
    char *end = to + digits_count(number), *at = end;

    for (; number >= 100; number /= 100)
        memcpy(at -= 2, &digits_pairs[number % 100 * 2], 2);
    if (number >= 10)
        memcpy(at - 2, &digits_pairs[number * 2], 2);
    else
        at[-1] = (char)('0' + number);
    return end;
}

#endif
