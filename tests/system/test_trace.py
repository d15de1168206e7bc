# SPDX-License-Identifier: MIT
"""tcpwatch monitor --source=trace: every transition at its moment, on real connections."""
import collections
import contextlib
import ctypes
import os
import platform
import re
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest

import test_monitor
from harness import (AS_NOBODY, TCPWATCH, NetworkTest, _call, cookie_of, die_with_parent,
                     disconnect, needs, needs_other_user, needs_trace, seconds, set_up, watches,
                     write)
from hosts import CLIENT, SERVER, SERVER6, Host, HostsTest, on
from test_monitor import quick_connections, reset

MS_BIND = 4096
IPPROTO_MPTCP = 262
TCP_USER_TIMEOUT = 18
TCP_FASTOPEN = 23

# linux/capability.h
CAPABILITIES = {"dac_read_search": 2, "sys_ptrace": 19, "sys_admin": 21}

CONNECTED = ["SYN_SENT", "ESTABLISHED"]
CLOSED_FIRST = CONNECTED + ["FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT"]
CLOSED_LAST = ["ESTABLISHED", "CLOSE_WAIT", "LAST_ACK", "CLOSE"]


class Traced:
    """A test whose monitors trace."""
    source = "trace"

    def setUp(self):
        needs_trace()
        super().setUp()

    def watch(self, *args, host="127.0.0.1", **options):
        """Returns (a listener, a monitor that traces already)."""
        listener = self.listen(host)
        monitor = self.monitor(*(args or ("-p", "9998")), **options)
        monitor.wait_for(event="appeared", state="LISTEN")
        return listener, monitor

    def assert_told_once(self, monitor, passed_over=0):
        """Whatever was seen of a connection: it appears first, goes on from where it stood, and is
        closed once; and nothing follows its end. Of a request or a minisock, which have no process,
        sock_diag tells, and all else is exact."""
        self.assert_legal_order(monitor.events)
        kinds = collections.defaultdict(list)
        for event in monitor.events:
            if "cookie" in event:
                kinds[event["cookie"]].append(event)
        for events in kinds.values():
            self.assertEqual([event["event"] for event in events].count("appeared"), 1, events)
            self.assertEqual(events[0]["event"], "appeared")
            closed = [event for event in events if event["event"] == "closed"]
            self.assertLessEqual(len(closed), 1, events)
            if closed:
                after = events[events.index(closed[0]) + 1:]
                self.assertIn([event["state"] for event in after],
                              ([], ["CLOSE"]) if closed[0]["state"] == "TIME_WAIT" else ([],))
            ends = [i for i, event in enumerate(events)
                    if event["event"] == "transition" and event["to"] == "CLOSE"]
            self.assertLessEqual(len(ends), 1, events)
            for event in events[ends[0] + 1:] if ends else []:
                self.assertEqual(event["event"], "closed", events)
        skipping = [event for event in monitor.events if "skipped" in event]
        self.assertLessEqual(len(skipping), passed_over, skipping)

    def assert_exact(self, monitor, cookie):
        for event in monitor.of(cookie):
            if event["event"] == "transition":
                self.assertTrue(event["exact"], event)

    def end(self, monitor, passed_over=0):
        """Stops it; all that it told is in order, and nothing was lost."""
        self.assertEqual(monitor.stop(), (0, ""))
        self.assert_told_once(monitor, passed_over)
        self.assertEqual(monitor.events[-1]["lost"], 0)
        self.assertFalse([event for event in monitor.events if event["event"] == "lost"])

    def assert_closed(self, monitor, cookie, **wanted):
        closed = monitor.wait_for(event="closed", cookie=cookie)
        self.assertEqual({key: closed.get(key) for key in wanted}, wanted, closed)
        return closed


class TraceTest(Traced, NetworkTest):
    pass


class TraceHostsTest(Traced, HostsTest):
    pass


