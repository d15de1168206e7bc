/* SPDX-License-Identifier: MIT
 *
 * Output that is shared with other processes, and yet must not keep this one waiting.
 */
#ifndef TCPWATCH_UNITS_NONBLOCKING_H
#define TCPWATCH_UNITS_NONBLOCKING_H

/* Another descriptor of the same pipe or terminal, which does not block; O_NONBLOCK on the one that
 * is there would change it for all who have it. Returns -1 where it is neither or cannot be opened.
 * A write() of any length may block on a terminal, even one that poll() calls writable. */
int nonblocking_copy(int fd);

#endif
