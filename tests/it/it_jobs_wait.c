/*
 * it_jobs_wait.c - the life of a job as its client sees it: its states, what cancels it and what
 * tries it again; and clients that wait for its end, who leave, who lose patience, and who are
 * still there when the daemon is replaced, stops, or loses its database.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/pg.c tests/it/job_db.c tests/it/job_http.c -lpq -ljansson */
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "http_client.h"
#include "job_db.h"
#include "job_http.h"
#include "pg.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))

/* --- states --- */

static const struct state {
	const char *name;
	int cancelled, retried; /* the answers */
} states[] = {
    {"queued", 200, 409}, {"scheduled", 200, 409}, {"running", 202, 409},   {"done", 409, 409},
    {"failed", 409, 202}, {"dead", 409, 202},      {"cancelled", 409, 202},
};

/* The id of a new job in this state, in a queue of its own. */
static char *
job_in(struct daemon *d, const char *state)
{
	char *id =
	    jobs_put(d, "{\"kind\":\"x\",\"queue\":\"%s\",\"max_attempts\":1%s}", state,
		     strcmp(state, "scheduled") == 0 ? ",\"run_at\":\"2037-01-01T00:00:00Z\"" : "");

	if (strcmp(state, "cancelled") == 0)
		jobs_do(d, "DELETE", NULL, NULL, 200, JOBS "/%s", id);
	if (strcmp(state, "queued") != 0 && strcmp(state, "scheduled") != 0 &&
	    strcmp(state, "cancelled") != 0) {
		json_t *job = jobs_claim(d, state, 600);

		ck_assert_str_eq(job_str(job, "id"), id);
		if (strcmp(state, "done") == 0)
			json_decref(jobs_call(d, job, "finish", NULL, 200));
		if (strcmp(state, "failed") == 0)
			json_decref(jobs_call(d, job, "fail", "\"retry\":false", 200));
		if (strcmp(state, "dead") == 0)
			json_decref(jobs_call(d, job, "fail", NULL, 200));
		json_decref(job);
	}
	jobs_is(d, id, state);
	return id;
}

START_TEST(cancel_in_each_state)
{
	struct daemon *d = jobs_start(NULL, NULL);

	for (size_t i = 0; i < N(states); i++) {
		char *id = job_in(d, states[i].name), *target = it_printf(JOBS "/%s", id);

		if (states[i].cancelled == 409) {
			jobs_refused(d, "DELETE", target, NULL, NULL, 409, "conflict", NULL);
			jobs_is(d, id, states[i].name);
		} else {
			json_t *answer =
			    jobs_ask(d, "DELETE", NULL, NULL, states[i].cancelled, "%s", target);
			const bool is_now = states[i].cancelled == 200;

			ck_assert_str_eq(job_str(answer, "state"),
					 is_now ? "cancelled" : "running");
			ck_assert_int_eq(json_is_true(json_object_get(answer, "cancelling")),
					 !is_now);
			json_decref(answer);
			jobs_is(d, id, is_now ? "cancelled" : "running");
			/* twice is as once */
			jobs_do(d, "DELETE", NULL, NULL, is_now ? 409 : 202, "%s", target);
		}
		free(target);
		free(id);
	}
	daemon_stop(d);
}
END_TEST

START_TEST(retry_in_each_state)
{
	struct daemon *d = jobs_start(NULL, NULL);

	for (size_t i = 0; i < N(states); i++) {
		char *id = job_in(d, states[i].name), *target = it_printf(JOBS "/%s/retry", id);

		if (states[i].retried == 409) {
			jobs_refused(d, "POST", target, NULL, NULL, 409, "conflict", NULL);
			jobs_is(d, id, states[i].name);
		} else {
			jobs_do(d, "POST", NULL, NULL, 202, "%s", target);
			jobs_is(d, id, "queued");
			jobs_refused(d, "POST", target, NULL, NULL, 409, "conflict", NULL);
			/* and it can be run */
			json_t *job = jobs_claim(d, states[i].name, 600);
			ck_assert_str_eq(job_str(job, "id"), id);
			json_decref(jobs_call(d, job, "finish", NULL, 200));
			json_decref(job);
			jobs_is(d, id, "done");
		}
		free(target);
		free(id);
	}
	daemon_stop(d);
}
END_TEST

