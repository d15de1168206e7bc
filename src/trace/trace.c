/* SPDX-License-Identifier: MIT */
#include "trace/trace.h"

#include "netns/netns.h"
#include "sockdiag/sockdiag.h"
#include "trace/record.h"
#include "trace/waiting.h"
#include "units/clock.h"
#include "units/duration.h"

#include "trace.skel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The reader is not woken for each record: it looks so often, and less where nothing came. */
#define LOOK_NS      (20 * NS_PER_MS)
#define LOOK_IDLE_NS (100 * NS_PER_MS)

/* How often sock_diag is asked for what may go on at any time: orphans in FIN_WAIT2, and requests.
 * So many at a time at the most. */
#define ASK_NS  (100 * NS_PER_MS)
#define ASK_MAX 512

/* A timer has to have run out for sure. */
#define TIMER_SLACK_NS (20 * NS_PER_MS)

#define STATES (TCP_STATES_ALL & ~TCP_STATE_BIT(TCP_STATE_BOUND_INACTIVE))

struct trace_source {
    const struct filter *filter;
    const struct observer *observer;
    struct trace_bpf *bpf;
    struct ring_buffer *ring;
    struct sockdiag *tables;
    struct waiting_queue timed;  /* in TIME_WAIT: by when their timers run out */
    struct waiting_queue polled; /* by when they are to be looked at again */
    uint64_t lost;
    int64_t next_look_ns;
    bool walk_due;
    bool came; /* something came with the last look */
};

/* Loading. */

/* libbpf's own words are for those who write programs; the reader of `why` gets the reason. */
static int say_nothing(enum libbpf_print_level level, const char *format, va_list arguments) {
    (void)level, (void)format, (void)arguments;
    return 0;
}

static void set_ranges(struct trace_ranges *to, const struct ports *from) {
    if (from->count > TRACE_RANGES)
        return;
    for (size_t i = 0; i < from->count; i++) {
        to->ranges[i].first = from->ranges[i].first;
        to->ranges[i].last = from->ranges[i].last;
    }
    to->count = (uint32_t)from->count;
}

static void set_prefix(struct trace_prefix *to, const struct prefix *from) {
    for (unsigned i = 0; i < 4; i++) {
        const unsigned bits = from->len > 32 * i ? from->len - 32 * i : 0;

        to->mask[i] = bits >= 32 ? 0xffffffff : htonl((uint32_t)(0xffffffff00000000 >> bits));
        to->address[i] = from->address.words[i] & to->mask[i];
    }
}

/* What has no room in there is left to filter_matches(). */
static void set_filter(struct trace_filter *to, const struct filter *from) {
    set_ranges(&to->either, &from->either);
    set_ranges(&to->local, &from->local);
    set_ranges(&to->remote, &from->remote);
    to->netns = (uint32_t)netns_inode();
    to->family = from->family == FILTER_INET    ? AF_INET
                 : from->family == FILTER_INET6 ? AF_INET6
                                                : 0;
    if (from->address_count > TRACE_PREFIXES)
        return;
    for (size_t i = 0; i < from->address_count; i++)
        set_prefix(&to->prefixes[i], &from->addresses[i]);
    to->prefix_count = (uint32_t)from->address_count;
}

/* An older kernel may lack a tracepoint; but for the first one, it does without. */
static bool choose_programs(struct trace_bpf *bpf, char why[TRACE_WHY_SIZE]) {
    struct bpf_program *program;

    bpf_object__for_each_program(program, bpf->obj) {
        const char *name = strchr(bpf_program__section_name(program), '/') + 1;

        if (libbpf_find_vmlinux_btf_id(name, BPF_TRACE_RAW_TP) > 0)
            continue;
        if (program == bpf->progs.on_state) {
            snprintf(why, TRACE_WHY_SIZE,
                     "this kernel has no tracepoint %s, or does not tell of it "
                     "(/sys/kernel/btf/vmlinux)",
                     name);
            return false;
        }
        bpf_program__set_autoload(program, false);
    }
    return true;
}

