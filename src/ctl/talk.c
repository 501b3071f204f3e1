/*
 * talk.c - one client in one room by chat.v1.json, over as many connections as that takes.
 */
#include "ctl/talk.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What chat.v1 says when a server does not: plaza-chat(7). */
#define MAX_BYTES     65536
#define PING_MS       25000
#define RETRY_BASE_MS 500
#define RETRY_MAX_MS  30000
#define HOUR_MS       3600000
/* for an answer to our ping, and how long a connection lives that was not in vain */
#define ALIVE_MS 10000
/* when an error that may pass does not say how long it takes */
#define HOLD_MS      1000
#define HISTORY      20
#define HISTORY_MAX  200
#define MEMBERS_SHOW 100

static void talk_fail(struct talk *talk, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void
set_state(struct talk *talk, enum talk_state state)
{
	talk->state = state;
}

/* The first reason counts. */
static void
talk_fail(struct talk *talk, const char *fmt, ...)
{
	va_list ap;

	if (talk->failed[0])
		return;
	va_start(ap, fmt);
	vsnprintf(talk->failed, sizeof(talk->failed), fmt, ap);
	va_end(ap);
}

void
talk_init(struct talk *talk, uint64_t random)
{
	queue_init(&talk->lines);
	queue_init(&talk->commands);
	talk->cid_prefix = random;
	talk->max = MAX_BYTES;
	talk->ping_ms = PING_MS;
	talk->retry_base_ms = RETRY_BASE_MS;
	talk->retry_max_ms = RETRY_MAX_MS;
}

void
talk_fini(struct talk *talk)
{
	queue_fini(&talk->lines);
	queue_fini(&talk->commands);
}

/* --- what is sent --- */

/* Takes the object; with an id if `id` is not NULL. */
static void
command(struct talk *talk, json_t *object, uint32_t *id)
{
	char *text = NULL;

	if (id) {
		*id = ++talk->id;
		json_object_set_new(object, "id", json_integer(*id));
	}
	if (object)
		text = json_dumps(object, JSON_COMPACT);
	if (!text || !queue_add(&talk->commands, span_str(text)))
		talk_fail(talk, "out of memory");
	free(text);
	json_decref(object);
}

static void
ask_join(struct talk *talk)
{
	json_t *join = json_pack("{s:s,s:s,s:s}", "t", "join", "room", talk->room, "pres",
				 talk->wants_presence ? "diff" : "none");

	if (talk->name)
		json_object_set_new(join, "name", json_string(talk->name));
	if (talk->has_position)
		json_object_set_new(
		    join, "since",
		    json_pack("{s:s,s:I}", "epoch", talk->epoch, "seq", (json_int_t)talk->seq));
	else if (talk->last)
		json_object_set_new(join, "last", json_integer((json_int_t)talk->last));
	talk->join_ms = 0;
	command(talk, join, &talk->join_id);
}

/* The first of the lines as a publish; false when the server would not take it. */
static bool
write_publish(struct talk *talk, struct buffer *out)
{
	const struct queued *line = talk->lines.first;
	char cid[48];
	json_t *pub;
	char *text;
	size_t len;

	snprintf(cid, sizeof(cid), "%016" PRIx64 "-%" PRIu64, talk->cid_prefix, talk->cid);
	talk->pub_id = ++talk->id;
	pub =
	    json_pack("{s:s,s:I,s:s,s:s,s:s%}", "t", "pub", "id", (json_int_t)talk->pub_id, "room",
		      talk->room, "cid", cid, "data", line->len ? line->text : "", line->len);
	text = pub ? json_dumps(pub, JSON_COMPACT) : NULL;
	json_decref(pub);
	len = text ? strlen(text) : 0;
	bool fits = len <= talk->max;
	if (!text || (fits && !buffer_append(out, text, len, SIZE_MAX)))
		talk_fail(talk, "out of memory");
	free(text);
	return fits && !talk->failed[0];
}

static void
next_line(struct talk *talk)
{
	free(queue_pop(&talk->lines));
	talk->cid++;
	talk->is_publishing = false;
}

bool
talk_has_next(const struct talk *talk, uint64_t now_ms)
{
	if (talk->state == TALK_AWAY)
		return false;
	return talk->commands.first || (talk->state == TALK_IN && talk->lines.first &&
					!talk->is_publishing && now_ms >= talk->hold_ms);
}

bool
talk_next(struct talk *talk, uint64_t now_ms, struct buffer *out)
{
	out->len = 0;
	while (talk_has_next(talk, now_ms) && !talk->failed[0]) {
		if (talk->commands.first) {
			struct queued *first = queue_pop(&talk->commands);
			bool ok = buffer_append(out, first->text, first->len, SIZE_MAX);

			free(first);
			if (!ok)
				talk_fail(talk, "out of memory");
			return ok;
		}
		if (write_publish(talk, out)) {
			talk->is_publishing = true;
			return true;
		}
		if (talk->failed[0])
			break;
		talk->refused++;
		talk_show_note(&talk->view,
			       "a line of %zu bytes is too long; accepted: %zu, less "
			       "what JSON adds",
			       talk->lines.first->len, talk->max);
		next_line(talk);
	}
	return false;
}

/* --- what comes --- */

static int64_t
number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static const char *
string(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "";
}

static void
set_epoch(struct talk *talk, const char *epoch)
{
	if (strcmp(epoch, talk->epoch) == 0)
		return;
	snprintf(talk->epoch, sizeof(talk->epoch), "%s", epoch);
	talk->oldest = 0;
}

static bool
is_ours(const struct talk *talk, const json_t *event)
{
	return talk->state == TALK_IN && strcmp(string(event, "room"), talk->room) == 0;
}

static void
on_welcome(struct talk *talk, const json_t *event, uint64_t now_ms)
{
	const json_t *retry = json_object_get(event, "retry");
	int64_t max = number(event, "max"), ping = number(event, "ping");
	int64_t base = number(retry, "base"), most = number(retry, "max");
	const char *room = string(event, "room");

	if (talk->state != TALK_COMING)
		return;
	if (!*room || strlen(room) >= sizeof(talk->room)) {
		talk_fail(talk, "the server's welcome has no room");
		return;
	}
	snprintf(talk->room, sizeof(talk->room), "%s", room);
	talk->max = max > 0 ? (size_t)max : MAX_BYTES;
	talk->ping_ms = ping > 0 && ping < 86400 ? (uint64_t)ping * 1000 : PING_MS;
	talk->retry_base_ms = base > 0 && base <= HOUR_MS ? (uint64_t)base : RETRY_BASE_MS;
	talk->retry_max_ms = most > 0 && most <= HOUR_MS ? (uint64_t)most : RETRY_MAX_MS;
	talk->came_ms = now_ms;
	if (!talk->has_position && talk->last == 0) {
		/* nothing is missed between the welcome and the join */
		set_epoch(talk, string(event, "epoch"));
		talk->seq = number(event, "seq");
		talk->has_position = true;
	}
	set_state(talk, TALK_JOINING);
	command(talk, json_pack("{s:s,s:s}", "t", "leave", "room", talk->room), NULL);
	ask_join(talk);
}

static void
on_joined(struct talk *talk, const json_t *event, uint64_t now_ms)
{
	bool was_in = talk->was_in;

	talk->was_in = true;
	set_state(talk, TALK_IN);
	set_epoch(talk, string(event, "epoch"));
	/* what is replayed comes next, or a gap that says what cannot be */
	talk->seq = number(event, "seq") - number(event, "replay");
	talk->has_position = true;
	talk->progress_ms = now_ms;
	if (was_in)
		talk_show_note(&talk->view, "connected again%s",
			       json_is_true(json_object_get(event, "recovered"))
				   ? ", nothing is missing"
				   : "");
	else if (talk->view.is_terminal)
		talk_show_note(&talk->view, "in the room %s; /help tells more", talk->room);
}

static void
on_published(struct talk *talk, const json_t *event, uint64_t now_ms)
{
	if (!talk->is_publishing)
		return;
	snprintf(talk->own_epoch, sizeof(talk->own_epoch), "%s", talk->epoch);
	talk->own_seq = number(event, "seq");
	talk->progress_ms = now_ms;
	next_line(talk);
}

static void
on_history(struct talk *talk, const json_t *event)
{
	const json_t *messages = json_object_get(event, "msgs"), *message;
	size_t i;

	json_array_foreach(messages, i, message)
	{
		talk_show_message(&talk->view, message);
		if (i == 0)
			talk->oldest = number(message, "seq");
	}
	if (json_array_size(messages) == 0)
		talk_show_note(&talk->view, "nothing older is kept");
	else
		talk_show_note(
		    &talk->view, "end of %zu older messages%s", json_array_size(messages),
		    json_is_true(json_object_get(event, "more")) ? "" : ", all there are");
}

static void
on_ok(struct talk *talk, const json_t *event, uint64_t now_ms)
{
	int64_t id = number(event, "id");

	if (id == talk->join_id && talk->state == TALK_JOINING)
		on_joined(talk, event, now_ms);
	else if (id == talk->pub_id)
		on_published(talk, event, now_ms);
	else if (id == talk->who_id)
		talk_show_members(&talk->view, event);
	else if (id == talk->history_id)
		on_history(talk, event);
}

static void
on_error(struct talk *talk, const json_t *event, uint64_t now_ms)
{
	int64_t id = number(event, "id"), retry = number(event, "retry");
	bool is_temporary = json_is_true(json_object_get(event, "temp"));
	uint64_t again_ms = now_ms + (retry > 0 ? (uint64_t)retry : HOLD_MS);
	const char *code = string(event, "code"), *text = string(event, "msg");

	if (id == talk->join_id && talk->state == TALK_JOINING) {
		if (is_temporary)
			talk->join_ms = again_ms;
		else
			talk_fail(talk, "cannot join %s: %s (%s)", talk->room, text, code);
	} else if (id == talk->pub_id && talk->is_publishing) {
		if (is_temporary) {
			talk->is_publishing = false;
			talk->hold_ms = again_ms;
			return;
		}
		talk->refused++;
		talk->progress_ms = now_ms;
		talk_show_note(&talk->view, "not published: %s (%s)", text, code);
		next_line(talk);
	} else {
		talk_show_note(&talk->view, "the server says: %s (%s)", text, code);
	}
}

static void
on_message(struct talk *talk, const json_t *event, uint64_t now_ms)
{
	int64_t seq = number(event, "seq");

	if (!is_ours(talk, event) || seq <= talk->seq)
		return;
	if (seq > talk->seq + 1) {
		/* no server should do this, but then it is not hidden either */
		json_t *gap = json_pack("{s:I,s:I}", "from", (json_int_t)talk->seq + 1, "to",
					(json_int_t)seq - 1);

		talk_show_gap(&talk->view, gap);
		json_decref(gap);
	}
	talk->seq = seq;
	if (!talk->oldest)
		talk->oldest = seq;
	talk->progress_ms = now_ms;
	talk_show_message(&talk->view, event);
}

static void
on_gap(struct talk *talk, const json_t *event)
{
	if (!is_ours(talk, event))
		return;
	set_epoch(talk, string(event, "epoch"));
	talk->seq = number(event, "to");
	talk_show_gap(&talk->view, event);
}

static void
on_notice(struct talk *talk, const json_t *event)
{
	const json_t *retry = json_object_get(event, "retry");
	const char *what = string(event, "what");
	json_int_t low = json_integer_value(json_array_get(retry, 0));
	json_int_t high = json_integer_value(json_array_get(retry, 1));

	if (low >= 0 && high > low && high <= HOUR_MS) {
		talk->spread_ms[0] = (uint64_t)low;
		talk->spread_ms[1] = (uint64_t)high;
	}
	if (strcmp(what, "drain") == 0)
		talk_show_note(&talk->view, "the server is renewed and will close the connection");
	else
		talk_show_note(&talk->view, "the server gives notice: %s", what);
}

static void
dispatch(struct talk *talk, const json_t *event, uint64_t now_ms)
{
	const char *type = string(event, "t");

	if (strcmp(type, "msg") == 0)
		on_message(talk, event, now_ms);
	else if (strcmp(type, "ok") == 0)
		on_ok(talk, event, now_ms);
	else if (strcmp(type, "err") == 0)
		on_error(talk, event, now_ms);
	else if (strcmp(type, "gap") == 0)
		on_gap(talk, event);
	else if (strcmp(type, "welcome") == 0)
		on_welcome(talk, event, now_ms);
	else if (strcmp(type, "notice") == 0)
		on_notice(talk, event);
	else if (strcmp(type, "pres") == 0 && is_ours(talk, event) && talk->wants_presence)
		talk_show_presence(&talk->view, event);
}

void
talk_receive(struct talk *talk, uint64_t now_ms, struct span text, bool is_binary)
{
	json_t *event;

	talk->heard_ms = now_ms;
	talk->pinged_ms = 0;
	if (talk->failed[0] || talk->state == TALK_AWAY)
		return;
	event = is_binary ? NULL : json_loadb(text.ptr, text.len, JSON_ALLOW_NUL, NULL);
	if (json_is_object(event))
		dispatch(talk, event, now_ms);
	else
		talk_fail(talk, "the server does not speak chat.v1.json");
	json_decref(event);
}

/* --- connections --- */

void
talk_begin(struct talk *talk, uint64_t now_ms)
{
	set_state(talk, TALK_COMING);
	queue_fini(&talk->commands);
	queue_init(&talk->commands);
	talk->heard_ms = talk->came_ms = now_ms;
	talk->pinged_ms = 0;
	talk->is_publishing = false;
	talk->hold_ms = 0;
	talk->join_ms = 0;
}

uint64_t
talk_lost(struct talk *talk, uint64_t now_ms, uint32_t random)
{
	uint64_t low = talk->spread_ms[0], high = talk->spread_ms[1];

	if (talk->state != TALK_AWAY && now_ms - talk->came_ms >= ALIVE_MS)
		talk->tries = 0;
	set_state(talk, TALK_AWAY);
	talk->is_publishing = false;
	if (high == 0) {
		high = talk->retry_base_ms << (talk->tries < 20 ? talk->tries : 20);
		if (high > talk->retry_max_ms)
			high = talk->retry_max_ms;
		talk->tries++;
	}
	talk->spread_ms[0] = talk->spread_ms[1] = 0;
	/* at random, or all whom one loss has hit would come at the same moment */
	return low + (high - low) * (uint64_t)random / UINT32_MAX;
}

bool
talk_tick(struct talk *talk, uint64_t now_ms)
{
	if (talk->state == TALK_AWAY)
		return true;
	if (talk->join_ms && now_ms >= talk->join_ms)
		ask_join(talk);
	if (talk->pinged_ms)
		return now_ms - talk->pinged_ms < ALIVE_MS;
	if (talk->state == TALK_COMING) {
		if (now_ms - talk->heard_ms < ALIVE_MS)
			return true;
		/* one that was there once may be in trouble */
		if (!talk->was_in)
			talk_fail(talk, "the server sends no welcome: it does not speak "
					"chat.v1.json, or is stuck");
		return false;
	}
	if (now_ms - talk->heard_ms >= talk->ping_ms) {
		talk->pinged_ms = now_ms;
		command(talk, json_pack("{s:s}", "t", "ping"), NULL);
	}
	return true;
}

uint64_t
talk_wait_ms(const struct talk *talk, uint64_t now_ms)
{
	uint64_t wait = 1000;
	const uint64_t times[] = {talk->hold_ms, talk->join_ms};

	for (size_t i = 0; i < 2; i++) {
		if (times[i] > now_ms && times[i] - now_ms < wait)
			wait = times[i] - now_ms;
	}
	return wait;
}

bool
talk_is_idle(const struct talk *talk)
{
	if (talk->lines.first)
		return false;
	/* the last line's own message: in another epoch, or behind a gap, it does not come */
	return talk->own_seq == 0 || strcmp(talk->own_epoch, talk->epoch) != 0 ||
	       talk->seq >= talk->own_seq;
}

/* --- the input --- */

static void
ask_history(struct talk *talk, const char *argument)
{
	int64_t before = talk->oldest ? talk->oldest : talk->seq + 1;
	unsigned long n = *argument ? strtoul(argument, NULL, 10) : HISTORY;

	if (n < 1 || n > HISTORY_MAX) {
		talk_show_note(&talk->view, "/history takes a number from 1 to %d", HISTORY_MAX);
		return;
	}
	command(talk,
		json_pack("{s:s,s:s,s:I,s:I}", "t", "history", "room", talk->room, "before",
			  (json_int_t)before, "limit", (json_int_t)n),
		&talk->history_id);
}

static void
run_command(struct talk *talk, const char *text)
{
	size_t len = strcspn(text, " \t");
	const char *argument = text + len + strspn(text + len, " \t");
	struct span name = span_from(text, len);
	bool is_in = talk->state == TALK_IN;

	if (span_eq(name, SPAN_LIT("/quit"))) {
		talk->is_quitting = true;
	} else if (span_eq(name, SPAN_LIT("/help"))) {
		talk_show_note(&talk->view,
			       "a line is a message; one that begins with // loses a slash");
		talk_show_note(&talk->view, "/who        who is here");
		talk_show_note(&talk->view, "/history N  N messages from before, by default %d",
			       HISTORY);
		talk_show_note(&talk->view,
			       "/quit       as Ctrl-D does, after what is not published yet");
	} else if (!span_eq(name, SPAN_LIT("/who")) && !span_eq(name, SPAN_LIT("/history"))) {
		talk_show_note(&talk->view, "%.*s is no command; /help tells which there are",
			       (int)len, text);
	} else if (!is_in) {
		talk_show_note(&talk->view, "not connected just now");
	} else if (span_eq(name, SPAN_LIT("/who"))) {
		command(talk,
			json_pack("{s:s,s:s,s:i}", "t", "presence", "room", talk->room, "limit",
				  MEMBERS_SHOW),
			&talk->who_id);
	} else {
		ask_history(talk, argument);
	}
}

bool
talk_line(struct talk *talk, struct span line)
{
	if (!talk->view.is_terminal)
		return queue_add(&talk->lines, line);
	if (line.len == 0)
		return true;
	if (line.ptr[0] != '/')
		return queue_add(&talk->lines, line);
	if (line.len > 1 && line.ptr[1] == '/')
		return queue_add(&talk->lines, span_from(line.ptr + 1, line.len - 1));
	char *text = strndup(line.ptr, line.len);
	if (!text)
		return false;
	run_command(talk, text);
	free(text);
	return true;
}
