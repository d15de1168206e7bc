/* SPDX-License-Identifier: MIT
 *
 * tcpwatch lab: each way a connection breaks, on this machine.
 */
#include "lab/lab.h"

#include "command/command.h"
#include "command/display.h"
#include "command/parse.h"
#include "command/usage.h"
#include "units/clock.h"
#include "units/duration.h"
#include "units/nearest.h"

#include <err.h>
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SCENARIOS_MAX 64
#define ALL           "all"

#define COLUMNS_DEFAULT 80

struct options {
    struct display display;
    bool real_time;
    const struct lab_scenario *scenarios[SCENARIOS_MAX + 1]; /* ends with NULL */
    size_t count;
};

enum { KEY_REAL_TIME = 0x700 };

static const struct argp_option argp_options[] = {
    {"real-time", KEY_REAL_TIME, NULL, 0,
     "With the timers of this host instead of shorter ones: some take a quarter of an hour", 1},
    {0},
};

static _Noreturn void refuse_name(const struct argp_state *state, const char *value) {
    const char *names[SCENARIOS_MAX], *nearest;
    char what[80] = "is no scenario";
    size_t count = 0;

    for (const struct lab_scenario *one; count < SCENARIOS_MAX && (one = lab_scenario(count));)
        names[count++] = one->name;
    nearest = nearest_word(value, names, count);
    if (nearest)
        snprintf(what, sizeof(what), "is no scenario (did you mean '%s'?)", nearest);
    usage_refuse(state, "NAME", value, what, "all, and the names that `tcpwatch lab` lists");
}

/* Each runs once, in the order of the command line. */
static void add_scenario(struct options *options, const struct lab_scenario *scenario) {
    for (size_t i = 0; i < options->count; i++)
        if (options->scenarios[i] == scenario)
            return;
    if (options->count < SCENARIOS_MAX)
        options->scenarios[options->count++] = scenario;
}

static void take_argument(const struct argp_state *state, const char *value,
                          struct options *options) {
    const struct lab_scenario *scenario = lab_find(value);

    if (strcmp(value, ALL) == 0)
        for (size_t i = 0; (scenario = lab_scenario(i)); i++)
            add_scenario(options, scenario);
    else if (scenario)
        add_scenario(options, scenario);
    else
        refuse_name(state, value);
}

