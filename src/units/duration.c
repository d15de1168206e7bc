/* SPDX-License-Identifier: MIT */
#include "units/duration.h"

#include "units/digits.h"

#include <ctype.h>
#include <string.h>

#define DURATION_MAX_NS (3650LL * 24 * 3600 * NS_PER_S)

int64_t duration_parse(const char *text) {
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {
        {"", NS_PER_S},       {"ms", NS_PER_MS},      {"s", NS_PER_S},
        {"m", 60 * NS_PER_S}, {"h", 3600 * NS_PER_S},
    };
    int64_t whole = 0, fraction = 0, scale = 1, ns;
    const char *p = text;

    if (!isdigit((unsigned char)*p))
        return -1;
    for (; isdigit((unsigned char)*p); p++) {
        whole = whole * 10 + (*p - '0');
        if (whole > DURATION_MAX_NS)
            whole = DURATION_MAX_NS; /* too long in any unit */
    }
    if (*p == '.') {
        if (!isdigit((unsigned char)*++p))
            return -1;
        for (; isdigit((unsigned char)*p); p++)
            if (scale < 1000000) {
                fraction = fraction * 10 + (*p - '0');
                scale *= 10;
            }
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (strcmp(p, units[i].name) == 0) {
            if (whole > DURATION_MAX_NS / units[i].ns)
                return DURATION_TOO_LONG;
            ns = whole * units[i].ns + fraction * units[i].ns / scale;
            return ns > DURATION_MAX_NS ? DURATION_TOO_LONG : ns;
        }
    return -1;
}

static inline char *put(char *to, uint64_t number, const char *unit) {
    return mempcpy(digits_put(to, number), unit, strlen(unit));
}

static char *put_pair(char *to, uint64_t big, const char *big_unit, uint64_t small,
                      const char *small_unit) {
    to = put(to, big, big_unit);
    if (small < 10)
        *to++ = '0';
    return put(to, small, small_unit);
}

char *duration_put(char *to, int64_t ns) {
    const uint64_t tenths = ns > 0 ? (uint64_t)ns / (NS_PER_MS / 10) : 0;
    const uint64_t ms = tenths / 10, s = ms / 1000;

    if (ms < 10)
        return put(put(to, ms, "."), tenths % 10, "ms");
    if (s < 1)
        return put(to, ms, "ms");
    if (s < 100)
        return put(put(to, s, "."), ms / 100 % 10, "s");
    if (s < 3600)
        return put_pair(to, s / 60, "m", s % 60, "s");
    if (s < 24 * 3600)
        return put_pair(to, s / 3600, "h", s / 60 % 60, "m");
    return put_pair(to, s / 86400, "d", s / 3600 % 24, "h");
}

size_t duration_text(char *text, int64_t ns) {
    char *end = duration_put(text, ns);

    *end = '\0';
    return (size_t)(end - text);
}
