/* SPDX-License-Identifier: MIT */
#include "output/text.h"

#include "units/duration.h"

#include <netinet/ip_icmp.h>
#include <stdio.h>

/* The picture: when it was, the client, the wire, the server. */
#define TIME_WIDTH   9
#define CLIENT_WIDTH 31
#define WIRE_WIDTH   32

/* More segments with nothing but data or an acknowledgment than so many in a row are counted. */
#define PLAIN_MAX 6

/* The words below a picture. */
#define LABEL_WIDTH 12
#define TEXT_WIDTH  96

/* What lines are drawn with. */
struct pen {
    const char *line, *wire, *left, *right, *lost, *kept;
};

static const struct pen *pen_of(const struct output *output) {
    static const struct pen ascii = {"-", "|", "<", ">", "x", ":"};
    static const struct pen utf8 = {"\u2500", "\u2502", "\u25c0", "\u25b6", "\u2573", "\u250a"};

    return output->ascii ? &ascii : &utf8;
}

static void put_repeated(struct writer *writer, const char *text, size_t count) {
    for (size_t i = 0; i < count; i++)
        writer_text(writer, text);
}

/* One line of the picture: the words at the client, what the wire shows, the words at the server.
 */
struct row {
    int64_t at_ns;
    struct writer client, server; /* in ASCII, so that bytes are columns */
    struct writer label;          /* on the arrow */
    enum { WIRE_IDLE, WIRE_ARROW, WIRE_WORDS } wire;
    bool to_client;
    enum lab_passage passage;
    bool from_router;
    const char *color; /* of the words; NULL: none */
};

static void put_colored(struct output *output, const struct row *row, const struct writer *words) {
    if (words->len == 0)
        return;
    if (row->color && output->color)
        writer_text(&output->writer, row->color);
    writer_put(&output->writer, words->data, words->len);
    if (row->color && output->color)
        writer_text(&output->writer, TEXT_COLOR_OFF);
}

/* An arrow: its parts are put the other way round where it goes to the client. What does not
 * arrive, or does later, ends where the router is, and what had left before begins there. */
static void put_arrow(struct output *output, const struct row *row) {
    const struct pen *pen = pen_of(output);
    const size_t quarter = WIRE_WIDTH / 4;
    const bool late = row->passage == LAB_CAME;
    const size_t tail_blanks = late || row->from_router ? quarter : 0;
    const size_t head_blanks =
        row->passage == LAB_LOST || row->passage == LAB_DELAYED ? quarter : 0;
    const size_t length = WIRE_WIDTH - tail_blanks - head_blanks - 1 - late;
    const size_t label = row->label.len + 2, lines = length > label ? length - label : 0;
    const size_t first = row->to_client ? lines - lines / 2 : lines / 2;
    const char *head = row->passage == LAB_LOST      ? pen->lost
                       : row->passage == LAB_DELAYED ? pen->kept
                       : row->to_client              ? pen->left
                                                     : pen->right;
    const char *tail = late ? pen->kept : "";
    struct writer *writer = &output->writer;

    put_repeated(writer, " ", row->to_client ? head_blanks : tail_blanks);
    writer_text(writer, row->to_client ? head : tail);
    put_repeated(writer, pen->line, first);
    writer_text(writer, " ");
    writer_put(writer, row->label.data, row->label.len);
    writer_text(writer, " ");
    put_repeated(writer, pen->line, lines - first);
    writer_text(writer, row->to_client ? tail : head);
    put_repeated(writer, " ", row->to_client ? tail_blanks : head_blanks);
}

static void put_wire(struct output *output, const struct row *row) {
    struct writer *writer = &output->writer;
    size_t from;

    switch (row->wire) {
    case WIRE_ARROW:
        put_arrow(output, row);
        break;
    case WIRE_WORDS:
        from = writer->len;
        put_repeated(writer, " ",
                     row->label.len < WIRE_WIDTH ? (WIRE_WIDTH - row->label.len) / 2 : 0);
        writer_put(writer, row->label.data, row->label.len);
        writer_pad(writer, from, WIRE_WIDTH);
        break;
    case WIRE_IDLE:
        put_repeated(writer, " ", WIRE_WIDTH);
        break;
    }
}

