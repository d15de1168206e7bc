/* SPDX-License-Identifier: MIT */
#include "sockdiag/request.h"

#include "unit.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

/* The kernel's side, by inet_diag_bc_audit() and inet_diag_bc_run(), net/ipv4/inet_diag.c, as far
 * as the program uses it: what it would refuse, and which sockets it would report. */

#define OP_SIZE sizeof(struct inet_diag_bc_op)

static struct inet_diag_bc_op op_at(const unsigned char *code, size_t at) {
    struct inet_diag_bc_op op;

    memcpy(&op, code + at, sizeof(op));
    return op;
}

static bool is_port_op(int code) {
    return code == INET_DIAG_BC_S_GE || code == INET_DIAG_BC_S_LE || code == INET_DIAG_BC_D_GE ||
           code == INET_DIAG_BC_D_LE;
}

static bool is_address_op(int code) {
    return code == INET_DIAG_BC_S_COND || code == INET_DIAG_BC_D_COND;
}

/* The bytes that an instruction and its operands need; 0: the kernel would refuse it. */
static size_t least_size(const unsigned char *code, size_t at, size_t len) {
    const struct inet_diag_bc_op op = op_at(code, at);
    struct inet_diag_hostcond cond;
    size_t size;

    if (op.code == INET_DIAG_BC_JMP)
        return OP_SIZE;
    if (is_port_op(op.code))
        return 2 * OP_SIZE;
    if (!is_address_op(op.code) || len - at < OP_SIZE + sizeof(cond))
        return 0;
    memcpy(&cond, code + at + OP_SIZE, sizeof(cond));
    if (cond.family != AF_INET && cond.family != AF_INET6)
        return 0;
    size = cond.family == AF_INET ? 4 : 16;
    return cond.prefix_len > 8 * size ? 0 : OP_SIZE + sizeof(cond) + size;
}

/* Whether an instruction starts here. */
static bool is_start(const unsigned char *code, size_t len, size_t wanted) {
    size_t at = 0;

    while (at < wanted && at < len)
        at += op_at(code, at).yes;
    return at == wanted;
}

/* NULL, or what is wrong with the program. */
static const char *audit(const unsigned char *code, size_t len) {
    size_t at = 0;

    if (len < OP_SIZE)
        return "shorter than an instruction";
    while (at < len) {
        const struct inet_diag_bc_op op = op_at(code, at);
        const size_t left = len - at, least = least_size(code, at, len);

        if (least == 0 || least > left)
            return "an operand";
        if (op.yes < least || op.yes > left || op.yes % 4)
            return "a yes";
        if (op.no < least || op.no > left + 4 || op.no % 4)
            return "a no";
        if (op.no < left && !is_start(code, len, at + op.no))
            return "a jump into the middle of an instruction";
        at += op.yes;
    }
    return at == len ? NULL : "the length";
}

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned bits) {
    for (unsigned bit = 0; bit < bits; bit++)
        if ((a[bit / 8] ^ b[bit / 8]) & (0x80 >> bit % 8))
            return false;
    return true;
}

static bool address_holds(const unsigned char *operand, const struct socket *socket, bool local) {
    const uint8_t *address = local ? socket->local.bytes : socket->remote.bytes;
    struct inet_diag_hostcond cond;

    memcpy(&cond, operand, sizeof(cond));
    operand += sizeof(cond);
    if (cond.port != -1 && cond.port != (local ? socket->local_port : socket->remote_port))
        return false;
    if (cond.family == AF_INET6)
        return socket->inet6 && same_bits(address, operand, cond.prefix_len);
    /* Of an IPv6 socket the mapped addresses count as IPv4. */
    return address_is_ipv4(local ? &socket->local : &socket->remote) &&
           same_bits(address + 12, operand, cond.prefix_len);
}

