/*
 * it_events.c - rooms as streams of server-sent events: each message once and in order, from where
 * the client was, through reloads and the deaths of workers; and what is said when that cannot be.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/ws_client.c tests/it/pg.c -ljansson */
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "harness.h"
#include "ws_client.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))
#define TEXT_MAX ((size_t)1 << 20)

/* ---- a client ---- */

struct sse {
	struct http_conn c;
	bool is_chunked;
	bool is_over; /* the last chunk, or the end of the connection */
	size_t left;  /* of a chunk */
	char *text;   /* unchunked, and not taken yet */
	size_t len;
	char last_id[64]; /* as an EventSource keeps it */
	unsigned retry;
};

struct event {
	char name[32]; /* "" if there is none */
	char id[64];
	bool is_comment; /* and nothing else */
	bool has_data;
	json_t *data; /* owned */
};

static void
event_fini(struct event *event)
{
	json_decref(event->data);
	event->data = NULL;
}

/* More of the body; false at its end. */
static bool
sse_more(struct sse *s)
{
	uint64_t until_ms = it_now_ms() + IT_DEADLINE_MS;

	while (!s->is_over) {
		struct http_conn *c = &s->c;
		const char *end = c->len ? memmem(c->buf, c->len, "\r\n", 2) : NULL;
		size_t n = c->len, used = 0;

		if (s->is_chunked && s->left == 0 && end) {
			s->left = strtoul(c->buf, NULL, 16);
			used = (size_t)(end + 2 - c->buf);
			s->is_over = s->left == 0;
			n = 0;
			/* its CRLF is a part of it, for us */
			s->left += 2;
		} else if (s->is_chunked && s->left == 0) {
			n = 0;
		} else if (s->is_chunked && n > s->left) {
			n = s->left;
		}
		if (n) {
			size_t text = n;

			used = n;
			if (s->is_chunked) {
				s->left -= n;
				text = s->left >= 2 ? n : s->left + n > 2 ? n + s->left - 2 : 0;
			}
			ck_assert_uint_lt(s->len + text, TEXT_MAX);
			memcpy(s->text + s->len, c->buf, text);
			s->len += text;
			s->text[s->len] = '\0';
		}
		if (used) {
			memmove(c->buf, c->buf + used, c->len - used);
			c->len -= used;
			if (n)
				return true;
			continue;
		}
		if (!http_receive(c, until_ms)) {
			ck_assert_msg(it_now_ms() < until_ms, "nothing came");
			s->is_over = true;
		}
	}
	return false;
}

/* Sends the request and takes the head; whatever status. */
static int
sse_request(struct sse *s, uint16_t port, const char *target, const char *fields)
{
	const char *end;
	uint64_t until_ms = it_now_ms() + IT_DEADLINE_MS;
	int status;

	*s = (struct sse){.text = malloc(TEXT_MAX)};
	ck_assert_ptr_nonnull(s->text);
	s->text[0] = '\0';
	http_open(&s->c, port);
	http_sendf(&s->c, "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", target,
		   fields ? fields : "");
	while (!s->c.len || !(end = memmem(s->c.buf, s->c.len, "\r\n\r\n", 4)))
		ck_assert_msg(http_receive(&s->c, until_ms), "no answer");
	status = atoi(s->c.buf + strlen("HTTP/1.1 "));
	size_t head_len = (size_t)(end + 4 - s->c.buf);
	s->is_chunked = memmem(s->c.buf, head_len, "Transfer-Encoding: chunked\r\n", 28) != NULL;
	if (status == 200) {
		ck_assert_ptr_nonnull(
		    memmem(s->c.buf, head_len, "\r\nContent-Type: text/event-stream\r\n", 35));
		ck_assert_ptr_nonnull(
		    memmem(s->c.buf, head_len, "\r\nCache-Control: no-store\r\n", 27));
	}
	memmove(s->c.buf, s->c.buf + head_len, s->c.len - head_len);
	s->c.len -= head_len;
	return status;
}

static void
sse_close(struct sse *s)
{
	http_close(&s->c);
	free(s->text);
	s->text = NULL;
}

