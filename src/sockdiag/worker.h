/* SPDX-License-Identifier: MIT
 *
 * Works on the datagrams of a dump in a thread of its own, in their order, while the caller reads
 * on: the kernel walks its table in the caller's recv(), so that the walk and what is done with its
 * result otherwise take turns. sockdiag's own.
 */
#ifndef TCPWATCH_SOCKDIAG_WORKER_H
#define TCPWATCH_SOCKDIAG_WORKER_H

#include <stdbool.h>
#include <stddef.h>

/* The kernel fills at most 32 KiB at a time (netlink_dump(), net/netlink/af_netlink.c). */
#define DATAGRAM_MAX (32 * 1024)

struct worker;

/* Works on one datagram. Returns false where it wants no more. */
typedef bool worker_task(void *into, void *datagram, size_t len);

/* Returns NULL where a thread cannot be had. */
struct worker *worker_start(worker_task *task, void *into);

/* Reads for it what is there to read, until it wants no more. Returns 0, or an errno: EAGAIN where
 * nothing more was there. */
int worker_feed(struct worker *worker, int fd);

/* Waits until all is worked on, and ends the thread. */
void worker_finish(struct worker *worker);

#endif
