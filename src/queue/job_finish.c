/*
 * job_finish.c - claimed jobs ended, extended, and parts of them kept. By rising leases, each once:
 * who locks several does so in one order.
 */
#include <stdlib.h>
#include <string.h>

#include "queue/queue_private.h"

#define FINISH_MAX LANE_BATCH_MAX
#define ERROR_MAX  2000 /* bytes of an error that are kept */

/* ---- ended ---- */

struct finish {
	struct lane_request request; /* first: the lane hands it back; its order is the lease */
	struct queue *queue;
	queue_finish_fn *done;
	void *ctx;
	struct ended ended;
	size_t error_len;
	char text[]; /* the result and the error */
};

enum {
	FINISH_ID,
	FINISH_LEASE,
	FINISH_OUTCOME,
	FINISH_DELAY,
	FINISH_TOOK,
	FINISH_ERROR,
	FINISH_RESULT,
	FINISH_COLUMNS
};

static const enum column_type finish_types[FINISH_COLUMNS] = {
    [FINISH_ID] = COLUMN_UUID,     [FINISH_LEASE] = COLUMN_INT8, [FINISH_OUTCOME] = COLUMN_LETTERS,
    [FINISH_DELAY] = COLUMN_INT8,  [FINISH_TOOK] = COLUMN_INT8,  [FINISH_ERROR] = COLUMN_TEXT,
    [FINISH_RESULT] = COLUMN_TEXT,
};

/* The columns of job_finish. */
enum { ENDED_LEASE, ENDED_STATE, ENDED_IN_MS, ENDED_ATTEMPT, ENDED_HAND, ENDED_QUEUE, ENDED_KIND };

static char
outcome_letter(enum job_outcome outcome)
{
	switch (outcome) {
	case JOB_DONE: return 'd';
	case JOB_FAILED: return 'f';
	case JOB_CANCELLED: return 'c';
	case JOB_GIVEN_BACK: return 'g';
	case JOB_RETRY: break;
	}
	return 'r';
}

static bool
finish_send(struct lane *lane, struct lane_request *const *request, unsigned n)
{
	const struct finish *first = (const struct finish *)request[0];
	struct columns c;

	columns_begin(&c, finish_types, FINISH_COLUMNS);
	for (unsigned i = 0; i < n; i++) {
		const struct finish *f = (const struct finish *)request[i];
		const struct ended *e = &f->ended;

		if (i && request[i]->order == request[i - 1]->order)
			continue;
		columns_uuid(&c, FINISH_ID, &e->id);
		columns_number(&c, FINISH_LEASE, e->lease);
		columns_letter(&c, FINISH_OUTCOME, outcome_letter(e->outcome));
		columns_number(&c, FINISH_DELAY, e->retry_after_ms);
		columns_number(&c, FINISH_TOOK, (int64_t)e->took_ms);
		columns_text(&c, FINISH_ERROR, span_from(e->error, f->error_len));
		columns_text(&c, FINISH_RESULT, e->result);
	}
	return columns_send(&c, lane, first->queue, QUEUE_FINISH);
}

/* By their leases in column 0: the first row of one is its own, which all have who sent it. */
static void
deal_by_lease(const PGresult *result, struct lane_request *const *request, unsigned n,
	      struct lane_share *share)
{
	const int n_rows = PQntuples(result);
	int64_t lease[LANE_BATCH_MAX];
	unsigned place[LANE_BATCH_MAX], m = 0;

	for (unsigned i = 0; i < n; i++) {
		if (!request[i])
			continue;
		lease[m] = request[i]->order;
		place[m++] = i;
	}
	for (int row = 0; row < n_rows; row++) {
		const int64_t found = cell_number(result, row, 0);
		unsigned low = 0, high = m;

		while (low < high) {
			const unsigned middle = low + (high - low) / 2;
			if (lease[middle] < found)
				low = middle + 1;
			else
				high = middle;
		}
		for (; low < m && lease[low] == found; low++) {
			if (share[place[low]].n_rows)
				continue;
			share[place[low]].row = row;
			share[place[low]].n_rows = 1;
		}
	}
}

