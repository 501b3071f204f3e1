/* links: src/connections.c */
/*
 * test_connections.c - how store.connections is shared out.
 */
#include "connections.h"

#include <check.h>
#include <stdlib.h>

START_TEST(shares_fit_the_limit)
{
	static const struct {
		uint64_t limit;
		unsigned workers;
		struct connections share;
	} cases[] = {
	    {90, 1, {3, 3, 3}},   {90, 2, {3, 3, 3}},  {90, 7, {3, 3, 3}},  {90, 8, {3, 2, 3}},
	    {90, 9, {3, 1, 2}},   {90, 14, {2, 1, 2}}, {90, 15, {1, 1, 1}}, {90, 22, {1, 1, 1}},
	    {90, 23, {0, 0, 0}},  {6, 1, {1, 1, 1}},   {5, 1, {0, 0, 0}},   {8, 1, {2, 1, 1}},
	    {9, 1, {2, 1, 1}},    {10, 1, {2, 1, 2}},  {18, 1, {3, 3, 3}},  {258, 64, {1, 1, 1}},
	    {257, 64, {0, 0, 0}},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct connections got = connections_share(cases[i].limit, cases[i].workers);

		ck_assert_msg(got.store == cases[i].share.store &&
				  got.jobs == cases[i].share.jobs &&
				  got.executor == cases[i].share.executor,
			      "%llu for %u: %u %u %u", (unsigned long long)cases[i].limit,
			      cases[i].workers, got.store, got.jobs, got.executor);
	}
}
END_TEST

/* What the error of a start asks for is enough, and one less is not. */
START_TEST(what_is_needed_is_enough)
{
	for (unsigned workers = 1; workers <= 64; workers++) {
		const uint64_t needed = connections_needed(workers);

		ck_assert_uint_eq(connections_share(needed, workers).store, 1);
		ck_assert_uint_eq(connections_share(needed - 1, workers).store, 0);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("connections");
	TCase *tc = tcase_create("connections");

	tcase_add_test(tc, shares_fit_the_limit);
	tcase_add_test(tc, what_is_needed_is_enough);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	const int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
