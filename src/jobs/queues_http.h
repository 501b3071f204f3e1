/*
 * queues_http.h - /api/queues: how full they are, who waits for one to be empty, and their
 * settings. Runs in: worker.
 */
#ifndef PLAZA_JOBS_QUEUES_HTTP_H
#define PLAZA_JOBS_QUEUES_HTTP_H

#include "http/route.h"

struct jobs;
struct queue_waits;

void queues_add_routes(struct jobs *jobs, struct route_table *routes);

/* Those who wait for a queue to be empty. */
struct queue_waits *queue_waits_new(struct jobs *jobs);
/* The queue of the process is gone already. */
void queue_waits_free(struct queue_waits **waits);
/* Jobs have come or gone. */
void queue_waits_hear(struct queue_waits *waits);
/* All are answered now. */
void queue_waits_end(struct queue_waits *waits);

#endif
