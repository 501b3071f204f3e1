/*
 * job_tend.c - what executors do from time to time: beats, the rescue of what others have left,
 * the promotion of what is due, and the keeper's round.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue/queue_private.h"

/* Others are believed to be dead only when they have had this time to beat since we are back. */
#define BELIEVE_MS 12000
/* Looks that do not trust what was looked at before. */
#define RESCUE_ALL_MS  30000
#define PROMOTE_ALL_MS 10000
/* rows that job_rescue and job_promote take at most */
#define MOVED_MAX 1000

struct tending {
	struct lane_request request; /* first: the lane hands it back */
	struct queue *queue;
	enum queue_statement statement;
	queue_ids_fn *ids;
	queue_moved_fn *moved;
	queue_keep_fn *kept;
	void *ctx;
	uint64_t *all_ms; /* it looks at all, and so shall the next one if there is more */
	char number[24];
	const char *value[3];
	int n_values;
	size_t n_known;
	struct uuid known[];
};

/* The columns of job_rescue and job_disown, and of job_promote. */
enum { MOVED_ID, MOVED_STATE, MOVED_ATTEMPT, MOVED_HAND, MOVED_QUEUE, MOVED_KIND };
enum { DUE_ID, DUE_ATTEMPT, DUE_HAND, DUE_QUEUE, DUE_KIND, DUE_NEXT };

static bool
tend_send(struct lane *lane, struct lane_request *const *request, unsigned n)
{
	static const enum column_type type = COLUMN_UUID;
	const struct tending *t = (const struct tending *)request[0];
	struct columns c;

	(void)n;
	if (t->statement != QUEUE_DISOWN)
		return lane_query_send(lane,
				       &(struct lane_query){
					   .name = t->queue->sql->statement[t->statement].name,
					   .n_params = t->n_values,
					   .values = t->value,
				       });
	columns_begin(&c, &type, 1);
	for (size_t i = 0; i < t->n_known; i++)
		columns_uuid(&c, 0, &t->known[i]);
	return columns_send_after(&c, lane, t->queue, QUEUE_DISOWN, t->value[0]);
}

static const struct lane_kind tend_kind = {
    .name = "tend",
    .max = 1,
    .is_write = true,
    .send = tend_send,
};

static struct lane_request
tend_request(void (*done)(struct lane_request *request, const struct lane_answer *answer))
{
	/* whatever of it was done before needs not be done again */
	return (struct lane_request){.kind = &tend_kind, .is_decided = true, .done = done};
}

/* `n_known` ids have room in it. NULL on out-of-memory. */
static struct tending *
tending_new(struct queue *queue, enum queue_statement statement, size_t n_known)
{
	struct tending *t = malloc(sizeof(*t) + n_known * sizeof(t->known[0]));

	if (!t)
		return NULL;
	*t = (struct tending){.queue = queue, .statement = statement, .n_known = n_known};
	return t;
}

static void
add_number(struct tending *t, int64_t number)
{
	snprintf(t->number, sizeof(t->number), "%" PRId64, number);
	t->value[t->n_values++] = t->number;
}

static void
add_flag(struct tending *t, bool flag)
{
	t->value[t->n_values++] = flag ? "t" : "f";
}

/* ---- beats ---- */

static void
ids_done(struct lane_request *request, const struct lane_answer *answer)
{
	/* request is the first member */
	struct tending *t = (struct tending *)request;
	struct queue_answer a = queue_judge(answer);

	if (a.outcome == QUEUE_OK && answer->n_rows == 1 &&
	    !cell_text(answer->result, answer->row, 0).ptr) {
		a.outcome = QUEUE_DOWN;
		a.is_read_only = true;
	}
	const size_t n = a.outcome == QUEUE_OK ? (size_t)answer->n_rows : 0;
	struct uuid *id = n ? calloc(n, sizeof(*id)) : NULL;

	if (n && !id)
		a = queue_no_memory();
	for (size_t i = 0; id && i < n; i++)
		(void)!cell_uuid(answer->result, answer->row + (int)i, 0, &id[i]);
	t->ids(&a, id, id ? n : 0, t->ctx);
	free(id);
	free(t);
}

static void
tell_worker(struct queue *queue, enum queue_statement statement, int64_t worker, queue_ids_fn *done,
	    void *ctx)
{
	struct tending *t = tending_new(queue, statement, 0);

	if (!t) {
		const struct queue_answer a = queue_no_memory();
		done(&a, NULL, 0, ctx);
		return;
	}
	add_number(t, worker);
	t->ids = done;
	t->ctx = ctx;
	t->request = tend_request(ids_done);
	lane_submit(queue->change, &t->request);
}

void
queue_beat(struct queue *queue, int64_t worker, queue_ids_fn *done, void *ctx)
{
	tell_worker(queue, QUEUE_BEAT, worker, done, ctx);
}

void
queue_bury(struct queue *queue, int64_t worker, queue_ids_fn *done, void *ctx)
{
	tell_worker(queue, QUEUE_BURY, worker, done, ctx);
}

/* ---- moved ---- */

