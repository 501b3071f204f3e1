/*
 * it_products.c - /api/products on a real PostgreSQL: rows in and out, prices to the last digit,
 * pages, problems, and what the store makes of the database it finds.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/pg.c -ljansson */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "http_client.h"
#include "pg.h"

#define JSON     "Content-Type: application/json\r\n"
#define PRODUCTS "/api/products"

/* store.database= for a new database of this test's own; the caller frees */
static char *
fresh_option(void)
{
	return it_printf("store.database=%s", pg_fresh());
}

static struct daemon *
start(void)
{
	char *option = fresh_option();
	struct daemon *d = daemon_start(option, NULL);

	free(option);
	return d;
}

static void
post(struct daemon *d, const char *body, struct http_answer *a)
{
	http_request(daemon_port(d), "POST", PRODUCTS, JSON, body, a);
}

static void
expect_post(struct daemon *d, const char *body, int status, const char *answer_body)
{
	http_expect(daemon_port(d), "POST", PRODUCTS, JSON, body, status, answer_body);
}

/* A problem of RFC 9457 with a pointer to what is wrong; NULL for none */
static void
expect_problem(const struct http_answer *a, int status, const char *pointer)
{
	json_error_t error;

	ck_assert_msg(a->status == status, "%d instead of %d: %s", a->status, status, a->body);
	ck_assert_str_eq(http_field(a, "Content-Type"), "application/problem+json");
	json_t *problem = json_loadb(a->body, a->body_len, 0, &error);
	ck_assert_msg(problem != NULL, "%s: %s", error.text, a->body);
	ck_assert_int_eq(json_integer_value(json_object_get(problem, "status")), status);
	ck_assert_ptr_nonnull(json_string_value(json_object_get(problem, "type")));
	ck_assert_ptr_nonnull(json_string_value(json_object_get(problem, "title")));
	if (pointer) {
		json_t *errors = json_object_get(problem, "errors"), *item;
		bool found = false;
		size_t i;
		json_array_foreach(errors, i, item)
		{
			const char *p = json_string_value(json_object_get(item, "pointer"));
			found = found || (p && strcmp(p, pointer) == 0);
			ck_assert_ptr_nonnull(json_string_value(json_object_get(item, "detail")));
		}
		ck_assert_msg(found, "no pointer %s in %s", pointer, a->body);
	}
	json_decref(problem);
}

static void
expect_post_problem(struct daemon *d, const char *body, int status, const char *pointer)
{
	struct http_answer a;

	post(d, body, &a);
	if (a.status != status)
		fprintf(stderr, "%s\n", body);
	expect_problem(&a, status, pointer);
	http_answer_fini(&a);
}

START_TEST(keeps_and_gives_products)
{
	struct daemon *d = start();
	uint16_t port = daemon_port(d);
	struct http_answer a;

	http_expect_get(port, PRODUCTS, 200, "{\"items\":[],\"next\":null}");
	post(d, "{\"name\":\"iPhone 12\",\"price\":999.99}", &a);
	ck_assert_msg(a.status == 201, "%s%s", a.head, a.body);
	ck_assert_str_eq(a.body,
			 "{\"id\":1,\"name\":\"iPhone 12\",\"price\":999.99,\"version\":1}");
	ck_assert_str_eq(http_field(&a, "Location"), "/api/products/1");
	ck_assert_str_eq(http_field(&a, "Content-Type"), "application/json");
	ck_assert_str_eq(http_field(&a, "X-Content-Type-Options"), "nosniff");
	http_answer_fini(&a);
	http_expect_get(port, PRODUCTS "/1", 200,
			"{\"id\":1,\"name\":\"iPhone 12\",\"price\":999.99,\"version\":1}");
	http_expect_get(port, PRODUCTS, 200,
			"{\"items\":[{\"id\":1,\"name\":\"iPhone "
			"12\",\"price\":999.99,\"version\":1}],\"next\":null}");
	/* it is a row like any other */
	char *row = pg_ask("select id || '|' || name || '|' || price from products");
	ck_assert_str_eq(row, "1|iPhone 12|999.99");
	free(row);
	free(pg_ask("insert into products(name, price) values ('by hand', 0.5)"));
	http_expect_get(port, PRODUCTS "/2", 200,
			"{\"id\":2,\"name\":\"by hand\",\"price\":0.50,\"version\":2}");
	http_request(port, "HEAD", PRODUCTS "/2", NULL, NULL, &a);
	ck_assert_int_eq(a.status, 200);
	ck_assert_str_eq(http_field(&a, "Content-Length"), "50");
	http_answer_fini(&a);
	daemon_stop(d);
}
END_TEST

