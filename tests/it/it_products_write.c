/*
 * it_products_write.c - products made, changed and deleted: every kind of bad input with its exact
 * answer, conditions, bulks, and writes that are done once though they are sent often.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/pg.c -ljansson */
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "http_client.h"
#include "pg.h"

#define JSON     "Content-Type: application/json\r\n"
#define PATCH    "Content-Type: application/merge-patch+json\r\n"
#define CSV      "Content-Type: text/csv\r\n"
#define PRODUCTS "/api/products"

/* at once, and one behind the other */
#define CLIENTS 24
#define EACH    30

#define N(table) (sizeof(table) / sizeof((table)[0]))

static struct daemon *
start_with(const char *first, const char *second)
{
	char *option = it_printf("store.database=%s", pg_fresh());
	struct daemon *d = daemon_start(option, first, second, NULL);

	free(option);
	daemon_wait_store(d);
	return d;
}

static struct daemon *
start(void)
{
	return start_with(NULL, NULL);
}

/* The table's rows as "id name price;" in order. */
static void
expect_rows(const char *want)
{
	char *rows = pg_ask("select coalesce(string_agg(id || ' ' || name || ' ' || price, ';' "
			    "order by id), '') from products");

	ck_assert_str_eq(rows, want);
	free(rows);
}

static long
ask_number(const char *sql)
{
	char *text = pg_ask(sql);
	const long number = strtol(text, NULL, 10);

	free(text);
	return number;
}

/* A problem of this type, with just these pointers in order: "/name /price"; "." is "". */
static void
expect_problem(const struct http_answer *a, int status, const char *type, const char *pointers,
	       const char *what)
{
	char have[1000] = "";
	json_t *item;
	size_t i;

	ck_assert_msg(a->status == status, "%s: %d instead of %d: %s", what, a->status, status,
		      a->body);
	ck_assert_str_eq(http_field(a, "Content-Type"), "application/problem+json");
	json_t *problem = json_loadb(a->body, a->body_len, 0, NULL);
	ck_assert_msg(problem != NULL, "%s", a->body);
	const char *uri = json_string_value(json_object_get(problem, "type"));
	ck_assert_ptr_nonnull(uri);
	if (type)
		ck_assert_msg(strncmp(uri, "/problems/", 10) == 0 && strcmp(uri + 10, type) == 0,
			      "%s: %s instead of %s", what, uri, type);
	json_t *errors = json_object_get(problem, "errors");
	json_array_foreach(errors, i, item)
	{
		const char *p = json_string_value(json_object_get(item, "pointer"));
		const char *detail = json_string_value(json_object_get(item, "detail"));
		ck_assert_ptr_nonnull(p);
		ck_assert(detail && detail[0]);
		strcat(have, i ? " " : "");
		strcat(have, p[0] ? p : ".");
	}
	ck_assert_msg(strcmp(have, pointers ? pointers : "") == 0, "%s: \"%s\" instead of \"%s\"",
		      what, have, pointers ? pointers : "");
	json_decref(problem);
}

static void
request_problem(struct daemon *d, const char *method, const char *target, const char *fields,
		const char *body, int status, const char *type, const char *pointers)
{
	struct http_answer a;

	http_request(daemon_port(d), method, target, fields, body, &a);
	expect_problem(&a, status, type, pointers, body ? body : fields);
	http_answer_fini(&a);
}

/* --- a product's life --- */

START_TEST(made_changed_deleted)
{
	struct daemon *d = start_with(_i ? "store.prepared=off" : "store.prepared=on", NULL);
	const uint16_t port = daemon_port(d);
	struct http_answer a;

	http_request(port, "POST", PRODUCTS, JSON, "{\"name\":\"Pen\",\"price\":1.5}", &a);
	ck_assert_int_eq(a.status, 201);
	ck_assert_str_eq(a.body, "{\"id\":1,\"name\":\"Pen\",\"price\":1.50,\"version\":1}");
	ck_assert_str_eq(http_field(&a, "Location"), "/api/products/1");
	ck_assert_str_eq(http_field(&a, "ETag"), "\"1-1\"");
	ck_assert_int_eq(strncmp(http_field(&a, "Server-Timing"), "queue;dur=", 10), 0);
	ck_assert_ptr_nonnull(strstr(http_field(&a, "Server-Timing"), ", db;dur="));
	http_answer_fini(&a);

	http_request(port, "PUT", PRODUCTS "/1", JSON "If-Match: \"1-1\"\r\n",
		     "{\"id\":1,\"name\":\"Pencil\",\"price\":\"2\"}", &a);
	ck_assert_int_eq(a.status, 200);
	ck_assert_str_eq(a.body, "{\"id\":1,\"name\":\"Pencil\",\"price\":2.00,\"version\":2}");
	ck_assert_str_eq(http_field(&a, "ETag"), "\"1-2\"");
	ck_assert_ptr_null(http_field(&a, "Location"));
	ck_assert_ptr_nonnull(http_field(&a, "Server-Timing"));
	http_answer_fini(&a);

	http_expect(port, "PATCH", PRODUCTS "/1", PATCH, "{\"price\":3}", 200,
		    "{\"id\":1,\"name\":\"Pencil\",\"price\":3.00,\"version\":3}");
	http_expect(port, "PATCH", PRODUCTS "/1", PATCH, "{\"name\":\"Chalk\"}", 200,
		    "{\"id\":1,\"name\":\"Chalk\",\"price\":3.00,\"version\":4}");
	/* an empty patch is one, too */
	http_expect(port, "PATCH", PRODUCTS "/1", PATCH, "{}", 200, NULL);
	expect_rows("1 Chalk 3.00");

	http_request(port, "DELETE", PRODUCTS "/1", NULL, NULL, &a);
	ck_assert_int_eq(a.status, 204);
	ck_assert_uint_eq(a.body_len, 0);
	ck_assert_ptr_nonnull(http_field(&a, "Server-Timing"));
	http_answer_fini(&a);
	http_expect_get(port, PRODUCTS "/1", 404, NULL);
	request_problem(d, "DELETE", PRODUCTS "/1", NULL, NULL, 404, "not-found", NULL);
	request_problem(d, "PUT", PRODUCTS "/1", JSON, "{\"name\":\"a\",\"price\":1}", 404,
			"not-found", NULL);
	request_problem(d, "PATCH", PRODUCTS "/1", PATCH, "{}", 404, "not-found", NULL);
	/* whatever it is to match: there is none (RFC 9110 13.2.1) */
	request_problem(d, "DELETE", PRODUCTS "/1", "If-Match: \"1-1\"\r\n", NULL, 404, "not-found",
			NULL);
	expect_rows("");
	daemon_stop(d);
}
END_TEST

START_TEST(other_columns_stay)
{
	char *option = it_printf("store.database=%s", pg_fresh());

	free(pg_ask("create table products(id serial primary key, name text not null, price "
		    "decimal(10,2) not null, colour text default 'red', flat bool, extra jsonb); "
		    "alter table products owner to plaza"));
	struct daemon *d = daemon_start(option, NULL);
	free(option);
	http_expect(daemon_port(d), "POST", PRODUCTS, JSON, "{\"name\":\"a\",\"price\":1}", 201,
		    "{\"id\":1,\"name\":\"a\",\"price\":1.00,\"version\":1,\"colour\":\"red\","
		    "\"flat\":null,\"extra\":null}");
	free(pg_ask("update products set flat = true, extra = '{\"a\": 1}'"));
	http_expect(daemon_port(d), "PUT", PRODUCTS "/1", JSON, "{\"name\":\"b\",\"price\":2}", 200,
		    "{\"id\":1,\"name\":\"b\",\"price\":2.00,\"version\":3,\"colour\":\"red\","
		    "\"flat\":true,\"extra\":{\"a\": 1}}");
	daemon_stop(d);
}
END_TEST

/* What others have made of the table before us. */

static struct daemon *
start_on(const char *table)
{
	char *option = it_printf("store.database=%s", pg_fresh());
	char *sql = it_printf("%s; alter table products owner to plaza", table);

	free(pg_ask(sql));
	struct daemon *d = daemon_start(option, "server.workers=1", NULL);
	free(sql);
	free(option);
	return d;
}

/* Their names are nobody's business: those of our statements' own parts hide nothing. */
START_TEST(other_columns_have_any_name)
{
	struct daemon *d = start_on(
	    "create table products(id serial primary key, name text not null, price "
	    "decimal(10,2) not null, i int, u int, d int, r int, s int, old int, p int, w int)");
	const uint16_t port = daemon_port(d);
	struct http_answer a;

	http_request(port, "POST", PRODUCTS, JSON "Idempotency-Key: a\r\n",
		     "{\"name\":\"a\",\"price\":1}", &a);
	ck_assert_msg(a.status == 201, "%s", a.body);
	http_request(port, "PUT", PRODUCTS "/1", JSON "Idempotency-Key: b\r\n",
		     "{\"name\":\"b\",\"price\":2}", &a);
	ck_assert_msg(a.status == 200, "%s", a.body);
	http_request(port, "POST", PRODUCTS, JSON "Idempotency-Key: c\r\n",
		     "[{\"name\":\"c\",\"price\":3}]", &a);
	ck_assert_msg(a.status == 200, "%s", a.body);
	http_request(port, "DELETE", PRODUCTS "/1", "Idempotency-Key: d\r\n", NULL, &a);
	ck_assert_msg(a.status == 204, "%s", a.body);
	daemon_stop(d);
}
END_TEST

/* A price that is none is null for whoever asks, with a key and without, also in what is kept. */
START_TEST(a_nan_that_is_there_is_null)
{
	static const char *const fields[] = {PATCH, PATCH "Idempotency-Key: a\r\n",
					     PATCH "Idempotency-Key: a\r\n"};
	struct daemon *d = start_on(
	    "create table products(id serial primary key, name text not null, price "
	    "decimal(10,2) not null); insert into products(name, price) values ('a', 'NaN')");
	struct http_answer a;

	for (size_t i = 0; i < N(fields); i++) {
		http_request(daemon_port(d), "PATCH", PRODUCTS "/1", fields[i],
			     "{\"name\":\"\\\"price\\\":\\\"NaN\\\"\"}", &a);
		ck_assert_msg(a.status == 200, "%s", a.body);
		ck_assert_msg(
		    strstr(a.body, "\"name\":\"\\\"price\\\":\\\"NaN\\\"\",\"price\":null,") !=
			NULL,
		    "%s", a.body);
		http_answer_fini(&a);
	}
	daemon_stop(d);
}
END_TEST

START_TEST(ids_come_from_where_the_table_has_them)
{
	static const char *const tables[] = {
	    "create table products(id bigint generated always as identity (start with 5000000000) "
	    "primary key, name text not null, price decimal(10,2) not null)",
	    "create table products(id int generated by default as identity (start with 7 increment "
	    "by 10) primary key, name text not null, price decimal(10,2) not null)",
	    "create sequence elsewhere start with 40; alter sequence elsewhere owner to plaza; "
	    "create table products(id int default nextval('elsewhere') primary key, name text not "
	    "null, price decimal(10,2) not null)",
	};
	static const char *const first[] = {"5000000000", "7", "40"};
	static const char *const second[] = {"5000000001", "17", "41"};

	for (size_t i = 0; i < N(tables); i++) {
		struct daemon *d = start_on(tables[i]);
		char want[100], target[64];

		snprintf(want, sizeof(want),
			 "{\"id\":%s,\"name\":\"a\",\"price\":1.00,\"version\":1}", first[i]);
		http_expect(daemon_port(d), "POST", PRODUCTS, JSON, "{\"name\":\"a\",\"price\":1}",
			    201, want);
		snprintf(want, sizeof(want),
			 "{\"results\":[{\"status\":201,\"id\":%s,\"version\":2}]}", second[i]);
		http_expect(daemon_port(d), "POST", PRODUCTS, CSV, "name,price\nb,1", 200, want);
		http_expect(daemon_port(d), "POST", PRODUCTS, JSON "Idempotency-Key: k\r\n",
			    "{\"name\":\"c\",\"price\":1}", 201, NULL);
		snprintf(target, sizeof(target), PRODUCTS "/%s", first[i]);
		http_expect(daemon_port(d), "PATCH", target, PATCH, "{\"price\":2}", 200, NULL);
		http_expect(daemon_port(d), "DELETE", target, NULL, NULL, 204, NULL);
		daemon_stop(d);
	}
}
END_TEST

