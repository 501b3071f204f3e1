/*
 * conn.h - one accepted socket: bytes in, requests found, answers out, deadlines, the end.
 *
 * Internal to http/. conn.c moves bytes and owns the state; exchange.c judges a request and calls
 * its handler; server.c accepts and counts.
 */
#ifndef PLAZA_HTTP_CONN_H
#define PLAZA_HTTP_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/deadline.h"
#include "base/loop.h"
#include "base/span.h"
#include "http/access.h"
#include "http/chunked.h"
#include "http/door.h"
#include "http/exchange.h"
#include "http/request.h"

/* One request from its head to its answer. A connection has one at a time. */
struct exchange {
	struct conn *conn;
	struct span body; /* while the handler runs */
	void (*gone)(struct exchange *x, void *ctx);
	void *gone_ctx;
	bool is_pending; /* a handler owes the answer */
	bool is_head;    /* HEAD: no body in the answer */
	bool is_api;     /* below /api: errors are problem details */
	bool is_minor_0; /* HTTP/1.0 */
};

enum conn_state {
	CONN_IDLE,    /* between requests: no byte of the next one was looked at */
	CONN_HEAD,    /* `in` is a part of a head */
	CONN_BODY,    /* `in` is a whole head, `body` what has come of its body */
	CONN_BUSY,    /* the request is with its handler; `in` gathers what follows it */
	CONN_CLOSING, /* the last answer is written; ends when it is sent */
	CONN_LINGER,  /* it is sent and writing is shut: input is dropped until the client closes */
	CONN_TAKEN,   /* an upgrade handler has the descriptor */
	CONN_GONE     /* no descriptor; the memory lives until the exchange is answered */
};

struct conn {
	struct ring link; /* door->conns, ->orphans or ->unused */
	struct ring resume_link;
	struct door *door; /* NULL: an orphan that outlived the server */
	int fd;
	enum conn_state state;
	bool is_keep;       /* the connection stays open after this answer */
	bool is_eof;        /* the client has shut its side; answers are still wanted */
	bool is_linger;     /* bytes may still come: close in stages */
	bool is_stalled;    /* answers are not being taken: `in` waits until they are */
	bool is_paused;     /* `read` is stopped */
	const char *broken; /* why it cannot go on, found where closing is not possible */
	struct access_peer peer;
	uint64_t n_requests;

	struct watch read;
	struct watch write; /* started only after a short write */
	struct deadline deadline;
	struct deadline write_deadline;

	struct request_parser parser;
	struct buffer in;
	struct buffer body;
	size_t body_limit;
	uint64_t body_left;     /* of a Content-Length */
	uint64_t body_received; /* on the wire, for the minimum rate; while lingering: dropped */
	uint64_t body_since_ms;
	bool is_chunked;
	struct chunked chunked;

	struct buffer out;
	size_t out_sent; /* of `out` */

	struct exchange exchange;
};

/* The conn that has `member` at `ptr`. */
#define CONN_OF(ptr, member) ((struct conn *)(void *)((char *)(ptr)-offsetof(struct conn, member)))

/* Takes fd (non-blocking). NULL on failure, and then fd is closed. */
struct conn *conn_open(struct door *door, int fd, const struct access_peer *peer);

/* Answers 503 before any request: there are too many connections. May free it. */
void conn_turn_away(struct conn *c);

/*
 * Idempotent. `reason` is a literal, logged. A pending exchange is told and keeps the memory until
 * it is answered. Nobody may touch `c` afterwards.
 */
void conn_close(struct conn *c, const char *reason);

/* What drain means for this connection; may free it. */
void conn_drain(struct conn *c);

/* Deferred answers: go on with what the client sent meanwhile. May free it. */
void conn_resume(struct conn *c);

/* For exchange.c: the answer in hand is written. */
void conn_answered(struct conn *c);
/* For exchange_take_socket: the descriptor leaves; everything else stays until the handler returns.
 */
int conn_take_fd(struct conn *c);
/* For exchange_reply after the client has left. */
void conn_release(struct conn *c);

/* Deadlines (ctx is the door). */
void conn_idle_expired_cb(struct deadline *d, void *ctx);
void conn_header_expired_cb(struct deadline *d, void *ctx);
void conn_body_expired_cb(struct deadline *d, void *ctx);
void conn_write_expired_cb(struct deadline *d, void *ctx);
void conn_linger_expired_cb(struct deadline *d, void *ctx);
void conn_grace_expired_cb(struct deadline *d, void *ctx);

/*
 * exchange.c, for conn.c. exchange_accepts judges the head in door->request. False: it has been
 * answered. True: a handler wants it; conn.body_limit is set.
 */
bool exchange_accepts(struct conn *c);
/* Calls the handler of an accepted request. */
void exchange_run(struct conn *c, struct span body, struct span rest);
/* The route of a request that was accepted before; its head has been parsed again. */
void exchange_route_again(struct conn *c);
/* A request that has no readable head, or whose rest will not come: answers, and then it closes. */
void exchange_give_up(struct conn *c, int status, const char *message, const char *fields);

#endif
