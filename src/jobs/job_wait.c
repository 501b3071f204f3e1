/*
 * job_wait.c - each one looks at its job when it comes, when there is news of it, from time to time
 * in case that nobody of this host has told, and when its time is over: that answer is the last.
 */
#include "jobs/job_wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "http/problem.h"
#include "jobs/job_json.h"
#include "jobs/job_reply.h"
#include "jobs/jobs_common.h"

#define BUCKETS 1024
/* What happens on other hosts is seen by looking. */
#define LOOK_MS 1000
/* So many ended at once that their lane was full of looks: the rest looks again. */
#define LOOK_AGAIN_MS 20

enum waiter_state {
	WAITER_EXPECTING, /* its job is being put */
	WAITER_LOOKING,   /* the database has been asked */
	WAITER_WAITING    /* for news, or for the end of its time */
};

struct waiter {
	LIST_ENTRY(waiter) link;
	TAILQ_ENTRY(waiter) due_link;
	struct job_waits *waits;
	struct exchange *x;
	struct uuid id;
	struct watch timer;
	enum waiter_state state;
	enum wait_use use;
	uint64_t wait_ms;   /* what is waited at most; 0: it is answered at once */
	bool is_over;       /* its time, or its client: the next look is the last */
	bool is_due;        /* in waits->due */
	bool has_news;      /* since it began to look */
	bool was_busy;      /* so was the lane: it has not looked at its news */
	bool has_seen;      /* it has found the job once */
	struct buffer made; /* WAIT_PUT: the job as it was put */
};

LIST_HEAD(bucket, waiter);

struct job_waits {
	struct jobs *jobs;
	size_t n;
	struct bucket bucket[BUCKETS];
	/* who is to look: by turns, since an answer that comes at once may free any of them */
	TAILQ_HEAD(, waiter) due;
	struct watch look_timer, again_timer;
};

static struct bucket *
bucket_of(struct job_waits *waits, const unsigned char id[16])
{
	/* the end of a UUID is random; its beginning is the time */
	return &waits->bucket[(id[14] << 8 | id[15]) % BUCKETS];
}

static void
waiter_free(struct waiter *w)
{
	watch_stop(&w->timer);
	if (w->is_due)
		TAILQ_REMOVE(&w->waits->due, w, due_link);
	LIST_REMOVE(w, link);
	buffer_fini(&w->made);
	if (--w->waits->n == 0) {
		watch_stop(&w->waits->look_timer);
		watch_stop(&w->waits->again_timer);
	}
	free(w);
}

/* --- its answer --- */

/* Lines of a put: where the job is, and how long was waited for it (RFC 7240 section 3). */
#define FIELDS_SIZE 120

static const char *
fields_of(const struct waiter *w, char fields[FIELDS_SIZE])
{
	char id[UUID_TEXT_SIZE];
	int at = 0;

	fields[0] = '\0';
	uuid_print(&w->id, id);
	if (w->use == WAIT_PUT)
		at = snprintf(fields, FIELDS_SIZE, "Location: " JOBS_PATH "/%s\r\n", id);
	if (w->wait_ms)
		snprintf(fields + at, FIELDS_SIZE - (size_t)at, "Preference-Applied: wait=%u\r\n",
			 (unsigned)(w->wait_ms / 1000));
	return fields;
}

static void
reply_trouble(struct waiter *w, const struct queue_answer *answer)
{
	char fields[FIELDS_SIZE];

	/* it was put, whatever became of the database since */
	if (w->use == WAIT_PUT)
		job_reply_json(w->x, true, 202, &w->made, NULL, fields_of(w, fields));
	else
		job_reply_trouble(w->x, answer);
}

