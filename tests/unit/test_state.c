/* SPDX-License-Identifier: MIT */
#include "tcp/state.h"

#include "unit.h"

static void names_in_any_spelling_are_one_state(void **state) {
    static const char *const spellings[] = {"FIN_WAIT2", "fin-wait-2", "FinWait2", "finwait2"};
    static const struct {
        const char *name;
        enum tcp_state state;
    } others[] = {
        {"ESTAB", TCP_STATE_ESTABLISHED},    {"SYN-RCVD", TCP_STATE_SYN_RECV},
        {"SynReceived", TCP_STATE_SYN_RECV}, {"listening", TCP_STATE_LISTEN},
        {"closed", TCP_STATE_CLOSE},         {"new_syn_recv", TCP_STATE_NEW_SYN_RECV},
        {"FIN_WAIT", TCP_STATE_UNKNOWN},     {"FIN_WAIT22", TCP_STATE_UNKNOWN},
        {"FIN_WAIT2 ", TCP_STATE_UNKNOWN},   {"FIN WAIT2", TCP_STATE_UNKNOWN},
        {"UNKNOWN", TCP_STATE_UNKNOWN},      {"", TCP_STATE_UNKNOWN},
        {"-_-", TCP_STATE_UNKNOWN},          {"5", TCP_STATE_UNKNOWN},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(spellings); i++)
        assert_int_equal(tcp_state_parse(spellings[i], strlen(spellings[i])), TCP_STATE_FIN_WAIT2);
    for (size_t i = 0; i < COUNT(others); i++)
        if (tcp_state_parse(others[i].name, strlen(others[i].name)) != others[i].state)
            fail_msg("\"%s\"", others[i].name);
    /* So many bytes, whatever follows. */
    assert_int_equal(tcp_state_parse("CLOSE_WAIT", 5), TCP_STATE_CLOSE);
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
        {TCP_STATE_CLOSE_WAIT, TCP_STATE_TIME_WAIT, 0, {0}},
        {TCP_STATE_SYN_RECV, TCP_STATE_FIN_WAIT1, 0, {0}},
        {TCP_STATE_SYN_SENT,
         TCP_STATE_LAST_ACK,
         2,
         {TCP_STATE_BIT(TCP_STATE_ESTABLISHED), TCP_STATE_BIT(TCP_STATE_CLOSE_WAIT)}},
        {TCP_STATE_COUNT, TCP_STATE_CLOSE, 0, {0}},
        {TCP_STATE_ESTABLISHED, (enum tcp_state)200, 0, {0}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint32_t steps[TCP_SKIPPED_MAX] = {0};

        assert_int_equal(tcp_state_skipped(rows[i].from, rows[i].to, steps), rows[i].count);
        assert_memory_equal(steps, rows[i].steps, sizeof(steps));
    }
}

