/*
 * link.h - one WebSocket to a server, as a client: connecting, messages, closing, and why it ended.
 *
 * libwebsockets 4.1 as Debian builds it can neither watch other descriptors nor be watched: it has
 * its own poll. So link_pass waits on the connection and on what its caller has besides, and then
 * lets the library serve without blocking.
 */
#ifndef PLAZA_CTL_LINK_H
#define PLAZA_CTL_LINK_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/span.h"
#include "ctl/url.h"

enum link_state {
	LINK_CLOSED,     /* there is no connection (any more); `end` tells why */
	LINK_CONNECTING, /* until the handshake is answered */
	LINK_OPEN,       /* messages go both ways */
	LINK_CLOSING     /* our Close is on its way; nothing more is read or written */
};

enum link_end {
	LINK_NEVER,       /* was not opened, or has not ended */
	LINK_OURS,        /* by link_close */
	LINK_UNREACHABLE, /* nobody answered the handshake */
	LINK_REFUSED,     /* by HTTP: `code` is the status */
	LINK_PEER,        /* by the server's Close: `code`, 0 if it had none */
	LINK_BROKEN       /* any other way */
};

/* From inside link_pass. */
struct link_calls {
	void (*on_open)(void *ctx);
	void (*on_message)(void *ctx, struct span message, bool is_binary);
	/* After link_want_write: makes one link_send. False when there is nothing to send. */
	bool (*on_writable)(void *ctx);
};

struct link {
	/* set before link_open */
	const struct url *url;
	const char *subprotocol; /* or NULL */
	const struct link_calls *calls;
	void *ctx;
	/* to look at */
	enum link_state state;
	enum link_end end;
	unsigned code;
	char why[320]; /* a sentence about the end, without a full stop; empty after LINK_OURS */
	/* its own */
	struct lws_context *context;
	struct lws *wsi;
	bool want_close; /* as soon as the library has sent what it holds */
	bool want_write;
	uint64_t close_ms;      /* when we began to close */
	char peer_close[160];   /* what the peer's Close said */
	struct buffer received; /* the message that is coming, fragment by fragment */
	bool received_binary;
};

/* All zeros but what is to be set is a link; after link_fini it may be opened again. */
void link_open(struct link *link);
void link_fini(struct link *link);

/* The longest message that can be sent. */
#define LINK_SEND_MAX ((1u << 20) + 4096)

/* on_writable is to be called. */
void link_want_write(struct link *link);
/* A text message; in on_writable alone. False: the connection is gone, `why` is told. */
bool link_send(struct link *link, struct span text);

/* With 1000; what the library has taken is sent before. LINK_CLOSED follows, within 5 seconds. */
void link_close(struct link *link);
/* At once and without a word, because the server says nothing any more; LINK_BROKEN. */
void link_abandon(struct link *link, const char *why);

/*
 * Waits until something happens to the link or to one of `others`, at most `ms`, and deals with
 * what happens to the link. False: poll(2) failed. Without a connection it only waits.
 */
bool link_pass(struct link *link, struct pollfd *others, size_t n, int ms);
/* At most so many. */
#define LINK_OTHERS 2

/* Whether a client that was cut off by this end may come again: what it did would not do it again.
 */
bool link_may_retry(const struct link *link);

/* What libwebsockets has to say, to stderr too. */
void link_set_verbose(bool verbose);

#endif
