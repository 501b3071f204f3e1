/*
 * it_products_read.c - what is read of products through the daemon, on a real PostgreSQL: rows with
 * columns of all kinds, lists in every order and with every filter, against what the database says.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/pg.c -ljansson */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "http_client.h"
#include "pg.h"
#include "procfs.h"

#define PRODUCTS "/api/products"
#define N(table) (sizeof(table) / sizeof((table)[0]))

/* ?q= has its index, which is built behind the start; nothing is built any more beside the test. */
static void
settle(struct daemon *d)
{
	free(daemon_log_wait(d, 0, "store: search is ready"));
}

/* A daemon on a database of this test's own, after `sql` was done there as its owner. */
static struct daemon *
start_with(const char *sql)
{
	char *option = it_printf("store.database=%s", pg_fresh());

	if (sql)
		free(pg_ask(sql));
	struct daemon *d = daemon_start(option, NULL);
	free(option);
	settle(d);
	return d;
}

static void
ask(const char *sql)
{
	free(pg_ask(sql));
}

/* --- one product --- */

static void
expect_tagged(uint16_t port, const char *target, const char *none_match, int status,
	      const char *tag)
{
	char fields[300];
	struct http_answer a;

	snprintf(fields, sizeof(fields), "If-None-Match: %s\r\n", none_match);
	http_request(port, "GET", target, fields, NULL, &a);
	ck_assert_msg(a.status == status, "%s %s: %s%s", target, none_match, a.head, a.body);
	ck_assert_str_eq(http_field(&a, "ETag"), tag);
	ck_assert_ptr_nonnull(http_field(&a, "Server-Timing"));
	ck_assert_msg(status == 200 || a.body_len == 0, "%s", a.body);
	http_answer_fini(&a);
}

static bool
feed_is_there(uint16_t port)
{
	struct http_answer a;

	http_request(port, "GET", PRODUCTS "/changes?since=now", NULL, NULL, &a);
	const bool is_there = a.status == 200;
	http_answer_fini(&a);
	return is_there;
}

START_TEST(a_product_has_its_tag)
{
	struct daemon *d = start_with(NULL);
	const uint16_t port = daemon_port(d);
	struct http_answer a;

	http_expect(port, "POST", PRODUCTS, "Content-Type: application/json\r\n",
		    "{\"name\":\"Pen\",\"price\":12.5}", 201, NULL);
	http_request(port, "GET", PRODUCTS "/1", NULL, NULL, &a);
	ck_assert_int_eq(a.status, 200);
	ck_assert_str_eq(a.body, "{\"id\":1,\"name\":\"Pen\",\"price\":12.50,\"version\":1}");
	ck_assert_str_eq(http_field(&a, "ETag"), "\"1-1\"");
	ck_assert_str_eq(http_field(&a, "Content-Type"), "application/json");
	double queue, db;
	ck_assert_int_eq(
	    sscanf(http_field(&a, "Server-Timing"), "queue;dur=%lf, db;dur=%lf", &queue, &db), 2);
	ck_assert_double_ge(queue, 0);
	ck_assert_double_gt(db, 0);
	http_answer_fini(&a);
	/* HEAD has the same head */
	http_request(port, "HEAD", PRODUCTS "/1", NULL, NULL, &a);
	ck_assert_int_eq(a.status, 200);
	ck_assert_str_eq(http_field(&a, "ETag"), "\"1-1\"");
	ck_assert_str_eq(http_field(&a, "Content-Length"), "47");
	http_answer_fini(&a);

	expect_tagged(port, PRODUCTS "/1", "\"1-1\"", 304, "\"1-1\"");
	expect_tagged(port, PRODUCTS "/1", "W/\"1-1\"", 304, "\"1-1\"");
	expect_tagged(port, PRODUCTS "/1", "\"x\", \"1-1\"", 304, "\"1-1\"");
	expect_tagged(port, PRODUCTS "/1", "*", 304, "\"1-1\"");
	expect_tagged(port, PRODUCTS "/1", "\"1-2\"", 200, "\"1-1\"");
	expect_tagged(port, PRODUCTS "/1", "1-1", 200, "\"1-1\"");
	/* whoever writes raises it, and it does not come back */
	ask("update products set price = 13 where id = 1");
	expect_tagged(port, PRODUCTS "/1", "\"1-1\"", 200, "\"1-2\"");
	ask("update products set price = 12.5, version = 1 where id = 1");
	expect_tagged(port, PRODUCTS "/1", "\"1-1\"", 200, "\"1-3\"");
	daemon_stop(d);
}
END_TEST