START_TEST(the_table_may_have_rules)
{
	struct daemon *d = start_on(
	    "create table products(id serial primary key, name varchar(5) not null, price "
	    "decimal(4,2) not null); create function hush() returns trigger language plpgsql as "
	    "$$ begin if new.name = 'quiet' then return null; end if; if new.name = 'loud' then "
	    "raise exception 'not so loud'; end if; return new; end $$; create trigger hush before "
	    "insert or update on products for each row execute function hush()");
	const uint16_t port = daemon_port(d);
	struct http_answer a;

	http_expect(port, "POST", PRODUCTS, JSON, "{\"name\":\"a\",\"price\":1}", 201, NULL);
	static const char *const refused[] = {
	    "{\"name\":\"longer\",\"price\":1}", "{\"name\":\"a\",\"price\":100}",
	    "{\"name\":\"loud\",\"price\":1}", "{\"name\":\"quiet\",\"price\":1}"};
	for (size_t i = 0; i < N(refused); i++) {
		request_problem(d, "POST", PRODUCTS, JSON, refused[i], 422, "validation", ".");
		request_problem(d, "POST", PRODUCTS, JSON "Idempotency-Key: k\r\n", refused[i], 422,
				"validation", ".");
		if (i < 3)
			request_problem(d, "PUT", PRODUCTS "/1", JSON, refused[i], 422,
					"validation", ".");
	}
	http_request(port, "POST", PRODUCTS, CSV,
		     "name,price\nb,1\nloud,1\nquiet,1\nlonger,1\nc,100\nd,1\n", &a);
	ck_assert_int_eq(a.status, 200);
	static const int statuses[] = {201, 422, 422, 422, 422, 201};
	const char *at = a.body;
	for (size_t i = 0; i < N(statuses); i++) {
		at = strstr(at, "{\"status\":");
		ck_assert_msg(at != NULL, "%s", a.body);
		at += 10;
		ck_assert_int_eq(strtol(at, NULL, 10), statuses[i]);
	}
	http_answer_fini(&a);
	ck_assert_int_eq(ask_number("select count(*) from products"), 3);
	daemon_expect_error(d, "not so loud");
	daemon_stop(d);
}
END_TEST

/* The client is told what the rule is called, and the member; the operator what the server says. */
START_TEST(rules_have_names)
{
	static const struct {
		const char *body, *pointer, *said, *logged;
		int status;
	} rules[] = {
	    {"{\"name\":\"rude\",\"price\":1}", ".",
	     "\"detail\":\"the constraint polite of the database refuses it\",",
	     "violates check constraint \"polite\"; \\d products", 422},
	    {"{\"name\":\"a\",\"price\":1}", ".",
	     "\"detail\":\"the unique constraint one allows no second one\",",
	     "violates unique constraint \"one\"; \\d products", 409},
	    {"{\"name\":\"b\",\"price\":0}", "/price",
	     "\"detail\":\"the database's table wants a value for its column price\",",
	     "null value in column \"price\"", 422},
	    {"{\"name\":\"loud\",\"price\":1}", ".",
	     "\"detail\":\"a trigger of the database refuses it\",", "not so loud", 422},
	    {"{\"name\":\"quiet\",\"price\":1}", ".",
	     "\"detail\":\"a trigger of the database has kept it from being done\",",
	     "a trigger has kept a row", 422},
	    {"{\"name\":\"longer\",\"price\":1}", ".",
	     "\"detail\":\"the columns of the database's table cannot take it\",",
	     "value too long for type character varying(5)", 422},
	};
	static const char *const types[] = {JSON, JSON "Idempotency-Key: k\r\n",
					    JSON "Prefer: atomic\r\n",
					    JSON "Prefer: atomic\r\nIdempotency-Key: k\r\n"};
	struct daemon *d = start_on(
	    "create table products(id serial primary key, name varchar(5) not null constraint one "
	    "unique, price decimal(4,2) not null, constraint polite check (name <> 'rude')); "
	    "create function hush() returns trigger language plpgsql as $$ begin "
	    "if new.price = 0 then new.price := null; end if; "
	    "if new.name = 'quiet' then return null; end if; "
	    "if new.name = 'loud' then raise exception 'not so loud'; end if; return new; end $$; "
	    "create trigger hush before insert or update on products for each row execute function "
	    "hush()");
	const uint16_t port = daemon_port(d);
	struct http_answer a;
	char body[200];

	http_expect(port, "POST", PRODUCTS, JSON, "{\"name\":\"a\",\"price\":1}", 201, NULL);
	http_expect(port, "POST", PRODUCTS, JSON, "{\"name\":\"c\",\"price\":1}", 201, NULL);
	for (size_t i = 0; i < N(rules); i++) {
		const char *type = rules[i].status == 409 ? "conflict" : "validation";
		const size_t mark = daemon_log_mark(d);
		for (size_t t = 0; t < N(types); t++) {
			snprintf(body, sizeof(body),
				 t < 2 ? "%s" : "[{\"name\":\"d\",\"price\":1},%s]", rules[i].body);
			http_request(port, "POST", PRODUCTS, types[t], body, &a);
			expect_problem(&a, rules[i].status, type, rules[i].pointer, body);
			ck_assert_msg(strstr(a.body, rules[i].said) != NULL, "%s", a.body);
			ck_assert_msg(strstr(a.body, "psql") == NULL, "%s", a.body);
			http_answer_fini(&a);
		}
		char *line = daemon_log_wait(d, mark, rules[i].logged);
		free(line);
		http_request(port, "PUT", PRODUCTS "/2", JSON, rules[i].body, &a);
		expect_problem(&a, rules[i].status, type, rules[i].pointer, rules[i].body);
		ck_assert_msg(strstr(a.body, rules[i].said) != NULL, "%s", a.body);
		http_answer_fini(&a);
		http_request(port, "PATCH", PRODUCTS "/2",
			     PATCH "If-Match: *\r\nIdempotency-Key: p\r\n", rules[i].body, &a);
		expect_problem(&a, rules[i].status, type, rules[i].pointer, rules[i].body);
		http_answer_fini(&a);
		/* in a bulk it is the row's own */
		snprintf(body, sizeof(body), "[%s]", rules[i].body);
		for (size_t t = 0; t < 2; t++) {
			http_request(port, "POST", PRODUCTS, types[t], body, &a);
			ck_assert_int_eq(a.status, 200);
			char want[200];
			snprintf(want, sizeof(want),
				 "{\"results\":[{\"status\":%d,\"errors\":[{\"pointer\":\"%s\",%.*"
				 "s}]}]}",
				 rules[i].status,
				 rules[i].pointer[0] == '.' ? "" : rules[i].pointer,
				 (int)strlen(rules[i].said) - 1, rules[i].said);
			ck_assert_str_eq(a.body, want);
			http_answer_fini(&a);
			free(pg_ask("delete from product_idempotency"));
		}
	}
	expect_rows("1 a 1.00;2 c 1.00");
	daemon_stop(d);
}
END_TEST

/* What a trigger does to a row is done: nobody is told of another row, or of none. */

static const char *const other_ids[] = {
    "new.id + 1000000",
    "(select coalesce(max(id), 0) + 1 from products)",
};

static struct daemon *
start_with_meddler(const char *id)
{
	char *table = it_printf(
	    "create table products(id serial primary key, name text not null, price decimal(10,2) "
	    "not null); create function meddle() returns trigger language plpgsql as $$ begin "
	    "if new.name ~ '^quiet' then return null; end if; new.id := %s; "
	    "if new.name ~ '^old' then new.name := 'new' || substr(new.name, 4); end if; "
	    "return new; end $$; "
	    "create trigger zz before insert on products for each row execute function meddle()",
	    id);
	struct daemon *d = start_on(table);

	free(table);
	return d;
}

START_TEST(a_trigger_may_change_who_it_is)
{
	struct daemon *d = start_with_meddler(other_ids[_i]);
	struct http_conn c[CLIENTS];
	struct http_answer a;
	int in = 1;

	http_expect(daemon_port(d), "POST", PRODUCTS, JSON, "{\"name\":\"a\",\"price\":1}", 201,
		    NULL);
	for (int i = 0; i < CLIENTS; i++)
		http_open(&c[i], daemon_port(d));
	for (int r = 0; r < EACH; r++)
		for (int i = 0; i < CLIENTS; i++)
			http_sendf(&c[i],
				   "POST " PRODUCTS " HTTP/1.1\r\nHost: localhost\r\n" JSON
				   "Content-Length: 29\r\n\r\n{\"name\":\"%s%03d\",\"price\":1}",
				   i == 3 && r % 9 == 4 ? "quiet"
				   : i % 2              ? "other"
							: "old--",
				   i * EACH + r);
	for (int i = 0; i < CLIENTS; i++) {
		for (int r = 0; r < EACH; r++) {
			char want[40], target[64];
			http_read(&c[i], "POST", &a);
			if (i == 3 && r % 9 == 4) {
				expect_problem(&a, 422, "validation", ".", "quiet");
				http_answer_fini(&a);
				continue;
			}
			ck_assert_msg(a.status == 201, "%s", a.body);
			snprintf(want, sizeof(want), "\"name\":\"%s%03d\"",
				 i % 2 ? "other" : "new--", i * EACH + r);
			ck_assert_msg(strstr(a.body, want) != NULL, "%s: %s", want, a.body);
			/* the Location is its own */
			snprintf(target, sizeof(target), "%s", http_field(&a, "Location"));
			if (r == 0)
				http_expect_get(daemon_port(d), target, 200, a.body);
			http_answer_fini(&a);
			in++;
		}
		http_close(&c[i]);
	}
	ck_assert_int_eq(ask_number("select count(*) from products"), in);
	daemon_stop(d);
}
END_TEST

/* The names of the rows whose ids an answer's results have, in their order; "-" for one of 422. */
static char *
names_of(const struct http_answer *a)
{
	char names[1000] = "";
	json_t *json = json_loadb(a->body, a->body_len, 0, NULL), *result;
	size_t i;

	ck_assert_msg(a->status == 200 && json, "%s", a->body);
	json_array_foreach(json_object_get(json, "results"), i, result)
	{
		char *sql = it_printf("select coalesce((select name || case when version = %lld "
				      "then '' else '?' end from products where id = %lld), '-')",
				      json_integer_value(json_object_get(result, "version")),
				      json_integer_value(json_object_get(result, "id")));
		char *name = pg_ask(sql);
		strcat(strcat(names, i ? " " : ""), name);
		free(name);
		free(sql);
	}
	json_decref(json);
	return it_printf("%s", names);
}

