/* SPDX-License-Identifier: MIT */
#include "sockdiag/poll.h"

#include "sockdiag/sockdiag.h"
#include "units/clock.h"
#include "units/duration.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A walk and all that follows from it may take one part in so many of a processor. */
#define PROCESSOR_SHARE 10

/* After destroy messages were read, more are left to gather this long: waking up for each of them
 * slows down the connections that are watched. */
#define GATHER_NS (5 * NS_PER_MS)

/* A walk that the table changed under is repeated so often, then taken as it is. */
#define WALKS_MAX 3

/* A socket that is only bound takes no part in a connection. */
#define STATES (TCP_STATES_ALL & ~TCP_STATE_BIT(TCP_STATE_BOUND_INACTIVE))

struct poll_source {
    const struct filter *filter;
    const struct observer *observer;
    struct sockdiag *tables, *destroy;
    int64_t interval_ns;  /* as asked for */
    int64_t said_ns;      /* as last said */
    int64_t next_walk_ns; /* 0: at once */
    int64_t cost_ns;      /* of a walk, smoothed; 0: not known yet */
    uint32_t walks, drops;
};

struct poll_source *poll_source_open(const struct filter *filter, int64_t interval_ns,
                                     const struct observer *observer) {
    struct poll_source *source = calloc(1, sizeof(*source));

    if (!source)
        return NULL;
    source->filter = filter;
    source->observer = observer;
    source->interval_ns = source->said_ns = interval_ns;
    source->tables = sockdiag_open();
    source->destroy = source->tables ? sockdiag_open_destroy(filter) : NULL;
    if (!source->destroy) {
        poll_source_close(source);
        return NULL;
    }
    return source;
}

void poll_source_close(struct poll_source *source) {
    if (!source)
        return;
    sockdiag_close(source->tables);
    sockdiag_close(source->destroy);
    free(source);
}

int poll_source_look(struct poll_source *source, const struct socket *socket,
                     struct socket *found) {
    return sockdiag_lookup(source->tables, socket, found);
}

/* Looks for the other end of the connection on this host. */
static const struct socket *find_peer(struct poll_source *source, const struct socket *last,
                                      struct socket *found) {
    const bool here = address_is_loopback(&last->remote) ||
                      memcmp(&last->local, &last->remote, sizeof(last->local)) == 0;
    const struct socket end = socket_other_end(last);

    /* The kernel answers with the listener where it does not find the connection itself. */
    if (sockdiag_lookup(source->tables, &end, found) == 1 && found->remote_port)
        return found;
    *found = (struct socket){.state = TCP_STATE_CLOSE};
    return here ? found : NULL;
}

/* A socket that was thrown away has lost the peer's port, and maybe its own address. */
static void take_thrown_away(struct poll_source *source, const struct socket *last, int64_t at_ns) {
    const struct observer *observer = source->observer;

    if (filter_matches(source->filter, last))
        observer->freed(observer->into, last, NULL, NULL, at_ns);
    else if (filter_may_match(source->filter, last))
        observer->nameless(observer->into, last, at_ns);
}

static bool take_freed(void *into, const struct socket *last, int64_t at_ns) {
    struct poll_source *source = into;
    const struct observer *observer = source->observer;
    struct socket minisock, other_end;

    /* The filter's addresses are not in the kernel's program. */
    if (last->remote_port == 0)
        take_thrown_away(source, last, at_ns);
    else if (filter_matches(source->filter, last))
        observer->freed(observer->into, last, sockdiag_minisock(source->tables, last, &minisock),
                        find_peer(source, last, &other_end), at_ns);
    return true;
}

/* Reads the destroy messages that wait. A loss makes the next walk due at once. */
static int read_freed(struct poll_source *source) {
    const int result = sockdiag_read_destroy(source->destroy, take_freed, source);
    const uint32_t drops = sockdiag_drops(source->destroy);

    if (drops != source->drops) {
        source->observer->lost(source->observer->into, drops - source->drops);
        source->next_walk_ns = 0;
        source->drops = drops;
    }
    return result;
}

static bool take_seen(void *into, const struct socket *socket, int64_t at_ns) {
    const struct poll_source *source = into;

    source->observer->seen(source->observer->into, socket, at_ns);
    return true;
}

