/*
 * it_greet.c - the HTTP surface: greetings, health, names that are never names, methods, and
 * HTTP/1.x itself as a client sees it.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/pg.c */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "http_client.h"

#define TEXT_PLAIN "text/plain; charset=utf-8"

START_TEST(greets)
{
	static const struct {
		const char *target, *body;
	} cases[] = {
	    {"/", "Hello, Anonymous"},
	    {"/Ada", "Hello, Ada"},
	    {"/%E5%A4%AA%E9%83%8E", "Hello, \xe5\xa4\xaa\xe9\x83\x8e"},
	    {"/\xc3\xa9", NULL}, /* not ASCII, not encoded: no such target (RFC 3986) */
	    {"/a%2Fb", "Hello, a/b"},
	    {"/Ada%20Lovelace", "Hello, Ada Lovelace"},
	    {"/a+b", "Hello, a+b"},
	    {"/%41d%61", "Hello, Ada"},
	    {"/~a-b_c.d!$&'()*,;=:@", "Hello, ~a-b_c.d!$&'()*,;=:@"},
	    {"/%3Cscript%3E", "Hello, <script>"},
	    {"/%F0%9F%98%80", "Hello, \xf0\x9f\x98\x80"},
	    {"/...", "Hello, ..."},
	    {"/Health", "Hello, Health"},
	    {"/healthy", "Hello, healthy"},
	    {"/Ada?x=1&y=2", "Hello, Ada"},
	    {"/?name=Bob", "Hello, Anonymous"},
	    {"/Ada?", "Hello, Ada"},
	};
	struct daemon *d = daemon_start_default();

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct http_answer a;
		http_request(daemon_port(d), "GET", cases[i].target, NULL, NULL, &a);
		if (!cases[i].body) {
			ck_assert_msg(a.status == 400, "%s: %d", cases[i].target, a.status);
			http_answer_fini(&a);
			continue;
		}
		ck_assert_msg(a.status == 200, "%s: %s", cases[i].target, a.head);
		ck_assert_str_eq(a.body, cases[i].body);
		ck_assert_uint_eq(a.body_len, strlen(cases[i].body)); /* no newline, no NUL */
		ck_assert_str_eq(http_field(&a, "Content-Type"), TEXT_PLAIN);
		ck_assert_str_eq(http_field(&a, "X-Content-Type-Options"), "nosniff");
		ck_assert_uint_eq(http_field_count(&a, "Date"), 1);
		ck_assert_uint_eq(http_field_count(&a, "Content-Length"), 1);
		ck_assert(!a.close);
		http_answer_fini(&a);
	}
	daemon_stop(d);
}
END_TEST

START_TEST(answers_every_path_with_its_status)
{
	static const struct {
		const char *target;
		int status;
		const char *body; /* NULL: not compared */
	} cases[] = {
	    {"/health", 200, "OK"},
	    {"/%68ealth", 200, "OK"}, /* a segment is what it decodes to */
	    {"/health?full", 200, "OK"},
	    {"/chat", 426, NULL},
	    {"/chat/room", 426, NULL},
	    {"/echo", 426, NULL},
	    {"/api", 404, NULL},
	    {"/api/", 404, NULL},
	    {"/api/other", 404, NULL},
	    {"/ui", 404, NULL},
	    {"/metrics", 404, NULL},
	    {"/favicon.ico", 404, NULL},
	    {"/.well-known", 404, NULL},
	    {"/.well-known/security.txt", 404, NULL},
	    {"/a/b", 404, NULL},
	    {"/Ada/", 404, NULL},
	    {"/health/", 404, NULL},
	    {"//", 404, NULL},
	    {"//Ada", 404, NULL},
	    {"/.", 404, NULL},
	    {"/..", 404, NULL},
	    {"/%2e", 404, NULL},
	    {"/%2E%2e", 404, NULL},
	    {"/.%2e", 404, NULL},
	    {"/../health", 404, NULL},
	    {"/a/../health", 404, NULL},
	    {"/%", 400, NULL},
	    {"/%4", 400, NULL},
	    {"/%zz", 400, NULL},
	    {"/%FF", 400, NULL},
	    {"/%C0%80", 400, NULL},       /* overlong */
	    {"/%ED%A0%80", 400, NULL},    /* a surrogate */
	    {"/%F4%90%80%80", 400, NULL}, /* past U+10FFFF */
	    {"/%E5%A4", 400, NULL},       /* cut */
	    {"/%00", 400, NULL},
	    {"/a%00b", 400, NULL},
	    {"/a%0Ab", 400, NULL},
	    {"/%1F", 400, NULL},
	    {"/%7F", 400, NULL},
	    {"/%C2%85", 400, NULL}, /* C1 controls are controls */
	};
	struct daemon *d = daemon_start_default();

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		http_expect_get(daemon_port(d), cases[i].target, cases[i].status, cases[i].body);
	daemon_stop(d);
}
END_TEST