START_TEST(what_runs_here_is_cancelled_soon)
{
	struct daemon *d = jobs_start(NULL, NULL);

	for (int i = 0; i < 5; i++) {
		char *id = jobs_put(d, "{\"kind\":\"sleep\",\"args\":{\"ms\":3600000}}");

		jobs_becomes(d, id, "running");
		const uint64_t began = it_now_ms();
		jobs_do(d, "DELETE", NULL, NULL, 202, JOBS "/%s", id);
		jobs_ends(d, id, "cancelled");
		/* it was told, and does not wait for its next beat */
		if (!it_has_sanitizers())
			ck_assert_uint_lt(it_now_ms() - began, 1000);
		free(id);
	}
	daemon_stop(d);
}
END_TEST

START_TEST(absent_and_forgotten)
{
	struct daemon *d = jobs_start(NULL, NULL);
	static const struct {
		const char *method, *behind;
	} calls[] = {{"GET", ""}, {"GET", "?wait=5"}, {"DELETE", ""}, {"POST", "/retry"}};
	static const struct {
		long ms;
		int status;
		const char *type;
	} ages[] = {{0, 404, "not-found"},
		    {-6L * 24 * 3600 * 1000, 404, "not-found"},
		    {24L * 3600 * 1000, 404, "not-found"},
		    {-8L * 24 * 3600 * 1000, 410, "gone"}};
	char uuid[37];

	for (size_t a = 0; a < N(ages); a++) {
		job_uuid(uuid, ages[a].ms);
		for (size_t c = 0; c < N(calls); c++) {
			char *target = it_printf(JOBS "/%s%s", uuid, calls[c].behind);

			jobs_refused(d, calls[c].method, target, NULL, NULL, ages[a].status,
				     ages[a].type, NULL);
			free(target);
		}
	}
	/* of another version the time is not known */
	jobs_refused(d, "GET", JOBS "/6fa459ea-ee8a-4ca4-894e-db77e160355e", NULL, NULL, 404,
		     "not-found", NULL);
	daemon_stop(d);
}
END_TEST

START_TEST(what_has_not_changed)
{
	struct daemon *d = jobs_start(NULL, NULL);
	struct http_answer a;

	char *id = job_in(d, "done"), *target = it_printf(JOBS "/%s", id);
	http_request(daemon_port(d), "GET", target, NULL, NULL, &a);
	char *fields = it_printf("If-None-Match: %s\r\n", http_field(&a, "ETag"));
	http_answer_fini(&a);
	http_request(daemon_port(d), "GET", target, fields, NULL, &a);
	ck_assert_int_eq(a.status, 304);
	http_answer_fini(&a);
	free(fields);
	free(target);
	free(id);
	daemon_stop(d);
}
END_TEST

