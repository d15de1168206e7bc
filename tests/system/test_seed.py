# SPDX-License-Identifier: MIT
"""The ways in which a TCP peer goes away, between three hosts: what the client says of it, and what
a monitor on each end's host sees.

The rows are those of the article that tcpwatch grew out of: the server's process is killed (1), the
client writes all the same (1a, 1b), the server's host crashes (2), a router says so (2a), the
client is idle then (2b), the host comes back (3), the host is shut down (4).
"""
import contextlib
import os
import signal
import socket
import time
import unittest

from harness import TCPWATCH, needs_trace, seconds
from hosts import ROUTER, SERVER, SERVER6, HostsTest, on

PEER_CLOSED, RESET, TIMED_OUT, UNREACHABLE = 10, 11, 12, 13


class Row(HostsTest):
    """One connection from the client's host to the server's, with a monitor on both."""

    def begin(self, client=(), server=(), address=SERVER):
        with on(self.server):
            self.served = self.start_server("--bind", "any", *server)
            self.at_server = self.monitor("-p", "9998")
        self.at_server.wait_for(event="appeared", state="LISTEN")
        self.at_client = self.monitor("-p", "9998")
        self.line = self.start_client(*client, address)
        self.connected = self.line.wait_for(event="connected")
        self.accepted = self.served.wait_for(event="accepted")
        self.ends = ((self.at_client, self.connected["cookie"]),
                     (self.at_server, self.accepted["cookie"]))
        for monitor, cookie in self.ends:
            monitor.wait_for(cookie=cookie, state="ESTABLISHED")

    def echo(self, text="hello\n"):
        """Says a line, which comes back."""
        self.line.say(text)
        self.assertEqual(self.line.process.stdout.readline(), text)
        return time.monotonic()

    def give_up_soon(self):
        """The client's host retransmits for a few seconds instead of a quarter of an hour."""
        self.client.set_sysctl("net.ipv4.tcp_retries2", 3)
        with contextlib.suppress(FileNotFoundError):
            self.client.set_sysctl("net.ipv4.tcp_rto_max_ms", 1000)  # since Linux 6.15

    def assert_client_ends(self, status, timeout_s=10, **wanted):
        """Waits for its end; returns its last event, which has these members, None for none."""
        self.assertEqual(self.line.finish(timeout_s)[0], status, self.line.events)
        self.assertEqual(self.line.words, "")
        closed = self.line.events[-1]
        self.assertEqual({key: closed.get(key) for key in ("event", *wanted)},
                         {"event": "closed", **wanted}, closed)
        self.assertGreaterEqual(closed["after_ms"], closed.get("noticed_ms", 0))
        return closed

    def assert_client_saw(self, *states, **closed):
        """Ends the monitor on the client's host. It saw the client's end go through these states
        after ESTABLISHED, and be closed so, where what has a question mark may have been too short
        to be seen; and nothing that it saw was illegal."""
        self._assert_saw(*self.ends[0], states, closed)

    def assert_server_saw(self, *states, **closed):
        self._assert_saw(*self.ends[1], states, closed)

    def _assert_saw(self, monitor, cookie, states, closed):
        if states:
            monitor.wait_for(cookie=cookie, state=states[-1])
        event = monitor.wait_for(cookie=cookie, event="closed") if closed else {}
        if monitor.process.poll() is None:
            self.assertEqual(monitor.stop(), (0, ""))
        self.assert_legal_order(monitor.events)
        seen = monitor.path(cookie)
        rest = seen[seen.index("ESTABLISHED") + 1:]
        for state in states:
            if rest and state.rstrip("?") in rest[0].split("|"):
                rest.pop(0)
            else:
                self.assertTrue(state.endswith("?") or monitor.slowed, f"no {state} in {seen}")
        self.assertEqual(rest, [], seen)
        for key, value in closed.items():
            if value.endswith("?") or monitor.slowed:
                self.assertIn(event.get(key), (value.rstrip("?"), None), event)
            else:
                self.assertEqual(event.get(key), value, event)

    def assert_client_closed(self):
        """Who did that only a trace can tell."""
        monitor, cookie = self.ends[0]
        self.assertEqual(monitor.wait_for(cookie=cookie, to="FIN_WAIT1").get("pid"),
                         self.line.pid if self.source == "trace" else None)

    def assert_as_predicted(self, kind, observed_ms):
        """What was said at the start is true within 10 % or one RTO."""
        for event in self.line.wait_for(event="options"), self.connected:
            predicted_ms = event["if_peer_vanishes"][kind]
            self.assertAlmostEqual(observed_ms, predicted_ms, delta=max(predicted_ms / 10, 200))


