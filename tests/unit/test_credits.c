/* links: src/jobs/credits.c src/proc/segment.c src/proc/doorbell.c src/base/log.c src/base/clock.c
 * src/base/siphash.c */
/*
 * test_credits.c - bounds of a host: halves, rings, and two sides that take and give as fast as
 * they can while they are killed anywhere and buried.
 */
#include <check.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jobs/credits.h"
#include "segment_rig.h"

static struct credits_shared *shared;

static void
setup(void)
{
	shared = segment->jobs;
}

static struct credits
of(unsigned side)
{
	return (struct credits){shared, segment, &bell, side};
}

START_TEST(both_sides_share_one_bound)
{
	const struct credits a = of(0), b = of(1);

	for (int i = 0; i < 2; i++)
		ck_assert(credit_take(&a, &shared->jobs, 3));
	ck_assert(credit_take(&b, &shared->jobs, 3));
	ck_assert(!credit_take(&a, &shared->jobs, 3));
	ck_assert(!credit_take(&b, &shared->jobs, 3));
	ck_assert_uint_eq(credit_used(&shared->jobs), 3);
	/* each with its own limit: a reload may have raised or lowered it */
	ck_assert(credit_take(&b, &shared->jobs, 4));
	ck_assert(!credit_take(&a, &shared->jobs, 1));
	credit_give(&a, &shared->jobs);
	ck_assert_uint_eq(credit_used(&shared->jobs), 3);
	/* the others are another bound */
	ck_assert_uint_eq(credit_used(&shared->transfers), 0);
	ck_assert(credit_take(&a, &shared->transfers, 1));
}
END_TEST

START_TEST(some_are_as_many_as_there_are)
{
	const struct credits a = of(0), b = of(1);

	ck_assert_uint_eq(credit_take_some(&a, &shared->jobs, 10, 4), 4);
	ck_assert_uint_eq(credit_take_some(&b, &shared->jobs, 10, 4), 4);
	ck_assert_uint_eq(credit_take_some(&a, &shared->jobs, 10, 4), 2);
	ck_assert_uint_eq(credit_take_some(&a, &shared->jobs, 10, 4), 0);
	ck_assert_uint_eq(credit_take_some(&a, &shared->jobs, 10, 0), 0);
	credit_give_some(&a, &shared->jobs, 6);
	ck_assert_uint_eq(credit_used(&shared->jobs), 4);
	/* no limit is too large for a half */
	ck_assert_uint_eq(credit_take_some(&a, &shared->jobs, UINT32_MAX, UINT32_MAX),
			  UINT32_MAX - 4);
	ck_assert_uint_eq(credit_take_some(&b, &shared->jobs, UINT32_MAX, 1), 0);
}
END_TEST

START_TEST(who_was_refused_is_rung)
{
	const struct credits a = of(0), b = of(1);

	ck_assert(credit_take(&a, &shared->jobs, 1));
	credit_give(&a, &shared->jobs);
	ck_assert(!was_rung(1));
	ck_assert(credit_take(&a, &shared->jobs, 1));
	ck_assert(!credit_take(&b, &shared->jobs, 1));
	ck_assert(!was_rung(1));
	credit_give(&a, &shared->jobs);
	ck_assert(was_rung(1));
	ck_assert(!was_rung(0));
	/* once: it comes again if it still wants */
	ck_assert(credit_take(&a, &shared->jobs, 1));
	credit_give(&a, &shared->jobs);
	ck_assert(!was_rung(1));
	/* for fewer than it wanted, too */
	ck_assert(credit_take(&a, &shared->jobs, 3));
	ck_assert_uint_eq(credit_take_some(&b, &shared->jobs, 3, 3), 2);
	credit_give(&a, &shared->jobs);
	ck_assert(was_rung(1));
}
END_TEST

START_TEST(the_dead_hold_nothing)
{
	const struct credits a = of(0), b = of(1);
	struct credit *origin = credit_origin(&a, SPAN_LIT("example.org:443"));

	ck_assert_ptr_eq(origin, credit_origin(&b, SPAN_LIT("example.org:443")));
	for (int i = 0; i < 5; i++) {
		ck_assert(credit_take(&a, &shared->jobs, 100));
		ck_assert(credit_take(&b, &shared->jobs, 100));
		ck_assert(credit_take(&a, &shared->transfers, 100));
		ck_assert(credit_take(&b, origin, 100));
	}
	ck_assert(!credit_take(&a, &shared->jobs, 10));
	credits_clear(shared, &bell, 1);
	ck_assert_uint_eq(credit_used(&shared->jobs), 5);
	ck_assert_uint_eq(credit_used(&shared->transfers), 5);
	ck_assert_uint_eq(credit_used(origin), 0);
	/* the other one has waited for them */
	ck_assert(was_rung(0));
	credits_clear(shared, &bell, 0);
	ck_assert_uint_eq(credit_used(&shared->jobs), 0);
	ck_assert_uint_eq(credit_used(&shared->transfers), 0);
}
END_TEST