START_TEST(knows_what_is_not_there)
{
	static const char *const bad[] = {
	    "/2",          "/0",  "/-1",  "/x",   "/1x",
	    "/01",         "/+1", "/1.0", "/%20", "/99999999999999999999",
	    "/2147483648", "/",   "/1/",  "/1/x"};
	struct daemon *d = start();
	uint16_t port = daemon_port(d);
	struct http_answer a;

	expect_post(d, "{\"name\":\"a\",\"price\":1}", 201, NULL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char target[64];
		snprintf(target, sizeof(target), PRODUCTS "%s", bad[i]);
		http_expect_get(port, target, 404, NULL);
	}
	http_request(port, "GET", PRODUCTS "/2", NULL, NULL, &a);
	expect_problem(&a, 404, NULL);
	http_answer_fini(&a);
	http_request(port, "GET", PRODUCTS "/changes?after=5", NULL, NULL, &a);
	expect_problem(&a, 400, NULL);
	ck_assert_msg(
	    strstr(a.body, "\\\"after\\\" is not a parameter here; since and limit are") != NULL,
	    "%s", a.body);
	http_answer_fini(&a);
	http_request(port, "POST", PRODUCTS "/1", JSON, "{}", &a);
	ck_assert_int_eq(a.status, 405);
	ck_assert_ptr_nonnull(strstr(http_field(&a, "Allow"), "GET"));
	http_answer_fini(&a);
	http_request(port, "PUT", PRODUCTS, JSON, "{}", &a);
	ck_assert_int_eq(a.status, 405);
	ck_assert_ptr_nonnull(strstr(http_field(&a, "Allow"), "POST"));
	http_answer_fini(&a);
	daemon_stop(d);
}
END_TEST

START_TEST(prices_are_exact)
{
	static const struct {
		const char *sent, *kept; /* NULL: refused */
	} cases[] = {
	    {"0", "0.00"},
	    {"-0", "0.00"},
	    {"-0.0", "0.00"},
	    {"12.5", "12.50"},
	    {"12.50", "12.50"},
	    {"12.500", "12.50"}, /* a number counts by its value */
	    {"1e2", "100.00"},
	    {"1E+2", "100.00"},
	    {"1.5e1", "15.00"},
	    {"12345e-2", "123.45"},
	    {"0.1", "0.10"},
	    {"0.29", "0.29"},
	    {"1.15", "1.15"},
	    {"999.99", "999.99"},
	    {"99999999.99", "99999999.99"},
	    {"9999999999e-2", "99999999.99"},
	    {"\"0\"", "0.00"},
	    {"\"12.5\"", "12.50"},
	    {"\"0.07\"", "0.07"},
	    {"\"99999999.99\"", "99999999.99"},
	    {"0.001", NULL},
	    {"0.005", NULL},
	    {"999.999", NULL},
	    {"1e-3", NULL},
	    {"-0.01", NULL},
	    {"-1", NULL},
	    {"100000000", NULL},
	    {"99999999.995", NULL},
	    {"1e300", NULL},
	    {"1e400", NULL},
	    {"\"1e2\"", NULL},
	    {"\"-1\"", NULL},
	    {"\"+1\"", NULL},
	    {"\"01\"", NULL},
	    {"\"1.\"", NULL},
	    {"\".5\"", NULL},
	    {"\"1.000\"", NULL},
	    {"\"100000000\"", NULL},
	    {"\" 1\"", NULL},
	    {"\"1 \"", NULL},
	    {"\"1\\u0000\"", NULL},
	    {"\"NaN\"", NULL},
	    {"\"\"", NULL},
	    {"null", NULL},
	    {"true", NULL},
	    {"[1]", NULL},
	    {"{}", NULL},
	};
	struct daemon *d = start();
	long kept = 0;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char body[100], want[100], target[64];
		snprintf(body, sizeof(body), "{\"name\":\"p\",\"price\":%s}", cases[i].sent);
		if (!cases[i].kept) {
			/* what jansson cannot even hold has no place to point at */
			bool overflow =
			    strcmp(cases[i].sent, "1e400") == 0 || strstr(cases[i].sent, "u0000");
			expect_post_problem(d, body, 422, overflow ? NULL : "/price");
			continue;
		}
		kept++;
		struct http_answer a;
		post(d, body, &a);
		ck_assert_msg(a.status == 201, "%s: %s", body, a.body);
		long id = strtol(strstr(a.body, "\"id\":") + 5, NULL, 10);
		snprintf(want, sizeof(want),
			 "{\"id\":%ld,\"name\":\"p\",\"price\":%s,\"version\":%ld}", id,
			 cases[i].kept, id);
		ck_assert_str_eq(a.body, want);
		http_answer_fini(&a);
		snprintf(target, sizeof(target), PRODUCTS "/%ld", id);
		http_expect_get(daemon_port(d), target, 200, want);
	}
	char *count = pg_ask("select count(*) from products");
	ck_assert_int_eq(strtol(count, NULL, 10), kept); /* none was rounded into the table */
	free(count);
	daemon_stop(d);
}
END_TEST

