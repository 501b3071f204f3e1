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

/* The index of the one of this name, or n. */
static size_t
find(struct span sent, const struct query_param *params, size_t n)
{
	char text[QUERY_VALUE_MAX];
	size_t len;

	if (!decode(sent, text, sizeof(text), &len))
		return n;
	for (size_t i = 0; i < n; i++)
		if (span_eq(span_from(text, len), span_str(params[i].name)))
			return i;
	return n;
}

static void
take(struct query_param *param, struct span value)
{
	char *room = param->room ? param->room : param->text;
	const size_t size = param->room ? param->room_size : sizeof(param->text);

	if (param->state != QUERY_ABSENT)
		param->state = QUERY_TWICE;
	else if (decode(value, room, size, &param->len))
		param->state = QUERY_GIVEN;
	else
		param->state = QUERY_TOO_LONG;
}

/* Takes the first pair off, an empty one too. False: there is none. */
static bool
take_pair(struct span *rest, struct span *name, struct span *value)
{
	if (rest->len == 0)
		return false;
	const char *pair = rest->ptr, *end = rest->ptr + rest->len;
	const char *p = memchr(pair, '&', rest->len);
	if (!p)
		p = end;
	const char *equals = memchr(pair, '=', (size_t)(p - pair));
	const char *name_end = equals ? equals : p;
	const char *begin = equals ? equals + 1 : p;

	*name = span_from(pair, (size_t)(name_end - pair));
	*value = span_from(begin, (size_t)(p - begin));
	p += p < end;
	*rest = span_from(p, (size_t)(end - p));
	return true;
}

/* Nothing between two '&'; a '=' alone has an empty name. */
static bool
is_empty(struct span name, struct span value)
{
	return name.len == 0 && value.ptr == name.ptr;
}

struct span
query_unknown(struct span *rest, const struct query_param *params, size_t n)
{
	struct span name, value;

	while (take_pair(rest, &name, &value))
		if (!is_empty(name, value) && find(name, params, n) == n)
			return name;
	return span_from(NULL, 0);
}

struct span
query_read(struct span query, struct query_param *params, size_t n)
{
	struct span rest = query, name, value;

	for (size_t i = 0; i < n; i++) {
		params[i].state = QUERY_ABSENT;
		params[i].len = 0;
	}
	while (take_pair(&rest, &name, &value)) {
		const size_t i = is_empty(name, value) ? n : find(name, params, n);
		if (i < n)
			take(&params[i], value);
	}
	rest = query;
	return query_unknown(&rest, params, n);
}
