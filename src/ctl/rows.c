/*
 * rows.c - rows cut out of a file. Called by: products_import.c.
 */
#include "ctl/rows.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/lines.h"

#define READ_BYTES 65536
#define DATA_MAX   (ROW_MAX_BYTES + 2u * READ_BYTES)
/* a name of quotes alone is twice as long when it is quoted */
#define ENCODED_MAX (2u * ROW_MAX_BYTES + 16u)

void
rows_init(struct rows *rows, int fd, enum rows_format format)
{
	*rows = (struct rows){.fd = fd, .format = format, .line = 1};
}

void
rows_fini(struct rows *rows)
{
	buffer_fini(&rows->data);
	buffer_fini(&rows->row);
}

/* False when it failed; at the end is_eof is set. */
static bool
read_more(struct rows *rows)
{
	struct buffer *data = &rows->data;

	buffer_consume(data, rows->at);
	rows->at = 0;
	if (!buffer_reserve(data, READ_BYTES, DATA_MAX)) {
		snprintf(rows->why, sizeof(rows->why),
			 "line %lu: this row is too long; accepted: %u bytes%s", rows->line,
			 ROW_MAX_BYTES,
			 rows->format == ROWS_CSV ? " (is a quote never closed?)" : "");
		return false;
	}
	ssize_t n = read(rows->fd, data->data + data->len, READ_BYTES);
	if (n < 0) {
		snprintf(rows->why, sizeof(rows->why), "cannot read: %s", strerror(errno));
		return false;
	}
	rows->is_eof = n == 0;
	data->len += (size_t)n;
	return true;
}

/*
 * The next record, without the end of its line. In CSV a newline within quotes is part of it.
 * False at the end (`why` is empty) and when reading failed.
 */
static bool
next_record(struct rows *rows, struct span *record, unsigned long *at_line)
{
	size_t seen = 0;
	unsigned long lines = 0;
	bool is_quoted = false;

	/* nothing that was read has no place in memory yet */
	if (!rows->data.data && !read_more(rows))
		return false;
	for (;;) {
		const struct buffer *data = &rows->data;
		const char *start = data->data + rows->at;
		const size_t have = data->len - rows->at;

		for (; seen < have; seen++) {
			if (start[seen] == '"' && rows->format == ROWS_CSV)
				is_quoted = !is_quoted;
			if (start[seen] != '\n')
				continue;
			lines++;
			if (!is_quoted)
				break;
		}
		if (seen < have || (rows->is_eof && have)) {
			*record = span_from(start, seen);
			if (seen < have)
				seen++;
			*at_line = rows->line;
			rows->line += lines;
			rows->at += seen;
			rows->bytes += seen;
			if (record->len && record->ptr[record->len - 1] == '\r')
				record->len--;
			return true;
		}
		if (rows->is_eof)
			return false;
		if (have > ROW_MAX_BYTES || !read_more(rows)) {
			if (!rows->why[0])
				snprintf(rows->why, sizeof(rows->why),
					 "line %lu: this row is too long; accepted: %u bytes%s",
					 rows->line, ROW_MAX_BYTES,
					 is_quoted ? " (is a quote never closed?)" : "");
			return false;
		}
	}
}

static bool
is_blank(struct span s)
{
	while (s.len && (*s.ptr == ' ' || *s.ptr == '\t'))
		s = span_from(s.ptr + 1, s.len - 1);
	return s.len == 0;
}

/* --- CSV --- */

/*
 * Takes a field off the front of a record, with its quotes, and the comma behind it; *is_last says
 * that there was none. NULL, or what is wrong.
 */
static const char *
next_field(struct span *record, struct span *field, bool *is_last)
{
	const char *p = record->ptr, *end = p + record->len;

	if (p < end && *p == '"') {
		for (p++; p < end && (*p != '"' || (p + 1 < end && p[1] == '"')); p++)
			if (*p == '"')
				p++;
		if (p == end)
			return "a quote is never closed";
		p++;
		if (p < end && *p != ',')
			return "there is text behind a closing quote; a quote within a field is "
			       "written twice";
	} else {
		for (; p < end && *p != ','; p++)
			if (*p == '"')
				return "a field with a quote in it has to be in quotes, and the "
				       "quote written twice";
	}
	*field = span_from(record->ptr, (size_t)(p - record->ptr));
	*is_last = p == end;
	if (!*is_last)
		p++;
	*record = span_from(p, (size_t)(end - p));
	return NULL;
}

/* Whether a field, with or without quotes, is this word. */
static bool
field_is(struct span field, const char *word)
{
	if (field.len >= 2 && field.ptr[0] == '"')
		field = span_from(field.ptr + 1, field.len - 2);
	return span_eq(field, span_str(word));
}

