# SPDX-License-Identifier: MIT
"""What the system tests share: their own network namespace, the built program, real sockets."""
import contextlib
import ctypes
import datetime
import errno
import fcntl
import json
import os
import queue
import select
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
import unittest

TCPWATCH = os.environ.get("TCPWATCH", "tcpwatch")
CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET = 0x00020000, 0x10000000, 0x40000000
MS_PRIVATE_REC = 0x44000
NOBODY = 65534
SO_COOKIE = 57
_libc = ctypes.CDLL(None, use_errno=True)

# The transitions of RFC 9293, section 3.3.2, as Linux makes them; any state may go to CLOSE.
FOLLOWS = {
    "SYN_SENT": {"ESTABLISHED", "SYN_RECV"},
    "SYN_RECV": {"ESTABLISHED", "FIN_WAIT1"},
    "ESTABLISHED": {"FIN_WAIT1", "CLOSE_WAIT"},
    "FIN_WAIT1": {"FIN_WAIT2", "CLOSING"},
    "FIN_WAIT2": {"TIME_WAIT"},
    "CLOSING": {"TIME_WAIT"},
    "CLOSE_WAIT": {"LAST_ACK"},
    "LAST_ACK": set(),
    "TIME_WAIT": set(),
}


def _call(name, *args):
    result = getattr(_libc, name)(*args)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")
    return result


def write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def enter_new_network():
    """Moves this process into new network and mount namespaces, as root or through a new user
    namespace, with the loopback up and no named namespaces."""
    uid, gid = os.geteuid(), os.getegid()
    try:
        if uid == 0:
            _call("unshare", CLONE_NEWNET | CLONE_NEWNS)
        else:
            _call("unshare", CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS)
    except OSError as error:
        raise unittest.SkipTest(f"this user may not make network namespaces ({error})")
    if uid != 0:
        write("/proc/self/setgroups", "deny")
        write("/proc/self/uid_map", f"0 {uid} 1")
        write("/proc/self/gid_map", f"0 {gid} 1")
    try:
        _call("mount", b"none", b"/", None, MS_PRIVATE_REC, None)
    except OSError as error:
        if error.errno != errno.EINVAL:  # in a plain chroot "/" is no mount, and nothing is shared
            raise
    os.makedirs("/run/netns", exist_ok=True)
    _call("mount", b"tmpfs", b"/run/netns", b"tmpfs", 0, None)
    set_up("lo")


def set_up(interface):
    with socket.socket() as any_socket:
        request = struct.pack("16sh14x", interface.encode(), 1)  # IFF_UP
        fcntl.ioctl(any_socket, 0x8914, request)  # SIOCSIFFLAGS