static void
take_line(struct sse *s, struct event *event, const char *line, size_t len)
{
	json_error_t error;

	if (len >= 1 && line[0] == ':')
		return;
	event->is_comment = false;
	if (len > 4 && memcmp(line, "id: ", 4) == 0) {
		snprintf(event->id, sizeof(event->id), "%.*s", (int)len - 4, line + 4);
		strcpy(s->last_id, event->id);
	} else if (len > 7 && memcmp(line, "event: ", 7) == 0) {
		snprintf(event->name, sizeof(event->name), "%.*s", (int)len - 7, line + 7);
	} else if (len > 7 && memcmp(line, "retry: ", 7) == 0) {
		s->retry = (unsigned)strtoul(line + 7, NULL, 10);
	} else if (len > 6 && memcmp(line, "data: ", 6) == 0) {
		ck_assert_msg(!event->has_data, "two lines of data");
		event->has_data = true;
		event->data = json_loadb(line + 6, len - 6, 0, &error);
		ck_assert_msg(event->data != NULL, "%s: %.*s", error.text, (int)len, line);
	} else {
		ck_abort_msg("a line of no kind: %.*s", (int)len, line);
	}
}

/* The next block of lines, an event or not; false at the end. */
static bool
sse_block(struct sse *s, struct event *event)
{
	char *end, *line;

	*event = (struct event){.is_comment = true};
	while (!(end = strstr(s->text, "\n\n")))
		if (!sse_more(s)) {
			ck_assert_msg(s->len == 0, "cut: %s", s->text);
			return false;
		}
	for (line = s->text; line <= end; line = strchr(line, '\n') + 1)
		take_line(s, event, line, (size_t)(strchr(line, '\n') - line));
	s->len -= (size_t)(end + 2 - s->text);
	memmove(s->text, end + 2, s->len + 1);
	return true;
}

/* The next event; false at the end. */
static bool
sse_event(struct sse *s, struct event *event)
{
	while (sse_block(s, event)) {
		if (event->has_data)
			return true;
		event_fini(event);
	}
	return false;
}

/* A stream that has begun: its first block has come. */
static void
sse_open(struct sse *s, uint16_t port, const char *target, const char *fields)
{
	struct event event;

	ck_assert_int_eq(sse_request(s, port, target, fields), 200);
	ck_assert(sse_block(s, &event));
	ck_assert(!event.has_data && !event.is_comment);
	ck_assert_uint_ge(s->retry, 500);
	ck_assert_uint_le(s->retry, 3000);
}

/* As an EventSource comes back. */
static void
sse_reopen(struct sse *s, uint16_t port, const char *target)
{
	char fields[100];
	struct sse old = *s;

	snprintf(fields, sizeof(fields), "Last-Event-ID: %s\r\n", old.last_id);
	sse_close(&old);
	sse_open(s, port, target, fields);
	/* until it gets another one it has this */
	if (!s->last_id[0])
		strcpy(s->last_id, old.last_id);
}

static json_int_t
number(const json_t *json, const char *name)
{
	ck_assert_msg(json_is_integer(json_object_get(json, name)), "no %s", name);
	return json_integer_value(json_object_get(json, name));
}

static const char *
text(const json_t *json, const char *name)
{
	const char *value = json_string_value(json_object_get(json, name));

	ck_assert_msg(value != NULL, "no %s", name);
	return value;
}

/* The next event is this message, with an id that goes with it. Returns its seq. */
static json_int_t
sse_expect(struct sse *s, const char *data, bool is_replay)
{
	struct event event;
	json_int_t seq;

	ck_assert_msg(sse_event(s, &event), "the end instead of %s", data);
	ck_assert_str_eq(event.name, "");
	ck_assert_str_eq(text(event.data, "t"), "msg");
	ck_assert_str_eq(text(event.data, "data"), data);
	ck_assert((json_object_get(event.data, "r") != NULL) == is_replay);
	seq = number(event.data, "seq");
	ck_assert_ptr_nonnull(strchr(event.id, ':'));
	ck_assert_int_eq(strtoll(strchr(event.id, ':') + 1, NULL, 10), seq);
	event_fini(&event);
	return seq;
}

static void
sse_expect_end(struct sse *s)
{
	struct event event;

	while (sse_block(s, &event)) {
		ck_assert(!event.has_data);
		event_fini(&event);
	}
}

