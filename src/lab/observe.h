/* SPDX-License-Identifier: MIT
 *
 * What is seen of a scenario: the states of both ends, the segments on their links, what the
 * processes report. lab's own.
 */
#ifndef TCPWATCH_LAB_OBSERVE_H
#define TCPWATCH_LAB_OBSERVE_H

#include "lab/run.h"

/* Begins to watch an end, which has a host from now on. Returns 0, or -1 with errno. */
int observe_begin(struct run *run, enum lab_host host);
/* Ends that, and says where segments have passed unseen. */
void observe_end(struct run *run, enum lab_host host);

/* Waits until something is there to be read, or `until_ns`, and notes it in `run`. */
void observe(struct run *run, int64_t until_ns);

#endif
