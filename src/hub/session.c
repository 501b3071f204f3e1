/*
 * session.c - chat.v1.json: what a client asks for and what it is answered. What its rooms have for
 * it does not come through here. Called by: hub.c.
 */
#include <stdlib.h>
#include <string.h>

#include "base/put.h"
#include "config/config.h"
#include "hub/command_quick.h"
#include "hub/frame.h"
#include "hub/hub_private.h"
#include "hub/presence.h"
#include "hub/publish.h"

/* So many mistakes within so long are no mistakes any more. */
#define MISTAKES    10
#define MISTAKES_MS 10000
/* What a client is told to wait for what others have to give back first. */
#define BUSY_RETRY_MS 1000
#define FULL_RETRY_MS 10000
/* When and how slowly a client comes back that has lost its connection, ms. */
#define RETRY_BASE_MS 500
#define RETRY_MAX_MS  30000
/* A worker that drains has many clients: they come back within this, each at its own moment. */
#define DRAIN_FROM_MS 1000
#define DRAIN_TO_MS   8000
/* An answer without texts of others: names, numbers, a room. */
#define ANSWER_MAX 512

struct session {
	uint64_t mistake_ms[MISTAKES]; /* the last ones, round and round */
	unsigned n_mistakes;
};

bool
session_open(struct client *client)
{
	client->session = calloc(1, sizeof(*client->session));
	return client->session != NULL;
}

void
session_free(struct client *client)
{
	free(client->session);
	client->session = NULL;
}

/* ---- answers ---- */

/* {"id":1,"t":"ok" */
static char *
put_head(char *p, const struct command *command, const char *type)
{
	*p++ = '{';
	if (command->has_id) {
		p = PUT_LIT(p, "\"id\":");
		p = put_number(p, command->id);
		*p++ = ',';
	}
	p = PUT_LIT(p, "\"t\":\"");
	p = put(p, type, strlen(type));
	*p++ = '"';
	return p;
}

static char *
put_room(char *p, struct span room)
{
	p = PUT_LIT(p, ",\"room\":\"");
	p = put(p, room.ptr, room.len);
	*p++ = '"';
	return p;
}

static char *
put_field(char *p, const char *name, uint64_t number)
{
	*p++ = ',';
	*p++ = '"';
	p = put(p, name, strlen(name));
	*p++ = '"';
	*p++ = ':';
	return put_number(p, number);
}

static char *
put_joined(char *p, const struct join_result *joined)
{
	char epoch[WIRE_NUMBER_SIZE];

	p = PUT_LIT(p, ",\"epoch\":\"");
	wire_number(epoch, joined->epoch);
	p = put(p, epoch, strlen(epoch));
	*p++ = '"';
	p = put_field(p, "seq", joined->seq);
	p = put_field(p, "first", joined->first);
	if (joined->is_recovered)
		p = PUT_LIT(p, ",\"recovered\":true");
	else
		p = PUT_LIT(p, ",\"recovered\":false");
	p = put_field(p, "replay", joined->replay);
	return put_field(p, "count", joined->count);
}

static void
answer(struct client *client, const char *text, const char *end)
{
	client_reply(client, span_from(text, (size_t)(end - text)));
}

/* ---- errors ---- */

struct failure {
	enum command_code code;
	const char *text;
	bool is_temporary;
	uint64_t retry_ms; /* 0: nobody knows when */
};

/* Whether this is one too many. */
static bool
is_abuse(struct session *session, uint64_t now_ms)
{
	uint64_t *place = &session->mistake_ms[session->n_mistakes++ % MISTAKES];

	*place = now_ms;
	if (session->n_mistakes < MISTAKES)
		return false;
	return now_ms - session->mistake_ms[session->n_mistakes % MISTAKES] < MISTAKES_MS;
}

