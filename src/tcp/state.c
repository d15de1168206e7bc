/* SPDX-License-Identifier: MIT */
#include "tcp/state.h"

#include <ctype.h>
#include <string.h>

#define BIT(name) TCP_STATE_BIT(TCP_STATE_##name)

/* One row a state. `rank` counts the steps from the first SYN: where every way between two states
 * passes a rank, that step was taken, seen or not. */
static const struct {
    const char *name;
    uint32_t next; /* the states that may follow in one step, besides CLOSE */
    int rank;
    int trouble;
} states[TCP_STATE_COUNT] = {
    [TCP_STATE_UNKNOWN] = {"UNKNOWN", 0, 0, 12},
    [TCP_STATE_SYN_SENT] = {"SYN_SENT", BIT(ESTABLISHED) | BIT(SYN_RECV), 0, 4},
    [TCP_STATE_SYN_RECV] = {"SYN_RECV", BIT(ESTABLISHED) | BIT(FIN_WAIT1), 0, 5},
    [TCP_STATE_NEW_SYN_RECV] = {"NEW_SYN_RECV", BIT(SYN_RECV) | BIT(ESTABLISHED), 0, 6},
    [TCP_STATE_ESTABLISHED] = {"ESTABLISHED", BIT(FIN_WAIT1) | BIT(CLOSE_WAIT), 1, 8},
    [TCP_STATE_FIN_WAIT1] = {"FIN_WAIT1", BIT(FIN_WAIT2) | BIT(CLOSING), 2, 1},
    [TCP_STATE_FIN_WAIT2] = {"FIN_WAIT2", BIT(TIME_WAIT), 3, 7},
    [TCP_STATE_CLOSING] = {"CLOSING", BIT(TIME_WAIT), 3, 2},
    [TCP_STATE_TIME_WAIT] = {"TIME_WAIT", 0, 4, 10},
    [TCP_STATE_CLOSE_WAIT] = {"CLOSE_WAIT", BIT(LAST_ACK), 2, 0},
    [TCP_STATE_LAST_ACK] = {"LAST_ACK", 0, 3, 3},
    [TCP_STATE_LISTEN] = {"LISTEN", 0, 0, 9},
    [TCP_STATE_BOUND_INACTIVE] = {"BOUND_INACTIVE", BIT(LISTEN) | BIT(SYN_SENT), 0, 11},
    [TCP_STATE_CLOSE] = {"CLOSE", BIT(LISTEN) | BIT(SYN_SENT) | BIT(BOUND_INACTIVE), 5, 11},
};

const char *tcp_state_name(enum tcp_state state) {
    return states[state < TCP_STATE_COUNT ? state : TCP_STATE_UNKNOWN].name;
}

/* Compares without case, '-' and '_'. */
static bool same_name(const char *name, size_t len, const char *known) {
    size_t i = 0;

    for (;;) {
        while (i < len && (name[i] == '-' || name[i] == '_'))
            i++;
        while (*known == '_')
            known++;
        if (i == len || *known == '\0')
            return i == len && *known == '\0';
        if (toupper((unsigned char)name[i]) != *known)
            return false;
        i++;
        known++;
    }
}

enum tcp_state tcp_state_parse(const char *name, size_t len) {
    static const struct {
        const char *name;
        enum tcp_state state;
    } also[] = {
        {"ESTAB", TCP_STATE_ESTABLISHED},     {"SYN_RCVD", TCP_STATE_SYN_RECV},
        {"SYN_RECEIVED", TCP_STATE_SYN_RECV}, {"LISTENING", TCP_STATE_LISTEN},
        {"CLOSED", TCP_STATE_CLOSE},
    };

    for (size_t state = TCP_STATE_ESTABLISHED; state < TCP_STATE_COUNT; state++)
        if (same_name(name, len, states[state].name))
            return (enum tcp_state)state;
    for (size_t i = 0; i < sizeof(also) / sizeof(also[0]); i++)
        if (same_name(name, len, also[i].name))
            return also[i].state;
    return TCP_STATE_UNKNOWN;
}

bool tcp_state_follows(enum tcp_state from, enum tcp_state to) {
    if (from >= TCP_STATE_COUNT || to >= TCP_STATE_COUNT || from == to)
        return false;
    return to == TCP_STATE_CLOSE || (states[from].next & TCP_STATE_BIT(to));
}

/* All states on a way from `from` to anywhere that leads through none of `never`; `from` itself
 * left out, CLOSE never passed. */
static uint32_t reachable(enum tcp_state from, uint32_t never) {
    uint32_t seen = states[from].next & ~never;

    for (size_t pass = 0; pass < TCP_STATE_COUNT; pass++)
        for (size_t state = 1; state < TCP_STATE_COUNT; state++)
            if (seen & TCP_STATE_BIT(state))
                seen |= states[state].next & ~never;
    return seen;
}

/* The steps on every way that leads through none of `never`; CLOSE is reached from the last. */
static size_t steps_between(enum tcp_state from, enum tcp_state to, uint32_t never,
                            uint32_t steps[TCP_SKIPPED_MAX]) {
    size_t count = 0;

    for (int rank = states[from].rank + 1; rank < states[to].rank; rank++) {
        uint32_t mask = 0;

        for (size_t state = 1; state < TCP_STATE_COUNT; state++)
            if (states[state].rank == rank && (reachable(from, never) & TCP_STATE_BIT(state)) &&
                (to == TCP_STATE_CLOSE ||
                 (reachable((enum tcp_state)state, never) & TCP_STATE_BIT(to))))
                mask |= TCP_STATE_BIT(state);
        if (mask && count < TCP_SKIPPED_MAX)
            steps[count++] = mask;
    }
    return count;
}

size_t tcp_state_skipped(enum tcp_state from, enum tcp_state to, uint32_t steps[TCP_SKIPPED_MAX]) {
    if (from >= TCP_STATE_COUNT || to >= TCP_STATE_COUNT || tcp_state_follows(from, to))
        return 0;
    return steps_between(from, to, 0, steps);
}

size_t tcp_state_skipped_by_fin(enum tcp_state from, enum tcp_state to, bool this_side_first,
                                uint32_t steps[TCP_SKIPPED_MAX]) {
    const uint32_t first = BIT(FIN_WAIT1) | BIT(FIN_WAIT2) | BIT(TIME_WAIT),
                   last = BIT(CLOSE_WAIT) | BIT(LAST_ACK);

    if (from >= TCP_STATE_COUNT || to >= TCP_STATE_COUNT)
        return 0;
    return steps_between(from, to, BIT(CLOSING) | (this_side_first ? last : first), steps);
}

bool tcp_state_stood(enum tcp_state state) {
    return state < TCP_STATE_COUNT && state != TCP_STATE_CLOSE && states[state].rank > 0;
}

int tcp_state_trouble(enum tcp_state state) {
    return states[state < TCP_STATE_COUNT ? state : TCP_STATE_UNKNOWN].trouble;
}
