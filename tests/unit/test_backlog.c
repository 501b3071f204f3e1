/* links: src/pg/backlog.c -lm */
/*
 * test_backlog.c - the bound, and what a client that is turned away is told.
 */
#include "pg/backlog.h"

#include <check.h>
#include <stdlib.h>

START_TEST(bound)
{
	struct backlog b;

	backlog_init(&b, 2, 1000);
	ck_assert(backlog_enter(&b, 1000));
	ck_assert(backlog_enter(&b, 1000));
	ck_assert(!backlog_enter(&b, 1000));
	backlog_leave(&b, false, 1001);
	ck_assert(backlog_enter(&b, 1001));
	ck_assert(!backlog_enter(&b, 1001));
	/* who was let in before is never turned away */
	backlog_leave(&b, true, 1002);
	ck_assert(backlog_enter(&b, 1002));
	backlog_return(&b);
	ck_assert_uint_eq(b.waiting, 3);
	backlog_leave(&b, true, 1003);
	ck_assert(!backlog_enter(&b, 1003));
}
END_TEST

/* `waiting` wait after a second in which `sent` left. */
static unsigned
retry_after(size_t waiting, size_t sent, uint64_t later_ms)
{
	struct backlog b;

	backlog_init(&b, 100000, 0);
	for (size_t i = 0; i < waiting + sent; i++)
		ck_assert(backlog_enter(&b, 0));
	for (size_t i = 0; i < sent; i++)
		backlog_leave(&b, true, 500);
	return backlog_retry_after_s(&b, 5, later_ms);
}

START_TEST(honest)
{
	/* ten a second: thirty need three seconds, thirty-one need four */
	ck_assert_uint_eq(retry_after(30, 10, 1000), 3);
	ck_assert_uint_eq(retry_after(31, 10, 1000), 4);
	ck_assert_uint_eq(retry_after(1, 1000, 1000), 1);
	ck_assert_uint_eq(retry_after(0, 10, 1000), 1);
	ck_assert_uint_eq(retry_after(10000, 1, 1000), 60);
	/* ten in two seconds are five a second */
	ck_assert_uint_eq(retry_after(30, 10, 2000), 6);
	/* nothing moves, or nothing is known: what the caller thinks */
	ck_assert_uint_eq(retry_after(30, 0, 1000), 5);
	ck_assert_uint_eq(retry_after(30, 10, 60000), 5);
}
END_TEST

START_TEST(given_up_is_not_sent)
{
	struct backlog b;

	backlog_init(&b, 100, 0);
	for (int i = 0; i < 20; i++)
		ck_assert(backlog_enter(&b, 0));
	for (int i = 0; i < 10; i++)
		backlog_leave(&b, false, 100);
	ck_assert_uint_eq(backlog_retry_after_s(&b, 7, 1000), 7);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("backlog");
	TCase *tc = tcase_create("backlog");

	tcase_add_test(tc, bound);
	tcase_add_test(tc, honest);
	tcase_add_test(tc, given_up_is_not_sent);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
