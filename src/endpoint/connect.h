/* SPDX-License-Identifier: MIT
 *
 * From a name to a connected socket: its addresses are tried in order. endpoint's own.
 */
#ifndef TCPWATCH_ENDPOINT_CONNECT_H
#define TCPWATCH_ENDPOINT_CONNECT_H

#include "endpoint/client.h"

/* Connects, and tells of its options and of each address that fails. Returns the descriptor, which
 * does not block, or -1 with `outcome`. `signals` is readable when a signal ends the attempt. */
int connect_to(const struct client_settings *settings, int signals, struct client_outcome *outcome);

#endif
