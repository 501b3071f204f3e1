/*
 * exchange.h - one request and its one answer: what a handler works with.
 *
 * The contract of a handler, in whole:
 *
 *   static void
 *   shelf_handle(struct exchange *x, void *ctx)
 *   {
 *           struct span name = exchange_param(x, 0);       // views: good until you return
 *           if (name.len > 64) {
 *                   exchange_problem(x, &too_long);        // an answer now, and done
 *                   return;
 *           }
 *           struct job *job = job_new(x, name);            // copy what you need later
 *           exchange_on_gone(x, shelf_gone_cb, job);       // be told if the client leaves
 *           shelf_submit(job, shelf_done_cb);              // calls exchange_reply, once
 *   }
 *
 * 1. Call exchange_reply (or exchange_problem) exactly once: before you return, or later. Until
 *    then the exchange is yours; with the reply it is gone.
 * 2. Everything that exchange_request, _param and _body return is valid only until the handler
 *    returns or replies, whichever is first.
 * 3. If the client leaves first, on_gone is called once. The exchange stays valid and still must be
 *    answered (the answer goes nowhere), so that each asynchronous call ends the same way.
 * 4. A later reply may come from any callback of the loop, also from inside another handler.
 *
 * An answer that is long, or that has no end yet, is made in pieces. The client sets the pace:
 *
 *   static const struct stream_calls tale_calls = {tale_proceed_cb, tale_stop_cb};
 *
 *   static void
 *   tale_handle(struct exchange *x, void *ctx)
 *   {
 *           struct tale *tale = tale_new();
 *           if (!exchange_stream(x, &tale_head, &tale_calls, tale))
 *                   tale_free(tale);                       // HEAD, or nobody is there any more
 *   }
 *
 *   static void
 *   tale_proceed_cb(struct exchange *x, void *ctx)
 *   {
 *           struct tale *tale = ctx;
 *           if (tale_is_over(tale)) {
 *                   exchange_end(x);                       // the answer is whole
 *                   tale_free(tale);
 *           } else {
 *                   exchange_send(x, tale_next(tale));     // now, or when there is something
 *           }
 *   }
 *
 *   static void
 *   tale_stop_cb(void *ctx)
 *   {
 *           tale_free(ctx);                                // the client has left, x is gone
 *   }
 *
 * 5. exchange_stream instead of exchange_reply. Then each `proceed` allows one exchange_send, which
 *    copies, of any size; EXCHANGE_PIECE is a good one: the loop turns between two pieces. Nothing
 *    is called from inside exchange_stream, _send, _end or _abort.
 * 6. It ends with exchange_end or exchange_abort, inside a `proceed` or after it, or with `stop`,
 *    which may come at any time: exactly one of the three.
 */
#ifndef PLAZA_HTTP_EXCHANGE_H
#define PLAZA_HTTP_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "http/reply.h"
#include "http/request.h"
#include "proc/address_count.h"

struct exchange;
struct problem; /* http/problem.h */

const struct request *exchange_request(const struct exchange *x);

/* The n-th {part} of the route's pattern, percent-decoded (any bytes, NUL too). */
struct span exchange_param(const struct exchange *x, size_t n);

/* The whole body, unchunked; at most the route's body_limit. */
struct span exchange_body(const struct exchange *x);

/* From this machine, as access rules see it; like the next one, for the handler only. */
bool exchange_is_local(const struct exchange *x);

/* Who asks, for limits: an address, as access_client has it. */
#define EXCHANGE_CLIENT_SIZE 16
void exchange_client(const struct exchange *x, uint8_t client[EXCHANGE_CLIENT_SIZE]);

/*
 * The answer. Copies what it needs. Date, Server, Content-Length, Connection,
 * X-Content-Type-Options, ETag, Vary and the fields of CORS are the front door's; HEAD gets the
 * head only. What the client has already becomes a 304 (reply.etag), what it does not mean a 412
 * (If-Match), and what it takes by gzip may go so (http.gzip_min_size).
 */
void exchange_reply(struct exchange *x, const struct reply *reply);

/* Bytes of one piece that keep a connection busy and the loop free. */
#define EXCHANGE_PIECE 65536

struct stream_calls {
	/* All that was sent is on its way: the next piece may come, in this call or later. */
	void (*proceed)(struct exchange *x, void *ctx);
	/* The client has left, or cannot be sent to: the exchange is gone. */
	void (*stop)(void *ctx);
	/* The answer has no end of its own: a client that shuts its side has left. */
	bool is_endless;
};

/*
 * Begins an answer in pieces; the body of `head` is not looked at. To HTTP/1.1 they go in chunks;
 * for HTTP/1.0 the end is that of the connection (RFC 9112 6.3). `calls` must outlive the exchange.
 * False: the request was HEAD, or of another version (412), or the client has left already. Then
 * nothing will be called, and the exchange is gone.
 */
bool exchange_stream(struct exchange *x, const struct reply *head, const struct stream_calls *calls,
		     void *ctx) __attribute__((warn_unused_result));

/* One piece, not empty, after a `proceed`. */
void exchange_send(struct exchange *x, struct span piece);

/* The answer is whole; the exchange is gone. After a `proceed`, also without a piece. */
void exchange_end(struct exchange *x);

/* It cannot be made whole: the connection is cut, so that the client sees that (RFC 9112 8). */
void exchange_abort(struct exchange *x);

/*
 * An error answer, in the form that the request's Accept asks for, else in that of its path:
 * application/problem+json below /api and /chat, text/plain elsewhere. In text it is the detail,
 * the errors, the hint and the routes, a line each; in JSON each has its member.
 */
void exchange_problem(struct exchange *x, const struct problem *problem);

/* The same for what needs no type: `message` is one sentence, `fields` as in struct reply. */
void exchange_error(struct exchange *x, int status, const char *message, const char *fields);

/* `gone` is called at most once, with the exchange still to be answered. Replaces an earlier one.
 */
void exchange_on_gone(struct exchange *x, void (*gone)(struct exchange *x, void *ctx), void *ctx);

/*
 * The same, and `gone` is called as well when the client shuts its side: that may be one that has
 * asked all that it wants (RFC 9112 9.6), and gets the answer, or one that has left, which nobody
 * can tell from it. For what gives something away that would be lost.
 */
void exchange_on_shut(struct exchange *x, void (*gone)(struct exchange *x, void *ctx), void *ctx);

/*
 * For a route's upgrade handler only, instead of a reply: the socket of an accepted WebSocket
 * handshake, taken out of the front door for good.
 */
struct upgrade_socket {
	int fd;        /* non-blocking, TCP_NODELAY; the taker's now */
	bool is_local; /* from this machine, as access rules see it */
	/* counts it for its address: to be released when the socket closes */
	struct address_hold hold;
	/*
	 * The request head written anew: request line, Host, Upgrade, Connection,
	 * Sec-WebSocket-Key, -Version, and -Protocol and -Extensions as they were chosen, and
	 * nothing else, then every byte that the client sent after its head. Valid until the
	 * handler returns.
	 */
	struct span head;
};

struct handshake_choice; /* http/handshake.h */

/*
 * `choice`: what of the client's offers goes into that head. The exchange is gone afterwards. False
 * (out of memory; nothing taken): reply 503.
 */
bool exchange_take_socket(struct exchange *x, const struct handshake_choice *choice,
			  struct upgrade_socket *socket);

#endif
