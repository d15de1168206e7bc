/* SPDX-License-Identifier: MIT */
#include "trace/minisocks.h"

#include "unit.h"

#include <stdlib.h>

static struct minisocks *none(void) {
    struct minisocks *minisocks = calloc(1, sizeof(*minisocks));

    assert_non_null(minisocks);
    return minisocks;
}

/* Another connection between the ends of this one. */
static struct socket again(struct socket socket, uint64_t cookie) {
    socket.cookie = cookie;
    return socket;
}

static void what_takes_the_addresses_ends_it_once(void **state) {
    struct minisocks *minisocks = none();
    const struct socket first = socket_of(1, TCP_STATE_TIME_WAIT);
    const struct socket next = again(first, 7);

    (void)state;
    assert_int_equal(minisocks_replace(minisocks, &next), 0);
    minisocks_add(minisocks, &first);
    /* It is no other than itself. */
    assert_int_equal(minisocks_replace(minisocks, &first), 0);
    minisocks_add(minisocks, &first);
    assert_int_equal(minisocks_replace(minisocks, &next), 1);
    assert_int_equal(minisocks_replace(minisocks, &next), 0);
    free(minisocks);
}

/* A server that closes first has all of them at one port. */
static void one_port_may_have_many(void **state) {
    struct minisocks *minisocks = none();
    struct socket next;

    (void)state;
    for (uint64_t cookie = 1; cookie <= 1000; cookie++) {
        const struct socket socket = socket_of(cookie, TCP_STATE_TIME_WAIT);

        minisocks_add(minisocks, &socket);
        minisocks_add(minisocks, &socket); /* met by a walk, too */
    }
    for (uint64_t cookie = 1; cookie < 1000; cookie++) {
        const struct socket socket = socket_of(cookie, TCP_STATE_TIME_WAIT);

        minisocks_remove(minisocks, &socket);
    }
    next = again(socket_of(999, TCP_STATE_ESTABLISHED), 2000);
    assert_int_equal(minisocks_replace(minisocks, &next), 0);
    next = again(socket_of(1000, TCP_STATE_ESTABLISHED), 2000);
    assert_int_equal(minisocks_replace(minisocks, &next), 1000);
    assert_null(minisocks->table);
    free(minisocks);
}

static void the_end_of_an_earlier_one_is_not_that_of_a_later(void **state) {
    struct minisocks *minisocks = none();
    const struct socket first = socket_of(1, TCP_STATE_TIME_WAIT), second = again(first, 2);
    const struct socket next = again(first, 3);

    (void)state;
    minisocks_add(minisocks, &first);
    minisocks_add(minisocks, &second);
    minisocks_remove(minisocks, &first);
    assert_int_equal(minisocks_replace(minisocks, &next), 2);
    free(minisocks);
}

static void after_all_were_cleared_it_is_as_new(void **state) {
    struct minisocks *minisocks = none();
    const struct socket first = socket_of(1, TCP_STATE_TIME_WAIT), next = again(first, 2);

    (void)state;
    minisocks_add(minisocks, &first);
    minisocks_clear(minisocks);
    assert_int_equal(minisocks_replace(minisocks, &next), 0);
    minisocks_add(minisocks, &first);
    assert_int_equal(minisocks_replace(minisocks, &next), 1);
    for (size_t port = 0; port <= UINT16_MAX; port++)
        assert_int_equal(minisocks->at_port[port], 0);
    free(minisocks);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_takes_the_addresses_ends_it_once),
        cmocka_unit_test(one_port_may_have_many),
        cmocka_unit_test(the_end_of_an_earlier_one_is_not_that_of_a_later),
        cmocka_unit_test(after_all_were_cleared_it_is_as_new),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