static void
reply(struct waiter *w, const struct queue_answer *answer, const struct job_row *row)
{
	char fields[FIELDS_SIZE];
	struct buffer body = {0};
	const bool is_written = job_json(&body, row);
	const bool is_made = w->use == WAIT_PUT && !job_state_is_final(row->state);

	if (w->use == WAIT_GET)
		job_reply_tagged(w->x, is_written, &body, answer, NULL);
	else
		job_reply_json(w->x, is_written, is_made ? 202 : 200, &body, answer,
			       fields_of(w, fields));
}

static void look(struct waiter *w);

static void
look_done(const struct queue_answer *answer, const struct job_row *row, size_t n, void *ctx)
{
	struct waiter *w = ctx;
	const bool is_trouble = answer->outcome != QUEUE_OK;

	w->state = WAITER_WAITING;
	/* a database that goes away while somebody waits may come back in time */
	if (is_trouble && w->has_seen && !w->is_over) {
		w->was_busy = answer->outcome == QUEUE_BUSY;
		if (w->was_busy && !watch_started(&w->waits->again_timer))
			watch_start_ms(&w->waits->again_timer, LOOK_AGAIN_MS);
		return;
	}
	if (is_trouble) {
		reply_trouble(w, answer);
	} else if (n == 0) {
		job_reply_absent(w->x, &w->id, w->waits->jobs->config->jobs_retention);
	} else if (w->is_over || job_state_is_final(row->state)) {
		reply(w, answer, row);
	} else {
		w->has_seen = true;
		if (w->has_news)
			look(w);
		return;
	}
	waiter_free(w);
}

static void
look(struct waiter *w)
{
	w->state = WAITER_LOOKING;
	w->has_news = w->was_busy = false;
	queue_get(w->waits->jobs->queue, &w->id, look_done, w);
}

static void
look_due(struct job_waits *waits)
{
	struct waiter *w;

	while ((w = TAILQ_FIRST(&waits->due)) != NULL) {
		TAILQ_REMOVE(&waits->due, w, due_link);
		w->is_due = false;
		look(w);
	}
}

/* The look that is under way may have been sent before: after its answer there is another. */
static void
make_due(struct waiter *w)
{
	w->has_news = true;
	if (w->state != WAITER_WAITING || w->is_due)
		return;
	w->is_due = true;
	TAILQ_INSERT_TAIL(&w->waits->due, w, due_link);
}

static void
end(struct waiter *w)
{
	watch_stop(&w->timer);
	w->is_over = true;
	make_due(w);
}

static void
timer_cb(void *arg, short what)
{
	struct waiter *w = arg;
	struct job_waits *waits = w->waits;

	(void)what;
	end(w);
	look_due(waits);
}

static void
gone_cb(struct exchange *x, void *ctx)
{
	(void)x;
	timer_cb(ctx, 0);
}

/* NULL: out of memory. */
static struct waiter *
waiter_new(struct job_waits *waits, struct exchange *x, const struct uuid *id, enum wait_use use)
{
	struct waiter *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->waits = waits;
	w->x = x;
	w->id = *id;
	w->use = use;
	w->state = WAITER_EXPECTING;
	watch_init_timer(&w->timer, waits->jobs->loop, "wait for a job", timer_cb, w);
	LIST_INSERT_HEAD(bucket_of(waits, id->byte), w, link);
	/* also while its job is being put: whoever has left is not waited for */
	exchange_on_gone(x, gone_cb, w);
	if (waits->n++ == 0)
		watch_start_ms(&waits->look_timer, LOOK_MS);
	return w;
}

static void
waiter_start(struct waiter *w, uint64_t wait_ms)
{
	const struct job_waits *waits = w->waits;

	if (wait_ms == 0 || waits->n > JOB_WAITS_MAX || waits->jobs->is_leaving)
		w->is_over = true;
	if (w->is_over)
		return;
	w->wait_ms = wait_ms;
	/* without its timer it would wait for ever */
	w->is_over = !watch_start_ms(&w->timer, wait_ms);
}

void
job_wait(struct job_waits *waits, struct exchange *x, const struct uuid *id, uint64_t wait_ms,
	 enum wait_use use)
{
	struct waiter *w = waiter_new(waits, x, id, use);

