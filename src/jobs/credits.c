/*
 * credits.c - see credits.h. Everything is lock-free: a process may be killed, or stopped, between
 * any two of these steps, and all that it leaves behind is in its own half.
 */
#include "jobs/credits.h"

#include <assert.h>

#include "base/siphash.h"

static uint32_t
half_of(uint64_t halves, unsigned side)
{
	return (uint32_t)(halves >> (side * 32));
}

static uint64_t
of_side(uint32_t n, unsigned side)
{
	return (uint64_t)n << (side * 32);
}

/* By `n`, or by as many as there are below the limit. */
static uint32_t
raise_half(struct credit *cell, unsigned side, uint32_t limit, uint32_t n)
{
	uint64_t halves = atomic_load(&cell->halves);
	uint32_t can;

	do {
		const uint64_t used = (uint64_t)half_of(halves, 0) + half_of(halves, 1);

		if (used >= limit)
			return 0;
		can = limit - (uint32_t)used < n ? limit - (uint32_t)used : n;
	} while (
	    !atomic_compare_exchange_weak(&cell->halves, &halves, halves + of_side(can, side)));
	return can;
}

uint32_t
credit_take_some(const struct credits *credits, struct credit *cell, uint32_t limit, uint32_t n)
{
	uint32_t got = raise_half(cell, credits->side, limit, n);

	if (got == n)
		return got;
	/* first said, then looked again: whoever gives one in between sees it, or we see that one
	 */
	atomic_store(&credits->shared->wants[credits->side], 1);
	return got + raise_half(cell, credits->side, limit, n - got);
}

bool
credit_take(const struct credits *credits, struct credit *cell, uint32_t limit)
{
	return credit_take_some(credits, cell, limit, 1) == 1;
}

static void
ring_other(struct credits_shared *shared, const struct doorbell *bell, unsigned side)
{
	if (atomic_load(&shared->wants[side]) && atomic_exchange(&shared->wants[side], 0))
		doorbell_ring(bell, slot_index(SEGMENT_EXECUTOR, side));
}

void
credit_give_some(const struct credits *credits, struct credit *cell, uint32_t n)
{
	const uint64_t before = atomic_fetch_sub(&cell->halves, of_side(n, credits->side));

	assert(half_of(before, credits->side) >= n);
	ring_other(credits->shared, credits->bell, credits->side ^ 1);
}

void
credit_give(const struct credits *credits, struct credit *cell)
{
	credit_give_some(credits, cell, 1);
}

uint32_t
credit_used(const struct credit *cell)
{
	const uint64_t halves = atomic_load(&cell->halves);

	return half_of(halves, 0) + half_of(halves, 1);
}

struct credit *
credit_origin(const struct credits *credits, struct span origin)
{
	/* keyed, so that nobody can choose names that share a cell with another's */
	const uint64_t hash = siphash(credits->segment->address_key, origin.ptr, origin.len);

	return &credits->shared->origin[hash % CREDIT_ORIGINS];
}

static void
clear_half(struct credit *cell, unsigned side)
{
	atomic_fetch_and(&cell->halves, ~(UINT64_C(0xffffffff) << (side * 32)));
}

void
credits_clear(struct credits_shared *shared, const struct doorbell *bell, unsigned side)
{
	clear_half(&shared->jobs, side);
	clear_half(&shared->transfers, side);
	for (unsigned i = 0; i < CREDIT_ORIGINS; i++)
		clear_half(&shared->origin[i], side);
	atomic_store(&shared->wants[side], 0);
	ring_other(shared, bell, side ^ 1);
}
