/* SPDX-License-Identifier: MIT
 *
 * The settings of a network namespace that decide how long TCP waits (net.ipv4.*,
 * Documentation/networking/ip-sysctl.rst). lab's own.
 */
#ifndef TCPWATCH_LAB_SETTINGS_H
#define TCPWATCH_LAB_SETTINGS_H

#include "tcp/timeout.h"

#define SETTINGS_MAX 16

/* Those of the calling thread's namespace. */
struct settings {
    long values[SETTINGS_MAX]; /* -1: this kernel does not have it */
    struct tcp_limits limits;
};

void settings_save(struct settings *settings);

/* The value of one of them by its name ("tcp_retries2"); -1: not known. */
long settings_get(const struct settings *settings, const char *name);

/* Sets all of them, in the calling thread's namespace: as they were saved, or so that everything is
 * over in seconds. Returns 0, or -1 with errno. */
int settings_restore(const struct settings *settings);
int settings_shorten(void);

#endif