START_TEST(a_trigger_may_change_many)
{
	static const struct {
		const char *fields, *body, *names;
	} bulks[] = {
	    {JSON, "[{\"name\":\"a\",\"price\":1},{},{\"name\":\"old\",\"price\":2}]", "a - new"},
	    {JSON,
	     "[{\"name\":\"quiet\",\"price\":1},{\"name\":\"b\",\"price\":2},"
	     "{\"name\":\"c\",\"price\":2},{\"name\":\"quiet\",\"price\":1}]",
	     "- b c -"},
	    {JSON, "[{\"name\":\"quiet\",\"price\":1}]", "-"},
	    {CSV, "name,price\nd,1\ne,x\nf,2\n", "d - f"},
	    {CSV, "name,price\nquiet,1\ng,x\nh,2\n", "- - h"},
	    {JSON "Prefer: atomic\r\n",
	     "[{\"name\":\"i\",\"price\":1},{\"name\":\"j\",\"price\":2}]", "i j"},
	    {JSON "Prefer: atomic\r\n",
	     "[{\"name\":\"k\",\"price\":1},{\"name\":\"quiet\",\"price\":2}]", NULL},
	};
	struct daemon *d = start_with_meddler(other_ids[_i]);
	struct http_answer a;

	http_expect(daemon_port(d), "POST", PRODUCTS, JSON, "{\"name\":\"z\",\"price\":1}", 201,
		    NULL);
	for (size_t i = 0; i < 2 * N(bulks); i++) {
		const size_t at = i % N(bulks);
		char *fields = it_printf("%sIdempotency-Key: k%zu\r\n", bulks[at].fields, at);
		const long before = ask_number("select count(*) from products");
		char *first = NULL;

		/* without a key, and with one that is sent twice */
		for (int r = 0; r < (i < N(bulks) ? 1 : 2); r++) {
			http_request(daemon_port(d), "POST", PRODUCTS,
				     i < N(bulks) ? bulks[at].fields : fields, bulks[at].body, &a);
			if (!bulks[at].names) {
				expect_problem(&a, 422, "validation", ".", bulks[at].body);
				ck_assert_int_eq(ask_number("select count(*) from products"),
						 before);
			} else {
				char *names = names_of(&a);
				ck_assert_str_eq(names, bulks[at].names);
				free(names);
			}
			if (r && bulks[at].names) {
				ck_assert_str_eq(a.body, first);
				ck_assert_str_eq(http_field(&a, "Idempotent-Replayed"), "true");
			}
			first = first ? first : it_printf("%s", a.body);
			http_answer_fini(&a);
		}
		free(first);
		free(fields);
	}
	daemon_stop(d);
}
END_TEST

START_TEST(a_trigger_may_change_one_with_a_key)
{
	struct daemon *d = start_with_meddler(other_ids[0]);
	const uint16_t port = daemon_port(d);
	static const char *const fields[] = {JSON, JSON "Idempotency-Key: k\r\n",
					     JSON "Idempotency-Key: k\r\n"};
	static const char *const bodies[] = {
	    "{\"id\":1000001,\"name\":\"new\",\"price\":1.00,\"version\":1}",
	    "{\"id\":1000002,\"name\":\"new\",\"price\":1.00,\"version\":2}",
	    "{\"id\":1000002,\"name\":\"new\",\"price\":1.00,\"version\":2}"};
	struct http_answer a;

	for (size_t i = 0; i < N(fields); i++) {
		http_request(port, "POST", PRODUCTS, fields[i], "{\"name\":\"old\",\"price\":1}",
			     &a);
		ck_assert_int_eq(a.status, 201);
		ck_assert_str_eq(a.body, bodies[i]);
		ck_assert_str_eq(http_field(&a, "Location"),
				 i ? "/api/products/1000002" : "/api/products/1000001");
		http_answer_fini(&a);
	}
	request_problem(d, "POST", PRODUCTS, JSON "Idempotency-Key: q\r\n",
			"{\"name\":\"quiet\",\"price\":1}", 422, "validation", ".");
	ck_assert_int_eq(ask_number("select count(*) from product_idempotency"), 1);
	daemon_stop(d);
}
END_TEST

/* A change or a delete that a trigger keeps from being done is neither 404 nor 412. */
START_TEST(a_trigger_may_keep_a_row_as_it_is)
{
	struct daemon *d = start_on(
	    "create table products(id serial primary key, name text not null, price decimal(10,2) "
	    "not null); insert into products(name, price) values ('a', 1); create function keep() "
	    "returns trigger language plpgsql as $$ begin return null; end $$; create trigger keep "
	    "before update or delete on products for each row execute function keep()");
	static const char *const conditions_of[] = {"", "If-Match: *\r\n", "If-Match: \"1-0\"\r\n",
						    "If-None-Match: \"1-7\"\r\n"};

	for (size_t i = 0; i < 2 * N(conditions_of); i++) {
		char fields[200], patch[300];
		snprintf(fields, sizeof(fields), "%s%s", conditions_of[i % N(conditions_of)],
			 i < N(conditions_of) ? "" : "Idempotency-Key: k\r\n");
		snprintf(patch, sizeof(patch), PATCH "%s", fields);
		request_problem(d, "PATCH", PRODUCTS "/1", patch, "{\"price\":2}", 422,
				"validation", ".");
		request_problem(d, "DELETE", PRODUCTS "/1", fields, NULL, 422, "validation", ".");
		request_problem(d, "DELETE", PRODUCTS "/2", fields, NULL, 404, "not-found", NULL);
	}
	request_problem(d, "DELETE", PRODUCTS "/1", "If-Match: \"1-7\"\r\n", NULL, 412,
			"precondition-failed", NULL);
	expect_rows("1 a 1.00");
	daemon_stop(d);
}
END_TEST

/* An error that comes with the commit is one as well: nothing was acknowledged before it. */
START_TEST(a_constraint_may_wait_for_the_commit)
{
	struct daemon *d = start_on(
	    "create table products(id serial primary key, name text not null, price decimal(10,2) "
	    "not null, constraint one unique (name) deferrable initially deferred)");
	const uint16_t port = daemon_port(d);
	struct http_conn c;
	struct http_answer a;

	http_expect(port, "POST", PRODUCTS, JSON, "{\"name\":\"a\",\"price\":1}", 201, NULL);
	http_expect(port, "POST", PRODUCTS, JSON, "{\"name\":\"b\",\"price\":1}", 201, NULL);
	request_problem(d, "POST", PRODUCTS, JSON, "{\"name\":\"a\",\"price\":1}", 409, "conflict",
			".");
	request_problem(d, "POST", PRODUCTS, JSON "Idempotency-Key: k\r\n",
			"{\"name\":\"a\",\"price\":1}", 409, "conflict", ".");
	request_problem(d, "PATCH", PRODUCTS "/2", PATCH, "{\"name\":\"a\"}", 409, "conflict", ".");
	request_problem(d, "POST", PRODUCTS, JSON "Prefer: atomic\r\n",
			"[{\"name\":\"c\",\"price\":1},{\"name\":\"a\",\"price\":1}]", 409,
			"conflict", ".");
	http_request(port, "POST", PRODUCTS, JSON,
		     "[{\"name\":\"c\",\"price\":1},{\"name\":\"a\",\"price\":1}]", &a);
	ck_assert_int_eq(a.status, 200);
	ck_assert_msg(strstr(a.body, "{\"status\":409,") > strstr(a.body, "{\"status\":201,"), "%s",
		      a.body);
	http_answer_fini(&a);
	/* those that it is sent with are not hurt */
	http_open(&c, port);
	for (int i = 0; i < EACH; i++)
		http_sendf(&c,
			   "POST " PRODUCTS " HTTP/1.1\r\nHost: localhost\r\n" JSON
			   "Content-Length: 24\r\n\r\n{\"name\":\"%3d\",\"price\":1}",
			   i == 17 ? 16 : i);
	for (int i = 0; i < EACH; i++) {
		http_read(&c, "POST", &a);
		ck_assert_msg(a.status == (i == 17 ? 409 : 201), "%d: %s", i, a.body);
		http_answer_fini(&a);
	}
	http_close(&c);
	ck_assert_int_eq(ask_number("select count(*) from products"), 3 + EACH - 1);
	daemon_stop(d);
}
END_TEST

/* --- conditions --- */

static const struct condition {
	const char *fields;
	int status; /* 200: it is done */
} conditions[] = {
    {"If-Match: \"1-%ld\"\r\n", 200},
    {"If-Match: *\r\n", 200},
    {"If-Match: \"9-9\", \"1-%ld\"\r\n", 200},
    {"If-None-Match: \"1-999999\"\r\n", 200},
    {"If-None-Match: \"other\"\r\n", 200},
    {"If-Match: \"1-%ld\"\r\nIf-None-Match: \"x\"\r\n", 200},
    {"If-Match: \"1-999999\"\r\n", 412},
    {"If-Match: W/\"1-%ld\"\r\n", 412},
    {"If-Match: \"2-%ld\"\r\n", 412},
    {"If-Match: \"x\"\r\n", 412},
    {"If-None-Match: *\r\n", 412},
    {"If-None-Match: \"1-%ld\"\r\n", 412},
    {"If-None-Match: W/\"1-%ld\"\r\n", 412},
    {"If-Match: \"1-%ld\"\r\nIf-None-Match: \"1-%ld\"\r\n", 412},
    {"If-Match: 1-%ld\r\n", 400},
    {"If-Match: \r\n", 400},
    {"If-Match: *, \"1-%ld\"\r\n", 400},
    {"If-Match: \"1-1' or true; drop table products\"\r\n", 400},
    {"If-None-Match: \"\r\n", 400},
};

START_TEST(conditions_decide)
{
	static const char *const methods[] = {"PUT", "PATCH", "DELETE"};
	static const char *const types[] = {JSON, PATCH, ""};
	static const char *const bodies[] = {"{\"name\":\"b\",\"price\":2}", "{\"price\":2}", NULL};
	struct daemon *d = start();
	bool is_changed = true;
	long version = 0;
	struct http_answer a;

	/* the table has to be there */
	http_expect(daemon_port(d), "POST", PRODUCTS, JSON, "{\"name\":\"a\",\"price\":1}", 201,
		    NULL);
	for (size_t i = 0; i < N(conditions); i++) {
		for (size_t m = 0; m < 3; m++) {
			const struct condition *c = &conditions[i];
			char fields[300], format[300];
			/* a new one, where the one before was changed */
			if (is_changed) {
				free(pg_ask("delete from products; "
					    "select setval('products_id_seq', 1, false); "
					    "insert into products(name, price) values ('a', 1)"));
				version = ask_number("select version from products");
			}
			is_changed = c->status == 200;
			/* both places are the version */
			snprintf(format, sizeof(format), "%s", c->fields);
			for (char *p; (p = strstr(format, "%ld")) != NULL;) {
				char rest[300], digits[24];
				snprintf(rest, sizeof(rest), "%s", p + 3);
				snprintf(digits, sizeof(digits), "%ld", version);
				snprintf(p, sizeof(format) - (size_t)(p - format), "%s%s", digits,
					 rest);
			}
			snprintf(fields, sizeof(fields), "%s%s", types[m], format);
			http_request(daemon_port(d), methods[m], PRODUCTS "/1", fields, bodies[m],
				     &a);
			if (c->status == 200)
				ck_assert_msg(a.status == (m == 2 ? 204 : 200), "%s %s: %s",
					      methods[m], fields, a.body);
			else
				expect_problem(&a, c->status,
					       c->status == 412 ? "precondition-failed"
								: "bad-match",
					       NULL, fields);
			http_answer_fini(&a);
			/* and so it is in the table */
			http_request(daemon_port(d), "GET", PRODUCTS "/1", NULL, NULL, &a);
			ck_assert_int_eq(a.status, m == 2 && is_changed ? 404 : 200);
			ck_assert_msg((strstr(a.body, "\"price\":1.00,") == NULL) == is_changed,
				      "%s", a.body);
			http_answer_fini(&a);
		}
	}
	daemon_stop(d);
}
END_TEST

START_TEST(a_match_may_be_required)
{
	struct daemon *d = start_with("store.require_match=on", NULL);

	free(pg_ask("insert into products(name, price) values ('a', 1), ('b', 2)"));
	request_problem(d, "PUT", PRODUCTS "/1", JSON, "{\"name\":\"b\",\"price\":2}", 428,
			"precondition-required", NULL);
	request_problem(d, "PATCH", PRODUCTS "/1", PATCH, "{}", 428, "precondition-required", NULL);
	request_problem(d, "DELETE", PRODUCTS "/1", NULL, NULL, 428, "precondition-required", NULL);
	request_problem(d, "DELETE", PRODUCTS "/1", "If-None-Match: \"x\"\r\n", NULL, 428,
			"precondition-required", NULL);
	expect_rows("1 a 1.00;2 b 2.00");
	http_expect(daemon_port(d), "DELETE", PRODUCTS "/1", "If-Match: *\r\n", NULL, 204, NULL);
	/* new products have no version to be named */
	http_expect(daemon_port(d), "POST", PRODUCTS, JSON, "{\"name\":\"c\",\"price\":2}", 201,
		    NULL);
	daemon_stop(d);
}
END_TEST

