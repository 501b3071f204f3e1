/*
 * it_chat_http.c - the chat over plain HTTP: what is posted is heard, once and as it was sent;
 * pages of history and members; each refusal with its status and its type.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/ws_client.c tests/it/pg.c -ljansson */
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "harness.h"
#include "ws_client.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))
#define BINARY   "Content-Type: application/octet-stream\r\n"
#define FROM(ip) "X-Forwarded-For: " ip "\r\n"

static json_t *
json_of(const struct http_answer *a)
{
	json_error_t error;
	json_t *json = json_loadb(a->body, a->body_len, 0, &error);

	ck_assert_msg(json != NULL, "%s: %s", error.text, a->body);
	return json;
}

static json_int_t
number(const json_t *json, const char *name)
{
	const json_t *value = json_object_get(json, name);

	ck_assert_msg(json_is_integer(value), "no number %s", name);
	return json_integer_value(value);
}

static const char *
text(const json_t *json, const char *name)
{
	const char *value = json_string_value(json_object_get(json, name));

	ck_assert_msg(value != NULL, "no text %s", name);
	return value;
}

/* Of RFC 9457, and nothing was done. */
static void
expect_problem(const struct http_answer *a, int status, const char *type)
{
	char uri[64];

	ck_assert_msg(a->status == status, "%d, not %d: %s", a->status, status, a->body);
	ck_assert_str_eq(http_field(a, "Content-Type"), "application/problem+json");
	json_t *json = json_of(a);
	snprintf(uri, sizeof(uri), type ? "/problems/%s" : "about:blank", type);
	ck_assert_str_eq(text(json, "type"), uri);
	ck_assert_int_eq(number(json, "status"), status);
	ck_assert_ptr_nonnull(text(json, "title"));
	ck_assert_ptr_nonnull(text(json, "detail"));
	ck_assert_ptr_nonnull(text(json, "hint"));
	json_decref(json);
}

struct receipt {
	char room[65], epoch[17];
	json_int_t seq, ts;
	bool dup;
};

static void
read_receipt(const struct http_answer *a, struct receipt *receipt)
{
	ck_assert_msg(a->status == 200, "%d: %s", a->status, a->body);
	ck_assert_str_eq(http_field(a, "Content-Type"), "application/json");
	ck_assert_str_eq(http_field(a, "Cache-Control"), "no-store");
	json_t *json = json_of(a);
	snprintf(receipt->room, sizeof(receipt->room), "%s", text(json, "room"));
	snprintf(receipt->epoch, sizeof(receipt->epoch), "%s", text(json, "epoch"));
	receipt->seq = number(json, "seq");
	receipt->ts = number(json, "ts");
	receipt->dup = json_object_get(json, "dup") != NULL;
	ck_assert_uint_eq(json_object_size(json), receipt->dup ? 5 : 4);
	ck_assert(!receipt->dup || json_is_true(json_object_get(json, "dup")));
	json_decref(json);
}

/* On a connection of its own, so that any worker may get it. */
static void
post(uint16_t port, const char *target, const char *fields, const char *body,
     struct receipt *receipt)
{
	struct http_answer a;

	http_request(port, "POST", target, fields, body, &a);
	read_receipt(&a, receipt);
	http_answer_fini(&a);
}

static json_t *
get(uint16_t port, const char *target)
{
	struct http_answer a;
	json_t *json;

	http_request(port, "GET", target, NULL, NULL, &a);
	ck_assert_msg(a.status == 200, "%s: %d: %s", target, a.status, a.body);
	ck_assert_str_eq(http_field(&a, "Content-Type"), "application/json");
	json = json_of(&a);
	http_answer_fini(&a);
	return json;
}

/* ---- POST ---- */

