/*
 * it_jobs_put.c - jobs put over HTTP and by SQL: each member with each type and bound, one and
 * many, with ids and unique keys of the client's, into queues that are full.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/pg.c tests/it/job_db.c tests/it/job_http.c -lpq -ljansson */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "http_client.h"
#include "job_db.h"
#include "job_http.h"
#include "pg.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))

/* --- every type in every member --- */

#define A16  "aaaaaaaaaaaaaaaa"
#define A64  A16 A16 A16 A16
#define A255 A64 A64 A64 A16 A16 A16 "aaaaaaaaaaaaaaa"

enum { KIND = 1, QUEUE = 2, PRIORITY = 4, MAX = 8, RUN_AT = 16, UNIQUE = 32 };
#define NAME (KIND | QUEUE | UNIQUE)

static const struct value {
	const char *json;
	unsigned takes; /* the members that take it */
} values[] = {
    {"null", RUN_AT | UNIQUE},
    {"true", 0},
    {"false", 0},
    {"[]", 0},
    {"[1]", 0},
    {"[\"a\"]", 0},
    {"{}", 0},
    {"{\"kind\":\"a\"}", 0},
    {"0", PRIORITY},
    {"-0", PRIORITY},
    {"0.0", PRIORITY},
    {"1", PRIORITY | MAX},
    {"5.0", PRIORITY | MAX},
    {"5e0", PRIORITY | MAX},
    {"9", PRIORITY | MAX},
    {"10", MAX},
    {"1e2", MAX},
    {"100", MAX},
    {"101", 0},
    {"-1", 0},
    {"0.5", 0},
    {"9.000001", 0},
    {"32768", 0},
    {"65541", 0},
    {"4294967297", 0},
    {"18446744073709551617", 0},
    {"1e300", 0},
    {"1e-300", 0},
    {"\"\"", 0},
    {"\"5\"", NAME},
    {"\"a\"", NAME},
    {"\"A.b_c-9\"", NAME},
    {"\"...\"", NAME},
    {"\".\"", UNIQUE},
    {"\"..\"", UNIQUE},
    {"\"" A64 "\"", NAME},
    {"\"" A64 "a\"", UNIQUE},
    {"\"" A255 "\"", UNIQUE},
    {"\"" A255 "a\"", 0},
    {"\"a b\"", UNIQUE},
    {"\"a/b\"", UNIQUE},
    {"\"'); drop table jobs; --\"", UNIQUE},
    {"\"%s%n\"", UNIQUE},
    {"\"\xc3\xa9\"", UNIQUE},
    {"\"\\ud83d\\ude00\"", UNIQUE},
    {"\"\\u0000\"", 0},
    {"\"a\\u0000\"", 0},
    {"\"\\n\"", 0},
    {"\"\\u007f\"", 0},
    {"\"2037-01-01T00:00:00Z\"", RUN_AT | UNIQUE},
    {"\"2037-01-01T00:00:00.123456+23:59\"", RUN_AT | UNIQUE},
    {"\"1970-01-01T00:00:00Z\"", RUN_AT | UNIQUE},
    {"\"9999-12-31T23:59:59.999Z\"", RUN_AT | UNIQUE},
    {"\"1969-12-31T23:59:59Z\"", UNIQUE},
    {"\"9999-12-31T23:59:59-01:00\"", UNIQUE},
    {"\"2037-02-29T00:00:00Z\"", UNIQUE},
    {"\"2037-01-01\"", NAME},
    {"\"now\"", NAME},
    {"\"infinity\"", NAME},
};

static const struct member {
	const char *name;
	unsigned bit;
} members[] = {
    {"kind", KIND},        {"queue", QUEUE},   {"priority", PRIORITY},
    {"max_attempts", MAX}, {"run_at", RUN_AT}, {"unique", UNIQUE},
};

/* The member as the answer has it is what was given; numbers count by their value. */
static void
expect_member(const json_t *job, const char *name, const char *text)
{
	const json_t *got = json_object_get(job, name);
	json_t *want = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

	if (json_is_null(want))
		ck_assert_msg(!got, "%s", name);
	else if (strcmp(name, "run_at") == 0)
		ck_assert_msg(json_is_string(got), "%s", text);
	else if (json_is_number(want))
		ck_assert_msg(json_number_value(got) == json_number_value(want), "%s", text);
	else
		ck_assert_msg(json_equal(got, want), "%s", text);
	json_decref(want);
}