static void put_row(struct output *output, struct row *row) {
    struct writer *writer = &output->writer;
    const struct pen *pen = pen_of(output);

    if (row->at_ns >= 0)
        writer_format(writer, "%8.3f ", (double)row->at_ns / (double)NS_PER_S);
    else
        put_repeated(writer, " ", TIME_WIDTH);
    put_colored(output, row, &row->client);
    put_repeated(writer, " ", row->client.len < CLIENT_WIDTH ? CLIENT_WIDTH - row->client.len : 1);
    writer_text(writer, pen->wire);
    put_wire(output, row);
    writer_text(writer, pen->wire);
    if (row->server.len)
        writer_text(writer, " ");
    put_colored(output, row, &row->server);
    writer_text(writer, "\n");
    writer_free(&row->client);
    writer_free(&row->server);
    writer_free(&row->label);
}

/* The words of one side. */
static struct writer *words_of(struct row *row, enum lab_host host) {
    return host == LAB_CLIENT ? &row->client : host == LAB_SERVER ? &row->server : &row->label;
}

static void put_call(struct writer *words, enum lab_host host, const struct lab_told *told) {
    const char *error = tcp_errno_name(told->error);

    if (told->error)
        writer_format(words, "%s(): %s", told->syscall, error ? error : "an error");
    else if (!told->again && *told->syscall)
        writer_format(words, "%s() = 0%s", told->syscall,
                      told->kind == ENDPOINT_CLOSED ? ", close()"
                      : host == LAB_SERVER          ? ", and no close()"
                                                    : ", goes on");
    else if (*told->detail)
        writer_text(words, told->detail);
    else
        writer_text(words, "close()");
}

static void draw_told(struct row *row, const struct lab_moment *moment) {
    struct writer *words = words_of(row, moment->host);

    switch (moment->told.kind) {
    case ENDPOINT_LISTENING:
        writer_text(words, "listen()");
        break;
    case ENDPOINT_CONNECTED:
        writer_text(words, "connect() = 0");
        break;
    case ENDPOINT_ACCEPTED:
        writer_text(words, "accept()");
        break;
    default:
        put_call(words, moment->host, &moment->told);
        break;
    }
}

/* A line for each state: those that were passed unseen, too. */
static void draw_state(struct output *output, const struct lab_moment *moment) {
    struct row row = {.at_ns = moment->at_ns, .color = text_state_color(moment->to)};

    for (size_t i = 0; i < moment->skipped_count; i++) {
        struct row passed = {.at_ns = moment->at_ns};
        struct writer *words = words_of(&passed, moment->host);

        writer_text(words, "(");
        text_states(words, moment->skipped[i], " or ");
        writer_text(words, ")");
        put_row(output, &passed);
    }
    writer_text(words_of(&row, moment->host), tcp_state_name(moment->to));
    put_row(output, &row);
}

static void label_segment(struct writer *label, const struct segment *segment) {
    static const char *const kinds[] = {
        [SEGMENT_NEW] = "",
        [SEGMENT_RETRANSMISSION] = "again: ",
        [SEGMENT_KEEPALIVE] = "keepalive probe",
        [SEGMENT_WINDOW_PROBE] = "window probe",
    };
    const char *before = "";

    writer_text(label, kinds[segment->kind]);
    if (segment->kind == SEGMENT_KEEPALIVE || segment->kind == SEGMENT_WINDOW_PROBE)
        return;
    if (segment->flags & SEGMENT_RST) {
        writer_text(label, "RST");
        return;
    }
    if (segment->flags & SEGMENT_SYN) {
        writer_text(label, segment->flags & SEGMENT_ACK ? "SYN, ACK" : "SYN");
        before = ", ";
    }
    if (segment->len) {
        writer_format(label, "%s%u byte%s", before, segment->len, segment->len == 1 ? "" : "s");
        before = ", ";
    }
    if (segment->flags & SEGMENT_FIN) {
        writer_format(label, "%sFIN", before);
        before = ", ";
    }
    if (!*before)
        writer_text(label, "ACK");
    if (segment->window == 0)
        writer_text(label, ", window 0");
}

static const char *icmp_name(const struct segment *segment) {
    if (segment->icmp_type != ICMP_DEST_UNREACH)
        return "ICMP time exceeded";
    return segment->icmp_code == ICMP_NET_UNREACH    ? "ICMP net unreachable"
           : segment->icmp_code == ICMP_HOST_UNREACH ? "ICMP host unreachable"
                                                     : "ICMP unreachable";
}

static void draw_segment(struct row *row, const struct lab_moment *moment) {
    row->wire = WIRE_ARROW;
    row->passage = moment->passage;
    row->to_client = moment->host == LAB_SERVER;
    label_segment(&row->label, &moment->segment);
}

/* The router has sent it. */
static void draw_icmp(struct row *row, const struct lab_moment *moment) {
    row->wire = WIRE_ARROW;
    row->from_router = true;
    row->to_client = moment->host == LAB_CLIENT;
    writer_text(&row->label, icmp_name(&moment->segment));
}

