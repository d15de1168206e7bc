# SPDX-License-Identifier: MIT
"""tcpwatch monitor on real connections."""
import os
import socket

from harness import NetworkTest


class Transitions(NetworkTest):
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
        self.assertEqual(server_side["from"], "ESTABLISHED")
        self.assertEqual(server_side["skipped"], ["FIN_WAIT1"])
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
