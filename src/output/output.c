/* SPDX-License-Identifier: MIT */
#include "output/output.h"

#include "output/json.h"
#include "output/text.h"

#include <poll.h>

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

void output_list_begin(struct output *output) {
    output->lines.len = 0;
    text_list_begin(output);
}

void output_list_prepare(struct output *output, const struct socket *socket, struct list_row *row) {
    row->inode = socket->inode;
    row->uid = socket->uid;
    row->state = socket->state;
    row->at = output->lines.len;
    if (output->json)
        writer_put(&output->lines, (const char *)socket, sizeof(*socket));
    else
        text_list_prepare(output, socket, row);
}

void output_list_heading(struct output *output) {
    if (!output->json)
        text_list_heading(output);
}

void output_list_row(struct output *output, const struct list_row *row, const struct owner *owner) {
    struct socket socket;

    if (output->lines.error) {
        output->writer.error = output->lines.error;
    } else if (output->json) {
        memcpy(&socket, output->lines.data + row->at, sizeof(socket));
        json_list_row(output, &socket, owner);
    } else {
        text_list_row(output, row, owner);
    }
}

int output_flush(struct output *output) {
    return writer_flush(&output->writer, output->fd, output->unblocked,
                        output->until_ns ? output->until_ns : INT64_MAX);
}

bool output_reader_gone(const struct output *output) {
    struct pollfd descriptor = {.fd = output->fd};

    return poll(&descriptor, 1, 0) > 0 && (descriptor.revents & POLLERR);
}

void output_free(struct output *output) {
    writer_free(&output->writer);
    writer_free(&output->lines);
}
