/* SPDX-License-Identifier: MIT
 *
 * What changed: the events that the tracker makes and the output shows, and the connection they are
 * about. Times are nanoseconds of CLOCK_MONOTONIC.
 */
#ifndef TCPWATCH_WATCH_EVENT_H
#define TCPWATCH_WATCH_EVENT_H

#include "process/owner.h"
#include "socket/socket.h"
#include "units/hash.h"

/* Why a connection ended. UNKNOWN: what was seen does not decide it. */
enum cause {
    CAUSE_UNKNOWN = 0,
    CAUSE_FIN,
    CAUSE_RESET,
    CAUSE_TIMED_OUT,
    CAUSE_REFUSED,
    CAUSE_HOST_UNREACHABLE,
    CAUSE_NETWORK_UNREACHABLE,
    CAUSE_ABORTED,   /* this side threw it away */
    CAUSE_DESTROYED, /* an administrator did (ss -K) */
    CAUSE_COUNT,
};

/* Whose FIN came first, for CAUSE_FIN. */
enum side { SIDE_UNKNOWN = 0, SIDE_LOCAL, SIDE_REMOTE };

/* The counters of a connection that is over; -1: not known. */
struct totals {
    int64_t bytes_sent, bytes_received; /* payload, each byte once */
    int64_t segs_out, segs_in;
    int64_t retransmits; /* segments */
};

/* One row of the tracker's table. With 100,000 of them its size counts. */
struct connection {
    uint64_t cookie;
    struct address local, remote;
    uint16_t local_port, remote_port;
    uint8_t inet6;
    uint8_t state;       /* enum tcp_state */
    uint8_t before_wait; /* the state before TIME_WAIT, while closed_due */
    uint8_t error;       /* errno that the application gets, where that was seen; 0: none was */

    bool born_seen : 1;   /* it began while it was watched */
    bool born_exact : 1;  /* the moment itself was seen */
    bool since_seen : 1;  /* its stay in its present state began while it was watched */
    bool since_exact : 1; /* and that moment was seen */
    bool shown : 1;       /* the watcher has passed an event of it on: its own, see monitor */
    bool minisock : 1;    /* TIME_WAIT or an orphaned FIN_WAIT2: no full socket any more */
    bool freed : 1;       /* the full socket's destroy message has come */
    bool explained : 1;   /* its message was taken for a lost one */
    bool over : 1;        /* the closed event was made */
    bool missing : 1;     /* the last walk did not meet it */
    bool closed_due : 1;  /* in TIME_WAIT, its counters still awaited */
    bool not_crossed : 1; /* TIME_WAIT here means that this side's FIN came first */
    bool withheld : 1;    /* not every event of it was shown: the watcher's own, see monitor */
    bool fin_base_known : 1;
    bool fin_base : 1; /* 1 where bytes_acked counts a SYN: this side connected */
    bool segs_known : 1;
    bool traced : 1;         /* each of its transitions is told as it happens */
    bool reset_received : 1; /* a RST came, as far as it is traced */
    bool reset_sent : 1;
    bool doubted : 1;     /* it may have moved without a word: see doubt() */
    bool owner_known : 1; /* `owner` was looked up: the watcher's own, see monitor */

    uint8_t stuck_told; /* how often it was told that its stay is too long */

    uint32_t walk; /* the last walk of the kernel's table that met it */
    uint32_t ifindex, uid, inode;
    uint32_t netns;                            /* as in struct socket */
    uint32_t segs_in, segs_out, data_segs_out; /* when last looked at; see segs_known */
    int64_t born_ns; /* 0: it was first seen too late in its life to tell */
    int64_t since_ns;
    int64_t expires_ns;    /* when the minisock's timer ends it */
    struct totals *totals; /* of a freed socket, until closed is made */
    struct owner owner;    /* the last that was known */
    UT_hash_handle hh;
};

/* Whether its stay began at some time before the walk that has found it. Where it was not seen to
 * begin, `since_ns` is a bound, and as good a one as a moment. */
static inline bool connection_since_about(const struct connection *connection) {
    return connection->since_seen && !connection->since_exact;
}

enum event_kind {
    EVENT_APPEARED,
    EVENT_TRANSITION,
    EVENT_STUCK,
    EVENT_CLOSED,
    EVENT_LOST,
    EVENT_HELD, /* a process has accepted it; for the watcher, nothing to show */
};

struct event {
    enum event_kind kind;
    int64_t at_ns;
    struct connection *connection; /* NULL for lost; valid while the event is handed on */
    uint64_t former_cookie;        /* under which it was told before; 0: it has the same still */
    const struct socket *socket;   /* what was observed; NULL where it is gone */

    /* appeared: to. transition: from, to, dwell. stuck: to, dwell. */
    enum tcp_state from, to;
    int64_t dwell_ns;       /* time in `from`, as far as it was watched; -1: not known at all */
    bool dwell_at_least;    /* the stay began before it was watched */
    bool dwell_approximate; /* of its beginning or end only the next walk was seen */
    bool exact;             /* the moment itself was seen, not only the next walk */
    bool acted;             /* its owner did it, who may have let go of the socket by that */
    bool initial;           /* appeared: stood there when the watch began */
    size_t
        skipped_count; /* steps passed unseen between `from` and `to`: of transition and closed */
    uint32_t skipped[TCP_SKIPPED_MAX]; /* masks of states, see tcp_state_skipped() */

    /* closed */
    enum cause cause;
    enum side closed_first;
    int error;       /* errno that the application got; 0: none, or not known */
    bool held;       /* ended, and a process still has it open; false where the end was traced */
    uint32_t unread; /* bytes that this side had not read as it aborted it; 0: not known */
    int64_t seen_ns; /* when it was still seen to stand, for the last time */
    int64_t lifetime_ns; /* -1: not known */
    bool lifetime_approximate;
    struct totals totals;

    /* lost: `count` connections whose end was not seen (0: not known), or why */
    uint64_t count;
    const char *reason;
};

#endif
