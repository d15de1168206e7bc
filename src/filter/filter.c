/* SPDX-License-Identifier: MIT */
#include "filter/filter.h"

#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

/* Calls `take` with each item of a comma list. Returns a copy of the first item that `take` refuses
 * (an empty one is always refused), or NULL. */
static char *each_item(const char *text, bool (*take)(const char *item, void *into), void *into) {
    const char *end;

    do {
        char *item;
        bool taken;

        end = strchrnul(text, ',');
        item = strndup(text, (size_t)(end - text));
        if (!item)
            return NULL;
        taken = *item && take(item, into);
        if (!taken)
            return item;
        free(item);
        text = end + 1;
    } while (*end);
    return NULL;
}

uint16_t port_parse(const char *text) {
    const struct servent *service;
    unsigned long number = 0;
    const char *p = text;

    for (; isdigit((unsigned char)*p) && number <= UINT16_MAX; p++)
        number = number * 10 + (unsigned long)(*p - '0');
    if (p != text)
        return *p == '\0' && number <= UINT16_MAX ? (uint16_t)number : 0;
    service = getservbyname(text, "tcp");
    return service ? ntohs((uint16_t)service->s_port) : 0;
}

static int by_first(const void *a, const void *b) {
    return ((const struct port_range *)a)->first - ((const struct port_range *)b)->first;
}

/* Sorts, and joins ranges that overlap or touch. */
static void ports_normalise(struct ports *ports) {
    size_t kept = 0;

    if (ports->count == 0)
        return;
    qsort(ports->ranges, ports->count, sizeof(*ports->ranges), by_first);
    for (size_t i = 1; i < ports->count; i++) {
        struct port_range *last = &ports->ranges[kept];

        if (ports->ranges[i].first > last->last + 1)
            ports->ranges[++kept] = ports->ranges[i];
        else if (ports->ranges[i].last > last->last)
            last->last = ports->ranges[i].last;
    }
    ports->count = kept + 1;
}

/* A service's name may hold a '-' ("http-alt"), so the whole is tried first. */
static bool range_parse(const char *item, struct port_range *range) {
    const char *dash = strchr(item, '-');
    char *first;

    range->first = range->last = port_parse(item);
    if (range->first || !dash)
        return range->first != 0;
    first = strndup(item, (size_t)(dash - item));
    if (!first)
        return false;
    range->first = port_parse(first);
    range->last = port_parse(dash + 1);
    free(first);
    return range->first && range->first <= range->last;
}

static bool take_ports(const char *item, void *into) {
    struct ports *ports = into;
    struct port_range range, *ranges;

    if (!range_parse(item, &range))
        return false;
    ranges = reallocarray(ports->ranges, ports->count + 1, sizeof(*ranges));
    if (!ranges)
        return false;
    ports->ranges = ranges;
    ports->ranges[ports->count++] = range;
    return true;
}

char *ports_parse(const char *text, struct ports *ports) {
    char *wrong = each_item(text, take_ports, ports);

    if (!wrong)
        ports_normalise(ports);
    return wrong;
}

/* Cuts the text at the separator; returns what stands behind it, NULL where there is none. */
static char *cut(char *text, char separator) {
    char *found = strchr(text, separator);

    if (found)
        *found++ = '\0';
    return found;
}

static bool length_parse(const char *text, bool ipv4, unsigned *len) {
    char *end;
    const unsigned long bits = strtoul(text, &end, 10);

    if (!isdigit((unsigned char)*text) || *end || bits > (ipv4 ? 32 : 128))
        return false;
    *len = (unsigned)bits + (ipv4 ? 96 : 0);
    return true;
}

/* "fe80::%eth0/64" (RFC 4007, section 11.7); takes the text to pieces. */
static bool pieces_parse(char *text, struct prefix *prefix) {
    const char *len = cut(text, '/'), *device = cut(text, '%');

    *prefix = (struct prefix){.len = 128};
    if (!address_parse(text, &prefix->address))
        return false;
    if (len && !length_parse(len, strchr(text, ':') == NULL, &prefix->len))
        return false;
    if (!device)
        return true;
    if (!address_is_link_local(&prefix->address) || !*device || strlen(device) >= IF_NAMESIZE)
        return false;
    strcpy(prefix->device, device);
    return true;
}

