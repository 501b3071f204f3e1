/*
 * jobs.h - the job queue of one worker: /api/jobs, /api/queues, /api/fetch. Runs in: worker.
 */
#ifndef PLAZA_JOBS_JOBS_H
#define PLAZA_JOBS_JOBS_H

#include <stdbool.h>

#include "base/loop.h"
#include "http/route.h"
#include "jobs/jobs_host.h"

struct jobs;

/*
 * Adds hooks to the loop, which must not run any more after jobs_free. What `host` points to must
 * live as long. Without store.database it answers 503. NULL on failure, logged.
 */
struct jobs *jobs_new(struct loop *loop, const struct jobs_host *host);
/* Answers whoever still waits. */
void jobs_free(struct jobs **jobs);

void jobs_add_routes(struct jobs *jobs, struct route_table *routes);

/* This worker takes nothing new any more: who waits for a job is answered now. */
void jobs_leave(struct jobs *jobs);

#endif