START_TEST(what_is_posted_is_heard_as_it_was_sent)
{
	static const struct {
		const char *fields;
		const char *body;
		size_t len;
		enum ws_opcode opcode;
	} messages[] = {
#define MESSAGE(fields, body, opcode) {fields, body, sizeof(body) - 1, opcode}
	    MESSAGE("", "hello", WS_TEXT),
	    MESSAGE("", "", WS_TEXT),
	    MESSAGE("Content-Type: application/x-www-form-urlencoded\r\n", "a=1&b=%41+", WS_TEXT),
	    MESSAGE("Content-Type: application/json\r\n", " {\"t\": \"join\"}\n", WS_TEXT),
	    MESSAGE("Content-Type: image/png\r\n", "\xf0\x9f\x98\x80 \"x\" \\ \0 nul", WS_TEXT),
	    MESSAGE("Content-Type: application/octet-stream-ish\r\n", "text", WS_TEXT),
	    MESSAGE(BINARY, "\0\xff\n\x80", WS_BINARY),
	    MESSAGE(BINARY, "", WS_BINARY),
	    MESSAGE("Content-Type: Application/Octet-Stream ;charset=x\r\n", "\xc3\x28", WS_BINARY),
	};
	enum { LISTENERS = 4 };
	struct daemon *d = daemon_start_default();
	struct ws ws[LISTENERS];
	struct receipt first, receipt;

	ws_open_everywhere(ws, LISTENERS, d, "/chat/r1");
	for (size_t m = 0; m < N(messages); m++) {
		struct http_conn c;
		struct http_answer a;

		http_open(&c, daemon_port(d));
		http_sendf(
		    &c,
		    "POST /chat/r1 HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %zu\r\n\r\n",
		    messages[m].fields, messages[m].len);
		http_send(&c, messages[m].body, messages[m].len);
		http_read(&c, "POST", &a);
		read_receipt(&a, &receipt);
		if (m == 0)
			first = receipt;
		ck_assert_str_eq(receipt.room, "r1");
		ck_assert_str_eq(receipt.epoch, first.epoch);
		ck_assert_int_eq(receipt.seq, first.seq + (json_int_t)m);
		ck_assert_int_ge(receipt.ts, first.ts);
		ck_assert_int_le(receipt.ts, (json_int_t)(time(NULL) + 1) * 1000);
		ck_assert_int_ge(receipt.ts, (json_int_t)(time(NULL) - 60) * 1000);
		ck_assert(!receipt.dup);
		http_answer_fini(&a);
		http_close(&c);
		for (size_t i = 0; i < LISTENERS; i++)
			ws_expect_data(&ws[i], messages[m].opcode, messages[m].body,
				       messages[m].len);
	}
	for (size_t i = 0; i < LISTENERS; i++) {
		ws_expect_silence(&ws[i]);
		ws_close(&ws[i]);
	}
	daemon_stop(d);
}
END_TEST

START_TEST(without_a_room_it_is_the_lobby)
{
	struct daemon *d = daemon_start_default();
	struct receipt receipt;
	struct ws ws;

	ws_open(&ws, daemon_port(d), "/chat", NULL);
	post(daemon_port(d), "/chat", NULL, "to all", &receipt);
	ck_assert_str_eq(receipt.room, "lobby");
	ws_expect(&ws, "to all");
	post(daemon_port(d), "/chat/l%6fbby", NULL, "as well", &receipt);
	ck_assert_str_eq(receipt.room, "lobby");
	ws_expect(&ws, "as well");
	ws_close(&ws);
	daemon_stop(d);
}
END_TEST

START_TEST(chunks_are_a_body_like_another)
{
	struct daemon *d = daemon_start_default();
	struct http_conn c;
	struct http_answer a;
	struct receipt receipt;
	struct ws ws;

	ws_open(&ws, daemon_port(d), "/chat/r1", NULL);
	http_open(&c, daemon_port(d));
	http_send_text(
	    &c, "POST /chat/r1 HTTP/1.1\r\nHost: localhost\r\n"
		"Transfer-Encoding: chunked\r\n\r\n3\r\na\xe5\xa4\r\n2\r\n\xaa!\r\n0\r\n\r\n");
	http_read(&c, "POST", &a);
	read_receipt(&a, &receipt);
	http_answer_fini(&a);
	ws_expect(&ws, "a\xe5\xa4\xaa!");
	/* and the connection goes on */
	http_exchange(&c, "POST", "/chat/r1", NULL, "next", &a);
	read_receipt(&a, &receipt);
	http_answer_fini(&a);
	ws_expect(&ws, "next");
	http_close(&c);
	ws_close(&ws);
	daemon_stop(d);
}
END_TEST

