# SPDX-License-Identifier: MIT
"""tcpwatch lab: real connections that really break, and nothing of it left."""
import collections
import contextlib
import fcntl
import json
import locale
import os
import re
import resource
import select
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest

from harness import (AS_NOBODY, TCPWATCH, NetworkTest, die_with_parent, needs,
                     needs_other_user, open_terminal, write)

FAILED, USAGE = 1, 64
UNBROKEN = os.path.join(os.path.dirname(os.path.abspath(TCPWATCH)),
                        "tests", "system", "lab_unbroken")
MEMORY_MAX_KIB = 100 * 1024
SANITIZED = "ASAN_OPTIONS" in os.environ
STREAMS = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}

Process = collections.namedtuple("Process", "pid parent started")


def processes():
    """All that this namespace has, in the order in which they were started."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", encoding="ascii",
                                                errors="replace") as file:
            fields = file.read().rsplit(")", 1)[1].split()
            found.append(Process(int(pid), int(fields[1]), int(fields[19])))
    return sorted(found, key=lambda process: (process.started, process.pid))


def children(pid):
    return [process.pid for process in processes() if process.parent == pid]


def descendants(pid):
    """The process itself among them. Nobody is older than the parent."""
    family, pids = [], {pid}
    for process in processes():
        if process.pid in pids or process.parent in pids:
            pids.add(process.pid)
            family.append(process)
    return family


def network_of(pid):
    return os.stat(f"/proc/{pid}/ns/net").st_ino


def memory_kib(pid):
    """(shared parts divided by those who share them, all of it)"""
    sizes = {"Pss": 0, "Rss": 0}
    with contextlib.suppress(OSError), open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        for name, size in re.findall(r"^(Pss|Rss): +(\d+) kB$", file.read(), re.M):
            sizes[name] += int(size)
    return sizes["Pss"], sizes["Rss"]


class Traces:
    """Whom and what a running lab has made, looked at from outside, for as long as it runs."""

    def __init__(self, process, every_s=0.05):
        self.process, self.every_s = process, every_s
        self.made = set()
        self.networks = {}  # held open: another one would get the number of one that has gone
        self.pss_kib = self.rss_kib = 0
        self.own_network = network_of(os.getpid())
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self):
        while not self.over.wait(self.every_s):
            self.look()

    def look(self):
        family = descendants(self.process.pid)
        self.made.update((process.pid, process.started) for process in family)
        for process in family:
            with contextlib.suppress(OSError):
                self._hold(process.pid)
        sizes = [memory_kib(process.pid) for process in family]
        self.pss_kib = max(self.pss_kib, sum(pss for pss, _ in sizes))
        self.rss_kib = max(self.rss_kib, sum(rss for _, rss in sizes))

    def _hold(self, pid):
        network = network_of(pid)
        if network == self.own_network or network in self.networks:
            return
        held = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        if os.fstat(held).st_ino in (self.own_network, *self.networks):
            os.close(held)
        else:
            self.networks[os.fstat(held).st_ino] = held

    def end(self):
        self.over.set()
        self.thread.join()

    def kill(self):
        """All that should not be there."""
        for pid in self.left():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        while self.networks:
            os.close(self.networks.popitem()[1])

    def left(self):
        """Those of its processes that are there, and the processes that are in one of its
        networks."""
        left = {process.pid for process in processes()
                if (process.pid, process.started) in self.made}
        for process in processes():
            with contextlib.suppress(OSError):
                if network_of(process.pid) in self.networks:
                    left.add(process.pid)
        return left


def listed():
    done = subprocess.run([TCPWATCH, "lab"], check=True, text=True, **STREAMS)
    return [line.split()[0] for line in done.stdout.splitlines()]


def needs_namespaces(program, *prefix):
    """Skips a test where this user may make none, as the lab itself says."""
    done = subprocess.run([*prefix, program, "lab", "refused"], text=True, check=False, **STREAMS)
    if "cannot make namespaces" in done.stderr:
        raise unittest.SkipTest(done.stderr.strip())


def results(stdout):
    """{name: how it went} of JSON."""
    events = [json.loads(line) for line in stdout.splitlines()]
    return {event["name"]: event for event in events if event["event"] == "scenario"}


class All(NetworkTest):
    """The whole lab, which takes some seconds each time."""

    def setUp(self):
        pass

    def test_as_root_in_its_namespace(self):
        super().setUp()
        self.run_all(TCPWATCH)

    def test_without_privileges(self):
        if os.geteuid() != 0:
            needs_namespaces(TCPWATCH)
            self.run_all(TCPWATCH)
            return
        needs_other_user()
        with tempfile.TemporaryDirectory() as directory:  # the program's may be closed to that user
            os.chmod(directory, 0o755)
            program = shutil.copy(TCPWATCH, directory)
            needs_namespaces(program, *AS_NOBODY)
            self.run_all(program, *AS_NOBODY)

    def run_all(self, program, *prefix):
        # Not two at a time: both would be late.
        alone = os.open(TCPWATCH, os.O_RDONLY)
        self.addCleanup(os.close, alone)
        fcntl.flock(alone, fcntl.LOCK_EX)
        names = listed()
        self.assertGreater(len(names), 20)
        began = time.monotonic()
        process = subprocess.Popen([*prefix, program, "lab", "all", "--json"], text=True,
                                   preexec_fn=die_with_parent, **STREAMS)
        self.addCleanup(process.kill)
        traces = Traces(process, every_s=0.2)
        stdout, stderr = process.communicate(timeout=110)
        traces.end()
        self.assertLess(time.monotonic() - began, 110)
        failed = {name: told["failure"] for name, told in results(stdout).items()
                  if not told["pass"]}
        self.assertEqual((process.returncode, stderr), (FAILED if failed else 0, ""), failed)
        self.check_events([json.loads(line) for line in stdout.splitlines()], names, failed)
        self.check_late(failed, *prefix, program)
        self.wait_until(lambda: not traces.left())
        self.assertGreater(len(traces.networks), 2 * 8)
        self.assertGreater(traces.pss_kib, 1024)  # it could be measured
        if not SANITIZED:
            self.assertLess(traces.pss_kib, MEMORY_MAX_KIB)
            self.assertLess(traces.rss_kib, MEMORY_MAX_KIB)

    def check_late(self, failed, *program):
        """Where this host is busy one of so many may take too long; alone it does not."""
        for failure in failed.values():
            self.assertRegex(failure, "^it took ", failed)
        for name in failed:
            done = subprocess.run([*program, "lab", "--json", name], text=True, check=False,
                                  timeout=60, **STREAMS)
            self.assertEqual((done.returncode, done.stderr), (0, ""), (failed, done.stdout))

    def check_events(self, events, names, failed):
        """In the order of the list, one after the other: what happened, and then how it went."""
        done, moments = [], []
        for event in events:
            self.assertEqual(event["name"], names[len(done)])
            if event["event"] == "moment":
                moments.append(event)
                continue
            self.assertEqual((event["event"], event["pass"]),
                             ("scenario", event["name"] not in failed))
            with self.subTest(scenario=event["name"]):
                self.check_scenario(event, moments)
            done.append(event["name"])
            moments = []
        self.assertEqual((done, moments), (names, []))

    def check_scenario(self, scenario, moments):
        times = [moment["at_ms"] for moment in moments]
        self.assertEqual(times, sorted(times))
        self.assertGreaterEqual(times[0], 0)
        self.assertLessEqual(times[-1], scenario["duration_ms"] + 1)
        expected, observed = scenario["expected"], scenario["observed"]
        for told in "cause", "error", "syscall":
            self.assertEqual(expected.get(told), observed.get(told))
        for host in "client", "server":
            states = [moment for moment in moments
                      if moment["kind"] == "state" and moment["host"] == host]
            self.check_states(expected[host], observed[host])
            self.assertLessEqual(set(observed.get(f"{host}_unseen", ())), set(observed[host]))
            self.assertEqual(observed[host], [state for moment in states for state in
                                              (*moment.get("skipped", ()), moment["state"])])
            self.check_order(states)
        self.assertLessEqual({moment["kind"] for moment in moments},
                             {"action", "told", "state", "segment", "icmp"})
        for moment in moments:
            if moment["kind"] == "segment":
                self.assertIn(moment["passage"], ("arrived", "lost", "delayed", "came"))

    def check_states(self, expected, observed):
        """All that was observed is expected, in its order; but for the handshake."""
        handshake = ("SYN_SENT", "SYN_RECV")
        while observed and observed[0] in handshake and not set(expected[:1]) & set(handshake):
            observed = observed[1:]
        left = iter(expected)
        for state in observed:
            self.assertTrue(any(set(state.split("|")) & set(one.split("|")) for one in left),
                            (expected, observed))

    def check_order(self, states):
        events, before = [], None
        for moment in states:
            events.append({"event": "transition" if before else "appeared", "cookie": 1,
                           "dwell_ms": 0, "from": before, "skipped": moment.get("skipped", ()),
                           "state": moment["state"], "to": moment["state"]})
            before = moment["state"]
        self.assert_legal_order(events)


class Unbroken(NetworkTest):
    """A scenario in which nothing breaks the connection does not pass."""

    # Why not. All others wait in vain, or an end has gone that nothing was known of.
    REASONS = {
        ("idle-crash", "steps"): "the server's host still has the connection",
        ("half-open", "steps"): "the server's host still has the connection",
        # On a busy machine a server that does read lets its window be closed for a moment.
        ("zero-window", "server options"): "waited in vain for|window has opened again",
        ("close-wait-leak", "server options"):
            "waited in vain for CLOSE at the client|nothing was expected, and the ",
    }

    def test_every_scenario_can_fail(self):
        if not os.access(UNBROKEN, os.X_OK):
            self.skipTest("lab_unbroken was not built")
        done = subprocess.run([UNBROKEN], text=True, timeout=110, check=False,
                              preexec_fn=die_with_parent, **STREAMS)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        lines = [line.split("\t") for line in done.stdout.splitlines()]
        self.assertEqual(list(dict.fromkeys(name for name, *_ in lines)), listed())
        for name, without, result, reason in lines:
            with self.subTest(name=name, without=without):
                self.assertEqual(result, "failed", (name, without))
                wanted = self.REASONS.get((name, without), "waited in vain for|process has ended")
                self.assertRegex(reason, wanted, (name, without))


class Picture(NetworkTest):
    def lab(self, *args, locale_name="C"):
        return subprocess.run([TCPWATCH, "lab", *args], check=False, timeout=60,
                              env={**os.environ, "LC_ALL": locale_name}, **STREAMS)

    def test_lines_of_a_picture(self):
        done = self.lab("server-killed")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        lines = done.stdout.decode("ascii").splitlines()
        self.assertEqual(lines[0],
                         "server-killed: the process that serves the connection is killed")
        self.assertRegex(lines[2], r"^    TIME CLIENT 10\.0\.1\.2 +ROUTER +SERVER 10\.0\.2\.2$")
        self.assertEqual(lines[-3:], ["  passed: server-killed", "", "1 passed, 0 failed"])
        end = lines.index("", 3)
        rows = [re.fullmatch(r" {,4}(\d+\.\d{3}) (.{31})\|(.{32})\|(.*)", line)
                for line in lines[3:end]]
        self.assertNotIn(None, rows, lines[3:end])
        times = [float(row[1]) for row in rows]
        self.assertEqual(times, sorted(times))
        self.assert_in_order([
            ("SYN", ">"), ("SYN, ACK", "<"), ("ACK", ">"), ("6 bytes", ">"), ("6 bytes", "<"),
            ("FIN", "<"), ("FIN", ">")], [self.arrow(row[3]) for row in rows])
        self.assertNotIn("FIN", [self.arrow(row[3])[0] for row in rows[:10]])
        client = [row[2].strip() for row in rows]
        self.assert_in_order(["connect() = 0", "* a line is typed, write()", "read() = 0, goes on",
                              "* end of input, shutdown()", "close()"], client)
        self.assert_in_order(["ESTABLISHED", "CLOSE_WAIT", "* end of input, shutdown()", "CLOSE"],
                             client)
        self.assert_in_order(
            [" listen()", " accept()", " * SIGKILL to the process that serves it"],
            [row[4] for row in rows])
        self.assert_in_order([" (FIN_WAIT1)", " FIN_WAIT2", " TIME_WAIT"],
                             [row[4].replace(" FIN_WAIT1", " (FIN_WAIT1)") for row in rows])
        self.assert_in_order(
            ["  expected  client  ESTABLISHED  CLOSE_WAIT  (LAST_ACK)  CLOSE",
             "  expected  server  ESTABLISHED  (FIN_WAIT1)  FIN_WAIT2  TIME_WAIT",
             "  told      read() returns 0: the peer closed (FIN)"], lines[end:])

    @staticmethod
    def arrow(wire):
        """(words, where it goes) of '<----- ACK ----'."""
        match = re.fullmatch(r" *(<?)-+ (.*?) -+(>?) *", wire)
        return match and (match[2], match[1] or match[3]) or ("", "")

    def assert_in_order(self, wanted, lines):
        left = iter(lines)
        for one in wanted:
            self.assertIn(one, left, (wanted, lines))

    def test_utf8_where_the_locale_has_it(self):
        try:
            locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
        except locale.Error:
            self.skipTest("this host has no C.UTF-8")
        utf8 = self.lab("refused", locale_name="C.UTF-8").stdout.decode()
        self.assertRegex(utf8, r"\u2502\u2500+ SYN \u2500+\u25b6\u2502")
        self.assertRegex(utf8, r"\u2502\u25c0\u2500+ RST \u2500+\u2502")

    def test_ascii_where_it_has_not(self):
        for color in "always", "never":
            text = self.lab("refused", f"--color={color}").stdout.decode("ascii")
            self.assertRegex(text, r"\|-+ SYN -+>\|\n")
            self.assertRegex(text, r"\|<-+ RST -+\|\n")
            self.assertEqual("\x1b[" in text, color == "always")

    def test_each_once_in_the_order_given(self):
        done = self.lab("reset-on-close", "refused", "reset-on-close")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        text = done.stdout.decode("ascii")
        self.assertEqual(re.findall(r"^([a-z-]+): ", text, re.M), ["reset-on-close", "refused"])
        self.assertEqual(re.findall(r"^  passed: (.*)$", text, re.M), ["reset-on-close", "refused"])
        self.assertTrue(text.endswith("\n\n2 passed, 0 failed\n"), text[-100:])

    def test_timers_of_this_host(self):
        done = self.lab("--real-time", "--json", "reset-on-close", "user-timeout")
        self.assertEqual((done.returncode, done.stderr), (0, b""), done.stdout)
        told = results(done.stdout.decode())
        self.assertEqual(list(told), ["reset-on-close", "user-timeout"])
        self.assertLess(told["user-timeout"]["observed"]["took_ms"], 2000)
        # The kernel's timers between two and four seconds may be a tenth of that late.
        write("/proc/sys/net/ipv4/tcp_fin_timeout", "1")
        for option, takes_ms in ("--real-time", 1000), ("--color=never", 2000):
            told = results(self.lab(option, "--json", "fin-wait2-orphan").stdout.decode())
            orphan = told["fin-wait2-orphan"]
            self.assertEqual(
                (orphan["pass"], orphan["expected"]["takes_ms"], orphan["own_setting"],
                 orphan["own_takes_ms"]), (True, takes_ms, 1, 1000), orphan)


class BadInput(NetworkTest):
    def setUp(self):
        pass

    def test_command_line(self):
        for args, words in [
                (["keepalve"], "NAME: 'keepalve' is no scenario (did you mean 'keepalive'?); "
                               "allowed: all, and the names that `tcpwatch lab` lists"),
                (["qwzx"], "NAME: 'qwzx' is no scenario; allowed: all, "),
                (["refused", ""], "NAME: '' is no scenario"),
                (["refused", "half\x1b-open"], "NAME: 'half\\x1b-open' is no scenario"),
                (["--real-time=1", "refused"],
                 "--real-time: '1' is a value, and this option takes none; allowed: --real-time"),
                (["-H", "refused"], "'-H' is an option of monitor, list; allowed: "),
        ]:
            with self.subTest(args=args):
                done = self.tcpwatch("lab", *args)
                self.assertEqual((done.returncode, done.stdout), (USAGE, ""))
                self.assertTrue(done.stderr.startswith("tcpwatch lab: " + words), done.stderr)
                self.assertEqual(done.stderr.count("\n"), 1)


class Progress(NetworkTest):
    def read_all(self, master):
        """What comes to a terminal, until nobody writes there any more."""
        got = b""
        while select.select([master], [], [], 60)[0]:
            try:
                got += os.read(master, 65536)
            except OSError:
                return got.decode()
        self.fail("it does not end")

    def test_terminal_shows_what_is_waited_for(self):
        master, slave = open_terminal()
        self.addCleanup(os.close, master)
        process = subprocess.Popen([TCPWATCH, "lab", "keepalive", "--color=never"],
                                   stdin=subprocess.DEVNULL, stdout=slave, stderr=slave,
                                   preexec_fn=die_with_parent, env={**os.environ, "LC_ALL": "C", "TERM": "vt100"})
        os.close(slave)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        text = self.read_all(master)
        waits = re.findall(r"about (\d+\.\d) s still: waiting for the client to be told of the end"
                           r"(\r\x1b\[K)?", text)
        left = [float(seconds) for seconds, _ in waits]
        self.assertGreater(len(left), 1, text)
        self.assertEqual(left, sorted(set(left), reverse=True))
        self.assertLess(left[0], 3.1)
        # Each line is cleared: for the next one, or before the picture goes on.
        self.assertEqual([cleared for _, cleared in waits], ["\r\x1b[K"] * len(waits))
        self.assertRegex(text, r"of the end\r\x1b\[K +\d\.\d{3} .{31}\|")
        self.assertTrue(text.endswith("1 passed, 0 failed\r\n"), text)

    def test_nothing_of_it_elsewhere(self):
        done = self.tcpwatch("lab", "keepalive")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertNotIn("waiting", done.stdout)


class Traceless(NetworkTest):
    """Whatever ends the lab, its processes and networks go with it, and this network is as it was
    before."""

    # One in which client and server live for some seconds, and one that does not take long.
    LONG, SHORT = "zero-window", "server-killed"
    # This one takes two minutes: it does not end by itself meanwhile.
    ENDLESS = "--real-time", "syn-dropped"

    def setUp(self):
        super().setUp()
        needs("ip")
        # The lab's own addresses and routes: there they are not in its way, and are not touched.
        for command in ("addr add 10.0.1.2/24 dev lo", "addr add 10.0.2.2/24 dev lo",
                        "route add 10.0.3.0/24 via 10.0.1.7"):
            subprocess.run(["ip", *command.split()], check=True)
        self.before = self.network()

    @staticmethod
    def network():
        """All of this network that the lab could have changed."""
        found = {}
        for what in (["addr"], ["route", "show", "table", "all"], ["neigh"], ["rule"],
                     ["-6", "route", "show", "table", "all"]):
            found[tuple(what)] = subprocess.run(["ip", "-j", *what], check=True, text=True,
                                                stdout=subprocess.PIPE).stdout
        for directory in "/proc/sys/net/ipv4", "/proc/sys/net/ipv4/conf/all":
            for name in os.listdir(directory):
                path = os.path.join(directory, name)
                if os.path.isfile(path):
                    with contextlib.suppress(OSError), open(path, encoding="ascii") as file:
                        found[path] = file.read()
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            found["mounts"] = file.read()
        return found

    def start(self, *args, **options):
        """A lab in a session of its own; returns it and what it leaves."""
        process = subprocess.Popen([TCPWATCH, "lab", *args], text=True, start_new_session=True,
                                   **{**STREAMS, "preexec_fn": die_with_parent, **options})
        traces = Traces(process)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        self.addCleanup(traces.kill)
        self.addCleanup(traces.end)
        return process, traces

    def start_long(self, *args):
        """Returns (process, traces, the pids of the first scenario: [first of it, server,
        client])."""
        process, traces = self.start(*args)
        pids = []

        def all_live():
            pids[:] = children(process.pid)[:1]
            if pids:
                pids[1:] = children(pids[0])
            return len(pids) == 3

        self.wait_until(all_live, 30)
        traces.look()
        return process, traces, pids

    def assert_traceless(self, traces):
        traces.end()
        self.wait_until(lambda: not traces.left(), 20)
        self.assertEqual(self.network(), self.before)

    def test_normal_end(self):
        process, traces = self.start(self.SHORT, "refused", "close-wait-leak")
        stdout, stderr = process.communicate(timeout=60)
        self.assertEqual((process.returncode, stderr), (0, ""), stdout)
        # The lab and three processes of a scenario, at the least: there was something to leave.
        self.assertGreaterEqual(len(traces.made), 4)
        self.assertGreaterEqual(len(traces.networks), 2)
        self.assert_traceless(traces)

    def end_by(self, kill, frozen=False):
        """Returns (status, stderr). A first process of a scenario that is frozen does not end by
        itself when nobody listens to it any more."""
        process, traces, pids = self.start_long(*self.ENDLESS, "idle-crash")
        self.assertGreaterEqual(len(traces.networks), 2)
        if frozen:
            self.freeze(pids[0])
        kill(process.pid)
        _, stderr = process.communicate(timeout=20)
        self.assert_traceless(traces)
        return process.returncode, stderr

    def test_signals(self):
        stopped = FAILED, "tcpwatch: stopped before the end\n"
        self.assertEqual(self.end_by(lambda pid: os.killpg(pid, signal.SIGINT)), stopped)
        self.assertEqual(self.end_by(lambda pid: os.kill(pid, signal.SIGTERM)), stopped)
        self.assertEqual(self.end_by(lambda pid: os.kill(pid, signal.SIGTERM), frozen=True),
                         stopped)

    def test_killed(self):
        for frozen in False, True:
            self.assertEqual(self.end_by(lambda pid: os.kill(pid, signal.SIGKILL), frozen),
                             (-signal.SIGKILL, ""))

    def test_killed_process_fails_its_scenario_alone(self):
        for index, failure in [
                (0, r"^its process was ended by signal 9 \(Killed\)$"),
                (1, r"the server's process has ended|nothing was expected"),
                (2, r"the client's process has ended|nothing was expected")]:
            with self.subTest(index=index):
                process, traces, pids = self.start_long(self.LONG, self.SHORT, "--json")
                os.kill(pids[index], signal.SIGKILL)
                stdout, stderr = process.communicate(timeout=60)
                self.assertEqual((process.returncode, stderr), (FAILED, ""))
                told = results(stdout)
                self.assertEqual([(name, told[name]["pass"]) for name in told],
                                 [(self.LONG, False), (self.SHORT, True)])
                self.assertRegex(told[self.LONG]["failure"], failure)
                self.assert_traceless(traces)

    def test_failure_in_words(self):
        process, traces, pids = self.start_long(self.LONG, self.SHORT, "--color=never")
        os.kill(pids[0], signal.SIGKILL)
        stdout, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, FAILED)
        self.assertIn(f"  FAILED: {self.LONG}: its process was ended by signal 9 (Killed)\n",
                      stdout)
        self.assertTrue(stdout.endswith(f"  passed: {self.SHORT}\n\n1 passed, 1 failed\n"), stdout)
        self.assert_traceless(traces)

    def test_reader_that_goes(self):
        process, traces = self.start(self.SHORT, *self.ENDLESS)
        self.assertTrue(process.stdout.readline().startswith(self.SHORT))
        traces.look()
        process.stdout.close()
        self.assertEqual((process.wait(20), process.stderr.read()), (0, ""))
        self.assert_traceless(traces)

    def test_full_disk(self):
        with open("/dev/full", "wb") as full:
            process, traces = self.start(self.SHORT, *self.ENDLESS, stdout=full)
            _, stderr = process.communicate(timeout=30)
        self.assertEqual((process.returncode, stderr), (
            FAILED, "tcpwatch: cannot write the output: No space left on device\n"))
        self.assert_traceless(traces)

    def test_few_descriptors(self):
        for limit in 6, 10, 14:
            process, traces = self.start("refused", preexec_fn=lambda limit=limit: (
                die_with_parent(), resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))))
            stdout, stderr = process.communicate(timeout=30)
            self.assertEqual((process.returncode, stdout), (FAILED, ""), limit)
            self.assertRegex(stderr, r"^tcpwatch: cannot [^\n]*: Too many open files\n$")
            self.assert_traceless(traces)


class Forbidden(NetworkTest):
    def setUp(self):
        pass

    def test_setting_that_forbids_it_is_named(self):
        needs("unshare", "setpriv")
        if subprocess.run(["unshare", "-r", "true"], check=False, **STREAMS).returncode:
            self.skipTest("this user may not make user namespaces")
        done = subprocess.run(
            ["unshare", "-r", "sh", "-c", "echo 0 >/proc/sys/user/max_user_namespaces && "
             'exec setpriv --bounding-set=-all "$0" lab refused', TCPWATCH],
            text=True, check=False, timeout=30, **STREAMS)
        self.assertEqual((done.returncode, done.stdout), (FAILED, ""))
        self.assertRegex(done.stderr, r"^tcpwatch: cannot make namespaces: [^\n]*"
                                      r"user\.max_user_namespaces = 0 [^\n]* root\n$")
