/* SPDX-License-Identifier: MIT */
#include "trace/waiting.h"

#include "unit.h"

#define FIRST_SIZE 64 /* of the ring, in waiting.c */

static void add(struct waiting_queue *queue, uint64_t cookie, int64_t due_ns) {
    const struct socket socket = socket_of(cookie, TCP_STATE_TIME_WAIT);

    assert_true(waiting_add(queue, &socket, due_ns));
}

/* Takes the first, which has to be this one and due by then. */
static void take(struct waiting_queue *queue, uint64_t cookie, int64_t now_ns) {
    const struct waiting *first = waiting_due(queue, now_ns);

    assert_non_null(first);
    assert_int_equal(first->cookie, cookie);
    waiting_remove(queue);
}

static void an_empty_queue_has_nothing_due(void **state) {
    struct waiting_queue queue = {0};

    (void)state;
    assert_null(waiting_due(&queue, INT64_MAX));
    waiting_sort(&queue);
    waiting_clear(&queue);
    assert_null(waiting_due(&queue, INT64_MAX));
    waiting_free(&queue);
}

static void the_first_is_due_at_its_time_and_the_rest_later(void **state) {
    struct waiting_queue queue = {0};

    (void)state;
    add(&queue, 1, 100);
    add(&queue, 2, 100);
    add(&queue, 3, 200);
    assert_null(waiting_due(&queue, 99));
    take(&queue, 1, 100);
    take(&queue, 2, 100);
    assert_null(waiting_due(&queue, 199));
    /* It stays until it is removed. */
    assert_ptr_equal(waiting_due(&queue, 200), waiting_due(&queue, 300));
    take(&queue, 3, 300);
    assert_null(waiting_due(&queue, INT64_MAX));
    waiting_free(&queue);
}

static void all_that_a_look_up_needs_is_kept(void **state) {
    struct waiting_queue queue = {0};
    struct socket socket = socket_of(7, TCP_STATE_FIN_WAIT2), back;

    (void)state;
    socket.local = address_of("2001:db8::1");
    socket.remote = address_of("2001:db8::2");
    socket.ifindex = 3;
    socket.inet6 = true;
    assert_true(waiting_add(&queue, &socket, 1));
    back = waiting_socket(waiting_due(&queue, 1));
    assert_int_equal(back.cookie, 7);
    assert_memory_equal(&back.local, &socket.local, sizeof(back.local));
    assert_memory_equal(&back.remote, &socket.remote, sizeof(back.remote));
    assert_int_equal(back.local_port, socket.local_port);
    assert_int_equal(back.remote_port, socket.remote_port);
    assert_int_equal(back.ifindex, 3);
    assert_int_equal(back.inet6, true);
    assert_int_equal(back.state, TCP_STATE_FIN_WAIT2);
    waiting_free(&queue);
}

/* It grows while the first is in the middle of the ring, at each place there. */
static void it_grows_in_order_wherever_it_begins(void **state) {
    (void)state;
    for (uint64_t removed = 0; removed < FIRST_SIZE; removed++) {
        struct waiting_queue queue = {0};
        uint64_t next = 0, first = 0;

        while (next < FIRST_SIZE) {
            add(&queue, next, (int64_t)next);
            next++;
        }
        while (first < removed) {
            take(&queue, first, INT64_MAX);
            first++;
        }
        while (next < removed + 5 * FIRST_SIZE) {
            add(&queue, next, (int64_t)next);
            next++;
        }
        while (first < next) {
            take(&queue, first, (int64_t)first);
            first++;
        }
        assert_null(waiting_due(&queue, INT64_MAX));
        waiting_free(&queue);
    }
}

/* What comes as fast as it goes needs no more room. */
static void a_ring_that_goes_round_does_not_grow(void **state) {
    struct waiting_queue queue = {0};

    (void)state;
    for (uint64_t i = 0; i < 10 * FIRST_SIZE; i++) {
        add(&queue, i, (int64_t)i);
        if (i >= FIRST_SIZE - 1)
            take(&queue, i - (FIRST_SIZE - 1), INT64_MAX);
    }
    assert_int_equal(queue.size, FIRST_SIZE);
    assert_int_equal(queue.count, FIRST_SIZE - 1);
    waiting_free(&queue);
}

static void sorting_puts_the_first_due_first(void **state) {
    struct waiting_queue queue = {0};
    uint64_t seed = 88172645463325252;
    int64_t before_ns = INT64_MIN;

    (void)state;
    /* Past its end, so that it is sorted over its beginning. */
    for (uint64_t i = 0; i < FIRST_SIZE; i++)
        add(&queue, i, 0);
    for (uint64_t i = 0; i < FIRST_SIZE / 2; i++)
        take(&queue, i, 0);
    for (uint64_t i = 0; i < FIRST_SIZE / 2; i++)
        add(&queue, 1000 + i, (int64_t)random_below(&seed, 1000) - 500);
    waiting_sort(&queue);
    for (size_t left = FIRST_SIZE; left > 0; left--) {
        const struct waiting *first = waiting_due(&queue, INT64_MAX);

        assert_non_null(first);
        assert_true(first->due_ns >= before_ns);
        before_ns = first->due_ns;
        waiting_remove(&queue);
    }
    assert_null(waiting_due(&queue, INT64_MAX));
    /* And it goes on as before. */
    add(&queue, 1, 5);
    take(&queue, 1, 5);
    waiting_free(&queue);
}

static void sorting_takes_times_that_are_far_apart(void **state) {
    struct waiting_queue queue = {0};

    (void)state;
    add(&queue, 1, INT64_MAX);
    add(&queue, 2, INT64_MIN);
    add(&queue, 3, 0);
    waiting_sort(&queue);
    take(&queue, 2, INT64_MIN);
    take(&queue, 3, 0);
    take(&queue, 1, INT64_MAX);
    waiting_free(&queue);
}

static void a_queue_that_was_cleared_can_be_used_again(void **state) {
    struct waiting_queue queue = {0};

    (void)state;
    for (uint64_t i = 0; i < 3 * FIRST_SIZE; i++)
        add(&queue, i, 0);
    take(&queue, 0, 0);
    waiting_clear(&queue);
    assert_null(queue.ring);
    assert_null(waiting_due(&queue, INT64_MAX));
    add(&queue, 9, 0);
    take(&queue, 9, 0);
    waiting_free(&queue);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_queue_has_nothing_due),
        cmocka_unit_test(the_first_is_due_at_its_time_and_the_rest_later),
        cmocka_unit_test(all_that_a_look_up_needs_is_kept),
        cmocka_unit_test(it_grows_in_order_wherever_it_begins),
        cmocka_unit_test(a_ring_that_goes_round_does_not_grow),
        cmocka_unit_test(sorting_puts_the_first_due_first),
        cmocka_unit_test(sorting_takes_times_that_are_far_apart),
        cmocka_unit_test(a_queue_that_was_cleared_can_be_used_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