	if (!w) {
		job_reply_no_memory(x);
		return;
	}
	waiter_start(w, wait_ms);
	look(w);
}

struct waiter *
job_wait_expect(struct job_waits *waits, struct exchange *x, const struct uuid *id)
{
	struct waiter *w = waiter_new(waits, x, id, WAIT_PUT);

	if (!w)
		return NULL;
	w->has_seen = true;
	return w;
}

void
job_wait_made(struct waiter *w, uint64_t wait_ms, struct buffer *made)
{
	w->made = *made;
	*made = (struct buffer){0};
	w->state = WAITER_WAITING;
	waiter_start(w, wait_ms);
	/* its end may have been told before its beginning was answered */
	if (w->is_over || w->has_news)
		look(w);
}

void
job_wait_exists(struct waiter *w, uint64_t wait_ms, const struct uuid *id)
{
	LIST_REMOVE(w, link);
	w->id = *id;
	w->use = WAIT_AGAIN;
	w->has_seen = false;
	LIST_INSERT_HEAD(bucket_of(w->waits, id->byte), w, link);
	waiter_start(w, wait_ms);
	look(w);
}

void
job_wait_drop(struct waiter *w)
{
	waiter_free(w);
}

/* --- what they hear --- */

static void
each(struct job_waits *waits, void (*call)(struct waiter *w))
{
	struct waiter *w;

	for (size_t i = 0; i < BUCKETS; i++) {
		LIST_FOREACH(w, &waits->bucket[i], link)
		call(w);
	}
	look_due(waits);
}

void
job_waits_hear(struct job_waits *waits, const struct job_news *news)
{
	struct waiter *w;

	if (waits->n == 0)
		return;
	if (!news) {
		each(waits, make_due);
		return;
	}
	if (!job_state_is_final(news->state))
		return;
	LIST_FOREACH(w, bucket_of(waits, news->id.byte), link)
	{
		if (uuid_compare(&w->id, &news->id) == 0)
			make_due(w);
	}
	look_due(waits);
}

static void
look_timer_cb(void *arg, short what)
{
	struct job_waits *waits = arg;

	(void)what;
	each(waits, make_due);
	if (waits->n)
		watch_start_ms(&waits->look_timer, LOOK_MS);
}

static void
look_again(struct waiter *w)
{
	if (w->was_busy)
		make_due(w);
}

static void
again_timer_cb(void *arg, short what)
{
	(void)what;
	each(arg, look_again);
}

void
job_waits_end(struct job_waits *waits)
{
	each(waits, end);
}

struct job_waits *
job_waits_new(struct jobs *jobs)
{
	struct job_waits *waits = calloc(1, sizeof(*waits));

	if (!waits)
		return NULL;
	waits->jobs = jobs;
	for (size_t i = 0; i < BUCKETS; i++)
		LIST_INIT(&waits->bucket[i]);
	TAILQ_INIT(&waits->due);
	watch_init_timer(&waits->look_timer, jobs->loop, "look at jobs", look_timer_cb, waits);
	watch_init_timer(&waits->again_timer, jobs->loop, "look at jobs again", again_timer_cb,
			 waits);
	return waits;
}

/* Those who look were answered when the queue went. */
static void
answer_at_end(struct waiter *w)
{
	const struct queue_answer answer = {.outcome = QUEUE_DOWN, .retry_after_s = 1};

	reply_trouble(w, &answer);
	waiter_free(w);
}

void
job_waits_free(struct job_waits **waits)
{
	struct waiter *w;

	if (!*waits)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		while ((w = LIST_FIRST(&(*waits)->bucket[i])) != NULL)
			answer_at_end(w);
	}
	watch_stop(&(*waits)->look_timer);
	watch_stop(&(*waits)->again_timer);
	free(*waits);
	*waits = NULL;
}