class Moves(TraceTest):
    def close_both(self, monitor, server, client):
        """The client first; then all has been told. Returns the cookies, the client's first."""
        cookies = cookie_of(client), cookie_of(server)
        client.sendall(b"abc")
        server.recv(10)
        server.sendall(b"defgh")
        client.recv(10)
        client.shutdown(socket.SHUT_WR)
        server.recv(10)
        server.close()
        monitor.wait_for(event="closed", cookie=cookies[0])
        monitor.wait_for(event="closed", cookie=cookies[1])
        return cookies

    def test_both_ends_of_a_normal_close_are_whole_and_exact(self):
        listener, monitor = self.watch()
        first, last = self.close_both(monitor, *self.connect(listener))
        self.end(monitor)
        self.assertEqual(monitor.path(first), CLOSED_FIRST)
        self.assertEqual(monitor.path(last), CLOSED_LAST)
        for cookie in first, last:
            self.assert_exact(monitor, cookie)
            self.assertNotIn("dwell_at_least", monitor.of(cookie)[1])
        self.assert_closed(monitor, first, cause="fin", closed_first="local", state="TIME_WAIT",
                           bytes_sent=3, bytes_received=5, retransmits=0)
        self.assert_closed(monitor, last, cause="fin", closed_first="remote", state="CLOSE",
                           bytes_sent=5, bytes_received=3, retransmits=0)
        self.assertEqual(monitor.events[-1]["ended"], {"fin": 2})

    def test_ipv6_and_mapped_addresses(self):
        listener, monitor = self.watch(host="::")
        for address, shown in ("::1", "::1"), ("127.0.0.1", "::ffff:127.0.0.1"):
            first, last = self.close_both(monitor, *self.connect(listener, (address, 9998)))
            self.assertEqual(monitor.path(first), CLOSED_FIRST)
            self.assertEqual(monitor.path(last), CLOSED_LAST)
            self.assertEqual({event["local"]["address"] for event in monitor.of(first)}, {address})
            self.assertEqual({event["local"]["address"] for event in monitor.of(last)}, {shown})
        self.end(monitor)

    def test_ports_of_the_side_that_connects_are_known_at_once_or_next(self):
        listener, monitor = self.watch()
        server, client = self.connect(listener)
        port = client.getsockname()[1]
        cookie, _ = self.close_both(monitor, server, client)
        self.assertEqual([event["local"].get("port") for event in monitor.of(cookie)][1:],
                         [port] * 5)
        self.end(monitor)

    def test_fins_that_cross(self):
        """Both ends close before either has read the other's FIN, at some time."""
        listener, monitor = self.watch()
        closing = 0
        for _ in range(300):
            ends = self.connect(listener)
            pids = []
            for end in ends:
                pid = os.fork()
                if pid == 0:
                    end.shutdown(socket.SHUT_WR)
                    os._exit(0)
                pids.append(pid)
            for pid in pids:
                os.waitpid(pid, 0)
            for end in ends:
                end.close()
        time.sleep(0.3)
        # Some kernels pass a few over without a word (TRACING in the manual).
        self.end(monitor, passed_over=3)
        closing = [event for event in monitor.events if event.get("to") == "CLOSING"]
        for event in closing:
            closed = self.assert_closed(monitor, event["cookie"], cause="fin", state="TIME_WAIT")
            self.assertNotIn("closed_first", closed)
        self.assertEqual(monitor.events[-1]["ended"], {"fin": 600})

    def test_time_wait_ends_in_its_time(self):
        listener, monitor = self.watch()
        first, _ = self.close_both(monitor, *self.connect(listener))
        end = monitor.wait_for(timeout_s=90, cookie=first, to="CLOSE")
        self.assertEqual((end["from"], end["exact"]), ("TIME_WAIT", False))
        self.assertTrue(59000 <= end["dwell_ms"] <= 70000, end)
        self.end(monitor)

    def test_orphan_in_fin_wait2_ends_in_its_time(self):
        write("/proc/sys/net/ipv4/tcp_fin_timeout", "1")
        listener, monitor = self.watch()
        server, client = self.connect(listener)
        cookie = cookie_of(client)
        client.close()
        orphan = monitor.wait_for(cookie=cookie, to="FIN_WAIT2")
        self.assertTrue(orphan["exact"])
        self.assertEqual(orphan["timer"]["kind"], "timewait")
        self.assertNotIn("pid", orphan)
        end = monitor.wait_for(cookie=cookie, to="CLOSE")
        self.assertEqual((end["from"], end["exact"]), ("FIN_WAIT2", False))
        self.assertTrue(900 <= end["dwell_ms"] < 5000, end)
        self.assert_closed(monitor, cookie, cause="timed-out", error=None)
        server.close()
        self.end(monitor)

    def test_orphan_in_fin_wait2_goes_on(self):
        listener, monitor = self.watch()
        server, client = self.connect(listener)
        cookie = cookie_of(client)
        client.close()
        monitor.wait_for(cookie=cookie, to="FIN_WAIT2")
        time.sleep(3)
        server.close()
        end = monitor.wait_for(cookie=cookie, to="TIME_WAIT")
        self.assert_closed(monitor, cookie, cause="fin", closed_first="local", bytes_received=0)
        self.end(monitor)
        self.assertEqual(monitor.path(cookie), CLOSED_FIRST)
        # It is asked for each 375 ms by then; its timer tells the moment of the FIN.
        fin = monitor.wait_for(to="LAST_ACK")
        self.assertFalse(end["exact"])
        self.assertAlmostEqual(seconds(end), seconds(fin), delta=0.03)

    def test_ends_that_a_process_keeps_open(self):
        """After the peer's RST nothing is left to happen when it is closed at last."""
        listener, monitor = self.watch()
        server, client = self.connect(listener)
        cookie = cookie_of(client)
        reset(server)
        self.assert_closed(monitor, cookie, cause="reset")
        time.sleep(0.3)
        client.close()
        time.sleep(0.3)
        self.end(monitor)
        self.assertEqual(monitor.path(cookie), CONNECTED + ["CLOSE"])

    def test_socket_that_connects_again(self):
        """One socket, one cookie, two connections: each has its beginning and its end."""
        listener, monitor = self.watch("-p", "9998,9997")
        client = socket.socket()
        cookie = cookie_of(client)
        for _ in range(2):
            self.assertRaises(ConnectionRefusedError, client.connect, ("127.0.0.1", 9997))
        client.connect(("127.0.0.1", 9998))
        port = client.getsockname()[1]
        time.sleep(2.5)  # while it stands, it is looked at
        reset(client)
        listener.accept()[0].close()
        self.wait_until(lambda: not self.list("--remote-port", "9998"))
        self.assertEqual(monitor.stop(), (0, ""))
        self.assertEqual(monitor.path(cookie),
                         ["SYN_SENT", "CLOSE"] * 2 + CONNECTED + ["CLOSE"])
        self.assertEqual([event["cause"] for event in monitor.of(cookie)
                          if event["event"] == "closed"], ["refused", "refused", "aborted"])
        begins, *goes_on = monitor.of(cookie)[-4:]
        self.assertNotIn("port", begins["local"])  # not the last one
        self.assertEqual({event["local"]["port"] for event in goes_on}, {port})

    def test_socket_that_connects_again_beside_its_minisock(self):
        """Which has its cookie, too."""
        listener, monitor = self.watch()
        client = socket.create_connection(("127.0.0.1", 9998))
        self.addCleanup(client.close)
        server = listener.accept()[0]
        cookie = cookie_of(client)
        client.shutdown(socket.SHUT_WR)
        monitor.wait_for(cookie=cookie, state="FIN_WAIT2")
        server.close()
        monitor.wait_for(cookie=cookie, state="TIME_WAIT")
        disconnect(client)
        client.connect(("127.0.0.1", 9998))
        port = client.getsockname()[1]
        time.sleep(2.5)  # the minisock is asked for, and what stands is looked at
        reset(client)
        monitor.wait_for(event="closed", cookie=cookie, local_port=port)
        self.assertEqual(monitor.stop(), (0, ""))
        self.assertEqual(monitor.path(cookie), CLOSED_FIRST + CONNECTED + ["CLOSE"])

    def test_simultaneous_open(self):
        """Of a socket that connects to itself."""
        _, monitor = self.watch("-p", "9998,9997")
        client = socket.socket()
        cookie = cookie_of(client)
        client.bind(("127.0.0.1", 9997))
        client.connect(("127.0.0.1", 9997))
        client.close()
        monitor.wait_for(event="closed", cookie=cookie)
        self.assertEqual(monitor.stop(), (0, ""))
        self.assert_told_once(monitor)
        self.assertEqual(monitor.path(cookie)[:3], ["SYN_SENT", "SYN_RECV", "ESTABLISHED"])

    def test_addresses_in_use_again_at_once(self):
        listener, monitor = self.watch()
        cookies = []
        for _ in range(20):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            client.bind(("127.0.0.1", 30000))
            client.connect(("127.0.0.1", 9998))
            server = listener.accept()[0]
            cookies += [cookie_of(client), cookie_of(server)]
            reset(client)
            server.close()
        self.assertEqual(len(set(cookies)), 40)
        time.sleep(0.3)
        self.end(monitor)
        for client, server in zip(cookies[::2], cookies[1::2]):
            self.assertEqual(monitor.path(client), CONNECTED + ["CLOSE"])
            self.assertEqual(monitor.path(server), ["ESTABLISHED", "CLOSE"])
            self.assert_closed(monitor, client, cause="aborted")
            self.assert_closed(monitor, server, cause="reset", error="ECONNRESET")

    def test_time_wait_whose_addresses_are_in_use_again(self):
        """The next SYN takes the place of the server's minisock."""
        listener, monitor = self.watch()
        before = []
        for _ in range(3):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            client.bind(("127.0.0.1", 30000))
            client.connect(("127.0.0.1", 9998))
            server = listener.accept()[0]
            before.append((cookie_of(client), cookie_of(server)))
            server.shutdown(socket.SHUT_WR)
            client.recv(1)
            client.close()
            monitor.wait_for(event="closed", cookie=before[-1][0])
            monitor.wait_for(event="closed", cookie=before[-1][1])
            server.close()
            time.sleep(0.01)
        self.end(monitor)
        for client, server in before:
            self.assertEqual(monitor.path(client),
                             CONNECTED + ["CLOSE_WAIT", "LAST_ACK", "CLOSE"])
            self.assertEqual(monitor.path(server)[:4],
                             ["ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT"])
        for _, server in before[:-1]:  # as the next one comes
            self.assertEqual(monitor.path(server)[4:], ["CLOSE"])
            self.assertLess(monitor.of(server)[-1]["dwell_ms"], 5000)

    def test_subflow_of_mptcp(self):
        try:
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP)
        except OSError as error:
            self.skipTest(f"this kernel has no MPTCP ({error})")
        self.addCleanup(listener.close)
        listener.bind(("127.0.0.1", 9998))
        listener.listen()
        monitor = self.monitor("-p", "9998")
        monitor.wait_for(event="appeared", state="LISTEN")
        client = socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP)
        client.connect(("127.0.0.1", 9998))
        server = listener.accept()[0]
        client.sendall(b"abc")
        self.assertEqual(server.recv(10), b"abc")
        client.close()
        server.recv(10)
        server.close()
        self.wait_until(lambda: not self.list("-p", "9998", "-s", "established"))
        time.sleep(0.5)
        self.end(monitor)
        for port in "local_port", "remote_port":
            end = monitor.wait_for(event="transition", **{port: 9998, "from": "ESTABLISHED"})
            self.assertIn("ESTABLISHED", monitor.path(end["cookie"]))

    def test_fast_open(self):
        try:
            write("/proc/sys/net/ipv4/tcp_fastopen", "3")
        except OSError as error:
            self.skipTest(f"this kernel has no TCP fast open ({error})")
        listener = self.listen()
        listener.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN, 16)
        monitor = self.monitor("-p", "9998")
        monitor.wait_for(event="appeared", state="LISTEN")
        cookies = []
        for _ in range(3):  # the first gets the cookie that the others begin with
            client = socket.socket()
            client.sendto(b"abc", socket.MSG_FASTOPEN, ("127.0.0.1", 9998))
            server = listener.accept()[0]
            self.assertEqual(server.recv(10), b"abc")
            cookies.append((cookie_of(client), cookie_of(server)))
            client.close()
            server.recv(1)
            server.close()
        time.sleep(0.5)
        self.end(monitor)
        for client, server in cookies:
            self.assertEqual(monitor.path(client), CLOSED_FIRST)
            self.assertEqual([state for state in monitor.path(server)
                              if state != "SYN_RECV"], CLOSED_LAST)


