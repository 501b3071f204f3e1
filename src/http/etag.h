/*
 * etag.h - entity-tags (RFC 9110 8.8.3): made of a body, and looked for in If-None-Match. Pure.
 */
#ifndef PLAZA_HTTP_ETAG_H
#define PLAZA_HTTP_ETAG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"

/* Room for a tag of etag_of_body, with its terminator, and for W/ before it. */
#define ETAG_SIZE 37

/*
 * A longer body is not hashed: reading it would hold the loop, and its client can still have it
 * unconditionally.
 */
#define ETAG_BODY_MAX ((size_t)2 << 20)

/*
 * Writes a strong tag: equal for equal bodies, in every worker, after a restart, on another host
 * that serves the same database; and for two bodies that differ, different, whoever chose them.
 * Without memory for that, the empty string.
 */
void etag_of_body(struct span body, char tag[ETAG_SIZE]);

/* Whether it is one whole entity-tag, weak or strong. */
bool etag_is_valid(struct span tag);

/*
 * Whether an If-None-Match of this value names `tag` (RFC 9110 13.1.2), weakly compared
 * (8.8.3.2): W/ does not count. "*" names every tag. A value that is not of the grammar names none,
 * so that the client gets all of the answer.
 */
bool etag_is_listed(struct span value, struct span tag);

#endif
