/*
 * refusal.c - by SQLSTATE, PostgreSQL's appendix A "Error Codes". Which table a constraint belongs
 * to is not said: it may be one that a trigger writes to.
 */
#include "store/refusal.h"

#include <stdio.h>

#define SQLSTATE_NOT_NULL SPAN_LIT("23502")
#define SQLSTATE_UNIQUE   SPAN_LIT("23505")
#define SQLSTATE_RAISED   SPAN_LIT("P0001")

int
refusal_status(const struct refusal *refusal)
{
	return span_eq(refusal->sqlstate, SQLSTATE_UNIQUE) ? 409 : 422;
}

const char *
refusal_pointer(const struct refusal *refusal)
{
	if (span_eq(refusal->column, SPAN_LIT("name")))
		return "/name";
	return span_eq(refusal->column, SPAN_LIT("price")) ? "/price" : "";
}

void
refusal_describe(const struct refusal *refusal, char text[REFUSAL_SIZE])
{
	const struct span state = refusal->sqlstate, rule = refusal->rule;
	const struct span column = refusal->column;
	const int rule_len = rule.len < 64 ? (int)rule.len : 64;
	const int column_len = column.len < 64 ? (int)column.len : 64;

	if (state.len == 0)
		snprintf(text, REFUSAL_SIZE,
			 "a trigger of the database has kept it from being done");
	else if (span_eq(state, SQLSTATE_UNIQUE) && rule.len)
		snprintf(text, REFUSAL_SIZE, "the unique constraint %.*s allows no second one",
			 rule_len, rule.ptr);
	else if (span_eq(state, SQLSTATE_UNIQUE))
		snprintf(text, REFUSAL_SIZE, "a unique constraint allows no second one");
	else if (rule.len)
		snprintf(text, REFUSAL_SIZE, "the constraint %.*s of the database refuses it",
			 rule_len, rule.ptr);
	else if (span_eq(state, SQLSTATE_NOT_NULL) && column.len)
		snprintf(text, REFUSAL_SIZE,
			 "the database's table wants a value for its column %.*s", column_len,
			 column.ptr);
	else if (span_eq(state, SQLSTATE_RAISED))
		snprintf(text, REFUSAL_SIZE, "a trigger of the database refuses it");
	else if (state.len > 1 && state.ptr[0] == '2' && state.ptr[1] == '2')
		snprintf(text, REFUSAL_SIZE, "the columns of the database's table cannot take it");
	else
		snprintf(text, REFUSAL_SIZE, "the database refuses it");
}
