/* links: tests/unit/fake_exchange.c tests/unit/pg_server.c $(store_sources) src/http/json_body.c
 * src/http/json_string.c src/http/json_text.c src/http/body_type.c src/http/chars.c
 * src/http/etag.c src/http/host.c src/http/mistakes.c src/http/negotiate.c src/http/prefer.c
 * src/http/query.c src/http/query_mistakes.c $(request) src/http/refuse.c src/http/server_timing.c
 * src/pg/array.c src/pg/record.c src/pg/lane.c src/pg/batch.c src/pg/blame.c src/pg/parts.c
 * src/pg/session.c src/pg/connect.c src/pg/setup.c src/pg/steps.c src/pg/resolve.c
 * src/pg/conninfo.c src/pg/backlog.c src/base/buffer.c src/base/loop.c src/base/clock.c
 * src/base/log.c src/base/deadline.c src/proc/doorbell.c -levent_core -lpq -ljansson -lcrypto
 * -lpthread -lm */
/*
 * test_store.c - the routes of the product store, asked without a front door, on a real
 * PostgreSQL: each body as it is to be, each mistake with its problem.
 */
#include "store/store.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/conninfo.h"
#include "fake_exchange.h"
#include "http/json_body.h"
#include "pg_server.h"

static struct pg_server server;
static struct config config;
static char database[256];
static char schema[] = "public";
static struct loop *loop;
static struct store *store;
static struct route_table routes;
static struct watch ticker;
static uint64_t give_up_ms;

/* The front door's part of the contract. */

void
route_add(struct route_table *table, const struct route *route)
{
	table->route[table->n++] = *route;
}

