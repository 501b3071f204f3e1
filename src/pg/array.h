/*
 * array.h - one-dimensional arrays in PostgreSQL's binary format, as parameters of queries: no
 * quoting, and no text that the server would have to read.
 */
#ifndef PLAZA_PG_ARRAY_H
#define PLAZA_PG_ARRAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/span.h"

/* By the OID of the element's type, pg_type.dat; these have never changed. */
enum array_type { ARRAY_INT8 = 20, ARRAY_INT4 = 23, ARRAY_TEXT = 25, ARRAY_UUID = 2950 };

struct array {
	struct buffer *out;
	size_t max;   /* of the buffer */
	size_t begin; /* where the array begins in it */
	uint32_t n;
};

/*
 * At the end of `out`, of which nothing else may be appended before array_end. All return false
 * where buffer_reserve does; the array cannot be used then. `max` counts up to what a parameter of
 * libpq may have, INT_MAX.
 */
bool array_begin(struct array *array, struct buffer *out, enum array_type type, size_t max)
    __attribute__((warn_unused_result));
/* One element more, of the type that it was begun with. */
bool array_add_int4(struct array *array, int32_t value) __attribute__((warn_unused_result));
bool array_add_int8(struct array *array, int64_t value) __attribute__((warn_unused_result));
/* Of a UUID its 16 bytes. */
bool array_add_text(struct array *array, struct span text) __attribute__((warn_unused_result));
bool array_add_null(struct array *array) __attribute__((warn_unused_result));
/* Its bytes in `out`, valid until something is appended there. */
struct span array_end(struct array *array);

#endif
