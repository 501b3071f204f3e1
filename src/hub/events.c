/*
 * events.c - server-sent events (HTML 9.2): a stream is an answer without an end. Called by: the
 * front door, the files of room.h through the table of a sink, the loop.
 *
 * The front door takes one piece at a time, so a stream is either READY for one or BUSY with one;
 * what is said meanwhile it gets from the log, as a laggard. One run of its room is a piece.
 */
#include "hub/events.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"
#include "http/exchange.h"
#include "hub/chat_http.h"
#include "hub/frame.h"
#include "hub/hub_private.h"
#include "hub/wish.h"

/*
 * When a client comes back, in ms: after its connection was lost, and after it was told to go. Each
 * is told a time of its own, because many are told, or lost, at once.
 */
#define RETRY_MIN 500
#define RETRY_MAX 3000
#define DRAIN_MIN 1000
#define DRAIN_MAX 8000

enum stream_state {
	STREAM_BUSY,   /* a piece is on its way: `proceed` follows */
	STREAM_READY,  /* for a piece */
	STREAM_ENDING, /* as BUSY; the notice is to follow */
	STREAM_LAST    /* the notice is on its way, and then the answer is whole */
};

struct stream {
	struct member member; /* first */
	struct events *events;
	struct exchange *x;
	enum stream_state state;
	bool is_greeted;
	bool has_position; /* of its beginning: what it may come back with */
	const char *what;  /* ENDING: the notice's */
	uint64_t epoch, seq;
	uint64_t number;             /* its conn in the log */
	struct stream *prev, *next;  /* all of the worker */
	struct stream *next_waiting; /* READY, and behind */
	bool is_waiting;
	struct deadline quiet; /* since its last piece */
};

struct events {
	struct hub *hub;
	bool is_ending;
	struct stream all; /* head of a ring */
	struct stream *waiting;
	struct watch wake; /* for those that wait */
	struct deadline_list quiet;
	struct buffer piece;
};

static struct stream *
stream_of(struct member *m)
{
	return (struct stream *)m;
}

/* The only writer of stream->state. */
static void
stream_set_state(struct stream *s, enum stream_state state)
{
	s->state = state;
}

/* A time of its own between two. */
static unsigned
spread(const struct stream *s, unsigned min, unsigned max)
{
	return min + (unsigned)((s->number >> 32) % (max - min + 1));
}

static void
stream_send(struct stream *s, struct span piece, enum stream_state state)
{
	stream_set_state(s, state);
	deadline_arm(&s->quiet, &s->events->quiet);
	exchange_send(s->x, piece);
}

static void
unlink_waiting(struct stream *s)
{
	struct stream **link = &s->events->waiting;

	if (!s->is_waiting)
		return;
	while (*link != s)
		link = &(*link)->next_waiting;
	*link = s->next_waiting;
	s->is_waiting = false;
}

static void
count_streams(struct hub *hub)
{
	count_set(&hub->counters->connections, hub->n_clients + hub->n_streams);
}

/* The exchange is gone, or was never one of a stream. */
static void
stream_free(struct stream *s)
{
	struct hub *hub = s->events->hub;

	rooms_leave(hub->rooms, &s->member);
	unlink_waiting(s);
	deadline_disarm(&s->quiet);
	s->prev->next = s->next;
	s->next->prev = s->prev;
	hub->n_streams--;
	count_streams(hub);
	free(s);
}

/* ---- its end ---- */

/* What is said last: when to come back, and why. */
static void
say_goodbye(struct stream *s)
{
	struct buffer *piece = &s->events->piece;
	char json[100];

	snprintf(json, sizeof(json), "{\"t\":\"notice\",\"what\":\"%s\",\"retry\":[%u,%u]}",
		 s->what, DRAIN_MIN, DRAIN_MAX);
	piece->len = 0;
	if (buffer_printf(piece, SIZE_MAX, "retry: %u\n", spread(s, DRAIN_MIN, DRAIN_MAX)) &&
	    wire_event(piece, WIRE_EVENTS, "notice", span_str(json)))
		stream_send(s, buffer_span(piece), STREAM_LAST);
	else
		stream_send(s, SPAN_LIT(":\n"), STREAM_LAST);
}

/* It has left its room; `what` is a literal. */
static void
stream_end(struct stream *s, const char *what)
{
	unlink_waiting(s);
	s->what = what;
	if (s->state == STREAM_READY)
		say_goodbye(s);
	else if (s->state == STREAM_BUSY)
		stream_set_state(s, STREAM_ENDING);
}

/* ---- a room's way to it ---- */

