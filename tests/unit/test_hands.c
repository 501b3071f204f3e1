/* links: src/jobs/hands.c src/jobs/run.c src/jobs/credits.c src/base/uuid.c src/http/json_text.c
 * src/http/mistakes.c src/proc/segment.c src/proc/doorbell.c src/base/loop.c src/base/log.c
 * src/base/clock.c src/base/siphash.c tests/unit/fail_alloc.c -levent_core -ljansson */
/*
 * test_hands.c - jobs in hand: how they end, what becomes of their ends while the database does not
 * take them, parts, progress, cancels, lost leases, and whose a credit is. The queue is a script.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fail_alloc.h"
#include "jobs/hands.h"
#include "jobs/kinds.h"
#include "jobs/run.h"

#define LIMIT 100

static struct segment *segment;
static struct doorbell bell;
static struct loop *loop;
static struct config config;
static struct credits credits;
static struct job_teller teller;
static struct hands *hands;

/* What the hands have said of those that left. */
static struct {
	unsigned n, n_lost;
	enum job_state state;
} left;

static void
left_cb(const struct ended_row *row, void *ctx)
{
	ck_assert_ptr_eq(ctx, &left);
	left.n++;
	if (row)
		left.state = row->state;
	else
		left.n_lost++;
}

/* ---- the room ---- */

static struct job_told told;
static unsigned n_told;

void
job_tell(struct job_teller *t, const struct job_told *what)
{
	/* what libcheck allocates is not to fail */
	fail_alloc_hold(true);
	ck_assert_ptr_eq(t, &teller);
	fail_alloc_hold(false);
	told = *what;
	n_told++;
}

/* ---- the queue ---- */

#define CALLS 64

static struct call {
	bool is_open;
	struct ended ended;
	char result[200], error[200];
	queue_finish_fn *finish;
	struct part part;
	char json[200];
	queue_part_fn *put_part;
	struct extend extend;
	queue_extend_fn *extended;
	void *ctx;
} call[CALLS];
static unsigned n_calls;
/* Every call is answered inside, so. */
static bool answers_down;

static const struct queue_answer ok = {.outcome = QUEUE_OK}, down = {.outcome = QUEUE_DOWN},
				 refused = {.outcome = QUEUE_REFUSED},
				 unknown = {.outcome = QUEUE_UNKNOWN};

static struct call *
open_call(void *ctx)
{
	fail_alloc_hold(true);
	ck_assert_uint_lt(n_calls, CALLS);
	fail_alloc_hold(false);
	call[n_calls] = (struct call){.is_open = true, .ctx = ctx};
	return &call[n_calls++];
}

void
queue_finish(struct queue *queue, const struct ended *ended, queue_finish_fn *done, void *ctx)
{
	(void)queue;
	if (answers_down) {
		done(&down, NULL, ctx);
		return;
	}
	struct call *c = open_call(ctx);

	c->ended = *ended;
	c->finish = done;
	snprintf(c->result, sizeof(c->result), "%.*s", (int)ended->result.len,
		 ended->result.ptr ? ended->result.ptr : "");
	snprintf(c->error, sizeof(c->error), "%s", ended->error ? ended->error : "");
}

void
queue_put_part(struct queue *queue, const struct part *part, queue_part_fn *done, void *ctx)
{
	(void)queue;
	if (answers_down) {
		done(&down, false, ctx);
		return;
	}
	struct call *c = open_call(ctx);

	c->part = *part;
	c->put_part = done;
	snprintf(c->json, sizeof(c->json), "%.*s", (int)part->json.len, part->json.ptr);
}

void
queue_extend(struct queue *queue, const struct extend *extend, queue_extend_fn *done, void *ctx)
{
	(void)queue;
	if (answers_down) {
		done(&down, NULL, ctx);
		return;
	}
	struct call *c = open_call(ctx);

	c->extend = *extend;
	c->extended = done;
}

static struct call *
last_call(void)
{
	ck_assert_uint_gt(n_calls, 0);
	return &call[n_calls - 1];
}

static void
answer_finish(struct call *c, const struct queue_answer *answer, bool is_lost, enum job_state state)
{
	const struct ended_row row = {
	    .is_lost = is_lost, .state = state, .queue = SPAN_LIT("default")};

	ck_assert(c->is_open && c->finish);
	c->is_open = false;
	c->finish(answer, answer->outcome == QUEUE_OK ? &row : NULL, c->ctx);
}

