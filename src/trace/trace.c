/* SPDX-License-Identifier: MIT */
#include "trace/trace.h"

#include "tcp/timeout.h"
#include "trace/load.h"
#include "trace/minisocks.h"
#include "trace/record.h"
#include "trace/skeleton.h"
#include "trace/spaces.h"
#include "trace/waiting.h"
#include "units/clock.h"
#include "units/duration.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The reader is not woken for each record: it looks so often, and less where nothing came. */
#define LOOK_NS      (20 * NS_PER_MS)
#define LOOK_IDLE_NS (100 * NS_PER_MS)

/* So much is read at a time at the most: it may come as fast as it is read. */
#define READ_MAX     100000
#define READS_OF_ALL 4 /* of a ring of 32 MiB, and a little */

/* After a loss the table is read anew once all that waits was read; but where that does not come to
 * an end for so long, all the same. Meanwhile nothing is read, and more is lost: it is not to take
 * more than such a share of the time. */
#define GAP_MAX_NS (10 * NS_PER_S)
#define WALK_SHARE 10

/* How often sock_diag is asked for what may go on at any time: orphans in FIN_WAIT2, and requests.
 * What has stood for long is asked for less often, by this share of the time that it has. So many
 * at a time at the most. */
#define ASK_NS     (100 * NS_PER_MS)
#define ASK_MAX_NS NS_PER_S
#define ASK_SHARE  8
#define ASK_MAX    512

/* A timer has to have run out for sure; so much longer where nobody could be asked, so that the end
 * is not taken for one that was seen. */
#define TIMER_SLACK_NS   (20 * NS_PER_MS)
#define UNASKED_SLACK_NS (3 * NS_PER_S)

/* The most that a timer of the kernel may be off (CONFIG_HZ=100). */
#define JIFFY_NS (10 * NS_PER_MS)

#define STATES (TCP_STATES_ALL & ~TCP_STATE_BIT(TCP_STATE_BOUND_INACTIVE))

/* Of so many that have ended lately it is known that nobody has to be asked for them. */
#define ENDED_MAX 65536

/* What sock_diag answered last when it was asked for a minisock. */
struct answer {
    uint64_t cookie;
    int64_t asked_ns;
    enum { NONE_STANDS, ONE_STANDS, NOT_KNOWN } is;
    struct socket minisock; /* of ONE_STANDS */
};

struct trace_source {
    const struct filter *filter;
    const struct observer *observer;
    struct trace_bpf *bpf;
    struct ring_buffer *ring;
    struct spaces *spaces;
    struct waiting_queue waiting; /* what sock_diag is to be asked for again, and when */
    struct minisocks minisocks;   /* of these, by their ends */
    struct answer answer;
    uint64_t ended[ENDED_MAX]; /* cookies, each where the next that belongs there takes its place */
    uint64_t unread, unseen;   /* as last said: that found no room, and that were passed over */
    int64_t next_look_ns;
    bool walk_due;
    int64_t gap_ns;    /* when it was found that something was lost since the last walk; or 0 */
    int64_t walked_ns; /* when the last walk had ended, */
    int64_t walk_ns;   /* and how long it took */
    int64_t last_ns;   /* of the last record */
    bool came;         /* something came with the last look */
    uint32_t read;     /* records, the last time */
    /* How often on_state() was passed over before the first that is watched came, and then until
     * on_state_meanwhile() did; and all other programs before that first. */
    uint64_t misses_quiet, misses_before, others_quiet;
};

/* Reading. */

