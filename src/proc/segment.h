/*
 * segment.h - the memory that all processes share, made by the master before its first fork.
 *
 * It holds what must survive a worker: one slot per process, a table of the addresses whose
 * connections that process has (address_count.h), the store's page, whose layout is
 * store/feed_shared.h's own, the jobs' pages (jobs/jobs_shared.h), and the broadcast log's area,
 * whose layout is hub/log.h's own. Nothing in it is a pointer.
 */
#ifndef PLAZA_PROC_SEGMENT_H
#define PLAZA_PROC_SEGMENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Worker indices 0..63 and the executor, in two generations that may live at the same time. */
#define SEGMENT_MAX_WORKERS 64
#define SEGMENT_EXECUTOR    SEGMENT_MAX_WORKERS
#define SEGMENT_PROCESSES   (SEGMENT_MAX_WORKERS + 1)
#define SEGMENT_GENERATIONS 2
#define SEGMENT_SLOTS       (SEGMENT_PROCESSES * SEGMENT_GENERATIONS)

enum slot_state {
	SLOT_EMPTY,    /* no process, or one that died */
	SLOT_STARTING, /* forked, not serving yet */
	SLOT_READY,    /* polls its listening sockets, or claims jobs */
	SLOT_DRAINING  /* takes nothing new: an old generation, or a stop */
};

/* Whether the process of a slot must be rung (doorbell.h) to notice something new. */
enum slot_sleep { SLEEP_AWAKE, SLEEP_ASLEEP, SLEEP_RUNG };

/* A cache line of its own: written by its process, read by the others. */
struct slot {
	_Alignas(64) _Atomic int32_t pid; /* 0 when empty */
	_Atomic uint32_t generation;
	_Atomic uint32_t state; /* enum slot_state */
	_Atomic uint32_t sleep; /* enum slot_sleep */
	/* clock_monotonic_ms since when nobody serves this slot; 0 once its process is READY */
	_Atomic uint64_t empty_since_ms;
};

_Static_assert(sizeof(struct slot) == 64, "a slot is one cache line");

/* Connections by address in one slot; see address_count.h. */
#define ADDRESS_ROWS      4
#define ADDRESS_CELL_BITS 14
#define ADDRESS_CELLS     (1 << ADDRESS_CELL_BITS)

/* 256 KiB, of which those pages exist that have been counted in. */
struct address_table {
	_Atomic uint32_t cell[ADDRESS_ROWS][ADDRESS_CELLS];
};

/* What the store has there, and what the jobs have. */
#define SEGMENT_STORE_BYTES 4096
#define SEGMENT_JOBS_BYTES  ((size_t)256 << 10)

struct segment {
	struct slot *slots;              /* SEGMENT_SLOTS of them; see slot_index */
	struct address_table *addresses; /* one per slot, page-aligned */
	uint64_t address_key[2];         /* of their hash: nobody else may know it */
	void *store;                     /* page-aligned, SEGMENT_STORE_BYTES, zeros at first */
	void *jobs;                      /* the same, SEGMENT_JOBS_BYTES */
	void *log;                       /* page-aligned */
	size_t log_bytes;
};

/* NULL on failure, logged. The memory lives until the last process that maps it ends. */
struct segment *segment_new(size_t log_bytes);
/* Unmaps it here. */
void segment_free(struct segment **segment);

/* The slot of worker `worker`, or of SEGMENT_EXECUTOR, in the generation numbered `generation`. */
static inline unsigned
slot_index(unsigned worker, uint32_t generation)
{
	return generation % SEGMENT_GENERATIONS * SEGMENT_PROCESSES + worker;
}

#endif
