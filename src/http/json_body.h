/*
 * json_body.h - a request's body read as JSON by jansson, or the problem answered.
 */
#ifndef PLAZA_HTTP_JSON_BODY_H
#define PLAZA_HTTP_JSON_BODY_H

#include <jansson.h>
#include <stddef.h>

#include "base/span.h"
#include "http/exchange.h"
#include "http/json_text.h"

/*
 * No connection may hold the loop for more than 10 ms, so this is what can be read in half of that,
 * whatever is in it, within the other bounds of json_text.h. Every route that reads JSON has it as
 * its body_limit.
 */
#define JSON_BODY_MAX ((size_t)64 << 10) /* bytes */

/* As json_text_load; strings may contain U+0000, and who cannot hold that says where it is. Pure.
 */
json_t *json_body_load(struct span body, struct json_text_error *error);

/* The same for the body of `x`. NULL: the problem is answered already. */
json_t *json_body_read(struct exchange *x);

#endif
