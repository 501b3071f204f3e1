/*
 * lane.h - requests in, one answer each: a connection in pipeline mode and those who wait for it.
 *
 * While the lane is busy requests gather; when it is free, what has gathered leaves together at the
 * end of the loop's pass. Each request is a transaction of its own (its own Sync), so that an
 * error concerns nobody else.
 */
#ifndef PLAZA_PG_LANE_H
#define PLAZA_PG_LANE_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/deadline.h"
#include "base/loop.h"
#include "pg/backlog.h"
#include "pg/connect.h"

#define LANE_BATCH_MAX  64
#define LANE_PARAMS_MAX 4

enum lane_outcome {
	LANE_OK,      /* done, and committed: answer->result */
	LANE_REFUSED, /* the server refused it, nothing has changed: answer->sqlstate, ->message */
	LANE_FULL,    /* too many wait already */
	LANE_EXPIRED, /* queue_timeout was over before it could be sent */
	LANE_LATE,    /* a read that was sent, and not answered in time */
	LANE_DOWN,    /* no connection: the last attempt failed, or queue_timeout was over */
	LANE_UNKNOWN, /* a write that was sent; nobody knows whether it was committed */
	LANE_STOPPED  /* lane_free */
};

/* Everything in it is valid until `done` returns. */
struct lane_answer {
	enum lane_outcome outcome;
	const PGresult *result;
	const char *sqlstate;   /* LANE_REFUSED: five characters, or "" */
	const char *message;    /* LANE_REFUSED: the server's primary message */
	unsigned retry_after_s; /* 1 to 60, where trying again makes sense */
	bool schema_missing;    /* LANE_DOWN: connected, but a schema step could not be taken */
};

struct lane;

/* Embedded in its owner; all zeros but for what the owner fills in. */
struct lane_request {
	/* the owner's, unchanged until `done`: text parameters of a prepared statement */
	const char *statement;
	int n_params;
	const char *param[LANE_PARAMS_MAX];
	bool is_write; /* never sent twice */
	void (*done)(struct lane_request *request, const struct lane_answer *answer);

	/* the lane's */
	struct lane *lane;
	TAILQ_ENTRY(lane_request) link;
	struct deadline deadline;
	unsigned slot;
	bool sent;
	bool retried;
};

struct lane_settings {
	struct connection_settings connection;
	struct backlog *backlog; /* shared by the lanes of a process */
	uint64_t queue_timeout_ms;
	uint64_t statement_timeout_ms; /* the server keeps it; past it and a margin we hang up */
	unsigned batch_max;            /* 1 to LANE_BATCH_MAX */
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

/* Answers all that are left, LANE_STOPPED or LANE_UNKNOWN. */
void lane_free(struct lane **lane);

/*
 * `done` is called exactly once, maybe inside. It may free the request and submit others. There is
 * no cancelling: who does not care any more ignores the answer.
 */
void lane_submit(struct lane *lane, struct lane_request *request);

const struct connection *lane_connection(const struct lane *lane);

#endif
