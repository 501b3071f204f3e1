/*
 * json_client.h - a client of chat.v1.json for tests. In an expected text '#' stands for a number
 * in decimal digits and '@' for one in hexadecimal digits.
 */
#ifndef PLAZA_TESTS_IT_JSON_CLIENT_H
#define PLAZA_TESTS_IT_JSON_CLIENT_H

#include <jansson.h>

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

/* A field that must be there. */
json_int_t number_of(const json_t *json, const char *name);
const char *text_of(const json_t *json, const char *name);

/* A client in JSON mode; its welcome is thrown away. */
void open_json(struct ws *ws, const struct daemon *d, const char *path);
/* The epoch that a new client of this path is told. */
void epoch_of(const struct daemon *d, const char *path, char out[20]);
/* A plain client says m<from> to m<to>. */
void publish_plain(const struct daemon *d, const char *path, unsigned from, unsigned to);

#endif
