/* SPDX-License-Identifier: MIT */
#include "units/duration.h"

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
            return -1;
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
                return -1;
            ns = whole * units[i].ns + fraction * units[i].ns / scale;
            return ns > DURATION_MAX_NS ? -1 : ns;
        }
    return -1;
}

/* By hand: a list of 200,000 sockets has 800,000 of them, and snprintf() took half its time. */
static char *put(char *to, int64_t number, int least_digits) {
    char digits[20];
    int count = 0;

    do
        digits[count++] = (char)('0' + number % 10);
    while ((number /= 10) || count < least_digits);
    while (count)
        *to++ = digits[--count];
    return to;
}

static char *put_unit(char *to, const char *unit) {
    while (*unit)
        *to++ = *unit++;
    return to;
}

static char *put_pair(char *to, int64_t big, const char *big_unit, int64_t small,
                      const char *small_unit) {
    to = put_unit(put(to, big, 1), big_unit);
    return put_unit(put(to, small, 2), small_unit);
}

size_t duration_text(char *text, int64_t ns) {
    const int64_t ms = ns / NS_PER_MS, s = ns / NS_PER_S;
    char *to = text;

    if (ns < 10 * NS_PER_MS) {
        to = put_unit(put(to, ms, 1), ".");
        to = put_unit(put(to, ns / (NS_PER_MS / 10) % 10, 1), "ms");
    } else if (s < 1) {
        to = put_unit(put(to, ms, 1), "ms");
    } else if (s < 100) {
        to = put_unit(put(to, s, 1), ".");
        to = put_unit(put(to, ms / 100 % 10, 1), "s");
    } else if (s < 3600) {
        to = put_pair(to, s / 60, "m", s % 60, "s");
    } else if (s < 24 * 3600) {
        to = put_pair(to, s / 3600, "h", s / 60 % 60, "m");
    } else {
        to = put_pair(to, s / 86400, "d", s / 3600 % 24, "h");
    }
    *to = '\0';
    return (size_t)(to - text);
}
