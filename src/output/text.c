/* SPDX-License-Identifier: MIT */
#include "output/text.h"

#include "units/clock.h"
#include "units/digits.h"
#include "units/duration.h"

#include <net/if.h>
#include <netinet/in.h>

void text_time(struct writer *writer, int64_t at_ns) {
    static char second[] = "hh:mm:ss"; /* that of the last line; many have the same */
    static time_t of_second = -1;
    const struct timespec wall = clock_wall(at_ns);
    const unsigned ms = (unsigned)(wall.tv_nsec / NS_PER_MS);
    const char fraction[] = {
        '.', (char)('0' + ms / 100), (char)('0' + ms / 10 % 10), (char)('0' + ms % 10), ' ', ' '};
    struct tm local;

    if (wall.tv_sec != of_second) {
        localtime_r(&wall.tv_sec, &local);
        strftime(second, sizeof(second), "%H:%M:%S", &local);
        of_second = wall.tv_sec;
    }
    writer_put(writer, second, sizeof(second) - 1);
    writer_put(writer, fraction, sizeof(fraction));
}

void text_duration(struct writer *writer, int64_t ns) {
    char *to = writer_room(writer, DURATION_TEXT_SIZE);

    if (to)
        writer_keep(writer, duration_put(to, ns));
}

void text_count(struct writer *writer, const char *before, int64_t count, const char *one,
                const char *many) {
    if (count < 0)
        return;
    writer_text(writer, before);
    writer_number(writer, (uint64_t)count);
    writer_put(writer, " ", 1);
    writer_text(writer, count == 1 ? one : many);
}

void text_begin_words(struct output *output) {
    writer_pad(&output->writer, output->writer.len, TEXT_TIME_WIDTH);
    if (output->color)
        writer_text(&output->writer, TEXT_COLOR_DIM);
}

void text_end_words(struct output *output) {
    if (output->color)
        writer_text(&output->writer, TEXT_COLOR_OFF);
    writer_put(&output->writer, "\n", 1);
}

uint32_t text_scope(const struct address *address, bool inet6, uint32_t ifindex) {
    return ifindex && inet6 && address_is_link_local(address) ? ifindex : 0;
}

static char *put_device(char *to, uint32_t ifindex, uint32_t netns) {
    char device[IF_NAMESIZE];

    return netns == 0 && if_indextoname(ifindex, device) ? name_put(to, device)
                                                         : digits_put(to, ifindex);
}

void text_device(struct writer *writer, uint32_t ifindex, uint32_t netns) {
    char *to = writer_room(writer, TEXT_END_MAX);

    if (to)
        writer_keep(writer, put_device(to, ifindex, netns));
}

/* "%eth0" behind the address of what is bound to it. */
static char *put_bound(char *to, uint32_t ifindex, uint32_t netns) {
    if (!ifindex)
        return to;
    *to++ = '%';
    return put_device(to, ifindex, netns);
}

_Static_assert(TEXT_END_MAX >= INET6_ADDRSTRLEN + NAME_PUT_MAX * IF_NAMESIZE + sizeof("[%]:65535"),
               "the longest end, each byte of the device's name escaped");

void text_address(struct writer *writer, const struct address *address, bool inet6,
                  uint32_t ifindex, uint32_t netns) {
    char *to = writer_room(writer, TEXT_END_MAX);

    if (!to)
        return;
    to += address_text(to, address, inet6);
    writer_keep(writer, put_bound(to, text_scope(address, inet6, ifindex), netns));
}

char *text_put_end(char *to, const struct address *address, bool inet6, uint16_t port,
                   uint32_t ifindex, uint32_t netns) {
    if (inet6)
        *to++ = '[';
    if (!inet6 && address_is_unspecified(address))
        *to++ = '*';
    else
        to += address_text(to, address, inet6);
    to = put_bound(to, ifindex, netns);
    if (inet6)
        *to++ = ']';
    *to++ = ':';
    if (port)
        return digits_put(to, port);
    *to = '*';
    return to + 1;
}

void text_end(struct writer *writer, const struct address *address, bool inet6, uint16_t port,
              uint32_t ifindex, uint32_t netns) {
    char *to = writer_room(writer, TEXT_END_MAX);

    if (to)
        writer_keep(writer, text_put_end(to, address, inet6, port, ifindex, netns));
}

void text_owner(struct writer *writer, const struct owner *owner, bool held, uint32_t uid,
                enum tcp_state state) {
    if (owner->pid && held) {
        writer_name(writer, *owner->name ? owner->name : "?");
        writer_put(writer, "[", 1);
        writer_number(writer, owner->pid);
        writer_put(writer, "]", 1);
        if (owner->holders > 1) {
            writer_put(writer, "+", 1);
            writer_number(writer, owner->holders - 1u);
        }
    } else if (held) {
        writer_text(writer, "uid:");
        writer_number(writer, uid);
    } else if (!held && (state == TCP_STATE_ESTABLISHED || state == TCP_STATE_CLOSE_WAIT)) {
        writer_text(writer, "not-accepted");
    } else {
        writer_put(writer, "-", 1);
    }
}

void text_states(struct writer *writer, uint32_t mask, const char *between) {
    const char *before = "";

    for (int state = 1; state < TCP_STATE_COUNT; state++)
        if (mask & TCP_STATE_BIT(state)) {
            writer_text(writer, before);
            writer_text(writer, tcp_state_name((enum tcp_state)state));
            before = between;
        }
}

const char *text_state_color(enum tcp_state state) {
    static const char *const colors[TCP_STATE_COUNT] = {
        [TCP_STATE_ESTABLISHED] = "\033[32m", [TCP_STATE_CLOSE_WAIT] = "\033[1;31m",
        [TCP_STATE_FIN_WAIT1] = "\033[33m",   [TCP_STATE_FIN_WAIT2] = "\033[1;33m",
        [TCP_STATE_CLOSING] = "\033[33m",     [TCP_STATE_LAST_ACK] = "\033[33m",
        [TCP_STATE_SYN_SENT] = "\033[36m",    [TCP_STATE_SYN_RECV] = "\033[36m",
        [TCP_STATE_TIME_WAIT] = "\033[2m",    [TCP_STATE_CLOSE] = "\033[2m",
        [TCP_STATE_LISTEN] = "\033[34m",
    };

    return state < TCP_STATE_COUNT && colors[state] ? colors[state] : "";
}