class Causes(TraceTest):
    def test_refused(self):
        listener, monitor = self.watch("-p", "9998,9997")
        client = socket.socket()
        self.addCleanup(client.close)
        cookie = cookie_of(client)
        self.assertRaises(ConnectionRefusedError, client.connect, ("127.0.0.1", 9997))
        closed = self.assert_closed(monitor, cookie, cause="refused", error="ECONNREFUSED",
                                    segments_sent=1, segments_received=1)
        self.assertNotEqual(closed["local"]["port"], 0)
        self.end(monitor)
        self.assertEqual(monitor.path(cookie), ["SYN_SENT", "CLOSE"])
        self.assert_exact(monitor, cookie)
        listener.close()

    def test_reset_and_aborted(self):
        listener, monitor = self.watch()
        server, client = self.connect(listener)
        cookies = cookie_of(server), cookie_of(client)
        client.sendall(b"abc")
        server.recv(10)
        server.sendall(b"defgh")
        client.recv(10)
        reset(server)
        self.assert_closed(monitor, cookies[0], cause="aborted", error=None)
        self.assert_closed(monitor, cookies[1], cause="reset", error="ECONNRESET",
                           bytes_sent=3, bytes_received=5)
        self.end(monitor)
        self.assert_exact(monitor, cookies[0])
        self.assert_exact(monitor, cookies[1])
        self.assertEqual(monitor.path(cookies[0]), ["ESTABLISHED", "CLOSE"])
        self.assertEqual(monitor.path(cookies[1]), CONNECTED + ["CLOSE"])

    def test_reset_after_the_fin(self):
        """A RST comes after the peer's FIN: to what is written then."""
        listener, monitor = self.watch()
        server, client = self.connect(listener)
        cookie = cookie_of(client)
        server.close()
        monitor.wait_for(cookie=cookie, to="CLOSE_WAIT")
        client.sendall(b"late")
        self.assert_closed(monitor, cookie, cause="reset", error="EPIPE")
        self.end(monitor)
        self.assertEqual(monitor.path(cookie), CONNECTED + ["CLOSE_WAIT", "CLOSE"])

    def test_closed_with_unread_data(self):
        listener, monitor = self.watch()
        server, client = self.connect(listener)
        cookies = cookie_of(server), cookie_of(client)
        client.sendall(b"never read")
        self.wait_until(lambda: [row for row in self.list("-p", "9998") if row["recv_queue"] == 10])
        server.close()
        self.assert_closed(monitor, cookies[0], cause="aborted", bytes_received=10)
        self.assert_closed(monitor, cookies[1], cause="reset", error="ECONNRESET", bytes_sent=10)
        self.end(monitor)

    def watch_in_words(self):
        """Returns (a listener, a monitor that traces already and prints text)."""
        listener = self.listen(port=9998)
        monitor = self.spawn(TCPWATCH, "monitor", "--source=trace", "-p", "9998", stdout=-1,
                             text=True)
        monitor.stdout.readline()
        self.assertIn("LISTEN", monitor.stdout.readline())
        return listener, monitor

    def test_what_nobody_accepted_is_told_so(self):
        listener, monitor = self.watch_in_words()
        client = socket.create_connection(("127.0.0.1", 9998))
        time.sleep(0.2)
        listener.close()
        time.sleep(0.3)
        monitor.send_signal(signal.SIGINT)
        self.assertRegex(monitor.communicate()[0],
                         "aborted: this side threw it away with a reset, and no process held it;")
        client.close()

    def test_unread_data_is_named(self):
        """Also behind the peer's FIN, which is no data."""
        listener, monitor = self.watch_in_words()
        for is_closed in False, True:
            server, client = self.connect(listener)
            client.sendall(b"never read")
            if is_closed:
                client.shutdown(socket.SHUT_WR)
            self.wait_until(lambda: [row for row in self.list("-p", "9998")
                                     if row["recv_queue"] == 10 + is_closed])
            server.close()
            client.close()
        time.sleep(0.3)
        monitor.send_signal(signal.SIGINT)
        words = re.findall("aborted: .*", monitor.communicate()[0])
        self.assertEqual([text.split(";")[0] for text in words],
                         ["aborted: this side threw it away with a reset, and had not read 10 "
                          "bytes"] * 2)

    def test_shut_down_and_thrown_away(self):
        """With unread data; from the states after its own FIN."""
        listener, monitor = self.watch()
        server, client = self.connect(listener)
        cookies = cookie_of(server), cookie_of(client)
        server.shutdown(socket.SHUT_WR)
        monitor.wait_for(cookie=cookies[0], to="FIN_WAIT2")
        client.sendall(b"never read")
        self.wait_until(lambda: [row for row in self.list("-p", "9998") if row["recv_queue"] == 10])
        server.close()
        self.assert_closed(monitor, cookies[0], cause="aborted", error=None)
        self.assert_closed(monitor, cookies[1], cause="reset")
        self.end(monitor)

    def test_orphan_that_gets_data(self):
        """Its minisock answers with a RST, at its moment."""
        if tuple(map(int, platform.release().split(".")[:2])) < (6, 10):
            self.skipTest("this kernel does not tell of a minisock's RST")
        listener, monitor = self.watch()
        server, client = self.connect(listener)
        cookie = cookie_of(server)
        server.sendall(b"abc")
        client.recv(3)
        server.close()
        monitor.wait_for(cookie=cookie, to="FIN_WAIT2")
        client.sendall(b"late")
        self.assert_closed(monitor, cookie, cause="aborted", bytes_sent=3, bytes_received=0)
        client.close()
        self.end(monitor)
        self.assertEqual(monitor.path(cookie), ["ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2", "CLOSE"])
        self.assert_exact(monitor, cookie)

    def test_destroyed(self):
        needs("ss")
        listener, monitor = self.watch()
        server, client = self.connect(listener)
        cookies = cookie_of(client), cookie_of(server)
        os.system("ss -KHt 'dport = 9998' >/dev/null")
        if [row for row in self.list("--remote-port", "9998", "-s", "established")]:
            self.skipTest("this kernel cannot destroy sockets (CONFIG_INET_DIAG_DESTROY)")
        self.assert_closed(monitor, cookies[0], cause="destroyed", error="ECONNABORTED")
        self.assert_closed(monitor, cookies[1], cause="reset", error="ECONNRESET")
        self.end(monitor)
        server.close()
        client.close()

    def test_given_up_while_it_connects(self):
        """close() of a socket whose connect() waits."""
        self.silent_host()
        _, monitor = self.watch()
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(("10.9.9.2", 9998))
        cookie = cookie_of(client)
        monitor.wait_for(cookie=cookie, state="SYN_SENT")
        client.close()
        self.assert_closed(monitor, cookie, cause="aborted", error=None)
        self.end(monitor)


class CausesBetweenHosts(TraceHostsTest):
    def watch_client(self, address=SERVER):
        """Returns (listener on the server, monitor on the client)."""
        with on(self.server):
            listener = self.listen("::" if ":" in address else "0.0.0.0")
        monitor = self.monitor("-p", "9998,9997")
        self.listen(port=9997)
        monitor.wait_for(event="appeared", state="LISTEN")
        return listener, monitor

    def begin(self, address=SERVER):
        listener, monitor = self.watch_client(address)
        server, client = self.connect(listener, (address, 9998))
        return monitor, server, client

    def start_connecting(self, address=SERVER):
        client = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        self.addCleanup(client.close)
        client.setblocking(False)
        client.connect_ex((address, 9998))
        return client

    def test_refused_after_waiting(self):
        listener, monitor = self.watch_client()
        listener.close()
        self.drop_syn()
        client = self.start_connecting()
        cookie = cookie_of(client)
        monitor.wait_for(cookie=cookie, state="SYN_SENT")
        time.sleep(0.3)
        self.restore()
        closed = self.assert_closed(monitor, cookie, cause="refused", error="ECONNREFUSED")
        self.assertGreater(closed["lifetime_ms"], 300)
        self.end(monitor)
        self.assertEqual(monitor.path(cookie), ["SYN_SENT", "CLOSE"])

    def test_connect_that_times_out(self):
        self.client.set_sysctl("net.ipv4.tcp_syn_retries", 1)
        _, monitor = self.watch_client()
        self.drop_syn()
        cookie = cookie_of(self.start_connecting())
        self.assert_closed(monitor, cookie, cause="timed-out", error="ETIMEDOUT")
        self.end(monitor)

    def test_user_timeout(self):
        monitor, _, client = self.begin()
        client.setsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT, 700)
        self.cut()
        client.sendall(b"anybody?")
        self.assert_closed(monitor, cookie_of(client), cause="timed-out", error="ETIMEDOUT")
        self.end(monitor)

    def unreachable(self, breakage, cause, error, address=SERVER):
        _, monitor = self.watch_client(address)
        breakage()
        client = self.start_connecting(address)
        self.assert_closed(monitor, cookie_of(client), cause=cause, error=error)
        self.end(monitor)

    def test_host_unreachable(self):
        self.unreachable(self.unreachable_host, "host-unreachable", "EHOSTUNREACH")

    def test_host_unreachable_ipv6(self):
        self.unreachable(self.unreachable_host, "host-unreachable", "EHOSTUNREACH", SERVER6)

    def test_network_unreachable(self):
        self.unreachable(self.unreachable_network, "network-unreachable", "ENETUNREACH")

    def lose_syn_acks(self):
        self.router.ip("rule add pref 9 iif to-server blackhole")

    def watch_request(self):
        with on(self.server):
            listener, monitor = self.watch(host="0.0.0.0")
        self.lose_syn_acks()
        self.client_socket = self.start_connecting()
        request = monitor.wait_for(event="appeared", state="SYN_RECV")
        self.assertEqual(request["remote"]["address"], CLIENT)
        self.assertNotIn("pid", request)
        return listener, monitor, request["cookie"]

    def test_request_whose_answer_is_lost_is_given_up(self):
        self.server.set_sysctl("net.ipv4.tcp_synack_retries", 1)
        _, monitor, cookie = self.watch_request()
        self.client_socket.close()
        end = monitor.wait_for(cookie=cookie, to="CLOSE")
        self.assertEqual((end["from"], end["exact"]), ("SYN_RECV", False))
        self.assertTrue(end["dwell_at_least"])
        closed = self.assert_closed(monitor, cookie, error=None, lifetime_ms=None)
        self.assertNotIn("cause", closed)
        self.end(monitor)

    def test_request_whose_answer_comes_at_last(self):
        listener, monitor, cookie = self.watch_request()
        self.router.ip("rule del pref 9 iif to-server blackhole")
        monitor.wait_for(cookie=cookie, to="ESTABLISHED")
        server = listener.accept()[0]
        self.assertEqual(cookie_of(server), cookie)
        self.client_socket.close()
        server.close()
        self.assert_closed(monitor, cookie, cause="fin")
        self.end(monitor)
        self.assertEqual(monitor.path(cookie)[:2], ["SYN_RECV", "ESTABLISHED"])