static void say_why_not(int error, char why[TRACE_WHY_SIZE]) {
    if (error == EPERM || error == EACCES)
        snprintf(why, TRACE_WHY_SIZE, "it needs root, or CAP_BPF and CAP_PERFMON: %s",
                 strerror(error));
    else
        snprintf(why, TRACE_WHY_SIZE, "the kernel does not take the program: %s", strerror(error));
}

/* Opens the program with the filter in it. Returns false with errno. */
static bool open_program(struct trace_source *source) {
    trace_bpf__destroy(source->bpf);
    source->bpf = trace_bpf__open();
    if (source->bpf)
        set_filter((struct trace_filter *)&source->bpf->rodata->filter, source->filter);
    return source->bpf != NULL;
}

static bool load(struct trace_source *source, char why[TRACE_WHY_SIZE]) {
    int error;

    libbpf_set_print(say_nothing);
    if (!open_program(source)) {
        say_why_not(errno, why);
        return false;
    }
    error = trace_bpf__load(source->bpf);
    /* Which tracepoint is missing takes time to find out: only where one is. */
    if (error == -ESRCH) {
        if (!open_program(source) || !choose_programs(source->bpf, why))
            return false;
        error = trace_bpf__load(source->bpf);
    }
    if (error == 0)
        error = trace_bpf__attach(source->bpf);
    if (error) {
        say_why_not(-error, why);
        return false;
    }
    return true;
}

/* Reading. */

static void read_socket(const struct trace_record *record, struct socket *socket) {
    *socket = (struct socket){
        .cookie = record->cookie,
        .local_port = record->local_port,
        .remote_port = record->remote_port,
        .inet6 = record->inet6,
        .state = record->to == TCP_STATE_TIME_WAIT ? TCP_STATE_CLOSE : record->to,
        .ifindex = record->ifindex,
        .uid = record->uid,
        .inode = record->inode,
    };
    memcpy(socket->local.words, record->local, sizeof(record->local));
    memcpy(socket->remote.words, record->remote, sizeof(record->remote));
}

static void read_counters(const struct trace_last_record *last, struct socket *socket) {
    socket->has = SOCKET_HAS_INFO | SOCKET_HAS_BYTES | SOCKET_HAS_SENT | SOCKET_HAS_DATA_SEGS;
    socket->recv_queue = last->recv_queue;
    socket->send_queue = last->send_queue;
    socket->total_retrans = last->total_retrans;
    socket->bytes_acked = last->bytes_acked;
    socket->bytes_received = last->bytes_received;
    socket->segs_out = last->segs_out;
    socket->segs_in = last->segs_in;
    socket->data_segs_in = last->data_segs_in;
    socket->data_segs_out = last->data_segs_out;
    socket->bytes_sent = last->bytes_sent;
    socket->bytes_retrans = last->bytes_retrans;
}

/* What sock_diag has to be asked for again. */
static void await(struct trace_source *source, const struct socket *socket) {
    const int64_t now_ns = clock_now();
    const bool timed = socket->state == TCP_STATE_TIME_WAIT;
    const int64_t due_ns =
        now_ns + (timed ? socket->timer_ms * NS_PER_MS + TIMER_SLACK_NS : ASK_NS);

    if (!waiting_add(timed ? &source->timed : &source->polled, socket, due_ns))
        source->walk_due = true;
}

/* Minisocks; requests, and what waits to be accepted, which no tracepoint tells. */
static bool needs_asking(const struct socket *socket) {
    const uint32_t unheld = TCP_STATE_BIT(TCP_STATE_SYN_RECV) |
                            TCP_STATE_BIT(TCP_STATE_ESTABLISHED) |
                            TCP_STATE_BIT(TCP_STATE_CLOSE_WAIT);

    return socket->timer == SOCKET_TIMER_TIME_WAIT ||
           (socket->inode == 0 && (unheld & TCP_STATE_BIT(socket->state)));
}

/* From these states a minisock may go on. */
static bool may_have_successor(const struct move *move) {
    return move->socket->state == TCP_STATE_CLOSE &&
           (move->from == TCP_STATE_FIN_WAIT1 || move->from == TCP_STATE_FIN_WAIT2 ||
            move->from == TCP_STATE_CLOSING);
}

/* A minisock that was gone when its socket's end was read: another connection has taken its port,
 * which may be after a second (net.ipv4.tcp_tw_reuse). */