/* RFC 9110 13.1.1: a read that is of that version, or none; 13.2.2: before If-None-Match. */
START_TEST(a_read_may_want_a_version)
{
	static const struct {
		const char *method, *target, *fields;
		int status;
	} reads[] = {
	    {"GET", PRODUCTS "/1", "If-Match: \"1-1\"\r\n", 200},
	    {"HEAD", PRODUCTS "/1", "If-Match: \"1-1\"\r\n", 200},
	    {"GET", PRODUCTS "/1", "If-Match: \"1-2\", \"1-1\"\r\n", 200},
	    {"GET", PRODUCTS "/1", "If-Match: *\r\n", 200},
	    {"GET", PRODUCTS "/1", "If-Match: \"1-2\"\r\n", 412},
	    {"HEAD", PRODUCTS "/1", "If-Match: \"1-2\"\r\n", 412},
	    {"GET", PRODUCTS "/1", "If-Match: W/\"1-1\"\r\n", 412},
	    {"GET", PRODUCTS "/1", "If-Match: 1-1\r\n", 412},
	    {"GET", PRODUCTS "/1", "If-Match: \"1-1\"\r\nIf-None-Match: \"1-1\"\r\n", 304},
	    {"GET", PRODUCTS "/1", "If-Match: \"1-2\"\r\nIf-None-Match: \"1-1\"\r\n", 412},
	    {"GET", PRODUCTS "/1", "If-Match: \"1-1\"\r\nIf-None-Match: \"1-2\"\r\n", 200},
	    /* 13.2.1: what is not there has no version */
	    {"GET", PRODUCTS "/2", "If-Match: *\r\n", 404},
	    {"GET", PRODUCTS, "If-Match: *\r\n", 200},
	    {"GET", PRODUCTS, "If-Match: \"1-1\"\r\n", 412},
	    {"GET", PRODUCTS "?limit=0", "If-Match: \"1-1\"\r\n", 400},
	    {"GET", PRODUCTS "/changes?since=now", "If-Match: \"1-1\"\r\n", 412},
	    {"GET", PRODUCTS "/export", "If-Match: *\r\n", 200},
	    {"GET", PRODUCTS "/export", "If-Match: \"1-1\"\r\n", 412},
	};
	struct daemon *d = start_with(NULL);
	const uint16_t port = daemon_port(d);
	struct http_answer a;

	http_expect(port, "POST", PRODUCTS, "Content-Type: application/json\r\n",
		    "{\"name\":\"Pen\",\"price\":12.5}", 201, NULL);
	WAIT_UNTIL(feed_is_there(port));
	for (size_t i = 0; i < N(reads); i++) {
		http_request(port, reads[i].method, reads[i].target, reads[i].fields, NULL, &a);
		ck_assert_msg(a.status == reads[i].status, "%s %s %s: %s%s", reads[i].method,
			      reads[i].target, reads[i].fields, a.head, a.body);
		if (a.status == 412) {
			ck_assert_str_eq(http_field(&a, "Content-Type"),
					 "application/problem+json");
			ck_assert(a.body_len == 0 ||
				  strstr(a.body, "/problems/precondition-failed"));
		}
		http_answer_fini(&a);
	}
	daemon_stop(d);
}
END_TEST

START_TEST(ids_that_are_none)
{
	static const char *const ids[] = {
	    "0",
	    "-1",
	    "01",
	    "2147483648",
	    "4294967297",
	    "9223372036854775807",
	    "9223372036854775808",
	    "99999999999999999999999999",
	    "1e3",
	    "%201",
	    "1%20",
	    "1.0",
	    "1%00",
	    "+1",
	    "1;drop",
	    "1'",
	    "null",
	    "1%20or%201=1",
	    "%d9%a1",
	    "0x1",
	};
	struct daemon *d =
	    start_with("create table products(id serial primary key, name text not null, price "
		       "decimal(10,2) not null); insert into products(name, price) values ('a', 1);"
		       "alter table products owner to plaza");
	const uint16_t port = daemon_port(d);
	struct http_answer a;
	char target[100];

	for (size_t i = 0; i < N(ids); i++) {
		snprintf(target, sizeof(target), PRODUCTS "/%s", ids[i]);
		http_request(port, "GET", target, NULL, NULL, &a);
		ck_assert_msg(a.status == 404, "%s: %s%s", target, a.head, a.body);
		ck_assert_msg(strstr(a.body, "/problems/not-found") != NULL, "%s", a.body);
		http_answer_fini(&a);
	}
	http_request(port, "GET", PRODUCTS "/1", "Accept: text/html\r\n", NULL, &a);
	ck_assert_msg(a.status == 406, "%s%s", a.head, a.body);
	ck_assert_msg(strstr(a.body, "application/json") != NULL, "%s", a.body);
	http_answer_fini(&a);
	http_request(port, "GET", PRODUCTS "/1", "Accept: text/html, */*;q=0.1\r\n", NULL, &a);
	ck_assert_int_eq(a.status, 200);
	http_answer_fini(&a);
	daemon_stop(d);
}
END_TEST

/* Many leave as one statement; each gets its own, wherever it stands, and however many ask for it.
 */
START_TEST(many_gets_at_once)
{
	enum { ROWS = 300, CLIENTS = 20, EACH = 40 };
	struct daemon *d = start_with(
	    "create table products(name text not null, id bigint primary key, price decimal(10,2) "
	    "not null); insert into products select 'p' || i, i * 3, i / 100.0 from "
	    "generate_series(1, 300) i; alter table products owner to plaza");
	struct http_conn c[CLIENTS];
	struct http_answer a;
	char want[100];

	for (unsigned i = 0; i < CLIENTS; i++)
		http_open(&c[i], daemon_port(d));
	for (unsigned r = 0; r < EACH; r++)
		for (unsigned i = 0; i < CLIENTS; i++)
			http_sendf(&c[i], "GET " PRODUCTS "/%u HTTP/1.1\r\nHost: localhost\r\n\r\n",
				   1 + (i * 37 + r * r) % (3 * ROWS));
	for (unsigned i = 0; i < CLIENTS; i++) {
		for (unsigned r = 0; r < EACH; r++) {
			const unsigned id = 1 + (i * 37 + r * r) % (3 * ROWS);

			http_read(&c[i], "GET", &a);
			if (id % 3 == 0) {
				snprintf(want, sizeof(want),
					 "{\"id\":%u,\"name\":\"p%u\",\"price\":%u.%02u,"
					 "\"version\":0}",
					 id, id / 3, id / 300, id / 3 % 100);
				ck_assert_str_eq(a.body, want);
			} else {
				ck_assert_msg(a.status == 404, "%u: %s", id, a.body);
			}
			http_answer_fini(&a);
		}
		http_close(&c[i]);
	}
	daemon_stop(d);
}
END_TEST

