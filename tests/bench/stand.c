/* SPDX-License-Identifier: MIT
 *
 * stand CONNECTIONS PORT: makes standing loopback connections in this network namespace, says
 * "ready" and holds them until it is killed or its parent ends. Both ends are held here, so that a
 * connection is two sockets. Takes PORT and the ports after it, one for each worker: let PORT lie
 * below net.ipv4.ip_local_port_range.
 */
#include <arpa/inet.h>
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* A process may often have 20,000 descriptors at the most. */
#define CONNECTIONS_EACH 8000

static void allow_descriptors(void) {
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        err(1, "getrlimit");
    limit.rlim_cur = limit.rlim_max;
    if (limit.rlim_max < 2 * CONNECTIONS_EACH + 100)
        errx(1, "a process may have %lu descriptors only", (unsigned long)limit.rlim_max);
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        err(1, "setrlimit");
}

static void die_with(pid_t parent) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        exit(1);
}

static void connect_all(int count, int port) {
    const struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    const struct sockaddr *to = (const struct sockaddr *)&address;
    const int listener = socket(AF_INET, SOCK_STREAM, 0);

    if (bind(listener, to, sizeof(address)) < 0 || listen(listener, 16) < 0)
        err(1, "listen on port %d", port);
    for (int i = 0; i < count; i++) {
        if (connect(socket(AF_INET, SOCK_STREAM, 0), to, sizeof(address)) < 0)
            err(1, "connect");
        if (accept(listener, NULL, NULL) < 0)
            err(1, "accept");
    }
    close(listener);
}

/* Starts a worker, which closes `done` when it stands. */
static void start(int count, int port, const int done[2]) {
    const pid_t parent = getpid(), pid = fork();

    if (pid < 0)
        err(1, "fork");
    if (pid > 0)
        return;
    die_with(parent);
    close(done[0]);
    connect_all(count, port);
    if (write(done[1], "", 1) != 1)
        err(1, "write");
    close(done[1]);
    for (;;)
        pause();
}

int main(int argc, char **argv) {
    const int count = argc == 3 ? atoi(argv[1]) : 0, port = argc == 3 ? atoi(argv[2]) : 0;
    int done[2], workers = 0, standing = 0;
    char bytes[64];

    if (count <= 0 || port <= 0)
        errx(64, "usage: stand CONNECTIONS PORT");
    die_with(getppid());
    allow_descriptors();
    if (pipe(done) < 0)
        err(1, "pipe");
    for (int left = count; left > 0; left -= CONNECTIONS_EACH)
        start(left < CONNECTIONS_EACH ? left : CONNECTIONS_EACH, port + workers++, done);
    close(done[1]);
    /* The end of the pipe comes before the last byte where a worker failed. */
    while (standing < workers) {
        const ssize_t len = read(done[0], bytes, sizeof(bytes));

        if (len <= 0)
            errx(1, "a worker failed");
        standing += (int)len;
    }
    puts("ready");
    fflush(stdout);
    for (;;)
        pause();
}
