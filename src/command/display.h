/* SPDX-License-Identifier: MIT
 *
 * The options that say how things look: an argp child that the commands share.
 */
#ifndef TCPWATCH_COMMAND_DISPLAY_H
#define TCPWATCH_COMMAND_DISPLAY_H

#include "output/output.h"
#include "process/owner.h"

#include <argp.h>

struct display {
    bool json, no_header;
    enum { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER } color;
};

/* Its input is a struct display. */
extern const struct argp display_argp;

/* An output to the descriptor that looks as the options say. */
struct output display_output(const struct display *display, int fd);

/* Sends the output on its way, until a signal comes or its `until_ns`; what is left then is kept.
 * Returns whether there may be a reader for more; else `status` is what to exit with, and stderr
 * says why unless the reader has just gone. */
bool display_flush(struct output *output, int *status);

/* The same in the end, where what is left is a failure: a slow reader is waited for as long as it
 * goes on taking something. */
bool display_flush_rest(struct output *output, int *status);

/* Writes to a pipe or a terminal do not block any more, where that can be had: the output then has
 * a descriptor of its own, which display_free() closes. */
void display_never_block(struct output *output);
void display_free(struct output *output);

/* Where the events of an end of a connection go. They are not waited for: a reader that is slow
 * gets them later, and one that is too slow for long loses some, which is said. */
struct display_sink {
    struct output output;
    int status;    /* what to exit with where they can go nowhere any more */
    uint64_t lost; /* events */
};

/* An endpoint_emit(), into a struct display_sink. */
bool display_take(void *into, const struct endpoint_event *event);

/* Writes what can be written by now. Returns whether something is left. */
bool display_left(void *into);

/* Gives the reader a last chance. Returns the exit status. */
int display_finish(struct display_sink *sink);

/* Says that there are owners which were not found, and why. */
void display_say_denied(const struct owners *owners);

#endif
