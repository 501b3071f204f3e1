/*
 * it_jobs_work.c - workers over HTTP: jobs claimed, in order and no more than may run; finished,
 * failed, extended, by whoever holds the lease; and workers that wait, and those that leave.
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

/* --- claiming --- */

START_TEST(the_most_urgent_and_the_oldest_first)
{
	struct daemon *d = jobs_start(NULL, NULL);
	static const int priorities[] = {5, 9, 0, 5, 0, 9, 5};
	static const int order[] = {2, 4, 0, 3, 6, 1, 5};
	char *id[N(priorities)];

	for (size_t i = 0; i < N(priorities); i++)
		id[i] = jobs_put(d, "{\"kind\":\"x\",\"priority\":%d,\"args\":{\"n\":%zu}}",
				 priorities[i], i);
	/* what plazad runs is nobody else's, and others are not plazad's */
	char *sleeps = jobs_put(d, "{\"kind\":\"sleep\",\"args\":{\"ms\":0},\"priority\":0}");
	jobs_ends(d, sleeps, "done");
	json_t *first = jobs_ask(d, "POST", NULL, NULL, 200, QUEUES "/default/claim?max=3");
	json_t *rest = jobs_ask(d, "POST", NULL, NULL, 200, QUEUES "/default/claim?max=100");
	ck_assert_uint_eq(json_array_size(json_object_get(first, "jobs")), 3);
	ck_assert_uint_eq(json_array_size(json_object_get(rest, "jobs")), 4);
	for (size_t i = 0; i < N(order); i++) {
		const json_t *job =
		    i < 3 ? job_item(first, "jobs", i) : job_item(rest, "jobs", i - 3);

		ck_assert_str_eq(job_str(job, "id"), id[order[i]]);
		ck_assert_str_eq(job_str(job, "kind"), "x");
		ck_assert_int_eq(job_int(job, "attempt"), 1);
		ck_assert_int_gt(job_int(job, "lease"), 0);
		ck_assert_ptr_nonnull(job_str(job, "deadline"));
		ck_assert_int_eq(job_int(json_object_get(job, "args"), "n"), order[i]);
		ck_assert_uint_eq(json_object_size(job), 6);
		jobs_is(d, id[order[i]], "running");
	}
	jobs_do(d, "POST", NULL, NULL, 204, QUEUES "/default/claim");
	for (size_t i = 0; i < N(priorities); i++)
		free(id[i]);
	free(sleeps);
	json_decref(first);
	json_decref(rest);
	daemon_stop(d);
}
END_TEST

static const struct claim_form {
	const char *query;
	const char *parameters; /* NULL: it is taken */
} claims[] = {
    {"", NULL},
    {"?max=1", NULL},
    {"?max=100&wait=0&lease=1", NULL},
    {"?lease=86400", NULL},
    {"?max=0", "max"},
    {"?max=101", "max"},
    {"?max=-1", "max"},
    {"?max=", "max"},
    {"?max", "max"},
    {"?max=1.5", "max"},
    {"?max=1&max=2", "max"},
    {"?max=0000000001", "max"},
    {"?wait=61", "wait"},
    {"?wait=x", "wait"},
    {"?wait=1s", "wait"},
    {"?wait=-1", "wait"},
    {"?lease=0", "lease"},
    {"?lease=86401", "lease"},
    {"?lease=18446744073709551617", "lease"},
    {"?max=a&wait=b&lease=c&more=d", "max wait lease more"},
};

