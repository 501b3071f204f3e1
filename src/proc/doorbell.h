/*
 * doorbell.h - eventfds that wake processes: one per slot and one for the master, all made before
 * the first fork and inherited by all.
 */
#ifndef PLAZA_PROC_DOORBELL_H
#define PLAZA_PROC_DOORBELL_H

#include <stdbool.h>

#include "proc/segment.h"

#define DOORBELL_MASTER SEGMENT_SLOTS

struct doorbell {
	int fd[SEGMENT_SLOTS + 1]; /* the last one is the master's */
};

/* Non-blocking, close-on-exec. False on failure, logged. */
bool doorbell_init(struct doorbell *bell);

/* Wakes whoever watches that bell; never blocks. */
void doorbell_ring(const struct doorbell *bell, unsigned slot);

/* Takes back all rings so far; call it first in the read callback. */
void doorbell_answer(const struct doorbell *bell, unsigned slot);

/*
 * Rings a slot whose process said that it was about to sleep, and just once until it has slept
 * again. Call it after publishing something in the segment. Whether it did.
 */
bool doorbell_ring_sleeper(const struct doorbell *bell, const struct segment *segment,
			   unsigned slot);

/*
 * The same for every slot other than `self`. Returns how many.
 */
unsigned doorbell_ring_sleepers(const struct doorbell *bell, const struct segment *segment,
				unsigned self);

#endif
