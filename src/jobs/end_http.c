/*
 * end_http.c - POST /api/jobs/{id}/finish, fail and extend, each with the lease of the claim.
 */
#include "jobs/end_http.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "http/exchange.h"
#include "http/json_body.h"
#include "http/json_raw.h"
#include "jobs/job_json.h"
#include "jobs/job_reply.h"
#include "jobs/jobs_common.h"

#define ERROR_MAX   1000 /* bytes */
#define LEASE_MAX_S 86400

/* A request under way. */
struct call {
	struct jobs *jobs;
	struct exchange *x;
	struct uuid id;
	int progress; /* of an extension; -1 */
};

/* --- members --- */

static bool
is_whole(const json_t *json, double min, double max)
{
	const double number = json_is_number(json) ? json_number_value(json) : NAN;

	return number >= min && number <= max && number == floor(number);
}

/* Exactly: a lease is a number of 63 bits, and jansson reads doubles. */
static void
read_lease(const json_t *json, struct span text, int64_t *lease, struct mistakes *mistakes)
{
	const struct span raw = json_raw_member(text, SPAN_LIT("lease"));
	char digits[24];

	*lease = 0;
	if (json_is_number(json) && raw.len > 0 && raw.len < sizeof(digits)) {
		char *end;

		memcpy(digits, raw.ptr, raw.len);
		digits[raw.len] = '\0';
		*lease = strtoll(digits, &end, 10);
		if (*end != '\0' || *lease == INT64_MAX)
			*lease = 0;
	}
	if (*lease < 1)
		mistakes_add_key(mistakes, SPAN_LIT("lease"),
				 json ? "must be the number that the claim has given"
				      : "is missing: the number that the claim has given");
}

/* jansson's iterator wants it writable, and does not write */
static void
refuse_others(const json_t *json, const char *const *names, const char *all,
	      struct mistakes *mistakes)
{
	json_t *object = (json_t *)(uintptr_t)json;

	for (void *it = json_object_iter(object); it; it = json_object_iter_next(object, it)) {
		const struct span key =
		    span_from(json_object_iter_key(it), json_object_iter_key_len(it));
		size_t i = 0;

		while (names[i] && !span_eq(key, span_str(names[i])))
			i++;
		if (!names[i])
			mistakes_add_key(mistakes, key, "is not a member of this; %s are accepted",
					 all);
	}
}

/* --- finish, fail --- */

static void
end_done(const struct queue_answer *answer, const struct ended_row *row, void *ctx)
{
	struct call *call = ctx;
	char id[UUID_TEXT_SIZE];
	struct buffer body = {0};

	if (answer->outcome != QUEUE_OK) {
		job_reply_trouble(call->x, answer);
	} else if (row->is_lost) {
		job_reply_lost(call->x);
	} else {
		jobs_ended(call->jobs, &call->id, row);
		uuid_print(&call->id, id);
		bool ok = buffer_printf(&body, JOB_REPLY_MAX,
					"{\"id\":\"%s\",\"state\":\"%s\",\"attempt\":%u", id,
					job_state_name(row->state), row->attempt);
		if (row->state == JOB_STATE_SCHEDULED)
			ok = ok && buffer_printf(&body, JOB_REPLY_MAX, ",\"retry_in_s\":%.3f",
						 (double)row->in_ms / 1000);
		ok = ok && buffer_append(&body, "}", 1, JOB_REPLY_MAX);
		job_reply_json(call->x, ok, 200, &body, answer, NULL);
	}
	free(call);
}

static void
read_finish(const json_t *json, struct span text, struct ended *ended, struct mistakes *mistakes)
{
	static const char *const names[] = {"lease", "result", NULL};

	ended->outcome = JOB_DONE;
	if (json_object_get(json, "result"))
		ended->result = json_raw_member(text, SPAN_LIT("result"));
	refuse_others(json, names, "lease and result", mistakes);
}

/* A line of text, which is told to whoever looks at the job. */
static bool
is_error_text(const json_t *json)
{
	const size_t len = json_string_length(json);

	return json_is_string(json) && len >= 1 && len <= ERROR_MAX &&
	       !memchr(json_string_value(json), '\0', len);
}

static void
read_fail(const json_t *json, struct span text, struct ended *ended, struct mistakes *mistakes)
{
	static const char *const names[] = {"lease", "error", "retry", "retry_after_s", NULL};
	const json_t *error = json_object_get(json, "error");
	const json_t *retry = json_object_get(json, "retry");
	const json_t *after = json_object_get(json, "retry_after_s");

	(void)text;
	ended->outcome = json_is_false(retry) ? JOB_FAILED : JOB_RETRY;
	ended->retry_after_ms = -1;
	if (is_error_text(error))
		ended->error = json_string_value(error);
	else if (error)
		mistakes_add_key(mistakes, SPAN_LIT("error"),
				 "must be a string of 1 to %d bytes without U+0000", ERROR_MAX);
	if (retry && !json_is_boolean(retry))
		mistakes_add_key(mistakes, SPAN_LIT("retry"),
				 "must be true, or false if trying again is pointless");
	if (after && is_whole(after, 0, JOB_DELAY_MS_MAX / 1000.0))
		ended->retry_after_ms = (int64_t)json_number_value(after) * 1000;
	else if (after)
		mistakes_add_key(mistakes, SPAN_LIT("retry_after_s"),
				 "must be whole seconds from 0 to %lld",
				 (long long)JOB_DELAY_MS_MAX / 1000);
	refuse_others(json, names, "lease, error, retry and retry_after_s", mistakes);
}

