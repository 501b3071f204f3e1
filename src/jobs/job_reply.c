/*
 * job_reply.c - the problems of the job queue in words.
 */
#include "jobs/job_reply.h"

#include <stdio.h>
#include <time.h>

#include "base/put.h"
#include "http/problem.h"
#include "http/refuse.h"
#include "http/server_timing.h"
#include "jobs/job_input.h"

/* What is added to the fields that a caller has. */
#define FIELDS_SIZE (SERVER_TIMING_SIZE + PROBLEM_FIELDS_MAX)

void
job_reply_no_store(struct exchange *x)
{
	exchange_problem(x, &(struct problem){
				.status = 503,
				.type = "no-store",
				.title = "There is no job queue",
				.detail = "store.database is not set: name a PostgreSQL database "
					  "there, which keeps the jobs",
				.hint = "In plaza.conf, below [store]: database = dbname=plaza; "
					"then reload.",
			    });
}

void
job_reply_no_memory(struct exchange *x)
{
	refuse_no_memory(x, "jobs");
}

static const struct problem troubles[] = {
    [QUEUE_BUSY] =
	{
	    .status = 503,
	    .type = "store-busy",
	    .title = "The job queue is busy",
	    .detail = "too many requests wait for the database (store.queue_limit, "
		      "store.queue_timeout), or it took too long; nothing has changed",
	    .hint = "Try again after Retry-After seconds, with fewer requests at a time.",
	},
    [QUEUE_DOWN] =
	{
	    .status = 503,
	    .type = "store-unavailable",
	    .title = "The job queue is not available",
	    .detail = "its database cannot be reached or cannot work at present; nothing has "
		      "changed",
	    .hint = "Try again after Retry-After seconds; jobs that are in the queue are safe.",
	},
    [QUEUE_UNKNOWN] =
	{
	    .status = 503,
	    .type = "commit-unknown",
	    .title = "The outcome is unknown",
	    .detail = "the database was lost while it worked on this",
	    .hint = "GET the job to see. To put one so that it can be sent again without a look: "
		    "PUT " JOBS_PATH "/<a UUIDv7 of your own>, or give it a unique key.",
	},
    [QUEUE_REFUSED] =
	{
	    .status = 500,
	    .type = "store-error",
	    .title = "The job queue failed",
	    .detail = "the database reported an error; the server's log has it",
	},
};

void
job_reply_trouble(struct exchange *x, const struct queue_answer *answer)
{
	const enum queue_outcome outcome =
	    answer->outcome == QUEUE_OK ? QUEUE_REFUSED : answer->outcome;
	unsigned retry_after_s = 0;

	if (outcome == QUEUE_BUSY || outcome == QUEUE_DOWN)
		retry_after_s = answer->retry_after_s ? answer->retry_after_s : 1;
	refuse_timed(x, &troubles[outcome], retry_after_s, answer->waited_us, answer->took_us);
}

void
job_reply_no_id(struct exchange *x)
{
	exchange_problem(x, &(struct problem){
				.status = 404,
				.type = "not-found",
				.title = "There is no such job",
				.detail = "no job has this id; an id is a UUID, 36 characters",
				.hint = "GET " JOBS_PATH " lists the jobs that there are.",
			    });
}

void
job_reply_no_queue(struct exchange *x)
{
	exchange_problem(x, &(struct problem){
				.status = 404,
				.type = "not-found",
				.title = "There is no such queue",
				.detail = "no queue has this name; a name is " JOB_NAME_RULE,
				.hint = "GET " QUEUES_PATH " lists the queues that there are; the "
					"first job of one makes it.",
			    });
}

void
job_reply_absent(struct exchange *x, const struct uuid *id, uint64_t retention_ms)
{
	const uint64_t now_ms = (uint64_t)time(NULL) * 1000;

	if (!uuid_is_v7(id) || uuid_time_ms(id) + retention_ms >= now_ms) {
		job_reply_no_id(x);
		return;
	}
	exchange_problem(x, &(struct problem){
				.status = 410,
				.type = "gone",
				.title = "The job is kept no longer",
				.detail = "its id is older than jobs.retention: what was done by "
					  "then is forgotten",
				.hint = "Read results before that, or raise jobs.retention.",
			    });
}

void
job_reply_invalid(struct exchange *x, const struct mistakes *mistakes, const char *detail)
{
	exchange_problem(x, &(struct problem){
				.status = 422,
				.type = mistakes->type ? mistakes->type : "validation",
				.title = mistakes->type ? "The content is not allowed"
							: "The content is not valid",
				.detail = detail,
				.errors = mistakes->error,
				.n_errors = mistakes->n,
			    });
}

void
job_reply_full(struct exchange *x, struct span queue, unsigned retry_after_s)
{
	char detail[200], fields[40];
	struct problem problem = {
	    .status = 429,
	    .type = "queue-full",
	    .title = "The queue is full",
	    .detail = detail,
	    .hint = "Try again after Retry-After seconds; that is how long it takes at the present "
		    "rate until there is room.",
	    .fields = fields,
	};

	snprintf(fields, sizeof(fields), "Retry-After: %u\r\n", retry_after_s);
	if (queue.ptr) {
		snprintf(detail, sizeof(detail),
			 "the queue %.*s has as many jobs waiting as it may (jobs.queue_depth, or "
			 "its own depth); nothing was put",
			 (int)queue.len, queue.ptr);
	} else {
		problem.type = "too-many-queues";
		problem.title = "There are too many queues";
		problem.hint = "Put it into a queue that there is.";
		snprintf(detail, sizeof(detail),
			 "there are 256 queues with jobs or settings already; nothing was put");
	}
	exchange_problem(x, &problem);
}

void
job_reply_lost(struct exchange *x)
{
	exchange_problem(x, &(struct problem){
				.status = 409,
				.type = "lease-lost",
				.title = "The lease is not valid any more",
				.detail = "the job has ended, was cancelled, or was given to "
					  "another worker after its deadline, or this is not the "
					  "lease of its claim; nothing has changed",
				.hint = "Drop the work. A job that takes long extends its lease "
					"before the deadline.",
			    });
}

static void
reply_json(struct exchange *x, bool is_written, struct reply reply, struct buffer *body,
	   const struct queue_answer *answer, const char *fields)
{
	char all[FIELDS_SIZE], *p = all;
	const size_t len = fields ? strlen(fields) : 0;

	if (!is_written || len > PROBLEM_FIELDS_MAX) {
		job_reply_no_memory(x);
	} else {
		p = put(p, fields, len);
		if (answer)
			p = server_timing_put(p, answer->waited_us, answer->took_us);
		*p = '\0';
		reply.content_type = "application/json";
		reply.body = buffer_span(body);
		reply.fields = all;
		exchange_reply(x, &reply);
	}
	buffer_fini(body);
}

void
job_reply_json(struct exchange *x, bool is_written, int status, struct buffer *body,
	       const struct queue_answer *answer, const char *fields)
{
	reply_json(x, is_written, (struct reply){.status = status}, body, answer, fields);
}

void
job_reply_tagged(struct exchange *x, bool is_written, struct buffer *body,
		 const struct queue_answer *answer, const char *fields)
{
	reply_json(x, is_written, (struct reply){.status = 200, .etag = REPLY_ETAG_OF_BODY}, body,
		   answer, fields);
}
