/*
 * runner.c - see runner.h: credits, then a claim for as many jobs, then hands.c
 * has them.
 *
 * One claim is under way at a time, and while it is, credits and queues that
 * want one gather.
 */
#include "jobs/runner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/log.h"
#include "jobs/hands.h"
#include "jobs/jobs_shared.h"
#include "jobs/listener.h"
#include "jobs/sources.h"
#include "jobs/tend.h"
#include "queue/queue.h"

/* After a claim that was not answered as it should. */
#define AGAIN_MS 200
/* Queues that somebody's transaction holds; nobody tells when it has ended. */
#define LOCKED_MS 1000
#define NEWS_MAX  256
/*
 * How often the database is asked for jobs that it believes we have: whatever went wrong, none of
 * them waits for ever.
 */
#define RECONCILE_MS 60000
/* Parts, progress and chores that may wait for a lane beside the ends of jobs. */
#define OTHER_REQUESTS 1000

enum runner_state {
	RUNNER_CLAIMING,
	RUNNER_DRAINING, /* what runs goes on */
	RUNNER_LEAVING,  /* what runs is given back */
	RUNNER_ENDING    /* nothing is left; the database is told that we are gone */
};

struct runner {
	struct loop *loop;
	struct runner_settings settings;
	enum runner_state state;
	struct jobs_shared *shared;
	struct credits credits;
	struct job_teller teller;
	int64_t worker;
	struct queue *queue;
	struct hands *hands;
	struct tend *tend;
	struct listener *listener;

	bool is_known; /* connected, and the database has heard our beat */
	struct sources sources;
	bool has_claim;
	char claim_queue[JOB_NAME_MAX]; /* of the claim under way */
	size_t claim_queue_len;
	uint32_t claim_credits;
	/*
	 * Credits for jobs that a claim may have given us though nobody told: they
	 * are held until the database has taken those back.
	 */
	uint32_t lost_credits;
	bool wants_disown, is_disowning;

	/* jobs_shared's, and its queues', as far as we have looked */
	uint64_t arrivals, arrived[JOB_QUEUES];
	struct jobs_reader reader;
	struct watch doorbell, claim_timer, locked_timer, reconcile_timer, emptied;
	struct pass_hook pass;
	struct news_hook news;
};

static struct credit *
jobs_cell(struct runner *r)
{
	return &r->shared->credits.jobs;
}

/* ---- the end ---- */

static void
bury_cb(const struct queue_answer *answer, const struct uuid *id, size_t n, void *ctx)
{
	struct runner *r = ctx;

	(void)id;
	(void)n;
	/* otherwise our number is left for whoever rescues, and has nothing */
	if (answer->outcome == QUEUE_OK)
		jobs_set_worker(r->shared, r->settings.side, 0);
	watch_start_ms(&r->emptied, 0);
}

static void
end_when_empty(struct runner *r)
{
	if ((r->state != RUNNER_DRAINING && r->state != RUNNER_LEAVING) || r->has_claim ||
	    hands_count(r->hands) > 0)
		return;
	/* who has to leave does not wait for a database: what is lost is missed and rescued */
	if (r->lost_credits && (r->is_known || r->state == RUNNER_DRAINING))
		return;
	r->state = RUNNER_ENDING;
	if (tend_end(r->tend))
		queue_bury(r->queue, r->worker, bury_cb, r);
	else
		watch_start_ms(&r->emptied, 0);
}

static void
emptied_cb(void *arg, short what)
{
	struct runner *r = arg;

	(void)what;
	r->settings.emptied(r->settings.ctx);
}

/* ---- what a claim that went astray may have left ---- */

static void disown(struct runner *r);

static void
disown_cb(const struct queue_answer *answer, const struct moved *moved, void *ctx)
{
	struct runner *r = ctx;

	r->is_disowning = false;
	if (answer->outcome != QUEUE_OK) {
		r->wants_disown = true;
		watch_start_ms(&r->claim_timer, AGAIN_MS);
		end_when_empty(r);
		return;
	}
	if (moved->n)
		log_info("jobs: %zu claimed without our knowing, given back", moved->n);
	for (size_t i = 0; i < moved->n; i++) {
		struct source *source = sources_get(&r->sources, moved->row[i].queue);

		if (source)
			source_want(source, true);
	}
	credit_give_some(&r->credits, jobs_cell(r), r->lost_credits);
	r->lost_credits = 0;
	watch_start_ms(&r->reconcile_timer, RECONCILE_MS);
	end_when_empty(r);
}

/* No claim is under way: what we do not know of is not ours. */
static void
disown(struct runner *r)
{
	const size_t n = hands_count(r->hands);
	struct uuid *known = calloc(n + 1, sizeof(*known));

	if (!known) {
		watch_start_ms(&r->claim_timer, AGAIN_MS);
		return;
	}
	hands_list(r->hands, known);
	r->wants_disown = false;
	r->is_disowning = true;
	queue_disown(r->queue, r->worker, known, n, disown_cb, r);
	free(known);
}

