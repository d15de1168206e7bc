/* SPDX-License-Identifier: MIT
 *
 * tcpwatch list: the connections as they stand now, trouble first.
 */
#include "command/command.h"
#include "command/common.h"
#include "command/parse.h"
#include "netns/netns.h"
#include "process/owner.h"
#include "process/privileges.h"
#include "sockdiag/sockdiag.h"
#include "units/bulk.h"

#include <err.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

/* A socket that is only bound takes no part in a connection: shown where it is asked for. */
#define STATES_DEFAULT (TCP_STATES_ALL & ~TCP_STATE_BIT(TCP_STATE_BOUND_INACTIVE))

/* A dump that the table changed under is repeated so often, then taken as it is. */
#define DUMPS_MAX 3

/* How much text is gathered before it is written: through a pipe, 20,000 rows took a third longer
 * with 4 KiB, a sixth with 8, and no less with 32. */
#define FLUSH_SIZE (24 * 1024)

/* Most lists are short. */
#define PLACES_SMALL 256
#define PLACES_LARGE (BULK_SHARED_MAX / 4 / sizeof(struct place)) /* twice as many: half of it */

/* A row that is to be shown is fetched so many rows before, and so much of it: most are no longer.
 */
#define FETCH_AHEAD 8
#define FETCH_SIZE  192

struct place {
    uint64_t order;
    const struct list_row *row;
};

struct list {
    struct place *places; /* `room` of them */
    size_t count, room;
    struct output *output;
};

/* The order of the list as one number: trouble, then the ports. What is being retransmitted stands
 * before what is not, and a listener whose queue is full before all. */
static uint64_t order_of(const struct socket *socket) {
    unsigned trouble = 1 + (unsigned)tcp_state_trouble(socket->state);

    if (socket->state == TCP_STATE_LISTEN && socket->recv_queue > socket->send_queue)
        trouble = 0;
    return (uint64_t)trouble << 33 | (uint64_t)(socket->retransmits == 0) << 32 |
           (uint32_t)socket->local_port << 16 | socket->remote_port;
}

static struct place *new_places(size_t count) {
    return bulk_new(count * sizeof(struct place));
}

static void free_places(struct place *places, size_t count) {
    bulk_free(places, count * sizeof(*places));
}

static bool grow(struct list *list) {
    size_t room = 2 * list->room;
    struct place *places;

    if (room < PLACES_LARGE)
        room = room ? PLACES_LARGE : PLACES_SMALL;
    places = new_places(room);
    if (!places)
        return false;
    if (list->count)
        memcpy(places, list->places, list->count * sizeof(*places));
    free_places(list->places, list->room);
    list->places = places;
    list->room = room;
    return true;
}

static bool collect(void *into, const struct socket *socket, int64_t at_ns) {
    struct list *list = into;
    struct list_row *row = NULL;

    (void)at_ns;
    if (list->count < list->room || grow(list))
        row = output_list_prepare(list->output, socket);
    if (!row)
        return false;
    list->places[list->count++] = (struct place){order_of(socket), row};
    return true;
}

static bool dump(const struct filter *filter, struct list *list) {
    const uint32_t states = filter->states ? filter->states : STATES_DEFAULT;
    struct sockdiag *diag = sockdiag_open();
    int result = diag ? 1 : -1;

    for (int i = 0; result == 1 && i < DUMPS_MAX; i++) {
        list->count = 0;
        output_list_begin(list->output);
        result = sockdiag_dump(diag, filter, states, collect, list);
    }
    if (result < 0)
        warn("cannot read the kernel's sockets (sock_diag)");
    else if (result == 1)
        warnx("the sockets changed while they were read: some may be missing or listed twice");
    sockdiag_close(diag);
    return result >= 0;
}

#define ORDER_BITS  40
#define DIGIT_BITS  10
#define DIGIT_COUNT (1 << DIGIT_BITS)

static size_t digit_of(const struct place *place, int shift) {
    return place->order >> shift & (DIGIT_COUNT - 1);
}

