/*
 * credits.h - bounds that hold for a host, exactly: how many jobs run, how many transfers there
 * are, how many to one origin. Runs in: executor; cleared by the master.
 *
 * A host has one executor, and two while the old one of a reload drains. A bound is one word of the
 * segment with a half for each of them (its side: the parity of its generation). Who wants one more
 * raises its own half by a compare-and-swap that sees both; so there are never more than the limit,
 * and what a killed executor held is its half, which the master clears when it buries it.
 */
#ifndef PLAZA_JOBS_CREDITS_H
#define PLAZA_JOBS_CREDITS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "proc/doorbell.h"
#include "proc/segment.h"

#define CREDIT_ORIGINS 1024

struct credit {
	_Atomic uint64_t halves; /* of side 0 the lower one */
};

/* In the jobs' page of the segment; zeros are its beginning. */
struct credits_shared {
	_Alignas(64) struct credit jobs;
	_Alignas(64) struct credit transfers;
	_Alignas(
	    64) _Atomic uint32_t wants[SEGMENT_GENERATIONS]; /* was refused, waits for a ring */
	_Alignas(64) struct credit origin[CREDIT_ORIGINS];
};

/* One executor's way to them. */
struct credits {
	struct credits_shared *shared;
	const struct segment *segment;
	const struct doorbell *bell;
	unsigned side;
};

/*
 * One more of this cell. False when there are `limit` already; if the other executor has some of
 * them, it rings when it gives one back, and the kinds' `credit` is called: at any ring, at most
 * one of which is for a credit.
 */
bool credit_take(const struct credits *credits, struct credit *cell, uint32_t limit)
    __attribute__((warn_unused_result));
/* Up to `n` of them; how many. If that is less than `n`, it is rung for, as above. */
uint32_t credit_take_some(const struct credits *credits, struct credit *cell, uint32_t limit,
			  uint32_t n) __attribute__((warn_unused_result));
/* It holds that many, or one. */
void credit_give_some(const struct credits *credits, struct credit *cell, uint32_t n);
void credit_give(const struct credits *credits, struct credit *cell);
/* Of both sides. */
uint32_t credit_used(const struct credit *cell);

/* The cell of an origin, "host:port" in lower case. Two may share one: it is only stricter then. */
struct credit *credit_origin(const struct credits *credits, struct span origin);

/* In the master: the process of this side is dead, and what it held is free. */
void credits_clear(struct credits_shared *shared, const struct doorbell *bell, unsigned side);

#endif
