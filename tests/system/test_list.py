# SPDX-License-Identifier: MIT
"""tcpwatch list against real sockets, side by side with ss."""
import ctypes
import os
import re
import socket
import subprocess
import time
import unittest

from harness import AS_NOBODY, NetworkTest, needs, needs_other_user

SS_STATES = {"ESTAB": "ESTABLISHED", "SYN-SENT": "SYN_SENT", "SYN-RECV": "SYN_RECV",
             "FIN-WAIT-1": "FIN_WAIT1", "FIN-WAIT-2": "FIN_WAIT2", "TIME-WAIT": "TIME_WAIT",
             "CLOSE-WAIT": "CLOSE_WAIT", "LAST-ACK": "LAST_ACK", "LISTEN": "LISTEN",
             "CLOSING": "CLOSING"}


def name_process(name):
    ctypes.CDLL(None).prctl(15, name, 0, 0, 0)  # PR_SET_NAME


class Rows(NetworkTest):
    def test_three_rows_of_the_article(self):
        listener = self.listen()
        child = self.fork(listener.accept)
        client = socket.create_connection(("127.0.0.1", 9998))
        self.addCleanup(client.close)
        self.wait_until(lambda: any(row.get("pid") == child for row in self.list("-p", "9998")))
        self.kill_and_reap(child)
        self.wait_until(lambda: any(row["state"] == "FIN_WAIT2"
                                    for row in self.list("-p", "9998")))
        rows = {row["state"]: row for row in self.list("--port", "9998")}
        self.assertEqual(set(rows), {"LISTEN", "FIN_WAIT2", "CLOSE_WAIT"})
        self.assertEqual(rows["LISTEN"]["pid"], os.getpid())
        self.assertEqual(rows["CLOSE_WAIT"]["pid"], os.getpid())
        self.assertNotIn("pid", rows["FIN_WAIT2"])
        self.assertEqual(rows["FIN_WAIT2"]["timer"]["kind"], "timewait")
        text = self.tcpwatch("list", "--port", "9998").stdout.splitlines()
        self.assertEqual([line.split()[0] for line in text],
                         ["STATE", "CLOSE_WAIT", "FIN_WAIT2", "LISTEN"])

    def test_same_sockets_as_ss(self):
        needs("ss")
        listener, listener6 = self.listen(), self.listen("::1", 9999)
        kept = [self.connect(listener) for _ in range(5)]
        kept += [self.connect(listener6) for _ in range(3)]
        kept[0][0].close()
        kept[1][1].close()
        kept[2][1].sendall(b"x" * 1000)
        kept[3][0].shutdown(socket.SHUT_WR)
        kept[3][1].shutdown(socket.SHUT_WR)
        time.sleep(0.1)
        theirs = subprocess.run(["ss", "-tanH"], stdout=subprocess.PIPE, text=True,
                                check=True).stdout.splitlines()
        theirs = sorted((SS_STATES[state], int(recv), int(send), local, remote)
                        for state, recv, send, local, remote in map(str.split, theirs))
        ours = self.tcpwatch("list", "-H").stdout.splitlines()
        ours = sorted((state, int(recv), int(send), local.replace("*", "0.0.0.0", 1)
                       if local.startswith("*") else local,
                       remote.replace("*", "0.0.0.0", 1) if state == "LISTEN" and
                       remote == "*:*" else remote)
                      for state, recv, send, local, remote in
                      (line.split()[:5] for line in ours))
        self.assertEqual(ours, theirs)
        self.assertGreaterEqual(len(ours), 14)

    def test_same_owners_and_timers_as_ss(self):
        needs("ss")
        server, client = self.connect(self.listen())
        client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        del server
        theirs = subprocess.run(["ss", "-tanpoH", "dport = :9998"], stdout=subprocess.PIPE,
                                text=True, check=True).stdout
        row = self.list("--remote-port=9998")[0]
        name, pid = re.search(r'\(\("(.*?)",pid=(\d+)', theirs).groups()
        self.assertEqual((row["process"], row["pid"]), (name, int(pid)))
        self.assertIn("timer:(keepalive,", theirs)
        self.assertEqual(row["timer"]["kind"], "keepalive")
        self.assertTrue(7190_000 <= row["timer"]["expires_ms"] <= 7200_000)

    def test_trouble_stands_first(self):
        listener = self.listen()
        pairs = [self.connect(listener) for _ in range(2)]
        pairs[1][0].shutdown(socket.SHUT_WR)
        time.sleep(0.1)
        states = [row["state"] for row in self.list("-p", "9998")]
        self.assertEqual(states, ["CLOSE_WAIT", "FIN_WAIT2", "ESTABLISHED", "ESTABLISHED",
                                  "LISTEN"])
        # A listener that lets no more in, whatever its port.
        full = self.listen(port=65000, backlog=0)
        self.addCleanup(socket.create_connection(full.getsockname()).close)
        states = [row["state"] for row in self.list("-p", "9998,65000")]
        self.assertEqual(states[:2], ["LISTEN", "CLOSE_WAIT"])

    def test_hundreds_stand_in_the_order_of_state_and_ports(self):
        listeners = [self.listen(port=port) for port in (9998, 99, 40000)]
        for number in range(300):
            server, _ = self.connect(listeners[number % 3])
            if number % 5 == 0:
                server.shutdown(socket.SHUT_WR)
        states = ["CLOSE_WAIT", "FIN_WAIT2", "ESTABLISHED", "LISTEN"]
        ports = "9998,99,40000"
        self.wait_until(lambda: [row["state"] for row in self.list("-p", ports)].count(
            "FIN_WAIT2") == 60)
        rows = [(states.index(row["state"]), row["local"]["port"], row["remote"]["port"])
                for row in self.list("-p", ports)]
        self.assertEqual(len(rows), 603)
        self.assertEqual(rows, sorted(rows))

    def test_columns_are_as_wide_as_what_is_in_them(self):
        self.connect(self.listen())
        lines = self.tcpwatch("list", "-p", "9998").stdout.splitlines()
        owners = {line.index(word) for line in lines for word in ("OWNER", "python")
                  if word in line}
        self.assertEqual(len(owners), 1, lines)
        self.assertEqual(self.tcpwatch("list", "-H", "-p", "9998").stdout.count("\n"), 3)

    def test_bound_socket_only_where_asked_for(self):
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 9998))
            self.assertEqual(self.list("-p", "9998"), [])
            rows = self.list("-p", "9998", "-s", "BOUND_INACTIVE")
        if rows == []:
            self.skipTest("this kernel does not list sockets that are only bound (before 6.8)")
        self.assertEqual(rows[0]["local"], {"address": "127.0.0.1", "port": 9998})

    def test_many_ports_and_addresses(self):
        """More than one bytecode program holds: the rest is done after the kernel."""
        self.listen()
        self.listen(port=4999)
        ports = ",".join(str(port) for port in range(1, 9999, 2)) + ",9998"
        self.assertEqual(sorted(row["local"]["port"] for row in self.list("-p", ports)),
                         [4999, 9998])
        addresses = ",".join(f"10.0.{n // 256}.{n % 256}" for n in range(2000)) + ",127.0.0.0/8"
        self.assertEqual(len(self.list("-a", addresses)), 2)

    def test_scoped_address(self):
        needs("ip")
        self.assertEqual(os.system("ip link add v0 type veth peer name v1 && "
                                   "ip link set v0 up && ip link set v1 up && "
                                   "ip -6 addr add fe80::1/64 dev v0 nodad"), 0)
        with socket.socket(socket.AF_INET6) as listener:
            listener.bind(("fe80::1", 9998, 0, socket.if_nametoindex("v0")))
            listener.listen()
            self.assertIn("[fe80::1%v0]:9998", self.tcpwatch("list", "-p", "9998").stdout)
            self.assertEqual(self.list("-p", "9998")[0]["local"]["address"], "fe80::1%v0")
            self.assertEqual(len(self.list("-a", "fe80::1%v0")), 1)
            self.assertEqual(len(self.list("-a", "fe80::%v0/64")), 1)
            self.assertEqual(self.list("-a", "fe80::1%v1"), [])

    def test_bound_to_a_device(self):
        for host, ours in (("127.0.0.1", "127.0.0.1%lo:9998"), ("::1", "[::1%lo]:9998")):
            with self.subTest(host), socket.socket(socket.AF_INET6 if ":" in host
                                                   else socket.AF_INET) as listener:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
                listener.bind((host, 9998))
                listener.listen()
                with socket.create_connection((host, 9998)) as client:
                    lines = [line.split() for line in
                             self.tcpwatch("list", "-H", "-p", "9998").stdout.splitlines()]
                    other = ours.replace("%lo", "").replace("9998", str(client.getsockname()[1]))
                    self.assertEqual(sorted((line[0], *line[3:5]) for line in lines),
                                     sorted([("ESTABLISHED", ours, other),
                                             ("ESTABLISHED", other, ours.replace("%lo", "")),
                                             ("LISTEN", ours, "[::]:*" if ":" in host
                                              else "*:*")]))
                    self.assertEqual(sorted(row.get("device", "") for row
                                            in self.list("-p", "9998")), ["", "lo", "lo"])

    def test_scoped_address_in_another_namespace(self):
        """The device is one of the namespace that is looked at."""
        needs("ip")
        inner = self.spawn("unshare", "-n", "sh", "-c",
                           "ip link add v0 type veth peer name v1 && exec sleep 60")
        self.wait_until(lambda: open(f"/proc/{inner.pid}/comm").read() == "sleep\n")
        self.assertEqual(self.list("-N", str(inner.pid), "-a", "fe80::1%v0"), [])
        done = self.tcpwatch("list", "-a", "fe80::1%v0")
        self.assertEqual((done.returncode, done.stderr),
                         (64, "tcpwatch list: --address: 'v0' is no device of this network "
                              "namespace; allowed: those of 'ip link'\n"))


