/*
 * steps.h - schema steps that features hand in: numbered, checksummed, recorded in a table of their
 * schema, and taken once by whoever comes first. Never blocks.
 *
 * What is there decides: a step whose objects exist is recorded and not taken, so that a role
 * without CREATE can use what another one has made; one whose objects are gone is taken again,
 * unless it is precious: then somebody has put them elsewhere, and has to say so.
 */
#ifndef PLAZA_PG_STEPS_H
#define PLAZA_PG_STEPS_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

#define STEPS_MAX           63 /* a bit each */
#define STEPS_CHECKSUM_SIZE 65 /* SHA-256 in hexadecimal, and a terminator */
#define STEPS_SQL_MAX       (1u << 20)

/* Its number is its place among the others, from 1 on. */
struct pg_step {
	const char *name;    /* for the records and the log: "table products" */
	const char *present; /* a boolean expression: true when there is nothing to do */
	/*
	 * What makes it: statements of PL/pgSQL, each with its semicolon, which may find a part of
	 * it there. search_path is pg_catalog in all of these texts.
	 */
	const char *sql;
	char checksum[STEPS_CHECKSUM_SIZE];
	/* it holds what nobody can make again: once it is recorded it is not made anew */
	bool is_precious;
};

struct pg_steps {
	const char *feature; /* whose they are, for the log: "store" */
	const char *schema;  /* quoted as an identifier; made when it is missing */
	const char *table;   /* where steps are recorded, of this feature alone; made as well */
	/*
	 * A text expression: what is wrong with objects that others have made, or null. In it
	 * current_setting('plaza.seen') is where `sought` is found by the role's own search_path,
	 * as a number (pg_class.oid), or empty.
	 */
	const char *wrong;
	const char *sought;
	const char *remedy; /* what to do about a step that this role may not take */
	const struct pg_step *step;
	size_t n;
	bool look_only; /* take none; one that is missing is an error */
};

enum steps_phase {
	STEPS_LOOKING, /* which steps are needed */
	STEPS_READING, /* which ones are recorded, and as what */
	STEPS_TAKING,  /* step `at`; may wait for a lock */
	STEPS_DONE,
	STEPS_FAILED /* `error` says why */
};

struct steps_run {
	const struct pg_steps *steps;
	PGconn *pg;
	enum steps_phase phase;
	size_t at;
	uint64_t present; /* bit i: the objects of step i + 1 are there */
	uint64_t recorded;
	bool may_record;
	bool is_readable; /* the records */
	/* failed by the state of the schema, not by that of the connection */
	bool schema_error;
	bool is_waiting; /* failed for now: others are at the table, or at the step */
	bool is_missing; /* failed because a step is missing and was not, or could not be, taken */
	unsigned n_results; /* of the statements under way */
	bool was_made;
	char error[1024];
};

/* Sends the first statement. `pg` is connected and not in pipeline mode. */
enum steps_phase steps_begin(struct steps_run *run, PGconn *pg, const struct pg_steps *steps);

/*
 * The next result, which is the callee's to look at; NULL at the end of the statements under way,
 * whereupon the next ones are sent.
 */
enum steps_phase steps_take_result(struct steps_run *run, const PGresult *result);

/* The steps whose objects are not there. */
uint64_t steps_missing(const struct steps_run *run);

/* SQL in which each @ was the schema, quoted. NULL: out of memory. The caller frees it. */
char *steps_text(const char *template, const char *schema);

/* Of a step's SQL as it is before the name of a schema is put in. */
void steps_checksum(const char *sql, char checksum[STEPS_CHECKSUM_SIZE]);

/*
 * Appends a script for psql -f that takes the steps in `mask`, each in a transaction and only if it
 * is still needed. False: out of memory.
 */
bool steps_script(const struct pg_steps *steps, uint64_t mask, struct buffer *out)
    __attribute__((warn_unused_result));

/* Appends `grants`, in which each %s becomes the role as an identifier. False: out of memory. */
bool steps_grants(const char *grants, const char *role, struct buffer *out)
    __attribute__((warn_unused_result));

#endif
