/* SPDX-License-Identifier: MIT */
#include "watch/tracker.h"

#include "unit.h"

#include "units/duration.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* The time of a message to arrive, SETTLE_NS of the tracker: well within it, and well past it. */
#define SOON (2 * NS_PER_MS)
#define LATE (100 * NS_PER_MS)

/* A watch without a kernel: what is in `standing` is in its table. */
struct watch {
    struct tracker *tracker;
    int64_t now_ns;
    struct socket standing[8];
    size_t count;
    bool look_fails, counts_only;
    size_t events, looks;
    uint16_t last_port; /* of the last event's connection */
    uint32_t last_pid;
    bool ways_to_end;            /* with what was passed before a closed event */
    bool stay_about, life_about; /* what the last event that tells of such a time says of it */
    char log[4096];              /* what was emitted, a line an event */
    size_t len;
};

__attribute__((format(printf, 2, 3))) static void note(struct watch *watch, const char *format,
                                                       ...) {
    va_list args;

    va_start(args, format);
    watch->len +=
        (size_t)vsnprintf(watch->log + watch->len, sizeof(watch->log) - watch->len, format, args);
    va_end(args);
    assert_true(watch->len < sizeof(watch->log));
}

static void note_stay(struct watch *watch, const struct event *event) {
    note(watch, " after %s%lld", event->dwell_at_least ? ">" : "",
         (long long)(event->dwell_ns / NS_PER_MS));
}

static void note_skipped(struct watch *watch, const struct event *event) {
    for (size_t i = 0; i < event->skipped_count; i++) {
        const char *before = i ? "," : " by ";

        for (size_t state = 1; state < TCP_STATE_COUNT; state++)
            if (event->skipped[i] & TCP_STATE_BIT(state)) {
                note(watch, "%s%s", before, tcp_state_name((enum tcp_state)state));
                before = "|";
            }
    }
}

static void note_end(struct watch *watch, const struct event *event) {
    static const char *const causes[CAUSE_COUNT] = {"unknown",    "fin",     "reset",
                                                    "timed-out",  "refused", "host-gone",
                                                    "no-network", "aborted", "destroyed"};
    static const char *const sides[] = {"", " local", " remote"};

    note(watch, " %s%s%s", causes[event->cause], sides[event->closed_first],
         event->held ? " held" : "");
    if (event->totals.bytes_sent >= 0)
        note(watch, " sent %lld", (long long)event->totals.bytes_sent);
    if (event->error)
        note(watch, " errno %d", event->error);
}

/* "3 ESTABLISHED>CLOSE_WAIT after 2000", the cookie first. */
static void on_event(void *into, struct event *event) {
    static const char *const kinds[] = {
        [EVENT_APPEARED] = " appeared ", [EVENT_TRANSITION] = " ", [EVENT_STUCK] = " stuck ",
        [EVENT_CLOSED] = " closed ",     [EVENT_HELD] = " held ",
    };
    struct watch *watch = into;

    assert_int_equal(event->at_ns, watch->now_ns);
    watch->events++;
    if (watch->counts_only)
        return;
    if (event->kind == EVENT_LOST) {
        assert_null(event->connection);
        note(watch, "lost %llu\n", (unsigned long long)event->count);
        return;
    }
    watch->last_port = event->connection->local_port;
    watch->last_pid = event->connection->owner.pid;
    if (event->former_cookie)
        note(watch, "%llu-", (unsigned long long)event->former_cookie);
    note(watch, "%llu%s", (unsigned long long)event->connection->cookie, kinds[event->kind]);
    if (event->kind == EVENT_TRANSITION)
        note(watch, "%s>", tcp_state_name(event->from));
    note(watch, "%s", tcp_state_name(event->to));
    if (event->kind == EVENT_TRANSITION || event->kind == EVENT_STUCK)
        note_stay(watch, event);
    if (event->kind == EVENT_TRANSITION || event->kind == EVENT_STUCK)
        watch->stay_about = event->dwell_approximate;
    if (event->kind == EVENT_CLOSED)
        watch->life_about = event->lifetime_approximate;
    if (event->kind == EVENT_TRANSITION || watch->ways_to_end)
        note_skipped(watch, event);
    if (event->kind == EVENT_CLOSED)
        note_end(watch, event);
    note(watch, "%s%s\n", event->initial ? " initial" : "", event->exact ? " exact" : "");
}

static int look(void *into, const struct socket *wanted, struct socket *found) {
    struct watch *watch = into;

    watch->looks++;
    if (watch->look_fails)
        return -1;
    for (size_t i = 0; i < watch->count; i++)
        if (watch->standing[i].local_port == wanted->local_port &&
            watch->standing[i].remote_port == wanted->remote_port) {
            *found = watch->standing[i];
            return 1;
        }
    return 0;
}

static struct watch *watch_new(int64_t stuck_ns) {
    struct watch *watch = calloc(1, sizeof(*watch));
    struct tracker_settings settings = {
        .stuck_ns = stuck_ns, .emit = on_event, .look = look, .into = watch};

    assert_non_null(watch);
    watch->now_ns = 1000 * NS_PER_S;
    watch->tracker = tracker_new(&settings);
    assert_non_null(watch->tracker);
    return watch;
}

static void watch_free(struct watch *watch) {
    tracker_free(watch->tracker);
    free(watch);
}

static void forget(struct watch *watch) {
    watch->len = 0;
    watch->log[0] = '\0';
}

/* What happened since the last call, and nothing else. */
static void expect(struct watch *watch, const char *log) {
    assert_string_equal(watch->log, log);
    forget(watch);
}

static struct socket *find(struct watch *watch, uint64_t cookie) {
    for (size_t i = 0; i < watch->count; i++)
        if (watch->standing[i].cookie == cookie)
            return &watch->standing[i];
    assert_true(watch->count < COUNT(watch->standing));
    return &watch->standing[watch->count++];
}

/* Puts it into the kernel's table, or changes what is there. */
static struct socket *stand(struct watch *watch, uint64_t cookie, enum tcp_state state) {
    struct socket *socket = find(watch, cookie);

    *socket = socket_of(cookie, state);
    return socket;
}

/* The minisock that goes on in its place. */
static struct socket *stand_mini(struct watch *watch, uint64_t cookie, enum tcp_state state) {
    struct socket *socket = stand(watch, cookie, state);

    socket->timer = SOCKET_TIMER_TIME_WAIT;
    socket->timer_ms = 60000;
    socket->inode = socket->uid = 0;
    return socket;
}

static void vanish(struct watch *watch, uint64_t cookie) {
    *find(watch, cookie) = watch->standing[watch->count - 1];
    watch->count--;
}

/* Walks the table but for the one socket that the walk misses; 0: none. */
static void walk_past(struct watch *watch, uint64_t missed) {
    tracker_begin_walk(watch->tracker);
    for (size_t i = 0; i < watch->count; i++)
        if (watch->standing[i].cookie != missed)
            tracker_seen(watch->tracker, &watch->standing[i], watch->now_ns);
    tracker_end_walk(watch->tracker, watch->now_ns);
}

static void walk(struct watch *watch) {
    walk_past(watch, 0);
}

static int64_t pass(struct watch *watch, int64_t ns) {
    watch->now_ns += ns;
    return tracker_settle(watch->tracker, watch->now_ns);
}

/* A second of which the end is a walk, and the time for what follows from it. */
static void walk_later(struct watch *watch) {
    pass(watch, NS_PER_S - LATE);
    walk(watch);
    pass(watch, LATE);
}

/* The destroy message: as sock_diag has it, counters and neither state nor owner. */
static struct socket last_of(uint64_t cookie) {
    struct socket last = socket_of(cookie, TCP_STATE_CLOSE);

    last.inode = last.uid = 0;
    last.has = SOCKET_HAS_INFO | SOCKET_HAS_BYTES | SOCKET_HAS_SENT | SOCKET_HAS_DATA_SEGS;
    last.bytes_sent = last.bytes_acked = 700 + cookie;
    last.segs_out = last.data_segs_out = last.data_segs_in = 5;
    return last;
}

static void freed(struct watch *watch, uint64_t cookie, const struct socket *successor) {
    const struct socket last = last_of(cookie);
    const struct socket gone = {.state = TCP_STATE_CLOSE}; /* what is left of the other end */

    tracker_freed(watch->tracker, &last, successor, successor ? &gone : NULL, watch->now_ns);
}

/* What comes now was not there before the watch. */
static struct watch *watch_after_two_walks(void) {
    struct watch *watch = watch_new(0);

    walk_later(watch);
    walk_later(watch);
    expect(watch, "");
    return watch;
}

static void what_stands_at_the_first_walk_was_there_before(void **state) {
    struct watch *watch = watch_new(0);

    (void)state;
    stand(watch, 1, TCP_STATE_ESTABLISHED);
    stand(watch, 2, TCP_STATE_LISTEN);
    walk_later(watch);
    expect(watch, "1 appeared ESTABLISHED initial\n2 appeared LISTEN initial\n");
    stand(watch, 3, TCP_STATE_ESTABLISHED);
    walk_later(watch);
    expect(watch, "3 appeared ESTABLISHED\n");
    walk_later(watch);
    expect(watch, "");
    watch_free(watch);
}

static void a_transition_tells_the_stay_in_the_state_before(void **state) {
    struct watch *watch = watch_new(0);

    (void)state;
    stand(watch, 1, TCP_STATE_ESTABLISHED);
    walk_later(watch);
    stand(watch, 2, TCP_STATE_ESTABLISHED);
    walk_later(watch);
    expect(watch, "1 appeared ESTABLISHED initial\n2 appeared ESTABLISHED\n");
    stand(watch, 1, TCP_STATE_CLOSE_WAIT);
    stand(watch, 2, TCP_STATE_CLOSE_WAIT);
    walk_later(watch);
    expect(watch, "1 ESTABLISHED>CLOSE_WAIT after >2000\n2 ESTABLISHED>CLOSE_WAIT after 1000\n");
    /* The stay in the next state was seen from its beginning. */
    stand(watch, 1, TCP_STATE_LAST_ACK);
    walk_later(watch);
    expect(watch, "1 CLOSE_WAIT>LAST_ACK after 1000\n");
    watch_free(watch);
}

static void states_passed_unseen_are_named(void **state) {
    struct watch *watch = watch_new(0);

    (void)state;
    stand(watch, 1, TCP_STATE_SYN_SENT);
    stand(watch, 2, TCP_STATE_ESTABLISHED);
    walk_later(watch);
    forget(watch);
    stand(watch, 1, TCP_STATE_CLOSE_WAIT);
    stand(watch, 2, TCP_STATE_LAST_ACK);
    walk_later(watch);
    expect(watch, "1 SYN_SENT>CLOSE_WAIT after >1000 by ESTABLISHED\n"
                  "2 ESTABLISHED>LAST_ACK after >1000 by CLOSE_WAIT\n");
    watch_free(watch);
}

static void time_wait_closes_once_and_with_the_counters(void **state) {
    struct watch *watch = watch_after_two_walks();

    (void)state;
    stand(watch, 1, TCP_STATE_FIN_WAIT2);
    walk_later(watch);
    expect(watch, "1 appeared FIN_WAIT2\n");
    stand_mini(watch, 1, TCP_STATE_TIME_WAIT);
    walk(watch);
    pass(watch, SOON);
    expect(watch, "1 FIN_WAIT2>TIME_WAIT after 100\n"); /* the counters may still come */
    freed(watch, 1, &watch->standing[0]);
    expect(watch, "1 closed TIME_WAIT fin local sent 701\n");
    pass(watch, LATE);
    walk_later(watch);
    expect(watch, "");
    vanish(watch, 1);
    walk_later(watch);
    expect(watch, "1 TIME_WAIT>CLOSE after 2102\n");
    walk_later(watch);
    expect(watch, "");
    watch_free(watch);
}

static void time_wait_that_the_message_tells_first_closes_once(void **state) {
    struct watch *watch = watch_after_two_walks();

    (void)state;
    stand(watch, 1, TCP_STATE_FIN_WAIT2);
    walk_later(watch);
    expect(watch, "1 appeared FIN_WAIT2\n");
    freed(watch, 1, stand_mini(watch, 1, TCP_STATE_TIME_WAIT));
    expect(watch, "1 FIN_WAIT2>TIME_WAIT after 100\n1 closed TIME_WAIT fin local sent 701\n");
    walk_later(watch);
    expect(watch, "");
    watch_free(watch);
}

static void time_wait_whose_message_does_not_come_closes_without_counters(void **state) {
    struct watch *watch = watch_after_two_walks();

    (void)state;
    stand(watch, 1, TCP_STATE_FIN_WAIT2);
    walk_later(watch);
    stand_mini(watch, 1, TCP_STATE_TIME_WAIT);
    walk_later(watch);
    expect(watch, "1 appeared FIN_WAIT2\n1 FIN_WAIT2>TIME_WAIT after 1000\n"
                  "1 closed TIME_WAIT fin local\n");
    /* And when it comes after all, that is nothing new. */
    freed(watch, 1, &watch->standing[0]);
    walk_later(watch);
    expect(watch, "");
    watch_free(watch);
}

static void time_wait_from_before_the_watch_does_not_close(void **state) {
    struct watch *watch = watch_new(0);

    (void)state;
    stand_mini(watch, 1, TCP_STATE_TIME_WAIT);
    walk_later(watch);
    expect(watch, "1 appeared TIME_WAIT initial\n");
    vanish(watch, 1);
    walk_later(watch);
    expect(watch, "1 TIME_WAIT>CLOSE after >1100\n");
    watch_free(watch);
}

