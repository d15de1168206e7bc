/* SPDX-License-Identifier: MIT */
#include "units/clock.h"

#include "units/duration.h"

int64_t clock_read(clockid_t clock) {
    struct timespec now;

    clock_gettime(clock, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

int64_t clock_now(void) {
    return clock_read(CLOCK_MONOTONIC);
}

struct timespec clock_left(int64_t until_ns) {
    const int64_t left_ns = until_ns - clock_now();

    if (left_ns <= 0)
        return (struct timespec){0};
    return (struct timespec){.tv_sec = left_ns / NS_PER_S, .tv_nsec = left_ns % NS_PER_S};
}

/* Two clocks are read at the same moment, unless something else ran in between. */
#define SAME_MOMENT_NS (20 * 1000)
#define READINGS_MAX   10

/* By how much the wall clock is ahead of clock_now(). */
static int64_t wall_ahead(void) {
    int64_t before_ns, ahead_ns;
    int readings = 0;

    do {
        before_ns = clock_now();
        ahead_ns = clock_read(CLOCK_REALTIME) - before_ns;
    } while (clock_now() - before_ns > SAME_MOMENT_NS && ++readings < READINGS_MAX);
    return ahead_ns;
}

int64_t clock_of_wall(int64_t wall_ns) {
    return wall_ns - wall_ahead();
}

/* What happened within a millisecond has one reading: events may come by the hundred thousand a
 * second. */
struct timespec clock_wall(int64_t at_ns) {
    static int64_t read_ns = INT64_MAX, ahead_ns;
    int64_t wall;

    if (at_ns < read_ns || at_ns >= read_ns + NS_PER_MS) {
        ahead_ns = wall_ahead();
        read_ns = at_ns - NS_PER_MS / 2;
    }
    wall = at_ns + ahead_ns;
    return (struct timespec){.tv_sec = wall / NS_PER_S, .tv_nsec = wall % NS_PER_S};
}
