/*
 * job_api.h - the calls of the HTTP API about jobs that the commands make, and what is said about
 * the answers.
 */
#ifndef PLAZA_CTL_JOB_API_H
#define PLAZA_CTL_JOB_API_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/uuid.h"
#include "ctl/api.h"

#define JOBS_PATH   "/api/jobs"
#define QUEUES_PATH "/api/queues"

/* How long the server is to wait before it answers: it is asked again then. */
#define JOB_WAIT_S 20
/* The same where somebody watches how far it is. */
#define JOB_WATCH_S 1

/*
 * A new id: a job that is PUT under it is there once, however often that is sent. False when there
 * are no random bytes.
 */
bool job_id_make(char id[UUID_TEXT_SIZE]);
/* Whether it has the form of one, and so a place in a path. */
bool job_id_check(const char *text);
/* Of a kind or a queue. */
#define JOB_NAME_ACCEPTED "1 to 64 of the characters A-Z a-z 0-9 . _ -, but not . or .. alone"
bool job_name_check(const char *text);

/* /api/jobs/ID and the rest */
#define JOB_PATH_SIZE 128
void job_path(char path[JOB_PATH_SIZE], const char *id, const char *rest);

/*
 * A request, with a body of JSON if that is not empty. False unless the answer is a 2xx with JSON,
 * and then api_fail tells why. The caller gives `json` and `answer` back.
 */
bool job_send(struct api *api, const char *method, const char *path, struct span body,
	      struct api_answer *answer, json_t **json);

enum job_await {
	JOB_AWAIT_OVER,  /* it has come about */
	JOB_AWAIT_LATE,  /* it has not, until then */
	JOB_AWAIT_FAILED /* as false of job_send */
};

/* What is waited for, and how long. */
struct job_wish {
	const char *path;  /* to GET, where the server waits; ends in ? or &, for wait= */
	int wait_s;        /* before the server answers */
	uint64_t until_ms; /* of the monotonic clock; 0: as long as it takes */
	bool (*is_over)(const json_t *json, void *ctx);
	void *ctx;
};

/* Asks again and again; `is_over` looks at each answer, and the last one is left. */
enum job_await job_await(struct api *api, const struct job_wish *wish, struct api_answer *answer,
			 json_t **json);

/* The answer is not what was agreed: fills in why, as if there were none. */
void job_misunderstood(const struct api *api, const char *path, struct api_answer *answer);

bool job_state_is_final(const char *state);
/* Text of a member; "" if there is none. */
const char *job_text(const json_t *json, const char *name);

/* A text of the server as a field of a line, which is never empty; returns `cell`. */
#define JOB_CELL_SIZE 300
const char *job_cell(char cell[JOB_CELL_SIZE], const char *text);

#endif
