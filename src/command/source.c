/* SPDX-License-Identifier: MIT */
#include "command/source.h"

#include "sockdiag/poll.h"
#include "trace/trace.h"
#include "units/proc.h"

#include <err.h>
#include <errno.h>
#include <unistd.h>

/* Without root, or in a build without BPF, polling is what everybody expects; a root to whom
 * something forbids it, or who lacks the library, is told. Where it is descriptors that are short,
 * polling will say so. */
static bool is_usual(int error) {
    const bool is_told_to_root = error == EPERM || error == EACCES || error == ELIBACC;

    return (is_told_to_root && geteuid() != 0) || error == ENOPKG || proc_shortage(error);
}

bool source_open(struct source *source, enum source_choice choice, const struct filter *filter,
                 bool all_netns, int64_t interval_ns, const struct observer *observer) {
    char why[TRACE_WHY_SIZE];

    *source = (struct source){0};
    if (choice != SOURCE_POLL) {
        source->trace = trace_source_open(filter, all_netns, observer, why);
        if (source->trace) {
            if (*why)
                warnx("tracing as far as that goes: %s", why);
            return true;
        }
        if (choice == SOURCE_TRACE || all_netns) {
            warnx("%s: %s", all_netns ? "--netns=all" : "--source=trace", why);
            return false;
        }
        if (!is_usual(errno))
            warnx("polling, not tracing: %s", why);
    }
    source->poll = poll_source_open(filter, interval_ns, observer);
    if (!source->poll)
        warn("cannot open the kernel's sock_diag");
    return source->poll != NULL;
}

void source_close(struct source *source) {
    trace_source_close(source->trace);
    poll_source_close(source->poll);
}

int source_run(struct source *source, int64_t until_ns, const sigset_t *unblocked) {
    return source->trace ? trace_source_run(source->trace, until_ns, unblocked)
                         : poll_source_run(source->poll, until_ns, unblocked);
}

int source_catch_up(struct source *source) {
    return source->trace ? trace_source_catch_up(source->trace)
                         : poll_source_catch_up(source->poll);
}

int source_look(struct source *source, const struct socket *socket, struct socket *found) {
    return source->trace ? trace_source_look(source->trace, socket, found)
                         : poll_source_look(source->poll, socket, found);
}

bool source_is_behind(const struct source *source) {
    return source->trace && trace_source_is_behind(source->trace);
}

bool source_is_past_walk(const struct source *source) {
    return !source->trace || trace_source_is_past_walk(source->trace);
}
