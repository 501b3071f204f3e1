/*
 * chars.h - what each byte may be in a message: one table for all grammars of the front door, so
 * that a test is one load.
 */
#ifndef PLAZA_HTTP_CHARS_H
#define PLAZA_HTTP_CHARS_H

#include <stdbool.h>
#include <stdint.h>

enum char_class {
	CHAR_TOKEN = 1, /* tchar, RFC 9110 5.6.2 */
	CHAR_PATH = 2,  /* pchar but '%', and '/': RFC 3986 3.3 */
	CHAR_QUERY = 4, /* the same and '?': RFC 3986 3.4 */
	CHAR_HOST = 8,  /* reg-name but '%': RFC 3986 3.2.2 */
	CHAR_HEX = 16,  /* HEXDIG, in either case */
	CHAR_DIGIT = 32,
	CHAR_ALPHA = 64
};

extern const uint8_t char_classes[256];

static inline bool
char_is(char c, unsigned classes)
{
	return (char_classes[(unsigned char)c] & classes) != 0;
}

/* The first byte from `p` on that is in none of the classes, or `end`. */
static inline const char *
char_skip(const char *p, const char *end, unsigned classes)
{
	/* one look at `end` for four bytes */
	for (; end - p >= 4; p += 4) {
		if (!char_is(p[0], classes))
			return p;
		if (!char_is(p[1], classes))
			return p + 1;
		if (!char_is(p[2], classes))
			return p + 2;
		if (!char_is(p[3], classes))
			return p + 3;
	}
	while (p < end && char_is(*p, classes))
		p++;
	return p;
}

/*
 * VCHAR, obs-text, SP and HTAB: what a field value consists of (RFC 9110 5.5). All else is a
 * control character.
 */
static inline bool
char_is_text(char c)
{
	return (unsigned char)c >= ' ' ? c != 0x7f : c == '\t';
}

/* Whether a whole percent-encoded octet (RFC 3986 2.1) stands at `p`. */
static inline bool
char_is_escape(const char *p, const char *end)
{
	return end - p >= 3 && p[0] == '%' && char_is(p[1], CHAR_HEX) && char_is(p[2], CHAR_HEX);
}

/* The value of a CHAR_HEX. */
static inline unsigned
char_hex(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

#endif
