/* links: tests/unit/fail_alloc.c tests/unit/fake_exchange.c tests/unit/pg_server.c
 * $(store_sources) src/http/json_body.c src/http/json_string.c src/http/json_text.c
 * src/http/body_type.c src/http/chars.c src/http/etag.c src/http/host.c src/http/mistakes.c
 * src/http/negotiate.c src/http/prefer.c src/http/query.c src/http/query_mistakes.c
 * $(request) src/http/refuse.c src/http/server_timing.c src/pg/array.c src/pg/record.c
 * src/pg/lane.c src/pg/batch.c src/pg/blame.c src/pg/parts.c src/pg/session.c src/pg/connect.c
 * src/pg/setup.c src/pg/steps.c src/pg/resolve.c src/pg/conninfo.c src/pg/backlog.c
 * src/base/buffer.c src/base/loop.c src/base/clock.c src/base/log.c src/base/deadline.c
 * src/proc/doorbell.c -levent_core -lpq -ljansson -lcrypto -lpthread -lm */
/*
 * test_store_memory.c - the routes that write products, with each allocation failing in turn, alone
 * and with all after it: every request gets its one answer, nothing is written twice, and with
 * memory again the same worker serves again. Ours and jansson's allocations are one sequence; libpq
 * and libevent have their own.
 */
#include "store/store.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/conninfo.h"
#include "fail_alloc.h"
#include "fake_exchange.h"
#include "pg_server.h"

#define WALK_MAX 400

static struct pg_server server;
static struct config config;
static char database[256], schema[] = "public", listen_conninfo[] = "";
static struct loop *loop;
static struct store *store;
static struct route_table routes;
static struct watch ticker;
static struct exchange *current;
static uint64_t give_up_ms;
static PGconn *beside;

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

static bool
answered_hook(void *arg)
{
	(void)arg;
	if (current->answered || clock_monotonic_ms() > give_up_ms)
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
	    .store_listen = listen_conninfo,
	    .store_connections = 60,
	    .store_connect_timeout = 5000,
	    .store_statement_timeout = 5000,
	    .store_queue_limit = 256,
	    .store_queue_timeout = 5000,
	};
	loop = loop_new();
	ck_assert_ptr_nonnull(loop);
	memset(&routes, 0, sizeof(routes));
	store = store_new(loop, &config, 1);
	ck_assert_ptr_nonnull(store);
	store_add_routes(store, &routes);
	loop_add_pass_hook(loop, &hook);
	watch_init_timer(&ticker, loop, "tick", tick_cb, NULL);
	watch_start_ms(&ticker, 0);
	beside = pg_server_connect(&server);
}