/* What says "only if nobody has changed it" must not be done as if it did not say so. */
START_TEST(conditions_of_changes)
{
	static const struct {
		const char *method, *target, *fields;
		int status;
	} cases[] = {
	    {"DELETE", "", "If-Match: \"x\"\r\n", 412},
	    {"DELETE", "", "If-None-Match: *\r\n", 412},
	    {"DELETE", "", "If-Match: *, \"x\"\r\n", 412},
	    {"DELETE", "", "If-Match: *\r\nIf-Match: \"x\"\r\n", 412},
	    {"POST", "/retry", "If-Match: \"x\"\r\n", 412},
	    {"PUT", "", JSON "If-Match: *\r\n", 412},
	    {"PUT", "", JSON "If-None-Match: \"x\"\r\n", 412},
	    {"PUT", "", JSON "If-None-Match: *\r\n", 200},
	    {"DELETE", "", "If-Match: *\r\n", 200},
	    {"POST", "/retry", "If-Match: *\r\n", 202},
	};
	struct daemon *d = jobs_start(NULL, NULL);
	char uuid[37];

	job_uuid(uuid, 0);
	jobs_do(d, "PUT", JSON, "{\"kind\":\"x\"}", 202, JOBS "/%s", uuid);
	for (size_t i = 0; i < N(cases); i++) {
		const char *body = cases[i].method[1] == 'U' ? "{\"kind\":\"x\"}" : NULL;
		char *target = it_printf(JOBS "/%s%s", uuid, cases[i].target);

		if (cases[i].status == 412)
			jobs_refused(d, cases[i].method, target, cases[i].fields, body, 412,
				     "precondition-failed", NULL);
		else
			jobs_do(d, cases[i].method, cases[i].fields, body, cases[i].status, "%s",
				target);
		jobs_is(d, uuid,
			cases[i].method[0] == 'D' && cases[i].status == 200 ? "cancelled"
									    : "queued");
		free(target);
	}
	jobs_refused(d, "PATCH", QUEUES "/default", PATCH "If-Match: \"x\"\r\n",
		     "{\"paused\":true}", 412, "precondition-failed", NULL);
	jobs_refused(d, "POST", QUEUES "/default/claim", "If-Match: \"x\"\r\n", NULL, 412,
		     "precondition-failed", NULL);
	jobs_refused(d, "POST", JOBS, JSON "If-None-Match: \"x\"\r\n", "{\"kind\":\"x\"}", 412,
		     "precondition-failed", NULL);
	jobs_is(d, uuid, "queued");
	ck_assert_int_eq(job_number("select count(*) from jobs"), 1);
	daemon_stop(d);
}
END_TEST

/* --- waiting --- */

#define SLEEP(ms) "{\"kind\":\"sleep\",\"args\":{\"ms\":" #ms "}}"

START_TEST(a_put_that_waits)
{
	struct daemon *d = jobs_start(NULL, NULL);
	struct http_answer a;
	char uuid[37];

	/* as long as it takes */
	http_request(daemon_port(d), "POST", JOBS, JSON "Prefer: wait=20\r\n", SLEEP(20), &a);
	ck_assert_int_eq(a.status, 200);
	ck_assert_str_eq(http_field(&a, "Preference-Applied"), "wait=20");
	json_t *job = json_loadb(a.body, a.body_len, 0, NULL);
	ck_assert_str_eq(job_str(job, "state"), "done");
	char *location = it_printf(JOBS "/%s", job_str(job, "id"));
	ck_assert_str_eq(http_field(&a, "Location"), location);
	http_answer_fini(&a);
	json_decref(job);
	free(location);
	/* longer than that: the job goes on */
	const uint64_t began = it_now_ms();
	http_request(daemon_port(d), "POST", JOBS, JSON "Prefer: wait=1\r\n", SLEEP(2000), &a);
	ck_assert_int_eq(a.status, 202);
	ck_assert_uint_ge(it_now_ms() - began, 990);
	ck_assert_str_eq(http_field(&a, "Preference-Applied"), "wait=1");
	job = json_loadb(a.body, a.body_len, 0, NULL);
	http_answer_fini(&a);
	ck_assert_str_eq(job_str(job, "state"), "running");
	jobs_ends(d, job_str(job, "id"), "done");
	json_decref(job);
	/* by PUT, and again: the same job is waited for */
	job_uuid(uuid, 0);
	job = jobs_ask(d, "PUT", JSON "Prefer: respond-async, wait=20\r\n", SLEEP(20), 200,
		       JOBS "/%s", uuid);
	ck_assert_str_eq(job_str(job, "state"), "done");
	json_decref(job);
	job_uuid(uuid, 0);
	jobs_do(d, "PUT", JSON, SLEEP(500), 202, JOBS "/%s", uuid);
	job = jobs_ask(d, "PUT", JSON "Prefer: wait=20\r\n", SLEEP(500), 200, JOBS "/%s", uuid);
	ck_assert_str_eq(job_str(job, "state"), "done");
	json_decref(job);
	/* one that ends badly has ended */
	struct http_conn c;
	jobs_send(&c, d, "POST", JOBS, "Prefer: wait=20\r\n",
		  "{\"kind\":\"x\",\"max_attempts\":1}");
	job = jobs_claim(d, "default", 600);
	json_decref(jobs_call(d, job, "fail", "\"error\":\"no\"", 200));
	json_decref(job);
	job = jobs_read(&c, 200);
	ck_assert_str_eq(job_str(job, "state"), "dead");
	ck_assert_str_eq(job_str(job_item(job, "errors", 0), "error"), "no");
	json_decref(job);
	daemon_stop(d);
}
END_TEST

