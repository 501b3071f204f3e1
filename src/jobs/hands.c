/*
 * hands.c - see hands.h. A job is RUNNING with its kind, then ENDED here, then STORING in a lane,
 * and again ENDED when that did not work; its memory goes with the last answer that it waits for.
 */
#include "jobs/hands.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/log.h"
#include "http/json_text.h"
#include "http/mistakes.h"
#include "jobs/kinds.h"
#include "jobs/run.h"

#define HAND_BUCKETS 1024
/* An end that was not taken comes again. */
#define STORE_AGAIN_MS 200
/* One that the database has refused twice, which it should not. */
#define REFUSED_AGAIN_MS 10000
/* Progress goes to the database no more often. */
#define PROGRESS_MS   1000
#define ERROR_MAX     1000
#define JOB_KINDS_MAX 16

enum hand_state {
	HAND_RUNNING, /* its kind has it */
	HAND_ENDED,   /* in hands->ended, or waiting for parts */
	HAND_STORING, /* queue_finish has it */
	HAND_GONE     /* out of all lists but for answers that still come */
};

struct hand_part {
	STAILQ_ENTRY(hand_part) link;
	struct hand *hand;
	unsigned n;
	size_t len;
	char json[];
};

struct hand {
	struct job_run run; /* first: run.h's callbacks give us this */
	struct hands *hands;
	enum hand_state state;
	const struct job_kind *kind;
	struct uuid id;
	int64_t lease;
	json_t *args, *parts;
	char queue_name[JOB_NAME_MAX + 1];
	char kind_name[JOB_NAME_MAX + 1];
	uint64_t began_ms;

	bool gives_back, is_lost;
	unsigned n_answers;  /* that still come, and parts */
	unsigned n_refusals; /* of its end */
	unsigned n_parts;    /* not stored yet */
	int progress, progress_sent;
	bool progress_is_sent; /* and not answered */
	uint64_t progress_at_ms;

	enum job_outcome outcome;
	char *result;
	size_t result_len;
	char *error;
	uint64_t took_ms, retry_after_ms;

	TAILQ_ENTRY(hand) all;
	TAILQ_ENTRY(hand) ended;
	LIST_ENTRY(hand) bucket;
};

TAILQ_HEAD(hand_list, hand);
LIST_HEAD(hand_bucket, hand);
STAILQ_HEAD(part_list, hand_part);

struct hands {
	struct loop *loop;
	struct hands_settings settings;
	struct job_kind_env env;
	void *process[JOB_KINDS_MAX]; /* by kind */
	size_t n_open;
	bool stores, gives_back;
	uint64_t quiet_until_ms; /* see log_refusal */
	size_t n;
	struct hand_list all, ended;
	struct hand_bucket bucket[HAND_BUCKETS];
	struct part_list parts; /* to be stored, again */
	struct watch store_timer, progress_timer;
};

static void hands_store(struct hands *hands);

static struct hand_bucket *
bucket_of(struct hands *hands, const struct uuid *id)
{
	uint32_t hash;

	/* the last bytes of a version 7 are random */
	memcpy(&hash, id->byte + 12, sizeof(hash));
	return &hands->bucket[hash % HAND_BUCKETS];
}

static struct hand *
find(struct hands *hands, const struct uuid *id)
{
	struct hand *hand;

	LIST_FOREACH(hand, bucket_of(hands, id), bucket)
	{
		if (uuid_compare(&hand->id, id) == 0)
			return hand;
	}
	return NULL;
}

static void
hand_free(struct hand *hand)
{
	json_decref(hand->args);
	json_decref(hand->parts);
	free(hand->result);
	free(hand->error);
	free(hand);
}

/* One answer less that it waits for. */
static void
hand_answered(struct hand *hand)
{
	assert(hand->n_answers > 0);
	if (--hand->n_answers == 0 && hand->state == HAND_GONE)
		hand_free(hand);
}

