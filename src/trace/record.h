/* SPDX-License-Identifier: MIT
 *
 * What passes between the BPF program and its reader. trace's own.
 */
#ifndef TCPWATCH_TRACE_RECORD_H
#define TCPWATCH_TRACE_RECORD_H

#ifndef __bpf__
#include <linux/types.h>
#endif

enum trace_kind {
    TRACE_STATE, /* the socket went `from` -> `to`; TIME_WAIT: to CLOSE, and a minisock waits */
    TRACE_ERROR, /* `error` is what the application will get */
    TRACE_RESET_RECEIVED, /* a RST came for it */
    TRACE_RESET_SENT,     /* it has sent one */
    TRACE_SYN_AGAIN,      /* in SYN_SENT, it has sent its SYN again */
    TRACE_REQUEST,        /* its SYN-ACK was sent again: addresses, ports and cookie only */
    TRACE_MINISOCK_RESET, /* an orphan in FIN_WAIT2 got data, sent a RST and is over: the same */
};

/* A socket at one moment. Addresses and ports as the kernel has them, so in network byte order but
 * for local_port; an IPv4 address is mapped. */
struct trace_record {
    __u64 at_ns; /* CLOCK_MONOTONIC */
    __u64 cookie;
    __u32 local[4], remote[4];
    __u32 inode, uid, ifindex;
    __u32 netns; /* 0: the one that the filter names */
    __u32 pid;   /* of the task that acted on its own socket; inode 0: that closed it. 0: any, or
                  * one in another pid namespace than the reader */
    __u16 local_port, remote_port, error;
    __u8 kind, from, to, inet6;
    __u8 meanwhile; /* of on_state_meanwhile(): once in a while on_state() has reported it, too */
    char task[16];  /* the name of pid */
};

/* The record of a socket that goes to CLOSE has more. */
struct trace_last_record {
    struct trace_record record;
    __u32 segs_in, segs_out, data_segs_in, data_segs_out, total_retrans;
    __u32 send_queue, recv_queue;
    __u64 bytes_acked, bytes_received, bytes_sent, bytes_retrans;
};

/* What is wanted, set before the program is loaded. A list that is longer than its room lets all
 * through: the reader looks again. */
#define TRACE_RANGES   16
#define TRACE_PREFIXES 16

struct trace_range {
    __u16 first, last;
};

struct trace_ranges {
    __u32 count; /* 0: any port */
    struct trace_range ranges[TRACE_RANGES];
};

struct trace_prefix {
    __u32 address[4], mask[4];
};

struct trace_filter {
    __u64 pidns_device, pidns_inode; /* of the reader, which knows pids of it only; 0: the first */
    __u32 netns;                     /* 0: all */
    __u32 family;                    /* AF_INET, AF_INET6; 0: both */
    struct trace_ranges either, local, remote;
    __u32 prefix_count; /* 0: any address */
    struct trace_prefix prefixes[TRACE_PREFIXES];
};

#endif
