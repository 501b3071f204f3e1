/*
 * deadline.h - many timeouts of the same length, at the price of a list move.
 *
 * A deadline_list holds every deadline of one duration in order of expiry (whoever is armed last
 * expires last), with one timer of the loop for its head. Arming again moves the deadline to the
 * tail: no heap, no system call; and within the slack of the last time not even that, so that
 * what is armed again and again touches no neighbour's memory. Expiry is never early, and late by
 * up to the slack: a sixty-fourth of the duration, at most half a second.
 */
#ifndef PLAZA_BASE_DEADLINE_H
#define PLAZA_BASE_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"

/*
 * So many expire in one callback, and then the loop turns: clients that connect together would
 * otherwise keep all others waiting when they run out of time together.
 */
#define DEADLINE_BATCH 32

struct deadline_list;

/* Embedded in its owner; all zeros is "not armed". */
struct deadline {
	struct deadline *prev, *next;
	struct deadline_list *list; /* NULL when not armed */
	uint64_t expires_ms;
};

struct deadline_list {
	struct deadline head; /* a ring; head.next expires first */
	struct loop *loop;
	struct watch timer;
	uint64_t duration_ms;
	uint64_t slack_ms;
	/* `d` is not armed any more when this is called; it may arm or free itself or others. */
	void (*on_expired)(struct deadline *d, void *ctx);
	void *ctx;
};

void deadline_list_init(struct deadline_list *list, struct loop *loop, uint64_t duration_ms,
			const char *name, void (*on_expired)(struct deadline *d, void *ctx),
			void *ctx);
/* Disarms all that is left, calls nobody. */
void deadline_list_fini(struct deadline_list *list);

/* From now (loop_now_ms) on; moves it if it is armed, from whichever list. */
void deadline_arm(struct deadline *d, struct deadline_list *list);
/* Idempotent. */
void deadline_disarm(struct deadline *d);

/* At least how long ago it was armed; it may be the slack more. It is armed. */
uint64_t deadline_age_ms(const struct deadline *d);

static inline bool
deadline_armed(const struct deadline *d)
{
	return d->list != NULL;
}

#endif
