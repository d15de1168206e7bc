/* SPDX-License-Identifier: MIT */
#include "sockdiag/reply.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/tcp.h>
#include <string.h>
#include <sys/socket.h>

/* Whether `len` bytes of struct tcp_info reach past this member. */
#define INFO_REACHES(len, member)                                                                  \
    ((len) >= offsetof(struct tcp_info, member) + sizeof(((struct tcp_info *)0)->member))

/* An attribute stands at a multiple of 4 bytes only. It is read where it is, as most of its members
 * are not wanted: a copy took a quarter of the time of reading a reply. */
struct unaligned_info {
    struct tcp_info info;
} __attribute__((packed));

static void read_info(struct socket *socket, const void *data, size_t len) {
    const struct unaligned_info *at = data;

    if (!INFO_REACHES(len, tcpi_total_retrans))
        return;
    socket->has |= SOCKET_HAS_INFO;
    socket->retransmits = at->info.tcpi_retransmits;
    socket->probes = at->info.tcpi_probes;
    socket->rto_us = at->info.tcpi_rto;
    socket->rtt_us = at->info.tcpi_rtt;
    socket->rttvar_us = at->info.tcpi_rttvar;
    socket->cwnd = at->info.tcpi_snd_cwnd;
    socket->unacked = at->info.tcpi_unacked;
    socket->lost = at->info.tcpi_lost;
    socket->total_retrans = at->info.tcpi_total_retrans;
    socket->last_data_sent_ms = at->info.tcpi_last_data_sent;
    socket->last_data_recv_ms = at->info.tcpi_last_data_recv;
    socket->last_ack_recv_ms = at->info.tcpi_last_ack_recv;
    if (!INFO_REACHES(len, tcpi_segs_in))
        return;
    socket->has |= SOCKET_HAS_BYTES;
    socket->bytes_acked = at->info.tcpi_bytes_acked;
    socket->bytes_received = at->info.tcpi_bytes_received;
    socket->segs_out = at->info.tcpi_segs_out;
    socket->segs_in = at->info.tcpi_segs_in;
    if (!INFO_REACHES(len, tcpi_data_segs_out))
        return;
    socket->has |= SOCKET_HAS_DATA_SEGS;
    socket->notsent = at->info.tcpi_notsent_bytes;
    socket->min_rtt_us = at->info.tcpi_min_rtt;
    socket->data_segs_in = at->info.tcpi_data_segs_in;
    socket->data_segs_out = at->info.tcpi_data_segs_out;
    if (!INFO_REACHES(len, tcpi_bytes_retrans))
        return;
    socket->has |= SOCKET_HAS_SENT;
    socket->bytes_sent = at->info.tcpi_bytes_sent;
    socket->bytes_retrans = at->info.tcpi_bytes_retrans;
}

/* Not mnl_attr_for_each(), which rounds the message's length up; by hand, as a long list has five
 * of them for each socket. */
static void read_attributes(struct socket *socket, const char *at, size_t left) {
    while (left >= sizeof(struct nlattr)) {
        const struct nlattr *attr = (const void *)at;
        const size_t size = NLA_ALIGN(attr->nla_len);

        if (attr->nla_len < NLA_HDRLEN || attr->nla_len > left)
            return;
        /* Before the handshake struct tcp_info counts from the start of the machine. */
        if ((attr->nla_type & NLA_TYPE_MASK) == INET_DIAG_INFO &&
            socket->state != TCP_STATE_SYN_SENT)
            read_info(socket, at + NLA_HDRLEN, attr->nla_len - (size_t)NLA_HDRLEN);
        if (size >= left)
            return;
        at += size;
        left -= size;
    }
}

bool reply_parse(const struct nlmsghdr *message, struct socket *socket) {
    const size_t payload = message->nlmsg_len - NLMSG_HDRLEN;
    const struct inet_diag_msg *diag = mnl_nlmsg_get_payload(message);

    if (message->nlmsg_len < NLMSG_HDRLEN || payload < sizeof(*diag))
        return false;
    if (diag->idiag_family != AF_INET && diag->idiag_family != AF_INET6)
        return false;

    memset(socket, 0, sizeof(*socket));
    socket->cookie = (uint64_t)diag->id.idiag_cookie[1] << 32 | diag->id.idiag_cookie[0];
    socket->inet6 = diag->idiag_family == AF_INET6;
    if (socket->inet6) {
        socket->local = address_from_ipv6(diag->id.idiag_src);
        socket->remote = address_from_ipv6(diag->id.idiag_dst);
    } else {
        socket->local = address_from_ipv4(diag->id.idiag_src);
        socket->remote = address_from_ipv4(diag->id.idiag_dst);
    }
    socket->local_port = ntohs(diag->id.idiag_sport);
    socket->remote_port = ntohs(diag->id.idiag_dport);
    socket->state = diag->idiag_state < TCP_STATE_COUNT ? diag->idiag_state : TCP_STATE_UNKNOWN;
    socket->timer = diag->idiag_timer;
    socket->timer_ms = diag->idiag_expires;
    socket->timer_count = diag->idiag_retrans;
    socket->ifindex = diag->id.idiag_if;
    socket->uid = diag->idiag_uid;
    socket->inode = diag->idiag_inode;
    socket->recv_queue = diag->idiag_rqueue;
    socket->send_queue = diag->idiag_wqueue;

    read_attributes(socket, (const char *)(diag + 1), payload - sizeof(*diag));
    return true;
}
