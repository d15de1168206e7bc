/* SPDX-License-Identifier: MIT */
#include "sockdiag/worker.h"

#include "units/bulk.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

/* Handing over costs a wake-up, so many datagrams go at once. All of it shares a huge page with the
 * first rows and places of a list: with more it would take one of its own. */
#define DATAGRAMS 16
#define BLOCKS    2

struct block {
    size_t count;
    size_t lens[DATAGRAMS];
    char data[DATAGRAMS][DATAGRAM_MAX];
};

struct worker {
    worker_task *task;
    void *into;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned filled, done; /* blocks, counted since the start; under lock */
    bool ended;            /* no more comes; under lock */
    bool satisfied;        /* no more is wanted; under lock */
    struct block blocks[BLOCKS];
};

/* Waits for a block to work on. Returns NULL at the end. */
static struct block *wait_filled(struct worker *worker) {
    struct block *block = NULL;

    pthread_mutex_lock(&worker->lock);
    while (worker->filled == worker->done && !worker->ended)
        pthread_cond_wait(&worker->changed, &worker->lock);
    if (worker->filled != worker->done)
        block = &worker->blocks[worker->done % BLOCKS];
    pthread_mutex_unlock(&worker->lock);
    return block;
}

static void give_back(struct worker *worker, bool satisfied) {
    pthread_mutex_lock(&worker->lock);
    worker->done++;
    worker->satisfied = satisfied;
    pthread_mutex_unlock(&worker->lock);
    pthread_cond_signal(&worker->changed);
}

static void *run(void *data) {
    struct worker *worker = data;
    struct block *block;
    bool wanted = true;

    while (wanted && (block = wait_filled(worker))) {
        for (size_t i = 0; wanted && i < block->count; i++)
            wanted = worker->task(worker->into, block->data[i], block->lens[i]);
        give_back(worker, !wanted);
    }
    return NULL;
}

static void release(struct worker *worker) {
    pthread_cond_destroy(&worker->changed);
    pthread_mutex_destroy(&worker->lock);
    bulk_free(worker, sizeof(*worker));
}

struct worker *worker_start(worker_task *task, void *into) {
    struct worker *worker = bulk_new(sizeof(*worker));
    sigset_t all, before;
    int error;

    if (!worker)
        return NULL;
    worker->task = task;
    worker->into = into;
    worker->filled = worker->done = 0;
    worker->ended = worker->satisfied = false;
    pthread_mutex_init(&worker->lock, NULL);
    pthread_cond_init(&worker->changed, NULL);
    sigfillset(&all); /* they are the caller's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&worker->thread, NULL, run, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0)
        return worker;
    release(worker);
    return NULL;
}

/* Waits for a block to fill. Returns NULL where no more is wanted. */
static struct block *wait_free(struct worker *worker) {
    struct block *block = NULL;

    pthread_mutex_lock(&worker->lock);
    while (worker->filled - worker->done == BLOCKS && !worker->satisfied)
        pthread_cond_wait(&worker->changed, &worker->lock);
    if (!worker->satisfied)
        block = &worker->blocks[worker->filled % BLOCKS];
    pthread_mutex_unlock(&worker->lock);
    return block;
}

/* Reads many at once: to go to the kernel for each was a fortieth of the time of a long list.
 * Returns 0, or an errno. */
static int fill(struct block *block, int fd) {
    struct mmsghdr messages[DATAGRAMS] = {0};
    struct iovec parts[DATAGRAMS];
    int count;

    for (size_t i = 0; i < DATAGRAMS; i++) {
        parts[i] = (struct iovec){block->data[i], DATAGRAM_MAX};
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    count = recvmmsg(fd, messages, DATAGRAMS, MSG_DONTWAIT, NULL);
    if (count < 0)
        return errno;
    block->count = (size_t)count;
    for (size_t i = 0; i < block->count; i++)
        block->lens[i] = messages[i].msg_len;
    return 0;
}

static void hand_over(struct worker *worker, bool ended) {
    pthread_mutex_lock(&worker->lock);
    worker->filled += !ended;
    worker->ended = ended;
    pthread_mutex_unlock(&worker->lock);
    pthread_cond_signal(&worker->changed);
}

int worker_feed(struct worker *worker, int fd) {
    struct block *block;
    int error = 0;

    while (error == 0 && (block = wait_free(worker))) {
        error = fill(block, fd);
        if (error == 0)
            hand_over(worker, false);
    }
    return error;
}

void worker_finish(struct worker *worker) {
    hand_over(worker, true);
    pthread_join(worker->thread, NULL);
    release(worker);
}
