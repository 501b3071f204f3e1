/*
 * rate.c - the bucket as the moment at which it will be full: nothing has to be added by a timer.
 */
#include "hub/rate.h"

static uint64_t
interval_us(const struct rate_limit *limit)
{
	return 1000000 / limit->per_second > 0 ? 1000000 / limit->per_second : 1;
}

/* How long, in us, until one more token may be taken; may be 0. */
static uint64_t
wait_us(const struct rate *rate, const struct rate_limit *limit, uint64_t now_us)
{
	uint64_t full_at = rate->full_at_us > now_us ? rate->full_at_us : now_us;
	uint64_t fits = (uint64_t)(limit->burst > 0 ? limit->burst : 1) * interval_us(limit);
	uint64_t taken = full_at - now_us + interval_us(limit);

	return taken > fits ? taken - fits : 0;
}

static void
spend(struct rate *rate, const struct rate_limit *limit, uint64_t now_us)
{
	if (rate->full_at_us < now_us)
		rate->full_at_us = now_us;
	rate->full_at_us += interval_us(limit);
}

uint64_t
rate_take(struct rate *rate, const struct rate_limit *limit, uint64_t now_us)
{
	if (limit->per_second == 0)
		return 0;
	uint64_t us = wait_us(rate, limit, now_us);
	if (us > 0)
		return (us + 999) / 1000;
	spend(rate, limit, now_us);
	return 0;
}

uint64_t
rate_owe(struct rate *rate, const struct rate_limit *limit, uint64_t now_us)
{
	if (limit->per_second == 0)
		return 0;
	uint64_t us = wait_us(rate, limit, now_us);
	spend(rate, limit, now_us);
	return (us + 999) / 1000;
}