static bool holds(const unsigned char *code, size_t at, const struct socket *socket) {
    const struct inet_diag_bc_op op = op_at(code, at);

    switch (op.code) {
    case INET_DIAG_BC_S_GE:
        return socket->local_port >= op_at(code, at + OP_SIZE).no;
    case INET_DIAG_BC_S_LE:
        return socket->local_port <= op_at(code, at + OP_SIZE).no;
    case INET_DIAG_BC_D_GE:
        return socket->remote_port >= op_at(code, at + OP_SIZE).no;
    case INET_DIAG_BC_D_LE:
        return socket->remote_port <= op_at(code, at + OP_SIZE).no;
    case INET_DIAG_BC_S_COND:
        return address_holds(code + at + OP_SIZE, socket, true);
    case INET_DIAG_BC_D_COND:
        return address_holds(code + at + OP_SIZE, socket, false);
    default:
        return false; /* INET_DIAG_BC_JMP */
    }
}

static bool kernel_accepts(const unsigned char *code, size_t len, const struct socket *socket) {
    size_t at = 0;

    while (at < len) {
        const struct inet_diag_bc_op op = op_at(code, at);

        at += holds(code, at, socket) ? op.yes : op.no;
    }
    return at == len;
}

/* Few values, so that filters and sockets meet. */
static uint16_t random_port(uint64_t *seed) {
    static const uint16_t edges[] = {1, 2, 65534, 65535, 32767, 32768};

    return random_below(seed, 4) ? (uint16_t)(1 + random_below(seed, 40))
                                 : edges[random_below(seed, COUNT(edges))];
}

static void random_ports(uint64_t *seed, struct ports *ports) {
    char text[32];

    for (uint32_t i = random_below(seed, 3) ? random_below(seed, 6) : 0; i; i--) {
        const uint16_t a = random_port(seed), b = random_below(seed, 2) ? a : random_port(seed);

        snprintf(text, sizeof(text), "%u-%u", a < b ? a : b, a < b ? b : a);
        assert_null(ports_parse(text, ports));
    }
}

static void random_prefixes(uint64_t *seed, struct filter *filter) {
    static const char *const pool[] = {
        "10.0.0.0/8",     "10.1.2.3",      "10.1.2.2/31",   "0.0.0.0/0",
        "192.168.0.0/16", "::/0",          "::1",           "::ffff:10.0.0.0/104",
        "::/64",          "::ffff:0:0/95", "2001:db8::/32", "2001:db8::1:0:0",
        "2001:db8::/33",  "fe80::/10",     "10.1.0.0/15",
    };

    for (uint32_t i = random_below(seed, 2) ? random_below(seed, 5) : 0; i; i--)
        assert_null(prefix_parse(pool[random_below(seed, COUNT(pool))], filter));
}

static struct filter random_filter(uint64_t *seed) {
    struct filter filter = {0};

    random_ports(seed, &filter.either);
    random_ports(seed, &filter.local);
    random_ports(seed, &filter.remote);
    random_prefixes(seed, &filter);
    filter.family = (enum filter_family)(random_below(seed, 4) ? 0 : random_below(seed, 3));
    return filter;
}

static struct socket random_socket(uint64_t *seed) {
    static const char *const ipv4[] = {"10.1.2.3", "10.1.2.2",    "10.0.0.1",  "11.0.0.1",
                                       "0.0.0.0",  "192.168.1.1", "127.0.0.1", "255.255.255.255"};
    static const char *const ipv6[] = {
        "::1", "::", "2001:db8::1", "2001:db8:8000::1", "fe80::2", "2001:db8::1:0:0"};
    struct socket socket = {.inet6 = (uint8_t)random_below(seed, 2)};
    const bool mapped = !socket.inet6 || random_below(seed, 3) == 0;
    const char *const *pool = mapped ? ipv4 : ipv6;
    const uint32_t count = mapped ? COUNT(ipv4) : COUNT(ipv6);

    socket.local = address_of(pool[random_below(seed, count)]);
    socket.remote = address_of(pool[random_below(seed, count)]);
    socket.local_port = random_port(seed);
    socket.remote_port = random_below(seed, 8) ? random_port(seed) : 0;
    return socket;
}

/* Where the program lets a socket through that the filter refuses: its family, and mapped addresses
 * in an IPv6 prefix. */
static bool program_may_let_through(const struct filter *filter, const struct socket *socket) {
    if (filter->family != FILTER_ANY_FAMILY)
        return true;
    for (size_t i = 0; i < filter->address_count; i++)
        if (!prefix_is_ipv4(&filter->addresses[i]) && socket->inet6 &&
            (address_is_ipv4(&socket->local) || address_is_ipv4(&socket->remote)))
            return true;
    return false;
}

