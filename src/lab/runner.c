/* SPDX-License-Identifier: MIT */
#include "lab/runner.h"

#include "endpoint/liveness.h"
#include "endpoint/sockaddr.h"
#include "lab/capture.h"
#include "lab/judge.h"
#include "lab/network.h"
#include "lab/role.h"
#include "lab/timeline.h"
#include "lab/watcher.h"
#include "units/clock.h"
#include "units/duration.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <unistd.h>

/* What is to come within no time gets this long before the scenario has failed; what takes a time,
 * half as long again. */
#define PATIENCE_NS (3 * NS_PER_S)

/* A wait that is longer is told, and told again after as long. */
#define TELL_NS (500 * NS_PER_MS)

/* Of a state whose timer cannot be shortened so much is looked at. */
#define SHORT_WAIT_NS (500 * NS_PER_MS)

/* The next look after something has passed the link: the host needs a moment to act on it. */
#define AFTER_NS (2 * NS_PER_MS)

/* The ends of the connection: the router has none. */
#define ENDS 2

#define LINE "hello\n"

/* One end of the connection: its host, its process, and what was seen of both. */
struct end {
    struct role role;
    struct watcher *watcher; /* NULL: the host is off */
    int capture;             /* -1: the same */
    enum tcp_state state;    /* UNKNOWN: no connection */
    int64_t since_ns;
    enum tcp_ending cause; /* that the process was told last */
    bool told, closed;     /* the process was told of the end; is done with the connection */
    bool window_closed;
    bool killed;        /* the lab has ended the process, or its connection */
    bool ended;         /* the process has ended */
    pid_t child;        /* the process that serves the connection */
    int64_t received;   /* bytes that have come back to the client */
    uint8_t sent_flags; /* mask of the flags of all segments that it sent */
};

struct run {
    const struct runner_settings *settings;
    const struct scenario *scenario;
    struct network network;
    struct end ends[ENDS];
    struct timeline timeline;
    struct lab_result result;
    struct tcp_limits limits;
    int64_t rto_ns;
    int64_t began_ns, hurry_ns;
    int64_t mark_ns; /* when the lab did something last */
    int64_t told_ns; /* when what is waited for was told last */
    int64_t lines;   /* bytes that the client was given to send */
    bool listening, connected;
};

/* What is told. */

static void emit(struct run *run, struct lab_event *event) {
    event->at_ns = clock_now();
    event->scenario = &run->scenario->shown;
    run->settings->emit(run->settings->into, event);
}

static void take_moment(void *into, const struct lab_moment *moment) {
    struct run *run = into;
    struct lab_event event = {.kind = LAB_EVENT_MOMENT, .moment = *moment};

    event.moment.at_ns -= run->began_ns;
    emit(run, &event);
}

__attribute__((format(printf, 2, 3))) static void fail(struct run *run, const char *format, ...) {
    va_list arguments;

    if (*run->result.failure)
        return;
    va_start(arguments, format);
    vsnprintf(run->result.failure, sizeof(run->result.failure), format, arguments);
    va_end(arguments);
}

static bool has_failed(const struct run *run) {
    return *run->result.failure;
}

/* The lab does something at a host. */
__attribute__((format(printf, 3, 4))) static void did(struct run *run, enum lab_host host,
                                                      const char *format, ...) {
    struct lab_moment moment = {.kind = LAB_DID, .host = host, .at_ns = clock_now()};
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(moment.text, sizeof(moment.text), format, arguments);
    va_end(arguments);
    timeline_add(&run->timeline, &moment);
    run->mark_ns = moment.at_ns;
}

/* What is observed. */

/* What took a time ends where a state or a process says so. */
static void measure_leave(struct run *run, const struct event *event) {
    if (run->scenario->shown.promise == LAB_FIN_TIMEOUT && event->from == TCP_STATE_FIN_WAIT2)
        run->result.took_ns = event->dwell_ns;
    if (run->scenario->shown.promise == LAB_TIME_WAIT && event->from == TCP_STATE_TIME_WAIT)
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
        event->socket && host == LAB_CLIENT && !run->settings->real_time)
        run->result.took_ns = event->socket->timer_ms * NS_PER_MS;
    measure_leave(run, event);
    end->state = event->to;
    end->since_ns = event->at_ns;
    judge_add_state(&run->result, host, event->to, event->skipped, event->skipped_count);
    timeline_add(&run->timeline, &moment);
}