class Names(NetworkTest):
    def test_control_bytes_of_a_name_never_reach_the_terminal(self):
        name_process(b"\x1b[31m\xff\"\\\n")
        self.listen()
        text = self.tcpwatch("list", "-p", "9998").stdout
        self.assertNotRegex(text, "[\x00-\x09\x0b-\x1f\x7f-\x9f]")
        self.assertIn("\\x1b[31m\\xff\"\\\\x0a[", text.replace("\\\\x0a", "\\\\x0a"))
        self.assertEqual(self.list("-p", "9998")[0]["process"], "\\x1b[31m\\xff\"\\\\x0a")

    def test_two_processes_that_share_a_socket(self):
        self.listen()
        child = self.fork(lambda: None)
        self.assertIn("+1\n", self.tcpwatch("list", "-p", "9998").stdout)
        self.assertEqual(self.list("-p", "9998")[0]["pid"], os.getpid())
        # Each of them is one that holds it.
        for pid in os.getpid(), child:
            self.assertEqual([row["pid"] for row in self.list("--process", str(pid))], [pid])


class Rights(NetworkTest):
    def setUp(self):
        super().setUp()
        needs_other_user()

    def check_denied(self):
        self.listen()
        done = self.tcpwatch("list", "-p", "9998", prefix=AS_NOBODY)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(done.stderr.count("\n"), 1)
        self.assertIn("root would show them", done.stderr)
        self.assertIn("uid:0", done.stdout)
        # Nothing to say where no owner is wanted, or none is missing.
        done = self.tcpwatch("list", "--no-owner", prefix=AS_NOBODY)
        self.assertEqual(done.stderr, "")
        self.assertNotRegex(done.stdout, "OWNER|uid:| \n")
        self.assertEqual(self.tcpwatch("list").stderr, "")

    def test_unprivileged_user(self):
        self.check_denied()

    def test_hidepid(self):
        if subprocess.run(["mount", "-t", "proc", "-o", "hidepid=2", "proc", "/proc"],
                          check=False).returncode:
            self.skipTest("/proc cannot be mounted with hidepid=2 here")
        self.check_denied()

    def test_without_proc(self):
        if "ASAN_OPTIONS" in os.environ:
            self.skipTest("LeakSanitizer needs /proc")
        subprocess.run(["mount", "-t", "tmpfs", "none", "/proc"], check=True)
        self.listen()
        done = self.tcpwatch("list", "-p", "9998")
        self.assertEqual(done.returncode, 0)
        self.assertIn("uid:0", done.stdout)
        self.assertRegex(done.stderr, r"^tcpwatch: some owners are not shown: .*\n$")

    def test_foreign_namespace_is_refused(self):
        inner = self.spawn("unshare", "-n", "sleep", "60")
        time.sleep(0.3)
        done = self.tcpwatch("list", "--netns", str(inner.pid), prefix=AS_NOBODY)
        self.assertIn(done.returncode, (1, 64))
        self.assertEqual(done.stderr.count("\n"), 1)

    def test_own_rootless_namespace_is_entered(self):
        if subprocess.run([*AS_NOBODY, "unshare", "-rn", "true"], stderr=subprocess.DEVNULL,
                          check=False).returncode:
            self.skipTest("another user may not make a user namespace here")
        inner = self.spawn(*AS_NOBODY, "unshare", "-rn", "sleep", "60")
        self.wait_until(lambda: open(f"/proc/{inner.pid}/comm").read() == "sleep\n")
        done = self.tcpwatch("list", "--json", "--netns", str(inner.pid), prefix=AS_NOBODY)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))