/* --- bad input --- */

#define NINES_100                                                                                  \
	"9999999999999999999999999999999999999999999999999999999999999999999999999999999999999999" \
	"999999999999"
#define NINES_400 NINES_100 NINES_100 NINES_100 NINES_100

static const struct value {
	const char *json;
	const char *name;  /* as it is kept; NULL: no name */
	const char *price; /* as it is kept; NULL: no price */
	int whole;         /* the status, when no JSON value can be made of it at all */
} values[] = {
    {"null", NULL, NULL, 0},
    {"true", NULL, NULL, 0},
    {"false", NULL, NULL, 0},
    {"[]", NULL, NULL, 0},
    {"[1]", NULL, NULL, 0},
    {"[\"a\"]", NULL, NULL, 0},
    {"{}", NULL, NULL, 0},
    {"{\"name\":\"a\"}", NULL, NULL, 0},
    {"0", NULL, "0.00", 0},
    {"-0", NULL, "0.00", 0},
    {"-0.0", NULL, "0.00", 0},
    {"1", NULL, "1.00", 0},
    {"1e2", NULL, "100.00", 0},
    {"0.01", NULL, "0.01", 0},
    {"0.005", NULL, NULL, 0},
    {"0.009", NULL, NULL, 0},
    {"-0.01", NULL, NULL, 0},
    {"-1", NULL, NULL, 0},
    {"99999999.99", NULL, "99999999.99", 0},
    {"99999999.994", NULL, NULL, 0},
    {"99999999.995", NULL, NULL, 0},
    {"100000000", NULL, NULL, 0},
    {"1e300", NULL, NULL, 0},
    {"1e-300", NULL, NULL, 0},
    {"1e999", NULL, NULL, 422},
    {NINES_400, NULL, NULL, 422},
    {"0." NINES_400, NULL, "1.00", 0}, /* a number counts by its double */
    {"NaN", NULL, NULL, 400},
    {"Infinity", NULL, NULL, 400},
    {"-", NULL, NULL, 400},
    {"01", NULL, NULL, 400},
    {"+1", NULL, NULL, 400},
    {".5", NULL, NULL, 400},
    {"0x10", NULL, NULL, 400},
    {"'a'", NULL, NULL, 400},
    {"\"\"", NULL, NULL, 0},
    {"\"a\"", "a", NULL, 0},
    {"\" \"", " ", NULL, 0},
    {"\"NaN\"", "NaN", NULL, 0},
    {"\"Infinity\"", "Infinity", NULL, 0},
    {"\"0\"", "0", "0.00", 0},
    {"\"-0\"", "-0", NULL, 0},
    {"\"0.005\"", "0.005", NULL, 0},
    {"\"1e2\"", "1e2", NULL, 0},
    {"\"12.5\"", "12.5", "12.50", 0},
    {"\" 1\"", " 1", NULL, 0},
    {"\"99999999.99\"", "99999999.99", "99999999.99", 0},
    {"\"100000000\"", "100000000", NULL, 0},
    {"\"" NINES_400 "\"", NINES_400, NULL, 0},
    {"\"'); drop table products; --\"", "'); drop table products; --", NULL, 0},
    {"\"$1\"", "$1", NULL, 0},
    {"\"%s%n\"", "%s%n", NULL, 0},
    {"\"\\u0000\"", NULL, NULL, 0},
    {"\"a\\u0000b\"", NULL, NULL, 0},
    {"\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80", NULL, 0},
    {"\"\\ud83d\"", NULL, NULL, 400},
    {"\"\\ude00\\ud83d\"", NULL, NULL, 400},
    {"\"\xff\"", NULL, NULL, 400},
    {"\"\xc0\xaf\"", NULL, NULL, 400},
    {"\"\xed\xa0\x80\"", NULL, NULL, 400},
    {"\"\xf4\x90\x80\x80\"", NULL, NULL, 400},
    {"\"a\nb\"", NULL, NULL, 400},
};

static const struct way {
	const char *method, *target, *fields;
	const char *format; /* of the whole body: the members' place */
	int status;         /* when all is well */
	bool is_bulk;
} ways[] = {
    {"POST", PRODUCTS, JSON, "{%s}", 201, false},
    {"PUT", PRODUCTS "/1", JSON, "{%s}", 200, false},
    {"PATCH", PRODUCTS "/1", PATCH, "{%s}", 200, false},
    {"POST", PRODUCTS, JSON, "[{%s}]", 200, true},
};

/* The one product in the JSON has this name, or this price to the last digit. */
static void
expect_kept(const char *json, bool is_name, const char *want)
{
	char price[1000];

	snprintf(price, sizeof(price), ",\"price\":%s,\"version\":", want);
	json_t *product = json_loads(json, 0, NULL);
	ck_assert_msg(product != NULL, "%s", json);
	if (is_name)
		ck_assert_str_eq(json_string_value(json_object_get(product, "name")), want);
	else
		ck_assert_msg(strstr(json, price) != NULL, "%s: %s", want, json);
	json_decref(product);
}

/* One value in one member, sent in one way. */
static void
try_value(struct http_conn *c, const struct way *way, const char *member, const struct value *value)
{
	const bool is_name = strcmp(member, "name") == 0;
	const char *kept = is_name ? value->name : value->price;
	char members[1000], body[1100], pointer[16];
	struct http_answer a;

	snprintf(members, sizeof(members),
		 is_name ? "\"name\":%s,\"price\":1" : "\"name\":\"p\",\"price\":%s", value->json);
	/* the format is one of ours */
	const char *place = strstr(way->format, "%s");
	snprintf(body, sizeof(body), "%.*s%s%s", (int)(place - way->format), way->format, members,
		 place + 2);
	snprintf(pointer, sizeof(pointer), "/%s", member);
	http_exchange(c, way->method, way->target, way->fields, body, &a);
	if (value->whole) {
		expect_problem(&a, value->whole, value->whole == 400 ? "not-json" : "validation",
			       value->whole == 400 ? NULL : ".", body);
	} else if (kept && !way->is_bulk) {
		ck_assert_msg(a.status == way->status, "%s: %d %s", body, a.status, a.body);
		expect_kept(a.body, is_name, kept);
	} else if (!way->is_bulk) {
		expect_problem(&a, 422, "validation", pointer, body);
	} else {
		ck_assert_msg(a.status == 200, "%s: %d %s", body, a.status, a.body);
		char want[100];
		snprintf(want, sizeof(want), "{\"results\":[{\"status\":%d,", kept ? 201 : 422);
		ck_assert_msg(strncmp(a.body, want, strlen(want)) == 0, "%s: %s", body, a.body);
		snprintf(want, sizeof(want), "\"errors\":[{\"pointer\":\"/%s\",\"detail\":\"",
			 member);
		ck_assert_msg((strstr(a.body, want) == NULL) == (kept != NULL), "%s", a.body);
		if (kept) {
			struct http_answer got;
			char target[64];
			snprintf(target, sizeof(target), PRODUCTS "/%ld",
				 strtol(strstr(a.body, "\"id\":") + 5, NULL, 10));
			http_exchange(c, "GET", target, NULL, NULL, &got);
			expect_kept(got.body, is_name, kept);
			http_answer_fini(&got);
		}
	}
	http_answer_fini(&a);
}

START_TEST(every_value_in_every_member_in_every_way)
{
	struct daemon *d = start();
	struct http_conn c;

	http_expect(daemon_port(d), "POST", PRODUCTS, JSON, "{\"name\":\"a\",\"price\":1}", 201,
		    NULL);
	http_open(&c, daemon_port(d));
	for (size_t w = 0; w < N(ways); w++) {
		for (size_t v = 0; v < N(values); v++) {
			try_value(&c, &ways[w], "name", &values[v]);
			try_value(&c, &ways[w], "price", &values[v]);
		}
	}
	http_close(&c);
	daemon_stop(d);
}
END_TEST

/* What is no product at all, by POST, PUT and PATCH. */
static const struct whole_case {
	const char *body;
	int status;
	const char *type;
	const char *post, *put, *patch; /* pointers; NULL: it is accepted */
} wholes[] = {
    {"", 400, "not-json", "", "", ""},
    {" ", 400, "not-json", "", "", ""},
    {"{", 400, "not-json", "", "", ""},
    {"{\"name\":\"a\",\"price\":1", 400, "not-json", "", "", ""},
    {"{\"name\":\"a\",\"price\":1}}", 400, "not-json", "", "", ""},
    {"{\"name\":\"a\",\"price\":1} {}", 400, "not-json", "", "", ""},
    {"{\"name\":\"a\",\"price\":1,}", 400, "not-json", "", "", ""},
    {"{\"name\":\"a\",\"name\":\"b\",\"price\":1}", 400, "not-json", "", "", ""},
    {"{\"name\":\"a\",\"price\":1,\"price\":1}", 400, "not-json", "", "", ""},
    {"{\"na\\u006de\":\"a\",\"name\":\"b\",\"price\":1}", 400, "not-json", "", "", ""},
    {"name,price", 400, "not-json", "", "", ""},
    {"null", 422, "validation", ".", ".", "."},
    {"1", 422, "validation", ".", ".", "."},
    {"\"a\"", 422, "validation", ".", ".", "."},
    {"true", 422, "validation", ".", ".", "."},
    {"{}", 422, "validation", "/name /price", "/name /price", NULL},
    {"{\"price\":1}", 422, "validation", "/name", "/name", NULL},
    {"{\"name\":\"a\"}", 422, "validation", "/price", "/price", NULL},
    {"{\"name\":\"\",\"price\":-1,\"a/b~c\":0}", 422, "validation", "/name /price /a~1b~0c",
     "/name /price /a~1b~0c", "/name /price /a~1b~0c"},
    {"{\"name\":\"a\",\"price\":1,\"id\":1}", 422, "validation", "/id", NULL, NULL},
    {"{\"name\":\"a\",\"price\":1,\"id\":2}", 422, "validation", "/id", "/id", "/id"},
    {"{\"name\":\"a\",\"price\":1,\"id\":\"1\"}", 422, "validation", "/id", "/id", "/id"},
    {"{\"name\":\"a\",\"price\":1,\"id\":null}", 422, "validation", "/id", "/id", "/id"},
    {"{\"name\":\"a\",\"price\":1,\"version\":1}", 422, "validation", "/version", "/version",
     "/version"},
    {"{\"name\":\"a\",\"price\":1,\"'; drop table products; --\":1}", 422, "validation",
     "/'; drop table products; --", "/'; drop table products; --", "/'; drop table products; --"},
    {"{\"name\":\"a\",\"price\":1,\"\":1}", 422, "validation", "/", "/", "/"},
    {"{\"name\":\"a\",\"price\":1,\"a\\u0000\":1}", 422, "validation", ".", ".", "."},
};

START_TEST(what_is_no_product)
{
	struct daemon *d = start();

	http_expect(daemon_port(d), "POST", PRODUCTS, JSON, "{\"name\":\"a\",\"price\":1}", 201,
		    NULL);
	for (size_t i = 0; i < N(wholes); i++) {
		const struct whole_case *c = &wholes[i];
		request_problem(d, "POST", PRODUCTS, JSON, c->body, c->status, c->type, c->post);
		if (c->put)
			request_problem(d, "PUT", PRODUCTS "/1", JSON, c->body, c->status, c->type,
					c->put);
		else
			http_expect(daemon_port(d), "PUT", PRODUCTS "/1", JSON, c->body, 200, NULL);
		if (c->patch)
			request_problem(d, "PATCH", PRODUCTS "/1", PATCH, c->body, c->status,
					c->type, c->patch);
		else
			http_expect(daemon_port(d), "PATCH", PRODUCTS "/1", PATCH, c->body, 200,
				    NULL);
	}
	/* an array is many products to POST, and nothing to the others */
	request_problem(d, "PUT", PRODUCTS "/1", JSON, "[]", 422, "validation", ".");
	request_problem(d, "PATCH", PRODUCTS "/1", PATCH, "[]", 422, "validation", ".");
	/* nested too deep is no JSON to us; as deep as may be it is no name */
	char deep[400];
	for (int depth = 62; depth <= 64; depth += 2) {
		char open[80] = "", shut[80] = "";
		memset(open, '[', (size_t)depth);
		memset(shut, ']', (size_t)depth);
		snprintf(deep, sizeof(deep), "{\"name\":%s%s,\"price\":1}", open, shut);
		request_problem(d, "POST", PRODUCTS, JSON, deep, depth > 63 ? 400 : 422,
				depth > 63 ? "not-json" : "validation",
				depth > 63 ? NULL : "/name");
	}
	expect_rows("1 a 1.00");
	daemon_stop(d);
}
END_TEST

