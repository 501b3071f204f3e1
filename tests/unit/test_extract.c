/* links: src/fetch/extract.c src/base/buffer.c tests/unit/fail_alloc.c -ljansson */
/*
 * test_extract.c - values of a JSON text found by their pointers, however the text is cut; texts
 * that are none; and what a value becomes so that everybody can read it.
 */
#include "fetch/extract.h"

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "fail_alloc.h"

#define OUT_MAX ((size_t)1 << 20)

/* The value at `pointer`, or "-" missing, "+" too large, "!" no JSON; fed `step` bytes at a time.
 */
static const char *
find_by(struct span text, const char *pointer, size_t step)
{
	static char found[200000];
	const struct span p = span_str(pointer);
	struct extract *x = extract_new(&p, 1);
	struct buffer out;
	bool ok;

	ck_assert_ptr_nonnull(x);
	for (size_t i = 0; i < text.len; i += step) {
		char piece[64];
		const size_t n = step < text.len - i ? step : text.len - i;
		if (n <= sizeof(piece)) { /* a block of its own */
			memcpy(piece, text.ptr + i, n);
			ck_assert(extract_feed(x, piece, n));
		} else {
			ck_assert(extract_feed(x, text.ptr + i, n));
		}
	}
	buffer_init(&out);
	strcpy(found, "!");
	if (!extract_end(x)) {
		const enum extract_found how = extract_value(x, 0, &out, OUT_MAX, &ok);
		ck_assert(ok);
		if (how == EXTRACT_FOUND)
			snprintf(found, sizeof(found), "%.*s", (int)out.len, out.data);
		else
			strcpy(found, how == EXTRACT_MISSING ? "-" : "+");
	}
	buffer_fini(&out);
	extract_free(&x);
	ck_assert_ptr_null(x);
	return found;
}

static const char *
find(const char *text, const char *pointer)
{
	char first[4096];

	snprintf(first, sizeof(first), "%s", find_by(span_str(text), pointer, SIZE_MAX / 2));
	for (size_t step = 1; step <= 3; step++)
		ck_assert_str_eq(find_by(span_str(text), pointer, step), first);
	return find_by(span_str(text), pointer, 7);
}

/* RFC 6901 section 5 */
static const char rfc[] = "{\n\"foo\": [\"bar\", \"baz\"],\n\"\": 0,\n\"a/b\": 1,\n\"c%d\": 2,\n"
			  "\"e^f\": 3,\n\"g|h\": 4,\n\"i\\\\j\": 5,\n\"k\\\"l\": 6,\n\" \": 7,\n"
			  "\"m~n\": 8\n}";

