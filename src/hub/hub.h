/*
 * hub.h - the chat hub of one worker: rooms over WebSocket, in one order on every worker.
 */
#ifndef PLAZA_HUB_HUB_H
#define PLAZA_HUB_HUB_H

#include <stdbool.h>
#include <stddef.h>

#include "base/loop.h"
#include "base/span.h"
#include "config/config.h"
#include "http/route.h"
#include "proc/doorbell.h"
#include "proc/segment.h"

struct hub;

/*
 * In a worker, after fork. `slot` is its own. Installs its pass hook, its sleep hooks and the
 * watch of its doorbell. NULL on failure, logged.
 */
struct hub *hub_new(struct loop *loop, const struct config *config, struct segment *segment,
		    const struct doorbell *bell, unsigned slot);
/* Drops every WebSocket. The loop must not run any more afterwards. */
void hub_free(struct hub **hub);

/* /chat, /chat/{room} and /echo. */
void hub_add_routes(struct hub *hub, struct route_table *routes);

/*
 * The daemon's own rooms, whose names begin with _: all may listen there, nobody else may publish.
 * `json` is compact and no string. A message whose `id` is remembered there is not written again.
 * No rate is for it. False: not now (the log is locked or full, or a worker is far behind).
 */
bool hub_tell(struct hub *hub, struct span room, struct span id, struct span json)
    __attribute__((warn_unused_result));
/* The id of a room's newest message, without a terminator; its length, 0 when there is none. */
size_t hub_last_id(struct hub *hub, struct span room, char *id, size_t size);

/* Ends every event stream: the client comes again, to whoever accepts, and misses nothing. */
void hub_end_streams(struct hub *hub);
/* Closes every WebSocket with `code` (1001 stop, 1012 restart) after what is already written. */
void hub_close_all(struct hub *hub, unsigned code);
/* WebSockets that are still there. */
size_t hub_connections(const struct hub *hub);
/* `emptied` is called from the loop whenever the last WebSocket leaves. */
void hub_on_empty(struct hub *hub, void (*emptied)(void *ctx), void *ctx);

#endif
