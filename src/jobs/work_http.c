/*
 * work_http.c - POST /api/queues/{queue}/claim: jobs at once, or when there are some. Those who
 * wait are served in the order in which they came.
 */
#include "jobs/work_http.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/log.h"
#include "http/exchange.h"
#include "http/json_string.h"
#include "http/query.h"
#include "http/query_mistakes.h"
#include "http/refuse.h"
#include "jobs/job_json.h"
#include "jobs/job_reply.h"
#include "jobs/jobs_common.h"

#define CLAIM_HTTP_MAX 100
#define LEASE_MIN_S    1
#define LEASE_MAX_S    86400
#define PARKED_MAX     10000
/* What other hosts do, and deadlines that run out, ring nobody here. */
#define LOOK_MS 1000

/* Jobs of a queue for which those who wait are woken at the same time. */
#define HEAR_MAX 16

/* Queues that somebody waits for; more are not waited for at all. */
#define LINES_MAX JOB_QUEUES

enum claim_state {
	CLAIM_ASKING, /* the database has been asked */
	CLAIM_PARKED  /* until there may be a job, or its time is over */
};

struct line;

struct parked {
	TAILQ_ENTRY(parked) link;
	TAILQ_ENTRY(parked) due_link;
	struct line *line;
	struct exchange *x;
	struct watch timer;
	enum claim_state state;
	bool is_due;    /* in work->due */
	bool is_over;   /* its time: the next answer is the last */
	bool is_gone;   /* its client: what it gets goes back */
	bool has_news;  /* since it asked */
	bool is_locked; /* was the queue, when it asked last */
	unsigned max;
	uint64_t lease_ms;
};

/* Those who wait for jobs of one queue, by arrival; it goes with the last of them. */
struct line {
	LIST_ENTRY(line) link;
	struct work *work;
	uint64_t arrived; /* of the queue's jobs, when it was woken last */
	TAILQ_HEAD(, parked) head;
	size_t name_len;
	char name[JOB_NAME_MAX];
};

struct work {
	struct jobs *jobs;
	size_t n, n_lines;
	LIST_HEAD(, line) lines;
	/* who is to ask: by turns, since an answer that comes at once may free any of them */
	TAILQ_HEAD(, parked) due;
	bool is_asking;
	struct watch look_timer;
};

static struct span
line_name(const struct line *line)
{
	return span_from(line->name, line->name_len);
}

static void
parked_free(struct parked *p)
{
	struct line *line = p->line;
	struct work *work = line->work;

	watch_stop(&p->timer);
	if (p->is_due)
		TAILQ_REMOVE(&work->due, p, due_link);
	TAILQ_REMOVE(&line->head, p, link);
	free(p);
	if (--work->n == 0)
		watch_stop(&work->look_timer);
	if (!TAILQ_EMPTY(&line->head))
		return;
	LIST_REMOVE(line, link);
	work->n_lines--;
	free(line);
}

/* --- answers --- */

static void
reply_none(struct exchange *x)
{
	exchange_reply(x, &(struct reply){.status = 204});
}

static bool
write_claimed(struct buffer *out, const struct claimed *job)
{
	char id[UUID_TEXT_SIZE];

	uuid_print(&job->id, id);
	return buffer_printf(out, JOB_REPLY_MAX, "{\"id\":\"%s\",\"kind\":", id) &&
	       json_string_append(out, job->kind, JOB_REPLY_MAX) &&
	       buffer_printf(out, JOB_REPLY_MAX, ",\"args\":") &&
	       buffer_append(out, job->args.ptr, job->args.len, JOB_REPLY_MAX) &&
	       buffer_printf(out, JOB_REPLY_MAX,
			     ",\"attempt\":%u,\"lease\":%" PRId64 ",\"deadline\":", job->attempt,
			     job->lease) &&
	       job_time_json(out, job->deadline_ms) && buffer_append(out, "}", 1, JOB_REPLY_MAX);
}

struct back {
	struct jobs *jobs;
	struct uuid id;
};

