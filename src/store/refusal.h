/*
 * refusal.h - what the database has against a write, in words for a client: what the table's owner
 * has called the rule, and the member that it is about, where these are known. Pure.
 *
 * The server's own messages are for the operator: they are in the log.
 */
#ifndef PLAZA_STORE_REFUSAL_H
#define PLAZA_STORE_REFUSAL_H

#include <stdbool.h>

#include "base/span.h"

/* All are empty where the server has named none. */
struct refusal {
	struct span
	    sqlstate;       /* empty: it was no error, but a trigger has kept it from being done */
	struct span rule;   /* a constraint, or a unique index */
	struct span column; /* of the table products */
};

/* Of a problem or a result: 409 or 422. */
int refusal_status(const struct refusal *refusal);

/* "/name", "/price", or "": the whole product. */
const char *refusal_pointer(const struct refusal *refusal);

/* A name has 63 bytes. */
#define REFUSAL_SIZE 200

void refusal_describe(const struct refusal *refusal, char text[REFUSAL_SIZE]);

#endif
