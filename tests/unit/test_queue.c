/* links: $(queue_box) -levent_core -lpq -lcrypto -ljansson -lpthread */
/*
 * test_queue.c - the job queue on a real PostgreSQL: what each call does, in each state of a job.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue_rig.h"

static struct pg_server server;
static struct queue_rig rig;

static void
start_server(void)
{
	pg_server_start(&server, "max_connections=100");
}

static void
remove_server(void)
{
	pg_server_run(&server, "remove");
}

static void
setup(void)
{
	queue_rig_init(&rig, &server, 3);
}

static void
teardown(void)
{
	queue_rig_fini(&rig);
}

static void
sql(const char *text)
{
	pg_server_sql(&server, text);
}

static long
number(const char *text)
{
	return pg_server_number(&server, text);
}

/* ---- put, claimed, finished ---- */

START_TEST(a_job_is_put_run_and_done)
{
	struct job_new new = queue_rig_job();

	new.args = span_str("{\"n\":1}");
	const struct uuid id = queue_rig_put(&rig, &new);
	ck_assert_int_eq(rig.put[0].job, JOB_STATE_QUEUED);
	const struct job_row *job = queue_rig_get(&rig, &id);
	ck_assert_int_eq(job->state, JOB_STATE_QUEUED);
	ck_assert_uint_eq(job->attempt, 0);
	ck_assert_uint_eq(job->max_attempts, 5);
	ck_assert_int_eq(job->progress, -1);
	ck_assert_str_eq(span_text(job->args), "{\"n\":1}");
	ck_assert_ptr_null(job->result.ptr);
	ck_assert_ptr_null(job->errors.ptr);
	ck_assert_int_eq(job->run_at_ms, 0);
	ck_assert_int_eq(job->ended_ms, 0);
	ck_assert_int_gt(job->created_ms, 0);

	ck_assert_uint_eq(queue_rig_claim(&rig, 10, 0), 1);
	ck_assert_int_eq(rig.end, CLAIM_EMPTY);
	ck_assert_uint_eq(rig.running, 1);
	const struct claimed c = rig.claimed[0];
	ck_assert_int_eq(uuid_compare(&c.id, &id), 0);
	ck_assert_uint_eq(c.attempt, 1);
	ck_assert_str_eq(span_text(c.kind), "k");
	ck_assert_str_eq(span_text(c.args), "{\"n\":1}");
	ck_assert_ptr_null(c.parts.ptr);
	ck_assert_int_gt(c.deadline_ms, queue_rig_get(&rig, &id)->created_ms + 59000);
	ck_assert_int_eq(rig.job[0].state, JOB_STATE_RUNNING);
	ck_assert_uint_eq(queue_rig_claim(&rig, 10, 0), 0);
	ck_assert_uint_eq(rig.running, 1);

	const struct ended ended = {.id = id,
				    .lease = c.lease,
				    .outcome = JOB_DONE,
				    .result = SPAN_LIT("[1,2]"),
				    .took_ms = 12};
	const struct ended_row *row = queue_rig_finish(&rig, &ended);
	ck_assert(!row->is_lost);
	ck_assert_int_eq(row->state, JOB_STATE_DONE);
	ck_assert_int_eq(row->hand, 'w');
	ck_assert_str_eq(span_text(row->queue), "q");
	ck_assert_str_eq(span_text(row->kind), "k");
	job = queue_rig_get(&rig, &id);
	ck_assert_int_eq(job->state, JOB_STATE_DONE);
	ck_assert_str_eq(span_text(job->result), "[1,2]");
	ck_assert_int_gt(job->ended_ms, 0);
	ck_assert_uint_eq(job->attempt, 1);
	ck_assert_int_eq(number("select count(*) from job_lease"), 0);
	ck_assert_int_eq(number("select ms from job_result"), 12);
}
END_TEST

START_TEST(who_puts_together_is_told_its_own)
{
	struct job_new many[1000];
	const unsigned before = rig.answers;

	for (int i = 0; i < 1000; i++)
		many[i] = queue_rig_job();
	queue_rig_put_ask(&rig, many, 1000);
	ck_assert_uint_eq(rig.n, 1000);
	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(uuid_compare(&rig.put[i].id, &many[i].id), 0);
	queue_rig_put_many(&rig, 300);
	ck_assert_uint_eq(rig.answers - before, 301);
	ck_assert_int_eq(number("select count(*) from job_ready"), 1300);
	ck_assert_int_eq(number("select count(*) from jobs"), 1300);
	ck_assert_int_eq(number("select count(distinct id) from job_ready join jobs using (id)"),
			 1300);
}
END_TEST

START_TEST(scheduled_jobs_among_others_are_told_apart)
{
	struct job_new job[3] = {queue_rig_job(), queue_rig_job(), queue_rig_job()};

	job[1].run_at_ms = 4102444800000; /* 2100 */
	job[2].run_at_ms = 1000;
	queue_rig_put_ask(&rig, job, 3);
	ck_assert_int_eq(rig.put[0].job, JOB_STATE_QUEUED);
	ck_assert_int_eq(rig.put[1].job, JOB_STATE_SCHEDULED);
	ck_assert_int_eq(rig.put[2].job, JOB_STATE_QUEUED);
	ck_assert_int_eq(queue_rig_state(&rig, &job[1].id), JOB_STATE_SCHEDULED);
	ck_assert_int_eq(rig.job[0].run_at_ms, 4102444800000);
	ck_assert_int_eq(queue_rig_state(&rig, &job[2].id), JOB_STATE_QUEUED);
	ck_assert_uint_eq(queue_rig_claim(&rig, 10, 0), 2);
}
END_TEST

START_TEST(what_was_deleted_by_hand_is_in_nobodys_way)
{
	queue_rig_put_many(&rig, 3);
	sql("update job_queue set concurrency = 1");
	sql("delete from jobs where id <> (select id from jobs order by id desc limit 1)");
	for (unsigned i = 0; i < 3 && queue_rig_claim(&rig, 1, 0) == 0; i++)
		ck_assert_uint_eq(rig.running, 0);
	ck_assert_uint_eq(rig.n, 1);
	ck_assert_int_eq(number("select count(*) from job_lease"), 1);
	ck_assert_int_eq(number("select count(*) from job_lease join jobs using (id)"), 1);
	ck_assert_int_eq(number("select count(*) from job_ready"), 0);
}
END_TEST

START_TEST(priorities_go_first_then_age)
{
	static const int priority[] = {5, 9, 0, 5, 0};
	static const int order[] = {2, 4, 0, 3, 1};
	struct uuid id[5];

	for (int i = 0; i < 5; i++) {
		struct job_new job = queue_rig_job();
		job.priority = priority[i];
		id[i] = queue_rig_put(&rig, &job);
	}
	ck_assert_uint_eq(queue_rig_claim(&rig, 3, 0), 3);
	ck_assert_int_eq(rig.end, CLAIM_MORE);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(uuid_compare(&rig.claimed[i].id, &id[order[i]]), 0);
	ck_assert_uint_eq(queue_rig_claim(&rig, 3, 0), 2);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(uuid_compare(&rig.claimed[i].id, &id[order[3 + i]]), 0);
}
END_TEST

