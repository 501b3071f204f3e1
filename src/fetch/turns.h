/*
 * turns.h - who of those that want to transfer something goes next: in the order in which they
 * asked, but for those whose origin has enough. How many that is, is for two callbacks to say,
 * which count over all processes of the host. Pure.
 */
#ifndef PLAZA_FETCH_TURNS_H
#define PLAZA_FETCH_TURNS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"

enum turn_answer {
	TURN_TAKEN,
	TURN_ORIGIN_FULL, /* another origin may have room */
	TURN_FULL
};

struct turns_events {
	enum turn_answer (*take)(struct span origin, void *ctx);
	void (*give)(struct span origin, void *ctx);
};

/* Embedded in its owner; all zeros: it wants nothing and has nothing. */
struct turn {
	struct turn *next, **self; /* while it waits */
	bool is_held;
	struct span origin; /* stays the owner's until it leaves */
	/* It is its turn: one transfer to its origin. May leave at once. */
	void (*go)(struct turn *turn);
};

struct turns {
	const struct turns_events *events;
	void *ctx;
	struct turn *first, **end;
	bool is_pumping, again;
};

void turns_init(struct turns *turns, const struct turns_events *events, void *ctx);

/* Calls `go`, now or later. It must not be waiting or held. */
void turn_ask(struct turns *turns, struct turn *turn, struct span origin,
	      void (*go)(struct turn *turn));
/* Waits no more, or gives back what it has. Idempotent. */
void turn_leave(struct turns *turns, struct turn *turn);
/* There may be room that was not there. */
void turns_pump(struct turns *turns);

/* In between nobody gets a turn, so that many can leave together. */
void turns_hold(struct turns *turns);
void turns_release(struct turns *turns);

static inline bool
turns_wait(const struct turns *turns)
{
	return turns->first != NULL;
}

#endif
