/* SPDX-License-Identifier: MIT
 *
 * The text form; output's own, other rooms include output/output.h.
 */
#ifndef TCPWATCH_OUTPUT_TEXT_H
#define TCPWATCH_OUTPUT_TEXT_H

#include "output/output.h"

void text_monitor_heading(struct output *output);
void text_event(struct output *output, const struct event *event);
void text_summary(struct output *output, const struct summary *summary);
void text_endpoint(struct output *output, const struct endpoint_event *event);
void text_lab(struct output *output, const struct lab_event *event);
void text_lab_summary(struct output *output);
void text_lab_scenario(struct output *output, const struct lab_scenario *scenario);
void text_list_begin(struct output *output);
/* Lays a row out, but for the owner, where there is room for ROWS_MAX. Returns the size of its
 * data, 0 with errno where memory ran out. */
size_t text_list_prepare(struct output *output, const struct socket *socket, struct list_row *row);
void text_list_heading(struct output *output);
void text_list_row(struct output *output, const struct list_row *row, const struct owner *owner);

/* Parts that others use too. A device is "eth0", or its number where its name is not known: it has
 * gone, or netns (as in struct socket) is set, as it is where several network namespaces are
 * watched at once. */
void text_device(struct writer *writer, uint32_t ifindex, uint32_t netns);
/* The device without which that address means nothing; 0: it needs none. */
uint32_t text_scope(const struct address *address, bool inet6, uint32_t ifindex);
/* An address with the device it needs: "fe80::1%eth0". */
void text_address(struct writer *writer, const struct address *address, bool inet6,
                  uint32_t ifindex, uint32_t netns);
/* An end is "127.0.0.1:9998", "[::1]:9998", "*:9998"; port 0 is "*". One that is bound to a device
 * (ifindex; 0: to none) is "*%eth0:9998". */
void text_end(struct writer *writer, const struct address *address, bool inet6, uint16_t port,
              uint32_t ifindex, uint32_t netns);
/* The same where there is room for TEXT_END_MAX bytes; returns where it ends. */
#define TEXT_END_MAX 128
char *text_put_end(char *to, const struct address *address, bool inet6, uint16_t port,
                   uint32_t ifindex, uint32_t netns);
/* "nginx[812]+2": two more processes hold it. "-": none does. */
void text_owner(struct writer *writer, const struct owner *owner, bool held, uint32_t uid,
                enum tcp_state state);
/* A set of states: "FIN_WAIT2 or CLOSING". */
void text_states(struct writer *writer, uint32_t mask, const char *between);
const char *text_state_color(enum tcp_state state);
/* "14:03:21.518  ", the local time: TEXT_TIME_WIDTH bytes. */
#define TEXT_TIME_WIDTH 14
void text_time(struct writer *writer, int64_t at_ns);
void text_duration(struct writer *writer, int64_t ns);
/* ", 1 byte" and ", 2 bytes" where `before` is ", "; nothing where the count is negative. */
void text_count(struct writer *writer, const char *before, int64_t count, const char *one,
                const char *many);
/* A line of words below the line of an event. */
void text_begin_words(struct output *output);
void text_end_words(struct output *output);

#define TEXT_COLOR_OFF "\033[0m"
#define TEXT_COLOR_DIM "\033[2m"

#endif
