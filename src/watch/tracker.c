/* SPDX-License-Identifier: MIT */
#include "watch/tracker.h"

#include "tcp/timeout.h"
#include "units/duration.h"
#include "watch/verdict.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 10
/* The analyzer does not see that uthash keeps its buckets in tracker->table. */
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

/* A destroy message is queued by a kernel worker: it may come this much later than the walk that
 * does not meet the socket any more. */
#define SETTLE_NS (50 * NS_PER_MS)

/* What nobody can be asked for is tried again after so long. */
#define UNASKED_NS NS_PER_S

/* What is asked for all the time stood this much before it is told to be gone, at the latest. */
#define ASKED_NS NS_PER_S

/* Where no walk comes by, stays are looked at so often in the time that is too long, and no less
 * often, nor more, than this. */
#define STUCK_LOOKS         8
#define STUCK_LOOK_NS       NS_PER_S
#define STUCK_LOOK_LEAST_NS (10 * NS_PER_MS)

/* Where no walk comes by, what stands for so long may have moved without a word: full sockets that
 * are in these states for no more than a round trip are looked at each time, and of the rest so
 * many. */
#define STATES_OF_A_ROUND_TRIP                                                                     \
    (TCP_STATE_BIT(TCP_STATE_FIN_WAIT1) | TCP_STATE_BIT(TCP_STATE_CLOSING) |                       \
     TCP_STATE_BIT(TCP_STATE_LAST_ACK))
#define DOUBT_NS       NS_PER_S
#define DOUBTS_OF_REST 50

/* Ended connections whose process has still to close them are remembered, so that their destroy
 * message is not taken for a new connection. So many at the most. */
#define TOMBSTONES_MAX 20000

/* Where that many were followed at once, what they took is given back when so few of them are left.
 */
#define MANY      100
#define FEW_SHARE 4

/* A connection is looked for again and again in its short life. */
#define RECENT 256

/* So many sockets are remembered that may go on under another cookie. */
#define UNSURE_MAX 64

/* Of so many that have got another cookie, the last ones, the former is told. */
#define RENAMED_MAX 16

/* A socket whose cookie was made by a walk, and may have come too late: see goes_on_as(). */
struct unsure {
    uint64_t cookie;
    uint32_t walk;
    uint16_t local_port, remote_port;
    bool request;
};

struct renamed {
    uint64_t former, cookie;
};

struct tracker {
    struct tracker_settings settings;
    struct connection *table;
    struct connection *recent[RECENT]; /* those looked for last, by their cookies; or NULL */
    unsigned most;                     /* in there at once, since memory was given back */
    uint32_t walk;
    size_t tombstones;
    int64_t settle_ns;  /* when tracker_settle() has something to do */
    int64_t missing_ns; /* when those are settled that missing_walk and earlier ones missed */
    uint32_t missing_walk;
    int64_t ended_ns[2];              /* when the last walk ended, and the one before */
    uint64_t lost;                    /* freed sockets whose message was lost, not explained yet */
    uint64_t lost_late;               /* those of them that were lost after lost_walk + 1 began */
    uint32_t lost_walk, late_walk;    /* the walks during or before which they were */
    struct unsure unsure[UNSURE_MAX]; /* a ring */
    size_t next_unsure;
    struct renamed renamed[RENAMED_MAX]; /* a ring, too */
    size_t renames;
    int64_t stuck_look_ns;    /* when to look at stays again */
    int64_t doubt_ns;         /* when to doubt the next ones */
    uint32_t turn, turns;     /* whose turn it is then: see is_in_doubt() */
    bool walking;             /* between tracker_begin_walk() and tracker_end_walk() */
    bool checking;            /* and what is not known is passed by */
    bool traces;              /* its source tells of every move */
    bool nameless_told;       /* that sockets are freed of which no port is known any more */
    bool exact;               /* what is observed now is told at its moment, */
    enum tcp_state told_from; /* and what it went from: another, where a move was missed */
    bool acted;               /* and its owner did it */
    bool reused;              /* and its socket has connected once more */
    bool asked;               /* and this is known from a question that is asked all the time */
};

struct tracker *tracker_new(const struct tracker_settings *settings) {
    struct tracker *tracker = calloc(1, sizeof(*tracker));

    if (tracker) {
        tracker->settings = *settings;
        tracker->settle_ns = INT64_MAX;
    }
    return tracker;
}

static bool is_tombstone(const struct connection *connection) {
    return connection->state == TCP_STATE_CLOSE && connection->over;
}

static struct connection **recent(struct tracker *tracker, uint64_t cookie) {
    return &tracker->recent[cookie % RECENT];
}

static void forget(struct tracker *tracker, struct connection *connection) {
    tracker->tombstones -= is_tombstone(connection);
    *recent(tracker, connection->cookie) = NULL;
    HASH_DEL(tracker->table, connection);
    free(connection->totals);
    free(connection);
}

/* A few that are left, scattered over the heap, keep a page each: to be called now and then, and
 * not with each that ends. */
static void give_back(struct tracker *tracker) {
    const unsigned left = HASH_COUNT(tracker->table);

    if (tracker->most < MANY || left > tracker->most / FEW_SHARE)
        return;
    tracker->most = left;
    malloc_trim(0);
}

void tracker_free(struct tracker *tracker) {
    struct connection *connection, *next;

    if (!tracker)
        return;
    HASH_ITER(hh, tracker->table, connection, next) {
        forget(tracker, connection);
    }
    free(tracker);
}

static struct connection *find(struct tracker *tracker, uint64_t cookie) {
    struct connection **found = recent(tracker, cookie);

    if (!*found || (*found)->cookie != cookie)
        HASH_FIND(hh, tracker->table, &cookie, sizeof(cookie), *found);
    return *found;
}

