/*
 * ws.h - WebSocket connections of one worker: libwebsockets behind a narrow door, driven by our
 * loop. Nothing else includes libwebsockets.
 *
 * The owner of a connection embeds a struct ws_conn, all zeros, and gives it a socket and the head
 * of a handshake that the front door has checked. From then on it hears:
 *   on_open     the 101 answer is on its way; may come inside ws_adopt
 *   on_message  a whole text (valid UTF-8) or binary message
 *   on_read     bytes came in: after the messages of each readable event, in any case
 *   on_writable what ws_write left is gone, or ws_want_writable asked
 *   on_crowded  messages that have not come whole hold more than they may, together, and this
 *               connection's began first: it has to be closed
 *   on_closed   exactly once, when the socket is closed: the memory may be freed in it. It may come
 *               inside ws_adopt; never inside ws_write, ws_close or ws_pause.
 * on_open and on_message may call everything here but ws_adopt and ws_free.
 */
#ifndef PLAZA_HUB_WS_H
#define PLAZA_HUB_WS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "base/buffer.h"
#include "base/deadline.h"
#include "base/loop.h"
#include "base/span.h"
#include "hub/ws_message.h"

struct lws;
struct ws;

enum ws_state {
	WS_ADOPTING, /* the handshake is being answered */
	WS_OPEN,     /* messages in both directions */
	WS_FLUSHING, /* our Close stands behind output that the socket has not taken; no reading */
	WS_CLOSING,  /* a Close was sent or came, or the socket failed: input is read and dropped */
	WS_CLOSED    /* the socket is gone */
};

struct ws_conn {
	struct ws *ws;
	struct lws *lws;
	int fd;
	enum ws_state state;
	bool paused;
	bool seen_idle; /* the library was seen to hold nothing of this connection's */
	bool resumed;   /* what was kept back is to be served */
	bool wants_writable;
	bool owes_writable; /* ws_write has promised on_writable */
	struct watch read;
	struct watch write;        /* started while output is stuck or wants_writable */
	struct deadline lingering; /* from leaving WS_OPEN on: the end, whatever the peer does */
	struct ws_message message; /* what is on its way from the client */
	size_t input_bytes;        /* what that holds, as counted in `ws` */
	TAILQ_ENTRY(ws_conn) unfinished;
	bool deflates;       /* permessage-deflate is in use: compressed frames may be written */
	signed char mask_at; /* where in the socket the first frame says that it is masked; or -1 */
};

struct ws_events {
	void (*on_open)(struct ws_conn *c, void *ctx);
	void (*on_message)(struct ws_conn *c, bool binary, const unsigned char *data, size_t len,
			   void *ctx);
	void (*on_read)(struct ws_conn *c, void *ctx);
	void (*on_writable)(struct ws_conn *c, void *ctx);
	void (*on_crowded)(struct ws_conn *c, void *ctx);
	void (*on_closed)(struct ws_conn *c, void *ctx);
};

/* The subprotocol that may stand in the head for ws_adopt. */
#define WS_PROTOCOL_JSON "chat.v1.json"

/*
 * After fork, with RLIMIT_NOFILE final. `max_message` bytes of one, `max_input` bytes of all that
 * have not come whole. `events` must live as long. NULL on failure, logged.
 */
struct ws *ws_new(struct loop *loop, size_t max_message, size_t max_input,
		  const struct ws_events *events, void *ctx);
/* Every connection still there is dropped (on_closed). Not from inside an event. */
void ws_free(struct ws **ws);

/*
 * Takes `fd` (non-blocking) and answers the handshake: `head` is a request head as http/handshake.h
 * writes it, with just the subprotocol and the extension that are to be answered, and every byte
 * that came after it. on_closed follows, sooner or later.
 */
void ws_adopt(struct ws *ws, struct ws_conn *c, int fd, struct span head);

/* What messages hold that have not come whole. */
size_t ws_input_bytes(const struct ws *ws);

/* Bytes that must be writable in front of what is given to ws_write. */
#define WS_PRE 16

enum ws_result {
	WS_SENT,    /* the kernel has it all */
	WS_PARTIAL, /* accepted, part of it waits here: on_writable will follow */
	WS_STUCK,   /* not accepted: earlier output still waits; on_writable will follow */
	WS_REFUSED  /* not accepted: the connection is closing */
};

/*
 * Sends whole frames, as they are, in one write. Those with RSV1 only to one that `deflates`, each
 * message compressed by itself.
 */
enum ws_result ws_write(struct ws_conn *c, unsigned char *frames, size_t len)
    __attribute__((warn_unused_result));

/* Whether on_writable is called whenever the socket takes bytes. */
void ws_want_writable(struct ws_conn *c, bool want);

/* Stops reading from the client; a few messages that were read already may still come. */
void ws_pause(struct ws_conn *c);
void ws_resume(struct ws_conn *c);

/*
 * Sends a Close frame behind what was written and reads no more messages. The client has 5 s to
 * take it and to close. Idempotent.
 */
void ws_close(struct ws_conn *c, unsigned code);
/*
 * As ws_close, with frames that ws_write would not take before the Close: WS_PRE bytes, then whole
 * frames, which stay the caller's. If memory runs out they are not sent.
 */
void ws_close_behind(struct ws_conn *c, struct buffer *frames, unsigned code);

static inline bool
ws_is_open(const struct ws_conn *c)
{
	return c->state == WS_OPEN;
}

#endif