static void on_event(struct run *run, enum lab_host host, const struct event *event) {
    if (event->kind == EVENT_LOST)
        fail(run, "the watch could not see everything: %s",
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
        result->took_ns = report->at_ns - run->mark_ns;
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
        result->took_ns = report->at_ns - run->mark_ns;
        break;
    case LAB_FIN_TIMEOUT:
    case LAB_TIME_WAIT:
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
        if (!outgoing || segment.icmp)
            continue;
        end->sent_flags |= segment.flags;
        if (segment.window == 0 && !(segment.flags & SEGMENT_RST))
            end->window_closed = true;
    }
}

/* The lab is the first process of its pid namespace: all that end are its children in the end. */
static void reap(struct run *run) {
    pid_t pid;

    while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
        for (int host = 0; host < ENDS; host++)
            if (run->ends[host].role.pid == pid)
                run->ends[host].ended = true;
}

/* A process that ends by itself has said so. */
static void check_roles(struct run *run) {
    reap(run);
    for (int host = 0; host < ENDS; host++) {
        struct end *end = &run->ends[host];

        if (!end->ended || end->killed)
            continue;
        read_reports(run, (enum lab_host)host);
        if (!end->closed)
            fail(run, "the %s's process has ended, and nobody knows why",
                 host == LAB_CLIENT ? "client" : "server");
        end->killed = true;
    }
}

/* Waits until something is there to be read, or `until_ns`, and reads it. */
static void observe(struct run *run, int64_t until_ns) {
    struct pollfd fds[3 * ENDS + 1];
    int64_t wake_ns = until_ns;
    struct timespec left;

    for (int host = 0; host < ENDS; host++) {
        const struct end *end = &run->ends[host];

        fds[host] = (struct pollfd){.fd = end->capture, .events = POLLIN};
        fds[ENDS + host] = (struct pollfd){
            .fd = end->role.pid && !end->ended ? end->role.reports : -1, .events = POLLIN};
        fds[2 * ENDS + host] = (struct pollfd){
            .fd = end->watcher ? watcher_descriptor(end->watcher) : -1, .events = POLLIN};
        if (end->watcher && watcher_due(end->watcher) < wake_ns)
            wake_ns = watcher_due(end->watcher);
    }
    if (run->hurry_ns && run->hurry_ns < wake_ns)
        wake_ns = run->hurry_ns;
    fds[3 * ENDS] =
        (struct pollfd){.fd = run->ends[LAB_CLIENT].role.pid && !run->ends[LAB_CLIENT].ended
                                  ? run->ends[LAB_CLIENT].role.output
                                  : -1,
                        .events = POLLIN};
    left = clock_left(wake_ns);
    ppoll(fds, 3 * ENDS + 1, &left, NULL);
    for (int host = 0; host < ENDS; host++) {
        read_capture(run, (enum lab_host)host);
        read_reports(run, (enum lab_host)host);
    }
    read_output(run);
    for (int host = 0; host < ENDS; host++) {
        struct watcher *watcher = run->ends[host].watcher;

        if (watcher && run->hurry_ns && clock_now() >= run->hurry_ns)
            watcher_hurry(watcher);
        if (watcher && watcher_step(watcher) < 0)
            fail(run, "cannot read the kernel's sockets: %s", strerror(errno));
    }
    if (run->hurry_ns && clock_now() >= run->hurry_ns)
        run->hurry_ns = 0;
    check_roles(run);
    timeline_flush(&run->timeline, clock_now());
}

/* Steps that wait. */

/* The process has been told, and the watch has met both ends. */
static bool is_connected(const struct run *run) {
    return run->connected && judge_has_state(&run->result, LAB_CLIENT, TCP_STATE_ESTABLISHED) &&
           judge_has_state(&run->result, LAB_SERVER, TCP_STATE_ESTABLISHED);
}

