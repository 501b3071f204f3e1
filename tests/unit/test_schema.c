/* links: tests/unit/pg_server.c src/store/schema.c src/store/search_index.c src/pg/look.c
 * src/pg/connect.c src/pg/setup.c src/pg/steps.c src/pg/session.c src/pg/resolve.c
 * src/pg/conninfo.c src/base/buffer.c src/base/loop.c src/base/clock.c src/base/log.c
 * -levent_core -lpq -lcrypto -lpthread */
/*
 * test_schema.c - the schema steps on a real PostgreSQL: taken once, on tables of every kind, under
 * traffic; and that the triggers tell each change of a product, whoever makes it.
 */
#include "store/schema.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "pg/look.h"
#include "pg_server.h"
#include "store/search_index.h"

#define ALL_STEPS ((UINT64_C(1) << STORE_STEPS) - 1)

static struct pg_server server;
static struct store_schema *schema;
static PGconn *pg; /* as the superuser */

static void
start_server(void)
{
	pg_server_start(&server, "max_connections=100");
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
	pg_server_sql(&server, "drop schema if exists shop, other, gone cascade; "
			       "drop schema public cascade; "
			       "create schema public authorization plaza");
	schema = store_schema_new("public");
	ck_assert_ptr_nonnull(schema);
	pg = pg_server_connect(&server);
}

static void
teardown(void)
{
	PQfinish(pg);
	store_schema_free(&schema);
}

static void
sql(const char *text)
{
	PGresult *res = PQexec(pg, text);
	ExecStatusType status = PQresultStatus(res);

	ck_assert_msg(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK, "%s: %s", text,
		      PQerrorMessage(pg));
	PQclear(res);
}

/* The first value, or "" for null or no row; good until the next call. */
static const char *
value(const char *text)
{
	static char found[2000];
	PGresult *res = PQexec(pg, text);

	ck_assert_msg(PQresultStatus(res) == PGRES_TUPLES_OK, "%s: %s", text, PQerrorMessage(pg));
	snprintf(found, sizeof(found), "%s", PQntuples(res) ? PQgetvalue(res, 0, 0) : "");
	PQclear(res);
	return found;
}

/* Takes the steps as a lane would, but waiting. `run->pg` is not to be used any more. */
static enum steps_phase
take_as(const char *more, const struct pg_steps *steps, struct steps_run *run)
{
	char conninfo[400];

	snprintf(conninfo, sizeof(conninfo),
		 "%s options='-c client_min_messages=warning' application_name=steps %s",
		 server.conninfo, more);
	PGconn *as_plaza = PQconnectdb(conninfo);
	ck_assert_msg(PQstatus(as_plaza) == CONNECTION_OK, "%s", PQerrorMessage(as_plaza));
	enum steps_phase phase = steps_begin(run, as_plaza, steps);
	while (phase != STEPS_DONE && phase != STEPS_FAILED) {
		PGresult *res = PQgetResult(as_plaza);
		phase = steps_take_result(run, res);
		PQclear(res);
	}
	PQfinish(as_plaza);
	return phase;
}

static void
take(void)
{
	struct steps_run run;

	ck_assert_msg(take_as("", &schema->steps, &run) == STEPS_DONE, "%s", run.error);
}

static void
expect_refused(const char *more, const char *text)
{
	struct steps_run run;

	ck_assert_int_eq(take_as(more, &schema->steps, &run), STEPS_FAILED);
	ck_assert_msg(run.schema_error, "%s", run.error);
	ck_assert_msg(strstr(run.error, text) != NULL, "%s, not %s", run.error, text);
}

/* ---- taken once, and recorded ---- */

static const char records[] =
    "select count(*) || ' ' || min(version) || ' ' || max(version) || ' ' || "
    "count(distinct checksum) || ' ' || max(length(checksum)) from plaza_steps";

START_TEST(all_are_taken_once)
{
	char at[100];

	take();
	ck_assert_str_eq(value(records), "9 1 9 9 64");
	snprintf(at, sizeof(at), "%s", value("select max(at) from plaza_steps"));
	take();
	ck_assert_str_eq(value("select max(at) from plaza_steps"), at);
	ck_assert_str_eq(value(records), "9 1 9 9 64");
}
END_TEST

