/*
 * log_rooms.h - a shard's table of rooms: by name, by how long ago they were used, by the size of
 * their rings. All with the shard's lock, but for what says otherwise.
 */
#ifndef PLAZA_HUB_LOG_ROOMS_H
#define PLAZA_HUB_LOG_ROOMS_H

#include "hub/log_area.h"
#include "hub/log_record.h"

uint64_t log_hash(const struct chat_log_area *area, struct span name);
/* An epoch that has not been; never 0. */
uint64_t log_next_epoch(const struct chat_log_area *area, unsigned shard);

/* What a room's readers know of it, all from between the same two messages. */
struct room_look {
	uint64_t ring, head;
	uint64_t tail, seq, ts_ms, last;
};

/* Lock-free. False: `incarnation` is not there any more. */
bool log_room_look(const struct room_slot *room, uint32_t incarnation, struct room_look *look);

/* After copying out of a ring from `pos` on: whether that was still there, in that ring. Lock-free.
 */
static inline bool
log_room_still_has(const struct room_slot *room, uint32_t incarnation, uint64_t ring, uint64_t pos)
{
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&room->head, memory_order_relaxed) <= pos &&
	       atomic_load_explicit(&room->ring, memory_order_relaxed) == ring &&
	       atomic_load_explicit(&room->incarnation, memory_order_relaxed) == incarnation;
}

/* Puts another commit in place of the present one. */
void log_room_commit(struct room_slot *room, uint64_t tail, uint64_t seq, uint64_t ts_ms,
		     uint64_t last);

static inline bool
log_room_is_used(const struct room_slot *room)
{
	return atomic_load_explicit(&room->incarnation, memory_order_relaxed) & 1;
}

/* The slot that a log_room means, or NULL if its numbers are out of all bounds. Lock-free. */
struct room_slot *log_room_slot_of(const struct chat_log *log, const struct log_room *room);
/* And back. */
struct log_room log_room_handle(struct chat_log_area *area, unsigned shard, uint32_t number);

/* The number, or 0. */
uint32_t log_room_find(struct chat_log_area *area, uint64_t hash, struct span name);
/* Where there is none of that name. 0 if all rooms of the shard have members. */
uint32_t log_room_make(struct chat_log_area *area, uint64_t hash, struct span name);
/* Of one without members. */
void log_room_evict(struct chat_log_area *area, unsigned shard, uint32_t number);

/* It was used, has its first member or lost its last, has its first message or lost all. */
void log_room_touch(struct chat_log_area *area, unsigned shard, uint32_t number);

/* Gives it another ring, or none (LOG_POOL_NONE); what was in the old one is the pool's. */
void log_room_set_ring(struct chat_log_area *area, unsigned shard, uint32_t number, uint32_t unit,
		       unsigned order);
/* Forgets all of a room's messages. */
void log_room_drop_records(struct chat_log_area *area, unsigned shard, uint32_t number);

/* Everything that is derived, but for the members. */
void log_rooms_rebuild(struct chat_log_area *area, unsigned shard);

#endif
