/*
 * answer.h - what a handler answers, and what the request asked of its answer, put together: 304,
 * 412, gzip, the fields of CORS, Vary. Internal to http/.
 */
#ifndef PLAZA_HTTP_ANSWER_H
#define PLAZA_HTTP_ANSWER_H

#include <stdbool.h>

#include "base/buffer.h"
#include "http/exchange_internal.h"
#include "http/gzip.h"
#include "http/reply.h"
#include "http/response.h"

/* Reads of the request in hand what its answer may depend on; `origin` and error_form stay. */
void answer_wish_read(struct exchange *x);

/*
 * Appends the answer, or its head, as response_write does. One with RESPONSE_WHOLE may become a
 * 304 or 412, or shorter by gzip; a head that pieces follow has just what `reply` says, and CORS.
 */
bool answer_write(struct exchange *x, struct buffer *out, const struct reply *reply,
		  enum response_body body) __attribute__((warn_unused_result));

/* Whether this answer may be coded by gzip, and is, if its request takes it. */
bool answer_has_gzip_form(const struct exchange *x, const struct reply *reply);

#define ANSWER_TAG_SIZE 128

/*
 * Writes the reply's tag, or "" for none. Of a coded answer it is made weak: with the same content,
 * not each answer has the same bytes (RFC 9110 8.8.1).
 */
void answer_tag(const struct reply *reply, char tag[ANSWER_TAG_SIZE]);
/* What makes it weak: to be put before it. */
static inline const char *
answer_tag_prefix(const char *tag, bool is_coded)
{
	return is_coded && tag[0] == '"' ? "W/" : "";
}

/*
 * Whether the client wants a content whose tag it has named (If-Match), and this is another one: it
 * has to be RESPONSE_WHOLE or _HEAD_ONLY then, and becomes a 412.
 */
bool answer_is_unmatched(const struct exchange *x, const struct reply *reply);

/* Whether the client has named the tag as one that it has, so that 304 is enough. */
bool answer_is_unchanged(const struct exchange *x, const struct reply *reply, const char *tag);

/*
 * Whether this pass of the loop has time for a slice: all connections together get some
 * milliseconds of it.
 */
bool answer_may_code(const struct door *door);

/* The next slice into door->coded, alone. False on out-of-memory. */
bool answer_code(struct door *door, struct gzip_progress *progress, struct span slice, bool is_last)
    __attribute__((warn_unused_result));

#endif
