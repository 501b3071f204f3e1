/*
 * queue.h - the job queue of one process: what can be done with jobs, typed, on PostgreSQL lanes.
 * Knows SQL; knows no HTTP, no shared memory and no kinds. Runs in: workers, executors.
 *
 * What comes while a lane is busy leaves together, as one statement. Whoever made a change tells
 * others of it (jobs_shared.h) at the answer: until then it may not be committed.
 */
#ifndef PLAZA_QUEUE_QUEUE_H
#define PLAZA_QUEUE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "base/span.h"
#include "base/uuid.h"
#include "config/config.h"
#include "queue/job_state.h"

/* What callers have checked before they come here. */
#define JOB_NAME_MAX     64  /* of a kind, of a queue: [A-Za-z0-9._-] */
#define JOB_KEY_MAX      255 /* of a unique key */
#define JOB_PRIORITIES   10  /* 0 is first */
#define JOB_PRIORITY     5
#define JOB_ATTEMPTS     5
#define JOB_ATTEMPTS_MAX 100
#define JOB_PUT_MAX      1000  /* in a call */
#define JOB_ARGS_MAX     32768 /* bytes */
#define JOB_CLAIM_MAX    1000  /* in a call */
#define QUEUE_KNOWN_MAX  20000
#define JOB_DELAY_MS_MAX 604800000       /* of what is tried again: 7 days */
#define JOB_RUN_AT_MAX   253402300799999 /* the end of the year 9999 */

struct queue;

/* ---- opening ---- */

struct queue_settings {
	const struct config *config; /* store.*, jobs.*; must live as long */
	/*
	 * 1 to 3 connections: of three, one puts and finishes, one claims, one reads; of two, the
	 * last one claims and reads.
	 */
	unsigned lanes;
	/* requests that may wait for each of them; 0: store.queue_limit */
	size_t limit;
	const _Atomic uint64_t *held_until_ms; /* as of connection_settings, or NULL */
	/* A lane is ready, or is not any more. May be NULL. */
	void (*on_change)(void *ctx);
	void *ctx;
};

/* Connects in the background. NULL on failure, logged. */
struct queue *queue_new(struct loop *loop, const struct queue_settings *settings);
/* Answers what is left, QUEUE_DOWN or QUEUE_UNKNOWN; not from inside an answer. */
void queue_free(struct queue **queue);

/* All lanes are connected. */
bool queue_is_ready(const struct queue *queue);
/* At least one is. */
bool queue_is_usable(const struct queue *queue);

/* ---- answers ---- */

enum queue_outcome {
	QUEUE_OK,
	QUEUE_BUSY, /* too many wait, or it took too long: nothing has changed; try again */
	QUEUE_DOWN, /* the database cannot be reached, or lacks our schema: nothing has changed */
	QUEUE_UNKNOWN, /* a change that may have been committed, or not */
	QUEUE_REFUSED  /* the database refuses it, logged; nothing has changed */
};

/* It and the rows that come with it are valid until the callback returns. */
struct queue_answer {
	enum queue_outcome outcome; /* if it is not QUEUE_OK there are no rows */
	unsigned retry_after_s;     /* of BUSY and DOWN, 1 to 60 */
	uint64_t waited_us, took_us;
	bool is_read_only; /* of a beat: the server takes no writes, so it was not written down */
};

/*
 * Of all calls below: `done` is called exactly once, maybe inside. Arguments are copied. Rows come
 * in the order of the arguments, one for each.
 */

/* ---- putting ---- */

struct job_new {
	struct uuid id;   /* the client's, or of uuid_make */
	bool is_id_given; /* the client's: an earlier job of this id is compared with it */
	char hand;        /* 'p': plazad runs it; 'w': workers over HTTP */
	struct span queue, kind;
	struct span args; /* JSON; of an id given twice the bytes must be the same */
	int priority, max_attempts;
	int64_t run_at_ms;  /* of the epoch; 0: now */
	struct span unique; /* ptr NULL: none */
};

enum put_state {
	PUT_MADE,
	PUT_EXISTS, /* `id` is that of the job that has the unique key, or this id and content */
	PUT_DIFFERS /* the id is that of a job with other content */
};

struct put_row {
	enum put_state state;
	struct uuid id;
	enum job_state job; /* PUT_MADE: JOB_STATE_QUEUED or JOB_STATE_SCHEDULED */
};

typedef void queue_put_fn(const struct queue_answer *answer, const struct put_row *row, size_t n,
			  void *ctx);

/* 1 to JOB_PUT_MAX, all of them or none. Is never QUEUE_UNKNOWN for want of trying: it is sent
 * again when the connection was lost, since ids tell whether it was done. */
void queue_put(struct queue *queue, const struct job_new *job, size_t n, queue_put_fn *done,
	       void *ctx);

/* ---- running ---- */