START_TEST(hands_and_queues_are_apart)
{
	struct job_new job = queue_rig_job();

	job.hand = 'p';
	queue_rig_put(&rig, &job);
	job = queue_rig_job();
	job.queue = span_str("other");
	queue_rig_put(&rig, &job);
	ck_assert_uint_eq(queue_rig_claim(&rig, 3, 0), 0);
	ck_assert_int_eq(rig.end, CLAIM_EMPTY);
	const unsigned before = rig.answers;
	const struct claim absent = {.queue = SPAN_LIT("none"), .hand = 'w', .max = 1};
	queue_claim(rig.queue, &absent, queue_rig_claim_cb, &rig);
	queue_rig_wait(&rig, before + 1);
	ck_assert_int_eq(rig.end, CLAIM_ABSENT);
	/* a queue has a row when somebody has claimed from it while it had jobs */
	ck_assert_int_eq(number("select count(*) from job_queue"), 1);
}
END_TEST

/* ---- ids and unique keys ---- */

START_TEST(an_id_is_put_once)
{
	struct job_new job = queue_rig_job();

	job.is_id_given = true;
	queue_rig_put(&rig, &job);
	queue_rig_put_ask(&rig, &job, 1);
	ck_assert_int_eq(rig.put[0].state, PUT_EXISTS);
	ck_assert_int_eq(uuid_compare(&rig.put[0].id, &job.id), 0);
	for (int i = 0; i < 6; i++) {
		struct job_new other = job;
		switch (i) {
		case 0: other.args = span_str("{\"a\":1}"); break;
		case 1: other.kind = span_str("k2"); break;
		case 2: other.queue = span_str("q2"); break;
		case 3: other.priority = 1; break;
		case 4: other.unique = span_str("u"); break;
		case 5: other.run_at_ms = 1000; break;
		}
		queue_rig_put_ask(&rig, &other, 1);
		ck_assert_msg(rig.put[0].state == PUT_DIFFERS, "%d", i);
	}
	ck_assert_int_eq(number("select count(*) from jobs"), 1);
	ck_assert_int_eq(number("select count(*) from job_ready"), 1);
	ck_assert_int_eq(number("select count(*) from job_unique"), 0);
}
END_TEST

START_TEST(a_key_is_held_by_one_job_of_its_queue)
{
	struct job_new job = queue_rig_job();

	job.unique = span_str("key");
	const struct uuid first = queue_rig_put(&rig, &job);
	struct job_new again = queue_rig_job();
	again.unique = span_str("key");
	queue_rig_put_ask(&rig, &again, 1);
	ck_assert_int_eq(rig.put[0].state, PUT_EXISTS);
	ck_assert_int_eq(uuid_compare(&rig.put[0].id, &first), 0);
	ck_assert_str_eq(span_text(queue_rig_get(&rig, &first)->unique), "key");
	ck_assert_ptr_null(queue_rig_get(&rig, &again.id));
	struct job_new elsewhere = queue_rig_job();
	elsewhere.unique = span_str("key");
	elsewhere.queue = span_str("q2");
	queue_rig_put(&rig, &elsewhere);
	/* still when it is done */
	queue_rig_claim(&rig, 1, 0);
	queue_rig_end(&rig, 0, JOB_DONE);
	queue_rig_put_ask(&rig, &again, 1);
	ck_assert_int_eq(rig.put[0].state, PUT_EXISTS);
	/* an array is told job by job */
	struct job_new three[3] = {queue_rig_job(), again, queue_rig_job()};
	three[2].unique = span_str("new");
	queue_rig_put_ask(&rig, three, 3);
	ck_assert_int_eq(rig.put[0].state, PUT_MADE);
	ck_assert_int_eq(rig.put[1].state, PUT_EXISTS);
	ck_assert_int_eq(uuid_compare(&rig.put[1].id, &first), 0);
	ck_assert_int_eq(rig.put[2].state, PUT_MADE);
	ck_assert_int_eq(number("select count(*) from jobs"), 4);
}
END_TEST

START_TEST(what_is_sent_again_is_not_put_again)
{
	struct job_new plain = queue_rig_job(), keyed = queue_rig_job();

	keyed.unique = span_str("key");
	for (int i = 0; i < 2; i++) {
		queue_rig_put(&rig, &plain);
		queue_rig_put(&rig, &keyed);
	}
	ck_assert_int_eq(number("select count(*) from jobs"), 2);
	ck_assert_int_eq(number("select count(*) from job_ready"), 2);
	queue_rig_claim(&rig, 2, 0);
	queue_rig_put(&rig, &plain);
	ck_assert_int_eq(number("select count(*) from job_ready"), 0);
}
END_TEST

/* ---- ends ---- */

START_TEST(a_failed_job_is_tried_again_and_dies_at_last)
{
	struct job_new job = queue_rig_job();

	job.max_attempts = 2;
	const struct uuid id = queue_rig_put(&rig, &job);
	queue_rig_claim(&rig, 1, 0);
	const struct ended failed = {.id = id,
				     .lease = rig.claimed[0].lease,
				     .outcome = JOB_RETRY,
				     .error = "no luck",
				     .retry_after_ms = 3600000};
	const struct ended_row *row = queue_rig_finish(&rig, &failed);
	ck_assert_int_eq(row->state, JOB_STATE_SCHEDULED);
	ck_assert_uint_eq(row->in_ms, 3600000);
	ck_assert_uint_eq(row->attempt, 1);
	ck_assert_int_eq(queue_rig_state(&rig, &id), JOB_STATE_SCHEDULED);
	ck_assert_ptr_nonnull(strstr(span_text(rig.job[0].errors), "\"error\":\"no luck\""));
	ck_assert_ptr_nonnull(strstr(span_text(rig.job[0].errors), "\"attempt\":1"));
	sql("update job_later set run_at = now()");
	const unsigned before = rig.answers;
	queue_promote(rig.queue, queue_rig_moved_cb, &rig);
	queue_rig_wait(&rig, before + 1);
	ck_assert_uint_eq(rig.n, 1);
	ck_assert_int_eq(rig.moved[0].state, JOB_STATE_QUEUED);
	ck_assert_uint_eq(queue_rig_claim(&rig, 1, 0), 1);
	ck_assert_uint_eq(rig.claimed[0].attempt, 2);
	row = queue_rig_end(&rig, 0, JOB_RETRY);
	ck_assert_int_eq(row->state, JOB_STATE_DEAD);
	ck_assert_int_eq(queue_rig_state(&rig, &id), JOB_STATE_DEAD);
	ck_assert_uint_eq(rig.job[0].attempt, 2);
	ck_assert_uint_eq(queue_rig_claim(&rig, 1, 0), 0);
}
END_TEST

