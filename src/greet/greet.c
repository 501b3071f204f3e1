/*
 * greet.c - the greetings, the health checks, and the first path segments that are nobody's name.
 */
#include "greet/greet.h"

#include <stdint.h>
#include <string.h>

#include "greet/utf8.h"
#include "http/exchange.h"
#include "http/problem.h"

#define TEXT_TYPE "text/plain; charset=utf-8"
#define NO_STORE  "Cache-Control: no-store\r\n"

/* Without an entity-tag: a 304 would be hardly shorter than what there is to say. */
static void
reply_text(struct exchange *x, struct span body, const char *fields)
{
	struct reply reply = {
	    .status = 200,
	    .content_type = TEXT_TYPE,
	    .body = body,
	    .fields = fields,
	};

	exchange_reply(x, &reply);
}

static void
anonymous_handle(struct exchange *x, void *ctx)
{
	(void)ctx;
	reply_text(x, SPAN_LIT("Hello, Anonymous"), NULL);
}

static void
name_handle(struct exchange *x, void *ctx)
{
	static const struct problem not_text = {
	    .status = 400,
	    .detail = "A name is UTF-8 without control characters, percent-encoded.",
	    .hint = "Write each byte that is no letter as % and two hexadecimal digits, as in "
		    "/Zo%C3%AB.",
	};
	static const char hello[] = "Hello, ";
	const size_t hello_len = sizeof(hello) - 1;
	char body[sizeof(hello) + ROUTE_SEGMENT_MAX];
	struct span name = exchange_param(x, 0);

	(void)ctx;
	/* the route table has answered a longer one with 414 already */
	if (name.len > ROUTE_SEGMENT_MAX || !utf8_is_text(name.ptr, name.len)) {
		exchange_problem(x, &not_text);
		return;
	}
	memcpy(body, hello, hello_len);
	memcpy(body + hello_len, name.ptr, name.len);
	reply_text(x, span_from(body, hello_len + name.len), NULL);
}

/* This process answers: that is all that it says. */
static void
health_handle(struct exchange *x, void *ctx)
{
	(void)ctx;
	reply_text(x, SPAN_LIT("OK"), NO_STORE);
}

/* For whoever sends requests here, if there are other places: whether they can be done here. */
static void
ready_handle(struct exchange *x, void *ctx)
{
	const struct greet_readiness *readiness = ctx;
	const char *why = readiness->why_not(readiness->ctx);

	if (!why)
		reply_text(x, SPAN_LIT("OK"), NO_STORE);
	else
		exchange_problem(x, &(struct problem){
					.status = 503,
					.type = "not-ready",
					.title = "The server is not ready",
					.detail = why,
					.hint = "Ask again after Retry-After seconds; /health/live "
						"says if the process serves at all.",
					.fields = NO_STORE "Retry-After: 1\r\n",
				    });
}

static void
robots_handle(struct exchange *x, void *ctx)
{
	static const struct reply reply = {
	    .status = 200,
	    .content_type = TEXT_TYPE,
	    .body = {"User-agent: *\nDisallow: /", 25},
	    .etag = REPLY_ETAG_OF_BODY,
	};

	(void)ctx;
	exchange_reply(x, &reply);
}

void
greet_add_routes(const struct greet_readiness *readiness, struct route_table *routes)
{
	static const struct {
		const char *pattern;
		void (*handle)(struct exchange *x, void *ctx);
	} served[] = {
	    {"/", anonymous_handle},         {"/{name}", name_handle},
	    {"/health", health_handle},      {"/health/live", health_handle},
	    {"/health/ready", ready_handle}, {"/robots.txt", robots_handle},
	};
	/* what clients or a later release expect to be something else is greeted by no one */
	static const char *const reserved[] = {
	    "/api", "/ui", "/metrics", "/favicon.ico", "/.well-known",
	};

	for (size_t i = 0; i < sizeof(served) / sizeof(served[0]); i++)
		route_add(routes, &(struct route){
				      .methods = HTTP_METHOD_BIT(HTTP_GET),
				      .pattern = served[i].pattern,
				      .scope = SCOPE_GREET,
				      .handle = served[i].handle,
				      .ctx = (void *)(uintptr_t)readiness,
				  });
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		route_add(routes, &(struct route){.pattern = reserved[i]});
}