static enum sink_result
sink_write(struct member *m, unsigned char *bytes, size_t len)
{
	struct stream *s = stream_of(m);

	if (s->state == STREAM_BUSY)
		return SINK_STUCK;
	if (s->state != STREAM_READY)
		return SINK_REFUSED;
	stream_send(s, span_from((const char *)bytes, len), STREAM_BUSY);
	return SINK_PARTIAL;
}

static void
sink_want(struct member *m)
{
	struct stream *s = stream_of(m);
	struct events *events = s->events;

	/* for one that is BUSY, `proceed` looks */
	if (s->state != STREAM_READY || s->is_waiting)
		return;
	if (!events->waiting)
		watch_start_ms(&events->wake, 0);
	s->is_waiting = true;
	s->next_waiting = events->waiting;
	events->waiting = s;
}

static void
sink_lose(struct member *m, unsigned code)
{
	struct stream *s = stream_of(m);
	struct chat_counters *counters = s->events->hub->counters;

	if (code == CLOSE_SLOW)
		count_add(&counters->kicks_slow, 1);
	else if (code == CLOSE_LOST)
		count_add(&counters->kicks_lost, 1);
	/* it comes back with its last id, and is told then what it has missed */
	stream_end(s, code == CLOSE_SLOW ? "slow" : code == CLOSE_LOST ? "lost" : "internal");
}

static const struct sink_calls sink_calls = {
    .write = sink_write,
    .want = sink_want,
    .lose = sink_lose,
};

static void
catch_up(struct stream *s)
{
	/* what waits may have been given a comment meanwhile; `proceed` comes back to it */
	if (s->state != STREAM_READY || s->member.state != MEMBER_BEHIND)
		return;
	rooms_catch_up(s->events->hub->rooms, &s->member);
	/* it has had its share of this pass */
	if (s->member.state == MEMBER_BEHIND)
		sink_want(&s->member);
}

static void
wake_cb(void *arg, short what)
{
	struct events *events = arg;
	struct stream *s, *next, *first = events->waiting;

	(void)what;
	events->waiting = NULL;
	for (s = first; s; s = s->next_waiting)
		s->is_waiting = false;
	/* those that are not done yet wait for the next pass */
	for (s = first; s; s = next) {
		next = s->next_waiting;
		catch_up(s);
	}
}

/* ---- the front door's way to it ---- */

/*
 * The first piece: where it stands, which the client has as its last id from then on (an event
 * without data sets it, and is no event), and how soon it is to come back if the connection is
 * lost.
 */
static void
greet(struct stream *s)
{
	struct buffer *piece = &s->events->piece;
	char epoch[WIRE_NUMBER_SIZE];
	bool is_written = true;

	s->is_greeted = true;
	piece->len = 0;
	if (s->has_position)
		is_written = buffer_printf(piece, SIZE_MAX, "id: %s:%" PRIu64 "\n",
					   wire_number(epoch, s->epoch), s->seq);
	if (is_written &&
	    buffer_printf(piece, SIZE_MAX, "retry: %u\n\n", spread(s, RETRY_MIN, RETRY_MAX)))
		stream_send(s, buffer_span(piece), STREAM_BUSY);
	else
		stream_send(s, SPAN_LIT(":\n\n"), STREAM_BUSY);
}

static void
proceed_cb(struct exchange *x, void *ctx)
{
	struct stream *s = ctx;

	(void)x;
	switch (s->state) {
	case STREAM_READY: break; /* can not be: it has no piece on its way */
	case STREAM_ENDING: say_goodbye(s); break;
	case STREAM_LAST:
		exchange_end(s->x);
		stream_free(s);
		break;
	case STREAM_BUSY:
		stream_set_state(s, STREAM_READY);
		if (s->is_greeted)
			catch_up(s);
		else
			greet(s);
		break;
	}
}

static void
stop_cb(void *ctx)
{
	stream_free(ctx);
}

static void
quiet_cb(struct deadline *d, void *ctx)
{
	struct stream *s = (struct stream *)(void *)((char *)d - offsetof(struct stream, quiet));
	struct events *events = ctx;

	/* one that is BUSY for long is http.write_timeout's */
	if (s->state == STREAM_READY)
		stream_send(s, SPAN_LIT(":\n\n"), STREAM_BUSY);
	else
		deadline_arm(&s->quiet, &events->quiet);
}

static const struct stream_calls stream_calls = {
    .proceed = proceed_cb,
    .stop = stop_cb,
    .is_endless = true,
};

static const struct reply stream_head = {
    .status = 200,
    .content_type = "text/event-stream",
    /* nginx, too, is to pass on each event when it comes */
    .fields = "Cache-Control: no-store\r\nX-Accel-Buffering: no\r\n",
};

/* ---- the handler ---- */

/*
 * Where the client was: Last-Event-ID is newer than what the URL says, by which it comes back. An
 * empty one says that it has seen no id. False, and answered, if that is no position.
 */
