/* links: tests/unit/fail_alloc.c tests/unit/fake_exchange.c $(jobs_box) $(queue_box) -levent_core
 * -lpq -lcrypto -ljansson -lpthread -lm */
/*
 * test_jobs_memory.c - the routes of jobs in a worker, with each allocation failing in turn, alone
 * and with all after it: every request gets its one answer, what is acknowledged is so, each job is
 * in one place, and with memory again the same worker serves again. Ours and jansson's allocations
 * are one sequence; libpq and libevent have their own.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/uuid.h"
#include "fail_alloc.h"
#include "fake_exchange.h"
#include "fetch/fetch_args.h"
#include "jobs/jobs.h"
#include "jobs/kinds.h"
#include "pg_server.h"
#include "proc/doorbell.h"
#include "proc/segment.h"

#define WALK_MAX 300
/* What is asked for is on its way to where it waits. */
#define PARK_MS 20

static struct pg_server server;
static struct config config;
static char database[200], schema[] = "public";
static struct segment *segment;
static struct doorbell bell;
static struct loop *loop;
static struct jobs *jobs;
static struct route_table routes;
static struct watch ticker;
static struct exchange *current;
static uint64_t give_up_ms;
static PGconn *beside;

/* --- what is around a worker's jobs --- */

void
route_add(struct route_table *table, const struct route *route)
{
	table->route[table->n++] = *route;
}

static void
tell(struct span json, void *ctx)
{
	(void)json;
	(void)ctx;
}

/* The kinds of plazad, without what runs them. */

static bool
check_fetch(const json_t *args, const struct config *conf, struct mistakes *mistakes)
{
	struct fetch_args read;

	(void)conf;
	return fetch_args_read(args, NULL, &read, mistakes);
}

const struct job_kind *
job_kind_find(struct span name)
{
	static const struct job_kind fetch = {
	    .name = "fetch", .check = check_fetch, .show = fetch_args_mask};

	return span_eq(name, SPAN_LIT("fetch")) ? &fetch : NULL;
}

size_t
job_kinds(void)
{
	return 1;
}

const struct job_kind *
job_kind_at(size_t index)
{
	(void)index;
	return job_kind_find(SPAN_LIT("fetch"));
}

static void
start_server(void)
{
	pg_server_start(&server, "");
}

static void
remove_server(void)
{
	pg_server_run(&server, "remove");
}

static bool
answered_hook(void *arg)
{
	(void)arg;
	if ((current && current->answered) || clock_monotonic_ms() >= give_up_ms)
		loop_stop(loop);
	return false;
}

static void
tick_cb(void *arg, short what)
{
	(void)arg;
	(void)what;
	watch_start_ms(&ticker, 2);
}

static long
ask(const char *sql)
{
	PGresult *res = PQexec(beside, sql);
	const long number = PQntuples(res) ? strtol(PQgetvalue(res, 0, 0), NULL, 10) : 0;

	ck_assert_msg(PQresultStatus(res) == PGRES_TUPLES_OK ||
			  PQresultStatus(res) == PGRES_COMMAND_OK,
		      "%s", PQerrorMessage(beside));
	PQclear(res);
	return number;
}

/* --- requests --- */

struct call {
	enum http_method method;
	const char *pattern;
	const char *query;  /* or NULL */
	const char *body;   /* "LEASE" in it is that of the job; or NULL */
	const char *prefer; /* or NULL */
};

#define JOB   "/api/jobs/{id}"
#define QUEUE "/api/queues/{queue}"

/* The job that a call is about. */
static char id[37], lease[24];

static struct exchange *
begin(const struct call *call)
{
	static char body[400];
	const char *place = call->body ? strstr(call->body, "LEASE") : NULL;
	const char *param = strstr(call->pattern, "{id}") ? id : "q";

	if (place)
		snprintf(body, sizeof(body), "%.*s%s%s", (int)(place - call->body), call->body,
			 lease, place + 5);
	else
		snprintf(body, sizeof(body), "%s", call->body ? call->body : "");
	fail_alloc_hold(true);
	struct exchange *x = fake_exchange_new(call->query, param, body);
	fail_alloc_hold(false);
	x->request.method = call->method;
	if (call->prefer) {
		x->request.field[0] =
		    (struct request_field){FIELD_OTHER, SPAN_LIT("Prefer"), span_str(call->prefer)};
		x->request.n_fields = 1;
	}
	for (size_t i = 0; i < routes.n; i++) {
		const struct route *r = &routes.route[i];
		if ((r->methods & HTTP_METHOD_BIT(call->method)) &&
		    strcmp(r->pattern, call->pattern) == 0) {
			r->handle(x, r->ctx);
			return x;
		}
	}
	abort();
}

