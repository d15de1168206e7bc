/* SPDX-License-Identifier: MIT */
#include "output/json.h"

#include "output/object.h"
#include "units/clock.h"
#include "units/duration.h"

static void set_event_connection(const struct output *output, json_t *object,
                                 const struct event *event) {
    const struct connection *connection = event->connection;
    const struct identity identity = {
        .inet6 = connection->inet6,
        .local = &connection->local,
        .remote = &connection->remote,
        .local_port = connection->local_port,
        .remote_port = connection->remote_port,
        .ifindex = connection->ifindex,
        .netns = connection->netns,
        .inode = connection->inode,
        .uid = connection->uid,
        .state = event->to,
        .cookie = connection->cookie,
        /* An orphan's last owner does not own it any more, but has made it one. */
        .owner = connection->inode || event->acted ? &connection->owner : &(const struct owner){0},
    };

    object_set_connection(output, object, &identity);
    if (event->former_cookie)
        object_set_cookie(object, "former_cookie", event->former_cookie);
}

static json_t *timer_object(const struct socket *socket) {
    static const char *const kinds[] = {
        [SOCKET_TIMER_RETRANSMIT] = "retransmit",
        [SOCKET_TIMER_KEEPALIVE] = "keepalive",
        [SOCKET_TIMER_TIME_WAIT] = "timewait",
        [SOCKET_TIMER_PROBE] = "probe",
    };
    json_t *object;

    if (socket->timer == SOCKET_TIMER_NONE || socket->timer >= sizeof(kinds) / sizeof(kinds[0]))
        return NULL;
    object = json_object();
    object_set_text(object, "kind", kinds[socket->timer]);
    object_set_number(object, "expires_ms", socket->timer_ms);
    return object;
}

static void set_timer(json_t *object, const struct socket *socket) {
    json_t *timer = socket ? timer_object(socket) : NULL;

    if (timer)
        object_set(object, "timer", timer);
}

static const char *cause_name(enum cause cause) {
    static const char *const names[CAUSE_COUNT] = {
        [CAUSE_UNKNOWN] = "unknown",
        [CAUSE_FIN] = "fin",
        [CAUSE_RESET] = "reset",
        [CAUSE_TIMED_OUT] = "timed-out",
        [CAUSE_REFUSED] = "refused",
        [CAUSE_HOST_UNREACHABLE] = "host-unreachable",
        [CAUSE_NETWORK_UNREACHABLE] = "network-unreachable",
        [CAUSE_ABORTED] = "aborted",
        [CAUSE_DESTROYED] = "destroyed",
    };

    return names[cause];
}

static void set_dwell(json_t *object, const struct event *event) {
    object_set_number(object, "dwell_ms", event->dwell_ns / NS_PER_MS);
    if (event->dwell_at_least)
        object_set(object, "dwell_at_least", json_true());
    if (event->dwell_approximate)
        object_set(object, "dwell_approximate", json_true());
}

static void set_closed(json_t *object, const struct event *event) {
    const struct totals *totals = &event->totals;

    if (event->cause != CAUSE_UNKNOWN)
        object_set_text(object, "cause", cause_name(event->cause));
    if (event->closed_first != SIDE_UNKNOWN)
        object_set_text(object, "closed_first",
                        event->closed_first == SIDE_LOCAL ? "local" : "remote");
    if (event->error && tcp_errno_name(event->error))
        object_set_text(object, "error", tcp_errno_name(event->error));
    object_set_known(object, "lifetime_ms",
                     event->lifetime_ns < 0 ? -1 : event->lifetime_ns / NS_PER_MS);
    if (event->lifetime_ns >= 0 && event->lifetime_approximate)
        object_set(object, "lifetime_approximate", json_true());
    object_set_known(object, "bytes_sent", totals->bytes_sent);
    object_set_known(object, "bytes_received", totals->bytes_received);
    object_set_known(object, "segments_sent", totals->segs_out);
    object_set_known(object, "segments_received", totals->segs_in);
    object_set_known(object, "retransmits", totals->retransmits);
}

