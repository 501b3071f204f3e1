/*
 * conn_state.h - one accepted socket as the conn*.c share it. Only they know what is in here.
 */
#ifndef PLAZA_HTTP_CONN_STATE_H
#define PLAZA_HTTP_CONN_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/deadline.h"
#include "base/loop.h"
#include "http/chunked.h"
#include "http/door.h"
#include "http/exchange_internal.h"
#include "http/request.h"

/* The buffers' own bounds lie in what is appended to them. */
#define CONN_ANY_SIZE (SIZE_MAX / 4)

enum conn_state {
	CONN_IDLE,    /* between requests: no byte of the next one was looked at */
	CONN_HEAD,    /* `in` is a part of a head */
	CONN_BODY,    /* `in` is a whole head, `body` what has come of its body */
	CONN_BUSY,    /* the request is with its handler; `in` gathers what follows it */
	CONN_DROP,    /* it was refused and answered; its body is dropped as it comes */
	CONN_CLOSING, /* the last answer is written; ends when it is sent */
	CONN_LINGER,  /* it is sent and writing is shut: input is dropped until the client closes */
	CONN_TAKEN,   /* an upgrade handler has the descriptor */
	CONN_GONE     /* no descriptor; the memory lives until the exchange is answered */
};

/*
 * What every request touches comes first and together: with thousands of connections each line of
 * memory more is one that is not in the cache.
 */
struct conn {
	struct door *door; /* NULL: an orphan that outlived the server */
	int fd;
	enum conn_state state;
	bool is_eof;         /* the client has shut its side; answers are still wanted */
	bool is_stalled;     /* there are answers enough: `in` waits until they are sent */
	bool is_paused;      /* `read` is stopped */
	bool has_empty_line; /* since the last request; a second one begins the next */
	bool is_turned_away; /* over http.max_connections: it takes nobody's place */
	bool is_chunked;     /* its body is */
	bool is_new;         /* its first read is to come, at the end of the pass */
	const char *broken;  /* why it cannot go on, found where closing is not possible */
	struct deadline deadline;

	struct request_parser parser;
	struct buffer in;
	struct buffer body;
	struct buffer out;
	size_t out_sent;    /* of `out` */
	size_t input_held;  /* of `in` and `body`, as the door counts it */
	size_t output_held; /* of `out`, likewise */

	struct exchange exchange; /* one request at a time */
	struct watch read;

	struct ring link; /* door->conns, ->orphans or ->unused */
	struct ring resume_link;
	struct watch write; /* started only after a short write */
	struct deadline write_deadline;
	unsigned unacked;       /* bytes that the socket still had when that was armed */
	uint64_t body_left;     /* of a Content-Length */
	uint64_t body_received; /* on the wire, for the minimum rate; while lingering: dropped */
	uint64_t body_since_ms;
	struct chunked chunked;
};

/* The conn that has `member` at `ptr`. */
#define CONN_OF(ptr, member) ((struct conn *)(void *)((char *)(ptr)-offsetof(struct conn, member)))

static inline void
conn_set_state(struct conn *c, enum conn_state state)
{
	c->state = state;
}

#endif