START_TEST(every_type_in_every_member)
{
	struct daemon *d = jobs_start(NULL, NULL);
	long put = 0;

	for (size_t v = 0; v < N(values); v++) {
		for (size_t m = 0; m < N(members); m++) {
			const bool takes = (values[v].takes & members[m].bit) != 0;
			char pointer[40], places[200];
			char *body = it_printf(
			    "{%s%s\"%s\":%s}", members[m].bit == KIND ? "" : "\"kind\":\"x\"",
			    members[m].bit == KIND ? "" : ",", members[m].name, values[v].json);

			snprintf(pointer, sizeof(pointer), "/%s", members[m].name);
			if (!takes) {
				jobs_refused(d, "POST", JOBS, JSON, body, 422, "validation",
					     pointer);
			} else {
				json_t *made = jobs_ask(d, "POST", NULL, body, 202, JOBS);
				json_t *job = jobs_get(d, job_str(made, "id"));

				expect_member(made, members[m].name, values[v].json);
				expect_member(job, members[m].name, values[v].json);
				json_decref(made);
				json_decref(job);
				put++;
			}
			/* and the same as one of many; what is unique is there now */
			char *many = it_printf("[%s]", body);
			json_t *answer = jobs_ask(d, "POST", NULL, many, 200, JOBS);
			const json_t *item = job_item(answer, "results", 0);
			const bool is_same = takes && members[m].bit == UNIQUE &&
					     strcmp(values[v].json, "null") != 0;
			ck_assert_msg(job_int(item, "status") == (!takes    ? 422
								  : is_same ? 200
									    : 202),
				      "%s", many);
			jobs_places(json_object_get(item, "errors"), places, sizeof(places));
			ck_assert_str_eq(places, takes ? "" : pointer);
			put += takes && !is_same;
			json_decref(answer);
			free(many);
			free(body);
		}
	}
	ck_assert_int_eq(job_number("select count(*) from jobs"), put);
	daemon_stop(d);
}
END_TEST

/* --- forms --- */

static const struct form {
	const char *body, *fields;
	int status;
	const char *type, *pointers;
} forms[] = {
    {"", JSON, 400, "not-json", NULL},
    {"{", JSON, 400, "not-json", NULL},
    {"{\"kind\":\"x\"}x", JSON, 400, "not-json", NULL},
    {"{\"kind\":\"\xff\"}", JSON, 400, "not-json", NULL},
    {"{\"kind\":\"x\",\"kind\":\"y\"}", JSON, 400, "not-json", NULL},
    {"{\"kind\":\"x\",\"args\":NaN}", JSON, 400, "not-json", NULL},
    {"{\"kind\":\"x\",\"args\":1e999}", JSON, 422, "validation", "."},
    {"[]", JSON, 422, "validation", "."},
    {"null", JSON, 422, "validation", "."},
    {"true", JSON, 422, "validation", "."},
    {"7", JSON, 422, "validation", "."},
    {"\"sleep\"", JSON, 422, "validation", "."},
    {"{}", JSON, 422, "validation", "/kind"},
    {"{\"args\":{}}", JSON, 422, "validation", "/kind"},
    {"{\"kind\":\"x\",\"id\":\"y\"}", JSON, 422, "validation", "/id"},
    {"{\"kind\":\"x\",\"a/b~\":1}", JSON, 422, "validation", "/a~1b~0"},
    {"{\"kind\":1,\"queue\":2,\"priority\":\"3\",\"run_at\":4,\"max_attempts\":[],\"unique\":6,"
     "\"more\":7}",
     JSON, 422, "validation", "/kind /queue /priority /run_at /max_attempts /unique /more"},
    {"{\"kind\":\"sleep\",\"args\":{\"ms\":-1}}", JSON, 422, "validation", "/args/ms"},
    {"{\"kind\":\"sleep\",\"args\":[]}", JSON, 422, "validation", "/args"},
    {"{\"kind\":\"sleep\",\"args\":null}", JSON, 422, "validation", "/args"},
    {"{\"kind\":\"sleep\",\"args\":{\"hours\":1}}", JSON, 422, "validation", "/args/hours"},
    {"{\"kind\":\"fetch\"}", JSON, 422, "validation", "/args/urls"},
    {"{\"kind\":\"x\"}", "Content-Type: text/plain\r\n", 415, NULL, NULL},
    {"{\"kind\":\"x\"}", JSON "Accept: application/problem+json\r\n", 406, "not-acceptable", NULL},
};

