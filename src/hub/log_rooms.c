/*
 * log_rooms.c - see log_rooms.h. A room is there when its incarnation is odd; everything that leads
 * to it is derived.
 */
#include "hub/log_rooms.h"

#include <string.h>

#include "base/siphash.h"
#include "hub/log_list.h"
#include "hub/log_pool.h"

uint64_t
log_hash(const struct chat_log_area *area, struct span name)
{
	return siphash(area->key, name.ptr, name.len);
}

uint64_t
log_next_epoch(const struct chat_log_area *area, unsigned shard)
{
	const struct log_shard *s = &area->shard[shard];
	uint64_t from[3] = {shard, atomic_load(&s->epoch), atomic_load(&s->resets)};
	uint64_t epoch = siphash(area->key, from, sizeof(from));

	return epoch ? epoch : 1;
}

uint64_t
chat_log_epoch(const struct chat_log *log, struct span name)
{
	unsigned shard = log_shard_of(log_hash(log->area, name));

	return atomic_load_explicit(&log->area->shard[shard].epoch, memory_order_acquire);
}

/* ---- readers ---- */

struct room_slot *
log_room_slot_of(const struct chat_log *log, const struct log_room *room)
{
	uint32_t n_rooms = log->area->layout.n_rooms;

	uint32_t i = room->index - room->shard * n_rooms;

	if (room->shard >= CHAT_LOG_SHARDS || i >= n_rooms)
		return NULL;
	return log_room_at(log->area, room->shard, i + 1);
}

struct log_room
log_room_handle(struct chat_log_area *area, unsigned shard, uint32_t number)
{
	const struct room_slot *room = log_room_at(area, shard, number);

	return (struct log_room){
	    .index = shard * area->layout.n_rooms + number - 1,
	    .incarnation = atomic_load_explicit(&room->incarnation, memory_order_relaxed),
	    .shard = shard,
	};
}

bool
log_room_look(const struct room_slot *room, uint32_t incarnation, struct room_look *look)
{
	uint64_t n;

	if (atomic_load_explicit(&room->incarnation, memory_order_acquire) != incarnation)
		return false;
	do {
		n = atomic_load_explicit(&room->n_commits, memory_order_acquire);
		const struct room_commit *c = &room->commit[n & 1];

		look->ring = atomic_load_explicit(&room->ring, memory_order_acquire);
		look->head = atomic_load_explicit(&room->head, memory_order_relaxed);
		look->tail = atomic_load_explicit(&c->tail, memory_order_relaxed);
		look->seq = atomic_load_explicit(&c->seq, memory_order_relaxed);
		look->ts_ms = atomic_load_explicit(&c->ts_ms, memory_order_relaxed);
		look->last = atomic_load_explicit(&c->last, memory_order_relaxed);
		atomic_thread_fence(memory_order_acquire);
	} while (atomic_load_explicit(&room->n_commits, memory_order_relaxed) != n);
	/* head <= tail: it does not go beyond the tail of this commit before there is another */
	return atomic_load_explicit(&room->incarnation, memory_order_relaxed) == incarnation;
}

void
log_room_commit(struct room_slot *room, uint64_t tail, uint64_t seq, uint64_t ts_ms, uint64_t last)
{
	uint64_t n = atomic_load_explicit(&room->n_commits, memory_order_relaxed) + 1;
	struct room_commit *c = &room->commit[n & 1];

	/* who still reads this half must be able to see that it is not in use */
	atomic_thread_fence(memory_order_release);
	atomic_store_explicit(&c->tail, tail, memory_order_relaxed);
	FAULT("commit: half");
	atomic_store_explicit(&c->seq, seq, memory_order_relaxed);
	atomic_store_explicit(&c->ts_ms, ts_ms, memory_order_relaxed);
	atomic_store_explicit(&c->last, last, memory_order_relaxed);
	FAULT("commit: written");
	atomic_store_explicit(&room->n_commits, n, memory_order_release);
}

/* ---- chains of names ---- */

static _Atomic uint32_t *
chain_of(struct chat_log_area *area, uint64_t hash)
{
	return &log_chains(area, log_shard_of(hash))[(uint32_t)hash & (area->layout.n_chains - 1)];
}

/* Readers who met a chain while it was changed begin again. */
static void
chains_change(struct log_shard *s)
{
	atomic_fetch_add_explicit(&s->chains_version, 1, memory_order_relaxed);
	log_barrier();
}