/* Until it is answered, or so long. */
static void
run_for(struct exchange *x, uint64_t ms)
{
	current = x;
	give_up_ms = clock_monotonic_ms() + ms;
	if (!x->answered)
		loop_run(loop);
	current = NULL;
}

/* With memory, until it is answered as it is to be; its exchange. */
static struct exchange *
serve(const struct call *call, int status)
{
	for (int tries = 0; tries < 200; tries++) {
		struct exchange *x = begin(call);

		run_for(x, 20000);
		ck_assert(x->answered);
		if (x->status == status)
			return x;
		ck_assert_msg(x->status == 503, "%s: %d %s", call->pattern, x->status,
			      x->is_problem ? x->detail : x->text);
		fake_exchange_free(&x);
	}
	ck_abort_msg("%s: never served again", call->pattern);
}

static void
serve_once(const struct call *call, int status)
{
	struct exchange *x = serve(call, status);

	fake_exchange_free(&x);
}

/* --- where a job is to be before a call --- */

#define PUT_X                                                                   \
	{                                                                       \
		HTTP_POST, "/api/jobs", NULL,                                   \
		    "{\"kind\":\"x\",\"queue\":\"q\",\"args\":{\"a\":1}}", NULL \
	}
static const struct call put_x = PUT_X;
static const struct call claim_q = {HTTP_POST, QUEUE "/claim", "lease=3600", NULL, NULL};
static const struct call finish_it = {HTTP_POST, JOB "/finish", NULL, "{\"lease\":LEASE}", NULL};
static const struct call fail_it = {HTTP_POST, JOB "/fail", NULL,
				    "{\"lease\":LEASE,\"retry\":false}", NULL};

/* What stands behind "name": in the answer, up to a quote or comma. */
static void
read_member(const struct exchange *x, const char *name, char *value, size_t size)
{
	const char *at = strstr(x->text, name);

	ck_assert_msg(at != NULL, "%s", x->text);
	at += strlen(name);
	snprintf(value, size, "%.*s", (int)strcspn(at, "\","), at);
}

static void
be_nothing(void)
{
	/* an id for PUT, of this moment */
	struct uuid uuid;

	ck_assert(uuid_make(&uuid));
	uuid_print(&uuid, id);
}

static void
be_ready(void)
{
	struct exchange *x = serve(&put_x, 202);

	read_member(x, "\"id\":\"", id, sizeof(id));
	fake_exchange_free(&x);
}

static void
be_claimed(void)
{
	be_ready();
	struct exchange *x = serve(&claim_q, 200);
	ck_assert_ptr_nonnull(strstr(x->text, id));
	read_member(x, "\"lease\":", lease, sizeof(lease));
	fake_exchange_free(&x);
}

static void
be_failed(void)
{
	be_claimed();
	serve_once(&fail_it, 200);
}

/* --- what ends a wait --- */

static void
finish_ready(void)
{
	struct exchange *x = serve(&claim_q, 200);

	read_member(x, "\"id\":\"", id, sizeof(id));
	read_member(x, "\"lease\":", lease, sizeof(lease));
	fake_exchange_free(&x);
	serve_once(&finish_it, 200);
}

static void
finish_claimed(void)
{
	/* it may have been told before: the same end twice is once */
	serve_once(&finish_it, 200);
}

static void
put_one(void)
{
	serve_once(&put_x, 202);
}

/* --- calls --- */

