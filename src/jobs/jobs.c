/*
 * jobs.c - the wiring of a worker's job queue: its connections, its routes, the news it hears and
 * tells.
 */
#include "jobs/jobs.h"

#include <stdlib.h>

#include "base/log.h"
#include "jobs/end_http.h"
#include "jobs/job_wait.h"
#include "jobs/jobs_common.h"
#include "jobs/jobs_http.h"
#include "jobs/queues_http.h"
#include "jobs/work_http.h"

/* News that are taken in one go; the rest in the next pass. */
#define NEWS_AT_ONCE 64
/* A writer may be in the middle of one. */
#define NEWS_AGAIN_MS 5

/* --- news --- */

/* Whether there is more to read just now. */
static bool
hear(struct jobs *jobs)
{
	struct job_news news[NEWS_AT_ONCE];
	bool missed = false;

	if (!jobs_has_news(jobs->shared, &jobs->reader))
		return false;
	const size_t n = jobs_read_news(jobs->shared, &jobs->reader, loop_now_ms(jobs->loop), news,
					NEWS_AT_ONCE, &missed);
	for (size_t i = 0; i < n; i++)
		job_waits_hear(jobs->waits, &news[i]);
	if (missed)
		job_waits_hear(jobs->waits, NULL);
	if (n || missed) {
		queue_waits_hear(jobs->queue_waits);
		work_hear(jobs->work);
	}
	if (!jobs_has_news(jobs->shared, &jobs->reader))
		return false;
	/* none came, though there is one: it is being written */
	if (n == 0 && !missed) {
		if (!watch_started(&jobs->news_timer))
			watch_start_ms(&jobs->news_timer, NEWS_AGAIN_MS);
		return false;
	}
	return true;
}

static bool
pass_end(void *arg)
{
	struct jobs *jobs = arg;
	const bool is_more = hear(jobs);

	if (jobs->has_put)
		jobs_ring(jobs->host.segment, jobs->host.bell);
	jobs->has_put = false;
	return is_more;
}

/* What came between the last pass and the wait, and rang nobody. */
static bool
has_news(void *arg)
{
	const struct jobs *jobs = arg;

	return jobs_has_news(jobs->shared, &jobs->reader) && !watch_started(&jobs->news_timer);
}

/* The end of its pass reads on. */
static void
news_timer_cb(void *arg, short what)
{
	(void)arg;
	(void)what;
}

/* --- beginning and end --- */

static bool
open_queue(struct jobs *jobs)
{
	const struct queue_settings settings = {
	    .config = jobs->config,
	    .lanes = jobs->host.lanes,
	    .held_until_ms = &jobs->shared->held_until_ms,
	};

	if (!jobs->config->store_database[0])
		return true;
	jobs->queue = queue_new(jobs->loop, &settings);
	return jobs->queue != NULL;
}

struct jobs *
jobs_new(struct loop *loop, const struct jobs_host *host)
{
	struct jobs *jobs = calloc(1, sizeof(*jobs));

	if (!jobs) {
		log_error("jobs: out of memory");
		return NULL;
	}
	jobs->loop = loop;
	jobs->config = host->config;
	jobs->host = *host;
	jobs->shared = jobs_shared_of(host->segment);
	jobs_reader_init(&jobs->reader, jobs->shared);
	watch_init_timer(&jobs->news_timer, loop, "news of jobs", news_timer_cb, jobs);
	jobs->waits = job_waits_new(jobs);
	jobs->queue_waits = queue_waits_new(jobs);
	jobs->work = work_new(jobs);
	if (!jobs->waits || !jobs->queue_waits || !jobs->work) {
		log_error("jobs: out of memory");
		jobs_free(&jobs);
		return NULL;
	}
	if (jobs->config->store_database[0]) {
		/* before the lanes' hooks: what is asked for on hearing leaves in the same pass */
		jobs->pass = (struct pass_hook){.fn = pass_end, .name = "jobs", .arg = jobs};
		loop_add_pass_hook(loop, &jobs->pass);
	}
	if (!open_queue(jobs)) {
		jobs_free(&jobs);
		return NULL;
	}
	jobs->teller = (struct job_teller){
	    .segment = host->segment,
	    .bell = host->bell,
	    .slot = host->slot,
	    .tell = host->tell,
	    .ctx = host->ctx,
	};
	if (jobs->queue) {
		job_teller_init(&jobs->teller, loop);
		jobs->news = (struct news_hook){.fn = has_news, .arg = jobs};
		loop_add_news_hook(loop, &jobs->news);
	}
	return jobs;
}

void
jobs_leave(struct jobs *jobs)
{
	if (jobs->is_leaving)
		return;
	jobs->is_leaving = true;
	job_waits_end(jobs->waits);
	queue_waits_end(jobs->queue_waits);
	work_end(jobs->work);
}

void
jobs_free(struct jobs **jobs)
{
	struct jobs *j = *jobs;

	if (!j)
		return;
	j->is_leaving = true;
	/* answers all that are under way */
	queue_free(&j->queue);
	job_waits_free(&j->waits);
	queue_waits_free(&j->queue_waits);
	work_free(&j->work);
	watch_stop(&j->news_timer);
	free(j);
	*jobs = NULL;
}

void
jobs_add_routes(struct jobs *jobs, struct route_table *routes)
{
	jobs_http_add_routes(jobs, routes);
	queues_add_routes(jobs, routes);
	work_add_routes(jobs, routes);
	end_add_routes(jobs, routes);
}
