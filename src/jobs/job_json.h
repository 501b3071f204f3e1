/*
 * job_json.h - jobs and queues as clients see them.
 */
#ifndef PLAZA_JOBS_JOB_JSON_H
#define PLAZA_JOBS_JOB_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "config/config.h"
#include "queue/queue.h"

/* The bytes of an answer: a thousand jobs with their arguments. */
#define JOB_REPLY_MAX (64u << 20)

/* All of it, arguments and result too, but what its kind shows nobody. False: out of memory. */
bool job_json(struct buffer *out, const struct job_row *row) __attribute__((warn_unused_result));
/* As lists have it: without arguments, result and errors. */
bool job_json_brief(struct buffer *out, const struct job_row *row)
    __attribute__((warn_unused_result));

/* A time as "2026-11-23T07:30:00.250Z", in quotes. */
bool job_time_json(struct buffer *out, int64_t ms) __attribute__((warn_unused_result));

/* `drained_per_s` in thousandths; 0: nobody knows. */
bool job_queue_json(struct buffer *out, const struct queue_row *row, const struct config *config,
		    uint64_t drained_per_s) __attribute__((warn_unused_result));

#endif