START_TEST(names_are_utf8_of_1_to_1000_bytes)
{
	struct daemon *d = start();
	char body[8000], want[8000];
	struct http_answer a;

	expect_post_problem(d, "{\"name\":\"\",\"price\":1}", 422, "/name");
	char *name = malloc(2000);
	memset(name, 'n', 1001);
	name[1000] = '\0';
	snprintf(body, sizeof(body), "{\"name\":\"%s\",\"price\":1}", name);
	snprintf(want, sizeof(want), "{\"id\":1,\"name\":\"%s\",\"price\":1.00,\"version\":1}",
		 name);
	expect_post(d, body, 201, want);
	name[1000] = 'n';
	name[1001] = '\0';
	snprintf(body, sizeof(body), "{\"name\":\"%s\",\"price\":1}", name);
	expect_post_problem(d, body, 422, "/name");
	/* bytes, not letters: 334 of three each are too many */
	name[0] = '\0';
	for (int i = 0; i < 334; i++)
		strcat(name, "\xe5\xa4\xaa");
	snprintf(body, sizeof(body), "{\"name\":\"%s\",\"price\":1}", name);
	expect_post_problem(d, body, 422, "/name");
	free(name);

	/* whatever a string can hold comes back as the same string */
	post(d,
	     "{\"name\":\"q\\\" b\\\\ s\\/ n\\n u\\u00e9 \\ud83d\\ude00 \xe5\xa4\xaa '; drop table "
	     "products; --\",\"price\":\"1.5\"}",
	     &a);
	ck_assert_msg(a.status == 201, "%s", a.body);
	json_t *row = json_loadb(a.body, a.body_len, 0, NULL);
	ck_assert_ptr_nonnull(row);
	ck_assert_str_eq(
	    json_string_value(json_object_get(row, "name")),
	    "q\" b\\ s/ n\n u\xc3\xa9 \xf0\x9f\x98\x80 \xe5\xa4\xaa '; drop table products; --");
	json_decref(row);
	http_answer_fini(&a);
	http_request(daemon_port(d), "GET", PRODUCTS, NULL, NULL, &a);
	ck_assert_int_eq(a.status, 200);
	json_t *list = json_loadb(a.body, a.body_len, 0, NULL);
	ck_assert_ptr_nonnull(list);
	ck_assert_uint_eq(json_array_size(json_object_get(list, "items")), 2);
	json_decref(list);
	http_answer_fini(&a);

	expect_post_problem(d, "{\"name\":\"a\\u0000b\",\"price\":1}", 422, NULL);
	expect_post_problem(d, "{\"name\":7,\"price\":1}", 422, "/name");
	expect_post_problem(d, "{\"name\":null,\"price\":1}", 422, "/name");
	daemon_stop(d);
}
END_TEST

START_TEST(bad_input_is_a_problem_with_pointers)
{
	static const struct {
		const char *body;
		int status;
		const char *pointer;
	} cases[] = {
	    {"", 400, NULL},
	    {"{", 400, NULL},
	    {"{\"name\":\"a\",\"price\":1}x", 400, NULL},
	    {"{'name':1}", 400, NULL},
	    {"{\"name\":\"\xff\",\"price\":1}", 400, NULL},
	    {"{\"name\":\"a\",\"name\":\"b\",\"price\":1}", 400, NULL},
	    {"not json", 400, NULL},
	    {"[]", 422, NULL},
	    {"\"text\"", 422, NULL},
	    {"null", 422, NULL},
	    {"{}", 422, "/name"},
	    {"{}", 422, "/price"},
	    {"{\"name\":\"a\"}", 422, "/price"},
	    {"{\"price\":1}", 422, "/name"},
	    {"{\"name\":\"\",\"price\":-1}", 422, "/name"},
	    {"{\"name\":\"\",\"price\":-1}", 422, "/price"},
	    {"{\"name\":\"a\",\"price\":1,\"colour\":\"red\"}", 422, "/colour"},
	    {"{\"id\":7,\"name\":\"a\",\"price\":1}", 422, "/id"},
	    {"{\"name\":\"a\",\"price\":1,\"a/b~c\":0}", 422, "/a~1b~0c"},
	};
	struct daemon *d = start();

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_post_problem(d, cases[i].body, cases[i].status, cases[i].pointer);
	/* nothing of this waited for the database: the table may not be there yet */
	http_expect_get(daemon_port(d), PRODUCTS, 200, "{\"items\":[],\"next\":null}");
	char *count = pg_ask("select count(*) from products");
	ck_assert_str_eq(count, "0");
	free(count);
	daemon_stop(d);
}
END_TEST

