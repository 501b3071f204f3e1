/*
 * it_errors.c - errors as curl and browsers see them: their two forms, hints, the list of a 404,
 * OPTIONS, and pages of http.origins.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/pg.c */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "http_client.h"
#include "pg.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))
#define JSON     "Content-Type: application/json\r\n"
#define FAR      "X-Forwarded-For: 192.0.2.1\r\n"
#define PAGE     "Origin: https://app.example\r\n"
#define EVIL     "Origin: https://evil.example\r\n"

static struct daemon *
start(const char *option)
{
	char *database = it_printf("store.database=%s", pg_fresh());
	struct daemon *d = daemon_start(database, "server.public=greet store.read", option, NULL);

	free(database);
	return d;
}

/* --- forms --- */

static const struct {
	const char *method, *target, *fields, *body;
	int status;
	bool is_json; /* what its path gets unasked */
} errors[] = {
    /* of the front door */
    {"GET", "/no/such", "", NULL, 404, false},
    {"GET", "/metrics", "", NULL, 404, false},
    {"GET", "/api/no", "", NULL, 404, true},
    {"POST", "/Ada", "", NULL, 405, false},
    {"PUT", "/chat", "", NULL, 405, true},
    {"POST", "/chat", "", NULL, 411, true},
    {"GET", "/chat/room", "", NULL, 426, true},
    {"GET", "/echo", "", NULL, 426, false},
    {"POST", "/api/products", "", "{}", 415, true},
    {"GET", "/Ada", "", "{}", 413, false},
    {"GET", "/Ada", "Host: evil.example\r\n", NULL, 421, false},
    {"GET", "/chat", FAR, NULL, 403, true},
    /* of handlers, at once */
    {"GET", "/%FF", "", NULL, 400, false},
    {"GET", "/api/products/x", "", NULL, 404, true},
    {"GET", "/api/products?limit=0", "", NULL, 400, true},
    {"POST", "/api/products", JSON, "{", 400, true},
    {"POST", "/api/products", JSON, "{}", 422, true},
    {"GET", "/chat/a%20b",
     "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
     NULL, 404, true},
    /* deferred: the head is long gone when the database answers */
    {"GET", "/api/products/2147483647", "", NULL, 404, true},
};

static void
expect_form(const struct http_answer *a, int status, bool is_json)
{
	ck_assert_msg(a->status == status, "%d instead of %d: %s%s", a->status, status, a->head,
		      a->body);
	ck_assert_str_eq(http_field(a, "Content-Type"),
			 is_json ? "application/problem+json" : "text/plain; charset=utf-8");
	ck_assert_str_eq(http_field(a, "Vary"), "Accept");
	if (is_json)
		ck_assert_ptr_nonnull(strstr(a->body, "\"hint\":\""));
	else
		ck_assert_ptr_nonnull(strstr(a->body, "\nHint: "));
}

START_TEST(errors_have_the_form_that_is_asked_for)
{
	struct daemon *d = start(NULL);

	for (size_t i = 0; i < N(errors); i++) {
		static const char *const accepts[] = {"", "Accept: */*\r\n",
						      "Accept: application/json\r\n",
						      "Accept: text/plain;q=0.9, */*;q=0.8\r\n"};
		const bool forms[] = {errors[i].is_json, errors[i].is_json, true, false};

		for (size_t k = 0; k < N(accepts); k++) {
			char *fields = it_printf("%s%s", errors[i].fields, accepts[k]);
			struct http_answer a;

			http_request(daemon_port(d), errors[i].method, errors[i].target, fields,
				     errors[i].body, &a);
			expect_form(&a, errors[i].status, forms[k]);
			http_answer_fini(&a);
			free(fields);
		}
	}
	daemon_stop(d);
}
END_TEST

START_TEST(errors_in_text_name_what_is_wrong_line_by_line)
{
	struct daemon *d = start(NULL);

	http_expect(daemon_port(d), "POST", "/api/products", JSON "Accept: text/plain\r\n",
		    "{\"name\":\"\",\"price\":1.234}", 422,
		    "a product is {\"name\":\"iPhone 12\",\"price\":999.99}\n"
		    "/name: must be a string of 1 to 1000 bytes of UTF-8\n"
		    "/price: must have at most two decimals; it is never rounded\n"
		    "Hint: Mend what is named here and send it again; nothing was changed.\n");
	daemon_stop(d);
}
END_TEST