static void
teardown(void)
{
	PQfinish(beside);
	store_free(&store);
	loop_free(&loop);
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

static const struct call {
	enum http_method method;
	const char *type;   /* Content-Type */
	const char *body;   /* each %u is the number of the try; NULL: none */
	const char *prefer; /* or NULL */
	bool is_keyed;
	int status;
	long rows; /* that it adds */
} calls[] = {
    {HTTP_POST, "application/json", "{\"name\":\"m%u\",\"price\":1.5}", NULL, false, 201, 1},
    {HTTP_POST, "application/json", "{\"name\":\"\",\"price\":%u}", NULL, false, 422, 0},
    {HTTP_POST, "application/json",
     "[{\"name\":\"m%u\",\"price\":1},{\"a\":0},{\"name\":\"b\",\"price\":\"2\"}]", NULL, false,
     200, 2},
    {HTTP_POST, "application/json",
     "[{\"name\":\"m%u\",\"price\":1},{\"name\":\"rude\",\"price\":1}]", NULL, false, 200, 1},
    {HTTP_POST, "application/json", "[{\"name\":\"m%u\",\"price\":1},{\"name\":7}]", "atomic",
     false, 422, 0},
    {HTTP_POST, "text/csv", "name,price\n\"m\"\"%u\",1\nb,2\nc,x\n", NULL, false, 200, 2},
    {HTTP_PUT, "application/json", "{\"name\":\"m%u\",\"price\":2}", NULL, false, 200, 0},
    {HTTP_PATCH, "application/merge-patch+json", "{\"name\":\"m%u\"}", NULL, false, 200, 0},
    {HTTP_POST, "application/json", "{\"name\":\"m%u\",\"price\":1.5}", NULL, true, 201, 1},
    {HTTP_POST, "application/json", "[{\"name\":\"m%u\",\"price\":1},{}]", NULL, true, 200, 1},
    {HTTP_POST, "application/json",
     "[{\"name\":\"m%u\",\"price\":1},{\"name\":\"rude\",\"price\":1}]", NULL, true, 200, 1},
    {HTTP_PUT, "application/json", "{\"name\":\"m%u\",\"price\":2}", NULL, true, 200, 0},
};

static void
set_field(struct request *request, size_t at, enum http_field id, const char *name,
	  const char *value)
{
	request->field[at] = (struct request_field){id, span_str(name), span_str(value)};
	if (id != FIELD_OTHER) {
		request->times[id] = 1;
		request->first[id] = (uint8_t)at;
	}
	request->n_fields = at + 1;
}

/* The call for the `number`-th time; its exchange, to be freed. */
static struct exchange *
begin(const struct call *call, unsigned number)
{
	static char body[300], key[40];
	const char *pattern = call->method == HTTP_POST ? "/api/products" : "/api/products/{id}";

	/* the bodies are our own formats */
	const char *place = strstr(call->body, "%u");
	snprintf(body, sizeof(body), "%.*s%u%s", (int)(place - call->body), call->body, number,
		 place + 2);
	snprintf(key, sizeof(key), "key-%u", number);
	fail_alloc_hold(true);
	struct exchange *x = fake_exchange_new(NULL, "1", body);
	fail_alloc_hold(false);
	x->request.method = call->method;
	set_field(&x->request, 0, FIELD_CONTENT_TYPE, "Content-Type", call->type);
	set_field(&x->request, 1, FIELD_OTHER, "Prefer", call->prefer ? call->prefer : "none");
	if (call->is_keyed)
		set_field(&x->request, 2, FIELD_IDEMPOTENCY_KEY, "Idempotency-Key", key);
	for (size_t i = 0; i < routes.n; i++) {
		const struct route *r = &routes.route[i];
		if ((r->methods & HTTP_METHOD_BIT(call->method)) &&
		    strcmp(r->pattern, pattern) == 0) {
			current = x;
			r->handle(x, r->ctx);
			return x;
		}
	}
	abort();
}

static void
wait_for(const struct exchange *x)
{
	give_up_ms = clock_monotonic_ms() + 20000;
	if (!x->answered)
		loop_run(loop);
}

/* With memory, until it is answered as it is to be. */
static void
expect_served(const struct call *call, unsigned number)
{
	for (int tries = 0; tries < 200; tries++) {
		struct exchange *x = begin(call, number);
		wait_for(x);
		ck_assert(x->answered);
		const int status = x->status;
		ck_assert_msg(status == call->status || status == 503, "%d %s", status,
			      x->is_problem ? x->detail : x->text);
		fake_exchange_free(&x);
		if (status == call->status)
			return;
	}
	ck_abort_msg("never served again");
}

static void
walk(const struct call *call, bool for_good, unsigned number)
{
	unsigned n = 1;
	bool has_failed = true;

	expect_served(call, ++number);
	for (; has_failed; n++) {
		ck_assert_uint_lt(n, WALK_MAX);
		const long before = ask("select count(*) from products");
		number++;
		fail_alloc_at(n, for_good);
		struct exchange *x = begin(call, number);
		wait_for(x);
		has_failed = fail_alloc_end();
		ck_assert_msg(x->answered, "allocation %u: no answer", n);
		const int status = x->status;
		ck_assert_msg(status == call->status || status == 503, "allocation %u: %d %s", n,
			      status, x->is_problem ? x->detail : x->text);
		fake_exchange_free(&x);
		const long added = ask("select count(*) from products") - before;
		ck_assert_msg(status == 503 ? added == 0 || added == call->rows
					    : added == call->rows,
			      "allocation %u: %d, but %ld rows", n, status, added);
		if (!call->is_keyed)
			continue;
		/* whatever became of it: with its key it is done once */
		expect_served(call, number);
		ck_assert_int_eq(ask("select count(*) from products"), before + call->rows);
	}
	ck_assert_uint_gt(n, 2);
	expect_served(call, ++number);
}

START_TEST(each_allocation_may_fail)
{
	/* a worker that has come up, and the product that is changed */
	expect_served(&calls[0], 0);
	ask("delete from products where id <> 1");
	ask("alter table products drop constraint if exists polite");
	ask("alter table products add constraint polite check (name <> 'rude')");
	/* keys are kept from one walk to the next */
	walk(&calls[_i / 2], _i % 2, (unsigned)_i * 1000);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("store_memory");
	TCase *tc = tcase_create("store_memory");

	tcase_add_unchecked_fixture(tc, start_server, remove_server);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, each_allocation_may_fail, 0,
			    2 * (int)(sizeof(calls) / sizeof(calls[0])));
	tcase_set_timeout(tc, 60);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
