/*
 * log_news.c - which rooms of a shard have news, and how far each reader is: hints without a lock.
 */
#include "hub/log_area.h"

void
log_notify(struct chat_log_area *area, unsigned shard, uint32_t room)
{
	struct log_shard *s = &area->shard[shard];
	uint64_t n = atomic_load_explicit(&s->news_end, memory_order_relaxed);

	atomic_store_explicit(&log_notices(area, shard)[n % LOG_NEWS].number_room, n << 32 | room,
			      memory_order_relaxed);
	FAULT("notice");
	atomic_store_explicit(&s->news_end, n + 1, memory_order_release);
	FAULT("noticed");
}

void
log_notify_all(struct chat_log_area *area, unsigned shard)
{
	/* as if there had been more than the ring holds */
	atomic_fetch_add(&area->shard[shard].news_end, LOG_NEWS + 1);
}

uint64_t
chat_log_news_end(const struct chat_log *log, unsigned shard)
{
	return atomic_load_explicit(&log->area->shard[shard].news_end, memory_order_acquire);
}

bool
chat_log_has_news(const struct chat_log *log, unsigned shard, uint64_t cursor)
{
	return chat_log_news_end(log, shard) != cursor;
}

bool
chat_log_news(const struct chat_log *log, unsigned shard, uint64_t *cursor, uint32_t *index,
	      size_t max, size_t *n)
{
	const struct log_notice *notices = log_notices(log->area, shard);
	uint32_t first = shard * log->area->layout.n_rooms;
	uint64_t end = chat_log_news_end(log, shard);
	uint64_t at = *cursor;

	*n = 0;
	for (; at != end && *n < max; at++) {
		uint64_t notice =
		    atomic_load_explicit(&notices[at % LOG_NEWS].number_room, memory_order_relaxed);
		uint32_t i = (uint32_t)notice - 1 + first;

		if (end - at > LOG_NEWS || notice >> 32 != (uint32_t)at) {
			*cursor = end;
			*n = 0;
			return true;
		}
		if (*n == 0 || index[*n - 1] != i)
			index[(*n)++] = i;
	}
	*cursor = at;
	return false;
}

/* ---- how far each reader is ---- */

uint64_t
chat_log_written(const struct chat_log *log, unsigned shard)
{
	return atomic_load_explicit(&log->area->shard[shard].written, memory_order_acquire);
}

void
chat_log_set_reader(struct chat_log *log, unsigned slot, unsigned shard, uint64_t written)
{
	atomic_store_explicit(&log->area->reader[slot].written[shard], written,
			      memory_order_relaxed);
}

uint64_t
chat_log_reader(const struct chat_log *log, unsigned slot, unsigned shard)
{
	return atomic_load_explicit(&log->area->reader[slot].written[shard], memory_order_relaxed);
}