/* ---- claims ---- */

static void
claim_cb(const struct queue_answer *answer, const struct claim_result *result, void *ctx)
{
	struct runner *r = ctx;
	const struct span queue = span_from(r->claim_queue, r->claim_queue_len);
	struct source *source = sources_get(&r->sources, queue);
	uint32_t left = r->claim_credits;

	r->has_claim = false;
	r->claim_credits = 0;
	if (answer->outcome != QUEUE_OK) {
		if (source)
			source_failed(source, answer->outcome == QUEUE_REFUSED);
		if (answer->outcome == QUEUE_UNKNOWN) {
			r->lost_credits += left;
			r->wants_disown = true;
		} else {
			credit_give_some(&r->credits, jobs_cell(r), left);
		}
		/* what is in one queue shall not hold up the others */
		if (answer->outcome != QUEUE_REFUSED)
			watch_start_ms(&r->claim_timer, AGAIN_MS);
		end_when_empty(r);
		return;
	}
	if (source)
		source_claimed(&r->sources, source, result->end);
	if (result->end == CLAIM_LOCKED && !watch_started(&r->locked_timer))
		watch_start_ms(&r->locked_timer, LOCKED_MS);
	if (result->n) {
		struct job_queue_cell *cell = jobs_queue(r->settings.segment, queue, false);

		if (cell)
			jobs_queue_drain(cell, result->n);
	}
	for (size_t i = 0; i < result->n; i++) {
		left--;
		if (!hands_take(r->hands, queue, &result->job[i])) {
			r->lost_credits++;
			r->wants_disown = true;
		}
	}
	if (left)
		credit_give_some(&r->credits, jobs_cell(r), left);
	end_when_empty(r);
}

/* Jobs have become ready in queues of this host since we looked last. */
static void
look_at_arrivals(struct runner *r)
{
	const uint64_t arrivals = atomic_load(&r->shared->arrivals);

	if (arrivals == r->arrivals)
		return;
	r->arrivals = arrivals;
	for (unsigned i = 0; i < JOB_QUEUES; i++) {
		const uint64_t arrived = atomic_load(&r->shared->queue[i].arrived);
		char name[JOB_QUEUE_NAME_MAX];
		size_t len;
		struct source *source;

		if (r->arrived[i] == arrived ||
		    (len = jobs_queue_name(r->settings.segment, i, name)) == 0)
			continue;
		source = sources_get(&r->sources, span_from(name, len));
		if (!source)
			continue;
		r->arrived[i] = arrived;
		source_want(source, false);
	}
}

static bool
can_claim(const struct runner *r)
{
	return r->state == RUNNER_CLAIMING && r->is_known && !r->has_claim && !r->is_disowning &&
	       !r->wants_disown && !watch_started(&r->claim_timer);
}

static void
claim(struct runner *r)
{
	size_t wanting;

	if (!can_claim(r))
		return;
	look_at_arrivals(r);
	wanting = sources_wanting(&r->sources);
	if (wanting == 0)
		return;
	const uint32_t limit = (uint32_t)r->settings.config->jobs_concurrency;
	const uint32_t used = credit_used(jobs_cell(r));
	/* several queues share what there is */
	uint32_t want =
	    used < limit ? (limit - used + (uint32_t)wanting - 1) / (uint32_t)wanting : 1;

	want = want < JOB_CLAIM_MAX ? want : JOB_CLAIM_MAX;
	r->claim_credits = credit_take_some(&r->credits, jobs_cell(r), limit, want);
	if (r->claim_credits == 0)
		return;
	struct source *source = sources_next(&r->sources);
	const struct claim claim = {
	    .queue = span_from(source->name, source->len),
	    .hand = 'p',
	    .max = r->claim_credits,
	    .worker = r->worker,
	    .lease_ms = r->settings.config->jobs_lease,
	    .is_full = source->is_full,
	};

	memcpy(r->claim_queue, source->name, source->len);
	r->claim_queue_len = source->len;
	r->has_claim = true;
	queue_claim(r->queue, &claim, claim_cb, r);
}

static void
reconcile_timer_cb(void *arg, short what)
{
	struct runner *r = arg;

	(void)what;
	r->wants_disown = true;
}

static void
claim_timer_cb(void *arg, short what)
{
	struct runner *r = arg;

	/* the pass's end goes on */
	(void)r;
	(void)what;
}

static void
locked_timer_cb(void *arg, short what)
{
	struct runner *r = arg;

	/* the pass's end claims */
	(void)what;
	sources_retry(&r->sources);
}

/* ---- what others tell ---- */