static void closed_and_gone_before_its_message_closes_once(void **state) {
    struct watch *watch = watch_after_two_walks();

    (void)state;
    stand(watch, 1, TCP_STATE_FIN_WAIT2);
    walk_later(watch);
    stand_mini(watch, 1, TCP_STATE_TIME_WAIT);
    walk(watch);
    vanish(watch, 1);
    freed(watch, 1, NULL);
    pass(watch, LATE);
    walk_later(watch);
    expect(watch, "1 appeared FIN_WAIT2\n1 FIN_WAIT2>TIME_WAIT after 100\n"
                  "1 closed TIME_WAIT fin local sent 701\n1 TIME_WAIT>CLOSE after 0\n");
    watch_free(watch);
}

static struct watch *watch_an_orphan(void) {
    struct watch *watch = watch_after_two_walks();

    stand(watch, 1, TCP_STATE_ESTABLISHED);
    walk_later(watch);
    freed(watch, 1, stand_mini(watch, 1, TCP_STATE_FIN_WAIT2));
    expect(watch, "1 appeared ESTABLISHED\n1 ESTABLISHED>FIN_WAIT2 after 100 by FIN_WAIT1\n");
    walk_later(watch);
    expect(watch, "");
    return watch;
}

static void an_orphan_in_fin_wait2_is_not_closed_yet(void **state) {
    struct watch *watch = watch_an_orphan();

    (void)state;
    stand_mini(watch, 1, TCP_STATE_TIME_WAIT);
    walk_later(watch);
    expect(watch, "1 FIN_WAIT2>TIME_WAIT after 1900\n1 closed TIME_WAIT fin local sent 701\n");
    vanish(watch, 1);
    walk_later(watch);
    expect(watch, "1 TIME_WAIT>CLOSE after 1100\n");
    watch_free(watch);
}

static void an_orphan_that_its_timer_ends_has_timed_out(void **state) {
    struct watch *watch = watch_an_orphan();

    (void)state;
    for (uint32_t second = 2; second <= 60; second++) {
        find(watch, 1)->timer_ms = (60 - second) * 1000;
        walk_later(watch);
    }
    vanish(watch, 1);
    walk_later(watch);
    expect(watch, "1 FIN_WAIT2>CLOSE after 61000\n1 closed CLOSE timed-out sent 701\n");
    watch_free(watch);
}

/* It still stood not long before, and yet its time was not up. */
static void an_orphan_that_ends_early_has_not_timed_out(void **state) {
    struct watch *watch = watch_an_orphan();

    (void)state;
    find(watch, 1)->timer_ms = 1900;
    walk_later(watch);
    vanish(watch, 1);
    walk_later(watch);
    expect(watch, "1 FIN_WAIT2>CLOSE after 3000\n1 closed CLOSE unknown sent 701\n");
    watch_free(watch);
}

static void a_message_before_the_walk_closes_at_once(void **state) {
    struct watch *watch = watch_after_two_walks();

    (void)state;
    stand(watch, 1, TCP_STATE_LAST_ACK);
    walk_later(watch);
    vanish(watch, 1);
    freed(watch, 1, NULL);
    expect(watch,
           "1 appeared LAST_ACK\n1 LAST_ACK>CLOSE after 100\n1 closed CLOSE unknown sent 701\n");
    walk_later(watch);
    expect(watch, "");
    watch_free(watch);
}

static void a_message_after_the_walk_that_missed_it_closes_once(void **state) {
    struct watch *watch = watch_after_two_walks();

    (void)state;
    stand(watch, 1, TCP_STATE_LAST_ACK);
    walk_later(watch);
    vanish(watch, 1);
    walk(watch);
    pass(watch, SOON);
    expect(watch, "1 appeared LAST_ACK\n");
    freed(watch, 1, NULL);
    expect(watch, "1 LAST_ACK>CLOSE after 102\n1 closed CLOSE unknown sent 701\n");
    pass(watch, LATE);
    walk_later(watch);
    expect(watch, "");
    watch_free(watch);
}

/* A process keeps a dead socket open: its message comes when that is closed, hours later. */
static void a_dead_socket_that_is_still_held_closes_once(void **state) {
    struct watch *watch = watch_after_two_walks();

    (void)state;
    stand(watch, 1, TCP_STATE_ESTABLISHED);
    walk_later(watch);
    vanish(watch, 1);
    walk_later(watch);
    expect(watch, "1 appeared ESTABLISHED\n1 ESTABLISHED>CLOSE after 1100\n"
                  "1 closed CLOSE unknown held\n");
    assert_null(tracker_next(watch->tracker, NULL));
    for (int i = 0; i < 100; i++)
        walk_later(watch);
    freed(watch, 1, NULL);
    walk_later(watch);
    expect(watch, "");
    watch_free(watch);
}

static void a_dead_socket_has_lost_its_ports_and_is_known_all_the_same(void **state) {
    struct watch *watch = watch_after_two_walks();
    struct socket last = {.cookie = 1, .local_port = 9998, .state = TCP_STATE_CLOSE};

    (void)state;
    stand(watch, 1, TCP_STATE_ESTABLISHED);
    walk_later(watch);
    vanish(watch, 1);
    tracker_freed(watch->tracker, &last, NULL, NULL, watch->now_ns);
    expect(watch,
           "1 appeared ESTABLISHED\n1 ESTABLISHED>CLOSE after 100\n1 closed CLOSE aborted\n");
    walk_later(watch);
    expect(watch, "");
    watch_free(watch);
}

static void freed_beside(struct watch *watch, uint64_t cookie, const struct socket *successor,
                         enum tcp_state other_end) {
    const struct socket last = last_of(cookie), peer = {.state = (uint8_t)other_end};

    tracker_freed(watch->tracker, &last, successor, &peer, watch->now_ns);
}

/* Where the other end tells which side closed first. */
static void fins_that_were_not_seen_tell_what_was_passed(void **state) {
    struct watch *watch = watch_after_two_walks();

    (void)state;
    watch->ways_to_end = true;
    stand(watch, 1, TCP_STATE_ESTABLISHED);
    stand(watch, 2, TCP_STATE_CLOSE_WAIT);
    stand(watch, 3, TCP_STATE_ESTABLISHED);
    walk_later(watch);
    forget(watch);
    vanish(watch, 1);
    freed_beside(watch, 1, NULL, TCP_STATE_TIME_WAIT);
    expect(watch, "1 ESTABLISHED>CLOSE after 100 by CLOSE_WAIT,LAST_ACK\n"
                  "1 closed CLOSE by CLOSE_WAIT,LAST_ACK fin remote sent 701\n");
    vanish(watch, 2);
    freed_beside(watch, 2, NULL, TCP_STATE_TIME_WAIT);
    expect(watch, "2 CLOSE_WAIT>CLOSE after 100 by LAST_ACK\n"
                  "2 closed CLOSE by LAST_ACK fin remote sent 702\n");
    freed_beside(watch, 3, stand_mini(watch, 3, TCP_STATE_TIME_WAIT), TCP_STATE_CLOSE);
    expect(watch, "3 ESTABLISHED>TIME_WAIT after 100 by FIN_WAIT1,FIN_WAIT2\n"
                  "3 closed TIME_WAIT by FIN_WAIT1,FIN_WAIT2 fin local sent 703\n");
    freed_beside(watch, 4, NULL, TCP_STATE_TIME_WAIT);
    expect(watch, "4 appeared CLOSE\n"
                  "4 closed CLOSE by ESTABLISHED,CLOSE_WAIT,LAST_ACK fin remote sent 704\n");
    watch_free(watch);
}

static void a_connection_that_no_walk_met_appears_and_closes(void **state) {
    struct watch *watch = watch_after_two_walks();

    (void)state;
    freed(watch, 1, NULL);
    expect(watch, "1 appeared CLOSE\n1 closed CLOSE unknown sent 701\n");
    assert_null(tracker_next(watch->tracker, NULL));
    walk_later(watch);
    expect(watch, "");
    watch_free(watch);
}

static void a_socket_that_never_connected_is_no_connection(void **state) {
    struct watch *watch = watch_after_two_walks();
    struct socket last = last_of(1);

    (void)state;
    last.remote_port = 0;
    last.remote = (struct address){0};
    tracker_freed(watch->tracker, &last, NULL, NULL, watch->now_ns);
    walk_later(watch);
    expect(watch, "");
    watch_free(watch);
}

static void one_that_was_thrown_away_between_two_walks_is_told(void **state) {
    struct watch *watch = watch_after_two_walks();
    struct socket last = last_of(1);

    (void)state;
    last.remote_port = 0;
    last.bytes_acked = last.segs_out = 0;
    tracker_freed(watch->tracker, &last, NULL, NULL, watch->now_ns);
    walk_later(watch);
    expect(watch, "1 appeared CLOSE\n1 closed CLOSE unknown\n");
    watch_free(watch);
}

/* Of one that is known the cookie tells; of all others, which may be anybody's, one event does. */
static void that_one_may_have_been_thrown_away_is_said_once(void **state) {
    struct watch *watch = watch_after_two_walks();
    struct socket last = last_of(1);

    (void)state;
    stand(watch, 1, TCP_STATE_ESTABLISHED);
    walk_later(watch);
    forget(watch);
    vanish(watch, 1);
    last.remote_port = 0;
    last.bytes_acked = last.segs_out = 0;
    tracker_nameless(watch->tracker, &last, watch->now_ns);
    expect(watch, "1 ESTABLISHED>CLOSE after 100\n1 closed CLOSE aborted\n");
    last.cookie = 2;
    tracker_nameless(watch->tracker, &last, watch->now_ns);
    expect(watch, "lost 0\n");
    last.cookie = 3;
    tracker_nameless(watch->tracker, &last, watch->now_ns);
    walk_later(watch);
    expect(watch, "");
    watch_free(watch);
}

static void what_never_connected_is_no_loss(void **state) {
    struct watch *watch = watch_after_two_walks();
    struct socket last = last_of(1);

    (void)state;
    last.remote_port = 0;
    last.remote = (struct address){0};
    tracker_nameless(watch->tracker, &last, watch->now_ns);
    walk_later(watch);
    expect(watch, "");
    watch_free(watch);
}

static void a_listener_that_goes_is_not_closed(void **state) {
    struct watch *watch = watch_after_two_walks();
    struct socket last = last_of(1);

    (void)state;
    stand(watch, 1, TCP_STATE_LISTEN)->remote_port = 0;
    walk_later(watch);
    vanish(watch, 1);
    last.remote_port = 0;
    tracker_freed(watch->tracker, &last, NULL, NULL, watch->now_ns);
    expect(watch, "1 appeared LISTEN\n1 LISTEN>CLOSE after 100\n");
    walk_later(watch);
    expect(watch, "");
    watch_free(watch);
}

/* The kernel makes a cookie when it is first asked for one, so the minisock of a socket that no
 * walk has met has another than the message. */
static void a_minisock_of_another_cookie_is_the_same_connection(void **state) {
    struct watch *watch = watch_after_two_walks();

    (void)state;
    freed(watch, 1, stand_mini(watch, 2, TCP_STATE_TIME_WAIT));
    walk_later(watch);
    vanish(watch, 2);
    walk_later(watch);
    expect(watch, "2 appeared TIME_WAIT\n2 closed TIME_WAIT fin local sent 701\n"
                  "2 TIME_WAIT>CLOSE after 2000\n");
    watch_free(watch);
}

static void a_minisock_that_a_walk_met_first_takes_the_counters(void **state) {
    struct watch *watch = watch_after_two_walks();

    (void)state;
    stand_mini(watch, 2, TCP_STATE_TIME_WAIT);
    walk(watch);
    pass(watch, SOON);
    expect(watch, "2 appeared TIME_WAIT\n");
    freed(watch, 1, &watch->standing[0]);
    pass(watch, LATE);
    walk_later(watch);
    expect(watch, "2 closed TIME_WAIT fin local sent 701\n");
    watch_free(watch);
}

static void an_orphan_s_minisock_of_another_cookie_closes_later(void **state) {
    struct watch *watch = watch_after_two_walks();

    (void)state;
    freed(watch, 1, stand_mini(watch, 2, TCP_STATE_FIN_WAIT2));
    walk_later(watch);
    expect(watch, "2 appeared FIN_WAIT2\n");
    stand_mini(watch, 2, TCP_STATE_TIME_WAIT);
    walk_later(watch);
    expect(watch, "2 FIN_WAIT2>TIME_WAIT after 1900\n2 closed TIME_WAIT fin local sent 701\n");
    watch_free(watch);
}

/* The message of a known socket, and at its addresses a minisock that is not its own. */
static void a_minisock_of_the_next_connection_is_not_the_last_one_s(void **state) {
    struct watch *watch = watch_after_two_walks();

    (void)state;
    stand(watch, 1, TCP_STATE_LAST_ACK);
    walk_later(watch);
    vanish(watch, 1);
    freed(watch, 1, stand_mini(watch, 2, TCP_STATE_TIME_WAIT));
    expect(watch,
           "1 appeared LAST_ACK\n1 LAST_ACK>CLOSE after 100\n1 closed CLOSE unknown sent 701\n");
    walk_later(watch);
    expect(watch, "2 appeared TIME_WAIT\n2 closed TIME_WAIT fin\n");
    watch_free(watch);
}

/* A minisock at the addresses of the first socket, under the second cookie. */
static struct socket *stand_mini_for(struct watch *watch, uint64_t first, uint64_t cookie) {
    struct socket *mini;

    vanish(watch, first);
    mini = stand_mini(watch, cookie, TCP_STATE_TIME_WAIT);
    mini->remote_port = socket_of(first, TCP_STATE_CLOSE).remote_port;
    return mini;
}

/* A walk that asks a socket for its cookie just as its minisock is made sees one that the minisock
 * does not bear. */
