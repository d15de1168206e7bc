/* SPDX-License-Identifier: MIT */
#include "sockdiag/reply.h"

#include "unit.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

#define BARE (NLMSG_HDRLEN + sizeof(struct inet_diag_msg))

/* A message of which `len` bytes are all there, in a block that ends where they do. */
static struct nlmsghdr *message_of(const struct inet_diag_msg *diag, const void *attrs,
                                   size_t attrs_len, size_t len) {
    const struct nlmsghdr header = {.nlmsg_len = (uint32_t)len, .nlmsg_type = 20};
    char whole[2048] = {0};
    struct nlmsghdr *message = malloc(len < sizeof(header) ? sizeof(header) : len);

    assert_non_null(message);
    assert_true(len <= sizeof(whole) && BARE + attrs_len <= sizeof(whole));
    memcpy(whole, &header, sizeof(header));
    memcpy(whole + NLMSG_HDRLEN, diag, sizeof(*diag));
    if (attrs_len)
        memcpy(whole + BARE, attrs, attrs_len);
    memcpy(message, whole, len < sizeof(header) ? sizeof(header) : len);
    return message;
}

static bool parse(const struct inet_diag_msg *diag, const void *attrs, size_t attrs_len,
                  struct socket *socket) {
    struct nlmsghdr *message = message_of(diag, attrs, attrs_len, BARE + attrs_len);
    bool taken;

    memset(socket, 0xa5, sizeof(*socket));
    taken = reply_parse(message, socket);
    free(message);
    return taken;
}

static struct inet_diag_msg ipv4_diag(void) {
    return (struct inet_diag_msg){
        .idiag_family = AF_INET,
        .idiag_state = TCP_STATE_ESTABLISHED,
        .idiag_timer = SOCKET_TIMER_KEEPALIVE,
        .idiag_retrans = 3,
        .id =
            {
                .idiag_sport = htons(9998),
                .idiag_dport = htons(50796),
                .idiag_src = {htonl(0x7f000001)},
                .idiag_dst = {htonl(0xc0000201)},
                .idiag_if = 7,
                .idiag_cookie = {0x89abcdef, 0x01234567},
            },
        .idiag_expires = 12345,
        .idiag_rqueue = 17,
        .idiag_wqueue = 0xffffffff,
        .idiag_uid = 1000,
        .idiag_inode = 987654,
    };
}

/* An attribute with its header and padding. Returns its size. */
static size_t put_attr(char *to, uint16_t type, const void *data, size_t len) {
    const struct nlattr header = {.nla_len = (uint16_t)(NLA_HDRLEN + len), .nla_type = type};

    memcpy(to, &header, sizeof(header));
    memset(to + NLA_HDRLEN, 0, NLA_ALIGN(len));
    memcpy(to + NLA_HDRLEN, data, len);
    return NLA_HDRLEN + NLA_ALIGN(len);
}

static void an_ipv4_socket_is_read(void **state) {
    const struct address local = address_of("127.0.0.1"), remote = address_of("192.0.2.1");
    const struct inet_diag_msg diag = ipv4_diag();
    struct socket socket;

    (void)state;
    assert_true(parse(&diag, NULL, 0, &socket));
    assert_int_equal(socket.cookie, 0x0123456789abcdef);
    assert_memory_equal(&socket.local, &local, sizeof(local));
    assert_memory_equal(&socket.remote, &remote, sizeof(remote));
    assert_int_equal(socket.local_port, 9998);
    assert_int_equal(socket.remote_port, 50796);
    assert_int_equal(socket.inet6, 0);
    assert_int_equal(socket.state, TCP_STATE_ESTABLISHED);
    assert_int_equal(socket.timer, SOCKET_TIMER_KEEPALIVE);
    assert_int_equal(socket.timer_ms, 12345);
    assert_int_equal(socket.timer_count, 3);
    assert_int_equal(socket.ifindex, 7);
    assert_int_equal(socket.uid, 1000);
    assert_int_equal(socket.inode, 987654);
    assert_int_equal(socket.recv_queue, 17);
    assert_int_equal(socket.send_queue, 0xffffffff);
    assert_int_equal(socket.has, 0);
    assert_int_equal(socket.bytes_sent, 0);
}

static void of_an_ipv4_socket_the_first_word_is_the_address(void **state) {
    struct inet_diag_msg diag = ipv4_diag();
    struct socket socket;

    (void)state;
    diag.id.idiag_src[1] = diag.id.idiag_dst[3] = 0xffffffff;
    assert_true(parse(&diag, NULL, 0, &socket));
    assert_true(address_is_ipv4(&socket.local) && address_is_ipv4(&socket.remote));
}

static void an_ipv6_socket_is_read(void **state) {
    const struct address local = address_of("2001:db8::1:2"), remote = address_of("fe80::8:9");
    struct inet_diag_msg diag = ipv4_diag();
    struct socket socket;

    (void)state;
    diag.idiag_family = AF_INET6;
    memcpy(diag.id.idiag_src, &local, sizeof(local));
    memcpy(diag.id.idiag_dst, &remote, sizeof(remote));
    assert_true(parse(&diag, NULL, 0, &socket));
    assert_int_equal(socket.inet6, 1);
    assert_memory_equal(&socket.local, &local, sizeof(local));
    assert_memory_equal(&socket.remote, &remote, sizeof(remote));
}

