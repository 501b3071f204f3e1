/*
 * response.h - an answer on the wire: status line, the fields that are the front door's own, and
 * the body. Pure: appends to a buffer.
 */
#ifndef PLAZA_HTTP_RESPONSE_H
#define PLAZA_HTTP_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/span.h"
#include "http/reply.h"

enum response_connection {
	RESPONSE_KEEP,       /* HTTP/1.1 stays open without a word */
	RESPONSE_KEEP_ALIVE, /* HTTP/1.0 wants it said (RFC 9112 appendix C.2.2) */
	RESPONSE_CLOSE
};

/* What follows the head. */
enum response_body {
	RESPONSE_WHOLE,     /* the reply's body */
	RESPONSE_HEAD_ONLY, /* none, in answer to HEAD, though the head tells its length */
	RESPONSE_CHUNKS,    /* pieces will, by response_write_chunk */
	RESPONSE_TO_END /* pieces will, as they are, to the end of the connection; or, to a HEAD,
			    nothing, of a length that is not known */
};

/* The field lines that all answers have, made once a second: one copy per answer. */
struct response_common {
	uint64_t until_us; /* then Date is to be made anew; 0: nothing is made yet */
	size_t len;
	char text[128];
};

/* Makes them anew when it is time; `now_us` as for clock_http_date. Good until the next call. */
struct span response_common(struct response_common *common, bool has_server, uint64_t now_us);

/* What an answer's head has besides what its handler wants. */
struct response_head {
	enum response_connection connection;
	enum response_body body;
	struct span common; /* of response_common */
	struct span fields; /* whole lines, each ended by CRLF; mostly none */
};

/* "Not Found"; "Error" or "OK" for a status that the table does not have. */
const char *response_phrase(int status);

/*
 * Appends the answer, or its head only (RFC 9110 9.3.2, RFC 9112 6.3). False on out-of-memory;
 * `out` is as it was then.
 */
bool response_write(struct buffer *out, const struct reply *reply, const struct response_head *head)
    __attribute__((warn_unused_result));

/* A piece of a body sent in chunks, not empty (RFC 9112 7.1). */
bool response_write_chunk(struct buffer *out, struct span piece)
    __attribute__((warn_unused_result));
/* The end of such a body. */
bool response_write_last_chunk(struct buffer *out) __attribute__((warn_unused_result));

/* The interim answer that a client with "Expect: 100-continue" waits for. */
bool response_write_continue(struct buffer *out) __attribute__((warn_unused_result));

#endif
