/*
 * chat_http.h - the chat over plain HTTP: POST /chat/{room} publishes, and GET shows the history
 * and the members of a room.
 */
#ifndef PLAZA_HUB_CHAT_HTTP_H
#define PLAZA_HUB_CHAT_HTTP_H

#include <stdbool.h>

#include "base/span.h"
#include "http/route.h"

struct chat_http;
struct exchange;
struct hub;

/* NULL on failure, logged. */
struct chat_http *chat_http_new(struct hub *hub);
void chat_http_free(struct chat_http **http);
void chat_http_add_routes(struct chat_http *http, struct route_table *routes);

/* For events.c. The first {part} of the path. False, and answered, if it is no name of a room. */
bool chat_http_room(struct exchange *x, struct span *room);
/* 503, to be tried again after so many milliseconds. */
void chat_http_unavailable(struct exchange *x, const char *type, const char *detail,
			   uint64_t retry_ms);

#endif
