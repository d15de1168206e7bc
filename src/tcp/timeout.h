/* SPDX-License-Identifier: MIT
 *
 * When TCP notices that the peer has vanished: the arithmetic of retransmission, keepalive and user
 * timeout as Linux does it. Pure.
 */
#ifndef TCPWATCH_TCP_TIMEOUT_H
#define TCPWATCH_TCP_TIMEOUT_H

#include <stdbool.h>
#include <stdint.h>

/* What a network namespace has set (net.ipv4.*, Documentation/networking/ip-sysctl.rst). */
struct tcp_limits {
    int retries2;            /* tcp_retries2 */
    int syn_retries;         /* tcp_syn_retries */
    int syn_linear_timeouts; /* tcp_syn_linear_timeouts; 0 also where the kernel has none */
    int64_t rto_min_ns;      /* tcp_rto_min_us */
    int64_t rto_max_ns;      /* tcp_rto_max_ms */
    int64_t fin_timeout_ns;  /* tcp_fin_timeout: of a FIN_WAIT2 that no process holds */
};

/* The options of a socket that decide it (man 7 tcp). 0: the namespace's own is in force. */
struct tcp_liveness {
    bool keepalive;          /* SO_KEEPALIVE */
    int idle_s;              /* TCP_KEEPIDLE */
    int interval_s;          /* TCP_KEEPINTVL */
    int count;               /* TCP_KEEPCNT */
    int64_t user_timeout_ms; /* TCP_USER_TIMEOUT; 0: none */
};

/* The bounds of these options (MAX_TCP_KEEPIDLE and the others, include/net/tcp.h). */
#define TCP_KEEPIDLE_MAX     32767
#define TCP_KEEPINTVL_MAX    32767
#define TCP_KEEPCNT_MAX      127
#define TCP_USER_TIMEOUT_MAX INT32_MAX

/* How long TIME_WAIT stands (TCP_TIMEWAIT_LEN, include/net/tcp.h). */
#define TCP_TIMEWAIT_LEN_NS (60 * 1000000000LL)

/* How long a request stands whose SYN-ACK nobody acknowledges, and a little: the sixth one, which
 * is the last by default (net.ipv4.tcp_synack_retries), is waited for until 63 s. */
#define TCP_REQUEST_NS (64 * 1000000000LL)

/* What the kernel has without any setting: of a kernel that lacks one. */
extern const struct tcp_limits tcp_limits_default;

/* Nanoseconds from the last segment of an idle connection until a vanished peer is noticed. All
 * options have to be in force. Returns -1 for never. */
int64_t tcp_timeout_idle(const struct tcp_liveness *liveness);

/* Nanoseconds from the first segment that is not acknowledged until the connection is given up.
 * rto_ns: the connection's retransmission timeout as it was sent; 0: the least that it may be. */
int64_t tcp_timeout_sending(const struct tcp_limits *limits, const struct tcp_liveness *liveness,
                            int64_t rto_ns);

/* Nanoseconds until a segment that is not acknowledged is sent again for the first time, by the
 * tail-loss probe, on a network whose round trips take no time. */
int64_t tcp_timeout_first(const struct tcp_limits *limits);

/* As tcp_timeout_sending(), without a user timeout, where a router says to each segment that the
 * peer cannot be reached: give or take half of rto_ns. */
int64_t tcp_timeout_unreachable(const struct tcp_limits *limits, int64_t rto_ns);

/* Nanoseconds from the moment that the peer has closed its window and vanished until its silence is
 * noticed by the probes of the window. rto_ns: as above. */
int64_t tcp_timeout_probing(const struct tcp_limits *limits, int64_t rto_ns);
/* The same, from its last answer on, where so many probes had been sent until then: the intervals
 * grow with each, answered or not. */
int64_t tcp_timeout_probing_after(const struct tcp_limits *limits, int64_t rto_ns, int sent_before);

/* Nanoseconds that a listener with TCP_DEFER_ACCEPT of so many seconds waits for data, before it
 * takes the connection without. */
int64_t tcp_timeout_deferring(int seconds);

/* Nanoseconds from the first SYN until connect() gives up. */
int64_t tcp_timeout_connecting(const struct tcp_limits *limits,
                               const struct tcp_liveness *liveness);

#endif
