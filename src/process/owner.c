/* SPDX-License-Identifier: MIT */
#include "process/owner.h"

#include "units/clock.h"
#include "units/duration.h"
#include "units/proc.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* So many processes that have sockets are told apart, and so many that hold the same one. */
#define PROCESS_BITS 18
#define HOLDER_BITS  14

/* An open-addressed table: a host has some hundred thousand sockets, and a list reads it once. */
struct slot {
    uint32_t inode; /* 0: free */
    uint32_t process : PROCESS_BITS;
    uint32_t holders : HOLDER_BITS;
};

struct process {
    uint32_t pid;
    char name[16];
};

/* Processes that own what was asked for before. They are read first: a host has many more. */
#define RECENT_MAX 16

/* What was not used in so long of the time to read again may be used at once. */
#define READ_AGAIN_NS (10 * NS_PER_S)

/* To count all who hold a socket takes one part in so many of the time. */
#define REST_SHARE 1000

/* What was read so long ago may have been handed on since. */
#define OLD_NS (100 * NS_PER_MS)

struct owners {
    unsigned share;
    const char *wanted; /* the caller's */
    struct slot *slots;
    size_t size, used; /* size is a power of two */
    struct process *processes;
    size_t process_count;
    enum { NOTHING_READ, RECENT_READ, ALL_READ } state;
    int64_t read_ns;      /* when the first of it was read */
    int64_t next_ns;      /* when all may be read again, */
    int64_t next_rest_ns; /* and when only to count all who hold a socket */
    int error;
    bool denied;
    uint32_t recent[RECENT_MAX]; /* pids; 0: none */
    size_t next_recent;
};

struct owners *owners_new(unsigned share, const char *wanted) {
    struct owners *owners = calloc(1, sizeof(*owners));

    if (owners) {
        owners->share = share;
        owners->wanted = wanted;
    }
    return owners;
}

void owners_forget(struct owners *owners) {
    free(owners->slots);
    free(owners->processes);
    owners->slots = NULL;
    owners->processes = NULL;
    owners->size = owners->used = owners->process_count = 0;
    owners->state = NOTHING_READ;
}

void owners_forget_old(struct owners *owners) {
    const int64_t now_ns = clock_now();

    if (now_ns >= owners->read_ns + OLD_NS && now_ns >= owners->next_ns)
        owners_forget(owners);
}

void owners_free(struct owners *owners) {
    if (owners)
        owners_forget(owners);
    free(owners);
}

static struct slot *find_slot(const struct owners *owners, uint32_t inode) {
    size_t at = (inode * 2654435761u) & (owners->size - 1);

    while (owners->slots[at].inode && owners->slots[at].inode != inode)
        at = (at + 1) & (owners->size - 1);
    return &owners->slots[at];
}

static bool grow(struct owners *owners) {
    struct owners bigger = {.size = owners->size ? owners->size * 2 : 1024};

    bigger.slots = calloc(bigger.size, sizeof(*bigger.slots));
    if (!bigger.slots)
        return false;
    for (size_t i = 0; i < owners->size; i++)
        if (owners->slots[i].inode)
            *find_slot(&bigger, owners->slots[i].inode) = owners->slots[i];
    free(owners->slots);
    owners->slots = bigger.slots;
    owners->size = bigger.size;
    return true;
}

static bool is_called(uint32_t pid, const char *name, const char *wanted) {
    char digits[16];

    snprintf(digits, sizeof(digits), "%u", pid);
    return strcmp(wanted, digits) == 0 || strcmp(wanted, name) == 0;
}

static bool is_wanted(const struct owners *owners, const struct process *process) {
    return owners->wanted && is_called(process->pid, process->name, owners->wanted);
}

/* Of two processes that hold a socket, the one that is told of. */
static bool comes_before(const struct owners *owners, const struct process *one,
                         const struct process *other) {
    const bool wanted = is_wanted(owners, one);

    return wanted == is_wanted(owners, other) ? one->pid < other->pid : wanted;
}

