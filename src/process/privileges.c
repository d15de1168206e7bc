/* SPDX-License-Identifier: MIT */
#include "process/privileges.h"

#include <linux/capability.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint32_t capabilities(unsigned keep) {
    const uint32_t proc = 1u << CAP_SYS_PTRACE | 1u << CAP_DAC_READ_SEARCH;

    return (keep & PRIVILEGES_PROC ? proc : 0) |
           (keep & PRIVILEGES_NETNS ? 1u << CAP_SYS_ADMIN : 0);
}

int privileges_drop(unsigned keep) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

    if (syscall(SYS_capget, &header, data) < 0)
        return -1;
    for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
        data[i].permitted &= i == 0 ? capabilities(keep) : 0;
        data[i].effective = data[i].permitted;
        data[i].inheritable = 0;
    }
    if (syscall(SYS_capset, &header, data) < 0)
        return -1;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}
