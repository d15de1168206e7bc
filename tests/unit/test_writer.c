/* SPDX-License-Identifier: MIT */
#include "output/writer.h"

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The name as written; fails where that is no UTF-8 or dangerous. To be freed by the caller. */
static char *written(const char *name) {
    struct writer writer = {0};
    size_t len = 0;

    writer_name(&writer, name);
    for (size_t at = 0; at < writer.len; at += len) {
        const long code = utf8_decode((unsigned char *)writer.data + at, writer.len - at, &len);

        if (code < 0 || utf8_is_dangerous(code))
            fail_msg("%02x %02x...: byte %zu of what was written", (unsigned char)name[0],
                     (unsigned char)name[1], at);
    }
    writer_put(&writer, "", 1);
    assert_int_equal(writer.error, 0);
    return writer.data;
}

static void check(const char *name, const char *expected) {
    char *text = written(name);

    assert_string_equal(text, expected);
    free(text);
}

static void check_number(uint64_t number) {
    struct writer writer = {0};
    char expected[32];

    writer_number(&writer, number);
    writer_put(&writer, "", 1);
    snprintf(expected, sizeof(expected), "%llu", (unsigned long long)number);
    assert_string_equal(writer.data, expected);
    writer_free(&writer);
}

static void numbers_have_all_their_digits(void **state) {
    (void)state;
    for (uint64_t number = 1; number < UINT64_MAX / 10; number *= 10)
        for (unsigned more = 0; more < 3; more++)
            check_number(number - 1 + more);
    check_number(9999999999999999999u);
    check_number(10000000000000000000u);
    check_number(UINT64_MAX);
}

static void names_that_can_be_shown_are(void **state) {
    static const char *const names[] = {
        "",
        "nginx",
        "kworker/0:1-events",
        "~ \"quoted\" \\",
        "gr\303\266\303\237er",
        "\xe6\x97\xa5\xe6\x9c\xac",
        "\xf0\x9f\x90\xa7",
        "\xc2\xa0",
        "\xf4\x8f\xbf\xbf",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xe2\x80\xa7",
        "\xe2\x80\xaf",
        "\xe2\x81\xa5",
        "\xe2\x81\xaa",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++)
        check(names[i], names[i]);
}

