/*
 * job_change.c - jobs cancelled and tried again, by id. In the order of ids, as the functions lock.
 */
#include <stdlib.h>
#include <string.h>

#include "queue/queue_private.h"

/* each is some statements of its own */
#define CHANGE_MAX 64

struct change {
	struct lane_request request; /* first: the lane hands it back */
	struct queue *queue;
	queue_cancel_fn *cancelled;
	queue_retry_fn *retried;
	void *ctx;
	struct uuid id;
};

/* The columns of job_cancel and job_retry. */
enum { CANCEL_ID, CANCEL_HOW, CANCEL_STATE, CANCEL_WORKER, CANCEL_HAND, CANCEL_QUEUE, CANCEL_KIND };
enum { RETRY_ID, RETRY_HOW, RETRY_STATE, RETRY_HAND, RETRY_QUEUE, RETRY_KIND };

static bool
change_send(struct lane *lane, struct lane_request *const *request, unsigned n,
	    enum queue_statement statement)
{
	static const enum column_type type = COLUMN_UUID;
	const struct change *first = (const struct change *)request[0];
	struct columns c;

	columns_begin(&c, &type, 1);
	for (unsigned i = 0; i < n; i++)
		columns_uuid(&c, 0, &((const struct change *)request[i])->id);
	return columns_send(&c, lane, first->queue, statement);
}

static bool
cancel_send(struct lane *lane, struct lane_request *const *request, unsigned n)
{
	return change_send(lane, request, n, QUEUE_CANCEL);
}

static bool
retry_send(struct lane *lane, struct lane_request *const *request, unsigned n)
{
	return change_send(lane, request, n, QUEUE_RETRY);
}

/* A row for each id, which all have who have asked for it. */
static void
change_deal(const PGresult *result, struct lane_request *const *request, unsigned n,
	    struct lane_share *share)
{
	for (int row = 0; row < PQntuples(result); row++) {
		struct uuid id;

		if (!cell_uuid(result, row, 0, &id))
			continue;
		for (unsigned i = 0; i < n; i++) {
			const struct change *c = (const struct change *)request[i];

			if (!c || uuid_compare(&c->id, &id) != 0)
				continue;
			share[i].row = row;
			share[i].n_rows = 1;
		}
	}
}

static const struct lane_kind cancel_kind = {
    .name = "cancel",
    .max = CHANGE_MAX,
    .is_write = true,
    .is_sorted = true,
    .send = cancel_send,
    .deal = change_deal,
};

static const struct lane_kind retry_kind = {
    .name = "retry",
    .max = CHANGE_MAX,
    .is_write = true,
    .is_sorted = true,
    .send = retry_send,
    .deal = change_deal,
};

static enum cancel_state
cancel_of(char how)
{
	switch (how) {
	case 'd': return CANCEL_DONE;
	case 'a': return CANCEL_ASKED;
	case 'f': return CANCEL_FINAL;
	default: return CANCEL_ABSENT;
	}
}

static enum retry_state
retry_of(char how)
{
	switch (how) {
	case 'd': return RETRY_DONE;
	case 'n': return RETRY_NOT_NOW;
	case 't': return RETRY_TAKEN;
	default: return RETRY_ABSENT;
	}
}

static void
cancel_done(struct lane_request *request, const struct lane_answer *answer)
{
	/* request is the first member */
	struct change *c = (struct change *)request;
	const struct queue_answer a = queue_judge(answer);
	struct cancel_row row = {.how = CANCEL_ABSENT};

	if (a.outcome == QUEUE_OK && answer->n_rows) {
		const PGresult *r = answer->result;
		const int at = answer->row;

		row = (struct cancel_row){
		    .how = cancel_of(cell_letter(r, at, CANCEL_HOW)),
		    .state = (enum job_state)cell_letter(r, at, CANCEL_STATE),
		    .worker = cell_number(r, at, CANCEL_WORKER),
		    .hand = cell_letter(r, at, CANCEL_HAND),
		    .queue = cell_text(r, at, CANCEL_QUEUE),
		    .kind = cell_text(r, at, CANCEL_KIND),
		};
	}
	c->cancelled(&a, a.outcome == QUEUE_OK ? &row : NULL, c->ctx);
	free(c);
}

static void
retry_done(struct lane_request *request, const struct lane_answer *answer)
{
	/* request is the first member */
	struct change *c = (struct change *)request;
	const struct queue_answer a = queue_judge(answer);
	struct retry_row row = {.how = RETRY_ABSENT};

	if (a.outcome == QUEUE_OK && answer->n_rows) {
		const PGresult *r = answer->result;
		const int at = answer->row;

		row = (struct retry_row){
		    .how = retry_of(cell_letter(r, at, RETRY_HOW)),
		    .state = (enum job_state)cell_letter(r, at, RETRY_STATE),
		    .hand = cell_letter(r, at, RETRY_HAND),
		    .queue = cell_text(r, at, RETRY_QUEUE),
		    .kind = cell_text(r, at, RETRY_KIND),
		};
	}
	c->retried(&a, a.outcome == QUEUE_OK ? &row : NULL, c->ctx);
	free(c);
}

/* False on out-of-memory. */
static bool
change_submit(struct queue *queue, const struct uuid *id, const struct change *change)
{
	struct change *c = malloc(sizeof(*c));

	if (!c)
		return false;
	*c = *change;
	c->queue = queue;
	c->id = *id;
	c->request.order = queue_order(id);
	lane_submit(queue->change, &c->request);
	return true;
}

void
queue_cancel(struct queue *queue, const struct uuid *id, queue_cancel_fn *done, void *ctx)
{
	const struct change change = {
	    .request = {.kind = &cancel_kind, .done = cancel_done},
	    .cancelled = done,
	    .ctx = ctx,
	};

	if (!change_submit(queue, id, &change)) {
		const struct queue_answer a = queue_no_memory();
		done(&a, NULL, ctx);
	}
}

void
queue_retry(struct queue *queue, const struct uuid *id, queue_retry_fn *done, void *ctx)
{
	const struct change change = {
	    .request = {.kind = &retry_kind, .done = retry_done},
	    .retried = done,
	    .ctx = ctx,
	};

	if (!change_submit(queue, id, &change)) {
		const struct queue_answer a = queue_no_memory();
		done(&a, NULL, ctx);
	}
}
