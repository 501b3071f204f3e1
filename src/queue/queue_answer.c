/*
 * queue_answer.c - what the errors of lanes and of the server mean for whoever asked.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "queue/queue_private.h"

#define LOG_QUIET_MS 10000
/* Somebody has to grant it; or jobs are not wanted here. */
#define LOG_DENIED_MS 3600000

static bool
has_class(const char *sqlstate, const char *sqlstate_class)
{
	return strncmp(sqlstate, sqlstate_class, strlen(sqlstate_class)) == 0;
}

/* Any client may cause one, many a second: a line now and then, and at once for another error. */
static void
log_refusal(const struct lane_answer *answer)
{
	static char last[6] = "none";
	static uint64_t quiet_until_ms;
	const uint64_t now_ms = clock_monotonic_ms();

	if (strcmp(answer->sqlstate, last) == 0 && now_ms < quiet_until_ms)
		return;
	snprintf(last, sizeof(last), "%s", answer->sqlstate);
	const bool is_denied = has_class(answer->sqlstate, "42501");
	quiet_until_ms = now_ms + (is_denied ? LOG_DENIED_MS : LOG_QUIET_MS);
	if (is_denied)
		log_error("jobs: %s: no jobs until their owner runs the grants at the end of what "
			  "plazad -S prints (plazad(8))",
			  answer->message);
	else
		log_error("jobs: the database reports %s: %s",
			  last[0] ? last : "an error without a code", answer->message);
}

/* PostgreSQL's appendix A, "Error Codes" */
static enum queue_outcome
judge_error(const struct lane_answer *answer)
{
	const char *s = answer->sqlstate;

	/* canceled, lock not available, serialization failure, deadlock */
	if (has_class(s, "57014") || has_class(s, "55P03") || has_class(s, "40"))
		return QUEUE_BUSY;
	log_refusal(answer);
	/* a right that is missing; a full disk, no memory; a standby; shutting down */
	if (has_class(s, "42501") || has_class(s, "53") || has_class(s, "25006") ||
	    has_class(s, "57P"))
		return QUEUE_DOWN;
	return QUEUE_REFUSED;
}

static enum queue_outcome
judge(const struct lane_answer *answer)
{
	switch (answer->outcome) {
	case LANE_OK: return QUEUE_OK;
	case LANE_REFUSED: return judge_error(answer);
	case LANE_FULL:
	case LANE_EXPIRED:
	case LANE_LATE: return QUEUE_BUSY;
	case LANE_UNKNOWN: return QUEUE_UNKNOWN;
	case LANE_DOWN:
	case LANE_STOPPED: break;
	}
	return QUEUE_DOWN;
}

struct queue_answer
queue_judge(const struct lane_answer *answer)
{
	return (struct queue_answer){
	    .outcome = judge(answer),
	    .retry_after_s = answer->retry_after_s ? answer->retry_after_s : 1,
	    .waited_us = answer->waited_us,
	    .took_us = answer->took_us,
	};
}

struct queue_answer
queue_no_memory(void)
{
	log_error("jobs: out of memory");
	return (struct queue_answer){.outcome = QUEUE_DOWN, .retry_after_s = 1};
}
