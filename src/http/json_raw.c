/*
 * json_raw.c - steps over whole values by their brackets and quotes.
 */
#include "http/json_raw.h"

#include "http/chars.h"

static struct span
from(struct span s, size_t at)
{
	return at < s.len ? span_from(s.ptr + at, s.len - at) : span_from(s.ptr + s.len, 0);
}

static struct span
skip_space(struct span s)
{
	size_t at = 0;

	while (at < s.len &&
	       (s.ptr[at] == ' ' || s.ptr[at] == '\t' || s.ptr[at] == '\r' || s.ptr[at] == '\n'))
		at++;
	return from(s, at);
}

/* Bytes of the string that begins here, quotes and all. */
static size_t
string_len(struct span s)
{
	size_t at = 1;

	while (at < s.len && s.ptr[at] != '"')
		at += s.ptr[at] == '\\' ? 2 : 1;
	return at < s.len ? at + 1 : s.len;
}

/* Bytes of the value that begins here. */
static size_t
value_len(struct span s)
{
	size_t depth = 0, at = 0;

	while (at < s.len) {
		switch (s.ptr[at]) {
		case '"': at += string_len(from(s, at)); break;
		case '[':
		case '{':
			depth++;
			at++;
			break;
		case ']':
		case '}':
			if (depth == 0)
				return at;
			depth--;
			at++;
			break;
		case ',':
		case ' ':
		case '\t':
		case '\r':
		case '\n':
			if (depth == 0)
				return at;
			at++;
			continue;
		default: at++; continue;
		}
		/* a string or a bracket that has ended, and nothing is open any more */
		if (depth == 0)
			return at;
	}
	return at;
}

/* The ASCII character that an escape of four digits stands for; -1: another one. */
static int
escaped_ascii(struct span digits)
{
	unsigned value = 0;

	if (digits.len < 4)
		return -1;
	for (size_t i = 0; i < 4; i++) {
		if (!char_is(digits.ptr[i], CHAR_HEX))
			return -1;
		value = value << 4 | char_hex(digits.ptr[i]);
	}
	return value < 0x80 ? (int)value : -1;
}

/* Whether a string, with its quotes, says `key`: a client may write any character as an escape. */
static bool
says(struct span string, struct span key)
{
	size_t at = 1, n = 0;

	while (at + 1 < string.len && n < key.len) {
		int c = (unsigned char)string.ptr[at++];

		if (c == '\\') {
			c = (unsigned char)string.ptr[at++];
			if (c == 'u') {
				c = escaped_ascii(from(string, at));
				at += 4;
			} else if (c != '"' && c != '\\' && c != '/') {
				return false; /* a control character */
			}
		}
		if (c != (unsigned char)key.ptr[n++])
			return false;
	}
	return n == key.len && at + 1 == string.len;
}

struct span
json_raw_member(struct span object, struct span key)
{
	struct span s = skip_space(object);

	if (!s.len || s.ptr[0] != '{')
		return span_from(NULL, 0);
	s = skip_space(from(s, 1));
	while (s.len && s.ptr[0] == '"') {
		const struct span name = span_from(s.ptr, string_len(s));

		s = skip_space(from(s, name.len));
		s = skip_space(from(s, 1)); /* the colon */
		const struct span value = span_from(s.ptr, value_len(s));
		if (says(name, key))
			return value;
		s = skip_space(from(s, value.len));
		s = skip_space(from(s, 1)); /* the comma, or the end */
	}
	return span_from(NULL, 0);
}

bool
json_raw_item(struct span *rest, struct span *item)
{
	struct span s = skip_space(*rest);

	/* the bracket at the beginning, and later the comma before each item */
	if (!s.len || (s.ptr[0] != '[' && s.ptr[0] != ','))
		return false;
	s = skip_space(from(s, 1));
	*item = span_from(s.ptr, value_len(s));
	*rest = from(s, item->len);
	return item->len > 0;
}