START_TEST(forms_that_are_none)
{
	struct daemon *d = jobs_start(NULL, NULL);
	struct http_answer a;
	char uuid[37];

	job_uuid(uuid, 0);
	char *target = it_printf(JOBS "/%s", uuid);
	for (size_t i = 0; i < N(forms); i++) {
		const struct form *f = &forms[i];

		jobs_refused(d, "POST", JOBS, f->fields, f->body, f->status, f->type, f->pointers);
		/* a list is no job */
		jobs_refused(d, "PUT", target, f->fields, f->body, f->status, f->type, f->pointers);
	}
	jobs_refused(d, "PUT", target, JSON, "[{\"kind\":\"x\"}]", 422, "validation", ".");
	/* as large as a body may be, and a byte more */
	for (size_t extra = 0; extra < 2; extra++) {
		const size_t n = 65536 + extra;
		char *body = malloc(n + 1);

		memset(body, ' ', n);
		body[n] = '\0';
		memcpy(body, "{\"kind\":\"large\"}", 16);
		http_request(daemon_port(d), "POST", JOBS, JSON, body, &a);
		ck_assert_int_eq(a.status, extra ? 413 : 202);
		http_answer_fini(&a);
		free(body);
	}
	/* args have a bound below that, of any kind */
	for (size_t extra = 0; extra < 2; extra++) {
		const size_t n = 32768 - 2 + extra;
		char *body = malloc(n + 40),
		     *at = body + sprintf(body, "{\"kind\":\"x\",\"args\":\"");

		memset(at, 'a', n);
		memcpy(at + n, "\"}", 3);
		if (extra)
			jobs_refused(d, "POST", JOBS, JSON, body, 422, "validation", "/args");
		else
			jobs_do(d, "POST", NULL, body, 202, JOBS);
		free(body);
	}
	ck_assert_int_eq(job_number("select count(*) from jobs"), 2);
	free(target);
	daemon_stop(d);
}
END_TEST

/* What others run is any JSON, and comes back as it was sent. */
static const char *const args[] = {
    "null",
    "true",
    "7",
    "-0.10",
    "12345678901234567890.5",
    "\"text\"",
    "\"\\u0000 \\ud83d\\ude00\"",
    "[]",
    "[1, 2]",
    "{ \"b\":1,\"a\":{\"deep\":[[[]]]} }",
};

START_TEST(args_come_back_as_they_were_sent)
{
	struct daemon *d = jobs_start(NULL, NULL);
	struct http_answer a;

	for (size_t i = 0; i < N(args); i++) {
		char *id =
		    jobs_put(d, "{\"kind\":\"x\",\"queue\":\"q%zu\",\"args\": %s }", i, args[i]);
		char *target = it_printf(JOBS "/%s", id), *want = it_printf("\"args\":%s", args[i]);
		char *claim = it_printf(QUEUES "/q%zu/claim", i);

		http_request(daemon_port(d), "GET", target, NULL, NULL, &a);
		ck_assert_msg(strstr(a.body, want) != NULL, "%s: %s", want, a.body);
		http_answer_fini(&a);
		http_request(daemon_port(d), "POST", claim, NULL, NULL, &a);
		ck_assert_int_eq(a.status, 200);
		ck_assert_msg(strstr(a.body, want) != NULL, "%s: %s", want, a.body);
		http_answer_fini(&a);
		free(claim);
		free(want);
		free(target);
		free(id);
	}
	/* without them they are {} */
	json_t *job = jobs_ask(d, "POST", NULL, "{\"kind\":\"x\"}", 202, JOBS);
	ck_assert(json_is_object(json_object_get(job, "args")));
	ck_assert_uint_eq(json_object_size(json_object_get(job, "args")), 0);
	json_decref(job);
	daemon_stop(d);
}
END_TEST

/* --- one, many --- */

START_TEST(the_answer_is_the_job)
{
	struct daemon *d = jobs_start(NULL, NULL);
	struct http_answer a;

	http_request(daemon_port(d), "POST", JOBS, JSON,
		     "{\"kind\":\"bake\",\"args\":{\"n\":1},\"queue\":\"oven\",\"priority\":2,"
		     "\"max_attempts\":3,\"unique\":\"k\"}",
		     &a);
	ck_assert_int_eq(a.status, 202);
	json_t *made = json_loadb(a.body, a.body_len, 0, NULL);
	char *location = it_printf(JOBS "/%s", job_str(made, "id"));
	ck_assert_str_eq(http_field(&a, "Location"), location);
	ck_assert_ptr_nonnull(http_field(&a, "Server-Timing"));
	http_answer_fini(&a);
	json_t *job = jobs_get(d, job_str(made, "id"));
	ck_assert_ptr_nonnull(json_object_get(job, "created_at"));
	/* what it cannot know is added, and nothing differs */
	json_object_del(job, "created_at");
	char *got = json_dumps(job, JSON_SORT_KEYS), *said = json_dumps(made, JSON_SORT_KEYS);
	ck_assert_str_eq(got, said);
	ck_assert_str_eq(job_str(job, "state"), "queued");
	ck_assert_int_eq(job_int(job, "attempt"), 0);
	ck_assert_int_eq(job_int(job, "max_attempts"), 3);
	ck_assert_int_eq(job_int(job, "priority"), 2);
	ck_assert_str_eq(job_str(job, "unique"), "k");
	free(got);
	free(said);
	free(location);
	json_decref(job);
	json_decref(made);
	daemon_stop(d);
}
END_TEST

