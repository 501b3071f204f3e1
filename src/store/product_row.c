/*
 * product_row.c - we write JSON ourselves: numbers keep PostgreSQL's own digits (jansson would make
 * 12.5 of 12.50), and a page of rows costs no more than its bytes.
 */
#include "store/product_row.h"

#include <stdint.h>
#include <string.h>

#include "base/put.h"
#include "http/json_string.h"
#include "http/reply.h"

/* Longer ones are written as any other column is. */
#define NAME_PLAIN_MAX 1000
/* "-9223372036854775808" */
#define INTEGER_MAX 20
/* 99999999.99 is the most that is ours; others' tables may have longer ones. */
#define PRICE_PLAIN_MAX 40
/* Of a plain row, but for its name. */
#define PLAIN_ROOM (64 + 2 * INTEGER_MAX + PRICE_PLAIN_MAX)

/* pg_type.h of the server, where each is fixed for good; domains come as what they are made of */
enum type_oid {
	TYPE_BOOL = 16,
	TYPE_INT8 = 20,
	TYPE_INT2 = 21,
	TYPE_INT4 = 23,
	TYPE_OID = 26,
	TYPE_JSON = 114,
	TYPE_FLOAT4 = 700,
	TYPE_FLOAT8 = 701,
	TYPE_NUMERIC = 1700,
	TYPE_JSONB = 3802
};

static bool
is_integer(Oid type)
{
	return type == TYPE_INT8 || type == TYPE_INT4 || type == TYPE_INT2;
}

static bool
is_number(Oid type)
{
	return is_integer(type) || type == TYPE_NUMERIC || type == TYPE_FLOAT4 ||
	       type == TYPE_FLOAT8;
}

/* bool and json have forms of their own; all else but numbers is a string. */
static bool
is_other_than_text(Oid type)
{
	return is_number(type) || type == TYPE_OID || type == TYPE_BOOL || type == TYPE_JSON ||
	       type == TYPE_JSONB;
}

void
product_columns_find(struct product_columns *columns, const PGresult *result, int first)
{
	*columns = (struct product_columns){
	    .result = result,
	    .first = first,
	    .n = PQnfields(result),
	    .id = -1,
	    .name = -1,
	    .price = -1,
	    .version = -1,
	};
	for (int i = first; i < columns->n; i++) {
		const char *name = PQfname(result, i);

		switch (name[0]) {
		case 'i':
			if (strcmp(name, "id") == 0)
				columns->id = i;
			break;
		case 'n':
			if (strcmp(name, "name") == 0)
				columns->name = i;
			break;
		case 'p':
			if (strcmp(name, "price") == 0)
				columns->price = i;
			break;
		case 'v':
			if (strcmp(name, "version") == 0)
				columns->version = i;
			break;
		default: break;
		}
	}
	/* a column of that name which was there before ours may be of any type */
	columns->is_versioned =
	    columns->version >= 0 && is_integer(PQftype(result, columns->version));
	columns->is_plain = columns->n - first == 4 && columns->is_versioned && columns->id >= 0 &&
			    columns->name >= 0 && columns->price >= 0 &&
			    is_integer(PQftype(result, columns->id)) &&
			    !is_other_than_text(PQftype(result, columns->name)) &&
			    is_number(PQftype(result, columns->price));
}

static bool
is_further(const struct product_columns *c, int column)
{
	return column != c->id && column != c->name && column != c->price && column != c->version;
}

static struct span
cell(const struct product_columns *c, int row, int column)
{
	if (column < 0)
		return span_from("", 0);
	return span_from(PQgetvalue(c->result, row, column),
			 (size_t)PQgetlength(c->result, row, column));
}

struct span
product_row_id(const struct product_columns *columns, int row)
{
	return cell(columns, row, columns->id);
}

struct span
product_row_name(const struct product_columns *columns, int row)
{
	return cell(columns, row, columns->name);
}

struct span
product_row_price(const struct product_columns *columns, int row)
{
	return cell(columns, row, columns->price);
}

struct span
product_row_version(const struct product_columns *columns, int row)
{
	return cell(columns, row, columns->version);
}