static void
sse_expect_notice(struct sse *s, const char *what)
{
	struct event event;
	json_t *retry;

	ck_assert(sse_event(s, &event));
	ck_assert_str_eq(event.name, "notice");
	ck_assert_str_eq(event.id, "");
	ck_assert_str_eq(text(event.data, "t"), "notice");
	ck_assert_str_eq(text(event.data, "what"), what);
	retry = json_object_get(event.data, "retry");
	ck_assert_uint_ge(s->retry, (unsigned)json_integer_value(json_array_get(retry, 0)));
	ck_assert_uint_le(s->retry, (unsigned)json_integer_value(json_array_get(retry, 1)));
	event_fini(&event);
}

/* Returns its seq. */
static json_int_t
post(uint16_t port, const char *room, const char *body)
{
	struct http_answer a;
	json_error_t error;
	char target[100];
	json_int_t seq;

	snprintf(target, sizeof(target), "/chat/%s", room);
	http_request(port, "POST", target, NULL, body, &a);
	ck_assert_msg(a.status == 200, "%d: %s", a.status, a.body);
	json_t *json = json_loadb(a.body, a.body_len, 0, &error);
	ck_assert_ptr_nonnull(json);
	seq = number(json, "seq");
	json_decref(json);
	http_answer_fini(&a);
	return seq;
}

static json_int_t
count_members(uint16_t port, const char *room)
{
	struct http_answer a;
	json_error_t error;
	char target[100];
	json_int_t count;

	snprintf(target, sizeof(target), "/chat/%s/members", room);
	http_request(port, "GET", target, NULL, NULL, &a);
	ck_assert_int_eq(a.status, 200);
	json_t *json = json_loadb(a.body, a.body_len, 0, &error);
	count = number(json, "count");
	json_decref(json);
	http_answer_fini(&a);
	return count;
}

/* ---- what is said ---- */

START_TEST(a_stream_has_what_the_room_hears)
{
	enum { STREAMS = 6 };
	struct daemon *d = daemon_start("server.workers=3", NULL);
	uint16_t port = daemon_port(d);
	struct sse s[STREAMS];
	struct event event;
	struct ws ws;

	post(port, "r1", "before");
	for (int i = 0; i < STREAMS; i++)
		sse_open(&s[i], port, "/chat/r1/events", NULL);
	ws_open(&ws, port, "/chat/r1", NULL);
	ws_send(&ws, "from a WebSocket");
	ws_expect(&ws, "from a WebSocket");
	json_int_t seq = post(port, "r1", "two\nlines \"q\" \xf0\x9f\x98\x80");
	ws_expect(&ws, "two\nlines \"q\" \xf0\x9f\x98\x80");
	ws_send_frame(&ws, true, WS_BINARY, "\x01\xff\x80", 3);
	post(port, "r2", "not for them");
	for (int i = 0; i < STREAMS; i++) {
		ck_assert_int_eq(sse_expect(&s[i], "from a WebSocket", false), seq - 1);
		ck_assert_int_eq(sse_expect(&s[i], "two\nlines \"q\" \xf0\x9f\x98\x80", false),
				 seq);
		ck_assert(sse_event(&s[i], &event));
		ck_assert_str_eq(text(event.data, "b64"), "Af+A");
		ck_assert_int_eq(number(event.data, "seq"), seq + 1);
		ck_assert_str_eq(text(event.data, "room"), "r1");
		event_fini(&event);
	}
	post(port, "r1", "last");
	for (int i = 0; i < STREAMS; i++) {
		sse_expect(&s[i], "last", false);
		sse_close(&s[i]);
	}
	ws_close(&ws);
	daemon_stop(d);
}
END_TEST

START_TEST(many_messages_come_in_order_and_once)
{
	enum { MESSAGES = 3000 };
	struct daemon *d = daemon_start_default();
	uint16_t port = daemon_port(d);
	struct sse s[3];
	struct ws ws;
	char body[32];

	for (size_t i = 0; i < N(s); i++)
		sse_open(&s[i], port, "/chat/r1/events", NULL);
	ws_open(&ws, port, "/chat/r1", NULL);
	for (int m = 0; m < MESSAGES; m++) {
		snprintf(body, sizeof(body), "m%d", m);
		ws_send(&ws, body);
	}
	for (size_t i = 0; i < N(s); i++) {
		json_int_t before = 0;

		for (int m = 0; m < MESSAGES; m++) {
			snprintf(body, sizeof(body), "m%d", m);
			json_int_t seq = sse_expect(&s[i], body, false);
			ck_assert(before == 0 || seq == before + 1);
			before = seq;
		}
		sse_close(&s[i]);
	}
	ws_drop(&ws);
	daemon_stop(d);
}
END_TEST

