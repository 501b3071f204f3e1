/*
 * setup.h - what a fresh connection is put through before it may serve: schema steps, session
 * settings, prepared statements; one after the other, never blocking.
 */
#ifndef PLAZA_PG_SETUP_H
#define PLAZA_PG_SETUP_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pg/steps.h"

struct pg_statement {
	const char *name;
	const char *sql; /* parameters are cast to their types: $1::int4 */
};

struct setup_plan {
	const struct pg_steps *steps; /* NULL: none */
	const struct pg_statement *statements;
	size_t n_statements;
	uint64_t statement_timeout_ms;
	/* false: each transaction may run on another session of a pooler; nothing is kept in one */
	bool is_prepared;
};

enum setup_phase {
	SETUP_CHECK,   /* asking which schema steps are needed */
	SETUP_TAKE,    /* taking one; may wait for its lock */
	SETUP_SESSION, /* statement_timeout and the like */
	SETUP_PREPARE, /* preparing statement `at` */
	SETUP_DONE,
	SETUP_FAILED /* `error` says why */
};

struct setup {
	const struct setup_plan *plan;
	PGconn *pg;
	enum setup_phase phase;
	struct steps_run steps;
	size_t at;
	bool
	    schema_error; /* failed because the schema is not as it must be, or a step is refused */
	char error[1024];
};

/* `pg` is connected, non-blocking and not in pipeline mode. Then call setup_advance. */
void setup_begin(struct setup *setup, PGconn *pg, const struct setup_plan *plan);

/* After each PQconsumeInput. The caller flushes afterwards. */
enum setup_phase setup_advance(struct setup *setup);

#endif