char *
config_mask_conninfo(const char *conninfo)
{
	(void)conninfo;
	return strdup("MASKED");
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

static void
setup(void)
{
	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	/* versions, too, begin anew */
	pg_server_sql(&server, "drop schema public cascade; "
			       "create schema public authorization plaza");
	snprintf(database, sizeof(database), "%s", server.conninfo);
	config = (struct config){
	    .store_database = database,
	    .store_schema = schema,
	    .store_connections = 60,
	    .store_connect_timeout = 5000,
	    .store_statement_timeout = 5000,
	    .store_queue_limit = 256,
	    .store_queue_timeout = 5000,
	    .http_max_body_size = 4096,
	};
	loop = loop_new();
	ck_assert_ptr_nonnull(loop);
	memset(&routes, 0, sizeof(routes));
}

static void
open_store(unsigned lanes)
{
	store = store_new(loop, &config, lanes);
	ck_assert_ptr_nonnull(store);
	store_add_routes(store, &routes);
}

static void
teardown(void)
{
	store_free(&store);
	ck_assert_ptr_null(store);
	loop_free(&loop);
}

static const struct route *
find_route(enum http_method method, const char *pattern)
{
	for (size_t i = 0; i < routes.n; i++) {
		const struct route *r = &routes.route[i];
		if ((r->methods & HTTP_METHOD_BIT(method)) && strcmp(r->pattern, pattern) == 0)
			return r;
	}
	ck_abort_msg("no route for %s", pattern);
}

static struct exchange *
begin(enum http_method method, const char *pattern, const char *query, const char *param,
      const char *body)
{
	struct exchange *x = fake_exchange_new(query, param, body);
	const struct route *r = find_route(method, pattern);

	r->handle(x, r->ctx);
	return x;
}

static struct exchange *
begin_post(const char *body)
{
	return begin(HTTP_POST, "/api/products", NULL, NULL, body);
}

static struct exchange *
begin_get(const char *id)
{
	return begin(HTTP_GET, "/api/products/{id}", NULL, id, NULL);
}

static struct exchange *
begin_list(const char *query)
{
	return begin(HTTP_GET, "/api/products", query, NULL, NULL);
}

/*
 * A conversation: `talk` is called after each pass with the last exchange answered (NULL at first)
 * and returns the next one, or NULL to end.
 */
static struct exchange *(*talk)(struct exchange *answered);
static struct exchange *current;

static bool
talk_hook(void *arg)
{
	(void)arg;
	ck_assert_msg(clock_monotonic_ms() < give_up_ms, "no answer");
	if (current && !current->answered)
		return false;
	struct exchange *next = talk(current);
	if (current)
		fake_exchange_free(&current);
	current = next;
	if (!next)
		loop_stop(loop);
	/* a 503 at once is no reason to spin: the ticker goes on */
	return false;
}

static void
tick_cb(void *arg, short what)
{
	(void)arg;
	(void)what;
	watch_start_ms(&ticker, 2);
}

static void
converse(struct exchange *(*fn)(struct exchange *answered))
{
	struct pass_hook hook = {.fn = talk_hook, .name = "talk"};

	talk = fn;
	give_up_ms = clock_monotonic_ms() + 30000;
	loop_add_pass_hook(loop, &hook);
	watch_init_timer(&ticker, loop, "tick", tick_cb, NULL);
	watch_start_ms(&ticker, 0);
	loop_run(loop);
}

static void
expect_reply(const struct exchange *x, int status, const char *text)
{
	ck_assert_msg(!x->is_problem, "%d %s: %s", x->status, x->title, x->detail);
	ck_assert_int_eq(x->status, status);
	ck_assert_str_eq(x->content_type, "application/json");
	ck_assert_uint_eq(x->text_len, strlen(x->text));
	ck_assert_str_eq(x->text, text);
}

static void
expect_problem(const struct exchange *x, int status, const char *type)
{
	ck_assert_msg(x->is_problem, "%d: %s", x->status, x->text);
	ck_assert_msg(x->status == status, "%d %s: %s", x->status, x->title, x->detail);
	ck_assert_str_eq(x->type, type);
	ck_assert(strlen(x->title) > 0);
	ck_assert(x->detail && strlen(x->detail) > 0);
}

static unsigned
retry_after(const struct exchange *x)
{
	unsigned s = 0;

	ck_assert_int_eq(sscanf(x->fields, "Retry-After: %u\r\n", &s), 1);
	ck_assert_uint_ge(s, 1);
	ck_assert_uint_le(s, 60);
	return s;
}

/* These, and how long it took. */
static void
expect_fields(const struct exchange *x, const char *fields)
{
	const size_t len = strlen(fields);
	double queue, db;
	int end = 0;

	ck_assert_msg(strncmp(x->fields, fields, len) == 0, "%s", x->fields);
	ck_assert_int_eq(sscanf(x->fields + len, "Server-Timing: queue;dur=%lf, db;dur=%lf\r\n%n",
				&queue, &db, &end),
			 2);
	ck_assert_str_eq(x->fields + len + end, "");
	ck_assert_double_ge(queue, 0);
	ck_assert_double_ge(db, 0);
}

/* One product after another, then seen again. */

static unsigned step;

static struct exchange *
talk_products(struct exchange *x)
{
	switch (step++) {
	case 0: return begin_list("");
	case 1:
		expect_reply(x, 200, "{\"items\":[],\"next\":null}");
		return begin_post("{\"name\":\"iPhone 12\",\"price\":999.99}");
	case 2:
		expect_reply(x, 201,
			     "{\"id\":1,\"name\":\"iPhone 12\",\"price\":999.99,\"version\":1}");
		expect_fields(x, "Location: /api/products/1\r\n");
		return begin_post("{\"price\":\"12.5\",\"name\":\"\\\"\\u592a\\u90ce\\\"\\n\"}");
	case 3:
		expect_reply(x, 201,
			     "{\"id\":2,\"name\":\"\\\"\xe5\xa4\xaa\xe9\x83\x8e\\\"\\n\","
			     "\"price\":12.50,\"version\":2}");
		expect_fields(x, "Location: /api/products/2\r\n");
		return begin_get("1");
	case 4:
		expect_reply(x, 200,
			     "{\"id\":1,\"name\":\"iPhone 12\",\"price\":999.99,\"version\":1}");
		expect_fields(x, "");
		return begin_get("3");
	case 5: expect_problem(x, 404, "not-found"); return begin_list("");
	default:
		expect_reply(
		    x, 200,
		    "{\"items\":[{\"id\":1,\"name\":\"iPhone 12\",\"price\":999.99,\"version\":1},"
		    "{\"id\":2,\"name\":\"\\\"\xe5\xa4\xaa\xe9\x83\x8e\\\"\\n\","
		    "\"price\":12.50,\"version\":2}],\"next\":null}");
		return NULL;
	}
}

START_TEST(products)
{
	step = 0;
	open_store((unsigned)_i);
	converse(talk_products);
}
END_TEST

/* Mistakes are told without the database, and even when it is away. */

static const char *const bad_ids[] = {"0",
				      "-1",
				      "01",
				      "+1",
				      "1 ",
				      "a",
				      "1a",
				      "1.0",
				      "9223372036854775808",
				      "99999999999999999999",
				      "0x1",
				      "",
				      "\xd9\xa1"};

START_TEST(a_bad_id_is_not_found)
{
	strcpy(database, "host=/nonexistent");
	open_store(1);
	struct exchange *x = begin_get(bad_ids[_i]);
	ck_assert_msg(x->answered, "\"%s\" went to the database", bad_ids[_i]);
	expect_problem(x, 404, "not-found");
	fake_exchange_free(&x);
}
END_TEST

static const struct body_case {
	const char *body;
	int status;
	const char *type;
	const char *pointer[3];
} bad_bodies[] = {
    {"{", 400, "not-json", {NULL}},
    {"", 400, "not-json", {NULL}},
    {"[]", 422, "validation", {""}},
    {"{}", 422, "validation", {"/name", "/price"}},
    {"{\"name\":\"\",\"price\":-1,\"colour\":\"red\"}",
     422,
     "validation",
     {"/name", "/price", "/colour"}},
    {"{\"name\":\"a\",\"price\":0.001}", 422, "validation", {"/price"}},
    {"{\"name\":\"a\",\"price\":1e999}", 422, "validation", {""}},
    {"{\"name\":\"a\\u0000\",\"price\":1}", 422, "validation", {"/name"}},
};

START_TEST(a_bad_body_is_told_whole)
{
	const struct body_case *c = &bad_bodies[_i];
	size_t n = 0;

	strcpy(database, "host=/nonexistent");
	open_store(1);
	struct exchange *x = begin_post(c->body);
	ck_assert_msg(x->answered, "%s went to the database", c->body);
	expect_problem(x, c->status, c->type);
	while (n < 3 && c->pointer[n]) {
		ck_assert_msg(fake_exchange_error(x, c->pointer[n]) != NULL, "%s", c->pointer[n]);
		n++;
	}
	ck_assert_uint_eq(x->n_errors, n);
	fake_exchange_free(&x);
}
END_TEST

static const struct query_case {
	const char *query;
	size_t n_errors;
} bad_queries[] = {
    {"limit=0", 1},
    {"limit=1001", 1},
    {"limit=", 1},
    {"limit", 1},
    {"limit=-1", 1},
    {"limit=1.5", 1},
    {"limit=01", 1},
    {"limit=5&limit=5", 1},
    {"limit=99999999999999999999", 1},
    {"limit=%", 1},
    {"limit=%31%", 1},
    {"limit=1%00", 1},
    {"after=", 1},
    {"after=1", 1},
    {"after=aWQ6MDE", 1},
    {"after=aWQ6MQ&after=aWQ6MQ", 1},
    {"page=2", 1},
    {"Limit=1", 1},
    {"=1", 1},
    {"limit=0&after=x&page=2", 3},
    {"a=1&b=2&c=3", 3},
    {"limitlimitlimit=1", 1},
};

START_TEST(a_bad_query_is_told)
{
	strcpy(database, "host=/nonexistent");
	open_store(1);
	struct exchange *x = begin_list(bad_queries[_i].query);
	ck_assert_msg(x->answered, "%s went to the database", bad_queries[_i].query);
	expect_problem(x, 400, "bad-parameter");
	ck_assert_uint_eq(x->n_errors, bad_queries[_i].n_errors);
	ck_assert_ptr_nonnull(fake_exchange_error(x, "-"));
	fake_exchange_free(&x);
}
END_TEST

/* Pages */

static char next[64];

static size_t
count_items(const struct exchange *x)
{
	size_t n = 0;

	ck_assert_msg(!x->is_problem, "%s", x->detail);
	for (const char *p = x->text; (p = strstr(p, "{\"id\":")) != NULL; p++)
		n++;
	next[0] = '\0';
	const char *found = strstr(x->text, "],\"next\":");
	ck_assert_ptr_nonnull(found);
	if (strcmp(found, "],\"next\":null}") != 0)
		ck_assert_int_eq(sscanf(found, "],\"next\":\"%40[A-Za-z0-9_-]\"}", next), 1);
	return n;
}

static struct exchange *
talk_pages(struct exchange *x)
{
	char query[128];

	switch (step++) {
	case 0: return begin_list("");
	case 1:
		/* ids are not dense, and one is not of our making */
		pg_server_sql(
		    &server,
		    "insert into products(id, name, price) select i * 3, 'p' || i, i from "
		    "generate_series(1, 1200) i; insert into products values (-7, 'x', 1)");
		return begin_list("");
	case 2:
		ck_assert_uint_eq(count_items(x), 100);
		ck_assert_int_eq(strncmp(x->text, "{\"items\":[{\"id\":-7,", 19), 0);
		ck_assert_ptr_nonnull(strstr(x->text, "{\"id\":297,"));
		snprintf(query, sizeof(query), "after=%s", next);
		return begin_list(query);
	case 3:
		ck_assert_uint_eq(count_items(x), 100);
		ck_assert_int_eq(strncmp(x->text, "{\"items\":[{\"id\":300,", 20), 0);
		return begin_list("&limit=%31000&");
	case 4:
		ck_assert_uint_eq(count_items(x), 1000);
		snprintf(query, sizeof(query), "limit=201&after=%s", next);
		return begin_list(query);
	case 5:
		/* exactly what is left: there is no next page */
		ck_assert_uint_eq(count_items(x), 201);
		ck_assert_str_eq(next, "");
		return begin_list("after=aWQ6MzYwMA"); /* id:3600, the last one */
	default: expect_reply(x, 200, "{\"items\":[],\"next\":null}"); return NULL;
	}
}

START_TEST(pages)
{
	step = 0;
	open_store(3);
	converse(talk_pages);
}
END_TEST

/* A table that was there before us is used as it is. */

static struct exchange *
talk_foreign(struct exchange *x)
{
	switch (step++) {
	case 0: return begin_post("{\"name\":\"a\",\"price\":1}");
	case 1:
		expect_reply(x, 201,
			     "{\"id\":5000000000,\"name\":\"a\",\"price\":1.000,\"version\":1,"
			     "\"more\":null}");
		return begin_post("{\"name\":\"a\",\"price\":2}");
	case 2:
		expect_problem(x, 409, "conflict");
		return begin_post("{\"name\":\"b\",\"price\":77}");
	case 3: expect_problem(x, 422, "validation"); return begin_list("limit=1");
	case 4:
		ck_assert_uint_eq(count_items(x), 1);
		pg_server_sql(&server, "revoke select on products from plaza");
		return begin_list("limit=1");
	default:
		expect_problem(x, 503, "store-unavailable");
		ck_assert_ptr_nonnull(strstr(x->detail, "may not use the table"));
		retry_after(x);
		pg_server_sql(&server, "drop table products");
		return NULL;
	}
}

START_TEST(a_foreign_table)
{
	step = 0;
	/* the refusals are logged as errors */
	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	pg_server_sql(&server,
		      "create table products(id bigint generated always as identity (start with "
		      "5000000000) primary key, name text unique, price numeric(12,3) check (price "
		      "<> 77), more text); alter table products owner to plaza");
	open_store(2);
	converse(talk_foreign);
}
END_TEST

/* No database, or none that answers. */

START_TEST(no_database_names_the_option)
{
	database[0] = '\0';
	open_store(3);
	struct exchange *x[] = {begin_list(""), begin_get("1"),
				begin_post("{\"name\":\"a\",\"price\":1}")};
	for (size_t i = 0; i < 3; i++) {
		ck_assert(x[i]->answered);
		expect_problem(x[i], 503, "no-store");
		ck_assert_ptr_nonnull(strstr(x[i]->detail, "store.database"));
		fake_exchange_free(&x[i]);
	}
}
END_TEST

static struct exchange *
talk_down(struct exchange *x)
{
	switch (step++) {
	case 0: return begin_get("1");
	case 1:
		/* it waited for the first attempt; the next one is not waited for */
		expect_problem(x, 503, "store-unavailable");
		retry_after(x);
		return begin_post("{\"name\":\"a\",\"price\":1}");
	default:
		expect_problem(x, 503, "store-unavailable");
		retry_after(x);
		return NULL;
	}
}

START_TEST(an_unreachable_database)
{
	step = 0;
	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	strcpy(database, "host=/nonexistent");
	open_store(1);
	converse(talk_down);
}
END_TEST

/* Each lane has answered once: all are ready, and none prepares its statements under a lock. */
static struct exchange *
talk_warm_up(void)
{
	switch (step++) {
	case 0: return begin_get("1");
	case 1: return begin_list("");
	default: return begin_post("{\"name\":\"a\",\"price\":1}");
	}
}

static struct exchange *
talk_slow(struct exchange *x)
{
	static PGconn *locker;

	if (step < 3)
		return talk_warm_up();
	switch (step++) {
	case 3:
		ck_assert_int_eq(x->status, 201);
		locker = pg_server_connect(&server);
		PQclear(PQexec(locker, "begin"));
		PQclear(PQexec(locker, "lock table products"));
		return begin_post("{\"name\":\"b\",\"price\":1}");
	case 4: expect_problem(x, 503, "store-timeout"); return begin_get("1");
	case 5:
		expect_problem(x, 503, "store-timeout");
		retry_after(x);
		PQfinish(locker);
		return begin_get("2");
	default: expect_problem(x, 404, "not-found"); return NULL;
	}
}

START_TEST(a_locked_table)
{
	step = 0;
	config.store_statement_timeout = 400;
	open_store(3);
	converse(talk_slow);
}
END_TEST

static struct exchange *
talk_lost(struct exchange *x)
{
	static PGconn *locker;

	if (step < 3)
		return talk_warm_up();
	switch (step++) {
	case 3:
		ck_assert_int_eq(x->status, 201);
		locker = pg_server_connect(&server);
		PQclear(PQexec(locker, "begin"));
		PQclear(PQexec(locker, "lock table products in exclusive mode"));
		return begin_post("{\"name\":\"b\",\"price\":1}");
	case 4:
		expect_problem(x, 503, "commit-unknown");
		PQfinish(locker);
		return begin_list("");
	default:
		/* and it was not tried again */
		expect_reply(x, 200,
			     "{\"items\":[{\"id\":1,\"name\":\"a\",\"price\":1.00,\"version\":1}],"
			     "\"next\":null}");
		return NULL;
	}
}

static bool
terminate_hook(void *arg)
{
	(void)arg;
	/* the lane of the second write, once it waits for its lock */
	if (step == 4 && current && !current->answered)
		pg_server_sql(&server,
			      "select pg_terminate_backend(pid) from pg_stat_activity "
			      "where application_name = 'plazad' and query like '%insert%' "
			      "and wait_event_type = 'Lock'");
	return false;
}

START_TEST(a_write_that_was_lost)
{
	struct pass_hook hook = {.fn = terminate_hook, .name = "terminate"};

	step = 0;
	open_store(3);
	loop_add_pass_hook(loop, &hook);
	converse(talk_lost);
}
END_TEST

START_TEST(the_end_answers_who_waits)
{
	open_store(3);
	struct exchange *get = begin_get("1");
	struct exchange *post = begin_post("{\"name\":\"a\",\"price\":1}");
	ck_assert(!get->answered && !post->answered);
	store_free(&store);
	expect_problem(get, 503, "store-unavailable");
	expect_problem(post, 503, "store-unavailable");
	fake_exchange_free(&get);
	fake_exchange_free(&post);
}
END_TEST

START_TEST(routes_as_agreed)
{
	open_store(3);
	const struct route *list = find_route(HTTP_GET, "/api/products");
	const struct route *post = find_route(HTTP_POST, "/api/products");
	const struct route *get = find_route(HTTP_GET, "/api/products/{id}");
	const struct route *export = find_route(HTTP_GET, "/api/products/export");
	ck_assert_int_eq(list->scope, SCOPE_STORE_READ);
	ck_assert_int_eq(get->scope, SCOPE_STORE_READ);
	ck_assert_int_eq(export->scope, SCOPE_STORE_READ);
	ck_assert_int_eq(post->scope, SCOPE_STORE_WRITE);
	ck_assert_uint_eq(post->body_limit, 1048576);
	ck_assert_str_eq(post->body_type, "application/json, text/csv");
	const struct route *put = find_route(HTTP_PUT, "/api/products/{id}");
	const struct route *patch = find_route(HTTP_PATCH, "/api/products/{id}");
	const struct route *delete = find_route(HTTP_DELETE, "/api/products/{id}");
	ck_assert_int_eq(put->scope, SCOPE_STORE_WRITE);
	ck_assert_int_eq(patch->scope, SCOPE_STORE_WRITE);
	ck_assert_int_eq(delete->scope, SCOPE_STORE_WRITE);
	ck_assert_str_eq(put->body_type, "application/json");
	ck_assert_str_eq(patch->body_type, "application/merge-patch+json");
	ck_assert_uint_eq(put->body_limit, JSON_BODY_MAX);
	ck_assert_uint_eq(patch->body_limit, JSON_BODY_MAX);
	ck_assert_uint_eq(delete->body_limit, 0);
	ck_assert_uint_eq(list->body_limit, 0);
}
END_TEST

/* The log tells each change once, and no password. */

static int saved_stderr;
static char log_file[] = "/tmp/plaza-log-XXXXXX";

static size_t
count_lines(const char *text)
{
	char line[2048];
	size_t n = 0;
	FILE *f = fopen(log_file, "r");

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, text) != NULL;
	fclose(f);
	return n;
}

