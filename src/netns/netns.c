/* SPDX-License-Identifier: MIT */
#include "netns/netns.h"

#include "units/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <linux/sockios.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where `ip netns` keeps its names (man 8 ip-netns). */
#define NAMED_DIR "/run/netns"

#define OF_THREAD "/proc/thread-self/ns/net"

/* Room for /proc/PID/ns/net. */
#define PROCESS_PATH_SIZE 64

static bool is_number(const char *text) {
    return *text && text[strspn(text, "0123456789")] == '\0';
}

static int open_path(struct netns *netns, const char *format, const char *which) {
    snprintf(netns->path, sizeof(netns->path), format, which);
    netns->fd = open(netns->path, O_RDONLY | O_CLOEXEC);
    return netns->fd;
}

static int find(struct netns *netns, const char *which) {
    if (strlen(which) > PATH_MAX - 32) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (strchr(which, '/'))
        return open_path(netns, "%s", which);
    if (*which && which[0] != '.' && open_path(netns, NAMED_DIR "/%s", which) >= 0)
        return netns->fd;
    if (is_number(which))
        return open_path(netns, "/proc/%s/ns/net", which);
    errno = ENOENT;
    return -1;
}

int netns_open(struct netns *netns, const char *which) {
    struct stat status;

    if (find(netns, which) < 0)
        return -1;
    if (fstat(netns->fd, &status) < 0 || ioctl(netns->fd, NS_GET_NSTYPE) != CLONE_NEWNET) {
        close(netns->fd);
        errno = EINVAL;
        return -1;
    }
    netns->device = status.st_dev;
    netns->inode = status.st_ino;
    return 0;
}

/* A user who owns the user namespace has all capabilities in it: a rootless container's. */
static int enter_through_owner(const struct netns *netns) {
    const int owner = ioctl(netns->fd, NS_GET_USERNS);
    int result;

    if (owner < 0) {
        errno = EPERM;
        return -1;
    }
    result = setns(owner, CLONE_NEWUSER);
    close(owner);
    if (result < 0) {
        errno = EPERM;
        return -1;
    }
    return setns(netns->fd, CLONE_NEWNET);
}

int netns_enter(struct netns *netns) {
    int result = setns(netns->fd, CLONE_NEWNET), error;

    if (result < 0 && errno == EPERM)
        result = enter_through_owner(netns);
    error = errno;
    close(netns->fd);
    netns->fd = -1;
    errno = error;
    return result;
}

/* Whether the path leads to it: 1, 0, or -1 where it may not be looked at. */
static int is_this(const struct netns *netns, const char *path) {
    struct stat status;

    if (stat(path, &status) < 0)
        return errno == EACCES || errno == EPERM ? -1 : 0;
    return status.st_dev == netns->device && status.st_ino == netns->inode;
}

/* Where the next process has its namespace. Returns its id, 0 after the last one. */
static pid_t next_process(DIR *proc, char path[PROCESS_PATH_SIZE]) {
    const struct dirent *entry;

    while ((entry = readdir(proc))) {
        if (!is_number(entry->d_name))
            continue;
        snprintf(path, PROCESS_PATH_SIZE, "/proc/%.16s/ns/net", entry->d_name);
        return (pid_t)strtol(entry->d_name, NULL, 10);
    }
    return 0;
}

bool netns_gone(const struct netns *netns) {
    char path[PROCESS_PATH_SIZE];
    bool found = false;
    DIR *proc;
    pid_t pid;

    if (is_this(netns, netns->path) != 0)
        return false;
    proc = opendir("/proc");
    if (!proc)
        return false;
    while (!found && (pid = next_process(proc, path)))
        found = pid != getpid() && is_this(netns, path) == 1;
    closedir(proc);
    return !found;
}

/* Who is told of each, and the inodes that were. */
struct search {
    bool (*take)(void *into, const struct netns *netns);
    void *into;
    int error; /* why it ends */
    ino_t *inodes;
    size_t count;
};

static bool is_known(const struct search *search, ino_t inode) {
    for (size_t i = 0; i < search->count; i++)
        if (search->inodes[i] == inode)
            return true;
    return false;
}

static bool note(struct search *search, ino_t inode) {
    ino_t *inodes = reallocarray(search->inodes, search->count + 1, sizeof(*inodes));

    if (!inodes)
        return false;
    search->inodes = inodes;
    search->inodes[search->count++] = inode;
    return true;
}

/* Hands on the one that the path leads to, if it is new. Where it cannot be opened, another path
 * may lead to it. */
static void offer(struct search *search, const char *path) {
    struct netns netns;
    struct stat status;

    if (stat(path, &status) < 0 || is_known(search, status.st_ino))
        return;
    if (netns_open(&netns, path) < 0) {
        search->error = proc_shortage(errno) ? errno : 0;
        return;
    }
    if (!note(search, netns.inode) || !search->take(search->into, &netns))
        search->error = errno;
    close(netns.fd);
}

static void offer_named(struct search *search) {
    DIR *named = opendir(NAMED_DIR);
    const struct dirent *entry;

    if (!named && proc_shortage(errno))
        search->error = errno;
    while (named && !search->error && (entry = readdir(named))) {
        char path[sizeof(NAMED_DIR "/") + sizeof(entry->d_name)];

        snprintf(path, sizeof(path), NAMED_DIR "/%s", entry->d_name);
        if (entry->d_name[0] != '.')
            offer(search, path);
    }
    if (named)
        closedir(named);
}

int netns_each(bool (*take)(void *into, const struct netns *netns), void *into) {
    struct search search = {.take = take, .into = into};
    char path[PROCESS_PATH_SIZE];
    DIR *proc;

    offer_named(&search);
    proc = opendir("/proc");
    if (!proc)
        search.error = errno;
    while (proc && !search.error && next_process(proc, path))
        offer(&search, path);
    if (proc)
        closedir(proc);
    free(search.inodes);
    errno = search.error;
    return search.error ? -1 : 0;
}

int netns_here(void) {
    return open(OF_THREAD, O_RDONLY | O_CLOEXEC);
}

int netns_within(const struct netns *netns, void (*act)(void *into), void *into) {
    const int here = netns_here();
    int error = 0;

    if (here < 0)
        return -1;
    if (setns(netns->fd, CLONE_NEWNET) < 0) {
        error = errno;
    } else {
        act(into);
        error = setns(here, CLONE_NEWNET) < 0 ? errno : 0;
    }
    close(here);
    errno = error;
    return error ? -1 : 0;
}

/* A descriptor of the namespace, as a socket made in it tells whoever may administer it. */
static int netns_of_socket(void) {
    const int socket_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const int fd = socket_fd < 0 ? -1 : ioctl(socket_fd, SIOCGSKNS);

    if (socket_fd >= 0)
        close(socket_fd);
    return fd;
}

uint64_t netns_inode(void) {
    struct stat status;
    uint64_t inode = 0;
    int fd;

    if (stat(OF_THREAD, &status) == 0)
        return status.st_ino;
    fd = netns_of_socket();
    if (fd < 0)
        return 0;
    if (fstat(fd, &status) == 0)
        inode = status.st_ino;
    close(fd);
    return inode;
}