START_TEST(many_at_once_take_each_once)
{
	enum { MANY = 12 };
	pid_t child[MANY];

	for (int i = 0; i < MANY; i++) {
		child[i] = fork();
		ck_assert_int_ge(child[i], 0);
		if (child[i] == 0) {
			struct steps_run run;
			_exit(take_as("", &schema->steps, &run) == STEPS_DONE ? 0 : 1);
		}
	}
	for (int i = 0; i < MANY; i++) {
		int status = -1;
		ck_assert_int_eq(waitpid(child[i], &status, 0), child[i]);
		ck_assert_int_eq(status, 0);
	}
	ck_assert_str_eq(value(records), "9 1 9 9 64");
	ck_assert_str_eq(value("select count(*) from product_feed"), "1");
}
END_TEST

START_TEST(a_schema_of_its_own)
{
	struct store_schema *shop = store_schema_new("shop");
	struct steps_run run;

	sql("grant create on database plaza to plaza");
	ck_assert_msg(take_as("", &shop->steps, &run) == STEPS_DONE, "%s", run.error);
	sql("insert into shop.products(name, price) values ('a', 1)");
	ck_assert_str_eq(value("select op::text || id || '-' || version from shop.product_log"),
			 "I1-1");
	ck_assert_str_eq(value("select to_regclass('public.products')"), "");
	store_schema_free(&shop);
}
END_TEST

START_TEST(objects_that_are_there_are_recorded)
{
	take();
	sql("drop table plaza_steps");
	sql("insert into products(name, price) values ('kept', 1)");
	take();
	ck_assert_str_eq(value(records), "9 1 9 9 64");
	ck_assert_str_eq(value("select count(*) from products"), "1");
}
END_TEST

START_TEST(objects_that_are_gone_are_made_again)
{
	take();
	sql("insert into products(name, price) values ('a', 1)");
	sql("drop table product_log, product_idempotency; drop function products_insert_each; "
	    "drop trigger products_update on products");
	take();
	ck_assert_str_eq(value("update products set price = 2 returning id || '-' || version"),
			 "1-2");
	ck_assert_str_eq(value("select op::text || id || '-' || version from product_log"), "U1-2");
}
END_TEST

/* But not the products themselves: who has put them elsewhere finds no empty table in their place.
 */
START_TEST(products_that_are_gone_are_not_made_again)
{
	struct pg_steps only = schema->steps;
	struct steps_run run;
	struct look look;

	only.look_only = true;
	take();
	sql("insert into products(name, price) values ('a', 1)");
	sql("alter table products rename to away");
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(take_as("", i ? &only : &schema->steps, &run), STEPS_FAILED);
		ck_assert_str_eq(
		    run.error,
		    "table products (step 1 of schema \"public\") is gone: "
		    "\"public\".plaza_steps has it, so it was renamed, moved or dropped, and is "
		    "not made anew, empty: give it its name back; or, to begin with an empty one, "
		    "run: delete from \"public\".plaza_steps where version = 1");
		ck_assert(run.schema_error && !run.is_missing && !run.is_waiting);
	}
	ck_assert_str_eq(value("select to_regclass('products')"), "");
	look_at_steps(server.conninfo, &schema->steps, 5000, &look);
	ck_assert_int_eq(look.outcome, LOOK_REFUSED);
	/* nor by the script, which whoever is told so may try */
	struct buffer script = {0};
	ck_assert(store_schema_script(schema, 1, "", &script));
	char *statements = strstr(script.data, "begin;");
	ck_assert(statements && buffer_append(&script, "", 1, STEPS_SQL_MAX));
	PGresult *res = PQexec(pg, strstr(script.data, "begin;"));
	ck_assert_str_eq(PQresultErrorField(res, PG_DIAG_SQLSTATE), "P0001");
	PQclear(res);
	sql("rollback");
	buffer_fini(&script);
	/* one in its place is as good, and gets what it lacks */
	sql("create table products(id int primary key, name text, price numeric); "
	    "alter table products owner to plaza");
	take();
	ck_assert_str_eq(value("insert into products values (7, 'b', 1) returning version"), "2");
	/* and it may be as they say */
	sql("drop table products; delete from plaza_steps where version = 1");
	take();
	ck_assert_str_eq(value("insert into products(name, price) values ('c', 1) "
			       "returning id || '-' || version"),
			 "1-3");
}
END_TEST

/* A database of the steps before the last two. */
START_TEST(what_was_added_is_made)
{
	struct pg_steps before = schema->steps;
	struct steps_run run;

	before.n = STORE_STEP_FORM;
	ck_assert_int_eq(take_as("", &before, &run), STEPS_DONE);
	sql("insert into product_idempotency(key, fingerprint, status, answer) values "
	    "('k', '', 201, '{}')");
	take();
	ck_assert_str_eq(value(records), "9 1 9 9 64");
	ck_assert_str_eq(value("select key || status || (form is null) from product_idempotency"),
			 "k201true");
	ck_assert_str_eq(value("select count(*) from pg_proc where proname = "
			       "'products_insert_each'"),
			 "1");
}
END_TEST