static bool
moved_row(const PGresult *r, int at, bool is_due, struct moved_row *row)
{
	*row = (struct moved_row){
	    .state = is_due ? JOB_STATE_QUEUED : (enum job_state)cell_letter(r, at, MOVED_STATE),
	    .attempt = (unsigned)cell_number(r, at, is_due ? DUE_ATTEMPT : MOVED_ATTEMPT),
	    .hand = cell_letter(r, at, is_due ? DUE_HAND : MOVED_HAND),
	    .queue = cell_text(r, at, is_due ? DUE_QUEUE : MOVED_QUEUE),
	    .kind = cell_text(r, at, is_due ? DUE_KIND : MOVED_KIND),
	};
	return cell_uuid(r, at, 0, &row->id);
}

/* What is due already waits for nothing. */
static int64_t
due_in(int64_t ms)
{
	return ms < 0 ? 0 : ms;
}

static void
moved_done(struct lane_request *request, const struct lane_answer *answer)
{
	/* request is the first member */
	struct tending *t = (struct tending *)request;
	const bool is_due = t->statement == QUEUE_PROMOTE;
	struct queue_answer a = queue_judge(answer);
	struct moved moved = {.next_ms = -1};
	struct moved_row *row = NULL;

	if (a.outcome == QUEUE_OK && answer->n_rows) {
		const PGresult *r = answer->result;

		row = calloc((size_t)answer->n_rows, sizeof(*row));
		if (!row)
			a = queue_no_memory();
		for (int at = answer->row; row && at < answer->row + answer->n_rows; at++) {
			/* one without an id says when the next one is due */
			if (moved_row(r, at, is_due, &row[moved.n]))
				moved.n++;
			else if (!PQgetisnull(r, at, DUE_NEXT))
				moved.next_ms = due_in(cell_number(r, at, DUE_NEXT));
		}
	}
	moved.row = row;
	moved.is_more = moved.n >= MOVED_MAX;
	if (t->all_ms && (moved.is_more || a.outcome != QUEUE_OK))
		*t->all_ms = 0;
	t->moved(&a, a.outcome == QUEUE_OK ? &moved : NULL, t->ctx);
	free(row);
	free(t);
}

/* Whether it looks at all, as it does from time to time. */
static void
add_all(struct tending *t, uint64_t *last_ms, uint64_t every_ms, uint64_t now_ms)
{
	if (!*last_ms || now_ms - *last_ms >= every_ms) {
		*last_ms = now_ms;
		t->all_ms = last_ms;
	}
	add_flag(t, t->all_ms != NULL);
}

/* `t` NULL: out of memory. */
static void
move(struct lane *lane, struct tending *t, queue_moved_fn *done, void *ctx)
{
	if (!t) {
		const struct queue_answer a = queue_no_memory();
		done(&a, NULL, ctx);
		return;
	}
	t->moved = done;
	t->ctx = ctx;
	t->request = tend_request(moved_done);
	lane_submit(lane, &t->request);
}

void
queue_rescue(struct queue *queue, int64_t dead, queue_moved_fn *done, void *ctx)
{
	const uint64_t now_ms = loop_now_ms(queue->loop);
	struct tending *t = tending_new(queue, QUEUE_RESCUE, 0);

	if (t) {
		add_number(t, dead);
		add_flag(t, queue_is_ready(queue) && now_ms - queue->ready_ms >= BELIEVE_MS);
		add_all(t, &queue->rescued_all_ms, RESCUE_ALL_MS, now_ms);
	}
	move(queue->change, t, done, ctx);
}

void
queue_disown(struct queue *queue, int64_t worker, const struct uuid *known, size_t n,
	     queue_moved_fn *done, void *ctx)
{
	struct tending *t = tending_new(queue, QUEUE_DISOWN, n);

	if (t) {
		add_number(t, worker);
		if (n)
			memcpy(t->known, known, n * sizeof(*known));
	}
	/* behind the claims, which go by the same lane */
	move(queue->claim, t, done, ctx);
}

void
queue_promote(struct queue *queue, queue_moved_fn *done, void *ctx)
{
	const uint64_t now_ms = loop_now_ms(queue->loop);
	struct tending *t = tending_new(queue, QUEUE_PROMOTE, 0);

	if (t)
		add_all(t, &queue->promoted_all_ms, PROMOTE_ALL_MS, now_ms);
	move(queue->change, t, done, ctx);
}

/* ---- the keeper ---- */

static void
keep_done(struct lane_request *request, const struct lane_answer *answer)
{
	/* request is the first member */
	struct tending *t = (struct tending *)request;
	const struct queue_answer a = queue_judge(answer);

	if (a.outcome == QUEUE_OK &&
	    (t->statement == QUEUE_KEEP || cell_is_true(answer->result, answer->row, 0))) {
		t->statement = QUEUE_SWEEP;
		t->request = tend_request(keep_done);
		lane_submit(t->queue->read, &t->request);
		return;
	}
	t->kept(&a, t->ctx);
	free(t);
}

void
queue_keep(struct queue *queue, queue_keep_fn *done, void *ctx)
{
	struct tending *t = tending_new(queue, QUEUE_KEEP, 0);

	if (!t) {
		const struct queue_answer a = queue_no_memory();
		done(&a, ctx);
		return;
	}
	add_number(t, (int64_t)queue->config->jobs_retention);
	t->kept = done;
	t->ctx = ctx;
	t->request = tend_request(keep_done);
	lane_submit(queue->read, &t->request);
}
