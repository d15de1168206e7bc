/* SPDX-License-Identifier: MIT
 *
 * What passes a link, as a packet socket reads it: whatever anybody has sent.
 */
#include "lab/segment.h"

#include "unit.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define CLIENT "10.0.1.2"
#define SERVER "10.0.2.2"
#define ROUTER "10.0.1.1"

#define PACKET_MAX 128

/* As Linux sends them on a virtual link: nobody computes TCP's checksum there. */
#define SYN                                                                                        \
    "4500003c 1a2b4000 4006098e 0a000102 0a000202 9c40270e 11223344 00000000"                      \
    "a002faf0 16340000 020405b4 0402080a 00010203 00000000 01030307"
#define DATA                                                                                       \
    "4500003a 1a2d4000 4006098e 0a000102 0a000202 9c40270e 11223345 8899aabc"                      \
    "801801f6 16320000 0101080a 00010205 00010204 68656c6c 6f0a"
#define RST                                                                                        \
    "45000028 00004000 400623cd 0a000202 0a000102 270e9c40 8899aabc 00000000 50040000 162a0000"
#define HOST_UNREACHABLE                                                                           \
    "45c00038 33330000 400130d0 0a000101 0a000102 0301f548 00000000"                               \
    "4500003a 1a2d4000 3f060a8e 0a000102 0a000202 9c40270e 11223345"

struct packet {
    uint8_t bytes[PACKET_MAX];
    size_t size;
};

static struct packet packet_of(const char *hex) {
    struct packet packet = {.size = 0};
    unsigned byte;

    while (*hex) {
        if (isspace((unsigned char)*hex)) {
            hex++;
            continue;
        }
        assert_int_equal(sscanf(hex, "%2x", &byte), 1);
        assert_true(packet.size < PACKET_MAX);
        packet.bytes[packet.size++] = (uint8_t)byte;
        hex += 2;
    }
    return packet;
}

/* Parses the first `size` bytes at the very end of a block of memory, so that a sanitizer sees what
 * is read beyond them. */
static bool parse(const uint8_t *bytes, size_t size, struct segment *segment) {
    const size_t before = 16;
    uint8_t *block = malloc(before + size);
    bool parsed;

    assert_non_null(block);
    memset(block, 0xa5, before);
    memcpy(block + before, bytes, size);
    memset(segment, 0xa5, sizeof(*segment));
    parsed = segment_parse(block + before, size, segment);
    free(block);
    return parsed;
}

static void check_equal(const struct segment *seen, const struct segment *expected) {
    assert_int_equal(seen->icmp, expected->icmp);
    assert_int_equal(seen->icmp_type, expected->icmp_type);
    assert_int_equal(seen->icmp_code, expected->icmp_code);
    assert_int_equal(seen->flags, expected->flags);
    assert_int_equal(seen->kind, SEGMENT_NEW);
    assert_int_equal(seen->id, expected->id);
    assert_int_equal(seen->from_port, expected->from_port);
    assert_int_equal(seen->to_port, expected->to_port);
    assert_int_equal(seen->seq, expected->seq);
    assert_int_equal(seen->ack, expected->ack);
    assert_int_equal(seen->len, expected->len);
    assert_int_equal(seen->window, expected->window);
}

