/* SPDX-License-Identifier: MIT */
#include "command/selection.h"

#include "command/command.h"
#include "command/usage.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    KEY_LOCAL_PORT = 0x100,
    KEY_REMOTE_PORT,
    KEY_PROCESS,
    KEY_NO_OWNER,
};

static const struct argp_option options[] = {
    {NULL, 0, NULL, 0, "What to look at:", 1},
    {"port", 'p', "PORTS", 0, "Either end's port: numbers, service names, ranges, comma lists", 1},
    {"local-port", KEY_LOCAL_PORT, "PORTS", 0, "This end's port", 1},
    {"remote-port", KEY_REMOTE_PORT, "PORTS", 0, "The peer's port", 1},
    {"address", 'a', "ADDR[/LEN]", 0, "Either end's address or network, comma lists", 1},
    {"state", 's', "STATES", 0,
     "Comma list of states; for monitor: transitions into or out of them", 1},
    {NULL, '4', NULL, 0, "IPv4 sockets only", 1},
    {NULL, '6', NULL, 0, "IPv6 sockets only", 1},
    {"process", KEY_PROCESS, "PID|NAME", 0, "Sockets of this process only", 1},
    {"netns", 'N', "NAME|PID|PATH|all", 0,
     "Look in that network namespace; for monitor: in every one of this host", 1},
    {"no-owner", KEY_NO_OWNER, NULL, 0, "Do not look up which process owns a socket", 1},
    {0},
};

#define PORTS_ALLOWED                                                                              \
    "1 to 65535, service names, ranges FIRST-LAST with FIRST not above LAST, comma lists"
#define PROCESS_NAME_MAX 15 /* TASK_COMM_LEN - 1, include/linux/sched.h */
#define PROCESS_ALLOWED  "a process id, a name of 1 to 15 bytes"
#define ADDRESSES_ALLOWED                                                                          \
    "IPv4 with /0 to /32, IPv6 with /0 to /128, a link-local one with %DEVICE, comma lists"
#define NETNS_ALLOWED                                                                              \
    "a name of ip netns, a process id, the path of a namespace; all for a monitor that traces"
#define STATES_ALLOWED                                                                             \
    "LISTEN, SYN_SENT, SYN_RECV, ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT, CLOSING, "         \
    "LAST_ACK, TIME_WAIT, CLOSE, NEW_SYN_RECV, BOUND_INACTIVE"

/* wrong: the item of the list `value` that is, or NULL. */
static void check_list(const struct argp_state *state, const char *option, const char *value,
                       const char *wrong, const char *what, const char *allowed) {
    if (wrong && *wrong == '\0' && *value)
        usage_refuse(state, option, value, "has an empty item", allowed);
    else if (wrong)
        usage_refuse(state, option, wrong, what, allowed);
}

static void take_ports(const struct argp_state *state, const char *option, const char *value,
                       struct ports *ports) {
    check_list(state, option, value, ports_parse(value, ports), "is no port", PORTS_ALLOWED);
}

static void take_netns(const struct argp_state *state, const char *value,
                       struct selection *selection) {
    if (selection->netns_name || selection->all_netns)
        usage_refuse(state, "--netns", value, "is a second network namespace", "one");
    selection->all_netns = strcmp(value, "all") == 0;
    if (selection->all_netns)
        return;
    selection->netns_name = value;
    if (netns_open(&selection->netns, value) == 0)
        return;
    if (errno == EACCES || errno == EPERM) {
        usage_warn("cannot open the network namespace ", value, ": it needs root (CAP_SYS_PTRACE)");
        exit(STATUS_FAILED);
    }
    usage_refuse(state, "--netns", value, "is no network namespace that is here", NETNS_ALLOWED);
}

/* A number is a process id. */
static bool is_process(const char *value) {
    char *end;
    const long pid = strtol(value, &end, 10);

    return *end || !isdigit((unsigned char)*value) ||
           (pid > 0 && pid <= INT_MAX && (kill((pid_t)pid, 0) == 0 || errno != ESRCH));
}