static void read_socket(const struct trace_record *record, struct socket *socket) {
    *socket = (struct socket){
        .cookie = record->cookie,
        .local_port = record->local_port,
        .remote_port = record->remote_port,
        .inet6 = record->inet6,
        .state = record->to == TCP_STATE_TIME_WAIT ? TCP_STATE_CLOSE : record->to,
        .ifindex = record->ifindex,
        .netns = record->netns,
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

static bool is_minisock(const struct socket *socket) {
    return socket->timer == SOCKET_TIMER_TIME_WAIT;
}

/* How long to wait before sock_diag is asked again for what has stood for so long. */
static int64_t pause_after(int64_t stood_ns) {
    const int64_t pause_ns = stood_ns / ASK_SHARE;

    return pause_ns < ASK_NS ? ASK_NS : pause_ns > ASK_MAX_NS ? ASK_MAX_NS : pause_ns;
}

static void await_until(struct trace_source *source, const struct waiting *waiting) {
    if (!waiting_add(&source->waiting, waiting))
        source->walk_due = true;
}

/* What sock_diag has to be asked for again; it stands since that moment. A minisock is asked for
 * when its timer has run out; in FIN_WAIT2 the peer's FIN may come before. */
static void await(struct trace_source *source, const struct socket *socket, int64_t since_ns) {
    const int64_t now_ns = clock_now(), timer_ns = socket->timer_ms * NS_PER_MS;
    /* The kernel ends it late by up to an eighth: what should be over by now is not asked for all
     * the time. */
    const int64_t over_ns = timer_ns ? timer_ns + TIMER_SLACK_NS : ASK_NS;
    int64_t pause_ns = pause_after(now_ns - since_ns);
    struct waiting waiting = waiting_for(socket);

    if (socket->state == TCP_STATE_TIME_WAIT || (is_minisock(socket) && over_ns < pause_ns))
        pause_ns = over_ns;
    waiting.since_ns = since_ns;
    waiting.due_ns = now_ns + pause_ns;
    if (is_minisock(socket))
        minisocks_add(&source->minisocks, socket);
    waiting.expires_ns =
        now_ns + (is_minisock(socket) ? timer_ns : TCP_REQUEST_NS) + UNASKED_SLACK_NS;
    await_until(source, &waiting);
}

/* What has ended a minisock may be in the ring: it is asked for once all that is there was read. */
static void await_all_read(struct trace_source *source, const struct socket *minisock) {
    struct waiting waiting = waiting_for(minisock);

    waiting.since_ns = waiting.due_ns = waiting.expires_ns = clock_now();
    await_until(source, &waiting);
}

/* Minisocks; requests, and what waits to be accepted, which no tracepoint tells. */
static bool needs_asking(const struct socket *socket) {
    const uint32_t unheld = TCP_STATE_BIT(TCP_STATE_SYN_RECV) |
                            TCP_STATE_BIT(TCP_STATE_ESTABLISHED) |
                            TCP_STATE_BIT(TCP_STATE_CLOSE_WAIT);

    return is_minisock(socket) || (socket->inode == 0 && (unheld & TCP_STATE_BIT(socket->state)));
}

/* Asks for the minisock that goes on in the place of a socket since that moment. An orphan that
 * enters FIN_WAIT2 becomes one at once, so that two records in a row ask for it. */
static const struct answer *find_minisock(struct trace_source *source, const struct socket *socket,
                                          int64_t since_ns) {
    struct answer *answer = &source->answer;

    if (answer->cookie != socket->cookie || answer->asked_ns < since_ns) {
        const int stands = spaces_lookup(source->spaces, socket, &answer->minisock);

        answer->cookie = socket->cookie;
        answer->asked_ns = clock_now();
        answer->is = stands < 0                                     ? NOT_KNOWN
                     : stands > 0 && is_minisock(&answer->minisock) ? ONE_STANDS
                                                                    : NONE_STANDS;
    }
    return answer;
}

/* A request that has had to be repeated: it stands, if it does, in sock_diag's table. */
static void take_request(struct trace_source *source, const struct socket *socket, int64_t at_ns) {
    struct socket found;

    if (spaces_lookup(source->spaces, socket, &found) != 1 || !needs_asking(&found))
        return;
    source->observer->seen(source->observer->into, &found, at_ns);
    await(source, &found, at_ns);
}

/* The state in which a socket left a minisock behind; UNKNOWN: it did not. After FINs both ways
 * that is TIME_WAIT. It is FIN_WAIT2 of an orphan without an error, whose minisock may have got
 * the peer's FIN by now, or be over (tcp_time_wait(), net/ipv4/tcp_minisocks.c). */
static enum tcp_state left_behind(const struct trace_record *record, const struct answer *answer) {
    const bool may = !record->error && !record->inode;

    if (record->to == TCP_STATE_TIME_WAIT)
        return TCP_STATE_TIME_WAIT;
    if (answer->is != ONE_STANDS && !may)
        return TCP_STATE_UNKNOWN;
    return record->from == TCP_STATE_FIN_WAIT2 ? TCP_STATE_FIN_WAIT2
           : record->from == TCP_STATE_CLOSING ? TCP_STATE_TIME_WAIT
                                               : TCP_STATE_UNKNOWN;
}

/* A minisock of that socket, with the longest of timers (net.ipv4.tcp_fin_timeout is not above
 * TIME_WAIT's by default). */
static struct socket minisock_of(const struct socket *socket) {
    struct socket minisock = *socket;

    minisock.timer = SOCKET_TIMER_TIME_WAIT;
    minisock.timer_ms = TCP_TIMEWAIT_LEN_NS / NS_PER_MS;
    minisock.inode = minisock.uid = 0;
    return minisock;
}

/* Hands on that a minisock has moved on without a word since that moment. Its timer tells when it
 * came to TIME_WAIT, to a jiffy; it begins anew where the peer's FIN comes once more. */
static void take_moved_on(struct trace_source *source, const struct socket *minisock,
                          int64_t since_ns, int64_t asked_ns) {
    struct socket then = *minisock;
    int64_t ran_ns = TCP_TIMEWAIT_LEN_NS - then.timer_ms * NS_PER_MS;

    if (then.state != TCP_STATE_TIME_WAIT || ran_ns < 0)
        ran_ns = 0;
    if (ran_ns > asked_ns - since_ns)
        ran_ns = asked_ns - since_ns;
    then.timer_ms += (uint32_t)(ran_ns / NS_PER_MS);
    /* Not before what led to it, as far as a jiffy may tell. */
    if (asked_ns - ran_ns < source->last_ns && asked_ns - ran_ns > source->last_ns - JIFFY_NS)
        ran_ns = asked_ns - source->last_ns;
    source->observer->seen(source->observer->into, &then, asked_ns - ran_ns);
}

/* Hands on an end from which a minisock may go on. One that is gone by now is told all the same:
 * another connection may have taken its port, which is possible after a second
 * (net.ipv4.tcp_tw_reuse). That there was no room for it (net.ipv4.tcp_max_tw_buckets) looks alike.
 */
static void take_possible_wait(struct trace_source *source, const struct trace_record *record,
                               struct move *move) {
    const struct observer *observer = source->observer;
    const struct answer *answer = find_minisock(source, move->socket, move->at_ns);
    const struct socket *now = answer->is == ONE_STANDS ? &answer->minisock : NULL;
    const enum tcp_state left = left_behind(record, answer);
    struct socket minisock = now ? *now : minisock_of(move->socket);

    minisock.state = (uint8_t)left;
    if (left != TCP_STATE_UNKNOWN)
        move->successor = &minisock;
    observer->moved(observer->into, move);
    if (left == TCP_STATE_UNKNOWN)
        return;
    if (now && now->state != left)
        take_moved_on(source, now, move->at_ns, answer->asked_ns);
    if (answer->is == NONE_STANDS && left == TCP_STATE_TIME_WAIT)
        observer->ended(observer->into, minisock.cookie, clock_now());
    else if (answer->is == NONE_STANDS)
        await_all_read(source, &minisock);
    else
        await(source, now ? now : &minisock, move->at_ns);
}

/* From these states a minisock may go on. */
static bool may_wait(const struct move *move) {
    return move->socket->state == TCP_STATE_CLOSE &&
           (move->from == TCP_STATE_FIN_WAIT2 || move->from == TCP_STATE_CLOSING);
}

/* An orphan's minisock has the timer. */
static void read_timer(struct trace_source *source, struct socket *socket, int64_t at_ns) {
    const struct answer *answer = find_minisock(source, socket, at_ns);

    if (answer->is == ONE_STANDS && answer->minisock.state == socket->state) {
        socket->timer = answer->minisock.timer;
        socket->timer_ms = answer->minisock.timer_ms;
    }
}

/* A connection may take the addresses of a minisock, which is over then. */
static void end_replaced(struct trace_source *source, const struct move *move) {
    const uint64_t cookie = minisocks_replace(&source->minisocks, move->socket);

    if (cookie)
        source->observer->ended(source->observer->into, cookie, move->at_ns);
}

static uint64_t *ended(struct trace_source *source, uint64_t cookie) {
    return &source->ended[cookie % ENDED_MAX];
}

static void take_move(struct trace_source *source, const struct trace_record *record,
                      struct socket *socket) {
    static const enum move_kind kinds[] = {
        [TRACE_STATE] = MOVE_STATE,
        [TRACE_ERROR] = MOVE_ERROR,
        [TRACE_RESET_RECEIVED] = MOVE_RESET_RECEIVED,
        [TRACE_RESET_SENT] = MOVE_RESET_SENT,
        [TRACE_SYN_AGAIN] = MOVE_SYN_AGAIN,
    };
    struct owner owner = {.pid = record->pid, .holders = 1};
    struct move move = {
        .kind = kinds[record->kind],
        .from = (enum tcp_state)record->from,
        .error = record->error,
        .socket = socket,
        .owner = record->pid ? &owner : NULL,
        .maybe_told = record->meanwhile,
        .at_ns = (int64_t)record->at_ns,
    };

    memcpy(owner.name, record->task, sizeof(owner.name) - 1);
    if (move.kind == MOVE_STATE && socket->state == TCP_STATE_CLOSE)
        *ended(source, socket->cookie) = socket->cookie;
    if (move.kind == MOVE_STATE && may_wait(&move)) {
        take_possible_wait(source, record, &move);
        return;
    }
    if (move.kind == MOVE_STATE && socket->state == TCP_STATE_ESTABLISHED)
        end_replaced(source, &move);
    if (move.kind == MOVE_STATE && socket->state == TCP_STATE_FIN_WAIT2 && socket->inode == 0)
        read_timer(source, socket, move.at_ns);
    source->observer->moved(source->observer->into, &move);
    if (move.kind == MOVE_STATE && move.from == TCP_STATE_SYN_RECV && needs_asking(socket))
        await(source, socket, move.at_ns);
}

/* Nobody can read any more what the peer still sends. */
static void take_minisock_reset(struct trace_source *source, struct socket *socket, int64_t at_ns) {
    const struct observer *observer = source->observer;
    struct socket minisock = minisock_of(socket), last = *socket;
    const struct move moves[] = {
        {.kind = MOVE_RESET_SENT, .socket = &minisock, .at_ns = at_ns},
        {.kind = MOVE_STATE, .from = TCP_STATE_FIN_WAIT2, .socket = &last, .at_ns = at_ns},
    };

    minisock.state = TCP_STATE_FIN_WAIT2;
    last.state = TCP_STATE_CLOSE;
    observer->moved(observer->into, &moves[0]);
    observer->moved(observer->into, &moves[1]);
}

static void take_record(struct trace_source *source, const struct trace_record *record,
                        struct socket *socket) {
    if (record->kind == TRACE_REQUEST)
        take_request(source, socket, (int64_t)record->at_ns);
    else if (record->kind == TRACE_MINISOCK_RESET)
        take_minisock_reset(source, socket, (int64_t)record->at_ns);
    else
        take_move(source, record, socket);
}

/* How often a program was passed over, as it ran already on that processor. 0 also where the kernel
 * does not say: before Linux 5.19 some refuse to, once privileges were dropped. */
static uint64_t misses_of(const struct bpf_program *program) {
    struct bpf_prog_info info = {0};
    uint32_t size = sizeof(info);

    return libbpf.bpf_obj_get_info_by_fd(libbpf.bpf_program__fd(program), &info, &size) == 0
               ? info.recursion_misses
               : 0;
}

static uint64_t misses_of_others(const struct trace_bpf *bpf) {
    struct bpf_program *program;
    uint64_t misses = 0;

    bpf_object__for_each_program(program, bpf->obj) {
        if (program != bpf->progs.on_state && program != bpf->progs.on_state_meanwhile)
            misses += misses_of(program);
    }
    return misses;
}

static uint64_t misses_since_quiet(const struct trace_source *source) {
    const uint64_t misses = misses_of(source->bpf->progs.on_state);

    return misses > source->misses_quiet ? misses - source->misses_quiet : 0;
}

/* on_state_meanwhile() takes as long as on_state() does to find that it has nothing to do,
 * whoever's connections these are: so it comes with the first that the program tells of, before
 * that is looked at any closer, or after the walk that has met one. Kernels that may refuse it by
 * then have it from the start. */
static void stand_in_once(struct trace_source *source) {
    char reason[160];

    if (source->bpf->bss->has_met)
        return;
    if (!load_stand_in(source->bpf)) {
        snprintf(reason, sizeof(reason),
                 "what moves where the program runs already may be missed: the kernel takes no "
                 "second one now: %s",
                 strerror(errno));
        source->observer->blind(source->observer->into, reason, clock_now());
    }
    source->bpf->bss->has_met = true;
    /* What was missed since the look before may have been of that socket. */
    source->misses_before = misses_since_quiet(source);
}

/* Returns -EAGAIN where others have to have their turn. */
static int take(void *into, void *data, size_t size) {
    struct trace_source *source = into;
    const struct trace_record *record = data;
    struct socket socket;

    source->came = true;
    source->read++;
    source->last_ns = (int64_t)record->at_ns;
    stand_in_once(source);
    read_socket(record, &socket);
    if (size >= sizeof(struct trace_last_record))
        read_counters(data, &socket);
    if (filter_matches(source->filter, &socket))
        take_record(source, record, &socket);
    return source->read < READ_MAX ? 0 : -EAGAIN;
}

/* A walk: at the beginning, and where records were lost. */

static bool take_seen(void *into, const struct socket *socket, int64_t at_ns) {
    struct trace_source *source = into;

    source->came = true;
    source->observer->seen(source->observer->into, socket, at_ns);
    if (needs_asking(socket))
        await(source, socket, at_ns);
    return true;
}

static int walk(struct trace_source *source, void (*begin)(void *into)) {
    const struct observer *observer = source->observer;
    const int64_t began_ns = clock_now();

    source->walk_due = false;
    source->gap_ns = 0;
    waiting_clear(&source->waiting);
    minisocks_clear(&source->minisocks);
    begin(observer->into);
    if (spaces_dump(source->spaces, source->filter, STATES, take_seen, source) < 0)
        return -1;
    source->walked_ns = clock_now();
    source->walk_ns = source->walked_ns - began_ns;
    observer->end_walk(observer->into, source->walked_ns);
    /* That takes tens of milliseconds: a walk is to be over sooner. */
    if (source->came)
        stand_in_once(source);
    return 0;
}

static int read_ring(struct trace_source *source) {
    int result;

    source->read = 0;
    result = libbpf.ring_buffer__consume(source->ring);
    if (result >= 0 || result == -EAGAIN)
        return 0;
    errno = -result;
    return -1;
}

/* What sock_diag has to be asked for. */

/* Of a full socket the tracepoints tell all but who has accepted it, and may not have been read as
 * far as sock_diag knows. */
static bool is_traced(const struct socket *socket) {
    return socket->state == TCP_STATE_ESTABLISHED || socket->state == TCP_STATE_CLOSE_WAIT;
}

/* Takes over what sock_diag says of a socket that it was asked for. */
static void take_answer(struct trace_source *source, const struct waiting *asked,
                        const struct socket *found, int64_t at_ns) {
    const bool same = found->state == asked->state;
    const bool goes_on = asked->state == TCP_STATE_FIN_WAIT2 && !same;
    const bool held = same && found->inode;

    if (goes_on)
        take_moved_on(source, found, asked->since_ns, at_ns);
    else if (held)
        source->observer->seen(source->observer->into, found, at_ns);
    /* One that has moved is asked for once more when its move is told: it may be held by now. */
    if (needs_asking(found) || !same)
        await(source, found, same ? asked->since_ns : at_ns);
}

/* What nobody can be asked for stands as long as it may. */
static void ask_later(struct trace_source *source, const struct waiting *asked, int64_t now_ns) {
    struct waiting waiting = *asked;

    waiting.due_ns = now_ns + pause_after(now_ns - asked->since_ns);
    await_until(source, &waiting);
}

static void ask_for(struct trace_source *source, const struct waiting *waiting) {
    const struct socket asked = waiting_socket(waiting);
    struct socket found;
    int64_t now_ns;
    int stands;

    if (is_traced(&asked) && *ended(source, asked.cookie) == asked.cookie)
        return;
    stands = spaces_lookup(source->spaces, &asked, &found);
    now_ns = clock_now();
    if (stands > 0) {
        take_answer(source, waiting, &found, now_ns);
    } else if (stands < 0 && now_ns < waiting->expires_ns) {
        ask_later(source, waiting, now_ns);
    } else if (!is_traced(&asked)) {
        /* What a request has become may be over, and is told first. */
        read_ring(source);
        minisocks_remove(&source->minisocks, &asked);
        source->observer->ended(source->observer->into, asked.cookie, clock_now());
    }
}

/* Returns false where more was due than it asks for at a time. */
static bool ask(struct trace_source *source, int64_t now_ns) {
    struct waiting first;

    for (int i = 0; i < ASK_MAX; i++) {
        if (!waiting_take(&source->waiting, now_ns, &first))
            return true;
        ask_for(source, &first);
    }
    return false;
}

/* How often a program was passed over, and none stood in. The kernel counts for all sockets alike:
 * as long as nothing that is watched has come it was somebody else's. */
static uint64_t passed_over(const struct trace_source *source) {
    const struct trace_bpf *bpf = source->bpf;
    uint64_t of_state = source->misses_before;

    if (!bpf->bss->has_met)
        return 0;
    if (!bpf->links.on_state_meanwhile)
        of_state = misses_since_quiet(source);
    return of_state + misses_of_others(bpf) - source->others_quiet;
}

/* Nothing that is watched was read, or a first walk tells what stands, whatever was missed before.
 */
static void note_quiet(struct trace_source *source) {
    if (!source->bpf->bss->has_met) {
        source->misses_quiet = misses_of(source->bpf->progs.on_state);
        source->others_quiet = misses_of_others(source->bpf);
    }
    if (source->walked_ns == 0)
        source->unseen = passed_over(source);
}

/* Says that some of the events counted are new. */
static bool say_lost(struct trace_source *source, uint64_t count, uint64_t *said, const char *why) {
    const uint64_t fresh = count - *said;
    char reason[100];

    if (fresh == 0)
        return false;
    snprintf(reason, sizeof(reason), "%llu %s %s", (unsigned long long)fresh,
             fresh == 1 ? "event" : "events", why);
    source->observer->blind(source->observer->into, reason, clock_now());
    *said = count;
    return true;
}

/* Says what was lost since it was last asked. */
static bool has_lost(struct trace_source *source) {
    const uint64_t unread = __atomic_load_n(&source->bpf->bss->lost, __ATOMIC_RELAXED);
    const bool have_unread =
        say_lost(source, unread, &source->unread, "came faster than they could be read");

    return say_lost(source, passed_over(source), &source->unseen,
                    "came while the kernel ran the program already") ||
           have_unread;
}

/* After a loss, at once, before more comes, but after all that had come, if that may be had: what
 * moves before a walk and is read after it loses its moment. */
static bool gap_is_due(const struct trace_source *source) {
    const int64_t now_ns = clock_now();

    return source->gap_ns && now_ns - source->walked_ns >= WALK_SHARE * source->walk_ns &&
           (!trace_source_is_behind(source) || now_ns - source->gap_ns >= GAP_MAX_NS);
}

static int walk_and_read(struct trace_source *source, void (*begin)(void *into)) {
    return walk(source, begin) < 0 || read_ring(source) < 0 ? -1 : 0;
}

/* Nothing is read before the first walk: of a connection that was told already, what it does until
 * the walk meets it would come too late. */
static int step(struct trace_source *source) {
    source->came = false;
    if (source->walked_ns && read_ring(source) < 0)
        return -1;
    note_quiet(source);
    if (source->walk_due && walk_and_read(source, source->observer->begin_walk) < 0)
        return -1;
    if (has_lost(source) && source->gap_ns == 0)
        source->gap_ns = clock_now();
    if (gap_is_due(source) && walk_and_read(source, source->observer->begin_walk) < 0)
        return -1;
    if (trace_source_is_behind(source)) {
        source->next_look_ns = 0;
        return 0;
    }
    spaces_rest(source->spaces, clock_now());
    source->next_look_ns = clock_now() + LOOK_IDLE_NS;
    if (!ask(source, clock_now()) || source->came)
        source->next_look_ns = clock_now() + LOOK_NS;
    return 0;
}

/* The interface. */

static void say_why_no_tables(bool all_netns, int error, char why[TRACE_WHY_SIZE]) {
    if (all_netns && error == EPERM)
        snprintf(why, TRACE_WHY_SIZE,
                 "it needs root, or CAP_SYS_ADMIN, and CAP_SYS_PTRACE for processes of others: %s",
                 strerror(error));
    else
        snprintf(why, TRACE_WHY_SIZE, "cannot open the kernel's sock_diag: %s", strerror(error));
}

struct trace_source *trace_source_open(const struct filter *filter, bool all_netns,
                                       const struct observer *observer, char why[TRACE_WHY_SIZE]) {
    struct trace_source *source = calloc(1, sizeof(*source));

    if (!source) {
        snprintf(why, TRACE_WHY_SIZE, "%s", strerror(errno));
        return NULL;
    }
    source->filter = filter;
    source->observer = observer;
    source->walk_due = true;
    source->spaces = spaces_new(all_netns);
    if (!source->spaces)
        say_why_no_tables(all_netns, errno, why);
    else
        source->bpf = load_program(filter, all_netns, why);
    if (source->bpf) {
        source->ring =
            libbpf.ring_buffer__new(libbpf.bpf_map__fd(source->bpf->maps.ring), take, source, NULL);
        if (!source->ring)
            snprintf(why, TRACE_WHY_SIZE, "cannot read the program's ring: %s", strerror(errno));
    }
    if (source->ring)
        return source;
    trace_source_close(source);
    return NULL;
}

void trace_source_close(struct trace_source *source) {
    const int saved = errno;

    if (!source)
        return;
    if (source->ring)
        libbpf.ring_buffer__free(source->ring);
    trace_bpf__destroy(source->bpf);
    spaces_free(source->spaces);
    waiting_clear(&source->waiting);
    minisocks_clear(&source->minisocks);
    free(source);
    errno = saved;
}

int trace_source_run(struct trace_source *source, int64_t until_ns, const sigset_t *unblocked) {
    struct pollfd descriptor = {.fd = libbpf.ring_buffer__epoll_fd(source->ring), .events = POLLIN};
    const int64_t wake_ns = until_ns < source->next_look_ns ? until_ns : source->next_look_ns;
    const struct timespec left = clock_left(wake_ns);

    /* A descriptor that is always ready would never let a signal in. */
    if (ppoll(&descriptor, trace_source_is_behind(source) ? 0 : 1, &left, unblocked) < 0)
        return -1;
    return step(source);
}

int trace_source_catch_up(struct trace_source *source) {
    const int64_t now_ns = clock_now();
    int reads = 0;

    /* All that may wait, and not what goes on coming. */
    do {
        if (step(source) < 0)
            return -1;
    } while (trace_source_is_behind(source) && ++reads < READS_OF_ALL);
    if (source->gap_ns && walk_and_read(source, source->observer->begin_walk) < 0)
        return -1;
    /* A kernel may keep moves from the program without counting them: what stands in the end, and
     * what does not, tells. */
    if (source->bpf->bss->has_met && walk_and_read(source, source->observer->begin_check) < 0)
        return -1;
    while (!ask(source, now_ns))
        ;
    return 0;
}

int trace_source_look(struct trace_source *source, const struct socket *socket,
                      struct socket *found) {
    return spaces_lookup(source->spaces, socket, found);
}

bool trace_source_is_behind(const struct trace_source *source) {
    return source->read >= READ_MAX;
}

bool trace_source_is_past_walk(const struct trace_source *source) {
    return !trace_source_is_behind(source) || source->last_ns >= source->walked_ns;
}
