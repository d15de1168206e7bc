/* SPDX-License-Identifier: MIT */
#include "units/nearest.h"

#include "unit.h"

static const char *const commands[] = {"monitor", "list", "explain", "server", "client", "lab"};

static void the_word_that_was_meant_is_found(void **state) {
    static const struct {
        const char *typed, *meant;
    } rows[] = {
        {"monitor", "monitor"},
        {"monitro", "monitor"},
        {"moniter", "monitor"},
        {"mon", "monitor"},
        {"lst", "list"},
        {"lits", "list"},
        {"clinet", "client"},
        {"sever", "server"},
        {"explian", "explain"},
        {"lap", "lab"},
        {"xyz", NULL},
        {"", NULL},
        {"LIST", "list"},
        {"MoN", "monitor"},
        {"Explian", "explain"},
        {"s", "server"},
        {"l", NULL},
        {"listing", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *nearest = nearest_word(rows[i].typed, commands, COUNT(commands));

        if (rows[i].meant ? !nearest || strcmp(nearest, rows[i].meant) != 0 : nearest != NULL)
            fail_msg("\"%s\" is taken for %s", rows[i].typed, nearest ? nearest : "nothing");
    }
}

static void the_nearest_wins_and_of_equals_the_first(void **state) {
    static const char *const words[] = {"abcdefx", "abcdeff", "abcdefg", "abcdefh"};

    (void)state;
    assert_string_equal(nearest_word("abcdefg", words, COUNT(words)), "abcdefg");
    assert_string_equal(nearest_word("abcdef_", words, COUNT(words)), "abcdefx");
}

static void no_words_have_no_nearest(void **state) {
    (void)state;
    assert_null(nearest_word("list", commands, 0));
}

static void words_of_any_length_are_borne(void **state) {
    char typed[5000], known[200];
    const char *const words[] = {known, "list"};

    (void)state;
    memset(typed, 'x', sizeof(typed));
    typed[sizeof(typed) - 1] = '\0';
    assert_null(nearest_word(typed, commands, COUNT(commands)));
    /* The longest that is measured, and all that are longer. */
    for (size_t len = 31; len < sizeof(known); len++) {
        memset(known, 'x', len);
        known[len] = '\0';
        nearest_word(typed, words, COUNT(words));
        assert_string_equal(nearest_word("lizt", words, COUNT(words)), "list");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_word_that_was_meant_is_found),
        cmocka_unit_test(the_nearest_wins_and_of_equals_the_first),
        cmocka_unit_test(no_words_have_no_nearest),
        cmocka_unit_test(words_of_any_length_are_borne),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
