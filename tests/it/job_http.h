/*
 * job_http.h - the job queue as its clients see it: a daemon whose workers all have it, requests
 * with the answers that they must get, and clients that wait.
 */
#ifndef PLAZA_TESTS_IT_JOB_HTTP_H
#define PLAZA_TESTS_IT_JOB_HTTP_H

#include <jansson.h>
#include <stddef.h>

#include "daemon.h"
#include "http_client.h"

#define JSON   "Content-Type: application/json\r\n"
#define PATCH  "Content-Type: application/merge-patch+json\r\n"
#define JOBS   "/api/jobs"
#define QUEUES "/api/queues"

/* On a database of its own, with these options, or NULL. Every worker and the executor has it. */
struct daemon *jobs_start(const char *first, const char *second);
/* Waits until each worker answers for the queue. */
void jobs_wait_ready(struct daemon *d);

/*
 * The body of the answer to a request, which has this status; NULL: it is empty. The caller lets go
 * of it. `target` and what follows as for printf.
 */
json_t *jobs_ask(struct daemon *d, const char *method, const char *fields, const char *body,
		 int status, const char *target, ...) __attribute__((format(printf, 6, 7)));
/* The same where nobody wants the body. */
void jobs_do(struct daemon *d, const char *method, const char *fields, const char *body, int status,
	     const char *target, ...) __attribute__((format(printf, 6, 7)));

/* A problem of this type (NULL: of any) with just these pointers, or parameters, in order: "/kind
 * /args"; "." is the whole. NULL: none. */
void jobs_refused(struct daemon *d, const char *method, const char *target, const char *fields,
		  const char *body, int status, const char *type, const char *pointers);
void jobs_is_problem(const struct http_answer *a, int status, const char *type,
		     const char *pointers, const char *what);
/* The places of [{"pointer":..},{"parameter":..}] in one text of this size. */
void jobs_places(const json_t *errors, char *text, size_t size);

/* POST; 202. The id, to be freed. */
char *jobs_put(struct daemon *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* GET; the job as it is. */
json_t *jobs_get(struct daemon *d, const char *id);
void jobs_is(struct daemon *d, const char *id, const char *state);
/* Waits for the state. */
void jobs_becomes(struct daemon *d, const char *id, const char *state);
/* GET ?wait; it must be that then. */
void jobs_ends(struct daemon *d, const char *id, const char *state);

/* One job of the queue, claimed with a lease of so many seconds; the caller lets go of it. */
json_t *jobs_claim(struct daemon *d, const char *queue, int lease_s);
/* POST finish, fail or extend with its lease and these members, or NULL. */
json_t *jobs_call(struct daemon *d, const json_t *claimed, const char *verb, const char *members,
		  int status);

/* A request whose answer is read later. */
void jobs_send(struct http_conn *c, struct daemon *d, const char *method, const char *target,
	       const char *fields, const char *body);
/* Its answer; closes. */
json_t *jobs_read(struct http_conn *c, int status);
/* What was sent to the one worker of `d` before has been read by it. */
void jobs_settle(struct daemon *d);

/* Members of an object, which must be there. */
const char *job_str(const json_t *object, const char *key);
json_int_t job_int(const json_t *object, const char *key);
/* The n-th of an array in an object. */
const json_t *job_item(const json_t *object, const char *key, size_t n);

/* A UUIDv7 of so many milliseconds from now. */
void job_uuid(char text[37], long ms);

#endif