static const struct scenario {
	const char *name;
	void (*prepare)(void);
	struct call call;
	int status;
	/* one that waits: what else happens without memory, and what ends it */
	const struct call *beside;
	void (*end)(void);
	int status_early; /* of one that could not wait; or 0 */
	/* what the database has when it was acknowledged; else that or 0 */
	const char *proof;
	long n;
	const char *text; /* in the right answer, or NULL */
} scenarios[] = {
    {"post", be_nothing, PUT_X, 202, NULL, NULL, 0, "select count(*) from job_ready", 1,
     "\"args\":{\"a\":1}"},
    {"post, unique",
     be_nothing,
     {HTTP_POST, "/api/jobs", NULL, "{\"kind\":\"x\",\"queue\":\"q\",\"unique\":\"u\"}", NULL},
     202,
     NULL,
     NULL,
     200,
     "select count(*) from job_unique",
     1,
     "\"unique\":\"u\""},
    {"post, invalid",
     be_nothing,
     {HTTP_POST, "/api/jobs", NULL, "{\"kind\":\"\",\"queue\":7,\"priority\":[]}", NULL},
     422,
     NULL,
     NULL,
     0,
     "select count(*) from jobs",
     0,
     NULL},
    {"array",
     be_nothing,
     {HTTP_POST, "/api/jobs", NULL,
      "[{\"kind\":\"x\",\"queue\":\"q\"},{\"kind\":\"\"},{\"kind\":\"x\",\"queue\":\"r\","
      "\"run_at\":\"2037-01-01T00:00:00Z\"}]",
      NULL},
     200,
     NULL,
     NULL,
     0,
     "select (select count(*) from job_ready) + (select count(*) from job_later)",
     2,
     "\"status\":422,\"errors\":[{\"pointer\":\"/kind\""},
    {"put",
     be_nothing,
     {HTTP_PUT, JOB, NULL, "{\"kind\":\"x\",\"queue\":\"q\"}", NULL},
     202,
     NULL,
     NULL,
     200,
     "select count(*) from job_ready",
     1,
     "\"kind\":\"x\""},
    {"put again",
     be_ready,
     {HTTP_PUT, JOB, NULL, "{\"kind\":\"x\",\"queue\":\"q\",\"args\":{\"a\":1}}", NULL},
     200,
     NULL,
     NULL,
     0,
     "select count(*) - 1 from job_ready",
     0,
     "\"args\":{\"a\":1}"},
    {"post, waits",
     be_nothing,
     {HTTP_POST, "/api/jobs", NULL, "{\"kind\":\"x\",\"queue\":\"q\"}", "wait=60"},
     200,
     NULL,
     finish_ready,
     202,
     "select count(*) from jobs",
     1,
     NULL},
    {"fetch",
     be_nothing,
     {HTTP_POST, "/api/fetch", NULL,
      "{\"urls\":[\"http://example.org/\"],\"headers\":{\"Authorization\":\"secret\"}}", NULL},
     202,
     NULL,
     NULL,
     0,
     "select count(*) from job_ready",
     1,
     "\"urls\":[\"http://example.org/\"]"},
    {"get",
     be_ready,
     {HTTP_GET, JOB, NULL, NULL, NULL},
     200,
     NULL,
     NULL,
     0,
     NULL,
     0,
     "\"args\":{\"a\":1}"},
    {"get, absent",
     be_nothing,
     {HTTP_GET, JOB, NULL, NULL, NULL},
     404,
     NULL,
     NULL,
     0,
     NULL,
     0,
     NULL},
    {"get, waits",
     be_claimed,
     {HTTP_GET, JOB, "wait=60", NULL, NULL},
     200,
     &finish_it,
     finish_claimed,
     0,
     "select count(*) from job_result where state = 'd'",
     1,
     "\"state\":\"done\""},
    {"list",
     be_ready,
     {HTTP_GET, "/api/jobs", "queue=q&limit=1&state=queued", NULL, NULL},
     200,
     NULL,
     NULL,
     0,
     NULL,
     0,
     "\"queue\":\"q\""},
    {"cancel",
     be_ready,
     {HTTP_DELETE, JOB, NULL, NULL, NULL},
     200,
     NULL,
     NULL,
     409,
     "select count(*) from job_result where state = 'c'",
     1,
     "cancelled"},
    {"cancel, running",
     be_claimed,
     {HTTP_DELETE, JOB, NULL, NULL, NULL},
     202,
     NULL,
     NULL,
     0,
     "select count(*) from job_lease where cancel",
     1,
     "\"cancelling\":true"},
    {"retry",
     be_failed,
     {HTTP_POST, JOB "/retry", NULL, NULL, NULL},
     202,
     NULL,
     NULL,
     409,
     "select count(*) from job_ready",
     1,
     "\"state\":\"queued\""},
    {"finish",
     be_claimed,
     {HTTP_POST, JOB "/finish", NULL, "{\"lease\":LEASE,\"result\":[1]}", NULL},
     200,
     NULL,
     NULL,
     0,
     "select count(*) from job_result where state = 'd' and result::text = '[1]'",
     1,
     "\"state\":\"done\""},
    {"fail",
     be_claimed,
     {HTTP_POST, JOB "/fail", NULL, "{\"lease\":LEASE,\"error\":\"no\",\"retry_after_s\":60}",
      NULL},
     200,
     NULL,
     NULL,
     0,
     "select count(*) from job_later",
     1,
     "\"state\":\"scheduled\""},
    {"fail, late",
     be_failed,
     {HTTP_POST, JOB "/fail", NULL, "{\"lease\":1}", NULL},
     409,
     NULL,
     NULL,
     0,
     NULL,
     0,
     NULL},
    {"extend",
     be_claimed,
     {HTTP_POST, JOB "/extend", NULL, "{\"lease\":LEASE,\"extend_s\":60,\"progress\":5}", NULL},
     200,
     NULL,
     NULL,
     0,
     "select count(*) from job_lease where progress = 5",
     1,
     "\"cancel\":false"},
    {"claim",
     be_ready,
     {HTTP_POST, QUEUE "/claim", "max=3", NULL, NULL},
     200,
     NULL,
     NULL,
     204,
     NULL,
     0,
     "\"args\":{\"a\":1}"},
    {"claim, waits",
     be_nothing,
     {HTTP_POST, QUEUE "/claim", "wait=60", NULL, NULL},
     200,
     &put_x,
     put_one,
     0,
     NULL,
     0,
     "\"attempt\":1"},
    {"queues",
     be_ready,
     {HTTP_GET, "/api/queues", NULL, NULL, NULL},
     200,
     NULL,
     NULL,
     0,
     NULL,
     0,
     "\"queue\":\"q\""},
    {"queue",
     be_ready,
     {HTTP_GET, QUEUE, NULL, NULL, NULL},
     200,
     NULL,
     NULL,
     0,
     NULL,
     0,
     "\"depth\":1"},
    {"queue, waits",
     be_claimed,
     {HTTP_GET, QUEUE, "until=empty&wait=60", NULL, NULL},
     200,
     &finish_it,
     finish_claimed,
     0,
     "select count(*) from job_result where state = 'd'",
     1,
     "\"depth\":0"},
    {"patch",
     be_ready,
     {HTTP_PATCH, QUEUE, NULL, "{\"depth\":500}", NULL},
     200,
     NULL,
     NULL,
     0,
     "select count(*) from job_queue where queue = 'q' and depth = 500",
     1,
     "\"value\":500"},
};

