/*
 * body_type.h - the media type of a request's body (RFC 9110 8.3), against those that a route
 * takes. Pure.
 */
#ifndef PLAZA_HTTP_BODY_TYPE_H
#define PLAZA_HTTP_BODY_TYPE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"
#include "http/request.h"

/*
 * Whether the one Content-Type of the request is `type`, as in SPAN_LIT("text/csv"): case ignored,
 * and whatever parameters it has.
 */
bool body_type_is(const struct request *request, struct span type);

/* Whether it is one of `types`, which is as route.body_type: "application/json, text/csv". */
bool body_type_is_listed(const struct request *request, const char *types);

/* Writes "application/json, text/csv or a/b", cut at `size`, which is not 0. Returns `out`. */
const char *body_type_words(const char *types, char *out, size_t size);

#endif
