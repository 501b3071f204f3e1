/*
 * it_answers.c - what an answer is besides its content: entity-tags and 304, gzip at once and in
 * slices, the fields that all answers have.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/pg.c -lz */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "harness.h"
#include "http_client.h"
#include "pg.h"

#define PRODUCTS "/api/products"
#define PAGE     PRODUCTS "?limit=1000"
#define GZIP     "Accept-Encoding: gzip\r\n"

/* With a database of the test's own, and its table made. */
static struct daemon *
start(const char *option)
{
	char *database = it_printf("store.database=%s", pg_fresh());
	/* a list of a thousand takes its time under sanitizers */
	struct daemon *d = daemon_start(option, database, "store.queue_timeout=1m",
					"store.statement_timeout=1m", NULL);

	free(database);
	http_expect_get(daemon_port(d), PRODUCTS, 200, "{\"items\":[],\"next\":null}");
	return d;
}

/* 1000 products with names of about `len` bytes that repeat themselves somewhat. */
static void
fill(int len)
{
	char *sql = it_printf("insert into products(name, price) select "
			      "left(i || repeat(' Lamp ' || md5(i::text), 30), %d), i / 100.0 "
			      "from generate_series(1, 1000) i",
			      len);

	free(pg_ask(sql));
	free(sql);
}

static char *
field_copy(const struct http_answer *a, const char *name)
{
	const char *value = http_field(a, name);

	return value ? it_printf("%s", value) : NULL;
}

/* The body is one whole gzip member that holds `plain`. */
static void
expect_gzip_of(const struct http_answer *a, const char *plain, size_t len)
{
	z_stream stream = {0};
	char *out = malloc(len + 1);

	ck_assert_ptr_nonnull(out);
	ck_assert_str_eq(http_field(a, "Content-Encoding"), "gzip");
	stream.next_in = (Bytef *)a->body;
	stream.avail_in = (uInt)a->body_len;
	stream.next_out = (Bytef *)out;
	stream.avail_out = (uInt)len + 1;
	ck_assert_int_eq(inflateInit2(&stream, 16 + 15), Z_OK);
	ck_assert_int_eq(inflate(&stream, Z_FINISH), Z_STREAM_END);
	ck_assert_uint_eq(stream.avail_in, 0);
	ck_assert_uint_eq(stream.total_out, len);
	ck_assert_mem_eq(out, plain, len);
	inflateEnd(&stream);
	free(out);
}

static void
get(uint16_t port, const char *target, const char *fields, struct http_answer *a)
{
	http_request(port, "GET", target, fields, NULL, a);
}

/* One that has the tag, of a GET or HEAD of which 200 or 304 is expected. */
static void
expect_with_tag(uint16_t port, const char *method, const char *target, const char *tag, int status)
{
	char *fields = it_printf("If-None-Match: \"other\", %s\r\n", tag);
	struct http_answer a;

	http_request(port, method, target, fields, NULL, &a);
	ck_assert_msg(a.status == status, "%s %s with %s: %s", method, target, tag, a.head);
	ck_assert_ptr_nonnull(http_field(&a, "ETag"));
	ck_assert_ptr_nonnull(http_field(&a, "Date"));
	if (status == 304) {
		ck_assert_str_eq(http_field(&a, "ETag"), tag);
		ck_assert_ptr_null(http_field(&a, "Content-Length"));
		ck_assert_ptr_null(http_field(&a, "Content-Type"));
	}
	http_answer_fini(&a);
	free(fields);
}

/* RFC 9110 8.8.3, 13.1.2, 15.4.5; also deferred, when the head of the request is long gone */
START_TEST(what_a_client_has_is_not_sent_again)
{
	struct daemon *d = start("server.workers=2");
	uint16_t port = daemon_port(d);
	static const char *const targets[] = {PRODUCTS "/1", PRODUCTS, "/robots.txt"};
	struct http_answer a;

	free(pg_ask("insert into products(name, price) values ('Lamp', 10), ('Pen', 1.5)"));
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		get(port, targets[i], NULL, &a);
		ck_assert_int_eq(a.status, 200);
		char *tag = field_copy(&a, "ETag");
		ck_assert_ptr_nonnull(tag);
		ck_assert_int_eq(tag[0], '"');
		http_answer_fini(&a);
		/* whichever worker it is that has the connection */
		for (int n = 0; n < 8; n++)
			expect_with_tag(port, n % 2 ? "HEAD" : "GET", targets[i], tag, 304);
		/* a product that changed has another tag, and so has a list with it */
		if (strncmp(targets[i], PRODUCTS, strlen(PRODUCTS)) == 0) {
			free(pg_ask("update products set price = price + 1 where id = 1"));
			expect_with_tag(port, "GET", targets[i], tag, 200);
		}
		free(tag);
	}
	/* nothing that is not there is unchanged */
	get(port, PRODUCTS "/77", "If-None-Match: *\r\n", &a);
	ck_assert_int_eq(a.status, 404);
	http_answer_fini(&a);
	daemon_stop(d);
}
END_TEST

