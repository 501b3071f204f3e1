/*
 * chunked.h - a body in the chunked transfer coding (RFC 9112 7.1), decoded as it comes. Pure, and
 * resumable at any byte: the same bytes give the same result however they are cut.
 */
#ifndef PLAZA_HTTP_CHUNKED_H
#define PLAZA_HTTP_CHUNKED_H

#include <stddef.h>
#include <stdint.h>

/* Of all chunk-size lines of a body together: nobody needs extensions, so this is generous. */
#define CHUNKED_MAX_EXTENSIONS 4096
/* Of the trailer section, line ends included. */
#define CHUNKED_MAX_TRAILERS 8192

enum chunked_status {
	CHUNKED_MORE, /* every byte given was used; the body is not over */
	CHUNKED_DONE, /* the body is over; what lies behind `used` belongs to the next request */
	CHUNKED_BAD   /* see error_status; the stream cannot be trusted any more */
};

struct chunked {
	unsigned state;
	unsigned size_digits;      /* of the chunk size being read */
	uint64_t left;             /* that size, then the bytes of the chunk still to come */
	uint64_t total;            /* body bytes that the chunk sizes have promised */
	uint64_t max;              /* of total */
	size_t extension_bytes;    /* so far */
	size_t trailer_bytes;      /* so far */
	int error_status;          /* 400, 413 or 431 */
	const char *error_message; /* what is wrong and what is accepted, a literal */
};

/* A body of more than `max_body` bytes is answered 413, as soon as a chunk size promises it. */
void chunked_init(struct chunked *c, uint64_t max_body);

/*
 * Decodes data[0..len). Body bytes go to `out`, which has room for len bytes and may be `data`
 * itself (or lie before it), or NULL to drop them: *decoded is how many, also when the result is
 * BAD. *used is how many bytes of `data` were read. Trailers are checked as field lines and then
 * dropped: no framing and no meaning is taken from them (RFC 9110 6.5.1). After DONE or BAD it uses
 * nothing more and repeats its answer.
 */
enum chunked_status chunked_decode(struct chunked *c, const char *data, size_t len, size_t *used,
				   char *out, size_t *decoded);

#endif