static uint64_t former_cookie(const struct tracker *tracker, uint64_t cookie) {
    const size_t count = tracker->renames < RENAMED_MAX ? tracker->renames : RENAMED_MAX;

    for (size_t i = 0; i < count; i++)
        if (tracker->renamed[i].cookie == cookie)
            return tracker->renamed[i].former;
    return 0;
}

static void emit(const struct tracker *tracker, struct event *event) {
    if (event->connection)
        event->former_cookie = former_cookie(tracker, event->connection->cookie);
    event->exact = tracker->exact;
    event->acted = tracker->acted;
    tracker->settings.emit(tracker->settings.into, event);
}

static void settle_by(struct tracker *tracker, int64_t at_ns) {
    if (at_ns < tracker->settle_ns)
        tracker->settle_ns = at_ns;
}

/* A request socket has no process and no descriptor: it stands for a handshake. */
static bool is_request(uint8_t state, uint32_t inode) {
    return state == TCP_STATE_SYN_RECV && inode == 0;
}

static bool same_ends(const struct connection *connection, const struct socket *socket) {
    return connection->local_port == socket->local_port &&
           connection->remote_port == socket->remote_port &&
           connection->ifindex == socket->ifindex && connection->netns == socket->netns &&
           memcmp(&connection->local, &socket->local, sizeof(socket->local)) == 0 &&
           memcmp(&connection->remote, &socket->remote, sizeof(socket->remote)) == 0;
}

/* What a full socket may be as its minisock is being made (the callers of tcp_time_wait()). */
static bool may_leave_minisock(uint8_t state, bool minisock) {
    return (state == TCP_STATE_FIN_WAIT2 || state == TCP_STATE_CLOSING) && !minisock;
}

static bool is_minisock(const struct socket *socket) {
    return socket->timer == SOCKET_TIMER_TIME_WAIT;
}

/* What takes the place of a socket copies its cookie first, and then waits for the lock of a walk
 * that stands there: the kernel makes a cookie when that walk asks for it, too late for the copy,
 * which gets another. So it is with a request socket as its full socket is being made
 * (inet_csk_clone_lock()), and with a full socket as its minisock is (inet_twsk_alloc()). */
static bool goes_on_as(const struct connection *connection, const struct socket *socket) {
    if (is_request(connection->state, connection->inode))
        return socket->state != TCP_STATE_SYN_RECV;
    return may_leave_minisock(connection->state, connection->minisock) && is_minisock(socket);
}

static void remember_if_unsure(struct tracker *tracker, const struct socket *socket) {
    const struct unsure unsure = {
        .cookie = socket->cookie,
        .walk = tracker->walk,
        .local_port = socket->local_port,
        .remote_port = socket->remote_port,
        .request = is_request(socket->state, socket->inode),
    };

    if (unsure.request || may_leave_minisock(socket->state, is_minisock(socket)))
        tracker->unsure[tracker->next_unsure++ % UNSURE_MAX] = unsure;
}

/* Finds the connection that goes on as this socket, whose cookie is not known, or with `ended` the
 * request socket that would have but for its end. NULL: there is none. One that a second walk has
 * met, too, had its cookie before anything was copied. */
static struct connection *find_unsure(struct tracker *tracker, const struct socket *socket,
                                      bool ended) {
    for (size_t i = 0; i < UNSURE_MAX; i++) {
        const struct unsure *unsure = &tracker->unsure[i];
        struct connection *connection;

        if (unsure->local_port != socket->local_port || unsure->remote_port != socket->remote_port)
            continue;
        connection = find(tracker, unsure->cookie);
        if (!connection || connection->walk != unsure->walk || !same_ends(connection, socket))
            continue;
        if (ended ? unsure->request && is_tombstone(connection) : goes_on_as(connection, socket))
            return connection;
    }
    return NULL;
}

/* Whether the socket was there before that moment: its clocks of data start with it. */
static bool born_before(const struct socket *socket, int64_t at_ns, int64_t moment_ns) {
    const uint32_t age_ms = socket->last_data_sent_ms > socket->last_data_recv_ms
                                ? socket->last_data_sent_ms
                                : socket->last_data_recv_ms;

    return (socket->has & SOCKET_HAS_INFO) && at_ns - age_ms * NS_PER_MS < moment_ns;
}

/* Finds the request socket of a full one whose message comes only now: it was missing in a walk,
 * and told to have ended when nothing had come for so long. The next handshake between the same
 * ends began only after that walk. */
static struct connection *find_ended_request(struct tracker *tracker, const struct socket *last,
                                             int64_t at_ns) {
    struct connection *request = find_unsure(tracker, last, true);

    return request && born_before(last, at_ns, request->since_ns - SETTLE_NS) ? request : NULL;
}

/* Gives the connection the cookie that goes on. Returns NULL where memory ran out for it. */
static struct connection *rename_as(struct tracker *tracker, struct connection *connection,
                                    const struct socket *socket) {
    HASH_DEL(tracker->table, connection);
    *recent(tracker, connection->cookie) = NULL;
    tracker->renamed[tracker->renames++ % RENAMED_MAX] =
        (struct renamed){.former = connection->cookie, .cookie = socket->cookie};
    connection->cookie = socket->cookie;
    HASH_ADD(hh, tracker->table, cookie, sizeof(connection->cookie), connection);
    if (connection->hh.tbl) {
        remember_if_unsure(tracker, socket);
        return connection;
    }
    free(connection->totals);
    free(connection);
    return NULL;
}

/* The connection of this cookie, or that goes on under it. NULL: there is none. */
static struct connection *find_or_rename(struct tracker *tracker, const struct socket *socket) {
    struct connection *connection = find(tracker, socket->cookie);

    if (!connection && (connection = find_unsure(tracker, socket, false)))
        connection = rename_as(tracker, connection, socket);
    return connection;
}

