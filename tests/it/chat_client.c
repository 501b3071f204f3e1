/*
 * chat_client.c - see chat_client.h.
 */
#include "chat_client.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

/* The next message; NULL when there was none by then. */
static json_t *
read_message(struct chat *c, uint64_t until_ms)
{
	struct ws_frame f;
	json_error_t error;
	const char *wrong = ws_try_read(&c->ws, &f, until_ms);

	if (wrong && !c->ws.c.eof && strcmp(wrong, "no frame in time") == 0)
		return NULL;
	ck_assert_msg(!wrong, "%s", wrong);
	ck_assert_msg(f.opcode == WS_TEXT && f.fin, "a frame of opcode %d instead of JSON, code %u",
		      f.opcode,
		      f.opcode == WS_CLOSE && f.len >= 2
			  ? (unsigned)(unsigned char)f.data[0] << 8 | (unsigned char)f.data[1]
			  : 0);
	json_t *json = json_loadb(f.data, f.len, JSON_REJECT_DUPLICATES, &error);
	ck_assert_msg(json && json_is_object(json), "%s: %s", f.data, error.text);
	ws_frame_fini(&f);
	return json;
}

void
chat_adopt(struct chat *c, const struct ws *ws, json_t **welcome)
{
	*c = (struct chat){.ws = *ws, .next_id = 1, .kept = json_array()};
	json_t *first = read_message(c, it_now_ms() + IT_DEADLINE_MS);
	ck_assert_msg(first, "no welcome");
	ck_assert_str_eq(chat_text(first, "t"), "welcome");
	snprintf(c->conn, sizeof(c->conn), "%s", chat_text(first, "conn"));
	if (welcome)
		*welcome = first;
	else
		json_decref(first);
}

void
chat_open(struct chat *c, uint16_t port, const char *path, json_t **welcome)
{
	struct ws ws;
	char *with_mode = it_printf("%s%cmode=json", path, strchr(path, '?') ? '&' : '?');

	ws_open(&ws, port, with_mode, NULL);
	free(with_mode);
	chat_adopt(c, &ws, welcome);
}

static json_t *ask(struct chat *c, const char *fields, va_list ap)
    __attribute__((format(printf, 2, 0)));

static json_t *
ask(struct chat *c, const char *fields, va_list ap)
{
	const uint64_t until_ms = it_now_ms() + IT_DEADLINE_MS;
	const unsigned id = c->next_id++;
	char *inner = NULL;

	ck_assert_int_ge(vasprintf(&inner, fields, ap), 0);
	char *text = it_printf("{\"id\":%u,%s}", id, inner);
	ws_send(&c->ws, text);
	for (;;) {
		json_t *json = read_message(c, until_ms);
		ck_assert_msg(json, "no reply to %s", text);
		const json_t *echoed = json_object_get(json, "id");
		if (echoed) {
			ck_assert_int_eq(json_integer_value(echoed), id);
			free(inner);
			free(text);
			return json;
		}
		json_array_append_new(c->kept, json);
	}
}

json_t *
chat_ask(struct chat *c, const char *fields, ...)
{
	va_list ap;

	va_start(ap, fields);
	json_t *reply = ask(c, fields, ap);
	va_end(ap);
	return reply;
}

void
chat_tell(struct chat *c, const char *fields, ...)
{
	va_list ap;

	va_start(ap, fields);
	json_t *reply = ask(c, fields, ap);
	va_end(ap);
	ck_assert_msg(strcmp(chat_text(reply, "t"), "ok") == 0, "%s: %s", fields,
		      json_dumps(reply, JSON_COMPACT));
	json_decref(reply);
}

json_t *
chat_event(struct chat *c, uint64_t until_ms)
{
	if (json_array_size(c->kept) > 0) {
		json_t *event = json_incref(json_array_get(c->kept, 0));
		json_array_remove(c->kept, 0);
		return event;
	}
	json_t *event = read_message(c, until_ms);
	ck_assert_msg(!event || !json_object_get(event, "id"), "an unasked reply");
	return event;
}

const char *
chat_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	ck_assert_msg(text, "no text %s in %s", key, json_dumps(object, JSON_COMPACT));
	return text;
}

uint64_t
chat_number(const json_t *object, const char *key)
{
	const json_t *number = json_object_get(object, key);

	ck_assert_msg(json_is_integer(number), "no number %s in %s", key,
		      json_dumps(object, JSON_COMPACT));
	return (uint64_t)json_integer_value(number);
}

void
chat_close(struct chat *c)
{
	json_decref(c->kept);
	c->kept = NULL;
	ws_close(&c->ws);
}

void
chat_drop(struct chat *c)
{
	json_decref(c->kept);
	c->kept = NULL;
	ws_drop(&c->ws);
}
