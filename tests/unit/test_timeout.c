/* SPDX-License-Identifier: MIT
 *
 * When a vanished peer is noticed: against what Linux 6.18 was seen to do, with the connection cut
 * silently between two hosts (round trip 0.1 ms, HZ=250).
 */
#include "unit.h"

#include "tcp/timeout.h"
#include "units/duration.h"

/* The kernel's timers are coarse: each fires up to an eighth late. */
static void assert_about(int64_t ns, double seen_s) {
    const double s = (double)ns / 1e9;

    if (s < seen_s * 0.9 || s > seen_s * 1.1)
        fail_msg("%.3f s, seen were %.3f s", s, seen_s);
}

static void retransmission(void **state) {
    static const struct {
        int retries2;
        int64_t rto_min_ms, rto_max_ms;
        double seen_s;
    } rows[] = {
        {0, 200, 120000, 0.830}, {1, 200, 120000, 1.672}, {2, 200, 120000, 3.340},
        {3, 200, 120000, 6.757}, {3, 200, 1000, 3.724},   {3, 50, 120000, 3.682},
        {3, 50, 1000, 2.876},    {3, 20, 120000, 3.169},  {3, 20, 1000, 2.637},
        {3, 1000, 120000, 8.23}, {5, 200, 120000, 13.48}, {5, 200, 1000, 5.763},
        {5, 50, 120000, 14.879}, {5, 50, 1000, 4.939},    {5, 20, 1000, 4.675},
        {6, 200, 120000, 26.59}, {6, 200, 1000, 6.787},   {6, 50, 120000, 29.477},
        {6, 50, 1000, 5.972},    {6, 20, 120000, 51.32},  {6, 20, 1000, 5.716},
        {8, 200, 120000, 106.5}, {15, 200, 1000, 15.0},
    };
    const struct tcp_liveness liveness = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct tcp_limits limits = {
            .retries2 = rows[i].retries2,
            .rto_min_ns = rows[i].rto_min_ms * NS_PER_MS,
            .rto_max_ns = rows[i].rto_max_ms * NS_PER_MS,
        };

        assert_about(tcp_timeout_sending(&limits, &liveness, (rows[i].rto_min_ms + 4) * NS_PER_MS),
                     rows[i].seen_s);
    }
}

static void retransmission_without_any_setting(void **state) {
    const struct tcp_liveness liveness = {0};

    (void)state;
    assert_int_equal(tcp_timeout_sending(&tcp_limits_default, &liveness, 0) / NS_PER_S, 928);
    /* A connection's RTO is not below what its namespace allows. */
    assert_int_equal(tcp_timeout_sending(&tcp_limits_default, &liveness, 1),
                     tcp_timeout_sending(&tcp_limits_default, &liveness, 0));
}

static void user_timeout_takes_the_place_of_retries(void **state) {
    static const struct {
        int retries2;
        int64_t user_timeout_ms;
        double seen_s;
    } rows[] = {
        {15, 100, 0.52},   {15, 500, 0.917}, {15, 1000, 1.446},
        {15, 3000, 3.419}, {15, 7000, 7.44}, {3, 20000, 20.4},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct tcp_liveness liveness = {.user_timeout_ms = rows[i].user_timeout_ms};
        struct tcp_limits limits = tcp_limits_default;

        limits.retries2 = rows[i].retries2;
        assert_about(tcp_timeout_sending(&limits, &liveness, 204 * NS_PER_MS), rows[i].seen_s);
    }
}

static void keepalive_with_and_without_user_timeout(void **state) {
    static const struct {
        int idle_s, interval_s, count;
        int64_t user_timeout_ms;
        double seen_s;
    } rows[] = {
        {1, 1, 1, 0, 2.04},      {1, 1, 1, 500, 2.03},    {1, 1, 1, 1500, 2.05},
        {1, 1, 1, 2500, 3.04},   {1, 1, 1, 10000, 10.23}, {1, 1, 3, 0, 4.08},
        {1, 1, 3, 500, 2.02},    {1, 1, 3, 1500, 2.02},   {1, 1, 3, 2500, 3.05},
        {1, 1, 3, 10000, 10.22}, {2, 1, 3, 0, 5.06},      {2, 1, 3, 500, 3.02},
        {2, 1, 3, 1500, 3.02},   {2, 1, 3, 2500, 3.05},   {2, 1, 3, 10000, 10.21},
        {2, 1, 1, 0, 3.04},      {1, 2, 3, 0, 7.07},      {1, 3, 9, 2500, 4.25},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct tcp_liveness liveness = {
            .keepalive = true,
            .idle_s = rows[i].idle_s,
            .interval_s = rows[i].interval_s,
            .count = rows[i].count,
            .user_timeout_ms = rows[i].user_timeout_ms,
        };

        assert_about(tcp_timeout_idle(&liveness), rows[i].seen_s);
    }
}

