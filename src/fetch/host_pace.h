/*
 * host_pace.h - how hosts want to be asked: not before the time of their Retry-After, and not at
 * all while nobody answers there (circuit breaker). Pure: the caller has the clock.
 *
 * A host is an origin as fetch_url_origin writes it. Only those are remembered about which there is
 * something to remember, PACE_HOSTS at most; when there are more, the others are let through.
 *
 * The breaker looks at connections alone: a host whose name is not found, that refuses, or that
 * does not answer a connect PACE_FAILURES times in a row is down, and nothing is sent to it for
 * PACE_DOWN_MS, the double after each failure then, up to PACE_DOWN_MAX_MS. After that one may try.
 * Whatever answers, an error status too, is up; and a host that only answers slowly is not down,
 * for that may be one URL's own.
 */
#ifndef PLAZA_FETCH_HOST_PACE_H
#define PLAZA_FETCH_HOST_PACE_H

#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

#define PACE_HOSTS       4096
#define PACE_FAILURES    5
#define PACE_DOWN_MS     5000
#define PACE_DOWN_MAX_MS 60000
/* A Retry-After beyond that counts as this: who has asked for a year is asked again. */
#define PACE_PAUSE_MAX_MS 300000

struct pace;

enum pace_answer {
	PACE_GO,
	PACE_WAIT, /* it has asked for a pause */
	PACE_DOWN
};

struct pace *pace_new(void); /* NULL on out-of-memory */
void pace_free(struct pace **pace);

/*
 * Whether a request may go there now, and if not, in how many milliseconds. GO for a host that was
 * down is the one try: until it is told how that went, or some time has passed, others get DOWN.
 */
enum pace_answer pace_ask(struct pace *pace, struct span host, uint64_t now_ms, uint64_t *wait_ms);

/* What has become of a request. Whoever was cancelled says nothing. */
void pace_answered(struct pace *pace, struct span host);
void pace_unreachable(struct pace *pace, struct span host, uint64_t now_ms);
/* It has asked for a pause of `ms`. */
void pace_pause(struct pace *pace, struct span host, uint64_t now_ms, uint64_t ms);

#endif
