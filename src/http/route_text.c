/*
 * route_text.c - methods and routes in words. Called by: judge.c.
 */
#include "http/route_text.h"

#include <string.h>

/* A text that is cut where there is no room. */
struct text {
	char *out;
	size_t size, len;
};

static void
put(struct text *text, struct span bytes)
{
	size_t room = text->size - text->len - 1;
	size_t len = bytes.len < room ? bytes.len : room;

	if (len)
		memcpy(text->out + text->len, bytes.ptr, len);
	text->len += len;
	text->out[text->len] = '\0';
}

static void
put_methods(struct text *text, unsigned methods)
{
	bool is_first = true;

	for (unsigned m = 0; m < HTTP_METHODS; m++) {
		if (!(methods & HTTP_METHOD_BIT(m)))
			continue;
		if (!is_first)
			put(text, SPAN_LIT(", "));
		put(text, http_method_name((enum http_method)m));
		is_first = false;
	}
}

const char *
methods_text(unsigned methods, char out[METHODS_TEXT_SIZE])
{
	struct text text = {.out = out, .size = METHODS_TEXT_SIZE};

	out[0] = '\0';
	put_methods(&text, methods);
	return out;
}

size_t
route_text(const struct route *route, char *out, size_t size)
{
	struct text text = {.out = out, .size = size};

	put_methods(&text, route->methods);
	put(&text, SPAN_LIT(" "));
	put(&text, span_str(route->pattern));
	if (route->upgrade)
		put(&text, SPAN_LIT(" (WebSocket)"));
	return text.len;
}
