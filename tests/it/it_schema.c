/*
 * it_schema.c - daemons and the schema they find: made by the first of several, brought up to date
 * from the previous version's, left to the operator, refused, waited for.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/pg.c -lpq -ljansson */
#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon.h"
#include "harness.h"
#include "http_client.h"
#include "pg.h"

#define JSON     "Content-Type: application/json\r\n"
#define PRODUCTS "/api/products"
#define STEPS    9

/* a line for each step that was not there, but not for those of the jobs */
static const char made_by_store[] = "store: schema \"public\": step ";

/* what the previous version made */
#define OLD_TABLE                                                           \
	"create table products(id serial primary key, name text not null, " \
	"price decimal(10,2) not null); alter table products owner to plaza;"

/* store.database= for a new database of this test's own; the caller frees */
static char *
fresh_option(void)
{
	return it_printf("store.database=%s", pg_fresh());
}

/* Of the latest fresh_option. */
static const char *
database(void)
{
	static char name[64];
	char *found = pg_ask("select current_database()");

	snprintf(name, sizeof(name), "%s", found);
	free(found);
	return name;
}

static void
sql(const char *text)
{
	free(pg_ask(text));
}

static void
expect(const char *question, const char *answer)
{
	char *found = pg_ask(question);

	ck_assert_msg(strcmp(found, answer) == 0, "%s: %s, not %s", question, found, answer);
	free(found);
}

static void
expect_post(struct daemon *d, const char *body, const char *answer)
{
	http_expect(daemon_port(d), "POST", PRODUCTS, JSON, body, 201, answer);
}

/* Waits until all of its workers serve products. */
static void
wait_served(struct daemon *d)
{
	pid_t pids[PROCFS_MAX];
	size_t workers = daemon_workers(d, pids);

	WAIT_UNTIL(daemon_log_count(d, 0, "store: connected to ") >= workers);
	http_expect_get(daemon_port(d), PRODUCTS "?limit=1", 200, NULL);
}

/* A session that does as the test says. */
static PGconn *
session(const char *text)
{
	char *conninfo = it_printf("host=%s dbname=%s user=postgres", pg_socket_dir(), database());
	PGconn *pg = PQconnectdb(conninfo);

	free(conninfo);
	ck_assert_msg(PQstatus(pg) == CONNECTION_OK, "%s", PQerrorMessage(pg));
	PGresult *res = PQexec(pg, text);
	ck_assert_msg(PQresultStatus(res) != PGRES_FATAL_ERROR, "%s", PQerrorMessage(pg));
	PQclear(res);
	return pg;
}

START_TEST(two_daemons_make_it_once)
{
	char *option = fresh_option();
	struct daemon *d[2];

	d[0] = daemon_start(option, "server.workers=4", NULL);
	d[1] = daemon_start(option, "server.workers=4", NULL);
	free(option);
	size_t made = 0;
	for (int i = 0; i < 2; i++) {
		wait_served(d[i]);
		made += daemon_log_count(d[i], 0, made_by_store);
	}
	ck_assert_uint_eq(made, STEPS);
	expect("select count(*) || ' ' || max(version) from plaza_steps", "9 9");
	daemon_stop(d[0]);
	daemon_stop(d[1]);
}
END_TEST

START_TEST(the_table_of_the_previous_version)
{
	char *option = fresh_option();

	sql(OLD_TABLE "insert into products(name, price) select 'old ' || i, i from "
		      "generate_series(1, 1000) i");
	char *node = pg_ask("select relfilenode from pg_class where relname = 'products'");
	struct daemon *d = daemon_start(option, NULL);
	free(option);
	http_expect_get(daemon_port(d), PRODUCTS "/7", 200,
			"{\"id\":7,\"name\":\"old 7\",\"price\":7.00,\"version\":0}");
	expect_post(d, "{\"name\":\"new\",\"price\":4}",
		    "{\"id\":1001,\"name\":\"new\",\"price\":4.00,\"version\":1}");
	expect("select relfilenode from pg_class where relname = 'products'", node);
	expect("select string_agg(op::text || id, ' ') from product_log", "I1001");
	free(node);
	/* it was there, and is recorded; the others were made */
	ck_assert_uint_eq(daemon_log_count(d, 0, made_by_store), STEPS - 1);
	daemon_stop(d);
}
END_TEST

