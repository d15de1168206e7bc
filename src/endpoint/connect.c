/* SPDX-License-Identifier: MIT */
#include "endpoint/connect.h"

#include "endpoint/liveness.h"
#include "endpoint/signals.h"
#include "endpoint/sockaddr.h"
#include "units/clock.h"
#include "units/duration.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* One address that is tried. */
struct attempt {
    const struct client_settings *settings;
    int signals;
    const struct addrinfo *address;
    const struct addrinfo *next; /* to try after it; NULL: it is the last */
    int64_t began_ns;
    struct socket socket;
    char router[SOCKADDR_TEXT_SIZE];
    struct client_outcome outcome; /* where it fails */
    const char *detail;
};

/* The address of the router whose ICMP error waits in the error queue (IP_RECVERR, man 7 ip).
 * Returns false where none does: for a connection that stands, the kernel keeps it to itself. */
static bool find_router(int fd, char router[SOCKADDR_TEXT_SIZE]) {
    char control[256];
    struct msghdr message = {.msg_control = control, .msg_controllen = sizeof(control)};
    const struct sock_extended_err *error;

    if (recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
        return false;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
        if (!(c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) &&
            !(c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR))
            continue;
        error = (const struct sock_extended_err *)(const void *)CMSG_DATA(c);
        if (error->ee_origin != SO_EE_ORIGIN_ICMP && error->ee_origin != SO_EE_ORIGIN_ICMP6)
            continue;
        sockaddr_text(SO_EE_OFFENDER(error), router);
        return true;
    }
    return false;
}

static int fail(struct attempt *attempt, const char *call) {
    attempt->outcome = (struct client_outcome){CLIENT_FAILED, TCP_ENDING_UNKNOWN, errno, call};
    return -1;
}

/* The connection itself has failed: error is 0 where no system call said so. */
static int end(struct attempt *attempt, enum tcp_ending ending, int error, const char *call) {
    attempt->outcome = (struct client_outcome){CLIENT_ENDED, ending, error, call};
    return -1;
}

/* An IPv6 socket may be connected to an IPv4 address, and has IPv4's option, too. */
static bool ask_for_icmp_errors(int fd, bool inet6) {
    const int yes = 1;

    return setsockopt(fd, IPPROTO_IP, IP_RECVERR, &yes, sizeof(yes)) == 0 &&
           (!inet6 || setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &yes, sizeof(yes)) == 0);
}

static int set_options(struct attempt *attempt, int fd) {
    const struct client_settings *settings = attempt->settings;
    const struct sockaddr_storage *from = &settings->address;
    const bool inet6 = attempt->address->ai_family == AF_INET6;
    const char *refused;

    refused = liveness_set(fd, &settings->liveness);
    if (refused)
        return fail(attempt, refused);
    if (settings->icmp_errors && !ask_for_icmp_errors(fd, inet6))
        return fail(attempt, "IP_RECVERR");
    if (from->ss_family != AF_UNSPEC &&
        bind(fd, (const struct sockaddr *)from, sockaddr_len(from)) < 0)
        return fail(attempt, "bind");
    return 0;
}

/* Waits for the answer to the SYN. */
static int await(struct attempt *attempt, int fd) {
    const int64_t timeout_ns = attempt->settings->connect_timeout_ns;
    struct pollfd fds[] = {{.fd = fd, .events = POLLOUT},
                           {.fd = attempt->signals, .events = POLLIN}};
    int error = 0, ready;
    socklen_t len = sizeof(error);

    do {
        const struct timespec left = clock_left(attempt->began_ns + timeout_ns);

        ready = ppoll(fds, 2, timeout_ns ? &left : NULL, NULL);
    } while (ready < 0 && errno == EINTR);
    if (ready < 0)
        return fail(attempt, "poll");
    if (ready == 0) {
        attempt->detail = "--connect-timeout";
        return end(attempt, TCP_ENDING_TIMED_OUT, 0, "connect");
    }
    if (fds[1].revents) {
        attempt->detail = signals_name(signals_next(attempt->signals));
        return end(attempt, TCP_ENDING_LOCAL_CLOSE, 0, NULL);
    }
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
    return error ? end(attempt, tcp_ending_of_errno(error), error, "connect") : 0;
}

