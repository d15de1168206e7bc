/* SPDX-License-Identifier: MIT */
#include "endpoint/liveness.h"

#include "units/duration.h"
#include "units/proc.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <sys/socket.h>

const char *liveness_set(int fd, const struct tcp_liveness *wanted) {
    const struct {
        const char *name;
        int level, option, value;
    } options[] = {
        {"SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE, wanted->keepalive},
        {"TCP_KEEPIDLE", IPPROTO_TCP, TCP_KEEPIDLE, wanted->idle_s},
        {"TCP_KEEPINTVL", IPPROTO_TCP, TCP_KEEPINTVL, wanted->interval_s},
        {"TCP_KEEPCNT", IPPROTO_TCP, TCP_KEEPCNT, wanted->count},
        {"TCP_USER_TIMEOUT", IPPROTO_TCP, TCP_USER_TIMEOUT, (int)wanted->user_timeout_ms},
    };

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        if (options[i].value && setsockopt(fd, options[i].level, options[i].option,
                                           &options[i].value, sizeof(options[i].value)) < 0)
            return options[i].name;
    return NULL;
}

static int get(int fd, int level, int option) {
    int value = 0;
    socklen_t len = sizeof(value);

    return getsockopt(fd, level, option, &value, &len) == 0 ? value : 0;
}

void liveness_get(int fd, struct tcp_liveness *in_force) {
    *in_force = (struct tcp_liveness){
        .keepalive = get(fd, SOL_SOCKET, SO_KEEPALIVE) != 0,
        .idle_s = get(fd, IPPROTO_TCP, TCP_KEEPIDLE),
        .interval_s = get(fd, IPPROTO_TCP, TCP_KEEPINTVL),
        .count = get(fd, IPPROTO_TCP, TCP_KEEPCNT),
        .user_timeout_ms = get(fd, IPPROTO_TCP, TCP_USER_TIMEOUT),
    };
}

static int64_t read_setting(const char *name, int64_t otherwise) {
    int64_t value;

    return sysctl_read(name, &value) ? value : otherwise;
}

void limits_get(struct tcp_limits *limits) {
    const struct tcp_limits *otherwise = &tcp_limits_default;

    *limits = (struct tcp_limits){
        .retries2 = (int)read_setting("net.ipv4.tcp_retries2", otherwise->retries2),
        .syn_retries = (int)read_setting("net.ipv4.tcp_syn_retries", otherwise->syn_retries),
        .syn_linear_timeouts =
            (int)read_setting("net.ipv4.tcp_syn_linear_timeouts", otherwise->syn_linear_timeouts),
        .rto_min_ns =
            read_setting("net.ipv4.tcp_rto_min_us", otherwise->rto_min_ns / NS_PER_US) * NS_PER_US,
        .rto_max_ns =
            read_setting("net.ipv4.tcp_rto_max_ms", otherwise->rto_max_ns / NS_PER_MS) * NS_PER_MS,
        .fin_timeout_ns =
            read_setting("net.ipv4.tcp_fin_timeout", otherwise->fin_timeout_ns / NS_PER_S) *
            NS_PER_S,
    };
}
