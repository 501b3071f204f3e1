/*
 * job_told.h - what the room `_jobs` hears of a job: never its args or its result. Pure.
 */
#ifndef PLAZA_JOBS_JOB_TOLD_H
#define PLAZA_JOBS_JOB_TOLD_H

#include "base/span.h"
#include "base/uuid.h"
#include "queue/job_state.h"

#define JOBS_ROOM "_jobs"

struct job_told {
	const struct uuid *id;
	struct span kind, queue;
	enum job_state state; /* JOB_STATE_CANCELLING and _PROGRESS are told as running */
	int progress;         /* 0 to 100; -1: none */
};

/* Two names, maybe all escapes, and what is around them. */
#define JOB_TOLD_SIZE 1024

/* {"id":..,"kind":..,"queue":..,"state":..,"progress":{"pct":40}} in `text`. */
struct span job_told_json(const struct job_told *told, char text[JOB_TOLD_SIZE]);

#endif
