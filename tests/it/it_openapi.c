/*
 * it_openapi.c - GET /api/openapi.json: that it is OpenAPI, that it has just the routes that the
 * daemon serves, and that what the daemon answers is what it describes. Beside these, every answer
 * in any of the integration tests is looked up in it (api_doc.c).
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/pg.c -ljansson */
#include <ctype.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api_doc.h"
#include "harness.h"
#include "http_client.h"
#include "pg.h"

#define DOCUMENT "/api/openapi.json"
#define JSON     "Content-Type: application/json\r\n"
#define PATCH    "Content-Type: application/merge-patch+json\r\n"
#define CSV      "Content-Type: text/csv\r\n"

static json_t *
load(const struct http_answer *a)
{
	json_error_t error;
	json_t *json = json_loadb(a->body, a->body_len, JSON_REJECT_DUPLICATES, &error);

	ck_assert_msg(json != NULL, "%s: %s", error.text, a->body);
	return json;
}

static json_t *
get_document(struct daemon *d)
{
	struct http_answer a;

	http_request(daemon_port(d), "GET", DOCUMENT, NULL, NULL, &a);
	ck_assert_int_eq(a.status, 200);
	ck_assert_str_eq(http_field(&a, "Content-Type"), "application/json");
	json_t *doc = load(&a);
	http_answer_fini(&a);
	return doc;
}

/* The value behind a path of keys, ended by NULL; NULL when there is none. */
static const json_t *
at(const json_t *json, ...)
{
	const char *key;
	va_list ap;

	va_start(ap, json);
	while (json && (key = va_arg(ap, const char *)))
		json = json_object_get(json, key);
	va_end(ap);
	return json;
}

/* What a "$ref" stands for, or itself. */
static const json_t *
resolve(const json_t *doc, const json_t *json)
{
	const char *ref = json_string_value(json_object_get(json, "$ref"));

	if (!ref)
		return json;
	ck_assert_msg(strncmp(ref, "#/components/", 13) == 0, "%s", ref);
	char *kind = strdup(ref + 13), *name = strchr(kind, '/');
	ck_assert_ptr_nonnull(name);
	*name++ = '\0';
	const json_t *found = at(doc, "components", kind, name, NULL);
	ck_assert_msg(found != NULL, "%s: there is no such component", ref);
	free(kind);
	return found;
}

/* --- JSON Schema, as much of it as the document uses --- */

static bool
has_type(const json_t *value, const char *type)
{
	return (strcmp(type, "object") == 0 && json_is_object(value)) ||
	       (strcmp(type, "array") == 0 && json_is_array(value)) ||
	       (strcmp(type, "string") == 0 && json_is_string(value)) ||
	       (strcmp(type, "integer") == 0 && json_is_integer(value)) ||
	       (strcmp(type, "number") == 0 && json_is_number(value)) ||
	       (strcmp(type, "boolean") == 0 && json_is_boolean(value)) ||
	       (strcmp(type, "null") == 0 && json_is_null(value));
}

static const char *validate(const json_t *doc, const json_t *schema, const json_t *value);

static const char *
validate_object(const json_t *doc, const json_t *schema, const json_t *value)
{
	const json_t *properties = json_object_get(schema, "properties"), *item;
	const bool is_closed = json_is_false(json_object_get(schema, "additionalProperties"));
	const char *key, *wrong;
	size_t i;

	json_array_foreach(
	    json_object_get(schema, "required"), i,
	    item) if (!json_object_get(value,
				       json_string_value(item))) return json_string_value(item);
	/* jansson has no iterator for what is const */
	json_object_foreach((json_t *)(uintptr_t)value, key, item)
	{
		const json_t *property = json_object_get(properties, key);

		wrong = property ? validate(doc, property, item) : is_closed ? key : NULL;
		if (wrong)
			return wrong;
	}
	return NULL;
}

/* NULL, or what is wrong. */
static const char *
validate(const json_t *doc, const json_t *schema, const json_t *value)
{
	const json_t *type, *list, *item;
	const char *wrong = NULL;
	bool fits = false;
	size_t i;

	schema = resolve(doc, schema);
	type = json_object_get(schema, "type");
	if (json_is_string(type) && !has_type(value, json_string_value(type)))
		return json_string_value(type);
	json_array_foreach(type, i, item) fits |= has_type(value, json_string_value(item));
	if (json_is_array(type) && !fits)
		return "none of its types";
	item = json_object_get(schema, "const");
	if (item && !json_equal(item, value))
		return "not its const";
	list = json_object_get(schema, "enum");
	fits = !list;
	json_array_foreach(list, i, item) fits |= json_equal(item, value) != 0;
	if (!fits)
		return "not in its enum";
	list = json_object_get(schema, "oneOf");
	fits = !list;
	json_array_foreach(list, i, item) fits |= !validate(doc, item, value);
	if (!fits)
		return "none of oneOf";
	if (json_is_object(value))
		return validate_object(doc, schema, value);
	list = json_object_get(schema, "items");
	if (list)
		json_array_foreach(value, i, item) if (!wrong) wrong = validate(doc, list, item);
	return wrong;
}

