/*
 * jobs_asked.c - see jobs_asked.h.
 */
#include "jobs_asked.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "harness.h"
#include "http_client.h"
#include "pg.h"

#define JOBS   "/api/jobs"
#define JOB    "/api/jobs/{id}"
#define QUEUES "/api/queues"
#define QUEUE  "/api/queues/{queue}"
#define CLAIM  QUEUE "/claim"
#define OPS    QUEUES "/" JOBS_ASKED_QUEUE

#define JSON  "Content-Type: application/json\r\n"
#define PATCH "Content-Type: application/merge-patch+json\r\n"
#define IMAGE "Accept: image/png\r\n"
#define MATCH "If-Match: \"x\"\r\n"

#define N(table) (sizeof(table) / sizeof((table)[0]))

/* What stands for a job in a target. */
enum job { KEPT, OLD, UNKNOWN, READY, DONE, CANCELLED, DEAD, RUNNING, CLOSED, JOBS_N };
static char ids[JOBS_N][40];
static long long lease;

const char *
jobs_asked_id(void)
{
	return ids[KEPT];
}

static void
make_id(char id[40], long ms)
{
	static unsigned count;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	const unsigned long long at =
	    (unsigned long long)(now.tv_sec * 1000 + now.tv_nsec / 1000000 + ms);
	snprintf(id, 40, "%08x-%04x-7000-8000-%012x", (unsigned)(at >> 16), (unsigned)(at & 0xffff),
		 ++count);
}

struct asked {
	const char *method, *path;
	enum job job; /* where the path has {id} */
	const char *behind, *fields, *body;
	int status;
};

static void
ask_one(struct daemon *d, jobs_asked_fn *ask, const struct asked *a)
{
	const char *at = strstr(a->path, "{id}"), *queue = strstr(a->path, "{queue}");
	char *target, *body = NULL;

	if (at)
		target = it_printf("%.*s%s%s%s", (int)(at - a->path), a->path, ids[a->job], at + 4,
				   a->behind ? a->behind : "");
	else if (queue)
		target = it_printf("%.*s%s%s%s", (int)(queue - a->path), a->path, JOBS_ASKED_QUEUE,
				   queue + 7, a->behind ? a->behind : "");
	else
		target = it_printf("%s%s", a->path, a->behind ? a->behind : "");
	/* the one of the job that runs */
	const char *place = a->body ? strstr(a->body, "LEASE") : NULL;
	if (place)
		body = it_printf("%.*s%lld%s", (int)(place - a->body), a->body, lease, place + 5);
	const struct api_asked asked = {
	    a->method, a->path, target, a->fields, body ? body : a->body, a->status};
	ask(d, &asked, 1);
	free(body);
	free(target);
}

/* The body of an answer that has to be there; "" if there is none. */
static char *
request(struct daemon *d, const char *method, const char *target, const char *body, int status)
{
	struct http_answer a;

	http_request(daemon_port(d), method, target, body ? JSON : NULL, body, &a);
	ck_assert_msg(a.status == status, "%s %s: %d %s", method, target, a.status, a.body);
	char *text = it_printf("%s", a.body);
	http_answer_fini(&a);
	return text;
}

static void
put(struct daemon *d, enum job job, const char *queue)
{
	char *target = it_printf(JOBS "/%s", ids[job]);
	char *body = it_printf("{\"kind\":\"x\",\"queue\":\"%s\",\"max_attempts\":1}", queue);

	free(request(d, "PUT", target, body, 202));
	free(body);
	free(target);
}

static void
claim(struct daemon *d, enum job job, const char *queue)
{
	put(d, job, queue);
	char *target = it_printf(QUEUES "/%s/claim?lease=3600", queue);
	char *answer = request(d, "POST", target, NULL, 200);
	const char *at = strstr(answer, "\"lease\":");
	ck_assert_ptr_nonnull(at);
	lease = strtoll(at + 8, NULL, 10);
	free(answer);
	free(target);
}

static void
end(struct daemon *d, enum job job, const char *verb)
{
	char *target = it_printf(JOBS "/%s/%s", ids[job], verb);
	char *body = it_printf("{\"lease\":%lld}", lease);

	free(request(d, "POST", target, body, 200));
	free(body);
	free(target);
}

