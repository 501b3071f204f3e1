/*
 * conn.c - one accepted socket. Per readable event: one recv, every request in it, one send.
 *
 * Input is read into the door's buffer, after what was left of the last read, and handled there;
 * only what cannot be handled yet is kept in the connection. Answers gather in the door's buffer
 * until conn_leave sends them; what the client does not take is kept too, and only then is writing
 * watched. Between conn_enter and conn_leave a connection is never freed: conn_close and
 * conn_release leave that to conn_leave.
 */
#include "http/conn.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "http/response.h"

/* More unsent bytes than this, and the next pipelined request waits. */
#define OUT_MAX ((size_t)256 << 10)
/* A client that was refused may go on sending this much before it looks at the answer. */
#define LINGER_MAX ((uint64_t)4 << 20)
/* A connection not used for so long is idle to a draining server. */
#define DRAIN_IDLE_MS 1000
#define UNUSED_MAX    256
/* The buffers' own bounds lie in what is appended to them. */
#define ANY_SIZE (SIZE_MAX / 4)

static void conn_read_cb(void *arg, short what);
static void conn_write_cb(void *arg, short what);

static void
conn_set_state(struct conn *c, enum conn_state state)
{
	c->state = state;
}

struct conn *
conn_open(struct door *door, int fd, const struct access_peer *peer)
{
	struct conn *c;

	if (ring_empty(&door->unused)) {
		c = malloc(sizeof(*c));
	} else {
		c = CONN_OF(door->unused.next, link);
		ring_remove(&c->link);
		door->n_unused--;
	}
	if (!c) {
		close(fd);
		return NULL;
	}
	*c = (struct conn){.door = door, .fd = fd, .peer = *peer};
	c->exchange.conn = c;
	ring_init(&c->link);
	ring_init(&c->resume_link);
	ring_append(&door->conns, &c->link);
	door->n_conns++;
	watch_init(&c->read, door->loop, fd, LOOP_READ, "http read", conn_read_cb, c);
	watch_init(&c->write, door->loop, fd, LOOP_WRITE, "http write", conn_write_cb, c);
	deadline_arm(&c->deadline, &door->idle);
	if (!watch_start(&c->read)) {
		conn_close(c, "it cannot be watched");
		return NULL;
	}
	return c;
}

static void
conn_free_buffers(struct conn *c)
{
	buffer_fini(&c->in);
	buffer_fini(&c->body);
	buffer_fini(&c->out);
	c->out_sent = 0;
}

void
conn_release(struct conn *c)
{
	struct door *door = c->door;

	if (door && door->current == c)
		return;
	ring_remove(&c->link);
	conn_free_buffers(c);
	if (!door || door->n_unused >= UNUSED_MAX) {
		free(c);
		return;
	}
	ring_append(&door->unused, &c->link);
	door->n_unused++;
}

/* Out of the loop, the deadlines and the count. */
static void
conn_detach(struct conn *c, enum conn_state state)
{
	watch_stop(&c->read);
	watch_stop(&c->write);
	deadline_disarm(&c->deadline);
	deadline_disarm(&c->write_deadline);
	ring_remove(&c->resume_link);
	ring_remove(&c->link);
	c->door->n_conns--;
	c->fd = -1;
	conn_set_state(c, state);
	door_check_drained(c->door);
}

void
conn_close(struct conn *c, const char *reason)
{
	struct exchange *x = &c->exchange;
	int fd = c->fd;

	if (fd < 0)
		return;
	log_debug("http: connection %d closed after %llu requests: %s", fd,
		  (unsigned long long)c->n_requests, reason);
	conn_detach(c, CONN_GONE);
	close(fd);
	if (!x->is_pending) {
		conn_release(c);
		return;
	}
	ring_append(&c->door->orphans, &c->link);
	/* inside its own handler, the request is still being looked at */
	if (c->door->current != c)
		conn_free_buffers(c);
	void (*gone)(struct exchange * x, void *ctx) = x->gone;
	x->gone = NULL;
	if (gone)
		gone(x, x->gone_ctx);
}

int
conn_take_fd(struct conn *c)
{
	int fd = c->fd;

	log_debug("http: connection %d became a WebSocket after %llu requests", fd,
		  (unsigned long long)c->n_requests);
	conn_detach(c, CONN_TAKEN);
	return fd;
}

/* ---- output ---- */

static size_t
conn_unsent(const struct conn *c)
{
	return c->out.len - c->out_sent;
}