/* Sorts by one digit of the order, keeping what was sorted by the lower ones. Returns false, and
 * does nothing, where all have the same. */
static bool sort_by_digit(const struct place *from, struct place *to, size_t count, int shift) {
    size_t starts[DIGIT_COUNT] = {0}, start = 0;

    for (size_t i = 0; i < count; i++)
        starts[digit_of(&from[i], shift)]++;
    if (starts[digit_of(&from[0], shift)] == count)
        return false;
    for (size_t digit = 0; digit < DIGIT_COUNT; digit++) {
        const size_t of_digit = starts[digit];

        starts[digit] = start;
        start += of_digit;
    }
    for (size_t i = 0; i < count; i++)
        to[starts[digit_of(&from[i], shift)]++] = from[i];
    return true;
}

/* A radix sort: qsort() took a tenth of the whole time of a long list. Returns false with errno. */
static bool sort(struct list *list) {
    struct place *from = list->places, *to;

    if (list->count == 0)
        return true;
    to = new_places(list->room); /* it may become the list's own */
    if (!to)
        return false;
    for (int shift = 0; shift < ORDER_BITS; shift += DIGIT_BITS)
        if (sort_by_digit(from, to, list->count, shift)) {
            struct place *sorted = to;

            to = from;
            from = sorted;
        }
    free_places(to, list->room);
    list->places = from;
    return true;
}

/* In the order in which they are shown the rows stand anywhere: waiting for the memory took half
 * the time of showing them. */
static void fetch(const struct list *list, size_t i) {
    const char *row = i < list->count ? (const char *)list->places[i].row : NULL;

    for (size_t at = 0; row && at < FETCH_SIZE; at += CACHE_LINE)
        __builtin_prefetch(row + at);
}

/* Shows the rows. Returns false where `status` is what to exit with. */
static bool show(struct output *output, const struct selection *selection, struct owners *owners,
                 const struct list *list, int *status) {
    bool unseen = false;

    output_list_heading(output);
    for (size_t i = 0; i < list->count; i++) {
        const struct list_row *row = list->places[i].row;
        struct owner owner = {0};

        fetch(list, i + FETCH_AHEAD);
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
        display_say_denied(owners);
    return display_flush(output, status);
}

static int run(const struct common *options) {
    const struct selection *selection = &options->selection;
    const bool needs_owners = selection_needs_owners(selection);
    struct output output = display_output(&options->display, STDOUT_FILENO);
    struct owners *owners = needs_owners ? owners_new(OWNERS_SHARE, selection->process) : NULL;
    struct list list = {.output = &output};
    int status = STATUS_FAILED;

    output.owners = !selection->no_owner;
    if (output.json)
        output.netns = netns_inode();
    privileges_drop(needs_owners ? PRIVILEGES_PROC : PRIVILEGES_NONE);
    if (needs_owners && !owners) {
        warn("cannot look up owners");
        goto out;
    }
    if (!dump(&selection->filter, &list))
        goto out;
    if (!sort(&list)) {
        warn("cannot sort the list");
        goto out;
    }
    if (show(&output, selection, owners, &list, &status))
        status = STATUS_DONE;
out:
    free_places(list.places, list.room);
    owners_free(owners);
    output_free(&output);
    return status;
}

static const struct argp_child children[] = {{&common_argp, 0, NULL, 0}, {0}};

static const struct argp argp = {
    .children = children,
    .doc = "Print the TCP connections as they stand now, trouble first, then exit.",
};

static int start(int argc, char **argv) {
    struct common options = {0};
    int status = STATUS_FAILED;

    parse_options(&argp, argc, argv, &options);
    if (options.selection.all_netns)
        selection_refuse_all_netns(&options.selection, "is for monitor only");
    if (selection_enter(&options.selection))
        status = run(&options);
    selection_free(&options.selection);
    return status;
}

const struct command command_list = {
    .name = "list",
    .summary = "print those connections as they stand now, then exit",
    .argp = &argp,
    .run = start,
};
