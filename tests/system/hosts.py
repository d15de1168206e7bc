# SPDX-License-Identifier: MIT
"""Three hosts in network namespaces of the test's own: client -- router -- server.

The test itself runs on the client. `with on(self.server):` moves the calling thread elsewhere, so
that every helper of the harness (listen, spawn, fork, tcpwatch, monitor) works on that host. All
of it lives on descriptors of the test process: it goes when the process does, whatever ends it.
"""
import contextlib
import ipaddress
import os
import signal
import socket
import struct
import subprocess
import typing
import unittest

from harness import CLONE_NEWNET, NetworkTest, _call, needs, write

CLIENT, CLIENT6 = "10.0.1.2", "fd00:1::2"
SERVER, SERVER6 = "10.0.2.2", "fd00:2::2"
ROUTER, ROUTER6 = "10.0.1.1", "fd00:1::1"  # as the client sees it
OF_THREAD = "/proc/thread-self/ns/net"
SO_TIMESTAMPNS = 35

SYSCTLS = {  # on every host, before it has interfaces; then nothing waits and no error is withheld
    "net.ipv6.conf.all.accept_dad": 0, "net.ipv6.conf.default.accept_dad": 0,
    "net.ipv6.conf.default.router_solicitations": 0,
    "net.ipv4.icmp_ratelimit": 0, "net.ipv4.icmp_ratemask": 0, "net.ipv6.icmp.ratelimit": 0,
    "net.ipv4.conf.all.rp_filter": 0, "net.ipv4.conf.default.rp_filter": 0,
    "net.ipv4.tcp_no_metrics_save": 1,  # a connection's RTO does not depend on those before it
}
# The first hop asks its neighbours three times in 150 ms, then says "host unreachable". Table 100
# sends everything to a neighbour that does not exist.
ROUTER_SETUP = """
link set lo up
link add to-client type veth peer name eth0 netns /proc/self/fd/{client}
link add to-server type veth peer name eth0 netns /proc/self/fd/{server}
addr add 10.0.1.1/24 dev to-client
addr add fd00:1::1/64 dev to-client nodad
addr add 10.0.2.1/24 dev to-server
addr add fd00:2::1/64 dev to-server nodad
link set to-client up
link set to-server up
ntable change name arp_cache dev to-server retrans 50 mcast_probes 3
ntable change name ndisc_cache dev to-server retrans 50 mcast_probes 3
route add default via 10.0.2.9 table 100
route add ::/0 via fd00:2::9 table 100
"""
HOST_SETUP = """
link set lo up
link set eth0 up
addr add 10.0.{net}.2/24 dev eth0
addr add fd00:{net}::2/64 dev eth0 nodad
route add default via 10.0.{net}.1
route add ::/0 via fd00:{net}::1
"""


