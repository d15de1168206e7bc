/* SPDX-License-Identifier: MIT
 *
 * tcpwatch server: the echo server whose way of ending connections can be chosen.
 */
#include "endpoint/server.h"
#include "command/command.h"
#include "command/display.h"
#include "command/liveness.h"
#include "command/parse.h"
#include "command/usage.h"
#include "endpoint/sockaddr.h"
#include "netns/netns.h"
#include "process/privileges.h"
#include "units/duration.h"

#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define BIND_DEFAULT "127.0.0.1"
#define PORT_DEFAULT 9998

struct options {
    struct display display;
    struct server_settings settings;
    const char *bind; /* as it was given */
};

enum {
    KEY_MODEL = 0x500,
    KEY_CLOSE_AFTER,
    KEY_RESET,
    KEY_HOLD,
    KEY_NO_READ,
    KEY_IDLE_TIMEOUT,
    KEY_MAX_CONNECTIONS,
};

static const struct argp_option argp_options[] = {
    {NULL, 0, NULL, 0, "Where it listens:", 1},
    {"port", 'p', "PORT", 0, "The port (default 9998)", 1},
    {"bind", 'b', "ADDR", 0, "The address (default 127.0.0.1); any: all of them", 1},
    {NULL, '4', NULL, 0, "With --bind any: IPv4 only", 1},
    {NULL, '6', NULL, 0, "With --bind any: IPv6 only", 1},
    {"model", KEY_MODEL, "event|fork", 0,
     "One process for all connections (default), or one for each, so that it can be killed", 1},
    {"max-connections", KEY_MAX_CONNECTIONS, "N", 0,
     "So many at the same time; the others wait in the backlog", 1},
    {NULL, 0, NULL, 0, "How it ends its connections (default: when the peer has closed):", 2},
    {"close-after", KEY_CLOSE_AFTER, "DURATION", 0, "Close each so long after it was accepted", 2},
    {"idle-timeout", KEY_IDLE_TIMEOUT, "DURATION", 0, "Close what was silent so long", 2},
    {"reset", KEY_RESET, NULL, 0, "Close with RST instead of FIN", 2},
    {"hold", KEY_HOLD, NULL, 0, "Never close after the peer's FIN: leaks CLOSE_WAIT", 2},
    {"no-read", KEY_NO_READ, NULL, 0, "Never read: the receive window fills", 2},
    {0},
};

static void parse_bind(const struct argp_state *state, const char *value, struct options *options) {
    options->bind = value;
    if (strcmp(value, "any") == 0)
        options->settings.address = (struct sockaddr_storage){.ss_family = AF_UNSPEC};
    else
        usage_address(state, "--bind", value,
                      "an IPv4 or IPv6 address of this host, a link-local one with %DEVICE, or any",
                      &options->settings.address);
}

static void parse_model(const struct argp_state *state, const char *value,
                        struct server_settings *settings) {
    if (strcmp(value, "event") != 0 && strcmp(value, "fork") != 0)
        usage_refuse(state, "--model", value, "is unknown", "event, fork");
    settings->fork = strcmp(value, "fork") == 0;
}

/* What cannot be had together. */
static void check(const struct argp_state *state, const struct options *options) {
    const struct server_settings *settings = &options->settings;

    if (settings->hold && settings->close_after_ns)
        usage_refuse(state, "--hold", "--close-after", "contradicts it", "one of them");
    if (settings->hold && settings->idle_timeout_ns)
        usage_refuse(state, "--hold", "--idle-timeout", "contradicts it", "one of them");
    if (settings->hold && settings->reset)
        usage_refuse(state, "--hold", "--reset", "contradicts it", "one of them");
    if (settings->hold && settings->no_read)
        usage_refuse(state, "--hold", "--no-read", "contradicts it: who never reads sees no FIN",
                     "one of them");
    if (settings->address.ss_family != AF_UNSPEC && settings->family != AF_UNSPEC)
        usage_refuse(state, settings->family == AF_INET ? "-4" : "-6", options->bind,
                     "is the address to listen on, and has a family of its own",
                     "beside --bind any");
}