static bool is_plain(const struct lab_moment *moment) {
    const uint8_t telling = SEGMENT_SYN | SEGMENT_FIN | SEGMENT_RST;

    return moment->kind == LAB_SEGMENT && moment->segment.kind == SEGMENT_NEW &&
           moment->passage == LAB_ARRIVED && !(moment->segment.flags & telling) &&
           moment->segment.window != 0;
}

/* Says how many were passed over. */
static void end_plain(struct output *output) {
    struct row row = {.at_ns = -1, .wire = WIRE_WORDS};

    if (output->plain_segments > PLAIN_MAX) {
        const size_t more = output->plain_segments - PLAIN_MAX;

        writer_format(&row.label, "%zu more segment%s", more, more == 1 ? "" : "s");
        put_row(output, &row);
    }
    output->plain_segments = 0;
}

static void draw(struct output *output, const struct lab_moment *moment) {
    struct row row = {.at_ns = moment->at_ns};

    if (is_plain(moment) && ++output->plain_segments > PLAIN_MAX)
        return;
    if (!is_plain(moment))
        end_plain(output);
    switch (moment->kind) {
    case LAB_DID:
        row.color = "\033[1m";
        row.wire = moment->host == LAB_ROUTER ? WIRE_WORDS : WIRE_IDLE;
        writer_format(words_of(&row, moment->host), "* %s", moment->text);
        break;
    case LAB_TOLD:
        draw_told(&row, moment);
        break;
    case LAB_STATE:
        draw_state(output, moment);
        return;
    case LAB_SEGMENT:
        draw_segment(&row, moment);
        break;
    case LAB_ICMP:
        draw_icmp(&row, moment);
        break;
    }
    put_row(output, &row);
}

static void begin(struct output *output, const struct lab_scenario *scenario) {
    struct writer *writer = &output->writer;
    const size_t wire = TIME_WIDTH + CLIENT_WIDTH;
    size_t from;

    writer_format(writer, "%s: %s\n\n", scenario->name, scenario->sentence);
    from = writer->len;
    writer_text(writer, "    TIME CLIENT " LAB_CLIENT_ADDRESS);
    writer_pad(writer, from, wire + (WIRE_WIDTH - 4) / 2);
    writer_text(writer, "ROUTER");
    writer_pad(writer, from, wire + WIRE_WIDTH + 3);
    writer_text(writer, "SERVER " LAB_SERVER_ADDRESS "\n");
    output->plain_segments = 0;
}

/* Words below the picture: a label, and what it labels, in lines that are not too long. */
static void put_words(struct output *output, const char *label, const char *words) {
    struct writer *writer = &output->writer;
    size_t from = writer->len, column = LABEL_WIDTH;

    writer_text(writer, "  ");
    writer_text(writer, label);
    writer_pad(writer, from, LABEL_WIDTH);
    while (*words) {
        const size_t len = strcspn(words, " ");

        if (column > LABEL_WIDTH && column + 1 + len > TEXT_WIDTH) {
            writer_text(writer, "\n");
            put_repeated(writer, " ", LABEL_WIDTH);
            column = LABEL_WIDTH;
        } else if (column > LABEL_WIDTH) {
            writer_text(writer, " ");
            column++;
        }
        writer_put(writer, words, len);
        column += len;
        words += len + strspn(words + len, " ");
    }
    writer_text(writer, "\n");
}

static void put_states(struct output *output, const char *label, const char *host,
                       const struct lab_state *states, size_t count, bool forgotten) {
    struct writer *writer = &output->writer;
    const size_t from = writer->len;

    writer_format(writer, "  %s", label);
    writer_pad(writer, from, LABEL_WIDTH);
    writer_text(writer, host);
    for (size_t i = 0; i < count; i++) {
        writer_text(writer, states[i].in_passing ? "  (" : "  ");
        text_states(writer, states[i].mask, " or ");
        if (states[i].in_passing)
            writer_text(writer, ")");
    }
    if (count == 0)
        writer_text(writer, "  nothing");
    writer_text(writer, forgotten ? "  then forgotten\n" : "\n");
}

static void describe_told(struct writer *words, const struct lab_told *told) {
    const char *error = tcp_errno_name(told->error);

    if (told->error)
        writer_format(words, "%s() fails with %s: %s", told->syscall, error ? error : "an error",
                      tcp_ending_words(told->cause));
    else if (told->cause == TCP_ENDING_LOCAL_CLOSE && *told->syscall)
        writer_format(words, "%s() returns 0: the peer has closed, too", told->syscall);
    else if (*told->syscall)
        writer_format(words, "%s() returns 0: %s", told->syscall, tcp_ending_words(told->cause));
    else
        writer_text(words, tcp_ending_words(told->cause));
}

