/*
 * job_put.c - jobs put. What comes at the same time leaves together, in one statement; those with
 * an id of the client or a unique key apart from the others, since they may have to wait for
 * somebody's transaction.
 */
#include <stdlib.h>
#include <string.h>

#include "queue/queue_private.h"

#define PLAIN_MAX   256
#define CAREFUL_MAX 32
/* jobs in a statement */
#define PLAIN_JOBS_MAX   1000
#define CAREFUL_JOBS_MAX 100

struct put {
	struct lane_request request; /* first: the lane hands it back */
	struct queue *queue;
	queue_put_fn *done;
	void *ctx;
	size_t n;
	struct put_row *row;
	struct job_new job[]; /* their texts and the rows are behind them */
};

enum {
	PUT_ID,
	PUT_GIVEN,
	PUT_QUEUE,
	PUT_KIND,
	PUT_HAND,
	PUT_PRIORITY,
	PUT_ATTEMPTS,
	PUT_RUN_AT,
	PUT_ARGS,
	PUT_KEY,
	PUT_COLUMNS
};

static const enum column_type put_types[PUT_COLUMNS] = {
    [PUT_ID] = COLUMN_UUID,       [PUT_GIVEN] = COLUMN_LETTERS, [PUT_QUEUE] = COLUMN_TEXT,
    [PUT_KIND] = COLUMN_TEXT,     [PUT_HAND] = COLUMN_LETTERS,  [PUT_PRIORITY] = COLUMN_INT4,
    [PUT_ATTEMPTS] = COLUMN_INT4, [PUT_RUN_AT] = COLUMN_INT8,   [PUT_ARGS] = COLUMN_TEXT,
    [PUT_KEY] = COLUMN_TEXT,
};

static void
add_job(struct columns *c, const struct job_new *job)
{
	columns_uuid(c, PUT_ID, &job->id);
	columns_letter(c, PUT_GIVEN, job->is_id_given ? 't' : 'f');
	columns_text(c, PUT_QUEUE, job->queue);
	columns_text(c, PUT_KIND, job->kind);
	columns_letter(c, PUT_HAND, job->hand);
	columns_number(c, PUT_PRIORITY, job->priority);
	columns_number(c, PUT_ATTEMPTS, job->max_attempts);
	if (job->run_at_ms)
		columns_number(c, PUT_RUN_AT, job->run_at_ms);
	else
		columns_null(c, PUT_RUN_AT);
	columns_text(c, PUT_ARGS, job->args);
	columns_text(c, PUT_KEY, job->unique);
}

static bool
put_send(struct lane *lane, struct lane_request *const *request, unsigned n)
{
	const struct put *first = (const struct put *)request[0];
	struct columns c;

	columns_begin(&c, put_types, PUT_COLUMNS);
	for (unsigned i = 0; i < n; i++) {
		const struct put *put = (const struct put *)request[i];
		for (size_t j = 0; j < put->n; j++)
			add_job(&c, &put->job[j]);
	}
	return columns_send(&c, lane, first->queue, QUEUE_PUT);
}

/* Rows come in the order of the jobs, which are numbered from 1 on; one that was simply made has
 * none. */
static void
put_deal(const PGresult *result, struct lane_request *const *request, unsigned n,
	 struct lane_share *share)
{
	const int n_rows = PQntuples(result);
	int64_t end = 0;
	int row = 0;

	(void)request;
	for (unsigned i = 0; i < n; i++) {
		const int from = row;

		end += share[i].weight ? share[i].weight : 1;
		while (row < n_rows && cell_number(result, row, 0) <= end)
			row++;
		share[i].row = from;
		share[i].n_rows = row - from;
	}
}

static const struct lane_kind plain_kind = {
    .name = "put",
    .max = PLAIN_MAX,
    .max_weight = PLAIN_JOBS_MAX,
    .is_write = true,
    .send = put_send,
    .deal = put_deal,
};

static const struct lane_kind careful_kind = {
    .name = "put once",
    .max = CAREFUL_MAX,
    .max_weight = CAREFUL_JOBS_MAX,
    .is_write = true,
    .send = put_send,
    .deal = put_deal,
};

/* The first row of a group is of a job whose number counts those of others before it. */
static void
take_rows(struct put *put, const struct lane_answer *answer)
{
	int row = answer->row;
	const int end = answer->row + answer->n_rows;

	for (size_t i = 0; i < put->n; i++)
		put->row[i] = (struct put_row){PUT_MADE, put->job[i].id, JOB_STATE_QUEUED};
	for (; row < end; row++) {
		struct uuid asked;
		size_t i = 0;

		if (!cell_uuid(answer->result, row, 4, &asked))
			continue;
		while (i < put->n && uuid_compare(&put->job[i].id, &asked) != 0)
			i++;
		if (i == put->n)
			continue;
		const char how = cell_letter(answer->result, row, 1);
		put->row[i].state = how == 'd' ? PUT_DIFFERS : how == 'e' ? PUT_EXISTS : PUT_MADE;
		put->row[i].job = (enum job_state)cell_letter(answer->result, row, 3);
		if (!cell_uuid(answer->result, row, 2, &put->row[i].id))
			put->row[i].id = asked;
	}
}

static void
put_done(struct lane_request *request, const struct lane_answer *answer)
{
	/* request is the first member */
	struct put *put = (struct put *)request;
	const struct queue_answer a = queue_judge(answer);

	if (a.outcome == QUEUE_OK)
		take_rows(put, answer);
	put->done(&a, a.outcome == QUEUE_OK ? put->row : NULL, a.outcome == QUEUE_OK ? put->n : 0,
		  put->ctx);
	free(put);
}

static struct span
keep(char **at, struct span text)
{
	char *copy = *at;

	if (!text.ptr)
		return text;
	memcpy(copy, text.ptr, text.len);
	*at += text.len;
	return span_from(copy, text.len);
}

static size_t
text_size(const struct job_new *job)
{
	return job->queue.len + job->kind.len + job->args.len + job->unique.len;
}

void
queue_put(struct queue *queue, const struct job_new *job, size_t n, queue_put_fn *done, void *ctx)
{
	size_t size = sizeof(struct put) + n * (sizeof(*job) + sizeof(struct put_row));
	bool is_plain = true;

	for (size_t i = 0; i < n; i++) {
		size += text_size(&job[i]);
		is_plain = is_plain && !job[i].is_id_given && !job[i].unique.ptr;
	}
	struct put *put = malloc(size);
	if (!put) {
		const struct queue_answer a = queue_no_memory();
		done(&a, NULL, 0, ctx);
		return;
	}
	*put = (struct put){.queue = queue, .done = done, .ctx = ctx, .n = n};
	put->row = (struct put_row *)(void *)(put->job + n);
	char *at = (char *)(put->row + n);
	for (size_t i = 0; i < n; i++) {
		put->job[i] = job[i];
		put->job[i].queue = keep(&at, job[i].queue);
		put->job[i].kind = keep(&at, job[i].kind);
		put->job[i].args = keep(&at, job[i].args);
		put->job[i].unique = keep(&at, job[i].unique);
	}
	put->request.kind = is_plain ? &plain_kind : &careful_kind;
	put->request.weight = (unsigned)n;
	put->request.is_decided = true;
	put->request.done = put_done;
	lane_submit(queue->change, &put->request);
}
