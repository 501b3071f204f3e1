/*
 * csv.c - RFC 4180 section 2, one record at a time.
 */
#include "store/csv.h"

#include <stdbool.h>
#include <string.h>

static const char quote_error[] =
    "a quote stands inside of a field that does not begin with one; put the whole field into "
    "quotes and double those in it";
static const char after_error[] =
    "something follows the closing quote of a field; a comma or the end of the line is accepted, "
    "and a quote inside of quotes is doubled";
static const char open_error[] = "a quoted field is not closed";
static const char return_error[] =
    "a carriage return stands alone; lines end in CR LF or in LF, and a field with a line break "
    "is put into quotes";
static const char count_error[] = "more than 16 fields";

void
csv_init(struct csv *csv, struct span text, char *scratch)
{
	if (text.len >= 3 && memcmp(text.ptr, "\xef\xbb\xbf", 3) == 0)
		text = span_from(text.ptr + 3, text.len - 3);
	*csv = (struct csv){.rest = text, .scratch = scratch, .next_line = 1};
}

static enum csv_status
fail(struct csv *csv, const char *error)
{
	csv->line = csv->next_line;
	csv->error = error;
	return CSV_BAD;
}

static void
skip(struct csv *csv, size_t n)
{
	csv->rest = span_from(csv->rest.ptr + n, csv->rest.len - n);
}

/* At the opening quote. False: csv->error. */
static bool
read_quoted(struct csv *csv, struct span *field)
{
	const size_t begin_line = csv->next_line;
	struct span in = span_from(csv->rest.ptr + 1, csv->rest.len - 1);
	bool is_doubled = false;
	size_t at = 0;

	for (;;) {
		const char *quote = at < in.len ? memchr(in.ptr + at, '"', in.len - at) : NULL;

		if (!quote) {
			/* where it began is where to look */
			csv->next_line = begin_line;
			csv->error = open_error;
			return false;
		}
		for (const char *p = in.ptr + at; p < quote; p++)
			csv->next_line += *p == '\n';
		at = (size_t)(quote - in.ptr);
		if (at + 1 == in.len || in.ptr[at + 1] != '"')
			break;
		is_doubled = true;
		at += 2;
	}
	*field = span_from(in.ptr, at);
	skip(csv, at + 2);
	if (!is_doubled)
		return true;
	char *to = csv->scratch;
	for (size_t i = 0; i < field->len; i++) {
		*to++ = field->ptr[i];
		i += field->ptr[i] == '"';
	}
	*field = span_from(csv->scratch, (size_t)(to - csv->scratch));
	csv->scratch = to;
	return true;
}

static bool
read_plain(struct csv *csv, struct span *field)
{
	const struct span rest = csv->rest;
	size_t len = 0;

	while (len < rest.len && rest.ptr[len] != ',' && rest.ptr[len] != '\n' &&
	       rest.ptr[len] != '\r' && rest.ptr[len] != '"')
		len++;
	if (len < rest.len && rest.ptr[len] == '"') {
		csv->error = quote_error;
		return false;
	}
	*field = span_from(rest.ptr, len);
	skip(csv, len);
	return true;
}

enum csv_status
csv_next(struct csv *csv)
{
	const size_t begin_line = csv->next_line;
	const struct span *rest = &csv->rest;

	if (!rest->len)
		return CSV_END;
	csv->n = 0;
	for (;;) {
		struct span *field = &csv->field[csv->n];
		const bool is_quoted = rest->len && rest->ptr[0] == '"';

		if (csv->n == CSV_FIELDS_MAX)
			return fail(csv, count_error);
		csv->n++;
		if (!(is_quoted ? read_quoted(csv, field) : read_plain(csv, field)))
			return fail(csv, csv->error);
		if (!rest->len)
			break;
		if (rest->ptr[0] == ',') {
			skip(csv, 1);
			continue;
		}
		if (rest->ptr[0] == '\r' && (rest->len < 2 || rest->ptr[1] != '\n'))
			return fail(csv, return_error);
		if (rest->ptr[0] != '\r' && rest->ptr[0] != '\n')
			return fail(csv, after_error);
		skip(csv, rest->ptr[0] == '\r' ? 2 : 1);
		csv->next_line++;
		break;
	}
	csv->line = begin_line;
	return CSV_RECORD;
}
