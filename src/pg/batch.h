/*
 * batch.h - the groups of a lane that are under way: whose they are and what has come for each.
 * Private to the lane.
 */
#ifndef PLAZA_PG_BATCH_H
#define PLAZA_PG_BATCH_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "pg/lane_request.h"

TAILQ_HEAD(request_list, lane_request);

/* no query is to blame, or nobody knows which */
#define BATCH_NOBODY (~0u)

struct group {
	const struct lane_kind *kind;
	unsigned first, n;   /* its places in the batch */
	unsigned n_queries;  /* sent by the kind; their results are in result[first ..] */
	unsigned prelude_at; /* one more query was sent before this one; or BATCH_NOBODY */
	unsigned n_ended;    /* queries whose results have all come, the prelude among them */
	bool is_synced;      /* its Sync was sent, or may have been */
	bool was_null;       /* two in a row are not the protocol that we know */
	PGresult *error;     /* the first one: none of the group is committed */
	unsigned failed_at;  /* the query that made it, or BATCH_NOBODY */
};

struct batch {
	struct group group[LANE_GROUPS_MAX]; /* [next, n): no Sync has come for them */
	unsigned next, n;
	unsigned n_places;
	struct lane_request *request[LANE_BATCH_MAX]; /* NULL when answered already */
	unsigned weight[LANE_BATCH_MAX];
	PGresult *result[LANE_BATCH_MAX];
};

/* A group that has left its batch: answers may call back into the lane. */
struct landed {
	struct group group;
	struct lane_request *request[LANE_BATCH_MAX];
	unsigned weight[LANE_BATCH_MAX];
	PGresult *result[LANE_BATCH_MAX];
};

static inline bool
batch_is_empty(const struct batch *batch)
{
	return batch->n == 0;
}

/* One more group, empty. The caller has seen that there is room for it. */
struct group *batch_open(struct batch *batch, const struct lane_kind *kind);
/* Into the last group, which has room. Among equals of a kind that is sorted it is the last. */
void batch_add(struct batch *batch, struct lane_request *request);
/* All are in: each learns its place. */
void batch_close(struct batch *batch);

/* What libpq gave for the oldest group, which takes it over. NULL as it comes between queries. */
enum batch_step {
	BATCH_GOES_ON,
	BATCH_SYNCED,     /* the oldest group is through: batch_land */
	BATCH_OUT_OF_STEP /* this is no answer to what was asked */
} batch_note(struct batch *batch, PGresult *result);

/* Takes the oldest group out. The caller frees what is in it by landed_fini. */
void batch_land(struct batch *batch, struct landed *landed);
/* Takes the newest one out, of which nothing has been sent. */
void batch_drop(struct batch *batch, struct landed *landed);
void landed_fini(struct landed *landed);

#endif
