/* SPDX-License-Identifier: MIT
 *
 * The table of scenarios: what is done, in which order, and what must be seen. lab's own.
 */
#ifndef TCPWATCH_LAB_SCENARIO_H
#define TCPWATCH_LAB_SCENARIO_H

#include "endpoint/client.h"
#include "endpoint/server.h"
#include "lab/lab.h"

enum action {
    STEP_END = 0, /* of the steps */

    STEP_SERVE,        /* starts the server */
    STEP_CONNECT,      /* starts the client, and waits until it is connected */
    STEP_TRY,          /* starts the client */
    STEP_SAY,          /* the client sends a line */
    STEP_ECHO,         /* the same, and it has come back */
    STEP_END_INPUT,    /* the client has nothing more to send: its FIN goes out */
    STEP_SIGNAL,       /* to the process at `host`: `value` */
    STEP_SIGNAL_CHILD, /* to the process that serves the connection: `value` */

    STEP_CRASH, /* the host goes off, and its processes with it */
    STEP_BOOT,  /* and comes back */
    STEP_DROP,  /* the router drops what is for `host` */
    STEP_HOLD,  /* it keeps it for a while */
    STEP_RELEASE,
    STEP_FORGET, /* it has to ask for `host` again */
    STEP_UNROUTE,

    STEP_PAUSE,        /* `value` milliseconds */
    STEP_AWAIT_STATE,  /* the end at `host` is in state `value`, or was */
    STEP_AWAIT_LEAVE,  /* it is not in state `value` any more, after it was */
    STEP_OUTWAIT,      /* the same, with --real-time; without, it is looked at for a moment */
    STEP_AWAIT_TOLD,   /* the process at `host` is told of the end */
    STEP_AWAIT_CLOSED, /* it is done with the connection */
    STEP_AWAIT_WINDOW, /* the end at `host` says that its window is closed */
    STEP_WATCH,        /* nothing happens for `value` milliseconds */
};

struct step {
    enum action action;
    enum lab_host host;
    int value;
};

#define SCENARIO_STEPS_MAX 20

struct scenario {
    struct lab_scenario shown; /* first, so that a pointer to it is one to the whole */
    struct server_settings server;
    struct client_settings client;
    const char *server_setting[2]; /* one more of its host, by its whole name, and the value */
    struct step steps[SCENARIO_STEPS_MAX];

    /* What must be seen: the states of both ends in their order, ... */
    struct lab_state states[2][LAB_STATES_MAX];
    /* ... who is told first, and what, ... */
    bool tells;
    enum lab_host teller;
    struct lab_told told;
    /* ... a segment with these flags from this end; 0: none in particular; ... */
    enum lab_host sender;
    uint8_t flags;
    /* ... and that in the end the server's host does not have the connection, or has its window
     * closed. */
    bool forgotten, closed;
};

#endif