static void
answer_part(struct call *c, const struct queue_answer *answer, bool is_lost)
{
	ck_assert(c->is_open && c->put_part);
	c->is_open = false;
	c->put_part(answer, is_lost, c->ctx);
}

static void
answer_extend(struct call *c, bool is_lost, bool is_cancelled)
{
	const struct extend_row row = {.is_lost = is_lost, .is_cancelled = is_cancelled};

	ck_assert(c->is_open && c->extended);
	c->is_open = false;
	c->extended(&ok, &row, c->ctx);
}

/* ---- a kind ---- */

static struct job_run *started;
static unsigned n_started, n_cancelled, n_closed;
static bool ends_at_once, cancel_retries;
static int the_process;

static bool
kind_check(const json_t *args, const struct config *c, struct mistakes *mistakes)
{
	(void)c;
	if (!json_object_get(args, "bad"))
		return true;
	mistakes_add_key(mistakes, SPAN_LIT("bad"), "must not be there");
	return false;
}

static bool
kind_open(const struct job_kind_env *env, void **process)
{
	ck_assert_ptr_eq(env->loop, loop);
	ck_assert_ptr_eq(env->credits, &credits);
	*process = &the_process;
	return true;
}

static void
kind_close(void *process)
{
	ck_assert_ptr_eq(process, &the_process);
	n_closed++;
}

static void
kind_start(struct job_run *run)
{
	fail_alloc_hold(true);
	ck_assert_ptr_eq(run->process, &the_process);
	fail_alloc_hold(false);
	started = run;
	n_started++;
	if (ends_at_once)
		job_run_done(run, JOB_DONE, SPAN_LIT("{\"a\":1}"), NULL, 0);
}

static void
kind_cancel(struct job_run *run)
{
	n_cancelled++;
	if (cancel_retries)
		job_run_done(run, JOB_RETRY, span_from(NULL, 0), "it failed just now", 0);
	else
		job_run_done(run, JOB_CANCELLED, span_from(NULL, 0), NULL, 0);
}

static const struct job_kind kind = {
    .name = "walk",
    .check = kind_check,
    .open = kind_open,
    .close = kind_close,
    .start = kind_start,
    .cancel = kind_cancel,
};

size_t
job_kinds(void)
{
	return 1;
}

const struct job_kind *
job_kind_at(size_t index)
{
	return index == 0 ? &kind : NULL;
}

const struct job_kind *
job_kind_find(struct span name)
{
	return span_eq(name, SPAN_LIT("walk")) ? &kind : NULL;
}

/* ---- */

static void
setup(void)
{
	const struct hands_settings settings = {
	    .config = &config,
	    .queue = (struct queue *)(void *)&left,
	    .credits = &credits,
	    .teller = &teller,
	    .left = left_cb,
	    .ctx = &left,
	};

	segment = segment_new(4096);
	ck_assert_ptr_nonnull(segment);
	ck_assert(doorbell_init(&bell));
	loop = loop_new();
	ck_assert_ptr_nonnull(loop);
	credits = (struct credits){segment->jobs, segment, &bell, 0};
	hands = hands_new(loop, &settings);
	ck_assert_ptr_nonnull(hands);
	hands_set_stores(hands, true);
}

static void
teardown(void)
{
	hands_free(&hands);
	ck_assert_uint_eq(n_closed, 1);
	loop_free(&loop);
	segment_free(&segment);
}

static struct uuid
id_of(unsigned n)
{
	struct uuid id = {{0}};

	memcpy(id.byte + 12, &n, sizeof(n));
	return id;
}

static unsigned
used(void)
{
	return credit_used(&credits.shared->jobs);
}

static void
take_job(unsigned n, const char *kind_name, const char *args, const char *parts)
{
	const struct claimed job = {
	    .id = id_of(n),
	    .lease = 100 + n,
	    .kind = span_str(kind_name),
	    .args = span_str(args),
	    .parts = span_str(parts),
	    .attempt = 2,
	};

	ck_assert(credit_take(&credits, &credits.shared->jobs, LIMIT));
	ck_assert(hands_take(hands, SPAN_LIT("default"), &job));
}

static void
take(unsigned n)
{
	take_job(n, "walk", "{}", "");
}