START_TEST(a_schema_that_the_role_does_not_search)
{
	char *option = fresh_option();

	sql("create schema hidden authorization plaza; create table "
	    "hidden.products(id int); alter role plaza set search_path = hidden, nowhere");
	struct daemon *d = daemon_start(option, "store.schema=Shop_1", NULL);
	free(option);
	/* a table of this name is found elsewhere; which one was meant? */
	char *line = daemon_log_wait(d, 0, "search_path finds products in the schema hidden");
	daemon_expect_error(d, "search_path finds products");
	free(line);
	sql("drop table hidden.products");
	wait_served(d);
	expect_post(d, "{\"name\":\"a\",\"price\":1}",
		    "{\"id\":1,\"name\":\"a\",\"price\":1.00,\"version\":1}");
	expect("select count(*) from \"Shop_1\".products", "1");
	daemon_stop(d);
	sql("alter role plaza reset search_path");
}
END_TEST

/* -o for run_args, and what else it takes */
static void
run_plazad(struct run *run, const char *option, const char *what)
{
	run_args(run, NULL, it_plazad(), what, "-o", option, "-o", "store.migrate=off", "-o",
		 "server.listen=127.0.0.1:0", NULL);
}

/* psql -f, as the superuser; must succeed. */
static void
run_sql(const char *text)
{
	char *path = it_printf("%s.sql", it_path("script"));
	struct run run;

	it_write_file(path, text);
	run_args(&run, NULL, "psql", "-Xq", "-h", pg_socket_dir(), "-U", "postgres", "-d",
		 database(), "-f", path, NULL);
	ck_assert_msg(run.status == 0, "%s\n%s", run.err, text);
	ck_assert_str_eq(run.err, "");
	run_fini(&run);
	free(path);
}

static bool
is_job_done(void)
{
	char *n = pg_ask("select count(*) from job_result where state = 'd'");
	const bool is = strcmp(n, "1") == 0;

	free(n);
	return is;
}

START_TEST(left_to_the_operator)
{
	char *option = fresh_option();
	struct run run;

	sql(OLD_TABLE "alter schema public owner to postgres; grant usage on schema public to "
		      "plaza");
	run_plazad(&run, option, "-olog.level=info");
	ck_assert_int_eq(run.status, 78);
	ck_assert_int_eq(strncmp(run.err, "-- plazad: store.migrate = off, and ", 36), 0);
	/* what is there is not made again, and nothing was made by the asking */
	ck_assert_ptr_null(strstr(run.err, "-- step 1: table products"));
	ck_assert_ptr_nonnull(strstr(run.err, "-- step 1: tables of the job queue\n"));
	ck_assert_ptr_nonnull(strstr(run.err, "-- step 2: version of products\n"));
	expect("select count(*) from pg_class where relname like 'p%' and relkind = 'r' and "
	       "relnamespace = 'public'::regnamespace",
	       "1");
	/* all of it, as it was printed */
	run_sql(run.err);
	run_fini(&run);
	expect("select indisvalid from pg_index where indexrelid = "
	       "'products_search_idx'::regclass",
	       "t");
	struct daemon *d = daemon_start(option, "store.migrate=off", NULL);
	expect_post(d, "{\"name\":\"a\",\"price\":1}",
		    "{\"id\":1,\"name\":\"a\",\"price\":1.00,\"version\":1}");
	http_expect(daemon_port(d), "POST", "/api/jobs", JSON,
		    "{\"kind\":\"sleep\",\"args\":{\"ms\":0}}", 202, NULL);
	WAIT_UNTIL(is_job_done());
	daemon_stop(d);
	free(option);
}
END_TEST

START_TEST(printed_without_a_database)
{
	char *option = fresh_option();
	struct run run;

	run_plazad(&run, "store.database=host=/nonexistent user=plaza", "-S");
	ck_assert_int_eq(run.status, 0);
	ck_assert_str_eq(run.err, "");
	run_sql(run.out);
	/* and over what is there */
	run_sql(run.out);
	run_fini(&run);
	struct daemon *d = daemon_start(option, "store.migrate=off", NULL);
	expect_post(d, "{\"name\":\"a\",\"price\":1}", NULL);
	daemon_stop(d);
	free(option);
}
END_TEST

START_TEST(a_database_that_cannot_be_asked)
{
	char *option = fresh_option();

	free(option);
	struct daemon *d = daemon_start("store.database=host=/nonexistent", "store.migrate=off",
					"store.connect_timeout=1s", NULL);
	ck_assert(daemon_log_has(d, 0, "the database cannot be asked whether its schema is"));
	http_expect_get(daemon_port(d), "/Jane", 200, NULL);
	daemon_stop(d);
}
END_TEST