/* --- columns of others --- */

#define FURTHER                                                                                    \
	"create type mood as enum ('glad', 'sad'); create domain upright as integer check (value " \
	"> 0); create table products(yes bool, small smallint, price numeric(10,2), big bigint, "  \
	"single real, double double precision, any_number numeric, id serial primary key, plain "  \
	"json, bin jsonb, list text[], bytes bytea, day date, at timestamptz, span interval, "     \
	"uuid uuid, mood mood, upright upright, name varchar(200), code char(4), place point, "    \
	"address inet, \"Further \"\"Name\"\"\" text, empty text); alter table products owner to " \
	"plaza; "
#define FURTHER_ROWS                                                                              \
	"insert into products values (true, -1, 'NaN', 9223372036854775807, 'NaN', 1e-7, 'NaN', " \
	"default, '{\"a\": [1,\n2]}', '{\"b\":null}', '{x,\"y z\",NULL}', '\\x00ff', "            \
	"'2026-11-23', '2026-11-23 12:00:00+00', '1 day', "                                       \
	"'123e4567-e89b-12d3-a456-426614174000', 'glad', 7, 'a \"b\"', 'xy', '(1,2)', "           \
	"'10.0.0.1', 'x', ''); insert into products(price, single, double, any_number) values "   \
	"(5, 'Infinity', 1e20, 1e3); "

static const char further_json[] =
    "{\"id\":1,\"name\":\"a \\\"b\\\"\",\"price\":null,\"version\":0,\"yes\":true,\"small\":-1,"
    "\"big\":9223372036854775807,\"single\":null,\"double\":1e-07,\"any_number\":null,"
    "\"plain\":{\"a\": [1, 2]},\"bin\":{\"b\": null},\"list\":\"{x,\\\"y z\\\",NULL}\","
    "\"bytes\":\"\\\\x00ff\",\"day\":\"2026-11-23\",\"at\":\"2026-11-23 12:00:00+00\","
    "\"span\":\"1 day\",\"uuid\":\"123e4567-e89b-12d3-a456-426614174000\",\"mood\":\"glad\","
    "\"upright\":7,\"code\":\"xy  \",\"place\":\"(1,2)\",\"address\":\"10.0.0.1\","
    "\"Further \\\"Name\\\"\":\"x\",\"empty\":\"\"}";
static const char further_json_2[] =
    "{\"id\":2,\"name\":null,\"price\":5.00,\"version\":0,\"yes\":null,\"small\":null,"
    "\"big\":null,\"single\":\"Infinity\",\"double\":1e+20,\"any_number\":1000,\"plain\":null,"
    "\"bin\":null,\"list\":null,\"bytes\":null,\"day\":null,\"at\":null,\"span\":null,"
    "\"uuid\":null,\"mood\":null,\"upright\":null,\"code\":null,\"place\":null,\"address\":null,"
    "\"Further \\\"Name\\\"\":null,\"empty\":null}";
static const char further_csv[] =
    "id,name,price,version,yes,small,big,single,double,any_number,plain,bin,list,bytes,day,at,"
    "span,uuid,mood,upright,code,place,address,\"Further \"\"Name\"\"\",empty\r\n"
    "1,\"a \"\"b\"\"\",,0,true,-1,9223372036854775807,,1e-07,,\"{\"\"a\"\": [1,\n2]}\","
    "\"{\"\"b\"\": null}\",\"{x,\"\"y z\"\",NULL}\",\\x00ff,2026-11-23,2026-11-23 12:00:00+00,"
    "1 day,123e4567-e89b-12d3-a456-426614174000,glad,7,\"xy  \",\"(1,2)\",10.0.0.1,x,\"\"\r\n"
    "2,,5.00,0,,,,Infinity,1e+20,1000,,,,,,,,,,,,,,,\r\n";

START_TEST(further_columns_are_kept)
{
	char *option = it_printf("store.database=%s", pg_fresh());
	char *dbname = pg_ask("select current_database()");
	char *zone =
	    it_printf("alter database %s set timezone to 'UTC'; " FURTHER FURTHER_ROWS, dbname);
	ask(zone);
	struct daemon *d = daemon_start(option, NULL);
	const uint16_t port = daemon_port(d);

	settle(d);
	free(option);
	free(zone);
	free(dbname);
	http_expect_get(port, PRODUCTS "/1", 200, further_json);
	http_expect_get(port, PRODUCTS "/2", 200, further_json_2);
	char *list = it_printf("{\"items\":[%s,%s],\"next\":null}", further_json, further_json_2);
	http_expect_get(port, PRODUCTS, 200, list);
	free(list);
	char *lines = it_printf("%s\n%s\n", further_json, further_json_2);
	http_expect_get(port, PRODUCTS "/export?format=ndjson", 200, lines);
	free(lines);
	http_expect_get(port, PRODUCTS "/export?format=csv", 200, further_csv);
	daemon_stop(d);
}
END_TEST

