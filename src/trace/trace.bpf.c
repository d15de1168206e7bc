// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Reports the transitions, errors and resets of TCP sockets as they happen, from the kernel's own
 * tracepoints. Only those members of the kernel's structures are declared here that it reads; where
 * they are is found when it is loaded (CO-RE).
 */
#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <stdbool.h>

#include "record.h"

#define AF_INET  2
#define AF_INET6 10

/* include/net/tcp_states.h */
enum { ESTABLISHED = 1, SYN_SENT, SYN_RECV, FIN_WAIT1, FIN_WAIT2, TIME_WAIT, CLOSE, CLOSE_WAIT };
#define LAST_ACK 9

/* enum sock_flags of include/net/sock.h: the peer's FIN has come. */
#define SOCK_DONE 1

/* Some 250,000 records: the reader runs behind where the processors are busy. */
#define RING_SIZE (32 * 1024 * 1024)

/* The reader is woken each time that so much waits, and else looks by itself. */
#define WAKE_SIZE (RING_SIZE / 4)

#define KERNEL __attribute__((preserve_access_index))

struct in6_addr {
    union {
        __be32 u6_addr32[4];
    } KERNEL in6_u;
} KERNEL;

struct ns_common {
    unsigned int inum;
} KERNEL;

struct net {
    struct ns_common ns;
} KERNEL;

typedef struct {
    struct net *net;
} KERNEL possible_net_t;

typedef struct {
    long long counter;
} KERNEL atomic64_t;

struct sock_common {
    __be32 skc_daddr, skc_rcv_saddr;
    __be16 skc_dport;
    __u16 skc_num;
    unsigned short skc_family;
    unsigned char skc_state;
    int skc_bound_dev_if;
    unsigned long skc_flags;
    possible_net_t skc_net;
    struct in6_addr skc_v6_daddr, skc_v6_rcv_saddr;
    atomic64_t skc_cookie;
} KERNEL;

struct inode {
    unsigned long i_ino;
} KERNEL;

struct file {
    struct inode *f_inode;
} KERNEL;

/* How many have the file open: Linux 6.13 and later, and before that. */
struct file___counted {
    struct {
        struct {
            long counter;
        } KERNEL refcnt;
    } KERNEL f_ref;
} KERNEL;

struct file___before {
    struct {
        long counter;
    } KERNEL f_count;
} KERNEL;

struct socket {
    struct file *file;
} KERNEL;

/* A thread of the kernel's own (include/linux/sched.h). */
#define PF_KTHREAD 0x200000

struct task_struct {
    unsigned int flags;
    char comm[16];
    struct task_struct *group_leader;
} KERNEL;

typedef struct {
    unsigned int val;
} KERNEL kuid_t;

typedef struct {
    int owned;
} KERNEL socket_lock_t;

struct sock {
    struct sock_common __sk_common;
    socket_lock_t sk_lock;
    struct socket *sk_socket;
    kuid_t sk_uid;
    int sk_err;
} KERNEL;

struct request_sock {
    struct sock_common __req_common;
} KERNEL;

struct inet_sock {
    struct sock sk;
    __be16 inet_sport;
} KERNEL;

struct inet_connection_sock {
    struct inet_sock icsk_inet;
} KERNEL;

struct tcp_sock {
    struct inet_connection_sock inet_conn;
    __u32 segs_in, segs_out, data_segs_in, data_segs_out, total_retrans;
    __u32 write_seq, snd_una, rcv_nxt, copied_seq;
    __u64 bytes_acked, bytes_received, bytes_sent, bytes_retrans;
} KERNEL;

const volatile struct trace_filter filter;

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, RING_SIZE);
} ring SEC(".maps");

/* Records that found no room. */
__u64 lost;

/* on_state_meanwhile() is there, or refused: the reader has met something that is watched, or this
 * kernel would not take it later. Until then the reader is woken. */
bool has_met;

/* The moves that on_state() has been called for on this processor, and on_state_meanwhile() has not
 * yet: the last, and the one before. */
struct call {
    __u64 sk;
    __u32 from, to;
};

struct called {
    struct call last, before;
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct called);
} called SEC(".maps");

static __always_inline bool in_ranges(const volatile struct trace_ranges *ranges, __u16 port) {
    for (__u32 i = 0; i < TRACE_RANGES; i++) {
        if (i >= ranges->count)
            break;
        if (port >= ranges->ranges[i].first && port <= ranges->ranges[i].last)
            return true;
    }
    return false;
}

