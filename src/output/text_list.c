/* SPDX-License-Identifier: MIT */
#include "output/text.h"
#include "units/digits.h"
#include "units/duration.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

/* How wide the columns are. A row is laid out as soon as it is read; where a column turns out too
 * narrow there is a new layout, to which the rows of an older one are moved when they are shown. */
struct list_layout {
    uint16_t widths[COLUMNS_MEASURED];
    uint16_t size; /* of a line: all columns and the gaps behind them */
};

/* What separates two columns. */
#define GAP 2

_Static_assert(2 * TEXT_END_MAX + COLUMNS_MEASURED * (DURATION_TEXT_SIZE + GAP) <=
                   ROWS_MAX - sizeof(struct list_row),
               "the longest line is a row");

static char *put(char *to, const char *text) {
    return mempcpy(to, text, strlen(text));
}

static char *put_timer(char *to, const struct socket *socket) {
    static const char *const names[] = {
        [SOCKET_TIMER_RETRANSMIT] = "retransmit ",
        [SOCKET_TIMER_KEEPALIVE] = "keepalive ",
        [SOCKET_TIMER_TIME_WAIT] = "timewait ",
        [SOCKET_TIMER_PROBE] = "probe ",
    };

    if (socket->timer == SOCKET_TIMER_NONE || socket->timer >= sizeof(names) / sizeof(names[0]))
        return put(to, "-");
    to = duration_put(put(to, names[socket->timer]), socket->timer_ms * NS_PER_MS);
    return socket->timer_count ? digits_put(put(to, " #"), socket->timer_count) : to;
}

static char *put_rtt(char *to, uint32_t rtt_us) {
    if (rtt_us == 0)
        return put(to, "-"); /* none was measured */
    if (rtt_us < 1000)
        return put(digits_put(to, rtt_us), "us");
    return duration_put(to, rtt_us * NS_PER_US);
}

/* Adds a layout of these widths; the last one stays where memory runs out, which the writer tells.
 */
static void add_layout(struct output *output, const size_t widths[COLUMNS_MEASURED]) {
    const size_t count = output->layout_count + 1u;
    struct list_layout *layouts = realloc(output->layouts, count * sizeof(*layouts)), *added;

    if (!layouts) {
        output->writer.error = ENOMEM;
        return;
    }
    output->layouts = layouts;
    output->layout_count = (uint16_t)count;
    added = &layouts[count - 1];
    added->size = 0;
    for (int column = 0; column < COLUMNS_MEASURED; column++) {
        added->widths[column] = (uint16_t)widths[column];
        added->size = (uint16_t)(added->size + widths[column] + GAP);
    }
}

static const struct list_layout *last_layout(const struct output *output) {
    return &output->layouts[output->layout_count - 1];
}

void text_list_begin(struct output *output) {
    size_t widths[COLUMNS_MEASURED] = {0};

    for (int column = 0; output->header && column < COLUMNS_MEASURED; column++)
        widths[column] = strlen(columns[column].title);
    output->layout_count = 0;
    add_layout(output, widths);
}

/* Moves a cell to the right, where nothing but blanks stands behind it. A copy of fixed size needs
 * no call; it may reach beyond the line, not beyond the row. */
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

/* A line that is being laid out. */
struct line {
    const struct list_layout *layout;
    char *cell; /* where the next one begins */
    size_t widths[COLUMNS_MEASURED];
    bool fits;
};

/* Ends the cell of this column, which was written up to `end`. */
static inline void end_cell(struct line *line, enum column column, const char *end) {
    const size_t len = (size_t)(end - line->cell);
    size_t width = line->layout->widths[column];

    if (len > width) {
        width = len;
        line->fits = false;
    } else if (columns[column].right && len < width) {
        move_right(line->cell, len, width - len);
    }
    line->widths[column] = width;
    line->cell += width + GAP;
}

/* What struct tcp_info tells. */
static void put_info(struct line *line, const struct socket *socket) {
    end_cell(line, LASTSND, duration_put(line->cell, socket->last_data_sent_ms * NS_PER_MS));
    end_cell(line, LASTRCV, duration_put(line->cell, socket->last_data_recv_ms * NS_PER_MS));
    end_cell(line, LASTACK, duration_put(line->cell, socket->last_ack_recv_ms * NS_PER_MS));
    end_cell(line, RTT, put_rtt(line->cell, socket->rtt_us));
    /* unanswered retransmissions / all */
    end_cell(
        line, RETRANS,
        digits_put(put(digits_put(line->cell, socket->retransmits), "/"), socket->total_retrans));
}

