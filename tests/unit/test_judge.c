/* links: src/base/buffer.c src/base/clock.c src/base/log.c src/http/access.c src/http/body_type.c
 * src/http/chars.c src/http/cors.c src/http/handshake.c src/http/host.c src/http/judge.c
 * src/http/negotiate.c src/http/origin.c src/http/problem.c $(request) src/http/response.c
 * src/http/exchange_problem.c
 * src/http/route.c src/http/route_text.c -ljansson */
/*
 * test_judge.c - what the front door answers from a head alone, and which heads it lets through.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "http/answer.h"
#include "http/exchange.h"
#include "http/judge.h"

#define N(table)    ((int)(sizeof(table) / sizeof((table)[0])))
#define HOST        "Host: localhost\r\n"
#define FAR         "X-Forwarded-For: 192.0.2.1\r\n"
#define ACCEPT_JSON "Accept: application/json\r\n"
#define ACCEPT_TEXT "Accept: text/plain\r\n"
#define PAGE        "Origin: https://app.example\r\n"
#define EVIL        "Origin: https://evil.example\r\n"

/* --- a door --- */

static struct config config;
static struct route_table routes;
static struct door door;
static struct exchange x;

/* The answer; status 0: there was none, a handler is to be called. */
static int status;
static int replies;
static char fields[4096];
static char body[16384];
static const char *content_type;

void
exchange_reply(struct exchange *asked, const struct reply *reply)
{
	ck_assert(asked == &x && x.state == EXCHANGE_PENDING);
	x.state = EXCHANGE_NONE;
	replies++;
	status = reply->status;
	content_type = reply->content_type;
	snprintf(fields, sizeof(fields), "%s", reply->fields ? reply->fields : "");
	snprintf(body, sizeof(body), "%.*s", (int)reply->body.len,
		 reply->body.len ? reply->body.ptr : "");
}

/* In place of answer.c, which has tests of its own: points into the head, as that does. */
void
answer_wish_read(struct exchange *asked)
{
	asked->wish.if_none_match = request_first(&door.request, FIELD_IF_NONE_MATCH);
}

static void
handle(struct exchange *asked, void *ctx)
{
	(void)asked;
	(void)ctx;
}

static void
add(unsigned methods, const char *pattern, enum scope scope, size_t body_limit, bool is_upgrade)
{
	struct route route = {
	    .methods = methods, .pattern = pattern, .scope = scope, .body_limit = body_limit};

	if (body_limit && strcmp(pattern, "/any") != 0)
		route.body_type = "application/json";
	if (is_upgrade)
		route.upgrade = handle;
	else if (methods)
		route.handle = handle;
	route_add(&routes, &route);
}

/* `origins` is one or none; `public` is one scope or none. */
static void
open_door(const char *public, const char *origins)
{
	static char *public_word[1], *origins_word[1];
	static char in_public[32], in_origins[64];
	const unsigned get = HTTP_METHOD_BIT(HTTP_GET), post = HTTP_METHOD_BIT(HTTP_POST);

	config = (struct config){.http_max_body_size = 1000, .http_max_header_size = 16384};
	snprintf(in_public, sizeof(in_public), "%s", public ? public : "");
	snprintf(in_origins, sizeof(in_origins), "%s", origins ? origins : "");
	public_word[0] = in_public;
	origins_word[0] = in_origins;
	config.server_public = (struct words){public != NULL, public_word};
	config.http_origins = (struct words){origins != NULL, origins_word};
	routes = (struct route_table){0};
	add(get, "/", SCOPE_GREET, 0, false);
	add(get, "/{name}", SCOPE_GREET, 0, false);
	add(0, "/metrics", SCOPE_GREET, 0, false);
	add(get, "/chat/{room}", SCOPE_CHAT, 0, true);
	add(get, "/api/products", SCOPE_STORE_READ, 0, false);
	add(post, "/api/products", SCOPE_STORE_WRITE, 100, false);
	add(HTTP_METHOD_BIT(HTTP_PUT) | HTTP_METHOD_BIT(HTTP_DELETE), "/any", SCOPE_JOBS, 5000,
	    false);
	door = (struct door){.config = &config, .routes = &routes};
	x = (struct exchange){.door = &door, .peer = {.is_local_peer = true, .on_loopback = true}};
	door.current = &x;
}

/* One head; what came before on the connection must not matter. */
static void
ask(const char *head)
{
	struct request_parser parser = {0};

	ck_assert_msg(request_parse(&parser, head, strlen(head), 16384, &door.request,
				    &door.head_len) == REQUEST_COMPLETE,
		      "%s: %s", head, parser.error_message);
	x.state = EXCHANGE_NONE;
	x.is_keep = door.request.keep_alive;
	x.is_linger = x.is_body_left = false;
	replies = status = 0;
	fields[0] = body[0] = '\0';
	content_type = NULL;
	bool is_accepted = judge_accepts(&x);
	ck_assert_int_eq(replies, !is_accepted);
}

