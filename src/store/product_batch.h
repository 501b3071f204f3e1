/*
 * product_batch.h - the products of one bulk: those that are right become arrays for the database,
 * those that are wrong have their results at once, and each keeps its place. Pure but for memory.
 */
#ifndef PLAZA_STORE_PRODUCT_BATCH_H
#define PLAZA_STORE_PRODUCT_BATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/span.h"
#include "pg/array.h"
#include "pg/lane.h"
#include "store/product_json.h"

#define PRODUCT_BATCH_MAX 1000

struct product_batch {
	unsigned n;      /* products, right or wrong */
	unsigned n_rows; /* those that are right */
	/* of product_batch_end: text[] in binary, each product in its place; a wrong one is NULL */
	struct span names, prices;

	struct array name_array, price_array;
	struct buffer name_bytes, price_bytes;
	struct buffer text;            /* results of the wrong ones, one behind the other */
	size_t end[PRODUCT_BATCH_MAX]; /* of each product's; a right one's is empty */
};

/* NULL: out of memory. */
struct product_batch *product_batch_new(void);
void product_batch_free(struct product_batch **batch);

/* One more, of PRODUCT_BATCH_MAX; false in all of these: out of memory. */
bool product_batch_add(struct product_batch *batch, const struct product_input *input)
    __attribute__((warn_unused_result));
bool product_batch_refuse(struct product_batch *batch, const struct mistakes *errors)
    __attribute__((warn_unused_result));
void product_batch_end(struct product_batch *batch);

/*
 * Appends {"results":[...]} in the order of the products. `result` has a row for each that was
 * right, with the columns of PRODUCT_BULK or PRODUCT_BULK_EACH (product_sql.h); NULL when none was.
 * It decides: what it has may have been right to an earlier program.
 */
bool product_batch_write(const struct product_batch *batch, const PGresult *result,
			 struct buffer *out) __attribute__((warn_unused_result));

#endif
