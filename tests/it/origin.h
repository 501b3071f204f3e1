/*
 * origin.h - an origin server on the loopback for whatever fetches: well-behaved, slow, and
 * hostile, by the path that is asked for. It is a process of its own; what it has seen is in shared
 * memory.
 *
 * Paths (a query sets what differs: /x?ms=200&size=100):
 *   /ok             200 text/plain "hello\n"
 *   /size?n=        200, n letters; &type= its Content-Type, with %XX
 *   /status?code=   that status; &after= a Retry-After; &first= so many times, and then 200
 *   /redirect?n=    302 to itself n times, then to /ok; &code=, or &to= a Location, with %XX
 *   /echo           200, the request's head and body as they came
 *   /body?type=     200, that Content-Type and &text= as the body; both with %XX
 *   /slow?ms=       as /ok, after that time
 *   /together?n=    as /ok, as soon as n requests for it have come
 *   /never          reads the request and says nothing
 *   /close          closes the connection without a word; &first= as above
 *   /cut            says it has 100 bytes and closes after 10
 *   /drip?ms=       a byte, then another one each ms, without end
 *   /endless        chunks without end, as fast as they are taken
 *   /gzip           200, {"a":1} compressed; &times= so often
 *   /bomb           200, 64 MiB of zeros in 64 KiB of gzip
 *   /brotli         says it is compressed by something else
 *   /heads          header fields without end; /line one field without end
 *   /interim?n=     n times 103, then as /ok; without n without end
 *   /trailers       a chunked body, and trailers without end
 *   /garbage        an answer that is no HTTP
 *   /raw?text=      that text, with %XX, and the end; &more= a byte more, and no end
 *   /extension      a chunk whose extension has no end; /chunks chunks of a byte without end
 *   /hollow         gzip without end that holds nothing; /name gzip whose file name has none
 */
#ifndef PLAZA_TESTS_IT_ORIGIN_H
#define PLAZA_TESTS_IT_ORIGIN_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

struct origin_seen {
	_Atomic unsigned connections; /* accepted */
	_Atomic unsigned requests;
	_Atomic unsigned active, most_active; /* requests that are being answered */
	_Atomic uint64_t sent;                /* bytes */
	char last[8192];                      /* the newest request, with a terminator */
};

struct origin {
	pid_t pid;
	uint16_t port;
	char allow[40]; /* the option of a plazad that may fetch from it */
	struct origin_seen *seen;
};

/* On 127.0.0.1, at a free port. Aborts when it cannot. */
void origin_start(struct origin *origin);
void origin_stop(struct origin *origin);

/* `text` with ^ in the place of the origin, as in "^/ok"; the caller frees. */
char *origin_text(const struct origin *origin, const char *text);

#endif
