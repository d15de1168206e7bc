/* SPDX-License-Identifier: MIT */
#include "endpoint/server.h"

#include "endpoint/listener.h"
#include "endpoint/liveness.h"
#include "endpoint/session.h"
#include "endpoint/signals.h"
#include "endpoint/sockaddr.h"
#include "units/clock.h"
#include "units/duration.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utlist.h>

#define EVENTS_MAX 256

/* So many connections are accepted before those that stand have their turn. */
#define ACCEPTS_MAX 64

/* After an error of accept() that may pass by itself. */
#define RETRY_NS NS_PER_S

/* How long a slow reader of the events is left alone. */
#define LEFT_NS (100 * NS_PER_MS)

struct server {
    struct session_loop loop;
    int listener; /* -1: a child's server has none */
    int signals;  /* a signalfd */
    struct session *sessions;
    struct session *quiet; /* the same sessions, by their last activity */
    size_t open;
    struct socket socket; /* the listener's */
    bool paused;          /* it accepts no more for now */
    int64_t retry_ns;     /* when it tries again; 0: when a session ends */
    uint32_t said;        /* mask of the pauses that were told, see pause_accepting() */
    bool left;            /* not all events are written */
    bool stopping;
    bool unread; /* nobody reads the events any more */
    int signal;  /* the one that stopped it; 0: none did */
    int64_t began_ns, accepted, sent, received;
};

static int add_to_epoll(struct server *server, int fd, void *tag) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = tag};

    return epoll_ctl(server->loop.epoll, EPOLL_CTL_ADD, fd, &event);
}

static void emit(struct server *server, struct endpoint_event *event) {
    const struct server_settings *settings = server->loop.settings;

    event->at_ns = server->loop.now_ns;
    if (!server->unread && !settings->emit(settings->into, event))
        server->unread = server->stopping = true;
}

static struct server *server_new(const struct server_settings *settings) {
    struct server *server = calloc(1, sizeof(*server));

    if (!server)
        return NULL;
    server->listener = server->signals = -1;
    server->loop.settings = settings;
    server->loop.epoll = epoll_create1(EPOLL_CLOEXEC);
    server->loop.now_ns = server->began_ns = clock_now();
    return server;
}

struct server *server_open(const struct server_settings *settings, const char **failed) {
    struct server *server = server_new(settings);
    int error;

    *failed = "epoll_create1";
    if (!server)
        return NULL;
    if (server->loop.epoll < 0)
        goto fail;
    server->listener = listener_open(settings, failed);
    if (server->listener < 0)
        goto fail;
    *failed = "epoll_ctl";
    server->signals = signals_open();
    if (server->signals < 0 || add_to_epoll(server, server->listener, &server->listener) < 0 ||
        add_to_epoll(server, server->signals, &server->signals) < 0)
        goto fail;
    sockaddr_describe(server->listener, &server->socket);
    return server;
fail:
    error = errno;
    server_free(server);
    errno = error;
    return NULL;
}

void server_free(struct server *server) {
    if (!server)
        return;
    if (server->listener >= 0)
        close(server->listener);
    if (server->signals >= 0)
        close(server->signals);
    if (server->loop.epoll >= 0)
        close(server->loop.epoll);
    free(server);
}

/* Accepting, and pausing where there is no room for more. */

static void watch_listener(struct server *server, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = &server->listener};

    epoll_ctl(server->loop.epoll, EPOLL_CTL_MOD, server->listener, &event);
}

/* Accepts no more until a session ends or, for what others may have used up, a second passes. Those
 * who connect wait in the backlog. error: what has run out; 0: the connections allowed. */
static void pause_accepting(struct server *server, int error) {
    static const int told[] = {0, EMFILE, ENFILE, ENOBUFS, ENOMEM, EAGAIN};
    struct endpoint_event event = {
        .kind = ENDPOINT_PAUSED, .error = error, .open = (int64_t)server->open};

    watch_listener(server, 0);
    server->paused = true;
    server->retry_ns = error ? server->loop.now_ns + RETRY_NS : 0;
    for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++)
        if (told[i] == error && !(server->said & 1u << i)) {
            server->said |= 1u << i;
            emit(server, &event);
        }
}