START_TEST(a_role_that_may_not)
{
	char *option = fresh_option();
	struct run run;

	sql("alter schema public owner to postgres; grant usage on schema public to plaza");
	struct daemon *d = daemon_start(option, NULL);
	/* one step after the other while the operator takes them */
	daemon_expect_error(d, "of schema \"public\") is missing: permission denied");
	char *line = daemon_log_wait(d, 0, "let a role that may run what plazad -S prints");
	ck_assert_ptr_nonnull(strstr(line, "permission denied for schema public"));
	free(line);
	http_expect_get(daemon_port(d), PRODUCTS, 503, NULL);
	run_plazad(&run, option, "-S");
	run_sql(run.out);
	run_fini(&run);
	/* then it works by itself */
	wait_served(d);
	expect_post(d, "{\"name\":\"a\",\"price\":1}", NULL);
	daemon_stop(d);
	free(option);
}
END_TEST

START_TEST(a_newer_schema_is_refused)
{
	char *option = fresh_option();
	struct run run;
	struct daemon *d = daemon_start(option, NULL);

	expect_post(d, "{\"name\":\"a\",\"price\":1}", NULL);
	daemon_stop(d);
	sql("insert into plaza_steps values (1000, 'of tomorrow', 'x')");
	d = daemon_start(option, NULL);
	daemon_expect_error(d, "has step 1000 (of tomorrow)");
	free(daemon_log_wait(d, 0, "it was made by a newer one"));
	http_expect_get(daemon_port(d), PRODUCTS "/1", 503, NULL);
	run_plazad(&run, option, "-olog.level=info");
	ck_assert_int_eq(run.status, 78);
	ck_assert_ptr_nonnull(strstr(run.err, "it was made by a newer one"));
	run_fini(&run);
	sql("delete from plaza_steps where version = 1000");
	wait_served(d);
	expect("select count(*) from products", "1");
	daemon_stop(d);
	free(option);
}
END_TEST

START_TEST(a_table_that_is_held_is_waited_for)
{
	char *option = fresh_option();

	sql(OLD_TABLE);
	PGconn *holder = session("begin; select count(*) from products");
	struct daemon *d = daemon_start(option, NULL);
	free(option);
	free(daemon_log_wait(d, 0,
			     "step 2 of schema \"public\" (version of products) waits: others "
			     "use the table"));
	/* greetings are not touched by it, and in the pause nor is the table */
	http_expect_get(daemon_port(d), "/Jane", 200, NULL);
	http_expect_get(daemon_port(d), PRODUCTS, 503, NULL);
	PQfinish(holder);
	wait_served(d);
	daemon_stop(d);
}
END_TEST

static bool
is_waiting(void)
{
	char *n = pg_ask("select count(*) from pg_stat_activity where usename = 'plaza' and "
			 "datname = current_database() and wait_event = 'relation'");
	bool some = strcmp(n, "0") != 0;

	free(n);
	return some;
}

START_TEST(killed_in_the_middle_of_a_step)
{
	char *option = fresh_option();

	sql(OLD_TABLE "insert into products(name, price) values ('kept', 1)");
	PGconn *holder = session("begin; select count(*) from products");
	struct daemon *d = daemon_start(option, NULL);
	/* its step has made a sequence, and waits for the table */
	WAIT_UNTIL(is_waiting());
	kill(daemon_pid(d), SIGKILL);
	daemon_ended(d, 128 + SIGKILL);
	PQfinish(holder);
	/* the server may have gone on with it: it is whole, or nothing */
	expect("select (to_regclass('products_version_seq') is null) = (not exists (select from "
	       "pg_attribute where attrelid = 'products'::regclass and attname = 'version'))",
	       "t");
	d = daemon_start(option, NULL);
	free(option);
	wait_served(d);
	expect("select count(*) || ' ' || max(version) from plaza_steps", "9 9");
	expect("select name from products", "kept");
	daemon_stop(d);
}
END_TEST

/* ---- the index for search, built under traffic ---- */

#define ROWS    2000000
#define WRITERS 3
/*
 * No write may wait for a lock longer than LOCKS_MS: the server logs each wait that does, of
 * whomever. Nothing else is held against the clock, for a machine may be slow without any locks.
 */
