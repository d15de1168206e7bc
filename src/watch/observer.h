/* SPDX-License-Identifier: MIT
 *
 * What a source of observations tells: polling, which walks the kernel's table, and tracing, which
 * is told of each change. Times are nanoseconds of CLOCK_MONOTONIC.
 */
#ifndef TCPWATCH_WATCH_OBSERVER_H
#define TCPWATCH_WATCH_OBSERVER_H

#include "process/owner.h"
#include "socket/socket.h"

/* What happened to a socket, at its moment. */
enum move_kind {
    MOVE_STATE,          /* it went from `from` to `socket->state` */
    MOVE_ERROR,          /* `error` is what the application gets */
    MOVE_RESET_RECEIVED, /* a RST came */
    MOVE_RESET_SENT,     /* this side sent one */
    MOVE_SYN_AGAIN,      /* in SYN_SENT, its SYN was sent again */
};

struct move {
    enum move_kind kind;
    enum tcp_state from;
    int error;                      /* errno */
    const struct socket *socket;    /* after it, with its counters */
    const struct socket *successor; /* where it went to CLOSE, and a minisock goes on; or NULL */
    const struct owner *owner;      /* the process that did it to its own socket; or NULL */
    bool maybe_told;                /* it may be a move that was told before */
    int64_t at_ns;
};

/* `into` is handed to each. */
struct observer {
    void *into;
    void (*begin_walk)(void *into);
    /* A walk that tells nothing new: only what has become of that which was told. */
    void (*begin_check)(void *into);
    void (*seen)(void *into, const struct socket *socket, int64_t at_ns);
    void (*end_walk)(void *into, int64_t at_ns);
    /* A full socket was freed. successor: the minisock at its addresses, or NULL; its cookie is
     * another where nobody had asked for the socket's before. peer: the other end, where this host
     * has that too, in CLOSE where nothing is left of it; NULL where it may be on another. */
    void (*freed)(void *into, const struct socket *last, const struct socket *successor,
                  const struct socket *peer, int64_t at_ns);
    /* One that has lost the peer's port, so that only its cookie tells whether it is wanted. */
    void (*nameless)(void *into, const struct socket *last, int64_t at_ns);
    void (*moved)(void *into, const struct move *move);
    /* What was no full socket any more, or not yet, is gone. */
    void (*ended)(void *into, uint64_t cookie, int64_t at_ns);
    /* So many messages of freed sockets were lost. */
    void (*lost)(void *into, uint64_t count);
    /* What could not be seen, in words. */
    void (*blind)(void *into, const char *reason, int64_t at_ns);
    /* A walk and what follows from it take cost_ns of a processor, so there will be one only every
     * interval_ns. */
    void (*paced)(void *into, int64_t interval_ns, int64_t cost_ns);
};

#endif
