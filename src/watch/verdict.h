/* SPDX-License-Identifier: MIT
 *
 * What the counters of a freed socket prove about its end, and what they do not. Pure functions.
 */
#ifndef TCPWATCH_WATCH_VERDICT_H
#define TCPWATCH_WATCH_VERDICT_H

#include "watch/event.h"

/* Notes what a look at a living connection tells that its end will need. */
void verdict_observe(struct connection *connection, const struct socket *socket);

/* Notes what the other end tells, where it is on this host; NULL: nothing. */
void verdict_observe_peer(struct connection *connection, const struct socket *peer);

/* Which side has sent its FIN first, of a connection that goes from that state to TIME_WAIT. From
 * CLOSING both ends go there: the two FINs crossed, and none was first. */
enum side verdict_first_in_time_wait(const struct connection *connection, enum tcp_state from);

/* What is known of a socket that is over. */
struct freed {
    const struct socket *last; /* its last counters; NULL: it was not freed yet */
    const struct socket
        *peer; /* the other end, where it is on this host; NULL: it may be elsewhere */
};

/* Sets cause, closed_first, lifetime and totals of a closed event. event->from is the last state
 * that was seen (UNKNOWN where there was none), event->to the one it went to. `freed` is NULL where
 * nothing was seen. */
void verdict_close(struct event *event, const struct freed *freed);

/* The totals of a freed socket, of which `fin_received` is known or not (-1). */
struct totals verdict_totals(const struct socket *last, int fin_received);

#endif