/* `least`: so many bytes of it are enough, as neither options nor data are looked at. */
static const struct {
    const char *name, *hex, *from, *to;
    size_t least;
    struct segment segment;
} rows[] = {
    {"SYN",
     SYN,
     CLIENT,
     SERVER,
     40,
     {.flags = SEGMENT_SYN,
      .id = 0x1a2b,
      .from_port = 40000,
      .to_port = 9998,
      .seq = 0x11223344,
      .window = 64240}},
    {"SYN, ACK",
     "4500003c 00004000 400623b9 0a000202 0a000102 270e9c40 8899aabb 11223345"
     "a012fe88 16340000 020405b4 0402080a 00010204 00010203 01030307",
     SERVER,
     CLIENT,
     40,
     {.flags = SEGMENT_SYN | SEGMENT_ACK,
      .from_port = 9998,
      .to_port = 40000,
      .seq = 0x8899aabb,
      .ack = 0x11223345,
      .window = 65160}},
    {"data, with options",
     DATA,
     CLIENT,
     SERVER,
     40,
     {.flags = SEGMENT_ACK | 8 /* PSH */,
      .id = 0x1a2d,
      .from_port = 40000,
      .to_port = 9998,
      .seq = 0x11223345,
      .ack = 0x8899aabc,
      .len = 6,
      .window = 502}},
    {"FIN",
     "45000034 1a2e4000 40060993 0a000102 0a000202 9c40270e 1122334b 8899aabc"
     "801101f6 162c0000 0101080a 00010206 00010205",
     CLIENT,
     SERVER,
     40,
     {.flags = SEGMENT_FIN | SEGMENT_ACK,
      .id = 0x1a2e,
      .from_port = 40000,
      .to_port = 9998,
      .seq = 0x1122334b,
      .ack = 0x8899aabc,
      .window = 502}},
    {"RST",
     RST,
     SERVER,
     CLIENT,
     40,
     {.flags = SEGMENT_RST, .from_port = 9998, .to_port = 40000, .seq = 0x8899aabc}},
    {"data of a packet with options",
     "4600002e 1a2f4000 40067493 0a000102 0a000202 94040000 9c40270e 1122334b 8899aabc"
     "501001f6 16260000 6869",
     CLIENT,
     SERVER,
     44,
     {.flags = SEGMENT_ACK,
      .id = 0x1a2f,
      .from_port = 40000,
      .to_port = 9998,
      .seq = 0x1122334b,
      .ack = 0x8899aabc,
      .len = 2,
      .window = 502}},
    {"a packet with padding of the link after it",
     "45000028 1a304000 4006099d 0a000102 0a000202 9c40270e 1122334b 8899aabc 501001f6 162a0000"
     "00000000 0000",
     CLIENT,
     SERVER,
     40,
     {.flags = SEGMENT_ACK,
      .id = 0x1a30,
      .from_port = 40000,
      .to_port = 9998,
      .seq = 0x1122334b,
      .ack = 0x8899aabc,
      .window = 502}},
    {"host unreachable",
     HOST_UNREACHABLE,
     ROUTER,
     CLIENT,
     52,
     {.icmp = true,
      .icmp_type = 3,
      .icmp_code = 1,
      .id = 0x3333,
      .from_port = 40000,
      .to_port = 9998}},
    {"network unreachable, about a whole segment",
     "45c00056 33340000 400130b1 0a000101 0a000102 0300d8c0 00000000"
     "4500003a 1a2d4000 3f060a8e 0a000102 0a000202 9c40270e 11223345 8899aabc"
     "801801f6 16320000 0101080a 00010205 00010204 68656c6c 6f0a",
     ROUTER,
     CLIENT,
     52,
     {.icmp = true, .icmp_type = 3, .id = 0x3334, .from_port = 40000, .to_port = 9998}},
    {"time exceeded, about a packet with options",
     "45c0003c 33350000 400130ca 0a000101 0a000102 0b00ed49 00000000"
     "4600003e 1a2d4000 0106b385 0a000102 0a000202 94040000 9c40270e 11223345",
     ROUTER,
     CLIENT,
     56,
     {.icmp = true, .icmp_type = 11, .id = 0x3335, .from_port = 40000, .to_port = 9998}},
};

static void packets_are_read(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct packet packet = packet_of(rows[i].hex);
        struct segment segment;

        if (!parse(packet.bytes, packet.size, &segment))
            fail_msg("%s is not read", rows[i].name);
        check_equal(&segment, &rows[i].segment);
        assert_int_equal(segment.from, inet_addr(rows[i].from));
        assert_int_equal(segment.to, inet_addr(rows[i].to));
    }
}

