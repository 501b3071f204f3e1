/*
 * etag.h - entity-tags (RFC 9110 8.8.3): made of a body, and looked for in the lists of If-Match
 * and If-None-Match. Pure.
 */
#ifndef PLAZA_HTTP_ETAG_H
#define PLAZA_HTTP_ETAG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"

/* Room for a tag of etag_of_body, with its terminator, and for W/ before it. */
#define ETAG_SIZE 27

/*
 * A longer body is not hashed: reading it would hold the loop, and its client can still have it
 * unconditionally.
 */
#define ETAG_BODY_MAX ((size_t)2 << 20)

/*
 * Writes a strong tag: equal for equal bodies, in every worker, after a restart, on another host
 * that serves the same database; and different for two bodies that differ, by chance in one of
 * 2^128 cases not.
 */
void etag_of_body(struct span body, char tag[ETAG_SIZE]);

/* Whether it is one whole entity-tag, weak or strong. */
bool etag_is_valid(struct span tag);

/* Whether the value of such a field is "*", which names whatever is there. */
bool etag_is_any(struct span value);

enum etag_next {
	ETAG_END, /* there is none left */
	ETAG_TAG,
	ETAG_BAD /* what comes is no list of entity-tags */
};

/* The next of a list, taken off the front of *rest. */
enum etag_next etag_list_next(struct span *rest, struct span *tag);

/* RFC 9110 8.8.3.2. */
enum etag_comparison {
	ETAG_WEAK,  /* W/ does not count */
	ETAG_STRONG /* and no tag that has it is equal to any */
};

/*
 * Whether a field of this value names `tag` (13.1.1: If-Match, strongly; 13.1.2: If-None-Match,
 * weakly). "*" names every tag, also none: an empty one. A value that is not of the grammar names
 * nothing.
 */
bool etag_is_listed(struct span value, struct span tag, enum etag_comparison comparison);

#endif
