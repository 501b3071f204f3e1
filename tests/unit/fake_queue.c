/*
 * fake_queue.c - records.
 */
#include "fake_queue.h"

#include <check.h>
#include <string.h>

#include "jobs/job_teller.h"
#include "jobs/kinds.h"

#define ASKS_MAX 12000

static struct ask ask[ASKS_MAX];
static size_t n_asks;
static unsigned n_asked;
static bool fails_next, fails_all;
static enum queue_outcome failure;
static struct fake_told told_at[FAKE_TOLD_MAX];
static size_t n_told;

size_t
fake_asks(void)
{
	return n_asks;
}

const struct ask *
fake_ask(size_t n)
{
	ck_assert_uint_lt(n, n_asks);
	return &ask[n];
}

unsigned
fake_asked(void)
{
	return n_asked;
}

static struct ask
take(size_t n, enum ask_what what)
{
	ck_assert_uint_lt(n, n_asks);
	ck_assert_int_eq(ask[n].what, what);
	const struct ask taken = ask[n];
	n_asks--;
	memmove(&ask[n], &ask[n + 1], (n_asks - n) * sizeof(ask[0]));
	return taken;
}

static struct queue_answer
answer_of(enum queue_outcome outcome)
{
	return (struct queue_answer){.outcome = outcome,
				     .retry_after_s = outcome == QUEUE_OK ? 0 : 1};
}

void
fake_answer_get(size_t n, enum queue_outcome outcome, const struct job_row *row)
{
	const struct ask a = take(n, ASK_GET);
	const struct queue_answer answer = answer_of(outcome);

	a.done.get(&answer, row, row ? 1 : 0, a.ctx);
}

void
fake_answer_claim(size_t n, enum queue_outcome outcome, const struct claim_result *result)
{
	const struct ask a = take(n, ASK_CLAIM);
	const struct queue_answer answer = answer_of(outcome);

	a.done.claim(&answer, result, a.ctx);
}

void
fake_answer_finish(size_t n, enum queue_outcome outcome, const struct ended_row *row)
{
	const struct ask a = take(n, ASK_FINISH);
	const struct queue_answer answer = answer_of(outcome);

	a.done.finish(&answer, row, a.ctx);
}

void
fake_answer_queues(size_t n, enum queue_outcome outcome, const struct queue_row *row)
{
	const struct ask a = take(n, ASK_QUEUES);
	const struct queue_answer answer = answer_of(outcome);

	a.done.queues(&answer, row, row ? 1 : 0, a.ctx);
}

static void
fail_one(size_t n, enum queue_outcome outcome)
{
	switch (ask[n].what) {
	case ASK_GET: fake_answer_get(n, outcome, NULL); break;
	case ASK_CLAIM: fake_answer_claim(n, outcome, NULL); break;
	case ASK_FINISH: fake_answer_finish(n, outcome, NULL); break;
	case ASK_QUEUES: fake_answer_queues(n, outcome, NULL); break;
	}
}

void
fake_fail_next(enum queue_outcome outcome, bool all)
{
	fails_next = true;
	fails_all = all;
	failure = outcome;
}

void
fake_queue_end(void)
{
	while (n_asks)
		fail_one(0, QUEUE_DOWN);
}

static void
add(const struct ask *a, struct span name)
{
	const bool fails = fails_next;
	size_t before = n_asks;

	ck_assert_uint_lt(n_asks, ASKS_MAX);
	ask[n_asks] = *a;
	ck_assert_uint_le(name.len, JOB_NAME_MAX);
	if (name.len)
		memcpy(ask[n_asks].name, name.ptr, name.len);
	n_asks++;
	n_asked++;
	if (!fails)
		return;
	fails_next = false;
	while (fails_all && before--)
		fail_one(0, failure);
	/* its own is the last of those that are left */
	fail_one(n_asks - 1, failure);
}

/* --- queue.h --- */

void
queue_get(struct queue *queue, const struct uuid *id, queue_rows_fn *done, void *ctx)
{
	const struct ask a = {.what = ASK_GET, .id = *id, .done.get = done, .ctx = ctx};

	ck_assert_ptr_nonnull(queue);
	add(&a, span_from(NULL, 0));
}

void
queue_claim(struct queue *queue, const struct claim *claim, queue_claim_fn *done, void *ctx)
{
	const struct ask a = {.what = ASK_CLAIM, .claim = *claim, .done.claim = done, .ctx = ctx};

	ck_assert_ptr_nonnull(queue);
	add(&a, claim->queue);
}

void
queue_finish(struct queue *queue, const struct ended *ended, queue_finish_fn *done, void *ctx)
{
	const struct ask a = {
	    .what = ASK_FINISH, .id = ended->id, .ended = *ended, .done.finish = done, .ctx = ctx};

	ck_assert_ptr_nonnull(queue);
	add(&a, span_from(NULL, 0));
}

void
queue_queues(struct queue *queue, struct span name, queue_queues_fn *done, void *ctx)
{
	const struct ask a = {.what = ASK_QUEUES, .done.queues = done, .ctx = ctx};

	ck_assert_ptr_nonnull(queue);
	add(&a, name);
}

void
queue_set(struct queue *queue, const struct queue_change *change, queue_queues_fn *done, void *ctx)
{
	const struct ask a = {.what = ASK_QUEUES, .done.queues = done, .ctx = ctx};

	ck_assert_ptr_nonnull(queue);
	add(&a, change->name);
}

/* --- what they tell --- */

void
job_tell(struct job_teller *teller, const struct job_told *told)
{
	(void)teller;
	if (n_told < FAKE_TOLD_MAX)
		told_at[n_told] = (struct fake_told){*told->id, told->state};
	n_told++;
}

void
job_teller_wake(struct job_teller *teller)
{
	(void)teller;
}

size_t
fake_told(void)
{
	return n_told;
}

const struct fake_told *
fake_told_at(size_t n)
{
	ck_assert(n < n_told && n < FAKE_TOLD_MAX);
	return &told_at[n];
}

/* Nothing here is run by plazad itself. */
const struct job_kind *
job_kind_find(struct span name)
{
	(void)name;
	return NULL;
}
