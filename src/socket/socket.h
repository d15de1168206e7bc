/* SPDX-License-Identifier: MIT
 *
 * One TCP socket as it was observed at one moment: the record that goes from the source (sock_diag
 * or trace) through the tracker to the output. Numbers are in host byte order.
 */
#ifndef TCPWATCH_SOCKET_SOCKET_H
#define TCPWATCH_SOCKET_SOCKET_H

#include "socket/address.h"
#include "tcp/state.h"

/* idiag_timer, net/ipv4/inet_diag.c and tcp_diag.c */
enum socket_timer {
    SOCKET_TIMER_NONE = 0,
    SOCKET_TIMER_RETRANSMIT = 1, /* also early retransmit and tail-loss probe */
    SOCKET_TIMER_KEEPALIVE = 2,
    SOCKET_TIMER_TIME_WAIT = 3, /* the minisock's: TIME_WAIT, or an orphaned FIN_WAIT2 */
    SOCKET_TIMER_PROBE = 4,     /* zero-window probe, also where this host cannot send */
};

/* Which members the observation filled: the kernel does not tell all of them of every socket. */
enum socket_has {
    SOCKET_HAS_INFO = 1 << 0,     /* struct tcp_info up to total_retrans: any kernel */
    SOCKET_HAS_BYTES = 1 << 1,    /* bytes_acked, bytes_received, segs: Linux 4.2 */
    SOCKET_HAS_SENT = 1 << 2,     /* bytes_sent, bytes_retrans: Linux 4.19 */
    SOCKET_HAS_DATA_SEGS = 1 << 3 /* notsent, min_rtt, data_segs: Linux 4.6 */
};

struct socket {
    uint64_t cookie; /* the kernel's identity of the socket; 0 is none */
    struct address local, remote;
    uint16_t local_port, remote_port; /* 0: none (a listener has no remote port) */
    uint8_t inet6;                    /* the socket's family: 0 AF_INET, 1 AF_INET6 */
    uint8_t state;                    /* enum tcp_state */
    uint8_t timer;                    /* enum socket_timer */
    uint8_t has;                      /* mask of enum socket_has */
    uint32_t timer_ms;                /* until the timer expires */
    uint32_t timer_count;             /* retransmissions or probes that the timer has made */
    uint32_t ifindex;                 /* bound to this device; 0: to none */
    uint32_t uid;                     /* of the owner; 0 also where it has no owner any more */
    uint32_t netns;                   /* inode of its namespace; 0: the one that is watched */
    uint32_t inode;                   /* 0: held by no process (orphaned, or not accepted yet) */
    uint32_t recv_queue;              /* bytes; of a listener: connections to accept */
    uint32_t send_queue;              /* bytes not acknowledged; of a listener: the backlog */

    /* SOCKET_HAS_INFO: struct tcp_info */
    uint8_t retransmits; /* unanswered retransmissions of the oldest segment */
    uint8_t probes;      /* unanswered keepalive or zero-window probes */
    uint32_t rto_us, rtt_us, rttvar_us;
    uint32_t cwnd, unacked, lost; /* segments */
    uint32_t total_retrans;       /* segments, since the connection began */
    uint32_t last_data_sent_ms, last_data_recv_ms, last_ack_recv_ms; /* ago */

    /* SOCKET_HAS_BYTES. bytes_acked counts the SYN of the side that connected and the FIN;
     * bytes_received counts the peer's FIN (net/ipv4/tcp_input.c, tcp_snd_una_update()). */
    uint64_t bytes_acked, bytes_received;
    uint32_t segs_out, segs_in;

    uint32_t notsent, min_rtt_us, data_segs_in, data_segs_out; /* SOCKET_HAS_DATA_SEGS */
    uint64_t bytes_sent, bytes_retrans;                        /* SOCKET_HAS_SENT: payload only */
};

/* What the other end is looked up by, of which no cookie is known. */
static inline struct socket socket_other_end(const struct socket *socket) {
    struct socket end = *socket;

    end.cookie = 0;
    end.local = socket->remote;
    end.remote = socket->local;
    end.local_port = socket->remote_port;
    end.remote_port = socket->local_port;
    return end;
}

#endif