START_TEST(media_types_are_judged_by_the_head)
{
	static const struct {
		const char *fields;
		int status;
	} cases[] = {
	    {"Content-Type: application/json\r\n", 201},
	    {"content-type: Application/JSON\r\n", 201},
	    {"Content-Type: application/json; charset=utf-8\r\n", 201},
	    {"Content-Type: application/json;charset=\"UTF-8\"\r\n", 201},
	    {"", 415},
	    {"Content-Type: text/plain\r\n", 415},
	    {"Content-Type: application/x-www-form-urlencoded\r\n", 415},
	    {"Content-Type: application/jsonx\r\n", 415},
	    {"Content-Type: \r\n", 415},
	    {JSON "Content-Encoding: gzip\r\n", 415},
	    {JSON JSON, 415},
	};
	struct daemon *d = start();
	struct http_answer a;
	struct http_conn c;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		http_request(daemon_port(d), "POST", PRODUCTS, cases[i].fields,
			     "{\"name\":\"a\",\"price\":1}", &a);
		ck_assert_msg(a.status == cases[i].status, "%s-> %s", cases[i].fields, a.head);
		if (a.status == 415)
			expect_problem(&a, 415, NULL);
		http_answer_fini(&a);
	}
	/* the body is not waited for; when it comes all the same, the next request is behind it */
	http_open(&c, daemon_port(d));
	http_send_text(
	    &c, "POST /api/products HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n"
		"Content-Length: 28\r\n\r\n");
	http_read(&c, "POST", &a);
	ck_assert_int_eq(a.status, 415);
	ck_assert(!a.close);
	http_answer_fini(&a);
	http_send_text(&c, "GET /trap HTTP/1.1\r\nA: b\r\n");
	http_send_text(&c, "\r\nGET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
	http_read(&c, "GET", &a);
	ck_assert_int_eq(a.status, 200);
	ck_assert_str_eq(a.body, "OK");
	http_answer_fini(&a);
	http_close(&c);
	/* what is told to be sent is what would do here */
	http_request(daemon_port(d), "PATCH", PRODUCTS "/1", JSON, "{\"price\":1}", &a);
	expect_problem(&a, 415, NULL);
	ck_assert_msg(strstr(a.body, "-H 'Content-Type: application/merge-patch+json'") != NULL,
		      "%s", a.body);
	http_answer_fini(&a);
	/* nor is a 100 sent for one that is refused */
	http_open(&c, daemon_port(d));
	http_send_text(
	    &c, "POST /api/products HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n"
		"Expect: 100-continue\r\nContent-Length: 10\r\n\r\n");
	http_read(&c, "POST", &a);
	ck_assert_int_eq(a.status, 415);
	http_answer_fini(&a);
	http_close(&c);
	daemon_stop(d);
}
END_TEST

START_TEST(bodies_come_in_every_way)
{
	static const char body[] = "{\"name\":\"chunky\",\"price\":2}";
	struct daemon *d = start();
	struct http_conn c;
	struct http_answer a;

	http_open(&c, daemon_port(d));
	/* in chunks of a byte, with an extension and a trailer */
	http_send_text(&c, "POST /api/products HTTP/1.1\r\nHost: localhost\r\n" JSON
			   "Transfer-Encoding: chunked\r\n\r\n");
	for (size_t i = 0; i < sizeof(body) - 1; i++)
		http_sendf(&c, "1;x=y\r\n%c\r\n", body[i]);
	http_send_text(&c, "0\r\nX-Sum: 1\r\n\r\n");
	http_read(&c, "POST", &a);
	ck_assert_msg(a.status == 201, "%s", a.body);
	ck_assert_str_eq(a.body, "{\"id\":1,\"name\":\"chunky\",\"price\":2.00,\"version\":1}");
	http_answer_fini(&a);

	/* asked for first */
	http_sendf(&c,
		   "POST /api/products HTTP/1.1\r\nHost: localhost\r\n" JSON
		   "Expect: 100-continue\r\nContent-Length: %zu\r\n\r\n",
		   sizeof(body) - 1);
	http_read(&c, "POST", &a);
	ck_assert_int_eq(a.status, 100);
	http_answer_fini(&a);
	http_send_text(&c, body);
	http_read(&c, "POST", &a);
	ck_assert_int_eq(a.status, 201);
	http_answer_fini(&a);

	/* HTTP/1.0 gets no 100 */
	http_close(&c);
	http_open(&c, daemon_port(d));
	http_sendf(&c,
		   "POST /api/products HTTP/1.0\r\n" JSON
		   "Expect: 100-continue\r\nContent-Length: %zu\r\n\r\n%s",
		   sizeof(body) - 1, body);
	http_read(&c, "POST", &a);
	ck_assert_int_eq(a.status, 201);
	http_answer_fini(&a);
	http_close(&c);

	/* pipelined with others: answers in order, each when its row is there */
	http_open(&c, daemon_port(d));
	uint64_t began = it_now_ms();
	for (int i = 0; i < 50; i++) {
		http_sendf(&c,
			   "POST /api/products HTTP/1.1\r\nHost: localhost\r\n" JSON
			   "Content-Length: %zu\r\n\r\n%s",
			   sizeof(body) - 1, body);
		http_sendf(&c, "GET /n%d HTTP/1.1\r\nHost: localhost\r\n\r\n", i);
	}
	for (int i = 0; i < 50; i++) {
		char want[100];
		http_read(&c, "POST", &a);
		ck_assert_int_eq(a.status, 201);
		snprintf(want, sizeof(want),
			 "{\"id\":%d,\"name\":\"chunky\",\"price\":2.00,\"version\":%d}", i + 4,
			 i + 4);
		ck_assert_str_eq(a.body, want);
		http_answer_fini(&a);
		http_read(&c, "GET", &a);
		snprintf(want, sizeof(want), "Hello, n%d", i);
		ck_assert_str_eq(a.body, want);
		http_answer_fini(&a);
	}
	/* none of them waits for a timer to wake its worker */
	ck_assert_uint_lt(it_now_ms() - began, 5000);
	http_close(&c);
	daemon_stop(d);
}
END_TEST

