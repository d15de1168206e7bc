/* SPDX-License-Identifier: MIT */
#include "output/output.h"

#include "shown.h"
#include "unit.h"

#include "units/clock.h"
#include "units/duration.h"

#include <ctype.h>
#include <jansson.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>

/* Process names are untrusted bytes: 15 of them, whatever they are. */
static const char *const hostile_names[] = {
    "\033]0;owned\a",   "\302\23331m",     "\xff\xfe\xfd",    "a\nb\rc\td",         "\"},{\"",
    "\\\\\\\"",         "\xe2\x80\xaetxt", "\x7f\x01\x02",    "\xf0\x9f\x90",       "%s%n%d",
    "</script>",        "\xc0\x80",        "\xed\xa0\x80",    "gr\xc3\xb6\xc3\x9f", "nginx",
    "\xe2\x80\xa8line", "[1]+9 \x1b[2J",   "\xf4\x90\x80\x80"};

/* The kernel's name of a device is untrusted too: no '/', no white space, else any byte. */
static const char *device = "eth0";

char *if_indextoname(unsigned index, char name[IF_NAMESIZE]) {
    return index == 7 ? strcpy(name, device) : NULL;
}

static struct connection connection_of(const char *process) {
    struct connection connection = {
        .cookie = UINT64_MAX,
        .local_port = 9998,
        .remote_port = 50796,
        .state = TCP_STATE_CLOSE_WAIT,
        .inode = 12345,
        .uid = 1000,
        .owner = {.pid = 4270, .holders = 1},
    };

    connection.local = address_of("127.0.0.1");
    connection.remote = address_of("192.0.2.1");
    snprintf(connection.owner.name, sizeof(connection.owner.name), "%s", process);
    return connection;
}

static struct event event_of(enum event_kind kind, struct connection *connection) {
    return (struct event){
        .kind = kind,
        .at_ns = clock_now(),
        .connection = kind == EVENT_LOST ? NULL : connection,
        .from = TCP_STATE_ESTABLISHED,
        .to = connection->state,
        .dwell_ns = 12400 * NS_PER_MS,
        .lifetime_ns = -1,
        .totals = {-1, -1, -1, -1, -1},
        .reason = "so it is",
    };
}

static void check_stamp(const char *stamp) {
    static const char form[] = "dddd-dd-ddTdd:dd:dd.ddddddZ";

    assert_int_equal(strlen(stamp), strlen(form));
    for (size_t i = 0; form[i]; i++)
        assert_true(form[i] == 'd' ? isdigit((unsigned char)stamp[i]) : stamp[i] == form[i]);
}

static void every_event_is_one_json_object_whatever_the_process_is_called(void **state) {
    static const char *const names[] = {
        [EVENT_APPEARED] = "appeared", [EVENT_TRANSITION] = "transition",
        [EVENT_STUCK] = "stuck",       [EVENT_CLOSED] = "closed",
        [EVENT_LOST] = "lost",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(hostile_names); i++)
        for (int kind = EVENT_APPEARED; kind <= EVENT_LOST; kind++) {
            struct output output = {.json = true};
            struct connection connection = connection_of(hostile_names[i]);
            const struct event event = event_of((enum event_kind)kind, &connection);
            json_t *object;

            output_event(&output, &event);
            object = take_object(&output);
            assert_string_equal(text_in(object, "event"), names[kind]);
            check_stamp(text_in(object, "ts"));
            if (kind != EVENT_LOST)
                assert_int_equal(number_in(object, "pid"), 4270);
            json_decref(object);
            output_free(&output);
        }
}

static void a_process_is_called_as_a_terminal_may_show_it(void **state) {
    struct output output = {.json = true};
    struct connection connection = connection_of("\033[2Jgr\xc3\xb6\xff");
    const struct event event = event_of(EVENT_APPEARED, &connection);
    json_t *object;

    (void)state;
    output_event(&output, &event);
    object = take_object(&output);
    assert_string_equal(text_in(object, "process"), "\\x1b[2Jgr\xc3\xb6\\xff");
    json_decref(object);
    output_free(&output);
}