START_TEST(health_is_never_cached_and_robots_stay_out)
{
	struct daemon *d = daemon_start_default();
	struct http_answer a;

	http_request(daemon_port(d), "GET", "/health", NULL, NULL, &a);
	ck_assert_int_eq(a.status, 200);
	ck_assert_str_eq(a.body, "OK");
	ck_assert_str_eq(http_field(&a, "Cache-Control"), "no-store");
	ck_assert_str_eq(http_field(&a, "Content-Type"), TEXT_PLAIN);
	http_answer_fini(&a);

	http_request(daemon_port(d), "GET", "/robots.txt", NULL, NULL, &a);
	ck_assert_int_eq(a.status, 200);
	ck_assert_str_eq(a.body, "User-agent: *\nDisallow: /"); /* no newline at the end */
	ck_assert_str_eq(http_field(&a, "Content-Type"), TEXT_PLAIN);
	http_answer_fini(&a);

	http_request(daemon_port(d), "GET", "/echo", NULL, NULL, &a);
	ck_assert_int_eq(a.status, 426);
	ck_assert_str_eq(http_field(&a, "Upgrade"), "websocket");
	http_answer_fini(&a);
	daemon_stop(d);
}
END_TEST

START_TEST(bounds_names_at_256_bytes_decoded)
{
	struct daemon *d = daemon_start_default();
	char target[1100] = "/", body[300] = "Hello, ";

	memset(body + 7, 'a', 256);
	memset(target + 1, 'a', 256);
	http_expect_get(daemon_port(d), target, 200, body);
	memset(target + 1, 'a', 257);
	http_expect_get(daemon_port(d), target, 414, NULL);

	/* what counts is the decoded name */
	target[1] = '\0';
	for (int i = 0; i < 256; i++)
		strcat(target, "%61");
	http_expect_get(daemon_port(d), target, 200, body);
	strcat(target, "%61");
	http_expect_get(daemon_port(d), target, 414, NULL);
	daemon_stop(d);
}
END_TEST

static bool
list_has(const char *list, const char *word)
{
	char *copy = strdup(list), *save = NULL;
	bool found = false;

	for (char *w = strtok_r(copy, ", ", &save); w; w = strtok_r(NULL, ", ", &save))
		found = found || strcmp(w, word) == 0;
	free(copy);
	return found;
}

START_TEST(takes_get_and_head_only)
{
	static const char *const methods[] = {"POST", "PUT", "PATCH", "DELETE", "TRACE"};
	static const char *const targets[] = {"/", "/Ada", "/health", "/robots.txt", "/echo"};
	struct daemon *d = daemon_start_default();
	struct http_answer a;

	for (size_t t = 0; t < sizeof(targets) / sizeof(targets[0]); t++) {
		for (size_t m = 0; m < sizeof(methods) / sizeof(methods[0]); m++) {
			http_request(daemon_port(d), methods[m], targets[t], NULL, NULL, &a);
			ck_assert_msg(a.status == 405, "%s %s: %s", methods[m], targets[t], a.head);
			const char *allow = http_field(&a, "Allow");
			ck_assert_ptr_nonnull(allow);
			ck_assert_msg(list_has(allow, "GET"), "Allow: %s", allow);
			ck_assert_msg(!list_has(allow, methods[m]), "Allow: %s", allow);
			ck_assert(list_has(allow, "HEAD") && list_has(allow, "OPTIONS"));
			char *told = strdup(allow);
			http_answer_fini(&a);
			/* RFC 9110 9.3.7: who asks before is told the same */
			http_request(daemon_port(d), "OPTIONS", targets[t], NULL, NULL, &a);
			ck_assert_int_eq(a.status, 204);
			ck_assert_str_eq(http_field(&a, "Allow"), told);
			http_answer_fini(&a);
			free(told);
		}
	}
	/* not a method that anything here takes; 4.1 of RFC 9110's 501 */
	http_expect(daemon_port(d), "BREW", "/", NULL, NULL, 501, NULL);
	/* methods are case-sensitive */
	http_expect(daemon_port(d), "get", "/", NULL, NULL, 501, NULL);
	/* where there is nothing, nothing is allowed */
	http_expect(daemon_port(d), "POST", "/no/such", NULL, NULL, 404, NULL);
	daemon_stop(d);
}
END_TEST

