/* SPDX-License-Identifier: MIT */
#include "trace/minisocks.h"

#include "units/hash.h"

#include <stdlib.h>

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 10
/* The analyzer does not see that uthash keeps them in the table. */
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

/* Without holes: it is compared as bytes. */
struct ends {
    struct address local, remote;
    uint16_t local_port, remote_port;
    uint32_t netns, ifindex;
};

struct minisock {
    struct ends ends;
    uint64_t cookie;
    UT_hash_handle hh;
};

static struct ends ends_of(const struct socket *socket) {
    return (struct ends){
        .local = socket->local,
        .remote = socket->remote,
        .local_port = socket->local_port,
        .remote_port = socket->remote_port,
        .netns = socket->netns,
        .ifindex = socket->ifindex,
    };
}

static struct minisock *find(const struct minisocks *minisocks, const struct ends *ends) {
    struct minisock *minisock = NULL;

    if (minisocks->at_port[ends->local_port])
        HASH_FIND(hh, minisocks->table, ends, sizeof(*ends), minisock);
    return minisock;
}

static void forget(struct minisocks *minisocks, struct minisock *minisock) {
    minisocks->at_port[minisock->ends.local_port]--;
    HASH_DEL(minisocks->table, minisock);
    free(minisock);
}

void minisocks_add(struct minisocks *minisocks, const struct socket *socket) {
    const struct ends ends = ends_of(socket);
    struct minisock *minisock = find(minisocks, &ends);

    if (minisock) {
        minisock->cookie = socket->cookie;
        return;
    }
    minisock = calloc(1, sizeof(*minisock));
    if (!minisock)
        return;
    minisock->ends = ends;
    minisock->cookie = socket->cookie;
    HASH_ADD(hh, minisocks->table, ends, sizeof(minisock->ends), minisock);
    if (minisock->hh.tbl)
        minisocks->at_port[ends.local_port]++;
    else
        free(minisock);
}

void minisocks_remove(struct minisocks *minisocks, const struct socket *socket) {
    const struct ends ends = ends_of(socket);
    struct minisock *minisock = find(minisocks, &ends);

    if (minisock && minisock->cookie == socket->cookie)
        forget(minisocks, minisock);
}

uint64_t minisocks_replace(struct minisocks *minisocks, const struct socket *socket) {
    const struct ends ends = ends_of(socket);
    struct minisock *minisock = find(minisocks, &ends);
    uint64_t cookie;

    if (!minisock)
        return 0;
    cookie = minisock->cookie;
    forget(minisocks, minisock);
    return cookie == socket->cookie ? 0 : cookie;
}

void minisocks_clear(struct minisocks *minisocks) {
    struct minisock *minisock, *next;

    HASH_ITER(hh, minisocks->table, minisock, next) {
        forget(minisocks, minisock);
    }
}
