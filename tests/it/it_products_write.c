/*
 * it_products_write.c - products made, changed and deleted: every kind of bad input with its exact
 * answer, conditions, and bulks.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/pg.c tests/it/products.c -ljansson */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "http_client.h"
#include "pg.h"
#include "products.h"

/* at once, and one behind the other */
#define CLIENTS 24
#define EACH    30

#define N(table) (sizeof(table) / sizeof((table)[0]))

/* --- a product's life --- */

START_TEST(made_changed_deleted)
{
	struct daemon *d =
	    products_start_with(_i ? "store.prepared=off" : "store.prepared=on", NULL);
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
	products_expect("1 Chalk 3.00");

	http_request(port, "DELETE", PRODUCTS "/1", NULL, NULL, &a);
	ck_assert_int_eq(a.status, 204);
	ck_assert_uint_eq(a.body_len, 0);
	ck_assert_ptr_nonnull(http_field(&a, "Server-Timing"));
	http_answer_fini(&a);
	http_expect_get(port, PRODUCTS "/1", 404, NULL);
	problem_request(d, "DELETE", PRODUCTS "/1", NULL, NULL, 404, "not-found", NULL);
	problem_request(d, "PUT", PRODUCTS "/1", JSON, "{\"name\":\"a\",\"price\":1}", 404,
			"not-found", NULL);
	problem_request(d, "PATCH", PRODUCTS "/1", PATCH, "{}", 404, "not-found", NULL);
	/* whatever it is to match: there is none (RFC 9110 13.2.1) */
	problem_request(d, "DELETE", PRODUCTS "/1", "If-Match: \"1-1\"\r\n", NULL, 404, "not-found",
			NULL);
	products_expect("");
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
	struct daemon *d = products_start();
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
				version = products_ask("select version from products");
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
				problem_expect(&a, c->status,
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
	struct daemon *d = products_start_with("store.require_match=on", NULL);

	free(pg_ask("insert into products(name, price) values ('a', 1), ('b', 2)"));
	problem_request(d, "PUT", PRODUCTS "/1", JSON, "{\"name\":\"b\",\"price\":2}", 428,
			"precondition-required", NULL);
	problem_request(d, "PATCH", PRODUCTS "/1", PATCH, "{}", 428, "precondition-required", NULL);
	problem_request(d, "DELETE", PRODUCTS "/1", NULL, NULL, 428, "precondition-required", NULL);
	problem_request(d, "DELETE", PRODUCTS "/1", "If-None-Match: \"x\"\r\n", NULL, 428,
			"precondition-required", NULL);
	products_expect("1 a 1.00;2 b 2.00");
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
		problem_expect(&a, value->whole, value->whole == 400 ? "not-json" : "validation",
			       value->whole == 400 ? NULL : ".", body);
	} else if (kept && !way->is_bulk) {
		ck_assert_msg(a.status == way->status, "%s: %d %s", body, a.status, a.body);
		expect_kept(a.body, is_name, kept);
	} else if (!way->is_bulk) {
		problem_expect(&a, 422, "validation", pointer, body);
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
	struct daemon *d = products_start();
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
	struct daemon *d = products_start();

	http_expect(daemon_port(d), "POST", PRODUCTS, JSON, "{\"name\":\"a\",\"price\":1}", 201,
		    NULL);
	for (size_t i = 0; i < N(wholes); i++) {
		const struct whole_case *c = &wholes[i];
		problem_request(d, "POST", PRODUCTS, JSON, c->body, c->status, c->type, c->post);
		if (c->put)
			problem_request(d, "PUT", PRODUCTS "/1", JSON, c->body, c->status, c->type,
					c->put);
		else
			http_expect(daemon_port(d), "PUT", PRODUCTS "/1", JSON, c->body, 200, NULL);
		if (c->patch)
			problem_request(d, "PATCH", PRODUCTS "/1", PATCH, c->body, c->status,
					c->type, c->patch);
		else
			http_expect(daemon_port(d), "PATCH", PRODUCTS "/1", PATCH, c->body, 200,
				    NULL);
	}
	/* an array is many products to POST, and nothing to the others */
	problem_request(d, "PUT", PRODUCTS "/1", JSON, "[]", 422, "validation", ".");
	problem_request(d, "PATCH", PRODUCTS "/1", PATCH, "[]", 422, "validation", ".");
	/* nested too deep is no JSON to us; as deep as may be it is no name */
	char deep[400];
	for (int depth = 62; depth <= 64; depth += 2) {
		char open[80] = "", shut[80] = "";
		memset(open, '[', (size_t)depth);
		memset(shut, ']', (size_t)depth);
		snprintf(deep, sizeof(deep), "{\"name\":%s%s,\"price\":1}", open, shut);
		problem_request(d, "POST", PRODUCTS, JSON, deep, depth > 63 ? 400 : 422,
				depth > 63 ? "not-json" : "validation",
				depth > 63 ? NULL : "/name");
	}
	products_expect("1 a 1.00");
	daemon_stop(d);
}
END_TEST

START_TEST(names_have_a_length)
{
	struct daemon *d = products_start();
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
			problem_expect(&a, 422, "validation", "/name", "a long name");
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
	problem_expect(&a, 413, NULL, NULL, "65537 bytes of JSON");
	http_answer_fini(&a);
	body[65536] = '\0';
	http_expect(daemon_port(d), "POST", PRODUCTS, JSON, body, 201, NULL);
	http_expect(daemon_port(d), "PUT", PRODUCTS "/1", JSON, body, 200, NULL);
	body[65536] = ' ';
	http_expect(daemon_port(d), "PUT", PRODUCTS "/1", JSON, body, 413, NULL);
	ck_assert_int_eq(products_ask("select count(*) from products"), 3);
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
	struct daemon *d = products_start();

	http_expect(daemon_port(d), "POST", PRODUCTS, JSON, "{\"name\":\"a\",\"price\":1}", 201,
		    NULL);
	for (size_t i = 0; i < N(ids); i++) {
		char target[100];
		snprintf(target, sizeof(target), PRODUCTS "/%s", ids[i]);
		problem_request(d, "GET", target, NULL, NULL, 404, "not-found", NULL);
		problem_request(d, "PUT", target, JSON, "{\"name\":\"b\",\"price\":2}", 404,
				"not-found", NULL);
		problem_request(d, "PATCH", target, PATCH, "{\"price\":2}", 404, "not-found", NULL);
		problem_request(d, "DELETE", target, NULL, NULL, 404, "not-found", NULL);
	}
	products_expect("1 a 1.00");
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
	struct daemon *d = products_start();
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
	ck_assert_int_eq(products_ask("select count(*) from products"), 2);
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
	struct daemon *d = products_start();
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
	products_expect("1 a 1.00");
	daemon_stop(d);
}
END_TEST

/* --- bulks --- */

START_TEST(each_of_many_has_its_result)
{
	struct daemon *d =
	    products_start_with(_i ? "store.prepared=off" : "store.prepared=on", NULL);
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
	products_expect("1 a 1.00;2 '); drop table products; -- 2.50");

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
	ck_assert_int_eq(products_ask("select count(*) from products"), 4);
	daemon_stop(d);
}
END_TEST

START_TEST(all_or_none)
{
	struct daemon *d = products_start_on(
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
	problem_request(
	    d, "POST", PRODUCTS, JSON "Prefer: atomic\r\n",
	    "[{\"name\":\"c\",\"price\":1},{\"name\":\"\"},{\"name\":\"d\",\"price\":2},"
	    "\"e\"]",
	    422, "validation", "/1/name /1/price /3");
	problem_request(d, "POST", PRODUCTS, CSV "Prefer: atomic\r\n", "name,price\nc,1\nd,x\n",
			422, "validation", "/1/price");
	/* and so it is when only the database knows */
	problem_request(d, "POST", PRODUCTS, JSON "Prefer: atomic\r\n",
			"[{\"name\":\"c\",\"price\":1},{\"name\":\"rude\",\"price\":1}]", 422,
			"validation", ".");
	problem_request(d, "POST", PRODUCTS, CSV "Prefer: atomic\r\n", "name,price\nc,1\na,1\n",
			409, "conflict", ".");
	products_expect("1 a 1.00;2 b 2.00");
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
	ck_assert_int_eq(products_ask("select count(*) from products where name in ('c', 'd')"), 2);
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
	struct daemon *d = products_start();
	struct http_answer a;

	for (size_t i = 0; i < N(bad_csv); i++) {
		const struct csv_case *c = &bad_csv[i];
		http_request(daemon_port(d), "POST", PRODUCTS, CSV, c->body, &a);
		/* no body at all is another matter */
		if (!c->body[0] && a.status == 411) {
			http_answer_fini(&a);
			continue;
		}
		problem_expect(&a, c->status, c->type, c->pointers, c->body);
		ck_assert_msg(strstr(a.body, c->said) != NULL, "%s: %s", c->body, a.body);
		http_answer_fini(&a);
	}
	/* bytes of any kind in a name are its own error */
	http_request(daemon_port(d), "POST", PRODUCTS, CSV,
		     "\xef\xbb\xbfname,price\n\xff,1\n\xed\xa0\x80,1\nok,1\n", &a);
	ck_assert_int_eq(a.status, 200);
	ck_assert_ptr_nonnull(strstr(a.body, "{\"status\":201,\"id\":1,\"version\":1}]}"));
	http_answer_fini(&a);
	products_expect("1 ok 1.00");
	daemon_stop(d);
}
END_TEST

START_TEST(a_thousand_and_not_one_more)
{
	struct daemon *d = products_start();
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
			problem_request(d, "POST", PRODUCTS, JSON, json, 422, "validation", ".");
			problem_request(d, "POST", PRODUCTS, CSV, csv, 422, "validation", ".");
		}
	}
	problem_request(d, "POST", PRODUCTS, JSON, "[]", 422, "validation", ".");
	ck_assert_int_eq(products_ask("select count(*) from products"), 2000);
	/* in the order in which they came */
	ck_assert_int_eq(products_ask("select count(*) from products where name = 'j' || (id - 1) "
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
	struct daemon *d = products_start_with("server.workers=3", NULL);
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
	ck_assert_int_eq(products_ask("select max(id) from products"), (long)CLIENTS * EACH);
	/* they did share statements: a statement is one transaction */
	ck_assert_int_lt(products_ask("select count(distinct xmin::text) from products"),
			 (long)CLIENTS * EACH);
	daemon_stop(d);
}
END_TEST

START_TEST(a_bad_row_costs_only_itself)
{
	struct daemon *d = products_start_on(
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
	ck_assert_int_eq(products_ask("select count(*) from products"),
			 1 + CLIENTS * EACH - EACH / 3 - EACH / 5);
	daemon_stop(d);
}
END_TEST

START_TEST(changes_of_the_same_products_do_not_lock_each_other)
{
	struct daemon *d = products_start_with("server.workers=3", NULL);
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
	ck_assert_int_eq(products_ask("select deadlocks from pg_stat_database where datname = "
				      "current_database()"),
			 0);
	daemon_stop(d);
}
END_TEST

START_TEST(a_client_that_leaves_does_not_stop_its_write)
{
	struct daemon *d = products_start_with("server.workers=1", NULL);
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
	ck_assert_int_eq(products_ask("select count(*) from products where name = 'l'"), CLIENTS);
	daemon_stop(d);
}
END_TEST

static void
fill(Suite *s)
{
	TCase *tc = it_case(s, "rows");
	tcase_add_loop_test(tc, made_changed_deleted, 0, 2);
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
}

int
main(void)
{
	return it_main("products_write", fill, IT_WITH_PG);
}
