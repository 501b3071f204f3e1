/*
 * fetch_result.h - what a job tells of one URL, as JSON. Pure.
 *
 *   {"url":"...","status":200,"ms":12,"bytes":345,"text":"...","values":{...},"missing":[...],
 *    "error":null}
 *
 * All members are always there. status and text are null when nothing came; a value that was not
 * found is null, and its name is in `missing`.
 */
#ifndef PLAZA_FETCH_FETCH_RESULT_H
#define PLAZA_FETCH_FETCH_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/span.h"
#include "fetch/extract.h"

struct fetch_result {
	struct span url; /* as it was given */
	int status;      /* 0: none */
	uint64_t ms, bytes;
	bool has_text;
	struct span text;
	const char *error; /* NULL: none */
	/* values: n of them; `extract` NULL: none was found */
	size_t n_values, values_max;
	const struct span *names;
	const struct extract *extract;
};

/* False on out-of-memory; `out` is then as it was. */
bool fetch_result_append(struct buffer *out, const struct fetch_result *result)
    __attribute__((warn_unused_result));

#endif