static void
given_back(const struct queue_answer *answer, const struct ended_row *row, void *ctx)
{
	struct back *back = ctx;

	/* otherwise its deadline gives it back */
	if (answer->outcome == QUEUE_OK && !row->is_lost)
		jobs_ended(back->jobs, &back->id, row);
	free(back);
}

/* Nobody is there to run them. */
static void
give_back(struct jobs *jobs, const struct claim_result *result)
{
	for (size_t i = 0; i < result->n; i++) {
		const struct ended ended = {
		    .id = result->job[i].id,
		    .lease = result->job[i].lease,
		    .outcome = JOB_GIVEN_BACK,
		};
		struct back *back = malloc(sizeof(*back));

		/* without memory they wait for their deadlines */
		if (!back)
			return;
		*back = (struct back){jobs, ended.id};
		queue_finish(jobs->queue, &ended, given_back, back);
	}
}

static void
tell_claimed(struct jobs *jobs, struct span queue, const struct claim_result *result)
{
	struct job_queue_cell *cell = jobs_queue(jobs->host.segment, queue, false);

	if (cell)
		jobs_queue_drain(cell, result->n);
	for (size_t i = 0; i < result->n; i++) {
		const struct job_told told = {.id = &result->job[i].id,
					      .kind = result->job[i].kind,
					      .queue = queue,
					      .state = JOB_STATE_RUNNING,
					      .progress = -1};
		jobs_changed(jobs, &told, 'w');
	}
}

static void
reply_jobs(struct parked *p, const struct queue_answer *answer, const struct claim_result *result)
{
	struct buffer body = {0};
	bool ok = buffer_printf(&body, JOB_REPLY_MAX, "{\"jobs\":[");

	for (size_t i = 0; ok && i < result->n; i++)
		ok = (i == 0 || buffer_append(&body, ",", 1, JOB_REPLY_MAX)) &&
		     write_claimed(&body, &result->job[i]);
	ok = ok && buffer_printf(&body, JOB_REPLY_MAX, "]}");
	if (!ok)
		give_back(p->line->work->jobs, result);
	job_reply_json(p->x, ok, 200, &body, answer, "Cache-Control: no-store\r\n");
}

/* --- claiming --- */

static void claim_done(const struct queue_answer *answer, const struct claim_result *result,
		       void *ctx);

static void
ask(struct parked *p)
{
	const struct claim claim = {
	    .queue = line_name(p->line),
	    .hand = 'w',
	    .max = p->max,
	    .lease_ms = p->lease_ms,
	};

	p->state = CLAIM_ASKING;
	p->has_news = false;
	queue_claim(p->line->work->jobs->queue, &claim, claim_done, p);
}

static void
ask_due(struct work *work)
{
	struct parked *p;

	if (work->is_asking)
		return;
	work->is_asking = true;
	while ((p = TAILQ_FIRST(&work->due)) != NULL) {
		TAILQ_REMOVE(&work->due, p, due_link);
		p->is_due = false;
		ask(p);
	}
	work->is_asking = false;
}

/* One that has asked may have done so too early: it asks again. */
static void
make_due(struct parked *p)
{
	p->has_news = true;
	if (p->state != CLAIM_PARKED || p->is_due)
		return;
	p->is_due = true;
	TAILQ_INSERT_TAIL(&p->line->work->due, p, due_link);
}

/* There may be more than those that were claimed: the next in line asks. */
static void
wake_next(struct line *line)
{
	struct parked *p;

	TAILQ_FOREACH(p, &line->head, link)
	{
		if (p->state == CLAIM_PARKED && !p->is_due) {
			make_due(p);
			return;
		}
	}
}

static void
reply_empty(const struct parked *p)
{
	static const struct queue_answer locked = {.outcome = QUEUE_BUSY, .retry_after_s = 1};

	/* that there is nothing is not what is known then */
	if (p->is_locked)
		job_reply_trouble(p->x, &locked);
	else
		reply_none(p->x);
}