/* connect() chooses the port after the state. */
static void fill_in_port(struct connection *connection, const struct socket *socket) {
    if (connection->local_port || !socket->local_port)
        return;
    connection->local_port = socket->local_port;
    connection->local = socket->local;
}

/* Takes over what may change while a connection lives. */
static void update(struct connection *connection, const struct socket *socket, int64_t at_ns) {
    if (connection->inode != socket->inode)
        connection->owner_known = false;
    connection->inode = socket->inode;
    if (socket->inode)
        connection->uid = socket->uid;
    connection->minisock = is_minisock(socket);
    fill_in_port(connection, socket);
    if (connection->minisock)
        connection->expires_ns = at_ns + socket->timer_ms * NS_PER_MS;
    verdict_observe(connection, socket);
}

static struct connection *add(struct tracker *tracker, const struct socket *socket, int64_t at_ns,
                              bool born_seen) {
    const uint32_t beginnings = TCP_STATE_BIT(TCP_STATE_SYN_SENT) |
                                TCP_STATE_BIT(TCP_STATE_SYN_RECV) |
                                TCP_STATE_BIT(TCP_STATE_ESTABLISHED);
    struct connection *connection = calloc(1, sizeof(*connection));

    if (!connection)
        return NULL;
    connection->cookie = socket->cookie;
    connection->local = socket->local;
    connection->remote = socket->remote;
    connection->local_port = socket->local_port;
    connection->remote_port = socket->remote_port;
    connection->inet6 = socket->inet6;
    connection->ifindex = socket->ifindex;
    connection->netns = socket->netns;
    connection->uid = socket->uid;
    if (beginnings & TCP_STATE_BIT(socket->state))
        connection->born_ns = at_ns;
    connection->born_seen = born_seen;
    connection->born_exact = tracker->exact;
    HASH_ADD(hh, tracker->table, cookie, sizeof(connection->cookie), connection);
    if (!connection->hh.tbl) {
        free(connection);
        return NULL;
    }
    if (HASH_COUNT(tracker->table) > tracker->most)
        tracker->most = HASH_COUNT(tracker->table);
    remember_if_unsure(tracker, socket);
    return connection;
}

/* A message was lost for this socket, and now its end is known all the same. */
static void explain_loss(struct tracker *tracker, struct connection *connection,
                         enum tcp_state from) {
    /* A request socket has no message, and one that connects again has none yet. */
    if (tracker->lost == 0 || tracker->reused || connection->freed ||
        is_request((uint8_t)from, connection->inode))
        return;
    tracker->lost--;
    if (tracker->lost_late > tracker->lost)
        tracker->lost_late = tracker->lost;
    connection->explained = true;
}

/* Its message has come after all: another one was lost. */
static void take_back_explanation(struct tracker *tracker, struct connection *connection) {
    tracker->lost += connection->explained;
    connection->explained = false;
}

/* The steps passed unseen, as far as is known which side closed first. */
static size_t skipped(enum tcp_state from, enum tcp_state to, enum side closed_first,
                      uint32_t steps[TCP_SKIPPED_MAX]) {
    return closed_first == SIDE_UNKNOWN
               ? tcp_state_skipped(from, to, steps)
               : tcp_state_skipped_by_fin(from, to, closed_first == SIDE_LOCAL, steps);
}

/* What is to be told of the end with which a connection goes to `to`. */
static struct event closed_event(const struct tracker *tracker, struct connection *connection,
                                 enum tcp_state from, enum tcp_state to, const struct freed *freed,
                                 int64_t at_ns) {
    struct event event = {
        .kind = EVENT_CLOSED,
        .at_ns = at_ns,
        .connection = connection,
        .socket = freed ? freed->last : NULL,
        .from = from,
        .to = to,
        .dwell_ns = -1,
        .held = !connection->freed && connection->inode && !tracker->reused && !tracker->traces,
        .seen_ns = tracker->asked ? at_ns - ASKED_NS : tracker->ended_ns[1],
        .exact = tracker->exact && tracker->told_from == from,
        .lifetime_approximate = !tracker->exact || !connection->born_exact,
    };
    /* One that was met in TIME_WAIT had come since the look before. */
    const bool unmet = from == TCP_STATE_UNKNOWN || from == TCP_STATE_TIME_WAIT;

    verdict_close(&event, freed);
    if (event.cause == CAUSE_FIN)
        event.skipped_count =
            skipped(unmet ? TCP_STATE_SYN_SENT : from, to, event.closed_first, event.skipped);
    return event;
}

static void emit_closed(struct tracker *tracker, struct event *event) {
    struct connection *connection = event->connection;

    connection->closed_due = false;
    if (connection->over || event->from == TCP_STATE_LISTEN)
        return;
    explain_loss(tracker, connection, event->from);
    connection->over = true;
    emit(tracker, event);
    free(connection->totals);
    connection->totals = NULL;
}

static void close_now(struct tracker *tracker, struct connection *connection, enum tcp_state from,
                      const struct freed *freed, int64_t at_ns) {
    struct event event =
        closed_event(tracker, connection, from, (enum tcp_state)connection->state, freed, at_ns);

    emit_closed(tracker, &event);
}

/* Enters a state: sets the clocks of the stay. */
static void enter(const struct tracker *tracker, struct connection *connection,
                  enum tcp_state state, int64_t at_ns, bool seen) {
    connection->state = (uint8_t)state;
    connection->doubted = false;
    connection->since_ns = at_ns;
    connection->since_seen = seen;
    connection->since_exact = tracker->exact;
    connection->stuck_told = 0;
}

/* When to tell that a stay is too long, and again each time that it doubles; INT64_MAX: never. */
static int64_t stuck_at(const struct tracker *tracker, const struct connection *connection) {
    const int64_t stuck_ns = tracker->settings.stuck_ns;

    if (stuck_ns == 0 || !(TCP_STATES_TRANSIENT & TCP_STATE_BIT(connection->state)))
        return INT64_MAX;
    return connection->since_ns + (stuck_ns << connection->stuck_told);
}