START_TEST(the_pause_grows_and_has_jitter)
{
	struct job_new job = queue_rig_job();
	uint64_t least = UINT64_MAX, most = 0;

	job.max_attempts = 100;
	queue_rig_put(&rig, &job);
	for (int i = 1; i <= 40; i++) {
		ck_assert_uint_eq(queue_rig_claim(&rig, 1, 0), 1);
		const struct ended failed = {.id = rig.claimed[0].id,
					     .lease = rig.claimed[0].lease,
					     .outcome = JOB_RETRY,
					     .retry_after_ms = -1};
		const uint64_t in_ms = queue_rig_finish(&rig, &failed)->in_ms;
		ck_assert_uint_ge(in_ms, 1000);
		ck_assert_uint_le(in_ms, i < 12 ? (UINT64_C(1000) << i) : 3600000);
		if (i > 12 && in_ms < least)
			least = in_ms;
		if (i > 12 && in_ms > most)
			most = in_ms;
		sql("insert into job_ready(id, attempt, last, priority, hand, queue) select id, "
		    "attempt, last, priority, hand, queue from job_later; delete from job_later");
	}
	ck_assert_uint_lt(least + 600000, most);
}
END_TEST

START_TEST(ends_of_every_kind)
{
	static const struct {
		enum job_outcome outcome;
		enum job_state state;
	} ends[] = {
	    {JOB_DONE, JOB_STATE_DONE},           {JOB_FAILED, JOB_STATE_FAILED},
	    {JOB_CANCELLED, JOB_STATE_CANCELLED}, {JOB_GIVEN_BACK, JOB_STATE_QUEUED},
	    {JOB_RETRY, JOB_STATE_QUEUED},
	};
	struct job_new job = queue_rig_job();

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		job = queue_rig_job();
		const struct uuid id = queue_rig_put(&rig, &job);
		ck_assert_uint_eq(queue_rig_claim(&rig, 1, 0), 1);
		const struct claimed c = rig.claimed[0];
		ck_assert_int_eq(queue_rig_end(&rig, 0, ends[i].outcome)->state, ends[i].state);
		ck_assert_int_eq(queue_rig_state(&rig, &id), ends[i].state);
		/* told again, the answer is the same; but another end is refused */
		rig.claimed[0] = c;
		if (ends[i].outcome == JOB_GIVEN_BACK) {
			ck_assert(queue_rig_end(&rig, 0, JOB_GIVEN_BACK)->is_lost);
			ck_assert_uint_eq(queue_rig_claim(&rig, 1, 0), 1);
			ck_assert_uint_eq(rig.claimed[0].attempt, 1);
			queue_rig_end(&rig, 0, JOB_DONE);
			continue;
		}
		const struct ended_row *row = queue_rig_end(&rig, 0, ends[i].outcome);
		ck_assert_msg(!row->is_lost, "%zu", i);
		ck_assert_int_eq(row->state == JOB_STATE_SCHEDULED ? JOB_STATE_QUEUED : row->state,
				 ends[i].state);
		ck_assert(
		    queue_rig_end(&rig, 0, ends[i].outcome == JOB_DONE ? JOB_FAILED : JOB_DONE)
			->is_lost);
		ck_assert_int_eq(queue_rig_state(&rig, &id), ends[i].state);
	}
}
END_TEST

START_TEST(only_who_has_the_lease_finishes)
{
	queue_rig_put_many(&rig, 1);
	queue_rig_claim(&rig, 1, 0);
	const struct claimed late = rig.claimed[0];
	sql("update job_lease set deadline = now() - interval '1 s'");
	const unsigned before = rig.answers;
	queue_rescue(rig.queue, 0, queue_rig_moved_cb, &rig);
	queue_rig_wait(&rig, before + 1);
	ck_assert_uint_eq(rig.n, 1);
	ck_assert_int_eq(rig.moved[0].state, JOB_STATE_QUEUED);
	ck_assert_int_eq(uuid_compare(&rig.moved[0].id, &late.id), 0);
	/* neither while it waits, nor when another one has it, nor when that one is done */
	ck_assert(queue_rig_end(&rig, 0, JOB_DONE)->is_lost);
	ck_assert_uint_eq(queue_rig_claim(&rig, 1, 0), 1);
	const struct claimed now = rig.claimed[0];
	ck_assert_int_ne(now.lease, late.lease);
	ck_assert_uint_eq(now.attempt, 2);
	for (int i = 0; i < 2; i++) {
		static const enum job_outcome outcome[] = {JOB_DONE, JOB_RETRY, JOB_FAILED,
							   JOB_CANCELLED, JOB_GIVEN_BACK};
		for (int j = 0; j < 5; j++) {
			rig.claimed[0] = late;
			ck_assert(queue_rig_end(&rig, 0, outcome[j])->is_lost);
		}
		rig.claimed[0] = now;
		ck_assert(!queue_rig_end(&rig, 0, JOB_DONE)->is_lost);
	}
	ck_assert_int_eq(queue_rig_state(&rig, &now.id), JOB_STATE_DONE);
	ck_assert_int_eq(number("select count(*) from job_result where state = 'd'"), 1);
}
END_TEST

START_TEST(ends_that_come_together)
{
	enum { MANY = 600 };
	static struct claimed c[MANY];

	queue_rig_put_many(&rig, MANY);
	ck_assert_uint_eq(queue_rig_claim(&rig, MANY, 0), MANY);
	memcpy(c, rig.claimed, sizeof(c));
	const unsigned before = rig.answers;
	for (unsigned i = 0; i < MANY; i++) {
		const struct ended ended = {.id = c[i].id,
					    .lease = c[i].lease,
					    .outcome = i % 3 ? JOB_DONE : JOB_FAILED,
					    .result = i % 3 ? SPAN_LIT("1") : span_from(NULL, 0)};
		/* each twice */
		queue_finish(rig.queue, &ended, queue_rig_finish_cb, &rig);
		queue_finish(rig.queue, &ended, queue_rig_finish_cb, &rig);
		ck_assert(!rig.ended.is_lost);
	}
	queue_rig_wait(&rig, before + 2 * MANY);
	ck_assert_int_eq(number("select count(*) from job_result where state = 'd'"), 400);
	ck_assert_int_eq(number("select count(*) from job_result where state = 'f'"), 200);
	ck_assert_int_eq(number("select count(*) from job_lease"), 0);
}
END_TEST

START_TEST(a_long_error_is_cut_between_characters)
{
	char error[3001];

	memset(error, 'e', sizeof(error));
	memcpy(error + 1999, "\xc3\xa4", 2);
	error[3000] = '\0';
	queue_rig_put_many(&rig, 1);
	queue_rig_claim(&rig, 1, 0);
	const struct ended ended = {.id = rig.claimed[0].id,
				    .lease = rig.claimed[0].lease,
				    .outcome = JOB_FAILED,
				    .error = error};
	ck_assert_int_eq(queue_rig_finish(&rig, &ended)->state, JOB_STATE_FAILED);
	ck_assert_int_eq(number("select length(error) from job_result"), 1999);
}
END_TEST

