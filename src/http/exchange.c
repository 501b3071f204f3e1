/*
 * exchange.c - one request given to its handler, and its answer, now or later. Called by: handlers;
 * conn_input.c runs it, conn_life.c tells it when the client has left. What it wants of the
 * connection it asks of its owner's table.
 */
#include "http/exchange.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "http/access_log.h"
#include "http/answer.h"
#include "http/exchange_internal.h"
#include "http/handshake.h"
#include "http/response.h"

static const char no_memory_left[] = "out of memory";

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

bool
exchange_is_local(const struct exchange *x)
{
	return access_is_local(&x->peer, &x->door->request);
}

void
exchange_client(const struct exchange *x, uint8_t client[EXCHANGE_CLIENT_SIZE])
{
	access_client(&x->peer, &x->door->request, client);
}

void
exchange_on_gone(struct exchange *x, void (*gone)(struct exchange *x, void *ctx), void *ctx)
{
	x->gone = gone;
	x->gone_ctx = ctx;
	x->is_shut_gone = false;
}

void
exchange_on_shut(struct exchange *x, void (*gone)(struct exchange *x, void *ctx), void *ctx)
{
	exchange_on_gone(x, gone, ctx);
	x->is_shut_gone = true;
}

/* Where the answer goes now. */
static struct buffer *
output(struct exchange *x)
{
	return x->door->current == x ? &x->door->out : x->late;
}

void
exchange_begin(struct exchange *x)
{
	struct door *door = x->door;

	x->n_requests++;
	x->is_keep = door->request.keep_alive;
	if (door->access_log)
		x->account = (struct exchange_account){.head = &door->request,
						       .since_us = loop_now_us(door->loop)};
}

/* Copies what *s is, and lets it be the copy; what is not there stays so. */
static char *
keep(char *p, struct span *s)
{
	if (!s->ptr)
		return p;
	if (s->len)
		memcpy(p, s->ptr, s->len);
	s->ptr = p;
	return p + s->len;
}

void
exchange_keep(struct exchange *x)
{
	struct exchange_account *account = &x->account;
	struct answer_wish *wish = &x->wish;
	struct span line = {0};

	if (account->head)
		line = access_log_keep(x->door->access_log, account->head);
	account->head = NULL;
	const size_t len = wish->if_match.len + wish->if_none_match.len + line.len;
	if (len == 0 && !wish->if_match.ptr)
		return;
	x->kept = malloc(len + 1);
	/* without it there are no conditions, and its line in the log tells less */
	if (!x->kept) {
		wish->if_match = wish->if_none_match = span_from(NULL, 0);
		return;
	}
	char *p = keep(x->kept, &wish->if_match);
	account->kept = line;
	keep(keep(p, &wish->if_none_match), &account->kept);
}

static void
drop_kept(struct exchange *x)
{
	free(x->kept);
	x->kept = NULL;
	x->wish.if_match = x->wish.if_none_match = span_from(NULL, 0);
}

/* The handler has begun to answer: what it held of the request is gone. False: nobody is there. */
static bool
begin_answer(struct exchange *x)
{
	/* a second answer, or one after exchange_take_socket, is a mistake of ours */
	assert(x->state == EXCHANGE_PENDING || x->state == EXCHANGE_LOST);
	const bool is_lost = x->state == EXCHANGE_LOST;

	x->state = EXCHANGE_NONE;
	x->gone = NULL;
	x->body = span_from(NULL, 0);
	if (is_lost) {
		drop_kept(x);
		x->owner->on_released(x);
		return false;
	}
	if (x->is_keep && x->door->is_draining) {
		/* the client did not ask for the end: it may have sent more already */
		x->is_keep = false;
		x->is_linger = true;
	}
	return true;
}

void
exchange_reply_whole(struct exchange *x, const struct reply *reply)
{
	static const struct reply no_memory = {.status = 503, .fields = "Retry-After: 1\r\n"};
	const enum response_body body = x->is_head ? RESPONSE_HEAD_ONLY : RESPONSE_WHOLE;

	if (!begin_answer(x))
		return;
	struct buffer *out = output(x);
	const size_t before = out->len;
	bool is_written =
	    answer_write(x, out, reply, body) || answer_write(x, out, &no_memory, body);
	if (x->door->access_log)
		exchange_account_written(x, out, before, reply->body.len);
	drop_kept(x);
	x->owner->on_written(x, is_written ? NULL : no_memory_left);
}

/* ---- an answer in pieces ---- */

bool
exchange_stream(struct exchange *x, const struct reply *head, const struct stream_calls *calls,
		void *ctx)
{
	if (x->state == EXCHANGE_PENDING && answer_is_unmatched(x, head)) {
		exchange_reply_whole(x, head);
		return false;
	}
	if (!begin_answer(x))
		return false;
	x->is_chunked = !x->is_minor_0;
	if (!x->is_chunked)
		x->is_keep = false;
	bool is_written =
	    answer_write(x, output(x), head, x->is_chunked ? RESPONSE_CHUNKS : RESPONSE_TO_END);
	const bool goes_on = is_written && !x->is_head;
	x->account.status = head->status;
	x->account.bytes_out = 0;
	if (!goes_on) {
		exchange_account_end(x, is_written ? head->status : EXCHANGE_CLIENT_LEFT, 0);
		drop_kept(x);
	} else {
		x->state = EXCHANGE_STREAMING;
		x->stream = calls;
		x->gone_ctx = ctx;
		x->wants_piece = true;
	}
	x->owner->on_written(x, is_written ? NULL : no_memory_left);
	return goes_on;
}

