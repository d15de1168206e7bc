/* SPDX-License-Identifier: MIT */
#include "command/usage.h"

#include "command/command.h"
#include "endpoint/sockaddr.h"
#include "filter/filter.h"
#include "output/writer.h"
#include "units/duration.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Values are shown as what they are: they may hold anything. */
static _Noreturn void refuse(struct writer *line) {
    writer_put(line, "\n", 1);
    writer_flush(line, STDERR_FILENO, NULL, INT64_MAX);
    exit(STATUS_USAGE);
}

_Noreturn void usage_refuse_for(const char *program, const char *option, const char *value,
                                const char *what, const char *allowed) {
    struct writer line = {0};

    writer_text(&line, program);
    writer_text(&line, ": ");
    if (option) {
        writer_text(&line, option);
        writer_text(&line, ": ");
    }
    writer_text(&line, "'");
    writer_name(&line, value);
    writer_text(&line, "' ");
    writer_text(&line, what);
    writer_text(&line, "; allowed: ");
    writer_text(&line, allowed);
    refuse(&line);
}

_Noreturn void usage_refuse(const struct argp_state *state, const char *option, const char *value,
                            const char *what, const char *allowed) {
    usage_refuse_for(state->name, option, value, what, allowed);
}

_Noreturn void usage_refuse_missing(const struct argp_state *state, const char *what,
                                    const char *allowed) {
    struct writer line = {0};

    writer_format(&line, "%s: %s is missing; allowed: %s", state->name, what, allowed);
    refuse(&line);
}

_Noreturn void usage_refuse_argument(const struct argp_state *state, const char *argument) {
    struct writer line = {0};

    writer_text(&line, state->name);
    writer_text(&line, ": '");
    writer_name(&line, argument);
    writer_text(&line, "' is one argument too many; allowed: options only (see --help)");
    refuse(&line);
}

int64_t usage_duration(const struct argp_state *state, const char *option, const char *value,
                       int64_t least_ns, const char *least) {
    const int64_t ns = duration_parse(value);
    char allowed[160];

    if (ns >= least_ns)
        return ns;
    snprintf(
        allowed, sizeof(allowed),
        "a number with ms, s, m or h (a bare number is seconds), %s, at most " DURATION_MAX_TEXT
        " (3650 days)",
        least);
    usage_refuse(state, option, value,
                 ns == DURATION_TOO_LONG ? "is too long"
                 : ns < 0                ? "is no duration"
                                         : "is too short",
                 allowed);
}

uint64_t usage_number(const struct argp_state *state, const char *option, const char *value,
                      const char *what) {
    unsigned long long number;
    char *end;

    errno = 0;
    number = strtoull(value, &end, 10);
    if (*value < '0' || *value > '9' || *end || errno || number == 0)
        usage_refuse(state, option, value, what, "a whole number from 1 to 18446744073709551615");
    return number;
}

uint16_t usage_port(const struct argp_state *state, const char *option, const char *value) {
    const uint16_t port = port_parse(value);

    if (port == 0)
        usage_refuse(state, option, value, "is no port", "1 to 65535, a service name");
    return port;
}

/* Returns NULL where nothing is. */
static const char *wrong_with(const struct sockaddr_storage *address) {
    const struct in6_addr *in6 = &((const struct sockaddr_in6 *)address)->sin6_addr;
    const in_addr_t in = ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr);

    if (address->ss_family == AF_INET)
        return IN_MULTICAST(in) || in == INADDR_BROADCAST ? "is no address of one host" : NULL;
    if (IN6_IS_ADDR_MULTICAST(in6))
        return "is no address of one host";
    if (IN6_IS_ADDR_LINKLOCAL(in6) && !((const struct sockaddr_in6 *)address)->sin6_scope_id)
        return "is link-local, and lacks its device";
    return NULL;
}

void usage_check_address(const struct argp_state *state, const char *option, const char *value,
                         const char *allowed, const struct sockaddr_storage *address) {
    const char *wrong = wrong_with(address);

    if (wrong)
        usage_refuse(state, option, value, wrong, allowed);
}

void usage_address(const struct argp_state *state, const char *option, const char *value,
                   const char *allowed, struct sockaddr_storage *address) {
    if (!sockaddr_parse(value, address))
        usage_refuse(state, option, value, "is no address", allowed);
    usage_check_address(state, option, value, allowed, address);
}

void usage_warn(const char *before, const char *value, const char *after) {
    struct writer line = {0};

    writer_text(&line, program_invocation_name);
    writer_text(&line, ": ");
    writer_text(&line, before);
    writer_name(&line, value);
    writer_text(&line, after);
    writer_put(&line, "\n", 1);
    writer_flush(&line, STDERR_FILENO, NULL, INT64_MAX);
    writer_free(&line);
}

void usage_family(const struct argp_state *state, int key, int *family) {
    const int wanted = key == '4' ? AF_INET : AF_INET6;

    if (*family != AF_UNSPEC && *family != wanted)
        usage_refuse(state, "-4 and -6", "-4 -6", "select nothing together",
                     "one of them, or none for both families");
    *family = wanted;
}
