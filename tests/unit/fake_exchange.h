/*
 * fake_exchange.h - exchange.h without a front door: what a handler was given, and the one answer
 * that it gave. Aborts on a second answer.
 */
#ifndef PLAZA_TESTS_FAKE_EXCHANGE_H
#define PLAZA_TESTS_FAKE_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>

#include "http/exchange.h"

#define FAKE_ERRORS_MAX 32

struct fake_error {
	char *pointer; /* NULL when there was none */
	char *detail;
};

struct exchange {
	/* what the handler sees; set it before the call */
	struct request request;
	struct span param[4];
	struct span body;
	bool is_remote; /* not from this machine */
	bool is_head;   /* an answer in pieces ends with its head */
	uint8_t client[EXCHANGE_CLIENT_SIZE];

	/* what it did */
	bool answered;
	bool is_problem;
	int status;
	char *content_type; /* NULL when there was none */
	char *fields;       /* "" when there were none */
	char *text;         /* a reply's body, with a terminator */
	size_t text_len;
	char *type, *title, *detail, *hint; /* of a problem */
	size_t n_errors;
	struct fake_error error[FAKE_ERRORS_MAX];
	void (*gone)(struct exchange *x, void *ctx);
	void *gone_ctx;
	bool is_shut_gone;
	/* an answer in pieces, which are put together in `text` */
	const struct stream_calls *stream; /* while it is under way */
	void *stream_ctx;
	bool wants_piece; /* none is owed to an earlier `proceed` */
	bool was_aborted;
};

/* `hold` is called around what is allocated here for an answer: no test runs out of that. */
void fake_exchange_hold(void (*hold)(bool is_held));
struct exchange *fake_exchange_new(const char *query, const char *param, const char *body);
/* Also when it has no answer. */
void fake_exchange_free(struct exchange **x);
/* As if the client had left. */
void fake_exchange_leave(struct exchange *x);
/* As if it had shut its side, and listened still. */
void fake_exchange_shut(struct exchange *x);
/* As if it had taken all that was sent. */
void fake_exchange_proceed(struct exchange *x);
/* The detail of the error with this pointer ("-" for none); NULL when there is no such error. */
const char *fake_exchange_error(const struct exchange *x, const char *pointer);

#endif
