/* links: src/fetch/host_pace.c src/base/siphash.c tests/unit/fail_alloc.c */
/*
 * test_host_pace.c - pauses that a host has asked for, hosts that are down, and a table that stays
 * small.
 */
#include "fetch/host_pace.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "fail_alloc.h"

#define A SPAN_LIT("a.example:80")
#define B SPAN_LIT("b.example:80")

static struct pace *pace;
static uint64_t wait_ms;

static void
set_up(void)
{
	pace = pace_new();
	ck_assert_ptr_nonnull(pace);
}

static void
tear_down(void)
{
	pace_free(&pace);
	ck_assert_ptr_null(pace);
}

static void
fail_times(struct span host, unsigned n, uint64_t now_ms)
{
	while (n--)
		pace_unreachable(pace, host, now_ms);
}

START_TEST(pause_is_for_that_host)
{
	ck_assert_int_eq(pace_ask(pace, A, 1000, &wait_ms), PACE_GO);
	pace_pause(pace, A, 1000, 5000);
	ck_assert_int_eq(pace_ask(pace, A, 1000, &wait_ms), PACE_WAIT);
	ck_assert_uint_eq(wait_ms, 5000);
	ck_assert_int_eq(pace_ask(pace, A, 5999, &wait_ms), PACE_WAIT);
	ck_assert_uint_eq(wait_ms, 1);
	ck_assert_int_eq(pace_ask(pace, B, 1000, &wait_ms), PACE_GO);
	ck_assert_uint_eq(wait_ms, 0);
	ck_assert_int_eq(pace_ask(pace, A, 6000, &wait_ms), PACE_GO);
}
END_TEST

START_TEST(longer_pause_counts_and_has_a_bound)
{
	pace_pause(pace, A, 1000, 5000);
	pace_pause(pace, A, 1000, 2000);
	ck_assert_int_eq(pace_ask(pace, A, 1000, &wait_ms), PACE_WAIT);
	ck_assert_uint_eq(wait_ms, 5000);
	pace_pause(pace, A, 1000, UINT64_MAX);
	ck_assert_int_eq(pace_ask(pace, A, 1000, &wait_ms), PACE_WAIT);
	ck_assert_uint_eq(wait_ms, PACE_PAUSE_MAX_MS);
}
END_TEST

/* An answer that came from before it asked does not end a pause. */
START_TEST(answer_does_not_end_a_pause)
{
	pace_pause(pace, A, 1000, 5000);
	pace_answered(pace, A);
	ck_assert_int_eq(pace_ask(pace, A, 2000, &wait_ms), PACE_WAIT);
}
END_TEST

START_TEST(host_that_is_never_reached_is_down)
{
	fail_times(A, PACE_FAILURES - 1, 1000);
	ck_assert_int_eq(pace_ask(pace, A, 1000, &wait_ms), PACE_GO);
	fail_times(A, 1, 1000);
	ck_assert_int_eq(pace_ask(pace, A, 1000, &wait_ms), PACE_DOWN);
	ck_assert_uint_eq(wait_ms, PACE_DOWN_MS);
	ck_assert_int_eq(pace_ask(pace, B, 1000, &wait_ms), PACE_GO);
	/* then one may try, and only one */
	ck_assert_int_eq(pace_ask(pace, A, 1000 + PACE_DOWN_MS, &wait_ms), PACE_GO);
	ck_assert_int_eq(pace_ask(pace, A, 1000 + PACE_DOWN_MS, &wait_ms), PACE_DOWN);
	pace_answered(pace, A);
	ck_assert_int_eq(pace_ask(pace, A, 1000 + PACE_DOWN_MS, &wait_ms), PACE_GO);
	ck_assert_int_eq(pace_ask(pace, A, 1000 + PACE_DOWN_MS, &wait_ms), PACE_GO);
}
END_TEST

START_TEST(answer_in_between_begins_the_count_anew)
{
	fail_times(A, PACE_FAILURES - 1, 1000);
	pace_answered(pace, A);
	fail_times(A, PACE_FAILURES - 1, 1000);
	ck_assert_int_eq(pace_ask(pace, A, 1000, &wait_ms), PACE_GO);
}
END_TEST