const char *
product_row_tag(const struct product_columns *columns, int row, char tag[PRODUCT_TAG_SIZE])
{
	const struct span id = product_row_id(columns, row);
	const struct span version = product_row_version(columns, row);

	if (!columns->is_versioned || version.len == 0 || id.len == 0 ||
	    id.len + version.len + 4 > PRODUCT_TAG_SIZE)
		return REPLY_ETAG_OF_BODY;
	char *p = PUT_LIT(tag, "\"");
	p = put(p, id.ptr, id.len);
	p = PUT_LIT(p, "-");
	p = put(p, version.ptr, version.len);
	memcpy(p, "\"", 2);
	return tag;
}

/* --- JSON --- */

/*
 * What the server writes of a number is one of JSON (RFC 8259 section 6), or a word: NaN, Infinity.
 */
static bool
is_json_number(struct span s)
{
	return s.len && s.ptr[s.len - 1] >= '0' && s.ptr[s.len - 1] <= '9';
}

static bool
is_nan(struct span s)
{
	return span_eq(s, SPAN_LIT("NaN"));
}

static bool
write_number(struct buffer *out, struct span s, size_t max)
{
	if (is_json_number(s))
		return buffer_append(out, s.ptr, s.len, max);
	return is_nan(s) ? buffer_append(out, "null", 4, max) : json_string_append(out, s, max);
}

/* json keeps its author's line breaks; they are never inside of strings there */
static bool
write_json(struct buffer *out, struct span s, size_t max)
{
	const size_t at = out->len;

	if (!buffer_append(out, s.ptr, s.len, max))
		return false;
	for (char *p = out->data + at; p < out->data + out->len; p++)
		if (*p == '\n' || *p == '\r')
			*p = ' ';
	return true;
}

static bool
write_value(struct buffer *out, const struct product_columns *c, int row, int column, size_t max)
{
	const struct span s = cell(c, row, column);

	if (PQgetisnull(c->result, row, column))
		return buffer_append(out, "null", 4, max);
	switch (PQftype(c->result, column)) {
	case TYPE_BOOL:
		return s.len && s.ptr[0] == 't' ? buffer_append(out, "true", 4, max)
						: buffer_append(out, "false", 5, max);
	case TYPE_INT2:
	case TYPE_INT4:
	case TYPE_INT8:
	case TYPE_OID:
	case TYPE_FLOAT4:
	case TYPE_FLOAT8:
	case TYPE_NUMERIC: return write_number(out, s, max);
	case TYPE_JSON:
	case TYPE_JSONB: return write_json(out, s, max);
	default: return json_string_append(out, s, max);
	}
}

/* One that a result lacks is left out; `key` has the comma before it. */
static bool
write_member(struct buffer *out, const struct product_columns *c, int row, int column,
	     struct span key, size_t max)
{
	return column < 0 ||
	       (buffer_append(out, key.ptr, key.len, max) && write_value(out, c, row, column, max));
}

static bool
write_further(struct buffer *out, const struct product_columns *c, int row, size_t max)
{
	for (int i = c->first; i < c->n; i++) {
		if (!is_further(c, i))
			continue;
		if (!buffer_append(out, ",", 1, max) ||
		    !json_string_append(out, span_str(PQfname(c->result, i)), max) ||
		    !buffer_append(out, ":", 1, max) || !write_value(out, c, row, i, max))
			return false;
	}
	return true;
}

