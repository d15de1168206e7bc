/* SPDX-License-Identifier: MIT */
#include "command/display.h"

#include "command/command.h"
#include "command/usage.h"

#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KEY_COLOR = 0x200 };

static const struct argp_option options[] = {
    {NULL, 0, NULL, 0, "How it looks:", 8},
    {"json", 'j', NULL, 0, "One JSON object a line", 8},
    {"color", KEY_COLOR, "WHEN", 0, "auto, always or never; auto honours NO_COLOR and a pipe", 8},
    {0},
};

static error_t parse(int key, char *value, struct argp_state *state) {
    struct display *display = state->input;

    switch (key) {
    case 'j':
        display->json = true;
        return 0;
    case KEY_COLOR:
        if (strcmp(value, "auto") == 0)
            display->color = COLOR_AUTO;
        else if (strcmp(value, "always") == 0)
            display->color = COLOR_ALWAYS;
        else if (strcmp(value, "never") == 0)
            display->color = COLOR_NEVER;
        else
            usage_refuse(state, "--color", value, "is unknown", "auto, always, never");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp display_argp = {.options = options, .parser = parse};

struct output display_output(const struct display *display, int fd) {
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    const bool can = isatty(fd) && !(no_color && *no_color) && !(term && strcmp(term, "dumb") == 0);

    return (struct output){
        .fd = fd,
        .json = display->json,
        .header = !display->no_header,
        .color = display->color == COLOR_AUTO ? can : display->color == COLOR_ALWAYS,
    };
}

bool display_flush(struct output *output, int *status) {
    if (output_flush(output) == 0 || errno == EINTR)
        return true;
    *status = errno == EPIPE ? STATUS_DONE : STATUS_FAILED;
    if (errno == ETIMEDOUT)
        warnx("nobody reads the output: %zu bytes of it were not written", output->writer.len);
    else if (errno != EPIPE)
        warn("cannot write the output");
    return false;
}

bool display_take(void *into, const struct endpoint_event *event) {
    struct display_sink *sink = into;

    output_endpoint(&sink->output, event);
    return display_flush(&sink->output, &sink->status);
}

void display_say_denied(const struct owners *owners) {
    errno = owners_error(owners);
    if (errno)
        warn("owners are not shown: cannot read /proc");
    else if (geteuid() != 0)
        warnx("the owners of other users' sockets are not shown: root would show them");
    else
        warnx(
            "some owners are not shown: their processes are in another pid namespace, or this root "
            "may not look at them (CAP_SYS_PTRACE)");
}
