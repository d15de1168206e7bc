/* SPDX-License-Identifier: MIT
 *
 * tcpwatch client: the line client that notices at once when the peer goes away.
 */
#include "endpoint/client.h"
#include "command/command.h"
#include "command/display.h"
#include "command/liveness.h"
#include "command/parse.h"
#include "command/usage.h"
#include "endpoint/sockaddr.h"
#include "netns/netns.h"
#include "output/writer.h"
#include "process/privileges.h"
#include "units/duration.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOST_DEFAULT      "127.0.0.1"
#define HOST_DEFAULT_IPV6 "::1"
#define PORT_DEFAULT      9998

/* Exit statuses of its own. */
enum {
    STATUS_PEER_CLOSED = 10,
    STATUS_RESET = 11,
    STATUS_TIMED_OUT = 12,
    STATUS_UNREACHABLE = 13,
    STATUS_REFUSED = 14,
};

struct options {
    struct display display;
    struct client_settings settings;
    const char *bind, *every, *count; /* as they were given */
    int arguments;
    int host_family; /* of an address; AF_UNSPEC: a name, or the default */
};

enum {
    KEY_CONNECT_TIMEOUT = 0x600,
    KEY_READ_TIMEOUT,
    KEY_ICMP_ERRORS,
    KEY_ON_EOF,
    KEY_BLOCKING,
    KEY_SEND,
    KEY_EVERY,
    KEY_COUNT,
};

static const struct argp_option argp_options[] = {
    {NULL, 0, NULL, 0, "Where it connects:", 1},
    {"bind", 'b', "ADDR", 0, "From this address of this host", 1},
    {NULL, '4', NULL, 0, "To an IPv4 address of the host only", 1},
    {NULL, '6', NULL, 0, "To an IPv6 address of the host only", 1},
    {"connect-timeout", KEY_CONNECT_TIMEOUT, "DURATION", 0,
     "Give up an address that has not answered by then", 1},
    {NULL, 0, NULL, 0, "What it sends (default: what it reads):", 2},
    {"send", KEY_SEND, "TEXT", 0, "Send this line, read nothing", 2},
    {"every", KEY_EVERY, "DURATION", 0, "Again and again, so long apart", 2},
    {"count", KEY_COUNT, "N", 0, "So many times (default 1; with --every: without end)", 2},
    {NULL, 0, NULL, 0, "What ends it:", 3},
    {"read-timeout", KEY_READ_TIMEOUT, "DURATION", 0,
     "No answer so long after a line, or the end, was sent", 3},
    {"icmp-errors", KEY_ICMP_ERRORS, NULL, 0, "A router's \"unreachable\", at once (IP_RECVERR)",
     3},
    {"on-eof", KEY_ON_EOF, "exit|stay", 0,
     "The peer's FIN (default exit); stay: go on sending after it", 3},
    {"blocking", KEY_BLOCKING, NULL, 0,
     "See nothing of the connection while the terminal is read, as naive clients do", 3},
    {0},
};

static void parse_on_eof(const struct argp_state *state, const char *value,
                         struct client_settings *settings) {
    if (strcmp(value, "exit") != 0 && strcmp(value, "stay") != 0)
        usage_refuse(state, "--on-eof", value, "is unknown", "exit, stay");
    settings->stay = strcmp(value, "stay") == 0;
}

#define HOST_ALLOWED                                                                               \
    "a name, an IPv4 or IPv6 address, a link-local one with %DEVICE, the port in the next "        \
    "argument"

/* getaddrinfo() would take "9998" for an address, and "10.1:80" for a name. */
static void take_host(const struct argp_state *state, char *value, struct options *options) {
    struct sockaddr_storage address;
    struct in_addr old;

    options->settings.host = value;
    if (sockaddr_parse(value, &address)) {
        usage_check_address(state, "HOST", value, HOST_ALLOWED, &address);
        options->host_family = address.ss_family;
    } else if (*value == '\0' || strchr(value, ':') || inet_aton(value, &old)) {
        usage_refuse(state, "HOST", value, "is no host", HOST_ALLOWED);
    }
}

static void take_argument(const struct argp_state *state, char *value, struct options *options) {
    if (options->arguments == 0)
        take_host(state, value, options);
    else if (options->arguments == 1)
        options->settings.port = usage_port(state, "PORT", value);
    else
        usage_refuse(state, "argument", value, "is one too many", "[HOST [PORT]]");
    options->arguments++;
}

/* Both ends are of one family: that of -4 and -6, of --bind and of HOST. */
static void check_families(const struct argp_state *state, struct options *options) {
    struct client_settings *settings = &options->settings;

    if (options->bind) {
        const int bound = settings->address.ss_family;

        if (settings->family != AF_UNSPEC && settings->family != bound)
            usage_refuse(state, bound == AF_INET ? "-6" : "-4", options->bind,
                         "is the address of --bind, of the other family", "one family");
        settings->family = bound;
    }
    if (options->arguments == 0 && settings->family == AF_INET6)
        settings->host = HOST_DEFAULT_IPV6;
    if (options->host_family == AF_UNSPEC || settings->family == AF_UNSPEC ||
        options->host_family == settings->family)
        return;
    usage_refuse(state, "HOST", settings->host,
                 options->bind ? "is of another family than --bind" : "is of the other family",
                 settings->family == AF_INET ? "a name, an IPv4 address"
                                             : "a name, an IPv6 address");
}

