/* SPDX-License-Identifier: MIT
 *
 * Which process holds a socket: the kernel tells a socket's inode, /proc/PID/fd tells who has it
 * open. Knows processes and inodes, nothing of TCP.
 */
#ifndef TCPWATCH_PROCESS_OWNER_H
#define TCPWATCH_PROCESS_OWNER_H

#include <stdbool.h>
#include <stdint.h>

struct owner {
    uint32_t pid;     /* 0: no process, or none that may be seen; else the lowest that holds it,
                       * but a wanted one before others */
    uint16_t holders; /* how many processes hold it (a fork shares its parent's sockets) */
    char name[16];    /* /proc/PID/comm: untrusted bytes, NUL-terminated */
};

struct owners;

/* One part in so many of the time does not show. */
#define OWNERS_SHARE 200

/* Where a socket is younger than what was read, /proc is read again, but for long in no more than
 * one part in `share` of the time. `wanted` is a pid or a name: where such a process is among those
 * that hold a socket, it is the owner; or NULL. It is kept, not copied. Returns NULL with errno. */
struct owners *owners_new(unsigned share, const char *wanted);
void owners_free(struct owners *owners);

/* Forgets what was read, so that the next owners_find() reads /proc again; the other only what is
 * old, and where that may be read again. */
void owners_forget(struct owners *owners);
void owners_forget_old(struct owners *owners);

/* Finds who holds the inode. A socket that is not known yet makes it read /proc: first the
 * processes that owned what was asked for before, then, where it is none of theirs, all. Another
 * holder besides them is then not counted. Returns false, and an empty owner, where nobody is seen
 * to hold it. */
bool owners_find(struct owners *owners, uint32_t inode, struct owner *owner);

/* The same without reading anything; and whether owners_find() would. */
bool owners_recall(struct owners *owners, uint32_t inode, struct owner *owner);
bool owners_may_read(const struct owners *owners);

/* Reads what is left of /proc, where that does not take more of the time than it may. Returns
 * whether all holders are counted then. */
bool owners_read_rest(struct owners *owners);

/* The errno of /proc that could not be read when last tried; 0: it could. */
int owners_error(const struct owners *owners);

/* Whether there was a process that may not be looked at. */
bool owners_denied(const struct owners *owners);

/* Whether `wanted` is this owner's pid or its name. */
bool owner_is(const struct owner *owner, const char *wanted);

#endif
