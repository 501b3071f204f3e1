/*
 * exchange_internal.h - the inside of an exchange, for the files of http/ only: judge.c decides on
 * it, the connection owns it.
 */
#ifndef PLAZA_HTTP_EXCHANGE_INTERNAL_H
#define PLAZA_HTTP_EXCHANGE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/span.h"
#include "http/access.h"
#include "http/door.h"
#include "http/negotiate.h"
#include "proc/address_count.h"

struct reply;
struct stream_calls;

/* Who embeds the exchange and moves its bytes. */
struct exchange_owner {
	/*
	 * Something is written: to door->out while the exchange is door->current, else to `late`.
	 * It is the whole answer when the state is EXCHANGE_NONE. Or it is not written, and
	 * `failure`, a literal, says why: then this was the last exchange.
	 */
	void (*on_written)(struct exchange *x, const char *failure);
	/* Answered after exchange_lose_client: nobody needs it any more. */
	void (*on_released)(struct exchange *x);
	/* For exchange_take_socket: the descriptor leaves, all else stays until the handler
	 * returns. */
	int (*take_fd)(struct exchange *x);
};

enum exchange_state {
	EXCHANGE_NONE,      /* no request in hand, or one that is answered */
	EXCHANGE_PENDING,   /* a handler owes the answer */
	EXCHANGE_STREAMING, /* its head is written; a handler owes pieces, or the end */
	EXCHANGE_LOST       /* a handler owes the answer; the client has left */
};

/*
 * What a request asks of its answer: read from its head when that is judged, because the head may
 * be gone when the answer comes.
 */
struct answer_wish {
	enum error_form error_form;
	bool takes_gzip;
	uint16_t origin; /* 1 + index into http.origins of the page's origin, or 0 */
	/*
	 * Of GET and HEAD, in the head in hand, in door->conditions or in x->kept; ptr is NULL
	 * where there was no such field.
	 */
	struct span if_match, if_none_match;
};

/* What the access log tells of a request, if there is one; all zeros between requests. */
struct exchange_account {
	const struct request *head; /* in the door; NULL when it has been kept */
	struct span kept;           /* in x->kept */
	uint64_t since_us;          /* when its last byte was read */
	uint64_t bytes_in;          /* of its body */
	uint64_t bytes_out;         /* STREAMING: pieces so far */
	int status;                 /* STREAMING */
};

/* One request from its head to its answer. */
struct exchange {
	const struct exchange_owner *owner;
	struct door *door;   /* NULL: the client and then the server went before the answer */
	struct buffer *late; /* where answers are gathered that come from elsewhere */

	enum exchange_state state;
	bool wants_piece; /* STREAMING: `proceed` is due when the client has taken the last piece */
	bool is_chunked;  /* STREAMING: else its end is that of the connection */

	/* of the request, by judge.c */
	bool is_head;    /* HEAD: no body in the answer */
	bool is_minor_0; /* HTTP/1.0 */

	/* of the connection, once this is answered */
	bool is_keep;      /* it stays open */
	bool is_linger;    /* bytes may still come: close in stages */
	bool is_body_left; /* it stays open, but the body of this request is to be dropped first */

	struct answer_wish wish;
	char *kept;          /* what a deferred answer needs of the head; owned, mostly NULL */
	uint64_t n_requests; /* on this connection, this one included */
	struct span body;    /* while the handler runs */
	size_t body_limit;   /* bytes, when a body is still to be read */
	void (*gone)(struct exchange *x, void *ctx);
	void *gone_ctx;
	bool is_shut_gone; /* a client that shuts its side is gone, too */
	/* STREAMING, and then their ctx is gone_ctx; else NULL */
	const struct stream_calls *stream;

	struct exchange_account account;
	struct access_peer peer;  /* who asks */
	struct address_hold hold; /* counts the connection, while it has its descriptor */
};

/* As nginx has it: no status that a client was sent, because it left before. */
#define EXCHANGE_CLIENT_LEFT 499

/* The request is over, with `bytes_out` of content: its line in the access log, if there is one. */
void exchange_account_end(struct exchange *x, int status, uint64_t bytes_out);
/* The same, from what was written: `out` from `before` on, of a reply with `body_len` bytes. */
void exchange_account_written(struct exchange *x, const struct buffer *out, size_t before,
			      size_t body_len);

/* A head has been read: it is the request in hand. */
void exchange_begin(struct exchange *x);

/* The head in hand goes before its request is answered: copies what the answer needs of it. */
void exchange_keep(struct exchange *x);

/* The client has left while the body of its request was awaited. */
void exchange_forget(struct exchange *x);

/* Calls the handler of the request in hand, which judge.c has accepted. */
void exchange_run(struct exchange *x, struct span body, struct span rest);

/* exchange_reply, when there is nothing to be sent in slices. */
void exchange_reply_whole(struct exchange *x, const struct reply *reply);

/* Inside a `proceed`, instead of a piece: it comes again in the next pass. */
void exchange_proceed_later(struct exchange *x);

/* The client has taken what was streamed: asks for the next piece. While it is door->current. */
void exchange_proceed(struct exchange *x);

/*
 * The client has left. Tells the handler of a pending exchange, which becomes LOST, or of a
 * streaming one, which becomes NONE.
 */
void exchange_lose_client(struct exchange *x);
/* It has shut its side, and may be there still. */
void exchange_note_shut(struct exchange *x);

#endif
