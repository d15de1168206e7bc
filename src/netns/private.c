/* SPDX-License-Identifier: MIT */
#include "netns/private.h"

#include "netns/netns.h"
#include "units/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of the process that called private_fork(). */
static uid_t outer_uid;
static gid_t outer_gid;
static bool mapped; /* whether a user namespace was made */

static bool may_make_namespaces(void) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

    return syscall(SYS_capget, &header, data) == 0 && (data[0].effective & 1u << CAP_SYS_ADMIN) &&
           (data[0].effective & 1u << CAP_NET_ADMIN);
}

pid_t private_fork(void) {
    unsigned long flags = CLONE_NEWPID | CLONE_NEWNET | SIGCHLD;

    outer_uid = geteuid();
    outer_gid = getegid();
    mapped = !may_make_namespaces();
    if (mapped)
        flags |= CLONE_NEWUSER;
        /* A clone() without a stack of its own is a fork(). glibc's handlers of fork() are passed
         * by: nothing here has any. */
#ifdef __s390x__
    return (pid_t)syscall(SYS_clone, 0, flags, 0, 0, 0);
#else
    return (pid_t)syscall(SYS_clone, flags, 0, 0, 0, 0);
#endif
}

/* This user is root in the new namespace (man 7 user_namespaces): the one line that every user may
 * write, and for the groups only once setgroups() is given up. */
static int map_to_root(void) {
    char line[32];

    if (proc_write("/proc/self/setgroups", "deny") < 0 && errno != ENOENT)
        return -1;
    snprintf(line, sizeof(line), "0 %u 1", (unsigned)outer_uid);
    if (proc_write("/proc/self/uid_map", line) < 0)
        return -1;
    snprintf(line, sizeof(line), "0 %u 1", (unsigned)outer_gid);
    return proc_write("/proc/self/gid_map", line);
}

int private_finish(void) {
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return -1;
    /* A signal from the terminal is the outer process's to handle. */
    if (setsid() < 0)
        return -1;
    return mapped ? map_to_root() : 0;
}

bool private_forbidden_by(int error, char *text, size_t size, bool *for_others) {
    static const struct {
        const char *name;
        int64_t forbids; /* the value that does */
        int error;
        bool for_others; /* root needs no such namespace */
    } settings[] = {
        /* Debian's own, and Ubuntu's; the others are man 7 namespaces. */
        {"kernel.unprivileged_userns_clone", 0, EPERM, true},
        {"kernel.apparmor_restrict_unprivileged_userns", 1, EPERM, true},
        {"kernel.apparmor_restrict_unprivileged_userns", 1, EACCES, true},
        {"user.max_user_namespaces", 0, ENOSPC, true},
        {"user.max_pid_namespaces", 0, ENOSPC, false},
        {"user.max_net_namespaces", 0, ENOSPC, false},
    };
    int64_t value;

    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        if (settings[i].error == error && sysctl_read(settings[i].name, &value) &&
            value == settings[i].forbids) {
            snprintf(text, size, "%s = %" PRId64, settings[i].name, value);
            *for_others = settings[i].for_others;
            return true;
        }
    return false;
}

int private_netns(void) {
    const int before = netns_here();
    int made = -1, error;

    if (before < 0)
        return -1;
    if (unshare(CLONE_NEWNET) == 0) {
        made = netns_here();
        error = errno;
        if (setns(before, CLONE_NEWNET) < 0 && made >= 0) {
            error = errno;
            close(made);
            made = -1;
        }
        errno = error;
    }
    error = errno;
    close(before);
    errno = error;
    return made;
}