static void emit_appeared(struct tracker *tracker, struct connection *connection,
                          const struct socket *socket, int64_t at_ns) {
    struct event event = {
        .kind = EVENT_APPEARED,
        .at_ns = at_ns,
        .connection = connection,
        .socket = socket,
        .to = socket->state,
        .dwell_ns = -1,
        .initial = !connection->born_seen,
    };

    enter(tracker, connection, socket->state, at_ns, connection->born_seen);
    emit(tracker, &event);
}

static void emit_held(struct tracker *tracker, struct connection *connection,
                      const struct socket *socket, int64_t at_ns) {
    struct event event = {
        .kind = EVENT_HELD,
        .at_ns = at_ns,
        .connection = connection,
        .socket = socket,
        .to = connection->state,
        .dwell_ns = -1,
    };

    emit(tracker, &event);
}

static void transition(struct tracker *tracker, struct connection *connection, enum tcp_state to,
                       const struct socket *socket, enum side closed_first, int64_t at_ns) {
    struct event event = {
        .kind = EVENT_TRANSITION,
        .at_ns = at_ns,
        .connection = connection,
        .socket = socket,
        .from = connection->state,
        .to = to,
        /* A move may be older than the look that has met the state before it. */
        .dwell_ns = at_ns > connection->since_ns ? at_ns - connection->since_ns : 0,
        .dwell_at_least = !connection->since_seen,
        .dwell_approximate = !tracker->exact || connection_since_about(connection),
    };

    if (to == TCP_STATE_TIME_WAIT)
        closed_first = verdict_first_in_time_wait(connection, event.from);
    event.skipped_count = skipped(event.from, to, closed_first, event.skipped);
    enter(tracker, connection, to, at_ns, true);
    emit(tracker, &event);
}

static void speak_if_stuck(struct connection *connection, struct tracker *tracker,
                           const struct socket *socket, int64_t at_ns) {
    struct event event = {
        .kind = EVENT_STUCK,
        .at_ns = at_ns,
        .connection = connection,
        .socket = socket,
        .to = connection->state,
        .dwell_ns = at_ns - connection->since_ns,
        .dwell_at_least = !connection->since_seen,
        .dwell_approximate = connection_since_about(connection),
    };

    if (at_ns < stuck_at(tracker, connection))
        return;
    /* The kernel is about to end it. */
    if (connection->minisock && socket->timer_ms < 1000)
        return;
    while (stuck_at(tracker, connection) <= at_ns)
        connection->stuck_told++;
    emit(tracker, &event);
}

/* TIME_WAIT is the end for both sides. Its counters come with the destroy message. */
static void close_in_time_wait(struct tracker *tracker, struct connection *connection,
                               enum tcp_state from, int64_t at_ns) {
    if (connection->freed) {
        close_now(tracker, connection, from, NULL, at_ns);
        return;
    }
    connection->closed_due = true;
    connection->before_wait = (uint8_t)from;
    settle_by(tracker, at_ns + SETTLE_NS);
}

/* The socket is in no table any more. `freed` is NULL where nothing is known of that. */
static void gone(struct tracker *tracker, struct connection *connection, const struct freed *freed,
                 int64_t at_ns) {
    const enum tcp_state from = connection->state;
    /* After shutdown() a process may hold a socket for longer than its minisock stands. */
    const bool awaits_message = !connection->freed, was_over = from == TCP_STATE_TIME_WAIT;
    struct event closed;

    if (connection->closed_due)
        close_now(tracker, connection, connection->before_wait, freed, at_ns);
    closed = closed_event(tracker, connection, from, TCP_STATE_CLOSE, freed, at_ns);
    transition(tracker, connection, TCP_STATE_CLOSE, freed ? freed->last : NULL,
               was_over ? SIDE_UNKNOWN : closed.closed_first, at_ns);
    if (!was_over)
        emit_closed(tracker, &closed);
    connection->over = true;
    connection->missing = false;
    tracker->tombstones++;
    if (!awaits_message)
        forget(tracker, connection);
}

static bool has_other_ends(const struct connection *connection, const struct socket *socket) {
    return (connection->local_port && socket->local_port &&
            connection->local_port != socket->local_port) ||
           (connection->remote_port && socket->remote_port &&
            (connection->remote_port != socket->remote_port ||
             memcmp(&connection->remote, &socket->remote, sizeof(socket->remote)) != 0));
}

/* Whether the socket of a connection has connected once more, which was not told: it keeps its
 * cookie. Its ends show that, that it is a full socket, or connects, or listens, again, or that a
 * walk meets it which began after it was over. */
static bool connects_again(const struct tracker *tracker, const struct connection *connection,
                           const struct socket *socket) {
    return !connection->traced &&
           (has_other_ends(connection, socket) ||
            (connection->remote_port == 0) != (socket->remote_port == 0) ||
            (connection->minisock && !is_minisock(socket)) ||
            (is_tombstone(connection) && connection->since_ns < tracker->ended_ns[0]));
}

/* Ends what the socket was before. Its minisock may still stand, but is not followed any more. */
static void forget_former(struct tracker *tracker, struct connection *connection, int64_t at_ns) {
    take_back_explanation(tracker, connection);
    tracker->reused = true;
    if (connection->closed_due)
        close_now(tracker, connection, connection->before_wait, NULL, at_ns);
    if (!is_tombstone(connection) && connection->state != TCP_STATE_TIME_WAIT) {
        connection->freed = false;
        gone(tracker, connection, NULL, at_ns);
    }
    tracker->reused = false;
    forget(tracker, connection);
}

