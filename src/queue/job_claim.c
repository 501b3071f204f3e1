/*
 * job_claim.c - jobs claimed. Each claim is a transaction of its own: it holds the row of its queue
 * until the end.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "queue/queue_private.h"

struct claiming {
	struct lane_request request; /* first: the lane hands it back */
	struct queue *q;
	queue_claim_fn *done;
	void *ctx;
	struct claim claim;
	bool tries;    /* a queue that was locked */
	bool is_brief; /* it was sent so as not to wait for the lock, and to claim nothing */
	char name[JOB_NAME_MAX + 1];
};

/* The columns of job_claim. */
enum {
	CLAIM_ID,
	CLAIM_LEASE,
	CLAIM_SEQ,
	CLAIM_ATTEMPT,
	CLAIM_DEADLINE,
	CLAIM_PRIORITY,
	CLAIM_KIND,
	CLAIM_ARGS,
	CLAIM_PARTS,
	CLAIM_OLD,
	CLAIM_COLUMNS
};

static bool
claim_send(struct lane *lane, struct lane_request *const *request, unsigned n)
{
	struct claiming *c = (struct claiming *)request[0];
	struct queue *q = c->q;
	const char hand[] = {c->claim.hand, '\0'}, *marks[3];
	char max[16], worker[24], lease[24], ceiling[24];

	(void)n;
	if (!watermarks_ask(q->watermarks, c->claim.queue, c->claim.hand, &c->claim.is_full,
			    loop_now_ms(q->loop), marks))
		return false;
	/* one that was submitted before it was known does not wait there any more */
	c->is_brief = !c->tries && watermarks_is_locked(q->watermarks, c->claim.queue);
	snprintf(max, sizeof(max), "%u", c->is_brief ? 0 : c->claim.max);
	snprintf(worker, sizeof(worker), "%" PRId64, c->claim.worker);
	snprintf(lease, sizeof(lease), "%" PRIu64, c->claim.lease_ms);
	snprintf(ceiling, sizeof(ceiling), "%" PRIu64, q->config->jobs_queue_concurrency);
	const char *const values[] = {c->name, hand,     max,      worker,  lease,
				      ceiling, marks[0], marks[1], marks[2]};
	return lane_query_send(lane, &(struct lane_query){
					 .name = q->sql->statement[QUEUE_CLAIM].name,
					 .n_params = 9,
					 .values = values,
				     });
}

static const struct lane_kind claim_kind = {
    .name = "claim",
    .max = 1,
    .is_write = true,
    .send = claim_send,
};

static enum claim_end
end_of(const PGresult *result, int row)
{
	/* by their first letters, which differ */
	switch (cell_letter(result, row, CLAIM_KIND)) {
	case 'm': return CLAIM_MORE;
	case 'f': return CLAIM_FULL;
	case 'p': return CLAIM_PAUSED;
	case 'l': return CLAIM_LOCKED;
	case 'a': return CLAIM_ABSENT;
	default: return CLAIM_EMPTY;
	}
}

/* NULL on out-of-memory. */
static struct claimed *
take_jobs(const struct claiming *c, const struct lane_answer *answer, size_t n)
{
	const PGresult *result = answer->result;
	struct claimed *job = calloc(n ? n : 1, sizeof(*job));

	for (size_t i = 0; job && i < n; i++) {
		const int row = answer->row + (int)i;

		/* what the database has as a UUID is one */
		(void)!cell_uuid(result, row, CLAIM_ID, &job[i].id);
		job[i].lease = cell_number(result, row, CLAIM_LEASE);
		job[i].kind = cell_text(result, row, CLAIM_KIND);
		job[i].args = cell_text(result, row, CLAIM_ARGS);
		job[i].parts = cell_text(result, row, CLAIM_PARTS);
		job[i].attempt = (unsigned)cell_number(result, row, CLAIM_ATTEMPT);
		job[i].deadline_ms = cell_number(result, row, CLAIM_DEADLINE);
		watermarks_claimed(c->q->watermarks, c->claim.queue, c->claim.hand,
				   (unsigned)cell_number(result, row, CLAIM_PRIORITY),
				   cell_number(result, row, CLAIM_SEQ), loop_now_ms(c->q->loop));
	}
	return job;
}

