/* SPDX-License-Identifier: MIT
 *
 * The echo server, and the ways in which it can end its connections or leave them be.
 */
#ifndef TCPWATCH_ENDPOINT_SERVER_H
#define TCPWATCH_ENDPOINT_SERVER_H

#include "endpoint/event.h"

#include <stddef.h>
#include <sys/socket.h>

struct server_settings {
    struct sockaddr_storage address; /* of no family (AF_UNSPEC): any */
    int family;                      /* of any address; AF_UNSPEC: both */
    uint16_t port;
    struct tcp_liveness liveness; /* 0: left as it is */
    int defer_accept_s;           /* TCP_DEFER_ACCEPT: wait so long for data; 0: do not */
    bool fork;                    /* a process for each connection */
    bool reset;                   /* close with RST */
    bool hold;                    /* never close after the peer's FIN */
    bool no_read;
    int64_t close_after_ns, idle_timeout_ns; /* 0: never */
    size_t max_connections;                  /* at the same time; 0: no limit */
    endpoint_emit *emit;
    /* Called again and again while it says that something of the events is left to be written. */
    bool (*left)(void *into);
    void *into; /* of both */
};

struct server;

/* Binds and listens. `settings` must outlive the server. Returns NULL with errno, and `failed` set
 * to the name of the call or option that failed. From then on SIGTERM, SIGINT and SIGCHLD are
 * blocked; SIGPIPE has to be ignored. */
struct server *server_open(const struct server_settings *settings, const char **failed);

/* Serves until SIGTERM or SIGINT, or until nobody reads the events, then closes what is open. A
 * second signal has its usual effect. Returns 0, or -1 with errno. */
int server_run(struct server *server);

void server_free(struct server *server);

#endif
