/* SPDX-License-Identifier: MIT
 *
 * baredump [--no-info]: the least that a dump of the TCP sockets can cost. Sends the request of
 * `tcpwatch list`, reads every answer through libmnl and prints nothing. --no-info: does not ask
 * for struct tcp_info.
 */
#include <err.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <string.h>

/* All but CLOSE's 0 and BOUND_INACTIVE, as `tcpwatch list` does. */
#define STATES 0x1ffe

static int on_message(const struct nlmsghdr *message, void *count) {
    (void)message;
    ++*(unsigned long *)count;
    return MNL_CB_OK;
}

static void ask(struct mnl_socket *netlink, bool with_info) {
    char buffer[256];
    struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
    struct inet_diag_req *request;

    message->nlmsg_type = TCPDIAG_GETSOCK;
    message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request = mnl_nlmsg_put_extra_header(message, sizeof(*request));
    request->idiag_states = STATES;
    request->idiag_ext = with_info ? 1 << (INET_DIAG_INFO - 1) : 0;
    if (mnl_socket_sendto(netlink, message, message->nlmsg_len) < 0)
        err(1, "sendto");
}

int main(int argc, char **argv) {
    static char buffer[32 * 1024];
    struct mnl_socket *netlink = mnl_socket_open(NETLINK_SOCK_DIAG);
    unsigned long count = 0;
    int more = MNL_CB_OK;

    if (!netlink || mnl_socket_bind(netlink, 0, MNL_SOCKET_AUTOPID) < 0)
        err(1, "sock_diag");
    ask(netlink, argc < 2 || strcmp(argv[1], "--no-info") != 0);
    while (more > MNL_CB_STOP) {
        const ssize_t len = mnl_socket_recvfrom(netlink, buffer, sizeof(buffer));

        if (len < 0)
            err(1, "recvfrom");
        more =
            mnl_cb_run(buffer, (size_t)len, 0, mnl_socket_get_portid(netlink), on_message, &count);
    }
    mnl_socket_close(netlink);
    return count == 0;
}