/* NULL: answered. */
static struct call *
call_new(struct exchange *x, struct jobs *jobs, json_t **json)
{
	struct uuid id;

	if (!jobs_read_id(jobs, x, &id))
		return NULL;
	*json = json_body_read(x);
	if (!*json)
		return NULL;
	struct call *call = malloc(sizeof(*call));
	if (!call) {
		json_decref(*json);
		job_reply_no_memory(x);
		return NULL;
	}
	*call = (struct call){.jobs = jobs, .x = x, .id = id, .progress = -1};
	return call;
}

typedef void read_fn(const json_t *json, struct span text, struct ended *ended,
		     struct mistakes *mistakes);

static void
end_handle(struct exchange *x, struct jobs *jobs, read_fn *read, const char *detail)
{
	struct mistakes mistakes;
	json_t *json;
	struct call *call = call_new(x, jobs, &json);

	if (!call)
		return;
	const struct span text = exchange_body(x);
	struct ended ended = {.id = call->id};
	mistakes_init(&mistakes);
	if (json_is_object(json)) {
		read_lease(json_object_get(json, "lease"), text, &ended.lease, &mistakes);
		read(json, text, &ended, &mistakes);
	} else {
		mistakes_add(&mistakes, "must be an object");
	}
	if (mistakes.n) {
		job_reply_invalid(x, &mistakes, detail);
		free(call);
	} else {
		queue_finish(jobs->queue, &ended, end_done, call);
	}
	json_decref(json);
}

static void
finish_handle(struct exchange *x, void *ctx)
{
	end_handle(x, ctx, read_finish, "the end of a job is {\"lease\":7,\"result\":{}}");
}

static void
fail_handle(struct exchange *x, void *ctx)
{
	end_handle(x, ctx, read_fail,
		   "a failure is {\"lease\":7,\"error\":\"no such file\",\"retry\":false}");
}

/* --- extend --- */

static void
extend_done(const struct queue_answer *answer, const struct extend_row *row, void *ctx)
{
	struct call *call = ctx;
	char id[UUID_TEXT_SIZE];
	struct buffer body = {0};

	if (answer->outcome != QUEUE_OK) {
		job_reply_trouble(call->x, answer);
	} else if (row->is_lost) {
		job_reply_lost(call->x);
	} else {
		if (call->progress >= 0) {
			const struct job_told told = {.id = &call->id,
						      .kind = row->kind,
						      .queue = row->queue,
						      .state = JOB_STATE_PROGRESS,
						      .progress = call->progress};
			jobs_changed(call->jobs, &told, 'w');
		}
		uuid_print(&call->id, id);
		const bool ok =
		    buffer_printf(&body, JOB_REPLY_MAX, "{\"id\":\"%s\",\"deadline\":", id) &&
		    job_time_json(&body, row->deadline_ms) &&
		    buffer_printf(&body, JOB_REPLY_MAX, ",\"cancel\":%s}",
				  row->is_cancelled ? "true" : "false");
		job_reply_json(call->x, ok, 200, &body, answer, NULL);
	}
	free(call);
}

static void
read_extend(const json_t *json, struct extend *extend, struct mistakes *mistakes)
{
	static const char *const names[] = {"lease", "extend_s", "progress", NULL};
	const json_t *more = json_object_get(json, "extend_s");
	const json_t *progress = json_object_get(json, "progress");

	/* as an answer has it, {"pct":40}, or just the number */
	if (json_is_object(progress) && json_object_size(progress) == 1)
		progress = json_object_get(progress, "pct");
	if (progress && is_whole(progress, 0, 100))
		extend->progress = (int)json_number_value(progress);
	else if (json_object_get(json, "progress"))
		mistakes_add_key(mistakes, SPAN_LIT("progress"),
				 "must be a whole number from 0 to 100, or {\"pct\":40}");
	if (more && is_whole(more, 1, LEASE_MAX_S))
		extend->lease_ms = (uint64_t)json_number_value(more) * 1000;
	else if (more)
		mistakes_add_key(mistakes, SPAN_LIT("extend_s"),
				 "must be whole seconds from 1 to %d", LEASE_MAX_S);
	refuse_others(json, names, "lease, extend_s and progress", mistakes);
}

static void
extend_handle(struct exchange *x, void *ctx)
{
	struct jobs *jobs = ctx;
	struct mistakes mistakes;
	json_t *json;
	struct call *call = call_new(x, jobs, &json);

	if (!call)
		return;
	struct extend extend = {
	    .id = call->id, .lease_ms = jobs->config->jobs_lease, .progress = -1};
	mistakes_init(&mistakes);
	if (json_is_object(json)) {
		read_lease(json_object_get(json, "lease"), exchange_body(x), &extend.lease,
			   &mistakes);
		read_extend(json, &extend, &mistakes);
	} else {
		mistakes_add(&mistakes, "must be an object");
	}
	if (mistakes.n) {
		job_reply_invalid(x, &mistakes, "an extension is {\"lease\":7,\"progress\":40}");
		free(call);
	} else {
		call->progress = extend.progress;
		queue_extend(jobs->queue, &extend, extend_done, call);
	}
	json_decref(json);
}

void
end_add_routes(struct jobs *jobs, struct route_table *routes)
{
	static const struct {
		const char *pattern;
		void (*handle)(struct exchange *x, void *ctx);
	} table[] = {
	    {JOBS_PATH "/{id}/finish", finish_handle},
	    {JOBS_PATH "/{id}/fail", fail_handle},
	    {JOBS_PATH "/{id}/extend", extend_handle},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct route route = {
		    .methods = HTTP_METHOD_BIT(HTTP_POST),
		    .pattern = table[i].pattern,
		    .body_limit = JSON_BODY_MAX,
		    .body_type = "application/json",
		    .handle = table[i].handle,
		};
		jobs_add_table(jobs, routes, &route, 1);
	}
}
