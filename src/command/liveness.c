/* SPDX-License-Identifier: MIT */
#include "command/liveness.h"

#include "command/usage.h"
#include "units/duration.h"

#include <stdlib.h>
#include <string.h>

enum {
    KEY_KEEPALIVE = 0x400,
    KEY_USER_TIMEOUT,
};

static const struct argp_option options[] = {
    {NULL, 0, NULL, 0, "When a vanished peer is noticed:", 4},
    {"keepalive", KEY_KEEPALIVE, "IDLE[,INTERVAL[,COUNT]]", 0,
     "Probe the peer after IDLE seconds without a segment, COUNT times, INTERVAL seconds apart", 4},
    {"user-timeout", KEY_USER_TIMEOUT, "DURATION", 0,
     "Give up when data stays unacknowledged so long (TCP_USER_TIMEOUT)", 4},
    {0},
};

#define KEEPALIVE_ALLOWED                                                                          \
    "IDLE[,INTERVAL[,COUNT]] with 1 to 32767 whole seconds for IDLE and INTERVAL, COUNT 1 to 127"
#define USER_TIMEOUT_ALLOWED "1ms to 596h (a number with ms, s, m or h; a bare number is seconds)"

/* Reads whole seconds from 1 to the most; returns 0 for anything else. */
static int parse_seconds(const char *text, int most) {
    const int64_t ns = duration_parse(text);

    return ns > 0 && ns % NS_PER_S == 0 && ns / NS_PER_S <= most ? (int)(ns / NS_PER_S) : 0;
}

static int parse_number(const char *text, int most) {
    char *end;
    const long number = strtol(text, &end, 10);

    return *text >= '0' && *text <= '9' && *end == '\0' && number >= 1 && number <= most
               ? (int)number
               : 0;
}

static void parse_keepalive(const struct argp_state *state, const char *value,
                            struct tcp_liveness *liveness) {
    char *copy = strdup(value), *rest = copy;
    const char *idle = strsep(&rest, ","), *interval = strsep(&rest, ","), *count = rest;

    if (!copy)
        usage_refuse(state, "--keepalive", value, "does not fit into memory", KEEPALIVE_ALLOWED);
    liveness->keepalive = true;
    liveness->idle_s = parse_seconds(idle, TCP_KEEPIDLE_MAX);
    liveness->interval_s = interval ? parse_seconds(interval, TCP_KEEPINTVL_MAX) : 0;
    liveness->count = count ? parse_number(count, TCP_KEEPCNT_MAX) : 0;
    if (!liveness->idle_s || (interval && !liveness->interval_s) || (count && !liveness->count))
        usage_refuse(state, "--keepalive", value, "is no keepalive", KEEPALIVE_ALLOWED);
    free(copy);
}

static error_t parse(int key, char *value, struct argp_state *state) {
    struct tcp_liveness *liveness = state->input;
    int64_t ns;

    switch (key) {
    case KEY_KEEPALIVE:
        parse_keepalive(state, value, liveness);
        return 0;
    case KEY_USER_TIMEOUT:
        ns = duration_parse(value);
        if (ns < NS_PER_MS || ns / NS_PER_MS > TCP_USER_TIMEOUT_MAX)
            usage_refuse(state, "--user-timeout", value, "is no user timeout",
                         USER_TIMEOUT_ALLOWED);
        liveness->user_timeout_ms = ns / NS_PER_MS;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp liveness_argp = {.options = options, .parser = parse};
