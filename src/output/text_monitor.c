/* SPDX-License-Identifier: MIT */
#include "output/text.h"
#include "tcp/meaning.h"
#include "tcp/timeout.h"
#include "units/duration.h"

#include <string.h>

/* The columns that are no address; an address column grows with what comes. */
#define STATE_WIDTH   13
#define STAYED_WIDTH  9
#define ADDRESS_WIDTH 17

/* Writes one end; the column is from now on as wide as the widest that came. */
static void put_end(struct output *output, const struct connection *connection, bool local) {
    struct writer *writer = &output->writer;
    const struct address *address = local ? &connection->local : &connection->remote;
    const size_t from = writer->len;

    text_end(writer, address, connection->inet6,
             local ? connection->local_port : connection->remote_port,
             local ? connection->ifindex
                   : text_scope(address, connection->inet6, connection->ifindex),
             connection->netns);
    if (writer->len - from + 2 > output->address_width)
        output->address_width = writer->len - from + 2;
    writer_pad(writer, from, output->address_width);
}

/* Both columns are equally wide, also where the second one has just grown. */
static void put_ends(struct output *output, const struct connection *connection) {
    const size_t from = output->writer.len, width = output->address_width;

    put_end(output, connection, true);
    put_end(output, connection, false);
    if (output->address_width == width)
        return;
    output->writer.len = from;
    put_end(output, connection, true);
    put_end(output, connection, false);
}

static void put_state(struct output *output, enum tcp_state state, const char *name) {
    struct writer *writer = &output->writer;
    size_t from;

    if (output->color)
        writer_text(writer, text_state_color(state));
    from = writer->len;
    writer_text(writer, name);
    writer_pad(writer, from, STATE_WIDTH);
    if (output->color)
        writer_text(writer, TEXT_COLOR_OFF);
}

void text_monitor_heading(struct output *output) {
    struct writer *writer = &output->writer;
    size_t from = writer->len;

    output->address_width = ADDRESS_WIDTH;
    if (!output->header)
        return;
    writer_text(writer, "TIME");
    writer_pad(writer, from, TEXT_TIME_WIDTH);
    writer_text(writer, "LOCAL");
    writer_pad(writer, from, TEXT_TIME_WIDTH + ADDRESS_WIDTH);
    writer_text(writer, "REMOTE");
    writer_pad(writer, from, TEXT_TIME_WIDTH + 2 * ADDRESS_WIDTH);
    writer_text(writer, "FROM         TO           STAYED");
    writer_text(writer, output->owners ? "   OWNER\n" : "\n");
}

static void begin_line(struct output *output, const struct event *event) {
    output->last_cookie = event->connection->cookie;
    text_time(&output->writer, event->at_ns);
    put_ends(output, event->connection);
}

/* A traced stay may be shorter than a duration elsewhere tells. */
static void put_stay(struct writer *writer, int64_t ns, bool at_least, bool approximate) {
    if (at_least)
        writer_put(writer, ">", 1);
    if (approximate)
        writer_put(writer, "~", 1);
    if (ns > 0 && ns < NS_PER_MS / 10) {
        writer_number(writer, ns < NS_PER_US ? 1 : (uint64_t)(ns / NS_PER_US));
        writer_put(writer, "us", 2);
    } else {
        text_duration(writer, ns);
    }
}

static void end_line(struct output *output, const struct event *event) {
    const struct connection *connection = event->connection;
    /* Nobody can have accepted what is told as it comes to be. */
    const bool is_new = event->kind == EVENT_APPEARED && event->exact && connection->born_seen;
    struct writer *writer = &output->writer;
    const size_t from = writer->len;

    if (event->dwell_ns >= 0)
        put_stay(writer, event->dwell_ns, event->dwell_at_least, event->dwell_approximate);
    else
        writer_put(writer, "-", 1);
    if (output->owners || connection->netns)
        writer_pad(writer, from, STAYED_WIDTH);
    if (output->owners)
        text_owner(writer, &connection->owner, connection->inode || event->acted, connection->uid,
                   is_new ? TCP_STATE_UNKNOWN : event->to);
    if (connection->netns)
        writer_format(writer, "  netns %u", connection->netns);
    writer_put(writer, "\n", 1);
}

static void put_moment(struct writer *writer, int64_t ns) {
    if (ns == 0) {
        writer_text(writer, " now");
        return;
    }
    writer_text(writer, " in ");
    text_duration(writer, ns);
}