class Start(TraceTest):
    """What stands, or moves, as the watch begins."""

    def test_what_stood_before_goes_on(self):
        listener = self.listen()
        kept = self.connect(listener)
        halved = self.connect(listener)
        halved[0].shutdown(socket.SHUT_WR)
        orphaned = self.connect(listener)
        waits = self.connect(listener)
        cookies = {name: (cookie_of(pair[0]), cookie_of(pair[1])) for name, pair in
                   (("kept", kept), ("halved", halved), ("orphaned", orphaned), ("waits", waits))}
        orphaned[0].close()
        waits[0].shutdown(socket.SHUT_WR)
        waits[1].close()
        monitor = self.monitor("-p", "9998")
        for cookie, state in (
                (cookies["kept"][0], "ESTABLISHED"), (cookies["kept"][1], "ESTABLISHED"),
                (cookies["halved"][0], "FIN_WAIT2"), (cookies["halved"][1], "CLOSE_WAIT"),
                (cookies["orphaned"][0], "FIN_WAIT2"), (cookies["orphaned"][1], "CLOSE_WAIT"),
                (cookies["waits"][0], "TIME_WAIT")):
            monitor.wait_for(event="appeared", cookie=cookie, state=state)
        for pair in kept, halved, orphaned:
            pair[0].close()
            pair[1].close()
        for cookie in cookies["kept"] + cookies["halved"] + cookies["orphaned"]:
            monitor.wait_for(event="closed", cookie=cookie)
        self.end(monitor)
        for cookie in cookies["kept"] + cookies["halved"] + cookies["orphaned"]:
            moves = [event for event in monitor.of(cookie) if event["event"] == "transition"]
            self.assertTrue(moves[0]["dwell_at_least"], moves)
            self.assertFalse([move for move in moves[1:] if "dwell_at_least" in move], moves)
        self.assertEqual(monitor.path(cookies["kept"][0]), CLOSED_FIRST[1:])
        self.assertEqual(monitor.path(cookies["kept"][1]), CLOSED_LAST)
        self.assertEqual(monitor.path(cookies["halved"][0]), CLOSED_FIRST[3:])
        self.assertEqual(monitor.path(cookies["halved"][1]), CLOSED_LAST[1:])
        self.assertEqual(monitor.path(cookies["orphaned"][0]), CLOSED_FIRST[3:])
        self.assertEqual(monitor.path(cookies["waits"][0]), ["TIME_WAIT"])

    def test_what_moves_while_it_starts_is_told_once(self):
        listener = self.listen()
        quick_connections(listener, 4000)  # the first walk meets them in TIME_WAIT: it lasts

        def churn():
            number = 0
            while True:
                client = socket.create_connection(("127.0.0.1", 9998))
                server = listener.accept()[0]
                time.sleep(0.002)
                first, last = (server, client) if number % 2 else (client, server)
                if number % 5 == 4:
                    reset(first)
                else:
                    first.shutdown(socket.SHUT_WR)
                    last.recv(1)
                last.close()
                first.close()
                number += 1

        self.fork(churn)
        time.sleep(0.2)
        for _ in range(8):
            monitor = self.monitor("-p", "9998", "--no-owner")
            monitor.wait_for(event="appeared", state="ESTABLISHED")
            time.sleep(0.3)
            self.assertEqual(monitor.stop(), (0, ""))
            self.assert_told_once(monitor)
            self.assertFalse([event for event in monitor.events if event["event"] == "lost"])
            summary = monitor.events[-1]
            self.assertGreater(summary["transitions"], 20)


class Many(TraceTest):
    def test_short_connections_are_all_whole(self):
        listener, monitor = self.watch("-p", "9998", "--no-owner")
        quick_connections(listener, 2000)
        time.sleep(0.5)
        self.assertEqual(monitor.stop(), (0, ""))
        self.assert_told_once(monitor)
        closed = [event for event in monitor.events if event["event"] == "closed"]
        self.assertEqual(len({event["cookie"] for event in closed}), len(closed))
        if monitor.events[-1]["lost"] or [event for event in monitor.events
                                          if event["event"] == "lost"]:
            return  # it has said so
        self.assertEqual(len(closed), 4000)
        self.assertEqual(monitor.events[-1]["ended"], {"fin": 4000})
        paths = collections.defaultdict(list)
        for event in monitor.events:
            if event.get("from") == "TIME_WAIT":
                continue  # another has taken its port
            if event["event"] in ("appeared", "transition"):
                paths[event["cookie"]].append(event["state"])
                if event["state"] != "TIME_WAIT":  # an orphan's, which has to be asked for
                    self.assertNotEqual(event.get("exact"), False, event)
        for event in closed:
            from_client = event["remote"]["port"] == 9998
            self.assertEqual(paths[event["cookie"]], CLOSED_FIRST if from_client else CLOSED_LAST)
            self.assertEqual((event["bytes_sent"], event["bytes_received"], event["closed_first"]),
                             (3, 5, "local") if from_client else (5, 3, "remote"))

    def test_watcher_that_was_stopped_says_what_it_lost(self):
        """Where more happens than the ring holds, that is said, and it goes on with what stands."""
        listener = self.listen()
        monitor = self.monitor("-p", "9998", "--no-owner", "-s", "CLOSE")
        self.wait_until(lambda: watches(monitor.pid), timeout_s=30)
        kept = self.connect(listener)
        gone = self.connect(listener)
        self.freeze(monitor.pid)
        made = 50000
        for _ in range(made):
            server, client = self.connect_quietly(listener)
            reset(client)
            server.close()
        for end in gone:
            reset(end)
        monitor.process.send_signal(signal.SIGCONT)
        cookies = [cookie_of(end) for end in kept]
        reset(kept[0])
        kept[1].close()
        for cookie in cookies:
            monitor.wait_for(event="closed", cookie=cookie, timeout_s=60)
        time.sleep(0.5)
        self.assertEqual(monitor.stop(), (0, ""))
        closed = collections.Counter(event["cookie"] for event in monitor.events
                                     if event["event"] == "closed")
        for cookie, count in closed.items():
            if count > 1:
                self.assertEqual(count, 1, monitor.of(cookie))
        lost = [event for event in monitor.events if event["event"] == "lost"]
        self.assertRegex(lost[0]["reason"], r"^\d+ events came faster than they could be read$")

    @staticmethod
    def connect_quietly(listener):
        client = socket.create_connection(("127.0.0.1", 9998))
        return listener.accept()[0], client


