/*
 * jobs_http.c - the table of what can be asked of jobs, and those that are there already: got,
 * listed, cancelled, tried again.
 */
#include "jobs/jobs_http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/exchange.h"
#include "http/json_body.h"
#include "http/problem.h"
#include "http/query.h"
#include "http/query_mistakes.h"
#include "http/refuse.h"
#include "jobs/job_input.h"
#include "jobs/job_json.h"
#include "jobs/job_reply.h"
#include "jobs/job_wait.h"
#include "jobs/jobs_common.h"
#include "jobs/put_http.h"

#define LIST_DEFAULT 100
#define LIST_MAX     1000

/* --- GET /api/jobs/{id} --- */

static void
get_handle(struct exchange *x, void *ctx)
{
	struct query_param wait = {.name = "wait"};
	struct jobs *jobs = ctx;
	struct mistakes mistakes;
	struct uuid id;

	if (!jobs_read_id(jobs, x, &id))
		return;
	const struct span query = exchange_request(x)->query;
	mistakes_init(&mistakes);
	query_read(query, &wait, 1);
	const uint64_t wait_ms = jobs_read_wait(&wait, &mistakes);
	query_mistakes_add_unknown(&mistakes, query, &wait, 1);
	if (mistakes.n) {
		refuse_query(x, &mistakes, "For instance ?wait=20.");
		return;
	}
	job_wait(jobs->waits, x, &id, wait_ms, WAIT_GET);
}

/* --- GET /api/jobs --- */

struct list {
	struct exchange *x;
	unsigned limit;
	/* what the filters were, for the link to the next page */
	char filters[2 * (JOB_NAME_MAX + 8) + 32];
};

static void
list_done(const struct queue_answer *answer, const struct job_row *row, size_t n, void *ctx)
{
	char id[UUID_TEXT_SIZE], link[400] = "";
	struct list *list = ctx;
	struct buffer body = {0};
	const size_t shown = n < list->limit ? n : list->limit;

	if (answer->outcome != QUEUE_OK) {
		job_reply_trouble(list->x, answer);
		free(list);
		return;
	}
	bool ok = buffer_printf(&body, JOB_REPLY_MAX, "{\"jobs\":[");
	for (size_t i = 0; ok && i < shown; i++)
		ok = (i == 0 || buffer_append(&body, ",", 1, JOB_REPLY_MAX)) &&
		     job_json_brief(&body, &row[i]);
	if (n > shown) {
		uuid_print(&row[shown - 1].id, id);
		ok = ok && buffer_printf(&body, JOB_REPLY_MAX, "],\"next\":\"%s\"}", id);
		snprintf(link, sizeof(link),
			 "Link: <" JOBS_PATH "?%slimit=%u&after=%s>; rel=\"next\"\r\n",
			 list->filters, list->limit, id);
	} else {
		ok = ok && buffer_printf(&body, JOB_REPLY_MAX, "],\"next\":null}");
	}
	job_reply_tagged(list->x, ok, &body, answer, link);
	free(list);
}

enum { LIST_QUEUE, LIST_KIND, LIST_STATE, LIST_LIMIT, LIST_AFTER, LIST_PARAMS };

static bool
read_limit(const struct query_param *param, unsigned *limit)
{
	const struct span text = query_value(param);
	unsigned value = 0;

	if (param->state != QUERY_GIVEN || text.len < 1 || text.len > 4)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		value = 10 * value + (unsigned)(text.ptr[i] - '0');
	}
	*limit = value;
	return value >= 1 && value <= LIST_MAX;
}

static void
read_name(const struct query_param *param, struct span *name, struct mistakes *mistakes)
{
	if (param->state == QUERY_ABSENT)
		return;
	*name = query_value(param);
	if (param->state != QUERY_GIVEN || !job_name_valid(*name))
		query_mistakes_add(mistakes, param, "must be " JOB_NAME_RULE);
}