static __always_inline bool wants_ports(__u16 local, __u16 remote) {
    if (filter.either.count && !in_ranges(&filter.either, local) &&
        !in_ranges(&filter.either, remote))
        return false;
    return (!filter.local.count || in_ranges(&filter.local, local)) &&
           (!filter.remote.count || in_ranges(&filter.remote, remote));
}

static __always_inline bool in_prefix(const volatile struct trace_prefix *prefix,
                                      const __u32 *address) {
    for (int i = 0; i < 4; i++)
        if ((address[i] & prefix->mask[i]) != prefix->address[i])
            return false;
    return true;
}

static __always_inline bool wants_addresses(const struct trace_record *record) {
    if (!filter.prefix_count)
        return true;
    for (__u32 i = 0; i < TRACE_PREFIXES; i++) {
        if (i >= filter.prefix_count)
            break;
        if (in_prefix(&filter.prefixes[i], record->local) ||
            in_prefix(&filter.prefixes[i], record->remote))
            return true;
    }
    return false;
}

static __always_inline void read_addresses(const struct sock_common *common,
                                           struct trace_record *record) {
    record->inet6 = common->skc_family == AF_INET6;
    if (record->inet6) {
        for (int i = 0; i < 4; i++) {
            record->local[i] = common->skc_v6_rcv_saddr.in6_u.u6_addr32[i];
            record->remote[i] = common->skc_v6_daddr.in6_u.u6_addr32[i];
        }
        return;
    }
    record->local[2] = record->remote[2] = bpf_htonl(0xffff);
    record->local[3] = common->skc_rcv_saddr;
    record->remote[3] = common->skc_daddr;
}

static __always_inline void read_counters(const struct tcp_sock *tcp,
                                          struct trace_last_record *last) {
    last->segs_in = tcp->segs_in;
    last->segs_out = tcp->segs_out;
    last->data_segs_in = tcp->data_segs_in;
    last->data_segs_out = tcp->data_segs_out;
    last->total_retrans = tcp->total_retrans;
    last->bytes_acked = tcp->bytes_acked;
    last->bytes_received = tcp->bytes_received;
    last->bytes_sent = tcp->bytes_sent;
    last->bytes_retrans = tcp->bytes_retrans;
    last->send_queue = tcp->write_seq - tcp->snd_una;
    last->recv_queue = tcp->rcv_nxt - tcp->copied_seq;
}

/* Whether the last one who had it open is closing it. */
static __always_inline bool is_closing(const struct file *file) {
    const struct file___counted *counted = (const void *)file;
    const struct file___before *before = (const void *)file;

    if (bpf_core_field_exists(counted->f_ref))
        return BPF_CORE_READ(counted, f_ref.refcnt.counter) < 0;
    return BPF_CORE_READ(before, f_count.counter) == 0;
}

/* In FIN_WAIT2 the peer's FIN makes a minisock in TIME_WAIT, and the socket goes to CLOSE. */
static __always_inline bool waits(const struct sock *sk, int from, int to) {
    unsigned long flags;

    if (from != FIN_WAIT2 || to != CLOSE)
        return false;
    /* A load of less than the whole member could not be relocated. */
    flags = *(const volatile unsigned long *)&sk->__sk_common.skc_flags;
    return flags & 1 << SOCK_DONE;
}

/* connect() and close() run in the task that they belong to; all else may run in any. */
static __always_inline bool acts_itself(int to) {
    return to == SYN_SENT || to == FIN_WAIT1 || to == LAST_ACK;
}

/* So does a close() that ends the connection at once: whose lock the socket is under has the
 * processor, and what comes in from the network waits for that. While close() lingers, in later
 * states, it is served under that lock. */
static __always_inline bool aborts_itself(const struct sock *sk, const struct file *file, int from,
                                          int to) {
    return to == CLOSE && (from == ESTABLISHED || from == SYN_SENT || from == CLOSE_WAIT) &&
           sk->sk_lock.owned && is_closing(file);
}

/* Most sockets are of other ports, and this is all that they take until their last move: a port is
 * given back before that, and is 0. */
static __always_inline bool may_want(const struct sock_common *common, int to) {
    return (common->skc_num == 0 && to == CLOSE) ||
           wants_ports(common->skc_num, bpf_ntohs(common->skc_dport));
}

/* The ports first: a namespace has a cache line of its own. */
static __always_inline bool wants(const struct sock_common *common, __u16 local_port) {
    return wants_ports(local_port, bpf_ntohs(common->skc_dport)) &&
           (!filter.family || filter.family == common->skc_family) &&
           (!filter.netns || filter.netns == common->skc_net.net->ns.inum);
}

