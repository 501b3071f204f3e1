/*
 * look.h - which schema steps are missing, asked by a process that has nothing else to do: blocks,
 * for a bounded time.
 */
#ifndef PLAZA_PG_LOOK_H
#define PLAZA_PG_LOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "pg/steps.h"

enum look_outcome {
	LOOK_DONE,     /* `missing` has a bit for each step that is not there */
	LOOK_REFUSED,  /* the schema cannot be used as it is: `error` */
	LOOK_NO_ANSWER /* the database was not reached in time: `error` */
};

struct look {
	enum look_outcome outcome;
	uint64_t missing;
	char role[64]; /* whom it was asked as; empty without an answer */
	char error[1024];
};

/* Host names are resolved, too, within `timeout_ms` in all. */
void look_at_steps(const char *conninfo, const struct pg_steps *steps, uint64_t timeout_ms,
		   struct look *look);

#endif
