/*
 * record.c - see record.h. As record_in reads them: a field ends at a comma or parenthesis that is
 * outside of quotes; in quotes a quote is doubled; a backslash says that the next byte is itself.
 * Each field has one byte behind it that is not its own, where its terminator fits.
 */
#include "pg/record.h"

#include <stddef.h>

void
record_begin(struct record *record, struct span text, char *scratch)
{
	*record = (struct record){.at = text.ptr, .end = text.ptr + text.len, .out = scratch};
}

/* Up to what ends the field, which stays. False: nothing does. */
static bool
copy_field(struct record *r)
{
	bool is_quoted = false;

	for (; r->at < r->end; r->at++) {
		const char c = *r->at;

		if (!is_quoted && (c == ',' || c == ')'))
			return true;
		if (c == '\\') {
			if (++r->at == r->end)
				return false;
			*r->out++ = *r->at;
		} else if (c != '"') {
			*r->out++ = c;
		} else if (is_quoted && r->at + 1 < r->end && r->at[1] == '"') {
			r->at++;
			*r->out++ = c;
		} else {
			is_quoted = !is_quoted;
		}
	}
	return false;
}

static enum record_step
read_field(struct record *r, struct span *field)
{
	const char *begin = r->at;
	char *out = r->out;

	if (!copy_field(r))
		return RECORD_BAD;
	/* nothing at all is null; the empty string is "" */
	*field = r->at == begin ? span_from(NULL, 0) : span_from(out, (size_t)(r->out - out));
	*r->out++ = '\0';
	r->is_through = *r->at++ == ')';
	r->is_inside = !r->is_through;
	return RECORD_FIELD;
}

enum record_step
record_next(struct record *record, struct span *field)
{
	if (record->is_through) {
		record->is_through = false;
		return RECORD_ROW;
	}
	if (record->is_inside)
		return read_field(record, field);
	if (record->at == record->end)
		return RECORD_END;
	return *record->at++ == '(' ? read_field(record, field) : RECORD_BAD;
}
