/*
 * log_rig.h - the broadcast log with its fault points, and what its tests share. Includes the files
 * under test; so each test is one program of one unit.
 */
#ifndef PLAZA_TESTS_UNIT_LOG_RIG_H
#define PLAZA_TESTS_UNIT_LOG_RIG_H

#define PLAZA_FAULTS
#include "hub/log_area.h"

void (*chat_log_fault)(const char *step);

#include "hub/log_check.c"
#include "hub/log_format.c"
#include "hub/log_list.c"
#include "hub/log_lock.c"
#include "hub/log_members.c"
#include "hub/log_news.c"
#include "hub/log_pool.c"
#include "hub/log_read.c"
#include "hub/log_record.c"
#include "hub/log_rooms.c"
#include "hub/log_seats.c"
#include "hub/log_space.c"
#include "hub/log_write.c"

#include <check.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#define K 1024

struct rig {
	void *memory;
	size_t size;
	struct chat_log log;
};

static struct rig rig;
#define chat (&rig.log)

static void
rig_close(void)
{
	if (rig.memory)
		munmap(rig.memory, rig.size);
	rig.memory = NULL;
}

static void
rig_open(size_t bytes, size_t room_max, unsigned n_rooms)
{
	const struct chat_log_sizes sizes = {bytes, room_max, n_rooms};

	rig_close();
	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_ERROR); /* not of each repair */
	rig.size = chat_log_memory(&sizes);
	ck_assert_uint_ne(rig.size, 0);
	rig.memory = mmap(NULL, rig.size, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ck_assert_ptr_ne(rig.memory, MAP_FAILED);
	ck_assert(chat_log_format(rig.memory, rig.size, &sizes));
	ck_assert(chat_log_attach(chat, rig.memory, rig.size));
}

/* A name of the n-th room of a shard. */
static struct span
rig_name(unsigned shard, unsigned n)
{
	static char name[1024][16]; /* each is good for as many calls */
	static unsigned turn;
	char *to = name[turn++ % 1024];

	for (unsigned i = 0;; i++) {
		int len = snprintf(to, sizeof(name[0]), "room-%u", i);
		struct span span = span_from(to, (size_t)len);

		if (log_shard_of(log_hash(chat->area, span)) == shard && n-- == 0)
			return span;
	}
}

static inline enum log_result
rig_say(struct span room, struct span id, struct span payload, struct log_receipt *receipt)
{
	struct log_receipt unused;
	const struct log_message m = {
	    .room = room,
	    .kind = LOG_TEXT,
	    .from = 7,
	    .name = SPAN_LIT("ann"),
	    .id = id,
	    .payload = payload,
	};

	return chat_log_publish(chat, &m, receipt ? receipt : &unused);
}

/* The seq that it got. */
static inline uint64_t
rig_publish(struct span room, const char *text, size_t len)
{
	struct log_receipt receipt = {0};

	ck_assert_int_eq(rig_say(room, SPAN_LIT(""), span_from(text, len), &receipt), LOG_OK);
	ck_assert(!receipt.is_duplicate);
	return receipt.seq;
}

static inline struct log_view
rig_view(struct span room, struct log_room *handle)
{
	struct log_view view;

	ck_assert(chat_log_find_room(chat, room, handle));
	ck_assert(chat_log_view(chat, handle, &view));
	return view;
}

/* Messages that are kept of a room, 0 if it is not there; each is looked at. */
static inline uint64_t
rig_kept(struct span room, uint64_t *first_seq)
{
	struct log_room handle;
	struct log_record record;
	struct log_view view;
	uint64_t n = 0;

	if (!chat_log_find_room(chat, room, &handle))
		return 0;
	ck_assert(chat_log_view(chat, &handle, &view));
	*first_seq = view.seq + 1;
	for (uint64_t pos = view.head; pos != view.tail; pos = record.next, n++) {
		ck_assert_int_eq(chat_log_read(chat, &handle, pos, &record), LOG_MESSAGE);
		if (n == 0)
			*first_seq = record.seq;
		ck_assert_uint_eq(record.seq, *first_seq + n);
		ck_assert_uint_le(record.next, view.tail);
	}
	ck_assert_uint_eq(*first_seq + n, view.seq + 1);
	return n;
}