static void a_minisock_whose_cookie_came_too_late_is_the_same_connection(void **state) {
    struct watch *watch = watch_after_two_walks();

    (void)state;
    stand(watch, 1, TCP_STATE_FIN_WAIT2);
    walk(watch);
    freed(watch, 1, stand_mini_for(watch, 1, 2));
    expect(watch, "1 appeared FIN_WAIT2\n1-2 FIN_WAIT2>TIME_WAIT after 0\n"
                  "1-2 closed TIME_WAIT fin local sent 701\n");
    walk_later(watch);
    expect(watch, "");

    /* The same, and the next walk comes before the message. */
    stand(watch, 3, TCP_STATE_CLOSING);
    walk(watch);
    stand_mini_for(watch, 3, 4);
    walk(watch);
    expect(watch, "3 appeared CLOSING\n3-4 CLOSING>TIME_WAIT after 0\n");
    freed(watch, 3, find(watch, 4));
    expect(watch, "3-4 closed TIME_WAIT fin sent 703\n");
    walk_later(watch);
    expect(watch, "");
    watch_free(watch);
}

/* A walk may read the state of a socket only after it has left the table. */
static void what_ended_under_the_walk_was_not_met(void **state) {
    struct watch *watch = watch_after_two_walks();

    (void)state;
    stand(watch, 1, TCP_STATE_FIN_WAIT2);
    walk_later(watch);
    stand(watch, 1, TCP_STATE_CLOSE);
    stand(watch, 2, TCP_STATE_CLOSE);
    walk(watch);
    expect(watch, "1 appeared FIN_WAIT2\n");
    freed(watch, 1, stand_mini(watch, 1, TCP_STATE_TIME_WAIT));
    freed(watch, 2, stand_mini_for(watch, 2, 3));
    expect(watch, "1 FIN_WAIT2>TIME_WAIT after 100\n1 closed TIME_WAIT fin local sent 701\n"
                  "3 appeared TIME_WAIT\n3 closed TIME_WAIT fin local sent 702\n");
    walk_later(watch);
    expect(watch, "");
    watch_free(watch);
}

/* A socket that two walks have met had its cookie in time. */
static void a_minisock_of_a_later_cookie_is_the_next_connection_s(void **state) {
    struct watch *watch = watch_after_two_walks();

    (void)state;
    stand(watch, 1, TCP_STATE_FIN_WAIT2);
    walk(watch);
    walk(watch);
    freed(watch, 1, stand_mini_for(watch, 1, 2));
    expect(watch, "1 appeared FIN_WAIT2\n1 FIN_WAIT2>CLOSE after 0\n"
                  "1 closed CLOSE unknown sent 701\n");
    walk_later(watch);
    expect(watch, "2 appeared TIME_WAIT\n2 closed TIME_WAIT fin\n");
    watch_free(watch);
}

static void addresses_in_use_again_are_another_connection(void **state) {
    struct watch *watch = watch_after_two_walks();
    struct socket *again;

    (void)state;
    stand(watch, 1, TCP_STATE_CLOSE_WAIT);
    walk_later(watch);
    vanish(watch, 1);
    again = stand(watch, 2, TCP_STATE_ESTABLISHED);
    again->remote_port = socket_of(1, TCP_STATE_CLOSE).remote_port;
    walk_later(watch);
    expect(watch, "1 appeared CLOSE_WAIT\n2 appeared ESTABLISHED\n1 CLOSE_WAIT>CLOSE after 1100\n"
                  "1 closed CLOSE unknown held\n");
    freed(watch, 1, NULL);
    walk_later(watch);
    expect(watch, "");
    watch_free(watch);
}

/* The kernel makes a cookie when it is first asked for one. A walk that asks a request socket just
 * as its full socket is made sees one that nothing bears afterwards. */
static void a_request_whose_cookie_came_too_late_is_the_same_connection(void **state) {
    struct watch *watch = watch_after_two_walks();
    struct socket *request, last, *child;

    (void)state;
    request = stand(watch, 1, TCP_STATE_SYN_RECV);
    request->inode = 0;
    walk_later(watch);
    vanish(watch, 1);
    child = stand(watch, 2, TCP_STATE_ESTABLISHED);
    child->remote_port = socket_of(1, TCP_STATE_CLOSE).remote_port;
    walk_later(watch);
    expect(watch, "1 appeared SYN_RECV\n1-2 held SYN_RECV\n1-2 SYN_RECV>ESTABLISHED after 1000\n");
    vanish(watch, 2);

    /* The same, and its full socket ends before the next walk. */
    request = stand(watch, 3, TCP_STATE_SYN_RECV);
    request->inode = 0;
    walk(watch);
    forget(watch);
    last = last_of(4);
    last.remote_port = request->remote_port;
    vanish(watch, 3);
    tracker_freed(watch->tracker, &last, NULL, NULL, watch->now_ns);
    expect(watch, "3-4 SYN_RECV>CLOSE after 0\n3-4 closed CLOSE unknown sent 704\n");
    walk(watch);
    watch_free(watch);
}

/* A request socket that a walk asks too late, and the last message of the full socket, under
 * another cookie. */
static struct socket stand_request_asked_too_late(struct watch *watch) {
    struct socket *request = stand(watch, 1, TCP_STATE_SYN_RECV), last = last_of(2);

    request->inode = 0;
    last.remote_port = request->remote_port;
    walk(watch);
    expect(watch, "1 appeared SYN_RECV\n");
    return last;
}

static void a_request_whose_socket_left_a_minisock_is_the_same_connection(void **state) {
    struct watch *watch = watch_after_two_walks();
    const struct socket last = stand_request_asked_too_late(watch);

    (void)state;
    tracker_freed(watch->tracker, &last, stand_mini_for(watch, 1, 3), NULL, watch->now_ns);
    walk_later(watch);
    expect(watch, "1-3 SYN_RECV>TIME_WAIT after 0 by ESTABLISHED,FIN_WAIT1,FIN_WAIT2|CLOSING\n"
                  "1-3 closed TIME_WAIT fin sent 702\n");
    watch_free(watch);
}

/* Its full socket ended before the next walk, but the message comes only when the request was told
 * to have ended. */
static void a_late_message_of_a_request_s_socket_is_nothing_new(void **state) {
    struct watch *watch = watch_after_two_walks();
    struct socket last = stand_request_asked_too_late(watch);

    (void)state;
    vanish(watch, 1);
    walk_later(watch);
    walk_later(watch);
    expect(watch, "1 SYN_RECV>CLOSE after 1000\n1 closed CLOSE unknown\n");
    /* That is the next connection's: it is younger than the walk that did not meet the request. */
    last.last_data_sent_ms = 900;
    last.last_data_recv_ms = 800;
    tracker_freed(watch->tracker, &last, NULL, NULL, watch->now_ns);
    expect(watch, "2 appeared CLOSE\n2 closed CLOSE unknown sent 702\n");
    last.last_data_recv_ms = 1900;
    tracker_freed(watch->tracker, &last, NULL, NULL, watch->now_ns);
    expect(watch, "");
    watch_free(watch);
}

/* A walk is no instant, and may pass by a socket that moves. */
static void one_that_a_walk_missed_is_looked_for(void **state) {
    struct watch *watch = watch_after_two_walks();

    (void)state;
    stand(watch, 1, TCP_STATE_ESTABLISHED);
    stand(watch, 2, TCP_STATE_ESTABLISHED);
    walk_later(watch);
    forget(watch);
    walk_past(watch, 1);
    pass(watch, LATE);
    expect(watch, "");
    stand(watch, 1, TCP_STATE_CLOSE_WAIT);
    walk_past(watch, 1);
    pass(watch, LATE);
    expect(watch, "1 ESTABLISHED>CLOSE_WAIT after 300\n");
    watch_free(watch);
}

/* Time passes from one settling to the next, in whole milliseconds. */
static void settle_for(struct watch *watch, int64_t ns) {
    const int64_t until_ns = watch->now_ns + ns;

    while (watch->now_ns < until_ns) {
        const int64_t next_ns = pass(watch, 0);

        pass(watch, (next_ns < until_ns ? next_ns : until_ns) - watch->now_ns);
    }
}

static void where_that_cannot_be_learned_nothing_is_claimed(void **state) {
    struct watch *watch = watch_after_two_walks();

    (void)state;
    stand(watch, 1, TCP_STATE_ESTABLISHED);
    walk_later(watch);
    forget(watch);
    vanish(watch, 1);
    watch->look_fails = true;
    walk(watch);
    settle_for(watch, 10 * NS_PER_S);
    expect(watch, "");
    /* Each time goes through the whole table. */
    assert_in_range(watch->looks, 5, 10);
    watch->look_fails = false;
    settle_for(watch, 2 * NS_PER_S);
    expect(watch, "1 ESTABLISHED>CLOSE after 10650\n1 closed CLOSE unknown held\n");
    assert_true(pass(watch, LATE) == INT64_MAX);
    watch_free(watch);
}

static void a_request_that_cannot_be_asked_for_ends_in_its_time(void **state) {
    struct watch *watch = watch_after_two_walks();

    (void)state;
    stand(watch, 1, TCP_STATE_SYN_RECV);
    watch->standing[0].inode = 0;
    walk_later(watch);
    forget(watch);
    vanish(watch, 1);
    watch->look_fails = true;
    walk(watch);
    settle_for(watch, 62 * NS_PER_S);
    expect(watch, "");
    settle_for(watch, 3 * NS_PER_S);
    assert_non_null(strstr(watch->log, "1 SYN_RECV>CLOSE after "));
    watch_free(watch);
}

static void nothing_is_settled_before_its_time(void **state) {
    struct watch *watch = watch_after_two_walks();
    int64_t due_ns;

    (void)state;
    assert_true(pass(watch, 0) == INT64_MAX);
    stand(watch, 1, TCP_STATE_ESTABLISHED);
    walk_later(watch);
    forget(watch);
    vanish(watch, 1);
    walk(watch);
    due_ns = pass(watch, 0);
    assert_in_range(due_ns - watch->now_ns, NS_PER_MS, LATE);
    assert_int_equal(pass(watch, due_ns - watch->now_ns - 1), due_ns);
    expect(watch, "");
    assert_true(pass(watch, 1) == INT64_MAX);
    assert_true(watch->len > 0);
    watch_free(watch);
}

static void lost_messages_that_the_next_walk_explains_are_none(void **state) {
    struct watch *watch = watch_after_two_walks();

    (void)state;
    stand(watch, 1, TCP_STATE_ESTABLISHED);
    stand(watch, 2, TCP_STATE_ESTABLISHED);
    walk_later(watch);
    forget(watch);
    vanish(watch, 1);
    tracker_lost(watch->tracker, 1);
    pass(watch, LATE);
    expect(watch, "");
    walk_later(watch);
    expect(watch, "1 ESTABLISHED>CLOSE after 1200\n1 closed CLOSE unknown held\n");
    walk_later(watch);
    expect(watch, "");
    watch_free(watch);
}

static void lost_messages_that_nothing_explains_are_counted(void **state) {
    struct watch *watch = watch_after_two_walks();

    (void)state;
    stand(watch, 1, TCP_STATE_ESTABLISHED);
    walk_later(watch);
    forget(watch);
    vanish(watch, 1);
    tracker_lost(watch->tracker, 2);
    tracker_lost(watch->tracker, 5);
    walk_later(watch);
    expect(watch, "1 ESTABLISHED>CLOSE after 1100\n1 closed CLOSE unknown held\nlost 6\n");
    walk_later(watch);
    expect(watch, "");
    watch_free(watch);
}

static void lost_messages_wait_for_a_walk_that_came_after(void **state) {
    struct watch *watch = watch_after_two_walks();

    (void)state;
    tracker_begin_walk(watch->tracker);
    tracker_lost(watch->tracker, 3);
    tracker_end_walk(watch->tracker, watch->now_ns);
    pass(watch, LATE);
    expect(watch, "");
    walk_later(watch);
    expect(watch, "lost 3\n");
    watch_free(watch);
}

static void lost_messages_wait_for_all_that_the_walk_has_missed(void **state) {
    struct watch *watch = watch_after_two_walks();

    (void)state;
    stand(watch, 1, TCP_STATE_ESTABLISHED);
    stand(watch, 2, TCP_STATE_ESTABLISHED);
    walk_later(watch);
    forget(watch);
    vanish(watch, 1);
    walk(watch);
    vanish(watch, 2);
    tracker_lost(watch->tracker, 2);
    pass(watch, 20 * SOON);
    walk(watch);
    /* The first one is settled, what the walk has missed only now is not. */
    pass(watch, 10 * SOON);
    expect(watch, "1 ESTABLISHED>CLOSE after 160\n1 closed CLOSE unknown held\n");
    pass(watch, LATE);
    expect(watch, "2 ESTABLISHED>CLOSE after 260\n2 closed CLOSE unknown held\n");
    walk_later(watch);
    expect(watch, "");
    watch_free(watch);
}

/* Losses that go on do not keep what came before from being told. */
static void what_is_lost_later_is_told_of_later(void **state) {
    struct watch *watch = watch_after_two_walks();

    (void)state;
    tracker_lost(watch->tracker, 3);
    pass(watch, NS_PER_S);
    walk(watch);
    tracker_lost(watch->tracker, 2);
    pass(watch, LATE);
    expect(watch, "lost 3\n");
    pass(watch, LATE);
    expect(watch, "");
    walk(watch);
    tracker_lost(watch->tracker, 4);
    pass(watch, LATE);
    expect(watch, "lost 2\n");
    tracker_finish(watch->tracker, watch->now_ns);
    expect(watch, "lost 4\n");
    watch_free(watch);
}

static void a_stay_that_is_too_long_is_said_each_time_it_doubles(void **state) {
    struct watch *watch = watch_new(60 * NS_PER_S);

    (void)state;
    walk_later(watch);
    stand(watch, 1, TCP_STATE_CLOSE_WAIT);
    for (int second = 0; second < 600; second++)
        walk_later(watch);
    expect(watch, "1 appeared CLOSE_WAIT\n1 stuck CLOSE_WAIT after 60000\n"
                  "1 stuck CLOSE_WAIT after 120000\n1 stuck CLOSE_WAIT after 240000\n"
                  "1 stuck CLOSE_WAIT after 480000\n");
    stand(watch, 1, TCP_STATE_LAST_ACK);
    for (int second = 0; second <= 60; second++)
        walk_later(watch);
    expect(watch, "1 CLOSE_WAIT>LAST_ACK after 600000\n1 stuck LAST_ACK after 60000\n");
    watch_free(watch);
}

