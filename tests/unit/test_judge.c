/* SPDX-License-Identifier: MIT
 *
 * What passes in the lab, and what does not: every scenario of its table as it should go, and with
 * each single thing wrong.
 */
#include "lab/judge.h"

#include "unit.h"

#include "lab/scenario.h"
#include "lab/settings.h"
#include "units/duration.h"

#include <errno.h>

#define RTO_NS (204 * NS_PER_MS)

/* As the lab sets them: those that promise something are all different. */
static const struct tcp_limits limits = {
    .retries2 = 2,
    .syn_retries = 1,
    .rto_min_ns = 200 * NS_PER_MS,
    .rto_max_ns = NS_PER_S,
    .fin_timeout_ns = 2 * NS_PER_S,
};

static const char *const host_names[] = {[LAB_CLIENT] = "client", [LAB_SERVER] = "server"};

static const struct scenario *scenario_at(size_t index) {
    return (const struct scenario *)lab_scenario(index);
}

static size_t count_states(const struct lab_state *states) {
    size_t count = 0;

    while (count < LAB_STATES_MAX && states[count].mask)
        count++;
    return count;
}

/* What is expected of a scenario, and all of it seen. */
static struct lab_result as_expected(const struct scenario *scenario) {
    struct lab_result result = {
        .tells = scenario->tells,
        .was_told = scenario->tells,
        .expected_told = scenario->told,
        .told = scenario->told,
        .predicted_ns = judge_promise(scenario->shown.promise, &limits, &scenario->client.liveness,
                                      scenario->server.defer_accept_s, RTO_NS),
    };

    for (int host = LAB_CLIENT; host <= LAB_SERVER; host++) {
        result.expected_count[host] = result.observed_count[host] =
            count_states(scenario->states[host]);
        for (size_t i = 0; i < result.expected_count[host]; i++) {
            result.expected[host][i] = scenario->states[host][i];
            result.observed[host][i].mask = scenario->states[host][i].mask;
        }
    }
    result.took_ns = result.predicted_ns < 0 ? NS_PER_S : result.predicted_ns;
    return result;
}

static void remove_state(struct lab_result *result, int host, size_t at) {
    struct lab_state *observed = result->observed[host];

    result->observed_count[host]--;
    for (size_t i = at; i < result->observed_count[host]; i++)
        observed[i] = observed[i + 1];
}

static void insert_state(struct lab_result *result, int host, size_t at, enum tcp_state state) {
    struct lab_state *observed = result->observed[host];

    assert_true(result->observed_count[host] < LAB_STATES_MAX);
    for (size_t i = result->observed_count[host]++; i > at; i--)
        observed[i] = observed[i - 1];
    observed[at] = (struct lab_state){TCP_STATE_BIT(state), false};
}

static const char *state_of(const struct lab_state *state) {
    for (int number = 0; number < TCP_STATE_COUNT; number++)
        if (state->mask & TCP_STATE_BIT(number))
            return tcp_state_name((enum tcp_state)number);
    return "nothing";
}

static void check_passes(const struct scenario *scenario, struct lab_result *result) {
    judge(result, scenario->shown.promise, RTO_NS);
    if (!result->pass || *result->failure)
        fail_msg("%s: %s", scenario->shown.name, result->failure);
}

/* The failure names both; NULL: any. */
static void check_fails(const struct scenario *scenario, struct lab_result *result,
                        const char *what, const char *also) {
    judge(result, scenario->shown.promise, RTO_NS);
    if (result->pass)
        fail_msg("%s: passed without \"%s\"", scenario->shown.name, what);
    if (!strstr(result->failure, what) || (also && !strstr(result->failure, also)))
        fail_msg("%s: \"%s\" does not name %s and %s", scenario->shown.name, result->failure, what,
                 also ? also : "nothing");
}

static void what_goes_as_expected_passes(void **state) {
    (void)state;
    for (size_t i = 0; scenario_at(i); i++) {
        struct lab_result result = as_expected(scenario_at(i));

        check_passes(scenario_at(i), &result);
    }
}