static const struct lane_kind finish_kind = {
    .name = "finish",
    .max = FINISH_MAX,
    .is_write = true,
    .is_sorted = true,
    .send = finish_send,
    .deal = deal_by_lease,
};

static void
finish_done(struct lane_request *request, const struct lane_answer *answer)
{
	/* request is the first member */
	struct finish *f = (struct finish *)request;
	const struct queue_answer a = queue_judge(answer);
	struct ended_row row = {.is_lost = true};

	if (a.outcome == QUEUE_OK && answer->n_rows) {
		const PGresult *r = answer->result;
		const int at = answer->row;

		row = (struct ended_row){
		    .state = (enum job_state)cell_letter(r, at, ENDED_STATE),
		    .in_ms = (uint64_t)cell_number(r, at, ENDED_IN_MS),
		    .attempt = (unsigned)cell_number(r, at, ENDED_ATTEMPT),
		    .hand = cell_letter(r, at, ENDED_HAND),
		    .queue = cell_text(r, at, ENDED_QUEUE),
		    .kind = cell_text(r, at, ENDED_KIND),
		};
	}
	f->done(&a, a.outcome == QUEUE_OK ? &row : NULL, f->ctx);
	free(f);
}

/* Never in the midst of a character, and without what the database cannot hold. */
static size_t
copy_error(char *to, const char *error)
{
	size_t len = strnlen(error, ERROR_MAX + 1);

	if (len > ERROR_MAX) {
		len = ERROR_MAX;
		while (len && ((unsigned char)error[len] & 0xc0) == 0x80)
			len--;
	}
	memcpy(to, error, len);
	return len;
}

void
queue_finish(struct queue *queue, const struct ended *ended, queue_finish_fn *done, void *ctx)
{
	struct finish *f = malloc(sizeof(*f) + ended->result.len + ERROR_MAX);

	if (!f) {
		const struct queue_answer a = queue_no_memory();
		done(&a, NULL, ctx);
		return;
	}
	*f = (struct finish){.queue = queue, .done = done, .ctx = ctx, .ended = *ended};
	if (ended->result.len)
		memcpy(f->text, ended->result.ptr, ended->result.len);
	f->ended.result = span_from(ended->result.len ? f->text : NULL, ended->result.len);
	if (ended->error) {
		f->ended.error = f->text + ended->result.len;
		f->error_len = copy_error(f->text + ended->result.len, ended->error);
	}
	if (f->ended.retry_after_ms > JOB_DELAY_MS_MAX)
		f->ended.retry_after_ms = JOB_DELAY_MS_MAX;
	f->request.kind = &finish_kind;
	f->request.order = ended->lease;
	f->request.is_decided = true;
	f->request.done = finish_done;
	lane_submit(queue->change, &f->request);
}

/* ---- extended ---- */

struct extending {
	struct lane_request request; /* as above */
	struct queue *queue;
	queue_extend_fn *done;
	void *ctx;
	struct extend extend;
};

enum { EXTEND_ID, EXTEND_LEASE, EXTEND_MS, EXTEND_PROGRESS, EXTEND_COLUMNS };

static const enum column_type extend_types[EXTEND_COLUMNS] = {
    [EXTEND_ID] = COLUMN_UUID,
    [EXTEND_LEASE] = COLUMN_INT8,
    [EXTEND_MS] = COLUMN_INT8,
    [EXTEND_PROGRESS] = COLUMN_INT4,
};

static bool
extend_send(struct lane *lane, struct lane_request *const *request, unsigned n)
{
	const struct extending *first = (const struct extending *)request[0];
	struct columns c;

	columns_begin(&c, extend_types, EXTEND_COLUMNS);
	for (unsigned i = 0; i < n; i++) {
		const struct extending *e = (const struct extending *)request[i];

		/* the last one counts */
		if (i + 1 < n && request[i]->order == request[i + 1]->order)
			continue;
		columns_uuid(&c, EXTEND_ID, &e->extend.id);
		columns_number(&c, EXTEND_LEASE, e->extend.lease);
		columns_number(&c, EXTEND_MS, (int64_t)e->extend.lease_ms);
		columns_number(&c, EXTEND_PROGRESS, e->extend.progress);
	}
	return columns_send(&c, lane, first->queue, QUEUE_EXTEND);
}