static void what_is_cut_off_is_not_read(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct packet packet = packet_of(rows[i].hex);

        for (size_t size = 0; size <= packet.size; size++) {
            struct segment segment;

            if (parse(packet.bytes, size, &segment) != (size >= rows[i].least))
                fail_msg("%zu bytes of %s", size, rows[i].name);
            /* The length of the data is the packet's, however much of it is there. */
            if (size >= rows[i].least)
                check_equal(&segment, &rows[i].segment);
        }
    }
}

/* One byte of a packet that would be read is another. */
static void other_packets_are_told_apart(void **state) {
    static const struct {
        const char *name, *hex;
        size_t at;
        uint8_t byte;
        bool parsed;
    } changes[] = {
        {"IPv6", SYN, 0, 0x65, false},
        {"no version", SYN, 0, 0x05, false},
        {"an IP header that is shorter than the least", SYN, 0, 0x44, false},
        {"an IP header of no length", SYN, 0, 0x40, false},
        {"an IP header that is longer than the packet", RST, 0, 0x4f, false},
        {"the first fragment", DATA, 6, 0x20, true},
        {"a later fragment", DATA, 7, 0x01, false},
        {"a fragment far behind", DATA, 6, 0x10, false},
        {"UDP", DATA, 9, 17, false},
        {"IGMP", DATA, 9, 2, false},
        {"a TCP header that is shorter than the least", DATA, 32, 0x40, false},
        {"a TCP header of no length", DATA, 32, 0x00, false},
        {"a TCP header that is longer than the packet", RST, 32, 0x60, false},
        {"a packet of no data", DATA, 3, 52, true},
        {"a packet that is shorter than its headers", DATA, 3, 51, false},
        {"a packet that is shorter than the IP header", DATA, 3, 19, false},
        {"a packet of no length", DATA, 3, 0, false},
        {"ICMP echo", HOST_UNREACHABLE, 20, 8, false},
        {"ICMP echo reply", HOST_UNREACHABLE, 20, 0, false},
        {"ICMP redirect", HOST_UNREACHABLE, 20, 5, false},
        {"ICMP about IPv6", HOST_UNREACHABLE, 28, 0x65, false},
        {"ICMP about an IP header that is too short", HOST_UNREACHABLE, 28, 0x44, false},
        {"ICMP about an IP header that is cut off", HOST_UNREACHABLE, 28, 0x4f, false},
        {"ICMP about a later fragment", HOST_UNREACHABLE, 35, 0x01, false},
        {"ICMP about UDP", HOST_UNREACHABLE, 37, 17, false},
        {"ICMP about ICMP", HOST_UNREACHABLE, 37, 1, false},
        {"ICMP in a later fragment", HOST_UNREACHABLE, 7, 0x01, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(changes); i++) {
        struct packet packet = packet_of(changes[i].hex);
        struct segment segment;

        packet.bytes[changes[i].at] = changes[i].byte;
        for (size_t size = 0; size < packet.size; size++)
            parse(packet.bytes, size, &segment);
        if (parse(packet.bytes, packet.size, &segment) != changes[i].parsed)
            fail_msg("%s is %s", changes[i].name, changes[i].parsed ? "not read" : "read");
    }
}

/* For a sanitizer; and no data is longer than a packet may be. */
static void random_changes_do_no_harm(void **state) {
    uint64_t seed = 20240613;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        struct packet packet = packet_of(rows[random_below(&seed, COUNT(rows))].hex);
        const size_t size = random_below(&seed, (uint32_t)packet.size + 1);
        struct segment segment;

        for (uint32_t changed = random_below(&seed, 4); changed > 0; changed--)
            packet.bytes[random_below(&seed, (uint32_t)packet.size)] =
                (uint8_t)random_below(&seed, 256);
        if (parse(packet.bytes, size, &segment))
            assert_true(segment.len <= 65535 - 40);
    }
}

/* A segment that is sent, and what it is. */
struct sent {
    uint8_t flags;
    uint32_t seq, len;
    int other_window;
    enum segment_kind kind;
};

