/* SPDX-License-Identifier: MIT
 *
 * How a connection ends: what an errno means, and that there are words for all of it.
 */
#include "unit.h"

#include "tcp/ending.h"

#include <errno.h>

static void what_an_errno_means(void **state) {
    static const struct {
        int error;
        enum tcp_ending ending;
        const char *name;
    } rows[] = {
        {ECONNRESET, TCP_ENDING_RESET, "ECONNRESET"},
        {EPIPE, TCP_ENDING_RESET, "EPIPE"},
        {ETIMEDOUT, TCP_ENDING_TIMED_OUT, "ETIMEDOUT"},
        {EHOSTUNREACH, TCP_ENDING_HOST_UNREACHABLE, "EHOSTUNREACH"},
        {ENETUNREACH, TCP_ENDING_NETWORK_UNREACHABLE, "ENETUNREACH"},
        {ECONNREFUSED, TCP_ENDING_REFUSED, "ECONNREFUSED"},
        {EMFILE, TCP_ENDING_UNKNOWN, "EMFILE"},
        {EADDRNOTAVAIL, TCP_ENDING_UNKNOWN, "EADDRNOTAVAIL"},
        {EBADF, TCP_ENDING_UNKNOWN, NULL},
        {0, TCP_ENDING_UNKNOWN, NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(tcp_ending_of_errno(rows[i].error), rows[i].ending);
        if (rows[i].name)
            assert_string_equal(tcp_errno_name(rows[i].error), rows[i].name);
        else
            assert_null(tcp_errno_name(rows[i].error));
    }
}

static void every_ending_has_a_name_of_its_own(void **state) {
    (void)state;
    for (int i = 0; i < TCP_ENDING_COUNT; i++) {
        assert_true(*tcp_ending_words((enum tcp_ending)i));
        for (int j = 0; j < i; j++)
            assert_string_not_equal(tcp_ending_name((enum tcp_ending)i),
                                    tcp_ending_name((enum tcp_ending)j));
    }
    assert_string_equal(tcp_ending_name(TCP_ENDING_COUNT), "unknown");
}

static void an_errno_may_say_more_than_its_ending(void **state) {
    (void)state;
    assert_string_not_equal(tcp_ending_meaning(TCP_ENDING_RESET, EPIPE),
                            tcp_ending_meaning(TCP_ENDING_RESET, ECONNRESET));
    assert_string_equal(tcp_ending_meaning(TCP_ENDING_RESET, ECONNRESET),
                        tcp_ending_meaning(TCP_ENDING_RESET, 0));
    assert_null(tcp_ending_meaning(TCP_ENDING_LOCAL_CLOSE, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_an_errno_means),
        cmocka_unit_test(every_ending_has_a_name_of_its_own),
        cmocka_unit_test(an_errno_may_say_more_than_its_ending),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