static void idle_without_keepalive_is_never_noticed(void **state) {
    const struct tcp_liveness off = {.idle_s = 7200, .interval_s = 75, .count = 9};
    const struct tcp_liveness user_timeout = {.user_timeout_ms = 1000};
    struct tcp_liveness on = off;

    (void)state;
    assert_int_equal(tcp_timeout_idle(&off), -1);
    assert_int_equal(tcp_timeout_idle(&user_timeout), -1);
    on.keepalive = true;
    assert_int_equal(tcp_timeout_idle(&on), 7875 * NS_PER_S);
    on.idle_s = 10;
    assert_int_equal(tcp_timeout_idle(&on), 685 * NS_PER_S);
}

/* Seen: 2 s of the option take 3.04 s, 5 s take 7.1 s, 30 s take 31.6 s. */
static void deferring(void **state) {
    (void)state;
    assert_int_equal(tcp_timeout_deferring(0), 0);
    assert_int_equal(tcp_timeout_deferring(1), NS_PER_S);
    assert_int_equal(tcp_timeout_deferring(2), 3 * NS_PER_S);
    assert_int_equal(tcp_timeout_deferring(5), 7 * NS_PER_S);
    assert_int_equal(tcp_timeout_deferring(30), 31 * NS_PER_S);
}

static void connecting(void **state) {
    static const struct {
        int syn_retries, linear;
        int64_t rto_max_ms, user_timeout_ms;
        double seen_s;
    } rows[] = {
        {1, 4, 120000, 0, 3.06},
        {2, 4, 120000, 0, 7.12},
        {3, 4, 120000, 0, 19.34},
        {1, 0, 120000, 0, 3.04},
        {2, 0, 120000, 0, 7.11},
        {3, 0, 120000, 0, 15.46},
        {3, 1, 120000, 0, 16.48},
        {3, 0, 2000, 0, 7.06},
        {6, 4, 120000, 500, 1.03},
        {6, 4, 120000, 1500, 1.53},
        {6, 4, 120000, 3000, 3.02},
        {6, 4, 120000, 7000, 7.01},
        {2, 4, 120000, 20000, 11.2},
        /* Not waited for: Documentation/networking/ip-sysctl.rst, tcp_syn_retries. */
        {6, 4, 120000, 0, 131},
        {6, 0, 120000, 0, 127},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct tcp_liveness liveness = {.user_timeout_ms = rows[i].user_timeout_ms};
        const struct tcp_limits limits = {
            .syn_retries = rows[i].syn_retries,
            .syn_linear_timeouts = rows[i].linear,
            .rto_max_ns = rows[i].rto_max_ms * NS_PER_MS,
        };

        assert_about(tcp_timeout_connecting(&limits, &liveness), rows[i].seen_s);
    }
}

/* The tail-loss probe; seen where a router answered it, as `tcpwatch lab network-unreachable` has
 * it, with these settings of its own. */
static void the_first_time_that_it_is_sent_again(void **state) {
    static const struct {
        int64_t rto_min_ms;
        double seen_s;
    } rows[] = {{50, 0.055}, {200, 0.21}, {400, 0.43}, {1000, 1.01}};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct tcp_limits limits = {.rto_min_ns = rows[i].rto_min_ms * NS_PER_MS};

        assert_about(tcp_timeout_first(&limits), rows[i].seen_s);
    }
    assert_int_equal(tcp_timeout_first(&tcp_limits_default), 204 * NS_PER_MS);
}

/* `tcpwatch lab host-unreachable`. The waits do not grow, so that it may be half of one earlier or
 * later. */
