/*
 * feed_shared.c - the seat of the holder, and a place that is read whole while it is written.
 */
#include "store/feed_shared.h"

#include <string.h>

struct feed_shared *
feed_shared_of(const struct segment *segment)
{
	return segment->store;
}

static uint64_t
holder_word(unsigned slot, int32_t pid)
{
	return (uint64_t)(uint32_t)pid << 32 | (slot + 1);
}

/* Its master has buried it, or another process is in its place. */
static bool
is_dead(const struct segment *segment, uint64_t holder)
{
	const uint32_t slot = (uint32_t)holder - 1;

	return slot >= SEGMENT_SLOTS ||
	       (uint32_t)atomic_load(&segment->slots[slot].pid) != holder >> 32;
}

bool
feed_shared_take(struct feed_shared *shared, const struct segment *segment, unsigned slot,
		 int32_t pid)
{
	const uint64_t own = holder_word(slot, pid);
	uint64_t holder = atomic_load(&shared->holder);

	/* our own word, when we have not taken it, is that of a dead one with our pid */
	if (holder != 0 && holder != own && !is_dead(segment, holder))
		return false;
	return atomic_compare_exchange_strong(&shared->holder, &holder, own);
}

void
feed_shared_give_up(struct feed_shared *shared, unsigned slot, int32_t pid)
{
	uint64_t own = holder_word(slot, pid);

	atomic_compare_exchange_strong(&shared->holder, &own, 0);
}

bool
feed_shared_holder(const struct feed_shared *shared, unsigned *slot)
{
	const uint64_t holder = atomic_load_explicit(&shared->holder, memory_order_relaxed);

	*slot = (uint32_t)holder - 1;
	return holder != 0 && *slot < SEGMENT_SLOTS;
}

bool
feed_shared_get(const struct feed_shared *shared, struct feed_place *place)
{
	uint64_t words[FEED_PLACE_WORDS], n, after;

	do {
		n = atomic_load_explicit(&shared->n_places, memory_order_acquire);
		for (size_t i = 0; i < FEED_PLACE_WORDS; i++)
			words[i] =
			    atomic_load_explicit(&shared->place[n & 1][i], memory_order_relaxed);
		/* whoever has read a word of the next but one place sees that n_places has risen */
		atomic_thread_fence(memory_order_acquire);
		after = atomic_load_explicit(&shared->n_places, memory_order_relaxed);
	} while (after != n);
	memcpy(place, words, sizeof(words));
	return n != 0;
}

void
feed_shared_set(struct feed_shared *shared, const struct feed_place *place)
{
	const uint64_t n = atomic_load_explicit(&shared->n_places, memory_order_relaxed) + 1;
	uint64_t words[FEED_PLACE_WORDS];

	memcpy(words, place, sizeof(words));
	/* not before the n_places of the place that is in force */
	atomic_thread_fence(memory_order_release);
	for (size_t i = 0; i < FEED_PLACE_WORDS; i++)
		atomic_store_explicit(&shared->place[n & 1][i], words[i], memory_order_relaxed);
	atomic_store_explicit(&shared->n_places, n, memory_order_release);
}