static bool
is_there(struct daemon *d)
{
	struct http_answer a;

	http_request(daemon_port(d), "GET", QUEUES, NULL, NULL, &a);
	const bool is_so = a.status == 200;
	http_answer_fini(&a);
	return is_so;
}

/* One job in each state that matters. */
static void
prepare(struct daemon *d)
{
	WAIT_UNTIL(is_there(d));
	for (size_t i = 0; i < JOBS_N; i++)
		make_id(ids[i], i == OLD ? -30L * 24 * 3600 * 1000 : 0);
	claim(d, DONE, "done");
	end(d, DONE, "finish");
	claim(d, DEAD, "dead");
	end(d, DEAD, "fail");
	put(d, CANCELLED, "cancelled");
	char *target = it_printf(JOBS "/%s", ids[CANCELLED]);
	free(request(d, "DELETE", target, NULL, 200));
	free(target);
	put(d, READY, "ready");
	put(d, KEPT, JOBS_ASKED_QUEUE);
	claim(d, RUNNING, "running");
}

#define X     "{\"kind\":\"x\"}"
#define FETCH "{\"urls\":[\"http://127.0.0.1:1/\"]}"

static const struct asked all[] = {
    {"GET", JOBS, 0, NULL, NULL, NULL, 200},
    {"GET", JOBS, 0, "?limit=1&state=dead", NULL, NULL, 200},
    {"GET", JOBS, 0, "?limit=0", NULL, NULL, 400},
    {"GET", JOBS, 0, NULL, IMAGE, NULL, 406},
    {"POST", JOBS, 0, NULL, JSON, X, 202},
    {"POST", JOBS, 0, NULL, JSON, "[" X ",{}," X "]", 200},
    {"POST", JOBS, 0, NULL, JSON "Prefer: wait=20\r\n", "{\"kind\":\"sleep\"}", 200},
    {"POST", JOBS, 0, NULL, JSON, "{\"kind\":\"x\",\"unique\":\"k\"}", 202},
    {"POST", JOBS, 0, NULL, JSON, "{\"kind\":\"x\",\"unique\":\"k\"}", 200},
    {"POST", JOBS, 0, NULL, JSON, "{", 400},
    {"POST", JOBS, 0, NULL, JSON "Idempotency-Key: k\r\n", X, 400},
    {"POST", JOBS, 0, NULL, JSON IMAGE, X, 406},
    {"POST", JOBS, 0, NULL, JSON, "{}", 422},
    {"POST", JOBS, 0, NULL, "Content-Type: a/b\r\n", X, 415},
    {"GET", JOB, KEPT, NULL, NULL, NULL, 200},
    {"GET", JOB, DONE, "?wait=1", NULL, NULL, 200},
    {"GET", JOB, DEAD, NULL, NULL, NULL, 200},
    {"GET", JOB, RUNNING, NULL, NULL, NULL, 200},
    {"GET", JOB, KEPT, "?wait=x", NULL, NULL, 400},
    {"GET", JOB, UNKNOWN, NULL, NULL, NULL, 404},
    {"GET", JOB, OLD, NULL, NULL, NULL, 410},
    {"PUT", JOB, UNKNOWN, NULL, JSON, X, 202},
    {"PUT", JOB, UNKNOWN, NULL, JSON, X, 200},
    {"PUT", JOB, UNKNOWN, NULL, JSON, "{\"kind\":\"y\"}", 409},
    {"PUT", JOB, OLD, NULL, JSON, X, 422},
    {"PUT", JOB, UNKNOWN, NULL, JSON, "{}", 422},
    {"PUT", JOB, KEPT, "x", JSON, X, 404},
    {"PUT", JOB, KEPT, NULL, JSON IMAGE, X, 406},
    {"DELETE", JOB, UNKNOWN, NULL, NULL, NULL, 200},
    {"DELETE", JOB, KEPT, "x", NULL, NULL, 404},
    {"DELETE", JOB, KEPT, NULL, IMAGE, NULL, 406},
    {"DELETE", JOB, DONE, NULL, NULL, NULL, 409},
    {"DELETE", JOB, OLD, NULL, NULL, NULL, 410},
    {"POST", JOB "/retry", CANCELLED, NULL, NULL, NULL, 202},
    {"POST", JOB "/retry", CLOSED, NULL, NULL, NULL, 404},
    {"POST", JOB "/retry", KEPT, NULL, IMAGE, NULL, 406},
    {"POST", JOB "/retry", DONE, NULL, NULL, NULL, 409},
    {"POST", JOB "/retry", OLD, NULL, NULL, NULL, 410},
    {"POST", JOB "/extend", RUNNING, NULL, JSON, "{\"lease\":LEASE,\"progress\":{\"pct\":4}}", 200},
    {"POST", JOB "/extend", RUNNING, NULL, JSON, "{\"lease\":1}", 409},
    {"POST", JOB "/extend", RUNNING, NULL, JSON, "{}", 422},
    {"POST", JOB "/extend", RUNNING, NULL, JSON IMAGE, "{}", 406},
    {"DELETE", JOB, RUNNING, NULL, NULL, NULL, 202},
    {"GET", JOB, RUNNING, NULL, NULL, NULL, 200},
    {"POST", JOB "/fail", RUNNING, NULL, JSON, "{\"lease\":1}", 409},
    {"POST", JOB "/fail", RUNNING, NULL, JSON, "{}", 422},
    {"POST", JOB "/fail", RUNNING, NULL, JSON IMAGE, "{}", 406},
    {"POST", JOB "/finish", RUNNING, NULL, JSON, "{\"lease\":1}", 409},
    {"POST", JOB "/finish", RUNNING, NULL, JSON, "{}", 422},
    {"POST", JOB "/finish", RUNNING, NULL, JSON IMAGE, "{}", 406},
    {"POST", JOB "/finish", RUNNING, NULL, JSON, "{\"lease\":LEASE,\"result\":[1]}", 200},
    {"POST", "/api/fetch", 0, NULL, JSON, FETCH, 202},
    {"POST", "/api/fetch", 0, NULL, JSON "Prefer: wait=20\r\n", FETCH, 200},
    {"POST", "/api/fetch", 0, NULL, JSON "Idempotency-Key: k\r\n", FETCH, 400},
    {"POST", "/api/fetch", 0, NULL, JSON, "{\"urls\":[]}", 422},
    {"POST", "/api/fetch", 0, NULL, JSON, "{\"urls\":[\"http://127.0.0.1/\"]}", 422},
    {"POST", "/api/fetch", 0, NULL, JSON IMAGE, FETCH, 406},
    {"GET", QUEUES, 0, NULL, NULL, NULL, 200},
    {"GET", QUEUE, 0, "?until=empty", NULL, NULL, 200},
    {"GET", QUEUE, 0, "?until=full", NULL, NULL, 400},
    {"GET", QUEUE, 0, "?wait=5", NULL, NULL, 400},
    {"GET", QUEUE, 0, "-none", NULL, NULL, 404},
    {"PATCH", QUEUE, 0, NULL, PATCH, "{\"paused\":true,\"depth\":7}", 200},
    {"GET", QUEUE, 0, NULL, NULL, NULL, 200},
    {"PATCH", QUEUE, 0, NULL, JSON, "{\"paused\":null,\"depth\":null}", 200},
    {"PATCH", QUEUE, 0, NULL, PATCH, "{\"depth\":0}", 422},
    {"PATCH", QUEUE, 0, "%20", PATCH, "{}", 404},
    {"PATCH", QUEUE, 0, NULL, PATCH IMAGE, "{}", 406},
    {"POST", CLAIM, 0, "?max=0", NULL, NULL, 400},
    {"GET", QUEUES, 0, "?x", NULL, NULL, 400},
    {"POST", JOBS, 0, NULL, JSON MATCH, X, 412},
    {"PUT", JOB, UNKNOWN, NULL, JSON MATCH, X, 412},
    {"DELETE", JOB, UNKNOWN, NULL, MATCH, NULL, 412},
    {"POST", JOB "/retry", UNKNOWN, NULL, MATCH, NULL, 412},
    {"POST", JOB "/finish", UNKNOWN, NULL, JSON MATCH, "{}", 412},
    {"POST", JOB "/fail", UNKNOWN, NULL, JSON MATCH, "{}", 412},
    {"POST", JOB "/extend", UNKNOWN, NULL, JSON MATCH, "{}", 412},
    {"POST", "/api/fetch", 0, NULL, JSON MATCH, FETCH, 412},
    {"PATCH", QUEUE, 0, NULL, PATCH MATCH, "{}", 412},
    {"POST", CLAIM, 0, NULL, MATCH, NULL, 412},
    {"POST", CLAIM, 0, NULL, IMAGE, NULL, 406},
};

