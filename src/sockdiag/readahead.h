/* SPDX-License-Identifier: MIT
 *
 * Reads a dump on a thread of its own: the kernel walks its table in the reader's recv(), so that
 * the walk and what is done with its result otherwise take turns. sockdiag's own.
 */
#ifndef TCPWATCH_SOCKDIAG_READAHEAD_H
#define TCPWATCH_SOCKDIAG_READAHEAD_H

#include <sys/types.h>

/* The kernel fills at most 32 KiB at a time (netlink_dump(), net/netlink/af_netlink.c). */
#define DATAGRAM_MAX (32 * 1024)

struct readahead;

/* Reads on with the dump that was asked for on the descriptor. Returns NULL where a thread cannot
 * be had. */
struct readahead *readahead_start(int fd);

/* The next datagram, valid until the next call. Returns its length, 0 where there is no more, -1
 * with errno. */
ssize_t readahead_next(struct readahead *readahead, void **datagram);

/* Ends the thread; what was not read stays in the socket. */
void readahead_stop(struct readahead *readahead);

#endif
