/* SPDX-License-Identifier: MIT
 *
 * The account of a watch: fed with the events that were shown, and with the ends of connections of
 * which one was.
 */
#ifndef TCPWATCH_WATCH_SUMMARY_H
#define TCPWATCH_WATCH_SUMMARY_H

#include "watch/event.h"

struct stay {
    int64_t ns;    /* 0: no stay in this state was seen */
    bool at_least; /* it began before the watch, or goes on */
    bool approximate;
    struct address local, remote;
    uint16_t local_port, remote_port;
    uint8_t inet6;
    uint32_t ifindex, netns;
};

struct summary {
    int64_t began_ns, ended_ns;
    uint64_t connections; /* listeners are none */
    uint64_t transitions;
    uint64_t ended[CAUSE_COUNT]; /* by cause */
    uint64_t open;               /* at the end of the watch, TIME_WAIT not counted */
    uint64_t lost;               /* connections whose end was not seen */
    uint64_t gaps; /* how often something was not seen that cannot be counted in connections */
    struct stay longest[TCP_STATE_COUNT];
};

/* `first`: no event of this connection was added before. */
void summary_add(struct summary *summary, const struct event *event, bool first);

/* A connection that still stands when the watch ends. */
void summary_add_standing(struct summary *summary, const struct connection *connection);

#endif
