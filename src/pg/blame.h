/*
 * blame.h - what an error of the server tells about a group of requests. Pure.
 */
#ifndef PLAZA_PG_BLAME_H
#define PLAZA_PG_BLAME_H

#include <libpq-fe.h>
#include <stdbool.h>

enum blame {
	BLAME_SOMEONE, /* its values, or whom it met: the others would do without it */
	BLAME_LOCK,    /* the same, and it has waited for that as long as it may */
	BLAME_TIME,    /* it took all its time; maybe another's fault, or everybody's */
	BLAME_SESSION, /* this connection or its prepared statements; another one may do */
	BLAME_ALL      /* nobody in particular */
};

/* Of a result that is no success. */
enum blame blame_of(const PGresult *error);

/* Severity ERROR: the transaction is rolled back for certain, even if the connection ends now. */
bool blame_is_final(const PGresult *error);

#endif