static void bytes_that_cannot_be_shown_are_written_as_numbers(void **state) {
    static const struct {
        const char *name, *text;
    } rows[] = {
        {"\033[2J", "\\x1b[2J"},
        {"a\nb\tc\r", "a\\x0ab\\x09c\\x0d"},
        {"\x7f", "\\x7f"},
        {"\xc2\x9b"
         "31m",
         "\\xc2\\x9b31m"}, /* U+009B, CSI as a C1 control */
        {"\x9b"
         "31m",
         "\\x9b31m"},      /* the same as a byte */
        {"\xc3", "\\xc3"}, /* cut off */
        {"\xe2\x82", "\\xe2\\x82"},
        {"\xf0\x9f\x90", "\\xf0\\x9f\\x90"},
        {"\xc3(", "\\xc3("},
        {"\xc0\x80", "\\xc0\\x80"}, /* longer than need be */
        {"\xc1\xbf", "\\xc1\\xbf"},
        {"\xe0\x9f\xbf", "\\xe0\\x9f\\xbf"},
        {"\xf0\x8f\xbf\xbf", "\\xf0\\x8f\\xbf\\xbf"},
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"},          /* a surrogate */
        {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"}, /* beyond Unicode */
        {"\xf8\x88\x80\x80\x80", "\\xf8\\x88\\x80\\x80\\x80"},
        {"\xff\xfe", "\\xff\\xfe"},
        {"\xe2\x80\xae"
         "txt.exe",
         "\\xe2\\x80\\xaetxt.exe"},          /* right-to-left override */
        {"\xe2\x80\xa8", "\\xe2\\x80\\xa8"}, /* line separator */
        {"\xe2\x81\xa6", "\\xe2\\x81\\xa6"}, /* left-to-right isolate */
        {"\xe2\x81\xa9", "\\xe2\\x81\\xa9"}, /* pop isolate */
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        check(rows[i].name, rows[i].text);
}

static void every_name_of_one_or_two_bytes_is_safe(void **state) {
    (void)state;
    for (int first = 1; first < 256; first++)
        for (int second = 0; second < 256; second++)
            free(written((const char[]){(char)first, (char)second, '\0'}));
}

/* Bytes that often make up sequences, whole and broken ones. */
static void random_names_are_safe(void **state) {
    static const unsigned char likely[] = {0xc2, 0xc3, 0xe0, 0xe2, 0xed, 0xef, 0xf0, 0xf4, 0x80,
                                           0x81, 0x8f, 0x90, 0x9b, 0x9f, 0xa0, 0xa6, 0xa8, 0xae,
                                           0xbf, 0x1b, 0x7f, 0xff, '\\', 'x',  'a'};
    uint64_t seed = 2;

    (void)state;
    for (int round = 0; round < 200000; round++) {
        char name[17];
        const size_t len = random_below(&seed, sizeof(name));

        for (size_t i = 0; i < len; i++)
            name[i] = (char)(random_below(&seed, 4) ? likely[random_below(&seed, COUNT(likely))]
                                                    : 1 + random_below(&seed, 255));
        name[len] = '\0';
        free(written(name));
    }
}

/* U+061C, U+200E and U+200F turn the direction of what stands beside them (UAX #9). */
static void marks_that_turn_the_direction_are_not_shown(void **state) {
    (void)state;
    check("\xd8\x9c", "\\xd8\\x9c");
    check("\xe2\x80\x8e", "\\xe2\\x80\\x8e");
    check("\xe2\x80\x8f", "\\xe2\\x80\\x8f");
}

static void expect(const struct writer *writer, const char *text) {
    assert_int_equal(writer->error, 0);
    assert_int_equal(writer->len, strlen(text));
    assert_memory_equal(writer->data, text, writer->len);
}

static void text_adds_up(void **state) {
    struct writer writer = {0};

    (void)state;
    writer_text(&writer, "a");
    writer_text(&writer, "");
    writer_put(&writer, "bcd", 2);
    writer_number(&writer, 0);
    writer_number(&writer, UINT64_MAX);
    writer_format(&writer, "%s%d", "-", 7);
    expect(&writer, "abc018446744073709551615-7");
    writer_free(&writer);
    assert_null(writer.data);
    assert_int_equal(writer.len, 0);
}

static void a_column_is_filled_and_never_cut(void **state) {
    struct writer writer = {0};

    (void)state;
    writer_text(&writer, "ab");
    writer_pad(&writer, 0, 4);
    writer_pad(&writer, 0, 3);
    writer_text(&writer, "|");
    writer_pad(&writer, writer.len, 2);
    writer_pad(&writer, writer.len, 0);
    expect(&writer, "ab  |  ");
    writer_free(&writer);
}

static void a_long_text_is_kept_whole(void **state) {
    struct writer writer = {0};

    (void)state;
    for (int i = 0; i < 10000; i++)
        writer_format(&writer, "%07d\n", i);
    assert_int_equal(writer.len, 80000);
    for (int i = 0; i < 10000; i++)
        assert_int_equal(atoi(writer.data + i * 8), i);
    writer_free(&writer);
}

/* A pipe; its ends are closed by the caller. */
static void open_pipe(int ends[2]) {
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
}

static void what_was_flushed_arrives(void **state) {
    struct writer writer = {0};
    char text[64];
    int ends[2];

    (void)state;
    open_pipe(ends);
    writer_text(&writer, "one line\n");
    assert_int_equal(writer_flush(&writer, ends[1], NULL, INT64_MAX), 0);
    assert_int_equal(writer.len, 0);
    assert_int_equal(writer_flush(&writer, ends[1], NULL, INT64_MAX), 0);
    assert_int_equal(read(ends[0], text, sizeof(text)), 9);
    assert_memory_equal(text, "one line\n", 9);
    close(ends[0]);
    close(ends[1]);
    writer_free(&writer);
}

static void a_reader_that_is_gone_is_told_and_remembered(void **state) {
    struct writer writer = {0};
    int ends[2];

    (void)state;
    open_pipe(ends);
    close(ends[0]);
    writer_text(&writer, "nobody reads this\n");
    assert_int_equal(writer_flush(&writer, ends[1], NULL, INT64_MAX), -1);
    assert_int_equal(errno, EPIPE);
    close(ends[1]);
    open_pipe(ends);
    errno = 0;
    assert_int_equal(writer_flush(&writer, ends[1], NULL, INT64_MAX), -1);
    assert_int_equal(errno, EPIPE);
    close(ends[0]);
    close(ends[1]);
    writer_free(&writer);
}

static void a_full_disk_is_told(void **state) {
    const int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    struct writer writer = {0};

    (void)state;
    writer_text(&writer, "no room for this\n");
    if (full >= 0) {
        assert_int_equal(writer_flush(&writer, full, NULL, INT64_MAX), -1);
        assert_int_equal(errno, ENOSPC);
        close(full);
    }
    writer_free(&writer);
}

static void on_signal(int number) {
    (void)number;
}

/* Reads all that is in the pipe. Returns how much it was so far; each digit follows the last. */
static size_t read_digits(int fd, size_t got) {
    char buffer[65536];
    ssize_t n;

    while ((n = read(fd, buffer, sizeof(buffer))) > 0)
        for (ssize_t i = 0; i < n; i++)
            assert_int_equal(buffer[i], '0' + got++ % 10);
    return got;
}

/* The reader is slow and the pipe full: a signal that waits is taken, and nothing is lost. */
static void a_signal_interrupts_and_loses_nothing(void **state) {
    const struct sigaction action = {.sa_handler = on_signal};
    struct writer writer = {0};
    sigset_t blocked, unblocked;
    size_t got = 0;
    int ends[2];

    (void)state;
    open_pipe(ends);
    for (int i = 0; i < 200000; i++)
        writer_text(&writer, "0123456789");
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    sigprocmask(SIG_BLOCK, &blocked, &unblocked);
    sigaction(SIGUSR1, &action, NULL);
    while (writer.len) {
        const size_t before = writer.len;

        raise(SIGUSR1);
        if (writer_flush(&writer, ends[1], &unblocked, INT64_MAX) < 0)
            assert_int_equal(errno, EINTR);
        assert_int_equal(writer.error, 0);
        assert_true(writer.len < before);
        got = read_digits(ends[0], got);
        assert_int_equal(got, 2000000 - writer.len);
    }
    sigprocmask(SIG_SETMASK, &unblocked, NULL);
    close(ends[0]);
    close(ends[1]);
    writer_free(&writer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_have_all_their_digits),
        cmocka_unit_test(names_that_can_be_shown_are),
        cmocka_unit_test(bytes_that_cannot_be_shown_are_written_as_numbers),
        cmocka_unit_test(every_name_of_one_or_two_bytes_is_safe),
        cmocka_unit_test(random_names_are_safe),
        cmocka_unit_test(text_adds_up),
        cmocka_unit_test(a_column_is_filled_and_never_cut),
        cmocka_unit_test(a_long_text_is_kept_whole),
        cmocka_unit_test(what_was_flushed_arrives),
        cmocka_unit_test(a_reader_that_is_gone_is_told_and_remembered),
        cmocka_unit_test(a_full_disk_is_told),
        cmocka_unit_test(a_signal_interrupts_and_loses_nothing),
        cmocka_unit_test(marks_that_turn_the_direction_are_not_shown),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