void
jobs_asked(struct daemon *d, jobs_asked_fn *ask)
{
	static const struct api_asked claims[] = {
	    {"POST", CLAIM, QUEUES "/claims/claim", NULL, NULL, 200},
	    {"POST", CLAIM, QUEUES "/claims/claim", NULL, NULL, 204},
	    {"POST", CLAIM, QUEUES "/%20/claim", NULL, NULL, 404},
	};
	static const char *const verbs[] = {"finish", "fail", "extend"};

	prepare(d);
	for (size_t i = 0; i < N(all); i++)
		ask_one(d, ask, &all[i]);
	free(request(d, "POST", JOBS, "{\"kind\":\"x\",\"queue\":\"claims\"}", 202));
	ask(d, claims, N(claims));
	for (size_t i = 0; i < N(verbs); i++) {
		char *path = it_printf(JOB "/%s", verbs[i]),
		     *target = it_printf(JOBS "/x/%s", verbs[i]);
		const struct api_asked none = {"POST", path, target, JSON, "{}", 404};

		ask(d, &none, 1);
		free(target);
		free(path);
	}
	make_id(ids[CLOSED], 0);
	claim(d, CLOSED, "closed");
	ask_one(d, ask,
		&(struct asked){"POST", JOB "/fail", CLOSED, NULL, JSON,
				"{\"lease\":LEASE,\"error\":\"no\",\"retry\":false}", 200});
}

