/* links: $(job_wait_box) -levent_core -ljansson -lpthread -lm */
/*
 * test_job_wait.c - clients that wait for a job, with a database whose answers come when the test
 * says so: whenever news come, time ends, the client leaves or the process ends, each gets its one
 * answer.
 */
#include "jobs/job_wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wait_rig.h"

/* Of a wait that ends by something else: no test waits so long. */
#define LONG_MS 60000

static struct exchange *x;
static struct uuid id, other;

static void
setup(void)
{
	config = (struct config){.jobs_retention = UINT64_C(7) * 86400 * 1000};
	rig_init(NULL);
	jobs.waits = job_waits_new(&jobs);
	ck_assert_ptr_nonnull(jobs.waits);
	ck_assert(uuid_make(&id) && uuid_make(&other));
	x = fake_exchange_new(NULL, NULL, NULL);
}

static void
teardown(void)
{
	fake_queue_end();
	jobs.queue = NULL;
	job_waits_free(&jobs.waits);
	loop_free(&jobs.loop);
	rig_expect_answered(&x, 1);
}

static struct job_row
job_in(enum job_state state)
{
	return (struct job_row){
	    .id = id,
	    .state = state,
	    .priority = 5,
	    .max_attempts = 5,
	    .progress = -1,
	    .created_ms = 1,
	    .queue = SPAN_LIT("q"),
	    .kind = SPAN_LIT("k"),
	    .args = SPAN_LIT("{}"),
	};
}

static void
answer_in(enum job_state state)
{
	const struct job_row row = job_in(state);

	fake_answer_get(0, QUEUE_OK, &row);
}

static void
hear(const struct uuid *of, enum job_state state)
{
	const struct job_news news = {*of, state};

	job_waits_hear(jobs.waits, &news);
}

static void
expect(int status, const char *has)
{
	ck_assert(x->answered);
	ck_assert_int_eq(x->status, status);
	if (has)
		ck_assert_msg(strstr(x->text, has) != NULL, "%s", x->text);
	ck_assert_uint_eq(fake_asks(), 0);
}

static struct buffer
made(void)
{
	struct buffer text = {0};

	ck_assert(buffer_printf(&text, 100, "{\"made\":1}"));
	return text;
}

/* One that waits, and has seen that the job is not over. */
static void
wait_in(enum job_state state)
{
	job_wait(jobs.waits, x, &id, LONG_MS, WAIT_GET);
	ck_assert_uint_eq(fake_asks(), 1);
	answer_in(state);
	ck_assert(!x->answered);
	ck_assert_uint_eq(fake_asks(), 0);
}

/* --- one --- */

START_TEST(without_a_wait_one_look_is_the_answer)
{
	job_wait(jobs.waits, x, &id, 0, WAIT_GET);
	ck_assert_uint_eq(fake_asks(), 1);
	ck_assert_int_eq(uuid_compare(&fake_ask(0)->id, &id), 0);
	answer_in(JOB_STATE_QUEUED);
	expect(200, "\"state\":\"queued\"");
}
END_TEST

START_TEST(what_is_not_there_is_said_at_once)
{
	job_wait(jobs.waits, x, &id, LONG_MS, WAIT_GET);
	fake_answer_get(0, QUEUE_OK, NULL);
	expect(404, NULL);
}
END_TEST

START_TEST(what_has_ended_is_said_at_once)
{
	job_wait(jobs.waits, x, &id, LONG_MS, WAIT_GET);
	answer_in(JOB_STATE_DEAD);
	expect(200, "\"state\":\"dead\"");
}
END_TEST

START_TEST(the_end_is_heard)
{
	wait_in(JOB_STATE_RUNNING);
	/* of nobody, of another one, and of what is no end */
	hear(&other, JOB_STATE_DONE);
	hear(&id, JOB_STATE_PROGRESS);
	hear(&id, JOB_STATE_RUNNING);
	hear(&id, JOB_STATE_CANCELLING);
	ck_assert_uint_eq(fake_asks(), 0);
	hear(&id, JOB_STATE_DONE);
	ck_assert_uint_eq(fake_asks(), 1);
	answer_in(JOB_STATE_DONE);
	expect(200, "\"state\":\"done\"");
}
END_TEST