void json_event(struct output *output, const struct event *event) {
    static const char *const names[] = {
        [EVENT_APPEARED] = "appeared", [EVENT_TRANSITION] = "transition",
        [EVENT_STUCK] = "stuck",       [EVENT_CLOSED] = "closed",
        [EVENT_LOST] = "lost",
    };
    json_t *object = object_begin(names[event->kind], event->at_ns);

    if (event->connection)
        set_event_connection(output, object, event);
    switch (event->kind) {
    case EVENT_APPEARED:
        set_timer(object, event->socket);
        break;
    case EVENT_TRANSITION:
        object_set_text(object, "from", tcp_state_name(event->from));
        object_set_text(object, "to", tcp_state_name(event->to));
        set_dwell(object, event);
        object_set(object, "exact", json_boolean(event->exact));
        if (event->skipped_count)
            object_set(object, "skipped", object_of_states(event->skipped, event->skipped_count));
        set_timer(object, event->socket);
        break;
    case EVENT_STUCK:
        set_dwell(object, event);
        set_timer(object, event->socket);
        break;
    case EVENT_CLOSED:
        set_closed(object, event);
        break;
    case EVENT_LOST:
        if (event->count)
            object_set_number(object, "count", (int64_t)event->count);
        object_set_text(object, "reason", event->reason);
        break;
    case EVENT_HELD:
        break;
    }
    object_end(output, object);
}

void json_summary(struct output *output, const struct summary *summary) {
    json_t *object = object_begin("summary", summary->ended_ns), *ended = json_object(),
           *longest = json_object(), *at_least = json_array(), *approximate = json_array();

    object_set_number(object, "duration_ms", (summary->ended_ns - summary->began_ns) / NS_PER_MS);
    object_set_number(object, "connections", (int64_t)summary->connections);
    object_set_number(object, "transitions", (int64_t)summary->transitions);
    object_set_number(object, "open", (int64_t)summary->open);
    object_set_number(object, "lost", (int64_t)summary->lost);
    object_set_number(object, "gaps", (int64_t)summary->gaps);
    for (int cause = 0; cause < CAUSE_COUNT; cause++)
        if (summary->ended[cause])
            object_set_number(ended, cause_name((enum cause)cause), (int64_t)summary->ended[cause]);
    for (size_t state = 1; state < TCP_STATE_COUNT; state++) {
        const struct stay *stay = &summary->longest[state];
        const char *name = tcp_state_name((enum tcp_state)state);

        if (stay->ns == 0)
            continue;
        object_set_number(longest, name, stay->ns / NS_PER_MS);
        if (stay->at_least)
            json_array_append_new(at_least, json_string(name));
        if (stay->approximate)
            json_array_append_new(approximate, json_string(name));
    }
    object_set(object, "ended", ended);
    object_set(object, "longest_ms", longest);
    object_set(object, "longest_at_least", at_least);
    object_set(object, "longest_approximate", approximate);
    object_end(output, object);
}

static void set_info(json_t *object, const struct socket *socket) {
    if (socket->rtt_us) { /* 0: none was measured */
        object_set_number(object, "rtt_us", socket->rtt_us);
        object_set_number(object, "rttvar_us", socket->rttvar_us);
    }
    object_set_number(object, "rto_us", socket->rto_us);
    object_set_number(object, "cwnd", socket->cwnd);
    object_set_number(object, "unacked", socket->unacked);
    object_set_number(object, "lost", socket->lost);
    object_set_number(object, "retransmits_unanswered", socket->retransmits);
    object_set_number(object, "retransmits", socket->total_retrans);
    object_set_number(object, "probes_unanswered", socket->probes);
    object_set_number(object, "last_data_sent_ms", socket->last_data_sent_ms);
    object_set_number(object, "last_data_received_ms", socket->last_data_recv_ms);
    object_set_number(object, "last_ack_received_ms", socket->last_ack_recv_ms);
    if (socket->has & SOCKET_HAS_BYTES) {
        object_set_number(object, "segments_sent", socket->segs_out);
        object_set_number(object, "segments_received", socket->segs_in);
    }
    if (socket->has & SOCKET_HAS_DATA_SEGS) {
        object_set_number(object, "not_sent", socket->notsent);
        if (socket->min_rtt_us != UINT32_MAX) /* none was measured */
            object_set_number(object, "min_rtt_us", socket->min_rtt_us);
    }
    if (socket->has & SOCKET_HAS_SENT)
        object_set_number(object, "bytes_sent",
                          (int64_t)(socket->bytes_sent - socket->bytes_retrans));
}

void json_list_row(struct output *output, const struct socket *socket, const struct owner *owner) {
    json_t *object = object_begin("socket", clock_now());

    object_set_socket(output, object, socket, owner);
    object_set_number(object, "recv_queue", socket->recv_queue);
    object_set_number(object, "send_queue", socket->send_queue);
    set_timer(object, socket);
    if (socket->timer_count)
        object_set_number(object, "timer_count", socket->timer_count);
    if ((socket->has & SOCKET_HAS_INFO) && socket->state != TCP_STATE_LISTEN)
        set_info(object, socket);
    object_end(output, object);
}
