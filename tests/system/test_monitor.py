# SPDX-License-Identifier: MIT
"""tcpwatch monitor on real connections."""
import fcntl
import os
import select
import signal
import socket
import struct
import subprocess
import time
import unittest

from harness import (AS_NOBODY, NetworkTest, TCPWATCH, cookie_of, disconnect, needs,
                     needs_other_user, read_slowly, write)


def reset(end):
    """close() that sends RST."""
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.close()


def quick_connections(listener, count, host="127.0.0.1"):
    """Makes connections that are over at once: 3 bytes to the server, 5 bytes back."""
    for _ in range(count):
        client = socket.create_connection((host, listener.getsockname()[1]))
        server = listener.accept()[0]
        client.sendall(b"abc")
        server.recv(10)
        server.sendall(b"defgh")
        client.recv(10)
        client.close()
        server.recv(10)
        server.close()


class Transitions(NetworkTest):
    def test_accepted_and_thrown_away_between_two_looks(self):
        """The kernel has forgotten the peer's port by then, and what no filter needs is told."""
        listener, elsewhere = self.listen(), self.listen(port=9997)
        monitors = [self.monitor(*filters, "--interval=1s")
                    for filters in (("-p", "9998"), ("--remote-port", "9998"), ())]
        for monitor in monitors[0], monitors[2]:
            monitor.wait_for(event="appeared", state="LISTEN")
        time.sleep(1.5)
        for each in listener, elsewhere:
            server, client = self.connect(each)
            reset(server)
            client.close()
        time.sleep(1.5)
        for monitor in monitors:
            self.assertEqual(monitor.stop()[0], 0)
        told = [sorted(event["local"]["port"] for event in monitor.events
                       if event["event"] == "closed" and "port" not in event["remote"])
                for monitor in monitors]
        self.assertEqual(told, [[9998], [], [9997, 9998]])
        # What may be wanted or not is told of, once.
        self.assertEqual([monitor.events[-1]["gaps"] for monitor in monitors], [1, 1, 0])

    def test_that_clients_were_thrown_away_between_two_looks_is_said(self):
        listener = self.listen()
        monitors = [self.monitor(*filters, "--interval=1s") for filters in
                    (("-p", "9998"), ("--local-port", "9998"), ("-p", "9998", "-6"))]
        monitors[0].wait_for(event="appeared", state="LISTEN")
        time.sleep(1.5)
        for _ in range(2):
            server, client = self.connect(listener)
            reset(client)
            server.close()
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", 9997))
        time.sleep(1.5)
        for monitor in monitors:
            self.assertEqual(monitor.stop()[0], 0)
        lost = [[event for event in monitor.events if event["event"] == "lost"]
                for monitor in monitors]
        self.assertEqual([len(events) for events in lost], [1, 0, 0], lost)
        self.assertNotIn("count", lost[0][0])
        self.assertIn("thrown away", lost[0][0]["reason"])

    def test_killed_server_leaves_fin_wait2_and_close_wait(self):
        """The article's first case: the server's process is killed, its client sits idle."""
        listener = self.listen()
        child = self.fork(listener.accept)
        client = socket.create_connection(("127.0.0.1", 9998))
        self.addCleanup(client.close)
        self.wait_until(lambda: any(row["state"] == "ESTABLISHED" and row.get("pid") == child
                                    for row in self.list("--port", "9998")))
        monitor = self.monitor("--port", "9998")
        monitor.wait_for(event="appeared", local_port=9998, state="ESTABLISHED", pid=child)
        self.kill_and_reap(child)
        server_side = monitor.wait_for(event="transition", to="FIN_WAIT2")
        client_side = monitor.wait_for(event="transition", to="CLOSE_WAIT")
        self.assertEqual((server_side["from"], server_side.get("skipped")),
                         ("ESTABLISHED", ["FIN_WAIT1"])
                         if server_side["from"] == "ESTABLISHED" else ("FIN_WAIT1", None))
        self.assertNotIn("pid", server_side)
        self.assertEqual(server_side["timer"]["kind"], "timewait")
        self.assertLessEqual(server_side["timer"]["expires_ms"], 60000)
        self.assertEqual(client_side["pid"], os.getpid())
        client.close()
        closed = monitor.wait_for(event="closed", local_port=9998)
        self.assertEqual((closed["cause"], closed["closed_first"]), ("fin", "local"))
        closed = monitor.wait_for(event="closed", remote_port=9998)
        self.assertEqual((closed["cause"], closed["closed_first"]), ("fin", "remote"))
        status, stderr = monitor.stop()
        self.assertEqual((status, stderr), (0, ""))
        self.assertEqual(monitor.events[-1]["event"], "summary")
        self.assertEqual(monitor.events[-1]["ended"], {"fin": 2})

    def test_words_say_who_has_to_act(self):
        server, client = self.connect(self.listen())
        monitor = self.spawn(TCPWATCH, "monitor", "-p", "9998", "--duration=2s",
                             stdout=-1, text=True)
        for _ in "heading", "listener", "server", "client":
            monitor.stdout.readline()
        server.close()
        text = monitor.communicate()[0]
        self.assertRegex(text, r"(ESTABLISHED|FIN_WAIT1) +FIN_WAIT2 +>?\S+ +-\n")
        self.assertRegex(text, r"waits for the peer's FIN; no process holds it, "
                               r"the kernel drops it in (59\.\d|60\.0)s")
        name = f"python3[{os.getpid()}]".replace("python3", open("/proc/self/comm").read().strip())
        self.assertIn(f"{name} has to close its socket, the kernel never will", text)
        client.close()

    def test_connections_between_two_looks_are_reported_whole(self):
        listener = self.listen()
        monitor = self.monitor("--port", "9998", "--interval=5s")
        monitor.wait_for(event="appeared", state="LISTEN")
        quick_connections(listener, 100)
        time.sleep(0.5)
        monitor.stop()
        closed = [event for event in monitor.events if event["event"] == "closed"]
        self.assertEqual(len(closed), 200)
        for event in closed:
            from_client = event["remote"]["port"] == 9998
            self.assertEqual(event["cause"], "fin")
            self.assertEqual(event["closed_first"], "local" if from_client else "remote")
            self.assertEqual(event["bytes_sent"], 3 if from_client else 5)
            self.assertEqual(event["bytes_received"], 5 if from_client else 3)
            self.assertEqual(event["retransmits"], 0)
            self.assertNotIn("lifetime_ms", event)
            self.assertGreater(event["segments_sent"], 1)
            self.assertGreater(event["segments_received"], 1)
        appeared = [event for event in monitor.events if event["event"] == "appeared"]
        self.assertEqual(len({event["cookie"] for event in closed}), 200)
        self.assertLessEqual({event["cookie"] for event in closed},
                             {event["cookie"] for event in appeared})
        self.assertEqual(monitor.events[-1]["connections"], 200)
        self.assertEqual(monitor.events[-1]["ended"], {"fin": 200})

    def test_transitions_come_in_legal_order(self):
        listener = self.listen()
        monitor = self.monitor("--port", "9998", "--interval=1ms", "--no-owner")
        monitor.wait_for(event="appeared", state="LISTEN")
        for number in range(30):
            server, client = self.connect(listener)
            first, second = (server, client) if number % 2 else (client, server)
            first.shutdown(socket.SHUT_WR)
            time.sleep(0.003)
            second.close()
            first.close()
        time.sleep(0.3)
        monitor.stop()
        self.assert_legal_order(monitor.events)
        self.assertFalse([event for event in monitor.events if event.get("exact")])
        self.assertEqual(sum(event["event"] == "closed" for event in monitor.events), 60)

    def test_failed_connect_claims_no_cause_and_no_lifetime(self):
        """The kernel clears the socket as if this side had thrown the connection away."""
        write("/proc/sys/net/ipv4/tcp_syn_retries", "1")
        listener = self.listen(backlog=0)
        kept = socket.create_connection(("127.0.0.1", 9998))
        self.addCleanup(kept.close)
        monitor = self.monitor("-p", "9998")
        monitor.wait_for(event="appeared", state="LISTEN")
        attempt = socket.socket()
        with self.assertRaises(TimeoutError):
            attempt.connect(("127.0.0.1", 9998))
        attempt.close()
        listener.close()
        refused = socket.socket()
        refused.setblocking(False)
        refused.connect_ex(("127.0.0.1", 9998))
        time.sleep(0.05)
        port = refused.getsockname()[1]
        refused.close()
        closed = monitor.wait_for(event="transition", **{"from": "SYN_SENT"})
        closed = monitor.wait_for(event="closed", cookie=closed["cookie"])
        self.assertNotIn("cause", closed)
        self.assertNotIn("segments_sent", closed)
        self.assertLess(closed["lifetime_ms"], 10000)
        closed = monitor.wait_for(event="closed", local_port=port)
        self.assertNotIn("cause", closed)
        self.assertNotIn("lifetime_ms", closed)
        monitor.stop()

    def test_both_ends_of_a_reset(self):
        server, client = self.connect(self.listen())
        monitor = self.monitor("--port", "9998")
        monitor.wait_for(event="appeared", remote_port=9998)
        reset(server)
        client.close()
        closed = monitor.wait_for(event="closed", local_port=9998)
        self.assertEqual(closed["cause"], "aborted")
        closed = monitor.wait_for(event="closed", remote_port=9998)
        self.assertEqual(closed["cause"], "reset")
        self.assertNotIn("closed_first", closed)
        monitor.stop()

    def test_reset_socket_that_stays_open_is_closed_once(self):
        listener = self.listen()
        server, client = self.connect(listener)
        monitor = self.monitor("--port", "9998")
        monitor.wait_for(event="appeared", remote_port=9998)
        reset(server)
        closed = monitor.wait_for(event="closed", remote_port=9998)
        self.assertNotIn("cause", closed)  # a reset, a timeout, an administrator: not seen which
        self.assertEqual(closed["pid"], os.getpid())
        self.connect(listener)[1].close()  # what follows settles all that waits
        time.sleep(0.5)
        client.close()
        time.sleep(0.3)
        monitor.stop()
        events = monitor.of(closed["cookie"])
        self.assertEqual([event["event"] for event in events],
                         ["appeared", "transition", "closed"])

    def test_counters_that_cannot_be_known_are_left_out(self):
        """The orphan's minisock may have got the FIN, or the socket before it."""
        listener = self.listen()
        monitor = self.monitor("--port", "9998", "--interval=1")
        monitor.wait_for(event="appeared", state="LISTEN")
        for _ in range(20):
            server, client = self.connect(listener)
            client.sendall(b"abc")
            server.recv(3)
            server.close()
            client.recv(1)
            client.close()
        time.sleep(0.3)
        monitor.stop()
        closed = [event for event in monitor.events if event["event"] == "closed"]
        self.assertEqual(len(closed), 40)
        for event in closed:
            self.assertEqual(event["cause"], "fin")
            self.assertIn(event.get("bytes_received"),
                          (0,) if event["remote"]["port"] == 9998 else (3, None))

    def test_connection_that_stood_before_has_a_stay_of_at_least(self):
        server, _client = self.connect(self.listen())
        monitor = self.monitor("--port", "9998")
        monitor.wait_for(event="appeared", remote_port=9998)
        server.shutdown(socket.SHUT_WR)
        self.assertTrue(monitor.wait_for(event="transition",
                                         **{"from": "ESTABLISHED"})["dwell_at_least"])

    def test_syn_to_a_silent_host(self):
        self.silent_host()
        monitor = self.monitor("--address", "10.9.9.0/24", "--until=SYN_SENT", "--duration=10")
        time.sleep(0.3)
        with socket.socket() as client:
            client.setblocking(False)
            client.connect_ex(("10.9.9.2", 9998))
            status, _ = monitor.finish()
        self.assertEqual(status, 0)
        event = monitor.wait_for(event="appeared", state="SYN_SENT")
        self.assertEqual(event["timer"]["kind"], "retransmit")
        row = self.list("--address", "10.9.9.0/24")
        self.assertFalse(row and {"rtt_us", "last_data_sent_ms"} & set(row[0]), row)

    def check_connects_again(self, leave, ends):
        """One socket, one cookie, two connections."""
        listener = self.listen()
        monitor = self.monitor("-p", "9998")
        monitor.wait_for(event="appeared", state="LISTEN")
        client = socket.create_connection(("127.0.0.1", 9998))
        self.addCleanup(client.close)
        ports = [client.getsockname()[1]]
        monitor.wait_for(local_port=ports[0], state="ESTABLISHED")
        leave(client, listener.accept()[0], monitor)
        disconnect(client)
        client.connect(("127.0.0.1", 9998))
        ports.append(client.getsockname()[1])
        monitor.wait_for(local_port=ports[1], state="ESTABLISHED")
        time.sleep(0.5)
        self.assertEqual(monitor.stop(), (0, ""))
        told = [(event["event"], event["local"]["port"], event["state"])
                for event in monitor.of(cookie_of(client)) if event["state"] != "SYN_SENT"]
        self.assertEqual([each[1:] for each in told if each[0] != "closed"],
                         [(ports[0], "ESTABLISHED"), *((ports[0], state) for state in ends),
                          (ports[1], "ESTABLISHED")])
        self.assertEqual([port for event, port, _ in told if event == "closed"], ports[:1])

    def test_socket_that_connects_again(self):
        self.check_connects_again(lambda *_: None, ["CLOSE"])

    def test_socket_that_connects_again_after_a_while(self):
        def leave(client, _server, monitor):
            disconnect(client)
            monitor.wait_for(event="closed", cookie=cookie_of(client))
            time.sleep(0.3)

        self.check_connects_again(leave, ["CLOSE"])

    def test_socket_that_connects_again_beside_its_minisock(self):
        def leave(client, server, monitor):
            client.shutdown(socket.SHUT_WR)
            monitor.wait_for(cookie=cookie_of(client), state="FIN_WAIT2")
            server.close()
            monitor.wait_for(cookie=cookie_of(client), state="TIME_WAIT")

        self.check_connects_again(leave, ["FIN_WAIT2", "TIME_WAIT"])

    def test_closed_by_shutdown_and_held(self):
        """The other end, in TIME_WAIT, proves that it was closed by FIN."""
        server, client = self.connect(self.listen())
        monitor = self.monitor("-p", "9998")
        monitor.wait_for(event="appeared", local_port=9998, state="ESTABLISHED")
        client.shutdown(socket.SHUT_WR)
        monitor.wait_for(event="transition", local_port=9998, to="CLOSE_WAIT")
        server.shutdown(socket.SHUT_WR)
        closed = monitor.wait_for(event="closed", cookie=cookie_of(server))
        self.assertEqual((closed["cause"], closed["closed_first"]), ("fin", "remote"))

    def test_accepted_late_gets_its_owner(self):
        listener = self.listen()
        client = socket.create_connection(("127.0.0.1", 9998))
        self.addCleanup(client.close)
        monitor = self.monitor("--port", "9998")
        waiting = monitor.wait_for(event="appeared", local_port=9998, state="ESTABLISHED")
        self.assertNotIn("pid", waiting)
        self.assertNotIn("inode", waiting)
        server = listener.accept()[0]
        time.sleep(0.3)
        client.close()
        event = monitor.wait_for(event="transition", to="CLOSE_WAIT")
        self.assertEqual(event["pid"], os.getpid())
        server.close()