START_TEST(what_the_database_cannot_hold_harms_nobody_else)
{
	struct claimed c[2];
	const unsigned n = 2;

	queue_rig_put_many(&rig, n);
	queue_rig_claim(&rig, n, 0);
	memcpy(c, rig.claimed, sizeof(c));
	const unsigned before = rig.answers;
	const struct ended bad = {.id = c[0].id,
				  .lease = c[0].lease,
				  .outcome = JOB_DONE,
				  .result = SPAN_LIT("{not json")};
	const struct ended good = {.id = c[1].id, .lease = c[1].lease, .outcome = JOB_DONE};
	queue_finish(rig.queue, &bad, queue_rig_finish_cb, &rig);
	queue_finish(rig.queue, &good, queue_rig_finish_cb, &rig);
	queue_rig_wait(&rig, before + 2);
	ck_assert_int_eq(queue_rig_state(&rig, &c[0].id), JOB_STATE_RUNNING);
	ck_assert_int_eq(queue_rig_state(&rig, &c[1].id), JOB_STATE_DONE);
}
END_TEST

/* ---- extended, parts ---- */

static void
extend(const struct claimed *c, uint64_t lease_ms, int progress)
{
	const unsigned before = rig.answers;
	const struct extend ask = {c->id, c->lease, lease_ms, progress};

	queue_extend(rig.queue, &ask, queue_rig_extend_cb, &rig);
	queue_rig_wait(&rig, before + 1);
	ck_assert_int_eq(rig.answer.outcome, QUEUE_OK);
}

START_TEST(a_lease_is_extended)
{
	queue_rig_put_many(&rig, 1);
	queue_rig_claim(&rig, 1, 0);
	const struct claimed c = rig.claimed[0];
	extend(&c, 3600000, 40);
	ck_assert(!rig.extended.is_lost && !rig.extended.is_cancelled);
	ck_assert_int_gt(rig.extended.deadline_ms, c.deadline_ms + 3000000);
	ck_assert_str_eq(span_text(rig.extended.queue), "q");
	ck_assert_str_eq(span_text(rig.extended.kind), "k");
	ck_assert_int_eq(queue_rig_get(&rig, &c.id)->progress, 40);
	const int64_t deadline_ms = rig.extended.deadline_ms;
	extend(&c, 0, -1);
	ck_assert_int_eq(rig.extended.deadline_ms, deadline_ms);
	/* whoever has more than he asks for keeps it */
	extend(&c, 1000, -1);
	ck_assert_int_eq(rig.extended.deadline_ms, deadline_ms);
	ck_assert_int_eq(queue_rig_get(&rig, &c.id)->progress, 40);
	struct claimed other = c;
	other.lease++;
	extend(&other, 1000, 50);
	ck_assert(rig.extended.is_lost);
	ck_assert_int_eq(queue_rig_get(&rig, &c.id)->progress, 40);
	/* two at the same time: both are told, the later one counts */
	const unsigned before = rig.answers;
	for (int i = 60; i <= 70; i += 10) {
		const struct extend ask = {c.id, c.lease, 0, i};
		queue_extend(rig.queue, &ask, queue_rig_extend_cb, &rig);
	}
	queue_rig_wait(&rig, before + 2);
	ck_assert(!rig.extended.is_lost);
	ck_assert_int_eq(queue_rig_get(&rig, &c.id)->progress, 70);
	rig.claimed[0] = c;
	queue_rig_end(&rig, 0, JOB_DONE);
	extend(&c, 1000, 50);
	ck_assert(rig.extended.is_lost);
}
END_TEST

static bool
put_part(const struct claimed *c, unsigned n, const char *json)
{
	const unsigned before = rig.answers;
	const struct part part = {c->id, c->lease, n, span_str(json)};

	queue_put_part(rig.queue, &part, queue_rig_part_cb, &rig);
	queue_rig_wait(&rig, before + 1);
	ck_assert_int_eq(rig.answer.outcome, QUEUE_OK);
	return !rig.is_lost;
}

START_TEST(parts_are_there_at_the_next_attempt)
{
	queue_rig_put_many(&rig, 1);
	queue_rig_claim(&rig, 1, 0);
	const struct claimed c = rig.claimed[0];
	ck_assert(put_part(&c, 3, "{\"a\":3}"));
	ck_assert(put_part(&c, 1, "\"one\""));
	ck_assert(put_part(&c, 1, "\"one again\""));
	struct claimed other = c;
	other.lease++;
	ck_assert(!put_part(&other, 0, "0"));
	rig.claimed[0] = c;
	queue_rig_end(&rig, 0, JOB_GIVEN_BACK);
	queue_rig_claim(&rig, 1, 0);
	ck_assert_str_eq(span_text(rig.claimed[0].parts), "[null, \"one\", null, {\"a\":3}]");
	/* also after a failure; and they are gone with the job */
	queue_rig_end(&rig, 0, JOB_RETRY);
	queue_rig_claim(&rig, 1, 0);
	ck_assert_str_eq(span_text(rig.claimed[0].parts), "[null, \"one\", null, {\"a\":3}]");
	queue_rig_end(&rig, 0, JOB_DONE);
	ck_assert_int_eq(number("select count(*) from job_part"), 0);
}
END_TEST

/* ---- cancelled, tried again ---- */

static enum cancel_state
cancel(const struct uuid *id)
{
	const unsigned before = rig.answers;

	queue_cancel(rig.queue, id, queue_rig_cancel_cb, &rig);
	queue_rig_wait(&rig, before + 1);
	ck_assert_int_eq(rig.answer.outcome, QUEUE_OK);
	return rig.cancelled.how;
}

static enum retry_state
retry(const struct uuid *id)
{
	const unsigned before = rig.answers;

	queue_retry(rig.queue, id, queue_rig_retry_cb, &rig);
	queue_rig_wait(&rig, before + 1);
	ck_assert_int_eq(rig.answer.outcome, QUEUE_OK);
	return rig.retried.how;
}

START_TEST(a_waiting_job_is_cancelled)
{
	for (int i = 0; i < 2; i++) {
		struct job_new job = queue_rig_job();
		job.run_at_ms = i ? 4102444800000 : 0;
		job.unique = span_str("key");
		const struct uuid id = queue_rig_put(&rig, &job);
		ck_assert_int_eq(cancel(&id), CANCEL_DONE);
		ck_assert_int_eq(rig.cancelled.state, JOB_STATE_CANCELLED);
		ck_assert_int_eq(rig.cancelled.hand, 'w');
		ck_assert_str_eq(span_text(rig.cancelled.queue), "q");
		ck_assert_str_eq(span_text(rig.cancelled.kind), "k");
		ck_assert_int_eq(queue_rig_state(&rig, &id), JOB_STATE_CANCELLED);
		ck_assert_uint_eq(queue_rig_claim(&rig, 1, 0), 0);
		ck_assert_int_eq(cancel(&id), CANCEL_FINAL);
		ck_assert_int_eq(rig.cancelled.state, JOB_STATE_CANCELLED);
	}
	const struct uuid none = queue_rig_job().id;
	ck_assert_int_eq(cancel(&none), CANCEL_ABSENT);
}
END_TEST