static void
read_news(struct runner *r)
{
	struct job_news news[NEWS_MAX];
	bool missed;
	size_t n;

	do {
		n = jobs_read_news(r->shared, &r->reader, loop_now_ms(r->loop), news, NEWS_MAX,
				   &missed);
		for (size_t i = 0; i < n; i++) {
			if (news[i].state == JOB_STATE_CANCELLING)
				hands_cancel(r->hands, &news[i].id);
		}
		/* the next beat tells of a cancel that was missed */
	} while (n == NEWS_MAX);
}

static bool
pass_cb(void *arg)
{
	struct runner *r = arg;

	read_news(r);
	listener_yield(r->listener);
	tend_rescue(r->tend);
	if (r->wants_disown && !r->has_claim && !r->is_disowning && r->is_known &&
	    r->state != RUNNER_ENDING && !watch_started(&r->claim_timer))
		disown(r);
	claim(r);
	return false;
}

static bool
news_cb(void *arg)
{
	const struct runner *r = arg;

	/* what cannot be claimed now is no reason to stay awake */
	return (can_claim(r) && atomic_load(&r->shared->arrivals) != r->arrivals) ||
	       jobs_has_news(r->shared, &r->reader);
}

static bool
sleep_cb(void *arg)
{
	struct runner *r = arg;

	jobs_sleep(r->shared, r->settings.side, SLEEP_ASLEEP);
	return true;
}

static void
wake_cb(void *arg)
{
	struct runner *r = arg;

	jobs_sleep(r->shared, r->settings.side, SLEEP_AWAKE);
}

static void
doorbell_cb(void *arg, short what)
{
	struct runner *r = arg;

	(void)what;
	doorbell_answer(r->settings.bell, r->settings.slot);
	hands_credit(r->hands);
	/* and the pass's end looks for the rest */
}

static void
heard_cb(struct span queue, void *ctx)
{
	struct runner *r = ctx;

	if (queue.len == 0) {
		for (size_t i = 0; i < r->sources.n; i++)
			source_want(&r->sources.source[i], true);
		return;
	}
	struct source *source = sources_get(&r->sources, queue);
	struct job_queue_cell *cell = jobs_queue(r->settings.segment, queue, false);

	if (source)
		source_want(source, true);
	/* or it is for workers over HTTP: whose, is not told */
	if (cell)
		jobs_queue_ready(r->shared, cell, 0, 'w');
	job_teller_wake(&r->teller);
}

/* ---- what the others of this process tell ---- */

static void
ready_cb(struct span queue, bool is_sure, void *ctx)
{
	struct runner *r = ctx;
	struct source *source = sources_get(&r->sources, queue);

	if (source)
		source_want(source, is_sure && !source->wants && !source->is_claiming);
}

static void
cancelled_cb(const struct uuid *id, void *ctx)
{
	struct runner *r = ctx;

	hands_cancel(r->hands, id);
}

static void
beaten_cb(void *ctx)
{
	struct runner *r = ctx;

	if (r->is_known)
		return;
	r->is_known = true;
	r->wants_disown = true;
	hands_set_stores(r->hands, true);
}

static void
left_cb(const struct ended_row *row, void *ctx)
{
	struct runner *r = ctx;

	if (row && row->state == JOB_STATE_SCHEDULED)
		tend_promote_in(r->tend, row->in_ms);
	if (row) {
		struct job_queue_cell *cell = jobs_queue(r->settings.segment, row->queue, false);
		struct source *source = sources_get(&r->sources, row->queue);

		if (source)
			source_unblock(source);
		if (cell && row->state == JOB_STATE_QUEUED)
			jobs_queue_put(r->shared, cell, 1, 'p');
		else if (cell && row->state == JOB_STATE_SCHEDULED)
			jobs_queue_expect(cell, 1);
		if (source && row->state == JOB_STATE_QUEUED)
			source_want(source, false);
	}
	end_when_empty(r);
}

static void
change_cb(void *ctx)
{
	struct runner *r = ctx;
	const bool usable = queue_is_usable(r->queue);

	if (!usable) {
		r->is_known = false;
		hands_set_stores(r->hands, false);
	}
	tend_set_connected(r->tend, usable);
}

/* ---- life ---- */

/* Nobody else's, in any database. */
static bool
make_worker(int64_t *worker)
{
	uint64_t random = 0;

	while (random == 0) {
		if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
			log_error("jobs: no random number: %s", strerror(errno));
			return false;
		}
		random &= INT64_MAX;
	}
	*worker = (int64_t)random;
	return true;
}