/* All that were under way fail together: that says no more than one of them. */
START_TEST(it_is_down_for_longer_after_each_try)
{
	uint64_t now_ms = 1000, down_ms = PACE_DOWN_MS;

	fail_times(A, 3 * PACE_FAILURES, now_ms);
	for (int i = 0; i < 6; i++) {
		ck_assert_int_eq(pace_ask(pace, A, now_ms, &wait_ms), PACE_DOWN);
		ck_assert_uint_eq(wait_ms, down_ms);
		now_ms += wait_ms;
		ck_assert_int_eq(pace_ask(pace, A, now_ms, &wait_ms), PACE_GO);
		fail_times(A, 1, now_ms);
		down_ms = down_ms * 2 < PACE_DOWN_MAX_MS ? down_ms * 2 : PACE_DOWN_MAX_MS;
	}
}
END_TEST

START_TEST(try_that_was_cancelled_is_made_again)
{
	fail_times(A, PACE_FAILURES, 1000);
	const uint64_t now_ms = 1000 + PACE_DOWN_MS;
	ck_assert_int_eq(pace_ask(pace, A, now_ms, &wait_ms), PACE_GO);
	ck_assert_int_eq(pace_ask(pace, A, now_ms, &wait_ms), PACE_DOWN);
	ck_assert_int_eq(pace_ask(pace, A, now_ms + wait_ms, &wait_ms), PACE_GO);
}
END_TEST

START_TEST(old_failures_are_forgotten)
{
	fail_times(A, PACE_FAILURES - 1, 1000);
	ck_assert_int_eq(pace_ask(pace, A, 3600000, &wait_ms), PACE_GO);
	fail_times(A, 1, 3600000);
	ck_assert_int_eq(pace_ask(pace, A, 3600000, &wait_ms), PACE_GO);
}
END_TEST

static struct span
numbered(char out[32], unsigned i)
{
	return span_from(out, (size_t)snprintf(out, 32, "h%u.example:80", i));
}

START_TEST(table_is_bounded_and_forgets_what_is_over)
{
	char name[32];

	for (unsigned i = 0; i < PACE_HOSTS + 1000; i++)
		pace_pause(pace, numbered(name, i), 1000, 60000);
	ck_assert_int_eq(pace_ask(pace, numbered(name, 0), 1000, &wait_ms), PACE_WAIT);
	ck_assert_int_eq(pace_ask(pace, numbered(name, PACE_HOSTS - 1), 1000, &wait_ms), PACE_WAIT);
	/* what has no room is let through */
	ck_assert_int_eq(pace_ask(pace, numbered(name, PACE_HOSTS), 1000, &wait_ms), PACE_GO);
	/* and has some when the others are over */
	pace_pause(pace, numbered(name, PACE_HOSTS), 3600000, 60000);
	ck_assert_int_eq(pace_ask(pace, numbered(name, PACE_HOSTS), 3600000, &wait_ms), PACE_WAIT);
	ck_assert_int_eq(pace_ask(pace, numbered(name, 0), 3600000, &wait_ms), PACE_GO);
}
END_TEST

START_TEST(memory_runs_out)
{
	fail_alloc_at(1, true);
	struct pace *none = pace_new();
	pace_pause(pace, A, 1000, 5000);
	pace_unreachable(pace, A, 1000);
	fail_alloc_end();
	ck_assert_ptr_null(none);
	ck_assert_int_eq(pace_ask(pace, A, 1000, &wait_ms), PACE_GO);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("host pace");
	TCase *tcase = tcase_create("pace");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, pause_is_for_that_host);
	tcase_add_test(tcase, longer_pause_counts_and_has_a_bound);
	tcase_add_test(tcase, answer_does_not_end_a_pause);
	tcase_add_test(tcase, host_that_is_never_reached_is_down);
	tcase_add_test(tcase, answer_in_between_begins_the_count_anew);
	tcase_add_test(tcase, it_is_down_for_longer_after_each_try);
	tcase_add_test(tcase, try_that_was_cancelled_is_made_again);
	tcase_add_test(tcase, old_failures_are_forgotten);
	tcase_add_test(tcase, table_is_bounded_and_forgets_what_is_over);
	tcase_add_test(tcase, memory_runs_out);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