static void resume_accepting(struct server *server) {
    if (!server->paused || server->stopping)
        return;
    server->paused = false;
    server->retry_ns = 0;
    watch_listener(server, EPOLLIN);
}

/* Whether accept() failed for want of something that this side has to get back first. Everything
 * else is an error of the connection that was to be accepted (man 2 accept). */
static bool is_shortage(int error) {
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static void insert(struct server *server, struct session *session) {
    DL_APPEND(server->sessions, session);
    DL_APPEND2(server->quiet, session, quiet_prev, quiet_next);
    server->open++;
}

static void drop(struct server *server, struct session *session) {
    DL_DELETE(server->sessions, session);
    DL_DELETE2(server->quiet, session, quiet_prev, quiet_next);
    server->open--;
    session_free(&server->loop, session);
    resume_accepting(server);
}

static void emit_closed(struct server *server, const struct session *session, const char *detail) {
    const struct session_record *record = session->record;
    struct socket socket = session->socket;
    struct endpoint_event event = {
        .kind = ENDPOINT_CLOSED,
        .socket = &socket,
        .pid = session->pid,
        .cause = record->cause,
        .error = record->error,
        .syscall = record->syscall,
        .detail = detail ? detail : record->detail,
        .after_ns = server->loop.now_ns - record->began_ns,
        .noticed_ns = record->sent_ns ? server->loop.now_ns - record->sent_ns : -1,
        .fin_unseen_ns = -1,
        .sent = record->sent,
        .received = record->received,
        .reset_sent = record->leave.reset,
        .not_read = record->leave.not_read,
    };

    socket.state = (uint8_t)record->leave.state;
    emit(server, &event);
}

/* Accounts for a session that is over, and forgets it. */
static void finish(struct server *server, struct session *session, const char *detail) {
    struct session_record *record = session->record;

    server->sent += record->sent;
    server->received += record->received;
    if (session->fd >= 0)
        record->leave = leave_look(session->fd, record->error, server->loop.settings->reset);
    if (server->listener >= 0)
        emit_closed(server, session, detail);
    if (record != &session->own && session->fd < 0)
        munmap(record, sizeof(*record));
    drop(server, session);
}

/* The fork model: a process of its own serves the session, and the parent keeps the account. */

/* What the child does. Its server has one session and no listener. A signal ends it as it ends the
 * parent's: between two steps, and in the way that the settings say. */
static _Noreturn void serve_in_child(const struct server *parent, struct session *session) {
    const struct server_settings *settings = parent->loop.settings;
    struct server *server = server_new(settings);

    close(parent->listener);
    close(parent->signals);
    close(parent->loop.epoll);
    if (!server || server->loop.epoll < 0 || session_watch(&server->loop, session) < 0)
        _exit(1);
    server->signals = signals_open();
    if (server->signals < 0 || add_to_epoll(server, server->signals, &server->signals) < 0)
        _exit(1);
    session->pid = getpid();
    insert(server, session);
    server_run(server);
    _exit(0);
}

/* Returns -1 with errno. */
static int hand_to_child(struct server *server, struct session *session) {
    void *shared = mmap(NULL, sizeof(*session->record), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (shared == MAP_FAILED)
        return -1;
    session->record = shared;
    *session->record = session->own;
    session->pid = fork();
    if (session->pid == 0)
        serve_in_child(server, session);
    if (session->pid < 0) {
        munmap(shared, sizeof(*session->record));
        session->record = &session->own;
        return -1;
    }
    close(session->fd);
    session->fd = -1;
    return 0;
}

static void emit_accepted(struct server *server, const struct session *session) {
    struct endpoint_event event = {
        .kind = ENDPOINT_ACCEPTED,
        .socket = &session->socket,
        .pid = session->pid,
    };

    emit(server, &event);
}

/* Nobody can serve it: it is closed at once. Returns false. */
static bool turn_away(struct server *server, struct session *session, int error) {
    session->pid = getpid();
    session->record->cause = TCP_ENDING_LOCAL_CLOSE;
    session->record->error = error;
    session->record->syscall = server->loop.settings->fork ? "fork" : "epoll_ctl";
    finish(server, session, NULL);
    pause_accepting(server, error);
    return false;
}

/* Returns whether another one may be accepted. */
static bool accept_one(struct server *server) {
    const struct server_settings *settings = server->loop.settings;
    struct sockaddr_storage peer;
    socklen_t len = sizeof(peer);
    const int fd =
        accept4(server->listener, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct session *session;
    int error = 0;

    if (fd < 0) {
        if (is_shortage(errno))
            pause_accepting(server, errno);
        return !is_shortage(errno) && errno != EAGAIN;
    }
    session = session_new(fd, &peer, server->loop.now_ns);
    if (!session) {
        pause_accepting(server, ENOMEM);
        return false;
    }
    if ((settings->fork ? hand_to_child(server, session) : session_watch(&server->loop, session)) <
        0)
        error = errno;
    server->accepted++;
    insert(server, session);
    emit_accepted(server, session);
    if (error)
        return turn_away(server, session, error);
    if (settings->max_connections && server->open >= settings->max_connections)
        pause_accepting(server, 0);
    return !server->paused;
}

static void accept_some(struct server *server) {
    for (int i = 0; i < ACCEPTS_MAX && !server->stopping; i++)
        if (!accept_one(server))
            break;
}

/* Ending. */

/* detail: what made it so, a string that stays; or NULL. */
static void close_from_here(struct server *server, struct session *session, const char *detail) {
    session->record->cause = TCP_ENDING_LOCAL_CLOSE;
    session->record->detail = detail;
    finish(server, session, NULL);
}

static struct session *session_of(const struct server *server, pid_t pid) {
    struct session *session;

    DL_FOREACH(server->sessions, session) {
        if (session->pid == pid)
            return session;
    }
    return NULL;
}

/* A child has ended. One that did not say why was killed, and its kernel closed the connection. */
static void reap(struct server *server, pid_t pid, int status) {
    struct session *session = session_of(server, pid);
    char detail[80] = "";

    if (!session)
        return;
    if (WIFSIGNALED(status))
        snprintf(detail, sizeof(detail), "its process %d was ended by signal %d (%s)", (int)pid,
                 WTERMSIG(status), strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status))
        snprintf(detail, sizeof(detail), "its process %d failed", (int)pid);
    else if (session->record->signal && !server->stopping)
        snprintf(detail, sizeof(detail), "its process was ended by %s",
                 signals_name(session->record->signal));
    else if (session->record->signal) /* by this process, as it ends itself */
        session->record->detail = signals_name(server->signal);
    if (*detail)
        session->record->cause = TCP_ENDING_LOCAL_CLOSE;
    finish(server, session, *detail ? detail : NULL);
}

/* One SIGCHLD may stand for many children. */
static void reap_all(struct server *server, int options) {
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, options)) > 0)
        reap(server, pid, status);
}

