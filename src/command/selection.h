/* SPDX-License-Identifier: MIT
 *
 * The options that say what to look at: an argp child that monitor and list share.
 */
#ifndef TCPWATCH_COMMAND_SELECTION_H
#define TCPWATCH_COMMAND_SELECTION_H

#include "filter/filter.h"
#include "netns/netns.h"

#include <argp.h>

struct selection {
    struct filter filter;
    const char *process;    /* pid or name; NULL: anybody's */
    const char *address;    /* the last that was given; NULL: none */
    const char *netns_name; /* as it was given; NULL: this namespace */
    bool all_netns;         /* every one of this host */
    struct netns netns;     /* open where it was given, until selection_enter() */
    bool no_owner;          /* do not show owners */
    const char *program;    /* and the command */
};

/* Its input is a struct selection. */
extern const struct argp selection_argp;

/* Whether owners have to be looked up, to be shown or to select by. */
bool selection_needs_owners(const struct selection *selection);

/* Refuses --netns=all, and exits. */
_Noreturn void selection_refuse_all_netns(const struct selection *selection, const char *why);

/* Enters the network namespace where one was given, and finds the devices of the addresses in it.
 * Says on stderr why it could not; returns whether it is done. Exits where a device is unknown. */
bool selection_enter(struct selection *selection);

void selection_free(struct selection *selection);

#endif