static void check_kinds(const struct sent *sent, size_t count) {
    struct segment_stream stream = {0};

    for (size_t i = 0; i < count; i++) {
        struct segment segment = {.flags = sent[i].flags, .seq = sent[i].seq, .len = sent[i].len};

        /* It is set in any case. */
        segment.kind = SEGMENT_WINDOW_PROBE;
        segment_classify(&stream, &segment, sent[i].other_window);
        if (segment.kind != sent[i].kind)
            fail_msg("segment %zu: kind %d", i, segment.kind);
    }
}

static void a_connection_without_trouble_is_new_throughout(void **state) {
    static const struct sent sent[] = {
        {SEGMENT_SYN, 1000, 0, -1, SEGMENT_NEW},
        {SEGMENT_ACK, 1001, 0, 65160, SEGMENT_NEW},
        {SEGMENT_ACK, 1001, 6, 65160, SEGMENT_NEW},
        {SEGMENT_ACK, 1007, 0, 510, SEGMENT_NEW},
        {SEGMENT_ACK, 1007, 0, 510, SEGMENT_NEW},
        {SEGMENT_ACK, 1007, 1000, 510, SEGMENT_NEW},
        {SEGMENT_ACK | SEGMENT_FIN, 2007, 10, 510, SEGMENT_NEW},
        {SEGMENT_ACK, 2018, 0, 510, SEGMENT_NEW},
    };

    (void)state;
    check_kinds(sent, COUNT(sent));
}

static void what_was_sent_before_is_a_retransmission(void **state) {
    static const struct sent sent[] = {
        {SEGMENT_SYN, 1000, 0, -1, SEGMENT_NEW},
        {SEGMENT_SYN, 1000, 0, -1, SEGMENT_RETRANSMISSION},
        {SEGMENT_ACK, 1001, 100, 510, SEGMENT_NEW},
        {SEGMENT_ACK, 1101, 100, 510, SEGMENT_NEW},
        /* All of it, a part of it, the end of it. */
        {SEGMENT_ACK, 1001, 200, 510, SEGMENT_RETRANSMISSION},
        {SEGMENT_ACK, 1001, 100, 510, SEGMENT_RETRANSMISSION},
        {SEGMENT_ACK, 1200, 1, 510, SEGMENT_RETRANSMISSION},
        /* Some of it with something new after it. */
        {SEGMENT_ACK, 1101, 101, 510, SEGMENT_NEW},
        {SEGMENT_ACK, 1201, 1, 510, SEGMENT_RETRANSMISSION},
        {SEGMENT_ACK, 1202, 1, 510, SEGMENT_NEW},
    };

    (void)state;
    check_kinds(sent, COUNT(sent));
}

static void a_fin_counts_as_one_number(void **state) {
    static const struct sent sent[] = {
        {SEGMENT_SYN, 1000, 0, -1, SEGMENT_NEW},
        {SEGMENT_ACK, 1001, 6, 510, SEGMENT_NEW},
        {SEGMENT_ACK | SEGMENT_FIN, 1007, 0, 510, SEGMENT_NEW},
        {SEGMENT_ACK | SEGMENT_FIN, 1007, 0, 510, SEGMENT_RETRANSMISSION},
        {SEGMENT_ACK | SEGMENT_FIN, 1001, 6, 510, SEGMENT_RETRANSMISSION},
        {SEGMENT_ACK, 1008, 0, 510, SEGMENT_NEW},
        /* The number before the next one is the FIN's. */
        {SEGMENT_ACK, 1007, 0, 510, SEGMENT_KEEPALIVE},
    };

    (void)state;
    check_kinds(sent, COUNT(sent));
}

static void the_numbers_go_round(void **state) {
    static const struct sent sent[] = {
        {SEGMENT_SYN, 0xffffffef, 0, -1, SEGMENT_NEW},
        {SEGMENT_ACK, 0xfffffff0, 16, 510, SEGMENT_NEW},
        /* The next number is 0, and the one before it the greatest. */
        {SEGMENT_ACK, 0xffffffff, 0, 510, SEGMENT_KEEPALIVE},
        {SEGMENT_ACK, 0xfffffff0, 16, 510, SEGMENT_RETRANSMISSION},
        {SEGMENT_ACK, 0, 100, 510, SEGMENT_NEW},
        {SEGMENT_ACK, 0xfffffff0, 16, 510, SEGMENT_RETRANSMISSION},
        {SEGMENT_ACK, 0xfffffff0, 116, 510, SEGMENT_RETRANSMISSION},
        {SEGMENT_ACK, 0xfffffff0, 117, 510, SEGMENT_NEW},
        {SEGMENT_ACK, 50, 51, 510, SEGMENT_RETRANSMISSION},
        {SEGMENT_ACK, 101, 6, 510, SEGMENT_NEW},
    };

    (void)state;
    check_kinds(sent, COUNT(sent));
}