static bool
write_failure(struct buffer *out, const struct command *command, const struct failure *failure)
{
	char text[ANSWER_MAX], *p;
	const char *name = command_code_name(failure->code);

	p = put_head(text, command, "err");
	p = PUT_LIT(p, ",\"code\":\"");
	p = put(p, name, strlen(name));
	p = PUT_LIT(p, "\",\"msg\":");
	if (!buffer_append(out, text, (size_t)(p - text), SIZE_MAX) ||
	    !wire_string(out, span_str(failure->text)))
		return false;
	p = text;
	p = failure->is_temporary ? PUT_LIT(p, ",\"temp\":true") : PUT_LIT(p, ",\"temp\":false");
	if (failure->retry_ms > 0)
		p = put_field(p, "retry", failure->retry_ms);
	*p++ = '}';
	return buffer_append(out, text, (size_t)(p - text), SIZE_MAX);
}

static void
fail(struct client *client, const struct command *command, const struct failure *failure)
{
	struct hub *hub = client->hub;
	struct buffer out = {0};

	if (!write_failure(&out, command, failure)) {
		buffer_fini(&out);
		client_close(client, CLOSE_INTERNAL);
		return;
	}
	client_reply(client, buffer_span(&out));
	buffer_fini(&out);
	if (!failure->is_temporary && is_abuse(client->session, loop_now_ms(hub->loop))) {
		count_add(&hub->counters->kicks_abuse, 1);
		client_close(client, CLOSE_ABUSE);
	}
}

/* What the client could have known. */
static void
refuse(struct client *client, const struct command *command, enum command_code code,
       const char *text)
{
	count_add(&client->hub->counters->refused_other, 1);
	fail(client, command, &(const struct failure){.code = code, .text = text});
}

static void
fail_memory(struct client *client, const struct command *command)
{
	fail(client, command,
	     &(const struct failure){CODE_INTERNAL, "out of memory", true, BUSY_RETRY_MS});
}

/* The log cannot be written, or is written so fast that it cannot be read. */
static void
fail_busy(struct client *client, const struct command *command)
{
	fail(client, command,
	     &(const struct failure){CODE_UNAVAILABLE, "the log of messages is busy", true,
				     BUSY_RETRY_MS});
}

static void
fail_full(struct client *client, const struct command *command)
{
	fail(client, command,
	     &(const struct failure){CODE_LIMIT, "no place for one more room (chat.max_rooms)",
				     true, FULL_RETRY_MS});
}

static void
fail_not_joined(struct client *client, const struct command *command)
{
	refuse(client, command, CODE_NOT_JOINED, "the room has to be joined first");
}

/* ---- commands ---- */

static bool
has_seats_left(const struct client *client)
{
	uint64_t n = 0;

	for (const struct seat *seat = client->seats; seat; seat = seat->next)
		n++;
	return n < client->hub->config->chat_max_rooms_per_connection;
}

/* False: out of memory. */
static bool
set_wishes(struct seat *seat, const struct command *command)
{
	if (command->join.slow != SLOW_AS_CONFIGURED)
		seat->member.skips_when_slow = command->join.slow == SLOW_SKIP;
	switch (command->join.pres) {
	case PRES_NONE: return true;
	case PRES_COUNT: seat->presence = SEAT_COUNT; break;
	case PRES_DIFF: seat->presence = SEAT_DIFF; break;
	}
	return presence_watch(seat->client->hub->presence, seat);
}

static void
join(struct client *client, const struct command *command)
{
	char text[ANSWER_MAX], *p;
	struct join_result joined;
	enum log_result result;

	if (client_seat(client, command->room)) {
		refuse(client, command, CODE_ALREADY_JOINED, "the room is joined already");
		return;
	}
	if (!has_seats_left(client)) {
		refuse(client, command, CODE_LIMIT,
		       "a connection may be in as many rooms as `limits` of its welcome says");
		return;
	}
	struct seat *seat = client_join(client, command->room, command->join.name,
					&command->join.from, &joined, &result);
	if (!seat && result == LOG_BUSY) {
		fail_busy(client, command);
		return;
	}
	if (!seat && result == LOG_FULL) {
		fail_full(client, command);
		return;
	}
	if (seat && !set_wishes(seat, command)) {
		client_leave(client, seat);
		seat = NULL;
	}
	if (!seat) {
		fail_memory(client, command);
		return;
	}
	if (!command->has_id)
		return;
	p = put_head(text, command, "ok");
	p = put_room(p, command->room);
	p = put_joined(p, &joined);
	*p++ = '}';
	answer(client, text, p);
}

