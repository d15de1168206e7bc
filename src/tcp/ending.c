/* SPDX-License-Identifier: MIT */
#include "tcp/ending.h"

#include <errno.h>
#include <stddef.h>

static const struct {
    const char *name, *words, *meaning;
} endings[TCP_ENDING_COUNT] = {
    [TCP_ENDING_UNKNOWN] = {"unknown", "failed", NULL},
    [TCP_ENDING_LOCAL_CLOSE] = {"local-close", "closed from this side", NULL},
    [TCP_ENDING_PEER_CLOSE] =
        {
            "peer-close",
            "the peer closed (FIN)",
            "its process closed the socket or has ended; the kernel says the same for both",
        },
    [TCP_ENDING_RESET] =
        {
            "reset",
            "reset",
            "the peer's kernel answered RST: it no longer knows this connection, as after a reboot "
            "or a killed process, or its process threw it away",
        },
    [TCP_ENDING_TIMED_OUT] =
        {
            "timed-out",
            "timed out",
            "nothing came back: the peer's host or the path to it is gone, and this host's kernel "
            "gave up",
        },
    [TCP_ENDING_HOST_UNREACHABLE] =
        {
            "host-unreachable",
            "host unreachable",
            "a router, or this host's own neighbour discovery, cannot reach the peer's host",
        },
    [TCP_ENDING_NETWORK_UNREACHABLE] =
        {
            "network-unreachable",
            "network unreachable",
            "a router, or this host itself, has no route to the peer's network",
        },
    [TCP_ENDING_REFUSED] =
        {
            "refused",
            "refused",
            "the peer's host is there, and nothing listens on that port",
        },
};

/* What the kernel makes of ICMP errors: icmp_err_convert, net/ipv4/icmp.c, and tab_unreach,
 * net/ipv6/icmp.c; of a RST: tcp_reset(), net/ipv4/tcp_input.c. */
static const struct {
    int error;
    const char *name;
    enum tcp_ending ending;
    const char *meaning; /* where it says more than the ending's own */
} errors[] = {
    {ECONNRESET, "ECONNRESET", TCP_ENDING_RESET, NULL},
    {EPIPE, "EPIPE", TCP_ENDING_RESET,
     "the peer's kernel answered RST to what was sent after its FIN: no process reads there any "
     "more"},
    {ECONNABORTED, "ECONNABORTED", TCP_ENDING_RESET,
     "an administrator destroyed the connection on this host (ss -K)"},
    {ETIMEDOUT, "ETIMEDOUT", TCP_ENDING_TIMED_OUT, NULL},
    {EHOSTUNREACH, "EHOSTUNREACH", TCP_ENDING_HOST_UNREACHABLE, NULL},
    {EHOSTDOWN, "EHOSTDOWN", TCP_ENDING_HOST_UNREACHABLE, NULL},
    {EACCES, "EACCES", TCP_ENDING_HOST_UNREACHABLE,
     "a router or a firewall says that it is forbidden to go there"},
    {ENETUNREACH, "ENETUNREACH", TCP_ENDING_NETWORK_UNREACHABLE, NULL},
    {ENETDOWN, "ENETDOWN", TCP_ENDING_NETWORK_UNREACHABLE, NULL},
    {ECONNREFUSED, "ECONNREFUSED", TCP_ENDING_REFUSED, NULL},
    /* Other ICMP errors, which say nothing of the way. */
    {ENOPROTOOPT, "ENOPROTOOPT", TCP_ENDING_UNKNOWN, NULL},
    {EMSGSIZE, "EMSGSIZE", TCP_ENDING_UNKNOWN, NULL},
    {EOPNOTSUPP, "EOPNOTSUPP", TCP_ENDING_UNKNOWN, NULL},
    {ENONET, "ENONET", TCP_ENDING_UNKNOWN, NULL},
    {EPROTO, "EPROTO", TCP_ENDING_UNKNOWN, NULL},
    /* What connect() refuses before anything is sent: no port is free, the address cannot be
     * connected to, a packet filter forbids it. */
    {EADDRNOTAVAIL, "EADDRNOTAVAIL", TCP_ENDING_UNKNOWN, NULL},
    {EADDRINUSE, "EADDRINUSE", TCP_ENDING_UNKNOWN, NULL},
    {EINVAL, "EINVAL", TCP_ENDING_UNKNOWN, NULL},
    {EPERM, "EPERM", TCP_ENDING_UNKNOWN, NULL},
    /* This side's own shortage. */
    {EMFILE, "EMFILE", TCP_ENDING_UNKNOWN, NULL},
    {ENFILE, "ENFILE", TCP_ENDING_UNKNOWN, NULL},
    {ENOBUFS, "ENOBUFS", TCP_ENDING_UNKNOWN, NULL},
    {ENOMEM, "ENOMEM", TCP_ENDING_UNKNOWN, NULL},
    {EAGAIN, "EAGAIN", TCP_ENDING_UNKNOWN, NULL},
};

#define ERRORS (sizeof(errors) / sizeof(errors[0]))

enum tcp_ending tcp_ending_of_errno(int error) {
    for (size_t i = 0; i < ERRORS; i++)
        if (errors[i].error == error)
            return errors[i].ending;
    return TCP_ENDING_UNKNOWN;
}

const char *tcp_ending_name(enum tcp_ending ending) {
    return endings[ending < TCP_ENDING_COUNT ? ending : TCP_ENDING_UNKNOWN].name;
}

const char *tcp_ending_words(enum tcp_ending ending) {
    return endings[ending < TCP_ENDING_COUNT ? ending : TCP_ENDING_UNKNOWN].words;
}

const char *tcp_ending_meaning(enum tcp_ending ending, int error) {
    for (size_t i = 0; i < ERRORS; i++)
        if (errors[i].error == error && errors[i].meaning)
            return errors[i].meaning;
    return endings[ending < TCP_ENDING_COUNT ? ending : TCP_ENDING_UNKNOWN].meaning;
}

const char *tcp_errno_name(int error) {
    for (size_t i = 0; i < ERRORS; i++)
        if (errors[i].error == error)
            return errors[i].name;
    return NULL;
}
