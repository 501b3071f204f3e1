/*
 * queue_sql.h - the statements of the queue's lanes, for one schema. All names in them are
 * qualified: nothing depends on search_path, which a pooler in transaction mode does not keep.
 */
#ifndef PLAZA_QUEUE_QUEUE_SQL_H
#define PLAZA_QUEUE_QUEUE_SQL_H

#include "pg/setup.h"
#include "queue/jobs_schema.h"

enum queue_statement {
	QUEUE_PUT,
	QUEUE_CLAIM,
	QUEUE_FINISH,
	QUEUE_EXTEND,
	QUEUE_PART,
	QUEUE_CANCEL,
	QUEUE_RETRY,
	QUEUE_GET,
	QUEUE_QUEUES,
	QUEUE_SET,
	QUEUE_FULL,
	QUEUE_BEAT,
	QUEUE_BURY,
	QUEUE_RESCUE,
	QUEUE_DISOWN,
	QUEUE_PROMOTE,
	QUEUE_KEEP,
	QUEUE_SWEEP,
	QUEUE_STATEMENTS
};

struct queue_sql {
	char *schema; /* quoted as an identifier */
	/* what a connection prepares; by enum queue_statement */
	struct pg_statement statement[QUEUE_STATEMENTS];
	char *text[QUEUE_STATEMENTS];
};

/* NULL on out-of-memory, logged. */
struct queue_sql *queue_sql_new(const struct jobs_schema *schema);
void queue_sql_free(struct queue_sql **sql);

#endif
