/*
 * job_queues.c - queues as they are, and their settings.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue/queue_private.h"

#define SET_VALUES 6

struct looking {
	struct lane_request request; /* first: the lane hands it back */
	struct queue *queue;
	queue_queues_fn *done;
	void *ctx;
	char name[JOB_NAME_MAX + 1];
	char concurrency[24], depth[24];
	const char *value[SET_VALUES]; /* of QUEUE_QUEUES the first one */
};

/* The columns of QUEUE_QUEUES. */
enum {
	ROW_NAME,
	ROW_READY,
	ROW_READY_P,
	ROW_LATER,
	ROW_RUNNING,
	ROW_OLDEST,
	ROW_PAUSED,
	ROW_CONCURRENCY,
	ROW_DEPTH,
	ROW_IS_FULL
};

static int64_t
setting(const PGresult *r, int at, int column)
{
	return PQgetisnull(r, at, column) ? -1 : cell_number(r, at, column);
}

static struct queue_row
row_of(const PGresult *r, int at)
{
	return (struct queue_row){
	    .name = cell_text(r, at, ROW_NAME),
	    .ready = cell_number(r, at, ROW_READY),
	    .ready_p = cell_number(r, at, ROW_READY_P),
	    .later = cell_number(r, at, ROW_LATER),
	    .running = cell_number(r, at, ROW_RUNNING),
	    .oldest_ms = cell_number(r, at, ROW_OLDEST),
	    .is_paused = cell_is_true(r, at, ROW_PAUSED),
	    .concurrency = setting(r, at, ROW_CONCURRENCY),
	    .depth = setting(r, at, ROW_DEPTH),
	};
}

/* ---- full ones ---- */

/* In one statement; the next look finds the others. */
#define FULL_MAX 64

struct marking {
	struct lane_request request; /* first: the lane hands it back */
	const struct queue *queue;
	unsigned n;
	struct {
		char name[JOB_NAME_MAX];
		size_t len;
		bool is_full;
	} mark[FULL_MAX];
};

enum { FULL_QUEUE, FULL_IS, FULL_COLUMNS };

static const enum column_type full_types[FULL_COLUMNS] = {
    [FULL_QUEUE] = COLUMN_TEXT,
    [FULL_IS] = COLUMN_LETTERS,
};

static bool
full_send(struct lane *lane, struct lane_request *const *request, unsigned n)
{
	const struct marking *m = (const struct marking *)request[0];
	struct columns c;

	(void)n;
	columns_begin(&c, full_types, FULL_COLUMNS);
	for (unsigned i = 0; i < m->n; i++) {
		columns_text(&c, FULL_QUEUE, span_from(m->mark[i].name, m->mark[i].len));
		columns_letter(&c, FULL_IS, m->mark[i].is_full ? 't' : 'f');
	}
	return columns_send(&c, lane, m->queue, QUEUE_FULL);
}

static const struct lane_kind full_kind = {
    .name = "full",
    .max = 1,
    .is_write = true,
    .send = full_send,
};

/* If it was in vain, the next look does it. */
static void
full_done(struct lane_request *request, const struct lane_answer *answer)
{
	(void)queue_judge(answer);
	free(request);
}

static bool
is_full(const struct queue *queue, const struct queue_row *row)
{
	const int64_t most = (int64_t)queue->config->jobs_queue_depth;

	return row->ready + row->later >=
	       (row->depth >= 0 && row->depth < most ? row->depth : most);
}

/* Those of which the database has it wrong. */
static void
mark_full(struct queue *queue, const struct lane_answer *answer, const struct queue_row *row)
{
	struct marking *m = NULL;

	for (int i = 0; i < answer->n_rows; i++) {
		const bool is = is_full(queue, &row[i]);

		if (is == cell_is_true(answer->result, answer->row + i, ROW_IS_FULL) ||
		    row[i].name.len > JOB_NAME_MAX)
			continue;
		if (!m && !(m = calloc(1, sizeof(*m))))
			return;
		memcpy(m->mark[m->n].name, row[i].name.ptr, row[i].name.len);
		m->mark[m->n].len = row[i].name.len;
		m->mark[m->n].is_full = is;
		if (++m->n == FULL_MAX)
			break;
	}
	if (!m)
		return;
	m->queue = queue;
	m->request =
	    (struct lane_request){.kind = &full_kind, .is_decided = true, .done = full_done};
	lane_submit(queue->read, &m->request);
}

