/* SPDX-License-Identifier: MIT
 *
 * What a state means in words: what it waits for, and who has to act. Pure.
 */
#ifndef TCPWATCH_TCP_MEANING_H
#define TCPWATCH_TCP_MEANING_H

#include "tcp/state.h"

struct tcp_meaning {
    const char *waits; /* what happened and what is waited for; NULL: nothing to say */
    const char *held;  /* what the process that holds the socket has to do; follows its name */
    const char *alone; /* what goes on where no process holds it */
};

const struct tcp_meaning *tcp_meaning(enum tcp_state state);

#endif
