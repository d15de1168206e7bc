/* SPDX-License-Identifier: MIT
 *
 * Runs the lab's scenarios with what breaks the connection left out: every one of them has to fail,
 * or it would pass whatever the kernel does. A line for each: name, what was left out, "passed" or
 * "failed", and why, with tabs between them. With an argument: only those whose name begins so.
 */
#include "lab/scenario.h"

#include <stdio.h>
#include <string.h>

#define SCENARIOS_MAX 64
#define CHANGES       4

/* A scenario that is changed, and how. */
struct unbroken {
    struct scenario scenario; /* first, so that the lab's pointer is one to the whole */
    const char *without;
};

static bool breaks(enum action action) {
    switch (action) {
    case STEP_END_INPUT:
    case STEP_SIGNAL:
    case STEP_SIGNAL_CHILD:
    case STEP_CRASH:
    case STEP_BOOT:
    case STEP_DROP:
    case STEP_HOLD:
    case STEP_RELEASE:
    case STEP_FORGET:
    case STEP_UNROUTE:
        return true;
    default:
        return false;
    }
}

/* Each returns what it has left out, or NULL where the scenario has nothing of that kind. */

static const char *without_steps(struct scenario *scenario) {
    struct step *kept = scenario->steps;
    bool found = false;

    for (const struct step *step = scenario->steps; step->action; step++) {
        if (breaks(step->action))
            found = true;
        else
            *kept++ = *step;
    }
    kept->action = STEP_END;
    return found ? "steps" : NULL;
}

static bool has(const struct scenario *scenario, enum action action) {
    for (const struct step *step = scenario->steps; step->action; step++)
        if (step->action == action)
            return true;
    return false;
}

/* With a server the connection is not refused. */
static const char *with_server(struct scenario *scenario) {
    struct step *steps = scenario->steps;

    if (has(scenario, STEP_SERVE))
        return NULL;
    memmove(steps + 1, steps, (SCENARIO_STEPS_MAX - 2) * sizeof(*steps));
    steps[0] = (struct step){.action = STEP_SERVE};
    return "no server";
}

/* But where a window that is closed for a moment is enough: a server that does read has that, too,
 * on a busy machine. */
static const char *without_server_options(struct scenario *scenario) {
    struct server_settings *server = &scenario->server;

    if (has(scenario, STEP_AWAIT_WINDOW) && has(scenario, STEP_CRASH))
        return NULL;
    if (!server->no_read && !server->hold && !server->reset && !server->defer_accept_s)
        return NULL;
    server->no_read = server->hold = server->reset = false;
    server->defer_accept_s = 0;
    return "server options";
}

/* But the user timeout alone: without it the kernel's own limit is what is promised. */
static const char *without_client_options(struct scenario *scenario) {
    struct client_settings *client = &scenario->client;

    if (!client->icmp_errors && !client->liveness.keepalive)
        return NULL;
    client->icmp_errors = client->liveness.keepalive = false;
    return "client options";
}

/* In the order of the table. */
static size_t change_all(struct unbroken *all, const char *beginning) {
    static const char *(*const changes[CHANGES])(struct scenario *) = {
        without_steps, with_server, without_server_options, without_client_options};
    const struct lab_scenario *shown;
    size_t count = 0;

    for (size_t i = 0; i < SCENARIOS_MAX && (shown = lab_scenario(i)); i++) {
        if (strncmp(shown->name, beginning, strlen(beginning)) != 0)
            continue;
        for (size_t change = 0; change < CHANGES; change++) {
            all[count].scenario = *(const struct scenario *)shown;
            all[count].without = changes[change](&all[count].scenario);
            if (all[count].without)
                count++;
        }
    }
    return count;
}

static bool put(void *into, const struct lab_event *event) {
    const struct unbroken *unbroken = (const struct unbroken *)event->scenario;

    (void)into;
    if (event->kind == LAB_EVENT_DONE)
        printf("%s\t%s\t%s\t%s\n", event->scenario->name, unbroken->without,
               event->result.pass ? "passed" : "failed", event->result.failure);
    return fflush(stdout) == 0;
}

int main(int argc, char **argv) {
    static struct unbroken all[SCENARIOS_MAX * CHANGES];
    static const struct lab_scenario *scenarios[SCENARIOS_MAX * CHANGES + 1];
    const struct lab_settings settings = {.scenarios = scenarios, .emit = put};
    const size_t count = change_all(all, argc > 1 ? argv[1] : "");
    struct lab_failure failure;
    enum lab_outcome outcome;

    for (size_t i = 0; i < count; i++)
        scenarios[i] = &all[i].scenario.shown;
    outcome = lab_run(&settings, &failure);
    if (outcome == LAB_FORBIDDEN)
        fprintf(stderr, "%s: %s\n", failure.what, strerror(failure.error));
    return outcome != LAB_PASSED && outcome != LAB_FAILED;
}
