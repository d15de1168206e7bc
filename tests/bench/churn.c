/* SPDX-License-Identifier: MIT
 *
 * churn CONNECTIONS: makes short connections to port 9998 of the loopback, one after the other, as
 * fast as this machine does: connect, a few bytes, close on both sides. Client and server each have
 * a processor of their own: where the scheduler put them would count for more than what is
 * measured. Says "listening", waits for a line on its standard input, and says at last how many
 * connections it made a second.
 */
#include <arpa/inet.h>
#include <err.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORT 9998

/* The client runs ahead of the server: a backlog that overflows drops a SYN, and then the client
 * waits a second for its retransmission. The kernel takes net.core.somaxconn at the most. */
#define BACKLOG 65535

/* An ended connection keeps its port for a minute: so many to one address, then to the next. */
#define CONNECTIONS_AN_ADDRESS 20000

static double now(void) {
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Stays on the first processor that it may use, or on the last. */
static void stay_on(bool first) {
    cpu_set_t may, one;
    int chosen = -1;

    if (sched_getaffinity(0, sizeof(may), &may) < 0)
        err(1, "sched_getaffinity");
    for (int i = 0; i < CPU_SETSIZE && !(first && chosen >= 0); i++)
        if (CPU_ISSET(i, &may))
            chosen = i;
    CPU_ZERO(&one);
    CPU_SET(chosen, &one);
    if (sched_setaffinity(0, sizeof(one), &one) < 0)
        err(1, "sched_setaffinity");
}

static int listen_on_port(void) {
    const struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    const int listener = socket(AF_INET, SOCK_STREAM, 0), yes = 1;

    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (bind(listener, (const struct sockaddr *)&any, sizeof(any)) < 0 ||
        listen(listener, BACKLOG) < 0)
        err(1, "listen on port %d", PORT);
    return listener;
}

/* The server: reads until the peer's FIN, then closes. */
static void serve(int listener, int count) {
    char bytes[16];

    for (int i = 0; i < count; i++) {
        const int connection = accept(listener, NULL, NULL);

        if (connection < 0)
            err(1, "accept");
        while (read(connection, bytes, sizeof(bytes)) > 0)
            ;
        close(connection);
    }
}

static void connect_all(int count) {
    for (int i = 0; i < count; i++) {
        const struct sockaddr_in to = {
            .sin_family = AF_INET,
            .sin_port = htons(PORT),
            .sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)(i / CONNECTIONS_AN_ADDRESS)),
        };
        const int connection = socket(AF_INET, SOCK_STREAM, 0);

        if (connect(connection, (const struct sockaddr *)&to, sizeof(to)) < 0)
            err(1, "connect");
        if (write(connection, "hello\n", 6) != 6)
            err(1, "write");
        close(connection);
    }
}

int main(int argc, char **argv) {
    const int count = argc == 2 ? atoi(argv[1]) : 0;
    const pid_t parent = getpid();
    double began;
    int listener;
    pid_t client;

    if (count <= 0)
        errx(64, "usage: churn CONNECTIONS");
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    listener = listen_on_port();
    puts("listening");
    fflush(stdout);
    if (getchar() == EOF)
        return 1;
    began = now();
    client = fork();
    if (client < 0)
        err(1, "fork");
    if (client == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            return 1;
        close(listener);
        stay_on(true);
        connect_all(count);
        return 0;
    }
    stay_on(false);
    serve(listener, count);
    printf("%.0f\n", count / (now() - began));
    return 0;
}
