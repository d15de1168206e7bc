/* SPDX-License-Identifier: MIT
 *
 * The real server and the real client, each in a process of its own on the host of the calling
 * thread, and what they report. lab's own.
 */
#ifndef TCPWATCH_LAB_ROLE_H
#define TCPWATCH_LAB_ROLE_H

#include "endpoint/client.h"
#include "endpoint/server.h"
#include "lab/lab.h"

/* An event of an end, without what it only points to. */
struct role_report {
    int64_t at_ns;
    struct lab_told told;
    struct tcp_limits limits; /* as in the event, where it has any */
    int64_t rto_ns, after_ns, noticed_ns;
};

struct role {
    pid_t pid;   /* 0: not started */
    int reports; /* a descriptor, see role_next() */
    int input;   /* what is written here the client sends; -1: it has ended */
    int output;  /* what comes back to the client is read here, without waiting */
};

/* The settings' emit and `in` are set here. Returns 0, or -1 with errno. */
int role_start_server(struct role *role, const struct server_settings *settings);
int role_start_client(struct role *role, const struct client_settings *settings);

/* Reads the next report, without waiting. Returns false where none is left. */
bool role_next(const struct role *role, struct role_report *report);

/* Closes the client's input: the end of what it sends. */
void role_end_input(struct role *role);

#endif
