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

enum product_statement {
	PRODUCT_GET,
	PRODUCT_LIST,
	/*
	 * Rows from text[] names and text[] prices, with ids that rise in their order. Columns:
	 * the row's place from 1, then all of the table's.
	 */
	PRODUCT_INSERT,
	/* The same; columns: place, id, version. */
	PRODUCT_BULK,
	/* Each row for itself; columns: place, id, version, and the SQLSTATE of one refused. */
	PRODUCT_BULK_EACH,
	/*
	 * id, name, price (NULL: stays), versions that it may have, versions that it may not have
	 * (int8[], NULL: any). Columns: whether it was changed, then all of the table's; no row: it
	 * is not there.
	 */
	PRODUCT_UPDATE,
	/* id, and versions as above. Column: whether it was deleted. */
	PRODUCT_DELETE,
	/*
	 * The same with two parameters more, key and fingerprint, behind them; done only if the key
	 * is new, and then kept with the answer. Columns: "done", "replayed" or "missed"; whether
	 * the fingerprint is the kept one; status; answer; id and version of an answer with one
	 * product. Bulks have a text[] before the key: results that are known, NULL for each row
	 * that is to go in.
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