static bool
build(struct runner *r)
{
	const struct runner_settings *s = &r->settings;
	const struct hands_settings hands = {
	    .config = s->config,
	    .queue = r->queue,
	    .credits = &r->credits,
	    .teller = &r->teller,
	    .own = s->own,
	    .n_own = s->n_own,
	    .left = left_cb,
	    .ctx = r,
	};
	const struct tend_settings tend = {
	    .queue = r->queue,
	    .segment = s->segment,
	    .teller = &r->teller,
	    .worker = r->worker,
	    .beaten = beaten_cb,
	    .cancelled = cancelled_cb,
	    .ready = ready_cb,
	    .ctx = r,
	};
	const struct listener_settings listener = {
	    .config = s->config,
	    .held_until_ms = &r->shared->held_until_ms,
	    .heard = heard_cb,
	    .ctx = r,
	};

	r->hands = hands_new(r->loop, &hands);
	r->tend = r->hands ? tend_new(r->loop, &tend) : NULL;
	r->listener = r->tend ? listener_new(r->loop, &listener) : NULL;
	return r->listener != NULL;
}

static bool
start(struct runner *r)
{
	const struct runner_settings *s = &r->settings;

	jobs_set_worker(r->shared, s->side, r->worker);
	jobs_reader_init(&r->reader, r->shared);
	job_teller_init(&r->teller, r->loop);
	r->news = (struct news_hook){.fn = news_cb, .arg = r};
	loop_add_news_hook(r->loop, &r->news);
	loop_set_sleep(r->loop, sleep_cb, wake_cb, r);
	return watch_start(&r->doorbell);
}

struct runner *
runner_new(struct loop *loop, const struct runner_settings *settings)
{
	struct runner *r = calloc(1, sizeof(*r));
	const struct queue_settings queue = {
	    .config = settings->config,
	    .lanes = settings->lanes,
	    .held_until_ms = &jobs_shared_of(settings->segment)->held_until_ms,
	    /* the ends of all that runs may come at once, and none of them had better wait */
	    .limit = (size_t)settings->config->jobs_concurrency + OTHER_REQUESTS,
	    .on_change = change_cb,
	    .ctx = r,
	};

	if (!r) {
		log_error("jobs: out of memory");
		return NULL;
	}
	r->loop = loop;
	r->settings = *settings;
	r->shared = jobs_shared_of(settings->segment);
	r->credits = (struct credits){
	    .shared = &r->shared->credits,
	    .segment = settings->segment,
	    .bell = settings->bell,
	    .side = settings->side,
	};
	r->teller = (struct job_teller){
	    .segment = settings->segment,
	    .bell = settings->bell,
	    .slot = settings->slot,
	    .tell = settings->tell,
	    .ctx = settings->ctx,
	};
	watch_init_timer(&r->claim_timer, loop, "jobs claim", claim_timer_cb, r);
	watch_init_timer(&r->locked_timer, loop, "jobs locked", locked_timer_cb, r);
	watch_init_timer(&r->reconcile_timer, loop, "jobs reconcile", reconcile_timer_cb, r);
	watch_init_timer(&r->emptied, loop, "jobs emptied", emptied_cb, r);
	watch_init(&r->doorbell, loop, settings->bell->fd[settings->slot], LOOP_READ,
		   "jobs doorbell", doorbell_cb, r);
	/* before the lanes' hooks: what this one submits leaves in the same pass */
	r->pass = (struct pass_hook){.fn = pass_cb, .name = "jobs", .arg = r};
	loop_add_pass_hook(loop, &r->pass);
	if (!make_worker(&r->worker) || !(r->queue = queue_new(loop, &queue)) || !build(r) ||
	    !start(r))
		runner_free(&r);
	return r;
}

void
runner_free(struct runner **runner)
{
	struct runner *r = *runner;

	if (!r)
		return;
	/* so that no answer begins anything */
	r->state = RUNNER_ENDING;
	r->is_known = false;
	loop_set_sleep(r->loop, NULL, NULL, NULL);
	watch_stop(&r->doorbell);
	queue_free(&r->queue);
	watch_stop(&r->claim_timer);
	watch_stop(&r->locked_timer);
	watch_stop(&r->reconcile_timer);
	watch_stop(&r->emptied);
	listener_free(&r->listener);
	tend_free(&r->tend);
	hands_free(&r->hands);
	sources_fini(&r->sources);
	free(r);
	*runner = NULL;
}

void
runner_drain(struct runner *runner)
{
	if (runner->state != RUNNER_CLAIMING)
		return;
	runner->state = RUNNER_DRAINING;
	tend_drain(runner->tend);
	end_when_empty(runner);
}

void
runner_leave(struct runner *runner)
{
	if (runner->state == RUNNER_CLAIMING)
		runner_drain(runner);
	if (runner->state != RUNNER_DRAINING)
		return;
	runner->state = RUNNER_LEAVING;
	hands_give_back(runner->hands);
	end_when_empty(runner);
}

size_t
runner_running(const struct runner *runner)
{
	return hands_count(runner->hands);
}
