/* SPDX-License-Identifier: MIT */
#include "units/nearest.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define WORD_MAX 32

static size_t least(size_t a, size_t b, size_t c) {
    const size_t ab = a < b ? a : b;

    return ab < c ? ab : c;
}

static bool same(char a, char b) {
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Levenshtein's distance, one row of the table at a time. */
static size_t distance(const char *a, const char *b) {
    size_t row[WORD_MAX + 1], len_b = strlen(b);

    for (size_t j = 0; j <= len_b; j++)
        row[j] = j;
    for (size_t i = 1; *a; a++, i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= len_b; j++) {
            const size_t replace = diagonal + !same(*a, b[j - 1]);

            diagonal = row[j];
            row[j] = least(replace, row[j] + 1, row[j - 1] + 1);
        }
    }
    return row[len_b];
}

/* Returns NULL where none or more than one begins so. */
static const char *only_beginning(const char *typed, const char *const *words, size_t count) {
    const size_t len = strlen(typed);
    const char *found = NULL;

    for (size_t i = 0; i < count; i++) {
        if (strncasecmp(words[i], typed, len) != 0)
            continue;
        if (found)
            return NULL;
        found = words[i];
    }
    return len ? found : NULL;
}

const char *nearest_word(const char *typed, const char *const *words, size_t count) {
    const char *nearest = only_beginning(typed, words, count);
    size_t best = WORD_MAX;

    if (nearest)
        return nearest;
    for (size_t i = 0; i < count; i++) {
        const size_t len = strlen(words[i]),
                     changes = len > WORD_MAX ? len : distance(typed, words[i]);

        if (changes < best && changes <= (len + 2) / 3) {
            best = changes;
            nearest = words[i];
        }
    }
    return nearest;
}
