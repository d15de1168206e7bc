/* SPDX-License-Identifier: MIT
 *
 * Three hosts, client -- router -- server, each a network namespace; and the ways in which what is
 * between them breaks. lab's own. All of it lives on descriptors of the process.
 *
 * Every function returns 0, or -1 with errno, unless it says more.
 */
#ifndef TCPWATCH_LAB_NETWORK_H
#define TCPWATCH_LAB_NETWORK_H

#include "lab/lab.h"

#define NETWORK_DEVICE "eth0" /* of client and server */

struct network {
    int netns[LAB_HOSTS]; /* -1: not made yet, or off */
    struct rtnetlink *router;
};

/* Makes the hosts and connects them. The calling thread's namespace is one of nobody's. */
int network_make(struct network *network);

/* Moves the calling thread to a host. */
int network_enter(const struct network *network, enum lab_host host);

/* What is sent to this host vanishes in the router, and nobody says so; or arrives again. */
int network_drop(struct network *network, enum lab_host to, bool drop);

/* The router keeps what is for this host, for a second at the most, or sends it on its way. */
int network_hold(struct network *network, enum lab_host to, bool hold);

/* The host is without power: its link is dead. Who was on it stays in a namespace that is
 * connected to nothing. */
int network_turn_off(struct network *network, enum lab_host host);
/* It is there again, with the same addresses, and knows nothing. */
int network_turn_on(struct network *network, enum lab_host host);
/* Whether the router has noticed that its link to the host works: a moment after it was turned on.
 * Returns 1 or 0. */
int network_is_up(struct network *network, enum lab_host host);

/* The router has to ask for the host again, which does not answer: after 120 ms it says "host
 * unreachable". */
int network_forget(struct network *network, enum lab_host host);
/* The router has no route there any more, and says "network unreachable". */
int network_remove_route(struct network *network, enum lab_host to);

#endif
