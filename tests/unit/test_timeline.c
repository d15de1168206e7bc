/* SPDX-License-Identifier: MIT */
#include "lab/timeline.h"

#include "unit.h"

#include "units/duration.h"

#include <stdio.h>

/* A timeline, and what it has handed on. */
struct line {
    struct timeline timeline;
    size_t count;
    struct lab_moment taken[2 * TIMELINE_MAX];
};

static void take(void *into, const struct lab_moment *moment) {
    struct line *line = into;

    assert_true(line->count < COUNT(line->taken));
    line->taken[line->count++] = *moment;
}

/* Large, and one at a time. */
static struct line *line_new(void) {
    static struct line line;

    memset(&line, 0, sizeof(line));
    line.timeline.take = take;
    line.timeline.into = &line;
    line.timeline.windows[LAB_CLIENT] = line.timeline.windows[LAB_SERVER] = -1;
    return &line;
}

static void add_at(struct line *line, int64_t at_ns, size_t number) {
    struct lab_moment moment = {.kind = LAB_DID, .at_ns = at_ns};

    snprintf(moment.text, sizeof(moment.text), "%zu", number);
    timeline_add(&line->timeline, &moment);
}

static void check_order(const struct line *line) {
    for (size_t i = 1; i < line->count; i++)
        assert_true(line->taken[i - 1].at_ns <= line->taken[i].at_ns);
}

static void moments_come_out_by_their_times(void **state) {
    uint64_t seed = 4711;

    (void)state;
    for (int round = 0; round < 100; round++) {
        struct line *line = line_new();

        for (size_t i = 0; i < 100; i++)
            add_at(line, random_below(&seed, 1000), i);
        assert_int_equal(line->count, 0);
        timeline_flush(&line->timeline, INT64_MAX);
        assert_int_equal(line->count, 100);
        assert_int_equal(line->timeline.count, 0);
        check_order(line);
    }
}

static void moments_of_one_time_come_out_as_they_were_told(void **state) {
    struct line *line = line_new();
    char number[8];

    (void)state;
    for (size_t i = 0; i < 20; i++)
        add_at(line, 5, i);
    add_at(line, 4, 99);
    timeline_flush(&line->timeline, INT64_MAX);
    assert_string_equal(line->taken[0].text, "99");
    for (size_t i = 0; i < 20; i++) {
        snprintf(number, sizeof(number), "%zu", i);
        assert_string_equal(line->taken[i + 1].text, number);
    }
}

static void a_moment_waits_for_those_that_are_told_late(void **state) {
    const int64_t first_ns = 1000 * NS_PER_S;
    struct line *line = line_new();

    (void)state;
    add_at(line, first_ns, 1);
    timeline_flush(&line->timeline, first_ns + TIMELINE_DELAY_NS);
    assert_int_equal(line->count, 0);
    add_at(line, first_ns - 1, 0);
    add_at(line, first_ns + 1, 2);
    timeline_flush(&line->timeline, first_ns + TIMELINE_DELAY_NS + 1);
    assert_int_equal(line->count, 2);
    assert_string_equal(line->taken[0].text, "0");
    assert_string_equal(line->taken[1].text, "1");
    timeline_flush(&line->timeline, INT64_MAX);
    assert_int_equal(line->count, 3);
    timeline_flush(&line->timeline, INT64_MAX);
    assert_int_equal(line->count, 3);
}

static void no_moment_is_lost_for_want_of_room(void **state) {
    struct line *line = line_new();

    (void)state;
    for (size_t i = 0; i < TIMELINE_MAX; i++)
        add_at(line, 1000 + (int64_t)i, i);
    assert_int_equal(line->count, 0);
    add_at(line, 5000, TIMELINE_MAX);
    /* The first had to go. */
    assert_int_equal(line->count, 1);
    assert_string_equal(line->taken[0].text, "0");
    /* One that is before all others is the first itself. */
    add_at(line, 1000, TIMELINE_MAX + 1);
    assert_int_equal(line->count, 2);
    assert_string_equal(line->taken[1].text, "257");
    add_at(line, 1100, TIMELINE_MAX + 2);
    timeline_flush(&line->timeline, INT64_MAX);
    assert_int_equal(line->count, TIMELINE_MAX + 3);
    check_order(line);
}

/* A segment of the client. */
static const struct segment segment = {
    .flags = SEGMENT_ACK, .id = 77, .from = 1, .to = 2, .seq = 1001, .len = 6, .window = 502};

/* It passes both links, `wire_ns` apart. */
static struct line *pass(const struct segment *passed, int64_t wire_ns, bool far_end_first) {
    const int64_t left_ns = 1000 * NS_PER_S;
    struct line *line = line_new();

    for (int link = 0; link < 2; link++)
        if ((link == 0) == far_end_first)
            timeline_add_segment(&line->timeline, LAB_SERVER, false, passed, left_ns + wire_ns);
        else
            timeline_add_segment(&line->timeline, LAB_CLIENT, true, passed, left_ns);
    timeline_flush(&line->timeline, INT64_MAX);
    return line;
}