/* Of a listener the kernel fills it with other things. */
static void put_no_info(struct line *line) {
    for (int column = LASTSND; column < COLUMNS_MEASURED; column++)
        end_cell(line, (enum column)column, put(line->cell, "-"));
}

/* Lays a line out. Returns false where a column was too narrow: there is a new layout, or there is
 * no memory for one. */
static bool lay_out(struct output *output, const struct socket *socket, char *to) {
    struct line line = {.layout = last_layout(output), .cell = to, .fits = true};

    memset(to, ' ', line.layout->size);
    end_cell(&line, STATE, put(line.cell, tcp_state_name(socket->state)));
    end_cell(&line, RECV_Q, digits_put(line.cell, socket->recv_queue));
    end_cell(&line, SEND_Q, digits_put(line.cell, socket->send_queue));
    end_cell(&line, LOCAL,
             text_put_end(line.cell, &socket->local, socket->inet6, socket->local_port,
                          socket->ifindex, socket->netns));
    end_cell(&line, REMOTE,
             text_put_end(line.cell, &socket->remote, socket->inet6, socket->remote_port,
                          text_scope(&socket->remote, socket->inet6, socket->ifindex),
                          socket->netns));
    end_cell(&line, TIMER, put_timer(line.cell, socket));
    if ((socket->has & SOCKET_HAS_INFO) && socket->state != TCP_STATE_LISTEN)
        put_info(&line, socket);
    else
        put_no_info(&line);
    if (!line.fits)
        add_layout(output, line.widths);
    return line.fits;
}

size_t text_list_prepare(struct output *output, const struct socket *socket, struct list_row *row) {
    while (output->layout_count && !output->writer.error && !lay_out(output, socket, row->data))
        continue;
    if (output->writer.error) {
        errno = output->writer.error;
        return 0;
    }
    row->layout = (uint16_t)(output->layout_count - 1);
    return last_layout(output)->size;
}

/* Where no owner follows, the gap behind the last column goes again. */
static void end_columns(struct output *output) {
    if (!output->owners && !output->writer.error)
        output->writer.len -= GAP;
}

void text_list_heading(struct output *output) {
    struct writer *writer = &output->writer;

    if (!output->header)
        return;

    for (int column = 0; output->layout_count && column < COLUMNS_MEASURED; column++) {
        const size_t width = last_layout(output)->widths[column], from = writer->len;
        const char *title = columns[column].title;

        writer_pad(writer, from, columns[column].right ? width - strlen(title) : 0);
        writer_text(writer, title);
        writer_pad(writer, from, width + GAP);
    }
    end_columns(output);
    writer_text(writer, output->owners ? "OWNER\n" : "\n");
}

/* Writes columns of a line, which begin at `from`, as wide as they are now. Those that have not
 * grown are copied together. Returns where they end. */
static const char *put_columns(struct output *output, const struct list_row *row, const char *from,
                               enum column first, enum column end) {
    const struct list_layout *old = &output->layouts[row->layout], *now = last_layout(output);
    char *to = writer_room(&output->writer, now->size);
    size_t len = 0;

    if (!to)
        return from;
    memset(to, ' ', now->size);
    for (int column = (int)first; column < (int)end; column++) {
        const size_t size = old->widths[column] + GAP, more = now->widths[column] + GAP - size;
        const size_t ahead = columns[column].right ? 0 : size; /* before its new blanks */

        if (more == 0) {
            len += size;
            continue;
        }
        to = (char *)mempcpy(to, from, len + ahead) + more;
        from += len + ahead;
        len = size - ahead;
    }
    to = mempcpy(to, from, len);
    writer_keep(&output->writer, to);
    return from + len;
}

void text_list_row(struct output *output, const struct list_row *row, const struct owner *owner) {
    struct writer *writer = &output->writer;
    const char *from = row->data;

    if (output->color) {
        writer_text(writer, text_state_color(row->state));
        from = put_columns(output, row, from, STATE, RECV_Q);
        writer_text(writer, TEXT_COLOR_OFF);
        put_columns(output, row, from, RECV_Q, COLUMNS_MEASURED);
    } else if (row->layout != output->layout_count - 1) {
        put_columns(output, row, from, STATE, COLUMNS_MEASURED);
    } else {
        writer_put(writer, from, last_layout(output)->size);
    }
    end_columns(output);
    if (output->owners)
        text_owner(writer, owner, row->inode, row->uid, row->state);
    writer_put(writer, "\n", 1);
}
