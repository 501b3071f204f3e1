/*
 * it_jobs_queues.c - jobs listed, queues looked at, waited for and set, and what the room `_jobs`
 * hears of all of it.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/pg.c tests/it/job_db.c tests/it/job_http.c tests/it/ws_client.c
 * tests/it/json_client.c -lpq -ljansson */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "http_client.h"
#include "job_db.h"
#include "job_http.h"
#include "json_client.h"
#include "pg.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))

/* --- lists --- */

#define LISTED 25

/* All pages of a list, by "next" and by Link, which say the same: how many jobs. */
static size_t
read_pages(struct daemon *d, const char *filters, unsigned limit, json_t *ids)
{
	char *target = it_printf(JOBS "?%slimit=%u", filters, limit);
	size_t n = 0;

	while (target) {
		struct http_answer a;
		const json_t *job;
		size_t i;

		http_request(daemon_port(d), "GET", target, NULL, NULL, &a);
		ck_assert_msg(a.status == 200, "%s: %d %s", target, a.status, a.body);
		json_t *page = json_loadb(a.body, a.body_len, 0, NULL);
		const json_t *jobs = json_object_get(page, "jobs");
		ck_assert_uint_le(json_array_size(jobs), limit);
		json_array_foreach(jobs, i, job)
		{
			/* what it was given and what came of it is for who asks for the job */
			ck_assert(!json_object_get(job, "args"));
			ck_assert(!json_object_get(job, "result"));
			json_array_append_new(ids, json_string(job_str(job, "id")));
			n++;
		}
		const char *next = json_string_value(json_object_get(page, "next"));
		const char *link = http_field(&a, "Link");
		ck_assert_int_eq(next != NULL, link != NULL);
		free(target);
		target = NULL;
		if (next) {
			ck_assert_uint_eq(json_array_size(jobs), limit);
			ck_assert_int_eq(link[0], '<');
			target = it_printf("%.*s", (int)strcspn(link + 1, ">"), link + 1);
			ck_assert_msg(strstr(target, next) != NULL, "%s", link);
		}
		json_decref(page);
		http_answer_fini(&a);
	}
	return n;
}

START_TEST(pages_have_each_job_once)
{
	/* ids that one process makes rise */
	struct daemon *d = jobs_start("server.workers=1", NULL);
	static const unsigned limits[] = {1, 7, 24, 25, 26, 1000};
	char *id[LISTED];

	for (size_t i = 0; i < LISTED; i++)
		id[i] = jobs_put(d, "{\"kind\":\"x\",\"args\":{\"secret\":1}}");
	for (size_t k = 0; k < N(limits); k++) {
		json_t *ids = json_array();

		ck_assert_uint_eq(read_pages(d, "", limits[k], ids), LISTED);
		/* the newest first */
		for (size_t i = 0; i < LISTED; i++)
			ck_assert_str_eq(json_string_value(json_array_get(ids, i)),
					 id[LISTED - 1 - i]);
		json_decref(ids);
	}
	for (size_t i = 0; i < LISTED; i++)
		free(id[i]);
	daemon_stop(d);
}
END_TEST

START_TEST(filters)
{
	struct daemon *d = jobs_start(NULL, NULL);

	/* kinds a, b; queues q, r: 2 of each pair, one of which is scheduled */
	jobs_do(d, "POST", NULL,
		"[{\"kind\":\"a\",\"queue\":\"q\"},{\"kind\":\"a\",\"queue\":\"r\"},"
		"{\"kind\":\"b\",\"queue\":\"q\"},{\"kind\":\"b\",\"queue\":\"r\"},"
		"{\"kind\":\"a\",\"queue\":\"q\",\"run_at\":\"2037-01-01T00:00:00Z\"},"
		"{\"kind\":\"a\",\"queue\":\"r\",\"run_at\":\"2037-01-01T00:00:00Z\"},"
		"{\"kind\":\"b\",\"queue\":\"q\",\"run_at\":\"2037-01-01T00:00:00Z\"},"
		"{\"kind\":\"b\",\"queue\":\"r\",\"run_at\":\"2037-01-01T00:00:00Z\"}]",
		200, JOBS);
	json_t *job = jobs_claim(d, "q", 600);
	ck_assert_str_eq(job_str(job, "kind"), "a");
	static const struct {
		const char *filters;
		size_t n;
	} cases[] = {
	    {"", 8},
	    {"queue=q&", 4},
	    {"kind=a&", 4},
	    {"queue=q&kind=a&", 2},
	    {"state=scheduled&", 4},
	    {"state=queued&", 3},
	    {"state=running&", 1},
	    {"state=done&", 0},
	    {"state=failed&", 0},
	    {"state=dead&", 0},
	    {"state=cancelled&", 0},
	    {"kind=a&state=scheduled&queue=r&", 1},
	    {"queue=none&", 0},
	    {"kind=none&", 0},
	};
	for (size_t i = 0; i < N(cases); i++) {
		for (unsigned limit = 1; limit < 10; limit += 2) {
			json_t *ids = json_array();
			const size_t n = read_pages(d, cases[i].filters, limit, ids);

			ck_assert_msg(n == cases[i].n, "%s: %zu", cases[i].filters, n);
			json_decref(ids);
		}
	}
	json_decref(jobs_call(d, job, "fail", "\"retry\":false", 200));
	json_t *ids = json_array();
	ck_assert_uint_eq(read_pages(d, "state=failed&", 10, ids), 1);
	ck_assert_str_eq(json_string_value(json_array_get(ids, 0)), job_str(job, "id"));
	json_decref(ids);
	json_decref(job);
	daemon_stop(d);
}
END_TEST

