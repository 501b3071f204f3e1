/*
 * product_sql.h - the texts of all statements about products, for one schema.
 *
 * Every name in them is qualified: nothing depends on search_path, which a pooler in transaction
 * mode does not keep.
 */
#ifndef PLAZA_STORE_PRODUCT_SQL_H
#define PLAZA_STORE_PRODUCT_SQL_H

#include <stddef.h>

#include "pg/setup.h"

/* Part of the message of the error that rows are missing; a type cannot have it as a value. */
#define PRODUCT_LEFT_OUT_TEXT "a trigger of products has left out rows"

enum product_statement {
	PRODUCT_GET,
	PRODUCT_LIST,
	/*
	 * Rows from text[] names and text[] prices, in their order, which is that of their ids; a
	 * place without a name is passed over. All of them go in, or it is an error of class 22
	 * (but one row that is alone may be missing, when a trigger of the table has left it out).
	 * Columns: the row's place among those that go in, from 1, then all of the table's.
	 */
	PRODUCT_INSERT,
	/* The same without that exception; columns: place in the arrays, id, version. */
	PRODUCT_BULK,
	/*
	 * Each row for itself; columns: place in the arrays, id, version, and of one that was
	 * refused its SQLSTATE and the names of the constraint and the column, where there are
	 * such; no id and no SQLSTATE: a trigger has left it out.
	 */
	PRODUCT_BULK_EACH,
	/*
	 * id, name, price (NULL: stays), versions that it may have, versions that it may not have
	 * (int8[], NULL: any). Columns: true: it was changed; false: it has no such version; NULL:
	 * it has, and was left as it is; then all of the table's. No row: it is not there.
	 */
	PRODUCT_UPDATE,
	/* id, and versions as above. Column: the same. */
	PRODUCT_DELETE,
	/*
	 * The same with two parameters more, key and fingerprint, behind them; done only if the key
	 * is new, and then kept with its rows. Columns: "done", "replayed" or "missed"; whether
	 * the fingerprint is the kept one, or for one that was missed whether it has such a
	 * version; the form and the rows as of product_kept.h, which have the columns above.
	 */
	PRODUCT_KEYED_INSERT, /* name, price, key, fingerprint */
	PRODUCT_KEYED_BULK,
	PRODUCT_KEYED_BULK_EACH,
	PRODUCT_KEYED_UPDATE,
	PRODUCT_KEYED_DELETE,
	PRODUCT_STATEMENTS
};

struct product_sql {
	char *schema; /* quoted as an identifier */
	char *table;  /* schema.products */
	/* what a connection prepares; by enum product_statement */
	struct pg_statement statement[PRODUCT_STATEMENTS];
	char *text[PRODUCT_STATEMENTS];
};

/* `schema` as store.schema has it, unquoted. NULL on out-of-memory, logged. */
struct product_sql *product_sql_new(const char *schema);
void product_sql_free(struct product_sql **sql);

#endif
