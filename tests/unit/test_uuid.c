/* links: src/base/uuid.c src/queue/job_state.c src/queue/watermarks.c src/base/log.c
 * src/base/clock.c
 */
/*
 * test_uuid.c - ids of jobs, the names of their states, and what claims need not look at.
 */
#include "base/uuid.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "queue/job_state.h"
#include "queue/watermarks.h"

START_TEST(they_rise)
{
	struct uuid last = {{0}}, next;
	const uint64_t began_ms = (uint64_t)time(NULL) * 1000;

	for (int i = 0; i < 200000; i++) {
		ck_assert(uuid_make(&next));
		ck_assert_int_gt(uuid_compare(&next, &last), 0);
		ck_assert(uuid_is_v7(&next));
		last = next;
	}
	ck_assert_uint_ge(uuid_time_ms(&last), began_ms);
	/* counting does not run far ahead of the clock */
	ck_assert_uint_le(uuid_time_ms(&last), (uint64_t)time(NULL) * 1000 + 2000);
}
END_TEST

START_TEST(they_are_random_behind_the_time)
{
	unsigned ones[128] = {0};
	struct uuid uuid;

	for (int i = 0; i < 1000; i++) {
		ck_assert(uuid_make(&uuid));
		for (unsigned bit = 66; bit < 128; bit++)
			ones[bit] += (uuid.byte[bit / 8] >> (7 - bit % 8)) & 1;
	}
	for (unsigned bit = 66; bit < 128; bit++) {
		ck_assert_uint_gt(ones[bit], 350);
		ck_assert_uint_lt(ones[bit], 650);
	}
}
END_TEST

/* RFC 9562, appendix A.6 */
#define EXAMPLE "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"

START_TEST(texts)
{
	static const char *const bad[] = {
	    "",
	    "017f22e2-79b0-7cc3-98c4-dc0c0c07398",
	    EXAMPLE "0",
	    "017f22e279b07cc398c4dc0c0c07398f",
	    "017f22e2-79b0-7cc3-98c4-dc0c0c07398g",
	    "017f22e2-79b0-7cc3-98c4.dc0c0c07398f",
	    "017f22e-279b0-7cc3-98c4-dc0c0c07398f",
	    "{017f22e2-79b0-7cc3-98c4-dc0c0c0739}",
	    " 17f22e2-79b0-7cc3-98c4-dc0c0c07398f",
	    "017f22e2-79b0-7cc3-98c4-dc0c0c07398@",
	};
	struct uuid uuid, upper;
	char text[UUID_TEXT_SIZE];

	ck_assert(uuid_parse(SPAN_LIT(EXAMPLE), &uuid));
	ck_assert(uuid_is_v7(&uuid));
	ck_assert_uint_eq(uuid_time_ms(&uuid), 1645557742000);
	uuid_print(&uuid, text);
	ck_assert_str_eq(text, EXAMPLE);
	ck_assert(uuid_parse(SPAN_LIT("017F22E2-79B0-7CC3-98C4-DC0C0C07398F"), &upper));
	ck_assert_int_eq(uuid_compare(&uuid, &upper), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!uuid_parse(span_str(bad[i]), &uuid), "%s", bad[i]);
	ck_assert(uuid_parse(SPAN_LIT("017f22e2-79b0-4cc3-98c4-dc0c0c07398f"), &uuid));
	ck_assert(!uuid_is_v7(&uuid));
	ck_assert(uuid_parse(SPAN_LIT("017f22e2-79b0-7cc3-d8c4-dc0c0c07398f"), &uuid));
	ck_assert(!uuid_is_v7(&uuid));
}
END_TEST

START_TEST(states)
{
	static const enum job_state all[] = {
	    JOB_STATE_QUEUED, JOB_STATE_SCHEDULED, JOB_STATE_RUNNING,  JOB_STATE_DONE,
	    JOB_STATE_FAILED, JOB_STATE_DEAD,      JOB_STATE_CANCELLED};
	enum job_state state;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		ck_assert(job_state_parse(span_str(job_state_name(all[i])), &state));
		ck_assert_int_eq(state, all[i]);
		ck_assert_int_eq(job_state_is_final(all[i]), i >= 3);
	}
	ck_assert_str_eq(job_state_name(JOB_STATE_DEAD), "dead");
	ck_assert_str_eq(job_state_name(JOB_STATE_CANCELLING), "running");
	ck_assert(!job_state_parse(SPAN_LIT("Dead"), &state));
	ck_assert(!job_state_parse(SPAN_LIT(""), &state));
}
END_TEST

/* ---- watermarks ---- */

#define Q SPAN_LIT("q")

static const char *values[3];

static const char *
marks(struct watermarks *w, char hand, uint64_t now_ms)
{
	bool is_full = false;

	ck_assert(watermarks_ask(w, Q, hand, &is_full, now_ms, values));
	if (is_full)
		ck_assert_str_eq(values[0], "{0,0,0,0,0,0,0,0,0,0}");
	return is_full ? "full" : values[0];
}

