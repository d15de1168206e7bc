/* SPDX-License-Identifier: MIT */
#include "socket/address.h"

#include "units/digits.h"

#include <arpa/inet.h>
#include <string.h>

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

struct address address_from_ipv4(const void *four_bytes) {
    struct address address;

    memcpy(address.bytes, mapped_prefix, sizeof(mapped_prefix));
    memcpy(address.bytes + 12, four_bytes, 4);
    return address;
}

struct address address_from_ipv6(const void *sixteen_bytes) {
    struct address address;

    memcpy(address.bytes, sixteen_bytes, sizeof(address.bytes));
    return address;
}

bool address_is_ipv4(const struct address *address) {
    return memcmp(address->bytes, mapped_prefix, sizeof(mapped_prefix)) == 0;
}

bool address_is_unspecified(const struct address *address) {
    const uint32_t *w = address->words;

    return (w[0] | w[1] | w[3]) == 0 && (w[2] == 0 || w[2] == htonl(0xffff));
}

bool address_is_loopback(const struct address *address) {
    static const struct address inet6_loopback = {.bytes = {[15] = 1}};

    return address_is_ipv4(address) ? address->bytes[12] == 127
                                    : memcmp(address, &inet6_loopback, sizeof(*address)) == 0;
}

bool address_is_link_local(const struct address *address) {
    return address->bytes[0] == 0xfe && (address->bytes[1] & 0xc0) == 0x80;
}

bool address_parse(const char *text, struct address *address) {
    uint8_t four[4];

    if (inet_pton(AF_INET, text, four) == 1) {
        *address = address_from_ipv4(four);
        return true;
    }
    return inet_pton(AF_INET6, text, address->bytes) == 1;
}

bool address_in_prefix(const struct address *address, const struct address *net,
                       unsigned prefix_len) {
    const unsigned bytes = prefix_len / 8, bits = prefix_len % 8;
    const uint8_t mask = (uint8_t)(0xff00 >> bits);

    return memcmp(address->bytes, net->bytes, bytes) == 0 &&
           (bits == 0 || ((address->bytes[bytes] ^ net->bytes[bytes]) & mask) == 0);
}

static size_t ipv4_text(char *text, const uint8_t *bytes) {
    char *to = digits_put(text, bytes[0]);

    for (int i = 1; i < 4; i++) {
        *to++ = '.';
        to = digits_put(to, bytes[i]);
    }
    return (size_t)(to - text);
}

size_t address_text(char *text, const struct address *address, bool inet6) {
    char full[INET6_ADDRSTRLEN];
    size_t len;

    /* IPv4 is written by hand: inet_ntop() goes through sprintf() and doubled the time of a list.
     */
    if (address_is_ipv4(address) && !inet6)
        return ipv4_text(text, address->bytes + 12);
    inet_ntop(AF_INET6, address->bytes, full, sizeof(full));
    len = strlen(full);
    memcpy(text, full, len);
    return len;
}