static void
claim_done(const struct queue_answer *answer, const struct claim_result *result, void *ctx)
{
	struct parked *p = ctx;
	struct work *work = p->line->work;
	const bool is_ok = answer->outcome == QUEUE_OK;

	if (is_ok && result->n)
		tell_claimed(work->jobs, line_name(p->line), result);
	if (is_ok && result->end == CLAIM_MORE)
		wake_next(p->line);
	p->state = CLAIM_PARKED;
	p->is_locked = is_ok && result->end == CLAIM_LOCKED;
	if (is_ok && !result->n && !p->is_over) {
		if (p->has_news)
			make_due(p);
	} else {
		if (!is_ok) {
			job_reply_trouble(p->x, answer);
		} else if (!result->n) {
			reply_empty(p);
		} else if (p->is_gone) {
			give_back(work->jobs, result);
			reply_none(p->x);
		} else {
			reply_jobs(p, answer, result);
		}
		parked_free(p);
	}
	ask_due(work);
}

/* Its time is over: one that is parked has found nothing when it asked last. */
static void
end(struct parked *p)
{
	watch_stop(&p->timer);
	p->is_over = true;
	if (p->state != CLAIM_PARKED)
		return;
	reply_empty(p);
	parked_free(p);
}

static void
timer_cb(void *arg, short what)
{
	(void)what;
	end(arg);
}

static void
gone_cb(struct exchange *x, void *ctx)
{
	struct parked *p = ctx;

	(void)x;
	p->is_gone = true;
	end(p);
}

/* NULL: out of memory. */
static struct line *
line_of(struct work *work, struct span queue)
{
	struct line *line;

	LIST_FOREACH(line, &work->lines, link)
	{
		if (span_eq(line_name(line), queue))
			return line;
	}
	line = calloc(1, sizeof(*line));
	if (!line)
		return NULL;
	line->work = work;
	TAILQ_INIT(&line->head);
	line->name_len = queue.len;
	memcpy(line->name, queue.ptr, queue.len);
	LIST_INSERT_HEAD(&work->lines, line, link);
	work->n_lines++;
	return line;
}

static void
park(struct work *work, struct exchange *x, struct span queue, unsigned max, uint64_t wait_ms,
     uint64_t lease_ms)
{
	struct parked *p = calloc(1, sizeof(*p));
	struct line *line = p ? line_of(work, queue) : NULL;

	if (!line) {
		free(p);
		job_reply_no_memory(x);
		return;
	}
	const bool is_first = TAILQ_EMPTY(&line->head);
	p->line = line;
	p->x = x;
	p->max = max;
	p->lease_ms = lease_ms;
	p->state = CLAIM_PARKED;
	watch_init_timer(&p->timer, work->jobs->loop, "claim", timer_cb, p);
	TAILQ_INSERT_TAIL(&line->head, p, link);
	if (work->n++ == 0)
		watch_start_ms(&work->look_timer, LOOK_MS);
	p->is_over = wait_ms == 0 || work->n > PARKED_MAX || work->n_lines > LINES_MAX ||
		     work->jobs->is_leaving;
	if (!p->is_over)
		p->is_over = !watch_start_ms(&p->timer, wait_ms);
	exchange_on_shut(x, gone_cb, p);
	/* behind those who wait already there is nothing now */
	if (is_first || p->is_over) {
		make_due(p);
		ask_due(work);
	}
}

/* --- news --- */

/*
 * What a queue may have for those who wait, by what the host shares: how many wait in it is an
 * estimate that may miss one that has just come, and that is counted for itself.
 */
static int64_t
may_have(struct line *line)
{
	const struct job_queue_cell *cell =
	    jobs_queue(line->work->jobs->host.segment, line_name(line), false);

	if (!cell)
		return 1;
	const uint64_t arrived = cell->arrived_w, since = line->arrived;
	const int64_t depth = cell->depth;
	line->arrived = arrived;
	const int64_t came = arrived - since < HEAR_MAX ? (int64_t)(arrived - since) : HEAR_MAX;
	return came > depth ? came : depth < HEAR_MAX ? depth : HEAR_MAX;
}

/*
 * Of each line the first ones, as many as may find a job, and `least` at the least; each that finds
 * as many as it wants wakes one more.
 */
