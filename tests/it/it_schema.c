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
#define STEPS    7

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
		made += daemon_log_count(d[i], 0, " is made: ");
	}
	ck_assert_uint_eq(made, STEPS);
	expect("select count(*) || ' ' || max(version) from plaza_steps", "7 7");
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
	ck_assert_uint_eq(daemon_log_count(d, 0, " is made: "), STEPS - 1);
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
	ck_assert_ptr_null(strstr(run.err, "-- step 1: "));
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
	expect("select count(*) || ' ' || max(version) from plaza_steps", "7 7");
	expect("select name from products", "kept");
	daemon_stop(d);
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
}

int
main(void)
{
	return it_main("schema", fill, IT_WITH_PG);
}