static void a_transition_is_told_in_json(void **state) {
    struct output output = {.json = true, .netns = 4026531840};
    struct connection connection = connection_of("client");
    struct event event = event_of(EVENT_TRANSITION, &connection);
    json_t *object;

    (void)state;
    event.to = connection.state = TCP_STATE_TIME_WAIT;
    event.skipped_count = tcp_state_skipped(event.from, event.to, event.skipped);
    output_event(&output, &event);
    object = take_object(&output);
    assert_string_equal(text_in(object, "from"), "ESTABLISHED");
    assert_string_equal(text_in(object, "to"), "TIME_WAIT");
    assert_string_equal(text_in(object, "state"), "TIME_WAIT");
    assert_int_equal(number_in(object, "dwell_ms"), 12400);
    assert_true(json_is_false(json_object_get(object, "exact")));
    assert_string_equal(text_in(object, "family"), "inet");
    assert_string_equal(text_in(json_object_get(object, "local"), "address"), "127.0.0.1");
    assert_int_equal(number_in(json_object_get(object, "remote"), "port"), 50796);
    assert_string_equal(text_in(object, "cookie"), "18446744073709551615");
    assert_int_equal(number_in(object, "inode"), 12345);
    assert_int_equal(number_in(object, "uid"), 1000);
    assert_int_equal(number_in(object, "netns"), 4026531840);
    assert_string_equal(text_in(object, "process"), "client");
    {
        char *skipped = json_dumps(json_object_get(object, "skipped"), JSON_COMPACT);

        assert_string_equal(skipped, "[\"FIN_WAIT1\",\"FIN_WAIT2|CLOSING\"]");
        free(skipped);
    }
    json_decref(object);
    output_free(&output);
}

static void a_closed_connection_is_told_in_json(void **state) {
    static const char *const causes[CAUSE_COUNT] = {"(none)",
                                                    "fin",
                                                    "reset",
                                                    "timed-out",
                                                    "refused",
                                                    "host-unreachable",
                                                    "network-unreachable",
                                                    "aborted",
                                                    "destroyed"};

    (void)state;
    for (int cause = 0; cause < CAUSE_COUNT; cause++) {
        struct output output = {.json = true};
        struct connection connection = connection_of("client");
        struct event event = event_of(EVENT_CLOSED, &connection);
        json_t *object;

        event.cause = (enum cause)cause;
        event.closed_first = SIDE_REMOTE;
        event.lifetime_ns = 1500 * NS_PER_MS;
        event.former_cookie = UINT64_MAX;
        event.lifetime_approximate = cause == CAUSE_RESET;
        event.totals = (struct totals){.bytes_sent = 1LL << 40, .retransmits = 0, .segs_in = -1};
        output_event(&output, &event);
        object = take_object(&output);
        assert_string_equal(text_in(object, "cause"), causes[cause]);
        assert_string_equal(text_in(object, "closed_first"), "remote");
        assert_string_equal(text_in(object, "former_cookie"), "18446744073709551615");
        assert_int_equal(number_in(object, "lifetime_ms"), 1500);
        assert_ptr_equal(json_object_get(object, "lifetime_approximate"),
                         cause == CAUSE_RESET ? json_true() : NULL);
        assert_int_equal(number_in(object, "bytes_sent"), 1LL << 40);
        assert_int_equal(number_in(object, "bytes_received"), 0);
        assert_int_equal(number_in(object, "retransmits"), 0);
        json_decref(object);
        output_free(&output);
    }
}

static void what_is_unknown_is_absent(void **state) {
    static const char *const absent[] = {
        "cause",         "closed_first", "lifetime_ms", "bytes_sent", "bytes_received",
        "retransmits",   "inode",        "uid",         "pid",        "process",
        "netns",         "timer",        "skipped",     "count",      "segments_sent",
        "former_cookie",
    };
    struct output output = {.json = true};
    struct connection connection = connection_of("was held by this once");
    const struct event event = event_of(EVENT_CLOSED, &connection);
    json_t *object;

    (void)state;
    connection.inode = 0;
    output_event(&output, &event);
    object = take_object(&output);
    for (size_t i = 0; i < COUNT(absent); i++)
        if (json_object_get(object, absent[i]))
            fail_msg("%s is there", absent[i]);
    json_decref(object);
    output_free(&output);
}

/* As it is thrown away a socket forgets the peer's port; as it connects it may have none yet. */
static void what_an_end_has_lost_is_absent(void **state) {
    struct output output = {.json = true};
    struct connection connection = connection_of("client");
    const struct event event = event_of(EVENT_CLOSED, &connection);
    json_t *object;

    (void)state;
    connection.remote_port = 0;
    connection.local = (struct address){0};
    output_event(&output, &event);
    object = take_object(&output);
    assert_null(json_object_get(json_object_get(object, "remote"), "port"));
    assert_non_null(json_object_get(json_object_get(object, "remote"), "address"));
    assert_null(json_object_get(json_object_get(object, "local"), "address"));
    assert_true(number_in(json_object_get(object, "local"), "port") > 0);
    json_decref(object);
    connection.local_port = 0;
    output_event(&output, &event);
    object = take_object(&output);
    assert_null(json_object_get(object, "local"));
    json_decref(object);
    output_free(&output);
}

