/*
 * queues_http.c - queues as they are, at once or when they have become empty; and their settings.
 */
#include "jobs/queues_http.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "http/exchange.h"
#include "http/json_body.h"
#include "http/query.h"
#include "http/query_mistakes.h"
#include "http/refuse.h"
#include "jobs/job_json.h"
#include "jobs/job_reply.h"
#include "jobs/jobs_common.h"

/*
 * A queue that seems to be empty is looked at soon, and then less and less often as long as nothing
 * is heard: what runs may run for long. Another one is not.
 */
#define LOOK_SOON_MS  20
#define LOOK_LATER_MS 1000
#define WAITS_MAX     1000

enum wait_state {
	WAIT_LOOKING, /* the database has been asked */
	WAIT_PAUSING  /* until the next look */
};

/* One GET of a queue. */
struct queue_wait {
	LIST_ENTRY(queue_wait) link;
	struct queue_waits *waits;
	struct exchange *x;
	struct watch end_timer, look_timer;
	enum wait_state state;
	bool is_over;  /* the next look is the last */
	bool has_seen; /* it has found the queue once */
	bool is_soon;  /* that look is planned to be as soon as any */
	uint64_t pause_ms;
	size_t name_len;
	char name[JOB_NAME_MAX];
};

struct queue_waits {
	struct jobs *jobs;
	size_t n;
	LIST_HEAD(, queue_wait) head;
};

static uint64_t
drained_per_s(const struct jobs *jobs, struct span name)
{
	struct job_queue_cell *cell = jobs_queue(jobs->host.segment, name, false);

	return cell ? cell->rate : 0;
}

/* --- GET /api/queues --- */

struct list {
	struct jobs *jobs;
	struct exchange *x;
};

static void
list_done(const struct queue_answer *answer, const struct queue_row *row, size_t n, void *ctx)
{
	struct list *list = ctx;
	struct buffer body = {0};

	if (answer->outcome != QUEUE_OK) {
		job_reply_trouble(list->x, answer);
		free(list);
		return;
	}
	bool ok = buffer_printf(&body, JOB_REPLY_MAX, "{\"queues\":[");
	for (size_t i = 0; ok && i < n; i++)
		ok = (i == 0 || buffer_append(&body, ",", 1, JOB_REPLY_MAX)) &&
		     job_queue_json(&body, &row[i], list->jobs->config,
				    drained_per_s(list->jobs, row[i].name));
	ok = ok && buffer_printf(&body, JOB_REPLY_MAX, "]}");
	job_reply_tagged(list->x, ok, &body, answer, NULL);
	free(list);
}

static void
list_handle(struct exchange *x, void *ctx)
{
	struct jobs *jobs = ctx;
	struct mistakes mistakes;

	if (!jobs_may_ask(jobs, x))
		return;
	mistakes_init(&mistakes);
	query_mistakes_add_unknown(&mistakes, exchange_request(x)->query, NULL, 0);
	if (mistakes.n) {
		refuse_query(x, &mistakes, "GET " QUEUES_PATH "/{queue} takes until= and wait=.");
		return;
	}
	struct list *list = malloc(sizeof(*list));
	if (!list) {
		job_reply_no_memory(x);
		return;
	}
	*list = (struct list){jobs, x};
	queue_queues(jobs->queue, span_from(NULL, 0), list_done, list);
}

/* --- GET /api/queues/{queue} --- */

static void
wait_free(struct queue_wait *w)
{
	watch_stop(&w->end_timer);
	watch_stop(&w->look_timer);
	LIST_REMOVE(w, link);
	w->waits->n--;
	free(w);
}

static struct span
wait_name(const struct queue_wait *w)
{
	return span_from(w->name, w->name_len);
}

/* By the estimate that the processes of this host share. */
static bool
seems_empty(const struct queue_wait *w)
{
	const struct job_queue_cell *cell =
	    jobs_queue(w->waits->jobs->host.segment, wait_name(w), false);

	return !cell || cell->depth <= 0;
}

static void
pause_look(struct queue_wait *w)
{
	w->state = WAIT_PAUSING;
	w->pause_ms *= 2;
	if (w->pause_ms > LOOK_LATER_MS || !seems_empty(w))
		w->pause_ms = LOOK_LATER_MS;
	w->is_soon = w->pause_ms <= LOOK_SOON_MS;
	watch_start_ms(&w->look_timer, w->pause_ms);
}

static void
look_done(const struct queue_answer *answer, const struct queue_row *row, size_t n, void *ctx)
{
	struct queue_wait *w = ctx;
	struct jobs *jobs = w->waits->jobs;
	struct buffer body = {0};

	const bool is_trouble = answer->outcome != QUEUE_OK;

	/* a database that goes away while somebody waits may come back in time */
	if (!w->is_over &&
	    (is_trouble ? w->has_seen : n && row->ready + row->later + row->running > 0)) {
		w->has_seen = true;
		pause_look(w);
		return;
	}
	if (is_trouble) {
		job_reply_trouble(w->x, answer);
	} else if (n == 0) {
		job_reply_no_queue(w->x);
	} else {
		const bool ok =
		    job_queue_json(&body, row, jobs->config, drained_per_s(jobs, row->name));
		job_reply_tagged(w->x, ok, &body, answer, NULL);
	}
	wait_free(w);
}

