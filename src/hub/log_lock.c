/*
 * log_lock.c - see log_lock.h. Inside the lock there is nothing but copying and stores, so that a
 * holder can only be late by being stopped or swapped out: what is to be said is said behind it.
 */
#include "hub/log_lock.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "hub/log_record.h"
#include "hub/log_rooms.h"
#include "hub/log_seats.h"
#include "hub/log_space.h"

#define LOCK_MAX_NS (50L * 1000 * 1000)

/*
 * Its holder died. What it had committed stays; what can be told from that is made anew. May itself
 * be interrupted, and then it is done again.
 */
static void
repair(struct chat_log *log, unsigned shard)
{
	struct chat_log_area *area = log->area;
	uint32_t writing = atomic_load(&area->shard[shard].writing);

	log_seats_rebuild(area, shard);
	log_rooms_rebuild(area, shard);
	log_space_rebuild(area, shard);
	if (writing) {
		const struct room_slot *room = log_room_at(area, shard, writing);
		struct ring ring = ring_of(area, shard, atomic_load(&room->ring));
		const struct room_commit *c = &room->commit[atomic_load(&room->n_commits) & 1];

		if (ring.bytes)
			ids_rebuild(&ring, atomic_load(&room->head), atomic_load(&c->tail));
	}
	FAULT("repair: ids");
	log_notify_all(area, shard);
	FAULT("repair: told");
	log->repaired++;
}

/* Makes what the mutex has said into a lock that is good, or into none. */
static bool
has_lock(struct chat_log *log, unsigned shard, int err)
{
	struct log_shard *s = &log->area->shard[shard];

	if (err == EOWNERDEAD) {
		repair(log, shard);
		err = pthread_mutex_consistent(&s->mutex);
		log->mended[shard] = err == 0;
		if (err)
			pthread_mutex_unlock(&s->mutex);
	}
	if (err && err != EBUSY && err != ETIMEDOUT)
		log_error("chat log: shard %u cannot be locked: %s", shard, strerror(err));
	if (err)
		return false;
	FAULT("locked");
	if (atomic_load_explicit(&s->n_leaving, memory_order_relaxed))
		log_seats_sweep(log->area, shard);
	return true;
}

bool
log_lock(struct chat_log *log, unsigned shard)
{
	struct log_shard *s = &log->area->shard[shard];
	int err = pthread_mutex_trylock(&s->mutex);

	if (err == EBUSY && !log->stuck[shard]) {
		struct timespec until;

		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += LOCK_MAX_NS;
		if (until.tv_nsec >= 1000000000L) {
			until.tv_nsec -= 1000000000L;
			until.tv_sec++;
		}
		err = pthread_mutex_clocklock(&s->mutex, CLOCK_MONOTONIC, &until);
		if (err == ETIMEDOUT)
			log_warning("chat log: shard %u has been locked for 50 ms", shard);
	}
	/* wait once, not once per message: the loop has others to serve */
	log->stuck[shard] = err == EBUSY || err == ETIMEDOUT;
	return has_lock(log, shard, err);
}

void
log_unlock(struct chat_log *log, unsigned shard)
{
	struct log_shard *s = &log->area->shard[shard];

	/*
	 * Who marked a seat, and then could not have the lock, leaves it to whoever has it: one of
	 * the two sees the other.
	 */
	do {
		FAULT("unlocking");
		pthread_mutex_unlock(&s->mutex);
		FAULT("unlocked");
		log_barrier();
	} while (atomic_load_explicit(&s->n_leaving, memory_order_relaxed) &&
		 has_lock(log, shard, pthread_mutex_trylock(&s->mutex)));
	if (log->mended[shard])
		log_warning("chat log: a process died writing to shard %u; repaired", shard);
	log->mended[shard] = false;
}
