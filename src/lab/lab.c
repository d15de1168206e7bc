/* SPDX-License-Identifier: MIT */
#include "lab/lab.h"

#include "lab/runner.h"
#include "netns/private.h"
#include "units/clock.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 10
/* The analyzer does not see that end_all() frees what the cells keep. */
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

/* So many run side by side: more would keep each other from being on time. */
#define SIDE_BY_SIDE 8

/* From the process of a scenario to this one. */
struct message {
    enum { MESSAGE_EVENT, MESSAGE_FAILED } kind;
    struct lab_event event; /* its scenario is a pointer that both processes have */
    int error;              /* of failed, before it began */
    char text[LAB_TEXT_SIZE];
};

/* One scenario under way, and what it has told that has to wait for its turn. */
struct cell {
    const struct lab_scenario *scenario;
    pid_t pid;    /* 0: not started, or ended */
    int messages; /* -1: the same */
    bool done;
    struct lab_event *waiting;
    size_t waiting_count, waiting_size;
};

struct lab {
    const struct lab_settings *settings;
    struct settings own;
    struct cell *cells;
    size_t count;
    size_t started, turn; /* cells before these were started; have told all */
    size_t running;
    int signals;
    bool over;
    enum lab_outcome outcome;
    struct lab_failure *failure;
};

/* In the process of a scenario. */

static void send_event(void *into, const struct lab_event *event) {
    struct message message = {.kind = MESSAGE_EVENT, .event = *event};

    if (send(*(const int *)into, &message, sizeof(message), MSG_NOSIGNAL) < 0)
        _exit(1);
}

static _Noreturn void run_cell(const struct lab *lab, const struct cell *cell, int messages) {
    struct runner_settings settings = {
        .scenario = (const struct scenario *)cell->scenario,
        .own = &lab->own,
        .real_time = lab->settings->real_time,
        .emit = send_event,
        .into = &messages,
    };
    struct message message = {.kind = MESSAGE_FAILED};
    const char *failed = "cannot be root in a namespace";

    if (private_finish() == 0)
        failed = runner_run(&settings);
    if (failed) {
        message.error = errno;
        snprintf(message.text, sizeof(message.text), "%s", failed);
        send(messages, &message, sizeof(message), MSG_NOSIGNAL);
    }
    _exit(failed != NULL);
}

/* In this process. */

static void stop(struct lab *lab, enum lab_outcome outcome) {
    if (!lab->over)
        lab->outcome = outcome;
    lab->over = true;
}

/* It cannot be set up. */
static void forbid(struct lab *lab, const char *what, int error) {
    struct lab_failure *failure = lab->failure;

    if (lab->over)
        return;
    failure->error = error;
    snprintf(failure->what, sizeof(failure->what), "%s", what);
    *failure->setting = '\0';
    private_forbidden_by(error, failure->setting, sizeof(failure->setting), &failure->for_others);
    stop(lab, LAB_FORBIDDEN);
}

static void start_cell(struct lab *lab, struct cell *cell) {
    int messages[2];
    pid_t pid;

    lab->started++;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, messages) < 0) {
        forbid(lab, "cannot make a socket", errno);
        return;
    }
    pid = private_fork();
    if (pid == 0) {
        close(messages[0]);
        run_cell(lab, cell, messages[1]);
    }
    close(messages[1]);
    if (pid < 0) {
        forbid(lab, "cannot make namespaces", errno);
        close(messages[0]);
        return;
    }
    cell->pid = pid;
    cell->messages = messages[0];
    lab->running++;
}

static void tell(struct lab *lab, const struct lab_event *event) {
    if (event->kind == LAB_EVENT_DONE && !event->result.pass && lab->outcome == LAB_PASSED)
        lab->outcome = LAB_FAILED;
    if (!lab->over && !lab->settings->emit(lab->settings->into, event))
        stop(lab, LAB_READER_GONE);
}

static void keep(struct lab *lab, struct cell *cell, const struct lab_event *event) {
    if (cell->waiting_count == cell->waiting_size) {
        const size_t size = cell->waiting_size ? 2 * cell->waiting_size : 64;
        void *grown = realloc(cell->waiting, size * sizeof(*cell->waiting));

        if (!grown) {
            forbid(lab, "cannot keep what happens", ENOMEM);
            return;
        }
        cell->waiting = grown;
        cell->waiting_size = size;
    }
    cell->waiting[cell->waiting_count++] = *event;
}

/* Tells what has come for the cell whose turn it is, and goes on to the next where it is done. */
static void take_turns(struct lab *lab) {
    while (lab->turn < lab->count) {
        struct cell *cell = &lab->cells[lab->turn];

        for (size_t i = 0; i < cell->waiting_count; i++)
            tell(lab, &cell->waiting[i]);
        free(cell->waiting);
        cell->waiting = NULL;
        cell->waiting_count = cell->waiting_size = 0;
        if (!cell->done)
            return;
        lab->turn++;
    }
}