START_TEST(bodies_are_bounded)
{
	char *option = fresh_option();
	struct daemon *d = daemon_start(option, "http.max_body_size=2k", "http.body_timeout=400ms",
					"http.min_body_rate=1k", NULL);
	struct http_conn c;
	struct http_answer a;
	char body[4000];

	free(option);
	int n = snprintf(body, sizeof(body), "{\"name\":\"a\",\"price\":1");
	memset(body + n, ' ', sizeof(body) - (size_t)n);
	strcpy(body + 2047, "}");
	expect_post(d, body, 201, NULL);
	/* one byte more: from the head, with the body not read */
	http_open(&c, daemon_port(d));
	http_send_text(&c, "POST /api/products HTTP/1.1\r\nHost: localhost\r\n" JSON
			   "Content-Length: 2049\r\n\r\n");
	http_read(&c, "POST", &a);
	expect_problem(&a, 413, NULL);
	ck_assert(a.close);
	http_answer_fini(&a);
	http_expect_eof(&c);
	http_close(&c);
	/* in chunks: as soon as they add up to too much */
	http_open(&c, daemon_port(d));
	http_send_text(&c, "POST /api/products HTTP/1.1\r\nHost: localhost\r\n" JSON
			   "Transfer-Encoding: chunked\r\n\r\n801\r\n");
	http_read(&c, "POST", &a);
	ck_assert_int_eq(a.status, 413);
	http_answer_fini(&a);
	http_expect_eof(&c);
	http_close(&c);
	/* a client in the middle of a large body gets the answer, not a reset (lingering close) */
	http_open(&c, daemon_port(d));
	http_send_text(&c, "POST /api/products HTTP/1.1\r\nHost: localhost\r\n" JSON
			   "Content-Length: 4000000\r\n\r\n");
	memset(body, 'x', sizeof(body));
	for (int i = 0; i < 1000; i++) {
		if (!http_try_send(&c, body, sizeof(body)))
			break;
	}
	http_read(&c, "POST", &a);
	ck_assert_int_eq(a.status, 413);
	http_answer_fini(&a);
	http_close(&c);

	/* a body that stops coming */
	http_open(&c, daemon_port(d));
	uint64_t began = it_now_ms();
	http_send_text(&c, "POST /api/products HTTP/1.1\r\nHost: localhost\r\n" JSON
			   "Content-Length: 100\r\n\r\n{");
	http_read(&c, "POST", &a);
	ck_assert_int_eq(a.status, 408);
	ck_assert(a.close);
	ck_assert_uint_ge(it_now_ms() - began, 350);
	http_answer_fini(&a);
	http_expect_eof(&c);
	http_close(&c);
	/* bytes that drip in below min_body_rate do not prolong it for long */
	http_open(&c, daemon_port(d));
	http_send_text(&c, "POST /api/products HTTP/1.1\r\nHost: localhost\r\n" JSON
			   "Content-Length: 2000\r\n\r\n");
	began = it_now_ms();
	while (!http_readable(&c, 20) && it_now_ms() - began < IT_DEADLINE_MS)
		http_try_send(&c, " ", 1);
	http_read(&c, "POST", &a);
	ck_assert_int_eq(a.status, 408);
	ck_assert_uint_lt(it_now_ms() - began, 5000);
	http_answer_fini(&a);
	http_close(&c);
	daemon_stop(d);
}
END_TEST

START_TEST(bytes_earn_a_body_more_time)
{
	char *option = fresh_option();
	struct daemon *d =
	    daemon_start(option, "http.body_timeout=300ms", "http.min_body_rate=10", NULL);
	struct http_conn c;
	struct http_answer a;
	char body[120];

	/* 100 bytes at 10 a second are worth ten seconds, of which this takes not one */
	free(option);
	int n = snprintf(body, sizeof(body), "{\"name\":\"a\",\"price\":1");
	memset(body + n, ' ', 100 - (size_t)n);
	body[100] = '\0';
	http_open(&c, daemon_port(d));
	http_sendf(&c,
		   "POST /api/products HTTP/1.1\r\nHost: localhost\r\n" JSON
		   "Content-Length: 101\r\n\r\n%s",
		   body);
	ck_assert(!http_readable(&c, 900));
	http_send_text(&c, "}");
	http_read(&c, "POST", &a);
	ck_assert_msg(a.status == 201, "%s", a.head);
	http_answer_fini(&a);
	http_close(&c);
	daemon_stop(d);
}
END_TEST