START_TEST(another_checksum_is_refused)
{
	take();
	sql("update plaza_steps set checksum = 'x' where version = 4");
	expect_refused("", "has step 4 (triggers of products) with checksum x, and in this plaza");
	sql("insert into plaza_steps values (99, 'later', 'y')");
	expect_refused("", "has step 99 (later), and this plaza knows 9: it was made by a newer");
}
END_TEST

START_TEST(a_role_that_may_not_create)
{
	struct steps_run run;

	sql("alter schema public owner to postgres; grant usage on schema public to plaza");
	expect_refused("", "table products (step 1 of schema \"public\") is missing: permission "
			   "denied for schema public; let a role that may run what plazad -S "
			   "prints");
	ck_assert_str_eq(value("select to_regclass('plaza_steps')"), "");
	/* with all of it there, and no right to look into the record, it is enough */
	ck_assert_int_eq(take_as("user=postgres", &schema->steps, &run), STEPS_DONE);
	take();
	sql("drop function products_insert_each");
	expect_refused("", "function products_insert_each (step 7 of schema \"public\")");
	sql("revoke usage on schema public from plaza, public");
	expect_refused("", "cannot be looked at: permission denied for schema public");
}
END_TEST

START_TEST(search_path_is_of_no_account)
{
	sql("create schema other authorization plaza; create table other.text(n int); "
	    "create function other.nextval(regclass) returns bigint language sql as 'select "
	    "7::int8'");
	sql("alter role plaza set search_path = other, pg_catalog");
	take();
	sql("set role plaza; set search_path = other, pg_catalog; "
	    "insert into public.products(name, price) values ('a', 1), ('b', 2); reset role");
	ck_assert_str_eq(value("select string_agg(id || '-' || version, ' ' order by id) from "
			       "public.products"),
			 "1-1 2-2");
	/* but a table that an earlier plaza found by it is not passed over */
	sql("alter table public.products set schema other");
	expect_refused("", "search_path finds products in the schema other; set store.schema to");
	sql("alter role plaza reset search_path");
}
END_TEST

START_TEST(nothing_is_half_made)
{
	pid_t child;
	int status;

	sql("create table products(id serial primary key, name text, price numeric); "
	    "alter table products owner to plaza");
	sql("begin; lock table products in row exclusive mode");
	child = fork();
	if (child == 0) {
		struct steps_run run;
		_exit(take_as("", &schema->steps, &run) == STEPS_FAILED && !run.schema_error ? 0
											     : 1);
	}
	/* killed where it waits for the table, having made the sequence */
	const char *waiting = "select coalesce(max(pid), 0) from pg_stat_activity where "
			      "application_name = 'steps' and wait_event_type = 'Lock'";
	while (pg_server_number(&server, waiting) == 0)
		;
	pg_server_sql(&server, "select pg_terminate_backend(pid) from pg_stat_activity where "
			       "application_name = 'steps'");
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	sql("commit");
	ck_assert_str_eq(value("select to_regclass('products_version_seq')"), "");
	take();
	ck_assert_str_eq(value(records), "9 1 9 9 64");
}
END_TEST

/* ---- tables of others ---- */