#define LOCKS_MS    "2000"
#define SLOW_OPTION "store.statement_timeout=2m"

struct traffic {
	struct daemon *d;
	struct http_conn c;
	PGconn *writer[WRITERS], *watcher;
	char *builder; /* the number of its process, once it is known */
	unsigned rounds;
};

/* Of all the server's processes, from now on. Its own vacuum would help the planner, too. */
static void
log_lock_waits(void)
{
	sql("alter system set autovacuum = off");
	sql("alter system set log_lock_waits = on");
	sql("alter system set deadlock_timeout = " LOCKS_MS);
	sql("select pg_reload_conf()");
}

/* Fails if anybody but `waiter`, a process's number, has waited too long. */
static void
expect_no_lock_waits(const char *waiter)
{
	char *path = it_printf("%s/pg/log", it_dir());
	char *log = it_read_file(path);
	char *mark = it_printf("process %s still waiting for ", waiter);

	for (const char *at = log; (at = strstr(at, "process ")) != NULL; at++) {
		const size_t line = strcspn(at, "\n");
		const char *waits = memmem(at, line, " still waiting for ", 19);

		ck_assert_msg(!waits || strncmp(at, mark, strlen(mark)) == 0, "%.*s", (int)line,
			      at);
	}
	free(mark);
	free(log);
	free(path);
}

static void
traffic_request(struct traffic *t, const char *method, const char *target, const char *body,
		int status, const char *text)
{
	struct http_answer a;

	http_exchange(&t->c, method, target, body ? JSON : NULL, body, &a);
	ck_assert_msg(a.status == status && (!text || strstr(a.body, text)), "%s %s: %s%.400s",
		      method, target, a.head, a.body);
	if (status == 503)
		ck_assert_ptr_nonnull(http_field(&a, "Retry-After"));
	http_answer_fini(&a);
}

/* Each has a product of its own to write to, so that the table is all they could wait for. */
static void
traffic_round(struct traffic *t)
{
	for (unsigned i = 0; i < WRITERS; i++) {
		char *text =
		    it_printf("update products set name = 'written %u', price = %u where "
			      "id = %u; insert into products(name, price) values ('new', "
			      "1); delete from products where id = %u",
			      t->rounds, t->rounds, 1000 + i, ROWS - WRITERS * t->rounds - i);

		ck_assert_int_eq(PQsendQuery(t->writer[i], text), 1);
		free(text);
	}
	traffic_request(t, "POST", PRODUCTS, "{\"name\":\"made meanwhile\",\"price\":1}", 201,
			NULL);
	traffic_request(t, "PUT", PRODUCTS "/7", "{\"name\":\"put meanwhile\",\"price\":1}", 200,
			NULL);
	traffic_request(t, "GET", PRODUCTS "/1000000", NULL, 200, "product 0");
	traffic_request(t, "GET", PRODUCTS "?sort=-id&limit=3", NULL, 200, NULL);
	for (unsigned i = 0; i < WRITERS; i++) {
		PGresult *result;

		while ((result = PQgetResult(t->writer[i])) != NULL) {
			ck_assert_msg(PQresultStatus(result) == PGRES_COMMAND_OK, "%s",
				      PQerrorMessage(t->writer[i]));
			PQclear(result);
		}
	}
	t->rounds++;
}

/* A value of the server's own views. */
static char *
traffic_watch(struct traffic *t, const char *question)
{
	PGresult *result = PQexec(t->watcher, question);

	ck_assert_msg(PQresultStatus(result) == PGRES_TUPLES_OK, "%s", PQerrorMessage(t->watcher));
	char *value = it_printf("%s", PQntuples(result) ? PQgetvalue(result, 0, 0) : "");
	PQclear(result);
	return value;
}

/* One more round while it is built; whether all is read and only old snapshots are waited for. */
static bool
traffic_while_built(struct traffic *t)
{
	traffic_round(t);
	traffic_request(t, "GET", PRODUCTS "?q=meanwhile", NULL, 503, "/problems/index-building");
	traffic_request(t, "GET", PRODUCTS "/export?q=meanwhile", NULL, 503,
			"/problems/index-building");
	/* who builds may wait, nobody else */
	char *waiting = traffic_watch(t, "select count(*) from pg_locks where not granted and "
					 "relation = 'products'::regclass and pid not in (select "
					 "pid from pg_stat_progress_create_index)");
	if (!t->builder || !*t->builder) {
		free(t->builder);
		t->builder = traffic_watch(t, "select pid from pg_stat_progress_create_index");
	}
	char *phase = traffic_watch(t, "select phase from pg_stat_progress_create_index where "
				       "datname = current_database()");

	ck_assert_str_eq(waiting, "0");
	const bool is_read = strcmp(phase, "waiting for old snapshots") == 0;
	free(waiting);
	free(phase);
	return is_read;
}