START_TEST(what_a_claim_may_ask)
{
	struct daemon *d = jobs_start(NULL, NULL);
	/* the last one is a character too long */
	static const char too_long[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
				       "aaaaaaaaaaa";
	static const char *const names[] = {"a%20b", "%00", "a%2fb", "%ff", too_long};

	for (size_t i = 0; i < N(claims); i++) {
		char *target = it_printf(QUEUES "/default/claim%s", claims[i].query);

		if (claims[i].parameters)
			jobs_refused(d, "POST", target, NULL, NULL, 400, "bad-parameter",
				     claims[i].parameters);
		else
			jobs_do(d, "POST", NULL, NULL, 204, "%s", target);
		free(target);
	}
	for (size_t i = 0; i < N(names); i++) {
		char *target = it_printf(QUEUES "/%s/claim", names[i]);

		jobs_refused(d, "POST", target, NULL, NULL, 404, "not-found", NULL);
		free(target);
	}
	jobs_do(d, "POST", NULL, NULL, 204, QUEUES "/never-heard-of/claim");
	jobs_refused(d, "POST", QUEUES "/default/claim", "Accept: application/problem+json\r\n",
		     NULL, 406, "not-acceptable", NULL);
	daemon_stop(d);
}
END_TEST

/* --- finish, fail, extend --- */

enum { LEASE = 1, RESULT = 2, ERROR = 4, RETRY = 8, AFTER = 16, EXTEND = 32, PROGRESS = 64 };

static const struct value {
	const char *json;
	unsigned takes;
} values[] = {
    {"null", RESULT},
    {"true", RESULT | RETRY},
    {"false", RESULT | RETRY},
    {"[]", RESULT},
    {"[1]", RESULT},
    {"{}", RESULT},
    {"{\"pct\":40}", RESULT | PROGRESS},
    {"{\"pct\":101}", RESULT},
    {"{\"pct\":40,\"of\":7}", RESULT},
    {"{\"pct\":\"40\"}", RESULT},
    {"0", RESULT | AFTER | PROGRESS},
    {"1", RESULT | AFTER | PROGRESS | EXTEND},
    {"1.0", RESULT | AFTER | PROGRESS | EXTEND},
    {"100", RESULT | AFTER | PROGRESS | EXTEND},
    {"101", RESULT | AFTER | EXTEND},
    {"86400", RESULT | AFTER | EXTEND},
    {"86401", RESULT | AFTER},
    {"604800", RESULT | AFTER},
    {"604801", RESULT},
    {"-1", RESULT},
    {"0.5", RESULT},
    {"9223372036854775807", RESULT},
    {"9223372036854775808", RESULT},
    {"1e300", RESULT},
    {"\"\"", RESULT},
    {"\"7\"", RESULT | ERROR},
    {"\"no such file\\n at line 7\"", RESULT | ERROR},
    {"\"'); drop table jobs; --\"", RESULT | ERROR},
    {"\"\xc3\xa9 \\ud83d\\ude00\"", RESULT | ERROR},
    {"\"a\\u0000\"", RESULT},
};

static const struct member {
	const char *verb, *name;
	unsigned bit;
} members[] = {
    {"finish", "result", RESULT},   {"fail", "error", ERROR},
    {"fail", "retry", RETRY},       {"fail", "retry_after_s", AFTER},
    {"extend", "extend_s", EXTEND}, {"extend", "progress", PROGRESS},
    {"finish", "lease", LEASE},     {"fail", "lease", LEASE},
    {"extend", "lease", LEASE},
};

START_TEST(every_type_in_every_member)
{
	struct daemon *d = jobs_start(NULL, NULL);

	for (size_t m = 0; m < N(members); m++) {
		const struct member *member = &members[m];
		json_t *job = NULL;

		for (size_t v = 0; v < N(values); v++) {
			const bool takes = (values[v].takes & member->bit) != 0;

			if (!job) {
				free(jobs_put(d, "{\"kind\":\"x\",\"max_attempts\":1}"));
				job = jobs_claim(d, "default", 600);
			}
			char *target = it_printf(JOBS "/%s/%s", job_str(job, "id"), member->verb);
			char *pointer = it_printf("/%s", member->name);
			char *given = it_printf("\"%s\":%s", member->name, values[v].json);
			char *body = it_printf("{\"lease\":%" JSON_INTEGER_FORMAT ",%s}",
					       job_int(job, "lease"), given);
			char *only = it_printf("{%s}", given);

			if (takes) {
				json_decref(jobs_call(d, job, member->verb, given, 200));
				/* finished, failed: another one is needed */
				if (member->bit & (RESULT | ERROR | RETRY | AFTER)) {
					json_decref(job);
					job = NULL;
				}
			} else if (member->bit != LEASE) {
				jobs_refused(d, "POST", target, JSON, body, 422, "validation",
					     pointer);
			} else {
				/* a number that is no lease of this job's is lost */
				const bool is_number = strspn(values[v].json, "0123456789") ==
							   strlen(values[v].json) &&
						       strcmp(values[v].json, "0") != 0 &&
						       strncmp(values[v].json, "92233", 5) != 0;
				jobs_refused(d, "POST", target, JSON, only, is_number ? 409 : 422,
					     is_number ? "lease-lost" : "validation",
					     is_number ? NULL : pointer);
			}
			free(only);
			free(body);
			free(given);
			free(pointer);
			free(target);
		}
		/* nothing of it has taken the lease from who has it */
		if (job)
			json_decref(jobs_call(d, job, "finish", NULL, 200));
		json_decref(job);
	}
	daemon_stop(d);
}
END_TEST

static const struct form {
	const char *body;
	int status;
	const char *type, *pointers;
} forms[] = {
    {"{", 400, "not-json", NULL},
    {"[]", 422, "validation", "."},
    {"null", 422, "validation", "."},
    {"7", 422, "validation", "."},
    {"{}", 422, "validation", "/lease"},
    {"{\"lease\":1,\"lease\":2}", 400, "not-json", NULL},
    {"{\"lease\":1e0}", 422, "validation", "/lease"},
    {"{\"lease\":1,\"more\":1}", 422, "validation", "/more"},
    {"{\"lease\":7777}", 409, "lease-lost", NULL},
};

START_TEST(forms_that_are_none)
{
	static const char *const verbs[] = {"finish", "fail", "extend"};
	static const char *const accepted[] = {"lease and result",
					       "lease, error, retry and retry_after_s",
					       "lease, extend_s and progress"};
	struct daemon *d = jobs_start(NULL, NULL);

	free(jobs_put(d, "{\"kind\":\"x\"}"));
	json_t *job = jobs_claim(d, "default", 600);
	for (size_t v = 0; v < N(verbs); v++) {
		char *target = it_printf(JOBS "/%s/%s", job_str(job, "id"), verbs[v]);

		for (size_t i = 0; i < N(forms); i++)
			jobs_refused(d, "POST", target, JSON, forms[i].body, forms[i].status,
				     forms[i].type, forms[i].pointers);
		free(target);
		/* a job that there is not has no lease */
		target = it_printf(JOBS "/01a20765-d507-74ad-b6ff-1870e4e93680/%s", verbs[v]);
		jobs_refused(d, "POST", target, JSON, "{\"lease\":1}", 409, "lease-lost", NULL);
		free(target);
		target = it_printf(JOBS "/x/%s", verbs[v]);
		jobs_refused(d, "POST", target, JSON, "{\"lease\":1}", 404, "not-found", NULL);
		free(target);
		json_t *problem = jobs_ask(d, "POST", JSON, "{\"lease\":1,\"more\":1}", 422,
					   JOBS "/%s/%s", job_str(job, "id"), verbs[v]);
		char *detail = it_printf("is not a member of this; %s are accepted", accepted[v]);
		ck_assert_str_eq(job_str(job_item(problem, "errors", 0), "detail"), detail);
		free(detail);
		json_decref(problem);
	}
	jobs_is(d, job_str(job, "id"), "running");
	json_decref(job);
	daemon_stop(d);
}
END_TEST

START_TEST(a_job_done)
{
	struct daemon *d = jobs_start(NULL, NULL);

	char *id = jobs_put(d, "{\"kind\":\"x\"}");
	json_t *job = jobs_claim(d, "default", 600);
	json_t *answer = jobs_call(d, job, "finish", "\"result\":{\"b\":1.50,\"a\":[null]}", 200);
	ck_assert_str_eq(job_str(answer, "state"), "done");
	ck_assert_str_eq(job_str(answer, "id"), id);
	json_decref(answer);
	answer = jobs_get(d, id);
	ck_assert_str_eq(job_str(answer, "state"), "done");
	ck_assert_int_eq(job_int(answer, "attempt"), 1);
	char *text = json_dumps(json_object_get(answer, "result"), JSON_COMPACT);
	ck_assert_str_eq(text, "{\"b\":1.5,\"a\":[null]}");
	ck_assert_ptr_nonnull(job_str(answer, "ended_at"));
	free(text);
	json_decref(answer);
	/* told again by a worker that has not heard the answer: the same; told otherwise: too late
	 */
	answer = jobs_call(d, job, "finish", "\"result\":{\"b\":1.50,\"a\":[null]}", 200);
	ck_assert_str_eq(job_str(answer, "state"), "done");
	json_decref(answer);
	json_decref(jobs_call(d, job, "fail", NULL, 409));
	json_decref(jobs_call(d, job, "extend", NULL, 409));
	jobs_is(d, id, "done");
	json_decref(job);
	free(id);
	daemon_stop(d);
}
END_TEST

START_TEST(a_job_fails)
{
	struct daemon *d = jobs_start(NULL, NULL);

	/* at once again, later again, and then no more */
	char *id = jobs_put(d, "{\"kind\":\"x\",\"max_attempts\":3}");
	json_t *job = jobs_claim(d, "default", 600);
	json_t *answer = jobs_call(d, job, "fail", "\"error\":\"first\",\"retry_after_s\":0", 200);
	ck_assert_str_eq(job_str(answer, "state"), "queued");
	json_decref(answer);
	json_decref(job);
	job = jobs_claim(d, "default", 600);
	ck_assert_int_eq(job_int(job, "attempt"), 2);
	answer = jobs_call(d, job, "fail", "\"error\":\"second\",\"retry_after_s\":1", 200);
	ck_assert_str_eq(job_str(answer, "state"), "scheduled");
	json_decref(answer);
	jobs_is(d, id, "scheduled");
	json_decref(job);
	/* one who waits gets it when its time has come */
	job = jobs_claim(d, "default", 600);
	ck_assert_int_eq(job_int(job, "attempt"), 3);
	answer = jobs_call(d, job, "fail", "\"error\":\"third\"", 200);
	ck_assert_str_eq(job_str(answer, "state"), "dead");
	json_decref(answer);
	json_decref(job);
	answer = jobs_get(d, id);
	ck_assert_str_eq(job_str(answer, "state"), "dead");
	static const char *const errors[] = {"first", "second", "third"};
	for (size_t i = 0; i < 3; i++) {
		const json_t *error = job_item(answer, "errors", i);

		ck_assert_str_eq(job_str(error, "error"), errors[i]);
		ck_assert_int_eq(job_int(error, "attempt"), (json_int_t)i + 1);
		ck_assert_ptr_nonnull(job_str(error, "at"));
	}
	json_decref(answer);
	/* redriven it has as many attempts again */
	jobs_do(d, "POST", NULL, NULL, 202, JOBS "/%s/retry", id);
	job = jobs_claim(d, "default", 600);
	ck_assert_int_eq(job_int(job, "attempt"), 4);
	/* for good: there is no other attempt, though there could be two */
	answer = jobs_call(d, job, "fail", "\"error\":\"fourth\",\"retry\":false", 200);
	ck_assert_str_eq(job_str(answer, "state"), "failed");
	json_decref(answer);
	json_decref(job);
	jobs_is(d, id, "failed");
	/* without a time it is the usual pause, at least a second */
	free(id);
	id = jobs_put(d, "{\"kind\":\"x\"}");
	job = jobs_claim(d, "default", 600);
	answer = jobs_call(d, job, "fail", NULL, 200);
	ck_assert_str_eq(job_str(answer, "state"), "scheduled");
	ck_assert_double_ge(json_number_value(json_object_get(answer, "retry_in_s")), 0.999);
	json_decref(answer);
	json_decref(job);
	free(id);
	daemon_stop(d);
}
END_TEST

START_TEST(an_extension_tells_of_cancel_and_progress)
{
	struct daemon *d = jobs_start(NULL, NULL);

	char *id = jobs_put(d, "{\"kind\":\"x\"}");
	json_t *job = jobs_claim(d, "default", 5);
	json_t *answer = jobs_call(d, job, "extend", "\"progress\":40,\"extend_s\":600", 200);
	ck_assert(json_is_false(json_object_get(answer, "cancel")));
	ck_assert_int_gt(strcmp(job_str(answer, "deadline"), job_str(job, "deadline")), 0);
	/* who tells nothing but his progress, and so asks for less, loses nothing */
	json_t *again = jobs_call(d, job, "extend", "\"progress\":40", 200);
	ck_assert_str_eq(job_str(again, "deadline"), job_str(answer, "deadline"));
	json_decref(again);
	json_decref(answer);
	answer = jobs_get(d, id);
	ck_assert_int_eq(job_int(json_object_get(answer, "progress"), "pct"), 40);
	json_decref(answer);
	/* without a number it stays */
	json_decref(jobs_call(d, job, "extend", NULL, 200));
	json_decref(jobs_call(d, job, "extend", "\"progress\":{\"pct\":70}", 200));
	jobs_do(d, "DELETE", NULL, NULL, 202, JOBS "/%s", id);
	answer = jobs_call(d, job, "extend", NULL, 200);
	ck_assert(json_is_true(json_object_get(answer, "cancel")));
	json_decref(answer);
	answer = jobs_get(d, id);
	ck_assert_str_eq(job_str(answer, "state"), "running");
	ck_assert(json_is_true(json_object_get(answer, "cancelling")));
	ck_assert_int_eq(job_int(json_object_get(answer, "progress"), "pct"), 70);
	json_decref(answer);
	/* the worker gives up */
	answer = jobs_call(d, job, "fail", "\"error\":\"cancelled\"", 200);
	ck_assert_str_eq(job_str(answer, "state"), "cancelled");
	json_decref(answer);
	jobs_is(d, id, "cancelled");
	json_decref(job);
	free(id);
	daemon_stop(d);
}
END_TEST

START_TEST(whoever_is_late_is_refused)
{
	struct daemon *d = jobs_start(NULL, NULL);

	char *id = jobs_put(d, "{\"kind\":\"x\",\"max_attempts\":2}");
	json_t *late = jobs_claim(d, "default", 1);
	/* another one waits, and gets it when the deadline is over */
	json_t *job = jobs_claim(d, "default", 600);
	ck_assert_str_eq(job_str(job, "id"), id);
	ck_assert_int_eq(job_int(job, "attempt"), 2);
	ck_assert_int_gt(job_int(job, "lease"), job_int(late, "lease"));
	json_decref(jobs_call(d, late, "finish", "\"result\":\"late\"", 409));
	json_decref(jobs_call(d, late, "fail", NULL, 409));
	json_decref(jobs_call(d, late, "extend", NULL, 409));
	json_decref(jobs_call(d, job, "finish", "\"result\":\"in time\"", 200));
	json_decref(jobs_call(d, late, "finish", "\"result\":\"late\"", 409));
	json_t *answer = jobs_get(d, id);
	ck_assert_str_eq(job_str(answer, "result"), "in time");
	ck_assert_int_eq(strncmp(job_str(job_item(answer, "errors", 0), "error"), "lost: ", 6), 0);
	json_decref(answer);
	json_decref(job);
	json_decref(late);
	free(id);
	/* the last attempt was lost: it is dead */
	id = jobs_put(d, "{\"kind\":\"x\",\"max_attempts\":1}");
	late = jobs_claim(d, "default", 1);
	jobs_ends(d, id, "dead");
	json_decref(jobs_call(d, late, "finish", NULL, 409));
	json_decref(late);
	free(id);
	/* and where a cancel was asked for, cancelled */
	id = jobs_put(d, "{\"kind\":\"x\"}");
	late = jobs_claim(d, "default", 1);
	jobs_do(d, "DELETE", NULL, NULL, 202, JOBS "/%s", id);
	jobs_ends(d, id, "cancelled");
	json_decref(jobs_call(d, late, "finish", NULL, 409));
	json_decref(late);
	free(id);
	daemon_stop(d);
}
END_TEST

/* --- waiting --- */

#define CLAIMERS 8

START_TEST(who_waits_first_is_served_first)
{
	struct daemon *d = jobs_start("server.workers=1", NULL);
	struct http_conn c[CLAIMERS];
	char *id[CLAIMERS];

	for (int i = 0; i < CLAIMERS; i++) {
		jobs_send(&c[i], d, "POST", QUEUES "/q/claim?wait=30", NULL, "");
		jobs_settle(d);
	}
	/* one by one: each goes to the one who waits for the longest time */
	for (int i = 0; i < CLAIMERS / 2; i++) {
		id[i] = jobs_put(d, "{\"kind\":\"x\",\"queue\":\"q\"}");
		json_t *answer = jobs_read(&c[i], 200);
		ck_assert_str_eq(job_str(job_item(answer, "jobs", 0), "id"), id[i]);
		json_decref(answer);
		free(id[i]);
	}
	/* and all at once */
	jobs_do(d, "POST", NULL,
		"[{\"kind\":\"x\",\"queue\":\"q\"},{\"kind\":\"x\",\"queue\":\"q\"},"
		"{\"kind\":\"x\",\"queue\":\"q\"},{\"kind\":\"x\",\"queue\":\"q\"}]",
		200, JOBS);
	json_int_t last = 0;
	for (int i = CLAIMERS / 2; i < CLAIMERS; i++) {
		json_t *answer = jobs_read(&c[i], 200);
		const json_int_t lease = job_int(job_item(answer, "jobs", 0), "lease");

		ck_assert_int_gt(lease, last);
		last = lease;
		json_decref(answer);
	}
	daemon_stop(d);
}
END_TEST

START_TEST(a_put_in_any_worker_wakes_who_waits)
{
	struct daemon *d = jobs_start(NULL, NULL);

	for (int i = 0; i < 20; i++) {
		struct http_conn waits, puts;
		struct http_answer a;

		/* on connections that may be of one worker or of two */
		jobs_send(&waits, d, "POST", QUEUES "/q/claim?wait=30", NULL, "");
		const uint64_t began = it_now_ms();
		http_open(&puts, daemon_port(d));
		http_exchange(&puts, "POST", JOBS, JSON, "{\"kind\":\"x\",\"queue\":\"q\"}", &a);
		ck_assert_int_eq(a.status, 202);
		http_answer_fini(&a);
		http_close(&puts);
		json_t *answer = jobs_read(&waits, 200);
		ck_assert_uint_eq(json_array_size(json_object_get(answer, "jobs")), 1);
		/* it was told: a look each second would take longer */
		if (!it_has_sanitizers())
			ck_assert_uint_lt(it_now_ms() - began, 500);
		json_decref(jobs_call(d, job_item(answer, "jobs", 0), "finish", NULL, 200));
		json_decref(answer);
	}
	daemon_stop(d);
}
END_TEST

START_TEST(none_comes_in_time)
{
	struct daemon *d = jobs_start(NULL, NULL);
	const uint64_t began = it_now_ms();

	jobs_do(d, "POST", NULL, NULL, 204, QUEUES "/q/claim?wait=1");
	ck_assert_uint_ge(it_now_ms() - began, 990);
	ck_assert_uint_lt(it_now_ms() - began, 10000);
	/* scheduled ones are none yet */
	free(jobs_put(d, "{\"kind\":\"x\",\"queue\":\"q\",\"run_at\":\"2037-01-01T00:00:00Z\"}"));
	jobs_do(d, "POST", NULL, NULL, 204, QUEUES "/q/claim?wait=1");
	daemon_stop(d);
}
END_TEST

START_TEST(a_scheduled_one_wakes_who_waits)
{
	struct daemon *d = jobs_start(NULL, NULL);

	job_do("select job_enqueue('x', queue => 'q', run_at => now() + interval '600 ms')");
	json_t *job = jobs_claim(d, "q", 60);
	ck_assert_int_eq(job_number("select (now() >= run_at)::int from jobs"), 1);
	json_decref(job);
	daemon_stop(d);
}
END_TEST

/* Whoever leaves while it waits takes no job with it. */
START_TEST(who_leaves_loses_no_job)
{
	struct daemon *d = jobs_start(NULL, NULL);
	struct http_conn c[CLAIMERS];
	long n = 0;

	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < CLAIMERS; i++)
			jobs_send(&c[i], d, "POST", QUEUES "/q/claim?wait=30&max=2&lease=600", NULL,
				  "");
		/* some leave just when there is something for them */
		for (int i = 0; i < CLAIMERS / 2; i++)
			http_close(&c[i]);
		for (int i = 0; i < CLAIMERS; i++, n++)
			free(jobs_put(d, "{\"kind\":\"x\",\"queue\":\"q\",\"args\":%ld}", n));
		for (int i = CLAIMERS / 2; i < CLAIMERS; i++)
			http_close(&c[i]);
	}
	/*
	 * What was on its way to them they have got, as far as the server can know, and the rest is
	 * there. None of it is gone.
	 */
	WAIT_UNTIL(({
		struct http_answer a;

		http_request(daemon_port(d), "POST", QUEUES "/q/claim?max=100", NULL, NULL, &a);
		if (a.status == 200) {
			json_t *all = json_loadb(a.body, a.body_len, 0, NULL);

			for (size_t i = 0; i < json_array_size(json_object_get(all, "jobs")); i++)
				json_decref(
				    jobs_call(d, job_item(all, "jobs", i), "finish", NULL, 200));
			json_decref(all);
		}
		const bool is_empty = a.status == 204;
		http_answer_fini(&a);
		is_empty &&job_number("select count(*) from job_ready") == 0;
	}));
	ck_assert_int_eq(job_number("select count(*) from job_lease l full join job_result r using "
				    "(id)"),
			 n);
	daemon_stop(d);
}
END_TEST

