/* SPDX-License-Identifier: MIT */
#include "endpoint/client.h"

#include "endpoint/connect.h"
#include "endpoint/leave.h"
#include "endpoint/liveness.h"
#include "endpoint/signals.h"
#include "endpoint/sockaddr.h"
#include "units/clock.h"
#include "units/duration.h"
#include "units/nonblocking.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_SIZE (128 * 1024)

struct buffer {
    size_t at, len; /* what is left: data[at], data[at + 1] ... data[len - 1] */
    char data[BUFFER_SIZE];
};

struct client {
    const struct client_settings *settings;
    int fd, signals;
    int out;                /* does not block, where it can be had so */
    struct buffer up, down; /* to the peer, and from it */
    struct socket socket;
    int64_t now_ns, connected_ns;
    int64_t sent, received;
    int64_t sent_ns;      /* the last byte; 0: none was */
    int64_t answer_by_ns; /* --read-timeout; 0: no answer is awaited */
    int64_t next_text_ns; /* --send */
    uint64_t texts_sent;
    int64_t fin_ns;   /* when the FIN came that lay unseen; 0: it did not */
    bool noted;       /* that, or the end of the connection */
    int64_t hup_ns;   /* when the FIN came behind what is still to be printed; 0: it did not */
    bool input_ended; /* nothing more is to be sent */
    bool shut;        /* so the FIN was sent */
    bool peer_closed; /* its FIN was seen, and this side stays */
    int late_error;   /* the errno that came after that; 0: none did */
    bool hung;        /* the socket has failed, and what came before is still to be printed */
    bool over;
    struct client_outcome outcome;
    const char *detail; /* of the end */
    int signal;         /* that came; 0: none did */
};

static bool is_empty(const struct buffer *buffer) {
    return buffer->at == buffer->len;
}

/* Takes off what was written. */
static void consume(struct buffer *buffer, size_t len) {
    buffer->at += len;
    if (is_empty(buffer))
        buffer->at = buffer->len = 0;
}

/* The end: of the connection, or of something without which it cannot go on. */

static void end(struct client *client, enum tcp_ending ending, int error, const char *call) {
    client->over = true;
    client->outcome = (struct client_outcome){CLIENT_ENDED, ending, error, call};
}

static void fail(struct client *client, const char *call) {
    client->over = true;
    client->outcome = (struct client_outcome){CLIENT_FAILED, TCP_ENDING_UNKNOWN, errno, call};
}

static void emit(struct client *client, struct endpoint_event *event) {
    const struct client_settings *settings = client->settings;

    event->at_ns = client->now_ns;
    event->socket = &client->socket;
    if (settings->emit(settings->into, event))
        return;
    client->over = true;
    client->outcome.result = CLIENT_READER_GONE;
}

static void emit_connected(struct client *client) {
    struct tcp_liveness liveness;
    struct tcp_limits limits;
    struct endpoint_event event = {
        .kind = ENDPOINT_CONNECTED, .liveness = &liveness, .limits = &limits};

    sockaddr_describe(client->fd, &client->socket);
    event.rto_ns = client->socket.rto_us * NS_PER_US;
    liveness_get(client->fd, &liveness);
    limits_get(&limits);
    emit(client, &event);
}

/* closed, or staying where it goes on all the same. */
static void emit_ending(struct client *client, enum endpoint_event_kind kind, enum tcp_ending cause,
                        int error, const char *call) {
    /* It ended when the FIN came, not when a slow reader had let this side read it. */
    const int64_t at_ns =
        client->hup_ns > client->sent_ns && error == 0 ? client->hup_ns : client->now_ns;
    struct endpoint_event event = {
        .kind = kind,
        .cause = cause,
        .error = error,
        .syscall = call,
        .detail = client->detail,
        .after_ns = at_ns - client->connected_ns,
        .noticed_ns = client->sent_ns ? at_ns - client->sent_ns : -1,
        .fin_unseen_ns = client->fin_ns ? client->now_ns - client->fin_ns : -1,
        .sent = client->sent,
        .received = client->received,
    };

    sockaddr_describe(client->fd, &client->socket);
    if (kind == ENDPOINT_CLOSED) {
        const struct leave leave = leave_look(client->fd, error, false);

        client->socket.state = (uint8_t)leave.state;
        event.reset_sent = leave.reset;
        event.not_read = leave.not_read;
    }
    emit(client, &event);
}

