/* SPDX-License-Identifier: MIT
 *
 * tcpwatch list: the connections as they stand now, trouble first.
 */
#include "command/command.h"
#include "command/common.h"
#include "command/usage.h"
#include "netns/netns.h"
#include "process/owner.h"
#include "process/privileges.h"
#include "sockdiag/sockdiag.h"

#include <err.h>
#include <errno.h>
#include <stdlib.h>

/* A socket that is only bound takes no part in a connection: shown where it is asked for. */
#define STATES_DEFAULT (TCP_STATES_ALL & ~TCP_STATE_BIT(TCP_STATE_BOUND_INACTIVE))

/* A dump that the table changed under is repeated so often, then taken as it is. */
#define DUMPS_MAX 3

struct sockets {
    struct socket *all;
    size_t count, room;
};

static bool collect(void *into, const struct socket *socket, int64_t at_ns) {
    struct sockets *sockets = into;

    (void)at_ns;
    if (sockets->count == sockets->room) {
        const size_t room = sockets->room ? sockets->room * 2 : 256;
        struct socket *all = reallocarray(sockets->all, room, sizeof(*all));

        if (!all)
            return false;
        sockets->all = all;
        sockets->room = room;
    }
    sockets->all[sockets->count++] = *socket;
    return true;
}

static bool dump(const struct filter *filter, struct sockets *sockets) {
    const uint32_t states = filter->states ? filter->states : STATES_DEFAULT;
    struct sockdiag *diag = sockdiag_open();
    int result = diag ? 1 : -1;

    for (int i = 0; result == 1 && i < DUMPS_MAX; i++) {
        sockets->count = 0;
        result = sockdiag_dump(diag, filter, states, collect, sockets);
    }
    if (result < 0)
        warn("cannot read the kernel's sockets (sock_diag)");
    else if (result == 1)
        warnx("the sockets changed while they were read: some may be missing or listed twice");
    sockdiag_close(diag);
    return result >= 0;
}

/* The order of the list as one number: trouble, then the ports. */
struct place {
    uint64_t order;
    const struct socket *socket;
};

static uint64_t order_of(const struct socket *socket) {
    unsigned trouble = (unsigned)tcp_state_trouble(socket->state);

    /* What is being retransmitted stands before what is not, and a listener whose queue is full
     * before all. */
    if (socket->state == TCP_STATE_LISTEN && socket->recv_queue > socket->send_queue)
        trouble = 0;
    return (uint64_t)trouble << 40 | (uint64_t)(socket->retransmits == 0) << 32 |
           (uint32_t)socket->local_port << 16 | socket->remote_port;
}

static int by_order(const void *a, const void *b) {
    const struct place *first = a, *second = b;

    return first->order < second->order ? -1 : first->order > second->order;
}

static struct place *sort(const struct sockets *sockets) {
    struct place *places = calloc(sockets->count + 1, sizeof(*places));

    if (!places)
        return NULL;
    for (size_t i = 0; i < sockets->count; i++)
        places[i] = (struct place){order_of(&sockets->all[i]), &sockets->all[i]};
    qsort(places, sockets->count, sizeof(*places), by_order);
    return places;
}

/* Adds the rows. Returns whether an owner may not be seen. */
static bool show(struct output *output, const struct selection *selection, struct owners *owners,
                 const struct place *places, size_t count) {
    bool unseen = false;

    for (size_t i = 0; i < count; i++) {
        const struct socket *socket = places[i].socket;
        struct owner owner = {0};

        if (owners && socket->inode && !owners_find(owners, socket->inode, &owner))
            unseen = true;
        if (selection->process && !owner_is(&owner, selection->process))
            continue;
        if (selection->no_owner)
            owner = (struct owner){0};
        output_list_row(output, socket, &owner);
    }
    output_list_end(output);
    return unseen;
}

static int run(const struct common *options) {
    const struct selection *selection = &options->selection;
    const bool needs_owners = selection_needs_owners(selection);
    struct output output = display_output(&options->display);
    struct owners *owners = needs_owners ? owners_new() : NULL;
    struct sockets sockets = {0};
    struct place *places = NULL;
    int status = STATUS_FAILED;

    output.owners = !selection->no_owner;
    output.netns = netns_inode();
    privileges_drop(needs_owners);
    if (!dump(&selection->filter, &sockets))
        goto out;
    places = sort(&sockets);
    if (!places || (needs_owners && !owners)) {
        warn("cannot list %zu sockets", sockets.count);
        goto out;
    }
    if (show(&output, selection, owners, places, sockets.count))
        display_say_denied();
    status = STATUS_DONE;
    display_flush(&output, &status);
out:
    free(places);
    free(sockets.all);
    owners_free(owners);
    output_free(&output);
    return status;
}

int command_list(int argc, char **argv) {
    static const struct argp_child children[] = {{&common_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        .children = children,
        .doc = "Print the TCP connections as they stand now, trouble first, then exit.",
    };
    struct common options = {0};
    int status = STATUS_FAILED;

    usage_parse(&argp, argc, argv, &options);
    if (selection_enter(&options.selection))
        status = run(&options);
    selection_free(&options.selection);
    return status;
}