/* One that is parked for sure when it leaves: nothing is claimed for it. */
START_TEST(who_has_left_is_given_nothing)
{
	struct daemon *d = jobs_start("server.workers=1", NULL);
	struct http_conn c;

	for (int i = 0; i < 10; i++) {
		jobs_send(&c, d, "POST", QUEUES "/q/claim?wait=30&lease=600", NULL, "");
		jobs_settle(d);
		http_close(&c);
		jobs_settle(d);
		char *id = jobs_put(d, "{\"kind\":\"x\",\"queue\":\"q\"}");
		json_t *job = jobs_claim(d, "q", 60);
		ck_assert_str_eq(job_str(job, "id"), id);
		ck_assert_int_eq(job_int(job, "attempt"), 1);
		json_decref(jobs_call(d, job, "finish", NULL, 200));
		json_decref(job);
		free(id);
	}
	daemon_stop(d);
}
END_TEST

/* --- how many --- */

#define MANY  24
#define BOUND 5

START_TEST(no_more_are_claimed_than_may_run)
{
	struct daemon *d = jobs_start(NULL, NULL);
	struct http_conn c[MANY];
	long n = 0, most = 0;

	jobs_do(d, "PATCH", PATCH, "{\"concurrency\":5}", 200, QUEUES "/q");
	job_do("select job_enqueue('x', queue => 'q') from generate_series(1, 200)");
	for (int i = 0; i < MANY; i++)
		jobs_send(&c[i], d, "POST", QUEUES "/q/claim?wait=30&max=3&lease=600", NULL, "");
	while (n < 200) {
		for (int i = 0; i < MANY; i++) {
			const long now = job_number("select count(*) from job_lease");

			most = now > most ? now : most;
			ck_assert_int_le(now, BOUND);
			if (!http_readable(&c[i], 1))
				continue;
			struct http_answer a;

			http_read(&c[i], "POST", &a);
			ck_assert_int_eq(a.status, 200);
			json_t *all = json_loadb(a.body, a.body_len, 0, NULL);
			http_answer_fini(&a);
			http_close(&c[i]);
			jobs_send(&c[i], d, "POST", QUEUES "/q/claim?wait=30&max=3&lease=600", NULL,
				  "");
			for (size_t k = 0; k < json_array_size(json_object_get(all, "jobs"));
			     k++, n++)
				json_decref(
				    jobs_call(d, job_item(all, "jobs", k), "finish", NULL, 200));
			json_decref(all);
		}
	}
	ck_assert_int_eq(most, BOUND);
	ck_assert_int_eq(job_number("select count(*) from job_result where state = 'd'"), 200);
	for (int i = 0; i < MANY; i++)
		http_close(&c[i]);
	daemon_stop(d);
}
END_TEST

