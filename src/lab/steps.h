/* SPDX-License-Identifier: MIT
 *
 * The steps of a scenario: those that do something, and those that wait. lab's own.
 */
#ifndef TCPWATCH_LAB_STEPS_H
#define TCPWATCH_LAB_STEPS_H

#include "lab/run.h"

/* Makes one step to its end, and notes in `run` where it failed. */
void steps_make(struct run *run, const struct step *step);

/* Waits until the router's link to the host works: what is sent before that is lost. */
void steps_await_link(struct run *run, enum lab_host host);

#endif
