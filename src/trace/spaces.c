/* SPDX-License-Identifier: MIT */
#include "trace/spaces.h"

#include "netns/netns.h"
#include "units/clock.h"
#include "units/duration.h"
#include "units/hash.h"
#include "units/proc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 10
/* The analyzer does not see that uthash keeps them in spaces->table. */
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

/* An open one is closed after so long, asked or not. */
#define OPEN_NS NS_PER_S

/* Where one that was not found may be by now is looked for again after so long: that reads all of
 * /proc. */
#define SEARCH_NS NS_PER_S

/* One that is not found is forgotten where nobody has asked for it for so long. */
#define FORGET_NS (10 * NS_PER_S)

struct space {
    uint32_t inode;
    char *path;              /* where it was found; NULL: nowhere */
    struct sockdiag *tables; /* NULL: not open */
    int error;               /* why not */
    int64_t opened_ns, asked_ns;
    unsigned search; /* that met it last */
    UT_hash_handle hh;
};

struct spaces {
    struct sockdiag *here; /* of the calling thread's namespace; NULL: of all */
    struct space *table;
    unsigned search; /* how many there were */
    int64_t searched_ns;
};

static void do_nothing(void *into) {
    (void)into;
}

/* Whether this thread may enter a namespace at all: 0, or -1 with errno. */
static int try_to_enter(void) {
    const struct netns own = {.fd = netns_here()};
    int result;

    if (own.fd < 0)
        return -1;
    result = netns_within(&own, do_nothing, NULL);
    close(own.fd);
    return result;
}

struct spaces *spaces_new(bool all) {
    struct spaces *spaces = calloc(1, sizeof(*spaces));

    if (!spaces)
        return NULL;
    if (all ? try_to_enter() == 0 : (spaces->here = sockdiag_open()) != NULL)
        return spaces;
    free(spaces);
    return NULL;
}

static void close_space(struct space *space) {
    sockdiag_close(space->tables);
    space->tables = NULL;
}

static void forget(struct spaces *spaces, struct space *space) {
    HASH_DEL(spaces->table, space);
    close_space(space);
    free(space->path);
    free(space);
}

void spaces_free(struct spaces *spaces) {
    struct space *space, *next;

    if (!spaces)
        return;
    HASH_ITER(hh, spaces->table, space, next) {
        forget(spaces, space);
    }
    sockdiag_close(spaces->here);
    free(spaces);
}

static struct space *find(const struct spaces *spaces, uint32_t inode) {
    struct space *space;

    HASH_FIND(hh, spaces->table, &inode, sizeof(inode), space);
    return space;
}

/* Returns NULL where memory ran out. */
static struct space *find_or_add(struct spaces *spaces, uint32_t inode) {
    struct space *space = find(spaces, inode);

    if (space)
        return space;
    space = calloc(1, sizeof(*space));
    if (!space)
        return NULL;
    space->inode = inode;
    HASH_ADD(hh, spaces->table, inode, sizeof(space->inode), space);
    if (space->hh.tbl)
        return space;
    free(space);
    return NULL;
}

static void lose_sight(struct space *space) {
    free(space->path);
    space->path = NULL;
}

static bool remember(void *into, const struct netns *netns) {
    struct spaces *spaces = into;
    struct space *space = find_or_add(spaces, (uint32_t)netns->inode);

    if (!space)
        return false;
    lose_sight(space);
    space->path = strdup(netns->path);
    space->search = spaces->search;
    return space->path != NULL;
}

/* Where each is now. Returns 0, or -1 with errno where not all were found. */
static int search(struct spaces *spaces, int64_t now_ns) {
    struct space *space, *next;

    spaces->search++;
    if (netns_each(remember, spaces) < 0)
        return -1;
    spaces->searched_ns = now_ns;
    HASH_ITER(hh, spaces->table, space, next) {
        if (space->search == spaces->search)
            continue;
        lose_sight(space);
        if (!space->tables && now_ns >= space->asked_ns + FORGET_NS)
            forget(spaces, space);
    }
    return 0;
}