/* The process as the reader's pid namespace numbers it; 0: it is in another. */
static __always_inline __u32 current_pid(void) {
    struct bpf_pidns_info here = {};

    if (!filter.pidns_inode)
        return bpf_get_current_pid_tgid() >> 32;
    bpf_get_ns_current_pid_tgid(filter.pidns_device, filter.pidns_inode, &here, sizeof(here));
    return here.tgid;
}

/* What identifies the socket, but for the cookie. Returns whether the filter wants its addresses.
 */
static __always_inline bool fill(struct trace_record *record, const struct sock_common *common,
                                 __u16 local_port, enum trace_kind kind) {
    __builtin_memset(record, 0, sizeof(*record));
    read_addresses(common, record);
    record->at_ns = bpf_ktime_get_ns();
    record->kind = kind;
    record->local_port = local_port;
    record->remote_port = bpf_ntohs(common->skc_dport);
    record->ifindex = common->skc_bound_dev_if;
    if (!filter.netns)
        record->netns = common->skc_net.net->ns.inum;
    return wants_addresses(record);
}

static __always_inline void fill_socket(struct trace_record *record, const struct sock *sk,
                                        int from, int to, bool is_meanwhile) {
    const struct socket *socket = sk->sk_socket;
    const struct file *file = socket ? socket->file : NULL;
    const struct task_struct *task = (void *)bpf_get_current_task_btf();
    const bool itself =
        file && from != to && (acts_itself(to) || aborts_itself(sk, file, from, to));

    record->cookie = bpf_get_socket_cookie((void *)sk);
    record->meanwhile = is_meanwhile;
    record->from = from;
    record->to = waits(sk, from, to) ? TIME_WAIT : to;
    record->error = sk->sk_err;
    record->uid = sk->sk_uid.val;
    if (file && !(acts_itself(to) && is_closing(file)))
        record->inode = file->f_inode->i_ino;
    /* Now and then the last close is left to the kernel. */
    if (itself && !(task->flags & PF_KTHREAD)) {
        record->pid = current_pid();
        bpf_probe_read_kernel_str(record->task, sizeof(record->task), task->group_leader->comm);
    }
}

static __always_inline void end(void *record, __u64 size, bool wanted) {
    if (!wanted)
        bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP);
    else if (!has_met ||
             bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) % WAKE_SIZE < size + BPF_RINGBUF_HDR_SZ)
        bpf_ringbuf_submit(record, BPF_RB_FORCE_WAKEUP);
    else
        bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
}

static __always_inline void count_lost(void) {
    __sync_fetch_and_add(&lost, 1);
}

/* The port that a socket is bound to is given back before it goes to CLOSE; another member keeps
 * it, also while the socket connects once more and has none yet. */
static __always_inline __u16 local_port_of(const struct tcp_sock *tcp, int to) {
    const __u16 bound = tcp->inet_conn.icsk_inet.sk.__sk_common.skc_num;

    return bound || to != CLOSE ? bound : bpf_ntohs(tcp->inet_conn.icsk_inet.inet_sport);
}

static __always_inline void report_last(const struct sock *sk, const struct tcp_sock *tcp, int from,
                                        bool is_meanwhile) {
    struct trace_last_record *last = bpf_ringbuf_reserve(&ring, sizeof(*last), 0);
    bool wanted;

    if (!last) {
        count_lost();
        return;
    }
    wanted = fill(&last->record, &sk->__sk_common, local_port_of(tcp, CLOSE), TRACE_STATE);
    fill_socket(&last->record, sk, from, CLOSE, is_meanwhile);
    read_counters(tcp, last);
    end(last, sizeof(*last), wanted);
}

/* Returns NULL for what is no full TCP socket, or has ports that the filter does not want. */
static __always_inline const struct tcp_sock *wanted_tcp(const struct sock *sk, int to) {
    const unsigned short family = sk->__sk_common.skc_family;
    const struct tcp_sock *tcp;

    if (!may_want(&sk->__sk_common, to))
        return NULL;
    tcp = bpf_skc_to_tcp_sock((void *)sk);
    if (!tcp || (family != AF_INET && family != AF_INET6) ||
        !wants(&sk->__sk_common, local_port_of(tcp, to)))
        return NULL;
    return tcp;
}