static void
publish(struct client *client, const struct command *command)
{
	const struct seat *seat = client_seat(client, command->room);
	struct hub *hub = client->hub;
	char text[ANSWER_MAX], *p;
	struct log_receipt receipt;
	uint64_t retry_ms;

	if (!seat) {
		fail_not_joined(client, command);
		return;
	}
	const struct log_message message = {
	    .room = command->room,
	    .kind = command->pub.kind,
	    .from = client->number,
	    .name = span_from(seat->name, seat->name_len),
	    .id = command->pub.cid,
	    .payload = command->pub.data,
	};
	switch (hub_publish(hub, client->is_limited ? &client->rate : NULL, &message, &receipt,
			    &retry_ms)) {
	case PUBLISH_OK: break;
	case PUBLISH_DENIED:
		fail(client, command,
		     &(const struct failure){CODE_DENIED,
					     "a room whose name begins with _ is only listened to",
					     false, 0});
		return;
	case PUBLISH_TOO_BIG:
		fail(client, command,
		     &(const struct failure){CODE_TOO_BIG,
					     "data is longer than `max` of the welcome", false, 0});
		return;
	case PUBLISH_RATE:
		fail(client, command,
		     &(const struct failure){
			 CODE_RATE,
			 "too fast: `limits` of the welcome or chat.room_rate say how fast", true,
			 retry_ms});
		return;
	case PUBLISH_BUSY: fail_busy(client, command); return;
	case PUBLISH_FULL: fail_full(client, command); return;
	}
	if (hub->holding)
		client_hold(hub, client, loop_now_ms(hub->loop));
	if (!command->has_id)
		return;
	p = put_head(text, command, "ok");
	p = put_room(p, command->room);
	p = put_field(p, "seq", receipt.seq);
	p = put_field(p, "ts", receipt.ts_ms);
	if (receipt.is_duplicate)
		p = PUT_LIT(p, ",\"dup\":true");
	*p++ = '}';
	answer(client, text, p);
}

/* Sends what `out` has, or why it has nothing; gives it back. */
static void
answer_page(struct client *client, const struct command *command, enum log_result result,
	    struct buffer *out)
{
	if (result == LOG_BUSY)
		fail_busy(client, command);
	else if (result != LOG_OK || !buffer_append(out, "}", 1, SIZE_MAX))
		fail_memory(client, command);
	else
		client_reply(client, buffer_span(out));
	buffer_fini(out);
}

/* Its fields follow. */
static bool
begin_page(const struct command *command, struct buffer *out)
{
	char text[ANSWER_MAX], *p;

	p = put_head(text, command, "ok");
	*p++ = ',';
	return buffer_append(out, text, (size_t)(p - text), SIZE_MAX);
}

static void
history(struct client *client, const struct command *command)
{
	struct hub *hub = client->hub;
	const struct history_bounds bounds = {
	    .messages = hub->config->chat_history_messages,
	    .age_ms = hub->config->chat_history_age,
	};
	enum log_result result = LOG_TOO_LONG;
	struct buffer out = {0};

	if (bounds.messages == 0) {
		refuse(client, command, CODE_NO_HISTORY,
		       "nothing is kept here (chat.history_messages)");
		return;
	}
	if (begin_page(command, &out))
		result = history_write(&hub->log, &bounds, command->room, &command->history, &out);
	/* the longest answers for the shortest questions: one in each pass of the loop */
	client_hold(hub, client, loop_now_ms(hub->loop));
	answer_page(client, command, result, &out);
}

static void
presence(struct client *client, const struct command *command)
{
	struct presence *p = client->hub->presence;
	struct seat *seat = client_seat(client, command->room);
	enum log_result result = LOG_TOO_LONG;
	struct buffer out = {0};

	if (begin_page(command, &out) && seat)
		result = presence_write_seat(p, seat, command->presence.offset,
					     command->presence.limit, &out);
	else if (out.len > 0)
		result = presence_write_room(p, command->room, command->presence.offset,
					     command->presence.limit, &out);
	client_hold(client->hub, client, loop_now_ms(client->hub->loop));
	answer_page(client, command, result, &out);
}

