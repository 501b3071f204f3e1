/*
 * jobs_shared.h - what the processes of a host share about jobs, in the jobs' pages of the segment:
 * credits, who the executors are, how full each queue is, and the news of what has changed. Nothing
 * in it is a pointer; zeros are its beginning. Runs in: workers, executors, and the master for the
 * dead.
 *
 * All of it is an estimate or a hint but for the credits: the database is right. So nothing here
 * needs a lock, and a process that is killed or stopped anywhere spoils nothing.
 */
#ifndef PLAZA_JOBS_JOBS_SHARED_H
#define PLAZA_JOBS_JOBS_SHARED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "base/uuid.h"
#include "jobs/credits.h"
#include "proc/doorbell.h"
#include "proc/segment.h"
#include "queue/job_state.h"

#define JOB_QUEUES         256
#define JOB_QUEUE_NAME_MAX 64
#define JOB_NEWS           4096
#define JOB_DEAD           8

struct job_queue_cell {
	_Atomic uint64_t hash; /* of its name, keyed; 0: free and never used; 1: free again */
	_Atomic uint64_t name[JOB_QUEUE_NAME_MAX / 8]; /* its bytes */
	_Atomic uint32_t name_len;                     /* 0: not written yet */
	_Atomic uint32_t is_paused;
	_Atomic int64_t depth;      /* ready and later */
	_Atomic uint64_t arrived;   /* jobs for executors that have become ready, counted */
	_Atomic uint64_t arrived_w; /* the same for workers over HTTP */
	_Atomic int64_t limit;      /* of depth, as the queue has it; 0: the conf's */
	_Atomic uint64_t drained;   /* jobs that were claimed, counted */
	_Atomic uint64_t rate;      /* of them in a second, in thousandths; 0: nothing is known */
};

/* A place of the ring; see jobs_tell. */
struct job_news_cell {
	_Atomic uint64_t seq; /* of what stands here, from 1 on; stored last */
	_Atomic uint64_t id[2];
	_Atomic uint64_t check; /* the state, and a sum of all of it */
};

struct job_executor_cell {
	_Alignas(64) _Atomic int64_t worker; /* its number in the database; 0: none */
	/* enum slot_sleep; the one in its slot says AWAKE always, so that no chat wakes it */
	_Atomic uint32_t sleep;
};

struct jobs_shared {
	struct credits_shared credits;
	/* by clock_monotonic_ms: until then what connections there are are for the products */
	_Atomic uint64_t held_until_ms;
	struct job_executor_cell executor[SEGMENT_GENERATIONS]; /* by side */
	_Atomic int64_t
	    dead[JOB_DEAD]; /* numbers of dead executors, whose jobs are to be rescued */
	_Alignas(
	    64) _Atomic uint64_t arrivals; /* raised with each `arrived` of a queue, after it */
	_Alignas(64) _Atomic uint64_t n_news;
	_Alignas(64) struct job_news_cell news[JOB_NEWS];
	_Alignas(64) struct job_queue_cell queue[JOB_QUEUES];
};

_Static_assert(sizeof(struct jobs_shared) <= SEGMENT_JOBS_BYTES, "the jobs have these pages");

/* Of this segment. */
struct jobs_shared *jobs_shared_of(const struct segment *segment);

/* ---- executors ---- */

/* The process of `side` is one with this number; 0: it has given back all that it had. */
void jobs_set_worker(struct jobs_shared *shared, unsigned side, int64_t worker);
/* In the master, when the executor of a side has ended: what it had is free, its jobs are to be
 * rescued at once. */
void jobs_bury(const struct segment *segment, const struct doorbell *bell, unsigned side);
/* In each of JOB_DEAD places, the number of one whose jobs are to be rescued; 0: none. */
int64_t jobs_dead(const struct jobs_shared *shared, unsigned place);
/* They have been. */
void jobs_forget_dead(struct jobs_shared *shared, int64_t worker);
/* In an executor: what it says of itself before and after it blocks; then it looks once more. */
void jobs_sleep(struct jobs_shared *shared, unsigned side, enum slot_sleep sleep);
/* Wakes the executors, if they sleep: jobs have become ready, or a running one is cancelled. */
void jobs_ring(const struct segment *segment, const struct doorbell *bell);

/* ---- queues ---- */

/*
 * The cell of a queue. `make`: a new one when it has none. NULL: it has none, or the table is full.
 * Nobody keeps it over a turn of the loop: a queue that is gone loses its cell.
 */
struct job_queue_cell *jobs_queue(const struct segment *segment, struct span name, bool make);
/* Writes the name of cell `i` of the table; its length, 0 when the cell is free. */
size_t jobs_queue_name(const struct segment *segment, unsigned i, char name[JOB_QUEUE_NAME_MAX]);
/*
 * What the database says of a queue. `asked` is the cell's depth as it was when the database was
 * asked: what has come and left since is kept, for the answer may know nothing of it.
 */
void jobs_queue_set(struct job_queue_cell *cell, int64_t asked, int64_t depth, int64_t limit,
		    bool is_paused);
/* `n` jobs are on their way: they take their room already, and jobs_queue_ready follows, or _leave.
 */
void jobs_queue_expect(struct job_queue_cell *cell, uint64_t n);
/* `n` jobs have come, for `hand` 'p' or 'w', at once or later. Then call jobs_ring. */
void jobs_queue_put(struct jobs_shared *shared, struct job_queue_cell *cell, uint64_t n, char hand);
/* `n` of those that it has counted are ready now; or, with 0, some may be that were not before. */
void jobs_queue_ready(struct jobs_shared *shared, struct job_queue_cell *cell, uint64_t n,
		      char hand);
/* `n` jobs have left in another way than by being claimed. */
void jobs_queue_leave(struct job_queue_cell *cell, uint64_t n);
/* `n` jobs were claimed. */
void jobs_queue_drain(struct job_queue_cell *cell, uint64_t n);
/* The queue has no jobs and no settings any more. */
void jobs_queue_forget(struct job_queue_cell *cell);
/* How many of `n` more jobs it takes when the conf allows `limit_conf`. */
int64_t jobs_queue_room(const struct job_queue_cell *cell, int64_t limit_conf, int64_t n);
/* For those that it does not take: seconds, 1 to 60, until `n` jobs have left at the last rate. */
unsigned jobs_queue_retry_after_s(const struct job_queue_cell *cell, int64_t n);

/* ---- news ---- */

struct job_news {
	struct uuid id;
	enum job_state state;
};

/* Who reads on from `seq`; `stuck_ms` is jobs_read_news's. */
struct jobs_reader {
	uint64_t seq;
	uint64_t stuck_ms;
};

/*
 * After the commit of a change. The caller rings (doorbell_ring_sleepers, and the executors for a
 * cancel) when it has told all that it has.
 */
void jobs_tell(struct jobs_shared *shared, const struct job_news *news);

/* One who wants nothing from before. */
void jobs_reader_init(struct jobs_reader *reader, const struct jobs_shared *shared);
/* Whether there is more than it has read. */
bool jobs_has_news(const struct jobs_shared *shared, const struct jobs_reader *reader);
/*
 * Reads on, at most `max`; returns how many. *missed: some were not to be had (the reader was
 * lapped, or their writer died over them): ask the database for all that is waited for. News that
 * is being written is waited for, up to a moment: come again while there is more.
 */
size_t jobs_read_news(const struct jobs_shared *shared, struct jobs_reader *reader, uint64_t now_ms,
		      struct job_news *news, size_t max, bool *missed);

#endif