START_TEST(many_at_once)
{
	struct daemon *d = jobs_start(NULL, NULL);
	char *body = malloc(65536), *at = body;

	/* good and bad ones mixed, each has its answer in its place */
	for (int i = 0; i < 1000; i++)
		at += sprintf(at, "%s%s", i ? "," : "[",
			      i % 10 == 9   ? "{\"kind\":\"\"}"
			      : i % 10 == 8 ? "{\"kind\":\"x\",\"unique\":\"u\"}"
					    : "{\"kind\":\"sleep\"}");
	strcpy(at, "]");
	json_t *answer = jobs_ask(d, "POST", NULL, body, 200, JOBS);
	ck_assert_uint_eq(json_array_size(json_object_get(answer, "results")), 1000);
	const char *unique = job_str(job_item(answer, "results", 8), "id");
	for (size_t i = 0; i < 1000; i++) {
		const json_t *item = job_item(answer, "results", i);

		ck_assert_int_eq(job_int(item, "status"), i % 10 == 9            ? 422
							  : i % 10 == 8 && i > 8 ? 200
										 : 202);
		if (i % 10 == 8)
			ck_assert_str_eq(job_str(item, "id"), unique);
	}
	jobs_ends(d, job_str(job_item(answer, "results", 997), "id"), "done");
	WAIT_UNTIL(job_number("select count(*) from job_result where state = 'd'") == 800);
	ck_assert_int_eq(job_number("select count(*) from jobs"), 801);
	json_decref(answer);
	/* and not one more */
	memcpy(at, ",{\"kind\":\"x\"}]", 15);
	jobs_refused(d, "POST", JOBS, JSON, body, 422, "validation", ".");
	/* none of them good is an answer, too */
	answer = jobs_ask(d, "POST", NULL, "[1,{},[]]", 200, JOBS);
	for (size_t i = 0; i < 3; i++)
		ck_assert_int_eq(job_int(job_item(answer, "results", i), "status"), 422);
	json_decref(answer);
	ck_assert_int_eq(job_number("select count(*) from jobs"), 801);
	free(body);
	daemon_stop(d);
}
END_TEST

/* --- ids and keys of the client's --- */

static const struct id_case {
	long ms; /* from now */
	int status;
} ids[] = {
    {0, 202},
    {-23L * 3600 * 1000, 202},
    {23L * 3600 * 1000, 202},
    {-25L * 3600 * 1000, 422},
    {25L * 3600 * 1000, 422},
    {-365L * 24 * 3600 * 1000, 422},
};

static const char *const no_ids[] = {"x",
				     "1",
				     "0198c1b0-1234-7000-8000-00000000000",
				     "0198c1b0-1234-7000-8000-0000000000000",
				     "0198c1b0123470008000000000000000",
				     "%00",
				     "' or true --"};

