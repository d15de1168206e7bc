# SPDX-License-Identifier: MIT
"""tcpwatch server and tcpwatch client, each against real peers on this host."""
import fcntl
import os
import re
import select
import signal
import socket
import struct
import subprocess
import tempfile
import time
import unittest

from harness import (AS_NOBODY, NetworkTest, TCPWATCH, _call, needs, needs_other_user,
                     open_terminal, read_slowly, write)

PEER_CLOSED, RESET, TIMED_OUT, REFUSED, USAGE = 10, 11, 12, 14, 64
MS_BIND = 4096
PORT = 9998


def children(pid):
    """The pids of a process's children, zombies among them."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read())[1])


class EndsTest(NetworkTest):
    def call(self, host="127.0.0.1", port=PORT):
        peer = socket.create_connection((host, port), timeout=20)
        self.addCleanup(peer.close)
        return peer

    def assert_echoes(self, peer, data=b"hello\n"):
        peer.sendall(data)
        got = b""
        while len(got) < len(data):
            more = peer.recv(65536)
            self.assertTrue(more, "closed")
            got += more
        self.assertEqual(got, data)

    def assert_at_rest(self, pid, time_s=0.7):
        before = cpu_seconds(pid)
        time.sleep(time_s)
        self.assertLess(cpu_seconds(pid) - before, 0.2)

    def states(self, *args):
        """{(state, pid or None)} of what is not over."""
        return {(row["state"], row.get("pid")) for row in self.list("-p", str(PORT), *args)}

    def temporary(self, data=b""):
        file = tempfile.TemporaryFile()
        self.addCleanup(file.close)
        file.write(data)
        file.seek(0)
        return file


class ForkModel(EndsTest):
    def test_accepted_names_the_process_that_can_be_killed(self):
        server = self.start_server("--model=fork")
        pairs = []
        for _ in range(3):
            peer = self.call()
            accepted = server.wait_for(event="accepted", remote_port=peer.getsockname()[1])
            pairs.append((peer, accepted["pid"]))
            self.assert_echoes(peer)
        self.assertEqual(sorted(children(server.pid)), sorted(pid for _, pid in pairs))
        self.assertEqual({pid for state, pid in self.states() if state == "ESTABLISHED"} -
                         {os.getpid()}, {pid for _, pid in pairs})
        peer, pid = pairs[1]
        os.kill(pid, signal.SIGTERM)
        self.assertEqual(peer.recv(1), b"")
        closed = server.wait_for(event="closed", pid=pid)
        self.assertEqual((closed["cause"], closed["detail"], closed["bytes_sent"],
                          closed["bytes_received"]),
                         ("local-close", "its process was ended by SIGTERM",
                          6, 6))
        for peer, _ in pairs[0], pairs[2]:
            self.assert_echoes(peer)
        self.assert_echoes(self.call())

    def test_200_killed_at_once_leave_no_zombie(self):
        server = self.start_server("--model=fork")
        peers = [self.call() for _ in range(200)]
        for peer in peers:
            server.wait_for(event="accepted", remote_port=peer.getsockname()[1])
        pids = children(server.pid)
        self.assertEqual(len(pids), 200)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        self.wait_until(lambda: not children(server.pid), 20)
        peer = self.call()
        self.assert_echoes(peer)
        peer.close()
        self.wait_until(lambda: not children(server.pid))
        status, stderr = server.stop(signal.SIGTERM)
        self.assertEqual((status, stderr), (0, ""))
        closed = [event["pid"] for event in server.events if event["event"] == "closed"]
        self.assertEqual(sorted(closed[:200]), sorted(pids))
        end = server.events[-1]
        self.assertEqual((end["accepted"], end["bytes_sent"]), (201, 6))

    def test_child_that_ends_by_itself_accounts_for_it(self):
        server = self.start_server("--model=fork", "--idle-timeout=300ms")
        peer = self.call()
        self.assert_echoes(peer, b"x" * 100000)
        self.assertEqual(peer.recv(1), b"")
        closed = server.wait_for(event="closed")
        self.assertEqual((closed["cause"], closed["detail"], closed["bytes_received"]),
                         ("local-close", "--idle-timeout", 100000))
        self.wait_until(lambda: not children(server.pid))

    def test_child_that_has_ended_before_its_server_was_told_keeps_its_reason(self):
        server = self.start_server("--model=fork", "--close-after=300ms")
        peer = self.call()
        server.wait_for(event="accepted")
        server.process.send_signal(signal.SIGSTOP)
        self.assertEqual(peer.recv(1), b"")
        server.process.send_signal(signal.SIGINT)
        server.process.send_signal(signal.SIGCONT)
        self.assertEqual(server.finish(), (0, ""))
        self.assertEqual(server.wait_for(event="closed")["detail"], "--close-after")

    def test_reset_holds_when_the_server_ends(self):
        server = self.start_server("--model=fork", "--reset")
        peer = self.call()
        self.assert_echoes(peer)
        self.assertEqual(server.stop(), (0, ""))
        with self.assertRaises(ConnectionResetError):
            peer.recv(1)
        self.assertEqual(server.wait_for(event="closed")["detail"], "SIGINT")

    def test_second_signal_ends_it_at_once(self):
        """It waits for its children, one of which does not answer."""
        server = self.start_server("--model=fork")
        self.call()
        pid = server.wait_for(event="accepted")["pid"]
        self.freeze(pid)
        self.addCleanup(self.kill_and_reap, pid)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        self.assertIsNone(server.process.poll())
        server.process.send_signal(signal.SIGTERM)
        self.assertEqual(server.process.wait(10), -signal.SIGTERM)


class Strangers(EndsTest):
    def test_peer_that_was_reset_before_it_was_accepted_has_its_address(self):
        server = self.start_server()
        os.kill(server.pid, signal.SIGSTOP)
        peer = self.call()
        port = peer.getsockname()[1]
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        os.kill(server.pid, signal.SIGCONT)
        closed = server.wait_for(event="closed")
        self.assertEqual((closed["remote"], closed["cause"]),
                         ({"address": "127.0.0.1", "port": port}, "reset"))


class Misbehaviour(EndsTest):
    def test_close_after(self):
        for model in "event", "fork":
            server = self.start_server("--close-after=400ms", f"--model={model}")
            client = self.start_client()
            self.assertEqual(client.finish()[0], PEER_CLOSED)
            closed = server.wait_for(event="closed")
            self.assertEqual((closed["cause"], closed["detail"]), ("local-close", "--close-after"))
            self.assertNotIn("reset_sent", closed)
            self.assertTrue(400 <= closed["after_ms"] < 1400, closed)
            self.assertEqual(server.stop(), (0, ""))

    def test_reset(self):
        for model in "event", "fork":
            server = self.start_server("--reset", "--close-after=400ms", f"--model={model}")
            client = self.start_client()
            self.assertEqual(client.finish()[0], RESET)
            self.assertEqual((client.events[-1]["error"], client.events[-1]["syscall"]),
                             ("ECONNRESET", "read"))
            self.assertEqual(server.stop(), (0, ""))
            closed = server.wait_for(event="closed")
            self.assertEqual((closed["detail"], closed["reset_sent"], closed["state"]),
                             ("--close-after", True, "ESTABLISHED"))
            self.assertNotIn("not_read", closed)
        self.assertEqual(self.states(), set())  # what is reset leaves no TIME_WAIT

    def test_hold_leaks_close_wait(self):
        server = self.start_server("--hold")
        peer = self.call()
        self.assert_echoes(peer)
        peer.close()
        self.wait_until(lambda: ("CLOSE_WAIT", server.pid) in self.states())
        self.wait_until(lambda: ("FIN_WAIT2", None) in self.states())
        self.assert_at_rest(server.pid)
        self.assertIn(("CLOSE_WAIT", server.pid), self.states())
        self.assertEqual(server.stop(), (0, ""))
        self.assertEqual([event["event"] for event in server.events],
                         ["listening", "accepted", "staying", "closed", "shutdown"])

    def test_hold_of_a_peer_that_resets_then(self):
        server = self.start_server("--hold")
        peer = self.call()
        peer.shutdown(socket.SHUT_WR)
        self.wait_until(lambda: ("CLOSE_WAIT", server.pid) in self.states())
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        peer.close()
        self.assertEqual(server.wait_for(event="closed")["cause"], "reset")

    def test_no_read_fills_the_window_and_its_end_is_a_reset(self):
        for model in "event", "fork":
            server = self.start_server("--no-read", f"--model={model}")
            client = self.start_client(stdin=self.temporary(b"x" * 20_000_000))
            self.wait_until(lambda: any(row.get("timer", {}).get("kind") == "probe"
                                        for row in self.list("--remote-port", str(PORT))))
            self.assertEqual(server.stop(), (0, ""))
            self.assertEqual(client.finish()[0], RESET)
            closed = server.wait_for(event="closed")
            self.assertTrue(closed["reset_sent"])
            self.assertGreater(closed["not_read"], 65536)
            closed = client.events[-1]
            self.assertEqual((closed["cause"], closed["error"]), ("reset", "ECONNRESET"))
            self.assertEqual(closed["bytes_received"], 0)
            self.assertGreater(closed["bytes_sent"], 65536)

    def test_idle_timeout_begins_anew_with_each_byte(self):
        server = self.start_server("--idle-timeout=700ms")
        busy, quiet = self.call(), self.call()  # the first to come is the last to go
        began = time.monotonic()
        while time.monotonic() < began + 2:
            self.assert_echoes(busy)
            time.sleep(0.1)
        self.assertEqual((quiet.recv(1), busy.recv(1)), (b"", b""))
        for peer, least_ms in (quiet, 700), (busy, 2600):
            closed = server.wait_for(event="closed", remote_port=peer.getsockname()[1])
            self.assertEqual(closed["detail"], "--idle-timeout")
            self.assertTrue(least_ms <= closed["after_ms"] < least_ms + 1500, closed)

    def test_two_times_at_once(self):
        server = self.start_server("--close-after=1", "--idle-timeout=300ms")
        quiet, busy = self.call(), self.call()
        while server.process.poll() is None:
            busy.sendall(b"x")
            if busy.recv(10) == b"":
                break
            time.sleep(0.05)
        self.assertEqual(quiet.recv(1), b"")
        ends = {event["remote"]["port"]: event["detail"]
                for event in (server.wait_for(event="closed", remote_port=peer.getsockname()[1])
                              for peer in (quiet, busy))}
        self.assertEqual(ends, {quiet.getsockname()[1]: "--idle-timeout",
                                busy.getsockname()[1]: "--close-after"})


class Limits(EndsTest):
    def test_max_connections_lets_the_others_wait(self):
        server = self.start_server("--max-connections=2")
        first, second, third, fourth = (self.call() for _ in range(4))
        paused = server.wait_for(event="paused")
        self.assertNotIn("error", paused)
        self.assertEqual(paused["open"], 2)
        self.assert_echoes(first)
        third.sendall(b"hello\n")
        third.settimeout(0.3)
        self.assertRaises(TimeoutError, third.recv, 1)
        third.settimeout(20)
        first.close()
        self.assertEqual(third.recv(10), b"hello\n")
        second.close()
        self.assert_echoes(fourth)
        server.stop()
        self.assertEqual(sum(event["event"] == "paused" for event in server.events), 1)
        self.assertEqual(server.events[-1]["accepted"], 4)

    def test_no_descriptors_left(self):
        """It says so once, does not spin, and serves those who wait when others have gone."""
        server = self.start_server(prefix=("prlimit", "--nofile=20:20"))
        peers = [self.call() for _ in range(40)]
        self.assertEqual(server.wait_for(event="paused")["error"], "EMFILE")
        self.assert_at_rest(server.pid, 2.2)
        for peer in peers[:10]:
            self.assert_echoes(peer)
        for peer in peers:  # each makes room for another
            self.assert_echoes(peer)
            peer.close()
        self.assertEqual(server.stop(), (0, ""))
        self.assertEqual([event["error"] for event in server.events if event["event"] == "paused"],
                         ["EMFILE"])
        self.assertEqual((server.events[-1]["accepted"], server.events[-1]["bytes_sent"]),
                         (40, 50 * 6))

    def test_no_processes_left(self):
        needs_other_user()
        server = self.start_server("--model=fork", prefix=("prlimit", "--nproc=1:99", *AS_NOBODY))
        peer, other = self.call(), self.call()
        closed = server.wait_for(event="closed", syscall="fork")
        self.assertEqual((closed["cause"], closed["error"]), ("local-close", "EAGAIN"))
        self.assertEqual(server.wait_for(event="paused")["error"], "EAGAIN")
        self.assertEqual(peer.recv(1), b"")
        subprocess.run([*AS_NOBODY, "prlimit", f"--pid={server.pid}", "--nproc=99:99"], check=True)
        self.assert_echoes(other)
        self.assertEqual(server.stop(), (0, ""))

    def test_memory_of_a_peer_that_does_not_read_is_bounded(self):
        server = self.start_server()
        peer, other = self.call(), self.call()
        data = os.urandom(1 << 20)
        peer.setblocking(False)
        sent = 0
        quiet_since = time.monotonic()
        while time.monotonic() < quiet_since + 0.5:
            try:
                at = sent % len(data)
                sent += peer.send(data[at:at + 65536])
                quiet_since = time.monotonic()
            except BlockingIOError:
                time.sleep(0.02)
        self.assertGreater(sent, 1 << 20)
        self.assertLess(memory_kib(server.pid), 16 * 1024)
        self.assert_at_rest(server.pid)
        self.assert_echoes(other)
        peer.setblocking(True)
        peer.shutdown(socket.SHUT_WR)
        got = b"".join(iter(lambda: peer.recv(1 << 20), b""))
        self.assertEqual(len(got), sent)
        self.assertTrue(got == (data * (sent // len(data) + 1))[:sent])

    def test_peers_that_come_and_go(self):
        """At once, with RST, with data that is never read, and none of it ends the server."""
        server = self.start_server()
        for number in range(300):
            peer = socket.create_connection(("127.0.0.1", PORT))
            if number % 3:
                peer.sendall(b"x" * number * 100)
            if number % 2:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            peer.close()
        self.assert_echoes(self.call())
        self.wait_until(lambda: self.states("-s", "established,close-wait,last-ack") ==
                        {("ESTABLISHED", server.pid), ("ESTABLISHED", os.getpid())})
        self.assertEqual(server.stop(), (0, ""))
        end = server.events[-1]
        self.assertLessEqual(end["accepted"], 301)
        self.assertEqual(end["open"], 1)
        self.assertEqual(sum(event["event"] == "closed" for event in server.events),
                         end["accepted"])


class Listening(EndsTest):
    def reachable(self):
        done = []
        for host in "127.0.0.1", "127.0.0.2", "::1":
            try:
                self.assert_echoes(self.call(host))
                done.append(host)
            except ConnectionRefusedError:
                pass
        return done

    def test_families(self):
        ipv4 = ["127.0.0.1", "127.0.0.2"]
        for args, wanted in (((), ipv4[:1]), (("--bind", "any"), [*ipv4, "::1"]),
                             (("--bind", "any", "-4"), ipv4), (("-4", "--bind", "any"), ipv4),
                             (("--bind", "any", "-6"), ["::1"]), (("--bind", "::1"), ["::1"]),
                             (("--bind", "::"), [*ipv4, "::1"])):
            server = self.start_server(*args)
            self.assertEqual(self.reachable(), wanted, args)
            self.assertEqual(server.stop(), (0, ""))

    def test_loopback_only_is_said(self):
        for args, said in ((), True), (("--bind", "any"), False), (("--bind", "any", "-4"), False):
            server = self.spawn(TCPWATCH, "server", *args, stdout=-1, text=True)
            line = server.stdout.readline()
            self.assertEqual("for this host only (--bind any: for all)" in line, said, line)
            self.assertIn(f"; pid {server.pid}\n", line)
            server.kill()
            server.wait()

    def refused(self, *args, prefix=()):
        done = self.tcpwatch("server", *args, prefix=prefix)
        self.assertEqual((done.returncode, done.stdout), (1, ""), done)
        return done.stderr

    def test_port_in_use(self):
        self.listen()
        self.assertEqual(self.refused(), "tcpwatch: port 9998 of 127.0.0.1 is in use\n")

    def test_restart_while_old_connections_are_in_time_wait(self):
        server = self.start_server("--close-after=1ms")
        self.assertEqual(self.call().recv(1), b"")
        self.assertEqual(server.stop(), (0, ""))
        self.start_server()

    def test_privileged_port(self):
        needs_other_user()
        self.assertRegex(self.refused("-p", "80", prefix=AS_NOBODY),
                         r"^tcpwatch: port 80 needs root \(CAP_NET_BIND_SERVICE\): .*\n$")

    def test_address_of_another_host(self):
        self.assertEqual(self.refused("--bind", "192.0.2.1"),
                         "tcpwatch: --bind: '192.0.2.1' is no address of this host\n")

    def test_blocking_does_not_take_a_reset_for_a_fin(self):
        self.start_server("--reset", "--close-after=300ms")
        client = self.start_client("--blocking")
        client.wait_for(event="connected")
        self.wait_until(lambda: ("ESTABLISHED", client.pid) not in self.states())
        client.say("lines\n")
        closed = client.wait_for(event="closed")
        self.assertEqual(closed["cause"], "reset")
        self.assertNotIn("fin_unseen_ms", closed)

    def test_options_are_read_back(self):
        server = self.start_server("--keepalive=40,7,3", "--user-timeout=5m")
        listening = server.wait_for(event="listening")
        self.assertEqual(listening["keepalive"], {"idle_s": 40, "interval_s": 7, "count": 3})
        self.assertEqual(listening["user_timeout_ms"], 300000)
        self.call()
        server.wait_for(event="accepted")
        row, = self.list("--local-port", str(PORT), "-s", "established")
        self.assertEqual(row["timer"]["kind"], "keepalive")
        self.assertTrue(30000 < row["timer"]["expires_ms"] <= 40000, row)


class Signals(EndsTest):
    def test_summary(self):
        for number, name in (signal.SIGTERM, "SIGTERM"), (signal.SIGINT, "SIGINT"):
            server = self.start_server()
            gone, peer = self.call(), self.call()
            self.assert_echoes(gone)
            gone.close()
            self.assert_echoes(peer, b"x" * 1000)
            self.assertEqual(server.stop(number), (0, ""))
            self.assertEqual(peer.recv(1), b"")
            end = server.events[-1]
            self.assertEqual({key: end[key] for key in ("event", "signal", "open", "accepted",
                                                        "bytes_sent", "bytes_received")},
                             {"event": "shutdown", "signal": name, "open": 1, "accepted": 2,
                              "bytes_sent": 1006, "bytes_received": 1006})
            closed = server.events[-2]
            self.assertEqual((closed["event"], closed["detail"], closed["state"]),
                             ("closed", name, "ESTABLISHED"))
            self.assertEqual(server.wait_for(event="closed", cause="peer-close")["state"],
                             "CLOSE_WAIT")

    def test_summary_in_words(self):
        server = self.spawn(TCPWATCH, "server", stdout=-1, text=True)
        server.stdout.readline()
        self.assert_echoes(self.call())
        server.send_signal(signal.SIGTERM)
        text = server.communicate()[0]
        self.assertRegex(text, r"127\.0\.0\.1:\d+ +accepted by pid \d+\n"
                               r".*127\.0\.0\.1:\d+ +closed from this side: SIGTERM; lived .*"
                               r"sent 6 bytes, received 6 bytes\n"
                               r"-- [\d.]+m?s served: 1 connection, 1 still open; "
                               r"sent 6 bytes, received 6 bytes\n$")
        self.assertEqual(server.returncode, 0)

    def test_reader_that_goes_ends_it_quietly(self):
        script = f"({TCPWATCH} server; echo $? >&2) | head -1"
        done = self.spawn("sh", "-c", script, stdout=-1, stderr=-1, text=True)
        self.assertIn("listening", done.stdout.readline())
        self.wait_until(lambda: not [row for row in self.list("-p", str(PORT))] or
                        not self.poke())
        self.assertEqual(done.stderr.read(), "0\n")

    def poke(self):
        """Gives it something to say; returns whether it is still there."""
        try:
            self.call().recv(1)
        except ConnectionError:
            return False
        return True

    def watch_unread(self):
        """A server whose output fills a pipe; returns it and the end to read."""
        reading, writing = os.pipe()
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
        server = self.spawn(TCPWATCH, "server", "--json", stdout=writing, stderr=-1, text=True)
        os.close(writing)
        self.wait_until(lambda: select.select([reading], [], [], 0)[0])
        for _ in range(60):
            self.call().close()
        return server, os.fdopen(reading, "rb", 0)

    def test_reader_that_never_reads_stops_neither_echo_nor_end(self):
        server, _pipe = self.watch_unread()
        self.assert_echoes(self.call())
        self.assert_at_rest(server.pid)
        server.terminate()
        _, words = server.communicate(timeout=20)
        self.assertEqual(server.returncode, 1)
        self.assertRegex(words, r"^tcpwatch: nobody reads the output: \d+ bytes of it were not "
                                r"written\n$")

    def test_reader_that_is_slow_gets_it_all(self):
        server, pipe = self.watch_unread()
        time.sleep(0.5)
        got = b""
        while got.count(b'"closed"') < 60:
            self.assertTrue(select.select([pipe], [], [], 10)[0], got[-300:])
            got += pipe.read(4096)
        server.terminate()
        got += pipe.read()
        pipe.close()
        self.assertEqual((server.wait(20), server.stderr.read()), (0, ""))
        self.assertEqual(got.count(b'"event":"accepted"'), 60)

    def test_reader_that_is_slow_is_waited_for(self):
        server, pipe = self.watch_unread()
        time.sleep(0.5)
        server.terminate()
        got = read_slowly(pipe.fileno(), 0.5)
        pipe.close()
        self.assertEqual((server.wait(20), server.stderr.read()), (0, ""))
        self.assertEqual(got.count(b'"event":"closed"'), 60)

    def test_full_disk_is_said_once(self):
        for command in ("server",), ("client", "--send=x"):
            if command[0] == "client":
                self.start_server()
            with open("/dev/full", "w") as full:
                done = subprocess.run([TCPWATCH, *command], stdout=full, stderr=-1, stdin=-3,
                                      text=True, timeout=20)
            self.assertEqual(done.returncode, 1)
            said = [line for line in done.stderr.splitlines() if line.startswith("tcpwatch: ")]
            self.assertEqual(len(said), 1, done.stderr)
            self.assertIn("No space left on device", said[0])


class Pipe(EndsTest):
    def test_file_comes_back_whole(self):
        data = os.urandom(5 << 20)
        for model in "event", "fork":
            server = self.start_server(f"--model={model}")
            back = self.temporary()
            with self.temporary(data) as file:
                done = subprocess.run([TCPWATCH, "client", "--json"], stdin=file, stdout=back,
                                      stderr=-1, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
            back.seek(0)
            self.assertTrue(back.read() == data)
            self.assertIn(b'"cause":"local-close"', done.stderr)
            self.assertEqual(server.stop(), (0, ""))
            self.assertEqual(server.events[-1]["bytes_sent"], len(data))

    def test_end_of_input_closes_one_half_and_waits_for_the_rest(self):
        listener = self.listen()
        client = self.start_client(stdin=self.temporary(b"question\n"))
        peer = listener.accept()[0]
        self.assertEqual(b"".join(iter(lambda: peer.recv(100), b"")), b"question\n")
        self.wait_until(lambda: ("FIN_WAIT2", client.pid) in self.states())
        time.sleep(0.5)
        peer.sendall(b"the answer, late\n")
        peer.close()
        self.assertEqual(client.finish(), (0, "the answer, late\n"))
        closed = client.events[-1]
        self.assertEqual((closed["cause"], closed["bytes_sent"], closed["bytes_received"]),
                         ("local-close", 9, 17))
        self.assertGreaterEqual(closed["after_ms"], 500)

    def test_what_came_before_the_end_is_printed(self):
        """The reader of the output is slow, and the peer closes, or resets when the client has read
        more than the pipe holds."""
        for ending, status, received in ("FIN", PEER_CLOSED, 400_000), ("RST", RESET, 100_000):
            listener = self.listen()
            client = self.start_client()
            peer = listener.accept()[0]
            listener.close()
            peer.sendall(b"x" * received)
            if ending == "RST":
                self.wait_until(lambda: not any(row["recv_queue"]
                                                for row in self.list("-p", str(PORT))))
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            peer.close()
            time.sleep(0.3)
            if ending == "RST":
                client.say("x\n")
            time.sleep(0.3)
            self.assertIsNone(client.process.poll())
            got, text = client.finish()
            self.assertEqual((got, len(text)), (status, received))

    def test_reader_that_goes_ends_it_quietly(self):
        self.start_server()
        client = self.start_client("--send=hello", "--every=50ms")
        self.assertEqual(client.process.stdout.readline(), "hello\n")
        client.process.stdout.close()
        self.assertEqual(client.process.wait(10), 0)
        self.assertEqual(client.words, "")

    def test_reader_that_stops_does_not_keep_it_from_ending(self):
        self.start_server()
        client = self.start_client("--read-timeout=300ms", stdin=self.temporary(b"x" * 20_000_000))
        client.wait_for(event="connected")
        time.sleep(1)  # its output is full, so that it is not the peer who is late
        self.assertIsNone(client.process.poll())
        client.process.send_signal(signal.SIGINT)
        self.assertEqual(client.process.wait(10), 0)
        closed = client.wait_for(event="closed")
        self.assertEqual((closed["cause"], closed["detail"]), ("local-close", "SIGINT"))
        # Of what the server has sent there is more than its output took.
        self.assertTrue(closed["reset_sent"])

    def test_terminal_that_takes_nothing_does_not_keep_it_from_ending(self):
        self.start_server()
        master, slave = open_terminal()
        self.addCleanup(os.close, master)
        client = self.spawn(TCPWATCH, "client", stdin=self.temporary(b"x\n" * 1_000_000),
                            stdout=slave, stderr=-3)
        os.close(slave)
        time.sleep(0.7)
        client.terminate()
        self.assertEqual(client.wait(10), 0)

    def test_time_of_the_end_is_not_that_of_a_slow_reader(self):
        listener = self.listen()
        client = self.start_client()
        peer = listener.accept()[0]
        peer.sendall(b"x" * 100_000)
        peer.close()
        time.sleep(1.5)
        while client.process.stdout.read(4096):
            pass
        self.assertLess(client.wait_for(event="closed")["after_ms"], 1000)

    def test_events_that_cannot_be_written_fail_it(self):
        self.start_server()
        with open("/dev/full", "w") as full:
            done = subprocess.run([TCPWATCH, "client", "--send=x"], stdin=-3, stdout=-1,
                                  stderr=full, timeout=20)
        self.assertEqual(done.returncode, 1)


class Connecting(EndsTest):
    def say_of(self, *args, **options):
        """(exit status, its last event, events)"""
        client = self.start_client(*args, **options)
        status = client.finish()[0]
        return status, client.events[-1] if client.events else None, client

    def test_refused(self):
        status, closed, _ = self.say_of()
        self.assertEqual(status, REFUSED)
        self.assertEqual((closed["event"], closed["cause"], closed["error"], closed["syscall"]),
                         ("closed", "refused", "ECONNREFUSED", "connect"))
        self.assertEqual(closed["remote"], {"address": "127.0.0.1", "port": 9998})
        for absent in "bytes_sent", "noticed_ms":
            self.assertNotIn(absent, closed)
        self.assertNotEqual(closed["local"]["port"], 0)
        self.assertEqual(closed["state"], "CLOSE")
        self.assertNotEqual(closed["cookie"], "0")

    def test_refused_in_words(self):
        done = self.tcpwatch("client", "::1", "1234", stdin=-3)
        self.assertEqual((done.returncode, done.stdout), (REFUSED, ""))
        self.assertRegex(done.stderr, r"refused \(connect: ECONNREFUSED\) after [\d.]+ms\n"
                                      r" +the peer's host is there, and nothing listens on that "
                                      r"port\n$")

    def test_name_that_is_not_known(self):
        done = self.tcpwatch("client", "no.such.name.invalid", stdin=-3)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"^tcpwatch: HOST: 'no\.such\.name\.invalid' is not known: "
                                      r".*\n$")
        done = self.tcpwatch("client", "a\33[31mb", stdin=-3)
        self.assertEqual(done.returncode, 1)
        self.assertIn(r"'a\x1b[31mb'", done.stderr)

    def etc(self, name, text):
        """Puts the text in place of /etc/name, for this test alone."""
        file = tempfile.NamedTemporaryFile("w")
        self.addCleanup(file.close)
        file.write(text)
        file.flush()
        try:
            _call("mount", file.name.encode(), f"/etc/{name}".encode(), None, MS_BIND, None)
        except OSError as error:
            raise unittest.SkipTest(f"/etc/{name} cannot be replaced here ({error})")

    def test_addresses_of_a_name_are_tried_in_order(self):
        self.etc("hosts", "127.0.0.1 both.example\n::1 both.example\n")
        server = self.start_server()
        status, closed, client = self.say_of("both.example", "--send=x")
        self.assertEqual(status, 0)
        attempt = client.wait_for(event="attempt")
        self.assertEqual((attempt["remote"]["address"], attempt["cause"], attempt["error"]),
                         ("::1", "refused", "ECONNREFUSED"))
        self.assertEqual(closed["remote"]["address"], "127.0.0.1")
        server.stop()
        status, closed, client = self.say_of("both.example")
        self.assertEqual((status, closed["remote"]["address"]), (REFUSED, "127.0.0.1"))
        self.assertEqual(client.wait_for(event="attempt")["remote"]["address"], "::1")
        for args, address in ((("-4",), "127.0.0.1"), (("-6",), "::1"),
                              (("--bind=::1",), "::1"), (("--bind=127.0.0.2",), "127.0.0.1")):
            status, closed, client = self.say_of(*args, "both.example")
            self.assertEqual((status, closed["remote"]["address"]), (REFUSED, address))
            self.assertEqual({event["remote"]["address"] for event in client.events[1:]}, {address})

    def test_family_that_a_host_does_not_have(self):
        self.etc("hosts", "127.0.0.1 four.example\n")
        for args in ("-6",), ("--bind", "::1"):
            done = self.tcpwatch("client", *args, "four.example", stdin=-3)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, r"^tcpwatch: HOST: 'four\.example' (has no IPv6 address|"
                                          r"is not known: .*)\n$")

    def test_signal_ends_it_while_the_name_server_is_silent(self):
        self.etc("resolv.conf", "nameserver 127.0.0.1\n")
        silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(silent.close)
        silent.bind(("127.0.0.1", 53))
        silent.settimeout(3)
        client = self.start_client("name.example")
        try:
            silent.recv(1000)
        except TimeoutError:
            self.skipTest("this host does not ask the name server")
        client.process.send_signal(signal.SIGINT)
        self.assertEqual(client.process.wait(2), -signal.SIGINT)

    def full_listener(self, host="127.0.0.1"):
        """Nobody accepts, and the backlog is full: a SYN is not answered."""
        listener = self.listen(host, backlog=0)
        self.connect_quietly(host)
        return listener

    def connect_quietly(self, host):
        self.addCleanup(socket.create_connection((host, PORT)).close)

    def test_connect_timeout(self):
        self.full_listener()
        status, closed, _ = self.say_of("--connect-timeout=600ms")
        self.assertEqual(status, TIMED_OUT)
        self.assertEqual((closed["cause"], closed["syscall"], closed["detail"]),
                         ("timed-out", "connect", "--connect-timeout"))
        self.assertNotIn("error", closed)
        self.assertTrue(600 <= closed["after_ms"] < 1600, closed)

    def test_connect_timeout_is_for_each_address(self):
        self.etc("hosts", "127.0.0.1 both.example\n::1 both.example\n")
        self.full_listener("::1")
        self.start_server()
        status, _, client = self.say_of("--connect-timeout=500ms", "--send=x", "both.example")
        self.assertEqual(status, 0)
        self.assertEqual(client.wait_for(event="attempt")["cause"], "timed-out")

    def test_kernel_gives_up_as_predicted(self):
        self.full_listener()
        write("/proc/sys/net/ipv4/tcp_syn_retries", "1")
        linear = "/proc/sys/net/ipv4/tcp_syn_linear_timeouts"
        if os.path.exists(linear):
            write(linear, "0")
        status, closed, client = self.say_of()
        self.assertEqual((status, closed["error"], closed["syscall"]),
                         (TIMED_OUT, "ETIMEDOUT", "connect"))
        predicted_ms = client.events[0]["if_peer_vanishes"]["connecting_ms"]
        self.assertAlmostEqual(closed["after_ms"], predicted_ms, delta=predicted_ms / 10)

    def test_no_port_is_left(self):
        self.start_server()
        write("/proc/sys/net/ipv4/ip_local_port_range", "50000 50000")
        kept = self.start_client()
        kept.wait_for(event="connected")
        status, closed, _ = self.say_of()
        self.assertEqual((status, closed["error"], closed["syscall"]),
                         (1, "EADDRNOTAVAIL", "connect"))

    def test_signal_ends_the_attempt(self):
        self.full_listener()
        client = self.start_client()
        client.wait_for(event="options")
        self.wait_until(lambda: ("SYN_SENT", client.pid) in self.states())
        self.assertEqual(client.stop()[0], 0)
        self.assertEqual((client.events[-1]["cause"], client.events[-1]["detail"]),
                         ("local-close", "SIGINT"))

    def test_from_an_address(self):
        server = self.start_server()
        status, closed, _ = self.say_of("--bind=127.0.0.7", "--send=x")
        self.assertEqual((status, closed["local"]["address"]), (0, "127.0.0.7"))
        self.assertEqual(server.wait_for(event="accepted")["remote"]["address"], "127.0.0.7")
        done = self.tcpwatch("client", "--bind=192.0.2.1", stdin=-3)
        self.assertEqual(done.returncode, 1)
        self.assertIn("tcpwatch: --bind: '192.0.2.1' is no address of this host\n", done.stderr)


class Line(EndsTest):
    def test_send_every_count(self):
        server = self.start_server()
        for args, lines in ((), 1), (("--count=3",), 3), (("--every=200ms", "--count=4"), 4):
            client = self.start_client("--send=tick", *args)
            self.assertEqual(client.finish(), (0, "tick\n" * lines))
            closed = client.events[-1]
            self.assertEqual((closed["bytes_sent"], closed["bytes_received"]),
                             (5 * lines, 5 * lines))
        self.assertTrue(600 <= closed["after_ms"] < 1600, closed)
        self.assertEqual(server.stop(), (0, ""))

    def test_every_goes_on_without_end(self):
        self.start_server()
        client = self.start_client("--send=tick", "--every=100ms")
        for _ in range(5):
            self.assertEqual(client.process.stdout.readline(), "tick\n")
        self.assertEqual(client.stop()[0], 0)

    def test_ctrl_c_at_an_idle_terminal(self):
        server = self.start_server()
        client = self.start_client()
        client.wait_for(event="connected")
        self.assertEqual(client.stop(), (0, ""))
        self.assertEqual(client.events[-1]["cause"], "local-close")
        self.assertEqual(server.wait_for(event="closed")["cause"], "peer-close")

    def test_read_timeout_without_an_answer(self):
        self.start_server("--no-read")
        client = self.start_client("--read-timeout=500ms")
        client.wait_for(event="connected")
        time.sleep(1)  # nothing was asked yet
        self.assertIsNone(client.process.poll())
        client.say("anybody?\n")
        self.assertEqual(client.finish()[0], TIMED_OUT)
        closed = client.events[-1]
        self.assertEqual((closed["cause"], closed["detail"]), ("timed-out", "--read-timeout"))
        self.assertTrue(500 <= closed["noticed_ms"] < 1500, closed)

    def test_read_timeout_is_not_met_by_answers_in_time(self):
        self.start_server()
        client = self.start_client("--read-timeout=1", "--send=x", "--every=300ms", "--count=6")
        self.assertEqual(client.finish()[0], 0)

    def test_read_timeout_of_a_peer_that_never_closes(self):
        server = self.start_server("--hold")
        client = self.start_client("--read-timeout=500ms", "--send=x")
        self.assertEqual(client.finish(), (TIMED_OUT, "x\n"))
        self.wait_until(lambda: ("CLOSE_WAIT", server.pid) in self.states())

    def test_blocking_is_not_misled_by_keepalive(self):
        """The peer's kernel answers the probes, also after its FIN."""
        self.start_server("--close-after=300ms")
        client = self.start_client("--blocking", "--keepalive=1,1")
        self.wait_until(lambda: ("CLOSE_WAIT", client.process.pid) in self.states())
        time.sleep(2.5)
        client.say("\n")
        self.assertEqual(client.finish()[0], PEER_CLOSED)
        self.assertGreaterEqual(client.events[-1]["fin_unseen_ms"], 2400)

    def test_short_user_timeout_is_shown_as_it_is(self):
        self.listen()
        client = self.spawn(TCPWATCH, "client", "--user-timeout=50ms", stdin=-1, stderr=-1,
                            text=True)
        self.assertIn("; user timeout 0.05 s\n", client.stderr.readline())

    def test_timeouts_of_its_own_are_in_what_it_says(self):
        self.start_server()
        client = self.start_client("--read-timeout=3", "--connect-timeout=2", "--send=x")
        told = client.wait_for(event="options")["if_peer_vanishes"]
        self.assertEqual((told["sending_ms"], told["connecting_ms"]), (3000, 2000))

    def test_blocking_says_how_long_the_fin_lay_unseen(self):
        self.start_server("--close-after=300ms")
        for ending in "\n", signal.SIGINT:
            began = time.monotonic()
            client = self.spawn(TCPWATCH, "client", "--blocking", stdin=-1, stdout=-1, stderr=-1,
                                text=True)
            self.wait_until(lambda: ("CLOSE_WAIT", client.pid) in self.states())
            time.sleep(1)
            if ending == "\n":
                client.stdin.write(ending)
                client.stdin.flush()
                text = client.stderr.read()
            else:
                client.send_signal(ending)
                text = client.stderr.read()
            lain = re.search(r" +the peer's FIN had lain here unseen for ([\d.]+)s\n$", text)
            self.assertTrue(lain, text)
            self.assertTrue(1.0 <= float(lain[1]) < time.monotonic() - began - 0.2, text)

    def test_options_are_read_back(self):
        self.start_server()
        client = self.start_client("--keepalive=40,7,3", "--user-timeout=90")
        connected = client.wait_for(event="connected")
        for event in client.wait_for(event="options"), connected:
            self.assertEqual(event["keepalive"], {"idle_s": 40, "interval_s": 7, "count": 3})
            self.assertEqual(event["user_timeout_ms"], 90000)
            # With a user timeout it is that, and not the count, that ends the probing.
            self.assertEqual(event["if_peer_vanishes"]["idle_ms"], 40000 + 8 * 7000)
        row, = self.list("--remote-port", str(PORT))
        self.assertEqual(row["timer"]["kind"], "keepalive")
        self.assertTrue(30000 < row["timer"]["expires_ms"] <= 40000, row)
        client = self.start_client("--keepalive=600")
        self.assertEqual(client.wait_for(event="connected")["keepalive"],
                         {"idle_s": 600, "interval_s": 75, "count": 9})

    def test_namespace_decides_what_is_not_given(self):
        self.start_server()
        for name, value in ("keepalive_intvl", 11), ("keepalive_probes", 4), ("retries2", 5):
            write(f"/proc/sys/net/ipv4/tcp_{name}", str(value))
        client = self.start_client("--keepalive=10")
        event = client.wait_for(event="connected")
        self.assertEqual(event["if_peer_vanishes"]["idle_ms"], 10000 + 4 * 11000)
        self.assertLess(event["if_peer_vanishes"]["sending_ms"], 30000)

    def test_against_socat(self):
        needs("socat")
        self.spawn("socat", f"TCP-LISTEN:{PORT},fork,reuseaddr", "PIPE")
        self.wait_until(lambda: self.list("-p", str(PORT), "-s", "listen"))
        data = os.urandom(1 << 20)
        back = self.temporary()
        done = subprocess.run([TCPWATCH, "client"], stdin=self.temporary(data), stdout=back,
                              stderr=-1, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        back.seek(0)
        self.assertTrue(back.read() == data)


class Refusals(EndsTest):
    """A wrong value is refused in one line, before anything starts."""

    KEEPALIVE = "1 to 32767 whole seconds"
    CASES = (
        ("server", ("--keepalive", "0"), "--keepalive: '0'", KEEPALIVE),
        ("server", ("--keepalive", "10,0"), "--keepalive: '10,0'", KEEPALIVE),
        ("client", ("--keepalive", "10,"), "--keepalive: '10,'", KEEPALIVE),
        ("client", ("--keepalive", "10,1,128"), "--keepalive: '10,1,128'", "COUNT 1 to 127"),
        ("client", ("--keepalive", "10,1,1,1"), "--keepalive: '10,1,1,1'", KEEPALIVE),
        ("client", ("--keepalive", "1500ms"), "--keepalive: '1500ms'", KEEPALIVE),
        ("server", ("--keepalive", "40000"), "--keepalive: '40000'", KEEPALIVE),
        ("server", ("--user-timeout", "-1"), "--user-timeout: '-1'", "1ms to 596h"),
        ("client", ("--user-timeout", "0"), "--user-timeout: '0'", "1ms to 596h"),
        ("client", ("--user-timeout", "600h"), "--user-timeout: '600h'", "1ms to 596h"),
        ("server", ("--port", "0"), "--port: '0'", "1 to 65535"),
        ("server", ("--port", "65536"), "--port: '65536'", "1 to 65535"),
        ("server", ("--port", "1-2"), "--port: '1-2'", "1 to 65535"),
        ("client", ("127.0.0.1", "0"), "PORT: '0'", "1 to 65535"),
        ("client", ("",), "HOST: ''", "a name, an IPv4 or IPv6 address"),
        ("client", ("a", "1", "b"), "'b'", "[HOST [PORT]]"),
        ("server", ("extra",), "'extra'", "options only"),
        ("server", ("--bind", "nonsense"), "--bind: 'nonsense'", "any"),
        ("server", ("--bind", "10.0.0"), "--bind: '10.0.0'", "any"),
        ("client", ("--bind", "any"), "--bind: 'any'", "an IPv4 or IPv6 address"),
        ("client", ("--bind", "n\33[1m"), r"--bind: 'n\x1b[1m'", "an IPv4 or IPv6 address"),
        ("server", ("--model", "thread"), "--model: 'thread'", "event, fork"),
        ("client", ("--on-eof", "go"), "--on-eof: 'go'", "exit, stay"),
        ("server", ("--close-after", "0"), "--close-after: '0'", "at least 1ms"),
        ("server", ("--idle-timeout", "soon"), "--idle-timeout: 'soon'", "at least 1ms"),
        ("client", ("--connect-timeout", "-1"), "--connect-timeout: '-1'", "at least 1ms"),
        ("client", ("--read-timeout", ""), "--read-timeout: ''", "at least 1ms"),
        ("client", ("--send=x", "--every", "0"), "--every: '0'", "at least 1ms"),
        ("client", ("--send=x", "--count", "0"), "--count: '0'", "from 1"),
        ("server", ("--max-connections", "-3"), "--max-connections: '-3'", "from 1"),
        # contradictions
        ("server", ("--hold", "--close-after=1"), "--close-after", "one of them"),
        ("server", ("--hold", "--idle-timeout=1"), "--idle-timeout", "one of them"),
        ("server", ("--hold", "--reset"), "--reset", "one of them"),
        ("server", ("--hold", "--no-read"), "--no-read", "one of them"),
        ("server", ("--bind", "any", "-4", "-6"), "-4 -6", "one of them"),
        ("server", ("-4",), "-4", "beside --bind any"),
        ("client", ("-4", "-6"), "-4 -6", "one of them"),
        ("client", ("-4", "--bind", "::1"), "-4: '::1'", "one family"),
        ("client", ("--every", "1"), "--every", "--send"),
        ("client", ("--count", "1"), "--count", "--send"),
    )

    def test_bad_values_and_contradictions(self):
        for command, args, named, allowed in self.CASES:
            with self.subTest(command=command, args=args):
                done = self.tcpwatch(command, *args, stdin=-3)
                self.assertEqual((done.returncode, done.stdout), (USAGE, ""), done.stderr)
                self.assertRegex(done.stderr, r"^[^\n]+; allowed: [^\n]+\n$")
                self.assertTrue(done.stderr.startswith(f"tcpwatch {command}: "), done.stderr)
                said, said_allowed = done.stderr.split("; allowed: ")
                self.assertIn(named, said)
                self.assertIn(allowed, said_allowed)


if __name__ == "__main__":
    unittest.main()
