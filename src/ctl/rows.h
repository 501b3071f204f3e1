/*
 * rows.h - the products in a file, one after the other, as they are sent: CSV (RFC 4180) or NDJSON.
 * Of each row name and price are kept; id and version, which an export has, are dropped.
 */
#ifndef PLAZA_CTL_ROWS_H
#define PLAZA_CTL_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/span.h"

/* The longest row of a file. */
#define ROW_MAX_BYTES (1u << 20)
/* Columns of a CSV file. */
#define ROWS_MAX_COLUMNS 64

enum rows_format { ROWS_CSV, ROWS_NDJSON };

/* What is sent before the first row of a request. */
#define ROWS_CSV_HEADER "name,price\r\n"

struct rows {
	int fd;
	enum rows_format format;
	struct buffer data; /* what was read; rows before `at` are taken */
	size_t at;
	bool is_eof;
	bool has_header; /* the first line of a CSV file was read */
	unsigned n_columns;
	unsigned name, price; /* which of them */
	unsigned long line;   /* at `at`, counted from 1 */
	uint64_t bytes;       /* of all rows taken */
	struct buffer row;    /* the last one, as it is sent */
	char why[240];        /* of a failure, or of what is wrong with the row */
};

enum rows_next {
	ROWS_ROW,   /* in `row`; `at_line` is where it begins */
	ROWS_BAD,   /* it is no product, and `why` says why; the next one may be */
	ROWS_END,   /* that was all */
	ROWS_FAILED /* `why`; nothing more can be read */
};

/* `fd` stays the caller's. */
void rows_init(struct rows *rows, int fd, enum rows_format format);

/* Reads as far as it needs to; an interrupted read is a failure. */
enum rows_next rows_next(struct rows *rows, unsigned long *at_line);

void rows_fini(struct rows *rows);

#endif