START_TEST(an_id_of_the_clients)
{
	struct daemon *d = jobs_start(NULL, NULL);
	struct http_answer a;
	char uuid[37];

	for (size_t i = 0; i < N(ids); i++) {
		job_uuid(uuid, ids[i].ms);
		char *target = it_printf(JOBS "/%s", uuid);
		if (ids[i].status == 202) {
			json_t *job =
			    jobs_ask(d, "PUT", NULL, "{\"kind\":\"x\"}", 202, "%s", target);
			ck_assert_str_eq(job_str(job, "id"), uuid);
			json_decref(job);
			jobs_is(d, uuid, "queued");
		} else {
			jobs_refused(d, "PUT", target, JSON, "{\"kind\":\"x\"}", 422, "validation",
				     NULL);
		}
		free(target);
	}
	/* again is once */
	job_uuid(uuid, 0);
	http_request(daemon_port(d), "PUT", JOBS, JSON, "{}", &a);
	ck_assert_int_eq(a.status, 405);
	http_answer_fini(&a);
	char *target = it_printf(JOBS "/%s", uuid), *upper = strdup(target);
	jobs_do(d, "PUT", NULL, "{\"kind\":\"x\",\"args\":[1]}", 202, "%s", target);
	for (char *p = upper + strlen(JOBS); *p; p++)
		*p = *p >= 'a' && *p <= 'f' ? (char)(*p - 'a' + 'A') : *p;
	json_t *job = jobs_ask(d, "PUT", NULL, "{\"kind\":\"x\",\"args\":[1]}", 200, "%s", upper);
	ck_assert_str_eq(job_str(job, "id"), uuid);
	json_decref(job);
	jobs_refused(d, "PUT", target, JSON, "{\"kind\":\"x\",\"args\":[2]}", 409, "conflict",
		     NULL);
	jobs_refused(d, "PUT", target, JSON, "{\"kind\":\"y\",\"args\":[1]}", 409, "conflict",
		     NULL);
	jobs_refused(d, "PUT", target, JSON, "{\"kind\":\"x\",\"args\":[1],\"queue\":\"b\"}", 409,
		     "conflict", NULL);
	/* when it has ended it is there still, and nothing is done again */
	json_t *claimed = jobs_ask(d, "POST", NULL, NULL, 200, QUEUES "/default/claim?max=100");
	for (size_t i = 0; i < json_array_size(json_object_get(claimed, "jobs")); i++)
		json_decref(jobs_call(d, job_item(claimed, "jobs", i), "finish", NULL, 200));
	json_decref(claimed);
	job = jobs_ask(d, "PUT", NULL, "{\"kind\":\"x\",\"args\":[1]}", 200, "%s", target);
	ck_assert_str_eq(job_str(job, "state"), "done");
	json_decref(job);
	/* a version 4, and what is no UUID at all */
	jobs_refused(d, "PUT", JOBS "/6fa459ea-ee8a-4ca4-894e-db77e160355e", JSON,
		     "{\"kind\":\"x\"}", 422, "validation", NULL);
	for (size_t i = 0; i < N(no_ids); i++) {
		char *bad = it_printf(JOBS "/%s", no_ids[i]);

		for (char *p = bad; (p = strchr(p, ' ')) != NULL;)
			*p = '+';
		jobs_refused(d, "PUT", bad, JSON, "{\"kind\":\"x\"}", 404, "not-found", NULL);
		jobs_refused(d, "GET", bad, NULL, NULL, 404, "not-found", NULL);
		jobs_refused(d, "DELETE", bad, NULL, NULL, 404, "not-found", NULL);
		free(bad);
	}
	ck_assert_int_eq(job_number("select count(*) from jobs"), 4);
	free(upper);
	free(target);
	daemon_stop(d);
}
END_TEST

START_TEST(a_unique_key_is_one_job)
{
	struct daemon *d = jobs_start(NULL, NULL);
	static const char body[] = "{\"kind\":\"x\",\"unique\":\"k\"}";

	char *id = jobs_put(d, "%s", body);
	json_t *job = jobs_ask(d, "POST", NULL, body, 200, JOBS);
	ck_assert_str_eq(job_str(job, "id"), id);
	json_decref(job);
	/* whatever else it is; and it is another one in another queue */
	job = jobs_ask(d, "POST", NULL, "{\"kind\":\"y\",\"unique\":\"k\",\"priority\":1}", 200,
		       JOBS);
	ck_assert_str_eq(job_str(job, "id"), id);
	json_decref(job);
	free(jobs_put(d, "{\"kind\":\"x\",\"unique\":\"k\",\"queue\":\"other\"}"));
	/* done it is there still */
	json_t *claimed = jobs_claim(d, "default", 60);
	json_decref(jobs_call(d, claimed, "finish", NULL, 200));
	json_decref(claimed);
	job = jobs_ask(d, "POST", NULL, body, 200, JOBS);
	ck_assert_str_eq(job_str(job, "state"), "done");
	json_decref(job);
	/* a cancelled one gives it up */
	char *first = jobs_put(d, "{\"kind\":\"x\",\"unique\":\"c\"}");
	jobs_do(d, "DELETE", NULL, NULL, 200, JOBS "/%s", first);
	char *second = jobs_put(d, "{\"kind\":\"x\",\"unique\":\"c\"}");
	ck_assert_str_ne(first, second);
	/* and cannot have it back as long as the other one is there */
	char *retry = it_printf(JOBS "/%s/retry", first);
	jobs_refused(d, "POST", retry, NULL, NULL, 409, "conflict", NULL);
	jobs_do(d, "DELETE", NULL, NULL, 200, JOBS "/%s", second);
	jobs_do(d, "POST", NULL, NULL, 202, "%s", retry);
	jobs_is(d, first, "queued");
	free(retry);
	free(second);
	free(first);
	free(id);
	daemon_stop(d);
}
END_TEST

