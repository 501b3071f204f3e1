/*
 * wait_rig.h - what tests of those who wait for jobs have in common: a worker's jobs on the
 * database of fake_queue.h, time that passes in their loop, and cases in which these are new for
 * each test.
 */
#ifndef PLAZA_TESTS_UNIT_WAIT_RIG_H
#define PLAZA_TESTS_UNIT_WAIT_RIG_H

#include <check.h>

#include "base/log.h"
#include "fake_exchange.h"
#include "fake_queue.h"
#include "jobs/jobs_common.h"

static struct config config;
static struct jobs jobs;

/* `segment` NULL: what is tested has none. */
static void
rig_init(struct segment *segment)
{
	static char no_queue;

	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	jobs = (struct jobs){.config = &config, .loop = loop_new()};
	ck_assert_ptr_nonnull(jobs.loop);
	if (segment) {
		jobs.host.segment = segment;
		jobs.shared = jobs_shared_of(segment);
	}
	/* what it points to is the fakes' business */
	jobs.queue = (struct queue *)&no_queue;
}

/* Whoever waits in these, if it is there, whatever became of him was answered. */
static void
rig_expect_answered(struct exchange **x, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!x[i])
			continue;
		ck_assert(x[i]->answered);
		fake_exchange_free(&x[i]);
	}
}

static void
rig_stop_cb(void *arg, short what)
{
	(void)arg;
	(void)what;
	loop_stop(jobs.loop);
}

/* Lets so much time pass in the loop. */
static void
pass_ms(uint64_t ms)
{
	static struct watch alarm_clock;

	watch_init_timer(&alarm_clock, jobs.loop, "test", rig_stop_cb, NULL);
	ck_assert(watch_start_ms(&alarm_clock, ms));
	loop_run(jobs.loop);
}

static TCase *
rig_case(Suite *suite, const char *name, void (*setup)(void), void (*teardown)(void))
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, setup, teardown);
	suite_add_tcase(suite, tc);
	return tc;
}

/* What main returns. */
static int
rig_run(Suite *suite)
{
	SRunner *runner = srunner_create(suite);

	srunner_run_all(runner, CK_NORMAL);
	const int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}

#endif
