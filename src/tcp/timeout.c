/* SPDX-License-Identifier: MIT */
#include "tcp/timeout.h"

#include "units/duration.h"

/* TCP_RTO_MIN and TCP_TIMEOUT_INIT, include/net/tcp.h: the base of the limits below, whatever
 * tcp_rto_min_us says. */
#define RTO_BASE_NS (200 * NS_PER_MS)
#define SYN_RTO_NS  NS_PER_S

/* TCP_RTO_MAX, the same. */
#define TCP_RTO_MAX_NS (120 * NS_PER_S)

const struct tcp_limits tcp_limits_default = {
    .retries2 = 15,
    .syn_retries = 6,
    .rto_min_ns = 200 * NS_PER_MS,
    .rto_max_ns = 120 * NS_PER_S,
    .fin_timeout_ns = 60 * NS_PER_S,
};

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

int64_t tcp_timeout_idle(const struct tcp_liveness *liveness) {
    const int64_t idle_ns = liveness->idle_s * NS_PER_S;
    const int64_t interval_ns = liveness->interval_s * NS_PER_S;
    const int64_t user_ns = liveness->user_timeout_ms * NS_PER_MS;
    int64_t probes = liveness->count;

    if (!liveness->keepalive || interval_ns <= 0)
        return -1;
    /* With a user timeout the count does not matter: after a probe, the time alone decides
     * (tcp_keepalive_timer(), net/ipv4/tcp_timer.c). */
    if (user_ns > idle_ns)
        probes = (user_ns - idle_ns + interval_ns - 1) / interval_ns;
    else if (user_ns)
        probes = 1;
    return idle_ns + interval_ns * probes;
}

/* How long retransmission may go on (tcp_model_timeout(), net/ipv4/tcp_timer.c). */
static int64_t limit(int retries, int64_t base_ns, int64_t rto_max_ns) {
    int64_t limit_ns = base_ns, step_ns = base_ns;

    for (int i = 0; i < retries; i++) {
        /* The first step is as long as the power of two below rto_max_ns allows. */
        step_ns = step_ns * 2 <= rto_max_ns ? step_ns * 2 : rto_max_ns;
        limit_ns += step_ns;
    }
    return limit_ns;
}

int64_t tcp_timeout_first(const struct tcp_limits *limits) {
    /* The least RTO and a round trip: on a fast network that is little more. */
    return limits->rto_min_ns + limits->rto_min_ns / 50;
}

int64_t tcp_timeout_sending(const struct tcp_limits *limits, const struct tcp_liveness *liveness,
                            int64_t rto_ns) {
    const int64_t user_ns = liveness->user_timeout_ms * NS_PER_MS;
    const int64_t limit_ns = limit(limits->retries2, RTO_BASE_NS, limits->rto_max_ns);
    const int64_t fast_ns = tcp_timeout_first(limits);
    int64_t since_ns = 0, wait_ns, first_ns;

    if (rto_ns < fast_ns)
        rto_ns = fast_ns;
    /* A tail-loss probe goes first, at about the least RTO (tcp_schedule_loss_probe()), then the
     * first retransmission, from which on the time is taken (retransmits_timed_out()). */
    first_ns = fast_ns + rto_ns;
    if (user_ns)
        return first_ns + user_ns;
    for (wait_ns = rto_ns; since_ns < limit_ns; since_ns += wait_ns)
        wait_ns = least(wait_ns * 2, limits->rto_max_ns);
    return first_ns + since_ns;
}

int64_t tcp_timeout_unreachable(const struct tcp_limits *limits, int64_t rto_ns) {
    const int64_t fast_ns = tcp_timeout_first(limits);

    if (rto_ns < fast_ns)
        rto_ns = fast_ns;
    /* The waits do not grow then (RFC 6069; tcp_ld_RTO_revert(), net/ipv4/tcp_ipv4.c), so that the
     * first one that ends after the limit decides: half of one later, on the average. */
    return fast_ns + rto_ns + limit(limits->retries2, RTO_BASE_NS, limits->rto_max_ns) + rto_ns / 2;
}

int64_t tcp_timeout_probing(const struct tcp_limits *limits, int64_t rto_ns) {
    return tcp_timeout_probing_after(limits, rto_ns, 0);
}

int64_t tcp_timeout_probing_after(const struct tcp_limits *limits, int64_t rto_ns,
                                  int sent_before) {
    int64_t wait_ns = rto_ns > RTO_BASE_NS ? rto_ns : RTO_BASE_NS, at_ns = 0;

    /* tcp_probe_timer() and tcp_send_probe0(): the timer that would send one probe more than
     * tcp_retries2 ends it; and so often the interval is doubled at the most. */
    for (int doubled = 0; doubled < sent_before + limits->retries2; doubled++) {
        if (doubled >= sent_before)
            at_ns += wait_ns;
        if (doubled < limits->retries2)
            wait_ns = least(wait_ns * 2, limits->rto_max_ns);
    }
    return at_ns + wait_ns;
}

int64_t tcp_timeout_deferring(int seconds) {
    int64_t wait_ns = SYN_RTO_NS, at_ns = 0;

    /* The option counts in timeouts of the SYN-ACK (secs_to_retrans(), net/ipv4/tcp.c): when so
     * many have passed it is sent again, and the answer to that is taken (reqsk_timer_handler(),
     * net/ipv4/inet_connection_sock.c). tcp_rto_max_ms has no part in it. */
    while (at_ns < seconds * NS_PER_S) {
        at_ns += wait_ns;
        wait_ns = least(wait_ns * 2, TCP_RTO_MAX_NS);
    }
    return at_ns;
}

int64_t tcp_timeout_connecting(const struct tcp_limits *limits,
                               const struct tcp_liveness *liveness) {
    const int64_t user_ns = liveness->user_timeout_ms * NS_PER_MS;
    const int64_t limit_ns =
        user_ns ? user_ns : limit(limits->syn_retries, SYN_RTO_NS, limits->rto_max_ns);
    const int most = limits->syn_retries + limits->syn_linear_timeouts;
    int64_t wait_ns = SYN_RTO_NS, at_ns = SYN_RTO_NS;

    /* tcp_write_timeout(): `sent` retransmissions were made when the timer fires at `at_ns`. */
    for (int sent = 0; sent < most && (sent == 0 || at_ns < limit_ns); sent++) {
        if (sent >= limits->syn_linear_timeouts)
            wait_ns = least(wait_ns * 2, limits->rto_max_ns);
        at_ns += user_ns ? least(wait_ns, user_ns > at_ns ? user_ns - at_ns : 0) : wait_ns;
    }
    return at_ns;
}
