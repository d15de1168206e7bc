/* SPDX-License-Identifier: MIT
 *
 * Where monitor's observations come from: tracing or polling, whichever it is.
 */
#ifndef TCPWATCH_COMMAND_SOURCE_H
#define TCPWATCH_COMMAND_SOURCE_H

#include "filter/filter.h"
#include "watch/observer.h"

#include <signal.h>

enum source_choice { SOURCE_AUTO, SOURCE_POLL, SOURCE_TRACE };

struct source {
    struct trace_source *trace; /* NULL: polling */
    struct poll_source *poll;
};

/* Opens in the network namespace of the calling thread; with SOURCE_AUTO it traces where it can.
 * With `all_netns` in each of this host, which only tracing can. Says on stderr why not. Returns
 * false where there is none. */
bool source_open(struct source *source, enum source_choice choice, const struct filter *filter,
                 bool all_netns, int64_t interval_ns, const struct observer *observer);
void source_close(struct source *source);

/* As poll_source_run() and the others. */
int source_run(struct source *source, int64_t until_ns, const sigset_t *unblocked);
int source_catch_up(struct source *source);
int source_look(struct source *source, const struct socket *socket, struct socket *found);
bool source_is_behind(const struct source *source);
bool source_is_past_walk(const struct source *source);

#endif
