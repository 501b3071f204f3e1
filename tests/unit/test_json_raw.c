/* links: src/http/json_raw.c src/http/chars.c src/http/json_text.c -ljansson */
/*
 * test_json_raw.c - members and items of a text, as they were sent; and that they are what jansson
 * finds there.
 */
#include "http/json_raw.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "http/json_text.h"

static const struct member_case {
	const char *object;
	const char *args; /* NULL: none */
} members[] = {
    {"{}", NULL},
    {"[]", NULL},
    {"1", NULL},
    {"", NULL},
    {"{\"args\":{}}", "{}"},
    {" { \"kind\" : \"a\" , \"args\" : [ 1 , {\"args\":2} ] } ", "[ 1 , {\"args\":2} ]"},
    {"{\"x\":{\"args\":1},\"args\":2}", "2"},
    {"{\"x\":\"\\\"args\\\":1\",\"args\":12345678901234567890123}", "12345678901234567890123"},
    {"{\"x\":[[\"]\"]],\"args\":-1.50e+3,\"y\":0}", "-1.50e+3"},
    {"{\"\\u0061r\\u0067s\":true}", "true"},
    {"{\"ar\\u0067\":true}", NULL},
    {"{\"args\\u0000\":true}", NULL},
    {"{\"a\\rgs\":true}", NULL},
    {"{\"args \":true,\"arg\":false}", NULL},
    {"{\"args\":null\n}", "null"},
    {"{\"a\":\"\\\\\",\"args\":\"\\\\\"}", "\"\\\\\""},
    {"{\"\\u00e4rgs\":1,\"args\":\"\\ud83d\\ude00\"}", "\"\\ud83d\\ude00\""},
};

START_TEST(a_member)
{
	const struct member_case *c = &members[_i];
	const struct span found = json_raw_member(span_str(c->object), SPAN_LIT("args"));

	ck_assert_msg((found.ptr != NULL) == (c->args != NULL), "%s", c->object);
	if (c->args)
		ck_assert_msg(span_eq(found, span_str(c->args)), "%s: %.*s", c->object,
			      (int)found.len, found.ptr);
}
END_TEST

START_TEST(items)
{
	static const char *const expected[] = {"1", "{\"a\":[1,2]}", "\",]\"", "null", "[]"};
	struct span rest = SPAN_LIT(" [1 , {\"a\":[1,2]},\",]\",null\n,[] ] "), item;
	size_t n = 0;

	while (json_raw_item(&rest, &item)) {
		ck_assert_uint_lt(n, sizeof(expected) / sizeof(expected[0]));
		ck_assert(span_eq(item, span_str(expected[n++])));
	}
	ck_assert_uint_eq(n, 5);
	rest = SPAN_LIT("[ ]");
	ck_assert(!json_raw_item(&rest, &item));
	rest = SPAN_LIT("{\"a\":1}");
	ck_assert(!json_raw_item(&rest, &item));
	rest = SPAN_LIT("");
	ck_assert(!json_raw_item(&rest, &item));
}
END_TEST

/* Each prefix of a text is no JSON, and must lead nowhere outside of it. */
START_TEST(what_is_no_json_stays_within)
{
	static const char text[] = "{\"a\\\\\":[1,{\"b\":\"\\u0061\\\"\"}],\"\\u0061rgs\":[\"x\"]}";

	for (size_t len = 0; len < sizeof(text); len++) {
		char *copy = malloc(len ? len : 1);
		ck_assert_ptr_nonnull(copy);
		memcpy(copy, text, len);
		struct span rest = span_from(copy, len), item;
		const struct span found = json_raw_member(rest, SPAN_LIT("args"));
		ck_assert(!found.ptr || (found.ptr >= copy && found.ptr + found.len <= copy + len));
		while (json_raw_item(&rest, &item))
			ck_assert(item.ptr >= copy && item.ptr + item.len <= copy + len);
		free(copy);
	}
}
END_TEST

/* What jansson reads from the span is what it has at that place of the whole. */
START_TEST(jansson_agrees)
{
	static const char text[] =
	    "{\"a\" :[1, \"\\u00e9\\n\", {\"x\":[]}], \"b\":{\"c\":{}} ,\"d\":\"\",\"e\":1e2 }";
	static const char *const keys[] = {"a", "b", "d", "e"};
	const struct json_text_rules rules = {.what = "text", .max = 1000};
	struct json_text_error error;
	json_t *whole = json_text_load(span_str(text), &rules, &error);

	ck_assert_ptr_nonnull(whole);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		json_t *part = json_text_load(json_raw_member(span_str(text), span_str(keys[i])),
					      &rules, &error);
		ck_assert_ptr_nonnull(part);
		ck_assert(json_equal(part, json_object_get(whole, keys[i])));
		json_decref(part);
	}
	json_decref(whole);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("json_raw");
	TCase *tc = tcase_create("json_raw");

	tcase_add_loop_test(tc, a_member, 0, (int)(sizeof(members) / sizeof(members[0])));
	tcase_add_test(tc, items);
	tcase_add_test(tc, what_is_no_json_stays_within);
	tcase_add_test(tc, jansson_agrees);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	const int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
