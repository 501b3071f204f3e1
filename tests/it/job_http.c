/*
 * job_http.c - see job_http.h.
 */
#include "job_http.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "harness.h"
#include "job_db.h"
#include "pg.h"

/* --- the daemon --- */

static bool
is_listed(const pid_t *pids, size_t n, pid_t pid)
{
	for (size_t i = 0; i < n; i++) {
		if (pids[i] == pid)
			return true;
	}
	return false;
}

static bool
answers(struct http_conn *c, const char *method, const char *target, int status)
{
	struct http_answer a;

	http_exchange(c, method, target, NULL, NULL, &a);
	const bool is_so = a.status == status && !a.close;
	http_answer_fini(&a);
	return is_so;
}

void
jobs_wait_ready(struct daemon *d)
{
	pid_t workers[PROCFS_MAX], ready[PROCFS_MAX];
	size_t n_ready = 0;

	WAIT_UNTIL(({
		struct http_conn c;

		http_open(&c, daemon_port(d));
		/* whichever of the worker's connections to the database it takes */
		if (answers(&c, "GET", QUEUES, 200) &&
		    answers(&c, "POST", QUEUES "/none-such/claim", 204) &&
		    answers(&c, "DELETE", JOBS "/01a20765-d507-74ad-b6ff-1870e4e93680", 404)) {
			const pid_t pid = daemon_worker_of(d, c.fd);

			if (!is_listed(ready, n_ready, pid))
				ready[n_ready++] = pid;
		}
		http_close(&c);
		n_ready == daemon_workers(d, workers);
	}));
}

struct daemon *
jobs_start(const char *first, const char *second)
{
	struct daemon *d = job_daemon(pg_fresh(), first, second, NULL);

	jobs_wait_ready(d);
	return d;
}

/* --- requests --- */