static struct socket waited(const struct socket *socket) {
    struct socket minisock = *socket;

    minisock.state = TCP_STATE_TIME_WAIT;
    minisock.timer = SOCKET_TIMER_TIME_WAIT;
    minisock.inode = minisock.uid = 0;
    return minisock;
}

/* A request that has had to be repeated: it stands, if it does, in sock_diag's table. */
static void take_request(struct trace_source *source, const struct socket *socket, int64_t at_ns) {
    struct socket found;

    if (sockdiag_lookup(source->tables, socket, &found) != 1 || !needs_asking(&found))
        return;
    source->observer->seen(source->observer->into, &found, at_ns);
    await(source, &found);
}

static int take(void *into, void *data, size_t size) {
    static const enum move_kind kinds[] = {
        [TRACE_STATE] = MOVE_STATE,
        [TRACE_ERROR] = MOVE_ERROR,
        [TRACE_RESET_RECEIVED] = MOVE_RESET_RECEIVED,
        [TRACE_RESET_SENT] = MOVE_RESET_SENT,
    };
    struct trace_source *source = into;
    const struct trace_record *record = data;
    struct owner owner = {.pid = record->pid, .holders = 1};
    struct socket socket, minisock;
    struct move move = {.socket = &socket};
    bool stands = false;

    source->came = true;
    read_socket(record, &socket);
    if (size >= sizeof(struct trace_last_record))
        read_counters(data, &socket);
    if (!filter_matches(source->filter, &socket))
        return 0;
    if (record->kind == TRACE_REQUEST) {
        take_request(source, &socket, (int64_t)record->at_ns);
        return 0;
    }
    move.kind = kinds[record->kind];
    move.from = (enum tcp_state)record->from;
    move.error = (int)record->error;
    move.at_ns = (int64_t)record->at_ns;
    snprintf(owner.name, sizeof(owner.name), "%.15s", record->task);
    if (record->pid)
        move.owner = &owner;
    /* An orphan becomes a minisock at once, which has the timer. */
    if (move.kind == MOVE_STATE && socket.state == TCP_STATE_FIN_WAIT2 && socket.inode == 0 &&
        sockdiag_minisock(source->tables, &socket, &minisock) && minisock.cookie == socket.cookie &&
        minisock.state == socket.state) {
        socket.timer = minisock.timer;
        socket.timer_ms = minisock.timer_ms;
    }
    if (may_have_successor(&move)) {
        stands = sockdiag_minisock(source->tables, &socket, &minisock) &&
                 minisock.cookie == socket.cookie;
        if (!stands)
            minisock = waited(&socket);
        if (stands || record->to == TCP_STATE_TIME_WAIT)
            move.successor = &minisock;
    }
    source->observer->moved(source->observer->into, &move);
    if (move.successor && stands)
        await(source, &minisock);
    else if (move.successor)
        source->observer->ended(source->observer->into, minisock.cookie, clock_now());
    else if (move.kind == MOVE_STATE && move.from == TCP_STATE_SYN_RECV && needs_asking(&socket))
        await(source, &socket);
    return 0;
}

/* A walk: at the beginning, and where records were lost. */

static bool take_seen(void *into, const struct socket *socket, int64_t at_ns) {
    struct trace_source *source = into;

    source->observer->seen(source->observer->into, socket, at_ns);
    if (needs_asking(socket))
        await(source, socket);
    return true;
}

static int walk(struct trace_source *source) {
    const struct observer *observer = source->observer;

    source->walk_due = false;
    waiting_clear(&source->timed);
    waiting_clear(&source->polled);
    observer->begin_walk(observer->into);
    if (sockdiag_dump(source->tables, source->filter, STATES, take_seen, source) < 0)
        return -1;
    waiting_sort(&source->timed);
    observer->end_walk(observer->into, clock_now());
    return 0;
}

/* What sock_diag has to be asked for. */

/* Of a full socket the tracepoints tell all but who has accepted it, and may not have been read as
 * far as sock_diag knows. */
static bool is_traced(const struct socket *socket) {
    return socket->state == TCP_STATE_ESTABLISHED || socket->state == TCP_STATE_CLOSE_WAIT;
}

