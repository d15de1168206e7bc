/* SPDX-License-Identifier: MIT
 *
 * The table of connections, and the tracker that turns observations into events. It knows time only
 * from its caller and nothing of where observations come from.
 *
 *     walk of the kernel's table:  tracker_begin_walk, tracker_seen ..., tracker_end_walk
 *     a socket was freed:          tracker_freed
 *     a socket moved:              tracker_moved, and for what is no full socket tracker_ended
 *     time passes:                 tracker_settle
 */
#ifndef TCPWATCH_WATCH_TRACKER_H
#define TCPWATCH_WATCH_TRACKER_H

#include "watch/event.h"
#include "watch/observer.h"

struct tracker;

typedef void tracker_emit(void *into, struct event *event);

/* Looks at one socket again: 1 and `found` where it still stands, 0 where it is gone, -1 where that
 * could not be learned. */
typedef int tracker_look(void *into, const struct socket *socket, struct socket *found);

struct tracker_settings {
    int64_t stuck_ns; /* how long a stay in a transient state may last; 0: say nothing */
    tracker_emit *emit;
    tracker_look *look;
    void *into; /* of both */
};

/* Returns NULL where memory ran out. */
struct tracker *tracker_new(const struct tracker_settings *settings);
void tracker_free(struct tracker *tracker);

void tracker_begin_walk(struct tracker *tracker);
void tracker_begin_check(struct tracker *tracker); /* a walk that meets nobody new */
void tracker_seen(struct tracker *tracker, const struct socket *socket, int64_t at_ns);
void tracker_end_walk(struct tracker *tracker, int64_t at_ns);

/* A full socket was freed: `last` has its counters, `successor` is the minisock at its addresses,
 * which has another cookie where no walk met the socket, or NULL; `peer` is the other end where it
 * is on this host, in CLOSE where nothing is left of it; NULL where it may be on another. */
void tracker_freed(struct tracker *tracker, const struct socket *last,
                   const struct socket *successor, const struct socket *peer, int64_t at_ns);

/* One that has lost the peer's port, wanted or not. */
void tracker_nameless(struct tracker *tracker, const struct socket *last, int64_t at_ns);

/* A socket moved, at that moment; of a source that tells of each. */
void tracker_moved(struct tracker *tracker, const struct move *move);

/* A minisock or a request is gone. */
void tracker_ended(struct tracker *tracker, uint64_t cookie, int64_t at_ns);

/* So many messages of freed sockets were lost. What the next walk still explains is taken off. */
void tracker_lost(struct tracker *tracker, uint64_t count);

/* Ends what has been missing long enough for its last message to arrive. Returns when to call it
 * again, INT64_MAX where nothing waits. */
int64_t tracker_settle(struct tracker *tracker, int64_t at_ns);

/* Where no walk comes by: speaks of stays that are too long, and finds what moved without a word.
 * Returns when to call it again. */
int64_t tracker_look_for_stuck(struct tracker *tracker, int64_t at_ns);

/* Ends all that waits, when the watch ends. */
void tracker_finish(struct tracker *tracker, int64_t at_ns);

/* What a connection is looked up by. */
struct socket tracker_socket(const struct connection *connection);

/* The connections in the table, for a walk: start with NULL, ends with NULL. */
struct connection *tracker_next(const struct tracker *tracker, const struct connection *previous);

#endif