static bool is_done(const struct run *run, const struct step *step) {
    const struct end *end = &run->ends[step->host];

    switch (step->action) {
    case STEP_SERVE:
        return run->listening;
    case STEP_CONNECT:
        return is_connected(run);
    case STEP_ECHO:
        return run->ends[LAB_CLIENT].received >= run->lines;
    case STEP_AWAIT_STATE:
        return judge_has_state(&run->result, step->host, (enum tcp_state)step->value);
    case STEP_AWAIT_LEAVE:
    case STEP_OUTWAIT:
        return judge_has_state(&run->result, step->host, (enum tcp_state)step->value) &&
               end->state != (enum tcp_state)step->value;
    case STEP_AWAIT_TOLD:
        return end->told;
    case STEP_AWAIT_CLOSED:
        return end->closed;
    case STEP_AWAIT_WINDOW:
        return end->window_closed;
    default:
        return false;
    }
}

/* For words about a step. */
static void describe(const struct step *step, char text[LAB_TEXT_SIZE]) {
    static const char *const hosts[] = {"client", "server", "router"};
    const char *host = hosts[step->host], *state = tcp_state_name((enum tcp_state)step->value);

    switch (step->action) {
    case STEP_AWAIT_STATE:
        snprintf(text, LAB_TEXT_SIZE, "%s at the %s", state, host);
        break;
    case STEP_AWAIT_LEAVE:
    case STEP_OUTWAIT:
        snprintf(text, LAB_TEXT_SIZE, "the end of %s at the %s", state, host);
        break;
    case STEP_AWAIT_TOLD:
    case STEP_AWAIT_CLOSED:
        snprintf(text, LAB_TEXT_SIZE, "the %s to be told of the end", host);
        break;
    case STEP_AWAIT_WINDOW:
        snprintf(text, LAB_TEXT_SIZE, "the %s's window to be closed", host);
        break;
    case STEP_WATCH:
        snprintf(text, LAB_TEXT_SIZE, "nothing to happen at the %s", host);
        break;
    case STEP_SERVE:
        snprintf(text, LAB_TEXT_SIZE, "the server to start");
        break;
    case STEP_ECHO:
        snprintf(text, LAB_TEXT_SIZE, "the line to come back");
        break;
    default:
        snprintf(text, LAB_TEXT_SIZE, "the connection");
        break;
    }
}

static int64_t predict(const struct run *run, const struct tcp_limits *limits) {
    return judge_promise(run->scenario->shown.promise, limits, &run->scenario->client.liveness,
                         run->rto_ns);
}

/* Observes for a while, and tells what is waited for until `expected_ns` where that takes long. */
static void observe_and_tell(struct run *run, const struct step *step, int64_t expected_ns,
                             int64_t until_ns) {
    const int64_t now_ns = clock_now(), tell_ns = now_ns + TELL_NS;
    struct lab_event event = {.kind = LAB_EVENT_WAITING, .waiting.until_ns = expected_ns};

    if (expected_ns > tell_ns && run->told_ns + TELL_NS <= now_ns) {
        describe(step, event.waiting.text);
        emit(run, &event);
        run->told_ns = now_ns;
    }
    observe(run, tell_ns < until_ns ? tell_ns : until_ns);
}

/* How long the step is expected to take: as promised, where that is what it waits for. */
static int64_t expect(const struct run *run, const struct step *step) {
    int64_t predicted_ns;

    if (step->action != STEP_AWAIT_CLOSED && step->action != STEP_AWAIT_LEAVE &&
        step->action != STEP_OUTWAIT)
        return 0;
    predicted_ns = predict(run, &run->limits);
    return predicted_ns > 0 ? predicted_ns : 0;
}

static void await(struct run *run, const struct step *step) {
    const int64_t takes_ns = expect(run, step), now_ns = clock_now();
    const int64_t until_ns = now_ns + takes_ns + takes_ns / 2 + PATIENCE_NS;
    char text[LAB_TEXT_SIZE];

    while (!is_done(run, step) && !has_failed(run) && clock_now() < until_ns)
        observe_and_tell(run, step, now_ns + takes_ns, until_ns);
    if (!is_done(run, step) && !has_failed(run)) {
        describe(step, text);
        fail(run, "waited in vain for %s", text);
    }
}

