/* links: tests/unit/fail_alloc.c $(hub_sources) $(door) src/http/json_text.c src/http/query.c
 * src/proc/segment.c src/proc/doorbell.c -levent_core -lwebsockets -ljansson -lcrypto -lz -lpthread
 * -lm */
/*
 * test_hub_memory.c - a worker's front door and hub with each allocation failing in turn, alone and
 * with all after it: whoever asks for something gets an answer or a close, nobody who listens
 * misses a message and is not closed, and with memory again the same worker serves again. Ours,
 * libevent's and jansson's allocations are one sequence; libwebsockets has its own memory.
 *
 * All of it is one process: the loop turns a pass at a time, between looks at the clients' sockets.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "fail_alloc.h"
#include "http/server.h"
#include "hub/frame.h"
#include "hub/hub.h"
#include "hub/hub_private.h"
#include "hub/hub_segment.h"
#include "ws_client.h"

#define N(table)   ((int)(sizeof(table) / sizeof((table)[0])))
#define WALK_MAX   1000
#define PATIENCE_S 5
/* What is to be done without memory is done, or not, in so many passes. */
#define PASSES_IN_NEED 40

static struct config config;
static struct segment *segment;
static struct doorbell bell;
static uint16_t port;
static int listener;

static struct loop *loop;
static struct http_server *server;
static struct hub *hub;
static struct route_table routes;
static struct pass_hook turner;
static unsigned passes_left;

/* ---- clients ---- */

struct peer {
	int fd;
	bool is_over; /* the end of the stream, or a reset */
	size_t len;
	unsigned char data[65536];
};
static struct peer actor, helper, json_listener, plain_listener, event_listener;