static void add_holder(struct owners *owners, uint32_t inode, uint32_t process) {
    struct slot *slot;

    if (owners->used * 4 >= owners->size * 3 && !grow(owners))
        return;
    slot = find_slot(owners, inode);
    if (slot->inode == 0) {
        owners->used++;
        *slot = (struct slot){.inode = inode, .process = process, .holders = 1};
    } else if (slot->process != process) {
        slot->holders += slot->holders < (1u << HOLDER_BITS) - 1;
        if (comes_before(owners, &owners->processes[process], &owners->processes[slot->process]))
            slot->process = process;
    }
}

/* Remembers the process. Returns its index, or -1. */
static long add_process(struct owners *owners, uint32_t pid, int proc) {
    struct process *processes, *process;
    char path[32];
    ssize_t len = 0;
    int fd;

    if (owners->process_count == 1u << PROCESS_BITS)
        return -1;
    if ((owners->process_count & (owners->process_count - 1)) == 0) {
        const size_t room = owners->process_count ? owners->process_count * 2 : 1;

        processes = reallocarray(owners->processes, room, sizeof(*processes));
        if (!processes)
            return -1;
        owners->processes = processes;
    }
    process = &owners->processes[owners->process_count];
    *process = (struct process){.pid = pid};
    snprintf(path, sizeof(path), "%u/comm", pid);
    fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        len = read(fd, process->name, sizeof(process->name) - 1);
        close(fd);
    }
    if (len > 0 && process->name[len - 1] == '\n')
        process->name[len - 1] = '\0';
    return (long)owners->process_count++;
}

/* The inode in "socket:[123]", 0 where the link is none. */
static uint32_t socket_inode(int dir, const char *name) {
    static const char prefix[] = "socket:[";
    char target[32];
    const ssize_t len = readlinkat(dir, name, target, sizeof(target) - 1);

    if (len < (ssize_t)sizeof(prefix) || memcmp(target, prefix, sizeof(prefix) - 1) != 0)
        return 0;
    target[len] = '\0';
    return (uint32_t)strtoul(target + sizeof(prefix) - 1, NULL, 10);
}

static void scan_process(struct owners *owners, int proc, const char *pid) {
    const struct dirent *entry;
    long process = -1;
    char path[32];
    DIR *dir;
    int fd;

    snprintf(path, sizeof(path), "%.10s/fd", pid);
    fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        if (proc_shortage(errno))
            owners->error = errno;
        owners->denied |= errno == EACCES || errno == EPERM; /* the latter under hidepid=1 */
        if (fd >= 0)
            close(fd);
        return;
    }
    while ((entry = readdir(dir))) {
        const uint32_t inode = entry->d_name[0] == '.' ? 0 : socket_inode(fd, entry->d_name);

        if (inode && process < 0)
            process = add_process(owners, (uint32_t)strtoul(pid, NULL, 10), proc);
        if (inode && process >= 0)
            add_holder(owners, inode, (uint32_t)process);
    }
    closedir(dir);
}

static bool is_recent(const struct owners *owners, uint32_t pid) {
    for (size_t i = 0; i < RECENT_MAX; i++)
        if (owners->recent[i] == pid)
            return true;
    return false;
}

static void remember_recent(struct owners *owners, uint32_t pid) {
    if (is_recent(owners, pid))
        return;
    owners->recent[owners->next_recent] = pid;
    owners->next_recent = (owners->next_recent + 1) % RECENT_MAX;
}

/* What was read since has to be paid for with the time until it may be read again. */
static void pay(struct owners *owners, int64_t began_ns) {
    const int64_t now_ns = clock_now();

    if (owners->next_ns < began_ns - READ_AGAIN_NS)
        owners->next_ns = began_ns - READ_AGAIN_NS;
    owners->next_ns += owners->share * (now_ns - began_ns);
}