static void the_kernel_s_program_decides_as_the_filter_does(void **state) {
    _Alignas(4) unsigned char code[BYTECODE_MAX];
    size_t decided[2] = {0, 0};
    uint64_t seed = 42;

    (void)state;
    for (int round = 0; round < 3000; round++) {
        struct filter filter = random_filter(&seed);
        const size_t len = request_bytecode(&filter, code, sizeof(code));

        if (len && audit(code, len))
            fail_msg("round %d: the kernel would refuse %s", round, audit(code, len));
        for (int i = 0; i < 50; i++) {
            const struct socket socket = random_socket(&seed);
            const bool passes = kernel_accepts(code, len, &socket),
                       matches = filter_matches(&filter, &socket);

            if (matches && !passes)
                fail_msg("round %d: the kernel would keep a socket back", round);
            if (passes && !matches && !program_may_let_through(&filter, &socket))
                fail_msg("round %d: the kernel would report too much", round);
            decided[matches]++;
        }
        filter_free(&filter);
    }
    /* Both happen often enough to say something. */
    assert_true(decided[0] > 10000 && decided[1] > 10000);
}

static void nothing_asked_is_no_program(void **state) {
    _Alignas(4) unsigned char code[64];
    const struct filter filters[] = {{.family = FILTER_ANY_FAMILY},
                                     {.family = FILTER_INET6},
                                     {.states = TCP_STATE_BIT(TCP_STATE_LISTEN)}};

    (void)state;
    for (size_t i = 0; i < COUNT(filters); i++)
        assert_int_equal(request_bytecode(&filters[i], code, sizeof(code)), 0);
}

static void many_ports(struct ports *ports, size_t count) {
    ports->ranges = calloc(count, sizeof(*ports->ranges));
    assert_non_null(ports->ranges);
    ports->count = count;
    for (size_t i = 0; i < count; i++)
        ports->ranges[i].first = ports->ranges[i].last = (uint16_t)(1 + 2 * i);
}

/* Each size from none to enough, in a block that ends where the size says. */
static void a_filter_longer_than_its_room_is_not_sent(void **state) {
    struct filter filter = {0};
    _Alignas(4) unsigned char whole[512];
    size_t len;

    (void)state;
    many_ports(&filter.either, 3);
    many_ports(&filter.remote, 2);
    assert_null(prefix_parse("10.0.0.0/8,2001:db8::/32", &filter));
    len = request_bytecode(&filter, whole, sizeof(whole));
    assert_true(len > 0);
    for (size_t size = 0; size < len + 32; size += 4) {
        unsigned char *code = malloc(size ? size : 1);
        const size_t written = request_bytecode(&filter, code, size);

        assert_true(written == 0 || written == len);
        if (size < len)
            assert_int_equal(written, 0);
        if (size >= len + 4)
            assert_memory_equal(code, whole, len);
        free(code);
    }
    filter_free(&filter);
}

static void the_longest_filter_that_is_sent_is_sound(void **state) {
    static _Alignas(4) unsigned char code[BYTECODE_MAX];
    size_t sent = 0;

    (void)state;
    for (size_t count = 780; count < 820; count++) {
        struct filter filter = {0};
        size_t len;

        many_ports(&filter.either, count);
        len = request_bytecode(&filter, code, sizeof(code));
        if (len) {
            struct socket socket = {.local_port = (uint16_t)(2 * count - 1), .remote_port = 2};

            assert_int_equal(count, 780 + sent++); /* none that is longer after one too long */
            assert_null(audit(code, len));
            assert_true(kernel_accepts(code, len, &socket));
            socket.local_port++;
            assert_false(kernel_accepts(code, len, &socket));
        }
        filter_free(&filter);
    }
    assert_in_range(sent, 1, 39);
}