static void a_request_that_was_repeated_is_older_than_it_was_met(void **state) {
    struct watch *watch = watch_after_two_walks();
    struct socket *request;

    (void)state;
    for (uint64_t cookie = 1; cookie <= 2; cookie++) {
        request = stand(watch, cookie, TCP_STATE_SYN_RECV);
        request->inode = 0;
        request->timer_count = cookie == 2;
    }
    walk_later(watch);
    expect(watch, "1 appeared SYN_RECV\n2 appeared SYN_RECV\n");
    for (uint64_t cookie = 1; cookie <= 2; cookie++)
        stand(watch, cookie, TCP_STATE_ESTABLISHED)->inode = 0;
    walk_later(watch);
    expect(watch, "1 SYN_RECV>ESTABLISHED after 1000\n2 SYN_RECV>ESTABLISHED after >1000\n");
    watch_free(watch);
}

static void a_stay_that_was_not_seen_to_begin_is_at_least_so_long(void **state) {
    struct watch *watch = watch_new(2 * NS_PER_S);

    (void)state;
    stand(watch, 1, TCP_STATE_SYN_SENT);
    for (int second = 0; second < 3; second++)
        walk_later(watch);
    expect(watch, "1 appeared SYN_SENT initial\n1 stuck SYN_SENT after >2000\n");
    /* A watch that slept says it once, not for each doubling that it slept through. */
    pass(watch, 100 * NS_PER_S);
    walk_later(watch);
    walk_later(watch);
    expect(watch, "1 stuck SYN_SENT after >103000\n");
    watch_free(watch);
}

static void only_states_to_pass_through_can_be_stuck(void **state) {
    (void)state;
    for (int each = TCP_STATE_ESTABLISHED; each < TCP_STATE_COUNT; each++) {
        const bool transient = TCP_STATES_TRANSIENT & TCP_STATE_BIT(each);
        struct watch *watch = watch_new(5 * NS_PER_S);

        stand(watch, 1, (enum tcp_state)each);
        for (int second = 0; second < 8; second++)
            walk_later(watch);
        if ((strstr(watch->log, "stuck") != NULL) != transient)
            fail_msg("%s: %s", tcp_state_name((enum tcp_state)each), watch->log);
        watch_free(watch);
    }
}

static void without_a_limit_nothing_is_stuck(void **state) {
    struct watch *watch = watch_after_two_walks();

    (void)state;
    stand(watch, 1, TCP_STATE_CLOSE_WAIT);
    for (int hour = 0; hour < 100; hour++) {
        pass(watch, 3600 * NS_PER_S);
        walk_later(watch);
    }
    expect(watch, "1 appeared CLOSE_WAIT\n");
    watch_free(watch);
}

static void a_connection_that_is_accepted_is_held(void **state) {
    struct watch *watch = watch_after_two_walks();

    (void)state;
    stand(watch, 1, TCP_STATE_SYN_RECV)->inode = 0;
    walk_later(watch);
    stand(watch, 1, TCP_STATE_ESTABLISHED)->inode = 0;
    walk_later(watch);
    expect(watch, "1 appeared SYN_RECV\n1 SYN_RECV>ESTABLISHED after 1000\n");
    stand(watch, 1, TCP_STATE_ESTABLISHED);
    walk_later(watch);
    expect(watch, "1 held ESTABLISHED\n");
    stand(watch, 1, TCP_STATE_CLOSE_WAIT);
    walk_later(watch);
    expect(watch, "1 ESTABLISHED>CLOSE_WAIT after 2000\n");
    watch_free(watch);
}

static void the_dead_are_not_looked_for_again(void **state) {
    struct watch *watch = watch_after_two_walks();

    (void)state;
    stand(watch, 1, TCP_STATE_ESTABLISHED);
    stand(watch, 2, TCP_STATE_ESTABLISHED);
    walk_later(watch);
    vanish(watch, 1);
    walk_later(watch);
    forget(watch);
    vanish(watch, 2);
    walk_later(watch);
    expect(watch, "2 ESTABLISHED>CLOSE after 2100\n2 closed CLOSE unknown held\n");
    watch_free(watch);
}

/* No process holds it, yet the kernel's worker may be late on a busy machine. */
static void a_late_message_of_an_orphan_is_nothing_new(void **state) {
    struct watch *watch = watch_after_two_walks();

    (void)state;
    stand(watch, 1, TCP_STATE_LAST_ACK)->inode = 0;
    walk_later(watch);
    vanish(watch, 1);
    walk_later(watch);
    expect(watch, "1 appeared LAST_ACK\n1 LAST_ACK>CLOSE after 1100\n1 closed CLOSE unknown\n");
    freed(watch, 1, NULL);
    expect(watch, "");
    watch_free(watch);
}

/* What was read from the kernel a moment ago may be older than the message. */
static void the_dead_do_not_rise_again(void **state) {
    struct watch *watch = watch_after_two_walks();
    struct socket stale = socket_of(1, TCP_STATE_ESTABLISHED);

    (void)state;
    stand(watch, 1, TCP_STATE_ESTABLISHED);
    walk_later(watch);
    vanish(watch, 1);
    walk_later(watch);
    forget(watch);
    tracker_seen(watch->tracker, &stale, watch->now_ns);
    expect(watch, "");
    watch_free(watch);
}

static void the_end_of_the_watch_waits_for_nothing(void **state) {
    struct watch *watch = watch_after_two_walks();

    (void)state;
    stand(watch, 1, TCP_STATE_FIN_WAIT2);
    stand(watch, 2, TCP_STATE_LAST_ACK);
    walk_later(watch);
    forget(watch);
    stand_mini(watch, 1, TCP_STATE_TIME_WAIT);
    vanish(watch, 2);
    walk(watch);
    tracker_lost(watch->tracker, 7);
    tracker_finish(watch->tracker, watch->now_ns);
    expect(watch, "1 FIN_WAIT2>TIME_WAIT after 100\n1 closed TIME_WAIT fin local\n"
                  "2 LAST_ACK>CLOSE after 100\n2 closed CLOSE unknown held\nlost 5\n");
    watch_free(watch);
}

static void a_message_that_comes_after_all_was_not_the_lost_one(void **state) {
    struct watch *watch = watch_after_two_walks();

    (void)state;
    stand(watch, 1, TCP_STATE_ESTABLISHED);
    walk_later(watch);
    vanish(watch, 1);
    tracker_lost(watch->tracker, 1);
    walk_later(watch);
    expect(watch, "1 appeared ESTABLISHED\n1 ESTABLISHED>CLOSE after 1100\n"
                  "1 closed CLOSE unknown held\n");
    freed(watch, 1, NULL);
    walk_later(watch);
    expect(watch, "lost 1\n");
    watch_free(watch);
}

static void a_minisock_that_has_its_socket_is_nobody_else_s(void **state) {
    struct watch *watch = watch_after_two_walks();

    (void)state;
    freed(watch, 1, stand_mini(watch, 2, TCP_STATE_TIME_WAIT));
    expect(watch, "2 appeared TIME_WAIT\n2 closed TIME_WAIT fin local sent 701\n");
    freed(watch, 3, find(watch, 2));
    expect(watch, "3 appeared CLOSE\n3 closed CLOSE unknown sent 703\n");
    watch_free(watch);
}

/* AddressSanitizer looks. */
static void what_is_still_watched_is_freed(void **state) {
    struct watch *watch = watch_an_orphan(); /* its counters kept for its end */

    (void)state;
    stand(watch, 2, TCP_STATE_ESTABLISHED);
    walk(watch);
    watch_free(watch);
    tracker_free(NULL);
}

static void the_table_holds_what_stands(void **state) {
    struct watch *watch = watch_after_two_walks();
    struct connection *connection = NULL;
    uint64_t cookies = 0;

    (void)state;
    for (uint64_t cookie = 1; cookie <= 6; cookie++)
        stand(watch, cookie, TCP_STATE_ESTABLISHED);
    walk_later(watch);
    vanish(watch, 1);
    vanish(watch, 4);
    vanish(watch, 6);
    walk_later(watch);
    while ((connection = tracker_next(watch->tracker, connection)))
        cookies |= 1u << connection->cookie;
    assert_int_equal(cookies, 1 << 2 | 1 << 3 | 1 << 5);
    watch_free(
        watch); /* and frees the dead ones that await their message: AddressSanitizer looks */
}

/* The message of a dead one that is not remembered any more is taken for another connection. */
static void the_dead_that_are_remembered_are_not_too_many(void **state) {
    enum { DEAD = 30000, MOST = 20000 };
    struct watch *watch = watch_after_two_walks();
    size_t forgotten;

    (void)state;
    watch->counts_only = true;
    tracker_begin_walk(watch->tracker);
    for (uint64_t cookie = 1; cookie <= DEAD; cookie++) {
        const struct socket socket = socket_of(cookie, TCP_STATE_ESTABLISHED);

        tracker_seen(watch->tracker, &socket, watch->now_ns);
    }
    tracker_end_walk(watch->tracker, watch->now_ns);
    walk_later(watch);
    assert_int_equal(watch->events, 3 * DEAD);
    walk_later(watch);
    watch->events = 0;
    for (uint64_t cookie = 1; cookie <= DEAD; cookie++)
        freed(watch, cookie, NULL);
    forgotten = watch->events / 2;
    assert_in_range(forgotten, DEAD - MOST, DEAD - MOST / 2);
    watch_free(watch);
}

static void what_comes_after_the_first_walk_was_not_there_before(void **state) {
    struct watch *watch = watch_new(0);

    (void)state;
    walk_later(watch);
    freed(watch, 1, stand_mini(watch, 2, TCP_STATE_TIME_WAIT));
    expect(watch, "2 appeared TIME_WAIT\n2 closed TIME_WAIT fin local sent 701\n");
    watch_free(watch);
}

static void fins_that_crossed_have_no_first(void **state) {
    struct watch *watch = watch_after_two_walks();

    (void)state;
    stand(watch, 1, TCP_STATE_CLOSING);
    stand(watch, 2, TCP_STATE_CLOSING);
    walk_later(watch);
    forget(watch);
    stand_mini(watch, 1, TCP_STATE_TIME_WAIT);
    stand_mini(watch, 2, TCP_STATE_TIME_WAIT);
    walk(watch);
    forget(watch);
    freed(watch, 1, find(watch, 1));
    expect(watch, "1 closed TIME_WAIT fin sent 701\n");
    pass(watch, LATE);
    expect(watch, "2 closed TIME_WAIT fin\n");
    watch_free(watch);
}

/* After shutdown() a process may hold the socket for longer than its minisock stands. */
static void a_message_that_outlives_time_wait_is_nothing_new(void **state) {
    struct watch *watch = watch_after_two_walks();

    (void)state;
    stand(watch, 1, TCP_STATE_FIN_WAIT2);
    walk_later(watch);
    stand_mini(watch, 1, TCP_STATE_TIME_WAIT);
    walk_later(watch);
    vanish(watch, 1);
    walk_later(watch);
    forget(watch);
    freed(watch, 1, NULL);
    expect(watch, "");
    watch_free(watch);
}

/* On a host of many sockets a walk takes longer than that. */
static void each_that_is_missing_gets_the_time_of_a_message(void **state) {
    struct watch *watch = watch_after_two_walks();

    (void)state;
    stand(watch, 1, TCP_STATE_FIN_WAIT2);
    stand(watch, 2, TCP_STATE_LAST_ACK);
    walk_later(watch);
    forget(watch);
    vanish(watch, 2);
    tracker_begin_walk(watch->tracker);
    tracker_seen(watch->tracker, stand_mini(watch, 1, TCP_STATE_TIME_WAIT), watch->now_ns);
    watch->now_ns += LATE;
    tracker_end_walk(watch->tracker, watch->now_ns);
    pass(watch, SOON);
    expect(watch, "1 FIN_WAIT2>TIME_WAIT after 100\n1 closed TIME_WAIT fin local\n");
    freed(watch, 2, NULL);
    expect(watch, "2 LAST_ACK>CLOSE after 202\n2 closed CLOSE unknown sent 702\n");
    watch_free(watch);
}

/* A request socket has no message, and the message of what was a minisock from the first came
 * before the watch: neither can be the one that was lost. */
static void what_has_no_message_explains_no_loss(void **state) {
    struct watch *watch = watch_new(0);

    (void)state;
    stand_mini(watch, 1, TCP_STATE_FIN_WAIT2);
    stand(watch, 2, TCP_STATE_SYN_RECV)->inode = 0;
    walk_later(watch);
    forget(watch);
    vanish(watch, 1);
    vanish(watch, 2);
    tracker_lost(watch->tracker, 2);
    walk_later(watch);
    assert_non_null(strstr(watch->log, "lost 2\n"));
    watch_free(watch);
}

/* By `ss -K`, which looks the same from here as a reset. */
static void an_orphan_that_ends_before_its_timer_may_have_been_destroyed(void **state) {
    struct watch *watch = watch_an_orphan();

    (void)state;
    vanish(watch, 1);
    walk_later(watch);
    expect(watch, "1 FIN_WAIT2>CLOSE after 2000\n1 closed CLOSE unknown sent 701\n");
    watch_free(watch);
}

/* Nobody looked for so long before the timer that a reset may have come first. */
static void an_orphan_that_was_not_watched_may_have_ended_either_way(void **state) {
    struct watch *watch = watch_an_orphan();

    (void)state;
    stand_mini(watch, 1, TCP_STATE_FIN_WAIT2)->timer_ms = 20000;
    walk_later(watch);
    vanish(watch, 1);
    pass(watch, 30 * NS_PER_S);
    walk_later(watch);
    expect(watch, "1 FIN_WAIT2>CLOSE after 33000\n1 closed CLOSE unknown sent 701\n");
    watch_free(watch);
}

