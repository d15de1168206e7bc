/* SPDX-License-Identifier: MIT
 *
 * The lab's picture, to the last blank, and its JSON.
 */
#include "output/output.h"

#include "shown.h"
#include "unit.h"

#include "units/clock.h"
#include "units/duration.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define MS(ms) ((int64_t)((ms)*NS_PER_MS))

static const struct lab_scenario scenario = {
    .name = "made-up",
    .sentence = "all that can be drawn happens",
    .why = "A paragraph that does not fit into one line is broken between two of its words, and "
           "goes on below the first of them.",
    .advice = "None.",
    .promise = LAB_GIVE_UP_SENDING,
    .setting = "tcp_retries2",
};

static void tell(struct output *output, const struct lab_moment *moment) {
    const struct lab_event event = {
        .kind = LAB_EVENT_MOMENT, .at_ns = clock_now(), .scenario = &scenario, .moment = *moment};

    output_lab(output, &event);
}

static struct lab_moment segment_of(enum lab_host host, int64_t at_ns, uint8_t flags, uint32_t len,
                                    enum lab_passage passage) {
    return (struct lab_moment){.kind = LAB_SEGMENT,
                               .host = host,
                               .at_ns = at_ns,
                               .segment = {.flags = flags, .len = len, .window = 502},
                               .passage = passage};
}

static struct lab_moment told_of(enum lab_host host, int64_t at_ns, enum endpoint_event_kind kind,
                                 const char *syscall, int error) {
    struct lab_moment moment = {
        .kind = LAB_TOLD, .host = host, .at_ns = at_ns, .told = {.kind = kind, .error = error}};

    snprintf(moment.told.syscall, sizeof(moment.told.syscall), "%s", syscall);
    moment.told.cause = tcp_ending_of_errno(error);
    return moment;
}

static struct lab_moment action_of(enum lab_host host, int64_t at_ns, const char *text) {
    struct lab_moment moment = {.kind = LAB_DID, .host = host, .at_ns = at_ns};

    snprintf(moment.text, sizeof(moment.text), "%s", text);
    return moment;
}

static struct lab_moment state_of(enum lab_host host, int64_t at_ns, enum tcp_state from,
                                  enum tcp_state to) {
    struct lab_moment moment = {
        .kind = LAB_STATE, .host = host, .at_ns = at_ns, .from = from, .to = to};

    moment.skipped_count = tcp_state_skipped(from, to, moment.skipped);
    return moment;
}

static struct lab_moment icmp_of(enum lab_host host, int64_t at_ns, uint8_t type, uint8_t code) {
    return (struct lab_moment){.kind = LAB_ICMP,
                               .host = host,
                               .at_ns = at_ns,
                               .segment = {.icmp = true, .icmp_type = type, .icmp_code = code}};
}

/* What was written must be this. */
static void check_text(struct output *output, const char *expected) {
    char *text = take_text(output);

    assert_string_equal(text, expected);
    free(text);
}

/* One moment, drawn in ASCII. To be freed by the caller. */
static char *draw(const struct lab_moment *moment) {
    struct output output = {.ascii = true};

    tell(&output, moment);
    return take_text(&output);
}

static void tell_all(struct output *output) {
    const struct lab_event begun = {.kind = LAB_EVENT_BEGUN, .scenario = &scenario};
    const struct lab_event waiting = {.kind = LAB_EVENT_WAITING, .scenario = &scenario};
    const uint8_t ack = SEGMENT_ACK, fin = SEGMENT_ACK | SEGMENT_FIN;
    const struct lab_moment moments[] = {
        told_of(LAB_SERVER, MS(5), ENDPOINT_LISTENING, "", 0),
        segment_of(LAB_CLIENT, MS(70), SEGMENT_SYN, 0, LAB_ARRIVED),
        segment_of(LAB_SERVER, MS(70.1), SEGMENT_SYN | ack, 0, LAB_ARRIVED),
        segment_of(LAB_CLIENT, MS(71), ack, 6, LAB_LOST),
        segment_of(LAB_SERVER, MS(71.6), ack, 1, LAB_LOST),
        segment_of(LAB_CLIENT, MS(72), fin, 0, LAB_DELAYED),
        segment_of(LAB_SERVER, MS(73), fin, 6, LAB_DELAYED),
        segment_of(LAB_CLIENT, MS(74), fin, 0, LAB_CAME),
        segment_of(LAB_SERVER, MS(75), fin, 6, LAB_CAME),
        icmp_of(LAB_CLIENT, MS(80), 3, 1),
        icmp_of(LAB_SERVER, MS(81), 3, 0),
        icmp_of(LAB_CLIENT, MS(82), 11, 0),
        icmp_of(LAB_CLIENT, MS(83), 3, 13),
        action_of(LAB_CLIENT, MS(90), "a line is typed"),
        action_of(LAB_ROUTER, MS(90), "drops what is for the server"),
        action_of(LAB_SERVER, MS(90), "SIGKILL to the server"),
        state_of(LAB_CLIENT, MS(91), TCP_STATE_SYN_SENT, TCP_STATE_ESTABLISHED),
        state_of(LAB_CLIENT, MS(2091), TCP_STATE_ESTABLISHED, TCP_STATE_TIME_WAIT),
        state_of(LAB_SERVER, MS(12345.6), TCP_STATE_ESTABLISHED, TCP_STATE_LAST_ACK),
        told_of(LAB_CLIENT, MS(1234567), ENDPOINT_CLOSED, "read", ETIMEDOUT),
    };

    output_lab(output, &begun);
    for (size_t i = 0; i < COUNT(moments); i++) {
        tell(output, &moments[i]);
        /* It is not part of the picture. */
        output_lab(output, &waiting);
    }
}

