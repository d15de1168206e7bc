/* SPDX-License-Identifier: MIT */
#include "tcp/meaning.h"

/* RFC 9293, section 3.3.2, for the states; who holds a socket, and the orphan's timers, are Linux's
 * (tcp_close() and tcp_out_of_resources(), net/ipv4). */
static const struct tcp_meaning meanings[TCP_STATE_COUNT] = {
    [TCP_STATE_CLOSE_WAIT] =
        {
            "the peer has closed",
            "has to close its socket, the kernel never will",
            "it was not accepted yet: the server has to accept it and close it",
        },
    [TCP_STATE_FIN_WAIT2] =
        {
            "this side closed first and waits for the peer's FIN",
            "still holds it, so no timer ends it",
            "no process holds it",
        },
    [TCP_STATE_FIN_WAIT1] =
        {
            "this side has closed and waits for the peer to acknowledge its data and FIN",
            "still holds it",
            "no process holds it, the kernel retransmits and gives up in the end",
        },
    [TCP_STATE_CLOSING] =
        {
            "both sides closed at once, and the peer has still to acknowledge this side's FIN",
            "still holds it",
            "no process holds it, the kernel retransmits and gives up in the end",
        },
    [TCP_STATE_LAST_ACK] =
        {
            "both sides have closed, and the peer has still to acknowledge this side's FIN",
            "still holds it",
            "no process holds it, the kernel retransmits and gives up in the end",
        },
    [TCP_STATE_SYN_SENT] =
        {
            "the peer has not answered the SYN",
            "is connecting, the kernel retransmits and gives up in the end",
            "the kernel retransmits and gives up in the end",
        },
    [TCP_STATE_SYN_RECV] =
        {
            "the peer has not acknowledged the SYN-ACK",
            "holds it, the kernel retransmits and gives up in the end",
            "the kernel retransmits and gives up in the end",
        },
};

const struct tcp_meaning *tcp_meaning(enum tcp_state state) {
    return &meanings[state < TCP_STATE_COUNT ? state : TCP_STATE_UNKNOWN];
}