/* What a timer does next. After tries without an answer that may be the end: how many there will be
 * the socket does not tell. */
static void put_try(struct writer *writer, const char *what, const struct socket *socket) {
    writer_format(writer, "; %s %u%s", what, socket->timer_count + 1,
                  socket->timer_count ? ", or the end," : "");
    put_moment(writer, socket->timer_ms * NS_PER_MS);
}

static void put_timer(struct writer *writer, const struct socket *socket) {
    /* With a tcp_fin_timeout above TCP_TIMEWAIT_LEN an orphan first waits for the difference
     * (tcp_close(), net/ipv4/tcp.c). */
    const bool orphan_waits = socket->timer == SOCKET_TIMER_KEEPALIVE &&
                              socket->state == TCP_STATE_FIN_WAIT2 && socket->inode == 0;

    if (orphan_waits || socket->timer == SOCKET_TIMER_TIME_WAIT) {
        writer_text(writer, ", the kernel drops it");
        put_moment(writer, socket->timer_ms * NS_PER_MS + (orphan_waits ? TCP_TIMEWAIT_LEN_NS : 0));
    } else if (socket->timer == SOCKET_TIMER_RETRANSMIT) {
        put_try(writer, "retransmission", socket);
    } else if (socket->timer == SOCKET_TIMER_KEEPALIVE) {
        put_try(writer, "keepalive probe", socket);
    } else if (socket->timer == SOCKET_TIMER_PROBE) {
        put_try(writer, "probe", socket);
    }
}

/* States that pass within a round trip, if all is well: whose moment is told as it comes is about
 * to leave them. */
#define PASSING_STATES                                                                             \
    (TCP_STATES_TRANSIENT &                                                                        \
     ~(TCP_STATE_BIT(TCP_STATE_FIN_WAIT2) | TCP_STATE_BIT(TCP_STATE_CLOSE_WAIT)))

/* Who has to act in a state that waits for somebody. */
static void put_meaning(struct output *output, const struct event *event) {
    const struct tcp_meaning *meaning = tcp_meaning(event->to);
    const struct connection *connection = event->connection;
    struct writer *writer = &output->writer;

    if (!meaning->waits || !event->socket)
        return;
    if (event->exact && event->kind != EVENT_STUCK && (PASSING_STATES & TCP_STATE_BIT(event->to)))
        return;
    text_begin_words(output);
    writer_text(writer, meaning->waits);
    writer_text(writer, "; ");
    if (connection->inode == 0) {
        writer_text(writer, meaning->alone);
    } else {
        if (connection->owner.pid)
            text_owner(writer, &connection->owner, connection->inode, 0, event->to);
        else
            writer_format(writer, "a process of user %u", connection->uid);
        writer_put(writer, " ", 1);
        writer_text(writer, meaning->held);
    }
    put_timer(writer, event->socket);
    text_end_words(output);
}

static void put_skipped(struct output *output, const struct event *event) {
    struct writer *writer = &output->writer;

    if (event->skipped_count == 0)
        return;
    text_begin_words(output);
    writer_text(writer, "passed unseen: ");
    for (size_t i = 0; i < event->skipped_count; i++) {
        writer_text(writer, i ? ", " : "");
        text_states(writer, event->skipped[i], " or ");
    }
    text_end_words(output);
}

