/* SPDX-License-Identifier: MIT
 *
 * What the tracepoints are silent about, and sock_diag has to be asked for: minisocks, whose end
 * comes by a timer, and requests. trace's own.
 */
#ifndef TCPWATCH_TRACE_WAITING_H
#define TCPWATCH_TRACE_WAITING_H

#include "socket/socket.h"

/* As little as a look-up needs. */
struct waiting {
    uint64_t cookie;
    int64_t due_ns; /* when to look */
    struct address local, remote;
    uint16_t local_port, remote_port;
    uint32_t ifindex;
    uint8_t inet6, state;
};

/* A queue in which the first one is due first: a ring that grows. Zeroed it is empty. */
struct waiting_queue {
    struct waiting *ring;
    size_t first, count, size; /* size: a power of two */
};

/* Returns false where memory ran out. */
bool waiting_add(struct waiting_queue *queue, const struct socket *socket, int64_t due_ns);

/* The first one, where it is due; else NULL. It stays until it is removed. */
const struct waiting *waiting_due(const struct waiting_queue *queue, int64_t now_ns);
void waiting_remove(struct waiting_queue *queue);

/* A socket as sockdiag_lookup() wants it. */
struct socket waiting_socket(const struct waiting *waiting);

/* Puts them in order again where they were added in another. */
void waiting_sort(struct waiting_queue *queue);
void waiting_clear(struct waiting_queue *queue);
void waiting_free(struct waiting_queue *queue);

#endif