static bool
traffic_until_searched(struct traffic *t)
{
	struct http_answer a;

	traffic_round(t);
	http_exchange(&t->c, "GET", PRODUCTS "?q=put", NULL, NULL, &a);
	const bool is_there = a.status == 200;
	ck_assert_msg(is_there || strstr(a.body, "/problems/index-building"), "%s", a.body);
	http_answer_fini(&a);
	return is_there;
}

START_TEST(an_index_is_built_under_traffic)
{
	char *option = fresh_option();
	struct traffic t = {0};
	/* a few words many times are quick to be read, and the key had better come last */
	char *text =
	    it_printf("create table products(id serial, name text not null, price "
		      "decimal(10,2) not null); alter table products owner to plaza;"
		      "insert into products(name, price) select 'product ' || case when i "
		      "> %d then 'gone' else (i %% 1000)::text end, 1 from "
		      "generate_series(1, %d) i; alter table products add primary key (id)",
		      ROWS - WRITERS, ROWS);

	sql(text);
	free(text);
	log_lock_waits();
	t.d = daemon_start(option, SLOW_OPTION, NULL);
	free(option);
	free(daemon_log_wait(t.d, 0, "store: building the search index"));
	/* it is not through before this one has ended */
	PGconn *reader = session("begin isolation level repeatable read; select 1");
	daemon_wait_store(t.d);
	http_open(&t.c, daemon_port(t.d));
	for (unsigned i = 0; i < WRITERS; i++)
		t.writer[i] = session("select 1");
	t.watcher = session("select 1");
	/* it takes what it takes, within this test's own time */
	while (!traffic_while_built(&t))
		;
	/* built, and what was written meanwhile is being waited for: it is still not used */
	for (unsigned i = 0; i < 20; i++)
		ck_assert(traffic_while_built(&t));
	ck_assert(!daemon_log_has(t.d, 0, "store: search is ready"));
	PQfinish(reader);
	while (!traffic_until_searched(&t))
		;
	/* found by the index, not by reading the table: the planner knows what is in it */
	expect("select count(*) from pg_stats where tablename = 'products_search_idx'", "1");
	/* and it has all of it */
	traffic_request(&t, "GET", PRODUCTS "?q=made%20meanwhile", NULL, 200, "made meanwhile");
	traffic_request(&t, "GET", PRODUCTS "?q=put", NULL, 200, "{\"id\":7,\"name\":\"put");
	traffic_request(&t, "GET", PRODUCTS "?q=gone", NULL, 200, "{\"items\":[],");
	traffic_request(&t, "GET", PRODUCTS "?q=product%20777&limit=1", NULL, 200,
			"{\"items\":[{\"id\":777,");
	traffic_request(&t, "GET", PRODUCTS "?q=written", NULL, 200, "{\"id\":1002,");
	for (unsigned i = 0; i < WRITERS; i++)
		PQfinish(t.writer[i]);
	PQfinish(t.watcher);
	http_close(&t.c);
	daemon_stop(t.d);
	/* who builds waited for the reader */
	expect_no_lock_waits(t.builder);
	free(t.builder);
}
END_TEST

static void
fill(Suite *suite)
{
	TCase *tc = it_case(suite, "schema");

	tcase_add_test(tc, two_daemons_make_it_once);
	tcase_add_test(tc, the_table_of_the_previous_version);
	tcase_add_test(tc, a_schema_that_the_role_does_not_search);
	tcase_add_test(tc, left_to_the_operator);
	tcase_add_test(tc, printed_without_a_database);
	tcase_add_test(tc, a_database_that_cannot_be_asked);
	tcase_add_test(tc, a_role_that_may_not);
	tcase_add_test(tc, a_newer_schema_is_refused);
	tcase_add_test(tc, a_table_that_is_held_is_waited_for);
	tcase_add_test(tc, killed_in_the_middle_of_a_step);
	tcase_add_test(tc, an_index_is_built_under_traffic);
}

int
main(void)
{
	return it_main("schema", fill, IT_WITH_PG);
}
