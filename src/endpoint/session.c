/* SPDX-License-Identifier: MIT */
#include "endpoint/session.h"

#include "endpoint/sockaddr.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

struct session *session_new(int fd, const struct sockaddr_storage *peer, int64_t now_ns) {
    struct session *session = calloc(1, sizeof(*session));

    if (!session) {
        close(fd);
        errno = ENOMEM;
        return NULL;
    }
    session->fd = fd;
    session->pid = getpid();
    session->record = &session->own;
    session->own.began_ns = session->own.active_ns = now_ns;
    sockaddr_set_remote(peer, &session->socket);
    sockaddr_describe(fd, &session->socket);
    return session;
}

static int watch(struct session_loop *loop, struct session *session, int operation,
                 uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = session};

    session->watched = events;
    return epoll_ctl(loop->epoll, operation, session->fd, &event);
}

int session_watch(struct session_loop *loop, struct session *session) {
    /* A reset and a timeout are told whatever is watched. */
    return watch(loop, session, EPOLL_CTL_ADD, loop->settings->no_read ? 0 : EPOLLIN);
}

/* Notes how it ended. Returns false, as what calls it does. */
static bool end(struct session *session, enum tcp_ending cause, int error, const char *syscall) {
    session->record->cause = cause;
    session->record->error = error;
    session->record->syscall = syscall;
    return false;
}

/* A system call has failed; returns whether it only wants to be tried again. */
static bool fail(struct session *session, const char *syscall) {
    if (errno == EAGAIN || errno == EINTR)
        return true;
    return end(session, tcp_ending_of_errno(errno), errno, syscall);
}

static ssize_t send_some(struct session_loop *loop, struct session *session, const char *data,
                         size_t len) {
    const ssize_t sent = send(session->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (sent > 0) {
        session->record->sent += sent;
        session->record->sent_ns = session->record->active_ns = loop->now_ns;
    }
    return sent;
}

/* Keeps what the peer does not take now. Until it has, nothing more is read. */
static bool keep(struct session_loop *loop, struct session *session, const char *data, size_t len) {
    session->unsent = malloc(len);
    if (!session->unsent)
        return end(session, TCP_ENDING_UNKNOWN, ENOMEM, NULL);
    memcpy(session->unsent, data, len);
    session->unsent_len = len;
    session->unsent_at = 0;
    watch(loop, session, EPOLL_CTL_MOD, EPOLLOUT);
    return true;
}

static bool send_kept(struct session_loop *loop, struct session *session) {
    const ssize_t sent = send_some(loop, session, session->unsent + session->unsent_at,
                                   session->unsent_len - session->unsent_at);

    if (sent < 0)
        return fail(session, "write");
    session->unsent_at += (size_t)sent;
    if (session->unsent_at < session->unsent_len)
        return true;
    free(session->unsent);
    session->unsent = NULL;
    watch(loop, session, EPOLL_CTL_MOD, EPOLLIN);
    return true;
}

/* --hold: the peer's FIN is told, and not acted on. A child has nobody to tell. */
static bool hold(struct session_loop *loop, struct session *session) {
    const struct session_record *record = session->record;
    const struct endpoint_event event = {
        .kind = ENDPOINT_STAYING,
        .at_ns = loop->now_ns,
        .socket = &session->socket,
        .pid = session->pid,
        .cause = TCP_ENDING_PEER_CLOSE,
        .syscall = "read",
        .after_ns = loop->now_ns - record->began_ns,
        .noticed_ns = record->sent_ns ? loop->now_ns - record->sent_ns : -1,
        .fin_unseen_ns = -1,
        .sent = record->sent,
        .received = record->received,
    };

    watch(loop, session, EPOLL_CTL_MOD, 0);
    return record != &session->own || loop->settings->emit(loop->settings->into, &event);
}

static bool echo(struct session_loop *loop, struct session *session) {
    const ssize_t len = recv(session->fd, loop->buffer, sizeof(loop->buffer), MSG_DONTWAIT);
    ssize_t sent;

    if (len < 0)
        return fail(session, "read");
    if (len == 0 && loop->settings->hold)
        return hold(loop, session);
    if (len == 0)
        return end(session, TCP_ENDING_PEER_CLOSE, 0, "read");
    session->record->received += len;
    session->record->active_ns = loop->now_ns;
    sent = send_some(loop, session, loop->buffer, (size_t)len);
    if (sent < 0 && !fail(session, "write"))
        return false;
    if (sent < 0)
        sent = 0;
    return sent == len || keep(loop, session, loop->buffer + sent, (size_t)(len - sent));
}

/* Nothing is watched, so that the connection itself has failed. */
static bool learn_failure(struct session *session) {
    int error = 0;
    socklen_t len = sizeof(error);

    getsockopt(session->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    return end(session, error ? tcp_ending_of_errno(error) : TCP_ENDING_RESET, error, "epoll_wait");
}

bool session_ready(struct session_loop *loop, struct session *session) {
    if (session->unsent)
        return send_kept(loop, session);
    return session->watched ? echo(loop, session) : learn_failure(session);
}

void session_free(const struct session_loop *loop, struct session *session) {
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    if (session->fd >= 0 && loop->settings->reset)
        setsockopt(session->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    if (session->fd >= 0)
        close(session->fd);
    free(session->unsent);
    free(session);
}
