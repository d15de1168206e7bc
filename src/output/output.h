/* SPDX-License-Identifier: MIT
 *
 * What a person or a program reads: every event and every listed socket as text or as JSON. Knows
 * how things look, not where they come from.
 */
#ifndef TCPWATCH_OUTPUT_OUTPUT_H
#define TCPWATCH_OUTPUT_OUTPUT_H

#include "endpoint/event.h"
#include "lab/lab.h"
#include "output/rows.h"
#include "output/writer.h"
#include "watch/summary.h"

struct output {
    struct writer writer;
    int fd;
    bool to_file; /* a regular file, which is always ready */
    bool json;
    bool color;                /* escape sequences in text */
    bool ascii;                /* the lab's pictures are to be drawn without UTF-8 */
    bool header;               /* a heading line in text */
    bool owners;               /* text has a column of them */
    uint64_t netns;            /* inode number of the namespace; 0: not known */
    const sigset_t *unblocked; /* see writer_flush() */
    int64_t until_ns;          /* the same; 0: without end */

    /* The text form's own. */
    size_t address_width;        /* that the lines have grown to */
    uint64_t last_cookie;        /* the connection of the line that was written last */
    struct list_layout *layouts; /* of a list: the columns' widths, anew each time one has grown */
    uint16_t layout_count;

    size_t plain_segments;           /* in a row, in the lab's picture */
    unsigned lab_passed, lab_failed; /* scenarios */

    struct rows rows; /* what is prepared of a list */
};

/* A row of a list that waits to be shown: output's own, but for what an owner is looked up by.
 * Small, as a long list has many. */
struct list_row {
    uint32_t inode, uid; /* of the socket */
    uint16_t layout;     /* the number of the line's layout */
    uint8_t state;
    char data[]; /* the line as it was laid out; for JSON the socket itself */
};

/* Each adds to the buffer. */
void output_heading(struct output *output);
void output_event(struct output *output, const struct event *event);
void output_summary(struct output *output, const struct summary *summary);

/* What happens at an end that tcpwatch plays itself. */
void output_endpoint(struct output *output, const struct endpoint_event *event);

/* What a run of the lab tells, but for what it waits for; at its end how many passed; and a line of
 * the table of scenarios. */
void output_lab(struct output *output, const struct lab_event *event);
void output_lab_summary(struct output *output);
void output_lab_scenario(struct output *output, const struct lab_scenario *scenario);

/* A list, begun anew where the sockets have to be read again: every socket is prepared as it is
 * read, while the kernel walks on; when all of them are known, and so how wide the columns are,
 * come the heading and the rows. A row stays as long as the list; NULL with errno: memory ran out.
 */
void output_list_begin(struct output *output);
struct list_row *output_list_prepare(struct output *output, const struct socket *socket);
void output_list_heading(struct output *output);
void output_list_row(struct output *output, const struct list_row *row, const struct owner *owner);

/* Sends the buffer on its way. As writer_flush(). */
int output_flush(struct output *output);

/* Whether nobody can read any more what is written (`| head`). */
bool output_reader_gone(const struct output *output);

void output_free(struct output *output);

#endif
