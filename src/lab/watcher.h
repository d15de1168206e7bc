/* SPDX-License-Identifier: MIT
 *
 * The tracker of one host's end of the connection, as `tcpwatch monitor` has it. lab's own.
 */
#ifndef TCPWATCH_LAB_WATCHER_H
#define TCPWATCH_LAB_WATCHER_H

#include "watch/event.h"

#define WATCHER_PORT 9998

struct watcher;

typedef void watcher_take(void *into, const struct event *event);

/* Opens on the host of the calling thread. Returns NULL with errno. */
struct watcher *watcher_open(watcher_take *take, void *into);
void watcher_close(struct watcher *watcher);

/* As poll_source_descriptor() and the others. */
int watcher_descriptor(const struct watcher *watcher);
int64_t watcher_due(const struct watcher *watcher);
void watcher_hurry(struct watcher *watcher);
int watcher_step(struct watcher *watcher);

/* Makes a last look, and ends what waits. Returns 0, or -1 with errno. */
int watcher_finish(struct watcher *watcher);

#endif