/* --- the document itself --- */

static const char *const methods[] = {"get", "post", "put", "patch", "delete"};

static bool
is_method(const char *key)
{
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (strcmp(key, methods[i]) == 0)
			return true;
	return false;
}

static void
check_refs(const json_t *doc, const json_t *json)
{
	const char *key;
	json_t *item;
	size_t i;

	if (json_is_object(json)) {
		resolve(doc, json);
		json_object_foreach((json_t *)(uintptr_t)json, key, item) check_refs(doc, item);
	} else {
		json_array_foreach(json, i, item) check_refs(doc, item);
	}
}

/* Each part of a path has its parameter, and no other path parameter is there. */
static void
check_parameters(const json_t *doc, const char *path, const json_t *operation)
{
	const json_t *item;
	unsigned parts = 0, found = 0;
	size_t i;

	for (const char *p = path; (p = strchr(p, '{')); p++)
		parts++;
	json_array_foreach(json_object_get(operation, "parameters"), i, item)
	{
		const json_t *parameter = resolve(doc, item);
		const char *in = json_string_value(json_object_get(parameter, "in"));
		const char *name = json_string_value(json_object_get(parameter, "name"));

		ck_assert(in && name && json_object_get(parameter, "schema"));
		ck_assert_ptr_nonnull(json_object_get(parameter, "description"));
		if (strcmp(in, "path") != 0)
			continue;
		char *part = it_printf("{%s}", name);
		ck_assert_msg(strstr(path, part) != NULL, "%s has no %s", path, part);
		ck_assert(json_is_true(json_object_get(parameter, "required")));
		free(part);
		found++;
	}
	ck_assert_msg(parts == found, "%s: parameters of the path are missing", path);
}

static void
check_operation(const json_t *doc, const char *path, const json_t *operation, json_t *ids)
{
	const json_t *responses = json_object_get(operation, "responses"), *item;
	const char *id = json_string_value(json_object_get(operation, "operationId")), *status;

	ck_assert_msg(id && !json_object_get(ids, id), "%s: no operationId of its own", path);
	json_object_set_new(ids, id, json_true());
	ck_assert_ptr_nonnull(json_object_get(operation, "summary"));
	check_parameters(doc, path, operation);
	ck_assert_uint_gt(json_object_size(responses), 10);
	json_object_foreach((json_t *)(uintptr_t)responses, status, item)
	{
		const json_t *response = resolve(doc, item);

		ck_assert_msg(strlen(status) == 3 && strspn(status, "0123456789") == 3, "%s %s",
			      path, status);
		ck_assert_ptr_nonnull(json_object_get(response, "description"));
	}
}

START_TEST(it_is_openapi_3_1)
{
	struct daemon *d = daemon_start_default();
	json_t *doc = get_document(d), *ids = json_object(), *paths, *item, *operation;
	const char *path, *key;
	unsigned n = 0;

	ck_assert_str_eq(json_string_value(at(doc, "openapi", NULL)), "3.1.0");
	ck_assert_str_eq(json_string_value(at(doc, "info", "version", NULL)), PLAZA_VERSION);
	ck_assert_ptr_nonnull(at(doc, "info", "title", NULL));
	check_refs(doc, doc);
	paths = json_object_get(doc, "paths");
	json_object_foreach(paths, path, item)
	{
		ck_assert_int_eq(path[0], '/');
		json_object_foreach(item, key, operation)
		{
			ck_assert_msg(is_method(key), "%s: %s", path, key);
			check_operation(doc, path, operation, ids);
			n++;
		}
	}
	/* whoever reads it line by line finds the same */
	ck_assert_uint_eq(n, api_doc_operations());
	json_decref(ids);
	json_decref(doc);
	daemon_stop(d);
}
END_TEST

