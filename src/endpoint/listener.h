/* SPDX-License-Identifier: MIT
 *
 * Opens the socket that a server listens on. endpoint's own.
 */
#ifndef TCPWATCH_ENDPOINT_LISTENER_H
#define TCPWATCH_ENDPOINT_LISTENER_H

#include "endpoint/server.h"

/* Returns the descriptor, which does not block, or -1 with errno, and `failed` set to the name of
 * the call or option that failed. What accept() returns inherits the options. */
int listener_open(const struct server_settings *settings, const char **failed);

#endif