class Filters(TraceTest):
    def seen(self, monitors):
        """The (local, remote) ports that each has seen."""
        ports = {}
        for name, monitor in monitors.items():
            self.assertEqual(monitor.stop(), (0, ""))
            self.assert_told_once(monitor)
            ports[name] = {(event["local"]["port"], event["remote"]["port"])
                           for event in monitor.events
                           if event["event"] == "transition" and event["from"] == "ESTABLISHED"}
        return ports

    def start(self, **filters):
        """A monitor for each, which traces already."""
        monitors = {name: self.monitor("--no-owner", *args.split())
                    for name, args in filters.items()}
        for monitor in monitors.values():
            self.wait_until(lambda pid=monitor.pid: watches(pid), timeout_s=30)
        return monitors

    def close_all(self, *pairs):
        for server, client in pairs:
            server.close()
            client.close()
        time.sleep(0.5)

    def connect_from(self, port, listener, address=None):
        address = address or listener.getsockname()[:2]
        client = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        client.bind(("::" if ":" in address[0] else "0.0.0.0", port))
        client.connect(address)
        return listener.accept()[0], client

    def test_ports(self):
        listeners = {port: self.listen(port=port) for port in (9990, 9997, 9998)}
        spread = ",".join(str(port) for port in range(9000, 9036, 2))
        monitors = self.start(
            range="-p 9997-9999", local="--local-port=9998", remote="--remote-port=9998",
            both="-p 9998 --remote-port=9998", other="-p 1,2,3", client="--local-port=30001",
            many=f"-p {spread},9998", many_local=f"--local-port {spread},9990",
            many_remote=f"--remote-port {spread},9990")
        pairs = [self.connect_from(30000 + i, listeners[port])
                 for i, port in enumerate((9990, 9997, 9998))]
        self.close_all(*pairs)
        self.assertEqual(self.seen(monitors), {
            "range": {(9997, 30001), (30001, 9997), (9998, 30002), (30002, 9998)},
            "local": {(9998, 30002)},
            "remote": {(30002, 9998)},
            "both": {(30002, 9998)},
            "other": set(),
            "client": {(30001, 9997)},
            "many": {(9998, 30002), (30002, 9998)},
            "many_local": {(9990, 30000)},
            "many_remote": {(30000, 9990)},
        })

    def test_port_that_connect_chose(self):
        """It is chosen after the first state. The connection has not stood there before."""
        write("/proc/sys/net/ipv4/ip_local_port_range", "42000 42999")
        listener = self.listen()
        monitors = self.start(local="--local-port=42000-42999", either="-p 42000-42999")
        until = self.monitor("--local-port=42000-42999", "--until=SYN_SENT", "--duration=20")
        self.wait_until(lambda: watches(until.pid), timeout_s=30)
        server, client = self.connect(listener)
        cookie = cookie_of(client)
        port = client.getsockname()[1]
        self.close_all((server, client))
        self.assertEqual(until.finish(), (0, ""))
        self.assertEqual(self.seen(monitors), {"local": {(port, 9998)},
                                               "either": {(port, 9998), (9998, port)}})
        for monitor in monitors.values():
            self.assertEqual(monitor.path(cookie)[:2], CONNECTED)
            self.assertEqual(monitor.of(cookie)[0]["local"]["port"], port)

    def test_port_of_who_gets_no_answer(self):
        """It is known from the second SYN on."""
        self.silent_host()
        write("/proc/sys/net/ipv4/ip_local_port_range", "42000 42999")
        monitors = self.start(local="--local-port=42000-42999", either="-p 42000-42999")
        client = socket.socket()
        client.setblocking(False)
        with self.assertRaises(BlockingIOError):
            client.connect(("10.9.9.2", 80))
        port = client.getsockname()[1]
        for monitor in monitors.values():
            monitor.wait_for(event="appeared", state="SYN_SENT", local_port=port)
        client.close()
        for monitor in monitors.values():
            monitor.wait_for(event="closed", local_port=port)
        self.seen(monitors)

    def test_addresses_and_families(self):
        v4, v6 = self.listen("0.0.0.0"), None
        v4.close()
        v6 = self.listen("::")
        other = [f"10.{i}.0.0/16" for i in range(2, 40, 2)]
        monitors = self.start(
            v4="-4", v6="-6", net="-a 127.0.0.0/8", host="-a 127.0.0.2", half="-a 127.0.0.0/31",
            loop6="-a ::1", net6="-a ::/64", none="-a fe80::/10",
            many=f"-a {','.join(other)},127.0.0.2", many_other=f"-a {','.join(other)}")
        pairs = [self.connect_from(30000, v6, ("127.0.0.1", 9998)),
                 self.connect_from(30001, v6, ("127.0.0.2", 9998)),
                 self.connect_from(30002, v6, ("::1", 9998))]
        self.close_all(*pairs)
        one, two, six = ({(30000 + i, 9998), (9998, 30000 + i)} for i in range(3))
        self.assertEqual(self.seen(monitors), {
            "v4": {(30000, 9998), (30001, 9998)},
            "v6": {(9998, 30000), (9998, 30001)} | six,
            "net": one | two,
            "host": two,
            "half": one | two,  # from 127.0.0.1 to 127.0.0.2
            "loop6": six,
            "net6": six,
            "none": set(),
            "many": two,
            "many_other": set(),
        })

    def test_namespace_of_its_own_only(self):
        other = Host.new()
        with on(other):
            set_up("lo")
            inner = self.listen()
        outer = self.listen()
        here = self.monitor("-p", "9998")
        there = self.monitor("-p", "9998", "--netns", f"/proc/{os.getpid()}/fd/{other.fd}")
        here.wait_for(event="appeared", state="LISTEN")
        there.wait_for(event="appeared", state="LISTEN")
        with on(other):
            inside = self.connect(inner)
        outside = self.connect(outer)
        cookies = [{cookie_of(end) for end in pair} for pair in (outside, inside)]
        self.close_all(outside, inside)
        for monitor, wanted in zip((here, there), cookies):
            for cookie in wanted:
                monitor.wait_for(event="closed", cookie=cookie)
            self.end(monitor)
            self.assertEqual({event["cookie"] for event in monitor.events
                              if event["event"] == "closed"}, wanted)
            self.assertEqual(len({event["netns"] for event in monitor.events
                                  if "netns" in event}), 1)

    def test_namespace_of_its_own_only_without_proc(self):
        if "ASAN_OPTIONS" in os.environ:
            self.skipTest("LeakSanitizer needs /proc")
        other = Host.new()
        with on(other):
            set_up("lo")
            inner = self.listen()
            monitor = self.monitor("-p", "9998", prefix=("unshare", "--mount", "sh", "-c",
                                                         'umount -l /proc && exec "$@"', "sh"))
            monitor.wait_for(event="appeared", state="LISTEN")
            inside = self.connect(inner)
        outside = self.connect(self.listen())
        cookies = {cookie_of(end) for end in inside}
        self.close_all(outside, inside)
        for cookie in cookies:
            monitor.wait_for(event="closed", cookie=cookie)
        monitor.stop()
        self.assertEqual({event["cookie"] for event in monitor.events
                          if event["event"] == "closed"}, cookies)