class Stuck(NetworkTest):
    def test_speaks_once_a_stay_and_again_when_it_doubles(self):
        server, client = self.connect(self.listen())
        monitor = self.monitor("--port", "9998", "--stuck=300ms", "--interval=20ms")
        monitor.wait_for(event="appeared", remote_port=9998)
        server.shutdown(socket.SHUT_WR)
        time.sleep(1.1)
        client.close()
        monitor.wait_for(event="closed", remote_port=9998)
        monitor.stop()
        stuck = [event for event in monitor.events
                 if event["event"] == "stuck" and event["state"] == "CLOSE_WAIT"]
        self.assertEqual(len(stuck), 2, stuck)
        self.assertTrue(300 <= stuck[0]["dwell_ms"] < 600, stuck)
        self.assertTrue(600 <= stuck[1]["dwell_ms"] < 1200, stuck)
        self.assertEqual(stuck[0]["pid"], os.getpid())


class Filters(NetworkTest):
    def test_ports_of_either_end(self):
        listeners = {port: self.listen(port=port) for port in (9997, 9998)}
        client_port = self.connect(listeners[9998])[1].getsockname()[1]
        self.connect(listeners[9997])
        for args, wanted in (
                (("-p", "9998"), {(9998, 0), (9998, client_port), (client_port, 9998)}),
                (("-p", "9990-9999", "--local-port=9998"), {(9998, 0), (9998, client_port)}),
                (("--remote-port=9998",), {(client_port, 9998)}),
                (("--remote-port=9998", "-p", str(client_port)), {(client_port, 9998)}),
                (("-p", "1,2,3"), set())):
            monitor = self.monitor("--duration=300ms", *args)
            monitor.finish()
            self.assertEqual({(event["local"]["port"], event["remote"]["port"])
                              for event in monitor.events if event["event"] == "appeared"}, wanted)

    def test_process_by_pid_and_name(self):
        listener = self.listen()
        child = self.fork(listener.accept)
        client = socket.create_connection(("127.0.0.1", 9998))
        self.addCleanup(client.close)
        time.sleep(0.2)
        monitor = self.monitor("--process", str(child), "-p", "9998", "--no-owner")
        monitor.wait_for(event="appeared", local_port=9998, state="ESTABLISHED")
        self.kill_and_reap(child)
        monitor.wait_for(event="transition", to="FIN_WAIT2")
        monitor.stop()
        self.assertFalse([event for event in monitor.events
                          if event.get("remote", {}).get("port") == 9998])
        monitor = self.monitor("--process", "no-such-name", "-d", "200ms")
        self.assertEqual(monitor.finish(), (0, ""))
        self.assertEqual([event["event"] for event in monitor.events], ["summary"])

    def test_states_into_or_out_of(self):
        listener = self.listen()
        monitor = self.monitor("-p", "9998", "--state=close-wait", "--interval=20ms")
        time.sleep(1)
        server, client = self.connect(listener)
        time.sleep(1)
        server.close()
        monitor.wait_for(event="transition", to="CLOSE_WAIT")
        client.close()
        monitor.wait_for(event="transition", **{"from": "CLOSE_WAIT"})
        monitor.stop()
        self.assertEqual([(event["event"], event["state"], event.get("from"))
                          for event in monitor.events[:-1] if event["event"] != "lost"],
                         [("transition", "CLOSE_WAIT", "ESTABLISHED"),
                          ("transition", "CLOSE", "CLOSE_WAIT"), ("closed", "CLOSE", None)])

    def test_states_that_must_have_been_passed(self):
        """And how those ended of which something was shown is counted, whatever was shown of it."""
        listener = self.listen()
        server, client = self.connect(listener)
        port = client.getsockname()[1]
        shown = {"fin-wait-2": {port}, "last-ack": {9998}, "established": {port, 9998}}
        monitors = [(ports, self.monitor("-p", "9998", "--interval=500ms", "--state", state))
                    for state, ports in shown.items()]
        time.sleep(0.7)
        client.close()
        server.close()
        quick_connections(listener, 1)
        time.sleep(0.7)
        for ports, monitor in monitors:
            monitor.stop()
            told = {event["local"]["port"] for event in monitor.events
                    if event["event"] == "transition" and event["from"] != "TIME_WAIT"}
            self.assertEqual(told & {port, 9998}, ports)
            summary = monitor.events[-1]
            self.assertEqual((summary["connections"], summary["ended"], summary["open"]),
                             (2 * len(ports), {"fin": 2 * len(ports)}, 0))

    def test_families_and_mapped_addresses(self):
        listener = self.listen("::", 9998)
        self.connect(listener, ("127.0.0.1", 9998))
        self.connect(listener, ("::1", 9998))

        def seen(*args):
            monitor = self.monitor("-p", "9998", "-d", "200ms", *args)
            monitor.finish()
            return sorted((event["family"], event["local"]["address"])
                          for event in monitor.events if event["event"] == "appeared")

        self.assertEqual(seen("-4"), [("inet", "127.0.0.1")])
        self.assertEqual(seen("-a", "127.0.0.1"),
                         [("inet", "127.0.0.1"), ("inet6", "::ffff:127.0.0.1")])
        self.assertEqual(seen("-a", "::1"), [("inet6", "::1"), ("inet6", "::1")])
        self.assertEqual(len(seen("-6")), 4)