START_TEST(a_key_acts_once)
{
	struct daemon *d = daemon_start("server.workers=2", NULL);
	uint16_t port = daemon_port(d);
	struct receipt first, receipt;
	pid_t pids[PROCFS_MAX];
	struct ws ws;

	ws_open(&ws, port, "/chat/r1", NULL);
	post(port, "/chat/r1", "Idempotency-Key: k~1\r\n", "once", &first);
	ck_assert(!first.dup);
	/* by whichever worker, and whatever its body is now */
	for (int i = 0; i < 8; i++) {
		post(port, "/chat/r1", "Idempotency-Key: k~1\r\n", i % 2 ? "once" : "changed",
		     &receipt);
		ck_assert(receipt.dup);
		ck_assert_int_eq(receipt.seq, first.seq);
		ck_assert_int_eq(receipt.ts, first.ts);
		ck_assert_str_eq(receipt.epoch, first.epoch);
	}
	/* another key, the same in another room, none at all */
	post(port, "/chat/r1", "Idempotency-Key: k~2\r\n", "two", &receipt);
	ck_assert(!receipt.dup && receipt.seq == first.seq + 1);
	post(port, "/chat/r2", "Idempotency-Key: k~1\r\n", "elsewhere", &receipt);
	ck_assert(!receipt.dup);
	post(port, "/chat/r1", NULL, "three", &receipt);
	ck_assert(!receipt.dup && receipt.seq == first.seq + 2);
	ws_expect(&ws, "once");
	ws_expect(&ws, "two");
	ws_expect(&ws, "three");
	ws_expect_silence(&ws);
	ws_drop(&ws);
	/* the workers are killed: it is remembered where no worker lives */
	size_t n = daemon_workers(d, pids);
	for (size_t i = 0; i < n; i++)
		kill(pids[i], SIGKILL);
	for (size_t i = 0; i < n; i++)
		WAIT_UNTIL(!procfs_alive(pids[i]));
	post(port, "/chat/r1", "Idempotency-Key: k~1\r\n", "once", &receipt);
	ck_assert(receipt.dup && receipt.seq == first.seq);
	daemon_stop(d);
}
END_TEST