static void on_lab_event(struct lab *lab, struct cell *cell, const struct lab_event *event) {
    if (event->kind == LAB_EVENT_DONE)
        cell->done = true;
    if (event->kind == LAB_EVENT_WAITING)
        tell(lab, event);
    else
        keep(lab, cell, event);
    take_turns(lab);
}

/* The process has ended, and did not say how it went. */
static void on_death(struct lab *lab, struct cell *cell, int status) {
    struct lab_event event = {
        .kind = LAB_EVENT_DONE, .at_ns = clock_now(), .scenario = cell->scenario};

    runner_expect((const struct scenario *)cell->scenario, &event.result);
    event.result.predicted_ns = -1;
    if (WIFSIGNALED(status))
        snprintf(event.result.failure, sizeof(event.result.failure),
                 "its process was ended by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(event.result.failure, sizeof(event.result.failure), "its process has failed");
    on_lab_event(lab, cell, &event);
}

static void end_cell(struct lab *lab, struct cell *cell) {
    int status = 0;

    close(cell->messages);
    cell->messages = -1;
    while (waitpid(cell->pid, &status, 0) < 0 && errno == EINTR)
        ;
    cell->pid = 0;
    lab->running--;
    if (!cell->done && !lab->over)
        on_death(lab, cell, status);
}

static void read_cell(struct lab *lab, struct cell *cell) {
    struct message message;
    const ssize_t len = recv(cell->messages, &message, sizeof(message), MSG_DONTWAIT);

    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (len != sizeof(message)) {
        end_cell(lab, cell);
    } else if (message.kind == MESSAGE_EVENT) {
        on_lab_event(lab, cell, &message.event);
    } else {
        forbid(lab, message.text, message.error);
    }
}

/* No more are polled than run: a process that may have few descriptors may poll few. */
static void wait_for_cells(struct lab *lab) {
    struct pollfd fds[SIDE_BY_SIDE + 1] = {{.fd = lab->signals, .events = POLLIN}};
    struct cell *cells[SIDE_BY_SIDE + 1];
    nfds_t count = 1;

    for (size_t i = 0; i < lab->started; i++)
        if (lab->cells[i].messages >= 0) {
            cells[count] = &lab->cells[i];
            fds[count++] = (struct pollfd){.fd = lab->cells[i].messages, .events = POLLIN};
        }
    if (poll(fds, count, -1) < 0) {
        if (errno != EINTR)
            forbid(lab, "cannot wait for the scenarios", errno);
        return;
    }
    if (fds[0].revents)
        stop(lab, LAB_STOPPED);
    for (nfds_t i = 1; i < count && !lab->over; i++)
        if (fds[i].revents)
            read_cell(lab, cells[i]);
}

/* The first process of a pid namespace takes all others in it along. */
static void end_all(struct lab *lab) {
    for (size_t i = 0; i < lab->count; i++)
        if (lab->cells[i].pid)
            kill(lab->cells[i].pid, SIGKILL);
    for (size_t i = 0; i < lab->count; i++) {
        if (lab->cells[i].pid)
            end_cell(lab, &lab->cells[i]);
        free(lab->cells[i].waiting);
    }
}

static int open_signals(void) {
    sigset_t stops;

    sigemptyset(&stops);
    sigaddset(&stops, SIGINT);
    sigaddset(&stops, SIGTERM);
    sigprocmask(SIG_BLOCK, &stops, NULL);
    return signalfd(-1, &stops, SFD_NONBLOCK | SFD_CLOEXEC);
}

static bool set_up(struct lab *lab) {
    while (lab->settings->scenarios[lab->count])
        lab->count++;
    lab->signals = open_signals();
    lab->cells = calloc(lab->count + 1, sizeof(*lab->cells));
    if (lab->signals < 0 || !lab->cells)
        return false;
    for (size_t i = 0; i < lab->count; i++) {
        lab->cells[i].scenario = lab->settings->scenarios[i];
        lab->cells[i].messages = -1;
    }
    settings_save(&lab->own);
    return true;
}

enum lab_outcome lab_run(const struct lab_settings *settings, struct lab_failure *failure) {
    struct lab lab = {
        .settings = settings, .outcome = LAB_PASSED, .signals = -1, .failure = failure};

    if (!set_up(&lab))
        forbid(&lab, "cannot begin", errno);
    while (!lab.over && lab.turn < lab.count) {
        while (!lab.over && lab.started < lab.count && lab.running < SIDE_BY_SIDE)
            start_cell(&lab, &lab.cells[lab.started]);
        if (!lab.over)
            wait_for_cells(&lab);
    }
    end_all(&lab);
    if (lab.signals >= 0)
        close(lab.signals);
    free(lab.cells);
    return lab.outcome;
}
