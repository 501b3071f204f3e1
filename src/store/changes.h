/*
 * changes.h - a page of the log of changes, as far as the feed of this host has come.
 */
#ifndef PLAZA_STORE_CHANGES_H
#define PLAZA_STORE_CHANGES_H

#include "store/feed_shared.h"
#include "store/products.h"

/* Columns of the answer, which has one row at least; without a change all of a CHANGES_SEQ.. are
 * NULL. */
enum changes_column {
	CHANGES_PRUNED, /* the highest seq that is not kept any more */
	CHANGES_LOG,    /* whether it is the log of `place` */
	CHANGES_SEQ,
	CHANGES_OP, /* I U D T */
	CHANGES_ID,
	CHANGES_VERSION
};

/* The first `limit` changes after `since`, by seq; none beyond place->settled. */
void changes_read(const struct products *products, const struct feed_place *place, int64_t since,
		  uint32_t limit, products_fn *done, void *ctx);

#endif
