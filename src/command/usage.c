/* SPDX-License-Identifier: MIT */
#include "command/usage.h"

#include "command/command.h"
#include "filter/filter.h"
#include "output/writer.h"
#include "units/duration.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void usage_parse(const struct argp *argp, int argc, char **argv, void *input) {
    argp_err_exit_status = STATUS_USAGE;
    if (argp_parse(argp, argc, argv, ARGP_IN_ORDER, NULL, input))
        exit(STATUS_USAGE);
}

void usage_quiet(struct argp_state *state) {
    /* Without a stream argp neither prints "Try --help" nor exits: argp_parse() returns. */
    state->err_stream = NULL;
}

/* Values are shown as what they are: they may hold anything. */
static _Noreturn void refuse(struct writer *line) {
    writer_put(line, "\n", 1);
    writer_flush(line, STDERR_FILENO, NULL, INT64_MAX);
    exit(STATUS_USAGE);
}

_Noreturn void usage_refuse(const struct argp_state *state, const char *option, const char *value,
                            const char *what, const char *allowed) {
    struct writer line = {0};

    writer_text(&line, state->name);
    writer_text(&line, ": ");
    writer_text(&line, option);
    writer_text(&line, ": '");
    writer_name(&line, value);
    writer_text(&line, "' ");
    writer_text(&line, what);
    writer_text(&line, "; allowed: ");
    writer_text(&line, allowed);
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
        usage_refuse(state, option, value, what, "a whole number from 1");
    return number;
}

uint16_t usage_port(const struct argp_state *state, const char *option, const char *value) {
    const uint16_t port = port_parse(value);

    if (port == 0)
        usage_refuse(state, option, value, "is no port", "1 to 65535, a service name");
    return port;
}

void usage_family(const struct argp_state *state, int key, int *family) {
    const int wanted = key == '4' ? AF_INET : AF_INET6;

    if (*family != AF_UNSPEC && *family != wanted)
        usage_refuse(state, "-4 and -6", "-4 -6", "select nothing together",
                     "one of them, or none for both families");
    *family = wanted;
}
