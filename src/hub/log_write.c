/*
 * log_write.c - publishing.
 */
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/siphash.h"
#include "hub/log_area.h"
#include "hub/log_lock.h"
#include "hub/log_record.h"
#include "hub/log_rooms.h"
#include "hub/log_space.h"

static uint64_t
real_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* With the lock; everything has been looked at. */
static bool
append(struct chat_log_area *area, unsigned shard, uint32_t number, struct record_head *h,
       const struct log_message *m)
{
	struct log_shard *s = &area->shard[shard];
	struct room_slot *room = log_room_at(area, shard, number);
	const struct room_commit *c =
	    &room->commit[atomic_load_explicit(&room->n_commits, memory_order_relaxed) & 1];
	uint64_t tail = atomic_load_explicit(&c->tail, memory_order_relaxed);
	uint64_t size = record_size(m->name.len, m->id.len, m->payload.len);

	atomic_store_explicit(&s->writing, number, memory_order_release);
	FAULT("writing");
	/* 1. head */
	if (!log_space_make(area, shard, number, size, h->ts_ms))
		return false;
	struct ring ring =
	    ring_of(area, shard, atomic_load_explicit(&room->ring, memory_order_relaxed));
	uint64_t *row = m->id.len ? ids_row(&ring, h->id_hash) : NULL;
	uint64_t before = atomic_load_explicit(&room->head, memory_order_relaxed) == tail
			      ? tail
			      : atomic_load_explicit(&c->last, memory_order_relaxed);

	/* 2. bytes */
	h->id_before = row ? *row : 0;
	h->pos = tail;
	h->prev = before;
	h->seq = atomic_load_explicit(&c->seq, memory_order_relaxed) + 1;
	atomic_thread_fence(memory_order_release);
	ring_put(&ring, tail, h, sizeof(*h));
	FAULT("half");
	uint64_t at = tail + sizeof(*h);

	ring_put(&ring, at, m->name.ptr, m->name.len);
	at += m->name.len;
	ring_put(&ring, at, m->id.ptr, m->id.len);
	at += m->id.len;
	ring_put(&ring, at, m->payload.ptr, m->payload.len);
	h->sum = record_sum(&ring, h);
	ring_put(&ring, tail + offsetof(struct record_head, sum), &h->sum, sizeof(h->sum));
	FAULT("bytes");
	/* 3. commit */
	log_room_commit(room, tail + size, h->seq, h->ts_ms, tail);
	FAULT("committed");
	if (row)
		*row = tail + 1;
	atomic_store_explicit(&s->written,
			      atomic_load_explicit(&s->written, memory_order_relaxed) + size,
			      memory_order_release);
	FAULT("counted");
	log_room_touch(area, shard, number);
	/* 4. notice */
	log_notify(area, shard, number);
	return true;
}

static enum log_result
publish(struct chat_log_area *area, uint64_t hash, const struct log_message *m,
	struct record_head *h, struct log_receipt *receipt)
{
	unsigned shard = log_shard_of(hash);
	uint32_t number = log_room_find(area, hash, m->room);
	struct record_head found;

	receipt->epoch = atomic_load_explicit(&area->shard[shard].epoch, memory_order_relaxed);
	receipt->is_duplicate = false;
	if (number) {
		const struct room_slot *room = log_room_at(area, shard, number);
		uint64_t n = atomic_load_explicit(&room->n_commits, memory_order_relaxed);
		const struct room_commit *c = &room->commit[n & 1];
		uint64_t ts_ms = atomic_load_explicit(&c->ts_ms, memory_order_relaxed);
		struct ring ring =
		    ring_of(area, shard, atomic_load_explicit(&room->ring, memory_order_relaxed));

		if (h->ts_ms < ts_ms)
			h->ts_ms = ts_ms;
		if (m->id.len && ring.bytes &&
		    ids_find(&ring, atomic_load_explicit(&room->head, memory_order_relaxed),
			     atomic_load_explicit(&c->tail, memory_order_relaxed), h->id_hash,
			     m->id, h->ts_ms - CHAT_LOG_ID_MS, &found)) {
			receipt->seq = found.seq;
			receipt->ts_ms = found.ts_ms;
			receipt->is_duplicate = true;
			return LOG_OK;
		}
	} else {
		number = log_room_make(area, hash, m->room);
	}
	if (!number)
		return LOG_FULL;
	receipt->retry_ms = m->room_limit ? rate_take(&log_room_at(area, shard, number)->rate,
						      m->room_limit, clock_monotonic_us())
					  : 0;
	if (receipt->retry_ms > 0)
		return LOG_RATE;
	if (!append(area, shard, number, h, m))
		return LOG_FULL;
	receipt->seq = h->seq;
	receipt->ts_ms = h->ts_ms;
	return LOG_OK;
}

enum log_result
chat_log_publish(struct chat_log *log, const struct log_message *m, struct log_receipt *receipt)
{
	if (m->room.len == 0 || m->room.len > CHAT_LOG_ROOM_MAX ||
	    m->name.len > CHAT_LOG_NAME_MAX || m->id.len > CHAT_LOG_ID_MAX ||
	    m->payload.len > chat_log_payload_max(log))
		return LOG_TOO_LONG;
	uint64_t hash = log_hash(log->area, m->room);
	unsigned shard = log_shard_of(hash);
	struct record_head h = {
	    .ts_ms = real_ms(),
	    .from = m->from,
	    .len = (uint32_t)m->payload.len,
	    .kind = (uint8_t)m->kind,
	    .name_len = (uint8_t)m->name.len,
	    .id_len = (uint8_t)m->id.len,
	};

	if (m->id.len)
		h.id_hash = (uint32_t)siphash(log->area->key, m->id.ptr, m->id.len);
	if (!log_lock(log, shard))
		return LOG_BUSY;
	enum log_result result = publish(log->area, hash, m, &h, receipt);

	log_unlock(log, shard);
	return result;
}
