/* SPDX-License-Identifier: MIT */
#include "output/text.h"

#include "units/duration.h"

#include <string.h>

/* The address column of the server's lines grows with what comes. */
#define ADDRESS_WIDTH 17

static void put_ends(struct writer *writer, const struct socket *socket) {
    text_end(writer, &socket->local, socket->inet6, socket->local_port, socket->ifindex,
             socket->netns);
    writer_text(writer, " -> ");
    text_end(writer, &socket->remote, socket->inet6, socket->remote_port, socket->ifindex,
             socket->netns);
}

/* "685 s", "1.5 s": in seconds, as the kernel's settings are. */
static void put_seconds(struct writer *writer, int64_t ns) {
    const bool rounds = ns >= 100 * NS_PER_S;

    writer_number(writer, (uint64_t)((rounds ? ns + NS_PER_S / 2 : ns) / NS_PER_S));
    if (!rounds && ns % NS_PER_S >= NS_PER_S / 10) {
        writer_put(writer, ".", 1);
        writer_number(writer, (uint64_t)(ns % NS_PER_S / (NS_PER_S / 10)));
    }
    writer_text(writer, " s");
}

/* The line that an event begins with, as far as its word. */
static void begin_line(struct output *output, const struct endpoint_event *event,
                       const char *word) {
    text_time(&output->writer, event->at_ns);
    writer_text(&output->writer, word);
}

/* A connection's line: of the server, with the peer's address first. */
static void begin_peer_line(struct output *output, const struct endpoint_event *event,
                            const char *word) {
    struct writer *writer = &output->writer;
    const struct socket *socket = event->socket;
    size_t from;

    text_time(writer, event->at_ns);
    from = writer->len;
    if (output->address_width < ADDRESS_WIDTH)
        output->address_width = ADDRESS_WIDTH;
    text_end(writer, &socket->remote, socket->inet6, socket->remote_port, socket->ifindex,
             socket->netns);
    if (writer->len - from + 2 > output->address_width)
        output->address_width = writer->len - from + 2;
    writer_pad(writer, from, output->address_width);
    writer_text(writer, word);
}

static void end_line(struct output *output) {
    writer_put(&output->writer, "\n", 1);
}

/* Options, and what they mean. */

static void put_liveness(struct writer *writer, const struct tcp_liveness *liveness) {
    if (liveness->keepalive)
        writer_format(writer, "keepalive: after %d s idle, %d probe%s %d s apart", liveness->idle_s,
                      liveness->count, liveness->count == 1 ? "" : "s", liveness->interval_s);
    else
        writer_text(writer, "keepalive off");
    if (liveness->user_timeout_ms) {
        writer_format(writer, "; user timeout %g s", (double)liveness->user_timeout_ms / 1000);
    }
}

static void put_if_peer_vanishes(struct output *output, const struct endpoint_event *event,
                                 const char *peer) {
    const int64_t idle_ns = endpoint_noticed_idle(event);
    struct writer *writer = &output->writer;

    text_begin_words(output);
    writer_format(writer, "a dead %s is ", peer);
    if (idle_ns < 0) {
        writer_text(writer, "never noticed while idle");
    } else {
        writer_text(writer, "noticed after ");
        put_seconds(writer, idle_ns);
        writer_text(writer, " while idle");
    }
    writer_text(writer, ", after about ");
    put_seconds(writer, endpoint_noticed_sending(event));
    writer_text(writer, " while sending");
    if (event->kind == ENDPOINT_OPTIONS) {
        writer_text(writer, ", after ");
        put_seconds(writer, endpoint_noticed_connecting(event));
        writer_text(writer, " while connecting");
    }
    text_end_words(output);
}

static void put_listening(struct output *output, const struct endpoint_event *event) {
    const struct socket *socket = event->socket;
    struct writer *writer = &output->writer;

    begin_line(output, event, "listening on ");
    text_end(writer, &socket->local, socket->inet6, socket->local_port, socket->ifindex,
             socket->netns);
    if (address_is_loopback(&socket->local))
        writer_text(writer, ", for this host only (--bind any: for all)");
    writer_format(writer, "; pid %d", (int)event->pid);
    end_line(output);
    text_begin_words(output);
    put_liveness(writer, event->liveness);
    text_end_words(output);
    put_if_peer_vanishes(output, event, "client");
}

static void put_options(struct output *output, const struct endpoint_event *event) {
    struct writer *writer = &output->writer;

    begin_line(output, event, "");
    put_liveness(writer, event->liveness);
    end_line(output);
    put_if_peer_vanishes(output, event, "peer");
}

/* Endings. */

/* "read: ECONNRESET": what told the application. */
static void put_source(struct writer *writer, const struct endpoint_event *event) {
    const char *name = tcp_errno_name(event->error);

    if (!event->syscall || !event->error)
        return;
    writer_format(writer, " (%s: ", event->syscall);
    if (name)
        writer_text(writer, name);
    else
        writer_format(writer, "%s", strerror(event->error));
    writer_text(writer, ")");
}