static const struct {
	const char *text, *pointer, *value;
} cases[] = {
    {rfc, "/foo", "[\"bar\",\"baz\"]"},
    {rfc, "/foo/0", "\"bar\""},
    {rfc, "/foo/1", "\"baz\""},
    {rfc, "/foo/2", "-"},
    {rfc, "/foo/-", "-"},
    {rfc, "/foo/01", "-"},
    {rfc, "/foo/+1", "-"},
    {rfc, "/foo/0/0", "-"},
    {rfc, "/", "0"},
    {rfc, "/a~1b", "1"},
    {rfc, "/c%d", "2"},
    {rfc, "/e^f", "3"},
    {rfc, "/g|h", "4"},
    {rfc, "/i\\j", "5"},
    {rfc, "/k\"l", "6"},
    {rfc, "/ ", "7"},
    {rfc, "/m~0n", "8"},
    {rfc, "/m", "-"},
    {rfc, "/m~0nn", "-"},
    {rfc, "//", "-"},
    /* ~1 is put in first, and then ~0: section 4 */
    {"{\"~1\":1,\"/\":2}", "/~01", "1"},
    {"{\"-\":1}", "/-", "1"},
    {"[1]", "/00", "-"},
    {"[1]", "/18446744073709551616", "-"},
    {"5", "", "5"},
    {" [ 1 , { \"a\" : [ ] } ] ", "", "[1,{\"a\":[]}]"},
    {"\xef\xbb\xbf{\"a\":1}", "/a", "1"},
    {"{\"a\":{\"b\":{\"c\":true}}}", "/a/b/c", "true"},
    {"{\"a\":{\"b\":{\"c\":null}}}", "/a/b", "{\"c\":null}"},
    {"{\"a\":false,\"b\":{\"a\":true}}", "/b/a", "true"},
    {"{\"x\":{\"a\":1},\"a\":2}", "/a", "2"},
    {"[[1,2],[3,[4]]]", "/1/1/0", "4"},
    {"[[1,2],[3,[4]]]", "/1/1", "[4]"},
    {"{\"0\":1}", "/0", "1"},
    {"{\"01\":1}", "/01", "1"},
    {"[1]", "/0x", "-"},
    {"[]", "/0", "-"},
    {"{}", "/", "-"},
    /* the last one counts */
    {"{\"a\":1,\"a\":2}", "/a", "2"},
    {"{\"a\":{\"b\":1},\"a\":{}}", "/a/b", "-"},
    {"{\"a\":{\"b\":1},\"a\":{\"b\":[2]}}", "/a/b", "[2]"},
    /* keys in all spellings */
    {"{\"\\u0061\":1}", "/a", "1"},
    {"{\"\\u00e9\":1}", "/\xc3\xa9", "1"},
    {"{\"\\u20AC\":1}", "/\xe2\x82\xac", "1"},
    {"{\"\\ud83d\\ude00\":1}", "/\xf0\x9f\x98\x80", "1"},
    {"{\"a\\/b\\t\":1}", "/a~1b\t", "1"},
    {"{\"\\b\\f\\n\\r\":1}", "/\b\f\n\r", "1"},
    /* numbers that a double does not hold are text */
    {"[9007199254740991]", "/0", "9007199254740991"},
    {"[-9007199254740991]", "/0", "-9007199254740991"},
    {"[9007199254740992]", "/0", "\"9007199254740992\""},
    {"[-9007199254740992]", "/0", "\"-9007199254740992\""},
    {"{\"id\":12345678901234567890123}", "/id", "\"12345678901234567890123\""},
    {"{\"id\":[12345678901234567890,1]}", "/id", "[\"12345678901234567890\",1]"},
    {"1e308", "", "1e308"},
    {"1e309", "", "\"1e309\""},
    {"-1E+309", "", "\"-1E+309\""},
    {"1e-400", "", "1e-400"},
    {"0.10", "", "0.10"},
    {"-0", "", "-0"},
    {"1.5E+3", "", "1.5E+3"},
    /* strings that not everybody holds */
    {"[\"a\\u0000b\"]", "/0", "\"ab\""},
    {"[\"\\u0000\"]", "/0", "\"\""},
    {"[\"\\ud83d\\ude00\"]", "/0", "\"\\ud83d\\ude00\""},
    {"[\"\\ud83dx\"]", "/0", "\"\\ufffdx\""},
    {"[\"\\ude00\\ud83d\"]", "/0", "\"\\ufffd\\ufffd\""},
    {"[\"\\ud83d\\u0041\"]", "/0", "\"\\ufffd\\u0041\""},
    {"[\"\xff\"]", "/0", "\"\xef\xbf\xbd\""},
    {"[\"\xc3\xa9 \xe2\x82\"]", "/0", "\"\xc3\xa9 \xef\xbf\xbd\xef\xbf\xbd\""},
    {"[\"1e999 \\\" [99999999999999999999]\"]", "/0", "\"1e999 \\\" [99999999999999999999]\""},
    /* no JSON */
    {"", "", "!"},
    {"   ", "", "!"},
    {"\xef\xbb", "", "!"},
    {"\xef\xbb{}", "", "!"},
    {"{", "", "!"},
    {"[1", "", "!"},
    {"[1,]", "", "!"},
    {"[,1]", "", "!"},
    {"[1 2]", "", "!"},
    {"{\"a\"}", "", "!"},
    {"{\"a\":}", "", "!"},
    {"{\"a\":1,}", "", "!"},
    {"{a:1}", "", "!"},
    {"{1:1}", "", "!"},
    {"{\"a\":1]", "", "!"},
    {"[1}", "", "!"},
    {"[]]", "", "!"},
    {"1 1", "", "!"},
    {"{}x", "", "!"},
    {"tru", "", "!"},
    {"truE", "", "!"},
    {"nulll", "", "!"},
    {"NaN", "", "!"},
    {"'a'", "", "!"},
    {"\"a", "", "!"},
    {"\"a\\", "", "!"},
    {"\"\\x\"", "", "!"},
    {"\"\\u12g4\"", "", "!"},
    {"\"\\u12\"", "", "!"},
    {"\"a\nb\"", "", "!"},
    {"\"a\x1f\"", "", "!"},
    {"01", "", "!"},
    {"-", "", "!"},
    {"+1", "", "!"},
    {".5", "", "!"},
    {"1.", "", "!"},
    {"1.e5", "", "!"},
    {"1e", "", "!"},
    {"1e+", "", "!"},
    {"0x10", "", "!"},
    {"-a", "", "!"},
    {"[-]", "", "!"},
    {"[-,1]", "", "!"},
    {"[1.]", "", "!"},
    {"[1e]", "", "!"},
    {"[1e-]", "", "!"},
    {"[1]// x", "", "!"},
    {"<html>", "/a", "!"},
};