/* The sockets as `list` shows them, read in this order or from the last to the first. To be freed
 * by the caller. */
static char *list_read(struct output *output, const struct socket *sockets,
                       const struct owner *owners, size_t count, bool last_first) {
    const struct list_row **rows = calloc(count, sizeof(*rows));

    assert_non_null(rows);
    output_list_begin(output);
    for (size_t i = 0; i < count; i++) {
        const size_t at = last_first ? count - 1 - i : i;

        rows[at] = output_list_prepare(output, &sockets[at]);
        assert_non_null(rows[at]);
    }
    output_list_heading(output);
    for (size_t i = 0; i < count; i++)
        output_list_row(output, rows[i], &owners[i]);
    free(rows);
    return take_text(output);
}

static char *list_of(struct output *output, const struct socket *sockets,
                     const struct owner *owners, size_t count) {
    return list_read(output, sockets, owners, count, false);
}

static void list_one(struct output *output, const struct socket *socket,
                     const struct owner *owner) {
    const struct list_row *row;

    output_list_begin(output);
    row = output_list_prepare(output, socket);
    assert_non_null(row);
    output_list_row(output, row, owner);
}

static void a_socket_is_told_in_json_as_far_as_it_is_known(void **state) {
    static const struct {
        uint8_t has;
        const char *key;
    } rows[] = {
        {SOCKET_HAS_INFO, "rtt_us"},          {SOCKET_HAS_INFO, "retransmits"},
        {SOCKET_HAS_BYTES, "segments_sent"},  {SOCKET_HAS_DATA_SEGS, "not_sent"},
        {SOCKET_HAS_DATA_SEGS, "min_rtt_us"}, {SOCKET_HAS_SENT, "bytes_sent"},
    };

    (void)state;
    for (unsigned has = 0; has < 16; has++) {
        struct output output = {.json = true};
        struct socket socket = socket_of(1, TCP_STATE_ESTABLISHED);
        const struct owner owner = {.pid = 1, .name = "init"};
        json_t *object;

        socket.rtt_us = 25;
        socket.has = (uint8_t)has;
        socket.timer = SOCKET_TIMER_KEEPALIVE;
        socket.timer_ms = 7200000;
        list_one(&output, &socket, &owner);
        object = take_object(&output);
        assert_string_equal(text_in(object, "event"), "socket");
        assert_string_equal(text_in(json_object_get(object, "timer"), "kind"), "keepalive");
        assert_int_equal(number_in(json_object_get(object, "timer"), "expires_ms"), 7200000);
        for (size_t i = 0; i < COUNT(rows); i++)
            assert_int_equal(json_object_get(object, rows[i].key) != NULL,
                             (has & SOCKET_HAS_INFO) && (has & rows[i].has));
        json_decref(object);
        output_free(&output);
    }
}

static void every_event_is_clean_text_whatever_the_process_is_called(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(hostile_names); i++) {
        struct output output = {.header = true, .owners = true};
        struct connection connection = connection_of(hostile_names[i]);
        struct socket socket = socket_of(1, TCP_STATE_CLOSE_WAIT);
        char *text;

        output_heading(&output);
        for (int kind = EVENT_APPEARED; kind <= EVENT_HELD; kind++) {
            struct event event = event_of((enum event_kind)kind, &connection);

            event.held = true;
            event.socket = &socket;
            output_event(&output, &event);
        }
        text = take_text(&output);
        check_clean(text);
        assert_non_null(strstr(text, "[4270]"));
        free(text);
        output_free(&output);
    }
}

