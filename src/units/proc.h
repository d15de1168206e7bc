/* SPDX-License-Identifier: MIT
 *
 * Small files of /proc, and the kernel's settings in it by their names ("net.ipv4.ip_forward").
 */
#ifndef TCPWATCH_UNITS_PROC_H
#define TCPWATCH_UNITS_PROC_H

#include <stdbool.h>
#include <stdint.h>

/* Whether it was descriptors or memory that ran out, and not the process that is gone, or somebody
 * else's. */
bool proc_shortage(int error);

/* Writes the text at once, as the kernel wants it. Returns 0, or -1 with errno. */
int proc_write(const char *path, const char *text);

/* Reads a setting that is a whole number. Returns false where it is none, or is not there. */
bool sysctl_read(const char *name, int64_t *value);
/* As proc_write(). */
int sysctl_write(const char *name, const char *value);

#endif