/* What a source tells that tells of every move. */

/* The socket as it is after the move. */
static void tell(struct watch *watch, enum move_kind kind, const struct socket *socket,
                 enum tcp_state from, int error, const struct socket *successor) {
    const struct move move = {
        .kind = kind,
        .from = from,
        .error = error,
        .socket = socket,
        .successor = successor,
        .at_ns = watch->now_ns,
    };

    tracker_moved(watch->tracker, &move);
}

static void move(struct watch *watch, uint64_t cookie, enum tcp_state from, enum tcp_state to) {
    const struct socket socket = socket_of(cookie, to);

    tell(watch, MOVE_STATE, &socket, from, 0, NULL);
    pass(watch, SOON);
}

/* Its last move, with the counters; the error is what the application gets. */
static void move_to_close(struct watch *watch, uint64_t cookie, enum tcp_state from, int error,
                          const struct socket *successor) {
    const struct socket last = last_of(cookie);

    tell(watch, MOVE_STATE, &last, from, error, successor);
    pass(watch, SOON);
}

/* An error or a RST, in this state. */
static void happen(struct watch *watch, uint64_t cookie, enum move_kind kind, enum tcp_state in,
                   int error) {
    const struct socket socket = socket_of(cookie, in);

    tell(watch, kind, &socket, in, error, NULL);
}

static struct socket minisock_of(uint64_t cookie, enum tcp_state state) {
    struct socket socket = socket_of(cookie, state);

    socket.timer = SOCKET_TIMER_TIME_WAIT;
    socket.timer_ms = 60000;
    socket.inode = socket.uid = 0;
    return socket;
}

/* A watch whose only walk met an empty table. */
static struct watch *watch_traced(void) {
    struct watch *watch = watch_new(0);

    walk_later(watch);
    expect(watch, "");
    return watch;
}

/* The walk met it, and the moves go on from there. */
static struct watch *watch_traced_in(enum tcp_state state) {
    struct watch *watch = watch_new(0);

    stand(watch, 1, state);
    walk_later(watch);
    forget(watch);
    return watch;
}

static void the_side_that_connects_is_told_from_close_to_close(void **state) {
    const struct socket time_wait = minisock_of(1, TCP_STATE_TIME_WAIT);
    struct watch *watch = watch_traced();

    (void)state;
    move(watch, 1, TCP_STATE_CLOSE, TCP_STATE_SYN_SENT);
    expect(watch, "1 appeared SYN_SENT exact\n");
    move(watch, 1, TCP_STATE_SYN_SENT, TCP_STATE_ESTABLISHED);
    expect(watch, "1 SYN_SENT>ESTABLISHED after 2 exact\n");
    move(watch, 1, TCP_STATE_ESTABLISHED, TCP_STATE_FIN_WAIT1);
    expect(watch, "1 ESTABLISHED>FIN_WAIT1 after 2 exact\n");
    move(watch, 1, TCP_STATE_FIN_WAIT1, TCP_STATE_FIN_WAIT2);
    expect(watch, "1 FIN_WAIT1>FIN_WAIT2 after 2 exact\n");
    move_to_close(watch, 1, TCP_STATE_FIN_WAIT2, 0, &time_wait);
    expect(watch, "1 FIN_WAIT2>TIME_WAIT after 2 exact\n"
                  "1 closed TIME_WAIT fin local sent 701 exact\n");
    tracker_ended(watch->tracker, 1, watch->now_ns);
    expect(watch, "1 TIME_WAIT>CLOSE after 2\n");
    assert_null(tracker_next(watch->tracker, NULL));
    watch_free(watch);
}

static void the_side_that_accepts_is_told_from_its_handshake_on(void **state) {
    struct watch *watch = watch_traced();
    struct socket socket = socket_of(2, TCP_STATE_ESTABLISHED);

    (void)state;
    socket.inode = 0; /* nobody has accepted it yet */
    tell(watch, MOVE_STATE, &socket, TCP_STATE_SYN_RECV, 0, NULL);
    expect(watch, "2 appeared ESTABLISHED exact\n");
    pass(watch, SOON);
    move(watch, 2, TCP_STATE_ESTABLISHED, TCP_STATE_CLOSE_WAIT);
    expect(watch, "2 ESTABLISHED>CLOSE_WAIT after 2 exact\n");
    move(watch, 2, TCP_STATE_CLOSE_WAIT, TCP_STATE_LAST_ACK);
    expect(watch, "2 CLOSE_WAIT>LAST_ACK after 2 exact\n");
    move_to_close(watch, 2, TCP_STATE_LAST_ACK, 0, NULL);
    expect(watch, "2 LAST_ACK>CLOSE after 2 exact\n2 closed CLOSE fin remote sent 702 exact\n");
    assert_null(tracker_next(watch->tracker, NULL));
    watch_free(watch);
}

/* Between two moments that were told its time is known; else up to the walk before. */
static void a_time_that_a_walk_begins_or_ends_is_approximate(void **state) {
    struct watch *watch = watch_traced();

    (void)state;
    move(watch, 1, TCP_STATE_CLOSE, TCP_STATE_SYN_SENT);
    move(watch, 1, TCP_STATE_SYN_SENT, TCP_STATE_ESTABLISHED);
    assert_false(watch->stay_about);
    move(watch, 1, TCP_STATE_ESTABLISHED, TCP_STATE_CLOSE_WAIT);
    assert_false(watch->stay_about);
    move_to_close(watch, 1, TCP_STATE_CLOSE_WAIT, ECONNRESET, NULL);
    assert_false(watch->stay_about);
    assert_false(watch->life_about);
    /* The walk that has met it is a bound of its beginning, but not of its next state's. */
    stand(watch, 2, TCP_STATE_SYN_SENT);
    walk_later(watch);
    move(watch, 2, TCP_STATE_SYN_SENT, TCP_STATE_ESTABLISHED);
    assert_true(watch->stay_about);
    move(watch, 2, TCP_STATE_ESTABLISHED, TCP_STATE_CLOSE_WAIT);
    assert_false(watch->stay_about);
    move_to_close(watch, 2, TCP_STATE_CLOSE_WAIT, ECONNRESET, NULL);
    assert_true(watch->life_about);
    watch_free(watch);
}

static void what_stood_before_the_watch_began_at_its_first_look(void **state) {
    struct watch *watch = watch_traced_in(TCP_STATE_ESTABLISHED);

    (void)state;
    move(watch, 1, TCP_STATE_ESTABLISHED, TCP_STATE_CLOSE_WAIT);
    expect(watch, "1 ESTABLISHED>CLOSE_WAIT after >100 exact\n");
    assert_false(watch->stay_about);
    watch_free(watch);
}

static void fins_that_cross_go_by_closing(void **state) {
    const struct socket time_wait = minisock_of(1, TCP_STATE_TIME_WAIT);
    struct watch *watch = watch_traced_in(TCP_STATE_ESTABLISHED);

    (void)state;
    move(watch, 1, TCP_STATE_ESTABLISHED, TCP_STATE_FIN_WAIT1);
    move(watch, 1, TCP_STATE_FIN_WAIT1, TCP_STATE_CLOSING);
    move_to_close(watch, 1, TCP_STATE_CLOSING, 0, &time_wait);
    expect(watch, "1 ESTABLISHED>FIN_WAIT1 after >100 exact\n"
                  "1 FIN_WAIT1>CLOSING after 2 exact\n"
                  "1 CLOSING>TIME_WAIT after 2 exact\n"
                  "1 closed TIME_WAIT fin sent 701 exact\n");
    watch_free(watch);
}

/* No walk met it, and its beginning was not told: what came before was. */
static void one_that_is_met_in_its_middle_was_there_before(void **state) {
    struct watch *watch = watch_traced();

    (void)state;
    move(watch, 1, TCP_STATE_ESTABLISHED, TCP_STATE_CLOSE_WAIT);
    expect(watch, "1 appeared ESTABLISHED initial exact\n"
                  "1 ESTABLISHED>CLOSE_WAIT after >0 exact\n");
    happen(watch, 2, MOVE_RESET_RECEIVED, TCP_STATE_ESTABLISHED, 0);
    expect(watch, "2 appeared ESTABLISHED initial exact\n");
    move_to_close(watch, 3, TCP_STATE_LAST_ACK, 0, NULL);
    expect(watch, "3 appeared LAST_ACK initial exact\n"
                  "3 LAST_ACK>CLOSE after >0 exact\n"
                  "3 closed CLOSE fin remote sent 703 exact\n");
    watch_free(watch);
}

/* The filter asks for a port that connect() had not chosen yet: what is told first is its end, and
 * no walk met it. How long it took is not known. */
static void one_that_connects_was_not_there_before(void **state) {
    struct watch *watch = watch_traced();
    struct socket last = last_of(1);

    (void)state;
    move(watch, 1, TCP_STATE_SYN_SENT, TCP_STATE_ESTABLISHED);
    expect(watch, "1 appeared SYN_SENT exact\n1 SYN_SENT>ESTABLISHED after >0 exact\n");
    move(watch, 1, TCP_STATE_ESTABLISHED, TCP_STATE_CLOSE_WAIT);
    expect(watch, "1 ESTABLISHED>CLOSE_WAIT after 2 exact\n");
    assert_int_equal(tracker_next(watch->tracker, NULL)->born_ns, 0);
    watch_free(watch);
    /* Before the walk was over it may have stood already. */
    watch = watch_new(0);
    tracker_begin_walk(watch->tracker);
    tracker_end_walk(watch->tracker, watch->now_ns);
    tell(watch, MOVE_STATE, &last, TCP_STATE_SYN_SENT, 0, NULL);
    assert_non_null(strstr(watch->log, "1 appeared SYN_SENT initial exact\n"));
    watch_free(watch);
}

/* Where nothing was seen of it before. */
static void an_end_that_is_met_first_has_the_state_before_it(void **state) {
    static const enum tcp_state froms[] = {TCP_STATE_LISTEN, TCP_STATE_SYN_RECV,
                                           TCP_STATE_ESTABLISHED};

    (void)state;
    for (size_t i = 0; i < sizeof(froms) / sizeof(froms[0]); i++) {
        struct watch *watch = watch_traced();
        char appeared[40];

        snprintf(appeared, sizeof(appeared), "1 appeared %s initial exact\n",
                 tcp_state_name(froms[i]));
        move_to_close(watch, 1, froms[i], 0, NULL);
        assert_int_equal(strncmp(watch->log, appeared, strlen(appeared)), 0);
        assert_non_null(strstr(watch->log, ">CLOSE after >0"));
        assert_null(tracker_next(watch->tracker, NULL));
        watch_free(watch);
    }
}

/* A wrong answer to its SYN was answered with a RST; an error that was only a message. */
static void what_a_connection_outlives_is_no_cause_of_its_end(void **state) {
    struct watch *watch = watch_traced();

    (void)state;
    move(watch, 1, TCP_STATE_CLOSE, TCP_STATE_SYN_SENT);
    happen(watch, 1, MOVE_RESET_SENT, TCP_STATE_SYN_SENT, 0);
    move(watch, 1, TCP_STATE_SYN_SENT, TCP_STATE_ESTABLISHED);
    happen(watch, 1, MOVE_ERROR, TCP_STATE_ESTABLISHED, EHOSTUNREACH);
    move(watch, 1, TCP_STATE_ESTABLISHED, TCP_STATE_CLOSE_WAIT);
    move(watch, 1, TCP_STATE_CLOSE_WAIT, TCP_STATE_LAST_ACK);
    move_to_close(watch, 1, TCP_STATE_LAST_ACK, 0, NULL);
    assert_non_null(strstr(watch->log, "1 closed CLOSE fin remote sent 701 exact\n"));
    watch_free(watch);
}

/* Its beginning was told without the port, and nobody answers. */
static void what_sends_its_syn_again_connects(void **state) {
    struct watch *watch = watch_traced();

    (void)state;
    happen(watch, 1, MOVE_SYN_AGAIN, TCP_STATE_SYN_SENT, 0);
    expect(watch, "1 appeared SYN_SENT\n");
    pass(watch, SOON);
    happen(watch, 1, MOVE_SYN_AGAIN, TCP_STATE_SYN_SENT, 0);
    expect(watch, "");
    move(watch, 1, TCP_STATE_SYN_SENT, TCP_STATE_ESTABLISHED);
    expect(watch, "1 SYN_SENT>ESTABLISHED after >2 exact\n");
    watch_free(watch);
}

/* Moves from before the walk's end are read after it. */
static void what_the_walk_already_saw_is_not_told_again(void **state) {
    struct watch *watch = watch_new(0);
    const struct socket established = socket_of(1, TCP_STATE_ESTABLISHED);
    const struct socket fin_wait1 = socket_of(1, TCP_STATE_FIN_WAIT1);
    const struct socket fin_wait2 = socket_of(1, TCP_STATE_FIN_WAIT2);

    (void)state;
    stand(watch, 1, TCP_STATE_FIN_WAIT1);
    walk(watch);
    expect(watch, "1 appeared FIN_WAIT1 initial\n");
    tell(watch, MOVE_STATE, &established, TCP_STATE_SYN_SENT, 0, NULL);
    tell(watch, MOVE_STATE, &fin_wait1, TCP_STATE_ESTABLISHED, 0, NULL);
    expect(watch, "");
    tell(watch, MOVE_STATE, &fin_wait2, TCP_STATE_FIN_WAIT1, 0, NULL);
    expect(watch, "1 FIN_WAIT1>FIN_WAIT2 after >0 exact\n");
    watch_free(watch);
}