static void
hear(struct work *work, int64_t least)
{
	struct line *line;
	struct parked *p;

	LIST_FOREACH(line, &work->lines, link)
	{
		int64_t left = may_have(line);

		left = left > least ? left : least;
		TAILQ_FOREACH(p, &line->head, link)
		{
			if (left <= 0)
				break;
			left -= p->max;
			make_due(p);
		}
	}
	ask_due(work);
}

void
work_hear(struct work *work)
{
	hear(work, 0);
}

static void
look_timer_cb(void *arg, short what)
{
	struct work *work = arg;

	(void)what;
	hear(work, 1);
	if (work->n)
		watch_start_ms(&work->look_timer, LOOK_MS);
}

/* --- beginning and end --- */

struct work *
work_new(struct jobs *jobs)
{
	struct work *work = calloc(1, sizeof(*work));

	if (!work)
		return NULL;
	work->jobs = jobs;
	TAILQ_INIT(&work->due);
	watch_init_timer(&work->look_timer, jobs->loop, "look for jobs", look_timer_cb, work);
	return work;
}

void
work_end(struct work *work)
{
	struct line *line, *next_line;
	struct parked *p, *next;

	for (line = LIST_FIRST(&work->lines); line; line = next_line) {
		next_line = LIST_NEXT(line, link);
		/* the last one takes the line with it */
		for (p = TAILQ_FIRST(&line->head); p; p = next) {
			next = TAILQ_NEXT(p, link);
			end(p);
		}
	}
}

void
work_free(struct work **work)
{
	if (!*work)
		return;
	/* whoever had asked was answered when the queue went */
	work_end(*work);
	watch_stop(&(*work)->look_timer);
	free(*work);
	*work = NULL;
}

/* --- the route --- */

enum { CLAIM_MAX, CLAIM_WAIT, CLAIM_LEASE, CLAIM_PARAMS };

static bool
read_number(const struct query_param *param, uint64_t min, uint64_t max, uint64_t *value)
{
	const struct span text = query_value(param);

	if (param->state == QUERY_ABSENT)
		return true;
	if (param->state != QUERY_GIVEN || text.len < 1 || text.len > 6)
		return false;
	*value = 0;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		*value = 10 * *value + (uint64_t)(text.ptr[i] - '0');
	}
	return *value >= min && *value <= max;
}

static void
claim_handle(struct exchange *x, void *ctx)
{
	struct query_param params[CLAIM_PARAMS] = {
	    [CLAIM_MAX] = {.name = "max"},
	    [CLAIM_WAIT] = {.name = "wait"},
	    [CLAIM_LEASE] = {.name = "lease"},
	};
	uint64_t max = 1, lease_s = 0;
	struct jobs *jobs = ctx;
	struct mistakes mistakes;
	struct span queue;

	if (!jobs_read_queue(jobs, x, &queue))
		return;
	const struct span query = exchange_request(x)->query;
	mistakes_init(&mistakes);
	query_read(query, params, CLAIM_PARAMS);
	if (!read_number(&params[CLAIM_MAX], 1, CLAIM_HTTP_MAX, &max))
		query_mistakes_add(&mistakes, &params[CLAIM_MAX],
				   "must be a number of jobs from 1 to 100");
	const uint64_t wait_ms = jobs_read_wait(&params[CLAIM_WAIT], &mistakes);
	if (!read_number(&params[CLAIM_LEASE], LEASE_MIN_S, LEASE_MAX_S, &lease_s))
		query_mistakes_add(&mistakes, &params[CLAIM_LEASE],
				   "must be whole seconds from 1 to 86400");
	query_mistakes_add_unknown(&mistakes, query, params, CLAIM_PARAMS);
	if (mistakes.n) {
		refuse_query(x, &mistakes, "For instance ?max=10&wait=20.");
		return;
	}
	park(jobs->work, x, queue, (unsigned)max, wait_ms,
	     lease_s ? lease_s * 1000 : jobs->config->jobs_lease);
}

void
work_add_routes(struct jobs *jobs, struct route_table *routes)
{
	const struct route table[] = {{.methods = HTTP_METHOD_BIT(HTTP_POST),
				       .pattern = QUEUES_PATH "/{queue}/claim",
				       .handle = claim_handle}};

	jobs_add_table(jobs, routes, table, 1);
}
