/*
 * session.h - the settings under which our statements run.
 */
#ifndef PLAZA_PG_SESSION_H
#define PLAZA_PG_SESSION_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#define SESSION_LOCAL_SIZE 512

/* Asks for them once, for a connection that is ours alone. False: the reason is the PGconn's. */
bool session_send(PGconn *pg, uint64_t statement_timeout_ms);

/*
 * The same for the transaction that it begins: for a connection that a pooler lends to others
 * between our transactions.
 */
void session_local_sql(uint64_t statement_timeout_ms, char sql[SESSION_LOCAL_SIZE]);

#endif