/* Sending. */

static void send_up(struct client *client) {
    struct buffer *up = &client->up;
    const ssize_t len =
        send(client->fd, up->data + up->at, up->len - up->at, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (len < 0) {
        if (client->late_error && client->late_error != errno)
            end(client, tcp_ending_of_errno(client->late_error), client->late_error, "poll");
        else
            end(client, tcp_ending_of_errno(errno), errno, "write");
        return;
    }
    consume(up, (size_t)len);
    client->sent += len;
    client->sent_ns = client->now_ns;
    if (client->settings->read_timeout_ns && client->answer_by_ns == 0)
        client->answer_by_ns = client->now_ns + client->settings->read_timeout_ns;
}

/* Where nothing more is to be sent, the peer is told so: its end of input is this side's FIN. */
static void shut_if_done(struct client *client) {
    if (!client->input_ended || client->shut || !is_empty(&client->up) || client->over)
        return;
    client->shut = true;
    shutdown(client->fd, SHUT_WR);
    if (client->settings->read_timeout_ns && client->answer_by_ns == 0) /* the peer's FIN */
        client->answer_by_ns = client->now_ns + client->settings->read_timeout_ns;
    if (client->late_error)
        end(client, tcp_ending_of_errno(client->late_error), client->late_error, "poll");
    else if (client->peer_closed)
        end(client, TCP_ENDING_PEER_CLOSE, 0, "read");
}

static void read_input(struct client *client) {
    struct buffer *up = &client->up;
    const ssize_t len = read(client->settings->in, up->data, sizeof(up->data));

    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (len < 0) {
        fail(client, "cannot read the input");
        return;
    }
    up->len = (size_t)len;
    client->input_ended = len == 0;
    if (len > 0)
        send_up(client);
}

static void send_text(struct client *client) {
    const struct client_settings *settings = client->settings;
    struct buffer *up = &client->up;
    const size_t len = strnlen(settings->text, sizeof(up->data) - 1);

    memcpy(up->data, settings->text, len);
    up->data[len] = '\n';
    up->len = len + 1;
    client->next_text_ns = client->now_ns + settings->every_ns;
    client->texts_sent++;
    client->input_ended = settings->count && client->texts_sent >= settings->count;
    send_up(client);
}

/* Receiving. */

static void on_peer_closed(struct client *client) {
    if (client->shut) {
        end(client, TCP_ENDING_LOCAL_CLOSE, 0, "read");
    } else if (client->settings->stay) {
        client->peer_closed = true;
        client->answer_by_ns = 0;
        emit_ending(client, ENDPOINT_STAYING, TCP_ENDING_PEER_CLOSE, 0, "read");
    } else {
        end(client, TCP_ENDING_PEER_CLOSE, 0, "read");
    }
}

static void receive(struct client *client) {
    struct buffer *down = &client->down;
    const ssize_t len = recv(client->fd, down->data, sizeof(down->data), MSG_DONTWAIT);

    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (len < 0) {
        end(client, tcp_ending_of_errno(errno), errno, "read");
        return;
    }
    if (len == 0) {
        on_peer_closed(client);
        return;
    }
    down->len = (size_t)len;
    client->received += len;
    if (client->answer_by_ns)
        client->answer_by_ns = client->shut || client->received < client->sent
                                   ? client->now_ns + client->settings->read_timeout_ns
                                   : 0;
}

/* After the peer's FIN the connection fails: by a RST, which answers what this side went on to
 * send, or by a timeout. read() would return 0 for ever (SOCK_DONE, tcp_recvmsg_locked(),
 * net/ipv4/tcp.c), and the next write() EPIPE, whatever it was. */
static void on_late_failure(struct client *client) {
    socklen_t len = sizeof(client->late_error);

    getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &client->late_error, &len);
    if (client->late_error == 0)
        client->late_error = EPIPE;
    emit_ending(client, ENDPOINT_STAYING, tcp_ending_of_errno(client->late_error),
                client->late_error, "poll");
}