void tracker_seen(struct tracker *tracker, const struct socket *socket, int64_t at_ns) {
    struct connection *connection;
    enum tcp_state from = TCP_STATE_UNKNOWN;

    /* It left the table while the walk stood there: its message or its minisock tells the rest. */
    if (socket->state == TCP_STATE_CLOSE)
        return;
    connection = find_or_rename(tracker, socket);
    if (!connection && tracker->checking)
        return;
    /* What the socket has left behind that connects again: both have the cookie. */
    if (connection && is_minisock(socket) && has_other_ends(connection, socket))
        return;
    if (connection && connects_again(tracker, connection, socket)) {
        forget_former(tracker, connection, at_ns);
        connection = NULL;
    }
    if (connection && is_tombstone(connection))
        return;
    /* The move itself may not be read yet. Where it was not told, the connection is looked at once
     * more, as one that the walk has missed. */
    if (connection && tracker->traces && tracker->walking && !connection->minisock &&
        connection->state != socket->state) {
        fill_in_port(connection, socket);
        return;
    }
    if (!connection) {
        connection = add(tracker, socket, at_ns, tracker->ended_ns[0] != 0);
        if (!connection) {
            tracker->lost++;
            return;
        }
        update(connection, socket, at_ns);
        /* The message of what was a minisock from the first came before the watch. */
        connection->freed = connection->minisock && !connection->born_seen;
        connection->over = socket->state == TCP_STATE_TIME_WAIT && !connection->born_seen;
        emit_appeared(tracker, connection, socket, at_ns);
        /* That its SYN-ACK had to be repeated takes a second at the least. */
        if (is_request(socket->state, socket->inode) && socket->timer_count) {
            connection->born_ns = 0;
            connection->since_seen = false;
        }
    } else {
        const bool accepted = connection->inode == 0 && socket->inode;

        from = connection->state;
        update(connection, socket, at_ns);
        if (accepted)
            emit_held(tracker, connection, socket, at_ns);
        if (from != socket->state)
            transition(tracker, connection, socket->state, socket, SIDE_UNKNOWN, at_ns);
        else
            speak_if_stuck(connection, tracker, socket, at_ns);
    }
    connection->walk = tracker->walk;
    connection->missing = false;
    if (socket->state == TCP_STATE_TIME_WAIT && !connection->over && !connection->closed_due)
        close_in_time_wait(tracker, connection, from, at_ns);
}

/* Not a listener, and not a socket that never connected. tcp_disconnect(), as of close() with
 * SO_LINGER 0, forgets the peer's port only. */
static bool has_connected(const struct socket *last) {
    return last->remote_port || !address_is_unspecified(&last->remote);
}

static void lived_between_walks(struct tracker *tracker, const struct freed *freed, int64_t at_ns) {
    struct connection *connection;

    if (!has_connected(freed->last))
        return;
    connection = add(tracker, freed->last, at_ns, true);
    if (!connection) {
        tracker->lost++;
        return;
    }
    connection->freed = true;
    emit_appeared(tracker, connection, freed->last, at_ns);
    close_now(tracker, connection, TCP_STATE_UNKNOWN, freed, at_ns);
    connection->over = true;
    tracker->tombstones++;
    forget(tracker, connection);
}

/* A minisock goes on in the place of the freed socket. */
static void succeed(struct tracker *tracker, struct connection *connection,
                    const struct socket *last, const struct socket *successor, int64_t at_ns) {
    /* The FIN was counted where it came before the minisock: nobody read it, so it still stands in
     * the queue. Where nothing does, the process may have read it, or the minisock got it. */
    const int fin_received = successor->state == TCP_STATE_FIN_WAIT2       ? 0
                             : connection->traced || last->recv_queue == 1 ? 1
                                                                           : -1;
    const struct totals totals = verdict_totals(last, fin_received);

    connection->freed = true;
    if (!connection->over && !connection->totals)
        connection->totals = malloc(sizeof(totals));
    if (connection->totals)
        *connection->totals = totals;
    if (connection->state == TCP_STATE_UNKNOWN) {
        update(connection, successor, at_ns);
        emit_appeared(tracker, connection, successor, at_ns);
    }
    if (connection->closed_due)
        close_now(tracker, connection, connection->before_wait, NULL, at_ns);
    tracker_seen(tracker, successor, at_ns);
}

void tracker_freed(struct tracker *tracker, const struct socket *last,
                   const struct socket *successor, const struct socket *peer, int64_t at_ns) {
    const struct freed freed = {.last = last, .peer = peer};
    struct connection *connection = find(tracker, last->cookie);

    if (connection && has_other_ends(connection, last)) {
        forget_former(tracker, connection, at_ns);
        connection = NULL;
    }
    if (!connection)
        connection = find_ended_request(tracker, last, at_ns);
    if (connection && successor && successor->cookie != last->cookie) {
        if (find_unsure(tracker, successor, false) == connection &&
            !find(tracker, successor->cookie))
            connection = rename_as(tracker, connection, successor);
        else
            successor = NULL; /* the addresses are in use again */
    }
    if (connection && is_tombstone(connection)) {
        take_back_explanation(tracker, connection);
        forget(tracker, connection);
        return;
    }
    if (!connection && successor) {
        connection = find_or_rename(tracker, successor);
        /* That is another's minisock: the addresses were in use again before this was read. */
        if (connection && connection->freed) {
            lived_between_walks(tracker, &freed, at_ns);
            return;
        }
        if (!connection)
            connection = add(tracker, successor, at_ns, tracker->walk > 0);
        if (!connection) {
            tracker->lost++;
            return;
        }
    }
    if (connection)
        take_back_explanation(tracker, connection);
    else
        connection = find_or_rename(tracker, last);
    if (connection)
        verdict_observe_peer(connection, peer);
    if (!connection) {
        lived_between_walks(tracker, &freed, at_ns);
    } else if (successor) {
        succeed(tracker, connection, last, successor, at_ns);
    } else {
        connection->freed = true;
        gone(tracker, connection, &freed, at_ns);
    }
}

