/* SPDX-License-Identifier: MIT */
#include "unit.h"

static void an_address_reads_back_as_it_was_written(void **state) {
    static const char *const texts[] = {
        "0.0.0.0",
        "127.0.0.1",
        "255.255.255.255",
        "10.20.30.40",
        "1.9.10.99",
        "100.101.200.249",
        "::",
        "::1",
        "fe80::1",
        "2001:db8::ff00:42:8329",
        "1:2:3:4:5:6:7:8",
        "ff02::1:ff00:0",
        "64:ff9b::1.2.3.4", /* written without the dots */
    };
    struct address address, again;
    char text[ADDRESS_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        assert_true(address_parse(texts[i], &address));
        text[address_text(text, &address, false)] = '\0';
        if (i < COUNT(texts) - 1)
            assert_string_equal(text, texts[i]);
        assert_true(address_parse(text, &again));
        assert_memory_equal(&address, &again, sizeof(address));
    }
}

static void every_ipv4_byte_is_written(void **state) {
    struct address address, again;
    char text[ADDRESS_TEXT_SIZE];

    (void)state;
    for (unsigned i = 0; i < 256; i++) {
        const uint8_t bytes[4] = {(uint8_t)i, (uint8_t)(255 - i), (uint8_t)(i * 7), (uint8_t)i};

        address = address_from_ipv4(bytes);
        text[address_text(text, &address, false)] = '\0';
        assert_true(address_parse(text, &again));
        assert_memory_equal(&address, &again, sizeof(address));
    }
}

static void what_is_no_address_is_refused(void **state) {
    static const char *const texts[] = {
        "",         "localhost",  "1.2.3",      "1.2.3.4.5",    "1.2.3.256",
        "1.2.3.4 ", " 1.2.3.4",   "1.2.3.4/24", "fe80::1%eth0", ":",
        ":::",      "1::2::3",    "12345::",    "[::1]",        "*",
        "0x7f.1",   "1.2.3.4:80", "::1/64",
    };
    struct address address;

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++)
        if (address_parse(texts[i], &address))
            fail_msg("\"%s\" is taken", texts[i]);
}

static void a_mapped_address_is_the_ipv4_one(void **state) {
    const struct address ipv4 = address_of("192.0.2.1"), mapped = address_of("::ffff:192.0.2.1");
    static const uint8_t bytes[4] = {192, 0, 2, 1};
    const struct address from_bytes = address_from_ipv4(bytes);

    (void)state;
    assert_memory_equal(&ipv4, &mapped, sizeof(ipv4));
    assert_memory_equal(&ipv4, &from_bytes, sizeof(ipv4));
    assert_true(address_is_ipv4(&mapped));
}

static void only_the_mapped_prefix_is_ipv4(void **state) {
    static const char *const others[] = {
        "::", "::1", "::1.2.3.4", "::fffe:1.2.3.4", "::1:ffff:1.2.3.4", "64:ff9b::1.2.3.4"};

    (void)state;
    for (size_t i = 0; i < COUNT(others); i++) {
        const struct address address = address_of(others[i]);

        if (address_is_ipv4(&address))
            fail_msg("%s is called IPv4", others[i]);
    }
}

static void a_mapped_address_is_written_as_the_socket_has_it(void **state) {
    const struct address address = address_of("192.0.2.1");
    char text[ADDRESS_TEXT_SIZE];

    (void)state;
    text[address_text(text, &address, true)] = '\0';
    assert_string_equal(text, "::ffff:192.0.2.1");
    text[address_text(text, &address, false)] = '\0';
    assert_string_equal(text, "192.0.2.1");
}

static void unspecified_addresses_are_known(void **state) {
    static const struct {
        const char *text;
        bool unspecified;
    } rows[] = {
        {"::", true},       {"0.0.0.0", true},     {"::1", false},
        {"0.0.0.1", false}, {"1.0.0.0", false},    {"8000::", false},
        {"::1:0:0", false}, {"::fffe:0:0", false}, {"0:0:0:1::", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct address address = address_of(rows[i].text);

        if (address_is_unspecified(&address) != rows[i].unspecified)
            fail_msg("%s", rows[i].text);
    }
}

/* Against bit-by-bit comparison, for each length, one bit changed at a time. */
static void a_prefix_compares_its_bits_and_no_more(void **state) {
    const struct address net = address_of("2001:db8:a5a5:5a5a:1234:5678:9abc:def0");

    (void)state;
    for (unsigned len = 0; len <= 128; len++) {
        assert_true(address_in_prefix(&net, &net, len));
        for (unsigned bit = 0; bit < 128; bit++) {
            struct address other = net;

            other.bytes[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
            if (address_in_prefix(&other, &net, len) != (bit >= len))
                fail_msg("bit %u of /%u", bit, len);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_reads_back_as_it_was_written),
        cmocka_unit_test(every_ipv4_byte_is_written),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(a_mapped_address_is_the_ipv4_one),
        cmocka_unit_test(only_the_mapped_prefix_is_ipv4),
        cmocka_unit_test(a_mapped_address_is_written_as_the_socket_has_it),
        cmocka_unit_test(unspecified_addresses_are_known),
        cmocka_unit_test(a_prefix_compares_its_bits_and_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
