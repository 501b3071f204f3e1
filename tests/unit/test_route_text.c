/* links: src/http/chars.c src/http/host.c $(request) src/http/route_text.c */
/*
 * test_route_text.c - methods and routes in words.
 */
#include <check.h>
#include <string.h>

#include "http/route_text.h"

#define N(table) ((int)(sizeof(table) / sizeof((table)[0])))
#define GET      HTTP_METHOD_BIT(HTTP_GET)
#define PUT      HTTP_METHOD_BIT(HTTP_PUT)
#define DELETE   HTTP_METHOD_BIT(HTTP_DELETE)

static void
handle(struct exchange *x, void *ctx)
{
	(void)x;
	(void)ctx;
}

START_TEST(methods_are_a_list)
{
	char out[METHODS_TEXT_SIZE];

	ck_assert_str_eq(methods_text(GET, out), "GET");
	ck_assert_str_eq(methods_text(DELETE | GET, out), "GET, DELETE");
	ck_assert_str_eq(methods_text(0, out), "");
	ck_assert_str_eq(methods_text(HTTP_METHOD_BIT(HTTP_METHODS) - 1, out),
			 "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE, CONNECT");
}
END_TEST

static const struct {
	struct route route;
	size_t size;
	const char *text;
} cases[] = {
    {{.methods = GET, .pattern = "/", .handle = handle}, 64, "GET /"},
    {{.methods = PUT | DELETE, .pattern = "/a/{b}", .handle = handle}, 64, "PUT, DELETE /a/{b}"},
    {{.methods = GET, .pattern = "/chat/{room}", .upgrade = handle},
     64,
     "GET /chat/{room} (WebSocket)"},
    {{.methods = GET, .pattern = "/abc", .handle = handle}, 9, "GET /abc"},
    {{.methods = GET, .pattern = "/abc", .handle = handle}, 8, "GET /ab"},
    {{.methods = GET, .pattern = "/abc", .handle = handle}, 2, "G"},
    {{.methods = GET, .pattern = "/abc", .handle = handle}, 1, ""},
};

START_TEST(a_route_is_a_line)
{
	char out[64];

	memset(out, '#', sizeof(out));
	ck_assert_uint_eq(route_text(&cases[_i].route, out, cases[_i].size),
			  strlen(cases[_i].text));
	ck_assert_str_eq(out, cases[_i].text);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("route_text");
	TCase *tc = tcase_create("route_text");
	SRunner *runner = srunner_create(suite);

	tcase_add_test(tc, methods_are_a_list);
	tcase_add_loop_test(tc, a_route_is_a_line, 0, N(cases));
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
