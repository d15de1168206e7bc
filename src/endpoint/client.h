/* SPDX-License-Identifier: MIT
 *
 * The line client: sends what it reads, prints what comes back, and notices at once what happens to
 * the connection meanwhile.
 */
#ifndef TCPWATCH_ENDPOINT_CLIENT_H
#define TCPWATCH_ENDPOINT_CLIENT_H

#include "endpoint/event.h"

#include <sys/socket.h>

struct client_settings {
    const char *host; /* a name or an address */
    uint16_t port;
    struct sockaddr_storage address; /* to connect from; of no family (AF_UNSPEC): any */
    int family;                      /* of the host's addresses; AF_UNSPEC: both */
    struct tcp_liveness liveness;    /* 0: left as it is */
    int64_t connect_timeout_ns;      /* for each address; 0: the kernel's */
    int64_t read_timeout_ns;         /* from what was sent to the next byte that comes, and from
                                      * this side's FIN to the peer's; 0: none */
    bool icmp_errors;                /* IP_RECVERR: an ICMP error ends the connection at once */
    bool stay;                       /* go on sending after the peer's FIN */
    bool blocking;                   /* see nothing of the connection while the terminal is read */
    const char *text;                /* sent instead of what is read; NULL: what is read */
    int64_t every_ns;                /* between two of them */
    uint64_t count;                  /* of them; 0: no end */
    int in, out;                     /* descriptors */
    endpoint_emit *emit;
    void *into;
};

/* What became of it. */
enum client_result {
    CLIENT_ENDED,       /* the connection was closed, or none was made: `ending` */
    CLIENT_NO_NAME,     /* the name is not known: `error` is of getaddrinfo() */
    CLIENT_FAILED,      /* `call` failed, with `error` (errno) */
    CLIENT_READER_GONE, /* nobody reads the output, or the events, any more */
};

struct client_outcome {
    enum client_result result;
    enum tcp_ending ending;
    int error;
    const char *call;
};

/* Connects, and runs until the connection is over. SIGTERM and SIGINT, which are blocked from then
 * on, end it from this side. SIGPIPE has to be ignored. */
struct client_outcome client_run(const struct client_settings *settings);

#endif
