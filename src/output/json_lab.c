/* SPDX-License-Identifier: MIT */
#include "output/json.h"

#include "output/object.h"
#include "units/clock.h"
#include "units/duration.h"

/* With a tenth of a millisecond: most that happens here takes less than one. */
static json_t *milliseconds(int64_t ns) {
    return json_real((double)(ns / (NS_PER_MS / 10)) / 10);
}

/* null: it never ends. */
static json_t *takes(int64_t ns) {
    return ns < 0 ? json_null() : milliseconds(ns);
}

static json_t *states_of(const struct lab_state *states, size_t count, bool in_passing_only) {
    uint32_t masks[LAB_STATES_MAX];
    size_t chosen = 0;

    for (size_t i = 0; i < count; i++)
        if (!in_passing_only || states[i].in_passing)
            masks[chosen++] = states[i].mask;
    return object_of_states(masks, chosen);
}

static void set_told(json_t *object, const struct lab_told *told) {
    const char *error = tcp_errno_name(told->error);

    if (told->cause != TCP_ENDING_UNKNOWN)
        object_set_text(object, "cause", tcp_ending_name(told->cause));
    if (error)
        object_set_text(object, "error", error);
    if (*told->syscall)
        object_set_text(object, "syscall", told->syscall);
    if (*told->detail)
        object_set_text(object, "detail", told->detail);
}

/* Those that are in passing, where there are any. */
static void set_in_passing(json_t *object, const char *key, const struct lab_state *states,
                           size_t count) {
    json_t *passing = states_of(states, count, true);

    if (json_array_size(passing))
        object_set(object, key, passing);
    else
        json_decref(passing);
}

static json_t *expected_of(const struct lab_result *result) {
    json_t *object = json_object();

    for (int host = LAB_CLIENT; host <= LAB_SERVER; host++)
        object_set(object, lab_host_name((enum lab_host)host),
                   states_of(result->expected[host], result->expected_count[host], false));
    set_in_passing(object, "client_brief", result->expected[LAB_CLIENT],
                   result->expected_count[LAB_CLIENT]);
    set_in_passing(object, "server_brief", result->expected[LAB_SERVER],
                   result->expected_count[LAB_SERVER]);
    if (result->expected_forgotten)
        object_set(object, "server_forgot", json_true());
    if (result->tells)
        set_told(object, &result->expected_told);
    object_set(object, "takes_ms", takes(result->predicted_ns));
    return object;
}

static json_t *observed_of(const struct lab_result *result) {
    json_t *object = json_object();

    for (int host = LAB_CLIENT; host <= LAB_SERVER; host++)
        object_set(object, lab_host_name((enum lab_host)host),
                   states_of(result->observed[host], result->observed_count[host], false));
    set_in_passing(object, "client_unseen", result->observed[LAB_CLIENT],
                   result->observed_count[LAB_CLIENT]);
    set_in_passing(object, "server_unseen", result->observed[LAB_SERVER],
                   result->observed_count[LAB_SERVER]);
    if (result->forgotten)
        object_set(object, "server_forgot", json_true());
    if (result->was_told)
        set_told(object, &result->told);
    if (result->by_timer)
        object_set(object, "timer_ms", milliseconds(result->took_ns));
    else if (result->took_ns >= 0)
        object_set(object, "took_ms", milliseconds(result->took_ns));
    return object;
}

static void put_result(struct output *output, const struct lab_event *event) {
    const struct lab_result *result = &event->result;
    json_t *object = object_begin("scenario", event->at_ns);

    object_set_text(object, "name", event->scenario->name);
    object_set(object, "expected", expected_of(result));
    object_set(object, "observed", observed_of(result));
    object_set(object, "pass", json_boolean(result->pass));
    if (!result->pass)
        object_set_text(object, "failure", result->failure);
    if (event->scenario->setting) {
        object_set_text(object, "setting", event->scenario->setting);
        object_set_known(object, "lab_setting", result->lab_setting);
        object_set_known(object, "own_setting", result->own_setting);
        object_set(object, "own_takes_ms", takes(result->own_ns));
    }
    object_set_text(object, "why", event->scenario->why);
    object_set_text(object, "advice", event->scenario->advice);
    object_set_number(object, "duration_ms", result->duration_ns / NS_PER_MS);
    object_end(output, object);
}