static const struct keyed {
	const char *method, *target, *body;
	int status;
} keyed[] = {
    {"POST", JOBS, "{\"kind\":\"x\"}", 400},
    {"POST", JOBS, "[{\"kind\":\"x\"}]", 400},
    {"POST", JOBS, "{\"kind\":\"x\",\"unique\":\"u\"}", 400},
    {"POST", JOBS, "{", 400},
    {"POST", "/api/fetch", "{\"urls\":[\"http://localhost/\"]}", 400},
    /* whose id says all that a key would */
    {"PUT", NULL, "{\"kind\":\"x\"}", 202},
    {"PUT", NULL, "{\"kind\":\"x\"}", 200},
};

/* Who relies on a key that does nothing would put a job twice, and never know. */
START_TEST(a_key_that_jobs_do_not_know)
{
	static const char *const keys[] = {"Idempotency-Key: k\r\n", "idempotency-key: \"k\"\r\n",
					   "Idempotency-Key: \r\n"};
	struct daemon *d = jobs_start(NULL, NULL);
	char uuid[37];

	for (size_t k = 0; k < N(keys); k++) {
		job_uuid(uuid, (long)k);
		char *fields = it_printf(JSON "%s", keys[k]), *id = it_printf(JOBS "/%s", uuid);

		for (size_t i = 0; i < N(keyed); i++) {
			const char *target = keyed[i].target ? keyed[i].target : id;
			struct http_answer a;

			http_request(daemon_port(d), keyed[i].method, target, fields, keyed[i].body,
				     &a);
			ck_assert_msg(a.status == keyed[i].status, "%s %s: %d", keyed[i].method,
				      target, a.status);
			if (a.status == 400) {
				jobs_is_problem(&a, 400, "bad-key", NULL, target);
				ck_assert_ptr_nonnull(strstr(a.body, "PUT /api/jobs/"));
				ck_assert_ptr_nonnull(strstr(a.body, "unique"));
			}
			http_answer_fini(&a);
		}
		free(id);
		free(fields);
	}
	ck_assert_int_eq(job_number("select count(*) from jobs"), N(keys));
	daemon_stop(d);
}
END_TEST

/* Many clients at once: one of them makes it. */
#define CLIENTS 30

START_TEST(a_unique_key_that_many_want)
{
	struct daemon *d = jobs_start(NULL, NULL);
	struct http_conn c[CLIENTS];
	long made = 0;

	for (int i = 0; i < CLIENTS; i++)
		jobs_send(&c[i], d, "POST", JOBS, NULL, "{\"kind\":\"x\",\"unique\":\"one\"}");
	for (int i = 0; i < CLIENTS; i++) {
		struct http_answer a;

		http_read(&c[i], "POST", &a);
		ck_assert_msg(a.status == 200 || a.status == 202, "%d %s", a.status, a.body);
		made += a.status == 202;
		http_answer_fini(&a);
		http_close(&c[i]);
	}
	ck_assert_int_eq(made, 1);
	ck_assert_int_eq(job_number("select count(*) from jobs"), 1);
	/* and the queue is not fuller than that */
	WAIT_UNTIL(({
		json_t *queue = jobs_ask(d, "GET", NULL, NULL, 200, QUEUES "/default");
		const bool is_so = job_int(queue, "depth") == 1;
		json_decref(queue);
		is_so;
	}));
	daemon_stop(d);
}
END_TEST

/* --- full --- */

static void
expect_full(struct daemon *d, const char *body)
{
	struct http_answer a;

	http_request(daemon_port(d), "POST", JOBS, JSON, body, &a);
	jobs_is_problem(&a, 429, "queue-full", NULL, body);
	const long after = strtol(http_field(&a, "Retry-After"), NULL, 10);
	ck_assert_msg(after >= 1 && after <= 60, "%ld", after);
	http_answer_fini(&a);
}

#define X "{\"kind\":\"x\"}"
#define Y "{\"kind\":\"x\",\"queue\":\"y\"}"

