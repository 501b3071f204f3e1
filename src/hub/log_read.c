/*
 * log_read.c - reading without the lock: copy, then look whether it was still there.
 */
#include <string.h>

#include "hub/log_area.h"
#include "hub/log_record.h"
#include "hub/log_rooms.h"

/* Rings do not change so often; a reader that meets more changes than this gives up. */
#define RING_TRIES 8
#define SEEK_TRIES 16

bool
chat_log_view(const struct chat_log *log, const struct log_room *handle, struct log_view *view)
{
	const struct log_shard *s = &log->area->shard[handle->shard % CHAT_LOG_SHARDS];
	const struct room_slot *room = log_room_slot_of(log, handle);
	struct room_look look;

	if (!room)
		return false;
	view->epoch = atomic_load_explicit(&s->epoch, memory_order_acquire);
	view->presence_seq = atomic_load_explicit(&room->presence_seq, memory_order_acquire);
	view->n_members = atomic_load_explicit(&room->n_members, memory_order_acquire);
	view->name_len = room->name_len;
	memcpy(view->name, room->name, sizeof(view->name));
	atomic_thread_fence(memory_order_acquire);
	if (!log_room_look(room, handle->incarnation, &look))
		return false;
	view->seq = look.seq;
	view->head = look.head;
	view->tail = look.tail;
	return true;
}

/* The head of the record at `pos`, and its name and id if `text` is not NULL. */
static enum log_read
read_head(const struct chat_log *log, const struct log_room *handle, uint64_t pos,
	  struct record_head *h, struct log_record *text)
{
	const struct room_slot *room = log_room_slot_of(log, handle);
	struct room_look look;

	for (unsigned tries = 0; room && tries < RING_TRIES; tries++) {
		if (!log_room_look(room, handle->incarnation, &look))
			return LOG_LOST;
		if (pos == look.tail)
			return LOG_END;
		struct ring ring = ring_of(log->area, handle->shard, look.ring);

		if (pos < look.head || pos > look.tail || look.tail - pos < sizeof(*h))
			return LOG_LOST;
		if (!ring.bytes)
			continue;
		FAULT("read: copying");
		ring_get(&ring, pos, h, sizeof(*h));
		/* bounded by hand, for these bytes may be torn still */
		if (text && h->name_len <= CHAT_LOG_NAME_MAX && h->id_len <= CHAT_LOG_ID_MAX) {
			ring_get(&ring, pos + sizeof(*h), text->name, h->name_len);
			ring_get(&ring, pos + sizeof(*h) + h->name_len, text->id, h->id_len);
		}
		if (log_room_still_has(room, handle->incarnation, look.ring, pos))
			return record_is_sane(h, pos, look.tail) ? LOG_MESSAGE : LOG_LOST;
	}
	return LOG_LOST;
}

enum log_read
chat_log_read(const struct chat_log *log, const struct log_room *handle, uint64_t pos,
	      struct log_record *record)
{
	struct record_head h;
	enum log_read found = read_head(log, handle, pos, &h, record);

	if (found != LOG_MESSAGE)
		return found;
	record->pos = pos;
	record->next = pos + record_size(h.name_len, h.id_len, h.len);
	record->seq = h.seq;
	record->ts_ms = h.ts_ms;
	record->from = h.from;
	record->kind = (enum log_kind)h.kind;
	record->name_len = h.name_len;
	record->id_len = h.id_len;
	record->len = h.len;
	record->payload = pos + sizeof(h) + h.name_len + h.id_len;
	return LOG_MESSAGE;
}

bool
chat_log_copy(const struct chat_log *log, const struct log_room *handle,
	      const struct log_record *record, void *out)
{
	const struct room_slot *room = log_room_slot_of(log, handle);

	for (unsigned tries = 0; room && tries < RING_TRIES; tries++) {
		uint64_t word = atomic_load_explicit(&room->ring, memory_order_acquire);
		struct ring ring = ring_of(log->area, handle->shard, word);

		if (!ring.bytes || record->len > ring_capacity(ring.order) ||
		    atomic_load_explicit(&room->incarnation, memory_order_relaxed) !=
			handle->incarnation)
			return false;
		FAULT("read: copying");
		if (record->len)
			ring_get(&ring, record->payload, out, record->len);
		if (log_room_still_has(room, handle->incarnation, word, record->pos))
			return true;
	}
	return false;
}

/*
 * Where the first record that is kept of `seq` and up begins; the tail if there is none. From the
 * end that is nearer: all of a room's seqs are there, one by one.
 */
static bool
seek(const struct chat_log *log, const struct log_room *handle, uint64_t seq, uint64_t *pos,
     struct record_head *h)
{
	const struct room_slot *room = log_room_slot_of(log, handle);
	struct room_look look;

	/* the oldest may go while it is looked for, and then there is another oldest */
	for (unsigned tries = 0; room && tries < SEEK_TRIES; tries++) {
		if (!log_room_look(room, handle->incarnation, &look))
			return false;
		*pos = look.tail;
		if (seq > look.seq || look.head == look.tail)
			return true;
		if (read_head(log, handle, look.head, h, NULL) != LOG_MESSAGE)
			continue;
		uint64_t at = look.head;

		if (seq > h->seq && seq - h->seq > look.seq - seq) {
			at = look.last;
			while (at > look.head &&
			       read_head(log, handle, at, h, NULL) == LOG_MESSAGE && h->seq > seq)
				at = h->prev < at ? h->prev : look.head;
			if (read_head(log, handle, at, h, NULL) != LOG_MESSAGE)
				continue;
		}
		while (h->seq < seq) {
			at += record_size(h->name_len, h->id_len, h->len);
			if (read_head(log, handle, at, h, NULL) != LOG_MESSAGE)
				break;
		}
		if (h->pos == at && h->seq >= seq) {
			*pos = at;
			return true;
		}
	}
	return room && log_room_look(room, handle->incarnation, &look);
}

bool
chat_log_seek(const struct chat_log *log, const struct log_room *handle, uint64_t seq,
	      uint64_t *pos)
{
	struct record_head h;

	return seek(log, handle, seq, pos, &h);
}

bool
chat_log_first(const struct chat_log *log, const struct log_room *handle, uint64_t max_messages,
	       uint64_t since_ms, uint64_t *first_seq)
{
	const struct room_slot *room = log_room_slot_of(log, handle);
	struct room_look look;
	struct record_head h;
	uint64_t pos;

	if (!room || !log_room_look(room, handle->incarnation, &look))
		return false;
	*first_seq = look.seq + 1;
	if (max_messages == 0 || look.ts_ms < since_ms || look.head == look.tail)
		return true;
	uint64_t from = look.seq >= max_messages ? look.seq - max_messages + 1 : 0;

	if (!seek(log, handle, from, &pos, &h))
		return false;
	while (pos < look.tail && h.ts_ms < since_ms) {
		pos += record_size(h.name_len, h.id_len, h.len);
		if (read_head(log, handle, pos, &h, NULL) != LOG_MESSAGE)
			break;
	}
	if (pos < look.tail)
		*first_seq = h.seq;
	return true;
}