START_TEST(many_are_cancelled_at_once)
{
	enum { MANY = 200 };
	struct uuid id[MANY];
	const unsigned before = rig.answers + MANY;

	for (unsigned i = 0; i < MANY; i++) {
		struct job_new job = queue_rig_job();
		job.priority = (int)i % 10;
		id[i] = queue_rig_put(&rig, &job);
	}
	for (unsigned i = 0; i < MANY; i++)
		queue_cancel(rig.queue, &id[i], queue_rig_cancel_cb, &rig);
	queue_rig_wait(&rig, before + MANY);
	ck_assert_int_eq(number("select count(*) from job_ready"), 0);
	ck_assert_int_eq(number("select count(*) from job_result where state = 'c'"), MANY);
}
END_TEST

START_TEST(a_running_job_is_asked_to_end)
{
	static const struct {
		enum job_outcome outcome;
		enum job_state state;
	} ends[] = {
	    {JOB_CANCELLED, JOB_STATE_CANCELLED},  {JOB_DONE, JOB_STATE_DONE}, /* it was quicker */
	    {JOB_RETRY, JOB_STATE_CANCELLED},      {JOB_FAILED, JOB_STATE_CANCELLED},
	    {JOB_GIVEN_BACK, JOB_STATE_CANCELLED},
	};

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		queue_rig_put_many(&rig, 1);
		ck_assert_uint_eq(queue_rig_claim(&rig, 1, 77), 1);
		const struct claimed c = rig.claimed[0];
		ck_assert_int_eq(cancel(&c.id), CANCEL_ASKED);
		ck_assert_int_eq(rig.cancelled.worker, 77);
		ck_assert_int_eq(cancel(&c.id), CANCEL_ASKED);
		ck_assert(queue_rig_get(&rig, &c.id)->is_cancelling);
		ck_assert_int_eq(rig.job[0].state, JOB_STATE_RUNNING);
		extend(&c, 1000, -1);
		ck_assert(rig.extended.is_cancelled);
		const unsigned before = rig.answers;
		queue_beat(rig.queue, 77, queue_rig_ids_cb, &rig);
		queue_rig_wait(&rig, before + 1);
		ck_assert_uint_eq(rig.n, 1);
		ck_assert_int_eq(uuid_compare(&rig.id[0], &c.id), 0);
		rig.claimed[0] = c;
		ck_assert_int_eq(queue_rig_end(&rig, 0, ends[i].outcome)->state, ends[i].state);
		ck_assert_int_eq(queue_rig_state(&rig, &c.id), ends[i].state);
		ck_assert_int_eq(cancel(&c.id), CANCEL_FINAL);
		ck_assert_int_eq(rig.cancelled.state, ends[i].state);
	}
}
END_TEST

START_TEST(what_has_failed_is_tried_again)
{
	struct job_new job = queue_rig_job();

	job.max_attempts = 1;
	const struct uuid id = queue_rig_put(&rig, &job);
	ck_assert_int_eq(retry(&id), RETRY_NOT_NOW);
	ck_assert_int_eq(rig.retried.state, JOB_STATE_QUEUED);
	for (unsigned i = 1; i <= 3; i++) {
		ck_assert_uint_eq(queue_rig_claim(&rig, 1, 0), 1);
		ck_assert_uint_eq(rig.claimed[0].attempt, i);
		const struct claimed c = rig.claimed[0];
		ck_assert_int_eq(retry(&id), RETRY_NOT_NOW);
		ck_assert_int_eq(rig.retried.state, JOB_STATE_RUNNING);
		rig.claimed[0] = c;
		ck_assert_int_eq(queue_rig_end(&rig, 0, JOB_RETRY)->state, JOB_STATE_DEAD);
		ck_assert_int_eq(retry(&id), RETRY_DONE);
		ck_assert_int_eq(rig.retried.state, JOB_STATE_QUEUED);
		ck_assert_str_eq(span_text(rig.retried.kind), "k");
		ck_assert_int_eq(queue_rig_state(&rig, &id), JOB_STATE_QUEUED);
		ck_assert_uint_eq(rig.job[0].max_attempts, i + 1);
		ck_assert_uint_eq(rig.job[0].attempt, i);
	}
	ck_assert_int_eq(number("select count(*) from job_ready"), 1);
	queue_rig_claim(&rig, 1, 0);
	queue_rig_end(&rig, 0, JOB_DONE);
	ck_assert_int_eq(retry(&id), RETRY_NOT_NOW);
	ck_assert_int_eq(rig.retried.state, JOB_STATE_DONE);
	const struct uuid none = queue_rig_job().id;
	ck_assert_int_eq(retry(&none), RETRY_ABSENT);
}
END_TEST

START_TEST(a_cancelled_job_takes_its_key_again)
{
	struct job_new job = queue_rig_job();

	job.unique = span_str("key");
	const struct uuid id = queue_rig_put(&rig, &job);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(cancel(&id), CANCEL_DONE);
		ck_assert_int_eq(retry(&id), RETRY_DONE);
	}
	struct job_new other = queue_rig_job();
	other.unique = span_str("key");
	queue_rig_put_ask(&rig, &other, 1);
	ck_assert_int_eq(rig.put[0].state, PUT_EXISTS);
	ck_assert_int_eq(cancel(&id), CANCEL_DONE);
	queue_rig_put(&rig, &other);
	ck_assert_int_eq(retry(&id), RETRY_TAKEN);
	ck_assert_int_eq(queue_rig_state(&rig, &id), JOB_STATE_CANCELLED);
}
END_TEST

/* ---- lists and queues ---- */

static size_t
list(const struct job_list *ask)
{
	const unsigned before = rig.answers;

	queue_list(rig.queue, ask, queue_rig_rows_cb, &rig);
	queue_rig_wait(&rig, before + 1);
	ck_assert_int_eq(rig.answer.outcome, QUEUE_OK);
	return rig.n;
}

