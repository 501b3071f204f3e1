/*
 * buffer.h - a growable run of bytes with a bound that the caller names at each growth.
 */
#ifndef PLAZA_BASE_BUFFER_H
#define PLAZA_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"

struct buffer {
	char *data; /* NULL while cap is 0 */
	size_t len;
	size_t cap;
};

/* All zeros is an empty buffer that holds no memory. */
void buffer_init(struct buffer *b);

/* Gives the memory back; the buffer is empty and may be used again. */
void buffer_fini(struct buffer *b);

/*
 * Room for `extra` bytes past len. False if len + extra would pass `max`, or on
 * out-of-memory; the content is untouched then.
 */
bool buffer_reserve(struct buffer *b, size_t extra, size_t max) __attribute__((warn_unused_result));

/* Copies `len` bytes to the end; false as in buffer_reserve. */
bool buffer_append(struct buffer *b, const void *data, size_t len, size_t max)
    __attribute__((warn_unused_result));

/* Becomes these bytes, which are not its own, in memory of just their size; false as above. */
bool buffer_assign(struct buffer *b, const void *data, size_t len)
    __attribute__((warn_unused_result));

/* printf to the end (no terminator counted in len); false as in buffer_reserve. */
bool buffer_printf(struct buffer *b, size_t max, const char *fmt, ...)
    __attribute__((format(printf, 3, 4), warn_unused_result));

/* Drops the first `n` bytes (n <= len); the rest moves to the front. */
void buffer_consume(struct buffer *b, size_t n);

static inline struct span
buffer_span(const struct buffer *b)
{
	return span_from(b->data, b->len);
}

#endif