/* It may be anybody's of this host, and such come all the time where something is refused: one
 * event is for all of them. */
static void emit_nameless(struct tracker *tracker, int64_t at_ns) {
    struct event event = {
        .kind = EVENT_LOST,
        .at_ns = at_ns,
        .reason =
            "a socket was thrown away between two looks, its port with it, so that it may have "
            "been one of these; this is said once",
    };

    if (tracker->nameless_told)
        return;
    tracker->nameless_told = true;
    emit(tracker, &event);
}

void tracker_nameless(struct tracker *tracker, const struct socket *last, int64_t at_ns) {
    if (find(tracker, last->cookie))
        tracker_freed(tracker, last, NULL, NULL, at_ns);
    else if (has_connected(last))
        emit_nameless(tracker, at_ns);
}

/* What a source tells that tells of every move. */

static void note(struct connection *connection, const struct move *move) {
    connection->traced = true;
    fill_in_port(connection, move->socket);
    if ((move->kind == MOVE_ERROR || move->socket->state == TCP_STATE_CLOSE) && move->error > 0 &&
        move->error <= UINT8_MAX)
        connection->error = (uint8_t)move->error;
    connection->reset_received |= move->kind == MOVE_RESET_RECEIVED;
    connection->reset_sent |= move->kind == MOVE_RESET_SENT;
    if (move->owner) {
        connection->owner = *move->owner;
        connection->owner_known = true;
    }
}

/* A connection that no walk has met, and that did not begin now: it stood when the watch began, or
 * what came before was lost. Where it connects, its beginning was told without the port that the
 * filter asks for. */
static struct connection *meet(struct tracker *tracker, const struct move *move) {
    const uint32_t beginnings = TCP_STATE_BIT(TCP_STATE_CLOSE) | TCP_STATE_BIT(TCP_STATE_LISTEN) |
                                TCP_STATE_BIT(TCP_STATE_SYN_RECV);
    const bool begins = move->kind == MOVE_STATE && (beginnings & TCP_STATE_BIT(move->from)) &&
                        move->socket->state != TCP_STATE_CLOSE;
    const bool connects = move->kind == MOVE_SYN_AGAIN ||
                          (move->kind == MOVE_STATE && move->from == TCP_STATE_SYN_SENT);
    const bool began = connects && tracker->ended_ns[0] && move->at_ns > tracker->ended_ns[0];
    struct socket before = *move->socket;
    struct connection *connection = add(tracker, move->socket, move->at_ns, begins || began);

    if (!connection) {
        tracker->lost++;
        return NULL;
    }
    if (!begins && move->kind == MOVE_STATE)
        before.state = (uint8_t)move->from;
    if (!begins)
        connection->born_ns = 0;
    update(connection, &before, move->at_ns);
    note(connection, move);
    emit_appeared(tracker, connection, &before, move->at_ns);
    connection->since_seen = begins;
    return connection;
}

/* A walk or a look knows better that found the socket after the move, and before this was read. */
static bool is_outdated(const struct tracker *tracker, const struct connection *connection,
                        const struct move *move) {
    if (connection->state == move->from)
        return false;
    return connection->state == move->socket->state || connection->minisock ||
           move->at_ns <= tracker->ended_ns[0] || move->at_ns <= connection->since_ns;
}

/* Whether the socket of a connection that is over connects once more: it keeps its cookie. It was
 * over before that was found, but not yet at the walk before the last; or it has left a minisock.
 */
static bool begins_anew(const struct tracker *tracker, const struct connection *connection,
                        const struct move *move) {
    const int64_t over_ns =
        connection->since_ns < tracker->ended_ns[1] ? connection->since_ns : tracker->ended_ns[1];

    if (move->kind != MOVE_STATE || move->from != TCP_STATE_CLOSE)
        return false;
    return connection->minisock ? move->at_ns > connection->since_ns
                                : is_tombstone(connection) && move->at_ns > over_ns;
}

void tracker_moved(struct tracker *tracker, const struct move *move) {
    const struct socket *socket = move->socket;
    struct connection *connection = find(tracker, socket->cookie);
    const struct freed freed = {.last = socket};
    bool met;

    tracker->traces = true;
    if (connection && begins_anew(tracker, connection, move)) {
        forget_former(tracker, connection, move->at_ns);
        connection = NULL;
    }
    met = connection != NULL;
    if (connection ? is_tombstone(connection)
                   : move->maybe_told && socket->state == TCP_STATE_CLOSE)
        return;
    /* Not the first SYN's moment. */
    tracker->exact = move->kind != MOVE_SYN_AGAIN;
    tracker->told_from = move->from;
    tracker->acted = move->owner != NULL;
    if (connection) {
        connection->missing = false;
        note(connection, move);
    } else {
        connection = meet(tracker, move);
    }
    if (!connection || move->kind != MOVE_STATE || connection->state == socket->state ||
        (met && is_outdated(tracker, connection, move))) {
        if (connection && move->kind == MOVE_STATE && socket->state == TCP_STATE_CLOSE)
            connection->freed = true;
    } else if (move->successor) {
        succeed(tracker, connection, socket, move->successor, move->at_ns);
    } else if (socket->state == TCP_STATE_CLOSE) {
        connection->freed = true;
        gone(tracker, connection, &freed, move->at_ns);
    } else {
        update(connection, socket, move->at_ns);
        connection->owner_known |= move->owner != NULL;
        transition(tracker, connection, socket->state, socket, SIDE_UNKNOWN, move->at_ns);
        connection->walk = tracker->walk;
        /* It has outlived them. */
        connection->reset_received = connection->reset_sent = false;
        connection->error = 0;
    }
    tracker->exact = tracker->acted = false;
}

