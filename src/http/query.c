/*
 * query.c - queries taken apart. Called by: handlers of routes that have parameters.
 */
#include "http/query.h"

#include <string.h>

#include "http/chars.h"

/* Percent-decodes at most `size` bytes. False when there are more, or when an escape is none. */
static bool
decode(struct span sent, char *out, size_t size, size_t *len)
{
	const char *p = sent.ptr, *end = sent.ptr + sent.len;

	for (*len = 0; p < end; (*len)++) {
		if (*len == size)
			return false;
		if (*p != '%') {
			out[*len] = *p++;
			continue;
		}
		if (!char_is_escape(p, end))
			return false;
		out[*len] = (char)(char_hex(p[1]) << 4 | char_hex(p[2]));
		p += 3;
	}
	return true;
}

/* The one of this name, or NULL. */
static struct query_param *
find(struct span sent, struct query_param *params, size_t n)
{
	char text[QUERY_VALUE_MAX];
	size_t len;

	if (!decode(sent, text, sizeof(text), &len))
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (span_eq(span_from(text, len), span_str(params[i].name)))
			return &params[i];
	return NULL;
}

static void
take(struct query_param *param, struct span value)
{
	if (param->state != QUERY_ABSENT)
		param->state = QUERY_TWICE;
	else if (decode(value, param->text, sizeof(param->text), &param->len))
		param->state = QUERY_GIVEN;
	else
		param->state = QUERY_TOO_LONG;
}

struct span
query_read(struct span query, struct query_param *params, size_t n)
{
	struct span unknown = {NULL, 0};

	for (size_t i = 0; i < n; i++) {
		params[i].state = QUERY_ABSENT;
		params[i].len = 0;
	}
	if (query.len == 0)
		return unknown;
	const char *p = query.ptr, *end = query.ptr + query.len;
	while (p < end) {
		const char *pair = p;

		p = memchr(pair, '&', (size_t)(end - pair));
		p = p ? p : end;
		const char *equals = memchr(pair, '=', (size_t)(p - pair));
		const char *name_end = equals ? equals : p;
		struct span name = span_from(pair, (size_t)(name_end - pair));
		struct query_param *param = find(name, params, n);

		if (p == pair)
			; /* nothing between two '&' */
		else if (param)
			take(param, equals ? span_from(equals + 1, (size_t)(p - equals - 1))
					   : span_from(p, 0));
		else if (!unknown.ptr)
			unknown = name;
		p += p < end;
	}
	return unknown;
}