#define NONE  "{0,0,0,0,0,0,0,0,0,0}"
#define FIRST "{9,0,0,0,0,70,0,0,0,0}"

START_TEST(marks_follow_what_was_claimed_after_a_while)
{
	struct watermarks *w = watermarks_new();
	uint64_t now_ms = 100000;

	ck_assert_str_eq(marks(w, 'p', now_ms), "full");
	ck_assert_str_eq(values[1], "0");
	ck_assert_str_eq(values[2], "{}");
	ck_assert_str_eq(marks(w, 'p', now_ms), NONE);
	watermarks_claimed(w, Q, 'p', 5, 70, now_ms);
	watermarks_claimed(w, Q, 'p', 0, 9, now_ms);
	watermarks_claimed(w, Q, 'p', 5, 60, now_ms);
	/* not before it is old enough, and then soon, while others follow */
	for (now_ms++; now_ms < 100000 + WATERMARK_AGE_MS; now_ms++)
		ck_assert_str_eq(marks(w, 'p', now_ms), NONE);
	for (; now_ms < 100000 + 2 * WATERMARK_AGE_MS; now_ms++) {
		if (strcmp(marks(w, 'p', now_ms), FIRST) == 0)
			break;
		watermarks_claimed(w, Q, 'p', 5, (int64_t)now_ms, now_ms);
	}
	ck_assert_str_eq(marks(w, 'p', now_ms), FIRST);
	ck_assert_uint_le(now_ms, 100000 + WATERMARK_AGE_MS + 20);
	/* of the other hand nothing is known, of leases both have the same */
	ck_assert_str_eq(marks(w, 'w', now_ms), "full");
	watermarks_leases(w, Q, 31, SPAN_LIT("{7,8}"));
	ck_assert_str_eq(marks(w, 'w', now_ms), NONE);
	ck_assert_str_eq(values[1], "31");
	ck_assert_str_eq(values[2], "{7,8}");
	watermarks_forget(w);
	ck_assert_str_eq(marks(w, 'w', now_ms), "full");
	ck_assert_str_eq(values[1], "0");
	ck_assert_str_eq(values[2], "{}");
	watermarks_free(&w);
	ck_assert_ptr_null(w);
}
END_TEST

/* How long a look at all takes, in us, and when the next one is. */
static const struct {
	uint64_t took_us, again_ms;
} looks[] = {
    {0, WATERMARK_FULL_MIN_MS},
    {1000, WATERMARK_FULL_MIN_MS},
    {10000, 1000},
    {1000000, WATERMARK_FULL_MAX_MS},
};

START_TEST(all_is_looked_at_now_and_then)
{
	struct watermarks *w = watermarks_new();
	bool is_full = true;

	ck_assert_str_eq(marks(w, 'p', 100000), "full");
	watermarks_looked(w, Q, 'p', looks[_i].took_us);
	ck_assert_str_eq(marks(w, 'p', 100000 + looks[_i].again_ms - 1), NONE);
	ck_assert_str_eq(marks(w, 'p', 100000 + looks[_i].again_ms), "full");
	/* and when asked for */
	ck_assert(watermarks_ask(w, Q, 'p', &is_full, 100000 + looks[_i].again_ms + 1, values));
	ck_assert(is_full);
	ck_assert_str_eq(marks(w, 'p', 100000 + 2 * looks[_i].again_ms), NONE);
	watermarks_free(&w);
}
END_TEST

START_TEST(marks_of_many_queues)
{
	struct watermarks *w = watermarks_new();
	char name[20];
	bool is_full = false;

	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 400; i++) {
			snprintf(name, sizeof(name), "queue%d", i);
			ck_assert(watermarks_ask(w, span_str(name), 'p', &is_full, 1, values));
			watermarks_leases(w, span_str(name), i + 1, SPAN_LIT("{}"));
			ck_assert(watermarks_ask(w, span_str(name), 'p', &is_full, 1, values));
			ck_assert_int_eq(atoi(values[1]), i + 1);
		}
	}
	/* longer than a claim of ours would answer: not taken */
	char old[2000];
	memset(old, '1', sizeof(old));
	watermarks_leases(w, span_str(name), 9999, span_from(old, sizeof(old)));
	ck_assert(watermarks_ask(w, span_str(name), 'p', &is_full, 1, values));
	ck_assert_int_eq(atoi(values[1]), 400);
	watermarks_free(&w);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("uuid");
	TCase *tc = tcase_create("uuid");

	tcase_add_test(tc, they_rise);
	tcase_add_test(tc, they_are_random_behind_the_time);
	tcase_add_test(tc, texts);
	tcase_add_test(tc, states);
	tcase_add_test(tc, marks_follow_what_was_claimed_after_a_while);
	tcase_add_loop_test(tc, all_is_looked_at_now_and_then, 0,
			    (int)(sizeof(looks) / sizeof(looks[0])));
	tcase_add_test(tc, marks_of_many_queues);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