static bool take_prefix(const char *item, void *into) {
    struct filter *filter = into;
    struct prefix prefix, *prefixes;
    char *copy = strdup(item);
    const bool parsed = copy && pieces_parse(copy, &prefix);

    free(copy);
    if (!parsed)
        return false;
    prefixes = reallocarray(filter->addresses, filter->address_count + 1, sizeof(*prefixes));
    if (!prefixes)
        return false;
    filter->addresses = prefixes;
    filter->addresses[filter->address_count++] = prefix;
    return true;
}

char *prefix_parse(const char *text, struct filter *filter) {
    return each_item(text, take_prefix, filter);
}

static bool take_state(const char *item, void *into) {
    uint32_t *states = into;
    const enum tcp_state state = tcp_state_parse(item, strlen(item));

    if (state == TCP_STATE_UNKNOWN)
        return false;
    *states |= TCP_STATE_BIT(state);
    return true;
}

char *states_parse(const char *text, uint32_t *states) {
    return each_item(text, take_state, states);
}

bool filter_names_device(const struct filter *filter) {
    for (size_t i = 0; i < filter->address_count; i++)
        if (*filter->addresses[i].device)
            return true;
    return false;
}

const char *filter_find_devices(struct filter *filter) {
    for (size_t i = 0; i < filter->address_count; i++) {
        struct prefix *prefix = &filter->addresses[i];

        if (!*prefix->device)
            continue;
        prefix->ifindex = if_nametoindex(prefix->device);
        if (!prefix->ifindex)
            return prefix->device;
    }
    return NULL;
}

bool ports_contain(const struct ports *ports, uint16_t port) {
    size_t low = 0, high = ports->count;

    while (low < high) {
        const size_t middle = (low + high) / 2;

        if (port > ports->ranges[middle].last)
            low = middle + 1;
        else if (port < ports->ranges[middle].first)
            high = middle;
        else
            return true;
    }
    return false;
}

/* lost: the socket has lost what it has none of. */
static bool port_fits(const struct ports *ports, uint16_t port, bool lost) {
    return ports->count == 0 || (lost && port == 0) || ports_contain(ports, port);
}

static bool ports_match(const struct filter *filter, const struct socket *socket, bool lost) {
    return (port_fits(&filter->either, socket->local_port, lost) ||
            port_fits(&filter->either, socket->remote_port, lost)) &&
           port_fits(&filter->local, socket->local_port, lost) &&
           port_fits(&filter->remote, socket->remote_port, lost);
}

bool prefix_is_ipv4(const struct prefix *prefix) {
    return prefix->len >= 96 && address_is_ipv4(&prefix->address);
}

static bool prefix_holds(const struct prefix *prefix, const struct address *address,
                         uint32_t ifindex) {
    return address_is_ipv4(address) == prefix_is_ipv4(prefix) &&
           (prefix->ifindex == 0 || prefix->ifindex == ifindex) &&
           address_in_prefix(address, &prefix->address, prefix->len);
}

static bool addresses_match(const struct filter *filter, const struct socket *socket) {
    for (size_t i = 0; i < filter->address_count; i++) {
        const struct prefix *prefix = &filter->addresses[i];

        if (prefix_holds(prefix, &socket->local, socket->ifindex) ||
            prefix_holds(prefix, &socket->remote, socket->ifindex))
            return true;
    }
    return filter->address_count == 0;
}

static bool family_matches(const struct filter *filter, const struct socket *socket) {
    return filter->family == FILTER_ANY_FAMILY || (filter->family == FILTER_INET6) == socket->inet6;
}

bool filter_matches(const struct filter *filter, const struct socket *socket) {
    return family_matches(filter, socket) && ports_match(filter, socket, false) &&
           addresses_match(filter, socket);
}

bool filter_may_match(const struct filter *filter, const struct socket *socket) {
    return family_matches(filter, socket) && ports_match(filter, socket, true) &&
           (address_is_unspecified(&socket->local) || addresses_match(filter, socket));
}

void filter_free(struct filter *filter) {
    free(filter->either.ranges);
    free(filter->local.ranges);
    free(filter->remote.ranges);
    free(filter->addresses);
    *filter = (struct filter){0};
}