START_TEST(pages_follow_the_key)
{
	enum { ROWS = 2300 };
	struct daemon *d = start();
	uint16_t port = daemon_port(d);
	struct http_answer a;
	char target[200];
	static const char *const bad[] = {"limit=0", "limit=1001", "limit=-1", "limit=x",
					  "limit=",  "after=x%00", "after=!!", "limit=1&limit=2"};

	http_expect_get(port, PRODUCTS, 200, "{\"items\":[],\"next\":null}");
	free(pg_ask("insert into products(name, price) select 'p' || i, i / 100.0 from "
		    "generate_series(1, 2300) i"));
	/* gaps are no matter */
	free(pg_ask("delete from products where id % 10 = 3"));

	static const int limits[] = {0, 1000, 7};
	for (size_t l = 0; l < sizeof(limits) / sizeof(limits[0]); l++) {
		size_t per_page = limits[l] ? (size_t)limits[l] : 100, rows = 0;
		long last = 0;
		char *after = NULL;
		for (;;) {
			int n = snprintf(target, sizeof(target), PRODUCTS "?");
			if (limits[l])
				n += snprintf(target + n, sizeof(target) - (size_t)n, "limit=%d&",
					      limits[l]);
			if (after)
				snprintf(target + n, sizeof(target) - (size_t)n, "after=%s", after);
			http_request(port, "GET", target, NULL, NULL, &a);
			ck_assert_msg(a.status == 200, "%s: %s", target, a.body);
			json_t *page = json_loadb(a.body, a.body_len, 0, NULL), *item;
			http_answer_fini(&a);
			ck_assert_ptr_nonnull(page);
			json_t *items = json_object_get(page, "items");
			size_t i;
			ck_assert_uint_le(json_array_size(items), per_page);
			json_array_foreach(items, i, item)
			{
				long id = (long)json_integer_value(json_object_get(item, "id"));
				ck_assert_int_gt(id, last);
				ck_assert_int_ne(id % 10, 3);
				last = id;
				rows++;
			}
			json_t *next = json_object_get(page, "next");
			ck_assert_ptr_nonnull(next);
			free(after);
			after = json_is_string(next) ? strdup(json_string_value(next)) : NULL;
			ck_assert(after || json_is_null(next));
			/* every page but the last is full */
			ck_assert(!after || json_array_size(items) == per_page);
			json_decref(page);
			if (!after || (l == 2 && rows > 200))
				break;
		}
		free(after);
		if (l < 2)
			ck_assert_uint_eq(rows, ROWS - ROWS / 10);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(target, sizeof(target), PRODUCTS "?%s", bad[i]);
		http_request(port, "GET", target, NULL, NULL, &a);
		ck_assert_msg(a.status == 400 || a.status == 422, "%s: %s%s", target, a.head,
			      a.body);
		ck_assert_str_eq(http_field(&a, "Content-Type"), "application/problem+json");
		http_answer_fini(&a);
	}
	daemon_stop(d);
}
END_TEST

START_TEST(many_at_once_on_all_workers)
{
	enum { CLIENTS = 24, EACH = 30 };
	char *option = fresh_option();
	struct daemon *d = daemon_start(option, "server.workers=3", NULL);
	struct http_conn c[CLIENTS];
	struct http_answer a;

	free(option);
	for (int i = 0; i < CLIENTS; i++)
		http_open(&c[i], daemon_port(d));
	for (int r = 0; r < EACH; r++) {
		for (int i = 0; i < CLIENTS; i++) {
			char body[64];
			int n = snprintf(body, sizeof(body),
					 "{\"name\":\"c%d r%d\",\"price\":%d.%02d}", i, r, i, r);
			http_sendf(&c[i],
				   "POST /api/products HTTP/1.1\r\nHost: localhost\r\n" JSON
				   "Content-Length: %d\r\n\r\n%s",
				   n, body);
		}
	}
	for (int i = 0; i < CLIENTS; i++) {
		for (int r = 0; r < EACH; r++) {
			char want[64];
			http_read(&c[i], "POST", &a);
			ck_assert_msg(a.status == 201, "%s%s", a.head, a.body);
			/* each its own row, whatever left together with it */
			snprintf(want, sizeof(want), "\"name\":\"c%d r%d\",\"price\":%d.%02d,", i,
				 r, i, r);
			ck_assert_msg(strstr(a.body, want) != NULL, "%s instead of %s", a.body,
				      want);
			long id = strtol(strstr(a.body, "\"id\":") + 5, NULL, 10);
			char location[64];
			snprintf(location, sizeof(location), "/api/products/%ld", id);
			ck_assert_str_eq(http_field(&a, "Location"), location);
			http_answer_fini(&a);
		}
		http_close(&c[i]);
	}
	char *count = pg_ask("select count(*) || ' ' || count(distinct name) from products");
	ck_assert_str_eq(count, "720 720");
	free(count);
	daemon_stop(d);
}
END_TEST

START_TEST(makes_the_table_once_however_many_start)
{
	char *option = fresh_option();
	struct daemon *d[3];

	d[0] = daemon_start(option, "server.workers=4", NULL);
	d[1] = daemon_start(option, "server.workers=4", NULL);
	d[2] = daemon_start(option, "server.workers=4", NULL);
	free(option);
	for (int i = 0; i < 3; i++) {
		for (int r = 0; r < 8; r++)
			expect_post(d[i], "{\"name\":\"a\",\"price\":1}", 201, NULL);
	}
	char *columns =
	    pg_ask("select string_agg(column_name || ' ' || data_type || ' ' || is_nullable || "
		   "' ' || coalesce(numeric_precision::text, '-') || ',' || "
		   "coalesce(numeric_scale::text, '-'), '; ' order by ordinal_position) from "
		   "information_schema.columns where table_name = 'products'");
	ck_assert_str_eq(columns, "id integer NO 32,0; name text NO -,-; price numeric NO 10,2; "
				  "version bigint NO 64,0");
	free(columns);
	for (int i = 0; i < 3; i++)
		daemon_stop(d[i]);
}
END_TEST

