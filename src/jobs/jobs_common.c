/*
 * jobs_common.c - a change is told; what stands in a path or a query is read.
 */
#include "jobs/jobs_common.h"

#include "http/prefer.h"
#include "http/problem.h"
#include "http/query_mistakes.h"
#include "http/refuse.h"
#include "jobs/job_input.h"
#include "jobs/job_reply.h"

void
jobs_changed(struct jobs *jobs, const struct job_told *told, char hand)
{
	job_tell(&jobs->teller, told);
	if (hand == 'p' && (told->state == JOB_STATE_QUEUED || told->state == JOB_STATE_SCHEDULED))
		jobs->has_put = true;
}

void
jobs_ended(struct jobs *jobs, const struct uuid *id, const struct ended_row *row)
{
	const struct job_told told = {
	    .id = id, .kind = row->kind, .queue = row->queue, .state = row->state, .progress = -1};
	struct job_queue_cell *cell = jobs_queue(jobs->host.segment, row->queue, true);

	/* it is back in its queue, now or later; or its place among those that run is free */
	if (cell && row->state == JOB_STATE_QUEUED)
		jobs_queue_put(jobs->shared, cell, 1, row->hand);
	else if (cell && row->state == JOB_STATE_SCHEDULED)
		jobs_queue_expect(cell, 1);
	if (cell && row->state != JOB_STATE_QUEUED)
		jobs_queue_ready(jobs->shared, cell, 0, row->hand);
	jobs_changed(jobs, &told, row->hand);
}

void
jobs_stir(struct jobs *jobs, struct job_queue_cell *cell)
{
	if (cell) {
		jobs_queue_ready(jobs->shared, cell, 0, 'p');
		jobs_queue_ready(jobs->shared, cell, 0, 'w');
	}
	jobs->has_put = true;
	job_teller_wake(&jobs->teller);
}

/* Digits; what is above the limit is just that. */
static bool
read_seconds(struct span text, uint64_t *seconds)
{
	*seconds = 0;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		*seconds = 10 * *seconds + (uint64_t)(text.ptr[i] - '0');
		if (*seconds > JOBS_WAIT_MAX_S)
			*seconds = JOBS_WAIT_MAX_S + 1;
	}
	return text.len > 0;
}

uint64_t
jobs_read_wait(const struct query_param *wait, struct mistakes *mistakes)
{
	const struct span text = query_value(wait);
	uint64_t seconds;

	if (wait->state == QUERY_ABSENT)
		return 0;
	if (wait->state == QUERY_GIVEN && text.len <= 2 && read_seconds(text, &seconds) &&
	    seconds <= JOBS_WAIT_MAX_S)
		return seconds * 1000;
	query_mistakes_add(mistakes, wait, "must be whole seconds from 0 to 60");
	return 0;
}

uint64_t
jobs_wait_wished(const struct request *request)
{
	struct span text;
	uint64_t seconds;

	/* what cannot be read is no wish (RFC 7240 section 2) */
	if (!prefer_value(request, SPAN_LIT("wait"), &text) || !read_seconds(text, &seconds))
		return 0;
	return (seconds < JOBS_WAIT_MAX_S ? seconds : JOBS_WAIT_MAX_S) * 1000;
}

/* Whether a condition holds whatever the version is: its only tag is '*'. */
static bool
is_any(const struct request *request, enum http_field field)
{
	return !request_has(request, field) ||
	       (request->times[field] == 1 &&
		span_eq(request_first(request, field), SPAN_LIT("*")));
}

/*
 * What changes something does so whatever its version is, and a condition must not be passed over
 * (RFC 9110 13.1.1). If-None-Match: * of a PUT is what PUT does anyway: it changes no job that is
 * there.
 */
static bool
has_no_condition(struct exchange *x)
{
	const struct request *request = exchange_request(x);
	const bool is_put = request->method == HTTP_PUT;

	if (request->method == HTTP_GET || request->method == HTTP_HEAD)
		return true;
	if (is_put ? !request_has(request, FIELD_IF_MATCH) && is_any(request, FIELD_IF_NONE_MATCH)
		   : is_any(request, FIELD_IF_MATCH) && !request_has(request, FIELD_IF_NONE_MATCH))
		return true;
	exchange_problem(x, &(struct problem){
				.status = 412,
				.type = "precondition-failed",
				.title = PROBLEM_TITLE_412,
				.detail = "jobs and queues are changed whatever their version: "
					  "accepted are If-Match: *, and with PUT of a job "
					  "If-None-Match: *; nothing was changed",
				.hint = "Leave the field out. A lease is what keeps two workers "
					"from one job.",
			    });
	return false;
}

bool
jobs_may_ask(struct jobs *jobs, struct exchange *x)
{
	if (jobs->queue)
		return refuse_unless_json(x) && has_no_condition(x);
	job_reply_no_store(x);
	return false;
}

bool
jobs_read_id(struct jobs *jobs, struct exchange *x, struct uuid *id)
{
	if (jobs->queue && !uuid_parse(exchange_param(x, 0), id)) {
		job_reply_no_id(x);
		return false;
	}
	return jobs_may_ask(jobs, x);
}

bool
jobs_read_queue(struct jobs *jobs, struct exchange *x, struct span *name)
{
	*name = exchange_param(x, 0);
	if (jobs->queue && !job_name_valid(*name)) {
		job_reply_no_queue(x);
		return false;
	}
	return jobs_may_ask(jobs, x);
}

void
jobs_add_table(struct jobs *jobs, struct route_table *routes, const struct route *table, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct route route = table[i];

		route.scope = SCOPE_JOBS;
		route.ctx = jobs;
		route_add(routes, &route);
	}
}