/* With every choice of those that are in passing. */
static void what_is_in_passing_may_be_missing(void **state) {
    (void)state;
    for (size_t i = 0; scenario_at(i); i++)
        for (unsigned choice = 0; choice < 1u << LAB_STATES_MAX; choice++) {
            struct lab_result result = as_expected(scenario_at(i));

            for (int host = LAB_CLIENT; host <= LAB_SERVER; host++)
                for (size_t at = result.expected_count[host]; at-- > 0;)
                    if (result.expected[host][at].in_passing && choice & 1u << at)
                        remove_state(&result, host, at);
            check_passes(scenario_at(i), &result);
        }
}

static void a_missing_state_fails(void **state) {
    (void)state;
    for (size_t i = 0; scenario_at(i); i++)
        for (int host = LAB_CLIENT; host <= LAB_SERVER; host++)
            for (size_t at = 0; at < count_states(scenario_at(i)->states[host]); at++) {
                struct lab_result result = as_expected(scenario_at(i));

                if (result.expected[host][at].in_passing)
                    continue;
                remove_state(&result, host, at);
                check_fails(scenario_at(i), &result, state_of(&result.expected[host][at]),
                            host_names[host]);
            }
}

static void a_state_that_is_not_expected_fails(void **state) {
    (void)state;
    for (size_t i = 0; scenario_at(i); i++)
        for (int host = LAB_CLIENT; host <= LAB_SERVER; host++)
            for (size_t at = 0; at <= count_states(scenario_at(i)->states[host]); at++) {
                struct lab_result result = as_expected(scenario_at(i));

                insert_state(&result, host, at, TCP_STATE_LISTEN);
                check_fails(scenario_at(i), &result, "LISTEN was seen", host_names[host]);
            }
}

static void a_state_that_is_seen_twice_fails(void **state) {
    (void)state;
    for (size_t i = 0; scenario_at(i); i++)
        for (int host = LAB_CLIENT; host <= LAB_SERVER; host++)
            for (size_t at = 0; at < count_states(scenario_at(i)->states[host]); at++) {
                struct lab_result result = as_expected(scenario_at(i));
                const struct lab_state again = result.observed[host][at];

                insert_state(&result, host, at, TCP_STATE_LISTEN);
                result.observed[host][at] = again;
                check_fails(scenario_at(i), &result, state_of(&again), host_names[host]);
            }
}

static void states_in_another_order_fail(void **state) {
    (void)state;
    for (size_t i = 0; scenario_at(i); i++)
        for (int host = LAB_CLIENT; host <= LAB_SERVER; host++)
            for (size_t at = 1; at < count_states(scenario_at(i)->states[host]); at++) {
                struct lab_result result = as_expected(scenario_at(i));
                struct lab_state *observed = result.observed[host];
                const struct lab_state first = observed[at - 1];

                observed[at - 1] = observed[at];
                observed[at] = first;
                check_fails(scenario_at(i), &result, state_of(&first), host_names[host]);
            }
}

static void the_handshake_counts_only_where_it_is_expected(void **state) {
    (void)state;
    for (size_t i = 0; scenario_at(i); i++)
        for (int host = LAB_CLIENT; host <= LAB_SERVER; host++) {
            const enum tcp_state first =
                host == LAB_CLIENT ? TCP_STATE_SYN_SENT : TCP_STATE_SYN_RECV;
            struct lab_result result = as_expected(scenario_at(i));

            insert_state(&result, host, 0, first);
            if (result.expected_count[host] &&
                result.expected[host][0].mask == TCP_STATE_BIT(TCP_STATE_ESTABLISHED))
                check_passes(scenario_at(i), &result);
            else
                check_fails(scenario_at(i), &result, tcp_state_name(first), host_names[host]);
        }
}

/* SYN_SENT after ESTABLISHED is none. */
static void the_handshake_is_at_the_beginning(void **state) {
    struct lab_result result = as_expected((const struct scenario *)lab_find("host-crash"));

    (void)state;
    insert_state(&result, LAB_CLIENT, 1, TCP_STATE_SYN_SENT);
    check_fails((const struct scenario *)lab_find("host-crash"), &result, "SYN_SENT was seen",
                "client");
}

