/*
 * jobs_asked.h - requests to the job queue that get each status that GET /api/openapi.json has of
 * them, for it_openapi_answers.c.
 */
#ifndef PLAZA_TESTS_IT_JOBS_ASKED_H
#define PLAZA_TESTS_IT_JOBS_ASKED_H

#include "api_check.h"
#include "daemon.h"

/* A job and a queue that are there after jobs_asked. */
#define JOBS_ASKED_QUEUE "ops"
const char *jobs_asked_id(void);

typedef void jobs_asked_fn(struct daemon *d, const struct api_asked *asked, size_t n);

/* Waits for the queue. What a database that works answers; its fetch.allow has 127.0.0.1:1. */
void jobs_asked(struct daemon *d, jobs_asked_fn *ask);
/* And one that does not: breaks it. */
void jobs_asked_failing(struct daemon *d, jobs_asked_fn *ask);

#endif
