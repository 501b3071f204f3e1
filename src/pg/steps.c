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
	/*
	 * Who waited for the lock looks again: the holder may have taken the step meanwhile. To see
	 * that, this session's catalog caches must take in what others have changed, and an
	 * advisory lock does not make them; the lock on a table does.
	 */
	return fits(snprintf(out, out_size,
			     "do $step$ begin "
			     "perform pg_catalog.pg_advisory_xact_lock(%lld); "
			     "perform 1 from pg_catalog.pg_class limit 1; "
			     "if not (%s) then %s; end if; end $step$",
			     (long long)STEP_LOCK, step->present, step->sql),
		    out_size);
}