static void another_error_fails(void **state) {
    (void)state;
    for (size_t i = 0; scenario_at(i); i++) {
        const struct scenario *scenario = scenario_at(i);
        struct lab_result result = as_expected(scenario), unknown = as_expected(scenario),
                          none = as_expected(scenario);
        const char *expected = tcp_errno_name(scenario->told.error);

        if (!scenario->tells)
            continue;
        result.told.error = scenario->told.error == ECONNRESET ? ETIMEDOUT : ECONNRESET;
        check_fails(scenario, &result, tcp_errno_name(result.told.error),
                    expected ? expected : "no error");
        unknown.told.error = EBADF;
        check_fails(scenario, &unknown, "another error", expected);
        none.told.error = 0;
        if (expected)
            check_fails(scenario, &none, "no error", expected);
    }
}

static void another_call_fails(void **state) {
    (void)state;
    for (size_t i = 0; scenario_at(i); i++) {
        const struct scenario *scenario = scenario_at(i);
        struct lab_result result = as_expected(scenario);

        if (!scenario->tells)
            continue;
        strcpy(result.told.syscall, "send");
        check_fails(scenario, &result, "it was send()", scenario->told.syscall);
    }
}

static void another_cause_fails(void **state) {
    (void)state;
    for (size_t i = 0; scenario_at(i); i++) {
        const struct scenario *scenario = scenario_at(i);

        for (int cause = 0; scenario->tells && cause < TCP_ENDING_COUNT; cause++) {
            struct lab_result result = as_expected(scenario);

            if (cause == (int)scenario->told.cause)
                continue;
            result.told.cause = (enum tcp_ending)cause;
            check_fails(scenario, &result, tcp_ending_name(scenario->told.cause),
                        tcp_ending_name((enum tcp_ending)cause));
        }
    }
}

static void who_is_told_and_should_not_be_fails_and_the_reverse(void **state) {
    (void)state;
    for (size_t i = 0; scenario_at(i); i++) {
        struct lab_result result = as_expected(scenario_at(i));

        result.was_told = !result.was_told;
        result.told = (struct lab_told){.error = 0};
        check_fails(scenario_at(i), &result,
                    result.was_told ? "none was expected" : "no process was told", NULL);
    }
}

static void a_time_may_be_wrong_by_the_timeout_or_a_tenth(void **state) {
    (void)state;
    for (size_t i = 0; scenario_at(i); i++) {
        const struct scenario *scenario = scenario_at(i);
        const struct lab_result right = as_expected(scenario);
        const int64_t tenth_ns = right.predicted_ns / 10;
        const int64_t allowed_ns = tenth_ns > RTO_NS ? tenth_ns : RTO_NS;

        for (int sign = -1; sign <= 1; sign += 2) {
            struct lab_result within = right, beyond = right;

            within.took_ns = right.predicted_ns + sign * allowed_ns;
            beyond.took_ns = within.took_ns + sign;
            if (scenario->shown.promise == LAB_NEVER) {
                check_passes(scenario, &within);
                check_passes(scenario, &beyond);
            } else if (within.took_ns >= 0) {
                check_passes(scenario, &within);
                check_fails(scenario, &beyond,
                            beyond.took_ns < 0 ? "did not come to its end" : "was predicted", NULL);
            }
        }
    }
}

/* Where there is a time, nothing is noticed at once, and nothing twice as late. What comes with the
 * first repetition is as short as the timeout itself: no less can be told apart. */
static void a_time_that_is_quite_wrong_fails(void **state) {
    (void)state;
    for (size_t i = 0; scenario_at(i); i++) {
        const struct scenario *scenario = scenario_at(i);
        struct lab_result at_once = as_expected(scenario), late = at_once, never = at_once;
        char predicted[DURATION_TEXT_SIZE], took[DURATION_TEXT_SIZE];

        if (scenario->shown.promise == LAB_NEVER)
            continue;
        duration_text(predicted, at_once.predicted_ns);
        if (at_once.predicted_ns > RTO_NS) {
            at_once.took_ns = 0;
            check_fails(scenario, &at_once, "it took 0.0ms", predicted);
        }
        late.took_ns = 2 * late.predicted_ns + RTO_NS + 1;
        duration_text(took, late.took_ns);
        check_fails(scenario, &late, took, predicted);
        never.took_ns = -1;
        check_fails(scenario, &never, "it did not come to its end", NULL);
    }
}