/* ---- as they are ---- */

static void
queues_done(struct lane_request *request, const struct lane_answer *answer)
{
	/* request is the first member */
	struct looking *l = (struct looking *)request;
	struct queue_answer a = queue_judge(answer);
	const size_t n = a.outcome == QUEUE_OK ? (size_t)answer->n_rows : 0;
	struct queue_row *row = n ? malloc(n * sizeof(*row)) : NULL;

	if (n && !row)
		a = queue_no_memory();
	for (size_t i = 0; row && i < n; i++)
		row[i] = row_of(answer->result, answer->row + (int)i);
	if (row && !l->value[0])
		mark_full(l->queue, answer, row);
	l->done(&a, row, row ? n : 0, l->ctx);
	free(row);
	free(l);
}

static bool
queues_send(struct lane *lane, struct lane_request *const *request, unsigned n)
{
	const struct looking *l = (const struct looking *)request[0];

	(void)n;
	return lane_query_send(lane, &(struct lane_query){
					 .name = l->queue->sql->statement[QUEUE_QUEUES].name,
					 .n_params = 1,
					 .values = l->value,
				     });
}

static const struct lane_kind queues_kind = {.name = "queues", .max = 1, .send = queues_send};

static void
look(struct looking *l)
{
	l->request = (struct lane_request){.kind = &queues_kind, .done = queues_done};
	lane_submit(l->queue->read, &l->request);
}

/* NULL: `done` has been called. */
static struct looking *
looking_new(struct queue *queue, struct span name, queue_queues_fn *done, void *ctx)
{
	struct looking *l = calloc(1, sizeof(*l));

	if (!l) {
		const struct queue_answer a = queue_no_memory();
		done(&a, NULL, 0, ctx);
		return NULL;
	}
	l->queue = queue;
	l->done = done;
	l->ctx = ctx;
	if (name.ptr) {
		const size_t len = name.len < JOB_NAME_MAX ? name.len : JOB_NAME_MAX;
		memcpy(l->name, name.ptr, len);
		l->value[0] = l->name;
	}
	return l;
}

void
queue_queues(struct queue *queue, struct span name, queue_queues_fn *done, void *ctx)
{
	struct looking *l = looking_new(queue, name, done, ctx);

	if (l)
		look(l);
}

/* ---- settings ---- */

static bool
set_send(struct lane *lane, struct lane_request *const *request, unsigned n)
{
	const struct looking *l = (const struct looking *)request[0];

	(void)n;
	return lane_query_send(lane, &(struct lane_query){
					 .name = l->queue->sql->statement[QUEUE_SET].name,
					 .n_params = SET_VALUES,
					 .values = l->value,
				     });
}

static const struct lane_kind set_kind = {
    .name = "set",
    .max = 1,
    .is_write = true,
    .send = set_send,
};

/* Told as it is then, by the lane for reads: it sees what is committed. */
static void
set_done(struct lane_request *request, const struct lane_answer *answer)
{
	/* request is the first member */
	struct looking *l = (struct looking *)request;
	const struct queue_answer a = queue_judge(answer);

	if (a.outcome == QUEUE_OK) {
		look(l);
		return;
	}
	l->done(&a, NULL, 0, l->ctx);
	free(l);
}

static const char *
number_or_null(int64_t number, char text[24])
{
	if (number < 0)
		return NULL;
	snprintf(text, 24, "%" PRId64, number);
	return text;
}

void
queue_set(struct queue *queue, const struct queue_change *change, queue_queues_fn *done, void *ctx)
{
	struct looking *l = looking_new(queue, change->name, done, ctx);

	if (!l)
		return;
	l->value[1] = !change->sets_paused ? NULL : change->is_paused ? "t" : "f";
	l->value[2] = change->sets_concurrency ? "t" : "f";
	l->value[3] =
	    change->sets_concurrency ? number_or_null(change->concurrency, l->concurrency) : NULL;
	l->value[4] = change->sets_depth ? "t" : "f";
	l->value[5] = change->sets_depth ? number_or_null(change->depth, l->depth) : NULL;
	l->request.kind = &set_kind;
	/* the same settings once more change nothing */
	l->request.is_decided = true;
	l->request.done = set_done;
	lane_submit(queue->change, &l->request);
}
