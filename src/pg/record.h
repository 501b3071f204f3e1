/*
 * record.h - rows as PostgreSQL writes them when they are text, record_out in its rowtypes.c: one
 * behind the other, such as (7,"two words",,"")(8,"a ""b""",t,). Pure.
 */
#ifndef PLAZA_PG_RECORD_H
#define PLAZA_PG_RECORD_H

#include <stdbool.h>

#include "base/span.h"

enum record_step {
	RECORD_FIELD, /* one more of the row */
	RECORD_ROW,   /* the row has had all its fields */
	RECORD_END,
	RECORD_BAD /* this is no such text */
};

struct record {
	const char *at, *end;
	char *out;
	bool is_inside;  /* of a row, before a field */
	bool is_through; /* with the fields of a row */
};

/* `scratch` has room for as many bytes as the text, which it may not be. */
void record_begin(struct record *record, struct span text, char *scratch);

/*
 * A field is in the scratch, has a terminator besides, and stays; ptr is NULL when it is null. Not
 * to be called again after RECORD_END or RECORD_BAD.
 */
enum record_step record_next(struct record *record, struct span *field);

#endif