static void
tell(struct hand *hand, enum job_state state, int progress)
{
	const struct job_told told = {
	    .id = &hand->id,
	    .kind = span_str(hand->kind_name),
	    .queue = span_str(hand->queue_name),
	    .state = state,
	    .progress = progress,
	};

	job_tell(hand->hands->settings.teller, &told);
}

/* Out of hand; its memory may be gone on return. */
static void
leave(struct hand *hand, const struct ended_row *row)
{
	struct hands *hands = hand->hands;

	assert(hand->state != HAND_GONE && hand->state != HAND_RUNNING);
	hand->state = HAND_GONE;
	TAILQ_REMOVE(&hands->all, hand, all);
	LIST_REMOVE(hand, bucket);
	hands->n--;
	credit_give(hands->settings.credits, &hands->settings.credits->shared->jobs);
	if (row)
		tell(hand, row->state, -1);
	hands->settings.left(row, hands->settings.ctx);
	hand->n_answers++;
	hand_answered(hand);
}

/* ---- how it ended ---- */

static void
again_in(struct hands *hands, uint64_t ms)
{
	if (!watch_started(&hands->store_timer))
		watch_start_ms(&hands->store_timer, ms);
}

static void
put_off(struct hand *hand, uint64_t ms)
{
	hand->state = HAND_ENDED;
	TAILQ_INSERT_TAIL(&hand->hands->ended, hand, ended);
	again_in(hand->hands, ms);
}

/* One stands for all that are refused in that time. */
static void
log_refusal(const struct hand *hand)
{
	struct hands *hands = hand->hands;
	const uint64_t now_ms = loop_now_ms(hands->loop);

	if (now_ms < hands->quiet_until_ms)
		return;
	hands->quiet_until_ms = now_ms + REFUSED_AGAIN_MS;
	log_error("jobs: the end of %s, and perhaps of others, could not be stored, see above%s",
		  hand->run.id,
		  hand->n_refusals ? "; tried again and again" : "; stored as failed");
}

/* Its result may be what the database does not take. */
static void
take_refusal(struct hand *hand)
{
	log_refusal(hand);
	if (hand->n_refusals++ == 0) {
		free(hand->result);
		free(hand->error);
		hand->result = NULL;
		hand->result_len = 0;
		hand->error = strdup("its result could not be stored");
		hand->outcome = JOB_FAILED;
		put_off(hand, STORE_AGAIN_MS);
		return;
	}
	put_off(hand, REFUSED_AGAIN_MS);
}

static void
finish_cb(const struct queue_answer *answer, const struct ended_row *row, void *ctx)
{
	struct hand *hand = ctx;

	switch (answer->outcome) {
	case QUEUE_OK:
		if (row->is_lost)
			log_info("jobs: %s was taken from us meanwhile: how it ended here does not "
				 "count",
				 hand->run.id);
		leave(hand, row->is_lost ? NULL : row);
		break;
	case QUEUE_REFUSED: take_refusal(hand); break;
	case QUEUE_BUSY:
	case QUEUE_DOWN:
	case QUEUE_UNKNOWN: put_off(hand, STORE_AGAIN_MS); break;
	}
	hand_answered(hand);
}

static void
hand_store(struct hand *hand)
{
	const struct ended ended = {
	    .id = hand->id,
	    .lease = hand->lease,
	    .outcome = hand->outcome,
	    .result = span_from(hand->result, hand->result_len),
	    .error = hand->error,
	    .took_ms = hand->took_ms,
	    .retry_after_ms = hand->retry_after_ms ? (int64_t)hand->retry_after_ms : -1,
	};

	hand->state = HAND_STORING;
	hand->n_answers++;
	queue_finish(hand->hands->settings.queue, &ended, finish_cb, hand);
}

/* The next attempt must find its parts. */
static bool
waits_for_parts(const struct hand *hand)
{
	return hand->n_parts > 0 && (hand->outcome == JOB_RETRY || hand->outcome == JOB_GIVEN_BACK);
}