static void pause_for(struct run *run, int64_t ns) {
    const int64_t until_ns = clock_now() + ns;

    while (clock_now() < until_ns && !has_failed(run))
        observe(run, until_ns);
}

/* Looks at the end for so long, in which nothing is to happen. */
static void watch(struct run *run, const struct step *step) {
    const struct end *end = &run->ends[step->host];
    const enum tcp_state state = end->state;
    const int64_t from_ns = clock_now(), until_ns = from_ns + step->value * NS_PER_MS;

    while (clock_now() < until_ns && !has_failed(run)) {
        observe_and_tell(run, step, until_ns, until_ns);
        if (end->state != state)
            fail(run, "nothing was expected, and %s went to %s",
                 step->host == LAB_CLIENT ? "the client" : "the server",
                 tcp_state_name(end->state));
        else if (end->told)
            fail(run, "nothing was expected, and the process was told of an end");
    }
    if (run->scenario->shown.promise == LAB_NEVER)
        run->result.took_ns = clock_now() - from_ns;
}

/* Steps that do something. */

static bool enter(struct run *run, enum lab_host host) {
    if (network_enter(&run->network, host) == 0)
        return true;
    fail(run, "cannot enter a namespace: %s", strerror(errno));
    return false;
}

/* Begins to watch an end, which has a host from now on. */
static int open_end(struct run *run, enum lab_host host) {
    struct end *end = &run->ends[host];

    if (network_enter(&run->network, host) < 0)
        return -1;
    end->capture = capture_open(NETWORK_DEVICE);
    if (end->capture < 0)
        return -1;
    end->watcher = watcher_open(host == LAB_CLIENT ? on_client_event : on_server_event, run);
    return end->watcher ? 0 : -1;
}

static void close_end(struct end *end) {
    watcher_close(end->watcher);
    end->watcher = NULL;
    if (end->capture >= 0)
        close(end->capture);
    end->capture = -1;
}

static void serve(struct run *run) {
    struct server_settings settings = run->scenario->server;
    settings.family = AF_INET;
    settings.port = WATCHER_PORT;
    if (!enter(run, LAB_SERVER))
        return;
    if (role_start_server(&run->ends[LAB_SERVER].role, &settings) < 0)
        fail(run, "cannot start the server: %s", strerror(errno));
}

static void connect_client(struct run *run) {
    struct client_settings settings = run->scenario->client;

    settings.host = LAB_SERVER_ADDRESS;
    settings.port = WATCHER_PORT;
    settings.family = AF_INET;
    if (!enter(run, LAB_CLIENT))
        return;
    if (role_start_client(&run->ends[LAB_CLIENT].role, &settings) < 0)
        fail(run, "cannot start the client: %s", strerror(errno));
}

static void say(struct run *run) {
    const int input = run->ends[LAB_CLIENT].role.input;

    did(run, LAB_CLIENT, "a line is typed");
    run->lines += (int64_t)strlen(LINE);
    if (input < 0 || write(input, LINE, strlen(LINE)) < 0)
        fail(run, "the client takes no line: %s", strerror(errno));
}

static const char *signal_name(int number) {
    return number == SIGKILL ? "SIGKILL" : number == SIGSTOP ? "SIGSTOP" : "SIGTERM";
}

static void send_signal(struct run *run, enum lab_host host, pid_t pid, int number,
                        const char *whom) {
    did(run, host, "%s to %s", signal_name(number), whom);
    if (pid <= 0 || kill(pid, number) < 0)
        fail(run, "there is no process to send %s to", signal_name(number));
    if (number == SIGKILL)
        run->ends[host].killed = true;
}

/* A process that is stopped cannot heed a signal that ends it; one that the lab ends may say
 * nothing. */
static void signal_role(struct run *run, const struct step *step) {
    struct end *end = &run->ends[step->host];

    send_signal(run, step->host, end->role.pid, step->value,
                step->host == LAB_CLIENT ? "the client" : "the server");
    if (step->value == SIGTERM)
        end->killed = true;
}

