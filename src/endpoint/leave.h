/* SPDX-License-Identifier: MIT
 *
 * What close() comes to: a FIN, or a RST. endpoint's own.
 */
#ifndef TCPWATCH_ENDPOINT_LEAVE_H
#define TCPWATCH_ENDPOINT_LEAVE_H

#include "tcp/state.h"

#include <stdbool.h>

struct leave {
    enum tcp_state state; /* of the connection, still; UNKNOWN: the kernel does not tell */
    bool reset;           /* close() sends a RST */
    int not_read;         /* bytes that have come and nobody has read */
};

/* Looks at the socket of a connection that is about to be closed: at_once by SO_LINGER 0. error:
 * errno where the connection has failed already, or 0. */
struct leave leave_look(int fd, int error, bool at_once);

#endif
