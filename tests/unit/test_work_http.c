/* links: $(work_http_box) -levent_core -ljansson -lpthread -lm */
/*
 * test_work_http.c - claims over HTTP, with a database whose answers come when the test says so:
 * who waits is served in order and answered once, and what is given to one who has left goes back.
 */
#include "jobs/work_http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/route.h"
#include "wait_rig.h"

#define N_PARKED 10

static struct segment *segment;
static struct exchange *x[N_PARKED];
static struct route claim_route;
static struct job_queue_cell *cell;

void
route_add(struct route_table *table, const struct route *route)
{
	(void)table;
	claim_route = *route;
}

static void
setup(void)
{
	config = (struct config){.jobs_lease = 60000};
	segment = segment_new(4096);
	ck_assert_ptr_nonnull(segment);
	rig_init(segment);
	jobs.work = work_new(&jobs);
	ck_assert_ptr_nonnull(jobs.work);
	work_add_routes(&jobs, NULL);
	cell = jobs_queue(segment, SPAN_LIT("q"), true);
	ck_assert_ptr_nonnull(cell);
}

static void
teardown(void)
{
	fake_queue_end();
	jobs.queue = NULL;
	work_free(&jobs.work);
	loop_free(&jobs.loop);
	segment_free(&segment);
	rig_expect_answered(x, N_PARKED);
}

/* POST /api/queues/{queue}/claim?query */
static void
claim_of(size_t i, const char *queue, const char *query)
{
	x[i] = fake_exchange_new(query, queue, NULL);
	claim_route.handle(x[i], claim_route.ctx);
}

static void
claim(size_t i, const char *query)
{
	claim_of(i, "q", query);
}

/* Waits already: it has asked, and there was nothing. */
static void
park(size_t i, const char *query)
{
	const struct claim_result none = {.end = CLAIM_EMPTY};

	claim(i, query);
	if (fake_asks())
		fake_answer_claim(0, QUEUE_OK, &none);
	ck_assert(!x[i]->answered);
	ck_assert_uint_eq(fake_asks(), 0);
}

/* The oldest that asks gets so many, of those it wants. */
static void
give(unsigned n)
{
	struct claimed job[3];
	const unsigned max = fake_ask(0)->claim.max;

	ck_assert_uint_le(n, 3);
	for (unsigned i = 0; i < n; i++)
		job[i] = (struct claimed){.id.byte = {(unsigned char)(i + 1)},
					  .lease = 7 + i,
					  .kind = SPAN_LIT("k"),
					  .args = SPAN_LIT("{\"a\":1}"),
					  .attempt = 1,
					  .deadline_ms = 1000};
	const struct claim_result result = {
	    .end = n >= max ? CLAIM_MORE : CLAIM_EMPTY, .job = job, .n = n};
	fake_answer_claim(0, QUEUE_OK, &result);
}

/* So many jobs have come into the queue; whoever waits hears of it. */
static void
arrive(unsigned n)
{
	jobs_queue_put(jobs.shared, cell, n, 'w');
	work_hear(jobs.work);
}

/* --- one --- */

START_TEST(what_there_is_at_once)
{
	jobs_queue_put(jobs.shared, cell, 5, 'w');
	claim(0, "max=3&lease=10");
	const struct ask *ask = fake_ask(0);
	ck_assert_uint_eq(fake_asks(), 1);
	ck_assert_str_eq(ask->name, "q");
	ck_assert_int_eq(ask->claim.hand, 'w');
	ck_assert_uint_eq(ask->claim.max, 3);
	ck_assert_int_eq(ask->claim.worker, 0);
	ck_assert_uint_eq(ask->claim.lease_ms, 10000);
	give(2);
	ck_assert_int_eq(x[0]->status, 200);
	ck_assert_ptr_nonnull(strstr(x[0]->text, "\"lease\":7"));
	ck_assert_ptr_nonnull(strstr(x[0]->text, "\"lease\":8"));
	ck_assert_ptr_nonnull(strstr(x[0]->text, "\"args\":{\"a\":1}"));
	/* leases are nobody else's */
	ck_assert_ptr_nonnull(strstr(x[0]->fields, "Cache-Control: no-store\r\n"));
	/* and all of this host know */
	ck_assert_uint_eq(fake_told(), 2);
	ck_assert_int_eq(fake_told_at(0)->state, JOB_STATE_RUNNING);
	ck_assert_int_eq(cell->depth, 3);
	ck_assert_uint_eq(cell->drained, 2);
}
END_TEST

