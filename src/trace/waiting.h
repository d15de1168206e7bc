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
    int64_t since_ns, due_ns; /* since when it stands, and when to look */
    int64_t expires_ns;       /* when it is over for sure, if it cannot be looked for */
    struct address local, remote;
    uint16_t local_port, remote_port;
    uint32_t ifindex, netns;
    uint8_t inet6, state;
};

/* A heap: the first one is due first. Zeroed it is empty. */
struct waiting_queue {
    struct waiting *heap;
    size_t count, size;
};

/* Returns false where memory ran out. */
bool waiting_add(struct waiting_queue *queue, const struct waiting *waiting);

/* Takes the first one out, where it is due. */
bool waiting_take(struct waiting_queue *queue, int64_t now_ns, struct waiting *first);

/* For that socket; the moments are the caller's to set. */
struct waiting waiting_for(const struct socket *socket);

/* A socket as sockdiag_lookup() wants it. */
struct socket waiting_socket(const struct waiting *waiting);

/* Empties it, and frees what it took. */
void waiting_clear(struct waiting_queue *queue);

#endif