/* However soon it ends, its end is heard. */
START_TEST(puts_that_wait_miss_no_news)
{
	struct daemon *d = jobs_start("jobs.concurrency=50", NULL);
	static struct http_conn c[20];
	const uint64_t began = it_now_ms();

	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < 20; i++)
			jobs_send(&c[i], d, "POST", JOBS, "Prefer: wait=60\r\n", SLEEP(0));
		for (int i = 0; i < 20; i++) {
			json_t *job = jobs_read(&c[i], 200);

			ck_assert_str_eq(job_str(job, "state"), "done");
			json_decref(job);
		}
	}
	/* who misses it looks each second only */
	if (!it_has_sanitizers())
		ck_assert_uint_lt(it_now_ms() - began, 8000);
	daemon_stop(d);
}
END_TEST

static const struct prefer {
	const char *fields;
	const char *applied; /* NULL: it is no wish */
} prefers[] = {
    {"Prefer: wait=20\r\n", "wait=20"},
    {"Prefer: return=minimal, wait=20\r\n", "wait=20"},
    {"Prefer: return=minimal\r\nPrefer: wait=\"20\"\r\n", "wait=20"},
    {"Prefer: WAIT=20; foo=bar\r\n", "wait=20"},
    {"Prefer: wait=020\r\n", "wait=20"},
    {"Prefer: wait=60\r\n", "wait=60"},
    /* more than the limit is the limit */
    {"Prefer: wait=61\r\n", "wait=60"},
    {"Prefer: wait=90\r\n", "wait=60"},
    {"Prefer: wait=3600, wait=1\r\n", "wait=60"},
    {"Prefer: wait=18446744073709551617\r\n", "wait=60"},
    {"Prefer: wait=99999999999999999999999999999999999999\r\n", "wait=60"},
    {"Prefer: wait=0\r\n", NULL},
    {"Prefer: wait=1s\r\n", NULL},
    {"Prefer: wait=90s\r\n", NULL},
    {"Prefer: wait=-1\r\n", NULL},
    {"Prefer: wait=+1\r\n", NULL},
    {"Prefer: wait\r\n", NULL},
    {"Prefer: wait=\r\n", NULL},
    {"Prefer: wait=1.5\r\n", NULL},
    {"Prefer: wait=x\r\n", NULL},
    {"Prefer: waiting=20\r\n", NULL},
    {"Prefer: respond-async\r\n", NULL},
};

static void
expect_applied(const struct http_answer *a, const struct prefer *prefer)
{
	const char *applied = http_field(a, "Preference-Applied");

	ck_assert_msg((applied != NULL) == (prefer->applied != NULL), "%s", prefer->fields);
	if (applied)
		ck_assert_str_eq(applied, prefer->applied);
}

/* What cannot be read is no wish, and no mistake (RFC 7240 section 2). */
START_TEST(wishes)
{
	struct daemon *d = jobs_start(NULL, NULL);
	struct http_answer a;

	for (size_t i = 0; i < N(prefers); i++) {
		char *fields = it_printf(JSON "%s", prefers[i].fields);

		http_request(daemon_port(d), "POST", JOBS, fields, SLEEP(1), &a);
		ck_assert_msg(a.status == (prefers[i].applied ? 200 : 202), "%s: %d", fields,
			      a.status);
		expect_applied(&a, &prefers[i]);
		http_answer_fini(&a);
		/* and of one that is there already */
		char *once = it_printf("{\"kind\":\"sleep\",\"unique\":\"u%zu\"}", i);
		json_t *job = jobs_ask(d, "POST", NULL, once, 202, JOBS);
		jobs_ends(d, job_str(job, "id"), "done");
		json_decref(job);
		http_request(daemon_port(d), "POST", JOBS, fields, once, &a);
		ck_assert_int_eq(a.status, 200);
		expect_applied(&a, &prefers[i]);
		http_answer_fini(&a);
		free(once);
		free(fields);
	}
	/* of many none is waited for */
	http_request(daemon_port(d), "POST", JOBS, JSON "Prefer: wait=20\r\n", "[{\"kind\":\"x\"}]",
		     &a);
	ck_assert_int_eq(a.status, 200);
	ck_assert_ptr_null(http_field(&a, "Preference-Applied"));
	http_answer_fini(&a);
	daemon_stop(d);
}
END_TEST