class AllNamespaces(TraceTest):
    def setUp(self):
        super().setUp()
        names = unittest.TestLoader().getTestCaseNames(type(self))
        # That of no other test: these run beside it, in namespaces of this host.
        self.port = 19900 + list(names).index(self._testMethodName)

    def inhabited(self):
        """A host with a process in it: else nobody could find it."""
        host = Host.new()
        with on(host):
            set_up("lo")
            host.inhabitant = subprocess.Popen(["sleep", "infinity"], preexec_fn=die_with_parent)
        self.addCleanup(self.leave, host)
        return host

    @staticmethod
    def leave(host):
        host.inhabitant.kill()
        host.inhabitant.wait()

    def watch_all(self):
        monitor = self.monitor("-p", str(self.port), "--netns=all")
        monitor.wait_for(event="appeared", state="LISTEN")
        return monitor

    def watch_from_inside(self):
        """Returns (a monitor of all in an inhabited one, server, client)."""
        with on(self.inhabited()):
            listener = self.listen(port=self.port)
            return self.watch_all(), *self.connect(listener)

    def test_each_and_those_that_come_later(self):
        hosts = [self.inhabited()]
        outer = self.listen(port=self.port)
        monitor = self.watch_all()
        hosts.append(self.inhabited())
        wanted = {}
        for host in [*hosts, Host.here()]:
            with on(host):
                inode = os.stat("/proc/thread-self/ns/net").st_ino
                server, client = self.connect(outer if host not in hosts else self.listen(port=self.port))
            wanted.update({cookie_of(end): inode for end in (server, client)})
            server.close()
            client.close()
        for cookie, inode in wanted.items():
            self.assert_closed(monitor, cookie, cause="fin", netns=inode)
        self.end(monitor)
        self.assertEqual({event["cookie"] for event in monitor.events
                          if event["event"] == "closed"}, set(wanted))

    def test_orphans_are_asked_for_where_they_are(self):
        monitor, server, client = self.watch_from_inside()
        cookie = cookie_of(client)
        client.close()
        monitor.wait_for(event="transition", cookie=cookie, to="FIN_WAIT2")
        time.sleep(0.3)
        server.close()
        monitor.wait_for(event="transition", cookie=cookie, to="TIME_WAIT")
        self.assert_closed(monitor, cookie, cause="fin", closed_first="local")
        self.assertEqual(monitor.stop(), (0, ""))

    def test_no_namespace_is_kept(self):
        """A netlink socket would keep it: but for its own none is open for long."""
        monitor, server, client = self.watch_from_inside()
        cookie = cookie_of(client)
        client.close()
        server.close()
        monitor.wait_for(event="closed", cookie=cookie)
        self.wait_until(lambda: len(self.sockets_of(monitor)) == 1)
        self.assertEqual(monitor.stop(), (0, ""))

    def test_what_cannot_be_asked_is_not_taken_for_gone(self):
        """The last process has left the namespace, and a socket keeps it."""
        host = self.inhabited()
        with on(host):
            write("/proc/sys/net/ipv4/tcp_fin_timeout", "3")
            listener = self.listen(port=self.port)
        monitor = self.watch_all()
        with on(host):
            server, client = self.connect(listener)
        cookie = cookie_of(client)
        client.close()
        monitor.wait_for(event="transition", cookie=cookie, to="FIN_WAIT2")
        self.leave(host)
        ended = monitor.wait_for(event="transition", cookie=cookie, to="CLOSE")
        self.assertGreater(ended["dwell_ms"], 2500)
        self.assertLess(ended["dwell_ms"], 9000)
        self.assert_closed(monitor, cookie, cause=None)
        self.assertEqual(monitor.stop(), (0, ""))
        server.close()

    def test_orphan_where_nobody_could_ever_ask(self):
        """Its namespace has had no process since before it came."""
        host = self.inhabited()
        with on(host):
            listener = self.listen(port=self.port)
        monitor = self.watch_all()
        self.leave(host)
        with on(host):
            server, client = self.connect(listener)
        time.sleep(1.5)
        client.close()
        cookie = cookie_of(server)
        monitor.wait_for(event="transition", cookie=cookie, to="CLOSE_WAIT")
        time.sleep(1)
        server.close()
        self.assert_closed(monitor, cookie, cause="fin", closed_first="remote")
        self.assertEqual(monitor.stop(), (0, ""))
        self.assertEqual([event["state"] for event in monitor.events
                          if event.get("remote", {}).get("port") == self.port
                          and event["event"] in ("transition", "closed")][-1], "FIN_WAIT2")

    def test_young_namespaces_are_found_at_once(self):
        outer = self.listen(port=self.port)
        monitor = self.watch_all()
        cookies = []
        for _ in range(5):
            with on(self.inhabited()):
                server, client = self.connect(self.listen(port=self.port))
            cookies.append(cookie_of(client))
            client.close()
            server.close()
        for cookie in cookies:
            monitor.wait_for(event="closed", cookie=cookie)
        time.sleep(1)
        self.assertEqual(monitor.stop(), (0, ""))
        self.assertEqual([event for event in monitor.events if event.get("from") == "TIME_WAIT"], [])
        outer.close()

    def test_more_namespaces_than_descriptors(self):
        needs("prlimit")
        wanted = set()
        for _ in range(30):
            with on(self.inhabited()):
                self.listen(port=self.port)
                wanted.add(os.stat("/proc/thread-self/ns/net").st_ino)
        monitor = self.monitor("-p", str(self.port), "--netns=all",
                               prefix=("prlimit", "--nofile=32"))
        for inode in wanted:
            monitor.wait_for(event="appeared", state="LISTEN", netns=inode)
        self.assertEqual(monitor.stop(), (0, ""))

    def test_too_few_descriptors_are_said(self):
        needs("prlimit")
        done = self.tcpwatch("monitor", "-p", str(self.port), "--netns=all", "-d", "1s",
                             prefix=("prlimit", "--nofile=22"))
        self.assertEqual(done.returncode, 1, done)
        self.assertRegex(done.stderr, "^tcpwatch: [^\n]*: Too many open files\n$")

    def test_without_the_right_to_enter(self):
        needs_other_user()
        done = self.tcpwatch("monitor", "-p", str(self.port), "--netns=all", "-d", "1s",
                             prefix=Rights.WITH_TWO_CAPABILITIES)
        self.assertEqual(done.returncode, 1, done)
        self.assertRegex(done.stderr, "^tcpwatch: --netns=all: it needs root, or CAP_SYS_ADMIN")

    @staticmethod
    def sockets_of(monitor):
        directory = f"/proc/{monitor.pid}/fd"
        return [link for fd in os.listdir(directory)
                if (link := os.readlink(f"{directory}/{fd}")).startswith("socket:")]