static void the_picture_is_drawn_in_utf8(void **state) {
    struct output output = {.ascii = false};

    (void)state;
    tell_all(&output);
    check_text(
        &output,
        "made-up: all that can be drawn happens\n"
        "\n"
        "    TIME CLIENT 10.0.1.2                              ROUTER               SERVER "
        "10.0.2.2\n"
        "   0.005                                │                                │ listen()\n"
        "   0.070                                │───────────── SYN ─────────────▶│\n"
        "   0.070                                │◀─────────── SYN, ACK ──────────│\n"
        "   0.071                                │─────── 6 bytes ───────╳        │\n"
        "   0.072                                │        ╳──────── 1 byte ───────│\n"
        "   0.072                                │───────── FIN ─────────┊        │\n"
        "   0.073                                │        ┊───── 6 bytes, FIN ────│\n"
        "   0.074                                │        ┊──────── FIN ─────────▶│\n"
        "   0.075                                │◀──── 6 bytes, FIN ────┊        │\n"
        "   0.080                                │◀ ICMP host unreachable         │\n"
        "   0.081                                │         ICMP net unreachable ─▶│\n"
        "   0.082                                │◀── ICMP time exceeded ─        │\n"
        "   0.083                                │◀─── ICMP unreachable ──        │\n"
        "   0.090 * a line is typed              │                                │\n"
        "   0.090                                │ * drops what is for the server │\n"
        "   0.090                                │                                │ * SIGKILL to "
        "the server\n"
        "   0.091 ESTABLISHED                    │                                │\n"
        "   2.091 (FIN_WAIT1)                    │                                │\n"
        "   2.091 (FIN_WAIT2 or CLOSING)         │                                │\n"
        "   2.091 TIME_WAIT                      │                                │\n"
        "  12.346                                │                                │ (CLOSE_WAIT)\n"
        "  12.346                                │                                │ LAST_ACK\n"
        "1234.567 read(): ETIMEDOUT              │                                │\n");
}

static void the_picture_is_drawn_in_ascii(void **state) {
    struct output output = {.ascii = true};

    (void)state;
    tell_all(&output);
    check_text(
        &output,
        "made-up: all that can be drawn happens\n"
        "\n"
        "    TIME CLIENT 10.0.1.2                              ROUTER               SERVER "
        "10.0.2.2\n"
        "   0.005                                |                                | listen()\n"
        "   0.070                                |------------- SYN ------------->|\n"
        "   0.070                                |<----------- SYN, ACK ----------|\n"
        "   0.071                                |------- 6 bytes -------x        |\n"
        "   0.072                                |        x-------- 1 byte -------|\n"
        "   0.072                                |--------- FIN ---------:        |\n"
        "   0.073                                |        :----- 6 bytes, FIN ----|\n"
        "   0.074                                |        :-------- FIN --------->|\n"
        "   0.075                                |<---- 6 bytes, FIN ----:        |\n"
        "   0.080                                |< ICMP host unreachable         |\n"
        "   0.081                                |         ICMP net unreachable ->|\n"
        "   0.082                                |<-- ICMP time exceeded -        |\n"
        "   0.083                                |<--- ICMP unreachable --        |\n"
        "   0.090 * a line is typed              |                                |\n"
        "   0.090                                | * drops what is for the server |\n"
        "   0.090                                |                                | * SIGKILL to "
        "the server\n"
        "   0.091 ESTABLISHED                    |                                |\n"
        "   2.091 (FIN_WAIT1)                    |                                |\n"
        "   2.091 (FIN_WAIT2 or CLOSING)         |                                |\n"
        "   2.091 TIME_WAIT                      |                                |\n"
        "  12.346                                |                                | (CLOSE_WAIT)\n"
        "  12.346                                |                                | LAST_ACK\n"
        "1234.567 read(): ETIMEDOUT              |                                |\n");
}

