/*
 * pg_server.c - runs the script and talks SQL beside the code under test.
 */
#include "pg_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
die(const char *what, const char *why)
{
	fprintf(stderr, "test PostgreSQL: %s: %s\n", what, why);
	exit(99);
}

static void
run(const struct pg_server *server, const char *verb, const char *settings)
{
	/* __FILE__ is as the compiler was told it, from the directory where tests run */
	const char *end = strrchr(__FILE__, '/');
	char command[512];

	if (snprintf(command, sizeof(command), "'%.*s/../it/pg_tmp.sh' %s %s %s >/dev/null",
		     end ? (int)(end - __FILE__) : 1, end ? __FILE__ : ".", verb, server->dir,
		     settings) >= (int)sizeof(command))
		die(verb, "command too long");
	fflush(stderr);
	if (system(command) != 0)
		die(command, "failed");
}

void
pg_server_start(struct pg_server *server, const char *settings)
{
	/* the script, maybe as another user, must be able to reach what is in it */
	strcpy(server->dir, "/tmp/plaza-pg-XXXXXX");
	if (!mkdtemp(server->dir))
		die(server->dir, "cannot be made");
	snprintf(server->conninfo, sizeof(server->conninfo), "host=%s/s dbname=plaza user=plaza",
		 server->dir);
	run(server, "start", settings);
}

void
pg_server_run(const struct pg_server *server, const char *verb)
{
	run(server, verb, "");
}

PGconn *
pg_server_connect(const struct pg_server *server)
{
	char conninfo[160];

	snprintf(conninfo, sizeof(conninfo),
		 "host=%s/s dbname=plaza user=postgres "
		 "options='-c client_min_messages=warning'",
		 server->dir);
	PGconn *pg = PQconnectdb(conninfo);
	if (PQstatus(pg) != CONNECTION_OK)
		die("connect", PQerrorMessage(pg));
	return pg;
}

void
pg_server_sql(const struct pg_server *server, const char *sql)
{
	(void)pg_server_number(server, sql);
}

long
pg_server_number(const struct pg_server *server, const char *sql)
{
	PGconn *pg = pg_server_connect(server);
	PGresult *res = PQexec(pg, sql);
	ExecStatusType status = PQresultStatus(res);
	long value = 0;

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
		die(sql, PQerrorMessage(pg));
	if (PQntuples(res))
		value = strtol(PQgetvalue(res, 0, 0), NULL, 10);
	PQclear(res);
	PQfinish(pg);
	return value;
}