static void
hand_end(struct hand *hand)
{
	hand->state = HAND_ENDED;
	if (hand->is_lost) {
		leave(hand, NULL);
		return;
	}
	if (waits_for_parts(hand))
		return;
	TAILQ_INSERT_TAIL(&hand->hands->ended, hand, ended);
	hands_store(hand->hands);
}

static char *
copy_bytes(struct span bytes)
{
	char *copy = malloc(bytes.len + 1);

	if (copy) {
		if (bytes.len)
			memcpy(copy, bytes.ptr, bytes.len);
		copy[bytes.len] = '\0';
	}
	return copy;
}

/* What becomes of it, when its kind says that it ended so. */
static enum job_outcome
settle(const struct hand *hand, enum job_outcome outcome)
{
	const bool is_open =
	    outcome == JOB_CANCELLED || outcome == JOB_RETRY || outcome == JOB_GIVEN_BACK;

	if (is_open && hand->run.is_cancelled)
		return JOB_CANCELLED;
	/* cut short for the sake of this process; an attempt that has failed by itself counts */
	if (outcome == JOB_CANCELLED)
		return JOB_GIVEN_BACK;
	return outcome;
}

static void
done_cb(struct job_run *run, enum job_outcome outcome, struct span result, const char *error,
	uint64_t retry_after_ms)
{
	struct hand *hand = (struct hand *)run;

	assert(hand->state == HAND_RUNNING);
	hand->outcome = settle(hand, outcome);
	hand->took_ms = loop_now_ms(hand->hands->loop) - hand->began_ms;
	hand->retry_after_ms = retry_after_ms;
	if (result.len) {
		hand->result = copy_bytes(result);
		hand->result_len = result.len;
	}
	if (error)
		hand->error = copy_bytes(span_from(error, strnlen(error, ERROR_MAX)));
	if ((result.len && !hand->result) || (error && !hand->error)) {
		/* a result that is lost must not look like one */
		free(hand->result);
		hand->result = NULL;
		hand->result_len = 0;
		hand->outcome = JOB_RETRY;
	}
	hand_end(hand);
}

/* ---- parts ---- */

static void parts_store(struct hands *hands);

static void
part_gone(struct hand_part *part)
{
	struct hand *hand = part->hand;

	free(part);
	hand->n_parts--;
	/* the last one that it has waited for */
	if (hand->state == HAND_ENDED && hand->n_parts == 0 &&
	    (hand->outcome == JOB_RETRY || hand->outcome == JOB_GIVEN_BACK))
		hand_end(hand);
	hand_answered(hand);
}

static void lease_lost(struct hand *hand);

static void
part_cb(const struct queue_answer *answer, bool is_lost, void *ctx)
{
	struct hand_part *part = ctx;
	struct hand *hand = part->hand;
	struct hands *hands = hand->hands;

	switch (answer->outcome) {
	case QUEUE_OK:
		if (is_lost)
			lease_lost(hand);
		part_gone(part);
		break;
	case QUEUE_REFUSED: part_gone(part); break;
	case QUEUE_BUSY:
	case QUEUE_DOWN:
	case QUEUE_UNKNOWN:
		STAILQ_INSERT_TAIL(&hands->parts, part, link);
		again_in(hands, STORE_AGAIN_MS);
		break;
	}
}

static void
parts_store(struct hands *hands)
{
	struct part_list parts = STAILQ_HEAD_INITIALIZER(parts);

	STAILQ_CONCAT(&parts, &hands->parts);
	while (!STAILQ_EMPTY(&parts)) {
		struct hand_part *part = STAILQ_FIRST(&parts);
		struct hand *hand = part->hand;
		const struct part stored = {
		    .id = hand->id,
		    .lease = hand->lease,
		    .n = part->n,
		    .json = span_from(part->json, part->len),
		};

		STAILQ_REMOVE_HEAD(&parts, link);
		/* of one that has ended for good, or is another's, nobody wants it */
		if (hand->state == HAND_GONE || hand->is_lost) {
			part_gone(part);
			continue;
		}
		queue_put_part(hands->settings.queue, &stored, part_cb, part);
	}
}