/* What has failed before it came to be judged. */
static void the_first_failure_counts(void **state) {
    const struct scenario *scenario = (const struct scenario *)lab_find("host-crash");
    struct lab_result result = as_expected(scenario);

    (void)state;
    strcpy(result.failure, "waited in vain");
    result.observed_count[LAB_CLIENT] = 0;
    check_fails(scenario, &result, "waited in vain", NULL);
    assert_string_equal(result.failure, "waited in vain");
    result = as_expected(scenario);
    result.observed_count[LAB_CLIENT] = 0;
    result.was_told = false;
    result.took_ns = 0;
    judge(&result, scenario->shown.promise, RTO_NS);
    assert_string_equal(result.failure, "client: ESTABLISHED was expected, and nothing was seen");
}

static void states_are_added_with_those_that_were_skipped(void **state) {
    const uint32_t skipped[] = {TCP_STATE_BIT(TCP_STATE_FIN_WAIT1),
                                TCP_STATE_BIT(TCP_STATE_FIN_WAIT2) |
                                    TCP_STATE_BIT(TCP_STATE_CLOSING)};
    const struct lab_state expected[] = {{TCP_STATE_BIT(TCP_STATE_ESTABLISHED), false},
                                         {skipped[0], true},
                                         {skipped[1], true},
                                         {TCP_STATE_BIT(TCP_STATE_TIME_WAIT), false}};
    struct lab_result result = {.observed_count = {0}};

    (void)state;
    judge_add_state(&result, LAB_SERVER, TCP_STATE_ESTABLISHED, NULL, 0);
    assert_false(judge_has_state(&result, LAB_SERVER, TCP_STATE_TIME_WAIT));
    judge_add_state(&result, LAB_SERVER, TCP_STATE_TIME_WAIT, skipped, COUNT(skipped));
    assert_int_equal(result.observed_count[LAB_CLIENT], 0);
    assert_int_equal(result.observed_count[LAB_SERVER], COUNT(expected));
    for (size_t i = 0; i < COUNT(expected); i++) {
        assert_int_equal(result.observed[LAB_SERVER][i].mask, expected[i].mask);
        assert_int_equal(result.observed[LAB_SERVER][i].in_passing, expected[i].in_passing);
    }
    assert_true(judge_has_state(&result, LAB_SERVER, TCP_STATE_FIN_WAIT1));
    assert_true(judge_has_state(&result, LAB_SERVER, TCP_STATE_CLOSING));
    assert_true(judge_has_state(&result, LAB_SERVER, TCP_STATE_TIME_WAIT));
    assert_false(judge_has_state(&result, LAB_SERVER, TCP_STATE_CLOSE));
    assert_false(judge_has_state(&result, LAB_CLIENT, TCP_STATE_TIME_WAIT));
}

/* A step that may have been one of several is the one that is expected. */
static void a_skipped_state_of_several_is_the_expected_one(void **state) {
    const struct scenario *scenario = (const struct scenario *)lab_find("time-wait");
    const uint32_t skipped[] = {TCP_STATE_BIT(TCP_STATE_FIN_WAIT1),
                                TCP_STATE_BIT(TCP_STATE_FIN_WAIT2) |
                                    TCP_STATE_BIT(TCP_STATE_CLOSING)};
    struct lab_result result = as_expected(scenario);

    (void)state;
    result.observed_count[LAB_CLIENT] = 0;
    judge_add_state(&result, LAB_CLIENT, TCP_STATE_ESTABLISHED, NULL, 0);
    judge_add_state(&result, LAB_CLIENT, TCP_STATE_TIME_WAIT, skipped, COUNT(skipped));
    check_passes(scenario, &result);
}

