/* SPDX-License-Identifier: MIT */
#include "sockdiag/readahead.h"

#include "units/bulk.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>

/* Handing over costs a wake-up, so many datagrams go at once; all in one huge page. */
#define DATAGRAMS 16
#define BLOCKS    3

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
    int error;              /* errno that ended it; 0: the end of the dump; under lock */
    size_t next;            /* the next datagram of block `taken`; the caller's */
    struct block blocks[BLOCKS];
};

/* The kernel has the next part of a dump ready before it returns the last one: where there is
 * nothing to read, the dump is at its end. Returns errno, -1 at the end, 0 where more is to come.
 */
static int fill(int fd, struct block *block) {
    for (block->count = 0; block->count < DATAGRAMS; block->count++) {
        const ssize_t len = recv(fd, block->data[block->count], DATAGRAM_MAX, MSG_DONTWAIT);

        if (len <= 0)
            return len < 0 && errno != EAGAIN ? errno : -1;
        block->lens[block->count] = len;
    }
    return 0;
}

/* Waits for a block to fill. Returns NULL where the caller wants no more. */
static struct block *wait_free(struct readahead *readahead) {
    struct block *block = NULL;

    pthread_mutex_lock(&readahead->lock);
    while (readahead->filled - readahead->taken == BLOCKS && !readahead->stopping)
        pthread_cond_wait(&readahead->changed, &readahead->lock);
    if (!readahead->stopping)
        block = &readahead->blocks[readahead->filled % BLOCKS];
    pthread_mutex_unlock(&readahead->lock);
    return block;
}

static void hand_over(struct readahead *readahead, int end) {
    pthread_mutex_lock(&readahead->lock);
    readahead->filled++;
    readahead->ended = end != 0;
    readahead->error = end > 0 ? end : 0;
    pthread_mutex_unlock(&readahead->lock);
    pthread_cond_signal(&readahead->changed);
}

static void *run(void *data) {
    struct readahead *readahead = data;
    struct block *block;
    int end = 0;

    while (end == 0 && (block = wait_free(readahead))) {
        end = fill(readahead->fd, block);
        hand_over(readahead, end);
    }
    return NULL;
}

struct readahead *readahead_start(int fd) {
    struct readahead *readahead = bulk_new(sizeof(*readahead));
    sigset_t all, before;
    int error;

    if (!readahead)
        return NULL;
    readahead->fd = fd;
    pthread_mutex_init(&readahead->lock, NULL);
    pthread_cond_init(&readahead->changed, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&readahead->thread, NULL, run, readahead);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0)
        return readahead;
    bulk_free(readahead, sizeof(*readahead));
    return NULL;
}

/* Waits until the next block is filled; returns NULL at the end. */
static struct block *wait_filled(struct readahead *readahead) {
    struct block *block = NULL;

    pthread_mutex_lock(&readahead->lock);
    while (readahead->filled == readahead->taken && !readahead->ended)
        pthread_cond_wait(&readahead->changed, &readahead->lock);
    if (readahead->filled != readahead->taken)
        block = &readahead->blocks[readahead->taken % BLOCKS];
    pthread_mutex_unlock(&readahead->lock);
    return block;
}

static void release_block(struct readahead *readahead) {
    pthread_mutex_lock(&readahead->lock);
    readahead->taken++;
    pthread_mutex_unlock(&readahead->lock);
    pthread_cond_signal(&readahead->changed);
}

ssize_t readahead_next(struct readahead *readahead, void **datagram) {
    struct block *block;

    while ((block = wait_filled(readahead))) {
        if (readahead->next < block->count) {
            *datagram = block->data[readahead->next];
            return block->lens[readahead->next++];
        }
        readahead->next = 0;
        release_block(readahead);
    }
    errno = readahead->error;
    return errno ? -1 : 0;
}

void readahead_stop(struct readahead *readahead) {
    if (!readahead)
        return;
    pthread_mutex_lock(&readahead->lock);
    readahead->stopping = true;
    pthread_mutex_unlock(&readahead->lock);
    pthread_cond_signal(&readahead->changed);
    pthread_join(readahead->thread, NULL);
    pthread_cond_destroy(&readahead->changed);
    pthread_mutex_destroy(&readahead->lock);
    bulk_free(readahead, sizeof(*readahead));
}