/* The first line says which column is which. */
static bool
read_header(struct rows *rows, struct span record)
{
	static const char accepted[] = "accepted are name and price, in any order; id and version "
				       "are dropped";
	const unsigned none = ROWS_MAX_COLUMNS;
	bool is_last = false;

	rows->name = rows->price = none;
	/* a byte order mark, as spreadsheets write it */
	if (record.len >= 3 && memcmp(record.ptr, "\xef\xbb\xbf", 3) == 0)
		record = span_from(record.ptr + 3, record.len - 3);
	for (unsigned i = 0; !is_last; i++) {
		struct span field;
		const char *wrong = i == ROWS_MAX_COLUMNS ? "there are too many columns"
							  : next_field(&record, &field, &is_last);
		bool is_name = !wrong && field_is(field, "name");
		bool is_price = !wrong && field_is(field, "price");

		if (wrong || (is_name && rows->name != none) || (is_price && rows->price != none)) {
			snprintf(rows->why, sizeof(rows->why), "the header line: %s; %s",
				 wrong ? wrong : "a column is there twice", accepted);
			return false;
		}
		if (is_name)
			rows->name = i;
		else if (is_price)
			rows->price = i;
		else if (!field_is(field, "id") && !field_is(field, "version")) {
			snprintf(rows->why, sizeof(rows->why),
				 "the header line: there is no column %.*s; %s",
				 field.len < 60 ? (int)field.len : 60, field.ptr, accepted);
			return false;
		}
		rows->n_columns = i + 1;
	}
	if (rows->name != none && rows->price != none)
		return true;
	snprintf(rows->why, sizeof(rows->why), "the header line has no column %s; %s",
		 rows->name == none ? "name" : "price", accepted);
	return false;
}

/* In quotes, whether it needs them or not. */
static bool
put_field(struct buffer *out, struct span field)
{
	if (field.len && field.ptr[0] == '"')
		return buffer_append(out, field.ptr, field.len, ENCODED_MAX);
	return buffer_append(out, "\"", 1, ENCODED_MAX) &&
	       buffer_append(out, field.ptr, field.len, ENCODED_MAX) &&
	       buffer_append(out, "\"", 1, ENCODED_MAX);
}

static enum rows_next
encode_csv(struct rows *rows, struct span record)
{
	struct span name = {NULL, 0}, price = {NULL, 0};
	unsigned n = 0;
	bool is_last = false;

	while (!is_last) {
		struct span field;
		const char *wrong = next_field(&record, &field, &is_last);

		if (wrong) {
			snprintf(rows->why, sizeof(rows->why), "%s", wrong);
			return ROWS_BAD;
		}
		if (n == rows->name)
			name = field;
		if (n == rows->price)
			price = field;
		n++;
	}
	if (n != rows->n_columns) {
		snprintf(rows->why, sizeof(rows->why), "has %u field%s; the header line has %u", n,
			 n == 1 ? "" : "s", rows->n_columns);
		return ROWS_BAD;
	}
	if (put_field(&rows->row, name) && buffer_append(&rows->row, ",", 1, ENCODED_MAX) &&
	    put_field(&rows->row, price) && buffer_append(&rows->row, "\r\n", 2, ENCODED_MAX))
		return ROWS_ROW;
	snprintf(rows->why, sizeof(rows->why), "out of memory");
	return ROWS_FAILED;
}

/* --- NDJSON --- */

static enum rows_next
encode_json(struct rows *rows, struct span record)
{
	json_error_t error;
	/* a price is compared and kept by its decimals, which 15 digits tell */
	const size_t flags = JSON_COMPACT | JSON_REAL_PRECISION(15);
	json_t *json =
	    json_loadb(record.ptr, record.len,
		       JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error);
	char *text = NULL;

	if (!json_is_object(json)) {
		snprintf(rows->why, sizeof(rows->why), "%s; accepted: an object on one line",
			 json ? "is no object" : error.text);
		json_decref(json);
		return ROWS_BAD;
	}
	json_object_del(json, "id");
	json_object_del(json, "version");
	text = json_dumps(json, flags);
	json_decref(json);
	bool ok = text && buffer_append(&rows->row, text, strlen(text), ENCODED_MAX);
	free(text);
	if (ok)
		return ROWS_ROW;
	snprintf(rows->why, sizeof(rows->why), "out of memory");
	return ROWS_FAILED;
}

/* --- both --- */

enum rows_next
rows_next(struct rows *rows, unsigned long *at_line)
{
	struct span record;

	rows->why[0] = '\0';
	rows->row.len = 0;
	for (;;) {
		if (!next_record(rows, &record, at_line)) {
			if (rows->why[0])
				return ROWS_FAILED;
			if (rows->format == ROWS_NDJSON || rows->has_header)
				return ROWS_END;
			snprintf(rows->why, sizeof(rows->why),
				 "there is no header line; accepted: name,price");
			return ROWS_FAILED;
		}
		if (is_blank(record))
			continue;
		if (rows->format == ROWS_NDJSON || rows->has_header)
			break;
		if (!read_header(rows, record))
			return ROWS_FAILED;
		rows->has_header = true;
	}
	/* one row of other bytes would make a whole request unreadable */
	if (!text_is_utf8(record)) {
		snprintf(rows->why, sizeof(rows->why), "is not UTF-8");
		return ROWS_BAD;
	}
	return rows->format == ROWS_CSV ? encode_csv(rows, record) : encode_json(rows, record);
}
