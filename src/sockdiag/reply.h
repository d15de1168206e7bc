/* SPDX-License-Identifier: MIT
 *
 * A sock_diag reply or destroy message becomes a socket: a pure function over bytes that anybody
 * may have sent (it is fuzzed). sockdiag's own: other rooms include sockdiag/sockdiag.h.
 */
#ifndef TCPWATCH_SOCKDIAG_REPLY_H
#define TCPWATCH_SOCKDIAG_REPLY_H

#include "socket/socket.h"

#include <linux/netlink.h>

/* Reads one message whose nlmsg_len bytes are all there. Returns false where it is no socket of an
 * IP family, or too short to be one. struct tcp_info may have any length: `has` says what was in
 * it. */
bool reply_parse(const struct nlmsghdr *message, struct socket *socket);

#endif