static void more_states_than_there_is_room_for_are_left_out(void **state) {
    const uint32_t skipped = TCP_STATE_BIT(TCP_STATE_SYN_SENT);
    struct lab_result result = {.observed_count = {0}};

    (void)state;
    result.observed[LAB_SERVER][0].mask = 4711;
    for (int i = 0; i < LAB_STATES_MAX; i++)
        judge_add_state(&result, LAB_CLIENT, TCP_STATE_ESTABLISHED, &skipped, 1);
    assert_int_equal(result.observed_count[LAB_CLIENT], LAB_STATES_MAX);
    assert_int_equal(result.observed[LAB_SERVER][0].mask, 4711);
}

static void a_promise_is_the_arithmetic_of_tcp(void **state) {
    const struct tcp_liveness none = {.keepalive = false};
    const struct tcp_liveness keepalive = {
        .keepalive = true, .idle_s = 1, .interval_s = 1, .count = 5, .user_timeout_ms = 2500};

    (void)state;
    assert_int_equal(judge_promise(LAB_AT_ONCE, &limits, &none, 0, RTO_NS), 0);
    assert_int_equal(judge_promise(LAB_NEVER, &limits, &none, 0, RTO_NS), -1);
    assert_int_equal(judge_promise(LAB_FIRST_PROBE, &limits, &none, 0, RTO_NS), 204 * NS_PER_MS);
    assert_int_equal(judge_promise(LAB_FIN_TIMEOUT, &limits, &none, 0, RTO_NS), 2 * NS_PER_S);
    assert_int_equal(judge_promise(LAB_FIN_TIMEOUT, &tcp_limits_default, &none, 0, RTO_NS),
                     60 * NS_PER_S);
    assert_int_equal(judge_promise(LAB_DEFER_ACCEPT, &limits, &none, 2, RTO_NS), 3 * NS_PER_S);
    assert_int_equal(judge_promise(LAB_TIME_WAIT, &limits, &none, 0, RTO_NS), 60 * NS_PER_S);
    assert_int_equal(judge_promise(LAB_GIVE_UP_IDLE, &limits, &none, 0, RTO_NS), -1);
    assert_int_equal(judge_promise(LAB_GIVE_UP_IDLE, &limits, &keepalive, 0, RTO_NS), 3 * NS_PER_S);
    assert_int_equal(judge_promise(LAB_GIVE_UP_CONNECTING, &limits, &none, 0, RTO_NS),
                     2 * NS_PER_S);
    /* Its own rules: tests of tcp/timeout.h. */
    assert_int_equal(judge_promise(LAB_GIVE_UP_SENDING, &limits, &none, 0, RTO_NS),
                     tcp_timeout_sending(&limits, &none, RTO_NS));
    assert_int_equal(judge_promise(LAB_GIVE_UP_SENDING, &limits, &keepalive, 0, RTO_NS),
                     tcp_timeout_sending(&limits, &keepalive, RTO_NS));
    assert_int_equal(judge_promise(LAB_GIVE_UP_UNREACHABLE, &limits, &none, 0, RTO_NS),
                     tcp_timeout_unreachable(&limits, RTO_NS));
    assert_int_equal(judge_promise(LAB_GIVE_UP_PROBING, &limits, &none, 0, RTO_NS),
                     tcp_timeout_probing(&limits, RTO_NS));
    /* They are not the same. */
    assert_true(tcp_timeout_sending(&limits, &none, RTO_NS) !=
                tcp_timeout_unreachable(&limits, RTO_NS));
    assert_true(tcp_timeout_probing(&limits, RTO_NS) != tcp_timeout_unreachable(&limits, RTO_NS));
}

