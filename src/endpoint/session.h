/* SPDX-License-Identifier: MIT
 *
 * One accepted connection that is echoed: what comes is sent back, and no more is read than the
 * peer takes. endpoint's own.
 */
#ifndef TCPWATCH_ENDPOINT_SESSION_H
#define TCPWATCH_ENDPOINT_SESSION_H

#include "endpoint/leave.h"
#include "endpoint/server.h"

/* What is read at a time. One buffer serves all sessions: an idle one has none of its own. */
#define SESSION_READ_SIZE (64 * 1024)

/* What the sessions of a process share. */
struct session_loop {
    const struct server_settings *settings;
    int epoll;
    int64_t now_ns; /* when the events came that are being handled */
    char buffer[SESSION_READ_SIZE];
};

/* How a session ended, and what went through it. Where a child serves it, it stands in memory that
 * the parent shares, and so is there whatever ends the child. */
struct session_record {
    enum tcp_ending cause;
    int error;
    const char *syscall, *detail; /* as in struct endpoint_event, strings that stay */
    int signal;                   /* that ended the child; 0: none did */
    int64_t began_ns, active_ns;
    int64_t sent_ns; /* the last byte; 0: none was */
    int64_t sent, received;
    struct leave leave; /* as who serves it was about to close it; all 0: it never was */
};

struct session {
    int fd;           /* -1: a child has it */
    uint32_t watched; /* the events that epoll watches */
    char *unsent;     /* what the peer has not taken yet; NULL: nothing */
    size_t unsent_len, unsent_at;
    struct session_record *record;
    struct session_record own; /* where no child is to write it */
    struct socket socket;
    pid_t pid;                               /* of the process that serves it */
    struct session *prev, *next;             /* in the order of their beginning */
    struct session *quiet_prev, *quiet_next; /* in the order of their last activity */
};

/* Takes over the descriptor of a connection with this peer, which the socket itself does not know
 * any more where it was reset. Returns NULL with errno; the descriptor is then closed. */
struct session *session_new(int fd, const struct sockaddr_storage *peer, int64_t now_ns);

/* Has the session watched by epoll, which then returns it as data.ptr. Returns -1 with errno. */
int session_watch(struct session_loop *loop, struct session *session);

/* Echoes what there is. Returns false where the session is over: the record says how. */
bool session_ready(struct session_loop *loop, struct session *session);

/* Closes the socket, with RST where the settings say so, and frees the session. */
void session_free(const struct session_loop *loop, struct session *session);

#endif
