/* links: $(queues_http_box) -levent_core -ljansson -lpthread -lm */
/*
 * test_queues_http.c - clients that wait for a queue to be empty, and its settings, with a database
 * whose answers come when the test says so: each gets its one answer.
 */
#include "jobs/queues_http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/route.h"
#include "wait_rig.h"

#define CROWD 20

static struct segment *segment;
static struct exchange *x[CROWD];
static struct route get_route, patch_route;
static struct job_queue_cell *cell;

void
route_add(struct route_table *table, const struct route *route)
{
	(void)table;
	if (strcmp(route->pattern, "/api/queues/{queue}") != 0)
		return;
	if (route->methods & HTTP_METHOD_BIT(HTTP_PATCH))
		patch_route = *route;
	else
		get_route = *route;
}

static void
setup(void)
{
	config = (struct config){.jobs_queue_concurrency = 100, .jobs_queue_depth = 1000};
	segment = segment_new(4096);
	ck_assert_ptr_nonnull(segment);
	rig_init(segment);
	jobs.queue_waits = queue_waits_new(&jobs);
	ck_assert_ptr_nonnull(jobs.queue_waits);
	queues_add_routes(&jobs, NULL);
	cell = jobs_queue(segment, SPAN_LIT("q"), true);
	ck_assert_ptr_nonnull(cell);
	jobs_queue_set(cell, atomic_load(&cell->depth), 5, 0, false);
}

static void
teardown(void)
{
	fake_queue_end();
	jobs.queue = NULL;
	queue_waits_free(&jobs.queue_waits);
	loop_free(&jobs.loop);
	segment_free(&segment);
	rig_expect_answered(x, CROWD);
}

static void
get(size_t i, const char *query)
{
	x[i] = fake_exchange_new(query, "q", NULL);
	get_route.handle(x[i], get_route.ctx);
}

/* The newest that asks hears that so many wait and run. */
static void
tell(int64_t ready, int64_t running)
{
	const struct queue_row row = {.name = SPAN_LIT("q"),
				      .ready = ready,
				      .running = running,
				      .concurrency = -1,
				      .depth = -1};

	fake_answer_queues(fake_asks() - 1, QUEUE_OK, &row);
}

/* --- one --- */

START_TEST(at_once)
{
	get(0, NULL);
	ck_assert_str_eq(fake_ask(0)->name, "q");
	tell(3, 1);
	ck_assert_int_eq(x[0]->status, 200);
	ck_assert_ptr_nonnull(strstr(x[0]->text, "\"depth\":3,\"running\":1"));
	get(1, "until=empty");
	tell(3, 1);
	ck_assert_int_eq(x[1]->status, 200);
	get(2, "until=empty&wait=60");
	tell(0, 0);
	ck_assert_int_eq(x[2]->status, 200);
	get(3, "until=empty&wait=60");
	fake_answer_queues(0, QUEUE_OK, NULL);
	ck_assert_int_eq(x[3]->status, 404);
}
END_TEST

START_TEST(when_it_is_empty)
{
	get(0, "until=empty&wait=60");
	tell(2, 0);
	/* there are more, as all of this host know: nobody asks */
	queue_waits_hear(jobs.queue_waits);
	pass_ms(50);
	ck_assert_uint_eq(fake_asks(), 0);
	jobs_queue_set(cell, atomic_load(&cell->depth), 0, 0, false);
	queue_waits_hear(jobs.queue_waits);
	pass_ms(50);
	ck_assert_uint_eq(fake_asks(), 1);
	/* one runs still; it may take its time, so it is looked at less and less often */
	tell(0, 1);
	pass_ms(100);
	ck_assert_uint_eq(fake_asks(), 1);
	tell(0, 0);
	ck_assert_int_eq(x[0]->status, 200);
	ck_assert_ptr_nonnull(strstr(x[0]->text, "\"depth\":0,\"running\":0"));
}
END_TEST

START_TEST(its_time_is_over)
{
	get(0, "until=empty&wait=1");
	tell(2, 0);
	pass_ms(1100);
	ck_assert_uint_eq(fake_asks(), 1);
	tell(2, 0);
	ck_assert_int_eq(x[0]->status, 200);
	ck_assert_ptr_nonnull(strstr(x[0]->text, "\"depth\":2"));
}
END_TEST

START_TEST(one_who_leaves)
{
	/* while it waits, and while it looks */
	get(0, "until=empty&wait=60");
	tell(2, 0);
	fake_exchange_leave(x[0]);
	ck_assert_uint_eq(fake_asks(), 1);
	tell(2, 0);
	ck_assert(x[0]->answered);
	get(1, "until=empty&wait=60");
	fake_exchange_leave(x[1]);
	ck_assert_uint_eq(fake_asks(), 1);
	tell(2, 0);
	ck_assert(x[1]->answered);
}
END_TEST

START_TEST(an_outage_is_waited_over)
{
	get(0, "until=empty&wait=60");
	fake_answer_queues(0, QUEUE_DOWN, NULL);
	ck_assert_int_eq(x[0]->status, 503);
	get(1, "until=empty&wait=60");
	tell(1, 0);
	jobs_queue_set(cell, atomic_load(&cell->depth), 0, 0, false);
	queue_waits_hear(jobs.queue_waits);
	pass_ms(50);
	fake_answer_queues(0, QUEUE_DOWN, NULL);
	ck_assert(!x[1]->answered);
	pass_ms(100);
	tell(0, 0);
	ck_assert_int_eq(x[1]->status, 200);
}
END_TEST

