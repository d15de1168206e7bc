/* SPDX-License-Identifier: MIT */
#include "lab/rtnetlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST_SIZE 1024

struct rtnetlink {
    struct mnl_socket *netlink;
    uint32_t seq;
    char request[REQUEST_SIZE];
    char answer[8192];
};

struct rtnetlink *rtnetlink_open(void) {
    struct rtnetlink *rtnetlink = calloc(1, sizeof(*rtnetlink));

    if (!rtnetlink)
        return NULL;
    rtnetlink->netlink = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    if (!rtnetlink->netlink || mnl_socket_bind(rtnetlink->netlink, 0, MNL_SOCKET_AUTOPID) < 0) {
        rtnetlink_close(rtnetlink);
        return NULL;
    }
    return rtnetlink;
}

void rtnetlink_close(struct rtnetlink *rtnetlink) {
    const int saved = errno;

    if (rtnetlink && rtnetlink->netlink)
        mnl_socket_close(rtnetlink->netlink);
    free(rtnetlink);
    errno = saved;
}

static struct nlmsghdr *begin(struct rtnetlink *rtnetlink, uint16_t type, uint16_t flags) {
    struct nlmsghdr *message = mnl_nlmsg_put_header(rtnetlink->request);

    message->nlmsg_type = type;
    message->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
    message->nlmsg_seq = ++rtnetlink->seq;
    return message;
}

/* Sends the request and reads what the kernel says to it. */
static int ask(struct rtnetlink *rtnetlink, const struct nlmsghdr *message) {
    ssize_t len;

    if (mnl_socket_sendto(rtnetlink->netlink, message, message->nlmsg_len) < 0)
        return -1;
    do
        len = mnl_socket_recvfrom(rtnetlink->netlink, rtnetlink->answer, sizeof(rtnetlink->answer));
    while (len < 0 && errno == EINTR);
    if (len < 0)
        return -1;
    return mnl_cb_run(rtnetlink->answer, (size_t)len, rtnetlink->seq,
                      mnl_socket_get_portid(rtnetlink->netlink), NULL, NULL) < 0
               ? -1
               : 0;
}

static void put_plug(struct nlmsghdr *message, const struct plug *plug) {
    mnl_attr_put_strz(message, IFLA_IFNAME, plug->name);
    mnl_attr_put(message, IFLA_ADDRESS, sizeof(plug->mac), plug->mac);
    if (plug->netns >= 0)
        mnl_attr_put_u32(message, IFLA_NET_NS_FD, (uint32_t)plug->netns);
}

int rtnetlink_add_cable(struct rtnetlink *rtnetlink, const struct plug *one,
                        const struct plug *other) {
    struct nlmsghdr *message = begin(rtnetlink, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    struct nlattr *info, *data, *peer;

    mnl_nlmsg_put_extra_header(message, sizeof(struct ifinfomsg));
    put_plug(message, one);
    info = mnl_attr_nest_start(message, IFLA_LINKINFO);
    mnl_attr_put_strz(message, IFLA_INFO_KIND, "veth");
    data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
    peer = mnl_attr_nest_start(message, VETH_INFO_PEER);
    mnl_nlmsg_put_extra_header(message, sizeof(struct ifinfomsg));
    put_plug(message, other);
    mnl_attr_nest_end(message, peer);
    mnl_attr_nest_end(message, data);
    mnl_attr_nest_end(message, info);
    return ask(rtnetlink, message);
}

int rtnetlink_set_up(struct rtnetlink *rtnetlink, const char *name) {
    struct nlmsghdr *message = begin(rtnetlink, RTM_NEWLINK, 0);
    struct ifinfomsg *link = mnl_nlmsg_put_extra_header(message, sizeof(*link));

    link->ifi_flags = link->ifi_change = IFF_UP;
    mnl_attr_put_strz(message, IFLA_IFNAME, name);
    return ask(rtnetlink, message);
}

int rtnetlink_move(struct rtnetlink *rtnetlink, const char *name, int netns) {
    struct nlmsghdr *message = begin(rtnetlink, RTM_NEWLINK, 0);

    mnl_nlmsg_put_extra_header(message, sizeof(struct ifinfomsg));
    mnl_attr_put_strz(message, IFLA_IFNAME, name);
    mnl_attr_put_u32(message, IFLA_NET_NS_FD, (uint32_t)netns);
    return ask(rtnetlink, message);
}

/* What the kernel says of a device in the namespace of this socket, which need not be the calling
 * thread's. Returns NULL with errno. */
static const struct ifinfomsg *look_up(struct rtnetlink *rtnetlink, const char *name) {
    struct nlmsghdr *message = mnl_nlmsg_put_header(rtnetlink->request);
    const struct nlmsghdr *answer = (const struct nlmsghdr *)rtnetlink->answer;

    message->nlmsg_type = RTM_GETLINK;
    message->nlmsg_flags = NLM_F_REQUEST;
    message->nlmsg_seq = ++rtnetlink->seq;
    mnl_nlmsg_put_extra_header(message, sizeof(struct ifinfomsg));
    mnl_attr_put_strz(message, IFLA_IFNAME, name);
    if (mnl_socket_sendto(rtnetlink->netlink, message, message->nlmsg_len) < 0 ||
        mnl_socket_recvfrom(rtnetlink->netlink, rtnetlink->answer, sizeof(rtnetlink->answer)) < 0)
        return NULL;
    if (answer->nlmsg_type == RTM_NEWLINK)
        return mnl_nlmsg_get_payload(answer);
    errno = ENODEV;
    return NULL;
}

/* Returns 0 with errno where there is none. */
static uint32_t index_of(struct rtnetlink *rtnetlink, const char *name) {
    const struct ifinfomsg *link = look_up(rtnetlink, name);

    return link ? (uint32_t)link->ifi_index : 0;
}

int rtnetlink_is_running(struct rtnetlink *rtnetlink, const char *name) {
    const struct ifinfomsg *link = look_up(rtnetlink, name);

    return link && (link->ifi_flags & IFF_RUNNING);
}

int rtnetlink_add_address(struct rtnetlink *rtnetlink, const char *name, struct in_addr address,
                          uint8_t prefix_len) {
    const uint32_t index = index_of(rtnetlink, name);
    struct nlmsghdr *message = begin(rtnetlink, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
    struct ifaddrmsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));

    if (index == 0)
        return -1;
    header->ifa_family = AF_INET;
    header->ifa_prefixlen = prefix_len;
    header->ifa_index = index;
    mnl_attr_put_u32(message, IFA_LOCAL, address.s_addr);
    mnl_attr_put_u32(message, IFA_ADDRESS, address.s_addr);
    return ask(rtnetlink, message);
}

