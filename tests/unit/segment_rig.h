/*
 * segment_rig.h - what tests of the jobs' pages have in common: a segment and its bells, and a main
 * of one case in which these are new for each test.
 */
#ifndef PLAZA_TESTS_UNIT_SEGMENT_RIG_H
#define PLAZA_TESTS_UNIT_SEGMENT_RIG_H

#include <check.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>

#include "proc/doorbell.h"
#include "proc/segment.h"

static struct segment *segment;
static struct doorbell bell;

static void
rig_setup(void)
{
	segment = segment_new(4096);
	ck_assert_ptr_nonnull(segment);
	ck_assert(doorbell_init(&bell));
}

static void
rig_teardown(void)
{
	segment_free(&segment);
}

/* The executor of this side, since this was asked last. */
static bool
was_rung(unsigned side)
{
	struct pollfd p = {bell.fd[slot_index(SEGMENT_EXECUTOR, side)], POLLIN, 0};
	const bool rung = poll(&p, 1, 0) == 1;

	if (rung)
		doorbell_answer(&bell, slot_index(SEGMENT_EXECUTOR, side));
	return rung;
}

static int
rig_main(const char *name, void (*fill)(TCase *tc))
{
	Suite *suite = suite_create(name);
	TCase *tc = tcase_create(name);
	SRunner *runner = srunner_create(suite);

	tcase_add_checked_fixture(tc, rig_setup, rig_teardown);
	tcase_set_timeout(tc, 60);
	fill(tc);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	const int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
