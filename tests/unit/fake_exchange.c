/*
 * fake_exchange.c - records.
 */
#include "fake_exchange.h"

#include <stdlib.h>
#include <string.h>

#include "http/problem.h"

static void (*hold_memory)(bool is_held);

void
fake_exchange_hold(void (*hold)(bool is_held))
{
	hold_memory = hold;
}

static void
hold(bool is_held)
{
	if (hold_memory)
		hold_memory(is_held);
}

static char *
copy(const char *s)
{
	char *c = s ? strdup(s) : NULL;

	if (s && !c)
		abort();
	return c;
}

struct exchange *
fake_exchange_new(const char *query, const char *param, const char *body)
{
	struct exchange *x = calloc(1, sizeof(*x));

	if (!x)
		abort();
	x->request.query = span_str(query ? query : "");
	x->param[0] = span_str(param ? param : "");
	x->body = span_str(body ? body : "");
	return x;
}

void
fake_exchange_free(struct exchange **x)
{
	free((*x)->content_type);
	free((*x)->fields);
	free((*x)->text);
	free((*x)->type);
	free((*x)->title);
	free((*x)->detail);
	free((*x)->hint);
	for (size_t i = 0; i < (*x)->n_errors; i++) {
		free((*x)->error[i].pointer);
		free((*x)->error[i].detail);
	}
	free(*x);
	*x = NULL;
}

void
fake_exchange_leave(struct exchange *x)
{
	void (*gone)(struct exchange * exchange, void *ctx) = x->gone;

	x->gone = NULL;
	if (gone)
		gone(x, x->gone_ctx);
	if (x->stream) {
		const struct stream_calls *stream = x->stream;
		x->stream = NULL;
		x->answered = true;
		stream->stop(x->stream_ctx);
	}
}

void
fake_exchange_shut(struct exchange *x)
{
	void (*gone)(struct exchange * exchange, void *ctx) = x->gone;

	if (!gone || !x->is_shut_gone)
		return;
	x->gone = NULL;
	gone(x, x->gone_ctx);
}

void
fake_exchange_proceed(struct exchange *x)
{
	if (!x->stream || !x->wants_piece)
		abort();
	x->wants_piece = false;
	x->stream->proceed(x, x->stream_ctx);
}

const char *
fake_exchange_error(const struct exchange *x, const char *pointer)
{
	for (size_t i = 0; i < x->n_errors; i++) {
		const char *p = x->error[i].pointer ? x->error[i].pointer : "-";
		if (strcmp(p, pointer) == 0)
			return x->error[i].detail;
	}
	return NULL;
}

const struct request *
exchange_request(const struct exchange *x)
{
	return &x->request;
}

struct span
exchange_param(const struct exchange *x, size_t n)
{
	return x->param[n];
}

struct span
exchange_body(const struct exchange *x)
{
	return x->body;
}

bool
exchange_is_local(const struct exchange *x)
{
	return !x->is_remote;
}

void
exchange_client(const struct exchange *x, uint8_t client[EXCHANGE_CLIENT_SIZE])
{
	memcpy(client, x->client, EXCHANGE_CLIENT_SIZE);
}

static void
answer(struct exchange *x, int status, const char *fields)
{
	if (x->answered)
		abort();
	x->answered = true;
	x->gone = NULL;
	x->status = status;
	x->fields = copy(fields ? fields : "");
}

void
exchange_reply(struct exchange *x, const struct reply *reply)
{
	hold(true);
	answer(x, reply->status, reply->fields);
	x->content_type = copy(reply->content_type);
	x->text = malloc(reply->body.len + 1);
	if (!x->text)
		abort();
	if (reply->body.len)
		memcpy(x->text, reply->body.ptr, reply->body.len);
	x->text[reply->body.len] = '\0';
	x->text_len = reply->body.len;
	hold(false);
}

bool
exchange_stream(struct exchange *x, const struct reply *head, const struct stream_calls *calls,
		void *ctx)
{
	hold(true);
	answer(x, head->status, head->fields);
	x->content_type = copy(head->content_type);
	x->text = copy("");
	hold(false);
	x->answered = x->is_head;
	if (x->is_head)
		return false;
	x->stream = calls;
	x->stream_ctx = ctx;
	x->wants_piece = true;
	return true;
}

void
exchange_send(struct exchange *x, struct span piece)
{
	if (!x->stream || x->wants_piece || piece.len == 0)
		abort();
	x->wants_piece = true;
	hold(true);
	char *text = realloc(x->text, x->text_len + piece.len + 1);
	hold(false);
	if (!text)
		abort();
	memcpy(text + x->text_len, piece.ptr, piece.len);
	x->text = text;
	x->text_len += piece.len;
	x->text[x->text_len] = '\0';
}

static void
end_stream(struct exchange *x)
{
	if (!x->stream || x->wants_piece)
		abort();
	x->stream = NULL;
	x->answered = true;
}

void
exchange_end(struct exchange *x)
{
	end_stream(x);
}

void
exchange_abort(struct exchange *x)
{
	x->was_aborted = true;
	end_stream(x);
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

void
exchange_problem(struct exchange *x, const struct problem *problem)
{
	hold(true);
	answer(x, problem->status, problem->fields);
	x->is_problem = true;
	x->content_type = copy("application/problem+json");
	x->type = copy(problem->type);
	x->title = copy(problem->title);
	x->detail = copy(problem->detail);
	x->hint = copy(problem->hint);
	for (size_t i = 0; i < problem->n_errors && i < FAKE_ERRORS_MAX; i++) {
		x->error[i].pointer = copy(problem->errors[i].pointer);
		x->error[i].detail = copy(problem->errors[i].detail);
		x->n_errors++;
	}
	hold(false);
}

bool
exchange_take_socket(struct exchange *x, const struct handshake_choice *choice,
		     struct upgrade_socket *socket)
{
	(void)x;
	(void)choice;
	(void)socket;
	return false;
}
