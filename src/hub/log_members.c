/*
 * log_members.c - joining, leaving, and who is there.
 */
#include <assert.h>
#include <string.h>

#include "hub/log_area.h"
#include "hub/log_lock.h"
#include "hub/log_rooms.h"
#include "hub/log_seats.h"

enum log_result
chat_log_join(struct chat_log *log, struct span name, unsigned slot,
	      const struct log_member *member, struct log_seat *seat)
{
	struct chat_log_area *area = log->area;

	if (name.len == 0 || name.len > CHAT_LOG_ROOM_MAX || member->name_len > CHAT_LOG_NAME_MAX)
		return LOG_TOO_LONG;
	assert(slot < CHAT_LOG_READERS);
	uint64_t hash = log_hash(area, name);
	unsigned shard = log_shard_of(hash);

	if (!log_lock(log, shard))
		return LOG_BUSY;
	uint32_t room = log_room_find(area, hash, name);

	if (!room)
		room = log_room_make(area, hash, name);
	seat->index = room ? log_seat_take(area, shard, room, slot, member) : 0;
	if (seat->index)
		seat->room = log_room_handle(area, shard, room);
	log_unlock(log, shard);
	return seat->index ? LOG_OK : LOG_FULL;
}

void
chat_log_leave(struct chat_log *log, const struct log_seat *seat)
{
	struct chat_log_area *area = log->area;
	unsigned shard = seat->room.shard;
	uint32_t room = seat->room.index % area->layout.n_rooms + 1;

	assert(shard < CHAT_LOG_SHARDS && seat->index > 0 && seat->index <= LOG_SEATS);
	if (!log_lock(log, shard)) {
		log_seat_mark(area, shard, seat->index);
		/* it may have been given back meanwhile */
		if (log_lock(log, shard))
			log_unlock(log, shard);
		return;
	}
	uint64_t word = atomic_load(&log_seat_at(area, shard, seat->index)->word);

	if (seat_state_of(word) == SEAT_USED && seat_room(word) == room)
		log_seat_give(area, shard, seat->index);
	log_unlock(log, shard);
}

enum log_result
chat_log_members(struct chat_log *log, const struct log_room *handle, size_t offset,
		 struct log_member *out, size_t max, size_t *n, uint64_t *presence_seq,
		 uint32_t *count)
{
	struct chat_log_area *area = log->area;
	const struct room_slot *room = log_room_slot_of(log, handle);
	unsigned shard = handle->shard;

	*n = 0;
	if (!room)
		return LOG_FULL;
	if (!log_lock(log, shard))
		return LOG_BUSY;
	bool is_there =
	    atomic_load_explicit(&room->incarnation, memory_order_relaxed) == handle->incarnation;

	if (is_there) {
		uint32_t at = room->members.first;

		*presence_seq = atomic_load_explicit(&room->presence_seq, memory_order_relaxed);
		*count = atomic_load_explicit(&room->n_members, memory_order_relaxed);
		for (; at && *n < max; at = log_seat_at(area, shard, at)->link.next) {
			const struct seat_slot *seat = log_seat_at(area, shard, at);
			struct log_member *m = &out[*n];

			if (offset) {
				offset--;
				continue;
			}
			m->conn = seat->conn;
			m->since_ms = seat->since_ms;
			m->name_len = seat->name_len;
			memcpy(m->name, seat->name, seat->name_len);
			(*n)++;
		}
	}
	log_unlock(log, shard);
	return is_there ? LOG_OK : LOG_FULL;
}
