/* SPDX-License-Identifier: MIT */
#include "output/json.h"

#include "output/text.h"

#include "units/clock.h"
#include "units/duration.h"

#include <errno.h>
#include <jansson.h>
#include <net/if.h>

/* Jansson tells of a failure (memory) when the object is written: its setters pass NULL on. */
static void set(json_t *object, const char *key, json_t *value) {
    json_object_set_new_nocheck(object, key, value);
}

static void set_text(json_t *object, const char *key, const char *text) {
    set(object, key, json_string_nocheck(text));
}

static void set_number(json_t *object, const char *key, int64_t number) {
    set(object, key, json_integer(number));
}

/* -1 is unknown, and what is unknown is left out. */
static void set_known(json_t *object, const char *key, int64_t number) {
    if (number >= 0)
        set_number(object, key, number);
}

static json_t *begin(const char *event, int64_t at_ns) {
    const struct timespec wall = clock_wall(at_ns);
    char day[32], stamp[64];
    json_t *object = json_object();
    struct tm utc;

    gmtime_r(&wall.tv_sec, &utc);
    strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(stamp, sizeof(stamp), "%s.%06ldZ", day, wall.tv_nsec / 1000);
    set_text(object, "ts", stamp);
    set_text(object, "event", event);
    return object;
}

static int dump_to_writer(const char *data, size_t len, void *writer) {
    writer_put(writer, data, len);
    return ((struct writer *)writer)->error ? -1 : 0;
}

static void end(struct output *output, json_t *object) {
    if (json_dump_callback(object, dump_to_writer, &output->writer, JSON_COMPACT) < 0 &&
        !output->writer.error)
        output->writer.error = ENOMEM;
    writer_put(&output->writer, "\n", 1);
    json_decref(object);
}

/* Sets what was written, and frees it. */
static void set_written(json_t *object, const char *key, struct writer *written) {
    writer_put(written, "", 1);
    if (!written->error)
        set_text(object, key, written->data);
    writer_free(written);
}

static json_t *end_of(const struct address *address, bool inet6, uint16_t port, uint32_t ifindex) {
    struct writer text = {0};
    json_t *object = json_object();

    text_address(&text, address, inet6, ifindex);
    set_written(object, "address", &text);
    set_number(object, "port", port);
    return object;
}

/* What identifies a connection, shared by all that have one. */
struct identity {
    bool inet6;
    const struct address *local, *remote;
    uint16_t local_port, remote_port;
    uint32_t ifindex, inode, uid;
    enum tcp_state state;
    uint64_t cookie;
    const struct owner *owner;
};

static void set_owner(json_t *object, const struct owner *owner) {
    struct writer name = {0};

    if (owner->pid == 0)
        return;
    set_number(object, "pid", owner->pid);
    writer_name(&name, owner->name);
    set_written(object, "process", &name);
}

static void set_connection(const struct output *output, json_t *object,
                           const struct identity *identity) {
    char cookie[24];

    set_text(object, "family", identity->inet6 ? "inet6" : "inet");
    set(object, "local",
        end_of(identity->local, identity->inet6, identity->local_port, identity->ifindex));
    set(object, "remote",
        end_of(identity->remote, identity->inet6, identity->remote_port, identity->ifindex));
    set_text(object, "state", tcp_state_name(identity->state));
    snprintf(cookie, sizeof(cookie), "%llu", (unsigned long long)identity->cookie);
    set_text(object, "cookie", cookie);
    /* A socket that no process holds has neither inode nor user. */
    if (identity->inode) {
        set_number(object, "inode", identity->inode);
        set_number(object, "uid", identity->uid);
    }
    if (output->netns)
        set_number(object, "netns", (int64_t)output->netns);
    set_owner(object, identity->owner);
}

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
        .inode = connection->inode,
        .uid = connection->uid,
        .state = event->to,
        .cookie = connection->cookie,
        /* An orphan's last owner does not own it any more. */
        .owner = connection->inode ? &connection->owner : &(const struct owner){0},
    };

    set_connection(output, object, &identity);
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
    set_text(object, "kind", kinds[socket->timer]);
    set_number(object, "expires_ms", socket->timer_ms);
    return object;
}

static void set_timer(json_t *object, const struct socket *socket) {
    json_t *timer = socket ? timer_object(socket) : NULL;

    if (timer)
        set(object, "timer", timer);
}

/* A step that may have been one of several states is one string, joined by '|'. */
static json_t *skipped_array(const struct event *event) {
    json_t *array = json_array();

    for (size_t i = 0; i < event->skipped_count; i++) {
        struct writer step = {0};

        for (size_t state = 1; state < TCP_STATE_COUNT; state++)
            if (event->skipped[i] & TCP_STATE_BIT(state)) {
                if (step.len)
                    writer_put(&step, "|", 1);
                writer_text(&step, tcp_state_name((enum tcp_state)state));
            }
        writer_put(&step, "", 1);
        if (!step.error)
            json_array_append_new(array, json_string_nocheck(step.data));
        writer_free(&step);
    }
    return array;
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
    set_number(object, "dwell_ms", event->dwell_ns / NS_PER_MS);
    if (event->dwell_at_least)
        set(object, "dwell_at_least", json_true());
}

