/* SPDX-License-Identifier: MIT */
#include "command/common.h"

#include "command/usage.h"

static const struct argp_option options[] = {
    {"no-header", 'H', NULL, 0, "No heading line", 8},
    {0},
};

static error_t parse(int key, char *value, struct argp_state *state) {
    struct common *common = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &common->selection;
        state->child_inputs[1] = &common->display;
        return 0;
    case 'H':
        common->display.no_header = true;
        return 0;
    case ARGP_KEY_ARG:
        usage_refuse_argument(state, value);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {
    {&selection_argp, 0, NULL, 0},
    {&display_argp, 0, NULL, 0},
    {0},
};

const struct argp common_argp = {.options = options, .parser = parse, .children = children};