/* Pipelined and deferred, each request's own condition counts. */
START_TEST(each_request_has_its_own_condition)
{
	struct daemon *d = start("server.workers=1");
	struct http_conn c;
	struct http_answer a;

	free(pg_ask("insert into products(name, price) values ('Lamp', 10), ('Pen', 1.5)"));
	get(daemon_port(d), PRODUCTS "/2", NULL, &a);
	char *tag = field_copy(&a, "ETag");
	http_answer_fini(&a);
	http_open(&c, daemon_port(d));
	http_sendf(&c,
		   "GET " PRODUCTS "/2 HTTP/1.1\r\nHost: localhost:%u\r\nIf-None-Match: %s\r\n\r\n"
		   "GET " PRODUCTS "/2 HTTP/1.1\r\nHost: localhost:%u\r\n\r\n"
		   "GET " PRODUCTS "/1 HTTP/1.1\r\nHost: localhost:%u\r\nIf-None-Match: %s\r\n\r\n"
		   "GET " PRODUCTS "/2 HTTP/1.1\r\nHost: localhost:%u\r\n"
		   "If-None-Match: \"a\"\r\nIf-None-Match: W/%s\r\n\r\n",
		   c.port, tag, c.port, c.port, tag, c.port, tag);
	static const int statuses[] = {304, 200, 200, 304};
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		http_read(&c, "GET", &a);
		ck_assert_msg(a.status == statuses[i], "%zu: %s", i, a.head);
		http_answer_fini(&a);
	}
	http_close(&c);
	free(tag);
	daemon_stop(d);
}
END_TEST

/* RFC 9110 8.4.1.3, 8.8.3.3, 12.5.3, 12.5.5: below a slice at once, above it in slices */
static const int name_lens[] = {10, 900};

START_TEST(lists_come_back_from_gzip)
{
	struct daemon *d = start("http.gzip_min_size=1k");
	uint16_t port = daemon_port(d);
	const bool is_sliced = _i == 1;
	struct http_answer plain, coded, head;

	fill(name_lens[_i]);
	get(port, PAGE, NULL, &plain);
	ck_assert_int_eq(plain.status, 200);
	ck_assert_uint_gt(plain.body_len, is_sliced ? 800000 : 30000);
	ck_assert_ptr_null(http_field(&plain, "Content-Encoding"));
	ck_assert_str_eq(http_field(&plain, "Vary"), "Accept-Encoding");
	char *tag = field_copy(&plain, "ETag");
	get(port, PAGE, GZIP, &coded);
	ck_assert_int_eq(coded.status, 200);
	expect_gzip_of(&coded, plain.body, plain.body_len);
	ck_assert_uint_lt(coded.body_len, plain.body_len / 2);
	ck_assert_str_eq(http_field(&coded, "Vary"), "Accept-Encoding");
	ck_assert_str_eq(http_field(&coded, "Content-Type"), "application/json");
	ck_assert_uint_eq(http_field_count(&coded, "Content-Length"), !is_sliced);
	ck_assert_uint_eq(http_field_count(&coded, "Transfer-Encoding"), is_sliced);
	char *weak = field_copy(&coded, "ETag");
	ck_assert_int_eq(strncmp(weak, "W/", 2), 0);
	ck_assert_str_eq(weak + 2, tag);
	/* RFC 9110 9.3.2: all but what is known only with the content */
	http_request(port, "HEAD", PAGE, GZIP, NULL, &head);
	ck_assert_str_eq(http_field(&head, "Content-Encoding"), "gzip");
	ck_assert_str_eq(http_field(&head, "Vary"), "Accept-Encoding");
	ck_assert_str_eq(http_field(&head, "ETag"), weak);
	ck_assert_ptr_null(http_field(&head, "Content-Length"));
	http_answer_fini(&head);
	/* either tag will do */
	expect_with_tag(port, "GET", PAGE, tag, 304);
	char *fields = it_printf(GZIP "If-None-Match: %s\r\n", weak);
	http_request(port, "GET", PAGE, fields, NULL, &head);
	ck_assert_int_eq(head.status, 304);
	ck_assert_str_eq(http_field(&head, "Vary"), "Accept-Encoding");
	ck_assert_ptr_null(http_field(&head, "Content-Encoding"));
	http_answer_fini(&head);
	/* what is short, or asked for in HTTP/1.0, goes as it is */
	http_request(port, "GET", PRODUCTS "/1", GZIP, NULL, &head);
	ck_assert_ptr_null(http_field(&head, "Content-Encoding"));
	http_answer_fini(&head);
	free(fields);
	free(tag);
	free(weak);
	http_answer_fini(&plain);
	http_answer_fini(&coded);
	daemon_stop(d);
}
END_TEST

