/* SPDX-License-Identifier: MIT */
#include "trace/waiting.h"

#include <malloc.h>
#include <stdlib.h>

#define FIRST_SIZE 64

/* What a busy minute took is given back: it shrinks where so little of it is in use. Where it was
 * large, so does the heap, in which others kept something for each that waited. */
#define USED_SHARE 4
#define LARGE      1024

static bool resize(struct waiting_queue *queue, size_t size) {
    struct waiting *heap = reallocarray(queue->heap, size, sizeof(*heap));

    if (!heap)
        return false;
    queue->heap = heap;
    queue->size = size;
    return true;
}

bool waiting_add(struct waiting_queue *queue, const struct waiting *waiting) {
    size_t at = queue->count;

    if (queue->count == queue->size && !resize(queue, queue->size ? 2 * queue->size : FIRST_SIZE))
        return false;
    queue->count++;
    /* What is due later makes room. */
    for (; at > 0 && queue->heap[(at - 1) / 2].due_ns > waiting->due_ns; at = (at - 1) / 2)
        queue->heap[at] = queue->heap[(at - 1) / 2];
    queue->heap[at] = *waiting;
    return true;
}

/* Which of the two below is due first; count where there is none. */
static size_t earlier_child(const struct waiting_queue *queue, size_t at) {
    const size_t left = 2 * at + 1, right = left + 1;

    if (left >= queue->count)
        return queue->count;
    return right < queue->count && queue->heap[right].due_ns < queue->heap[left].due_ns ? right
                                                                                        : left;
}

bool waiting_take(struct waiting_queue *queue, int64_t now_ns, struct waiting *first) {
    const struct waiting *last;
    size_t at = 0, child;

    if (queue->count == 0 || queue->heap[0].due_ns > now_ns)
        return false;
    *first = queue->heap[0];
    last = &queue->heap[--queue->count];
    for (; (child = earlier_child(queue, at)) < queue->count; at = child) {
        if (queue->heap[child].due_ns >= last->due_ns)
            break;
        queue->heap[at] = queue->heap[child];
    }
    queue->heap[at] = *last;
    if (queue->size > FIRST_SIZE && queue->count < queue->size / USED_SHARE) {
        resize(queue, queue->size / 2);
        if (queue->size >= LARGE)
            malloc_trim(0);
    }
    return true;
}

struct waiting waiting_for(const struct socket *socket) {
    return (struct waiting){
        .cookie = socket->cookie,
        .local = socket->local,
        .remote = socket->remote,
        .local_port = socket->local_port,
        .remote_port = socket->remote_port,
        .ifindex = socket->ifindex,
        .netns = socket->netns,
        .inet6 = socket->inet6,
        .state = socket->state,
    };
}

struct socket waiting_socket(const struct waiting *waiting) {
    return (struct socket){
        .cookie = waiting->cookie,
        .local = waiting->local,
        .remote = waiting->remote,
        .local_port = waiting->local_port,
        .remote_port = waiting->remote_port,
        .ifindex = waiting->ifindex,
        .netns = waiting->netns,
        .inet6 = waiting->inet6,
        .state = waiting->state,
    };
}

void waiting_clear(struct waiting_queue *queue) {
    free(queue->heap);
    *queue = (struct waiting_queue){0};
}