START_TEST(lists_by_state_queue_and_kind)
{
	static const struct {
		enum job_outcome outcome;
		enum job_state state;
	} ends[] = {
	    {JOB_DONE, JOB_STATE_DONE},
	    {JOB_FAILED, JOB_STATE_FAILED},
	    {JOB_CANCELLED, JOB_STATE_CANCELLED},
	};
	struct uuid id[7];
	struct job_new job = queue_rig_job();

	for (unsigned i = 0; i < 3; i++) {
		queue_rig_put_many(&rig, 1);
		queue_rig_claim(&rig, 1, 0);
		id[i] = rig.claimed[0].id;
		queue_rig_end(&rig, 0, ends[i].outcome);
	}
	job = queue_rig_job();
	job.max_attempts = 1;
	id[3] = queue_rig_put(&rig, &job);
	queue_rig_claim(&rig, 1, 0);
	queue_rig_end(&rig, 0, JOB_RETRY);
	queue_rig_put_many(&rig, 1);
	queue_rig_claim(&rig, 1, 0);
	id[4] = rig.claimed[0].id;
	job = queue_rig_job();
	job.run_at_ms = 4102444800000;
	id[5] = queue_rig_put(&rig, &job);
	job = queue_rig_job();
	job.queue = span_str("other");
	job.kind = span_str("rare");
	id[6] = queue_rig_put(&rig, &job);
	static const enum job_state states[] = {
	    JOB_STATE_DONE,    JOB_STATE_FAILED,    JOB_STATE_CANCELLED, JOB_STATE_DEAD,
	    JOB_STATE_RUNNING, JOB_STATE_SCHEDULED, JOB_STATE_QUEUED};
	for (int i = 0; i < 7; i++) {
		ck_assert_msg(list(&(struct job_list){.state = states[i], .limit = 10}) == 1,
			      "%c: %zu", (char)states[i], rig.n);
		ck_assert_int_eq(uuid_compare(&rig.job[0].id, &id[i]), 0);
		ck_assert_int_eq(rig.job[0].state, states[i]);
		ck_assert_ptr_null(rig.job[0].args.ptr);
	}
	/* the newest first, on by the last id */
	ck_assert_uint_eq(list(&(struct job_list){.limit = 4}), 4);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(uuid_compare(&rig.job[i].id, &id[6 - i]), 0);
	ck_assert_uint_eq(list(&(struct job_list){.limit = 4, .after = id[3]}), 3);
	ck_assert_int_eq(uuid_compare(&rig.job[2].id, &id[0]), 0);
	ck_assert_uint_eq(list(&(struct job_list){.queue = SPAN_LIT("other"), .limit = 9}), 1);
	ck_assert_uint_eq(list(&(struct job_list){.queue = SPAN_LIT("q"), .limit = 9}), 6);
	ck_assert_uint_eq(list(&(struct job_list){.kind = SPAN_LIT("rare"), .limit = 9}), 1);
	ck_assert_uint_eq(
	    list(&(struct job_list){.kind = SPAN_LIT("rare"), .state = JOB_STATE_DONE, .limit = 9}),
	    0);
	/* tried again it is in another list */
	ck_assert_int_eq(retry(&id[3]), RETRY_DONE);
	ck_assert_uint_eq(list(&(struct job_list){.state = JOB_STATE_DEAD, .limit = 9}), 0);
	ck_assert_uint_eq(list(&(struct job_list){.state = JOB_STATE_QUEUED, .limit = 9}), 2);
}
END_TEST

static size_t
look(struct span name)
{
	const unsigned before = rig.answers;

	queue_queues(rig.queue, name, queue_rig_queues_cb, &rig);
	queue_rig_wait(&rig, before + 1);
	ck_assert_int_eq(rig.answer.outcome, QUEUE_OK);
	return rig.n;
}

static void
set(const struct queue_change *change)
{
	const unsigned before = rig.answers;

	queue_set(rig.queue, change, queue_rig_queues_cb, &rig);
	queue_rig_wait(&rig, before + 1);
	ck_assert_int_eq(rig.answer.outcome, QUEUE_OK);
	ck_assert_uint_eq(rig.n, 1);
}

START_TEST(queues_are_counted)
{
	struct job_new job = queue_rig_job();

	ck_assert_uint_eq(look(span_from(NULL, 0)), 0);
	queue_rig_put_many(&rig, 5);
	job.queue = span_str("a");
	job.hand = 'p';
	queue_rig_put(&rig, &job);
	job = queue_rig_job();
	job.run_at_ms = 4102444800000;
	queue_rig_put(&rig, &job);
	queue_rig_claim(&rig, 2, 0);
	ck_assert_uint_eq(look(span_from(NULL, 0)), 2);
	ck_assert_str_eq(span_text(rig.row[0].name), "a");
	ck_assert_int_eq(rig.row[0].ready, 1);
	ck_assert_int_eq(rig.row[0].ready_p, 1);
	ck_assert_int_eq(rig.row[1].ready, 3);
	ck_assert_int_eq(rig.row[1].ready_p, 0);
	ck_assert_int_eq(rig.row[1].later, 1);
	ck_assert_int_eq(rig.row[1].running, 2);
	ck_assert_int_eq(rig.row[1].concurrency, -1);
	ck_assert_int_eq(rig.row[1].depth, -1);
	ck_assert(!rig.row[1].is_paused);
	sql("update job_ready set since = now() - interval '90 s' where queue = 'q'");
	ck_assert_uint_eq(look(SPAN_LIT("q")), 1);
	ck_assert_int_ge(rig.row[0].oldest_ms, 90000);
	ck_assert_uint_eq(look(SPAN_LIT("none")), 0);
}
END_TEST

START_TEST(queues_are_set)
{
	queue_rig_put_many(&rig, 5);
	set(&(struct queue_change){
	    .name = SPAN_LIT("q"), .sets_concurrency = true, .concurrency = 2});
	ck_assert_int_eq(rig.row[0].concurrency, 2);
	ck_assert_int_eq(rig.row[0].depth, -1);
	ck_assert_int_eq(rig.row[0].ready, 5);
	ck_assert_uint_eq(queue_rig_claim(&rig, 5, 0), 2);
	ck_assert_int_eq(rig.end, CLAIM_FULL);
	set(&(struct queue_change){.name = SPAN_LIT("q"), .sets_paused = true, .is_paused = true});
	ck_assert(rig.row[0].is_paused);
	ck_assert_int_eq(rig.row[0].concurrency, 2);
	ck_assert_uint_eq(queue_rig_claim(&rig, 5, 0), 0);
	ck_assert_int_eq(rig.end, CLAIM_PAUSED);
	ck_assert_uint_eq(rig.running, 2);
	set(&(struct queue_change){.name = SPAN_LIT("q"),
				   .sets_paused = true,
				   .sets_concurrency = true,
				   .concurrency = -1,
				   .sets_depth = true,
				   .depth = 7});
	ck_assert(!rig.row[0].is_paused);
	ck_assert_int_eq(rig.row[0].concurrency, -1);
	ck_assert_int_eq(rig.row[0].depth, 7);
	/* the conf's is the ceiling */
	rig.config.jobs_queue_concurrency = 3;
	ck_assert_uint_eq(queue_rig_claim(&rig, 5, 0), 1);
	set(&(struct queue_change){
	    .name = SPAN_LIT("q"), .sets_concurrency = true, .concurrency = 900});
	ck_assert_uint_eq(queue_rig_claim(&rig, 5, 0), 0);
	ck_assert_int_eq(rig.end, CLAIM_FULL);
	/* one that is not there yet */
	set(&(struct queue_change){
	    .name = SPAN_LIT("new"), .sets_paused = true, .is_paused = true});
	ck_assert_str_eq(span_text(rig.row[0].name), "new");
	ck_assert(rig.row[0].is_paused);
}
END_TEST