static void
chains_changed(struct log_shard *s)
{
	atomic_fetch_add_explicit(&s->chains_version, 1, memory_order_release);
}

static void
chain_add(struct chat_log_area *area, unsigned shard, uint32_t number)
{
	struct room_slot *room = log_room_at(area, shard, number);
	_Atomic uint32_t *chain = chain_of(area, room->hash);

	atomic_store_explicit(&room->chain, atomic_load_explicit(chain, memory_order_relaxed),
			      memory_order_relaxed);
	atomic_store_explicit(chain, number, memory_order_release);
}

static void
chain_remove(struct chat_log_area *area, unsigned shard, uint32_t number)
{
	struct room_slot *room = log_room_at(area, shard, number);
	_Atomic uint32_t *at = chain_of(area, room->hash);

	while (atomic_load_explicit(at, memory_order_relaxed) != number)
		at = &log_room_at(area, shard, atomic_load_explicit(at, memory_order_relaxed))
			  ->chain;
	atomic_store_explicit(at, atomic_load_explicit(&room->chain, memory_order_relaxed),
			      memory_order_release);
}

static bool
room_has_name(const struct room_slot *room, struct span name)
{
	return room->name_len == name.len && memcmp(room->name, name.ptr, name.len) == 0;
}

uint32_t
log_room_find(struct chat_log_area *area, uint64_t hash, struct span name)
{
	unsigned shard = log_shard_of(hash);
	uint32_t number = atomic_load_explicit(chain_of(area, hash), memory_order_relaxed);

	while (number) {
		const struct room_slot *room = log_room_at(area, shard, number);

		if (room->hash == hash && room_has_name(room, name))
			break;
		number = atomic_load_explicit(&room->chain, memory_order_relaxed);
	}
	return number;
}

/* No chain is so long: there are as many chains as rooms, and nobody can choose what they hold. */
#define CHAIN_MAX 256

bool
chat_log_find_room(struct chat_log *log, struct span name, struct log_room *handle)
{
	struct chat_log_area *area = log->area;
	uint64_t hash = log_hash(area, name);
	unsigned shard = log_shard_of(hash);
	const struct log_shard *s = &area->shard[shard];

	/* more tries than there are changes in the time of one; who died changing it is repaired */
	for (unsigned tries = 0; tries < 1000; tries++) {
		uint64_t version = atomic_load_explicit(&s->chains_version, memory_order_acquire);
		uint32_t number = atomic_load_explicit(chain_of(area, hash), memory_order_acquire);

		uint32_t n = 0;

		/* a chain that is being changed may lead astray, even round and round */
		for (; number && n < CHAIN_MAX; n++) {
			const struct room_slot *room = log_room_at(area, shard, number);

			*handle = log_room_handle(area, shard, number);
			atomic_thread_fence(memory_order_acquire);
			if (log_room_is_used(room) && room_has_name(room, name)) {
				atomic_thread_fence(memory_order_acquire);
				if (atomic_load_explicit(&room->incarnation,
							 memory_order_relaxed) ==
				    handle->incarnation)
					return true;
			}
			number = atomic_load_explicit(&room->chain, memory_order_acquire);
		}
		atomic_thread_fence(memory_order_acquire);
		if (version % 2 == 0 && n < CHAIN_MAX &&
		    atomic_load_explicit(&s->chains_version, memory_order_relaxed) == version)
			break;
	}
	return false;
}

/* ---- lists of rooms ---- */

static struct log_links
idle_links(struct chat_log_area *area, unsigned shard)
{
	return LOG_LINKS(log_room_at(area, shard, 0), struct room_slot, idle);
}

static struct log_links
peer_links(struct chat_log_area *area, unsigned shard)
{
	return LOG_LINKS(log_room_at(area, shard, 0), struct room_slot, peers);
}

static void
idle_remove(struct chat_log_area *area, unsigned shard, uint32_t number)
{
	struct room_slot *room = log_room_at(area, shard, number);
	struct log_links links = idle_links(area, shard);

	if (room->is_in != IDLE_NOT)
		log_list_remove(&links, &area->shard[shard].idle[room->is_in], number);
	room->is_in = IDLE_NOT;
}