START_TEST(a_full_queue)
{
	struct daemon *d = jobs_start("jobs.queue_depth=3", NULL);

	free(jobs_put(d, X));
	char *later = jobs_put(d, "{\"kind\":\"x\",\"run_at\":\"2037-01-01T00:00:00Z\"}");
	/* of an array each item has its own answer */
	json_t *answer = jobs_ask(d, "POST", NULL, "[" X "," X "," Y "," X "," Y ",{}]", 200, JOBS);
	static const int want[] = {202, 429, 202, 429, 202, 422};
	for (size_t i = 0; i < N(want); i++)
		ck_assert_int_eq(job_int(job_item(answer, "results", i), "status"), want[i]);
	ck_assert_int_ge(job_int(job_item(answer, "results", 1), "retry_after_s"), 1);
	json_decref(answer);
	/* whoever asks, in whichever way, for as long as it is so */
	for (int i = 0; i < 20; i++)
		expect_full(d, X);
	free(jobs_put(d, Y));
	expect_full(d, Y);
	/* one that leaves makes room for one */
	jobs_do(d, "DELETE", NULL, NULL, 200, JOBS "/%s", later);
	free(jobs_put(d, X));
	expect_full(d, X);
	json_t *claimed = jobs_claim(d, "default", 60);
	char *last = jobs_put(d, X);
	expect_full(d, X);
	/* what comes back has its place, and there is none for others */
	json_decref(jobs_call(d, claimed, "fail", "\"retry_after_s\":3600", 200));
	jobs_do(d, "DELETE", NULL, NULL, 200, JOBS "/%s", last);
	expect_full(d, X);
	jobs_do(d, "DELETE", NULL, NULL, 200, JOBS "/%s", job_str(claimed, "id"));
	free(jobs_put(d, X));
	expect_full(d, X);
	ck_assert_int_eq(job_number("select count(*) from (select queue from job_ready union all "
				    "select queue from job_later) q where queue = 'default'"),
			 3);
	json_decref(claimed);
	free(last);
	free(later);
	daemon_stop(d);
}
END_TEST

START_TEST(when_to_come_again_is_measured)
{
	struct daemon *d = jobs_start("jobs.queue_depth=200", NULL);
	struct http_answer a;

	/* a job of 10 ms each, three at a time: many in a second */
	WAIT_UNTIL(({
		http_request(daemon_port(d), "POST", JOBS, JSON,
			     "[{\"kind\":\"sleep\",\"args\":{\"ms\":10}},"
			     "{\"kind\":\"sleep\",\"args\":{\"ms\":10}},"
			     "{\"kind\":\"sleep\",\"args\":{\"ms\":10}},"
			     "{\"kind\":\"sleep\",\"args\":{\"ms\":10}}]",
			     &a);
		ck_assert_int_eq(a.status, 200);
		http_answer_fini(&a);
		json_t *queue = jobs_ask(d, "GET", NULL, NULL, 200, QUEUES "/default");
		const bool is_known =
		    json_number_value(json_object_get(queue, "drained_per_s")) > 2;
		json_decref(queue);
		is_known;
	}));
	/* paused, nothing leaves: the longest time is told */
	jobs_do(d, "PATCH", PATCH, "{\"paused\":true,\"depth\":1}", 200, QUEUES "/default");
	WAIT_UNTIL(({
		http_request(daemon_port(d), "POST", JOBS, JSON, "{\"kind\":\"sleep\"}", &a);
		const bool is_full = a.status == 429;
		if (is_full)
			ck_assert_str_eq(http_field(&a, "Retry-After"), "60");
		http_answer_fini(&a);
		is_full;
	}));
	daemon_stop(d);
}
END_TEST

START_TEST(queues_are_not_without_number)
{
	struct daemon *d = jobs_start(NULL, NULL);
	char *body = malloc(65536), *at = body;
	long put = 0, refused = 0;

	for (int i = 0; i < 300; i++)
		at += sprintf(at, "%s{\"kind\":\"x\",\"queue\":\"q%d\"}", i ? "," : "[", i);
	strcpy(at, "]");
	json_t *answer = jobs_ask(d, "POST", NULL, body, 200, JOBS);
	for (size_t i = 0; i < 300; i++) {
		const json_int_t status = job_int(job_item(answer, "results", i), "status");

		put += status == 202;
		refused += status == 429;
	}
	/* two places are for those who name no queue */
	ck_assert_int_eq(put, 254);
	ck_assert_int_eq(refused, 46);
	struct http_answer a;
	http_request(daemon_port(d), "POST", JOBS, JSON, "{\"kind\":\"x\",\"queue\":\"more\"}", &a);
	jobs_is_problem(&a, 429, "too-many-queues", NULL, "more");
	ck_assert_str_eq(http_field(&a, "Retry-After"), "60");
	http_answer_fini(&a);
	/* a setting keeps a queue for good: it makes none, either */
	http_request(daemon_port(d), "PATCH", QUEUES "/more", PATCH, "{\"paused\":true}", &a);
	jobs_is_problem(&a, 429, "too-many-queues", NULL, "PATCH");
	http_answer_fini(&a);
	ck_assert_int_eq(job_number("select count(*) from job_queue where queue = 'more'"), 0);
	jobs_do(d, "PATCH", PATCH, "{\"paused\":false}", 200, QUEUES "/q0");
	/* those that there are go on */
	free(jobs_put(d, "{\"kind\":\"x\",\"queue\":\"q0\"}"));
	free(jobs_put(d, "{\"kind\":\"x\"}"));
	jobs_do(d, "POST", JSON, "{\"urls\":[\"http://localhost/\"]}", 202, "/api/fetch");
	/* a queue without jobs gives its place away, though its name is kept for long */
	for (size_t i = 0; i < 100; i++) {
		const json_t *item = job_item(answer, "results", i);
		if (job_int(item, "status") == 202)
			jobs_do(d, "DELETE", NULL, NULL, 200, JOBS "/%s", job_str(item, "id"));
	}
	WAIT_UNTIL(({
		http_request(daemon_port(d), "POST", JOBS, JSON,
			     "{\"kind\":\"x\",\"queue\":\"more\"}", &a);
		const bool is_put = a.status == 202;
		http_answer_fini(&a);
		is_put;
	}));
	json_decref(answer);
	free(body);
	daemon_stop(d);
}
END_TEST

