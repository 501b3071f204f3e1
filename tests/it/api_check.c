/*
 * api_check.c - GET /api/openapi.json read by a parser, and answers held against it: their status,
 * fields, type, and the body by its schema.
 */
#include "api_check.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

json_t *
api_load(const struct http_answer *a)
{
	json_error_t error;
	json_t *json = json_loadb(a->body, a->body_len, JSON_REJECT_DUPLICATES, &error);

	ck_assert_msg(json != NULL, "%s: %s", error.text, a->body);
	return json;
}

json_t *
api_document(struct daemon *d)
{
	struct http_answer a;

	http_request(daemon_port(d), "GET", API_DOCUMENT, NULL, NULL, &a);
	ck_assert_int_eq(a.status, 200);
	ck_assert_str_eq(http_field(&a, "Content-Type"), "application/json");
	json_t *doc = api_load(&a);
	http_answer_fini(&a);
	return doc;
}

/* The value behind a path of keys, ended by NULL; NULL when there is none. */
const json_t *
api_at(const json_t *json, ...)
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
const json_t *
api_resolve(const json_t *doc, const json_t *json)
{
	const char *ref = json_string_value(json_object_get(json, "$ref"));

	if (!ref)
		return json;
	ck_assert_msg(strncmp(ref, "#/components/", 13) == 0, "%s", ref);
	char *kind = strdup(ref + 13), *name = strchr(kind, '/');
	ck_assert_ptr_nonnull(name);
	*name++ = '\0';
	const json_t *found = api_at(doc, "components", kind, name, NULL);
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

	schema = api_resolve(doc, schema);
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

/* --- answers --- */

/* Those that the description says are always there. */
static void
expect_headers(const json_t *doc, const struct api_asked *asked, const json_t *response,
	       const struct http_answer *a)
{
	const char *name;
	json_t *item;

	json_object_foreach(json_object_get(response, "headers"), name, item)
	    ck_assert_msg(!json_is_true(json_object_get(api_resolve(doc, item), "required")) ||
			      http_field(a, name),
			  "%s %s: %d without %s", asked->method, asked->target, a->status, name);
}

/*
 * Whether the answer is one that is described: its status, its type, the body by its schema, and
 * the fields that the description has of headers that are ours alone.
 */
void
api_expect(const json_t *doc, const struct api_asked *asked, const struct http_answer *a)
{
	char status[8], name[16];
	size_t i = 0;

	snprintf(status, sizeof(status), "%d", a->status);
	do
		name[i] = (char)tolower((unsigned char)asked->method[i]);
	while (asked->method[i++]);
	const json_t *response =
	    api_resolve(doc, api_at(doc, "paths", asked->path, name, "responses", status, NULL));
	ck_assert_msg(response != NULL, "%s %s: %d is not described", asked->method, asked->path,
		      a->status);
	expect_headers(doc, asked, response, a);
	if (a->body_len == 0)
		return;
	const char *type = http_field(a, "Content-Type");
	ck_assert_ptr_nonnull(type);
	char *bare = strndup(type, strcspn(type, ";"));
	const json_t *content = api_at(response, "content", bare, NULL);
	ck_assert_msg(content != NULL, "%s %s: %d has no %s", asked->method, asked->path, a->status,
		      bare);
	if (strstr(bare, "json") && !strstr(bare, "ndjson")) {
		json_t *json = api_load(a);
		const char *wrong = validate(doc, json_object_get(content, "schema"), json);

		ck_assert_msg(!wrong, "%s %s: %d: %s: %s", asked->method, asked->target, a->status,
			      wrong, a->body);
		json_decref(json);
	}
	free(bare);
}
