/* SPDX-License-Identifier: MIT
 *
 * Puts the moments of a scenario in order: what several descriptors tell late comes out by its
 * time, and a segment that was seen on both links is one. Pure. lab's own.
 */
#ifndef TCPWATCH_LAB_TIMELINE_H
#define TCPWATCH_LAB_TIMELINE_H

#include "lab/lab.h"

#define TIMELINE_MAX 256

/* So late a moment may be told after it was; so much later a segment arrives at once. */
#define TIMELINE_DELAY_NS (150 * 1000000LL)
#define TIMELINE_WIRE_NS  (2 * 1000000LL)

struct timeline {
    struct lab_moment moments[TIMELINE_MAX]; /* not handed on yet, by their times */
    size_t count;
    struct segment_stream streams[2]; /* by the end that sends */
    int windows[2];                   /* that this end told last; -1: none yet */
    void (*take)(void *into, const struct lab_moment *moment);
    void *into;
};

void timeline_add(struct timeline *timeline, const struct lab_moment *moment);

/* A segment passed the link of this end, outwards or inwards. */
void timeline_add_segment(struct timeline *timeline, enum lab_host host, bool outgoing,
                          const struct segment *segment, int64_t at_ns);

/* Hands on what is old enough; INT64_MAX: all. */
void timeline_flush(struct timeline *timeline, int64_t now_ns);

#endif
