/*
 * query_mistakes.c - mistakes of queries: their words, and the answer. Called by: handlers of
 * routes that have parameters.
 */
#include "http/query_mistakes.h"

#include <stdio.h>

/* All names of parameters of one route, in words. */
#define NAMES_MAX 120
/* What is shown of a name that is none. */
#define SHOWN_MAX 40

void
query_mistakes_add(struct mistakes *m, const struct query_param *param, const char *must)
{
	mistakes_add_parameter(m, span_str(param->name), "%s %s", param->name, must);
}

/* "a, b and c" */
static void
names_in_words(const struct query_param *params, size_t n, char words[NAMES_MAX])
{
	size_t len = 0;

	snprintf(words, NAMES_MAX, "%s", n ? "" : "none");
	for (size_t i = 0; i < n && len < NAMES_MAX; i++) {
		const char *before = i == 0 ? "" : i == n - 1 ? " and " : ", ";

		len +=
		    (size_t)snprintf(words + len, NAMES_MAX - len, "%s%s", before, params[i].name);
	}
}

void
query_mistakes_add_unknown(struct mistakes *m, struct span query, const struct query_param *params,
			   size_t n)
{
	char words[NAMES_MAX];
	struct span name;

	for (bool is_first = true; (name = query_unknown(&query, params, n)).ptr;
	     is_first = false) {
		if (is_first)
			names_in_words(params, n, words);
		mistakes_add_parameter(
		    m, name, "\"%.*s%s\" is not a parameter here; %s %s accepted",
		    name.len < SHOWN_MAX ? (int)name.len : SHOWN_MAX, name.ptr,
		    name.len > SHOWN_MAX ? ".." : "", words, n == 1 ? "is" : "are");
	}
}

struct problem
query_mistakes_problem(const struct mistakes *m, const char *hint)
{
	return (struct problem){
	    .status = 400,
	    .type = "bad-parameter",
	    .title = "The query is not accepted",
	    .detail = m->error[0].detail,
	    .hint = hint,
	    .errors = m->error,
	    .n_errors = m->n,
	};
}