/* --- 404 --- */

START_TEST(a_404_lists_what_the_asker_may_use)
{
	static const char top[] =
	    "There is nothing at this path.\nHint: Ask for one of these routes; "
	    "case counts, and so does a slash at the end.\n";
	static const char greet[] = "GET /\nGET /{name}\nGET /health\nGET /health/live\n"
				    "GET /health/ready\nGET /robots.txt\n";
	static const char chat[] =
	    "GET /chat (WebSocket)\nGET /chat/{room} (WebSocket)\nGET /echo (WebSocket)\n"
	    "POST /chat\nPOST /chat/{room}\nGET /chat/{room}/history\n"
	    "GET /chat/{room}/members\nGET /chat/{room}/events\n";
	/* all of them are in README, see it_readme.c */
	static const char reading[] = "GET /api/products\n", writing[] = "POST /api/products\n";
	struct daemon *d = start(NULL);
	uint16_t port = daemon_port(d);
	struct http_answer a;

	http_request(port, "GET", "/no/such", NULL, NULL, &a);
	ck_assert_int_eq(a.status, 404);
	ck_assert_int_eq(strncmp(a.body, top, strlen(top)), 0);
	ck_assert_ptr_nonnull(strstr(a.body, greet));
	ck_assert_ptr_nonnull(strstr(a.body, chat));
	ck_assert_ptr_nonnull(strstr(a.body, reading));
	ck_assert_ptr_nonnull(strstr(a.body, writing));
	http_answer_fini(&a);
	http_request(port, "GET", "/no/such", FAR, NULL, &a);
	ck_assert_int_eq(a.status, 404);
	/* greet and store.read are public here */
	ck_assert_ptr_nonnull(strstr(a.body, greet));
	ck_assert_ptr_nonnull(strstr(a.body, reading));
	ck_assert_ptr_null(strstr(a.body, "/chat"));
	ck_assert_ptr_null(strstr(a.body, "POST"));
	ck_assert_ptr_null(strstr(a.body, "PUT"));
	http_answer_fini(&a);
	daemon_stop(d);
}
END_TEST

/* --- OPTIONS --- */