static const struct query {
	const char *text, *parameters;
} queries[] = {
    {"limit=0", "limit"},
    {"limit=1001", "limit"},
    {"limit=-1", "limit"},
    {"limit=", "limit"},
    {"limit=1.0", "limit"},
    {"limit=00001", "limit"},
    {"limit=1&limit=1", "limit"},
    {"state=", "state"},
    {"state=x", "state"},
    {"state=QUEUED", "state"},
    {"state=progress", "state"},
    {"state=cancelling", "state"},
    {"state=done&state=done", "state"},
    {"queue=", "queue"},
    {"queue=a%20b", "queue"},
    {"queue=.", "queue"},
    {"kind=..", "kind"},
    {"queue=%00", "queue"},
    {"kind=%ff", "kind"},
    {"kind=a/b", "kind"},
    {"after=", "after"},
    {"after=x", "after"},
    {"after=01a20765-d507-74ad-b6ff-1870e4e9368", "after"},
    {"more=1", "more"},
    {"queue=/&kind=/&state=/&limit=/&after=/&x=/", "queue kind state limit after x"},
};

START_TEST(what_a_list_may_ask)
{
	struct daemon *d = jobs_start(NULL, NULL);

	for (size_t i = 0; i < N(queries); i++) {
		char *target = it_printf(JOBS "?%s", queries[i].text);

		jobs_refused(d, "GET", target, NULL, NULL, 400, "bad-parameter",
			     queries[i].parameters);
		free(target);
	}
	json_t *page = jobs_ask(d, "GET", NULL, NULL, 200, JOBS);
	ck_assert(json_is_null(json_object_get(page, "next")));
	json_decref(page);
	/* behind whatever id */
	json_decref(jobs_ask(d, "GET", NULL, NULL, 200,
			     JOBS "?after=01a20765-d507-74ad-b6ff-1870e4e93680"));
	daemon_stop(d);
}
END_TEST

/* --- queues --- */

static json_int_t
limit_of(const json_t *queue, const char *name, const char **source)
{
	const json_t *limit = json_object_get(json_object_get(queue, "limits"), name);

	*source = job_str(limit, "source");
	return job_int(limit, "value");
}

