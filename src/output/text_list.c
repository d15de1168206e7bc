/* SPDX-License-Identifier: MIT */
#include "output/text.h"
#include "units/duration.h"

#include <string.h>

/* A list is written twice: first as cells, so that the columns can be as wide as what is in them,
 * then as lines. A cell is its length in one byte, and its text. */
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
    OWNER,
    COLUMNS,
};

static const struct {
    const char *title;
    bool right; /* aligned to the right: numbers */
} columns[COLUMNS] = {
    [STATE] = {"STATE", false},    [RECV_Q] = {"RECV-Q", true},   [SEND_Q] = {"SEND-Q", true},
    [LOCAL] = {"LOCAL", false},    [REMOTE] = {"REMOTE", false},  [TIMER] = {"TIMER", false},
    [LASTSND] = {"LASTSND", true}, [LASTRCV] = {"LASTRCV", true}, [LASTACK] = {"LASTACK", true},
    [RTT] = {"RTT", true},         [RETRANS] = {"RETRANS", true}, [OWNER] = {"OWNER", false},
};

/* Cells are at most so long: an IPv6 end with a device is 70, an escaped owner 80. */
#define CELL_MAX 255

static size_t begin_cell(struct writer *cells) {
    writer_put(cells, "", 1);
    return cells->len;
}

static void end_cell(struct writer *cells, size_t from) {
    size_t len = cells->len - from;

    if (cells->error)
        return;
    if (len > CELL_MAX) {
        cells->len = from + CELL_MAX;
        len = CELL_MAX;
    }
    cells->data[from - 1] = (char)len;
}

static void text_cell(struct writer *cells, const char *text) {
    const size_t from = begin_cell(cells);

    writer_text(cells, text);
    end_cell(cells, from);
}

static void number_cell(struct writer *cells, uint64_t number) {
    const size_t from = begin_cell(cells);

    writer_number(cells, number);
    end_cell(cells, from);
}

static void duration_cell(struct writer *cells, int64_t ns) {
    const size_t from = begin_cell(cells);
    char *to = writer_room(cells, DURATION_TEXT_SIZE);

    if (to)
        cells->len += duration_text(to, ns);
    end_cell(cells, from);
}

static void timer_cell(struct writer *cells, const struct socket *socket) {
    static const char *const names[] = {
        [SOCKET_TIMER_RETRANSMIT] = "retransmit",
        [SOCKET_TIMER_KEEPALIVE] = "keepalive",
        [SOCKET_TIMER_TIME_WAIT] = "timewait",
        [SOCKET_TIMER_PROBE] = "probe",
    };
    const size_t from = begin_cell(cells);
    char *to;

    if (socket->timer == SOCKET_TIMER_NONE || socket->timer >= sizeof(names) / sizeof(names[0])) {
        writer_put(cells, "-", 1);
    } else {
        writer_text(cells, names[socket->timer]);
        writer_put(cells, " ", 1);
        to = writer_room(cells, DURATION_TEXT_SIZE);
        if (to)
            cells->len += duration_text(to, socket->timer_ms * NS_PER_MS);
        if (socket->timer_count) {
            writer_put(cells, " #", 2);
            writer_number(cells, socket->timer_count);
        }
    }
    end_cell(cells, from);
}

/* "unanswered/all" of the retransmissions. */
static void retrans_cell(struct writer *cells, const struct socket *socket) {
    const size_t from = begin_cell(cells);

    writer_number(cells, socket->retransmits);
    writer_put(cells, "/", 1);
    writer_number(cells, socket->total_retrans);
    end_cell(cells, from);
}

static void end_column(struct writer *cells, const struct socket *socket, bool local) {
    const size_t from = begin_cell(cells);

    text_end(cells, local ? &socket->local : &socket->remote, socket->inet6,
             local ? socket->local_port : socket->remote_port, socket->ifindex);
    end_cell(cells, from);
}

void text_list_row(struct output *output, const struct socket *socket, const struct owner *owner) {
    struct writer *cells = &output->cells;
    /* Of a listener the kernel fills these with other things. */
    const bool info = (socket->has & SOCKET_HAS_INFO) && socket->state != TCP_STATE_LISTEN;
    size_t from;

    output->rows++;
    writer_put(cells, (const char *)&socket->state, 1);
    text_cell(cells, tcp_state_name(socket->state));
    number_cell(cells, socket->recv_queue);
    number_cell(cells, socket->send_queue);
    end_column(cells, socket, true);
    end_column(cells, socket, false);
    timer_cell(cells, socket);
    if (info) {
        duration_cell(cells, socket->last_data_sent_ms * NS_PER_MS);
        duration_cell(cells, socket->last_data_recv_ms * NS_PER_MS);
        duration_cell(cells, socket->last_ack_recv_ms * NS_PER_MS);
        duration_cell(cells, socket->rtt_us * 1000LL);
        retrans_cell(cells, socket);
    } else {
        for (int column = LASTSND; column <= RETRANS; column++)
            text_cell(cells, "-");
    }
    from = begin_cell(cells);
    text_owner(cells, owner, socket->inode, socket->uid, socket->state, output->owners);
    end_cell(cells, from);
}

static void measure(const struct output *output, size_t widths[COLUMNS]) {
    const unsigned char *cell = (const unsigned char *)output->cells.data;

    for (int column = 0; column < COLUMNS; column++)
        widths[column] = output->header ? strlen(columns[column].title) : 0;
    for (size_t row = 0; row < output->rows; row++) {
        cell++; /* the state */
        for (int column = 0; column < COLUMNS; column++) {
            if (*cell > widths[column])
                widths[column] = *cell;
            cell += 1 + *cell;
        }
    }
}

static void put_cell(struct writer *writer, enum column column, const char *text, size_t len,
                     size_t width) {
    const size_t from = writer->len;

    if (columns[column].right)
        writer_pad(writer, from, width - len);
    writer_put(writer, text, len);
    if (column != OWNER) {
        writer_pad(writer, from, width);
        writer_put(writer, "  ", 2);
    }
}

void text_list_end(struct output *output) {
    const unsigned char *cell = (const unsigned char *)output->cells.data;
    struct writer *writer = &output->writer;
    size_t widths[COLUMNS];

    if (output->cells.error) {
        writer->error = output->cells.error;
        return;
    }
    measure(output, widths);
    if (output->header) {
        for (int column = 0; column < COLUMNS; column++)
            put_cell(writer, (enum column)column, columns[column].title,
                     strlen(columns[column].title), widths[column]);
        writer_put(writer, "\n", 1);
    }
    for (size_t row = 0; row < output->rows; row++) {
        const enum tcp_state state = *cell++;

        if (output->color)
            writer_text(writer, text_state_color(state));
        for (int column = 0; column < COLUMNS; column++) {
            put_cell(writer, (enum column)column, (const char *)cell + 1, *cell, widths[column]);
            if (column == STATE && output->color)
                writer_text(writer, TEXT_COLOR_OFF);
            cell += 1 + *cell;
        }
        writer_put(writer, "\n", 1);
    }
}
