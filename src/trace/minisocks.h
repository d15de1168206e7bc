/* SPDX-License-Identifier: MIT
 *
 * Which minisock stands between two ends: a connection that takes its addresses has ended it, of
 * which no tracepoint tells. trace's own.
 */
#ifndef TCPWATCH_TRACE_MINISOCKS_H
#define TCPWATCH_TRACE_MINISOCKS_H

#include "socket/socket.h"

/* A table; NULL is empty. */
struct minisock;

/* Where memory runs out it is left out. */
void minisocks_add(struct minisock **table, const struct socket *minisock);

/* It is over. */
void minisocks_remove(struct minisock **table, const struct socket *minisock);

/* The cookie of the one that this socket has taken the addresses of, which is then forgotten; 0:
 * there was none. */
uint64_t minisocks_replace(struct minisock **table, const struct socket *socket);

void minisocks_clear(struct minisock **table);

#endif