static void
idle_add(struct chat_log_area *area, unsigned shard, uint32_t number)
{
	struct room_slot *room = log_room_at(area, shard, number);
	struct log_links links = idle_links(area, shard);

	if (atomic_load_explicit(&room->n_members, memory_order_relaxed))
		return;
	uint64_t ring = atomic_load_explicit(&room->ring, memory_order_relaxed);

	room->is_in = ring_of(area, shard, ring).bytes ? IDLE_KEPT : IDLE_EMPTY;
	log_list_append(&links, &area->shard[shard].idle[room->is_in], number);
}

void
log_room_touch(struct chat_log_area *area, unsigned shard, uint32_t number)
{
	log_room_at(area, shard, number)->used = ++area->shard[shard].clock;
	FAULT("touch");
	idle_remove(area, shard, number);
	FAULT("touch: out");
	idle_add(area, shard, number);
}

void
log_room_set_ring(struct chat_log_area *area, unsigned shard, uint32_t number, uint32_t unit,
		  unsigned order)
{
	struct log_shard *s = &area->shard[shard];
	struct room_slot *room = log_room_at(area, shard, number);
	struct log_links links = peer_links(area, shard);
	uint64_t before = atomic_load_explicit(&room->ring, memory_order_relaxed);
	struct ring old = ring_of(area, shard, before);

	atomic_store_explicit(&room->ring,
			      unit == LOG_POOL_NONE ? ring_no_word(before)
						    : ring_word(before, unit, order),
			      memory_order_release);
	/* before anyone writes into the old one */
	log_barrier();
	FAULT("ring: set");
	if (old.bytes) {
		log_list_remove(&links, &s->peers[old.order], number);
		if (old.unit != log_pool_spare(area))
			log_pool_give(area, shard, old.unit, old.order);
	}
	if (unit != LOG_POOL_NONE)
		log_list_append(&links, &s->peers[order], number);
	FAULT("ring: linked");
}

void
log_room_drop_records(struct chat_log_area *area, unsigned shard, uint32_t number)
{
	struct room_slot *room = log_room_at(area, shard, number);
	const struct room_commit *c =
	    &room->commit[atomic_load_explicit(&room->n_commits, memory_order_relaxed) & 1];
	uint64_t tail = atomic_load_explicit(&c->tail, memory_order_relaxed);

	if (tail > LOG_POSITION_MAX) {
		tail = 0;
		log_room_commit(room, tail, atomic_load_explicit(&c->seq, memory_order_relaxed),
				atomic_load_explicit(&c->ts_ms, memory_order_relaxed), 0);
	}
	atomic_store_explicit(&room->head, tail, memory_order_release);
	log_barrier();
	FAULT("dropped");
	if (ring_of(area, shard, atomic_load_explicit(&room->ring, memory_order_relaxed)).bytes)
		log_room_set_ring(area, shard, number, LOG_POOL_NONE, 0);
	log_room_touch(area, shard, number);
}

/* ---- making and evicting ---- */

static void
room_free_add(struct chat_log_area *area, unsigned shard, uint32_t number)
{
	struct log_shard *s = &area->shard[shard];

	atomic_store_explicit(&log_room_at(area, shard, number)->chain, s->free_room,
			      memory_order_relaxed);
	s->free_room = number;
}

uint32_t
log_room_make(struct chat_log_area *area, uint64_t hash, struct span name)
{
	unsigned shard = log_shard_of(hash);
	struct log_shard *s = &area->shard[shard];
	uint32_t high = atomic_load_explicit(&s->rooms_high, memory_order_relaxed);

	if (!s->free_room && high == area->layout.n_rooms) {
		uint32_t victim = s->idle[IDLE_EMPTY].first;

		if (!victim)
			victim = s->idle[IDLE_KEPT].first;
		if (!victim)
			return 0;
		log_room_evict(area, shard, victim);
	}
	uint32_t number = s->free_room;

	if (number) {
		s->free_room = atomic_load_explicit(&log_room_at(area, shard, number)->chain,
						    memory_order_relaxed);
	} else {
		number = high + 1;
		atomic_store_explicit(&s->rooms_high, number, memory_order_release);
	}
	FAULT("room: slot");
	struct room_slot *room = log_room_at(area, shard, number);

	room->hash = hash;
	room->name_len = (uint8_t)name.len;
	memcpy(room->name, name.ptr, name.len);
	room->used = ++s->clock;
	room->rate = (struct rate){0};
	room->is_in = IDLE_NOT;
	room->members = (struct log_list){0};
	atomic_store_explicit(&room->head, 0, memory_order_relaxed);
	atomic_store_explicit(&room->presence_seq, 0, memory_order_relaxed);
	atomic_store_explicit(&room->n_members, 0, memory_order_relaxed);
	FAULT("room: half");
	/* or a position from before would be one of other messages */
	log_room_commit(room, 0, atomic_load_explicit(&s->floor, memory_order_relaxed), 0, 0);
	FAULT("room: written");
	atomic_fetch_add_explicit(&room->incarnation, 1, memory_order_release);
	FAULT("room: made");

	idle_add(area, shard, number);
	chains_change(s);
	chain_add(area, shard, number);
	FAULT("room: chained");
	chains_changed(s);
	return number;
}

