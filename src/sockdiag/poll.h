/* SPDX-License-Identifier: MIT
 *
 * The poll source: walks the kernel's table every interval, and reads between two walks what the
 * kernel says of sockets that are freed. What it observes goes to the caller's functions.
 */
#ifndef TCPWATCH_SOCKDIAG_POLL_H
#define TCPWATCH_SOCKDIAG_POLL_H

#include "filter/filter.h"
#include "watch/observer.h"

#include <signal.h>

struct poll_source;

/* Opens in the network namespace of the calling thread. `filter` and `observer` must outlive the
 * source. Returns NULL with errno. */
struct poll_source *poll_source_open(const struct filter *filter, int64_t interval_ns,
                                     const struct observer *observer);
void poll_source_close(struct poll_source *source);

/* Observes until `until_ns` (CLOCK_MONOTONIC), at the most until the next walk is done; signals of
 * `unblocked` are taken only while it waits. Returns 0, or -1 with errno (EINTR: a signal came). */
int poll_source_run(struct poll_source *source, int64_t until_ns, const sigset_t *unblocked);

/* For a caller that waits for more than this source: until the descriptor is readable or the time
 * has come (CLOCK_MONOTONIC), then makes a step, which does what is due without waiting. A caller
 * that knows that something has changed may have the next walk made at once. poll_source_step()
 * returns 0, or -1 with errno. */
int poll_source_descriptor(const struct poll_source *source);
int64_t poll_source_due(const struct poll_source *source);
void poll_source_hurry(struct poll_source *source);
int poll_source_step(struct poll_source *source);

/* Observes all that has happened by now, before an end. Returns 0, or -1 with errno. */
int poll_source_catch_up(struct poll_source *source);

/* sockdiag_lookup() with the source's netlink socket. */
int poll_source_look(struct poll_source *source, const struct socket *socket, struct socket *found);

#endif