static unsigned n_passes;

static bool
stop_cb(void *arg)
{
	/* the first comes before anything was waited for */
	if (++n_passes == 2)
		loop_stop(arg);
	return false;
}

/* Until a timer of the hands has run. */
static void
turn(void)
{
	static struct pass_hook hook;

	if (!hook.fn) {
		hook = (struct pass_hook){.fn = stop_cb, .name = "stop", .arg = loop};
		loop_add_pass_hook(loop, &hook);
	}
	n_passes = 0;
	loop_run(loop);
}

START_TEST(one_runs_and_ends)
{
	take(7);
	ck_assert_uint_eq(n_started, 1);
	ck_assert_uint_eq(started->attempt, 2);
	ck_assert_str_eq(started->id + 24, "000007000000");
	ck_assert_uint_eq(hands_count(hands), 1);
	ck_assert_int_eq(told.state, JOB_STATE_RUNNING);
	job_run_done(started, JOB_DONE, SPAN_LIT("[1,2]"), NULL, 0);
	/* it is ours until its end is stored */
	ck_assert_uint_eq(n_calls, 1);
	ck_assert_int_eq(call[0].ended.outcome, JOB_DONE);
	ck_assert_int_eq(call[0].ended.lease, 107);
	ck_assert_str_eq(call[0].result, "[1,2]");
	ck_assert_ptr_null(call[0].ended.error);
	ck_assert_int_eq(call[0].ended.retry_after_ms, -1);
	ck_assert_uint_eq(used(), 1);
	ck_assert_uint_eq(hands_count(hands), 1);
	answer_finish(&call[0], &ok, false, JOB_STATE_DONE);
	ck_assert_uint_eq(used(), 0);
	ck_assert_uint_eq(hands_count(hands), 0);
	ck_assert_uint_eq(left.n, 1);
	ck_assert_int_eq(left.state, JOB_STATE_DONE);
	ck_assert_int_eq(told.state, JOB_STATE_DONE);
	ck_assert_uint_eq(n_told, 2);
}
END_TEST

START_TEST(one_may_end_while_it_is_started)
{
	ends_at_once = true;
	for (unsigned i = 0; i < 10; i++)
		take(i);
	ck_assert_uint_eq(n_calls, 10);
	ck_assert_uint_eq(hands_count(hands), 10);
	struct uuid ids[10];
	hands_list(hands, ids);
	for (unsigned i = 0; i < 10; i++) {
		const struct uuid id = id_of(i);

		ck_assert_int_eq(uuid_compare(&ids[i], &id), 0);
		answer_finish(&call[i], &ok, false, JOB_STATE_DONE);
	}
	ck_assert_uint_eq(used(), 0);
}
END_TEST

START_TEST(what_cannot_be_run_fails)
{
	take_job(1, "walk", "{\"bad\":1}", "");
	ck_assert_int_eq(call[0].ended.outcome, JOB_FAILED);
	ck_assert_str_eq(call[0].error, "/args/bad: must not be there");
	take_job(2, "walk", "{\"bad\":", "");
	ck_assert_int_eq(call[1].ended.outcome, JOB_FAILED);
	ck_assert_ptr_nonnull(strstr(call[1].error, "args"));
	/* another plazad may know it */
	take_job(3, "crawl", "{}", "");
	ck_assert_int_eq(call[2].ended.outcome, JOB_RETRY);
	ck_assert_ptr_nonnull(strstr(call[2].error, "kind"));
	ck_assert_uint_eq(n_started, 0);
	for (unsigned i = 0; i < 3; i++)
		answer_finish(&call[i], &ok, false, JOB_STATE_FAILED);
}
END_TEST