static void
expect(const char *head, int wanted, const char *in_fields)
{
	ask(head);
	ck_assert_msg(status == wanted, "%d to %s", status, head);
	if (in_fields)
		ck_assert_msg(strstr(fields, in_fields) != NULL, "%s not in\n%s", in_fields,
			      fields);
}

/* --- methods --- */

#define GET_ALLOW  "Allow: GET, HEAD, OPTIONS\r\n"
#define BOTH_ALLOW "Allow: GET, HEAD, POST, OPTIONS\r\n"
#define POST_TYPE  "Accept-Post: application/json\r\n"
#define ALL_ALLOW  "Allow: GET, HEAD, POST, PUT, DELETE, OPTIONS\r\n"

/* What a path takes is the same for OPTIONS as for a 405. */
static const struct {
	const char *path;
	const char *wrong; /* a method that it has not */
	const char *allow;
} paths[] = {
    {"/", "POST", GET_ALLOW},
    {"/Ada", "DELETE", GET_ALLOW},
    {"/chat/lobby", "PUT", GET_ALLOW},
    {"/api/products", "PATCH", BOTH_ALLOW},
    {"/any", "GET", "Allow: PUT, DELETE, OPTIONS\r\n"},
    {"/any", "HEAD", "Allow: PUT, DELETE, OPTIONS\r\n"},
    {"/api/products", "TRACE", BOTH_ALLOW},
    {"/", "TRACE", GET_ALLOW},
};

START_TEST(rfc9110_9_3_7_options_and_15_5_6_allow)
{
	char head[256];

	open_door(NULL, NULL);
	snprintf(head, sizeof(head), "OPTIONS %s HTTP/1.1\r\n" HOST "\r\n", paths[_i].path);
	expect(head, 204, NULL);
	ck_assert(strncmp(fields, paths[_i].allow, strlen(paths[_i].allow)) == 0);
	ck_assert_str_eq(body, "");
	ck_assert(x.is_keep && !x.is_body_left);
	snprintf(head, sizeof(head), "%s %s HTTP/1.1\r\n" HOST "\r\n", paths[_i].wrong,
		 paths[_i].path);
	expect(head, 405, paths[_i].allow);
	ck_assert(x.is_keep);
}
END_TEST

