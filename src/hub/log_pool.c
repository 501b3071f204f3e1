/*
 * log_pool.c - see log_pool.h. What is free is derived from the rings of the rooms, so that a death
 * in here costs no more than making it anew.
 */
#include "hub/log_pool.h"

#include "hub/log_list.h"

/* In the lists a unit has its number + 1. */
static struct log_links
unit_links(struct chat_log_area *area, unsigned shard)
{
	return LOG_LINKS(log_memory(area, shard, area->layout.units), struct log_unit, link);
}

static void
add_free(struct chat_log_area *area, unsigned shard, uint32_t unit, unsigned order)
{
	struct log_links links = unit_links(area, shard);
	struct log_unit *u = log_unit_at(area, shard, unit);

	u->order = (uint8_t)order;
	u->is_free = true;
	log_list_prepend(&links, &area->shard[shard].free[order], unit + 1);
}

static void
remove_free(struct chat_log_area *area, unsigned shard, uint32_t unit)
{
	struct log_links links = unit_links(area, shard);
	struct log_unit *u = log_unit_at(area, shard, unit);

	log_list_remove(&links, &area->shard[shard].free[u->order], unit + 1);
	u->is_free = false;
}

uint32_t
log_pool_take(struct chat_log_area *area, unsigned shard, unsigned order)
{
	const struct log_list *free = area->shard[shard].free;
	unsigned from = order;

	while (from <= area->layout.max_order && !free[from].first)
		from++;
	if (from > area->layout.max_order)
		return LOG_POOL_NONE;
	uint32_t unit = free[from].first - 1;

	remove_free(area, shard, unit);
	FAULT("pool: taken");
	while (from > order) {
		from--;
		add_free(area, shard, unit + (1u << from), from);
		FAULT("pool: split");
	}
	return unit;
}

/* The other half of the block that a block could be joined to, if all of it is free; or NONE. */
static uint32_t
free_buddy(struct chat_log_area *area, unsigned shard, uint32_t unit, unsigned order)
{
	uint32_t buddy = unit ^ (1u << order);

	if (order >= area->layout.max_order || buddy + (1u << order) > area->layout.n_units)
		return LOG_POOL_NONE;
	const struct log_unit *b = log_unit_at(area, shard, buddy);

	return b->is_free && b->order == order ? buddy : LOG_POOL_NONE;
}

void
log_pool_give(struct chat_log_area *area, unsigned shard, uint32_t unit, unsigned order)
{
	uint32_t buddy;

	while ((buddy = free_buddy(area, shard, unit, order)) != LOG_POOL_NONE) {
		remove_free(area, shard, buddy);
		FAULT("pool: joined");
		unit &= ~(1u << order++);
	}
	add_free(area, shard, unit, order);
	FAULT("pool: given");
}

bool
log_pool_would_join(struct chat_log_area *area, unsigned shard, uint32_t unit, unsigned unit_order,
		    unsigned order)
{
	while (unit_order < order && free_buddy(area, shard, unit, unit_order) != LOG_POOL_NONE)
		unit &= ~(1u << unit_order++);
	return unit_order >= order;
}

void
log_pool_clear(struct chat_log_area *area, unsigned shard)
{
	for (unsigned order = 0; order < LOG_ORDERS; order++)
		area->shard[shard].free[order] = (struct log_list){0};
	for (uint32_t i = 0; i < area->layout.n_units + area->layout.n_spare; i++)
		*log_unit_at(area, shard, i) = (struct log_unit){0};
}

bool
log_pool_mark(struct chat_log_area *area, unsigned shard, uint32_t unit, unsigned order)
{
	uint32_t spare = log_pool_spare(area);

	if (order > area->layout.max_order)
		return false;
	uint32_t n = 1u << order;

	if (unit == spare ? n > area->layout.n_spare
			  : unit % n != 0 || n > spare || unit > spare - n)
		return false;
	for (uint32_t i = unit; i < unit + n; i++)
		if (log_unit_at(area, shard, i)->is_used)
			return false;
	for (uint32_t i = unit; i < unit + n; i++)
		log_unit_at(area, shard, i)->is_used = true;
	return true;
}

void
log_pool_fill(struct chat_log_area *area, unsigned shard)
{
	for (uint32_t i = 0; i < area->layout.n_units; i++)
		if (!log_unit_at(area, shard, i)->is_used)
			log_pool_give(area, shard, i, 0);
}