static void put_cause(struct writer *writer, const struct event *event) {
    static const char *const words[CAUSE_COUNT] = {
        [CAUSE_UNKNOWN] = "closed, how was not seen",
        [CAUSE_FIN] = "closed by FIN",
        [CAUSE_RESET] = "reset",
        [CAUSE_TIMED_OUT] = "timed out",
        [CAUSE_REFUSED] = "refused",
        [CAUSE_HOST_UNREACHABLE] = "host unreachable",
        [CAUSE_NETWORK_UNREACHABLE] = "network unreachable",
        [CAUSE_ABORTED] = "aborted: this side threw it away with a reset",
        [CAUSE_DESTROYED] = "destroyed by an administrator",
    };
    const uint32_t from = TCP_STATE_BIT(event->from);
    const uint32_t unheld =
        TCP_STATE_BIT(TCP_STATE_ESTABLISHED) | TCP_STATE_BIT(TCP_STATE_CLOSE_WAIT);

    if (event->cause == CAUSE_UNKNOWN && event->from == TCP_STATE_SYN_SENT)
        writer_text(writer,
                    "no connection came of it: refused, unreachable, timed out or given up, "
                    "which was not seen");
    else if (event->cause == CAUSE_UNKNOWN && event->from == TCP_STATE_FIN_WAIT2)
        writer_text(writer, "ended before its time, how was not seen: a reset of the peer, data of "
                            "it that a reset answered, or an administrator");
    else if (event->cause == CAUSE_UNKNOWN && event->held && (TCP_STATES_CLOSED_LAST & from))
        writer_text(writer, "ended by a reset, a timeout, an administrator, or FIN after "
                            "shutdown(2), which was not seen");
    else if (event->cause == CAUSE_UNKNOWN && event->held)
        writer_text(writer, "ended by a reset, a timeout or an administrator, which was not seen");
    else if (event->cause == CAUSE_ABORTED && event->from == TCP_STATE_SYN_SENT)
        writer_text(writer, "given up by this side");
    else if (event->cause == CAUSE_ABORTED && event->unread)
        text_count(writer, "aborted: this side threw it away with a reset, and had not read ",
                   event->unread, "byte", "bytes");
    else if (event->cause == CAUSE_ABORTED && event->connection->traced && event->socket &&
             event->socket->inode == 0 && (unheld & from))
        writer_text(writer,
                    "aborted: this side threw it away with a reset, and no process held it");
    else if (event->cause == CAUSE_ABORTED && event->connection->minisock)
        writer_text(writer, "aborted: what the peer still sent was answered with a reset");
    else if (event->cause == CAUSE_RESET && event->from == TCP_STATE_FIN_WAIT1 &&
             event->connection->inode == 0)
        writer_text(writer, "reset: the peer sent one, or data that no process could read any "
                            "more, which was answered with one");
    else if (event->cause == CAUSE_TIMED_OUT && event->from == TCP_STATE_FIN_WAIT2)
        writer_text(writer, "timed out: the peer's FIN did not come, and the kernel dropped it");
    else
        writer_text(writer, words[event->cause]);
    if (event->closed_first == SIDE_LOCAL)
        writer_text(writer, ", this side first");
    else if (event->closed_first == SIDE_REMOTE)
        writer_text(writer, ", the peer first");
    else if (event->cause == CAUSE_FIN)
        writer_text(writer, ", this side first or both at once");
}

static void put_closed(struct output *output, const struct event *event) {
    const struct connection *connection = event->connection;
    const struct totals *totals = &event->totals;
    struct writer *writer = &output->writer;

    /* Its counters may come after the lines of others. */
    if (output->last_cookie != connection->cookie) {
        begin_line(output, event);
        put_state(output, event->to, tcp_state_name(event->to));
        put_state(output, event->to, "closed");
        end_line(output, event);
    }
    text_begin_words(output);
    put_cause(writer, event);
    if (event->error && tcp_errno_name(event->error))
        writer_format(writer, " (%s)", tcp_errno_name(event->error));
    if (event->held && connection->owner.pid) {
        writer_text(writer, "; ");
        text_owner(writer, &connection->owner, connection->inode, 0, event->to);
        writer_text(writer, " still holds the dead socket");
    }
    if (event->lifetime_ns >= 0) {
        writer_text(writer, "; lived ");
        put_stay(writer, event->lifetime_ns, false, event->lifetime_approximate);
    }
    text_count(writer, "; sent ", totals->bytes_sent, "byte", "bytes");
    text_count(writer, totals->bytes_sent >= 0 ? ", received " : "; received ",
               totals->bytes_received, "byte", "bytes");
    text_count(writer, "; ", totals->segs_out, "segment out", "segments out");
    text_count(writer, ", ", totals->segs_in, "in", "in");
    text_count(writer, ", ", totals->retransmits > 0 ? totals->retransmits : -1, "retransmission",
               "retransmissions");
    text_end_words(output);
}

static void put_lost(struct output *output, const struct event *event) {
    struct writer *writer = &output->writer;

    text_time(writer, event->at_ns);
    writer_text(writer, "lost: ");
    if (event->count)
        text_count(writer, "", (int64_t)event->count,
                   "connection ended unseen: ", "connections ended unseen: ");
    writer_text(writer, event->reason);
    writer_put(writer, "\n", 1);
}

