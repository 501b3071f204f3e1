/*
 * log_space.c - see log_space.h. A room's records move to another ring by copying them there and
 * then naming the new one: who dies before has moved nothing, and who dies after has only left
 * something in the pool that nobody has.
 */
#include "hub/log_space.h"

#include <string.h>

#include "hub/log_pool.h"
#include "hub/log_record.h"
#include "hub/log_rooms.h"

static uint64_t
room_tail(const struct room_slot *room)
{
	uint64_t n = atomic_load_explicit(&room->n_commits, memory_order_relaxed);

	return atomic_load_explicit(&room->commit[n & 1].tail, memory_order_relaxed);
}

static uint64_t
room_ts_ms(const struct room_slot *room)
{
	uint64_t n = atomic_load_explicit(&room->n_commits, memory_order_relaxed);

	return atomic_load_explicit(&room->commit[n & 1].ts_ms, memory_order_relaxed);
}

static struct ring
room_ring(struct chat_log_area *area, unsigned shard, const struct room_slot *room)
{
	return ring_of(area, shard, atomic_load_explicit(&room->ring, memory_order_relaxed));
}

/* Raises the head until no more than `max` bytes are kept. */
static void
forget_beyond(const struct ring *ring, struct room_slot *room, uint64_t max)
{
	uint64_t head = atomic_load_explicit(&room->head, memory_order_relaxed);
	uint64_t tail = room_tail(room);
	struct record_head h;

	if (tail - head <= max)
		return;
	while (tail - head > max) {
		ring_get(ring, head, &h, sizeof(h));
		head = record_is_sane(&h, head, tail)
			   ? head + record_size(h.name_len, h.id_len, h.len)
			   : tail;
	}
	atomic_store_explicit(&room->head, head, memory_order_release);
	/* no byte changes before every reader can see that it will */
	log_barrier();
	FAULT("head");
}

/* Moves what is kept into another block, but for what would leave no place for `need`. */
static void
move(struct chat_log_area *area, unsigned shard, uint32_t number, uint32_t unit, unsigned order,
     uint64_t need)
{
	struct room_slot *room = log_room_at(area, shard, number);
	struct ring from = room_ring(area, shard, room);
	struct ring to = ring_of(area, shard, ring_word(0, unit, order));
	uint64_t tail = room_tail(room);

	if (from.bytes)
		forget_beyond(&from, room, ring_capacity(order) - need);
	uint64_t head = atomic_load_explicit(&room->head, memory_order_relaxed);

	/* those who still read what was in here must find that it is theirs no more */
	log_barrier();
	for (uint64_t pos = head; pos < tail;) {
		uint64_t offset = ring_offset(from.order, pos);
		uint64_t n = ring_capacity(from.order) - offset;

		if (n > tail - pos)
			n = tail - pos;
		ring_put(&to, pos, from.bytes + offset, (size_t)n);
		pos += n;
		FAULT("move: some");
	}
	ids_rebuild(&to, head, tail);
	FAULT("move: copied");
	log_room_set_ring(area, shard, number, unit, order);
}

/* The room with the largest ring gives half of it, if it then still has as much as `order`. */
static bool
halve_largest(struct chat_log_area *area, unsigned shard, unsigned order)
{
	const struct log_list *peers = area->shard[shard].peers;
	unsigned largest = area->layout.max_order;

	while (largest > order && !peers[largest].first)
		largest--;
	if (largest == order)
		return false;
	uint32_t number = peers[largest].first;

	/* by way of the spare block: two halves of one cannot be sorted out in place */
	move(area, shard, number, log_pool_spare(area), largest - 1, 0);
	FAULT("halve: spare");
	uint32_t unit = log_pool_take(area, shard, largest - 1);

	if (unit != LOG_POOL_NONE)
		move(area, shard, number, unit, largest - 1, 0);
	FAULT("halve: home");
	return unit != LOG_POOL_NONE;
}

/* Whether the room's own block, with what is free around it, makes one of `order`; frees it then.
 */
static bool
step_aside(struct chat_log_area *area, unsigned shard, uint32_t number, unsigned order)
{
	const struct room_slot *room = log_room_at(area, shard, number);
	struct ring ring = room_ring(area, shard, room);

	if (!ring.bytes || !log_pool_would_join(area, shard, ring.unit, ring.order, order))
		return false;
	move(area, shard, number, log_pool_spare(area), ring.order, 0);
	FAULT("aside: spare");
	return true;
}

