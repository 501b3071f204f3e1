/* links: src/http/chars.c src/http/query.c */
/*
 * test_query.c - queries: names that are known, values decoded once, and what is wrong with others.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/query.h"

#define N(table)   ((int)(sizeof(table) / sizeof((table)[0])))
#define SIXTY_FOUR "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

struct expected {
	enum query_state state;
	const char *value; /* of one that is GIVEN or TWICE */
};

static const struct {
	const char *query;
	struct expected a, limit;
	const char *unknown; /* NULL: none */
} queries[] = {
    {"", {0}, {0}, NULL},
    {"a=1", {QUERY_GIVEN, "1"}, {0}, NULL},
    {"limit=20&a=x", {QUERY_GIVEN, "x"}, {QUERY_GIVEN, "20"}, NULL},
    /* a value may be missing, or have what looks like the next one's */
    {"a", {QUERY_GIVEN, ""}, {0}, NULL},
    {"a=", {QUERY_GIVEN, ""}, {0}, NULL},
    {"a==b=", {QUERY_GIVEN, "=b="}, {0}, NULL},
    {"a=?/:@;,!", {QUERY_GIVEN, "?/:@;,!"}, {0}, NULL},
    {"a=1;limit=2", {QUERY_GIVEN, "1;limit=2"}, {0}, NULL},
    /* empty pairs are none */
    {"&&a=1&", {QUERY_GIVEN, "1"}, {0}, NULL},
    {"&", {0}, {0}, NULL},
    /* decoded once, and names too; a plus is a plus */
    {"a=%41%2525+%20%26", {QUERY_GIVEN, "A%25+ &"}, {0}, NULL},
    {"%61=1&l%69mit=2", {QUERY_GIVEN, "1"}, {QUERY_GIVEN, "2"}, NULL},
    {"a%3d1=2", {0}, {0}, "a%3d1"},
    {"a%26limit=2", {0}, {0}, "a%26limit"},
    /* bytes, not text */
    {"a=%ff%c3%28", {QUERY_GIVEN, "\xff\xc3\x28"}, {0}, NULL},
    /* names are told apart by case and to their end */
    {"A=1", {0}, {0}, "A"},
    {"limi=1", {0}, {0}, "limi"},
    {"limits=1", {0}, {0}, "limits"},
    {"a%00=1", {0}, {0}, "a%00"},
    {"=1", {0}, {0}, ""},
    /* the first that is unknown; those behind it are read */
    {"x=1&y=2&a=3", {QUERY_GIVEN, "3"}, {0}, "x"},
    {SIXTY_FOUR "0=1", {0}, {0}, SIXTY_FOUR "0"},
    /* twice */
    {"a=1&a=2", {QUERY_TWICE, "1"}, {0}, NULL},
    {"a=1&limit=3&%61=1", {QUERY_TWICE, "1"}, {QUERY_GIVEN, "3"}, NULL},
    {"a=1&a=2&a=3", {QUERY_TWICE, "1"}, {0}, NULL},
    {"a&a", {QUERY_TWICE, ""}, {0}, NULL},
    /* the longest, and one byte more */
    {"a=" SIXTY_FOUR, {QUERY_GIVEN, SIXTY_FOUR}, {0}, NULL},
    {"a=" SIXTY_FOUR "%30", {QUERY_TOO_LONG, NULL}, {0}, NULL},
    {"a=%30" SIXTY_FOUR "&limit=1", {QUERY_TOO_LONG, NULL}, {QUERY_GIVEN, "1"}, NULL},
    {"a=" SIXTY_FOUR "0&a=1", {QUERY_TWICE, NULL}, {0}, NULL},
    /* the parser of requests lets none of these come here */
    {"a=%", {QUERY_TOO_LONG, NULL}, {0}, NULL},
    {"a=%4", {QUERY_TOO_LONG, NULL}, {0}, NULL},
    {"a=%4g", {QUERY_TOO_LONG, NULL}, {0}, NULL},
    {"a=%4&limit=1", {QUERY_TOO_LONG, NULL}, {QUERY_GIVEN, "1"}, NULL},
    {"%6=1", {0}, {0}, "%6"},
};

static void
is_param(const struct query_param *param, const struct expected *expected)
{
	ck_assert_int_eq(param->state, expected->state);
	if (!expected->value)
		return;
	ck_assert_uint_eq(query_value(param).len, strlen(expected->value));
	ck_assert_mem_eq(param->text, expected->value, param->len);
}

