# SPDX-License-Identifier: MIT
"""What a kernel keeps from BPF programs. Some run none while process 1 is the current task, and do
not count that; the events of perf(1) count it. What falls into such a moment no monitor can tell,
and a test that waits for it fails without a fault of the program."""
import ctypes
import os
import signal
import struct
import subprocess
import time

from harness import TCPWATCH, die_with_parent, watches

# Those of src/trace/trace.bpf.c.
TRACEPOINTS = ("sock/inet_sock_set_state", "sock/inet_sk_error_report", "tcp/tcp_receive_reset",
               "tcp/tcp_send_reset", "tcp/tcp_retransmit_skb", "tcp/tcp_retransmit_synack")
TRACING = "/sys/kernel/tracing"
SETTLED_S = 1

# asm/unistd_64.h and asm-generic/unistd.h; linux/bpf.h; linux/perf_event.h
SYSCALLS = {"x86_64": (321, 298), "aarch64": (280, 241)}
BPF_ENABLE_STATS = 32
PERF_TYPE_TRACEPOINT, PERF_FLAG_FD_CLOEXEC = 2, 8

_libc = ctypes.CDLL(None, use_errno=True)


def _syscall(*args):
    result = _libc.syscall(*args)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _tracepoint_ids():
    paths = " ".join(f"events/{name}/id" for name in TRACEPOINTS)
    mount = f"cd {TRACING} && [ -e events ] || mount -t tracefs tracefs . && cd {TRACING}"
    return [int(number) for number in subprocess.run(
        ["unshare", "--mount", "sh", "-c", f"{mount} && cat {paths}"],
        check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.split()]


class PassedOver:
    """Counts the calls of a tracer's programs that this kernel has left out, on all of the host."""

    def __init__(self, wanted=True):
        self._counters, self._tracer = [], None
        self._settled = self._at_start = 0
        try:
            if wanted:
                self._start()
        except (OSError, KeyError, subprocess.CalledProcessError):
            self.stop()  # without the right to count, or to trace, there is nothing to tell

    def _start(self):
        bpf, perf_event_open = SYSCALLS[os.uname().machine]
        ids = _tracepoint_ids()
        kind = ctypes.create_string_buffer(struct.pack("I", 0))  # BPF_STATS_RUN_TIME
        self._stats = _syscall(bpf, BPF_ENABLE_STATS, kind, 4)
        self._tracer = subprocess.Popen(
            [TCPWATCH, "monitor", "--source=trace", "--port=1"], preexec_fn=die_with_parent,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while self._tracer.poll() is None and not watches(self._tracer.pid):
            time.sleep(0.1)
        for number in ids:
            attributes = struct.pack("IIQ", PERF_TYPE_TRACEPOINT, 64, number) + bytes(48)
            for processor in range(os.cpu_count()):
                self._counters.append(_syscall(perf_event_open, attributes, -1, processor, -1,
                                               PERF_FLAG_FD_CLOEXEC))
        self._at_start = self._left_out()

    def stop(self):
        if self._tracer:
            self._tracer.send_signal(signal.SIGKILL)
            self._tracer.wait()
            self._tracer = None

    def _calls(self):
        """Of the tracepoints, as perf counts them."""
        return sum(struct.unpack("Q", os.read(counter, 8))[0] for counter in self._counters)

    def _runs(self):
        """Of the tracer's programs, and those that it knows itself that they were left out."""
        runs = 0
        descriptors = f"/proc/{self._tracer.pid}/fdinfo"
        for descriptor in os.listdir(descriptors):
            with open(f"{descriptors}/{descriptor}", encoding="ascii") as file:
                info = dict(line.split(":", 1) for line in file if ":" in line)
            runs += int(info.get("run_cnt", 0)) + int(info.get("recursion_misses", 0))
        return runs

    def _left_out(self):
        """As it was when nothing moved last."""
        deadline = time.monotonic() + SETTLED_S
        while time.monotonic() < deadline:
            calls, runs = self._calls(), self._runs()
            if self._calls() == calls:
                self._settled = calls - runs
                break
        return self._settled

    def count(self):
        """Since the start; always 0 where it cannot be known."""
        if not self._tracer:
            return 0
        try:
            return self._left_out() - self._at_start
        except OSError:  # the tracer has ended
            return 0
