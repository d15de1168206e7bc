/* SPDX-License-Identifier: MIT */
#include "sockdiag/request.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <string.h>
#include <sys/socket.h>

/* The filter is an "and" of clauses, a clause an "or" of atoms: "the local port lies in this
 * range", "the remote address lies in this prefix". Code of a clause:
 *
 *     atom   condition    false: behind the JMP, to the next atom
 *     JMP                 to the end of the clause: one atom is enough
 *     ...
 *     atom   condition    false: reject, which is a jump to 4 bytes behind the program's end */
struct clause {
    const struct port_range *ranges; /* or */
    const struct prefix *prefixes;
    size_t count;
    bool local, remote; /* which ends: an atom each */
};

#define OP_SIZE sizeof(struct inet_diag_bc_op)

struct assembler {
    unsigned char *code;
    size_t size, len;
    bool full;
};

static struct inet_diag_bc_op *emit(struct assembler *as, int code, size_t len, size_t no) {
    struct inet_diag_bc_op *op = (struct inet_diag_bc_op *)(void *)(as->code + as->len);

    memset(op, 0, len);
    op->code = (unsigned char)code;
    op->yes = (unsigned char)len;
    op->no = (unsigned short)no;
    as->len += len;
    return op;
}

static size_t atom_size(const struct clause *clause, size_t item) {
    if (!clause->prefixes)
        return 4 * OP_SIZE;
    return OP_SIZE + sizeof(struct inet_diag_hostcond) +
           (prefix_is_ipv4(&clause->prefixes[item]) ? 4 : 16);
}

/* `no` counts from the start of the atom; 0: reject, set when the program's end is known. */
static void emit_ports(struct assembler *as, bool local, const struct port_range *range,
                       size_t no) {
    const int ge = local ? INET_DIAG_BC_S_GE : INET_DIAG_BC_D_GE;
    const int le = local ? INET_DIAG_BC_S_LE : INET_DIAG_BC_D_LE;

    /* The port stands in the `no` of a second, otherwise empty instruction. Most ports in use are
     * those of connect(), which lie above those that are asked for: so the upper bound first. */
    emit(as, le, 2 * OP_SIZE, no)[1].no = range->last;
    emit(as, ge, 2 * OP_SIZE, no ? no - 2 * OP_SIZE : 0)[1].no = range->first;
}

static void emit_address(struct assembler *as, bool local, const struct prefix *prefix, size_t len,
                         size_t no) {
    const bool ipv4 = prefix_is_ipv4(prefix);
    struct inet_diag_bc_op *op =
        emit(as, local ? INET_DIAG_BC_S_COND : INET_DIAG_BC_D_COND, len, no);
    struct inet_diag_hostcond *cond = (struct inet_diag_hostcond *)(void *)(op + 1);

    cond->family = ipv4 ? AF_INET : AF_INET6;
    cond->prefix_len = (unsigned char)(ipv4 ? prefix->len - 96 : prefix->len);
    cond->port = -1;
    memcpy(cond->addr, prefix->address.bytes + (ipv4 ? 12 : 0), ipv4 ? 4 : 16);
}

static void emit_clause(struct assembler *as, struct clause clause) {
    const size_t ends = (size_t)clause.local + clause.remote, atoms = clause.count * ends;
    size_t left = 0; /* bytes of this clause still to come */

    for (size_t i = 0; i < atoms; i++)
        left += atom_size(&clause, i / ends) + OP_SIZE;
    if (as->len + left > as->size) {
        as->full = true;
        return;
    }
    for (size_t i = 0; i < atoms; i++) {
        const size_t item = i / ends, len = atom_size(&clause, item);
        const bool local = clause.local && i % ends == 0, last = i == atoms - 1;
        const size_t no = last ? 0 : len + OP_SIZE;

        if (clause.ranges)
            emit_ports(as, local, &clause.ranges[item], no);
        else if (clause.prefixes)
            emit_address(as, local, &clause.prefixes[item], len, no);
        left -= len + OP_SIZE;
        if (!last)
            emit(as, INET_DIAG_BC_JMP, OP_SIZE, left);
    }
}

static void set_rejections(struct assembler *as) {
    struct inet_diag_bc_op *op;

    for (size_t at = 0; at < as->len; at += op->yes) {
        op = (struct inet_diag_bc_op *)(void *)(as->code + at);
        if (op->no == 0)
            op->no = (unsigned short)(as->len + 4 - at);
    }
}