START_TEST(queries_are_read)
{
	const size_t len = strlen(queries[_i].query);
	char *query = malloc(len ? len : 1); /* of just its size: nobody looks behind it */
	struct query_param params[] = {
	    {.name = "a", .state = QUERY_TWICE, .len = 9},
	    {.name = "limit", .state = QUERY_GIVEN, .len = 9},
	};

	ck_assert_ptr_nonnull(query);
	memcpy(query, queries[_i].query, len);
	struct span unknown = query_read(span_from(query, len), params, 2);
	is_param(&params[0], &queries[_i].a);
	is_param(&params[1], &queries[_i].limit);
	if (queries[_i].unknown) {
		ck_assert_ptr_nonnull(unknown.ptr);
		ck_assert(span_eq(unknown, span_str(queries[_i].unknown)));
		ck_assert(unknown.ptr >= query && unknown.ptr <= query + len);
	} else {
		ck_assert_ptr_null(unknown.ptr);
	}
	free(query);
}
END_TEST

START_TEST(without_parameters_every_name_is_unknown)
{
	ck_assert_ptr_null(query_read(span_from(NULL, 0), NULL, 0).ptr);
	ck_assert(span_eq(query_read(SPAN_LIT("&b=1"), NULL, 0), SPAN_LIT("b")));
}
END_TEST

START_TEST(every_unknown_name_is_found)
{
	const struct query_param params[] = {{.name = "a"}, {.name = "limit"}};
	struct span rest = SPAN_LIT("x=1&a=2&&%61=3&y&=4&limit&limits=5&");

	ck_assert(span_eq(query_unknown(&rest, params, 2), SPAN_LIT("x")));
	ck_assert(span_eq(query_unknown(&rest, params, 2), SPAN_LIT("y")));
	struct span empty = query_unknown(&rest, params, 2);
	ck_assert(empty.ptr && empty.len == 0);
	ck_assert(span_eq(query_unknown(&rest, params, 2), SPAN_LIT("limits")));
	ck_assert_ptr_null(query_unknown(&rest, params, 2).ptr);
	ck_assert_ptr_null(query_unknown(&rest, params, 2).ptr);
}
END_TEST

/* The caller's room counts instead, be it larger or smaller; beside it nothing changes. */
START_TEST(a_value_may_have_room_of_its_own)
{
	char query[3 * QUERY_LONG_MAX + 100], room[QUERY_LONG_MAX], small[2], *p = query;
	struct query_param params[] = {
	    {.name = "a", .room = room, .room_size = sizeof(room)},
	    {.name = "limit", .room = small, .room_size = sizeof(small)},
	};

	p += sprintf(p, "limit=%%3112&a=");
	for (size_t i = 0; i < QUERY_LONG_MAX; i++)
		p += sprintf(p, "%%%02X", (unsigned)(i % 256));
	struct span sent = span_from(query, (size_t)(p - query));
	ck_assert_ptr_null(query_read(sent, params, 2).ptr);
	ck_assert_int_eq(params[0].state, QUERY_GIVEN);
	ck_assert_int_eq(params[1].state, QUERY_TOO_LONG);
	ck_assert_ptr_eq(query_value(&params[0]).ptr, room);
	ck_assert_uint_eq(query_value(&params[0]).len, QUERY_LONG_MAX);
	for (size_t i = 0; i < QUERY_LONG_MAX; i++)
		ck_assert_uint_eq((unsigned char)room[i], i % 256);
	/* one more */
	*p++ = '0';
	ck_assert_ptr_null(query_read(span_from(query, (size_t)(p - query)), params, 2).ptr);
	ck_assert_int_eq(params[0].state, QUERY_TOO_LONG);
	ck_assert_ptr_null(query_read(SPAN_LIT("limit=12"), params, 2).ptr);
	ck_assert(span_eq(query_value(&params[1]), SPAN_LIT("12")));
}
END_TEST

START_TEST(a_nul_byte_is_a_byte)
{
	struct query_param param = {.name = "a"};

	ck_assert_ptr_null(query_read(SPAN_LIT("a=%00x"), &param, 1).ptr);
	ck_assert(span_eq(query_value(&param), SPAN_LIT("\0x")));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("query");
	TCase *tc = tcase_create("query");

	tcase_add_loop_test(tc, queries_are_read, 0, N(queries));
	tcase_add_test(tc, without_parameters_every_name_is_unknown);
	tcase_add_test(tc, every_unknown_name_is_found);
	tcase_add_test(tc, a_value_may_have_room_of_its_own);
	tcase_add_test(tc, a_nul_byte_is_a_byte);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
