/*
 * product_kept.c - see product_kept.h.
 */
#include "store/product_kept.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "pg/record.h"

/* a table has 1600 at the most, and there is one of ours */
#define COLUMNS_MAX 1664

/* The columns of the form; their names are in the scratch. Their number, or 0: not a form. */
static int
read_form(struct span form, char *scratch, PGresAttDesc column[COLUMNS_MAX])
{
	enum record_step step;
	struct record record;
	struct span field;
	int n = 0, at = 0;

	record_begin(&record, form, scratch);
	while ((step = record_next(&record, &field)) == RECORD_FIELD || step == RECORD_ROW) {
		if (step == RECORD_ROW) {
			if (at != 2)
				return 0;
			n++;
			at = 0;
			continue;
		}
		if (n == COLUMNS_MAX || at == 2 || !field.ptr)
			return 0;
		/* the scratch is ours to write */
		if (at++ == 0)
			column[n] = (PGresAttDesc){.name = (char *)(uintptr_t)field.ptr};
		else
			column[n].typid = (Oid)strtoul(field.ptr, NULL, 10);
	}
	return step == RECORD_END ? n : 0;
}

static enum product_kept
read_rows(struct span rows, char *scratch, PGresult *result)
{
	const int n = PQnfields(result);
	enum record_step step;
	struct record record;
	struct span field;
	int row = 0, at = 0;

	record_begin(&record, rows, scratch);
	while ((step = record_next(&record, &field)) == RECORD_FIELD || step == RECORD_ROW) {
		if (step == RECORD_ROW) {
			if (at != n)
				return PRODUCT_KEPT_BAD;
			row++;
			at = 0;
			continue;
		}
		if (at == n)
			return PRODUCT_KEPT_BAD;
		if (!PQsetvalue(result, row, at++, (char *)(uintptr_t)field.ptr,
				field.ptr ? (int)field.len : -1))
			return PRODUCT_KEPT_NO_MEMORY;
	}
	return step == RECORD_END ? PRODUCT_KEPT_OK : PRODUCT_KEPT_BAD;
}

enum product_kept
product_kept_read(struct span form, struct span rows, PGresult **result)
{
	PGresAttDesc *column = calloc(COLUMNS_MAX, sizeof(*column));
	char *scratch = malloc(form.len + rows.len + 1);
	PGresult *made = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	enum product_kept kept = PRODUCT_KEPT_NO_MEMORY;
	int n = 0;

	if (column && scratch && made) {
		n = read_form(form, scratch, column);
		if (n == 0)
			kept = PRODUCT_KEPT_BAD;
		else if (PQsetResultAttrs(made, n, column))
			kept = read_rows(rows, scratch + form.len, made);
	}
	if (kept != PRODUCT_KEPT_OK) {
		PQclear(made);
		made = NULL;
	}
	free(column);
	free(scratch);
	*result = made;
	return kept;
}
