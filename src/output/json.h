/* SPDX-License-Identifier: MIT
 *
 * The JSON form, one object a line; output's own, other rooms include output/output.h.
 */
#ifndef TCPWATCH_OUTPUT_JSON_H
#define TCPWATCH_OUTPUT_JSON_H

#include "output/output.h"

void json_event(struct output *output, const struct event *event);
void json_summary(struct output *output, const struct summary *summary);
void json_endpoint(struct output *output, const struct endpoint_event *event);
void json_lab(struct output *output, const struct lab_event *event);
void json_lab_scenario(struct output *output, const struct lab_scenario *scenario);
void json_list_row(struct output *output, const struct socket *socket, const struct owner *owner);

#endif
