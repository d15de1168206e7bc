/* SPDX-License-Identifier: MIT
 *
 * The signals that end server and client, as a descriptor beside their sockets. endpoint's own.
 */
#ifndef TCPWATCH_ENDPOINT_SIGNALS_H
#define TCPWATCH_ENDPOINT_SIGNALS_H

/* Blocks SIGTERM, SIGINT and SIGCHLD in the calling thread and returns a signalfd of them, which
 * does not block; -1 with errno. */
int signals_open(void);

/* Reads the number of the next one that has come; 0: none has. */
int signals_next(int signals);

/* "SIGTERM", "SIGINT"; NULL for 0. */
const char *signals_name(int number);

/* Gives SIGTERM and SIGINT back their usual effect: they end the process. */
void signals_release(void);

/* Takes it from them again. */
void signals_hold(void);

#endif
