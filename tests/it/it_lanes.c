/*
 * it_lanes.c - what the connections of a worker are to each other: lists that stand still hold up
 * no reads and no writes, and where the server has too few of them, some serve for all.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/pg.c -lpq -ljansson */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon.h"
#include "harness.h"
#include "http_client.h"
#include "pg.h"

#define JSON     "Content-Type: application/json\r\n"
#define PRODUCTS "/api/products"
#define N(table) (sizeof(table) / sizeof((table)[0]))

/* Of a product that was there before, of one that is new. */
static void
expect_reads_and_writes(struct http_conn *c, unsigned rounds)
{
	static const struct {
		const char *method, *target, *fields, *body;
		int status;
	} requests[] = {
	    {"GET", PRODUCTS "/7", NULL, NULL, 200},
	    {"POST", PRODUCTS, JSON, "{\"name\":\"one\",\"price\":1}", 201},
	    {"PUT", PRODUCTS "/8", JSON, "{\"name\":\"put\",\"price\":2}", 200},
	    {"POST", PRODUCTS, "Content-Type: text/csv\r\n", "name,price\nb,1\nc,2\n", 200},
	    {"PATCH", PRODUCTS "/9", "Content-Type: application/merge-patch+json\r\n",
	     "{\"price\":3}", 200},
	    {"GET", PRODUCTS "/12345678", NULL, NULL, 404},
	    {"DELETE", PRODUCTS "/12345678", NULL, NULL, 404},
	};

	for (unsigned round = 0; round < rounds; round++) {
		for (size_t i = 0; i < N(requests); i++) {
			struct http_answer a;

			http_exchange(c, requests[i].method, requests[i].target, requests[i].fields,
				      requests[i].body, &a);
			ck_assert_msg(a.status == requests[i].status, "%s %s: %s%s",
				      requests[i].method, requests[i].target, a.head, a.body);
			http_answer_fini(&a);
		}
	}
}

static PGconn *
connect_as(const char *role, const char *socket_dir, const char *dbname)
{
	char *conninfo = it_printf("host=%s dbname=%s user=%s", socket_dir, dbname, role);
	PGconn *pg = PQconnectdb(conninfo);

	free(conninfo);
	ck_assert_msg(PQstatus(pg) == CONNECTION_OK, "%s", PQerrorMessage(pg));
	return pg;
}

static long
number(PGconn *pg, const char *sql)
{
	PGresult *result = PQexec(pg, sql);

	ck_assert_msg(PQresultStatus(result) == PGRES_TUPLES_OK, "%s", PQerrorMessage(pg));
	const long value = strtol(PQgetvalue(result, 0, 0), NULL, 10);
	PQclear(result);
	return value;
}

/* ---- lists beside reads and writes ---- */

/* By a policy of the table's owner, whoever comes upon product 13 waits at somebody's lock. */
static const char table_with_a_barrier[] =
    "create table products(id serial primary key, name text not null, price numeric not null);"
    "insert into products(name, price) select 'product ' || i, i % 10 from "
    "generate_series(1, 3000) i;"
    "create function barrier() returns boolean language plpgsql as $$ begin "
    "perform pg_advisory_xact_lock_shared(13); return true; end $$;"
    "create policy everybody on products using (id <> 13 or barrier()) with check (true);"
    "alter table products enable row level security;"
    "alter table products force row level security;"
    "alter table products owner to plaza; analyze products";

#define QUEUE 8
#define LISTS 36
#define KINDS 6
/* under way at the most: each alone, and what there is of plain pages together */
#define UNDER_WAY (2 + LISTS / KINDS)

static size_t
count_answered(struct http_conn *c, size_t n)
{
	size_t answered = 0;

	for (size_t i = 0; i < n; i++)
		answered += http_readable(&c[i], 0);
	return answered;
}

static bool
is_searched(struct daemon *d)
{
	struct http_answer a;

	http_request(daemon_port(d), "GET", PRODUCTS "?q=product&limit=1", NULL, NULL, &a);
	const bool yes = a.status == 200;
	http_answer_fini(&a);
	return yes;
}

/* What "after" is for a page far on in the order of prices. */
static char *
deep_cursor(struct daemon *d)
{
	struct http_answer a;

	http_request(daemon_port(d), "GET", PRODUCTS "?sort=-price&price.gte=9&limit=200", NULL,
		     NULL, &a);
	ck_assert_int_eq(a.status, 200);
	const char *next = strstr(a.body, "\"next\":\"");
	ck_assert_ptr_nonnull(next);
	next += strlen("\"next\":\"");
	char *cursor = it_printf("%.*s", (int)strcspn(next, "\""), next);
	http_answer_fini(&a);
	return cursor;
}

