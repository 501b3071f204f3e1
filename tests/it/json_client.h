/*
 * json_client.h - clients of chat.v1.json for tests: those that say each word and look at each
 * answer as text, and those (struct chat) that ask and wait for what they asked for. In an expected
 * text '#' stands for a number in decimal digits and '@' for one in hexadecimal digits.
 */
#ifndef PLAZA_TESTS_IT_JSON_CLIENT_H
#define PLAZA_TESTS_IT_JSON_CLIENT_H

#include <jansson.h>
#include <stdint.h>

#include "daemon.h"
#include "ws_client.h"

/* The whole text of events and answers, of numbers and fields as text. */
#define WELCOME_OF(room, seq, first, recovered, replay)                                          \
	"{\"t\":\"welcome\",\"v\":1,\"conn\":\"@\",\"room\":\"" room                             \
	"\",\"epoch\":\"@\",\"seq\":" seq ",\"first\":" first ",\"recovered\":" recovered        \
	",\"replay\":" replay ",\"count\":#,\"max\":65536,\"ping\":25,\"limits\":{\"rooms\":64," \
	"\"rate\":0,\"burst\":0,\"queue\":1048576},\"retry\":{\"base\":500,\"max\":30000}}"
#define JOINED(id, room, seq, first, recovered, replay, count)                                    \
	"{\"id\":" id ",\"t\":\"ok\",\"room\":\"" room "\",\"epoch\":\"@\",\"seq\":" seq          \
	",\"first\":" first ",\"recovered\":" recovered ",\"replay\":" replay ",\"count\":" count \
	"}"
#define MSG(room, seq, rest) \
	"{\"t\":\"msg\",\"room\":\"" room "\",\"seq\":" seq ",\"ts\":#" rest "}"
#define ERR(id, code, text) \
	"{" id "\"t\":\"err\",\"code\":\"" code "\",\"msg\":\"" text "\",\"temp\":false}"

/* The next message as it is, for the caller to free. */
char *next_text(struct ws *ws);
json_t *next_json(struct ws *ws);
/* The next message is this. */
void hears(struct ws *ws, const char *pattern);
/* Says something, and then the next message is this. */
void asks(struct ws *ws, const char *text, const char *pattern);

/* A field of an object; fails the test if there is none, or of another type. */
const char *chat_text(const json_t *object, const char *key);
uint64_t chat_number(const json_t *object, const char *key);

/* A client in JSON mode; its welcome is thrown away. */
void open_json(struct ws *ws, const struct daemon *d, const char *path);
/* The epoch that a new client of this path is told. */
void epoch_of(const struct daemon *d, const char *path, char out[20]);
/* A plain client says m<from> to m<to>. */
void publish_plain(const struct daemon *d, const char *path, unsigned from, unsigned to);

/* ---- asking and waiting ---- */

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

/* A Close handshake; what still comes is dropped. */
void chat_close(struct chat *c);
/* Just the end of the connection. */
void chat_drop(struct chat *c);

#endif
