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

from harness import TCPWATCH, _call, die_with_parent, watches

# Those of src/trace/trace.bpf.c.
TRACEPOINTS = ("sock/inet_sock_set_state", "sock/inet_sk_error_report", "tcp/tcp_receive_reset",
               "tcp/tcp_send_reset", "tcp/tcp_retransmit_skb", "tcp/tcp_retransmit_synack")
TRACING = "/sys/kernel/tracing"
START_S, SETTLED_S = 30, 1

# asm/unistd_64.h and asm-generic/unistd.h; linux/bpf.h; linux/perf_event.h
SYSCALLS = {"x86_64": (321, 298), "aarch64": (280, 241)}
BPF_ENABLE_STATS = 32
PERF_TYPE_TRACEPOINT, PERF_FLAG_FD_CLOEXEC = 2, 8


def _tracepoint_ids():
    paths = " ".join(f"events/{name}/id" for name in TRACEPOINTS)
    mount = f"cd {TRACING} && [ -e events ] || mount -t tracefs tracefs . && cd {TRACING}"
    return [int(number) for number in subprocess.run(
        ["unshare", "--mount", "sh", "-c", f"{mount} && cat {paths}"],
        check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.split()]


class PassedOver:
    """Counts the calls of a tracer's programs that this kernel has left out, on all of the host.
    Before Linux 5.19 two programs are there for some calls, and the count falls instead."""

    def __init__(self, wanted=True):
        self._stats, self._counters, self._tracer = [], [], None
        try:
            if wanted:
                self._start()
        except (OSError, KeyError, subprocess.CalledProcessError):
            self.stop()  # without the right to count, or to trace, there is nothing to tell

    def _start(self):
        bpf, perf_event_open = SYSCALLS[os.uname().machine]
        ids = _tracepoint_ids()
        kind = ctypes.create_string_buffer(struct.pack("I", 0))  # BPF_STATS_RUN_TIME
        self._stats.append(_call("syscall", bpf, BPF_ENABLE_STATS, kind, 4))
        self._tracer = subprocess.Popen(
            [TCPWATCH, "monitor", "--source=trace", "--port=1"], preexec_fn=die_with_parent,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + START_S
        while not watches(self._tracer.pid):
            if self._tracer.poll() is not None or time.monotonic() > deadline:
                raise OSError("the tracer does not trace")
            time.sleep(0.1)
        for number in ids:
            attributes = struct.pack("IIQ", PERF_TYPE_TRACEPOINT, 64, number) + bytes(48)
            for processor in range(os.cpu_count()):
                self._counters.append(_call("syscall", perf_event_open, attributes, -1, processor,
                                            -1, PERF_FLAG_FD_CLOEXEC))

    def stop(self):
        for descriptor in self._stats + self._counters:
            os.close(descriptor)
        if self._tracer:
            self._tracer.send_signal(signal.SIGKILL)
            self._tracer.wait()
        self._stats, self._counters, self._tracer = [], [], None

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

    def count(self):
        """More than before where one was left out meanwhile; None where it cannot be known, as in
        the middle of many connections."""
        deadline = time.monotonic() + SETTLED_S
        while self._tracer and time.monotonic() < deadline:
            try:
                calls, runs = self._calls(), self._runs()
            except OSError:
                return None
            if self._tracer.poll() is not None:
                return None
            if self._calls() == calls:
                return calls - runs
            time.sleep(0.01)
        return None