static json_t *
body_of(const struct http_answer *a, int status, const char *what)
{
	json_error_t error;

	ck_assert_msg(a->status == status, "%s: %d instead of %d: %s%s", what, a->status, status,
		      a->head, a->body);
	if (a->body_len == 0)
		return NULL;
	json_t *json =
	    json_loadb(a->body, a->body_len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
	ck_assert_msg(json != NULL, "%s: %s: %s", what, error.text, a->body);
	return json;
}

static json_t *ask(struct daemon *d, const char *method, const char *fields, const char *body,
		   int status, const char *fmt, va_list ap) __attribute__((format(printf, 6, 0)));

static json_t *
ask(struct daemon *d, const char *method, const char *fields, const char *body, int status,
    const char *fmt, va_list ap)
{
	struct http_answer a;
	char *target;

	ck_assert_int_ge(vasprintf(&target, fmt, ap), 0);
	http_request(daemon_port(d), method, target, body && !fields ? JSON : fields, body, &a);
	char *what = it_printf("%s %s %.200s", method, target, body ? body : "");
	json_t *json = body_of(&a, status, what);
	free(what);
	free(target);
	http_answer_fini(&a);
	return json;
}

json_t *
jobs_ask(struct daemon *d, const char *method, const char *fields, const char *body, int status,
	 const char *target, ...)
{
	va_list ap;

	va_start(ap, target);
	json_t *json = ask(d, method, fields, body, status, target, ap);
	va_end(ap);
	return json;
}

void
jobs_do(struct daemon *d, const char *method, const char *fields, const char *body, int status,
	const char *target, ...)
{
	va_list ap;

	va_start(ap, target);
	json_decref(ask(d, method, fields, body, status, target, ap));
	va_end(ap);
}

void
jobs_places(const json_t *errors, char *text, size_t size)
{
	size_t at = 0;

	text[0] = '\0';
	for (size_t i = 0; i < json_array_size(errors); i++) {
		const json_t *item = json_array_get(errors, i);
		const char *detail = json_string_value(json_object_get(item, "detail"));
		const char *place = json_string_value(json_object_get(item, "pointer"));

		if (!place)
			place = json_string_value(json_object_get(item, "parameter"));
		ck_assert(place && detail && detail[0]);
		at += (size_t)snprintf(text + at, size - at, "%s%s", i ? " " : "",
				       place[0] ? place : ".");
		ck_assert_uint_lt(at, size);
	}
}

void
jobs_is_problem(const struct http_answer *a, int status, const char *type, const char *pointers,
		const char *what)
{
	char have[1000];

	json_t *problem = body_of(a, status, what);
	ck_assert_str_eq(http_field(a, "Content-Type"), "application/problem+json");
	const char *uri = job_str(problem, "type");
	ck_assert_msg(!type || (strncmp(uri, "/problems/", 10) == 0 && strcmp(uri + 10, type) == 0),
		      "%s: %s instead of %s", what, uri, type);
	jobs_places(json_object_get(problem, "errors"), have, sizeof(have));
	ck_assert_msg(strcmp(have, pointers ? pointers : "") == 0, "%s: \"%s\" instead of \"%s\"",
		      what, have, pointers ? pointers : "");
	json_decref(problem);
}

void
jobs_refused(struct daemon *d, const char *method, const char *target, const char *fields,
	     const char *body, int status, const char *type, const char *pointers)
{
	struct http_answer a;
	char *what = it_printf("%s %s %.200s", method, target, body ? body : "");

	http_request(daemon_port(d), method, target, body && !fields ? JSON : fields, body, &a);
	jobs_is_problem(&a, status, type, pointers, what);
	http_answer_fini(&a);
	free(what);
}

/* --- jobs --- */

char *
jobs_put(struct daemon *d, const char *fmt, ...)
{
	char *body;
	va_list ap;

	va_start(ap, fmt);
	ck_assert_int_ge(vasprintf(&body, fmt, ap), 0);
	va_end(ap);
	json_t *job = jobs_ask(d, "POST", NULL, body, 202, JOBS);
	char *id = it_printf("%s", job_str(job, "id"));
	json_decref(job);
	free(body);
	return id;
}

json_t *
jobs_get(struct daemon *d, const char *id)
{
	return jobs_ask(d, "GET", NULL, NULL, 200, JOBS "/%s", id);
}

void
jobs_is(struct daemon *d, const char *id, const char *state)
{
	json_t *job = jobs_get(d, id);

	ck_assert_str_eq(job_str(job, "state"), state);
	ck_assert_str_eq(job_str(job, "id"), id);
	json_decref(job);
}

void
jobs_becomes(struct daemon *d, const char *id, const char *state)
{
	WAIT_UNTIL(({
		json_t *job = jobs_get(d, id);
		const bool is_so = strcmp(job_str(job, "state"), state) == 0;

		json_decref(job);
		is_so;
	}));
}

void
jobs_ends(struct daemon *d, const char *id, const char *state)
{
	json_t *job = jobs_ask(d, "GET", NULL, NULL, 200, JOBS "/%s?wait=15", id);

	ck_assert_str_eq(job_str(job, "state"), state);
	json_decref(job);
}

json_t *
jobs_claim(struct daemon *d, const char *queue, int lease_s)
{
	json_t *all = jobs_ask(d, "POST", NULL, NULL, 200, QUEUES "/%s/claim?wait=10&lease=%d",
			       queue, lease_s);

	ck_assert_uint_eq(json_array_size(json_object_get(all, "jobs")), 1);
	json_t *job = json_incref((json_t *)(uintptr_t)job_item(all, "jobs", 0));
	json_decref(all);
	return job;
}

json_t *
jobs_call(struct daemon *d, const json_t *claimed, const char *verb, const char *members,
	  int status)
{
	char *body =
	    it_printf("{\"lease\":%" JSON_INTEGER_FORMAT "%s%s}", job_int(claimed, "lease"),
		      members ? "," : "", members ? members : "");
	json_t *answer =
	    jobs_ask(d, "POST", NULL, body, status, JOBS "/%s/%s", job_str(claimed, "id"), verb);

	free(body);
	return answer;
}

/* --- those that wait --- */

void
jobs_send(struct http_conn *c, struct daemon *d, const char *method, const char *target,
	  const char *fields, const char *body)
{
	http_open(c, daemon_port(d));
	http_sendf(c, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s", method, target,
		   fields ? fields : "");
	if (body)
		http_sendf(c, JSON "Content-Length: %zu\r\n\r\n%s", strlen(body), body);
	else
		http_send_text(c, "\r\n");
}

json_t *
jobs_read(struct http_conn *c, int status)
{
	struct http_answer a;

	http_read(c, "GET", &a);
	json_t *json = body_of(&a, status, "what waits");
	http_answer_fini(&a);
	http_close(c);
	return json;
}

void
jobs_settle(struct daemon *d)
{
	struct http_conn c;

	http_open(&c, daemon_port(d));
	/* the first may be answered in the turn in which the others are read */
	for (int i = 0; i < 3; i++) {
		struct http_answer a;

		http_exchange(&c, "GET", "/health", NULL, NULL, &a);
		ck_assert_int_eq(a.status, 200);
		http_answer_fini(&a);
	}
	http_close(&c);
}

/* --- JSON --- */

const char *
job_str(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	ck_assert_msg(text, "no text %s in %s", key, json_dumps(object, JSON_COMPACT));
	return text;
}

json_int_t
job_int(const json_t *object, const char *key)
{
	const json_t *number = json_object_get(object, key);

	ck_assert_msg(json_is_integer(number), "no number %s in %s", key,
		      json_dumps(object, JSON_COMPACT));
	return json_integer_value(number);
}

const json_t *
job_item(const json_t *object, const char *key, size_t n)
{
	const json_t *item = json_array_get(json_object_get(object, key), n);

	ck_assert_msg(item, "no %s[%zu] in %s", key, n, json_dumps(object, JSON_COMPACT));
	return item;
}

void
job_uuid(char text[37], long ms)
{
	static unsigned count;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	const uint64_t at = (uint64_t)((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + ms);
	char *uuid = it_printf("%08" PRIx64 "-%04" PRIx64 "-7000-8000-%012x", at >> 16, at & 0xffff,
			       ++count);
	ck_assert_uint_eq(strlen(uuid), 36);
	memcpy(text, uuid, 37);
	free(uuid);
}
