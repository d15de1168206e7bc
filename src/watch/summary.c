/* SPDX-License-Identifier: MIT */
#include "watch/summary.h"

static void note_stay(struct summary *summary, enum tcp_state state,
                      const struct connection *connection, const struct stay *stay) {
    if (state == TCP_STATE_LISTEN || stay->ns <= summary->longest[state].ns)
        return;
    summary->longest[state] = (struct stay){
        .ns = stay->ns,
        .at_least = stay->at_least,
        .approximate = stay->approximate,
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
        note_stay(summary, event->from, event->connection,
                  &(struct stay){.ns = event->dwell_ns,
                                 .at_least = event->dwell_at_least,
                                 .approximate = event->dwell_approximate});
        break;
    case EVENT_CLOSED:
        summary->ended[event->cause]++;
        break;
    case EVENT_LOST:
        summary->lost += event->count;
        summary->gaps += event->count == 0;
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
    note_stay(summary, connection->state, connection,
              &(struct stay){.ns = summary->ended_ns - connection->since_ns,
                             .at_least = true,
                             .approximate = connection_since_about(connection)});
}
