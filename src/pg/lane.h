/*
 * lane.h - requests in, one answer each: a connection in pipeline mode and those who wait for it.
 *
 * While the lane is busy requests gather; when it is free, what has gathered leaves together at the
 * end of the loop's pass, in groups of one kind. A group is one Sync and one transaction: it is
 * committed whole, or rolled back and sent again in parts until only who is to blame is refused.
 */
#ifndef PLAZA_PG_LANE_H
#define PLAZA_PG_LANE_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "pg/backlog.h"
#include "pg/connect.h"
#include "pg/lane_request.h"

struct lane_query {
	const char *name; /* a statement of the setup's plan; or NULL */
	/* when there is no name: one statement, planned for the values that come with it */
	const char *sql;
	int n_params;
	/* as of PQsendQueryParams: lengths and formats may be NULL, then all are text */
	const char *const *values;
	const int *lengths;
	const int *formats;
};

struct lane_settings {
	struct connection_settings connection;
	struct backlog *backlog; /* its own, or shared by some lanes of a process */
	uint64_t queue_timeout_ms;
	uint64_t statement_timeout_ms; /* the server keeps it; past it and a margin we hang up */
	unsigned groups_max;           /* under way at a time: 1 to LANE_GROUPS_MAX */
};

/* For whoever logs. */
struct lane_events {
	void (*on_ready)(struct lane *lane, void *ctx);
	void (*on_trouble)(struct lane *lane, const struct connection_trouble *trouble, void *ctx);
};

/*
 * Connects in the background. NULL on out-of-memory, logged. What `settings` and `events` point to
 * must live as long as the lane. It adds a pass hook, which the loop cannot take back: the loop
 * must not run any more after lane_free.
 */
struct lane *lane_new(struct loop *loop, const struct lane_settings *settings,
		      const struct lane_events *events, void *ctx);

/* Answers all that are left, LANE_STOPPED or LANE_UNKNOWN. Not from inside `done`. */
void lane_free(struct lane **lane);

/*
 * One of these that is not down, if possible the first that is ready, serves what is submitted to
 * this one while it is, and what still waits for it then. They have the same plan; the array must
 * live as long as the lane, which may be in it, and may have NULLs.
 */
void lane_set_others(struct lane *lane, struct lane *const *other, unsigned n);

/*
 * `done` is called exactly once, maybe inside. It may free the request and submit others. There is
 * no cancelling: who does not care any more ignores the answer.
 */
void lane_submit(struct lane *lane, struct lane_request *request);

/* Only inside kind->send. False: give up and return false too. */
bool lane_query_send(struct lane *lane, const struct lane_query *query);

/* Connected; what is submitted now is sent now or soon. */
bool lane_is_ready(const struct lane *lane);
/* The last attempt to connect failed: what is submitted now is answered LANE_DOWN, or by another.
 */
bool lane_is_down(const struct lane *lane);

const struct connection *lane_connection(const struct lane *lane);

#endif