START_TEST(value_is_found)
{
	ck_assert_msg(!extract_pointer_check(span_str(cases[_i].pointer)), "%s", cases[_i].pointer);
	ck_assert_msg(strcmp(find(cases[_i].text, cases[_i].pointer), cases[_i].value) == 0,
		      "%s of %s is %s", cases[_i].pointer, cases[_i].text,
		      find(cases[_i].text, cases[_i].pointer));
}
END_TEST

START_TEST(zero_byte_is_no_json)
{
	ck_assert_str_eq(find_by(span_from("[\"a\0b\"]", 7), "", 100), "!");
	ck_assert_str_eq(find_by(span_from("{}\0", 3), "", 100), "!");
	ck_assert_str_eq(find_by(span_from("\"\\\0\"", 4), "", 100), "!");
}
END_TEST

START_TEST(many_at_once_even_one_in_another)
{
	static const char text[] = "{\"a\":{\"b\":[10,20,30],\"c\":\"x\"},\"d\":9}";
	static const char *const pointers[] = {"", "/a", "/a/b", "/a/b/1", "/a/b/1", "/d", "/e"};
	static const char *const values[] = {
	    text, "{\"b\":[10,20,30],\"c\":\"x\"}", "[10,20,30]", "20", "20", "9", NULL};
	struct span spans[7];

	for (size_t i = 0; i < 7; i++)
		spans[i] = span_str(pointers[i]);
	struct extract *x = extract_new(spans, 7);
	ck_assert(extract_feed(x, text, strlen(text)));
	ck_assert_ptr_null(extract_end(x));
	for (size_t i = 0; i < 7; i++) {
		struct buffer out;
		bool ok;

		buffer_init(&out);
		ck_assert_int_eq(extract_value(x, i, &out, OUT_MAX, &ok),
				 values[i] ? EXTRACT_FOUND : EXTRACT_MISSING);
		if (values[i])
			ck_assert(span_eq(buffer_span(&out), span_str(values[i])));
		buffer_fini(&out);
	}
	extract_free(&x);
}
END_TEST

START_TEST(depth_is_bounded)
{
	char text[2 * EXTRACT_DEPTH_MAX + 3];

	memset(text, '[', EXTRACT_DEPTH_MAX);
	memset(text + EXTRACT_DEPTH_MAX, ']', EXTRACT_DEPTH_MAX);
	ck_assert_str_eq(find_by(span_from(text, 2 * EXTRACT_DEPTH_MAX), "/1", 100), "-");
	memset(text, '[', EXTRACT_DEPTH_MAX + 1);
	memset(text + EXTRACT_DEPTH_MAX + 1, ']', EXTRACT_DEPTH_MAX + 1);
	ck_assert_str_eq(find_by(span_from(text, 2 * EXTRACT_DEPTH_MAX + 2), "/1", 100), "!");
}
END_TEST

/* {"before":1,"big":"xxx...","in":{"big":[...]},"after":2} */
START_TEST(large_value_costs_no_other)
{
	static const char *const names[] = {"/before", "/big", "/after", "/nest", "/nest/small"};
	static const enum extract_found want[] = {EXTRACT_FOUND, EXTRACT_TOO_LARGE, EXTRACT_FOUND,
						  EXTRACT_TOO_LARGE, EXTRACT_TOO_LARGE};
	struct span pointers[5];
	char x1000[1000];

	memset(x1000, 'x', sizeof(x1000));
	for (size_t i = 0; i < 5; i++)
		pointers[i] = span_str(names[i]);
	struct extract *x = extract_new(pointers, 5);
	ck_assert(extract_feed(x, "{\"before\":1,\"big\":\"", 19));
	for (int i = 0; i < 5000; i++)
		ck_assert(extract_feed(x, x1000, sizeof(x1000)));
	ck_assert(extract_feed(x, "\",\"nest\":{\"small\":1,\"x\":\"", 25));
	for (int i = 0; i < 50; i++)
		ck_assert(extract_feed(x, x1000, sizeof(x1000)));
	ck_assert(extract_feed(x, "\"},\"after\":22}", 14));
	ck_assert_ptr_null(extract_end(x));
	for (size_t i = 0; i < 5; i++) {
		struct buffer out;
		bool ok;

		buffer_init(&out);
		ck_assert_int_eq(extract_value(x, i, &out, OUT_MAX, &ok), want[i]);
		if (i == 2)
			ck_assert(span_eq(buffer_span(&out), SPAN_LIT("22")));
		buffer_fini(&out);
	}
	extract_free(&x);
}
END_TEST

