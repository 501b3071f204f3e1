/*
 * session.c - see session.h. Every word of the SQL is our own.
 */
#include "pg/session.h"

#include <inttypes.h>
#include <stdio.h>

uint64_t
session_lock_timeout_ms(uint64_t statement_timeout_ms)
{
	return statement_timeout_ms < 2 ? 1 : statement_timeout_ms / 2;
}

void
session_local_sql(uint64_t statement_timeout_ms, char sql[SESSION_LOCAL_SIZE])
{
	/* plaza.told: our own host learns of its writes without the trigger's NOTIFY */
	snprintf(sql, SESSION_LOCAL_SIZE,
		 "select pg_catalog.set_config('statement_timeout', '%" PRIu64 "', true),"
		 " pg_catalog.set_config('lock_timeout', '%" PRIu64 "', true),"
		 " pg_catalog.set_config('jit', 'off', true),"
		 " pg_catalog.set_config('plan_cache_mode', 'auto', true),"
		 " pg_catalog.set_config('plaza.told', 'on', true)",
		 statement_timeout_ms, session_lock_timeout_ms(statement_timeout_ms));
}
