/* SPDX-License-Identifier: MIT */
#include "sockdiag/readahead.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Handing over costs a wake-up, so several datagrams go at once. */
#define DATAGRAMS 4
#define BLOCKS    8

struct block {
    bool filled; /* under lock */
    size_t count;
    ssize_t lens[DATAGRAMS];
    char data[DATAGRAMS][DATAGRAM_MAX];
};

struct reader {
    struct readahead *readahead;
    const struct readahead_dump *dump;
    pthread_t thread;
};

struct readahead {
    struct reader readers[READAHEAD_DUMPS_MAX];
    size_t started;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned begun, taken; /* blocks, counted since the start; under lock */
    size_t running;        /* readers; under lock */
    bool stopping;         /* under lock */
    int error;             /* errno that ended a reader; 0: the ends of the dumps; under lock */
    size_t next;           /* the next datagram of block `taken`; the caller's */
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
static struct block *begin_block(struct readahead *readahead) {
    struct block *block = NULL;

    pthread_mutex_lock(&readahead->lock);
    while (readahead->begun - readahead->taken == BLOCKS && !readahead->stopping)
        pthread_cond_wait(&readahead->changed, &readahead->lock);
    if (!readahead->stopping)
        block = &readahead->blocks[readahead->begun++ % BLOCKS];
    pthread_mutex_unlock(&readahead->lock);
    return block;
}

static void end_block(struct readahead *readahead, struct block *block) {
    pthread_mutex_lock(&readahead->lock);
    block->filled = true;
    pthread_cond_broadcast(&readahead->changed);
    pthread_mutex_unlock(&readahead->lock);
}

static void *run(void *data) {
    struct reader *reader = data;
    struct readahead *readahead = reader->readahead;
    const struct nlmsghdr *request = reader->dump->request;
    int end = 0;

    if (request && send(reader->dump->fd, request, request->nlmsg_len, 0) < 0)
        end = errno;
    while (end == 0) {
        struct block *block = begin_block(readahead);

        if (!block)
            break;
        end = fill(reader->dump->fd, block);
        end_block(readahead, block);
    }
    pthread_mutex_lock(&readahead->lock);
    if (end > 0)
        readahead->error = end;
    readahead->running--;
    pthread_cond_broadcast(&readahead->changed);
    pthread_mutex_unlock(&readahead->lock);
    return NULL;
}

static bool start(struct readahead *readahead, const struct readahead_dump *dump) {
    struct reader *reader = &readahead->readers[readahead->started];

    reader->readahead = readahead;
    reader->dump = dump;
    if (pthread_create(&reader->thread, NULL, run, reader) != 0)
        return false;
    readahead->started++;
    return true;
}

struct readahead *readahead_start(const struct readahead_dump *dumps, size_t count) {
    /* Not calloc(): the blocks need not be touched before they are filled. */
    struct readahead *readahead = malloc(sizeof(*readahead));
    sigset_t all, before;
    bool started = true;

    if (!readahead)
        return NULL;
    memset(readahead, 0, offsetof(struct readahead, blocks));
    for (size_t i = 0; i < BLOCKS; i++)
        readahead->blocks[i].filled = false;
    pthread_mutex_init(&readahead->lock, NULL);
    pthread_cond_init(&readahead->changed, NULL);
    readahead->running = count;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (size_t i = 0; i < count && started; i++)
        started = start(readahead, &dumps[i]);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (started)
        return readahead;
    readahead_stop(readahead);
    return NULL;
}

/* Waits until the next block is filled; returns NULL at the end. */
static struct block *wait_filled(struct readahead *readahead, bool release) {
    struct block *block;

    pthread_mutex_lock(&readahead->lock);
    if (release) {
        readahead->blocks[readahead->taken % BLOCKS].filled = false;
        readahead->taken++;
        pthread_cond_broadcast(&readahead->changed);
    }
    block = &readahead->blocks[readahead->taken % BLOCKS];
    while (!block->filled && readahead->running > 0)
        pthread_cond_wait(&readahead->changed, &readahead->lock);
    if (!block->filled)
        block = NULL;
    pthread_mutex_unlock(&readahead->lock);
    return block;
}

ssize_t readahead_next(struct readahead *readahead, void **datagram) {
    struct block *block = wait_filled(readahead, false);

    while (block) {
        if (readahead->next < block->count) {
            *datagram = block->data[readahead->next];
            return block->lens[readahead->next++];
        }
        readahead->next = 0;
        block = wait_filled(readahead, true);
    }
    errno = readahead->error;
    return errno ? -1 : 0;
}

void readahead_stop(struct readahead *readahead) {
    if (!readahead)
        return;
    pthread_mutex_lock(&readahead->lock);
    readahead->stopping = true;
    pthread_cond_broadcast(&readahead->changed);
    pthread_mutex_unlock(&readahead->lock);
    for (size_t i = 0; i < readahead->started; i++)
        pthread_join(readahead->readers[i].thread, NULL);
    pthread_cond_destroy(&readahead->changed);
    pthread_mutex_destroy(&readahead->lock);
    free(readahead);
}