START_TEST(largest_value_fits)
{
	char *text = malloc(EXTRACT_OUT_MAX + 100);

	for (size_t extra = 0; extra < 2; extra++) {
		const size_t len = EXTRACT_OUT_MAX - 2 + extra;
		int n = sprintf(text, "[\"");
		memset(text + n, 'x', len);
		strcpy(text + n + len, "\"]");
		const char *found = find_by(span_str(text), "/0", 1000);
		if (extra)
			ck_assert_str_eq(found, "+");
		else
			ck_assert_uint_eq(strlen(found), EXTRACT_OUT_MAX);
	}
	free(text);
}
END_TEST

START_TEST(long_key_matches_nothing)
{
	char text[8192] = "{\"";

	memset(text + 2, 'k', 7000);
	strcpy(text + 7002, "\":1,\"\":2}");
	ck_assert_str_eq(find_by(span_str(text), "/", 50), "2");
	strcpy(text + 7002, "\":1}");
	ck_assert_str_eq(find_by(span_str(text), "/", 50), "-");
}
END_TEST

START_TEST(answer_is_bounded)
{
	const struct span pointer = SPAN_LIT("");
	struct extract *x = extract_new(&pointer, 1);
	struct buffer out;
	bool ok;

	ck_assert(extract_feed(x, "[1,12345678901234567890]", 24));
	ck_assert_ptr_null(extract_end(x));
	buffer_init(&out);
	for (size_t max = 0; max < 26; max++) {
		extract_value(x, 0, &out, max, &ok);
		ck_assert_msg(!ok, "%zu", max);
		buffer_fini(&out);
	}
	ck_assert_int_eq(extract_value(x, 0, &out, 26, &ok), EXTRACT_FOUND);
	ck_assert(ok);
	buffer_fini(&out);
	extract_free(&x);
}
END_TEST

static const struct {
	const char *pointer;
	bool is_good;
} pointers[] = {
    {"", true},     {"/", true},    {"/a/b", true},      {"/~0~1", true}, {"/a//b", true},
    {"a", false},   {"#/a", false}, {"/~", false},       {"/~2", false},  {"/a~", false},
    {"$.a", false}, {" /a", false}, {"/\xc3\xa9", true},
};

START_TEST(pointer_is_checked)
{
	const char *wrong = extract_pointer_check(span_str(pointers[_i].pointer));

	ck_assert_msg((wrong == NULL) == pointers[_i].is_good, "%s", pointers[_i].pointer);
}
END_TEST

START_TEST(long_pointer_is_none)
{
	char text[EXTRACT_POINTER_MAX + 1];

	memset(text, '/', sizeof(text));
	ck_assert_ptr_null(extract_pointer_check(span_from(text, EXTRACT_POINTER_MAX)));
	ck_assert_ptr_nonnull(extract_pointer_check(span_from(text, EXTRACT_POINTER_MAX + 1)));
}
END_TEST

START_TEST(memory_runs_out)
{
	static const char text[] = "{\"a\":{\"b\":[10,20,30],\"c\":\"x\"},\"d\":9}";
	const struct span wanted[] = {SPAN_LIT("/a"), SPAN_LIT("/d")};

	for (unsigned n = 1;; n++) {
		struct buffer out;
		bool ok = true;

		buffer_init(&out);
		fail_alloc_at(n, false);
		struct extract *x = extract_new(wanted, 2);
		bool fed = x && extract_feed(x, text, sizeof(text) - 1);
		if (fed && !extract_end(x))
			extract_value(x, 0, &out, OUT_MAX, &ok);
		const bool has_failed = fail_alloc_end();
		ck_assert(has_failed == !(x && fed && ok));
		buffer_fini(&out);
		extract_free(&x);
		if (!has_failed)
			break;
		ck_assert_uint_lt(n, 20);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("extract");
	TCase *tcase = tcase_create("extract");

	tcase_add_loop_test(tcase, value_is_found, 0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_test(tcase, zero_byte_is_no_json);
	tcase_add_test(tcase, many_at_once_even_one_in_another);
	tcase_add_test(tcase, depth_is_bounded);
	tcase_add_test(tcase, large_value_costs_no_other);
	tcase_add_test(tcase, largest_value_fits);
	tcase_add_test(tcase, long_key_matches_nothing);
	tcase_add_test(tcase, answer_is_bounded);
	tcase_add_loop_test(tcase, pointer_is_checked, 0, sizeof(pointers) / sizeof(pointers[0]));
	tcase_add_test(tcase, long_pointer_is_none);
	tcase_add_test(tcase, memory_runs_out);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
