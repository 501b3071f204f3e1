/* links: src/http/json_string.c src/base/buffer.c -ljansson */
/*
 * test_json_string.c - text as a string of JSON: escaped where it must be, and read as it was.
 */
#include "http/json_string.h"

#include <check.h>
#include <jansson.h>
#include <string.h>
#include <time.h>

static const struct string_case {
	const char *text, *json;
} strings[] = {
    {"", "\"\""},
    {"iPhone 12", "\"iPhone 12\""},
    {"\xe5\xa4\xaa\xe9\x83\x8e \xf0\x9f\x98\x80", "\"\xe5\xa4\xaa\xe9\x83\x8e \xf0\x9f\x98\x80\""},
    {"\"a\\b/c\"", "\"\\\"a\\\\b/c\\\"\""},
    {"\b\t\n\v\f\r\x01\x1f\x7f", "\"\\b\\t\\n\\u000b\\f\\r\\u0001\\u001f\x7f\""},
};

START_TEST(appended)
{
	const struct string_case *c = &strings[_i];
	struct buffer out;

	buffer_init(&out);
	ck_assert(json_string_append(&out, span_str(c->text), 10000));
	ck_assert_msg(span_eq(buffer_span(&out), span_str(c->json)), "%.*s", (int)out.len,
		      out.data);
	json_t *json = json_loadb(out.data, out.len, JSON_DECODE_ANY, NULL);
	ck_assert_ptr_nonnull(json);
	ck_assert_str_eq(json_string_value(json), c->text);
	json_decref(json);
	buffer_fini(&out);
	/* a bound that does not suffice, at every length */
	for (size_t max = 0; max < strlen(c->json); max++) {
		ck_assert(!json_string_append(&out, span_str(c->text), max));
		buffer_fini(&out);
	}
}
END_TEST

/* Into room that is there, as when it is appended; each byte at each place of texts of each length.
 */
START_TEST(put_as_appended)
{
	char text[20], room[JSON_STRING_ROOM(sizeof(text))];
	struct buffer out;

	buffer_init(&out);
	for (size_t len = 0; len <= sizeof(text); len++) {
		for (size_t at = 0; at < (len ? len : 1); at++) {
			for (int byte = 0; byte < 256; byte++) {
				for (size_t i = 0; i < len; i++)
					text[i] = (char)('a' + i);
				if (len)
					text[at] = (char)byte;
				out.len = 0;
				ck_assert(json_string_append(&out, span_from(text, len), 1000));
				char *end = json_string_put(room, span_from(text, len));
				ck_assert_msg(span_eq(span_from(room, (size_t)(end - room)),
						      buffer_span(&out)),
					      "%d at %zu of %zu", byte, at, len);
			}
		}
	}
	buffer_fini(&out);
}
END_TEST

/* CPU time of a page of texts of this byte. */
static double
page_seconds(char byte)
{
	char text[1000];
	struct timespec before, after;
	struct buffer out;

	memset(text, byte, sizeof(text));
	buffer_init(&out);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	for (int i = 0; i < 1000; i++)
		ck_assert(json_string_append(&out, span_from(text, sizeof(text)), (size_t)1 << 30));
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	buffer_fini(&out);
	return (double)(after.tv_sec - before.tv_sec) +
	       (double)(after.tv_nsec - before.tv_nsec) / 1e9;
}

/* Who names products could hold all who list them: escaped bytes are six, and cost as many. */
START_TEST(escapes_cost_little_more_than_letters)
{
	double letters = page_seconds('a');

	ck_assert_double_lt(page_seconds('\x01'), 60 * letters);
	ck_assert_double_lt(page_seconds('"'), 60 * letters);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("json_string");
	TCase *tc = tcase_create("json_string");

	tcase_add_loop_test(tc, appended, 0, sizeof(strings) / sizeof(strings[0]));
	tcase_add_test(tc, put_as_appended);
	tcase_add_test(tc, escapes_cost_little_more_than_letters);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