/* Whatever has come; asserts nothing, for there may be no memory. */
static void
peer_look(struct peer *p)
{
	while (p->fd >= 0 && !p->is_over && p->len < sizeof(p->data)) {
		ssize_t n = recv(p->fd, p->data + p->len, sizeof(p->data) - p->len, MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (n <= 0)
			p->is_over = true;
		else
			p->len += (size_t)n;
	}
}

static bool
peer_has(const struct peer *p, const char *text)
{
	return memmem(p->data, p->len, text, strlen(text)) != NULL;
}

/* Behind the head of its answer; NULL when that is not whole. */
static const unsigned char *
peer_body(const struct peer *p)
{
	const unsigned char *end = memmem(p->data, p->len, "\r\n\r\n", 4);

	return end ? end + 4 : NULL;
}

static int
peer_status(const struct peer *p)
{
	int status = 0;

	if (p->len > 12 && memcmp(p->data, "HTTP/1.1 ", 9) == 0)
		status = atoi((const char *)p->data + 9);
	return status;
}

/* The code of its Close frame, 0 without one. */
static unsigned
peer_close_code(const struct peer *p)
{
	const unsigned char *at = peer_body(p), *end = p->data + p->len;

	while (at && peer_status(p) == 101 && end - at >= 4) {
		size_t head = 2, len = at[1] & 0x7f;

		if (at[0] == (FIN | CLOSE))
			return (unsigned)at[2] << 8 | at[3];
		if (len == 126) {
			head = 4;
			len = (size_t)at[2] << 8 | at[3];
		}
		if ((size_t)(end - at) < head + len)
			return 0;
		at += head + len;
	}
	return 0;
}

/* A stream of events may end and leave its connection to other requests. */
static bool
peer_is_closed(const struct peer *p)
{
	return p->is_over || peer_close_code(p) != 0 ||
	       (peer_has(p, "text/event-stream") && peer_has(p, "\r\n0\r\n\r\n"));
}

/* An answer with a length, a 101, or the beginning of a stream. */
static bool
peer_is_answered(const struct peer *p)
{
	const unsigned char *body = peer_body(p);
	const char *length;

	if (!body || peer_status(p) == 101)
		return body != NULL;
	length = memmem(p->data, p->len, "\r\nContent-Length: ", 18);
	if (!length)
		return peer_has(p, "\n\n");
	return p->data + p->len >= body + strtoul(length + 18, NULL, 10);
}

/* ---- the worker ---- */

static bool
turned(void *arg)
{
	(void)arg;
	if (passes_left > 0 && --passes_left == 0)
		loop_stop(loop);
	/* so that no wait blocks */
	return true;
}

static void
turn(void)
{
	passes_left = 2;
	loop_run(loop);
	peer_look(&actor);
	peer_look(&helper);
	peer_look(&json_listener);
	peer_look(&plain_listener);
	peer_look(&event_listener);
}

#define TURN_UNTIL(holds)                                                                \
	do {                                                                             \
		uint64_t until_ms_ = clock_monotonic_ms() + PATIENCE_S * 1000;           \
		while (!(holds)) {                                                       \
			turn();                                                          \
			if (clock_monotonic_ms() >= until_ms_)                           \
				ck_abort_msg("%s, allocation %u: %s", name, at, #holds); \
		}                                                                        \
	} while (0)

static bool
worker_open(void)
{
	struct listen_address address = {.is_loopback = true, .text = "127.0.0.1:0"};

	memset(&routes, 0, sizeof(routes));
	loop = loop_new();
	hub = loop ? hub_new(loop, &config, segment, &bell, 0) : NULL;
	if (hub)
		hub_add_routes(hub, &routes);
	server = hub ? http_server_new(loop, &config, &routes, NULL) : NULL;
	if (server && http_server_listen(server, listener, &address)) {
		turner = (struct pass_hook){.fn = turned, .name = "test"};
		loop_add_pass_hook(loop, &turner);
		return true;
	}
	hub_free(&hub);
	http_server_free(&server);
	loop_free(&loop);
	return false;
}

static void
peer_close(struct peer *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

static void
worker_close(const char *name, unsigned at)
{
	peer_close(&actor);
	peer_close(&helper);
	peer_close(&json_listener);
	peer_close(&plain_listener);
	peer_close(&event_listener);
	TURN_UNTIL(hub_connections(hub) == 0 && http_server_connections(server) == 0);
	/* rooms go in the pass after their last member */
	TURN_UNTIL(hub->counters->rooms == 0);
	ck_assert_uint_eq(hub->counters->members, 0);
	ck_assert_uint_eq(hub->counters->connections, 0);
	ck_assert_uint_eq(hub->held_bytes, 0);
	http_server_free(&server);
	hub_free(&hub);
	loop_free(&loop);
}

static void
peer_send(struct peer *p, const void *bytes, size_t len)
{
	p->len = 0;
	ck_assert_int_eq(send(p->fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void
peer_open(struct peer *p, const char *bytes)
{
	peer_close(p);
	p->is_over = false;
	p->fd = client_connect_small(port, 0);
	peer_send(p, bytes, strlen(bytes));
}

/* ---- what is asked for ---- */

#define HEAD(what)    what " HTTP/1.1\r\nHost: localhost\r\n"
#define GET(path)     HEAD("GET " path) "\r\n"
#define UPGRADE(path) HEAD("GET " path) UPGRADE_FIELDS "\r\n"
#define UPGRADE_FIELDS                                                                \
	"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: " CLIENT_KEY \
	"\r\nSec-WebSocket-Version: 13\r\n"
#define DEFLATED(path) \
	HEAD("GET " path) UPGRADE_FIELDS "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
#define POST(text) HEAD("POST /chat/r") "Content-Length: 3\r\n\r\n" text

static const struct scenario {
	const char *name;
	const char *first;   /* with memory: NULL if the connection is to be new */
	const char *request; /* without; a frame's payload if there is `first` */
	unsigned frame;      /* then its first byte */
	const char *answer;  /* which the right answer has in it */
} scenarios[] = {
    {"a plain client comes", NULL, UPGRADE("/chat/r?last=2"), 0, " 101 "},
    {"a JSON client comes", NULL, UPGRADE("/chat/r?mode=json&last=2"), 0, " 101 "},
    {"one comes and compresses", NULL, DEFLATED("/chat/r?mode=json&last=2"), 0, " 101 "},
    {"one comes to echo", NULL, UPGRADE("/echo"), 0, " 101 "},
    {"a listener of events comes", NULL, GET("/chat/r/events?last=2"), 0, " 200 "},
    {"POST", NULL, POST("act"), 0, "\"seq\":"},
    {"history", NULL, GET("/chat/r/history"), 0, "\"old-2\""},
    {"members", NULL, GET("/chat/r/members"), 0, "\"count\":3"},
    {"a plain client publishes", UPGRADE("/chat/r"), "act", FIN | TEXT, "act"},
    {"one publishes compressed", DEFLATED("/chat/r"), "\x4a\x4c\x2e\x01\x00", RSV1 | FIN | TEXT,
     "act"},
    {"echo", UPGRADE("/echo"), "act", FIN | TEXT, "act"},
    {"pub", UPGRADE("/chat/r?mode=json"),
     "{\"id\":1,\"t\":\"pub\",\"room\":\"r\",\"data\":\"act\"}", FIN | TEXT, "\"id\":1"},
    {"pub of an object", UPGRADE("/chat/r?mode=json"),
     "{\"id\":1,\"t\":\"pub\",\"room\":\"r\",\"cid\":\"c\",\"data\":{ \"x\" : \"act\" }}",
     FIN | TEXT, "\"id\":1"},
    {"join", UPGRADE("/chat/r?mode=json"),
     "{\"id\":1,\"t\":\"join\",\"room\":\"other\",\"name\":\"n\",\"pres\":\"diff\"}", FIN | TEXT,
     "\"id\":1"},
    {"history over JSON", UPGRADE("/chat/r?mode=json"),
     "{\"id\":1,\"t\":\"history\",\"room\":\"r\"}", FIN | TEXT, "\"id\":1"},
    {"presence", UPGRADE("/chat/r?mode=json"), "{\"id\":1,\"t\":\"presence\",\"room\":\"r\"}",
     FIN | TEXT, "\"id\":1"},
    {"leave", UPGRADE("/chat/r?mode=json"), "{\"id\":1,\"t\":\"leave\",\"room\":\"r\"}", FIN | TEXT,
     "\"id\":1"},
};

/* Three that listen to r, each in its own way, and two messages that are old. */
static void
prepare(const char *name, unsigned at)
{
	static const char join[] = "{\"id\":7,\"t\":\"join\",\"room\":\"r\",\"pres\":\"diff\"}";
	unsigned char frame[sizeof(join) + 14];

	for (unsigned i = 1; i <= 2; i++) {
		char post[200];

		snprintf(post, sizeof(post), HEAD("POST /chat/r") "Content-Length: 5\r\n\r\nold-%u",
			 i);
		peer_open(&helper, post);
		TURN_UNTIL(peer_is_answered(&helper));
		ck_assert_int_eq(peer_status(&helper), 200);
	}
	peer_close(&helper);
	peer_open(&json_listener, UPGRADE("/chat/x?mode=json"));
	peer_open(&plain_listener, UPGRADE("/chat/r"));
	peer_open(&event_listener, GET("/chat/r/events"));
	TURN_UNTIL(peer_has(&json_listener, "welcome") && peer_is_answered(&plain_listener) &&
		   peer_is_answered(&event_listener));
	ck_assert(client_write(json_listener.fd, frame,
			       client_frame(frame, FIN | TEXT, join, sizeof(join) - 1)));
	TURN_UNTIL(peer_has(&json_listener, "\"t\":\"pres\""));
}

static void
expect_of_listener(const struct peer *p, const char *what, bool is_published, bool has_failed,
		   const char *name, unsigned at)
{
	if (peer_is_closed(p)) {
		unsigned code = peer_close_code(p);

		ck_assert_msg(has_failed, "%s: the %s listener is closed", name, what);
		ck_assert_msg(code == 0 || code == CLOSE_INTERNAL, "%s, %u: the %s listener: %u",
			      name, at, what, code);
		return;
	}
	ck_assert_msg(!is_published || peer_has(p, "act"),
		      "%s, allocation %u: the %s listener has missed it: %.*s", name, at, what,
		      (int)p->len, (const char *)p->data);
}

/* Whether an allocation has failed. */
static bool
walk(const struct scenario *s, unsigned at, bool for_good)
{
	const char *name = s->name;
	unsigned char frame[200];
	size_t frame_len = 0;

	ck_assert(worker_open());
	prepare(name, at);
	if (s->first) {
		peer_open(&actor, s->first);
		TURN_UNTIL(peer_is_answered(&actor));
		ck_assert_int_eq(peer_status(&actor), 101);
		/* a deflated one has a 0 at its end */
		size_t len = s->frame & RSV1 ? strlen(s->request) + 1 : strlen(s->request);
		frame_len = client_frame(frame, s->frame, s->request, len);
		size_t head = (size_t)(peer_body(&actor) - actor.data);
		for (unsigned i = 0; i < 5; i++)
			turn();
		/* what it has heard so far is no answer */
		actor.len = head;
		(void)!send(actor.fd, frame, frame_len, MSG_NOSIGNAL);
	} else {
		peer_open(&actor, s->request);
	}

	fail_alloc_at(at, for_good);
	for (unsigned i = 0; i < PASSES_IN_NEED; i++)
		turn();
	const bool has_failed = fail_alloc_end();

	/* it hears one thing or the other */
	if (s->first)
		TURN_UNTIL(peer_has(&actor, s->answer) || peer_is_closed(&actor) ||
			   (has_failed && peer_has(&actor, "\"code\":\"internal\"")));
	else
		TURN_UNTIL(peer_is_answered(&actor) || peer_is_closed(&actor));
	if (!has_failed)
		ck_assert_msg(peer_has(&actor, s->answer), "%s: %.*s", name, (int)actor.len,
			      (const char *)actor.data);
	const int status = peer_status(&actor);
	if (!s->first && actor.len > 0)
		ck_assert_msg(status == 101 || status == 200 ||
				  (has_failed && (status == 503 || status == 500)),
			      "%s, allocation %u: %d", name, at, status);
	const unsigned code = peer_close_code(&actor);
	ck_assert_msg(code == 0 ||
			  (has_failed && (code == CLOSE_INTERNAL || code == CLOSE_TRY_LATER)),
		      "%s, allocation %u: closed with %u", name, at, code);

	/* others find the worker as it was, and what was published with all who listen */
	peer_open(&helper, GET("/chat/r/history"));
	TURN_UNTIL(peer_is_answered(&helper));
	ck_assert_msg(peer_status(&helper) == 200, "%s, allocation %u", name, at);
	const bool is_published = peer_has(&helper, "act");
	peer_open(&helper, POST("fin"));
	TURN_UNTIL(peer_is_answered(&helper));
	ck_assert_int_eq(peer_status(&helper), 200);
	TURN_UNTIL(peer_has(&json_listener, "fin") || peer_is_closed(&json_listener));
	TURN_UNTIL(peer_has(&plain_listener, "fin") || peer_is_closed(&plain_listener));
	TURN_UNTIL(peer_has(&event_listener, "fin") || peer_is_closed(&event_listener));
	expect_of_listener(&json_listener, "JSON", is_published, has_failed, name, at);
	expect_of_listener(&plain_listener, "plain", is_published, has_failed, name, at);
	expect_of_listener(&event_listener, "event", is_published, has_failed, name, at);
	peer_open(&helper, UPGRADE("/chat/r?mode=json&last=1"));
	TURN_UNTIL(peer_has(&helper, "welcome") && peer_has(&helper, "fin"));
	worker_close(name, at);
	return has_failed;
}

/* ---- */

static void
setup(void)
{
	static char chat[] = "chat";
	static char *public[] = {chat};

	event_set_mem_functions(malloc, realloc, free);
	config = (struct config){
	    .server_public = {1, public},
	    .http_header_timeout = 60000,
	    .http_body_timeout = 60000,
	    .http_min_body_rate = 1,
	    .http_idle_timeout = 60000,
	    .http_write_timeout = 60000,
	    .http_max_header_size = 4096,
	    .http_max_body_size = 100000,
	    .http_max_connections = 100,
	    .http_max_input_memory = 1 << 20,
	    .http_max_output_memory = 1 << 20,
	    .chat_max_message_size = 65536,
	    .chat_client_queue_size = 65536,
	    .chat_ping_interval = 60000,
	    .chat_pong_timeout = 60000,
	    .chat_log_size = 8u << 20,
	    .chat_room_log_size = 2u << 20,
	    .chat_max_rooms = 1000,
	    /* two that are old, and one that is new or of the last round */
	    .chat_history_messages = 3,
	    .chat_max_rooms_per_connection = 8,
	    .chat_history_age = 3600 * 1000,
	    .chat_max_input_memory = 64u << 20,
	    .chat_max_output_memory = 64u << 20,
	    .chat_compression = 0,
	    .chat_compression_min = 1,
	};
	/* each failure is an error in the log */
	ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	segment = segment_new(hub_memory(&config));
	ck_assert_ptr_nonnull(segment);
	ck_assert(hub_log_format(segment, &config));
	ck_assert(doorbell_init(&bell));
	listener = server_listen(&port);
	fcntl(listener, F_SETFL, fcntl(listener, F_GETFL) | O_NONBLOCK);
	actor.fd = helper.fd = json_listener.fd = plain_listener.fd = event_listener.fd = -1;
	/* what is made once and kept */
	walk(&scenarios[0], 0, false);
}

static void
teardown(void)
{
	close(listener);
	segment_free(&segment);
}

START_TEST(memory_runs_out)
{
	const struct scenario *s = &scenarios[_i / 2];
	unsigned n;

	for (n = 1; walk(s, n, _i % 2); n++)
		ck_assert_uint_lt(n, WALK_MAX);
	ck_assert_msg(n > 1, "%s: nothing is allocated", s->name);
}
END_TEST

START_TEST(memory_runs_out_at_the_beginning)
{
	bool has_failed;
	unsigned n = 0;

	do {
		fail_alloc_at(++n, _i);
		const bool is_open = worker_open();
		has_failed = fail_alloc_end();
		ck_assert(is_open || has_failed);
		ck_assert_uint_lt(n, WALK_MAX);
		if (is_open)
			worker_close("the beginning", n);
	} while (has_failed);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("hub memory");
	TCase *tc = tcase_create("hub memory");
	SRunner *sr = srunner_create(s);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, memory_runs_out, 0, 2 * N(scenarios));
	tcase_add_loop_test(tc, memory_runs_out_at_the_beginning, 0, 2);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
