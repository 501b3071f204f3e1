/* links: src/store/cursor.c */
/*
 * test_cursor.c - what was written is read back; anything else is not.
 */
#include "store/cursor.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const int64_t ids[] = {0,         1,         9,         10, 255,      1000000007,
			      INT32_MAX, INT64_MAX, INT64_MIN, -1, -1000000, 4294967296};

START_TEST(round_trip)
{
	char text[CURSOR_TEXT_SIZE];
	int64_t id = 4711;

	cursor_write(ids[_i], text);
	ck_assert_uint_eq(strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				       "0123456789-_"),
			  strlen(text));
	ck_assert(cursor_read(span_str(text), &id));
	ck_assert_int_eq(id, ids[_i]);
}
END_TEST

static const char *const forged[] = {
    "",
    "1",
    "100",
    "aWQ6",     /* id: */
    "aWQ6MDE",  /* id:01 */
    "aWQ6KzE",  /* id:+1 */
    "aWQ6IDE",  /* "id: 1" */
    "aWQ6MXg",  /* id:1x */
    "aWQ6MQ==", /* id:1 with padding */
    "aWQ6MR",   /* id:1 with stray bits */
    "eHk6MQ",   /* xy:1 */
    "aWQ6MQ ",
    "aWQ6M\xc3\xa9",
    "aWQ6OTIyMzM3MjAzNjg1NDc3NTgwOA", /* id:9223372036854775808 */
    "aWQ6MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MA",
};

START_TEST(refused)
{
	int64_t id = 4711;

	ck_assert_msg(!cursor_read(span_str(forged[_i]), &id), "%s is %lld", forged[_i],
		      (long long)id);
	ck_assert_int_eq(id, 4711);
}
END_TEST

START_TEST(refused_with_nul)
{
	int64_t id;

	ck_assert(cursor_read(SPAN_LIT("aWQ6MQ"), &id));
	ck_assert(!cursor_read(span_from("aWQ6MQ\0", 7), &id));
	ck_assert(!cursor_read(span_from("\0\0\0", 3), &id));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("cursor");
	TCase *tc = tcase_create("cursor");

	tcase_add_loop_test(tc, round_trip, 0, sizeof(ids) / sizeof(ids[0]));
	tcase_add_loop_test(tc, refused, 0, sizeof(forged) / sizeof(forged[0]));
	tcase_add_test(tc, refused_with_nul);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