static void retransmission_while_a_router_answers(void **state) {
    static const struct {
        int retries2;
        int64_t rto_min_ms, rto_max_ms;
        double seen_s;
    } rows[] = {
        {0, 200, 120000, 0.62}, {1, 200, 120000, 1.03}, {2, 200, 1000, 1.85},
        {3, 200, 120000, 3.48}, {3, 200, 1000, 2.87},   {3, 400, 120000, 4.18},
        {4, 200, 120000, 6.76},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct tcp_limits limits = {
            .retries2 = rows[i].retries2,
            .rto_min_ns = rows[i].rto_min_ms * NS_PER_MS,
            .rto_max_ns = rows[i].rto_max_ms * NS_PER_MS,
        };
        const int64_t rto_ns = (rows[i].rto_min_ms + 4) * NS_PER_MS;
        const double s = (double)tcp_timeout_unreachable(&limits, rto_ns) / 1e9;
        const double half_s = (double)rto_ns / 2e9;

        if (s < rows[i].seen_s - half_s || s > rows[i].seen_s + half_s)
            fail_msg("%.3f s, seen were %.3f s", s, rows[i].seen_s);
    }
    /* Not waited for. */
    assert_int_equal(tcp_timeout_unreachable(&tcp_limits_default, 0) / NS_PER_S, 925);
    assert_int_equal(tcp_timeout_unreachable(&tcp_limits_default, 1),
                     tcp_timeout_unreachable(&tcp_limits_default, 0));
}

/* `tcpwatch lab zero-window-crash`. Without any probe (0 of them) it depends on what was sent
 * before. */
static void probing_a_closed_window(void **state) {
    static const struct {
        int retries2;
        int64_t rto_ms, rto_max_ms;
        double seen_s;
    } rows[] = {
        {1, 204, 120000, 0.63},
        {2, 204, 1000, 1.50},
        {2, 1004, 120000, 7.33},
        {3, 204, 120000, 3.20},
        {3, 204, 1000, 2.56},
        {5, 204, 1000, 4.59},
        {5, 204, 120000, 13.61},
        /* The first wait is not below 200 ms, whatever tcp_rto_min_us allows. */
        {2, 54, 120000, 1.44},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct tcp_limits limits = {
            .retries2 = rows[i].retries2,
            .rto_max_ns = rows[i].rto_max_ms * NS_PER_MS,
        };

        assert_about(tcp_timeout_probing(&limits, rows[i].rto_ms * NS_PER_MS), rows[i].seen_s);
    }
    /* Not waited for. */
    assert_int_equal(tcp_timeout_probing(&tcp_limits_default, 204 * NS_PER_MS) / NS_PER_S, 928);
    assert_int_equal(tcp_timeout_probing(&tcp_limits_default, 0),
                     tcp_timeout_probing(&tcp_limits_default, 200 * NS_PER_MS));
}

/* Documentation/networking/ip-sysctl.rst. */
static void a_kernel_without_a_setting_has_its_default(void **state) {
    (void)state;
    assert_int_equal(tcp_limits_default.retries2, 15);
    assert_int_equal(tcp_limits_default.syn_retries, 6);
    assert_int_equal(tcp_limits_default.syn_linear_timeouts, 0);
    assert_int_equal(tcp_limits_default.rto_min_ns, 200 * NS_PER_MS);
    assert_int_equal(tcp_limits_default.rto_max_ns, 120 * NS_PER_S);
    assert_int_equal(tcp_limits_default.fin_timeout_ns, 60 * NS_PER_S);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retransmission),
        cmocka_unit_test(retransmission_without_any_setting),
        cmocka_unit_test(user_timeout_takes_the_place_of_retries),
        cmocka_unit_test(keepalive_with_and_without_user_timeout),
        cmocka_unit_test(idle_without_keepalive_is_never_noticed),
        cmocka_unit_test(connecting),
        cmocka_unit_test(deferring),
        cmocka_unit_test(the_first_time_that_it_is_sent_again),
        cmocka_unit_test(retransmission_while_a_router_answers),
        cmocka_unit_test(probing_a_closed_window),
        cmocka_unit_test(a_kernel_without_a_setting_has_its_default),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
