/* links: src/http/problem.c src/http/exchange_problem.c src/http/response.c src/base/log.c
 * src/base/buffer.c src/base/clock.c -ljansson */
/*
 * test_problem.c - errors as clients get them, in both forms.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "http/exchange.h"
#include "http/exchange_internal.h"
#include "http/problem.h"

#define N(table) ((int)(sizeof(table) / sizeof((table)[0])))

/* In place of exchange.c: the answer, as a handler's caller would get it. */
static int replies;
static int status;
static char type[64];
static char fields[512];
static char body[16384];

void
exchange_reply(struct exchange *x, const struct reply *reply)
{
	(void)x;
	replies++;
	status = reply->status;
	ck_assert_uint_lt(reply->body.len, sizeof(body));
	memcpy(body, reply->body.ptr, reply->body.len);
	body[reply->body.len] = '\0';
	snprintf(type, sizeof(type), "%s", reply->content_type);
	snprintf(fields, sizeof(fields), "%s", reply->fields ? reply->fields : "none");
}

static void
answer(enum error_form form, const struct problem *problem)
{
	struct exchange x = {.wish.error_form = form};

	replies = 0;
	exchange_problem(&x, problem);
	ck_assert_int_eq(replies, 1);
	ck_assert_int_eq(status, problem->status);
}

static const struct problem_error three[] = {
    {.pointer = "/price", .detail = "at most two decimals"},
    {.detail = "an object is wanted"},
    {.pointer = ""}};
/* what a client named its members comes back in pointers */
static const struct problem_error strange[] = {
    {.pointer = "/a~1b/\"\x01\xc3\xa9", .detail = "\x7f"}};
static const struct problem_error again[] = {
    {.pointer = "", .detail = "same"}, {.detail = "same"}, {.detail = "other"}};
/* a text begins with the name of its parameter */
static const struct problem_error query[] = {{.parameter = "limit", .detail = "limit must be 1"},
					     {.parameter = "a\xff", .detail = "\"a\" is none"}};
static const char *const paths[] = {"GET /", "GET /chat (WebSocket)"};

static const struct {
	struct problem problem;
	const char *json, *text;
} cases[] = {
    {{.status = 422, .detail = "There is nothing here.", .hint = "Go away."},
     "{\"type\":\"about:blank\",\"title\":\"Unprocessable Content\",\"status\":422,"
     "\"detail\":\"There is nothing here.\",\"hint\":\"Go away.\"}",
     "There is nothing here.\nHint: Go away.\n"},
    {{.status = 409, .type = "conflict", .hint = "h"},
     "{\"type\":\"/problems/conflict\",\"title\":\"Conflict\",\"status\":409,\"hint\":\"h\"}",
     "Conflict\nHint: h\n"},
    {{.status = 422,
      .type = "invalid",
      .title = "Invalid",
      .detail = "d",
      .hint = "h",
      .errors = three,
      .n_errors = 3},
     "{\"type\":\"/problems/invalid\",\"title\":\"Invalid\",\"status\":422,\"detail\":\"d\","
     "\"hint\":\"h\",\"errors\":[{\"pointer\":\"/price\",\"detail\":\"at most two decimals\"},"
     "{\"detail\":\"an object is wanted\"},{\"pointer\":\"\"}]}",
     "d\n/price: at most two decimals\nan object is wanted\nInvalid\nHint: h\n"},
    {{.status = 400,
      .type = "x",
      .title = "t",
      .detail = "say \"a\\b\"",
      .hint = "h",
      .errors = strange,
      .n_errors = 1},
     "{\"type\":\"/problems/x\",\"title\":\"t\",\"status\":400,\"detail\":\"say "
     "\\\"a\\\\b\\\"\",\"hint\":\"h\","
     "\"errors\":[{\"pointer\":\"/a~1b/\\\"\\u0001\xc3\xa9\",\"detail\":\"\x7f\"}]}",
     "say \"a\\b\"\n/a~1b/\"\\x01\xc3\xa9: \\x7f\nHint: h\n"},
    /* no UTF-8: shown escaped, the answer stays JSON */
    {{.status = 400, .title = "t", .detail = "bad \xff\xfe\n", .hint = "h"},
     "{\"type\":\"about:blank\",\"title\":\"t\",\"status\":400,"
     "\"detail\":\"bad \\\\xff\\\\xfe\\\\n\",\"hint\":\"h\"}",
     "bad \\xff\\xfe\\x0a\nHint: h\n"},
    /* in text nothing is said twice */
    {{.status = 422, .title = "t", .detail = "same", .hint = "h", .errors = again, .n_errors = 3},
     "{\"type\":\"about:blank\",\"title\":\"t\",\"status\":422,\"detail\":\"same\","
     "\"hint\":\"h\",\"errors\":[{\"pointer\":\"\",\"detail\":\"same\"},{\"detail\":\"same\"},"
     "{\"detail\":\"other\"}]}",
     "same\nother\nHint: h\n"},
    {{.status = 400,
      .title = "t",
      .detail = "limit must be 1",
      .hint = "h",
      .errors = query,
      .n_errors = 2},
     "{\"type\":\"about:blank\",\"title\":\"t\",\"status\":400,\"detail\":\"limit must be 1\","
     "\"hint\":\"h\",\"errors\":[{\"parameter\":\"limit\",\"detail\":\"limit must be 1\"},"
     "{\"parameter\":\"a\\\\xff\",\"detail\":\"\\\"a\\\" is none\"}]}",
     "limit must be 1\n\"a\" is none\nHint: h\n"},
    {{.status = 404, .detail = "d", .hint = "h", .routes = paths, .n_routes = 2},
     "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,\"detail\":\"d\","
     "\"hint\":\"h\",\"routes\":[\"GET /\",\"GET /chat (WebSocket)\"]}",
     "d\nHint: h\nGET /\nGET /chat (WebSocket)\n"},
};

