/*
 * run.c - see run.h: what a kind may do wrong is caught here.
 */
#include "jobs/run.h"

#include <assert.h>

void
job_run_done(struct job_run *run, enum job_outcome outcome, struct span result, const char *error,
	     uint64_t retry_after_ms)
{
	const struct job_run_events *events = run->events;

	assert(events);
	run->events = NULL;
	events->done(run, outcome, result, error, retry_after_ms);
}

void
job_run_part(struct job_run *run, unsigned n, struct span json)
{
	assert(run->events && n < JOB_PARTS_MAX);
	run->events->part(run, n, json);
}

void
job_run_progress(struct job_run *run, unsigned percent)
{
	assert(run->events);
	run->events->progress(run, percent < 100 ? percent : 100);
}