void
exchange_proceed(struct exchange *x)
{
	assert(x->state == EXCHANGE_STREAMING && x->wants_piece);
	x->wants_piece = false;
	x->stream->proceed(x, x->gone_ctx);
}

void
exchange_proceed_later(struct exchange *x)
{
	assert(x->state == EXCHANGE_STREAMING && !x->wants_piece);
	x->wants_piece = true;
	x->owner->on_written(x, NULL);
}

void
exchange_send(struct exchange *x, struct span piece)
{
	struct buffer *out = output(x);

	/* one piece per proceed: that is what bounds the memory of a slow client's answer */
	assert(x->state == EXCHANGE_STREAMING && !x->wants_piece);
	bool is_written = x->is_chunked ? response_write_chunk(out, piece)
					: buffer_append(out, piece.ptr, piece.len, SIZE_MAX / 4);
	x->wants_piece = true;
	x->account.bytes_out += piece.len;
	x->owner->on_written(x, is_written ? NULL : no_memory_left);
}

/* However it came to its end. */
static void
leave_stream(struct exchange *x)
{
	assert(x->state == EXCHANGE_STREAMING);
	x->state = EXCHANGE_NONE;
	exchange_account_end(x, x->account.status, x->account.bytes_out);
	drop_kept(x);
}

void
exchange_end(struct exchange *x)
{
	/* its head said that the connection stays: a drain since then is told by the next answer */
	leave_stream(x);
	bool is_written = !x->is_chunked || response_write_last_chunk(output(x));
	x->owner->on_written(x, is_written ? NULL : no_memory_left);
}

void
exchange_abort(struct exchange *x)
{
	leave_stream(x);
	x->owner->on_written(x, "its answer could not be finished");
}

void
exchange_run(struct exchange *x, struct span body, struct span rest)
{
	const struct route *route = x->door->match.route;

	x->state = EXCHANGE_PENDING;
	x->gone = NULL;
	x->body = body;
	x->account.bytes_in = body.len;
	x->door->rest = rest;
	if (route->upgrade)
		route->upgrade(x, route->ctx);
	else
		route->handle(x, route->ctx);
	if (x->state != EXCHANGE_PENDING && x->state != EXCHANGE_STREAMING)
		return;
	x->body = span_from(NULL, 0);
	/* with a body that was waited for, it is kept already */
	if (!x->kept)
		exchange_keep(x);
}

void
exchange_forget(struct exchange *x)
{
	exchange_account_end(x, EXCHANGE_CLIENT_LEFT, 0);
	drop_kept(x);
}

void
exchange_note_shut(struct exchange *x)
{
	void (*gone)(struct exchange * x, void *ctx) = x->gone;

	if (x->state != EXCHANGE_PENDING || !gone || !x->is_shut_gone)
		return;
	x->gone = NULL;
	gone(x, x->gone_ctx);
}

void
exchange_lose_client(struct exchange *x)
{
	void (*gone)(struct exchange * x, void *ctx) = x->gone;

	if (x->state == EXCHANGE_STREAMING) {
		leave_stream(x);
		x->stream->stop(x->gone_ctx);
		return;
	}
	exchange_account_end(x, EXCHANGE_CLIENT_LEFT, 0);
	x->state = EXCHANGE_LOST;
	x->gone = NULL;
	if (gone)
		gone(x, x->gone_ctx);
}

bool
exchange_take_socket(struct exchange *x, const struct handshake_choice *choice,
		     struct upgrade_socket *socket)
{
	struct door *door = x->door;

	/* only inside the upgrade handler is there a request to write anew */
	assert(door->current == x && door->match.route->upgrade);
	if (x->state == EXCHANGE_LOST)
		return false;
	assert(x->state == EXCHANGE_PENDING);
	/* what was gathered has been sent before the upgrade: the memory behind it is free */
	struct buffer *out = &door->out;
	size_t room = door->head_len + HANDSHAKE_HEAD_EXTRA;
	assert(out->len == 0);
	if (!buffer_reserve(out, room + door->rest.len, SIZE_MAX / 4))
		return false;
	size_t len = handshake_write_head(&door->request, choice, out->data, room);
	if (!len)
		return false;
	if (door->rest.len)
		memcpy(out->data + len, door->rest.ptr, door->rest.len);
	x->state = EXCHANGE_NONE;
	x->gone = NULL;
	*socket = (struct upgrade_socket){
	    .is_local = access_is_local(&x->peer, &door->request),
	    .hold = x->hold,
	    .head = span_from(out->data, len + door->rest.len),
	};
	x->hold = (struct address_hold){0};
	exchange_account_end(x, 101, 0);
	socket->fd = x->owner->take_fd(x);
	return true;
}