START_TEST(names_have_a_length)
{
	struct daemon *d = start();
	struct http_answer a;
	char *name = malloc((1 << 20) + 1), *body = malloc((1 << 20) + 100);
	static const struct {
		size_t len;
		int json, csv;
	} names[] = {{1000, 201, 200}, {1001, 422, 200}, {1 << 20, 413, 413}};

	for (size_t i = 0; i < N(names); i++) {
		memset(name, 'n', names[i].len);
		name[names[i].len] = '\0';
		sprintf(body, "{\"name\":\"%s\",\"price\":1}", name);
		http_request(daemon_port(d), "POST", PRODUCTS, JSON, body, &a);
		ck_assert_int_eq(a.status, names[i].json);
		if (a.status == 422)
			expect_problem(&a, 422, "validation", "/name", "a long name");
		http_answer_fini(&a);
		sprintf(body, "name,price\n%s,1\n", name);
		http_request(daemon_port(d), "POST", PRODUCTS, CSV, body, &a);
		ck_assert_int_eq(a.status, names[i].csv);
		if (a.status == 200)
			ck_assert_msg(strncmp(a.body, "{\"results\":[{\"status\":", 22) == 0 &&
					  (strstr(a.body, "\"status\":201") != NULL) ==
					      (names[i].len <= 1000),
				      "%s", a.body);
		http_answer_fini(&a);
	}
	/* JSON of more than 64 KiB is told so, though CSV may be longer */
	memset(body, ' ', 65537);
	memcpy(body, "{\"name\":\"a\",\"price\":1}", 22);
	body[65537] = '\0';
	http_request(daemon_port(d), "POST", PRODUCTS, JSON, body, &a);
	expect_problem(&a, 413, NULL, NULL, "65537 bytes of JSON");
	http_answer_fini(&a);
	body[65536] = '\0';
	http_expect(daemon_port(d), "POST", PRODUCTS, JSON, body, 201, NULL);
	http_expect(daemon_port(d), "PUT", PRODUCTS "/1", JSON, body, 200, NULL);
	body[65536] = ' ';
	http_expect(daemon_port(d), "PUT", PRODUCTS "/1", JSON, body, 413, NULL);
	ck_assert_int_eq(ask_number("select count(*) from products"), 3);
	free(name);
	free(body);
	daemon_stop(d);
}
END_TEST

START_TEST(ids_that_are_none)
{
	static const char *const ids[] = {"0",
					  "-1",
					  "2147483648",
					  "9223372036854775807",
					  "9223372036854775808",
					  "18446744073709551617",
					  "1e3",
					  "%201",
					  "1%20",
					  "01",
					  "+1",
					  "1.0",
					  "0x1",
					  "1%00",
					  "%D9%A1",
					  "1;drop%20table%20products",
					  "1%27%20or%20true--"};
	struct daemon *d = start();

	http_expect(daemon_port(d), "POST", PRODUCTS, JSON, "{\"name\":\"a\",\"price\":1}", 201,
		    NULL);
	for (size_t i = 0; i < N(ids); i++) {
		char target[100];
		snprintf(target, sizeof(target), PRODUCTS "/%s", ids[i]);
		request_problem(d, "GET", target, NULL, NULL, 404, "not-found", NULL);
		request_problem(d, "PUT", target, JSON, "{\"name\":\"b\",\"price\":2}", 404,
				"not-found", NULL);
		request_problem(d, "PATCH", target, PATCH, "{\"price\":2}", 404, "not-found", NULL);
		request_problem(d, "DELETE", target, NULL, NULL, 404, "not-found", NULL);
	}
	expect_rows("1 a 1.00");
	daemon_stop(d);
}
END_TEST

static const struct type_case {
	const char *method, *target, *fields;
	int status;
	const char *accept; /* of a 415 */
} types[] = {
    {"POST", PRODUCTS, JSON, 201, NULL},
    {"POST", PRODUCTS, "Content-Type: Application/JSON;charset=utf-8\r\n", 201, NULL},
    {"POST", PRODUCTS, "Content-Type: text/csv; header=present\r\n", 400, NULL},
    {"POST", PRODUCTS, "", 415, "application/json, text/csv"},
    {"POST", PRODUCTS, "Content-Type: \r\n", 415, "application/json, text/csv"},
    {"POST", PRODUCTS, "Content-Type: text/plain\r\n", 415, "application/json, text/csv"},
    {"POST", PRODUCTS, "Content-Type: application/x-ndjson\r\n", 415, "application/json, text/csv"},
    {"POST", PRODUCTS, PATCH, 415, "application/json, text/csv"},
    {"POST", PRODUCTS, JSON JSON, 415, "application/json, text/csv"},
    {"POST", PRODUCTS, JSON "Content-Encoding: gzip\r\n", 415, NULL},
    {"PUT", PRODUCTS "/1", JSON, 200, NULL},
    {"PUT", PRODUCTS "/1", "", 415, "application/json"},
    {"PUT", PRODUCTS "/1", CSV, 415, "application/json"},
    {"PUT", PRODUCTS "/1", PATCH, 415, "application/json"},
    {"PATCH", PRODUCTS "/1", PATCH, 200, NULL},
    {"PATCH", PRODUCTS "/1", "", 415, "application/merge-patch+json"},
    {"PATCH", PRODUCTS "/1", JSON, 415, "application/merge-patch+json"},
    {"PATCH", PRODUCTS "/1", "Content-Type: application/json-patch+json\r\n", 415,
     "application/merge-patch+json"},
};

START_TEST(content_has_its_type)
{
	struct daemon *d = start();
	struct http_answer a;

	for (size_t i = 0; i < N(types); i++) {
		const struct type_case *c = &types[i];
		http_request(daemon_port(d), c->method, c->target, c->fields,
			     "{\"name\":\"a\",\"price\":1}", &a);
		ck_assert_msg(a.status == c->status, "%s %s: %s%s", c->method, c->fields, a.head,
			      a.body);
		if (c->accept)
			ck_assert_str_eq(http_field(&a, "Accept"), c->accept);
		if (c->accept && strcmp(c->method, "PATCH") == 0)
			ck_assert_str_eq(http_field(&a, "Accept-Patch"), c->accept);
		http_answer_fini(&a);
	}
	http_request(daemon_port(d), "OPTIONS", PRODUCTS, NULL, NULL, &a);
	ck_assert_str_eq(http_field(&a, "Accept-Post"), "application/json, text/csv");
	http_answer_fini(&a);
	http_request(daemon_port(d), "OPTIONS", PRODUCTS "/1", NULL, NULL, &a);
	ck_assert_str_eq(http_field(&a, "Accept-Patch"), "application/merge-patch+json");
	http_answer_fini(&a);
	/* a delete has nothing to say */
	http_expect(daemon_port(d), "DELETE", PRODUCTS "/1", JSON, "{}", 413, NULL);
	ck_assert_int_eq(ask_number("select count(*) from products"), 2);
	daemon_stop(d);
}
END_TEST

START_TEST(a_body_that_ends_early_writes_nothing)
{
	static const char *const heads[] = {
	    "POST " PRODUCTS " HTTP/1.1\r\nHost: localhost\r\n" JSON,
	    "PUT " PRODUCTS "/1 HTTP/1.1\r\nHost: localhost\r\n" JSON,
	    "PATCH " PRODUCTS "/1 HTTP/1.1\r\nHost: localhost\r\n" PATCH,
	    "POST " PRODUCTS " HTTP/1.1\r\nHost: localhost\r\n" CSV,
	};
	static const char *const bodies[] = {"{\"name\":\"b\",\"price\":2}",
					     "{\"name\":\"b\",\"price\":2}", "{\"price\":2}",
					     "name,price\nb,2\n"};
	struct daemon *d = start();
	struct http_conn c;

	http_expect(daemon_port(d), "POST", PRODUCTS, JSON, "{\"name\":\"a\",\"price\":1}", 201,
		    NULL);
	for (size_t i = 0; i < 4; i++) {
		http_open(&c, daemon_port(d));
		http_sendf(&c, "%sContent-Length: %zu\r\n\r\n%s", heads[i], strlen(bodies[i]) + 1,
			   bodies[i]);
		http_close(&c);
		http_open(&c, daemon_port(d));
		http_sendf(&c, "%sTransfer-Encoding: chunked\r\n\r\n%zx\r\n%s\r\n", heads[i],
			   strlen(bodies[i]), bodies[i]);
		http_close(&c);
	}
	/* they have been read when this one is answered by the same two workers */
	for (int i = 0; i < 8; i++)
		http_expect_get(daemon_port(d), PRODUCTS "/1", 200, NULL);
	expect_rows("1 a 1.00");
	daemon_stop(d);
}
END_TEST

/* --- bulks --- */

START_TEST(each_of_many_has_its_result)
{
	struct daemon *d = start_with(_i ? "store.prepared=off" : "store.prepared=on", NULL);
	const uint16_t port = daemon_port(d);
	struct http_answer a;

	http_request(port, "POST", PRODUCTS, JSON,
		     "[{\"name\":\"a\",\"price\":1},{\"name\":\"\",\"price\":-1},7,"
		     "{\"name\":\"'); drop table products; --\",\"price\":\"2.5\"}]",
		     &a);
	ck_assert_int_eq(a.status, 200);
	ck_assert_str_eq(
	    a.body,
	    "{\"results\":[{\"status\":201,\"id\":1,\"version\":1},{\"status\":422,\"errors\":["
	    "{\"pointer\":\"/name\",\"detail\":\"must be a string of 1 to 1000 bytes of UTF-8\"},"
	    "{\"pointer\":\"/price\",\"detail\":\"must be from 0 to 99999999.99\"}]},"
	    "{\"status\":422,\"errors\":[{\"pointer\":\"\",\"detail\":\"must be an object with "
	    "name and price\"}]},{\"status\":201,\"id\":2,\"version\":2}]}");
	ck_assert_ptr_null(http_field(&a, "Preference-Applied"));
	ck_assert_ptr_nonnull(http_field(&a, "Server-Timing"));
	http_answer_fini(&a);
	expect_rows("1 a 1.00;2 '); drop table products; -- 2.50");

	http_request(port, "POST", PRODUCTS, CSV,
		     "price,name\r\n1.5,\"x, \"\"y\"\"\"\r\n1e2,b\r\n,\r\n0,\"two\nlines\"", &a);
	ck_assert_int_eq(a.status, 200);
	ck_assert_ptr_nonnull(strstr(a.body,
				     "{\"results\":[{\"status\":201,\"id\":3,\"version\":3},"
				     "{\"status\":422,\"errors\":[{\"pointer\":\"/price\","));
	ck_assert_ptr_nonnull(strstr(a.body, ",{\"status\":201,\"id\":4,\"version\":4}]}"));
	http_answer_fini(&a);
	char *name = pg_ask("select string_agg(name, '|' order by id) from products where id > 2");
	ck_assert_str_eq(name, "x, \"y\"|two\nlines");
	free(name);
	/* where none is right nothing is asked of the database */
	http_request(port, "POST", PRODUCTS, JSON, "[{},{}]", &a);
	ck_assert_int_eq(a.status, 200);
	ck_assert_ptr_null(http_field(&a, "Server-Timing"));
	http_answer_fini(&a);
	ck_assert_int_eq(ask_number("select count(*) from products"), 4);
	daemon_stop(d);
}
END_TEST

