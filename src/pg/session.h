/*
 * session.h - the settings under which our statements run.
 */
#ifndef PLAZA_PG_SESSION_H
#define PLAZA_PG_SESSION_H

#include <stddef.h>
#include <stdint.h>

#define SESSION_LOCAL_SIZE 512

/*
 * For the transaction that it begins: what a connection needs that a pooler lends to others between
 * our transactions.
 */
void session_local_sql(uint64_t statement_timeout_ms, char sql[SESSION_LOCAL_SIZE]);

/* A lock is waited for half as long as a statement may take, so that the error says what it was. */
uint64_t session_lock_timeout_ms(uint64_t statement_timeout_ms);

#endif
