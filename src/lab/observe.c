/* SPDX-License-Identifier: MIT */
#include "lab/observe.h"

#include "lab/capture.h"
#include "lab/judge.h"
#include "units/clock.h"
#include "units/duration.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The next look after something has passed the link: the host needs a moment to act on it. */
#define AFTER_NS (2 * NS_PER_MS)

/* What took a time ends where a state or a process says so. */
static void measure_leave(struct run *run, const struct event *event) {
    if (run->scenario->shown.promise == LAB_FIN_TIMEOUT && event->from == TCP_STATE_FIN_WAIT2)
        run->result.took_ns = event->dwell_ns;
    if (run->scenario->shown.promise == LAB_TIME_WAIT && event->from == TCP_STATE_TIME_WAIT)
        run->result.took_ns = event->dwell_ns;
    if (run->scenario->shown.promise == LAB_DEFER_ACCEPT && event->from == TCP_STATE_SYN_RECV)
        run->result.took_ns = event->dwell_ns;
}

static void on_state(struct run *run, enum lab_host host, const struct event *event) {
    struct lab_moment moment = {
        .kind = LAB_STATE,
        .host = host,
        .at_ns = event->at_ns,
        .from = event->from,
        .to = event->to,
        .skipped_count = event->skipped_count,
    };
    struct end *end = &run->ends[host];

    memcpy(moment.skipped, event->skipped, sizeof(moment.skipped));
    /* Without --real-time the minute is not waited out: the kernel's own timer says how long. */
    if (run->scenario->shown.promise == LAB_TIME_WAIT && event->to == TCP_STATE_TIME_WAIT &&
        event->socket && host == LAB_CLIENT && !run->settings->real_time) {
        run->result.took_ns = event->socket->timer_ms * NS_PER_MS;
        run->result.by_timer = true;
    }
    measure_leave(run, event);
    timeline_add(&run->timeline, &moment);
    if (event->kind == EVENT_APPEARED && !end->connection && !end->over)
        end->connection = event->connection;
    if (event->connection != end->connection)
        return;
    end->state = event->to;
    judge_add_state(&run->result, host, event->to, event->skipped, event->skipped_count);
    if (event->to == TCP_STATE_CLOSE) {
        end->connection = NULL; /* it is freed now */
        end->over = true;
    }
}

static void on_event(struct run *run, enum lab_host host, const struct event *event) {
    if (event->kind == EVENT_LOST)
        run_fail(run, "the watch could not see everything: %s",
                 event->reason ? event->reason : "messages were lost");
    if ((event->kind == EVENT_APPEARED || event->kind == EVENT_TRANSITION) &&
        event->to != TCP_STATE_LISTEN && event->from != TCP_STATE_LISTEN)
        on_state(run, host, event);
}

static void on_client_event(void *into, const struct event *event) {
    on_event(into, LAB_CLIENT, event);
}

static void on_server_event(void *into, const struct event *event) {
    on_event(into, LAB_SERVER, event);
}

static void measure_told(struct run *run, const struct role_report *report) {
    struct lab_result *result = &run->result;

    switch (run->scenario->shown.promise) {
    case LAB_AT_ONCE:
        /* Of an attempt that failed, what connect() took. */
        result->took_ns = run->connected ? report->at_ns - run->mark_ns : report->after_ns;
        break;
    case LAB_FIRST_PROBE:
    case LAB_GIVE_UP_SENDING:
    case LAB_GIVE_UP_UNREACHABLE:
        result->took_ns = report->noticed_ns;
        break;
    case LAB_GIVE_UP_IDLE:
        result->took_ns = report->noticed_ns >= 0 ? report->noticed_ns : report->after_ns;
        break;
    case LAB_GIVE_UP_CONNECTING:
        result->took_ns = report->after_ns;
        break;
    case LAB_GIVE_UP_PROBING:
        result->took_ns = report->at_ns - run->heard_ns;
        break;
    case LAB_FIN_TIMEOUT:
    case LAB_TIME_WAIT:
    case LAB_DEFER_ACCEPT:
    case LAB_NEVER:
        break;
    }
}

/* Of all that a process is told, what is expected counts, the first time; where that never comes,
 * the last. */
static void on_ending(struct run *run, enum lab_host host, const struct role_report *report) {
    const struct scenario *scenario = run->scenario;
    struct lab_result *result = &run->result;
    const bool settled = result->was_told && result->told.cause == scenario->told.cause &&
                         result->told.error == scenario->told.error;

    run->ends[host].told = true;
    run->ends[host].closed |= report->told.kind == ENDPOINT_CLOSED;
    /* Nobody has told the process that it closes. */
    if (!scenario->tells && report->told.cause == TCP_ENDING_LOCAL_CLOSE)
        return;
    if (host == scenario->teller && !settled) {
        result->was_told = true;
        result->told = report->told;
        measure_told(run, report);
    }
}

static void on_report(struct run *run, enum lab_host host, const struct role_report *report) {
    struct lab_moment moment = {
        .kind = LAB_TOLD, .host = host, .at_ns = report->at_ns, .told = report->told};
    struct end *end = &run->ends[host];

    switch (report->told.kind) {
    case ENDPOINT_OPTIONS:
        run->limits = report->limits;
        return;
    case ENDPOINT_CONNECTED:
        run->rto_ns = report->rto_ns;
        run->connected = true;
        break;
    case ENDPOINT_ACCEPTED:
        end->child = report->told.pid;
        break;
    case ENDPOINT_STAYING:
    case ENDPOINT_CLOSED:
        moment.told.again = end->cause == report->told.cause && !report->told.error;
        end->cause = report->told.cause;
        on_ending(run, host, report);
        break;
    case ENDPOINT_LISTENING:
        run->listening = true;
        break;
    case ENDPOINT_ATTEMPT:
    case ENDPOINT_PAUSED:
    case ENDPOINT_SHUTDOWN:
        return;
    }
    timeline_add(&run->timeline, &moment);
}