START_TEST(it_begins_where_it_is_asked_to)
{
	struct daemon *d = daemon_start_default();
	uint16_t port = daemon_port(d);
	char target[100], fields[100], body[16], epoch[20];
	struct sse s;

	for (int i = 1; i <= 5; i++) {
		snprintf(body, sizeof(body), "m%d", i);
		post(port, "r1", body);
	}
	/* without an event yet, it has a position already */
	sse_open(&s, port, "/chat/r1/events", NULL);
	json_int_t newest = strtoll(strchr(s.last_id, ':') + 1, NULL, 10);
	snprintf(epoch, sizeof(epoch), "%.*s", (int)(strchr(s.last_id, ':') - s.last_id),
		 s.last_id);
	post(port, "r1", "m6");
	ck_assert_int_eq(sse_expect(&s, "m6", false), newest + 1);
	sse_close(&s);

	sse_open(&s, port, "/chat/r1/events?last=2", NULL);
	ck_assert_int_eq(strtoll(strchr(s.last_id, ':') + 1, NULL, 10), newest - 1);
	sse_expect(&s, "m5", true);
	sse_expect(&s, "m6", true);
	post(port, "r1", "m7");
	sse_expect(&s, "m7", false);
	sse_close(&s);

	snprintf(target, sizeof(target), "/chat/r1/events?since=%s:%lld", epoch, (long long)newest);
	sse_open(&s, port, target, NULL);
	sse_expect(&s, "m6", true);
	sse_expect(&s, "m7", true);
	sse_close(&s);

	/* what the client has seen counts, not the URL by which it came first; an empty one is none
	 */
	snprintf(fields, sizeof(fields), "Last-Event-ID: %s:%lld\r\n", epoch,
		 (long long)newest + 1);
	sse_open(&s, port, target, fields);
	sse_expect(&s, "m7", true);
	sse_close(&s);
	sse_open(&s, port, target, "Last-Event-ID:\r\n");
	sse_expect(&s, "m6", true);
	sse_close(&s);

	/* all that there is, if it is less than was asked for */
	sse_open(&s, port, "/chat/r1/events?last=1000000", NULL);
	for (int i = 1; i <= 7; i++) {
		snprintf(body, sizeof(body), "m%d", i);
		sse_expect(&s, body, true);
	}
	sse_close(&s);
	daemon_stop(d);
}
END_TEST

START_TEST(what_is_missing_is_told)
{
	struct daemon *d = daemon_start("chat.history_messages=3", NULL);
	uint16_t port = daemon_port(d);
	char fields[100], epoch[20];
	struct event event;
	json_int_t first = 0, seq = 0;
	struct sse s;

	for (int i = 0; i < 5; i++) {
		seq = post(port, "r1", "m");
		if (i == 0)
			first = seq;
	}
	/* an epoch that never was */
	sse_open(&s, port, "/chat/r1/events", "Last-Event-ID: 0123456789abcdef:3\r\n");
	ck_assert_str_eq(s.last_id, "");
	ck_assert(sse_event(&s, &event));
	ck_assert_str_eq(event.name, "gap");
	ck_assert_str_eq(text(event.data, "why"), "epoch");
	ck_assert_int_eq(number(event.data, "to"), seq - 3);
	snprintf(epoch, sizeof(epoch), "%s", text(event.data, "epoch"));
	event_fini(&event);
	for (int i = 0; i < 3; i++)
		sse_expect(&s, "m", true);
	sse_close(&s);
	/* too long ago */
	snprintf(fields, sizeof(fields), "Last-Event-ID: %s:%lld\r\n", epoch, (long long)first);
	sse_open(&s, port, "/chat/r1/events", fields);
	ck_assert(sse_event(&s, &event));
	ck_assert_str_eq(event.name, "gap");
	ck_assert_str_eq(text(event.data, "why"), "trimmed");
	ck_assert_int_eq(number(event.data, "from"), first + 1);
	ck_assert_int_eq(number(event.data, "to"), seq - 3);
	event_fini(&event);
	/* who comes back right after that is not told of it again */
	sse_reopen(&s, port, "/chat/r1/events");
	for (int i = 0; i < 3; i++)
		sse_expect(&s, "m", true);
	sse_close(&s);
	daemon_stop(d);
}
END_TEST