@contextlib.contextmanager
def on(host):
    """What the calling thread makes inside (sockets, processes, threads) is on this host."""
    before = os.open(OF_THREAD, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _call("setns", host.fd, CLONE_NEWNET)
        yield host
    finally:
        _call("setns", before, CLONE_NEWNET)
        os.close(before)


class Host:
    """A network namespace, held by a descriptor."""

    def __init__(self, fd):
        self.fd = fd
        for name, value in SYSCTLS.items():
            self.set_sysctl(name, value)

    @classmethod
    def here(cls):
        """The namespace of the calling thread."""
        return cls(os.open(OF_THREAD, os.O_RDONLY | os.O_CLOEXEC))

    @classmethod
    def new(cls):
        before = os.open(OF_THREAD, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _call("unshare", CLONE_NEWNET)
            return cls.here()
        finally:
            _call("setns", before, CLONE_NEWNET)
            os.close(before)

    def run(self, *command, **options):
        """Runs a command to its end, which has to be good; returns its output."""
        with on(self):
            done = subprocess.run(command, text=True, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, check=False, **options)
        if done.returncode:
            raise AssertionError(f"{' '.join(command)}: {done.stderr}")
        return done.stdout

    def ip(self, commands, *options, pass_fds=()):
        """Commands of ip(8), one a line."""
        return self.run("ip", *options, "-batch", "-", input=commands, pass_fds=pass_fds)

    def sysctl(self, name):
        with on(self), open("/proc/sys/" + name.replace(".", "/"), encoding="ascii") as file:
            return file.read().strip()

    def set_sysctl(self, name, value):
        with on(self):
            write("/proc/sys/" + name.replace(".", "/"), str(value))

    def processes(self):
        """The pids of the processes on this host, but for the test itself."""
        mine = os.fstat(self.fd)
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                if os.path.samestat(os.stat(f"/proc/{pid}/ns/net"), mine) \
                        and int(pid) != os.getpid():
                    yield int(pid)


class Segment(typing.NamedTuple):
    """A TCP segment; time is that of time.time()."""
    time: float
    outgoing: bool
    src: str
    sport: int
    dst: str
    dport: int
    flags: set
    seq: int
    ack: int
    length: int


class IcmpError(typing.NamedTuple):
    """An ICMP or ICMPv6 error from src; the last four tell the TCP segment that it is about."""
    time: float
    outgoing: bool
    src: str
    type: int
    code: int
    about_src: str
    about_sport: int
    about_dst: str
    about_dport: int


def _parse_ip(data):
    """(source, destination, protocol, payload, length of the payload when whole)."""
    if data[0] >> 4 == 4:
        header = (data[0] & 15) * 4
        src, dst, protocol = data[12:16], data[16:20], data[9]
        length = int.from_bytes(data[2:4], "big") - header
    else:
        header, src, dst, protocol = 40, data[8:24], data[24:40], data[6]
        length = int.from_bytes(data[4:6], "big")
    return (str(ipaddress.ip_address(src)), str(ipaddress.ip_address(dst)), protocol,
            data[header:], length)


def parse_packet(data, time_s, outgoing):
    """A Segment, an IcmpError, or None for anything else."""
    src, dst, protocol, payload, length = _parse_ip(data)
    if protocol == socket.IPPROTO_TCP:
        sport, dport, seq, ack, offset, bits = struct.unpack("!HHIIBB", payload[:14])
        names = ("FIN", "SYN", "RST", "PSH", "ACK", "URG")
        flags = {name for i, name in enumerate(names) if bits >> i & 1}
        return Segment(time_s, outgoing, src, sport, dst, dport, flags, seq, ack,
                       length - (offset >> 4) * 4)
    if protocol == socket.IPPROTO_ICMP and payload[0] in (3, 4, 5, 11, 12) \
            or protocol == socket.IPPROTO_ICMPV6 and payload[0] < 128:
        about_src, about_dst, inner, quoted, _ = _parse_ip(payload[8:])
        if inner == socket.IPPROTO_TCP:
            sport, dport = struct.unpack("!HH", quoted[:4])
            return IcmpError(time_s, outgoing, src, payload[0], payload[1], about_src, sport,
                             about_dst, dport)
    return None


class Capture:
    """What passes an interface of a host, both ways, from now on."""
    ALL_PROTOCOLS = 3

    def __init__(self, test, host, interface="eth0"):
        self._packets = []
        with on(host):
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK,
                                         0)
        test.addCleanup(self._socket.close)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.bind((interface, self.ALL_PROTOCOLS))

    def packets(self):
        """All TCP segments and ICMP errors about them, so far."""
        with contextlib.suppress(BlockingIOError):
            while True:
                data, control, _, (_, protocol, kind, *_) = self._socket.recvmsg(1024, 64)
                seconds, nanoseconds = struct.unpack("@qq", control[0][2])
                if protocol in (0x0800, 0x86dd):
                    self._packets.append(parse_packet(data, seconds + nanoseconds / 1e9,
                                                      kind == socket.PACKET_OUTGOING))
        return [packet for packet in self._packets if packet]

    def segments(self, *flags):
        """The TCP segments so far that have at least these flags."""
        return [packet for packet in self.packets()
                if isinstance(packet, Segment) and packet.flags >= set(flags)]

    def icmp_errors(self):
        return [packet for packet in self.packets() if isinstance(packet, IcmpError)]


class HostsTest(NetworkTest):
    """A test with three hosts; it runs on the client. The server's end can be broken."""

    def setUp(self):
        needs("ip")
        if not os.path.exists("/proc/net/if_inet6"):
            raise unittest.SkipTest("this kernel has no IPv6")
        super().setUp()
        stamped = socket.socket()  # the kernel begins to stamp packets some time after the first
        stamped.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.addCleanup(stamped.close)
        self._rules = set()
        self.client, self.router, self.server = Host.here(), Host.new(), Host.new()
        self.router.set_sysctl("net.ipv4.ip_forward", 1)
        self.router.set_sysctl("net.ipv6.conf.all.forwarding", 1)
        fds = self.client.fd, self.server.fd
        self.router.ip(ROUTER_SETUP.format(client=fds[0], server=fds[1]), pass_fds=fds)
        self.client.ip(HOST_SETUP.format(net=1))
        self.server.ip(HOST_SETUP.format(net=2))

    def capture(self, host=None, interface="eth0"):
        """Starts a Capture, on the client unless told; the router's are to-client, to-server."""
        return Capture(self, host or self.client, interface)

    def _forward(self, action):
        """What the router does with what comes from the client, None for delivery; unless it
        delivers, what comes from the server vanishes. The old ends when the new has begun."""
        rules = {f"iif to-client {action}", "iif to-server blackhole"} if action else set()
        commands = [f"rule add pref 10 {rule}\n" for rule in rules - self._rules] + \
                   [f"rule del pref 10 {rule}\n" for rule in self._rules - rules]
        for family in "-4", "-6":
            self.router.ip("".join(commands), family)
        self._rules = rules

    def cut(self):
        """From now on what is sent to the server or by it vanishes, and nobody says so."""
        self._forward("blackhole")

    drop_syn = cut  # before a connect

    def unreachable_host(self):
        """The server is gone and the router says so: ICMP host (ICMPv6 address) unreachable,
        150 ms after a packet."""
        self._forward("lookup 100")

    def unreachable_network(self):
        """The router has no route any more: ICMP network unreachable (ICMPv6 no route), at once,
        so that it finds connect() still busy and counts at the next SYN only, after 1 s. After six
        errors IPv4 sends one a second (net.ipv4.route.error_burst, not a namespace's own)."""
        self._forward("unreachable")

    def restore(self):
        self._forward(None)

    def crash(self):
        """The server's processes and sockets go; not a segment tells. Its link stays cut."""
        self.cut()
        old, self.server = self.server, Host.new()
        old.ip(f"link set eth0 netns /proc/self/fd/{self.server.fd}", pass_fds=[self.server.fd])
        for pid in old.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        os.close(old.fd)
        self.server.ip(HOST_SETUP.format(net=2))

    def reboot(self):
        """The server crashes and comes back, with the same addresses: it knows no connection."""
        self.crash()
        self.restore()