/* --- walks --- */

static void
setup(void)
{
	static struct pass_hook hook = {.fn = answered_hook, .name = "answered"};

	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	fake_exchange_hold(fail_alloc_hold);
	snprintf(database, sizeof(database), "%s", server.conninfo);
	config = (struct config){
	    .store_database = database,
	    .store_schema = schema,
	    .store_connect_timeout = 5000,
	    .store_statement_timeout = 5000,
	    .store_queue_limit = 256,
	    .store_queue_timeout = 5000,
	    .jobs_queue_concurrency = 100000,
	    .jobs_queue_depth = 1000000,
	    .jobs_lease = 600000,
	    .jobs_retention = UINT64_C(7) * 86400 * 1000,
	};
	segment = segment_new(4096);
	ck_assert_ptr_nonnull(segment);
	ck_assert(doorbell_init(&bell));
	loop = loop_new();
	ck_assert_ptr_nonnull(loop);
	memset(&routes, 0, sizeof(routes));
	const struct jobs_host host = {
	    .config = &config, .segment = segment, .bell = &bell, .lanes = 3, .tell = tell};
	jobs = jobs_new(loop, &host);
	ck_assert_ptr_nonnull(jobs);
	jobs_add_routes(jobs, &routes);
	loop_add_pass_hook(loop, &hook);
	watch_init_timer(&ticker, loop, "tick", tick_cb, NULL);
	watch_start_ms(&ticker, 0);
	beside = pg_server_connect(&server);
	/* what is guessed of tables without statistics is not worth a compiler */
	ask("set jit = off");
}