/* Its minisock was there with the walk, the socket's last moves come after that. */
static void what_is_a_minisock_already_does_not_move_back(void **state) {
    struct watch *watch = watch_new(0);
    const struct socket fin_wait2 = socket_of(1, TCP_STATE_FIN_WAIT2);
    const struct socket time_wait = minisock_of(1, TCP_STATE_TIME_WAIT);

    (void)state;
    stand_mini(watch, 1, TCP_STATE_TIME_WAIT);
    walk(watch);
    expect(watch, "1 appeared TIME_WAIT initial\n");
    pass(watch, SOON);
    tell(watch, MOVE_STATE, &fin_wait2, TCP_STATE_FIN_WAIT1, 0, NULL);
    move_to_close(watch, 1, TCP_STATE_FIN_WAIT2, 0, &time_wait);
    move_to_close(watch, 1, TCP_STATE_FIN_WAIT2, 0, NULL);
    expect(watch, "");
    tracker_ended(watch->tracker, 1, watch->now_ns);
    expect(watch, "1 TIME_WAIT>CLOSE after >6\n");
    watch_free(watch);
}

static void an_orphan_goes_on_until_it_is_asked_for(void **state) {
    const struct socket orphan = minisock_of(1, TCP_STATE_FIN_WAIT2);
    const struct socket time_wait = minisock_of(1, TCP_STATE_TIME_WAIT);
    struct watch *watch = watch_traced_in(TCP_STATE_FIN_WAIT1);

    (void)state;
    move(watch, 1, TCP_STATE_FIN_WAIT1, TCP_STATE_FIN_WAIT2);
    expect(watch, "1 FIN_WAIT1>FIN_WAIT2 after >100 exact\n");
    move_to_close(watch, 1, TCP_STATE_FIN_WAIT2, 0, &orphan);
    expect(watch, ""); /* what takes its place is in the same state */
    pass(watch, LATE);
    tracker_seen(watch->tracker, &time_wait, watch->now_ns);
    expect(watch, "1 FIN_WAIT2>TIME_WAIT after 104\n"
                  "1 closed TIME_WAIT fin local sent 701\n");
    pass(watch, 60 * NS_PER_S);
    tracker_ended(watch->tracker, 1, watch->now_ns);
    expect(watch, "1 TIME_WAIT>CLOSE after 60000\n");
    assert_null(tracker_next(watch->tracker, NULL));
    watch_free(watch);
}

/* The peer's FIN never came. No walk has looked again, and yet it was there until its timer. */
static void an_orphan_whose_timer_ran_out_has_timed_out(void **state) {
    const struct socket orphan = minisock_of(1, TCP_STATE_FIN_WAIT2);
    struct watch *watch = watch_traced_in(TCP_STATE_FIN_WAIT1);

    (void)state;
    move(watch, 1, TCP_STATE_FIN_WAIT1, TCP_STATE_FIN_WAIT2);
    move_to_close(watch, 1, TCP_STATE_FIN_WAIT2, 0, &orphan);
    forget(watch);
    pass(watch, 60 * NS_PER_S);
    tracker_ended(watch->tracker, 1, watch->now_ns);
    expect(watch, "1 FIN_WAIT2>CLOSE after 60004\n1 closed CLOSE timed-out sent 701\n");
    watch_free(watch);
}

/* Before its timer, or long after where nobody could ask for it: the process was stopped. */
static void an_orphan_that_ends_at_another_time_may_have_been_reset(void **state) {
    static const int64_t after_s[] = {30, 80};

    (void)state;
    for (size_t i = 0; i < COUNT(after_s); i++) {
        const struct socket orphan = minisock_of(1, TCP_STATE_FIN_WAIT2);
        struct watch *watch = watch_traced_in(TCP_STATE_FIN_WAIT1);

        move(watch, 1, TCP_STATE_FIN_WAIT1, TCP_STATE_FIN_WAIT2);
        move_to_close(watch, 1, TCP_STATE_FIN_WAIT2, 0, &orphan);
        forget(watch);
        pass(watch, after_s[i] * NS_PER_S);
        tracker_ended(watch->tracker, 1, watch->now_ns);
        assert_non_null(strstr(watch->log, "1 closed CLOSE unknown sent 701\n"));
        watch_free(watch);
    }
}

/* connect() sets the state, then chooses the port. */
static void a_port_that_comes_after_the_state_is_filled_in(void **state) {
    static const enum tcp_state after[] = {TCP_STATE_ESTABLISHED, TCP_STATE_CLOSE};

    (void)state;
    for (size_t i = 0; i < COUNT(after); i++) {
        struct watch *watch = watch_traced();
        struct socket socket = socket_of(1, TCP_STATE_SYN_SENT);
        const struct connection *connection;

        socket.local_port = 0;
        tell(watch, MOVE_STATE, &socket, TCP_STATE_CLOSE, 0, NULL);
        connection = tracker_next(watch->tracker, NULL);
        assert_non_null(connection);
        assert_int_equal(connection->local_port, 0);
        socket = socket_of(1, after[i]);
        /* Where it is refused at once, the end is the first that has it. */
        if (after[i] == TCP_STATE_CLOSE)
            happen(watch, 1, MOVE_ERROR, TCP_STATE_SYN_SENT, ECONNREFUSED);
        else
            tell(watch, MOVE_STATE, &socket, TCP_STATE_SYN_SENT, 0, NULL);
        assert_int_equal(connection->local_port, 9998);
        watch_free(watch);
    }
}

static void a_port_that_only_the_end_tells_is_in_the_last_events(void **state) {
    struct watch *watch = watch_traced();
    struct socket socket = socket_of(1, TCP_STATE_SYN_SENT);

    (void)state;
    socket.local_port = 0;
    tell(watch, MOVE_STATE, &socket, TCP_STATE_CLOSE, 0, NULL);
    watch->last_port = 0;
    move_to_close(watch, 1, TCP_STATE_SYN_SENT, ECONNREFUSED, NULL);
    assert_int_equal(watch->last_port, 9998);
    watch_free(watch);
}

/* What came with the connection decides its cause, whatever state it ended in. */
static void the_end_of_a_traced_connection_has_its_cause(void **state) {
    static const struct {
        const char *what;
        enum tcp_state from;
        int error;       /* told while it stood */
        int close_error; /* told with its end */
        bool received, sent;
        const char *end;
    } rows[] = {
        {"refused", TCP_STATE_SYN_SENT, ECONNREFUSED, 0, true, false, "refused"},
        {"refused, known by the RST alone", TCP_STATE_SYN_SENT, 0, 0, true, false, "refused"},
        {"the error comes with the end", TCP_STATE_SYN_SENT, 0, ECONNREFUSED, false, false,
         "refused"},
        {"reset", TCP_STATE_ESTABLISHED, ECONNRESET, 0, true, false, "reset"},
        {"reset after its FIN", TCP_STATE_CLOSE_WAIT, EPIPE, 0, true, false, "reset"},
        {"reset, the RST's own record lost", TCP_STATE_ESTABLISHED, 0, ECONNRESET, false, false,
         "reset"},
        {"reset by what was sent to a closed end", TCP_STATE_FIN_WAIT1, 0, 0, true, false, "reset"},
        {"this side threw it away", TCP_STATE_ESTABLISHED, 0, 0, false, true, "aborted"},
        {"after the peer's FIN", TCP_STATE_CLOSE_WAIT, 0, 0, false, true, "aborted"},
        {"after the peer's FIN, its RST later", TCP_STATE_CLOSE_WAIT, 0, 0, false, false,
         "aborted"},
        {"as an orphan", TCP_STATE_FIN_WAIT2, 0, 0, false, true, "aborted"},
        {"connect() given up", TCP_STATE_SYN_SENT, 0, 0, false, false, "aborted"},
        {"a kernel without those tracepoints", TCP_STATE_ESTABLISHED, 0, 0, false, false,
         "aborted"},
        {"timed out", TCP_STATE_ESTABLISHED, ETIMEDOUT, 0, false, true, "timed-out"},
        {"timed out while it closed", TCP_STATE_LAST_ACK, ETIMEDOUT, 0, false, false, "timed-out"},
        {"host unreachable", TCP_STATE_SYN_SENT, EHOSTUNREACH, 0, false, false, "host-gone"},
        {"host down", TCP_STATE_SYN_SENT, EHOSTDOWN, 0, false, false, "host-gone"},
        {"network unreachable", TCP_STATE_ESTABLISHED, ENETUNREACH, 0, false, false, "no-network"},
        {"network down", TCP_STATE_ESTABLISHED, ENETDOWN, 0, false, false, "no-network"},
        {"ss -K", TCP_STATE_ESTABLISHED, ECONNABORTED, 0, false, true, "destroyed"},
        {"both FINs", TCP_STATE_LAST_ACK, 0, 0, false, false, "fin remote"},
        {"a RST in the place of the last ACK", TCP_STATE_LAST_ACK, 0, 0, true, false, "reset"},
        {"an orphan that went unexplained", TCP_STATE_FIN_WAIT1, 0, 0, false, false, "unknown"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct watch *watch = watch_traced_in(rows[i].from);
        const int error = rows[i].error ? rows[i].error : rows[i].close_error;
        char wanted[200];

        if (rows[i].received)
            happen(watch, 1, MOVE_RESET_RECEIVED, rows[i].from, 0);
        if (rows[i].sent)
            happen(watch, 1, MOVE_RESET_SENT, rows[i].from, 0);
        if (rows[i].error)
            happen(watch, 1, MOVE_ERROR, rows[i].from, rows[i].error);
        expect(watch, "");
        move_to_close(watch, 1, rows[i].from, rows[i].close_error, NULL);
        snprintf(wanted, sizeof(wanted), "1 %s>CLOSE after >100 exact\n1 closed CLOSE %s sent 701",
                 tcp_state_name(rows[i].from), rows[i].end);
        if (error)
            snprintf(wanted + strlen(wanted), sizeof(wanted) - strlen(wanted), " errno %d", error);
        strcat(wanted, " exact\n");
        if (strcmp(watch->log, wanted) != 0)
            fail_msg("%s: %s", rows[i].what, watch->log);
        watch_free(watch);
    }
}

/* Once it is told to have ended, nothing is told of it any more. */
static void nothing_is_told_twice(void **state) {
    struct watch *watch = watch_traced();
    const struct socket time_wait = minisock_of(2, TCP_STATE_TIME_WAIT);

    (void)state;
    move(watch, 1, TCP_STATE_CLOSE, TCP_STATE_SYN_SENT);
    move(watch, 1, TCP_STATE_SYN_SENT, TCP_STATE_ESTABLISHED);
    forget(watch);
    move(watch, 1, TCP_STATE_SYN_SENT, TCP_STATE_ESTABLISHED);
    happen(watch, 1, MOVE_ERROR, TCP_STATE_ESTABLISHED, ETIMEDOUT);
    happen(watch, 1, MOVE_ERROR, TCP_STATE_ESTABLISHED, ETIMEDOUT);
    expect(watch, "");
    move_to_close(watch, 1, TCP_STATE_ESTABLISHED, 0, NULL);
    forget(watch);
    /* A walk, the time that passes and the end of the watch find nothing left of it. */
    walk_later(watch);
    tracker_ended(watch->tracker, 1, watch->now_ns);
    expect(watch, "");
    move(watch, 2, TCP_STATE_FIN_WAIT1, TCP_STATE_FIN_WAIT2);
    move_to_close(watch, 2, TCP_STATE_FIN_WAIT2, 0, &time_wait);
    forget(watch);
    tracker_seen(watch->tracker, &time_wait, watch->now_ns);
    pass(watch, LATE);
    expect(watch, "");
    tracker_finish(watch->tracker, watch->now_ns);
    assert_null(strstr(watch->log, "closed"));
    watch_free(watch);
}

/* The socket of a connect() that failed may be used for the next one: its cookie stays. */
static void a_socket_that_connects_again_is_another_connection(void **state) {
    struct watch *watch = watch_traced();

    (void)state;
    for (int i = 0; i < 2; i++) {
        move(watch, 1, TCP_STATE_CLOSE, TCP_STATE_SYN_SENT);
        move_to_close(watch, 1, TCP_STATE_SYN_SENT, ECONNREFUSED, NULL);
        expect(watch, "1 appeared SYN_SENT exact\n"
                      "1 SYN_SENT>CLOSE after 2 exact\n"
                      "1 closed CLOSE refused sent 701 errno 111 exact\n");
    }
    watch_free(watch);
}

/* And where the one before has left a minisock. */
static void a_socket_that_left_a_minisock_connects_again(void **state) {
    struct watch *watch = watch_traced_in(TCP_STATE_FIN_WAIT2);
    const struct socket minisock = minisock_of(1, TCP_STATE_TIME_WAIT);

    (void)state;
    move_to_close(watch, 1, TCP_STATE_FIN_WAIT2, 0, &minisock);
    forget(watch);
    move(watch, 1, TCP_STATE_CLOSE, TCP_STATE_SYN_SENT);
    move(watch, 1, TCP_STATE_SYN_SENT, TCP_STATE_ESTABLISHED);
    tracker_ended(watch->tracker, 1, watch->now_ns); /* of the minisock */
    expect(watch, "1 appeared SYN_SENT exact\n1 SYN_SENT>ESTABLISHED after 2 exact\n");
    watch_free(watch);
}

/* Also where its end was found by a walk. */
static void a_socket_whose_end_was_lost_connects_again(void **state) {
    struct watch *watch = watch_traced_in(TCP_STATE_ESTABLISHED);

    (void)state;
    vanish(watch, 1);
    walk_later(watch);
    expect(watch, "1 ESTABLISHED>CLOSE after >1100\n1 closed CLOSE unknown held\n");
    move(watch, 1, TCP_STATE_ESTABLISHED, TCP_STATE_FIN_WAIT1);
    expect(watch, "");
    /* That has happened before it was found. */
    watch->now_ns -= LATE;
    move(watch, 1, TCP_STATE_CLOSE, TCP_STATE_SYN_SENT);
    expect(watch, "1 appeared SYN_SENT exact\n");
    watch_free(watch);
}

/* Polled, its ends tell: it has another port now. */
static void another_port_of_a_polled_socket_is_another_connection(void **state) {
    struct watch *watch = watch_after_two_walks();
    struct socket last;

    (void)state;
    stand(watch, 1, TCP_STATE_SYN_SENT);
    walk_later(watch);
    stand(watch, 1, TCP_STATE_ESTABLISHED)->local_port = 50000;
    walk_later(watch);
    expect(watch, "1 appeared SYN_SENT\n1 SYN_SENT>CLOSE after 1000\n1 closed CLOSE unknown\n"
                  "1 appeared ESTABLISHED\n");
    assert_int_equal(watch->last_port, 50000);
    /* It is closed, and connects once more: that one was over before it was met. */
    vanish(watch, 1);
    last = last_of(1);
    last.local_port = 50001;
    tracker_freed(watch->tracker, &last, NULL, NULL, watch->now_ns);
    expect(watch, "1 ESTABLISHED>CLOSE after 100\n1 closed CLOSE unknown\n"
                  "1 appeared CLOSE\n1 closed CLOSE unknown sent 701\n");
    walk_later(watch);
    expect(watch, "");
    watch_free(watch);
}

/* Polled, also that it stands again after it was over. */
static void a_polled_socket_that_stands_again_is_another_connection(void **state) {
    struct watch *watch = watch_after_two_walks();

    (void)state;
    stand(watch, 1, TCP_STATE_ESTABLISHED);
    walk_later(watch);
    vanish(watch, 1);
    walk_later(watch);
    expect(watch, "1 appeared ESTABLISHED\n1 ESTABLISHED>CLOSE after 1100\n"
                  "1 closed CLOSE unknown held\n");
    walk_later(watch);
    expect(watch, "");
    stand(watch, 1, TCP_STATE_ESTABLISHED);
    walk_later(watch);
    expect(watch, "1 appeared ESTABLISHED\n");
    walk_later(watch);
    expect(watch, "");
    watch_free(watch);
}

/* One that connects again after shutdown() and TIME_WAIT leaves a minisock, which has its cookie.
 */
static void a_minisock_left_behind_is_not_the_next_connection(void **state) {
    struct watch *watch = watch_after_two_walks();
    struct socket left;

    (void)state;
    stand(watch, 1, TCP_STATE_FIN_WAIT2);
    walk_later(watch);
    left = *stand_mini(watch, 1, TCP_STATE_TIME_WAIT);
    walk_later(watch);
    forget(watch);
    stand(watch, 1, TCP_STATE_ESTABLISHED)->local_port = 50000;
    for (int i = 0; i < 3; i++) {
        tracker_begin_walk(watch->tracker);
        tracker_seen(watch->tracker, &left, watch->now_ns);
        tracker_seen(watch->tracker, &watch->standing[0], watch->now_ns);
        tracker_seen(watch->tracker, &left, watch->now_ns);
        tracker_end_walk(watch->tracker, watch->now_ns);
        pass(watch, LATE);
        expect(watch, i == 0 ? "1 appeared ESTABLISHED\n" : "");
    }
    watch_free(watch);
}

/* Its process has answered the peer's FIN with shutdown(), and holds it: no message comes yet. */
static void the_other_end_in_time_wait_proves_the_fin_of_a_held_socket(void **state) {
    const struct {
        enum tcp_state peer;
        const char *way, *end;
    } rows[] = {{TCP_STATE_TIME_WAIT, " by LAST_ACK", "fin remote"},
                {TCP_STATE_ESTABLISHED, "", "unknown"}};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct watch *watch = watch_after_two_walks();
        struct socket *peer;
        char end[128];

        stand(watch, 1, TCP_STATE_CLOSE_WAIT);
        peer = stand(watch, 2, rows[i].peer);
        peer->local_port = socket_of(1, rows[i].peer).remote_port;
        peer->remote_port = 9998;
        walk_later(watch);
        forget(watch);
        vanish(watch, 1);
        walk_later(watch);
        snprintf(end, sizeof(end), "1 CLOSE_WAIT>CLOSE after 1100%s\n1 closed CLOSE %s held\n",
                 rows[i].way, rows[i].end);
        expect(watch, end);
        watch_free(watch);
    }
}