class Killed(Row):
    """1, 1a, 1b: the process that serves the connection is killed."""

    def kill_child(self):
        self.assertNotEqual(self.accepted["pid"], self.served.pid)
        now = time.time()
        os.kill(self.accepted["pid"], signal.SIGKILL)
        return now

    def wait_for_halves(self):
        """Until both monitors have seen the FIN; returns what they say of it."""
        return [monitor.wait_for(cookie=cookie, to=state)
                for (monitor, cookie), state in zip(self.ends, ("CLOSE_WAIT", "FIN_WAIT2"))]

    def test_1_idle_client_is_told_at_once(self):
        self.begin(server=("--model=fork",))
        time.sleep(0.3)
        killed = self.kill_child()
        closed = self.assert_client_ends(PEER_CLOSED, cause="peer-close", syscall="read",
                                         error=None, noticed_ms=None)
        self.assertLess(seconds(closed) - killed, 2)
        self.assertGreaterEqual(closed["after_ms"], 300)
        closed = self.served.wait_for(event="closed", cookie=self.accepted["cookie"])
        self.assertEqual(closed["cause"], "local-close")
        self.assertEqual(closed["detail"],
                         f"its process {self.accepted['pid']} was ended by signal 9 (Killed)")
        self.assert_client_saw("CLOSE_WAIT?", "LAST_ACK?", "CLOSE")
        self.assert_server_saw("FIN_WAIT1?", "FIN_WAIT2?", "TIME_WAIT", cause="fin",
                               closed_first="local?")

    def test_1_in_words(self):
        with on(self.server):
            served = self.start_server("--bind", "any", "--model=fork")
        line = self.spawn(TCPWATCH, "client", SERVER, stdin=-1, stdout=-1, stderr=-1, text=True)
        os.kill(served.wait_for(event="accepted")["pid"], signal.SIGKILL)
        self.assertRegex(line.stderr.read(), "".join((
            r"^[\d:.]+  keepalive off\n",
            r" +a dead peer is never noticed while idle, after about 92\d s while sending, "
            r"after \d+ s while connecting\n",
            r"[\d:.]+  connected 10\.0\.1\.2:\d+ -> 10\.0\.2\.2:9998\n",
            r"[\d:.]+  the peer closed \(FIN\); lived [\d.]+m?s; sent 0 bytes, received 0 bytes\n",
            r" +its process closed the socket or has ended; the kernel says the same for both\n$")))
        self.assertEqual((line.wait(), line.stdout.read()), (PEER_CLOSED, ""))

    def test_1a_client_writes_after_the_fin(self):
        """Capture, list and monitor say the same: FIN_WAIT2 of nobody, CLOSE_WAIT, then a RST."""
        capture = self.capture()
        self.begin(client=("--on-eof=stay",), server=("--model=fork",))
        self.echo()
        self.kill_child()
        eof = self.line.wait_for(event="staying")
        self.assertEqual((eof["cause"], eof["syscall"]), ("peer-close", "read"))
        half, orphan = self.wait_for_halves()
        self.assertEqual(half["pid"], self.line.pid)
        self.assertNotIn("pid", orphan)
        self.assertEqual(orphan["timer"]["kind"], "timewait")
        self.assertLessEqual(orphan["timer"]["expires_ms"], 60000)
        self.assertEqual([(row["state"], row.get("pid")) for row in self.list("-p", "9998")],
                         [("CLOSE_WAIT", self.line.pid)])
        with on(self.server):
            self.assertEqual({(row["state"], row.get("pid")) for row in self.list("-p", "9998")},
                             {("LISTEN", self.served.pid), ("FIN_WAIT2", None)})
        self.line.say("again\n")
        reset = self.line.wait_for(event="staying", cause="reset")
        self.assertEqual((reset["error"], reset["syscall"]), ("EPIPE", "poll"))
        self.line.say("and again\n")
        self.assert_client_ends(RESET, cause="reset", error="EPIPE", syscall="write")
        self.assert_captured(capture, eof, reset)
        self.assert_client_saw("CLOSE_WAIT", "CLOSE", cause="reset?")
        self.assert_server_saw("FIN_WAIT1?", "FIN_WAIT2", "CLOSE", cause="aborted?")

    def assert_captured(self, capture, eof, reset):
        """The client was told of the FIN and of the RST when they came, in this order, and the RST
        is the answer to what it sent between them."""
        fin, = capture.segments("FIN")
        rst, = capture.segments("RST")
        late = [segment for segment in capture.segments("ACK")
                if segment.length and fin.time < segment.time < rst.time]
        self.assertEqual([(segment.outgoing, segment.length) for segment in late], [(True, 6)])
        self.assertEqual((fin.src, fin.outgoing, rst.src, rst.outgoing),
                         (SERVER, False, SERVER, False))
        self.assertEqual((rst.sport, rst.dport), (9998, self.connected["local"]["port"]))
        self.assertEqual((rst.seq, fin.seq + 1), (late[0].ack, late[0].ack))
        for segment, event in (fin, eof), (rst, reset):
            self.assertTrue(-0.01 < seconds(event) - segment.time < 2, (event, segment))

    def test_1a_naive_client_reads_the_fin_late(self):
        self.begin(client=("--blocking",), server=("--model=fork",))
        self.echo()
        killed = self.kill_child()
        self.wait_for_halves()
        time.sleep(1)
        self.assertIsNone(self.line.process.poll())
        self.line.say("anybody?\n")
        closed = self.assert_client_ends(PEER_CLOSED, cause="peer-close", error=None,
                                         syscall="read")
        lain_ms = (seconds(closed) - killed) * 1000
        self.assertTrue(lain_ms - 500 < closed["fin_unseen_ms"] < lain_ms + 10, closed)
        self.assert_client_saw("CLOSE_WAIT", "CLOSE", cause="reset?")
        self.assert_server_saw("FIN_WAIT1?", "FIN_WAIT2", "CLOSE", cause="aborted?")

    def test_1b_write_after_the_rst(self):
        """The naive client goes on. read() says EOF even now: Linux keeps the FIN in mind. The
        write() tells, by its error and not by SIGPIPE."""
        self.begin(client=("--blocking", "--on-eof=stay"), server=("--model=fork",))
        self.kill_child()
        self.wait_for_halves()
        self.line.say("one\n")
        self.line.wait_for(event="staying", cause="peer-close")
        self.wait_until(lambda: not self.list("-p", "9998"))  # the RST has come
        self.assertIsNone(self.line.process.poll())
        self.line.say("two\n")
        self.assert_client_ends(RESET, cause="reset", error="EPIPE", syscall="write", bytes_sent=4,
                                bytes_received=0)
        self.assert_client_saw("CLOSE_WAIT", "CLOSE", cause="reset?")
        self.assert_server_saw("FIN_WAIT1?", "FIN_WAIT2", "CLOSE", cause="aborted?")

    def test_1b_killed_with_unread_data(self):
        """Then there is no FIN: the kernel sends RST at once, and read() says so."""
        self.begin(server=("--model=fork", "--no-read"))
        self.line.say("never read\n")
        with on(self.server):
            self.wait_until(lambda: [row["recv_queue"] for row in
                                     self.list("-p", "9998", "-s", "established")] == [11])
        killed = self.kill_child()
        closed = self.assert_client_ends(RESET, cause="reset", error="ECONNRESET", syscall="read",
                                         bytes_sent=11)
        self.assertLess(seconds(closed) - killed, 2)
        self.assert_client_saw("CLOSE", cause="reset")
        self.assert_server_saw("CLOSE")