static void
part_run_cb(struct job_run *run, unsigned n, struct span json)
{
	struct hand *hand = (struct hand *)run;
	struct hand_part *part = malloc(sizeof(*part) + json.len);

	/* without memory the next attempt does it again */
	if (!part || hand->is_lost) {
		free(part);
		return;
	}
	part->hand = hand;
	part->n = n;
	part->len = json.len;
	memcpy(part->json, json.ptr, json.len);
	hand->n_parts++;
	hand->n_answers++;
	STAILQ_INSERT_TAIL(&hand->hands->parts, part, link);
	if (hand->hands->stores)
		parts_store(hand->hands);
}

/* ---- storing ---- */

static void
hands_store(struct hands *hands)
{
	struct hand_list ended = TAILQ_HEAD_INITIALIZER(ended);

	if (!hands->stores)
		return;
	/* those that are refused inside come to the emptied list */
	TAILQ_CONCAT(&ended, &hands->ended, ended);
	while (!TAILQ_EMPTY(&ended)) {
		struct hand *hand = TAILQ_FIRST(&ended);

		TAILQ_REMOVE(&ended, hand, ended);
		hand_store(hand);
	}
}

static void
store_timer_cb(void *arg, short what)
{
	struct hands *hands = arg;

	(void)what;
	if (hands->stores) {
		parts_store(hands);
		hands_store(hands);
	}
}

void
hands_set_stores(struct hands *hands, bool stores)
{
	hands->stores = stores;
	if (stores) {
		parts_store(hands);
		hands_store(hands);
	}
}

/* ---- while it runs ---- */

static void
stop_running(struct hand *hand)
{
	if (hand->state == HAND_RUNNING && hand->kind->cancel)
		hand->kind->cancel(&hand->run);
}

/* Somebody else has it, or had it: whatever comes of it here is of no use. */
static void
lease_lost(struct hand *hand)
{
	if (hand->is_lost)
		return;
	hand->is_lost = true;
	stop_running(hand);
}

static void
cancel(struct hand *hand)
{
	if (hand->state != HAND_RUNNING || hand->run.is_cancelled)
		return;
	hand->run.is_cancelled = true;
	stop_running(hand);
}

void
hands_cancel(struct hands *hands, const struct uuid *id)
{
	struct hand *hand = find(hands, id);

	if (hand)
		cancel(hand);
}

void
hands_give_back(struct hands *hands)
{
	struct hand *hand;

	hands->gives_back = true;
	/* the end of one may be that of another: so each goes to the end of the list first */
	while ((hand = TAILQ_FIRST(&hands->all)) != NULL && !hand->gives_back) {
		hand->gives_back = true;
		TAILQ_REMOVE(&hands->all, hand, all);
		TAILQ_INSERT_TAIL(&hands->all, hand, all);
		stop_running(hand);
	}
}

static void
extend_cb(const struct queue_answer *answer, const struct extend_row *row, void *ctx)
{
	struct hand *hand = ctx;

	hand->progress_is_sent = false;
	if (answer->outcome == QUEUE_OK && row->is_lost) {
		lease_lost(hand);
	} else if (answer->outcome == QUEUE_OK) {
		if (hand->state == HAND_RUNNING)
			tell(hand, JOB_STATE_PROGRESS, hand->progress_sent);
		if (row->is_cancelled)
			cancel(hand);
	}
	hand_answered(hand);
}

static void
progress_send(struct hand *hand)
{
	const struct extend extend = {
	    .id = hand->id, .lease = hand->lease, .progress = hand->progress};

	hand->progress_sent = hand->progress;
	hand->progress_at_ms = loop_now_ms(hand->hands->loop) + PROGRESS_MS;
	hand->progress_is_sent = true;
	hand->n_answers++;
	queue_extend(hand->hands->settings.queue, &extend, extend_cb, hand);
}