START_TEST(nothing_at_once)
{
	claim(0, NULL);
	ck_assert_uint_eq(fake_ask(0)->claim.max, 1);
	ck_assert_uint_eq(fake_ask(0)->claim.lease_ms, 60000);
	give(0);
	ck_assert_int_eq(x[0]->status, 204);
}
END_TEST

/* Somebody's transaction holds the queue: there may be jobs. */
START_TEST(nobody_knows)
{
	const struct claim_result locked = {.end = CLAIM_LOCKED};

	claim(0, NULL);
	fake_answer_claim(0, QUEUE_OK, &locked);
	ck_assert_int_eq(x[0]->status, 503);
	ck_assert_ptr_nonnull(strstr(x[0]->fields, "Retry-After: 1\r\n"));
	/* one that waits waits */
	claim(1, "wait=60");
	fake_answer_claim(0, QUEUE_OK, &locked);
	ck_assert(!x[1]->answered);
	/* and when its time is over as much is known */
	work_end(jobs.work);
	ck_assert_int_eq(x[1]->status, 503);
}
END_TEST

/* What was asked last counts. */
START_TEST(it_was_locked_for_a_while)
{
	const struct claim_result locked = {.end = CLAIM_LOCKED};

	claim(0, "wait=60");
	fake_answer_claim(0, QUEUE_OK, &locked);
	arrive(1);
	give(0);
	ck_assert(!x[0]->answered);
	work_end(jobs.work);
	ck_assert_int_eq(x[0]->status, 204);
}
END_TEST

START_TEST(nothing_in_time)
{
	park(0, "wait=1");
	/* before that it looks, as what other hosts do rings nobody here */
	pass_ms(1200);
	ck_assert(x[0]->answered || fake_asks() == 1);
	if (fake_asks())
		give(0);
	ck_assert_int_eq(x[0]->status, 204);
}
END_TEST

START_TEST(what_comes_from_elsewhere_is_looked_for)
{
	park(0, "wait=60");
	pass_ms(1200);
	ck_assert_uint_eq(fake_asks(), 1);
	give(1);
	ck_assert_int_eq(x[0]->status, 200);
}
END_TEST

START_TEST(trouble_is_the_answer_of_who_asked)
{
	park(0, "wait=60");
	claim(1, NULL);
	fake_answer_claim(0, QUEUE_DOWN, NULL);
	ck_assert_int_eq(x[1]->status, 503);
	ck_assert(!x[0]->answered);
	arrive(1);
	give(1);
	ck_assert_int_eq(x[0]->status, 200);
}
END_TEST

/* --- many --- */

START_TEST(who_came_first_is_served_first)
{
	for (size_t i = 0; i < 5; i++)
		park(i, "wait=60");
	for (size_t i = 0; i < 5; i++) {
		arrive(1);
		ck_assert_uint_eq(fake_asks(), 1);
		give(1);
		ck_assert_int_eq(x[i]->status, 200);
		/* there may be more: the next one looks */
		if (i < 4) {
			ck_assert_uint_eq(fake_asks(), 1);
			give(0);
			ck_assert(!x[i + 1]->answered);
		}
	}
}
END_TEST