static error_t parse(int key, char *value, struct argp_state *state) {
    struct options *options = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &options->display;
        return 0;
    case KEY_REAL_TIME:
        options->real_time = true;
        return 0;
    case ARGP_KEY_ARG:
        take_argument(state, value, options);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Where the events go, and the line that says meanwhile what is waited for. */
struct show {
    struct output output;
    int status;
    size_t progress;                  /* columns of the terminal on stderr; 0: it is none */
    const struct lab_scenario *shown; /* whose picture is being drawn */
    bool waiting;                     /* a line stands there */
};

static void clear_progress(struct show *show) {
    if (show->waiting)
        fputs("\r\033[K", stderr);
    show->waiting = false;
}

/* The columns of a terminal that understands what clear_progress() sends. */
static size_t progress_columns(void) {
    const char *term = getenv("TERM");
    struct winsize size = {0};

    if (!isatty(STDERR_FILENO) || !term || strcmp(term, "dumb") == 0)
        return 0;
    ioctl(STDERR_FILENO, TIOCGWINSZ, &size);
    return size.ws_col ? size.ws_col : COLUMNS_DEFAULT;
}

/* No longer than the window is wide: what has been wrapped could not be cleared. */
static void show_progress(struct show *show, const struct lab_event *event) {
    const int64_t left_ns = event->waiting.until_ns - clock_now();
    char line[LAB_TEXT_SIZE + 80];

    if (show->progress == 0 || event->scenario != show->shown)
        return;
    clear_progress(show);
    snprintf(line, sizeof(line), "about %.1f s still: waiting for %s",
             (double)(left_ns > 0 ? left_ns : 0) / NS_PER_S, event->waiting.text);
    fprintf(stderr, "%.*s", (int)show->progress - 1, line);
    show->waiting = true;
}

static bool take(void *into, const struct lab_event *event) {
    struct show *show = into;

    if (event->kind == LAB_EVENT_WAITING) {
        show_progress(show, event);
        return true;
    }
    show->shown = event->scenario;
    output_lab(&show->output, event);
    clear_progress(show);
    return display_flush(&show->output, &show->status);
}

static void list(struct show *show) {
    for (size_t i = 0; lab_scenario(i); i++)
        output_lab_scenario(&show->output, lab_scenario(i));
    display_flush(&show->output, &show->status);
}

/* Root is of help where it is the right that is missing. */
static void say_forbidden(const struct lab_failure *failure) {
    const char *error = strerror(failure->error);
    const bool may_help = geteuid() != 0 && (failure->error == EPERM || failure->error == EACCES);

    if (*failure->setting)
        warnx("%s: %s: %s forbids it%s", failure->what, error, failure->setting,
              failure->for_others ? " to other users than root: run the lab as root" : "");
    else if (failure->error == ENOSPC)
        warnx("%s: %s: as many as user.max_user_namespaces, user.max_pid_namespaces and "
              "user.max_net_namespaces allow are in use",
              failure->what, error);
    else
        warnx("%s: %s%s", failure->what, error, may_help ? ": run the lab as root" : "");
}

static int status_of(const struct show *show, enum lab_outcome outcome,
                     const struct lab_failure *failure) {
    switch (outcome) {
    case LAB_PASSED:
        return STATUS_DONE;
    case LAB_READER_GONE:
        return show->status;
    case LAB_FORBIDDEN:
        say_forbidden(failure);
        return STATUS_FAILED;
    case LAB_STOPPED:
        warnx("stopped before the end");
        return STATUS_FAILED;
    case LAB_FAILED:
        break;
    }
    return STATUS_FAILED;
}

static int run(const struct options *options) {
    struct show show = {
        .output = display_output(&options->display, STDOUT_FILENO),
        .status = STATUS_DONE,
        .progress = progress_columns(),
    };
    const struct lab_settings settings = {
        .scenarios = options->scenarios,
        .real_time = options->real_time,
        .emit = take,
        .into = &show,
    };
    struct lab_failure failure = {0};
    int status = STATUS_DONE;
    sigset_t unblocked;

    /* While a reader that does not read is waited for, a signal has its usual effect. */
    sigemptyset(&unblocked);
    display_never_block(&show.output);
    show.output.unblocked = &unblocked;
    setlocale(LC_CTYPE, "");
    show.output.ascii = strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
    if (options->count == 0) {
        list(&show);
        status = show.status;
    } else {
        enum lab_outcome outcome = lab_run(&settings, &failure);

        clear_progress(&show);
        if (outcome == LAB_PASSED || outcome == LAB_FAILED) {
            output_lab_summary(&show.output);
            if (!display_flush(&show.output, &show.status))
                outcome = LAB_READER_GONE;
        }
        status = status_of(&show, outcome, &failure);
    }
    display_free(&show.output);
    return status;
}

static const struct argp_child children[] = {{&display_argp, 0, NULL, 0}, {0}};

static const struct argp argp = {
    .options = argp_options,
    .parser = parse,
    .args_doc = "[NAME...|all]",
    .children = children,
    .doc =
        "Make connections break, each in a way of its own, between three hosts in private "
        "namespaces, and compare what is seen with what TCP promises. Without a NAME: list them.",
};

static int start(int argc, char **argv) {
    struct options options = {0};

    parse_options(&argp, argc, argv, &options);
    return run(&options);
}

const struct command command_lab = {
    .name = "lab",
    .summary = "reproduce each way a connection breaks, on this host, without root",
    .argp = &argp,
    .run = start,
};
