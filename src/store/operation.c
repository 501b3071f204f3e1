/*
 * operation.c - what the server's errors mean for whoever asked.
 */
#include "store/operation.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

#define LOG_QUIET_MS 10000

static bool
has_class(const char *sqlstate, const char *sqlstate_class)
{
	return strncmp(sqlstate, sqlstate_class, strlen(sqlstate_class)) == 0;
}

/* Any client may cause one, many a second: a line now and then, and at once for another error. */
static void
log_error_of(const struct lane_answer *answer)
{
	static char last[6] = "none";
	static uint64_t quiet_until_ms;
	uint64_t now_ms = clock_monotonic_ms();

	if (strcmp(answer->sqlstate, last) == 0 && now_ms < quiet_until_ms)
		return;
	snprintf(last, sizeof(last), "%s", answer->sqlstate);
	quiet_until_ms = now_ms + LOG_QUIET_MS;
	if (has_class(answer->sqlstate, "42501"))
		log_error("store: %s; let its owner run: grant select, insert on products, and "
			  "usage on its sequence, to the role of store.database",
			  answer->message);
	else
		log_error("store: the database reports %s: %s",
			  last[0] ? last : "an error without a code", answer->message);
}

/* The same of rules of the table, which are there to refuse: no error, and told by their names. */
void
operation_log_refusal(const struct lane_answer *answer)
{
	static char last[80] = "none";
	static uint64_t quiet_until_ms;
	uint64_t now_ms = clock_monotonic_ms();
	char what[sizeof(last)];

	snprintf(what, sizeof(what), "%s %s", answer->sqlstate, answer->constraint);
	if (strcmp(what, last) == 0 && now_ms < quiet_until_ms)
		return;
	snprintf(last, sizeof(last), "%s", what);
	quiet_until_ms = now_ms + LOG_QUIET_MS;
	log_info("store: the database refuses a product: %s; \\d products in psql shows the rules "
		 "and triggers of the table",
		 answer->message[0] ? answer->message
				    : "a trigger has kept a row from being written");
}

/* PostgreSQL's appendix A, "Error Codes" */
static enum products_outcome
judge_error(const struct lane_answer *answer, bool is_write)
{
	const char *s = answer->sqlstate;

	if (has_class(s, "23505"))
		return PRODUCTS_CONFLICT;
	if (is_write && strstr(answer->message, PRODUCT_LEFT_OUT_TEXT))
		return PRODUCTS_LEFT_OUT;
	/* values that do not fit, or have no like in, a table that was there before us */
	if (has_class(s, "22"))
		return PRODUCTS_INVALID;
	/* its constraints, its triggers */
	if (is_write && (has_class(s, "23") || has_class(s, "P0001")))
		return PRODUCTS_INVALID;
	/* canceled, lock not available, serialization failure, deadlock */
	if (has_class(s, "57014") || has_class(s, "55P03") || has_class(s, "40"))
		return PRODUCTS_SLOW;
	log_error_of(answer);
	if (has_class(s, "42501"))
		return PRODUCTS_DENIED;
	/* the table is gone, or another one; the lanes look for it at their own pace */
	if (has_class(s, "42P01") || has_class(s, "42703"))
		return PRODUCTS_NO_SCHEMA;
	/* a full disk, no memory; a standby; shutting down */
	if (has_class(s, "53") || has_class(s, "25006") || has_class(s, "57P"))
		return PRODUCTS_DOWN;
	return PRODUCTS_FAILED;
}

static enum products_outcome
judge(const struct lane_answer *answer, bool is_write)
{
	switch (answer->outcome) {
	case LANE_OK: return PRODUCTS_OK;
	case LANE_REFUSED: return judge_error(answer, is_write);
	case LANE_FULL:
	case LANE_EXPIRED: return PRODUCTS_BUSY;
	case LANE_LATE: return PRODUCTS_SLOW;
	case LANE_DOWN: return answer->schema_missing ? PRODUCTS_NO_SCHEMA : PRODUCTS_DOWN;
	case LANE_UNKNOWN: return PRODUCTS_UNKNOWN;
	case LANE_STOPPED: break;
	}
	return PRODUCTS_DOWN;
}

static struct refusal
refusal_of(const struct lane_answer *answer, enum products_outcome outcome)
{
	const bool is_error = outcome == PRODUCTS_INVALID || outcome == PRODUCTS_CONFLICT;
	const bool is_ours = strcmp(answer->table, "products") == 0;

	return (struct refusal){
	    .sqlstate = span_str(is_error ? answer->sqlstate : ""),
	    .rule = span_str(is_error ? answer->constraint : ""),
	    .column = span_str(is_error && is_ours ? answer->column : ""),
	};
}

struct products_answer
operation_answer(const struct lane_request *request, const struct lane_answer *answer)
{
	const enum products_outcome outcome = judge(answer, request->kind->is_write);
	const struct refusal refusal = refusal_of(answer, outcome);

	if (request->kind->is_write && (refusal.sqlstate.len || outcome == PRODUCTS_LEFT_OUT))
		operation_log_refusal(answer);
	return (struct products_answer){
	    .outcome = outcome,
	    .refusal = refusal,
	    .result = answer->result,
	    .row = answer->row,
	    .n = answer->result ? (size_t)answer->n_rows : 0,
	    .retry_after_s = answer->retry_after_s,
	    .waited_us = answer->waited_us,
	    .took_us = answer->took_us,
	};
}

void
operation_no_memory(products_fn *done, void *ctx)
{
	const struct products_answer answer = {.outcome = PRODUCTS_DOWN, .retry_after_s = 1};

	log_error("store: out of memory");
	done(&answer, ctx);
}