/* The statements that are prepared have other columns by now; nobody has to start anew. */
START_TEST(columns_come_and_go)
{
	struct daemon *d = start_with(NULL);
	const uint16_t port = daemon_port(d);

	http_expect(port, "POST", PRODUCTS, "Content-Type: application/json\r\n",
		    "{\"name\":\"a\",\"price\":1}", 201, NULL);
	static const char *const steps[][2] = {
	    {"select 1", "{\"id\":1,\"name\":\"a\",\"price\":1.00,\"version\":1}"},
	    {"alter table products add colour text default 'red'",
	     "{\"id\":1,\"name\":\"a\",\"price\":1.00,\"version\":1,\"colour\":\"red\"}"},
	    {"alter table products alter colour drop default, alter colour type jsonb using '[1]'",
	     "{\"id\":1,\"name\":\"a\",\"price\":1.00,\"version\":1,\"colour\":[1]}"},
	    {"alter table products rename colour to paint",
	     "{\"id\":1,\"name\":\"a\",\"price\":1.00,\"version\":1,\"paint\":[1]}"},
	    {"alter table products alter price type numeric(12,3)",
	     "{\"id\":1,\"name\":\"a\",\"price\":1.000,\"version\":1,\"paint\":[1]}"},
	    {"alter table products drop paint",
	     "{\"id\":1,\"name\":\"a\",\"price\":1.000,\"version\":1}"},
	};
	for (size_t i = 0; i < N(steps); i++) {
		char *list = it_printf("{\"items\":[%s],\"next\":null}", steps[i][1]);
		char *export = it_printf("[\n%s\n]\n", steps[i][1]);

		ask(steps[i][0]);
		for (int round = 0; round < 3; round++) {
			http_expect_get(port, PRODUCTS "/1", 200, steps[i][1]);
			http_expect_get(port, PRODUCTS, 200, list);
			http_expect_get(port, PRODUCTS "?sort=-price&name=a", 200, list);
			http_expect_get(port, PRODUCTS "/export", 200, export);
		}
		free(list);
		free(export);
	}
	daemon_stop(d);
}
END_TEST

/* --- lists --- */

/* Rows with the same names and prices, with none, with NaN, with long ones, and in disorder. */
#define MIXED                                                                                     \
	"create table products(id bigserial primary key, name text, price numeric); insert into " \
	"products(name, price) select case when i % 11 = 0 then null when i % 17 = 0 then "       \
	"repeat(chr(97 + i % 5), 1500) else 'name ' || chr(97 + i % 7) || case when i % 2 = 0 "   \
	"then ' it''s' else ' \xe5\xa4\xaa' end end, case when i % 13 = 0 then null when i % 19 " \
	"= 0 then 'NaN'::numeric else (i * 7919 % 23) / 4.0 end from generate_series(1, 400) i; " \
	"delete from products where id % 10 = 4; alter table products owner to plaza"

static const struct {
	const char *query, *order;
} sorts[] = {
    {"", "id"},
    {"sort=id&", "id"},
    {"sort=-id&", "id desc"},
    {"sort=name&", "name, id"},
    {"sort=-name&", "name desc, id desc"},
    {"sort=price&", "price, id"},
    {"sort=-price&", "price desc, id desc"},
};

static const struct {
	const char *query, *where;
} filters[] = {
    {"", "true"},
    {"name=name%20c%20it%27s&", "name = 'name c it''s'"},
    {"price.gte=1.25&", "price >= 1.25"},
    {"price.lte=2&", "price <= 2"},
    {"price.gte=1&price.lte=4.5&", "price between 1 and 4.5"},
    {"q=name%20b&", "to_tsvector('simple', name) @@ plainto_tsquery('simple', 'name b')"},
    {"q=%22name%20b%22%20or%20d%20-it&price.gte=0.5&",
     "to_tsvector('simple', name) @@ websearch_to_tsquery('simple', '\"name b\" or d -it') and "
     "price >= 0.5"},
    {"name=nobody&", "false"},
};

struct text {
	char *data;
	size_t len;
};

static void
add_id(struct text *text, long long id)
{
	char *data = realloc(text->data, text->len + 24);

	ck_assert_ptr_nonnull(data);
	text->data = data;
	text->len += (size_t)sprintf(data + text->len, "%s%lld", text->len ? " " : "", id);
}

/* The target of the Link field, which says the same as "next"; NULL: there is none. */
static char *
next_target(const struct http_answer *a, const json_t *page)
{
	const char *link = http_field(a, "Link"),
		   *next = json_string_value(json_object_get(page, "next"));
	char after[2000];

	ck_assert_int_eq(link != NULL, next != NULL);
	if (!link)
		return NULL;
	const char *end = strstr(link, ">; rel=\"next\"");
	ck_assert_msg(link[0] == '<' && end && strlen(end) == 13, "%s", link);
	char *target = it_printf("%.*s", (int)(end - link - 1), link + 1);
	snprintf(after, sizeof(after), "after=%s", next);
	ck_assert_msg(strstr(target, after) != NULL, "%s without %s", target, after);
	/* once, and not one more with each page */
	ck_assert_ptr_null(strstr(strstr(target, "after=") + 1, "after="));
	return target;
}

/* The ids of all pages of `query`, following Link; `between` is done after each page. */
static char *
walk(uint16_t port, const char *query, void (*between)(unsigned page))
{
	struct text ids = {strdup(""), 0};
	char *target = it_printf(PRODUCTS "?%s", query);
	struct http_conn c;
	struct http_answer a;

	http_open(&c, port);
	for (unsigned page = 0; target; page++) {
		http_exchange(&c, "GET", target, NULL, NULL, &a);
		ck_assert_msg(a.status == 200, "%s: %s", target, a.body);
		json_t *json = json_loadb(a.body, a.body_len, 0, NULL), *item;
		ck_assert_ptr_nonnull(json);
		size_t i;
		json_array_foreach(json_object_get(json, "items"), i, item)
		    add_id(&ids, json_integer_value(json_object_get(item, "id")));
		free(target);
		target = next_target(&a, json);
		json_decref(json);
		http_answer_fini(&a);
		if (between)
			between(page);
	}
	http_close(&c);
	return ids.data;
}