START_TEST(head_is_get_without_the_body)
{
	static const char *const targets[] = {"/",    "/Ada", "/health", "/robots.txt",
					      "/a/b", "/%FF", "/chat",   "/echo"};
	struct daemon *d = daemon_start_default();
	struct http_conn c;

	http_open(&c, daemon_port(d));
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		struct http_answer get, head;
		http_request(daemon_port(d), "GET", targets[i], NULL, NULL, &get);
		http_exchange(&c, "HEAD", targets[i], NULL, NULL, &head);
		ck_assert_int_eq(head.status, get.status);
		ck_assert_str_eq(http_field(&head, "Content-Length"),
				 http_field(&get, "Content-Length"));
		ck_assert_str_eq(http_field(&head, "Content-Type"),
				 http_field(&get, "Content-Type"));
		/* any byte of a body would be the next answer's beginning */
		if (head.close) {
			http_expect_eof(&c);
			http_close(&c);
			http_open(&c, daemon_port(d));
		}
		http_answer_fini(&get);
		http_answer_fini(&head);
	}
	http_close(&c);
	daemon_stop(d);
}
END_TEST

START_TEST(keeps_connections_and_answers_in_order)
{
	struct daemon *d = daemon_start_default();
	struct http_conn c;
	struct http_answer a;

	http_open(&c, daemon_port(d));
	for (int i = 0; i < 20; i++) {
		char target[32], body[32];
		snprintf(target, sizeof(target), "/n%d", i);
		snprintf(body, sizeof(body), "Hello, n%d", i);
		http_exchange(&c, "GET", target, NULL, NULL, &a);
		ck_assert_int_eq(a.status, 200);
		ck_assert_str_eq(a.body, body);
		http_answer_fini(&a);
	}
	/* 300 at once, some of them without a body in the answer, some wrong but well framed */
	for (int i = 0; i < 300; i++)
		http_sendf(&c, "%s /%s%d HTTP/1.1\r\nHost: localhost\r\n\r\n",
			   i % 7 == 3 ? "HEAD" : "GET", i % 5 == 2 ? "no/such" : "p", i);
	for (int i = 0; i < 300; i++) {
		char body[32];
		snprintf(body, sizeof(body), "Hello, p%d", i);
		http_read(&c, i % 7 == 3 ? "HEAD" : "GET", &a);
		ck_assert_int_eq(a.status, i % 5 == 2 ? 404 : 200);
		if (a.status == 200)
			ck_assert_str_eq(a.body, i % 7 == 3 ? "" : body);
		http_answer_fini(&a);
	}
	/* the last one asks to close; what follows it is not read */
	http_send_text(&c, "GET /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
			   "GET /b HTTP/1.1\r\nHost: localhost\r\n\r\n");
	http_read(&c, "GET", &a);
	ck_assert_str_eq(a.body, "Hello, a");
	ck_assert(a.close);
	http_answer_fini(&a);
	http_expect_eof(&c);
	http_close(&c);
	daemon_stop(d);
}
END_TEST