static void
read_list(const struct query_param *params, struct job_list *list, struct mistakes *mistakes)
{
	const struct query_param *state = &params[LIST_STATE], *limit = &params[LIST_LIMIT];
	const struct query_param *after = &params[LIST_AFTER];

	read_name(&params[LIST_QUEUE], &list->queue, mistakes);
	read_name(&params[LIST_KIND], &list->kind, mistakes);
	if (state->state != QUERY_ABSENT &&
	    (state->state != QUERY_GIVEN || !job_state_parse(query_value(state), &list->state)))
		query_mistakes_add(mistakes, state,
				   "must be one of queued, scheduled, running, done, failed, dead "
				   "and cancelled");
	if (limit->state != QUERY_ABSENT && !read_limit(limit, &list->limit))
		query_mistakes_add(mistakes, limit, "must be a number from 1 to 1000");
	if (after->state != QUERY_ABSENT &&
	    (after->state != QUERY_GIVEN || !uuid_parse(query_value(after), &list->after)))
		query_mistakes_add(mistakes, after, "must be the \"next\" of an earlier page");
}

/* The names have no character that a URL would escape. */
static void
write_filters(const struct job_list *list, char *out, size_t size)
{
	int at = 0;

	out[0] = '\0';
	if (list->queue.ptr)
		at += snprintf(out, size, "queue=%.*s&", (int)list->queue.len, list->queue.ptr);
	if (list->kind.ptr)
		at += snprintf(out + at, size - (size_t)at, "kind=%.*s&", (int)list->kind.len,
			       list->kind.ptr);
	if (list->state)
		snprintf(out + at, size - (size_t)at, "state=%s&", job_state_name(list->state));
}

static void
list_handle(struct exchange *x, void *ctx)
{
	struct query_param params[LIST_PARAMS] = {
	    [LIST_QUEUE] = {.name = "queue"}, [LIST_KIND] = {.name = "kind"},
	    [LIST_STATE] = {.name = "state"}, [LIST_LIMIT] = {.name = "limit"},
	    [LIST_AFTER] = {.name = "after"},
	};
	struct job_list wanted = {.limit = LIST_DEFAULT};
	struct jobs *jobs = ctx;
	struct mistakes mistakes;

	if (!jobs_may_ask(jobs, x))
		return;
	const struct span query = exchange_request(x)->query;
	mistakes_init(&mistakes);
	query_read(query, params, LIST_PARAMS);
	read_list(params, &wanted, &mistakes);
	query_mistakes_add_unknown(&mistakes, query, params, LIST_PARAMS);
	if (mistakes.n) {
		refuse_query(x, &mistakes, "For instance ?state=dead&limit=10.");
		return;
	}
	struct list *list = malloc(sizeof(*list));
	if (!list) {
		job_reply_no_memory(x);
		return;
	}
	list->x = x;
	list->limit = wanted.limit++;
	write_filters(&wanted, list->filters, sizeof(list->filters));
	queue_list(jobs->queue, &wanted, list_done, list);
}

/* --- DELETE /api/jobs/{id}, POST /api/jobs/{id}/retry --- */

struct change {
	struct jobs *jobs;
	struct exchange *x;
	struct uuid id;
};

/* NULL: answered. */
static struct change *
change_new(struct exchange *x, struct jobs *jobs)
{
	struct uuid id;

	if (!jobs_read_id(jobs, x, &id))
		return NULL;
	struct change *change = malloc(sizeof(*change));
	if (!change)
		job_reply_no_memory(x);
	else
		*change = (struct change){.jobs = jobs, .x = x, .id = id};
	return change;
}

static void
tell(const struct change *change, struct span kind, struct span queue, enum job_state state,
     char hand)
{
	const struct job_told told = {
	    .id = &change->id, .kind = kind, .queue = queue, .state = state, .progress = -1};

	jobs_changed(change->jobs, &told, hand);
}

static void
reply_state(struct exchange *x, const struct queue_answer *answer, const struct uuid *id,
	    int status, const char *state, const char *more)
{
	char text[UUID_TEXT_SIZE];
	struct buffer body = {0};

	uuid_print(id, text);
	const bool ok = buffer_printf(&body, JOB_REPLY_MAX, "{\"id\":\"%s\",\"state\":\"%s\"%s}",
				      text, state, more);
	job_reply_json(x, ok, status, &body, answer, NULL);
}

static void
reply_not_now(struct exchange *x, enum job_state state, const char *what, const char *hint)
{
	char detail[160];

	snprintf(detail, sizeof(detail), "it is %s, and %s", job_state_name(state), what);
	exchange_problem(x, &(struct problem){.status = 409,
					      .type = "conflict",
					      .title = "The job is not in a state for that",
					      .detail = detail,
					      .hint = hint});
}