START_TEST(a_queue_as_it_is)
{
	struct daemon *d = jobs_start("jobs.queue_depth=100", "jobs.queue_concurrency=20");
	const char *source;

	jobs_refused(d, "GET", QUEUES "/q", NULL, NULL, 404, "not-found", NULL);
	for (int i = 0; i < 3; i++)
		free(jobs_put(d, "{\"kind\":\"x\",\"queue\":\"q\"}"));
	free(jobs_put(d, "{\"kind\":\"x\",\"queue\":\"q\",\"run_at\":\"2037-01-01T00:00:00Z\"}"));
	free(jobs_put(d, "{\"kind\":\"x\",\"queue\":\"p\"}"));
	json_decref(jobs_claim(d, "q", 600));
	json_t *queue = jobs_ask(d, "GET", NULL, NULL, 200, QUEUES "/q");
	ck_assert_str_eq(job_str(queue, "queue"), "q");
	ck_assert_int_eq(job_int(queue, "depth"), 3);
	ck_assert_int_eq(job_int(queue, "ready"), 2);
	ck_assert_int_eq(job_int(queue, "scheduled"), 1);
	ck_assert_int_eq(job_int(queue, "running"), 1);
	ck_assert(json_is_false(json_object_get(queue, "paused")));
	ck_assert_double_ge(json_number_value(json_object_get(queue, "oldest_age_s")), 0);
	ck_assert_int_eq(limit_of(queue, "concurrency", &source), 20);
	ck_assert_str_eq(source, "conf");
	ck_assert_int_eq(limit_of(queue, "depth", &source), 100);
	ck_assert_str_eq(source, "conf");
	json_decref(queue);
	/* all of them by name */
	json_t *all = jobs_ask(d, "GET", NULL, NULL, 200, QUEUES);
	ck_assert_uint_eq(json_array_size(json_object_get(all, "queues")), 2);
	ck_assert_str_eq(job_str(job_item(all, "queues", 0), "queue"), "p");
	ck_assert_int_eq(job_int(job_item(all, "queues", 0), "depth"), 1);
	ck_assert_str_eq(job_str(job_item(all, "queues", 1), "queue"), "q");
	json_decref(all);
	jobs_refused(d, "GET", QUEUES "?until=empty&x", NULL, NULL, 400, "bad-parameter",
		     "until x");
	static const struct query bad[] = {
	    {"until=", "until"},
	    {"until=full", "until"},
	    {"wait=5", "until"},
	    {"wait=0", "until"},
	    {"until=full&wait=5", "until"},
	    {"until=empty&until=empty", "until"},
	    {"wait=61", "wait until"},
	    {"until=empty&wait=61", "wait"},
	    {"until=empty&wait=1&wait=1", "wait"},
	    {"until=empty&wait=x", "wait"},
	    {"more", "more"},
	};
	for (size_t i = 0; i < N(bad); i++) {
		char *target = it_printf(QUEUES "/q?%s", bad[i].text);

		jobs_refused(d, "GET", target, NULL, NULL, 400, "bad-parameter", bad[i].parameters);
		free(target);
	}
	daemon_stop(d);
}
END_TEST

static const struct setting {
	const char *body, *pointers; /* NULL: it is taken */
} settings[] = {
    {"{}", NULL},
    {"{\"paused\":true}", NULL},
    {"{\"paused\":false}", NULL},
    {"{\"paused\":null}", NULL},
    {"{\"paused\":0}", "/paused"},
    {"{\"paused\":\"true\"}", "/paused"},
    {"{\"paused\":[]}", "/paused"},
    {"{\"concurrency\":1}", NULL},
    {"{\"concurrency\":20}", NULL},
    {"{\"concurrency\":2e1}", NULL},
    {"{\"concurrency\":21}", "/concurrency"},
    {"{\"concurrency\":0}", "/concurrency"},
    {"{\"concurrency\":-1}", "/concurrency"},
    {"{\"concurrency\":1.5}", "/concurrency"},
    {"{\"concurrency\":4294967297}", "/concurrency"},
    {"{\"concurrency\":\"1\"}", "/concurrency"},
    {"{\"concurrency\":true}", "/concurrency"},
    {"{\"concurrency\":{}}", "/concurrency"},
    {"{\"concurrency\":null}", NULL},
    {"{\"depth\":1}", NULL},
    {"{\"depth\":100}", NULL},
    {"{\"depth\":101}", "/depth"},
    {"{\"depth\":0}", "/depth"},
    {"{\"depth\":[1]}", "/depth"},
    {"{\"depth\":null}", NULL},
    {"{\"queue\":\"x\"}", "/queue"},
    {"{\"limits\":{}}", "/limits"},
    {"{\"depth\":0,\"paused\":1,\"concurrency\":0,\"a\":1}", "/depth /paused /concurrency /a"},
    {"[]", "."},
    {"null", "."},
    {"7", "."},
};