class Ends(NetworkTest):
    def test_until_ends_with_0_and_duration_with_2(self):
        server, _client = self.connect(self.listen())
        monitor = self.monitor("-p", "9998", "--until=CLOSE_WAIT", "--duration=10")
        monitor.wait_for(event="appeared", remote_port=9998)
        server.close()
        self.assertEqual(monitor.finish()[0], 0)
        # It stands there now, and does not go there any more.
        monitor = self.monitor("-p", "9998", "--until=close-wait", "--duration=300ms")
        self.assertEqual(monitor.finish()[0], 2)
        self.assertEqual(self.monitor("--duration=100ms").finish()[0], 0)
        monitor = self.monitor("-p", "9998", "--until=TIME_WAIT")
        monitor.wait_for(event="appeared", remote_port=9998)
        self.assertEqual(monitor.stop()[0], 2)

    def test_until_counts_a_state_that_must_have_been_passed(self):
        server, client = self.connect(self.listen())
        monitor = self.monitor("-p", "9998", "--until=FIN_WAIT1", "--interval=500ms",
                               "--duration=10")
        monitor.wait_for(event="appeared", remote_port=9998)
        server.close()
        client.close()
        self.assertEqual(monitor.finish()[0], 0)
        self.assertIn("FIN_WAIT1", [event for event in monitor.events
                                    if event["event"] == "transition"][-1]["skipped"])

    def test_until_counts_what_the_end_tells_of(self):
        """A FIN each way leads through these, and the last transition belongs to that."""
        listener = self.listen()
        for state, *more in (("CLOSE_WAIT",), ("LAST_ACK",), ("FIN_WAIT2",),
                             ("CLOSE_WAIT", "--local-port=9998", "--count=1")):
            server, client = self.connect(listener)
            monitor = self.monitor("-p", "9998", "--until", state, "--interval=500ms",
                                   "--duration=3", *more)
            monitor.wait_for(event="appeared", state="ESTABLISHED",
                             remote_port=client.getsockname()[1])
            client.close()
            server.close()
            self.assertEqual(monitor.finish()[0], 0, monitor.events)

    def test_until_by_connections_between_two_looks(self):
        for state in "FIN_WAIT1", "FIN_WAIT2", "CLOSE_WAIT", "LAST_ACK":
            listener = self.listen()
            monitor = self.monitor("-p", "9998", "--until", state, "--interval=500ms",
                                   "--duration=3")
            monitor.wait_for(event="appeared", state="LISTEN")
            time.sleep(0.6)
            quick_connections(listener, 1)
            self.assertEqual(monitor.finish()[0], 0, (state, monitor.events))
            listener.close()

    def test_until_counts_what_a_new_connection_has_come_through(self):
        listener = self.listen()
        for state in "FIN_WAIT1", "ESTABLISHED":
            monitor = self.monitor("-p", "9998", "--until", state, "--interval=500ms",
                                   "--duration=3")
            monitor.wait_for(event="appeared", state="LISTEN")
            time.sleep(0.6)
            _, client = self.connect(listener)
            client.close()
            self.assertEqual(monitor.finish()[0], 0, (state, monitor.events))

    def test_until_does_not_count_what_stood_before(self):
        server, client = self.connect(self.listen())
        monitor = self.monitor("-p", "9998", "--until=ESTABLISHED", "--duration=1")
        monitor.wait_for(event="appeared", state="ESTABLISHED")
        client.close()
        server.close()
        self.assertEqual(monitor.finish()[0], 2)

    def test_end_of_what_was_waited_for_is_told_too(self):
        listener = self.listen()
        for state in "CLOSE", "TIME_WAIT":
            server, client = self.connect(listener)
            monitor = self.monitor("-p", "9998", "--until", state, "--duration=10")
            monitor.wait_for(event="appeared", remote_port=9998, state="ESTABLISHED")
            server.close()
            client.close()
            self.assertEqual(monitor.finish()[0], 0)
            closed = [event for event in monitor.events if event["event"] == "closed"]
            self.assertIn(state, {event["state"] for event in closed})
            self.assertEqual(monitor.events[-1]["ended"], {"fin": len(closed)})

    def test_until_established_by_connections_between_two_looks(self):
        listener = self.listen()
        monitor = self.monitor("-p", "9998", "--until=ESTABLISHED", "--interval=500ms",
                               "--duration=10")
        monitor.wait_for(event="appeared", state="LISTEN")
        time.sleep(0.6)
        quick_connections(listener, 1)
        self.assertEqual(monitor.finish()[0], 0)

    def test_count_that_ends_before_until_is_no_success(self):
        server, _client = self.connect(self.listen())
        monitor = self.monitor("-p", "9998", "--until=TIME_WAIT", "--count=1")
        monitor.wait_for(event="appeared", remote_port=9998)
        server.close()
        self.assertEqual(monitor.finish()[0], 2)

    def test_count(self):
        listener = self.listen()
        pairs = [self.connect(listener) for _ in range(3)]
        monitor = self.monitor("-p", "9998", "--count=2")
        monitor.wait_for(event="appeared", remote_port=9998)
        for server, _ in pairs:
            server.close()
        self.assertEqual(monitor.finish()[0], 0)
        self.assertEqual(sum(event["event"] == "transition" for event in monitor.events), 2)
        self.assertEqual(monitor.events[-1]["transitions"], 2)

    def test_sigterm_ends_with_a_summary(self):
        self.listen()
        monitor = self.monitor("-p", "9998")
        monitor.wait_for(event="appeared", state="LISTEN")
        monitor.process.send_signal(signal.SIGTERM)
        self.assertEqual(monitor.finish(), (0, ""))
        self.assertEqual(monitor.events[-1]["event"], "summary")


