/* SPDX-License-Identifier: MIT
 *
 * A scenario under way: what its steps and its observers share. lab's own.
 */
#ifndef TCPWATCH_LAB_RUN_H
#define TCPWATCH_LAB_RUN_H

#include "lab/network.h"
#include "lab/role.h"
#include "lab/runner.h"
#include "lab/timeline.h"
#include "lab/watcher.h"

/* What is to come within no time gets this long before the scenario has failed; what takes a time,
 * half as long again. */
#define RUN_PATIENCE_NS (3 * 1000000000LL)

/* The ends of the connection: the router has none. */
#define RUN_ENDS 2

/* One end of the connection: its host, its process, and what was seen of both. */
struct end {
    struct role role;
    struct watcher *watcher; /* NULL: the host is off */
    int capture;             /* -1: the same */
    /* The first connection of this host; with real timers a SYN may make another one. NULL: there
     * is none yet, or no more. */
    const struct connection *connection;
    bool over;             /* that has ended */
    enum tcp_state state;  /* that it is in; UNKNOWN: no connection */
    enum tcp_ending cause; /* that the process was told last */
    bool told, closed;     /* the process was told of the end; is done with the connection */
    bool window_closed;
    bool crashed;       /* its host went off */
    bool killed;        /* the lab has ended the process, or its connection */
    bool ended;         /* the process has ended */
    pid_t child;        /* the process that serves the connection */
    int64_t received;   /* bytes that have come back to the client */
    uint8_t sent_flags; /* mask of the flags of all segments that it sent */
};

struct run {
    const struct runner_settings *settings;
    const struct scenario *scenario;
    struct network network;
    struct end ends[RUN_ENDS];
    struct timeline timeline;
    struct lab_result result;
    struct settings in_force; /* at both ends */
    struct tcp_limits limits;
    int64_t rto_ns;
    int64_t began_ns, hurry_ns;
    int64_t mark_ns;           /* when the lab did something last */
    int64_t heard_ns;          /* when a segment came to the client last */
    int probes, probes_before; /* of the window, that it has sent; before that segment */
    int64_t told_ns;           /* when what is waited for was told last */
    int64_t lines;             /* bytes that the client was given to send */
    bool listening, connected;
};

void run_emit(struct run *run, struct lab_event *event);

/* The first failure counts, and ends the scenario. */
__attribute__((format(printf, 2, 3))) void run_fail(struct run *run, const char *format, ...);
bool run_has_failed(const struct run *run);

/* The lab does something at a host, in words. */
__attribute__((format(printf, 3, 4))) void run_did(struct run *run, enum lab_host host,
                                                   const char *format, ...);

/* The time that this connection is promised with these settings. */
int64_t run_predict(const struct run *run, const struct tcp_limits *limits);

#endif
