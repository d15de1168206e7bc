/* SPDX-License-Identifier: MIT */
#include "endpoint/signals.h"

#include <signal.h>
#include <sys/signalfd.h>

static sigset_t stops(void) {
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    return signals;
}

int signals_open(void) {
    sigset_t signals = stops();

    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    return signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
}

void signals_hold(void) {
    const sigset_t signals = stops();

    sigprocmask(SIG_BLOCK, &signals, NULL);
}

void signals_release(void) {
    const sigset_t signals = stops();

    sigprocmask(SIG_UNBLOCK, &signals, NULL);
}
