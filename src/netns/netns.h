/* SPDX-License-Identifier: MIT
 *
 * Network namespaces: found by name, pid or path, and entered. Knows nothing of TCP.
 */
#ifndef TCPWATCH_NETNS_NETNS_H
#define TCPWATCH_NETNS_NETNS_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct netns {
    int fd;
    char path[PATH_MAX]; /* what it was opened by */
    dev_t device;
    ino_t inode;
};

/* Opens the namespace that `which` names: a path where it has a '/', else one of `ip netns`, else
 * a process id. Returns 0, or -1 with errno; EINVAL: it is there, and no network namespace. */
int netns_open(struct netns *netns, const char *which);

/* Moves the calling thread into it, through its user namespace where this user owns that one.
 * Closes the descriptor. Returns 0, or -1 with errno (EPERM: needs CAP_SYS_ADMIN). */
int netns_enter(struct netns *netns);

/* Whether its name now stands for nothing or for another namespace, and no process that may be
 * looked at is in it. Open sockets keep a namespace alive, ours too, so that it has to be asked. */
bool netns_gone(const struct netns *netns);

/* Calls `take` once for each network namespace that has a name of `ip netns`, or that a process is
 * in which may be looked at. It is open for the time of the call. Returns 0, or -1 with errno where
 * it could not go on: descriptors or memory ran out, or `take` returned false. */
int netns_each(bool (*take)(void *into, const struct netns *netns), void *into);

/* Calls `act` in that namespace, and comes back. Returns 0, or -1 with errno where the thread could
 * not go there (EPERM: it needs CAP_SYS_ADMIN) or does not come back. */
int netns_within(const struct netns *netns, void (*act)(void *into), void *into);

/* A descriptor of the calling thread's namespace; -1 with errno. */
int netns_here(void);

/* The inode number of the calling thread's namespace; 0: not known (no /proc, and no CAP_NET_ADMIN
 * to ask a socket with). */
uint64_t netns_inode(void);

#endif
