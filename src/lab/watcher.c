/* SPDX-License-Identifier: MIT */
#include "lab/watcher.h"

#include "sockdiag/poll.h"
#include "units/clock.h"
#include "units/duration.h"
#include "watch/tracker.h"

#include <stdlib.h>

/* The hosts are small: a walk of their tables takes no time. */
#define INTERVAL_NS (20 * NS_PER_MS)

struct watcher {
    struct port_range range;
    struct filter filter;
    struct observer observer;
    struct poll_source *source;
    struct tracker *tracker;
    int64_t settle_ns;
    watcher_take *take;
    void *into;
};

static void on_begin_walk(void *into) {
    tracker_begin_walk(((struct watcher *)into)->tracker);
}

static void on_seen(void *into, const struct socket *socket, int64_t at_ns) {
    tracker_seen(((struct watcher *)into)->tracker, socket, at_ns);
}

static void on_end_walk(void *into, int64_t at_ns) {
    tracker_end_walk(((struct watcher *)into)->tracker, at_ns);
}

static void on_freed(void *into, const struct socket *last, const struct socket *successor,
                     const struct socket *peer, int64_t at_ns) {
    tracker_freed(((struct watcher *)into)->tracker, last, successor, peer, at_ns);
}

static void on_nameless(void *into, const struct socket *last, int64_t at_ns) {
    tracker_nameless(((struct watcher *)into)->tracker, last, at_ns);
}

static void on_lost(void *into, uint64_t count) {
    tracker_lost(((struct watcher *)into)->tracker, count);
}

static void on_blind(void *into, const char *reason, int64_t at_ns) {
    const struct watcher *watcher = into;
    const struct event event = {.kind = EVENT_LOST, .at_ns = at_ns, .reason = reason};

    watcher->take(watcher->into, &event);
}

/* The looks become rarer: their events say themselves when they were seen. */
static void on_paced(void *into, int64_t interval_ns, int64_t cost_ns) {
    (void)into, (void)interval_ns, (void)cost_ns;
}

static void on_event(void *into, struct event *event) {
    const struct watcher *watcher = into;

    watcher->take(watcher->into, event);
}

static int look(void *into, const struct socket *socket, struct socket *found) {
    return poll_source_look(((struct watcher *)into)->source, socket, found);
}

struct watcher *watcher_open(watcher_take *take, void *into) {
    struct watcher *watcher = calloc(1, sizeof(*watcher));
    struct tracker_settings settings = {.emit = on_event, .look = look, .into = watcher};

    if (!watcher)
        return NULL;
    watcher->range = (struct port_range){WATCHER_PORT, WATCHER_PORT};
    watcher->filter.either = (struct ports){.ranges = &watcher->range, .count = 1};
    watcher->observer = (struct observer){
        .into = watcher,
        .begin_walk = on_begin_walk,
        .seen = on_seen,
        .end_walk = on_end_walk,
        .freed = on_freed,
        .nameless = on_nameless,
        .lost = on_lost,
        .blind = on_blind,
        .paced = on_paced,
    };
    watcher->take = take;
    watcher->into = into;
    watcher->settle_ns = INT64_MAX;
    watcher->tracker = tracker_new(&settings);
    watcher->source = poll_source_open(&watcher->filter, INTERVAL_NS, &watcher->observer);
    if (!watcher->tracker || !watcher->source) {
        watcher_close(watcher);
        return NULL;
    }
    return watcher;
}

void watcher_close(struct watcher *watcher) {
    if (!watcher)
        return;
    poll_source_close(watcher->source);
    tracker_free(watcher->tracker);
    free(watcher);
}

int watcher_descriptor(const struct watcher *watcher) {
    return poll_source_descriptor(watcher->source);
}

int64_t watcher_due(const struct watcher *watcher) {
    const int64_t walk_ns = poll_source_due(watcher->source);

    return walk_ns < watcher->settle_ns ? walk_ns : watcher->settle_ns;
}

void watcher_hurry(struct watcher *watcher) {
    poll_source_hurry(watcher->source);
}

int watcher_step(struct watcher *watcher) {
    const int result = poll_source_step(watcher->source);

    watcher->settle_ns = tracker_settle(watcher->tracker, clock_now());
    return result;
}

int watcher_finish(struct watcher *watcher) {
    const int result = poll_source_catch_up(watcher->source);

    tracker_finish(watcher->tracker, clock_now());
    return result;
}
