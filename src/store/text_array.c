/*
 * text_array.c - array_recv of the server's arrayfuncs.c: dimensions, whether there are nulls, the
 * element's type, length and lower bound of the one dimension; then each element with its length.
 */
#include "store/text_array.h"

#include <arpa/inet.h>
#include <limits.h>
#include <string.h>

#include "base/put.h"

#define TEXT_OID   25
#define HEAD_WORDS 5
/* what a message to the server may hold */
#define ARRAY_MAX ((size_t)INT_MAX / 2)

static char *
put_word(char *p, uint32_t word)
{
	word = htonl(word);
	return put(p, (const char *)&word, sizeof(word));
}

/* Dimensions and nulls are known at the end only; both fit an array that has them. */
static bool
begin(struct text_array *array)
{
	if (!buffer_reserve(&array->bytes, HEAD_WORDS * sizeof(uint32_t), ARRAY_MAX))
		return false;
	array->bytes.len = HEAD_WORDS * sizeof(uint32_t);
	return true;
}

bool
text_array_add(struct text_array *array, struct span text)
{
	struct buffer *bytes = &array->bytes;

	if (!array->n && !begin(array))
		return false;
	if (text.len > ARRAY_MAX || !buffer_reserve(bytes, sizeof(uint32_t) + text.len, ARRAY_MAX))
		return false;
	char *p = put_word(bytes->data + bytes->len, text.ptr ? (uint32_t)text.len : UINT32_MAX);
	p = put(p, text.ptr, text.len);
	bytes->len = (size_t)(p - bytes->data);
	array->n++;
	return true;
}

bool
text_array_end(struct text_array *array)
{
	if (!array->n && !begin(array))
		return false;
	char *p = put_word(array->bytes.data, array->n ? 1 : 0);
	p = put_word(p, 1);
	p = put_word(p, TEXT_OID);
	p = put_word(p, array->n);
	put_word(p, 1);
	/* of an empty one only the first three count */
	if (!array->n)
		array->bytes.len = 3 * sizeof(uint32_t);
	return true;
}

void
text_array_fini(struct text_array *array)
{
	buffer_fini(&array->bytes);
	array->n = 0;
}
