/*
 * job_reply.h - answers that several routes of jobs give. Each function is the answer.
 */
#ifndef PLAZA_JOBS_JOB_REPLY_H
#define PLAZA_JOBS_JOB_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "http/exchange.h"
#include "http/mistakes.h"
#include "queue/queue.h"

#define JOBS_PATH   "/api/jobs"
#define QUEUES_PATH "/api/queues"

/* Without store.database. */
void job_reply_no_store(struct exchange *x);
void job_reply_no_memory(struct exchange *x);
/* Anything but QUEUE_OK. */
void job_reply_trouble(struct exchange *x, const struct queue_answer *answer);
/* No job has this id; if its time is longer ago than `retention_ms` it is gone (410), else 404. */
void job_reply_absent(struct exchange *x, const struct uuid *id, uint64_t retention_ms);
/* What stands in the path is no id of a job: 404. */
void job_reply_no_id(struct exchange *x);
/* Nor a name of a queue: 404. */
void job_reply_no_queue(struct exchange *x);
/* 422 with pointers. */
void job_reply_invalid(struct exchange *x, const struct mistakes *mistakes, const char *detail);
/* 429: the queue takes no more now; NULL name: there are too many queues. */
#define TOO_MANY_RETRY_S 60
void job_reply_full(struct exchange *x, struct span queue, unsigned retry_after_s);
void job_reply_lost(struct exchange *x);

/* What was written, or, where it could not be, that memory is out. `fields` may be NULL. The
 * buffer is given back. */
void job_reply_json(struct exchange *x, bool is_written, int status, struct buffer *body,
		    const struct queue_answer *answer, const char *fields);
/* The same for a GET: 200, with an ETag of the body. */
void job_reply_tagged(struct exchange *x, bool is_written, struct buffer *body,
		      const struct queue_answer *answer, const char *fields);

#endif