static void a_probe_is_of_the_window_where_that_is_closed(void **state) {
    static const struct sent sent[] = {
        {SEGMENT_SYN, 1000, 0, -1, SEGMENT_NEW},
        {SEGMENT_ACK, 1001, 6, 510, SEGMENT_NEW},
        {SEGMENT_ACK, 1006, 0, -1, SEGMENT_KEEPALIVE},
        {SEGMENT_ACK, 1006, 0, 1, SEGMENT_KEEPALIVE},
        {SEGMENT_ACK, 1006, 0, 0, SEGMENT_WINDOW_PROBE},
        {SEGMENT_ACK, 1006, 0, 0, SEGMENT_WINDOW_PROBE},
        {SEGMENT_ACK, 1006, 0, 510, SEGMENT_KEEPALIVE},
        /* With the next number it is an acknowledgment, whatever the window is. */
        {SEGMENT_ACK, 1007, 0, 0, SEGMENT_NEW},
        {SEGMENT_ACK, 1007, 6, 0, SEGMENT_NEW},
    };

    (void)state;
    check_kinds(sent, COUNT(sent));
}

static void a_reset_is_nothing_but_that(void **state) {
    static const struct sent sent[] = {
        /* It does not begin the connection, ... */
        {SEGMENT_RST, 5, 0, 510, SEGMENT_NEW},
        {SEGMENT_SYN, 1000, 0, -1, SEGMENT_NEW},
        {SEGMENT_ACK, 1001, 6, 510, SEGMENT_NEW},
        /* ... is no probe, no retransmission, ... */
        {SEGMENT_RST, 1006, 0, 0, SEGMENT_NEW},
        {SEGMENT_RST | SEGMENT_ACK, 1006, 1, 510, SEGMENT_NEW},
        /* ... and sends nothing. */
        {SEGMENT_RST, 5000, 100, 510, SEGMENT_NEW},
        {SEGMENT_ACK, 1007, 6, 510, SEGMENT_NEW},
        {SEGMENT_ACK, 1007, 6, 510, SEGMENT_RETRANSMISSION},
    };

    (void)state;
    check_kinds(sent, COUNT(sent));
}

static void an_icmp_error_is_not_of_the_stream(void **state) {
    struct segment_stream stream = {0};
    struct segment error = {.icmp = true, .icmp_type = 3}, syn = {.flags = SEGMENT_SYN, .seq = 7};

    (void)state;
    segment_classify(&stream, &error, -1);
    assert_int_equal(error.kind, SEGMENT_NEW);
    assert_false(stream.began);
    segment_classify(&stream, &syn, -1);
    assert_int_equal(stream.next, 8);
    segment_classify(&stream, &error, -1);
    assert_int_equal(error.kind, SEGMENT_NEW);
    assert_int_equal(stream.next, 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_are_read),
        cmocka_unit_test(what_is_cut_off_is_not_read),
        cmocka_unit_test(other_packets_are_told_apart),
        cmocka_unit_test(random_changes_do_no_harm),
        cmocka_unit_test(a_connection_without_trouble_is_new_throughout),
        cmocka_unit_test(what_was_sent_before_is_a_retransmission),
        cmocka_unit_test(a_fin_counts_as_one_number),
        cmocka_unit_test(the_numbers_go_round),
        cmocka_unit_test(a_probe_is_of_the_window_where_that_is_closed),
        cmocka_unit_test(a_reset_is_nothing_but_that),
        cmocka_unit_test(an_icmp_error_is_not_of_the_stream),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