static void open_tables(void *into) {
    struct space *space = into;

    space->tables = sockdiag_open();
    space->error = errno;
}

/* Returns 0, or -1 with errno: ENOENT where its path does not lead to it any more. */
static int open_space(struct space *space, int64_t now_ns) {
    struct netns netns;

    if (space->tables)
        return 0;
    if (!space->path) {
        errno = ENOENT;
        return -1;
    }
    if (netns_open(&netns, space->path) < 0)
        return -1;
    space->error = ENOENT;
    if (netns.inode == space->inode && netns_within(&netns, open_tables, space) < 0)
        space->error = errno;
    close(netns.fd);
    space->opened_ns = now_ns;
    errno = space->error;
    return space->tables ? 0 : -1;
}

/* Looks for one that does not open where it was. */
static int find_again(struct spaces *spaces, struct space *space, int64_t now_ns) {
    if (search(spaces, now_ns) < 0)
        return -1;
    if (open_space(space, now_ns) == 0)
        return 0;
    if (!proc_shortage(errno))
        lose_sight(space);
    return -1;
}

/* The tables of that namespace. NULL with errno where it cannot be asked: nothing leads to it, or
 * it may not be entered. */
static struct sockdiag *tables_of(struct spaces *spaces, uint32_t inode) {
    const int64_t now_ns = clock_now();
    struct space *space;
    bool searched;

    if (spaces->here)
        return spaces->here;
    searched = find(spaces, inode) && now_ns < spaces->searched_ns + SEARCH_NS;
    space = find_or_add(spaces, inode);
    if (!space)
        return NULL;
    space->asked_ns = now_ns;
    searched &= !space->path;
    if (open_space(space, now_ns) < 0 &&
        (searched || proc_shortage(errno) || find_again(spaces, space, now_ns) < 0))
        return NULL;
    return space->tables;
}

int spaces_lookup(struct spaces *spaces, const struct socket *socket, struct socket *found) {
    struct sockdiag *tables = tables_of(spaces, socket->netns);
    int result;

    if (!tables)
        return -1;
    result = sockdiag_lookup(tables, socket, found);
    found->netns = socket->netns;
    return result;
}

/* A dump on its way through one namespace. */
struct dump {
    sockdiag_take *take;
    void *into;
    uint32_t inode;
};

static bool take_from_space(void *into, const struct socket *socket, int64_t at_ns) {
    const struct dump *dump = into;
    struct socket here = *socket;

    here.netns = dump->inode;
    return dump->take(dump->into, &here, at_ns);
}

/* Each is open for its own dump only: there may be more than descriptors. */
int spaces_dump(struct spaces *spaces, const struct filter *filter, uint32_t states,
                sockdiag_take *take, void *into) {
    const int64_t now_ns = clock_now();
    struct dump dump = {.take = take, .into = into};
    struct space *space, *next;
    int result = 0, error = 0;

    if (spaces->here)
        return sockdiag_dump(spaces->here, filter, states, take, into);
    spaces_rest(spaces, INT64_MAX); /* what look-ups have left open */
    if (search(spaces, now_ns) < 0)
        return -1;
    HASH_ITER(hh, spaces->table, space, next) {
        if (open_space(space, now_ns) < 0) {
            error = proc_shortage(errno) ? errno : error;
            continue;
        }
        dump.inode = space->inode;
        switch (sockdiag_dump(space->tables, filter, states, take_from_space, &dump)) {
        case 1:
            result = 1;
            break;
        case -1:
            error = errno;
            break;
        }
        close_space(space);
    }
    errno = error;
    return error ? -1 : result;
}

void spaces_rest(struct spaces *spaces, int64_t now_ns) {
    struct space *space, *next;

    HASH_ITER(hh, spaces->table, space, next) {
        if (space->tables && now_ns >= space->opened_ns + OPEN_NS)
            close_space(space);
    }
}
