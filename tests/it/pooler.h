/*
 * pooler.h - a PgBouncer of the test's own before the test program's PostgreSQL, in transaction
 * mode, with fewer server connections than it has clients. Unprivileged, on a unix socket.
 */
#ifndef PLAZA_TESTS_IT_POOLER_H
#define PLAZA_TESTS_IT_POOLER_H

#define POOLER_SIZE 2 /* connections to the server */

/*
 * Begins to serve the database `dbname` as the user plaza, and waits until it does. What
 * store.database takes to reach it, good until the test ends.
 */
const char *pooler_start(const char *dbname);
/* Without a word to its clients. It may be started again. */
void pooler_kill(void);

/* One value through the pooler, which the caller frees. */
char *pooler_ask(const char *sql);

#endif
