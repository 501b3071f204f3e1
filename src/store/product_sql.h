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

enum product_statement { PRODUCT_GET, PRODUCT_CREATE, PRODUCT_LIST, PRODUCT_STATEMENTS };

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