START_TEST(as_many_ask_as_may_find_a_job)
{
	for (size_t i = 0; i < N_PARKED; i++)
		park(i, "wait=60&max=2");
	arrive(4);
	ck_assert_uint_eq(fake_asks(), 2);
	give(2);
	ck_assert_int_eq(x[0]->status, 200);
	/* the third one, as the first one has found all that it wanted */
	ck_assert_uint_eq(fake_asks(), 2);
	give(2);
	ck_assert_int_eq(x[1]->status, 200);
	while (fake_asks())
		give(0);
	for (size_t i = 2; i < N_PARKED; i++)
		ck_assert(!x[i]->answered);
}
END_TEST

/* What it was told may be of something that came after the database had looked. */
START_TEST(news_while_it_asks)
{
	claim(0, "wait=60");
	arrive(1);
	ck_assert_uint_eq(fake_asks(), 1);
	give(0);
	ck_assert(!x[0]->answered);
	ck_assert_uint_eq(fake_asks(), 1);
	give(1);
	ck_assert_int_eq(x[0]->status, 200);
}
END_TEST

START_TEST(other_queues_are_others_business)
{
	/* one that nobody of this host has put into is not known: news may be of it */
	ck_assert_ptr_nonnull(jobs_queue(segment, SPAN_LIT("p"), true));
	park(0, "wait=60");
	claim_of(1, "p", "wait=60");
	ck_assert_str_eq(fake_ask(0)->name, "p");
	give(0);
	arrive(1);
	ck_assert_uint_eq(fake_asks(), 1);
	ck_assert_str_eq(fake_ask(0)->name, "q");
	give(1);
	ck_assert_int_eq(x[0]->status, 200);
	ck_assert(!x[1]->answered);
}
END_TEST

/* --- who leaves --- */

static void (*const leaves[])(struct exchange *x) = {fake_exchange_leave, fake_exchange_shut};

START_TEST(one_who_leaves_takes_no_job)
{
	park(0, "wait=60");
	park(1, "wait=60");
	leaves[_i](x[0]);
	ck_assert(x[0]->answered);
	arrive(1);
	ck_assert_uint_eq(fake_asks(), 1);
	give(1);
	ck_assert_int_eq(x[1]->status, 200);
}
END_TEST

START_TEST(what_is_given_to_one_who_has_left_goes_back)
{
	const struct ended_row row = {.state = JOB_STATE_QUEUED,
				      .attempt = 1,
				      .hand = 'w',
				      .queue = SPAN_LIT("q"),
				      .kind = SPAN_LIT("k")};

	jobs_queue_put(jobs.shared, cell, 2, 'w');
	claim(0, "wait=60&max=2");
	leaves[_i](x[0]);
	ck_assert(!x[0]->answered);
	give(2);
	ck_assert_int_eq(x[0]->status, 204);
	ck_assert_uint_eq(fake_asks(), 2);
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_int_eq(fake_ask(0)->ended.outcome, JOB_GIVEN_BACK);
		ck_assert_int_eq(fake_ask(0)->ended.lease, 7 + i);
		fake_answer_finish(0, QUEUE_OK, &row);
	}
	ck_assert_int_eq(cell->depth, 2);
	ck_assert_int_eq(fake_told_at(3)->state, JOB_STATE_QUEUED);
}
END_TEST

START_TEST(nothing_goes_back_when_there_is_nothing)
{
	claim(0, "wait=60");
	leaves[_i](x[0]);
	give(0);
	ck_assert_int_eq(x[0]->status, 204);
	ck_assert_uint_eq(fake_asks(), 0);
	/* nor what is not its any more */
	const struct ended_row lost = {.is_lost = true};
	claim(1, "wait=60");
	leaves[_i](x[1]);
	give(1);
	fake_answer_finish(0, QUEUE_OK, &lost);
	claim(2, "wait=60");
	leaves[_i](x[2]);
	give(1);
	fake_answer_finish(0, QUEUE_DOWN, NULL);
	/* two that run, and no other news */
	ck_assert_uint_eq(fake_told(), 2);
}
END_TEST

/* --- ends --- */

