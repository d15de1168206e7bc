/* SPDX-License-Identifier: MIT */
#include "command/display.h"

#include "command/command.h"
#include "command/usage.h"
#include "units/clock.h"
#include "units/duration.h"
#include "units/nonblocking.h"

#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a slow reader has not taken yet may be so much. In the end one that takes nothing is waited
 * for so long. */
#define LEFT_MAX    (1024 * 1024)
#define PATIENCE_NS (2 * NS_PER_S)

/* A time that has passed. */
#define AT_ONCE 1

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
    struct stat status;
    const bool can = isatty(fd) && !(no_color && *no_color) && !(term && strcmp(term, "dumb") == 0);

    return (struct output){
        .fd = fd,
        .to_file = fstat(fd, &status) == 0 && S_ISREG(status.st_mode),
        .json = display->json,
        .header = !display->no_header,
        .color = display->color == COLOR_AUTO ? can : display->color == COLOR_ALWAYS,
    };
}

bool display_flush(struct output *output, int *status) {
    if (output_flush(output) == 0 || errno == EINTR || errno == ETIMEDOUT)
        return true;
    *status = errno == EPIPE ? STATUS_DONE : STATUS_FAILED;
    if (errno != EPIPE)
        warn("cannot write the output");
    return false;
}

bool display_flush_rest(struct output *output, int *status) {
    size_t left;

    do {
        left = output->writer.len;
        output->until_ns = clock_now() + PATIENCE_NS;
        if (!display_flush(output, status))
            return false;
    } while (output->writer.len > 0 && output->writer.len < left);
    if (output->writer.len == 0)
        return true;
    warnx("nobody reads the output: %zu bytes of it were not written", output->writer.len);
    *status = STATUS_FAILED;
    return false;
}

void display_never_block(struct output *output) {
    const int copy = nonblocking_copy(output->fd);

    if (copy >= 0)
        output->fd = copy;
}

void display_free(struct output *output) {
    if (output->fd > STDERR_FILENO)
        close(output->fd);
    output_free(output);
}

/* With the signals as they are. */
static bool sink_flush(struct display_sink *sink, bool (*flush)(struct output *, int *)) {
    sigset_t unblocked;

    sigprocmask(SIG_BLOCK, NULL, &unblocked);
    sink->output.unblocked = &unblocked;
    sink->output.until_ns = AT_ONCE;
    return flush(&sink->output, &sink->status);
}

bool display_take(void *into, const struct endpoint_event *event) {
    struct display_sink *sink = into;

    if (sink->output.writer.len > LEFT_MAX) {
        if (sink->lost++ == 0)
            warnx("nobody reads the output: events are lost from now on");
        return true;
    }
    output_endpoint(&sink->output, event);
    return sink_flush(sink, display_flush);
}

bool display_left(void *into) {
    struct display_sink *sink = into;

    sink_flush(sink, display_flush);
    return sink->output.writer.len > 0;
}

int display_finish(struct display_sink *sink) {
    if (sink->output.writer.error == 0)
        sink_flush(sink, display_flush_rest);
    if (sink->lost)
        warnx("%llu events were lost: nobody read the output", (unsigned long long)sink->lost);
    display_free(&sink->output);
    return sink->status;
}

void display_say_denied(const struct owners *owners) {
    errno = owners_error(owners);
    if (errno)
        warn("owners are not shown: cannot read /proc");
    else if (geteuid() != 0)
        warnx("the owners of other users' sockets are not shown: root would show them");
    else
        warnx("some owners are not shown: nobody in /proc has their sockets open (they are in "
              "another pid namespace, or on their way over a unix socket), or this root may not "
              "look there (CAP_SYS_PTRACE)");
}