START_TEST(it_is_ascii_cached_and_negotiated)
{
	struct daemon *d = daemon_start("http.gzip_min_size=1024", NULL);
	struct http_answer a, again;
	char *fields;

	http_request(daemon_port(d), "GET", DOCUMENT, NULL, NULL, &a);
	for (size_t i = 0; i < a.body_len; i++)
		ck_assert(isprint((unsigned char)a.body[i]));
	ck_assert_str_eq(http_field(&a, "Cache-Control"), "no-cache");
	fields = it_printf("If-None-Match: %s\r\n", http_field(&a, "ETag"));
	http_request(daemon_port(d), "GET", DOCUMENT, fields, NULL, &again);
	ck_assert_int_eq(again.status, 304);
	ck_assert_uint_eq(again.body_len, 0);
	http_answer_fini(&again);
	http_request(daemon_port(d), "HEAD", DOCUMENT, NULL, NULL, &again);
	ck_assert_int_eq(again.status, 200);
	http_answer_fini(&again);
	http_request(daemon_port(d), "GET", DOCUMENT, "Accept-Encoding: gzip\r\n", NULL, &again);
	ck_assert_str_eq(http_field(&again, "Content-Encoding"), "gzip");
	ck_assert_uint_lt(again.body_len, a.body_len / 4);
	http_answer_fini(&again);
	http_expect(daemon_port(d), "GET", DOCUMENT, "Accept: text/html\r\n", NULL, 406, NULL);
	http_expect(daemon_port(d), "GET", DOCUMENT, "Accept: text/html, */*;q=0.1\r\n", NULL, 200,
		    NULL);
	http_expect(daemon_port(d), "POST", DOCUMENT, NULL, "x", 405, NULL);
	http_answer_fini(&a);
	free(fields);
	daemon_stop(d);
}
END_TEST

/* --- routes --- */

/* Of a 404 below /api: everything that there is, "GET /chat (WebSocket)", "PUT, DELETE /a/{b}". */
static json_t *
get_routes(struct daemon *d)
{
	struct http_answer a;

	http_request(daemon_port(d), "GET", "/api/no/such/thing", NULL, NULL, &a);
	ck_assert_int_eq(a.status, 404);
	json_t *problem = load(&a);
	json_t *routes = json_incref(json_object_get(problem, "routes"));
	ck_assert(json_is_array(routes));
	json_decref(problem);
	http_answer_fini(&a);
	return routes;
}

/* Calls `each` with every method and path of a route. */
static void
for_each_operation(const json_t *routes,
		   void (*each)(const char *method, const char *path, void *ctx), void *ctx)
{
	const json_t *item;
	size_t i;

	json_array_foreach(routes, i, item)
	{
		char *line = strdup(json_string_value(item));
		char *path = strchr(line, '/'), *end = path + strcspn(path, " "), *saved;

		*end = '\0';
		path[-1] = '\0';
		for (char *m = strtok_r(line, ", ", &saved); m; m = strtok_r(NULL, ", ", &saved)) {
			for (char *c = m; *c; c++)
				*c = (char)tolower((unsigned char)*c);
			each(m, path, ctx);
		}
		free(line);
	}
}

/* No operation of the document but those that are served. */
static void
strike_out(const char *method, const char *path, void *ctx)
{
	json_t *item = json_object_get(json_object_get(ctx, "paths"), path);

	json_object_del(item, method);
	if (item && json_object_size(item) == 0)
		json_object_del(json_object_get(ctx, "paths"), path);
}

static void
expect_described(const char *method, const char *path, void *ctx)
{
	ck_assert_msg(at(ctx, "paths", path, method, NULL) != NULL,
		      "%s %s is served, and not in src/openapi/openapi.json", method, path);
}

START_TEST(every_route_is_described_and_nothing_else)
{
	struct daemon *d = daemon_start_default();
	json_t *doc = get_document(d), *routes = get_routes(d);

	ck_assert_uint_gt(json_array_size(routes), 15);
	for_each_operation(routes, expect_described, doc);
	for_each_operation(routes, strike_out, doc);
	char *left = json_dumps(json_object_get(doc, "paths"), 0);
	ck_assert_str_eq(left, "{}");
	free(left);
	json_decref(routes);
	json_decref(doc);
	daemon_stop(d);
}
END_TEST

/* --- answers --- */

struct asked {
	const char *method, *path; /* as the document has it */
	const char *target, *fields, *body;
	int status;
};

/* Those that the description says are always there. */
static void
expect_headers(const json_t *doc, const struct asked *asked, const json_t *response,
	       const struct http_answer *a)
{
	const char *name;
	json_t *item;

	json_object_foreach(json_object_get(response, "headers"), name, item) ck_assert_msg(
	    !json_is_true(json_object_get(resolve(doc, item), "required")) || http_field(a, name),
	    "%s %s: %d without %s", asked->method, asked->target, a->status, name);
}

/*
 * Whether the answer is one that is described: its status, its type, the body by its schema, and
 * the fields that the description has of headers that are ours alone.
 */
