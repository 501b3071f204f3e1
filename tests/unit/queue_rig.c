/*
 * queue_rig.c - a process with a queue, for its tests.
 */
#include "queue_rig.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/conninfo.h"

#define TEXT_SIZE (8u << 20)

static size_t text_len;
static struct queue_rig *running;
static unsigned wanted;
static uint64_t give_up_ms;
static struct watch ticker;

/* What the configuration does for the daemon. */
char *
config_mask_conninfo(const char *conninfo)
{
	(void)conninfo;
	return strdup("MASKED");
}

static void
tick_cb(void *arg, short what)
{
	(void)arg;
	(void)what;
	ck_assert_msg(clock_monotonic_ms() < give_up_ms, "no answer");
	watch_start_ms(&ticker, 2);
}

static bool
pass(void *arg)
{
	struct queue_rig *rig = arg;

	if (rig != running)
		return false;
	if (wanted ? rig->answers >= wanted : queue_is_ready(rig->queue))
		loop_stop(rig->loop);
	return false;
}

static void
run(struct queue_rig *rig, unsigned answers)
{
	running = rig;
	wanted = answers;
	give_up_ms = clock_monotonic_ms() + 60000;
	watch_init_timer(&ticker, rig->loop, "tick", tick_cb, NULL);
	watch_start_ms(&ticker, 0);
	loop_run(rig->loop);
	watch_stop(&ticker);
	running = NULL;
}

void
queue_rig_ready(struct queue_rig *rig)
{
	run(rig, 0);
}

void
queue_rig_join(struct queue_rig *rig, const struct pg_server *server, unsigned lanes)
{
	static struct pass_hook hooks[64];
	static unsigned n_hooks;

	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	memset(rig, 0, sizeof(*rig));
	snprintf(rig->database, sizeof(rig->database), "%s", server->conninfo);
	snprintf(rig->schema, sizeof(rig->schema), "public");
	rig->config = (struct config){
	    .store_database = rig->database,
	    .store_schema = rig->schema,
	    .store_connect_timeout = 5000,
	    .store_statement_timeout = 30000,
	    .store_queue_limit = 100000,
	    .store_queue_timeout = 10000,
	    .jobs_queue_concurrency = 1000,
	    .jobs_queue_depth = 10000,
	    .jobs_lease = 60000,
	    .jobs_retention = UINT64_C(7) * 86400 * 1000,
	};
	rig->text = malloc(TEXT_SIZE);
	rig->loop = loop_new();
	ck_assert(rig->text && rig->loop && n_hooks < 64);
	const struct queue_settings settings = {.config = &rig->config, .lanes = lanes};
	rig->queue = queue_new(rig->loop, &settings);
	ck_assert_ptr_nonnull(rig->queue);
	hooks[n_hooks] = (struct pass_hook){.fn = pass, .name = "rig", .arg = rig};
	loop_add_pass_hook(rig->loop, &hooks[n_hooks++]);
	queue_rig_ready(rig);
}

void
queue_rig_init(struct queue_rig *rig, const struct pg_server *server, unsigned lanes)
{
	pg_server_sql(server, "drop schema if exists public cascade; "
			      "create schema public authorization plaza");
	queue_rig_join(rig, server, lanes);
}

void
queue_rig_fini(struct queue_rig *rig)
{
	queue_free(&rig->queue);
	loop_free(&rig->loop);
	free(rig->text);
}

void
queue_rig_wait(struct queue_rig *rig, unsigned answers)
{
	if (rig->answers < answers)
		run(rig, answers);
}

/* ---- answers ---- */

static struct span
copy(struct queue_rig *rig, struct span span)
{
	if (!span.ptr)
		return span;
	ck_assert_uint_le(text_len + span.len, TEXT_SIZE);
	memcpy(rig->text + text_len, span.ptr, span.len);
	text_len += span.len;
	return span_from(rig->text + text_len - span.len, span.len);
}

static struct queue_rig *
note(void *ctx, const struct queue_answer *answer)
{
	struct queue_rig *rig = ctx;

	rig->answers++;
	rig->answer = *answer;
	rig->n = 0;
	text_len = 0;
	return rig;
}

