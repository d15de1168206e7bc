/* SPDX-License-Identifier: MIT */
#include "lab/steps.h"

#include "lab/judge.h"
#include "lab/observe.h"
#include "units/clock.h"
#include "units/duration.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A wait that is longer is told, and told again after as long. */
#define TELL_NS (500 * NS_PER_MS)

/* Of a state whose timer cannot be shortened so much is looked at. */
#define SHORT_WAIT_NS (500 * NS_PER_MS)

/* What 0 means for tcp_orphan_retries. */
#define ORPHAN_RETRIES 8

#define LINE "hello\n"

/* Steps that wait. */

/* The process has been told, and the watch has met both ends. */
static bool is_connected(const struct run *run) {
    return run->connected && run->ends[LAB_SERVER].child > 0 &&
           judge_has_state(&run->result, LAB_CLIENT, TCP_STATE_ESTABLISHED) &&
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
    const char *host = lab_host_name(step->host),
               *state = tcp_state_name((enum tcp_state)step->value);

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
        snprintf(text, LAB_TEXT_SIZE, "anything at the %s, where nothing is to happen", host);
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

/* Observes for a while, and tells what is waited for until `expected_ns` where that takes long. */
static void observe_and_tell(struct run *run, const struct step *step, int64_t expected_ns,
                             int64_t until_ns) {
    const int64_t now_ns = clock_now(), tell_ns = now_ns + TELL_NS;
    struct lab_event event = {.kind = LAB_EVENT_WAITING, .waiting.until_ns = expected_ns};

    if (expected_ns > tell_ns && run->told_ns + TELL_NS <= now_ns) {
        describe(step, event.waiting.text);
        run_emit(run, &event);
        run->told_ns = now_ns;
    }
    observe(run, tell_ns < until_ns ? tell_ns : until_ns);
}

/* How long the kernel sends for a connection that no process holds any more. */
static int64_t predict_orphan(const struct run *run) {
    const long retries = settings_get(&run->in_force, "tcp_orphan_retries");
    const struct tcp_liveness none = {0};
    struct tcp_limits limits = run->limits;

    limits.retries2 = retries > 0 ? (int)retries : ORPHAN_RETRIES;
    return tcp_timeout_sending(&limits, &none, run->rto_ns);
}

/* How long the step is expected to take. A state that has a timer takes as long as that; what else
 * ends, as promised, where the promise is not of such a state. */
static int64_t expect(const struct run *run, const struct step *step) {
    const enum lab_promise promise = run->scenario->shown.promise;
    const bool of_state = promise == LAB_FIN_TIMEOUT || promise == LAB_TIME_WAIT;
    int64_t predicted_ns;

    switch (step->action) {
    case STEP_AWAIT_LEAVE:
    case STEP_OUTWAIT:
        if (step->value == TCP_STATE_FIN_WAIT1)
            return predict_orphan(run);
        if (step->value == TCP_STATE_FIN_WAIT2)
            return run->limits.fin_timeout_ns;
        if (step->value == TCP_STATE_TIME_WAIT)
            return TCP_TIMEWAIT_LEN_NS;
        break;
    case STEP_AWAIT_CLOSED:
        if (of_state)
            return 0;
        break;
    default:
        return 0;
    }
    predicted_ns = run_predict(run, &run->limits);
    return predicted_ns > 0 ? predicted_ns : 0;
}

static void await(struct run *run, const struct step *step) {
    const int64_t takes_ns = expect(run, step), now_ns = clock_now();
    const int64_t until_ns = now_ns + takes_ns + takes_ns / 2 + RUN_PATIENCE_NS;
    char text[LAB_TEXT_SIZE];

    while (!is_done(run, step) && !run_has_failed(run) && clock_now() < until_ns)
        observe_and_tell(run, step, now_ns + takes_ns, until_ns);
    if (!is_done(run, step) && !run_has_failed(run)) {
        describe(step, text);
        run_fail(run, "waited in vain for %s", text);
    }
}

static void pause_for(struct run *run, int64_t ns) {
    const int64_t until_ns = clock_now() + ns;

    while (clock_now() < until_ns && !run_has_failed(run))
        observe(run, until_ns);
}

/* Looks at the end for so long, in which nothing is to happen. */
static void watch(struct run *run, const struct step *step) {
    const struct end *end = &run->ends[step->host];
    const enum tcp_state state = end->state;
    const bool told = end->told;
    const int64_t from_ns = clock_now(), until_ns = from_ns + step->value * NS_PER_MS;

    while (clock_now() < until_ns && !run_has_failed(run)) {
        observe_and_tell(run, step, until_ns, until_ns);
        if (end->state != state)
            run_fail(run, "nothing was expected, and %s went to %s",
                     step->host == LAB_CLIENT ? "the client" : "the server",
                     tcp_state_name(end->state));
        else if (end->told != told)
            run_fail(run, "nothing was expected, and the process was told of an end");
    }
    if (run_has_failed(run))
        return;
    if (run->scenario->shown.promise == LAB_NEVER)
        run->result.took_ns = clock_now() - from_ns;
    run_did(run, step->host, "nothing has happened for %d.%d s", step->value / 1000,
            step->value % 1000 / 100);
}

/* Steps that do something. */

static bool enter(struct run *run, enum lab_host host) {
    if (network_enter(&run->network, host) == 0)
        return true;
    run_fail(run, "cannot enter a namespace: %s", strerror(errno));
    return false;
}

static void serve(struct run *run) {
    struct server_settings settings = run->scenario->server;
    settings.family = AF_INET;
    settings.port = WATCHER_PORT;
    if (!enter(run, LAB_SERVER))
        return;
    if (role_start_server(&run->ends[LAB_SERVER].role, &settings) < 0)
        run_fail(run, "cannot start the server: %s", strerror(errno));
}

static void connect_client(struct run *run) {
    struct client_settings settings = run->scenario->client;

    settings.host = LAB_SERVER_ADDRESS;
    settings.port = WATCHER_PORT;
    settings.family = AF_INET;
    if (!enter(run, LAB_CLIENT))
        return;
    run->mark_ns = clock_now();
    if (role_start_client(&run->ends[LAB_CLIENT].role, &settings) < 0)
        run_fail(run, "cannot start the client: %s", strerror(errno));
}

static void say(struct run *run) {
    const int input = run->ends[LAB_CLIENT].role.input;

    run_did(run, LAB_CLIENT, "a line is typed, write()");
    run->lines += (int64_t)strlen(LINE);
    if (input < 0 || write(input, LINE, strlen(LINE)) < 0)
        run_fail(run, "the client takes no line: %s", strerror(errno));
}

static const char *signal_name(int number) {
    return number == SIGKILL ? "SIGKILL" : number == SIGSTOP ? "SIGSTOP" : "SIGTERM";
}

static void send_signal(struct run *run, enum lab_host host, pid_t pid, int number,
                        const char *whom) {
    run_did(run, host, "%s to %s%s", signal_name(number), whom,
            number == SIGSTOP ? ": it hangs" : "");
    if (pid <= 0 || kill(pid, number) < 0)
        run_fail(run, "there is no process to send %s to", signal_name(number));
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
    observe_end(run, host);
    run_did(run, host, "the host is off");
    if (network_turn_off(&run->network, host) < 0) {
        run_fail(run, "cannot turn the host off: %s", strerror(errno));
        return;
    }
    end->killed = true;
    end->crashed = true;
    end->state = TCP_STATE_UNKNOWN;
    end->connection = NULL;
    if (end->child > 0)
        kill(end->child, SIGKILL);
    if (end->role.pid > 0)
        kill(end->role.pid, SIGKILL);
}

void steps_await_link(struct run *run, enum lab_host host) {
    const int64_t until_ns = clock_now() + RUN_PATIENCE_NS;

    while (!run_has_failed(run) && !network_is_up(&run->network, host) && clock_now() < until_ns)
        observe(run, clock_now() + NS_PER_MS);
}

static void boot(struct run *run, enum lab_host host) {
    run_did(run, host, "the host is on again");
    if (network_turn_on(&run->network, host) < 0 || observe_begin(run, host) < 0)
        run_fail(run, "cannot turn the host on: %s", strerror(errno));
    steps_await_link(run, host);
}

/* What the router does from now on. */
static void route(struct run *run, const struct step *step) {
    const char *host = lab_host_name(step->host);
    struct network *network = &run->network;
    int result = -1;

    switch (step->action) {
    case STEP_DROP:
        run_did(run, LAB_ROUTER, "drops what is for the %s", host);
        result = network_drop(network, step->host, true);
        break;
    case STEP_HOLD:
        run_did(run, LAB_ROUTER, "keeps what is for the %s", host);
        result = network_hold(network, step->host, true);
        break;
    case STEP_RELEASE:
        run_did(run, LAB_ROUTER, "sends the %s what it kept", host);
        result = network_hold(network, step->host, false);
        break;
    case STEP_FORGET:
        run_did(run, LAB_ROUTER, "asks who has the %s's address", host);
        result = network_forget(network, step->host);
        break;
    case STEP_UNROUTE:
        run_did(run, LAB_ROUTER, "has no route to the %s", host);
        result = network_remove_route(network, step->host);
        break;
    default:
        break;
    }
    if (result < 0)
        run_fail(run, "cannot change the network: %s", strerror(errno));
}

void steps_make(struct run *run, const struct step *step) {
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
        run_did(run, LAB_CLIENT, "end of input, shutdown()");
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
