/* SPDX-License-Identifier: MIT
 *
 * What the commands' parsers share: one line for what is wrong, exit status 64, nothing started.
 */
#ifndef TCPWATCH_COMMAND_USAGE_H
#define TCPWATCH_COMMAND_USAGE_H

#include <argp.h>
#include <stdint.h>

/* Runs a command's parser; exits where the options are wrong or ask for help. */
void usage_parse(const struct argp *argp, int argc, char **argv, void *input);

/* For a parser's ARGP_KEY_INIT: getopt says in one line what is wrong, argp adds nothing. */
void usage_quiet(struct argp_state *state);

/* Refuses a value: "tcpwatch list: --port: '0' is not a port; allowed are ...". Exits. */
_Noreturn void usage_refuse(const struct argp_state *state, const char *option, const char *value,
                            const char *what, const char *allowed);

/* Refuses an argument where none is wanted. Exits. */
_Noreturn void usage_refuse_argument(const struct argp_state *state, const char *argument);

/* A duration of at least `least_ns` nanoseconds, `least` in words. Exits where it is none. */
int64_t usage_duration(const struct argp_state *state, const char *option, const char *value,
                       int64_t least_ns, const char *least);

/* A whole number from 1; `what` says what a wrong one is not. Exits. */
uint64_t usage_number(const struct argp_state *state, const char *option, const char *value,
                      const char *what);

/* For the options -4 and -6: sets the family (AF_UNSPEC before). Exits where both are given. */
void usage_family(const struct argp_state *state, int key, int *family);

/* One port, by number or service name. Exits where it is none. */
uint16_t usage_port(const struct argp_state *state, const char *option, const char *value);

#endif
