/* SPDX-License-Identifier: MIT
 *
 * bareecho: the least that an echo server on port 9998 of the loopback can do. One thread waits
 * with epoll and has one buffer; what a peer does not take, it blocks on.
 */
#include <arpa/inet.h>
#include <err.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT   9998
#define EVENTS 256

static void allow_descriptors(void) {
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        err(1, "getrlimit");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        err(1, "setrlimit");
}

static int listen_on_port(void) {
    const struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(PORT),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    const int listener = socket(AF_INET, SOCK_STREAM, 0);

    if (bind(listener, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(listener, SOMAXCONN) < 0)
        err(1, "listen on port %d", PORT);
    return listener;
}

static void watch(int epoll, int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    if (fd < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        err(1, "accept");
}

static void echo(int fd) {
    static char buffer[64 * 1024];
    const ssize_t len = recv(fd, buffer, sizeof(buffer), 0);

    if (len <= 0 || send(fd, buffer, (size_t)len, MSG_NOSIGNAL) < 0)
        close(fd);
}

int main(void) {
    const int listener = listen_on_port(), epoll = epoll_create1(0);
    struct epoll_event events[EVENTS];

    allow_descriptors();
    watch(epoll, listener);
    for (;;) {
        const int count = epoll_wait(epoll, events, EVENTS, -1);

        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener)
                watch(epoll, accept(listener, NULL, NULL));
            else
                echo(events[i].data.fd);
        }
    }
}
