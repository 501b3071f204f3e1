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
	uint8_t low = 0x80, high = 0xbf; /* of the second byte */
	size_t n;

	if (len == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	if (p[0] < 0xe0) {
		n = 2;
	} else if (p[0] < 0xf0) {
		n = 3;
		if (p[0] == 0xe0)
			low = 0xa0;
		else if (p[0] == 0xed)
			high = 0x9f;
	} else {
		n = 4;
		if (p[0] == 0xf0)
			low = 0x90;
		else if (p[0] == 0xf4)
			high = 0x8f;
	}
	if (n > len || p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	return n;
}

#endif
