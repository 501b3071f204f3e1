/*
 * extract.h - some values of a JSON text (RFC 8259), found by their JSON pointers (RFC 6901) while
 * the text comes in: a text of any size costs no more memory than what is found in it. Pure.
 *
 * What is found is JSON, too, and any reader of JSON can hold it: integers beyond 2^53 - 1 and
 * numbers beyond an IEEE 754 double are strings with exactly their digits, U+0000 is left out, and
 * bytes and escapes that are no Unicode are U+FFFD. Of a key that comes twice the last one counts.
 */
#ifndef PLAZA_FETCH_EXTRACT_H
#define PLAZA_FETCH_EXTRACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

#define EXTRACT_MAX         32  /* pointers */
#define EXTRACT_POINTER_MAX 256 /* bytes of one */
#define EXTRACT_DEPTH_MAX   128
#define EXTRACT_OUT_MAX     ((size_t)32 << 10) /* bytes, all values together */

/* NULL, or what is wrong, a literal. */
const char *extract_pointer_check(struct span pointer);

struct extract;

enum extract_found {
	EXTRACT_FOUND,
	EXTRACT_MISSING,
	EXTRACT_TOO_LARGE /* it is there, and does not fit into EXTRACT_OUT_MAX */
};

/*
 * `pointers` have been checked, are at most EXTRACT_MAX, and stay where they are. NULL on
 * out-of-memory.
 */
struct extract *extract_new(const struct span *pointers, size_t n);
void extract_free(struct extract **extract);

/* The next bytes of the text. False on out-of-memory; what is no JSON is told at the end. */
bool extract_feed(struct extract *extract, const char *data, size_t len)
    __attribute__((warn_unused_result));

/* No more comes. NULL, or why it is no JSON: then nothing is found. */
const char *extract_end(struct extract *extract);

/*
 * After extract_end. The value of pointer `i` as JSON text, appended to `out` up to `max` bytes of
 * it in all; *ok false when that does not do, or there is no memory, and then it returns MISSING.
 */
struct buffer;
enum extract_found extract_value(const struct extract *extract, size_t i, struct buffer *out,
				 size_t max, bool *ok);

#endif
