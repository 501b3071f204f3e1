/*
 * steps.c - the SQL around a schema step. Every word of it is our own; nothing here comes from a
 * client.
 */
#include "pg/steps.h"

#include <stdio.h>

/* "plaza" in ASCII: the one lock under which all processes of all Plazas change this database */
#define STEP_LOCK 0x706c617a61

static bool
fits(int n, size_t out_size)
{
	return n > 0 && (size_t)n < out_size;
}

bool
step_check_sql(const struct pg_step *step, char *out, size_t out_size)
{
	return fits(snprintf(out, out_size, "select (%s)", step->present), out_size);
}

bool
step_take_sql(const struct pg_step *step, char *out, size_t out_size)
{
	/* who waited for the lock looks again: the holder may have taken the step meanwhile */
	return fits(snprintf(out, out_size,
			     "do $step$ begin "
			     "perform pg_catalog.pg_advisory_xact_lock(%lld); "
			     "if not (%s) then %s; end if; end $step$",
			     (long long)STEP_LOCK, step->present, step->sql),
		    out_size);
}