static const struct query {
	const char *text, *parameters;
} queries[] = {
    {"wait=61", "wait"},       {"wait=-1", "wait"},  {"wait=x", "wait"},
    {"wait=", "wait"},         {"wait", "wait"},     {"wait=1.5", "wait"},
    {"wait=5s", "wait"},       {"wait=001", "wait"}, {"wait=%31x", "wait"},
    {"wait=1&wait=1", "wait"}, {"more=1", "more"},   {"wait=x&a=1&b=2", "wait a b"},
};

START_TEST(a_get_that_waits)
{
	struct daemon *d = jobs_start(NULL, NULL);

	char *id = jobs_put(d, "{\"kind\":\"x\"}");
	for (size_t i = 0; i < N(queries); i++) {
		char *target = it_printf(JOBS "/%s?%s", id, queries[i].text);

		jobs_refused(d, "GET", target, NULL, NULL, 400, "bad-parameter",
			     queries[i].parameters);
		free(target);
	}
	json_t *problem = jobs_ask(d, "GET", NULL, NULL, 400, JOBS "/%s?Wait=1", id);
	ck_assert_str_eq(job_str(problem, "detail"),
			 "\"Wait\" is not a parameter here; wait is accepted");
	json_decref(problem);
	/* its time is over: as it is then */
	const uint64_t began = it_now_ms();
	json_t *job = jobs_ask(d, "GET", NULL, NULL, 200, JOBS "/%s?wait=1", id);
	ck_assert_uint_ge(it_now_ms() - began, 990);
	ck_assert_str_eq(job_str(job, "state"), "queued");
	json_decref(job);
	json_decref(jobs_ask(d, "GET", NULL, NULL, 200, JOBS "/%s?wait=0", id));
	json_decref(jobs_ask(d, "GET", NULL, NULL, 200, JOBS "/%s?wait=%%30", id));
	/* through a failed attempt to the end of the next one */
	struct http_conn c;
	char *target = it_printf(JOBS "/%s?wait=20", id);
	jobs_send(&c, d, "GET", target, NULL, NULL);
	job = jobs_claim(d, "default", 600);
	json_decref(jobs_call(d, job, "fail", "\"retry_after_s\":0", 200));
	json_decref(job);
	job = jobs_claim(d, "default", 600);
	json_decref(jobs_call(d, job, "finish", "\"result\":7", 200));
	json_decref(job);
	job = jobs_read(&c, 200);
	ck_assert_str_eq(job_str(job, "state"), "done");
	ck_assert_int_eq(job_int(job, "result"), 7);
	ck_assert_int_eq(job_int(job, "attempt"), 2);
	json_decref(job);
	free(target);
	free(id);
	daemon_stop(d);
}
END_TEST

#define CROWD 200

START_TEST(a_crowd_waits_for_one_job)
{
	static struct http_conn c[CROWD];
	struct daemon *d = jobs_start(NULL, NULL);

	char *id = jobs_put(d, "{\"kind\":\"x\"}"), *target = it_printf(JOBS "/%s?wait=60", id);
	json_t *job = jobs_claim(d, "default", 600);
	for (int i = 0; i < CROWD; i++)
		jobs_send(&c[i], d, "GET", target, NULL, NULL);
	/* a few lose patience, and take nothing from the others */
	for (int i = 0; i < CROWD; i += 10)
		http_close(&c[i]);
	json_decref(jobs_call(d, job, "finish", NULL, 200));
	json_decref(job);
	for (int i = 0; i < CROWD; i++) {
		if (i % 10 == 0)
			continue;
		job = jobs_read(&c[i], 200);
		ck_assert_str_eq(job_str(job, "state"), "done");
		json_decref(job);
	}
	free(target);
	free(id);
	daemon_stop(d);
}
END_TEST

