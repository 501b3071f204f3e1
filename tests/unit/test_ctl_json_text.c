/* links: src/ctl/json_text.c -ljansson */
/*
 * test_ctl_json_text.c - members and items as they were written, and no harm from what is no JSON.
 */
#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/json_text.h"

#define N(table) ((int)(sizeof(table) / sizeof((table)[0])))

static const struct {
	const char *json, *name, *value; /* NULL: there is none */
} members[] = {
    {"{\"a\":1}", "a", "1"},
    {"{\"a\":1.10}", "a", "1.10"},
    {" { \"a\" : 1e400 , \"b\":2 } ", "a", "1e400"},
    {" { \"a\" : 1 ,\n\t\"b\"\r\n: 2 } ", "b", "2"},
    {"{\"a\":1,\"a\":2}", "a", "1"},
    {"{\"a\":\"x,}]\\\"\\\\\",\"b\":true}", "a", "\"x,}]\\\"\\\\\""},
    {"{\"a\":\"x,}]\\\"\\\\\",\"b\":true}", "b", "true"},
    {"{\"a\":{\"b\":1,\"c\":[{},[]]},\"b\":[1,{\"x\":\"]\"}]}", "b", "[1,{\"x\":\"]\"}]"},
    {"{\"a\":{\"b\":1,\"c\":[{},[]]},\"b\":2}", "a", "{\"b\":1,\"c\":[{},[]]}"},
    {"{\"a\":{\"b\":1}}", "b", NULL},
    {"{\"a\\\"b\":1}", "a\"b", "1"},
    {"{\"\\u00e9\":1}", "\xc3\xa9", "1"},
    {"{\"\xc3\xa9\":null}", "\xc3\xa9", "null"},
    {"{\"\":0}", "", "0"},
    {"{\"aa\":0}", "a", NULL},
    {"{}", "a", NULL},
    {"[]", "a", NULL},
    {"[\"a\",1]", "a", NULL},
    {"1", "a", NULL},
    {"", "a", NULL},
    /* none of this is JSON */
    {"{", "a", NULL},
    {"{\"a\"", "a", NULL},
    {"{\"a\":", "a", NULL},
    {"{\"a\":}", "a", NULL},
    {"{\"a\":\"", "a", NULL},
    {"{\"a\":[1", "a", NULL},
    {"{\"a\":[\"", "a", NULL},
    {"{\"a\":\"\\", "a", NULL},
    {"{\"a", "a", NULL},
    {"{a:1}", "a", NULL},
    {"{,}", "a", NULL},
    {"{\"b\":1 \"a\":2}", "a", NULL},
};

START_TEST(a_member_is_found_as_it_was_written)
{
	/* so that whoever reads past the end is found out */
	const size_t len = strlen(members[_i].json);
	char *copy = malloc(len ? len : 1);
	struct span value;

	memcpy(copy, members[_i].json, len);
	const bool is_there = json_text_member(span_from(copy, len), members[_i].name, &value);
	ck_assert_int_eq(is_there, members[_i].value != NULL);
	if (is_there)
		ck_assert_msg(span_eq(value, span_str(members[_i].value)), "%.*s", (int)value.len,
			      value.ptr);
	free(copy);
}
END_TEST

static const struct {
	const char *json, *items[4];
} arrays[] = {
    {"[]", {NULL}},
    {" [ ] ", {NULL}},
    {"[1]", {"1"}},
    {" [ 1.10 , \"a,]\" ,\n{\"b\":[2,3]} ] ", {"1.10", "\"a,]\"", "{\"b\":[2,3]}"}},
    {"[[],[[1],2]]", {"[]", "[[1],2]"}},
    {"{\"a\":1}", {NULL}},
    {"1", {NULL}},
    {"", {NULL}},
    {"[", {NULL}},
    {"[1,", {"1"}},
    {"[1,\"a", {"1"}},
    {"[1 2]", {"1"}},
};

START_TEST(items_come_one_after_the_other)
{
	struct span array = span_str(arrays[_i].json), item;

	for (size_t i = 0; arrays[_i].items[i]; i++) {
		ck_assert(json_text_item(&array, &item));
		ck_assert_msg(span_eq(item, span_str(arrays[_i].items[i])), "%.*s", (int)item.len,
			      item.ptr);
	}
	ck_assert(!json_text_item(&array, &item));
}
END_TEST

static const struct {
	const char *json, *lines;
} indented[] = {
    {"1", "1\n"},
    {"\"a\"", "\"a\"\n"},
    {"{}", "{}\n"},
    {"[ ]", "[]\n"},
    {"{\"a\":1.10,\"b\":[1,{\"c\":\"{,:\\\"\"}],\"d\":[],\"e\":{}}",
     "{\n  \"a\": 1.10,\n  \"b\": [\n    1,\n    {\n      \"c\": \"{,:\\\"\"\n    }\n  ],\n"
     "  \"d\": [],\n  \"e\": {}\n}\n"},
    {"", "\n"},
    /* no JSON, no harm */
    {"]", "\n]\n"},
    {"[\"", "[\n  \"\n"},
};

START_TEST(people_get_lines)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	json_text_indent(out, span_str(indented[_i].json));
	fclose(out);
	ck_assert_str_eq(text, indented[_i].lines);
	free(text);
}
END_TEST

static const struct {
	const char *json, *line;
} controls[] = {
    {"{\"a\":\r\n\t[1,\n2]}", "{\"a\":   [1, 2]}"},
    {"\"\x7f\xc2\x9b\xc2\x80\xc2\x9f\"", "\"\\u007f\\u009b\\u0080\\u009f\""},
    /* their neighbours are none, and what was escaped stays so */
    {"\"\xc2\xa0\xc3\x9b\xe2\x82\xac\\u001b\"", "\"\xc2\xa0\xc3\x9b\xe2\x82\xac\\u001b\""},
    {"\xc2", "\xc2"},
};

START_TEST(nothing_in_a_line_commands_a_terminal)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	json_text_line(out, span_str(controls[_i].json));
	fclose(out);
	ck_assert_str_eq(text, controls[_i].line);
	free(text);
	out = open_memstream(&text, &len);
	json_text_indent(out, span_str("[\"\xc2\x9b[1m\"]"));
	fclose(out);
	ck_assert_str_eq(text, "[\n  \"\\u009b[1m\"\n]\n");
	free(text);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("ctl json text");
	TCase *tc = tcase_create("json text");
	SRunner *runner = srunner_create(suite);

	tcase_add_loop_test(tc, a_member_is_found_as_it_was_written, 0, N(members));
	tcase_add_loop_test(tc, items_come_one_after_the_other, 0, N(arrays));
	tcase_add_loop_test(tc, people_get_lines, 0, N(indented));
	tcase_add_loop_test(tc, nothing_in_a_line_commands_a_terminal, 0, N(controls));
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
