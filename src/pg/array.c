/*
 * array.c - as array_send in PostgreSQL's arrayfuncs.c writes them: five words of 32 bits in
 * network byte order, then each element with its length before it, or -1 for null.
 */
#include "pg/array.h"

#include <limits.h>
#include <string.h>

enum { WORD_DIMENSIONS, WORD_HAS_NULL, WORD_TYPE, WORD_COUNT, WORD_LOWER_BOUND, HEADER_WORDS };

/* An array without elements has no dimension, and its header ends before WORD_COUNT. */
#define EMPTY_SIZE (4 * (size_t)WORD_COUNT)

static void
put_word(char *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (char)(unsigned char)(value >> (24 - 8 * i));
}

static void
put_header(struct array *array, unsigned word, uint32_t value)
{
	put_word(array->out->data + array->begin + 4 * (size_t)word, value);
}

bool
array_begin(struct array *array, struct buffer *out, enum array_type type, size_t max)
{
	const size_t size = 4 * (size_t)HEADER_WORDS;

	*array =
	    (struct array){.out = out, .max = max < INT_MAX ? max : INT_MAX, .begin = out->len};
	if (!buffer_reserve(out, size, array->max))
		return false;
	out->len += size;
	put_header(array, WORD_DIMENSIONS, 1);
	put_header(array, WORD_HAS_NULL, 0);
	put_header(array, WORD_TYPE, (uint32_t)type);
	put_header(array, WORD_COUNT, 0);
	put_header(array, WORD_LOWER_BOUND, 1);
	return true;
}

/* The element's length, and room for its bytes. NULL as buffer_reserve. */
static char *
add(struct array *array, size_t len)
{
	struct buffer *out = array->out;

	if (len > array->max || !buffer_reserve(out, 4 + len, array->max))
		return NULL;
	char *at = out->data + out->len;
	put_word(at, (uint32_t)len);
	out->len += 4 + len;
	array->n++;
	return at + 4;
}

bool
array_add_int4(struct array *array, int32_t value)
{
	char *at = add(array, 4);

	if (at)
		put_word(at, (uint32_t)value);
	return at != NULL;
}

bool
array_add_int8(struct array *array, int64_t value)
{
	char *at = add(array, 8);

	if (!at)
		return false;
	put_word(at, (uint32_t)((uint64_t)value >> 32));
	put_word(at + 4, (uint32_t)(uint64_t)value);
	return true;
}

bool
array_add_text(struct array *array, struct span text)
{
	char *at = add(array, text.len);

	if (at && text.len)
		memcpy(at, text.ptr, text.len);
	return at != NULL;
}

bool
array_add_null(struct array *array)
{
	char *at = add(array, 0);

	if (!at)
		return false;
	put_word(at - 4, UINT32_MAX);
	put_header(array, WORD_HAS_NULL, 1);
	return true;
}

struct span
array_end(struct array *array)
{
	struct buffer *out = array->out;

	if (array->n == 0) {
		put_header(array, WORD_DIMENSIONS, 0);
		out->len = array->begin + EMPTY_SIZE;
	} else
		put_header(array, WORD_COUNT, array->n);
	return span_from(out->data + array->begin, out->len - array->begin);
}