class Owners(NetworkTest):
    def test_handed_on_socket_has_its_new_owner(self):
        """The server forks and closes its own copy: the child has to act."""
        listener = self.listen()
        reading, writing = os.pipe()
        waiting, starting = os.pipe()

        def serve():
            kept = listener.accept()[0]
            os.read(waiting, 1)
            child = os.fork()
            if child:
                os.write(writing, str(child).encode())
                kept.close()
                os.waitpid(child, 0)
            signal.pause()

        parent = self.fork(serve)
        client = socket.create_connection(("127.0.0.1", 9998))
        monitor = self.monitor("-p", "9998")
        monitor.wait_for(event="appeared", local_port=9998, state="ESTABLISHED", pid=parent)
        os.write(starting, b"x")
        child = int(os.read(reading, 20))
        self.addCleanup(self.kill_and_reap, child)
        time.sleep(0.2)
        client.close()
        self.assertEqual(monitor.wait_for(event="transition", to="CLOSE_WAIT")["pid"], child)

    def test_all_who_hold_it_are_counted_where_it_is_to_be_closed(self):
        """A descriptor that a child has inherited keeps it open, too."""
        listener = self.listen()
        server, client = self.connect(listener)
        self.fork(lambda: client.close() or server)
        monitor = self.spawn(TCPWATCH, "monitor", "-p", "9998", "--source", self.source,
                             "--local-port=9998", "--until=CLOSE_WAIT", stdout=-1, text=True)
        for _ in "heading", "listener", "server":
            monitor.stdout.readline()
        time.sleep(2)
        client.close()
        said = monitor.communicate(timeout=30)[0]
        self.assertRegex(said, r"ESTABLISHED +CLOSE_WAIT .*\[\d+\]\+1\n")
        self.assertRegex(said, r"\[\d+\]\+1 has to close its socket")

    def test_selected_by_any_process_that_holds_it(self):
        """A worker has inherited its listener, and its master has the lower number."""
        listener = self.listen()
        child = self.fork(lambda: None)
        monitor = self.monitor("-p", "9998", f"--process={child}")
        monitor.wait_for(event="appeared", state="LISTEN", pid=child)
        server, client = self.connect(listener)
        heir = self.fork(lambda: client.close() or server)
        other = self.monitor("-p", "9998", f"--process={heir}")
        other.wait_for(event="appeared", local_port=9998, state="ESTABLISHED", pid=heir)
        monitor.stop()
        self.assertEqual([event["event"] for event in monitor.events], ["appeared", "summary"])

    def test_socket_on_its_way_to_another_process_has_no_owner(self):
        """Nobody that was seen with it can close it. Polled, that is told where it stays."""
        listener = self.listen()
        mine, its = socket.socketpair()
        self.addCleanup(mine.close)
        self.addCleanup(its.close)
        server, client = self.connect(listener)
        monitor = self.monitor("-p", "9998", "--stuck=300ms")
        monitor.wait_for(event="appeared", local_port=9998, state="ESTABLISHED", pid=os.getpid())
        socket.send_fds(mine, [b"x"], [server.fileno()])
        server.close()
        time.sleep(10)  # /proc may be read anew by then, also where that takes 100 ms
        client.close()
        self.assertNotIn("pid", monitor.wait_for(event="stuck", local_port=9998))

    def test_many_that_come_at_once_have_their_owners(self):
        listener = self.listen(backlog=512)
        kept = []
        reading, writing = os.pipe()

        def connect():
            time.sleep(0.6)
            for _ in range(400):
                client = socket.create_connection(("127.0.0.1", 9998))
                kept.append((client, listener.accept()[0]))
            time.sleep(1)
            for _, server in kept:
                server.close()
            os.write(writing, b"closed")

        child = self.fork(connect)
        watchers = [self.monitor("-p", "9998"), self.monitor("-p", "9998", "--process", str(child))]
        watchers[0].wait_for(event="appeared", state="LISTEN")
        os.read(reading, 10)
        time.sleep(1)
        for watcher in watchers:
            self.assertEqual(watcher.stop()[0], 0)
            waiting = [event for event in watcher.events
                       if event["event"] == "transition" and event["to"] == "CLOSE_WAIT"]
            self.assertEqual(len(waiting), 400)
            self.assertEqual({event.get("pid") for event in waiting}, {child})


