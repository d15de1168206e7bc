/* SPDX-License-Identifier: MIT */
#include "watch/verdict.h"

#include "units/duration.h"

#include <errno.h>

#define HAS_ALL (SOCKET_HAS_INFO | SOCKET_HAS_BYTES | SOCKET_HAS_DATA_SEGS | SOCKET_HAS_SENT)

/* By so much a timer may be told wrong: a jiffy or two (CONFIG_HZ=100). */
#define JIFFIES_NS (20 * NS_PER_MS)

/* Sequence numbers acknowledged beyond the payload: the SYN of the side that connected, and a FIN
 * (tcp_snd_una_update(), net/ipv4/tcp_input.c). Only where nothing is unacknowledged. */
static int64_t control_acked(const struct socket *socket) {
    return (int64_t)(socket->bytes_acked - (socket->bytes_sent - socket->bytes_retrans));
}

void verdict_observe_peer(struct connection *connection, const struct socket *peer) {
    const uint32_t crossing = TCP_STATE_BIT(TCP_STATE_FIN_WAIT1) |
                              TCP_STATE_BIT(TCP_STATE_CLOSING) | TCP_STATE_BIT(TCP_STATE_TIME_WAIT);

    if (peer && !(crossing & TCP_STATE_BIT(peer->state)))
        connection->not_crossed = true;
}

enum side verdict_first_in_time_wait(const struct connection *connection, enum tcp_state from) {
    return from != TCP_STATE_CLOSING && connection->not_crossed ? SIDE_LOCAL : SIDE_UNKNOWN;
}

void verdict_observe(struct connection *connection, const struct socket *socket) {
    const uint32_t before_fin =
        TCP_STATE_BIT(TCP_STATE_ESTABLISHED) | TCP_STATE_BIT(TCP_STATE_CLOSE_WAIT);
    const int64_t control = control_acked(socket);

    if (socket->state == TCP_STATE_FIN_WAIT2)
        connection->not_crossed = true;
    if ((socket->has & HAS_ALL) != HAS_ALL)
        return;
    connection->segs_known = true;
    connection->segs_in = socket->segs_in;
    connection->segs_out = socket->segs_out;
    connection->data_segs_out = socket->data_segs_out;
    if (socket->send_queue || !(before_fin & TCP_STATE_BIT(socket->state)) || control < 0 ||
        control > 1)
        return;
    connection->fin_base_known = true;
    connection->fin_base = control == 1;
}

/* tcp_disconnect() clears counters and remote port: close() with SO_LINGER 0 goes through it, and
 * so does a connect() that has failed (__inet_stream_connect(), net/ipv4/af_inet.c). */
static bool disconnected(const struct socket *last) {
    return last->remote_port == 0 && last->bytes_acked == 0 && last->segs_out == 0;
}

static bool is_handshake(enum tcp_state state) {
    return state == TCP_STATE_SYN_SENT || state == TCP_STATE_SYN_RECV ||
           state == TCP_STATE_NEW_SYN_RECV;
}

static bool fin_acked(const struct connection *connection, const struct socket *last) {
    return (last->has & HAS_ALL) == HAS_ALL && connection->fin_base_known &&
           last->send_queue == 0 && control_acked(last) == connection->fin_base + 1;
}

/* A segment came after the last look, and this side has sent nothing but data since, neither FIN
 * nor RST: what ended the connection was that segment. */
static bool peer_reset(const struct connection *connection, const struct socket *last) {
    return (last->has & HAS_ALL) == HAS_ALL && connection->segs_known &&
           connection->fin_base_known && last->retransmits == 0 && last->probes == 0 &&
           !fin_acked(connection, last) && last->segs_in > connection->segs_in &&
           last->segs_out - connection->segs_out == last->data_segs_out - connection->data_segs_out;
}

/* Whether this side's process has thrown it away: its RST, where one is sent, comes only after the
 * end. A process that has shut down its side still holds it then. */
