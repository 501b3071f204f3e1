/* links: src/fetch/fetch_result.c src/fetch/extract.c src/http/json_string.c src/base/buffer.c
 * tests/unit/fail_alloc.c -ljansson */
/*
 * test_fetch_result.c - the result of one URL as JSON, letter by letter, and within its bounds.
 */
#include "fetch/fetch_result.h"

#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "fail_alloc.h"

static const struct span names[] = {SPAN_LIT("name"), SPAN_LIT("a\"b"), SPAN_LIT("none")};
static const struct span pointers[] = {SPAN_LIT("/n"), SPAN_LIT("/x"), SPAN_LIT("/none")};

static const struct fetch_result plain = {
    .url = SPAN_LIT("http://a/\"x"),
    .status = 200,
    .ms = 12,
    .bytes = 6,
    .has_text = true,
    .text = SPAN_LIT("h\"\n\xc3\xa9"),
};

static struct extract *
extracted(const char *text)
{
	struct extract *x = extract_new(pointers, 3);

	ck_assert(extract_feed(x, text, strlen(text)));
	ck_assert_ptr_null(extract_end(x));
	return x;
}

static void
is(const struct fetch_result *result, const char *want)
{
	struct buffer out;

	buffer_init(&out);
	ck_assert(fetch_result_append(&out, result));
	ck_assert_msg(span_eq(buffer_span(&out), span_str(want)), "%.*s", (int)out.len, out.data);
	json_t *json = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_ptr_nonnull(json);
	ck_assert_uint_eq(json_object_size(json), 8);
	json_decref(json);
	buffer_fini(&out);
}

START_TEST(plain_result)
{
	is(&plain, "{\"url\":\"http://a/\\\"x\",\"status\":200,\"ms\":12,\"bytes\":6,"
		   "\"text\":\"h\\\"\\n\xc3\xa9\",\"values\":{},\"missing\":[],\"error\":null}");
}
END_TEST

START_TEST(nothing_came)
{
	struct fetch_result result = {
	    .url = SPAN_LIT("http://a/"), .error = "timeout: \"x\"", .n_values = 2, .names = names};

	is(&result, "{\"url\":\"http://a/\",\"status\":null,\"ms\":0,\"bytes\":0,\"text\":null,"
		    "\"values\":{\"name\":null,\"a\\\"b\":null},\"missing\":[\"name\",\"a\\\"b\"],"
		    "\"error\":\"timeout: \\\"x\\\"\"}");
}
END_TEST

START_TEST(values_and_what_is_missing)
{
	struct fetch_result result = plain;

	result.extract = extracted("{\"n\":12345678901234567890,\"x\":[1.50,null]}");
	result.names = names;
	result.n_values = 3;
	result.values_max = 1000;
	is(&result, "{\"url\":\"http://a/\\\"x\",\"status\":200,\"ms\":12,\"bytes\":6,"
		    "\"text\":\"h\\\"\\n\xc3\xa9\",\"values\":{\"name\":\"12345678901234567890\","
		    "\"a\\\"b\":[1.50,null],\"none\":null},\"missing\":[\"none\"],\"error\":null}");
	/* 22 bytes, and 11: the second one has no room */
	result.values_max = 32;
	is(&result, "{\"url\":\"http://a/\\\"x\",\"status\":200,\"ms\":12,\"bytes\":6,"
		    "\"text\":\"h\\\"\\n\xc3\xa9\",\"values\":{\"name\":\"12345678901234567890\","
		    "\"a\\\"b\":null,\"none\":null},\"missing\":[\"a\\\"b\",\"none\"],\"error\":"
		    "\"values-too-large: 32 bytes are kept of all values\"}");
	extract_free((struct extract **)(uintptr_t)&result.extract);
}
END_TEST

START_TEST(memory_runs_out)
{
	struct fetch_result result = plain;
	bool ok = false;

	result.extract = extracted("{\"n\":1,\"x\":[1.50,null]}");
	result.names = names;
	result.n_values = 3;
	result.values_max = 1000;
	for (unsigned n = 1; !ok; n++) {
		struct buffer out;

		buffer_init(&out);
		fail_alloc_at(n, false);
		ok = fetch_result_append(&out, &result);
		ck_assert(fail_alloc_end() == !ok);
		ck_assert(ok || out.len == 0);
		buffer_fini(&out);
		ck_assert_uint_lt(n, 50);
	}
	extract_free((struct extract **)(uintptr_t)&result.extract);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("fetch result");
	TCase *tcase = tcase_create("result");

	tcase_add_test(tcase, plain_result);
	tcase_add_test(tcase, nothing_came);
	tcase_add_test(tcase, values_and_what_is_missing);
	tcase_add_test(tcase, memory_runs_out);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