/* What the socket takes now of data[0..len); marks the connection broken if it takes no more. */
static size_t
conn_send(struct conn *c, const char *data, size_t len)
{
	ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL);

	if (n >= 0)
		return (size_t)n;
	if (errno != EAGAIN && errno != EINTR)
		c->broken = "the client was gone before its answer";
	return 0;
}

static void
conn_send_own(struct conn *c)
{
	c->out_sent += conn_send(c, c->out.data + c->out_sent, conn_unsent(c));
	if (c->out_sent == c->out.len) {
		buffer_fini(&c->out);
		c->out_sent = 0;
	}
}

/* To the end of what waits already; what was sent of that is dropped first. */
static bool
conn_keep_output(struct conn *c, const char *data, size_t len)
{
	if (c->out_sent) {
		buffer_consume(&c->out, c->out_sent);
		c->out_sent = 0;
	}
	return buffer_append(&c->out, data, len, ANY_SIZE);
}

/* Sends what has gathered; what is not taken now stays in `out`, watched and with a deadline. */
static void
conn_flush(struct conn *c)
{
	struct buffer *gathered = &c->door->out;
	bool is_first = c->out.len == 0;
	size_t sent = 0;

	if (is_first && gathered->len)
		sent = conn_send(c, gathered->data, gathered->len);
	if (sent < gathered->len &&
	    !conn_keep_output(c, gathered->data + sent, gathered->len - sent))
		c->broken = "out of memory";
	gathered->len = 0;
	if (!c->out.len || deadline_armed(&c->write_deadline))
		return;
	/* what was in `out` before is a deferred answer, not tried yet */
	if (!is_first)
		conn_send_own(c);
	if (!c->out.len || c->broken)
		return;
	if (!watch_start(&c->write)) {
		c->broken = "it cannot be watched";
		return;
	}
	deadline_arm(&c->write_deadline, &c->door->write);
}

/* ---- what comes next ---- */

/* Everything is answered and sent, and there will be no more. */
static void
conn_finish(struct conn *c)
{
	if (c->is_eof || !c->is_linger) {
		conn_close(c, c->is_eof ? "the client had finished" : "as agreed");
		return;
	}
	/*
	 * RFC 9112 9.6: closing with unread input resets the connection, and a reset can destroy
	 * the answer before the client has read it. So the client is shown the end, and what it
	 * still sends is dropped until it closes.
	 */
	shutdown(c->fd, SHUT_WR);
	conn_set_state(c, CONN_LINGER);
	c->body_received = 0;
	c->is_paused = false;
	if (!watch_start(&c->read)) {
		conn_close(c, "it cannot be watched");
		return;
	}
	deadline_arm(&c->deadline, &c->door->linger);
}

static void
conn_pause(struct conn *c)
{
	if (!c->is_paused)
		watch_stop(&c->read);
	c->is_paused = true;
}

/* False: it was closed. */
static bool
conn_unpause(struct conn *c)
{
	if (!c->is_paused || c->is_eof)
		return true;
	c->is_paused = false;
	if (watch_start(&c->read))
		return true;
	conn_close(c, "it cannot be watched");
	return false;
}

static void
conn_wait_for_request(struct conn *c)
{
	struct door *door = c->door;

	if (c->is_eof) {
		/* no request will follow; answers may still be on their way */
		conn_set_state(c, CONN_CLOSING);
		deadline_disarm(&c->deadline);
		if (!c->out.len)
			conn_finish(c);
		return;
	}
	if (!conn_unpause(c))
		return;
	switch (c->state) {
	case CONN_IDLE:
		/* who still takes its answers is not idle */
		if (c->out.len)
			deadline_disarm(&c->deadline);
		else
			deadline_arm(&c->deadline, door->is_draining ? &door->grace : &door->idle);
		break;
	case CONN_HEAD:
		if (c->deadline.list != &door->header)
			deadline_arm(&c->deadline, &door->header);
		break;
	default: break; /* CONN_BODY: armed when its head came */
	}
}

/* Watches and deadlines for whatever state it is in now. May free it. */
static void
conn_wait(struct conn *c)
{
	if (c->is_stalled) {
		deadline_disarm(&c->deadline);
		conn_pause(c);
		return;
	}
	switch (c->state) {
	case CONN_IDLE:
	case CONN_HEAD:
	case CONN_BODY: conn_wait_for_request(c); break;
	case CONN_BUSY:
		deadline_disarm(&c->deadline);
		if (c->in.len >= c->door->config->http_max_header_size)
			conn_pause(c);
		else
			conn_unpause(c);
		break;
	case CONN_CLOSING:
		deadline_disarm(&c->deadline);
		if (c->out.len)
			conn_pause(c);
		else
			conn_finish(c);
		break;
	case CONN_LINGER:
	case CONN_TAKEN:
	case CONN_GONE: break;
	}
}