START_TEST(a_process_that_leaves_lets_nobody_wait)
{
	for (size_t i = 0; i < 3; i++)
		park(i, "wait=60");
	arrive(1);
	jobs.is_leaving = true;
	work_end(jobs.work);
	/* one of them is asking, and what it finds is its */
	ck_assert(!x[0]->answered);
	ck_assert_int_eq(x[1]->status, 204);
	ck_assert_int_eq(x[2]->status, 204);
	give(1);
	ck_assert_int_eq(x[0]->status, 200);
	claim(3, "wait=60");
	give(0);
	ck_assert_int_eq(x[3]->status, 204);
}
END_TEST

/*
 * A lane that is full may find inside of a call that its connection is broken, and answers all that
 * wait for it: that is anybody else of those who are just told.
 */
START_TEST(a_connection_that_breaks_while_all_are_told)
{
	for (size_t i = 0; i < 8; i++)
		park(i, "wait=60");
	arrive(2);
	ck_assert_uint_eq(fake_asks(), 2);
	fake_fail_next(QUEUE_DOWN, true);
	arrive(3);
	while (fake_asks())
		give(0);
	work_end(jobs.work);
	for (size_t i = 0; i < 8; i++)
		ck_assert(x[i]->status == 204 || x[i]->status == 503);
}
END_TEST

/* A lane that lets nobody in answers inside of each call. */
START_TEST(a_lane_that_is_full)
{
	for (size_t i = 0; i < 4; i++) {
		fake_fail_next(QUEUE_BUSY, false);
		claim(i, "wait=60");
		ck_assert_int_eq(x[i]->status, 503);
	}
	ck_assert_uint_eq(fake_asks(), 0);
}
END_TEST

START_TEST(there_is_no_line_for_all_names)
{
	static struct exchange *many[JOB_QUEUES];
	const struct claim_result none = {.end = CLAIM_ABSENT};
	char name[40];

	for (size_t i = 0; i < JOB_QUEUES; i++) {
		snprintf(name, sizeof(name), "name-%zu", i);
		many[i] = fake_exchange_new("wait=60", name, NULL);
		claim_route.handle(many[i], claim_route.ctx);
		fake_answer_claim(0, QUEUE_OK, &none);
		ck_assert(!many[i]->answered);
	}
	claim(0, "wait=60");
	fake_answer_claim(0, QUEUE_OK, &none);
	ck_assert_int_eq(x[0]->status, 204);
	work_end(jobs.work);
	for (size_t i = 0; i < JOB_QUEUES; i++) {
		ck_assert_int_eq(many[i]->status, 204);
		fake_exchange_free(&many[i]);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("work_http");
	TCase *tc = rig_case(suite, "one", setup, teardown);

	tcase_add_test(tc, what_there_is_at_once);
	tcase_add_test(tc, nothing_at_once);
	tcase_add_test(tc, nobody_knows);
	tcase_add_test(tc, it_was_locked_for_a_while);
	tcase_add_test(tc, nothing_in_time);
	tcase_add_test(tc, what_comes_from_elsewhere_is_looked_for);
	tcase_add_test(tc, trouble_is_the_answer_of_who_asked);
	tc = rig_case(suite, "many", setup, teardown);
	tcase_add_test(tc, who_came_first_is_served_first);
	tcase_add_test(tc, as_many_ask_as_may_find_a_job);
	tcase_add_test(tc, news_while_it_asks);
	tcase_add_test(tc, other_queues_are_others_business);
	tc = rig_case(suite, "leave", setup, teardown);
	tcase_add_loop_test(tc, one_who_leaves_takes_no_job, 0, 2);
	tcase_add_loop_test(tc, what_is_given_to_one_who_has_left_goes_back, 0, 2);
	tcase_add_loop_test(tc, nothing_goes_back_when_there_is_nothing, 0, 2);
	tc = rig_case(suite, "ends", setup, teardown);
	tcase_add_test(tc, a_process_that_leaves_lets_nobody_wait);
	tcase_add_test(tc, a_connection_that_breaks_while_all_are_told);
	tcase_add_test(tc, a_lane_that_is_full);
	tcase_add_test(tc, there_is_no_line_for_all_names);
	return rig_run(suite);
}
