/* links: src/jobs/sources.c */
/*
 * test_sources.c - which queue an executor claims from next.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs/sources.h"

static struct sources sources;

static void
teardown(void)
{
	sources_fini(&sources);
}

static struct source *
get(const char *name)
{
	return sources_get(&sources, span_str(name));
}

static void
expect_next(const char *name)
{
	const struct source *next = sources_next(&sources);

	if (!name) {
		ck_assert_ptr_null(next);
		return;
	}
	ck_assert_ptr_nonnull(next);
	ck_assert_str_eq(next->name, name);
}

START_TEST(a_queue_has_one_source)
{
	char name[JOB_NAME_MAX + 2];

	memset(name, 'q', sizeof(name));
	name[JOB_NAME_MAX + 1] = '\0';
	ck_assert_ptr_null(get(name));
	ck_assert_ptr_null(get(""));
	name[JOB_NAME_MAX] = '\0';
	ck_assert_ptr_nonnull(get(name));
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "q%d", i);
		ck_assert_ptr_nonnull(get(name));
		ck_assert_ptr_eq(get(name), get(name));
	}
	ck_assert_uint_eq(sources.n, 101);
}
END_TEST

START_TEST(turns_go_round)
{
	expect_next(NULL);
	get("a");
	expect_next(NULL);
	source_want(get("a"), false);
	source_want(get("b"), false);
	source_want(get("c"), false);
	ck_assert_uint_eq(sources_wanting(&sources), 3);
	/* one that always has more lets the others have their turns */
	expect_next("a");
	source_claimed(&sources, get("a"), CLAIM_MORE);
	expect_next("b");
	source_claimed(&sources, get("b"), CLAIM_MORE);
	expect_next("c");
	source_claimed(&sources, get("c"), CLAIM_EMPTY);
	expect_next("a");
	source_claimed(&sources, get("a"), CLAIM_MORE);
	expect_next("b");
	source_claimed(&sources, get("b"), CLAIM_EMPTY);
	expect_next("a");
	/* not twice at a time */
	expect_next(NULL);
	ck_assert_uint_eq(sources_wanting(&sources), 0);
	source_claimed(&sources, get("a"), CLAIM_EMPTY);
	expect_next(NULL);
}
END_TEST

START_TEST(what_comes_during_a_claim_is_claimed_after_it)
{
	source_want(get("a"), false);
	expect_next("a");
	source_want(get("a"), true);
	source_claimed(&sources, get("a"), CLAIM_EMPTY);
	expect_next("a");
	ck_assert(get("a")->is_full);
	source_claimed(&sources, get("a"), CLAIM_EMPTY);
	ck_assert(!get("a")->is_full);
	expect_next(NULL);
}
END_TEST

START_TEST(a_claim_that_failed_comes_again)
{
	source_want(get("a"), true);
	expect_next("a");
	source_failed(get("a"), false);
	expect_next("a");
	ck_assert(get("a")->is_full);
	/* one that the database refuses holds up nobody */
	source_want(get("b"), false);
	source_failed(get("a"), true);
	expect_next("b");
	expect_next(NULL);
	source_want(get("a"), true);
	expect_next("a");
}
END_TEST

START_TEST(one_that_is_at_its_bound_waits_for_an_end)
{
	source_want(get("a"), false);
	expect_next("a");
	source_claimed(&sources, get("a"), CLAIM_FULL);
	expect_next(NULL);
	source_unblock(get("a"));
	expect_next("a");
	/* an end while the claim was under way may not have been seen by it */
	source_unblock(get("a"));
	source_claimed(&sources, get("a"), CLAIM_FULL);
	expect_next("a");
	source_claimed(&sources, get("a"), CLAIM_EMPTY);
	/* nobody claims because a job has ended, otherwise */
	source_unblock(get("a"));
	expect_next(NULL);
	source_want(get("a"), false);
	expect_next("a");
	source_claimed(&sources, get("a"), CLAIM_PAUSED);
	source_unblock(get("a"));
	expect_next(NULL);
	/* nor of one that somebody has locked, before the next look */
	source_want(get("a"), false);
	expect_next("a");
	source_claimed(&sources, get("a"), CLAIM_LOCKED);
	source_unblock(get("a"));
	expect_next(NULL);
}
END_TEST

START_TEST(a_queue_that_is_gone_is_forgotten)
{
	source_want(get("a"), false);
	source_want(get("b"), false);
	expect_next("a");
	source_claimed(&sources, get("a"), CLAIM_ABSENT);
	ck_assert_uint_eq(sources.n, 1);
	expect_next("b");
	/* unless somebody has put into it since */
	source_want(get("b"), false);
	source_claimed(&sources, get("b"), CLAIM_ABSENT);
	ck_assert_uint_eq(sources.n, 1);
	expect_next("b");
	source_claimed(&sources, get("b"), CLAIM_ABSENT);
	ck_assert_uint_eq(sources.n, 0);
	expect_next(NULL);
}
END_TEST

/* Nobody tells when one can be claimed again: it is asked for. */
START_TEST(one_that_is_locked_is_tried_again)
{
	source_want(get("a"), false);
	source_want(get("b"), false);
	expect_next("a");
	source_claimed(&sources, get("a"), CLAIM_LOCKED);
	expect_next("b");
	source_claimed(&sources, get("b"), CLAIM_EMPTY);
	expect_next(NULL);
	sources_retry(&sources);
	expect_next("a");
	source_claimed(&sources, get("a"), CLAIM_EMPTY);
	/* once */
	sources_retry(&sources);
	expect_next(NULL);
}
END_TEST

/* Each is found, whatever came and went before. */
START_TEST(there_may_be_thousands)
{
	enum { MANY = 5000 };
	char name[16];

	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "q%d", i);
		source_want(get(name), false);
	}
	ck_assert_uint_eq(sources_wanting(&sources), MANY);
	for (int i = 0; i < MANY; i++) {
		struct source *next = sources_next(&sources);

		ck_assert_ptr_nonnull(next);
		/* two of three are gone */
		source_claimed(&sources, next,
			       atoi(next->name + 1) % 3 ? CLAIM_ABSENT : CLAIM_EMPTY);
	}
	ck_assert_uint_eq(sources.n, (MANY + 2) / 3);
	for (int i = 0; i < MANY; i += 3) {
		snprintf(name, sizeof(name), "q%d", i);
		ck_assert_str_eq(get(name)->name, name);
	}
	ck_assert_uint_eq(sources.n, (MANY + 2) / 3);
	for (int i = 1; i < MANY; i += 3) {
		snprintf(name, sizeof(name), "q%d", i);
		ck_assert_str_eq(get(name)->name, name);
	}
	ck_assert_uint_eq(sources.n, (MANY + 2) / 3 + (MANY + 1) / 3);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("sources");
	TCase *tc = tcase_create("sources");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_test(tc, a_queue_has_one_source);
	tcase_add_test(tc, turns_go_round);
	tcase_add_test(tc, what_comes_during_a_claim_is_claimed_after_it);
	tcase_add_test(tc, a_claim_that_failed_comes_again);
	tcase_add_test(tc, one_that_is_at_its_bound_waits_for_an_end);
	tcase_add_test(tc, a_queue_that_is_gone_is_forgotten);
	tcase_add_test(tc, one_that_is_locked_is_tried_again);
	tcase_add_test(tc, there_may_be_thousands);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? 1 : 0;
}