static void on_socket(struct client *client, short events) {
    const bool failed = events & (POLLERR | POLLHUP);

    if (events & POLLRDHUP && !client->hup_ns)
        client->hup_ns = client->now_ns;
    if (client->peer_closed && failed) {
        on_late_failure(client);
        return;
    }
    if (!is_empty(&client->up) && (events & POLLOUT) && !failed)
        send_up(client);
    if (client->over || client->peer_closed)
        return;
    if (is_empty(&client->down) && (failed || (events & POLLIN)))
        receive(client);
    else if (failed)
        client->hung = true;
}

/* Printing. */

static void print(struct client *client) {
    struct buffer *down = &client->down;
    const ssize_t len = write(client->out, down->data + down->at, down->len - down->at);

    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (len >= 0) {
        consume(down, (size_t)len);
        /* The peer was kept waiting. */
        if (is_empty(down) && client->answer_by_ns)
            client->answer_by_ns = client->now_ns + client->settings->read_timeout_ns;
        return;
    }
    if (errno == EPIPE)
        client->outcome = (struct client_outcome){.result = CLIENT_READER_GONE};
    else
        fail(client, "cannot write the output");
    client->over = true;
}

/* What came before the end is printed after it, too; to a reader that is slow, until a signal, or
 * only what it takes at once where that has come. */
static void print_rest(struct client *client) {
    while (client->outcome.result == CLIENT_ENDED && !is_empty(&client->down)) {
        struct pollfd fds[] = {{.fd = client->out, .events = POLLOUT},
                               {.fd = client->signals, .events = POLLIN}};

        if (poll(fds, 2, client->signal ? 0 : -1) < 0)
            continue;
        if (fds[0].revents == 0)
            return;
        print(client);
    }
}

/* Waiting. */

enum { INPUT, SOCKET, OUTPUT, SIGNALS, DESCRIPTORS };

/* Whether the naive client now waits for the answer; else it waits for the terminal alone. */
static bool awaits_answer(const struct client *client) {
    return !client->peer_closed &&
           (client->shut || !is_empty(&client->up) || client->received < client->sent);
}

static void choose(const struct client *client, struct pollfd fds[DESCRIPTORS]) {
    const struct client_settings *settings = client->settings;
    const bool blocking = settings->blocking, answering = awaits_answer(client);
    const bool input = !client->input_ended && is_empty(&client->up) && !(blocking && answering);
    const bool naive = blocking && !answering;
    const bool blind = client->hung || client->late_error || (naive && client->noted);

    memset(fds, 0, DESCRIPTORS * sizeof(*fds));
    fds[INPUT] =
        (struct pollfd){.fd = input && !settings->text ? settings->in : -1, .events = POLLIN};
    fds[SOCKET] = (struct pollfd){.fd = blind ? -1 : client->fd};
    if (naive)
        fds[SOCKET].events = POLLRDHUP;
    else if (is_empty(&client->down) && !client->peer_closed)
        fds[SOCKET].events |= POLLIN;
    else if (!client->hup_ns && !client->peer_closed)
        fds[SOCKET].events |= POLLRDHUP;
    if (!is_empty(&client->up))
        fds[SOCKET].events |= POLLOUT;
    fds[OUTPUT] =
        (struct pollfd){.fd = is_empty(&client->down) ? -1 : client->out, .events = POLLOUT};
    fds[SIGNALS] = (struct pollfd){.fd = client->signals, .events = POLLIN};
}

