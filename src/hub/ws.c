/*
 * ws.c - all of libwebsockets (4.1.6). We own every descriptor: our loop watches it and calls
 * lws_service_fd, the library parses and answers handshakes, pings and Closes. UTF-8 and
 * compression are ours (ws_message.c): its permessage-deflate keeps a window for each connection,
 * has no bound, ends corrupt messages without a Close, and checks UTF-8 only when a last fragment
 * has bytes.
 *
 * What one must know of it:
 *  - lws_service_fd may close and free the connection; LWS_CALLBACK_WSI_DESTROY says so. While we
 *    are in there for one connection, ws->serving is it, and NULL afterwards if it is gone.
 *  - It returns 1 for a connection that it begins to close, too, which is then still there.
 *  - Frames that we write by LWS_WRITE_RAW are not stopped by a Close that the library sends.
 *  - What the socket does not take it keeps, without a bound: nothing is written behind that but
 *    our own Close.
 *  - lws_service polls all descriptors and serves what it finds in one go: nobody calls it. Its
 *    timers never fire therefore; all that they would end has a deadline of ours (lingering).
 */
#include "hub/ws.h"

#include <assert.h>
#include <errno.h>
#include <libwebsockets.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "hub/frame.h"

/* One read, and one RECEIVE, is at most this; each connection has a buffer of it. */
#define RECEIVE_SIZE 2048
/* How often one readable event may go back to the library for more of the same message. */
#define MAX_READS    32
#define LINGERING_MS 5000
/* When this much was unpacked for one connection, others have their turn. */
#define UNPACK_TURN (1u << 20)

/*
 * Up to 4.5 it takes frames that are not masked, and ends some connections without a Close. What
 * else it gets wrong cannot be mended from here: plaza-chat(7) BUGS lists it.
 */
#define MIND_MASK   (LWS_LIBRARY_VERSION_NUMBER < 5000000)
#define MIND_SILENT (LWS_LIBRARY_VERSION_NUMBER < 5000000)

_Static_assert(WS_PRE >= LWS_PRE, "the library may write in front of a frame");

struct ws {
	struct loop *loop;
	struct lws_context *context;
	struct lws_vhost *vhost;
	const struct ws_events *events;
	void *ctx;
	struct ws_conn *adopting;
	struct ws_conn *serving;
	bool received;   /* a message or part of one came since this was cleared */
	bool owes_read;  /* messages were delivered, on_read is to follow */
	bool last_words; /* the library's Close is due, and not yet sent */
	struct deadline_list lingering;
	struct ws_unpacker unpacker;
	size_t max_input, input_bytes;
	TAILQ_HEAD(, ws_conn) unfinished; /* what began first stands first */
};

static void
conn_count_input(struct ws_conn *c)
{
	struct ws *ws = c->ws;
	const size_t holds = c->message.bytes.cap;

	if (holds == c->input_bytes)
		return;
	if (c->input_bytes == 0)
		TAILQ_INSERT_TAIL(&ws->unfinished, c, unfinished);
	else if (holds == 0)
		TAILQ_REMOVE(&ws->unfinished, c, unfinished);
	ws->input_bytes = ws->input_bytes - c->input_bytes + holds;
	c->input_bytes = holds;
}

/* Nothing more of a message is looked at. */
static void
conn_drop_input(struct ws_conn *c)
{
	ws_message_fini(&c->message);
	conn_count_input(c);
}

static void
conn_set_state(struct ws_conn *c, enum ws_state state)
{
	c->state = state;
	switch (state) {
	case WS_ADOPTING:
	case WS_OPEN: return;
	case WS_FLUSHING:
	case WS_CLOSING:
		conn_drop_input(c);
		if (!deadline_armed(&c->lingering))
			deadline_arm(&c->lingering, &c->ws->lingering);
		return;
	case WS_CLOSED:
		watch_stop(&c->read);
		watch_stop(&c->write);
		deadline_disarm(&c->lingering);
		conn_drop_input(c);
		c->lws = NULL;
		return;
	}
}

/* Output is stuck and the connection is to end: what the client sends is not looked at. */
static void
conn_flush(struct ws_conn *c)
{
	conn_set_state(c, WS_FLUSHING);
	watch_stop(&c->read);
	lws_rx_flow_control(c->lws, 0);
	watch_start(&c->write);
}

