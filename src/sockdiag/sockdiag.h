/* SPDX-License-Identifier: MIT
 *
 * The kernel's TCP socket tables over sock_diag (man 7 sock_diag): a filter goes in, sockets come
 * out; and the messages that the kernel sends as each TCP socket is freed ("destroy").
 */
#ifndef TCPWATCH_SOCKDIAG_SOCKDIAG_H
#define TCPWATCH_SOCKDIAG_SOCKDIAG_H

#include "filter/filter.h"

struct sockdiag;

/* Opens a netlink socket in the network namespace of the calling thread. Returns NULL with errno.
 */
struct sockdiag *sockdiag_open(void);
void sockdiag_close(struct sockdiag *diag);

/* Called for each socket; returns false with errno to stop. `at_ns` is CLOCK_MONOTONIC at about the
 * time when it was read. It must not use the sockdiag that is being read: and in a long dump it is
 * called from a thread of the dump's own, with all signals blocked. */
typedef bool sockdiag_take(void *into, const struct socket *socket, int64_t at_ns);

/* Walks the kernel's table once and hands on what the filter and `states` let through. Returns:
 *   0  done
 *   1  done, but the kernel says that the table changed under the walk (NLM_F_DUMP_INTR)
 *  -1  errno: what netlink answered, or what stopped `take` */
int sockdiag_dump(struct sockdiag *diag, const struct filter *filter, uint32_t states,
                  sockdiag_take *take, void *into);

/* Looks one socket up by addresses, ports, device and, where it is not 0, cookie. Returns 1 and
 * fills `found`, 0 where it is not there any more, -1 with errno. */
int sockdiag_lookup(struct sockdiag *diag, const struct socket *socket, struct socket *found);

/* Looks for the minisock (TIME_WAIT, or an orphaned FIN_WAIT2) at the addresses of a socket that
 * was closed. Returns `found`, or NULL where there is none. */
const struct socket *sockdiag_minisock(struct sockdiag *diag, const struct socket *last,
                                       struct socket *found);

/* Subscribes a netlink socket to the destroy messages of both families, those of other ports kept
 * out by the kernel where the filter's ports fit a program. Returns NULL with errno. */
struct sockdiag *sockdiag_open_destroy(const struct filter *filter);

/* The descriptor to poll() for destroy messages. */
int sockdiag_descriptor(const struct sockdiag *diag);

/* Hands on what has been received, without waiting. A socket in it has state CLOSE and no inode;
 * one whose connection was thrown away may also have lost its remote port. Returns 0, or -1 with
 * errno; a receive buffer that overflowed is no error: see sockdiag_drops(). */
int sockdiag_read_destroy(struct sockdiag *diag, sockdiag_take *take, void *into);

/* How many destroy messages were lost for want of buffer since the socket was opened, counted by
 * the kernel after the port filter. */
uint32_t sockdiag_drops(struct sockdiag *diag);

#endif