static const struct table_case {
	const char *made;
	const char *wrong; /* NULL: it is kept */
} tables[] = {
    {"create table products(id serial primary key, name text not null, price decimal(10,2))", NULL},
    {"create table products(id bigint generated always as identity primary key, name "
     "varchar(80), price numeric, colour text default 'red', made date)",
     NULL},
    {"create sequence ids; create table products(id smallint unique default nextval('ids'), name "
     "char(20), price double precision)",
     NULL},
    {"create table products(id int primary key default 7, name text, price int, version bigint "
     "not null default 0)",
     NULL},
    {"create domain key as int; create table products(id key default 5, name text, price real); "
     "create index on products(id, name)",
     NULL},
    {"create table products(id bigserial, name text, price numeric, primary key (id, name)) "
     "partition by hash (name); create table p0 partition of products for values with (modulus 2, "
     "remainder 0); create table p1 partition of products for values with (modulus 2, remainder "
     "1)",
     NULL},
    {"create view products as select 1 as id, 'a' as name, 2 as price",
     "\"public\".products is not a table"},
    {"create table products(id serial primary key, title text, price numeric)",
     "\"public\".products has no column name"},
    {"create table products(id uuid primary key, name text, price numeric)",
     "products.id is uuid; accepted: smallint, integer or bigint"},
    {"create table products(id serial primary key, name bytea, price numeric)",
     "products.name is bytea; accepted: text or varchar"},
    {"create table products(id serial primary key, name text, price money)",
     "products.price is money; accepted: numeric, or another number"},
    {"create table products(id serial primary key, name text, price numeric, version text)",
     "products.version is text; accepted: bigint, not null and not generated"},
    {"create table products(id serial primary key, name text, price numeric, version bigint "
     "generated always as (1) stored)",
     "products.version is bigint; accepted: bigint, not null and not generated"},
    {"create table products(id serial primary key, name text, price numeric, version bigint)",
     "products.version is bigint; accepted: bigint, not null and not generated"},
    {"create table products(id serial, name text, price numeric)",
     "products has no index on id; run: alter table \"public\".products add primary key (id)"},
};

START_TEST(tables_of_others)
{
	const struct table_case *c = &tables[_i];

	sql("set role plaza");
	sql(c->made);
	if (c->wrong) {
		expect_refused("", c->wrong);
		return;
	}
	sql("insert into products(name, price) values ('old', 3)");
	take();
	ck_assert_str_eq(value("select trim(name) || price::int || version from products"),
			 "old30");
	ck_assert_str_eq(value("update products set price = 4 returning version > 0"), "t");
	sql("delete from products");
	ck_assert_str_eq(value("select string_agg(op::text, '' order by seq) || bool_and(id > 0) "
			       "|| (max(version) - min(version)) from product_log"),
			 "UDtrue1");
}
END_TEST

START_TEST(versions_of_others_are_gone_past)
{
	sql("set role plaza; create table products(id serial primary key, name text, price int, "
	    "version bigint not null default 5000000000)");
	sql("insert into products(name, price) values ('old', 3)");
	take();
	ck_assert_str_eq(value("update products set price = 4 returning version > 5000000000"),
			 "t");
}
END_TEST

/* ---- millions of rows, under traffic ---- */

static void
expect_waits(struct store_schema *s)
{
	struct steps_run run;
	uint64_t began_ms = clock_monotonic_ms();

	ck_assert_int_eq(take_as("", &s->steps, &run), STEPS_FAILED);
	ck_assert_msg(run.schema_error && strstr(run.error, "(version of products) waits: others"),
		      "%s", run.error);
	/* two seconds for the lock, four in which nobody else tries */
	ck_assert_uint_ge(clock_monotonic_ms() - began_ms, 5900);
}

START_TEST(a_large_table_is_not_rewritten)
{
	char node[40];
	pid_t child;
	int status;

	sql("create table products(id serial primary key, name text not null, price "
	    "decimal(10,2) not null); alter table products owner to plaza");
	sql("insert into products(name, price) select 'product ' || i, i % 1000 from "
	    "generate_series(1, 2000000) i");
	snprintf(node, sizeof(node), "%s",
		 value("select relfilenode from pg_class where relname = 'products'"));
	/* someone reads for long */
	sql("begin; select count(*) from products where id < 10");
	child = fork();
	if (child == 0) {
		/* and someone else goes on writing, never held up for much more than 2 s */
		PGconn *writer = pg_server_connect(&server);
		uint64_t worst_ms = 0, stop_ms = clock_monotonic_ms() + 8000;
		while (clock_monotonic_ms() < stop_ms) {
			uint64_t began_ms = clock_monotonic_ms();
			PGresult *res = PQexec(writer, "update public.products set price = 1 where "
						       "id = 1 + floor(random() * 1000)");
			bool ok = PQresultStatus(res) == PGRES_COMMAND_OK;
			PQclear(res);
			if (!ok)
				_exit(2);
			if (clock_monotonic_ms() - began_ms > worst_ms)
				worst_ms = clock_monotonic_ms() - began_ms;
		}
		_exit(worst_ms > 3500 ? 1 : 0);
	}
	expect_waits(schema);
	sql("commit");
	uint64_t began_ms = clock_monotonic_ms();
	take();
	ck_assert_uint_lt(clock_monotonic_ms() - began_ms, 10000);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	ck_assert_str_eq(value("select relfilenode from pg_class where relname = 'products'"),
			 node);
	ck_assert_str_eq(value("select count(*) from products where version = 0 and id > 1000"),
			 "1999000");
}
END_TEST

