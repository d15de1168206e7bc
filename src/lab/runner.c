/* SPDX-License-Identifier: MIT */
#include "lab/runner.h"

#include "lab/judge.h"
#include "lab/observe.h"
#include "lab/steps.h"
#include "units/clock.h"
#include "units/duration.h"
#include "units/proc.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <strings.h>

/* Not each is answered: the kernel does so twice a second at the most. */
static void count_probes(struct run *run, const struct lab_moment *moment) {
    if (moment->kind != LAB_SEGMENT)
        return;
    if (moment->host == LAB_SERVER)
        run->probes_before = run->probes;
    else if (moment->segment.kind == SEGMENT_WINDOW_PROBE)
        run->probes++;
}

static void take_moment(void *into, const struct lab_moment *moment) {
    struct run *run = into;
    struct lab_event event = {.kind = LAB_EVENT_MOMENT, .moment = *moment};

    event.moment.at_ns -= run->began_ns;
    count_probes(run, moment);
    run_emit(run, &event);
}

static int set_timers(struct run *run) {
    const char *const *setting = run->scenario->server_setting;

    for (int host = 0; host < RUN_ENDS; host++) {
        if (network_enter(&run->network, (enum lab_host)host) < 0 ||
            settings_restore(run->settings->own) < 0 ||
            (!run->settings->real_time && settings_shorten() < 0))
            return -1;
    }
    settings_save(&run->in_force);
    run->limits = run->in_force.limits;
    return setting[0] ? sysctl_write(setting[0], setting[1]) : 0;
}

static const char *set_up(struct run *run) {
    if (network_make(&run->network) < 0)
        return "cannot make the lab's hosts";
    if (set_timers(run) < 0)
        return "cannot set the timers of the lab's hosts";
    if (observe_begin(run, LAB_CLIENT) < 0 || observe_begin(run, LAB_SERVER) < 0)
        return "cannot watch the lab's hosts";
    steps_await_link(run, LAB_CLIENT);
    steps_await_link(run, LAB_SERVER);
    return NULL;
}

static size_t count_states(const struct lab_state *states) {
    size_t count = 0;

    while (count < LAB_STATES_MAX && states[count].mask)
        count++;
    return count;
}

void runner_expect(const struct scenario *scenario, struct lab_result *result) {
    for (int host = 0; host < RUN_ENDS; host++) {
        memcpy(result->expected[host], scenario->states[host], sizeof(result->expected[host]));
        result->expected_count[host] = count_states(scenario->states[host]);
    }
    result->tells = scenario->tells;
    result->expected_told = scenario->told;
    result->expected_forgotten = scenario->forgotten;
    result->took_ns = result->own_ns = -1;
    result->own_setting = result->lab_setting = -1;
}

/* The last states of both ends may still have to be seen. */
static void settle(struct run *run) {
    const struct step delay = {STEP_PAUSE, .value = TIMELINE_DELAY_NS / NS_PER_MS};

    for (int host = 0; host < RUN_ENDS; host++) {
        const size_t count = run->result.expected_count[host];
        const struct lab_state *last = run->result.expected[host] + (count ? count - 1 : 0);
        const struct step step = {STEP_AWAIT_STATE, (enum lab_host)host, ffs((int)last->mask) - 1};

        if (count && !last->in_passing)
            steps_make(run, &step);
    }
    steps_make(run, &delay);
    for (int host = 0; host < RUN_ENDS; host++) {
        if (run->ends[host].watcher && watcher_finish(run->ends[host].watcher) < 0)
            run_fail(run, "cannot read the kernel's sockets: %s", strerror(errno));
        observe_end(run, (enum lab_host)host);
    }
    timeline_flush(&run->timeline, INT64_MAX);
}

static void conclude(struct run *run) {
    const struct scenario *scenario = run->scenario;
    struct lab_result *result = &run->result;
    struct lab_event event = {.kind = LAB_EVENT_DONE};

    result->predicted_ns = run_predict(run, &run->limits);
    /* The host went off a little late where this one is busy. */
    if (scenario->shown.promise == LAB_GIVE_UP_PROBING)
        result->predicted_ns =
            tcp_timeout_probing_after(&run->limits, run->rto_ns, run->probes_before);
    if (scenario->shown.setting) {
        result->own_ns = run_predict(run, &run->settings->own->limits);
        result->own_setting = settings_get(run->settings->own, scenario->shown.setting);
        result->lab_setting = settings_get(&run->in_force, scenario->shown.setting);
    }
    if (scenario->flags &&
        (run->ends[scenario->sender].sent_flags & scenario->flags) != scenario->flags)
        run_fail(run, "the %s did not send the segment that was expected",
                 lab_host_name(scenario->sender));
    result->forgotten =
        run->ends[LAB_SERVER].crashed && run->ends[LAB_SERVER].state == TCP_STATE_UNKNOWN;
    if (scenario->forgotten && !result->forgotten)
        run_fail(run, "the server's host still has the connection");
    if (scenario->closed && !run->ends[LAB_SERVER].window_closed)
        run_fail(run, "the server's window has opened again");
    judge(result, scenario->shown.promise,
          run->rto_ns > run->limits.rto_min_ns ? run->rto_ns : run->limits.rto_min_ns);
    result->duration_ns = clock_now() - run->began_ns;
    event.result = *result;
    run_emit(run, &event);
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
    for (int host = 0; host < RUN_ENDS; host++) {
        run.ends[host].capture = -1;
        run.timeline.windows[host] = -1;
    }
    failed = set_up(&run);
    if (failed)
        return failed;
    runner_expect(run.scenario, &run.result);
    run.began_ns = run.mark_ns = clock_now();
    run_emit(&run, &event);
    for (const struct step *step = run.scenario->steps; step->action && !run_has_failed(&run);
         step++)
        steps_make(&run, step);
    settle(&run);
    conclude(&run);
    return NULL;
}
