/*
 * route.c - from a path and a method to a route.
 *
 * Patterns are taken apart when they are added and a path once per request; then it is a walk over
 * those of as many segments, which is shorter than any index for the dozens of routes that there
 * are.
 */
#include <stdlib.h>

#include "base/log.h"
#include "http/chars.h"
#include "http/route.h"

static const char *const scope_names[SCOPE_COUNT] = {
    [SCOPE_GREET] = "greet",
    [SCOPE_CHAT] = "chat",
    [SCOPE_STORE_READ] = "store.read",
    [SCOPE_STORE_WRITE] = "store.write",
    [SCOPE_JOBS] = "jobs",
};

const char *
scope_name(enum scope scope)
{
	return scope_names[scope];
}

enum scope
scope_find(const char *name)
{
	unsigned scope = 0;

	while (scope < SCOPE_COUNT && strcmp(name, scope_names[scope]) != 0)
		scope++;
	return (enum scope)scope;
}

/* --- patterns --- */

/* False when it is malformed. */
static bool
shape_parse(struct route_shape *shape, const char *pattern)
{
	const char *p = pattern;
	unsigned parts = 0;

	*shape = (struct route_shape){0};
	if (strcmp(pattern, "/") == 0)
		return true;
	while (*p == '/') {
		struct span segment = span_from(p + 1, strcspn(p + 1, "/"));

		p = segment.ptr + segment.len;
		if (segment.len == 0 || shape->n_segments == ROUTE_MAX_SEGMENTS)
			return false;
		/* the leftmost literal decides, so that rank is one comparison */
		shape->rank <<= 1;
		if (segment.ptr[0] == '{') {
			if (segment.len < 3 || segment.ptr[segment.len - 1] != '}' ||
			    parts++ == ROUTE_MAX_PARTS)
				return false;
			segment = span_from(NULL, 0);
		} else {
			if (memchr(segment.ptr, '{', segment.len))
				return false;
			shape->rank |= 1;
		}
		shape->segment[shape->n_segments++] = segment;
	}
	return *p == '\0' && shape->n_segments != 0;
}

static bool
shape_same(const struct route_shape *a, const struct route_shape *b)
{
	if (a->n_segments != b->n_segments || a->rank != b->rank)
		return false;
	for (size_t i = 0; i < a->n_segments; i++)
		if (!span_eq(a->segment[i], b->segment[i]))
			return false;
	return true;
}

static bool
is_reserved(const struct route *route)
{
	return route->handle == NULL && route->upgrade == NULL;
}

/* The front door's own. */
#define DOOR_METHODS                                                   \
	(HTTP_METHOD_BIT(HTTP_OPTIONS) | HTTP_METHOD_BIT(HTTP_TRACE) | \
	 HTTP_METHOD_BIT(HTTP_CONNECT))

unsigned
route_methods(const struct route *route)
{
	unsigned methods = route->methods;

	if (is_reserved(route))
		return 0;
	if (methods & HTTP_METHOD_BIT(HTTP_GET))
		methods |= HTTP_METHOD_BIT(HTTP_HEAD);
	return methods | HTTP_METHOD_BIT(HTTP_OPTIONS);
}

unsigned
route_all_methods(const struct route_table *table)
{
	unsigned all = 0;

	for (size_t i = 0; i < table->n; i++)
		all |= route_methods(&table->route[i]);
	return all;
}

/* Two routes of one pattern that cannot both be. */
static bool
routes_clash(const struct route *a, const struct route *b)
{
	return is_reserved(a) || is_reserved(b) ||
	       (route_methods(a) & route_methods(b) & ~HTTP_METHOD_BIT(HTTP_OPTIONS)) != 0;
}

void
route_add(struct route_table *table, const struct route *route)
{
	struct route_shape shape;
	const char *wrong = NULL;

	if (table->n == ROUTE_MAX)
		wrong = "the table is full";
	else if (!shape_parse(&shape, route->pattern))
		wrong = "the pattern is malformed";
	else if ((route->methods == 0) != is_reserved(route) || (route->handle && route->upgrade))
		wrong =
		    "it wants methods and one of a handler and an upgrade, or none of the three";
	else if (route->methods & DOOR_METHODS)
		wrong = "OPTIONS, TRACE and CONNECT are answered by the front door";
	else if (route->body_type && strlen(route->body_type) > ROUTE_BODY_TYPE_MAX)
		wrong = "its body_type is too long";
	for (size_t i = 0; wrong == NULL && i < table->n; i++)
		if (shape_same(&shape, &table->shape[i]) && routes_clash(route, &table->route[i]))
			wrong = "the same was added before";
	if (wrong) {
		log_error("route %s: %s", route->pattern, wrong);
		abort();
	}
	table->route[table->n] = *route;
	table->shape[table->n] = shape;
	table->next[table->n] = table->first[shape.n_segments];
	table->first[shape.n_segments] = (uint8_t)++table->n;
}