START_TEST(lists_are_as_the_database_has_them)
{
	struct daemon *d = start_with(MIXED);
	const uint16_t port = daemon_port(d);

	for (size_t f = 0; f < N(filters); f++) {
		for (size_t s = 0; s < N(sorts); s++) {
			char *sql = it_printf("select coalesce(string_agg(id::text, ' ' order by "
					      "%s), '') from products where %s",
					      sorts[s].order, filters[f].where);
			char *want = pg_ask(sql);
			/* pages whose ends fall anywhere, and one for all */
			static const unsigned limits[] = {1000, 37, 7};
			for (size_t l = 0; l < N(limits); l++) {
				char *query = it_printf("%s%slimit=%u", sorts[s].query,
							filters[f].query, limits[l]);
				char *got = walk(port, query, NULL);
				ck_assert_msg(strcmp(got, want) == 0, "%s:\n%s\n%s", query, got,
					      want);
				free(got);
				free(query);
			}
			free(want);
			free(sql);
		}
	}
	daemon_stop(d);
}
END_TEST

/* Others put rows before, between and behind, and take some away, while pages are read. */
static void
disturb(unsigned page)
{
	char *sql = it_printf(
	    "insert into products(name, price) select 'name ' || chr(97 + i), i / 2.0 from "
	    "generate_series(0, 9) i; delete from products where id %% 10 = 7 and id > %u and id "
	    "<= %u; insert into products(id, name, price) values (-%u, '', 0), (-%u, null, null)",
	    page * 20, page * 20 + 20, 2 * page + 1, 2 * page + 2);

	ask(sql);
	free(sql);
}

START_TEST(no_row_is_lost_or_twice)
{
	static const char *const queries[] = {"limit=60", "limit=60&sort=-id", "limit=60&sort=name",
					      "limit=60&sort=-name", "limit=60&sort=-price"};
	char seen[401] = {0};
	struct daemon *d = start_with(MIXED);
	char *got = NULL;

	/* new rows may be seen or not, but the walk has to end: half of the orders grow at their
	 * end */
	got = walk(daemon_port(d), queries[_i], disturb);
	for (char *p = strtok(got, " "); p; p = strtok(NULL, " ")) {
		const long id = strtol(p, NULL, 10);
		if (id < 1 || id > 400)
			continue;
		ck_assert_msg(!seen[id], "%ld is there twice", id);
		seen[id] = 1;
	}
	char *left = pg_ask("select string_agg(id::text, ' ') from products where id between 1 "
			    "and 400");
	unsigned n = 0;
	for (char *p = strtok(left, " "); p; p = strtok(NULL, " "), n++)
		ck_assert_msg(seen[strtol(p, NULL, 10)], "%s is lost", p);
	ck_assert_uint_gt(n, 100);
	free(left);
	free(got);
	daemon_stop(d);
}
END_TEST

static long
peak_kib(pid_t pid)
{
	char *path = it_printf("/proc/%d/status", (int)pid), *text = it_read_file(path);
	long kib;

	ck_assert_int_eq(sscanf(strstr(text, "\nVmHWM:"), "\nVmHWM: %ld kB", &kib), 1);
	free(text);
	free(path);
	return kib;
}

/* 60 small rows, then 100 of a mebibyte, then 60 of a hundredth of it. */
START_TEST(pages_of_large_rows_are_short)
{
	static const struct {
		const char *query;
		size_t least, most; /* rows of a page between such */
	} pages[] = {
	    {"limit=1000&after=aWQ6NjA", 1, 1},
	    {"limit=1000", 61, 61},
	    {"limit=1000&after=aWQ6MTYw", 60, 60},
	    {"limit=1000&after=aWQ6MTU5", 1, 1},
	    {"limit=3&sort=-id", 3, 3},
	};
	char *option = it_printf("store.database=%s", pg_fresh());
	ask("create table products(id serial primary key, name text, price numeric, further text); "
	    "insert into products(name, price, further) select i, i, repeat('x', case when i <= 60 "
	    "then 1 when i <= 160 then 1048576 else 10000 end) from generate_series(1, 220) i; "
	    "alter table products owner to plaza");
	struct daemon *d = daemon_start(option, "server.workers=1", NULL);
	free(option);
	settle(d);
	const uint16_t port = daemon_port(d);
	pid_t workers[PROCFS_MAX];
	daemon_workers(d, workers);
	const long before = peak_kib(workers[0]);

	for (size_t i = 0; i < N(pages); i++) {
		struct http_answer a;
		char *target = it_printf(PRODUCTS "?%s", pages[i].query);
		http_request(port, "GET", target, NULL, NULL, &a);
		ck_assert_int_eq(a.status, 200);
		json_t *page = json_loadb(a.body, a.body_len, 0, NULL);
		const size_t n = json_array_size(json_object_get(page, "items"));
		ck_assert_msg(n >= pages[i].least && n <= pages[i].most, "%s: %zu rows", target, n);
		json_decref(page);
		http_answer_fini(&a);
		free(target);
	}
	/* each of them once all the same */
	static const char *const orders[] = {"id", "-id", "-price"};
	for (size_t i = 0; i < N(orders); i++) {
		char *sql =
		    it_printf("select string_agg(id::text, ' ' order by id%s) from products",
			      orders[i][0] == '-' ? " desc" : "");
		char *query = it_printf("limit=1000&sort=%s", orders[i]);
		char *want = pg_ask(sql), *got = walk(port, query, NULL);
		ck_assert_str_eq(got, want);
		free(got);
		free(want);
		free(query);
		free(sql);
	}
	/* 100 of them at once would be 100 MiB */
	const long more = peak_kib(workers[0]) - before;
	if (!it_has_sanitizers())
		ck_assert_msg(more < 48 << 10, "%ld KiB more", more);
	daemon_stop(d);
}
END_TEST