static void read_reports(struct run *run, enum lab_host host) {
    struct role_report report;

    while (role_next(&run->ends[host].role, &report))
        on_report(run, host, &report);
}

/* What comes back to the client's process. */
static void read_output(struct run *run) {
    struct end *client = &run->ends[LAB_CLIENT];
    char buffer[4096];
    ssize_t len;

    while (client->role.pid && (len = read(client->role.output, buffer, sizeof(buffer))) > 0)
        client->received += len;
}

static void read_capture(struct run *run, enum lab_host host) {
    struct end *end = &run->ends[host];
    struct segment segment;
    int64_t at_ns;
    bool outgoing;

    while (end->capture >= 0 && capture_next(end->capture, &segment, &outgoing, &at_ns)) {
        timeline_add_segment(&run->timeline, host, outgoing, &segment, at_ns);
        run->hurry_ns = clock_now() + AFTER_NS;
        if (host == LAB_CLIENT && !outgoing && !segment.icmp)
            run->heard_ns = at_ns;
        if (!outgoing || segment.icmp)
            continue;
        end->sent_flags |= segment.flags;
        if (!(segment.flags & SEGMENT_RST))
            end->window_closed = segment.window == 0;
    }
}

/* The lab is the first process of its pid namespace: all that end are its children in the end. */
static void reap(struct run *run) {
    pid_t pid;

    while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
        for (int host = 0; host < RUN_ENDS; host++)
            if (run->ends[host].role.pid == pid)
                run->ends[host].ended = true;
}

/* A process that ends by itself has said so. */
static void check_roles(struct run *run) {
    reap(run);
    for (int host = 0; host < RUN_ENDS; host++) {
        struct end *end = &run->ends[host];

        if (!end->ended || end->killed)
            continue;
        read_reports(run, (enum lab_host)host);
        if (!end->closed)
            run_fail(run, "the %s's process has ended, and nobody knows why",
                     lab_host_name((enum lab_host)host));
        end->killed = true;
    }
}

void observe(struct run *run, int64_t until_ns) {
    struct pollfd fds[3 * RUN_ENDS + 1];
    int64_t wake_ns = until_ns, woken_ns;
    struct timespec left;

    for (int host = 0; host < RUN_ENDS; host++) {
        const struct end *end = &run->ends[host];

        fds[host] = (struct pollfd){.fd = end->capture, .events = POLLIN};
        fds[RUN_ENDS + host] = (struct pollfd){
            .fd = end->role.pid && !end->ended ? end->role.reports : -1, .events = POLLIN};
        fds[2 * RUN_ENDS + host] = (struct pollfd){
            .fd = end->watcher ? watcher_descriptor(end->watcher) : -1, .events = POLLIN};
        if (end->watcher && watcher_due(end->watcher) < wake_ns)
            wake_ns = watcher_due(end->watcher);
    }
    if (run->hurry_ns && run->hurry_ns < wake_ns)
        wake_ns = run->hurry_ns;
    fds[3 * RUN_ENDS] =
        (struct pollfd){.fd = run->ends[LAB_CLIENT].role.pid && !run->ends[LAB_CLIENT].ended
                                  ? run->ends[LAB_CLIENT].role.output
                                  : -1,
                        .events = POLLIN};
    left = clock_left(wake_ns);
    ppoll(fds, 3 * RUN_ENDS + 1, &left, NULL);
    woken_ns = clock_now();
    for (int host = 0; host < RUN_ENDS; host++) {
        read_capture(run, (enum lab_host)host);
        read_reports(run, (enum lab_host)host);
    }
    read_output(run);
    for (int host = 0; host < RUN_ENDS; host++) {
        struct watcher *watcher = run->ends[host].watcher;

        if (watcher && run->hurry_ns && clock_now() >= run->hurry_ns)
            watcher_hurry(watcher);
        if (watcher && watcher_step(watcher) < 0)
            run_fail(run, "cannot read the kernel's sockets: %s", strerror(errno));
    }
    if (run->hurry_ns && clock_now() >= run->hurry_ns)
        run->hurry_ns = 0;
    check_roles(run);
    /* All that was there by then has been read, however long that took. */
    timeline_flush(&run->timeline, woken_ns);
}

int observe_begin(struct run *run, enum lab_host host) {
    struct end *end = &run->ends[host];

    if (network_enter(&run->network, host) < 0)
        return -1;
    end->capture = capture_open(NETWORK_DEVICE);
    if (end->capture < 0)
        return -1;
    end->watcher = watcher_open(host == LAB_CLIENT ? on_client_event : on_server_event, run);
    return end->watcher ? 0 : -1;
}

void observe_end(struct run *run, enum lab_host host) {
    struct end *end = &run->ends[host];

    watcher_close(end->watcher);
    end->watcher = NULL;
    if (end->capture < 0)
        return;
    if (capture_lost(end->capture))
        run_fail(run, "the watch could not see all segments of the %s", lab_host_name(host));
    close(end->capture);
    end->capture = -1;
}