/* What the last try without an answer is followed by the socket does not tell. */
static void a_timer_says_what_comes_next(void **state) {
    static const struct {
        enum socket_timer timer;
        uint32_t ms, count;
        const char *text;
    } rows[] = {
        {SOCKET_TIMER_RETRANSMIT, 200, 0, "; retransmission 1 in 200ms\n"},
        {SOCKET_TIMER_RETRANSMIT, 920, 2, "; retransmission 3, or the end, in 920ms\n"},
        {SOCKET_TIMER_RETRANSMIT, 0, 3, "; retransmission 4, or the end, now\n"},
        {SOCKET_TIMER_KEEPALIVE, 9000, 0, "; keepalive probe 1 in 9.0s\n"},
        {SOCKET_TIMER_PROBE, 1000, 1, "; probe 2, or the end, in 1.0s\n"},
        {SOCKET_TIMER_TIME_WAIT, 59000, 0, ", the kernel drops it in 59.0s\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct output output = {.owners = true};
        struct connection connection = connection_of("client");
        struct event event = event_of(EVENT_STUCK, &connection);
        struct socket socket = socket_of(1, TCP_STATE_SYN_SENT);
        char *text;

        socket.timer = (uint8_t)rows[i].timer;
        socket.timer_ms = rows[i].ms;
        socket.timer_count = rows[i].count;
        event.to = TCP_STATE_SYN_SENT;
        event.socket = &socket;
        output_event(&output, &event);
        text = take_text(&output);
        if (!strstr(text, rows[i].text))
            fail_msg("%s: %s", rows[i].text, text);
        free(text);
        output_free(&output);
    }
}

static void every_list_is_clean_text_whatever_the_process_is_called(void **state) {
    struct output output = {.header = true, .owners = true};
    struct socket sockets[COUNT(hostile_names)];
    struct owner owners[COUNT(hostile_names)] = {0};
    size_t lines = 0;
    char *text;

    (void)state;
    for (size_t i = 0; i < COUNT(hostile_names); i++) {
        sockets[i] = socket_of(i, TCP_STATE_ESTABLISHED);
        owners[i] = connection_of(hostile_names[i]).owner;
    }
    text = list_of(&output, sockets, owners, COUNT(hostile_names));
    check_clean(text);
    for (const char *p = text; (p = strchr(p, '\n')); p++)
        lines++;
    assert_int_equal(lines, COUNT(hostile_names) + 1);
    free(text);
    output_free(&output);
}

/* Takes the program's own colour sequences out. */
static void strip_colors(char *text) {
    char *to = text;

    while (*text) {
        if (text[0] == '\033' && text[1] == '[')
            text += 2 + strspn(text + 2, "0123456789;") + 1;
        else
            *to++ = *text++;
    }
    *to = '\0';
}

/* The wall clock is read anew for each line. */
static void blank_times(char *text) {
    for (char *line = text; line && *line;
         line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (isdigit((unsigned char)*line))
            memset(line, 'x', strlen("14:03:21.518"));
}

static void colours_change_nothing_else(void **state) {
    char *texts[2];

    (void)state;
    for (int color = 0; color < 2; color++) {
        struct output output = {.header = true, .owners = true, .color = color};
        struct connection connection = connection_of("\033[2J");
        struct socket socket = socket_of(1, TCP_STATE_CLOSE_WAIT);
        struct event event = event_of(EVENT_TRANSITION, &connection);

        event.at_ns = 0;
        event.socket = &socket;
        output_heading(&output);
        for (int each = 0; each < TCP_STATE_COUNT; each++) {
            event.from = (enum tcp_state)each;
            event.to = (enum tcp_state)(TCP_STATE_COUNT - 1 - each);
            output_event(&output, &event);
        }
        texts[color] = take_text(&output);
        output_free(&output);
    }
    assert_non_null(strstr(texts[1], "\033["));
    strip_colors(texts[1]);
    blank_times(texts[0]);
    blank_times(texts[1]);
    assert_string_equal(texts[0], texts[1]);
    free(texts[0]);
    free(texts[1]);
}

/* Where a column begins: at the same place in each line, however wide what came later was. */
static void the_columns_of_a_list_stand_under_their_titles(void **state) {
    struct output output = {.header = true, .owners = true};
    struct socket sockets[3];
    struct owner owners[3] = {{.pid = 7, .holders = 3, .name = "nginx"}};
    char *text, *line;
    long owner_at, remote_at, queue_end;

    (void)state;
    for (size_t i = 0; i < COUNT(sockets); i++) {
        sockets[i] = socket_of(i, TCP_STATE_ESTABLISHED);
        sockets[i].has = SOCKET_HAS_INFO;
    }
    sockets[1].inode = 0;
    sockets[2].inet6 = 1;
    sockets[2].local = sockets[2].remote = address_of("2001:db8:1111:2222:3333:4444:5555:6666");
    sockets[2].recv_queue = UINT32_MAX;
    text = list_of(&output, sockets, owners, COUNT(sockets));
    line = strtok(text, "\n");
    owner_at = strstr(line, "OWNER") - line;
    queue_end = strstr(line, "RECV-Q") + strlen("RECV-Q") - line;
    remote_at = strstr(line, "REMOTE") - line;
    line = strtok(NULL, "\n");
    assert_string_equal(line + owner_at, "nginx[7]+2");
    assert_memory_equal(line + queue_end - 10, "         0  ", 12);
    assert_memory_equal(line + remote_at, "127.0.0.2:40000 ", 16);
    line = strtok(NULL, "\n");
    assert_string_equal(line + owner_at, "not-accepted");
    assert_memory_equal(line + remote_at, "127.0.0.2:40001 ", 16);
    line = strtok(NULL, "\n");
    assert_string_equal(line + owner_at, "uid:33");
    assert_memory_equal(line + queue_end - 10, "4294967295  ", 12);
    assert_memory_equal(line + remote_at, "[2001:db8:1111:2222:3333:4444:5555:6666]:40002 ", 47);
    assert_null(strtok(NULL, "\n"));
    free(text);
    output_free(&output);
}

/* Takes the last column out, and the gap before it: what each line is without it. */
static void cut_owners(char *text) {
    const size_t owner_at = (size_t)(strstr(text, "OWNER") - text);
    char *to = text, *line, *rest = text;

    while ((line = strsep(&rest, "\n")) && rest) {
        size_t len = strlen(line);

        if (*line != ' ' && len > owner_at) /* no line of words */
            len = owner_at;
        while (len > 0 && line[len - 1] == ' ')
            len--;
        memmove(to, line, len);
        to[len] = '\n';
        to += len + 1;
    }
    *to = '\0';
}

static void without_owners_their_column_is_left_out(void **state) {
    struct connection connection = connection_of("");
    struct socket sockets[3];
    const struct owner owners[3] = {0};
    char *listed[2], *watched[2];

    (void)state;
    connection.owner = (struct owner){0};
    for (size_t i = 0; i < COUNT(sockets); i++) {
        sockets[i] = socket_of(i, TCP_STATE_CLOSE_WAIT);
        sockets[i].has = SOCKET_HAS_INFO;
        sockets[i].total_retrans = i == 1 ? 123456789 : 0; /* one is laid out before it is wide */
    }
    for (int shown = 0; shown < 2; shown++) {
        struct output output = {.header = true, .owners = shown};

        listed[shown] = list_of(&output, sockets, owners, COUNT(sockets));
        output_heading(&output);
        for (int kind = EVENT_APPEARED; kind <= EVENT_CLOSED; kind++) {
            struct event event = event_of((enum event_kind)kind, &connection);

            event.at_ns = 0;
            event.socket = &sockets[0];
            output_event(&output, &event);
        }
        watched[shown] = take_text(&output);
        blank_times(watched[shown]);
        output_free(&output);
    }
    cut_owners(listed[1]);
    cut_owners(watched[1]);
    assert_string_equal(listed[0], listed[1]);
    assert_string_equal(watched[0], watched[1]);
    for (int shown = 0; shown < 2; shown++) {
        free(listed[shown]);
        free(watched[shown]);
    }
}

/* Each socket is wider than the one before, each time in other columns. */
static void make_wider(struct socket *sockets, size_t count) {
    for (size_t i = 0; i < count; i++) {
        sockets[i] = socket_of(i, TCP_STATE_ESTABLISHED);
        sockets[i].has = SOCKET_HAS_INFO;
    }
    sockets[1].send_queue = 123456789;
    sockets[2].timer = SOCKET_TIMER_RETRANSMIT;
    sockets[2].timer_count = 12;
    sockets[3].inet6 = 1;
    sockets[3].remote = address_of("2001:db8:1111:2222:3333:4444:5555:6666");
    sockets[4].rtt_us = 120 * 1000 * 1000;
    sockets[4].total_retrans = 123456789;
    sockets[5].recv_queue = UINT32_MAX;
    sockets[5].last_data_sent_ms = sockets[5].last_ack_recv_ms = 4294967295;
    sockets[6].inet6 = 1;
    sockets[6].ifindex = 7;
    sockets[6].local = sockets[6].remote = address_of("fe80:1111:2222:3333:4444:5555:6666:7777");
}

static void a_list_looks_the_same_in_whatever_order_it_was_read_and_coloured(void **state) {
    struct socket sockets[7];
    const struct owner owners[7] = {{.pid = 7, .name = "nginx"}};

    (void)state;
    make_wider(sockets, COUNT(sockets));
    device = "\001\002\003\004\005\006\007\010\013\014\016\017\020\021\022";
    for (int header = 0; header < 2; header++) {
        char *texts[4];

        for (int i = 0; i < 4; i++) {
            struct output output = {.header = header, .owners = true, .color = i / 2};

            texts[i] = list_read(&output, sockets, owners, COUNT(sockets), i % 2);
            output_free(&output);
        }
        assert_non_null(strstr(texts[0], "%\\x01\\x02"));
        assert_non_null(strstr(texts[2], "\033["));
        for (int i = 1; i < 4; i++) {
            strip_colors(texts[i]);
            assert_string_equal(texts[0], texts[i]);
            free(texts[i]);
        }
        free(texts[0]);
    }
    device = "eth0";
}

static void an_end_is_written_as_people_write_it(void **state) {
    static const struct {
        const char *address;
        bool inet6;
        uint16_t port;
        uint32_t ifindex;
        const char *text, *json, *device;
    } rows[] = {
        {"0.0.0.0", false, 9998, 0, "*:9998", "0.0.0.0", NULL},
        {"0.0.0.0", false, 9998, 7, "*%eth0:9998", "0.0.0.0", "eth0"},
        {"0.0.0.0", false, 0, 0, "*:*", "0.0.0.0", NULL},
        {"::", true, 80, 0, "[::]:80", "::", NULL},
        {"::", true, 80, 7, "[::%eth0]:80", "::", "eth0"},
        {"::1", true, 65535, 0, "[::1]:65535", "::1", NULL},
        {"192.0.2.1", true, 80, 0, "[::ffff:192.0.2.1]:80", "::ffff:192.0.2.1", NULL},
        {"192.0.2.1", false, 80, 7, "192.0.2.1%eth0:80", "192.0.2.1", "eth0"},
        {"fe80::1", true, 80, 7, "[fe80::1%eth0]:80", "fe80::1%eth0", "eth0"},
        {"fe80::1", true, 80, 8, "[fe80::1%8]:80", "fe80::1%8", "8"}, /* the device has gone */
        {"2001:db8::1", true, 80, 7, "[2001:db8::1%eth0]:80", "2001:db8::1", "eth0"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct output text_output = {0}, json_output = {.json = true};
        struct socket socket = {.inet6 = rows[i].inet6, .state = TCP_STATE_LISTEN};
        const struct owner owner = {0};
        json_t *object;
        char *text;

        socket.local = address_of(rows[i].address);
        socket.local_port = rows[i].port;
        socket.ifindex = rows[i].ifindex;
        list_one(&text_output, &socket, &owner);
        text = take_text(&text_output);
        strtok(text, " ");
        strtok(NULL, " ");
        strtok(NULL, " ");
        assert_string_equal(strtok(NULL, " "), rows[i].text);
        list_one(&json_output, &socket, &owner);
        object = take_object(&json_output);
        assert_string_equal(text_in(json_object_get(object, "local"), "address"), rows[i].json);
        if (rows[i].device)
            assert_string_equal(text_in(object, "device"), rows[i].device);
        else
            assert_null(json_object_get(object, "device"));
        json_decref(object);
        free(text);
        output_free(&text_output);
        output_free(&json_output);
    }
}

static void a_transition_says_what_it_passed_and_who_acts(void **state) {
    struct output output = {.header = true, .owners = true};
    struct connection connection = connection_of("client");
    struct socket socket = socket_of(1, TCP_STATE_CLOSE_WAIT);
    struct event event = event_of(EVENT_TRANSITION, &connection);
    char *text;

    (void)state;
    event.socket = &socket;
    event.from = TCP_STATE_SYN_SENT;
    event.skipped_count = tcp_state_skipped(event.from, event.to, event.skipped);
    output_heading(&output);
    output_event(&output, &event);
    text = take_text(&output);
    assert_non_null(strstr(text, "SYN_SENT     CLOSE_WAIT   12.4s    client[4270]\n"));
    assert_non_null(strstr(text, "passed unseen: ESTABLISHED\n"));
    assert_non_null(strstr(text, "client[4270] has to close its socket, the kernel never will\n"));
    free(text);
    event.from = TCP_STATE_ESTABLISHED;
    event.to = TCP_STATE_TIME_WAIT;
    event.skipped_count = tcp_state_skipped(event.from, event.to, event.skipped);
    output_event(&output, &event);
    text = take_text(&output);
    assert_non_null(strstr(text, "passed unseen: FIN_WAIT1, FIN_WAIT2 or CLOSING\n"));
    free(text);
    output_free(&output);
}

static void a_stay_is_told_as_exactly_as_it_is_known(void **state) {
    static const struct {
        int64_t ns;
        bool at_least, approximate;
        const char *text;
    } rows[] = {
        {0, false, false, "CLOSE_WAIT   0.0ms    client"},
        {999, false, false, "CLOSE_WAIT   1us      client"},
        {99999, false, false, "CLOSE_WAIT   99us     client"},
        {99999, true, false, "CLOSE_WAIT   >99us    client"},
        {100000, false, false, "CLOSE_WAIT   0.1ms    client"},
        {100000, false, true, "CLOSE_WAIT   ~0.1ms   client"},
        {NS_PER_S, true, true, "CLOSE_WAIT   >~1.0s   client"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct output output = {.owners = true};
        struct connection connection = connection_of("client");
        struct event event = event_of(EVENT_TRANSITION, &connection);
        char *text;

        event.dwell_ns = rows[i].ns;
        event.dwell_at_least = rows[i].at_least;
        event.dwell_approximate = rows[i].approximate;
        output_event(&output, &event);
        text = take_text(&output);
        if (!strstr(text, rows[i].text))
            fail_msg("%s: %s", rows[i].text, text);
        free(text);
        output_free(&output);
    }
}

static void a_connection_that_a_process_takes_shows_nothing(void **state) {
    struct connection connection = connection_of("server");
    const struct event event = event_of(EVENT_HELD, &connection);

    (void)state;
    for (int json = 0; json < 2; json++) {
        struct output output = {.json = json};

        output_event(&output, &event);
        assert_int_equal(output.writer.len, 0);
        output_free(&output);
    }
}

static const char *only_in(const json_t *array) {
    assert_int_equal(json_array_size(array), 1);
    return json_string_value(json_array_get(array, 0));
}

/* A watch that lost events, but of no connection the end. */
static void gaps_alone_are_told_in_the_summary(void **state) {
    const struct summary summary = {.gaps = 2};
    struct output output = {.header = true};
    char *text;

    (void)state;
    output_summary(&output, &summary);
    text = take_text(&output);
    assert_non_null(strstr(text, "\nlost:          2 gaps, told above\n"));
    free(text);
    output_free(&output);
}

static void the_summary_accounts_for_the_watch(void **state) {
    struct summary summary = {
        .began_ns = NS_PER_S,
        .ended_ns = 61 * NS_PER_S,
        .connections = 3,
        .transitions = 1,
        .open = 2,
        .lost = 4,
        .gaps = 1,
        .ended = {[CAUSE_FIN] = 1, [CAUSE_UNKNOWN] = 5},
        .longest = {[TCP_STATE_CLOSE_WAIT] = {.ns = 2 * NS_PER_S, .at_least = true},
                    [TCP_STATE_TIME_WAIT] = {.ns = 3 * NS_PER_S, .approximate = true}},
    };
    struct output text_output = {.header = true}, json_output = {.json = true};
    json_t *object;
    char *text;

    (void)state;
    output_summary(&text_output, &summary);
    text = take_text(&text_output);
    check_clean(text);
    assert_non_null(
        strstr(text, "60.0s watched: 3 connections seen, 1 transition, 2 still open\n"));
    assert_non_null(strstr(text, "1 by FIN, 5 in a way that was not seen\n"));
    assert_non_null(
        strstr(text, "lost:          4 connections ended unseen, and 1 gap, told above\n"));
    assert_non_null(strstr(text, "CLOSE_WAIT   >2.0s"));
    assert_non_null(strstr(text, "TIME_WAIT    ~3.0s"));
    free(text);
    output_summary(&json_output, &summary);
    object = take_object(&json_output);
    assert_string_equal(text_in(object, "event"), "summary");
    assert_int_equal(number_in(object, "duration_ms"), 60000);
    assert_int_equal(number_in(object, "connections"), 3);
    assert_int_equal(number_in(json_object_get(object, "ended"), "fin"), 1);
    assert_int_equal(number_in(json_object_get(object, "ended"), "unknown"), 5);
    assert_int_equal(number_in(object, "gaps"), 1);
    assert_int_equal(number_in(json_object_get(object, "longest_ms"), "CLOSE_WAIT"), 2000);
    assert_string_equal(only_in(json_object_get(object, "longest_at_least")), "CLOSE_WAIT");
    assert_string_equal(only_in(json_object_get(object, "longest_approximate")), "TIME_WAIT");
    json_decref(object);
    output_free(&text_output);
    output_free(&json_output);
}

/* Whatever the kernel says of a socket, and whatever its owner is called. */
static void random_sockets_are_shown(void **state) {
    uint64_t seed = 8;

    (void)state;
    for (int round = 0; round < 3000; round++) {
        struct output text_output = {.header = true, .owners = true}, json_output = {.json = true};
        struct socket socket;
        struct owner owner;
        char *text;

        for (size_t i = 0; i < sizeof(socket); i++)
            ((unsigned char *)&socket)[i] = (unsigned char)random_next(&seed);
        for (size_t i = 0; i < sizeof(owner); i++)
            ((unsigned char *)&owner)[i] = (unsigned char)random_next(&seed);
        owner.name[sizeof(owner.name) - 1] = '\0';
        socket.state = (uint8_t)random_below(&seed, TCP_STATE_COUNT);
        socket.timer = (uint8_t)random_below(&seed, 8);
        socket.inet6 = (uint8_t)random_below(&seed, 2);
        text = list_of(&text_output, &socket, &owner, 1);
        check_clean(text);
        free(text);
        list_one(&json_output, &socket, &owner);
        json_decref(take_object(&json_output));
        output_free(&text_output);
        output_free(&json_output);
    }
}

static void a_device_is_named_as_a_terminal_may_show_it(void **state) {
    static const char *const names[] = {"\xff\xfe", "\033[2J", "a\x7f", "\xc2\x9b"};

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        struct output output = {.json = true};
        struct socket socket = {.inet6 = 1, .ifindex = 7};
        const struct owner owner = {0};

        socket.local = address_of("fe80::1");
        device = names[i];
        list_one(&output, &socket, &owner);
        device = "eth0";
        json_decref(take_object(&output));
        output_free(&output);
    }
}

/* The names of another network namespace's devices are not known. */
static void a_device_of_elsewhere_is_not_named_as_one_here(void **state) {
    struct output output = {.json = true};
    struct socket socket = {.inet6 = 1, .ifindex = 7, .netns = 4026531840};
    const struct owner owner = {0};
    json_t *object;

    (void)state;
    socket.local = address_of("fe80::1");
    list_one(&output, &socket, &owner);
    object = take_object(&output);
    assert_string_equal(text_in(json_object_get(object, "local"), "address"), "fe80::1%7");
    json_decref(object);
    output_free(&output);
}

/* fec0::/10 and fe00::/9 are no link-local addresses: the device is no part of them. */
static void only_a_link_local_address_has_a_device(void **state) {
    struct output output = {.json = true};
    struct socket socket = {.inet6 = 1, .ifindex = 7};
    const struct owner owner = {0};
    json_t *object;

    (void)state;
    socket.local = address_of("fec0::1");
    list_one(&output, &socket, &owner);
    object = take_object(&output);
    assert_string_equal(text_in(json_object_get(object, "local"), "address"), "fec0::1");
    json_decref(object);
    output_free(&output);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_event_is_one_json_object_whatever_the_process_is_called),
        cmocka_unit_test(a_process_is_called_as_a_terminal_may_show_it),
        cmocka_unit_test(a_transition_is_told_in_json),
        cmocka_unit_test(a_closed_connection_is_told_in_json),
        cmocka_unit_test(what_is_unknown_is_absent),
        cmocka_unit_test(what_an_end_has_lost_is_absent),
        cmocka_unit_test(a_socket_is_told_in_json_as_far_as_it_is_known),
        cmocka_unit_test(every_event_is_clean_text_whatever_the_process_is_called),
        cmocka_unit_test(every_list_is_clean_text_whatever_the_process_is_called),
        cmocka_unit_test(colours_change_nothing_else),
        cmocka_unit_test(the_columns_of_a_list_stand_under_their_titles),
        cmocka_unit_test(without_owners_their_column_is_left_out),
        cmocka_unit_test(a_list_looks_the_same_in_whatever_order_it_was_read_and_coloured),
        cmocka_unit_test(an_end_is_written_as_people_write_it),
        cmocka_unit_test(a_transition_says_what_it_passed_and_who_acts),
        cmocka_unit_test(a_stay_is_told_as_exactly_as_it_is_known),
        cmocka_unit_test(a_timer_says_what_comes_next),
        cmocka_unit_test(a_connection_that_a_process_takes_shows_nothing),
        cmocka_unit_test(the_summary_accounts_for_the_watch),
        cmocka_unit_test(gaps_alone_are_told_in_the_summary),
        cmocka_unit_test(random_sockets_are_shown),
        cmocka_unit_test(a_device_is_named_as_a_terminal_may_show_it),
        cmocka_unit_test(a_device_of_elsewhere_is_not_named_as_one_here),
        cmocka_unit_test(only_a_link_local_address_has_a_device),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
