/* SPDX-License-Identifier: MIT */
#include "lab/scenario.h"

#include "units/duration.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#define BIT(state) TCP_STATE_BIT(TCP_STATE_##state)
#define SEEN(state)                                                                                \
    { BIT(state), false }
/* In passing: so short that no look may meet it. */
#define PASSED(state)                                                                              \
    { BIT(state), true }

/* Who is told, and what. */
#define TOLD(ending, number, call)                                                                 \
    .tells = true, .told = {.cause = TCP_ENDING_##ending, .error = (number), .syscall = (call)}

/* How long it is looked at that nothing happens. */
#define QUIET_MS 3000

/* How long a half-closed connection is left so that it can be seen. */
#define STAND_MS 300

/* A server that does not read and has little room, and a client that sends on and on. */
#define FILLS_THE_WINDOW                                                                           \
    .server = {.no_read = true},                                                                   \
    .client = {.text = "a line that nobody reads; a line that nobody reads; a line that nobody "   \
                       "reads; a line that nobody reads; a line that nobody reads",                \
               .every_ns = NS_PER_MS},                                                             \
    .server_setting = {"net.ipv4.tcp_rmem", "4096 4096 4096"}

static const struct scenario table[] = {
    {
        .shown = {.name = "server-killed",
                  .sentence = "the process that serves the connection is killed",
                  .why = "The kernel closes what a dead process had open: its FIN goes out as if "
                         "the process had called close(). The client's host acknowledges it, so "
                         "that the server is in FIN_WAIT2, of no process any more, and the client "
                         "in CLOSE_WAIT. Only the client's process can end that.",
                  .advice = "Wait for the socket and the terminal together, with poll(). A client "
                            "that sits in fgets() does not see the FIN until the next line is "
                            "typed.",
                  .promise = LAB_AT_ONCE},
        .server = {.fork = true},
        .client = {.stay = true},
        .steps = {{STEP_SERVE},
                  {STEP_CONNECT},
                  {STEP_ECHO},
                  {STEP_SIGNAL_CHILD, LAB_SERVER, SIGKILL},
                  {STEP_AWAIT_TOLD, LAB_CLIENT},
                  {STEP_PAUSE, .value = STAND_MS},
                  {STEP_END_INPUT},
                  {STEP_AWAIT_CLOSED, LAB_CLIENT},
                  {STEP_AWAIT_STATE, LAB_SERVER, TCP_STATE_TIME_WAIT}},
        .states = {[LAB_CLIENT] = {SEEN(ESTABLISHED), SEEN(CLOSE_WAIT), PASSED(LAST_ACK),
                                   SEEN(CLOSE)},
                   [LAB_SERVER] = {SEEN(ESTABLISHED), PASSED(FIN_WAIT1), SEEN(FIN_WAIT2),
                                   SEEN(TIME_WAIT)}},
        TOLD(PEER_CLOSE, 0, "read"),
        .sender = LAB_SERVER,
        .flags = SEGMENT_FIN,
    },
    {
        .shown = {.name = "write-after-fin",
                  .sentence = "the client writes to a server whose process has gone",
                  .why =
                      "A FIN says that the peer sends nothing more, not that it does not read: TCP "
                      "lets the client write. Nobody reads there any more, so that the server's "
                      "kernel answers RST. What read() tells the client is the FIN, which came "
                      "first, and so the end of the stream: \"server terminated prematurely\".",
                  .advice = "Take read() = 0 as the end, and do not write after it unless the "
                            "protocol has half-closed connections.",
                  .promise = LAB_AT_ONCE},
        .server = {.fork = true},
        .client = {.blocking = true},
        .steps = {{STEP_SERVE},
                  {STEP_CONNECT},
                  {STEP_ECHO},
                  {STEP_SIGNAL_CHILD, LAB_SERVER, SIGKILL},
                  {STEP_AWAIT_STATE, LAB_CLIENT, TCP_STATE_CLOSE_WAIT},
                  {STEP_PAUSE, .value = STAND_MS},
                  {STEP_SAY},
                  {STEP_AWAIT_TOLD, LAB_CLIENT},
                  {STEP_AWAIT_STATE, LAB_CLIENT, TCP_STATE_CLOSE}},
        .states = {[LAB_CLIENT] = {SEEN(ESTABLISHED), SEEN(CLOSE_WAIT), SEEN(CLOSE)},
                   [LAB_SERVER] = {SEEN(ESTABLISHED), PASSED(FIN_WAIT1), SEEN(FIN_WAIT2),
                                   SEEN(CLOSE)}},
        TOLD(PEER_CLOSE, 0, "read"),
        .sender = LAB_SERVER,
        .flags = SEGMENT_RST,
    },
    {
        .shown = {.name = "read-after-reset",
                  .sentence = "the client goes on after the end of the stream, and after the RST",
                  .why = "After the peer's FIN, read() returns 0 for ever on Linux, also when the "
                         "RST has come: ECONNRESET is only for who was told of no FIN before. The "
                         "next write() fails with EPIPE, and SIGPIPE kills a process that has not "
                         "ignored it.",
                  .advice = "Ignore SIGPIPE or send with MSG_NOSIGNAL, and look at what write() "
                            "returns. Who goes on after read() = 0 learns nothing more by reading.",
                  .promise = LAB_AT_ONCE},
        .server = {.fork = true},
        .client = {.blocking = true, .stay = true},
        .steps = {{STEP_SERVE},
                  {STEP_CONNECT},
                  {STEP_ECHO},
                  {STEP_SIGNAL_CHILD, LAB_SERVER, SIGKILL},
                  {STEP_AWAIT_STATE, LAB_CLIENT, TCP_STATE_CLOSE_WAIT},
                  {STEP_PAUSE, .value = STAND_MS},
                  {STEP_SAY},
                  {STEP_AWAIT_STATE, LAB_CLIENT, TCP_STATE_CLOSE},
                  {STEP_PAUSE, .value = STAND_MS},
                  {STEP_SAY},
                  {STEP_AWAIT_CLOSED, LAB_CLIENT}},
        .states = {[LAB_CLIENT] = {SEEN(ESTABLISHED), SEEN(CLOSE_WAIT), SEEN(CLOSE)},
                   [LAB_SERVER] = {SEEN(ESTABLISHED), PASSED(FIN_WAIT1), SEEN(FIN_WAIT2),
                                   SEEN(CLOSE)}},
        TOLD(RESET, EPIPE, "write"),
        .sender = LAB_SERVER,
        .flags = SEGMENT_RST,
    },
    {
        .shown = {.name = "host-crash",
                  .sentence = "the server's host loses its power, and the client sends",
                  .why = "Nothing tells the client; here the router keeps quiet, too. Its kernel "
                         "sends the line again: first as a probe, soon, in case that only the end "
                         "was lost; then after one timeout, and from that on waiting twice as long "
                         "each time. It gives up once the time since then is as long as "
                         "tcp_retries2 allows: read() fails with ETIMEDOUT.",
                  .advice = "Set TCP_USER_TIMEOUT to what the user can wait for, or a time limit "
                            "of the protocol's own for every answer.",
                  .promise = LAB_GIVE_UP_SENDING,
                  .setting = "tcp_retries2"},
        .steps = {{STEP_SERVE},
                  {STEP_CONNECT},
                  {STEP_ECHO},
                  {STEP_CRASH, LAB_SERVER},
                  {STEP_SAY},
                  {STEP_AWAIT_CLOSED, LAB_CLIENT},
                  {STEP_AWAIT_STATE, LAB_CLIENT, TCP_STATE_CLOSE}},
        .forgotten = true,
        .states =
            {[LAB_CLIENT] = {SEEN(ESTABLISHED), SEEN(CLOSE)}, [LAB_SERVER] = {SEEN(ESTABLISHED)}},
        TOLD(TIMED_OUT, ETIMEDOUT, "read"),
    },
    {
        .shown = {.name = "host-unreachable",
                  .sentence = "the server's host loses its power, and the last router says so",
                  .why = "The router finds nobody at that address and answers with ICMP \"host "
                         "unreachable\". For TCP that is a hint, no verdict, as the way may come "
                         "back: the kernel keeps the error and goes on sending, no longer waiting "
                         "twice as long each time, and tells of it only when it gives up.",
                  .advice = "Where a router's word is enough, set IP_RECVERR: the process is then "
                            "told within about one timeout (`tcpwatch client --icmp-errors`, and "
                            "network-unreachable here).",
                  .promise = LAB_GIVE_UP_UNREACHABLE,
                  .setting = "tcp_retries2"},
        .steps = {{STEP_SERVE},
                  {STEP_CONNECT},
                  {STEP_ECHO},
                  {STEP_CRASH, LAB_SERVER},
                  {STEP_FORGET, LAB_SERVER},
                  {STEP_SAY},
                  {STEP_AWAIT_CLOSED, LAB_CLIENT},
                  {STEP_AWAIT_STATE, LAB_CLIENT, TCP_STATE_CLOSE}},
        .forgotten = true,
        .states =
            {[LAB_CLIENT] = {SEEN(ESTABLISHED), SEEN(CLOSE)}, [LAB_SERVER] = {SEEN(ESTABLISHED)}},
        TOLD(HOST_UNREACHABLE, EHOSTUNREACH, "read"),
    },
    {
        .shown = {.name = "network-unreachable",
                  .sentence = "a router has lost its route, and the client has set IP_RECVERR",
                  .why =
                      "The router answers what is sent with ICMP \"network unreachable\", though "
                      "not more than so often. With IP_RECVERR the process is told at once; but "
                      "the answer to what it has just written comes while write() still holds the "
                      "socket, and then the kernel only notes it, so that the one to the first "
                      "repetition counts. For the kernel the connection stands: after close() it "
                      "sends data and FIN for a while, an orphan in FIN_WAIT1.",
                  .advice = "IP_RECVERR trades patience for speed: a route that is gone for a "
                            "second ends the connection, too.",
                  .promise = LAB_FIRST_PROBE},
        .client = {.icmp_errors = true},
        .steps = {{STEP_SERVE},
                  {STEP_CONNECT},
                  {STEP_ECHO},
                  {STEP_UNROUTE, LAB_SERVER},
                  {STEP_SAY},
                  {STEP_AWAIT_CLOSED, LAB_CLIENT},
                  {STEP_AWAIT_LEAVE, LAB_CLIENT, TCP_STATE_FIN_WAIT1}},
        .states = {[LAB_CLIENT] = {SEEN(ESTABLISHED), SEEN(FIN_WAIT1), SEEN(CLOSE)},
                   [LAB_SERVER] = {SEEN(ESTABLISHED)}},
        TOLD(NETWORK_UNREACHABLE, ENETUNREACH, "read"),
    },
    {
        .shown = {.name = "idle-crash",
                  .sentence = "the server's host loses its power while nobody sends",
                  .why =
                      "An idle TCP connection sends nothing at all, so that there is nothing "
                      "that could fail: without keepalive the client stays ESTABLISHED for ever.",
                  .advice = "Set SO_KEEPALIVE, or let the protocol send something by itself, on "
                            "every connection that may be idle.",
                  .promise = LAB_NEVER},
        .steps = {{STEP_SERVE},
                  {STEP_CONNECT},
                  {STEP_ECHO},
                  {STEP_CRASH, LAB_SERVER},
                  {STEP_WATCH, LAB_CLIENT, QUIET_MS}},
        .forgotten = true,
        .states = {[LAB_CLIENT] = {SEEN(ESTABLISHED)}, [LAB_SERVER] = {SEEN(ESTABLISHED)}},
    },
    {
        .shown =
            {.name = "keepalive",
             .sentence = "the server's host loses its power while nobody sends, and the client has "
                         "set SO_KEEPALIVE",
             .why =
                 "After TCP_KEEPIDLE the client's kernel asks whether the peer is there: an empty "
                 "segment with the number before the next one, which has to be answered. After "
                 "TCP_KEEPCNT of them without an answer, TCP_KEEPINTVL apart, read() fails with "
                 "ETIMEDOUT. The RST that goes out then is for a peer that may be there after all.",
             .advice = "Set SO_KEEPALIVE and all three times on the socket: the defaults are two "
                       "hours, 75 s and 9 probes.",
             .promise = LAB_GIVE_UP_IDLE},
        .client = {.liveness = {.keepalive = true, .idle_s = 1, .interval_s = 1, .count = 2}},
        .steps = {{STEP_SERVE},
                  {STEP_CONNECT},
                  {STEP_ECHO},
                  {STEP_CRASH, LAB_SERVER},
                  {STEP_AWAIT_CLOSED, LAB_CLIENT},
                  {STEP_AWAIT_STATE, LAB_CLIENT, TCP_STATE_CLOSE}},
        .forgotten = true,
        .states =
            {[LAB_CLIENT] = {SEEN(ESTABLISHED), SEEN(CLOSE)}, [LAB_SERVER] = {SEEN(ESTABLISHED)}},
        TOLD(TIMED_OUT, ETIMEDOUT, "read"),
    },
    {
        .shown = {.name = "host-reboot",
                  .sentence = "the server's host crashes and comes back before the client sends",
                  .why = "The new kernel knows nothing of the connection, and answers the "
                         "client's line with RST: read() fails with ECONNRESET.",
                  .advice = "A reset connection says nothing of what the server had done before. "
                            "Connect again, and repeat only what may be done twice.",
                  .promise = LAB_AT_ONCE},
        .steps = {{STEP_SERVE},
                  {STEP_CONNECT},
                  {STEP_ECHO},
                  {STEP_CRASH, LAB_SERVER},
                  {STEP_BOOT, LAB_SERVER},
                  {STEP_SAY},
                  {STEP_AWAIT_CLOSED, LAB_CLIENT},
                  {STEP_AWAIT_STATE, LAB_CLIENT, TCP_STATE_CLOSE}},
        .forgotten = true,
        .states =
            {[LAB_CLIENT] = {SEEN(ESTABLISHED), SEEN(CLOSE)}, [LAB_SERVER] = {SEEN(ESTABLISHED)}},
        TOLD(RESET, ECONNRESET, "read"),
        .sender = LAB_SERVER,
        .flags = SEGMENT_RST,
    },
    {
        .shown = {.name = "host-shutdown",
                  .sentence = "the server's host is shut down: SIGTERM, a second of grace, SIGKILL",
                  .why = "init sends SIGTERM to every process and, to those that are still there "
                         "after some seconds, SIGKILL. This server hangs and does not heed the "
                         "first. With the second its descriptors are closed and its FIN goes out, "
                         "as if it alone had been killed.",
                  .advice = "Handle SIGTERM: stop accepting, finish what is under way, close. A "
                            "client cannot tell this end from a crash of the process.",
                  .promise = LAB_AT_ONCE},
        .client = {.stay = true},
        .steps = {{STEP_SERVE},
                  {STEP_CONNECT},
                  {STEP_ECHO},
                  {STEP_SIGNAL, LAB_SERVER, SIGSTOP},
                  {STEP_SIGNAL, LAB_SERVER, SIGTERM},
                  {STEP_WATCH, LAB_CLIENT, 1000},
                  {STEP_SIGNAL, LAB_SERVER, SIGKILL},
                  {STEP_AWAIT_TOLD, LAB_CLIENT},
                  {STEP_PAUSE, .value = STAND_MS},
                  {STEP_END_INPUT},
                  {STEP_AWAIT_CLOSED, LAB_CLIENT},
                  {STEP_AWAIT_STATE, LAB_SERVER, TCP_STATE_TIME_WAIT},
                  {STEP_CRASH, LAB_SERVER}},
        .forgotten = true,
        .states = {[LAB_CLIENT] = {SEEN(ESTABLISHED), SEEN(CLOSE_WAIT), PASSED(LAST_ACK),
                                   SEEN(CLOSE)},
                   [LAB_SERVER] = {SEEN(ESTABLISHED), PASSED(FIN_WAIT1), SEEN(FIN_WAIT2),
                                   SEEN(TIME_WAIT)}},
        TOLD(PEER_CLOSE, 0, "read"),
        .sender = LAB_SERVER,
        .flags = SEGMENT_FIN,
    },
    {
        .shown = {.name = "close-wait-leak",
                  .sentence = "the client closes, and the server's process does not",
                  .why = "CLOSE_WAIT has no timer: the kernel waits for the process to close, for "
                         "as long as that lives. Each such socket holds a descriptor, and in the "
                         "end accept() fails for want of one.",
                  .advice = "Close the socket when read() returns 0, on every path through the "
                            "code. `tcpwatch monitor --stuck` names the process.",
                  .promise = LAB_NEVER},
        .server = {.hold = true},
        .steps = {{STEP_SERVE},
                  {STEP_CONNECT},
                  {STEP_ECHO},
                  {STEP_SIGNAL, LAB_CLIENT, SIGTERM},
                  {STEP_AWAIT_LEAVE, LAB_CLIENT, TCP_STATE_FIN_WAIT2},
                  {STEP_WATCH, LAB_SERVER, 1000}},
        .states = {[LAB_CLIENT] = {SEEN(ESTABLISHED), PASSED(FIN_WAIT1), SEEN(FIN_WAIT2),
                                   SEEN(CLOSE)},
                   [LAB_SERVER] = {SEEN(ESTABLISHED), SEEN(CLOSE_WAIT)}},
        TOLD(PEER_CLOSE, 0, "read"),
        .teller = LAB_SERVER,
    },
    {
        .shown = {.name = "fin-wait2-orphan",
                  .sentence = "the client has closed and gone, and the server closes too late",
                  .why = "Nobody can read what would come in FIN_WAIT2 once the process has closed "
                         "the socket, so that the kernel keeps it for tcp_fin_timeout only. What "
                         "the server sends after that, its FIN too, is answered with RST.",
                  .advice = "Use shutdown(SHUT_WR) and read on until 0 where the peer still has "
                            "to send: a socket that a process holds stays in FIN_WAIT2 for as "
                            "long as that wants.",
                  .promise = LAB_FIN_TIMEOUT,
                  .setting = "tcp_fin_timeout"},
        .server = {.hold = true},
        .steps = {{STEP_SERVE},
                  {STEP_CONNECT},
                  {STEP_ECHO},
                  {STEP_SIGNAL, LAB_CLIENT, SIGTERM},
                  {STEP_AWAIT_LEAVE, LAB_CLIENT, TCP_STATE_FIN_WAIT2},
                  {STEP_SIGNAL, LAB_SERVER, SIGTERM},
                  {STEP_AWAIT_STATE, LAB_SERVER, TCP_STATE_CLOSE}},
        .states = {[LAB_CLIENT] = {SEEN(ESTABLISHED), PASSED(FIN_WAIT1), SEEN(FIN_WAIT2),
                                   SEEN(CLOSE)},
                   [LAB_SERVER] = {SEEN(ESTABLISHED), SEEN(CLOSE_WAIT), PASSED(LAST_ACK),
                                   SEEN(CLOSE)}},
        .sender = LAB_CLIENT,
        .flags = SEGMENT_RST,
    },
    {
        .shown = {.name = "time-wait",
                  .sentence = "both close, and the one who began has to wait",
                  .why = "Whoever sends the first FIN keeps the connection for a minute, so that "
                         "a late segment of it is not taken for one of the next, and that the last "
                         "ACK can be sent again. That is no setting of Linux: tcp_fin_timeout does "
                         "not shorten it.",
                  .advice =
                      "It costs next to nothing on a server; set SO_REUSEADDR on its listening "
                      "socket. A client that connects very often to one place may run out of "
                      "ports: then keep connections, or let the server close first.",
                  .promise = LAB_TIME_WAIT},
        .steps = {{STEP_SERVE},
                  {STEP_CONNECT},
                  {STEP_ECHO},
                  {STEP_END_INPUT},
                  {STEP_AWAIT_CLOSED, LAB_CLIENT},
                  {STEP_AWAIT_STATE, LAB_CLIENT, TCP_STATE_TIME_WAIT},
                  {STEP_OUTWAIT, LAB_CLIENT, TCP_STATE_TIME_WAIT}},
        .states = {[LAB_CLIENT] = {SEEN(ESTABLISHED), PASSED(FIN_WAIT1), PASSED(FIN_WAIT2),
                                   SEEN(TIME_WAIT), PASSED(CLOSE)},
                   [LAB_SERVER] = {SEEN(ESTABLISHED), PASSED(CLOSE_WAIT), PASSED(LAST_ACK),
                                   SEEN(CLOSE)}},
        .tells = true,
        .told = {.cause = TCP_ENDING_LOCAL_CLOSE, .syscall = "read"},
    },
    {
        .shown = {.name = "simultaneous-close",
                  .sentence = "both close before either has the other's FIN",
                  .why = "The FINs cross: each end gets one while it waits for the acknowledgment "
                         "of its own, and goes from FIN_WAIT1 to CLOSING. With that it is in "
                         "TIME_WAIT, here both of them. The router keeps the segments for a "
                         "moment so that they do cross.",
                  .advice = "Nothing: TCP handles it. CLOSING that stays means that "
                            "acknowledgments are lost.",
                  .promise = LAB_AT_ONCE},
        .steps = {{STEP_SERVE},
                  {STEP_CONNECT},
                  {STEP_ECHO},
                  {STEP_HOLD, LAB_CLIENT},
                  {STEP_HOLD, LAB_SERVER},
                  {STEP_END_INPUT},
                  {STEP_SIGNAL, LAB_SERVER, SIGTERM},
                  {STEP_AWAIT_STATE, LAB_SERVER, TCP_STATE_FIN_WAIT1},
                  {STEP_AWAIT_STATE, LAB_CLIENT, TCP_STATE_FIN_WAIT1},
                  {STEP_PAUSE, .value = 20},
                  {STEP_RELEASE, LAB_SERVER},
                  {STEP_AWAIT_STATE, LAB_SERVER, TCP_STATE_CLOSING},
                  {STEP_PAUSE, .value = 20},
                  {STEP_RELEASE, LAB_CLIENT},
                  {STEP_AWAIT_STATE, LAB_CLIENT, TCP_STATE_TIME_WAIT},
                  {STEP_AWAIT_STATE, LAB_SERVER, TCP_STATE_TIME_WAIT}},
        .states = {[LAB_CLIENT] = {SEEN(ESTABLISHED), SEEN(FIN_WAIT1), PASSED(CLOSING),
                                   SEEN(TIME_WAIT)},
                   [LAB_SERVER] = {SEEN(ESTABLISHED), SEEN(FIN_WAIT1), SEEN(CLOSING),
                                   SEEN(TIME_WAIT)}},
        .tells = true,
        .told = {.cause = TCP_ENDING_LOCAL_CLOSE, .syscall = "read"},
    },
    {
        .shown = {.name = "syn-dropped",
                  .sentence = "a firewall drops the SYN without a word",
                  .why = "The client's kernel sends the SYN again, tcp_syn_retries times, and "
                         "waits longer each time. connect() fails with ETIMEDOUT.",
                  .advice = "Connect without blocking and give up after a time of your own, or "
                            "set TCP_USER_TIMEOUT or TCP_SYNCNT before connect().",
                  .promise = LAB_GIVE_UP_CONNECTING,
                  .setting = "tcp_syn_retries"},
        .steps = {{STEP_SERVE},
                  {STEP_DROP, LAB_SERVER},
                  {STEP_TRY},
                  {STEP_AWAIT_CLOSED, LAB_CLIENT},
                  {STEP_AWAIT_STATE, LAB_CLIENT, TCP_STATE_CLOSE}},
        .states = {[LAB_CLIENT] = {SEEN(SYN_SENT), SEEN(CLOSE)}},
        TOLD(TIMED_OUT, ETIMEDOUT, "connect"),
        .sender = LAB_CLIENT,
        .flags = SEGMENT_SYN,
    },
    {
        .shown = {.name = "syn-ack-dropped",
                  .sentence = "the SYN arrives, and the answer to it is lost",
                  .why = "The server's kernel has a request in SYN_RECV, which no process sees "
                         "before the handshake is over. It sends its SYN-ACK again, "
                         "tcp_synack_retries times, and once more for each SYN that comes again. "
                         "For the client it is as if the SYN were lost.",
                  .advice = "Many SYN_RECV are a flood of SYNs, or a way back that is broken: look "
                            "at the routes and the firewall of the server's side.",
                  .promise = LAB_GIVE_UP_CONNECTING,
                  .setting = "tcp_syn_retries"},
        .steps = {{STEP_SERVE},
                  {STEP_DROP, LAB_CLIENT},
                  {STEP_TRY},
                  {STEP_AWAIT_STATE, LAB_SERVER, TCP_STATE_SYN_RECV},
                  {STEP_AWAIT_CLOSED, LAB_CLIENT},
                  {STEP_AWAIT_STATE, LAB_CLIENT, TCP_STATE_CLOSE},
                  {STEP_AWAIT_LEAVE, LAB_SERVER, TCP_STATE_SYN_RECV}},
        .states = {[LAB_CLIENT] = {SEEN(SYN_SENT), SEEN(CLOSE)},
                   [LAB_SERVER] = {SEEN(SYN_RECV), SEEN(CLOSE)}},
        TOLD(TIMED_OUT, ETIMEDOUT, "connect"),
        .sender = LAB_SERVER,
        .flags = SEGMENT_SYN,
    },
    {
        .shown = {.name = "refused",
                  .sentence = "nothing listens on the port",
                  .why = "The server's host is there and answers the SYN with RST: connect() fails "
                         "with ECONNREFUSED at once.",
                  .advice = "It is the host that answers, or a firewall in its name: look for the "
                            "process, its port and the address that it is bound to.",
                  .promise = LAB_AT_ONCE},
        .steps = {{STEP_TRY}, {STEP_AWAIT_CLOSED, LAB_CLIENT}},
        .states = {[LAB_CLIENT] = {PASSED(SYN_SENT), PASSED(CLOSE)}},
        TOLD(REFUSED, ECONNREFUSED, "connect"),
        .sender = LAB_SERVER,
        .flags = SEGMENT_RST,
    },
    {
        .shown = {.name = "zero-window",
                  .sentence = "the server's process does not read, and its host is well",
                  .why =
                      "The receive buffer fills, and the server's kernel says so: window 0. The "
                      "client's kernel asks from time to time whether there is room again. The "
                      "probes are answered, if not each of them, so that no timeout ever ends it.",
                  .advice = "Only a time limit of the application's own, or TCP_USER_TIMEOUT, ends "
                            "the wait for a process that hangs.",
                  .promise = LAB_NEVER},
        FILLS_THE_WINDOW,
        .steps = {{STEP_SERVE},
                  {STEP_CONNECT},
                  {STEP_AWAIT_WINDOW, LAB_SERVER},
                  {STEP_WATCH, LAB_CLIENT, QUIET_MS}},
        .closed = true,
        .states = {[LAB_CLIENT] = {SEEN(ESTABLISHED)}, [LAB_SERVER] = {SEEN(ESTABLISHED)}},
    },
    {
        .shown = {.name = "zero-window-crash",
                  .sentence = "the window is closed, and then the server's host loses its power",
                  .why = "The probes of the window are not answered any more. The kernel sends "
                         "tcp_retries2 of them, waiting twice as long each time, and gives up with "
                         "ETIMEDOUT.",
                  .advice = "TCP_USER_TIMEOUT shortens this, too; but it also ends the wait for a "
                            "peer that lives and only does not read.",
                  .promise = LAB_GIVE_UP_PROBING,
                  .setting = "tcp_retries2"},
        FILLS_THE_WINDOW,
        .steps = {{STEP_SERVE},
                  {STEP_CONNECT},
                  {STEP_AWAIT_WINDOW, LAB_SERVER},
                  {STEP_CRASH, LAB_SERVER},
                  {STEP_AWAIT_CLOSED, LAB_CLIENT},
                  {STEP_AWAIT_STATE, LAB_CLIENT, TCP_STATE_CLOSE}},
        .forgotten = true,
        .states =
            {[LAB_CLIENT] = {SEEN(ESTABLISHED), SEEN(CLOSE)}, [LAB_SERVER] = {SEEN(ESTABLISHED)}},
        TOLD(TIMED_OUT, ETIMEDOUT, "read"),
    },
    {
        .shown =
            {.name = "user-timeout",
             .sentence = "the server's host loses its power, and the client has set "
                         "TCP_USER_TIMEOUT to one second",
             .why = "The user timeout takes the place of tcp_retries2. It does not count from the "
                    "write(): first comes the probe, after some 200 ms, then one timeout, and from "
                    "that on data may be without an acknowledgment so long and no longer.",
             .advice = "It is the one option that says in milliseconds how long a dead peer "
                       "may go unnoticed while sending. It does nothing for an idle one.",
             .promise = LAB_GIVE_UP_SENDING},
        .client = {.liveness = {.user_timeout_ms = 1000}},
        .steps = {{STEP_SERVE},
                  {STEP_CONNECT},
                  {STEP_ECHO},
                  {STEP_CRASH, LAB_SERVER},
                  {STEP_SAY},
                  {STEP_AWAIT_CLOSED, LAB_CLIENT},
                  {STEP_AWAIT_STATE, LAB_CLIENT, TCP_STATE_CLOSE}},
        .forgotten = true,
        .states =
            {[LAB_CLIENT] = {SEEN(ESTABLISHED), SEEN(CLOSE)}, [LAB_SERVER] = {SEEN(ESTABLISHED)}},
        TOLD(TIMED_OUT, ETIMEDOUT, "read"),
    },
    {
        .shown = {.name = "keepalive-with-user-timeout",
                  .sentence = "the server's host loses its power while nobody sends; keepalive "
                              "would take 6 s, TCP_USER_TIMEOUT is 2.5 s",
                  .why = "The user timeout wins over TCP_KEEPCNT: once a probe has gone out, the "
                         "kernel asks each time that a further one is due only whether the "
                         "connection has been silent for longer than the user timeout. So it ends "
                         "when that has passed, and not an interval after the fifth probe.",
                  .advice = "Set TCP_USER_TIMEOUT to TCP_KEEPIDLE + TCP_KEEPINTVL * TCP_KEEPCNT "
                            "where both are wanted; a smaller one cuts the probes short.",
                  .promise = LAB_GIVE_UP_IDLE},
        .client = {.liveness = {.keepalive = true,
                                .idle_s = 1,
                                .interval_s = 1,
                                .count = 5,
                                .user_timeout_ms = 2500}},
        .steps = {{STEP_SERVE},
                  {STEP_CONNECT},
                  {STEP_ECHO},
                  {STEP_CRASH, LAB_SERVER},
                  {STEP_AWAIT_CLOSED, LAB_CLIENT},
                  {STEP_AWAIT_STATE, LAB_CLIENT, TCP_STATE_CLOSE}},
        .forgotten = true,
        .states =
            {[LAB_CLIENT] = {SEEN(ESTABLISHED), SEEN(CLOSE)}, [LAB_SERVER] = {SEEN(ESTABLISHED)}},
        TOLD(TIMED_OUT, ETIMEDOUT, "read"),
    },
    {
        .shown = {.name = "reset-on-close",
                  .sentence = "the server has set SO_LINGER to 0 and closes",
                  .why = "close() then throws the connection away with RST instead of FIN: neither "
                         "side waits in any state, and data that was still under way is lost. The "
                         "client gets ECONNRESET.",
                  .advice = "It avoids TIME_WAIT at the price of the data: for connections that "
                            "are given up anyway, not for a polite end.",
                  .promise = LAB_AT_ONCE},
        .server = {.reset = true},
        .steps = {{STEP_SERVE},
                  {STEP_CONNECT},
                  {STEP_ECHO},
                  {STEP_SIGNAL, LAB_SERVER, SIGTERM},
                  {STEP_AWAIT_CLOSED, LAB_CLIENT},
                  {STEP_AWAIT_STATE, LAB_CLIENT, TCP_STATE_CLOSE},
                  {STEP_AWAIT_STATE, LAB_SERVER, TCP_STATE_CLOSE}},
        .states = {[LAB_CLIENT] = {SEEN(ESTABLISHED), SEEN(CLOSE)},
                   [LAB_SERVER] = {SEEN(ESTABLISHED), SEEN(CLOSE)}},
        TOLD(RESET, ECONNRESET, "read"),
        .sender = LAB_SERVER,
        .flags = SEGMENT_RST,
    },
    {
        .shown = {.name = "unread-data-close",
                  .sentence = "the server closes while there is something that it has not read",
                  .why = "What the client sent, and its kernel has seen acknowledged, is thrown "
                         "away unread. So that the client cannot take it for delivered, the "
                         "server's kernel sends RST instead of FIN (RFC 2525, section 2.17); an "
                         "answer that is still under way may be lost with it.",
                  .advice = "Read to the end before close(), or shutdown(SHUT_WR) and read until "
                            "0: many a lost HTTP error page was this.",
                  .promise = LAB_AT_ONCE},
        .server = {.no_read = true},
        .steps = {{STEP_SERVE},
                  {STEP_CONNECT},
                  {STEP_SAY},
                  {STEP_PAUSE, .value = 100},
                  {STEP_SIGNAL, LAB_SERVER, SIGTERM},
                  {STEP_AWAIT_CLOSED, LAB_CLIENT},
                  {STEP_AWAIT_STATE, LAB_CLIENT, TCP_STATE_CLOSE},
                  {STEP_AWAIT_STATE, LAB_SERVER, TCP_STATE_CLOSE}},
        .states = {[LAB_CLIENT] = {SEEN(ESTABLISHED), SEEN(CLOSE)},
                   [LAB_SERVER] = {SEEN(ESTABLISHED), SEEN(CLOSE)}},
        TOLD(RESET, ECONNRESET, "read"),
        .sender = LAB_SERVER,
        .flags = SEGMENT_RST,
    },
    {
        .shown = {.name = "defer-accept-stuck",
                  .sentence = "the server has set TCP_DEFER_ACCEPT, and the client does not send",
                  .why = "The client is connected: it has the SYN-ACK. The server's kernel drops "
                         "its ACK and waits in SYN_RECV for data before it makes a socket, so that "
                         "accept() does not return. After about the time of the option it sends "
                         "the SYN-ACK again, and takes the connection with the answer to that.",
                  .advice = "Set it only where the client speaks first, as in HTTP: where the "
                            "server does, every connection begins with that wait.",
                  .promise = LAB_DEFER_ACCEPT},
        .server = {.defer_accept_s = 2},
        .steps = {{STEP_SERVE},
                  {STEP_TRY},
                  {STEP_AWAIT_STATE, LAB_CLIENT, TCP_STATE_ESTABLISHED},
                  {STEP_AWAIT_STATE, LAB_SERVER, TCP_STATE_SYN_RECV},
                  {STEP_AWAIT_LEAVE, LAB_SERVER, TCP_STATE_SYN_RECV},
                  {STEP_ECHO}},
        .states = {[LAB_CLIENT] = {SEEN(ESTABLISHED)},
                   [LAB_SERVER] = {SEEN(SYN_RECV), SEEN(ESTABLISHED)}},
    },
    {
        .shown = {.name = "half-open",
                  .sentence = "the server's host has crashed and come back, and nobody sends",
                  .why = "The client's end is ESTABLISHED, and there is no other: the host that "
                         "had it has forgotten it. Nothing goes wrong before somebody sends, and "
                         "a client that only listens never does.",
                  .advice = "Set SO_KEEPALIVE on a side that only receives: the first probe is "
                            "answered with RST.",
                  .promise = LAB_NEVER},
        .steps = {{STEP_SERVE},
                  {STEP_CONNECT},
                  {STEP_ECHO},
                  {STEP_CRASH, LAB_SERVER},
                  {STEP_BOOT, LAB_SERVER},
                  {STEP_WATCH, LAB_CLIENT, QUIET_MS}},
        .forgotten = true,
        .states = {[LAB_CLIENT] = {SEEN(ESTABLISHED)}, [LAB_SERVER] = {SEEN(ESTABLISHED)}},
    },
};

#define COUNT (sizeof(table) / sizeof(table[0]))

const char *lab_host_name(enum lab_host host) {
    static const char *const names[] = {
        [LAB_CLIENT] = "client", [LAB_SERVER] = "server", [LAB_ROUTER] = "router"};

    return names[host];
}

const struct lab_scenario *lab_scenario(size_t index) {
    return index < COUNT ? &table[index].shown : NULL;
}

const struct lab_scenario *lab_find(const char *name) {
    for (size_t i = 0; i < COUNT; i++)
        if (strcmp(table[i].shown.name, name) == 0)
            return &table[i].shown;
    return NULL;
}
