/*
 * chat_http.c - handlers of the chat that need no connection of their own; each ends in one
 * exchange_reply or exchange_problem.
 *
 * A client that is not of this machine may publish as fast as one over a WebSocket. There is no
 * connection to count that by, so it is counted by his address, in one of a fixed number of
 * buckets: who shares one by chance shares its rate, which the key of the hash lets nobody bring
 * about.
 */
#include "hub/chat_http.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/log.h"
#include "base/siphash.h"
#include "base/utf8.h"
#include "config/config.h"
#include "http/exchange.h"
#include "http/problem.h"
#include "http/query.h"
#include "hub/history.h"
#include "hub/hub_private.h"
#include "hub/position.h"
#include "hub/presence.h"
#include "hub/publish.h"

/* Untouched ones take no memory. */
#define BUCKETS 8192
/* How often it is looked whether answers that are held may go. */
#define RELEASE_MS 5

/*
 * A message is published, and its publisher is told later: while a worker is far behind (pace.h),
 * who publishes over a WebSocket is not read from, and who does over HTTP waits for his answer.
 */
struct held {
	struct held *next;
	struct exchange *x;
	struct log_receipt receipt;
	size_t room_len;
	char room[CHAT_LOG_ROOM_MAX];
};

struct chat_http {
	struct hub *hub;
	struct held *first, *last;
	struct watch release;
	uint64_t key[2];
	struct rate bucket[BUCKETS];
};

/* ---- answers ---- */

#define NOT_KEPT "Cache-Control: no-store\r\n"

static void
reply_json(struct exchange *x, const struct buffer *body)
{
	exchange_reply(x, &(struct reply){
			      .status = 200,
			      .content_type = "application/json",
			      .body = buffer_span(body),
			      .fields = NOT_KEPT,
			  });
}

static void
retry_later(struct exchange *x, struct problem problem, uint64_t retry_ms)
{
	char fields[40];

	/* whole seconds (RFC 9110 10.2.3); 0 would be at once */
	snprintf(fields, sizeof(fields), "Retry-After: %" PRIu64 "\r\n",
		 retry_ms > 1000 ? (retry_ms + 999) / 1000 : 1);
	problem.fields = fields;
	exchange_problem(x, &problem);
}

void
chat_http_unavailable(struct exchange *x, const char *type, const char *detail, uint64_t retry_ms)
{
	retry_later(x,
		    (struct problem){.status = 503,
				     .type = type,
				     .title = "The chat is not available",
				     .detail = detail},
		    retry_ms);
}

static void
reply_no_memory(struct exchange *x)
{
	log_error("chat: out of memory for an answer");
	chat_http_unavailable(x, "chat-busy", "The server is out of memory.", 1000);
}

/* ---- what was asked for ---- */

bool
chat_http_room(struct exchange *x, struct span *room)
{
	static const struct problem no_room = {
	    .status = 404,
	    .type = "no-room",
	    .title = "There is no such room",
	    .detail = "A room's name is 1 to 64 of A-Z a-z 0-9 . _ - and not . or ..",
	    .hint = "Choose another name; any that fits is a room. /chat is the lobby.",
	};

	*room = exchange_param(x, 0);
	if (room_name_valid(*room))
		return true;
	exchange_problem(x, &no_room);
	return false;
}

static void
reply_bad_query(struct exchange *x, const char *what)
{
	exchange_problem(x, &(struct problem){
				.status = 400,
				.type = "bad-parameter",
				.title = "The query is not accepted",
				.detail = what,
				.hint = "In a shell, put the URL into quotes.",
			    });
}

/*
 * The query may have these `n` parameters, each once, and no others; `what` says in one sentence
 * what is accepted. False, and answered, if it is otherwise.
 */
static bool
read_query(struct exchange *x, struct query_param *params, size_t n, const char *what)
{
	bool is_right = query_read(exchange_request(x)->query, params, n).ptr == NULL;

	for (size_t i = 0; i < n; i++)
		is_right =
		    is_right && (params[i].state == QUERY_ABSENT || params[i].state == QUERY_GIVEN);
	if (!is_right)
		reply_bad_query(x, what);
	return is_right;
}

/* False: it is given, but is no number, or not within these. */
static bool
read_number(const struct query_param *param, uint64_t min, uint64_t max, uint64_t *number)
{
	if (param->state == QUERY_ABSENT)
		return true;
	return position_read_number(query_value(param), number) && *number >= min && *number <= max;
}