static void a_mapped_address_of_an_ipv6_socket_is_the_ipv4_one(void **state) {
    const struct address mapped = address_of("::ffff:192.0.2.1");
    struct inet_diag_msg diag = ipv4_diag();
    struct socket ipv4, ipv6;

    (void)state;
    assert_true(parse(&diag, NULL, 0, &ipv4));
    diag.idiag_family = AF_INET6;
    memcpy(diag.id.idiag_src, &mapped, sizeof(mapped));
    memcpy(diag.id.idiag_dst, &mapped, sizeof(mapped));
    assert_true(parse(&diag, NULL, 0, &ipv6));
    assert_int_equal(ipv6.inet6, 1);
    assert_memory_equal(&ipv6.remote, &ipv4.remote, sizeof(mapped));
}

static void no_ip_socket_is_none(void **state) {
    struct inet_diag_msg diag = ipv4_diag();
    struct socket socket;

    (void)state;
    for (int family = 0; family < 256; family++) {
        diag.idiag_family = (uint8_t)family;
        assert_int_equal(parse(&diag, NULL, 0, &socket), family == AF_INET || family == AF_INET6);
    }
}

static void a_message_that_is_too_short_is_none(void **state) {
    const struct inet_diag_msg diag = ipv4_diag();
    struct socket socket;

    (void)state;
    for (size_t len = 0; len < BARE; len++) {
        struct nlmsghdr *message = message_of(&diag, NULL, 0, len);

        if (reply_parse(message, &socket))
            fail_msg("%zu bytes are taken", len);
        free(message);
    }
}

static void a_state_or_timer_that_is_none_does_no_harm(void **state) {
    struct inet_diag_msg diag = ipv4_diag();
    struct socket socket;

    (void)state;
    for (int number = 0; number < 256; number++) {
        diag.idiag_state = diag.idiag_timer = (uint8_t)number;
        assert_true(parse(&diag, NULL, 0, &socket));
        assert_int_equal(socket.state, number < TCP_STATE_COUNT ? number : TCP_STATE_UNKNOWN);
        assert_int_equal(socket.timer, number);
    }
}

static void every_member_of_tcp_info_goes_where_it_belongs(void **state) {
    const struct inet_diag_msg diag = ipv4_diag();
    const struct tcp_info info = {
        .tcpi_retransmits = 1,
        .tcpi_probes = 2,
        .tcpi_rto = 201000,
        .tcpi_rtt = 1500,
        .tcpi_rttvar = 700,
        .tcpi_snd_cwnd = 10,
        .tcpi_unacked = 4,
        .tcpi_lost = 5,
        .tcpi_total_retrans = 6,
        .tcpi_last_data_sent = 7,
        .tcpi_last_data_recv = 8,
        .tcpi_last_ack_recv = 9,
        .tcpi_bytes_acked = 1ULL << 40,
        .tcpi_bytes_received = 1ULL << 41,
        .tcpi_segs_out = 11,
        .tcpi_segs_in = 12,
        .tcpi_notsent_bytes = 13,
        .tcpi_min_rtt = 14,
        .tcpi_data_segs_in = 15,
        .tcpi_data_segs_out = 16,
        .tcpi_bytes_sent = 1ULL << 42,
        .tcpi_bytes_retrans = 17,
    };
    char attrs[512];
    struct socket s;

    (void)state;
    assert_true(parse(&diag, attrs, put_attr(attrs, INET_DIAG_INFO, &info, sizeof(info)), &s));
    assert_int_equal(s.has,
                     SOCKET_HAS_INFO | SOCKET_HAS_BYTES | SOCKET_HAS_SENT | SOCKET_HAS_DATA_SEGS);
    assert_int_equal(s.retransmits, 1);
    assert_int_equal(s.probes, 2);
    assert_int_equal(s.rto_us, 201000);
    assert_int_equal(s.rtt_us, 1500);
    assert_int_equal(s.rttvar_us, 700);
    assert_int_equal(s.cwnd, 10);
    assert_int_equal(s.unacked, 4);
    assert_int_equal(s.lost, 5);
    assert_int_equal(s.total_retrans, 6);
    assert_int_equal(s.last_data_sent_ms, 7);
    assert_int_equal(s.last_data_recv_ms, 8);
    assert_int_equal(s.last_ack_recv_ms, 9);
    assert_int_equal(s.bytes_acked, 1ULL << 40);
    assert_int_equal(s.bytes_received, 1ULL << 41);
    assert_int_equal(s.segs_out, 11);
    assert_int_equal(s.segs_in, 12);
    assert_int_equal(s.notsent, 13);
    assert_int_equal(s.min_rtt_us, 14);
    assert_int_equal(s.data_segs_in, 15);
    assert_int_equal(s.data_segs_out, 16);
    assert_int_equal(s.bytes_sent, 1ULL << 42);
    assert_int_equal(s.bytes_retrans, 17);
}

