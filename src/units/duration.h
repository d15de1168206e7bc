/* SPDX-License-Identifier: MIT
 *
 * Durations as people write and read them. Inside the program a duration is int64_t nanoseconds.
 */
#ifndef TCPWATCH_UNITS_DURATION_H
#define TCPWATCH_UNITS_DURATION_H

#include <stddef.h>
#include <stdint.h>

#define NS_PER_US 1000LL
#define NS_PER_MS 1000000LL
#define NS_PER_S  1000000000LL

/* Reads a number with ms, s, m or h ("1.5s", "200ms"); a bare number is seconds.
 * Returns nanoseconds, DURATION_TOO_LONG above the maximum of 10 years, or -1 for anything else: a
 * sign, another unit. */
#define DURATION_MAX_TEXT "87600h"
#define DURATION_TOO_LONG -2
int64_t duration_parse(const char *text);

/* Writes "0.3ms", "120ms", "12.4s", "3m07s", "2h05m" or "3d04h" without a NUL, less than
 * DURATION_TEXT_SIZE bytes; returns its end. Rounds down, so that no time is claimed that has not
 * passed. */
char *duration_put(char *to, int64_t ns);

/* The same with its NUL; returns the length without. */
#define DURATION_TEXT_SIZE 32
size_t duration_text(char *text, int64_t ns);

#endif
