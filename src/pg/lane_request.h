/*
 * lane_request.h - what a lane is asked for, and what it answers. Types only; lane.h has the calls.
 */
#ifndef PLAZA_PG_LANE_REQUEST_H
#define PLAZA_PG_LANE_REQUEST_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/deadline.h"

#define LANE_BATCH_MAX  256 /* requests under way */
#define LANE_GROUPS_MAX 64  /* groups under way */

enum lane_outcome {
	LANE_OK,      /* done, and committed: answer->result */
	LANE_REFUSED, /* the server refused it, nothing has changed: answer->sqlstate, ->message */
	LANE_FULL,    /* too many wait already */
	LANE_EXPIRED, /* its time was over before it could be sent, or sent again: nothing changed
		       */
	LANE_LATE,    /* a read that was sent, and not answered in time */
	LANE_DOWN,    /* no connection, or no memory: nothing has changed */
	LANE_UNKNOWN, /* a write that was sent; nobody knows whether it was committed */
	LANE_STOPPED  /* lane_free */
};

/* Everything in it is valid until `done` returns. */
struct lane_answer {
	enum lane_outcome outcome;
	/* LANE_OK: rows [row, row + n_rows) of `result` are this request's; others have the rest */
	const PGresult *result;
	int row, n_rows;
	/*
	 * LANE_REFUSED: what the server said, each "" when it did not. LANE_UNKNOWN: the same of
	 * the second attempt, if that was refused.
	 */
	const char *sqlstate;
	const char *message; /* the primary one */
	const char *constraint;
	const char *table, *column;
	unsigned retry_after_s; /* 1 to 60, where trying again makes sense */
	bool schema_missing;    /* LANE_DOWN: connected, but a schema step could not be taken */
	uint64_t waited_us;     /* until it was sent, the last time */
	uint64_t took_us;       /* from then on until its result was here; 0 if none came */
};

struct lane;
struct lane_request;

/* Which rows of its group's result are a request's. */
struct lane_share {
	unsigned weight; /* the request's, 0 counted as 1 */
	int row;         /* -1: none */
	int n_rows;
};

/* An operation; a static const of whoever owns it. */
struct lane_kind {
	const char *name;    /* for the log */
	unsigned max;        /* requests in a group, at most LANE_BATCH_MAX; 1: each alone */
	unsigned max_weight; /* sum of their weights; one that is heavier goes alone; 0: no limit */
	bool is_write;       /* its outcome is unknown when the connection is lost */
	bool is_sorted;      /* sent by rising `order`: who locks rows locks them in one order */
	/*
	 * Makes the group's queries by lane_query_send. False: out of memory; all are answered
	 * LANE_DOWN. It must not call back into the lane in any other way.
	 */
	bool (*send)(struct lane *lane, struct lane_request *const *request, unsigned n);
	/*
	 * NULL: `send` makes one query for each request, in order, and each gets its own result.
	 * Otherwise `send` makes one query for all, and this says whose rows are whose: share[i]
	 * comes with the weight set and with no rows. A request that was answered at its deadline
	 * is NULL here.
	 */
	void (*deal)(const PGresult *result, struct lane_request *const *request, unsigned n,
		     struct lane_share *share);
};

/* Embedded in its owner; all zeros but for what the owner fills in. */
struct lane_request {
	/* the owner's, unchanged until `done` */
	const struct lane_kind *kind;
	int64_t order;   /* of a kind that is sorted; equal ones stay in order of arrival */
	unsigned weight; /* 0 counts as 1 */
	/* a write that finds out itself whether it was done before, and so may be sent again */
	bool is_decided;
	/* the next part of what was let in before: it may wait, however many others do */
	bool is_continued;
	void (*done)(struct lane_request *request, const struct lane_answer *answer);

	/* the lane's */
	TAILQ_ENTRY(lane_request) link;
	struct deadline deadline;
	uint64_t submitted_us, sent_us;
	unsigned group_max; /* so many may share its next group; falls with each split */
	unsigned slot;      /* while it is under way */
	unsigned n_locks;   /* groups of its that waited for a lock in vain */
	bool was_sent;      /* at all */
	bool was_lost;      /* sent once more after the connection was lost */
	bool was_stale;     /* sent once more after an error of the session */
	bool is_unknown;    /* was_lost, and it may have been committed */
};

#endif
