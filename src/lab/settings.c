/* SPDX-License-Identifier: MIT */
#include "lab/settings.h"

#include "endpoint/liveness.h"
#include "units/proc.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* short_value -1: left as it is. */
static const struct {
    const char *name;
    long short_value;
} table[] = {
    {"tcp_retries1", -1},       {"tcp_retries2", 2},         {"tcp_orphan_retries", 2},
    {"tcp_syn_retries", 1},     {"tcp_synack_retries", 1},   {"tcp_syn_linear_timeouts", 0},
    {"tcp_fin_timeout", 2},     {"tcp_rto_min_us", -1},      {"tcp_rto_max_ms", 1000},
    {"tcp_keepalive_time", -1}, {"tcp_keepalive_intvl", -1}, {"tcp_keepalive_probes", -1},
    {"tcp_early_retrans", -1},  {"tcp_timestamps", -1},      {"tcp_sack", -1},
};

#define COUNT (sizeof(table) / sizeof(table[0]))
_Static_assert(COUNT <= SETTINGS_MAX, "struct settings has room for all");

/* More than the longest name. */
#define NAME_SIZE 64

static const char *whole_name(const char *name, char whole[NAME_SIZE]) {
    snprintf(whole, NAME_SIZE, "net.ipv4.%s", name);
    return whole;
}

void settings_save(struct settings *settings) {
    char name[NAME_SIZE];
    int64_t value;

    for (size_t i = 0; i < COUNT; i++)
        settings->values[i] =
            sysctl_read(whole_name(table[i].name, name), &value) ? (long)value : -1;
    limits_get(&settings->limits);
}

long settings_get(const struct settings *settings, const char *name) {
    for (size_t i = 0; i < COUNT; i++)
        if (strcmp(table[i].name, name) == 0)
            return settings->values[i];
    return -1;
}

/* What this kernel does not have stays as it is without. */
static int set(const char *name, long value) {
    char whole[NAME_SIZE], text[32];

    snprintf(text, sizeof(text), "%ld", value);
    return sysctl_write(whole_name(name, whole), text) < 0 && errno != ENOENT ? -1 : 0;
}

int settings_restore(const struct settings *settings) {
    for (size_t i = 0; i < COUNT; i++)
        if (settings->values[i] >= 0 && set(table[i].name, settings->values[i]) < 0)
            return -1;
    return 0;
}

int settings_shorten(void) {
    for (size_t i = 0; i < COUNT; i++)
        if (table[i].short_value >= 0 && set(table[i].name, table[i].short_value) < 0)
            return -1;
    return 0;
}
