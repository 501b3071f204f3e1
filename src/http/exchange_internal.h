/*
 * exchange_internal.h - the inside of an exchange, for the files of http/ only: judge.c decides on
 * it, the connection owns it.
 */
#ifndef PLAZA_HTTP_EXCHANGE_INTERNAL_H
#define PLAZA_HTTP_EXCHANGE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/span.h"
#include "http/access.h"
#include "http/door.h"
#include "proc/address_count.h"

/* Who embeds the exchange and moves its bytes. */
struct exchange_owner {
	/*
	 * The answer is written: to door->out while the exchange is door->current, else to `late`.
	 * Or it is not, for want of memory, and then this was the last exchange.
	 */
	void (*on_answered)(struct exchange *x, bool is_written);
	/* Answered after exchange_lose_client: nobody needs it any more. */
	void (*on_released)(struct exchange *x);
	/* For exchange_take_socket: the descriptor leaves, all else stays until the handler
	 * returns. */
	int (*take_fd)(struct exchange *x);
};

/* One request from its head to its answer. */
struct exchange {
	const struct exchange_owner *owner;
	struct door *door;        /* NULL: the client and then the server went before the answer */
	struct access_peer peer;  /* who asks */
	struct address_hold hold; /* counts the connection, while it has its descriptor */
	struct buffer *late;      /* where answers are gathered that come from elsewhere */

	/* of the request, by judge.c */
	size_t body_limit; /* bytes, when a body is still to be read */
	bool is_head;      /* HEAD: no body in the answer */
	bool is_api;       /* below /api: errors are problem details */
	bool is_minor_0;   /* HTTP/1.0 */

	/* of the connection, once this is answered */
	bool is_keep;   /* it stays open */
	bool is_linger; /* bytes may still come: close in stages */

	bool is_pending;  /* a handler owes the answer */
	bool is_gone;     /* the client has left */
	struct span body; /* while the handler runs */
	void (*gone)(struct exchange *x, void *ctx);
	void *gone_ctx;
};

/* Calls the handler of the request in hand, which judge.c has accepted. */
void exchange_run(struct exchange *x, struct span body, struct span rest);

/* The client has left a pending exchange; tells the handler. */
void exchange_lose_client(struct exchange *x);

#endif
