/* SPDX-License-Identifier: MIT
 *
 * What server and client say of what happens to them.
 */
#include "shown.h"

#include "units/clock.h"
#include "units/duration.h"

#include <errno.h>
#include <signal.h>

static const struct tcp_liveness keepalive = {
    .keepalive = true, .idle_s = 10, .interval_s = 75, .count = 9};

static struct endpoint_event event_of(enum endpoint_event_kind kind, const struct socket *socket) {
    return (struct endpoint_event){
        .kind = kind,
        .at_ns = clock_now(),
        .socket = socket,
        .liveness =
            kind == ENDPOINT_LISTENING || kind == ENDPOINT_OPTIONS || kind == ENDPOINT_CONNECTED
                ? &keepalive
                : NULL,
        .limits = &tcp_limits_default,
        .after_ns = 8500 * NS_PER_MS,
        .noticed_ns = -1,
        .fin_unseen_ns = -1,
    };
}

static json_t *told_in_json(const struct endpoint_event *event) {
    struct output output = {.json = true, .netns = 4026531840};

    output_endpoint(&output, event);
    return take_object(&output);
}

static char *told_in_text(const struct endpoint_event *event) {
    struct output output = {0};
    char *text;

    output_endpoint(&output, event);
    text = take_text(&output);
    check_clean(text);
    assert_string_equal(text + strlen(text) - 1, "\n");
    return text;
}

static void assert_says(const struct endpoint_event *event, const char *words) {
    char *text = told_in_text(event);

    if (!strstr(text, words))
        fail_msg("\"%s\" is not in \"%s\"", words, text);
    free(text);
}

static void every_event_is_one_json_object_and_clean_text(void **state) {
    static const char *const names[] = {"listening", "accepted", "paused", "options", "attempt",
                                        "connected", "staying",  "closed", "shutdown"};
    const struct socket socket = socket_of(1, TCP_STATE_ESTABLISHED);

    (void)state;
    for (int kind = ENDPOINT_LISTENING; kind <= ENDPOINT_SHUTDOWN; kind++) {
        const struct endpoint_event event = event_of((enum endpoint_event_kind)kind, &socket);
        json_t *object = told_in_json(&event);

        assert_string_equal(text_in(object, "event"), names[kind]);
        assert_string_equal(text_in(object, "cookie"), "1");
        json_decref(object);
        free(told_in_text(&event));
    }
}

static void settings_are_told_with_what_they_mean(void **state) {
    const struct endpoint_event event = event_of(ENDPOINT_OPTIONS, NULL);
    json_t *object = told_in_json(&event);
    const json_t *probes = json_object_get(object, "keepalive"),
                 *vanishes = json_object_get(object, "if_peer_vanishes");

    (void)state;
    assert_int_equal(number_in(probes, "idle_s"), 10);
    assert_int_equal(number_in(probes, "interval_s"), 75);
    assert_int_equal(number_in(probes, "count"), 9);
    assert_null(json_object_get(object, "user_timeout_ms"));
    assert_int_equal(number_in(vanishes, "idle_ms"), 685000);
    assert_int_equal(number_in(vanishes, "sending_ms"), 928896);
    assert_int_equal(number_in(vanishes, "connecting_ms"), 127000);
    assert_null(json_object_get(object, "local"));
    json_decref(object);
    assert_says(&event, "keepalive: after 10 s idle, 9 probes 75 s apart\n");
    assert_says(&event, "a dead peer is noticed after 685 s while idle, "
                        "after about 929 s while sending, after 127 s while connecting\n");
}

static void never_is_null_and_never(void **state) {
    const struct tcp_liveness none = {.user_timeout_ms = 1500};
    struct endpoint_event event = event_of(ENDPOINT_OPTIONS, NULL);
    json_t *object;

    (void)state;
    event.liveness = &none;
    object = told_in_json(&event);
    assert_true(json_is_false(json_object_get(object, "keepalive")));
    assert_int_equal(number_in(object, "user_timeout_ms"), 1500);
    assert_true(
        json_is_null(json_object_get(json_object_get(object, "if_peer_vanishes"), "idle_ms")));
    json_decref(object);
    assert_says(&event, "keepalive off; user timeout 1.5 s\n");
    assert_says(&event, "a dead peer is never noticed while idle, after about 1.9 s while");
}

static void an_end_names_cause_call_and_times(void **state) {
    const struct socket socket = socket_of(1, TCP_STATE_CLOSE);
    struct endpoint_event event = event_of(ENDPOINT_CLOSED, &socket);
    json_t *object;

    (void)state;
    event.cause = TCP_ENDING_RESET;
    event.error = ECONNRESET;
    event.syscall = "read";
    event.noticed_ns = 120 * NS_PER_MS;
    event.sent = 6;
    event.received = 1;
    object = told_in_json(&event);
    assert_string_equal(text_in(object, "cause"), "reset");
    assert_string_equal(text_in(object, "error"), "ECONNRESET");
    assert_string_equal(text_in(object, "syscall"), "read");
    assert_int_equal(number_in(object, "after_ms"), 8500);
    assert_int_equal(number_in(object, "noticed_ms"), 120);
    assert_null(json_object_get(object, "fin_unseen_ms"));
    assert_null(json_object_get(object, "router"));
    json_decref(object);
    assert_says(&event, "  reset (read: ECONNRESET); lived 8.5s; the last byte was sent 120ms "
                        "before; sent 6 bytes, received 1 byte\n");
    assert_says(&event, "answered RST: it no longer knows this connection, as after a reboot");
}

