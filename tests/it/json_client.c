/*
 * json_client.c - see json_client.h.
 */
#include "json_client.h"

#include <ctype.h>
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

json_t *
next_json(struct ws *ws)
{
	json_error_t error;
	char *text = next_text(ws);
	json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &error);

	ck_assert_msg(json != NULL, "%s: %s", error.text, text);
	free(text);
	return json;
}

json_int_t
number_of(const json_t *json, const char *name)
{
	const json_t *number = json_object_get(json, name);

	ck_assert_msg(json_is_integer(number), "no number: %s", name);
	return json_integer_value(number);
}

const char *
text_of(const json_t *json, const char *name)
{
	const char *text = json_string_value(json_object_get(json, name));

	ck_assert_msg(text != NULL, "no text: %s", name);
	return text;
}

static void
open_with_mode(struct ws *ws, const struct daemon *d, const char *path)
{
	char *whole = it_printf("%s%cmode=json", path, strchr(path, '?') ? '&' : '?');

	ws_open(ws, daemon_port(d), whole, NULL);
	free(whole);
}

void
open_json(struct ws *ws, const struct daemon *d, const char *path)
{
	open_with_mode(ws, d, path);
	free(next_text(ws));
}

void
epoch_of(const struct daemon *d, const char *path, char out[20])
{
	struct ws ws;

	open_with_mode(&ws, d, path);
	json_t *welcome = next_json(&ws);
	snprintf(out, 20, "%s", text_of(welcome, "epoch"));
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