struct claim {
	struct span queue;
	char hand;
	unsigned max;      /* 1 to JOB_CLAIM_MAX */
	int64_t worker;    /* > 0: the executor's number; 0: over HTTP */
	uint64_t lease_ms; /* until its deadline, which counts over HTTP only */
	bool is_full;      /* look behind the watermark, too: after a notification */
};

struct claimed {
	struct uuid id;
	int64_t lease;
	struct span kind, args;
	struct span parts;   /* JSON: as job_run.parts; empty: none */
	unsigned attempt;    /* from 1 on */
	int64_t deadline_ms; /* of the epoch, by the database's clock */
};

enum claim_end {
	CLAIM_MORE,   /* as many as were wanted: there may be more */
	CLAIM_EMPTY,  /* there are no more */
	CLAIM_FULL,   /* as many as the queue's concurrency allows are claimed */
	CLAIM_PAUSED, /* the queue is paused */
	CLAIM_LOCKED, /* somebody's transaction holds the queue: come again in a second */
	CLAIM_ABSENT  /* there is no such queue */
};

struct claim_result {
	enum claim_end end;
	unsigned running; /* of the queue, in all hands, with these; 0 when it is locked */
	const struct claimed *job;
	size_t n;
};

typedef void queue_claim_fn(const struct queue_answer *answer, const struct claim_result *result,
			    void *ctx);

/* Of the highest priority first, of each the oldest. An outcome UNKNOWN may have claimed: such
 * leases end by the rescue. */
void queue_claim(struct queue *queue, const struct claim *claim, queue_claim_fn *done, void *ctx);

/* How a claimed job has ended. */
struct ended {
	struct uuid id;
	int64_t lease;
	enum job_outcome outcome;
	struct span result; /* JSON; empty: none */
	const char *error;  /* NULL: none */
	uint64_t took_ms;
	int64_t retry_after_ms; /* of JOB_RETRY: -1: the usual pause */
};

struct ended_row {
	bool is_lost;         /* the lease is not valid any more, and nothing was changed; else: */
	enum job_state state; /* where the job is now */
	uint64_t in_ms;       /* JOB_STATE_SCHEDULED: until its next attempt */
	unsigned attempt;
	char hand;
	struct span queue, kind; /* the kind only of what workers run over HTTP */
};

typedef void queue_finish_fn(const struct queue_answer *answer, const struct ended_row *row,
			     void *ctx);

/*
 * The same end told once more is answered as the first time, so it is sent again when the
 * connection was lost in the midst, and may be by whoever did not get the answer. While there is no
 * connection it is answered QUEUE_DOWN at once: the caller keeps it and comes again.
 */
void queue_finish(struct queue *queue, const struct ended *ended, queue_finish_fn *done, void *ctx);

struct extend {
	struct uuid id;
	int64_t lease;
	uint64_t lease_ms; /* from now on at the least; 0: the deadline stays */
	int progress;      /* 0 to 100; -1: stays */
};

struct extend_row {
	bool is_lost;
	bool is_cancelled;       /* its cancel was asked for */
	int64_t deadline_ms;     /* of the epoch */
	struct span queue, kind; /* the kind only of what workers run over HTTP */
};

typedef void queue_extend_fn(const struct queue_answer *answer, const struct extend_row *row,
			     void *ctx);

void queue_extend(struct queue *queue, const struct extend *extend, queue_extend_fn *done,
		  void *ctx);

struct part {
	struct uuid id;
	int64_t lease;
	unsigned n;
	struct span json;
};

typedef void queue_part_fn(const struct queue_answer *answer, bool is_lost, void *ctx);

/* Keeps a finished part for the next attempt, until the job has ended. */
void queue_put_part(struct queue *queue, const struct part *part, queue_part_fn *done, void *ctx);

/* ---- by id ---- */

enum cancel_state {
	CANCEL_DONE,  /* it was waiting */
	CANCEL_ASKED, /* it runs; whoever runs it is told */
	CANCEL_FINAL, /* it has ended: `state` */
	CANCEL_ABSENT
};

struct cancel_row {
	enum cancel_state how;
	enum job_state state;
	int64_t worker; /* CANCEL_ASKED: of the executor that runs it, 0 over HTTP */
	char hand;
	struct span queue, kind;
};

typedef void queue_cancel_fn(const struct queue_answer *answer, const struct cancel_row *row,
			     void *ctx);

void queue_cancel(struct queue *queue, const struct uuid *id, queue_cancel_fn *done, void *ctx);

enum retry_state {
	RETRY_DONE,    /* failed, dead or cancelled before, it is queued now */
	RETRY_NOT_NOW, /* it is in no such state: `state` */
	RETRY_TAKEN,   /* its unique key, given up by its cancel, has another job by now */
	RETRY_ABSENT
};

struct retry_row {
	enum retry_state how;
	enum job_state state;
	char hand;
	struct span queue, kind;
};

typedef void queue_retry_fn(const struct queue_answer *answer, const struct retry_row *row,
			    void *ctx);

