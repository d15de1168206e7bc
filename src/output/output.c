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

void output_list_prepare(struct output *output, const struct socket *socket,
                         struct list_line *line) {
    if (!output->json)
        text_list_prepare(output, socket, line);
}

void output_list_heading(struct output *output) {
    if (!output->json)
        text_list_heading(output);
}

void output_list_row(struct output *output, const struct socket *socket,
                     const struct list_line *line, const struct owner *owner) {
    if (output->json)
        json_list_row(output, socket, owner);
    else
        text_list_row(output, socket, line, owner);
}

int output_flush(struct output *output) {
    return writer_flush(&output->writer, output->fd, output->unblocked);
}

bool output_reader_gone(const struct output *output) {
    struct pollfd descriptor = {.fd = output->fd};

    return poll(&descriptor, 1, 0) > 0 && (descriptor.revents & POLLERR);
}

void output_free(struct output *output) {
    writer_free(&output->writer);
    writer_free(&output->lines);
}
