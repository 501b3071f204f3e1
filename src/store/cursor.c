/*
 * cursor.c - base64url (RFC 4648 section 5, no padding) of "id:N". The tag lets a later kind of
 * cursor be told from this one.
 */
#include "store/cursor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLAIN_SIZE 24 /* "id:-9223372036854775808" and its terminator */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void
cursor_write(int64_t id, char text[CURSOR_TEXT_SIZE])
{
	char plain[PLAIN_SIZE];
	size_t len = (size_t)snprintf(plain, sizeof(plain), "id:%" PRId64, id);
	unsigned bits = 0, n_bits = 0;
	size_t at = 0;

	for (size_t i = 0; i < len; i++) {
		bits = bits << 8 | (unsigned char)plain[i];
		for (n_bits += 8; n_bits >= 6; n_bits -= 6)
			text[at++] = alphabet[bits >> (n_bits - 6) & 63];
	}
	if (n_bits)
		text[at++] = alphabet[bits << (6 - n_bits) & 63];
	text[at] = '\0';
}

bool
cursor_read(struct span text, int64_t *id)
{
	char plain[PLAIN_SIZE + 1] = {0}, again[CURSOR_TEXT_SIZE];
	unsigned bits = 0, n_bits = 0;
	size_t at = 0;

	if (text.len == 0 || text.len >= CURSOR_TEXT_SIZE)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		const char *digit = text.ptr[i] ? strchr(alphabet, text.ptr[i]) : NULL;
		if (!digit)
			return false;
		bits = bits << 6 | (unsigned)(digit - alphabet);
		n_bits += 6;
		if (n_bits >= 8) {
			n_bits -= 8;
			plain[at++] = (char)(bits >> n_bits & 255);
		}
	}
	plain[at] = '\0';
	if (memcmp(plain, "id:", 3) != 0)
		return false;
	int64_t value = strtoll(plain + 3, NULL, 10);
	/* one cursor has one text: what is written otherwise was not made here */
	cursor_write(value, again);
	if (!span_eq(text, span_str(again)))
		return false;
	*id = value;
	return true;
}
