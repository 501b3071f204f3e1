/*
 * json_string.c - strings as JSON, counted first and then written in one go.
 */
#include "http/json_string.h"

#include <stdint.h>
#include <string.h>

#include "base/put.h"

/* RFC 8259 section 7: 0 for what stands for itself, else what follows the backslash */
static const char escapes[256] = {
    'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'b',         't',           'n', 'u',
    'f', 'r', 'u', 'u', 'u', 'u', 'u', 'u', 'u',         'u',           'u', 'u',
    'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', ['"'] = '"', ['\\'] = '\\',
};

static char *
put_escaped(char *p, char c)
{
	static const char digits[] = "0123456789abcdef";
	const char escape = escapes[(unsigned char)c];

	if (!escape) {
		*p++ = c;
		return p;
	}
	*p++ = '\\';
	*p++ = escape;
	if (escape == 'u') {
		p = PUT_LIT(p, "00");
		*p++ = digits[(unsigned char)c >> 4];
		*p++ = digits[c & 15];
	}
	return p;
}

/* Whether one of eight bytes is below a blank, a quote or a backslash; others may count, too. */
static bool
may_escape(uint64_t eight)
{
	const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
	const uint64_t quote = eight ^ ones * '"', backslash = eight ^ ones * '\\';

	return ((eight - ones * ' ') | (quote - ones) | (backslash - ones)) & ~eight & tops;
}

char *
json_string_put(char *p, struct span s)
{
	const char *from = s.ptr, *const end = s.ptr + s.len;
	uint64_t eight = 0;

	*p++ = '"';
	for (; (size_t)(end - from) >= sizeof(eight); from += sizeof(eight)) {
		memcpy(&eight, from, sizeof(eight));
		if (may_escape(eight))
			break;
		memcpy(p, from, sizeof(eight));
		p += sizeof(eight);
	}
	/* the last ones together with some of those before them, once more */
	if (from < end && s.len >= sizeof(eight) && !may_escape(eight)) {
		memcpy(&eight, end - sizeof(eight), sizeof(eight));
		if (!may_escape(eight)) {
			p += end - from;
			memcpy(p - sizeof(eight), &eight, sizeof(eight));
			from = end;
		}
	}
	for (; from < end; from++)
		p = put_escaped(p, *from);
	*p++ = '"';
	return p;
}

/* Whoever writes names decides what is in them: all escapes, too, are done at once. */
bool
json_string_append(struct buffer *out, struct span s, size_t max)
{
	size_t len = s.len + 2;

	for (size_t i = 0; i < s.len; i++) {
		const char escape = escapes[(unsigned char)s.ptr[i]];
		if (escape)
			len += escape == 'u' ? 5 : 1;
	}
	if (!buffer_reserve(out, len, max))
		return false;
	char *p = out->data + out->len;
	*p++ = '"';
	if (len == s.len + 2) {
		p = put(p, s.ptr, s.len);
	} else {
		for (size_t i = 0; i < s.len; i++)
			p = put_escaped(p, s.ptr[i]);
	}
	*p = '"';
	out->len += len;
	return true;
}