/* Whether the next text may be sent, now or later. */
static bool has_text(const struct client *client) {
    return client->settings->text && !client->input_ended && is_empty(&client->up) &&
           !(client->settings->blocking && awaits_answer(client));
}

/* When --read-timeout is over. While the output does not take what has come, nothing is read. */
static int64_t answer_due_ns(const struct client *client) {
    return client->answer_by_ns && is_empty(&client->down) ? client->answer_by_ns : INT64_MAX;
}

static int64_t next_due_ns(const struct client *client) {
    const int64_t text_ns = has_text(client) ? client->next_text_ns : INT64_MAX;
    const int64_t answer_ns = answer_due_ns(client);

    return answer_ns < text_ns ? answer_ns : text_ns;
}

static int wait_for(struct client *client, struct pollfd fds[DESCRIPTORS]) {
    const int64_t due_ns = next_due_ns(client);
    const struct timespec left = clock_left(due_ns);
    const int ready = ppoll(fds, DESCRIPTORS, due_ns == INT64_MAX ? NULL : &left, NULL);

    client->now_ns = clock_now();
    return ready;
}

static void on_time(struct client *client) {
    if (client->now_ns >= answer_due_ns(client)) {
        client->detail = "--read-timeout";
        end(client, TCP_ENDING_TIMED_OUT, 0, "read");
    } else if (has_text(client) && client->now_ns >= client->next_text_ns) {
        send_text(client);
    }
}

/* The naive client does not look at the socket. That something came is noted all the same, to say
 * later for how long it lay unseen; with an error it was a reset, which ends both ways. */
static void note(struct client *client, short events) {
    client->noted = true;
    if ((events & POLLRDHUP) && !(events & POLLERR) && !client->peer_closed)
        client->fin_ns = client->now_ns;
}

static void step(struct client *client) {
    struct pollfd fds[DESCRIPTORS];

    choose(client, fds);
    if (wait_for(client, fds) < 0) {
        if (errno != EINTR)
            fail(client, "poll");
        return;
    }
    if (fds[SIGNALS].revents) {
        client->signal = signals_next(client->signals);
        client->detail = signals_name(client->signal);
        end(client, TCP_ENDING_LOCAL_CLOSE, 0, NULL);
        return;
    }
    if (fds[OUTPUT].revents)
        print(client);
    if (client->hung && is_empty(&client->down))
        client->hung = false;
    if (client->settings->blocking && fds[SOCKET].events == POLLRDHUP && fds[SOCKET].revents)
        note(client, fds[SOCKET].revents);
    else if (fds[SOCKET].revents && !client->over)
        on_socket(client, fds[SOCKET].revents);
    if (fds[INPUT].revents && !client->over)
        read_input(client);
    if (!client->over)
        on_time(client);
    shut_if_done(client);
}

static void run(struct client *client) {
    const int copy = nonblocking_copy(client->settings->out);

    client->out = copy >= 0 ? copy : client->settings->out;
    client->now_ns = client->connected_ns = client->next_text_ns = clock_now();
    emit_connected(client);
    while (!client->over)
        step(client);
    print_rest(client);
    if (client->outcome.result == CLIENT_ENDED)
        emit_ending(client, ENDPOINT_CLOSED, client->outcome.ending, client->outcome.error,
                    client->outcome.call);
    if (copy >= 0)
        close(copy);
}

struct client_outcome client_run(const struct client_settings *settings) {
    struct client_outcome outcome = {CLIENT_FAILED, TCP_ENDING_UNKNOWN, ENOMEM, "malloc"};
    struct client *client = calloc(1, sizeof(*client));

    if (!client)
        return outcome;
    client->settings = settings;
    client->signals = signals_open();
    client->fd = connect_to(settings, client->signals, &outcome);
    if (client->fd >= 0) {
        run(client);
        outcome = client->outcome;
        close(client->fd);
    }
    close(client->signals);
    free(client);
    return outcome;
}