START_TEST(ends_are_kept_while_the_database_is_away)
{
	take(1);
	struct job_run *one = started;
	take(2);
	struct job_run *two = started;

	hands_set_stores(hands, false);
	job_run_done(one, JOB_DONE, SPAN_LIT("1"), NULL, 0);
	ck_assert_uint_eq(n_calls, 0);
	ck_assert_uint_eq(used(), 2);
	hands_set_stores(hands, true);
	ck_assert_uint_eq(n_calls, 1);
	ck_assert_str_eq(call[0].result, "1");
	/* it was sent, and nobody knows: it is sent again */
	hands_set_stores(hands, false);
	answer_finish(&call[0], &unknown, false, JOB_STATE_DONE);
	ck_assert_uint_eq(hands_count(hands), 2);
	job_run_done(two, JOB_FAILED, span_from(NULL, 0), "no", 0);
	hands_set_stores(hands, true);
	ck_assert_uint_eq(n_calls, 3);
	ck_assert_str_eq(call[1].result, "1");
	ck_assert_str_eq(call[2].error, "no");
	/* the first one had come through: its lease is gone, and that is all right */
	answer_finish(&call[1], &ok, true, 0);
	answer_finish(&call[2], &ok, false, JOB_STATE_FAILED);
	ck_assert_uint_eq(left.n, 2);
	ck_assert_uint_eq(left.n_lost, 1);
	ck_assert_uint_eq(used(), 0);
}
END_TEST

START_TEST(an_end_that_is_not_taken_comes_again_by_itself)
{
	take(1);
	answers_down = true;
	job_run_done(started, JOB_DONE, SPAN_LIT("1"), NULL, 0);
	ck_assert_uint_eq(n_calls, 0);
	turn();
	ck_assert_uint_eq(n_calls, 0);
	answers_down = false;
	turn();
	ck_assert_uint_eq(n_calls, 1);
	answer_finish(&call[0], &ok, false, JOB_STATE_DONE);
	ck_assert_uint_eq(used(), 0);
}
END_TEST

START_TEST(a_result_that_the_database_refuses_is_a_failure)
{
	take(1);
	job_run_done(started, JOB_DONE, SPAN_LIT("{\"a\":\"\\u0000\"}"), NULL, 0);
	answer_finish(&call[0], &refused, false, 0);
	ck_assert_uint_eq(used(), 1);
	turn();
	ck_assert_uint_eq(n_calls, 2);
	ck_assert_int_eq(call[1].ended.outcome, JOB_FAILED);
	ck_assert_str_eq(call[1].result, "");
	ck_assert_str_ne(call[1].error, "");
	answer_finish(&call[1], &ok, false, JOB_STATE_FAILED);
	ck_assert_uint_eq(used(), 0);
}
END_TEST

/* Of many that are refused at the same time the log has a line, not many. */
START_TEST(refusals_do_not_fill_the_log)
{
	FILE *log = tmpfile();
	size_t n = 0;
	char line[500];

	ck_assert_ptr_nonnull(log);
	const int err = dup(STDERR_FILENO);
	ck_assert_int_ge(dup2(fileno(log), STDERR_FILENO), 0);
	for (unsigned i = 0; i < 20; i++) {
		take(i);
		job_run_done(started, JOB_DONE, SPAN_LIT("1"), NULL, 0);
	}
	for (unsigned i = 0; i < 20; i++)
		answer_finish(&call[i], &refused, false, 0);
	ck_assert_int_ge(dup2(err, STDERR_FILENO), 0);
	close(err);
	rewind(log);
	while (fgets(line, sizeof(line), log))
		n += strstr(line, "could not be stored") != NULL;
	fclose(log);
	ck_assert_uint_eq(n, 1);
	/* each of them has failed for all that */
	turn();
	ck_assert_uint_eq(n_calls, 40);
	for (unsigned i = 20; i < 40; i++) {
		ck_assert_int_eq(call[i].ended.outcome, JOB_FAILED);
		answer_finish(&call[i], &ok, false, JOB_STATE_FAILED);
	}
	ck_assert_uint_eq(used(), 0);
}
END_TEST

START_TEST(a_cancel_reaches_the_kind_once)
{
	const struct uuid id = id_of(1), other = id_of(2);

	take(1);
	hands_cancel(hands, &other);
	ck_assert_uint_eq(n_cancelled, 0);
	hands_cancel(hands, &id);
	ck_assert_uint_eq(n_cancelled, 1);
	ck_assert_int_eq(call[0].ended.outcome, JOB_CANCELLED);
	hands_cancel(hands, &id);
	ck_assert_uint_eq(n_cancelled, 1);
	answer_finish(&call[0], &ok, false, JOB_STATE_CANCELLED);
	hands_cancel(hands, &id);
	/* one that fails at that moment is not tried again */
	cancel_retries = true;
	take(1);
	hands_cancel(hands, &id);
	ck_assert_int_eq(call[1].ended.outcome, JOB_CANCELLED);
	answer_finish(&call[1], &ok, false, JOB_STATE_CANCELLED);
	/* and one that had just done its work has done it */
	take(1);
	started->is_cancelled = true;
	job_run_done(started, JOB_DONE, span_from(NULL, 0), NULL, 0);
	ck_assert_int_eq(call[2].ended.outcome, JOB_DONE);
	answer_finish(&call[2], &ok, false, JOB_STATE_DONE);
}
END_TEST

