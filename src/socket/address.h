/* SPDX-License-Identifier: MIT
 *
 * An IP address as a socket has it, and as people write it. Pure functions.
 */
#ifndef TCPWATCH_SOCKET_ADDRESS_H
#define TCPWATCH_SOCKET_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Network byte order. An IPv4 address is kept as the IPv4-mapped IPv6 one (::ffff:a.b.c.d), so that
 * both compare as one; whether the socket is an IPv6 one is the socket's family, not the address's.
 */
struct address {
    union {
        uint8_t bytes[16];
        uint32_t words[4];
    };
};

/* Longest text with its NUL: an IPv6 address, '%' and an interface name. */
#define ADDRESS_TEXT_SIZE (46 + 1 + 16)

struct address address_from_ipv4(const void *four_bytes);
struct address address_from_ipv6(const void *sixteen_bytes);
bool address_is_ipv4(const struct address *address);
bool address_is_unspecified(const struct address *address);
/* 127.0.0.0/8 and ::1 */
bool address_is_loopback(const struct address *address);
/* fe80::/10: means nothing without its device. */
bool address_is_link_local(const struct address *address);

/* Reads "127.0.0.1" or "fe80::1". Returns false for anything else. */
bool address_parse(const char *text, struct address *address);

/* Whether the first `prefix_len` bits (0 to 128) are the same. */
bool address_in_prefix(const struct address *address, const struct address *net,
                       unsigned prefix_len);

/* Writes the address without a NUL (at most 45 bytes); returns the length. A mapped address of an
 * IPv6 socket is written as ::ffff:a.b.c.d where `inet6` is set. */
size_t address_text(char *text, const struct address *address, bool inet6);

#endif
