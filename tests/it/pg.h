/*
 * pg.h - the test program's private PostgreSQL, by pg_tmp.sh. Unix socket only, trust.
 */
#ifndef PLAZA_TESTS_IT_PG_H
#define PLAZA_TESTS_IT_PG_H

const char *pg_script(void);

/* In main, before the tests; ends the program when it fails. Stopped by the guard. */
void pg_start(void);

/* What store.database takes to reach it as the user plaza. Not freed. */
const char *pg_conninfo(void);
/* The same for another database, which pg_create_database makes. The caller frees. */
char *pg_conninfo_of(const char *dbname);
/* An empty database of this test's own, owned by plaza; returns its conninfo, not to be freed. */
const char *pg_fresh(void);
/* The socket's directory, the database of the latest pg_fresh. */
const char *pg_socket_dir(void);

/* Of pg_tmp.sh: stop, kill, restart, pause, resume. */
void pg_do(const char *verb);

/* As superuser, psql -At: all rows as text, which the caller frees. Fails the test on an error. */
char *pg_query(const char *dbname, const char *sql);
/* Just as pg_query in the database of the latest pg_fresh. */
char *pg_ask(const char *sql);

#endif