static void
cancel_done(const struct queue_answer *answer, const struct cancel_row *row, void *ctx)
{
	struct change *change = ctx;
	struct job_queue_cell *cell;

	if (answer->outcome != QUEUE_OK) {
		job_reply_trouble(change->x, answer);
		free(change);
		return;
	}
	switch (row->how) {
	case CANCEL_DONE:
		cell = jobs_queue(change->jobs->host.segment, row->queue, false);
		if (cell)
			jobs_queue_leave(cell, 1);
		tell(change, row->kind, row->queue, JOB_STATE_CANCELLED, row->hand);
		reply_state(change->x, answer, &change->id, 200, "cancelled", "");
		break;
	case CANCEL_ASKED:
		tell(change, row->kind, row->queue, JOB_STATE_CANCELLING, row->hand);
		reply_state(change->x, answer, &change->id, 202, "running", ",\"cancelling\":true");
		break;
	case CANCEL_FINAL:
		reply_not_now(change->x, row->state, "only a job that has not ended is cancelled",
			      "GET it to see how it ended.");
		break;
	case CANCEL_ABSENT:
		job_reply_absent(change->x, &change->id, change->jobs->config->jobs_retention);
		break;
	}
	free(change);
}

static void
cancel_handle(struct exchange *x, void *ctx)
{
	struct change *change = change_new(x, ctx);

	if (change)
		queue_cancel(change->jobs->queue, &change->id, cancel_done, change);
}

static void
retry_done(const struct queue_answer *answer, const struct retry_row *row, void *ctx)
{
	struct change *change = ctx;
	struct job_queue_cell *cell;

	if (answer->outcome != QUEUE_OK) {
		job_reply_trouble(change->x, answer);
		free(change);
		return;
	}
	switch (row->how) {
	case RETRY_DONE:
		cell = jobs_queue(change->jobs->host.segment, row->queue, true);
		if (cell)
			jobs_queue_put(change->jobs->shared, cell, 1, row->hand);
		tell(change, row->kind, row->queue, JOB_STATE_QUEUED, row->hand);
		reply_state(change->x, answer, &change->id, 202, "queued", "");
		break;
	case RETRY_NOT_NOW:
		reply_not_now(change->x, row->state,
			      "only a job that is failed, dead or cancelled is tried again",
			      "Wait for its end, or put a new job.");
		break;
	case RETRY_TAKEN:
		reply_not_now(change->x, row->state,
			      "another job has its unique key by now: it gave the key up when it "
			      "was cancelled",
			      "Look at the other job; it does the same work.");
		break;
	case RETRY_ABSENT:
		job_reply_absent(change->x, &change->id, change->jobs->config->jobs_retention);
		break;
	}
	free(change);
}

static void
retry_handle(struct exchange *x, void *ctx)
{
	struct change *change = change_new(x, ctx);

	if (change)
		queue_retry(change->jobs->queue, &change->id, retry_done, change);
}

void
jobs_http_add_routes(struct jobs *jobs, struct route_table *routes)
{
	const struct route table[] = {
	    {.methods = HTTP_METHOD_BIT(HTTP_GET), .pattern = JOBS_PATH, .handle = list_handle},
	    {.methods = HTTP_METHOD_BIT(HTTP_POST),
	     .pattern = JOBS_PATH,
	     .body_limit = JSON_BODY_MAX,
	     .body_type = "application/json",
	     .handle = put_post_handle},
	    {.methods = HTTP_METHOD_BIT(HTTP_GET),
	     .pattern = JOBS_PATH "/{id}",
	     .handle = get_handle},
	    {.methods = HTTP_METHOD_BIT(HTTP_PUT),
	     .pattern = JOBS_PATH "/{id}",
	     .body_limit = JSON_BODY_MAX,
	     .body_type = "application/json",
	     .handle = put_id_handle},
	    {.methods = HTTP_METHOD_BIT(HTTP_DELETE),
	     .pattern = JOBS_PATH "/{id}",
	     .handle = cancel_handle},
	    {.methods = HTTP_METHOD_BIT(HTTP_POST),
	     .pattern = JOBS_PATH "/{id}/retry",
	     .handle = retry_handle},
	    {.methods = HTTP_METHOD_BIT(HTTP_POST),
	     .pattern = "/api/fetch",
	     .body_limit = JSON_BODY_MAX,
	     .body_type = "application/json",
	     .handle = put_fetch_handle},
	};

	jobs_add_table(jobs, routes, table, sizeof(table) / sizeof(table[0]));
}
