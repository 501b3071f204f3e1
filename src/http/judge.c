/*
 * judge.c - whether the request in hand gets to its handler: route, access, handshake, and what the
 * head says of the body; OPTIONS, which no handler sees. Called by: conn_input.c with the request
 * in door->request, conn.c.
 */
#include "http/judge.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "http/access.h"
#include "http/answer.h"
#include "http/body_type.h"
#include "http/cors.h"
#include "http/exchange.h"
#include "http/handshake.h"
#include "http/negotiate.h"
#include "http/origin.h"
#include "http/problem.h"
#include "http/route_text.h"

/* --- answers of the front door --- */

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

/* The front door answers in place of a handler. */
static void
begin_answer(struct exchange *x)
{
	/* what follows a CONNECT is not HTTP */
	if (x->door->request.method == HTTP_CONNECT)
		end_after(x);
	else
		leave_body(x);
	x->state = EXCHANGE_PENDING;
}

static bool
refuse_with(struct exchange *x, const struct problem *problem)
{
	begin_answer(x);
	exchange_problem(x, problem);
	return false;
}

static bool
refuse(struct exchange *x, int status, const char *message, const char *fields)
{
	return refuse_with(
	    x, &(struct problem){.status = status, .detail = message, .fields = fields});
}

void
judge_give_up(struct exchange *x, int status, const char *message, const char *fields)
{
	end_after(x);
	x->state = EXCHANGE_PENDING;
	exchange_error(x, status, message, fields);
}

static bool
refuse_length(struct exchange *x)
{
	char message[80];

	snprintf(message, sizeof(message), "A body here has at most %zu bytes.", x->body_limit);
	exchange_error(x, 413, message, NULL);
	return false;
}

void
judge_refuse_body(struct exchange *x, bool has_more)
{
	if (!x->is_keep)
		end_after(x);
	else
		x->is_body_left = has_more;
	x->state = EXCHANGE_PENDING;
	refuse_length(x);
}

/* RFC 9110 15.5.6. */
static bool
refuse_method(struct exchange *x, unsigned allow)
{
	char methods[METHODS_TEXT_SIZE];
	char fields[METHODS_TEXT_SIZE + 16];
	char message[METHODS_TEXT_SIZE + 40];

	methods_text(allow, methods);
	snprintf(fields, sizeof(fields), "Allow: %s\r\n", methods);
	snprintf(message, sizeof(message), "What can be asked of this path is %s.", methods);
	return refuse(x, 405, message, fields);
}

/* The field that says what bodies `method` takes at the path in hand; none if it is not told. */
static size_t
type_field(const struct door *door, enum http_method method, const char *name, char *out,
	   size_t size)
{
	struct route_match match;
	int len;

	if (route_match(door->routes, method, door->request.path, &match) != ROUTE_FOUND ||
	    !match.route->body_type)
		return 0;
	len = snprintf(out, size, "%s: %s\r\n", name, match.route->body_type);
	return len > 0 && (size_t)len < size ? (size_t)len : 0;
}

/*
 * RFC 9110 9.3.7; RFC 5789 3.1, and for POST W3C LDP 7.1; and the question of a browser, if it may
 * do what a page of elsewhere wants. `is_path`: it was asked of a path, not of the server.
 */
static bool
answer_options(struct exchange *x, unsigned allow, bool is_path)
{
	const struct door *door = x->door;
	char methods[METHODS_TEXT_SIZE];
	char preflight[CORS_PREFLIGHT_SIZE] = "";
	char types[2 * (ROUTE_BODY_TYPE_MAX + 20)] = "";
	char fields[METHODS_TEXT_SIZE + 16 + sizeof(types) + CORS_PREFLIGHT_SIZE];
	size_t len = 0;

	methods_text(allow, methods);
	if (is_path && allow & HTTP_METHOD_BIT(HTTP_POST))
		len = type_field(door, HTTP_POST, "Accept-Post", types, sizeof(types));
	if (is_path && allow & HTTP_METHOD_BIT(HTTP_PATCH))
		type_field(door, HTTP_PATCH, "Accept-Patch", types + len, sizeof(types) - len);
	if (x->wish.origin && cors_is_preflight(&door->request))
		cors_preflight_fields(&door->request, methods, preflight);
	snprintf(fields, sizeof(fields), "Allow: %s\r\n%s%s", methods, types, preflight);
	begin_answer(x);
	exchange_reply(x, &(struct reply){.status = 204, .fields = fields});
	return false;
}

