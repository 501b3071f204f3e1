/*
 * it_openapi.c - GET /api/openapi.json: that it is OpenAPI, and has just the routes that the daemon
 * serves. Its statuses are for it_openapi_answers.c.
 */
/* links: tests/it/harness.c tests/it/daemon.c tests/it/procfs.c tests/it/http_client.c
 * tests/it/api_check.c tests/it/pg.c -ljansson */
#include <ctype.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api_check.h"
#include "api_doc.h"
#include "harness.h"
#include "http_client.h"
#include "pg.h"

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
		api_resolve(doc, json);
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
		const json_t *parameter = api_resolve(doc, item);
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
		const json_t *response = api_resolve(doc, item);

		ck_assert_msg(strlen(status) == 3 && strspn(status, "0123456789") == 3, "%s %s",
			      path, status);
		ck_assert_ptr_nonnull(json_object_get(response, "description"));
	}
}

START_TEST(it_is_openapi_3_1)
{
	struct daemon *d = daemon_start_default();
	json_t *doc = api_document(d), *ids = json_object(), *paths, *item, *operation;
	const char *path, *key;
	unsigned n = 0;

	ck_assert_str_eq(json_string_value(api_at(doc, "openapi", NULL)), "3.1.0");
	ck_assert_str_eq(json_string_value(api_at(doc, "info", "version", NULL)), PLAZA_VERSION);
	ck_assert_ptr_nonnull(api_at(doc, "info", "title", NULL));
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

	http_request(daemon_port(d), "GET", API_DOCUMENT, NULL, NULL, &a);
	for (size_t i = 0; i < a.body_len; i++)
		ck_assert(isprint((unsigned char)a.body[i]));
	ck_assert_str_eq(http_field(&a, "Cache-Control"), "no-cache");
	fields = it_printf("If-None-Match: %s\r\n", http_field(&a, "ETag"));
	http_request(daemon_port(d), "GET", API_DOCUMENT, fields, NULL, &again);
	ck_assert_int_eq(again.status, 304);
	ck_assert_uint_eq(again.body_len, 0);
	http_answer_fini(&again);
	http_request(daemon_port(d), "HEAD", API_DOCUMENT, NULL, NULL, &again);
	ck_assert_int_eq(again.status, 200);
	http_answer_fini(&again);
	http_request(daemon_port(d), "GET", API_DOCUMENT, "Accept-Encoding: gzip\r\n", NULL,
		     &again);
	ck_assert_str_eq(http_field(&again, "Content-Encoding"), "gzip");
	ck_assert_uint_lt(again.body_len, a.body_len / 4);
	http_answer_fini(&again);
	http_expect(daemon_port(d), "GET", API_DOCUMENT, "Accept: text/html\r\n", NULL, 406, NULL);
	http_expect(daemon_port(d), "GET", API_DOCUMENT, "Accept: text/html, */*;q=0.1\r\n", NULL,
		    200, NULL);
	http_expect(daemon_port(d), "POST", API_DOCUMENT, NULL, "x", 405, NULL);
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
	json_t *problem = api_load(&a);
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
	ck_assert_msg(api_at(ctx, "paths", path, method, NULL) != NULL,
		      "%s %s is served, and not in src/openapi/openapi.json", method, path);
}

START_TEST(every_route_is_described_and_nothing_else)
{
	struct daemon *d = daemon_start_default();
	json_t *doc = api_document(d), *routes = get_routes(d);

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

static void
fill(Suite *suite)
{
	TCase *tc = it_case(suite, "openapi");

	tcase_add_test(tc, it_is_openapi_3_1);
	tcase_add_test(tc, it_is_ascii_cached_and_negotiated);
	tcase_add_test(tc, every_route_is_described_and_nothing_else);
}

int
main(void)
{
	return it_main("openapi", fill, 0);
}
