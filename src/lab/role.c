/* SPDX-License-Identifier: MIT */
#include "lab/role.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Where the child finds what it shares with the one that started it, beside stdin and stdout. */
enum { REPORTS = 3, FIRST_FREE = 4 };

static void copy_text(char *to, size_t size, const char *text) {
    snprintf(to, size, "%s", text ? text : "");
}

static bool report(void *into, const struct endpoint_event *event) {
    struct role_report report = {
        .at_ns = event->at_ns,
        .told = {.kind = event->kind,
                 .cause = event->cause,
                 .error = event->error,
                 .pid = event->pid},
        .rto_ns = event->rto_ns,
        .after_ns = event->after_ns,
        .noticed_ns = event->noticed_ns,
    };

    (void)into;
    copy_text(report.told.syscall, sizeof(report.told.syscall), event->syscall);
    copy_text(report.told.detail, sizeof(report.told.detail), event->detail);
    if (event->limits)
        report.limits = *event->limits;
    return send(REPORTS, &report, sizeof(report), MSG_NOSIGNAL) >= 0;
}

static bool nothing_left(void *into) {
    (void)into;
    return false;
}

/* The child keeps nothing open that is not its own. */
static void keep(int reports, int input, int output) {
    const int fds[] = {input, output, open("/dev/null", O_RDWR | O_CLOEXEC), reports};

    for (int fd = 0; fd < FIRST_FREE; fd++)
        dup2(fds[fd], fd);
    syscall(SYS_close_range, FIRST_FREE, ~0U, 0);
}

static _Noreturn void serve(struct server_settings settings) {
    const char *failed;
    struct server *server;

    settings.emit = report;
    settings.left = nothing_left;
    server = server_open(&settings, &failed);
    _exit(server && server_run(server) == 0 ? 0 : 1);
}

static _Noreturn void talk(struct client_settings settings) {
    settings.emit = report;
    settings.in = STDIN_FILENO;
    settings.out = STDOUT_FILENO;
    _exit(client_run(&settings).result == CLIENT_ENDED ? 0 : 1);
}

static void close_pair(int pair[2]) {
    const int error = errno;

    for (int i = 0; i < 2; i++)
        if (pair[i] >= 0)
            close(pair[i]);
    errno = error;
}

/* As fork(); the child has what it needs. */
static pid_t start(struct role *role) {
    int reports[2] = {-1, -1}, input[2] = {-1, -1}, output[2] = {-1, -1};
    pid_t pid = -1;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, reports) == 0 &&
        pipe2(input, O_CLOEXEC) == 0 && pipe2(output, O_CLOEXEC | O_NONBLOCK) == 0)
        pid = fork();
    if (pid == 0) {
        keep(reports[1], input[0], output[1]);
        return 0;
    }
    if (pid < 0) {
        close_pair(reports);
        close_pair(input);
        close_pair(output);
        return -1;
    }
    close(reports[1]);
    close(input[0]);
    close(output[1]);
    *role =
        (struct role){.pid = pid, .reports = reports[0], .input = input[1], .output = output[0]};
    return pid;
}

int role_start_server(struct role *role, const struct server_settings *settings) {
    const pid_t pid = start(role);

    if (pid == 0)
        serve(*settings);
    return pid < 0 ? -1 : 0;
}

int role_start_client(struct role *role, const struct client_settings *settings) {
    const pid_t pid = start(role);

    if (pid == 0)
        talk(*settings);
    return pid < 0 ? -1 : 0;
}

bool role_next(const struct role *role, struct role_report *report) {
    return role->pid &&
           recv(role->reports, report, sizeof(*report), MSG_DONTWAIT) == sizeof(*report);
}

void role_end_input(struct role *role) {
    if (role->input >= 0)
        close(role->input);
    role->input = -1;
}