class Crashed(Row):
    """2: the server's host, or the path to it, is gone, and nobody says so."""

    def test_2_retransmission_gives_up(self):
        self.give_up_soon()
        self.begin()
        self.echo()
        self.cut()
        self.line.say("anybody?\n")
        time.sleep(1)
        row, = self.list("-p", "9998")
        self.assertEqual((row["state"], row["timer"]["kind"], row["send_queue"]),
                         ("ESTABLISHED", "retransmit", 9))
        closed = self.assert_client_ends(TIMED_OUT, cause="timed-out", error="ETIMEDOUT",
                                         syscall="read", bytes_sent=15, bytes_received=6)
        self.assert_as_predicted("sending_ms", closed["noticed_ms"])
        self.assert_client_saw("CLOSE", cause="timed-out?")
        self.assert_server_saw()
        self.assertGreaterEqual(self.at_client.wait_for(event="closed")["retransmits"], 3)

    def test_2_user_timeout(self):
        self.begin(client=("--user-timeout=2",))
        self.echo()
        self.cut()
        self.line.say("anybody?\n")
        closed = self.assert_client_ends(TIMED_OUT, cause="timed-out", error="ETIMEDOUT",
                                         syscall="read")
        self.assert_as_predicted("sending_ms", closed["noticed_ms"])
        self.assertEqual(self.connected["user_timeout_ms"], 2000)
        self.assert_client_saw("CLOSE")
        self.assert_server_saw()

    def test_2_read_timeout(self):
        """The client's own patience: for the kernel the connection stands, and is closed then."""
        self.begin(client=("--read-timeout=1",))
        self.echo()
        self.cut()
        self.line.say("anybody?\n")
        closed = self.assert_client_ends(TIMED_OUT, cause="timed-out", error=None, syscall="read",
                                         detail="--read-timeout")
        self.assertTrue(1000 <= closed["noticed_ms"] < 1500, closed)
        self.assert_client_closed()
        self.assert_client_saw("FIN_WAIT1")
        self.assert_server_saw()

    def test_2_after_the_fin_is_no_reset(self):
        """The peer has closed its half, and then its host is gone."""
        with on(self.server):
            listener = self.listen(SERVER)
        self.line = self.start_client("--on-eof=stay", "--user-timeout=500ms", SERVER)
        peer = listener.accept()[0]
        self.addCleanup(peer.close)
        peer.shutdown(socket.SHUT_WR)
        self.line.wait_for(event="staying", cause="peer-close")
        self.cut()
        self.line.say("x\n")
        self.assertEqual(self.line.wait_for(event="staying", cause="timed-out")["error"],
                         "ETIMEDOUT")
        self.line.say("y\n")
        self.assert_client_ends(TIMED_OUT, cause="timed-out", error="ETIMEDOUT")

    def test_2_in_words(self):
        with on(self.server):
            self.start_server("--bind", "any")
        line = self.spawn(TCPWATCH, "client", "--user-timeout=1500ms", "--send=hello", "--every=1",
                          SERVER, stdout=-1, stderr=-1, text=True)
        self.assertEqual(line.stdout.readline(), "hello\n")
        self.cut()
        text = line.stderr.read()
        self.assertRegex(text, r"keepalive off; user timeout 1\.5 s\n"
                               r" +a dead peer is never noticed while idle, after about 1\.9 s "
                               r"while sending, after 1\.5 s while connecting\n")
        self.assertRegex(text, r"timed out \(read: ETIMEDOUT\); lived [\d.]+s; "
                               r"the last byte was sent [\d.]+m?s before; .*received 6 bytes\n"
                               r" +nothing came back: the peer's host or the path to it is gone, "
                               r"and this host's kernel gave up\n$")
        self.assertEqual(line.wait(), TIMED_OUT)


