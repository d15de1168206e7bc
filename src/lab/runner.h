/* SPDX-License-Identifier: MIT
 *
 * Runs one scenario in the process that calls it, which private_fork() has made. lab's own.
 */
#ifndef TCPWATCH_LAB_RUNNER_H
#define TCPWATCH_LAB_RUNNER_H

#include "lab/scenario.h"
#include "lab/settings.h"

struct runner_settings {
    const struct scenario *scenario;
    const struct settings *own; /* of the host itself */
    bool real_time;
    void (*emit)(void *into, const struct lab_event *event);
    void *into;
};

/* Tells the moments, what it waits for, and at last how it went. Returns NULL, or what could not be
 * done before it began, with errno. */
const char *runner_run(const struct runner_settings *settings);

/* Fills in what is expected of a scenario; all else is not known yet. */
void runner_expect(const struct scenario *scenario, struct lab_result *result);

#endif