static void
look(struct queue_wait *w)
{
	w->state = WAIT_LOOKING;
	watch_stop(&w->look_timer);
	queue_queues(w->waits->jobs->queue, wait_name(w), look_done, w);
}

static void
look_timer_cb(void *arg, short what)
{
	(void)what;
	look(arg);
}

static void
end(struct queue_wait *w)
{
	watch_stop(&w->end_timer);
	w->is_over = true;
	if (w->state == WAIT_PAUSING)
		look(w);
}

static void
end_timer_cb(void *arg, short what)
{
	(void)what;
	end(arg);
}

static void
gone_cb(struct exchange *x, void *ctx)
{
	(void)x;
	end(ctx);
}

static void
wait_start(struct jobs *jobs, struct exchange *x, struct span name, uint64_t wait_ms)
{
	struct queue_waits *waits = jobs->queue_waits;
	struct queue_wait *w = calloc(1, sizeof(*w));

	if (!w) {
		job_reply_no_memory(x);
		return;
	}
	w->waits = waits;
	w->x = x;
	w->pause_ms = LOOK_SOON_MS / 2;
	w->name_len = name.len;
	memcpy(w->name, name.ptr, name.len);
	watch_init_timer(&w->end_timer, jobs->loop, "wait for a queue", end_timer_cb, w);
	watch_init_timer(&w->look_timer, jobs->loop, "look at a queue", look_timer_cb, w);
	LIST_INSERT_HEAD(&waits->head, w, link);
	waits->n++;
	w->is_over = wait_ms == 0 || waits->n > WAITS_MAX || jobs->is_leaving;
	if (!w->is_over) {
		w->is_over = !watch_start_ms(&w->end_timer, wait_ms);
		exchange_on_gone(x, gone_cb, w);
	}
	look(w);
}

static void
get_handle(struct exchange *x, void *ctx)
{
	struct query_param params[] = {{.name = "until"}, {.name = "wait"}};
	const struct query_param *until = &params[0], *wait = &params[1];
	struct jobs *jobs = ctx;
	struct mistakes mistakes;
	struct span name;

	if (!jobs_read_queue(jobs, x, &name))
		return;
	const struct span query = exchange_request(x)->query;
	mistakes_init(&mistakes);
	query_read(query, params, 2);
	if (until->state != QUERY_ABSENT &&
	    (until->state != QUERY_GIVEN || !span_eq(query_value(until), SPAN_LIT("empty"))))
		query_mistakes_add(&mistakes, until, "must be the word \"empty\", given once");
	const uint64_t wait_ms = jobs_read_wait(wait, &mistakes);
	if (wait->state == QUERY_GIVEN && until->state == QUERY_ABSENT)
		query_mistakes_add(&mistakes, until,
				   "is missing: wait= is for how long, and until=empty for what");
	query_mistakes_add_unknown(&mistakes, query, params, 2);
	if (mistakes.n) {
		refuse_query(x, &mistakes, "For instance ?until=empty&wait=20.");
		return;
	}
	wait_start(jobs, x, name, wait_ms);
}

struct queue_waits *
queue_waits_new(struct jobs *jobs)
{
	struct queue_waits *waits = calloc(1, sizeof(*waits));

	if (waits)
		waits->jobs = jobs;
	return waits;
}

void
queue_waits_free(struct queue_waits **waits)
{
	const struct queue_answer answer = {.outcome = QUEUE_DOWN, .retry_after_s = 1};
	struct queue_wait *w;

	while (*waits && (w = LIST_FIRST(&(*waits)->head)) != NULL) {
		job_reply_trouble(w->x, &answer);
		wait_free(w);
	}
	free(*waits);
	*waits = NULL;
}

void
queue_waits_hear(struct queue_waits *waits)
{
	struct queue_wait *w;

	LIST_FOREACH(w, &waits->head, link)
	{
		if (w->state == WAIT_PAUSING && !w->is_soon && seems_empty(w)) {
			w->pause_ms = LOOK_SOON_MS / 2;
			pause_look(w);
		}
	}
}

void
queue_waits_end(struct queue_waits *waits)
{
	struct queue_wait *w;

	/* an answer that comes at once may free any of them: from the beginning each time */
	do {
		LIST_FOREACH(w, &waits->head, link)
		{
			if (!w->is_over)
				break;
		}
		if (w)
			end(w);
	} while (w);
}

/* --- PATCH /api/queues/{queue} --- */

static void
read_limit(const json_t *json, struct span key, uint64_t conf, const char *option, bool *sets,
	   int64_t *value, struct mistakes *mistakes)
{
	const double number = json_is_number(json) ? json_number_value(json) : NAN;

	*sets = true;
	*value = -1;
	if (json_is_null(json))
		return;
	if (number >= 1 && number <= (double)conf && number == floor(number))
		*value = (int64_t)number;
	else
		mistakes_add_key(mistakes, key,
				 "must be a whole number from 1 to %llu (%s is the ceiling), or "
				 "null for that",
				 (unsigned long long)conf, option);
}

