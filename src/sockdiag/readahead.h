/* SPDX-License-Identifier: MIT
 *
 * Reads dumps on threads of their own: the kernel walks its table in the reader's recv(), so that
 * two walks, or a walk and what is done with its result, otherwise take turns. sockdiag's own.
 */
#ifndef TCPWATCH_SOCKDIAG_READAHEAD_H
#define TCPWATCH_SOCKDIAG_READAHEAD_H

#include <linux/netlink.h>
#include <stddef.h>
#include <sys/types.h>

/* The kernel fills at most 32 KiB at a time (netlink_dump(), net/netlink/af_netlink.c). */
#define DATAGRAM_MAX (32 * 1024)

#define READAHEAD_DUMPS_MAX 2

struct readahead_dump {
    int fd;
    const struct nlmsghdr *request; /* to be sent first; NULL: that is done */
};

struct readahead;

/* `dumps` must outlive it. Returns NULL where a thread for each of them cannot be had: one dump is
 * then as it was, of several some may have begun. */
struct readahead *readahead_start(const struct readahead_dump *dumps, size_t count);

/* The next datagram of any of the dumps, valid until the next call. Returns its length, 0 where
 * there is no more, -1 with errno. */
ssize_t readahead_next(struct readahead *readahead, void **datagram);

/* Ends the threads; what was not read stays in the socket. */
void readahead_stop(struct readahead *readahead);

#endif