class Faults(NetworkTest):
    def test_output_faults(self):
        self.listen()
        with open("/dev/full", "w") as full:
            done = subprocess.run([os.environ["TCPWATCH"], "list"], stdout=full, check=False,
                                  stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, "^tcpwatch: .*No space left on device\n$")
        done = subprocess.run(f"{os.environ['TCPWATCH']} list >&-", shell=True, check=False,
                              stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, "^tcpwatch: .*Bad file descriptor\n$")

    def test_no_descriptors_left(self):
        self.listen()
        done = self.tcpwatch("list", prefix=("prlimit", "--nofile=3"))
        self.assertNotEqual(done.returncode, 0)
        done = self.tcpwatch("list", prefix=("prlimit", "--nofile=4"))
        self.assertEqual((done.returncode, done.stderr), (0, "tcpwatch: owners are not shown: "
                         "cannot read /proc: Too many open files\n"))
        self.assertIn(":9998", done.stdout)

    def test_no_memory_left(self):
        """Whenever it runs out, that is said, or all are listed."""
        needs("prlimit")
        if "ASAN_OPTIONS" in os.environ:
            self.skipTest("AddressSanitizer needs terabytes of addresses")
        for port in range(20000, 20900):
            self.addCleanup(socket.create_server(("127.0.0.1", port)).close)
        said = 0
        for megabytes in range(4, 32):
            done = self.tcpwatch("list", "--no-owner", "--no-header", prefix=(
                "prlimit", f"--as={megabytes << 20}"))
            if done.returncode == 0:
                self.assertEqual((done.stdout.count("\n"), done.stderr), (900, ""))
            elif "tcpwatch: cannot" in done.stderr:
                self.assertEqual((done.returncode, done.stdout), (1, ""))
                self.assertRegex(done.stderr, "^tcpwatch: .*Cannot allocate memory\n$")
                said += 1
            else:
                self.assertIn("shared librar", done.stderr)  # it did not start
        self.assertGreater(said, 3)


