/* SPDX-License-Identifier: MIT
 *
 * Gives up what is not needed any more once everything is open.
 */
#ifndef TCPWATCH_PROCESS_PRIVILEGES_H
#define TCPWATCH_PROCESS_PRIVILEGES_H

enum privileges {
    PRIVILEGES_NONE = 0,
    /* To read other users' /proc/PID/fd and /proc/PID/ns: CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH.
     */
    PRIVILEGES_PROC = 1 << 0,
    PRIVILEGES_NETNS = 1 << 1, /* To enter network namespaces: CAP_SYS_ADMIN. */
};

/* Drops every capability for good, but for those of this mask. Returns 0, or -1 with errno. */
int privileges_drop(unsigned keep);

#endif