static void crash(struct run *run, enum lab_host host) {
    struct end *end = &run->ends[host];

    /* What has come until now was seen. */
    observe(run, 0);
    close_end(end);
    did(run, host, "the host is off");
    if (network_turn_off(&run->network, host) < 0) {
        fail(run, "cannot turn the host off: %s", strerror(errno));
        return;
    }
    end->killed = true;
    end->state = TCP_STATE_UNKNOWN;
    if (end->child > 0)
        kill(end->child, SIGKILL);
    if (end->role.pid > 0)
        kill(end->role.pid, SIGKILL);
}

static void boot(struct run *run, enum lab_host host) {
    const int64_t until_ns = clock_now() + PATIENCE_NS;

    did(run, host, "the host is on again");
    if (network_turn_on(&run->network, host) < 0 || open_end(run, host) < 0)
        fail(run, "cannot turn the host on: %s", strerror(errno));
    while (!has_failed(run) && !network_is_up(&run->network, host) && clock_now() < until_ns)
        observe(run, clock_now() + NS_PER_MS);
}

/* What the router does from now on. */
static void route(struct run *run, const struct step *step) {
    const char *host = step->host == LAB_CLIENT ? "client" : "server";
    struct network *network = &run->network;
    int result = -1;

    switch (step->action) {
    case STEP_DROP:
        did(run, LAB_ROUTER, "drops what is for the %s", host);
        result = network_drop(network, step->host, true);
        break;
    case STEP_HOLD:
        did(run, LAB_ROUTER, "keeps what is for the %s", host);
        result = network_hold(network, step->host, true);
        break;
    case STEP_RELEASE:
        did(run, LAB_ROUTER, "sends the %s what it kept", host);
        result = network_hold(network, step->host, false);
        break;
    case STEP_FORGET:
        did(run, LAB_ROUTER, "has to ask for the %s", host);
        result = network_forget(network, step->host);
        break;
    case STEP_UNROUTE:
        did(run, LAB_ROUTER, "has no route to the %s", host);
        result = network_remove_route(network, step->host);
        break;
    default:
        break;
    }
    if (result < 0)
        fail(run, "cannot change the network: %s", strerror(errno));
}

static void make(struct run *run, const struct step *step) {
    struct end *client = &run->ends[LAB_CLIENT];

    switch (step->action) {
    case STEP_SERVE:
        serve(run);
        await(run, step);
        break;
    case STEP_CONNECT:
        connect_client(run);
        await(run, step);
        break;
    case STEP_TRY:
        connect_client(run);
        break;
    case STEP_SAY:
        say(run);
        break;
    case STEP_ECHO:
        say(run);
        await(run, step);
        break;
    case STEP_END_INPUT:
        did(run, LAB_CLIENT, "the end of the input");
        role_end_input(&client->role);
        break;
    case STEP_SIGNAL:
        signal_role(run, step);
        break;
    case STEP_SIGNAL_CHILD:
        send_signal(run, step->host, run->ends[step->host].child, step->value,
                    "the process that serves it");
        break;
    case STEP_CRASH:
        crash(run, step->host);
        break;
    case STEP_BOOT:
        boot(run, step->host);
        break;
    case STEP_DROP:
    case STEP_HOLD:
    case STEP_RELEASE:
    case STEP_FORGET:
    case STEP_UNROUTE:
        route(run, step);
        break;
    case STEP_PAUSE:
        pause_for(run, step->value * NS_PER_MS);
        break;
    case STEP_WATCH:
        watch(run, step);
        break;
    case STEP_OUTWAIT:
        if (run->settings->real_time)
            await(run, step);
        else
            pause_for(run, SHORT_WAIT_NS);
        break;
    case STEP_AWAIT_STATE:
    case STEP_AWAIT_LEAVE:
    case STEP_AWAIT_TOLD:
    case STEP_AWAIT_CLOSED:
    case STEP_AWAIT_WINDOW:
        await(run, step);
        break;
    case STEP_END:
        break;
    }
}

/* From the beginning to the end. */