/* The room that was not used for longest of those that nobody is in, but for one of them; or 0. */
static uint32_t
oldest_idle(struct chat_log_area *area, unsigned shard, uint32_t except)
{
	uint32_t number = area->shard[shard].idle[IDLE_KEPT].first;

	return number && number == except ? log_room_at(area, shard, number)->idle.next : number;
}

static bool
evict_stale(struct chat_log_area *area, unsigned shard, uint32_t except, uint64_t now_ms)
{
	uint32_t number = oldest_idle(area, shard, except);

	if (!number || room_ts_ms(log_room_at(area, shard, number)) + LOG_STALE_MS > now_ms)
		return false;
	log_room_evict(area, shard, number);
	return true;
}

static bool
get_ring(struct chat_log_area *area, unsigned shard, uint32_t number, unsigned order, uint64_t need,
	 uint64_t now_ms)
{
	uint32_t unit = log_pool_take(area, shard, order);

	while (unit == LOG_POOL_NONE &&
	       (step_aside(area, shard, number, order) ||
		evict_stale(area, shard, number, now_ms) || halve_largest(area, shard, order)))
		unit = log_pool_take(area, shard, order);
	if (unit == LOG_POOL_NONE)
		return false;
	FAULT("space: taken");
	move(area, shard, number, unit, order, need);
	return true;
}

/* Takes memory from another room: from one without members all of it, or else its messages. */
static bool
rob(struct chat_log_area *area, unsigned shard, uint32_t number)
{
	const struct log_shard *s = &area->shard[shard];
	uint32_t victim = oldest_idle(area, shard, number);

	if (victim) {
		log_room_evict(area, shard, victim);
		return true;
	}
	for (unsigned order = area->layout.max_order + 1; order-- > 0;) {
		victim = s->peers[order].first;
		if (victim == number)
			victim = log_room_at(area, shard, victim)->peers.next;
		if (victim) {
			log_room_drop_records(area, shard, victim);
			return true;
		}
	}
	return false;
}

bool
log_space_make(struct chat_log_area *area, unsigned shard, uint32_t number, uint64_t need,
	       uint64_t now_ms)
{
	struct room_slot *room = log_room_at(area, shard, number);
	struct ring ring = room_ring(area, shard, room);
	uint64_t kept = room_tail(room) - atomic_load_explicit(&room->head, memory_order_relaxed);
	unsigned most = 0, least = 0;

	/* as damaged memory may say; a ring that is not there would be read from */
	if (kept > (ring.bytes ? ring_capacity(ring.order) : 0)) {
		atomic_store_explicit(&room->head, room_tail(room), memory_order_release);
		log_barrier();
		kept = 0;
	}
	if (ring.bytes && kept + need <= ring_capacity(ring.order))
		return true;
	/* all that is kept, and this; or as much of it as the room's share allows */
	while (most < area->layout.max_order && ring_capacity(most) < kept + need)
		most++;
	while (ring_capacity(least) < need)
		least++;
	unsigned lowest = ring.bytes && ring.order >= least ? ring.order + 1 : least;

	for (unsigned order = most + 1; order-- > lowest;)
		if (get_ring(area, shard, number, order, need, now_ms))
			return true;
	if (ring.bytes && ring.order >= least) {
		forget_beyond(&ring, room, ring_capacity(ring.order) - need);
		return true;
	}
	while (!get_ring(area, shard, number, least, need, now_ms))
		if (!rob(area, shard, number))
			return false;
	return true;
}

void
log_space_rebuild(struct chat_log_area *area, unsigned shard)
{
	for (unsigned order = 0; order < area->layout.max_order; order++) {
		uint32_t number = area->shard[shard].peers[order].first;

		while (number) {
			const struct room_slot *room = log_room_at(area, shard, number);
			uint32_t next = room->peers.next;

			if (room_ring(area, shard, room).unit == log_pool_spare(area)) {
				uint32_t unit = log_pool_take(area, shard, order);

				if (unit == LOG_POOL_NONE)
					log_room_drop_records(area, shard, number);
				else
					move(area, shard, number, unit, order, 0);
				return;
			}
			number = next;
		}
	}
}
