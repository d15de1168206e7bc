/* SPDX-License-Identifier: MIT
 *
 * Which minisock stands between two ends: a connection that takes its addresses has ended it, of
 * which no tracepoint tells. trace's own.
 */
#ifndef TCPWATCH_TRACE_MINISOCKS_H
#define TCPWATCH_TRACE_MINISOCKS_H

#include "socket/socket.h"

/* Empty where it is zero. */
struct minisocks {
    struct minisock *table;
    uint32_t at_port[UINT16_MAX + 1]; /* how many, by their local ports: most that connect have
                                         another */
};

/* Where memory runs out it is left out. */
void minisocks_add(struct minisocks *minisocks, const struct socket *socket);

/* It is over. */
void minisocks_remove(struct minisocks *minisocks, const struct socket *socket);

/* The cookie of the one that this socket has taken the addresses of, which is then forgotten; 0:
 * there was none. */
uint64_t minisocks_replace(struct minisocks *minisocks, const struct socket *socket);

void minisocks_clear(struct minisocks *minisocks);

#endif
