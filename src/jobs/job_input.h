/*
 * job_input.h - a job as a client sent it, checked whole. Pure.
 */
#ifndef PLAZA_JOBS_JOB_INPUT_H
#define PLAZA_JOBS_JOB_INPUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "config/config.h"
#include "http/mistakes.h"
#include "queue/queue.h"

/*
 * False with every mistake added, at the place where the job is. `json` is what was read from
 * `text`, and the spans of `job` point into both; without args it has "{}". Its id is not touched.
 */
bool job_read(const json_t *json, struct span text, const struct config *config,
	      struct job_new *job, struct mistakes *mistakes);

/*
 * The same for a job of a kind of ours, of which only the args were sent: all of `text`. Its queue
 * is called like its kind.
 */
bool job_of_args(const json_t *json, struct span text, struct span kind,
		 const struct config *config, struct job_new *job, struct mistakes *mistakes);

/*
 * Of a kind or a queue: 1 to JOB_NAME_MAX of A-Z a-z 0-9 . _ - and not . or .., which no path can
 * have (RFC 3986 5.2.4).
 */
#define JOB_NAME_RULE "1 to 64 of the characters A-Z a-z 0-9 . _ - and not . or .."
bool job_name_valid(struct span name);

/* 2026-11-23T07:30:00Z, 2026-11-23T08:30:00.250+01:00 (RFC 3339) as milliseconds of the epoch. */
bool job_time_parse(struct span text, int64_t *ms);

#endif