/* ---- what the triggers tell ---- */

static const char told[] = "select coalesce(string_agg(op::text || coalesce(id::text, ''), ' ' "
			   "order by seq), '') from product_log";

static const struct write_case {
	const char *sql; /* after rows 1 to 3 have been inserted and the log emptied */
	const char *log;
} writes[] = {
    {"insert into products(name, price) values ('a', 1)", "I4"},
    {"insert into products(name, price) select 'a', 1 from generate_series(1, 3)", "I4 I5 I6"},
    {"insert into products(name, price) select 'a', 1 where false", ""},
    {"insert into products(id, name, price) values (2, 'a', 1) on conflict (id) do update set "
     "price = 2",
     "U2"},
    {"insert into products(id, name, price) values (2, 'a', 1), (9, 'b', 1) on conflict (id) do "
     "update set price = 2",
     "U2 I9"},
    {"insert into products(id, name, price) values (2, 'a', 1) on conflict do nothing", ""},
    {"update products set price = 7 where id = 2", "U2"},
    {"update products set price = 7 where id = 77", ""},
    {"update products set price = price", "U1 U2 U3"},
    {"update products set id = 20 where id = 2", "U20 D2"},
    {"update products set id = -id", "U-1 U-2 U-3 D1 D2 D3"},
    {"delete from products where id > 1", "D2 D3"},
    {"delete from products where id > 100", ""},
    {"truncate products", "T"},
    {"truncate products restart identity", "T"},
    {"with d as (delete from products where id = 1 returning *) insert into products(name, price) "
     "select name, price from d",
     "D1 I4"},
    {"copy products(id, name, price) from program 'printf \"7\\ta\\t1\\n8\\tb\\t2\\n\"'", "I7 I8"},
    {"begin; update products set price = 9; rollback", ""},
    {"begin; delete from products where id = 1; savepoint s; delete from products where id = 2; "
     "rollback to s; update products set price = 5 where id = 2; commit",
     "D1 U2"},
    {"set session_replication_role = replica; update products set price = 7 where id = 2; delete "
     "from products where id = 3; reset session_replication_role",
     "U2 D3"},
    {"update products set version = 1 where id = 3", "U3"},
    {"insert into products(name, price, version) values ('a', 1, 1)", "I4"},
    {"merge into products p using (values (1), (8)) v(i) on p.id = i when matched then update set "
     "price = 3 when not matched then insert (id, name, price) values (i, 'm', 1)",
     "U1 I8"},
};

START_TEST(each_change_is_told)
{
	const struct write_case *c = &writes[_i];

	take();
	sql("insert into products(name, price) values ('a', 1), ('b', 2), ('c', 3)");
	sql("create table before as table products; delete from product_log");
	sql(c->sql);
	ck_assert_str_eq(value(told), c->log);
	/* the log has the versions that the rows have, and each is new */
	ck_assert_str_eq(
	    value("select count(*) from product_log l join products p using (id) where "
		  "op in ('I', 'U') and p.version <> l.version"),
	    "0");
	ck_assert_str_eq(value("select count(*) from product_log where version <= 3"), "0");
	ck_assert_str_eq(value("select count(*) - count(distinct version) from product_log where "
			       "op <> 'T'"),
			 "0");
	ck_assert_str_eq(value("select count(*) from products p join before b using (id) where "
			       "p.version <> b.version and not exists (select from product_log l "
			       "where l.id = p.id)"),
			 "0");
}
END_TEST

static void
wait_for_waiters(const char *n)
{
	while (strcmp(value("select count(*) from pg_stat_activity where wait_event_type = 'Lock'"),
		      n) != 0)
		;
}

static const struct comeback {
	const char *sql, *told;
} comebacks[] = {
    {"insert into public.products(id, name, price) values (8, 'i', 0), (1, 'b', 2)",
     "I1 I2 D1 I8 I1"},
    {"update public.products set id = 1 where id = 2", "I1 I2 D1 I1 D2"},
};

/*
 * A delete that has its row, and has not drawn a version yet when another statement that brings the
 * same id, and has drawn one, begins to wait for it.
 */