START_TEST(what_is_given_back_is_not_cancelled)
{
	const struct uuid id = id_of(2);

	take(1);
	take(2);
	take(3);
	job_run_done(started, JOB_DONE, span_from(NULL, 0), NULL, 0);
	hands_give_back(hands);
	ck_assert_uint_eq(n_cancelled, 2);
	ck_assert_uint_eq(n_calls, 3);
	ck_assert_int_eq(call[0].ended.outcome, JOB_DONE);
	ck_assert_int_eq(call[1].ended.outcome, JOB_GIVEN_BACK);
	ck_assert_int_eq(call[2].ended.outcome, JOB_GIVEN_BACK);
	hands_cancel(hands, &id);
	/* what was claimed before we were told is not even begun */
	take(4);
	ck_assert_uint_eq(n_started, 3);
	ck_assert_int_eq(call[3].ended.outcome, JOB_GIVEN_BACK);
	for (unsigned i = 0; i < 4; i++)
		answer_finish(&call[i], &ok, false, JOB_STATE_QUEUED);
	ck_assert_uint_eq(hands_count(hands), 0);
	ck_assert_uint_eq(used(), 0);
}
END_TEST

/* A process that has no memory left can end all the same. */
START_TEST(giving_back_takes_no_memory)
{
	for (unsigned i = 0; i < 5; i++)
		take(i);
	fail_alloc_at(1, true);
	hands_give_back(hands);
	fail_alloc_end();
	ck_assert_uint_eq(n_cancelled, 5);
	ck_assert_uint_eq(n_calls, 5);
	for (unsigned i = 0; i < 5; i++) {
		ck_assert_int_eq(call[i].ended.outcome, JOB_GIVEN_BACK);
		answer_finish(&call[i], &ok, false, JOB_STATE_QUEUED);
	}
	ck_assert_uint_eq(used(), 0);
}
END_TEST

START_TEST(parts_are_stored_before_another_attempt)
{
	take_job(1, "walk", "{}", "[null,{\"url\":1}]");
	ck_assert_uint_eq(json_array_size(started->parts), 2);
	ck_assert(json_is_null(json_array_get(started->parts, 0)));
	job_run_part(started, 0, SPAN_LIT("\"zero\""));
	job_run_part(started, 2, SPAN_LIT("\"two\""));
	ck_assert_uint_eq(n_calls, 2);
	ck_assert_uint_eq(call[1].part.n, 2);
	ck_assert_int_eq(call[1].part.lease, 101);
	ck_assert_str_eq(call[1].json, "\"two\"");
	job_run_done(started, JOB_RETRY, span_from(NULL, 0), "later", 5000);
	ck_assert_uint_eq(n_calls, 2);
	answer_part(&call[0], &ok, false);
	ck_assert_uint_eq(n_calls, 2);
	/* the second is not taken, and comes again */
	answer_part(&call[1], &down, false);
	ck_assert_uint_eq(n_calls, 2);
	turn();
	ck_assert_uint_eq(n_calls, 3);
	ck_assert_str_eq(call[2].json, "\"two\"");
	answer_part(&call[2], &ok, false);
	ck_assert_uint_eq(n_calls, 4);
	ck_assert_int_eq(call[3].ended.outcome, JOB_RETRY);
	ck_assert_int_eq(call[3].ended.retry_after_ms, 5000);
	answer_finish(&call[3], &ok, false, JOB_STATE_SCHEDULED);
	ck_assert_uint_eq(used(), 0);
}
END_TEST

START_TEST(parts_that_cannot_be_read_are_made_again)
{
	take_job(1, "walk", "{}", "[null,{\"url\":");
	ck_assert_uint_eq(n_started, 1);
	ck_assert_ptr_null(started->parts);
	job_run_done(started, JOB_DONE, SPAN_LIT("1"), NULL, 0);
	answer_finish(&call[0], &ok, false, JOB_STATE_DONE);
	/* whole numbers are as the kind has stored them */
	take_job(2, "walk", "{}", "[7]");
	ck_assert(json_is_integer(json_array_get(started->parts, 0)));
	job_run_done(started, JOB_DONE, SPAN_LIT("1"), NULL, 0);
	answer_finish(&call[1], &ok, false, JOB_STATE_DONE);
}
END_TEST