static void each_name_is_a_word_and_found(void **state) {
    size_t count = 0;

    (void)state;
    for (; scenario_at(count); count++) {
        const char *name = lab_scenario(count)->name;

        assert_non_null(name);
        if (!*name || name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-")])
            fail_msg("\"%s\" is no name", name);
        /* Where there are two, the first is found. */
        if (lab_find(name) != lab_scenario(count))
            fail_msg("%s is there twice", name);
    }
    assert_true(count > 0);
    assert_null(lab_scenario(count + 1));
    assert_null(lab_find(""));
    assert_null(lab_find("host-cras"));
    assert_null(lab_find("host-crashes"));
}

static void each_scenario_is_explained(void **state) {
    (void)state;
    for (size_t i = 0; lab_scenario(i); i++) {
        const struct lab_scenario *shown = lab_scenario(i);

        if (!shown->sentence || !*shown->sentence || !shown->why || !*shown->why ||
            !shown->advice || !*shown->advice)
            fail_msg("%s is not explained", shown->name);
    }
}

static void each_scenario_has_an_end(void **state) {
    (void)state;
    for (size_t i = 0; scenario_at(i); i++) {
        const struct scenario *scenario = scenario_at(i);
        size_t steps = 0;

        while (steps < SCENARIO_STEPS_MAX && scenario->steps[steps].action != STEP_END)
            steps++;
        if (steps == 0 || steps == SCENARIO_STEPS_MAX)
            fail_msg("%s: %zu steps", scenario->shown.name, steps);
        for (size_t step = 0; step < steps; step++)
            assert_true(scenario->steps[step].host < LAB_ROUTER);
        for (int host = LAB_CLIENT; host <= LAB_SERVER; host++) {
            const size_t states = count_states(scenario->states[host]);

            /* What is observed has room for the handshake, and for one that is too much. */
            if (states + 2 > LAB_STATES_MAX)
                fail_msg("%s: %zu states", scenario->shown.name, states);
            for (size_t at = states; at < LAB_STATES_MAX; at++)
                assert_int_equal(scenario->states[host][at].mask, 0);
        }
    }
}

static void what_is_told_agrees_with_itself(void **state) {
    (void)state;
    for (size_t i = 0; scenario_at(i); i++) {
        const struct scenario *scenario = scenario_at(i);
        const struct lab_told *told = &scenario->told;

        assert_true(scenario->teller < LAB_ROUTER && scenario->sender < LAB_ROUTER);
        if (scenario->tells != (told->cause != TCP_ENDING_UNKNOWN) ||
            scenario->tells != (*told->syscall != '\0') ||
            (told->error && tcp_ending_of_errno(told->error) != told->cause))
            fail_msg("%s", scenario->shown.name);
    }
}

static void each_setting_that_decides_is_known(void **state) {
    struct settings settings;

    (void)state;
    /* What this kernel does not have is known all the same. */
    for (size_t i = 0; i < SETTINGS_MAX; i++)
        settings.values[i] = 4711;
    for (size_t i = 0; lab_scenario(i); i++)
        if (lab_scenario(i)->setting && settings_get(&settings, lab_scenario(i)->setting) != 4711)
            fail_msg("%s is not known", lab_scenario(i)->setting);
    assert_int_equal(settings_get(&settings, "tcp_retries3"), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_as_expected_passes),
        cmocka_unit_test(what_is_in_passing_may_be_missing),
        cmocka_unit_test(a_missing_state_fails),
        cmocka_unit_test(a_state_that_is_not_expected_fails),
        cmocka_unit_test(a_state_that_is_seen_twice_fails),
        cmocka_unit_test(states_in_another_order_fail),
        cmocka_unit_test(the_handshake_counts_only_where_it_is_expected),
        cmocka_unit_test(the_handshake_is_at_the_beginning),
        cmocka_unit_test(another_error_fails),
        cmocka_unit_test(another_call_fails),
        cmocka_unit_test(another_cause_fails),
        cmocka_unit_test(who_is_told_and_should_not_be_fails_and_the_reverse),
        cmocka_unit_test(a_time_may_be_wrong_by_the_timeout_or_a_tenth),
        cmocka_unit_test(a_time_that_is_quite_wrong_fails),
        cmocka_unit_test(the_first_failure_counts),
        cmocka_unit_test(states_are_added_with_those_that_were_skipped),
        cmocka_unit_test(a_skipped_state_of_several_is_the_expected_one),
        cmocka_unit_test(more_states_than_there_is_room_for_are_left_out),
        cmocka_unit_test(a_promise_is_the_arithmetic_of_tcp),
        cmocka_unit_test(each_name_is_a_word_and_found),
        cmocka_unit_test(each_scenario_is_explained),
        cmocka_unit_test(each_scenario_has_an_end),
        cmocka_unit_test(what_is_told_agrees_with_itself),
        cmocka_unit_test(each_setting_that_decides_is_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
