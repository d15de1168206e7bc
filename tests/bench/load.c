/* SPDX-License-Identifier: MIT
 *
 * load CONNECTIONS: keeps an echo server on port 9998 of the loopback busy. Connects, has a byte
 * echoed on each connection, and says "ready". Then, for each line "SECONDS BYTES" on its standard
 * input, it sends so many bytes on each connection, sends again what comes back for that time, says
 * how many bytes came back a second, and waits for the rest. Ends with its standard input.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORT   9998
#define EVENTS 256

struct connection {
    int fd;
    bool watches_output;
    size_t due;     /* bytes that are to be sent */
    size_t awaited; /* bytes that were sent and have not come back */
};

static char buffer[256 * 1024];

static double now(void) {
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void allow_descriptors(void) {
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        err(1, "getrlimit");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        err(1, "setrlimit");
}

/* A server with a short backlog is not hurried: it has accepted this one before the next comes. */
static int connect_one(void) {
    const struct sockaddr_in to = {
        .sin_family = AF_INET,
        .sin_port = htons(PORT),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    const int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0)
        err(1, "connect");
    if (send(fd, buffer, 1, MSG_NOSIGNAL) != 1 || recv(fd, buffer, 1, 0) != 1)
        err(1, "the first byte is not echoed");
    return fd;
}

static void watch(int epoll, struct connection *connection, int operation, bool output) {
    struct epoll_event event = {.events = output ? EPOLLIN | EPOLLOUT : EPOLLIN,
                                .data.ptr = connection};

    connection->watches_output = output;
    if (epoll_ctl(epoll, operation, connection->fd, &event) < 0)
        err(1, "epoll_ctl");
}

static void send_due(int epoll, struct connection *connection) {
    while (connection->due > 0) {
        const size_t len = connection->due < sizeof(buffer) ? connection->due : sizeof(buffer);
        const ssize_t sent = send(connection->fd, buffer, len, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (sent < 0)
            break;
        connection->due -= (size_t)sent;
        connection->awaited += (size_t)sent;
    }
    if (connection->watches_output != (connection->due > 0))
        watch(epoll, connection, EPOLL_CTL_MOD, connection->due > 0);
}

/* Returns how many bytes have come. */
static size_t take(int epoll, struct connection *connection, bool again) {
    const ssize_t len = recv(connection->fd, buffer, sizeof(buffer), MSG_DONTWAIT);
    const size_t taken = len > 0 ? (size_t)len : 0;

    if (len < 0 && errno != EAGAIN)
        err(1, "recv");
    if (len == 0 || taken > connection->awaited)
        errx(1, len ? "more came back than was sent" : "the server has closed a connection");
    connection->awaited -= taken;
    if (again)
        connection->due += taken;
    send_due(epoll, connection);
    return taken;
}

/* Returns how many bytes have come by `end`, or with 0 as `end` until nothing is awaited. */
static size_t run(int epoll, size_t awaited, double end) {
    struct epoll_event events[EVENTS];
    size_t taken = 0;

    while (end > 0 ? now() < end : taken < awaited) {
        const int count = epoll_wait(epoll, events, EVENTS, 10000);

        if (count == 0)
            errx(1, "nothing comes back");
        for (int i = 0; i < count; i++)
            taken += take(epoll, events[i].data.ptr, end > 0);
    }
    return taken;
}

static size_t all_awaited(const struct connection *connections, int count) {
    size_t awaited = 0;

    for (int i = 0; i < count; i++)
        awaited += connections[i].due + connections[i].awaited;
    return awaited;
}

int main(int argc, char **argv) {
    const int count = argc == 2 ? atoi(argv[1]) : 0, epoll = epoll_create1(0);
    struct connection *connections = calloc((size_t)(count > 0 ? count : 1), sizeof(*connections));
    double seconds, began;
    size_t bytes, taken;

    if (count <= 0 || !connections)
        errx(64, "usage: load CONNECTIONS");
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    allow_descriptors();
    for (int i = 0; i < count; i++) {
        connections[i].fd = connect_one();
        watch(epoll, &connections[i], EPOLL_CTL_ADD, false);
    }
    puts("ready");
    fflush(stdout);
    while (scanf("%lf %zu", &seconds, &bytes) == 2) {
        for (int i = 0; i < count; i++) {
            connections[i].due = bytes;
            send_due(epoll, &connections[i]);
        }
        began = now();
        taken = run(epoll, 0, began + seconds);
        printf("%.0f\n", (double)taken / (now() - began));
        fflush(stdout);
        run(epoll, all_awaited(connections, count), 0);
    }
    return 0;
}