START_TEST(all_or_none)
{
	struct daemon *d = start_on(
	    "create table products(id serial primary key, name text not null, price "
	    "decimal(10,2) not null, unique (name), constraint polite check (name !~ '^rude'))");
	const uint16_t port = daemon_port(d);
	struct http_answer a;

	http_request(port, "POST", PRODUCTS, JSON "Prefer: atomic\r\n",
		     "[{\"name\":\"a\",\"price\":1},{\"name\":\"b\",\"price\":2}]", &a);
	ck_assert_int_eq(a.status, 200);
	ck_assert_str_eq(a.body, "{\"results\":[{\"status\":201,\"id\":1,\"version\":1},"
				 "{\"status\":201,\"id\":2,\"version\":2}]}");
	ck_assert_str_eq(http_field(&a, "Preference-Applied"), "atomic");
	http_answer_fini(&a);
	request_problem(
	    d, "POST", PRODUCTS, JSON "Prefer: atomic\r\n",
	    "[{\"name\":\"c\",\"price\":1},{\"name\":\"\"},{\"name\":\"d\",\"price\":2},"
	    "\"e\"]",
	    422, "validation", "/1/name /1/price /3");
	request_problem(d, "POST", PRODUCTS, CSV "Prefer: atomic\r\n", "name,price\nc,1\nd,x\n",
			422, "validation", "/1/price");
	/* and so it is when only the database knows */
	request_problem(d, "POST", PRODUCTS, JSON "Prefer: atomic\r\n",
			"[{\"name\":\"c\",\"price\":1},{\"name\":\"rude\",\"price\":1}]", 422,
			"validation", ".");
	request_problem(d, "POST", PRODUCTS, CSV "Prefer: atomic\r\n", "name,price\nc,1\na,1\n",
			409, "conflict", ".");
	expect_rows("1 a 1.00;2 b 2.00");
	/* each for itself */
	http_request(port, "POST", PRODUCTS, JSON,
		     "[{\"name\":\"c\",\"price\":1},{\"name\":\"rude\",\"price\":1},{},"
		     "{\"name\":\"a\",\"price\":1},{\"name\":\"d\",\"price\":1}]",
		     &a);
	ck_assert_int_eq(a.status, 200);
	json_t *json = json_loadb(a.body, a.body_len, 0, NULL), *result;
	static const int statuses[] = {201, 422, 422, 409, 201};
	size_t i;
	ck_assert_uint_eq(json_array_size(json_object_get(json, "results")), 5);
	json_array_foreach(json_object_get(json, "results"), i, result)
	    ck_assert_int_eq(json_integer_value(json_object_get(result, "status")), statuses[i]);
	json_decref(json);
	http_answer_fini(&a);
	ck_assert_int_eq(ask_number("select count(*) from products where name in ('c', 'd')"), 2);
	daemon_stop(d);
}
END_TEST

static const struct csv_case {
	const char *body;
	int status;
	const char *type, *pointers;
	const char *said; /* part of the detail */
} bad_csv[] = {
    {"", 422, "validation", ".", "1 to 1000 products"},
    {"name,price", 422, "validation", ".", "1 to 1000 products"},
    {"name,price\r\n", 422, "validation", ".", "1 to 1000 products"},
    {"a,1\n", 422, "validation", ".", "line 1: must be name,price or price,name"},
    {"Name,Price\na,1\n", 422, "validation", ".", "line 1: must be name,price"},
    {"name,price,id\na,1,2\n", 422, "validation", ".", "line 1: must be name,price"},
    {"name,name\na,1\n", 422, "validation", ".", "line 1: must be name,price"},
    {"name\na\n", 422, "validation", ".", "line 1: must be name,price"},
    {"name;price\na;1\n", 422, "validation", ".", "line 1: must be name,price"},
    {"name,price\na,1\nb\n", 400, "not-csv", NULL, "line 3: must have two fields"},
    {"name,price\na,1\n\nb,2\n", 400, "not-csv", NULL, "line 3: must have two fields"},
    {"name,price\na,1,2\n", 400, "not-csv", NULL, "line 2: must have two fields"},
    {"name,price\na,1\n\"b,2\nc,3\n", 400, "not-csv", NULL, "line 3: a quoted field is not"},
    {"name,price\na\"b,1\n", 400, "not-csv", NULL, "line 2: a quote stands inside"},
    {"name,price\n\"a\"b,1\n", 400, "not-csv", NULL, "line 2: something follows"},
    {"name,price\ra,1\r", 400, "not-csv", NULL, "line 1: a carriage return"},
    {"{\"name\":\"a\",\"price\":1}", 400, "not-csv", NULL, "line 1: a quote stands inside"},
};

START_TEST(csv_is_read_strictly)
{
	struct daemon *d = start();
	struct http_answer a;

	for (size_t i = 0; i < N(bad_csv); i++) {
		const struct csv_case *c = &bad_csv[i];
		http_request(daemon_port(d), "POST", PRODUCTS, CSV, c->body, &a);
		/* no body at all is another matter */
		if (!c->body[0] && a.status == 411) {
			http_answer_fini(&a);
			continue;
		}
		expect_problem(&a, c->status, c->type, c->pointers, c->body);
		ck_assert_msg(strstr(a.body, c->said) != NULL, "%s: %s", c->body, a.body);
		http_answer_fini(&a);
	}
	/* bytes of any kind in a name are its own error */
	http_request(daemon_port(d), "POST", PRODUCTS, CSV,
		     "\xef\xbb\xbfname,price\n\xff,1\n\xed\xa0\x80,1\nok,1\n", &a);
	ck_assert_int_eq(a.status, 200);
	ck_assert_ptr_nonnull(strstr(a.body, "{\"status\":201,\"id\":1,\"version\":1}]}"));
	http_answer_fini(&a);
	expect_rows("1 ok 1.00");
	daemon_stop(d);
}
END_TEST

START_TEST(a_thousand_and_not_one_more)
{
	struct daemon *d = start();
	char *json = malloc(65537), *csv = malloc(65537);
	struct http_answer a;

	for (int n = 1000; n <= 1001; n++) {
		char *p = json, *q = csv;
		p += sprintf(p, "[");
		q += sprintf(q, "name,price\n");
		for (int i = 0; i < n; i++) {
			p += sprintf(p, "%s{\"name\":\"j%d\",\"price\":%d}", i ? "," : "", i, i);
			q += sprintf(q, "c%d,%d\n", i, i);
		}
		sprintf(p, "]");
		if (n == 1000) {
			http_request(daemon_port(d), "POST", PRODUCTS, JSON, json, &a);
			ck_assert_msg(a.status == 200, "%s", a.body);
			ck_assert_ptr_nonnull(
			    strstr(a.body, "{\"status\":201,\"id\":1000,\"version\":1000}]}"));
			http_answer_fini(&a);
			http_expect(daemon_port(d), "POST", PRODUCTS, CSV, csv, 200, NULL);
		} else {
			request_problem(d, "POST", PRODUCTS, JSON, json, 422, "validation", ".");
			request_problem(d, "POST", PRODUCTS, CSV, csv, 422, "validation", ".");
		}
	}
	request_problem(d, "POST", PRODUCTS, JSON, "[]", 422, "validation", ".");
	ck_assert_int_eq(ask_number("select count(*) from products"), 2000);
	/* in the order in which they came */
	ck_assert_int_eq(ask_number("select count(*) from products where name = 'j' || (id - 1) "
				    "or name = 'c' || (id - 1001)"),
			 2000);
	free(json);
	free(csv);
	daemon_stop(d);
}
END_TEST

/* --- many at once --- */

START_TEST(ids_rise_by_one_over_all_workers)
{
	struct daemon *d = start_with("server.workers=3", NULL);
	struct http_conn c[CLIENTS];
	struct http_answer a;
	bool seen[CLIENTS * EACH + 1] = {false};

	for (int i = 0; i < CLIENTS; i++)
		http_open(&c[i], daemon_port(d));
	for (int r = 0; r < EACH; r++)
		for (int i = 0; i < CLIENTS; i++) {
			char body[64];
			int n = snprintf(body, sizeof(body), "{\"name\":\"c%d r%d\",\"price\":%d}",
					 i, r, r);
			http_sendf(&c[i],
				   "POST " PRODUCTS " HTTP/1.1\r\nHost: localhost\r\n" JSON
				   "Content-Length: %d\r\n\r\n%s",
				   n, body);
		}
	for (int i = 0; i < CLIENTS; i++) {
		long last = 0;
		for (int r = 0; r < EACH; r++) {
			char want[64];
			http_read(&c[i], "POST", &a);
			ck_assert_msg(a.status == 201, "%s", a.body);
			const long id = strtol(a.body + 6, NULL, 10);
			/* its own, behind those that it sent before, and nobody else's */
			snprintf(want, sizeof(want), "\"name\":\"c%d r%d\"", i, r);
			ck_assert_msg(strstr(a.body, want) != NULL, "%s: %s", want, a.body);
			ck_assert_int_gt(id, last);
			ck_assert_int_le(id, CLIENTS * EACH);
			ck_assert(!seen[id]);
			seen[id] = true;
			last = id;
			http_answer_fini(&a);
		}
		http_close(&c[i]);
	}
	ck_assert_int_eq(ask_number("select max(id) from products"), (long)CLIENTS * EACH);
	/* they did share statements: a statement is one transaction */
	ck_assert_int_lt(ask_number("select count(distinct xmin::text) from products"),
			 (long)CLIENTS * EACH);
	daemon_stop(d);
}
END_TEST

START_TEST(a_bad_row_costs_only_itself)
{
	struct daemon *d = start_on(
	    "create table products(id serial primary key, name text not null, price "
	    "decimal(10,2) not null, unique (name), constraint polite check (name !~ '^rude'))");
	struct http_conn c[CLIENTS];
	struct http_answer a;

	http_expect(daemon_port(d), "POST", PRODUCTS, JSON, "{\"name\":\"twice\",\"price\":1}", 201,
		    NULL);
	for (int i = 0; i < CLIENTS; i++)
		http_open(&c[i], daemon_port(d));
	for (int r = 0; r < EACH; r++)
		for (int i = 0; i < CLIENTS; i++) {
			char body[64];
			int n = snprintf(body, sizeof(body), "{\"name\":\"%s%d.%d\",\"price\":1}",
					 i == 5 && r % 3 == 0 ? "rude" : "n", i, r);
			if (i == 7 && r % 5 == 0)
				n = snprintf(body, sizeof(body),
					     "{\"name\":\"twice\",\"price\":1}");
			http_sendf(&c[i],
				   "POST " PRODUCTS " HTTP/1.1\r\nHost: localhost\r\n" JSON
				   "Content-Length: %d\r\n\r\n%s",
				   n, body);
		}
	for (int i = 0; i < CLIENTS; i++) {
		for (int r = 0; r < EACH; r++) {
			http_read(&c[i], "POST", &a);
			const int want = i == 5 && r % 3 == 0   ? 422
					 : i == 7 && r % 5 == 0 ? 409
								: 201;
			ck_assert_msg(a.status == want, "%d.%d: %s", i, r, a.body);
			http_answer_fini(&a);
		}
		http_close(&c[i]);
	}
	ck_assert_int_eq(ask_number("select count(*) from products"),
			 1 + CLIENTS * EACH - EACH / 3 - EACH / 5);
	daemon_stop(d);
}
END_TEST

