/* SPDX-License-Identifier: MIT
 *
 * What the unit tests share: cmocka and all that it needs before it, sockets made by hand, and
 * numbers that look random and are the same in each run.
 */
#ifndef TCPWATCH_TESTS_UNIT_H
#define TCPWATCH_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "socket/socket.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* xorshift64, G. Marsaglia. Never 0 where it is not 0. */
static inline uint64_t random_next(uint64_t *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static inline uint32_t random_below(uint64_t *seed, uint32_t limit) {
    return (uint32_t)((random_next(seed) >> 16) % limit);
}

static inline struct address address_of(const char *text) {
    struct address address = {0};

    assert_true(address_parse(text, &address));
    return address;
}

/* A connection of this host's port 9998 with a client of port 40000 + cookie, held by a process. */
static inline struct socket socket_of(uint64_t cookie, enum tcp_state state) {
    return (struct socket){
        .cookie = cookie,
        .local = address_of("127.0.0.1"),
        .remote = address_of("127.0.0.2"),
        .local_port = 9998,
        .remote_port = (uint16_t)(40000 + cookie),
        .state = (uint8_t)state,
        .inode = (uint32_t)(1000 + cookie),
        .uid = 33,
    };
}

/* The code point that starts here and its length, -1 where there is none (RFC 3629, section 4). */
static inline long utf8_decode(const unsigned char *s, size_t left, size_t *len) {
    static const struct {
        unsigned char first, last, least2, most2;
        size_t len;
    } rows[] = {
        {0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        long code = s[0] & (rows[i].len == 1 ? 0x7f : 0xff >> (rows[i].len + 1));

        if (s[0] < rows[i].first || s[0] > rows[i].last || left < rows[i].len)
            continue;
        if (rows[i].len > 1 && (s[1] < rows[i].least2 || s[1] > rows[i].most2))
            continue;
        for (size_t k = 1; k < rows[i].len; k++) {
            if ((s[k] & 0xc0) != 0x80)
                return -1;
            code = code << 6 | (s[k] & 0x3f);
        }
        *len = rows[i].len;
        return code;
    }
    return -1;
}

/* What could be a command to a terminal, or make it show something else than it says. */
static inline bool utf8_is_dangerous(long code) {
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069);
}

#endif
