/* links: src/base/clock.c src/base/log.c src/http/chars.c src/http/route.c */
/*
 * test_route.c - which path and method find which route, with which parts.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/route.h"

#define N(table) ((int)(sizeof(table) / sizeof((table)[0])))
#define GET      HTTP_METHOD_BIT(HTTP_GET)
#define HEAD     HTTP_METHOD_BIT(HTTP_HEAD)
#define POST     HTTP_METHOD_BIT(HTTP_POST)
#define DELETE   HTTP_METHOD_BIT(HTTP_DELETE)
#define OPTIONS  HTTP_METHOD_BIT(HTTP_OPTIONS)

/* Never called here: a route only has to have one. */
static void
handle(struct exchange *x, void *ctx)
{
	(void)x;
	(void)ctx;
}

static void
add(struct route_table *table, unsigned methods, const char *pattern)
{
	struct route route = {.methods = methods, .pattern = pattern};

	if (methods)
		route.handle = handle;
	route_add(table, &route);
}

/* Parts before literals, to show that the order does not count. */
static void
fill(struct route_table *table)
{
	table->n = 0;
	add(table, GET | DELETE, "/{name}");
	add(table, GET, "/");
	add(table, GET, "/health");
	add(table, GET, "/chat/{room}");
	add(table, GET, "/chat");
	add(table, POST, "/api/products");
	add(table, GET, "/api/products");
	add(table, GET, "/api/products/{id}");
	add(table, GET, "/api/{kind}/{id}/{what}");
	add(table, GET, "/{a}/x/{b}");
	add(table, GET, "/y/{c}/z");
	add(table, GET, "/.well-known");
	add(table, 0, "/metrics");
	add(table, 0, "/x/{y}");
}

static struct route_table table;
static struct route_match match;

static const struct {
	enum http_method method;
	const char *path;
	const char *pattern; /* NULL: 404 */
	size_t n_parts;
	const char *part[ROUTE_MAX_PARTS];
} found[] = {
    {HTTP_GET, "/", "/", 0, {0}},
    {HTTP_HEAD, "/", "/", 0, {0}},
    {HTTP_GET, "/Ada", "/{name}", 1, {"Ada"}},
    {HTTP_HEAD, "/Ada", "/{name}", 1, {"Ada"}},
    {HTTP_DELETE, "/Ada", "/{name}", 1, {"Ada"}},
    {HTTP_GET, "/%E5%A4%AA%e9%83%8e", "/{name}", 1, {"\xe5\xa4\xaa\xe9\x83\x8e"}},
    {HTTP_GET, "/a%2Fb", "/{name}", 1, {"a/b"}},
    {HTTP_GET, "/a%252F", "/{name}", 1, {"a%2F"}},
    {HTTP_GET, "/healthy", "/{name}", 1, {"healthy"}},
    {HTTP_GET, "/Health", "/{name}", 1, {"Health"}},
    {HTTP_GET, "/...", "/{name}", 1, {"..."}},
    {HTTP_GET, "/.a", "/{name}", 1, {".a"}},
    {HTTP_GET, "/*", "/{name}", 1, {"*"}},
    {HTTP_GET, "/health", "/health", 0, {0}},
    {HTTP_GET, "/%68ealth", "/health", 0, {0}},
    {HTTP_GET, "/%68%65%61%6c%74%68", "/health", 0, {0}},
    {HTTP_GET, "/%2ewell-known", "/.well-known", 0, {0}},
    {HTTP_GET, "/chat", "/chat", 0, {0}},
    {HTTP_GET, "/ch%61t/a.b", "/chat/{room}", 1, {"a.b"}},
    {HTTP_GET, "/api/products", "/api/products", 0, {0}},
    {HTTP_POST, "/api/products", "/api/products", 0, {0}},
    {HTTP_GET, "/api/products/7", "/api/products/{id}", 1, {"7"}},
    {HTTP_GET, "/api/%61/b%20/c", "/api/{kind}/{id}/{what}", 3, {"a", "b ", "c"}},
    {HTTP_GET, "/y/x/z", "/y/{c}/z", 1, {"x"}},
    {HTTP_GET, "/w/x/z", "/{a}/x/{b}", 2, {"w", "z"}},
    /* reserved */
    {HTTP_GET, "/metrics", NULL, 0, {0}},
    {HTTP_GET, "/m%65trics", NULL, 0, {0}},
    {HTTP_DELETE, "/metrics", NULL, 0, {0}},
    {HTTP_OPTIONS, "/metrics", NULL, 0, {0}},
    {HTTP_TRACE, "/metrics", NULL, 0, {0}},
    {HTTP_GET, "/x/1", NULL, 0, {0}},
    {HTTP_GET, "/metric", "/{name}", 1, {"metric"}},
    {HTTP_GET, "", NULL, 0, {0}},
    {HTTP_OPTIONS, "*", NULL, 0, {0}},
    {HTTP_GET, "//", NULL, 0, {0}},
    {HTTP_GET, "/Ada/", NULL, 0, {0}},
    {HTTP_GET, "//Ada", NULL, 0, {0}},
    {HTTP_GET, "/health/", NULL, 0, {0}},
    {HTTP_GET, "/.", NULL, 0, {0}},
    {HTTP_GET, "/..", NULL, 0, {0}},
    {HTTP_GET, "/%2e", NULL, 0, {0}},
    {HTTP_GET, "/.%2E", NULL, 0, {0}},
    {HTTP_GET, "/chat/..", NULL, 0, {0}},
    {HTTP_GET, "/chat/%2e%2e", NULL, 0, {0}},
    {HTTP_GET, "/a/../b", NULL, 0, {0}},
    {HTTP_GET, "/a/./health", NULL, 0, {0}},
    {HTTP_GET, "/chat%2Fa/b/c", NULL, 0, {0}},
    {HTTP_GET, "/api/products/7/8/9", NULL, 0, {0}},
    {HTTP_GET, "/a/b/c/d/e/f/g/h", NULL, 0, {0}},
    {HTTP_GET, "/a/b/c/d/e/f/g/h/i/j/k", NULL, 0, {0}},
};

