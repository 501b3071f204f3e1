/*
 * conn_input.c - bytes into a connection: per readable event one recv, every request in it, one
 * send. Called by: conn.c, and the loop.
 *
 * Input is read into the door's buffer, after what was left of the last read, and handled there;
 * only what cannot be handled yet is kept in the connection. Answers gather in the door's buffer
 * until conn_leave sends them.
 */
#include "http/conn_input.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>

#include "http/conn_life.h"
#include "http/conn_output.h"
#include "http/exchange.h"
#include "http/judge.h"
#include "http/response.h"

/* Of each new connection: many of them may have come in one pass. */
#define FIRST_READ_SIZE 4096
/* A client that was refused may go on sending this much before it looks at the answer. */
#define LINGER_MAX ((uint64_t)4 << 20)

/*
 * The head in hand announces a body. What is more than http.max_body_size is read by nobody; a
 * lower limit of the route is looked at as the body comes, because then it can still be dropped.
 */
static void
conn_expect_body(struct conn *c)
{
	const struct request *request = &c->door->request;

	c->is_chunked = request->body == BODY_CHUNKED;
	c->body_left = request->content_length;
	if (c->is_chunked)
		chunked_init(&c->chunked, (size_t)c->door->config->http_max_body_size);
	c->body_received = 0;
	c->body_since_ms = loop_now_ms(c->door->loop);
}

/* The head in data[0..head_len) is accepted, its body is not here yet. */
static bool
conn_begin_body(struct conn *c, const char *data, size_t head_len, bool has_more)
{
	struct door *door = c->door;
	const struct request *request = &door->request;

	if (!buffer_assign(&c->in, data, head_len))
		return false;
	/* RFC 9110 10.1.1: not needed when the body is coming anyway */
	if (request->expects_continue && request->version_minor > 0 && !has_more &&
	    !response_write_continue(&door->out))
		return false;
	conn_expect_body(c);
	conn_set_state(c, CONN_BODY);
	exchange_keep(&c->exchange);
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
	case REQUEST_INCOMPLETE:
		/* RFC 9112 2.2: an empty line after a request is not the start of the next one */
		if (c->exchange.n_requests && !c->has_empty_line &&
		    request_is_awaited(&c->parser, len)) {
			c->has_empty_line = true;
			c->parser = (struct request_parser){0};
			conn_set_state(c, CONN_IDLE);
			return len;
		}
		conn_set_state(c, CONN_HEAD);
		return 0;
	case REQUEST_BAD:
		judge_refuse_head(&c->exchange, &c->parser, span_from(data, len),
				  c->parser.error_status, c->parser.error_message, NULL);
		return len;
	case REQUEST_COMPLETE: break;
	}
	size_t head_len = door->head_len;
	c->has_empty_line = false;
	c->parser = (struct request_parser){0};
	if (c->deadline.list == &door->header)
		deadline_disarm(&c->deadline);
	exchange_begin(&c->exchange);
	conn_set_state(c, CONN_BUSY);
	const bool is_accepted = judge_accepts(&c->exchange);
	if (c->state == CONN_DROP)
		conn_expect_body(c);
	if (!is_accepted)
		return head_len;
	if (door->match.route->upgrade && (door->out.len || c->out.len)) {
		/* the answers before the upgrade have to be out before the socket leaves */
		conn_flush(c);
		if (c->out.len) {
			conn_set_state(c, CONN_IDLE);
			c->is_stalled = true;
			c->exchange.n_requests--; /* it begins again */
			return 0;
		}
		if (c->broken)
			return 0;
	}
	struct span rest = span_from(data + head_len, len - head_len);
	if (request->body == BODY_NONE) {
		exchange_run(&c->exchange, span_from(NULL, 0), rest);
		return head_len;
	}
	if (request->body == BODY_CHUNKED || request->content_length > rest.len) {
		if (!conn_begin_body(c, data, head_len, rest.len > 0))
			c->broken = "out of memory";
		return head_len;
	}
	size_t body_len = (size_t)request->content_length;
	exchange_run(&c->exchange, span_from(rest.ptr, body_len),
		     span_from(rest.ptr + body_len, rest.len - body_len));
	return head_len + body_len;
}

/* The next bytes of the body: *used of data, of which *n are content and go to `out`, if that is
 * not NULL. */
static enum chunked_status
conn_decode_body(struct conn *c, const char *data, size_t len, size_t *used, char *out, size_t *n)
{
	enum chunked_status status;

	if (c->is_chunked) {
		status = chunked_decode(&c->chunked, data, len, used, out, n);
	} else {
		*used = *n = c->body_left < len ? (size_t)c->body_left : len;
		if (out)
			memcpy(out, data, *used);
		c->body_left -= *used;
		status = c->body_left ? CHUNKED_MORE : CHUNKED_DONE;
	}
	c->body_received += *used;
	return status;
}

/* Of a request that was refused and answered. Returns how much was used. */
static size_t
conn_drop_body(struct conn *c, const char *data, size_t len)
{
	size_t used, n;

	switch (conn_decode_body(c, data, len, &used, NULL, &n)) {
	case CHUNKED_MORE: break;
	case CHUNKED_DONE:
		deadline_disarm(&c->deadline);
		conn_set_state(c, CONN_IDLE);
		break;
	case CHUNKED_BAD:
		/* longer than any that is taken, or no chunks: there is no answer left to say so */
		c->exchange.is_linger = true;
		conn_set_state(c, CONN_CLOSING);
		return len;
	}
	return used;
}

