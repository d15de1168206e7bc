/* SPDX-License-Identifier: MIT */
#include "output/output.h"

#include "output/json.h"
#include "output/text.h"

#include <poll.h>
#include <stdlib.h>

void output_heading(struct output *output) {
    if (!output->json)
        text_monitor_heading(output);
}

void output_event(struct output *output, const struct event *event) {
    if (event->kind != EVENT_HELD)
        (output->json ? json_event : text_event)(output, event);
}

void output_summary(struct output *output, const struct summary *summary) {
    (output->json ? json_summary : text_summary)(output, summary);
}

void output_endpoint(struct output *output, const struct endpoint_event *event) {
    (output->json ? json_endpoint : text_endpoint)(output, event);
}

void output_lab(struct output *output, const struct lab_event *event) {
    if (event->kind == LAB_EVENT_DONE && event->result.pass)
        output->lab_passed++;
    else if (event->kind == LAB_EVENT_DONE)
        output->lab_failed++;
    (output->json ? json_lab : text_lab)(output, event);
}

void output_lab_summary(struct output *output) {
    if (!output->json)
        text_lab_summary(output);
}

void output_lab_scenario(struct output *output, const struct lab_scenario *scenario) {
    (output->json ? json_lab_scenario : text_lab_scenario)(output, scenario);
}

void output_list_begin(struct output *output) {
    rows_free(&output->rows);
    text_list_begin(output);
}

_Static_assert(sizeof(struct list_row) + sizeof(struct socket) <= ROWS_MAX, "for JSON");

struct list_row *output_list_prepare(struct output *output, const struct socket *socket) {
    struct list_row *row = rows_next(&output->rows);
    size_t size = sizeof(*socket);

    if (!row)
        return NULL;
    if (output->json)
        memcpy(row->data, socket, size);
    else
        size = text_list_prepare(output, socket, row);
    if (size == 0)
        return NULL;
    row->inode = socket->inode;
    row->uid = socket->uid;
    row->state = socket->state;
    rows_keep(&output->rows, sizeof(*row) + size);
    return row;
}

void output_list_heading(struct output *output) {
    if (!output->json)
        text_list_heading(output);
}

void output_list_row(struct output *output, const struct list_row *row, const struct owner *owner) {
    struct socket socket;

    if (output->json) {
        memcpy(&socket, row->data, sizeof(socket));
        json_list_row(output, &socket, owner);
    } else {
        text_list_row(output, row, owner);
    }
}

int output_flush(struct output *output) {
    /* A file takes what it gets without keeping anybody waiting. */
    return writer_flush(&output->writer, output->fd, output->to_file ? NULL : output->unblocked,
                        output->until_ns ? output->until_ns : INT64_MAX);
}

bool output_reader_gone(const struct output *output) {
    struct pollfd descriptor = {.fd = output->fd};

    return poll(&descriptor, 1, 0) > 0 && (descriptor.revents & POLLERR);
}

void output_free(struct output *output) {
    writer_free(&output->writer);
    rows_free(&output->rows);
    free(output->layouts);
}
