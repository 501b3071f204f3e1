/* links: src/hub/rate.c */
/*
 * test_rate.c - how much a bucket lets through, and when it says to come again.
 */
#include "hub/rate.h"

#include <check.h>
#include <stdlib.h>

#define SECOND UINT64_C(1000000)

static const struct rate_limit twenty = {.per_second = 20, .burst = 100};

/* Takes until it is told to wait. */
static unsigned
take_all(struct rate *rate, const struct rate_limit *limit, uint64_t now_us, uint64_t *wait_ms)
{
	for (unsigned n = 0; n < 1000; n++) {
		*wait_ms = rate_take(rate, limit, now_us);
		if (*wait_ms > 0)
			return n;
	}
	return 1000;
}

static const struct {
	struct rate_limit limit;
	uint64_t wait_ms; /* for one token */
} limits[] = {
    {{1, 1}, 1000}, {{20, 100}, 50},    {{3, 10}, 334},
    {{1000, 7}, 1}, {{999999, 100}, 1}, {{5, 0}, 200},
};

START_TEST(a_burst_and_then_one_by_one)
{
	const struct rate_limit *limit = &limits[_i].limit;
	const unsigned burst = limit->burst ? limit->burst : 1;
	const uint64_t starts[] = {0, 1, 5 * SECOND, UINT64_MAX / 2};

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		struct rate rate = {0};
		uint64_t now_us = starts[i], wait_ms;

		ck_assert_uint_eq(take_all(&rate, limit, now_us, &wait_ms), burst);
		ck_assert_uint_eq(wait_ms, limits[_i].wait_ms);
		/* whoever waits as told gets one */
		now_us += wait_ms * 1000;
		ck_assert_uint_ge(take_all(&rate, limit, now_us, &wait_ms), 1);
		/* a bucket that nobody takes from is full again, and not fuller */
		now_us += burst * SECOND;
		ck_assert_uint_eq(take_all(&rate, limit, now_us, &wait_ms), burst);
	}
}
END_TEST

START_TEST(over_a_long_time_it_is_the_rate)
{
	struct rate rate = {0};
	unsigned taken = 0;

	for (uint64_t now_us = 0; now_us < 60 * SECOND; now_us += 1000)
		taken += rate_take(&rate, &twenty, now_us) == 0;
	ck_assert_uint_ge(taken, 100 + 59 * 20);
	ck_assert_uint_le(taken, 100 + 60 * 20);
}
END_TEST

START_TEST(being_refused_costs_nothing)
{
	struct rate rate = {0};
	uint64_t wait_ms;

	ck_assert_uint_eq(take_all(&rate, &twenty, 0, &wait_ms), 100);
	for (unsigned i = 0; i < 1000; i++)
		ck_assert_uint_eq(rate_take(&rate, &twenty, 10000), 40);
	ck_assert_uint_eq(rate_take(&rate, &twenty, 50000), 0);
}
END_TEST

START_TEST(no_limit)
{
	const struct rate_limit off = {.per_second = 0, .burst = 1};
	struct rate rate = {0};
	uint64_t wait_ms;

	ck_assert_uint_eq(take_all(&rate, &off, 0, &wait_ms), 1000);
	ck_assert_uint_eq(rate_owe(&rate, &off, 0), 0);
	ck_assert_uint_eq(rate.full_at_us, 0);
}
END_TEST

/* One that cannot be refused is let through, and stays away for as long as it owes. */
START_TEST(debts_grow)
{
	struct rate rate = {0};

	for (unsigned i = 0; i < 100; i++)
		ck_assert_uint_eq(rate_owe(&rate, &twenty, 7), 0);
	ck_assert_uint_eq(rate_owe(&rate, &twenty, 7), 50);
	ck_assert_uint_eq(rate_owe(&rate, &twenty, 7), 100);
	/* and what is owed is paid first */
	ck_assert_uint_eq(rate_take(&rate, &twenty, 7), 150);
	ck_assert_uint_eq(rate_take(&rate, &twenty, 7 + 150000), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("rate");
	TCase *tc = tcase_create("rate");

	tcase_add_loop_test(tc, a_burst_and_then_one_by_one, 0, sizeof(limits) / sizeof(limits[0]));
	tcase_add_test(tc, over_a_long_time_it_is_the_rate);
	tcase_add_test(tc, being_refused_costs_nothing);
	tcase_add_test(tc, no_limit);
	tcase_add_test(tc, debts_grow);
	suite_add_tcase(suite, tc);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
