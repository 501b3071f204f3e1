/*
 * transfer.h - HTTP requests to anywhere, by libcurl in the loop of a process; one request each:
 * redirects, retries and what a body means are for the caller. Runs in: executor. It alone knows
 * libcurl.
 *
 * HTTP/1.1 only: what a connection may cost is bounded then. Proxies of the environment, cookies,
 * .netrc and the like are not used; certificates are verified against the system's store, TLS 1.2
 * at least.
 *
 * The guard is asked for the address of each socket before it is made, for every address of a name,
 * and again for that of each connection before a request goes out on it, for it may be an old one.
 *
 * What an origin can do, and what bounds it: time by `timeout_ms`, connecting by
 * connect_timeout_ms, a body that hardly comes by TRANSFER_SLOW_*, heads (with 1xx ones and
 * trailers) by TRANSFER_HEAD_MAX and TRANSFER_HEADS_MAX; one coding of gzip or deflate is undone,
 * since with several a few bytes could keep the processor busy for minutes. The length of a body is
 * for the caller, who is given it decoded, piece by piece; of what decodes to nothing, and of what
 * frames it, max_input is the bound.
 */
#ifndef PLAZA_FETCH_TRANSFER_H
#define PLAZA_FETCH_TRANSFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "base/span.h"
#include "fetch/guard.h"
#include "fetch/url.h"

#define TRANSFER_HEAD_MAX  ((size_t)32 << 10) /* bytes of all heads of one answer */
#define TRANSFER_HEADS_MAX 16                 /* of them, interim ones */
/* A body that has begun to come must bring so many bytes in so much time. */
#define TRANSFER_SLOW_BYTES 5120
#define TRANSFER_SLOW_MS    5000

enum transfer_error {
	TRANSFER_OK,          /* there is a whole answer, of whatever status */
	TRANSFER_NOT_ALLOWED, /* the guard's word */
	TRANSFER_UNREACHABLE, /* no connection in the time that one may take: nothing was sent */
	TRANSFER_UNTRUSTED,   /* TLS: the same, and trying again is pointless */
	TRANSFER_BROKEN,      /* the connection ended in the middle */
	TRANSFER_TIMEOUT, /* of this request's own; was_sent tells whether there was a connection */
	TRANSFER_TOO_LARGE, /* heads; or `body` has said so */
	TRANSFER_BAD,       /* no HTTP, or a form of it that is not taken */
	TRANSFER_NO_MEMORY
};

struct transfer_header {
	const char *name;  /* a token; */
	struct span value; /* without line ends */
};

struct transfer_request {
	const struct fetch_url *url;
	const char *method;
	const struct transfer_header *headers; /* beside Host, Accept-Encoding and the body's own */
	size_t n_headers;
	/* Sent once at most: on a new connection, for when a kept one ends without an answer,
	 * libcurl sends the request again. */
	bool is_once;
	bool has_body;
	struct span body; /* stays until the end */
	uint64_t timeout_ms;
};

struct transfer_end {
	enum transfer_error error;
	bool was_sent; /* the origin may have seen the request */
	int status;    /* 0: there was none */
	bool has_location;
	struct span location;     /* cut when it is longer than a URL can be */
	struct span content_type; /* "" when there is none */
	uint64_t retry_after_ms;  /* 0: not said */
	const char *detail;       /* of an error: why, one line of UTF-8 */
};

struct transfer_events {
	/*
	 * The next bytes of a body, decoded; false: no more are wanted, TRANSFER_TOO_LARGE. No call
	 * of this header's functions is allowed in it. Not called for 1xx.
	 */
	bool (*body)(const char *data, size_t len, void *ctx);
	/* Exactly once, never inside transfer_start; the transfer is gone. Not after a cancel. */
	void (*done)(const struct transfer_end *end, void *ctx);
};

struct transfers_settings {
	struct loop *loop;
	struct guard *guard;
	uint64_t connect_timeout_ms;
	uint64_t max_input;   /* bytes of one body before it is decoded; more is too large */
	unsigned connections; /* idle ones that are kept for later */
	const char *ca_file;  /* NULL: the system's store */
};

struct transfers;
struct transfer;

/* One per process, after fork. NULL on failure, logged. */
struct transfers *transfers_new(const struct transfers_settings *settings);
/*
 * Reads the certificates now, some 20 ms, in place of in the middle of the first transfer that
 * wants them. Blocks; before anything is started.
 */
void transfers_warm(struct transfers *transfers);
/* Those under way are cancelled. */
void transfers_free(struct transfers **transfers);

/* What `request` points to may go, but for the body. NULL on out-of-memory. */
struct transfer *transfer_start(struct transfers *transfers, const struct transfer_request *request,
				const struct transfer_events *events, void *ctx);

/* At once; nothing is called any more. */
void transfer_cancel(struct transfer *transfer);

#endif
