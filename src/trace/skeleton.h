/* SPDX-License-Identifier: MIT
 *
 * trace.skel.h, the BPF program as a header. It calls libbpf by name, and so does
 * bpf_object__for_each_program(): these macros lead there where libbpf was found. trace's own.
 */
#ifndef TCPWATCH_TRACE_SKELETON_H
#define TCPWATCH_TRACE_SKELETON_H

#include "trace/libbpf.h"

#define bpf_object__attach_skeleton  libbpf.bpf_object__attach_skeleton
#define bpf_object__destroy_skeleton libbpf.bpf_object__destroy_skeleton
#define bpf_object__detach_skeleton  libbpf.bpf_object__detach_skeleton
#define bpf_object__load_skeleton    libbpf.bpf_object__load_skeleton
#define bpf_object__next_program     libbpf.bpf_object__next_program
#define bpf_object__open_skeleton    libbpf.bpf_object__open_skeleton

#include "trace.skel.h"

#endif
