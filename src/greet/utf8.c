/*
 * utf8.c - text is characters of UTF-8, none of them a control character.
 */
#include "greet/utf8.h"

#include <stdint.h>

#include "base/utf8.h"

/* C0, DEL and C1 (U+0080 to U+009F, which are C2 80 to C2 9F). `len` is the character's. */
static bool
is_control(const uint8_t *p, size_t len)
{
	return len == 1 ? p[0] < 0x20 || p[0] == 0x7f : p[0] == 0xc2 && p[1] < 0xa0;
}

bool
utf8_is_text(const char *data, size_t len)
{
	size_t n;

	for (size_t i = 0; i < len; i += n) {
		n = utf8_character(data + i, len - i);
		if (n == 0 || is_control((const uint8_t *)data + i, n))
			return false;
	}
	return true;
}
