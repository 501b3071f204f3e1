/*
 * it_openapi_answers.c - every status that GET /api/openapi.json has of a path and method is
 * provoked here, and the answer is what it describes. One that no request comes to fails the test:
 * the document says no more than is true. That it says no less is seen by all integration tests,
 * whose answers are looked up in it (api_doc.c).
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/api_check.c tests/it/jobs_asked.c tests/it/network.c tests/it/pg.c -ljansson */
#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api_check.h"
#include "harness.h"
#include "http_client.h"
#include "jobs_asked.h"
#include "network.h"
#include "pg.h"

#define JSON  "Content-Type: application/json\r\n"
#define PATCH "Content-Type: application/merge-patch+json\r\n"
#define CSV   "Content-Type: text/csv\r\n"
#define HANDSHAKE                                                                    \
	"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

#define N(table) (sizeof(table) / sizeof((table)[0]))

/* ---- what has been provoked ---- */

static json_t *doc;
static json_t *seen; /* "get /health 200": true */

static void
check_answer(const struct api_asked *asked, const struct http_answer *a)
{
	ck_assert_msg(a->status == asked->status, "%s %s: %d, not %d: %s%s", asked->method,
		      asked->target, a->status, asked->status, a->head, a->body);
	api_expect(doc, asked, a);
	char *key = it_printf("%s %s %d", asked->method, asked->path, a->status);
	for (char *p = key; *p != ' '; p++)
		*p = (char)tolower((unsigned char)*p);
	json_object_set_new(seen, key, json_true());
	free(key);
}

static void
run_asked(struct daemon *d, const struct api_asked *asked, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct http_answer a;

		http_request(daemon_port(d), asked[i].method, asked[i].target, asked[i].fields,
			     asked[i].body, &a);
		check_answer(&asked[i], &a);
		http_answer_fini(&a);
	}
}

/* ---- what every operation can be answered ---- */

struct operation {
	const char *path;
	char method[12];
	char *target;
	const char *type; /* of its body, or NULL */
	const json_t *responses;
};

static bool
has_status(const struct operation *op, int status)
{
	char text[8];

	snprintf(text, sizeof(text), "%d", status);
	return json_object_get(op->responses, text) != NULL;
}

static char *
target_of(const char *path)
{
	const struct {
		const char *part, *value;
	} parts[] = {{"{room}", "ops"},
		     {"{name}", "Ada"},
		     {"{queue}", JOBS_ASKED_QUEUE},
		     {"{id}", strncmp(path, "/api/jobs/", 10) == 0 ? jobs_asked_id() : "2"}};

	for (size_t i = 0; i < N(parts); i++) {
		const char *at = strstr(path, parts[i].part);

		if (at)
			return it_printf("%.*s%s%s", (int)(at - path), path, parts[i].value,
					 at + strlen(parts[i].part));
	}
	return it_printf("%s", path);
}

/* Calls `each` for all of the document that have this status (0: for all). */
static void
for_each_operation(int status, void (*each)(const struct operation *op, void *ctx), void *ctx)
{
	const char *path, *method;
	json_t *item, *operation;

	json_object_foreach(json_object_get(doc, "paths"), path, item)
	{
		json_object_foreach(item, method, operation)
		{
			struct operation op = {
			    .path = path,
			    .target = target_of(path),
			    .type =
				json_object_iter_key(json_object_iter((json_t *)(uintptr_t)api_at(
				    operation, "requestBody", "content", NULL))),
			    .responses = json_object_get(operation, "responses"),
			};

			for (size_t i = 0; method[i]; i++)
				op.method[i] = (char)toupper((unsigned char)method[i]);
			if (status == 0 || has_status(&op, status))
				each(&op, ctx);
			free(op.target);
		}
	}
}

