/*
 * steps.h - schema steps that features hand in, as SQL: whether one is needed, and the one
 * statement that takes it exactly once, however many processes start at once.
 */
#ifndef PLAZA_PG_STEPS_H
#define PLAZA_PG_STEPS_H

#include <stdbool.h>
#include <stddef.h>

struct pg_step {
	const char *name;    /* for the log: "table products" */
	const char *present; /* a boolean expression: true when there is nothing to do */
	const char *sql;     /* one statement or several, separated by semicolons */
	/* what a role that may do it runs for one that may not; %s is our role, as an identifier */
	const char *remedy;
};

/*
 * "select <present>". Asked first and without any lock, so that a role that may not create can
 * use what is there already.
 */
bool step_check_sql(const struct pg_step *step, char *out, size_t out_size);

/* Takes the step in one transaction, under an advisory lock, unless somebody else just has. */
bool step_take_sql(const struct pg_step *step, char *out, size_t out_size);

#endif
