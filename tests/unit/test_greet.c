/* links: src/greet/greet.c src/greet/utf8.c src/http/route.c src/http/chars.c src/base/log.c */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "greet/greet.h"
#include "http/exchange.h"
#include "http/problem.h"

/* In place of http/exchange.c: the parameters that the route matched, and the answer. */
static struct route_table routes;
static struct route_match match;
static int replies;
static int status;
static char body[1024];
static size_t body_len;
static char fields[128];

/* In place of the worker. */
static const char *trouble;

static const char *
why_not(void *ctx)
{
	ck_assert_ptr_eq(ctx, &trouble);
	return trouble;
}

static const struct greet_readiness readiness = {why_not, &trouble};

struct span
exchange_param(const struct exchange *x, size_t n)
{
	(void)x;
	ck_assert_uint_lt(n, match.n_parts);
	return match.part[n];
}

void
exchange_reply(struct exchange *x, const struct reply *reply)
{
	(void)x;
	replies++;
	status = reply->status;
	ck_assert_str_eq(reply->content_type, "text/plain; charset=utf-8");
	ck_assert_uint_le(reply->body.len, sizeof(body));
	memcpy(body, reply->body.ptr, reply->body.len);
	body_len = reply->body.len;
	strncpy(fields, reply->fields ? reply->fields : "", sizeof(fields) - 1);
}

void
exchange_problem(struct exchange *x, const struct problem *problem)
{
	(void)x;
	replies++;
	status = problem->status;
	strncpy(fields, problem->fields ? problem->fields : "", sizeof(fields) - 1);
	strncpy(body, problem->detail, sizeof(body) - 1);
	ck_assert_uint_gt(strlen(problem->detail), 0);
	ck_assert_uint_gt(strlen(problem->hint), 0);
}

/* As the front door would answer it: the route's own status where it does not get to a handler. */
static void
get(const char *path, size_t len, enum http_method method)
{
	static const int refusals[] = {
	    [ROUTE_NO_PATH] = 404,
	    [ROUTE_NO_METHOD] = 405,
	    [ROUTE_TOO_LONG] = 414,
	};
	enum route_result result = route_match(&routes, method, span_from(path, len), &match);

	replies = 0;
	if (result != ROUTE_FOUND) {
		replies = 1;
		status = refusals[result];
		return;
	}
	ck_assert_int_eq(match.route->scope, SCOPE_GREET);
	match.route->handle(NULL, match.route->ctx);
}

static const struct {
	const char *path;
	int status;
	const char *body; /* NULL: any */
} cases[] = {
    {"/", 200, "Hello, Anonymous"},
    {"/Ada", 200, "Hello, Ada"},
    {"/%E5%A4%AA%E9%83%8E", 200, "Hello, \xe5\xa4\xaa\xe9\x83\x8e"},
    {"/a%2Fb", 200, "Hello, a/b"},
    {"/a%20b+c", 200, "Hello, a b+c"},
    {"/%C2%A0", 200, "Hello, \xc2\xa0"},
    {"/%F4%8F%BF%BF", 200, "Hello, \xf4\x8f\xbf\xbf"},
    {"/%ED%9F%BF", 200, "Hello, \xed\x9f\xbf"},
    {"/%EE%80%80", 200, "Hello, \xee\x80\x80"},
    {"/api2", 200, "Hello, api2"},
    {"/API", 200, "Hello, API"},
    /* RFC 3629: overlong, surrogates, beyond, lone, cut short */
    {"/%C0%AF", 400, NULL},
    {"/%C1%BF", 400, NULL},
    {"/%E0%9F%BF", 400, NULL},
    {"/%F0%8F%BF%BF", 400, NULL},
    {"/%ED%A0%80", 400, NULL},
    {"/%ED%BF%BF", 400, NULL},
    {"/%F4%90%80%80", 400, NULL},
    {"/%F5%80%80%80", 400, NULL},
    {"/%80", 400, NULL},
    {"/a%E5%A4", 400, NULL},
    {"/%E5%A4a", 400, NULL},
    {"/%F0%9F%98a", 400, NULL},
    {"/%FF", 400, NULL},
    /* C0, DEL, C1 */
    {"/%00", 400, NULL},
    {"/a%0Ab", 400, NULL},
    {"/%1F", 400, NULL},
    {"/%7F", 400, NULL},
    {"/%C2%80", 400, NULL},
    {"/%C2%9F", 400, NULL},
    /* one segment, and not a dot segment */
    {"/Ada/", 404, NULL},
    {"/Ada/Lovelace", 404, NULL},
    {"/.", 404, NULL},
    {"/%2e%2E", 404, NULL},
    {"//", 404, NULL},
    /* never names */
    {"/health", 200, "OK"},
    {"/health/live", 200, "OK"},
    {"/health/ready", 200, "OK"},
    {"/health/%72eady", 200, "OK"},
    {"/health/", 404, NULL},
    {"/health/other", 404, NULL},
    {"/health/ready/", 404, NULL},
    {"/Health", 200, "Hello, Health"},
    {"/live", 200, "Hello, live"},
    {"/ready", 200, "Hello, ready"},
    {"/robots.txt", 200, "User-agent: *\nDisallow: /"},
    {"/api", 404, NULL},
    {"/%61pi", 404, NULL},
    {"/ui", 404, NULL},
    {"/metrics", 404, NULL},
    {"/favicon.ico", 404, NULL},
    {"/.well-known", 404, NULL},
    {"/.well-known/security.txt", 404, NULL},
};

