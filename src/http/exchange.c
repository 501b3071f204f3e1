/*
 * exchange.c - one request judged (route, access, handshake, body), given to its handler, and
 * answered, now or later. Called by conn.c with the request in door->request.
 */
#include "http/exchange.h"

#include <assert.h>
#include <stdio.h>

#include "base/clock.h"
#include "http/access.h"
#include "http/conn.h"
#include "http/handshake.h"
#include "http/response.h"

#define TEXT_TYPE "text/plain; charset=utf-8"

const struct request *
exchange_request(const struct exchange *x)
{
	return &x->conn->door->request;
}

struct span
exchange_param(const struct exchange *x, size_t n)
{
	const struct route_match *match = &x->conn->door->match;

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
	const struct conn *c = x->conn;
	enum response_connection connection = RESPONSE_CLOSE;

	if (c->is_keep)
		connection = x->is_minor_0 ? RESPONSE_KEEP_ALIVE : RESPONSE_KEEP;
	return response_write(out, reply, connection, x->is_head,
			      clock_http_date(loop_now_us(c->door->loop)));
}

void
exchange_reply(struct exchange *x, const struct reply *reply)
{
	static const struct reply no_memory = {.status = 503, .fields = "Retry-After: 1\r\n"};
	struct conn *c = x->conn;
	struct door *door = c->door;

	/* a second answer, or one after exchange_take_socket, is a mistake of ours */
	assert(x->is_pending);
	x->is_pending = false;
	x->gone = NULL;
	x->body = span_from(NULL, 0);
	if (c->state == CONN_GONE) {
		conn_release(c);
		return;
	}
	if (c->is_keep && door->is_draining) {
		/* the client did not ask for the end: it may have sent more already */
		c->is_keep = false;
		c->is_linger = true;
	}
	bool is_now = door->current == c;
	struct buffer *out = is_now ? &door->out : &c->out;
	if (!write_reply(x, out, reply) && !write_reply(x, out, &no_memory))
		c->broken = "out of memory";
	if (is_now)
		conn_answered(c);
	else
		door_resume_later(door, &c->resume_link);
}

void
exchange_error(struct exchange *x, int status, const char *message, const char *fields)
{
	if (x->is_api) {
		exchange_problem(x, status, NULL, response_phrase(status), message, NULL, 0,
				 fields);
		return;
	}
	struct reply reply = {
	    .status = status,
	    .content_type = TEXT_TYPE,
	    .body = span_str(message),
	    .fields = fields,
	};
	exchange_reply(x, &reply);
}

static bool
has_body(const struct request *request)
{
	return request->body == BODY_CHUNKED ||
	       (request->body == BODY_LENGTH && request->content_length > 0);
}

/* The connection ends with this answer, though the client may be sending more. */
static void
end_after(struct conn *c)
{
	c->is_keep = false;
	c->is_linger = true;
}

/* The front door's own no. A body that is refused is not read, and then the connection ends. */
static bool
refuse(struct conn *c, int status, const char *message, const char *fields)
{
	const struct request *request = &c->door->request;

	/* what follows a CONNECT is not HTTP */
	if (has_body(request) || request->method == HTTP_CONNECT)
		end_after(c);
	c->exchange.is_pending = true;
	exchange_error(&c->exchange, status, message, fields);
	return false;
}

void
exchange_give_up(struct conn *c, int status, const char *message, const char *fields)
{
	struct exchange *x = &c->exchange;

	/* without a head that could be read, nothing is known of who asks for what */
	if (c->state != CONN_BODY)
		x->is_head = x->is_api = x->is_minor_0 = false;
	end_after(c);
	x->is_pending = true;
	exchange_error(x, status, message, fields);
}

static bool
refuse_method(struct conn *c, unsigned allow)
{
	char methods[128];
	char fields[160];
	char message[192];
	size_t at = 0;

	if (allow & HTTP_METHOD_BIT(HTTP_GET))
		allow |= HTTP_METHOD_BIT(HTTP_HEAD);
	methods[0] = '\0';
	for (unsigned m = 0; m < HTTP_METHODS; m++) {
		struct span name = http_method_name((enum http_method)m);

		if (allow & HTTP_METHOD_BIT(m))
			at += (size_t)snprintf(methods + at, sizeof(methods) - at, "%s%.*s",
					       at ? ", " : "", (int)name.len, name.ptr);
	}
	snprintf(fields, sizeof(fields), "Allow: %s\r\n", methods);
	snprintf(message, sizeof(message), "What can be asked of this path is %s.", methods);
	return refuse(c, 405, message, fields);
}

/* Of all that serves something: a route that leaves bodies unread only refuses. */
static unsigned
all_methods(const struct route_table *routes)
{
	unsigned all = 0;

	for (size_t i = 0; i < routes->n; i++)
		if (routes->route[i].body_limit != ROUTE_BODY_UNREAD)
			all |= routes->route[i].methods;
	return all;
}

/* Finds the route; true, or answered. */
static bool
find_route(struct conn *c)
{
	struct door *door = c->door;
	const struct request *request = &door->request;
	char message[ACCESS_MESSAGE_MAX];

	/* these two name no path: what they get is what the server as a whole takes */
	if (request->method == HTTP_CONNECT || span_eq(request->path, SPAN_LIT("*")))
		return refuse_method(c, all_methods(door->routes));
	enum route_result result =
	    route_match(door->routes, request->method, request->path, &door->match);
	if (result == ROUTE_FOUND)
		return true;
	int status = access_check_host(door->config, &c->peer, request, message, sizeof(message));
	if (status)
		return refuse(c, status, message, NULL);
	switch (result) {
	case ROUTE_NO_METHOD: return refuse_method(c, door->match.allow);
	case ROUTE_TOO_LONG:
		return refuse(c, 414, "A part of a path has at most 256 bytes, decoded.", NULL);
	case ROUTE_FOUND:
	case ROUTE_NO_PATH: break;
	}
	return refuse(c, 404, "There is nothing at this path.", NULL);
}