void tracker_ended(struct tracker *tracker, uint64_t cookie, int64_t at_ns) {
    struct connection *connection = find(tracker, cookie);

    if (!connection || is_tombstone(connection))
        return;
    /* Of a full socket its own moves tell the end. */
    if (!connection->minisock && !is_request(connection->state, connection->inode))
        return;
    /* A request has no message, and that of a full socket has come. */
    connection->freed = true;
    /* Long past its timer nobody has asked in between. */
    tracker->asked = at_ns < connection->expires_ns + 2 * ASKED_NS;
    gone(tracker, connection, NULL, at_ns);
    tracker->asked = false;
}

void tracker_begin_walk(struct tracker *tracker) {
    tracker->walk++;
    tracker->walking = true;
}

void tracker_begin_check(struct tracker *tracker) {
    tracker_begin_walk(tracker);
    tracker->checking = true;
}

static void limit_tombstones(struct tracker *tracker) {
    struct connection *connection, *next;

    if (tracker->tombstones <= TOMBSTONES_MAX)
        return;
    HASH_ITER(hh, tracker->table, connection, next) {
        if (is_tombstone(connection) && tracker->tombstones > TOMBSTONES_MAX / 2)
            forget(tracker, connection);
    }
}

/* What this walk or an earlier one has missed gets the time of a message. */
static void await_missing(struct tracker *tracker, int64_t at_ns) {
    if (tracker->missing_ns == 0) {
        tracker->missing_ns = at_ns + SETTLE_NS;
        tracker->missing_walk = tracker->walk;
    }
    settle_by(tracker, tracker->missing_ns);
}

void tracker_end_walk(struct tracker *tracker, int64_t at_ns) {
    struct connection *connection, *next;

    tracker->walking = tracker->checking = false;
    HASH_ITER(hh, tracker->table, connection, next) {
        if (connection->walk == tracker->walk || is_tombstone(connection))
            continue;
        connection->missing = true;
        await_missing(tracker, at_ns);
    }
    tracker->ended_ns[1] = tracker->ended_ns[0];
    tracker->ended_ns[0] = at_ns;
    limit_tombstones(tracker);
    give_back(tracker);
    if (tracker->lost)
        settle_by(tracker, at_ns + SETTLE_NS);
}

struct socket tracker_socket(const struct connection *connection) {
    return (struct socket){
        .cookie = connection->cookie,
        .local = connection->local,
        .remote = connection->remote,
        .local_port = connection->local_port,
        .remote_port = connection->remote_port,
        .inet6 = connection->inet6,
        .ifindex = connection->ifindex,
        .netns = connection->netns,
    };
}

/* As a source's look: 0 also where another has taken its addresses. */
static int look_again(const struct tracker *tracker, const struct connection *connection,
                      struct socket *found) {
    const struct socket wanted = tracker_socket(connection);
    const int stands = tracker->settings.look(tracker->settings.into, &wanted, found);

    return stands > 0 ? found->cookie == connection->cookie : stands;
}

/* The other end of a connection that a process has shut down, and holds: there is no message yet.
 * NULL: it is not on this host. */
static const struct socket *look_for_peer(const struct tracker *tracker,
                                          const struct connection *connection,
                                          struct socket *found) {
    const struct socket wanted = tracker_socket(connection), peer = socket_other_end(&wanted);

    if (connection->traced || !connection->inode ||
        !(TCP_STATES_CLOSED_LAST & TCP_STATE_BIT(connection->state)))
        return NULL;
    return tracker->settings.look(tracker->settings.into, &peer, found) > 0 && found->remote_port
               ? found
               : NULL;
}

/* When it is over for sure, although nobody can be asked: of a full socket its moves tell. */
static int64_t stands_until(const struct connection *connection) {
    if (connection->minisock)
        return connection->expires_ns;
    return is_request(connection->state, connection->inode) ? connection->since_ns + TCP_REQUEST_NS
                                                            : INT64_MAX;
}

/* Looks again for a connection that the walk did not meet: a walk is no instant, and may pass by a
 * socket that moves in the table. */
static void settle_missing(struct tracker *tracker, struct connection *connection, int64_t at_ns) {
    struct socket found, peer;
    const int stands = look_again(tracker, connection, &found);

    if (stands > 0) {
        tracker_seen(tracker, &found, at_ns);
    } else if (stands == 0 || at_ns >= stands_until(connection)) {
        const struct freed freed = {.peer = look_for_peer(tracker, connection, &peer)};

        gone(tracker, connection, &freed, at_ns); /* its moves may not be read yet */
    } else {
        settle_by(tracker, at_ns + UNASKED_NS);
    }
}

/* Tells of what no end has explained. What was lost after that has its turn next. */
static void emit_lost(struct tracker *tracker, int64_t at_ns) {
    struct event event = {
        .kind = EVENT_LOST,
        .at_ns = at_ns,
        .count = tracker->lost - tracker->lost_late,
        .reason = "the kernel's messages came faster than they could be read",
    };

    tracker->lost = tracker->lost_late;
    tracker->lost_late = 0;
    tracker->lost_walk = tracker->late_walk;
    if (event.count)
        emit(tracker, &event);
    if (tracker->lost)
        settle_by(tracker, at_ns + SETTLE_NS);
}

