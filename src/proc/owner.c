/*
 * owner.c - see owner.h.
 */
#include "proc/owner.h"

#include <stdbool.h>

static bool
is_ready(const struct slot *slot, uint32_t generation)
{
	return slot->state == SLOT_READY && slot->generation == generation;
}

unsigned
socket_owner(const struct segment *segment, uint32_t generation, unsigned workers, unsigned socket,
	     uint64_t now_ms)
{
	if (socket < workers) {
		const struct slot *slot = &segment->slots[slot_index(socket, generation)];
		uint64_t since_ms = slot->empty_since_ms;

		if (is_ready(slot, generation) || since_ms + OWNER_VACANT_MS > now_ms)
			return socket;
	}
	for (unsigned i = 0; i < workers; i++) {
		unsigned worker = (socket + i) % workers;

		if (is_ready(&segment->slots[slot_index(worker, generation)], generation))
			return worker;
	}
	return workers;
}
