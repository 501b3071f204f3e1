/* links: src/fetch/turns.c */
/*
 * test_turns.c - who goes next: in order, but for origins that are full; bounds that are never
 * passed, whoever leaves or asks while turns are given.
 */
#include "fetch/turns.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define MANY 300

static struct turns turns;
static struct turn turn[MANY];
static unsigned limit, per_origin, taken, taken_of[256], most;
static char went[MANY + 1]; /* the first letter of each origin, in order */
static size_t n_went;
static bool leaves_at_once;

static enum turn_answer
take(struct span origin, void *ctx)
{
	ck_assert_ptr_eq(ctx, &limit);
	if (taken == limit)
		return TURN_FULL;
	if (taken_of[(unsigned char)origin.ptr[0]] == per_origin)
		return TURN_ORIGIN_FULL;
	taken_of[(unsigned char)origin.ptr[0]]++;
	if (++taken > most)
		most = taken;
	return TURN_TAKEN;
}

static void
give(struct span origin, void *ctx)
{
	(void)ctx;
	ck_assert_uint_gt(taken, 0);
	taken--;
	taken_of[(unsigned char)origin.ptr[0]]--;
}

static void
go(struct turn *t)
{
	went[n_went++] = t->origin.ptr[0];
	if (leaves_at_once)
		turn_leave(&turns, t);
}

static const struct turns_events events = {take, give};

static void
set_up(void)
{
	memset(turn, 0, sizeof(turn));
	memset(went, 0, sizeof(went));
	memset(taken_of, 0, sizeof(taken_of));
	taken = most = 0;
	n_went = 0;
	limit = 2;
	per_origin = 100;
	leaves_at_once = false;
	turns_init(&turns, &events, &limit);
}

/* One for each letter. */
static void
ask(const char *origins)
{
	for (size_t i = 0; origins[i]; i++)
		turn_ask(&turns, &turn[i], span_from(origins + i, 1), go);
}

START_TEST(order_is_that_of_asking)
{
	ask("abcdef");
	ck_assert_str_eq(went, "ab");
	ck_assert(turns_wait(&turns));
	turn_leave(&turns, &turn[1]);
	ck_assert_str_eq(went, "abc");
	turn_leave(&turns, &turn[0]);
	turn_leave(&turns, &turn[2]);
	turn_leave(&turns, &turn[3]);
	ck_assert_str_eq(went, "abcdef");
	ck_assert(!turns_wait(&turns));
	turn_leave(&turns, &turn[4]);
	turn_leave(&turns, &turn[5]);
	ck_assert_uint_eq(taken, 0);
	ck_assert_uint_eq(most, 2);
}
END_TEST

START_TEST(full_origin_is_passed_over)
{
	limit = 3;
	per_origin = 1;
	ask("aaabac");
	ck_assert_str_eq(went, "abc");
	turn_leave(&turns, &turn[0]);
	ck_assert_str_eq(went, "abca");
	turn_leave(&turns, &turn[3]); /* b's: nobody else wants it */
	ck_assert_str_eq(went, "abca");
	turn_leave(&turns, &turn[1]);
	turn_leave(&turns, &turn[2]);
	turn_leave(&turns, &turn[4]);
	ck_assert_str_eq(went, "abcaaa");
}
END_TEST

START_TEST(leaving_is_idempotent_and_possible_while_waiting)
{
	ask("abcde");
	turn_leave(&turns, &turn[2]);
	turn_leave(&turns, &turn[2]);
	turn_leave(&turns, &turn[4]); /* the last one */
	ask("");
	turn_leave(&turns, &turn[0]);
	turn_leave(&turns, &turn[0]);
	ck_assert_str_eq(went, "abd");
	ck_assert(!turns_wait(&turns));
	turn_leave(&turns, &turn[1]);
	turn_leave(&turns, &turn[3]);
	ck_assert_uint_eq(taken, 0);
	/* one that has left may ask again */
	turn_ask(&turns, &turn[4], SPAN_LIT("x"), go);
	ck_assert_str_eq(went, "abdx");
}
END_TEST

START_TEST(whoever_goes_may_leave_at_once)
{
	leaves_at_once = true;
	limit = 1;
	for (size_t i = 0; i < MANY; i++)
		turn_ask(&turns, &turn[i], SPAN_LIT("a"), go);
	ck_assert_uint_eq(n_went, MANY);
	ck_assert_uint_eq(taken, 0);
	ck_assert_uint_eq(most, 1);
}
END_TEST

START_TEST(room_elsewhere_is_seen_when_told)
{
	limit = 0;
	ask("ab");
	ck_assert_str_eq(went, "");
	limit = 1;
	turns_pump(&turns);
	ck_assert_str_eq(went, "a");
	limit = 5;
	turns_pump(&turns);
	ck_assert_str_eq(went, "ab");
}
END_TEST

START_TEST(many_leave_together)
{
	ask("abcd");
	turns_hold(&turns);
	for (size_t i = 0; i < 3; i++)
		turn_leave(&turns, &turn[i]);
	ck_assert_str_eq(went, "ab");
	turns_release(&turns);
	/* c was given back before it was its turn */
	ck_assert_str_eq(went, "abd");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("turns");
	TCase *tcase = tcase_create("turns");

	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_test(tcase, order_is_that_of_asking);
	tcase_add_test(tcase, full_origin_is_passed_over);
	tcase_add_test(tcase, leaving_is_idempotent_and_possible_while_waiting);
	tcase_add_test(tcase, whoever_goes_may_leave_at_once);
	tcase_add_test(tcase, room_elsewhere_is_seen_when_told);
	tcase_add_test(tcase, many_leave_together);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