/* The same of two daemons on one database: the bound is the queue's. */
START_TEST(two_daemons_share_the_bound)
{
	struct daemon *d = jobs_start(NULL, NULL);
	char *dbname = pg_ask("select current_database()"), *conninfo = pg_conninfo_of(dbname);
	char *option = it_printf("store.database=%s", conninfo);
	struct daemon *other = daemon_start(option, NULL);

	jobs_wait_ready(other);
	jobs_do(d, "PATCH", PATCH, "{\"concurrency\":3}", 200, QUEUES "/q");
	job_do("select job_enqueue('x', queue => 'q') from generate_series(1, 10)");
	json_t *here = jobs_ask(d, "POST", NULL, NULL, 200, QUEUES "/q/claim?max=2&lease=600");
	json_t *there =
	    jobs_ask(other, "POST", NULL, NULL, 200, QUEUES "/q/claim?max=10&lease=600");
	ck_assert_uint_eq(json_array_size(json_object_get(here, "jobs")), 2);
	ck_assert_uint_eq(json_array_size(json_object_get(there, "jobs")), 1);
	jobs_do(d, "POST", NULL, NULL, 204, QUEUES "/q/claim?max=10");
	jobs_do(other, "POST", NULL, NULL, 204, QUEUES "/q/claim?max=10");
	/* each may finish what the other has claimed; and sees what the other one does */
	struct http_conn waits;
	char *target = it_printf(JOBS "/%s?wait=20", job_str(job_item(here, "jobs", 0), "id"));
	jobs_send(&waits, d, "GET", target, NULL, NULL);
	json_decref(jobs_call(other, job_item(here, "jobs", 0), "finish", NULL, 200));
	json_t *job = jobs_read(&waits, 200);
	ck_assert_str_eq(job_str(job, "state"), "done");
	json_decref(job);
	/* what is put there is claimed here by who waits */
	jobs_send(&waits, d, "POST", QUEUES "/w/claim?wait=20", NULL, "");
	char *id = jobs_put(other, "{\"kind\":\"x\",\"queue\":\"w\"}");
	job = jobs_read(&waits, 200);
	ck_assert_str_eq(job_str(job_item(job, "jobs", 0), "id"), id);
	json_decref(job);
	free(id);
	json_decref(here);
	json_decref(there);
	free(target);
	free(option);
	free(conninfo);
	free(dbname);
	daemon_stop(other);
	daemon_stop(d);
}
END_TEST

