/*
 * span.h - bytes that somebody else owns: a pointer and a length, no terminator.
 */
#ifndef PLAZA_BASE_SPAN_H
#define PLAZA_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct span {
	const char *ptr; /* may be NULL when len is 0 */
	size_t len;
};

/* A string literal, without its terminator. */
#define SPAN_LIT(s) ((struct span){"" s, sizeof(s) - 1})

static inline struct span
span_from(const char *ptr, size_t len)
{
	return (struct span){ptr, len};
}

static inline struct span
span_str(const char *s)
{
	return (struct span){s, strlen(s)};
}

static inline bool
span_eq(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* ASCII case is ignored, as field names and host names want it. */
static inline bool
span_eq_nocase(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || strncasecmp(a.ptr, b.ptr, a.len) == 0);
}

#endif
