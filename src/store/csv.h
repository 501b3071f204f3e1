/*
 * csv.h - records of CSV (RFC 4180), read strictly: what two readers could take differently is an
 * error that names its line. Pure, no allocation.
 *
 * Accepted beyond the RFC: lines that end in LF alone, and a byte order mark at the beginning.
 */
#ifndef PLAZA_STORE_CSV_H
#define PLAZA_STORE_CSV_H

#include <stddef.h>

#include "base/span.h"

/* Fields of a record; a record with more is an error. */
#define CSV_FIELDS_MAX 16

enum csv_status {
	CSV_RECORD, /* one more */
	CSV_END,    /* no more */
	CSV_BAD     /* csv->error, a literal, at csv->line; there is no going on */
};

struct csv {
	struct span rest;
	char *scratch;     /* where fields go whose quotes are doubled inside */
	size_t next_line;  /* the line that `rest` begins with, from 1 */
	size_t line;       /* the one that the latest record begins with, or the error is in */
	const char *error; /* what is wrong, and what is accepted */
	size_t n;          /* fields of the latest record, at least 1 */
	struct span field[CSV_FIELDS_MAX];
};

/*
 * `scratch` has room for text.len bytes. Both must live as long as the fields are used; those of
 * earlier records stay as they are.
 */
void csv_init(struct csv *csv, struct span text, char *scratch);

enum csv_status csv_next(struct csv *csv);

#endif