void
queue_rig_put_cb(const struct queue_answer *answer, const struct put_row *row, size_t n, void *ctx)
{
	struct queue_rig *rig = note(ctx, answer);

	ck_assert_uint_le(n, RIG_ROWS);
	if (n)
		memcpy(rig->put, row, n * sizeof(*row));
	rig->n = n;
}

void
queue_rig_claim_cb(const struct queue_answer *answer, const struct claim_result *result, void *ctx)
{
	struct queue_rig *rig = note(ctx, answer);

	ck_assert_int_eq(answer->outcome == QUEUE_OK, result != NULL);
	if (!result)
		return;
	rig->end = result->end;
	rig->running = result->running;
	rig->n = result->n;
	for (size_t i = 0; i < result->n; i++) {
		struct claimed *c = &rig->claimed[i];

		*c = result->job[i];
		c->kind = copy(rig, c->kind);
		c->args = copy(rig, c->args);
		c->parts = copy(rig, c->parts);
	}
}

void
queue_rig_finish_cb(const struct queue_answer *answer, const struct ended_row *row, void *ctx)
{
	struct queue_rig *rig = note(ctx, answer);

	if (!row)
		return;
	rig->ended = *row;
	rig->ended.queue = copy(rig, row->queue);
	rig->ended.kind = copy(rig, row->kind);
}

void
queue_rig_extend_cb(const struct queue_answer *answer, const struct extend_row *row, void *ctx)
{
	struct queue_rig *rig = note(ctx, answer);

	if (!row)
		return;
	rig->extended = *row;
	rig->extended.queue = copy(rig, row->queue);
	rig->extended.kind = copy(rig, row->kind);
}

void
queue_rig_part_cb(const struct queue_answer *answer, bool is_lost, void *ctx)
{
	note(ctx, answer)->is_lost = is_lost;
}

void
queue_rig_cancel_cb(const struct queue_answer *answer, const struct cancel_row *row, void *ctx)
{
	struct queue_rig *rig = note(ctx, answer);

	if (!row)
		return;
	rig->cancelled = *row;
	rig->cancelled.queue = copy(rig, row->queue);
	rig->cancelled.kind = copy(rig, row->kind);
}

void
queue_rig_retry_cb(const struct queue_answer *answer, const struct retry_row *row, void *ctx)
{
	struct queue_rig *rig = note(ctx, answer);

	if (!row)
		return;
	rig->retried = *row;
	rig->retried.queue = copy(rig, row->queue);
	rig->retried.kind = copy(rig, row->kind);
}

void
queue_rig_rows_cb(const struct queue_answer *answer, const struct job_row *row, size_t n, void *ctx)
{
	struct queue_rig *rig = note(ctx, answer);

	ck_assert_uint_le(n, RIG_ROWS);
	rig->n = n;
	for (size_t i = 0; i < n; i++) {
		struct job_row *job = &rig->job[i];

		*job = row[i];
		job->queue = copy(rig, job->queue);
		job->kind = copy(rig, job->kind);
		job->args = copy(rig, job->args);
		job->result = copy(rig, job->result);
		job->errors = copy(rig, job->errors);
		job->unique = copy(rig, job->unique);
	}
}

void
queue_rig_queues_cb(const struct queue_answer *answer, const struct queue_row *row, size_t n,
		    void *ctx)
{
	struct queue_rig *rig = note(ctx, answer);

	ck_assert_uint_le(n, 300);
	rig->n = n;
	for (size_t i = 0; i < n; i++) {
		rig->row[i] = row[i];
		rig->row[i].name = copy(rig, row[i].name);
	}
}

void
queue_rig_ids_cb(const struct queue_answer *answer, const struct uuid *id, size_t n, void *ctx)
{
	struct queue_rig *rig = note(ctx, answer);

	if (n)
		memcpy(rig->id, id, n * sizeof(*id));
	rig->n = n;
}

void
queue_rig_moved_cb(const struct queue_answer *answer, const struct moved *moved, void *ctx)
{
	struct queue_rig *rig = note(ctx, answer);

	if (!moved)
		return;
	rig->n = moved->n;
	rig->next_ms = moved->next_ms;
	for (size_t i = 0; i < moved->n; i++) {
		rig->moved[i] = moved->row[i];
		rig->moved[i].queue = copy(rig, moved->row[i].queue);
		rig->moved[i].kind = copy(rig, moved->row[i].kind);
	}
}

