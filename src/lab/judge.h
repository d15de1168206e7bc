/* SPDX-License-Identifier: MIT
 *
 * Holds what was observed against what is expected. Pure. lab's own.
 */
#ifndef TCPWATCH_LAB_JUDGE_H
#define TCPWATCH_LAB_JUDGE_H

#include "lab/lab.h"

#include <stdarg.h>

/* The time that TCP promises, with these settings and the server's TCP_DEFER_ACCEPT; -1: never. */
int64_t judge_promise(enum lab_promise promise, const struct tcp_limits *limits,
                      const struct tcp_liveness *liveness, int defer_accept_s, int64_t rto_ns);

/* Adds what a transition or an appearance says, to what an end was observed to go through. */
void judge_add_state(struct lab_result *result, enum lab_host host, enum tcp_state to,
                     const uint32_t *skipped, size_t skipped_count);

/* Whether the end was in this state, in passing, too. */
bool judge_has_state(const struct lab_result *result, enum lab_host host, enum tcp_state state);

/* Notes why it failed, where that is not known yet: the first reason counts. */
__attribute__((format(printf, 2, 0))) void judge_vfail(struct lab_result *result,
                                                       const char *format, va_list arguments);

/* Sets `pass`, or the failure where there is none yet. rto_ns: the connection's; a time may be
 * wrong by as much, or by a tenth. */
void judge(struct lab_result *result, enum lab_promise promise, int64_t rto_ns);

#endif
