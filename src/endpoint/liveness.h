/* SPDX-License-Identifier: MIT
 *
 * The options of a socket that decide when a vanished peer is noticed: set, and read back as they
 * are in force; and the settings of the network namespace beside them.
 */
#ifndef TCPWATCH_ENDPOINT_LIVENESS_H
#define TCPWATCH_ENDPOINT_LIVENESS_H

#include "tcp/timeout.h"

/* Sets what `wanted` has (0: leave as it is). Returns NULL, or the name of the option that the
 * kernel refused, with errno. */
const char *liveness_set(int fd, const struct tcp_liveness *wanted);

/* Reads what is in force. What cannot be read stays 0. */
void liveness_get(int fd, struct tcp_liveness *in_force);

/* Reads the settings of the calling thread's network namespace. What the kernel does not have is
 * what it does without. */
void limits_get(struct tcp_limits *limits);

#endif
