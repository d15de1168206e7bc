/* SPDX-License-Identifier: MIT */
#include "sockdiag/sockdiag.h"

#include "sockdiag/readahead.h"
#include "sockdiag/reply.h"
#include "sockdiag/request.h"
#include "units/clock.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/sock_diag.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

/* A dump that is longer than so many datagrams is read ahead. */
#define DATAGRAMS_BEFORE_AHEAD 8

/* Room for some 10,000 destroy messages while nobody reads; the kernel may grant less. */
#define DESTROY_BUFFER (16 * 1024 * 1024)

struct sockdiag {
    struct mnl_socket *netlink;
    uint32_t seq;
    char buffer[DATAGRAM_MAX];
    char request[REQUEST_SIZE];
};

struct sockdiag *sockdiag_open(void) {
    struct sockdiag *diag = calloc(1, sizeof(*diag));

    if (!diag)
        return NULL;
    diag->netlink = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
    if (!diag->netlink || mnl_socket_bind(diag->netlink, 0, MNL_SOCKET_AUTOPID) < 0) {
        sockdiag_close(diag);
        return NULL;
    }
    return diag;
}

void sockdiag_close(struct sockdiag *diag) {
    const int saved = errno;

    if (diag && diag->netlink)
        mnl_socket_close(diag->netlink);
    free(diag);
    errno = saved;
}

/* One walk of the replies to a request. */
struct walk {
    const struct filter *filter; /* NULL: whatever comes */
    sockdiag_take *take;
    void *into;
    int64_t at_ns;
    bool interrupted; /* NLM_F_DUMP_INTR was met */
};

static int on_message(const struct nlmsghdr *message, void *data) {
    struct walk *walk = data;
    struct socket socket;

    if (!reply_parse(message, &socket))
        return MNL_CB_OK;
    if (walk->filter && !filter_matches(walk->filter, &socket))
        return MNL_CB_OK;
    if (walk->take(walk->into, &socket, walk->at_ns))
        return MNL_CB_OK;
    errno = ECANCELED;
    return MNL_CB_ERROR;
}

/* What is left of an answer that nobody wants any more would be taken for the next one's. */
static void discard_answer(struct sockdiag *diag) {
    const int saved = errno;
    struct sockdiag *fresh = sockdiag_open();

    if (fresh) {
        mnl_socket_close(diag->netlink);
        diag->netlink = fresh->netlink;
        fresh->netlink = NULL;
        sockdiag_close(fresh);
    }
    errno = saved;
}

/* libmnl stops at a message that is flagged NLM_F_DUMP_INTR; what follows is worth having all the
 * same. Takes the flag off and returns whether any had it. */
