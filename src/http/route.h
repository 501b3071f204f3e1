/*
 * route.h - the one table of what is served: method, pattern, scope, body, handler or upgrade.
 *
 * A pattern is a path of literal segments and {parts}: "/", "/health", "/chat/{room}",
 * "/api/products/{id}", "/{name}". A path is split at '/' before it is percent-decoded, so that %2F
 * can be part of a segment; decoded literal segments are compared. Empty segments and dot segments
 * (decoded) match nothing: "/name/" and "/a/../b" are 404.
 *
 * Literals win over parts, the leftmost first, independent of the order in which routes were added.
 * The methods of a pattern that lost count for nothing: where GET /health is a route, POST /health
 * is 405 even if POST /{name} is one.
 *
 * A route without handler and upgrade reserves its pattern: there is nothing, whatever the method.
 */
#ifndef PLAZA_HTTP_ROUTE_H
#define PLAZA_HTTP_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "http/request.h"

struct exchange;

#define ROUTE_MAX          64
#define ROUTE_MAX_PARTS    4
#define ROUTE_MAX_SEGMENTS 8
/* A segment longer than this, decoded, matches a {part} only to be answered 414. */
#define ROUTE_SEGMENT_MAX 256
/* Bytes of a route's body_type. */
#define ROUTE_BODY_TYPE_MAX 120

enum scope {
	SCOPE_GREET,
	SCOPE_CHAT,
	SCOPE_STORE_READ,
	SCOPE_STORE_WRITE,
	SCOPE_JOBS,
	SCOPE_COUNT
};

/* "greet", "chat", "store.read", "store.write", "jobs": the words of server.public. */
const char *scope_name(enum scope scope);
/* SCOPE_COUNT when the word is none of them. */
enum scope scope_find(const char *name);

struct route {
	/*
	 * HTTP_METHOD_BIT()s; GET brings HEAD with it. OPTIONS, TRACE and CONNECT are the front
	 * door's. 0: the pattern is reserved.
	 */
	unsigned methods;
	const char *pattern;
	enum scope scope;
	size_t body_limit; /* 0: the route wants no body, and one is answered 413 */
	/*
	 * The Content-Types accepted, e.g. "application/json, text/csv"; NULL: any. OPTIONS tells
	 * them for POST and PATCH, a 415 always. Which one it is: body_type_is in http/body_type.h.
	 */
	const char *body_type;
	void (*handle)(struct exchange *x, void *ctx);
	/*
	 * Not NULL for WebSocket routes (methods is then GET only, `handle` NULL): called with a
	 * handshake that the front door has checked whole (RFC 6455 4.2.1, origin, scope). Takes
	 * the socket, or refuses by a reply. A request without an upgrade is answered 426 by the
	 * front door.
	 */
	void (*upgrade)(struct exchange *x, void *ctx);
	void *ctx;
};

/* A pattern taken apart. */
struct route_shape {
	size_t n_segments;                       /* none is "/" */
	struct span segment[ROUTE_MAX_SEGMENTS]; /* a literal; ptr NULL is a {part} */
	unsigned rank;                           /* the higher one of two that match wins */
};

struct route_table {
	size_t n;
	struct route route[ROUTE_MAX];
	struct route_shape shape[ROUTE_MAX];
	/* the routes of so many segments, as a list: 1 + an index, 0 at its end */
	uint8_t first[ROUTE_MAX_SEGMENTS + 1];
	uint8_t next[ROUTE_MAX];
};

_Static_assert(ROUTE_MAX < UINT8_MAX, "indices of routes are bytes");

/*
 * Copies it. Aborts, with a log line, when the table is full, the pattern is malformed or a method
 * of it was added before: a mistake of ours.
 */
void route_add(struct route_table *table, const struct route *route);

/* The methods that a route takes, HEAD and OPTIONS among them; 0 when it is reserved. */
unsigned route_methods(const struct route *route);

/* Of all routes together. */
unsigned route_all_methods(const struct route_table *table);

enum route_result {
	ROUTE_FOUND,
	ROUTE_NO_PATH,   /* 404: no pattern, or a reserved one */
	ROUTE_NO_METHOD, /* 405; or OPTIONS, which is nobody's own */
	ROUTE_TOO_LONG   /* 414: a {part} over ROUTE_SEGMENT_MAX bytes */
};

struct route_match {
	const struct route *route; /* NULL unless FOUND */
	unsigned allow;            /* HTTP_METHOD_BIT()s that this path takes, as route_methods */
	unsigned scopes;           /* 1 << scope of each route of this path */
	size_t n_parts;
	struct span part[ROUTE_MAX_PARTS];
	/* where decoded parts live when they differ from the sent bytes */
	char decoded[ROUTE_MAX_PARTS][ROUTE_SEGMENT_MAX];
};

/*
 * Pure, no allocation. `path` is a request's: its escapes are well formed. The parts point into
 * `path` or into `match`.
 */
enum route_result route_match(const struct route_table *table, enum http_method method,
			      struct span path, struct route_match *match);

#endif
