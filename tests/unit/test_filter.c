/* SPDX-License-Identifier: MIT */
#include "filter/filter.h"

#include "unit.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

/* The ranges as text: "80,8000-8010". */
static void ports_text(char *text, size_t size, const struct ports *ports) {
    size_t len = 0;

    *text = '\0';
    for (size_t i = 0; i < ports->count; i++) {
        const struct port_range *range = &ports->ranges[i];

        len += (size_t)snprintf(text + len, size - len,
                                range->first == range->last ? "%s%u" : "%s%u-%u", i ? "," : "",
                                range->first, range->last);
    }
}

static void check_ports(const char *list, const char *ranges) {
    struct filter filter = {0};
    char text[128];

    assert_null(ports_parse(list, &filter.either));
    ports_text(text, sizeof(text), &filter.either);
    assert_string_equal(text, ranges);
    filter_free(&filter);
}

static void ports_are_read_sorted_and_joined(void **state) {
    static const struct {
        const char *text, *ranges;
    } rows[] = {
        {"9998", "9998"},
        {"1", "1"},
        {"65535", "65535"},
        {"1-65535", "1-65535"},
        {"00080", "80"},
        {"80-80", "80"},
        {"5432,8000-8010,80", "80,5432,8000-8010"},
        {"3,2,1", "1-3"},
        {"10-20,15-30", "10-30"},
        {"10-30,15-20", "10-30"},
        {"10-20,10-30,10-15", "10-30"},
        {"10-20,21-30", "10-30"},
        {"10-20,22-30", "10-20,22-30"},
        {"65535,65534", "65534-65535"},
        {"65530-65535,1,65535", "1,65530-65535"},
        {"7,7,7,7", "7"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        check_ports(rows[i].text, rows[i].ranges);
}

/* The names come from /etc/services, which a small container has not. */
static void service_names_are_read(void **state) {
    (void)state;
    if (!getservbyname("http", "tcp") || !getservbyname("http-alt", "tcp"))
        return;
    check_ports("http", "80");
    check_ports("http-alt", "8080");
    check_ports("http-http-alt", "80-8080");
    check_ports("22-http", "22-80");
    check_ports("5432,8000-8010,http", "80,5432,8000-8010");
}

static void the_wrong_item_of_a_list_is_named(void **state) {
    static const struct {
        const char *text, *wrong;
    } rows[] = {
        {"", ""},
        {",", ""},
        {"80,", ""},
        {",80", ""},
        {"80,,81", ""},
        {"0", "0"},
        {"65536", "65536"},
        {"65537", "65537"},
        {"99999", "99999"},
        {"131073", "131073"},
        {"99999999999999999999", "99999999999999999999"},
        {"abc", "abc"},
        {"80,abc,xyz", "abc"},
        {"-1", "-1"},
        {"+80", "+80"},
        {" 80", " 80"},
        {"80 ", "80 "},
        {"0x50", "0x50"},
        {"80.5", "80.5"},
        {"10-5", "10-5"},
        {"5-", "5-"},
        {"-", "-"},
        {"0-5", "0-5"},
        {"5-65536", "5-65536"},
        {"1-2-3", "1-2-3"},
        {"http-", "http-"},
        {"80-abc", "80-abc"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct filter filter = {0};
        char *wrong = ports_parse(rows[i].text, &filter.either);

        if (!wrong)
            fail_msg("\"%s\" is taken", rows[i].text);
        assert_string_equal(wrong, rows[i].wrong);
        free(wrong);
        filter_free(&filter);
    }
}

static void lists_given_one_after_the_other_add_up(void **state) {
    struct filter filter = {0};
    char text[64];

    (void)state;
    assert_null(ports_parse("8080,100-200", &filter.either));
    assert_null(ports_parse("80,150-300", &filter.either));
    ports_text(text, sizeof(text), &filter.either);
    assert_string_equal(text, "80,100-300,8080");
    filter_free(&filter);
}

/* Against a plain table of all ports, over random lists. */
static void a_port_is_found_where_a_range_holds_it(void **state) {
    static bool expected[65536];
    uint64_t seed = 5;

    (void)state;
    for (int round = 0; round < 20; round++) {
        struct filter filter = {0};

        memset(expected, 0, sizeof(expected));
        for (uint32_t i = random_below(&seed, 40) + 1; i; i--) {
            const uint32_t first = 1 + random_below(&seed, 65535);
            const uint32_t room = 65535 - first,
                           more = random_below(&seed, room < 3000 ? room + 1 : 3000);
            char text[32];

            snprintf(text, sizeof(text), "%u-%u", first, first + more);
            assert_null(ports_parse(text, &filter.either));
            memset(expected + first, true, more + 1);
        }
        for (unsigned port = 0; port < 65536; port++)
            if (ports_contain(&filter.either, (uint16_t)port) != expected[port])
                fail_msg("port %u", port);
        for (size_t i = 1; i < filter.either.count; i++)
            assert_true(filter.either.ranges[i].first > filter.either.ranges[i - 1].last + 1);
        filter_free(&filter);
    }
}

static void prefixes_are_read(void **state) {
    static const struct {
        const char *text, *address;
        unsigned len;
        bool ipv4;
    } rows[] = {
        {"10.0.0.0/8", "10.0.0.0", 104, true},
        {"10.0.0.1", "10.0.0.1", 128, true},
        {"0.0.0.0/0", "0.0.0.0", 96, true},
        {"1.2.3.4/32", "1.2.3.4", 128, true},
        {"::ffff:10.0.0.0/104", "10.0.0.0", 104, true},
        {"::ffff:10.0.0.1", "10.0.0.1", 128, true},
        {"::/0", "::", 0, false},
        {"::1", "::1", 128, false},
        {"fe80::/10", "fe80::", 10, false},
        {"2001:db8::/128", "2001:db8::", 128, false},
        {"::ffff:0:0/95", "::ffff:0:0", 95, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct address address = address_of(rows[i].address);
        struct filter filter = {0};

        assert_null(prefix_parse(rows[i].text, &filter));
        assert_int_equal(filter.address_count, 1);
        assert_memory_equal(&filter.addresses[0].address, &address, sizeof(address));
        assert_int_equal(filter.addresses[0].len, rows[i].len);
        assert_int_equal(prefix_is_ipv4(&filter.addresses[0]), rows[i].ipv4);
        filter_free(&filter);
    }
}

static void what_is_no_prefix_is_refused(void **state) {
    static const char *const texts[] = {
        "",
        "10.0.0.0/33",
        "10.0.0.1%lo",
        "::1%lo",
        "fe80::1%",
        "fe80::1%/64",
        "fe80::1/64%lo",
        "fe80::1%lo/",
        "fe80::1%lo/129",
        "fe80::1%fifteen-and-more",
        "::/129",
        "10.0.0.0/",
        "10.0.0.0/-1",
        "10.0.0.0/+8",
        "10.0.0/8",
        "/8",
        "10.0.0.0/8/8",
        "10.0.0.0/8x",
        "10.0.0.0/ 8",
        "localhost",
        "::1%lo",
        "fe80::/1.0",
        "10.0.0.0/18446744073709551624",
        "10.0.0.0/0x8",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct filter filter = {0};
        char *wrong = prefix_parse(texts[i], &filter);

        if (!wrong)
            fail_msg("\"%s\" is taken", texts[i]);
        /* The whole item, not what the parser has made of it. */
        assert_string_equal(wrong, texts[i]);
        assert_int_equal(filter.address_count, 0);
        free(wrong);
        filter_free(&filter);
    }
}

static void states_are_a_set(void **state) {
    uint32_t states = 0;
    char *wrong;

    (void)state;
    assert_null(states_parse("FIN_WAIT2,close-wait,FinWait2", &states));
    assert_int_equal(states,
                     TCP_STATE_BIT(TCP_STATE_FIN_WAIT2) | TCP_STATE_BIT(TCP_STATE_CLOSE_WAIT));
    assert_null(states_parse("estab", &states));
    assert_true(states & TCP_STATE_BIT(TCP_STATE_ESTABLISHED));
    wrong = states_parse("LISTEN,FIN_WAIT,CLOSE", &states);
    assert_string_equal(wrong, "FIN_WAIT");
    free(wrong);
    wrong = states_parse("LISTEN,", &states);
    assert_string_equal(wrong, "");
    free(wrong);
}

/* What `list` and `monitor` are asked, and which of the connection's ends and families answer. */
struct asked {
    const char *either, *local, *remote, *prefix;
    enum filter_family family;
};

static struct filter filter_of(const struct asked *asked) {
    struct filter filter = {.family = asked->family};

    if (asked->either)
        assert_null(ports_parse(asked->either, &filter.either));
    if (asked->local)
        assert_null(ports_parse(asked->local, &filter.local));
    if (asked->remote)
        assert_null(ports_parse(asked->remote, &filter.remote));
    if (asked->prefix)
        assert_null(prefix_parse(asked->prefix, &filter));
    return filter;
}

static void a_socket_matches_where_all_that_is_asked_does(void **state) {
    static const struct {
        struct asked asked;
        bool matches;
    } rows[] = {
        {{NULL, NULL, NULL, NULL, FILTER_ANY_FAMILY}, true},
        {{"9998", NULL, NULL, NULL, FILTER_ANY_FAMILY}, true},
        {{"50796", NULL, NULL, NULL, FILTER_ANY_FAMILY}, true},
        {{"9997,9999", NULL, NULL, NULL, FILTER_ANY_FAMILY}, false},
        {{NULL, "9998", NULL, NULL, FILTER_ANY_FAMILY}, true},
        {{NULL, "50796", NULL, NULL, FILTER_ANY_FAMILY}, false},
        {{NULL, NULL, "50796", NULL, FILTER_ANY_FAMILY}, true},
        {{NULL, NULL, "9998", NULL, FILTER_ANY_FAMILY}, false},
        {{NULL, "9998", "50796", NULL, FILTER_ANY_FAMILY}, true},
        {{NULL, "9998", "50797", NULL, FILTER_ANY_FAMILY}, false},
        {{"50796", "9998", NULL, NULL, FILTER_ANY_FAMILY}, true},
        {{"50797", "9998", NULL, NULL, FILTER_ANY_FAMILY}, false},
        {{NULL, NULL, NULL, "192.0.2.1", FILTER_ANY_FAMILY}, true},
        {{NULL, NULL, NULL, "198.51.100.0/24", FILTER_ANY_FAMILY}, true},
        {{NULL, NULL, NULL, "203.0.113.0/24", FILTER_ANY_FAMILY}, false},
        {{NULL, NULL, NULL, "203.0.113.0/24,192.0.2.0/31", FILTER_ANY_FAMILY}, true},
        {{NULL, NULL, NULL, "::ffff:192.0.2.1", FILTER_ANY_FAMILY}, true},
        {{NULL, NULL, NULL, "0.0.0.0/0", FILTER_ANY_FAMILY}, true},
        {{NULL, NULL, NULL, "::/0", FILTER_ANY_FAMILY}, false},
        {{NULL, NULL, NULL, "::/64", FILTER_ANY_FAMILY}, false},
        {{"9998", NULL, NULL, "203.0.113.0/24", FILTER_ANY_FAMILY}, false},
        {{"9998", NULL, NULL, NULL, FILTER_INET}, true},
        {{"9998", NULL, NULL, NULL, FILTER_INET6}, false},
    };
    struct socket socket = {.local_port = 9998, .remote_port = 50796};

    (void)state;
    socket.local = address_of("192.0.2.1");
    socket.remote = address_of("198.51.100.7");
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct filter filter = filter_of(&rows[i].asked);

        if (filter_matches(&filter, &socket) != rows[i].matches)
            fail_msg("row %zu", i);
        filter_free(&filter);
    }
}

/* The peer's port is lost, and in the second case the own address. */
static void one_that_was_thrown_away_may_have_been_wanted(void **state) {
    static const struct {
        struct asked asked;
        bool may, without_address;
    } rows[] = {
        {{NULL, NULL, NULL, NULL, FILTER_ANY_FAMILY}, true, true},
        {{"9998", NULL, NULL, NULL, FILTER_ANY_FAMILY}, true, true},
        {{NULL, NULL, "9998", NULL, FILTER_ANY_FAMILY}, true, true},
        {{NULL, "9998", NULL, NULL, FILTER_ANY_FAMILY}, false, false},
        {{NULL, "50796", "80", NULL, FILTER_ANY_FAMILY}, true, true},
        {{"9998", NULL, NULL, "192.0.2.1", FILTER_ANY_FAMILY}, true, true},
        {{"9998", NULL, NULL, "198.51.100.7", FILTER_ANY_FAMILY}, true, true},
        {{NULL, NULL, NULL, "203.0.113.0/24", FILTER_ANY_FAMILY}, false, true},
        {{"9998", NULL, NULL, NULL, FILTER_INET6}, false, false},
    };
    struct socket socket = {.local_port = 50796};

    (void)state;
    socket.remote = address_of("198.51.100.7");
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct filter filter = filter_of(&rows[i].asked);

        socket.local = address_of("192.0.2.1");
        if (filter_may_match(&filter, &socket) != rows[i].may)
            fail_msg("row %zu", i);
        socket.local = (struct address){0};
        if (filter_may_match(&filter, &socket) != rows[i].without_address)
            fail_msg("row %zu, without an address", i);
        filter_free(&filter);
    }
}

static void the_family_is_the_socket_s_not_the_address_s(void **state) {
    struct socket mapped = {.inet6 = 1, .local_port = 80, .remote_port = 40000};
    struct filter filter = {.family = FILTER_INET6};

    (void)state;
    mapped.local = mapped.remote = address_of("::ffff:192.0.2.1");
    assert_true(filter_matches(&filter, &mapped));
    filter.family = FILTER_INET;
    assert_false(filter_matches(&filter, &mapped));
    filter.family = FILTER_ANY_FAMILY;
    assert_null(prefix_parse("192.0.2.0/24", &filter));
    assert_true(filter_matches(&filter, &mapped));
    filter_free(&filter);
}

static void all_of_ipv6_holds_the_ipv6_end_alone(void **state) {
    struct socket socket = {.inet6 = 1};
    struct filter filter = {0};

    (void)state;
    assert_null(prefix_parse("::/0", &filter));
    socket.local = address_of("2001:db8::1");
    socket.remote = address_of("2001:db8::2");
    assert_true(filter_matches(&filter, &socket));
    socket.local = socket.remote = address_of("::ffff:192.0.2.1");
    assert_false(filter_matches(&filter, &socket));
    filter_free(&filter);
}

/* Every network namespace has the loopback as its first device. */
static void a_zone_is_a_device(void **state) {
    struct socket socket = {.inet6 = 1, .ifindex = if_nametoindex("lo")};
    static const struct {
        const char *text;
        bool matches;
    } rows[] = {{"fe80::1%lo", true}, {"fe80::%lo/64", true},      {"fe80::1%lo/128", true},
                {"fe80::1", true},    {"fe80::3%lo", false},       {"fe80:0:0:1::%lo/64", false},
                {"fe80::2%lo", true}, {"fe80::3,fe80::1%lo", true}};

    (void)state;
    socket.local = address_of("fe80::1");
    socket.remote = address_of("fe80::2");
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct filter filter = {0};

        assert_null(prefix_parse(rows[i].text, &filter));
        assert_null(filter_find_devices(&filter));
        if (filter_matches(&filter, &socket) != rows[i].matches)
            fail_msg("%s", rows[i].text);
        filter_free(&filter);
    }
}

static void a_socket_of_another_device_does_not_match(void **state) {
    struct socket socket = {.inet6 = 1, .ifindex = if_nametoindex("lo") + 1};
    struct filter filter = {0};

    (void)state;
    socket.local = address_of("fe80::1");
    assert_null(prefix_parse("fe80::1%lo", &filter));
    assert_null(filter_find_devices(&filter));
    assert_false(filter_matches(&filter, &socket));
    socket.ifindex = 0; /* bound to none: in no zone */
    assert_false(filter_matches(&filter, &socket));
    filter_free(&filter);
}

static void a_device_that_is_not_there_is_named(void **state) {
    struct filter filter = {0};

    (void)state;
    assert_null(prefix_parse("127.0.0.1,fe80::1%lo,fe80::1%not-there", &filter));
    assert_string_equal(filter_find_devices(&filter), "not-there");
    filter_free(&filter);
}

static void a_listener_has_no_remote_port(void **state) {
    struct socket socket = {.local_port = 9998, .state = TCP_STATE_LISTEN};
    struct filter filter = {0};

    (void)state;
    assert_null(ports_parse("1-65535", &filter.remote));
    assert_false(filter_matches(&filter, &socket));
    filter_free(&filter);
    assert_null(ports_parse("9998", &filter.either));
    assert_true(filter_matches(&filter, &socket));
    filter_free(&filter);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ports_are_read_sorted_and_joined),
        cmocka_unit_test(service_names_are_read),
        cmocka_unit_test(the_wrong_item_of_a_list_is_named),
        cmocka_unit_test(lists_given_one_after_the_other_add_up),
        cmocka_unit_test(a_port_is_found_where_a_range_holds_it),
        cmocka_unit_test(prefixes_are_read),
        cmocka_unit_test(what_is_no_prefix_is_refused),
        cmocka_unit_test(states_are_a_set),
        cmocka_unit_test(a_socket_matches_where_all_that_is_asked_does),
        cmocka_unit_test(one_that_was_thrown_away_may_have_been_wanted),
        cmocka_unit_test(the_family_is_the_socket_s_not_the_address_s),
        cmocka_unit_test(all_of_ipv6_holds_the_ipv6_end_alone),
        cmocka_unit_test(a_zone_is_a_device),
        cmocka_unit_test(a_socket_of_another_device_does_not_match),
        cmocka_unit_test(a_device_that_is_not_there_is_named),
        cmocka_unit_test(a_listener_has_no_remote_port),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