#define SIXTY_FOUR "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const struct {
	const char *method, *target, *fields, *body;
	int status;
	const char *type;
} refused[] = {
    {"POST", "/chat/.", NULL, "x", 404, NULL}, /* nothing can be there: the front door's */
    {"POST", "/chat/a%20b", NULL, "x", 404, "no-room"},
    {"POST", "/chat/a%2fb", NULL, "x", 404, "no-room"},
    {"POST", "/chat/%00", NULL, "x", 404, "no-room"},
    {"POST", "/chat/" SIXTY_FOUR "0", NULL, "x", 404, "no-room"},
    {"POST", "/chat/_news", NULL, "x", 403, "reserved-room"},
    {"POST", "/chat/_", NULL, "x", 403, "reserved-room"},
    {"POST", "/chat/r1?name=ann", NULL, "x", 400, "bad-parameter"},
    {"POST", "/chat?x", NULL, "x", 400, "bad-parameter"},
    {"POST", "/chat/r1", "Idempotency-Key:\r\n", "x", 400, "bad-key"},
    {"POST", "/chat/r1", "Idempotency-Key: a b\r\n", "x", 400, "bad-key"},
    {"POST", "/chat/r1", "Idempotency-Key: \xc3\xa9\r\n", "x", 400, "bad-key"},
    {"POST", "/chat/r1", "Idempotency-Key: " SIXTY_FOUR "0\r\n", "x", 400, "bad-key"},
    {"POST", "/chat/r1", "Idempotency-Key: a\r\nIdempotency-Key: a\r\n", "x", 400, "bad-key"},
    {"POST", "/chat/r1", NULL, "\xff", 400, "bad-text"},
    {"POST", "/chat/r1", NULL, "cut \xe5\xa4", 400, "bad-text"},
    {"POST", "/chat/r1", "Content-Type: text/plain\r\n", "\xed\xa0\x80", 400, "bad-text"},
    {"POST", "/chat/r1", BINARY BINARY, "\xff", 400, "bad-text"},
    {"POST", "/chat/r1", NULL, NULL, 411, NULL},
    {"POST", "/chat/r1", "Content-Encoding: gzip\r\n", "x", 415, NULL},
    {"POST", "/chat/r1", "Origin: https://evil.example\r\n", "x", 403, NULL},
    {"POST", "/chat/r1", "Sec-Fetch-Site: cross-site\r\n", "x", 403, NULL},
    {"POST", "/chat/r1", FROM("10.0.0.1"), "x", 403, NULL}, /* server.public has no chat */
    {"PUT", "/chat/r1", NULL, "x", 405, NULL},
    {"DELETE", "/chat/r1", NULL, NULL, 405, NULL},
    {"POST", "/chat/r1/history", NULL, "x", 405, NULL},
    {"POST", "/chat/r1/members", NULL, "x", 405, NULL},
    {"GET", "/chat/r1/other", NULL, NULL, 404, NULL},
    {"GET", "/chat/r1", NULL, NULL, 426, NULL},
    {"GET", "/chat/a%20b/history", NULL, NULL, 404, "no-room"},
    {"GET", "/chat/r1/history?x=1", NULL, NULL, 400, "bad-parameter"},
    {"GET", "/chat/r1/history?limit=0", NULL, NULL, 400, "bad-parameter"},
    {"GET", "/chat/r1/history?limit=201", NULL, NULL, 400, "bad-parameter"},
    {"GET", "/chat/r1/history?limit=", NULL, NULL, 400, "bad-parameter"},
    {"GET", "/chat/r1/history?limit=1&limit=1", NULL, NULL, 400, "bad-parameter"},
    {"GET", "/chat/r1/history?after=-1", NULL, NULL, 400, "bad-parameter"},
    {"GET", "/chat/r1/history?after=1x", NULL, NULL, 400, "bad-parameter"},
    {"GET", "/chat/r1/history?before=99999999999999999999", NULL, NULL, 400, "bad-parameter"},
    {"GET", "/chat/r1/history?after=1&before=9", NULL, NULL, 400, "bad-parameter"},
    {"GET", "/chat/r1/history", FROM("10.0.0.1"), NULL, 403, NULL},
    {"GET", "/chat/a,b/members", NULL, NULL, 404, "no-room"},
    {"GET", "/chat/r1/members?x=1", NULL, NULL, 400, "bad-parameter"},
    {"GET", "/chat/r1/members?limit=201", NULL, NULL, 400, "bad-parameter"},
    {"GET", "/chat/r1/members?limit=0", NULL, NULL, 400, "bad-parameter"},
    {"GET", "/chat/r1/members?offset=a", NULL, NULL, 400, "bad-parameter"},
    {"GET", "/chat/r1/members?offset=4294967296", NULL, NULL, 400, "bad-parameter"},
    {"GET", "/chat/r1/members", FROM("10.0.0.1"), NULL, 403, NULL},
};

/* All of them by one daemon, which lives on and has stored nothing. */
START_TEST(what_is_wrong_is_refused_and_named)
{
	struct daemon *d = daemon_start_default();
	struct http_answer a;

	for (size_t i = 0; i < N(refused); i++) {
		http_request(daemon_port(d), refused[i].method, refused[i].target,
			     refused[i].fields, refused[i].body, &a);
		if (a.status != refused[i].status)
			ck_abort_msg("%s %s (%zu): %d, not %d: %s", refused[i].method,
				     refused[i].target, i, a.status, refused[i].status, a.body);
		expect_problem(&a, refused[i].status, refused[i].type);
		http_answer_fini(&a);
	}
	json_t *json = get(daemon_port(d), "/chat/r1/history");
	ck_assert_uint_eq(json_array_size(json_object_get(json, "msgs")), 0);
	json_decref(json);
	daemon_stop(d);
}
END_TEST

