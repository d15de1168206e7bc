/* SPDX-License-Identifier: MIT */
#include "command/options.h"

#include "command/command.h"
#include "command/usage.h"
#include "output/writer.h"
#include "units/nearest.h"

#include <ctype.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>

#define OPTIONS_MAX 64

struct options {
    const struct argp_option *all[OPTIONS_MAX];
    size_t count;
};

/* One that is wrong: an element of argv, of which a cluster of short options may be a part only. */
struct wrong {
    const char *program; /* and the command */
    const char *name;    /* without dashes */
    size_t len;
    bool is_long;
    const struct options *known;
};

static bool has_letter(const struct argp_option *option) {
    return option->key > 0 && option->key <= UCHAR_MAX && isprint(option->key);
}

static void read_tables(const struct argp *argp, struct options *options) {
    const struct argp_option *option = argp->options;
    const struct argp_child *child = argp->children;

    for (; option && (option->name || option->key || option->doc); option++)
        if ((option->name || option->key) && options->count < OPTIONS_MAX)
            options->all[options->count++] = option;
    for (; child && child->argp; child++)
        read_tables(child->argp, options);
}

static bool begins(const struct argp_option *option, const struct wrong *wrong) {
    return option->name && strncmp(option->name, wrong->name, wrong->len) == 0;
}

/* As getopt does: the whole name, or the beginning of one only. `count` is of those that begin so.
 * Returns NULL where none or more than one does. */
static const struct argp_option *find(const struct options *options, const struct wrong *wrong,
                                      size_t *count) {
    const struct argp_option *found = NULL;

    *count = 0;
    for (size_t i = 0; i < options->count; i++) {
        const struct argp_option *option = options->all[i];

        if (!wrong->is_long && option->key == (unsigned char)*wrong->name)
            return option;
        if (!wrong->is_long || !begins(option, wrong))
            continue;
        if (strlen(option->name) == wrong->len) {
            *count = 1;
            return option;
        }
        found = option;
        ++*count;
    }
    return *count == 1 ? found : NULL;
}

/* "-p, --port" */
static void put_option(struct writer *text, const struct argp_option *option) {
    if (has_letter(option))
        writer_format(text, option->name ? "-%c, " : "-%c", option->key);
    if (option->name)
        writer_format(text, "--%s", option->name);
}

static void put_given(struct writer *text, const struct wrong *wrong) {
    writer_text(text, wrong->is_long ? "--" : "-");
    writer_put(text, wrong->name, wrong->len);
}

static const char *text_of(struct writer *text) {
    writer_put(text, "", 1);
    return text->error ? "?" : text->data;
}

static _Noreturn void refuse(const struct wrong *wrong, struct writer *what,
                             struct writer *allowed) {
    struct writer given = {0};

    put_given(&given, wrong);
    usage_refuse_for(wrong->program, NULL, text_of(&given), text_of(what), text_of(allowed));
}

/* Lists the commands that have the option, with `suffix` behind each. Returns how many there are.
 */
static size_t put_owners(struct writer *text, const struct wrong *wrong, const char *suffix) {
    size_t owners = 0;

    for (size_t i = 0; commands[i]; i++) {
        struct options theirs = {0};
        size_t count;

        read_tables(commands[i]->argp, &theirs);
        if (find(&theirs, wrong, &count))
            writer_format(text, "%s%s%s", owners++ ? ", " : "", commands[i]->name, suffix);
    }
    return owners;
}

/* Says which one was meant, where one is near. A letter is near to itself in the other case. */
static void put_nearest(struct writer *text, const struct wrong *wrong) {
    const char *names[OPTIONS_MAX], *nearest;
    char *typed = strndup(wrong->name, wrong->len);
    size_t count = 0;

    for (size_t i = 0; i < wrong->known->count; i++) {
        const struct argp_option *option = wrong->known->all[i];

        if (option->name)
            names[count++] = option->name;
        if (!wrong->is_long && has_letter(option) &&
            tolower(option->key) == tolower((unsigned char)*wrong->name))
            writer_format(text, " (did you mean '-%c'?)", option->key);
    }
    nearest = wrong->is_long && typed ? nearest_word(typed, names, count) : NULL;
    if (nearest)
        writer_format(text, " (did you mean '--%s'?)", nearest);
    free(typed);
}

static void put_all(struct writer *text, const struct options *options) {
    for (size_t i = 0; i < options->count; i++) {
        if (i)
            writer_text(text, ", ");
        put_option(text, options->all[i]);
    }
}

static _Noreturn void refuse_unknown(const struct wrong *wrong) {
    struct writer what = {0}, owners = {0}, allowed = {0};

    if (put_owners(&owners, wrong, "")) {
        writer_text(&what, "is an option of ");
        writer_text(&what, text_of(&owners));
    } else {
        writer_text(&what, "is no option");
        put_nearest(&what, wrong);
    }
    put_all(&allowed, wrong->known);
    refuse(wrong, &what, &allowed);
}