static __always_inline void report(const struct sock *sk, const struct tcp_sock *tcp,
                                   enum trace_kind kind, int from, int to, bool is_meanwhile) {
    struct trace_record *record;
    bool wanted;

    if (to == CLOSE) {
        report_last(sk, tcp, from, is_meanwhile);
        return;
    }
    record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);
    if (!record) {
        count_lost();
        return;
    }
    wanted = fill(record, &sk->__sk_common, local_port_of(tcp, to), kind);
    fill_socket(record, sk, from, to, is_meanwhile);
    end(record, sizeof(*record), wanted);
}

/* What a listener has just cloned has neither addresses nor a cookie yet. */
static __always_inline const struct tcp_sock *moving_tcp(const struct sock *sk, int from, int to) {
    return from != to && (to != SYN_RECV || from == SYN_SENT) ? wanted_tcp(sk, to) : NULL;
}

static __always_inline struct called *called_here(void) {
    const __u32 first = 0;

    return bpf_map_lookup_elem(&called, &first);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_state, const struct sock *sk, int from, int to) {
    const struct tcp_sock *tcp = moving_tcp(sk, from, to);
    struct called *here;

    if (!tcp)
        return 0;
    here = has_met ? called_here() : NULL;
    if (here) {
        /* No socket moves in the middle of its own move: what says so was left over. */
        if (here->last.sk != (__u64)sk)
            here->before = here->last;
        here->last = (struct call){.sk = (__u64)sk, .from = from, .to = to};
    }
    report(sk, tcp, TRACE_STATE, from, to, false);
    return 0;
}

/* The kernel passes a program over while it runs on the same processor already. connect() and
 * close() can be interrupted there, and all that has come in from the network may follow. This one,
 * called after the first, stands in where that was not called for the same move. */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_state_meanwhile, const struct sock *sk, int from, int to) {
    const struct tcp_sock *tcp = moving_tcp(sk, from, to);
    struct called *here;

    if (!tcp)
        return 0;
    here = called_here();
    if (here && here->last.sk == (__u64)sk && here->last.from == from && here->last.to == to) {
        here->last = here->before;
        here->before.sk = 0;
    } else {
        report(sk, tcp, TRACE_STATE, from, to, true);
    }
    return 0;
}

/* Something that is no transition. What comes after the end cannot change its cause any more. */
static __always_inline void report_event(const struct sock *sk, enum trace_kind kind) {
    const unsigned char state = sk->__sk_common.skc_state;
    const struct tcp_sock *tcp = state == CLOSE ? NULL : wanted_tcp(sk, state);

    if (tcp)
        report(sk, tcp, kind, state, state, false);
}

SEC("tp_btf/inet_sk_error_report")
int BPF_PROG(on_error, const struct sock *sk) {
    /* Also called for what waits in the queue of messages (MSG_ERRQUEUE). */
    if (sk->sk_err)
        report_event(sk, TRACE_ERROR);
    return 0;
}

SEC("tp_btf/tcp_receive_reset")
int BPF_PROG(on_reset_received, const struct sock *sk) {
    report_event(sk, TRACE_RESET_RECEIVED);
    return 0;
}

/* Of what is no full socket. */
static __always_inline void report_mini(const struct sock_common *common, enum trace_kind kind) {
    struct trace_record *record;
    bool wanted;

    if (!wants(common, common->skc_num))
        return;
    record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);
    if (!record) {
        count_lost();
        return;
    }
    wanted = fill(record, common, common->skc_num, kind);
    record->cookie = common->skc_cookie.counter;
    end(record, sizeof(*record), wanted);
}

SEC("tp_btf/tcp_send_reset")
int BPF_PROG(on_reset_sent, const struct sock *sk) {
    /* NULL where it answers a segment of no socket. Linux 6.10 and later tell of minisocks, too. */
    if (!sk)
        return 0;
    if (sk->__sk_common.skc_state == TIME_WAIT)
        report_mini(&sk->__sk_common, TRACE_MINISOCK_RESET);
    else
        report_event(sk, TRACE_RESET_SENT);
    return 0;
}

/* connect() chooses the port after the move to SYN_SENT, which a filter of local ports then has not
 * let through. */
SEC("tp_btf/tcp_retransmit_skb")
int BPF_PROG(on_retransmit, const struct sock *sk) {
    if (sk->__sk_common.skc_state == SYN_SENT)
        report_event(sk, TRACE_SYN_AGAIN);
    return 0;
}

SEC("tp_btf/tcp_retransmit_synack")
int BPF_PROG(on_request, const struct sock *listener, const struct request_sock *request) {
    report_mini(&request->__req_common, TRACE_REQUEST);
    return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