static void set_closed(json_t *object, const struct event *event) {
    const struct totals *totals = &event->totals;

    if (event->cause != CAUSE_UNKNOWN)
        set_text(object, "cause", cause_name(event->cause));
    if (event->closed_first != SIDE_UNKNOWN)
        set_text(object, "closed_first", event->closed_first == SIDE_LOCAL ? "local" : "remote");
    set_known(object, "lifetime_ms", event->lifetime_ns < 0 ? -1 : event->lifetime_ns / NS_PER_MS);
    set_known(object, "bytes_sent", totals->bytes_sent);
    set_known(object, "bytes_received", totals->bytes_received);
    set_known(object, "segments_sent", totals->segs_out);
    set_known(object, "segments_received", totals->segs_in);
    set_known(object, "retransmits", totals->retransmits);
}

void json_event(struct output *output, const struct event *event) {
    static const char *const names[] = {
        [EVENT_APPEARED] = "appeared", [EVENT_TRANSITION] = "transition",
        [EVENT_STUCK] = "stuck",       [EVENT_CLOSED] = "closed",
        [EVENT_LOST] = "lost",
    };
    json_t *object = begin(names[event->kind], event->at_ns);

    if (event->connection)
        set_event_connection(output, object, event);
    switch (event->kind) {
    case EVENT_APPEARED:
        set_timer(object, event->socket);
        break;
    case EVENT_TRANSITION:
        set_text(object, "from", tcp_state_name(event->from));
        set_text(object, "to", tcp_state_name(event->to));
        set_dwell(object, event);
        set(object, "exact", json_boolean(event->exact));
        if (event->skipped_count)
            set(object, "skipped", skipped_array(event));
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
            set_number(object, "count", (int64_t)event->count);
        set_text(object, "reason", event->reason);
        break;
    case EVENT_HELD:
        break;
    }
    end(output, object);
}

void json_summary(struct output *output, const struct summary *summary) {
    json_t *object = begin("summary", summary->ended_ns), *ended = json_object(),
           *longest = json_object();

    set_number(object, "duration_ms", (summary->ended_ns - summary->began_ns) / NS_PER_MS);
    set_number(object, "connections", (int64_t)summary->connections);
    set_number(object, "transitions", (int64_t)summary->transitions);
    set_number(object, "open", (int64_t)summary->open);
    set_number(object, "lost", (int64_t)summary->lost);
    for (int cause = 0; cause < CAUSE_COUNT; cause++)
        if (summary->ended[cause])
            set_number(ended, cause_name((enum cause)cause), (int64_t)summary->ended[cause]);
    for (size_t state = 1; state < TCP_STATE_COUNT; state++)
        if (summary->longest[state].ns)
            set_number(longest, tcp_state_name((enum tcp_state)state),
                       summary->longest[state].ns / NS_PER_MS);
    set(object, "ended", ended);
    set(object, "longest_ms", longest);
    end(output, object);
}

static void set_info(json_t *object, const struct socket *socket) {
    if (socket->rtt_us) { /* 0: none was measured */
        set_number(object, "rtt_us", socket->rtt_us);
        set_number(object, "rttvar_us", socket->rttvar_us);
    }
    set_number(object, "rto_us", socket->rto_us);
    set_number(object, "cwnd", socket->cwnd);
    set_number(object, "unacked", socket->unacked);
    set_number(object, "lost", socket->lost);
    set_number(object, "retransmits_unanswered", socket->retransmits);
    set_number(object, "retransmits", socket->total_retrans);
    set_number(object, "probes_unanswered", socket->probes);
    set_number(object, "last_data_sent_ms", socket->last_data_sent_ms);
    set_number(object, "last_data_received_ms", socket->last_data_recv_ms);
    set_number(object, "last_ack_received_ms", socket->last_ack_recv_ms);
    if (socket->has & SOCKET_HAS_BYTES) {
        set_number(object, "segments_sent", socket->segs_out);
        set_number(object, "segments_received", socket->segs_in);
    }
    if (socket->has & SOCKET_HAS_DATA_SEGS) {
        set_number(object, "not_sent", socket->notsent);
        if (socket->min_rtt_us != UINT32_MAX) /* none was measured */
            set_number(object, "min_rtt_us", socket->min_rtt_us);
    }
    if (socket->has & SOCKET_HAS_SENT)
        set_number(object, "bytes_sent", (int64_t)(socket->bytes_sent - socket->bytes_retrans));
}

void json_list_row(struct output *output, const struct socket *socket, const struct owner *owner) {
    json_t *object = begin("socket", clock_now());
    const struct identity identity = {
        .inet6 = socket->inet6,
        .local = &socket->local,
        .remote = &socket->remote,
        .local_port = socket->local_port,
        .remote_port = socket->remote_port,
        .ifindex = socket->ifindex,
        .inode = socket->inode,
        .uid = socket->uid,
        .state = socket->state,
        .cookie = socket->cookie,
        .owner = owner,
    };

    set_connection(output, object, &identity);
    set_number(object, "recv_queue", socket->recv_queue);
    set_number(object, "send_queue", socket->send_queue);
    set_timer(object, socket);
    if (socket->timer_count)
        set_number(object, "timer_count", socket->timer_count);
    if ((socket->has & SOCKET_HAS_INFO) && socket->state != TCP_STATE_LISTEN)
        set_info(object, socket);
    end(output, object);
}