/* Connects to one address. Returns the descriptor, or -1 with attempt->outcome. */
static int try(struct attempt *attempt) {
    const struct addrinfo *address = attempt->address;
    const int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int result;

    attempt->began_ns = clock_now();
    if (fd < 0)
        return fail(attempt, "socket");
    result = set_options(attempt, fd);
    if (result == 0 && connect(fd, address->ai_addr, address->ai_addrlen) < 0)
        result = errno == EINPROGRESS ? await(attempt, fd)
                                      : end(attempt, tcp_ending_of_errno(errno), errno, "connect");
    if (result == 0)
        return fd;
    sockaddr_describe(fd, &attempt->socket);
    sockaddr_set_remote((const void *)address->ai_addr, &attempt->socket);
    if (!find_router(fd, attempt->router))
        *attempt->router = '\0';
    close(fd);
    return -1;
}

/* Reads the options back from a socket like the one that will connect. */
static bool emit_options(struct attempt *attempt) {
    const struct client_settings *settings = attempt->settings;
    struct tcp_liveness liveness = {0};
    struct tcp_limits limits;
    struct endpoint_event event = {
        .kind = ENDPOINT_OPTIONS,
        .at_ns = clock_now(),
        .liveness = &liveness,
        .limits = &limits,
        .connect_timeout_ns = settings->connect_timeout_ns,
        .read_timeout_ns = settings->read_timeout_ns,
    };
    const int fd = socket(attempt->address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const char *refused;

    if (fd < 0) {
        fail(attempt, "socket");
        return false;
    }
    refused = liveness_set(fd, &settings->liveness);
    if (refused)
        fail(attempt, refused);
    liveness_get(fd, &liveness);
    limits_get(&limits);
    close(fd);
    if (refused)
        return false;
    if (settings->emit(settings->into, &event))
        return true;
    attempt->outcome.result = CLIENT_READER_GONE;
    return false;
}

/* Tells of an address that failed, the last one as the end of it all. */
static bool emit_failure(struct attempt *attempt) {
    const struct client_settings *settings = attempt->settings;
    const bool last = !attempt->next;
    const struct endpoint_event event = {
        .kind = last ? ENDPOINT_CLOSED : ENDPOINT_ATTEMPT,
        .at_ns = clock_now(),
        .socket = &attempt->socket,
        .cause = attempt->outcome.ending,
        .error = attempt->outcome.error,
        .syscall = attempt->outcome.call,
        .detail = attempt->detail,
        .router = *attempt->router ? attempt->router : NULL,
        .after_ns = clock_now() - attempt->began_ns,
        .noticed_ns = -1,
        .fin_unseen_ns = -1,
        .sent = -1,
        .received = -1,
    };

    if (settings->emit(settings->into, &event))
        return true;
    attempt->outcome.result = CLIENT_READER_GONE;
    return false;
}

/* A name may have an address twice: as such, and as one that is mapped to it. */
static const struct addrinfo *skip_same(const struct addrinfo *address) {
    const struct addrinfo *next = address->ai_next;

    while (next && next->ai_addrlen == address->ai_addrlen &&
           memcmp(next->ai_addr, address->ai_addr, next->ai_addrlen) == 0)
        next = next->ai_next;
    return next;
}

static int try_all(struct attempt *attempt) {
    if (!emit_options(attempt))
        return -1;
    for (; attempt->address; attempt->address = attempt->next) {
        int fd;

        attempt->next = skip_same(attempt->address);
        attempt->socket = (struct socket){0};
        attempt->detail = NULL;
        *attempt->router = '\0';
        sockaddr_set_remote((const void *)attempt->address->ai_addr, &attempt->socket);
        fd = try(attempt);
        if (fd >= 0)
            return fd;
        if (attempt->outcome.result == CLIENT_FAILED && !attempt->next)
            return -1;
        if (!emit_failure(attempt) || attempt->outcome.ending == TCP_ENDING_LOCAL_CLOSE)
            return -1;
    }
    return -1;
}

/* A name server may be silent for long: a signal has its usual effect meanwhile. Returns as
 * getaddrinfo(). */
static int resolve(const struct client_settings *settings, struct addrinfo **found) {
    const struct addrinfo hints = {.ai_family = settings->family, .ai_socktype = SOCK_STREAM};
    char port[8];
    int result;

    snprintf(port, sizeof(port), "%u", settings->port);
    signals_release();
    result = getaddrinfo(settings->host, port, &hints, found);
    signals_hold();
    return result;
}

int connect_to(const struct client_settings *settings, int signals,
               struct client_outcome *outcome) {
    struct attempt attempt = {.settings = settings, .signals = signals};
    struct addrinfo *found;
    int result;

    result = resolve(settings, &found);
    if (result) {
        *outcome =
            (struct client_outcome){CLIENT_NO_NAME, TCP_ENDING_UNKNOWN, result, "getaddrinfo"};
        return -1;
    }
    attempt.address = found;
    result = try_all(&attempt);
    freeaddrinfo(found);
    *outcome = attempt.outcome;
    return result;
}