START_TEST(an_id_that_comes_back_at_once)
{
	PGconn *deleter = pg_server_connect(&server), *inserter = pg_server_connect(&server);

	take();
	sql("insert into products(name, price) values ('a', 1), ('b', 2)");
	sql("select pg_advisory_lock(77)");
	ck_assert_int_eq(PQsendQuery(deleter, "delete from public.products where id = 1 or "
					      "pg_advisory_xact_lock(77) is null"),
			 1);
	wait_for_waiters("1");
	ck_assert_int_eq(PQsendQuery(inserter, comebacks[_i].sql), 1);
	wait_for_waiters("2");
	sql("select pg_advisory_unlock(77)");
	PQclear(PQgetResult(deleter));
	PQclear(PQgetResult(inserter));
	PQfinish(deleter);
	PQfinish(inserter);
	ck_assert_str_eq(value(told), comebacks[_i].told);
	ck_assert_str_eq(value("select string_agg(op::text, '' order by version) from product_log "
			       "where id = 1"),
			 "IDI");
	ck_assert_str_eq(value("select p.version = max(l.version) from products p, product_log l "
			       "where p.id = 1 and l.id = 1 group by p.version"),
			 "t");
}
END_TEST

START_TEST(who_could_write_still_can)
{
	take();
	sql("drop role if exists guest; create role guest; "
	    "grant usage on schema public to guest; "
	    "grant insert, update, delete, select on products to guest; "
	    "grant usage on sequence products_id_seq to guest");
	sql("set role guest; insert into products(name, price) values ('a', 1); "
	    "update products set price = 2; delete from products; reset role");
	ck_assert_str_eq(value(told), "I1 U1 D1");
	/* but the log is not theirs to write */
	sql("set role guest");
	PGresult *res = PQexec(pg, "insert into product_log(op) values ('T')");
	ck_assert_str_eq(PQresultErrorField(res, PG_DIAG_SQLSTATE), "42501");
	PQclear(res);
	res = PQexec(pg, "create temp table t(id int, version bigint); create trigger t after "
			 "truncate on t execute function public.products_log()");
	ck_assert_str_eq(PQresultErrorField(res, PG_DIAG_SQLSTATE), "42501");
	PQclear(res);
	sql("reset role; drop owned by guest; drop role guest");
}
END_TEST

START_TEST(others_are_notified)
{
	take();
	sql("listen plaza_products");
	sql("insert into products(name, price) values ('a', 1)");
	PGnotify *told_us = PQnotifies(pg);
	ck_assert_ptr_nonnull(told_us);
	PQfreemem(told_us);
	sql("insert into products(name, price) select 'a', 1 where false");
	sql("begin; set local plaza.told = 'on'; delete from products; commit");
	ck_assert_ptr_null(PQnotifies(pg));
}
END_TEST

static const char each[] =
    "select string_agg(concat_ws(',', place, id, version > 0, state, rule, col), ' ' order by "
    "place) from products_insert_each(%s)";

static void
expect_each(const char *arrays, const char *want)
{
	char text[400];

	snprintf(text, sizeof(text), each, arrays);
	ck_assert_str_eq(value(text), want);
}

START_TEST(rows_that_are_refused_cost_only_themselves)
{
	take();
	sql("alter table products add constraint seven check (price <> 7)");
	expect_each("array['a', 'b', null, 'd', 'e', 'f'], array['1', '7', null, 'x', '1e9', null]",
		    "1,1,t 2,23514,seven 4,22P02 5,22003 6,23502,price");
	ck_assert_str_eq(value(told), "I1");
	sql("alter table products add constraint one unique (name) deferrable initially deferred");
	expect_each("array['f', 'f', 'g'], array['1', '2', '3']", "1,4,t 2,23505,one 3,6,t");
	/* in the order of the request */
	sql("create temp table r as select * from products_insert_each(array['x', 'y'], array['1', "
	    "'2'])");
	ck_assert_str_eq(value("select string_agg(place || ':' || name, ' ' order by id) from r "
			       "join products using (id)"),
			 "1:x 2:y");
}
END_TEST

/* Triggers of the table: they find what they find in any other insert, and do what they like. */
START_TEST(rows_that_a_trigger_has_seen)
{
	take();
	sql("create schema shop; create table shop.audit(name text unique not null); "
	    "create function meddle() returns trigger language plpgsql as $$ begin "
	    "insert into audit values (case new.name when 'null' then null else new.name end); "
	    "if new.name = 'quiet' then return null; end if; "
	    "if new.name = 'loud' then raise 'so loud'; end if; "
	    "new.id := new.id + 1000; return new; end $$; "
	    "create trigger meddle before insert on products for each row execute function "
	    "meddle()");
	sql("set search_path = public, shop");
	expect_each("array['a', 'quiet', 'loud', 'a', 'null', 'b'], array['1', '1', '1', '1', '1', "
		    "'1']",
		    "1,1001,t 2 3,P0001 4,23505,audit_name_key 5,23502 6,1006,t");
	sql("reset search_path");
}
END_TEST

