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
    STATUS_NOT_REACHED = 2, /* --duration passed before --until */
    STATUS_USAGE = 64,      /* EX_USAGE of <sysexits.h> */
};

/* The table that all follows from: dispatch, help, and who has which option. Its end has no name.
 */
struct command {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
};

extern const struct command commands[];

/* Each takes its own name as argv[0] and returns an exit status. */
int command_monitor(int argc, char **argv);
int command_list(int argc, char **argv);
int command_server(int argc, char **argv);
int command_client(int argc, char **argv);

#endif
