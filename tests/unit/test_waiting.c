/* SPDX-License-Identifier: MIT */
#include "trace/waiting.h"

#include "unit.h"

#define FIRST_SIZE 64 /* of the heap, in waiting.c */

static void add(struct waiting_queue *queue, uint64_t cookie, int64_t due_ns) {
    const struct socket socket = socket_of(cookie, TCP_STATE_TIME_WAIT);
    struct waiting waiting = waiting_for(&socket);

    waiting.due_ns = due_ns;
    assert_true(waiting_add(queue, &waiting));
}

/* Takes the first, which has to be this one and due by then. */
static void take(struct waiting_queue *queue, uint64_t cookie, int64_t now_ns) {
    struct waiting first;

    assert_true(waiting_take(queue, now_ns, &first));
    assert_int_equal(first.cookie, cookie);
}

static void assert_nothing_due(struct waiting_queue *queue, int64_t now_ns) {
    struct waiting first;

    assert_false(waiting_take(queue, now_ns, &first));
}

static void an_empty_queue_has_nothing_due(void **state) {
    struct waiting_queue queue = {0};

    (void)state;
    assert_nothing_due(&queue, INT64_MAX);
    waiting_clear(&queue);
    assert_nothing_due(&queue, INT64_MAX);
}

static void the_first_is_due_at_its_time_and_the_rest_later(void **state) {
    struct waiting_queue queue = {0};

    (void)state;
    add(&queue, 3, 200);
    add(&queue, 1, 100);
    add(&queue, 2, 150);
    assert_nothing_due(&queue, 99);
    take(&queue, 1, 100);
    assert_nothing_due(&queue, 149);
    take(&queue, 2, 300);
    assert_nothing_due(&queue, 199);
    take(&queue, 3, 200);
    assert_nothing_due(&queue, INT64_MAX);
    waiting_clear(&queue);
}

static void all_that_a_look_up_needs_is_kept(void **state) {
    struct waiting_queue queue = {0};
    struct socket socket = socket_of(7, TCP_STATE_FIN_WAIT2), back;
    struct waiting waiting, first;

    (void)state;
    socket.local = address_of("2001:db8::1");
    socket.remote = address_of("2001:db8::2");
    socket.ifindex = 3;
    socket.inet6 = true;
    waiting = waiting_for(&socket);
    waiting.since_ns = -5;
    waiting.due_ns = 1;
    waiting.expires_ns = 9;
    assert_true(waiting_add(&queue, &waiting));
    assert_true(waiting_take(&queue, 1, &first));
    assert_int_equal(first.since_ns, -5);
    assert_int_equal(first.expires_ns, 9);
    back = waiting_socket(&first);
    assert_int_equal(back.cookie, 7);
    assert_memory_equal(&back.local, &socket.local, sizeof(back.local));
    assert_memory_equal(&back.remote, &socket.remote, sizeof(back.remote));
    assert_int_equal(back.local_port, socket.local_port);
    assert_int_equal(back.remote_port, socket.remote_port);
    assert_int_equal(back.ifindex, 3);
    assert_int_equal(back.inet6, true);
    assert_int_equal(back.state, TCP_STATE_FIN_WAIT2);
    waiting_clear(&queue);
}

/* Each size from one to some that it grows for, so that the last one moves to every place. */
static void the_first_due_comes_first_whatever_comes_in_which_order(void **state) {
    uint64_t seed = 88172645463325252;

    (void)state;
    for (uint64_t size = 1; size < 3 * FIRST_SIZE; size++) {
        struct waiting_queue queue = {0};
        int64_t before_ns = INT64_MIN;
        uint64_t seen = 0, sum = 0;
        struct waiting first;

        for (uint64_t cookie = 1; cookie <= size; cookie++) {
            add(&queue, cookie, (int64_t)random_below(&seed, 50) - 25);
            sum += cookie;
        }
        while (waiting_take(&queue, INT64_MAX, &first)) {
            assert_true(first.due_ns >= before_ns);
            before_ns = first.due_ns;
            seen += first.cookie;
        }
        assert_int_equal(seen, sum);
        assert_int_equal(queue.count, 0);
        waiting_clear(&queue);
    }
}

static void it_takes_times_that_are_far_apart(void **state) {
    struct waiting_queue queue = {0};

    (void)state;
    add(&queue, 1, INT64_MAX);
    add(&queue, 2, INT64_MIN);
    add(&queue, 3, 0);
    take(&queue, 2, INT64_MIN);
    take(&queue, 3, 0);
    take(&queue, 1, INT64_MAX);
    waiting_clear(&queue);
}

/* What comes as fast as it goes needs no more room. */
static void it_grows_no_more_than_it_has_to(void **state) {
    struct waiting_queue queue = {0};

    (void)state;
    for (uint64_t i = 0; i < 10 * FIRST_SIZE; i++) {
        add(&queue, i, (int64_t)i);
        if (i >= FIRST_SIZE - 1)
            take(&queue, i - (FIRST_SIZE - 1), INT64_MAX);
    }
    assert_int_equal(queue.size, FIRST_SIZE);
    assert_int_equal(queue.count, FIRST_SIZE - 1);
    waiting_clear(&queue);
}

/* What a busy time took is not kept. */
static void it_shrinks_as_it_empties(void **state) {
    struct waiting_queue queue = {0};

    (void)state;
    for (uint64_t i = 0; i < 100 * FIRST_SIZE; i++)
        add(&queue, i, (int64_t)i);
    assert_true(queue.size >= 100 * FIRST_SIZE);
    for (uint64_t i = 0; i < 100 * FIRST_SIZE; i++) {
        take(&queue, i, INT64_MAX);
        assert_true(queue.size == FIRST_SIZE || queue.count >= queue.size / 4);
    }
    assert_int_equal(queue.size, FIRST_SIZE);
    waiting_clear(&queue);
}

static void a_queue_that_was_cleared_can_be_used_again(void **state) {
    struct waiting_queue queue = {0};

    (void)state;
    for (uint64_t i = 0; i < 3 * FIRST_SIZE; i++)
        add(&queue, i, 0);
    waiting_clear(&queue);
    assert_null(queue.heap);
    assert_nothing_due(&queue, INT64_MAX);
    add(&queue, 9, 0);
    take(&queue, 9, 0);
    waiting_clear(&queue);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_queue_has_nothing_due),
        cmocka_unit_test(the_first_is_due_at_its_time_and_the_rest_later),
        cmocka_unit_test(all_that_a_look_up_needs_is_kept),
        cmocka_unit_test(the_first_due_comes_first_whatever_comes_in_which_order),
        cmocka_unit_test(it_takes_times_that_are_far_apart),
        cmocka_unit_test(it_grows_no_more_than_it_has_to),
        cmocka_unit_test(it_shrinks_as_it_empties),
        cmocka_unit_test(a_queue_that_was_cleared_can_be_used_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
