/*
 * job_read.c - jobs read: one by its id, all that are asked for at a time being one statement; and
 * lists.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue/queue_private.h"

/* a job may have many kilobytes of results */
#define GET_MAX 64

/* The columns of job_get. */
enum {
	GET_ID,
	GET_STATE,
	GET_CANCEL,
	GET_HAND,
	GET_PRIORITY,
	GET_ATTEMPT,
	GET_MAX_ATTEMPTS,
	GET_PROGRESS,
	GET_CREATED,
	GET_RUN_AT,
	GET_ENDED,
	GET_QUEUE,
	GET_KIND,
	GET_KEY,
	GET_ARGS,
	GET_RESULT,
	GET_ERRORS
};

struct reading {
	struct lane_request request; /* first: the lane hands it back */
	struct queue *queue;
	queue_rows_fn *done;
	void *ctx;
	struct uuid id;
	/* of a list */
	struct buffer sql;
	char after[UUID_TEXT_SIZE], limit[16];
	char queue_name[JOB_NAME_MAX + 1], kind[JOB_NAME_MAX + 1];
	const char *value[4];
};

static struct job_row
row_of(const PGresult *r, int at)
{
	struct job_row row = {
	    .state = (enum job_state)cell_letter(r, at, GET_STATE),
	    .is_cancelling = cell_is_true(r, at, GET_CANCEL),
	    .hand = cell_letter(r, at, GET_HAND),
	    .priority = (unsigned)cell_number(r, at, GET_PRIORITY),
	    .attempt = (unsigned)cell_number(r, at, GET_ATTEMPT),
	    .max_attempts = (unsigned)cell_number(r, at, GET_MAX_ATTEMPTS),
	    .progress =
		cell_text(r, at, GET_PROGRESS).ptr ? (int)cell_number(r, at, GET_PROGRESS) : -1,
	    .created_ms = cell_number(r, at, GET_CREATED),
	    .run_at_ms = cell_number(r, at, GET_RUN_AT),
	    .ended_ms = cell_number(r, at, GET_ENDED),
	    .queue = cell_text(r, at, GET_QUEUE),
	    .kind = cell_text(r, at, GET_KIND),
	    .args = cell_text(r, at, GET_ARGS),
	    .result = cell_text(r, at, GET_RESULT),
	    .errors = cell_text(r, at, GET_ERRORS),
	    .unique = cell_text(r, at, GET_KEY),
	};

	/* what the database has as a UUID is one */
	(void)!cell_uuid(r, at, GET_ID, &row.id);
	return row;
}

static void
read_done(struct lane_request *request, const struct lane_answer *answer)
{
	/* request is the first member */
	struct reading *g = (struct reading *)request;
	struct queue_answer a = queue_judge(answer);
	const size_t n = a.outcome == QUEUE_OK ? (size_t)answer->n_rows : 0;
	struct job_row *row = n ? malloc(n * sizeof(*row)) : NULL;

	if (n && !row)
		a = queue_no_memory();
	for (size_t i = 0; row && i < n; i++)
		row[i] = row_of(answer->result, answer->row + (int)i);
	g->done(&a, row, row ? n : 0, g->ctx);
	free(row);
	buffer_fini(&g->sql);
	free(g);
}

/* ---- by id ---- */

/* They come in their order; one that several ask for goes once. */
static bool
get_send(struct lane *lane, struct lane_request *const *request, unsigned n)
{
	static const enum column_type type = COLUMN_UUID;
	const struct reading *last = NULL;
	struct columns c;

	columns_begin(&c, &type, 1);
	for (unsigned i = 0; i < n; i++) {
		const struct reading *g = (const struct reading *)request[i];

		if (!last || uuid_compare(&last->id, &g->id) != 0)
			columns_uuid(&c, 0, &g->id);
		last = g;
	}
	return columns_send(&c, lane, last->queue, QUEUE_GET);
}

static void
get_deal(const PGresult *result, struct lane_request *const *request, unsigned n,
	 struct lane_share *share)
{
	for (int row = 0; row < PQntuples(result); row++) {
		struct uuid id;

		if (!cell_uuid(result, row, GET_ID, &id))
			continue;
		for (unsigned i = 0; i < n; i++) {
			const struct reading *g = (const struct reading *)request[i];

			if (!g || uuid_compare(&g->id, &id) != 0)
				continue;
			share[i].row = row;
			share[i].n_rows = 1;
		}
	}
}

static const struct lane_kind get_kind = {
    .name = "get",
    .max = GET_MAX,
    .is_sorted = true,
    .send = get_send,
    .deal = get_deal,
};