static void put_ending(struct output *output, const struct endpoint_event *event) {
    const char *meaning = tcp_ending_meaning(event->cause, event->error);
    struct writer *writer = &output->writer;

    writer_text(writer, tcp_ending_words(event->cause));
    put_source(writer, event);
    if (event->detail) {
        writer_text(writer, ": ");
        writer_text(writer, event->detail);
    }
    if (event->reset_sent)
        writer_text(writer, "; a RST was sent");
    if (event->not_read)
        text_count(writer, ", ", event->not_read, "byte was not read", "bytes were not read");
    if (event->kind != ENDPOINT_STAYING) {
        writer_text(writer, event->sent < 0 ? " after " : "; lived ");
        text_duration(writer, event->after_ns);
    }
    if (event->noticed_ns >= 0) {
        writer_text(writer, "; the last byte was sent ");
        text_duration(writer, event->noticed_ns);
        writer_text(writer, " before");
    }
    text_count(writer, "; sent ", event->sent, "byte", "bytes");
    text_count(writer, ", received ", event->received, "byte", "bytes");
    end_line(output);
    /* A detail says more than the general words, and a server's peers close all day. */
    if (meaning && !event->detail && !(event->pid && event->cause == TCP_ENDING_PEER_CLOSE)) {
        text_begin_words(output);
        if (event->router) {
            writer_text(writer, event->router);
            writer_text(writer, " says so: ");
        }
        writer_text(writer, meaning);
        text_end_words(output);
    }
    if (event->fin_unseen_ns >= 0) {
        text_begin_words(output);
        writer_text(writer, "the peer's FIN had lain here unseen for ");
        text_duration(writer, event->fin_unseen_ns);
        text_end_words(output);
    }
}

static void put_staying(struct output *output, const struct endpoint_event *event) {
    if (event->pid)
        begin_peer_line(output, event, "");
    else
        begin_line(output, event, "");
    put_ending(output, event);
    text_begin_words(output);
    writer_text(&output->writer, event->pid ? "not closing all the same (--hold)"
                                 : event->cause == TCP_ENDING_RESET
                                     ? "going on all the same: the next write() fails"
                                     : "going on all the same: this side may still "
                                       "send");
    text_end_words(output);
}

/* The end of a connection, or of an attempt to make one. */
static void put_end(struct output *output, const struct endpoint_event *event) {
    const struct socket *socket = event->socket;

    if (event->pid) {
        begin_peer_line(output, event, "");
    } else {
        begin_line(output, event, "");
        if (event->sent < 0) {
            text_end(&output->writer, &socket->remote, socket->inet6, socket->remote_port,
                     socket->ifindex, socket->netns);
            writer_text(&output->writer, " ");
        }
    }
    put_ending(output, event);
}

static void put_paused(struct output *output, const struct endpoint_event *event) {
    struct writer *writer = &output->writer;

    begin_line(output, event, "accepting no more: ");
    if (event->error)
        writer_text(writer, strerror(event->error));
    else
        text_count(writer, "", event->open, "connection is open, as many as --max-connections",
                   "connections are open, as many as --max-connections");
    writer_text(writer, "; who connects now waits in the backlog");
    end_line(output);
}

static void put_shutdown(struct output *output, const struct endpoint_event *event) {
    struct writer *writer = &output->writer;

    writer_text(writer, "-- ");
    text_duration(writer, event->after_ns);
    text_count(writer, " served: ", event->accepted, "connection", "connections");
    writer_text(writer, ", ");
    if (event->open)
        writer_number(writer, (uint64_t)event->open);
    writer_text(writer, event->open ? " still open" : "none still open");
    text_count(writer, "; sent ", event->sent, "byte", "bytes");
    text_count(writer, ", received ", event->received, "byte", "bytes");
    end_line(output);
}

void text_endpoint(struct output *output, const struct endpoint_event *event) {
    struct writer *writer = &output->writer;

    switch (event->kind) {
    case ENDPOINT_LISTENING:
        put_listening(output, event);
        break;
    case ENDPOINT_ACCEPTED:
        begin_peer_line(output, event, "accepted");
        writer_format(writer, " by pid %d", (int)event->pid);
        end_line(output);
        break;
    case ENDPOINT_PAUSED:
        put_paused(output, event);
        break;
    case ENDPOINT_OPTIONS:
        put_options(output, event);
        break;
    case ENDPOINT_CONNECTED:
        begin_line(output, event, "connected ");
        put_ends(writer, event->socket);
        end_line(output);
        break;
    case ENDPOINT_STAYING:
        put_staying(output, event);
        break;
    case ENDPOINT_ATTEMPT:
    case ENDPOINT_CLOSED:
        put_end(output, event);
        break;
    case ENDPOINT_SHUTDOWN:
        put_shutdown(output, event);
        break;
    }
}