/* ---- POST /chat and /chat/{room} ---- */

/* False, and answered, if there is none that could be remembered. `key` is empty if none is given.
 */
static bool
read_key(struct exchange *x, struct span *key)
{
	static const struct problem bad_key = {
	    .status = 400,
	    .type = "bad-key",
	    .title = "The Idempotency-Key is not accepted",
	    .detail = "An Idempotency-Key is 1 to 64 visible ASCII characters, given once.",
	    .hint = "Make a new UUID for each message, and send it again with each retry.",
	};
	const struct request *request = exchange_request(x);
	bool is_right = request->times[FIELD_IDEMPOTENCY_KEY] <= 1;

	*key = request_first(request, FIELD_IDEMPOTENCY_KEY);
	if (request_has(request, FIELD_IDEMPOTENCY_KEY))
		is_right = is_right && key->len >= 1 && key->len <= CHAT_LOG_ID_MAX;
	for (size_t i = 0; is_right && i < key->len; i++)
		is_right = key->ptr[i] > ' ' && key->ptr[i] < 0x7f;
	if (!is_right)
		exchange_problem(x, &bad_key);
	return is_right;
}

static bool
is_utf8(struct span text)
{
	while (text.len) {
		size_t n = utf8_character(text.ptr, text.len);

		if (n == 0)
			return false;
		text = span_from(text.ptr + n, text.len - n);
	}
	return true;
}

/* RFC 9110 8.3.1: parameters may follow, and case does not matter. */
static bool
is_binary_type(struct span type)
{
	const char *end = type.len ? memchr(type.ptr, ';', type.len) : NULL;

	if (end)
		type.len = (size_t)(end - type.ptr);
	while (type.len && (type.ptr[type.len - 1] == ' ' || type.ptr[type.len - 1] == '\t'))
		type.len--;
	return span_eq_nocase(type, SPAN_LIT("application/octet-stream"));
}

/* False, and answered, if the body is no message. */
static bool
read_kind(struct exchange *x, enum log_kind *kind)
{
	static const struct problem bad_text = {
	    .status = 400,
	    .type = "bad-text",
	    .title = "The message is no text",
	    .detail = "A message is UTF-8 text, unless its Content-Type is "
		      "application/octet-stream.",
	    .hint = "With curl: --data-binary @FILE -H 'Content-Type: application/octet-stream'.",
	};
	const struct request *request = exchange_request(x);

	*kind = LOG_TEXT;
	if (request->times[FIELD_CONTENT_TYPE] == 1 &&
	    is_binary_type(request_first(request, FIELD_CONTENT_TYPE)))
		*kind = LOG_BINARY;
	if (*kind == LOG_BINARY || is_utf8(exchange_body(x)))
		return true;
	exchange_problem(x, &bad_text);
	return false;
}

/* Whoever publishes without a connection to the chat is counted by; NULL: he has no limit. */
static struct rate *
bucket_of(struct chat_http *http, const struct exchange *x)
{
	uint8_t client[EXCHANGE_CLIENT_SIZE];

	if (exchange_is_local(x))
		return NULL;
	exchange_client(x, client);
	return &http->bucket[siphash(http->key, client, sizeof(client)) % BUCKETS];
}

static void
reply_receipt(struct exchange *x, struct span room, const struct log_receipt *receipt)
{
	char epoch[WIRE_NUMBER_SIZE];
	struct buffer body = {0};

	if (buffer_printf(&body, SIZE_MAX,
			  "{\"room\":\"%.*s\",\"epoch\":\"%s\",\"seq\":%" PRIu64 ",\"ts\":%" PRIu64
			  "%s}",
			  (int)room.len, room.ptr, wire_number(epoch, receipt->epoch), receipt->seq,
			  receipt->ts_ms, receipt->is_duplicate ? ",\"dup\":true" : ""))
		reply_json(x, &body);
	else
		reply_no_memory(x);
	buffer_fini(&body);
}

static void
release_all(struct chat_http *http)
{
	while (http->first) {
		struct held *held = http->first;

		http->first = held->next;
		reply_receipt(held->x, span_from(held->room, held->room_len), &held->receipt);
		free(held);
	}
	http->last = NULL;
}