static bool
change_read(const json_t *json, const struct config *config, struct queue_change *change,
	    struct mistakes *mistakes)
{
	/* jansson's iterator wants it writable, and does not write */
	json_t *object = (json_t *)(uintptr_t)json;

	if (!json_is_object(json))
		mistakes_add(mistakes, "must be an object with paused, concurrency or depth");
	for (void *it = json_object_iter(object); it; it = json_object_iter_next(object, it)) {
		const json_t *value = json_object_iter_value(it);
		const struct span key =
		    span_from(json_object_iter_key(it), json_object_iter_key_len(it));

		if (span_eq(key, SPAN_LIT("paused"))) {
			change->sets_paused = true;
			change->is_paused = json_is_true(value);
			if (!json_is_boolean(value) && !json_is_null(value))
				mistakes_add_key(mistakes, key, "must be true or false");
		} else if (span_eq(key, SPAN_LIT("concurrency"))) {
			read_limit(value, key, config->jobs_queue_concurrency,
				   "jobs.queue_concurrency", &change->sets_concurrency,
				   &change->concurrency, mistakes);
		} else if (span_eq(key, SPAN_LIT("depth"))) {
			read_limit(value, key, config->jobs_queue_depth, "jobs.queue_depth",
				   &change->sets_depth, &change->depth, mistakes);
		} else {
			mistakes_add_key(mistakes, key,
					 "is not a setting of a queue; paused, concurrency and "
					 "depth are accepted");
		}
	}
	return mistakes->n == 0;
}

struct setting {
	struct jobs *jobs;
	struct exchange *x;
	struct queue_change change; /* its name is in the path of x */
};

static void
set_done(const struct queue_answer *answer, const struct queue_row *row, size_t n, void *ctx)
{
	struct setting *setting = ctx;
	const struct segment *segment = setting->jobs->host.segment;
	struct buffer body = {0};

	if (answer->outcome != QUEUE_OK || n != 1) {
		job_reply_trouble(setting->x, answer);
		free(setting);
		return;
	}
	/* so that all of this host know it now */
	struct job_queue_cell *cell = jobs_queue(segment, row->name, true);
	if (cell)
		jobs_queue_set(cell, atomic_load(&cell->depth), row->ready + row->later,
			       row->depth > 0 ? row->depth : 0, row->is_paused);
	/* what was held back before may be claimed now */
	if (!row->is_paused)
		jobs_stir(setting->jobs, cell);
	const bool ok = job_queue_json(&body, row, setting->jobs->config, cell ? cell->rate : 0);
	job_reply_json(setting->x, ok, 200, &body, answer, NULL);
	free(setting);
}

/* Settings keep a queue for good: of made-up names there is an end; what SQL has made is there. */
static void
is_there_done(const struct queue_answer *answer, const struct queue_row *row, size_t n, void *ctx)
{
	struct setting *setting = ctx;

	(void)row;
	if (answer->outcome == QUEUE_OK && n > 0) {
		queue_set(setting->jobs->queue, &setting->change, set_done, setting);
		return;
	}
	if (answer->outcome == QUEUE_OK)
		job_reply_full(setting->x, span_from(NULL, 0), TOO_MANY_RETRY_S);
	else
		job_reply_trouble(setting->x, answer);
	free(setting);
}

static void
set_handle(struct exchange *x, void *ctx)
{
	struct queue_change change = {0};
	struct jobs *jobs = ctx;
	struct mistakes mistakes;

	if (!jobs_read_queue(jobs, x, &change.name))
		return;
	json_t *json = json_body_read(x);
	if (!json)
		return;
	mistakes_init(&mistakes);
	struct setting *setting = malloc(sizeof(*setting));
	if (!setting) {
		job_reply_no_memory(x);
	} else if (!change_read(json, jobs->config, &change, &mistakes)) {
		job_reply_invalid(x, &mistakes,
				  "the settings of a queue are "
				  "{\"paused\":true,\"concurrency\":3,\"depth\":100}");
		free(setting);
	} else {
		*setting = (struct setting){jobs, x, change};
		if (jobs_queue(jobs->host.segment, change.name, true))
			queue_set(jobs->queue, &change, set_done, setting);
		else
			queue_queues(jobs->queue, change.name, is_there_done, setting);
	}
	json_decref(json);
}

void
queues_add_routes(struct jobs *jobs, struct route_table *routes)
{
	const struct route table[] = {
	    {.methods = HTTP_METHOD_BIT(HTTP_GET), .pattern = QUEUES_PATH, .handle = list_handle},
	    {.methods = HTTP_METHOD_BIT(HTTP_GET),
	     .pattern = QUEUES_PATH "/{queue}",
	     .handle = get_handle},
	    {.methods = HTTP_METHOD_BIT(HTTP_PATCH),
	     .pattern = QUEUES_PATH "/{queue}",
	     .body_limit = JSON_BODY_MAX,
	     .body_type = "application/merge-patch+json, application/json",
	     .handle = set_handle},
	};

	jobs_add_table(jobs, routes, table, sizeof(table) / sizeof(table[0]));
}
