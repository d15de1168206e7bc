/* SPDX-License-Identifier: MIT */
#include "sockdiag/worker.h"

#include "units/bulk.h"

#include <pthread.h>
#include <signal.h>

/* Handing over costs a wake-up, so many datagrams go at once; all in one huge page. */
#define DATAGRAMS 16
#define BLOCKS    3

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
    size_t adding;         /* datagrams that the next block has so far; the caller's */
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
    worker->adding = 0;
    pthread_mutex_init(&worker->lock, NULL);
    pthread_cond_init(&worker->changed, NULL);
    sigfillset(&all); /* they are the caller's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&worker->thread, NULL, run, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0)
        return worker;
    bulk_free(worker, sizeof(*worker));
    return NULL;
}

/* The next block to fill: the caller's where one of them is free. */
static struct block *next_block(struct worker *worker) {
    return &worker->blocks[worker->filled % BLOCKS];
}

static void *next_datagram(struct worker *worker) {
    return next_block(worker)->data[worker->adding];
}

void *worker_room(struct worker *worker) {
    bool satisfied;

    if (worker->adding)
        return next_datagram(worker);
    pthread_mutex_lock(&worker->lock);
    while (worker->filled - worker->done == BLOCKS && !worker->satisfied)
        pthread_cond_wait(&worker->changed, &worker->lock);
    satisfied = worker->satisfied;
    pthread_mutex_unlock(&worker->lock);
    return satisfied ? NULL : next_datagram(worker);
}

static void hand_over(struct worker *worker, bool ended) {
    const bool is_block = worker->adding > 0;

    if (is_block)
        next_block(worker)->count = worker->adding;
    worker->adding = 0;
    pthread_mutex_lock(&worker->lock);
    worker->filled += is_block;
    worker->ended = ended;
    pthread_mutex_unlock(&worker->lock);
    pthread_cond_signal(&worker->changed);
}

void worker_add(struct worker *worker, size_t len) {
    next_block(worker)->lens[worker->adding++] = len;
    if (worker->adding == DATAGRAMS)
        hand_over(worker, false);
}

void worker_finish(struct worker *worker) {
    hand_over(worker, true);
    pthread_join(worker->thread, NULL);
    pthread_cond_destroy(&worker->changed);
    pthread_mutex_destroy(&worker->lock);
    bulk_free(worker, sizeof(*worker));
}
