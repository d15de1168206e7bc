/* SPDX-License-Identifier: MIT
 *
 * libbpf, which only a trace needs: it is looked for when one begins. Everything else starts sooner
 * without it, and tcpwatch runs where it is not installed. trace's own. What is called of it has to
 * be named here.
 */
#ifndef TCPWATCH_TRACE_LIBBPF_H
#define TCPWATCH_TRACE_LIBBPF_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#define LIBBPF_FUNCTIONS(X)                                                                        \
    X(bpf_map__fd)                                                                                 \
    X(bpf_map__map_flags)                                                                          \
    X(bpf_map__set_map_flags)                                                                      \
    X(bpf_obj_get_info_by_fd)                                                                      \
    X(bpf_object__attach_skeleton)                                                                 \
    X(bpf_object__destroy_skeleton)                                                                \
    X(bpf_object__detach_skeleton)                                                                 \
    X(bpf_object__load_skeleton)                                                                   \
    X(bpf_object__next_program)                                                                    \
    X(bpf_object__open_skeleton)                                                                   \
    X(bpf_program__attach)                                                                         \
    X(bpf_program__fd)                                                                             \
    X(bpf_program__section_name)                                                                   \
    X(bpf_program__set_autoattach)                                                                 \
    X(bpf_program__set_autoload)                                                                   \
    X(libbpf_find_vmlinux_btf_id)                                                                  \
    X(libbpf_minor_version)                                                                        \
    X(libbpf_set_print)                                                                            \
    X(ring_buffer__consume)                                                                        \
    X(ring_buffer__epoll_fd)                                                                       \
    X(ring_buffer__free)                                                                           \
    X(ring_buffer__new)

#define LIBBPF_POINTER(name) __typeof__(name) *name;

extern struct libbpf { LIBBPF_FUNCTIONS(LIBBPF_POINTER) } libbpf;

/* Looks for one that is no older than what this was built with. Returns NULL, or why it cannot be
 * had, with errno: ELIBACC, or that of want of descriptors or memory. */
const char *libbpf_open(void);

#endif
