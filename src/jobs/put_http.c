/*
 * put_http.c - jobs that come by HTTP: checked, let in by the room that their queue has, put, told.
 */
#include "jobs/put_http.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "http/json_body.h"
#include "http/json_raw.h"
#include "http/json_string.h"
#include "http/problem.h"
#include "jobs/job_input.h"
#include "jobs/job_json.h"
#include "jobs/job_reply.h"
#include "jobs/job_wait.h"
#include "jobs/jobs_common.h"

#define DAY_MS ((uint64_t)24 * 3600 * 1000)

static const char job_detail[] = "a job is {\"kind\":\"sleep\",\"args\":{\"ms\":20}}; only kind "
				 "is required";
static const char fetch_detail[] =
    "a fetch is {\"urls\":[\"https://example.org/\"]}; only urls is required";

/* What becomes of an item: it is put, or its answer is known before. */
enum fate { FATE_PUT, FATE_INVALID, FATE_FULL, FATE_TOO_MANY_QUEUES };

struct item {
	enum fate fate;
	size_t place; /* FATE_PUT: among those that are put */
	unsigned retry_after_s;
	struct buffer errors; /* FATE_INVALID: JSON */
};

/* A request under way. */
struct put {
	struct jobs *jobs;
	struct exchange *x;
	json_t *json;
	char *text; /* the body: what is put points into both */
	bool is_array;
	uint64_t wait_ms;      /* 0: nobody wishes to wait */
	struct waiter *waiter; /* of one with that wish, until it is made; NULL */
	size_t n;              /* items */
	struct item *item;
	size_t n_put;
	struct job_new *job; /* of those that are put, in their order */
};

static void
put_free(struct put *p)
{
	for (size_t i = 0; p->item && i < p->n; i++)
		buffer_fini(&p->item[i].errors);
	if (p->waiter)
		job_wait_drop(p->waiter);
	free(p->item);
	free(p->job);
	free(p->text);
	json_decref(p->json);
	free(p);
}

/* --- room --- */

static int64_t
depth_limit(const struct jobs *jobs)
{
	return (int64_t)jobs->config->jobs_queue_depth;
}

/* Takes the job's place in its queue, which is given back if it is not put after all. */
static void
take_room(struct put *p, struct item *item, const struct job_new *job)
{
	struct job_queue_cell *cell = jobs_queue(p->jobs->host.segment, job->queue, true);

	if (!cell) {
		item->fate = FATE_TOO_MANY_QUEUES;
	} else if (jobs_queue_room(cell, depth_limit(p->jobs), 1) < 1) {
		item->fate = FATE_FULL;
		item->retry_after_s = jobs_queue_retry_after_s(cell, 1);
	} else {
		jobs_queue_expect(cell, 1);
		item->fate = FATE_PUT;
		item->place = p->n_put;
		p->job[p->n_put++] = *job;
	}
}

static void
give_room_back(struct put *p, size_t place)
{
	struct job_queue_cell *cell = jobs_queue(p->jobs->host.segment, p->job[place].queue, false);

	if (cell)
		jobs_queue_leave(cell, 1);
}

/* --- the answer --- */

/* The job as it was put, which nobody has begun to change. */
static bool
write_new(struct buffer *out, const struct job_new *job, const struct put_row *row)
{
	const struct job_row made = {
	    .id = row->id,
	    .state = row->job,
	    .priority = (unsigned)job->priority,
	    .max_attempts = (unsigned)job->max_attempts,
	    .progress = -1,
	    .run_at_ms = job->run_at_ms,
	    .queue = job->queue,
	    .kind = job->kind,
	    .args = job->args,
	    .unique = job->unique,
	};

	return job_json(out, &made);
}

static void
reply_differs(struct exchange *x)
{
	exchange_problem(x, &(struct problem){
				.status = 409,
				.type = "conflict",
				.title = "The id is that of another job",
				.detail = "there is a job with this id, and it has another kind, "
					  "queue, args, priority, run_at, max_attempts or "
					  "unique; nothing was put",
				.hint = "Make a new UUIDv7 for each job, and send it again with "
					"each retry only.",
			    });
}