START_TEST(a_path_finds_its_route)
{
	enum route_result result;

	fill(&table);
	result = route_match(&table, found[_i].method, span_str(found[_i].path), &match);
	if (found[_i].pattern == NULL) {
		ck_assert_msg(result == ROUTE_NO_PATH, "%s", found[_i].path);
		ck_assert_ptr_null(match.route);
		return;
	}
	ck_assert_msg(result == ROUTE_FOUND, "%s", found[_i].path);
	ck_assert_str_eq(match.route->pattern, found[_i].pattern);
	ck_assert(match.route->methods & HTTP_METHOD_BIT(found[_i].method) ||
		  found[_i].method == HTTP_HEAD);
	ck_assert_uint_eq(match.n_parts, found[_i].n_parts);
	for (size_t i = 0; i < match.n_parts; i++)
		ck_assert_msg(span_eq(match.part[i], span_str(found[_i].part[i])), "%s: %.*s",
			      found[_i].path, (int)match.part[i].len, match.part[i].ptr);
}
END_TEST

START_TEST(parts_without_escapes_are_not_copied)
{
	static const char path[] = "/Ada";

	fill(&table);
	ck_assert_int_eq(route_match(&table, HTTP_GET, span_str(path), &match), ROUTE_FOUND);
	ck_assert(match.part[0].ptr == path + 1);
}
END_TEST

START_TEST(parts_may_hold_any_byte)
{
	fill(&table);
	ck_assert_int_eq(route_match(&table, HTTP_GET, SPAN_LIT("/%00a%ff"), &match), ROUTE_FOUND);
	ck_assert(span_eq(match.part[0], SPAN_LIT("\0a\xff")));
}
END_TEST

static const struct {
	enum http_method method;
	const char *path;
	unsigned allow;
} wrong_methods[] = {
    {HTTP_POST, "/", GET | HEAD | OPTIONS},
    {HTTP_PUT, "/Ada", GET | HEAD | DELETE | OPTIONS},
    /* what /{name} takes is not what /health takes */
    {HTTP_DELETE, "/health", GET | HEAD | OPTIONS},
    /* no route has OPTIONS: it is the front door that answers */
    {HTTP_OPTIONS, "/api/products", GET | HEAD | POST | OPTIONS},
    {HTTP_CONNECT, "/api/products/1", GET | HEAD | OPTIONS},
};

