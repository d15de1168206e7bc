/* SPDX-License-Identifier: MIT
 *
 * What passes a host's link: a packet socket (man 7 packet). lab's own.
 */
#ifndef TCPWATCH_LAB_CAPTURE_H
#define TCPWATCH_LAB_CAPTURE_H

#include "lab/segment.h"

/* Opens on the host of the calling thread. Returns a descriptor, or -1 with errno. */
int capture_open(const char *device);

/* Reads the next segment, without waiting; at_ns is CLOCK_MONOTONIC when it passed. Returns false
 * where none is left. */
bool capture_next(int fd, struct segment *segment, bool *outgoing, int64_t *at_ns);

/* How many were lost for want of room. */
unsigned capture_lost(int fd);

#endif
