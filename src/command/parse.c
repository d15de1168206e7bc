/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "command/parse.h"

#include "command/command.h"
#include "command/options.h"
#include "output/writer.h"

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct argp_option help_options[] = {
    {"help", KEY_HELP, NULL, 0, "Give this help list", -1},
    {"usage", KEY_USAGE, NULL, 0, "Give a short usage message", 0},
    {"version", KEY_VERSION, NULL, 0, "Print program version", -1},
    {0},
};

/* Writes what was asked for and exits. */
static _Noreturn void show(const char *text, size_t len) {
    struct writer writer = {0};

    writer_put(&writer, text, len);
    if (writer_flush(&writer, STDOUT_FILENO, NULL, INT64_MAX) < 0 && errno != EPIPE)
        err(STATUS_FAILED, "cannot write the output");
    exit(STATUS_DONE);
}

static _Noreturn void show_help(const struct argp_state *state, unsigned flags) {
    char *text = NULL;
    size_t len = 0;
    FILE *stream = open_memstream(&text, &len);

    if (!stream)
        err(STATUS_FAILED, "cannot write the help");
    argp_help(state->root_argp, stream, flags, state->name);
    if (fclose(stream) != 0)
        err(STATUS_FAILED, "cannot write the help");
    show(text, len);
}

static error_t parse_help(int key, char *value, struct argp_state *state) {
    (void)value;
    switch (key) {
    case KEY_HELP:
        show_help(state, ARGP_HELP_STD_HELP);
    case KEY_USAGE:
        show_help(state, ARGP_HELP_USAGE);
    case KEY_VERSION:
        show(PACKAGE_STRING "\n", strlen(PACKAGE_STRING "\n"));
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* argp's own help cannot be had without getopt's messages, and on a stream that nobody checks. The
 * input goes to the first parser: the command's. */
static void run(const struct argp *argp, int argc, char **argv, void *input, bool root) {
    static const struct argp help = {.options = help_options, .parser = parse_help};
    const struct argp_child children[] = {{argp, 0, NULL, 0}, {&help, 0, NULL, 0}, {0}};
    const struct argp all = {.children = children};

    options_check(&all, argc, argv, root);
    errno = argp_parse(&all, argc, argv, ARGP_IN_ORDER | ARGP_NO_ERRS | ARGP_NO_HELP, NULL, input);
    if (errno)
        err(STATUS_FAILED, "cannot read the options");
}

void parse_options(const struct argp *argp, int argc, char **argv, void *input) {
    run(argp, argc, argv, input, false);
}

void parse_before_command(const struct argp *argp, int argc, char **argv, void *input) {
    run(argp, argc, argv, input, true);
}
