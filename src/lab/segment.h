/* SPDX-License-Identifier: MIT
 *
 * A TCP segment, or an ICMP error about one, as it passed a host's link. Pure. lab's own, but for
 * who shows it.
 */
#ifndef TCPWATCH_LAB_SEGMENT_H
#define TCPWATCH_LAB_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The bits of the header (RFC 9293, section 3.1). */
enum segment_flags {
    SEGMENT_FIN = 1 << 0,
    SEGMENT_SYN = 1 << 1,
    SEGMENT_RST = 1 << 2,
    SEGMENT_ACK = 1 << 4,
};

/* What it is to the one who sent it, by what went before. */
enum segment_kind {
    SEGMENT_NEW,
    SEGMENT_RETRANSMISSION,
    SEGMENT_KEEPALIVE,    /* a probe of an idle connection */
    SEGMENT_WINDOW_PROBE, /* of a window that is closed */
};

struct segment {
    bool icmp;
    uint8_t icmp_type, icmp_code;
    uint8_t flags; /* mask of enum segment_flags */
    enum segment_kind kind;
    uint16_t id;                 /* of the IP packet: the same on both links */
    uint16_t from_port, to_port; /* of an ICMP error: of the segment that it is about */
    uint32_t from, to;           /* addresses in network byte order */
    uint32_t seq, ack, len;      /* len: bytes of data */
    uint16_t window;             /* not scaled */
};

/* Reads an IPv4 packet, of which `size` bytes are there. Returns false where it is neither a TCP
 * segment nor an ICMP error about one. */
bool segment_parse(const uint8_t *packet, size_t size, struct segment *segment);

/* One direction of a connection, for segment_classify(): zeroed at its beginning. */
struct segment_stream {
    bool began;
    uint32_t next; /* what has been sent up to */
};

/* Sets the kind of a segment as it is sent. other_window: the last that the peer has told; -1:
 * none.
 */
void segment_classify(struct segment_stream *stream, struct segment *segment, int other_window);

#endif