def needs_trace():
    """Skips where monitor cannot trace: for want of the right, of the build or of the kernel's
    types. Whatever else is in its way is a failure."""
    done = subprocess.run([TCPWATCH, "monitor", "--source=trace", "--duration=1ms"],
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    wants = ("it needs root", "bpf(2) is not for this root", "this build has no trace source",
             "/sys/kernel/btf/vmlinux")
    if done.returncode and any(want in done.stderr for want in wants):
        raise unittest.SkipTest(done.stderr.strip())
    if done.returncode:
        raise AssertionError(done.stderr)


def needs(*programs):
    """Skips a test where a program from the distribution is missing."""
    for program in programs:
        if not shutil.which(program):
            raise unittest.SkipTest(f"{program} is not installed")


def open_terminal():
    """Returns both ends of one (man 7 pty); skips where none is to be had."""
    try:
        return os.openpty()
    except OSError as error:
        raise unittest.SkipTest(f"there is no terminal ({error})") from error


AS_NOBODY = ("setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups")


def needs_other_user():
    """Skips a test where no other user's rights can be taken on, as in a rootless namespace."""
    needs("setpriv")
    if subprocess.run([*AS_NOBODY, "true"], stderr=subprocess.DEVNULL, check=False).returncode:
        raise unittest.SkipTest("this user may not become another")


def die_with_parent():
    """Nothing that a test starts outlives it, whatever ends the test."""
    _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def watches(pid):
    """Whether a monitor has looked at what stands: it handles SIGINT from the moment it traces, and
    then sleeps until something comes."""
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        status = dict(line.split(":", 1) for line in file)
    takes_signals = int(status["SigCgt"], 16) >> (signal.SIGINT - 1) & 1
    return takes_signals and status["State"].strip().startswith("S")


def seconds(event):
    """When it was, as time.time() has it."""
    return datetime.datetime.fromisoformat(event["ts"].replace("Z", "+00:00")).timestamp()


class Program:
    """A running `tcpwatch COMMAND --json`: its events as they come. The client's are on stderr,
    everyone else's on stdout; what else is on stderr is in `words`."""

    def __init__(self, test, command, *args, prefix=(), stdin=None):
        self.process = subprocess.Popen(
            [*prefix, TCPWATCH, command, "--json", *args], stdin=stdin, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
        self.events, self.words, self.slowed = [], "", False
        self._events_on, self._other = self.process.stdout, self.process.stderr
        if command == "client":
            self._events_on, self._other = self._other, self._events_on
        self._queue = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        test.addCleanup(self.kill)

    def _read(self):
        for line in self._events_on:
            if self._events_on is self.process.stderr and not line.startswith("{"):
                self.words += line
            else:
                self._queue.put(json.loads(line))
        self._queue.put(None)

    @property
    def pid(self):
        return self.process.pid

    def say(self, text):
        """Gives it standard input, which stays open."""
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def wait_for(self, timeout_s=30, **wanted):
        """The first event, from the start, with these members; raises AssertionError in vain."""
        deadline = time.monotonic() + timeout_s
        seen = 0
        while True:
            while seen < len(self.events):
                event = self.events[seen]
                seen += 1
                if all(_member(event, key) == value for key, value in wanted.items()):
                    return event
            try:
                event = self._queue.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                event = None
            if event is None:
                raise AssertionError(f"no event with {wanted} in\n" +
                                     "\n".join(map(str, self.events[-20:])) + self.words)
            self.events.append(event)

    def path(self, cookie):
        """The states of a connection in their order, those that were skipped, too."""
        states = []
        for event in self.of(cookie):
            if event["event"] in ("appeared", "transition"):
                states += event.get("skipped", []) + [event["state"]]
        return states

    def finish(self, timeout_s=30):
        """Waits for its end; returns (exit status, what was not yet read of the stream that has no
        events). A monitor that says how this host's load slowed it is `slowed` instead: then it may
        have seen less."""
        other = ""
        for line in self._other:
            if line.startswith("tcpwatch: looking every "):
                self.slowed = True
            else:
                other += line
        status = self.process.wait(timeout_s)
        while (event := self._queue.get(timeout=timeout_s)) is not None:
            self.events.append(event)
        return status, other

    def stop(self, number=signal.SIGINT):
        """Ctrl-C; returns as finish()."""
        self.process.send_signal(number)
        return self.finish()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for stream in self.process.stdin, self.process.stdout, self.process.stderr:
            if stream:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()

    def of(self, cookie):
        """The events of one connection."""
        return [event for event in self.events if event.get("cookie") == cookie]


def cookie_of(end):
    return str(struct.unpack("Q", end.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8))[0])


def disconnect(end):
    """Takes the socket's connection away: connect(2) to AF_UNSPEC."""
    _call("connect", end.fileno(), bytes(16), 16)


def read_slowly(descriptor, pause_s):
    """All that comes from this pipe, a page at a time, with pauses: more than what a reader that
    takes nothing is waited for."""
    got, began = b"", time.monotonic()
    while page := os.read(descriptor, 4096):
        got += page
        time.sleep(pause_s)
    assert time.monotonic() - began > 2.5
    return got


def _member(event, key):
    """local_port is event["local"]["port"]."""
    if key in ("local_port", "remote_port"):
        return event.get(key[:-5], {}).get("port")
    return event.get(key)


class NetworkTest(unittest.TestCase):
    """A test in a network namespace of its own."""

    def setUp(self):
        enter_new_network()

    def tcpwatch(self, *args, prefix=(), **options):
        return subprocess.run([*prefix, TCPWATCH, *args], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=60, check=False,
                              **options)

    def list(self, *args, **options):
        """`tcpwatch list --json` as objects."""
        done = self.tcpwatch("list", "--json", *args, **options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    source = "poll"  # of monitor, unless a test asks for another

    def monitor(self, *args, **options):
        return Program(self, "monitor", f"--source={self.source}", *args, **options)

    def start_server(self, *args, **options):
        """A `tcpwatch server` that listens."""
        server = Program(self, "server", *args, **options)
        server.wait_for(event="listening")
        return server

    def start_client(self, *args, stdin=subprocess.PIPE, **options):
        """A `tcpwatch client`, at an idle terminal unless told."""
        return Program(self, "client", *args, stdin=stdin, **options)

    def silent_host(self):
        """10.9.9.2 takes what is sent to it, and never answers."""
        needs("ip")
        for command in ("link add v0 type veth peer name v1", "link set v1 up",
                        "addr add 10.9.9.1/24 dev v0", "link set v0 up",
                        "neigh add 10.9.9.2 lladdr 02:00:00:00:00:02 dev v0"):
            self.assertEqual(os.system(f"ip {command}"), 0)

    def assert_legal_order(self, events):
        """Each connection goes on from where it stood, only as TCP does, through what was skipped,
        too."""
        states = {}
        for event in events:
            if event.get("former_cookie") in states:
                states[event["cookie"]] = states.pop(event["former_cookie"])
            if event["event"] == "appeared":
                self.assertNotIn(event["cookie"], states)
                states[event["cookie"]] = event["state"]
            elif event["event"] == "transition":
                before = states[event["cookie"]]
                self.assertEqual(event["from"], before)
                for step in event.get("skipped", []):
                    self.assertTrue(any(part in FOLLOWS[before] for part in step.split("|")), event)
                    before = step.split("|")[0]
                if event["to"] != "CLOSE":
                    self.assertIn(event["to"], FOLLOWS[before], event)
                self.assertGreaterEqual(event["dwell_ms"], 0)
                states[event["cookie"]] = event["to"]

    def spawn(self, *command, **options):
        process = subprocess.Popen(command, preexec_fn=die_with_parent, **options)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def fork(self, function):
        """Runs the function in a child, which then waits to be killed; returns its pid."""
        pid = os.fork()
        if pid == 0:
            die_with_parent()
            kept = function()  # what it opened stays open
            while kept is not self:
                signal.pause()
        self.addCleanup(self.kill_and_reap, pid)
        return pid

    @staticmethod
    def kill_and_reap(pid):
        try:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass

    def freeze(self, pid):
        """SIGSTOP, which has its effect when this returns."""
        os.kill(pid, signal.SIGSTOP)

        def is_frozen():
            with open(f"/proc/{pid}/stat", encoding="ascii") as file:
                return file.read().rsplit(")", 1)[1].split()[0] == "T"

        self.wait_until(is_frozen)

    def listen(self, host="127.0.0.1", port=9998, backlog=16):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(backlog)
        self.addCleanup(listener.close)
        return listener

    def connect(self, listener, address=None):
        """Returns (server's socket, client's socket)."""
        client = socket.create_connection(address or listener.getsockname()[:2])
        server = listener.accept()[0]
        self.addCleanup(client.close)
        self.addCleanup(server.close)
        return server, client

    def wait_until(self, condition, timeout_s=10):
        deadline = time.monotonic() + timeout_s
        while not condition():
            self.assertLess(time.monotonic(), deadline, "waited in vain")
            time.sleep(0.02)
