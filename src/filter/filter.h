/* SPDX-License-Identifier: MIT
 *
 * What to watch: ports, addresses, family and states, read from the command line and held against a
 * socket. Pure but for the names of services and devices.
 */
#ifndef TCPWATCH_FILTER_FILTER_H
#define TCPWATCH_FILTER_FILTER_H

#include "socket/socket.h"

#include <net/if.h>

/* Sorted, none touching another. count 0: any port. */
struct ports {
    struct port_range {
        uint16_t first, last;
    } * ranges;
    size_t count;
};

/* len counts bits of struct address: an IPv4 /24 is 96 + 24. ::/0 holds no IPv4 address. */
struct prefix {
    struct address address;
    unsigned len;
    char device[IF_NAMESIZE]; /* of a link-local address; "": any */
    uint32_t ifindex;         /* of the device, from filter_find_devices() on; 0: any */
};

enum filter_family { FILTER_ANY_FAMILY = 0, FILTER_INET, FILTER_INET6 };

struct filter {
    struct ports either, local, remote; /* all that are set have to match */
    struct prefix *addresses;           /* either end's, any of them; count 0: any address */
    size_t address_count;
    enum filter_family family; /* the socket's */
    uint32_t states;           /* mask of TCP_STATE_BIT; 0: the default of the command */
};

bool prefix_is_ipv4(const struct prefix *prefix);

/* A port number 1 to 65535, or a service's name. Returns 0 for anything else. */
uint16_t port_parse(const char *text);

/* Reads "5432,8000-8010,http" and adds it to `ports`. Returns NULL, or a copy of the first item
 * that is wrong (an empty one is), to be freed by the caller. */
char *ports_parse(const char *text, struct ports *ports);

/* The same for "10.0.0.0/8,fe80::1%eth0" and for "FIN_WAIT2,close-wait". */
char *prefix_parse(const char *text, struct filter *filter);
char *states_parse(const char *text, uint32_t *states);

/* Whether one of the addresses is that of a device. */
bool filter_names_device(const struct filter *filter);

/* Finds the devices in this network namespace. Returns NULL, or the first that is not there; it
 * belongs to the filter. */
const char *filter_find_devices(struct filter *filter);

bool ports_contain(const struct ports *ports, uint16_t port);

/* Whether the socket is one to watch, its state left aside. */
bool filter_matches(const struct filter *filter, const struct socket *socket);

/* Whether it may have been one, before it lost the ports that are 0, and maybe its own address. */
bool filter_may_match(const struct filter *filter, const struct socket *socket);

void filter_free(struct filter *filter);

#endif
