/* SPDX-License-Identifier: MIT */
#include "output/text.h"
#include "units/duration.h"

#include <string.h>

/* The columns of a list. A row is laid out as soon as it is read, and again only where a column has
 * grown since. */
enum column {
    STATE,
    RECV_Q,
    SEND_Q,
    LOCAL,
    REMOTE,
    TIMER,
    LASTSND,
    LASTRCV,
    LASTACK,
    RTT,
    RETRANS,
    COLUMNS_MEASURED, /* the last column is as wide as it likes */
};

static const struct {
    const char *title;
    bool right; /* aligned to the right: numbers */
} columns[COLUMNS_MEASURED] = {
    [STATE] = {"STATE", false},    [RECV_Q] = {"RECV-Q", true},   [SEND_Q] = {"SEND-Q", true},
    [LOCAL] = {"LOCAL", false},    [REMOTE] = {"REMOTE", false},  [TIMER] = {"TIMER", false},
    [LASTSND] = {"LASTSND", true}, [LASTRCV] = {"LASTRCV", true}, [LASTACK] = {"LASTACK", true},
    [RTT] = {"RTT", true},         [RETRANS] = {"RETRANS", true},
};

_Static_assert(COLUMNS_MEASURED == OUTPUT_LIST_COLUMNS, "output.h has a width for each column");

static void put_duration(struct writer *writer, int64_t ns) {
    char text[DURATION_TEXT_SIZE];

    writer_put(writer, text, duration_text(text, ns));
}

static void put_timer(struct writer *writer, const struct socket *socket) {
    static const char *const names[] = {
        [SOCKET_TIMER_RETRANSMIT] = "retransmit ",
        [SOCKET_TIMER_KEEPALIVE] = "keepalive ",
        [SOCKET_TIMER_TIME_WAIT] = "timewait ",
        [SOCKET_TIMER_PROBE] = "probe ",
    };

    if (socket->timer == SOCKET_TIMER_NONE || socket->timer >= sizeof(names) / sizeof(names[0])) {
        writer_put(writer, "-", 1);
        return;
    }
    writer_text(writer, names[socket->timer]);
    put_duration(writer, socket->timer_ms * NS_PER_MS);
    if (socket->timer_count) {
        writer_put(writer, " #", 2);
        writer_number(writer, socket->timer_count);
    }
}

static void put_rtt(struct writer *writer, uint32_t rtt_us) {
    if (rtt_us == 0) {
        writer_put(writer, "-", 1); /* none was measured */
    } else if (rtt_us < 1000) {
        writer_number(writer, rtt_us);
        writer_put(writer, "us", 2);
    } else {
        put_duration(writer, rtt_us * 1000LL);
    }
}

/* What struct tcp_info tells; of a listener the kernel fills it with other things. */
static void put_info(struct writer *writer, const struct socket *socket, enum column column) {
    if (!(socket->has & SOCKET_HAS_INFO) || socket->state == TCP_STATE_LISTEN) {
        writer_put(writer, "-", 1);
        return;
    }
    switch (column) {
    case LASTSND:
        put_duration(writer, socket->last_data_sent_ms * NS_PER_MS);
        break;
    case LASTRCV:
        put_duration(writer, socket->last_data_recv_ms * NS_PER_MS);
        break;
    case LASTACK:
        put_duration(writer, socket->last_ack_recv_ms * NS_PER_MS);
        break;
    case RTT:
        put_rtt(writer, socket->rtt_us);
        break;
    default: /* unanswered retransmissions / all */
        writer_number(writer, socket->retransmits);
        writer_put(writer, "/", 1);
        writer_number(writer, socket->total_retrans);
        break;
    }
}

static void put_cell(struct writer *writer, const struct socket *socket, enum column column) {
    switch (column) {
    case STATE:
        writer_text(writer, tcp_state_name(socket->state));
        break;
    case RECV_Q:
        writer_number(writer, socket->recv_queue);
        break;
    case SEND_Q:
        writer_number(writer, socket->send_queue);
        break;
    case LOCAL:
        text_end(writer, &socket->local, socket->inet6, socket->local_port, socket->ifindex,
                 socket->netns);
        break;
    case REMOTE:
        text_end(writer, &socket->remote, socket->inet6, socket->remote_port, socket->ifindex,
                 socket->netns);
        break;
    case TIMER:
        put_timer(writer, socket);
        break;
    default:
        put_info(writer, socket, column);
        break;
    }
}