/* Sets the time of the next walk by what a walk and its consequences take. The first one, which
 * shows all that stands, does not count. */
static void pace(struct poll_source *source, int64_t began_ns, int64_t cost_ns) {
    const struct observer *observer = source->observer;
    int64_t interval_ns;

    if (source->walks > 1)
        source->cost_ns = source->cost_ns ? (3 * source->cost_ns + cost_ns) / 4 : cost_ns;
    interval_ns = source->cost_ns * PROCESSOR_SHARE;
    if (interval_ns < source->interval_ns)
        interval_ns = source->interval_ns;
    source->next_walk_ns = began_ns + interval_ns;
    /* Said each time it has doubled. */
    if (interval_ns >= 2 * source->said_ns) {
        source->said_ns = interval_ns;
        observer->paced(observer->into, interval_ns, source->cost_ns);
    }
}

/* A walk that comes much too late: this process was stopped, or its output was not read. */
static void say_if_late(const struct poll_source *source, int64_t now_ns) {
    const int64_t late_ns = now_ns - source->next_walk_ns;
    char reason[80], text[DURATION_TEXT_SIZE];

    if (source->next_walk_ns == 0 || late_ns < NS_PER_S || late_ns < 5 * source->interval_ns)
        return;
    duration_text(text, late_ns);
    snprintf(reason, sizeof(reason), "tcpwatch was stopped or its output blocked for %s", text);
    source->observer->blind(source->observer->into, reason, now_ns);
}

static int walk(struct poll_source *source) {
    const struct observer *observer = source->observer;
    const int64_t began_ns = clock_now(), cpu_ns = clock_read(CLOCK_PROCESS_CPUTIME_ID);
    int result = 1;

    say_if_late(source, began_ns);
    /* What was freed before the walk must not be met in it as if it still lived. */
    if (read_freed(source) < 0)
        return -1;
    source->walks++;
    observer->begin_walk(observer->into);
    for (int tries = 0; result == 1 && tries < WALKS_MAX; tries++)
        result = sockdiag_dump(source->tables, source->filter, STATES, take_seen, source);
    if (result < 0)
        return -1;
    if (result == 1)
        observer->blind(observer->into, "the kernel's table changed under each walk", clock_now());
    observer->end_walk(observer->into, clock_now());
    pace(source, began_ns, clock_read(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns);
    return 0;
}

/* Waits until there is something to read or the time has come. Returns -1 with errno. */
static int wait_readable(struct poll_source *source, int64_t until_ns, const sigset_t *unblocked) {
    struct pollfd descriptor = {.fd = sockdiag_descriptor(source->destroy), .events = POLLIN};
    const struct timespec timeout = clock_left(until_ns);
    const int ready = ppoll(&descriptor, 1, &timeout, unblocked);

    if (ready <= 0)
        return ready;
    /* Let more of them gather, then read all. */
    return ppoll(NULL, 0, &(struct timespec){.tv_nsec = GATHER_NS}, unblocked);
}

int poll_source_run(struct poll_source *source, int64_t until_ns, const sigset_t *unblocked) {
    const int64_t wake_ns = until_ns < source->next_walk_ns ? until_ns : source->next_walk_ns;

    if (wait_readable(source, wake_ns, unblocked) < 0)
        return -1;
    return poll_source_step(source);
}

int poll_source_descriptor(const struct poll_source *source) {
    return sockdiag_descriptor(source->destroy);
}

int64_t poll_source_due(const struct poll_source *source) {
    return source->next_walk_ns;
}

void poll_source_hurry(struct poll_source *source) {
    source->next_walk_ns = 0;
}

int poll_source_step(struct poll_source *source) {
    if (clock_now() >= source->next_walk_ns)
        return walk(source);
    return read_freed(source);
}

int poll_source_catch_up(struct poll_source *source) {
    poll_source_hurry(source);
    if (walk(source) < 0)
        return -1;
    /* What was freed under the walk. */
    nanosleep(&(struct timespec){.tv_nsec = 2 * GATHER_NS}, NULL);
    return read_freed(source);
}