static const struct {
	const char *method, *target, *fields;
	int status;
	const char *type;
} refused[] = {
    {"GET", "/chat/a%20b/events", NULL, 404, "no-room"},
    {"GET", "/chat/r1/events?since=", NULL, 400, "bad-position"},
    {"GET", "/chat/r1/events?since=1", NULL, 400, "bad-position"},
    {"GET", "/chat/r1/events?since=:1", NULL, 400, "bad-position"},
    {"GET", "/chat/r1/events?since=1:", NULL, 400, "bad-position"},
    {"GET", "/chat/r1/events?since=1:1:1", NULL, 400, "bad-position"},
    {"GET", "/chat/r1/events?since=g:1", NULL, 400, "bad-position"},
    {"GET", "/chat/r1/events?since=1:-1", NULL, 400, "bad-position"},
    {"GET", "/chat/r1/events?since=12345678123456781:1", NULL, 400, "bad-position"},
    {"GET", "/chat/r1/events?since=1:9007199254740992", NULL, 400, "bad-position"},
    {"GET", "/chat/r1/events?since=1:1&since=1:1", NULL, 400, "bad-parameter"},
    {"GET", "/chat/r1/events?last=", NULL, 400, "bad-position"},
    {"GET", "/chat/r1/events?last=-1", NULL, 400, "bad-position"},
    {"GET", "/chat/r1/events?last=1x", NULL, 400, "bad-position"},
    {"GET", "/chat/r1/events?last=1&last=1", NULL, 400, "bad-parameter"},
    {"GET", "/chat/r1/events", "Last-Event-ID: x\r\n", 400, "bad-position"},
    {"GET", "/chat/r1/events", "Last-Event-ID: 1:1, 1:2\r\n", 400, "bad-position"},
    {"GET", "/chat/r1/events", "Last-Event-ID: 1:1\r\nLast-Event-ID: 1:1\r\n", 400, "bad-position"},
    {"GET", "/chat/r1/events", "X-Forwarded-For: 10.0.0.1\r\n", 403, NULL},
    {"POST", "/chat/r1/events", NULL, 405, NULL},
};

START_TEST(what_is_wrong_is_refused_and_named)
{
	struct daemon *d = daemon_start_default();
	struct http_answer a;
	char type[80];

	for (size_t i = 0; i < N(refused); i++) {
		http_request(daemon_port(d), refused[i].method, refused[i].target,
			     refused[i].fields, NULL, &a);
		ck_assert_msg(a.status == refused[i].status, "%s %s: %d, not %d: %s",
			      refused[i].target, refused[i].fields ? refused[i].fields : "",
			      a.status, refused[i].status, a.body);
		ck_assert_str_eq(http_field(&a, "Content-Type"), "application/problem+json");
		snprintf(type, sizeof(type),
			 refused[i].type ? "\"type\":\"/problems/%s\"" : "\"type\":\"about:blank\"",
			 refused[i].type);
		ck_assert_msg(strstr(a.body, type) != NULL, "%s: %s", refused[i].target, a.body);
		http_answer_fini(&a);
	}
	/* nobody has come into the room by that */
	ck_assert_int_eq(count_members(daemon_port(d), "r1"), 0);
	/* RFC 9110 9.3.2 */
	http_request(daemon_port(d), "HEAD", "/chat/r1/events", NULL, NULL, &a);
	ck_assert_int_eq(a.status, 200);
	ck_assert_str_eq(http_field(&a, "Content-Type"), "text/event-stream");
	http_answer_fini(&a);
	ck_assert_int_eq(count_members(daemon_port(d), "r1"), 0);
	daemon_stop(d);
}
END_TEST