static void end_children(struct server *server) {
    struct session *session;

    DL_FOREACH(server->sessions, session) {
        kill(session->pid, SIGTERM);
    }
    reap_all(server, 0);
}

static void read_signals(struct server *server) {
    int number;

    while ((number = signals_next(server->signals)) != 0) {
        if (number == SIGCHLD) {
            reap_all(server, WNOHANG);
        } else {
            server->stopping = true;
            server->signal = number;
        }
    }
}

static void emit_shutdown(struct server *server) {
    struct endpoint_event event = {
        .kind = ENDPOINT_SHUTDOWN,
        .socket = &server->socket,
        .pid = getpid(),
        .signal = server->signal,
        .after_ns = server->loop.now_ns - server->began_ns,
        .open = (int64_t)server->open,
        .accepted = server->accepted,
    };
    struct session *session, *next;

    signals_release(); /* a second signal ends the process at once */
    close(server->listener);
    if (server->loop.settings->fork)
        end_children(server);
    DL_FOREACH_SAFE(server->sessions, session, next) {
        close_from_here(server, session, signals_name(server->signal));
    }
    event.sent = server->sent;
    event.received = server->received;
    emit(server, &event);
    server->listener = -1;
}

/* Time. */

/* The session that a time ends next, and when; NULL: there is none. */
static struct session *next_to_expire(const struct server *server, int64_t *at_ns,
                                      const char **detail) {
    const struct server_settings *settings = server->loop.settings;
    struct session *next = NULL;

    /* A child counts its own time. */
    if (!server->sessions || server->sessions->fd < 0)
        return NULL;
    if (settings->close_after_ns) {
        next = server->sessions;
        *at_ns = next->record->began_ns + settings->close_after_ns;
        *detail = "--close-after";
    }
    if (settings->idle_timeout_ns &&
        (!next || server->quiet->record->active_ns + settings->idle_timeout_ns < *at_ns)) {
        next = server->quiet;
        *at_ns = next->record->active_ns + settings->idle_timeout_ns;
        *detail = "--idle-timeout";
    }
    return next;
}