/* --- by SQL --- */

START_TEST(in_a_transaction_of_the_users)
{
	struct daemon *d = jobs_start(NULL, NULL);
	char *dbname = pg_ask("select current_database()");
	const char *argv[] = {"psql", "-XAtq", "-h", pg_socket_dir(), "-U", "postgres",
			      "-d",   dbname,  NULL};
	struct child psql;

	child_start(&psql, argv);
	child_write(&psql, "begin; select job_enqueue('sleep', '{\"ms\":0}');\n");
	char *id = child_read_line(&psql);
	jobs_do(d, "GET", NULL, NULL, 404, JOBS "/%s", id);
	child_write(&psql, "rollback; select 'back';\n");
	free(child_read_line(&psql));
	jobs_do(d, "GET", NULL, NULL, 404, JOBS "/%s", id);
	ck_assert_int_eq(job_number("select count(*) from jobs"), 0);
	free(id);
	child_write(&psql, "begin; select job_enqueue('sleep', '{\"ms\":0}');\n");
	id = child_read_line(&psql);
	child_write(&psql, "commit;\n");
	WAIT_UNTIL(job_number("select count(*) from jobs") == 1);
	jobs_ends(d, id, "done");
	free(id);
	/* whoever waits for work of a kind of the user's is woken by it, too */
	struct http_conn c;
	jobs_send(&c, d, "POST", QUEUES "/mine/claim?wait=20", NULL, "");
	child_write(&psql,
		    "select job_enqueue('mine', '{\"a\":[1]}', 'mine', 0, unique_key => 'u');\n");
	id = child_read_line(&psql);
	json_t *claimed = jobs_read(&c, 200);
	ck_assert_str_eq(job_str(job_item(claimed, "jobs", 0), "id"), id);
	json_decref(claimed);
	json_t *job = jobs_get(d, id);
	ck_assert_str_eq(job_str(job, "unique"), "u");
	ck_assert_int_eq(job_int(job, "priority"), 0);
	/* no time was given, and none is told */
	ck_assert_ptr_null(json_object_get(job, "run_at"));
	json_decref(job);
	child_close_input(&psql);
	ck_assert_int_eq(child_wait(&psql), 0);
	free(id);
	free(dbname);
	daemon_stop(d);
}
END_TEST

static void
fill(Suite *s)
{
	TCase *tc = it_case(s, "members");
	tcase_add_test(tc, every_type_in_every_member);
	tcase_add_test(tc, forms_that_are_none);
	tcase_add_test(tc, args_come_back_as_they_were_sent);

	tc = it_case(s, "put");
	tcase_add_test(tc, the_answer_is_the_job);
	tcase_add_test(tc, many_at_once);
	tcase_add_test(tc, an_id_of_the_clients);
	tcase_add_test(tc, a_unique_key_is_one_job);
	tcase_add_test(tc, a_key_that_jobs_do_not_know);
	tcase_add_test(tc, a_unique_key_that_many_want);
	tcase_add_test(tc, in_a_transaction_of_the_users);

	tc = it_case(s, "full");
	tcase_add_test(tc, a_full_queue);
	tcase_add_test(tc, when_to_come_again_is_measured);
	tcase_add_test(tc, queues_are_not_without_number);
}

int
main(void)
{
	return it_main("jobs_put", fill, IT_WITH_PG);
}