START_TEST(settings_of_a_queue)
{
	struct daemon *d = jobs_start("jobs.queue_depth=100", "jobs.queue_concurrency=20");
	const char *source;

	for (size_t i = 0; i < N(settings); i++) {
		if (settings[i].pointers)
			jobs_refused(d, "PATCH", QUEUES "/q", PATCH, settings[i].body, 422,
				     "validation", settings[i].pointers);
		else
			jobs_do(d, "PATCH", PATCH, settings[i].body, 200, QUEUES "/q");
	}
	jobs_refused(d, "PATCH", QUEUES "/q", PATCH, "{", 400, "not-json", NULL);
	jobs_refused(d, "PATCH", QUEUES "/a%20b", PATCH, "{}", 404, "not-found", NULL);
	/* what is set is the queue's, what is not the conf's; what the conf allows is the ceiling
	 */
	json_t *queue =
	    jobs_ask(d, "PATCH", JSON, "{\"concurrency\":5,\"depth\":50}", 200, QUEUES "/q");
	ck_assert_int_eq(limit_of(queue, "concurrency", &source), 5);
	ck_assert_str_eq(source, "queue");
	ck_assert_int_eq(limit_of(queue, "depth", &source), 50);
	ck_assert_str_eq(source, "queue");
	json_decref(queue);
	queue =
	    jobs_ask(d, "PATCH", PATCH, "{\"concurrency\":null,\"paused\":true}", 200, QUEUES "/q");
	ck_assert_int_eq(limit_of(queue, "concurrency", &source), 20);
	ck_assert_str_eq(source, "conf");
	ck_assert_int_eq(limit_of(queue, "depth", &source), 50);
	ck_assert_str_eq(source, "queue");
	ck_assert(json_is_true(json_object_get(queue, "paused")));
	json_decref(queue);
	json_t *again = jobs_ask(d, "GET", NULL, NULL, 200, QUEUES "/q");
	ck_assert_int_eq(limit_of(again, "depth", &source), 50);
	ck_assert(json_is_true(json_object_get(again, "paused")));
	json_decref(again);
	daemon_stop(d);
	/* with a lower conf that is the bound, whatever the queue has */
	char *dbname = pg_ask("select current_database()"), *conninfo = pg_conninfo_of(dbname);
	d = job_daemon(conninfo, "jobs.queue_depth=30", NULL);
	jobs_wait_ready(d);
	queue = jobs_ask(d, "GET", NULL, NULL, 200, QUEUES "/q");
	ck_assert_int_eq(limit_of(queue, "depth", &source), 30);
	ck_assert_str_eq(source, "conf");
	json_decref(queue);
	free(conninfo);
	free(dbname);
	daemon_stop(d);
}
END_TEST

START_TEST(a_paused_queue_gives_nothing_until_it_goes_on)
{
	struct daemon *d = jobs_start(NULL, NULL);
	struct http_conn c[6];

	jobs_do(d, "PATCH", PATCH, "{\"paused\":true}", 200, QUEUES "/q");
	jobs_do(d, "PATCH", PATCH, "{\"paused\":true}", 200, QUEUES "/sleeps");
	for (int i = 0; i < 6; i++)
		free(jobs_put(d, "{\"kind\":\"x\",\"queue\":\"q\"}"));
	char *id = jobs_put(d, "{\"kind\":\"sleep\",\"queue\":\"sleeps\"}");
	jobs_do(d, "POST", NULL, NULL, 204, QUEUES "/q/claim?wait=1");
	jobs_is(d, id, "queued");
	/* of whichever worker they wait */
	for (int i = 0; i < 6; i++)
		jobs_send(&c[i], d, "POST", QUEUES "/q/claim?wait=30", NULL, "");
	const uint64_t began = it_now_ms();
	jobs_do(d, "PATCH", PATCH, "{\"paused\":false}", 200, QUEUES "/q");
	for (int i = 0; i < 6; i++)
		json_decref(jobs_read(&c[i], 200));
	if (!it_has_sanitizers())
		ck_assert_uint_lt(it_now_ms() - began, 900);
	jobs_do(d, "PATCH", PATCH, "{\"paused\":false}", 200, QUEUES "/sleeps");
	jobs_ends(d, id, "done");
	free(id);
	daemon_stop(d);
}
END_TEST

