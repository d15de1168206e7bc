/* SPDX-License-Identifier: MIT */
/* In the place of trace.c, where the build has no BPF. */
#include "trace/trace.h"

#include <errno.h>
#include <stdio.h>

struct trace_source *trace_source_open(const struct filter *filter, bool all_netns,
                                       const struct observer *observer, char why[TRACE_WHY_SIZE]) {
    (void)filter, (void)all_netns, (void)observer;
    snprintf(why, TRACE_WHY_SIZE, "this build has no trace source (./configure --with-bpf)");
    errno = ENOPKG;
    return NULL;
}

void trace_source_close(struct trace_source *source) {
    (void)source;
}

int trace_source_run(struct trace_source *source, int64_t until_ns, const sigset_t *unblocked) {
    (void)source, (void)until_ns, (void)unblocked;
    return -1;
}

int trace_source_catch_up(struct trace_source *source) {
    (void)source;
    return -1;
}

int trace_source_look(struct trace_source *source, const struct socket *socket,
                      struct socket *found) {
    (void)source, (void)socket, (void)found;
    return -1;
}

bool trace_source_is_behind(const struct trace_source *source) {
    (void)source;
    return false;
}

bool trace_source_is_past_walk(const struct trace_source *source) {
    (void)source;
    return true;
}