START_TEST(changes_of_the_same_products_do_not_lock_each_other)
{
	struct daemon *d = start_with("server.workers=3", NULL);
	struct http_conn c[CLIENTS];
	struct http_answer a;
	char target[64];

	free(pg_ask("insert into products(name, price) select 'p' || i, 0 from "
		    "generate_series(1, 20) i"));
	for (int i = 0; i < CLIENTS; i++)
		http_open(&c[i], daemon_port(d));
	for (int r = 0; r < EACH; r++)
		for (int i = 0; i < CLIENTS; i++) {
			/* each in another order */
			snprintf(target, sizeof(target), PRODUCTS "/%d", (i * 7 + r * 11) % 20 + 1);
			http_sendf(&c[i],
				   "PATCH %s HTTP/1.1\r\nHost: localhost\r\n" PATCH
				   "Content-Length: 12\r\n\r\n{\"price\":%2d}",
				   target, r);
		}
	for (int i = 0; i < CLIENTS; i++) {
		for (int r = 0; r < EACH; r++) {
			http_read(&c[i], "PATCH", &a);
			ck_assert_msg(a.status == 200, "%s", a.body);
			http_answer_fini(&a);
		}
		http_close(&c[i]);
	}
	ck_assert_int_eq(ask_number("select deadlocks from pg_stat_database where datname = "
				    "current_database()"),
			 0);
	daemon_stop(d);
}
END_TEST

/* --- Idempotency-Key --- */

static const struct keyed {
	const char *method, *target, *fields, *body;
	int status;
} keyed[] = {
    {"POST", PRODUCTS, JSON, "{\"name\":\"n\\\"\\n\",\"price\":1.5}", 201},
    {"POST", PRODUCTS, JSON, "[{\"name\":\"b1\",\"price\":1},{},{\"name\":\"b2\",\"price\":2}]",
     200},
    {"POST", PRODUCTS, JSON "Prefer: atomic\r\n", "[{\"name\":\"b3\",\"price\":1}]", 200},
    {"POST", PRODUCTS, CSV, "name,price\nb4,1\nb5,x\n", 200},
    {"PUT", PRODUCTS "/1", JSON, "{\"name\":\"put\",\"price\":2}", 200},
    {"PATCH", PRODUCTS "/1", PATCH, "{\"price\":3}", 200},
    {"DELETE", PRODUCTS "/2", "", NULL, 204},
};

START_TEST(a_key_is_answered_the_same)
{
	struct daemon *d = start_with(_i ? "store.prepared=off" : "store.prepared=on", NULL);
	const uint16_t port = daemon_port(d);
	struct http_answer first, again;

	free(pg_ask("insert into products(name, price) values ('a', 1), ('b', 2)"));
	for (size_t i = 0; i < N(keyed); i++) {
		const struct keyed *k = &keyed[i];
		char fields[200];
		snprintf(fields, sizeof(fields), "%sIdempotency-Key: \"k%zu\"\r\n", k->fields, i);
		http_request(port, k->method, k->target, fields, k->body, &first);
		ck_assert_msg(first.status == k->status, "%s: %s", k->method, first.body);
		ck_assert_ptr_null(http_field(&first, "Idempotent-Replayed"));
		const long rows = ask_number("select coalesce(sum(version), 0) from products");
		/* bare is the same key */
		snprintf(fields, sizeof(fields), "Idempotency-Key: k%zu\r\n%s", i, k->fields);
		for (int r = 0; r < 3; r++) {
			http_request(port, k->method, k->target, fields, k->body, &again);
			ck_assert_int_eq(again.status, first.status);
			ck_assert_str_eq(again.body, first.body);
			ck_assert_str_eq(http_field(&again, "Idempotent-Replayed"), "true");
			static const char *const same[] = {"ETag", "Location", "Content-Type",
							   "Preference-Applied"};
			for (size_t s = 0; s < N(same); s++) {
				const char *value = http_field(&first, same[s]);
				char *kept = value ? it_printf("%s", value) : NULL;
				value = http_field(&again, same[s]);
				ck_assert_msg((value == NULL) == (kept == NULL), "%s", same[s]);
				if (kept)
					ck_assert_str_eq(value, kept);
				free(kept);
			}
			http_answer_fini(&again);
		}
		/* and nothing was written again */
		ck_assert_int_eq(ask_number("select coalesce(sum(version), 0) from products"),
				 rows);
		/* for anything else it is taken */
		http_request(port, "PATCH", PRODUCTS "/1", PATCH "Idempotency-Key: k0\r\n",
			     "{\"price\":9}", &again);
		expect_problem(&again, 422, "idempotency-key-reused", NULL, k->method);
		http_answer_fini(&again);
		http_answer_fini(&first);
	}
	ck_assert_int_eq(ask_number("select count(*) from product_idempotency"), (long)N(keyed));
	daemon_stop(d);
}
END_TEST

/* Byte for byte what an answer without a key has, of every kind of column, and for as long as the
 * key is kept, whatever becomes of the table. */
START_TEST(a_key_is_answered_in_the_same_bytes)
{
	struct daemon *d = start_on(
	    "create domain small as smallint; create domain smaller as small check (value < 9); "
	    "create type mood as enum ('glad', 'so, so'); "
	    "create table products(flat bool default true, extra jsonb default '{\"a\": [1]}', "
	    "price decimal(10,2) not null, at timestamptz default '2026-02-03 04:05:06.7+08', "
	    "f float8 default 'NaN', r real default 1e30, inf float8 default '-infinity', "
	    "words text[] default '{a,\"b, \\\"c\",null}', empty text default '', none text, "
	    "id serial primary key, \"odd \"\"(na,me\\\" text default E'q\"b\\\\ (x),\\n', "
	    "raw json default '{\"a\" :\n1}', d smaller default 3, bytes bytea default "
	    "'\\x00ff', day date default '2026-02-03', span interval default '1 day 02:03', "
	    "feel mood default 'so, so', who inet default '::1', point point default '(1,2)', "
	    "gone int, name char(6) not null); alter table products drop gone");
	const uint16_t port = daemon_port(d);
	static const struct keyed ways_of[] = {
	    {"POST", PRODUCTS, JSON, "{\"name\":\"a\",\"price\":1}", 201},
	    {"PUT", PRODUCTS "/1", JSON, "{\"name\":\"b \",\"price\":2}", 200},
	    {"PATCH", PRODUCTS "/1", PATCH, "{\"price\":3}", 200},
	};
	char *bodies[N(ways_of)], *tags[N(ways_of)], fields[200];
	struct http_answer a, got;

	for (size_t r = 0; r < 2; r++) {
		for (size_t i = 0; i < N(ways_of); i++) {
			const struct keyed *k = &ways_of[i];
			snprintf(fields, sizeof(fields), "%sIdempotency-Key: k%zu\r\n", k->fields,
				 i);
			http_request(port, k->method, k->target, fields, k->body, &a);
			ck_assert_msg(a.status == k->status, "%s", a.body);
			if (r == 0) {
				bodies[i] = it_printf("%s", a.body);
				tags[i] = it_printf("%s", http_field(&a, "ETag"));
				http_request(port, "GET", PRODUCTS "/1", NULL, NULL, &got);
				ck_assert_str_eq(a.body, got.body);
				ck_assert_str_eq(tags[i], http_field(&got, "ETag"));
				http_answer_fini(&got);
			} else {
				ck_assert_str_eq(http_field(&a, "Idempotent-Replayed"), "true");
				ck_assert_str_eq(a.body, bodies[i]);
				ck_assert_str_eq(http_field(&a, "ETag"), tags[i]);
				free(bodies[i]);
				free(tags[i]);
			}
			if (i == 0)
				ck_assert_str_eq(http_field(&a, "Location"), "/api/products/1");
			http_answer_fini(&a);
		}
		if (r)
			continue;
		free(pg_ask("alter table products drop words, alter f type text, add later int "
			    "default 7; alter table products rename feel to mood"));
		http_expect(port, "PATCH", PRODUCTS "/1", PATCH, "{}", 200, NULL);
	}
	/* and what is new is there in new ones */
	http_request(port, "PATCH", PRODUCTS "/1", PATCH "Idempotency-Key: new\r\n", "{}", &a);
	ck_assert_msg(strstr(a.body, "\"later\":7}") != NULL, "%s", a.body);
	http_answer_fini(&a);
	daemon_stop(d);
}
END_TEST

/* By a Plaza that knew no forms: it cannot be told any more, and is not done again. */
START_TEST(an_answer_of_before_is_not_done_again)
{
	struct daemon *d = start();

	http_expect(daemon_port(d), "POST", PRODUCTS, JSON "Idempotency-Key: k\r\n",
		    "{\"name\":\"a\",\"price\":1}", 201, NULL);
	free(pg_ask("update product_idempotency set form = null"));
	request_problem(d, "POST", PRODUCTS, JSON "Idempotency-Key: k\r\n",
			"{\"name\":\"a\",\"price\":1}", 422, "idempotency-key-reused", NULL);
	free(pg_ask("update product_idempotency set form = '(a', answer = 'b'"));
	request_problem(d, "POST", PRODUCTS, JSON "Idempotency-Key: k\r\n",
			"{\"name\":\"a\",\"price\":1}", 500, "store-error", NULL);
	expect_rows("1 a 1.00");
	daemon_expect_error(d, "has an answer that cannot be read");
	daemon_stop(d);
}
END_TEST

/*
 * The server falls silent while it commits; the daemon hangs up and asks again, waits for its own
 * first attempt, and finds its key used when that is through.
 */
START_TEST(a_key_that_its_own_first_attempt_has)
{
	struct daemon *d = start_with("store.statement_timeout=2s", "server.workers=1");
	struct child holder;
	struct http_conn c;
	struct http_answer a;

	http_expect(daemon_port(d), "POST", PRODUCTS, JSON, "{\"name\":\"a\",\"price\":1}", 201,
		    NULL);
	free(pg_ask("create function public.linger() returns trigger language plpgsql set "
		    "lock_timeout = 0 as $$ begin perform pg_advisory_xact_lock(7); return null; "
		    "end $$; create constraint trigger linger after insert on "
		    "public.product_idempotency deferrable initially deferred for each row execute "
		    "function public.linger()"));
	char *dbname = pg_ask("select current_database()");
	const char *argv[] = {"psql", "-XAtq", "-h", pg_socket_dir(), "-U", "postgres",
			      "-d",   dbname,  NULL};
	child_start(&holder, argv);
	child_write(&holder, "select pg_advisory_lock(7);\nselect 'held';\n");
	free(child_read_line(&holder));
	char *line = child_read_line(&holder);
	ck_assert_str_eq(line, "held");
	free(line);
	http_open(&c, daemon_port(d));
	http_send_text(&c, "POST " PRODUCTS " HTTP/1.1\r\nHost: localhost\r\n" JSON
			   "Idempotency-Key: k\r\nContent-Length: 22\r\n\r\n"
			   "{\"name\":\"b\",\"price\":1}");
	WAIT_UNTIL(ask_number("select count(*) from pg_stat_activity where wait_event = 'advisory' "
			      "and datname = current_database()") == 1);
	WAIT_UNTIL(ask_number("select count(*) from pg_stat_activity where wait_event = "
			      "'transactionid' and datname = current_database()") == 1);
	child_write(&holder, "select pg_advisory_unlock(7);\n");
	child_close_input(&holder);
	http_read(&c, "POST", &a);
	ck_assert_msg(a.status == 201, "%s", a.body);
	ck_assert_str_eq(http_field(&a, "Idempotent-Replayed"), "true");
	ck_assert_str_eq(a.body, "{\"id\":2,\"name\":\"b\",\"price\":1.00,\"version\":2}");
	http_answer_fini(&a);
	http_close(&c);
	ck_assert_int_eq(child_wait(&holder), 0);
	expect_rows("1 a 1.00;2 b 1.00");
	free(dbname);
	daemon_stop(d);
}
END_TEST

