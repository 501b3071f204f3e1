/*
 * product_kept.h - the rows of an answer that was kept with an Idempotency-Key, as a result like
 * that of the write: whoever writes answers sees no difference. Pure.
 *
 * They are kept as PostgreSQL's own text of each value, which is what libpq hands out; what the
 * columns were called, and of what types they were, is kept beside them.
 */
#ifndef PLAZA_STORE_PRODUCT_KEPT_H
#define PLAZA_STORE_PRODUCT_KEPT_H

#include "base/span.h"
#include "pg/lane.h"

enum product_kept {
	PRODUCT_KEPT_OK,
	PRODUCT_KEPT_BAD, /* these are no such texts */
	PRODUCT_KEPT_NO_MEMORY
};

/* `form`: "(place,20)(id,23)", a name and an OID for each column. `rows`: "(1,7)(2,8)". */
enum product_kept product_kept_read(struct span form, struct span rows, PGresult **result);

#endif