static void put_told(struct output *output, const struct lab_result *result) {
    struct writer words = {0};

    if (result->was_told)
        describe_told(&words, &result->told);
    else
        writer_text(&words, "no process is told of an end");
    writer_put(&words, "", 1);
    if (!words.error)
        put_words(output, "told", words.data);
    writer_free(&words);
}

static void put_seconds(struct writer *words, int64_t ns) {
    if (ns < 10 * NS_PER_MS)
        writer_format(words, "%.1f ms", (double)ns / NS_PER_MS);
    else
        writer_format(words, ns < 100 * NS_PER_S ? "%.2f s" : "%.0f s", (double)ns / NS_PER_S);
}

/* " with tcp_retries2 = 2", where a setting decides. */
static void put_setting(struct writer *words, const char *whose, const char *setting, long value) {
    if (setting && value >= 0)
        writer_format(words, "%s %s = %ld: ", whose, setting, value);
}

static void put_times(struct output *output, const struct lab_event *event) {
    const struct lab_scenario *scenario = event->scenario;
    const struct lab_result *result = &event->result;
    struct writer words = {0};

    put_setting(&words, "with", scenario->setting, result->lab_setting);
    switch (scenario->promise) {
    case LAB_NEVER:
        writer_text(&words, "never: nothing had happened after ");
        break;
    case LAB_AT_ONCE:
        writer_text(&words, "at once: ");
        break;
    default:
        break;
    }
    if (result->by_timer)
        writer_text(&words, "not waited for, the kernel's timer says ");
    if (result->took_ns >= 0)
        put_seconds(&words, result->took_ns);
    else
        writer_text(&words, "not known");
    if (result->predicted_ns > 0) {
        writer_text(&words, "; predicted: ");
        put_seconds(&words, result->predicted_ns);
    }
    if (result->own_setting >= 0 && result->own_ns >= 0 && result->own_ns != result->predicted_ns) {
        put_setting(&words, "; with this host's", scenario->setting, result->own_setting);
        put_seconds(&words, result->own_ns);
    }
    writer_put(&words, "", 1);
    if (!words.error)
        put_words(output, "time", words.data);
    writer_free(&words);
}

static void put_verdict(struct output *output, const struct lab_event *event) {
    struct writer *writer = &output->writer;

    if (output->color)
        writer_text(writer, event->result.pass ? "\033[32m" : "\033[1;31m");
    if (event->result.pass)
        writer_format(writer, "  passed: %s", event->scenario->name);
    else
        writer_format(writer, "  FAILED: %s: %s", event->scenario->name, event->result.failure);
    if (output->color)
        writer_text(writer, TEXT_COLOR_OFF);
    writer_text(writer, "\n\n");
}

static void end(struct output *output, const struct lab_event *event) {
    const struct lab_result *result = &event->result;

    end_plain(output);
    writer_text(&output->writer, "\n");
    put_states(output, "expected", "client", result->expected[LAB_CLIENT],
               result->expected_count[LAB_CLIENT], false);
    put_states(output, "observed", "client", result->observed[LAB_CLIENT],
               result->observed_count[LAB_CLIENT], false);
    put_states(output, "expected", "server", result->expected[LAB_SERVER],
               result->expected_count[LAB_SERVER], result->expected_forgotten);
    put_states(output, "observed", "server", result->observed[LAB_SERVER],
               result->observed_count[LAB_SERVER], result->forgotten);
    put_told(output, result);
    put_times(output, event);
    put_words(output, "why", event->scenario->why);
    put_words(output, "in code", event->scenario->advice);
    put_verdict(output, event);
}

void text_lab(struct output *output, const struct lab_event *event) {
    switch (event->kind) {
    case LAB_EVENT_BEGUN:
        begin(output, event->scenario);
        break;
    case LAB_EVENT_MOMENT:
        draw(output, &event->moment);
        break;
    case LAB_EVENT_DONE:
        end(output, event);
        break;
    case LAB_EVENT_WAITING:
        break;
    }
}

void text_lab_summary(struct output *output) {
    writer_format(&output->writer, "%u passed, %u failed\n", output->lab_passed,
                  output->lab_failed);
}

void text_lab_scenario(struct output *output, const struct lab_scenario *scenario) {
    writer_format(&output->writer, "%-27s  %s\n", scenario->name, scenario->sentence);
}
