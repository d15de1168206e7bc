/* SPDX-License-Identifier: MIT */
#include "lab/segment.h"

#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <string.h>

/* The least lengths of the headers, in bytes. */
#define IP_HEADER   20
#define TCP_HEADER  20
#define ICMP_HEADER 8
#define PORTS       4

static uint16_t read16(const uint8_t *at) {
    return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t read32(const uint8_t *at) {
    return (uint32_t)read16(at) << 16 | read16(at + 2);
}

/* The IP header (RFC 791). Returns its length, 0 where it is none. */
static size_t parse_ip(const uint8_t *packet, size_t size, struct segment *segment,
                       uint8_t *protocol) {
    size_t header;

    if (size < IP_HEADER || packet[0] >> 4 != 4)
        return 0;
    header = (size_t)(packet[0] & 15) * 4;
    /* A later fragment has no header of what it carries. */
    if (header < IP_HEADER || size < header || (read16(packet + 6) & 0x1fff))
        return 0;
    *protocol = packet[9];
    segment->id = read16(packet + 4);
    memcpy(&segment->from, packet + 12, sizeof(segment->from));
    memcpy(&segment->to, packet + 16, sizeof(segment->to));
    return header;
}

static bool parse_tcp(const uint8_t *packet, size_t size, size_t header, struct segment *segment) {
    const uint8_t *tcp = packet + header;
    const size_t total = read16(packet + 2),
                 offset = size < header + TCP_HEADER ? 0 : (size_t)(tcp[12] >> 4) * 4;

    if (offset < TCP_HEADER || total < header + offset)
        return false;
    segment->from_port = read16(tcp);
    segment->to_port = read16(tcp + 2);
    segment->seq = read32(tcp + 4);
    segment->ack = read32(tcp + 8);
    segment->flags = tcp[13];
    segment->window = read16(tcp + 14);
    segment->len = (uint32_t)(total - header - offset);
    return true;
}

/* An error carries the beginning of the packet that it is about (RFC 792). */
static bool parse_icmp(const uint8_t *packet, size_t size, size_t header, struct segment *segment) {
    const uint8_t *icmp = packet + header, *about;
    struct segment inner;
    uint8_t protocol;
    size_t inner_header;

    if (size < header + ICMP_HEADER)
        return false;
    segment->icmp = true;
    segment->icmp_type = icmp[0];
    segment->icmp_code = icmp[1];
    if (segment->icmp_type != ICMP_DEST_UNREACH && segment->icmp_type != ICMP_TIME_EXCEEDED)
        return false;
    about = icmp + ICMP_HEADER;
    inner_header = parse_ip(about, size - header - ICMP_HEADER, &inner, &protocol);
    if (inner_header == 0 || protocol != IPPROTO_TCP ||
        size - header - ICMP_HEADER < inner_header + PORTS)
        return false;
    segment->from_port = read16(about + inner_header);
    segment->to_port = read16(about + inner_header + 2);
    return true;
}

bool segment_parse(const uint8_t *packet, size_t size, struct segment *segment) {
    uint8_t protocol;
    size_t header;

    memset(segment, 0, sizeof(*segment));
    header = parse_ip(packet, size, segment, &protocol);
    if (header && protocol == IPPROTO_TCP)
        return parse_tcp(packet, size, header, segment);
    return header && protocol == IPPROTO_ICMP && parse_icmp(packet, size, header, segment);
}

/* Whether `a` comes before `b`: the numbers go round (RFC 9293, section 3.4). */
static bool before(uint32_t a, uint32_t b) {
    return (int32_t)(a - b) < 0;
}

void segment_classify(struct segment_stream *stream, struct segment *segment, int other_window) {
    const uint32_t takes =
        segment->len + !!(segment->flags & SEGMENT_SYN) + !!(segment->flags & SEGMENT_FIN);
    const uint32_t end = segment->seq + takes;

    segment->kind = SEGMENT_NEW;
    if (segment->icmp || segment->flags & SEGMENT_RST)
        return;
    if (!stream->began) {
        stream->began = true;
        stream->next = end;
    } else if (takes && !before(stream->next, end)) {
        segment->kind = SEGMENT_RETRANSMISSION;
    } else if (!takes && segment->seq == stream->next - 1) {
        /* The number before the next one, so that the peer has to answer (tcp_xmit_probe_skb(),
         * net/ipv4/tcp_output.c). */
        segment->kind = other_window == 0 ? SEGMENT_WINDOW_PROBE : SEGMENT_KEEPALIVE;
    } else if (takes) {
        stream->next = end;
    }
}
