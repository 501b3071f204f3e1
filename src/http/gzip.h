/*
 * gzip.h - the gzip coding (RFC 9110 8.4.1.3, RFC 1952) of a body, slice by slice.
 *
 * Each slice is coded for itself, with an empty window, and ends on a whole byte: between two
 * slices an answer is but a checksum and a count, and one deflate state serves all the answers
 * that a worker has in hand. That costs about a hundredth in size.
 */
#ifndef PLAZA_HTTP_GZIP_H
#define PLAZA_HTTP_GZIP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/span.h"

/* The longest slice, in bytes: 1.3 ms of work when it is JSON, less than 3 ms whatever it is. */
#define GZIP_SLICE ((size_t)128 << 10)

/* A deflate state: about 260 KiB. */
struct gzip;

/* NULL on out-of-memory. */
struct gzip *gzip_new(void);
void gzip_free(struct gzip **gzip);

/* How far the coding of one body is; all zeros is its start. */
struct gzip_progress {
	bool is_begun;
	uint32_t crc;
	uint32_t len; /* modulo 2^32, as RFC 1952 wants it */
};

/*
 * Appends the next slice, coded; with `is_last` the body is whole. False on out-of-memory, with
 * all as it was.
 */
bool gzip_slice(struct gzip *gzip, struct gzip_progress *progress, struct span slice, bool is_last,
		struct buffer *out) __attribute__((warn_unused_result));

#endif