/* What was asked for before the news may not know of them. */
START_TEST(news_during_a_look_are_looked_at)
{
	job_wait(jobs.waits, x, &id, LONG_MS, WAIT_GET);
	hear(&id, JOB_STATE_DONE);
	hear(&id, JOB_STATE_DONE);
	ck_assert_uint_eq(fake_asks(), 1);
	answer_in(JOB_STATE_RUNNING);
	ck_assert(!x->answered);
	ck_assert_uint_eq(fake_asks(), 1);
	answer_in(JOB_STATE_DONE);
	expect(200, "\"state\":\"done\"");
	ck_assert_uint_eq(fake_asked(), 2);
}
END_TEST

START_TEST(news_that_were_missed_may_be_of_anybody)
{
	wait_in(JOB_STATE_RUNNING);
	job_waits_hear(jobs.waits, NULL);
	ck_assert_uint_eq(fake_asks(), 1);
	answer_in(JOB_STATE_DONE);
	expect(200, NULL);
}
END_TEST

START_TEST(when_its_time_is_over_it_is_as_it_is)
{
	job_wait(jobs.waits, x, &id, 10, WAIT_GET);
	answer_in(JOB_STATE_RUNNING);
	ck_assert(!x->answered);
	pass_ms(30);
	ck_assert_uint_eq(fake_asks(), 1);
	answer_in(JOB_STATE_RUNNING);
	expect(200, "\"state\":\"running\"");
}
END_TEST

/* Its time ends while it looks: that look is the last. */
START_TEST(time_that_ends_during_a_look)
{
	job_wait(jobs.waits, x, &id, 10, WAIT_GET);
	pass_ms(30);
	ck_assert_uint_eq(fake_asks(), 1);
	answer_in(JOB_STATE_QUEUED);
	expect(200, "\"state\":\"queued\"");
}
END_TEST

/* What nobody of this host tells is seen within a second or so. */
START_TEST(it_looks_now_and_then)
{
	wait_in(JOB_STATE_RUNNING);
	pass_ms(1100);
	ck_assert_uint_eq(fake_asks(), 1);
	answer_in(JOB_STATE_CANCELLED);
	expect(200, "\"state\":\"cancelled\"");
}
END_TEST

/* --- a database in trouble --- */

START_TEST(trouble_at_first_is_the_answer)
{
	job_wait(jobs.waits, x, &id, LONG_MS, WAIT_GET);
	fake_answer_get(0, QUEUE_DOWN, NULL);
	ck_assert(x->answered && x->status == 503);
}
END_TEST

START_TEST(trouble_later_is_waited_over)
{
	wait_in(JOB_STATE_RUNNING);
	hear(&id, JOB_STATE_DONE);
	fake_answer_get(0, QUEUE_DOWN, NULL);
	ck_assert(!x->answered);
	pass_ms(1100);
	answer_in(JOB_STATE_DONE);
	expect(200, "\"state\":\"done\"");
}
END_TEST

/* Who hears of his job's end with many others must not wait for the next second. */
START_TEST(a_lane_that_is_full_is_asked_again_soon)
{
	wait_in(JOB_STATE_RUNNING);
	for (int i = 0; i < 3; i++) {
		if (i == 0)
			hear(&id, JOB_STATE_DONE);
		else
			pass_ms(200);
		ck_assert_uint_eq(fake_asks(), 1);
		fake_answer_get(0, QUEUE_BUSY, NULL);
		ck_assert(!x->answered);
	}
	pass_ms(200);
	answer_in(JOB_STATE_DONE);
	expect(200, "\"state\":\"done\"");
	ck_assert_uint_eq(fake_asked(), 5);
}
END_TEST

