/*
 * buffer.c - growable bytes; doubling, so that appending is linear in total.
 */
#include "base/buffer.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_FIRST 256

void
buffer_init(struct buffer *b)
{
	*b = (struct buffer){0};
}

void
buffer_fini(struct buffer *b)
{
	free(b->data);
	buffer_init(b);
}

bool
buffer_reserve(struct buffer *b, size_t extra, size_t max)
{
	if (b->len > max || extra > max - b->len)
		return false;
	size_t need = b->len + extra;
	if (need <= b->cap)
		return true;
	size_t cap = b->cap ? b->cap : BUFFER_FIRST;
	while (cap < need)
		cap = cap > SIZE_MAX / 2 ? need : cap * 2;
	char *data = realloc(b->data, cap);
	if (!data)
		return false;
	b->data = data;
	b->cap = cap;
	return true;
}

bool
buffer_append(struct buffer *b, const void *data, size_t len, size_t max)
{
	if (!buffer_reserve(b, len, max))
		return false;
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	return true;
}

bool
buffer_assign(struct buffer *b, const void *data, size_t len)
{
	if (b->cap != len) {
		char *exact = len ? malloc(len) : NULL;

		if (len && !exact)
			return false;
		free(b->data);
		b->data = exact;
		b->cap = len;
	}
	if (len)
		memcpy(b->data, data, len);
	b->len = len;
	return true;
}

bool
buffer_printf(struct buffer *b, size_t max, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	/* vsnprintf needs a byte for the terminator, which is not counted in len */
	if (n < 0 || !buffer_reserve(b, (size_t)n + 1, max < SIZE_MAX ? max + 1 : max))
		return false;
	va_start(ap, fmt);
	vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
	return true;
}

void
buffer_consume(struct buffer *b, size_t n)
{
	b->len -= n;
	if (b->len)
		memmove(b->data, b->data + n, b->len);
}
