/* SPDX-License-Identifier: MIT
 *
 * Loads the BPF program with a filter in it, without what this kernel lacks, and attaches it, but
 * for on_state_meanwhile() where the kernel takes that later. trace's own.
 */
#ifndef TCPWATCH_TRACE_LOAD_H
#define TCPWATCH_TRACE_LOAD_H

#include "filter/filter.h"
#include "trace/trace.h"

struct trace_bpf; /* trace.skel.h, from trace.bpf.c */

/* Returns NULL with errno, and says in `why` what is missing: the right, libbpf, or a feature of
 * the kernel. Where it can do without, it says so, too; else `why` is empty. */
struct trace_bpf *load_program(const struct filter *filter, bool all_netns,
                               char why[TRACE_WHY_SIZE]);

/* Attaches on_state_meanwhile(). Returns false with errno. */
bool load_stand_in(struct trace_bpf *bpf);

#endif
