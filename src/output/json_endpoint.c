/* SPDX-License-Identifier: MIT */
#include "output/json.h"

#include "output/object.h"
#include "units/duration.h"

#include <signal.h>

static void set_ms(json_t *object, const char *key, int64_t ns) {
    object_set_known(object, key, ns < 0 ? -1 : ns / NS_PER_MS);
}

static void set_liveness(json_t *object, const struct tcp_liveness *liveness) {
    json_t *keepalive = json_false();

    if (liveness->keepalive) {
        keepalive = json_object();
        object_set_number(keepalive, "idle_s", liveness->idle_s);
        object_set_number(keepalive, "interval_s", liveness->interval_s);
        object_set_number(keepalive, "count", liveness->count);
    }
    object_set(object, "keepalive", keepalive);
    if (liveness->user_timeout_ms)
        object_set_number(object, "user_timeout_ms", liveness->user_timeout_ms);
}

/* null: never. */
static json_t *noticed(int64_t ns) {
    return ns < 0 ? json_null() : json_integer(ns / NS_PER_MS);
}

static void set_if_peer_vanishes(json_t *object, const struct endpoint_event *event) {
    json_t *vanishes = json_object();

    object_set(vanishes, "idle_ms", noticed(endpoint_noticed_idle(event)));
    object_set(vanishes, "sending_ms", noticed(endpoint_noticed_sending(event)));
    if (event->kind == ENDPOINT_OPTIONS)
        object_set(vanishes, "connecting_ms", noticed(endpoint_noticed_connecting(event)));
    object_set(object, "if_peer_vanishes", vanishes);
}

static void set_ending(json_t *object, const struct endpoint_event *event) {
    if (event->cause != TCP_ENDING_UNKNOWN)
        object_set_text(object, "cause", tcp_ending_name(event->cause));
    if (event->error && tcp_errno_name(event->error))
        object_set_text(object, "error", tcp_errno_name(event->error));
    if (event->syscall)
        object_set_text(object, "syscall", event->syscall);
    if (event->detail)
        object_set_text(object, "detail", event->detail);
    if (event->router)
        object_set_text(object, "router", event->router);
    set_ms(object, "after_ms", event->after_ns);
    set_ms(object, "noticed_ms", event->noticed_ns);
    set_ms(object, "fin_unseen_ms", event->fin_unseen_ns);
    object_set_known(object, "bytes_sent", event->sent);
    object_set_known(object, "bytes_received", event->received);
    if (event->reset_sent)
        object_set(object, "reset_sent", json_true());
    if (event->not_read)
        object_set_number(object, "not_read", event->not_read);
}

static void set_shutdown(json_t *object, const struct endpoint_event *event) {
    if (event->signal)
        object_set_text(object, "signal", event->signal == SIGTERM ? "SIGTERM" : "SIGINT");
    object_set_number(object, "open", event->open);
    object_set_number(object, "accepted", event->accepted);
    set_ms(object, "duration_ms", event->after_ns);
    object_set_number(object, "bytes_sent", event->sent);
    object_set_number(object, "bytes_received", event->received);
}

void json_endpoint(struct output *output, const struct endpoint_event *event) {
    static const char *const names[] = {
        [ENDPOINT_LISTENING] = "listening", [ENDPOINT_ACCEPTED] = "accepted",
        [ENDPOINT_PAUSED] = "paused",       [ENDPOINT_OPTIONS] = "options",
        [ENDPOINT_ATTEMPT] = "attempt",     [ENDPOINT_CONNECTED] = "connected",
        [ENDPOINT_STAYING] = "staying",     [ENDPOINT_CLOSED] = "closed",
        [ENDPOINT_SHUTDOWN] = "shutdown",
    };
    const struct owner owner = {.pid = (uint32_t)event->pid, .name = "tcpwatch"};
    json_t *object = object_begin(names[event->kind], event->at_ns);

    if (event->socket)
        object_set_socket(output, object, event->socket, &owner);
    if (event->liveness) {
        set_liveness(object, event->liveness);
        set_if_peer_vanishes(object, event);
    }
    switch (event->kind) {
    case ENDPOINT_OPTIONS:
        if (event->connect_timeout_ns)
            set_ms(object, "connect_timeout_ms", event->connect_timeout_ns);
        if (event->read_timeout_ns)
            set_ms(object, "read_timeout_ms", event->read_timeout_ns);
        break;
    case ENDPOINT_PAUSED:
        if (event->error && tcp_errno_name(event->error))
            object_set_text(object, "error", tcp_errno_name(event->error));
        object_set_number(object, "open", event->open);
        break;
    case ENDPOINT_ATTEMPT:
    case ENDPOINT_STAYING:
    case ENDPOINT_CLOSED:
        set_ending(object, event);
        break;
    case ENDPOINT_SHUTDOWN:
        set_shutdown(object, event);
        break;
    case ENDPOINT_LISTENING:
    case ENDPOINT_ACCEPTED:
    case ENDPOINT_CONNECTED:
        break;
    }
    object_end(output, object);
}