static bool thrown_away(enum tcp_state from, const struct socket *last) {
    switch (from) {
    case TCP_STATE_SYN_SENT:
    case TCP_STATE_ESTABLISHED:
    case TCP_STATE_CLOSE_WAIT:
        return true;
    case TCP_STATE_FIN_WAIT1:
    case TCP_STATE_FIN_WAIT2:
        return last->inode != 0;
    default:
        return false;
    }
}

/* What the process had not read as it threw it away. The peer's FIN counts as a byte there, but
 * nothing waits behind one that was read. */
static uint32_t unread(enum tcp_state from, const struct socket *last) {
    const uint32_t fin = from == TCP_STATE_CLOSE_WAIT;

    return last->inode && last->recv_queue > fin ? last->recv_queue - fin : 0;
}

/* Where every move was told, nothing has to be concluded from counters; and where the last one was,
 * also from what did not come before it. */
static void decide_traced(struct event *event, const struct socket *last) {
    static const struct {
        int error;
        enum cause cause;
    } causes[] = {
        {ETIMEDOUT, CAUSE_TIMED_OUT},
        {ECONNREFUSED, CAUSE_REFUSED},
        {EHOSTUNREACH, CAUSE_HOST_UNREACHABLE},
        {EHOSTDOWN, CAUSE_HOST_UNREACHABLE},
        {ENETUNREACH, CAUSE_NETWORK_UNREACHABLE},
        {ENETDOWN, CAUSE_NETWORK_UNREACHABLE},
        {ECONNABORTED, CAUSE_DESTROYED},
        {ECONNRESET, CAUSE_RESET},
        {EPIPE, CAUSE_RESET},
    };
    const struct connection *connection = event->connection;

    event->error = connection->error;
    for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++)
        if (connection->error == causes[i].error) {
            event->cause = causes[i].cause;
            return;
        }
    if (connection->reset_received)
        event->cause = event->from == TCP_STATE_SYN_SENT ? CAUSE_REFUSED : CAUSE_RESET;
    else if (connection->reset_sent || (last && thrown_away(event->from, last)))
        event->cause = CAUSE_ABORTED;
    else if (last && event->from == TCP_STATE_LAST_ACK) {
        event->cause = CAUSE_FIN;
        event->closed_first = SIDE_REMOTE;
    }
    if (last && event->cause == CAUSE_ABORTED && thrown_away(event->from, last))
        event->unread = unread(event->from, last);
}

static void decide_cause(struct event *event, const struct freed *freed) {
    const struct connection *connection = event->connection;
    const struct socket *last = freed ? freed->last : NULL;
    const struct socket *peer = freed ? freed->peer : NULL;

    if (event->to == TCP_STATE_TIME_WAIT) {
        event->cause = CAUSE_FIN;
        event->closed_first = verdict_first_in_time_wait(connection, event->from);
    } else if (connection->traced && !connection->minisock) {
        decide_traced(event, last);
    } else if (last && event->from != TCP_STATE_UNKNOWN && !is_handshake(event->from) &&
               disconnected(last)) {
        event->cause = CAUSE_ABORTED;
    } else if (peer && peer->state == TCP_STATE_TIME_WAIT) {
        /* The other end has sent its FIN first and has got this side's. */
        event->cause = CAUSE_FIN;
        event->closed_first = SIDE_REMOTE;
    } else if ((event->from == TCP_STATE_CLOSE_WAIT || event->from == TCP_STATE_LAST_ACK) && last &&
               fin_acked(connection, last)) {
        event->cause = CAUSE_FIN;
        event->closed_first = SIDE_REMOTE;
    } else if ((event->from == TCP_STATE_ESTABLISHED || event->from == TCP_STATE_CLOSE_WAIT) &&
               last && peer_reset(connection, last)) {
        event->cause = CAUSE_RESET;
    } else if (connection->minisock && connection->reset_sent) {
        event->cause = CAUSE_ABORTED;
    } else if (connection->minisock && event->from == TCP_STATE_FIN_WAIT2) {
        /* Its timer ends it, a segment that it answers with RST
         * (tcp_timewait_state_process(), net/ipv4/tcp_minisocks.c), or `ss -K`: only the timer
         * shows, where it still stood just before, and not for less than its time. */
        if (event->seen_ns >= connection->expires_ns - 2 * NS_PER_S &&
            event->at_ns >= connection->expires_ns - JIFFIES_NS)
            event->cause = CAUSE_TIMED_OUT;
    }
}