START_TEST(more_may_run_when_the_bound_is_raised)
{
	struct daemon *d = jobs_start(NULL, NULL);
	struct http_conn c;

	jobs_do(d, "PATCH", PATCH, "{\"concurrency\":1}", 200, QUEUES "/q");
	free(jobs_put(d, "{\"kind\":\"x\",\"queue\":\"q\"}"));
	free(jobs_put(d, "{\"kind\":\"x\",\"queue\":\"q\"}"));
	json_t *job = jobs_claim(d, "q", 600);
	jobs_do(d, "POST", NULL, NULL, 204, QUEUES "/q/claim");
	jobs_send(&c, d, "POST", QUEUES "/q/claim?wait=30", NULL, "");
	jobs_do(d, "PATCH", PATCH, "{\"concurrency\":2}", 200, QUEUES "/q");
	json_decref(jobs_read(&c, 200));
	/* and a place that becomes free is given on */
	free(jobs_put(d, "{\"kind\":\"x\",\"queue\":\"q\"}"));
	jobs_send(&c, d, "POST", QUEUES "/q/claim?wait=30", NULL, "");
	json_decref(jobs_call(d, job, "finish", NULL, 200));
	json_decref(jobs_read(&c, 200));
	json_decref(job);
	daemon_stop(d);
}
END_TEST

START_TEST(until_it_is_empty)
{
	struct daemon *d = jobs_start(NULL, NULL);
	struct http_conn c, claims;

	/* what runs counts as well as what waits */
	free(jobs_put(d, "{\"kind\":\"x\",\"queue\":\"q\"}"));
	free(jobs_put(d, "{\"kind\":\"x\",\"queue\":\"q\"}"));
	json_t *first = jobs_claim(d, "q", 600);
	const uint64_t began = it_now_ms();
	json_t *queue = jobs_ask(d, "GET", NULL, NULL, 200, QUEUES "/q?until=empty&wait=1");
	ck_assert_uint_ge(it_now_ms() - began, 990);
	ck_assert_int_eq(job_int(queue, "depth"), 1);
	json_decref(queue);
	/* without a wait it is told as it is */
	json_decref(jobs_ask(d, "GET", NULL, NULL, 200, QUEUES "/q?until=empty"));
	jobs_send(&c, d, "GET", QUEUES "/q?until=empty&wait=30", NULL, NULL);
	/* one who leaves is nobody's business */
	jobs_send(&claims, d, "GET", QUEUES "/q?until=empty&wait=30", NULL, NULL);
	http_close(&claims);
	json_t *second = jobs_claim(d, "q", 600);
	json_decref(jobs_call(d, first, "finish", NULL, 200));
	ck_assert(!http_readable(&c, 50));
	json_decref(jobs_call(d, second, "fail", "\"retry\":false", 200));
	queue = jobs_read(&c, 200);
	ck_assert_int_eq(job_int(queue, "depth"), 0);
	ck_assert_int_eq(job_int(queue, "running"), 0);
	json_decref(queue);
	json_decref(first);
	json_decref(second);
	/* many jobs of plazad's own */
	job_put_sleeps("sleeps", 50, 5);
	queue = jobs_ask(d, "GET", NULL, NULL, 200, QUEUES "/sleeps?until=empty&wait=60");
	ck_assert_int_eq(job_int(queue, "depth") + job_int(queue, "running"), 0);
	json_decref(queue);
	ck_assert_int_eq(job_number("select count(*) from job_result where state = 'd'"), 51);
	daemon_stop(d);
}
END_TEST

/* --- the room --- */

/* The next thing that the room hears of a job is this. */
static void
hears_of(struct chat *room, const char *id, const char *kind, const char *queue, const char *state,
	 int pct)
{
	json_t *event = chat_event(room, it_now_ms() + IT_DEADLINE_MS);

	ck_assert_msg(event != NULL, "%s: nothing is heard", state);
	const json_t *data = json_object_get(event, "data");
	char *text = json_dumps(data, JSON_COMPACT);
	char *progress =
	    pct < 0 ? it_printf("%s", "") : it_printf(",\"progress\":{\"pct\":%d}", pct);
	char *want =
	    it_printf("{\"id\":\"%s\",\"kind\":\"%s\",\"queue\":\"%s\",\"state\":\"%s\"%s}", id,
		      kind, queue, state, progress);
	ck_assert_str_eq(text, want);
	free(want);
	free(progress);
	free(text);
	json_decref(event);
}