START_TEST(test_get)
{
	get(cases[_i].path, strlen(cases[_i].path), HTTP_GET);
	ck_assert_int_eq(replies, 1);
	ck_assert_msg(status == cases[_i].status, "%s: %d", cases[_i].path, status);
	if (cases[_i].body) {
		ck_assert_uint_eq(body_len, strlen(cases[_i].body));
		ck_assert_mem_eq(body, cases[_i].body, body_len);
	}
}
END_TEST

START_TEST(test_length)
{
	char path[1 + 3 * 257];
	size_t at = 0;

	/* 256 bytes decoded are a name, sent as 768; 257 are too many */
	path[at++] = '/';
	for (int i = 0; i < 257; i++, at += 3)
		memcpy(path + at, "%41", 3);
	get(path, at - 3, HTTP_GET);
	ck_assert_int_eq(status, 200);
	ck_assert_uint_eq(body_len, 7 + 256);
	ck_assert_mem_eq(body, "Hello, AAAA", 11);
	get(path, at, HTTP_GET);
	ck_assert_int_eq(status, 414);
}
END_TEST

static const char *const checks[] = {"/health", "/health/live", "/health/ready"};

START_TEST(test_health_is_not_stored)
{
	get(checks[_i], strlen(checks[_i]), HTTP_HEAD);
	ck_assert_int_eq(status, 200);
	ck_assert_str_eq(fields, "Cache-Control: no-store\r\n");
}
END_TEST

START_TEST(test_only_ready_asks_if_the_rest_is)
{
	trouble = "The kettle is cold.";
	get(checks[_i], strlen(checks[_i]), HTTP_GET);
	ck_assert_int_eq(replies, 1);
	if (strcmp(checks[_i], "/health/ready") != 0) {
		ck_assert_int_eq(status, 200);
		return;
	}
	ck_assert_int_eq(status, 503);
	ck_assert_str_eq(body, trouble);
	ck_assert_str_eq(fields, "Cache-Control: no-store\r\nRetry-After: 1\r\n");
}
END_TEST

START_TEST(test_methods)
{
	get("/Ada", 4, HTTP_POST);
	ck_assert_int_eq(status, 405);
	ck_assert_uint_eq(match.allow, HTTP_METHOD_BIT(HTTP_GET) | HTTP_METHOD_BIT(HTTP_HEAD) |
					   HTTP_METHOD_BIT(HTTP_OPTIONS));
	/* what is not there is not there for any method */
	get("/api", 4, HTTP_POST);
	ck_assert_int_eq(status, 404);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("greet");
	TCase *tc = tcase_create("greet");
	SRunner *runner = srunner_create(suite);

	greet_add_routes(&readiness, &routes);
	tcase_add_loop_test(tc, test_get, 0, (int)(sizeof(cases) / sizeof(cases[0])));
	tcase_add_test(tc, test_length);
	tcase_add_loop_test(tc, test_health_is_not_stored, 0, 3);
	tcase_add_loop_test(tc, test_only_ready_asks_if_the_rest_is, 0, 3);
	tcase_add_test(tc, test_methods);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