/* RFC 9110 8.3.1: the type itself ignores case; parameters such as charset=utf-8 may follow. */
static bool
is_media_type(struct span value, const char *want)
{
	const char *end = value.len ? memchr(value.ptr, ';', value.len) : NULL;

	if (end)
		value.len = (size_t)(end - value.ptr);
	while (value.len && (value.ptr[value.len - 1] == ' ' || value.ptr[value.len - 1] == '\t'))
		value.len--;
	return span_eq_nocase(value, span_str(want));
}

/* Everything about the body that the head decides; true, or answered. */
static bool
check_body(struct conn *c)
{
	const struct request *request = &c->door->request;
	const struct route *route = c->door->match.route;
	size_t limit = (size_t)c->door->config->http_max_body_size;
	char message[160];

	/* RFC 9110 10.1.1: HTTP/1.0 knows no expectations, and what it sends is ignored */
	if (request_has(request, FIELD_EXPECT) && !request->expects_continue &&
	    request->version_minor > 0)
		return refuse(c, 417, "The only expectation that can be met is 100-continue.",
			      NULL);
	if (route->body_limit == ROUTE_BODY_UNREAD) {
		if (has_body(request))
			end_after(c);
		return true;
	}
	if (route->body_limit == 0) {
		if (has_body(request))
			return refuse(c, 413, "This path takes requests without a body.", NULL);
		return true;
	}
	if (limit > route->body_limit)
		limit = route->body_limit;
	c->body_limit = limit;
	if (request->body == BODY_NONE &&
	    (request->method == HTTP_POST || request->method == HTTP_PUT ||
	     request->method == HTTP_PATCH))
		return refuse(c, 411,
			      "This path takes a body: with Content-Length, or in chunks "
			      "(Transfer-Encoding: chunked).",
			      NULL);
	if (request->body == BODY_LENGTH && request->content_length > limit) {
		snprintf(message, sizeof(message), "A body here has at most %zu bytes.", limit);
		return refuse(c, 413, message, NULL);
	}
	if (route->body_type && request->body != BODY_NONE &&
	    (request->times[FIELD_CONTENT_TYPE] != 1 ||
	     !is_media_type(request->first[FIELD_CONTENT_TYPE], route->body_type))) {
		snprintf(message, sizeof(message), "The body's Content-Type has to be %s.",
			 route->body_type);
		return refuse(c, 415, message, NULL);
	}
	return true;
}

static bool
is_api_path(struct span path)
{
	return path.len >= 4 && memcmp(path.ptr, "/api", 4) == 0 &&
	       (path.len == 4 || path.ptr[4] == '/');
}

bool
exchange_accepts(struct conn *c)
{
	struct door *door = c->door;
	const struct request *request = &door->request;
	struct exchange *x = &c->exchange;
	char text[ACCESS_MESSAGE_MAX];
	const char *message = text;
	const char *fields = NULL;

	x->is_head = request->method == HTTP_HEAD;
	x->is_minor_0 = request->version_minor == 0;
	x->is_api = is_api_path(request->path);
	if (!find_route(c))
		return false;
	const struct route *route = door->match.route;
	bool is_upgrade = route->upgrade && handshake_wanted(request);
	int status = access_check(door->config, &c->peer, request, route->scope, is_upgrade, text,
				  sizeof(text));
	if (status)
		return refuse(c, status, text, NULL);
	if (route->upgrade) {
		status = handshake_check(request, &message, &fields);
		if (status)
			return refuse(c, status, message, fields);
	}
	return check_body(c);
}

void
exchange_route_again(struct conn *c)
{
	struct door *door = c->door;
	enum route_result result =
	    route_match(door->routes, door->request.method, door->request.path, &door->match);

	/* the same bytes were accepted when the head came */
	assert(result == ROUTE_FOUND);
	(void)result;
}

void
exchange_run(struct conn *c, struct span body, struct span rest)
{
	struct exchange *x = &c->exchange;
	const struct route *route = c->door->match.route;

	x->is_pending = true;
	x->gone = NULL;
	x->body = body;
	c->door->rest = rest;
	if (route->upgrade)
		route->upgrade(x, route->ctx);
	else
		route->handle(x, route->ctx);
	/* of a deferred exchange; of an answered one it is empty already */
	x->body = span_from(NULL, 0);
}

bool
exchange_take_socket(struct exchange *x, struct upgrade_socket *socket)
{
	struct conn *c = x->conn;
	struct door *door = c->door;

	/* only inside the upgrade handler is there a request to write anew */
	assert(x->is_pending && door->current == c && door->match.route->upgrade);
	if (c->state != CONN_BUSY)
		return false;
	size_t room = door->head_len + HANDSHAKE_HEAD_EXTRA;
	if (!buffer_reserve(&c->body, room + door->rest.len, SIZE_MAX / 4))
		return false;
	size_t len = handshake_write_head(&door->request, c->body.data, room);
	if (!len)
		return false;
	if (door->rest.len)
		memcpy(c->body.data + len, door->rest.ptr, door->rest.len);
	c->body.len = len + door->rest.len;
	x->is_pending = false;
	x->gone = NULL;
	*socket = (struct upgrade_socket){
	    .is_local = access_is_local(&c->peer, &door->request),
	    .head = buffer_span(&c->body),
	};
	socket->fd = conn_take_fd(c);
	return true;
}
