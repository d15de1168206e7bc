/* SPDX-License-Identifier: MIT
 *
 * The clock of everything inside: nanoseconds of CLOCK_MONOTONIC, which no step of the wall clock
 * and no suspended machine moves.
 */
#ifndef TCPWATCH_UNITS_CLOCK_H
#define TCPWATCH_UNITS_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds of any clock; clock_now() is the one that times inside the program are of. */
int64_t clock_read(clockid_t clock);
int64_t clock_now(void);

/* What is left until the moment `until_ns` of clock_now(), as ppoll() wants it: never less than 0.
 */
struct timespec clock_left(int64_t until_ns);

/* The wall clock at the moment `at_ns` of clock_now(), as the two clocks stand to each other now.
 */
struct timespec clock_wall(int64_t at_ns);
/* The reverse, of nanoseconds of CLOCK_REALTIME. */
int64_t clock_of_wall(int64_t wall_ns);

#endif