static void skipped_states_are_on_the_way_of_the_side(void **state) {
    static const struct {
        enum tcp_state from, to;
        bool first;
        size_t count;
        uint32_t steps[TCP_SKIPPED_MAX];
    } rows[] = {
        {TCP_STATE_ESTABLISHED,
         TCP_STATE_TIME_WAIT,
         true,
         2,
         {TCP_STATE_BIT(TCP_STATE_FIN_WAIT1), TCP_STATE_BIT(TCP_STATE_FIN_WAIT2)}},
        {TCP_STATE_FIN_WAIT1, TCP_STATE_TIME_WAIT, true, 1, {TCP_STATE_BIT(TCP_STATE_FIN_WAIT2)}},
        {TCP_STATE_FIN_WAIT2, TCP_STATE_TIME_WAIT, true, 0, {0}},
        {TCP_STATE_ESTABLISHED,
         TCP_STATE_CLOSE,
         false,
         2,
         {TCP_STATE_BIT(TCP_STATE_CLOSE_WAIT), TCP_STATE_BIT(TCP_STATE_LAST_ACK)}},
        {TCP_STATE_CLOSE_WAIT, TCP_STATE_CLOSE, false, 1, {TCP_STATE_BIT(TCP_STATE_LAST_ACK)}},
        {TCP_STATE_LAST_ACK, TCP_STATE_CLOSE, false, 0, {0}},
        {TCP_STATE_SYN_RECV,
         TCP_STATE_CLOSE,
         false,
         3,
         {TCP_STATE_BIT(TCP_STATE_ESTABLISHED), TCP_STATE_BIT(TCP_STATE_CLOSE_WAIT),
          TCP_STATE_BIT(TCP_STATE_LAST_ACK)}},
        {TCP_STATE_SYN_SENT,
         TCP_STATE_CLOSE,
         true,
         4,
         {TCP_STATE_BIT(TCP_STATE_ESTABLISHED), TCP_STATE_BIT(TCP_STATE_FIN_WAIT1),
          TCP_STATE_BIT(TCP_STATE_FIN_WAIT2), TCP_STATE_BIT(TCP_STATE_TIME_WAIT)}},
        {TCP_STATE_COUNT, TCP_STATE_CLOSE, true, 0, {0}},
        {TCP_STATE_ESTABLISHED, (enum tcp_state)200, true, 0, {0}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint32_t steps[TCP_SKIPPED_MAX] = {0};

        assert_int_equal(tcp_state_skipped_by_fin(rows[i].from, rows[i].to, rows[i].first, steps),
                         rows[i].count);
        assert_memory_equal(steps, rows[i].steps, sizeof(steps));
    }
}

/* Whatever was seen first and next: no step is empty, and none is one of the two ends. */
static void steps_between_any_two_states_make_sense(void **state) {
    (void)state;
    for (int from = 0; from < TCP_STATE_COUNT; from++)
        for (int to = 0; to < TCP_STATE_COUNT; to++) {
            uint32_t steps[TCP_SKIPPED_MAX];
            const size_t count = tcp_state_skipped((enum tcp_state)from, (enum tcp_state)to, steps);

            assert_in_range(count, 0, TCP_SKIPPED_MAX);
            for (size_t i = 0; i < count; i++)
                if (steps[i] == 0 || (steps[i] & ~TCP_STATES_ALL) ||
                    (steps[i] & (TCP_STATE_BIT(from) | TCP_STATE_BIT(to))))
                    fail_msg("%s to %s", tcp_state_name((enum tcp_state)from),
                             tcp_state_name((enum tcp_state)to));
        }
}

static void what_needs_attention_sorts_first(void **state) {
    static const enum tcp_state order[] = {TCP_STATE_CLOSE_WAIT, TCP_STATE_FIN_WAIT1,
                                           TCP_STATE_ESTABLISHED, TCP_STATE_LISTEN,
                                           TCP_STATE_TIME_WAIT};

    (void)state;
    for (size_t i = 1; i < COUNT(order); i++)
        assert_true(tcp_state_trouble(order[i - 1]) < tcp_state_trouble(order[i]));
    assert_int_equal(tcp_state_trouble((enum tcp_state)200), tcp_state_trouble(TCP_STATE_UNKNOWN));
}

static void legal_transitions(void **state) {
    (void)state;
    assert_true(tcp_state_follows(TCP_STATE_ESTABLISHED, TCP_STATE_CLOSE_WAIT));
    assert_true(tcp_state_follows(TCP_STATE_CLOSE_WAIT, TCP_STATE_CLOSE));
    assert_false(tcp_state_follows(TCP_STATE_CLOSE_WAIT, TCP_STATE_ESTABLISHED));
    assert_false(tcp_state_follows(TCP_STATE_ESTABLISHED, TCP_STATE_TIME_WAIT));
    assert_false(tcp_state_follows(TCP_STATE_ESTABLISHED, TCP_STATE_ESTABLISHED));
    assert_false(tcp_state_follows((enum tcp_state)200, TCP_STATE_CLOSE));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_in_any_spelling_are_one_state),
        cmocka_unit_test(every_name_reads_back),
        cmocka_unit_test(skipped_states_are_those_on_every_way),
        cmocka_unit_test(skipped_states_are_on_the_way_of_the_side),
        cmocka_unit_test(steps_between_any_two_states_make_sense),
        cmocka_unit_test(what_needs_attention_sorts_first),
        cmocka_unit_test(legal_transitions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
