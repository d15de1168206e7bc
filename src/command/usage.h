/* SPDX-License-Identifier: MIT
 *
 * What the commands' parsers share: one line for what is wrong, exit status 64, nothing started.
 */
#ifndef TCPWATCH_COMMAND_USAGE_H
#define TCPWATCH_COMMAND_USAGE_H

#include <argp.h>
#include <stdint.h>

struct sockaddr_storage;

/* Refuses a value: "tcpwatch list: --port: '0' is not a port; allowed are ...". Exits. */
_Noreturn void usage_refuse(const struct argp_state *state, const char *option, const char *value,
                            const char *what, const char *allowed);

/* The same where no parser runs. `option` NULL: the value says all. */
_Noreturn void usage_refuse_for(const char *program, const char *option, const char *value,
                                const char *what, const char *allowed);

/* Refuses a command line where something is not there. Exits. */
_Noreturn void usage_refuse_missing(const struct argp_state *state, const char *what,
                                    const char *allowed);

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

/* An address of one host, as it is written. Exits where it is none. */
void usage_address(const struct argp_state *state, const char *option, const char *value,
                   const char *allowed, struct sockaddr_storage *address);

/* Refuses what is an address, but not of one host: a group's, or a link-local one of no device.
 * Exits. */
void usage_check_address(const struct argp_state *state, const char *option, const char *value,
                         const char *allowed, const struct sockaddr_storage *address);

/* Says on stderr what is wrong at run time with a value that the user gave; as warnx(). */
void usage_warn(const char *before, const char *value, const char *after);

/* One port, by number or service name. Exits where it is none. */
uint16_t usage_port(const struct argp_state *state, const char *option, const char *value);

#endif
