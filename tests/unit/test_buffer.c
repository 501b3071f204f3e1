/* links: src/base/buffer.c */
/*
 * test_buffer.c - growth, bounds and printing of base/buffer.
 */
#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"

START_TEST(appended_bytes_stand_in_order)
{
	struct buffer b = {0};

	for (int i = 0; i < 1000; i++)
		ck_assert(buffer_append(&b, "0123456789", 10, 10000));
	ck_assert_uint_eq(b.len, 10000);
	ck_assert_mem_eq(b.data + 9990, "0123456789", 10);
	buffer_fini(&b);
	ck_assert_ptr_null(b.data);
	ck_assert_uint_eq(b.len, 0);
}
END_TEST

START_TEST(bound_refuses_and_leaves_the_content)
{
	struct buffer b = {0};

	ck_assert(buffer_append(&b, "abc", 3, 4));
	ck_assert(!buffer_append(&b, "de", 2, 4));
	ck_assert(!buffer_append(&b, "x", SIZE_MAX, SIZE_MAX));
	ck_assert(!buffer_append(&b, "x", 1, 2));
	ck_assert_uint_eq(b.len, 3);
	ck_assert_mem_eq(b.data, "abc", 3);
	ck_assert(buffer_append(&b, "d", 1, 4));
	buffer_fini(&b);
}
END_TEST

START_TEST(printing_takes_exactly_the_bound)
{
	struct buffer b = {0};

	ck_assert(buffer_printf(&b, 5, "%s-%d", "ab", 42));
	ck_assert_uint_eq(b.len, 5);
	ck_assert_mem_eq(b.data, "ab-42", 5);
	ck_assert(!buffer_printf(&b, 5, "%d", 1));
	ck_assert(buffer_printf(&b, SIZE_MAX, "%d", 1)); /* no bound but that of memory */
	b.len--;
	ck_assert_uint_eq(b.len, 5);
	buffer_fini(&b);
}
END_TEST

START_TEST(consuming_moves_the_rest_to_the_front)
{
	struct buffer b = {0};

	ck_assert(buffer_append(&b, "abcdef", 6, 6));
	buffer_consume(&b, 2);
	ck_assert_uint_eq(b.len, 4);
	ck_assert_mem_eq(b.data, "cdef", 4);
	buffer_consume(&b, 4);
	ck_assert_uint_eq(b.len, 0);
	ck_assert(buffer_append(&b, "z", 1, 6));
	ck_assert(span_eq(buffer_span(&b), SPAN_LIT("z")));
	buffer_fini(&b);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("buffer");
	TCase *tc = tcase_create("buffer");

	tcase_add_test(tc, appended_bytes_stand_in_order);
	tcase_add_test(tc, bound_refuses_and_leaves_the_content);
	tcase_add_test(tc, printing_takes_exactly_the_bound);
	tcase_add_test(tc, consuming_moves_the_rest_to_the_front);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