static const struct asked failing[] = {
    {"GET", JOBS, 0, NULL, NULL, NULL, 500},
    {"POST", JOBS, 0, NULL, JSON, X, 500},
    {"POST", "/api/fetch", 0, NULL, JSON, FETCH, 500},
    {"GET", JOB, KEPT, NULL, NULL, NULL, 500},
    {"PUT", JOB, UNKNOWN, NULL, JSON, X, 500},
    {"DELETE", JOB, RUNNING, NULL, NULL, NULL, 500},
    {"POST", JOB "/retry", CANCELLED, NULL, NULL, NULL, 500},
    {"POST", JOB "/finish", RUNNING, NULL, JSON, "{\"lease\":LEASE}", 500},
    {"POST", JOB "/fail", RUNNING, NULL, JSON, "{\"lease\":LEASE}", 500},
    {"POST", JOB "/extend", RUNNING, NULL, JSON, "{\"lease\":LEASE}", 500},
    {"GET", QUEUES, 0, NULL, NULL, NULL, 500},
    {"GET", QUEUE, 0, NULL, NULL, NULL, 500},
    {"PATCH", QUEUE, 0, NULL, PATCH, "{\"paused\":true}", 500},
    {"POST", CLAIM, 0, NULL, NULL, NULL, 500},
};

void
jobs_asked_failing(struct daemon *d, jobs_asked_fn *ask)
{
	prepare(d);
	/* an error that is nobody's fault, for whatever looks at a row */
	free(
	    pg_ask("create or replace function fail() returns bool language plpgsql as $$ begin "
		   "raise exception using errcode = '38000', message = 'broken'; end $$; "
		   "do $$ declare t text; begin foreach t in array array['jobs', 'job_queue', "
		   "'job_lease', 'job_result', 'job_ready'] loop "
		   "execute format('create policy p on %I using (fail()) with check (fail())', t); "
		   "execute format('alter table %I enable row level security', t); "
		   "execute format('alter table %I force row level security', t); end loop; "
		   "end $$"));
	for (size_t i = 0; i < N(failing); i++)
		ask_one(d, ask, &failing[i]);
}
