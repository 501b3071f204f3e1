/*
 * log_check.c - after a death: gives back what the dead process had, and looks whether what it left
 * can be believed.
 */
#include "base/log.h"
#include "hub/log_area.h"
#include "hub/log_lock.h"
#include "hub/log_record.h"
#include "hub/log_rooms.h"
#include "hub/log_seats.h"

/* What is looked at in one go, at some GB a second, and how many rooms without anything. */
#define SLICE_BYTES (16u << 20)
#define SLICE_ROOMS 4096

void
chat_log_recover(struct chat_log *log, unsigned slot)
{
	struct chat_log_area *area = log->area;

	for (unsigned shard = 0; shard < CHAT_LOG_SHARDS; shard++) {
		const struct log_shard *s = &area->shard[shard];
		bool have_lock = log_lock(log, shard);
		uint32_t high = atomic_load_explicit(&s->seats_high, memory_order_relaxed);

		chat_log_set_reader(log, slot, shard, 0);
		for (uint32_t i = 1; i <= high; i++) {
			uint64_t word = atomic_load(&log_seat_at(area, shard, i)->word);

			if (seat_state_of(word) == SEAT_FREE || seat_slot_of(word) != slot)
				continue;
			if (have_lock)
				log_seat_give(area, shard, i);
			else
				log_seat_mark(area, shard, i);
		}
		/* or it has been given back meanwhile */
		if (have_lock || log_lock(log, shard))
			log_unlock(log, shard);
	}
}

/*
 * Whether a room's records are what was written, from the head to the tail. Others may go on: what
 * they overwrite or move meanwhile is not looked at. With nobody at it, all is.
 */
static bool
records_are_whole(struct chat_log_area *area, unsigned shard, const struct room_slot *room)
{
	uint32_t incarnation = atomic_load(&room->incarnation);
	struct room_look look;
	struct record_head h;

	if (!(incarnation & 1) || !log_room_look(room, incarnation, &look) ||
	    (look.head == look.tail && look.tail <= LOG_POSITION_MAX))
		return true;
	struct ring ring = ring_of(area, shard, look.ring);

	if (look.head > look.tail || look.tail > LOG_POSITION_MAX || !ring.bytes ||
	    look.tail - look.head > ring_capacity(ring.order))
		return !log_room_still_has(room, incarnation, look.ring, look.head);
	uint64_t prev = look.head, seq = 0;

	for (uint64_t pos = look.head; pos < look.tail;
	     pos += record_size(h.name_len, h.id_len, h.len)) {
		ring_get(&ring, pos, &h, sizeof(h));
		bool is_good = record_is_sane(&h, pos, look.tail) &&
			       h.sum == record_sum(&ring, &h) &&
			       (pos == look.head || (h.prev == prev && h.seq == seq + 1));

		if (!log_room_still_has(room, incarnation, look.ring, pos))
			return true;
		if (!is_good)
			return false;
		prev = pos;
		seq = h.seq;
	}
	return seq == look.seq && prev == look.last;
}

/* How many bytes that were, at most. */
static uint64_t
check_room(struct chat_log *log, unsigned shard, uint32_t number)
{
	struct chat_log_area *area = log->area;
	struct room_slot *room = log_room_at(area, shard, number);
	const struct ring ring = ring_of(area, shard, atomic_load(&room->ring));
	const uint64_t bytes = ring.bytes ? ring_capacity(ring.order) : 0;
	bool is_damaged = false;

	/* once more with the lock, before anyone is told */
	if (records_are_whole(area, shard, room) || !log_lock(log, shard))
		return bytes;
	if (!records_are_whole(area, shard, room)) {
		log_room_drop_records(area, shard, number);
		atomic_store(&area->shard[shard].epoch, log_next_epoch(area, shard));
		atomic_fetch_add(&area->shard[shard].resets, 1);
		log_notify_all(area, shard);
		is_damaged = true;
	}
	log_unlock(log, shard);
	if (is_damaged)
		log_error("chat log: a room of shard %u was damaged; its messages are dropped",
			  shard);
	return bytes;
}

void
chat_log_check_begin(struct log_check *check)
{
	/* what is behind it in its shard comes last */
	check->shards_left = CHAT_LOG_SHARDS + (check->rooms > 0);
}

bool
chat_log_check(struct chat_log *log, struct log_check *check)
{
	uint64_t bytes = 0;

	for (unsigned rooms = 0; check->shards_left > 0; rooms++) {
		if (bytes >= SLICE_BYTES || rooms >= SLICE_ROOMS)
			return true;
		if (check->rooms < atomic_load(&log->area->shard[check->shard].rooms_high)) {
			bytes += check_room(log, check->shard, ++check->rooms);
			continue;
		}
		check->rooms = 0;
		check->shard = (check->shard + 1) % CHAT_LOG_SHARDS;
		check->shards_left--;
	}
	return false;
}

uint64_t
chat_log_resets(const struct chat_log *log)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < CHAT_LOG_SHARDS; i++)
		n += atomic_load_explicit(&log->area->shard[i].resets, memory_order_relaxed);
	return n;
}
