/*
 * position.c - digits, and a colon between them. Called by: command.c, wish.c, chat_http.c.
 */
#include "hub/position.h"

#include <stddef.h>
#include <string.h>

#include "http/chars.h"

#define EPOCH_DIGITS  16
#define NUMBER_DIGITS 16 /* of POSITION_NUMBER_MAX: nothing overflows on the way */

bool
position_read_epoch(struct span text, uint64_t *epoch)
{
	uint64_t value = 0;

	if (text.len == 0 || text.len > EPOCH_DIGITS)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (!char_is(text.ptr[i], CHAR_HEX))
			return false;
		value = value << 4 | char_hex(text.ptr[i]);
	}
	*epoch = value;
	return true;
}

bool
position_read_number(struct span text, uint64_t *number)
{
	uint64_t value = 0;

	if (text.len == 0 || text.len > NUMBER_DIGITS)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (!char_is(text.ptr[i], CHAR_DIGIT))
			return false;
		value = value * 10 + (uint64_t)(text.ptr[i] - '0');
	}
	if (value > POSITION_NUMBER_MAX)
		return false;
	*number = value;
	return true;
}

bool
position_read(struct span text, uint64_t *epoch, uint64_t *seq)
{
	const char *colon = text.len ? memchr(text.ptr, ':', text.len) : NULL;

	if (!colon)
		return false;
	size_t at = (size_t)(colon - text.ptr);
	return position_read_epoch(span_from(text.ptr, at), epoch) &&
	       position_read_number(span_from(colon + 1, text.len - at - 1), seq);
}
