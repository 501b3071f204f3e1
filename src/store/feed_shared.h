/*
 * feed_shared.h - what the workers of a host share about the change feed, in the store's page of
 * the segment: who holds the feed, how far it has come, and the bell that tells the holder of
 * writes. Nothing in it is a pointer; zeros are its beginning. Runs in: workers.
 *
 * The holder is one worker, alone until its process ends or it gives the feed up: nobody takes it
 * from a process that still exists, stopped or not. So there are never two who write a place, and
 * one that was stopped in the middle of publishing goes on where it was. As long as it is stopped
 * the feed of this host stands still: nothing is lost, and changes come late.
 */
#ifndef PLAZA_STORE_FEED_SHARED_H
#define PLAZA_STORE_FEED_SHARED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proc/segment.h"

/* How far the feed has come, and in which log. */
struct feed_place {
	uint64_t log[2];  /* product_feed.log, the name of the log */
	uint64_t era;     /* 1, 2...: raised when the log is another one, or has lost its end */
	uint64_t settled; /* every change up to this seq is decided */
	/* all that see a change of those do, whose snapshot has an xmin of this at least */
	uint64_t xid;
	uint64_t published; /* up to here they are in the room; not above `settled` */
	uint64_t mark;      /* of the change `settled`, by which it is known; 0: of none */
	uint64_t is_untold; /* the room does not know that there is another era */
};

#define FEED_PLACE_WORDS 8

_Static_assert(sizeof(struct feed_place) == FEED_PLACE_WORDS * sizeof(uint64_t),
	       "a place is copied word by word");

struct feed_shared {
	_Alignas(64) _Atomic uint64_t holder; /* its pid << 32 | its slot + 1; 0: nobody */
	_Atomic uint32_t search_ready;        /* the index for ?q= is valid */
	_Atomic uint64_t looks;               /* that all holders had, counted */
	_Alignas(64) _Atomic uint64_t bell;   /* writes of this host's workers, counted */
	/* place[n_places & 1] is in force while n_places is not 0; the other one is being made */
	_Alignas(64) _Atomic uint64_t n_places;
	_Atomic uint64_t place[2][FEED_PLACE_WORDS];
};

_Static_assert(sizeof(struct feed_shared) <= SEGMENT_STORE_BYTES, "the store has one page");

/* Of this segment. */
struct feed_shared *feed_shared_of(const struct segment *segment);

/*
 * Takes the feed for the process `pid` in `slot` if nobody who lives has it. Whether it has it now.
 */
bool feed_shared_take(struct feed_shared *shared, const struct segment *segment, unsigned slot,
		      int32_t pid);
void feed_shared_give_up(struct feed_shared *shared, unsigned slot, int32_t pid);
/* The holder's slot. False when there is no holder. */
bool feed_shared_holder(const struct feed_shared *shared, unsigned *slot);

/* False: nobody has come anywhere yet. */
bool feed_shared_get(const struct feed_shared *shared, struct feed_place *place);
/* The holder alone. Killed in between it leaves the place of before. */
void feed_shared_set(struct feed_shared *shared, const struct feed_place *place);

#endif