int64_t tracker_settle(struct tracker *tracker, int64_t at_ns) {
    struct connection *connection, *next;
    const bool missing_due = tracker->missing_ns && at_ns >= tracker->missing_ns;
    const uint32_t missing_walk = tracker->missing_walk;

    if (at_ns < tracker->settle_ns)
        return tracker->settle_ns;
    tracker->settle_ns = INT64_MAX;
    if (missing_due)
        tracker->missing_ns = 0;
    HASH_ITER(hh, tracker->table, connection, next) {
        if (connection->missing && missing_due && connection->walk < missing_walk)
            settle_missing(tracker, connection, at_ns);
        else if (connection->missing)
            await_missing(tracker, at_ns);
        else if (connection->closed_due)
            close_now(tracker, connection, connection->before_wait, NULL, at_ns);
    }
    /* What the next walk has missed explains most of it, once it is settled. */
    if (tracker->lost && tracker->lost_walk < tracker->walk &&
        (tracker->missing_ns == 0 || (missing_due && missing_walk > tracker->lost_walk)))
        emit_lost(tracker, at_ns);
    return tracker->settle_ns;
}

/* Whether it is time to look if it has moved without a word. Some cannot be looked up: a listener
 * that is one of several at its port, one whose port is not told yet, a request. */
static bool is_in_doubt(const struct tracker *tracker, const struct connection *connection,
                        int64_t at_ns) {
    if (connection->minisock)
        return at_ns >= connection->expires_ns + DOUBT_NS;
    if (connection->state == TCP_STATE_LISTEN || connection->local_port == 0 ||
        is_request(connection->state, connection->inode) || at_ns < connection->since_ns + DOUBT_NS)
        return false;
    return connection->doubted || (STATES_OF_A_ROUND_TRIP & TCP_STATE_BIT(connection->state)) ||
           (uint32_t)connection->cookie % tracker->turns == tracker->turn;
}

/* A kernel may keep a process of its own from BPF programs: it does not run them, and does not
 * count that, while this has the processor, whatever comes in from the network then. A move that is
 * only not read yet has been by the next look. */
static void doubt(struct tracker *tracker, struct connection *connection, int64_t at_ns) {
    struct socket found;
    int stands;

    if (!is_in_doubt(tracker, connection, at_ns))
        return;
    stands = look_again(tracker, connection, &found);
    if (stands < 0 || (stands > 0 && found.state == connection->state)) {
        connection->doubted = false;
    } else if (!connection->doubted) {
        connection->doubted = true;
    } else if (stands > 0) {
        tracker_seen(tracker, &found, at_ns);
    } else {
        connection->freed = true;
        gone(tracker, connection, NULL, at_ns);
    }
}

/* A state that has changed is left to the move that tells it, and is not read yet. */
static void look_at_stay(struct tracker *tracker, struct connection *connection, int64_t at_ns) {
    struct socket found;

    if (at_ns < stuck_at(tracker, connection) || look_again(tracker, connection, &found) != 1 ||
        found.state != connection->state)
        return;
    update(connection, &found, at_ns);
    speak_if_stuck(connection, tracker, &found, at_ns);
}

/* What takes turns: see is_in_doubt(). */
static size_t count_in_turn(const struct tracker *tracker) {
    const struct connection *connection = NULL;
    size_t count = 0;

    while ((connection = tracker_next(tracker, connection)))
        count += !connection->minisock && connection->state != TCP_STATE_LISTEN;
    return count;
}

/* How long until stays are looked at again: each time goes through the whole table. */
static int64_t stuck_pause(const struct tracker *tracker) {
    const int64_t pause_ns = tracker->settings.stuck_ns / STUCK_LOOKS;

    return pause_ns < STUCK_LOOK_LEAST_NS ? STUCK_LOOK_LEAST_NS
           : pause_ns > STUCK_LOOK_NS     ? STUCK_LOOK_NS
                                          : pause_ns;
}

int64_t tracker_look_for_stuck(struct tracker *tracker, int64_t at_ns) {
    const bool doubts = at_ns >= tracker->doubt_ns;
    struct connection *connection, *next;

    if (tracker->settings.stuck_ns == 0)
        return INT64_MAX;
    if (at_ns < tracker->stuck_look_ns)
        return tracker->stuck_look_ns;
    if (doubts) {
        tracker->doubt_ns = at_ns + DOUBT_NS;
        tracker->turns = 1 + (uint32_t)(count_in_turn(tracker) / DOUBTS_OF_REST);
        tracker->turn = (tracker->turn + 1) % tracker->turns;
        give_back(tracker);
    }
    HASH_ITER(hh, tracker->table, connection, next) {
        if (is_tombstone(connection)) {
            /* All its moves have been read by now. */
            if (doubts && at_ns >= connection->since_ns + DOUBT_NS)
                forget(tracker, connection);
            continue;
        }
        look_at_stay(tracker, connection, at_ns);
        if (doubts)
            doubt(tracker, connection, at_ns);
    }
    tracker->stuck_look_ns = at_ns + stuck_pause(tracker);
    return tracker->stuck_look_ns;
}

/* Settles all that waits, and tells of what was lost before that walk. */
static void settle_all(struct tracker *tracker, uint32_t lost_walk, int64_t at_ns) {
    tracker->settle_ns = 0;
    tracker->missing_ns = 1;
    tracker->missing_walk = UINT32_MAX;
    tracker->lost_walk = lost_walk;
    tracker_settle(tracker, at_ns);
}

void tracker_finish(struct tracker *tracker, int64_t at_ns) {
    settle_all(tracker, UINT32_MAX, at_ns);
    tracker->lost_late = 0;
    /* What was missing may have been found in TIME_WAIT: that explains a loss, too. */
    settle_all(tracker, 0, at_ns);
}

void tracker_lost(struct tracker *tracker, uint64_t count) {
    if (tracker->lost == 0)
        tracker->lost_walk = tracker->walk;
    if (tracker->lost_walk != tracker->walk) {
        tracker->lost_late += count;
        tracker->late_walk = tracker->walk;
    }
    tracker->lost += count;
}

struct connection *tracker_next(const struct tracker *tracker, const struct connection *previous) {
    struct connection *connection =
        previous ? (struct connection *)previous->hh.next : tracker->table;

    while (connection && is_tombstone(connection))
        connection = connection->hh.next;
    return connection;
}
