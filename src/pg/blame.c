/*
 * blame.c - by SQLSTATE: PostgreSQL's appendix A, "Error Codes".
 */
#include "pg/blame.h"

#include <string.h>

static const struct {
	const char *prefix;
	enum blame blame;
} states[] = {
    /* data exceptions, constraints, serialization failures and deadlocks, raise in a trigger */
    {"22", BLAME_SOMEONE},
    {"23", BLAME_SOMEONE},
    {"40", BLAME_SOMEONE},
    {"P0001", BLAME_SOMEONE},
    {"55P03", BLAME_LOCK},
    {"57014", BLAME_TIME},
    /*
     * The statement is gone, its result type has changed, the table is another one now (the schema
     * steps run again on reconnect), or this server has become a standby.
     */
    {"26000", BLAME_SESSION},
    {"0A000", BLAME_SESSION},
    {"42P01", BLAME_SESSION},
    {"42703", BLAME_SESSION},
    {"25006", BLAME_SESSION},
};

enum blame
blame_of(const PGresult *error)
{
	const char *sqlstate = PQresultErrorField(error, PG_DIAG_SQLSTATE);

	for (size_t i = 0; sqlstate && i < sizeof(states) / sizeof(states[0]); i++) {
		if (strncmp(sqlstate, states[i].prefix, strlen(states[i].prefix)) == 0)
			return states[i].blame;
	}
	return BLAME_ALL;
}

bool
blame_is_final(const PGresult *error)
{
	const char *severity = PQresultErrorField(error, PG_DIAG_SEVERITY_NONLOCALIZED);

	return PQresultStatus(error) == PGRES_FATAL_ERROR && severity &&
	       strcmp(severity, "ERROR") == 0;
}
