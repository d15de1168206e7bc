/* SPDX-License-Identifier: MIT */
#include "trace/load.h"

#include "netns/netns.h"
#include "trace/record.h"
#include "trace/skeleton.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

/* libbpf's own words are for those who write programs; the reader of `why` gets the reason. */
static int say_nothing(enum libbpf_print_level level, const char *format, va_list arguments) {
    (void)level, (void)format, (void)arguments;
    return 0;
}

static void set_ranges(struct trace_ranges *to, const struct ports *from) {
    if (from->count > TRACE_RANGES)
        return;
    for (size_t i = 0; i < from->count; i++) {
        to->ranges[i].first = from->ranges[i].first;
        to->ranges[i].last = from->ranges[i].last;
    }
    to->count = (uint32_t)from->count;
}

static void set_prefix(struct trace_prefix *to, const struct prefix *from) {
    for (unsigned i = 0; i < 4; i++) {
        const unsigned bits = from->len > 32 * i ? from->len - 32 * i : 0;

        to->mask[i] = bits >= 32 ? 0xffffffff : htonl((uint32_t)(0xffffffff00000000 >> bits));
        to->address[i] = from->address.words[i] & to->mask[i];
    }
}

/* What has no room in there is left to filter_matches(). */
static void set_filter(struct trace_filter *to, const struct filter *from) {
    set_ranges(&to->either, &from->either);
    set_ranges(&to->local, &from->local);
    set_ranges(&to->remote, &from->remote);
    to->family = from->family == FILTER_INET    ? AF_INET
                 : from->family == FILTER_INET6 ? AF_INET6
                                                : 0;
    if (from->address_count > TRACE_PREFIXES)
        return;
    for (size_t i = 0; i < from->address_count; i++)
        set_prefix(&to->prefixes[i], &from->addresses[i]);
    to->prefix_count = (uint32_t)from->address_count;
}

/* An older kernel may lack a tracepoint; but for the first one, it does without, and `why` says so.
 */
static bool choose_programs(struct trace_bpf *bpf, char why[TRACE_WHY_SIZE]) {
    struct bpf_program *program;
    size_t len = 0;

    bpf_object__for_each_program(program, bpf->obj) {
        const char *name = strchr(libbpf.bpf_program__section_name(program), '/') + 1;

        if (libbpf.libbpf_find_vmlinux_btf_id(name, BPF_TRACE_RAW_TP) > 0)
            continue;
        if (program == bpf->progs.on_state) {
            snprintf(why, TRACE_WHY_SIZE,
                     "this kernel has no tracepoint %s, or does not tell of it "
                     "(/sys/kernel/btf/vmlinux)",
                     name);
            return false;
        }
        libbpf.bpf_program__set_autoload(program, false);
        if (len < TRACE_WHY_SIZE)
            len += (size_t)snprintf(why + len, TRACE_WHY_SIZE - len, "%s %s",
                                    len ? "," : "this kernel has no tracepoint", name);
    }
    return true;
}

static bool kernel_is_before(unsigned wanted_major, unsigned wanted_minor, struct utsname *kernel) {
    unsigned major, minor;

    return uname(kernel) == 0 && sscanf(kernel->release, "%u.%u", &major, &minor) == 2 &&
           (major < wanted_major || (major == wanted_major && minor < wanted_minor));
}

/* bpf_get_current_task_btf() came with 5.11, bpf_get_socket_cookie() for tracing with 5.12. */
static bool is_too_old(struct utsname *kernel) {
    return kernel_is_before(5, 12, kernel);
}

/* Whether all of bpf(2) may be refused once privileges were dropped: before 5.19
 * kernel.unprivileged_bpf_disabled forbids that, too, which needs no right any more. */
static bool takes_no_more(void) {
    struct utsname kernel;

    return kernel_is_before(5, 19, &kernel);
}