/* One answer of such a connection, which is closed then. */
static void
take_answer(struct http_conn *c, const struct operation *op, int status)
{
	const struct api_asked asked = {op->method, op->path, op->target, NULL, NULL, status};
	struct http_answer a;

	http_read(c, op->method, &a);
	check_answer(&asked, &a);
	http_answer_fini(&a);
	http_close(c);
}

enum of { ALL, WITH_BODY, WITHOUT_BODY, READS };

#define LONG 3000 /* more than http.max_header_size below */
static char long_text[LONG + 1];

static const struct way {
	int status;
	enum of of;
	const char *version, *host; /* NULL: as they should be */
	const char *query;          /* behind the target; NULL: none */
	const char *fields;         /* or NULL */
	const char *body;
} ways[] = {
    {101, READS, NULL, NULL, NULL, HANDSHAKE, NULL},
    {304, READS, NULL, NULL, NULL, "If-None-Match: *\r\n", NULL},
    {400, ALL, NULL, "", NULL, NULL, NULL},
    {403, ALL, NULL, NULL, NULL, "X-Forwarded-For: 192.0.2.1\r\n", NULL},
    {406, READS, NULL, NULL, NULL, "Accept: image/png\r\n", NULL},
    {411, WITH_BODY, NULL, NULL, NULL, NULL, NULL},
    {412, READS, NULL, NULL, NULL, "If-Match: \"of nothing\"\r\n", NULL},
    {413, WITH_BODY, NULL, NULL, NULL, "Content-Length: 9999999\r\n", NULL},
    {413, WITHOUT_BODY, NULL, NULL, NULL, "Content-Length: 1\r\n", "x"},
    {414, ALL, NULL, NULL, long_text, NULL, NULL},
    {415, WITH_BODY, NULL, NULL, NULL, "Content-Length: 1\r\nContent-Encoding: gzip\r\n", "x"},
    {417, ALL, NULL, NULL, NULL, "Expect: magic\r\n", NULL},
    {421, ALL, NULL, "Host: evil.example\r\n", NULL, NULL, NULL},
    {426, READS, NULL, NULL, NULL, NULL, NULL},
    {431, ALL, NULL, long_text, NULL, NULL, NULL},
    {501, ALL, NULL, NULL, NULL, "Transfer-Encoding: gzip, chunked\r\n", NULL},
    {505, ALL, "HTTP/2.0", NULL, NULL, NULL, NULL},
};

struct provoking {
	struct daemon *d;
	const struct way *way;
};

static void
provoke(const struct operation *op, void *ctx)
{
	const struct provoking *p = ctx;
	const struct way *way = p->way;
	struct http_conn c;

	if ((way->of == READS && strcmp(op->method, "GET") != 0) ||
	    (way->of == WITH_BODY && !op->type) || (way->of == WITHOUT_BODY && op->type))
		return;
	http_open(&c, daemon_port(p->d));
	http_sendf(&c, "%s %s%s%s %s\r\n", op->method, op->target, way->query ? "?" : "",
		   way->query ? way->query : "", way->version ? way->version : "HTTP/1.1");
	if (way->host == long_text)
		http_sendf(&c, "A: %s\r\n", long_text);
	else
		http_send_text(&c, way->host ? way->host : "Host: localhost\r\n");
	if (op->type)
		http_sendf(&c, "Content-Type: %s\r\n", op->type);
	http_sendf(&c, "%s\r\n%s", way->fields ? way->fields : "", way->body ? way->body : "");
	take_answer(&c, op, way->status);
}

static void
provoke_all(struct daemon *d)
{
	memset(long_text, 'a', LONG);
	for (size_t i = 0; i < N(ways); i++)
		for_each_operation(ways[i].status, provoke,
				   &(struct provoking){.d = d, .way = &ways[i]});
}

/* No operation of the document: each path has methods that it does not take. */
static void
refuse_method(const struct operation *op, void *ctx)
{
	struct http_answer a;

	http_request(daemon_port(ctx), "TRACE", op->target, NULL, NULL, &a);
	ck_assert_msg(a.status == 405, "TRACE %s: %d", op->target, a.status);
	ck_assert_msg(strstr(http_field(&a, "Allow"), op->method) != NULL, "%s: %s", op->target,
		      http_field(&a, "Allow"));
	http_answer_fini(&a);
}

