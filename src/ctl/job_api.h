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

/*
 * GETs `path`, where the server waits for something, again and again until that has come about:
 * `is_over` looks at each answer. The last one is left, and false as above.
 */
bool job_await(struct api *api, const char *path, bool (*is_over)(const json_t *json, void *ctx),
	       void *ctx, struct api_answer *answer, json_t **json);

bool job_state_is_final(const char *state);
/* Text of a member; "" if there is none. */
const char *job_text(const json_t *json, const char *name);

#endif
