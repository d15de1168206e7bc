/* SPDX-License-Identifier: MIT
 *
 * The states of a TCP connection: their names, and which may follow which.
 * Pure functions; the numbers are the kernel's (include/net/tcp_states.h).
 */
#ifndef TCPWATCH_TCP_STATE_H
#define TCPWATCH_TCP_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tcp_state {
    TCP_STATE_UNKNOWN = 0,
    TCP_STATE_ESTABLISHED = 1,
    TCP_STATE_SYN_SENT,
    TCP_STATE_SYN_RECV,
    TCP_STATE_FIN_WAIT1,
    TCP_STATE_FIN_WAIT2,
    TCP_STATE_TIME_WAIT,
    TCP_STATE_CLOSE,
    TCP_STATE_CLOSE_WAIT,
    TCP_STATE_LAST_ACK,
    TCP_STATE_LISTEN,
    TCP_STATE_CLOSING,
    TCP_STATE_NEW_SYN_RECV,   /* a request socket; Linux 4.1 and later */
    TCP_STATE_BOUND_INACTIVE, /* bound, neither listening nor connected; Linux 6.8 and later */
    TCP_STATE_COUNT,
};

/* A set of states is a mask of these bits, the same layout as idiag_states. */
#define TCP_STATE_BIT(state) (1u << (state))
#define TCP_STATES_ALL       ((1u << TCP_STATE_COUNT) - 2)

/* netstat's name for the state ("FIN_WAIT2"); "UNKNOWN" for a number that is none. */
const char *tcp_state_name(enum tcp_state state);

/* Reads one state name of `len` bytes. Case, '-' and '_' do not matter: FIN_WAIT2, fin-wait-2 and
 * FinWait2 are one state, and ss's short names (ESTAB, CLOSED, LISTENING) are known.
 * Returns TCP_STATE_UNKNOWN for anything else. */
enum tcp_state tcp_state_parse(const char *name, size_t len);

/* Whether `to` may follow `from` on Linux in one step. Any state but LISTEN may go to CLOSE (a
 * reset). RFC 9293, section 3.3.2, less the passages that Linux makes in two steps. */
bool tcp_state_follows(enum tcp_state from, enum tcp_state to);

/* What a connection must have passed when it was seen in `from` and next in `to`: fills `steps`
 * with one mask of states a step, in order; a mask of several states means that it was one of them.
 * Returns the number of steps, 0 where nothing is certain (any state may be reset to CLOSE at
 * once).
 */
#define TCP_SKIPPED_MAX 4
size_t tcp_state_skipped(enum tcp_state from, enum tcp_state to, uint32_t steps[TCP_SKIPPED_MAX]);

/* The same where it is known that FINs both ways ended the connection, and which side sent its own
 * first: then CLOSE follows only LAST_ACK or TIME_WAIT. */
size_t tcp_state_skipped_by_fin(enum tcp_state from, enum tcp_state to, bool this_side_first,
                                uint32_t steps[TCP_SKIPPED_MAX]);

/* Whether a connection in this state has been ESTABLISHED before, or is. */
bool tcp_state_stood(enum tcp_state state);

/* How much a state calls for attention: 0 is the most. Sorts a list so that trouble stands first.
 */
int tcp_state_trouble(enum tcp_state state);

/* The states in which a connection should not stay long: --stuck speaks of these. */
#define TCP_STATES_TRANSIENT                                                                       \
    (TCP_STATE_BIT(TCP_STATE_CLOSE_WAIT) | TCP_STATE_BIT(TCP_STATE_FIN_WAIT1) |                    \
     TCP_STATE_BIT(TCP_STATE_FIN_WAIT2) | TCP_STATE_BIT(TCP_STATE_CLOSING) |                       \
     TCP_STATE_BIT(TCP_STATE_LAST_ACK) | TCP_STATE_BIT(TCP_STATE_SYN_SENT) |                       \
     TCP_STATE_BIT(TCP_STATE_SYN_RECV))

/* The states on the way of the side that closes last: FINs end it without a TIME_WAIT. */
#define TCP_STATES_CLOSED_LAST                                                                     \
    (TCP_STATE_BIT(TCP_STATE_ESTABLISHED) | TCP_STATE_BIT(TCP_STATE_CLOSE_WAIT) |                  \
     TCP_STATE_BIT(TCP_STATE_LAST_ACK))

#endif