static void
reply_one(struct put *p, const struct queue_answer *answer, const struct put_row *row)
{
	char fields[120], id[UUID_TEXT_SIZE];
	struct buffer body = {0};

	if (row->state == PUT_DIFFERS) {
		reply_differs(p->x);
		return;
	}
	/* it is read from the database: it may have ended long ago */
	if (row->state == PUT_EXISTS) {
		if (p->waiter)
			job_wait_exists(p->waiter, p->wait_ms, &row->id);
		else
			job_wait(p->jobs->waits, p->x, &row->id, 0, WAIT_AGAIN);
		p->waiter = NULL;
		return;
	}
	const bool is_written = write_new(&body, &p->job[0], row);
	if (is_written && p->waiter) {
		job_wait_made(p->waiter, p->wait_ms, &body);
		p->waiter = NULL;
		return;
	}
	uuid_print(&row->id, id);
	snprintf(fields, sizeof(fields), "Location: " JOBS_PATH "/%s\r\n", id);
	job_reply_json(p->x, is_written, 202, &body, answer, fields);
}

static bool
write_result(struct buffer *out, const struct item *item, const struct put_row *rows)
{
	char id[UUID_TEXT_SIZE];

	switch (item->fate) {
	case FATE_PUT:
		uuid_print(&rows[item->place].id, id);
		return buffer_printf(out, JOB_REPLY_MAX, "{\"status\":%d,\"id\":\"%s\"}",
				     rows[item->place].state == PUT_EXISTS ? 200 : 202, id);
	case FATE_INVALID:
		return buffer_printf(out, JOB_REPLY_MAX, "{\"status\":422,\"errors\":") &&
		       buffer_append(out, item->errors.data, item->errors.len, JOB_REPLY_MAX) &&
		       buffer_append(out, "}", 1, JOB_REPLY_MAX);
	case FATE_FULL:
		return buffer_printf(out, JOB_REPLY_MAX,
				     "{\"status\":429,\"retry_after_s\":%u,\"errors\":[{"
				     "\"pointer\":\"/queue\",\"detail\":\"the queue is full\"}]}",
				     item->retry_after_s);
	case FATE_TOO_MANY_QUEUES:
		return buffer_printf(out, JOB_REPLY_MAX,
				     "{\"status\":429,\"errors\":[{\"pointer\":\"/queue\","
				     "\"detail\":\"there are too many queues\"}]}");
	}
	return false;
}

static void
reply_many(struct put *p, const struct queue_answer *answer, const struct put_row *rows)
{
	struct buffer body = {0};
	bool ok = buffer_printf(&body, JOB_REPLY_MAX, "{\"results\":[");

	for (size_t i = 0; ok && i < p->n; i++)
		ok = (i == 0 || buffer_append(&body, ",", 1, JOB_REPLY_MAX)) &&
		     write_result(&body, &p->item[i], rows);
	ok = ok && buffer_append(&body, "]}", 2, JOB_REPLY_MAX);
	job_reply_json(p->x, ok, 200, &body, answer, NULL);
}

/* It is in its queue: those who run it may look. */
static void
tell_made(struct put *p, const struct job_new *job, const struct put_row *row)
{
	const struct job_told told = {.id = &row->id,
				      .kind = job->kind,
				      .queue = job->queue,
				      .state = row->job,
				      .progress = -1};
	struct job_queue_cell *cell = jobs_queue(p->jobs->host.segment, job->queue, true);

	if (cell && row->job == JOB_STATE_QUEUED)
		jobs_queue_ready(p->jobs->shared, cell, 1, job->hand);
	jobs_changed(p->jobs, &told, job->hand);
}

static void
put_done(const struct queue_answer *answer, const struct put_row *row, size_t n, void *ctx)
{
	struct put *p = ctx;

	for (size_t i = 0; i < p->n_put; i++) {
		if (answer->outcome == QUEUE_OK && i < n && row[i].state == PUT_MADE)
			tell_made(p, &p->job[i], &row[i]);
		/* what may have been put keeps its room: the database's count comes soon */
		else if (answer->outcome != QUEUE_UNKNOWN)
			give_room_back(p, i);
	}
	if (answer->outcome != QUEUE_OK)
		job_reply_trouble(p->x, answer);
	else if (p->is_array)
		reply_many(p, answer, row);
	else
		reply_one(p, answer, row);
	put_free(p);
}