void text_event(struct output *output, const struct event *event) {
    switch (event->kind) {
    case EVENT_APPEARED:
        begin_line(output, event);
        put_state(output, TCP_STATE_UNKNOWN, "-");
        put_state(output, event->to, tcp_state_name(event->to));
        end_line(output, event);
        put_meaning(output, event);
        break;
    case EVENT_TRANSITION:
        begin_line(output, event);
        put_state(output, event->from, tcp_state_name(event->from));
        put_state(output, event->to, tcp_state_name(event->to));
        end_line(output, event);
        put_skipped(output, event);
        put_meaning(output, event);
        break;
    case EVENT_STUCK:
        begin_line(output, event);
        put_state(output, event->to, tcp_state_name(event->to));
        put_state(output, event->to, "stuck");
        end_line(output, event);
        put_meaning(output, event);
        break;
    case EVENT_CLOSED:
        put_closed(output, event);
        break;
    case EVENT_LOST:
        put_lost(output, event);
        break;
    case EVENT_HELD:
        break;
    }
}

static void put_ended(struct writer *writer, const struct summary *summary) {
    static const char *const words[CAUSE_COUNT] = {
        [CAUSE_UNKNOWN] = "in a way that was not seen",
        [CAUSE_FIN] = "by FIN",
        [CAUSE_RESET] = "by a reset",
        [CAUSE_TIMED_OUT] = "by a timeout",
        [CAUSE_REFUSED] = "refused",
        [CAUSE_HOST_UNREACHABLE] = "host unreachable",
        [CAUSE_NETWORK_UNREACHABLE] = "network unreachable",
        [CAUSE_ABORTED] = "aborted by this side",
        [CAUSE_DESTROYED] = "destroyed by an administrator",
    };
    static const enum cause order[] = {
        CAUSE_FIN,     CAUSE_RESET,     CAUSE_TIMED_OUT,        CAUSE_REFUSED,
        CAUSE_ABORTED, CAUSE_DESTROYED, CAUSE_HOST_UNREACHABLE, CAUSE_NETWORK_UNREACHABLE,
        CAUSE_UNKNOWN,
    };
    const char *between = "";

    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        const uint64_t count = summary->ended[order[i]];

        if (count == 0)
            continue;
        writer_text(writer, between);
        writer_number(writer, count);
        writer_put(writer, " ", 1);
        writer_text(writer, words[order[i]]);
        between = ", ";
    }
    writer_text(writer, *between ? "\n" : "none\n");
}

static void put_unseen(struct writer *writer, const struct summary *summary) {
    const char *title = "lost:          ";

    if (summary->lost) {
        text_count(writer, title, (int64_t)summary->lost, "connection ended unseen",
                   "connections ended unseen");
        title = ", and ";
    }
    if (summary->gaps)
        text_count(writer, title, (int64_t)summary->gaps, "gap, told above", "gaps, told above");
    if (summary->lost || summary->gaps)
        writer_put(writer, "\n", 1);
}

void text_summary(struct output *output, const struct summary *summary) {
    struct writer *writer = &output->writer;
    const char *title = "longest stay:  ";
    size_t from;

    writer_text(writer, "-- ");
    text_duration(writer, summary->ended_ns - summary->began_ns);
    text_count(writer, " watched: ", (int64_t)summary->connections, "connection seen",
               "connections seen");
    text_count(writer, ", ", (int64_t)summary->transitions, "transition", "transitions");
    text_count(writer, ", ", (int64_t)summary->open, "still open\n", "still open\n");
    writer_text(writer, "ended:         ");
    put_ended(writer, summary);
    put_unseen(writer, summary);
    for (size_t state = 1; state < TCP_STATE_COUNT; state++) {
        const struct stay *stay = &summary->longest[state];

        if (stay->ns == 0)
            continue;
        writer_text(writer, title);
        title = "               ";
        from = writer->len;
        writer_text(writer, tcp_state_name((enum tcp_state)state));
        writer_pad(writer, from, STATE_WIDTH);
        from = writer->len;
        put_stay(writer, stay->ns, stay->at_least, stay->approximate);
        writer_pad(writer, from, STAYED_WIDTH);
        from = writer->len;
        text_end(writer, &stay->local, stay->inet6, stay->local_port, stay->ifindex, stay->netns);
        writer_pad(writer, from, output->address_width);
        text_end(writer, &stay->remote, stay->inet6, stay->remote_port,
                 text_scope(&stay->remote, stay->inet6, stay->ifindex), stay->netns);
        writer_put(writer, "\n", 1);
    }
}