/* What was claimed and cannot be told: its leases end by the rescue, or queue_disown. */
static void
give_up(struct claiming *c)
{
	struct queue_answer a = queue_no_memory();

	a.outcome = QUEUE_UNKNOWN;
	c->done(&a, NULL, c->ctx);
}

static void
tell_jobs(struct claiming *c, const struct queue_answer *a, const struct lane_answer *answer)
{
	/* the last row has no job */
	const size_t n = answer->n_rows > 0 ? (size_t)answer->n_rows - 1 : 0;
	const int last = answer->row + (int)n;
	struct claimed *job = take_jobs(c, answer, n);

	if (!job || answer->n_rows == 0) {
		free(job);
		give_up(c);
		return;
	}
	if (c->claim.is_full && !c->is_brief)
		watermarks_looked(c->q->watermarks, c->claim.queue, c->claim.hand, answer->took_us);
	watermarks_leases(c->q->watermarks, c->claim.queue,
			  cell_number(answer->result, last, CLAIM_LEASE),
			  cell_text(answer->result, last, CLAIM_OLD));
	const struct claim_result result = {
	    .end = end_of(answer->result, last),
	    .running = (unsigned)cell_number(answer->result, last, CLAIM_SEQ),
	    .job = job,
	    .n = n,
	};
	watermarks_lock(c->q->watermarks, c->claim.queue, result.end == CLAIM_LOCKED,
			loop_now_ms(c->q->loop));
	c->done(a, &result, c->ctx);
	free(job);
}

static void claim_submit(struct claiming *c);

/* The lock is gone, and nothing was claimed for fear of it. */
static bool
is_in_vain(const struct claiming *c, const struct lane_answer *answer)
{
	return c->is_brief && answer->n_rows == 1 &&
	       end_of(answer->result, answer->row) == CLAIM_MORE;
}

static void
claim_done(struct lane_request *request, const struct lane_answer *answer)
{
	/* request is the first member */
	struct claiming *c = (struct claiming *)request;
	const struct queue_answer a = queue_judge(answer);

	if (a.outcome == QUEUE_OK && is_in_vain(c, answer)) {
		watermarks_lock(c->q->watermarks, c->claim.queue, false, loop_now_ms(c->q->loop));
		c->tries = true;
		claim_submit(c);
		return;
	}
	if (a.outcome == QUEUE_OK)
		tell_jobs(c, &a, answer);
	else
		c->done(&a, NULL, c->ctx);
	free(c);
}

static void
claim_submit(struct claiming *c)
{
	c->request = (struct lane_request){.kind = &claim_kind, .done = claim_done};
	lane_submit(c->q->claim, &c->request);
}

/* Others wait behind a claim that waits for a lock: after one in vain there is none for a while. */
static void
tell_locked(queue_claim_fn *done, void *ctx)
{
	const struct queue_answer a = {.outcome = QUEUE_OK};
	const struct claim_result result = {.end = CLAIM_LOCKED};

	done(&a, &result, ctx);
}

void
queue_claim(struct queue *queue, const struct claim *claim, queue_claim_fn *done, void *ctx)
{
	if (watermarks_rest(queue->watermarks, claim->queue, loop_now_ms(queue->loop))) {
		tell_locked(done, ctx);
		return;
	}
	struct claiming *c = calloc(1, sizeof(*c));

	if (!c) {
		const struct queue_answer a = queue_no_memory();
		done(&a, NULL, ctx);
		return;
	}
	c->q = queue;
	c->done = done;
	c->ctx = ctx;
	c->claim = *claim;
	c->tries = watermarks_is_locked(queue->watermarks, claim->queue);
	const size_t len = claim->queue.len < JOB_NAME_MAX ? claim->queue.len : JOB_NAME_MAX;
	memcpy(c->name, claim->queue.ptr, len);
	c->claim.queue = span_from(c->name, len);
	claim_submit(c);
}
