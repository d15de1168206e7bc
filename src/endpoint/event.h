/* SPDX-License-Identifier: MIT
 *
 * What happens at an end of a connection that tcpwatch plays itself: the events that server and
 * client make and the output shows. Times are nanoseconds of CLOCK_MONOTONIC.
 */
#ifndef TCPWATCH_ENDPOINT_EVENT_H
#define TCPWATCH_ENDPOINT_EVENT_H

#include "socket/socket.h"
#include "tcp/ending.h"
#include "tcp/timeout.h"

#include <sys/types.h>

enum endpoint_event_kind {
    ENDPOINT_LISTENING, /* server */
    ENDPOINT_ACCEPTED,  /* server */
    ENDPOINT_PAUSED,    /* server: it accepts no more for now; once for each reason */
    ENDPOINT_OPTIONS,   /* client, before it connects */
    ENDPOINT_ATTEMPT,   /* client: one of several addresses did not answer as it should */
    ENDPOINT_CONNECTED, /* client */
    ENDPOINT_STAYING,   /* client: it goes on sending, although the peer has ended: `cause` */
    ENDPOINT_CLOSED,    /* both; each connection's last */
    ENDPOINT_SHUTDOWN,  /* server's last */
};

struct endpoint_event {
    enum endpoint_event_kind kind;
    int64_t at_ns;

    /* Addresses, ports, family, device, cookie and state; NULL where there is none yet. */
    const struct socket *socket;
    pid_t pid; /* of the process that serves the connection */

    /* listening, options, connected: what is in force, and what it means. */
    const struct tcp_liveness *liveness;
    const struct tcp_limits *limits;
    int64_t connect_timeout_ns, read_timeout_ns; /* of the client; 0: none */
    int64_t idle_timeout_ns;                     /* of the server; 0: none */
    int64_t rto_ns;                              /* the connection's own; 0: none yet */

    /* closed, attempt, staying; of paused, error is 0 where --max-connections is reached */
    enum tcp_ending cause;
    int error;              /* errno that the application got; 0: none */
    const char *syscall;    /* the call that told; NULL: none did */
    const char *detail;     /* more in words, such as the signal that ended a process; or NULL */
    const char *router;     /* the address that an ICMP error came from; NULL: not known */
    int64_t after_ns;       /* since the connection began; where it never did, the attempt */
    int64_t noticed_ns;     /* since the last byte was sent; -1: none was */
    int64_t fin_unseen_ns;  /* how long the peer's FIN had lain there unseen; -1: it had not */
    int64_t sent, received; /* bytes; -1: not known */
    bool reset_sent;        /* this side has closed it with a RST */
    int64_t not_read;       /* bytes that had come, and it had not read as it closed */

    /* shutdown */
    int signal;             /* that ended it; 0: none did */
    int64_t accepted, open; /* connections; sent and received are their sums */
};

/* After how many nanoseconds a vanished peer is noticed, by TCP or by a timeout of this program's
 * own. -1: never. */
int64_t endpoint_noticed_idle(const struct endpoint_event *event);
int64_t endpoint_noticed_sending(const struct endpoint_event *event);
int64_t endpoint_noticed_connecting(const struct endpoint_event *event);

/* Where the events go. Returns false where nobody reads any more: the end has to end itself. */
typedef bool endpoint_emit(void *into, const struct endpoint_event *event);

#endif
