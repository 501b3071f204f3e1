/* links: tests/unit/fake_exchange.c tests/unit/fail_alloc.c src/hub/chat_http.c src/hub/position.c
 * src/hub/room_name.c src/hub/wire.c src/hub/frame.c src/http/query.c src/http/chars.c
 * src/http/route.c src/base/buffer.c src/base/clock.c src/base/log.c src/base/loop.c
 * src/base/siphash.c -levent_core -lz */
/*
 * test_chat_http.c - the handlers of the chat over HTTP without a front door and without a log:
 * what they ask of the hub, and what they make of its answers.
 */
#include "hub/chat_http.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "fail_alloc.h"
#include "fake_exchange.h"
#include "hub/history.h"
#include "hub/hub_private.h"
#include "hub/presence.h"
#include "hub/publish.h"
#include "request_fill.h"

#define N(table) ((int)(sizeof(table) / sizeof((table)[0])))

/* ---- the hub ---- */

static struct hub hub;
static struct chat_http *http;
static struct route_table routes;

static struct {
	enum publish_result result; /* to be given */
	uint64_t retry_ms;
	unsigned calls;
	struct log_message message;
	char room[65], id[65], payload[64];
	struct rate *limit;
} published;

static struct {
	enum log_result result;
	unsigned calls;
	struct history_wish wish;
	struct history_bounds bounds;
	size_t offset, limit;
} asked;

static void
copy(char *out, size_t size, struct span from)
{
	ck_assert_uint_lt(from.len, size);
	if (from.len)
		memcpy(out, from.ptr, from.len);
	out[from.len] = '\0';
}

enum publish_result
hub_publish(struct hub *h, struct rate *limit, const struct log_message *message,
	    struct log_receipt *receipt, uint64_t *retry_ms)
{
	fail_alloc_hold(true);
	ck_assert_ptr_eq(h, &hub);
	published.calls++;
	published.message = *message;
	published.limit = limit;
	copy(published.room, sizeof(published.room), message->room);
	copy(published.id, sizeof(published.id), message->id);
	copy(published.payload, sizeof(published.payload), message->payload);
	*receipt = (struct log_receipt){.epoch = 0x9f2c61d0,
					.seq = 1042 + published.calls,
					.ts_ms = 1732291200123,
					.is_duplicate = message->id.len == 3};
	*retry_ms = published.retry_ms;
	fail_alloc_hold(false);
	return published.result;
}

enum log_result
history_write(struct chat_log *log, const struct history_bounds *bounds, struct span room,
	      const struct history_wish *wish, struct buffer *out)
{
	ck_assert_ptr_eq(log, &hub.log);
	asked.calls++;
	asked.wish = *wish;
	asked.bounds = *bounds;
	if (asked.result != LOG_OK)
		return asked.result;
	ck_assert(buffer_printf(out, SIZE_MAX, "\"room\":\"%.*s\"", (int)room.len, room.ptr));
	return LOG_OK;
}

enum log_result
presence_write_room(struct presence *presence, struct span room, size_t offset, size_t limit,
		    struct buffer *out)
{
	(void)presence;
	asked.calls++;
	asked.offset = offset;
	asked.limit = limit;
	if (asked.result != LOG_OK)
		return asked.result;
	ck_assert(buffer_printf(out, SIZE_MAX, "\"members\":\"%.*s\"", (int)room.len, room.ptr));
	return LOG_OK;
}

static void
setup(void)
{
	static struct config config;

	config.chat_history_messages = 77;
	config.chat_history_age = 5000;
	memset(&hub, 0, sizeof(hub));
	memset(&published, 0, sizeof(published));
	memset(&asked, 0, sizeof(asked));
	memset(&routes, 0, sizeof(routes));
	hub.loop = loop_new();
	hub.config = &config;
	hub.max_message = 4321;
	http = chat_http_new(&hub);
	ck_assert_ptr_nonnull(http);
	chat_http_add_routes(http, &routes);
}

static void
teardown(void)
{
	chat_http_free(&http);
	loop_free(&hub.loop);
}

/* ---- asking ---- */

static const struct route *
find(enum http_method method, const char *path)
{
	static struct route_match match;

	ck_assert_int_eq(route_match(&routes, method, span_str(path), &match), ROUTE_FOUND);
	return match.route;
}

static void
ask(struct exchange *x, enum http_method method, const char *pattern)
{
	const struct route *route = find(method, pattern);

	ck_assert_int_eq(route->scope, SCOPE_CHAT);
	x->request.method = method;
	route->handle(x, route->ctx);
}

static struct exchange *
post(const char *room, const char *body)
{
	struct exchange *x = fake_exchange_new(NULL, room, body);

	ask(x, HTTP_POST, "/chat/room");
	return x;
}

