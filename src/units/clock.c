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

struct timespec clock_wall(int64_t at_ns) {
    const int64_t wall = clock_read(CLOCK_REALTIME) - (clock_now() - at_ns);

    return (struct timespec){.tv_sec = wall / NS_PER_S, .tv_nsec = wall % NS_PER_S};
}