static bool
jobs_work(struct daemon *d)
{
	struct http_answer a;

	http_request(daemon_port(d), "GET", "/api/queues", NULL, NULL, &a);
	const bool is = a.status == 200;
	http_answer_fini(&a);
	return is;
}

START_TEST(uses_a_table_that_is_there)
{
	/* by a role that may read and write what another one has made, but no jobs */
	char *option = fresh_option();
	struct http_answer a;
	struct daemon *d = daemon_start(option, NULL);

	expect_post(d, "{\"name\":\"old\",\"price\":3}", 201, NULL);
	/* the steps of the jobs come by themselves, and must all be there */
	WAIT_UNTIL(jobs_work(d));
	daemon_stop(d);
	free(pg_ask("reassign owned by plaza to postgres;"
		    "grant select, insert on products to plaza;"
		    "grant select, delete on product_log to plaza;"
		    "grant select, update on product_feed to plaza;"
		    "grant select, insert, update, delete on product_idempotency to plaza;"
		    "grant usage on products_id_seq to plaza"));
	d = daemon_start(option, NULL);
	free(option);
	daemon_expect_error(d, "jobs: permission denied for table job");
	char *line = daemon_log_wait(d, 0, "jobs: permission denied for table job_worker");
	ck_assert_msg(strstr(line, "the grants at the end of what plazad -S prints"), "%s", line);
	free(line);
	http_request(daemon_port(d), "POST", "/api/jobs", JSON, "{\"kind\":\"sleep\"}", &a);
	ck_assert_msg(a.status == 503, "%s%s", a.head, a.body);
	http_answer_fini(&a);
	http_expect_get(daemon_port(d), PRODUCTS "/1", 200,
			"{\"id\":1,\"name\":\"old\",\"price\":3.00,\"version\":1}");
	expect_post(d, "{\"name\":\"new\",\"price\":4}", 201,
		    "{\"id\":2,\"name\":\"new\",\"price\":4.00,\"version\":2}");
	daemon_stop(d);

	/* with more columns than we know, it stays as it is */
	option = fresh_option();
	free(pg_ask(
	    "create table products(id serial primary key, name text not null, price "
	    "decimal(10,2) not null, made date default '2026-11-22'); alter table products owner "
	    "to plaza"));
	d = daemon_start(option, NULL);
	free(option);
	expect_post(
	    d, "{\"name\":\"new\",\"price\":4}", 201,
	    "{\"id\":1,\"name\":\"new\",\"price\":4.00,\"version\":1,\"made\":\"2026-11-22\"}");
	char *made = pg_ask("select made from products");
	ck_assert_str_eq(made, "2026-11-22");
	free(made);
	daemon_stop(d);
}
END_TEST

START_TEST(without_a_database_503)
{
	struct daemon *d = daemon_start_default();
	struct http_answer a;

	http_request(daemon_port(d), "GET", PRODUCTS, NULL, NULL, &a);
	expect_problem(&a, 503, NULL);
	ck_assert_msg(strstr(a.body, "store.database"), "%s", a.body);
	http_answer_fini(&a);
	http_expect_get(daemon_port(d), PRODUCTS "/1", 503, NULL);
	expect_post(d, "{\"name\":\"a\",\"price\":1}", 503, NULL);
	daemon_stop(d);
}
END_TEST

START_TEST(the_sum_of_connections_is_kept)
{
	char *option = fresh_option();
	struct daemon *d = daemon_start(option, "server.workers=4", "store.connections=18", NULL);
	struct http_conn c[40];
	struct http_answer a;

	/* two generations under 18: each of four workers has one for products and one for jobs */
	for (int r = 0; r < 3; r++) {
		for (size_t i = 0; i < 40; i++) {
			http_open(&c[i], daemon_port(d));
			http_sendf(&c[i], "GET /api/products HTTP/1.1\r\nHost: localhost\r\n\r\n");
		}
		for (size_t i = 0; i < 40; i++) {
			http_read(&c[i], "GET", &a);
			ck_assert_int_eq(a.status, 200);
			http_answer_fini(&a);
			http_close(&c[i]);
		}
		char *used =
		    pg_ask("select count(*) from pg_stat_activity where usename = 'plaza' and "
			   "datname = current_database()");
		/* with the executor's, and those that are beside the sum: the change feed's, the
		 * search index's while it is built, and the executor's ear */
		ck_assert_int_le(strtol(used, NULL, 10), 4 * 2 + 1 + 3);
		ck_assert_int_ge(strtol(used, NULL, 10), 1);
		free(used);
	}
	daemon_stop(d);

	/* what does not fit is refused with the sum */
	char *listen = it_printf("%s", "server.listen=127.0.0.1:0");
	struct run run;
	run_args(&run, NULL, it_plazad(), "-c", "/dev/null", "-o", listen, "-o", option, "-o",
		 "server.workers=4", "-o", "store.connections=7", NULL);
	ck_assert_msg(run.status == 78, "%d: %s", run.status, run.err);
	ck_assert_msg(strstr(run.err, "store.connections") && strstr(run.err, "18 or more"), "%s",
		      run.err);
	run_fini(&run);
	free(listen);
	free(option);
}
END_TEST

