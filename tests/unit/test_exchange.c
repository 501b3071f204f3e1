/* links: tests/unit/door_rig.c $(door) -levent_core -ljansson */
/*
 * Requests and their answers: what is refused, order, bodies, upgrades.
 */
#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "door_rig.h"

/* ---- one request, one answer ---- */

static const struct {
	const char *request;
	int status;
	bool ends;          /* the server closes afterwards */
	const char *body;   /* NULL: any text */
	const char *fields; /* a part of the head, or NULL */
} singles[] = {
    {GET("/fast/a"), 200, false, "fast a", NULL},
    {GET("/fast/a?b=c"), 200, false, "fast a", NULL},
    {GET("/none"), 404, false, NULL, "Content-Type: text/plain; charset=utf-8\r\n"},
    {GET("/api/none"), 404, false, NULL, "Content-Type: application/problem+json\r\n"},
    {GET("/api"), 404, false, NULL, "Content-Type: application/problem+json\r\n"},
    {GET("/apis"), 404, false, NULL, "Content-Type: text/plain"},
    {"POST /fast/a HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, false, NULL,
     "Allow: GET, HEAD, OPTIONS\r\n"},
    {"DELETE /json HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, false, NULL,
     "Allow: POST, OPTIONS\r\n"},
    {POST("/fast/a", "Content-Length: 3\r\n", "abc"), 405, false, NULL,
     "Allow: GET, HEAD, OPTIONS\r\n"},
    {"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 204, false, "",
     "Allow: GET, HEAD, POST, OPTIONS\r\n"},
    {"CONNECT localhost:1 HTTP/1.1\r\nHost: localhost:1\r\n\r\n", 405, true, NULL,
     "Allow: GET, HEAD, POST, OPTIONS\r\n"},
    {"BREW /fast/a HTTP/1.1\r\nHost: localhost\r\n\r\n", 501, true, NULL, NULL},
    {"GET /fast/a HTTP/2.0\r\nHost: localhost\r\n\r\n", 505, true, NULL, NULL},
    {"GET /fast/a HTTP/1.1\r\n\r\n", 400, true, NULL, NULL},
    {"GET /fast/a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 200, true, "fast a",
     "Connection: close\r\n"},
    {"GET /fast/a HTTP/1.0\r\n\r\n", 200, true, "fast a", "Connection: close\r\n"},
    {"GET /fast/a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, false, "fast a",
     "Connection: keep-alive\r\n"},
    {"GET /slow/1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, false, "slow 1",
     "Connection: keep-alive\r\n"},
    {"GET /fast/a HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421, false, NULL, NULL},
    {"GET /none HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421, false, NULL, NULL},
    {"GET /private HTTP/1.1\r\nHost: localhost\r\nVia: 1.1 proxy\r\n\r\n", 403, false, NULL, NULL},
    /* bodies */
    {POST("/json", "Content-Type: application/json\r\nContent-Length: 2\r\n", "{}"), 200, false,
     "{}", NULL},
    {POST("/json", "Content-Type: Application/JSON ; charset=utf-8\r\nContent-Length: 2\r\n", "{}"),
     200, false, "{}", NULL},
    {POST("/json", "Content-Type: application/json\r\nContent-Length: 0\r\n", ""), 200, false, "",
     NULL},
    {POST("/json", "Content-Length: 2\r\n", "{}"), 415, false, NULL, "text/plain"},
    {POST("/api/json", "Content-Type: text/json\r\nContent-Length: 2\r\n", "{}"), 415, false, NULL,
     "application/problem+json"},
    {POST("/json", "Content-Type: application/jsonx\r\nContent-Length: 2\r\n", "{}"), 415, false,
     NULL, NULL},
    {POST("/json",
	  "Content-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n",
	  "{}"),
     415, false, NULL, "Accept-Encoding: identity\r\n"},
    {POST("/text", "Content-Length: 100001\r\n", ""), 413, true, NULL, NULL},
    {POST("/json", "", ""), 411, false, NULL, NULL},
    {"GET /fast/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx", 413, false, NULL,
     NULL},
    {"GET /fast/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
     "1\r\nx\r\n0\r\n\r\n",
     413, false, NULL, NULL},
    /* it may be sent or not after a final answer: RFC 9110 10.1.1 */
    {POST("/fast/a", "Expect: 100-continue\r\nContent-Length: 3\r\n", ""), 405, true, NULL, NULL},
    {"GET /fast/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", 200, false, "fast a",
     NULL},
    {POST("/nothing", "Content-Length: 5\r\n", "abcde"), 404, false, NULL, NULL},
    {POST("/text", "Expect: a-miracle\r\nContent-Length: 1\r\n", ""), 417, true, NULL, NULL},
    /* RFC 9110 10.1.1: with nothing to wait for, 100 is left out and the request is answered */
    {"GET /fast/a HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n\r\n", 200, false,
     "fast a", NULL},
    {POST("/text", "Expect: 100-continue\r\nContent-Length: 0\r\n", ""), 200, false, "", NULL},
    {POST("/text", "Transfer-Encoding: chunked\r\n",
	  "3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: r\r\n\r\n"),
     200, false, "abcde", NULL},
    {POST("/text", "Transfer-Encoding: chunked\r\n", "0\r\n\r\n"), 200, false, "", NULL},
    {POST("/text", "Transfer-Encoding: chunked\r\n", "x\r\n"), 400, true, NULL, NULL},
    {POST("/text", "Transfer-Encoding: chunked\r\n", "186a1\r\n"), 413, true, NULL, NULL},
    /* upgrades */
    {GET("/up"), 426, false, NULL, "Upgrade: websocket\r\n"},
    {GET("/up"), 426, false, NULL, "Connection: upgrade\r\n"},
    {"GET /up/no HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
     503, false, NULL, NULL},
    {"GET /fast/a HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", 200,
     false, "fast a", NULL},
};

/* Also what is split at the worst places has the same answer. */
START_TEST(test_single)
{
	const size_t cuts[] = {SIZE_MAX, 1, 7};
	struct client c;
	struct answer answer;

	door_start(&(struct door_options){0});
	for (size_t k = 0; k < 3; k++) {
		const char *p = singles[_i].request;
		size_t len = strlen(p);

		client_open(&c);
		while (len) {
			size_t n = len < cuts[k] ? len : cuts[k];

			/* what was refused early need not take the rest */
			if (send(c.fd, p, n, MSG_NOSIGNAL) != (ssize_t)n)
				break;
			p += n;
			len -= n;
		}
		client_read(&c, &answer, false);
		ck_assert_msg(answer.status == singles[_i].status, "%s -> %d %s",
			      singles[_i].request, answer.status, answer.body);
		if (singles[_i].body)
			ck_assert_str_eq(answer.body, singles[_i].body);
		else
			ck_assert_uint_gt(answer.len, 0);
		if (singles[_i].fields)
			ck_assert_msg(strstr(answer.head, singles[_i].fields) != NULL, "%s",
				      answer.head);
		ck_assert_int_eq(strstr(answer.head, "Connection: close") != NULL,
				 singles[_i].ends);
		if (singles[_i].ends) {
			expect_end(&c);
		} else {
			client_send(&c, GET("/fast/again"));
			expect(&c, 200, "fast again");
			client_close(&c);
		}
	}
	door_stop();
}
END_TEST

START_TEST(test_head)
{
	struct client c;
	struct answer answer;

	door_start(&(struct door_options){0});
	client_open(&c);
	client_send(&c, "HEAD /fast/a HTTP/1.1\r\nHost: localhost\r\n\r\n"
			"HEAD /slow/1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
			"HEAD /none HTTP/1.1\r\nHost: localhost\r\n\r\n" GET("/fast/b"));
	client_read(&c, &answer, true);
	ck_assert_int_eq(answer.status, 200);
	ck_assert_uint_eq(answer.len, 6);
	client_read(&c, &answer, true);
	ck_assert_int_eq(answer.status, 200);
	ck_assert_uint_eq(answer.len, 6);
	client_read(&c, &answer, true);
	ck_assert_int_eq(answer.status, 404);
	expect(&c, 200, "fast b");
	client_close(&c);
	door_stop();
}
END_TEST

/* ---- order ---- */

START_TEST(test_pipeline)
{
	struct client c;
	char wanted[32];

	door_start(&(struct door_options){0});
	client_open(&c);
	client_send(&c, GET("/slow/30") GET("/fast/1") GET("/slow/1") GET("/none") GET("/slow/10")
			    POST("/text", "Content-Length: 4\r\n", "body") GET("/fast/2"));
	expect(&c, 200, "slow 30");
	expect(&c, 200, "fast 1");
	expect(&c, 200, "slow 1");
	expect(&c, 404, NULL);
	expect(&c, 200, "slow 10");
	expect(&c, 200, "body");
	expect(&c, 200, "fast 2");
	/* many, across the borders of the server's reads */
	for (int i = 0; i < 5000; i++) {
		char request[64];
		int n = snprintf(request, sizeof(request),
				 "GET /fast/%d HTTP/1.1\r\nHost: localhost\r\n\r\n", i);

		client_send_bytes(&c, request, (size_t)n);
	}
	for (int i = 0; i < 5000; i++) {
		snprintf(wanted, sizeof(wanted), "fast %d", i);
		expect(&c, 200, wanted);
	}
	client_close(&c);
	door_stop();
}
END_TEST

/* While an answer is awaited, what follows is bounded, and then it is all served. */
START_TEST(test_pipeline_behind_held)
{
	enum { N = 20000 };
	struct client c;
	struct client other;
	const char *request = GET("/fast/x");
	size_t len = strlen(request);
	char *all = malloc(len * N);
	size_t sent = 0;

	door_start(&(struct door_options){0});
	for (size_t i = 0; i < N; i++)
		memcpy(all + i * len, request, len);
	client_open(&c);
	int small = 65536;
	ck_assert_int_eq(setsockopt(c.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	client_send(&c, GET("/hold"));
	expect_stats("handled 1 gone 0 held 1 connections 2");
	for (;;) {
		ssize_t n = send(c.fd, all + sent, len * N - sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0)
			break;
		sent += (size_t)n;
		ck_assert_uint_lt(sent, len * N);
	}
	/* none of them was handled */
	expect_stats("handled 1 gone 0 held 1 connections 2");
	client_open(&other);
	client_send(&other, GET("/release"));
	expect(&other, 200, "released 1");
	expect(&c, 200, "held");
	for (size_t i = 0; i < sent / len; i++)
		expect(&c, 200, "fast x");
	client_close(&other);
	client_close(&c);
	free(all);
	door_stop();
}
END_TEST

/* Answers that come from inside other handlers, several at once, on several connections. */
START_TEST(test_release_from_elsewhere)
{
	struct client c[4];

	door_start(&(struct door_options){0});
	for (int i = 0; i < 4; i++)
		client_open(&c[i]);
	for (int i = 0; i < 3; i++)
		client_send(&c[i], GET("/hold") GET("/fast/after"));
	expect_stats("handled 3 gone 0 held 3 connections 5");
	client_send(&c[3], GET("/fast/before") GET("/release") GET("/fast/behind"));
	expect(&c[3], 200, "fast before");
	expect(&c[3], 200, "released 3");
	expect(&c[3], 200, "fast behind");
	for (int i = 0; i < 3; i++) {
		expect(&c[i], 200, "held");
		expect(&c[i], 200, "fast after");
	}
	for (int i = 0; i < 4; i++)
		client_close(&c[i]);
	door_stop();
}
END_TEST

/* ---- bodies ---- */

START_TEST(test_continue)
{
	struct client c;

	door_start(&(struct door_options){0});
	client_open(&c);
	client_send(&c, POST("/text", "Expect: 100-continue\r\nContent-Length: 5\r\n", ""));
	expect(&c, 100, NULL);
	client_send(&c, "hello");
	expect(&c, 200, "hello");
	/* not needed when the body is there already */
	client_send(&c, POST("/text", "Expect: 100-continue\r\nContent-Length: 5\r\n", "he"));
	client_send(&c, "llo");
	expect(&c, 200, "hello");
	/* nor wanted for a body that is refused */
	client_send(&c, POST("/text", "Expect: 100-continue\r\nContent-Length: 500000\r\n", ""));
	expect(&c, 413, NULL);
	expect_end(&c);
	/* and unknown to HTTP/1.0 */
	client_open(&c);
	client_send(&c, "POST /text HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
	client_send(&c, "hello");
	expect(&c, 200, "hello");
	expect_end(&c);
	door_stop();
}
END_TEST

START_TEST(test_long_body)
{
	struct client c;
	struct answer answer;
	char *body = malloc(100000);
	char head[128];

	door_start(&(struct door_options){0});
	for (size_t i = 0; i < 100000; i++)
		body[i] = (char)('a' + i % 23);
	client_open(&c);
	client_send(&c, POST("/text", "Content-Length: 100000\r\n", ""));
	client_send_bytes(&c, body, 100000);
	client_read(&c, &answer, false);
	ck_assert_int_eq(answer.status, 200);
	ck_assert_uint_eq(answer.len, 100000);
	ck_assert_mem_eq(answer.body, body, sizeof(answer.body) - 1);
	/* the same in chunks of 999, with a request behind it */
	client_send(&c, POST("/text", "Transfer-Encoding: chunked\r\n", ""));
	for (size_t at = 0; at < 99900; at += 999) {
		client_send(&c, "3e7\r\n");
		client_send_bytes(&c, body + at, 999);
		client_send(&c, "\r\n");
	}
	snprintf(head, sizeof(head), "0\r\n\r\n%s", GET("/fast/b"));
	client_send(&c, head);
	client_read(&c, &answer, false);
	ck_assert_uint_eq(answer.len, 99900);
	ck_assert_mem_eq(answer.body, body, sizeof(answer.body) - 1);
	expect(&c, 200, "fast b");
	client_close(&c);
	free(body);
	door_stop();
}
END_TEST

/* What an answer depends on is kept while a body is awaited, and then until it comes. */
START_TEST(test_condition_is_kept)
{
	struct client c, other;

	door_start(&(struct door_options){0});
	client_open(&c);
	client_open(&other);
	client_send(&c, "GET /hold/body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n"
			"If-None-Match: \"none\"\r\nIf-None-Match: \"held\"\r\n\r\n");
	expect_stats("handled 0 gone 0 held 0 connections 3");
	client_send(&c, "body");
	expect_stats("handled 1 gone 0 held 1 connections 3");
	/* the memory of its head is used by others */
	client_send(&other, "GET /release HTTP/1.1\r\nHost: localhost\r\n"
			    "If-None-Match: \"a\"\r\nIf-None-Match: \"b\"\r\n\r\n");
	expect(&other, 200, "released 1");
	expect(&c, 304, "");
	client_close(&c);
	client_close(&other);
	door_stop();
}
END_TEST

/* What is refused is dropped as it comes, and then the connection serves on. */
START_TEST(test_refused_body_is_dropped)
{
	static const struct {
		const char *fields;
		size_t len;
		bool is_chunked, goes_on;
	} rows[] = {
	    {"Content-Length: 1001\r\n", 1001, false, true},
	    {"Content-Length: 65536\r\n", 65536, false, true},
	    {"Content-Length: 100000\r\n", 100000, false, true},
	    {"Content-Length: 100001\r\n", 100001, false, false},
	    {"Transfer-Encoding: chunked\r\n", 100000, true, true},
	    {"Transfer-Encoding: chunked\r\n", 100001, true, false},
	    {"Connection: close\r\nContent-Length: 1001\r\n", 1001, false, false},
	};
	char *body = calloc(1, 200000);
	struct client c;

	door_start(&(struct door_options){0});
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char head[200];
		char size[32];

		snprintf(head, sizeof(head), "POST /json HTTP/1.1\r\nHost: localhost\r\n%s\r\n",
			 rows[i].fields);
		snprintf(size, sizeof(size), "%zx\r\n", rows[i].len);
		client_open(&c);
		client_send(&c, head);
		/* the answer does not wait for the body: 415, or 413 from its length */
		expect(&c, rows[i].is_chunked || rows[i].len <= 1000 ? 415 : 413, NULL);
		if (rows[i].is_chunked)
			client_send(&c, size);
		client_send_bytes(&c, body, rows[i].len);
		if (rows[i].is_chunked)
			client_send(&c, "\r\n0\r\n\r\n");
		if (rows[i].goes_on) {
			client_send(&c, GET("/fast/on"));
			expect(&c, 200, "fast on");
			client_close(&c);
		} else {
			expect_end(&c);
		}
	}
	/* RFC 9110 15.5.14: in chunks it shows only as they come, at its end or before */
	for (int i = 0; i < 2; i++) {
		client_open(&c);
		client_send(&c, "POST /json HTTP/1.1\r\nHost: localhost\r\n"
				"Content-Type: application/json\r\n"
				"Transfer-Encoding: chunked\r\n\r\n3e9\r\n");
		client_send_bytes(&c, body, 1001);
		if (i == 0)
			client_send(&c, "\r\n0\r\n\r\n");
		expect(&c, 413, NULL);
		if (i == 1)
			client_send(&c, "\r\n1\r\nx\r\n0\r\n\r\n");
		client_send(&c, GET("/fast/on"));
		expect(&c, 200, "fast on");
		client_close(&c);
	}
	free(body);
	door_stop();
}
END_TEST

/* A client that first sends all of a refused body still reads its answer: no reset destroys it. */
START_TEST(test_refused_body_lingers)
{
	struct client c;
	char *body = calloc(1, 3 << 20);

	door_start(&(struct door_options){0});
	client_open(&c);
	client_send(&c, POST("/text", "Content-Length: 3145728\r\n", ""));
	client_send_bytes(&c, body, 3 << 20);
	expect(&c, 413, NULL);
	expect_end(&c);
	expect_stats("handled 0 gone 0 held 0 connections 1");
	/* who never stops is closed in the end */
	client_open(&c);
	client_send(&c, POST("/text", "Content-Length: 999999999\r\n", ""));
	for (int i = 0; i < 100; i++)
		if (send(c.fd, body, 1 << 20, MSG_NOSIGNAL) < 0)
			break;
		else
			ck_assert_int_lt(i, 99);
	client_close(&c);
	free(body);
	door_stop();
}
END_TEST

/* ---- upgrades ---- */

#define HANDSHAKE                                                                                \
	"GET /up?x=1 HTTP/1.1\r\nHost: localhost\r\nX-Other: dropped\r\nConnection: Upgrade\r\n" \
	"Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"                  \
	"Sec-WebSocket-Version: 13\r\n"

/* Everything until the end, as text. */
static void
client_read_all(struct client *c)
{
	uint64_t until_ms = clock_monotonic_ms() + DEADLINE_MS;

	while (client_fill(c, until_ms))
		;
	c->data[c->len] = '\0';
}

START_TEST(test_upgrade)
{
	struct client c;

	door_start(&(struct door_options){0});
	client_open(&c);
	client_send(&c, HANDSHAKE "\r\nfirst bytes");
	client_read_all(&c);
	ck_assert_int_eq(strncmp(c.data, "local\nGET / HTTP/1.1\r\n", 22), 0);
	ck_assert_ptr_nonnull(strstr(c.data, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"));
	ck_assert_ptr_null(strstr(c.data, "X-Other"));
	ck_assert_ptr_nonnull(strstr(c.data, "\r\n\r\nfirst bytes"));
	client_close(&c);
	/* from behind a proxy */
	client_open(&c);
	client_send(&c, HANDSHAKE "Via: 1.1 proxy\r\n\r\n");
	client_read_all(&c);
	ck_assert_int_eq(strncmp(c.data, "not local\nGET", 13), 0);
	client_close(&c);
	/* pipelined: what was asked before is answered first, even much and late */
	client_open(&c);
	client_send(&c, GET("/slow/5") GET("/fast/a") GET("/big") HANDSHAKE "\r\n!");
	expect(&c, 200, "slow 5");
	expect(&c, 200, "fast a");
	expect(&c, 200, NULL);
	client_read_all(&c);
	ck_assert_int_eq(strncmp(c.data, "local\nGET", 9), 0);
	ck_assert_ptr_nonnull(strstr(c.data, "\r\n\r\n!"));
	client_close(&c);
	expect_stats("handled 3 gone 0 held 0 connections 1");
	door_stop();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    test_head,
	    test_pipeline,
	    test_pipeline_behind_held,
	    test_release_from_elsewhere,
	    test_continue,
	    test_long_body,
	    test_condition_is_kept,
	    test_refused_body_is_dropped,
	    test_refused_body_lingers,
	    test_upgrade,
	};
	Suite *suite = suite_create("exchange");
	TCase *tc = tcase_create("exchange");
	SRunner *runner = srunner_create(suite);

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_single, 0, (int)(sizeof(singles) / sizeof(singles[0])));
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