static uint64_t outage_over_ms;

static struct exchange *
talk_outage(struct exchange *x)
{
	switch (step) {
	case 0: step++; return begin_list("");
	case 1:
		/* all lanes are there when the line is */
		if (count_lines("connected to") == 0)
			return begin_list("");
		step++;
		pg_server_run(&server, "kill");
		/* time for several attempts of each lane */
		outage_over_ms = clock_monotonic_ms() + 1500;
		return begin_list("");
	case 2:
		if (clock_monotonic_ms() < outage_over_ms)
			return begin_list("");
		expect_problem(x, 503, "store-unavailable");
		step++;
		pg_server_run(&server, "restart");
		return begin_list("");
	default: return count_lines("connected to") < 2 ? begin_list("") : NULL;
	}
}

START_TEST(the_log_is_short)
{
	step = 0;
	int fd = mkstemp(log_file);
	fflush(stderr);
	saved_stderr = dup(STDERR_FILENO);
	dup2(fd, STDERR_FILENO);
	close(fd);
	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
	strcat(database, " password=sesame");
	open_store(3);
	converse(talk_outage);
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	ck_assert_uint_eq(count_lines("info: store: connected to host "), 2);
	ck_assert_uint_eq(count_lines("warning: store: lost MASKED: "), 1);
	ck_assert_uint_ge(count_lines("warning: store: cannot connect to MASKED: "), 1);
	ck_assert_uint_le(count_lines("store: "), 8 + 7 /* schema steps */);
	ck_assert_uint_eq(count_lines("sesame"), 0);
	unlink(log_file);
}
END_TEST

#define N(table) (int)(sizeof(table) / sizeof((table)[0]))

int
main(void)
{
	Suite *suite = suite_create("store");
	TCase *tc = tcase_create("store");

	tcase_add_unchecked_fixture(tc, start_server, remove_server);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, products, 1, 4);
	tcase_add_loop_test(tc, a_bad_id_is_not_found, 0, N(bad_ids));
	tcase_add_loop_test(tc, a_bad_body_is_told_whole, 0, N(bad_bodies));
	tcase_add_loop_test(tc, a_bad_query_is_told, 0, N(bad_queries));
	tcase_add_test(tc, pages);
	tcase_add_test(tc, a_foreign_table);
	tcase_add_test(tc, no_database_names_the_option);
	tcase_add_test(tc, an_unreachable_database);
	tcase_add_test(tc, a_locked_table);
	tcase_add_test(tc, a_write_that_was_lost);
	tcase_add_test(tc, the_end_answers_who_waits);
	tcase_add_test(tc, routes_as_agreed);
	tcase_add_test(tc, the_log_is_short);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
