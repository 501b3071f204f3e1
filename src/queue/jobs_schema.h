/*
 * jobs_schema.h - what the job queue has in the database: its schema steps, for one store.schema,
 * and the script that an operator runs in place of them.
 *
 * All that changes jobs is in functions: claims must take their locks and look in this order, plans
 * must not depend on what statistics say of tables that are empty now and full in a second, and
 * whoever has psql can call them.
 */
#ifndef PLAZA_QUEUE_JOBS_SCHEMA_H
#define PLAZA_QUEUE_JOBS_SCHEMA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "pg/steps.h"

/*
 * By version - 1. A step is never changed or moved once it was released: others come behind it. One
 * whose function a later step makes anew (OLD) makes nothing any more, and is recorded as ever.
 */
enum jobs_step {
	JOBS_STEP_TABLES,
	JOBS_STEP_PARTITIONS,
	JOBS_STEP_OLD_PUT,
	JOBS_STEP_OLD_CLAIM,
	JOBS_STEP_OLD_FINISH,
	JOBS_STEP_OLD_EXTEND,
	JOBS_STEP_OLD_CANCEL,
	JOBS_STEP_OLD_RESCUE,
	JOBS_STEP_GET,
	JOBS_STEP_OLD_KEEP,
	JOBS_STEP_OLD_ENQUEUE,
	JOBS_STEP_READY_ID,
	JOBS_STEP_IS_FULL,
	JOBS_STEP_PUT,
	JOBS_STEP_CLAIM,
	JOBS_STEP_FINISH,
	JOBS_STEP_EXTEND,
	JOBS_STEP_CANCEL,
	JOBS_STEP_RESCUE,
	JOBS_STEP_KEEP,
	JOBS_STEP_SWEEP,
	JOBS_STEP_SET,
	JOBS_STEP_ENQUEUE,
	JOBS_STEPS
};

struct jobs_schema {
	struct pg_steps steps; /* for setup_plan; look_only is the caller's to set */
	char *name;            /* store.schema, quoted */

	/* owned */
	struct pg_step step[JOBS_STEPS];
	char *present[JOBS_STEPS], *sql[JOBS_STEPS];
	char *wrong, *grants;
};

/* `schema` is as store.schema has it. NULL on out-of-memory, logged. */
struct jobs_schema *jobs_schema_new(const char *schema);
void jobs_schema_free(struct jobs_schema **schema);

/* A text in which each @ is the schema of `s`; NULL on out-of-memory. The caller frees it. */
char *jobs_schema_text(const struct jobs_schema *s, const char *template);

/*
 * Appends a script for psql -f: the steps in `mask`, and what `role`, the one of store.database,
 * must be allowed afterwards (role "": nothing). False: out of memory.
 */
bool jobs_schema_script(const struct jobs_schema *schema, uint64_t mask, const char *role,
			struct buffer *out) __attribute__((warn_unused_result));

#endif