void
queue_rig_keep_cb(const struct queue_answer *answer, void *ctx)
{
	note(ctx, answer);
}

/* ---- asking ---- */

struct job_new
queue_rig_job(void)
{
	struct job_new job = {
	    .hand = 'w',
	    .queue = SPAN_LIT("q"),
	    .kind = SPAN_LIT("k"),
	    .args = SPAN_LIT("{}"),
	    .priority = JOB_PRIORITY,
	    .max_attempts = JOB_ATTEMPTS,
	};

	ck_assert(uuid_make(&job.id));
	return job;
}

void
queue_rig_put_ask(struct queue_rig *rig, const struct job_new *job, size_t n)
{
	const unsigned before = rig->answers;

	queue_put(rig->queue, job, n, queue_rig_put_cb, rig);
	queue_rig_wait(rig, before + 1);
}

struct uuid
queue_rig_put(struct queue_rig *rig, const struct job_new *job)
{
	queue_rig_put_ask(rig, job, 1);
	ck_assert_int_eq(rig->answer.outcome, QUEUE_OK);
	ck_assert_uint_eq(rig->n, 1);
	ck_assert_int_eq(rig->put[0].state, PUT_MADE);
	return rig->put[0].id;
}

void
queue_rig_put_many(struct queue_rig *rig, unsigned n)
{
	const unsigned before = rig->answers;

	for (unsigned i = 0; i < n; i++) {
		const struct job_new job = queue_rig_job();
		queue_put(rig->queue, &job, 1, queue_rig_put_cb, rig);
	}
	queue_rig_wait(rig, before + n);
	ck_assert_int_eq(rig->answer.outcome, QUEUE_OK);
}

size_t
queue_rig_claim_full(struct queue_rig *rig, unsigned max, int64_t worker, bool is_full)
{
	const unsigned before = rig->answers;
	const struct claim claim = {
	    .queue = SPAN_LIT("q"),
	    .hand = 'w',
	    .max = max,
	    .worker = worker,
	    .lease_ms = 60000,
	    .is_full = is_full,
	};

	queue_claim(rig->queue, &claim, queue_rig_claim_cb, rig);
	queue_rig_wait(rig, before + 1);
	ck_assert_int_eq(rig->answer.outcome, QUEUE_OK);
	return rig->n;
}

size_t
queue_rig_claim(struct queue_rig *rig, unsigned max, int64_t worker)
{
	return queue_rig_claim_full(rig, max, worker, false);
}

const struct ended_row *
queue_rig_finish(struct queue_rig *rig, const struct ended *ended)
{
	const unsigned before = rig->answers;

	queue_finish(rig->queue, ended, queue_rig_finish_cb, rig);
	queue_rig_wait(rig, before + 1);
	ck_assert_int_eq(rig->answer.outcome, QUEUE_OK);
	return &rig->ended;
}

const struct ended_row *
queue_rig_end(struct queue_rig *rig, size_t i, enum job_outcome outcome)
{
	const struct ended ended = {
	    .id = rig->claimed[i].id,
	    .lease = rig->claimed[i].lease,
	    .outcome = outcome,
	    .error = outcome == JOB_RETRY || outcome == JOB_FAILED ? "it broke" : NULL,
	};

	return queue_rig_finish(rig, &ended);
}

const struct job_row *
queue_rig_get(struct queue_rig *rig, const struct uuid *id)
{
	const unsigned before = rig->answers;

	queue_get(rig->queue, id, queue_rig_rows_cb, rig);
	queue_rig_wait(rig, before + 1);
	ck_assert_int_eq(rig->answer.outcome, QUEUE_OK);
	ck_assert_uint_le(rig->n, 1);
	return rig->n ? &rig->job[0] : NULL;
}

enum job_state
queue_rig_state(struct queue_rig *rig, const struct uuid *id)
{
	const struct job_row *job = queue_rig_get(rig, id);

	ck_assert_ptr_nonnull(job);
	return job->state;
}

const char *
span_text(struct span span)
{
	static char text[4][4000];
	static unsigned at;
	char *to = text[at++ % 4];

	snprintf(to, sizeof(text[0]), "%.*s", (int)span.len, span.ptr ? span.ptr : "");
	return to;
}