/* ---- rescue, disowning, promotion ---- */

static size_t
rescue(int64_t dead)
{
	const unsigned before = rig.answers;

	queue_rescue(rig.queue, dead, queue_rig_moved_cb, &rig);
	queue_rig_wait(&rig, before + 1);
	ck_assert_int_eq(rig.answer.outcome, QUEUE_OK);
	return rig.n;
}

static void
beat(int64_t worker)
{
	const unsigned before = rig.answers;

	queue_beat(rig.queue, worker, queue_rig_ids_cb, &rig);
	queue_rig_wait(&rig, before + 1);
	ck_assert_int_eq(rig.answer.outcome, QUEUE_OK);
}

START_TEST(the_dead_are_relieved_at_once)
{
	queue_rig_put_many(&rig, 6);
	beat(5);
	queue_rig_claim(&rig, 2, 5);
	const struct claimed cancelled = rig.claimed[0];
	queue_rig_claim(&rig, 2, 6);
	ck_assert_int_eq(cancel(&cancelled.id), CANCEL_ASKED);
	/* the living are not believed to be dead */
	ck_assert_uint_eq(rescue(0), 0);
	ck_assert_uint_eq(rescue(5), 2);
	ck_assert_int_eq(number("select count(*) from job_lease where worker = 6"), 2);
	ck_assert_int_eq(number("select count(*) from job_worker where worker = 5"), 0);
	ck_assert_int_eq(queue_rig_state(&rig, &cancelled.id), JOB_STATE_CANCELLED);
	ck_assert_int_eq(number("select count(*) from job_ready where attempt = 1"), 1);
	ck_assert_int_eq(number("select count(*) from job_result where error like 'lost: %'"), 2);
	ck_assert_uint_eq(rescue(5), 0);
}
END_TEST

START_TEST(a_lost_attempt_counts)
{
	struct job_new job = queue_rig_job();

	job.max_attempts = 2;
	const struct uuid id = queue_rig_put(&rig, &job);
	for (int64_t i = 1; i <= 2; i++) {
		ck_assert_uint_eq(queue_rig_claim(&rig, 1, i), 1);
		ck_assert_uint_eq(rescue(i), 1);
		ck_assert_int_eq(rig.moved[0].state, i == 1 ? JOB_STATE_QUEUED : JOB_STATE_DEAD);
		ck_assert_str_eq(span_text(rig.moved[0].kind), "k");
	}
	ck_assert_int_eq(queue_rig_state(&rig, &id), JOB_STATE_DEAD);
	ck_assert_ptr_nonnull(strstr(span_text(rig.job[0].errors), "\"attempt\":2"));
}
END_TEST

/* What queue_rescue asks for when it and the server have been there for long enough. */
static const char rescue_others[] = "select count(*) from job_rescue(0, true, true)";

START_TEST(the_silent_are_relieved_by_others)
{
	queue_rig_put_many(&rig, 9);
	queue_rig_claim(&rig, 3, 1);
	queue_rig_claim(&rig, 3, 2);
	queue_rig_claim(&rig, 3, 3);
	sql("update job_worker set beat = now() - interval '4 s' where worker = 1; "
	    "update job_worker set beat = now() - interval '11 s' where worker = 2; "
	    "delete from job_worker where worker = 3");
	ck_assert_int_eq(number(rescue_others), 3);
	ck_assert_int_eq(number("select count(*) from job_lease where worker = 2"), 0);
	ck_assert_int_eq(number("select count(*) from job_lease where worker = 1"), 3);
	ck_assert_int_eq(number("select count(*) from job_worker where worker = 2"), 0);
	/* one that was never heard of has as much time */
	ck_assert_int_eq(number("select count(*) from job_lease where worker = 3"), 3);
	sql("update job_lease set since = now() - interval '11 s'");
	ck_assert_int_eq(number(rescue_others), 3);
	ck_assert_int_eq(number("select count(*) from job_lease where worker = 1"), 3);
	/* by a process that has only just come itself nobody is believed to be dead */
	sql("update job_worker set beat = now() - interval '11 s' where worker = 1");
	ck_assert_uint_eq(rescue(0), 0);
}
END_TEST

START_TEST(what_a_claim_has_not_told_is_given_back)
{
	struct uuid known[2];
	const unsigned n = 6;

	queue_rig_put_many(&rig, n);
	queue_rig_claim(&rig, 4, 5);
	known[0] = rig.claimed[1].id;
	known[1] = rig.claimed[3].id;
	queue_rig_claim(&rig, 2, 6);
	const unsigned before = rig.answers;
	queue_disown(rig.queue, 5, known, 2, queue_rig_moved_cb, &rig);
	queue_rig_wait(&rig, before + 1);
	ck_assert_uint_eq(rig.n, 2);
	ck_assert_int_eq(rig.moved[0].state, JOB_STATE_QUEUED);
	ck_assert_uint_eq(rig.moved[0].attempt, 0);
	ck_assert_int_eq(number("select count(*) from job_lease where worker = 5"), 2);
	ck_assert_int_eq(number("select count(*) from job_lease where worker = 6"), 2);
	ck_assert_uint_eq(queue_rig_claim(&rig, 6, 5), 2);
	ck_assert_uint_eq(rig.claimed[0].attempt, 1);
	/* nothing is known */
	queue_disown(rig.queue, 5, NULL, 0, queue_rig_moved_cb, &rig);
	queue_rig_wait(&rig, rig.answers + 1);
	ck_assert_uint_eq(rig.n, 4);
}
END_TEST

START_TEST(what_is_due_is_promoted)
{
	const unsigned n = 3;
	struct job_new job[3] = {queue_rig_job(), queue_rig_job(), queue_rig_job()};

	for (unsigned i = 0; i < n; i++)
		job[i].run_at_ms = 4102444800000 + 1000 * (int64_t)(n - i);
	queue_rig_put_ask(&rig, job, n);
	sql("update job_later set run_at = run_at - interval '1 hour' - (timestamptz "
	    "'2100-01-01 00:00:00Z' - now()) where run_at < '2100-01-01 00:00:03Z'");
	const unsigned before = rig.answers;
	queue_promote(rig.queue, queue_rig_moved_cb, &rig);
	queue_rig_wait(&rig, before + 1);
	ck_assert_uint_eq(rig.n, 2);
	ck_assert_int_gt(rig.next_ms, 1000000);
	/* the one that was due first is first */
	ck_assert_uint_eq(queue_rig_claim(&rig, 3, 0), 2);
	ck_assert_int_eq(uuid_compare(&rig.claimed[0].id, &job[2].id), 0);
	ck_assert_int_eq(uuid_compare(&rig.claimed[1].id, &job[1].id), 0);
	sql("delete from job_later");
	queue_promote(rig.queue, queue_rig_moved_cb, &rig);
	queue_rig_wait(&rig, rig.answers + 1);
	ck_assert_uint_eq(rig.n, 0);
	ck_assert_int_eq(rig.next_ms, -1);
}
END_TEST

