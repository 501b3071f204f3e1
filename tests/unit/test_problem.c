/* links: src/http/problem.c src/http/response.c src/base/log.c src/base/buffer.c src/base/clock.c
 * -ljansson */
#include <check.h>
#include <string.h>

#include "http/exchange.h"

/* In place of exchange.c: the answer, as a handler's caller would get it. */
static int replies;
static int status;
static char type[64];
static char fields[64];
static char body[4096];

void
exchange_reply(struct exchange *x, const struct reply *reply)
{
	(void)x;
	replies++;
	status = reply->status;
	ck_assert_uint_lt(reply->body.len, sizeof(body));
	memcpy(body, reply->body.ptr, reply->body.len);
	body[reply->body.len] = '\0';
	strncpy(type, reply->content_type, sizeof(type) - 1);
	strncpy(fields, reply->fields ? reply->fields : "none", sizeof(fields) - 1);
}

static const struct {
	const char *type;
	const char *title;
	const char *detail;
	struct problem_error errors[3];
	size_t n_errors;
	const char *body;
} cases[] = {
    {NULL,
     "Not Found",
     "There is nothing here.",
     {{0}},
     0,
     "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":422,"
     "\"detail\":\"There is nothing here.\"}"},
    {"invalid", NULL, NULL, {{0}}, 0, "{\"type\":\"/problems/invalid\",\"status\":422}"},
    {"invalid",
     "Invalid",
     "d",
     {{"/price", "at most two decimals"}, {NULL, "an object is wanted"}, {"", NULL}},
     3,
     "{\"type\":\"/problems/invalid\",\"title\":\"Invalid\",\"status\":422,\"detail\":\"d\","
     "\"errors\":[{\"pointer\":\"/price\",\"detail\":\"at most two decimals\"},"
     "{\"detail\":\"an object is wanted\"},{\"pointer\":\"\"}]}"},
    /* what a client named its members comes back in pointers */
    {"x",
     "t",
     "say \"a\\b\"\n",
     {{"/a~1b/\"\x01\xc3\xa9", "\x7f"}},
     1,
     "{\"type\":\"/problems/x\",\"title\":\"t\",\"status\":422,\"detail\":\"say "
     "\\\"a\\\\b\\\"\\n\","
     "\"errors\":[{\"pointer\":\"/a~1b/\\\"\\u0001\xc3\xa9\",\"detail\":\"\x7f\"}]}"},
    /* no UTF-8: shown escaped, the answer stays JSON */
    {"x",
     "t",
     "bad \xff\xfe",
     {{0}},
     0,
     "{\"type\":\"/problems/x\",\"title\":\"t\",\"status\":422,"
     "\"detail\":\"bad \\\\xff\\\\xfe\"}"},
};

START_TEST(test_body)
{
	exchange_problem(NULL, 422, cases[_i].type, cases[_i].title, cases[_i].detail,
			 cases[_i].errors, cases[_i].n_errors, "Retry-After: 2\r\n");
	ck_assert_int_eq(replies, 1);
	ck_assert_int_eq(status, 422);
	ck_assert_str_eq(type, "application/problem+json");
	ck_assert_str_eq(fields, "Retry-After: 2\r\n");
	ck_assert_str_eq(body, cases[_i].body);
}
END_TEST

START_TEST(test_no_errors)
{
	exchange_problem(NULL, 503, "busy", "Busy", "Later.", NULL, 7, NULL);
	ck_assert_int_eq(replies, 1);
	ck_assert_str_eq(fields, "none");
	ck_assert_ptr_null(strstr(body, "errors"));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("problem");
	TCase *tc = tcase_create("problem");
	SRunner *runner = srunner_create(suite);

	tcase_add_loop_test(tc, test_body, 0, (int)(sizeof(cases) / sizeof(cases[0])));
	tcase_add_test(tc, test_no_errors);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