void
log_room_evict(struct chat_log_area *area, unsigned shard, uint32_t number)
{
	struct log_shard *s = &area->shard[shard];
	struct room_slot *room = log_room_at(area, shard, number);
	const struct room_commit *c =
	    &room->commit[atomic_load_explicit(&room->n_commits, memory_order_relaxed) & 1];
	uint64_t seq = atomic_load_explicit(&c->seq, memory_order_relaxed);

	if (seq > atomic_load_explicit(&s->floor, memory_order_relaxed))
		atomic_store_explicit(&s->floor, seq, memory_order_release);
	FAULT("evict: floor");
	atomic_fetch_add_explicit(&room->incarnation, 1, memory_order_release);
	log_barrier();
	FAULT("evict: gone");
	chains_change(s);
	FAULT("evict: changing");
	chain_remove(area, shard, number);
	chains_changed(s);
	FAULT("evict: unchained");
	log_room_drop_records(area, shard, number);
	idle_remove(area, shard, number);
	room_free_add(area, shard, number);
	FAULT("evict: free");
}

/* ---- after a death ---- */

void
log_rooms_rebuild(struct chat_log_area *area, unsigned shard)
{
	struct log_shard *s = &area->shard[shard];
	struct log_links idle = idle_links(area, shard);
	struct log_links peers = peer_links(area, shard);
	uint32_t high = atomic_load_explicit(&s->rooms_high, memory_order_relaxed);

	if (atomic_load_explicit(&s->chains_version, memory_order_relaxed) % 2 == 0)
		chains_change(s);
	for (uint32_t i = 0; i < area->layout.n_chains; i++)
		atomic_store_explicit(&log_chains(area, shard)[i], 0, memory_order_relaxed);
	FAULT("rebuild: no chains");
	s->free_room = 0;
	for (unsigned i = 0; i < IDLE_LISTS; i++)
		s->idle[i] = (struct log_list){0};
	for (unsigned order = 0; order < LOG_ORDERS; order++)
		s->peers[order] = (struct log_list){0};
	log_pool_clear(area, shard);
	FAULT("rebuild: cleared");

	for (uint32_t number = high; number > 0; number--) {
		struct room_slot *room = log_room_at(area, shard, number);
		uint64_t word = atomic_load_explicit(&room->ring, memory_order_relaxed);
		struct ring ring = ring_of(area, shard, word);

		if (!log_room_is_used(room)) {
			if (ring.bytes)
				atomic_store_explicit(&room->ring, ring_no_word(word),
						      memory_order_release);
			room_free_add(area, shard, number);
			continue;
		}
		chain_add(area, shard, number);
		if (ring.bytes && log_pool_mark(area, shard, ring.unit, ring.order)) {
			log_list_append(&peers, &s->peers[ring.order], number);
		} else if (ring.bytes) {
			const struct room_commit *c =
			    &room->commit[atomic_load_explicit(&room->n_commits,
							       memory_order_relaxed) &
					  1];

			atomic_store_explicit(&room->head,
					      atomic_load_explicit(&c->tail, memory_order_relaxed),
					      memory_order_release);
			atomic_store_explicit(&room->ring, ring_no_word(word),
					      memory_order_release);
		}
		room->is_in = IDLE_NOT;
		idle_add(area, shard, number);
		FAULT("rebuild: one room");
	}
	log_barrier();
	log_pool_fill(area, shard);
	FAULT("rebuild: pool");
	for (unsigned i = 0; i < IDLE_LISTS; i++)
		log_list_sort(&idle, &s->idle[i], &log_room_at(area, shard, 0)->used);
	chains_changed(s);
	FAULT("rebuild: rooms");
}
