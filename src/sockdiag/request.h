/* SPDX-License-Identifier: MIT
 *
 * A filter becomes a sock_diag request, its INET_DIAG bytecode and the socket filter for the
 * destroy groups. Bytes only, nothing is sent. sockdiag's own: other rooms include
 * sockdiag/sockdiag.h.
 */
#ifndef TCPWATCH_SOCKDIAG_REQUEST_H
#define TCPWATCH_SOCKDIAG_REQUEST_H

#include "filter/filter.h"

#include <linux/filter.h>
#include <linux/netlink.h>

/* Longest bytecode sent: a jump is 16 bits wide, and so is the attribute's length. */
#define BYTECODE_MAX 32000

/* Writes the program that the kernel runs on each socket (inet_diag_bc_run(),
 * net/ipv4/inet_diag.c). Returns its length, 0 where everything passes or the filter is longer than
 * `size`: the reader holds every reply against the filter again, so that the kernel may let more
 * through. */
size_t request_bytecode(const struct filter *filter, void *code, size_t size);

/* A dump of both families in one walk of the kernel's table: TCPDIAG_GETSOCK, which
 * SOCK_DIAG_BY_FAMILY cannot. `buffer` holds REQUEST_SIZE bytes. */
#define REQUEST_SIZE (BYTECODE_MAX + 512)
struct nlmsghdr *request_dump(void *buffer, const struct filter *filter, uint32_t states,
                              uint32_t seq);

/* An exact look-up by addresses, ports, device and, where it is not 0, cookie. */
struct nlmsghdr *request_lookup(void *buffer, const struct socket *socket, uint32_t seq);

/* The most instructions of request_destroy_filter(). */
#define DESTROY_FILTER_MAX 512

/* A classic BPF program over one message of SKNLGRP_INET_TCP_DESTROY: passes the watched ports, and
 * messages without a remote port (a connection that was thrown away has lost its own).
 * Returns the number of instructions, 0 where every message is to pass. */
size_t request_destroy_filter(const struct filter *filter,
                              struct sock_filter program[DESTROY_FILTER_MAX]);

#endif
