/*
 * body_type.c - the type of a body. Called by: judge.c; by handlers whose route takes several.
 */
#include "http/body_type.h"

#include <stdio.h>
#include <string.h>

/* The next element of a list, and *rest moves behind it; len 0: that was all. */
static struct span
next_type(const char **rest)
{
	const char *start = *rest + strspn(*rest, ", ");
	size_t len = strcspn(start, ", ");

	*rest = start + len;
	return span_from(start, len);
}

bool
body_type_is(const struct request *request, struct span type)
{
	struct span value = request_first(request, FIELD_CONTENT_TYPE);

	if (request->times[FIELD_CONTENT_TYPE] != 1)
		return false;
	const char *end = value.len ? memchr(value.ptr, ';', value.len) : NULL;

	/* RFC 9110 8.3.1: the type itself ignores case; parameters such as charset=utf-8 may follow
	 */
	if (end)
		value.len = (size_t)(end - value.ptr);
	while (value.len && (value.ptr[value.len - 1] == ' ' || value.ptr[value.len - 1] == '\t'))
		value.len--;
	return span_eq_nocase(value, type);
}

bool
body_type_is_listed(const struct request *request, const char *types)
{
	struct span type = next_type(&types);

	while (type.len && !body_type_is(request, type))
		type = next_type(&types);
	return type.len != 0;
}

const char *
body_type_words(const char *types, char *out, size_t size)
{
	struct span type = next_type(&types);
	const char *before = "";
	size_t used = 0;

	out[0] = '\0';
	while (type.len && used < size) {
		struct span next = next_type(&types);
		int len =
		    snprintf(out + used, size - used, "%s%.*s", before, (int)type.len, type.ptr);

		used += len > 0 ? (size_t)len : 0;
		type = next;
		before = *(types + strspn(types, ", ")) ? ", " : " or ";
	}
	return out;
}