START_TEST(the_longest_message_and_one_byte_more)
{
	struct daemon *d = daemon_start("chat.max_message_size=1000", NULL);
	struct http_answer a;
	struct receipt receipt;
	char body[1002];
	struct ws ws;

	memset(body, 'm', sizeof(body));
	body[1001] = '\0';
	ws_open(&ws, daemon_port(d), "/chat/r1", NULL);
	http_request(daemon_port(d), "POST", "/chat/r1", NULL, body, &a);
	expect_problem(&a, 413, NULL);
	http_answer_fini(&a);
	body[1000] = '\0';
	post(daemon_port(d), "/chat/r1", NULL, body, &receipt);
	ws_expect(&ws, body);
	ws_close(&ws);
	daemon_stop(d);
}
END_TEST

/* ---- rates ---- */

static int
post_status(uint16_t port, const char *target, const char *fields)
{
	struct http_answer a;
	int status;

	http_request(port, "POST", target, fields, "x", &a);
	status = a.status;
	if (status == 429) {
		expect_problem(&a, 429, "rate");
		int seconds = atoi(http_field(&a, "Retry-After"));
		ck_assert_int_ge(seconds, 1);
		ck_assert_int_le(seconds, 60);
	} else {
		ck_assert_int_eq(status, 200);
	}
	http_answer_fini(&a);
	return status;
}

START_TEST(others_may_publish_at_a_rate_for_each_address)
{
	struct daemon *d = daemon_start("server.workers=1", "server.public=chat",
					"chat.publish_rate=1", "chat.publish_burst=3", NULL);
	uint16_t port = daemon_port(d);
	unsigned refusals = 0, spared = 0;

	for (int i = 0; i < 6; i++)
		refusals += post_status(port, "/chat/r1", FROM("10.0.0.1")) == 429;
	/* on a slow machine a second may have brought one more */
	ck_assert_uint_ge(refusals, 1);
	ck_assert_uint_le(refusals, 3);
	/* another address, another network of IPv6, this machine */
	for (int i = 0; i < 3; i++) {
		spared += post_status(port, "/chat/r1", FROM("10.0.0.2")) == 200;
		spared += post_status(port, "/chat/r1", FROM("2001:db8:1:2::1")) == 200;
		spared += post_status(port, "/chat/r1", FROM("2001:db8:1:3::1")) == 200;
	}
	ck_assert_uint_eq(spared, 9);
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(post_status(port, "/chat/r1", NULL), 200);
	/* but not another address of the same network */
	refusals = 0;
	for (int i = 0; i < 4; i++)
		refusals += post_status(port, "/chat/r1", FROM("2001:db8:1:2::2")) == 429;
	ck_assert_uint_ge(refusals, 1);
	/* and it comes back */
	WAIT_UNTIL(post_status(port, "/chat/r1", FROM("10.0.0.1")) == 200);
	daemon_stop(d);
}
END_TEST

START_TEST(a_room_has_a_rate_for_all)
{
	struct daemon *d =
	    daemon_start("server.workers=2", "chat.room_rate=1", "chat.room_burst=3", NULL);
	uint16_t port = daemon_port(d);
	unsigned refusals = 0;

	for (int i = 0; i < 8; i++)
		refusals += post_status(port, "/chat/r1", NULL) == 429;
	ck_assert_uint_ge(refusals, 1);
	ck_assert_uint_le(refusals, 5);
	ck_assert_int_eq(post_status(port, "/chat/r2", NULL), 200);
	daemon_stop(d);
}
END_TEST

/* ---- GET history ---- */