static void a_dump_asks_for_both_families_at_once(void **state) {
    static _Alignas(8) char buffer[REQUEST_SIZE];
    _Alignas(4) unsigned char code[BYTECODE_MAX];
    struct filter filter = {0};
    const struct nlmsghdr *message;
    const struct inet_diag_req *request;
    const struct nlattr *attr;

    (void)state;
    assert_null(ports_parse("9998", &filter.either));
    message = request_dump(buffer, &filter, 0x1ffe, 77);
    request = mnl_nlmsg_get_payload(message);
    attr = mnl_nlmsg_get_payload_offset(message, sizeof(*request));
    assert_int_equal(message->nlmsg_type, TCPDIAG_GETSOCK);
    assert_int_equal(message->nlmsg_flags, NLM_F_REQUEST | NLM_F_DUMP);
    assert_int_equal(message->nlmsg_seq, 77);
    assert_int_equal(request->idiag_states, 0x1ffe);
    assert_true(request->idiag_ext & (1 << (INET_DIAG_INFO - 1)));
    assert_int_equal(mnl_attr_get_type(attr), INET_DIAG_REQ_BYTECODE);
    assert_int_equal(mnl_attr_get_payload_len(attr), request_bytecode(&filter, code, sizeof(code)));
    assert_memory_equal(mnl_attr_get_payload(attr), code, mnl_attr_get_payload_len(attr));
    assert_int_equal(message->nlmsg_len, NLMSG_HDRLEN + sizeof(*request) + attr->nla_len);
    filter_free(&filter);

    /* A filter that asks nothing, or too much to be sent, sends no program. */
    message = request_dump(buffer, &filter, 0x1ffe, 78);
    assert_int_equal(message->nlmsg_len, NLMSG_HDRLEN + sizeof(*request));
    many_ports(&filter.either, 20000);
    message = request_dump(buffer, &filter, 0x1ffe, 79);
    assert_int_equal(message->nlmsg_len, NLMSG_HDRLEN + sizeof(*request));
    filter_free(&filter);
}

static void a_lookup_names_one_socket(void **state) {
    static _Alignas(8) char buffer[REQUEST_SIZE];
    const struct socket ipv4 = socket_of(0x123456789abcdef0, TCP_STATE_ESTABLISHED);
    struct socket ipv6 = {.inet6 = 1, .ifindex = 3, .local_port = 80, .remote_port = 65535};
    const struct nlmsghdr *message = request_lookup(buffer, &ipv4, 5);
    const struct inet_diag_req_v2 *request = mnl_nlmsg_get_payload(message);
    static const uint8_t local[4] = {127, 0, 0, 1}, remote[4] = {127, 0, 0, 2};

    (void)state;
    assert_int_equal(message->nlmsg_type, SOCK_DIAG_BY_FAMILY);
    assert_int_equal(message->nlmsg_flags, NLM_F_REQUEST);
    assert_int_equal(message->nlmsg_seq, 5);
    assert_int_equal(message->nlmsg_len, NLMSG_HDRLEN + sizeof(*request));
    assert_int_equal(request->sdiag_family, AF_INET);
    assert_int_equal(request->sdiag_protocol, IPPROTO_TCP);
    assert_int_equal(ntohs(request->id.idiag_sport), 9998);
    assert_int_equal(ntohs(request->id.idiag_dport), ipv4.remote_port);
    assert_memory_equal(request->id.idiag_src, local, 4);
    assert_memory_equal(request->id.idiag_dst, remote, 4);
    assert_int_equal(request->id.idiag_cookie[0], 0x9abcdef0);
    assert_int_equal(request->id.idiag_cookie[1], 0x12345678);

    ipv6.local = address_of("2001:db8::1");
    ipv6.remote = address_of("::ffff:192.0.2.1");
    request_lookup(buffer, &ipv6, 6);
    assert_int_equal(request->sdiag_family, AF_INET6);
    assert_int_equal(request->id.idiag_if, 3);
    assert_memory_equal(request->id.idiag_src, ipv6.local.bytes, 16);
    assert_memory_equal(request->id.idiag_dst, ipv6.remote.bytes, 16);
    /* No cookie: whoever has the addresses. */
    assert_int_equal(request->id.idiag_cookie[0], INET_DIAG_NOCOOKIE);
    assert_int_equal(request->id.idiag_cookie[1], INET_DIAG_NOCOOKIE);
}

/* A destroy message of which only the ports count. */
struct destroy_message {
    struct nlmsghdr header;
    struct inet_diag_msg diag;
};