static void a_segment_that_was_seen_on_both_links_is_one(void **state) {
    static const int64_t wires_ns[] = {0, 1, NS_PER_MS / 10, TIMELINE_WIRE_NS};

    (void)state;
    for (size_t i = 0; i < COUNT(wires_ns); i++)
        for (int far_end_first = 0; far_end_first < 2; far_end_first++) {
            const struct line *line = pass(&segment, wires_ns[i], far_end_first);

            assert_int_equal(line->count, 1);
            assert_int_equal(line->taken[0].kind, LAB_SEGMENT);
            assert_int_equal(line->taken[0].host, LAB_CLIENT);
            assert_int_equal(line->taken[0].passage, LAB_ARRIVED);
            assert_int_equal(line->taken[0].at_ns, 1000 * NS_PER_S);
            assert_int_equal(line->taken[0].segment.len, 6);
        }
}

static void a_segment_that_was_kept_leaves_and_comes(void **state) {
    static const int64_t wires_ns[] = {TIMELINE_WIRE_NS + 1, 40 * NS_PER_MS};

    (void)state;
    for (size_t i = 0; i < COUNT(wires_ns); i++)
        for (int far_end_first = 0; far_end_first < 2; far_end_first++) {
            const struct line *line = pass(&segment, wires_ns[i], far_end_first);

            assert_int_equal(line->count, 2);
            for (size_t k = 0; k < 2; k++) {
                assert_int_equal(line->taken[k].kind, LAB_SEGMENT);
                assert_int_equal(line->taken[k].host, LAB_CLIENT);
                assert_int_equal(line->taken[k].at_ns, 1000 * NS_PER_S + (k ? wires_ns[i] : 0));
                assert_int_equal(line->taken[k].passage, k ? LAB_CAME : LAB_DELAYED);
            }
        }
}

static void a_segment_that_comes_late_is_what_it_was_when_it_left(void **state) {
    (void)state;
    for (int far_end_first = 0; far_end_first < 2; far_end_first++) {
        struct line *line = line_new();
        struct segment again = segment;
        const int64_t at_ns = 1000 * NS_PER_S;

        again.id++;
        timeline_add_segment(&line->timeline, LAB_CLIENT, true, &segment, at_ns - 1);
        if (far_end_first)
            timeline_add_segment(&line->timeline, LAB_SERVER, false, &again, at_ns + NS_PER_S);
        timeline_add_segment(&line->timeline, LAB_CLIENT, true, &again, at_ns);
        if (!far_end_first)
            timeline_add_segment(&line->timeline, LAB_SERVER, false, &again, at_ns + NS_PER_S);
        timeline_flush(&line->timeline, INT64_MAX);
        assert_int_equal(line->count, 3);
        assert_int_equal(line->taken[0].segment.kind, SEGMENT_NEW);
        assert_int_equal(line->taken[0].passage, LAB_LOST);
        assert_int_equal(line->taken[1].segment.kind, SEGMENT_RETRANSMISSION);
        assert_int_equal(line->taken[1].passage, LAB_DELAYED);
        assert_int_equal(line->taken[2].segment.kind, SEGMENT_RETRANSMISSION);
        assert_int_equal(line->taken[2].passage, LAB_CAME);
    }
}

static void a_segment_that_was_not_seen_to_arrive_is_lost(void **state) {
    struct line *line = line_new();

    (void)state;
    timeline_add_segment(&line->timeline, LAB_CLIENT, true, &segment, 1);
    timeline_flush(&line->timeline, INT64_MAX);
    assert_int_equal(line->count, 1);
    assert_int_equal(line->taken[0].host, LAB_CLIENT);
    assert_int_equal(line->taken[0].passage, LAB_LOST);
}

static void a_segment_that_was_not_seen_to_leave_has_come(void **state) {
    struct line *line = line_new();

    (void)state;
    timeline_add_segment(&line->timeline, LAB_CLIENT, false, &segment, 1);
    timeline_flush(&line->timeline, INT64_MAX);
    assert_int_equal(line->count, 1);
    assert_int_equal(line->taken[0].host, LAB_SERVER);
    assert_int_equal(line->taken[0].passage, LAB_CAME);
}

/* What is not the same on both links is two segments. */
static void segments_are_told_apart(void **state) {
    struct segment others[] = {segment, segment, segment, segment, segment, segment};

    (void)state;
    others[0].id++;
    others[1].from++;
    others[2].seq++;
    others[3].ack++;
    others[4].flags |= SEGMENT_FIN;
    others[5].len++;
    for (size_t i = 0; i < COUNT(others); i++) {
        struct line *line = line_new();

        timeline_add_segment(&line->timeline, LAB_CLIENT, true, &segment, 1);
        timeline_add_segment(&line->timeline, LAB_SERVER, false, &others[i], 1);
        timeline_flush(&line->timeline, INT64_MAX);
        assert_int_equal(line->count, 2);
        assert_int_equal(line->taken[0].passage, LAB_LOST);
        assert_int_equal(line->taken[1].passage, LAB_CAME);
    }
}

