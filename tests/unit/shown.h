/* SPDX-License-Identifier: MIT
 *
 * What the tests of the output share: they take what was written, and look at it.
 */
#ifndef TCPWATCH_TESTS_SHOWN_H
#define TCPWATCH_TESTS_SHOWN_H

#include "unit.h"

#include "output/output.h"

#include <jansson.h>
#include <stdlib.h>

/* What was written so far, taken out of the buffer; to be freed by the caller. */
static inline char *take_text(struct output *output) {
    char *text;

    writer_put(&output->writer, "", 1);
    assert_int_equal(output->writer.error, 0);
    text = output->writer.data;
    output->writer = (struct writer){0};
    return text;
}

/* UTF-8 in lines, and nothing else that a terminal might act on. */
static inline void check_clean(const char *text) {
    size_t len = 0;

    for (size_t at = 0, end = strlen(text); at < end; at += len) {
        const long code = utf8_decode((const unsigned char *)text + at, end - at, &len);

        if (code < 0 || (utf8_is_dangerous(code) && code != '\n'))
            fail_msg("byte %02x in \"%s\"", (unsigned char)text[at], text);
    }
}

/* The one object of the one line that was written. */
static inline json_t *take_object(struct output *output) {
    char *text = take_text(output);
    const char *end = strchr(text, '\n');
    json_error_t error;
    json_t *object;

    check_clean(text);
    assert_non_null(end);
    assert_string_equal(end, "\n");
    object = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (!object || !json_is_object(object))
        fail_msg("%s: %s", error.text, text);
    free(text);
    return object;
}

static inline const char *text_in(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "(none)";
}

static inline json_int_t number_in(const json_t *object, const char *key) {
    const json_t *number = json_object_get(object, key);

    assert_true(json_is_integer(number));
    return json_integer_value(number);
}

#endif
