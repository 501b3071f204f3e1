/*
 * json_body.h - a request's body read as JSON by jansson, or the problem answered.
 */
#ifndef PLAZA_HTTP_JSON_BODY_H
#define PLAZA_HTTP_JSON_BODY_H

#include <jansson.h>
#include <stddef.h>

#include "base/span.h"
#include "http/exchange.h"

/*
 * No connection may hold the loop for more than 10 ms, so this is what can be read in half of that,
 * whatever is in it (tests/bench/bench_json.c measures the worst bodies that these bounds let
 * through). Every route that reads JSON has it as its body_limit. A small body can make jansson
 * allocate hundreds of times its size, and an object whose keys share a bucket takes time by their
 * square: what has more is refused before jansson sees it.
 */
#define JSON_BODY_MAX        ((size_t)64 << 10) /* bytes */
#define JSON_BODY_MAX_DEPTH  64
#define JSON_BODY_MAX_VALUES 10000
#define JSON_BODY_MAX_KEYS   128 /* of one object */

struct json_body_error {
	int status;       /* 400: not JSON; 422: JSON, but a value that nothing here can hold */
	char detail[200]; /* what is wrong, where, and what is accepted */
};

/*
 * Any JSON value, UTF-8, no key twice in an object; every number is a json_real (a whole number
 * too: it counts by its double). NULL with `error` filled otherwise. Pure.
 */
json_t *json_body_load(struct span body, struct json_body_error *error);

/* The same for the body of `x`. NULL: the problem is answered already. */
json_t *json_body_read(struct exchange *x);

#endif