/* Tries it again, as many times as it was tried before. */
void queue_retry(struct queue *queue, const struct uuid *id, queue_retry_fn *done, void *ctx);

/* Everything about a job. */
struct job_row {
	struct uuid id;
	enum job_state state;
	bool is_cancelling; /* running, and its cancel was asked for */
	char hand;
	unsigned priority;
	unsigned attempt; /* the last one that was begun; 0: none */
	unsigned max_attempts;
	int progress; /* of a running one, -1: not told */
	int64_t created_ms;
	int64_t run_at_ms; /* scheduled, or put with a time; 0: none */
	int64_t ended_ms;  /* of one that is final; 0 */
	struct span queue, kind;
	struct span args;
	struct span result; /* JSON; empty: none */
	struct span errors; /* JSON: [{"attempt","at","error"}], the oldest first, at most 20 */
	struct span unique; /* ptr NULL: none */
};

/* Without args, results and errors those spans are empty. */
typedef void queue_rows_fn(const struct queue_answer *answer, const struct job_row *row, size_t n,
			   void *ctx);

/* One row, or none. Those who ask at the same time share a statement. */
void queue_get(struct queue *queue, const struct uuid *id, queue_rows_fn *done, void *ctx);

struct job_list {
	struct span queue, kind; /* ptr NULL: all */
	enum job_state state;    /* 0: all */
	struct uuid after;       /* all zeros: from the newest on */
	unsigned limit;          /* 1 to 1000 */
};

/* The newest first. Ask for one more than is shown to know whether there are more. */
void queue_list(struct queue *queue, const struct job_list *list, queue_rows_fn *done, void *ctx);

/* ---- queues ---- */

struct queue_row {
	struct span name;
	int64_t ready, later, running;
	int64_t oldest_ms; /* how long the one that is ready for the longest time waits; 0 */
	bool is_paused;
	int64_t concurrency, depth; /* its own settings; -1: none */
	int64_t ready_p;            /* of those that are ready, the executor's */
};

typedef void queue_queues_fn(const struct queue_answer *answer, const struct queue_row *row,
			     size_t n, void *ctx);

/*
 * All of them by name, or the one (no row: there is none such). Whoever asks for all has those
 * marked that are full, for job_enqueue.
 */
void queue_queues(struct queue *queue, struct span name, queue_queues_fn *done, void *ctx);

struct queue_change {
	struct span name;
	bool sets_paused, sets_concurrency, sets_depth;
	bool is_paused;
	int64_t concurrency, depth; /* -1: back to the conf's */
};

/* Makes the queue if need be. One row, as it is afterwards. */
void queue_set(struct queue *queue, const struct queue_change *change, queue_queues_fn *done,
	       void *ctx);

/* ---- what executors do from time to time ---- */

typedef void queue_ids_fn(const struct queue_answer *answer, const struct uuid *id, size_t n,
			  void *ctx);

/*
 * Every 2 s: worker > 0 is alive. Rows: its jobs whose cancel was asked for. DOWN and read-only on
 * a standby.
 */
void queue_beat(struct queue *queue, int64_t worker, queue_ids_fn *done, void *ctx);
/* It has ended in order, and holds no lease. */
void queue_bury(struct queue *queue, int64_t worker, queue_ids_fn *done, void *ctx);

/* A job that is not where it was: `state` queued, scheduled, dead or cancelled. */
struct moved_row {
	struct uuid id;
	enum job_state state;
	char hand;
	unsigned attempt;
	struct span queue, kind;
};

struct moved {
	const struct moved_row *row;
	size_t n;
	bool is_more;    /* come again at once */
	int64_t next_ms; /* until the next one is due; -1: there is none */
};

typedef void queue_moved_fn(const struct queue_answer *answer, const struct moved *moved,
			    void *ctx);

/*
 * Takes jobs from `dead` (0: nobody), from executors that have not beaten for 10 s, and those
 * claimed over HTTP whose deadline is over: that attempt has failed. Of others it is believed only
 * when this process and the server have had 12 s to beat since they are back.
 */
void queue_rescue(struct queue *queue, int64_t dead, queue_moved_fn *done, void *ctx);

/*
 * After a claim of `worker` that was answered QUEUE_UNKNOWN, and none is under way: what it may
 * have been given that is not in `known` (at most QUEUE_KNOWN_MAX) is given back, its attempt not
 * counted.
 */
void queue_disown(struct queue *queue, int64_t worker, const struct uuid *known, size_t n,
		  queue_moved_fn *done, void *ctx);

/* Scheduled jobs whose time has come are ready now. */
void queue_promote(struct queue *queue, queue_moved_fn *done, void *ctx);

typedef void queue_keep_fn(const struct queue_answer *answer, void *ctx);

/*
 * Every hour, and at the start: makes and drops partitions, and removes what nothing needs, in as
 * many statements as it takes.
 */
void queue_keep(struct queue *queue, queue_keep_fn *done, void *ctx);

#endif
