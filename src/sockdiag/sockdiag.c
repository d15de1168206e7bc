/* SPDX-License-Identifier: MIT */
#include "sockdiag/sockdiag.h"

#include "sockdiag/reply.h"
#include "sockdiag/request.h"
#include "sockdiag/worker.h"
#include "units/clock.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/sock_diag.h>
#include <stdlib.h>
#include <sys/socket.h>

/* A dump that is longer than so many datagrams gets a thread to work on them. */
#define DATAGRAMS_BEFORE_WORKER 8

/* Room for some 10,000 destroy messages while nobody reads; the kernel may grant less. */
#define DESTROY_BUFFER (16 * 1024 * 1024)

struct sockdiag {
    struct mnl_socket *netlink;
    uint32_t seq;
    char buffer[DATAGRAM_MAX];
    char request[REQUEST_SIZE];
};

struct sockdiag *sockdiag_open(void) {
    struct sockdiag *diag = malloc(sizeof(*diag));

    if (!diag)
        return NULL;
    diag->seq = 0;
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
    uint32_t seq;     /* of a dump's request */
    int more, error;  /* as mnl_cb_run() returns, and its errno */
    bool interrupted; /* NLM_F_DUMP_INTR was met */
};

static int on_message(const struct nlmsghdr *message, void *data) {
    struct walk *walk = data;
    struct socket socket;

    if (!reply_parse(message, &socket))
        return MNL_CB_OK;
    if (walk->filter && !filter_matches(walk->filter, &socket))
        return MNL_CB_OK;
    return walk->take(walk->into, &socket, walk->at_ns) ? MNL_CB_OK : MNL_CB_ERROR;
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

/* Hands on one datagram. Returns as mnl_cb_run(): MNL_CB_OK where more is to come. But that stops
 * at a message that is flagged NLM_F_DUMP_INTR; what follows is worth having all the same. */
static int hand_on(struct walk *walk, void *datagram, ssize_t len) {
    int more = MNL_CB_OK;

    walk->at_ns = clock_now();
    for (struct nlmsghdr *message = datagram; more > MNL_CB_STOP && NLMSG_OK(message, len);
         message = NLMSG_NEXT(message, len)) {
        walk->interrupted |= (message->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
        message->nlmsg_flags &= (uint16_t)~NLM_F_DUMP_INTR;
        if (message->nlmsg_type >= NLMSG_MIN_TYPE && message->nlmsg_seq == walk->seq)
            more = on_message(message, walk);
        else
            more = mnl_cb_run(message, message->nlmsg_len, walk->seq, 0, NULL, NULL);
    }
    return more;
}

/* Returns false at the end of the dump: see `more`. */
static bool work_on(void *into, void *datagram, size_t len) {
    struct walk *walk = into;

    walk->more = hand_on(walk, datagram, (ssize_t)len);
    walk->error = errno;
    return walk->more > MNL_CB_STOP;
}

/* Reads the answer to a dump. Returns as mnl_cb_run(), MNL_CB_STOP at its end. */
static int read_dump(struct sockdiag *diag, struct walk *walk) {
    struct worker *worker = NULL;
    int error = 0;

    walk->more = MNL_CB_OK;
    for (int count = 0; walk->more > MNL_CB_STOP && !error; count++) {
        ssize_t len;

        if (count == DATAGRAMS_BEFORE_WORKER && (worker = worker_start(work_on, walk)))
            break;
        len = mnl_socket_recvfrom(diag->netlink, diag->buffer, sizeof(diag->buffer));
        if (len > 0)
            work_on(walk, diag->buffer, (size_t)len);
        else
            error = len < 0 ? errno : EAGAIN;
    }
    if (worker) {
        /* The kernel has the next part ready before it returns the last one. */
        error = worker_feed(worker, sockdiag_descriptor(diag));
        worker_finish(worker);
    }
    if (walk->more > MNL_CB_STOP) /* it ended without its last message */
        walk->error = error == EAGAIN ? EPROTO : error;
    errno = walk->error;
    return walk->more > MNL_CB_STOP ? MNL_CB_ERROR : walk->more;
}

int sockdiag_dump(struct sockdiag *diag, const struct filter *filter, uint32_t states,
                  sockdiag_take *take, void *into) {
    const struct nlmsghdr *request = request_dump(diag->request, filter, states, ++diag->seq);
    struct walk walk = {.filter = filter, .take = take, .into = into, .seq = diag->seq};

    if (mnl_socket_sendto(diag->netlink, request, request->nlmsg_len) < 0)
        return -1;
    if (read_dump(diag, &walk) >= 0)
        return walk.interrupted;
    discard_answer(diag);
    return -1;
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

/* The kernel makes a cookie when it is first asked for one: the minisock of a socket that nobody
 * had asked about gets its own. */
const struct socket *sockdiag_minisock(struct sockdiag *diag, const struct socket *last,
                                       struct socket *found) {
    struct socket end = *last;

    end.cookie = 0;
    if (sockdiag_lookup(diag, &end, found) != 1 || found->timer != SOCKET_TIMER_TIME_WAIT)
        return NULL;
    return found;
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
