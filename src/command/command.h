/* SPDX-License-Identifier: MIT
 *
 * The commands: each has a file of its own that turns options into calls of the rooms beside it.
 */
#ifndef TCPWATCH_COMMAND_COMMAND_H
#define TCPWATCH_COMMAND_COMMAND_H

/* The exit statuses that every command shares. */
enum {
    STATUS_DONE = 0,
    STATUS_FAILED = 1,      /* at run time */
    STATUS_NOT_REACHED = 2, /* the watch was over before --until */
    STATUS_USAGE = 64,      /* EX_USAGE of <sysexits.h> */
};

struct argp;

struct command {
    const char *name, *summary;
    const struct argp *argp;
    /* Takes its own name as argv[0] and returns an exit status. */
    int (*run)(int argc, char **argv);
};

extern const struct command command_monitor, command_list, command_server, command_client,
    command_lab;

/* The table that all follows from: dispatch, help, and who has which option. Ends with NULL. */
extern const struct command *const commands[];

#endif
