/*
 * pg_server.h - a private PostgreSQL for unit tests, run by tests/it/pg_tmp.sh.
 */
#ifndef PLAZA_TESTS_PG_SERVER_H
#define PLAZA_TESTS_PG_SERVER_H

#include <libpq-fe.h>

struct pg_server {
	char dir[64];
	char conninfo[160]; /* role and database plaza */
};

/* Exits the program with a message when there can be none. `settings` may be "". */
void pg_server_start(struct pg_server *server, const char *settings);
/* stop, kill, restart, pause, resume, remove; exits the program when it fails. */
void pg_server_run(const struct pg_server *server, const char *verb);

/* As the superuser, blocking; exits the program when the statement fails. */
void pg_server_sql(const struct pg_server *server, const char *sql);
/* The first value of the first row, 0 when there is none. */
long pg_server_number(const struct pg_server *server, const char *sql);
/* A superuser's connection of one's own, e.g. to hold locks. */
PGconn *pg_server_connect(const struct pg_server *server);

#endif
