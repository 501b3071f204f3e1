/*
 * queue_rows.c - rows to the database as arrays, and from it as text.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue/queue_private.h"

/* a thousand jobs with the longest args, and what is around them */
#define COLUMN_BYTES_MAX (64u << 20)
/* what is kept for the next ones */
#define COLUMN_BYTES_KEPT (256u << 10)

/* libpq copies them: the memory is there for the next ones */
static struct buffer bytes_of[COLUMNS_MAX];

static enum array_type
array_of(enum column_type type)
{
	switch (type) {
	case COLUMN_UUID: return ARRAY_UUID;
	case COLUMN_INT4: return ARRAY_INT4;
	case COLUMN_INT8: return ARRAY_INT8;
	case COLUMN_TEXT:
	case COLUMN_LETTERS: break;
	}
	return ARRAY_TEXT;
}

void
columns_begin(struct columns *columns, const enum column_type *types, unsigned n)
{
	*columns = (struct columns){.n = n, .ok = true};
	for (unsigned i = 0; i < n; i++) {
		struct column *c = &columns->column[i];

		c->type = types[i];
		c->bytes = &bytes_of[i];
		c->bytes->len = 0;
		if (c->type != COLUMN_LETTERS && columns->ok)
			columns->ok =
			    array_begin(&c->array, c->bytes, array_of(c->type), COLUMN_BYTES_MAX);
	}
}

void
columns_uuid(struct columns *columns, unsigned i, const struct uuid *uuid)
{
	columns_text(columns, i, span_from((const char *)uuid->byte, sizeof(uuid->byte)));
}

void
columns_number(struct columns *columns, unsigned i, int64_t number)
{
	struct column *c = &columns->column[i];

	if (columns->ok)
		columns->ok = c->type == COLUMN_INT4 ? array_add_int4(&c->array, (int32_t)number)
						     : array_add_int8(&c->array, number);
}

void
columns_null(struct columns *columns, unsigned i)
{
	if (columns->ok)
		columns->ok = array_add_null(&columns->column[i].array);
}

void
columns_text(struct columns *columns, unsigned i, struct span text)
{
	if (!text.ptr)
		columns_null(columns, i);
	else if (columns->ok)
		columns->ok = array_add_text(&columns->column[i].array, text);
}

void
columns_letter(struct columns *columns, unsigned i, char letter)
{
	if (columns->ok)
		columns->ok = buffer_append(columns->column[i].bytes, &letter, 1, COLUMN_BYTES_MAX);
}

bool
columns_send_after(struct columns *columns, struct lane *lane, const struct queue *queue,
		   enum queue_statement statement, const char *first)
{
	const char *values[COLUMNS_MAX + 1];
	int lengths[COLUMNS_MAX + 1] = {0}, formats[COLUMNS_MAX + 1] = {0}, n = 0;

	if (first)
		values[n++] = first;
	for (unsigned i = 0; i < columns->n && columns->ok; i++, n++) {
		struct column *c = &columns->column[i];

		if (c->type == COLUMN_LETTERS) {
			columns_letter(columns, i, '\0');
			values[n] = c->bytes->data;
			continue;
		}
		const struct span bytes = array_end(&c->array);
		values[n] = bytes.ptr;
		lengths[n] = (int)bytes.len;
		formats[n] = 1;
	}
	const bool ok =
	    columns->ok && lane_query_send(lane, &(struct lane_query){
						     .name = queue->sql->statement[statement].name,
						     .n_params = n,
						     .values = values,
						     .lengths = lengths,
						     .formats = formats,
						 });
	for (unsigned i = 0; i < columns->n; i++) {
		if (bytes_of[i].cap > COLUMN_BYTES_KEPT)
			buffer_fini(&bytes_of[i]);
	}
	return ok;
}

bool
columns_send(struct columns *columns, struct lane *lane, const struct queue *queue,
	     enum queue_statement statement)
{
	return columns_send_after(columns, lane, queue, statement, NULL);
}

struct span
cell_text(const PGresult *result, int row, int column)
{
	if (PQgetisnull(result, row, column))
		return span_from(NULL, 0);
	return span_from(PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column));
}

int64_t
cell_number(const PGresult *result, int row, int column)
{
	return strtoll(PQgetvalue(result, row, column), NULL, 10);
}

char
cell_letter(const PGresult *result, int row, int column)
{
	return PQgetvalue(result, row, column)[0];
}

bool
cell_is_true(const PGresult *result, int row, int column)
{
	return cell_letter(result, row, column) == 't';
}

bool
cell_uuid(const PGresult *result, int row, int column, struct uuid *uuid)
{
	return uuid_parse(cell_text(result, row, column), uuid);
}

int64_t
queue_order(const struct uuid *id)
{
	uint64_t order = 0;

	for (int i = 0; i < 8; i++)
		order = order << 8 | id->byte[i];
	return (int64_t)(order >> 1);
}