static void
is_problem(struct exchange *x, int status, const char *type, const char *fields)
{
	ck_assert(x->answered && x->is_problem);
	ck_assert_int_eq(x->status, status);
	ck_assert_str_eq(x->type, type);
	ck_assert_str_eq(x->fields, fields);
	ck_assert_ptr_nonnull(x->title);
	ck_assert_ptr_nonnull(x->detail);
	fake_exchange_free(&x);
}

/* ---- publishing ---- */

START_TEST(a_body_is_published_as_it_is)
{
	struct exchange *x = post("r1", "hello");

	ck_assert_int_eq(x->status, 200);
	ck_assert_str_eq(x->content_type, "application/json");
	ck_assert_str_eq(x->text, "{\"room\":\"r1\",\"epoch\":\"9f2c61d0\",\"seq\":1043,"
				  "\"ts\":1732291200123}");
	ck_assert_str_eq(published.room, "r1");
	ck_assert_str_eq(published.payload, "hello");
	ck_assert_int_eq(published.message.kind, LOG_TEXT);
	ck_assert_uint_eq(published.message.from, 0);
	ck_assert_uint_eq(published.message.id.len, 0);
	ck_assert_uint_eq(published.message.name.len, 0);
	ck_assert_ptr_null(published.limit);
	fake_exchange_free(&x);
	/* a body is as long as a message may be */
	ck_assert_uint_eq(find(HTTP_POST, "/chat/room")->body_limit, 4321);
	ck_assert_uint_eq(find(HTTP_POST, "/chat")->body_limit, 4321);
	x = fake_exchange_new(NULL, NULL, "");
	ask(x, HTTP_POST, "/chat");
	ck_assert_str_eq(published.room, "lobby");
	ck_assert_str_eq(published.payload, "");
	fake_exchange_free(&x);
}
END_TEST

START_TEST(a_key_goes_with_it)
{
	struct exchange *x = fake_exchange_new(NULL, "r1", "hello");

	request_fill(&x->request, FIELD_IDEMPOTENCY_KEY, SPAN_LIT("~!\""));
	ask(x, HTTP_POST, "/chat/room");
	ck_assert_str_eq(published.id, "~!\"");
	ck_assert_str_eq(x->text, "{\"room\":\"r1\",\"epoch\":\"9f2c61d0\",\"seq\":1043,"
				  "\"ts\":1732291200123,\"dup\":true}");
	fake_exchange_free(&x);
}
END_TEST

static const struct {
	enum publish_result result;
	uint64_t retry_ms;
	int status;
	const char *type, *fields;
} refusals[] = {
    {PUBLISH_DENIED, 0, 403, "reserved-room", ""},
    {PUBLISH_TOO_BIG, 0, 413, "too-big", ""},
    {PUBLISH_RATE, 0, 429, "rate", "Retry-After: 1\r\n"},
    {PUBLISH_RATE, 1, 429, "rate", "Retry-After: 1\r\n"},
    {PUBLISH_RATE, 1000, 429, "rate", "Retry-After: 1\r\n"},
    {PUBLISH_RATE, 1001, 429, "rate", "Retry-After: 2\r\n"},
    {PUBLISH_RATE, 100000, 429, "rate", "Retry-After: 100\r\n"},
    {PUBLISH_BUSY, 1000, 503, "chat-busy", "Retry-After: 1\r\n"},
    {PUBLISH_FULL, 0, 503, "chat-full", "Retry-After: 1\r\n"},
};

START_TEST(what_the_hub_refuses_is_a_problem)
{
	published.result = refusals[_i].result;
	published.retry_ms = refusals[_i].retry_ms;
	is_problem(post("r1", "x"), refusals[_i].status, refusals[_i].type, refusals[_i].fields);
	ck_assert_uint_eq(published.calls, 1);
}
END_TEST

START_TEST(what_is_no_message_does_not_get_to_the_hub)
{
	struct exchange *x;

	is_problem(post("a b", "x"), 404, "no-room", "");
	is_problem(post("r1", "\xc0\x80"), 400, "bad-text", "");
	x = fake_exchange_new("a=1", "r1", "x");
	ask(x, HTTP_POST, "/chat/room");
	is_problem(x, 400, "bad-parameter", "");
	x = fake_exchange_new(NULL, "r1", "x");
	request_fill(&x->request, FIELD_IDEMPOTENCY_KEY, SPAN_LIT("\x7f"));
	ask(x, HTTP_POST, "/chat/room");
	is_problem(x, 400, "bad-key", "");
	x = fake_exchange_new(NULL, "r1", "x");
	request_fill(&x->request, FIELD_IDEMPOTENCY_KEY, SPAN_LIT("k"));
	x->request.times[FIELD_IDEMPOTENCY_KEY] = 2;
	ask(x, HTTP_POST, "/chat/room");
	is_problem(x, 400, "bad-key", "");
	ck_assert_uint_eq(published.calls, 0);
}
END_TEST

