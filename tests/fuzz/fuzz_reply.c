/* SPDX-License-Identifier: MIT
 *
 * Fuzzes what reads the kernel's replies, and what shows the result. An input is a process's name
 * of NAME_SIZE bytes and then a datagram as recv() returns it: messages that follow each other.
 *
 * `make fuzz` builds it with clang's libFuzzer and runs it; `make check` reads the corpus with
 * driver.c instead.
 */
#include "filter/filter.h"
#include "output/output.h"
#include "sockdiag/reply.h"

#include <jansson.h>
#include <libmnl/libmnl.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#define NAME_SIZE 16

/* Showing takes most of the time, and all sockets are shown alike: the first ones of an input are,
 * and only where the byte behind the name says so. */
#define SHOWN_MAX   3
#define SHOWN_EVERY 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
    struct owner owner;
    int to_show;
};

/* Without asking the kernel. */
char *if_indextoname(unsigned index, char name[IF_NAMESIZE]) {
    return index % 2 ? strcpy(name, "eth0") : NULL;
}

static void require(bool holds) {
    if (!holds)
        abort();
}

/* Bytes that no text may have, whatever the names: they would reach a terminal. */
static void check_text(const struct writer *writer, bool color) {
    for (size_t i = 0; i < writer->len; i++) {
        const unsigned char byte = (unsigned char)writer->data[i];

        require((byte >= 0x20 && byte != 0x7f) || byte == '\n' || (color && byte == '\033'));
    }
    require(writer->len && writer->data[writer->len - 1] == '\n');
}

static void show(struct output *output, const struct socket *socket, const struct owner *owner) {
    const struct list_row *row;

    output_list_begin(output);
    row = output_list_prepare(output, socket);
    require(row != NULL);
    output_list_heading(output);
    output_list_row(output, row, owner);
}

static void show_text(const struct socket *socket, const struct owner *owner) {
    struct output output = {
        .header = socket->cookie & 1, .color = socket->cookie & 2, .owners = true};

    show(&output, socket, owner);
    require(output.writer.error == 0);
    check_text(&output.writer, output.color);
    output_free(&output);
}

static void show_json(const struct socket *socket, const struct owner *owner) {
    struct output output = {.json = true};
    json_t *object;

    show(&output, socket, owner);
    require(output.writer.error == 0);
    check_text(&output.writer, false);
    object = json_loadb(output.writer.data, output.writer.len, JSON_REJECT_DUPLICATES, NULL);
    require(object != NULL);
    json_decref(object);
    output_free(&output);
}

static void check_socket(const struct socket *socket) {
    static const struct filter anything;
    const uint8_t has = socket->has;

    require(socket->state < TCP_STATE_COUNT);
    require(socket->inet6 <= 1);
    require(socket->inet6 || (address_is_ipv4(&socket->local) && address_is_ipv4(&socket->remote)));
    /* struct tcp_info has only ever grown. */
    require(has < 2 * SOCKET_HAS_DATA_SEGS);
    require(!(has & SOCKET_HAS_SENT) || (has & SOCKET_HAS_DATA_SEGS));
    require(!(has & SOCKET_HAS_DATA_SEGS) || (has & SOCKET_HAS_BYTES));
    require(!(has & SOCKET_HAS_BYTES) || (has & SOCKET_HAS_INFO));
    require(filter_matches(&anything, socket));
}

static int on_message(const struct nlmsghdr *message, void *data) {
    struct run *run = data;
    struct socket socket;

    memset(&socket, 0xa5, sizeof(socket));
    if (!reply_parse(message, &socket))
        return MNL_CB_OK;
    check_socket(&socket);
    if (run->to_show-- > 0) {
        show_text(&socket, &run->owner);
        show_json(&socket, &run->owner);
    }
    return MNL_CB_OK;
}

/* libmnl before 1.0.5 takes a length of 2 GiB or more for a negative one, and believes it. */
static bool lengths_are_believable(const char *datagram, size_t size) {
    struct nlmsghdr header;

    for (size_t at = 0; at + sizeof(header) <= size; at += NLMSG_ALIGN(header.nlmsg_len)) {
        memcpy(&header, datagram + at, sizeof(header));
        if (header.nlmsg_len > INT32_MAX)
            return false;
        if (header.nlmsg_len < sizeof(header))
            break;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct run run = {.owner = {.pid = 4270, .holders = 2}};
    char *datagram;

    if (size < NAME_SIZE)
        return 0;
    memcpy(run.owner.name, data, sizeof(run.owner.name) - 1);
    run.to_show = data[NAME_SIZE - 1] % SHOWN_EVERY == 0 ? SHOWN_MAX : 0;
    data += NAME_SIZE;
    size -= NAME_SIZE;
    /* A block of its very size, so that AddressSanitizer sees what is read behind its end. */
    datagram = malloc(size ? size : 1);
    if (!datagram)
        return 0;
    memcpy(datagram, data, size);
    if (lengths_are_believable(datagram, size))
        mnl_cb_run(datagram, size, 0, 0, on_message, &run);
    free(datagram);
    return 0;
}
