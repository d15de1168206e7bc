/* SPDX-License-Identifier: MIT */
#include "watch/summary.h"

#include "unit.h"

#include "units/duration.h"

static struct connection connection_of(uint64_t cookie, enum tcp_state state) {
    const struct socket socket = socket_of(cookie, state);

    return (struct connection){
        .cookie = cookie,
        .local = socket.local,
        .remote = socket.remote,
        .local_port = socket.local_port,
        .remote_port = socket.remote_port,
        .state = socket.state,
    };
}

static void move(struct summary *summary, struct connection *connection, enum tcp_state from,
                 enum tcp_state to, int64_t dwell_ns) {
    const struct event event = {
        .kind = EVENT_TRANSITION,
        .connection = connection,
        .from = from,
        .to = to,
        .dwell_ns = dwell_ns,
        .dwell_at_least = dwell_ns % 2,
        .dwell_approximate = dwell_ns % 4 > 1,
    };

    summary_add(summary, &event, false);
}

static void each_connection_counts_once(void **state) {
    struct connection connection = connection_of(1, TCP_STATE_ESTABLISHED);
    struct event event = {
        .kind = EVENT_APPEARED, .connection = &connection, .to = TCP_STATE_ESTABLISHED};
    struct summary summary = {0};

    (void)state;
    summary_add(&summary, &event, true);
    move(&summary, &connection, TCP_STATE_ESTABLISHED, TCP_STATE_CLOSE_WAIT, 1);
    move(&summary, &connection, TCP_STATE_CLOSE_WAIT, TCP_STATE_LAST_ACK, 1);
    event.kind = EVENT_STUCK;
    summary_add(&summary, &event, false);
    event.kind = EVENT_HELD;
    summary_add(&summary, &event, false);
    assert_int_equal(summary.connections, 1);
    assert_int_equal(summary.transitions, 2);
    /* The first that is shown of another need not be that it appeared. */
    event.kind = EVENT_STUCK;
    summary_add(&summary, &event, true);
    assert_int_equal(summary.connections, 2);
}

static void a_listener_is_no_connection(void **state) {
    struct connection listener = connection_of(1, TCP_STATE_LISTEN);
    const struct event event = {
        .kind = EVENT_APPEARED, .connection = &listener, .to = TCP_STATE_LISTEN};
    struct summary summary = {.ended_ns = 9 * NS_PER_S};

    (void)state;
    summary_add(&summary, &event, true);
    summary_add_standing(&summary, &listener);
    assert_int_equal(summary.connections, 0);
    assert_int_equal(summary.open, 0);
    assert_int_equal(summary.longest[TCP_STATE_LISTEN].ns, 0);
}

static void a_listener_that_goes_was_no_connection_either(void **state) {
    struct connection listener = connection_of(1, TCP_STATE_CLOSE);
    const struct event event = {
        .kind = EVENT_TRANSITION,
        .connection = &listener,
        .from = TCP_STATE_LISTEN,
        .to = TCP_STATE_CLOSE,
        .dwell_ns = NS_PER_S,
    };
    struct summary summary = {0};

    (void)state;
    summary_add(&summary, &event, true);
    assert_int_equal(summary.connections, 0);
    assert_int_equal(summary.longest[TCP_STATE_LISTEN].ns, 0);
}

static void ends_are_counted_by_cause(void **state) {
    struct connection connection = connection_of(1, TCP_STATE_CLOSE);
    struct event event = {.kind = EVENT_CLOSED, .connection = &connection};
    struct summary summary = {0};

    (void)state;
    for (int cause = 0; cause < CAUSE_COUNT; cause++)
        for (int i = 0; i <= cause; i++) {
            event.cause = (enum cause)cause;
            summary_add(&summary, &event, false);
        }
    for (int cause = 0; cause < CAUSE_COUNT; cause++)
        assert_int_equal(summary.ended[cause], cause + 1);
    assert_int_equal(summary.transitions, 0);
}

static void losses_add_up(void **state) {
    struct event event = {.kind = EVENT_LOST, .count = 3, .reason = "so it is"};
    struct summary summary = {0};

    (void)state;
    summary_add(&summary, &event, false);
    event.count = 0; /* not known how many */
    summary_add(&summary, &event, false);
    event.count = 4;
    summary_add(&summary, &event, false);
    assert_int_equal(summary.lost, 7);
    assert_int_equal(summary.gaps, 1);
    assert_int_equal(summary.connections, 0);
}

static void the_longest_stay_of_each_state_is_kept(void **state) {
    struct connection first = connection_of(1, TCP_STATE_ESTABLISHED),
                      second = connection_of(2, TCP_STATE_ESTABLISHED);
    const struct stay *stay;
    struct summary summary = {0};

    (void)state;
    move(&summary, &first, TCP_STATE_ESTABLISHED, TCP_STATE_CLOSE_WAIT, 5);
    move(&summary, &second, TCP_STATE_ESTABLISHED, TCP_STATE_CLOSE_WAIT, 8);
    move(&summary, &first, TCP_STATE_ESTABLISHED, TCP_STATE_CLOSE_WAIT, 7);
    move(&summary, &first, TCP_STATE_CLOSE_WAIT, TCP_STATE_LAST_ACK, 3);
    stay = &summary.longest[TCP_STATE_ESTABLISHED];
    assert_int_equal(stay->ns, 8);
    assert_false(stay->at_least);
    assert_false(stay->approximate);
    assert_int_equal(stay->remote_port, second.remote_port);
    assert_memory_equal(&stay->local, &second.local, sizeof(stay->local));
    stay = &summary.longest[TCP_STATE_CLOSE_WAIT];
    assert_int_equal(stay->ns, 3);
    assert_true(stay->at_least);
    assert_true(stay->approximate);
    assert_int_equal(summary.longest[TCP_STATE_LAST_ACK].ns, 0);
}

/* Its stay goes on, so that it is at least so long. */
static void what_stands_at_the_end_counts_as_open(void **state) {
    struct summary summary = {.ended_ns = 100 * NS_PER_S};
    struct connection held = connection_of(1, TCP_STATE_CLOSE_WAIT),
                      waiting = connection_of(2, TCP_STATE_TIME_WAIT);

    (void)state;
    held.since_ns = 40 * NS_PER_S;
    waiting.since_ns = 70 * NS_PER_S;
    waiting.since_seen = true;
    summary_add_standing(&summary, &held);
    summary_add_standing(&summary, &waiting);
    assert_int_equal(summary.open, 1);
    assert_true(summary.longest[TCP_STATE_CLOSE_WAIT].ns == 60 * NS_PER_S);
    assert_true(summary.longest[TCP_STATE_CLOSE_WAIT].at_least);
    assert_true(summary.longest[TCP_STATE_TIME_WAIT].ns == 30 * NS_PER_S);
    assert_false(summary.longest[TCP_STATE_CLOSE_WAIT].approximate);
    assert_true(summary.longest[TCP_STATE_TIME_WAIT].approximate);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_connection_counts_once),
        cmocka_unit_test(a_listener_is_no_connection),
        cmocka_unit_test(ends_are_counted_by_cause),
        cmocka_unit_test(losses_add_up),
        cmocka_unit_test(the_longest_stay_of_each_state_is_kept),
        cmocka_unit_test(what_stands_at_the_end_counts_as_open),
        cmocka_unit_test(a_listener_that_goes_was_no_connection_either),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
