/* SPDX-License-Identifier: MIT */
#include "endpoint/sockaddr.h"

#include <linux/tcp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>

bool sockaddr_parse(const char *text, struct sockaddr_storage *sockaddr) {
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    struct address address;

    /* getaddrinfo() also takes "1" and "0x7f.1". */
    if (strchr(text, ':') == NULL && !address_parse(text, &address))
        return false;
    if (getaddrinfo(text, NULL, &hints, &found) != 0)
        return false;
    memset(sockaddr, 0, sizeof(*sockaddr));
    memcpy(sockaddr, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return true;
}

void sockaddr_set_port(struct sockaddr_storage *sockaddr, uint16_t port) {
    ((struct sockaddr_in *)sockaddr)->sin_port = htons(port); /* at the same place in both */
}

socklen_t sockaddr_len(const struct sockaddr_storage *sockaddr) {
    return sockaddr->ss_family == AF_INET ? sizeof(struct sockaddr_in)
                                          : sizeof(struct sockaddr_in6);
}

/* Reads one end; returns its device. */
static uint32_t read_end(const struct sockaddr_storage *sockaddr, struct address *address,
                         uint16_t *port) {
    const struct sockaddr_in *in = (const struct sockaddr_in *)sockaddr;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sockaddr;

    if (sockaddr->ss_family == AF_INET) {
        *address = address_from_ipv4(&in->sin_addr);
        *port = ntohs(in->sin_port);
        return 0;
    }
    *address = address_from_ipv6(&in6->sin6_addr);
    *port = ntohs(in6->sin6_port);
    return in6->sin6_scope_id;
}

void sockaddr_set_remote(const struct sockaddr_storage *sockaddr, struct socket *socket) {
    socket->inet6 = sockaddr->ss_family == AF_INET6;
    socket->ifindex = read_end(sockaddr, &socket->remote, &socket->remote_port);
}

void sockaddr_describe(int fd, struct socket *socket) {
    struct sockaddr_storage sockaddr;
    socklen_t len = sizeof(sockaddr);
    struct tcp_info info = {0};

    if (getsockname(fd, (struct sockaddr *)&sockaddr, &len) == 0) {
        socket->inet6 = sockaddr.ss_family == AF_INET6;
        socket->ifindex = read_end(&sockaddr, &socket->local, &socket->local_port);
    }
    if (!socket->inet6 && socket->remote_port == 0)
        socket->remote = address_from_ipv4(&(const struct in_addr){0});
    len = sizeof(sockaddr);
    if (getpeername(fd, (struct sockaddr *)&sockaddr, &len) == 0)
        sockaddr_set_remote(&sockaddr, socket);
    len = sizeof(socket->cookie);
    getsockopt(fd, SOL_SOCKET, SO_COOKIE, &socket->cookie, &len);
    len = sizeof(info);
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
        return;
    socket->state = info.tcpi_state < TCP_STATE_COUNT ? info.tcpi_state : TCP_STATE_UNKNOWN;
    socket->has |= SOCKET_HAS_INFO;
    socket->rto_us = info.tcpi_rto;
}

void sockaddr_text(const struct sockaddr *sockaddr, char text[SOCKADDR_TEXT_SIZE]) {
    const socklen_t len =
        sockaddr->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);

    if (getnameinfo(sockaddr, len, text, SOCKADDR_TEXT_SIZE, NULL, 0, NI_NUMERICHOST) != 0)
        strcpy(text, "?");
}
