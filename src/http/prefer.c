/*
 * prefer.c - Prefer: a list of tokens, each maybe with =value and ;parameters.
 */
#include "http/prefer.h"

static struct span
trim(struct span s)
{
	while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
		s = span_from(s.ptr + 1, s.len - 1);
	while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/* Up to the first `end` outside of quotes; *s becomes what is behind it. */
static struct span
cut(struct span *s, char end)
{
	bool is_quoted = false;
	size_t at = 0;

	for (; at < s->len; at++) {
		const char c = s->ptr[at];

		if (is_quoted && c == '\\' && at + 1 < s->len)
			at++;
		else if (c == '"')
			is_quoted = !is_quoted;
		else if (c == end && !is_quoted)
			break;
	}
	const struct span head = span_from(s->ptr, at);
	at += at < s->len;
	*s = span_from(s->ptr + at, s->len - at);
	return head;
}

/* The preference of this name, as in `wait=10`, without its parameters; ptr NULL: there is none. */
static struct span
find(const struct request *request, struct span name)
{
	for (size_t i = 0; i < request->n_fields; i++) {
		const struct request_field *field = &request->field[i];
		struct span list = field->value;

		if (field->id != FIELD_OTHER || !span_eq_nocase(field->name, SPAN_LIT("prefer")))
			continue;
		while (list.len) {
			struct span rest = cut(&list, ',');
			const struct span preference = trim(cut(&rest, ';'));
			struct span value = preference;

			if (span_eq_nocase(trim(cut(&value, '=')), name))
				return preference;
		}
	}
	return span_from(NULL, 0);
}

bool
prefer_has(const struct request *request, struct span name)
{
	struct span value;

	/* an empty value is none (RFC 7240 section 2) */
	return find(request, name).ptr && !prefer_value(request, name, &value);
}

bool
prefer_value(const struct request *request, struct span name, struct span *value)
{
	*value = find(request, name);
	if (!value->ptr || value->len == name.len)
		return false;
	cut(value, '=');
	*value = trim(*value);
	if (value->len >= 2 && value->ptr[0] == '"' && value->ptr[value->len - 1] == '"')
		*value = span_from(value->ptr + 1, value->len - 2);
	return value->len > 0;
}