/* Reads on, for the client's Close or its end of file. */
static void
conn_read_on(struct ws_conn *c)
{
	if (c->mask_at < 0 || c->state != WS_OPEN)
		lws_rx_flow_control(c->lws, 1);
	watch_start(&c->read);
}

/* No descriptor tells of what the library has kept: the next writable event will do. */
static void
conn_resume(struct ws_conn *c)
{
	c->paused = false;
	c->resumed = true;
	conn_read_on(c);
	watch_start(&c->write);
}

/*
 * Our own frame, not lws_close_reason: the library drops the Close of a connection that has output
 * waiting, which is just the one that has to hear 4008; and it forgets to answer a Close that has
 * nonsense behind it.
 */
static void
conn_close(struct ws_conn *c, unsigned char *frame, size_t len)
{
	if (lws_get_close_length(c->lws) > 0) {
		conn_set_state(c, WS_CLOSING);
		return;
	}
	int n = lws_write(c->lws, frame, len, LWS_WRITE_RAW);
	if (n >= 0 && lws_partial_buffered(c->lws)) {
		conn_flush(c);
		return;
	}
	if (n >= 0)
		shutdown(c->fd, SHUT_WR);
	conn_set_state(c, WS_CLOSING);
	if (c->paused || c->resumed)
		conn_resume(c);
}

/* Enough for this turn: what the library holds and what the socket has wait for the next one. */
static void
conn_yield(struct ws_conn *c)
{
	if (c->state != WS_OPEN || c->paused)
		return;
	watch_stop(&c->read);
	lws_rx_flow_control(c->lws, 0);
	c->resumed = true;
	watch_start(&c->write);
}

/* Also of one that has been closed since: what its owner has gathered must not stay behind. */
static void
tell_read(struct ws_conn *c)
{
	c->ws->owes_read = false;
	c->ws->events->on_read(c, c->ws->ctx);
}

/* For what the client did wrong: what came before that is answered before the Close. */
static void
conn_refuse(struct ws_conn *c, unsigned code)
{
	if (c->state != WS_OPEN)
		return;
	tell_read(c);
	ws_close(c, code);
}

/* False: the connection is gone. */
static bool
conn_service(struct ws_conn *c, int revents)
{
	struct ws *ws = c->ws;
	struct lws_pollfd pfd = {c->fd, LWS_POLLIN | LWS_POLLOUT, (short)revents};

	ws->serving = c;
	c->seen_idle = false;
	int n = lws_service_fd(ws->context, &pfd);
	if (ws->serving != c)
		return false;
	ws->serving = NULL;
	if (n != 0 && c->state == WS_OPEN) {
		/* the library closes, over bad framing: what came before is answered before */
		ws->last_words = true;
		tell_read(c);
		ws->last_words = false;
	}
	if (n != 0 && c->state == WS_OPEN) {
		if (lws_partial_buffered(c->lws))
			conn_flush(c);
		else
			conn_set_state(c, WS_CLOSING);
	}
	return true;
}

/*
 * The library's pongs and Closes wait for a writable event, and behind output that is stuck: when
 * that is gone they have to follow at once, for no descriptor tells of them. False: the connection
 * is gone.
 */
static bool
conn_send_own(struct ws_conn *c)
{
	const bool is_stuck = lws_partial_buffered(c->lws) != 0;

	if (!conn_service(c, LWS_POLLOUT))
		return false;
	return !is_stuck || lws_partial_buffered(c->lws) || conn_service(c, LWS_POLLOUT);
}

/* Ends the connection now. Not from inside a callback of the library. */
static void
conn_drop(struct ws_conn *c)
{
	shutdown(c->fd, SHUT_RDWR);
	if (!conn_service(c, LWS_POLLHUP))
		return;
	log_warning("websocket: descriptor %d outlives its end", c->fd);
	/* once more, when it has lingered */
	conn_set_state(c, WS_CLOSING);
}

