/* SPDX-License-Identifier: MIT */
#include "units/bulk.h"

#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>

/* Two of these fit into a huge page. */
#define HALF (BULK_SHARED_MAX / 2)

static char *page_of(const char *part) {
    return (char *)((uintptr_t)part & ~(BULK_PAGE - 1));
}

#define STEP 4096 /* no page is smaller */

/* Anything of it. */
static bool is_mapped(char *page) {
    unsigned char in_core;
    bool mapped = false;

    for (size_t at = 0; at < BULK_PAGE; at += STEP)
        mapped |= mincore(page + at, 1, &in_core) == 0 || errno != ENOMEM;
    return mapped;
}

static void nothing_lies_on_anything_else(void **state) {
    static const size_t sizes[] = {1,
                                   BULK_PAGE / 8 - 1,
                                   BULK_PAGE / 8,
                                   BULK_PAGE / 8 + 1,
                                   HALF,
                                   BULK_SHARED_MAX,
                                   BULK_SHARED_MAX + 1,
                                   BULK_PAGE,
                                   BULK_PAGE + 1,
                                   BULK_PAGE / 4};
    char *data[3 * COUNT(sizes)];

    (void)state;
    for (size_t i = 0; i < COUNT(data); i++) {
        data[i] = bulk_new(sizes[i % COUNT(sizes)]);
        assert_non_null(data[i]);
        assert_int_equal((uintptr_t)data[i] % _Alignof(max_align_t), 0);
        memset(data[i], (int)i, sizes[i % COUNT(sizes)]);
    }
    for (size_t i = 0; i < COUNT(data); i++) {
        const size_t size = sizes[i % COUNT(sizes)];

        assert_int_equal(data[i][0], i);
        assert_memory_equal(data[i], data[i] + 1, size - 1); /* all of it the same */
        bulk_free(data[i], size);
    }
}

static void a_page_is_shared_and_goes_with_its_last_part(void **state) {
    char *parts[4];

    (void)state;
    for (size_t i = 0; i < COUNT(parts); i++) {
        parts[i] = bulk_new(HALF);
        assert_non_null(parts[i]);
    }
    assert_ptr_equal(page_of(parts[0]), page_of(parts[1]));
    assert_ptr_equal(page_of(parts[2]), page_of(parts[3]));
    assert_ptr_not_equal(page_of(parts[0]), page_of(parts[2]));

    bulk_free(parts[3], HALF);
    bulk_free(parts[0], HALF);
    assert_true(is_mapped(page_of(parts[0])));
    assert_true(is_mapped(page_of(parts[2])));
    bulk_free(parts[1], HALF);
    assert_false(is_mapped(page_of(parts[0])));
    bulk_free(parts[2], HALF);
    assert_false(is_mapped(page_of(parts[2])));
}

static void a_page_that_has_room_left_goes_too(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        char *part = bulk_new(HALF);

        assert_non_null(part);
        memset(part, 0, HALF);
        bulk_free(part, HALF);
        assert_false(is_mapped(page_of(part)));
    }
}

static void what_is_large_has_pages_of_its_own(void **state) {
    char *large = bulk_new(BULK_PAGE + 1);

    (void)state;
    assert_non_null(large);
    assert_ptr_equal(page_of(large), large);
    memset(large, 0, BULK_PAGE + 1);
    bulk_free(large, BULK_PAGE + 1);
    assert_false(is_mapped(large));
    assert_false(is_mapped(large + BULK_PAGE));
}

static void too_much_cannot_be_had(void **state) {
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - BULK_PAGE, SIZE_MAX / 2};

    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        errno = 0;
        assert_null(bulk_new(sizes[i]));
        assert_int_equal(errno, ENOMEM);
        bulk_free(NULL, sizes[i]);
    }
    bulk_free(NULL, 0);
    bulk_free(NULL, HALF);
}

#define THREADS 4
#define TURNS   500
#define HELD    5

struct turns {
    uint64_t seed;
    const char *wrong; /* NULL: nothing */
};

/* What a thread writes in a turn at both ends of what it holds. */
static uint64_t mark_of(const struct turns *turns, size_t turn) {
    return (uint64_t)(uintptr_t)turns << 16 | turn;
}

static char *end_of(char *held, size_t size) {
    return held + size - sizeof(uint64_t);
}

static void *take_and_give_back(void *data) {
    struct turns *turns = data;
    char *held[HELD] = {0};
    size_t sizes[HELD] = {0};

    for (size_t turn = 0; turn < TURNS; turn++) {
        const size_t which = turn % HELD;
        const uint64_t mark = mark_of(turns, turn);
        const uint64_t before = turn < HELD ? 0 : mark_of(turns, turn - HELD);

        if (held[which] &&
            (memcmp(held[which], &before, sizeof(before)) != 0 ||
             memcmp(end_of(held[which], sizes[which]), &before, sizeof(before)) != 0))
            turns->wrong = "it was written over";
        bulk_free(held[which], sizes[which]);
        sizes[which] = BULK_PAGE / 8 + random_below(&turns->seed, (uint32_t)HALF);
        held[which] = bulk_new(sizes[which]);
        if (held[which]) {
            memcpy(held[which], &mark, sizeof(mark));
            memcpy(end_of(held[which], sizes[which]), &mark, sizeof(mark));
        } else {
            turns->wrong = "there was no memory";
        }
    }
    for (size_t i = 0; i < HELD; i++)
        bulk_free(held[i], sizes[i]);
    return NULL;
}

static void any_thread_may_call(void **state) {
    pthread_t threads[THREADS];
    static struct turns turns[THREADS];

    (void)state;
    for (size_t i = 0; i < THREADS; i++) {
        turns[i] = (struct turns){.seed = i + 1};
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give_back, &turns[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (size_t i = 0; i < THREADS; i++)
        if (turns[i].wrong)
            fail_msg("%s", turns[i].wrong);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_lies_on_anything_else),
        cmocka_unit_test(a_page_is_shared_and_goes_with_its_last_part),
        cmocka_unit_test(a_page_that_has_room_left_goes_too),
        cmocka_unit_test(what_is_large_has_pages_of_its_own),
        cmocka_unit_test(too_much_cannot_be_had),
        cmocka_unit_test(any_thread_may_call),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
