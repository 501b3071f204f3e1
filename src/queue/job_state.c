/*
 * job_state.c - the states by name, as clients see them.
 */
#include "queue/job_state.h"

#include <stddef.h>

static const struct {
	enum job_state state;
	const char *name;
} states[] = {
    {JOB_STATE_QUEUED, "queued"},       {JOB_STATE_SCHEDULED, "scheduled"},
    {JOB_STATE_RUNNING, "running"},     {JOB_STATE_DONE, "done"},
    {JOB_STATE_FAILED, "failed"},       {JOB_STATE_DEAD, "dead"},
    {JOB_STATE_CANCELLED, "cancelled"},
};

#define STATES (sizeof(states) / sizeof(states[0]))

const char *
job_state_name(enum job_state state)
{
	/* to others both are running jobs */
	for (size_t i = 0; i < STATES; i++) {
		if (states[i].state == state)
			return states[i].name;
	}
	return "running";
}

bool
job_state_parse(struct span name, enum job_state *state)
{
	for (size_t i = 0; i < STATES; i++) {
		if (span_eq(name, span_str(states[i].name))) {
			*state = states[i].state;
			return true;
		}
	}
	return false;
}
