/* SPDX-License-Identifier: MIT */
#include "lab/judge.h"

#include "units/duration.h"

#include <stdio.h>
#include <string.h>

int64_t judge_promise(enum lab_promise promise, const struct tcp_limits *limits,
                      const struct tcp_liveness *liveness, int defer_accept_s, int64_t rto_ns) {
    switch (promise) {
    case LAB_AT_ONCE:
        return 0;
    case LAB_FIRST_PROBE:
        return tcp_timeout_first(limits);
    case LAB_GIVE_UP_SENDING:
        return tcp_timeout_sending(limits, liveness, rto_ns);
    case LAB_GIVE_UP_UNREACHABLE:
        return tcp_timeout_unreachable(limits, rto_ns);
    case LAB_GIVE_UP_IDLE:
        return tcp_timeout_idle(liveness);
    case LAB_GIVE_UP_CONNECTING:
        return tcp_timeout_connecting(limits, liveness);
    case LAB_GIVE_UP_PROBING:
        return tcp_timeout_probing(limits, rto_ns);
    case LAB_FIN_TIMEOUT:
        return limits->fin_timeout_ns;
    case LAB_TIME_WAIT:
        return TCP_TIMEWAIT_LEN_NS;
    case LAB_DEFER_ACCEPT:
        return tcp_timeout_deferring(defer_accept_s);
    case LAB_NEVER:
        break;
    }
    return -1;
}

static void add(struct lab_result *result, enum lab_host host, uint32_t mask, bool in_passing) {
    size_t *count = &result->observed_count[host];

    if (*count < LAB_STATES_MAX)
        result->observed[host][(*count)++] = (struct lab_state){mask, in_passing};
}

void judge_add_state(struct lab_result *result, enum lab_host host, enum tcp_state to,
                     const uint32_t *skipped, size_t skipped_count) {
    for (size_t i = 0; i < skipped_count; i++)
        add(result, host, skipped[i], true);
    add(result, host, TCP_STATE_BIT(to), false);
}

bool judge_has_state(const struct lab_result *result, enum lab_host host, enum tcp_state state) {
    for (size_t i = 0; i < result->observed_count[host]; i++)
        if (result->observed[host][i].mask & TCP_STATE_BIT(state))
            return true;
    return false;
}

void judge_vfail(struct lab_result *result, const char *format, va_list arguments) {
    if (!*result->failure)
        vsnprintf(result->failure, sizeof(result->failure), format, arguments);
}

__attribute__((format(printf, 2, 3))) static void fail(struct lab_result *result,
                                                       const char *format, ...) {
    va_list arguments;

    va_start(arguments, format);
    judge_vfail(result, format, arguments);
    va_end(arguments);
}

/* The first of a set. */
static const char *name_of(uint32_t mask) {
    for (int state = 0; state < TCP_STATE_COUNT; state++)
        if (mask & TCP_STATE_BIT(state))
            return tcp_state_name(state);
    return "nothing";
}

/* The handshake is over before the first look, most of the time; it is expected where it counts.
 * Where nothing is expected of an end, there should have been none. */
static size_t skip_handshake(const struct lab_result *result, enum lab_host host) {
    const uint32_t handshake =
        TCP_STATE_BIT(TCP_STATE_SYN_SENT) | TCP_STATE_BIT(TCP_STATE_SYN_RECV);
    size_t seen = 0;

    if (result->expected_count[host] == 0 || (result->expected[host][0].mask & handshake))
        return 0;
    while (seen < result->observed_count[host] && (result->observed[host][seen].mask & handshake))
        seen++;
    return seen;
}

static void compare_states(struct lab_result *result, enum lab_host host) {
    const struct lab_state *observed = result->observed[host];
    size_t seen = skip_handshake(result, host);

    for (size_t i = 0; i < result->expected_count[host]; i++) {
        const struct lab_state *expected = &result->expected[host][i];

        if (seen < result->observed_count[host] && (observed[seen].mask & expected->mask))
            seen++;
        else if (!expected->in_passing)
            fail(result, "%s: %s was expected, and %s was seen", lab_host_name(host),
                 name_of(expected->mask),
                 seen < result->observed_count[host] ? name_of(observed[seen].mask) : "nothing");
    }
    if (seen < result->observed_count[host])
        fail(result, "%s: %s was seen, and not expected", lab_host_name(host),
             name_of(observed[seen].mask));
}

static const char *error_name(int error) {
    const char *name = tcp_errno_name(error);

    return error == 0 ? "no error" : name ? name : "another error";
}

static void compare_told(struct lab_result *result) {
    const struct lab_told *expected = &result->expected_told, *told = &result->told;

    if (result->tells != result->was_told)
        fail(result, result->tells ? "no process was told of the end"
                                   : "a process was told of an end, and none was expected");
    if (!result->tells)
        return;
    if (expected->error != told->error || strcmp(expected->syscall, told->syscall) != 0)
        fail(result, "%s() with %s was expected, and it was %s() with %s", expected->syscall,
             error_name(expected->error), told->syscall, error_name(told->error));
    if (expected->cause != told->cause)
        fail(result, "%s was expected, and it was %s", tcp_ending_name(expected->cause),
             tcp_ending_name(told->cause));
}

static void compare_times(struct lab_result *result, enum lab_promise promise, int64_t rto_ns) {
    const int64_t tenth_ns = result->predicted_ns / 10;
    const int64_t allowed_ns = tenth_ns > rto_ns ? tenth_ns : rto_ns;
    const int64_t wrong_ns = result->took_ns - result->predicted_ns;
    char took[DURATION_TEXT_SIZE], predicted[DURATION_TEXT_SIZE];

    if (promise == LAB_NEVER)
        return;
    if (result->took_ns < 0) {
        fail(result, "it did not come to its end");
        return;
    }
    if (wrong_ns <= allowed_ns && wrong_ns >= -allowed_ns)
        return;
    duration_text(took, result->took_ns);
    duration_text(predicted, result->predicted_ns);
    fail(result, "it took %s, and %s was predicted", took, predicted);
}

void judge(struct lab_result *result, enum lab_promise promise, int64_t rto_ns) {
    compare_states(result, LAB_CLIENT);
    compare_states(result, LAB_SERVER);
    compare_told(result);
    compare_times(result, promise, rto_ns);
    result->pass = !*result->failure;
}