/* The i-th, which comes upon product 13 and has no equal: equal ones might share an answer. */
static char *
slow_target(size_t i, const char *deep)
{
	switch (i % KINDS) {
	case 0: return it_printf(PRODUCTS "?limit=%zu", 1000 - i);
	case 1: return it_printf(PRODUCTS "?q=13&limit=%zu", 1000 - i);
	case 2: return it_printf(PRODUCTS "?sort=-price&limit=%zu&after=%s", 1000 - i, deep);
	case 3: return it_printf(PRODUCTS "?limit=1&count=exact&price.lte=%zu", 100 + i);
	case 4: return it_printf(PRODUCTS "/export?price.lte=%zu", 100 + i);
	default: return it_printf(PRODUCTS "/export?format=csv&price.lte=%zu", 100 + i);
	}
}

static bool
waits_for_barrier(PGconn *holder)
{
	return number(holder, "select count(*) from pg_locks where locktype = 'advisory' and "
			      "objid = 13 and not granted") == 1;
}

START_TEST(lists_that_stand_still_hold_up_nobody)
{
	char *option = it_printf("store.database=%s", pg_fresh());
	char *queue = it_printf("store.queue_limit=%d", QUEUE);

	free(pg_ask(table_with_a_barrier));
	struct daemon *d = daemon_start(option, queue, "store.queue_timeout=1m",
					"store.statement_timeout=1m", "server.workers=1", NULL);
	free(option);
	free(queue);
	daemon_wait_store(d);
	WAIT_UNTIL(is_searched(d));
	char *deep = deep_cursor(d), *target[LISTS], *name = pg_ask("select current_database()");
	struct http_conn list[LISTS], c;
	struct http_answer a;
	PGconn *holder = connect_as("postgres", pg_socket_dir(), name);
	number(holder, "select 1 from pg_advisory_lock(13)");

	/* so many that those who ask for lists now are turned away */
	for (size_t i = 0; i < LISTS; i++) {
		target[i] = slow_target(i, deep);
		http_open(&list[i], daemon_port(d));
		http_sendf(&list[i], "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", target[i]);
	}
	WAIT_UNTIL(count_answered(list, LISTS) >= LISTS - QUEUE - UNDER_WAY);
	WAIT_UNTIL(waits_for_barrier(holder));
	/* what was sent before this is read before it */
	http_open(&c, daemon_port(d));
	expect_reads_and_writes(&c, 1);
	const size_t refused = count_answered(list, LISTS);
	ck_assert_uint_le(refused, LISTS - QUEUE);

	expect_reads_and_writes(&c, 40);
	/* and for lists it is as it was */
	ck_assert_uint_eq(count_answered(list, LISTS), refused);
	http_exchange(&c, "GET", PRODUCTS, NULL, NULL, &a);
	ck_assert_msg(a.status == 503 && strstr(a.body, "store-busy"), "%s", a.body);
	http_answer_fini(&a);
	bool is_refused[LISTS];
	for (size_t i = 0; i < LISTS; i++)
		is_refused[i] = http_readable(&list[i], 0);
	PQfinish(holder);
	for (size_t i = 0; i < LISTS; i++) {
		http_read(&list[i], "GET", &a);
		ck_assert_msg(a.status == (is_refused[i] ? 503 : 200), "%s: %s%.200s", target[i],
			      a.head, a.body);
		http_answer_fini(&a);
		http_close(&list[i]);
		free(target[i]);
	}
	http_close(&c);
	daemon_stop(d);
	free(deep);
	free(name);
}
END_TEST

/* ---- a server without connections ---- */

#define MAX_CONNECTIONS 10

static const struct full_case {
	const char *reserved; /* superuser_reserved_connections */
	unsigned for_others;  /* MAX_CONNECTIONS without those */
	const char *told;     /* by the server */
} full[] = {
    {"0", MAX_CONNECTIONS, "sorry, too many clients already"},
    {"3", MAX_CONNECTIONS - 3, "remaining connection slots are reserved"},
};

static bool
is_read(struct daemon *d)
{
	struct http_answer a;

	http_request(daemon_port(d), "GET", PRODUCTS "?limit=1", NULL, NULL, &a);
	const bool yes = a.status == 200;
	http_answer_fini(&a);
	return yes;
}