static void
release_cb(void *arg, short what)
{
	struct chat_http *http = arg;

	(void)what;
	if (!http->hub->holding || !watch_start_ms(&http->release, RELEASE_MS))
		release_all(http);
}

/* False: it cannot be. */
static bool
hold(struct chat_http *http, struct exchange *x, struct span room,
     const struct log_receipt *receipt)
{
	struct held *held = malloc(sizeof(*held));

	if (!held ||
	    (!watch_started(&http->release) && !watch_start_ms(&http->release, RELEASE_MS))) {
		free(held);
		return false;
	}
	*held = (struct held){.x = x, .receipt = *receipt, .room_len = room.len};
	memcpy(held->room, room.ptr, room.len);
	if (http->last)
		http->last->next = held;
	else
		http->first = held;
	http->last = held;
	return true;
}

static void
reply_reserved(struct exchange *x)
{
	static const struct problem reserved = {
	    .status = 403,
	    .type = "reserved-room",
	    .title = "The room is the daemon's",
	    .detail = "Rooms whose names begin with _ are for listening: only the daemon publishes "
		      "there.",
	    .hint = "Choose a room with another name.",
	};

	exchange_problem(x, &reserved);
}

static void
reply_too_big(struct exchange *x, const struct hub *hub)
{
	char detail[80];

	snprintf(detail, sizeof(detail), "A message has at most %zu bytes.", hub->max_message);
	exchange_problem(x, &(struct problem){.status = 413,
					      .type = "too-big",
					      .title = "The message is too long",
					      .detail = detail,
					      .hint = "Send less; chat.max_message_size is the "
						      "operator's limit."});
}

static void
reply_rate(struct exchange *x, uint64_t retry_ms)
{
	retry_later(x,
		    (struct problem){.status = 429,
				     .type = "rate",
				     .title = "Too many messages",
				     .detail = "You, or all who write to this room, publish faster "
					       "than is accepted.",
				     .hint = "Send it again after as many seconds as Retry-After "
					     "says; chat.publish_rate and chat.room_rate are the "
					     "operator's limits."},
		    retry_ms);
}

static void
publish(struct exchange *x, struct chat_http *http, struct span room)
{
	struct log_message message = {.room = room, .payload = exchange_body(x)};
	struct log_receipt receipt;
	uint64_t retry_ms;

	if (!read_query(x, NULL, 0, "A message is published without parameters.") ||
	    !read_key(x, &message.id) || !read_kind(x, &message.kind))
		return;
	switch (hub_publish(http->hub, bucket_of(http, x), &message, &receipt, &retry_ms)) {
	case PUBLISH_OK:
		if (!http->hub->holding || !hold(http, x, room, &receipt))
			reply_receipt(x, room, &receipt);
		break;
	case PUBLISH_DENIED: reply_reserved(x); break;
	case PUBLISH_TOO_BIG: reply_too_big(x, http->hub); break;
	case PUBLISH_RATE: reply_rate(x, retry_ms); break;
	case PUBLISH_BUSY:
		chat_http_unavailable(x, "chat-busy", "The log of messages is locked.", retry_ms);
		break;
	case PUBLISH_FULL:
		chat_http_unavailable(
		    x, "chat-full", "There is no place for one more room (chat.max_rooms).", 1000);
		break;
	}
}

static void
lobby_publish_handle(struct exchange *x, void *ctx)
{
	publish(x, ctx, SPAN_LIT("lobby"));
}

static void
publish_handle(struct exchange *x, void *ctx)
{
	struct span room;

	if (chat_http_room(x, &room))
		publish(x, ctx, room);
}

/* ---- GET /chat/{room}/history ---- */

/* A page, or what is in its place. */
static void
reply_page(struct exchange *x, enum log_result result, struct buffer *body)
{
	if (result == LOG_BUSY)
		chat_http_unavailable(x, "chat-busy", "The log of messages cannot be read now.",
				      1000);
	else if (result == LOG_OK && buffer_append(body, "}", 1, SIZE_MAX))
		reply_json(x, body);
	else
		reply_no_memory(x);
	buffer_fini(body);
}