/* Before the command nothing stands but what asks for help. */
static _Noreturn void refuse_before_command(const struct wrong *wrong) {
    struct writer what = {0}, suffix = {0}, allowed = {0};

    writer_text(&suffix, " ");
    put_given(&suffix, wrong);
    if (put_owners(&allowed, wrong, text_of(&suffix))) {
        writer_text(&what, "stands before the command, which comes first");
        refuse(wrong, &what, &allowed);
    }
    writer_text(&what, "is no option");
    put_nearest(&what, wrong);
    for (size_t i = 0; commands[i]; i++)
        writer_format(&allowed, "%s, ", commands[i]->name);
    put_all(&allowed, wrong->known);
    refuse(wrong, &what, &allowed);
}

static _Noreturn void refuse_ambiguous(const struct wrong *wrong) {
    struct writer what = {0}, allowed = {0};

    writer_text(&what, "is the beginning of more than one option");
    for (size_t i = 0; i < wrong->known->count; i++)
        if (begins(wrong->known->all[i], wrong))
            writer_format(&allowed, "%s--%s", allowed.len ? ", " : "", wrong->known->all[i]->name);
    refuse(wrong, &what, &allowed);
}

static _Noreturn void refuse_without_value(const struct wrong *wrong,
                                           const struct argp_option *option) {
    struct writer what = {0}, allowed = {0};

    writer_text(&what, "lacks its value");
    put_option(&allowed, option);
    writer_format(&allowed, option->name ? "=%s" : " %s", option->arg);
    refuse(wrong, &what, &allowed);
}

/* `element`: "--json=1" */
static _Noreturn void refuse_value(const struct wrong *wrong, const struct argp_option *option,
                                   const char *element) {
    struct writer name = {0}, allowed = {0};

    writer_format(&name, "--%s", option->name);
    put_option(&allowed, option);
    usage_refuse_for(wrong->program, text_of(&name), strchr(element, '=') + 1,
                     "is a value, and this option takes none", text_of(&allowed));
}

/* What getopt returns: a letter, or NAMES and the number of a long option. Its '?' is an error, of
 * which optopt is the letter: so that -? is one for it. */
enum { ARGUMENT = 1, NAMES = UCHAR_MAX + 1 };

/* What getopt is told: how the options are called, and which have a value. */
struct tables {
    char letters[2 + 2 * OPTIONS_MAX + 1];
    struct option names[OPTIONS_MAX + 1];
};

static void make_tables(const struct options *options, struct tables *tables) {
    struct option *name = tables->names;
    char *letter = tables->letters;

    *letter++ = '-'; /* arguments are returned where they stand */
    *letter++ = ':'; /* and a missing value as ':' */
    for (size_t i = 0; i < options->count; i++) {
        const struct argp_option *option = options->all[i];

        if (option->name)
            *name++ = (struct option){option->name, option->arg ? required_argument : no_argument,
                                      NULL, NAMES + (int)i};
        if (has_letter(option) && option->key != KEY_HELP) {
            *letter++ = (char)option->key;
            if (option->arg)
                *letter++ = ':';
        }
    }
    *letter = '\0';
    *name = (struct option){0};
}

/* `found` is getopt's ':' or '?' for this element. */
static _Noreturn void refuse_element(const struct options *known, const char *program,
                                     const char *element, int found, bool root) {
    const char letter[] = {(char)optopt, '\0'};
    struct wrong wrong = {.program = program, .known = known};
    const struct argp_option *option;
    size_t count;

    wrong.is_long = element[0] == '-' && element[1] == '-';
    wrong.name = wrong.is_long ? element + 2 : letter;
    wrong.len = wrong.is_long ? (size_t)(strchrnul(wrong.name, '=') - wrong.name) : 1;
    option = find(known, &wrong, &count);
    if (option && found == ':')
        refuse_without_value(&wrong, option);
    if (option)
        refuse_value(&wrong, option, element);
    if (count > 1)
        refuse_ambiguous(&wrong);
    if (root)
        refuse_before_command(&wrong);
    refuse_unknown(&wrong);
}

/* Whether the parser would do no more than answer it: what comes after it is not looked at. */
static bool asks_for_help(int key) {
    return key == KEY_HELP || key == KEY_USAGE || key == KEY_VERSION;
}

void options_check(const struct argp *argp, int argc, char **argv, bool root) {
    struct options known = {0};
    struct tables tables;

    read_tables(argp, &known);
    make_tables(&known, &tables);
    optind = 0; /* GNU's: begin anew */
    opterr = 0;
    for (;;) {
        const char *element = argv[optind ? optind : 1];
        int found = getopt_long(argc, argv, tables.letters, tables.names, NULL);

        if (found >= NAMES)
            found = known.all[found - NAMES]->key;
        else if (found == '?' && optopt == KEY_HELP && element[1] != '-')
            found = KEY_HELP;
        else if (found == '?' || found == ':')
            refuse_element(&known, argv[0], element, found, root);
        if (found == -1 || (found == ARGUMENT && root) || asks_for_help(found))
            return;
    }
}