/* --- the request --- */

/* NULL: answered. */
static struct put *
put_begin(struct exchange *x, struct jobs *jobs)
{
	const struct span body = exchange_body(x);

	if (!jobs_may_ask(jobs, x))
		return NULL;
	json_t *json = json_body_read(x);
	if (!json)
		return NULL;
	struct put *p = calloc(1, sizeof(*p));
	char *text = malloc(body.len ? body.len : 1);
	if (!p || !text) {
		free(p);
		free(text);
		json_decref(json);
		job_reply_no_memory(x);
		return NULL;
	}
	if (body.len)
		memcpy(text, body.ptr, body.len);
	*p = (struct put){.jobs = jobs, .x = x, .json = json, .text = text};
	p->wait_ms = jobs_wait_wished(exchange_request(x));
	return p;
}

static bool
put_room(struct put *p, size_t n)
{
	p->n = n;
	p->item = calloc(n, sizeof(*p->item));
	p->job = calloc(n, sizeof(*p->job));
	return p->item && p->job;
}

static void
put_send(struct put *p)
{
	static const struct queue_answer none = {.outcome = QUEUE_OK};

	if (p->n_put)
		queue_put(p->jobs->queue, p->job, p->n_put, put_done, p);
	else
		put_done(&none, NULL, 0, p);
}

/* One job that was read: whoever has no place for it says so at once. */
static void
put_one(struct put *p, struct job_new *job)
{
	if (!job->is_id_given && !uuid_make(&job->id)) {
		job_reply_no_memory(p->x);
		put_free(p);
		return;
	}
	if (!put_room(p, 1)) {
		job_reply_no_memory(p->x);
		put_free(p);
		return;
	}
	take_room(p, &p->item[0], job);
	if (p->item[0].fate == FATE_PUT) {
		if (p->wait_ms)
			p->waiter = job_wait_expect(p->jobs->waits, p->x, &job->id);
		put_send(p);
		return;
	}
	job_reply_full(p->x, p->item[0].fate == FATE_FULL ? job->queue : span_from(NULL, 0),
		       p->item[0].fate == FATE_FULL ? p->item[0].retry_after_s : TOO_MANY_RETRY_S);
	put_free(p);
}

/* --- many --- */

/* [{"pointer":..,"detail":..}] */
static bool
write_errors(struct buffer *out, const struct mistakes *mistakes)
{
	bool ok = buffer_printf(out, JOB_REPLY_MAX, "[");

	for (size_t i = 0; ok && i < mistakes->n; i++) {
		const struct problem_error *error = &mistakes->error[i];

		ok = buffer_printf(out, JOB_REPLY_MAX, i ? ",{\"pointer\":" : "{\"pointer\":") &&
		     json_string_append(out, span_str(error->pointer), JOB_REPLY_MAX) &&
		     buffer_printf(out, JOB_REPLY_MAX, ",\"detail\":") &&
		     json_string_append(out, span_str(error->detail), JOB_REPLY_MAX) &&
		     buffer_printf(out, JOB_REPLY_MAX, "}");
	}
	return ok && buffer_printf(out, JOB_REPLY_MAX, "]");
}

/* False: out of memory. */
static bool
read_item(struct put *p, size_t i, struct span text)
{
	struct job_new job = {0};
	struct mistakes mistakes;

	mistakes_init(&mistakes);
	if (job_read(json_array_get(p->json, i), text, p->jobs->config, &job, &mistakes)) {
		if (!uuid_make(&job.id))
			return false;
		take_room(p, &p->item[i], &job);
		return true;
	}
	p->item[i].fate = FATE_INVALID;
	return write_errors(&p->item[i].errors, &mistakes);
}

static void
put_many(struct put *p, size_t n, struct span text)
{
	struct span item;
	size_t i = 0;

	p->is_array = true;
	bool ok = put_room(p, n);
	while (ok && i < n && json_raw_item(&text, &item))
		ok = read_item(p, i++, item);
	if (ok && i == n) {
		put_send(p);
		return;
	}
	for (size_t k = 0; k < p->n_put; k++)
		give_room_back(p, k);
	job_reply_no_memory(p->x);
	put_free(p);
}