static const struct lane_kind extend_kind = {
    .name = "extend",
    .max = FINISH_MAX,
    .is_write = true,
    .is_sorted = true,
    .send = extend_send,
    .deal = deal_by_lease,
};

static void
extend_done(struct lane_request *request, const struct lane_answer *answer)
{
	/* request is the first member */
	struct extending *e = (struct extending *)request;
	const struct queue_answer a = queue_judge(answer);
	struct extend_row row = {.is_lost = true};

	if (a.outcome == QUEUE_OK && answer->n_rows)
		row = (struct extend_row){
		    .is_cancelled = cell_is_true(answer->result, answer->row, 1),
		    .deadline_ms = cell_number(answer->result, answer->row, 2),
		    .queue = cell_text(answer->result, answer->row, 3),
		    .kind = cell_text(answer->result, answer->row, 4),
		};
	e->done(&a, a.outcome == QUEUE_OK ? &row : NULL, e->ctx);
	free(e);
}

void
queue_extend(struct queue *queue, const struct extend *extend, queue_extend_fn *done, void *ctx)
{
	struct extending *e = calloc(1, sizeof(*e));

	if (!e) {
		const struct queue_answer a = queue_no_memory();
		done(&a, NULL, ctx);
		return;
	}
	e->queue = queue;
	e->done = done;
	e->ctx = ctx;
	e->extend = *extend;
	e->request.kind = &extend_kind;
	e->request.order = extend->lease;
	/* once more changes nothing but the time */
	e->request.is_decided = true;
	e->request.done = extend_done;
	lane_submit(queue->change, &e->request);
}

/* ---- parts ---- */

struct keeping {
	struct lane_request request; /* as above */
	struct queue *queue;
	queue_part_fn *done;
	void *ctx;
	struct part part;
	char json[];
};

enum { KEEP_ID, KEEP_LEASE, KEEP_N, KEEP_JSON, KEEP_COLUMNS };

static const enum column_type keep_types[KEEP_COLUMNS] = {
    [KEEP_ID] = COLUMN_UUID,
    [KEEP_LEASE] = COLUMN_INT8,
    [KEEP_N] = COLUMN_INT4,
    [KEEP_JSON] = COLUMN_TEXT,
};

static bool
keep_send(struct lane *lane, struct lane_request *const *request, unsigned n)
{
	const struct keeping *first = (const struct keeping *)request[0];
	struct columns c;

	columns_begin(&c, keep_types, KEEP_COLUMNS);
	for (unsigned i = 0; i < n; i++) {
		const struct keeping *k = (const struct keeping *)request[i];

		columns_uuid(&c, KEEP_ID, &k->part.id);
		columns_number(&c, KEEP_LEASE, k->part.lease);
		columns_number(&c, KEEP_N, k->part.n);
		columns_text(&c, KEEP_JSON, k->part.json);
	}
	return columns_send(&c, lane, first->queue, QUEUE_PART);
}

static const struct lane_kind keep_kind = {
    .name = "part",
    .max = FINISH_MAX,
    .is_write = true,
    .is_sorted = true,
    .send = keep_send,
    .deal = deal_by_lease,
};

static void
keep_done(struct lane_request *request, const struct lane_answer *answer)
{
	/* request is the first member */
	struct keeping *k = (struct keeping *)request;
	const struct queue_answer a = queue_judge(answer);

	k->done(&a, a.outcome == QUEUE_OK && answer->n_rows == 0, k->ctx);
	free(k);
}

void
queue_put_part(struct queue *queue, const struct part *part, queue_part_fn *done, void *ctx)
{
	struct keeping *k = malloc(sizeof(*k) + part->json.len);

	if (!k) {
		const struct queue_answer a = queue_no_memory();
		done(&a, false, ctx);
		return;
	}
	*k = (struct keeping){.queue = queue, .done = done, .ctx = ctx, .part = *part};
	memcpy(k->json, part->json.ptr, part->json.len);
	k->part.json = span_from(k->json, part->json.len);
	k->request.kind = &keep_kind;
	k->request.order = part->lease;
	k->request.is_decided = true;
	k->request.done = keep_done;
	lane_submit(queue->change, &k->request);
}