/* Takes over what sock_diag says of a socket that it was asked for. */
static void take_answer(struct trace_source *source, const struct socket *asked,
                        const struct socket *found) {
    const bool goes_on = asked->state == TCP_STATE_FIN_WAIT2 && found->state != asked->state;
    const bool held = found->state == asked->state && found->inode;

    if (goes_on || held)
        source->observer->seen(source->observer->into, found, clock_now());
    if (needs_asking(found))
        await(source, found);
}

static void ask(struct trace_source *source, struct waiting_queue *queue, int64_t now_ns) {
    const struct observer *observer = source->observer;
    const struct waiting *waiting;

    for (int i = 0; i < ASK_MAX && (waiting = waiting_due(queue, now_ns)); i++) {
        const struct socket asked = waiting_socket(waiting);
        struct socket found;
        const int stands = sockdiag_lookup(source->tables, &asked, &found);

        waiting_remove(queue);
        if (stands > 0) {
            take_answer(source, &asked, &found);
        } else if (stands < 0) {
            await(source, &asked); /* as good as not asked */
        } else if (!is_traced(&asked)) {
            /* What a request has become may be over, and is told first. */
            ring_buffer__consume(source->ring);
            observer->ended(observer->into, asked.cookie, clock_now());
        }
    }
}

static void check_lost(struct trace_source *source) {
    const uint64_t lost = __atomic_load_n(&source->bpf->bss->lost, __ATOMIC_RELAXED);
    char reason[100];

    if (lost == source->lost)
        return;
    snprintf(reason, sizeof(reason), "%llu events came faster than they could be read",
             (unsigned long long)(lost - source->lost));
    source->observer->blind(source->observer->into, reason, clock_now());
    source->lost = lost;
    source->walk_due = true;
}

static int step(struct trace_source *source) {
    int result;

    if (source->walk_due && walk(source) < 0)
        return -1;
    source->came = false;
    result = ring_buffer__consume(source->ring);
    if (result < 0) {
        errno = -result;
        return -1;
    }
    check_lost(source);
    ask(source, &source->timed, clock_now());
    ask(source, &source->polled, clock_now());
    source->next_look_ns = clock_now() + (source->came ? LOOK_NS : LOOK_IDLE_NS);
    return 0;
}

/* The interface. */

struct trace_source *trace_source_open(const struct filter *filter, const struct observer *observer,
                                       char why[TRACE_WHY_SIZE]) {
    struct trace_source *source = calloc(1, sizeof(*source));

    snprintf(why, TRACE_WHY_SIZE, "out of memory");
    if (!source)
        return NULL;
    source->filter = filter;
    source->observer = observer;
    source->walk_due = true;
    source->tables = sockdiag_open();
    if (!source->tables)
        snprintf(why, TRACE_WHY_SIZE, "cannot open the kernel's sock_diag: %s", strerror(errno));
    else if (load(source, why))
        source->ring = ring_buffer__new(bpf_map__fd(source->bpf->maps.ring), take, source, NULL);
    if (source->ring)
        return source;
    trace_source_close(source);
    return NULL;
}

void trace_source_close(struct trace_source *source) {
    if (!source)
        return;
    ring_buffer__free(source->ring);
    trace_bpf__destroy(source->bpf);
    sockdiag_close(source->tables);
    waiting_free(&source->timed);
    waiting_free(&source->polled);
    free(source);
}

int trace_source_run(struct trace_source *source, int64_t until_ns, const sigset_t *unblocked) {
    struct pollfd descriptor = {.fd = ring_buffer__epoll_fd(source->ring), .events = POLLIN};
    const int64_t wake_ns = until_ns < source->next_look_ns ? until_ns : source->next_look_ns;
    const struct timespec left = clock_left(wake_ns);

    if (ppoll(&descriptor, 1, &left, unblocked) < 0)
        return -1;
    return step(source);
}

int trace_source_catch_up(struct trace_source *source) {
    return step(source);
}

int trace_source_look(struct trace_source *source, const struct socket *socket,
                      struct socket *found) {
    return sockdiag_lookup(source->tables, socket, found);
}