START_TEST(origins_are_spread)
{
	const struct credits a = of(0);
	size_t n = 0;

	for (int i = 0; i < 200; i++) {
		char name[32];
		const int len = snprintf(name, sizeof(name), "host%d.example:80", i);
		struct credit *cell = credit_origin(&a, span_from(name, (size_t)len));

		ck_assert(cell >= shared->origin && cell < shared->origin + CREDIT_ORIGINS);
		n += credit_take(&a, cell, 1);
	}
	/* of 200 in 1024 cells about 18 meet another one */
	ck_assert_uint_gt(n, 150);
}
END_TEST

/* ---- killed anywhere ---- */

#define LIMIT 7

/* What is really held, told by who holds it: never less than the credits that it has. */
struct truth {
	_Atomic int held[2];
	_Atomic int most;
	_Atomic uint64_t taken;
	_Atomic int overruns;
};

static _Noreturn void
take_and_give(struct truth *truth, unsigned side, unsigned seed)
{
	const struct credits c = of(side);
	int mine = 0;

	for (;;) {
		seed = seed * 1103515245 + 12345;
		if (seed >> 16 & 1) {
			const uint32_t n =
			    credit_take_some(&c, &shared->jobs, LIMIT, (seed >> 17) % 4 + 1);

			mine += (int)n;
			atomic_fetch_add(&truth->held[side], (int)n);
			atomic_fetch_add(&truth->taken, n);
			const int all = atomic_load(&truth->held[0]) + atomic_load(&truth->held[1]);
			if (all > LIMIT)
				atomic_fetch_add(&truth->overruns, 1);
			if (all > atomic_load(&truth->most))
				atomic_store(&truth->most, all);
		} else if (mine > 0) {
			/* first the truth: it is never above what the credits say */
			const int n = (int)(seed >> 17) % mine + 1;

			atomic_fetch_sub(&truth->held[side], n);
			mine -= n;
			credit_give_some(&c, &shared->jobs, (uint32_t)n);
		}
	}
}

START_TEST(two_that_are_killed_never_pass_the_bound)
{
	struct truth *truth =
	    mmap(NULL, sizeof(*truth), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid[2] = {0, 0};
	unsigned seed = (unsigned)getpid();

	ck_assert_ptr_ne(truth, MAP_FAILED);
	for (unsigned round = 0; round < 300; round++) {
		const unsigned side = round % 2;
		const uint64_t taken = atomic_load(&truth->taken);

		if (pid[side]) {
			kill(pid[side], SIGKILL);
			ck_assert_int_eq(waitpid(pid[side], NULL, 0), pid[side]);
			/* as the master does: what it really had ends with it, then its credits */
			atomic_store(&truth->held[side], 0);
			credits_clear(shared, &bell, side);
		}
		pid[side] = fork();
		ck_assert_int_ge(pid[side], 0);
		if (pid[side] == 0)
			take_and_give(truth, side, seed + round);
		/* until somebody has worked */
		while (atomic_load(&truth->taken) < taken + 50 + round % 100)
			sched_yield();
		ck_assert_uint_le(credit_used(&shared->jobs), LIMIT);
	}
	for (unsigned side = 0; side < 2; side++) {
		kill(pid[side], SIGKILL);
		waitpid(pid[side], NULL, 0);
		atomic_store(&truth->held[side], 0);
		credits_clear(shared, &bell, side);
	}
	ck_assert_int_eq(truth->overruns, 0);
	/* and it was no small matter */
	ck_assert_int_eq(truth->most, LIMIT);
	ck_assert_uint_eq(credit_used(&shared->jobs), 0);
	munmap(truth, sizeof(*truth));
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, both_sides_share_one_bound);
	tcase_add_test(tc, some_are_as_many_as_there_are);
	tcase_add_test(tc, who_was_refused_is_rung);
	tcase_add_test(tc, the_dead_hold_nothing);
	tcase_add_test(tc, origins_are_spread);
	tcase_add_test(tc, two_that_are_killed_never_pass_the_bound);
}

int
main(void)
{
	return rig_main("credits", fill);
}