/* --- many --- */

/* Every other one looks, for the first time; the others have seen it. */
static void
begin_crowd(void)
{
	for (size_t i = 0; i < CROWD; i++) {
		get(i, "until=empty&wait=60");
		if (i % 2)
			tell(1, 0);
	}
}

/*
 * A lane that is full may find inside of a call that its connection is broken, and answers all that
 * wait for it: that is anybody else of those who are just told.
 */
START_TEST(a_connection_that_breaks_while_all_are_told)
{
	begin_crowd();
	fake_fail_next(QUEUE_DOWN, true);
	queue_waits_end(jobs.queue_waits);
	while (fake_asks())
		tell(1, 0);
	for (size_t i = 0; i < CROWD; i++)
		ck_assert_msg(x[i]->status == 200 || x[i]->status == 503, "%zu: %d", i,
			      x[i]->status);
}
END_TEST

START_TEST(who_is_left_over_is_answered_at_the_end)
{
	begin_crowd();
	fake_queue_end();
	jobs.queue = NULL;
	queue_waits_free(&jobs.queue_waits);
	for (size_t i = 0; i < CROWD; i++)
		ck_assert_int_eq(x[i]->status, 503);
}
END_TEST

START_TEST(a_process_that_leaves_lets_nobody_wait)
{
	jobs.is_leaving = true;
	get(0, "until=empty&wait=60");
	tell(1, 0);
	ck_assert_int_eq(x[0]->status, 200);
}
END_TEST

/* --- settings --- */

static void
patch(size_t i, const char *name, const char *body)
{
	x[i] = fake_exchange_new(NULL, name, body);
	x[i]->request.method = HTTP_PATCH;
	patch_route.handle(x[i], patch_route.ctx);
}

START_TEST(what_is_set_is_known_at_once)
{
	const struct queue_row row = {.name = SPAN_LIT("q"),
				      .ready = 7,
				      .later = 1,
				      .is_paused = true,
				      .concurrency = 4,
				      .depth = 9};

	patch(0, "q", "{\"paused\":true,\"depth\":9,\"concurrency\":4}");
	fake_answer_queues(0, QUEUE_OK, &row);
	ck_assert_int_eq(x[0]->status, 200);
	ck_assert_ptr_nonnull(strstr(x[0]->text, "\"depth\":{\"value\":9,\"source\":\"queue\"}"));
	ck_assert_int_eq(cell->depth, 8);
	ck_assert_int_eq(cell->limit, 9);
	ck_assert(cell->is_paused);
	patch(1, "q", "{}");
	fake_answer_queues(0, QUEUE_BUSY, NULL);
	ck_assert_int_eq(x[1]->status, 503);
}
END_TEST

START_TEST(names_have_an_end)
{
	const struct queue_row row = {
	    .name = SPAN_LIT("one-more"), .concurrency = -1, .depth = -1, .is_paused = true};
	char name[40];

	for (size_t i = 0; i < JOB_QUEUES; i++) {
		snprintf(name, sizeof(name), "name-%zu", i);
		jobs_queue(segment, span_str(name), true);
	}
	/* those that this host knows of go on */
	patch(0, "q", "{\"paused\":true}");
	fake_answer_queues(0, QUEUE_OK, &row);
	ck_assert_int_eq(x[0]->status, 200);
	/* and those that SQL has made */
	patch(1, "one-more", "{\"paused\":true}");
	ck_assert_str_eq(fake_ask(0)->name, "one-more");
	fake_answer_queues(0, QUEUE_OK, &row);
	ck_assert(!x[1]->answered);
	ck_assert_str_eq(fake_ask(0)->name, "one-more");
	fake_answer_queues(0, QUEUE_OK, &row);
	ck_assert_int_eq(x[1]->status, 200);
	/* but nobody makes more of them */
	patch(2, "one-more", "{\"paused\":true}");
	fake_answer_queues(0, QUEUE_OK, NULL);
	ck_assert_int_eq(x[2]->status, 429);
	ck_assert_str_eq(x[2]->type, "too-many-queues");
	patch(3, "one-more", "{\"paused\":true}");
	fake_answer_queues(0, QUEUE_DOWN, NULL);
	ck_assert_int_eq(x[3]->status, 503);
	ck_assert_uint_eq(fake_asks(), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("queues_http");
	TCase *tc = rig_case(suite, "one", setup, teardown);

	tcase_add_test(tc, at_once);
	tcase_add_test(tc, when_it_is_empty);
	tcase_add_test(tc, its_time_is_over);
	tcase_add_test(tc, one_who_leaves);
	tcase_add_test(tc, an_outage_is_waited_over);
	tc = rig_case(suite, "many", setup, teardown);
	tcase_add_test(tc, a_connection_that_breaks_while_all_are_told);
	tcase_add_test(tc, who_is_left_over_is_answered_at_the_end);
	tcase_add_test(tc, a_process_that_leaves_lets_nobody_wait);
	tc = rig_case(suite, "settings", setup, teardown);
	tcase_add_test(tc, what_is_set_is_known_at_once);
	tcase_add_test(tc, names_have_an_end);
	return rig_run(suite);
}