static void
leave(struct client *client, const struct command *command)
{
	struct seat *seat = client_seat(client, command->room);
	char text[ANSWER_MAX], *p;

	if (!seat) {
		fail_not_joined(client, command);
		return;
	}
	client_leave(client, seat);
	if (!command->has_id)
		return;
	p = put_head(text, command, "ok");
	p = put_room(p, command->room);
	*p++ = '}';
	answer(client, text, p);
}

static void
ping(struct client *client, const struct command *command)
{
	char text[ANSWER_MAX + COMMAND_ECHO_MAX], *p;

	p = put_head(text, command, "pong");
	if (command->echo.len > 0) {
		p = PUT_LIT(p, ",\"x\":");
		p = put(p, command->echo.ptr, command->echo.len);
	}
	*p++ = '}';
	answer(client, text, p);
}

void
session_message(struct client *client, bool binary, const unsigned char *data, size_t len)
{
	const struct span text = span_from((const char *)data, len);
	const size_t max = client->hub->max_message;
	struct command command = {.has_id = false};
	struct command_error error;

	if (binary) {
		refuse(client, &command, CODE_BAD_REQUEST,
		       "a command is a text message; a binary one is none");
		return;
	}
	if (command_read_quick(&command, text, max) || command_read(&command, text, max, &error)) {
		switch (command.type) {
		case COMMAND_JOIN: join(client, &command); break;
		case COMMAND_PUB: publish(client, &command); break;
		case COMMAND_HISTORY: history(client, &command); break;
		case COMMAND_PRESENCE: presence(client, &command); break;
		case COMMAND_LEAVE: leave(client, &command); break;
		case COMMAND_PING: ping(client, &command); break;
		}
	} else if (error.code == CODE_INTERNAL) {
		fail_memory(client, &command);
	} else {
		refuse(client, &command, error.code, error.text);
	}
	command_fini(&command);
}

/* ---- what the client did not ask for ---- */

/* Seconds, with a fraction if there is one. */
static char *
put_seconds(char *p, uint64_t ms)
{
	p = put_number(p, ms / 1000);
	if (ms % 1000 == 0)
		return p;
	*p++ = '.';
	*p++ = (char)('0' + ms / 100 % 10);
	*p++ = (char)('0' + ms / 10 % 10);
	*p++ = (char)('0' + ms % 10);
	return p;
}

void
session_welcome(struct client *client, const struct seat *seat, const struct join_result *joined)
{
	const struct hub *hub = client->hub;
	const struct config *config = hub->config;
	const struct rate_limit off = {0};
	const struct rate_limit *limit = client->is_limited ? &hub->publish_limit : &off;
	char text[2 * ANSWER_MAX], number[WIRE_NUMBER_SIZE], *p = text;

	p = PUT_LIT(p, "{\"t\":\"welcome\",\"v\":1,\"conn\":\"");
	wire_number(number, client->number);
	p = put(p, number, strlen(number));
	*p++ = '"';
	p = put_room(p, room_name(seat->member.room));
	p = put_joined(p, joined);
	p = put_field(p, "max", hub->max_message);
	p = PUT_LIT(p, ",\"ping\":");
	p = put_seconds(p, config->chat_ping_interval);
	p = PUT_LIT(p, ",\"limits\":{\"rooms\":");
	p = put_number(p, config->chat_max_rooms_per_connection);
	p = put_field(p, "rate", limit->per_second);
	p = put_field(p, "burst", limit->per_second ? limit->burst : 0);
	p = put_field(p, "queue", config->chat_client_queue_size);
	p = PUT_LIT(p, "},\"retry\":{\"base\":");
	p = put_number(p, RETRY_BASE_MS);
	p = put_field(p, "max", RETRY_MAX_MS);
	p = PUT_LIT(p, "}}");
	answer(client, text, p);
}

void
session_drain(struct client *client)
{
	char text[ANSWER_MAX], *p = text;

	p = PUT_LIT(p, "{\"t\":\"notice\",\"what\":\"drain\",\"retry\":[");
	p = put_number(p, DRAIN_FROM_MS);
	*p++ = ',';
	p = put_number(p, DRAIN_TO_MS);
	p = PUT_LIT(p, "]}");
	answer(client, text, p);
}
