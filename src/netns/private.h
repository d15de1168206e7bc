/* SPDX-License-Identifier: MIT
 *
 * Namespaces of one's own: a process that is root there, sees no other process and no other
 * network, and takes all that it made along when it ends. Knows nothing of TCP.
 */
#ifndef TCPWATCH_NETNS_PRIVATE_H
#define TCPWATCH_NETNS_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* As fork(): the child is the first process of a pid namespace and has a network namespace, both
 * new; without CAP_SYS_ADMIN a user namespace, too, in which it has all capabilities. When it ends
 * every process in there is killed, and it is killed when the thread that called this ends. Returns
 * -1 with errno. The child has to call private_finish() first. */
pid_t private_fork(void);

/* Makes the child root there, and its life hang on the other's. Returns 0, or -1 with errno. */
int private_finish(void);

/* Why private_fork() or what follows from it failed with `error`, where a setting of this host
 * forbids it: writes the setting and what it is, and whether that is not so for root. Returns false
 * where none is known to. */
bool private_forbidden_by(int error, char *text, size_t size, bool *for_others);

/* Makes a network namespace in which everything is down. Returns a descriptor of it, or -1 with
 * errno; the calling thread stays where it is. */
int private_netns(void);

#endif