static bool
has_progress(const struct hand *hand)
{
	return hand->state == HAND_RUNNING && !hand->is_lost &&
	       hand->progress != hand->progress_sent;
}

/* For those whose second had not passed yet. */
static void
progress_timer_cb(void *arg, short what)
{
	struct hands *hands = arg;
	const uint64_t now_ms = loop_now_ms(hands->loop);
	struct hand *hand, *next;
	bool again = false;

	(void)what;
	for (hand = TAILQ_FIRST(&hands->all); hand; hand = next) {
		next = TAILQ_NEXT(hand, all);
		if (!has_progress(hand))
			continue;
		if (hand->progress_is_sent || hand->progress_at_ms > now_ms || !hands->stores) {
			again = true;
			continue;
		}
		/* an answer inside may end it, and, of its kind, others */
		progress_send(hand);
		again = true;
		break;
	}
	if (again)
		watch_start_ms(&hands->progress_timer, hand ? 0 : PROGRESS_MS / 4);
}

static void
progress_cb(struct job_run *run, unsigned percent)
{
	struct hand *hand = (struct hand *)run;
	struct hands *hands = hand->hands;

	hand->progress = (int)percent;
	if (!has_progress(hand) || watch_started(&hands->progress_timer))
		return;
	watch_start_ms(&hands->progress_timer, 0);
}

/* ---- taking ---- */

static const struct job_run_events run_events = {done_cb, part_run_cb, progress_cb};

/* Why it cannot be run, and what becomes of it; NULL: it can. */
static const char *
read_job(struct hand *hand, const struct claimed *job, char why[ERROR_MAX],
	 enum job_outcome *outcome)
{
	static const struct json_text_rules rules = {.what = "args",
						     .max = JOB_ARGS_MAX,
						     .allows_nul = true},
					    parts_rules = {.what = "parts",
							   .max = SIZE_MAX,
							   .allows_nul = true,
							   .is_stored = true};
	struct json_text_error error;
	struct mistakes mistakes;

	/* the plazad of another host may know it; and there may be memory another time */
	*outcome = JOB_RETRY;
	if (!hand->kind)
		return "this plazad has no such kind";
	/* those that are none are made again */
	if (job->parts.len) {
		hand->parts = json_text_load(job->parts, &parts_rules, &error);
		if (!hand->parts && error.status == 503)
			return "its parts cannot be read: out of memory";
	}
	hand->args = json_text_load(job->args, &rules, &error);
	if (!hand->args) {
		if (error.status != 503)
			*outcome = JOB_FAILED;
		snprintf(why, ERROR_MAX, "%s", error.detail);
		return why;
	}
	mistakes_init(&mistakes);
	const size_t place = mistakes_enter(&mistakes, SPAN_LIT("args"));
	const bool is_good = hand->kind->check(hand->args, hand->hands->settings.config, &mistakes);
	mistakes_leave(&mistakes, place);
	if (is_good)
		return NULL;
	if (mistakes.n == 0)
		return "its args cannot be checked: out of memory";
	*outcome = JOB_FAILED;
	snprintf(why, ERROR_MAX, "%s: %s", mistakes.error[0].pointer, mistakes.error[0].detail);
	return why;
}

static void *
process_of(const struct hands *hands, const struct job_kind *kind)
{
	for (size_t i = 0; i < hands->n_open; i++) {
		if (job_kind_at(i) == kind)
			return hands->process[i];
	}
	return NULL;
}

static void
copy_name(char out[JOB_NAME_MAX + 1], struct span name)
{
	const size_t len = name.len < JOB_NAME_MAX ? name.len : JOB_NAME_MAX;

	memcpy(out, name.ptr, len);
	out[len] = '\0';
}