static void what_is_unknown_is_absent(void **state) {
    const struct socket socket = socket_of(1, TCP_STATE_CLOSE);
    struct endpoint_event event = event_of(ENDPOINT_CLOSED, &socket);
    json_t *object;

    (void)state;
    event.sent = event.received = -1;
    event.error = EBADF; /* none that TCP makes */
    object = told_in_json(&event);
    assert_null(json_object_get(object, "cause"));
    assert_null(json_object_get(object, "error"));
    assert_null(json_object_get(object, "syscall"));
    assert_null(json_object_get(object, "noticed_ms"));
    assert_null(json_object_get(object, "bytes_sent"));
    assert_null(json_object_get(object, "pid"));
    json_decref(object);
    assert_says(&event, "  127.0.0.2:40001 failed after 8.5s\n");
}

static void a_router_is_named(void **state) {
    const struct socket socket = socket_of(1, TCP_STATE_CLOSE);
    struct endpoint_event event = event_of(ENDPOINT_ATTEMPT, &socket);
    json_t *object;

    (void)state;
    event.cause = TCP_ENDING_HOST_UNREACHABLE;
    event.error = EHOSTUNREACH;
    event.syscall = "connect";
    event.router = "10.0.1.1";
    event.sent = event.received = -1;
    object = told_in_json(&event);
    assert_string_equal(text_in(object, "router"), "10.0.1.1");
    json_decref(object);
    assert_says(&event, "127.0.0.2:40001 host unreachable (connect: EHOSTUNREACH) after 8.5s\n");
    assert_says(&event, "10.0.1.1 says so: a router");
}

static void a_fin_that_lay_unseen_is_told(void **state) {
    const struct socket socket = socket_of(1, TCP_STATE_CLOSE_WAIT);
    struct endpoint_event event = event_of(ENDPOINT_CLOSED, &socket);
    json_t *object;

    (void)state;
    event.cause = TCP_ENDING_PEER_CLOSE;
    event.fin_unseen_ns = 1200 * NS_PER_MS;
    object = told_in_json(&event);
    assert_int_equal(number_in(object, "fin_unseen_ms"), 1200);
    json_decref(object);
    assert_says(&event, "the peer's FIN had lain here unseen for 1.2s\n");
}

static void what_close_sent_is_told(void **state) {
    const struct socket socket = socket_of(1, TCP_STATE_ESTABLISHED);
    struct endpoint_event event = event_of(ENDPOINT_CLOSED, &socket);
    json_t *object;

    (void)state;
    event.cause = TCP_ENDING_LOCAL_CLOSE;
    object = told_in_json(&event);
    assert_null(json_object_get(object, "reset_sent"));
    assert_null(json_object_get(object, "not_read"));
    json_decref(object);
    event.reset_sent = true;
    event.not_read = 5;
    object = told_in_json(&event);
    assert_true(json_is_true(json_object_get(object, "reset_sent")));
    assert_int_equal(number_in(object, "not_read"), 5);
    json_decref(object);
    assert_says(&event, "closed from this side; a RST was sent, 5 bytes were not read; lived 8.5s");
}

/* A server closes what has been idle for so long, answered or not. */
static void an_idle_timeout_ends_sending_too(void **state) {
    struct endpoint_event event = event_of(ENDPOINT_LISTENING, NULL);

    (void)state;
    event.idle_timeout_ns = 60 * NS_PER_S;
    assert_true(endpoint_noticed_sending(&event) == 60 * NS_PER_S);
    event.read_timeout_ns = NS_PER_S;
    assert_true(endpoint_noticed_sending(&event) == NS_PER_S);
}

static void a_server_names_its_processes_and_counts_at_the_end(void **state) {
    const struct socket socket = socket_of(1, TCP_STATE_ESTABLISHED);
    struct endpoint_event event = event_of(ENDPOINT_ACCEPTED, &socket);
    json_t *object;

    (void)state;
    event.pid = 4270;
    object = told_in_json(&event);
    assert_int_equal(number_in(object, "pid"), 4270);
    json_decref(object);
    assert_says(&event, "127.0.0.2:40001  accepted by pid 4270\n");
    event = event_of(ENDPOINT_SHUTDOWN, &socket);
    event.signal = SIGTERM;
    event.accepted = 3;
    event.open = 1;
    event.sent = 10;
    object = told_in_json(&event);
    assert_string_equal(text_in(object, "signal"), "SIGTERM");
    assert_int_equal(number_in(object, "accepted"), 3);
    assert_int_equal(number_in(object, "open"), 1);
    json_decref(object);
    assert_says(&event, "-- 8.5s served: 3 connections, 1 still open; sent 10 bytes, received 0");
}

static void a_pause_says_what_is_short(void **state) {
    struct endpoint_event event = event_of(ENDPOINT_PAUSED, NULL);

    (void)state;
    event.open = 2;
    assert_says(&event, "2 connections are open, as many as --max-connections; who connects now "
                        "waits in the backlog\n");
    event.error = EMFILE;
    assert_says(&event, "accepting no more: Too many open files; ");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_event_is_one_json_object_and_clean_text),
        cmocka_unit_test(settings_are_told_with_what_they_mean),
        cmocka_unit_test(never_is_null_and_never),
        cmocka_unit_test(an_end_names_cause_call_and_times),
        cmocka_unit_test(what_is_unknown_is_absent),
        cmocka_unit_test(a_router_is_named),
        cmocka_unit_test(a_fin_that_lay_unseen_is_told),
        cmocka_unit_test(a_server_names_its_processes_and_counts_at_the_end),
        cmocka_unit_test(a_pause_says_what_is_short),
        cmocka_unit_test(what_close_sent_is_told),
        cmocka_unit_test(an_idle_timeout_ends_sending_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