START_TEST(trouble_at_last_is_the_answer)
{
	job_wait(jobs.waits, x, &id, 10, WAIT_GET);
	answer_in(JOB_STATE_RUNNING);
	pass_ms(30);
	fake_answer_get(0, QUEUE_BUSY, NULL);
	ck_assert(x->answered && x->status == 503);
}
END_TEST

/* --- a put that waits --- */

START_TEST(a_put_hears_of_an_end_before_its_own_answer)
{
	struct waiter *w = job_wait_expect(jobs.waits, x, &id);
	struct buffer text = made();

	hear(&id, JOB_STATE_DONE);
	ck_assert_uint_eq(fake_asks(), 0);
	job_wait_made(w, LONG_MS, &text);
	ck_assert_uint_eq(fake_asks(), 1);
	answer_in(JOB_STATE_DONE);
	expect(200, "\"state\":\"done\"");
	ck_assert_ptr_nonnull(strstr(x->fields, "Location: /api/jobs/"));
	ck_assert_ptr_nonnull(strstr(x->fields, "Preference-Applied: wait=60\r\n"));
}
END_TEST

START_TEST(a_put_looks_only_when_there_is_something)
{
	struct waiter *w = job_wait_expect(jobs.waits, x, &id);
	struct buffer text = made();

	job_wait_made(w, LONG_MS, &text);
	ck_assert_uint_eq(fake_asks(), 0);
	hear(&id, JOB_STATE_FAILED);
	answer_in(JOB_STATE_FAILED);
	expect(200, "\"state\":\"failed\"");
}
END_TEST

START_TEST(a_put_whose_time_is_over)
{
	struct waiter *w = job_wait_expect(jobs.waits, x, &id);
	struct buffer text = made();

	job_wait_made(w, 10, &text);
	pass_ms(30);
	answer_in(JOB_STATE_RUNNING);
	expect(202, "\"state\":\"running\"");
}
END_TEST

/* It was put: that is the answer, if there is no better one. */
START_TEST(a_put_and_no_database_any_more)
{
	struct waiter *w = job_wait_expect(jobs.waits, x, &id);
	struct buffer text = made();

	job_wait_made(w, 10, &text);
	pass_ms(30);
	fake_answer_get(0, QUEUE_DOWN, NULL);
	expect(202, "{\"made\":1}");
	ck_assert_ptr_nonnull(strstr(x->fields, "Location: /api/jobs/"));
}
END_TEST

START_TEST(a_put_that_was_none)
{
	struct waiter *w = job_wait_expect(jobs.waits, x, &id);

	exchange_reply(x, &(struct reply){.status = 429});
	job_wait_drop(w);
	hear(&id, JOB_STATE_DONE);
	job_waits_hear(jobs.waits, NULL);
	ck_assert_uint_eq(fake_asks(), 0);
}
END_TEST

START_TEST(a_put_of_one_that_exists)
{
	struct waiter *w = job_wait_expect(jobs.waits, x, &id);

	hear(&other, JOB_STATE_DONE);
	job_wait_exists(w, LONG_MS, &other);
	ck_assert_int_eq(uuid_compare(&fake_ask(0)->id, &other), 0);
	answer_in(JOB_STATE_RUNNING);
	/* it is that one whose end is waited for */
	hear(&id, JOB_STATE_DONE);
	ck_assert_uint_eq(fake_asks(), 0);
	hear(&other, JOB_STATE_DONE);
	answer_in(JOB_STATE_DONE);
	expect(200, "\"state\":\"done\"");
	ck_assert_ptr_nonnull(strstr(x->fields, "Preference-Applied: wait=60\r\n"));
}
END_TEST

/* --- who leaves --- */

START_TEST(one_who_leaves_is_answered_by_the_next_look)
{
	wait_in(JOB_STATE_RUNNING);
	fake_exchange_leave(x);
	ck_assert_uint_eq(fake_asks(), 1);
	answer_in(JOB_STATE_RUNNING);
	expect(200, NULL);
}
END_TEST