/* A reset, which the server hears of, and a Close, which may be one that still listens. */
static void
leave(struct http_conn *c, bool resets)
{
	const struct linger none = {.l_onoff = 1};

	if (resets)
		ck_assert_int_eq(setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none)), 0);
	http_close(c);
}

START_TEST(who_leaves_cancels_nothing)
{
	struct daemon *d = jobs_start(NULL, NULL);
	struct http_conn c;

	for (int i = 0; i < 12; i++) {
		char *body = it_printf("{\"kind\":\"sleep\",\"args\":{\"ms\":50},"
				       "\"queue\":\"q%d\"}",
				       i);

		jobs_send(&c, d, "POST", JOBS, "Prefer: wait=60\r\n", body);
		/* what is left behind before it was read whole may be no job */
		if (i % 3 == 0)
			WAIT_UNTIL(job_number("select count(*) from jobs where queue = 'q%d'", i) ==
				   1);
		leave(&c, i % 2 == 0);
		free(body);
	}
	const long n = job_number("select count(*) from jobs");
	ck_assert_int_ge(n, 4);
	WAIT_UNTIL(job_number("select count(*) from job_result where state = 'd'") ==
		   job_number("select count(*) from jobs"));
	/* and so it is with those who look */
	char *id = jobs_put(d, SLEEP(1000)), *target = it_printf(JOBS "/%s?wait=60", id);
	for (int i = 0; i < 10; i++) {
		jobs_send(&c, d, "GET", target, NULL, NULL);
		leave(&c, i % 2 == 0);
	}
	jobs_ends(d, id, "done");
	ck_assert_int_eq(job_number("select count(*) from job_result where state <> 'd'"), 0);
	free(target);
	free(id);
	daemon_stop(d);
}
END_TEST

/* --- the end of those they ask --- */

static void
send_all(struct http_conn c[4], struct daemon *d, const char *id)
{
	char *target = it_printf(JOBS "/%s?wait=60", id);

	jobs_send(&c[0], d, "GET", target, NULL, NULL);
	jobs_send(&c[1], d, "POST", QUEUES "/nothing/claim?wait=60", NULL, "");
	jobs_send(&c[2], d, "GET", QUEUES "/default?until=empty&wait=60", NULL, NULL);
	jobs_send(&c[3], d, "POST", JOBS, "Prefer: wait=60\r\n", "{\"kind\":\"x\"}");
	free(target);
	/* all of them wait */
	for (int i = 0; i < 2; i++)
		jobs_settle(d);
	WAIT_UNTIL(job_number("select count(*) from jobs") >= 2);
	for (int i = 0; i < 2; i++)
		jobs_settle(d);
}

static void
read_all(struct http_conn c[4])
{
	const uint64_t began = it_now_ms();
	json_t *job = jobs_read(&c[0], 200);

	ck_assert_str_eq(job_str(job, "state"), "running");
	json_decref(job);
	json_decref(jobs_read(&c[1], 204));
	json_t *queue = jobs_read(&c[2], 200);
	ck_assert_int_eq(job_int(queue, "running"), 1);
	json_decref(queue);
	job = jobs_read(&c[3], 202);
	ck_assert_str_eq(job_str(job, "state"), "queued");
	json_decref(job);
	ck_assert_uint_lt(it_now_ms() - began, 10000);
}

START_TEST(a_reload_answers_who_waits)
{
	struct daemon *d = jobs_start("server.workers=1", NULL);
	struct http_conn c[4];

	char *id = jobs_put(d, "{\"kind\":\"x\"}");
	json_t *job = jobs_claim(d, "default", 600);
	send_all(c, d, id);
	ck_assert(daemon_reload(d));
	read_all(c);
	/* the next worker goes on */
	jobs_wait_ready(d);
	json_decref(jobs_call(d, job, "finish", NULL, 200));
	json_decref(job);
	jobs_ends(d, id, "done");
	free(id);
	daemon_stop(d);
}
END_TEST

