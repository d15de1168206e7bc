/* SPDX-License-Identifier: MIT */
#include "endpoint/listener.h"

#include "endpoint/liveness.h"
#include "endpoint/sockaddr.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

static int set_up(int fd, const struct server_settings *settings,
                  const struct sockaddr_storage *address, const char **failed) {
    const int yes = 1, only = settings->family == AF_INET6;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (address->ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
    *failed = "bind";
    if (bind(fd, (const struct sockaddr *)address, sockaddr_len(address)) < 0)
        return -1;
    *failed = liveness_set(fd, &settings->liveness);
    if (*failed)
        return -1;
    *failed = "TCP_DEFER_ACCEPT";
    if (settings->defer_accept_s &&
        setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &settings->defer_accept_s,
                   sizeof(settings->defer_accept_s)) < 0)
        return -1;
    *failed = "listen";
    return listen(fd, SOMAXCONN);
}

/* family: of any address, which has all bits 0 in both. */
static int open_family(const struct server_settings *settings, int family, const char **failed) {
    struct sockaddr_storage address = settings->address;
    int fd, error;

    if (address.ss_family == AF_UNSPEC)
        address.ss_family = (sa_family_t)family;
    sockaddr_set_port(&address, settings->port);
    *failed = "socket";
    fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || set_up(fd, settings, &address, failed) == 0)
        return fd;
    error = errno;
    close(fd);
    errno = error;
    return -1;
}

int listener_open(const struct server_settings *settings, const char **failed) {
    const int fd = open_family(settings, settings->family == AF_INET ? AF_INET : AF_INET6, failed);

    /* A host without IPv6 has IPv4 all the same. */
    if (fd < 0 && errno == EAFNOSUPPORT && settings->family == AF_UNSPEC)
        return open_family(settings, AF_INET, failed);
    return fd;
}