START_TEST(others_have_a_bucket_for_each_address)
{
	struct rate *seen[200];
	unsigned different = 0;

	for (unsigned i = 0; i < 200; i++) {
		struct exchange *x = fake_exchange_new(NULL, "r1", "x");

		x->is_remote = true;
		x->client[15] = (uint8_t)(i / 2);
		ask(x, HTTP_POST, "/chat/room");
		ck_assert_ptr_nonnull(published.limit);
		seen[i] = published.limit;
		fake_exchange_free(&x);
		if (i % 2)
			ck_assert_ptr_eq(seen[i], seen[i - 1]);
	}
	for (unsigned i = 2; i < 200; i += 2)
		different += seen[i] != seen[i - 2];
	/* two that are one by chance are rare */
	ck_assert_uint_ge(different, 95);
}
END_TEST

static void
stop_cb(void *arg, short what)
{
	(void)arg;
	(void)what;
	loop_stop(hub.loop);
}

static void
run_for(uint64_t ms)
{
	struct watch timer;

	watch_init_timer(&timer, hub.loop, "test", stop_cb, NULL);
	ck_assert(watch_start_ms(&timer, ms));
	loop_run(hub.loop);
}

/* A publisher over HTTP waits for a worker that is far behind, as others do. */
START_TEST(answers_wait_while_the_hub_holds)
{
	struct exchange *x[3];

	hub.holding = true;
	for (int i = 0; i < 3; i++) {
		x[i] = post(i == 1 ? "r2" : "r1", "x");
		ck_assert(!x[i]->answered);
	}
	ck_assert_uint_eq(published.calls, 3);
	run_for(30);
	for (int i = 0; i < 3; i++)
		ck_assert(!x[i]->answered);
	hub.holding = false;
	run_for(30);
	for (int i = 0; i < 3; i++) {
		char wanted[80];

		ck_assert(x[i]->answered);
		snprintf(wanted, sizeof(wanted),
			 "{\"room\":\"r%d\",\"epoch\":\"9f2c61d0\",\"seq\":%d,", i == 1 ? 2 : 1,
			 1043 + i);
		ck_assert_ptr_nonnull(strstr(x[i]->text, wanted));
		fake_exchange_free(&x[i]);
	}
	/* and nobody is left without one at the end */
	hub.holding = true;
	x[0] = post("r1", "x");
	chat_http_free(&http);
	ck_assert(x[0]->answered);
	fake_exchange_free(&x[0]);
}
END_TEST

/* ---- pages ---- */

static struct exchange *
get(const char *path, const char *query)
{
	struct exchange *x = fake_exchange_new(query, "r1", NULL);

	ask(x, HTTP_GET, path);
	return x;
}

static const struct {
	const char *query;
	enum history_from from;
	uint64_t seq, limit; /* 0: refused */
} histories[] = {
    {"", HISTORY_NEWEST, 0, 50},
    {"limit=1", HISTORY_NEWEST, 0, 1},
    {"limit=200", HISTORY_NEWEST, 0, 200},
    {"after=0", HISTORY_AFTER, 0, 50},
    {"after=9007199254740991&limit=%32", HISTORY_AFTER, 9007199254740991, 2},
    {"&limit=3&before=7&", HISTORY_BEFORE, 7, 3},
    {"limit=0", HISTORY_NEWEST, 0, 0},
    {"limit=201", HISTORY_NEWEST, 0, 0},
    {"limit=-1", HISTORY_NEWEST, 0, 0},
    {"limit", HISTORY_NEWEST, 0, 0},
    {"limit=1&limit=1", HISTORY_NEWEST, 0, 0},
    {"after=1&before=2", HISTORY_NEWEST, 0, 0},
    {"after=9007199254740992", HISTORY_NEWEST, 0, 0},
    {"after=0x1", HISTORY_NEWEST, 0, 0},
    {"after=", HISTORY_NEWEST, 0, 0},
    {"before=+1", HISTORY_NEWEST, 0, 0},
    {"Limit=1", HISTORY_NEWEST, 0, 0},
    {"last=1", HISTORY_NEWEST, 0, 0},
};

