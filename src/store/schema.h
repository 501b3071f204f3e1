/*
 * schema.h - what the store has in the database: the schema steps, for one store.schema, and the
 * script that an operator runs in place of them.
 */
#ifndef PLAZA_STORE_SCHEMA_H
#define PLAZA_STORE_SCHEMA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "pg/steps.h"

/* store.migrate, in the order of its words */
enum store_migrate { STORE_MIGRATE_AUTO, STORE_MIGRATE_OFF };

/* By version - 1. A step is never changed or moved once it was released: others come behind it. */
enum store_step {
	STORE_STEP_PRODUCTS,
	STORE_STEP_VERSION,
	STORE_STEP_LOG,
	STORE_STEP_TRIGGERS,
	STORE_STEP_FEED,
	STORE_STEP_IDEMPOTENCY,
	STORE_STEP_INSERT_EACH,
	STORE_STEP_FORM,
	STORE_STEP_INSERT_EACH_TELLS,
	STORE_STEPS
};

struct store_schema {
	struct pg_steps steps; /* for setup_plan; look_only is the caller's to set */
	char *name;            /* store.schema, quoted */
	char *index_state;     /* a query: see search_index.c */
	char *index_drop;
	char *index_create;
	char *index_analyze;

	/* owned */
	struct pg_step step[STORE_STEPS];
	char *present[STORE_STEPS], *sql[STORE_STEPS];
	char *wrong, *grants;
};

/* `schema` is as store.schema has it. NULL on out-of-memory, logged. */
struct store_schema *store_schema_new(const char *schema);
void store_schema_free(struct store_schema **schema);

/*
 * Appends a script for psql -f: the steps in `mask`, the search index, and what `role`, the one of
 * store.database, must be allowed afterwards (role "": nothing). False: out of memory.
 */
bool store_schema_script(const struct store_schema *schema, uint64_t mask, const char *role,
			 struct buffer *out) __attribute__((warn_unused_result));

#endif