static void
conn_enter(struct conn *c)
{
	assert(!c->door->current);
	c->door->current = c;
	c->door->out.len = 0;
}

/* Input that was not handled: kept if it may be handled later. */
static bool
conn_keep_rest(struct conn *c, const char *rest, size_t len)
{
	if (c->state == CONN_BODY)
		return true; /* `in` is the head; all else was taken as body */
	if (c->state == CONN_CLOSING) {
		/* RFC 9112 9.6: nothing after the last request is looked at */
		if (len)
			c->is_linger = true;
		len = 0;
		buffer_fini(&c->body);
	}
	if (!len) {
		if (c->in.cap)
			buffer_fini(&c->in);
		return true;
	}
	c->in.len = 0;
	return buffer_append(&c->in, rest, len, ANY_SIZE);
}

/* After input was handled up to `rest`. May free it. */
static void
conn_leave(struct conn *c, const char *rest, size_t len)
{
	struct door *door = c->door;

	if (c->state == CONN_GONE || c->state == CONN_TAKEN) {
		door->current = NULL;
		if (c->exchange.is_pending)
			conn_free_buffers(c);
		else
			conn_release(c);
		return;
	}
	if (!conn_keep_rest(c, rest, len))
		c->broken = "out of memory";
	if (!c->broken)
		conn_flush(c);
	door->current = NULL;
	/* after a big answer: its memory is not kept for ever */
	if (door->out.cap > 2 * OUT_MAX)
		buffer_fini(&door->out);
	if (c->broken)
		conn_close(c, c->broken);
	else
		conn_wait(c);
}

void
conn_answered(struct conn *c)
{
	conn_set_state(c, c->is_keep ? CONN_IDLE : CONN_CLOSING);
}

/* ---- input ---- */

/* The head in data[0..head_len) is accepted, its body is not here yet. */
static bool
conn_begin_body(struct conn *c, const char *data, size_t head_len, bool has_more)
{
	struct door *door = c->door;
	const struct request *request = &door->request;

	c->is_chunked = request->body == BODY_CHUNKED;
	c->body_left = request->content_length;
	if (c->is_chunked)
		chunked_init(&c->chunked, c->body_limit);
	c->in.len = 0;
	if (!buffer_append(&c->in, data, head_len, ANY_SIZE))
		return false;
	/* RFC 9110 10.1.1: not needed when the body is coming anyway */
	if (request->expects_continue && request->version_minor > 0 && !has_more &&
	    !response_write_continue(&door->out))
		return false;
	conn_set_state(c, CONN_BODY);
	c->body_received = 0;
	c->body_since_ms = loop_now_ms(door->loop);
	deadline_arm(&c->deadline, &door->body);
	return true;
}

/* Returns how much of data[0..len) was used: the head, and a body that is here whole. */
static size_t
conn_take_head(struct conn *c, const char *data, size_t len)
{
	struct door *door = c->door;
	struct request *request = &door->request;

	switch (request_parse(&c->parser, data, len, (size_t)door->config->http_max_header_size,
			      request, &door->head_len)) {
	case REQUEST_INCOMPLETE: conn_set_state(c, CONN_HEAD); return 0;
	case REQUEST_BAD:
		exchange_give_up(c, c->parser.error_status, c->parser.error_message, NULL);
		return len;
	case REQUEST_COMPLETE: break;
	}
	size_t head_len = door->head_len;
	c->parser = (struct request_parser){0};
	if (c->deadline.list == &door->header)
		deadline_disarm(&c->deadline);
	c->n_requests++;
	c->is_keep = request->keep_alive;
	conn_set_state(c, CONN_BUSY);
	if (!exchange_accepts(c))
		return head_len;
	if (door->match.route->upgrade && (door->out.len || c->out.len)) {
		/* the answers before the upgrade have to be out before the socket leaves */
		conn_flush(c);
		if (c->out.len) {
			conn_set_state(c, CONN_IDLE);
			c->is_stalled = true;
			return 0;
		}
		if (c->broken)
			return 0;
	}
	struct span rest = span_from(data + head_len, len - head_len);
	if (door->match.route->body_limit == ROUTE_BODY_UNREAD || request->body == BODY_NONE) {
		exchange_run(c, span_from(NULL, 0), rest);
		return head_len;
	}
	if (request->body == BODY_CHUNKED || request->content_length > rest.len) {
		if (!conn_begin_body(c, data, head_len, rest.len > 0))
			c->broken = "out of memory";
		return head_len;
	}
	size_t body_len = (size_t)request->content_length;
	exchange_run(c, span_from(rest.ptr, body_len),
		     span_from(rest.ptr + body_len, rest.len - body_len));
	return head_len + body_len;
}