static void set_segment(json_t *object, const struct lab_moment *moment) {
    static const char *const kinds[] = {
        [SEGMENT_NEW] = "new",
        [SEGMENT_RETRANSMISSION] = "retransmission",
        [SEGMENT_KEEPALIVE] = "keepalive-probe",
        [SEGMENT_WINDOW_PROBE] = "window-probe",
    };
    static const struct {
        uint8_t flag;
        const char *name;
    } flags[] = {
        {SEGMENT_SYN, "SYN"}, {SEGMENT_FIN, "FIN"}, {SEGMENT_RST, "RST"}, {SEGMENT_ACK, "ACK"}};
    static const char *const passages[] = {
        [LAB_ARRIVED] = "arrived",
        [LAB_LOST] = "lost",
        [LAB_DELAYED] = "delayed",
        [LAB_CAME] = "came",
    };
    const struct segment *segment = &moment->segment;
    json_t *array = json_array();

    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        if (segment->flags & flags[i].flag)
            json_array_append_new(array, json_string(flags[i].name));
    object_set(object, "flags", array);
    object_set_text(object, "segment", kinds[segment->kind]);
    object_set_number(object, "bytes", segment->len);
    object_set_number(object, "window", segment->window);
    object_set_text(object, "passage", passages[moment->passage]);
}

static void put_moment(struct output *output, const struct lab_event *event) {
    static const char *const kinds[] = {
        [LAB_DID] = "action",      [LAB_TOLD] = "told", [LAB_STATE] = "state",
        [LAB_SEGMENT] = "segment", [LAB_ICMP] = "icmp",
    };
    static const char *const told[] = {
        [ENDPOINT_LISTENING] = "listening", [ENDPOINT_ACCEPTED] = "accepted",
        [ENDPOINT_CONNECTED] = "connected", [ENDPOINT_STAYING] = "staying",
        [ENDPOINT_CLOSED] = "closed",       [ENDPOINT_SHUTDOWN] = "shutdown",
    };
    const struct lab_moment *moment = &event->moment;
    json_t *object = object_begin("moment", event->at_ns);

    object_set_text(object, "name", event->scenario->name);
    object_set(object, "at_ms", milliseconds(moment->at_ns));
    object_set_text(object, "kind", kinds[moment->kind]);
    object_set_text(object, "host", lab_host_name(moment->host));
    switch (moment->kind) {
    case LAB_DID:
        object_set_text(object, "action", moment->text);
        break;
    case LAB_TOLD:
        object_set_text(object, "told", told[moment->told.kind]);
        set_told(object, &moment->told);
        break;
    case LAB_STATE:
        object_set_text(object, "state", tcp_state_name(moment->to));
        if (moment->skipped_count)
            object_set(object, "skipped", object_of_states(moment->skipped, moment->skipped_count));
        break;
    case LAB_SEGMENT:
        set_segment(object, moment);
        break;
    case LAB_ICMP:
        object_set_number(object, "type", moment->segment.icmp_type);
        object_set_number(object, "code", moment->segment.icmp_code);
        break;
    }
    object_end(output, object);
}

void json_lab(struct output *output, const struct lab_event *event) {
    if (event->kind == LAB_EVENT_MOMENT)
        put_moment(output, event);
    else if (event->kind == LAB_EVENT_DONE)
        put_result(output, event);
}

void json_lab_scenario(struct output *output, const struct lab_scenario *scenario) {
    json_t *object = object_begin("listed", clock_now());

    object_set_text(object, "name", scenario->name);
    object_set_text(object, "sentence", scenario->sentence);
    object_end(output, object);
}