/* The lengths are those of the kernel's ABI: where total_retrans, segs_in, data_segs_out and
 * bytes_retrans end. */
static void a_tcp_info_of_any_length_gives_what_is_in_it(void **state) {
    const struct inet_diag_msg diag = ipv4_diag();
    char attrs[512], info[400];
    struct socket socket;

    (void)state;
    memset(info, 0xff, sizeof(info));
    for (size_t len = 0; len <= sizeof(info); len++) {
        const size_t size = put_attr(attrs, INET_DIAG_INFO, info, len);
        const int has = (len >= 104 ? SOCKET_HAS_INFO : 0) | (len >= 144 ? SOCKET_HAS_BYTES : 0) |
                        (len >= 160 ? SOCKET_HAS_DATA_SEGS : 0) |
                        (len >= 216 ? SOCKET_HAS_SENT : 0);

        assert_true(parse(&diag, attrs, size, &socket));
        if (socket.has != has)
            fail_msg("of %zu bytes the socket has %x", len, socket.has);
        assert_int_equal(socket.total_retrans, len >= 104 ? UINT32_MAX : 0);
        assert_int_equal(socket.segs_in, len >= 144 ? UINT32_MAX : 0);
        assert_int_equal(socket.data_segs_out, len >= 160 ? UINT32_MAX : 0);
        assert_int_equal(socket.bytes_retrans, len >= 216 ? UINT64_MAX : 0);
    }
}

static void tcp_info_is_found_behind_other_attributes(void **state) {
    const struct inet_diag_msg diag = ipv4_diag();
    const struct tcp_info info = {.tcpi_total_retrans = 42};
    struct socket socket;
    char attrs[1024];
    size_t len = 0;

    (void)state;
    len += put_attr(attrs + len, INET_DIAG_SHUTDOWN, "\3", 1);
    len += put_attr(attrs + len, INET_DIAG_CONG, "cubic", 6);
    len += put_attr(attrs + len, 60000, "?", 0);
    len += put_attr(attrs + len, INET_DIAG_INFO, &info, sizeof(info));
    len += put_attr(attrs + len, INET_DIAG_MARK, "1234", 4);
    assert_true(parse(&diag, attrs, len, &socket));
    assert_int_equal(socket.total_retrans, 42);
    assert_true(socket.has & SOCKET_HAS_INFO);
}

/* Cut after each 4 bytes, and with every length that its header may claim. */
static void a_truncated_attribute_is_left_out(void **state) {
    const struct inet_diag_msg diag = ipv4_diag();
    char attrs[512], info[280];
    struct socket socket;
    size_t size;

    (void)state;
    memset(info, 0xff, sizeof(info));
    size = put_attr(attrs, INET_DIAG_INFO, info, sizeof(info));
    for (size_t cut = 0; cut < size; cut += 4) {
        assert_true(parse(&diag, attrs, cut, &socket));
        assert_int_equal(socket.has, 0);
    }
    for (unsigned claimed = 0; claimed <= UINT16_MAX; claimed++) {
        const struct nlattr header = {.nla_len = (uint16_t)claimed, .nla_type = INET_DIAG_INFO};

        memcpy(attrs, &header, sizeof(header));
        assert_true(parse(&diag, attrs, size, &socket));
        assert_int_equal(socket.has & SOCKET_HAS_INFO,
                         claimed >= 108 && claimed <= size ? SOCKET_HAS_INFO : 0);
    }
}

/* AddressSanitizer sees it: the walk over the attributes rounds the message's length up to 4. */
static void nothing_is_read_behind_a_message_of_odd_length(void **state) {
    const struct inet_diag_msg diag = ipv4_diag();
    char attrs[512], info[280];
    struct socket socket;
    size_t size;

    (void)state;
    memset(info, 0xff, sizeof(info));
    size = put_attr(attrs, INET_DIAG_INFO, info, sizeof(info));
    for (size_t cut = 0; cut < size; cut++) {
        assert_true(parse(&diag, attrs, cut, &socket));
        assert_int_equal(socket.has, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ipv4_socket_is_read),
        cmocka_unit_test(of_an_ipv4_socket_the_first_word_is_the_address),
        cmocka_unit_test(an_ipv6_socket_is_read),
        cmocka_unit_test(a_mapped_address_of_an_ipv6_socket_is_the_ipv4_one),
        cmocka_unit_test(no_ip_socket_is_none),
        cmocka_unit_test(a_message_that_is_too_short_is_none),
        cmocka_unit_test(a_state_or_timer_that_is_none_does_no_harm),
        cmocka_unit_test(every_member_of_tcp_info_goes_where_it_belongs),
        cmocka_unit_test(a_tcp_info_of_any_length_gives_what_is_in_it),
        cmocka_unit_test(tcp_info_is_found_behind_other_attributes),
        cmocka_unit_test(a_truncated_attribute_is_left_out),
        cmocka_unit_test(nothing_is_read_behind_a_message_of_odd_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
