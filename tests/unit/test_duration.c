/* SPDX-License-Identifier: MIT */
#include "units/duration.h"

#include "unit.h"

#define MINUTE (60 * NS_PER_S)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

static void every_unit_is_read(void **state) {
    static const struct {
        const char *text;
        int64_t ns;
    } rows[] = {
        {"0", 0},
        {"5", 5 * NS_PER_S},
        {"007", 7 * NS_PER_S},
        {"0.5", NS_PER_S / 2},
        {"0s", 0},
        {"1s", NS_PER_S},
        {"1.5s", 1500 * NS_PER_MS},
        {"0.5s", 500 * NS_PER_MS},
        {"1.000001s", NS_PER_S + 1000},
        {"200ms", 200 * NS_PER_MS},
        {"0.25ms", 250000},
        {"2m", 2 * MINUTE},
        {"1.5m", 90 * NS_PER_S},
        {"2h", 2 * HOUR},
        {"0.001h", 3600 * NS_PER_MS},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        if (duration_parse(rows[i].text) != rows[i].ns)
            fail_msg("\"%s\" is read as %lld ns", rows[i].text,
                     (long long)duration_parse(rows[i].text));
}

static void what_is_no_duration_is_refused(void **state) {
    static const char *const texts[] = {
        "",     "1x",   "-1",  "+1",   " 1",  "1 ", "1 s",  "s",   "ms",
        "1.",   ".5",   ".",   "1.s",  "1e3", "0x", "0x10", "1S",  "1sec",
        "1mss", "1s1s", "1,5", "1..5", "inf", "1d", "1us",  "nan", "1.5.5s",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++)
        if (duration_parse(texts[i]) != -1)
            fail_msg("\"%s\" is taken", texts[i]);
}

static void ten_years_are_the_most(void **state) {
    static const char *const taken[] = {"87600h", "5256000m", "315360000s", "315360000",
                                        "315360000000ms"};
    static const char *const refused[] = {
        "87601h",
        "5256001m",
        "315360001s",
        "315360001",
        "315360000001ms",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551616",
        "18446744073709551617s",
        "99999999999999999999",
        "99999999999999999999999999999999999999999h",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(taken); i++)
        if (duration_parse(taken[i]) != 3650 * DAY)
            fail_msg("%s is not ten years", taken[i]);
    for (size_t i = 0; i < COUNT(refused); i++)
        if (duration_parse(refused[i]) != DURATION_TOO_LONG)
            fail_msg("%s is not too long", refused[i]);
    assert_int_equal(duration_parse(DURATION_MAX_TEXT), 3650 * DAY);
    assert_int_equal(duration_parse("99999999999999999999x"), -1);
}

static void digits_beyond_a_millionth_change_nothing(void **state) {
    (void)state;
    assert_int_equal(duration_parse("0.1234569999999999999999999999999s"), 123456000);
    assert_int_equal(duration_parse("1.00000000000000000000000000000000001h"), HOUR);
}

static void durations_are_written_for_people(void **state) {
    static const struct {
        int64_t ns;
        const char *text;
    } rows[] = {
        {0, "0.0ms"},
        {99999, "0.0ms"},
        {300000, "0.3ms"},
        {NS_PER_MS, "1.0ms"},
        {9990000, "9.9ms"},
        {10 * NS_PER_MS, "10ms"},
        {120 * NS_PER_MS + 999999, "120ms"},
        {NS_PER_S - 1, "999ms"},
        {NS_PER_S, "1.0s"},
        {12400 * NS_PER_MS, "12.4s"},
        {60 * NS_PER_S, "60.0s"},
        {100 * NS_PER_S - 1, "99.9s"},
        {100 * NS_PER_S, "1m40s"},
        {187 * NS_PER_S, "3m07s"},
        {HOUR - 1, "59m59s"},
        {HOUR, "1h00m"},
        {2 * HOUR + 5 * MINUTE, "2h05m"},
        {DAY - 1, "23h59m"},
        {DAY, "1d00h"},
        {3 * DAY + 4 * HOUR, "3d04h"},
        {3650 * DAY, "3650d00h"},
        {INT64_MAX, "106751d23h"},
    };
    char text[DURATION_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(duration_text(text, rows[i].ns), strlen(rows[i].text));
        assert_string_equal(text, rows[i].text);
    }
}

/* No time is claimed that has not passed: where the text is one that can be read back. */
static void a_text_never_says_more_than_passed(void **state) {
    char text[DURATION_TEXT_SIZE];
    uint64_t seed = 1;

    (void)state;
    for (int i = 0; i < 100000; i++) {
        const int64_t ns = (int64_t)(random_next(&seed) % (100 * NS_PER_S)), unit = 100 * NS_PER_MS;
        int64_t said;

        duration_text(text, ns);
        said = duration_parse(text);
        assert_true(said >= 0 && said <= ns && ns - said < unit);
    }
}

static void a_fraction_does_not_go_beyond_ten_years(void **state) {
    (void)state;
    assert_int_equal(duration_parse("87600.5h"), DURATION_TOO_LONG);
    assert_int_equal(duration_parse("315360000.5s"), DURATION_TOO_LONG);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_unit_is_read),
        cmocka_unit_test(what_is_no_duration_is_refused),
        cmocka_unit_test(ten_years_are_the_most),
        cmocka_unit_test(digits_beyond_a_millionth_change_nothing),
        cmocka_unit_test(durations_are_written_for_people),
        cmocka_unit_test(a_text_never_says_more_than_passed),
        cmocka_unit_test(a_fraction_does_not_go_beyond_ten_years),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
