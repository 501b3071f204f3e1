/*
 * json_client.c - see json_client.h.
 */
#include "json_client.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

static bool
matches(const char *text, const char *pattern)
{
	while (*pattern) {
		if (*pattern == '#' || *pattern == '@') {
			int (*is_digit)(int c) = *pattern == '#' ? isdigit : isxdigit;

			if (!is_digit((unsigned char)*text))
				return false;
			while (is_digit((unsigned char)*text))
				text++;
			pattern++;
		} else if (*pattern++ != *text++) {
			return false;
		}
	}
	return *text == '\0';
}

char *
next_text(struct ws *ws)
{
	struct ws_frame frame;

	ws_read(ws, &frame);
	ck_assert_msg(frame.opcode == WS_TEXT && frame.fin, "opcode %d, %zu bytes", frame.opcode,
		      frame.len);
	ck_assert_uint_eq(strlen(frame.data), frame.len);
	return frame.data;
}

void
hears(struct ws *ws, const char *pattern)
{
	char *text = next_text(ws);

	ck_assert_msg(matches(text, pattern), "got:    %s\nwanted: %s", text, pattern);
	free(text);
}

void
asks(struct ws *ws, const char *text, const char *pattern)
{
	ws_send(ws, text);
	hears(ws, pattern);
}

static json_t *
parse(const char *text)
{
	json_error_t error;
	json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &error);

	ck_assert_msg(json_is_object(json), "%s: %s", error.text, text);
	return json;
}

json_t *
next_json(struct ws *ws)
{
	char *text = next_text(ws);
	json_t *json = parse(text);

	free(text);
	return json;
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

static void
open_with_mode(struct ws *ws, uint16_t port, const char *path)
{
	char *whole = it_printf("%s%cmode=json", path, strchr(path, '?') ? '&' : '?');

	ws_open(ws, port, whole, NULL);
	free(whole);
}

void
open_json(struct ws *ws, const struct daemon *d, const char *path)
{
	open_with_mode(ws, daemon_port(d), path);
	free(next_text(ws));
}

void
epoch_of(const struct daemon *d, const char *path, char out[20])
{
	struct ws ws;

	open_with_mode(&ws, daemon_port(d), path);
	json_t *welcome = next_json(&ws);
	snprintf(out, 20, "%s", chat_text(welcome, "epoch"));
	json_decref(welcome);
	ws_close(&ws);
}

void
publish_plain(const struct daemon *d, const char *path, unsigned from, unsigned to)
{
	struct ws ws;
	char text[32];

	ws_open(&ws, daemon_port(d), path, NULL);
	for (unsigned i = from; i <= to; i++) {
		snprintf(text, sizeof(text), "m%u", i);
		ws_send(&ws, text);
		ws_expect(&ws, text);
	}
	ws_close(&ws);
}

/* ---- asking and waiting ---- */

/* The next message; NULL when there was none by then. */
static json_t *
read_message(struct chat *c, uint64_t until_ms)
{
	struct ws_frame f;
	const char *wrong = ws_try_read(&c->ws, &f, until_ms);

	if (wrong && !c->ws.c.eof && strcmp(wrong, "no frame in time") == 0)
		return NULL;
	ck_assert_msg(!wrong, "%s", wrong);
	ck_assert_msg(f.opcode == WS_TEXT && f.fin, "a frame of opcode %d instead of JSON, code %u",
		      f.opcode,
		      f.opcode == WS_CLOSE && f.len >= 2
			  ? (unsigned)(unsigned char)f.data[0] << 8 | (unsigned char)f.data[1]
			  : 0);
	ck_assert_uint_eq(strlen(f.data), f.len);
	json_t *json = parse(f.data);
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

	open_with_mode(&ws, port, path);
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