static void take_process(const struct argp_state *state, const char *value,
                         struct selection *selection) {
    if (*value == '\0')
        usage_refuse(state, "--process", value, "is no process", PROCESS_ALLOWED);
    if (strlen(value) > PROCESS_NAME_MAX)
        usage_refuse(state, "--process", value, "is longer than the kernel's names of processes",
                     PROCESS_ALLOWED);
    if (selection->process)
        usage_refuse(state, "--process", value, "is a second process", "one");
    if (!is_process(value))
        usage_refuse(state, "--process", value, "is no process that is here", PROCESS_ALLOWED);
    selection->process = value;
}

/* What no socket can match. */
static void check(const struct argp_state *state, const struct selection *selection) {
    const struct filter *filter = &selection->filter;

    if (selection->all_netns && filter_names_device(filter))
        usage_refuse(state, "--address", selection->address,
                     "names a device, and each network namespace has its own",
                     "no %DEVICE with --netns=all");
    if (filter->family != FILTER_INET || filter->address_count == 0)
        return;
    for (size_t i = 0; i < filter->address_count; i++)
        if (prefix_is_ipv4(&filter->addresses[i]))
            return;
    usage_refuse(state, "-4 and --address", selection->address, "is none of IPv4",
                 "an IPv4 address, or no -4");
}

static error_t parse(int key, char *value, struct argp_state *state) {
    struct selection *selection = state->input;
    struct filter *filter = &selection->filter;
    int family = filter->family == FILTER_INET    ? AF_INET
                 : filter->family == FILTER_INET6 ? AF_INET6
                                                  : AF_UNSPEC;

    switch (key) {
    case 'p':
        take_ports(state, "--port", value, &filter->either);
        return 0;
    case KEY_LOCAL_PORT:
        take_ports(state, "--local-port", value, &filter->local);
        return 0;
    case KEY_REMOTE_PORT:
        take_ports(state, "--remote-port", value, &filter->remote);
        return 0;
    case 'a':
        selection->address = value;
        check_list(state, "--address", value, prefix_parse(value, filter), "is no address",
                   ADDRESSES_ALLOWED);
        return 0;
    case 's':
        check_list(state, "--state", value, states_parse(value, &filter->states), "is no state",
                   STATES_ALLOWED);
        return 0;
    case '4':
    case '6':
        usage_family(state, key, &family);
        filter->family = family == AF_INET ? FILTER_INET : FILTER_INET6;
        return 0;
    case KEY_PROCESS:
        take_process(state, value, selection);
        return 0;
    case 'N':
        take_netns(state, value, selection);
        return 0;
    case KEY_NO_OWNER:
        selection->no_owner = true;
        return 0;
    case ARGP_KEY_END:
        selection->program = state->name;
        check(state, selection);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp selection_argp = {.options = options, .parser = parse};

_Noreturn void selection_refuse_all_netns(const struct selection *selection, const char *why) {
    usage_refuse_for(selection->program, "--netns", "all", why, NETNS_ALLOWED);
}

bool selection_needs_owners(const struct selection *selection) {
    return !selection->no_owner || selection->process;
}

static bool enter_netns(struct selection *selection) {
    char why[80];

    if (!selection->netns_name || netns_enter(&selection->netns) == 0)
        return true;
    snprintf(why, sizeof(why), ": %s",
             errno == EPERM ? "it needs root (CAP_SYS_ADMIN)" : strerror(errno));
    usage_warn("cannot enter the network namespace ", selection->netns_name, why);
    return false;
}

bool selection_enter(struct selection *selection) {
    const char *unknown;

    if (!enter_netns(selection))
        return false;
    unknown = filter_find_devices(&selection->filter);
    if (unknown)
        usage_refuse_for(selection->program, "--address", unknown,
                         "is no device of this network namespace", "those of 'ip link'");
    return true;
}

void selection_free(struct selection *selection) {
    filter_free(&selection->filter);
}
