/*
 * rooms.c - the rooms of a worker, who is in them, and who has to go.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "hub/room_private.h"

struct rooms *
rooms_new(const struct rooms_options *options)
{
	struct rooms *rooms = calloc(1, sizeof(*rooms));

	if (rooms)
		rooms->by_index =
		    calloc(chat_log_room_limit(options->log), sizeof(*rooms->by_index));
	if (!rooms || !rooms->by_index) {
		log_error("chat: out of memory");
		free(rooms);
		return NULL;
	}
	rooms->options = *options;
	rooms->all.prev = rooms->all.next = &rooms->all;
	for (unsigned i = 0; i < CHAT_LOG_SHARDS; i++) {
		rooms->seen[i] = chat_log_written(options->log, i);
		rooms->cursor[i] = chat_log_news_end(options->log, i);
	}
	return rooms;
}

struct span
room_name(const struct room *room)
{
	return span_from(room->name, room->name_len);
}

const struct log_room *
room_in_log(const struct room *room)
{
	return &room->in_log;
}

void **
room_presence(struct room *room)
{
	return &room->presence;
}

size_t
room_members(const struct room *room, enum wire wire)
{
	return room->audience[wire].n;
}

static void
gauge_sub(_Atomic uint64_t *gauge)
{
	count_set(gauge, atomic_load_explicit(gauge, memory_order_relaxed) - 1);
}

struct room *
room_new(struct rooms *rooms, const struct log_room *in_log)
{
	struct room *room = calloc(1, sizeof(*room));
	struct log_view view;

	/* it has a member in the log already, so that it is there */
	if (!room || !chat_log_view(rooms->options.log, in_log, &view)) {
		free(room);
		return NULL;
	}
	room->in_log = *in_log;
	room->epoch = view.epoch;
	room->pos = view.tail;
	room->seq = view.seq;
	room->presence_seq = view.presence_seq;
	room->name_len = view.name_len;
	memcpy(room->name, view.name, view.name_len);
	room->next = &rooms->all;
	room->prev = rooms->all.prev;
	room->prev->next = room;
	room->next->prev = room;
	rooms->by_index[in_log->index] = room;
	count_add(&rooms->options.counters->rooms, 1);
	return room;
}

void
room_free(struct rooms *rooms, struct room *room)
{
	if (rooms->options.room_gone)
		rooms->options.room_gone(room, rooms->options.ctx);
	/* the place in the log may be another room's by now */
	if (rooms->by_index[room->in_log.index] == room)
		rooms->by_index[room->in_log.index] = NULL;
	room->prev->next = room->next;
	room->next->prev = room->prev;
	for (unsigned i = 0; i < WIRES; i++)
		free(room->audience[i].member);
	free(room);
	gauge_sub(&rooms->options.counters->rooms);
}

void
rooms_free(struct rooms **rooms)
{
	struct rooms *r = *rooms;

	if (!r)
		return;
	/* those that were to go at the end of a pass */
	while (r->all.next != &r->all)
		room_free(r, r->all.next);
	for (size_t i = 0; i < r->n_spare; i++)
		buffer_fini(&r->spare[i]);
	buffer_fini(&r->payload);
	free(r->by_index);
	free(r);
	*rooms = NULL;
}

void
room_due(struct rooms *rooms, struct room *room)
{
	if (room->is_due)
		return;
	room->is_due = true;
	room->next_due = NULL;
	if (rooms->due_last)
		rooms->due_last->next_due = room;
	else
		rooms->due_first = room;
	rooms->due_last = room;
}

/* Rooms without members go when they come up here: until then somebody may be reading from them. */
struct room *
rooms_next_due(struct rooms *rooms)
{
	struct room *room = rooms->due_first;

	if (!room)
		return NULL;
	rooms->due_first = room->next_due;
	if (!rooms->due_first)
		rooms->due_last = NULL;
	room->is_due = false;
	return room;
}

bool
audience_add(struct audience *a, struct member *m)
{
	if (a->n == a->cap) {
		size_t cap = a->cap ? a->cap * 2 : 1;
		struct member **member = realloc(a->member, cap * sizeof(struct member *));

		if (!member)
			return false;
		a->member = member;
		a->cap = cap;
	}
	m->index = a->n;
	a->member[a->n++] = m;
	return true;
}

static void
audience_remove(struct audience *a, struct member *m)
{
	struct member *last = a->member[--a->n];

	a->member[m->index] = last;
	last->index = m->index;
	/* a crowd that has left must not be paid for for ever */
	if (a->cap > 64 && a->n < a->cap / 4) {
		struct member **member = realloc(a->member, a->cap / 2 * sizeof(struct member *));

		if (member) {
			a->member = member;
			a->cap /= 2;
		}
	}
}

/* The only writer of member->state. */
void
member_set_state(struct member *m, enum member_state state)
{
	m->state = state;
	if (state != MEMBER_BEHIND) {
		m->unsent = 0;
		m->has_gap = false;
	} else {
		m->calls->want(m);
	}
}

static void
unlink_lost(struct rooms *rooms, struct member *m)
{
	if (m->prev_lost)
		m->prev_lost->next_lost = m->next_lost;
	else
		rooms->lost = m->next_lost;
	if (m->next_lost)
		m->next_lost->prev_lost = m->prev_lost;
	m->prev_lost = m->next_lost = NULL;
	m->lost_code = 0;
}

void
room_moved(struct rooms *rooms, const struct room *room)
{
	struct log_view view;

	if (!chat_log_view(rooms->options.log, &room->in_log, &view))
		return;
	if (view.n_members > room->n_members)
		rooms->has_moved = true;
}

void
rooms_leave(struct rooms *rooms, struct member *m)
{
	struct room *room = m->room;

	if (!room)
		return;
	if (m->lost_code)
		unlink_lost(rooms, m);
	member_set_state(m, MEMBER_OUT);
	audience_remove(&room->audience[m->wire], m);
	m->room = NULL;
	chat_log_leave(rooms->options.log, &m->seat);
	gauge_sub(&rooms->options.counters->members);
	room->n_members--;
	room_moved(rooms, room);
	if (room->n_members == 0)
		room_due(rooms, room);
}

bool
rooms_moved(struct rooms *rooms)
{
	bool has_moved = rooms->has_moved;

	rooms->has_moved = false;
	return has_moved;
}

/* It leaves when the pass is over: until then rooms and their arrays stay as they are. */
void
member_lose(struct rooms *rooms, struct member *m, unsigned code)
{
	if (m->lost_code)
		return;
	/* it gets nothing more */
	member_set_state(m, MEMBER_OUT);
	m->lost_code = code;
	m->prev_lost = NULL;
	m->next_lost = rooms->lost;
	if (m->next_lost)
		m->next_lost->prev_lost = m;
	rooms->lost = m;
}

void
rooms_close_lost(struct rooms *rooms)
{
	while (rooms->lost) {
		struct member *m = rooms->lost;
		unsigned code = m->lost_code;

		rooms_leave(rooms, m);
		m->calls->lose(m, code);
	}
}