static int change_route(struct rtnetlink *rtnetlink, const struct route *route, uint16_t type,
                        uint16_t flags) {
    const uint32_t index = route->device ? index_of(rtnetlink, route->device) : 0;
    struct nlmsghdr *message = begin(rtnetlink, type, flags);
    struct rtmsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));

    if (route->device && index == 0)
        return -1;
    header->rtm_family = AF_INET;
    header->rtm_dst_len = route->prefix_len;
    header->rtm_table = RT_TABLE_MAIN;
    header->rtm_type = route->type;
    header->rtm_scope = type == RTM_DELROUTE ? RT_SCOPE_NOWHERE : RT_SCOPE_UNIVERSE;
    if (type == RTM_NEWROUTE)
        header->rtm_protocol = RTPROT_STATIC;
    if (route->prefix_len)
        mnl_attr_put_u32(message, RTA_DST, route->destination.s_addr);
    if (route->gateway.s_addr)
        mnl_attr_put_u32(message, RTA_GATEWAY, route->gateway.s_addr);
    if (index)
        mnl_attr_put_u32(message, RTA_OIF, index);
    return ask(rtnetlink, message);
}

int rtnetlink_add_route(struct rtnetlink *rtnetlink, const struct route *route) {
    return change_route(rtnetlink, route, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
}

int rtnetlink_remove_route(struct rtnetlink *rtnetlink, const struct route *route) {
    return change_route(rtnetlink, route, RTM_DELROUTE, 0);
}

static struct nlmsghdr *begin_neighbour(struct rtnetlink *rtnetlink, uint32_t index,
                                        struct in_addr address, uint16_t type, uint16_t flags) {
    struct nlmsghdr *message = begin(rtnetlink, type, flags);
    struct ndmsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));

    header->ndm_family = AF_INET;
    header->ndm_ifindex = (int)index;
    header->ndm_state = NUD_PERMANENT;
    mnl_attr_put_u32(message, NDA_DST, address.s_addr);
    return message;
}

int rtnetlink_add_neighbour(struct rtnetlink *rtnetlink, const char *name, struct in_addr address,
                            const uint8_t mac[6]) {
    const uint32_t index = index_of(rtnetlink, name);
    struct nlmsghdr *message =
        begin_neighbour(rtnetlink, index, address, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE);

    if (index == 0)
        return -1;
    mnl_attr_put(message, NDA_LLADDR, 6, mac);
    return ask(rtnetlink, message);
}

int rtnetlink_remove_neighbour(struct rtnetlink *rtnetlink, const char *name,
                               struct in_addr address) {
    const uint32_t index = index_of(rtnetlink, name);

    if (index == 0)
        return -1;
    return ask(rtnetlink, begin_neighbour(rtnetlink, index, address, RTM_DELNEIGH, 0));
}

int rtnetlink_set_patience(struct rtnetlink *rtnetlink, const char *name, uint32_t probes,
                           uint64_t wait_ms) {
    const uint32_t index = index_of(rtnetlink, name);
    struct nlmsghdr *message = begin(rtnetlink, RTM_SETNEIGHTBL, NLM_F_REPLACE);
    struct ndtmsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
    struct nlattr *parms;

    if (index == 0)
        return -1;
    header->ndtm_family = AF_INET;
    mnl_attr_put_strz(message, NDTA_NAME, "arp_cache");
    parms = mnl_attr_nest_start(message, NDTA_PARMS);
    mnl_attr_put_u32(message, NDTPA_IFINDEX, index);
    mnl_attr_put_u64(message, NDTPA_RETRANS_TIME, wait_ms);
    mnl_attr_put_u32(message, NDTPA_MCAST_PROBES, probes);
    mnl_attr_nest_end(message, parms);
    return ask(rtnetlink, message);
}