class Owners(TraceTest):
    def fork_that_holds(self, end, other):
        """Returns the pid of a process that has one of both ends, and what to write to so that it
        closes it."""
        reading, writing = os.pipe()

        def hold():
            other.close()
            os.read(reading, 1)
            end.close()

        return self.fork(hold), writing

    def test_fork_that_closes_in_the_child(self):
        """The last of them closes it, and nothing happens before."""
        listener, monitor = self.watch()
        server, client = self.connect(listener)
        cookie = cookie_of(client)
        pid, writing = self.fork_that_holds(client, server)
        client.close()
        time.sleep(0.3)
        os.write(writing, b"x")
        monitor.wait_for(cookie=cookie, to="FIN_WAIT1")
        server.close()
        self.assert_closed(monitor, cookie, cause="fin", closed_first="local")
        self.end(monitor)
        end = monitor.wait_for(cookie=cookie, to="FIN_WAIT1")
        self.assertGreaterEqual(end["dwell_ms"], 250)
        self.assertNotIn("inode", end)
        self.assertEqual(end["pid"], pid)  # no longer its owner, but who closed it
        self.kill_and_reap(pid)

    def test_shutdown_by_the_child_has_the_child_s_name(self):
        listener, monitor = self.watch()
        server, client = self.connect(listener)
        pid = self.fork(lambda: client.shutdown(socket.SHUT_WR))
        end = monitor.wait_for(cookie=cookie_of(client), to="FIN_WAIT1")
        self.assertEqual(end["pid"], pid)
        server.close()
        client.close()
        self.kill_and_reap(pid)
        self.assert_closed(monitor, monitor.wait_for(to="FIN_WAIT1")["cookie"], cause="fin")
        self.end(monitor)

    def test_thread_has_its_process_s_name(self):
        """Whatever it calls itself."""
        listener, monitor = self.watch()

        def connect():
            _call("prctl", 15, ctypes.c_char_p(b"a-thread"))  # PR_SET_NAME
            client.connect(("127.0.0.1", 9998))
            listener.accept()[0].close()

        client = socket.socket()
        thread = threading.Thread(target=connect)
        thread.start()
        thread.join()
        with open("/proc/self/comm", encoding="ascii") as file:
            name = file.read().rstrip("\n")
        began = monitor.wait_for(event="appeared", state="SYN_SENT")
        self.assertEqual((began["pid"], began["process"]), (os.getpid(), name))
        client.close()
        self.end(monitor)

    def test_pid_of_another_pid_namespace_is_not_told(self):
        """It would be somebody else's in the watcher's."""
        needs("unshare")
        listener, monitor = self.watch("-p", "9998", "-d", "3s",
                                       prefix=("unshare", "--pid", "--fork"))
        server, client = self.connect(listener)
        cookie = cookie_of(client)
        self.assertNotIn("pid", monitor.wait_for(event="appeared", state="SYN_SENT"))
        client.close()
        server.close()
        self.assertNotIn("pid", monitor.wait_for(cookie=cookie, to="FIN_WAIT1"))
        self.assertEqual(monitor.finish()[0], 0)

    def test_who_ends_it_at_once_is_told(self):
        """With unread data, close() resets the connection: who has called it did that."""
        listener, monitor = self.watch()
        server, client = self.connect(listener)
        pid, writing = self.fork_that_holds(client, server)
        time.sleep(1.2)  # both were looked up meanwhile
        server.sendall(b"unread")
        client.close()
        os.write(writing, b"x")
        self.assert_closed(monitor, cookie_of(server), cause="reset")
        ended = monitor.wait_for(event="closed", remote_port=9998, cause="aborted")
        self.assertEqual(ended["pid"], pid)
        self.assertNotEqual(monitor.wait_for(event="closed", local_port=9998)["pid"], pid)
        self.end(monitor)
        self.kill_and_reap(pid)

    def test_connect_tells_its_process(self):
        listener, monitor = self.watch()
        pid = self.fork(lambda: socket.create_connection(("127.0.0.1", 9998)))
        self.assertEqual(monitor.wait_for(state="SYN_SENT")["pid"], pid)
        listener.accept()[0].close()
        self.kill_and_reap(pid)
        monitor.wait_for(event="closed", remote_port=9998)
        self.end(monitor)

    def test_handed_over_a_unix_socket(self):
        listener, monitor = self.watch()
        mine, its = socket.socketpair()
        kept = []
        pid = self.fork(lambda: kept.append(socket.recv_fds(its, 1, 1)) or kept)
        server, client = self.connect(listener)
        cookie = cookie_of(server)
        socket.send_fds(mine, [b"x"], [server.fileno()])
        server.close()
        time.sleep(0.3)
        client.close()
        self.assertEqual(monitor.wait_for(cookie=cookie, to="CLOSE_WAIT")["pid"], pid)
        self.kill_and_reap(pid)
        self.assert_closed(monitor, cookie, cause="fin", closed_first="remote")
        self.end(monitor)

    def test_handed_on_after_its_owner_was_known(self):
        """The line says who has to close it now, and --process finds it with whom it is."""
        listener, monitor = self.watch("-p", "9998", "--stuck", "300ms")
        server, client = self.connect(listener)
        cookie = cookie_of(server)
        time.sleep(1.3)  # it was looked at meanwhile
        pid, writing = self.fork_that_holds(server, client)
        of_child = self.monitor("-p", "9998", "--process", str(pid))
        self.wait_until(lambda: watches(of_child.pid), timeout_s=30)
        server.close()
        time.sleep(0.3)
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(monitor.wait_for(cookie=cookie, to="CLOSE_WAIT")["pid"], pid)
        self.assertEqual(monitor.wait_for(event="stuck", cookie=cookie)["pid"], pid)
        of_child.wait_for(cookie=cookie, to="CLOSE_WAIT")
        os.write(writing, b"x")
        client.close()
        self.kill_and_reap(pid)
        self.assert_closed(monitor, cookie, cause="fin", closed_first="remote")
        self.end(monitor)

    def test_accepted_later(self):
        listener, monitor = self.watch()
        client = socket.create_connection(("127.0.0.1", 9998))
        waiting = monitor.wait_for(event="appeared", local_port=9998, state="ESTABLISHED")
        self.assertNotIn("pid", waiting)
        self.assertNotIn("inode", waiting)
        pid = self.fork(lambda: (client.close(), listener.accept()))
        time.sleep(0.5)
        client.close()
        self.assertEqual(monitor.wait_for(event="transition", to="CLOSE_WAIT")["pid"], pid)
        self.kill_and_reap(pid)
        self.assert_closed(monitor, waiting["cookie"], cause="fin")
        self.end(monitor)

    def test_accepted_after_the_peer_s_fin(self):
        """Both between two looks at what waits to be accepted."""
        listener = self.listen()
        reading, writing = os.pipe()
        kept = []

        def accept():
            os.read(reading, 1)
            kept.append(listener.accept())

        pid = self.fork(accept)
        monitor = self.monitor("-p", "9998", "--process", str(pid))
        self.wait_until(lambda: watches(monitor.pid), timeout_s=30)
        client = socket.create_connection(("127.0.0.1", 9998))
        client.close()
        os.write(writing, b"x")
        waiting = monitor.wait_for(event="appeared", state="CLOSE_WAIT")
        self.assertEqual(waiting["pid"], pid)
        self.kill_and_reap(pid)
        monitor.wait_for(event="closed", cookie=waiting["cookie"])
        self.assertEqual(monitor.stop(), (0, ""))

    def test_process_selects(self):
        listener = self.listen()
        reading, writing = os.pipe()
        done, say_done = os.pipe()
        kept = []

        def serve():
            os.read(reading, 1)
            kept.append(listener.accept()[0])
            kept.append(socket.create_connection(("127.0.0.1", 9998)))
            os.write(say_done, b"x")

        pid = self.fork(serve)
        monitor = self.monitor("-p", "9998", "--process", str(pid))
        self.wait_until(lambda: watches(monitor.pid), timeout_s=30)
        os.write(writing, b"x")
        client = socket.create_connection(("127.0.0.1", 9998))
        os.read(done, 1)  # else this one might accept what it has connected itself
        second = listener.accept()[0]
        ports = client.getsockname()[1], second.getpeername()[1]
        for end in {"remote_port": 9998}, {"local_port": 9998, "state": "ESTABLISHED"}:
            monitor.wait_for(event="appeared", **end)
        self.kill_and_reap(pid)
        client.close()
        second.close()
        monitor.wait_for(event="closed", remote_port=9998)
        monitor.wait_for(event="closed", local_port=9998)
        self.assertEqual(monitor.stop(), (0, ""))
        self.assert_told_once(monitor)
        self.assertEqual({(event["local"]["port"], event["remote"]["port"])
                          for event in monitor.events if event["event"] == "closed"},
                         {(9998, ports[0]), (ports[1], 9998)})

    def watch_greeter(self):
        """Returns (a monitor of one process only, its pid): it greets who connects, and closes."""
        listener = self.listen()

        def greet():
            while True:
                end = listener.accept()[0]
                end.sendall(b"x")
                with contextlib.suppress(ConnectionError):
                    end.recv(1)
                end.close()

        pid = self.fork(greet)
        listener.close()
        monitor = self.monitor("-p", "9998", "--process", str(pid))
        monitor.wait_for(event="appeared", state="LISTEN")
        return monitor, pid

    def test_process_that_closes_is_told_of_all(self):
        """However many come before /proc could be read for each."""
        monitor, pid = self.watch_greeter()
        ports = set()
        for _ in range(300):
            client = socket.create_connection(("127.0.0.1", 9998))
            client.recv(1)
            ports.add(client.getsockname()[1])
            client.close()
        for port in ports:
            monitor.wait_for(event="closed", remote_port=port, cause="fin")
        self.assertEqual(monitor.stop(), (0, ""))
        self.assertEqual({event["local"]["port"] for event in monitor.events if "local" in event},
                         {9998})
        self.kill_and_reap(pid)

    def test_what_was_over_before_its_process_was_found_is_lost(self):
        """A reset names nobody."""
        monitor, pid = self.watch_greeter()
        for _ in range(300):
            client = socket.create_connection(("127.0.0.1", 9998))
            client.recv(1)
            reset(client)
        monitor.wait_for(event="lost")
        self.assertEqual(monitor.stop(), (0, ""))
        self.kill_and_reap(pid)
        lost = [event["count"] for event in monitor.events if event["event"] == "lost"]
        told = [event for event in monitor.events if event["event"] == "closed"]
        self.assertEqual(sum(lost) + len(told), 300)
        self.assertEqual(monitor.events[-1]["lost"], sum(lost))