/* Reads what has not been read: the recent owners, or all other processes. */
static void read_more(struct owners *owners) {
    const bool all = owners->state == RECENT_READ;
    const int64_t began_ns = clock_now();
    DIR *proc = opendir("/proc");
    const struct dirent *entry;
    char pid[16];

    if (owners->state++ == NOTHING_READ)
        owners->read_ns = began_ns;
    owners->error = proc ? 0 : errno;
    if (!proc)
        return;
    for (size_t i = 0; !all && i < RECENT_MAX; i++)
        if (owners->recent[i]) {
            snprintf(pid, sizeof(pid), "%u", owners->recent[i]);
            scan_process(owners, dirfd(proc), pid);
        }
    while (all && (entry = readdir(proc)))
        if (isdigit((unsigned char)entry->d_name[0]) &&
            !is_recent(owners, (uint32_t)strtoul(entry->d_name, NULL, 10)))
            scan_process(owners, dirfd(proc), entry->d_name);
    closedir(proc);
    pay(owners, began_ns);
}

/* NULL, too, where who holds it besides may be the wanted one, and has not been read. */
static const struct slot *find_read(const struct owners *owners, uint32_t inode) {
    const struct slot *slot = owners->size ? find_slot(owners, inode) : NULL;

    if (!slot || !slot->inode)
        return NULL;
    return !owners->wanted || owners->state == ALL_READ ||
                   is_wanted(owners, &owners->processes[slot->process])
               ? slot
               : NULL;
}

/* Reads as much as it takes to find the inode. Returns NULL where it is in none of it. */
static const struct slot *find(struct owners *owners, uint32_t inode) {
    const struct slot *slot = find_read(owners, inode);

    /* It may have come to one of the few since: the others are read in any case. */
    if (!slot && owners->state == RECENT_READ && clock_now() >= owners->read_ns + OLD_NS)
        owners_forget(owners);
    while (!slot && owners->state != ALL_READ) {
        read_more(owners);
        slot = find_read(owners, inode);
    }
    return slot;
}

/* The owner of that slot, if it is one. */
static bool take_owner(struct owners *owners, const struct slot *slot, struct owner *owner) {
    *owner = (struct owner){0};
    if (!slot)
        return false;
    owner->pid = owners->processes[slot->process].pid;
    owner->holders = slot->holders;
    memcpy(owner->name, owners->processes[slot->process].name, sizeof(owner->name));
    remember_recent(owners, owner->pid);
    return true;
}

bool owners_read_rest(struct owners *owners) {
    const int64_t now_ns = clock_now();

    if (owners->state == ALL_READ)
        return true;
    if (now_ns < owners->next_ns || now_ns < owners->next_rest_ns)
        return false;
    while (owners->state != ALL_READ)
        read_more(owners);
    owners->next_rest_ns = now_ns + REST_SHARE * (clock_now() - now_ns);
    return true;
}

bool owners_recall(struct owners *owners, uint32_t inode, struct owner *owner) {
    return take_owner(owners, inode ? find_read(owners, inode) : NULL, owner);
}

bool owners_may_read(const struct owners *owners) {
    return owners->state != ALL_READ || clock_now() >= owners->next_ns;
}

bool owners_find(struct owners *owners, uint32_t inode, struct owner *owner) {
    const struct slot *slot = inode ? find(owners, inode) : NULL;

    if (inode && !slot && owners_may_read(owners)) {
        owners_forget(owners);
        slot = find(owners, inode);
    }
    return take_owner(owners, slot, owner);
}

int owners_error(const struct owners *owners) {
    return owners->error;
}

bool owners_denied(const struct owners *owners) {
    return owners->denied;
}

bool owner_is(const struct owner *owner, const char *wanted) {
    return owner->pid != 0 && is_called(owner->pid, owner->name, wanted);
}