START_TEST(one_who_leaves_during_a_look)
{
	job_wait(jobs.waits, x, &id, LONG_MS, WAIT_GET);
	fake_exchange_leave(x);
	ck_assert_uint_eq(fake_asks(), 1);
	answer_in(JOB_STATE_RUNNING);
	expect(200, NULL);
}
END_TEST

/* Nobody is there to wait: it must not take a place for a minute. */
START_TEST(one_who_leaves_before_its_job_is_put)
{
	struct waiter *w = job_wait_expect(jobs.waits, x, &id);
	struct buffer text = made();

	fake_exchange_leave(x);
	ck_assert_uint_eq(fake_asks(), 0);
	job_wait_made(w, LONG_MS, &text);
	ck_assert_uint_eq(fake_asks(), 1);
	answer_in(JOB_STATE_QUEUED);
	expect(202, NULL);
}
END_TEST

START_TEST(one_who_leaves_before_its_job_exists)
{
	struct waiter *w = job_wait_expect(jobs.waits, x, &id);

	fake_exchange_leave(x);
	job_wait_exists(w, LONG_MS, &other);
	answer_in(JOB_STATE_QUEUED);
	expect(200, NULL);
}
END_TEST

/* --- many --- */

#define CROWD 300

static struct exchange *crowd[CROWD];

/* Half of them have seen their job, half look. */
static void
crowd_begin(void)
{
	for (size_t i = 0; i < CROWD; i++) {
		crowd[i] = fake_exchange_new(NULL, NULL, NULL);
		job_wait(jobs.waits, crowd[i], &id, LONG_MS, WAIT_GET);
		const struct job_row row = job_in(JOB_STATE_RUNNING);
		if (i % 2)
			fake_answer_get(fake_asks() - 1, QUEUE_OK, &row);
	}
}

static size_t
crowd_end(void)
{
	size_t answered = 0;

	for (size_t i = 0; i < CROWD; i++) {
		answered += crowd[i]->answered;
		ck_assert(!crowd[i]->answered || crowd[i]->status == 200 ||
			  crowd[i]->status == 503);
		if (crowd[i]->answered)
			fake_exchange_free(&crowd[i]);
	}
	return answered;
}

static void
job_waits_hear_anything(struct job_waits *waits)
{
	job_waits_hear(waits, NULL);
}

static void
job_waits_hear_this(struct job_waits *waits)
{
	hear(&id, JOB_STATE_DONE);
	(void)waits;
}

static void (*const rouses[])(struct job_waits *waits) = {
    job_waits_hear_anything,
    job_waits_hear_this,
    job_waits_end,
};

/*
 * A lane that is full may find inside of a call that its connection is broken, and answers all that
 * wait for it: that is anybody else of those who are just told.
 */
START_TEST(a_connection_that_breaks_while_all_are_told)
{
	crowd_begin();
	fake_fail_next(QUEUE_DOWN, true);
	rouses[_i](jobs.waits);
	job_waits_end(jobs.waits);
	while (fake_asks())
		answer_in(JOB_STATE_RUNNING);
	ck_assert_uint_eq(crowd_end(), CROWD);
	job_wait(jobs.waits, x, &id, 0, WAIT_GET);
	answer_in(JOB_STATE_DONE);
}
END_TEST

START_TEST(who_is_left_over_is_answered_at_the_end)
{
	struct buffer text = made();

	crowd_begin();
	job_wait_made(job_wait_expect(jobs.waits, x, &id), LONG_MS, &text);
	fake_queue_end();
	jobs.queue = NULL;
	job_waits_free(&jobs.waits);
	ck_assert_uint_eq(crowd_end(), CROWD);
	expect(202, "{\"made\":1}");
}
END_TEST

START_TEST(a_process_that_leaves_lets_nobody_wait)
{
	wait_in(JOB_STATE_RUNNING);
	jobs.is_leaving = true;
	job_waits_end(jobs.waits);
	answer_in(JOB_STATE_RUNNING);
	expect(200, "\"state\":\"running\"");
	/* nor whoever comes then */
	struct exchange *late = fake_exchange_new(NULL, NULL, NULL);
	job_wait(jobs.waits, late, &id, LONG_MS, WAIT_GET);
	answer_in(JOB_STATE_QUEUED);
	ck_assert(late->answered);
	fake_exchange_free(&late);
}
END_TEST

