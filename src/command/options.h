/* SPDX-License-Identifier: MIT
 *
 * The options of a command as its argp tables have them: what getopt would refuse is refused here,
 * with what is allowed in its place.
 */
#ifndef TCPWATCH_COMMAND_OPTIONS_H
#define TCPWATCH_COMMAND_OPTIONS_H

#include <argp.h>
#include <stdbool.h>

/* The keys of the options that every parser has. */
enum {
    KEY_HELP = '?',
    KEY_VERSION = 'V',
    KEY_USAGE = 0x700,
};

/* Goes through the arguments up to an option that asks for help. Exits with one line where one is
 * no option of `argp`, lacks its value or has one too many. `root`: these stand before the command.
 */
void options_check(const struct argp *argp, int argc, char **argv, bool root);

#endif