class Unreachable(Row):
    """2a: a router says that the destination is unreachable."""

    def learn(self, breakage, cause, error, client=(), address=SERVER):
        """Returns how long it takes after the line that was sent in vain."""
        self.begin(client=client, address=address)
        self.echo()
        breakage()
        self.line.say("anybody?\n")
        return self.assert_client_ends(UNREACHABLE, cause=cause, error=error,
                                       syscall="read")["noticed_ms"]

    def learn_at_once(self, *args, **options):
        """The kernel tells the process and goes on by itself: it is the process that ends it."""
        self.assertLess(self.learn(*args, client=("--icmp-errors",), **options), 1000)
        self.assert_client_closed()
        self.assert_client_saw("FIN_WAIT1")
        self.assert_server_saw()

    def learn_in_the_end(self, *args):
        """TCP takes it for something that may pass (RFC 1122, 4.2.3.9), and retransmits. It does
        so more often than if nobody said anything (RFC 6069), and gives up no later."""
        self.give_up_soon()
        noticed_ms = self.learn(*args)
        silent_ms = self.connected["if_peer_vanishes"]["sending_ms"]
        self.assertTrue(2400 <= noticed_ms <= 1.1 * silent_ms, self.line.events)
        self.assert_client_saw("CLOSE")
        self.assert_server_saw()

    def test_2a_host_at_once(self):
        self.learn_at_once(self.unreachable_host, "host-unreachable", "EHOSTUNREACH")

    def test_2a_network_at_once(self):
        self.learn_at_once(self.unreachable_network, "network-unreachable", "ENETUNREACH")

    def test_2a_ipv6_host_at_once(self):
        self.learn_at_once(self.unreachable_host, "host-unreachable", "EHOSTUNREACH",
                           address=SERVER6)

    def test_2a_mapped_address_at_once(self):
        self.learn_at_once(self.unreachable_host, "host-unreachable", "EHOSTUNREACH",
                           address="::ffff:" + SERVER)

    def test_2a_host_when_given_up(self):
        self.learn_in_the_end(self.unreachable_host, "host-unreachable", "EHOSTUNREACH")

    def test_2a_network_when_given_up(self):
        self.learn_in_the_end(self.unreachable_network, "network-unreachable", "ENETUNREACH")

    def test_2a_connecting_names_the_router(self):
        capture = self.capture()
        self.unreachable_host()
        line = self.start_client("--icmp-errors", SERVER)
        self.assertEqual(line.finish(), (UNREACHABLE, ""))
        closed = line.wait_for(event="closed")
        self.assertEqual((closed["cause"], closed["error"], closed["syscall"], closed["router"]),
                         ("host-unreachable", "EHOSTUNREACH", "connect", ROUTER))
        self.assertEqual({error.src for error in capture.icmp_errors()}, {ROUTER})

    def test_2a_in_words(self):
        self.unreachable_network()
        done = self.tcpwatch("client", "--icmp-errors", SERVER, stdin=-3)
        self.assertEqual(done.returncode, UNREACHABLE)
        self.assertRegex(done.stderr, r"network unreachable \(connect: ENETUNREACH\) after "
                                      r"[\d.]+m?s\n +10\.0\.1\.1 says so: a router, or this host "
                                      r"itself, has no route to the peer's network\n$")