START_TEST(there_is_no_place_for_all)
{
	struct exchange **many = calloc(JOB_WAITS_MAX, sizeof(*many));

	ck_assert_ptr_nonnull(many);
	for (size_t i = 0; i < JOB_WAITS_MAX; i++) {
		many[i] = fake_exchange_new(NULL, NULL, NULL);
		job_wait(jobs.waits, many[i], &id, LONG_MS, WAIT_GET);
		answer_in(JOB_STATE_RUNNING);
		ck_assert(!many[i]->answered);
	}
	job_wait(jobs.waits, x, &id, LONG_MS, WAIT_GET);
	answer_in(JOB_STATE_RUNNING);
	expect(200, "\"state\":\"running\"");
	hear(&id, JOB_STATE_DONE);
	ck_assert_uint_eq(fake_asks(), JOB_WAITS_MAX);
	for (size_t i = JOB_WAITS_MAX; i > 0; i--) {
		const struct job_row row = job_in(JOB_STATE_DONE);
		fake_answer_get(i - 1, QUEUE_OK, &row);
	}
	for (size_t i = 0; i < JOB_WAITS_MAX; i++) {
		ck_assert(many[i]->answered);
		fake_exchange_free(&many[i]);
	}
	free(many);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("job_wait");
	TCase *tc = rig_case(suite, "one", setup, teardown);
	tcase_add_test(tc, without_a_wait_one_look_is_the_answer);
	tcase_add_test(tc, what_is_not_there_is_said_at_once);
	tcase_add_test(tc, what_has_ended_is_said_at_once);
	tcase_add_test(tc, the_end_is_heard);
	tcase_add_test(tc, news_during_a_look_are_looked_at);
	tcase_add_test(tc, news_that_were_missed_may_be_of_anybody);
	tcase_add_test(tc, when_its_time_is_over_it_is_as_it_is);
	tcase_add_test(tc, time_that_ends_during_a_look);
	tcase_add_test(tc, it_looks_now_and_then);
	tc = rig_case(suite, "trouble", setup, teardown);
	tcase_add_test(tc, trouble_at_first_is_the_answer);
	tcase_add_test(tc, trouble_later_is_waited_over);
	tcase_add_test(tc, a_lane_that_is_full_is_asked_again_soon);
	tcase_add_test(tc, trouble_at_last_is_the_answer);
	tc = rig_case(suite, "put", setup, teardown);
	tcase_add_test(tc, a_put_hears_of_an_end_before_its_own_answer);
	tcase_add_test(tc, a_put_looks_only_when_there_is_something);
	tcase_add_test(tc, a_put_whose_time_is_over);
	tcase_add_test(tc, a_put_and_no_database_any_more);
	tcase_add_test(tc, a_put_that_was_none);
	tcase_add_test(tc, a_put_of_one_that_exists);
	tc = rig_case(suite, "leave", setup, teardown);
	tcase_add_test(tc, one_who_leaves_is_answered_by_the_next_look);
	tcase_add_test(tc, one_who_leaves_during_a_look);
	tcase_add_test(tc, one_who_leaves_before_its_job_is_put);
	tcase_add_test(tc, one_who_leaves_before_its_job_exists);
	tc = rig_case(suite, "many", setup, teardown);
	tcase_add_test(tc, who_is_left_over_is_answered_at_the_end);
	tcase_add_test(tc, a_process_that_leaves_lets_nobody_wait);
	tcase_add_test(tc, there_is_no_place_for_all);
	tcase_add_loop_test(tc, a_connection_that_breaks_while_all_are_told, 0,
			    (int)(sizeof(rouses) / sizeof(rouses[0])));
	return rig_run(suite);
}