/* All of max_connections are in use, but for two. */
START_TEST(a_server_that_is_full)
{
	const struct full_case *f = &full[_i];
	char *dir = it_printf("%s/full%d", it_dir(), _i), *socket_dir = it_printf("%s/s", dir);
	char *max = it_printf("max_connections=%d", MAX_CONNECTIONS);
	char *reserved = it_printf("superuser_reserved_connections=%s", f->reserved);
	PGconn *held[MAX_CONNECTIONS];
	const unsigned n_held = f->for_others - 2;
	struct http_conn c;
	struct run run;

	run_args(&run, NULL, pg_script(), "start", dir, max, reserved, NULL);
	ck_assert_msg(run.status == 0, "%s", run.err);
	run_fini(&run);
	for (unsigned i = 0; i < n_held; i++)
		held[i] = connect_as("plaza", socket_dir, "plaza");
	char *option = it_printf("store.database=host=%s dbname=plaza user=plaza", socket_dir);
	struct daemon *d = daemon_start(option, "server.workers=1", NULL);
	daemon_expect_error(d, "the server has no connection left");
	char *line = daemon_log_wait(d, 0, "the server has no connection left");
	ck_assert_msg(strstr(line, f->told) && strstr(line, "store.connections (90)") &&
			  strstr(line, "max_connections"),
		      "%s", line);
	free(line);
	/* of the two one may be the feed's, or of the jobs */
	WAIT_UNTIL(is_read(d));
	http_open(&c, daemon_port(d));
	for (unsigned i = 0; i < 9; i++)
		http_expect(daemon_port(d), "POST", PRODUCTS, JSON,
			    "{\"name\":\"first\",\"price\":1}", 201, NULL);
	expect_reads_and_writes(&c, 10);
	http_expect_get(daemon_port(d), PRODUCTS "?limit=1&sort=-name", 200, NULL);
	http_expect_get(daemon_port(d), PRODUCTS "/export?name=first", 200, NULL);
	http_expect_get(daemon_port(d), "/health/ready", 200, NULL);
	ck_assert_int_le(number(held[0], "select count(*) from pg_stat_activity where "
					 "application_name like 'plazad%'"),
			 2);
	ck_assert(!daemon_log_has(d, 0, "store: connected to"));
	/* when there are more, all come by themselves */
	for (unsigned i = 0; i < n_held; i++)
		PQfinish(held[i]);
	daemon_wait_store(d);
	expect_reads_and_writes(&c, 1);
	http_close(&c);
	daemon_stop(d);
	run_args(&run, NULL, pg_script(), "remove", dir, NULL);
	ck_assert_int_eq(run.status, 0);
	run_fini(&run);
	free(option);
	free(reserved);
	free(max);
	free(socket_dir);
	free(dir);
}
END_TEST

/* Who asks for products comes before the feed, however they come to it. */
START_TEST(the_last_connection_is_a_lanes)
{
	char *dir = it_printf("%s/one", it_dir()), *socket_dir = it_printf("%s/s", dir);
	struct run run;

	run_args(&run, NULL, pg_script(), "start", dir, "max_connections=5",
		 "superuser_reserved_connections=3", NULL);
	ck_assert_msg(run.status == 0, "%s", run.err);
	run_fini(&run);
	PGconn *root = connect_as("postgres", socket_dir, "plaza");
	char *option = it_printf("store.database=host=%s dbname=plaza user=plaza", socket_dir);
	struct daemon *d = daemon_start(option, "server.workers=1", NULL);

	daemon_expect_error(d, "the server has no connection left");
	for (unsigned i = 0; i < 10; i++) {
		WAIT_UNTIL(is_read(d));
		number(root, "select count(pg_terminate_backend(pid)) from pg_stat_activity where "
			     "application_name like 'plazad%'");
	}
	PQfinish(root);
	daemon_stop(d);
	run_args(&run, NULL, pg_script(), "remove", dir, NULL);
	ck_assert_int_eq(run.status, 0);
	run_fini(&run);
	free(option);
	free(socket_dir);
	free(dir);
}
END_TEST

static void
fill(Suite *suite)
{
	TCase *tc = it_case(suite, "lanes");

	tcase_add_test(tc, lists_that_stand_still_hold_up_nobody);
	tcase_add_test(tc, the_last_connection_is_a_lanes);
	tcase_add_loop_test(tc, a_server_that_is_full, 0, (int)N(full));
}

int
main(void)
{
	return it_main("lanes", fill, IT_WITH_PG);
}
