/*
 * product_row.h - rows of "select p.*" as PostgreSQL wrote them, and what clients get of them:
 * JSON, CSV, an entity-tag. Pure.
 *
 * Columns are found by their names in each result: a table that was there before us may have its
 * own in any order, and may get more while we run.
 */
#ifndef PLAZA_STORE_PRODUCT_ROW_H
#define PLAZA_STORE_PRODUCT_ROW_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/span.h"
#include "pg/lane.h"

/* Where the columns of a result are; -1: it has no such column. */
struct product_columns {
	const PGresult *result;
	int first, n; /* further columns are any others of [first, n) */
	int id, name, price, version;
	bool is_versioned; /* version is an integer, as ours is */
	bool is_plain;     /* just these, and each of a type as ours has it */
};

/* Of a whole result; columns before `first` are none of the table's. */
void product_columns_find(struct product_columns *columns, const PGresult *result, int first);

/* The digits of its id, its name and its price, as they are. */
struct span product_row_id(const struct product_columns *columns, int row);
struct span product_row_name(const struct product_columns *columns, int row);
struct span product_row_price(const struct product_columns *columns, int row);
struct span product_row_version(const struct product_columns *columns, int row);

/* Two numbers of 64 bits, a dash, quotes and a terminator. */
#define PRODUCT_TAG_SIZE 48

/* "7-3", with its quotes, in `tag`; or REPLY_ETAG_OF_BODY (reply.h) for a table without versions.
 */
const char *product_row_tag(const struct product_columns *columns, int row,
			    char tag[PRODUCT_TAG_SIZE]);

/*
 * Appends {"id":7,"name":"Pen","price":12.50,"version":3,"colour":"red"}: our columns first, then
 * the others in the table's order. Truth values, numbers and json are what they are, all else is a
 * string in PostgreSQL's own form; NULL, and a number that is NaN, is null. There is no line break
 * in it. False as buffer_reserve.
 */
bool product_row_json(struct buffer *out, const struct product_columns *columns, int row,
		      size_t max) __attribute__((warn_unused_result));

/*
 * The same as a record of CSV (RFC 4180), and the record of its names. null is empty, the empty
 * string is "". False as buffer_reserve.
 */
bool product_row_csv(struct buffer *out, const struct product_columns *columns, int row, size_t max)
    __attribute__((warn_unused_result));
bool product_row_csv_head(struct buffer *out, const struct product_columns *columns, size_t max)
    __attribute__((warn_unused_result));

#endif