/* What makes no sense without another option. */
static void check(const struct argp_state *state, struct options *options) {
    struct client_settings *settings = &options->settings;

    if (options->every && !settings->text)
        usage_refuse(state, "--every", options->every, "needs --send", "beside --send=TEXT");
    if (options->count && !settings->text)
        usage_refuse(state, "--count", options->count, "needs --send", "beside --send=TEXT");
    if (settings->text && !settings->every_ns && !settings->count)
        settings->count = 1;
    check_families(state, options);
}

static error_t parse(int key, char *value, struct argp_state *state) {
    struct options *options = state->input;
    struct client_settings *settings = &options->settings;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &settings->liveness;
        state->child_inputs[1] = &options->display;
        return 0;
    case 'b':
        options->bind = value;
        usage_address(state, "--bind", value,
                      "an IPv4 or IPv6 address of this host, a link-local one with %DEVICE",
                      &settings->address);
        return 0;
    case '4':
    case '6':
        usage_family(state, key, &settings->family);
        return 0;
    case KEY_CONNECT_TIMEOUT:
        settings->connect_timeout_ns =
            usage_duration(state, "--connect-timeout", value, NS_PER_MS, "at least 1ms");
        return 0;
    case KEY_READ_TIMEOUT:
        settings->read_timeout_ns =
            usage_duration(state, "--read-timeout", value, NS_PER_MS, "at least 1ms");
        return 0;
    case KEY_ICMP_ERRORS:
        settings->icmp_errors = true;
        return 0;
    case KEY_ON_EOF:
        parse_on_eof(state, value, settings);
        return 0;
    case KEY_BLOCKING:
        settings->blocking = true;
        return 0;
    case KEY_SEND:
        settings->text = value;
        return 0;
    case KEY_EVERY:
        options->every = value;
        settings->every_ns = usage_duration(state, "--every", value, NS_PER_MS, "at least 1ms");
        return 0;
    case KEY_COUNT:
        options->count = value;
        settings->count = usage_number(state, "--count", value, "is no number of lines");
        return 0;
    case ARGP_KEY_ARG:
        take_argument(state, value, options);
        return 0;
    case ARGP_KEY_END:
        check(state, options);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* The name may hold anything. */
static void say_no_name(const struct client_settings *settings, int error) {
    char why[128];

    if (error == EAI_ADDRFAMILY || error == EAI_NODATA)
        snprintf(why, sizeof(why), "' has no %saddress",
                 settings->family == AF_INET    ? "IPv4 "
                 : settings->family == AF_INET6 ? "IPv6 "
                                                : "");
    else
        snprintf(why, sizeof(why), "' is not known: %s", gai_strerror(error));
    usage_warn("HOST: '", settings->host, why);
}

static int status_of(const struct options *options, const struct client_outcome *outcome,
                     const struct display_sink *sink) {
    static const int statuses[TCP_ENDING_COUNT] = {
        [TCP_ENDING_UNKNOWN] = STATUS_FAILED,
        [TCP_ENDING_LOCAL_CLOSE] = STATUS_DONE,
        [TCP_ENDING_PEER_CLOSE] = STATUS_PEER_CLOSED,
        [TCP_ENDING_RESET] = STATUS_RESET,
        [TCP_ENDING_TIMED_OUT] = STATUS_TIMED_OUT,
        [TCP_ENDING_HOST_UNREACHABLE] = STATUS_UNREACHABLE,
        [TCP_ENDING_NETWORK_UNREACHABLE] = STATUS_UNREACHABLE,
        [TCP_ENDING_REFUSED] = STATUS_REFUSED,
    };

    switch (outcome->result) {
    case CLIENT_ENDED:
        return statuses[outcome->ending];
    case CLIENT_READER_GONE:
        return sink->status;
    case CLIENT_NO_NAME:
        say_no_name(&options->settings, outcome->error);
        return STATUS_FAILED;
    case CLIENT_FAILED:
        errno = outcome->error;
        if (errno == EADDRNOTAVAIL && options->bind)
            usage_warn("--bind: '", options->bind, "' is no address of this host");
        else
            warn("%s", outcome->call);
        return STATUS_FAILED;
    }
    return STATUS_FAILED;
}

static int run(struct options *options) {
    struct display_sink sink = {.output = display_output(&options->display, STDERR_FILENO),
                                .status = STATUS_DONE};
    struct client_outcome outcome;
    int status;

    display_never_block(&sink.output);
    sink.output.netns = netns_inode();
    options->settings.emit = display_take;
    options->settings.into = &sink;
    privileges_drop(PRIVILEGES_NONE);
    outcome = client_run(&options->settings);
    status = status_of(options, &outcome, &sink);
    return display_finish(&sink) == STATUS_FAILED ? STATUS_FAILED : status;
}

static const struct argp_child children[] = {
    {&liveness_argp, 0, NULL, 0},
    {&display_argp, 0, NULL, 0},
    {0},
};

static const struct argp argp = {
    .options = argp_options,
    .parser = parse,
    .args_doc = "[HOST [PORT]]",
    .children = children,
    .doc = "Send the lines that are read to HOST (default 127.0.0.1, port 9998), print what "
           "comes back, and say at once what happens to the connection.",
};

static int start(int argc, char **argv) {
    struct options options = {
        .settings = {.host = HOST_DEFAULT,
                     .port = PORT_DEFAULT,
                     .in = STDIN_FILENO,
                     .out = STDOUT_FILENO},
    };

    parse_options(&argp, argc, argv, &options);
    return run(&options);
}

const struct command command_client = {
    .name = "client",
    .summary = "line client that says at once when the peer goes away, and how",
    .argp = &argp,
    .run = start,
};
