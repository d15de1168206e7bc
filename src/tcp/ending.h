/* SPDX-License-Identifier: MIT
 *
 * How a connection ends for the application at one end: what an errno means, and the words for it.
 * Pure.
 */
#ifndef TCPWATCH_TCP_ENDING_H
#define TCPWATCH_TCP_ENDING_H

enum tcp_ending {
    TCP_ENDING_UNKNOWN = 0, /* an error that TCP does not make */
    TCP_ENDING_LOCAL_CLOSE,
    TCP_ENDING_PEER_CLOSE,
    TCP_ENDING_RESET,
    TCP_ENDING_TIMED_OUT,
    TCP_ENDING_HOST_UNREACHABLE,
    TCP_ENDING_NETWORK_UNREACHABLE,
    TCP_ENDING_REFUSED,
    TCP_ENDING_COUNT,
};

/* What ended a connection whose system call failed with this errno. */
enum tcp_ending tcp_ending_of_errno(int error);

/* "peer-close", as JSON has it. */
const char *tcp_ending_name(enum tcp_ending ending);

/* What happened, in a few words: "the peer closed". */
const char *tcp_ending_words(enum tcp_ending ending);

/* What that means: who has done what, and what may be behind it. NULL: nothing more to say. */
const char *tcp_ending_meaning(enum tcp_ending ending, int error);

/* "ECONNRESET"; NULL for an errno that no end of a connection meets. */
const char *tcp_errno_name(int error);

#endif
