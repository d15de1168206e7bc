/* SPDX-License-Identifier: MIT */
#include "lab/capture.h"

#include "units/clock.h"
#include "units/duration.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* The headers and what an ICMP error quotes of them. */
#define SNAP_LEN 256

/* Room for what a reader that is kept waiting for a second may find. */
#define BUFFER_SIZE (4 * 1024 * 1024)

int capture_open(const char *device) {
    const int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int yes = 1, size = BUFFER_SIZE;
    struct sockaddr_ll link = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    struct ifreq request = {0};
    int error;

    if (fd < 0)
        return -1;
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    /* if_nametoindex() needs one more descriptor, and of too few says that there is no file. */
    if (ioctl(fd, SIOCGIFINDEX, &request) == 0)
        link.sll_ifindex = request.ifr_ifindex;
    if (link.sll_ifindex && setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &yes, sizeof(yes)) == 0 &&
        bind(fd, (const struct sockaddr *)&link, sizeof(link)) == 0)
        return fd;
    error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* The kernel's stamp is of the wall clock. */
static int64_t stamp_of(struct msghdr *message) {
    struct cmsghdr *control = CMSG_FIRSTHDR(message);
    struct timespec stamp;
    int64_t at_ns, now_ns;

    if (!control || control->cmsg_level != SOL_SOCKET || control->cmsg_type != SO_TIMESTAMPNS)
        return clock_now();
    memcpy(&stamp, CMSG_DATA(control), sizeof(stamp));
    at_ns = clock_of_wall(stamp.tv_sec * NS_PER_S + stamp.tv_nsec);
    now_ns = clock_now();
    /* Where the wall clock was set meanwhile the stamp says nothing. */
    return at_ns <= now_ns && at_ns > now_ns - NS_PER_S ? at_ns : now_ns;
}

bool capture_next(int fd, struct segment *segment, bool *outgoing, int64_t *at_ns) {
    for (;;) {
        char control[CMSG_SPACE(sizeof(struct timespec))];
        uint8_t packet[SNAP_LEN];
        struct iovec part = {.iov_base = packet, .iov_len = sizeof(packet)};
        struct sockaddr_ll from;
        struct msghdr message = {.msg_name = &from,
                                 .msg_namelen = sizeof(from),
                                 .msg_iov = &part,
                                 .msg_iovlen = 1,
                                 .msg_control = control,
                                 .msg_controllen = sizeof(control)};
        const ssize_t len = recvmsg(fd, &message, 0);

        if (len < 0)
            return false;
        *at_ns = stamp_of(&message);
        *outgoing = from.sll_pkttype == PACKET_OUTGOING;
        if (from.sll_protocol == htons(ETH_P_IP) && segment_parse(packet, (size_t)len, segment))
            return true;
    }
}

unsigned capture_lost(int fd) {
    struct tpacket_stats statistics = {0};
    socklen_t len = sizeof(statistics);

    getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &statistics, &len);
    return statistics.tp_drops;
}