static void expire(struct server *server) {
    struct session *session;
    const char *detail;
    int64_t at_ns;

    while ((session = next_to_expire(server, &at_ns, &detail)) && at_ns <= server->loop.now_ns)
        close_from_here(server, session, detail);
    if (server->retry_ns && server->retry_ns <= server->loop.now_ns)
        resume_accepting(server);
}

/* Milliseconds until something is due, rounded up; -1: nothing is. */
static int wait_ms(const struct server *server) {
    const char *detail;
    int64_t at_ns = INT64_MAX, left_ms;

    if (!next_to_expire(server, &at_ns, &detail))
        at_ns = INT64_MAX;
    if (server->retry_ns && server->retry_ns < at_ns)
        at_ns = server->retry_ns;
    if (server->left && server->loop.now_ns + LEFT_NS < at_ns)
        at_ns = server->loop.now_ns + LEFT_NS;
    if (at_ns == INT64_MAX)
        return -1;
    left_ms = (at_ns - clock_now() + NS_PER_MS - 1) / NS_PER_MS;
    return left_ms < 0 ? 0 : left_ms > INT32_MAX ? INT32_MAX : (int)left_ms;
}

static void handle(struct server *server, const struct epoll_event *event) {
    struct session *session = event->data.ptr;

    if (event->data.ptr == &server->listener) {
        accept_some(server);
    } else if (event->data.ptr == &server->signals) {
        read_signals(server);
    } else if (!session_ready(&server->loop, session)) {
        finish(server, session, NULL);
    } else if (session->record->active_ns == server->loop.now_ns) {
        DL_DELETE2(server->quiet, session, quiet_prev, quiet_next);
        DL_APPEND2(server->quiet, session, quiet_prev, quiet_next);
    }
}

static void emit_listening(struct server *server) {
    struct tcp_liveness liveness;
    struct tcp_limits limits;
    struct endpoint_event event = {
        .kind = ENDPOINT_LISTENING,
        .socket = &server->socket,
        .pid = getpid(),
        .liveness = &liveness,
        .limits = &limits,
        .idle_timeout_ns = server->loop.settings->idle_timeout_ns,
    };

    liveness_get(server->listener, &liveness);
    limits_get(&limits);
    emit(server, &event);
}

int server_run(struct server *server) {
    struct epoll_event events[EVENTS_MAX];

    if (server->listener >= 0)
        emit_listening(server);
    while (!server->stopping && (server->listener >= 0 || server->sessions)) {
        const int count = epoll_wait(server->loop.epoll, events, EVENTS_MAX, wait_ms(server));

        if (count < 0 && errno != EINTR)
            return -1;
        server->loop.now_ns = clock_now();
        for (int i = 0; i < count; i++)
            handle(server, &events[i]);
        expire(server);
        server->left =
            server->listener >= 0 && server->loop.settings->left(server->loop.settings->into);
    }
    if (server->listener >= 0) {
        emit_shutdown(server);
    } else if (server->sessions) {
        server->sessions->record->signal = server->signal;
        close_from_here(server, server->sessions, NULL);
    }
    return 0;
}