START_TEST(curl_hears_it)
{
	struct daemon *d = daemon_start_default();
	char *url = it_printf("http://127.0.0.1:%u/chat/r1/events", daemon_port(d));
	const char *const argv[] = {"curl", "-sN", "-H", "Accept: text/event-stream", url, NULL};
	struct child curl;
	char *line;

	child_start(&curl, argv);
	WAIT_UNTIL(count_members(daemon_port(d), "r1") == 1);
	post(daemon_port(d), "r1", "hello");
	do {
		line = child_read_line(&curl);
		ck_assert_ptr_nonnull(line);
		bool is_it = strncmp(line, "data: ", 6) == 0;
		if (is_it)
			ck_assert_ptr_nonnull(strstr(line, "\"data\":\"hello\""));
		free(line);
		if (is_it)
			break;
	} while (true);
	kill(curl.pid, SIGTERM);
	child_wait(&curl);
	/* it has left the room at once */
	WAIT_UNTIL(count_members(daemon_port(d), "r1") == 0);
	free(url);
	daemon_stop(d);
}
END_TEST

START_TEST(http_1_0_gets_it_without_chunks)
{
	struct daemon *d = daemon_start_default();
	struct http_conn c;

	http_open(&c, daemon_port(d));
	http_send_text(&c, "GET /chat/r1/events HTTP/1.0\r\n\r\n");
	WAIT_UNTIL(count_members(daemon_port(d), "r1") == 1);
	post(daemon_port(d), "r1", "hello");
	uint64_t until_ms = it_now_ms() + IT_DEADLINE_MS;
	while (!c.len || !memmem(c.buf, c.len, "\"data\":\"hello\"}\n\n", 17))
		ck_assert(http_receive(&c, until_ms));
	ck_assert_ptr_null(memmem(c.buf, c.len, "chunked", 7));
	http_close(&c);
	daemon_stop(d);
}
END_TEST

/* ---- ends ---- */

START_TEST(a_quiet_stream_has_comments)
{
	struct daemon *d = daemon_start("chat.ping_interval=100ms", NULL);
	struct event event;
	struct sse s;

	sse_open(&s, daemon_port(d), "/chat/r1/events", NULL);
	for (int i = 0; i < 3; i++) {
		ck_assert(sse_block(&s, &event));
		ck_assert(event.is_comment);
	}
	post(daemon_port(d), "r1", "still there");
	sse_expect(&s, "still there", false);
	sse_close(&s);
	daemon_stop(d);
}
END_TEST

START_TEST(a_reload_sends_streams_to_the_new_workers)
{
	enum { STREAMS = 8 };
	struct daemon *d = daemon_start_default();
	uint16_t port = daemon_port(d);
	struct sse s[STREAMS];
	unsigned different = 0;

	for (int i = 0; i < STREAMS; i++)
		sse_open(&s[i], port, "/chat/r1/events", NULL);
	post(port, "r1", "one");
	for (int i = 0; i < STREAMS; i++)
		sse_expect(&s[i], "one", false);
	ck_assert(daemon_reload(d));
	post(port, "r1", "two");
	for (int i = 0; i < STREAMS; i++) {
		struct event event;

		/* what was said meanwhile it may have heard before it was sent away, or not */
		while (sse_event(&s[i], &event) && strcmp(event.name, "notice") != 0) {
			ck_assert_str_eq(text(event.data, "data"), "two");
			event_fini(&event);
		}
		ck_assert_str_eq(event.name, "notice");
		ck_assert_str_eq(text(event.data, "what"), "drain");
		event_fini(&event);
		ck_assert_uint_ge(s[i].retry, 1000);
		ck_assert_uint_le(s[i].retry, 8000);
		different += s[i].retry != s[0].retry;
		sse_expect_end(&s[i]);
	}
	ck_assert_uint_ge(different, STREAMS / 2);
	post(port, "r1", "three");
	for (int i = 0; i < STREAMS; i++) {
		struct event event;
		bool has_two = false;

		sse_reopen(&s[i], port, "/chat/r1/events");
		ck_assert(sse_event(&s[i], &event));
		has_two = strcmp(text(event.data, "data"), "two") == 0;
		event_fini(&event);
		if (has_two)
			sse_expect(&s[i], "three", true);
	}
	post(port, "r1", "four");
	for (int i = 0; i < STREAMS; i++) {
		sse_expect(&s[i], "four", false);
		sse_close(&s[i]);
	}
	/* nothing keeps the old ones */
	daemon_wait_workers(d, 2);
	daemon_stop(d);
}
END_TEST