/* Of the list that comes with a 404. */
#define LIST_SIZE 4096

/* 404, with what this client could ask for: whoever may not use a scope need not know of it. */
static bool
refuse_path(struct exchange *x)
{
	const struct door *door = x->door;
	const struct route_table *routes = door->routes;
	struct problem problem = {.status = 404, .detail = "There is nothing at this path."};
	const char *line[ROUTE_MAX];
	char list[LIST_SIZE];
	unsigned open = 0;
	size_t used = 0;

	for (unsigned i = 0; i < SCOPE_COUNT; i++)
		if (access_may_use(door->config, &x->peer, &door->request, (enum scope)i))
			open |= 1U << i;
	for (size_t i = 0; i < routes->n; i++) {
		const struct route *route = &routes->route[i];

		if (!route_methods(route) || !(open & 1U << route->scope))
			continue;
		size_t room = sizeof(list) - used;
		size_t len = room > 1 ? route_text(route, list + used, room) : room;
		/* one that was cut is none */
		if (len + 1 >= room)
			break;
		line[problem.n_routes++] = list + used;
		used += len + 1;
	}
	problem.routes = line;
	problem.hint =
	    problem.n_routes
		? "Ask for one of these routes; case counts, and so does a slash at the end."
		: "Nothing here is open to you; server.public says what is, to whoever "
		  "is not on this machine.";
	return refuse_with(x, &problem);
}

/* --- the route --- */

/* Finds it; true, or answered. */
static bool
find_route(struct exchange *x)
{
	struct door *door = x->door;
	const struct request *request = &door->request;
	char message[ACCESS_MESSAGE_MAX];
	enum route_result result = ROUTE_NO_PATH;
	bool is_server = span_eq(request->path, SPAN_LIT("*"));

	/* it names no path at all: what it gets is what the server as a whole takes */
	if (request->method == HTTP_CONNECT)
		return refuse_method(x, route_all_methods(door->routes));
	if (!is_server)
		result = route_match(door->routes, request->method, request->path, &door->match);
	if (result == ROUTE_FOUND)
		return true;
	int status = access_check_host(door->config, &x->peer, request, message, sizeof(message));
	if (status)
		return refuse(x, status, message, NULL);
	if (is_server)
		return answer_options(x, route_all_methods(door->routes), false);
	if (result == ROUTE_NO_PATH)
		return refuse_path(x);
	/* what is at a path, only those hear who may use something of it */
	status = access_check_scopes(door->config, &x->peer, request, door->match.scopes, message,
				     sizeof(message));
	if (status)
		return refuse(x, status, message, NULL);
	if (result == ROUTE_TOO_LONG)
		return refuse(x, 414, "A part of a path has at most 256 bytes, decoded.", NULL);
	if (request->method == HTTP_OPTIONS)
		return answer_options(x, door->match.allow, true);
	return refuse_method(x, door->match.allow);
}

/* --- the body --- */

/* RFC 9110 15.5.16: Accept tells which type would do; RFC 5789 2.2: and so does Accept-Patch. */
static bool
refuse_type(struct exchange *x, const struct route *route)
{
	const char *types = route->body_type;
	char words[ROUTE_BODY_TYPE_MAX + 8], message[ROUTE_BODY_TYPE_MAX + 80],
	    hint[ROUTE_BODY_TYPE_MAX + 80], fields[2 * ROUTE_BODY_TYPE_MAX + 40];
	int len = snprintf(fields, sizeof(fields), "Accept: %s\r\n", types);

	if (x->door->request.method == HTTP_PATCH)
		snprintf(fields + len, sizeof(fields) - (size_t)len, "Accept-Patch: %s\r\n", types);
	snprintf(message, sizeof(message), "The body's Content-Type has to be %s.",
		 body_type_words(types, words, sizeof(words)));
	snprintf(hint, sizeof(hint), "With curl: -H 'Content-Type: %.*s'.",
		 (int)strcspn(types, ", "), types);
	return refuse_with(
	    x, &(struct problem){.status = 415, .detail = message, .hint = hint, .fields = fields});
}

