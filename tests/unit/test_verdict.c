/* SPDX-License-Identifier: MIT */
#include "watch/verdict.h"

#include "unit.h"

#include "units/duration.h"

#define HAS_ALL (SOCKET_HAS_INFO | SOCKET_HAS_BYTES | SOCKET_HAS_DATA_SEGS | SOCKET_HAS_SENT)
#define NOW     (5000 * NS_PER_S)

/* A connection that was met in the middle of its life: 100 bytes sent and acknowledged, 200
 * received, by the side that accepted it. */
static struct socket in_its_middle(enum tcp_state state) {
    struct socket socket = socket_of(1, state);

    socket.has = HAS_ALL;
    socket.bytes_sent = socket.bytes_acked = 100;
    socket.bytes_received = 200;
    socket.segs_in = socket.segs_out = 10;
    socket.data_segs_in = socket.data_segs_out = 4;
    socket.rtt_us = 60;
    return socket;
}

static struct connection met(const struct socket *socket) {
    struct connection connection = {.cookie = 1, .inode = socket->inode};

    verdict_observe(&connection, socket);
    return connection;
}

static struct event closed(struct connection *connection, enum tcp_state from, enum tcp_state to,
                           const struct socket *last, const struct socket *peer) {
    const struct freed freed = {.last = last, .peer = peer};
    struct event event = {
        .kind = EVENT_CLOSED, .at_ns = NOW, .connection = connection, .from = from, .to = to};

    verdict_close(&event, last ? &freed : NULL);
    return event;
}

static void in_time_wait_it_was_closed_by_fin(void **state) {
    struct socket socket = in_its_middle(TCP_STATE_ESTABLISHED);
    struct connection connection = met(&socket);
    struct event event = closed(&connection, TCP_STATE_FIN_WAIT1, TCP_STATE_TIME_WAIT, NULL, NULL);

    (void)state;
    assert_int_equal(event.cause, CAUSE_FIN);
    /* The two FINs may have crossed. */
    assert_int_equal(event.closed_first, SIDE_UNKNOWN);
    socket = in_its_middle(TCP_STATE_FIN_WAIT2);
    verdict_observe(&connection, &socket);
    event = closed(&connection, TCP_STATE_FIN_WAIT2, TCP_STATE_TIME_WAIT, NULL, NULL);
    assert_int_equal(event.cause, CAUSE_FIN);
    assert_int_equal(event.closed_first, SIDE_LOCAL);
}

/* From CLOSING both ends go to TIME_WAIT. */
static void the_other_end_tells_whether_the_fins_crossed(void **state) {
    static const struct {
        enum tcp_state peer;
        enum side first;
    } rows[] = {
        {TCP_STATE_UNKNOWN, SIDE_UNKNOWN}, /* it may be on another host */
        {TCP_STATE_CLOSE, SIDE_LOCAL},      {TCP_STATE_LAST_ACK, SIDE_LOCAL},
        {TCP_STATE_CLOSE_WAIT, SIDE_LOCAL}, {TCP_STATE_TIME_WAIT, SIDE_UNKNOWN},
        {TCP_STATE_CLOSING, SIDE_UNKNOWN},  {TCP_STATE_FIN_WAIT1, SIDE_UNKNOWN},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct socket socket = in_its_middle(TCP_STATE_ESTABLISHED);
        const struct socket peer = {.state = (uint8_t)rows[i].peer};
        struct connection connection = met(&socket);
        struct event event;

        verdict_observe_peer(&connection, rows[i].peer == TCP_STATE_UNKNOWN ? NULL : &peer);
        event = closed(&connection, TCP_STATE_ESTABLISHED, TCP_STATE_TIME_WAIT, NULL, NULL);
        if (event.closed_first != rows[i].first)
            fail_msg("row %zu: %d", i, event.closed_first);
    }
}

