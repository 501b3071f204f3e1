/*
 * hub.h - the chat hub of one worker: rooms over WebSocket, in one order on every worker.
 */
#ifndef PLAZA_HUB_HUB_H
#define PLAZA_HUB_HUB_H

#include <stdbool.h>
#include <stddef.h>

#include "base/loop.h"
#include "config/config.h"
#include "http/route.h"
#include "proc/doorbell.h"
#include "proc/segment.h"

struct hub;

/* In the master, once, before the first fork: formats the log's area of the segment. */
bool hub_log_format(struct segment *segment);
/* The longest message that a chat.log_size of so many bytes can carry. */
size_t hub_message_max(size_t log_size);
/* In the master, when a process has died: makes sure that nobody sleeps over what it published. */
void hub_log_recover(struct segment *segment, const struct doorbell *bell);

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

/* Closes every WebSocket with `code` (1001 stop, 1012 restart) after what is already written. */
void hub_close_all(struct hub *hub, unsigned code);
/* WebSockets that are still there. */
size_t hub_connections(const struct hub *hub);
/* `emptied` is called from the loop whenever the last WebSocket leaves. */
void hub_on_empty(struct hub *hub, void (*emptied)(void *ctx), void *ctx);

#endif
