/* SPDX-License-Identifier: MIT
 *
 * A JSON object on its way: what the JSON forms of all events share. output's own.
 *
 * Jansson tells of a failure (memory) when the object is written: its setters pass NULL on.
 */
#ifndef TCPWATCH_OUTPUT_OBJECT_H
#define TCPWATCH_OUTPUT_OBJECT_H

#include "output/output.h"

#include <jansson.h>

/* Every object begins with "ts" and "event", and ends as one line. */
json_t *object_begin(const char *event, int64_t at_ns);
void object_end(struct output *output, json_t *object);

void object_set(json_t *object, const char *key, json_t *value);
void object_set_text(json_t *object, const char *key, const char *text);
void object_set_number(json_t *object, const char *key, int64_t number);
/* -1 is unknown, and what is unknown is left out. */
void object_set_known(json_t *object, const char *key, int64_t number);
/* Sets what was written, and frees it. */
void object_set_written(json_t *object, const char *key, struct writer *written);

/* An array of steps. One that may have been one of several states is one string, joined by '|'. */
json_t *object_of_states(const uint32_t *masks, size_t count);

/* What identifies a connection, shared by all that have one. */
struct identity {
    bool inet6;
    const struct address *local, *remote;
    uint16_t local_port, remote_port;
    uint32_t netns, ifindex, inode, uid;
    enum tcp_state state;
    uint64_t cookie;
    const struct owner *owner;
};

void object_set_cookie(json_t *object, const char *key, uint64_t cookie);
void object_set_connection(const struct output *output, json_t *object,
                           const struct identity *identity);
void object_set_socket(const struct output *output, json_t *object, const struct socket *socket,
                       const struct owner *owner);

#endif