static void
fill(Suite *s)
{
	TCase *tc = it_case(s, "claims");
	tcase_add_test(tc, the_most_urgent_and_the_oldest_first);
	tcase_add_test(tc, what_a_claim_may_ask);
	tcase_add_test(tc, no_more_are_claimed_than_may_run);
	tcase_add_test(tc, two_daemons_share_the_bound);

	tc = it_case(s, "ends");
	tcase_add_test(tc, every_type_in_every_member);
	tcase_add_test(tc, forms_that_are_none);
	tcase_add_test(tc, a_job_done);
	tcase_add_test(tc, a_job_fails);
	tcase_add_test(tc, an_extension_tells_of_cancel_and_progress);
	tcase_add_test(tc, whoever_is_late_is_refused);

	tc = it_case(s, "waiting");
	tcase_add_test(tc, who_waits_first_is_served_first);
	tcase_add_test(tc, a_put_in_any_worker_wakes_who_waits);
	tcase_add_test(tc, none_comes_in_time);
	tcase_add_test(tc, a_scheduled_one_wakes_who_waits);
	tcase_add_test(tc, who_leaves_loses_no_job);
	tcase_add_test(tc, who_has_left_is_given_nothing);
}

int
main(void)
{
	return it_main("jobs_work", fill, IT_WITH_PG);
}
