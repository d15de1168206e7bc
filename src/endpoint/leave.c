/* SPDX-License-Identifier: MIT */
#include "endpoint/leave.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static enum tcp_state state_of(int fd) {
    struct tcp_info info = {0};
    socklen_t len = sizeof(info);

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 ||
        info.tcpi_state >= TCP_STATE_COUNT)
        return TCP_STATE_UNKNOWN;
    return info.tcpi_state;
}

struct leave leave_look(int fd, int error, bool at_once) {
    struct leave leave = {.state = state_of(fd)};

    if (error)
        return leave;
    /* A socket whose connection goes on in TIME_WAIT says the same (tcp_time_wait()). */
    if (leave.state == TCP_STATE_CLOSE)
        leave.state = TCP_STATE_UNKNOWN;
    if (leave.state == TCP_STATE_UNKNOWN)
        return leave;
    if (ioctl(fd, SIOCINQ, &leave.not_read) < 0)
        leave.not_read = 0;
    leave.reset = at_once || leave.not_read > 0;
    return leave;
}
