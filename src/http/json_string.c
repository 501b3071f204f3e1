/*
 * json_string.c - strings as JSON, counted first and then written in one go.
 */
#include "http/json_string.h"

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

char *
json_string_put(char *p, struct span s)
{
	*p++ = '"';
	for (size_t i = 0; i < s.len; i++) {
		if (escapes[(unsigned char)s.ptr[i]])
			p = put_escaped(p, s.ptr[i]);
		else
			*p++ = s.ptr[i];
	}
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