/* The messages are m<from> to m<to>, and these have the seqs that go with that. */
static void
expect_page(uint16_t port, const char *target, json_int_t first_seq, int from, int to, bool more)
{
	json_t *json = get(port, target), *msgs = json_object_get(json, "msgs"), *msg;
	size_t i;

	ck_assert_str_eq(text(json, "room"), "r1");
	ck_assert_int_eq(number(json, "first"), first_seq);
	ck_assert_msg(json_array_size(msgs) == (size_t)(to - from + 1), "%s: %zu messages", target,
		      json_array_size(msgs));
	json_array_foreach(msgs, i, msg)
	{
		char wanted[16];

		snprintf(wanted, sizeof(wanted), "m%d", from + (int)i);
		ck_assert_str_eq(text(msg, "t"), "msg");
		ck_assert_str_eq(text(msg, "room"), "r1");
		ck_assert_str_eq(text(msg, "data"), wanted);
		ck_assert_int_eq(number(msg, "seq"), first_seq + from + (json_int_t)i);
		ck_assert_int_gt(number(msg, "ts"), 0);
	}
	ck_assert_msg(json_is_true(json_object_get(json, "more")) == more, "%s", target);
	ck_assert_uint_eq(json_object_size(json), 5);
	json_decref(json);
}

START_TEST(history_comes_in_pages)
{
	struct daemon *d = daemon_start_default();
	uint16_t port = daemon_port(d);
	struct receipt receipt;
	struct http_conn c;
	struct http_answer a;
	char body[16], target[80];
	json_int_t first = 0;

	http_open(&c, port);
	for (int i = 0; i < 250; i++) {
		snprintf(body, sizeof(body), "m%d", i);
		http_exchange(&c, "POST", "/chat/r1", NULL, body, &a);
		read_receipt(&a, &receipt);
		if (i == 0)
			first = receipt.seq;
		http_answer_fini(&a);
	}
	http_close(&c);
#define PAGE(from, to, more, ...)                                 \
	do {                                                      \
		snprintf(target, sizeof(target), __VA_ARGS__);    \
		expect_page(port, target, first, from, to, more); \
	} while (0)
	PAGE(200, 249, true, "/chat/r1/history");
	PAGE(50, 249, true, "/chat/r1/history?limit=200");
	PAGE(249, 249, true, "/chat/r1/history?limit=1");
	PAGE(90, 99, true, "/chat/r1/history?limit=10&before=%lld", first + 100);
	PAGE(0, 9, false, "/chat/r1/history?limit=20&before=%lld", first + 10);
	PAGE(0, -1, false, "/chat/r1/history?before=%lld", first);
	PAGE(0, -1, false, "/chat/r1/history?before=0");
	PAGE(200, 249, true, "/chat/r1/history?before=9007199254740991");
	PAGE(101, 150, true, "/chat/r1/history?after=%lld", first + 100);
	PAGE(101, 110, true, "/chat/r1/history?limit=10&after=%lld", first + 100);
	PAGE(240, 249, false, "/chat/r1/history?limit=10&after=%lld", first + 239);
	PAGE(0, 9, true, "/chat/r1/history?limit=10&after=0");
	PAGE(0, -1, false, "/chat/r1/history?after=%lld", first + 249);
	PAGE(0, -1, false, "/chat/r1/history?after=9007199254740991");
	daemon_stop(d);
}
END_TEST

START_TEST(history_has_what_was_sent)
{
	struct daemon *d = daemon_start_default();
	uint16_t port = daemon_port(d);
	struct receipt receipt;
	struct http_answer a;
	json_t *json, *msg;
	struct ws ws;

	post(port, "/chat/r1", "Idempotency-Key: key-1\r\n", "\"q\" \\ \xf0\x9f\x98\x80\n",
	     &receipt);
	post(port, "/chat/r1", BINARY, "\x01\xff\x80", &receipt);
	ws_open(&ws, port, "/chat/r1", NULL);
	ws_send(&ws, "{\"t\":\"pub\"}");
	ws_expect(&ws, "{\"t\":\"pub\"}");
	ws_close(&ws);
	json = get(port, "/chat/r1/history");
	ck_assert_str_eq(text(json, "epoch"), receipt.epoch);
	msg = json_array_get(json_object_get(json, "msgs"), 0);
	ck_assert_str_eq(text(msg, "data"), "\"q\" \\ \xf0\x9f\x98\x80\n");
	ck_assert_str_eq(text(msg, "cid"), "key-1");
	ck_assert_ptr_null(json_object_get(msg, "from"));
	msg = json_array_get(json_object_get(json, "msgs"), 1);
	ck_assert_str_eq(text(msg, "b64"), "Af+A");
	ck_assert_ptr_null(json_object_get(msg, "data"));
	ck_assert_ptr_null(json_object_get(msg, "cid"));
	msg = json_array_get(json_object_get(json, "msgs"), 2);
	ck_assert_str_eq(text(msg, "data"), "{\"t\":\"pub\"}");
	ck_assert_ptr_nonnull(text(msg, "from"));
	json_decref(json);
	/* of a room that nobody has ever named */
	json = get(port, "/chat/nobody/history");
	ck_assert_uint_eq(json_array_size(json_object_get(json, "msgs")), 0);
	ck_assert(json_is_false(json_object_get(json, "more")));
	ck_assert_uint_ge(strlen(text(json, "epoch")), 8);
	json_decref(json);
	/* RFC 9110 9.3.2 */
	http_request(port, "HEAD", "/chat/r1/history", NULL, NULL, &a);
	ck_assert_int_eq(a.status, 200);
	http_answer_fini(&a);
	daemon_stop(d);
}
END_TEST