/* Its 200 has no end. */
static void
begin_events(struct daemon *d)
{
	static const char type[] = "\r\nContent-Type: text/event-stream";
	const uint64_t until = it_now_ms() + IT_DEADLINE_MS;
	struct http_conn c;

	http_open(&c, daemon_port(d));
	http_send_text(&c, "GET /chat/ops/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
	while (!c.len || !memmem(c.buf, c.len, "\r\n\r\n", 4))
		ck_assert(http_receive(&c, until));
	ck_assert_int_eq(strncmp(c.buf, "HTTP/1.1 200 ", 13), 0);
	ck_assert_ptr_nonnull(memmem(c.buf, c.len, type, sizeof(type) - 1));
	json_object_set_new(seen, "get /chat/{room}/events 200", json_true());
	http_close(&c);
}

/* ---- products ---- */

#define P  "/api/products"
#define ID "/api/products/{id}"

/* In this order, on an empty store. */
static const struct api_asked all_of_it[] = {
    {"GET", "/", "/", NULL, NULL, 200},
    {"GET", "/{name}", "/Ada", NULL, NULL, 200},
    {"GET", "/{name}", "/%FF", NULL, NULL, 400},
    {"GET", "/{name}", "/.", NULL, NULL, 404},
    {"GET", "/health", "/health", NULL, NULL, 200},
    {"GET", "/health/live", "/health/live", NULL, NULL, 200},
    {"GET", "/health/ready", "/health/ready", NULL, NULL, 200},
    {"GET", "/robots.txt", "/robots.txt", NULL, NULL, 200},
    {"GET", "/chat", "/chat", NULL, NULL, 426},
    {"GET", "/echo", "/echo", NULL, NULL, 426},
    {"POST", "/chat/{room}", "/chat/ops", NULL, "disk full", 200},
    {"POST", "/chat/{room}", "/chat/_x", NULL, "disk full", 403},
    {"GET", "/chat/{room}/history", "/chat/ops/history", NULL, NULL, 200},
    {"GET", "/chat/{room}/members", "/chat/ops/members", NULL, NULL, 200},
    {"GET", "/chat/{room}/members", "/chat/%20/members", NULL, NULL, 404},
    {"GET", "/chat/{room}/history", "/chat/%20/history", NULL, NULL, 404},
    {"GET", "/chat/{room}/events", "/chat/%20/events", NULL, NULL, 404},
    {"GET", "/chat/{room}", "/chat/%20", HANDSHAKE, NULL, 404},
    {"POST", "/chat/{room}", "/chat/%20", NULL, "x", 404},
    {"POST", "/chat", "/chat", NULL, "disk full", 200},
    {"GET", API_DOCUMENT, API_DOCUMENT, NULL, NULL, 200},
    {"GET", P, P, NULL, NULL, 200},
    {"POST", P, P, JSON, "{\"name\":\"Pen\",\"price\":1.50}", 201},
    {"GET", P, P "?limit=1", NULL, NULL, 200},
    {"GET", P, P "?limit=0", NULL, NULL, 400},
    {"GET", P, P "?limit=0", "Accept: text/plain\r\n", NULL, 400},
    {"POST", P, P, JSON, "{\"name\":\"\",\"price\":-1}", 422},
    {"POST", P, P, JSON, "{", 400},
    {"POST", P, P, "Content-Type: a/b\r\n", "x", 415},
    {"POST", P, P, JSON, NULL, 411},
    {"GET", ID, P "/1", NULL, NULL, 200},
    {"GET", ID, P "/77", NULL, NULL, 404},
    {"GET", ID, P "/x", NULL, NULL, 404},
    {"GET", ID, P "/1", "If-None-Match: \"1-1\"\r\n", NULL, 304},
    {"GET", ID, P "/1", "Accept: text/html\r\n", NULL, 406},
    {"GET", P, P, "Accept: text/html\r\n", NULL, 406},
    {"GET", P, P "?sort=-price&limit=1&count=exact&price.gte=1", NULL, NULL, 200},
    {"GET", P, P "?name=Pen&count=estimated", NULL, NULL, 200},
    {"POST", P, P, JSON, "[{\"name\":\"Ink\",\"price\":\"2\"},{\"name\":\"\",\"price\":[]},7]",
     200},
    {"POST", P, P, CSV, "name,price\nCap,2\nHat,x\n", 200},
    {"POST", P, P, CSV, "colour\n", 422},
    {"POST", P, P, CSV, "name,price\n\"", 400},
    {"POST", P, P, JSON "Prefer: atomic\r\n", "[{\"name\":\"Ink\",\"price\":1}]", 200},
    {"POST", P, P, JSON "Prefer: atomic\r\n", "[{\"name\":\"Ink\",\"price\":-1}]", 422},
    {"POST", P, P, JSON "Idempotency-Key: a\r\n", "{\"name\":\"Bag\",\"price\":1}", 201},
    {"POST", P, P, JSON "Idempotency-Key: a\r\n", "{\"name\":\"Bag\",\"price\":1}", 201},
    {"POST", P, P, JSON "Idempotency-Key: a\r\n", "{\"name\":\"Bag\",\"price\":2}", 422},
    {"POST", P, P, JSON "Idempotency-Key: \xe4\r\n", "{\"name\":\"Bag\",\"price\":2}", 400},
    {"PUT", ID, P "/1", JSON, "{\"name\":\"Pen\",\"price\":2}", 200},
    {"PUT", ID, P "/1", JSON "If-Match: \"1-1\"\r\n", "{\"name\":\"Pen\",\"price\":2}", 412},
    {"PUT", ID, P "/1", JSON "If-Match: 1\r\n", "{\"name\":\"Pen\",\"price\":2}", 400},
    {"PUT", ID, P "/1", JSON, "{\"price\":2}", 422},
    {"PUT", ID, P "/99", JSON, "{\"name\":\"Pen\",\"price\":2}", 404},
    {"PUT", ID, P "/1", PATCH, "{\"price\":2}", 415},
    {"PATCH", ID, P "/1", PATCH, "{\"price\":3}", 200},
    {"PATCH", ID, P "/1", PATCH, "{\"price\":null}", 422},
    {"PATCH", ID, P "/1", JSON, "{\"price\":3}", 415},
    {"PATCH", ID, P "/99", PATCH, "{\"price\":3}", 404},
    {"PATCH", ID, P "/1", PATCH "If-Match: \"1-1\"\r\n", "{\"price\":3}", 412},
    {"DELETE", ID, P "/1", "If-Match: \"1-1\"\r\n", NULL, 412},
    {"DELETE", ID, P "/1", NULL, "x", 413},
    {"GET", P "/export", P "/export", NULL, NULL, 200},
    {"GET", P "/export", P "/export?format=csv&price.lte=1", NULL, NULL, 200},
    {"GET", P "/export", P "/export", "Accept: application/x-ndjson\r\n", NULL, 200},
    {"GET", P "/export", P "/export", "Accept: image/png\r\n", NULL, 406},
    {"GET", P "/export", P "/export?limit=1", NULL, NULL, 400},
    {"GET", P "/changes", P "/changes?since=0", NULL, NULL, 200},
    {"GET", P "/changes", P "/changes?since=now", NULL, NULL, 200},
    {"GET", P "/changes", P "/changes?since=x", NULL, NULL, 400},
    {"DELETE", ID, P "/1", "Idempotency-Key: b\r\n", NULL, 204},
    {"DELETE", ID, P "/2", "Idempotency-Key: b\r\n", NULL, 422},
    {"DELETE", ID, P "/1", NULL, NULL, 404},
    {"GET", ID, P "/2", "Host: evil.example\r\n", NULL, 421},
    {"GET", ID, P "/1", "X-Forwarded-For: 192.0.2.1\r\n", NULL, 403},
    {"GET", ID, P "/1", "Expect: magic\r\n", NULL, 417},
};

static bool
feed_is_there(struct daemon *d)
{
	struct http_answer a;

	http_request(daemon_port(d), "GET", P "/changes?since=now", NULL, NULL, &a);
	const bool is_there = a.status == 200;
	http_answer_fini(&a);
	return is_there;
}

/* One worker: when it has its database, all have. */
static struct daemon *
start_with_store(const char *option, const char *more)
{
	char *database = it_printf("store.database=%s", pg_fresh());
	struct daemon *d = daemon_start(database, "server.workers=1", "fetch.allow=127.0.0.1:1",
					option, more, NULL);

	free(database);
	daemon_wait_store(d);
	WAIT_UNTIL(feed_is_there(d));
	return d;
}

static void
provoke_by_form(void)
{
	struct daemon *d = start_with_store("server.public=", "http.max_header_size=2k");

	run_asked(d, all_of_it, N(all_of_it));
	jobs_asked(d, run_asked);
	provoke_all(d);
	begin_events(d);
	for_each_operation(0, refuse_method, d);
	daemon_stop(d);
}

static const struct api_asked strict[] = {
    {"PUT", ID, P "/1", JSON, "{\"name\":\"Pen\",\"price\":1}", 428},
    {"PATCH", ID, P "/1", PATCH, "{\"price\":1}", 428},
    {"DELETE", ID, P "/1", NULL, NULL, 428},
    {"DELETE", ID, P "/1", "If-Match: *\r\n", NULL, 404},
};

static void
provoke_by_strictness(void)
{
	struct daemon *d = start_with_store("store.require_match=on", NULL);

	run_asked(d, strict, N(strict));
	daemon_stop(d);
}

static const struct api_asked without_store[] = {
    {"GET", "/health/ready", "/health/ready", NULL, NULL, 200},
    {"GET", P, P, NULL, NULL, 503},
    {"GET", ID, P "/1", "Accept: text/plain\r\n", NULL, 503},
    {"POST", P, P, JSON, "{\"name\":\"Pen\",\"price\":1.50}", 503},
    {"PUT", ID, P "/1", JSON, "{}", 503},
    {"PATCH", ID, P "/1", PATCH, "{}", 503},
    {"DELETE", ID, P "/1", NULL, NULL, 503},
    {"GET", P "/export", P "/export", NULL, NULL, 503},
    {"GET", P "/changes", P "/changes", NULL, NULL, 503},
};

static void
provoke_without_store(void)
{
	struct daemon *d = daemon_start_default();

	run_asked(d, without_store, N(without_store));
	daemon_stop(d);
}

/* ---- conflicts, and what is gone ---- */

static const struct api_asked conflicts[] = {
    {"POST", P, P, JSON, "{\"name\":\"b\",\"price\":1}", 201},
    {"POST", P, P, JSON, "{\"name\":\"a\",\"price\":1}", 409},
    {"PUT", ID, P "/2", JSON, "{\"name\":\"a\",\"price\":1}", 409},
    {"PATCH", ID, P "/2", PATCH, "{\"name\":\"a\"}", 409},
    {"DELETE", ID, P "/2", "Idempotency-Key: k\r\n", NULL, 409},
};

static const struct api_asked gone = {"GET", P "/changes", P "/changes?since=0", NULL, NULL, 410};

/* A page by long names, whose last product is deleted before the next page is asked for. */
static void
lose_cursor(struct daemon *d)
{
	struct api_asked asked = {"GET", P, NULL, NULL, NULL, 410};
	struct http_answer a;

	free(pg_ask("insert into products(name, price) select repeat('x', 1500) || i, i from "
		    "generate_series(1, 3) i"));
	http_request(daemon_port(d), "GET", P "?sort=-name&limit=1", NULL, NULL, &a);
	json_t *page = api_load(&a);
	char *target = it_printf(P "?sort=-name&limit=1&after=%s",
				 json_string_value(json_object_get(page, "next")));
	free(pg_ask("delete from products where name like 'x%'"));
	json_decref(page);
	http_answer_fini(&a);
	asked.target = target;
	run_asked(d, &asked, 1);
	free(target);
}

static void
provoke_by_others(void)
{
	struct daemon *d = start_with_store("store.statement_timeout=600ms", NULL);
	struct child holder;

	free(pg_ask("create unique index on products(name); "
		    "insert into products(name, price) values ('a', 1)"));
	char *dbname = pg_ask("select current_database()");
	const char *argv[] = {"psql", "-XAtq", "-h", pg_socket_dir(), "-U", "postgres",
			      "-d",   dbname,  NULL};
	child_start(&holder, argv);
	child_write(&holder, "begin; insert into product_idempotency(key, fingerprint, status, "
			     "answer) values ('k', '', 201, ''); select 'held';\n");
	char *line = child_read_line(&holder);
	ck_assert_str_eq(line, "held");
	run_asked(d, conflicts, N(conflicts));
	child_close_input(&holder);
	ck_assert_int_eq(child_wait(&holder), 0);
	lose_cursor(d);
	free(pg_ask("update product_feed set pruned = 1"));
	run_asked(d, &gone, 1);
	free(line);
	free(dbname);
	daemon_stop(d);
}

/* ---- a database that fails ---- */

static const struct api_asked failing[] = {
    {"GET", P, P, NULL, NULL, 500},
    {"GET", ID, P "/1", NULL, NULL, 500},
    {"POST", P, P, JSON, "{\"name\":\"Pen\",\"price\":1.50}", 500},
    {"PUT", ID, P "/1", JSON, "{\"name\":\"Pen\",\"price\":1.50}", 500},
    {"PATCH", ID, P "/1", PATCH, "{\"price\":1}", 500},
    {"DELETE", ID, P "/1", NULL, NULL, 500},
    {"GET", P "/export", P "/export", NULL, NULL, 500},
    {"GET", P "/changes", P "/changes", NULL, NULL, 500},
};

static void
provoke_by_failure(void)
{
	struct daemon *d = start_with_store(NULL, NULL);

	daemon_expect_error(d, "broken");
	/* an error that is nobody's fault, for whatever looks at a row */
	free(pg_ask("insert into products(name, price) values ('a', 1); "
		    "create function fail() returns bool language plpgsql as $$ begin raise "
		    "exception using errcode = '38000', message = 'broken'; end $$; "
		    "create policy p on products using (fail()) with check (fail()); "
		    "create policy p on product_log using (fail()) with check (fail()); "
		    "alter table products enable row level security; "
		    "alter table products force row level security; "
		    "alter table product_log enable row level security; "
		    "alter table product_log force row level security"));
	run_asked(d, failing, N(failing));
	jobs_asked_failing(d, run_asked);
	daemon_stop(d);
}

/* ---- limits ---- */

struct late {
	struct daemon *d;
	struct http_conn c[64];
	size_t n;
};

static void
begin_late(const struct operation *op, void *ctx)
{
	struct late *late = ctx;
	struct http_conn *c = &late->c[late->n++];

	ck_assert_uint_le(late->n, N(late->c));
	http_open(c, daemon_port(late->d));
	http_sendf(c, "%s %s HTTP/1.1\r\n", op->method, op->target);
}

static void
end_late(const struct operation *op, void *ctx)
{
	struct late *late = ctx;

	take_answer(&late->c[late->n++], op, 408);
}

/* All wait at a time. */
static void
provoke_by_waiting(void)
{
	static struct late late;

	late.d = daemon_start("http.header_timeout=500ms", NULL);
	for_each_operation(408, begin_late, &late);
	late.n = 0;
	for_each_operation(408, end_late, &late);
	daemon_stop(late.d);
}

static void
turn_away(const struct operation *op, void *ctx)
{
	struct http_conn c;

	http_open(&c, daemon_port(ctx));
	take_answer(&c, op, 503);
}

static void
provoke_by_crowd(void)
{
	struct daemon *d = daemon_start("http.max_connections=1", "server.workers=1", NULL);
	struct http_conn holder;
	struct http_answer a;

	http_open(&holder, daemon_port(d));
	http_exchange(&holder, "GET", "/health", NULL, NULL, &a);
	http_answer_fini(&a);
	for_each_operation(503, turn_away, d);
	http_close(&holder);
	daemon_stop(d);
}

struct crowd {
	struct daemon *d;
	struct network net;
};

static void
turn_away_neighbour(const struct operation *op, void *ctx)
{
	const struct crowd *crowd = ctx;
	struct http_conn c;

	network_connect(&c, &crowd->net, CLIENT, daemon_port(crowd->d));
	take_answer(&c, op, 429);
}

/* False: there is no network for that here. */
static bool
provoke_by_address(void)
{
	struct crowd crowd;
	struct http_conn holder;
	struct http_answer a;

	/* nothing else of this test reaches anything from here on */
	if (!network_open_ipv4(&crowd.net, "429 of openapi.json"))
		return false;
	char *listen = it_printf("server.listen=%s:0", crowd.net.server);
	crowd.d =
	    daemon_start(listen, "http.max_connections_per_address=1", "server.public=*", NULL);
	network_connect(&holder, &crowd.net, CLIENT, daemon_port(crowd.d));
	http_exchange(&holder, "GET", "/health", NULL, NULL, &a);
	ck_assert_int_eq(a.status, 200);
	http_answer_fini(&a);
	for_each_operation(429, turn_away_neighbour, &crowd);
	http_close(&holder);
	daemon_stop(crowd.d);
	free(listen);
	return true;
}

/* ---- all of them ---- */

static void
list_missing(const struct operation *op, void *ctx)
{
	json_t *missing = ctx;
	const char *status;
	json_t *item;

	json_object_foreach((json_t *)(uintptr_t)op->responses, status, item)
	{
		char *key = it_printf("%s %s %s", op->method, op->path, status);

		for (char *p = key; *p != ' '; p++)
			*p = (char)tolower((unsigned char)*p);
		if (!json_object_get(seen, key))
			json_array_append_new(missing, json_string(key));
		free(key);
	}
}

START_TEST(every_status_is_provoked)
{
	struct daemon *d = daemon_start_default();
	json_t *missing = json_array();

	seen = json_object();
	doc = api_document(d);
	daemon_stop(d);
	provoke_by_form();
	provoke_by_strictness();
	provoke_without_store();
	provoke_by_others();
	provoke_by_failure();
	provoke_by_waiting();
	provoke_by_crowd();
	const bool has_network = provoke_by_address();
	for_each_operation(0, list_missing, missing);
	for (size_t i = json_array_size(missing); !has_network && i > 0; i--)
		if (strstr(json_string_value(json_array_get(missing, i - 1)), " 429"))
			json_array_remove(missing, i - 1);
	char *text = json_dumps(missing, JSON_INDENT(1));
	ck_assert_msg(json_array_size(missing) == 0,
		      "src/openapi/openapi.json has what no request comes to: %s", text);
	free(text);
	json_decref(missing);
	json_decref(seen);
	json_decref(doc);
}
END_TEST

static void
fill(Suite *suite)
{
	TCase *tc = it_case(suite, "openapi answers");

	tcase_add_test(tc, every_status_is_provoked);
}

int
main(void)
{
	return it_main("openapi_answers", fill, IT_WITH_PG);
}