START_TEST(rfc9110_9_3_7_options_everywhere)
{
	struct daemon *d = start(NULL);
	uint16_t port = daemon_port(d);
	struct http_answer a;
	struct http_conn c;

	http_open(&c, port);
	http_exchange(&c, "OPTIONS", "*", NULL, NULL, &a);
	ck_assert_int_eq(a.status, 204);
	ck_assert_str_eq(http_field(&a, "Allow"), "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
	ck_assert_ptr_null(http_field(&a, "Content-Length"));
	http_answer_fini(&a);
	/* with a body, which is dropped */
	http_exchange(&c, "OPTIONS", "/api/products", JSON, "{\"a\":1}", &a);
	ck_assert_int_eq(a.status, 204);
	ck_assert_str_eq(http_field(&a, "Allow"), "GET, HEAD, POST, OPTIONS");
	ck_assert_str_eq(http_field(&a, "Accept-Post"), "application/json, text/csv");
	ck_assert_ptr_null(http_field(&a, "Accept-Patch"));
	http_answer_fini(&a);
	http_exchange(&c, "OPTIONS", "/api/products/7", NULL, NULL, &a);
	ck_assert_str_eq(http_field(&a, "Allow"), "GET, HEAD, PUT, PATCH, DELETE, OPTIONS");
	ck_assert_str_eq(http_field(&a, "Accept-Patch"), "application/merge-patch+json");
	ck_assert_ptr_null(http_field(&a, "Accept-Post"));
	http_answer_fini(&a);
	http_exchange(&c, "OPTIONS", "/no/such", NULL, NULL, &a);
	ck_assert_int_eq(a.status, 404);
	http_answer_fini(&a);
	http_exchange(&c, "OPTIONS", "/chat", FAR, NULL, &a);
	ck_assert_int_eq(a.status, 403);
	http_answer_fini(&a);
	http_close(&c);
	daemon_stop(d);
}
END_TEST

/* --- ranges --- */

/* RFC 9110 14.2: a server may ignore Range, whatever it says; 14.3: and need not say so. */
START_TEST(rfc9110_14_2_ranges_are_ignored)
{
	static const char *const ranges[] = {
	    "Range: bytes=0-0\r\n",
	    "Range: bytes=100-\r\n",
	    "Range: bytes=5-1, x\r\n",
	    "Range: lines=1-2\r\nRange: bytes=-1\r\n",
	    "Range: bytes=0-0\r\nIf-Range: \"x\"\r\n",
	};
	struct daemon *d = start(NULL);
	struct http_answer a;

	for (size_t i = 0; i < N(ranges); i++) {
		http_request(daemon_port(d), "GET", "/robots.txt", ranges[i], NULL, &a);
		ck_assert_int_eq(a.status, 200);
		ck_assert_uint_gt(a.body_len, 20);
		ck_assert_ptr_null(http_field(&a, "Content-Range"));
		ck_assert_ptr_null(http_field(&a, "Accept-Ranges"));
		http_answer_fini(&a);
	}
	daemon_stop(d);
}
END_TEST

/* --- pages of other origins --- */

static const struct {
	const char *method, *target, *fields, *body;
	int status;
} answers[] = {
    {"GET", "/", "", NULL, 200},
    {"HEAD", "/", "", NULL, 200},
    {"GET", "/no/such", "", NULL, 404},
    {"GET", "/no/such", "Accept: application/json\r\n", NULL, 404},
    {"PUT", "/Ada", "", NULL, 405},
    {"OPTIONS", "/Ada", "", NULL, 204},
    {"OPTIONS", "*", "", NULL, 204},
    {"GET", "/%FF", "", NULL, 400},
    {"GET", "/chat", "", NULL, 426},
    {"GET", "/chat", FAR, NULL, 403},
    {"GET", "/", "Host: evil.example\r\n", NULL, 421},
    {"POST", "/api/products", JSON, "{", 400},
    /* deferred */
    {"POST", "/api/products", JSON, "{\"name\":\"a\",\"price\":1}", 201},
    {"GET", "/api/products", "", NULL, 200},
    {"GET", "/api/products/1000", "", NULL, 404},
};

static bool
varies_by_origin(const struct http_answer *a)
{
	return strstr(a->head, "\r\nVary: Origin\r\n") != NULL;
}

/* Every answer, errors too; others are told no more than that answers differ. */
START_TEST(a_listed_page_is_shown_all_answers)
{
	struct daemon *d = start("http.origins=http://x https://App.Example:443");
	uint16_t port = daemon_port(d);
	struct http_answer a;

	for (size_t i = 0; i < N(answers); i++) {
		char *page = it_printf("%s%s", answers[i].fields, PAGE);

		http_request(port, answers[i].method, answers[i].target, page, answers[i].body, &a);
		ck_assert_msg(a.status == answers[i].status, "%s", a.head);
		/* as browsers write it, however the configuration does */
		ck_assert_str_eq(http_field(&a, "Access-Control-Allow-Origin"),
				 "https://app.example");
		ck_assert_str_eq(http_field(&a, "Access-Control-Expose-Headers"),
				 "Location, ETag, Retry-After, Link, Idempotent-Replayed, "
				 "Preference-Applied, Server-Timing");
		ck_assert_ptr_null(http_field(&a, "Access-Control-Allow-Credentials"));
		ck_assert_msg(varies_by_origin(&a), "%s", a.head);
		http_answer_fini(&a);
		free(page);
	}
	for (size_t i = 0; i < N(answers); i++) {
		char *page = it_printf("%s%s", answers[i].fields, EVIL);
		bool is_write = strcmp(answers[i].method, "POST") == 0;

		/* who is no page */
		http_request(port, answers[i].method, answers[i].target, answers[i].fields,
			     answers[i].body, &a);
		ck_assert_int_eq(a.status, answers[i].status);
		ck_assert_ptr_null(strstr(a.head, "Access-Control"));
		ck_assert(varies_by_origin(&a));
		http_answer_fini(&a);
		/* and who is one of somebody else's */
		http_request(port, answers[i].method, answers[i].target, page, answers[i].body, &a);
		ck_assert_int_eq(a.status, is_write ? 403 : answers[i].status);
		ck_assert_ptr_null(strstr(a.head, "Access-Control"));
		ck_assert(varies_by_origin(&a));
		http_answer_fini(&a);
		free(page);
	}
	daemon_stop(d);
}
END_TEST

START_TEST(a_listed_page_may_ask_first_and_then_write)
{
	struct daemon *d = start("http.origins=https://app.example");
	uint16_t port = daemon_port(d);
	struct http_answer a;

	http_request(port, "OPTIONS", "/api/products",
		     PAGE "Access-Control-Request-Method: POST\r\n"
			  "Access-Control-Request-Headers: content-type\r\n"
			  "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: cors\r\n",
		     NULL, &a);
	ck_assert_int_eq(a.status, 204);
	ck_assert_str_eq(http_field(&a, "Access-Control-Allow-Origin"), "https://app.example");
	ck_assert_str_eq(http_field(&a, "Access-Control-Allow-Methods"),
			 "GET, HEAD, POST, OPTIONS");
	ck_assert_str_eq(http_field(&a, "Access-Control-Allow-Headers"), "content-type");
	ck_assert_str_eq(http_field(&a, "Access-Control-Max-Age"), "600");
	ck_assert(varies_by_origin(&a));
	http_answer_fini(&a);
	http_request(port, "POST", "/api/products",
		     PAGE JSON "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: cors\r\n",
		     "{\"name\":\"a\",\"price\":1}", &a);
	ck_assert_int_eq(a.status, 201);
	http_answer_fini(&a);
	/* no scope is opened by that */
	http_request(port, "OPTIONS", "/chat", PAGE FAR "Access-Control-Request-Method: GET\r\n",
		     NULL, &a);
	ck_assert_int_eq(a.status, 403);
	ck_assert_ptr_null(http_field(&a, "Access-Control-Allow-Methods"));
	http_answer_fini(&a);
	daemon_stop(d);
}
END_TEST

START_TEST(without_the_option_nothing_is_said_of_origins)
{
	struct daemon *d = start(NULL);
	struct http_answer a;

	for (size_t i = 0; i < N(answers); i++) {
		http_request(daemon_port(d), answers[i].method, answers[i].target,
			     answers[i].fields, answers[i].body, &a);
		ck_assert_ptr_null(strstr(a.head, "Access-Control"));
		ck_assert_ptr_null(strstr(a.head, "Origin"));
		http_answer_fini(&a);
	}
	http_request(daemon_port(d), "OPTIONS", "/", PAGE "Access-Control-Request-Method: GET\r\n",
		     NULL, &a);
	ck_assert_int_eq(a.status, 204);
	ck_assert_ptr_null(strstr(a.head, "Access-Control"));
	http_answer_fini(&a);
	daemon_stop(d);
}
END_TEST

static void
fill(Suite *s)
{
	TCase *tc = it_case(s, "errors");

	tcase_add_test(tc, errors_have_the_form_that_is_asked_for);
	tcase_add_test(tc, errors_in_text_name_what_is_wrong_line_by_line);
	tcase_add_test(tc, a_404_lists_what_the_asker_may_use);
	tcase_add_test(tc, rfc9110_9_3_7_options_everywhere);
	tcase_add_test(tc, rfc9110_14_2_ranges_are_ignored);
	tcase_add_test(tc, a_listed_page_is_shown_all_answers);
	tcase_add_test(tc, a_listed_page_may_ask_first_and_then_write);
	tcase_add_test(tc, without_the_option_nothing_is_said_of_origins);
}

int
main(void)
{
	return it_main("errors", fill, IT_WITH_PG);
}