static bool
read_wish(struct exchange *x, struct join_wish *from)
{
	const struct request *request = exchange_request(x);
	const struct span id = request_first(request, FIELD_LAST_EVENT_ID);
	struct url_wish url;

	if (!wish_read(x, &url))
		return false;
	*from = url.from;
	if (request->times[FIELD_LAST_EVENT_ID] > 1)
		return wish_read_since(x, SPAN_LIT(""), from);
	return id.len == 0 || wish_read_since(x, id, from);
}

static struct stream *
stream_new(struct events *events, struct exchange *x)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->events = events;
	s->x = x;
	s->member.calls = &sink_calls;
	s->member.wire = WIRE_EVENTS;
	s->member.skips_when_slow = events->hub->config->chat_slow_client == 1;
	s->number = hub_next_number(events->hub);
	s->next = &events->all;
	s->prev = events->all.prev;
	s->prev->next = s;
	s->next->prev = s;
	events->hub->n_streams++;
	count_streams(events->hub);
	return s;
}

/* False, and answered. */
static bool
stream_join(struct stream *s, struct span room, const struct join_wish *wish)
{
	const struct log_member who = {.conn = s->number, .since_ms = clock_realtime_ms()};
	struct join_result joined;

	switch (rooms_join(s->events->hub->rooms, &s->member, room, &who, wish, &joined)) {
	case LOG_OK: break;
	case LOG_BUSY:
		chat_http_unavailable(s->x, "chat-busy", "The log of messages is locked.", 1000);
		return false;
	case LOG_FULL:
		chat_http_unavailable(
		    s->x, "chat-full",
		    "There is no place for one more room or member (chat.max_rooms).", 1000);
		return false;
	default:
		chat_http_unavailable(s->x, "chat-busy", "The server is out of memory.", 1000);
		return false;
	}
	/* who has missed something keeps what he came with, until he has been told */
	s->has_position = wish->from != JOIN_SINCE || joined.is_recovered;
	s->epoch = joined.epoch;
	s->seq = joined.seq - joined.replay;
	return true;
}

static void
events_handle(struct exchange *x, void *ctx)
{
	struct events *events = ctx;
	const struct request *request = exchange_request(x);
	struct join_wish wish;
	struct span room;

	if (!chat_http_room(x, &room) || !read_wish(x, &wish))
		return;
	if (!events->is_ending && !hub_has_room(events->hub)) {
		chat_http_unavailable(x, "chat-full", "No more listeners here for now.", 1000);
		return;
	}
	struct stream *s = stream_new(events, x);
	if (!s) {
		chat_http_unavailable(x, "chat-busy", "The server is out of memory.", 1000);
		return;
	}
	/*
	 * It joins before its head is written, as WebSockets do. To HEAD nothing follows, and while
	 * streams are being ended only the notice: nobody is to see such a member come and go. (A
	 * status other than 200 would make an EventSource give up.)
	 */
	if (request->method != HTTP_HEAD && !events->is_ending && !stream_join(s, room, &wish)) {
		stream_free(s);
		return;
	}
	if (events->is_ending) {
		s->what = "drain";
		stream_set_state(s, STREAM_ENDING);
	}
	if (!exchange_stream(x, &stream_head, &stream_calls, s))
		stream_free(s);
}

/* ---- the hub's ---- */

struct events *
events_new(struct hub *hub)
{
	struct events *events = calloc(1, sizeof(*events));

	if (!events) {
		log_error("chat: out of memory");
		return NULL;
	}
	events->hub = hub;
	events->all.prev = events->all.next = &events->all;
	watch_init_timer(&events->wake, hub->loop, "chat events", wake_cb, events);
	deadline_list_init(&events->quiet, hub->loop, hub->config->chat_ping_interval,
			   "chat events quiet", quiet_cb, events);
	return events;
}

void
events_free(struct events **events)
{
	struct events *e = *events;

	if (!e)
		return;
	while (e->all.next != &e->all)
		stream_free(e->all.next);
	watch_stop(&e->wake);
	deadline_list_fini(&e->quiet);
	buffer_fini(&e->piece);
	free(e);
	*events = NULL;
}

void
events_add_routes(struct events *events, struct route_table *routes)
{
	const struct route route = {
	    .methods = HTTP_METHOD_BIT(HTTP_GET),
	    .pattern = "/chat/{room}/events",
	    .scope = SCOPE_CHAT,
	    .handle = events_handle,
	    .ctx = events,
	};

	route_add(routes, &route);
}

void
events_end_all(struct events *events)
{
	events->is_ending = true;
	for (struct stream *s = events->all.next; s != &events->all; s = s->next) {
		rooms_leave(events->hub->rooms, &s->member);
		stream_end(s, "drain");
	}
}
