/*
 * utf8.h - one character of UTF-8 at a time (RFC 3629 section 4).
 */
#ifndef PLAZA_BASE_UTF8_H
#define PLAZA_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/*
 * How many bytes the character at data[0..len) has, ASCII included; 0 when there is none: a cut or
 * overlong sequence, a surrogate, beyond U+10FFFF, or len is 0.
 */
static inline size_t
utf8_character(const char *data, size_t len)
{
	const uint8_t *p = (const uint8_t *)data;
	size_t n;

	if (len == 0)
		return 0;
	n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (n == 0 || n > len || p[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

#endif
