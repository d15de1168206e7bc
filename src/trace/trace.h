/* SPDX-License-Identifier: MIT
 *
 * The trace source: a BPF program on the kernel's tracepoints reports each transition, error and
 * reset as it happens. sock_diag adds what stood before, and what is no full socket: requests in
 * SYN_RECV, minisocks in TIME_WAIT and FIN_WAIT2.
 */
#ifndef TCPWATCH_TRACE_TRACE_H
#define TCPWATCH_TRACE_TRACE_H

#include "filter/filter.h"
#include "watch/observer.h"

#include <signal.h>

struct trace_source;

#define TRACE_WHY_SIZE 200

/* Loads the program, and opens in the network namespace of the calling thread, or with `all_netns`
 * in each of this host, which takes CAP_SYS_ADMIN and CAP_SYS_PTRACE as long as it runs. `filter`
 * and `observer` must outlive the source. Returns NULL with errno, and says in `why` what is
 * missing: the right (EPERM, EACCES), a feature of the kernel, libbpf (ELIBACC), or support in this
 * build (ENOPKG). What it does without it says there, too; else `why` is empty. */
struct trace_source *trace_source_open(const struct filter *filter, bool all_netns,
                                       const struct observer *observer, char why[TRACE_WHY_SIZE]);
void trace_source_close(struct trace_source *source);

/* As poll_source_run() and the others. */
int trace_source_run(struct trace_source *source, int64_t until_ns, const sigset_t *unblocked);
int trace_source_catch_up(struct trace_source *source);
int trace_source_look(struct trace_source *source, const struct socket *socket,
                      struct socket *found);

/* Whether more has happened than was read at a time: what sock_diag says now is then ahead of it.
 */
bool trace_source_is_behind(const struct trace_source *source);

/* Whether all was read that happened before the last walk. */
bool trace_source_is_past_walk(const struct trace_source *source);

#endif
