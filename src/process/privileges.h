/* SPDX-License-Identifier: MIT
 *
 * Gives up what is not needed any more once everything is open.
 */
#ifndef TCPWATCH_PROCESS_PRIVILEGES_H
#define TCPWATCH_PROCESS_PRIVILEGES_H

#include <stdbool.h>

/* Drops every capability for good, but those that reading other users' /proc/PID/fd and
 * /proc/PID/ns needs (CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH) where `keep_proc` is set. Returns 0,
 * or -1 with errno.
 */
int privileges_drop(bool keep_proc);

#endif
