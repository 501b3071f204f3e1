/*
 * json_text.h - JSON from outside, read by jansson within bounds.
 */
#ifndef PLAZA_HTTP_JSON_TEXT_H
#define PLAZA_HTTP_JSON_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"

/*
 * A small text can make jansson allocate hundreds of times its size, and an object whose keys share
 * a bucket takes time by their square: what has more than this is refused before jansson sees it
 * (tests/bench/bench_json.c measures the worst that these bounds let through).
 */
#define JSON_TEXT_MAX_DEPTH  64
#define JSON_TEXT_MAX_VALUES 10000
#define JSON_TEXT_MAX_KEYS   128 /* of one object */

struct json_text_rules {
	const char *what; /* as errors call it: "body" */
	size_t max;       /* bytes */
	bool allows_nul;  /* U+0000 in strings; in keys it is an error all the same */
	/* let in before, by somebody else: whole numbers stay json_integers, and a key may be there
	 * twice, the last one counts */
	bool is_stored;
};

struct json_text_error {
	int status; /* 400: not JSON; 422: JSON, but a value that nothing here can hold; 503 */
	char detail[200]; /* what is wrong, where, and what is accepted */
};

/*
 * Any JSON value, UTF-8, no key twice in an object; every number is a json_real (a whole number
 * too: it counts by its double). NULL with `error` filled otherwise: never, as jansson alone does,
 * a value with a hole in it where there was no memory. Pure.
 */
json_t *json_text_load(struct span text, const struct json_text_rules *rules,
		       struct json_text_error *error);

#endif