void
queue_get(struct queue *queue, const struct uuid *id, queue_rows_fn *done, void *ctx)
{
	struct reading *g = calloc(1, sizeof(*g));

	if (!g) {
		const struct queue_answer a = queue_no_memory();
		done(&a, NULL, 0, ctx);
		return;
	}
	g->queue = queue;
	g->done = done;
	g->ctx = ctx;
	g->id = *id;
	g->request.kind = &get_kind;
	g->request.order = queue_order(id);
	g->request.done = read_done;
	lane_submit(queue->read, &g->request);
}

/* ---- lists ---- */

/*
 * Where jobs of a state are found; %s is the schema. `i` has their ids, `name` what has their
 * queue. Which state they are in job_get says at last: it looks a moment later.
 */
static const char *
source_of(enum job_state state)
{
	switch (state) {
	case JOB_STATE_QUEUED: return "job_ready";
	case JOB_STATE_SCHEDULED: return "job_later";
	case JOB_STATE_RUNNING: return "job_lease";
	case JOB_STATE_DONE:
	case JOB_STATE_FAILED:
	case JOB_STATE_DEAD:
	case JOB_STATE_CANCELLED: return "job_result";
	default: return "jobs";
	}
}

/* Values: after, limit, queue, kind; null is any. */
static bool
put_list(struct buffer *sql, const char *schema, enum job_state state)
{
	const char *source = source_of(state);
	const bool has_ends = job_state_is_final(state), is_jobs = strcmp(source, "jobs") == 0;
	bool ok =
	    buffer_printf(sql, 4096, "select g.* from %s.job_get(array(select i.id from %s.%s i ",
			  schema, schema, source);

	/* only the last end of a job says where it is */
	if (ok && !is_jobs)
		ok = buffer_printf(sql, 4096, "join %s.jobs j on j.id = i.id ", schema);
	ok = ok && buffer_printf(sql, 4096,
				 "where ($1::uuid is null or i.id < $1::uuid) "
				 "and ($3::text is null or %s.queue = $3::text) "
				 "and ($4::text is null or %s.kind = $4::text) ",
				 is_jobs ? "i" : "j", is_jobs ? "i" : "j");
	if (ok && has_ends)
		ok = buffer_printf(sql, 4096,
				   "and i.state = '%c' and not exists (select from %s.job_result o "
				   "where o.id = i.id and o.no > i.no) and not exists (select from "
				   "%s.job_lease o where o.id = i.id) ",
				   (char)state, schema, schema);
	ok = ok && buffer_printf(sql, 4096, "order by i.id desc limit $2::int4), false) g ");
	if (ok && state)
		ok = buffer_printf(sql, 4096, "where g.state = '%c' ", (char)state);
	return ok && buffer_append(sql, "", 1, 4096);
}

static bool
list_send(struct lane *lane, struct lane_request *const *request, unsigned n)
{
	const struct reading *l = (const struct reading *)request[0];

	(void)n;
	return lane_query_send(
	    lane, &(struct lane_query){.sql = l->sql.data, .n_params = 4, .values = l->value});
}

static const struct lane_kind list_kind = {.name = "list", .max = 1, .send = list_send};

static const char *
keep_name(char *to, struct span name)
{
	if (!name.ptr)
		return NULL;
	const size_t len = name.len < JOB_NAME_MAX ? name.len : JOB_NAME_MAX;
	memcpy(to, name.ptr, len);
	return to;
}

void
queue_list(struct queue *queue, const struct job_list *list, queue_rows_fn *done, void *ctx)
{
	static const struct uuid none;
	struct reading *l = calloc(1, sizeof(*l));

	if (!l || !put_list(&l->sql, queue->sql->schema, list->state)) {
		const struct queue_answer a = queue_no_memory();
		if (l)
			buffer_fini(&l->sql);
		free(l);
		done(&a, NULL, 0, ctx);
		return;
	}
	l->queue = queue;
	l->done = done;
	l->ctx = ctx;
	if (uuid_compare(&list->after, &none) != 0) {
		uuid_print(&list->after, l->after);
		l->value[0] = l->after;
	}
	snprintf(l->limit, sizeof(l->limit), "%u", list->limit);
	l->value[1] = l->limit;
	l->value[2] = keep_name(l->queue_name, list->queue);
	l->value[3] = keep_name(l->kind, list->kind);
	l->request.kind = &list_kind;
	l->request.done = read_done;
	lane_submit(queue->read, &l->request);
}
