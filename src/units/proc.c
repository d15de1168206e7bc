/* SPDX-License-Identifier: MIT */
#include "units/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* More than the longest of these paths. */
#define PATH_SIZE 128

bool proc_shortage(int error) {
    return error == EMFILE || error == ENFILE || error == ENOMEM;
}

int proc_write(const char *path, const char *text) {
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    const size_t len = strlen(text);
    int result = -1;

    if (fd < 0)
        return -1;
    if (write(fd, text, len) == (ssize_t)len)
        result = 0;
    close(fd);
    return result;
}

static void path_of(const char *name, char path[PATH_SIZE]) {
    snprintf(path, PATH_SIZE, "/proc/sys/%s", name);
    for (char *at = path; *at; at++)
        if (*at == '.')
            *at = '/';
}

bool sysctl_read(const char *name, int64_t *value) {
    char path[PATH_SIZE];
    FILE *file;
    bool found;

    path_of(name, path);
    file = fopen(path, "re");
    if (!file)
        return false;
    found = fscanf(file, "%" SCNd64, value) == 1;
    fclose(file);
    return found;
}

int sysctl_write(const char *name, const char *value) {
    char path[PATH_SIZE];

    path_of(name, path);
    return proc_write(path, value);
}
