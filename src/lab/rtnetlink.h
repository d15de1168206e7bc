/* SPDX-License-Identifier: MIT
 *
 * What makes hosts of network namespaces: links, addresses, routes and neighbours over rtnetlink
 * (man 7 rtnetlink). IPv4. lab's own.
 *
 * Every function but rtnetlink_open() returns 0, or -1 with errno, unless it says more.
 */
#ifndef TCPWATCH_LAB_RTNETLINK_H
#define TCPWATCH_LAB_RTNETLINK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct rtnetlink;

/* Opens in the network namespace of the calling thread. Returns NULL with errno. */
struct rtnetlink *rtnetlink_open(void);
void rtnetlink_close(struct rtnetlink *rtnetlink);

/* One end of a cable. */
struct plug {
    const char *name;
    uint8_t mac[6];
    int netns; /* a descriptor of the namespace that it is in; -1: where the request is made */
};

/* Makes a pair of veth devices. */
int rtnetlink_add_cable(struct rtnetlink *rtnetlink, const struct plug *one,
                        const struct plug *other);
int rtnetlink_set_up(struct rtnetlink *rtnetlink, const char *name);
/* Whether its other end is up, too: 1 or 0. */
int rtnetlink_is_running(struct rtnetlink *rtnetlink, const char *name);
/* Moves a device to another namespace, where it is down and has no address. */
int rtnetlink_move(struct rtnetlink *rtnetlink, const char *name, int netns);

int rtnetlink_add_address(struct rtnetlink *rtnetlink, const char *name, struct in_addr address,
                          uint8_t prefix_len);

struct route {
    uint8_t type;       /* RTN_UNICAST, RTN_BLACKHOLE (man 7 rtnetlink) */
    uint8_t prefix_len; /* 0: the default route */
    struct in_addr destination;
    struct in_addr gateway; /* 0: none */
    const char *device;     /* NULL: found by the gateway, or none */
};

int rtnetlink_add_route(struct rtnetlink *rtnetlink, const struct route *route);
int rtnetlink_remove_route(struct rtnetlink *rtnetlink, const struct route *route);

/* A neighbour that needs no ARP; what waited for its address is sent. */
int rtnetlink_add_neighbour(struct rtnetlink *rtnetlink, const char *name, struct in_addr address,
                            const uint8_t mac[6]);
int rtnetlink_remove_neighbour(struct rtnetlink *rtnetlink, const char *name,
                               struct in_addr address);

/* How often a neighbour is asked by ARP, and how long each answer is waited for, until it counts as
 * unreachable. */
int rtnetlink_set_patience(struct rtnetlink *rtnetlink, const char *name, uint32_t probes,
                           uint64_t wait_ms);

#endif
