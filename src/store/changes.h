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
	CHANGES_LOG,    /* whether it is the log of `place`, with all that was settled there */
	CHANGES_WHOLE,  /* whether it has all that was ever told up to `since` */
	CHANGES_SHORT,  /* whether nothing in it has `since` or more */
	CHANGES_SINCE,  /* the mark of the change `since`; NULL when it is not there */
	CHANGES_SEQ,
	CHANGES_OP, /* I U D T */
	CHANGES_ID,
	CHANGES_VERSION,
	CHANGES_MARK
};

/*
 * A seq may be given out twice: an older copy of the database, such as a standby that was behind
 * when it was promoted, or a backup, goes on with numbers that were told before. A change's mark,
 * up to 16 hexadecimal digits, tells one from the other: the moment at which its transaction began.
 */
#define CHANGES_MARK_MAX 16

/* The first `limit` changes after `since`, by seq; none beyond place->settled. */
void changes_read(const struct products *products, const struct feed_place *place, int64_t since,
		  uint32_t limit, products_fn *done, void *ctx);

#endif
