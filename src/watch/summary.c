/* SPDX-License-Identifier: MIT */
#include "watch/summary.h"

static void note_stay(struct summary *summary, enum tcp_state state,
                      const struct connection *connection, int64_t ns, bool at_least) {
    if (state == TCP_STATE_LISTEN || ns <= summary->longest[state].ns)
        return;
    summary->longest[state] = (struct stay){
        .ns = ns,
        .at_least = at_least,
        .local = connection->local,
        .remote = connection->remote,
        .local_port = connection->local_port,
        .remote_port = connection->remote_port,
        .inet6 = connection->inet6,
        .ifindex = connection->ifindex,
        .netns = connection->netns,
    };
}

void summary_add(struct summary *summary, const struct event *event, bool first) {
    summary->connections +=
        first && event->to != TCP_STATE_LISTEN && event->from != TCP_STATE_LISTEN;
    switch (event->kind) {
    case EVENT_TRANSITION:
        summary->transitions++;
        note_stay(summary, event->from, event->connection, event->dwell_ns, event->dwell_at_least);
        break;
    case EVENT_CLOSED:
        summary->ended[event->cause]++;
        break;
    case EVENT_LOST:
        summary->lost += event->count;
        break;
    case EVENT_APPEARED:
    case EVENT_STUCK:
    case EVENT_HELD:
        break;
    }
}

void summary_add_standing(struct summary *summary, const struct connection *connection) {
    const uint32_t not_open = TCP_STATE_BIT(TCP_STATE_LISTEN) | TCP_STATE_BIT(TCP_STATE_TIME_WAIT);

    if (connection->state == TCP_STATE_CLOSE)
        return;
    summary->open += !(not_open & TCP_STATE_BIT(connection->state));
    note_stay(summary, connection->state, connection, summary->ended_ns - connection->since_ns,
              true);
}
