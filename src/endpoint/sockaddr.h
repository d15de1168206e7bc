/* SPDX-License-Identifier: MIT
 *
 * Between the system's socket addresses, text, and the record that the other rooms know.
 */
#ifndef TCPWATCH_ENDPOINT_SOCKADDR_H
#define TCPWATCH_ENDPOINT_SOCKADDR_H

#include "socket/socket.h"

#include <sys/socket.h>

/* Reads an IP address as people write it, a link-local one with its device ("fe80::1%eth0"); the
 * port is 0. Returns false for anything else. */
bool sockaddr_parse(const char *text, struct sockaddr_storage *sockaddr);
void sockaddr_set_port(struct sockaddr_storage *sockaddr, uint16_t port);

/* The length that bind() and connect() want. */
socklen_t sockaddr_len(const struct sockaddr_storage *sockaddr);

/* Fills family, device and the remote end. */
void sockaddr_set_remote(const struct sockaddr_storage *sockaddr, struct socket *socket);

/* Fills in what the kernel tells of a TCP socket: both ends, cookie, state and, with
 * SOCKET_HAS_INFO, the timeout of its retransmissions. What it does not tell stays 0. */
void sockaddr_describe(int fd, struct socket *socket);

/* Writes "192.0.2.1" or "fe80::1%eth0". */
#define SOCKADDR_TEXT_SIZE 64
void sockaddr_text(const struct sockaddr *sockaddr, char text[SOCKADDR_TEXT_SIZE]);

#endif
