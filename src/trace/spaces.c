/* SPDX-License-Identifier: MIT */
#include "trace/spaces.h"

#include "netns/netns.h"
#include "units/clock.h"
#include "units/duration.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* uthash then returns where memory runs out, instead of ending the process. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 10
/* The analyzer does not see that uthash keeps them in spaces->table. */
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

/* One that was not asked for so long is closed. */
#define REST_NS NS_PER_S

/* A namespace that is not found may be searched for again after so long: that reads all of /proc.
 */
#define SEARCH_NS (200 * NS_PER_MS)

struct space {
    uint32_t inode;
    char *path;              /* where it was found */
    struct sockdiag *tables; /* NULL: not open */
    int64_t used_ns;
    UT_hash_handle hh;
};

struct spaces {
    struct sockdiag *here; /* of the calling thread's namespace */
    bool all;
    struct space *table;
    int64_t searched_ns;
};

struct spaces *spaces_new(bool all) {
    struct spaces *spaces = calloc(1, sizeof(*spaces));

    if (!spaces)
        return NULL;
    spaces->all = all;
    spaces->here = sockdiag_open();
    if (!spaces->here) {
        free(spaces);
        return NULL;
    }
    return spaces;
}

static void forget(struct spaces *spaces, struct space *space) {
    HASH_DEL(spaces->table, space);
    sockdiag_close(space->tables);
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

static bool remember(void *into, const struct netns *netns) {
    struct spaces *spaces = into;
    struct space *space = find(spaces, (uint32_t)netns->inode);

    if (!space) {
        space = calloc(1, sizeof(*space));
        if (!space)
            return false;
        space->inode = (uint32_t)netns->inode;
        HASH_ADD(hh, spaces->table, inode, sizeof(space->inode), space);
        if (!space->hh.tbl) {
            free(space);
            return false;
        }
    }
    free(space->path);
    space->path = strdup(netns->path);
    return space->path != NULL;
}

/* Where each is now. */
static void search(struct spaces *spaces, int64_t now_ns) {
    spaces->searched_ns = now_ns;
    netns_each(remember, spaces);
}

static void open_tables(void *into) {
    ((struct space *)into)->tables = sockdiag_open();
}

/* Returns false where its path does not lead to it any more, or may not be followed. */
static bool open_space(struct space *space) {
    struct netns netns;

    if (space->tables)
        return true;
    if (!space->path || netns_open(&netns, space->path) < 0)
        return false;
    if (netns.inode == space->inode)
        netns_within(&netns, open_tables, space);
    close(netns.fd);
    return space->tables != NULL;
}

/* The tables of that namespace; NULL where it is gone or may not be entered. */
static struct sockdiag *tables_of(struct spaces *spaces, uint32_t inode) {
    const int64_t now_ns = clock_now();
    struct space *space;

    if (!spaces->all)
        return spaces->here;
    space = find(spaces, inode);
    if ((!space || !open_space(space)) && now_ns >= spaces->searched_ns + SEARCH_NS) {
        search(spaces, now_ns);
        space = find(spaces, inode);
    }
    if (!space || !open_space(space))
        return NULL;
    space->used_ns = now_ns;
    return space->tables;
}

int spaces_lookup(struct spaces *spaces, const struct socket *socket, struct socket *found) {
    struct sockdiag *tables = tables_of(spaces, socket->netns);
    int result;

    if (!tables)
        return 0;
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

int spaces_dump(struct spaces *spaces, const struct filter *filter, uint32_t states,
                sockdiag_take *take, void *into) {
    struct dump dump = {.take = take, .into = into};
    struct space *space, *next;
    int result = 0;

    if (!spaces->all)
        return sockdiag_dump(spaces->here, filter, states, take, into);
    search(spaces, clock_now());
    HASH_ITER(hh, spaces->table, space, next) {
        dump.inode = space->inode;
        if (!tables_of(spaces, space->inode))
            forget(spaces, space);
        else if (sockdiag_dump(space->tables, filter, states, take_from_space, &dump) < 0)
            result = -1;
    }
    return result;
}

void spaces_rest(struct spaces *spaces, int64_t now_ns) {
    struct space *space, *next;

    HASH_ITER(hh, spaces->table, space, next) {
        if (!space->tables || now_ns < space->used_ns + REST_NS)
            continue;
        sockdiag_close(space->tables);
        space->tables = NULL;
    }
}