/* Everything about the body that the head decides; true, or answered. */
static bool
check_body(struct exchange *x)
{
	const struct request *request = &x->door->request;
	const struct route *route = x->door->match.route;
	size_t limit = (size_t)x->door->config->http_max_body_size;

	if (route->body_limit == 0) {
		if (request_has_body(request))
			return refuse_with(
			    x,
			    &(struct problem){.status = 413,
					      .detail = "This path takes requests without a body.",
					      .hint = "Send it without a body; with curl: "
						      "without -d, -F and -T."});
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
		begin_answer(x);
		return refuse_length(x);
	}
	if (route->body_type && request->body != BODY_NONE &&
	    !body_type_is_listed(request, route->body_type))
		return refuse_type(x, route);
	/* RFC 9110 15.5.16: Accept-Encoding tells that the coding was the trouble */
	if (request_has(request, FIELD_CONTENT_ENCODING))
		return refuse_with(
		    x, &(struct problem){.status = 415,
					 .detail = "A body here has to come without a "
						   "Content-Encoding.",
					 .hint = "Send it as it is, without gzip or the like.",
					 .fields = "Accept-Encoding: identity\r\n"});
	return true;
}

/* --- all of it --- */

static bool
is_below(struct span path, struct span top)
{
	return path.len >= top.len && memcmp(path.ptr, top.ptr, top.len) == 0 &&
	       (path.len == top.len || path.ptr[top.len] == '/');
}

/* What clients of the path mostly are: programs below these, people elsewhere. */
static enum error_form
form_of_path(struct span path)
{
	if (is_below(path, SPAN_LIT("/api")) || is_below(path, SPAN_LIT("/chat")))
		return ERROR_PROBLEM;
	return ERROR_TEXT;
}

/*
 * What the form of every error follows from, be it of the front door or of a handler: the request
 * in hand, as far as its head could be read.
 */
static void
read_asker(struct exchange *x)
{
	const struct request *request = &x->door->request;

	x->is_head = request->method == HTTP_HEAD;
	x->is_minor_0 = request->version_minor == 0;
	x->wish = (struct answer_wish){
	    .error_form = negotiate_error_form(request, form_of_path(request->path)),
	    .origin = origin_listed(x->door->config, request),
	};
}

void
judge_refuse_head(struct exchange *x, const struct request_parser *parser, struct span head,
		  int status, const char *message, const char *fields)
{
	struct door *door = x->door;
	const size_t max = (size_t)door->config->http_max_header_size;

	request_peek(parser, head.ptr, head.len < max ? head.len : max, &door->request);
	read_asker(x);
	/* what is wrong with it is told whole, whatever the method was to be */
	x->is_head = false;
	door->bad_head = head;
	judge_give_up(x, status, message, fields);
	door->bad_head = span_from(NULL, 0);
}

bool
judge_accepts(struct exchange *x)
{
	struct door *door = x->door;
	const struct request *request = &door->request;
	char text[ACCESS_MESSAGE_MAX];
	const char *message = text;
	const char *fields = NULL;

	read_asker(x);
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
	answer_wish_read(x);
	return check_body(x);
}

void
judge_route_again(struct exchange *x)
{
	struct door *door = x->door;
	enum route_result result =
	    route_match(door->routes, door->request.method, door->request.path, &door->match);

	/* the same bytes were accepted when the head came, but they lie elsewhere now */
	assert(result == ROUTE_FOUND);
	(void)result;
}