size_t request_bytecode(const struct filter *filter, void *code, size_t size) {
    struct assembler as = {.code = code, .size = size};
    const struct clause clauses[] = {
        {.ranges = filter->either.ranges, .count = filter->either.count, .local = 1, .remote = 1},
        {.ranges = filter->local.ranges, .count = filter->local.count, .local = 1},
        {.ranges = filter->remote.ranges, .count = filter->remote.count, .remote = 1},
        {.prefixes = filter->addresses, .count = filter->address_count, .local = 1, .remote = 1},
    };

    for (size_t i = 0; i < sizeof(clauses) / sizeof(clauses[0]); i++)
        emit_clause(&as, clauses[i]);
    if (as.full)
        return 0;
    set_rejections(&as);
    return as.len;
}

struct nlmsghdr *request_dump(void *buffer, const struct filter *filter, uint32_t states,
                              uint32_t seq) {
    struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
    struct inet_diag_req *request;
    struct nlattr *bytecode;
    size_t len;

    message->nlmsg_type = TCPDIAG_GETSOCK;
    message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    message->nlmsg_seq = seq;
    request = mnl_nlmsg_put_extra_header(message, sizeof(*request));
    request->idiag_states = states;
    request->idiag_ext = 1 << (INET_DIAG_INFO - 1);
    bytecode = mnl_nlmsg_get_payload_tail(message); /* mnl_attr_put() would copy it */
    len = request_bytecode(filter, mnl_attr_get_payload(bytecode), BYTECODE_MAX);
    if (len) {
        bytecode->nla_type = INET_DIAG_REQ_BYTECODE;
        bytecode->nla_len = (uint16_t)(MNL_ATTR_HDRLEN + len);
        message->nlmsg_len += MNL_ALIGN(bytecode->nla_len);
    }
    return message;
}

struct nlmsghdr *request_lookup(void *buffer, const struct socket *socket, uint32_t seq) {
    struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
    struct inet_diag_req_v2 *request;

    message->nlmsg_type = SOCK_DIAG_BY_FAMILY;
    message->nlmsg_flags = NLM_F_REQUEST;
    message->nlmsg_seq = seq;
    request = mnl_nlmsg_put_extra_header(message, sizeof(*request));
    request->sdiag_family = socket->inet6 ? AF_INET6 : AF_INET;
    request->sdiag_protocol = IPPROTO_TCP;
    request->idiag_states = TCP_STATES_ALL;
    request->idiag_ext = 1 << (INET_DIAG_INFO - 1);
    request->id.idiag_sport = htons(socket->local_port);
    request->id.idiag_dport = htons(socket->remote_port);
    request->id.idiag_if = socket->ifindex;
    if (socket->inet6) {
        memcpy(request->id.idiag_src, socket->local.bytes, 16);
        memcpy(request->id.idiag_dst, socket->remote.bytes, 16);
    } else {
        memcpy(request->id.idiag_src, socket->local.bytes + 12, 4);
        memcpy(request->id.idiag_dst, socket->remote.bytes + 12, 4);
    }
    request->id.idiag_cookie[0] = socket->cookie ? (uint32_t)socket->cookie : INET_DIAG_NOCOOKIE;
    request->id.idiag_cookie[1] =
        socket->cookie ? (uint32_t)(socket->cookie >> 32) : INET_DIAG_NOCOOKIE;
    return message;
}

/* Where the ports stand in a destroy message, from its first byte. */
#define SPORT_OFFSET (NLMSG_HDRLEN + offsetof(struct inet_diag_msg, id.idiag_sport))
#define DPORT_OFFSET (NLMSG_HDRLEN + offsetof(struct inet_diag_msg, id.idiag_dport))

/* Passes the message at once where the halfword at `offset` lies in the range. */
static size_t pass_range(struct sock_filter *program, size_t offset,
                         const struct port_range *range) {
    const struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, (uint32_t)offset),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, range->first, 0, 2),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, range->last, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };

    memcpy(program, code, sizeof(code));
    return sizeof(code) / sizeof(code[0]);
}

size_t request_destroy_filter(const struct filter *filter,
                              struct sock_filter program[DESTROY_FILTER_MAX]) {
    static const struct port_range none = {0, 0};
    const struct {
        const struct ports *ports;
        size_t offset;
    } alternatives[] = {
        {&filter->either, SPORT_OFFSET},
        {&filter->either, DPORT_OFFSET},
        {&filter->local, SPORT_OFFSET},
        {&filter->remote, DPORT_OFFSET},
    };
    size_t len = 0;

    for (size_t i = 0; i < sizeof(alternatives) / sizeof(alternatives[0]); i++)
        for (size_t r = 0; r < alternatives[i].ports->count; r++) {
            if (len + 9 > DESTROY_FILTER_MAX)
                return 0;
            len += pass_range(program + len, alternatives[i].offset,
                              &alternatives[i].ports->ranges[r]);
        }
    if (len == 0)
        return 0;
    len += pass_range(program + len, DPORT_OFFSET, &none);
    program[len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
    return len;
}
