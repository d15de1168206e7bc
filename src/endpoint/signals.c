/* SPDX-License-Identifier: MIT */
#include "endpoint/signals.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

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

int signals_next(int signals) {
    struct signalfd_siginfo info;

    return read(signals, &info, sizeof(info)) == sizeof(info) ? (int)info.ssi_signo : 0;
}

const char *signals_name(int number) {
    return number == 0 ? NULL : number == SIGTERM ? "SIGTERM" : "SIGINT";
}

void signals_hold(void) {
    const sigset_t signals = stops();

    sigprocmask(SIG_BLOCK, &signals, NULL);
}

void signals_release(void) {
    const sigset_t signals = stops();

    sigprocmask(SIG_UNBLOCK, &signals, NULL);
}
