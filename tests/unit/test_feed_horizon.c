/* links: src/store/feed_horizon.c src/store/feed_shared.c src/proc/segment.c src/base/log.c
 * src/base/clock.c */
/*
 * test_feed_horizon.c - when a change is decided, from looks as a server would give them; who holds
 * the feed; and a place that is whole, whenever its writer dies.
 */
#include "store/feed_horizon.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proc/segment.h"
#include "store/feed_shared.h"

/* What each look of a series lets be known: 0 is nothing. */
struct step {
	uint64_t look[3]; /* xmin, next, newest */
	uint64_t settled, xid;
};

static void
check_series(const char *name, const struct step *step, size_t n)
{
	struct feed_horizon horizon = {0};

	for (size_t i = 0; i < n; i++) {
		const struct feed_look look = {
		    .xmin = step[i].look[0],
		    .next = step[i].look[1],
		    .newest = step[i].look[2],
		    .mark = step[i].look[2] + 1000,
		};
		struct feed_look decided = {0};

		const bool is_decided = feed_horizon_look(&horizon, &look, &decided);
		ck_assert_msg(is_decided == (step[i].xid != 0), "%s, look %zu", name, i);
		ck_assert_msg(decided.newest == step[i].settled && decided.next == step[i].xid,
			      "%s, look %zu: %d", name, i, (int)decided.newest);
		ck_assert_msg(!is_decided || decided.mark == decided.newest + 1000, "%s, look %zu",
			      name, i);
	}
}

#define SERIES(name, ...)                                                       \
	do {                                                                    \
		static const struct step series[] = {__VA_ARGS__};              \
		check_series(name, series, sizeof(series) / sizeof(series[0])); \
	} while (0)

/* {{xmin, next, newest}, settled, xid} */
START_TEST(what_is_decided)
{
	SERIES("nobody runs", {{10, 10, 3}, 3, 10}, {{12, 12, 5}, 5, 12});
	SERIES("an empty log", {{10, 10, 0}, 0, 10}, {{11, 11, 0}, 0, 11});
	SERIES("one runs, then not", {{10, 11, 3}, 0, 0}, {{11, 11, 3}, 3, 11});
	/* 10 is over, but 11 has come: what the first look saw is decided, not what came since */
	SERIES("always one", {{10, 11, 3}, 0, 0}, {{11, 12, 4}, 3, 11}, {{12, 13, 5}, 4, 12},
	       {{13, 13, 5}, 5, 13});
	/* an old one holds all; the first look is the one that is kept */
	SERIES("a long one", {{10, 20, 3}, 0, 0}, {{10, 30, 9}, 0, 0}, {{19, 40, 12}, 0, 0},
	       {{20, 50, 13}, 3, 20}, {{49, 60, 14}, 0, 0}, {{50, 61, 15}, 13, 50});
	/* one that only draws later is none of what was seen before it began */
	SERIES("a late one", {{10, 10, 3}, 3, 10}, {{10, 11, 3}, 0, 0}, {{10, 12, 4}, 0, 0},
	       {{12, 12, 4}, 4, 12});
	SERIES("nothing new", {{10, 10, 3}, 3, 10}, {{10, 11, 3}, 0, 0}, {{11, 11, 3}, 3, 11});
	/* other servers: the caller begins with a new horizon; less than before is told as it is */
	SERIES("less", {{10, 10, 9}, 9, 10}, {{5, 5, 4}, 4, 5});
}
END_TEST

static struct segment *segment;
static struct feed_shared *shared;

static void
setup(void)
{
	segment = segment_new(4096);
	ck_assert_ptr_nonnull(segment);
	shared = feed_shared_of(segment);
}

static void
teardown(void)
{
	segment_free(&segment);
}

START_TEST(one_holds_it)
{
	unsigned slot;

	segment->slots[3].pid = 100;
	segment->slots[5].pid = 200;
	ck_assert(!feed_shared_holder(shared, &slot));
	ck_assert(feed_shared_take(shared, segment, 3, 100));
	ck_assert(!feed_shared_take(shared, segment, 5, 200));
	ck_assert(feed_shared_holder(shared, &slot));
	ck_assert_uint_eq(slot, 3);
	/* it gives up what is its own alone */
	feed_shared_give_up(shared, 5, 200);
	ck_assert(!feed_shared_take(shared, segment, 5, 200));
	feed_shared_give_up(shared, 3, 100);
	ck_assert(feed_shared_take(shared, segment, 5, 200));
	/* dead, and its slot empty */
	segment->slots[5].pid = 0;
	ck_assert(feed_shared_take(shared, segment, 3, 100));
	/* dead, and another process in its slot already */
	segment->slots[3].pid = 101;
	ck_assert(feed_shared_take(shared, segment, 3, 101));
	ck_assert(!feed_shared_take(shared, segment, 3, 102));
	/* a new process that got the pid of the dead one */
	ck_assert(feed_shared_take(shared, segment, 3, 101));
}
END_TEST

/* Every word can be told from the first one. */
static struct feed_place
place_of(uint64_t n)
{
	return (struct feed_place){
	    .log = {n, n * 3}, .era = n * 5, .settled = n * 7, .xid = n * 11, .published = n * 13};
}

static uint64_t
check_place(void)
{
	struct feed_place place, want;

	if (!feed_shared_get(shared, &place))
		return 0;
	want = place_of(place.log[0]);
	ck_assert_mem_eq(&place, &want, sizeof(place));
	return place.log[0];
}

START_TEST(a_place_is_whole_whenever_its_writer_dies)
{
	struct feed_place place;
	uint64_t last = 0;

	ck_assert(!feed_shared_get(shared, &place));
	for (unsigned round = 0; round < 50; round++) {
		pid_t pid = fork();

		if (pid == 0) {
			for (uint64_t n = last + 1;; n++) {
				const struct feed_place next = place_of(n);
				feed_shared_set(shared, &next);
			}
		}
		/* as long as it takes to see it come on */
		for (uint64_t seen = last; seen < last + 2000;) {
			const uint64_t now = check_place();
			ck_assert_uint_ge(now, seen);
			seen = now;
		}
		ck_assert_int_eq(kill(pid, SIGKILL), 0);
		ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
		last = check_place();
		ck_assert_uint_eq(check_place(), last);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("feed_horizon");
	TCase *tcase = tcase_create("feed_horizon");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, what_is_decided);
	tcase_add_test(tcase, one_holds_it);
	tcase_add_test(tcase, a_place_is_whole_whenever_its_writer_dies);
	suite_add_tcase(suite, tcase);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