/* --- paths --- */

/* A segment as it was sent; most have nothing to decode. */
struct sent {
	struct span bytes;
	size_t escapes;
};

static size_t
sent_decoded_len(const struct sent *sent)
{
	return sent->bytes.len - 2 * sent->escapes;
}

/* The byte at *p, which moves behind it. */
static char
decode_byte(const char **p)
{
	const char *at = *p;

	if (*at != '%') {
		*p = at + 1;
		return *at;
	}
	*p = at + 3;
	return (char)(char_hex(at[1]) << 4 | char_hex(at[2]));
}

static bool
sent_is(const struct sent *sent, struct span literal)
{
	const char *p = sent->bytes.ptr;

	if (sent_decoded_len(sent) != literal.len)
		return false;
	if (sent->escapes == 0)
		return memcmp(p, literal.ptr, literal.len) == 0;
	for (size_t i = 0; i < literal.len; i++)
		if (decode_byte(&p) != literal.ptr[i])
			return false;
	return true;
}

/*
 * The segments of a path: how many, or -1 when no pattern can match: too many, an empty one, or a
 * dot segment, which nobody may resolve in another way than we do (RFC 3986 5.2.4).
 */
static int
path_split(struct span path, struct sent *sent)
{
	const char *p = path.ptr, *end = path.ptr + path.len;
	int n = 0;

	if (path.len == 0 || *p != '/')
		return -1;
	if (path.len == 1)
		return 0;
	while (p < end) {
		struct sent *s = &sent[n];
		const char *start = ++p;

		if (n++ == ROUTE_MAX_SEGMENTS)
			return -1;
		s->escapes = 0;
		for (; p < end && *p != '/'; p++)
			s->escapes += *p == '%';
		s->bytes = span_from(start, (size_t)(p - start));
		if (s->bytes.len == 0 || sent_is(s, SPAN_LIT(".")) || sent_is(s, SPAN_LIT("..")))
			return -1;
	}
	return n;
}

static bool
shape_matches(const struct route_shape *shape, const struct sent *sent)
{
	for (size_t i = 0; i < shape->n_segments; i++)
		if (shape->segment[i].ptr && !sent_is(&sent[i], shape->segment[i]))
			return false;
	return true;
}

/* False when a part is too long. */
static bool
take_parts(const struct route_shape *shape, const struct sent *sent, struct route_match *match)
{
	for (size_t i = 0; i < shape->n_segments; i++) {
		size_t len = sent_decoded_len(&sent[i]);
		const char *p = sent[i].bytes.ptr;
		char *decoded;

		if (shape->segment[i].ptr)
			continue;
		if (len > ROUTE_SEGMENT_MAX)
			return false;
		if (sent[i].escapes == 0) {
			match->part[match->n_parts++] = sent[i].bytes;
			continue;
		}
		decoded = match->decoded[match->n_parts];
		for (size_t k = 0; k < len; k++)
			decoded[k] = decode_byte(&p);
		match->part[match->n_parts++] = span_from(decoded, len);
	}
	return true;
}

enum route_result
route_match(const struct route_table *table, enum http_method method, struct span path,
	    struct route_match *match)
{
	struct sent sent[ROUTE_MAX_SEGMENTS];
	const struct route_shape *best = NULL;
	const struct route *found = NULL;
	int n = path_split(path, sent);

	match->route = NULL;
	match->allow = 0;
	match->scopes = 0;
	match->n_parts = 0;
	for (unsigned at = n < 0 ? 0 : table->first[n]; at; at = table->next[at - 1]) {
		const struct route *route = &table->route[at - 1];
		const struct route_shape *shape = &table->shape[at - 1];
		unsigned methods;

		if ((best && shape->rank < best->rank) || !shape_matches(shape, sent))
			continue;
		if (best == NULL || shape->rank > best->rank) {
			best = shape;
			found = NULL;
			match->allow = 0;
			match->scopes = 0;
		}
		methods = route_methods(route);
		match->allow |= methods;
		if (methods)
			match->scopes |= 1U << route->scope;
		if (methods & HTTP_METHOD_BIT(method) & ~HTTP_METHOD_BIT(HTTP_OPTIONS))
			found = route;
	}
	if (match->allow == 0)
		return ROUTE_NO_PATH;
	if (found == NULL)
		return ROUTE_NO_METHOD;
	if (!take_parts(best, sent, match))
		return ROUTE_TOO_LONG;
	match->route = found;
	return ROUTE_FOUND;
}