static void
history_handle(struct exchange *x, void *ctx)
{
	static const char what[] = "after or before, not both, is the seq of a message, limit is a "
				   "number from 1 to 200; each at most once, and no others.";
	const struct chat_http *http = ctx;
	const struct config *config = http->hub->config;
	const struct history_bounds bounds = {
	    .messages = config->chat_history_messages,
	    .age_ms = config->chat_history_age,
	};
	struct query_param params[] = {{.name = "after"}, {.name = "before"}, {.name = "limit"}};
	struct history_wish wish = {.from = HISTORY_NEWEST, .limit = HISTORY_LIMIT};
	enum log_result result = LOG_TOO_LONG;
	struct buffer body = {0};
	struct span room;

	if (!chat_http_room(x, &room) || !read_query(x, params, 3, what))
		return;
	if (params[0].state == QUERY_GIVEN)
		wish.from = HISTORY_AFTER;
	else if (params[1].state == QUERY_GIVEN)
		wish.from = HISTORY_BEFORE;
	if ((params[0].state == QUERY_GIVEN && params[1].state == QUERY_GIVEN) ||
	    !read_number(&params[0], 0, UINT64_MAX, &wish.seq) ||
	    !read_number(&params[1], 0, UINT64_MAX, &wish.seq) ||
	    !read_number(&params[2], 1, HISTORY_LIMIT_MAX, &wish.limit)) {
		reply_bad_query(x, what);
		return;
	}
	if (buffer_append(&body, "{", 1, SIZE_MAX))
		result = history_write(&http->hub->log, &bounds, room, &wish, &body);
	reply_page(x, result, &body);
}

/* ---- GET /chat/{room}/members ---- */

#define MEMBERS_DEFAULT 100

static void
members_handle(struct exchange *x, void *ctx)
{
	static const char what[] = "offset is a number, limit is one from 1 to 200; each at most "
				   "once, and no others.";
	const struct chat_http *http = ctx;
	struct query_param params[] = {{.name = "offset"}, {.name = "limit"}};
	uint64_t offset = 0, limit = MEMBERS_DEFAULT;
	struct buffer body = {0};
	struct span room;
	enum log_result result = LOG_TOO_LONG;

	if (!chat_http_room(x, &room) || !read_query(x, params, 2, what))
		return;
	if (!read_number(&params[0], 0, UINT32_MAX, &offset) ||
	    !read_number(&params[1], 1, PRESENCE_PAGE_MAX, &limit)) {
		reply_bad_query(x, what);
		return;
	}
	if (buffer_append(&body, "{", 1, SIZE_MAX))
		result = presence_write_room(http->hub->presence, room, (size_t)offset,
					     (size_t)limit, &body);
	reply_page(x, result, &body);
}

/* ---- the hub's ---- */

struct chat_http *
chat_http_new(struct hub *hub)
{
	struct chat_http *http = calloc(1, sizeof(*http));

	if (!http) {
		log_error("chat: out of memory");
		return NULL;
	}
	http->hub = hub;
	watch_init_timer(&http->release, hub->loop, "chat answers", release_cb, http);
	if (getrandom(http->key, sizeof(http->key), 0) != (ssize_t)sizeof(http->key)) {
		log_error("chat: no random number: %s", strerror(errno));
		free(http);
		return NULL;
	}
	return http;
}

void
chat_http_free(struct chat_http **http)
{
	struct chat_http *h = *http;

	if (!h)
		return;
	/* nobody hears it any more, but each exchange wants its answer */
	release_all(h);
	watch_stop(&h->release);
	free(h);
	*http = NULL;
}

void
chat_http_add_routes(struct chat_http *http, struct route_table *routes)
{
	const struct route table[] = {
	    {.methods = HTTP_METHOD_BIT(HTTP_POST),
	     .pattern = "/chat",
	     .body_limit = http->hub->max_message,
	     .handle = lobby_publish_handle},
	    {.methods = HTTP_METHOD_BIT(HTTP_POST),
	     .pattern = "/chat/{room}",
	     .body_limit = http->hub->max_message,
	     .handle = publish_handle},
	    {.methods = HTTP_METHOD_BIT(HTTP_GET),
	     .pattern = "/chat/{room}/history",
	     .handle = history_handle},
	    {.methods = HTTP_METHOD_BIT(HTTP_GET),
	     .pattern = "/chat/{room}/members",
	     .handle = members_handle},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct route route = table[i];

		route.scope = SCOPE_CHAT;
		route.ctx = http;
		route_add(routes, &route);
	}
}
