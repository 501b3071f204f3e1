/*
 * log_pool.h - the memory of a shard's rings: blocks of a unit << order, each at a multiple of its
 * size, split in halves and joined again (a buddy system). With the shard's lock.
 */
#ifndef PLAZA_HUB_LOG_POOL_H
#define PLAZA_HUB_LOG_POOL_H

#include "hub/log_area.h"

#define LOG_POOL_NONE UINT32_MAX

/* A block's first unit, or LOG_POOL_NONE. */
uint32_t log_pool_take(struct chat_log_area *area, unsigned shard, unsigned order);
void log_pool_give(struct chat_log_area *area, unsigned shard, uint32_t unit, unsigned order);
/* Whether a block of `order` would be free if this one were given. */
bool log_pool_would_join(struct chat_log_area *area, unsigned shard, uint32_t unit,
			 unsigned unit_order, unsigned order);

/* To make it anew: clear; mark what is in use, false if it is no block or some other has it; fill.
 */
void log_pool_clear(struct chat_log_area *area, unsigned shard);
bool log_pool_mark(struct chat_log_area *area, unsigned shard, uint32_t unit, unsigned order);
void log_pool_fill(struct chat_log_area *area, unsigned shard);

/* The block behind the others, half as large as the largest; it is never given out. */
static inline uint32_t
log_pool_spare(const struct chat_log_area *area)
{
	return area->layout.n_units;
}

#endif
