/*
 * chat_client.h - a client of chat.v1.json that waits for what it asks for.
 */
#ifndef PLAZA_TESTS_IT_CHAT_CLIENT_H
#define PLAZA_TESTS_IT_CHAT_CLIENT_H

#include <jansson.h>
#include <stdint.h>

#include "ws_client.h"

struct chat {
	struct ws ws;
	unsigned next_id;
	json_t *kept; /* events that came while it waited for a reply */
	char conn[24];
};

/* `path` with its query; JSON mode is its business. The welcome, which the caller frees, or NULL.
 */
void chat_open(struct chat *c, uint16_t port, const char *path, json_t **welcome);
/* On a WebSocket in JSON mode from which nothing has been read. */
void chat_adopt(struct chat *c, const struct ws *ws, json_t **welcome);

/*
 * Sends {"id":..,FIELDS} and returns its reply, ok or err, which the caller frees. What else comes
 * before it is kept for chat_event.
 */
json_t *chat_ask(struct chat *c, const char *fields, ...) __attribute__((format(printf, 2, 3)));
/* The same, and it has to be ok. */
void chat_tell(struct chat *c, const char *fields, ...) __attribute__((format(printf, 2, 3)));

/* The next event; NULL when none came by then. It fails the test if the connection ends. */
json_t *chat_event(struct chat *c, uint64_t until_ms);

/* "key" of an object; fails the test if it is none, or another type. */
const char *chat_text(const json_t *object, const char *key);
uint64_t chat_number(const json_t *object, const char *key);

/* A Close handshake; what still comes is dropped. */
void chat_close(struct chat *c);
/* Just the end of the connection. */
void chat_drop(struct chat *c);

#endif
