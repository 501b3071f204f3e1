/*
 * api.h - requests to the HTTP API of a plazad, made by libcurl: sent again when the connection is
 * lost or the server asks for a moment, for as long as whoever runs us has patience.
 */
#ifndef PLAZA_CTL_API_H
#define PLAZA_CTL_API_H

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/span.h"

#define API_SERVER "http://127.0.0.1:8080"
/* Of an answer that is kept whole; a longer one is an error. */
#define API_ANSWER_MAX (16u << 20)

struct api_answer;

/* What a request may be told while it goes on; each may be NULL. */
struct api_calls {
	/* A piece of the body of a 2xx, instead of keeping it. False: it cannot be taken. */
	bool (*piece)(void *ctx, struct span piece);
	/* Everything of that body is to be forgotten: it comes anew. False: that cannot be. */
	bool (*again)(void *ctx);
	/* Some time has passed; `waiting` says for what, if it is waiting to send again, or NULL.
	 */
	void (*tick)(void *ctx, const char *waiting);
};

struct api {
	void *curl;
	char server[400];     /* "http://host:port", without a slash at its end */
	uint64_t patience_ms; /* for one request, all its attempts together */
	const struct api_calls *calls;
	void *ctx;
	/* On this moment of the monotonic clock all requests end; 0: none. */
	uint64_t deadline_ms;
	bool shows_waiting; /* `tick` shows what is waited for: else stderr has a line of it */
	bool has_connected; /* to the server: it is there, if not always */
	char told[600];     /* of what is waited for; once is enough */

	/* of the request under way */
	struct api_answer *answer;
	bool is_piecewise;
	bool has_failed; /* `piece` could not take it */
};

struct api_request {
	const char *method; /* NULL: POST if there is a type, else GET */
	const char *path;   /* with its query */
	const char *type;   /* Content-Type; NULL: it has no body */
	const char *accept; /* Accept */
	const char *key;    /* Idempotency-Key, or NULL */
	struct span body;
};

struct api_answer {
	int status;      /* 0: there is none, and `why` says why */
	unsigned n_sent; /* attempts; an earlier one may have done it */
	unsigned retry_after_s;
	struct buffer body; /* unless `piece` took it */
	char why[600];
};

/* False, told, when libcurl has no memory. `server` was accepted by api_server_parse. */
bool api_init(struct api *api, const char *server, uint64_t patience_ms,
	      const struct api_calls *calls, void *ctx);
void api_fini(struct api *api);

/* NULL, or what is wrong with a server's URL and what is accepted. */
const char *api_server_check(const char *text);

/*
 * Sends it until there is an answer that counts. An answer 429, 503 or 409 with Retry-After asks to
 * send it again; so does a lost connection, but for the very first one. Whatever it is, `answer` is
 * filled; api_answer_fini it.
 */
void api_send(struct api *api, const struct api_request *request, struct api_answer *answer);
void api_answer_fini(struct api_answer *answer);

/* False when it was interrupted. */
bool api_pause(struct api *api, uint64_t ms);

/*
 * What a problem answer says, in a line that commands no terminal: its errors with their places, or
 * its detail. Good until the next call.
 */
const char *api_problem(const struct api_answer *answer);
/* The same of a problem that stands in another answer. */
const char *api_problem_text(const json_t *problem, int status);
/* ctl_fail with all that is known of why it failed, and what the server has as a hint. */
void api_fail(const struct api *api, const char *path, const struct api_answer *answer, int *exit);

/*
 * From here on SIGINT, SIGTERM and SIGHUP end requests, and the second one the process; SIGPIPE is
 * ignored.
 */
void api_take_interrupts(void);
bool api_is_interrupted(void);
/* The signal, or 0; from here on requests are made again. */
int api_take_interrupt(void);

#endif
