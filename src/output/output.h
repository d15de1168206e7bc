/* SPDX-License-Identifier: MIT
 *
 * What a person or a program reads: every event and every listed socket as text or as JSON. Knows
 * how things look, not where they come from.
 */
#ifndef TCPWATCH_OUTPUT_OUTPUT_H
#define TCPWATCH_OUTPUT_OUTPUT_H

#include "output/writer.h"
#include "watch/summary.h"

struct output {
    struct writer writer;
    int fd;
    bool json;
    bool color;                /* escape sequences in text */
    bool header;               /* a heading line in text */
    bool owners;               /* owners were looked up */
    uint64_t netns;            /* inode number of the namespace; 0: not known */
    const sigset_t *unblocked; /* see writer_flush() */

    /* The text form's own: the widths that the lines have grown to, and the rows of a list. */
    bool headed;
    size_t address_width;
    struct writer cells;
    size_t rows;
};

/* Each adds to the buffer. */
void output_heading(struct output *output);
void output_event(struct output *output, const struct event *event);
void output_summary(struct output *output, const struct summary *summary);

/* A row of a list; the text form shows all of them at output_list_end(). */
void output_list_row(struct output *output, const struct socket *socket, const struct owner *owner);
void output_list_end(struct output *output);

/* Sends the buffer on its way. As writer_flush(). */
int output_flush(struct output *output);

/* Whether nobody can read any more what is written (`| head`). */
bool output_reader_gone(const struct output *output);

void output_free(struct output *output);

#endif