/* What is derived must be what can be told from the rest. */
static inline void
rig_verify_shard(unsigned shard)
{
	struct chat_log_area *area = chat->area;
	const struct log_shard *s = &area->shard[shard];
	uint32_t high = atomic_load(&s->rooms_high), n_free = 0, n_idle = 0, n_peers = 0;
	uint32_t n_unused = 0, n_rings = 0, n_seats = 0;
	unsigned char *have = calloc(1, area->layout.n_units);

	ck_assert_ptr_nonnull(have);
	ck_assert_uint_eq(atomic_load(&s->chains_version) % 2, 0);
	for (uint32_t i = 1; i <= high; i++) {
		const struct room_slot *room = log_room_at(area, shard, i);
		struct ring ring = ring_of(area, shard, atomic_load(&room->ring));
		uint32_t n = 0;

		n_unused += !log_room_is_used(room);
		if (!log_room_is_used(room)) {
			ck_assert_ptr_null(ring.bytes);
			continue;
		}
		ck_assert_uint_eq(
		    log_room_find(area, room->hash, span_from(room->name, room->name_len)), i);
		ck_assert_uint_eq(log_hash(area, span_from(room->name, room->name_len)),
				  room->hash);
		for (uint32_t at = room->members.first, prev = 0; at;
		     prev = at, at = log_seat_at(area, shard, at)->link.next) {
			const struct seat_slot *seat = log_seat_at(area, shard, at);

			ck_assert_uint_eq(seat_room(atomic_load(&seat->word)), i);
			ck_assert_uint_eq(seat->link.prev, prev);
			ck_assert(!prev || log_seat_at(area, shard, prev)->arrival < seat->arrival);
			n++;
		}
		ck_assert_uint_eq(n, atomic_load(&room->n_members));
		n_seats += n;
		ck_assert(records_are_whole(area, shard, room));
		if (!ring.bytes)
			continue;
		n_rings++;
		ck_assert_uint_le(ring.unit + (1u << ring.order), area->layout.n_units);
		for (uint32_t u = ring.unit; u < ring.unit + (1u << ring.order); u++)
			ck_assert_uint_eq(have[u]++, 0);
	}
	for (uint32_t i = s->free_room; i; i = atomic_load(&log_room_at(area, shard, i)->chain))
		n_free++;
	ck_assert_uint_eq(n_free, n_unused);
	uint32_t no_members = 0;

	for (unsigned list = 0; list < IDLE_LISTS; list++) {
		uint64_t used = 0;

		for (uint32_t i = s->idle[list].first; i; n_idle++) {
			const struct room_slot *room = log_room_at(area, shard, i);
			struct ring ring = ring_of(area, shard, atomic_load(&room->ring));

			ck_assert(log_room_is_used(room));
			ck_assert_uint_eq(room->is_in, list);
			ck_assert_uint_eq(list, ring.bytes ? IDLE_KEPT : IDLE_EMPTY);
			ck_assert_uint_ge(room->used, used);
			used = room->used;
			i = room->idle.next;
		}
	}
	for (uint32_t i = 1; i <= high; i++)
		no_members += log_room_is_used(log_room_at(area, shard, i)) &&
			      atomic_load(&log_room_at(area, shard, i)->n_members) == 0;
	ck_assert_uint_eq(n_idle, no_members);
	for (unsigned order = 0; order < LOG_ORDERS; order++)
		for (uint32_t i = s->peers[order].first; i;
		     i = log_room_at(area, shard, i)->peers.next) {
			const struct room_slot *room = log_room_at(area, shard, i);

			ck_assert_uint_eq(ring_of(area, shard, atomic_load(&room->ring)).order,
					  order);
			n_peers++;
		}
	ck_assert_uint_eq(n_peers, n_rings);
	for (unsigned order = 0; order < LOG_ORDERS; order++)
		for (uint32_t u = s->free[order].first; u;
		     u = log_unit_at(area, shard, u - 1)->link.next) {
			ck_assert(log_unit_at(area, shard, u - 1)->is_free);
			for (uint32_t i = u - 1; i < u - 1 + (1u << order); i++)
				ck_assert_uint_eq(have[i]++, 0);
		}
	for (uint32_t u = 0; u < area->layout.n_units; u++)
		ck_assert_uint_eq(have[u], 1);
	uint32_t seats = 0;

	for (uint32_t i = s->free_seat; i; i = log_seat_at(area, shard, i)->link.next)
		seats++;
	ck_assert_uint_eq(seats + n_seats, atomic_load(&s->seats_high));
	free(have);
}

static inline void
rig_check(void)
{
	struct log_check check = {0};

	chat_log_check_begin(&check);
	while (chat_log_check(chat, &check))
		;
}

/* With no other process at work. */
static inline void
rig_verify(void)
{
	uint64_t resets = chat_log_resets(chat);

	for (unsigned shard = 0; shard < CHAT_LOG_SHARDS; shard++)
		rig_verify_shard(shard);
	rig_check();
	ck_assert_uint_eq(chat_log_resets(chat), resets);
}

#endif