/* ---- scripts ---- */

static void
run_script(uint64_t mask, const char *role)
{
	char path[100], command[400];
	struct buffer script = {0};

	ck_assert(store_schema_script(schema, mask, role, &script));
	snprintf(path, sizeof(path), "%s/script.sql", server.dir);
	FILE *f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(script.data, 1, script.len, f), script.len);
	fclose(f);
	buffer_fini(&script);
	snprintf(command, sizeof(command), "psql -qX -h %s/s -U postgres -d plaza -f %s",
		 server.dir, path);
	fflush(stdout);
	ck_assert_int_eq(system(command), 0);
}

START_TEST(the_script_makes_what_is_missing)
{
	struct steps_run run;
	struct look look;

	sql("drop schema public cascade; drop role if exists \"odd \"\"role\"; "
	    "create role \"odd \"\"role\" login");
	look_at_steps(server.conninfo, &schema->steps, 5000, &look);
	ck_assert_msg(look.outcome == LOOK_DONE, "%s", look.error);
	ck_assert_uint_eq(look.missing, ALL_STEPS);
	ck_assert_str_eq(look.role, "plaza");
	run_script(look.missing, "odd \"role");
	ck_assert_str_eq(value(records), "9 1 9 9 64");
	ck_assert_msg(take_as("user='odd \"role'", &schema->steps, &run) == STEPS_DONE, "%s",
		      run.error);
	look_at_steps(server.conninfo, &schema->steps, 5000, &look);
	/* the schema is another role's now */
	ck_assert_int_eq(look.outcome, LOOK_REFUSED);
	/* a second time, and for a part, it changes nothing */
	sql("grant all on schema public to plaza; grant select on all tables in schema public to "
	    "plaza; drop function products_insert_each");
	look_at_steps(server.conninfo, &schema->steps, 5000, &look);
	ck_assert_msg(look.outcome == LOOK_DONE, "%s", look.error);
	ck_assert_uint_eq(look.missing, UINT64_C(1) << STORE_STEP_INSERT_EACH |
					    UINT64_C(1) << STORE_STEP_INSERT_EACH_TELLS);
	run_script(look.missing, "");
	run_script(UINT64_MAX, "plaza");
	sql("set role \"odd \"\"role\"; insert into public.products(name, price) values ('a', 1); "
	    "reset role; drop owned by \"odd \"\"role\"; drop role \"odd \"\"role\"");
}
END_TEST

START_TEST(a_database_that_does_not_answer)
{
	struct look look;
	uint64_t began_ms = clock_monotonic_ms();

	pg_server_run(&server, "pause");
	look_at_steps(server.conninfo, &schema->steps, 300, &look);
	pg_server_run(&server, "resume");
	ck_assert_int_eq(look.outcome, LOOK_NO_ANSWER);
	ck_assert_uint_lt(clock_monotonic_ms() - began_ms, 5000);
	look_at_steps("host=/nonexistent", &schema->steps, 300, &look);
	ck_assert_int_eq(look.outcome, LOOK_NO_ANSWER);
	ck_assert_msg(strstr(look.error, "/nonexistent") != NULL, "%s", look.error);
}
END_TEST

/* ---- the index for search ---- */

static struct loop *loop;
static unsigned ready;
static uint64_t give_up_ms;
static struct watch ticker;

static void
ready_cb(void *ctx)
{
	(void)ctx;
	ready++;
	loop_stop(loop);
}

static void
tick_cb(void *arg, short what)
{
	(void)arg;
	(void)what;
	ck_assert_msg(clock_monotonic_ms() < give_up_ms, "the index is never ready");
	watch_start_ms(&ticker, 20);
}

static const char index_is_valid[] =
    "select indisvalid from pg_index where indexrelid = to_regclass('products_search_idx')";

static void
build(void)
{
	struct conninfo *conninfo = conninfo_new(server.conninfo);
	const struct search_index_settings settings = {
	    .conninfo = conninfo,
	    .schema = schema,
	    .connect_timeout_ms = 5000,
	};

	loop = loop_new();
	ready = 0;
	give_up_ms = clock_monotonic_ms() + 30000;
	watch_init_timer(&ticker, loop, "tick", tick_cb, NULL);
	watch_start_ms(&ticker, 0);
	struct search_index *index = search_index_new(loop, &settings, ready_cb, NULL);
	ck_assert_ptr_nonnull(index);
	loop_run(loop);
	ck_assert_uint_eq(ready, 1);
	search_index_free(&index);
	watch_stop(&ticker);
	loop_free(&loop);
	conninfo_free(&conninfo);
}