static int set_timers(struct run *run) {
    const char *const *setting = run->scenario->server_setting;

    for (int host = 0; host < ENDS; host++) {
        if (network_enter(&run->network, (enum lab_host)host) < 0 ||
            settings_restore(run->settings->own) < 0 ||
            (!run->settings->real_time && settings_shorten() < 0))
            return -1;
    }
    limits_get(&run->limits);
    return setting[0] ? settings_write(setting[0], setting[1]) : 0;
}

static const char *set_up(struct run *run) {
    if (network_make(&run->network) < 0)
        return "cannot make the lab's hosts";
    if (set_timers(run) < 0)
        return "cannot set the timers of the lab's hosts";
    if (open_end(run, LAB_CLIENT) < 0 || open_end(run, LAB_SERVER) < 0)
        return "cannot watch the lab's hosts";
    return NULL;
}

static size_t count_states(const struct lab_state *states) {
    size_t count = 0;

    while (count < LAB_STATES_MAX && states[count].mask)
        count++;
    return count;
}

static void expect_all(struct run *run) {
    const struct scenario *scenario = run->scenario;
    struct lab_result *result = &run->result;

    for (int host = 0; host < ENDS; host++) {
        memcpy(result->expected[host], scenario->states[host], sizeof(result->expected[host]));
        result->expected_count[host] = count_states(scenario->states[host]);
    }
    result->tells = scenario->tells;
    result->expected_told = scenario->told;
    result->took_ns = result->own_ns = -1;
    result->own_setting = -1;
}

/* The last states of both ends may still have to be seen. */
static void settle(struct run *run) {
    for (int host = 0; host < ENDS; host++) {
        const size_t count = run->result.expected_count[host];
        const struct lab_state *expected = &run->result.expected[host][count - 1];
        const struct step last = {STEP_AWAIT_STATE, (enum lab_host)host,
                                  count ? ffs((int)expected->mask) - 1 : 0};

        if (count && !expected->in_passing)
            await(run, &last);
    }
    pause_for(run, TIMELINE_DELAY_NS);
    for (int host = 0; host < ENDS; host++)
        if (run->ends[host].watcher && watcher_finish(run->ends[host].watcher) < 0)
            fail(run, "cannot read the kernel's sockets: %s", strerror(errno));
    timeline_flush(&run->timeline, INT64_MAX);
}

static void conclude(struct run *run) {
    const struct scenario *scenario = run->scenario;
    struct lab_result *result = &run->result;
    struct lab_event event = {.kind = LAB_EVENT_DONE};

    result->predicted_ns = predict(run, &run->limits);
    if (scenario->shown.setting) {
        result->own_ns = predict(run, &run->settings->own->limits);
        result->own_setting = settings_get(run->settings->own, scenario->shown.setting);
    }
    if (scenario->flags &&
        (run->ends[scenario->sender].sent_flags & scenario->flags) != scenario->flags)
        fail(run, "the %s did not send the segment that was expected",
             scenario->sender == LAB_CLIENT ? "client" : "server");
    if (scenario->forgotten && run->ends[LAB_SERVER].state != TCP_STATE_UNKNOWN)
        fail(run, "the server's host still has the connection");
    judge(result, scenario->shown.promise,
          run->rto_ns > run->limits.rto_min_ns ? run->rto_ns : run->limits.rto_min_ns);
    result->duration_ns = clock_now() - run->began_ns;
    event.result = *result;
    emit(run, &event);
}

const char *runner_run(const struct runner_settings *settings) {
    static struct run run;
    struct lab_event event = {.kind = LAB_EVENT_BEGUN};
    const char *failed;

    signal(SIGPIPE, SIG_IGN);
    memset(&run, 0, sizeof(run));
    run.settings = settings;
    run.scenario = settings->scenario;
    run.timeline.take = take_moment;
    run.timeline.into = &run;
    for (int host = 0; host < ENDS; host++) {
        run.ends[host].capture = -1;
        run.timeline.windows[host] = -1;
    }
    failed = set_up(&run);
    if (failed)
        return failed;
    expect_all(&run);
    run.began_ns = run.mark_ns = clock_now();
    emit(&run, &event);
    for (const struct step *step = run.scenario->steps; step->action && !has_failed(&run); step++)
        make(&run, step);
    settle(&run);
    conclude(&run);
    return NULL;
}