/* More than one statement takes, and due for so long that only a look at all finds them. */
START_TEST(many_that_are_late_are_moved_at_once)
{
	static const size_t n[] = {1000, 1000, 500};

	sql("insert into job_later select now() - interval '5 min', gen_random_uuid(), 0, 5, 5, "
	    "false, 'w', 'q' from generate_series(1, 2500)");
	for (int i = 0; i < 3; i++) {
		queue_promote(rig.queue, queue_rig_moved_cb, &rig);
		queue_rig_wait(&rig, rig.answers + 1);
		ck_assert_uint_eq(rig.n, n[i]);
	}
	sql("insert into job_lease(id, lease, worker, deadline, attempt, last, priority, hand, "
	    "queue) select gen_random_uuid(), n, 0, now() - interval '5 min', 1, 5, 5, 'w', 'q' "
	    "from generate_series(1, 2500) n");
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(rescue(0), n[i]);
}
END_TEST

/* Its rows were deleted, but for the one that has its args. */
START_TEST(what_is_nowhere_can_be_cancelled)
{
	const struct job_new job = queue_rig_job();
	const struct uuid id = queue_rig_put(&rig, &job);

	sql("delete from job_ready");
	ck_assert_int_eq(cancel(&id), CANCEL_DONE);
	ck_assert_int_eq(queue_rig_state(&rig, &id), JOB_STATE_CANCELLED);
	ck_assert_int_eq(cancel(&id), CANCEL_FINAL);
}
END_TEST

START_TEST(attempts_have_an_end)
{
	const struct job_new job = queue_rig_job();
	const struct uuid id = queue_rig_put(&rig, &job);

	sql("delete from job_ready; insert into job_result(id, no, at, attempt, state) select id, "
	    "0, now(), 32000, 'x' from jobs");
	ck_assert_int_eq(retry(&id), RETRY_DONE);
	ck_assert_uint_eq(queue_rig_claim(&rig, 1, 0), 1);
	ck_assert_int_eq(queue_rig_end(&rig, 0, JOB_RETRY)->state, JOB_STATE_DEAD);
}
END_TEST

START_TEST(an_executor_that_has_ended_is_forgotten)
{
	queue_rig_put_many(&rig, 1);
	queue_rig_claim(&rig, 1, 4);
	for (int i = 0; i < 2; i++) {
		const unsigned before = rig.answers;
		queue_bury(rig.queue, 4, queue_rig_ids_cb, &rig);
		queue_rig_wait(&rig, before + 1);
		ck_assert_int_eq(rig.answer.outcome, QUEUE_OK);
		/* but not while it has a lease */
		ck_assert_int_eq(number("select count(*) from job_worker"), !i);
		sql("delete from job_lease");
	}
}
END_TEST

/* ---- without a database ---- */

START_TEST(while_the_database_is_gone)
{
	const struct job_new job = queue_rig_job();

	pg_server_run(&server, "kill");
	/* the first ones may find a connection that looks alive */
	do {
		queue_rig_put_ask(&rig, &job, 1);
	} while (queue_is_usable(rig.queue));
	queue_rig_put_ask(&rig, &job, 1);
	ck_assert_int_eq(rig.answer.outcome, QUEUE_DOWN);
	ck_assert_uint_ge(rig.answer.retry_after_s, 1);
	ck_assert_uint_eq(rig.n, 0);
	pg_server_run(&server, "restart");
	queue_rig_ready(&rig);
	queue_rig_put_ask(&rig, &job, 1);
	ck_assert_int_eq(rig.answer.outcome, QUEUE_OK);
	ck_assert_int_eq(number("select count(*) from jobs"), 1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("queue");
	TCase *tc = tcase_create("queue");

	tcase_add_unchecked_fixture(tc, start_server, remove_server);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_job_is_put_run_and_done);
	tcase_add_test(tc, who_puts_together_is_told_its_own);
	tcase_add_test(tc, scheduled_jobs_among_others_are_told_apart);
	tcase_add_test(tc, what_was_deleted_by_hand_is_in_nobodys_way);
	tcase_add_test(tc, priorities_go_first_then_age);
	tcase_add_test(tc, hands_and_queues_are_apart);
	tcase_add_test(tc, an_id_is_put_once);
	tcase_add_test(tc, a_key_is_held_by_one_job_of_its_queue);
	tcase_add_test(tc, what_is_sent_again_is_not_put_again);
	tcase_add_test(tc, a_failed_job_is_tried_again_and_dies_at_last);
	tcase_add_test(tc, the_pause_grows_and_has_jitter);
	tcase_add_test(tc, ends_of_every_kind);
	tcase_add_test(tc, only_who_has_the_lease_finishes);
	tcase_add_test(tc, ends_that_come_together);
	tcase_add_test(tc, a_long_error_is_cut_between_characters);
	tcase_add_test(tc, what_the_database_cannot_hold_harms_nobody_else);
	tcase_add_test(tc, a_lease_is_extended);
	tcase_add_test(tc, parts_are_there_at_the_next_attempt);
	tcase_add_test(tc, a_waiting_job_is_cancelled);
	tcase_add_test(tc, many_are_cancelled_at_once);
	tcase_add_test(tc, a_running_job_is_asked_to_end);
	tcase_add_test(tc, what_has_failed_is_tried_again);
	tcase_add_test(tc, a_cancelled_job_takes_its_key_again);
	tcase_add_test(tc, lists_by_state_queue_and_kind);
	tcase_add_test(tc, queues_are_counted);
	tcase_add_test(tc, queues_are_set);
	tcase_add_test(tc, the_dead_are_relieved_at_once);
	tcase_add_test(tc, a_lost_attempt_counts);
	tcase_add_test(tc, the_silent_are_relieved_by_others);
	tcase_add_test(tc, what_a_claim_has_not_told_is_given_back);
	tcase_add_test(tc, what_is_due_is_promoted);
	tcase_add_test(tc, many_that_are_late_are_moved_at_once);
	tcase_add_test(tc, what_is_nowhere_can_be_cancelled);
	tcase_add_test(tc, attempts_have_an_end);
	tcase_add_test(tc, an_executor_that_has_ended_is_forgotten);
	tcase_add_test(tc, while_the_database_is_gone);
	tcase_set_timeout(tc, 120);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
