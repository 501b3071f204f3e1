/*
 * batch.c - see batch.h. libpq's order of results in a pipeline: for each query one or more and a
 * NULL; for the Sync one PGRES_PIPELINE_SYNC. After an error the rest of the group is skipped, each
 * query with a PGRES_PIPELINE_ABORTED. An error of the commit comes after the last query.
 */
#include "pg/batch.h"

#include <string.h>

struct group *
batch_open(struct batch *batch, const struct lane_kind *kind)
{
	struct group *group = &batch->group[batch->n++];

	*group = (struct group){
	    .kind = kind,
	    .first = batch->n_places,
	    .prelude_at = BATCH_NOBODY,
	    .failed_at = BATCH_NOBODY,
	};
	return group;
}

void
batch_add(struct batch *batch, struct lane_request *request)
{
	struct group *group = &batch->group[batch->n - 1];
	unsigned at = batch->n_places++;

	if (group->kind->is_sorted) {
		for (; at > group->first && batch->request[at - 1]->order > request->order; at--)
			batch->request[at] = batch->request[at - 1];
	}
	batch->request[at] = request;
	group->n++;
}

void
batch_close(struct batch *batch)
{
	const struct group *group = &batch->group[batch->n - 1];

	for (unsigned i = group->first; i < batch->n_places; i++) {
		batch->request[i]->slot = i;
		batch->weight[i] = batch->request[i]->weight ? batch->request[i]->weight : 1;
		batch->result[i] = NULL;
	}
}

/* Where the result under way belongs, past the last query for one of the commit. */
static unsigned
query_at(const struct group *group)
{
	return group->n_ended > group->prelude_at ? group->n_ended - 1 : group->n_ended;
}

static enum batch_step
note_null(struct group *group)
{
	if (group->was_null)
		return BATCH_OUT_OF_STEP;
	group->was_null = true;
	group->n_ended++;
	return BATCH_GOES_ON;
}

static enum batch_step
note_sync(const struct group *group, PGresult *result)
{
	PQclear(result);
	/* an error of the commit may have ended once more */
	return query_at(group) < group->n_queries ? BATCH_OUT_OF_STEP : BATCH_SYNCED;
}

enum batch_step
batch_note(struct batch *batch, PGresult *result)
{
	struct group *group = &batch->group[batch->next];
	ExecStatusType status = PQresultStatus(result);
	const unsigned at = query_at(group);

	if (!result)
		return note_null(group);
	group->was_null = false;
	if (status == PGRES_PIPELINE_SYNC)
		return note_sync(group, result);
	const bool is_kinds = at < group->n_queries && group->n_ended != group->prelude_at;
	if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
		if (is_kinds && !batch->result[group->first + at])
			batch->result[group->first + at] = result;
		else
			PQclear(result);
	} else if (status == PGRES_PIPELINE_ABORTED || group->error) {
		PQclear(result);
	} else {
		group->error = result;
		group->failed_at = is_kinds ? at : BATCH_NOBODY;
	}
	return BATCH_GOES_ON;
}

static void
copy_out(struct batch *batch, const struct group *group, struct landed *landed)
{
	const size_t n = group->n;

	landed->group = *group;
	memcpy(landed->request, batch->request + group->first, n * sizeof(landed->request[0]));
	memcpy(landed->weight, batch->weight + group->first, n * sizeof(landed->weight[0]));
	memcpy(landed->result, batch->result + group->first, n * sizeof(landed->result[0]));
	if (batch->next == batch->n)
		batch->next = batch->n = batch->n_places = 0;
}

void
batch_land(struct batch *batch, struct landed *landed)
{
	const struct group *group = &batch->group[batch->next++];

	copy_out(batch, group, landed);
}

void
batch_drop(struct batch *batch, struct landed *landed)
{
	const struct group *group = &batch->group[--batch->n];

	batch->n_places = group->first;
	copy_out(batch, group, landed);
}

void
landed_fini(struct landed *landed)
{
	PQclear(landed->group.error);
	for (unsigned i = 0; i < landed->group.n; i++)
		PQclear(landed->result[i]);
}
