/*
 * response.h - an answer on the wire: status line, the fields that are the front door's own, and
 * the body. Pure: appends to a buffer.
 */
#ifndef PLAZA_HTTP_RESPONSE_H
#define PLAZA_HTTP_RESPONSE_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/span.h"
#include "http/reply.h"

enum response_connection {
	RESPONSE_KEEP,       /* HTTP/1.1 stays open without a word */
	RESPONSE_KEEP_ALIVE, /* HTTP/1.0 wants it said (RFC 9112 appendix C.2.2) */
	RESPONSE_CLOSE
};

/* "Not Found"; "Error" or "OK" for a status that the table does not have. */
const char *response_phrase(int status);

/*
 * Appends the whole answer. `head_only` is for HEAD: the same head, no body (RFC 9110 9.3.2).
 * `date` is the value of Date. False on out-of-memory; `out` is as it was then.
 */
bool response_write(struct buffer *out, const struct reply *reply,
		    enum response_connection connection, bool head_only, struct span date)
    __attribute__((warn_unused_result));

/* The interim answer that a client with "Expect: 100-continue" waits for. */
bool response_write_continue(struct buffer *out) __attribute__((warn_unused_result));

#endif