static void the_words_of_a_process(void **state) {
    static const struct {
        enum endpoint_event_kind kind;
        int error;
        bool again;
        const char *syscall, *detail, *words;
    } rows[] = {
        {ENDPOINT_LISTENING, 0, false, "", "", "listen()"},
        {ENDPOINT_CONNECTED, 0, false, "", "", "connect() = 0"},
        {ENDPOINT_ACCEPTED, 0, false, "", "", "accept()"},
        {ENDPOINT_STAYING, 0, false, "read", "", "read() = 0, goes on"},
        {ENDPOINT_CLOSED, 0, false, "read", "", "read() = 0, close()"},
        {ENDPOINT_CLOSED, 0, true, "read", "", "close()"},
        {ENDPOINT_CLOSED, 0, true, "read", "it was enough", "it was enough"},
        {ENDPOINT_CLOSED, 0, false, "", "", "close()"},
        {ENDPOINT_CLOSED, 0, false, "", "SIGTERM", "SIGTERM"},
        {ENDPOINT_CLOSED, EPIPE, false, "write", "", "write(): EPIPE"},
        {ENDPOINT_CLOSED, ECONNREFUSED, true, "connect", "", "connect(): ECONNREFUSED"},
        {ENDPOINT_CLOSED, EBADF, false, "read", "", "read(): an error"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        for (int host = LAB_CLIENT; host <= LAB_SERVER; host++) {
            struct lab_moment moment =
                told_of((enum lab_host)host, MS(1), rows[i].kind, rows[i].syscall, rows[i].error);
            char expected[256], *text;

            moment.told.again = rows[i].again;
            snprintf(moment.told.detail, sizeof(moment.told.detail), "%s", rows[i].detail);
            if (host == LAB_CLIENT)
                snprintf(expected, sizeof(expected), "   0.001 %-31s|%32s|\n", rows[i].words, "");
            else
                snprintf(expected, sizeof(expected), "   0.001 %31s|%32s| %s\n", "", "",
                         rows[i].kind == ENDPOINT_STAYING ? "read() = 0, and no close()"
                                                          : rows[i].words);
            text = draw(&moment);
            assert_string_equal(text, expected);
            free(text);
        }
}

static void words_that_are_too_long_move_the_wire(void **state) {
    struct lab_moment moment = action_of(LAB_CLIENT, 0, "a word, another, a third, and 31 more");
    char *text = draw(&moment);

    (void)state;
    assert_string_equal(text, "   0.000 * a word, another, a third, and 31 more |"
                              "                                |\n");
    free(text);
}

static void a_segment_says_what_it_is(void **state) {
    static const struct {
        enum segment_kind kind;
        uint8_t flags;
        uint32_t len;
        uint16_t window;
        const char *words;
    } rows[] = {
        {SEGMENT_NEW, SEGMENT_SYN, 0, 64240, "SYN"},
        {SEGMENT_NEW, SEGMENT_SYN | SEGMENT_ACK, 0, 65160, "SYN, ACK"},
        {SEGMENT_NEW, SEGMENT_ACK, 0, 1, "ACK"},
        {SEGMENT_NEW, SEGMENT_ACK, 0, 0, "ACK, window 0"},
        {SEGMENT_NEW, SEGMENT_ACK, 1, 502, "1 byte"},
        {SEGMENT_NEW, SEGMENT_ACK, 65495, 502, "65495 bytes"},
        {SEGMENT_NEW, SEGMENT_ACK, 6, 0, "6 bytes, window 0"},
        {SEGMENT_NEW, SEGMENT_ACK | SEGMENT_FIN, 0, 502, "FIN"},
        {SEGMENT_NEW, SEGMENT_ACK | SEGMENT_FIN, 6, 502, "6 bytes, FIN"},
        {SEGMENT_NEW, SEGMENT_RST, 0, 0, "RST"},
        {SEGMENT_NEW, SEGMENT_RST | SEGMENT_ACK, 0, 0, "RST"},
        {SEGMENT_RETRANSMISSION, SEGMENT_SYN, 0, 64240, "again: SYN"},
        {SEGMENT_RETRANSMISSION, SEGMENT_ACK, 6, 502, "again: 6 bytes"},
        {SEGMENT_RETRANSMISSION, SEGMENT_ACK | SEGMENT_FIN, 0, 502, "again: FIN"},
        {SEGMENT_KEEPALIVE, SEGMENT_ACK, 0, 502, "keepalive probe"},
        {SEGMENT_WINDOW_PROBE, SEGMENT_ACK, 0, 502, "window probe"},
        {SEGMENT_WINDOW_PROBE, SEGMENT_ACK, 0, 0, "window probe"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        for (int host = LAB_CLIENT; host <= LAB_SERVER; host++)
            for (int passage = LAB_ARRIVED; passage <= LAB_CAME; passage++) {
                struct lab_moment moment = segment_of((enum lab_host)host, MS(1), rows[i].flags,
                                                      rows[i].len, (enum lab_passage)passage);
                char words[64], *text;

                moment.segment.kind = rows[i].kind;
                moment.segment.window = rows[i].window;
                snprintf(words, sizeof(words), "- %s -", rows[i].words);
                text = draw(&moment);
                if (!strstr(text, words))
                    fail_msg("%s, not \"%s\"", text, words);
                /* It keeps to its column. */
                assert_int_equal(strlen(text), 9 + 31 + 1 + 32 + 1 + 1);
                assert_int_equal(text[9 + 31], '|');
                assert_int_equal(text[9 + 31 + 33], '|');
                free(text);
            }
}

/* How often `part` is in `text`. */
static size_t count_of(const char *text, const char *part) {
    size_t count = 0;

    for (; (text = strstr(text, part)); text++)
        count++;
    return count;
}

static void plain_segments_are_counted_from_the_seventh_on(void **state) {
    static const struct {
        int segments;
        const char *more;
    } rows[] = {{6, NULL},
                {7, " 1 more segment "},
                {8, " 2 more segments "},
                {1006, " 1000 more segments "}};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct output output = {.ascii = true};
        const struct lab_moment action = action_of(LAB_CLIENT, MS(9), "something else");
        char *text;

        /* Twice, as the count begins anew. */
        for (int round = 0; round < 2; round++) {
            for (int k = 0; k < rows[i].segments; k++) {
                const struct lab_moment moment =
                    segment_of(k % 2 ? LAB_SERVER : LAB_CLIENT, MS(1), SEGMENT_ACK, k % 2 ? 0 : 6,
                               LAB_ARRIVED);

                tell(&output, &moment);
            }
            tell(&output, &action);
        }
        text = take_text(&output);
        assert_int_equal(count_of(text, "- 6 bytes -"), 6);
        assert_int_equal(count_of(text, "- ACK -"), 6);
        assert_int_equal(count_of(text, "something else"), 2);
        assert_int_equal(count_of(text, " more segment"), rows[i].more ? 2 : 0);
        if (rows[i].more)
            assert_int_equal(count_of(text, rows[i].more), 2);
        free(text);
        output_free(&output);
    }
}

static void the_count_stands_in_the_middle_of_the_wire(void **state) {
    struct output output = {.ascii = true};
    const struct lab_moment plain = segment_of(LAB_CLIENT, MS(1), SEGMENT_ACK, 6, LAB_ARRIVED);
    const struct lab_moment reset = segment_of(LAB_SERVER, MS(2), SEGMENT_RST, 0, LAB_ARRIVED);
    char *text;

    (void)state;
    for (int i = 0; i < 16; i++)
        tell(&output, &plain);
    tell(&output, &reset);
    text = take_text(&output);
    assert_non_null(strstr(text, "\n                                        |"
                                 "        10 more segments        |\n   0.002 "));
    free(text);
}

static void what_tells_more_than_data_is_always_drawn(void **state) {
    struct lab_moment moments[6];
    struct output output = {.ascii = true};
    char *text;

    (void)state;
    for (size_t i = 0; i < COUNT(moments); i++)
        moments[i] = segment_of(LAB_CLIENT, MS(1), SEGMENT_ACK, 6, LAB_ARRIVED);
    moments[0].segment.flags |= SEGMENT_FIN;
    moments[1].segment.window = 0;
    moments[2].segment.kind = SEGMENT_RETRANSMISSION;
    moments[3].passage = LAB_LOST;
    moments[4].passage = LAB_CAME;
    moments[5].segment.flags |= SEGMENT_SYN;
    for (size_t i = 0; i < COUNT(moments); i++)
        for (int k = 0; k < 20; k++)
            tell(&output, &moments[i]);
    text = take_text(&output);
    assert_int_equal(count_of(text, "\n"), 20 * COUNT(moments));
    assert_int_equal(count_of(text, "more segments"), 0);
    free(text);
}

static struct lab_event result_of(bool pass) {
    struct lab_event event = {
        .kind = LAB_EVENT_DONE,
        .at_ns = clock_now(),
        .scenario = &scenario,
        .result = {.expected_count = {3, 1},
                   .observed_count = {3, 1},
                   .expected = {{{TCP_STATE_BIT(TCP_STATE_ESTABLISHED), false},
                                 {TCP_STATE_BIT(TCP_STATE_FIN_WAIT1), true},
                                 {TCP_STATE_BIT(TCP_STATE_CLOSE), false}},
                                {{TCP_STATE_BIT(TCP_STATE_ESTABLISHED), false}}},
                   .observed = {{{TCP_STATE_BIT(TCP_STATE_ESTABLISHED), false},
                                 {TCP_STATE_BIT(TCP_STATE_FIN_WAIT2) |
                                      TCP_STATE_BIT(TCP_STATE_CLOSING),
                                  true},
                                 {TCP_STATE_BIT(TCP_STATE_CLOSE), false}},
                                {{TCP_STATE_BIT(TCP_STATE_ESTABLISHED), false}}},
                   .tells = true,
                   .was_told = true,
                   .expected_told = {.cause = TCP_ENDING_TIMED_OUT,
                                     .error = ETIMEDOUT,
                                     .syscall = "read"},
                   .told = {.cause = TCP_ENDING_TIMED_OUT, .error = ETIMEDOUT, .syscall = "read"},
                   .took_ns = MS(1530.26),
                   .predicted_ns = MS(1428),
                   .own_ns = 925 * NS_PER_S,
                   .own_setting = 15,
                   .lab_setting = -1,
                   .duration_ns = MS(1999.9),
                   .pass = pass},
    };

    if (!pass) {
        event.result.observed_count[LAB_SERVER] = 0;
        event.result.was_told = false;
        event.result.took_ns = -1;
        snprintf(event.result.failure, sizeof(event.result.failure), "%s",
                 "server: ESTABLISHED was expected, and nothing was seen");
    }
    return event;
}

static void a_scenario_that_passes(void **state) {
    const struct lab_event event = result_of(true);
    struct output output = {.ascii = true};

    (void)state;
    output_lab(&output, &event);
    check_text(&output,
               "\n"
               "  expected  client  ESTABLISHED  (FIN_WAIT1)  CLOSE\n"
               "  observed  client  ESTABLISHED  (FIN_WAIT2 or CLOSING)  CLOSE\n"
               "  expected  server  ESTABLISHED\n"
               "  observed  server  ESTABLISHED\n"
               "  told      read() fails with ETIMEDOUT: timed out\n"
               "  time      1.53 s; predicted: 1.43 s; with this host's tcp_retries2 = 15: 925 s\n"
               "  why       A paragraph that does not fit into one line is broken between two of "
               "its words, and\n"
               "            goes on below the first of them.\n"
               "  in code   None.\n"
               "  passed: made-up\n"
               "\n");
    output_lab_summary(&output);
    check_text(&output, "1 passed, 0 failed\n");
}

static void a_scenario_that_fails(void **state) {
    const struct lab_event event = result_of(false);
    struct output output = {.ascii = true};

    (void)state;
    output_lab(&output, &event);
    check_text(
        &output,
        "\n"
        "  expected  client  ESTABLISHED  (FIN_WAIT1)  CLOSE\n"
        "  observed  client  ESTABLISHED  (FIN_WAIT2 or CLOSING)  CLOSE\n"
        "  expected  server  ESTABLISHED\n"
        "  observed  server  nothing\n"
        "  told      no process is told of an end\n"
        "  time      not known; predicted: 1.43 s; with this host's tcp_retries2 = 15: 925 s\n"
        "  why       A paragraph that does not fit into one line is broken between two of its "
        "words, and\n"
        "            goes on below the first of them.\n"
        "  in code   None.\n"
        "  FAILED: made-up: server: ESTABLISHED was expected, and nothing was seen\n"
        "\n");
    output_lab_summary(&output);
    check_text(&output, "0 passed, 1 failed\n");
}

/* The line that begins with this label. */
static void check_line(const struct lab_event *event, const char *label, const char *expected) {
    struct output output = {.ascii = true};
    char *text, *line, *end;

    output_lab(&output, event);
    text = take_text(&output);
    line = strstr(text, label);
    assert_non_null(line);
    end = strchr(line, '\n');
    assert_non_null(end);
    *end = '\0';
    assert_string_equal(line + strlen(label), expected);
    free(text);
}

static void the_words_of_a_time(void **state) {
    struct lab_scenario other = scenario;
    struct lab_event event = result_of(true);

    (void)state;
    event.scenario = &other;
    /* The same as here. */
    event.result.own_ns = event.result.predicted_ns;
    check_line(&event, "  time      ", "1.53 s; predicted: 1.43 s");
    /* This kernel does not have it. */
    event.result.own_ns = NS_PER_S;
    event.result.own_setting = -1;
    check_line(&event, "  time      ", "1.53 s; predicted: 1.43 s");
    event.result.took_ns = MS(123456);
    event.result.predicted_ns = MS(99990);
    check_line(&event, "  time      ", "123 s; predicted: 99.99 s");
    other.promise = LAB_AT_ONCE;
    other.setting = NULL;
    event.result.took_ns = MS(0.26);
    event.result.predicted_ns = 0;
    check_line(&event, "  time      ", "at once: 0.3 ms");
    other.promise = LAB_NEVER;
    event.result.took_ns = MS(3000);
    event.result.predicted_ns = -1;
    check_line(&event, "  time      ", "never: nothing had happened after 3.00 s");
}

static void the_words_of_what_was_told(void **state) {
    struct lab_event event = result_of(true);

    (void)state;
    event.result.told = (struct lab_told){.cause = TCP_ENDING_PEER_CLOSE, .syscall = "read"};
    check_line(&event, "  told      ", "read() returns 0: the peer closed (FIN)");
    event.result.told =
        (struct lab_told){.cause = TCP_ENDING_RESET, .error = EPIPE, .syscall = "write"};
    check_line(&event, "  told      ", "write() fails with EPIPE: reset");
    event.result.told = (struct lab_told){.cause = TCP_ENDING_REFUSED};
    check_line(&event, "  told      ", "refused");
    event.result.was_told = false;
    check_line(&event, "  told      ", "no process is told of an end");
}

static void the_count_ends_with_the_scenario(void **state) {
    const struct lab_moment plain = segment_of(LAB_CLIENT, MS(1), SEGMENT_ACK, 6, LAB_ARRIVED);
    const struct lab_event event = result_of(true);
    struct output output = {.ascii = true};
    char *text;

    (void)state;
    for (int i = 0; i < 9; i++)
        tell(&output, &plain);
    output_lab(&output, &event);
    text = take_text(&output);
    assert_non_null(strstr(text, "3 more segments"));
    assert_true(strstr(text, "3 more segments") < strstr(text, "  expected"));
    free(text);
}

/* Colours do not take room, and are ended on the line where they begin. */
static void colours_are_off_and_on(void **state) {
    static const struct {
        const char *plain, *colored;
    } rows[] = {
        {"   0.090 * a line is typed              |",
         "   0.090 \033[1m* a line is typed\033[0m              |"},
        {"| * SIGKILL to the server\n", "| \033[1m* SIGKILL to the server\033[0m\n"},
        {"   0.091 ESTABLISHED                    |",
         "   0.091 \033[32mESTABLISHED\033[0m                    |"},
        {"   2.091 (FIN_WAIT1)                    |", "   2.091 (FIN_WAIT1)                    |"},
        {"   2.091 TIME_WAIT                      |",
         "   2.091 \033[2mTIME_WAIT\033[0m                      |"},
        {"\n  passed: made-up\n", "\n\033[32m  passed: made-up\033[0m\n"},
        {"\n  FAILED: made-up: server: ESTABLISHED was expected, and nothing was seen\n",
         "\n\033[1;31m  FAILED: made-up: server: ESTABLISHED was expected, and nothing was "
         "seen\033[0m\n"},
    };
    struct output plain = {.ascii = true}, colored = {.ascii = true, .color = true};
    char *plain_text, *colored_text, *bare;
    size_t len = 0;

    (void)state;
    for (int on = 0; on < 2; on++) {
        struct output *output = on ? &colored : &plain;
        const struct lab_event passed = result_of(true), failed = result_of(false);

        tell_all(output);
        output_lab(output, &passed);
        output_lab(output, &failed);
    }
    plain_text = take_text(&plain);
    colored_text = take_text(&colored);
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (!strstr(plain_text, rows[i].plain))
            fail_msg("\"%s\" is not in %s", rows[i].plain, plain_text);
        if (!strstr(colored_text, rows[i].colored))
            fail_msg("\"%s\" is not in %s", rows[i].colored, colored_text);
    }
    assert_null(strchr(plain_text, '\033'));
    /* Without them it is the same. */
    bare = calloc(1, strlen(colored_text) + 1);
    assert_non_null(bare);
    for (const char *at = colored_text; *at; at++)
        if (*at == '\033')
            at += strcspn(at, "m");
        else
            bare[len++] = *at;
    assert_string_equal(bare, plain_text);
    free(bare);
    free(plain_text);
    free(colored_text);
}

static void a_listed_scenario(void **state) {
    struct output text = {.json = false}, json = {.json = true};
    json_t *object;

    (void)state;
    output_lab_scenario(&text, &scenario);
    check_text(&text, "made-up                      all that can be drawn happens\n");
    output_lab_scenario(&json, &scenario);
    object = take_object(&json);
    assert_string_equal(text_in(object, "event"), "listed");
    assert_string_equal(text_in(object, "name"), "made-up");
    assert_string_equal(text_in(object, "sentence"), "all that can be drawn happens");
    json_decref(object);
}

/* The object of a moment or a result, less the time stamp, in the order in which it is written,
 * must be this. */
static void check_json(const struct lab_event *event, const char *expected) {
    struct output output = {.json = true};
    json_t *object;
    char *text;

    output_lab(&output, event);
    object = take_object(&output);
    assert_int_equal(json_object_del(object, "ts"), 0);
    text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(12));
    assert_string_equal(text, expected);
    free(text);
    json_decref(object);
}

static void check_moment(struct lab_moment moment, const char *expected) {
    const struct lab_event event = {
        .kind = LAB_EVENT_MOMENT, .at_ns = clock_now(), .scenario = &scenario, .moment = moment};
    char whole[512];

    snprintf(whole, sizeof(whole), "{\"event\":\"moment\",\"name\":\"made-up\",%s}", expected);
    check_json(&event, whole);
}

static void a_moment_is_told_in_json(void **state) {
    struct lab_moment probe = segment_of(LAB_CLIENT, MS(1000.26), SEGMENT_ACK, 0, LAB_LOST);
    struct lab_moment again =
        segment_of(LAB_SERVER, MS(1), SEGMENT_SYN | SEGMENT_ACK, 0, LAB_DELAYED);
    struct lab_moment told = told_of(LAB_CLIENT, MS(1), ENDPOINT_STAYING, "read", 0);

    (void)state;
    check_moment(action_of(LAB_ROUTER, 0, "drops what is for the server"),
                 "\"at_ms\":0.0,\"kind\":\"action\",\"host\":\"router\","
                 "\"action\":\"drops what is for the server\"");
    check_moment(told_of(LAB_SERVER, MS(4.96), ENDPOINT_LISTENING, "", 0),
                 "\"at_ms\":4.9,\"kind\":\"told\",\"host\":\"server\",\"told\":\"listening\"");
    check_moment(told_of(LAB_CLIENT, MS(1), ENDPOINT_CONNECTED, "", 0),
                 "\"at_ms\":1.0,\"kind\":\"told\",\"host\":\"client\",\"told\":\"connected\"");
    check_moment(told_of(LAB_SERVER, MS(1), ENDPOINT_ACCEPTED, "", 0),
                 "\"at_ms\":1.0,\"kind\":\"told\",\"host\":\"server\",\"told\":\"accepted\"");
    check_moment(told_of(LAB_CLIENT, MS(1), ENDPOINT_CLOSED, "read", ETIMEDOUT),
                 "\"at_ms\":1.0,\"kind\":\"told\",\"host\":\"client\",\"told\":\"closed\","
                 "\"cause\":\"timed-out\",\"error\":\"ETIMEDOUT\",\"syscall\":\"read\"");
    told.told.cause = TCP_ENDING_PEER_CLOSE;
    check_moment(told, "\"at_ms\":1.0,\"kind\":\"told\",\"host\":\"client\",\"told\":\"staying\","
                       "\"cause\":\"peer-close\",\"syscall\":\"read\"");
    check_moment(state_of(LAB_CLIENT, MS(1), TCP_STATE_SYN_SENT, TCP_STATE_ESTABLISHED),
                 "\"at_ms\":1.0,\"kind\":\"state\",\"host\":\"client\",\"state\":\"ESTABLISHED\"");
    check_moment(state_of(LAB_SERVER, MS(1), TCP_STATE_ESTABLISHED, TCP_STATE_TIME_WAIT),
                 "\"at_ms\":1.0,\"kind\":\"state\",\"host\":\"server\",\"state\":\"TIME_WAIT\","
                 "\"skipped\":[\"FIN_WAIT1\",\"FIN_WAIT2|CLOSING\"]");
    check_moment(segment_of(LAB_CLIENT, MS(1), SEGMENT_ACK | SEGMENT_FIN | 8, 6, LAB_ARRIVED),
                 "\"at_ms\":1.0,\"kind\":\"segment\",\"host\":\"client\","
                 "\"flags\":[\"FIN\",\"ACK\"],\"segment\":\"new\",\"bytes\":6,\"window\":502,"
                 "\"passage\":\"arrived\"");
    again.segment.kind = SEGMENT_RETRANSMISSION;
    check_moment(again, "\"at_ms\":1.0,\"kind\":\"segment\",\"host\":\"server\","
                        "\"flags\":[\"SYN\",\"ACK\"],\"segment\":\"retransmission\",\"bytes\":0,"
                        "\"window\":502,\"passage\":\"delayed\"");
    probe.segment.kind = SEGMENT_KEEPALIVE;
    check_moment(probe, "\"at_ms\":1000.2,\"kind\":\"segment\",\"host\":\"client\","
                        "\"flags\":[\"ACK\"],\"segment\":\"keepalive-probe\",\"bytes\":0,"
                        "\"window\":502,\"passage\":\"lost\"");
    probe.segment.kind = SEGMENT_WINDOW_PROBE;
    probe.segment.flags = SEGMENT_RST;
    probe.segment.window = 0;
    probe.passage = LAB_CAME;
    check_moment(probe, "\"at_ms\":1000.2,\"kind\":\"segment\",\"host\":\"client\","
                        "\"flags\":[\"RST\"],\"segment\":\"window-probe\",\"bytes\":0,"
                        "\"window\":0,\"passage\":\"came\"");
    check_moment(icmp_of(LAB_CLIENT, MS(1), 3, 1),
                 "\"at_ms\":1.0,\"kind\":\"icmp\",\"host\":\"client\",\"type\":3,\"code\":1");
}

static void a_scenario_is_told_in_json(void **state) {
    struct lab_event passed = result_of(true), failed = result_of(false);
    struct lab_scenario never = scenario;

    (void)state;
    check_json(&passed,
               "{\"event\":\"scenario\",\"name\":\"made-up\","
               "\"expected\":{\"client\":[\"ESTABLISHED\",\"FIN_WAIT1\",\"CLOSE\"],"
               "\"server\":[\"ESTABLISHED\"],\"client_brief\":[\"FIN_WAIT1\"],"
               "\"cause\":\"timed-out\",\"error\":\"ETIMEDOUT\","
               "\"syscall\":\"read\",\"takes_ms\":1428.0},"
               "\"observed\":{\"client\":[\"ESTABLISHED\",\"FIN_WAIT2|CLOSING\",\"CLOSE\"],"
               "\"server\":[\"ESTABLISHED\"],\"client_unseen\":[\"FIN_WAIT2|CLOSING\"],"
               "\"cause\":\"timed-out\",\"error\":\"ETIMEDOUT\",\"syscall\":\"read\","
               "\"took_ms\":1530.2},\"pass\":true,\"setting\":\"tcp_retries2\","
               "\"own_setting\":15,\"own_takes_ms\":925000.0,"
               "\"why\":\"A paragraph that does not fit into one line is broken between two of its "
               "words, and goes on below the first of them.\",\"advice\":\"None.\","
               "\"duration_ms\":1999}");
    /* This kernel does not have the setting, and never ends it. */
    failed.result.own_setting = -1;
    failed.result.own_ns = -1;
    failed.result.took_ns = -1;
    check_json(&failed,
               "{\"event\":\"scenario\",\"name\":\"made-up\","
               "\"expected\":{\"client\":[\"ESTABLISHED\",\"FIN_WAIT1\",\"CLOSE\"],"
               "\"server\":[\"ESTABLISHED\"],\"client_brief\":[\"FIN_WAIT1\"],"
               "\"cause\":\"timed-out\",\"error\":\"ETIMEDOUT\","
               "\"syscall\":\"read\",\"takes_ms\":1428.0},"
               "\"observed\":{\"client\":[\"ESTABLISHED\",\"FIN_WAIT2|CLOSING\",\"CLOSE\"],"
               "\"server\":[],\"client_unseen\":[\"FIN_WAIT2|CLOSING\"]},"
               "\"pass\":false,"
               "\"failure\":\"server: ESTABLISHED was expected, and nothing was seen\","
               "\"setting\":\"tcp_retries2\",\"own_takes_ms\":null,"
               "\"why\":\"A paragraph that does not fit into one line is broken between two of its "
               "words, and goes on below the first of them.\",\"advice\":\"None.\","
               "\"duration_ms\":1999}");
    never.promise = LAB_NEVER;
    never.setting = NULL;
    passed.scenario = &never;
    passed.result.tells = passed.result.was_told = false;
    passed.result.predicted_ns = -1;
    passed.result.took_ns = 3 * NS_PER_S;
    passed.result.observed[LAB_CLIENT][1] = passed.result.expected[LAB_CLIENT][1];
    passed.result.observed[LAB_CLIENT][1].in_passing = false;
    check_json(&passed, "{\"event\":\"scenario\",\"name\":\"made-up\","
                        "\"expected\":{\"client\":[\"ESTABLISHED\",\"FIN_WAIT1\",\"CLOSE\"],"
                        "\"server\":[\"ESTABLISHED\"],\"client_brief\":[\"FIN_WAIT1\"],"
                        "\"takes_ms\":null},"
                        "\"observed\":{\"client\":[\"ESTABLISHED\",\"FIN_WAIT1\",\"CLOSE\"],"
                        "\"server\":[\"ESTABLISHED\"],\"took_ms\":3000.0},\"pass\":true,"
                        "\"why\":\"A paragraph that does not fit into one line is broken "
                        "between two of its words, and goes on below the first of them.\","
                        "\"advice\":\"None.\",\"duration_ms\":1999}");
}

static void only_moments_and_ends_are_told_in_json(void **state) {
    struct lab_event event = {.kind = LAB_EVENT_BEGUN, .scenario = &scenario};
    struct output output = {.json = true};

    (void)state;
    output_lab(&output, &event);
    event.kind = LAB_EVENT_WAITING;
    output_lab(&output, &event);
    output_lab_summary(&output);
    assert_int_equal(output.writer.len, 0);
    output_free(&output);
}

static void what_has_passed_and_failed_is_counted(void **state) {
    const struct lab_event passed = result_of(true), failed = result_of(false);
    const struct lab_event begun = {.kind = LAB_EVENT_BEGUN, .scenario = &scenario};

    (void)state;
    for (int json = 0; json < 2; json++) {
        struct output output = {.json = json};

        for (int i = 0; i < 3; i++) {
            output_lab(&output, &begun);
            output_lab(&output, &passed);
        }
        output_lab(&output, &failed);
        assert_int_equal(output.lab_passed, 3);
        assert_int_equal(output.lab_failed, 1);
        output_free(&output);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_picture_is_drawn_in_utf8),
        cmocka_unit_test(the_picture_is_drawn_in_ascii),
        cmocka_unit_test(the_words_of_a_process),
        cmocka_unit_test(words_that_are_too_long_move_the_wire),
        cmocka_unit_test(a_segment_says_what_it_is),
        cmocka_unit_test(plain_segments_are_counted_from_the_seventh_on),
        cmocka_unit_test(the_count_stands_in_the_middle_of_the_wire),
        cmocka_unit_test(what_tells_more_than_data_is_always_drawn),
        cmocka_unit_test(a_scenario_that_passes),
        cmocka_unit_test(a_scenario_that_fails),
        cmocka_unit_test(the_words_of_a_time),
        cmocka_unit_test(the_words_of_what_was_told),
        cmocka_unit_test(the_count_ends_with_the_scenario),
        cmocka_unit_test(colours_are_off_and_on),
        cmocka_unit_test(a_listed_scenario),
        cmocka_unit_test(a_moment_is_told_in_json),
        cmocka_unit_test(a_scenario_is_told_in_json),
        cmocka_unit_test(only_moments_and_ends_are_told_in_json),
        cmocka_unit_test(what_has_passed_and_failed_is_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
