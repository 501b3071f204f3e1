/* links: src/pg/array.c src/base/buffer.c */
/*
 * test_array.c - the bytes of PostgreSQL's binary arrays, and their bounds. test_lane has a server
 * read them.
 */
#include "pg/array.h"

#include <check.h>
#include <limits.h>
#include <string.h>

static struct buffer out;

static void
setup(void)
{
	buffer_init(&out);
}

static void
teardown(void)
{
	buffer_fini(&out);
}

static void
expect_bytes(struct span got, const char *bytes, size_t len)
{
	ck_assert_uint_eq(got.len, len);
	ck_assert_mem_eq(got.ptr, bytes, len);
}

#define EXPECT(got, literal) expect_bytes(got, literal, sizeof(literal) - 1)

START_TEST(numbers)
{
	struct array array;

	ck_assert(array_begin(&array, &out, ARRAY_INT4, 4096));
	ck_assert(array_add_int4(&array, 1) && array_add_int4(&array, -2));
	EXPECT(array_end(&array), "\0\0\0\1\0\0\0\0\0\0\0\x17\0\0\0\2\0\0\0\1"
				  "\0\0\0\4\0\0\0\1\0\0\0\4\xff\xff\xff\xfe");
	/* a second one behind it */
	ck_assert(array_begin(&array, &out, ARRAY_INT8, 4096));
	ck_assert(array_add_int8(&array, INT64_MIN) && array_add_int8(&array, 0x0102030405060708));
	EXPECT(array_end(&array), "\0\0\0\1\0\0\0\0\0\0\0\x14\0\0\0\2\0\0\0\1"
				  "\0\0\0\x08\x80\0\0\0\0\0\0\0\0\0\0\x08\1\2\3\4\5\6\7\x08");
	ck_assert_uint_eq(out.len, 20 + 16 + 20 + 24);
}
END_TEST

START_TEST(texts_and_nulls)
{
	struct array array;

	ck_assert(array_begin(&array, &out, ARRAY_TEXT, 4096));
	ck_assert(array_add_text(&array, SPAN_LIT("a\"{")) && array_add_null(&array) &&
		  array_add_text(&array, span_from(NULL, 0)));
	EXPECT(array_end(&array), "\0\0\0\1\0\0\0\1\0\0\0\x19\0\0\0\3\0\0\0\1"
				  "\0\0\0\3a\"{\xff\xff\xff\xff\0\0\0\0");
}
END_TEST

START_TEST(no_elements_no_dimension)
{
	struct array array;

	ck_assert(array_begin(&array, &out, ARRAY_INT4, 4096));
	EXPECT(array_end(&array), "\0\0\0\0\0\0\0\0\0\0\0\x17");
	ck_assert_uint_eq(out.len, 12);
}
END_TEST

START_TEST(the_bound_is_kept)
{
	struct array array;

	ck_assert(!array_begin(&array, &out, ARRAY_INT4, 19));
	ck_assert(array_begin(&array, &out, ARRAY_INT4, 20));
	ck_assert(!array_add_int4(&array, 1));
	out.len = 0;
	ck_assert(array_begin(&array, &out, ARRAY_TEXT, 20 + 4 + 5));
	ck_assert(!array_add_text(&array, SPAN_LIT("123456")));
	ck_assert(array_add_text(&array, SPAN_LIT("12345")));
	ck_assert(!array_add_null(&array));
	out.len = 0;
	/* no length that is longer than any memory is believed */
	ck_assert(array_begin(&array, &out, ARRAY_TEXT, SIZE_MAX));
	ck_assert_uint_eq(array.max, INT_MAX);
	ck_assert(!array_add_text(&array, span_from("x", SIZE_MAX)));
	ck_assert(!array_add_text(&array, span_from("x", (size_t)INT_MAX)));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("array");
	TCase *tc = tcase_create("array");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, numbers);
	tcase_add_test(tc, texts_and_nulls);
	tcase_add_test(tc, no_elements_no_dimension);
	tcase_add_test(tc, the_bound_is_kept);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