START_TEST(database_errors_are_answers)
{
	char *option = fresh_option();
	struct http_answer a;

	free(pg_ask("create table products(id serial primary key, name text not null, price "
		    "decimal(10,2) not null, constraint polite check (name <> 'rude')); "
		    "alter table products owner to plaza"));
	struct daemon *d = daemon_start(option, NULL);
	free(option);

	expect_post(d, "{\"name\":\"a\",\"price\":1}", 201, NULL);
	/* a rule of the database's own refuses one row; those beside it get through */
	struct http_conn c;
	http_open(&c, daemon_port(d));
	for (int i = 0; i < 9; i++) {
		const char *body =
		    i == 4 ? "{\"name\":\"rude\",\"price\":1}" : "{\"name\":\"nice\",\"price\":1}";
		http_sendf(&c,
			   "POST /api/products HTTP/1.1\r\nHost: localhost\r\n" JSON
			   "Content-Length: %zu\r\n\r\n%s",
			   strlen(body), body);
	}
	for (int i = 0; i < 9; i++) {
		http_read(&c, "POST", &a);
		if (i == 4)
			ck_assert_msg(a.status >= 400 && a.status != 503, "%s%s", a.head, a.body);
		else
			ck_assert_msg(a.status == 201, "%s%s", a.head, a.body);
		/* the rule's name is for whoever asks, the database's own words are for the log */
		ck_assert((strstr(a.body, "polite") != NULL) == (i == 4));
		ck_assert(!strstr(a.body, "violates"));
		http_answer_fini(&a);
	}
	http_close(&c);
	daemon_expect_error(d, "polite");
	daemon_stop(d);
}
END_TEST

START_TEST(statements_and_queues_have_their_time)
{
	char *option = fresh_option();
	struct daemon *d =
	    daemon_start(option, "store.statement_timeout=300ms", "store.queue_timeout=500ms",
			 "store.queue_limit=4", "server.workers=2", NULL);
	struct http_conn c[40];
	struct http_answer a;
	unsigned refused = 0;

	free(option);
	/* all lanes have prepared their statements */
	daemon_wait_store(d);
	expect_post(d, "{\"name\":\"a\",\"price\":1}", 201, NULL);
	/* somebody holds the table, until we let go */
	char *dbname = pg_ask("select current_database()");
	const char *argv[] = {"psql", "-XAtq", "-h", pg_socket_dir(), "-U", "postgres",
			      "-d",   dbname,  NULL};
	struct child holder;
	child_start(&holder, argv);
	child_write(&holder, "begin; lock table products; select 'held';\n");
	char *line = child_read_line(&holder);
	ck_assert_str_eq(line, "held");
	free(line);
	for (size_t i = 0; i < 40; i++) {
		http_open(&c[i], daemon_port(d));
		http_send_text(&c[i], "GET /api/products/1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
	}
	/* meanwhile the greeting is as quick as ever */
	http_expect_get(daemon_port(d), "/Ada", 200, "Hello, Ada");
	for (size_t i = 0; i < 40; i++) {
		http_read(&c[i], "GET", &a);
		ck_assert_msg(a.status == 503 || a.status == 504, "%s%s", a.head, a.body);
		ck_assert_ptr_nonnull(http_field(&a, "Retry-After"));
		refused++;
		http_answer_fini(&a);
		http_close(&c[i]);
	}
	ck_assert_uint_eq(refused, 40);
	child_write(&holder, "commit;\n");
	child_close_input(&holder);
	ck_assert_int_eq(child_wait(&holder), 0);
	free(dbname);
	/* and as soon as it is free all is well */
	http_expect_get(daemon_port(d), PRODUCTS "/1", 200, NULL);
	expect_post(d, "{\"name\":\"b\",\"price\":1}", 201, NULL);
	daemon_stop(d);
}
END_TEST

static void
fill(Suite *s)
{
	TCase *tc = it_case(s, "rows");
	tcase_add_test(tc, keeps_and_gives_products);
	tcase_add_test(tc, knows_what_is_not_there);
	tcase_add_test(tc, prices_are_exact);
	tcase_add_test(tc, names_are_utf8_of_1_to_1000_bytes);
	tcase_add_test(tc, pages_follow_the_key);
	tcase_add_test(tc, many_at_once_on_all_workers);

	tc = it_case(s, "input");
	tcase_add_test(tc, bad_input_is_a_problem_with_pointers);
	tcase_add_test(tc, media_types_are_judged_by_the_head);
	tcase_add_test(tc, bodies_come_in_every_way);
	tcase_add_test(tc, bodies_are_bounded);
	tcase_add_test(tc, bytes_earn_a_body_more_time);

	tc = it_case(s, "database");
	tcase_add_test(tc, makes_the_table_once_however_many_start);
	tcase_add_test(tc, uses_a_table_that_is_there);
	tcase_add_test(tc, without_a_database_503);
	tcase_add_test(tc, the_sum_of_connections_is_kept);
	tcase_add_test(tc, database_errors_are_answers);
	tcase_add_test(tc, statements_and_queues_have_their_time);
}

int
main(void)
{
	return it_main("products", fill, IT_WITH_PG);
}
