/* SPDX-License-Identifier: MIT */
#include "lab/network.h"

#include "lab/rtnetlink.h"
#include "netns/private.h"
#include "units/proc.h"

#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#define PREFIX_LEN 24

/* How long the router waits for an answer to ARP: three times this long. */
#define HOLD_MS   1000
#define FORGET_MS 40
#define PROBES    3

static const struct end {
    const char *address, *router_address; /* of its network */
    const char *device;                   /* of the router, that leads to it */
    uint8_t mac[6], router_mac[6];        /* locally administered */
} ends[] = {
    [LAB_CLIENT] =
        {LAB_CLIENT_ADDRESS, "10.0.1.1", "to-client", {2, 0, 0, 0, 1, 2}, {2, 0, 0, 0, 1, 1}},
    [LAB_SERVER] =
        {LAB_SERVER_ADDRESS, "10.0.2.1", "to-server", {2, 0, 0, 0, 2, 2}, {2, 0, 0, 0, 2, 1}},
};

static struct in_addr address(const char *text) {
    struct in_addr address = {0};

    inet_pton(AF_INET, text, &address);
    return address;
}

int network_enter(const struct network *network, enum lab_host host) {
    return setns(network->netns[host], CLONE_NEWNET);
}

/* What client and server have besides the cable. Nobody answers ARP: who knows whom is the
 * router's to say, see network_hold(). */
static int set_up_end(const struct network *network, enum lab_host host) {
    const struct end *end = &ends[host];
    const struct route gateway = {.type = RTN_UNICAST, .gateway = address(end->router_address)};
    struct rtnetlink *rtnetlink;
    int result = -1;

    if (network_enter(network, host) < 0)
        return -1;
    rtnetlink = rtnetlink_open();
    if (rtnetlink && sysctl_write("net.ipv4.conf.all.arp_ignore", "8") == 0 &&
        rtnetlink_set_up(rtnetlink, "lo") == 0 &&
        rtnetlink_set_up(rtnetlink, NETWORK_DEVICE) == 0 &&
        rtnetlink_add_address(rtnetlink, NETWORK_DEVICE, address(end->address), PREFIX_LEN) == 0 &&
        rtnetlink_add_neighbour(rtnetlink, NETWORK_DEVICE, address(end->router_address),
                                end->router_mac) == 0)
        result = rtnetlink_add_route(rtnetlink, &gateway);
    rtnetlink_close(rtnetlink);
    return result;
}

static int connect_end(struct network *network, enum lab_host host) {
    const struct end *end = &ends[host];
    struct plug there = {.name = NETWORK_DEVICE, .netns = network->netns[host]};
    struct plug here = {.name = end->device, .netns = -1};
    struct rtnetlink *router = network->router;

    memcpy(there.mac, end->mac, sizeof(there.mac));
    memcpy(here.mac, end->router_mac, sizeof(here.mac));
    if (rtnetlink_add_cable(router, &here, &there) < 0 ||
        rtnetlink_set_up(router, end->device) < 0 ||
        rtnetlink_add_address(router, end->device, address(end->router_address), PREFIX_LEN) < 0 ||
        rtnetlink_set_patience(router, end->device, PROBES, HOLD_MS) < 0 ||
        network_hold(network, host, false) < 0)
        return -1;
    return set_up_end(network, host);
}

static int set_up_router(struct network *network) {
    /* No error is withheld. */
    static const char *const settings[][2] = {
        {"net.ipv4.ip_forward", "1"},
        {"net.ipv4.icmp_ratelimit", "0"},
        {"net.ipv4.icmp_ratemask", "0"},
        {"net.ipv4.conf.all.rp_filter", "0"},
        {"net.ipv4.conf.default.rp_filter", "0"},
    };

    if (network_enter(network, LAB_ROUTER) < 0)
        return -1;
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        if (sysctl_write(settings[i][0], settings[i][1]) < 0)
            return -1;
    network->router = rtnetlink_open();
    return network->router ? rtnetlink_set_up(network->router, "lo") : -1;
}

int network_make(struct network *network) {
    for (int host = 0; host < LAB_HOSTS; host++)
        network->netns[host] = -1;
    for (int host = 0; host < LAB_HOSTS; host++) {
        network->netns[host] = private_netns();
        if (network->netns[host] < 0)
            return -1;
    }
    if (set_up_router(network) < 0 || connect_end(network, LAB_CLIENT) < 0)
        return -1;
    return connect_end(network, LAB_SERVER);
}

int network_drop(struct network *network, enum lab_host to, bool drop) {
    const struct route hole = {
        .type = RTN_BLACKHOLE, .prefix_len = 32, .destination = address(ends[to].address)};

    return drop ? rtnetlink_add_route(network->router, &hole)
                : rtnetlink_remove_route(network->router, &hole);
}

int network_hold(struct network *network, enum lab_host to, bool hold) {
    const struct end *end = &ends[to];

    return hold ? rtnetlink_remove_neighbour(network->router, end->device, address(end->address))
                : rtnetlink_add_neighbour(network->router, end->device, address(end->address),
                                          end->mac);
}

int network_turn_off(struct network *network, enum lab_host host) {
    const int fresh = private_netns();
    struct rtnetlink *rtnetlink;
    int result = -1;

    if (fresh < 0 || network_enter(network, host) < 0)
        return -1;
    rtnetlink = rtnetlink_open();
    if (rtnetlink)
        result = rtnetlink_move(rtnetlink, NETWORK_DEVICE, fresh);
    rtnetlink_close(rtnetlink);
    close(network->netns[host]);
    network->netns[host] = fresh;
    return result;
}

int network_turn_on(struct network *network, enum lab_host host) {
    return set_up_end(network, host);
}

int network_is_up(struct network *network, enum lab_host host) {
    return rtnetlink_is_running(network->router, ends[host].device);
}

int network_forget(struct network *network, enum lab_host host) {
    if (rtnetlink_set_patience(network->router, ends[host].device, PROBES, FORGET_MS) < 0)
        return -1;
    return network_hold(network, host, true);
}

int network_remove_route(struct network *network, enum lab_host to) {
    struct route route = {.type = RTN_UNICAST,
                          .prefix_len = PREFIX_LEN,
                          .destination = address(ends[to].address),
                          .device = ends[to].device};

    route.destination.s_addr &= htonl(0xffffff00);
    return rtnetlink_remove_route(network->router, &route);
}