START_TEST(a_wrong_method_is_told_the_right_ones)
{
	fill(&table);
	ck_assert_int_eq(
	    route_match(&table, wrong_methods[_i].method, span_str(wrong_methods[_i].path), &match),
	    ROUTE_NO_METHOD);
	ck_assert_uint_eq(match.allow, wrong_methods[_i].allow);
	ck_assert_ptr_null(match.route);
}
END_TEST

START_TEST(one_pattern_may_be_several_routes)
{
	table = (struct route_table){0};
	add(&table, GET, "/a/{b}/c");
	add(&table, POST, "/a/{b}/c");
	add(&table, GET, "/a/{b}/d");
	add(&table, GET, "/a/b/{c}");
	add(&table, GET, "/a/{b}");
	ck_assert_int_eq(route_match(&table, HTTP_POST, SPAN_LIT("/a/x/c"), &match), ROUTE_FOUND);
	ck_assert(match.route == &table.route[1]);
	ck_assert_int_eq(route_match(&table, HTTP_GET, SPAN_LIT("/a/b/c"), &match), ROUTE_FOUND);
	ck_assert(match.route == &table.route[3]);
}
END_TEST

START_TEST(a_path_tells_the_scopes_of_its_routes)
{
	struct route route = {
	    .methods = GET, .pattern = "/a", .scope = SCOPE_CHAT, .handle = handle};

	table = (struct route_table){0};
	route_add(&table, &route);
	route.methods = POST;
	route.scope = SCOPE_JOBS;
	route_add(&table, &route);
	route.pattern = "/{b}";
	route.scope = SCOPE_GREET;
	route_add(&table, &route);
	ck_assert_int_eq(route_match(&table, HTTP_OPTIONS, SPAN_LIT("/a"), &match),
			 ROUTE_NO_METHOD);
	ck_assert_uint_eq(match.scopes, 1U << SCOPE_CHAT | 1U << SCOPE_JOBS);
	ck_assert_int_eq(route_match(&table, HTTP_OPTIONS, SPAN_LIT("/b"), &match),
			 ROUTE_NO_METHOD);
	ck_assert_uint_eq(match.scopes, 1U << SCOPE_GREET);
	ck_assert_int_eq(route_match(&table, HTTP_OPTIONS, SPAN_LIT("/"), &match), ROUTE_NO_PATH);
	ck_assert_uint_eq(match.scopes, 0);
}
END_TEST

START_TEST(all_methods_are_those_of_all_that_is_served)
{
	fill(&table);
	ck_assert_uint_eq(route_all_methods(&table), GET | HEAD | POST | DELETE | OPTIONS);
	table = (struct route_table){0};
	add(&table, 0, "/a");
	ck_assert_uint_eq(route_all_methods(&table), 0);
}
END_TEST

START_TEST(head_comes_with_get_only)
{
	table = (struct route_table){0};
	add(&table, POST, "/a");
	ck_assert_int_eq(route_match(&table, HTTP_HEAD, SPAN_LIT("/a"), &match), ROUTE_NO_METHOD);
	ck_assert_uint_eq(match.allow, POST | OPTIONS);
}
END_TEST

START_TEST(long_parts_are_told_from_unknown_paths)
{
	char path[1024] = "/";

	fill(&table);
	memset(path + 1, 'a', 256);
	ck_assert_int_eq(route_match(&table, HTTP_GET, span_from(path, 257), &match), ROUTE_FOUND);
	ck_assert_uint_eq(match.part[0].len, 256);
	memset(path + 1, 'a', 257);
	ck_assert_int_eq(route_match(&table, HTTP_GET, span_from(path, 258), &match),
			 ROUTE_TOO_LONG);
	ck_assert_int_eq(route_match(&table, HTTP_POST, span_from(path, 258), &match),
			 ROUTE_NO_METHOD);
	memcpy(path + 258, "/nothing", 8);
	ck_assert_int_eq(route_match(&table, HTTP_GET, span_from(path, 266), &match),
			 ROUTE_NO_PATH);
	/* decoded bytes count */
	for (size_t i = 0; i < 257; i++)
		memcpy(path + 1 + 3 * i, "%41", 3);
	ck_assert_int_eq(route_match(&table, HTTP_GET, span_from(path, 1 + 3 * 256), &match),
			 ROUTE_FOUND);
	ck_assert_uint_eq(match.part[0].len, 256);
	ck_assert_int_eq(match.part[0].ptr[255], 'A');
	ck_assert_int_eq(route_match(&table, HTTP_GET, span_from(path, 1 + 3 * 257), &match),
			 ROUTE_TOO_LONG);
}
END_TEST

