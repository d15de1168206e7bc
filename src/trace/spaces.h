/* SPDX-License-Identifier: MIT
 *
 * The sock_diag tables that a trace asks: of one network namespace, or of each on this host, found
 * by its inode number. trace's own.
 */
#ifndef TCPWATCH_TRACE_SPACES_H
#define TCPWATCH_TRACE_SPACES_H

#include "sockdiag/sockdiag.h"

struct spaces;

/* Of the calling thread's namespace, or of all. Returns NULL with errno; EPERM: all takes
 * CAP_SYS_ADMIN. */
struct spaces *spaces_new(bool all);
void spaces_free(struct spaces *spaces);

/* As sockdiag_lookup(), in the socket's namespace; -1 also where that cannot be asked: the last
 * process has left it and it has no name, which is no word of what is in it. */
int spaces_lookup(struct spaces *spaces, const struct socket *socket, struct socket *found);

/* As sockdiag_dump(), one namespace after the other; which one is in each socket. One that may not
 * be entered is passed over. */
int spaces_dump(struct spaces *spaces, const struct filter *filter, uint32_t states,
                sockdiag_take *take, void *into);

/* A netlink socket keeps its namespace alive: closes those that have been open for a while. */
void spaces_rest(struct spaces *spaces, int64_t now_ns);

#endif
