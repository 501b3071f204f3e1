/*
 * json_body.c - bounds first, then jansson, then its errors in our own words (its texts quote the
 * body and may cut a character in two).
 */
#include "http/json_body.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "http/problem.h"

/*
 * Counts bytes, values, nesting and keys outside strings. It judges nothing else: what is no JSON
 * is found by jansson, and until then it counts the same structural bytes.
 */
static bool
is_bounded(struct span body)
{
	size_t depth = 0, values = 1, keys[JSON_BODY_MAX_DEPTH + 1] = {0};
	bool in_string = false;

	if (body.len > JSON_BODY_MAX)
		return false;
	for (size_t i = 0; i < body.len; i++) {
		char c = body.ptr[i];
		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
			continue;
		}
		switch (c) {
		case '"': in_string = true; break;
		case '[':
		case '{':
			if (++depth > JSON_BODY_MAX_DEPTH || ++values > JSON_BODY_MAX_VALUES)
				return false;
			keys[depth] = 0;
			break;
		case ']':
		case '}':
			if (depth)
				depth--;
			break;
		case ',':
			if (++values > JSON_BODY_MAX_VALUES)
				return false;
			break;
		case ':':
			if (++keys[depth] > JSON_BODY_MAX_KEYS)
				return false;
			break;
		default: break;
		}
	}
	return true;
}

static void
describe(const json_error_t *je, struct json_body_error *error)
{
	const char *what;

	error->status = 400;
	switch (json_error_code(je)) {
	case json_error_numeric_overflow:
		error->status = 422;
		what = "a number is too large for an IEEE 754 double";
		break;
	case json_error_null_character:
	case json_error_null_byte_in_key:
		error->status = 422;
		what = "U+0000 cannot be stored; any other character can";
		break;
	case json_error_invalid_utf8: what = "the body is not UTF-8"; break;
	case json_error_premature_end_of_input:
		what = "the body ends before its JSON value does";
		break;
	case json_error_end_of_input_expected: what = "something follows the JSON value"; break;
	case json_error_duplicate_key: what = "an object has the same key twice"; break;
	default: what = "the body is not JSON (RFC 8259)"; break;
	}
	snprintf(error->detail, sizeof(error->detail), "line %d, column %d: %s", je->line,
		 je->column, what);
}

/* jansson calls a string that it had no memory for an invalid token, and other things nothing. */
static bool has_memory;

static void *
json_malloc(size_t size)
{
	void *p = malloc(size);

	has_memory = has_memory && p;
	return p;
}

json_t *
json_body_load(struct span body, struct json_body_error *error)
{
	json_error_t je;

	if (!is_bounded(body)) {
		error->status = 400;
		snprintf(error->detail, sizeof(error->detail),
			 "at most %zu bytes with %d values, nested at most %d deep, and %d keys in "
			 "each object are accepted",
			 JSON_BODY_MAX, JSON_BODY_MAX_VALUES, JSON_BODY_MAX_DEPTH,
			 JSON_BODY_MAX_KEYS);
		return NULL;
	}
	json_set_alloc_funcs(json_malloc, free);
	has_memory = true;
	json_t *json =
	    json_loadb(body.len ? body.ptr : "", body.len,
		       JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &je);
	if (!json && !has_memory) {
		error->status = 503;
		snprintf(error->detail, sizeof(error->detail), "out of memory");
	} else if (!json) {
		describe(&je, error);
	}
	return json;
}

json_t *
json_body_read(struct exchange *x)
{
	struct json_body_error error;
	json_t *json = json_body_load(exchange_body(x), &error);

	if (json)
		return json;
	const struct problem_error whole = {"", error.detail};
	struct problem problem = {.status = error.status, .detail = error.detail};
	switch (error.status) {
	case 422:
		problem.type = "validation";
		problem.title = "The content is not valid";
		problem.errors = &whole;
		problem.n_errors = 1;
		break;
	case 503:
		problem.type = "overloaded";
		problem.title = "The server is overloaded";
		problem.fields = "Retry-After: 1\r\n";
		break;
	default:
		problem.type = "not-json";
		problem.title = "The body is not JSON";
		problem.hint = "jq . FILE shows where a file stops being JSON; in a shell, put it "
			       "into single quotes.";
	}
	exchange_problem(x, &problem);
	return NULL;
}
