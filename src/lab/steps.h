/* SPDX-License-Identifier: MIT
 *
 * The steps of a scenario: those that do something, and those that wait. lab's own.
 */
#ifndef TCPWATCH_LAB_STEPS_H
#define TCPWATCH_LAB_STEPS_H

#include "lab/run.h"

/* Makes one step to its end, and notes in `run` where it failed. */
void steps_make(struct run *run, const struct step *step);

#endif
