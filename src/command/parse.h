/* SPDX-License-Identifier: MIT
 *
 * From arguments to a command's options: argp, with messages and help of its own.
 */
#ifndef TCPWATCH_COMMAND_PARSE_H
#define TCPWATCH_COMMAND_PARSE_H

#include <argp.h>

/* Runs a command's parser; exits where the options are wrong or ask for help. */
void parse_options(const struct argp *argp, int argc, char **argv, void *input);

/* The same for what stands before the command. */
void parse_before_command(const struct argp *argp, int argc, char **argv, void *input);

#endif
