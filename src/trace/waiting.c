/* SPDX-License-Identifier: MIT */
#include "trace/waiting.h"

#include <stdlib.h>

#define FIRST_SIZE 64

/* Moves the ring to one of this size, in which the first is at the beginning. */
static bool resize(struct waiting_queue *queue, size_t size) {
    struct waiting *ring = malloc(size * sizeof(*ring));

    if (!ring)
        return false;
    for (size_t i = 0; i < queue->count; i++)
        ring[i] = queue->ring[(queue->first + i) & (queue->size - 1)];
    free(queue->ring);
    queue->ring = ring;
    queue->first = 0;
    queue->size = size;
    return true;
}

bool waiting_add(struct waiting_queue *queue, const struct socket *socket, int64_t due_ns) {
    if (queue->count == queue->size && !resize(queue, queue->size ? 2 * queue->size : FIRST_SIZE))
        return false;
    queue->ring[(queue->first + queue->count++) & (queue->size - 1)] = (struct waiting){
        .cookie = socket->cookie,
        .due_ns = due_ns,
        .local = socket->local,
        .remote = socket->remote,
        .local_port = socket->local_port,
        .remote_port = socket->remote_port,
        .ifindex = socket->ifindex,
        .inet6 = socket->inet6,
        .state = socket->state,
    };
    return true;
}

const struct waiting *waiting_due(const struct waiting_queue *queue, int64_t now_ns) {
    const struct waiting *first = queue->ring + queue->first;

    return queue->count && first->due_ns <= now_ns ? first : NULL;
}

void waiting_remove(struct waiting_queue *queue) {
    queue->first = (queue->first + 1) & (queue->size - 1);
    queue->count--;
}

struct socket waiting_socket(const struct waiting *waiting) {
    return (struct socket){
        .cookie = waiting->cookie,
        .local = waiting->local,
        .remote = waiting->remote,
        .local_port = waiting->local_port,
        .remote_port = waiting->remote_port,
        .ifindex = waiting->ifindex,
        .inet6 = waiting->inet6,
        .state = waiting->state,
    };
}

static int by_time(const void *a, const void *b) {
    const int64_t first = ((const struct waiting *)a)->due_ns;
    const int64_t second = ((const struct waiting *)b)->due_ns;

    return first < second ? -1 : first > second;
}

void waiting_sort(struct waiting_queue *queue) {
    if (queue->count && resize(queue, queue->size))
        qsort(queue->ring, queue->count, sizeof(*queue->ring), by_time);
}

void waiting_clear(struct waiting_queue *queue) {
    free(queue->ring);
    *queue = (struct waiting_queue){0};
}

void waiting_free(struct waiting_queue *queue) {
    free(queue->ring);
}