START_TEST(an_end_for_good_does_not_wait_for_parts)
{
	take(1);
	job_run_part(started, 0, SPAN_LIT("0"));
	hands_set_stores(hands, false);
	job_run_part(started, 1, SPAN_LIT("1"));
	job_run_done(started, JOB_DONE, SPAN_LIT("2"), NULL, 0);
	hands_set_stores(hands, true);
	ck_assert_uint_eq(n_calls, 3);
	ck_assert_str_eq(call[1].json, "1");
	answer_finish(&call[2], &ok, false, JOB_STATE_DONE);
	ck_assert_uint_eq(used(), 0);
	ck_assert_uint_eq(hands_count(hands), 0);
	/* what is left of it comes home to nobody */
	answer_part(&call[1], &down, false);
	answer_part(&call[0], &ok, true);
	turn();
	ck_assert_uint_eq(n_calls, 3);
	ck_assert_uint_eq(left.n, 1);
}
END_TEST

START_TEST(progress_is_told_and_stored)
{
	take(1);
	job_run_progress(started, 10);
	job_run_progress(started, 11);
	turn();
	ck_assert_uint_eq(n_calls, 1);
	ck_assert_int_eq(call[0].extend.progress, 11);
	ck_assert_uint_eq(call[0].extend.lease_ms, 0);
	answer_extend(&call[0], false, false);
	ck_assert_int_eq(told.state, JOB_STATE_PROGRESS);
	ck_assert_int_eq(told.progress, 11);
	/* the next one after a second, and then the newest */
	job_run_progress(started, 50);
	job_run_progress(started, 200);
	while (n_calls == 1)
		turn();
	ck_assert_int_eq(call[1].extend.progress, 100);
	/* the answer tells of a cancel, too */
	answer_extend(&call[1], false, true);
	ck_assert_uint_eq(n_cancelled, 1);
	ck_assert_int_eq(last_call()->ended.outcome, JOB_CANCELLED);
	answer_finish(last_call(), &ok, false, JOB_STATE_CANCELLED);
	/* the same twice is told once */
	take(2);
	job_run_progress(started, 0);
	ck_assert_uint_eq(n_calls, 3);
	job_run_done(started, JOB_DONE, span_from(NULL, 0), NULL, 0);
	answer_finish(last_call(), &ok, false, JOB_STATE_DONE);
}
END_TEST

START_TEST(a_lost_lease_ends_it_without_a_word)
{
	take(1);
	job_run_part(started, 0, SPAN_LIT("0"));
	answer_part(&call[0], &ok, true);
	ck_assert_uint_eq(n_cancelled, 1);
	ck_assert_uint_eq(hands_count(hands), 0);
	ck_assert_uint_eq(left.n_lost, 1);
	ck_assert_uint_eq(used(), 0);
	ck_assert_uint_eq(n_calls, 1);
	/* with an end under way */
	take(2);
	job_run_progress(started, 5);
	turn();
	job_run_done(started, JOB_DONE, span_from(NULL, 0), NULL, 0);
	answer_extend(&call[1], true, false);
	ck_assert_uint_eq(hands_count(hands), 1);
	answer_finish(&call[2], &ok, true, 0);
	ck_assert_uint_eq(hands_count(hands), 0);
	ck_assert_uint_eq(left.n_lost, 2);
	/* waiting for a part */
	take(3);
	job_run_part(started, 0, SPAN_LIT("0"));
	job_run_done(started, JOB_RETRY, span_from(NULL, 0), "no", 0);
	answer_part(last_call(), &ok, true);
	ck_assert_uint_eq(hands_count(hands), 0);
	ck_assert_uint_eq(left.n_lost, 3);
	ck_assert_uint_eq(used(), 0);
}
END_TEST

/* jansson's buffer has to grow for it */
#define A_PART "0123456789012345678901234567890123456789012345678901234567890123456789"

static bool has_whole_parts = true;