/* What the last look and the freed socket's counters prove. Each row changes one thing. */
static void a_fin_that_was_acknowledged_is_proved_by_the_counters(void **state) {
    static const struct {
        const char *what;
        enum tcp_state from;
        int64_t base;  /* acknowledged beyond the payload when last looked at */
        int64_t acked; /* and at the end; */
        uint64_t resent;
        uint32_t send_queue;
        uint8_t has;
        enum cause cause;
    } rows[] = {
        {"accepted, its FIN acknowledged", TCP_STATE_LAST_ACK, 0, 1, 0, 0, HAS_ALL, CAUSE_FIN},
        {"closed and freed unseen", TCP_STATE_CLOSE_WAIT, 0, 1, 0, 0, HAS_ALL, CAUSE_FIN},
        {"connected, its FIN acknowledged", TCP_STATE_LAST_ACK, 1, 2, 0, 0, HAS_ALL, CAUSE_FIN},
        {"sent again", TCP_STATE_LAST_ACK, 0, 1, 70, 0, HAS_ALL, CAUSE_FIN},
        {"connected, not acknowledged", TCP_STATE_LAST_ACK, 1, 1, 0, 0, HAS_ALL, CAUSE_UNKNOWN},
        {"accepted, not acknowledged", TCP_STATE_LAST_ACK, 0, 0, 0, 0, HAS_ALL, CAUSE_UNKNOWN},
        {"data unacknowledged", TCP_STATE_LAST_ACK, 0, 1, 0, 9, HAS_ALL, CAUSE_UNKNOWN},
        {"an old kernel", TCP_STATE_LAST_ACK, 0, 1, 0, 0, SOCKET_HAS_INFO, CAUSE_UNKNOWN},
        {"this side closed first", TCP_STATE_FIN_WAIT1, 0, 1, 0, 0, HAS_ALL, CAUSE_UNKNOWN},
        {"base not known", TCP_STATE_LAST_ACK, 5, 6, 0, 0, HAS_ALL, CAUSE_UNKNOWN},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct socket socket = in_its_middle(TCP_STATE_CLOSE_WAIT), last;
        struct connection connection;
        struct event event;

        socket.bytes_acked = (uint64_t)(100 + rows[i].base);
        connection = met(&socket);
        last = in_its_middle(TCP_STATE_CLOSE);
        last.has = rows[i].has;
        last.bytes_acked = (uint64_t)(100 + rows[i].acked);
        last.bytes_sent += rows[i].resent;
        last.bytes_retrans = rows[i].resent;
        last.send_queue = rows[i].send_queue;
        event = closed(&connection, rows[i].from, TCP_STATE_CLOSE, &last, NULL);
        if (event.cause != rows[i].cause ||
            event.closed_first != (rows[i].cause == CAUSE_FIN ? SIDE_REMOTE : SIDE_UNKNOWN))
            fail_msg("%s: cause %d, first %d", rows[i].what, event.cause, event.closed_first);
    }
}

/* As the kernel counts where the link is down: each try again as sent, and none of them as sent
 * again. */
static void more_than_was_written_is_not_told_as_sent(void **state) {
    struct socket last = in_its_middle(TCP_STATE_CLOSE);

    (void)state;
    last.bytes_sent = 18;
    last.bytes_acked = 3;
    last.send_queue = 4;
    assert_int_equal(verdict_totals(&last, 0).bytes_sent, -1);
    last.send_queue = 15;
    assert_int_equal(verdict_totals(&last, 0).bytes_sent, 18);
    last.bytes_retrans = 11;
    last.send_queue = 4;
    assert_int_equal(verdict_totals(&last, 0).bytes_sent, 7);
}

/* After this side's FIN was acknowledged the counters tell nothing of how many SYNs there were. */
static void only_a_look_before_the_fin_tells_who_connected(void **state) {
    (void)state;
    for (int each = TCP_STATE_ESTABLISHED; each < TCP_STATE_COUNT; each++) {
        struct socket socket = in_its_middle((enum tcp_state)each);
        struct connection connection;

        socket.bytes_acked++;
        connection = met(&socket);
        assert_int_equal(connection.fin_base_known,
                         each == TCP_STATE_ESTABLISHED || each == TCP_STATE_CLOSE_WAIT);
        if (connection.fin_base_known)
            assert_true(connection.fin_base);
    }
}

static void a_peer_in_time_wait_had_closed_first(void **state) {
    struct socket socket = in_its_middle(TCP_STATE_ESTABLISHED), last, peer;
    struct connection connection = met(&socket);
    struct event event;

    (void)state;
    last = in_its_middle(TCP_STATE_CLOSE);
    peer = socket_of(2, TCP_STATE_TIME_WAIT);
    event = closed(&connection, TCP_STATE_UNKNOWN, TCP_STATE_CLOSE, &last, &peer);
    assert_int_equal(event.cause, CAUSE_FIN);
    assert_int_equal(event.closed_first, SIDE_REMOTE);
    /* It still waits for this side's FIN, and will wait in vain. */
    peer.state = TCP_STATE_FIN_WAIT2;
    event = closed(&connection, TCP_STATE_UNKNOWN, TCP_STATE_CLOSE, &last, &peer);
    assert_int_equal(event.cause, CAUSE_UNKNOWN);
}

