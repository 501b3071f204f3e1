/*
 * fake_queue.h - queue.h without a database, as those who wait for jobs see it: what they have
 * asked for, which the test answers when it likes; and what they have told.
 */
#ifndef PLAZA_TESTS_FAKE_QUEUE_H
#define PLAZA_TESTS_FAKE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

#include "jobs/job_told.h"
#include "queue/queue.h"

enum ask_what { ASK_GET, ASK_CLAIM, ASK_FINISH, ASK_QUEUES };

/* What was asked and is not answered. */
struct ask {
	enum ask_what what;
	struct uuid id;              /* GET, FINISH */
	struct claim claim;          /* CLAIM, but for its queue */
	struct ended ended;          /* FINISH */
	char name[JOB_NAME_MAX + 1]; /* of the queue: CLAIM, QUEUES */
	union {
		queue_rows_fn *get;
		queue_claim_fn *claim;
		queue_finish_fn *finish;
		queue_queues_fn *queues;
	} done;
	void *ctx;
};

/* How many there are, and the n-th by age. */
size_t fake_asks(void);
const struct ask *fake_ask(size_t n);
/* How many have come since the beginning. */
unsigned fake_asked(void);

/* Answers the n-th, with these rows if it is OK. */
void fake_answer_get(size_t n, enum queue_outcome outcome, const struct job_row *row);
void fake_answer_claim(size_t n, enum queue_outcome outcome, const struct claim_result *result);
void fake_answer_finish(size_t n, enum queue_outcome outcome, const struct ended_row *row);
void fake_answer_queues(size_t n, enum queue_outcome outcome, const struct queue_row *row);

/*
 * What is asked next is answered inside, with this outcome; and with `all` whatever is unanswered
 * before it, as by a lane that is full, sends what waits to make room, and finds its connection
 * broken.
 */
void fake_fail_next(enum queue_outcome outcome, bool all);

/* Everything unanswered is, QUEUE_DOWN: the end of a queue. */
void fake_queue_end(void);

/* What job_tell was told, at most the first ones. */
#define FAKE_TOLD_MAX 64
struct fake_told {
	struct uuid id;
	enum job_state state;
};
size_t fake_told(void);
const struct fake_told *fake_told_at(size_t n);

#endif