START_TEST(an_error_is_told_in_both_forms)
{
	answer(ERROR_PROBLEM, &cases[_i].problem);
	ck_assert_str_eq(type, "application/problem+json");
	ck_assert_str_eq(body, cases[_i].json);
	ck_assert_str_eq(fields, "Vary: Accept\r\n");
	answer(ERROR_TEXT, &cases[_i].problem);
	ck_assert_str_eq(type, "text/plain; charset=utf-8");
	ck_assert_str_eq(body, cases[_i].text);
	ck_assert_str_eq(fields, "Vary: Accept\r\n");
}
END_TEST

/* RFC 9110 12.5.5: caches may keep some errors, and Accept has chosen the form. */
START_TEST(rfc9110_12_5_5_errors_vary_by_accept)
{
	char longest[PROBLEM_FIELDS_MAX + 1];

	answer(ERROR_TEXT, &(struct problem){.status = 503, .fields = "Retry-After: 2\r\n"});
	ck_assert_str_eq(fields, "Vary: Accept\r\nRetry-After: 2\r\n");
	memset(longest, 'x', PROBLEM_FIELDS_MAX);
	memcpy(longest, "A: ", 3);
	memcpy(longest + PROBLEM_FIELDS_MAX - 2, "\r\n", 3);
	answer(ERROR_PROBLEM, &(struct problem){.status = 503, .fields = longest});
	ck_assert_uint_eq(strlen(fields), 14 + PROBLEM_FIELDS_MAX);
	ck_assert_str_eq(fields + 14, longest);
}
END_TEST

START_TEST(exchange_error_is_a_detail)
{
	struct exchange x = {.wish.error_form = ERROR_PROBLEM};

	exchange_error(&x, 503, "Later.", "Retry-After: 1\r\n");
	ck_assert_int_eq(status, 503);
	ck_assert_str_eq(fields, "Vary: Accept\r\nRetry-After: 1\r\n");
	ck_assert_ptr_nonnull(strstr(body, "\"title\":\"Service Unavailable\""));
	ck_assert_ptr_nonnull(strstr(body, "\"detail\":\"Later.\""));
	ck_assert_ptr_nonnull(strstr(body, "\"hint\":\"Try again"));
}
END_TEST

/* Every status that the manual names. */
START_TEST(every_error_has_a_hint)
{
	static const int statuses[] = {400, 403, 404, 405, 408, 409, 411, 413, 414, 415, 417,
				       421, 422, 426, 429, 431, 500, 501, 503, 505, 599};

	for (int i = 0; i < N(statuses); i++) {
		const char *hint = problem_hint(statuses[i]);
		size_t len = strlen(hint);

		ck_assert_uint_gt(len, 10);
		ck_assert_int_eq(hint[len - 1], '.');
		for (int k = 0; k < i; k++)
			ck_assert_str_ne(hint, problem_hint(statuses[k]));
	}
}
END_TEST

/* As many as there can be, and as long: the text is cut at a line. */
START_TEST(text_is_cut_between_lines)
{
	static const char line[] = "GET /a/very/long/path/that/is/there/so/that/lines/become/"
				   "long/and/longer/still/and/longer/until/they/are/long";
	const char *lines[100];
	size_t len;

	for (int i = 0; i < 100; i++)
		lines[i] = line;
	answer(ERROR_TEXT, &(struct problem){.status = 404, .routes = lines, .n_routes = 100});
	len = strlen(body);
	ck_assert_uint_gt(len, 8000);
	ck_assert_uint_le(len, 8192);
	ck_assert_str_eq(body + len - sizeof(line), "GET /a/very/long/path/that/is/there/so/that/"
						    "lines/become/long/and/longer/still/and/longer/"
						    "until/they/are/long\n");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("problem");
	TCase *tc = tcase_create("problem");
	SRunner *runner = srunner_create(suite);

	tcase_add_loop_test(tc, an_error_is_told_in_both_forms, 0, N(cases));
	tcase_add_test(tc, rfc9110_12_5_5_errors_vary_by_accept);
	tcase_add_test(tc, exchange_error_is_a_detail);
	tcase_add_test(tc, every_error_has_a_hint);
	tcase_add_test(tc, text_is_cut_between_lines);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