/* Classic BPF (Documentation/networking/filter.rst) as far as the program uses it. Anything that
 * the kernel would refuse fails the test. */
static bool bpf_passes(const struct sock_filter *program, size_t len,
                       const struct destroy_message *message) {
    const uint8_t *bytes = (const uint8_t *)message;
    uint32_t a = 0;

    for (size_t at = 0; at < len; at++) {
        const struct sock_filter *i = &program[at];

        switch (i->code) {
        case BPF_LD | BPF_H | BPF_ABS:
            assert_true(i->k + 2 <= sizeof(*message));
            a = (uint32_t)bytes[i->k] << 8 | bytes[i->k + 1];
            break;
        case BPF_JMP | BPF_JGE | BPF_K:
            at += a >= i->k ? i->jt : i->jf;
            break;
        case BPF_JMP | BPF_JGT | BPF_K:
            at += a > i->k ? i->jt : i->jf;
            break;
        case BPF_RET | BPF_K:
            return i->k != 0;
        default:
            fail_msg("instruction %zu", at);
        }
    }
    fail_msg("the program has no end");
    return false;
}

static bool destroy_passes(const struct sock_filter *program, size_t len,
                           const struct socket *socket) {
    struct destroy_message message = {0};

    message.diag.id.idiag_sport = htons(socket->local_port);
    message.diag.id.idiag_dport = htons(socket->remote_port);
    return bpf_passes(program, len, &message);
}

static void the_destroy_filter_never_keeps_a_watched_port_back(void **state) {
    struct sock_filter program[DESTROY_FILTER_MAX];
    size_t kept_back = 0;
    uint64_t seed = 4711;

    (void)state;
    for (int round = 0; round < 2000; round++) {
        struct filter filter = random_filter(&seed);
        const size_t len = request_destroy_filter(&filter, program);

        assert_true(len <= DESTROY_FILTER_MAX);
        assert_int_equal(len == 0,
                         filter.either.count + filter.local.count + filter.remote.count == 0);
        for (int i = 0; i < 50; i++) {
            const struct socket socket = random_socket(&seed);
            const bool watched = ports_contain(&filter.either, socket.local_port) ||
                                 ports_contain(&filter.either, socket.remote_port) ||
                                 ports_contain(&filter.local, socket.local_port) ||
                                 ports_contain(&filter.remote, socket.remote_port);

            if (len == 0)
                continue;
            assert_int_equal(destroy_passes(program, len, &socket),
                             watched || socket.remote_port == 0);
            if (filter_matches(&filter, &socket))
                assert_true(destroy_passes(program, len, &socket));
            kept_back += !watched;
        }
        filter_free(&filter);
    }
    assert_true(kept_back > 10000);
}

static void too_many_ports_let_every_destroy_message_pass(void **state) {
    struct sock_filter program[DESTROY_FILTER_MAX];
    size_t sent = 0;

    (void)state;
    for (size_t count = 1; count < 200; count++) {
        struct filter either = {0}, local = {0};
        struct socket socket = {.local_port = (uint16_t)(2 * count - 1), .remote_port = 2};
        size_t len;

        many_ports(&either.either, count);
        many_ports(&local.local, count);
        len = request_destroy_filter(&either, program);
        if (len) {
            assert_int_equal(count, ++sent);
            assert_true(destroy_passes(program, len, &socket));
            socket.local_port++;
            assert_false(destroy_passes(program, len, &socket));
        }
        assert_true(request_destroy_filter(&local, program) <= DESTROY_FILTER_MAX);
        filter_free(&either);
        filter_free(&local);
    }
    assert_in_range(sent, 10, 198);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_kernel_s_program_decides_as_the_filter_does),
        cmocka_unit_test(nothing_asked_is_no_program),
        cmocka_unit_test(a_filter_longer_than_its_room_is_not_sent),
        cmocka_unit_test(the_longest_filter_that_is_sent_is_sound),
        cmocka_unit_test(a_dump_asks_for_both_families_at_once),
        cmocka_unit_test(a_lookup_names_one_socket),
        cmocka_unit_test(the_destroy_filter_never_keeps_a_watched_port_back),
        cmocka_unit_test(too_many_ports_let_every_destroy_message_pass),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
