/* SPDX-License-Identifier: MIT */
#include "endpoint/event.h"

/* Of a time that TCP takes (-1: for ever) and this program's own (0: none). */
static int64_t sooner(int64_t tcp_ns, int64_t own_ns) {
    return own_ns && (tcp_ns < 0 || own_ns < tcp_ns) ? own_ns : tcp_ns;
}

int64_t endpoint_noticed_idle(const struct endpoint_event *event) {
    return sooner(tcp_timeout_idle(event->liveness), event->idle_timeout_ns);
}

int64_t endpoint_noticed_sending(const struct endpoint_event *event) {
    const int64_t tcp_ns = tcp_timeout_sending(event->limits, event->liveness, event->rto_ns);

    return sooner(sooner(tcp_ns, event->read_timeout_ns), event->idle_timeout_ns);
}

int64_t endpoint_noticed_connecting(const struct endpoint_event *event) {
    return sooner(tcp_timeout_connecting(event->limits, event->liveness),
                  event->connect_timeout_ns);
}