class Namespaces(NetworkTest):
    def test_by_pid_name_and_path(self):
        needs("ip")
        inner = self.spawn("unshare", "-n", "sh", "-c", "ip link set lo up && exec sleep 60")
        self.wait_until(lambda: open(f"/proc/{inner.pid}/comm").read() == "sleep\n")
        self.listen()
        path = f"/proc/{inner.pid}/ns/net"
        open("/run/netns/inner", "w").close()
        self.assertEqual(os.system(f"mount --bind {path} /run/netns/inner"), 0)
        for name in (str(inner.pid), "inner", path):
            self.assertEqual(self.list("--netns", name), [])
            monitor = self.monitor("--netns", name, "-d", "200ms")
            self.assertEqual(monitor.finish()[0], 0)
        self.assertEqual(self.list("--netns", str(os.getpid()))[0]["netns"],
                         os.stat("/proc/self/ns/net").st_ino)

    def test_that_stands_is_not_taken_for_gone(self):
        """Without owners no right is left to look at other users' processes."""
        inner = self.spawn("unshare", "-n", "sleep", "60")
        self.wait_until(lambda: open(f"/proc/{inner.pid}/comm").read() == "sleep\n")
        monitor = self.monitor("--netns", str(inner.pid), "--no-owner", "--duration=1500ms")
        self.assertEqual(monitor.finish(), (0, ""))

    def test_that_goes_away_is_said(self):
        inner = self.spawn("unshare", "-n", "sleep", "60")
        self.wait_until(lambda: open(f"/proc/{inner.pid}/comm").read() == "sleep\n")
        monitor = self.monitor("--netns", str(inner.pid))
        time.sleep(1)
        inner.kill()
        inner.wait()
        status, stderr = monitor.finish()
        self.assertEqual(status, 1)
        self.assertRegex(stderr, "^tcpwatch: the network namespace .* has gone\n$")
        self.assertEqual([event["event"] for event in monitor.events], ["lost", "summary"])


