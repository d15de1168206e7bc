/* SPDX-License-Identifier: MIT
 *
 * tcpwatch: a diagnostic tool for live TCP connections. The table of commands, and the parser that
 * finds one in it.
 */
#include "config.h"

#include "command/command.h"
#include "command/parse.h"
#include "command/usage.h"
#include "units/nearest.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct command *const commands[] = {
    &command_monitor, &command_list, &command_server, &command_client, &command_lab, NULL,
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]) - 1)

/* What the root parser finds. */
struct choice {
    const struct command *command;
    int index; /* of the command in argv */
};

/* Refuses a name that is no command; NULL: none was given. */
static _Noreturn void refuse(const struct argp_state *state, const char *name) {
    const char *names[COMMANDS], *nearest = NULL;
    char what[80] = "is no command", allowed[200] = "";

    for (size_t i = 0; i < COMMANDS; i++) {
        names[i] = commands[i]->name;
        strcat(strcat(allowed, i ? ", " : ""), names[i]);
    }
    if (name)
        nearest = nearest_word(name, names, COMMANDS);
    if (nearest)
        snprintf(what, sizeof(what), "is no command (did you mean '%s'?)", nearest);
    if (name)
        usage_refuse(state, "COMMAND", name, what, allowed);
    usage_refuse_missing(state, "a command", allowed);
}

static error_t parse(int key, char *value, struct argp_state *state) {
    struct choice *choice = state->input;

    switch (key) {
    case ARGP_KEY_ARG:
        for (size_t i = 0; i < COMMANDS; i++)
            if (strcmp(value, commands[i]->name) == 0) {
                choice->command = commands[i];
                choice->index = state->next - 1;
                state->next = state->argc; /* the rest is the command's */
                return 0;
            }
        refuse(state, value);
    case ARGP_KEY_NO_ARGS:
        refuse(state, NULL);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* The commands are listed by --help below the options. Returns NULL: as argp has it. */
static char *help_filter(int key, const char *text, void *input) {
    char *help = NULL;
    size_t len;
    FILE *stream;

    (void)input;
    if (key != ARGP_KEY_HELP_EXTRA)
        return (char *)text;
    stream = open_memstream(&help, &len);
    if (!stream)
        return NULL;
    fprintf(stream, "Commands:\n");
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(stream, "  %-9s %s\n", commands[i]->name, commands[i]->summary);
    fprintf(stream, "\n'tcpwatch COMMAND --help' lists a command's options, 'man tcpwatch' tells "
                    "the rest.");
    fclose(stream);
    return help;
}

/* A descriptor that the caller closed would be taken by the first socket, and the output written
 * into that. In its place comes one that answers EBADF. */
static void fill_standard_descriptors(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

int main(int argc, char **argv) {
    static const struct argp argp = {
        .parser = parse,
        .args_doc = "COMMAND [OPTION...]",
        .doc = "Tell why a TCP connection died, or why it will not die.",
        .help_filter = help_filter,
    };
    struct choice choice = {0};
    char name[64];

    fill_standard_descriptors();
    signal(SIGPIPE, SIG_IGN); /* a reader that has gone is an EPIPE, and no reason to die */
    argv[0] = program_invocation_name = program_invocation_short_name;
    parse_before_command(&argp, argc, argv, &choice);
    snprintf(name, sizeof(name), "%s %s", program_invocation_short_name, choice.command->name);
    argv[choice.index] = name;
    return choice.command->run(argc - choice.index, argv + choice.index);
}
