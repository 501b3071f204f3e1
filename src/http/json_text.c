/*
 * json_text.c - bounds first, then jansson, then its errors in our own words (its texts quote the
 * input and may cut a character in two).
 */
#include "http/json_text.h"

#include <stdio.h>
#include <stdlib.h>

/*
 * Counts bytes, values, nesting and keys outside strings. It judges nothing else: what is no JSON
 * is found by jansson, and until then it counts the same structural bytes.
 */
static bool
is_bounded(struct span text, size_t max)
{
	size_t depth = 0, values = 1, keys[JSON_TEXT_MAX_DEPTH + 1] = {0};
	bool in_string = false;

	if (text.len > max)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
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
			if (++depth > JSON_TEXT_MAX_DEPTH || ++values > JSON_TEXT_MAX_VALUES)
				return false;
			keys[depth] = 0;
			break;
		case ']':
		case '}':
			if (depth)
				depth--;
			break;
		case ',':
			if (++values > JSON_TEXT_MAX_VALUES)
				return false;
			break;
		case ':':
			if (++keys[depth] > JSON_TEXT_MAX_KEYS)
				return false;
			break;
		default: break;
		}
	}
	return true;
}

static void
describe(const json_error_t *je, const char *what, struct json_text_error *error)
{
	char said[100];

	error->status = 400;
	switch (json_error_code(je)) {
	case json_error_numeric_overflow:
		error->status = 422;
		snprintf(said, sizeof(said), "a number is too large for an IEEE 754 double");
		break;
	case json_error_null_character:
	case json_error_null_byte_in_key:
		error->status = 422;
		snprintf(said, sizeof(said), "U+0000 cannot be stored; any other character can");
		break;
	case json_error_invalid_utf8:
		snprintf(said, sizeof(said), "the %s is not UTF-8", what);
		break;
	case json_error_premature_end_of_input:
		snprintf(said, sizeof(said), "the %s ends before its JSON value does", what);
		break;
	case json_error_end_of_input_expected:
		snprintf(said, sizeof(said), "something follows the JSON value");
		break;
	case json_error_duplicate_key:
		snprintf(said, sizeof(said), "an object has the same key twice");
		break;
	default: snprintf(said, sizeof(said), "the %s is not JSON (RFC 8259)", what);
	}
	snprintf(error->detail, sizeof(error->detail), "line %d, column %d: %s", je->line,
		 je->column, said);
}

/*
 * jansson calls a string that it had no memory for an invalid token, and other things nothing; a
 * long string it leaves characters out of, and says that all is well (strbuffer_append_byte in
 * lex_save of 2.14).
 */
static bool has_memory;

static void *
json_malloc(size_t size)
{
	void *p = malloc(size);

	has_memory = has_memory && p;
	return p;
}

json_t *
json_text_load(struct span text, const struct json_text_rules *rules, struct json_text_error *error)
{
	size_t flags = JSON_DECODE_ANY;
	json_error_t je;

	if (!is_bounded(text, rules->max)) {
		error->status = 400;
		snprintf(error->detail, sizeof(error->detail),
			 "at most %zu bytes with %d values, nested at most %d deep, and %d keys in "
			 "each object are accepted",
			 rules->max, JSON_TEXT_MAX_VALUES, JSON_TEXT_MAX_DEPTH, JSON_TEXT_MAX_KEYS);
		return NULL;
	}
	if (rules->allows_nul)
		flags |= JSON_ALLOW_NUL;
	if (!rules->is_stored)
		flags |= JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL;
	json_set_alloc_funcs(json_malloc, free);
	has_memory = true;
	json_t *json = json_loadb(text.len ? text.ptr : "", text.len, flags, &je);
	if (!has_memory) {
		json_decref(json);
		json = NULL;
		error->status = 503;
		snprintf(error->detail, sizeof(error->detail), "out of memory");
	} else if (!json) {
		describe(&je, rules->what, error);
	}
	return json;
}
