/* SPDX-License-Identifier: MIT */
#include "lab/settings.h"

#include "endpoint/liveness.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

static void path_of(const char *name, char *path, size_t size) {
    snprintf(path, size, "/proc/sys/%s", name);
    for (char *at = path; *at; at++)
        if (*at == '.')
            *at = '/';
}

int settings_write(const char *name, const char *value) {
    const size_t len = strlen(value);
    int fd, result = -1;
    char path[128];

    path_of(name, path, sizeof(path));
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    if (write(fd, value, len) == (ssize_t)len)
        result = 0;
    close(fd);
    return result;
}

static long read_setting(const char *name) {
    char path[128];
    long value;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/sys/net/ipv4/%s", name);
    file = fopen(path, "re");
    if (!file)
        return -1;
    if (fscanf(file, "%ld", &value) != 1)
        value = -1;
    fclose(file);
    return value;
}

void settings_save(struct settings *settings) {
    for (size_t i = 0; i < COUNT; i++)
        settings->values[i] = read_setting(table[i].name);
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
    char whole[64], text[32];

    snprintf(whole, sizeof(whole), "net.ipv4.%s", name);
    snprintf(text, sizeof(text), "%ld", value);
    return settings_write(whole, text) < 0 && errno != ENOENT ? -1 : 0;
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