START_TEST(the_room_hears_of_each_change)
{
	struct daemon *d = jobs_start("server.workers=1", NULL);
	struct chat room;

	chat_open(&room, daemon_port(d), "/chat/_jobs", NULL);
	/* all that it was given, and all that came of it, is nobody's business there */
	char *id = jobs_put(d, "{\"kind\":\"x\",\"queue\":\"q\",\"args\":{\"password\":\"p\"},"
			       "\"unique\":\"secret\"}");
	hears_of(&room, id, "x", "q", "queued", -1);
	json_t *job = jobs_claim(d, "q", 600);
	hears_of(&room, id, "x", "q", "running", -1);
	json_decref(jobs_call(d, job, "extend", "\"progress\":40", 200));
	hears_of(&room, id, "x", "q", "running", 40);
	json_decref(jobs_call(d, job, "extend", NULL, 200));
	json_decref(jobs_call(d, job, "fail", "\"error\":\"secret\",\"retry_after_s\":0", 200));
	hears_of(&room, id, "x", "q", "queued", -1);
	json_decref(job);
	job = jobs_claim(d, "q", 600);
	hears_of(&room, id, "x", "q", "running", -1);
	json_decref(jobs_call(d, job, "fail", "\"retry_after_s\":3600", 200));
	hears_of(&room, id, "x", "q", "scheduled", -1);
	jobs_do(d, "DELETE", NULL, NULL, 200, JOBS "/%s", id);
	hears_of(&room, id, "x", "q", "cancelled", -1);
	jobs_do(d, "POST", NULL, NULL, 202, JOBS "/%s/retry", id);
	hears_of(&room, id, "x", "q", "queued", -1);
	json_decref(job);
	job = jobs_claim(d, "q", 600);
	hears_of(&room, id, "x", "q", "running", -1);
	json_decref(jobs_call(d, job, "finish", "\"result\":\"secret\"", 200));
	hears_of(&room, id, "x", "q", "done", -1);
	json_decref(job);
	free(id);
	/* one of an array, a scheduled one, one that is told to whoever runs it */
	jobs_do(d, "POST", NULL,
		"[{\"kind\":\"x\",\"queue\":\"q\"},{\"kind\":\"\"},"
		"{\"kind\":\"x\",\"queue\":\"q\",\"run_at\":\"2037-01-01T00:00:00Z\"}]",
		200, JOBS);
	char *first = job_text("select id from jobs order by id desc offset 1 limit 1");
	char *second = job_text("select id from jobs order by id desc limit 1");
	hears_of(&room, first, "x", "q", "queued", -1);
	hears_of(&room, second, "x", "q", "scheduled", -1);
	/* what is given to the same key again, and what is refused, is no news */
	char *other = jobs_put(d, "{\"kind\":\"x\",\"queue\":\"r\",\"unique\":\"u\"}");
	hears_of(&room, other, "x", "r", "queued", -1);
	jobs_do(d, "POST", NULL, "{\"kind\":\"x\",\"queue\":\"r\",\"unique\":\"u\"}", 200, JOBS);
	jobs_do(d, "POST", NULL, "{\"kind\":\"\"}", 422, JOBS);
	jobs_do(d, "DELETE", NULL, NULL, 200, JOBS "/%s", other);
	hears_of(&room, other, "x", "r", "cancelled", -1);
	/* a job of plazad's own */
	char *sleeps = jobs_put(d, "{\"kind\":\"sleep\",\"queue\":\"s\",\"args\":{\"ms\":1}}");
	hears_of(&room, sleeps, "sleep", "s", "queued", -1);
	hears_of(&room, sleeps, "sleep", "s", "running", -1);
	hears_of(&room, sleeps, "sleep", "s", "done", -1);
	/* and nobody else speaks there */
	http_expect(daemon_port(d), "POST", "/chat/_jobs", NULL, "x", 403, NULL);
	chat_close(&room);
	free(sleeps);
	free(other);
	free(second);
	free(first);
	daemon_stop(d);
}
END_TEST

static void
fill(Suite *s)
{
	TCase *tc = it_case(s, "lists");
	tcase_add_test(tc, pages_have_each_job_once);
	tcase_add_test(tc, filters);
	tcase_add_test(tc, what_a_list_may_ask);

	tc = it_case(s, "queues");
	tcase_add_test(tc, a_queue_as_it_is);
	tcase_add_test(tc, settings_of_a_queue);
	tcase_add_test(tc, a_paused_queue_gives_nothing_until_it_goes_on);
	tcase_add_test(tc, more_may_run_when_the_bound_is_raised);
	tcase_add_test(tc, until_it_is_empty);

	tc = it_case(s, "room");
	tcase_add_test(tc, the_room_hears_of_each_change);
}

int
main(void)
{
	return it_main("jobs_queues", fill, IT_WITH_PG);
}