/* What tells of every move may have passed some over, and others may not be read yet. */
static void a_walk_of_what_is_told_of_waits_for_the_moves(void **state) {
    struct watch *watch = watch_traced_in(TCP_STATE_ESTABLISHED);

    (void)state;
    stand(watch, 2, TCP_STATE_ESTABLISHED);
    move(watch, 2, TCP_STATE_SYN_RECV, TCP_STATE_ESTABLISHED);
    forget(watch);
    stand(watch, 1, TCP_STATE_CLOSE_WAIT);
    stand(watch, 2, TCP_STATE_CLOSE_WAIT);
    walk(watch);
    expect(watch, "");
    move(watch, 2, TCP_STATE_ESTABLISHED, TCP_STATE_CLOSE_WAIT);
    expect(watch, "2 ESTABLISHED>CLOSE_WAIT after 2 exact\n");
    pass(watch, LATE);
    expect(watch, "1 ESTABLISHED>CLOSE_WAIT after >204\n");
    stand(watch, 3, TCP_STATE_ESTABLISHED);
    walk(watch);
    expect(watch, "3 appeared ESTABLISHED\n");
    watch_free(watch);
}

static void at_the_end_all_that_moved_without_a_word_is_looked_for(void **state) {
    struct watch *watch = watch_traced_in(TCP_STATE_ESTABLISHED);

    (void)state;
    for (uint64_t cookie = 2; cookie <= 3; cookie++) {
        stand(watch, cookie, TCP_STATE_FIN_WAIT1);
        move(watch, cookie, TCP_STATE_ESTABLISHED, TCP_STATE_FIN_WAIT1);
    }
    forget(watch);
    vanish(watch, 1);
    vanish(watch, 2);
    stand_mini(watch, 3, TCP_STATE_TIME_WAIT);
    walk(watch);
    expect(watch, "");
    tracker_lost(watch->tracker, 4);
    tracker_finish(watch->tracker, watch->now_ns);
    expect(watch, "1 ESTABLISHED>CLOSE after >104\n1 closed CLOSE unknown\n"
                  "2 FIN_WAIT1>CLOSE after 4\n2 closed CLOSE unknown\n"
                  "3 FIN_WAIT1>TIME_WAIT after 2 by FIN_WAIT2|CLOSING\n"
                  "3 closed TIME_WAIT fin\nlost 1\n");
    watch_free(watch);
}

static void a_check_meets_nobody_new(void **state) {
    struct watch *watch = watch_traced_in(TCP_STATE_ESTABLISHED);

    (void)state;
    move(watch, 2, TCP_STATE_SYN_RECV, TCP_STATE_ESTABLISHED);
    forget(watch);
    tracker_begin_check(watch->tracker);
    tracker_seen(watch->tracker, stand(watch, 1, TCP_STATE_CLOSE_WAIT), watch->now_ns);
    tracker_seen(watch->tracker, stand(watch, 2, TCP_STATE_ESTABLISHED), watch->now_ns);
    tracker_seen(watch->tracker, stand(watch, 3, TCP_STATE_ESTABLISHED), watch->now_ns);
    tracker_end_walk(watch->tracker, watch->now_ns);
    tracker_finish(watch->tracker, watch->now_ns);
    expect(watch, "1 ESTABLISHED>CLOSE_WAIT after >102\n");
    walk(watch);
    expect(watch, "3 appeared ESTABLISHED\n");
    watch_free(watch);
}

static void a_request_ends_where_it_is_not_there_any_more(void **state) {
    struct watch *watch = watch_traced();
    struct socket request = socket_of(1, TCP_STATE_SYN_RECV);

    (void)state;
    request.inode = 0;
    tracker_seen(watch->tracker, &request, watch->now_ns);
    request.cookie = 2;
    request.remote_port++;
    tracker_seen(watch->tracker, &request, watch->now_ns);
    forget(watch);
    pass(watch, SOON);
    /* One is answered at last, the other never. */
    move(watch, 2, TCP_STATE_SYN_RECV, TCP_STATE_ESTABLISHED);
    expect(watch, "2 SYN_RECV>ESTABLISHED after 2 exact\n");
    tracker_ended(watch->tracker, 1, watch->now_ns);
    expect(watch, "1 SYN_RECV>CLOSE after 4\n1 closed CLOSE unknown\n");
    watch_free(watch);
}

static void the_end_of_what_nobody_knows_is_nothing(void **state) {
    struct watch *watch = watch_traced_in(TCP_STATE_ESTABLISHED);

    (void)state;
    tracker_ended(watch->tracker, 77, watch->now_ns);
    expect(watch, "");
    assert_non_null(tracker_next(watch->tracker, NULL));
    watch_free(watch);
}

static void a_listener_that_is_traced_is_not_closed(void **state) {
    struct watch *watch = watch_traced();

    (void)state;
    move(watch, 1, TCP_STATE_CLOSE, TCP_STATE_LISTEN);
    move_to_close(watch, 1, TCP_STATE_LISTEN, 0, NULL);
    expect(watch, "1 appeared LISTEN exact\n1 LISTEN>CLOSE after 2 exact\n");
    watch_free(watch);
}

/* No walk comes by: the stay is looked at. */
static void a_traced_stay_that_is_too_long_is_said_each_time_it_doubles(void **state) {
    struct watch *watch = watch_new(10 * NS_PER_S);
    int64_t looked_ns;

    (void)state;
    walk_later(watch);
    stand(watch, 1, TCP_STATE_CLOSE_WAIT);
    move(watch, 1, TCP_STATE_ESTABLISHED, TCP_STATE_CLOSE_WAIT);
    forget(watch);
    looked_ns = tracker_look_for_stuck(watch->tracker, watch->now_ns);
    assert_true(looked_ns > watch->now_ns && looked_ns <= watch->now_ns + NS_PER_S);
    pass(watch, 9 * NS_PER_S);
    tracker_look_for_stuck(watch->tracker, watch->now_ns);
    expect(watch, "");
    pass(watch, NS_PER_S);
    looked_ns = tracker_look_for_stuck(watch->tracker, watch->now_ns);
    expect(watch, "1 stuck CLOSE_WAIT after 10002\n");
    /* Not before its time. */
    pass(watch, 10 * NS_PER_MS);
    assert_int_equal(tracker_look_for_stuck(watch->tracker, watch->now_ns), looked_ns);
    pass(watch, 10 * NS_PER_S);
    tracker_look_for_stuck(watch->tracker, watch->now_ns);
    expect(watch, "1 stuck CLOSE_WAIT after 20012\n");
    /* What has moved, has gone, or has given its place to another, is told by its move. */
    pass(watch, 30 * NS_PER_S);
    stand(watch, 1, TCP_STATE_LAST_ACK);
    tracker_look_for_stuck(watch->tracker, watch->now_ns);
    move(watch, 1, TCP_STATE_CLOSE_WAIT, TCP_STATE_LAST_ACK);
    move(watch, 1, TCP_STATE_LAST_ACK, TCP_STATE_CLOSE_WAIT);
    forget(watch);
    pass(watch, 30 * NS_PER_S);
    vanish(watch, 1);
    tracker_look_for_stuck(watch->tracker, watch->now_ns);
    move(watch, 1, TCP_STATE_CLOSE_WAIT, TCP_STATE_LAST_ACK);
    move(watch, 1, TCP_STATE_LAST_ACK, TCP_STATE_CLOSE_WAIT);
    forget(watch);
    pass(watch, 30 * NS_PER_S);
    stand(watch, 1, TCP_STATE_CLOSE_WAIT)->cookie = 2;
    tracker_look_for_stuck(watch->tracker, watch->now_ns);
    expect(watch, "");
    watch_free(watch);
}

static void without_a_limit_no_traced_stay_is_looked_at(void **state) {
    struct watch *watch = watch_traced_in(TCP_STATE_CLOSE_WAIT);

    (void)state;
    pass(watch, 1000 * NS_PER_S);
    assert_true(tracker_look_for_stuck(watch->tracker, watch->now_ns) == INT64_MAX);
    expect(watch, "");
    watch_free(watch);
}

/* connect() and close() tell who did it. */
static void who_moved_its_own_socket_owns_it(void **state) {
    struct watch *watch = watch_traced();
    const struct owner owner = {.pid = 4711, .holders = 1, .name = "client"};
    const struct socket socket = socket_of(1, TCP_STATE_SYN_SENT);
    const struct move begin = {.kind = MOVE_STATE,
                               .from = TCP_STATE_CLOSE,
                               .socket = &socket,
                               .owner = &owner,
                               .at_ns = watch->now_ns};
    const struct connection *connection;

    (void)state;
    tracker_moved(watch->tracker, &begin);
    assert_int_equal(watch->last_pid, 4711); /* already as it appears */
    connection = tracker_next(watch->tracker, NULL);
    assert_true(connection->owner_known);
    assert_int_equal(connection->owner.pid, 4711);
    move(watch, 1, TCP_STATE_SYN_SENT, TCP_STATE_ESTABLISHED);
    assert_int_equal(connection->owner.pid, 4711);
    watch_free(watch);
}

