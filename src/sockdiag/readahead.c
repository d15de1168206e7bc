/* SPDX-License-Identifier: MIT */
#include "sockdiag/readahead.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>

/* Handing over costs a wake-up, so several datagrams go at once. */
#define DATAGRAMS 4
#define BLOCKS    4

struct block {
    size_t count;
    ssize_t lens[DATAGRAMS];
    char data[DATAGRAMS][DATAGRAM_MAX];
};

struct readahead {
    int fd;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned filled, taken; /* blocks, counted since the start; under lock */
    bool ended, stopping;   /* under lock */
    int error;              /* errno that ended it; 0: the end of the dump */
    size_t next;            /* the next datagram of block `taken`; the caller's */
    struct block blocks[BLOCKS];
};

/* The kernel has the next part of a dump ready before it returns the last one: where there is
 * nothing to read, the dump is at its end. Returns false then. */
static bool fill(struct readahead *readahead, struct block *block) {
    for (block->count = 0; block->count < DATAGRAMS; block->count++) {
        const ssize_t len =
            recv(readahead->fd, block->data[block->count], DATAGRAM_MAX, MSG_DONTWAIT);

        if (len <= 0) {
            readahead->error = len < 0 && errno != EAGAIN ? errno : 0;
            return false;
        }
        block->lens[block->count] = len;
    }
    return true;
}

static void *run(void *data) {
    struct readahead *readahead = data;
    bool more = true;

    while (more) {
        struct block *block;

        pthread_mutex_lock(&readahead->lock);
        while (readahead->filled - readahead->taken == BLOCKS && !readahead->stopping)
            pthread_cond_wait(&readahead->changed, &readahead->lock);
        block = &readahead->blocks[readahead->filled % BLOCKS];
        more = !readahead->stopping;
        pthread_mutex_unlock(&readahead->lock);
        if (!more)
            break;
        more = fill(readahead, block);
        pthread_mutex_lock(&readahead->lock);
        readahead->filled++;
        readahead->ended = !more;
        pthread_cond_signal(&readahead->changed);
        pthread_mutex_unlock(&readahead->lock);
    }
    return NULL;
}

struct readahead *readahead_start(int fd) {
    struct readahead *readahead = malloc(sizeof(*readahead));
    sigset_t all, before;
    int error;

    if (!readahead)
        return NULL;
    readahead->fd = fd;
    readahead->filled = readahead->taken = 0;
    readahead->ended = readahead->stopping = false;
    readahead->error = 0;
    readahead->next = 0;
    pthread_mutex_init(&readahead->lock, NULL);
    pthread_cond_init(&readahead->changed, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&readahead->thread, NULL, run, readahead);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error) {
        free(readahead);
        return NULL;
    }
    return readahead;
}

/* Waits until there is a block; returns false at the end. */
static bool wait_filled(struct readahead *readahead, bool release) {
    bool filled;

    pthread_mutex_lock(&readahead->lock);
    if (release) {
        readahead->taken++;
        pthread_cond_signal(&readahead->changed);
    }
    while (readahead->filled == readahead->taken && !readahead->ended)
        pthread_cond_wait(&readahead->changed, &readahead->lock);
    filled = readahead->filled != readahead->taken;
    pthread_mutex_unlock(&readahead->lock);
    return filled;
}

ssize_t readahead_next(struct readahead *readahead, void **datagram) {
    bool more = wait_filled(readahead, false);

    while (more) {
        struct block *block = &readahead->blocks[readahead->taken % BLOCKS];

        if (readahead->next < block->count) {
            *datagram = block->data[readahead->next];
            return block->lens[readahead->next++];
        }
        readahead->next = 0;
        more = wait_filled(readahead, true);
    }
    errno = readahead->error;
    return errno ? -1 : 0;
}

void readahead_stop(struct readahead *readahead) {
    if (!readahead)
        return;
    pthread_mutex_lock(&readahead->lock);
    readahead->stopping = true;
    pthread_cond_signal(&readahead->changed);
    pthread_mutex_unlock(&readahead->lock);
    pthread_join(readahead->thread, NULL);
    pthread_cond_destroy(&readahead->changed);
    pthread_mutex_destroy(&readahead->lock);
    free(readahead);
}
