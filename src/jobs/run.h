/*
 * run.h - one job that runs in the executor, as its kind sees it: what it was given, and the calls
 * by which it tells how far it is and how it ended. Runs in: executor.
 */
#ifndef PLAZA_JOBS_RUN_H
#define PLAZA_JOBS_RUN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "base/uuid.h"
#include "queue/job_state.h"

/* Parts of a job are numbered below this. */
#define JOB_PARTS_MAX 1000

struct job_run;

/* Who runs it; not the kind's business. */
struct job_run_events {
	void (*done)(struct job_run *run, enum job_outcome outcome, struct span result,
		     const char *error, uint64_t retry_after_ms);
	void (*part)(struct job_run *run, unsigned n, struct span json);
	void (*progress)(struct job_run *run, unsigned percent);
};

/* Valid until job_run_done. */
struct job_run {
	char id[UUID_TEXT_SIZE];
	unsigned attempt;    /* 1... */
	const json_t *args;  /* checked by the kind's check, by this version of plazad or another */
	const json_t *parts; /* array: item n is what part n was stored as; null, or none: not */
	void *process;       /* what the kind's `open` has made, NULL without one */
	void *state;         /* the kind's own; NULL at first */
	bool is_cancelled;   /* the kind's cancel was called, or would have been */

	const struct job_run_events *events;
};

/*
 * Exactly once, maybe inside `start` or `cancel`; the run is not the kind's any more afterwards.
 * `result` is JSON text (empty: null), `error` one line (NULL: none). Both are copied. A retry
 * waits `retry_after_ms`, if it is not 0, in place of the usual pause.
 */
void job_run_done(struct job_run *run, enum job_outcome outcome, struct span result,
		  const char *error, uint64_t retry_after_ms);

/*
 * A finished part of its work, JSON text: the next attempt finds it in `parts` if this one comes to
 * no end. It is stored soon; what was not yet when the process dies is lost.
 */
void job_run_part(struct job_run *run, unsigned n, struct span json);

/* 0 to 100. Call it as often as you like. */
void job_run_progress(struct job_run *run, unsigned percent);

#endif
