/* SPDX-License-Identifier: MIT */
#include "output/object.h"

#include "output/text.h"
#include "units/clock.h"
#include "units/duration.h"

#include <errno.h>

/* So many digits of a fraction are written: enough for milliseconds with one decimal. */
#define REAL_DIGITS 12

void object_set(json_t *object, const char *key, json_t *value) {
    json_object_set_new_nocheck(object, key, value);
}

void object_set_text(json_t *object, const char *key, const char *text) {
    object_set(object, key, json_string_nocheck(text));
}

void object_set_number(json_t *object, const char *key, int64_t number) {
    object_set(object, key, json_integer(number));
}

void object_set_known(json_t *object, const char *key, int64_t number) {
    if (number >= 0)
        object_set_number(object, key, number);
}

json_t *object_begin(const char *event, int64_t at_ns) {
    const struct timespec wall = clock_wall(at_ns);
    char day[32], stamp[64];
    json_t *object = json_object();
    struct tm utc;

    gmtime_r(&wall.tv_sec, &utc);
    strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(stamp, sizeof(stamp), "%s.%06ldZ", day, wall.tv_nsec / 1000);
    object_set_text(object, "ts", stamp);
    object_set_text(object, "event", event);
    return object;
}

static int dump_to_writer(const char *data, size_t len, void *writer) {
    writer_put(writer, data, len);
    return ((struct writer *)writer)->error ? -1 : 0;
}

void object_end(struct output *output, json_t *object) {
    if (json_dump_callback(object, dump_to_writer, &output->writer,
                           JSON_COMPACT | JSON_REAL_PRECISION(REAL_DIGITS)) < 0 &&
        !output->writer.error)
        output->writer.error = ENOMEM;
    writer_put(&output->writer, "\n", 1);
    json_decref(object);
}

void object_set_written(json_t *object, const char *key, struct writer *written) {
    writer_put(written, "", 1);
    if (!written->error)
        object_set_text(object, key, written->data);
    writer_free(written);
}

json_t *object_of_states(const uint32_t *masks, size_t count) {
    json_t *array = json_array();

    for (size_t i = 0; i < count; i++) {
        struct writer step = {0};

        text_states(&step, masks[i], "|");
        writer_put(&step, "", 1);
        if (!step.error)
            json_array_append_new(array, json_string_nocheck(step.data));
        writer_free(&step);
    }
    return array;
}

/* A connection has an address and a port at both ends: where there is none it was not seen, or not
 * given yet, or no route led to the remote end. */
static void set_end(json_t *object, const char *key, const struct identity *identity,
                    const struct address *address, uint16_t port) {
    const bool is_connection = identity->remote_port || !address_is_unspecified(identity->remote),
               has_address = !is_connection || !address_is_unspecified(address),
               has_port = !is_connection || port;
    struct writer text = {0};
    json_t *end;

    if (!has_address && !has_port)
        return;
    end = json_object();
    if (has_address) {
        text_address(&text, address, identity->inet6, identity->ifindex, identity->netns);
        object_set_written(end, "address", &text);
    }
    if (has_port)
        object_set_number(end, "port", port);
    object_set(object, key, end);
}

static void set_device(json_t *object, uint32_t ifindex, uint32_t netns) {
    struct writer device = {0};

    text_device(&device, ifindex, netns);
    object_set_written(object, "device", &device);
}

static void set_owner(json_t *object, const struct owner *owner) {
    struct writer name = {0};

    if (owner->pid == 0)
        return;
    object_set_number(object, "pid", owner->pid);
    writer_name(&name, owner->name);
    object_set_written(object, "process", &name);
}

void object_set_cookie(json_t *object, const char *key, uint64_t cookie) {
    char text[24];

    snprintf(text, sizeof(text), "%llu", (unsigned long long)cookie);
    object_set_text(object, key, text);
}

void object_set_connection(const struct output *output, json_t *object,
                           const struct identity *identity) {
    object_set_text(object, "family", identity->inet6 ? "inet6" : "inet");
    set_end(object, "local", identity, identity->local, identity->local_port);
    set_end(object, "remote", identity, identity->remote, identity->remote_port);
    if (identity->ifindex)
        set_device(object, identity->ifindex, identity->netns);
    if (identity->state != TCP_STATE_UNKNOWN)
        object_set_text(object, "state", tcp_state_name(identity->state));
    if (identity->cookie)
        object_set_cookie(object, "cookie", identity->cookie);
    /* A socket that no process holds has neither inode nor user. */
    if (identity->inode) {
        object_set_number(object, "inode", identity->inode);
        object_set_number(object, "uid", identity->uid);
    }
    if (identity->netns || output->netns)
        object_set_number(object, "netns",
                          (int64_t)(identity->netns ? identity->netns : output->netns));
    set_owner(object, identity->owner);
}

void object_set_socket(const struct output *output, json_t *object, const struct socket *socket,
                       const struct owner *owner) {
    const struct identity identity = {
        .inet6 = socket->inet6,
        .local = &socket->local,
        .remote = &socket->remote,
        .local_port = socket->local_port,
        .remote_port = socket->remote_port,
        .ifindex = socket->ifindex,
        .netns = socket->netns,
        .inode = socket->inode,
        .uid = socket->uid,
        .state = socket->state,
        .cookie = socket->cookie,
        .owner = owner,
    };

    object_set_connection(output, object, &identity);
}