START_TEST(reads_a_request_that_comes_byte_by_byte)
{
	static const char request[] =
	    "\r\nGET /Ada HTTP/1.1\r\nHost: localhost\r\nX-Thing: a b\r\n\r\n";
	struct daemon *d = daemon_start_default();
	struct http_conn c;
	struct http_answer a;

	http_open(&c, daemon_port(d));
	for (size_t i = 0; i < sizeof(request) - 1; i++)
		http_send(&c, request + i, 1);
	http_read(&c, "GET", &a);
	ck_assert_str_eq(a.body, "Hello, Ada");
	http_answer_fini(&a);
	/* and a client that has no more to say still gets its answer */
	http_send_text(&c, "GET /Bob HTTP/1.1\r\nHost: localhost\r\n\r\n");
	shutdown(c.fd, SHUT_WR);
	http_read(&c, "GET", &a);
	ck_assert_str_eq(a.body, "Hello, Bob");
	http_answer_fini(&a);
	http_expect_eof(&c);
	http_close(&c);
	daemon_stop(d);
}
END_TEST

START_TEST(speaks_http_1_0)
{
	struct daemon *d = daemon_start_default();
	struct http_conn c;
	struct http_answer a;

	/* no Host, closes by itself */
	http_open(&c, daemon_port(d));
	http_send_text(&c, "GET /Ada HTTP/1.0\r\n\r\n");
	http_read(&c, "GET", &a);
	ck_assert_int_eq(a.status, 200);
	ck_assert_str_eq(a.body, "Hello, Ada");
	http_answer_fini(&a);
	http_expect_eof(&c);
	http_close(&c);

	/* keep-alive when asked for, and said so */
	http_open(&c, daemon_port(d));
	for (int i = 0; i < 3; i++) {
		http_send_text(&c, "GET /Ada HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
		http_read(&c, "GET", &a);
		ck_assert_int_eq(a.status, 200);
		ck_assert_str_eq(http_field(&a, "Connection"), "keep-alive");
		http_answer_fini(&a);
	}
	http_close(&c);

	/* 1.0 knows no chunks, so it gets and sends none */
	http_open(&c, daemon_port(d));
	http_send_text(&c, "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
	http_read(&c, "GET", &a);
	ck_assert_int_eq(a.status, 400);
	http_answer_fini(&a);
	http_expect_eof(&c);
	http_close(&c);
	daemon_stop(d);
}
END_TEST

/* Sends the bytes and expects the status; a bad request also ends the connection. */
static void
expect_raw(struct daemon *d, const char *request, int status)
{
	struct http_conn c;
	struct http_answer a;

	http_open(&c, daemon_port(d));
	http_send_text(&c, request);
	http_read(&c, "GET", &a);
	ck_assert_msg(a.status == status, "%s -> %s", request, a.head);
	if (status != 200 && status != 404 && status != 413 && status != 421) {
		ck_assert_msg(a.close, "%s -> %s", request, a.head);
		http_expect_eof(&c);
	}
	http_answer_fini(&a);
	http_close(&c);
}

START_TEST(is_strict_about_hosts_and_versions)
{
	struct daemon *d = daemon_start_default();

	expect_raw(d, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 200);
	expect_raw(d, "GET / HTTP/1.1\r\nhOST:localhost:1\r\n\r\n", 200);
	expect_raw(d, "GET / HTTP/1.1\r\n\r\n", 400);
	expect_raw(d, "GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400);
	expect_raw(d, "GET / HTTP/1.1\r\nHost: local host\r\n\r\n", 400);
	expect_raw(d, "GET / HTTP/1.1\r\nHost: a,b\r\nAccept: x\r\n\r\n", 421);
	expect_raw(d, "GET / HTTP/1.1\r\nHost: u@localhost\r\n\r\n", 400);
	expect_raw(d, "GET / HTTP/1.1\r\nHost: localhost:99999\r\n\r\n", 400);
	/* the authority of an absolute target counts, not Host (RFC 9112 3.2.2) */
	expect_raw(d, "GET http://localhost/Ada HTTP/1.1\r\nHost: evil.example\r\n\r\n", 200);
	expect_raw(d, "GET http://evil.example/Ada HTTP/1.1\r\nHost: localhost\r\n\r\n", 421);
	expect_raw(d, "GET / HTTP/1.2\r\nHost: localhost\r\n\r\n", 200);
	expect_raw(d, "GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", 505);
	expect_raw(d, "GET / HTTP/0.9\r\nHost: localhost\r\n\r\n", 505);
	expect_raw(d, "GET / HTTP/1.1\r\nHost: localhost\r\nExpect: 200-ok\r\n\r\n", 417);
	expect_raw(d, "GET /\r\n\r\n", 400);
	expect_raw(d, "GET / http/1.1\r\nHost: localhost\r\n\r\n", 400);
	daemon_stop(d);
}
END_TEST

START_TEST(refuses_bad_framing_and_closes)
{
	static const struct {
		const char *request;
		int status;
	} cases[] = {
	    {"GET / HTTP/1.1\nHost: localhost\n\n", 400},
	    {"GET  / HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
	    {"GET /\tHTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
	    {"GET / HTTP/1.1\r\nHost: localhost\r\nA : b\r\n\r\n", 400},
	    {"GET / HTTP/1.1\r\nHost: localhost\r\nA: b\r\n c\r\n\r\n", 400},
	    {"GET / HTTP/1.1\r\nHost: localhost\r\nA: b\rc\r\n\r\n", 400},
	    {"GET / HTTP/1.1\r\nHost: localhost\r\n: b\r\n\r\n", 400},
	    {"GET /#frag HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
	    {"GET Ada HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
	    {"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: "
	     "chunked\r\n\r\n0\r\n\r\n",
	     400},
	    {"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: "
	     "2\r\n\r\nxx",
	     400},
	    {"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: +1\r\n\r\nx", 400},
	    {"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400},
	    {"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n",
	     400},
	    {"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
	    {"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
	     400},
	    {"\x16\x03\x01\x02", 400}, /* TLS to a plain port */
	};
	struct daemon *d = daemon_start_default();

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_raw(d, cases[i].request, cases[i].status);
	/* a body that nobody wants is refused from the head */
	expect_raw(d, "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n", 413);
	/* after all that it serves as before */
	http_expect_get(daemon_port(d), "/", 200, "Hello, Anonymous");
	daemon_stop(d);
}
END_TEST

START_TEST(bounds_the_head)
{
	struct daemon *d = daemon_start("http.max_header_size=2k", NULL);
	char *request = malloc(8192);

	strcpy(request, "GET / HTTP/1.1\r\nHost: localhost\r\nX: ");
	size_t n = strlen(request);
	memset(request + n, 'x', 1900 - n);
	strcpy(request + 1900, "\r\n\r\n");
	expect_raw(d, request, 200);
	memset(request + n, 'x', 3000);
	strcpy(request + n + 3000, "\r\n\r\n");
	expect_raw(d, request, 431);
	strcpy(request, "GET /");
	memset(request + 5, 'a', 4000);
	strcpy(request + 4005, " HTTP/1.1\r\nHost: localhost\r\n\r\n");
	expect_raw(d, request, 414);
	free(request);
	daemon_stop(d);
}
END_TEST

START_TEST(times_out_slow_heads_and_idle_connections)
{
	struct daemon *d =
	    daemon_start("http.header_timeout=300ms", "http.idle_timeout=400ms", NULL);
	struct http_conn silent, slow, kept;
	struct http_answer a;

	http_open(&silent, daemon_port(d));
	http_open(&kept, daemon_port(d));
	http_exchange(&kept, "GET", "/", NULL, NULL, &a);
	ck_assert_int_eq(a.status, 200);
	http_answer_fini(&a);

	http_open(&slow, daemon_port(d));
	uint64_t began = it_now_ms();
	http_send_text(&slow, "GET / HT");
	http_read(&slow, "GET", &a);
	ck_assert_int_eq(a.status, 408);
	ck_assert(a.close);
	ck_assert_uint_ge(it_now_ms() - began, 250);
	http_answer_fini(&a);
	http_expect_eof(&slow);

	/* between requests nobody waits for an answer: none is sent */
	http_expect_eof(&silent);
	http_expect_eof(&kept);
	http_close(&silent);
	http_close(&slow);
	http_close(&kept);

	/* bytes that drip in do not prolong it */
	http_open(&slow, daemon_port(d));
	http_send_text(&slow, "GET / HTTP/1.1\r\nHost: localhost\r\n");
	began = it_now_ms();
	while (!http_readable(&slow, 20) && it_now_ms() - began < IT_DEADLINE_MS)
		http_try_send(&slow, "X: y\r\n", 6);
	http_read(&slow, "GET", &a);
	ck_assert_int_eq(a.status, 408);
	http_answer_fini(&a);
	http_close(&slow);
	daemon_stop(d);
}
END_TEST

START_TEST(closes_a_client_that_takes_no_answer)
{
	struct daemon *d = daemon_start("http.write_timeout=300ms", "server.workers=1", NULL);
	struct http_conn c;
	pid_t workers[PROCFS_MAX];

	http_open(&c, daemon_port(d));
	ck_assert_uint_eq(daemon_workers(d, workers), 1);
	/* requests until the daemon reads no more of them, for its own output stands still */
	static const char request[] =
	    "GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa HTTP/1.1\r\nHost: localhost\r\n\r\n";
	enum { BATCH = 500 };
	char *batch = malloc(BATCH * (sizeof(request) - 1));
	ck_assert_ptr_nonnull(batch);
	for (size_t i = 0; i < BATCH; i++)
		memcpy(batch + i * (sizeof(request) - 1), request, sizeof(request) - 1);
	size_t len = BATCH * (sizeof(request) - 1), sent = 0;
	uint64_t until = it_now_ms() + IT_DEADLINE_MS;
	bool closed = false;
	while (!closed && it_now_ms() < until) {
		ssize_t n = send(c.fd, batch + sent, len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0)
			closed = procfs_peer(c.fd, workers, 1) == 0;
		else
			sent = (sent + (size_t)n) % len;
	}
	free(batch);
	ck_assert_msg(closed, "a client that reads nothing is kept");
	http_close(&c);
	http_expect_get(daemon_port(d), "/", 200, NULL);
	daemon_stop(d);
}
END_TEST

START_TEST(bounds_connections_per_worker)
{
	struct daemon *d = daemon_start("http.max_connections=8", "server.workers=2", NULL);
	struct http_conn c[64];
	struct http_answer a;
	size_t served = 0;

	/* at most 8 on each worker are served at a time */
	for (size_t i = 0; i < 64; i++) {
		http_open(&c[i], daemon_port(d));
		http_send_text(&c[i], "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
	}
	WAIT_UNTIL(({
		served = 0;
		for (size_t i = 0; i < 64; i++)
			served += http_readable(&c[i], 0);
		served >= 16;
	}));
	/* nobody is left out for good: as some leave, the others are served */
	for (size_t i = 0; i < 64; i++) {
		const char *wrong = http_try_read(&c[i], "GET", &a);
		ck_assert_msg(!wrong || i >= 1, "%s", wrong);
		if (!wrong)
			ck_assert_msg(a.status == 200 || a.status == 503, "%s", a.head);
		http_answer_fini(&a);
		http_close(&c[i]);
	}
	http_expect_get(daemon_port(d), "/", 200, NULL);
	daemon_stop(d);
}
END_TEST

static void
fill(Suite *s)
{
	TCase *tc = it_case(s, "greet");
	tcase_add_test(tc, greets);
	tcase_add_test(tc, answers_every_path_with_its_status);
	tcase_add_test(tc, health_is_never_cached_and_robots_stay_out);
	tcase_add_test(tc, bounds_names_at_256_bytes_decoded);
	tcase_add_test(tc, takes_get_and_head_only);
	tcase_add_test(tc, head_is_get_without_the_body);

	tc = it_case(s, "http");
	tcase_add_test(tc, keeps_connections_and_answers_in_order);
	tcase_add_test(tc, reads_a_request_that_comes_byte_by_byte);
	tcase_add_test(tc, speaks_http_1_0);
	tcase_add_test(tc, is_strict_about_hosts_and_versions);
	tcase_add_test(tc, refuses_bad_framing_and_closes);

	tc = it_case(s, "limits");
	tcase_add_test(tc, bounds_the_head);
	tcase_add_test(tc, times_out_slow_heads_and_idle_connections);
	tcase_add_test(tc, closes_a_client_that_takes_no_answer);
	tcase_add_test(tc, bounds_connections_per_worker);
}

int
main(void)
{
	return it_main("greet", fill, 0);
}