/* A program that stands in for another may tell an end once more. */
static void an_end_that_may_have_been_told_is_not_told_again(void **state) {
    struct watch *watch = watch_traced();
    const struct socket last = last_of(1);
    struct move end = {
        .kind = MOVE_STATE, .from = TCP_STATE_LAST_ACK, .socket = &last, .maybe_told = true};

    (void)state;
    move(watch, 1, TCP_STATE_SYN_RECV, TCP_STATE_ESTABLISHED);
    move(watch, 1, TCP_STATE_ESTABLISHED, TCP_STATE_CLOSE_WAIT);
    move(watch, 1, TCP_STATE_CLOSE_WAIT, TCP_STATE_LAST_ACK);
    end.at_ns = watch->now_ns;
    tracker_moved(watch->tracker, &end);
    assert_non_null(strstr(watch->log, "closed"));
    forget(watch);
    tracker_moved(watch->tracker, &end);
    expect(watch, "");
    /* That of one which nothing was told of is. */
    end.maybe_told = false;
    tracker_moved(watch->tracker, &end);
    assert_non_null(strstr(watch->log, "closed"));
    forget(watch);
    watch_free(watch);
}

static void look_for_stuck_after(struct watch *watch, int64_t ns) {
    pass(watch, ns);
    tracker_look_for_stuck(watch->tracker, watch->now_ns);
}

static void what_moved_without_a_word_is_found_by_the_second_look(void **state) {
    struct watch *watch = watch_new(10 * NS_PER_S);

    (void)state;
    walk_later(watch);
    stand(watch, 1, TCP_STATE_LAST_ACK);
    move(watch, 1, TCP_STATE_SYN_RECV, TCP_STATE_ESTABLISHED);
    move(watch, 1, TCP_STATE_ESTABLISHED, TCP_STATE_FIN_WAIT1);
    forget(watch);
    /* A state that should have passed by then is looked at; the first time it may be told yet. */
    look_for_stuck_after(watch, NS_PER_S / 2);
    stand(watch, 1, TCP_STATE_CLOSING);
    look_for_stuck_after(watch, NS_PER_S);
    expect(watch, "");
    look_for_stuck_after(watch, NS_PER_S);
    expect(watch, "1 FIN_WAIT1>CLOSING after 2502\n");
    /* The same of one that is gone. */
    vanish(watch, 1);
    look_for_stuck_after(watch, NS_PER_S);
    expect(watch, "");
    look_for_stuck_after(watch, NS_PER_S);
    assert_non_null(strstr(watch->log, "1 CLOSING>CLOSE"));
    assert_non_null(strstr(watch->log, "closed"));
    forget(watch);
    watch_free(watch);
}

/* Whatever the state: there may be too many to look at each of them each time. */
static void all_that_stand_are_looked_at_in_turn(void **state) {
    enum { COUNT = 1000, LOOKS = 4 * COUNT / 50 };
    struct watch *watch = watch_new(1000 * NS_PER_S);
    size_t most = 0;

    (void)state;
    walk_later(watch);
    watch->counts_only = true;
    /* None of them stands any more. */
    for (uint64_t cookie = 1; cookie <= COUNT; cookie++)
        move(watch, cookie, TCP_STATE_SYN_RECV, TCP_STATE_ESTABLISHED);
    for (int i = 0; i < LOOKS; i++) {
        watch->looks = 0;
        look_for_stuck_after(watch, NS_PER_S);
        most = watch->looks > most ? watch->looks : most;
    }
    assert_null(tracker_next(watch->tracker, NULL));
    assert_in_range(most, 1, 3 * 50);
    watch_free(watch);
}

static void an_end_that_was_not_told_has_no_cause_of_its_own(void **state) {
    struct watch *watch = watch_new(10 * NS_PER_S);

    (void)state;
    walk_later(watch);
    move(watch, 1, TCP_STATE_SYN_RECV, TCP_STATE_ESTABLISHED);
    forget(watch);
    for (int i = 0; i < 3; i++)
        look_for_stuck_after(watch, NS_PER_S);
    assert_non_null(strstr(watch->log, "1 closed CLOSE unknown"));
    forget(watch);
    watch_free(watch);
}

/* Its move to SYN_SENT was told before connect() chose a port. */
static void what_cannot_be_looked_up_is_not_doubted(void **state) {
    struct watch *watch = watch_new(10 * NS_PER_S);
    struct socket socket = socket_of(1, TCP_STATE_SYN_SENT);
    const struct move begin = {
        .kind = MOVE_STATE, .from = TCP_STATE_CLOSE, .socket = &socket, .at_ns = watch->now_ns};

    (void)state;
    socket.local_port = 0;
    tracker_moved(watch->tracker, &begin);
    forget(watch);
    for (int i = 0; i < 5; i++)
        look_for_stuck_after(watch, NS_PER_S);
    expect(watch, "");
    watch_free(watch);
}

static void what_stands_as_it_was_told_is_not_doubted(void **state) {
    struct watch *watch = watch_new(10 * NS_PER_S);

    (void)state;
    walk_later(watch);
    move(watch, 1, TCP_STATE_SYN_RECV, TCP_STATE_ESTABLISHED);
    move(watch, 1, TCP_STATE_ESTABLISHED, TCP_STATE_FIN_WAIT1);
    forget(watch);
    look_for_stuck_after(watch, 2 * NS_PER_S);
    /* It was in another state once, but not twice in a row. */
    stand(watch, 1, TCP_STATE_FIN_WAIT1);
    look_for_stuck_after(watch, NS_PER_S);
    vanish(watch, 1);
    look_for_stuck_after(watch, NS_PER_S);
    expect(watch, "");
    watch->look_fails = true;
    look_for_stuck_after(watch, NS_PER_S);
    look_for_stuck_after(watch, NS_PER_S);
    expect(watch, "");
    watch_free(watch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_stands_at_the_first_walk_was_there_before),
        cmocka_unit_test(a_transition_tells_the_stay_in_the_state_before),
        cmocka_unit_test(states_passed_unseen_are_named),
        cmocka_unit_test(time_wait_closes_once_and_with_the_counters),
        cmocka_unit_test(time_wait_that_the_message_tells_first_closes_once),
        cmocka_unit_test(time_wait_whose_message_does_not_come_closes_without_counters),
        cmocka_unit_test(time_wait_from_before_the_watch_does_not_close),
        cmocka_unit_test(closed_and_gone_before_its_message_closes_once),
        cmocka_unit_test(an_orphan_in_fin_wait2_is_not_closed_yet),
        cmocka_unit_test(an_orphan_that_its_timer_ends_has_timed_out),
        cmocka_unit_test(an_orphan_that_ends_early_has_not_timed_out),
        cmocka_unit_test(a_message_before_the_walk_closes_at_once),
        cmocka_unit_test(a_message_after_the_walk_that_missed_it_closes_once),
        cmocka_unit_test(a_dead_socket_that_is_still_held_closes_once),
        cmocka_unit_test(a_dead_socket_has_lost_its_ports_and_is_known_all_the_same),
        cmocka_unit_test(fins_that_were_not_seen_tell_what_was_passed),
        cmocka_unit_test(a_connection_that_no_walk_met_appears_and_closes),
        cmocka_unit_test(a_socket_that_never_connected_is_no_connection),
        cmocka_unit_test(one_that_was_thrown_away_between_two_walks_is_told),
        cmocka_unit_test(that_one_may_have_been_thrown_away_is_said_once),
        cmocka_unit_test(what_never_connected_is_no_loss),
        cmocka_unit_test(a_listener_that_goes_is_not_closed),
        cmocka_unit_test(a_minisock_of_another_cookie_is_the_same_connection),
        cmocka_unit_test(a_minisock_that_a_walk_met_first_takes_the_counters),
        cmocka_unit_test(an_orphan_s_minisock_of_another_cookie_closes_later),
        cmocka_unit_test(a_minisock_of_the_next_connection_is_not_the_last_one_s),
        cmocka_unit_test(a_minisock_whose_cookie_came_too_late_is_the_same_connection),
        cmocka_unit_test(what_ended_under_the_walk_was_not_met),
        cmocka_unit_test(a_minisock_of_a_later_cookie_is_the_next_connection_s),
        cmocka_unit_test(addresses_in_use_again_are_another_connection),
        cmocka_unit_test(a_request_whose_cookie_came_too_late_is_the_same_connection),
        cmocka_unit_test(a_request_whose_socket_left_a_minisock_is_the_same_connection),
        cmocka_unit_test(a_late_message_of_a_request_s_socket_is_nothing_new),
        cmocka_unit_test(one_that_a_walk_missed_is_looked_for),
        cmocka_unit_test(where_that_cannot_be_learned_nothing_is_claimed),
        cmocka_unit_test(a_request_that_cannot_be_asked_for_ends_in_its_time),
        cmocka_unit_test(nothing_is_settled_before_its_time),
        cmocka_unit_test(lost_messages_that_the_next_walk_explains_are_none),
        cmocka_unit_test(lost_messages_that_nothing_explains_are_counted),
        cmocka_unit_test(lost_messages_wait_for_a_walk_that_came_after),
        cmocka_unit_test(lost_messages_wait_for_all_that_the_walk_has_missed),
        cmocka_unit_test(what_is_lost_later_is_told_of_later),
        cmocka_unit_test(a_stay_that_is_too_long_is_said_each_time_it_doubles),
        cmocka_unit_test(a_request_that_was_repeated_is_older_than_it_was_met),
        cmocka_unit_test(a_stay_that_was_not_seen_to_begin_is_at_least_so_long),
        cmocka_unit_test(only_states_to_pass_through_can_be_stuck),
        cmocka_unit_test(without_a_limit_nothing_is_stuck),
        cmocka_unit_test(a_connection_that_is_accepted_is_held),
        cmocka_unit_test(the_dead_are_not_looked_for_again),
        cmocka_unit_test(a_late_message_of_an_orphan_is_nothing_new),
        cmocka_unit_test(the_dead_do_not_rise_again),
        cmocka_unit_test(the_end_of_the_watch_waits_for_nothing),
        cmocka_unit_test(a_message_that_comes_after_all_was_not_the_lost_one),
        cmocka_unit_test(a_minisock_that_has_its_socket_is_nobody_else_s),
        cmocka_unit_test(what_is_still_watched_is_freed),
        cmocka_unit_test(the_table_holds_what_stands),
        cmocka_unit_test(the_dead_that_are_remembered_are_not_too_many),
        cmocka_unit_test(what_comes_after_the_first_walk_was_not_there_before),
        cmocka_unit_test(fins_that_crossed_have_no_first),
        cmocka_unit_test(a_message_that_outlives_time_wait_is_nothing_new),
        cmocka_unit_test(each_that_is_missing_gets_the_time_of_a_message),
        cmocka_unit_test(what_has_no_message_explains_no_loss),
        cmocka_unit_test(an_orphan_that_ends_before_its_timer_may_have_been_destroyed),
        cmocka_unit_test(an_orphan_that_was_not_watched_may_have_ended_either_way),
        cmocka_unit_test(the_side_that_connects_is_told_from_close_to_close),
        cmocka_unit_test(the_side_that_accepts_is_told_from_its_handshake_on),
        cmocka_unit_test(fins_that_cross_go_by_closing),
        cmocka_unit_test(a_time_that_a_walk_begins_or_ends_is_approximate),
        cmocka_unit_test(what_stood_before_the_watch_began_at_its_first_look),
        cmocka_unit_test(one_that_is_met_in_its_middle_was_there_before),
        cmocka_unit_test(one_that_connects_was_not_there_before),
        cmocka_unit_test(an_end_that_is_met_first_has_the_state_before_it),
        cmocka_unit_test(what_a_connection_outlives_is_no_cause_of_its_end),
        cmocka_unit_test(what_sends_its_syn_again_connects),
        cmocka_unit_test(what_the_walk_already_saw_is_not_told_again),
        cmocka_unit_test(what_is_a_minisock_already_does_not_move_back),
        cmocka_unit_test(an_orphan_goes_on_until_it_is_asked_for),
        cmocka_unit_test(an_orphan_whose_timer_ran_out_has_timed_out),
        cmocka_unit_test(an_orphan_that_ends_at_another_time_may_have_been_reset),
        cmocka_unit_test(a_port_that_comes_after_the_state_is_filled_in),
        cmocka_unit_test(a_port_that_only_the_end_tells_is_in_the_last_events),
        cmocka_unit_test(the_end_of_a_traced_connection_has_its_cause),
        cmocka_unit_test(nothing_is_told_twice),
        cmocka_unit_test(a_socket_that_connects_again_is_another_connection),
        cmocka_unit_test(a_socket_that_left_a_minisock_connects_again),
        cmocka_unit_test(a_socket_whose_end_was_lost_connects_again),
        cmocka_unit_test(another_port_of_a_polled_socket_is_another_connection),
        cmocka_unit_test(a_polled_socket_that_stands_again_is_another_connection),
        cmocka_unit_test(a_minisock_left_behind_is_not_the_next_connection),
        cmocka_unit_test(the_other_end_in_time_wait_proves_the_fin_of_a_held_socket),
        cmocka_unit_test(a_walk_of_what_is_told_of_waits_for_the_moves),
        cmocka_unit_test(at_the_end_all_that_moved_without_a_word_is_looked_for),
        cmocka_unit_test(a_check_meets_nobody_new),
        cmocka_unit_test(a_request_ends_where_it_is_not_there_any_more),
        cmocka_unit_test(the_end_of_what_nobody_knows_is_nothing),
        cmocka_unit_test(a_listener_that_is_traced_is_not_closed),
        cmocka_unit_test(a_traced_stay_that_is_too_long_is_said_each_time_it_doubles),
        cmocka_unit_test(without_a_limit_no_traced_stay_is_looked_at),
        cmocka_unit_test(who_moved_its_own_socket_owns_it),
        cmocka_unit_test(an_end_that_may_have_been_told_is_not_told_again),
        cmocka_unit_test(what_moved_without_a_word_is_found_by_the_second_look),
        cmocka_unit_test(all_that_stand_are_looked_at_in_turn),
        cmocka_unit_test(an_end_that_was_not_told_has_no_cause_of_its_own),
        cmocka_unit_test(what_cannot_be_looked_up_is_not_doubted),
        cmocka_unit_test(what_stands_as_it_was_told_is_not_doubted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