START_TEST(a_stop_ends_streams)
{
	struct daemon *d = daemon_start_default();
	struct sse s[3];
	uint64_t began = it_now_ms();

	for (size_t i = 0; i < N(s); i++)
		sse_open(&s[i], daemon_port(d), "/chat/r1/events", NULL);
	kill(daemon_pid(d), SIGTERM);
	for (size_t i = 0; i < N(s); i++) {
		sse_expect_notice(&s[i], "drain");
		sse_expect_end(&s[i]);
		sse_close(&s[i]);
	}
	daemon_ended(d, 0);
	if (!it_has_sanitizers())
		ck_assert_uint_lt(it_now_ms() - began, 8000);
}
END_TEST

START_TEST(the_death_of_a_worker_loses_nothing)
{
	enum { STREAMS = 6, ROUNDS = 4 };
	struct daemon *d = daemon_start_default();
	uint16_t port = daemon_port(d);
	struct sse s[STREAMS];
	json_int_t seen[STREAMS] = {0}, newest = 0;
	char body[16];
	int m = 0;

	for (int i = 0; i < STREAMS; i++)
		sse_open(&s[i], port, "/chat/r1/events", NULL);
	for (int round = 0; round < ROUNDS; round++) {
		pid_t pid;

		for (int i = 0; i < 20; i++) {
			snprintf(body, sizeof(body), "m%d", m++);
			newest = post(port, "r1", body);
		}
		pid = daemon_worker_of(d, s[round % STREAMS].c.fd);
		kill(pid, SIGKILL);
		WAIT_UNTIL(!procfs_alive(pid));
		for (int i = 0; i < 20; i++) {
			snprintf(body, sizeof(body), "m%d", m++);
			newest = post(port, "r1", body);
		}
		for (int i = 0; i < STREAMS; i++) {
			while (seen[i] < newest) {
				struct event event;
				char wanted[32];

				if (!s[i].is_over && s[i].c.fd >= 0) {
					/* an end in the middle of something is one as well */
					while (!strstr(s[i].text, "\n\n") && sse_more(&s[i]))
						;
				}
				if (!strstr(s[i].text, "\n\n")) {
					sse_reopen(&s[i], port, "/chat/r1/events");
					continue;
				}
				ck_assert(sse_block(&s[i], &event));
				if (event.has_data) {
					json_int_t seq = number(event.data, "seq");

					ck_assert_str_eq(event.name, "");
					ck_assert(seen[i] == 0 || seq == seen[i] + 1);
					snprintf(wanted, sizeof(wanted), "m%lld",
						 (long long)(m - 1 - (newest - seq)));
					ck_assert_str_eq(text(event.data, "data"), wanted);
					seen[i] = seq;
				}
				event_fini(&event);
			}
		}
	}
	for (int i = 0; i < STREAMS; i++)
		sse_close(&s[i]);
	daemon_stop(d);
}
END_TEST

/* Says so much that no buffer on the way to a client that does not read holds it. */
static void
flood(uint16_t port, const char *room, size_t bytes)
{
	size_t len = 60000;
	char *body = malloc(len + 1), target[100];
	struct http_conn c;
	struct http_answer a;

	memset(body, 'f', len);
	body[len] = '\0';
	snprintf(target, sizeof(target), "/chat/%s", room);
	http_open(&c, port);
	for (size_t sent = 0; sent < bytes; sent += len) {
		http_exchange(&c, "POST", target, NULL, body, &a);
		ck_assert_int_eq(a.status, 200);
		http_answer_fini(&a);
	}
	http_close(&c);
	free(body);
}

/*
 * What a client that did not read while much was said hears then. With `again_port`, "end" is said
 * again after each gap, which it may have been in.
 */