START_TEST(the_index_is_built)
{
	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	take();
	sql("insert into products(name, price) select 'product ' || i, 1 from "
	    "generate_series(1, 20000) i");
	build();
	ck_assert_str_eq(value(index_is_valid), "t");
	/* or a rare word would be looked for in all of the table */
	ck_assert_str_eq(value("select count(*) from pg_stats where tablename = "
			       "'products_search_idx'"),
			 "1");
	sql("set enable_seqscan = off");
	ck_assert_ptr_nonnull(strstr(value("explain (format json) select * from products p where "
					   "to_tsvector('simple', p.name) @@ "
					   "websearch_to_tsquery('simple', '777')"),
				     "products_search_idx"));
	/* no connection stays, and a second one has nothing to do */
	build();
}
END_TEST

START_TEST(an_index_that_failed_is_built_anew)
{
	char oid[40];

	take();
	sql("set role plaza; create index products_search_idx on products using gin "
	    "(to_tsvector('simple', name)); reset role");
	sql("update pg_index set indisvalid = false where indexrelid = "
	    "'products_search_idx'::regclass");
	snprintf(oid, sizeof(oid), "%s", value("select 'products_search_idx'::regclass::oid"));
	build();
	ck_assert_str_eq(value(index_is_valid), "t");
	ck_assert_str_ne(value("select 'products_search_idx'::regclass::oid"), oid);
}
END_TEST

START_TEST(one_builds_at_a_time)
{
	enum { MANY = 4 };
	pid_t child[MANY];

	take();
	sql("insert into products(name, price) select 'product ' || i, 1 from "
	    "generate_series(1, 20000) i");
	for (int i = 0; i < MANY; i++) {
		child[i] = fork();
		if (child[i] == 0) {
			build();
			_exit(0);
		}
	}
	for (int i = 0; i < MANY; i++) {
		int status = -1;
		ck_assert_int_eq(waitpid(child[i], &status, 0), child[i]);
		ck_assert_int_eq(status, 0);
	}
	ck_assert_str_eq(value(index_is_valid), "t");
	ck_assert_str_eq(value("select count(*) from pg_locks where locktype = 'advisory'"), "0");
}
END_TEST

#define N(table) (int)(sizeof(table) / sizeof((table)[0]))

int
main(void)
{
	Suite *suite = suite_create("schema");
	TCase *tc = tcase_create("schema");

	tcase_add_unchecked_fixture(tc, start_server, remove_server);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, all_are_taken_once);
	tcase_add_test(tc, many_at_once_take_each_once);
	tcase_add_test(tc, a_schema_of_its_own);
	tcase_add_test(tc, objects_that_are_there_are_recorded);
	tcase_add_test(tc, objects_that_are_gone_are_made_again);
	tcase_add_test(tc, products_that_are_gone_are_not_made_again);
	tcase_add_test(tc, what_was_added_is_made);
	tcase_add_test(tc, another_checksum_is_refused);
	tcase_add_test(tc, a_role_that_may_not_create);
	tcase_add_test(tc, search_path_is_of_no_account);
	tcase_add_test(tc, nothing_is_half_made);
	tcase_add_loop_test(tc, tables_of_others, 0, N(tables));
	tcase_add_test(tc, versions_of_others_are_gone_past);
	tcase_add_test(tc, a_large_table_is_not_rewritten);
	tcase_add_loop_test(tc, each_change_is_told, 0, N(writes));
	tcase_add_loop_test(tc, an_id_that_comes_back_at_once, 0, 2);
	tcase_add_test(tc, who_could_write_still_can);
	tcase_add_test(tc, others_are_notified);
	tcase_add_test(tc, rows_that_are_refused_cost_only_themselves);
	tcase_add_test(tc, rows_that_a_trigger_has_seen);
	tcase_add_test(tc, the_script_makes_what_is_missing);
	tcase_add_test(tc, a_database_that_does_not_answer);
	tcase_add_test(tc, the_index_is_built);
	tcase_add_test(tc, an_index_that_failed_is_built_anew);
	tcase_add_test(tc, one_builds_at_a_time);
	tcase_set_timeout(tc, 120);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
