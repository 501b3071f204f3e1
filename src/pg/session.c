/*
 * session.c - see session.h. Every word of the SQL is our own.
 *
 * They are set by a statement and not as startup options: poolers refuse those, and the daemon's
 * own statement_timeout shall win over the role's. A lock is waited for half as long as a statement
 * may take, so that the error says what it was. plaza.told: our own host learns of its writes
 * without the NOTIFY of the trigger, which would make all commits wait for each other. Claims of
 * jobs count what others have committed while they waited, which only read committed shows.
 */
#include "pg/session.h"

#include <inttypes.h>
#include <stdio.h>

static uint64_t
lock_timeout_ms(uint64_t statement_timeout_ms)
{
	return statement_timeout_ms < 2 ? 1 : statement_timeout_ms / 2;
}

bool
session_send(PGconn *pg, uint64_t statement_timeout_ms)
{
	/* settings that this server does not know are passed over */
	static const char sql[] =
	    "select pg_catalog.set_config(v.name, v.value, false)"
	    " from (values ('statement_timeout', $1::text), ('lock_timeout', $2::text),"
	    " ('idle_in_transaction_session_timeout', $1::text), ('jit', 'off'),"
	    " ('default_transaction_isolation', 'read committed'),"
	    " ('plan_cache_mode', 'force_generic_plan'), ('plaza.told', 'on')) v(name, value)"
	    " left join pg_catalog.pg_settings s using (name)"
	    " where s.name is not null or v.name like 'plaza.%'";
	char timeout[24], lock_timeout[24];
	const char *const values[] = {timeout, lock_timeout};

	snprintf(timeout, sizeof(timeout), "%" PRIu64, statement_timeout_ms);
	snprintf(lock_timeout, sizeof(lock_timeout), "%" PRIu64,
		 lock_timeout_ms(statement_timeout_ms));
	return PQsendQueryParams(pg, sql, 2, NULL, values, NULL, NULL, 0) == 1;
}

void
session_local_sql(uint64_t statement_timeout_ms, char sql[SESSION_LOCAL_SIZE])
{
	snprintf(sql, SESSION_LOCAL_SIZE,
		 "select pg_catalog.set_config('statement_timeout', '%" PRIu64 "', true),"
		 " pg_catalog.set_config('lock_timeout', '%" PRIu64 "', true),"
		 " pg_catalog.set_config('jit', 'off', true),"
		 " pg_catalog.set_config('plan_cache_mode', 'auto', true),"
		 " pg_catalog.set_config('plaza.told', 'on', true)",
		 statement_timeout_ms, lock_timeout_ms(statement_timeout_ms));
}
