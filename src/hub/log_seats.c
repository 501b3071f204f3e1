/*
 * log_seats.c - see log_seats.h. A seat is in use when its word says so; lists and counts are
 * derived from that.
 */
#include "hub/log_seats.h"

#include <string.h>

#include "hub/log_list.h"
#include "hub/log_rooms.h"

static struct log_links
seat_links(struct chat_log_area *area, unsigned shard)
{
	return LOG_LINKS(log_seat_at(area, shard, 0), struct seat_slot, link);
}

static void
members_changed(struct chat_log_area *area, unsigned shard, uint32_t room)
{
	atomic_fetch_add_explicit(&log_room_at(area, shard, room)->presence_seq, 1,
				  memory_order_release);
	FAULT("members: changed");
	log_notify(area, shard, room);
}

static void
seat_free_add(struct chat_log_area *area, unsigned shard, uint32_t number)
{
	struct log_shard *s = &area->shard[shard];

	log_seat_at(area, shard, number)->link.next = s->free_seat;
	s->free_seat = number;
}

uint32_t
log_seat_take(struct chat_log_area *area, unsigned shard, uint32_t room, unsigned slot,
	      const struct log_member *member)
{
	struct log_shard *s = &area->shard[shard];
	struct room_slot *r = log_room_at(area, shard, room);
	struct log_links links = seat_links(area, shard);
	uint32_t number = s->free_seat;

	if (number) {
		s->free_seat = log_seat_at(area, shard, number)->link.next;
	} else {
		number = atomic_load_explicit(&s->seats_high, memory_order_relaxed);
		if (number == LOG_SEATS)
			return 0;
		number++;
		atomic_store_explicit(&s->seats_high, number, memory_order_release);
	}
	FAULT("seat: taken");
	struct seat_slot *seat = log_seat_at(area, shard, number);

	seat->conn = member->conn;
	seat->since_ms = member->since_ms;
	seat->arrival = ++s->arrivals;
	seat->name_len = member->name_len;
	memcpy(seat->name, member->name, member->name_len);
	FAULT("seat: written");
	atomic_store_explicit(&seat->word, seat_word(room, slot, SEAT_USED), memory_order_release);
	FAULT("seat: used");
	if (atomic_fetch_add_explicit(&r->n_members, 1, memory_order_release) == 0)
		log_room_touch(area, shard, room);
	FAULT("seat: counted");
	log_list_append(&links, &r->members, number);
	members_changed(area, shard, room);
	return number;
}

void
log_seat_give(struct chat_log_area *area, unsigned shard, uint32_t number)
{
	struct seat_slot *seat = log_seat_at(area, shard, number);
	struct log_links links = seat_links(area, shard);
	uint32_t room = seat_room(atomic_load_explicit(&seat->word, memory_order_relaxed));
	struct room_slot *r = log_room_at(area, shard, room);

	atomic_store_explicit(&seat->word, 0, memory_order_release);
	FAULT("seat: given");
	log_list_remove(&links, &r->members, number);
	seat_free_add(area, shard, number);
	FAULT("seat: unlinked");
	if (atomic_fetch_sub_explicit(&r->n_members, 1, memory_order_release) == 1)
		log_room_touch(area, shard, room);
	FAULT("seat: uncounted");
	members_changed(area, shard, room);
}

void
log_seat_mark(struct chat_log_area *area, unsigned shard, uint32_t number)
{
	_Atomic uint64_t *word = &log_seat_at(area, shard, number)->word;
	uint64_t have = atomic_load_explicit(word, memory_order_relaxed);

	if (seat_state_of(have) != SEAT_USED ||
	    !atomic_compare_exchange_strong(
		word, &have, seat_word(seat_room(have), seat_slot_of(have), SEAT_LEAVING)))
		return;
	FAULT("seat: marked");
	atomic_fetch_add(&area->shard[shard].n_leaving, 1);
}

void
log_seats_sweep(struct chat_log_area *area, unsigned shard)
{
	struct log_shard *s = &area->shard[shard];

	/* whoever is marked from now on is counted anew */
	atomic_store(&s->n_leaving, 0);
	FAULT("sweep");
	for (uint32_t i = 1; i <= atomic_load_explicit(&s->seats_high, memory_order_relaxed); i++)
		if (seat_state_of(atomic_load(&log_seat_at(area, shard, i)->word)) == SEAT_LEAVING)
			log_seat_give(area, shard, i);
}

void
log_seats_rebuild(struct chat_log_area *area, unsigned shard)
{
	struct log_shard *s = &area->shard[shard];
	struct log_links links = seat_links(area, shard);
	uint32_t rooms_high = atomic_load_explicit(&s->rooms_high, memory_order_relaxed);

	for (uint32_t i = 1; i <= rooms_high; i++) {
		struct room_slot *room = log_room_at(area, shard, i);

		room->members = (struct log_list){0};
		atomic_store_explicit(&room->n_members, 0, memory_order_relaxed);
		/* whatever was about to change has */
		atomic_fetch_add_explicit(&room->presence_seq, 1, memory_order_relaxed);
		FAULT("rebuild: no members");
	}
	s->free_seat = 0;
	for (uint32_t i = atomic_load_explicit(&s->seats_high, memory_order_relaxed); i > 0; i--) {
		struct seat_slot *seat = log_seat_at(area, shard, i);
		uint64_t word = atomic_load(&seat->word);
		uint32_t room = seat_room(word);

		if (seat_state_of(word) != SEAT_USED || room == 0 || room > rooms_high ||
		    !log_room_is_used(log_room_at(area, shard, room))) {
			atomic_store_explicit(&seat->word, 0, memory_order_release);
			seat_free_add(area, shard, i);
			continue;
		}
		struct room_slot *r = log_room_at(area, shard, room);

		log_list_append(&links, &r->members, i);
		atomic_fetch_add_explicit(&r->n_members, 1, memory_order_relaxed);
		FAULT("rebuild: one member");
	}
	for (uint32_t i = 1; i <= rooms_high; i++)
		log_list_sort(&links, &log_room_at(area, shard, i)->members,
			      &log_seat_at(area, shard, 0)->arrival);
	FAULT("rebuild: members");
}
