/*
 * reply.h - what a handler answers.
 */
#ifndef PLAZA_HTTP_REPLY_H
#define PLAZA_HTTP_REPLY_H

#include "base/span.h"

struct reply {
	int status;               /* 200.. */
	const char *content_type; /* NULL: no such field */
	struct span body;
	/* further header lines, each ended by CRLF, e.g. "Location: /api/products/7\r\n"; or NULL
	 */
	const char *fields;
	/*
	 * The entity-tag of a 200's content (RFC 9110 8.8.3), e.g. "\"7-3\"", or
	 * REPLY_ETAG_OF_BODY, or NULL for none. A GET or HEAD whose If-Match does not have it is
	 * answered 412 instead, and one whose If-None-Match has it 304, if not in pieces.
	 */
	const char *etag;
};

/* A tag made of the body: for what costs more to send than to hash, a nanosecond a byte. */
#define REPLY_ETAG_OF_BODY ""

#endif
