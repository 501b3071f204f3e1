/*
 * job_wait.h - clients that wait for a job to end. One that leaves, or whose time is over, takes
 * nothing from the job. Runs in: worker.
 */
#ifndef PLAZA_JOBS_JOB_WAIT_H
#define PLAZA_JOBS_JOB_WAIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/uuid.h"
#include "http/exchange.h"

struct job_waits;
struct waiter;
struct jobs;
struct job_news;

enum wait_use {
	WAIT_GET,   /* GET: 200 with the job as it is then */
	WAIT_AGAIN, /* it was put again, and is there already: the same, without an ETag */
	WAIT_PUT    /* job_wait_expect: 200 when it has ended, else 202 */
};

/* More of them than these are answered at once. */
#define JOB_WAITS_MAX 10000

struct job_waits *job_waits_new(struct jobs *jobs);
/* The queue is gone already, so that nothing is under way any more. */
void job_waits_free(struct job_waits **waits);

/* Answers `x` when the job has ended, and in `wait_ms` at the latest; 0: at once. */
void job_wait(struct job_waits *waits, struct exchange *x, const struct uuid *id, uint64_t wait_ms,
	      enum wait_use use);

/*
 * For one that is about to be put, so that no news of it is missed: job_wait_made follows, or
 * job_wait_drop. NULL: out of memory.
 */
struct waiter *job_wait_expect(struct job_waits *waits, struct exchange *x, const struct uuid *id);
/* It was put. `made`, which is taken, is what it is then: the answer if it cannot be read. */
void job_wait_made(struct waiter *w, uint64_t wait_ms, struct buffer *made);
/* Another one was there already: it is waited for. */
void job_wait_exists(struct waiter *w, uint64_t wait_ms, const struct uuid *id);
/* It was not; somebody else has answered. */
void job_wait_drop(struct waiter *w);

/* Something has happened to this job; NULL: nobody knows to which. */
void job_waits_hear(struct job_waits *waits, const struct job_news *news);
/* All are answered now, and who comes from here on, too. */
void job_waits_end(struct job_waits *waits);

#endif