/* Returns how much was used; *is_whole when that ends the body. */
static size_t
conn_feed_body(struct conn *c, const char *data, size_t len, bool *is_whole)
{
	size_t used = len;

	*is_whole = false;
	if (!c->is_chunked) {
		if (used > c->body_left)
			used = (size_t)c->body_left;
		if (!buffer_append(&c->body, data, used, ANY_SIZE))
			c->broken = "out of memory";
		c->body_left -= used;
		*is_whole = c->body_left == 0;
		return used;
	}
	if (!buffer_reserve(&c->body, len, ANY_SIZE)) {
		c->broken = "out of memory";
		return len;
	}
	size_t decoded = 0;
	enum chunked_status status =
	    chunked_decode(&c->chunked, data, len, &used, c->body.data + c->body.len, &decoded);
	c->body.len += decoded;
	if (status == CHUNKED_BAD) {
		exchange_give_up(c, c->chunked.error_status, c->chunked.error_message, NULL);
		return len;
	}
	*is_whole = status == CHUNKED_DONE;
	return used;
}

static size_t
conn_take_body(struct conn *c, const char *data, size_t len)
{
	struct door *door = c->door;
	bool is_whole;
	size_t used = conn_feed_body(c, data, len, &is_whole);

	c->body_received += used;
	if (c->broken || !is_whole)
		return used;
	deadline_disarm(&c->deadline);
	/* requests of others have been handled since: look at the head again */
	struct request_parser parser = {0};
	enum request_status status = request_parse(&parser, c->in.data, c->in.len,
						   (size_t)door->config->http_max_header_size,
						   &door->request, &door->head_len);
	assert(status == REQUEST_COMPLETE);
	(void)status;
	exchange_route_again(c);
	conn_set_state(c, CONN_BUSY);
	exchange_run(c, buffer_span(&c->body), span_from(data + used, len - used));
	buffer_fini(&c->body);
	c->in.len = 0;
	return used;
}

/* Handles all that it can; returns how much that was. */
static size_t
conn_handle(struct conn *c, const char *data, size_t len)
{
	size_t at = 0;

	while (at < len && !c->broken) {
		switch (c->state) {
		case CONN_IDLE:
		case CONN_HEAD:
			if (conn_unsent(c) + c->door->out.len > OUT_MAX) {
				conn_flush(c);
				c->is_stalled = conn_unsent(c) > 0;
				if (c->broken || c->is_stalled)
					return at;
			}
			at += conn_take_head(c, data + at, len - at);
			if (c->state == CONN_HEAD || c->is_stalled)
				return at;
			break;
		case CONN_BODY: at += conn_take_body(c, data + at, len - at); break;
		default: return at;
		}
	}
	return at;
}

void
conn_resume(struct conn *c)
{
	struct buffer in = c->in;

	buffer_init(&c->in);
	conn_enter(c);
	if (c->state == CONN_BUSY)
		conn_answered(c);
	size_t used = conn_handle(c, in.data, in.len);
	/* nothing came meanwhile: there is no memory to point into */
	conn_leave(c, used < in.len ? in.data + used : NULL, in.len - used);
	buffer_fini(&in);
}

static void
conn_read_linger(struct conn *c)
{
	ssize_t n = recv(c->fd, c->door->in, c->door->in_size, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		conn_close(c, "the client has closed after the last answer");
		return;
	}
	c->body_received += (uint64_t)n;
	if (c->body_received > LINGER_MAX)
		conn_close(c, "the client did not stop sending after the last answer");
}

static void
conn_read_eof(struct conn *c)
{
	c->is_eof = true;
	conn_pause(c);
	/* RFC 9112 9.6 lets a client shut its side once it has asked: what it asked is answered */
	if (c->state == CONN_BUSY || c->is_stalled)
		return;
	if (c->out.len) {
		conn_wait(c);
		return;
	}
	conn_close(c, c->state == CONN_IDLE ? "the client has closed"
					    : "the client has closed within a request");
}