START_TEST(a_cursor_whose_row_is_gone)
{
	struct daemon *d =
	    start_with("create table products(id serial primary key, name text, price numeric); "
		       "insert into products(name, price) select repeat('x', 1500) || i, i from "
		       "generate_series(1, 9) i; alter table products owner to plaza");
	const uint16_t port = daemon_port(d);
	struct http_answer a;

	http_request(port, "GET", PRODUCTS "?sort=name&limit=3", NULL, NULL, &a);
	json_t *page = json_loadb(a.body, a.body_len, 0, NULL);
	char *target = next_target(&a, page);
	json_decref(page);
	http_answer_fini(&a);
	http_request(port, "GET", target, NULL, NULL, &a);
	ck_assert_msg(a.status == 200 && strstr(a.body, "{\"id\":4,"), "%s", a.body);
	http_answer_fini(&a);
	ask("delete from products where id = 3");
	http_request(port, "GET", target, NULL, NULL, &a);
	ck_assert_msg(a.status == 410, "%s%s", a.head, a.body);
	ck_assert_msg(strstr(a.body, "/problems/cursor-expired") != NULL, "%s", a.body);
	http_answer_fini(&a);
	free(target);
	daemon_stop(d);
}
END_TEST

static const struct {
	const char *sql, *query, *end;
} counts[] = {
    {"select 1", "count=exact", ",\"count\":0,\"count_is\":\"exact\"}"},
    {"select 1", "count=estimated", ",\"count\":0,\"count_is\":\"exact\"}"},
    {"insert into products(name, price) select 'p' || i % 100, i % 100 from generate_series(1, "
     "12000) i",
     "count=exact&limit=1", ",\"count\":12000,\"count_is\":\"exact\"}"},
    {"select 1", "count=exact&limit=1&name=p7", ",\"count\":120,\"count_is\":\"exact\"}"},
    {"select 1", "count=exact&limit=1&price.lte=-0", NULL},
    {"select 1", "count=estimated&limit=1&q=p7", ",\"count\":120,\"count_is\":\"exact\"}"},
    {"select 1", "count=estimated&limit=1&price.gte=1",
     ",\"count\":10000,\"count_is\":\"minimum\"}"},
    /* nothing is known of the table yet */
    {"select 1", "count=estimated&limit=1", ",\"count\":10000,\"count_is\":\"minimum\"}"},
    {"analyze products", "count=estimated&limit=1", ",\"count\":12000,\"count_is\":\"estimate\"}"},
    {"delete from products where id > 5; analyze products", "count=estimated&limit=1",
     ",\"count\":5,\"count_is\":\"exact\"}"},
    {"select 1", "count=estimated&limit=1&sort=-id&name=p3",
     ",\"count\":1,\"count_is\":\"exact\"}"},
};

START_TEST(lists_are_counted)
{
	struct daemon *d = start_with(NULL);
	const uint16_t port = daemon_port(d);
	struct http_answer a;

	http_expect_get(port, PRODUCTS, 200, "{\"items\":[],\"next\":null}");
	ask("alter table products set (autovacuum_enabled = off)");
	for (size_t i = 0; i < N(counts); i++) {
		char *target = it_printf(PRODUCTS "?%s", counts[i].query);

		ask(counts[i].sql);
		http_request(port, "GET", target, NULL, NULL, &a);
		if (counts[i].end) {
			const size_t len = strlen(counts[i].end);
			ck_assert_msg(a.status == 200 && a.body_len > len &&
					  strcmp(a.body + a.body_len - len, counts[i].end) == 0,
				      "%s: %s", target, a.body);
			json_t *json = json_loadb(a.body, a.body_len, 0, NULL);
			ck_assert_ptr_nonnull(json);
			json_decref(json);
		} else {
			ck_assert_msg(a.status == 400, "%s: %s", target, a.body);
		}
		http_answer_fini(&a);
		free(target);
	}
	daemon_stop(d);
}
END_TEST

START_TEST(a_list_has_a_tag_of_its_rows)
{
	struct daemon *d = start_with(NULL);
	const uint16_t port = daemon_port(d);
	struct http_answer a;
	char fields[200];

	http_expect_get(port, PRODUCTS, 200, "{\"items\":[],\"next\":null}");
	ask("insert into products(name, price) select 'p' || i, i from generate_series(1, 5) i");
	http_request(port, "GET", PRODUCTS "?limit=3", NULL, NULL, &a);
	ck_assert_int_eq(a.status, 200);
	snprintf(fields, sizeof(fields), "If-None-Match: %s\r\n", http_field(&a, "ETag"));
	http_answer_fini(&a);
	http_expect(port, "GET", PRODUCTS "?limit=3", fields, NULL, 304, "");
	ask("update products set price = 9 where id = 5");
	http_expect(port, "GET", PRODUCTS "?limit=3", fields, NULL, 304, "");
	ask("update products set price = 9 where id = 2");
	http_expect(port, "GET", PRODUCTS "?limit=3", fields, NULL, 200, NULL);
	http_request(port, "GET", PRODUCTS "?limit=3", NULL, NULL, &a);
	snprintf(fields, sizeof(fields), "If-Match: %s\r\n", http_field(&a, "ETag"));
	http_answer_fini(&a);
	http_expect(port, "GET", PRODUCTS "?limit=3", fields, NULL, 200, NULL);
	ask("delete from products where id = 3");
	http_expect(port, "GET", PRODUCTS "?limit=3", fields, NULL, 412, NULL);
	daemon_stop(d);
}
END_TEST

