/* SPDX-License-Identifier: MIT */
#include "tcp/state.h"

#include "unit.h"

static void names_in_any_spelling_are_one_state(void **state) {
    static const char *const spellings[] = {"FIN_WAIT2", "fin-wait-2", "FinWait2", "finwait2"};

    (void)state;
    for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++)
        assert_int_equal(tcp_state_parse(spellings[i], strlen(spellings[i])), TCP_STATE_FIN_WAIT2);
    assert_int_equal(tcp_state_parse("FIN_WAIT", 8), TCP_STATE_UNKNOWN);
    assert_int_equal(tcp_state_parse("FIN_WAIT22", 10), TCP_STATE_UNKNOWN);
    assert_int_equal(tcp_state_parse("", 0), TCP_STATE_UNKNOWN);
}

static void every_name_reads_back(void **state) {
    (void)state;
    for (int i = TCP_STATE_ESTABLISHED; i < TCP_STATE_COUNT; i++) {
        const char *name = tcp_state_name((enum tcp_state)i);

        assert_int_equal(tcp_state_parse(name, strlen(name)), i);
    }
    assert_string_equal(tcp_state_name((enum tcp_state)99), "UNKNOWN");
}

static void skipped_states_are_those_on_every_way(void **state) {
    static const struct {
        enum tcp_state from, to;
        size_t count;
        uint32_t steps[TCP_SKIPPED_MAX];
    } rows[] = {
        {TCP_STATE_ESTABLISHED,
         TCP_STATE_TIME_WAIT,
         2,
         {TCP_STATE_BIT(TCP_STATE_FIN_WAIT1),
          TCP_STATE_BIT(TCP_STATE_FIN_WAIT2) | TCP_STATE_BIT(TCP_STATE_CLOSING)}},
        {TCP_STATE_ESTABLISHED, TCP_STATE_FIN_WAIT2, 1, {TCP_STATE_BIT(TCP_STATE_FIN_WAIT1)}},
        {TCP_STATE_ESTABLISHED, TCP_STATE_LAST_ACK, 1, {TCP_STATE_BIT(TCP_STATE_CLOSE_WAIT)}},
        {TCP_STATE_SYN_SENT, TCP_STATE_CLOSE_WAIT, 1, {TCP_STATE_BIT(TCP_STATE_ESTABLISHED)}},
        {TCP_STATE_ESTABLISHED, TCP_STATE_CLOSE, 0, {0}},
        {TCP_STATE_FIN_WAIT1, TCP_STATE_FIN_WAIT2, 0, {0}},
        {TCP_STATE_TIME_WAIT, TCP_STATE_ESTABLISHED, 0, {0}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint32_t steps[TCP_SKIPPED_MAX] = {0};

        assert_int_equal(tcp_state_skipped(rows[i].from, rows[i].to, steps), rows[i].count);
        assert_memory_equal(steps, rows[i].steps, sizeof(steps));
    }
}

static void legal_transitions(void **state) {
    (void)state;
    assert_true(tcp_state_follows(TCP_STATE_ESTABLISHED, TCP_STATE_CLOSE_WAIT));
    assert_true(tcp_state_follows(TCP_STATE_CLOSE_WAIT, TCP_STATE_CLOSE));
    assert_false(tcp_state_follows(TCP_STATE_CLOSE_WAIT, TCP_STATE_ESTABLISHED));
    assert_false(tcp_state_follows(TCP_STATE_ESTABLISHED, TCP_STATE_TIME_WAIT));
    assert_false(tcp_state_follows(TCP_STATE_ESTABLISHED, TCP_STATE_ESTABLISHED));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_in_any_spelling_are_one_state),
        cmocka_unit_test(every_name_reads_back),
        cmocka_unit_test(skipped_states_are_those_on_every_way),
        cmocka_unit_test(legal_transitions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