START_TEST(a_page_of_long_messages_is_short)
{
	enum { MESSAGES = 12, LEN = 60000 };
	struct daemon *d = daemon_start_default();
	uint16_t port = daemon_port(d);
	char *body = malloc(LEN + 1);
	struct receipt receipt;
	json_int_t next = 0;
	unsigned pages = 0, n = 0;
	bool more = true;

	memset(body, 'm', LEN);
	body[LEN] = '\0';
	for (int i = 0; i < MESSAGES; i++)
		post(port, "/chat/r1", NULL, body, &receipt);
	while (more) {
		char target[64];
		json_t *json, *msgs, *msg;
		size_t i;

		snprintf(target, sizeof(target), "/chat/r1/history?after=%lld", (long long)next);
		json = get(port, target);
		msgs = json_object_get(json, "msgs");
		ck_assert_uint_ge(json_array_size(msgs), 1);
		ck_assert_uint_le(json_array_size(msgs) * LEN, 256 * 1024);
		json_array_foreach(msgs, i, msg)
		{
			ck_assert(next == 0 || number(msg, "seq") == next + 1);
			next = number(msg, "seq");
			n++;
		}
		more = json_is_true(json_object_get(json, "more"));
		pages++;
		json_decref(json);
	}
	ck_assert_uint_eq(n, MESSAGES);
	ck_assert_uint_eq(pages, 3);
	json_t *json = get(port, "/chat/r1/history");
	json_t *msgs = json_object_get(json, "msgs");
	ck_assert_uint_eq(json_array_size(msgs), 4);
	ck_assert_int_eq(number(json_array_get(msgs, 3), "seq"), next);
	ck_assert(json_is_true(json_object_get(json, "more")));
	json_decref(json);
	free(body);
	daemon_stop(d);
}
END_TEST

START_TEST(history_is_what_the_options_give)
{
	struct daemon *d = daemon_start("chat.history_messages=3", NULL);
	struct receipt receipt;

	for (int i = 0; i < 5; i++)
		post(daemon_port(d), "/chat/r1", NULL, i % 2 ? "m" : "n", &receipt);
	json_t *json = get(daemon_port(d), "/chat/r1/history");
	ck_assert_uint_eq(json_array_size(json_object_get(json, "msgs")), 3);
	ck_assert_int_eq(number(json, "first"), receipt.seq - 2);
	ck_assert(json_is_false(json_object_get(json, "more")));
	json_decref(json);
	daemon_stop(d);
}
END_TEST

/* ---- GET members ---- */

static json_int_t
count_members(uint16_t port, const char *room)
{
	char target[100];
	json_t *json;
	json_int_t count;

	snprintf(target, sizeof(target), "/chat/%s/members", room);
	json = get(port, target);
	ck_assert_str_eq(text(json, "room"), room);
	count = number(json, "count");
	ck_assert_uint_eq(json_array_size(json_object_get(json, "members")), (size_t)count);
	ck_assert(json_is_false(json_object_get(json, "more")));
	json_decref(json);
	return count;
}

