/*
 * access_line.h - one line of the access log: what a request and its answer look like in it. Pure:
 * appends to memory that the caller has.
 *
 * combined  addr - - [22/Nov/2026:21:13:58 +0000] "GET /x HTTP/1.1" 200 16 "referer" "user agent"
 * json      {"time":"2026-11-22T21:13:58.123Z","worker":0,"addr":...}
 *
 * A line is printable ASCII, ended by a newline and never longer than ACCESS_LINE_MAX, whatever a
 * client sent. In combined, quotes, backslashes and all that is not printable are \xHH, as nginx
 * writes them. In json they are JSON's escapes; a character beyond ASCII is \uXXXX, and NUL or a
 * byte that belongs to no UTF-8 character is \ufffd. What is longer than its bound, escapes
 * counted, is cut between two escapes and ends in "...".
 */
#ifndef PLAZA_HTTP_ACCESS_LINE_H
#define PLAZA_HTTP_ACCESS_LINE_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/span.h"
#include "http/access.h"
#include "http/request.h"

/* PIPE_BUF: what is written at once into a pipe stays together (pipe(7)). */
#define ACCESS_LINE_MAX 4096

/* Bounds of what a client chose, as it is written. */
#define ACCESS_TARGET_MAX  2048
#define ACCESS_BAD_MAX     256 /* of a request line that could not be read */
#define ACCESS_HOST_MAX    256
#define ACCESS_REFERER_MAX 512
#define ACCESS_AGENT_MAX   512

/* Enough for access_line_keep. */
#define ACCESS_KEPT_MAX 3584

/* As the words of log.access are numbered. */
enum access_form { ACCESS_OFF, ACCESS_COMBINED, ACCESS_JSON };

/* The moment of the line: its second as text, and where in the second it is. */
struct access_stamp {
	char text[40];
	size_t len;
	unsigned ms;
	uint64_t now_us; /* CLOCK_MONOTONIC */
};

/* A request and its answer. What came from the request is in one of the first three. */
struct access_entry {
	const struct request *request; /* in hand; or NULL, and then */
	struct span kept;              /* what access_line_keep made of it; or, if len is 0, */
	struct span bad; /* the beginning of a head that could not be read; or len 0 */
	const struct access_peer *peer;
	unsigned worker;
	int status;
	uint64_t bytes_in;   /* of the body, as far as it was taken */
	uint64_t bytes_out;  /* of the answer's body */
	uint64_t since_us;   /* when the end of the head was read, CLOCK_MONOTONIC; 0: never */
	uint64_t n_requests; /* of the connection, with this one */
};

/* Sets text and len; `second` is since the epoch. */
void access_stamp_set(struct access_stamp *stamp, enum access_form form, time_t second);

/*
 * What a line needs of the request when its answer comes later: written to `out`, which has room
 * for ACCESS_KEPT_MAX bytes. Returns how many. Good for lines of the same form.
 */
size_t access_line_keep(char *out, enum access_form form, const struct request *request);

/* Writes the line to `out`, which has room for ACCESS_LINE_MAX bytes. Returns its length. */
size_t access_line_write(char *out, enum access_form form, const struct access_stamp *stamp,
			 const struct access_entry *entry);

#endif
