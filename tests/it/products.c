/*
 * products.c - see products.h.
 */
#include "products.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "pg.h"

struct daemon *
products_start_with(const char *first, const char *second)
{
	char *option = it_printf("store.database=%s", pg_fresh());
	struct daemon *d = daemon_start(option, first, second, NULL);

	free(option);
	daemon_wait_store(d);
	return d;
}

struct daemon *
products_start(void)
{
	return products_start_with(NULL, NULL);
}

void
products_expect(const char *want)
{
	char *rows = pg_ask("select coalesce(string_agg(id || ' ' || name || ' ' || price, ';' "
			    "order by id), '') from products");

	ck_assert_str_eq(rows, want);
	free(rows);
}

long
products_ask(const char *sql)
{
	char *text = pg_ask(sql);
	const long number = strtol(text, NULL, 10);

	free(text);
	return number;
}

void
problem_expect(const struct http_answer *a, int status, const char *type, const char *pointers,
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

void
problem_request(struct daemon *d, const char *method, const char *target, const char *fields,
		const char *body, int status, const char *type, const char *pointers)
{
	struct http_answer a;

	http_request(daemon_port(d), method, target, fields, body, &a);
	problem_expect(&a, status, type, pointers, body ? body : fields);
	http_answer_fini(&a);
}

struct daemon *
products_start_on(const char *table)
{
	char *option = it_printf("store.database=%s", pg_fresh());
	char *sql = it_printf("%s; alter table products owner to plaza", table);

	free(pg_ask(sql));
	struct daemon *d = daemon_start(option, "server.workers=1", NULL);
	free(sql);
	free(option);
	return d;
}
