/*
 * job_told.c - one short object.
 */
#include "jobs/job_told.h"

#include "base/put.h"
#include "http/json_string.h"
#include "queue/queue.h"

_Static_assert(2 * JSON_STRING_ROOM(JOB_NAME_MAX) + UUID_TEXT_SIZE + 120 <= JOB_TOLD_SIZE,
	       "a message has room");

/* Names are short; others than ours may have put longer ones. */
static char *
put_name(char *p, struct span name)
{
	return json_string_put(
	    p, span_from(name.ptr, name.len < JOB_NAME_MAX ? name.len : JOB_NAME_MAX));
}

static const char *
state_name(enum job_state state)
{
	if (state == JOB_STATE_CANCELLING || state == JOB_STATE_PROGRESS)
		state = JOB_STATE_RUNNING;
	return job_state_name(state);
}

struct span
job_told_json(const struct job_told *told, char text[JOB_TOLD_SIZE])
{
	const char *state = state_name(told->state);
	char *p = PUT_LIT(text, "{\"id\":\"");

	uuid_print(told->id, p);
	p += UUID_TEXT_SIZE - 1;
	p = PUT_LIT(p, "\",\"kind\":");
	p = put_name(p, told->kind);
	p = PUT_LIT(p, ",\"queue\":");
	p = put_name(p, told->queue);
	p = PUT_LIT(p, ",\"state\":\"");
	p = put(p, state, strlen(state));
	p = PUT_LIT(p, "\"");
	if (told->progress >= 0) {
		p = PUT_LIT(p, ",\"progress\":{\"pct\":");
		p = put_number(p, (uint64_t)told->progress);
		p = PUT_LIT(p, "}");
	}
	p = PUT_LIT(p, "}");
	return span_from(text, (size_t)(p - text));
}