class Idle(Row):
    """2b: the host crashes, and the client is not sending."""

    def test_2b_keepalive_notices(self):
        self.begin(client=("--keepalive=1,1,2",))
        self.echo()
        self.cut()
        closed = self.assert_client_ends(TIMED_OUT, cause="timed-out", error="ETIMEDOUT",
                                         syscall="read")
        self.assertEqual(self.connected["keepalive"], {"idle_s": 1, "interval_s": 1, "count": 2})
        self.assert_as_predicted("idle_ms", closed["noticed_ms"])
        self.assert_client_saw("CLOSE")
        self.assert_server_saw()

    def test_2b_without_it_nobody_notices(self):
        self.begin()
        self.assertIsNone(self.connected["if_peer_vanishes"]["idle_ms"])
        self.assertIs(self.connected["keepalive"], False)
        self.echo()
        self.cut()
        time.sleep(4)
        row, = self.list("-p", "9998")
        self.assertEqual((row["state"], row["pid"]), ("ESTABLISHED", self.line.pid))
        self.assertNotIn("timer", row)
        self.assertIsNone(self.line.process.poll())
        self.assertEqual(self.line.events[-1]["event"], "connected")
        self.assert_client_saw()
        self.assert_server_saw()

    def test_2b_keepalive_of_the_server(self):
        """It is the same for an end that waits for a client's next line."""
        self.begin(server=("--keepalive=1,1,2",))
        self.echo()
        self.cut()
        closed = self.served.wait_for(event="closed")
        self.assertEqual((closed["cause"], closed["error"], closed["syscall"]),
                         ("timed-out", "ETIMEDOUT", "read"))
        self.assertAlmostEqual(closed["noticed_ms"], 3000, delta=300)
        self.assert_client_saw()
        self.assert_server_saw("CLOSE")