/* --- input --- */

static const struct {
	/* of the list; the parameter in question begins what is said */
	const char *query, *detail;
} bad[] = {
    {"limit=0", "limit must be a number from 1 to 1000, given once"},
    {"limit=1001", "limit must be a number from 1 to 1000, given once"},
    {"limit=1e2", "limit must be a number from 1 to 1000, given once"},
    {"limit=%201", "limit must be a number from 1 to 1000, given once"},
    {"limit=1&limit=1", "limit must be a number from 1 to 1000, given once"},
    {"after=1", "after must be the \"next\" of an earlier page, given once"},
    {"after=aWQ6MQ&sort=-id",
     "after is from a page of another order: sort must be what it was there"},
    {"sort=version", "sort must be one of id, -id, name, -name, price and -price, given once"},
    {"count=all", "count must be exact or estimated, given once"},
    {"name=%ff", "name must be 1 to 2048 bytes of UTF-8 without NUL, given once: the whole name "
		 "of a product"},
    {"name=a%00", "name must be 1 to 2048 bytes of UTF-8 without NUL, given once: the whole name "
		  "of a product"},
    {"q=", "q must be 1 to 2048 bytes of UTF-8 without NUL, given once: words of a name"},
    {"price.gte=0.005", "price.gte must be a price from 0 to 99999999.99 with at most two "
			"decimals, given once"},
    {"price.lte=NaN", "price.lte must be a price from 0 to 99999999.99 with at most two decimals, "
		      "given once"},
    {"offset=5", "\"offset\" is not a parameter here; name, q, price.gte, price.lte, limit, "
		 "after, sort and count are accepted"},
};

/* Everything that is wrong at a time, each with its parameter, wherever there is a query. */
static const struct {
	const char *target, *parameters;
} mixed[] = {
    {PRODUCTS "?limit=0&sort=x&after=y&count=z&name=&q=&price.gte=a&price.lte=b&c=1&c=2&%ff=3",
     "limit sort after count name q price.gte price.lte c c %ff "},
    {PRODUCTS "/export?format=x&limit=1&name=%ff&sort=id", "format name limit sort "},
    {PRODUCTS "/changes?since=x&limit=1001&after=1&before=2", "since limit after before "},
    {PRODUCTS "/changes?limit=1&limit=2&since=", "since limit "},
};

START_TEST(all_mistakes_are_told)
{
	struct daemon *d = start_with(NULL);
	struct http_answer a;

	for (size_t i = 0; i < N(mixed); i++) {
		char got[200] = "";
		const json_t *error;
		size_t k;

		http_request(daemon_port(d), "GET", mixed[i].target, NULL, NULL, &a);
		ck_assert_msg(a.status == 400, "%s: %s", mixed[i].target, a.body);
		json_t *problem = json_loadb(a.body, a.body_len, 0, NULL);
		json_array_foreach(json_object_get(problem, "errors"), k, error)
		{
			const char *name = json_string_value(json_object_get(error, "parameter"));

			ck_assert_ptr_nonnull(name);
			ck_assert_ptr_nonnull(json_object_get(error, "detail"));
			strncat(strncat(got, name, 40), " ", 2);
		}
		ck_assert_str_eq(got, mixed[i].parameters);
		json_decref(problem);
		http_answer_fini(&a);
	}
	/* as text, a line each, and none twice */
	http_expect(
	    daemon_port(d), "GET", PRODUCTS "/changes?since=x&limit=0&a", "Accept: text/plain\r\n",
	    NULL, 400,
	    "since must be the \"next\" of an earlier answer, the seq of a change, 0, or now, "
	    "given once\n"
	    "limit must be a number from 1 to 1000, given once\n"
	    "\"a\" is not a parameter here; since and limit are accepted\n"
	    "Hint: For instance " PRODUCTS "/changes?since=now; in a shell, put the URL into "
	    "quotes.\n");
	daemon_stop(d);
}
END_TEST

START_TEST(mistakes_are_told)
{
	struct daemon *d = start_with(NULL);
	struct http_answer a;

	for (size_t i = 0; i < N(bad); i++) {
		char *target = it_printf(PRODUCTS "?%s", bad[i].query);
		http_request(daemon_port(d), "GET", target, NULL, NULL, &a);
		ck_assert_msg(a.status == 400, "%s: %s", target, a.body);
		json_t *problem = json_loadb(a.body, a.body_len, 0, NULL);
		json_t *errors = json_object_get(problem, "errors");
		ck_assert_str_eq(json_string_value(json_object_get(problem, "type")),
				 "/problems/bad-parameter");
		ck_assert_uint_eq(json_array_size(errors), 1);
		ck_assert_str_eq(
		    json_string_value(json_object_get(json_array_get(errors, 0), "detail")),
		    bad[i].detail);
		const char *parameter =
		    json_string_value(json_object_get(json_array_get(errors, 0), "parameter"));
		const char *said = bad[i].detail + (bad[i].detail[0] == '"');
		ck_assert_ptr_nonnull(parameter);
		ck_assert_int_eq(strncmp(said, parameter, strlen(parameter)), 0);
		ck_assert_uint_eq(strcspn(said, " \""), strlen(parameter));
		ck_assert_ptr_null(json_object_get(json_array_get(errors, 0), "pointer"));
		json_decref(problem);
		http_answer_fini(&a);
		free(target);
	}
	daemon_stop(d);
}
END_TEST

