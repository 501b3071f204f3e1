/*
 * judge.c - whether the request in hand gets to its handler: route, access, handshake, and what the
 * head says of the body. Called by: conn_input.c with the request in door->request, conn.c.
 */
#include "http/judge.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "http/access.h"
#include "http/exchange.h"
#include "http/handshake.h"

/* The connection ends with this answer, though the client may be sending more. */
static void
end_after(struct exchange *x)
{
	x->is_keep = false;
	x->is_linger = true;
}

/*
 * The answer does not wait for the body. What comes of it is dropped, and the connection goes on,
 * if that is less than any body that we take. A client that waits for 100 may send its body or not
 * (RFC 9110 10.1.1): the next bytes could be read in two ways.
 */
static void
leave_body(struct exchange *x)
{
	const struct request *request = &x->door->request;

	if (!request_has_body(request))
		return;
	if (!x->is_keep || request->expects_continue ||
	    request->content_length > x->door->config->http_max_body_size)
		end_after(x);
	else
		x->is_body_left = true;
}

/* The front door's own no. */
static bool
refuse(struct exchange *x, int status, const char *message, const char *fields)
{
	/* what follows a CONNECT is not HTTP */
	if (x->door->request.method == HTTP_CONNECT)
		end_after(x);
	else
		leave_body(x);
	x->state = EXCHANGE_PENDING;
	exchange_error(x, status, message, fields);
	return false;
}

void
judge_give_up(struct exchange *x, bool has_head, int status, const char *message,
	      const char *fields)
{
	/* without a head that could be read, nothing is known of who asks for what */
	if (!has_head) {
		x->is_head = x->is_api = x->is_minor_0 = false;
		x->wish = (struct answer_wish){0};
	}
	end_after(x);
	x->state = EXCHANGE_PENDING;
	exchange_error(x, status, message, fields);
}

static bool
refuse_method(struct exchange *x, unsigned allow)
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
	return refuse(x, 405, message, fields);
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
find_route(struct exchange *x)
{
	struct door *door = x->door;
	const struct request *request = &door->request;
	char message[ACCESS_MESSAGE_MAX];

	/* these two name no path: what they get is what the server as a whole takes */
	if (request->method == HTTP_CONNECT || span_eq(request->path, SPAN_LIT("*")))
		return refuse_method(x, all_methods(door->routes));
	enum route_result result =
	    route_match(door->routes, request->method, request->path, &door->match);
	if (result == ROUTE_FOUND)
		return true;
	int status = access_check_host(door->config, &x->peer, request, message, sizeof(message));
	if (status)
		return refuse(x, status, message, NULL);
	switch (result) {
	case ROUTE_NO_METHOD: return refuse_method(x, door->match.allow);
	case ROUTE_TOO_LONG:
		return refuse(x, 414, "A part of a path has at most 256 bytes, decoded.", NULL);
	case ROUTE_FOUND:
	case ROUTE_NO_PATH: break;
	}
	return refuse(x, 404, "There is nothing at this path.", NULL);
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
check_body(struct exchange *x)
{
	const struct request *request = &x->door->request;
	const struct route *route = x->door->match.route;
	size_t limit = (size_t)x->door->config->http_max_body_size;
	char message[160];

	if (route->body_limit == ROUTE_BODY_UNREAD) {
		leave_body(x);
		return true;
	}
	if (route->body_limit == 0) {
		if (request_has_body(request))
			return refuse(x, 413, "This path takes requests without a body.", NULL);
		return true;
	}
	if (limit > route->body_limit)
		limit = route->body_limit;
	x->body_limit = limit;
	if (request->body == BODY_NONE &&
	    (request->method == HTTP_POST || request->method == HTTP_PUT ||
	     request->method == HTTP_PATCH))
		return refuse(x, 411,
			      "This path takes a body: with Content-Length, or in chunks "
			      "(Transfer-Encoding: chunked).",
			      NULL);
	if (request->body == BODY_LENGTH && request->content_length > limit) {
		snprintf(message, sizeof(message), "A body here has at most %zu bytes.", limit);
		return refuse(x, 413, message, NULL);
	}
	if (route->body_type && request->body != BODY_NONE &&
	    (request->times[FIELD_CONTENT_TYPE] != 1 ||
	     !is_media_type(request->first[FIELD_CONTENT_TYPE], route->body_type))) {
		snprintf(message, sizeof(message), "The body's Content-Type has to be %s.",
			 route->body_type);
		return refuse(x, 415, message, NULL);
	}
	/* RFC 9110 15.5.16: Accept-Encoding tells that the coding was the trouble */
	if (request_has(request, FIELD_CONTENT_ENCODING))
		return refuse(x, 415, "A body here has to come without a Content-Encoding.",
			      "Accept-Encoding: identity\r\n");
	return true;
}

static bool
is_api_path(struct span path)
{
	return path.len >= 4 && memcmp(path.ptr, "/api", 4) == 0 &&
	       (path.len == 4 || path.ptr[4] == '/');
}

bool
judge_accepts(struct exchange *x)
{
	struct door *door = x->door;
	const struct request *request = &door->request;
	char text[ACCESS_MESSAGE_MAX];
	const char *message = text;
	const char *fields = NULL;

	x->is_head = request->method == HTTP_HEAD;
	x->is_minor_0 = request->version_minor == 0;
	x->is_api = is_api_path(request->path);
	if (!find_route(x))
		return false;
	const struct route *route = door->match.route;
	bool is_upgrade = route->upgrade && handshake_wanted(request);
	int status = access_check(door->config, &x->peer, request, route->scope, is_upgrade, text,
				  sizeof(text));
	if (status)
		return refuse(x, status, text, NULL);
	if (route->upgrade) {
		status = handshake_check(request, &message, &fields);
		if (status)
			return refuse(x, status, message, fields);
	}
	return check_body(x);
}

void
judge_route_again(struct exchange *x)
{
	struct door *door = x->door;
	enum route_result result =
	    route_match(door->routes, door->request.method, door->request.path, &door->match);

	/* the same bytes were accepted when the head came */
	assert(result == ROUTE_FOUND);
	(void)result;
}