/* close() with SO_LINGER 0 clears the counters and the remote port. */
static void a_connection_thrown_away_was_aborted(void **state) {
    struct socket socket = in_its_middle(TCP_STATE_ESTABLISHED);
    struct connection connection = met(&socket);
    struct socket last = {.cookie = 1, .local_port = 9998, .has = HAS_ALL};
    struct event event;

    (void)state;
    connection.born_seen = true;
    connection.born_ns = NOW - 3 * NS_PER_S;
    event = closed(&connection, TCP_STATE_ESTABLISHED, TCP_STATE_CLOSE, &last, NULL);
    assert_int_equal(event.cause, CAUSE_ABORTED);
    assert_true(event.lifetime_ns == 3 * NS_PER_S);
    /* The cleared counters are no totals. */
    assert_int_equal(event.totals.bytes_sent, -1);
    assert_int_equal(event.totals.bytes_received, -1);
    assert_int_equal(event.totals.segs_in, -1);
    assert_int_equal(event.totals.segs_out, -1);
    assert_int_equal(event.totals.retransmits, -1);
    /* So does a connect() that failed: nobody threw anything away. */
    event = closed(&connection, TCP_STATE_SYN_SENT, TCP_STATE_CLOSE, &last, NULL);
    assert_int_equal(event.cause, CAUSE_UNKNOWN);
    assert_int_equal(event.totals.segs_out, -1);
}