static bool take_interrupted(void *datagram, ssize_t len) {
    bool interrupted = false;
    int left = (int)len;

    for (struct nlmsghdr *message = datagram; mnl_nlmsg_ok(message, left);
         message = mnl_nlmsg_next(message, &left)) {
        interrupted |= (message->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
        message->nlmsg_flags &= (uint16_t)~NLM_F_DUMP_INTR;
    }
    return interrupted;
}

/* Hands on one datagram. Returns as mnl_cb_run(): MNL_CB_OK where more is to come. */
static int hand_on(struct sockdiag *diag, struct walk *walk, void *datagram, ssize_t len) {
    walk->at_ns = clock_now();
    walk->interrupted |= take_interrupted(datagram, len);
    return mnl_cb_run(datagram, (size_t)len, diag->seq, 0, on_message, walk);
}

/* Reads the answer to a dump. Returns as mnl_cb_run(), MNL_CB_STOP at its end. */
static int read_dump(struct sockdiag *diag, struct walk *walk) {
    const struct readahead_dump begun = {.fd = sockdiag_descriptor(diag)};
    struct readahead *ahead = NULL;
    void *datagram = diag->buffer;
    int more = MNL_CB_OK;

    for (int count = 0; more > MNL_CB_STOP; count++) {
        ssize_t len;

        if (count == DATAGRAMS_BEFORE_AHEAD)
            ahead = readahead_start(&begun, 1);
        if (ahead)
            len = readahead_next(ahead, &datagram);
        else
            len = mnl_socket_recvfrom(diag->netlink, diag->buffer, sizeof(diag->buffer));
        if (len == 0)
            errno = EPROTO; /* the dump ended without its last message */
        more = len > 0 ? hand_on(diag, walk, datagram, len) : MNL_CB_ERROR;
    }
    readahead_stop(ahead);
    return more;
}

int sockdiag_dump(struct sockdiag *diag, const struct filter *filter, uint32_t states,
                  sockdiag_take *take, void *into) {
    const struct nlmsghdr *request = request_dump(diag->request, filter, states, ++diag->seq);
    struct walk walk = {.filter = filter, .take = take, .into = into};

    if (mnl_socket_sendto(diag->netlink, request, request->nlmsg_len) < 0)
        return -1;
    if (read_dump(diag, &walk) >= 0)
        return walk.interrupted;
    discard_answer(diag);
    return -1;
}

/* The middle of the ports that this network namespace gives to those who connect. */
static uint16_t middle_port(void) {
    unsigned first = 0, last = 0;
    FILE *range = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");

    if (!range || fscanf(range, "%u %u", &first, &last) != 2 || first > last || last > UINT16_MAX) {
        first = 32768; /* inet_init_net(), net/ipv4/af_inet.c */
        last = 60999;
    }
    if (range)
        fclose(range);
    return (uint16_t)(first + (last - first + 1) / 2);
}

/* Reads the answers to the dumps of both halves, as they come. Returns as sockdiag_dump(), and 2
 * where the threads cannot be had. */
static int read_halves(struct sockdiag *low, struct sockdiag *high, struct walk *walk) {
    const struct readahead_dump halves[] = {
        {sockdiag_descriptor(low), (const struct nlmsghdr *)(const void *)low->request},
        {sockdiag_descriptor(high), (const struct nlmsghdr *)(const void *)high->request},
    };
    struct readahead *ahead = readahead_start(halves, 2);
    int left = 2, more = MNL_CB_OK;

    if (!ahead)
        return 2;
    while (left > 0 && more >= 0) {
        void *datagram = NULL;
        const ssize_t len = readahead_next(ahead, &datagram);

        if (len == 0)
            errno = EPROTO;
        more = len > 0 ? hand_on(low, walk, datagram, len) : MNL_CB_ERROR;
        left -= more == MNL_CB_STOP;
    }
    readahead_stop(ahead);
    return more < 0 ? -1 : walk->interrupted;
}

int sockdiag_dump_at_once(struct sockdiag *diag, const struct filter *filter, uint32_t states,
                          sockdiag_take *take, void *into) {
    const uint16_t middle = middle_port();
    struct port_range below = {0, (uint16_t)(middle - 1)}, above = {middle, UINT16_MAX};
    const struct filter low = {.local = {&below, 1}, .remote = {&below, 1}};
    const struct filter high = {.either = {&above, 1}};
    struct walk walk = {.filter = filter, .take = take, .into = into};
    struct sockdiag *other = filter_is_narrow(filter) ? NULL : sockdiag_open();
    int result = 2;

    if (other) {
        diag->seq++;
        request_dump(diag->request, &low, states, diag->seq);
        request_dump(other->request, &high, states, diag->seq);
        result = read_halves(diag, other, &walk);
        if (result < 0 || result == 2)
            discard_answer(diag);
        sockdiag_close(other);
    }
    return result == 2 ? sockdiag_dump(diag, filter, states, take, into) : result;
}

static bool take_one(void *into, const struct socket *socket, int64_t at_ns) {
    (void)at_ns;
    *(struct socket *)into = *socket;
    return true;
}

int sockdiag_lookup(struct sockdiag *diag, const struct socket *socket, struct socket *found) {
    const struct nlmsghdr *request = request_lookup(diag->request, socket, ++diag->seq);
    struct walk walk = {.take = take_one, .into = found};
    ssize_t len;

    if (mnl_socket_sendto(diag->netlink, request, request->nlmsg_len) < 0)
        return -1;
    do
        len = mnl_socket_recvfrom(diag->netlink, diag->buffer, sizeof(diag->buffer));
    while (len < 0 && errno == EINTR);
    if (len < 0)
        return -1;
    if (mnl_cb_run(diag->buffer, (size_t)len, diag->seq, mnl_socket_get_portid(diag->netlink),
                   on_message, &walk) >= 0)
        return 1;
    /* ESTALE: another socket has taken the addresses. */
    return errno == ENOENT || errno == ESTALE ? 0 : -1;
}

static int subscribe(struct sockdiag *diag, const struct filter *filter) {
    static const int groups[] = {SKNLGRP_INET_TCP_DESTROY, SKNLGRP_INET6_TCP_DESTROY};
    const int size = DESTROY_BUFFER, fd = mnl_socket_get_fd(diag->netlink);
    struct sock_filter code[DESTROY_FILTER_MAX];
    const struct sock_fprog program = {
        .len = (unsigned short)request_destroy_filter(filter, code),
        .filter = code,
    };

    if (program.len && setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0)
        return -1;
    /* FORCE goes beyond net.core.rmem_max and needs CAP_NET_ADMIN. */
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
        if (mnl_socket_setsockopt(diag->netlink, NETLINK_ADD_MEMBERSHIP, (void *)&groups[i],
                                  sizeof(groups[i])) < 0)
            return -1;
    return 0;
}

struct sockdiag *sockdiag_open_destroy(const struct filter *filter) {
    struct sockdiag *diag = sockdiag_open();

    if (diag && subscribe(diag, filter) < 0) {
        sockdiag_close(diag);
        return NULL;
    }
    return diag;
}

int sockdiag_descriptor(const struct sockdiag *diag) {
    return mnl_socket_get_fd(diag->netlink);
}

int sockdiag_read_destroy(struct sockdiag *diag, sockdiag_take *take, void *into) {
    struct walk walk = {.take = take, .into = into};
    const int fd = sockdiag_descriptor(diag);

    for (;;) {
        const ssize_t len = recv(fd, diag->buffer, sizeof(diag->buffer), MSG_DONTWAIT);

        if (len < 0 && errno == ENOBUFS)
            continue; /* said once; what stands in the buffer can still be read */
        if (len < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : -1;
        walk.at_ns = clock_now();
        if (mnl_cb_run(diag->buffer, (size_t)len, 0, 0, on_message, &walk) < 0)
            return -1;
    }
}

uint32_t sockdiag_drops(struct sockdiag *diag) {
    uint32_t memory[SK_MEMINFO_VARS] = {0};
    socklen_t len = sizeof(memory);

    getsockopt(sockdiag_descriptor(diag), SOL_SOCKET, SO_MEMINFO, memory, &len);
    return memory[SK_MEMINFO_DROPS];
}