static void
conn_read_cb(void *arg, short what)
{
	struct conn *c = arg;
	struct door *door = c->door;
	size_t held = c->state == CONN_HEAD ? c->in.len : 0;

	(void)what;
	if (c->state == CONN_LINGER) {
		conn_read_linger(c);
		return;
	}
	assert(held + DOOR_READ_SIZE <= door->in_size);
	ssize_t n = recv(c->fd, door->in + held, DOOR_READ_SIZE, 0);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			conn_close(c, "the client has reset it");
		return;
	}
	if (n == 0) {
		conn_read_eof(c);
		return;
	}
	if (c->state == CONN_BUSY) {
		if (!buffer_append(&c->in, door->in, (size_t)n, ANY_SIZE))
			conn_close(c, "out of memory");
		else
			conn_wait(c);
		return;
	}
	if (held)
		memcpy(door->in, c->in.data, held);
	size_t len = held + (size_t)n;
	conn_enter(c);
	size_t used = conn_handle(c, door->in, len);
	conn_leave(c, door->in + used, len - used);
}

static void
conn_write_cb(void *arg, short what)
{
	struct conn *c = arg;
	size_t before = conn_unsent(c);

	(void)what;
	conn_send_own(c);
	if (c->broken) {
		conn_close(c, c->broken);
		return;
	}
	if (c->out.len) {
		if (conn_unsent(c) < before)
			deadline_arm(&c->write_deadline, &c->door->write);
		return;
	}
	watch_stop(&c->write);
	deadline_disarm(&c->write_deadline);
	if (c->is_stalled) {
		c->is_stalled = false;
		conn_resume(c);
		return;
	}
	conn_wait(c);
}

void
conn_turn_away(struct conn *c)
{
	conn_enter(c);
	exchange_give_up(c, 503, "All connections that this server has are taken: try again.",
			 "Retry-After: 1\r\n");
	conn_leave(c, NULL, 0);
}

/* ---- deadlines and drain ---- */

static void
conn_time_out(struct conn *c, const char *message)
{
	conn_enter(c);
	exchange_give_up(c, 408, message, NULL);
	conn_leave(c, NULL, 0);
}

void
conn_idle_expired_cb(struct deadline *d, void *ctx)
{
	(void)ctx;
	conn_close(CONN_OF(d, deadline), "idle");
}

void
conn_header_expired_cb(struct deadline *d, void *ctx)
{
	(void)ctx;
	conn_time_out(CONN_OF(d, deadline),
		      "The request line and the header fields have to come sooner.");
}

/* The lists know one duration each, so what a body has earned is waited for in seconds. */
void
conn_body_expired_cb(struct deadline *d, void *ctx)
{
	struct conn *c = CONN_OF(d, deadline);
	struct door *door = ctx;
	uint64_t earned_ms = c->body_received / door->config->http_min_body_rate * 1000;
	uint64_t taken_ms = loop_now_ms(door->loop) - c->body_since_ms;

	if (taken_ms < door->config->http_body_timeout + earned_ms)
		deadline_arm(&c->deadline, &door->body_more);
	else
		conn_time_out(c, "The body has to come faster.");
}

void
conn_write_expired_cb(struct deadline *d, void *ctx)
{
	(void)ctx;
	conn_close(CONN_OF(d, write_deadline), "the client does not take its answer");
}

void
conn_linger_expired_cb(struct deadline *d, void *ctx)
{
	(void)ctx;
	conn_close(CONN_OF(d, deadline), "the client has not closed after the last answer");
}

/* Whether a request lies in the socket, unread. */
static bool
conn_is_readable(const struct conn *c)
{
	char byte;

	return recv(c->fd, &byte, 1, MSG_PEEK) > 0;
}

void
conn_grace_expired_cb(struct deadline *d, void *ctx)
{
	struct conn *c = CONN_OF(d, deadline);

	(void)ctx;
	/* what has come just now is still answered, by its own readable event */
	if (!conn_is_readable(c))
		conn_close(c, "idle while draining");
}

void
conn_drain(struct conn *c)
{
	struct door *door = c->door;

	/* any other state gets to its next answer, which is the last one, or to its deadline */
	if (c->state != CONN_IDLE || c->is_stalled || c->is_eof)
		return;
	if (c->out.len) {
		c->is_linger = true;
		conn_set_state(c, CONN_CLOSING);
		conn_wait(c);
		return;
	}
	/*
	 * The client of a connection that was just used may be about to send its next request, and
	 * would have to take the close for a failure. It is answered, with "Connection: close".
	 */
	uint64_t idle_ms =
	    loop_now_ms(door->loop) + door->idle.duration_ms + 1 - c->deadline.expires_ms;
	if (idle_ms >= DRAIN_IDLE_MS && !conn_is_readable(c))
		conn_close(c, "idle while draining");
	else
		deadline_arm(&c->deadline, &door->grace);
}