/* What the server wrote, up to its NUL or to the end of the room. */
static char *
put_digits(char *p, const char *digits, const char *end)
{
	while (*digits && p < end)
		*p++ = *digits++;
	return p;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/*
 * Most rows are an integer, a name, a price that is a number, a version, and nothing that is NULL:
 * these in one go, with as few calls of libpq as there can be; its other functions look the cell up
 * once more. False: it is not one of them, or there is no room for the most that it could be.
 */
static bool
write_plain(struct buffer *out, const struct product_columns *c, int row, size_t max)
{
	if (!c->is_plain)
		return false;
	const char *id = PQgetvalue(c->result, row, c->id);
	const char *version = PQgetvalue(c->result, row, c->version);
	const char *price = PQgetvalue(c->result, row, c->price);
	const struct span name = product_row_name(c, row);
	if (!id[0] || !version[0] || name.len == 0 || name.len > NAME_PLAIN_MAX)
		return false;
	const size_t room = PLAIN_ROOM + JSON_STRING_ROOM(name.len);
	if (out->cap - out->len < room && !buffer_reserve(out, room, max))
		return false;
	char *p = out->data + out->len;
	p = PUT_LIT(p, "{\"id\":");
	p = put_digits(p, id, p + INTEGER_MAX);
	p = PUT_LIT(p, ",\"name\":");
	p = json_string_put(p, name);
	p = PUT_LIT(p, ",\"price\":");
	char *const end = put_digits(p, price, p + PRICE_PLAIN_MAX);
	/* NULL, NaN, Infinity; or more digits than that */
	if (end == p || !is_digit(end[-1]) || end == p + PRICE_PLAIN_MAX)
		return false;
	p = PUT_LIT(end, ",\"version\":");
	p = put_digits(p, version, p + INTEGER_MAX);
	p = PUT_LIT(p, "}");
	out->len = (size_t)(p - out->data);
	return true;
}

bool
product_row_json(struct buffer *out, const struct product_columns *columns, int row, size_t max)
{
	if (write_plain(out, columns, row, max))
		return true;
	return write_member(out, columns, row, columns->id, SPAN_LIT("{\"id\":"), max) &&
	       write_member(out, columns, row, columns->name, SPAN_LIT(",\"name\":"), max) &&
	       write_member(out, columns, row, columns->price, SPAN_LIT(",\"price\":"), max) &&
	       write_member(out, columns, row, columns->version, SPAN_LIT(",\"version\":"), max) &&
	       write_further(out, columns, row, max) && buffer_append(out, "}", 1, max);
}

/* --- CSV --- */

/* RFC 4180 section 2; blanks at the ends, which some readers take off, stay inside of quotes */
static bool
is_quoted(struct span s)
{
	if (s.len == 0 || s.ptr[0] == ' ' || s.ptr[s.len - 1] == ' ')
		return true;
	for (size_t i = 0; i < s.len; i++) {
		const char c = s.ptr[i];
		if (c == '"' || c == ',' || c == '\r' || c == '\n')
			return true;
	}
	return false;
}

static bool
write_field(struct buffer *out, struct span s, size_t max)
{
	if (!is_quoted(s))
		return buffer_append(out, s.ptr, s.len, max);
	size_t len = s.len + 2;
	for (size_t i = 0; i < s.len; i++)
		len += s.ptr[i] == '"';
	if (!buffer_reserve(out, len, max))
		return false;
	char *p = out->data + out->len;
	*p++ = '"';
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '"')
			*p++ = '"';
		*p++ = s.ptr[i];
	}
	*p = '"';
	out->len += len;
	return true;
}

/* row < 0: the column's name. */
static bool
write_csv_cell(struct buffer *out, const struct product_columns *c, int row, int column, size_t max)
{
	if (row < 0)
		return write_field(out, span_str(PQfname(c->result, column)), max);
	const struct span s = cell(c, row, column);
	const Oid type = PQftype(c->result, column);
	if (PQgetisnull(c->result, row, column) || (is_number(type) && is_nan(s)))
		return true;
	if (type == TYPE_BOOL)
		return write_field(out, s.ptr[0] == 't' ? SPAN_LIT("true") : SPAN_LIT("false"),
				   max);
	return write_field(out, s, max);
}

static bool
write_record(struct buffer *out, const struct product_columns *c, int row, size_t max)
{
	const int own[] = {c->id, c->name, c->price, c->version};
	bool is_first = true, ok = true;

	for (size_t i = 0; ok && i < sizeof(own) / sizeof(own[0]); i++) {
		if (own[i] < 0)
			continue;
		ok = (is_first || buffer_append(out, ",", 1, max)) &&
		     write_csv_cell(out, c, row, own[i], max);
		is_first = false;
	}
	for (int i = c->first; ok && i < c->n; i++) {
		if (is_further(c, i))
			ok = buffer_append(out, ",", 1, max) && write_csv_cell(out, c, row, i, max);
	}
	return ok && buffer_append(out, "\r\n", 2, max);
}

bool
product_row_csv(struct buffer *out, const struct product_columns *columns, int row, size_t max)
{
	return write_record(out, columns, row, max);
}

bool
product_row_csv_head(struct buffer *out, const struct product_columns *columns, size_t max)
{
	return write_record(out, columns, -1, max);
}
