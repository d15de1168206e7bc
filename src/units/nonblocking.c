/* SPDX-License-Identifier: MIT */
#include "units/nonblocking.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int nonblocking_copy(int fd) {
    struct stat status;
    char path[32];

    if (fstat(fd, &status) < 0)
        return -1;
    if (!S_ISFIFO(status.st_mode) && !isatty(fd)) {
        errno = EINVAL;
        return -1;
    }
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}