/* Each try of what cannot leave this host counts as sent, and not as sent again
 * (__tcp_transmit_skb(), net/ipv4/tcp_output.c): it may come to more than was ever written. */
static int64_t bytes_sent(const struct socket *last) {
    const uint64_t once = last->bytes_sent - last->bytes_retrans;

    return once <= last->bytes_acked + last->send_queue ? (int64_t)once : -1;
}

struct totals verdict_totals(const struct socket *last, int fin_received) {
    struct totals totals = {-1, -1, -1, -1, -1};

    if (last->has & SOCKET_HAS_SENT)
        totals.bytes_sent = bytes_sent(last);
    if (last->has & SOCKET_HAS_BYTES) {
        totals.segs_out = last->segs_out;
        totals.segs_in = last->segs_in;
        /* bytes_received counts the peer's FIN, so that without data it is 0 or 1. */
        if ((last->has & SOCKET_HAS_DATA_SEGS) && last->data_segs_in == 0)
            totals.bytes_received = 0;
        else if (fin_received >= 0)
            totals.bytes_received = (int64_t)last->bytes_received - fin_received;
    }
    if (last->has & SOCKET_HAS_INFO)
        totals.retransmits = last->total_retrans;
    return totals;
}

/* Nothing was measured of a connection that never stood; its times count from the start of the
 * machine.
 *
 * An accepted or connected socket sets the times of its last data to its beginning: where no data
 * went one way, that time is the connection's age (tcp_create_openreq_child(),
 * tcp_finish_connect()). */
static int64_t lifetime(const struct socket *last) {
    const int all = SOCKET_HAS_INFO | SOCKET_HAS_DATA_SEGS;

    if ((last->has & all) != all || last->rtt_us == 0 || disconnected(last))
        return -1;
    if (last->data_segs_out == 0)
        return last->last_data_sent_ms * NS_PER_MS;
    if (last->data_segs_in == 0)
        return last->last_data_recv_ms * NS_PER_MS;
    return -1;
}

/* Whether the peer's FIN has come: 1, 0, or -1 where nobody knows. */
static int fin_received(const struct event *event) {
    switch (event->from) {
    case TCP_STATE_CLOSE_WAIT:
    case TCP_STATE_LAST_ACK:
    case TCP_STATE_CLOSING:
        return 1;
    case TCP_STATE_FIN_WAIT2:
        /* Without a TIME_WAIT, for which there may be no room, a look does not tell. */
        return event->to == TCP_STATE_TIME_WAIT                           ? 1
               : event->connection->minisock || event->connection->traced ? 0
                                                                          : -1;
    default:
        /* A FIN leads to another state at once; a look may be late for that. */
        return event->cause == CAUSE_FIN ? 1 : event->connection->traced && event->exact ? 0 : -1;
    }
}

void verdict_close(struct event *event, const struct freed *freed) {
    const struct connection *connection = event->connection;

    event->lifetime_ns =
        connection->born_seen && connection->born_ns ? event->at_ns - connection->born_ns : -1;
    event->totals = (struct totals){-1, -1, -1, -1, -1};
    decide_cause(event, freed);
    if (connection->totals)
        event->totals = *connection->totals;
    if (!freed || !freed->last || connection->totals || disconnected(freed->last))
        return;
    event->totals = verdict_totals(freed->last, fin_received(event));
    if (lifetime(freed->last) >= 0) {
        event->lifetime_ns = lifetime(freed->last);
        event->lifetime_approximate = false;
    }
}
