/* SPDX-License-Identifier: MIT
 *
 * tcpwatch monitor: every state transition as it happens. Wires source, tracker, owners and output
 * together and knows when to stop.
 */
#include "command/command.h"
#include "command/common.h"
#include "command/parse.h"
#include "command/source.h"
#include "command/usage.h"
#include "process/owner.h"
#include "process/privileges.h"
#include "units/clock.h"
#include "units/duration.h"
#include "watch/summary.h"
#include "watch/tracker.h"

#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INTERVAL_DEFAULT_NS (100 * NS_PER_MS)
#define STUCK_DEFAULT_NS    (60 * NS_PER_S)

/* How often to see whether namespace and reader are still there. */
#define CHECK_NS NS_PER_S

/* A walk of a host with many sockets may have much to say: so many bytes wait at the most. */
#define PENDING_MAX (64 * 1024)

/* With --process, which selects by it, so much more of the time may go into reading /proc. */
#define OF_PROCESS_SHARE 10

struct options {
    struct common common;
    int64_t interval_ns, stuck_ns;
    int64_t duration_ns;  /* 0: no end */
    uint64_t count;       /* 0: no end */
    enum tcp_state until; /* UNKNOWN: none */
    enum source_choice source;
};

enum {
    KEY_UNTIL = 0x300,
    KEY_STUCK,
    KEY_SOURCE,
};

static const struct argp_option argp_options[] = {
    {NULL, 0, NULL, 0, "When and how long:", 2},
    {"interval", 'i', "DURATION", 0, "Time between two looks of the poll source (default 100ms)",
     2},
    {"duration", 'd', "DURATION", 0, "Stop after this time", 2},
    {"count", 'c', "N", 0, "Stop after N transitions", 2},
    {"until", KEY_UNTIL, "STATE", 0, "Stop at the first transition into this state", 2},
    {"stuck", KEY_STUCK, "DURATION", 0,
     "Say so when a connection stays this long in a state that should pass (default 60s)", 2},
    {"source", KEY_SOURCE, "auto|poll|trace", 0, "Where transitions come from (default auto)", 2},
    {0},
};

#define UNTIL_ALLOWED                                                                              \
    "LISTEN, SYN_SENT, SYN_RECV, ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT, CLOSING, "         \
    "LAST_ACK, TIME_WAIT, CLOSE"

static enum tcp_state parse_until(const struct argp_state *state, const char *value) {
    const enum tcp_state until = tcp_state_parse(value, strlen(value));

    if (until == TCP_STATE_UNKNOWN || until == TCP_STATE_BOUND_INACTIVE)
        usage_refuse(state, "--until", value, "is no state that a connection goes to",
                     UNTIL_ALLOWED);
    return until == TCP_STATE_NEW_SYN_RECV ? TCP_STATE_SYN_RECV : until;
}

/* The kernel tells of request sockets as SYN_RECV, and a socket that is only bound is no
 * connection. */
static void check_states(const struct argp_state *state, uint32_t *states) {
    if (*states & TCP_STATE_BIT(TCP_STATE_BOUND_INACTIVE))
        usage_refuse(state, "--state", "BOUND_INACTIVE", "is no state that a connection goes to",
                     UNTIL_ALLOWED);
    if (*states & TCP_STATE_BIT(TCP_STATE_NEW_SYN_RECV))
        *states |= TCP_STATE_BIT(TCP_STATE_SYN_RECV);
}

static enum source_choice parse_source(const struct argp_state *state, const char *value) {
    if (strcmp(value, "poll") == 0)
        return SOURCE_POLL;
    if (strcmp(value, "trace") == 0)
        return SOURCE_TRACE;
    if (strcmp(value, "auto") != 0)
        usage_refuse(state, "--source", value, "is unknown", "auto, poll, trace");
    return SOURCE_AUTO;
}

