/*
 * queue_rig.h - the job queue on a real PostgreSQL, asked one thing after the other: each call runs
 * the loop until it is answered. Texts in answers are good until the next call.
 */
#ifndef PLAZA_TESTS_QUEUE_RIG_H
#define PLAZA_TESTS_QUEUE_RIG_H

#include "pg_server.h"
#include "queue/queue.h"

#define RIG_ROWS 1200

struct queue_rig {
	struct loop *loop;
	struct config config;
	struct queue *queue;
	char database[200], schema[8];

	/* the last answer */
	unsigned answers;
	struct queue_answer answer;
	size_t n;
	struct put_row put[RIG_ROWS];
	enum claim_end end;
	unsigned running;
	struct claimed claimed[RIG_ROWS];
	struct ended_row ended;
	struct extend_row extended;
	struct cancel_row cancelled;
	struct retry_row retried;
	struct job_row job[RIG_ROWS];
	struct queue_row row[300];
	struct uuid id[RIG_ROWS];
	struct moved_row moved[RIG_ROWS];
	int64_t next_ms;
	bool is_lost;
	char *text; /* of all spans above */
};

/* Anew: an empty schema, and the steps taken by a queue of so many lanes. */
void queue_rig_init(struct queue_rig *rig, const struct pg_server *server, unsigned lanes);
/* One more process's, beside one that is there. */
void queue_rig_join(struct queue_rig *rig, const struct pg_server *server, unsigned lanes);
void queue_rig_fini(struct queue_rig *rig);

/* Runs the loop until all lanes are connected. */
void queue_rig_ready(struct queue_rig *rig);
/* Runs the loop until there are so many answers more. */
void queue_rig_wait(struct queue_rig *rig, unsigned answers);

/* A job of the queue "q", of kind "k" and args {}, for workers. */
struct job_new queue_rig_job(void);
/* Its id. Fails if it is not made. */
struct uuid queue_rig_put(struct queue_rig *rig, const struct job_new *job);
/* n of queue_rig_job, as requests that leave together. */
void queue_rig_put_many(struct queue_rig *rig, unsigned n);
void queue_rig_put_ask(struct queue_rig *rig, const struct job_new *job, size_t n);
/* As worker 0 unless told, of the queue "q", hand 'w'; rig->n, ->claimed. */
size_t queue_rig_claim(struct queue_rig *rig, unsigned max, int64_t worker);
size_t queue_rig_claim_full(struct queue_rig *rig, unsigned max, int64_t worker, bool is_full);
const struct ended_row *queue_rig_finish(struct queue_rig *rig, const struct ended *ended);
/* Claimed i, with an outcome alone, tried again at once. */
const struct ended_row *queue_rig_end(struct queue_rig *rig, size_t i, enum job_outcome outcome);
const struct job_row *queue_rig_get(struct queue_rig *rig, const struct uuid *id); /* or NULL */
enum job_state queue_rig_state(struct queue_rig *rig, const struct uuid *id);

/* Callbacks that fill in the rig, their ctx. */
queue_put_fn queue_rig_put_cb;
queue_claim_fn queue_rig_claim_cb;
queue_finish_fn queue_rig_finish_cb;
queue_extend_fn queue_rig_extend_cb;
queue_part_fn queue_rig_part_cb;
queue_cancel_fn queue_rig_cancel_cb;
queue_retry_fn queue_rig_retry_cb;
queue_rows_fn queue_rig_rows_cb;
queue_queues_fn queue_rig_queues_cb;
queue_ids_fn queue_rig_ids_cb;
queue_moved_fn queue_rig_moved_cb;
queue_keep_fn queue_rig_keep_cb;

/* The text of a span, "" for null. */
const char *span_text(struct span span);

#endif
