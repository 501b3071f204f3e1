/*
 * query_mistakes.h - what is wrong with a query, told all at once: 400 "bad-parameter". Pure.
 */
#ifndef PLAZA_HTTP_QUERY_MISTAKES_H
#define PLAZA_HTTP_QUERY_MISTAKES_H

#include <stddef.h>

#include "base/span.h"
#include "http/mistakes.h"
#include "http/problem.h"
#include "http/query.h"

/* `param` is not what it must be: "must be a number from 1 to 9"; its name goes before that. */
void query_mistakes_add(struct mistakes *m, const struct query_param *param, const char *must);

/* Every name in the query that is none of params[0..n), and which those are. */
void query_mistakes_add_unknown(struct mistakes *m, struct span query,
				const struct query_param *params, size_t n);

/* At least one of them, as exchange_problem takes it; it points into `m`. `hint` as in it. */
struct problem query_mistakes_problem(const struct mistakes *m, const char *hint);

#endif