static void
reply_bad_array(struct exchange *x)
{
	struct mistakes mistakes;

	mistakes_init(&mistakes);
	mistakes_add(&mistakes, "must have 1 to %d jobs", JOB_PUT_MAX);
	job_reply_invalid(x, &mistakes, job_detail);
}

/* --- handlers --- */

/*
 * Whoever sends a key believes that the job is put once; what puts one once is another thing here,
 * which he is told before he relies on it. False: answered.
 */
static bool
has_no_key(struct exchange *x, const char *hint)
{
	if (!request_has(exchange_request(x), FIELD_IDEMPOTENCY_KEY))
		return true;
	exchange_problem(x, &(struct problem){
				.status = 400,
				.type = "bad-key",
				.title = "The Idempotency-Key is not accepted",
				.detail = "jobs take no Idempotency-Key: PUT " JOBS_PATH
					  "/<a UUIDv7 of your own> makes a job once, and so does "
					  "its member unique; nothing was put",
				.hint = hint,
			    });
	return false;
}

void
put_post_handle(struct exchange *x, void *ctx)
{
	struct job_new job = {0};
	struct mistakes mistakes;

	if (!has_no_key(x, "Leave the field out, and send {\"kind\":..,\"unique\":\"<that key>\"} "
			   "or the same body by PUT."))
		return;
	struct put *p = put_begin(x, ctx);
	if (!p)
		return;
	const struct span text = span_from(p->text, exchange_body(x).len);
	const size_t n = json_array_size(p->json);
	if (json_is_array(p->json) && n >= 1 && n <= JOB_PUT_MAX) {
		put_many(p, n, text);
		return;
	}
	mistakes_init(&mistakes);
	if (json_is_array(p->json)) {
		reply_bad_array(x);
	} else if (!job_read(p->json, text, p->jobs->config, &job, &mistakes)) {
		job_reply_invalid(x, &mistakes, job_detail);
	} else {
		put_one(p, &job);
		return;
	}
	put_free(p);
}

/* NULL, or what is wrong with an id that a client has made. */
static const char *
id_fault(const struct uuid *id)
{
	const uint64_t now_ms = (uint64_t)time(NULL) * 1000;

	if (!uuid_is_v7(id))
		return "the id in the path must be a UUID of version 7 (RFC 9562), which begins "
		       "with its time";
	if (uuid_time_ms(id) + DAY_MS < now_ms || uuid_time_ms(id) > now_ms + DAY_MS)
		return "the time in the id in the path must be within a day of now";
	return NULL;
}

void
put_id_handle(struct exchange *x, void *ctx)
{
	struct job_new job = {.is_id_given = true};
	struct mistakes mistakes;

	if (!jobs_read_id(ctx, x, &job.id))
		return;
	const char *fault = id_fault(&job.id);
	if (fault) {
		exchange_problem(x, &(struct problem){
					.status = 422,
					.type = "validation",
					.title = "The content is not valid",
					.detail = fault,
					.hint = "Make one when the job is made; uuidgen and "
						"PostgreSQL before 18 make other versions.",
				    });
		return;
	}
	struct put *p = put_begin(x, ctx);
	if (!p)
		return;
	mistakes_init(&mistakes);
	if (job_read(p->json, span_from(p->text, exchange_body(x).len), p->jobs->config, &job,
		     &mistakes)) {
		put_one(p, &job);
		return;
	}
	job_reply_invalid(x, &mistakes, job_detail);
	put_free(p);
}

void
put_fetch_handle(struct exchange *x, void *ctx)
{
	struct job_new job = {0};
	struct mistakes mistakes;

	if (!has_no_key(x, "Leave the field out, and send {\"kind\":\"fetch\",\"queue\":\"fetch\","
			   "\"args\":<this body>} by PUT, or with unique by POST " JOBS_PATH "."))
		return;
	struct put *p = put_begin(x, ctx);
	if (!p)
		return;
	mistakes_init(&mistakes);
	if (job_of_args(p->json, span_from(p->text, exchange_body(x).len), SPAN_LIT("fetch"),
			p->jobs->config, &job, &mistakes)) {
		put_one(p, &job);
		return;
	}
	job_reply_invalid(x, &mistakes, fetch_detail);
	put_free(p);
}