/* Everything that a job does, while an allocation fails; false: nobody has taken it. */
static bool
live_through(unsigned n)
{
	const struct claimed job = {
	    .id = id_of(n),
	    .lease = 100 + n,
	    .kind = SPAN_LIT("walk"),
	    .args = SPAN_LIT("{\"a\":[1,\"two\"]}"),
	    .parts = SPAN_LIT("[null,\"" A_PART "\"]"),
	    .attempt = 1,
	};

	started = NULL;
	if (!hands_take(hands, SPAN_LIT("default"), &job))
		return false;
	if (!started)
		return true;
	has_whole_parts = has_whole_parts &&
			  strcmp(json_string_value(json_array_get(started->parts, 1)), A_PART) == 0;
	job_run_part(started, 0, SPAN_LIT("\"zero\""));
	job_run_progress(started, 10);
	job_run_done(started, JOB_DONE, SPAN_LIT("{\"b\":1}"), "a word", 0);
	return true;
}

START_TEST(memory_runs_out_anywhere)
{
	bool has_failed = true;
	unsigned n;

	for (n = 1; has_failed; n++) {
		bool is_done = false;

		ck_assert_uint_lt(n, 100);
		n_calls = 0;
		ck_assert(credit_take(&credits, &credits.shared->jobs, LIMIT));
		fail_alloc_at(n, false);
		const bool is_taken = live_through(n);
		has_failed = fail_alloc_end();
		if (!is_taken) {
			/* the credit is the caller's still */
			ck_assert_uint_eq(hands_count(hands), 0);
			credit_give(&credits, &credits.shared->jobs);
			continue;
		}
		/* it ends once: as it was, or to be tried again, and never as another end */
		for (unsigned i = 0; i < n_calls; i++) {
			if (call[i].put_part) {
				answer_part(&call[i], &ok, false);
				continue;
			}
			ck_assert(call[i].finish && !is_done);
			is_done = true;
			if (call[i].ended.outcome == JOB_DONE)
				ck_assert_str_eq(call[i].result, "{\"b\":1}");
			else
				ck_assert_int_eq(call[i].ended.outcome, JOB_RETRY);
			ck_assert(has_failed || call[i].ended.outcome == JOB_DONE);
			answer_finish(&call[i], &ok, false, JOB_STATE_DONE);
		}
		ck_assert(is_done);
		ck_assert_uint_eq(used(), 0);
		ck_assert_uint_eq(hands_count(hands), 0);
	}
	ck_assert_uint_gt(n, 8);
	ck_assert(has_whole_parts);
}
END_TEST

START_TEST(the_end_of_the_process_calls_nobody)
{
	take(1);
	job_run_part(started, 0, SPAN_LIT("0"));
	answer_part(&call[0], &down, false);
	take(2);
	job_run_done(started, JOB_DONE, SPAN_LIT("1"), NULL, 0);
	answer_finish(last_call(), &down, false, 0);
	/* the fixture frees; a leak or a double free shows under sanitizers */
	ck_assert_uint_eq(hands_count(hands), 2);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("hands");
	TCase *tc = tcase_create("hands");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, one_runs_and_ends);
	tcase_add_test(tc, one_may_end_while_it_is_started);
	tcase_add_test(tc, what_cannot_be_run_fails);
	tcase_add_test(tc, ends_are_kept_while_the_database_is_away);
	tcase_add_test(tc, an_end_that_is_not_taken_comes_again_by_itself);
	tcase_add_test(tc, a_result_that_the_database_refuses_is_a_failure);
	tcase_add_test(tc, refusals_do_not_fill_the_log);
	tcase_add_test(tc, a_cancel_reaches_the_kind_once);
	tcase_add_test(tc, what_is_given_back_is_not_cancelled);
	tcase_add_test(tc, giving_back_takes_no_memory);
	tcase_add_test(tc, parts_are_stored_before_another_attempt);
	tcase_add_test(tc, parts_that_cannot_be_read_are_made_again);
	tcase_add_test(tc, an_end_for_good_does_not_wait_for_parts);
	tcase_add_test(tc, progress_is_told_and_stored);
	tcase_add_test(tc, a_lost_lease_ends_it_without_a_word);
	tcase_add_test(tc, memory_runs_out_anywhere);
	tcase_add_test(tc, the_end_of_the_process_calls_nobody);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? 1 : 0;
}