START_TEST(rfc9110_9_3_7_options_of_the_whole_server)
{
	open_door(NULL, NULL);
	expect("OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 204, NULL);
	ck_assert_str_eq(fields, ALL_ALLOW);
	/* it names no scope: the host alone counts */
	expect("OPTIONS * HTTP/1.1\r\n" HOST FAR "\r\n", 204, ALL_ALLOW);
	expect("OPTIONS * HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421, NULL);
}
END_TEST

START_TEST(rfc9110_9_3_7_a_body_of_options_is_dropped)
{
	open_door(NULL, NULL);
	expect("OPTIONS /Ada HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n", 204, GET_ALLOW);
	ck_assert(x.is_keep && x.is_body_left);
	expect("OPTIONS * HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", 204, ALL_ALLOW);
	ck_assert(x.is_keep && x.is_body_left);
	expect("OPTIONS / HTTP/1.1\r\n" HOST "Content-Length: 1001\r\n\r\n", 204, NULL);
	ck_assert(!x.is_keep && x.is_linger);
}
END_TEST

START_TEST(rfc9110_9_3_8_trace_is_not_done)
{
	open_door(NULL, NULL);
	expect("TRACE / HTTP/1.1\r\n" HOST "Cookie: secret\r\n\r\n", 405, GET_ALLOW);
	ck_assert_ptr_null(strstr(body, "secret"));
	expect("TRACE /no/such HTTP/1.1\r\n" HOST "\r\n", 404, NULL);
}
END_TEST

/* What follows the head of a CONNECT is not HTTP, whatever the answer. */
START_TEST(rfc9110_9_3_6_connect_ends_the_connection)
{
	open_door(NULL, NULL);
	expect("CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\n\r\n", 405, ALL_ALLOW);
	ck_assert(!x.is_keep && x.is_linger && !x.is_body_left);
}
END_TEST

START_TEST(rfc9110_9_3_2_head_is_taken_where_get_is)
{
	open_door(NULL, NULL);
	expect("HEAD / HTTP/1.1\r\n" HOST "\r\n", 0, NULL);
	ck_assert(x.is_head);
	expect("HEAD /api/products HTTP/1.1\r\n" HOST "\r\n", 0, NULL);
	expect("HEAD /chat/a HTTP/1.1\r\n" HOST "\r\n", 426, NULL);
	expect("HEAD /no/such HTTP/1.1\r\n" HOST "\r\n", 404, NULL);
	ck_assert(x.is_head);
	expect("GET / HTTP/1.1\r\n" HOST "\r\n", 0, NULL);
	ck_assert(!x.is_head);
}
END_TEST

START_TEST(what_is_reserved_is_not_there_for_any_method)
{
	static const char *const methods[] = {"GET",   "HEAD",   "POST",    "PUT",
					      "PATCH", "DELETE", "OPTIONS", "TRACE"};
	char head[128];

	open_door(NULL, NULL);
	for (int i = 0; i < N(methods); i++) {
		snprintf(head, sizeof(head), "%s /metrics HTTP/1.1\r\n" HOST "\r\n", methods[i]);
		expect(head, 404, NULL);
	}
	expect("POST /metrics HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\n", 404, NULL);
	ck_assert(x.is_keep && x.is_body_left);
}
END_TEST

/* --- 404 --- */

#define NOT_HERE "There is nothing at this path.\nHint: "

START_TEST(rfc9110_15_5_5_a_404_lists_what_there_is)
{
	open_door(NULL, NULL);
	expect("GET /no/such HTTP/1.1\r\n" HOST "\r\n", 404, NULL);
	ck_assert_str_eq(content_type, "text/plain; charset=utf-8");
	ck_assert_str_eq(body, NOT_HERE
			 "Ask for one of these routes; case counts, and so does a slash at the "
			 "end.\n"
			 "GET /\nGET /{name}\nGET /chat/{room} (WebSocket)\n"
			 "GET /api/products\nPOST /api/products\nPUT, DELETE /any\n");
	expect("GET /api/no HTTP/1.1\r\n" HOST "\r\n", 404, NULL);
	ck_assert_str_eq(content_type, "application/problem+json");
	ck_assert_ptr_nonnull(
	    strstr(body, "\"routes\":[\"GET /\",\"GET /{name}\",\"GET /chat/{room} (WebSocket)\","
			 "\"GET /api/products\",\"POST /api/products\",\"PUT, DELETE /any\"]}"));
}
END_TEST

START_TEST(a_404_lists_only_what_the_asker_may_use)
{
	open_door("store.read", NULL);
	expect("GET /no/such HTTP/1.1\r\n" HOST FAR "\r\n", 404, NULL);
	ck_assert_ptr_nonnull(strstr(body, "at the end.\nGET /api/products\n"));
	ck_assert_str_eq(strstr(body, "GET /api"), "GET /api/products\n");
	open_door(NULL, NULL);
	expect("GET /no/such HTTP/1.1\r\n" HOST FAR "\r\n", 404, NULL);
	ck_assert_ptr_null(strstr(body, "GET"));
	ck_assert_ptr_nonnull(strstr(body, "server.public"));
	open_door("*", NULL);
	expect("GET /no/such HTTP/1.1\r\n" HOST FAR "\r\n", 404, NULL);
	ck_assert_ptr_nonnull(strstr(body, "PUT, DELETE /any\n"));
	/* who uses a name that is not ours is told nothing */
	expect("GET /no/such HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421, NULL);
	ck_assert_ptr_null(strstr(body, "/any"));
}
END_TEST

START_TEST(the_list_of_a_404_is_bounded)
{
	static char pattern[ROUTE_MAX][512];
	size_t n = 0;

	open_door(NULL, NULL);
	for (int i = 0; routes.n < ROUTE_MAX; i++) {
		int len = snprintf(pattern[i], sizeof(pattern[i]), "/%d-", i);
		memset(pattern[i] + len, 'x', sizeof(pattern[i]) - (size_t)len - 1);
		add(HTTP_METHOD_BIT(HTTP_GET), pattern[i], SCOPE_GREET, 0, false);
	}
	expect("GET /no/such HTTP/1.1\r\n" HOST "\r\n", 404, NULL);
	for (const char *p = body; (p = strchr(p, '\n')); p++)
		n++;
	/* the six of open_door, and what has room beside them in 4 KiB, none of it cut */
	ck_assert_uint_gt(n, 2 + 6);
	ck_assert_uint_lt(n, 2 + 6 + 8);
	ck_assert_uint_lt(strlen(body), 4096 + 256);
	ck_assert_str_eq(body + strlen(body) - 4, "xxx\n");
	expect("GET /api/no HTTP/1.1\r\n" HOST "\r\n", 404, NULL);
	ck_assert_uint_lt(strlen(body), 4096 + 512);
}
END_TEST

/* --- other refusals --- */

#define JSON      "Content-Type: application/json\r\n"
#define WEBSOCKET "Connection: Upgrade\r\nUpgrade: websocket\r\n"
#define KEY       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define V13       "Sec-WebSocket-Version: 13\r\n"
#define UPGRADE   "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"

#define LONG_256                                                           \
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" \
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" \
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" \
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const struct {
	const char *section; /* of RFC 9110 */
	const char *head;
	int status; /* 0: let through */
	const char *fields;
	bool ends;
} refusals[] = {
    /* 403: not for this client */
    {"15.5.4", "GET / HTTP/1.1\r\n" HOST FAR "\r\n", 403, NULL, false},
    {"15.5.4", "OPTIONS / HTTP/1.1\r\n" HOST FAR "\r\n", 403, NULL, false},
    {"15.5.4", "DELETE / HTTP/1.1\r\n" HOST FAR "\r\n", 403, NULL, false},
    {"15.5.4", "GET /" LONG_256 "x HTTP/1.1\r\n" HOST FAR "\r\n", 403, NULL, false},
    {"15.5.4", "GET /api/products HTTP/1.1\r\n" HOST FAR "\r\n", 0, NULL, false},
    /* one of the path's routes is open */
    {"15.5.4", "OPTIONS /api/products HTTP/1.1\r\n" HOST FAR "\r\n", 204, BOTH_ALLOW, false},
    {"15.5.4", "DELETE /api/products HTTP/1.1\r\n" HOST FAR "\r\n", 405, BOTH_ALLOW, false},
    {"15.5.4", "POST /api/products HTTP/1.1\r\n" HOST FAR JSON "Content-Length: 2\r\n\r\n", 403,
     NULL, false},
    {"15.5.4", "POST /api/products HTTP/1.1\r\n" HOST EVIL JSON "Content-Length: 2\r\n\r\n", 403,
     NULL, false},
    {"15.5.4", "GET /chat/a HTTP/1.1\r\n" HOST EVIL WEBSOCKET KEY V13 "\r\n", 403, NULL, false},
    {"15.5.4", "GET / HTTP/1.1\r\n" HOST EVIL "\r\n", 0, NULL, false},
    /* 411: a length is wanted */
    {"15.5.12", "POST /api/products HTTP/1.1\r\n" HOST JSON "\r\n", 411, NULL, false},
    {"15.5.12", "PUT /any HTTP/1.1\r\n" HOST "\r\n", 411, NULL, false},
    {"15.5.12", "DELETE /any HTTP/1.1\r\n" HOST "\r\n", 0, NULL, false},
    {"15.5.12", "PUT /any HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", 0, NULL, false},
    {"15.5.12", "PUT /any HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", 0, NULL, false},
    /* 413: the route's limit, and that of all bodies */
    {"15.5.14", "POST /api/products HTTP/1.1\r\n" HOST JSON "Content-Length: 100\r\n\r\n", 0, NULL,
     false},
    {"15.5.14", "POST /api/products HTTP/1.1\r\n" HOST JSON "Content-Length: 101\r\n\r\n", 413,
     NULL, false},
    {"15.5.14", "PUT /any HTTP/1.1\r\n" HOST "Content-Length: 1000\r\n\r\n", 0, NULL, false},
    {"15.5.14", "PUT /any HTTP/1.1\r\n" HOST "Content-Length: 1001\r\n\r\n", 413, NULL, true},
    {"15.5.14", "GET / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\n", 413, NULL, false},
    {"15.5.14", "GET / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", 0, NULL, false},
    {"15.5.14", "GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", 413, NULL, false},
    /* 414: one part, decoded */
    {"15.5.15", "GET /" LONG_256 " HTTP/1.1\r\n" HOST "\r\n", 0, NULL, false},
    {"15.5.15", "GET /%41" LONG_256 " HTTP/1.1\r\n" HOST "\r\n", 414, NULL, false},
    /* 415: Accept and Accept-Encoding tell what would do */
    {"15.5.16", "POST /api/products HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n", 415,
     "Accept: application/json\r\n", false},
    {"15.5.16",
     "POST /api/products HTTP/1.1\r\n" HOST "Content-Type: text/json\r\nContent-Length: 2\r\n\r\n",
     415, "Accept: application/json\r\n", false},
    {"15.5.16", "POST /api/products HTTP/1.1\r\n" HOST JSON JSON "Content-Length: 2\r\n\r\n", 415,
     NULL, false},
    {"15.5.16",
     "POST /api/products HTTP/1.1\r\n" HOST
     "Content-Type: Application/JSON ; charset=utf-8\r\nContent-Length: 2\r\n\r\n",
     0, NULL, false},
    {"15.5.16",
     "POST /api/products HTTP/1.1\r\n" HOST JSON
     "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n",
     415, "Accept-Encoding: identity\r\n", false},
    {"15.5.16", "PUT /any HTTP/1.1\r\n" HOST "Content-Type: a/b\r\nContent-Length: 2\r\n\r\n", 0,
     NULL, false},
    /* 421: not under this name, whatever the path */
    {"15.5.20", "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421, NULL, false},
    {"15.5.20", "GET /no/such HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421, NULL, false},
    {"15.5.20", "OPTIONS / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421, NULL, false},
    {"15.5.20", "PATCH / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421, NULL, false},
    {"15.5.20", "GET http://evil.example/ HTTP/1.1\r\n" HOST "\r\n", 421, NULL, false},
    /* 426: with Upgrade, in any method that GET is the form of */
    {"15.5.22", "GET /chat/a HTTP/1.1\r\n" HOST "\r\n", 426, UPGRADE, false},
    {"15.5.22", "GET /chat/a HTTP/1.0\r\n" HOST WEBSOCKET KEY V13 "\r\n", 426, UPGRADE, false},
    {"15.5.22", "HEAD /chat/a HTTP/1.1\r\n" HOST WEBSOCKET KEY V13 "\r\n", 426, UPGRADE, false},
    {"15.5.22", "GET /chat/a HTTP/1.1\r\n" HOST WEBSOCKET KEY "Sec-WebSocket-Version: 8\r\n\r\n",
     426, UPGRADE, false},
    {"15.5.22", "GET /chat/a HTTP/1.1\r\n" HOST WEBSOCKET KEY V13 "\r\n", 0, NULL, false},
    {"15.5.1", "GET /chat/a HTTP/1.1\r\n" HOST WEBSOCKET V13 "\r\n", 400, NULL, false},
    /* an upgrade to something else is to be ignored */
    {"7.8", "GET / HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n", 0, NULL,
     false},
    /* 10.1.1: nobody knows if the body comes that nothing was said about */
    {"10.1.1", "POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n", 405,
     GET_ALLOW, true},
    /* 14.2: no range is served, so that a request for one, or a wrong one, is like any other */
    {"14.2", "GET / HTTP/1.1\r\n" HOST "Range: bytes=0-0\r\n\r\n", 0, NULL, false},
    {"14.2", "GET / HTTP/1.1\r\n" HOST "Range: bytes=9-0,x\r\nRange: seconds=1\r\n\r\n", 0, NULL,
     false},
    {"13.1.5", "GET / HTTP/1.1\r\n" HOST "Range: bytes=0-0\r\nIf-Range: \"x\"\r\n\r\n", 0, NULL,
     false},
};

START_TEST(rfc9110_refusals)
{
	open_door("store.read", NULL);
	ask(refusals[_i].head);
	ck_assert_msg(status == refusals[_i].status, "%s: %d to %s", refusals[_i].section, status,
		      refusals[_i].head);
	if (refusals[_i].fields)
		ck_assert_msg(strstr(fields, refusals[_i].fields) != NULL, "%s: %s",
			      refusals[_i].section, fields);
	ck_assert_msg(x.is_keep == !(refusals[_i].ends || strstr(refusals[_i].head, "HTTP/1.0")),
		      "%s: %s", refusals[_i].section, refusals[_i].head);
	ck_assert(!x.is_linger || !x.is_body_left);
	/* a body is dropped if the connection lives, and left where it is if it does not */
	if (status && x.is_keep)
		ck_assert_int_eq(x.is_body_left, request_has_body(&door.request));
	/* every error has a hint */
	if (status >= 400)
		ck_assert(strstr(body, "\nHint: ") || strstr(body, "\"hint\":\""));
}
END_TEST

/* --- types of bodies --- */

#define OF(type, len) HOST "Content-Type: " type "\r\nContent-Length: " len "\r\n\r\n"

static void
add_typed(enum http_method method, const char *pattern, const char *types)
{
	route_add(&routes, &(struct route){.methods = HTTP_METHOD_BIT(method),
					   .pattern = pattern,
					   .scope = SCOPE_GREET,
					   .body_limit = 100,
					   .body_type = types,
					   .handle = handle});
}

static void
open_typed_door(void)
{
	open_door(NULL, NULL);
	add_typed(HTTP_POST, "/t", "application/json, text/csv");
	add_typed(HTTP_PUT, "/t/{id}", "application/json");
	add_typed(HTTP_PATCH, "/t/{id}", "application/merge-patch+json");
	add_typed(HTTP_POST, "/t/{id}", "a/b, c/d,e/f");
}

static const struct {
	const char *head;
	int status;
	const char *fields; /* all of them, but for the Vary of a problem */
	const char *words;
} typed[] = {
    {"POST /t HTTP/1.1\r\n" OF("application/json", "2"), 0, "", NULL},
    {"POST /t HTTP/1.1\r\n" OF("Text/CSV; header=present", "2"), 0, "", NULL},
    {"POST /t HTTP/1.1\r\n" OF("text/csv\t;x", "2"), 0, "", NULL},
    {"POST /t HTTP/1.1\r\n" OF("text/cs", "2"), 415, "Accept: application/json, text/csv\r\n",
     " has to be application/json or text/csv."},
    {"POST /t HTTP/1.1\r\n" OF("application/json, text/csv", "2"), 415,
     "Accept: application/json, text/csv\r\n", NULL},
    {"POST /t HTTP/1.1\r\n" OF("", "2"), 415, "Accept: application/json, text/csv\r\n", NULL},
    {"POST /t HTTP/1.1\r\n" OF(";", "2"), 415, "Accept: application/json, text/csv\r\n", NULL},
    {"POST /t/1 HTTP/1.1\r\n" OF("e/f", "2"), 0, "", NULL},
    {"POST /t/1 HTTP/1.1\r\n" OF("c/d,e/f", "2"), 415, "Accept: a/b, c/d,e/f\r\n",
     " has to be a/b, c/d or e/f."},
    {"PUT /t/1 HTTP/1.1\r\n" OF("application/json", "2"), 0, "", NULL},
    {"PUT /t/1 HTTP/1.1\r\n" OF("application/merge-patch+json", "2"), 415,
     "Accept: application/json\r\n", " has to be application/json."},
    {"PATCH /t/1 HTTP/1.1\r\n" OF("application/merge-patch+json", "2"), 0, "", NULL},
    {"PATCH /t/1 HTTP/1.1\r\n" OF("application/json", "2"), 415,
     "Accept: application/merge-patch+json\r\nAccept-Patch: application/merge-patch+json\r\n",
     " has to be application/merge-patch+json."},
    {"OPTIONS /t HTTP/1.1\r\n" HOST "\r\n", 204,
     "Allow: POST, OPTIONS\r\nAccept-Post: application/json, text/csv\r\n", NULL},
    {"OPTIONS /t/1 HTTP/1.1\r\n" HOST "\r\n", 204,
     "Allow: POST, PUT, PATCH, OPTIONS\r\nAccept-Post: a/b, c/d,e/f\r\n"
     "Accept-Patch: application/merge-patch+json\r\n",
     NULL},
    /* a body of any type has no list, and the server as a whole has none */
    {"OPTIONS /any HTTP/1.1\r\n" HOST "\r\n", 204, "Allow: PUT, DELETE, OPTIONS\r\n", NULL},
    {"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 204,
     "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n", NULL},
};

START_TEST(rfc9110_8_3_a_route_may_take_several_types_and_rfc5789_says_so)
{
	open_typed_door();
	ask(typed[_i].head);
	ck_assert_msg(status == typed[_i].status, "%d to %s", status, typed[_i].head);
	ck_assert_str_eq(fields + (status == 415 ? strlen("Vary: Accept\r\n") : 0),
			 typed[_i].fields);
	if (typed[_i].words)
		ck_assert_msg(strstr(body, typed[_i].words) != NULL, "%s", body);
}
END_TEST

START_TEST(a_page_of_elsewhere_is_told_the_types_too)
{
	open_door(NULL, "https://app.example");
	add_typed(HTTP_PATCH, "/t/{id}", "application/merge-patch+json");
	expect("OPTIONS /t/7 HTTP/1.1\r\n" HOST PAGE "Access-Control-Request-Method: PATCH\r\n\r\n",
	       204,
	       "\r\nAccept-Patch: application/merge-patch+json\r\nAccess-Control-Allow-Methods");
}
END_TEST

START_TEST(a_body_limit_is_what_is_less)
{
	open_door(NULL, NULL);
	expect("POST /api/products HTTP/1.1\r\n" HOST JSON "Content-Length: 2\r\n\r\n", 0, NULL);
	ck_assert_uint_eq(x.body_limit, 100);
	expect("PUT /any HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n", 0, NULL);
	ck_assert_uint_eq(x.body_limit, 1000);
}
END_TEST

/* Its body comes while other requests are looked at, and its head is moved away. */
START_TEST(a_request_is_the_same_when_its_body_has_come)
{
	static const char head[] = "DELETE /any HTTP/1.1\r\n" HOST ACCEPT_JSON PAGE
				   "If-None-Match: \"a\"\r\nContent-Length: 2\r\n\r\n";
	static const char kept[] = "\"a\"";
	struct request_parser parser = {0};
	char moved[sizeof(head)];

	open_door(NULL, "https://app.example");
	expect(head, 0, NULL);
	memcpy(moved, head, sizeof(head));
	ck_assert_int_eq(
	    request_parse(&parser, moved, sizeof(head) - 1, 16384, &door.request, &door.head_len),
	    REQUEST_COMPLETE);
	door.match.route = NULL;
	x.wish.if_none_match = span_str(kept);
	judge_route_again(&x);
	ck_assert_str_eq(door.match.route->pattern, "/any");
	/* what has been kept of the head stays: see exchange_keep */
	ck_assert_ptr_eq(x.wish.if_none_match.ptr, kept);
	ck_assert_int_eq(x.wish.error_form, ERROR_PROBLEM);
	ck_assert_uint_eq(x.wish.origin, 1);
}
END_TEST

/* --- the form of errors --- */

static const struct {
	const char *path, *accept;
	enum error_form form;
} forms[] = {
    {"/a/b", "", ERROR_TEXT},
    {"/api", "", ERROR_PROBLEM},
    {"/api/no", "", ERROR_PROBLEM},
    {"/api?x", "", ERROR_PROBLEM},
    {"/apis/no", "", ERROR_TEXT},
    {"/chat", "", ERROR_PROBLEM},
    {"/chat/a/b", "", ERROR_PROBLEM},
    {"/chats/no", "", ERROR_TEXT},
    {"/a/b", ACCEPT_JSON, ERROR_PROBLEM},
    {"/a/b", ACCEPT_TEXT, ERROR_TEXT},
    {"/api/no", ACCEPT_JSON, ERROR_PROBLEM},
    {"/api/no", ACCEPT_TEXT, ERROR_TEXT},
    {"/api/no", "Accept: */*\r\n", ERROR_PROBLEM},
    {"/a/b", "Accept: */*\r\n", ERROR_TEXT},
};

START_TEST(the_form_of_an_error_is_that_of_its_path_or_what_accept_asks_for)
{
	char head[256];

	open_door(NULL, NULL);
	snprintf(head, sizeof(head), "DELETE %s HTTP/1.1\r\n" HOST "%s\r\n", forms[_i].path,
		 forms[_i].accept);
	ask(head);
	ck_assert_int_ge(status, 404);
	ck_assert_str_eq(content_type, forms[_i].form == ERROR_TEXT ? "text/plain; charset=utf-8"
								    : "application/problem+json");
	ck_assert_int_eq(strncmp(fields, "Vary: Accept\r\n", 14), 0);
	/* an answer that comes later has it, too */
	ck_assert_int_eq(x.wish.error_form, forms[_i].form);
}
END_TEST

START_TEST(what_was_known_of_who_asks_stays_known)
{
	open_door(NULL, "https://app.example");
	expect("HEAD /api/products HTTP/1.0\r\n" PAGE "\r\n", 0, NULL);
	ck_assert(x.is_head && x.is_minor_0 && x.wish.origin == 1);
	judge_give_up(&x, 408, "Too slow.", NULL);
	ck_assert_int_eq(status, 408);
	ck_assert_str_eq(content_type, "application/problem+json");
	ck_assert(x.is_head && !x.is_keep && x.is_linger && x.wish.origin == 1);
}
END_TEST

/* The form is that of the path, as soon as there is one; Accept counts if it came in time. */
static const struct {
	const char *head;
	enum error_form form;
	unsigned origin;
} unread[] = {
    {"", ERROR_TEXT, 0},
    {"\x16\x03\x01", ERROR_TEXT, 0},
    {"GET", ERROR_TEXT, 0},
    {"GET /ap", ERROR_TEXT, 0},
    {"GET /api/", ERROR_PROBLEM, 0},
    {"\r\nGET /api/products?a", ERROR_PROBLEM, 0},
    {"G@T /api/x HTTP/1.1\r\n", ERROR_TEXT, 0},
    {"BREW /api/x HTTP/1.1\r\n", ERROR_PROBLEM, 0},
    {"BREW / HTTP/1.1\r\n", ERROR_TEXT, 0},
    {"GET /api/x HTTP/2.0\r\n", ERROR_PROBLEM, 0},
    {"GET /api/a b HTTP/1.1\r\n", ERROR_PROBLEM, 0},
    {"GET /apis/a b HTTP/1.1\r\n", ERROR_TEXT, 0},
    {"GET http://a/api/x HTTP/0.9\r\n", ERROR_PROBLEM, 0},
    {"GET https://a/api/x HTTP/1.1\r\n", ERROR_TEXT, 0},
    {"HEAD /api/x HTTP/1.1\r\nA b\r\n", ERROR_PROBLEM, 0},
    {"GET /api/x HTTP/1.1\r\n" ACCEPT_TEXT "A b\r\n", ERROR_TEXT, 0},
    {"GET /api/x HTTP/1.1\r\nA b\r\n" ACCEPT_TEXT, ERROR_PROBLEM, 0},
    {"GET /api/x HTTP/1.1\r\n" ACCEPT_TEXT "A: b", ERROR_TEXT, 0},
    {"GET /api/x HTTP/1.1\r\nAccept: text/plain", ERROR_PROBLEM, 0},
    {"GET /x HTTP/1.1\r\n" ACCEPT_JSON "\r\n", ERROR_PROBLEM, 0},
    {"GET /x HTTP/1.1\r\n" HOST PAGE "Expect: x\r\n\r\n", ERROR_TEXT, 1},
};

START_TEST(a_head_that_is_refused_tells_what_it_can)
{
	struct request_parser parser = {0};
	const struct span head = span_str(unread[_i].head);

	open_door(NULL, "https://app.example");
	x = (struct exchange){.door = &door, .is_keep = true};
	ck_assert_int_ne(
	    request_parse(&parser, head.ptr, head.len, 16384, &door.request, &door.head_len),
	    REQUEST_COMPLETE);
	judge_refuse_head(&x, &parser, head, 400, "No HTTP.", NULL);
	ck_assert_int_eq(status, 400);
	ck_assert_msg(strcmp(content_type, unread[_i].form == ERROR_TEXT
					       ? "text/plain; charset=utf-8"
					       : "application/problem+json") == 0,
		      "%s: %s", unread[_i].head, content_type);
	ck_assert_uint_eq(x.wish.origin, unread[_i].origin);
	ck_assert(!x.is_head && !x.is_minor_0 && !x.is_keep && x.is_linger);
	ck_assert_ptr_null(door.bad_head.ptr);
}
END_TEST

/* --- web pages of other origins --- */

#define ASK_POST "Access-Control-Request-Method: POST\r\n"
#define ASK_TYPE "Access-Control-Request-Headers: content-type,x-a\r\n"

START_TEST(a_preflight_of_a_listed_origin_is_allowed_what_the_path_takes)
{
	open_door(NULL, "https://app.example");
	expect("OPTIONS /api/products HTTP/1.1\r\n" HOST PAGE ASK_POST ASK_TYPE "\r\n", 204, NULL);
	ck_assert_str_eq(fields, BOTH_ALLOW POST_TYPE
			 "Access-Control-Allow-Methods: GET, HEAD, POST, OPTIONS\r\n"
			 "Access-Control-Max-Age: 600\r\n"
			 "Vary: Access-Control-Request-Headers\r\n"
			 "Access-Control-Allow-Headers: content-type,x-a\r\n");
	ck_assert_uint_eq(x.wish.origin, 1);
	/* browsers say where pages are, also with a preflight; it is safe */
	expect("OPTIONS /api/products HTTP/1.1\r\n" HOST PAGE ASK_POST
	       "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: cors\r\n\r\n",
	       204, "Access-Control-Allow-Methods: ");
	/* the rules of access hold: a browser takes what is no 2xx for a no */
	expect("OPTIONS /api/products HTTP/1.1\r\n" HOST FAR PAGE ASK_POST "\r\n", 403, NULL);
	ck_assert_ptr_null(strstr(fields, "Access-Control"));
	ck_assert_uint_eq(x.wish.origin, 1);
	expect("OPTIONS /no/such HTTP/1.1\r\n" HOST PAGE ASK_POST "\r\n", 404, NULL);
}
END_TEST

static const struct {
	const char *origins, *fields;
} no_preflights[] = {
    {NULL, PAGE ASK_POST},
    {"https://other.example", PAGE ASK_POST},
    {"https://app.example", EVIL ASK_POST},
    {"https://app.example", ASK_POST},
    {"https://app.example", "Origin: null\r\n" ASK_POST},
    {"https://app.example", PAGE EVIL ASK_POST},
    {"https://app.example", PAGE},
};

START_TEST(other_options_allow_no_page_anything)
{
	char head[512];

	open_door(NULL, no_preflights[_i].origins);
	snprintf(head, sizeof(head), "OPTIONS /api/products HTTP/1.1\r\n" HOST "%s\r\n",
		 no_preflights[_i].fields);
	expect(head, 204, NULL);
	ck_assert_str_eq(fields, BOTH_ALLOW POST_TYPE);
}
END_TEST

START_TEST(a_listed_origin_may_write)
{
	open_door(NULL, "https://app.example");
	expect("POST /api/products HTTP/1.1\r\n" HOST PAGE JSON "Content-Length: 2\r\n\r\n", 0,
	       NULL);
	ck_assert_uint_eq(x.wish.origin, 1);
	expect("POST /api/products HTTP/1.1\r\n" HOST EVIL JSON "Content-Length: 2\r\n\r\n", 403,
	       NULL);
	ck_assert_uint_eq(x.wish.origin, 0);
	expect("GET /api/products HTTP/1.1\r\n" HOST EVIL "\r\n", 0, NULL);
	ck_assert_uint_eq(x.wish.origin, 0);
	expect("GET /no/such HTTP/1.1\r\n" HOST PAGE "\r\n", 404, NULL);
	ck_assert_uint_eq(x.wish.origin, 1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("judge");
	TCase *tc = tcase_create("judge");
	SRunner *runner = srunner_create(suite);

	tcase_add_loop_test(tc, rfc9110_9_3_7_options_and_15_5_6_allow, 0, N(paths));
	tcase_add_test(tc, rfc9110_9_3_7_options_of_the_whole_server);
	tcase_add_test(tc, rfc9110_9_3_7_a_body_of_options_is_dropped);
	tcase_add_test(tc, rfc9110_9_3_8_trace_is_not_done);
	tcase_add_test(tc, rfc9110_9_3_6_connect_ends_the_connection);
	tcase_add_test(tc, rfc9110_9_3_2_head_is_taken_where_get_is);
	tcase_add_test(tc, what_is_reserved_is_not_there_for_any_method);
	tcase_add_test(tc, rfc9110_15_5_5_a_404_lists_what_there_is);
	tcase_add_test(tc, a_404_lists_only_what_the_asker_may_use);
	tcase_add_test(tc, the_list_of_a_404_is_bounded);
	tcase_add_loop_test(tc, rfc9110_refusals, 0, N(refusals));
	tcase_add_loop_test(tc, rfc9110_8_3_a_route_may_take_several_types_and_rfc5789_says_so, 0,
			    N(typed));
	tcase_add_test(tc, a_page_of_elsewhere_is_told_the_types_too);
	tcase_add_test(tc, a_body_limit_is_what_is_less);
	tcase_add_test(tc, a_request_is_the_same_when_its_body_has_come);
	tcase_add_loop_test(tc, the_form_of_an_error_is_that_of_its_path_or_what_accept_asks_for, 0,
			    N(forms));
	tcase_add_test(tc, what_was_known_of_who_asks_stays_known);
	tcase_add_loop_test(tc, a_head_that_is_refused_tells_what_it_can, 0, N(unread));
	tcase_add_test(tc, a_preflight_of_a_listed_origin_is_allowed_what_the_path_takes);
	tcase_add_loop_test(tc, other_options_allow_no_page_anything, 0, N(no_preflights));
	tcase_add_test(tc, a_listed_origin_may_write);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