START_TEST(a_stop_answers_who_waits)
{
	struct daemon *d = jobs_start("server.workers=1", NULL);
	struct http_conn c[4];

	char *id = jobs_put(d, "{\"kind\":\"x\"}");
	json_decref(jobs_claim(d, "default", 600));
	send_all(c, d, id);
	const uint64_t began = it_now_ms();
	ck_assert_int_eq(kill(daemon_pid(d), SIGTERM), 0);
	read_all(c);
	daemon_ended(d, 0);
	ck_assert_uint_lt(it_now_ms() - began, 10000);
	free(id);
}
END_TEST

/* --- without a database --- */

static void
expect_down(struct daemon *d, const char *method, const char *target, const char *body)
{
	struct http_answer a;

	http_request(daemon_port(d), method, target, body ? JSON : NULL, body, &a);
	jobs_is_problem(&a, 503, "store-unavailable", NULL, target);
	const char *after = http_field(&a, "Retry-After");
	ck_assert_ptr_nonnull(after);
	ck_assert_int_ge(strtol(after, NULL, 10), 1);
	http_answer_fini(&a);
}

START_TEST(while_the_database_is_away)
{
	struct daemon *d = jobs_start("server.workers=1", NULL);
	struct http_conn puts, gets, until;
	struct http_answer a;

	char *id = jobs_put(d, "{\"kind\":\"x\"}"), *target = it_printf(JOBS "/%s", id);
	char *waits = it_printf("%s?wait=5", target), *finish = it_printf("%s/finish", target);
	char *retry = it_printf("%s/retry", target), *extend = it_printf("%s/extend", target);
	char *fail = it_printf("%s/fail", target);
	json_t *job = jobs_claim(d, "default", 600);
	jobs_send(&gets, d, "GET", waits, NULL, NULL);
	jobs_send(&puts, d, "POST", JOBS, "Prefer: wait=5\r\n", "{\"kind\":\"x\"}");
	WAIT_UNTIL(job_number("select count(*) from jobs") == 2);
	jobs_settle(d);
	pg_do("stop");
	WAIT_UNTIL(({
		http_request(daemon_port(d), "GET", target, NULL, NULL, &a);
		const bool is_away = a.status == 503;
		http_answer_fini(&a);
		is_away;
	}));
	expect_down(d, "POST", JOBS, "{\"kind\":\"x\"}");
	expect_down(d, "POST", JOBS, "[{\"kind\":\"x\"}]");
	expect_down(d, "GET", JOBS, NULL);
	expect_down(d, "GET", target, NULL);
	expect_down(d, "GET", waits, NULL);
	expect_down(d, "DELETE", target, NULL);
	expect_down(d, "POST", retry, NULL);
	expect_down(d, "POST", finish, "{\"lease\":1}");
	expect_down(d, "POST", fail, "{\"lease\":1}");
	expect_down(d, "POST", extend, "{\"lease\":1}");
	expect_down(d, "GET", QUEUES, NULL);
	expect_down(d, "GET", QUEUES "/default", NULL);
	expect_down(d, "POST", QUEUES "/default/claim", NULL);
	expect_down(d, "POST", QUEUES "/default/claim?wait=20", NULL);
	http_request(daemon_port(d), "PATCH", QUEUES "/default", PATCH, "{\"paused\":true}", &a);
	jobs_is_problem(&a, 503, "store-unavailable", NULL, "PATCH");
	http_answer_fini(&a);
	/* one that was put is put, whatever became of the database */
	json_t *answer = jobs_read(&puts, 202);
	char *other = it_printf("%s", job_str(answer, "id"));
	json_decref(answer);
	http_read(&gets, "GET", &a);
	ck_assert_int_eq(a.status, 503);
	http_answer_fini(&a);
	http_close(&gets);
	pg_do("restart");
	jobs_wait_ready(d);
	/* nothing is lost, and nothing was put that was refused */
	jobs_is(d, id, "running");
	jobs_is(d, other, "queued");
	json_decref(jobs_call(d, job, "finish", NULL, 200));
	jobs_is(d, id, "done");
	ck_assert_int_eq(job_number("select count(*) from jobs"), 2);
	/* one that waits over an outage hears of the end */
	jobs_send(&gets, d, "GET", JOBS, NULL, NULL);
	json_decref(jobs_read(&gets, 200));
	free(target);
	target = it_printf(JOBS "/%s?wait=60", other);
	jobs_send(&gets, d, "GET", target, NULL, NULL);
	jobs_send(&until, d, "GET", QUEUES "/default?until=empty&wait=60", NULL, NULL);
	jobs_settle(d);
	jobs_settle(d);
	pg_do("restart");
	jobs_wait_ready(d);
	json_decref(job);
	job = jobs_claim(d, "default", 600);
	json_decref(jobs_call(d, job, "finish", NULL, 200));
	answer = jobs_read(&gets, 200);
	ck_assert_str_eq(job_str(answer, "state"), "done");
	json_decref(answer);
	answer = jobs_read(&until, 200);
	ck_assert_int_eq(job_int(answer, "running"), 0);
	json_decref(answer);
	json_decref(job);
	free(other);
	free(fail);
	free(extend);
	free(retry);
	free(finish);
	free(waits);
	free(target);
	free(id);
	daemon_stop(d);
}
END_TEST