START_TEST(gzip_is_off_by_default)
{
	struct daemon *d = start("server.workers=1");
	struct http_answer a;

	fill(10);
	get(daemon_port(d), PAGE, GZIP, &a);
	ck_assert_ptr_null(http_field(&a, "Content-Encoding"));
	ck_assert_ptr_null(http_field(&a, "Vary"));
	http_answer_fini(&a);
	daemon_stop(d);
}
END_TEST

/*
 * Many at once, of which each gets all of it, coded or, where the worker had enough to do, plain;
 * some leave in the middle, and others are served between.
 */
START_TEST(many_ask_for_gzip_at_once)
{
	enum { CLIENTS = 60 };
	struct daemon *d = start("http.gzip_min_size=1k");
	uint16_t port = daemon_port(d);
	struct http_conn c[CLIENTS], leaving;
	struct http_answer plain, a;
	size_t n_coded = 0;

	fill(900);
	get(port, PAGE, NULL, &plain);
	for (size_t i = 0; i < CLIENTS; i++)
		http_open(&c[i], port);
	/* two from each: the second comes behind the last slice of the first */
	for (size_t i = 0; i < CLIENTS; i++)
		http_sendf(&c[i],
			   "GET " PAGE " HTTP/1.1\r\nHost: localhost:%u\r\n" GZIP "\r\n"
			   "GET /Ada HTTP/1.1\r\nHost: localhost:%u\r\n" GZIP "\r\n",
			   port, port);
	for (size_t i = 0; i < CLIENTS / 4; i++) {
		http_open(&leaving, port);
		http_sendf(&leaving, "GET " PAGE " HTTP/1.1\r\nHost: localhost:%u\r\n" GZIP "\r\n",
			   port);
		if (i % 2)
			ck_assert(http_readable(&leaving, IT_DEADLINE_MS));
		http_close(&leaving);
	}
	http_expect_get(port, "/Ada", 200, "Hello, Ada");
	for (size_t i = 0; i < CLIENTS; i++) {
		http_read(&c[i], "GET", &a);
		ck_assert_int_eq(a.status, 200);
		if (http_field(&a, "Content-Encoding")) {
			n_coded++;
			expect_gzip_of(&a, plain.body, plain.body_len);
		} else {
			ck_assert_uint_eq(a.body_len, plain.body_len);
			ck_assert_mem_eq(a.body, plain.body, a.body_len);
		}
		http_answer_fini(&a);
		http_read(&c[i], "GET", &a);
		ck_assert_str_eq(a.body, "Hello, Ada");
		http_answer_fini(&a);
		http_close(&c[i]);
	}
	ck_assert_uint_gt(n_coded, 0);
	http_answer_fini(&plain);
	daemon_stop(d);
}
END_TEST

/* RFC 9110 10.2.4 */
START_TEST(server_is_named_unless_off)
{
	static const char *const options[] = {"http.server_header=on", "http.server_header=off"};

	for (size_t i = 0; i < 2; i++) {
		struct daemon *d = daemon_start(options[i], NULL);
		static const char *const targets[] = {"/", "/none/there", "/chat"};
		struct http_answer a;

		for (size_t t = 0; t < sizeof(targets) / sizeof(targets[0]); t++) {
			get(daemon_port(d), targets[t], NULL, &a);
			if (i == 0)
				ck_assert_str_eq(http_field(&a, "Server"), "plaza");
			else
				ck_assert_ptr_null(http_field(&a, "Server"));
			ck_assert_uint_eq(http_field_count(&a, "Date"), 1);
			http_answer_fini(&a);
		}
		daemon_stop(d);
	}
}
END_TEST

static void
fill_suite(Suite *suite)
{
	TCase *tc = it_case(suite, "answers");

	tcase_add_test(tc, what_a_client_has_is_not_sent_again);
	tcase_add_test(tc, each_request_has_its_own_condition);
	tcase_add_loop_test(tc, lists_come_back_from_gzip, 0,
			    (int)(sizeof(name_lens) / sizeof(name_lens[0])));
	tcase_add_test(tc, gzip_is_off_by_default);
	tcase_add_test(tc, many_ask_for_gzip_at_once);
	tcase_add_test(tc, server_is_named_unless_off);
}

int
main(void)
{
	return it_main("answers", fill_suite, IT_WITH_PG);
}
