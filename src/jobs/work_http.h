/*
 * work_http.h - workers in any language: they claim jobs of kinds that plazad does not run, and
 * tell how these go and how they ended. Runs in: worker.
 */
#ifndef PLAZA_JOBS_WORK_HTTP_H
#define PLAZA_JOBS_WORK_HTTP_H

#include "http/route.h"

struct jobs;
struct work;

void work_add_routes(struct jobs *jobs, struct route_table *routes);

/* Claims that wait for a job. */
struct work *work_new(struct jobs *jobs);
/* The queue of the process is gone already. */
void work_free(struct work **work);
/* Jobs have come, or places have become free. */
void work_hear(struct work *work);
/* All are answered now. */
void work_end(struct work *work);

#endif
