/* SPDX-License-Identifier: MIT */
#include "lab/run.h"

#include "lab/judge.h"
#include "units/clock.h"

#include <stdio.h>

void run_emit(struct run *run, struct lab_event *event) {
    event->at_ns = clock_now();
    event->scenario = &run->scenario->shown;
    run->settings->emit(run->settings->into, event);
}

void run_fail(struct run *run, const char *format, ...) {
    va_list arguments;

    va_start(arguments, format);
    judge_vfail(&run->result, format, arguments);
    va_end(arguments);
}

bool run_has_failed(const struct run *run) {
    return *run->result.failure;
}

void run_did(struct run *run, enum lab_host host, const char *format, ...) {
    struct lab_moment moment = {.kind = LAB_DID, .host = host, .at_ns = clock_now()};
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(moment.text, sizeof(moment.text), format, arguments);
    va_end(arguments);
    timeline_add(&run->timeline, &moment);
    run->mark_ns = moment.at_ns;
}

int64_t run_predict(const struct run *run, const struct tcp_limits *limits) {
    return judge_promise(run->scenario->shown.promise, limits, &run->scenario->client.liveness,
                         run->scenario->server.defer_accept_s, run->rto_ns);
}
