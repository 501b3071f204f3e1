/*
 * request.h - the head of an HTTP/1.x request, parsed. Pure: bytes in, a view out; no I/O, no
 * allocation, no state outside the structs.
 *
 * One reading of every message, or none: what two parsers could frame differently is refused
 * (RFC 9112 strictly, RFC 9110 field rules, RFC 3986 targets). The same bytes give the same result
 * however they are cut into pieces.
 */
#ifndef PLAZA_HTTP_REQUEST_H
#define PLAZA_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "http/host.h"

enum http_method {
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_PUT,
	HTTP_PATCH,
	HTTP_DELETE,
	HTTP_OPTIONS,
	HTTP_TRACE,
	HTTP_CONNECT,
	HTTP_METHODS
};

#define HTTP_METHOD_BIT(method) (1u << (method))

/* "GET" .. for Allow fields and logs. */
struct span http_method_name(enum http_method method);

/* Fields that the front door or a feature asks for by number; all others are only listed. */
enum http_field {
	FIELD_OTHER,
	FIELD_HOST,
	FIELD_CONNECTION,
	FIELD_CONTENT_ENCODING,
	FIELD_CONTENT_LENGTH,
	FIELD_CONTENT_TYPE,
	FIELD_TRANSFER_ENCODING,
	FIELD_EXPECT,
	FIELD_UPGRADE,
	FIELD_ACCEPT,
	FIELD_ACCEPT_ENCODING,
	FIELD_ACCESS_CONTROL_REQUEST_HEADERS,
	FIELD_ACCESS_CONTROL_REQUEST_METHOD,
	FIELD_IDEMPOTENCY_KEY,
	FIELD_IF_MATCH,
	FIELD_IF_NONE_MATCH,
	FIELD_LAST_EVENT_ID,
	FIELD_REFERER,
	FIELD_USER_AGENT,
	FIELD_ORIGIN,
	FIELD_SEC_FETCH_SITE,
	FIELD_FORWARDED,
	FIELD_X_FORWARDED_FOR,
	FIELD_VIA,
	FIELD_SEC_WEBSOCKET_KEY,
	FIELD_SEC_WEBSOCKET_VERSION,
	FIELD_SEC_WEBSOCKET_PROTOCOL,
	FIELD_SEC_WEBSOCKET_EXTENSIONS,
	FIELD_COUNT
};

#define REQUEST_MAX_FIELDS 100
_Static_assert(REQUEST_MAX_FIELDS <= UINT8_MAX, "places and counts of fields are bytes");

struct request_field {
	enum http_field id;
	struct span name;
	struct span value; /* without the white space around it */
};

/* How the body is framed (RFC 9112 6.3). */
enum request_body { BODY_NONE, BODY_LENGTH, BODY_CHUNKED };

/*
 * Filled when a head is COMPLETE, undefined before. All spans point into the parsed bytes, but for
 * the path "*" of an OPTIONS whose URI has none.
 */
struct request {
	enum http_method method;
	unsigned version_minor; /* HTTP/1.x: 0 or 1 (above is taken as 1) */
	struct span target;     /* as sent */
	struct span path;       /* undecoded, begins with '/'; "*" for OPTIONS *; empty: CONNECT */
	struct span query;      /* undecoded, without '?'; empty when there is none */
	struct span host; /* Host, or the target's authority if it has one; len 0: none (1.0) */
	struct host host_parts; /* the same, taken apart; an empty name: none */
	enum request_body body;
	uint64_t content_length;    /* with BODY_LENGTH, else 0 */
	bool keep_alive;            /* what version and Connection ask for */
	bool expects_continue;      /* a body waits for 100 (never in 1.0) */
	bool connection_upgrade;    /* Connection lists "upgrade" */
	uint8_t times[FIELD_COUNT]; /* how often each known field came */
	uint8_t first[FIELD_COUNT]; /* then, where in `field` it came first; else undefined */
	size_t n_fields;
	struct request_field field[REQUEST_MAX_FIELDS];
};

enum request_status {
	REQUEST_INCOMPLETE, /* all bytes are fine so far, the head is not over */
	REQUEST_COMPLETE,
	REQUEST_BAD /* see request_parser.error_status; the stream cannot be trusted any more */
};

/* All zeros is the start; keep it between calls for the same head. */
struct request_parser {
	size_t scanned;    /* bytes known to hold no end of head */
	size_t line_start; /* of the line being read */
	unsigned state;
	unsigned n_fields;         /* lines before it */
	int error_status;          /* 400, 414, 417, 421, 431, 501 or 505 */
	const char *error_message; /* what is wrong and what is accepted, a literal */
};

/*
 * Looks at data[0..len), which begins with the head (empty lines before it included, RFC 9112 2.2)
 * and holds what earlier calls saw, maybe moved. COMPLETE: `request` is filled and *head_len is
 * where the body begins. A head longer than `max` is BAD: 431, but 414 when the target alone makes
 * it so, and 501 when the method does. Never reads past len; never calls anything.
 */
enum request_status request_parse(struct request_parser *parser, const char *data, size_t len,
				  size_t max, struct request *request, size_t *head_len);

/*
 * What can be told of a head that is BAD, or that will not get to its end: `path` as far as the
 * request line could be read (empty: not so far), `method` if it has one that is known, else
 * HTTP_METHODS, and the fields before the line that is wrong or not over. The rest of `request`
 * says nothing. It depends on the bytes up to the mistake only, however they are cut. `len` is at
 * most the `max` that they were parsed with.
 */
void request_peek(const struct request_parser *parser, const char *data, size_t len,
		  struct request *request);

/* Whether the `len` bytes that were looked at are whole empty lines, before any head. */
bool request_is_awaited(const struct request_parser *parser, size_t len);

static inline bool
request_has(const struct request *request, enum http_field id)
{
	return request->times[id] != 0;
}

/* The first value of a known field; ptr NULL when it is absent. */
static inline struct span
request_first(const struct request *request, enum http_field id)
{
	static const struct span none = {NULL, 0};

	return request_has(request, id) ? request->field[request->first[id]].value : none;
}

/* Whether bytes follow the head; "Content-Length: 0" announces none. */
static inline bool
request_has_body(const struct request *request)
{
	return request->body == BODY_CHUNKED || request->content_length != 0;
}

/*
 * Whether a comma-separated list in any of the `id` fields holds `token` (case ignored).
 */
bool request_list_has(const struct request *request, enum http_field id, struct span token);

#endif