/* Returns how much was used: the request runs with the last of it. */
static size_t
conn_take_body(struct conn *c, const char *data, size_t len)
{
	struct door *door = c->door;
	size_t used, n;

	if (!door_has_input_room(door, len)) {
		judge_give_up(&c->exchange, 503, door_no_input_room, "Retry-After: 1\r\n");
		return len;
	}
	if (!buffer_reserve(&c->body, len, CONN_ANY_SIZE)) {
		c->broken = "out of memory";
		return len;
	}
	const enum chunked_status end =
	    conn_decode_body(c, data, len, &used, c->body.data + c->body.len, &n);
	c->body.len += n;
	c->exchange.account.bytes_in = c->body.len;
	if (end == CHUNKED_BAD) {
		judge_give_up(&c->exchange, c->chunked.error_status, c->chunked.error_message,
			      NULL);
		return len;
	}
	if (end == CHUNKED_DONE)
		deadline_disarm(&c->deadline);
	if (c->body.len > c->exchange.body_limit) {
		judge_refuse_body(&c->exchange, end == CHUNKED_MORE);
		buffer_fini(&c->body);
		return used;
	}
	if (end == CHUNKED_MORE)
		return used;
	/* requests of others have been handled since: look at the head again */
	struct request_parser parser = {0};
	enum request_status status = request_parse(&parser, c->in.data, c->in.len,
						   (size_t)door->config->http_max_header_size,
						   &door->request, &door->head_len);
	assert(status == REQUEST_COMPLETE);
	(void)status;
	judge_route_again(&c->exchange);
	conn_set_state(c, CONN_BUSY);
	exchange_run(&c->exchange, buffer_span(&c->body), span_from(data + used, len - used));
	buffer_fini(&c->body);
	c->in.len = 0;
	return used;
}

/*
 * These are answers enough for one pass: others have their turn, and what is left goes on when they
 * are sent.
 */
static void
conn_stall(struct conn *c)
{
	conn_flush(c);
	c->is_stalled = true;
	/* else conn_write_cb, in conn.c, goes on */
	if (conn_unsent(c) == 0 && ring_empty(&c->resume_link))
		door_resume_later(c->door, &c->resume_link);
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
			if (conn_unsent(c) + c->door->out.len > CONN_OUT_MAX) {
				conn_stall(c);
				return at;
			}
			at += conn_take_head(c, data + at, len - at);
			if (c->state == CONN_HEAD || c->is_stalled)
				return at;
			break;
		case CONN_BODY: at += conn_take_body(c, data + at, len - at); break;
		case CONN_DROP: at += conn_drop_body(c, data + at, len - at); break;
		default: return at;
		}
	}
	return at;
}

/* Written from elsewhere, or the last piece of a stream is to be followed by the next one. */
static void
conn_go_on(struct conn *c)
{
	struct exchange *x = &c->exchange;

	if (x->state == EXCHANGE_NONE) {
		conn_answered(c);
		return;
	}
	if (x->state != EXCHANGE_STREAMING)
		return;
	conn_flush(c);
	if (!c->broken && conn_unsent(c) == 0 && x->wants_piece)
		exchange_proceed(x);
}

void
conn_resume(struct conn *c)
{
	struct buffer in = c->in;

	buffer_init(&c->in);
	c->is_stalled = false;
	conn_enter(c);
	if (c->state == CONN_BUSY && !c->broken)
		conn_go_on(c);
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
	struct exchange *x = &c->exchange;

	c->is_eof = true;
	conn_pause(c);
	if (x->state == EXCHANGE_STREAMING && x->stream->is_endless) {
		conn_close(c, "the client has left an endless answer");
		return;
	}
	/* RFC 9112 9.6 lets a client shut its side once it has asked: what it asked is answered */
	if (c->state == CONN_BUSY || c->is_stalled) {
		/* it may be answered in this call, and freed */
		exchange_note_shut(x);
		return;
	}
	if (c->out.len) {
		conn_wait(c);
		return;
	}
	conn_close(c, c->state == CONN_IDLE ? "the client has closed"
					    : "the client has closed within a request");
}

/* At most `max` bytes. False: there are none. May free it. */
static bool
conn_read(struct conn *c, size_t max)
{
	struct door *door = c->door;
	size_t held = c->state == CONN_HEAD ? c->in.len : 0;

	/* what follows a request in hand can wait in the socket until that is answered */
	if (c->state == CONN_BUSY && !door_has_input_room(door, max)) {
		conn_pause(c);
		return true;
	}
	assert(held + max <= door->in_size);
	ssize_t n = recv(c->fd, door->in + held, max, 0);
	if (n < 0) {
		if (errno == EAGAIN || errno == EINTR)
			return false;
		conn_close(c, "the client has reset it");
		return true;
	}
	if (n == 0) {
		conn_read_eof(c);
		return true;
	}
	if (c->state == CONN_BUSY) {
		if (!buffer_append(&c->in, door->in, (size_t)n, CONN_ANY_SIZE)) {
			conn_close(c, "out of memory");
			return true;
		}
		conn_count_held(c);
		conn_wait(c);
		return true;
	}
	if (held)
		memcpy(door->in, c->in.data, held);
	size_t len = held + (size_t)n;
	conn_enter(c);
	size_t used = conn_handle(c, door->in, len);
	conn_leave(c, door->in + used, len - used);
	return true;
}

void
conn_read_cb(void *arg, short what)
{
	struct conn *c = arg;

	(void)what;
	if (c->state == CONN_LINGER)
		conn_read_linger(c);
	else
		conn_read(c, DOOR_READ_SIZE);
}

void
conn_read_first(struct conn *c)
{
	c->is_new = false;
	if (!conn_read(c, FIRST_READ_SIZE))
		conn_unpause(c);
}