/* The peer's FIN takes a place in the queue, too. */
static void what_was_not_read_is_told_where_this_side_aborted(void **state) {
    static const struct {
        enum tcp_state from;
        uint32_t recv_queue, inode, unread;
    } rows[] = {
        {TCP_STATE_ESTABLISHED, 5, 77, 5}, {TCP_STATE_ESTABLISHED, 0, 77, 0},
        {TCP_STATE_CLOSE_WAIT, 6, 77, 5},  {TCP_STATE_CLOSE_WAIT, 1, 77, 0},
        {TCP_STATE_FIN_WAIT2, 5, 77, 5},   {TCP_STATE_ESTABLISHED, 5, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct socket last = in_its_middle(rows[i].from);
        struct connection connection = met(&last);
        struct event event;

        connection.traced = true;
        last.recv_queue = rows[i].recv_queue;
        last.inode = rows[i].inode;
        event = closed(&connection, rows[i].from, TCP_STATE_CLOSE, &last, NULL);
        assert_int_equal(event.cause, CAUSE_ABORTED);
        assert_int_equal(event.unread, rows[i].unread);
        /* What a RST of the peer left unread is no reason of this side. */
        connection.reset_received = true;
        event = closed(&connection, rows[i].from, TCP_STATE_CLOSE, &last, NULL);
        assert_int_equal(event.cause, CAUSE_RESET);
        assert_int_equal(event.unread, 0);
    }
}

/* A segment came, and this side has sent nothing but data: the segment was the end. */
static void a_reset_is_proved_by_the_segments(void **state) {
    static const struct {
        const char *what;
        enum tcp_state from;
        uint32_t in, out, data_out;
        uint8_t retransmits, probes;
        enum cause cause;
    } rows[] = {
        {"one segment came", TCP_STATE_ESTABLISHED, 1, 0, 0, 0, 0, CAUSE_RESET},
        {"to one that had closed", TCP_STATE_CLOSE_WAIT, 1, 0, 0, 0, 0, CAUSE_RESET},
        {"data was sent", TCP_STATE_ESTABLISHED, 2, 3, 3, 0, 0, CAUSE_RESET},
        {"nothing came", TCP_STATE_ESTABLISHED, 0, 0, 0, 0, 0, CAUSE_UNKNOWN},
        {"something else was sent", TCP_STATE_ESTABLISHED, 1, 1, 0, 0, 0, CAUSE_UNKNOWN},
        {"retransmitting", TCP_STATE_ESTABLISHED, 1, 0, 0, 1, 0, CAUSE_UNKNOWN},
        {"probing", TCP_STATE_ESTABLISHED, 1, 0, 0, 0, 1, CAUSE_UNKNOWN},
        {"its FIN was under way", TCP_STATE_FIN_WAIT1, 1, 0, 0, 0, 0, CAUSE_UNKNOWN},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct socket socket = in_its_middle(TCP_STATE_ESTABLISHED), last;
        struct connection connection = met(&socket);
        struct event event;

        last = in_its_middle(TCP_STATE_CLOSE);
        last.segs_in += rows[i].in;
        last.segs_out += rows[i].out;
        last.data_segs_out += rows[i].data_out;
        last.retransmits = rows[i].retransmits;
        last.probes = rows[i].probes;
        event = closed(&connection, rows[i].from, TCP_STATE_CLOSE, &last, NULL);
        if (event.cause != rows[i].cause)
            fail_msg("%s: cause %d", rows[i].what, event.cause);
    }
}

static void what_was_not_seen_has_no_cause(void **state) {
    struct socket last = in_its_middle(TCP_STATE_CLOSE);
    struct connection never_met = {.cookie = 1};
    struct event event;

    (void)state;
    event = closed(&never_met, TCP_STATE_ESTABLISHED, TCP_STATE_CLOSE, NULL, NULL);
    assert_int_equal(event.cause, CAUSE_UNKNOWN);
    assert_int_equal(event.lifetime_ns, -1);
    assert_int_equal(event.totals.bytes_sent, -1);
    last.segs_in++;
    event = closed(&never_met, TCP_STATE_UNKNOWN, TCP_STATE_CLOSE, &last, NULL);
    assert_int_equal(event.cause, CAUSE_UNKNOWN);
    event = closed(&never_met, TCP_STATE_ESTABLISHED, TCP_STATE_CLOSE, &last, NULL);
    assert_int_equal(event.cause, CAUSE_UNKNOWN);
}

static void totals_are_those_that_the_kernel_told(void **state) {
    struct socket last = in_its_middle(TCP_STATE_CLOSE);
    struct totals totals;

    (void)state;
    last.bytes_retrans = 30;
    last.total_retrans = 3;
    totals = verdict_totals(&last, 0);
    assert_int_equal(totals.bytes_sent, 70);
    assert_int_equal(totals.bytes_received, 200);
    assert_int_equal(totals.segs_in, 10);
    assert_int_equal(totals.segs_out, 10);
    assert_int_equal(totals.retransmits, 3);
    /* The peer's FIN was counted as a byte. */
    assert_int_equal(verdict_totals(&last, 1).bytes_received, 199);
    assert_int_equal(verdict_totals(&last, -1).bytes_received, -1);
    /* Without data there can be nothing else. */
    last.data_segs_in = 0;
    last.bytes_received = 1;
    assert_int_equal(verdict_totals(&last, -1).bytes_received, 0);

    last.has = SOCKET_HAS_INFO | SOCKET_HAS_BYTES;
    totals = verdict_totals(&last, 0);
    assert_int_equal(totals.bytes_sent, -1);
    assert_int_equal(totals.bytes_received, 1);
    last.has = SOCKET_HAS_INFO;
    totals = verdict_totals(&last, 0);
    assert_int_equal(totals.bytes_received, -1);
    assert_int_equal(totals.segs_in, -1);
    assert_int_equal(totals.retransmits, 3);
    last.has = 0;
    assert_int_equal(verdict_totals(&last, 0).retransmits, -1);
}

static void the_peer_s_fin_is_no_byte_received(void **state) {
    static const struct {
        enum tcp_state from, to;
        int64_t received;
    } rows[] = {
        {TCP_STATE_CLOSE_WAIT, TCP_STATE_CLOSE, 199},
        {TCP_STATE_LAST_ACK, TCP_STATE_CLOSE, 199},
        {TCP_STATE_CLOSING, TCP_STATE_CLOSE, 199},
        /* There may have been no room for a TIME_WAIT. */
        {TCP_STATE_FIN_WAIT2, TCP_STATE_CLOSE, -1},
        {TCP_STATE_FIN_WAIT2, TCP_STATE_TIME_WAIT, 199},
        /* It may have come after the last look, or not. */
        {TCP_STATE_ESTABLISHED, TCP_STATE_CLOSE, -1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct socket last = in_its_middle(TCP_STATE_CLOSE);
        struct connection connection = {.cookie = 1};
        struct event event = closed(&connection, rows[i].from, rows[i].to, &last, NULL);

        if (event.totals.bytes_received != rows[i].received)
            fail_msg("from %s: %lld", tcp_state_name(rows[i].from),
                     (long long)event.totals.bytes_received);
        if (rows[i].from != TCP_STATE_FIN_WAIT2 || rows[i].to != TCP_STATE_CLOSE)
            continue;
        connection.traced = true;
        event = closed(&connection, rows[i].from, rows[i].to, &last, NULL);
        assert_int_equal(event.totals.bytes_received, 200);
    }
}

static void totals_kept_for_the_minisock_are_its_own(void **state) {
    struct totals kept = {1, 2, 3, 4, 5};
    struct connection connection = {.cookie = 1, .minisock = true, .totals = &kept};
    struct event event = closed(&connection, TCP_STATE_FIN_WAIT2, TCP_STATE_TIME_WAIT, NULL, NULL);

    (void)state;
    assert_memory_equal(&event.totals, &kept, sizeof(kept));
}

/* Where no data went one way, that clock has run since the beginning. */
static void the_lifetime_is_the_counters_or_what_was_watched(void **state) {
    static const struct {
        uint32_t data_out, data_in;
        bool born_seen;
        int64_t lifetime_ms;
    } rows[] = {
        {0, 4, true, 7000},  {0, 4, false, 7000}, {4, 0, false, 8000},
        {0, 0, false, 7000}, {4, 4, true, 3000},  {4, 4, false, -1},
    };
    struct socket never = in_its_middle(TCP_STATE_CLOSE);
    struct connection watched = {.cookie = 1, .born_seen = true, .born_ns = NOW - 3 * NS_PER_S};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct socket last = in_its_middle(TCP_STATE_CLOSE);
        struct connection connection = {
            .cookie = 1, .born_seen = rows[i].born_seen, .born_ns = NOW - 3 * NS_PER_S};
        struct event event;

        last.data_segs_out = rows[i].data_out;
        last.data_segs_in = rows[i].data_in;
        last.last_data_sent_ms = 7000;
        last.last_data_recv_ms = 8000;
        event = closed(&connection, TCP_STATE_LAST_ACK, TCP_STATE_CLOSE, &last, NULL);
        if (event.lifetime_ns != (rows[i].lifetime_ms < 0 ? -1 : rows[i].lifetime_ms * NS_PER_MS))
            fail_msg("row %zu: %lld ns", i, (long long)event.lifetime_ns);
    }
    /* Its connect() has failed: the clocks count from the start of the machine. */
    never.rtt_us = never.data_segs_out = never.data_segs_in = 0;
    never.last_data_sent_ms = 3000000;
    assert_int_equal(
        closed(&watched, TCP_STATE_SYN_SENT, TCP_STATE_CLOSE, &never, NULL).lifetime_ns,
        3 * NS_PER_S);
}

static void one_that_was_met_late_in_its_life_has_no_lifetime(void **state) {
    struct connection connection = {.cookie = 1, .born_seen = true, .born_ns = 0};
    struct event event = closed(&connection, TCP_STATE_LAST_ACK, TCP_STATE_CLOSE, NULL, NULL);

    (void)state;
    assert_int_equal(event.lifetime_ns, -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_time_wait_it_was_closed_by_fin),
        cmocka_unit_test(the_other_end_tells_whether_the_fins_crossed),
        cmocka_unit_test(a_fin_that_was_acknowledged_is_proved_by_the_counters),
        cmocka_unit_test(more_than_was_written_is_not_told_as_sent),
        cmocka_unit_test(only_a_look_before_the_fin_tells_who_connected),
        cmocka_unit_test(a_peer_in_time_wait_had_closed_first),
        cmocka_unit_test(a_connection_thrown_away_was_aborted),
        cmocka_unit_test(what_was_not_read_is_told_where_this_side_aborted),
        cmocka_unit_test(a_reset_is_proved_by_the_segments),
        cmocka_unit_test(what_was_not_seen_has_no_cause),
        cmocka_unit_test(totals_are_those_that_the_kernel_told),
        cmocka_unit_test(the_peer_s_fin_is_no_byte_received),
        cmocka_unit_test(totals_kept_for_the_minisock_are_its_own),
        cmocka_unit_test(the_lifetime_is_the_counters_or_what_was_watched),
        cmocka_unit_test(one_that_was_met_late_in_its_life_has_no_lifetime),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