static bool
conn_at_eof(const struct ws_conn *c)
{
	char byte;

	return recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/*
 * The library takes frames that are not masked (RFC 6455 5.1), and shows nobody their heads. But a
 * client masks all of its frames or none, and of the first one we know where it begins: until it
 * was looked at nothing is read.
 */
static void
conn_check_mask(struct ws_conn *c)
{
	unsigned char head[2];
	const ssize_t at = c->mask_at;

	ssize_t n = recv(c->fd, head, (size_t)at + 1, MSG_PEEK | MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	c->mask_at = -1;
	lws_rx_flow_control(c->lws, 1);
	if (n > at && !(head[at] & 0x80))
		conn_refuse(c, CLOSE_PROTOCOL);
}

/*
 * Whoever dawdles goes: a message that is being sent is not waited for long. Not from inside a
 * callback of the library.
 */
static void
make_input_room(struct ws *ws)
{
	while (ws->input_bytes > ws->max_input) {
		struct ws_conn *c = TAILQ_FIRST(&ws->unfinished);

		ws->events->on_crowded(c, ws->ctx);
		assert(c->state != WS_OPEN);
	}
}

/* Input, and then what the library has to say. False: the connection is gone. */
static bool
conn_serve(struct ws_conn *c)
{
	struct ws *ws = c->ws;
	unsigned reads = 0;
	bool is_kept; /* the library has input of somebody's */

	if (c->mask_at >= 0)
		conn_check_mask(c);
	ws->unpacker.n_unpacked = 0;
	do {
		ws->received = is_kept = false;
		if (!conn_service(c, LWS_POLLIN))
			return false;
		if (c->paused || c->resumed)
			break;
		is_kept = lws_service_adjust_timeout(ws->context, 1, 0) == 0;
		/* more of a message that is under way, or bytes that the library holds */
	} while (++reads < MAX_READS && ((ws->received && c->message.bytes.len > 0) || is_kept));
	if (is_kept && ws->received)
		conn_yield(c);
	if (c->state == WS_OPEN || ws->owes_read)
		tell_read(c);
	if (!conn_send_own(c))
		return false;
	if (lws_partial_buffered(c->lws))
		watch_start(&c->write);
	else if (c->state == WS_CLOSING)
		/* nothing follows a Close; behind its own the library would wait for an answer */
		shutdown(c->fd, SHUT_WR);
	make_input_room(ws);
	return true;
}

static void
conn_read_cb(void *arg, short what)
{
	struct ws_conn *c = arg;

	(void)what;
	/*
	 * The library ends a connection only when its output is flushed; until then it would see
	 * the same end of file again and again.
	 */
	if (lws_partial_buffered(c->lws) && conn_at_eof(c)) {
		conn_drop(c);
		return;
	}
	conn_serve(c);
}

static void
conn_write_cb(void *arg, short what)
{
	struct ws_conn *c = arg;
	struct ws *ws = c->ws;

	(void)what;
	if (lws_partial_buffered(c->lws)) {
		if (!conn_send_own(c) || lws_partial_buffered(c->lws))
			return;
	}
	c->owes_writable = false;
	if (c->state == WS_OPEN)
		ws->events->on_writable(c, ws->ctx);
	if ((c->state == WS_OPEN || c->state == WS_CLOSING) && c->resumed && !c->paused) {
		c->resumed = false;
		conn_read_on(c);
		if (!conn_serve(c))
			return;
	}
	if (c->state == WS_FLUSHING && !lws_partial_buffered(c->lws)) {
		shutdown(c->fd, SHUT_WR);
		conn_set_state(c, WS_CLOSING);
		conn_resume(c);
	}
	if (!lws_partial_buffered(c->lws) && !c->wants_writable && !c->owes_writable && !c->resumed)
		watch_stop(&c->write);
}

static void
lingered_cb(struct deadline *d, void *ctx)
{
	(void)ctx;
	conn_drop((struct ws_conn *)((char *)d - offsetof(struct ws_conn, lingering)));
}

static void
receive(struct ws_conn *c, const void *data, size_t len)
{
	struct ws *ws = c->ws;
	const struct ws_fragment fragment = {
	    .data = data,
	    .len = len,
	    .expected = lws_remaining_packet_payload(c->lws),
	    .is_first = lws_is_first_fragment(c->lws) != 0,
	    .is_last = lws_is_final_fragment(c->lws) != 0,
	    .is_binary = lws_frame_is_binary(c->lws) != 0,
	    /* the others the library refuses, and this one if there is no extension */
	    .has_rsv1 = lws_get_reserved_bits(c->lws) != 0,
	};
	struct span whole;
	bool is_whole;

	ws->received = true;
	if (c->state != WS_OPEN)
		return;
	unsigned code = ws_message_add(&c->message, &ws->unpacker, &fragment, &is_whole, &whole);
	if (ws->unpacker.n_unpacked > UNPACK_TURN)
		conn_yield(c);
	if (code != 0) {
		conn_refuse(c, code);
	} else if (is_whole) {
		ws->owes_read = true;
		ws->events->on_message(c, fragment.is_binary, (const unsigned char *)whole.ptr,
				       whole.len, ws->ctx);
	}
	ws_message_done(&c->message, &ws->unpacker, is_whole);
	conn_count_input(c);
	/* ws_adopt reads as well */
	if (ws->serving != c && (c->state == WS_OPEN || ws->owes_read))
		tell_read(c);
}

static void
peer_closes(struct ws_conn *c, const unsigned char *body, size_t len)
{
	if (c->state != WS_OPEN)
		return;
	/* what came before the Close is answered before it */
	tell_read(c);
	if (c->state != WS_OPEN)
		return;
	/* RFC 6455 5.5.1 and 7.4; the other codes that must not be sent the library makes 1002 */
	unsigned code = len >= 2 ? (unsigned)body[0] << 8 | body[1] : 1000;
	if (len == 1 || code < 1000 || code >= 5000 || lws_get_reserved_bits(c->lws)) {
		ws_close(c, CLOSE_PROTOCOL);
	} else if (len > 2 && !frame_utf8_valid(body + 2, len - 2)) {
		ws_close(c, CLOSE_INVALID_DATA);
	} else if (len >= 2) {
		ws_close(c, code);
	} else {
		unsigned char frame[WS_PRE + FRAME_HEAD_MAX];

		conn_close(c, frame + WS_PRE, frame_head(frame + WS_PRE, FRAME_CLOSE, 0));
	}
}

/* permessage-deflate as the library sees it: it lets RSV1 pass, and payloads as they are. */
static int
extension(struct lws_context *context, const struct lws_extension *ext, struct lws *wsi,
	  enum lws_extension_callback_reasons reason, void *user, void *in, size_t len)
{
	/* what http/handshake.c may have chosen; a value would not be answered but as part of a
	 * name */
	static const struct lws_ext_options options[] = {
	    {"server_no_context_takeover", EXTARG_NONE},
	    {"client_no_context_takeover", EXTARG_NONE},
	    {"server_max_window_bits=15", EXTARG_NONE},
	    {NULL, EXTARG_NONE},
	};
	struct ws_conn *c = lws_get_opaque_user_data(wsi);

	(void)context;
	(void)ext;
	(void)user;
	(void)len;
	if (reason == LWS_EXT_CB_CONSTRUCT) {
		*(const struct lws_ext_options **)in = options;
		if (c)
			c->deflates = true;
	}
	return 0;
}

static const struct lws_extension extensions[] = {
    {"permessage-deflate", extension, NULL},
    {NULL, NULL, NULL},
};

static int
callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
	struct ws_conn *c = NULL;
	struct ws *ws;

	(void)user;
	switch (reason) {
	case LWS_CALLBACK_SERVER_NEW_CLIENT_INSTANTIATED:
		/* the first callback whose connection keeps its opaque pointer */
		ws = lws_context_user(lws_get_context(wsi));
		c = ws->adopting;
		if (!c)
			return -1;
		c->lws = wsi;
		lws_set_opaque_user_data(wsi, c);
		/* without it there is no DROP_PROTOCOL */
		lws_set_wsi_user(wsi, c);
		return 0;
	case LWS_CALLBACK_HTTP: return -1; /* no handshake: not what ws_adopt is for */
	case LWS_CALLBACK_ESTABLISHED:
	case LWS_CALLBACK_RECEIVE:
	case LWS_CALLBACK_RECEIVE_PONG:
	case LWS_CALLBACK_WS_SERVER_DROP_PROTOCOL:
	case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
	case LWS_CALLBACK_CLOSED:
	case LWS_CALLBACK_WSI_DESTROY: break;
	default: return 0;
	}

	c = lws_get_opaque_user_data(wsi);
	if (!c)
		return 0;
	ws = c->ws;
	switch (reason) {
	case LWS_CALLBACK_ESTABLISHED:
		conn_set_state(c, WS_OPEN);
		ws->events->on_open(c, ws->ctx);
		return 0;
	case LWS_CALLBACK_RECEIVE: receive(c, in, len); return 0;
	case LWS_CALLBACK_RECEIVE_PONG:
		if (lws_get_reserved_bits(wsi))
			conn_refuse(c, CLOSE_PROTOCOL);
		return 0;
	case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE: peer_closes(c, in, len); return 0;
	case LWS_CALLBACK_WS_SERVER_DROP_PROTOCOL:
		/* last call for a reason; without one it would send no Close */
		if (MIND_SILENT && c->state == WS_OPEN && ws->serving == c &&
		    lws_get_close_length(wsi) == 0 && !conn_at_eof(c))
			lws_close_reason(wsi, LWS_CLOSE_STATUS_PROTOCOL_ERR, NULL, 0);
		return 0;
	case LWS_CALLBACK_CLOSED:
		/* the descriptor is still open: after this the loop knows it no more */
		watch_stop(&c->read);
		watch_stop(&c->write);
		return 0;
	default: break;
	}
	/* LWS_CALLBACK_WSI_DESTROY */
	conn_set_state(c, WS_CLOSED);
	if (ws->serving == c)
		ws->serving = NULL;
	if (ws->owes_read)
		tell_read(c);
	if (ws->adopting != c)
		ws->events->on_closed(c, ws->ctx);
	return 0;
}

/* What one send() may take: with less the library cuts, and copies the rest. */
#define SEND_SIZE (4u << 20)

static const struct lws_protocols protocols[] = {
    /* the first one is for those that chose none */
    {"plain", callback, 0, RECEIVE_SIZE, 0, NULL, SEND_SIZE},
    {WS_PROTOCOL_JSON, callback, 0, RECEIVE_SIZE, 0, NULL, SEND_SIZE},
    {NULL, NULL, 0, 0, 0, NULL, 0},
};

/* Its keep-alive is off: it sorts a list per connection and pong. Ours is hub.c's. */
static const lws_retry_bo_t no_keepalive;

static void
emit(int level, const char *line)
{
	size_t len = strcspn(line, "\n");

	/* adopt.c says this at error level each time, when all is well */
	if (strstr(line, ": calling service"))
		return;
	if (level == LLL_ERR)
		log_warning("libwebsockets: %.*s", (int)len, line);
	else
		log_debug("libwebsockets: %.*s", (int)len, line);
}

struct ws *
ws_new(struct loop *loop, size_t max_message, size_t max_input, const struct ws_events *events,
       void *ctx)
{
	struct ws *ws = calloc(1, sizeof(*ws));
	struct lws_context_creation_info info = {
	    .port = CONTEXT_PORT_NO_LISTEN_SERVER,
	    .options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
	    .uid = -1,
	    .gid = -1,
	    .protocols = protocols,
	    .extensions = extensions,
	    .retry_and_idle_policy = &no_keepalive,
	    .user = ws,
	    /* fd_limit_per_thread stays 0: with a limit every look-up is a linear search */
	};

	if (!ws) {
		log_error("websocket: out of memory");
		return NULL;
	}
	lws_set_log_level(LLL_ERR | LLL_WARN, emit);
	ws->loop = loop;
	ws->events = events;
	ws->ctx = ctx;
	ws->unpacker.max = max_message;
	ws->max_input = max_input;
	TAILQ_INIT(&ws->unfinished);
	deadline_list_init(&ws->lingering, loop, LINGERING_MS, "ws lingering", lingered_cb, ws);
	ws->context = lws_create_context(&info);
	if (ws->context)
		ws->vhost = lws_create_vhost(ws->context, &info);
	if (!ws->vhost) {
		log_error("websocket: libwebsockets cannot be started");
		ws_free(&ws);
		return NULL;
	}
	return ws;
}

void
ws_free(struct ws **ws)
{
	if (!*ws)
		return;
	if ((*ws)->context)
		lws_context_destroy((*ws)->context);
	deadline_list_fini(&(*ws)->lingering);
	ws_unpacker_fini(&(*ws)->unpacker);
	free(*ws);
	*ws = NULL;
}

size_t
ws_input_bytes(const struct ws *ws)
{
	return ws->input_bytes;
}

/* Where the first frame begins, behind the head; NULL when nothing came of it. */
static const char *
first_frame(struct span head)
{
	const char *end = memmem(head.ptr, head.len, "\r\n\r\n", 4);

	return end && end + 4 < head.ptr + head.len ? end + 4 : NULL;
}

void
ws_adopt(struct ws *ws, struct ws_conn *c, int fd, struct span head)
{
	const char *frame = first_frame(head);
	const size_t frame_len = frame ? (size_t)(head.ptr + head.len - frame) : 0;

	c->ws = ws;
	c->fd = fd;
	c->mask_at = (signed char)(1 - (frame_len < 2 ? (int)frame_len : 2));
	conn_set_state(c, WS_ADOPTING);
	watch_init(&c->read, ws->loop, fd, LOOP_READ, "ws read", conn_read_cb, c);
	watch_init(&c->write, ws->loop, fd, LOOP_WRITE, "ws write", conn_write_cb, c);
	ws->adopting = c;
	lws_adopt_socket_vhost_readbuf(ws->vhost, fd, head.ptr, head.len);
	ws->adopting = NULL;
	if (!c->lws) {
		/* it never came to be, and the library closed fd */
		if (c->state != WS_CLOSED)
			conn_set_state(c, WS_CLOSED);
		ws->events->on_closed(c, ws->ctx);
		return;
	}
	if (c->state == WS_ADOPTING || (c->state != WS_FLUSHING && !watch_start(&c->read))) {
		conn_drop(c);
		return;
	}
	if (!MIND_MASK)
		c->mask_at = -1;
	else if (frame_len >= 2 && !(frame[1] & 0x80))
		ws_close(c, CLOSE_PROTOCOL);
	else if (c->mask_at >= 0)
		lws_rx_flow_control(c->lws, 0);
	/* the library holds what came behind the head */
	if (c->state != WS_FLUSHING)
		conn_serve(c);
}

/*
 * The socket alone, as long as the library is known to hold nothing and to have sent no Close: to
 * ask it costs as much as all the rest, for what it keeps of a connection lies far apart. Returns
 * how much the socket took.
 */
static size_t
send_past_library(struct ws_conn *c, const unsigned char *frames, size_t len)
{
	ssize_t n;

	if (!c->seen_idle)
		return 0;
	n = send(c->fd, frames, len, MSG_NOSIGNAL);
	if (n == (ssize_t)len)
		return len;
	/* the rest is the library's to keep, and so is what is wrong with the socket to be found */
	c->seen_idle = false;
	return n > 0 ? (size_t)n : 0;
}

enum ws_result
ws_write(struct ws_conn *c, unsigned char *frames, size_t len)
{
	if (c->state != WS_OPEN)
		return WS_REFUSED;
	size_t sent = send_past_library(c, frames, len);
	if (sent == len)
		return WS_SENT;
	frames += sent;
	len -= sent;
	if (lws_get_close_length(c->lws) > 0 && !c->ws->last_words)
		return WS_REFUSED;
	if (lws_partial_buffered(c->lws)) {
		c->owes_writable = true;
		watch_start(&c->write);
		return WS_STUCK;
	}
	if (lws_write(c->lws, frames, len, LWS_WRITE_RAW) < 0) {
		/* the loop will find the socket broken, too; if not, the deadline ends it */
		conn_set_state(c, WS_CLOSING);
		return WS_REFUSED;
	}
	if (!lws_partial_buffered(c->lws)) {
		if (lws_get_close_length(c->lws) == 0)
			c->seen_idle = true;
		return WS_SENT;
	}
	/* the library may have sent the rest before the loop gets to it: it is owed all the same */
	c->owes_writable = true;
	watch_start(&c->write);
	return WS_PARTIAL;
}

void
ws_want_writable(struct ws_conn *c, bool want)
{
	c->wants_writable = want;
	if (want && c->state == WS_OPEN)
		watch_start(&c->write);
}

void
ws_pause(struct ws_conn *c)
{
	if (c->state != WS_OPEN || c->paused)
		return;
	c->paused = true;
	lws_rx_flow_control(c->lws, 0);
	watch_stop(&c->read);
}

void
ws_resume(struct ws_conn *c)
{
	if (!c->paused)
		return;
	if (c->state == WS_OPEN)
		conn_resume(c);
	else
		c->paused = false;
}

void
ws_close(struct ws_conn *c, unsigned code)
{
	unsigned char frame[WS_PRE + FRAME_CLOSE_SIZE];

	if (c->state != WS_OPEN)
		return;
	frame_close(frame + WS_PRE, code);
	conn_close(c, frame + WS_PRE, FRAME_CLOSE_SIZE);
}

void
ws_close_behind(struct ws_conn *c, struct buffer *frames, unsigned code)
{
	unsigned char frame[FRAME_CLOSE_SIZE];

	frame_close(frame, code);
	if (c->state == WS_OPEN && frames->len > 0 &&
	    buffer_append(frames, frame, sizeof(frame), SIZE_MAX))
		conn_close(c, (unsigned char *)frames->data + WS_PRE, frames->len - WS_PRE);
	else
		ws_close(c, code);
}