/* --- mistakes of ours --- */

static const struct {
	const char *pattern;
	unsigned methods; /* 0: reserved */
} mistakes[] = {
    {"", GET},
    {"a", GET},
    {"/a/", GET},
    {"//", GET},
    {"/a//b", GET},
    {"/{}", GET},
    {"/{a", GET},
    {"/{a}b", GET},
    {"/a{b}", GET},
    {"/{a}/{b}/{c}/{d}/{e}", GET},
    {"/1/2/3/4/5/6/7/8/9", GET},
    {"/a", GET | OPTIONS},
    {"/a", HTTP_METHOD_BIT(HTTP_TRACE)},
    {"/a", HTTP_METHOD_BIT(HTTP_CONNECT)},
    {"/health", GET},
    {"/health", HEAD},
    {"/{other}", POST | DELETE},
    {"/health", 0},
    {"/metrics", GET},
    {"/metrics", 0},
};

START_TEST(mistakes_in_routes_abort)
{
	table = (struct route_table){0};
	/* the others must be wrong by themselves */
	if (_i >= N(mistakes) - 6)
		fill(&table);
	add(&table, mistakes[_i].methods, mistakes[_i].pattern);
}
END_TEST

START_TEST(routes_want_one_of_handler_and_upgrade)
{
	struct route route = {.methods = GET, .pattern = "/a", .handle = handle, .upgrade = handle};

	if (_i > 0)
		route.upgrade = NULL;
	if (_i == 1)
		route.handle = NULL;
	if (_i == 2)
		route.methods = 0;
	fill(&table);
	route_add(&table, &route);
}
END_TEST

START_TEST(a_full_table_aborts)
{
	static char pattern[ROUTE_MAX + 1][8];

	table = (struct route_table){0};
	for (int i = 0; i <= ROUTE_MAX; i++) {
		snprintf(pattern[i], sizeof(pattern[i]), "/%d", i);
		add(&table, GET, pattern[i]);
	}
}
END_TEST

START_TEST(scopes_have_the_names_of_the_configuration)
{
	static const char *const names[SCOPE_COUNT] = {"greet", "chat", "store.read", "store.write",
						       "jobs"};

	for (enum scope scope = SCOPE_GREET; scope < SCOPE_COUNT; scope++) {
		ck_assert_str_eq(scope_name(scope), names[scope]);
		ck_assert_int_eq(scope_find(names[scope]), scope);
	}
	ck_assert_int_eq(scope_find("store"), SCOPE_COUNT);
	ck_assert_int_eq(scope_find(""), SCOPE_COUNT);
	ck_assert_int_eq(scope_find("*"), SCOPE_COUNT);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("route");
	TCase *tc = tcase_create("route");

	tcase_add_loop_test(tc, a_path_finds_its_route, 0, N(found));
	tcase_add_test(tc, parts_without_escapes_are_not_copied);
	tcase_add_test(tc, parts_may_hold_any_byte);
	tcase_add_loop_test(tc, a_wrong_method_is_told_the_right_ones, 0, N(wrong_methods));
	tcase_add_test(tc, one_pattern_may_be_several_routes);
	tcase_add_test(tc, a_path_tells_the_scopes_of_its_routes);
	tcase_add_test(tc, all_methods_are_those_of_all_that_is_served);
	tcase_add_test(tc, head_comes_with_get_only);
	tcase_add_test(tc, long_parts_are_told_from_unknown_paths);
	tcase_add_loop_test_raise_signal(tc, mistakes_in_routes_abort, SIGABRT, 0, N(mistakes));
	tcase_add_loop_test_raise_signal(tc, routes_want_one_of_handler_and_upgrade, SIGABRT, 0, 3);
	tcase_add_test_raise_signal(tc, a_full_table_aborts, SIGABRT);
	tcase_add_test(tc, scopes_have_the_names_of_the_configuration);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