static void say_why_not(int error, char why[TRACE_WHY_SIZE]) {
    const bool refused = error == EPERM || error == EACCES;
    const char *reason = "the kernel does not take the program";
    struct utsname kernel;

    if (!refused && is_too_old(&kernel)) {
        snprintf(why, TRACE_WHY_SIZE, "it needs Linux 5.12, this is %.60s", kernel.release);
        return;
    }
    if (refused && geteuid() == 0)
        reason = "bpf(2) is not for this root (seccomp, a container without CAP_BPF and "
                 "CAP_PERFMON, or lockdown)";
    else if (refused)
        reason = "it needs root, or CAP_BPF and CAP_PERFMON";
    snprintf(why, TRACE_WHY_SIZE, "%s: %s", reason, strerror(error));
}

/* A reader in another pid namespace than the first does not know the first one's numbers
 * (PROC_PID_INIT_INO, include/linux/proc_ns.h). */
static void set_pid_namespace(struct trace_filter *filter) {
    const ino_t first = 0xeffffffc;
    struct stat own;

    if (stat("/proc/self/ns/pid", &own) < 0 || own.st_ino == first)
        return;
    filter->pidns_device = own.st_dev;
    filter->pidns_inode = own.st_ino;
}

/* A map that could be mapped stands in pages of its own, which the processor has to look up anew
 * each time: with the kernel's other data the programs find the filter sooner. */
static void keep_filter_near(struct bpf_map *map) {
    libbpf.bpf_map__set_map_flags(map, libbpf.bpf_map__map_flags(map) & ~(__u32)BPF_F_MMAPABLE);
}

/* Opens the program with the filter in it. Returns NULL with errno. */
static struct trace_bpf *open_program(const struct trace_filter *filter) {
    struct trace_bpf *bpf = trace_bpf__open();

    if (bpf) {
        *(struct trace_filter *)&bpf->rodata->filter = *filter;
        keep_filter_near(bpf->maps.rodata);
        libbpf.bpf_program__set_autoattach(bpf->progs.on_state_meanwhile, false);
    }
    return bpf;
}

bool load_stand_in(struct trace_bpf *bpf) {
    bpf->links.on_state_meanwhile = libbpf.bpf_program__attach(bpf->progs.on_state_meanwhile);
    return bpf->links.on_state_meanwhile != NULL;
}

/* Returns 0, or -errno. */
static int attach(struct trace_bpf *bpf) {
    const int error = trace_bpf__attach(bpf);

    if (error == 0 && takes_no_more())
        bpf->bss->has_met = load_stand_in(bpf);
    return error;
}

/* Loads and attaches it. Which tracepoint is missing takes time to find out: only where one is.
 * Returns 0, or -errno; 1: `why` says it. */
static int load(struct trace_bpf **bpf, const struct trace_filter *filter,
                char why[TRACE_WHY_SIZE]) {
    int error = trace_bpf__load(*bpf);

    if (error == -ESRCH) {
        trace_bpf__destroy(*bpf);
        *bpf = open_program(filter);
        if (!*bpf)
            return -errno;
        if (!choose_programs(*bpf, why))
            return 1;
        error = trace_bpf__load(*bpf);
    }
    return error ? error : attach(*bpf);
}

struct trace_bpf *load_program(const struct filter *filter, bool all_netns,
                               char why[TRACE_WHY_SIZE]) {
    struct trace_filter wanted = {.netns = all_netns ? 0 : (uint32_t)netns_inode()};
    const char *missing;
    struct trace_bpf *bpf;
    int error;

    set_filter(&wanted, filter);
    set_pid_namespace(&wanted);
    *why = '\0';
    if (!all_netns && !wanted.netns) { /* to the program, 0 is all of them */
        snprintf(why, TRACE_WHY_SIZE,
                 "without /proc it is not known which network namespace this is");
        errno = ENOENT;
        return NULL;
    }
    missing = libbpf_open();
    if (missing) {
        snprintf(why, TRACE_WHY_SIZE, "it needs libbpf: %s", missing);
        return NULL;
    }
    libbpf.libbpf_set_print(say_nothing);
    bpf = open_program(&wanted);
    error = bpf ? load(&bpf, &wanted, why) : -errno;
    if (error == 0)
        return bpf;
    if (error < 0)
        say_why_not(-error, why);
    trace_bpf__destroy(bpf);
    errno = error < 0 ? -error : ENOTSUP;
    return NULL;
}