START_TEST(members_come_and_go)
{
	enum { MEMBERS = 5 };
	struct daemon *d = daemon_start_default();
	uint16_t port = daemon_port(d);
	struct ws ws[MEMBERS];
	json_t *page[2], *a, *b;

	ck_assert_int_eq(count_members(port, "r1"), 0);
	ws_open_everywhere(ws, MEMBERS, d, "/chat/r1");
	/* ws_open_everywhere may have opened some more, which are leaving */
	WAIT_UNTIL(count_members(port, "r1") == MEMBERS);
	page[0] = get(port, "/chat/r1/members?limit=3");
	page[1] = get(port, "/chat/r1/members?limit=3&offset=3");
	ck_assert(json_is_true(json_object_get(page[0], "more")));
	ck_assert(json_is_false(json_object_get(page[1], "more")));
	ck_assert_int_eq(number(page[0], "count"), MEMBERS);
	ck_assert_int_eq(number(page[0], "pseq"), number(page[1], "pseq"));
	ck_assert_uint_eq(json_array_size(json_object_get(page[0], "members")), 3);
	ck_assert_uint_eq(json_array_size(json_object_get(page[1], "members")), 2);
	a = json_array_get(json_object_get(page[0], "members"), 2);
	b = json_array_get(json_object_get(page[1], "members"), 0);
	ck_assert_str_ne(text(a, "conn"), text(b, "conn"));
	ck_assert_int_le(number(a, "since"), number(b, "since"));
	json_decref(page[0]);
	json_decref(page[1]);
	for (int i = 0; i < MEMBERS; i++)
		ws_drop(&ws[i]);
	WAIT_UNTIL(count_members(port, "r1") == 0);
	daemon_stop(d);
}
END_TEST

START_TEST(pages_of_listed_origins_may_publish)
{
	static const char origin[] =
	    "Origin: https://app.example\r\nSec-Fetch-Site: cross-site\r\n";
	struct daemon *d = daemon_start("http.origins=https://app.example", NULL);
	struct http_answer a;
	struct receipt receipt;

	http_request(daemon_port(d), "POST", "/chat/r1", origin, "x", &a);
	read_receipt(&a, &receipt);
	ck_assert_str_eq(http_field(&a, "Access-Control-Allow-Origin"), "https://app.example");
	http_answer_fini(&a);
	http_request(daemon_port(d), "OPTIONS", "/chat/r1",
		     "Origin: https://app.example\r\nAccess-Control-Request-Method: POST\r\n"
		     "Access-Control-Request-Headers: idempotency-key\r\n",
		     NULL, &a);
	ck_assert_int_eq(a.status, 204);
	ck_assert_ptr_nonnull(strstr(http_field(&a, "Access-Control-Allow-Methods"), "POST"));
	ck_assert_str_eq(http_field(&a, "Access-Control-Allow-Headers"), "idempotency-key");
	http_answer_fini(&a);
	daemon_stop(d);
}
END_TEST

static void
fill(Suite *suite)
{
	TCase *tc = it_case(suite, "post");

	tcase_add_test(tc, what_is_posted_is_heard_as_it_was_sent);
	tcase_add_test(tc, without_a_room_it_is_the_lobby);
	tcase_add_test(tc, chunks_are_a_body_like_another);
	tcase_add_test(tc, a_key_acts_once);
	tcase_add_test(tc, what_is_wrong_is_refused_and_named);
	tcase_add_test(tc, the_longest_message_and_one_byte_more);
	tcase_add_test(tc, others_may_publish_at_a_rate_for_each_address);
	tcase_add_test(tc, a_room_has_a_rate_for_all);
	tcase_add_test(tc, pages_of_listed_origins_may_publish);
	tc = it_case(suite, "get");
	tcase_add_test(tc, history_comes_in_pages);
	tcase_add_test(tc, history_has_what_was_sent);
	tcase_add_test(tc, a_page_of_long_messages_is_short);
	tcase_add_test(tc, history_is_what_the_options_give);
	tcase_add_test(tc, members_come_and_go);
}

int
main(void)
{
	return it_main("chat_http", fill, 0);
}