static void
hear_late(struct sse *s, const char *why, uint16_t again_port, bool *has_gap, bool *has_end)
{
	json_int_t next = 0;
	struct event event;
	bool is_over = false;

	*has_gap = *has_end = false;
	while (!is_over && sse_event(s, &event)) {
		if (strcmp(event.name, "gap") == 0) {
			ck_assert_str_eq(text(event.data, "why"), why);
			ck_assert(next == 0 || number(event.data, "from") == next);
			next = number(event.data, "to") + 1;
			*has_gap = true;
			if (again_port)
				post(again_port, "r1", "end");
		} else if (strcmp(event.name, "notice") == 0) {
			ck_assert_str_eq(text(event.data, "what"), why);
		} else {
			ck_assert(next == 0 || number(event.data, "seq") == next);
			next = number(event.data, "seq") + 1;
			is_over = strcmp(text(event.data, "data"), "end") == 0;
			*has_end = is_over;
		}
		event_fini(&event);
	}
}

START_TEST(a_slow_client_is_ended_and_comes_back)
{
	struct daemon *d =
	    daemon_start("chat.client_queue_size=64k", "chat.room_log_size=16m", NULL);
	uint16_t port = daemon_port(d);
	bool has_gap, has_end;
	struct sse slow, quick;

	sse_open(&slow, port, "/chat/r1/events", NULL);
	flood(port, "r1", 12000000);
	sse_open(&quick, port, "/chat/r1/events", NULL);
	post(port, "r1", "end");
	sse_expect(&quick, "end", false);
	hear_late(&slow, "slow", 0, &has_gap, &has_end);
	ck_assert(!has_gap && !has_end);
	/* its last id is where it was, and from there on nothing is missing */
	sse_reopen(&slow, port, "/chat/r1/events");
	hear_late(&slow, "trimmed", 0, &has_gap, &has_end);
	ck_assert(has_end);
	sse_close(&slow);
	sse_close(&quick);
	daemon_stop(d);
}
END_TEST

START_TEST(a_slow_client_may_skip)
{
	struct daemon *d =
	    daemon_start("chat.client_queue_size=64k", "chat.slow_client=skip", NULL);
	uint16_t port = daemon_port(d);
	bool has_gap, has_end;
	struct sse slow;

	sse_open(&slow, port, "/chat/r1/events", NULL);
	flood(port, "r1", 12000000);
	post(port, "r1", "end");
	hear_late(&slow, "slow", port, &has_gap, &has_end);
	ck_assert(has_gap && has_end);
	sse_close(&slow);
	daemon_stop(d);
}
END_TEST

START_TEST(who_has_left_is_no_member)
{
	struct daemon *d = daemon_start_default();
	uint16_t port = daemon_port(d);
	struct sse s[3];

	for (size_t i = 0; i < N(s); i++)
		sse_open(&s[i], port, "/chat/r1/events", NULL);
	ck_assert_int_eq(count_members(port, "r1"), 3);
	/* a half-close, a close, a reset */
	ck_assert_int_eq(shutdown(s[0].c.fd, SHUT_WR), 0);
	sse_expect_end(&s[0]);
	sse_close(&s[0]);
	sse_close(&s[1]);
	struct linger linger = {.l_onoff = 1};
	ck_assert_int_eq(setsockopt(s[2].c.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	sse_close(&s[2]);
	WAIT_UNTIL(count_members(port, "r1") == 0);
	daemon_stop(d);
}
END_TEST

static void
fill(Suite *suite)
{
	TCase *tc = it_case(suite, "events");

	tcase_add_test(tc, a_stream_has_what_the_room_hears);
	tcase_add_test(tc, many_messages_come_in_order_and_once);
	tcase_add_test(tc, it_begins_where_it_is_asked_to);
	tcase_add_test(tc, what_is_missing_is_told);
	tcase_add_test(tc, what_is_wrong_is_refused_and_named);
	tcase_add_test(tc, curl_hears_it);
	tcase_add_test(tc, http_1_0_gets_it_without_chunks);
	tc = it_case(suite, "ends");
	tcase_add_test(tc, a_quiet_stream_has_comments);
	tcase_add_test(tc, a_reload_sends_streams_to_the_new_workers);
	tcase_add_test(tc, a_stop_ends_streams);
	tcase_add_test(tc, the_death_of_a_worker_loses_nothing);
	tcase_add_test(tc, a_slow_client_is_ended_and_comes_back);
	tcase_add_test(tc, a_slow_client_may_skip);
	tcase_add_test(tc, who_has_left_is_no_member);
}

int
main(void)
{
	return it_main("events", fill, 0);
}