class Faults(NetworkTest):
    @staticmethod
    def dropped():
        """Whether the kernel has dropped a message to a socket in the destroy groups."""
        with open("/proc/net/netlink", encoding="ascii") as file:
            return any(int(line.split()[8]) for line in file if line.split()[3] == "00000005")

    def test_process_may_have_held_what_no_look_met(self):
        """Whether it did is not known, and that is said."""
        listener = self.listen()
        monitor = self.monitor("-p", "9998", "--process", str(os.getpid()), "--interval=2s")
        monitor.wait_for(event="appeared", state="LISTEN")
        for server, client in [self.connect(listener) for _ in range(5)]:
            client.close()
            server.close()
        monitor.wait_for(event="lost")
        self.assertEqual(monitor.stop(), (0, ""))
        told = [event for event in monitor.events if event["event"] == "closed"]
        self.assertEqual(monitor.events[-1]["lost"] + len(told), 10)

    def test_of_what_was_met_it_is_known_who_held_it(self):
        listener = self.listen()
        monitor = self.monitor("-p", "9998", "--process", "nobody-s-name", "--interval=50ms")
        ends = [self.connect(listener) for _ in range(5)]
        time.sleep(0.5)
        for server, client in ends:
            client.close()
            time.sleep(0.1)
            server.close()
        time.sleep(0.2)
        self.assertEqual(monitor.stop(), (0, ""))
        self.assertEqual([event["event"] for event in monitor.events], ["summary"])

    def test_lost_messages_are_counted(self):
        """A watcher that is stopped while more ends than its buffer holds."""
        needs_other_user()  # whose buffer is smaller
        listener = self.listen("0.0.0.0")
        monitor = self.monitor("-p", "9998", "--no-owner", "-i", "50ms", prefix=AS_NOBODY)
        monitor.wait_for(event="appeared", state="LISTEN")
        monitor.process.send_signal(signal.SIGSTOP)
        made = 0
        while not self.dropped():
            self.assertLess(made, 80000, "as many did not fill the buffer")
            quick_connections(listener, 500, f"127.0.0.{made // 20000 + 1}")
            made += 500
        monitor.process.send_signal(signal.SIGCONT)
        monitor.wait_for(event="lost", timeout_s=20, reason="the kernel's messages came faster "
                         "than they could be read")
        time.sleep(1)
        status, _ = monitor.stop()
        self.assertEqual(status, 0)
        closed = sum(event["event"] == "closed" for event in monitor.events)
        lost = sum(event.get("count", 0) for event in monitor.events if event["event"] == "lost")
        self.assertGreater(lost, 0)
        self.assertEqual(closed + lost, 2 * made)

    def test_stopped_process_says_that_it_was_blind(self):
        self.listen()
        monitor = self.monitor("-p", "9998")
        monitor.wait_for(event="appeared", state="LISTEN")
        monitor.process.send_signal(signal.SIGSTOP)
        time.sleep(2)
        monitor.process.send_signal(signal.SIGCONT)
        self.assertIn("stopped", monitor.wait_for(event="lost")["reason"])

    def test_reader_that_stops_reading_loses_nothing_unsaid(self):
        listener = self.listen()
        reading, writing = os.pipe()
        monitor = self.spawn(TCPWATCH, "monitor", "--json", "-p", "9998",
                             stdout=writing)
        os.close(writing)
        self.assertIn(b'"state":"LISTEN"', os.read(reading, 4096))  # it has begun
        quick_connections(listener, 300)
        time.sleep(2.5)
        monitor.send_signal(signal.SIGINT)
        with os.fdopen(reading) as pipe:
            text = pipe.read()
        self.assertEqual(monitor.wait(10), 0)
        self.assertEqual(text.count('"event":"closed"'), 600)
        self.assertEqual(text.count('"event":"summary"'), 1)

    def watch_unread(self, *args, kept=0):
        """A monitor whose output fills a pipe that nobody reads."""
        listener = self.listen()
        self.kept = [self.connect(listener) for _ in range(kept)]
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        self.reading = reading
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
        monitor = self.spawn(TCPWATCH, "monitor", "--json", "-p", "9998", *args,
                             stdout=writing, stderr=subprocess.PIPE, text=True)
        os.close(writing)
        self.wait_until(lambda: select.select([reading], [], [], 0)[0])
        quick_connections(listener, 40)
        return monitor

    def check_unread(self, monitor):
        _, stderr = monitor.communicate(timeout=15)
        self.assertEqual(monitor.returncode, 1)
        self.assertRegex(stderr, r"tcpwatch: nobody reads the output: \d+ bytes of it were not "
                                 r"written\n$")
        self.assertEqual(stderr.count("nobody reads"), 1)

    def test_reader_that_never_reads_does_not_hold_up_a_signal(self):
        monitor = self.watch_unread()
        time.sleep(1)
        monitor.terminate()
        self.check_unread(monitor)

    def test_reader_that_never_reads_does_not_hold_up_the_duration(self):
        self.check_unread(self.watch_unread("--duration=1s"))

    def test_much_that_nobody_reads_does_not_hold_up_the_duration(self):
        """A walk has more to say than waits to be written otherwise."""
        self.check_unread(self.watch_unread("--duration=1s", "--source=poll", kept=200))

    def test_second_signal_of_any_kind_kills_it(self):
        monitor = self.watch_unread()
        monitor.send_signal(signal.SIGINT)
        time.sleep(0.5)
        monitor.terminate()
        self.assertEqual(monitor.wait(10), -signal.SIGTERM)

    def test_signal_while_the_rest_is_not_read_ends_it(self):
        monitor = self.watch_unread("--duration=1s")
        time.sleep(1.5)
        monitor.terminate()
        self.check_unread(monitor)

    def check_read_slowly(self, monitor):
        got = read_slowly(self.reading, 0.5)
        self.assertEqual((monitor.wait(10), monitor.stderr.read()), (0, ""))
        self.assertEqual(got.count(b'"event":"closed"'), 80)
        self.assertEqual(got.count(b'"event":"summary"'), 1)

    def test_reader_that_is_slow_is_waited_for_after_a_signal(self):
        monitor = self.watch_unread("--source=poll")
        time.sleep(1)
        monitor.terminate()
        self.check_read_slowly(monitor)

    def test_reader_that_is_slow_is_waited_for_after_the_duration(self):
        self.check_read_slowly(self.watch_unread("--duration=1s", "--source=poll"))

    def test_reader_that_goes_ends_it_quietly(self):
        done = self.spawn("sh", "-c", f"{os.environ['TCPWATCH']} monitor -p 1 | head -1; "
                          "echo ended", stdout=-1, stderr=-1, text=True)
        out, err = done.communicate(timeout=10)
        self.assertEqual(out.splitlines()[-1], "ended")
        self.assertNotIn("write", err)

    def test_full_disk_is_said(self):
        with open("/dev/full", "w") as full:
            done = self.spawn(TCPWATCH, "monitor", stdout=full, stderr=-1, text=True)
            self.assertIn("No space left on device", done.communicate(timeout=10)[1])
        self.assertEqual(done.returncode, 1)

    def test_no_descriptors_left_is_said(self):
        done = self.tcpwatch("monitor", prefix=("prlimit", "--nofile=4"))
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, "^tcpwatch: .*Too many open files\n$")

    def test_unprivileged_user_is_told_once_what_root_would_add(self):
        needs_other_user()
        self.connect(self.listen())
        monitor = self.monitor("-p", "9998", "-d", "500ms", prefix=AS_NOBODY)
        status, stderr = monitor.finish()
        self.assertEqual(status, 0)
        self.assertEqual(stderr.count("\n"), 1)
        self.assertIn("root would show them", stderr)
        for event in monitor.events[:-1]:
            self.assertNotIn("pid", event)
            self.assertEqual(event["uid"], 0)

    def test_process_that_may_not_be_looked_at(self):
        """What ends is then lost, and it is said that it may be for want of a right."""
        needs_other_user()
        listener = self.listen()
        monitor = self.monitor("-p", "9998", "--process", str(os.getpid()), "--duration=2",
                               prefix=AS_NOBODY)
        time.sleep(0.5)
        server, client = self.connect(listener)
        time.sleep(0.5)
        client.close()
        server.close()
        monitor.wait_for(event="lost", reason="over before its process was found, or that may not "
                                               "be looked at")
        self.assertEqual(monitor.finish()[0], 0)


if __name__ == "__main__":
    unittest.main()