START_TEST(without_a_database_there_is_no_queue)
{
	struct daemon *d = daemon_start_default();
	static const struct {
		const char *method, *target, *body;
	} calls[] = {
	    {"GET", JOBS, NULL},
	    {"POST", JOBS, "{\"kind\":\"x\"}"},
	    {"POST", "/api/fetch", "{}"},
	    {"PUT", JOBS "/01a20765-d507-74ad-b6ff-1870e4e93680", "{}"},
	    {"GET", JOBS "/01a20765-d507-74ad-b6ff-1870e4e93680", NULL},
	    {"DELETE", JOBS "/01a20765-d507-74ad-b6ff-1870e4e93680", NULL},
	    {"POST", JOBS "/01a20765-d507-74ad-b6ff-1870e4e93680/retry", NULL},
	    {"POST", JOBS "/01a20765-d507-74ad-b6ff-1870e4e93680/finish", "{}"},
	    {"POST", JOBS "/01a20765-d507-74ad-b6ff-1870e4e93680/fail", "{}"},
	    {"POST", JOBS "/01a20765-d507-74ad-b6ff-1870e4e93680/extend", "{}"},
	    {"GET", QUEUES, NULL},
	    {"GET", QUEUES "/q", NULL},
	    {"PATCH", QUEUES "/q", "{}"},
	    {"POST", QUEUES "/q/claim", NULL},
	};

	for (size_t i = 0; i < N(calls); i++)
		jobs_refused(d, calls[i].method, calls[i].target, NULL, calls[i].body, 503,
			     "no-store", NULL);
	daemon_stop(d);
}
END_TEST

static void
fill(Suite *s)
{
	TCase *tc = it_case(s, "states");
	tcase_add_test(tc, cancel_in_each_state);
	tcase_add_test(tc, retry_in_each_state);
	tcase_add_test(tc, what_runs_here_is_cancelled_soon);
	tcase_add_test(tc, absent_and_forgotten);
	tcase_add_test(tc, what_has_not_changed);
	tcase_add_test(tc, conditions_of_changes);

	tc = it_case(s, "waiting");
	tcase_add_test(tc, a_put_that_waits);
	tcase_add_test(tc, puts_that_wait_miss_no_news);
	tcase_add_test(tc, wishes);
	tcase_add_test(tc, a_get_that_waits);
	tcase_add_test(tc, a_crowd_waits_for_one_job);
	tcase_add_test(tc, who_leaves_cancels_nothing);

	tc = it_case(s, "ends");
	tcase_add_test(tc, a_reload_answers_who_waits);
	tcase_add_test(tc, a_stop_answers_who_waits);
	tcase_add_test(tc, while_the_database_is_away);
	tcase_add_test(tc, without_a_database_there_is_no_queue);
}

int
main(void)
{
	return it_main("jobs_wait", fill, IT_WITH_PG);
}