START_TEST(only_what_was_done_is_kept)
{
	static const struct keyed misses[] = {
	    {"POST", PRODUCTS, JSON, "{}", 422},
	    {"POST", PRODUCTS, JSON, "{\"name\":\"rude\",\"price\":1}", 422},
	    {"PUT", PRODUCTS "/99", JSON, "{\"name\":\"a\",\"price\":1}", 404},
	    {"PATCH", PRODUCTS "/1", PATCH "If-Match: \"x\"\r\n", "{\"price\":3}", 412},
	    {"DELETE", PRODUCTS "/99", "", NULL, 404},
	};
	struct daemon *d =
	    start_on("create table products(id serial primary key, name text not null, price "
		     "decimal(10,2) not null, constraint polite check (name !~ '^rude'))");
	struct http_answer a;

	http_expect(daemon_port(d), "POST", PRODUCTS, JSON, "{\"name\":\"a\",\"price\":1}", 201,
		    NULL);
	for (size_t i = 0; i < N(misses); i++) {
		char fields[200];
		snprintf(fields, sizeof(fields), "%sIdempotency-Key: k\r\n", misses[i].fields);
		http_request(daemon_port(d), misses[i].method, misses[i].target, fields,
			     misses[i].body, &a);
		ck_assert_msg(a.status == misses[i].status, "%s", a.body);
		http_answer_fini(&a);
	}
	ck_assert_int_eq(ask_number("select count(*) from product_idempotency"), 0);
	/* the key is still free */
	http_expect(daemon_port(d), "POST", PRODUCTS, JSON "Idempotency-Key: k\r\n",
		    "{\"name\":\"b\",\"price\":1}", 201, NULL);
	static const char *const bad[] = {"", "\"\"", "a b", "\"a", "\xc3\xa9"};
	for (size_t i = 0; i < N(bad); i++) {
		char fields[100];
		snprintf(fields, sizeof(fields), JSON "Idempotency-Key: %s\r\n", bad[i]);
		request_problem(d, "POST", PRODUCTS, fields, "{\"name\":\"b\",\"price\":1}", 400,
				"bad-key", NULL);
	}
	request_problem(d, "DELETE", PRODUCTS "/1", "Idempotency-Key: a\r\nIdempotency-Key: a\r\n",
			NULL, 400, "bad-key", NULL);
	/* SQL in a key is a key */
	http_expect(daemon_port(d), "POST", PRODUCTS,
		    JSON "Idempotency-Key: ');drop/**/table/**/products;--\r\n",
		    "{\"name\":\"c\",\"price\":1}", 201, NULL);
	ck_assert_int_eq(ask_number("select count(*) from products"), 3);
	daemon_stop(d);
}
END_TEST

START_TEST(a_key_that_many_send_at_once_is_done_once)
{
	struct daemon *d = start_with("server.workers=3", NULL);
	struct http_conn c[CLIENTS];
	struct http_answer a;

	for (int i = 0; i < CLIENTS; i++)
		http_open(&c[i], daemon_port(d));
	for (int r = 0; r < EACH; r++) {
		char *body = NULL;
		for (int i = 0; i < CLIENTS; i++)
			http_sendf(&c[i],
				   "POST " PRODUCTS " HTTP/1.1\r\nHost: localhost\r\n" JSON
				   "Idempotency-Key: round-%d\r\nContent-Length: 22\r\n\r\n"
				   "{\"name\":\"k\",\"price\":1}",
				   r);
		for (int i = 0; i < CLIENTS; i++) {
			http_read(&c[i], "POST", &a);
			ck_assert_msg(a.status == 201, "%s", a.body);
			if (body)
				ck_assert_str_eq(a.body, body);
			else
				body = it_printf("%s", a.body);
			http_answer_fini(&a);
		}
		free(body);
	}
	for (int i = 0; i < CLIENTS; i++)
		http_close(&c[i]);
	ck_assert_int_eq(ask_number("select count(*) from products"), EACH);
	daemon_stop(d);
}
END_TEST

START_TEST(a_key_that_is_under_way_is_told)
{
	struct daemon *d = start_with("store.statement_timeout=600ms", "server.workers=1");
	struct http_answer a;
	struct child holder;

	http_expect(daemon_port(d), "POST", PRODUCTS, JSON, "{\"name\":\"a\",\"price\":1}", 201,
		    NULL);
	char *dbname = pg_ask("select current_database()");
	const char *argv[] = {"psql", "-XAtq", "-h", pg_socket_dir(), "-U", "postgres",
			      "-d",   dbname,  NULL};
	child_start(&holder, argv);
	child_write(&holder, "begin; insert into product_idempotency(key, fingerprint, status, "
			     "answer) values ('k', '', 201, ''); select 'held';\n");
	char *line = child_read_line(&holder);
	ck_assert_str_eq(line, "held");
	free(line);
	http_request(daemon_port(d), "POST", PRODUCTS, JSON "Idempotency-Key: k\r\n",
		     "{\"name\":\"b\",\"price\":1}", &a);
	expect_problem(&a, 409, "idempotency-key-in-use", NULL, "k");
	ck_assert_ptr_nonnull(http_field(&a, "Retry-After"));
	http_answer_fini(&a);
	child_write(&holder, "rollback;\n");
	child_close_input(&holder);
	ck_assert_int_eq(child_wait(&holder), 0);
	http_expect(daemon_port(d), "POST", PRODUCTS, JSON "Idempotency-Key: k\r\n",
		    "{\"name\":\"b\",\"price\":1}", 201, NULL);
	expect_rows("1 a 1.00;3 b 1.00");
	free(dbname);
	daemon_stop(d);
}
END_TEST

/* Every backend of ours is thrown out again and again while clients write. */
START_TEST(thrown_out_again_and_again)
{
	enum { CONNS = 8, TIME_MS = 3000 };
	struct daemon *d = start_with("server.workers=2", NULL);
	struct http_conn c[CONNS];
	struct http_answer a;
	struct child killer;
	unsigned unknown = 0;
	int writes = 0;

	http_expect(daemon_port(d), "POST", PRODUCTS, JSON, "{\"name\":\"first\",\"price\":1}", 201,
		    NULL);
	char *dbname = pg_ask("select current_database()");
	const char *argv[] = {"psql", "-XAtq", "-h", pg_socket_dir(), "-U", "postgres",
			      "-d",   dbname,  NULL};
	child_start(&killer, argv);
	child_write(&killer, "select count(pg_terminate_backend(pid)) from pg_stat_activity where "
			     "usename = 'plaza' and datname = current_database() \\watch 0.25\n");
	for (int i = 0; i < CONNS; i++)
		http_open(&c[i], daemon_port(d));
	const uint64_t began_ms = it_now_ms();
	for (; it_now_ms() - began_ms < TIME_MS; writes += CONNS) {
		bool is_done[CONNS] = {false};
		unsigned left = CONNS;
		const uint64_t until_ms = it_now_ms() + IT_DEADLINE_MS;

		/* the same requests until each was answered well */
		while (left) {
			ck_assert_uint_lt(it_now_ms(), until_ms);
			for (int i = 0; i < CONNS; i++) {
				char body[64];
				if (is_done[i])
					continue;
				int n = snprintf(body, sizeof(body),
						 "{\"name\":\"w%d\",\"price\":1}", writes + i);
				http_sendf(
				    &c[i],
				    "POST " PRODUCTS " HTTP/1.1\r\nHost: localhost\r\n" JSON
				    "Idempotency-Key: key-%d\r\nContent-Length: %d\r\n\r\n%s",
				    writes + i, n, body);
			}
			for (int i = 0; i < CONNS; i++) {
				if (is_done[i])
					continue;
				http_read(&c[i], "POST", &a);
				ck_assert_msg(a.status == 201 || a.status == 503, "%s%s", a.head,
					      a.body);
				is_done[i] = a.status == 201;
				left -= is_done[i];
				unknown += strstr(a.body, "commit-unknown") != NULL;
				http_answer_fini(&a);
			}
		}
	}
	for (int i = 0; i < CONNS; i++)
		http_close(&c[i]);
	kill(killer.pid, SIGTERM);
	child_close_input(&killer);
	child_wait(&killer);
	ck_assert_uint_ge(daemon_log_count(d, 0, "store: lost"), 3);
	/* what the end of a connection has left open, the key decides: within the request's time */
	ck_assert_uint_lt(unknown, (unsigned)writes / 2);
	ck_assert_int_eq(ask_number("select count(distinct name) from products where name ~ '^w'"),
			 writes);
	ck_assert_int_eq(ask_number("select count(*) from products where name ~ '^w'"), writes);
	free(dbname);
	daemon_expect_error(d, "store: ");
	daemon_stop(d);
}
END_TEST

START_TEST(a_client_that_leaves_does_not_stop_its_write)
{
	struct daemon *d = start_with("server.workers=1", NULL);
	struct http_conn c[CLIENTS];
	struct http_answer a;

	http_expect(daemon_port(d), "POST", PRODUCTS, JSON, "{\"name\":\"a\",\"price\":1}", 201,
		    NULL);
	for (int i = 0; i < CLIENTS; i++) {
		http_open(&c[i], daemon_port(d));
		http_send_text(&c[i], "POST " PRODUCTS " HTTP/1.1\r\nHost: localhost\r\n" JSON
				      "Content-Length: 22\r\n\r\n{\"name\":\"l\",\"price\":1}");
		/* every other one is gone before its answer can be there */
		if (i % 2)
			http_close(&c[i]);
	}
	for (int i = 0; i < CLIENTS; i += 2) {
		http_read(&c[i], "POST", &a);
		ck_assert_int_eq(a.status, 201);
		http_answer_fini(&a);
		http_close(&c[i]);
	}
	/* all that were read are written: those of this connection are behind them */
	http_expect(daemon_port(d), "POST", PRODUCTS, JSON, "{\"name\":\"z\",\"price\":1}", 201,
		    NULL);
	ck_assert_int_eq(ask_number("select count(*) from products where name = 'l'"), CLIENTS);
	daemon_stop(d);
}
END_TEST

static void
fill(Suite *s)
{
	TCase *tc = it_case(s, "rows");
	tcase_add_loop_test(tc, made_changed_deleted, 0, 2);
	tcase_add_test(tc, other_columns_stay);
	tcase_add_test(tc, other_columns_have_any_name);
	tcase_add_test(tc, a_nan_that_is_there_is_null);
	tcase_add_test(tc, ids_come_from_where_the_table_has_them);
	tcase_add_test(tc, the_table_may_have_rules);
	tcase_add_test(tc, rules_have_names);
	tcase_add_loop_test(tc, a_trigger_may_change_who_it_is, 0, N(other_ids));
	tcase_add_loop_test(tc, a_trigger_may_change_many, 0, N(other_ids));
	tcase_add_test(tc, a_trigger_may_change_one_with_a_key);
	tcase_add_test(tc, a_trigger_may_keep_a_row_as_it_is);
	tcase_add_test(tc, a_constraint_may_wait_for_the_commit);
	tcase_add_test(tc, conditions_decide);
	tcase_add_test(tc, a_match_may_be_required);

	tc = it_case(s, "input");
	tcase_add_test(tc, every_value_in_every_member_in_every_way);
	tcase_add_test(tc, what_is_no_product);
	tcase_add_test(tc, names_have_a_length);
	tcase_add_test(tc, ids_that_are_none);
	tcase_add_test(tc, content_has_its_type);
	tcase_add_test(tc, a_body_that_ends_early_writes_nothing);

	tc = it_case(s, "bulk");
	tcase_add_loop_test(tc, each_of_many_has_its_result, 0, 2);
	tcase_add_test(tc, all_or_none);
	tcase_add_test(tc, csv_is_read_strictly);
	tcase_add_test(tc, a_thousand_and_not_one_more);

	tc = it_case(s, "together");
	tcase_add_test(tc, ids_rise_by_one_over_all_workers);
	tcase_add_test(tc, a_bad_row_costs_only_itself);
	tcase_add_test(tc, changes_of_the_same_products_do_not_lock_each_other);
	tcase_add_test(tc, a_client_that_leaves_does_not_stop_its_write);

	tc = it_case(s, "keys");
	tcase_add_loop_test(tc, a_key_is_answered_the_same, 0, 2);
	tcase_add_test(tc, a_key_is_answered_in_the_same_bytes);
	tcase_add_test(tc, an_answer_of_before_is_not_done_again);
	tcase_add_test(tc, a_key_that_its_own_first_attempt_has);
	tcase_add_test(tc, only_what_was_done_is_kept);
	tcase_add_test(tc, a_key_that_many_send_at_once_is_done_once);
	tcase_add_test(tc, a_key_that_is_under_way_is_told);
	tcase_add_test(tc, thrown_out_again_and_again);
}

int
main(void)
{
	return it_main("products_write", fill, IT_WITH_PG);
}