static void
teardown(void)
{
	PQfinish(beside);
	jobs_free(&jobs);
	loop_free(&loop);
	segment_free(&segment);
}

/* No job but the one that is to come. */
static void
clear(void)
{
	ask("delete from jobs; delete from job_ready; delete from job_later; delete from "
	    "job_lease; "
	    "delete from job_result; delete from job_unique; update job_queue set depth = null");
}

/* Each job waits, runs, or has ended: one of them. */
static const char astray[] =
    "select count(*) from jobs j where (select count(*) from job_ready r where r.id = j.id) + "
    "(select count(*) from job_later l where l.id = j.id) + (select count(*) from job_lease e "
    "where e.id = j.id) + (select count(*) from job_result t where t.id = j.id and t.state in "
    "('d', 'f', 'x', 'c') and not exists (select from job_result u where u.id = t.id and u.state "
    "= 'r')) <> 1";

static void
expect_true(const struct scenario *s, const struct exchange *x, unsigned n)
{
	const bool is_right = x->status == s->status;

	ck_assert_msg(
	    is_right || x->status == 503 || (s->status_early && x->status == s->status_early),
	    "%s, allocation %u: %d %s", s->name, n, x->status, x->is_problem ? x->detail : x->text);
	/* a header that is nobody's business */
	ck_assert_msg(!x->text || !strstr(x->text, "secret"), "%s, allocation %u: %s", s->name, n,
		      x->text);
	if (is_right && s->text)
		ck_assert_msg(strstr(x->text, s->text) != NULL, "%s, allocation %u: %s", s->name, n,
			      x->text);
	if (s->proof) {
		const long got = ask(s->proof);
		ck_assert_msg(got == s->n || (!is_right && x->status == 503 && got == 0),
			      "%s, allocation %u: %d %s, but %s is %ld", s->name, n, x->status,
			      x->is_problem ? x->detail : x->text, s->proof, got);
	}
	ck_assert_msg(ask(astray) == 0, "%s, allocation %u: a job is astray", s->name, n);
}

/* Whether an allocation has failed. */
static bool
step(const struct scenario *s, unsigned n, bool for_good)
{
	struct exchange *x, *other = NULL;

	clear();
	s->prepare();
	if (s->beside) {
		/* it waits already when memory runs out */
		x = begin(&s->call);
		run_for(x, PARK_MS);
		ck_assert_msg(!x->answered, "%s: %d", s->name, x->status);
	}
	fail_alloc_at(n, for_good);
	if (s->beside) {
		other = begin(s->beside);
		run_for(other, 20000);
	} else {
		x = begin(&s->call);
	}
	run_for(x, s->end ? PARK_MS : 20000);
	const bool has_failed = fail_alloc_end();
	if (other) {
		ck_assert_msg(other->answered, "%s, allocation %u: no answer", s->name, n);
		fake_exchange_free(&other);
	}
	if (!x->answered && s->end) {
		s->end();
		run_for(x, 20000);
	}
	ck_assert_msg(x->answered, "%s, allocation %u: no answer", s->name, n);
	expect_true(s, x, n);
	fake_exchange_free(&x);
	return has_failed;
}

START_TEST(each_allocation_may_fail)
{
	const struct scenario *s = &scenarios[_i / 2];
	unsigned n = 0;

	/* a worker that has come up */
	serve_once(&put_x, 202);
	serve_once(&claim_q, 200);
	while (step(s, ++n, _i % 2))
		ck_assert_uint_lt(n, WALK_MAX);
	ck_assert_msg(n > 2, "%s: %u", s->name, n);
	/* and with memory it is as ever */
	clear();
	ck_assert(!step(s, 0, false));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("jobs_memory");
	TCase *tc = tcase_create("jobs_memory");

	tcase_add_unchecked_fixture(tc, start_server, remove_server);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, each_allocation_may_fail, 0,
			    2 * (int)(sizeof(scenarios) / sizeof(scenarios[0])));
	tcase_set_timeout(tc, 60);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
