/*
 * job_teller.h - a process that has changed a job tells the others of its host: those that wait for
 * the job, the executors when it is to be cancelled, and the room. Runs in: workers, executors.
 */
#ifndef PLAZA_JOBS_JOB_TELLER_H
#define PLAZA_JOBS_JOB_TELLER_H

#include <stdbool.h>

#include "base/loop.h"
#include "base/span.h"
#include "jobs/job_told.h"
#include "jobs/jobs_shared.h"
#include "proc/doorbell.h"
#include "proc/segment.h"

struct job_teller {
	const struct segment *segment;
	const struct doorbell *bell;
	unsigned slot;
	void (*tell)(struct span json, void *ctx); /* into the room; NULL: nobody */
	void *ctx;
	struct pass_hook hook;
	bool has_told, has_cancelled; /* in this pass: its end rings */
};

/* What stands above is filled in; adds a hook, so it lives as long as the loop runs. */
void job_teller_init(struct job_teller *teller, struct loop *loop);

/* Something has become ready in a queue: those who wait for jobs look. */
void job_teller_wake(struct job_teller *teller);

/* After the commit of the change. */
void job_tell(struct job_teller *teller, const struct job_told *told);

#endif
