/*
 * exchange.c - one request given to its handler, and its answer, now or later. Called by: handlers;
 * conn_input.c runs it, conn_life.c tells it when the client has left. What it wants of the
 * connection it asks of its owner's table.
 */
#include "http/exchange.h"

#include <assert.h>

#include "base/clock.h"
#include "http/exchange_internal.h"
#include "http/handshake.h"
#include "http/response.h"

const struct request *
exchange_request(const struct exchange *x)
{
	return &x->door->request;
}

struct span
exchange_param(const struct exchange *x, size_t n)
{
	const struct route_match *match = &x->door->match;

	return n < match->n_parts ? match->part[n] : span_from(NULL, 0);
}

struct span
exchange_body(const struct exchange *x)
{
	return x->body;
}

void
exchange_on_gone(struct exchange *x, void (*gone)(struct exchange *x, void *ctx), void *ctx)
{
	x->gone = gone;
	x->gone_ctx = ctx;
}

static bool
write_reply(struct exchange *x, struct buffer *out, const struct reply *reply)
{
	enum response_connection connection = RESPONSE_CLOSE;

	if (x->is_keep)
		connection = x->is_minor_0 ? RESPONSE_KEEP_ALIVE : RESPONSE_KEEP;
	return response_write(out, reply, connection, x->is_head,
			      clock_http_date(loop_now_us(x->door->loop)));
}

void
exchange_reply(struct exchange *x, const struct reply *reply)
{
	static const struct reply no_memory = {.status = 503, .fields = "Retry-After: 1\r\n"};
	struct door *door = x->door;

	/* a second answer, or one after exchange_take_socket, is a mistake of ours */
	assert(x->is_pending);
	x->is_pending = false;
	x->gone = NULL;
	x->body = span_from(NULL, 0);
	if (x->is_gone) {
		x->owner->on_released(x);
		return;
	}
	if (x->is_keep && door->is_draining) {
		/* the client did not ask for the end: it may have sent more already */
		x->is_keep = false;
		x->is_linger = true;
	}
	struct buffer *out = door->current == x ? &door->out : x->late;
	bool is_written = write_reply(x, out, reply) || write_reply(x, out, &no_memory);
	x->owner->on_answered(x, is_written);
}

void
exchange_run(struct exchange *x, struct span body, struct span rest)
{
	const struct route *route = x->door->match.route;

	x->is_pending = true;
	x->gone = NULL;
	x->body = body;
	x->door->rest = rest;
	if (route->upgrade)
		route->upgrade(x, route->ctx);
	else
		route->handle(x, route->ctx);
	/* of a deferred exchange; of an answered one it is empty already */
	x->body = span_from(NULL, 0);
}

void
exchange_lose_client(struct exchange *x)
{
	void (*gone)(struct exchange * x, void *ctx) = x->gone;

	x->is_gone = true;
	x->gone = NULL;
	if (gone)
		gone(x, x->gone_ctx);
}

bool
exchange_take_socket(struct exchange *x, struct upgrade_socket *socket)
{
	struct door *door = x->door;

	/* only inside the upgrade handler is there a request to write anew */
	assert(x->is_pending && door->current == x && door->match.route->upgrade);
	if (x->is_gone)
		return false;
	/* what was gathered has been sent before the upgrade: the memory behind it is free */
	struct buffer *out = &door->out;
	size_t room = door->head_len + HANDSHAKE_HEAD_EXTRA;
	assert(out->len == 0);
	if (!buffer_reserve(out, room + door->rest.len, SIZE_MAX / 4))
		return false;
	size_t len = handshake_write_head(&door->request, out->data, room);
	if (!len)
		return false;
	if (door->rest.len)
		memcpy(out->data + len, door->rest.ptr, door->rest.len);
	x->is_pending = false;
	x->gone = NULL;
	*socket = (struct upgrade_socket){
	    .is_local = access_is_local(&x->peer, &door->request),
	    .hold = x->hold,
	    .head = span_from(out->data, len + door->rest.len),
	};
	x->hold = (struct address_hold){0};
	socket->fd = x->owner->take_fd(x);
	return true;
}
