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
};

#endif