/* What a segment is to its sender, who is at the other link has not found out. */
static void the_kind_does_not_tell_segments_apart(void **state) {
    struct line *line = line_new();
    struct segment other = segment;

    (void)state;
    other.kind = SEGMENT_KEEPALIVE;
    timeline_add_segment(&line->timeline, LAB_CLIENT, true, &segment, 1);
    timeline_add_segment(&line->timeline, LAB_SERVER, false, &other, 1);
    timeline_flush(&line->timeline, INT64_MAX);
    assert_int_equal(line->count, 1);
    assert_int_equal(line->taken[0].segment.kind, SEGMENT_NEW);
}

static void each_end_sends_a_stream_of_its_own(void **state) {
    struct line *line = line_new();
    struct segment back = segment;
    const size_t kinds = 4;

    (void)state;
    back.from = 2;
    back.to = 1;
    /* The numbers are the same, and the server has not sent them before. */
    timeline_add_segment(&line->timeline, LAB_CLIENT, true, &segment, 1);
    timeline_add_segment(&line->timeline, LAB_SERVER, true, &back, 2);
    timeline_add_segment(&line->timeline, LAB_CLIENT, true, &segment, 3);
    timeline_add_segment(&line->timeline, LAB_SERVER, true, &back, 4);
    timeline_flush(&line->timeline, INT64_MAX);
    assert_int_equal(line->count, kinds);
    for (size_t i = 0; i < kinds; i++) {
        assert_int_equal(line->taken[i].host, i % 2 ? LAB_SERVER : LAB_CLIENT);
        assert_int_equal(line->taken[i].segment.kind, i < 2 ? SEGMENT_NEW : SEGMENT_RETRANSMISSION);
    }
}

/* What the client's probe is after the server's segment with this window. */
static enum segment_kind probe_after(uint8_t flags, uint16_t window) {
    const struct segment told = {.flags = flags, .from = 2, .seq = 5, .window = window};
    struct segment probe = segment;
    struct line *line = line_new();

    probe.seq += probe.len - 1;
    probe.len = 0;
    timeline_add_segment(&line->timeline, LAB_CLIENT, true, &segment, 1);
    timeline_add_segment(&line->timeline, LAB_SERVER, true, &told, 2);
    timeline_add_segment(&line->timeline, LAB_CLIENT, true, &probe, 3);
    timeline_flush(&line->timeline, INT64_MAX);
    assert_int_equal(line->count, 3);
    return line->taken[2].segment.kind;
}

static void a_probe_is_of_the_window_that_the_other_end_told(void **state) {
    (void)state;
    assert_int_equal(probe_after(SEGMENT_ACK, 0), SEGMENT_WINDOW_PROBE);
    assert_int_equal(probe_after(SEGMENT_ACK, 1), SEGMENT_KEEPALIVE);
    /* A RST has no window. */
    assert_int_equal(probe_after(SEGMENT_RST, 0), SEGMENT_KEEPALIVE);
}

static void an_icmp_error_stays_at_the_host_where_it_was_seen(void **state) {
    const struct segment error = {.icmp = true, .icmp_type = 3, .icmp_code = 1, .id = 9};
    struct line *line = line_new();

    (void)state;
    timeline_add_segment(&line->timeline, LAB_CLIENT, false, &error, 1);
    timeline_add_segment(&line->timeline, LAB_SERVER, true, &error, 1);
    timeline_flush(&line->timeline, INT64_MAX);
    assert_int_equal(line->count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(line->taken[i].kind, LAB_ICMP);
        assert_int_equal(line->taken[i].host, i ? LAB_SERVER : LAB_CLIENT);
        assert_int_equal(line->taken[i].segment.icmp_code, 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moments_come_out_by_their_times),
        cmocka_unit_test(moments_of_one_time_come_out_as_they_were_told),
        cmocka_unit_test(a_moment_waits_for_those_that_are_told_late),
        cmocka_unit_test(no_moment_is_lost_for_want_of_room),
        cmocka_unit_test(a_segment_that_was_seen_on_both_links_is_one),
        cmocka_unit_test(a_segment_that_was_kept_leaves_and_comes),
        cmocka_unit_test(a_segment_that_comes_late_is_what_it_was_when_it_left),
        cmocka_unit_test(a_segment_that_was_not_seen_to_arrive_is_lost),
        cmocka_unit_test(a_segment_that_was_not_seen_to_leave_has_come),
        cmocka_unit_test(segments_are_told_apart),
        cmocka_unit_test(the_kind_does_not_tell_segments_apart),
        cmocka_unit_test(each_end_sends_a_stream_of_its_own),
        cmocka_unit_test(a_probe_is_of_the_window_that_the_other_end_told),
        cmocka_unit_test(an_icmp_error_stays_at_the_host_where_it_was_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
