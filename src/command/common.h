/* SPDX-License-Identifier: MIT
 *
 * The options that monitor and list share, as one argp child: what to look at, how it looks.
 */
#ifndef TCPWATCH_COMMAND_COMMON_H
#define TCPWATCH_COMMAND_COMMON_H

#include "command/display.h"
#include "command/selection.h"

struct common {
    struct selection selection;
    struct display display;
};

/* Its input is a struct common. It refuses every argument. */
extern const struct argp common_argp;

#endif
