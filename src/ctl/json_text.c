/*
 * json_text.c - finds values by their brackets and quotes.
 */
#include "ctl/json_text.h"

#include <jansson.h>
#include <string.h>

static struct span
rest_of(struct span s, size_t n)
{
	return span_from(s.ptr + n, s.len - n);
}

static struct span
skip_blanks(struct span s)
{
	while (s.len && strchr(" \t\r\n", s.ptr[0]) && s.ptr[0])
		s = rest_of(s, 1);
	return s;
}

/* Of the string that `s` begins with, its quotes included; 0: it does not end. */
static size_t
string_len(struct span s)
{
	for (size_t i = 1; i < s.len; i++) {
		if (s.ptr[i] == '\\')
			i++;
		else if (s.ptr[i] == '"')
			return i + 1;
	}
	return 0;
}

/* Of the value that `s` begins with; 0: there is none. */
static size_t
value_len(struct span s)
{
	size_t depth = 0, i = 0;

	while (i < s.len) {
		const char c = s.ptr[i];

		if (depth == 0 && i && strchr(",]} \t\r\n:", c))
			return i;
		if (c == '"') {
			const size_t n = string_len(rest_of(s, i));

			if (!n)
				return 0;
			i += n;
		} else {
			if (c == '[' || c == '{')
				depth++;
			else if ((c == ']' || c == '}') && depth-- == 0)
				return 0;
			i++;
		}
		if (depth == 0 && strchr("\"]}", s.ptr[i - 1]))
			return i;
	}
	return depth ? 0 : i;
}

static bool
key_is(struct span key, const char *name)
{
	const struct span bare = span_from(key.ptr + 1, key.len - 2);

	if (!memchr(bare.ptr, '\\', bare.len))
		return span_eq(bare, span_str(name));
	json_t *json = json_loadb(key.ptr, key.len, JSON_DECODE_ANY, NULL);
	const bool is_so =
	    span_eq(span_from(json_string_value(json), json_string_length(json)), span_str(name));
	json_decref(json);
	return is_so;
}

bool
json_text_member(struct span object, const char *name, struct span *value)
{
	struct span s = skip_blanks(object);

	while (s.len && (s.ptr[0] == '{' || s.ptr[0] == ',')) {
		s = skip_blanks(rest_of(s, 1));
		if (!s.len || s.ptr[0] != '"')
			return false;
		const struct span key = span_from(s.ptr, string_len(s));
		s = skip_blanks(rest_of(s, key.len));
		if (!key.len || !s.len || s.ptr[0] != ':')
			return false;
		s = skip_blanks(rest_of(s, 1));
		*value = span_from(s.ptr, value_len(s));
		if (!value->len)
			return false;
		if (key_is(key, name))
			return true;
		s = skip_blanks(rest_of(s, value->len));
	}
	return false;
}

bool
json_text_item(struct span *array, struct span *item)
{
	struct span s = skip_blanks(*array);

	if (!s.len || (s.ptr[0] != '[' && s.ptr[0] != ','))
		return false;
	s = skip_blanks(rest_of(s, 1));
	*item = span_from(s.ptr, value_len(s));
	if (!item->len)
		return false;
	*array = rest_of(s, item->len);
	return true;
}

void
json_text_line(FILE *out, struct span json)
{
	for (size_t i = 0; i < json.len; i++) {
		const unsigned char c = (unsigned char)json.ptr[i];
		const unsigned char next = i + 1 < json.len ? (unsigned char)json.ptr[i + 1] : 0;

		/* those below 0x20 stand between tokens only, and these in strings only */
		if (c < 0x20)
			putc(' ', out);
		else if (c == 0x7f)
			fputs("\\u007f", out);
		else if (c == 0xc2 && next >= 0x80 && next < 0xa0)
			fprintf(out, "\\u00%02x", json.ptr[++i] & 0xff);
		else
			putc(c, out);
	}
}

static void
break_line(FILE *out, unsigned depth)
{
	putc('\n', out);
	for (unsigned i = 0; i < depth; i++)
		fputs("  ", out);
}

void
json_text_indent(FILE *out, struct span json)
{
	struct span s = skip_blanks(json);
	unsigned depth = 0;

	for (struct span next; s.len; s = skip_blanks(next)) {
		const char c = s.ptr[0];
		const size_t n = c == '"' ? string_len(s) : 1;

		next = rest_of(s, n ? n : s.len);
		if (c == '[' || c == '{') {
			struct span inner = skip_blanks(next);

			putc(c, out);
			if (inner.len && strchr("]}", inner.ptr[0])) {
				putc(inner.ptr[0], out);
				next = rest_of(inner, 1);
			} else {
				break_line(out, ++depth);
			}
		} else if (c == ']' || c == '}') {
			break_line(out, depth ? --depth : 0);
			putc(c, out);
		} else {
			json_text_line(out, span_from(s.ptr, s.len - next.len));
			if (c == ',')
				break_line(out, depth);
			else if (c == ':')
				putc(' ', out);
		}
	}
	putc('\n', out);
}
