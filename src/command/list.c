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
#include <string.h>

/* A socket that is only bound takes no part in a connection: shown where it is asked for. */
#define STATES_DEFAULT (TCP_STATES_ALL & ~TCP_STATE_BIT(TCP_STATE_BOUND_INACTIVE))

/* A dump that the table changed under is repeated so often, then taken as it is. */
#define DUMPS_MAX 3

/* How much text is gathered before it is written. */
#define FLUSH_SIZE (256 * 1024)

struct row {
    uint64_t order;
    struct list_row shown;
};

struct rows {
    struct row *all;
    size_t count, room;
    struct output *output;
};

/* The order of the list as one number: trouble, then the ports. What is being retransmitted stands
 * before what is not, and a listener whose queue is full before all. */
static uint64_t order_of(const struct socket *socket) {
    unsigned trouble = (unsigned)tcp_state_trouble(socket->state);

    if (socket->state == TCP_STATE_LISTEN && socket->recv_queue > socket->send_queue)
        trouble = 0;
    return (uint64_t)trouble << 33 | (uint64_t)(socket->retransmits == 0) << 32 |
           (uint32_t)socket->local_port << 16 | socket->remote_port;
}

static bool collect(void *into, const struct socket *socket, int64_t at_ns) {
    struct rows *rows = into;
    struct row *row;

    (void)at_ns;
    if (rows->count == rows->room) {
        const size_t room = rows->room ? rows->room * 2 : 256;
        struct row *all = reallocarray(rows->all, room, sizeof(*all));

        if (!all)
            return false;
        rows->all = all;
        rows->room = room;
    }
    row = &rows->all[rows->count++];
    row->order = order_of(socket);
    output_list_prepare(rows->output, socket, &row->shown);
    return true;
}

static bool dump(const struct filter *filter, struct rows *rows) {
    const uint32_t states = filter->states ? filter->states : STATES_DEFAULT;
    struct sockdiag *diag = sockdiag_open();
    int result = diag ? 1 : -1;

    for (int i = 0; result == 1 && i < DUMPS_MAX; i++) {
        rows->count = 0;
        output_list_begin(rows->output);
        result = sockdiag_dump(diag, filter, states, collect, rows);
    }
    if (result < 0)
        warn("cannot read the kernel's sockets (sock_diag)");
    else if (result == 1)
        warnx("the sockets changed while they were read: some may be missing or listed twice");
    sockdiag_close(diag);
    return result >= 0;
}

struct place {
    uint64_t order;
    const struct row *row;
};

#define ORDER_BITS 40
#define DIGIT_BITS 8

/* Sorts by one digit of the order, keeping what was sorted by the lower ones. */
static void sort_by_digit(const struct place *from, struct place *to, size_t count, int shift) {
    size_t starts[1 << DIGIT_BITS] = {0}, start = 0;

    for (size_t i = 0; i < count; i++)
        starts[from[i].order >> shift & ((1 << DIGIT_BITS) - 1)]++;
    for (size_t digit = 0; digit < 1 << DIGIT_BITS; digit++) {
        const size_t of_digit = starts[digit];

        starts[digit] = start;
        start += of_digit;
    }
    for (size_t i = 0; i < count; i++)
        to[starts[from[i].order >> shift & ((1 << DIGIT_BITS) - 1)]++] = from[i];
}

/* A radix sort: qsort() took a tenth of the whole time of a long list. Returns NULL with errno. */
static struct place *sort(const struct rows *rows) {
    struct place *places = calloc(2 * (rows->count + 1), sizeof(*places));
    struct place *from = places, *to = places ? places + rows->count : NULL;

    if (!places)
        return NULL;
    for (size_t i = 0; i < rows->count; i++)
        from[i] = (struct place){rows->all[i].order, &rows->all[i]};
    for (int shift = 0; shift < ORDER_BITS; shift += DIGIT_BITS) {
        struct place *sorted = to;

        sort_by_digit(from, to, rows->count, shift);
        to = from;
        from = sorted;
    }
    memmove(places, from, rows->count * sizeof(*places));
    return places;
}

/* Shows the rows. Returns false where `status` is what to exit with. */
static bool show(struct output *output, const struct selection *selection, struct owners *owners,
                 const struct place *places, size_t count, int *status) {
    bool unseen = false;

    output_list_heading(output);
    for (size_t i = 0; i < count; i++) {
        const struct list_row *row = &places[i].row->shown;
        struct owner owner = {0};

        if (owners && row->inode && !owners_find(owners, row->inode, &owner))
            unseen = true;
        if (selection->process && !owner_is(&owner, selection->process))
            continue;
        if (selection->no_owner)
            owner = (struct owner){0};
        output_list_row(output, row, &owner);
        if (output->writer.len > FLUSH_SIZE && !display_flush(output, status))
            return false;
    }
    if (unseen)
        display_say_denied();
    return display_flush(output, status);
}

static int run(const struct common *options) {
    const struct selection *selection = &options->selection;
    const bool needs_owners = selection_needs_owners(selection);
    struct output output = display_output(&options->display);
    struct owners *owners = needs_owners ? owners_new() : NULL;
    struct rows rows = {.output = &output};
    struct place *places = NULL;
    int status = STATUS_FAILED;

    output.owners = !selection->no_owner;
    output.netns = netns_inode();
    privileges_drop(needs_owners);
    if (!dump(&selection->filter, &rows))
        goto out;
    places = sort(&rows);
    if (!places || (needs_owners && !owners)) {
        warn("cannot list %zu sockets", rows.count);
        goto out;
    }
    if (show(&output, selection, owners, places, rows.count, &status))
        status = STATUS_DONE;
out:
    free(places);
    free(rows.all);
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