static error_t parse(int key, char *value, struct argp_state *state) {
    struct options *options = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &options->common;
        return 0;
    case 'i':
        options->interval_ns =
            usage_duration(state, "--interval", value, NS_PER_MS, "at least 1ms");
        return 0;
    case 'd':
        options->duration_ns =
            usage_duration(state, "--duration", value, NS_PER_MS, "at least 1ms");
        return 0;
    case 'c':
        options->count = usage_number(state, "--count", value, "is no number of transitions");
        return 0;
    case KEY_UNTIL:
        options->until = parse_until(state, value);
        return 0;
    case KEY_STUCK:
        options->stuck_ns = usage_duration(state, "--stuck", value, NS_PER_MS, "at least 1ms");
        return 0;
    case KEY_SOURCE:
        options->source = parse_source(state, value);
        return 0;
    case ARGP_KEY_END:
        check_states(state, &options->common.selection.filter.states);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static volatile sig_atomic_t stop_signal;

/* One watch from its first look to its summary. */
struct watch {
    const struct options *options;
    struct source source;
    struct tracker *tracker;
    struct owners *owners; /* NULL: not looked up */
    struct output output;
    struct summary summary;
    int64_t end_ns; /* of --duration */
    bool done;
    int status;
    bool unread;        /* what was to be shown cannot be */
    bool walking;       /* a walk is under way */
    bool missed_owners; /* there are connections whose owner is still to be found */
    int64_t next_owners_ns;
    bool said_denied;
    uint64_t unowned; /* ended before it was found whether --process selects them */
    int64_t next_unowned_ns;
};

static void finish(struct watch *watch, int status) {
    if (!watch->done)
        watch->status = status;
    watch->done = true;
}

/* Whether the end has come from outside: then the reader is no longer waited for before the last
 * look was taken. */
static bool is_ending(const struct watch *watch) {
    return stop_signal || clock_now() >= watch->end_ns;
}

static void flush(struct watch *watch, bool (*how)(struct output *, int *)) {
    int status;

    if (watch->unread || how(&watch->output, &status))
        return;
    watch->done = false; /* this is the reason that counts */
    finish(watch, status);
    watch->unread = true;
}

static int look(void *into, const struct socket *socket, struct socket *found) {
    return source_look(&((struct watch *)into)->source, socket, found);
}

/* Whether a process still holds it: one that has just ended is found nowhere. */
static bool is_held(struct watch *watch, const struct connection *connection) {
    const struct socket socket = tracker_socket(connection);
    struct socket found;

    return look(watch, &socket, &found) == 1 && found.inode == connection->inode;
}

/* Returns false where it is not known. What a trace tells of may be over by now, unlike what a walk
 * has just met: then /proc would be read in vain. */
static bool look_owner_up(struct watch *watch, const struct connection *connection, bool stays,
                          struct owner *owner) {
    const bool may_be_over = watch->source.trace && !watch->walking;

    if (owners_recall(watch->owners, connection->inode, owner))
        return true;
    if (!owners_may_read(watch->owners) || (may_be_over && !is_held(watch, connection)))
        return false;
    /* One that is held still, but by nobody that can be seen, has been handed on. In a walk that
     * cannot be asked: its owner may be closing it, but not what stays. */
    return owners_find(watch->owners, connection->inode, owner) ||
           (may_be_over ? is_held(watch, connection) : stays);
}

/* Looks the owner up, once for each time that a process takes the socket, and again where a line is
 * to say who has to act: it may have been handed on. One that is not found may only be younger than
 * what was read of /proc: find_missed_owners() looks once more. */
static void find_owner(struct watch *watch, struct connection *connection,
                       const struct event *event) {
    const uint32_t told = watch->source.trace ? TCP_STATE_BIT(TCP_STATE_CLOSE_WAIT) |
                                                    TCP_STATE_BIT(TCP_STATE_FIN_WAIT2)
                                              : TCP_STATES_TRANSIENT;
    const bool acts = event->kind == EVENT_STUCK || (told & TCP_STATE_BIT(event->to));
    bool counted = true;
    struct owner owner;

    if (!watch->owners || connection->inode == 0 || (connection->owner_known && !acts))
        return;
    if (acts && watch->source.trace) /* of a poll each walk forgets */
        owners_forget_old(watch->owners);
    if (acts) /* one holder that closes it is not enough */
        counted = owners_read_rest(watch->owners);
    if (look_owner_up(watch, connection, event->kind == EVENT_STUCK, &owner)) {
        if (!counted && owner.pid == connection->owner.pid &&
            owner.holders < connection->owner.holders)
            owner.holders = connection->owner.holders;
        connection->owner = owner;
        connection->owner_known |= owner.pid != 0;
    }
    watch->missed_owners |= !connection->owner_known;
}

/* Whether that state, and no other, was one of the steps (tcp_state_skipped()). */
static bool is_step(enum tcp_state state, const uint32_t *steps, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (steps[i] == TCP_STATE_BIT(state))
            return true;
    return false;
}

/* Whether a connection that came after the first look, and was first seen in `to`, has gone to that
 * state or must have passed it. */
static bool came_through(enum tcp_state to, enum tcp_state state) {
    uint32_t steps[TCP_SKIPPED_MAX];

    if (to == state)
        return true;
    return tcp_state_stood(to) &&
           (state == TCP_STATE_ESTABLISHED ||
            is_step(state, steps, tcp_state_skipped(TCP_STATE_ESTABLISHED, to, steps)));
}

/* A closed event knows more of what was passed than the transitions before it. */
static bool reaches(const struct event *event, enum tcp_state state) {
    if (event->kind == EVENT_APPEARED)
        return !event->initial && came_through(event->to, state);
    if (event->kind == EVENT_CLOSED)
        return is_step(state, event->skipped, event->skipped_count);
    return event->kind == EVENT_TRANSITION &&
           (event->to == state || is_step(state, event->skipped, event->skipped_count));
}

/* Of what it passed unseen each state counts that it may have been in. */
static bool is_shown(const struct options *options, const struct event *event) {
    uint32_t went = TCP_STATE_BIT(event->from) | TCP_STATE_BIT(event->to);

    for (size_t i = 0; i < event->skipped_count; i++)
        went |= event->skipped[i];
    return event->kind == EVENT_LOST || options->common.selection.filter.states == 0 ||
           (options->common.selection.filter.states & went);
}

/* After the last event that is wanted only the end of what was shown is of interest. */
static bool is_wanted(struct watch *watch, const struct event *event) {
    struct connection *connection = event->connection;

    if (!watch->done)
        return true;
    if (connection && event->kind == EVENT_TRANSITION)
        connection->withheld = true;
    return connection && event->kind == EVENT_CLOSED && connection->shown && !connection->withheld;
}

/* Also where --count has just ended the watch, with a transition whose end tells more of it. */
static void reach(struct watch *watch) {
    if (watch->status == STATUS_NOT_REACHED)
        watch->done = false;
    finish(watch, STATUS_DONE);
}

/* What stands as the watch ends: with the last line that is shown, or in its time. */
static void take_stock(struct watch *watch, int64_t at_ns) {
    struct summary *summary = &watch->summary;
    struct connection *connection = NULL;

    if (summary->ended_ns)
        return;
    summary->ended_ns = at_ns > summary->began_ns ? at_ns : summary->began_ns;
    while ((connection = tracker_next(watch->tracker, connection)))
        if (connection->shown)
            summary_add_standing(summary, connection);
}

/* Counts the event, and shows it. */
static void show(struct watch *watch, const struct event *event, bool first) {
    const struct options *options = watch->options;

    if (event->connection)
        event->connection->shown = true;
    summary_add(&watch->summary, event, first);
    output_event(&watch->output, event);
    if (watch->output.writer.len >= PENDING_MAX && !is_ending(watch))
        flush(watch, display_flush);
    if (reaches(event, options->until))
        reach(watch);
    else if (options->count && watch->summary.transitions >= options->count)
        finish(watch, options->until ? STATUS_NOT_REACHED : STATUS_DONE);
    if (watch->done)
        take_stock(watch, event->at_ns);
}

/* Whether it ended as a process held it, or may have between two walks, and nobody knows which. No
 * process holds a request. */
static bool ended_unowned(const struct event *event) {
    const struct connection *connection = event->connection;
    const bool may_have_been = connection->born_seen && !connection->traced &&
                               connection->owner.pid == 0 && event->from != TCP_STATE_SYN_RECV;

    return event->kind == EVENT_CLOSED && !connection->owner_known &&
           (connection->inode || (event->socket && event->socket->inode) || may_have_been);
}

static void on_event(void *into, struct event *event) {
    struct watch *watch = into;
    const struct options *options = watch->options;
    struct connection *connection = event->connection;
    bool first = false;

    if (!is_wanted(watch, event))
        return;
    if (connection) {
        find_owner(watch, connection, event);
        first = !connection->shown;
        if (first && options->common.selection.process &&
            !owner_is(&connection->owner, options->common.selection.process)) {
            watch->unowned += ended_unowned(event);
            return;
        }
        /* Selected by its process only now that one has accepted it. */
        if (first && event->kind == EVENT_HELD && options->common.selection.process)
            event->kind = EVENT_APPEARED;
    }
    if (event->kind == EVENT_HELD)
        return;
    if (is_shown(options, event))
        show(watch, event, first && connection);
    else if (event->kind == EVENT_CLOSED && !first) /* the summary counts how it ended */
        summary_add(&watch->summary, event, false);
}

/* The source's observations go to the tracker. */
static void begin_walk(struct watch *watch) {
    if (watch->owners)
        owners_forget(watch->owners);
    watch->walking = true;
}

static void on_begin_walk(void *into) {
    struct watch *watch = into;

    begin_walk(watch);
    tracker_begin_walk(watch->tracker);
}

static void on_begin_check(void *into) {
    struct watch *watch = into;

    begin_walk(watch);
    tracker_begin_check(watch->tracker);
}

static void on_seen(void *into, const struct socket *socket, int64_t at_ns) {
    tracker_seen(((struct watch *)into)->tracker, socket, at_ns);
}

/* Once a walk is over, all that it met can be found in /proc. What is selected by its process is
 * shown only now. */
static void find_missed_owners(struct watch *watch, int64_t at_ns) {
    struct connection *connection = NULL;

    if (!watch->missed_owners)
        return;
    watch->missed_owners = false;
    owners_forget(watch->owners);
    while ((connection = tracker_next(watch->tracker, connection))) {
        struct event event = {
            .kind = EVENT_HELD,
            .at_ns = at_ns,
            .connection = connection,
            .to = connection->state,
            .dwell_ns = -1,
            .initial = !connection->born_seen,
        };

        if (connection->owner_known || connection->inode == 0)
            continue;
        on_event(watch, &event);
        if (watch->done) /* nobody is looked up any more */
            break;
        if (!connection->owner_known && !watch->said_denied && is_held(watch, connection)) {
            watch->said_denied = true;
            display_say_denied(watch->owners);
        }
        connection->owner_known = true;
    }
    watch->missed_owners = false;
}

/* A trace has no walks at which to look again. */
static void retry_missed_owners(struct watch *watch, int64_t at_ns) {
    if (!watch->source.trace || !watch->missed_owners || at_ns < watch->next_owners_ns ||
        !owners_may_read(watch->owners))
        return;
    watch->next_owners_ns = at_ns + NS_PER_S;
    find_missed_owners(watch, at_ns);
}

static void on_end_walk(void *into, int64_t at_ns) {
    struct watch *watch = into;

    tracker_end_walk(watch->tracker, at_ns);
    find_missed_owners(watch, at_ns);
    watch->walking = false;
    /* Who holds what is read for a walk, and not kept until the next. */
    if (watch->owners)
        owners_forget(watch->owners);
}

static void on_freed(void *into, const struct socket *last, const struct socket *successor,
                     const struct socket *peer, int64_t at_ns) {
    tracker_freed(((struct watch *)into)->tracker, last, successor, peer, at_ns);
}

static void on_moved(void *into, const struct move *move) {
    tracker_moved(((struct watch *)into)->tracker, move);
}

static void on_ended(void *into, uint64_t cookie, int64_t at_ns) {
    tracker_ended(((struct watch *)into)->tracker, cookie, at_ns);
}

static void on_nameless(void *into, const struct socket *last, int64_t at_ns) {
    tracker_nameless(((struct watch *)into)->tracker, last, at_ns);
}

static void on_lost(void *into, uint64_t count) {
    tracker_lost(((struct watch *)into)->tracker, count);
}

static void on_blind(void *into, const char *reason, int64_t at_ns) {
    struct event event = {.kind = EVENT_LOST, .at_ns = at_ns, .reason = reason};

    on_event(into, &event);
}

static void on_paced(void *into, int64_t interval_ns, int64_t cost_ns) {
    const struct watch *watch = into;
    char interval[DURATION_TEXT_SIZE], asked[DURATION_TEXT_SIZE], cost[DURATION_TEXT_SIZE];

    duration_text(interval, interval_ns);
    duration_text(asked, watch->options->interval_ns);
    duration_text(cost, cost_ns);
    warnx("looking every %s instead of every %s: a look at this host's sockets takes %s of "
          "processor time",
          interval, asked, cost);
}

static void on_signal(int number) {
    stop_signal = number;
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
}

/* The signals that end the watch are taken only while it waits; a second one kills. */
static void set_signals(sigset_t *unblocked) {
    const struct sigaction stop = {.sa_handler = on_signal};
    sigset_t stops;

    sigemptyset(&stops);
    sigaddset(&stops, SIGINT);
    sigaddset(&stops, SIGTERM);
    sigprocmask(SIG_BLOCK, &stops, unblocked);
    sigdelset(unblocked, SIGINT);
    sigdelset(unblocked, SIGTERM);
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
}

static void check_surroundings(struct watch *watch) {
    const struct selection *selection = &watch->options->common.selection;

    if (selection->netns_name && netns_gone(&selection->netns)) {
        on_blind(watch, "the network namespace has gone", clock_now());
        usage_warn("the network namespace ", selection->netns_name, " has gone");
        finish(watch, STATUS_FAILED);
    }
    if (output_reader_gone(&watch->output))
        finish(watch, STATUS_DONE);
}

/* Once a second, and in the end. */
static void say_unowned(struct watch *watch, int64_t at_ns, bool is_end) {
    const struct event event = {
        .kind = EVENT_LOST,
        .at_ns = at_ns,
        .count = watch->unowned,
        .reason = watch->owners && owners_denied(watch->owners)
                      ? "over before its process was found, or that may not be looked at"
                      : "over before /proc was read for the process",
    };

    if (watch->unowned == 0 || (at_ns < watch->next_unowned_ns && !is_end))
        return;
    watch->unowned = 0;
    watch->next_unowned_ns = at_ns + NS_PER_S;
    show(watch, &event, false);
}

/* A last look before the end, so that nothing is left unsaid that happened before. */
static void catch_up(struct watch *watch) {
    if (source_catch_up(&watch->source) < 0) {
        warn("cannot read the kernel's sockets");
        finish(watch, STATUS_FAILED);
    }
    tracker_finish(watch->tracker, clock_now());
    say_unowned(watch, clock_now(), true);
}

/* What time alone brings. Returns when to call it again. Of what a walk has missed, what came
 * before is told first; and as long as more waits, nothing else is looked at: it may have moved on.
 */
static int64_t settle(struct watch *watch) {
    int64_t settle_ns, stuck_ns = INT64_MAX;

    if (!source_is_past_walk(&watch->source))
        return clock_now();
    settle_ns = tracker_settle(watch->tracker, clock_now());
    if (source_is_behind(&watch->source))
        return clock_now();
    if (watch->source.trace) /* of a poll its walks do that */
        stuck_ns = tracker_look_for_stuck(watch->tracker, clock_now());
    return settle_ns < stuck_ns ? settle_ns : stuck_ns;
}

static void loop(struct watch *watch, const sigset_t *unblocked) {
    const struct options *options = watch->options;
    int64_t settle_ns = INT64_MAX, check_ns = watch->summary.began_ns + CHECK_NS;

    while (!watch->done && !is_ending(watch)) {
        int64_t until_ns = watch->end_ns < settle_ns ? watch->end_ns : settle_ns;

        if (check_ns < until_ns)
            until_ns = check_ns;
        if (source_run(&watch->source, until_ns, unblocked) < 0 && errno != EINTR) {
            warn("cannot read the kernel's sockets");
            finish(watch, STATUS_FAILED);
        }
        settle_ns = settle(watch);
        retry_missed_owners(watch, clock_now());
        say_unowned(watch, clock_now(), false);
        if (!is_ending(watch))
            flush(watch, display_flush);
        if (clock_now() >= check_ns) {
            check_surroundings(watch);
            check_ns = clock_now() + CHECK_NS;
        }
    }
    if ((!watch->done || watch->status != STATUS_FAILED) && !watch->unread)
        catch_up(watch);
    finish(watch, options->until ? STATUS_NOT_REACHED : STATUS_DONE);
}

/* Where it ends by itself, a pager may show the rest much later. */
static void summarise(struct watch *watch) {
    take_stock(watch, clock_now());
    output_summary(&watch->output, &watch->summary);
    if (!is_ending(watch))
        flush(watch, display_flush);
    flush(watch, display_flush_rest);
}

/* Whether a namespace is still there, and which there are, shows in /proc, too. */
static unsigned privileges_needed(const struct selection *selection) {
    if (selection->all_netns)
        return PRIVILEGES_PROC | PRIVILEGES_NETNS;
    return selection_needs_owners(selection) || selection->netns_name ? PRIVILEGES_PROC
                                                                      : PRIVILEGES_NONE;
}

static int run(const struct options *options) {
    const bool needs_owners = selection_needs_owners(&options->common.selection);
    struct watch watch = {.options = options, .end_ns = INT64_MAX, .status = STATUS_FAILED};
    const struct tracker_settings settings = {
        .stuck_ns = options->stuck_ns, .emit = on_event, .look = look, .into = &watch};
    const struct observer observer = {
        .into = &watch,
        .begin_walk = on_begin_walk,
        .begin_check = on_begin_check,
        .seen = on_seen,
        .end_walk = on_end_walk,
        .freed = on_freed,
        .nameless = on_nameless,
        .moved = on_moved,
        .ended = on_ended,
        .lost = on_lost,
        .blind = on_blind,
        .paced = on_paced,
    };
    sigset_t unblocked;

    watch.output = display_output(&options->common.display, STDOUT_FILENO);
    display_never_block(&watch.output);
    watch.output.owners = !options->common.selection.no_owner;
    watch.output.netns = options->common.selection.all_netns ? 0 : netns_inode();
    watch.output.unblocked = &unblocked;
    watch.tracker = tracker_new(&settings);
    watch.owners = needs_owners ? owners_new(options->common.selection.process ? OF_PROCESS_SHARE
                                                                               : OWNERS_SHARE,
                                             options->common.selection.process)
                                : NULL;
    if (!watch.tracker || (needs_owners && !watch.owners)) {
        warn("cannot begin");
        goto out;
    }
    if (!source_open(&watch.source, options->source, &options->common.selection.filter,
                     options->common.selection.all_netns, options->interval_ns, &observer))
        goto out;
    privileges_drop(privileges_needed(&options->common.selection));
    set_signals(&unblocked);
    watch.summary.began_ns = clock_now();
    if (options->duration_ns)
        watch.output.until_ns = watch.end_ns = watch.summary.began_ns + options->duration_ns;
    output_heading(&watch.output);
    flush(&watch, display_flush);
    loop(&watch, &unblocked);
    if (!watch.unread)
        summarise(&watch);
out:
    source_close(&watch.source);
    tracker_free(watch.tracker);
    owners_free(watch.owners);
    display_free(&watch.output);
    return watch.status;
}

static const struct argp_child children[] = {{&common_argp, 0, NULL, 0}, {0}};

static const struct argp argp = {
    .options = argp_options,
    .parser = parse,
    .children = children,
    .doc = "Print every state transition of the TCP connections on a port, as it happens. "
           "Ctrl-C ends it with a summary.",
};

static int start(int argc, char **argv) {
    struct options options = {
        .interval_ns = INTERVAL_DEFAULT_NS,
        .stuck_ns = STUCK_DEFAULT_NS,
    };
    int status = STATUS_FAILED;

    parse_options(&argp, argc, argv, &options);
    if (options.source == SOURCE_POLL && options.common.selection.all_netns)
        selection_refuse_all_netns(&options.common.selection, "is beyond --source=poll");
    if (selection_enter(&options.common.selection))
        status = run(&options);
    selection_free(&options.common.selection);
    return status;
}

const struct command command_monitor = {
    .name = "monitor",
    .summary = "print every state transition on a port, as it happens",
    .argp = &argp,
    .run = start,
};