static error_t parse(int key, char *value, struct argp_state *state) {
    struct options *options = state->input;
    struct server_settings *settings = &options->settings;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &settings->liveness;
        state->child_inputs[1] = &options->display;
        return 0;
    case 'p':
        settings->port = usage_port(state, "--port", value);
        return 0;
    case 'b':
        parse_bind(state, value, options);
        return 0;
    case '4':
    case '6':
        usage_family(state, key, &settings->family);
        return 0;
    case KEY_MODEL:
        parse_model(state, value, settings);
        return 0;
    case KEY_MAX_CONNECTIONS:
        settings->max_connections =
            usage_number(state, "--max-connections", value, "is no number of connections");
        return 0;
    case KEY_CLOSE_AFTER:
        settings->close_after_ns =
            usage_duration(state, "--close-after", value, NS_PER_MS, "at least 1ms");
        return 0;
    case KEY_IDLE_TIMEOUT:
        settings->idle_timeout_ns =
            usage_duration(state, "--idle-timeout", value, NS_PER_MS, "at least 1ms");
        return 0;
    case KEY_RESET:
        settings->reset = true;
        return 0;
    case KEY_HOLD:
        settings->hold = true;
        return 0;
    case KEY_NO_READ:
        settings->no_read = true;
        return 0;
    case ARGP_KEY_ARG:
        usage_refuse_argument(state, value);
    case ARGP_KEY_END:
        check(state, options);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Says in one line why it cannot serve. */
static void say_failure(const struct options *options, const char *failed) {
    const unsigned port = options->settings.port;

    switch (errno) {
    case EADDRINUSE:
        warnx("port %u of %s is in use", port, options->bind);
        break;
    case EACCES:
        warnx("port %u needs root (CAP_NET_BIND_SERVICE): others may take those from "
              "net.ipv4.ip_unprivileged_port_start on",
              port);
        break;
    case EADDRNOTAVAIL:
        usage_warn("--bind: '", options->bind, "' is no address of this host");
        break;
    default:
        warn("cannot listen on port %u of %s: %s", port, options->bind, failed);
    }
}

/* Each connection takes a descriptor: as many as this process may have. */
static void raise_descriptor_limit(void) {
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int run(struct options *options) {
    struct display_sink sink = {.output = display_output(&options->display, STDOUT_FILENO),
                                .status = STATUS_DONE};
    struct server *server;
    const char *failed;

    display_never_block(&sink.output);
    sink.output.netns = netns_inode();
    options->settings.emit = display_take;
    options->settings.left = display_left;
    options->settings.into = &sink;
    raise_descriptor_limit();
    server = server_open(&options->settings, &failed);
    if (!server) {
        say_failure(options, failed);
        display_free(&sink.output);
        return STATUS_FAILED;
    }
    privileges_drop(PRIVILEGES_NONE);
    if (server_run(server) < 0) {
        warn("cannot wait for connections");
        sink.status = STATUS_FAILED;
    }
    server_free(server);
    return display_finish(&sink);
}

static const struct argp_child children[] = {
    {&liveness_argp, 0, NULL, 0},
    {&display_argp, 0, NULL, 0},
    {0},
};

static const struct argp argp = {
    .options = argp_options,
    .parser = parse,
    .children = children,
    .doc = "Send back what comes, and end connections in the way that is chosen. "
           "Ctrl-C ends it with a summary.",
};

static int start(int argc, char **argv) {
    struct options options = {.settings.port = PORT_DEFAULT, .bind = BIND_DEFAULT};

    sockaddr_parse(BIND_DEFAULT, &options.settings.address);
    parse_options(&argp, argc, argv, &options);
    return run(&options);
}

const struct command command_server = {
    .name = "server",
    .summary = "echo server whose way of ending connections can be chosen",
    .argp = &argp,
    .run = start,
};
