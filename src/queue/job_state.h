/*
 * job_state.h - where a job is, and how an attempt at it can end. The letters are those of the
 * database.
 */
#ifndef PLAZA_QUEUE_JOB_STATE_H
#define PLAZA_QUEUE_JOB_STATE_H

#include <stdbool.h>

#include "base/span.h"

enum job_state {
	JOB_STATE_QUEUED = 'q',
	JOB_STATE_SCHEDULED = 's', /* also one that failed and waits for its next attempt */
	JOB_STATE_RUNNING = 'r',
	JOB_STATE_DONE = 'd',
	JOB_STATE_FAILED = 'f', /* for good: trying again is pointless */
	JOB_STATE_DEAD = 'x',   /* its attempts are used up */
	JOB_STATE_CANCELLED = 'c',
	/* only in the news: a running job's cancel was asked for, or its progress has changed */
	JOB_STATE_CANCELLING = 'C',
	JOB_STATE_PROGRESS = 'p'
};

/* How an attempt ended. */
enum job_outcome {
	JOB_DONE,      /* `result` */
	JOB_RETRY,     /* `error`; tried again, after a pause, while it has attempts left */
	JOB_FAILED,    /* `error`; trying again is pointless */
	JOB_CANCELLED, /* after cancel; what there is of a result may come with it */
	JOB_GIVEN_BACK /* not its fault: it runs again and the attempt does not count */
};

/* It ends here, unless somebody has it tried again. */
static inline bool
job_state_is_final(enum job_state state)
{
	return state == JOB_STATE_DONE || state == JOB_STATE_FAILED || state == JOB_STATE_DEAD ||
	       state == JOB_STATE_CANCELLED;
}

/* "queued", "scheduled", "running", "done", "failed", "dead", "cancelled". */
const char *job_state_name(enum job_state state);
/* False: it is none of these seven. */
bool job_state_parse(struct span name, enum job_state *state);

#endif