class Usage(unittest.TestCase):
    BAD = (
        ("list", "--port", "0"), ("list", "--port", "65536"), ("list", "--port", "abc"),
        ("list", "--port", "10-5"), ("list", "--port", ""), ("list", "--port", "1,,2"),
        ("list", "--port", "-1"), ("list", "--port", "1-70000"), ("list", "--port", "80,"),
        ("list", "--state", "NOPE"), ("list", "--state", ","), ("list", "--address", ","),
        ("list", "--local-port", "x"), ("list", "--remote-port", "0"),
        ("list", "--address", "10.0.0.0/33"), ("list", "--address", "::/129"),
        ("list", "--address", "10.0.0"), ("list", "--address", "10.0.0.0/"),
        ("list", "--netns", "not-there"), ("list", "--netns", "/etc/passwd"),
        ("list", "--color", "sometimes"), ("list", "--process", ""),
        ("monitor", "--interval", "0"), ("monitor", "--interval", "-1"),
        ("monitor", "--interval", "1x"), ("monitor", "--duration", "soon"),
        ("monitor", "--count", "0"), ("monitor", "--count", "1.5"), ("monitor", "--until", "NOPE"),
        ("monitor", "--stuck", "1d"), ("monitor", "--source", "magic"),
    )

    def refuse(self, *args):
        done = subprocess.run([os.environ["TCPWATCH"], *args], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=10, check=False)
        self.assertEqual(done.returncode, 64, (args, done.stderr))
        self.assertEqual(done.stdout, "")
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        return done.stderr

    def test_bad_values_name_option_value_and_what_is_allowed(self):
        for command, option, value in self.BAD:
            with self.subTest(option=option, value=value):
                line = self.refuse(command, f"{option}={value}")
                self.assertTrue(line.startswith(f"tcpwatch {command}: {option}: '"), line)
                self.assertIn("allowed: ", line)
                wrong = line.split("'")[1]
                self.assertIn(wrong, value)
                self.assertEqual(wrong == "", value == "", line)

    def test_bad_options_and_arguments(self):
        self.assertIn("--frob", self.refuse("list", "--frob"))
        self.assertIn("-4 and -6", self.refuse("list", "-4", "-6"))
        self.assertIn("'extra'", self.refuse("monitor", "extra"))
        self.assertIn("lacks its value", self.refuse("list", "--port"))
        self.assertIn("allowed: ", self.refuse())

    def test_unknown_command_names_the_nearest(self):
        self.assertIn("did you mean 'monitor'?", self.refuse("moniter"))
        self.assertIn("did you mean 'list'?", self.refuse("lst"))
        self.assertNotIn("did you mean", self.refuse("frobnicate"))


if __name__ == "__main__":
    unittest.main()