bool
hands_take(struct hands *hands, struct span queue, const struct claimed *job)
{
	struct hand *hand = calloc(1, sizeof(*hand));
	enum job_outcome outcome;
	char why[ERROR_MAX];

	if (!hand)
		return false;
	hand->hands = hands;
	hand->state = HAND_RUNNING;
	hand->kind = job_kind_find(job->kind);
	hand->id = job->id;
	hand->lease = job->lease;
	hand->began_ms = loop_now_ms(hands->loop);
	hand->gives_back = hands->gives_back;
	copy_name(hand->queue_name, queue);
	copy_name(hand->kind_name, job->kind);
	TAILQ_INSERT_TAIL(&hands->all, hand, all);
	LIST_INSERT_HEAD(bucket_of(hands, &hand->id), hand, bucket);
	hands->n++;
	const char *refused = read_job(hand, job, why, &outcome);

	uuid_print(&hand->id, hand->run.id);
	hand->run.attempt = job->attempt;
	hand->run.args = hand->args;
	hand->run.parts = hand->parts;
	hand->run.process = process_of(hands, hand->kind);
	hand->run.events = &run_events;
	tell(hand, JOB_STATE_RUNNING, -1);
	if (hand->gives_back)
		job_run_done(&hand->run, JOB_GIVEN_BACK, span_from(NULL, 0), NULL, 0);
	else if (refused)
		job_run_done(&hand->run, outcome, span_from(NULL, 0), refused, 0);
	else
		hand->kind->start(&hand->run);
	return true;
}

void
hands_credit(struct hands *hands)
{
	for (size_t i = 0; i < hands->n_open; i++) {
		if (job_kind_at(i)->credit)
			job_kind_at(i)->credit(hands->process[i]);
	}
}

size_t
hands_count(const struct hands *hands)
{
	return hands->n;
}

void
hands_list(const struct hands *hands, struct uuid *ids)
{
	const struct hand *hand;

	TAILQ_FOREACH(hand, &hands->all, all)
	*ids++ = hand->id;
}

struct hands *
hands_new(struct loop *loop, const struct hands_settings *settings)
{
	struct hands *hands = calloc(1, sizeof(*hands));

	if (!hands) {
		log_error("jobs: out of memory");
		return NULL;
	}
	hands->loop = loop;
	hands->settings = *settings;
	TAILQ_INIT(&hands->all);
	TAILQ_INIT(&hands->ended);
	STAILQ_INIT(&hands->parts);
	watch_init_timer(&hands->store_timer, loop, "jobs store", store_timer_cb, hands);
	watch_init_timer(&hands->progress_timer, loop, "jobs progress", progress_timer_cb, hands);
	hands->env = (struct job_kind_env){
	    .loop = loop,
	    .config = settings->config,
	    .credits = settings->credits,
	    .own = settings->own,
	    .n_own = settings->n_own,
	};
	assert(job_kinds() <= JOB_KINDS_MAX);
	for (size_t i = 0; i < job_kinds(); i++) {
		const struct job_kind *kind = job_kind_at(i);

		if (kind->open && !kind->open(&hands->env, &hands->process[i])) {
			log_error("jobs: the kind %s cannot be run", kind->name);
			hands_free(&hands);
			return NULL;
		}
		hands->n_open = i + 1;
	}
	return hands;
}

void
hands_free(struct hands **hands)
{
	struct hands *h = *hands;

	if (!h)
		return;
	watch_stop(&h->store_timer);
	watch_stop(&h->progress_timer);
	for (size_t i = 0; i < h->n_open; i++) {
		if (job_kind_at(i)->close)
			job_kind_at(i)->close(h->process[i]);
	}
	while (!STAILQ_EMPTY(&h->parts)) {
		struct hand_part *part = STAILQ_FIRST(&h->parts);

		STAILQ_REMOVE_HEAD(&h->parts, link);
		free(part);
	}
	while (!TAILQ_EMPTY(&h->all)) {
		struct hand *hand = TAILQ_FIRST(&h->all);

		TAILQ_REMOVE(&h->all, hand, all);
		hand_free(hand);
	}
	free(h);
	*hands = NULL;
}
