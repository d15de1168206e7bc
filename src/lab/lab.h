/* SPDX-License-Identifier: MIT
 *
 * The lab: each way in which a connection breaks, made on purpose between three hosts in namespaces
 * of its own, watched, and held against what TCP promises. Times are nanoseconds; those of a
 * moment count from the beginning of its scenario.
 */
#ifndef TCPWATCH_LAB_LAB_H
#define TCPWATCH_LAB_LAB_H

#include "endpoint/event.h"
#include "lab/segment.h"

#include <stddef.h>

enum lab_host { LAB_CLIENT, LAB_SERVER, LAB_ROUTER, LAB_HOSTS };

/* "client", "server", "router" */
const char *lab_host_name(enum lab_host host);

#define LAB_CLIENT_ADDRESS "10.0.1.2"
#define LAB_SERVER_ADDRESS "10.0.2.2"

#define LAB_STATES_MAX 12
#define LAB_TEXT_SIZE  160

/* A state that an end of the connection is expected to go through, or has gone through. */
struct lab_state {
    uint32_t mask;   /* of TCP_STATE_BIT; several: one of them */
    bool in_passing; /* expected: so short that no look may meet it. observed: no look met it, and
                      * it follows from those before and after it */
};

/* What a time is compared with. */
enum lab_promise {
    LAB_AT_ONCE,
    LAB_FIRST_PROBE, /* the first time that the kernel sends again */
    LAB_GIVE_UP_SENDING,
    LAB_GIVE_UP_UNREACHABLE, /* the same, while a router answers each segment */
    LAB_GIVE_UP_IDLE,
    LAB_GIVE_UP_CONNECTING,
    LAB_GIVE_UP_PROBING, /* a closed window */
    LAB_FIN_TIMEOUT,
    LAB_TIME_WAIT,
    LAB_DEFER_ACCEPT,
    LAB_NEVER,
};

/* What a process at an end was told. */
struct lab_told {
    enum endpoint_event_kind kind;
    enum tcp_ending cause;
    int error;        /* errno; 0: none */
    char syscall[16]; /* "": none told */
    char detail[96];  /* "": none */
    pid_t pid;
    bool again; /* it was told so before: now it acts on it */
};

/* One line of the table of scenarios, as far as others need it. */
struct lab_scenario {
    const char *name, *sentence;
    const char *why, *advice; /* a paragraph: why it is so, and what to do about it in code */
    enum lab_promise promise;
    const char *setting; /* the setting that decides the time, as ip-sysctl.rst names it; or NULL */
};

/* What happened, for a picture of it. */
enum lab_moment_kind {
    LAB_DID,     /* the lab itself: `text` */
    LAB_TOLD,    /* a process at `host`: `told` */
    LAB_STATE,   /* the end at `host` went to `to` */
    LAB_SEGMENT, /* left `host`, or came from there: `segment` */
    LAB_ICMP,    /* came to `host`, or left it: `segment` */
};

/* What became of a segment that left. It is on the wire for less than a millisecond, unless the
 * router keeps it. */
enum lab_passage {
    LAB_ARRIVED, /* it was seen to arrive at once */
    LAB_LOST,    /* it was not seen to arrive */
    LAB_DELAYED, /* it arrives later: */
    LAB_CAME,    /* now */
};

struct lab_moment {
    enum lab_moment_kind kind;
    enum lab_host host;
    int64_t at_ns;
    struct lab_told told;
    enum tcp_state from, to;
    size_t skipped_count;
    uint32_t skipped[TCP_SKIPPED_MAX];
    struct segment segment;
    enum lab_passage passage;
    char text[LAB_TEXT_SIZE];
};

/* How it went. */
struct lab_result {
    size_t expected_count[2], observed_count[2]; /* by enum lab_host: of the two ends */
    struct lab_state expected[2][LAB_STATES_MAX], observed[2][LAB_STATES_MAX];
    struct lab_told expected_told, told; /* of the expected one cause, error and syscall */
    bool tells, was_told;                /* whether one is expected, and came */
    int64_t took_ns;                     /* -1: it did not come to that */
    int64_t predicted_ns;                /* -1: never */
    int64_t own_ns;                      /* predicted for the settings of this host itself; -1 */
    long own_setting;                    /* -1: not known, or none */
    long lab_setting;                    /* the same setting in the lab; -1 */
    bool by_timer;                      /* took_ns was not waited for: the kernel's timer says so */
    bool expected_forgotten, forgotten; /* the server's host knows of no connection in the end */
    int64_t duration_ns;
    bool pass;
    char failure[LAB_TEXT_SIZE]; /* "": none */
};

/* What a run tells, for each scenario in the order of the table: begun, its moments, done. Waiting
 * may come at any time, and only for one that takes long. */
enum lab_event_kind { LAB_EVENT_BEGUN, LAB_EVENT_MOMENT, LAB_EVENT_WAITING, LAB_EVENT_DONE };

struct lab_event {
    enum lab_event_kind kind;
    int64_t at_ns; /* of CLOCK_MONOTONIC */
    const struct lab_scenario *scenario;
    union {
        struct lab_moment moment;
        struct lab_result result;
        struct {
            char text[LAB_TEXT_SIZE]; /* what it waits for */
            int64_t until_ns;         /* of CLOCK_MONOTONIC; when that is expected */
        } waiting;
    };
};

/* The table, in its order. NULL: there are no more. */
const struct lab_scenario *lab_scenario(size_t index);
/* By its name. NULL: there is none. */
const struct lab_scenario *lab_find(const char *name);

struct lab_settings {
    const struct lab_scenario *const *scenarios; /* ends with NULL */
    bool real_time;                              /* this host's timers, not shorter ones */
    /* Returns false where nobody reads any more: the lab then ends. */
    bool (*emit)(void *into, const struct lab_event *event);
    void *into;
};

enum lab_outcome {
    LAB_PASSED,
    LAB_FAILED,      /* a scenario did not go as expected */
    LAB_STOPPED,     /* by SIGINT or SIGTERM */
    LAB_READER_GONE, /* emit said so */
    LAB_FORBIDDEN,   /* it cannot be set up here */
};

/* What could not be done, for LAB_FORBIDDEN. */
struct lab_failure {
    int error; /* errno */
    char what[LAB_TEXT_SIZE];
    char setting[LAB_TEXT_SIZE]; /* that forbids it on this host; "": none is known to */
    bool for_others;             /* it does not forbid it to root */
};

/* Runs them. Nothing is left behind, whatever ends it. SIGINT and SIGTERM are blocked from then on.
 */
enum lab_outcome lab_run(const struct lab_settings *settings, struct lab_failure *failure);

#endif