/* What separates two columns. */
#define GAP 2

/* More than the longest line has: a device's name is 15 bytes, each of which may be escaped. */
#define LINE_MAX 1024

/* Fills the column up from what was written at `from`, and sets the gap to the next. */
static void align(struct writer *writer, enum column column, size_t from, size_t width) {
    const size_t len = writer->len - from;

    writer_pad(writer, from, width + GAP);
    if (columns[column].right && len < width && !writer->error) {
        memmove(writer->data + from + width - len, writer->data + from, len);
        memset(writer->data + from, ' ', width - len);
    }
}

void text_list_begin(struct output *output) {
    for (int column = 0; column < COLUMNS_MEASURED; column++)
        output->widths[column] = output->header ? strlen(columns[column].title) : 0;
}

/* Moves a cell to the right, where nothing but blanks stands behind it. */
static void move_right(char *cell, size_t len, size_t by) {
    char short_cell[16];

    if (len > sizeof(short_cell)) {
        memmove(cell + by, cell, len);
        memset(cell, ' ', by);
        return;
    }
    memcpy(short_cell, cell, sizeof(short_cell));
    memset(cell, ' ', sizeof(short_cell));
    memcpy(cell + by, short_cell, sizeof(short_cell));
}

static uint8_t prepare_cell(struct output *output, const struct socket *socket,
                            enum column column) {
    struct writer *line = &output->line;
    const size_t from = line->len;
    size_t len, width;

    put_cell(line, socket, column);
    len = line->len - from;
    if (len > output->widths[column]) {
        output->widths[column] = len;
        output->widths_version++;
    }
    width = output->widths[column];
    if (columns[column].right && len < width)
        move_right(line->data + from, len, width - len);
    line->len = from + width + GAP;
    return (uint8_t)len;
}

static size_t line_width(const struct output *output) {
    size_t width = 0;

    for (int column = 0; column < COLUMNS_MEASURED; column++)
        width += output->widths[column] + GAP;
    return width;
}

/* Only as much is made blank as the columns are wide: where one has grown, the line is laid out
 * once more. */
void text_list_prepare(struct output *output, const struct socket *socket,
                       uint8_t lens[OUTPUT_LIST_COLUMNS]) {
    struct writer *line = &output->line;
    uint16_t version;

    do {
        char *to;

        line->len = 0;
        to = writer_room(line, LINE_MAX);
        if (!to)
            return;
        memset(to, ' ', line_width(output));
        version = output->widths_version;
        for (int column = 0; column < COLUMNS_MEASURED; column++)
            lens[column] = prepare_cell(output, socket, (enum column)column);
    } while (version != output->widths_version);
}

void text_list_heading(struct output *output) {
    struct writer *writer = &output->writer;

    for (int column = 0; output->header && column < COLUMNS_MEASURED; column++) {
        const size_t from = writer->len;

        writer_text(writer, columns[column].title);
        align(writer, (enum column)column, from, output->widths[column]);
    }
    if (output->header)
        writer_text(writer, "OWNER\n");
}

/* Lays the cells out anew: with colours, and as wide as the columns are now. None is empty or
 * begins with a blank. */
static void put_cells(struct output *output, const struct list_row *row) {
    struct writer *writer = &output->writer;
    const char *cell = row->data;

    if (output->color)
        writer_text(writer, text_state_color(row->state));
    for (int column = 0; column < COLUMNS_MEASURED; column++) {
        const size_t from = writer->len;

        while (*cell == ' ')
            cell++;
        writer_put(writer, cell, row->lens[column]);
        cell += row->lens[column];
        align(writer, (enum column)column, from, output->widths[column]);
        if (column == STATE && output->color)
            writer_text(writer, TEXT_COLOR_OFF);
    }
}

void text_list_row(struct output *output, const struct list_row *row, const struct owner *owner) {
    struct writer *writer = &output->writer;

    if (row->widths_version == output->widths_version && !output->color)
        writer_put(writer, row->data, row->size);
    else
        put_cells(output, row);
    text_owner(writer, owner, row->inode, row->uid, row->state, output->owners);
    writer_put(writer, "\n", 1);
}
