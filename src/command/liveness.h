/* SPDX-License-Identifier: MIT
 *
 * The options that decide when a vanished peer is noticed: an argp child that server and client
 * share.
 */
#ifndef TCPWATCH_COMMAND_LIVENESS_H
#define TCPWATCH_COMMAND_LIVENESS_H

#include "tcp/timeout.h"

#include <argp.h>

/* Its input is a struct tcp_liveness, in which 0 is what was not asked for. */
extern const struct argp liveness_argp;

#endif
