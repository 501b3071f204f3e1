/*
 * tend.h - what an executor does for the queue as time passes: it says that it is alive, takes jobs
 * from the dead, makes scheduled ones ready, looks at the queues and has old things removed. Runs
 * in: executor.
 */
#ifndef PLAZA_JOBS_TEND_H
#define PLAZA_JOBS_TEND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "jobs/job_teller.h"
#include "proc/segment.h"
#include "queue/queue.h"

struct tend;

struct tend_settings {
	struct queue *queue;
	const struct segment *segment;
	struct job_teller *teller;
	int64_t worker;            /* our number */
	void (*beaten)(void *ctx); /* the database knows that we are alive; each time */
	void (*cancelled)(const struct uuid *id, void *ctx); /* one of ours is to be */
	/* Something is ready in this queue for us; `is_sure`: an answer of the database said so. */
	void (*ready)(struct span queue, bool is_sure, void *ctx);
	void *ctx;
};

/* Does nothing before tend_connected. NULL on out-of-memory, logged. */
struct tend *tend_new(struct loop *loop, const struct tend_settings *settings);
/* The queue is freed before. */
void tend_free(struct tend **tend);

/* The database is there, and is told that we are alive before anything else; or it is not. */
void tend_set_connected(struct tend *tend, bool connected);
/* Somebody on this host has died, maybe (jobs_dead). */
void tend_rescue(struct tend *tend);
/* A job is scheduled to be ready in so many milliseconds. */
void tend_promote_in(struct tend *tend, uint64_t ms);
/* Others look after the queue from now on; we only say that we are alive. */
void tend_drain(struct tend *tend);
/* Says no more that we are alive. Whether the database knows us, or will when it has done what it
 * was asked: then we have to be buried. */
bool tend_end(struct tend *tend) __attribute__((warn_unused_result));

#endif