START_TEST(history_is_asked_for)
{
	struct exchange *x = get("/chat/room/history", histories[_i].query);

	if (histories[_i].limit == 0) {
		ck_assert_uint_eq(asked.calls, 0);
		is_problem(x, 400, "bad-parameter", "");
		return;
	}
	ck_assert_int_eq(x->status, 200);
	ck_assert_str_eq(x->text, "{\"room\":\"r1\"}");
	ck_assert_uint_eq(asked.wish.from, histories[_i].from);
	ck_assert_uint_eq(asked.wish.seq, histories[_i].seq);
	ck_assert_uint_eq(asked.wish.limit, histories[_i].limit);
	ck_assert_uint_eq(asked.bounds.messages, 77);
	ck_assert_uint_eq(asked.bounds.age_ms, 5000);
	fake_exchange_free(&x);
}
END_TEST

static const struct {
	const char *query;
	size_t offset, limit; /* 0: refused */
} pages[] = {
    {"", 0, 100},
    {"offset=7", 7, 100},
    {"limit=200&offset=4294967295", 4294967295, 200},
    {"limit=201", 0, 0},
    {"limit=0", 0, 0},
    {"offset=4294967296", 0, 0},
    {"offset=-1", 0, 0},
    {"offset=1&offset=1", 0, 0},
    {"after=1", 0, 0},
};

START_TEST(members_are_asked_for)
{
	struct exchange *x = get("/chat/room/members", pages[_i].query);

	if (pages[_i].limit == 0) {
		ck_assert_uint_eq(asked.calls, 0);
		is_problem(x, 400, "bad-parameter", "");
		return;
	}
	ck_assert_int_eq(x->status, 200);
	ck_assert_str_eq(x->text, "{\"members\":\"r1\"}");
	ck_assert_uint_eq(asked.offset, pages[_i].offset);
	ck_assert_uint_eq(asked.limit, pages[_i].limit);
	fake_exchange_free(&x);
}
END_TEST

START_TEST(a_page_that_cannot_be_had_is_a_problem)
{
	static const char *const paths[] = {"/chat/room/history", "/chat/room/members"};

	for (size_t i = 0; i < 2; i++) {
		asked.result = LOG_BUSY;
		is_problem(get(paths[i], ""), 503, "chat-busy", "Retry-After: 1\r\n");
		asked.result = LOG_TOO_LONG; /* out of memory */
		is_problem(get(paths[i], ""), 503, "chat-busy", "Retry-After: 1\r\n");
	}
}
END_TEST

/* What is published is published: its receipt alone is lost. */
START_TEST(memory_runs_out)
{
	static const char *const paths[] = {"/chat/room/history", "/chat/room/members"};
	struct exchange *x = fake_exchange_new(NULL, "r1", "hello");
	const struct route *route = find(HTTP_POST, "/chat/room");

	x->request.method = HTTP_POST;
	fail_alloc_at(1, false);
	route->handle(x, route->ctx);
	ck_assert(fail_alloc_end());
	is_problem(x, 503, "chat-busy", "Retry-After: 1\r\n");
	ck_assert_uint_eq(published.calls, 1);
	for (size_t i = 0; i < 2; i++) {
		x = fake_exchange_new("", "r1", NULL);
		route = find(HTTP_GET, paths[i]);
		fail_alloc_at(1, true);
		route->handle(x, route->ctx);
		ck_assert(fail_alloc_end());
		is_problem(x, 503, "chat-busy", "Retry-After: 1\r\n");
	}
	/* an answer that cannot be held is given at once */
	hub.holding = true;
	x = fake_exchange_new(NULL, "r1", "hello");
	x->request.method = HTTP_POST;
	route = find(HTTP_POST, "/chat/room");
	fail_alloc_at(1, false);
	route->handle(x, route->ctx);
	ck_assert(fail_alloc_end());
	ck_assert_int_eq(x->status, 200);
	fake_exchange_free(&x);
	hub.holding = false;
	chat_http_free(&http);
	fail_alloc_at(1, false);
	http = chat_http_new(&hub);
	ck_assert(fail_alloc_end());
	ck_assert_ptr_null(http);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("chat_http");
	TCase *tc = tcase_create("chat_http");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_body_is_published_as_it_is);
	tcase_add_test(tc, a_key_goes_with_it);
	tcase_add_loop_test(tc, what_the_hub_refuses_is_a_problem, 0, N(refusals));
	tcase_add_test(tc, what_is_no_message_does_not_get_to_the_hub);
	tcase_add_test(tc, others_have_a_bucket_for_each_address);
	tcase_add_test(tc, answers_wait_while_the_hub_holds);
	tcase_add_loop_test(tc, history_is_asked_for, 0, N(histories));
	tcase_add_loop_test(tc, members_are_asked_for, 0, N(pages));
	tcase_add_test(tc, a_page_that_cannot_be_had_is_a_problem);
	tcase_add_test(tc, memory_runs_out);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