/* Whatever stands where, it is a value or a mistake, and never a part of the statement. */
START_TEST(sql_is_a_value)
{
	static const char *const names[] = {"limit",     "after",     "sort",  "name",  "q",
					    "price.gte", "price.lte", "count", "format"};
	static const char *const texts[] = {
	    "%27;drop%20table%20products;--",
	    "1;delete%20from%20products",
	    "%27%20or%20%271%27=%271",
	    "%22;drop%20table%20products;--",
	    "$1",
	    "\\%27",
	    "%27%7C%7Cpg_sleep(9)%7C%7C%27",
	    "id;select%201",
	    "(select%20version())",
	    "%25%27%25",
	    "&%7C!()%3C-%3E%27:*",
	};
	struct daemon *d = start_with(NULL);
	const uint16_t port = daemon_port(d);
	struct http_answer a;

	http_expect(port, "POST", PRODUCTS, "Content-Type: application/json\r\n",
		    "{\"name\":\"a\",\"price\":1}", 201, NULL);
	for (size_t i = 0; i < N(names); i++) {
		for (size_t j = 0; j < N(texts); j++) {
			for (unsigned of_export = 0; of_export < 2; of_export++) {
				char *target =
				    it_printf(PRODUCTS "%s?%s=%s", of_export ? "/export" : "",
					      names[i], texts[j]);
				http_request(port, "GET", target, NULL, NULL, &a);
				ck_assert_msg(a.status == 200 || a.status == 400, "%s: %s", target,
					      a.body);
				ck_assert_msg(a.status == 400 ||
						  strcmp(a.body, "{\"items\":[],\"next\":null}") ==
						      0 ||
						  strcmp(a.body, "[\n]\n") == 0,
					      "%s: %s", target, a.body);
				http_answer_fini(&a);
				free(target);
			}
		}
	}
	http_expect_get(port, PRODUCTS "/1", 200,
			"{\"id\":1,\"name\":\"a\",\"price\":1.00,\"version\":1}");
	daemon_stop(d);
}
END_TEST

/* A name that is SQL is found as what it is, and goes on as a cursor. */
START_TEST(a_name_may_be_sql)
{
	struct daemon *d = start_with(
	    "create table products(id serial primary key, name text, price numeric); "
	    "insert into products(name, price) values ('''; drop table products; --', "
	    "1), ('$1', 2), ('\\''', 3), ('\"', 4); alter table products owner to plaza");
	const uint16_t port = daemon_port(d);
	char *want = pg_ask("select string_agg(id::text, ' ' order by name, id) from products");
	char *got = walk(port, "sort=name&limit=1", NULL);

	ck_assert_str_eq(got, want);
	free(got);
	got = walk(port, "name=%27;%20drop%20table%20products;%20--", NULL);
	ck_assert_str_eq(got, "1");
	free(got);
	free(want);
	daemon_stop(d);
}
END_TEST

/* What the database cannot even compare with is the client's mistake, and no error in the log. */
START_TEST(characters_that_the_database_lacks)
{
	pg_fresh();
	char *dbname = pg_ask("select current_database() || '_l'");
	char *create = it_printf("create database %s owner plaza template template0 encoding "
				 "'LATIN1' lc_collate 'C' lc_ctype 'C'",
				 dbname);
	ask(create);
	char *conninfo = pg_conninfo_of(dbname), *option = it_printf("store.database=%s", conninfo);
	struct daemon *d = daemon_start(option, NULL);
	struct http_answer a;

	settle(d);
	http_expect_get(daemon_port(d), PRODUCTS "?name=%c3%a9", 200,
			"{\"items\":[],\"next\":null}");
	http_request(daemon_port(d), "GET", PRODUCTS "?name=%e5%a4%aa", NULL, NULL, &a);
	ck_assert_msg(a.status == 400, "%s", a.body);
	ck_assert_msg(strstr(a.body, "/problems/bad-parameter") != NULL, "%s", a.body);
	http_answer_fini(&a);
	daemon_stop(d);
	free(option);
	free(conninfo);
	free(create);
	free(dbname);
}
END_TEST

static void
fill(Suite *s)
{
	TCase *tc = it_case(s, "one");
	tcase_add_test(tc, a_product_has_its_tag);
	tcase_add_test(tc, a_read_may_want_a_version);
	tcase_add_test(tc, ids_that_are_none);
	tcase_add_test(tc, many_gets_at_once);

	tc = it_case(s, "columns");
	tcase_add_test(tc, further_columns_are_kept);
	tcase_add_test(tc, columns_come_and_go);

	tc = it_case(s, "lists");
	tcase_add_test(tc, lists_are_as_the_database_has_them);
	tcase_add_loop_test(tc, no_row_is_lost_or_twice, 0, 5);
	tcase_add_test(tc, pages_of_large_rows_are_short);
	tcase_add_test(tc, a_cursor_whose_row_is_gone);
	tcase_add_test(tc, lists_are_counted);
	tcase_add_test(tc, a_list_has_a_tag_of_its_rows);

	tc = it_case(s, "input");
	tcase_add_test(tc, mistakes_are_told);
	tcase_add_test(tc, all_mistakes_are_told);
	tcase_add_test(tc, sql_is_a_value);
	tcase_add_test(tc, a_name_may_be_sql);
	tcase_add_test(tc, characters_that_the_database_lacks);
}

int
main(void)
{
	return it_main("products_read", fill, IT_WITH_PG);
}