static void
expect_as_described(const json_t *doc, const struct asked *asked, const struct http_answer *a)
{
	char status[8], name[16];
	size_t i = 0;

	snprintf(status, sizeof(status), "%d", a->status);
	do
		name[i] = (char)tolower((unsigned char)asked->method[i]);
	while (asked->method[i++]);
	const json_t *response =
	    resolve(doc, at(doc, "paths", asked->path, name, "responses", status, NULL));
	ck_assert_msg(response != NULL, "%s %s: %d is not described", asked->method, asked->path,
		      a->status);
	expect_headers(doc, asked, response, a);
	if (a->body_len == 0)
		return;
	const char *type = http_field(a, "Content-Type");
	ck_assert_ptr_nonnull(type);
	char *bare = strndup(type, strcspn(type, ";"));
	const json_t *content = at(response, "content", bare, NULL);
	ck_assert_msg(content != NULL, "%s %s: %d has no %s", asked->method, asked->path, a->status,
		      bare);
	if (strstr(bare, "json") && !strstr(bare, "ndjson")) {
		json_t *json = load(a);
		const char *wrong = validate(doc, json_object_get(content, "schema"), json);

		ck_assert_msg(!wrong, "%s %s: %d: %s: %s", asked->method, asked->target, a->status,
			      wrong, a->body);
		json_decref(json);
	}
	free(bare);
}

static void
run_asked(struct daemon *d, const json_t *doc, const struct asked *asked, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct http_answer a;

		http_request(daemon_port(d), asked[i].method, asked[i].target, asked[i].fields,
			     asked[i].body, &a);
		ck_assert_msg(a.status == asked[i].status, "%s %s: %d, not %d: %s", asked[i].method,
			      asked[i].target, a.status, asked[i].status, a.body);
		expect_as_described(doc, &asked[i], &a);
		http_answer_fini(&a);
	}
}

#define P  "/api/products"
#define ID "/api/products/{id}"

/* In this order, on an empty store. */
static const struct asked all_of_it[] = {
    {"GET", "/", "/", NULL, NULL, 200},
    {"GET", "/{name}", "/Ada", NULL, NULL, 200},
    {"GET", "/{name}", "/%FF", NULL, NULL, 400},
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
    {"GET", DOCUMENT, DOCUMENT, NULL, NULL, 200},
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
    {"DELETE", ID, P "/1", NULL, NULL, 204},
    {"DELETE", ID, P "/1", NULL, NULL, 404},
    {"GET", ID, P "/2", "Host: evil.example\r\n", NULL, 421},
    {"GET", ID, P "/1", "X-Forwarded-For: 192.0.2.1\r\n", NULL, 403},
    {"GET", ID, P "/1", "Expect: magic\r\n", NULL, 417},
};

static bool
is_ready(struct daemon *d)
{
	struct http_answer a;

	http_request(daemon_port(d), "GET", "/health/ready", NULL, NULL, &a);
	bool is_so = a.status == 200;
	http_answer_fini(&a);
	return is_so;
}

START_TEST(answers_are_as_described)
{
	char *option = it_printf("store.database=%s", pg_fresh());
	/* one worker: when it is ready, all are */
	struct daemon *d = daemon_start(option, "server.workers=1", NULL);
	json_t *doc = get_document(d);

	WAIT_UNTIL(is_ready(d));
	run_asked(d, doc, all_of_it, sizeof(all_of_it) / sizeof(all_of_it[0]));
	json_decref(doc);
	daemon_stop(d);
	free(option);
}
END_TEST

static const struct asked without_store[] = {
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

START_TEST(answers_without_a_store_are_as_described)
{
	struct daemon *d = daemon_start_default();
	json_t *doc = get_document(d);

	run_asked(d, doc, without_store, sizeof(without_store) / sizeof(without_store[0]));
	json_decref(doc);
	daemon_stop(d);
}
END_TEST

static const struct asked strict[] = {
    {"PUT", ID, P "/1", JSON, "{\"name\":\"Pen\",\"price\":1}", 428},
    {"PATCH", ID, P "/1", PATCH, "{\"price\":1}", 428},
    {"DELETE", ID, P "/1", NULL, NULL, 428},
    {"DELETE", ID, P "/1", "If-Match: *\r\n", NULL, 404},
};

START_TEST(answers_of_a_strict_store_are_as_described)
{
	char *option = it_printf("store.database=%s", pg_fresh());
	struct daemon *d = daemon_start(option, "server.workers=1", "store.require_match=on", NULL);
	json_t *doc = get_document(d);

	WAIT_UNTIL(is_ready(d));
	run_asked(d, doc, strict, sizeof(strict) / sizeof(strict[0]));
	json_decref(doc);
	daemon_stop(d);
	free(option);
}
END_TEST

static void
fill(Suite *suite)
{
	TCase *tc = it_case(suite, "openapi");

	tcase_add_test(tc, it_is_openapi_3_1);
	tcase_add_test(tc, it_is_ascii_cached_and_negotiated);
	tcase_add_test(tc, every_route_is_described_and_nothing_else);
	tcase_add_test(tc, answers_are_as_described);
	tcase_add_test(tc, answers_without_a_store_are_as_described);
	tcase_add_test(tc, answers_of_a_strict_store_are_as_described);
}

int
main(void)
{
	return it_main("openapi", fill, IT_WITH_PG);
}