class Rebooted(Row):
    """3: the host crashes and is back before the client sends."""

    def test_3_new_kernel_does_not_know_the_connection(self):
        capture = self.capture()
        self.begin()
        self.echo()
        self.reboot()
        with on(self.server):
            after = self.monitor("-p", "9998", "--duration=2")
        time.sleep(0.5)
        self.assertIsNone(self.line.process.poll())
        self.line.say("still there?\n")
        closed = self.assert_client_ends(RESET, cause="reset", error="ECONNRESET", syscall="read",
                                         bytes_sent=19, bytes_received=6)
        self.assertEqual(capture.segments("FIN"), [])
        rst, = capture.segments("RST")
        asked = [segment for segment in capture.segments("PSH") if segment.outgoing][-1]
        self.assertEqual((rst.src, rst.outgoing, rst.seq), (SERVER, False, asked.ack))
        self.assertTrue(-0.01 < seconds(closed) - rst.time < 2, (closed, rst))
        self.assert_client_saw("CLOSE", cause="reset")
        self.assertEqual(after.finish(), (0, ""))
        self.assertEqual([event["event"] for event in after.events], ["summary"])

    def test_3_in_words(self):
        with on(self.server):
            self.start_server("--bind", "any")
        line = self.spawn(TCPWATCH, "client", SERVER, stdin=-1, stdout=-1, stderr=-1, text=True)
        for _ in range(3):
            line.stderr.readline()
        self.reboot()
        text = line.communicate("still there?\n")[1]
        self.assertRegex(text, r"reset \(read: ECONNRESET\); lived [\d.]+m?s; the last byte was "
                               r"sent [\d.]+m?s before; sent 13 bytes, received 0 bytes\n"
                               r" +the peer's kernel answered RST: it no longer knows this "
                               r"connection, as after a reboot or a killed process, or its process "
                               r"threw it away\n$")
        self.assertEqual(line.returncode, RESET)


class ShutDown(Row):
    """4: the host is shut down: SIGTERM to all, SIGKILL to those who are still there, and their
    sockets are closed as if they had done it."""

    def end_all(self, number):
        for pid in list(self.server.processes()):
            if pid != self.at_server.pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
        return time.time()

    def assert_ends_as_1(self, asked):
        closed = self.assert_client_ends(PEER_CLOSED, cause="peer-close", error=None,
                                         syscall="read", bytes_sent=6, bytes_received=6)
        self.assertLess(seconds(closed) - asked, 2)
        self.assert_client_saw("CLOSE_WAIT?", "LAST_ACK?", "CLOSE")
        self.assert_server_saw("FIN_WAIT1?", "FIN_WAIT2?", "TIME_WAIT", cause="fin",
                               closed_first="local?")

    def shut_down(self, server, still_open):
        self.begin(server=server)
        self.echo()
        asked = self.end_all(signal.SIGTERM)
        self.assertEqual(self.served.finish(), (0, ""))
        end = self.served.events[-1]
        self.assertEqual((end["event"], end["signal"], end["accepted"]), ("shutdown", "SIGTERM", 1))
        self.assertIn(end["open"], still_open)
        self.assert_ends_as_1(asked)

    def test_4_sigterm_to_one_process(self):
        self.shut_down((), [1])

    def test_4_sigterm_to_a_process_a_connection(self):
        self.shut_down(("--model=fork",), [0, 1])  # who of the two was faster

    def test_4_sigkill_for_those_who_do_not_listen(self):
        self.begin(server=("--model=fork",))
        self.echo()
        self.freeze(self.accepted["pid"])
        self.end_all(signal.SIGTERM)
        time.sleep(1)
        self.assertIsNone(self.line.process.poll())
        self.assert_ends_as_1(self.end_all(signal.SIGKILL))


class Traced:
    """The same rows, seen by the trace source: the verdict is the same, and nothing is missed."""
    source = "trace"

    def setUp(self):
        needs_trace()
        super().setUp()


for row in Row.__subclasses__():
    globals()[f"Traced{row.__name__}"] = type(f"Traced{row.__name__}", (Traced, row), {})
del row


if __name__ == "__main__":
    unittest.main()