class Rights(TraceTest):
    """What tracing needs, and what is said where it is not there."""

    WITH_TWO_CAPABILITIES = (*AS_NOBODY, "--inh-caps=+bpf,+perfmon",
                             "--ambient-caps=+bpf,+perfmon")

    def assert_refused(self, words, **options):
        done = self.tcpwatch("monitor", "--source=trace", "--json", "-d", "5s", **options)
        self.assertEqual((done.returncode, done.stdout), (1, ""), done)
        self.assertRegex(done.stderr, "^tcpwatch: --source=trace: " + words + "[^\n]*\n$")

    def assert_polls(self, words="", **options):
        """--source=auto does without, and says so where that is not what everybody expects."""
        listener = self.listen(port=9996)
        done = self.tcpwatch("monitor", "--source=auto", "--json", "-d", "500ms", "-p", "9996",
                             "--no-owner", **options)
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stderr, f"^{words}[^\\n]*\\n$" if words else "^$")
        self.assertIn('"state":"LISTEN"', done.stdout)
        listener.close()

    def test_without_rights(self):
        needs_other_user()
        self.assert_refused("it needs root, or CAP_BPF and CAP_PERFMON", prefix=AS_NOBODY)
        self.assert_polls(prefix=AS_NOBODY)

    def test_two_capabilities_are_enough(self):
        needs_other_user()
        listener, monitor = self.watch("-p", "9998", "--no-owner",
                                       prefix=self.WITH_TWO_CAPABILITIES)
        server, client = self.connect(listener)
        cookies = cookie_of(client), cookie_of(server)
        client.shutdown(socket.SHUT_WR)
        server.recv(1)
        server.close()
        self.assert_closed(monitor, cookies[0], cause="fin", closed_first="local")
        self.assert_closed(monitor, cookies[1], cause="fin", closed_first="remote")
        self.end(monitor)
        self.assertEqual(monitor.path(cookies[0]), CLOSED_FIRST)
        self.assertEqual(monitor.path(cookies[1]), CLOSED_LAST)

    def test_what_is_kept_is_what_is_needed(self):
        """After all is open; with --netns=all CAP_SYS_ADMIN and CAP_SYS_PTRACE are used on."""
        needs_other_user()
        owners = ("sys_ptrace", "dac_read_search")
        for names, args, kept in (
                (("bpf", "perfmon"), ("--no-owner",), ()),
                (("bpf", "perfmon", *owners), (), owners),
                (("bpf", "perfmon", "sys_admin", "sys_ptrace"), ("--no-owner", "--netns=all"),
                 ("sys_admin", "sys_ptrace"))):
            listed = ",".join(f"+{name}" for name in names)
            listener, monitor = self.watch("-p", "9998", *args, prefix=(
                *AS_NOBODY, f"--inh-caps={listed}", f"--ambient-caps={listed}"))
            listener.close()
            mask = sum(1 << CAPABILITIES[name] for name in kept)
            with open(f"/proc/{monitor.pid}/status", encoding="ascii", errors="replace") as file:
                has = {line.split()[0]: int(line.split()[1], 16) for line in file
                       if line.startswith("Cap")}
            self.assertEqual([has[key] for key in ("CapPrm:", "CapEff:", "CapAmb:")],
                             [mask, mask, 0], names)
            self.assertEqual(monitor.stop(), (0, ""))

    def test_one_capability_is_not(self):
        needs_other_user()
        for name in "bpf", "perfmon":
            self.assert_refused("it needs root, or CAP_BPF and CAP_PERFMON", prefix=(
                *AS_NOBODY, f"--inh-caps=+{name}", f"--ambient-caps=+{name}"))

    def test_without_btf(self):
        with tempfile.NamedTemporaryFile() as empty:
            _call("mount", empty.name.encode(), b"/sys/kernel/btf/vmlinux", None, MS_BIND, None)
            self.assert_refused("this kernel has no tracepoint inet_sock_set_state, or does not tell")
            self.assert_polls(words="tcpwatch: polling, not tracing: this kernel has no tracepoint")

    def library(self, name):
        """The path from which a monitor that traces has this library."""
        _, monitor = self.watch()
        with open(f"/proc/{monitor.pid}/maps", encoding="utf-8") as file:
            path = next(line.split()[-1] for line in file if f"/{name}.so" in line)
        self.end(monitor)
        return path

    def test_without_libbpf(self):
        """It is looked for when a trace begins: all else does without."""
        path = self.library("libbpf")
        with tempfile.NamedTemporaryFile() as empty:
            _call("mount", empty.name.encode(), path.encode(), None, MS_BIND, None)
            self.assert_refused("it needs libbpf: [^\n]*libbpf.so")
            self.assert_polls(words="tcpwatch: polling, not tracing: it needs libbpf: ")
            self.assertEqual(self.tcpwatch("list").returncode, 0)

    def test_libbpf_that_is_another(self):
        other = self.library("libmnl")
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            os.symlink(other, f"{folder}/libbpf.so.1")
            self.assert_refused("it needs libbpf: [^\n]*undefined symbol", prefix=(
                "env", f"LD_LIBRARY_PATH={folder}"))

    def test_without_locked_memory(self):
        needs("prlimit")
        listener, monitor = self.watch(prefix=("prlimit", "--memlock=0"))
        self.connect(listener)
        self.assertTrue(monitor.wait_for(event="transition", to="ESTABLISHED")["exact"])
        self.end(monitor)

    @staticmethod
    def forbid_bpf():
        """seccomp(2): bpf(2) is EPERM from here on."""
        number = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "ppc64le": 361, "s390x": 351}
        code = b"".join(struct.pack("HBBI", *step) for step in (
            (0x20, 0, 0, 0),                               # the call's number
            (0x15, 0, 1, number[platform.machine()]),      # bpf?
            (0x06, 0, 0, 0x00050001),                      # EPERM
            (0x06, 0, 0, 0x7fff0000)))                     # allowed
        buffer = ctypes.create_string_buffer(code)
        program = ctypes.create_string_buffer(
            struct.pack("HxxxxxxP", 4, ctypes.addressof(buffer)))
        zero = ctypes.c_ulong(0)
        _call("prctl", 38, ctypes.c_ulong(1), zero, zero, zero)  # PR_SET_NO_NEW_PRIVS
        _call("prctl", 22, ctypes.c_ulong(2), program, zero, zero)  # PR_SET_SECCOMP

    def test_where_bpf_is_forbidden(self):
        pid = os.fork()
        if pid == 0:
            try:
                self.forbid_bpf()
            except (KeyError, OSError):
                os._exit(1)
            os._exit(0)
        if os.waitpid(pid, 0)[1]:
            self.skipTest("no seccomp filter can be made here")
        self.assert_refused(r"bpf\(2\) is not for this root", preexec_fn=self.forbid_bpf)
        self.assert_polls(words=r"tcpwatch: polling, not tracing: bpf\(2\) is not for this root",
                          preexec_fn=self.forbid_bpf)


class Ends(Traced, test_monitor.Ends):
    """The ways to end are those of the poll source."""

    # Nothing goes by unseen.
    def test_until_counts_a_state_that_must_have_been_passed(self):
        server, client = self.connect(self.listen())
        monitor = self.monitor("-p", "9998", "--until=FIN_WAIT1", "--duration=10")
        monitor.wait_for(event="appeared", remote_port=9998)
        server.close()
        client.close()
        self.assertEqual(monitor.finish()[0], 0)
        self.assertEqual([event for event in monitor.events if event["event"] == "transition"]
                         [-1]["to"], "FIN_WAIT1")

    def test_summary_is_of_what_was_shown(self):
        """What came after the last line is left out, also where the two are read at once."""
        listener, monitor = self.watch("-p", "9998", "--until=CLOSE_WAIT")
        server, client = self.connect(listener)
        monitor.wait_for(event="transition", to="ESTABLISHED")
        client.close()
        time.sleep(0.005)
        server.close()
        self.assertEqual(monitor.finish(), (0, ""))
        summary = monitor.events[-1]
        self.assertEqual((summary["connections"], summary["open"], summary["ended"]), (2, 2, {}))
        self.assertNotIn("TIME_WAIT", summary["longest_ms"])

    def test_auto_traces(self):
        self.source = "auto"
        listener, monitor = self.watch()
        self.connect(listener)
        self.assertTrue(monitor.wait_for(event="transition", to="ESTABLISHED")["exact"])
        self.end(monitor)

    def test_sigint_tells_what_happened_before(self):
        listener, monitor = self.watch()
        for _ in range(10):
            server, client = self.connect(listener)
            reset(server)
            client.close()
            monitor.wait_for(event="appeared", state="LISTEN")
        self.end(monitor)
        self.assertEqual(monitor.events[-1]["ended"], {"aborted": 10, "reset": 10})

    def test_reader_that_goes(self):
        done = self.spawn("sh", "-c", f"{TCPWATCH} monitor --source=trace -p 1 | head -1; "
                          "echo ended", stdout=-1, stderr=-1, text=True)
        out, err = done.communicate(timeout=20)
        self.assertEqual((out.splitlines()[-1], err), ("ended", ""))

    def test_reader_that_goes_in_the_middle(self):
        listener = self.listen()
        done = self.spawn("sh", "-c", f"{TCPWATCH} monitor --source=trace -p 9998 | head -1; "
                          "echo ended", stdout=-1, stderr=-1, text=True)
        deadline = time.monotonic() + 20
        while done.poll() is None and time.monotonic() < deadline:
            quick_connections(listener, 10)
            time.sleep(0.05)
        out, err = done.communicate(timeout=20)
        self.assertEqual((out.splitlines()[-1], err), ("ended", ""))


class Namespaces(Traced, test_monitor.Namespaces):
    """Another network namespace, as with the poll source; and it goes away."""


class Stuck(Traced, test_monitor.Stuck):
    """A stay that is too long is said, as with the poll source."""


class SameFilters(Traced, test_monitor.Filters):
    """The filters of the poll source's tests."""

    # Nothing goes by unseen.
    def test_states_into_or_out_of(self):
        listener = self.listen()
        monitor = self.monitor("-p", "9998", "--state=close-wait")
        self.wait_until(lambda: watches(monitor.pid), timeout_s=30)
        server, client = self.connect(listener)
        server.close()
        monitor.wait_for(event="transition", to="CLOSE_WAIT")
        client.close()
        monitor.wait_for(event="transition", **{"from": "CLOSE_WAIT"})
        monitor.stop()
        self.assertEqual([(event["event"], event["state"], event.get("from"))
                          for event in monitor.events[:-1]],
                         [("transition", "CLOSE_WAIT", "ESTABLISHED"),
                          ("transition", "LAST_ACK", "CLOSE_WAIT")])


class SameOwners(Traced, test_monitor.Owners):
    """The owners of the poll source's tests."""


if __name__ == "__main__":
    unittest.main()
