/* SPDX-License-Identifier: MIT */
#include "lab/timeline.h"

#include <string.h>

static void remove_at(struct timeline *timeline, size_t at) {
    timeline->count--;
    memmove(timeline->moments + at, timeline->moments + at + 1,
            (timeline->count - at) * sizeof(timeline->moments[0]));
}

static void hand_on_first(struct timeline *timeline) {
    const struct lab_moment first = timeline->moments[0];

    remove_at(timeline, 0);
    timeline->take(timeline->into, &first);
}

void timeline_add(struct timeline *timeline, const struct lab_moment *moment) {
    size_t at;

    if (timeline->count == TIMELINE_MAX && timeline->moments[0].at_ns > moment->at_ns) {
        timeline->take(timeline->into, moment);
        return;
    }
    if (timeline->count == TIMELINE_MAX)
        hand_on_first(timeline);
    at = timeline->count;
    while (at > 0 && timeline->moments[at - 1].at_ns > moment->at_ns)
        at--;
    memmove(timeline->moments + at + 1, timeline->moments + at,
            (timeline->count - at) * sizeof(timeline->moments[0]));
    timeline->moments[at] = *moment;
    timeline->count++;
}

static enum lab_host other(enum lab_host host) {
    return host == LAB_CLIENT ? LAB_SERVER : LAB_CLIENT;
}

static bool is_same(const struct segment *a, const struct segment *b) {
    return a->id == b->id && a->from == b->from && a->seq == b->seq && a->ack == b->ack &&
           a->flags == b->flags && a->len == b->len;
}

/* The same segment as it passed the other link, where that was seen and is not handed on yet. */
static struct lab_moment *find_passage(struct timeline *timeline, enum lab_host from,
                                       const struct segment *segment, enum lab_passage passage) {
    for (size_t i = 0; i < timeline->count; i++) {
        struct lab_moment *moment = &timeline->moments[i];

        if (moment->kind == LAB_SEGMENT && moment->host == from && moment->passage == passage &&
            is_same(&moment->segment, segment))
            return moment;
    }
    return NULL;
}

static void add_icmp(struct timeline *timeline, enum lab_host host, const struct segment *segment,
                     int64_t at_ns) {
    const struct lab_moment moment = {
        .kind = LAB_ICMP, .host = host, .at_ns = at_ns, .segment = *segment};

    timeline_add(timeline, &moment);
}

/* Both were seen. One that was on its way for long stays two. */
static void join(struct timeline *timeline, struct lab_moment *left, struct lab_moment *came) {
    if (came->at_ns - left->at_ns > TIMELINE_WIRE_NS) {
        left->passage = LAB_DELAYED;
        came->segment.kind = left->segment.kind;
        return;
    }
    left->passage = LAB_ARRIVED;
    remove_at(timeline, (size_t)(came - timeline->moments));
}

void timeline_add_segment(struct timeline *timeline, enum lab_host host, bool outgoing,
                          const struct segment *segment, int64_t at_ns) {
    const enum lab_host from = outgoing ? host : other(host);
    struct lab_moment moment = {.kind = LAB_SEGMENT,
                                .host = from,
                                .at_ns = at_ns,
                                .segment = *segment,
                                .passage = outgoing ? LAB_LOST : LAB_CAME};
    struct lab_moment *left, *came;

    if (segment->icmp) {
        add_icmp(timeline, host, segment, at_ns);
        return;
    }
    if (outgoing) {
        segment_classify(&timeline->streams[from], &moment.segment, timeline->windows[other(from)]);
        if (!(segment->flags & SEGMENT_RST))
            timeline->windows[from] = segment->window;
    }
    timeline_add(timeline, &moment);
    left = find_passage(timeline, from, segment, LAB_LOST);
    came = find_passage(timeline, from, segment, LAB_CAME);
    if (left && came)
        join(timeline, left, came);
}

void timeline_flush(struct timeline *timeline, int64_t now_ns) {
    while (timeline->count &&
           (now_ns == INT64_MAX || timeline->moments[0].at_ns < now_ns - TIMELINE_DELAY_NS))
        hand_on_first(timeline);
}
