/*
 * rate.h - a token bucket: how many publishes a second, and how many at once. Pure.
 */
#ifndef PLAZA_HUB_RATE_H
#define PLAZA_HUB_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct rate_limit {
	uint32_t per_second; /* 0: no limit */
	uint32_t burst;
};

/* All zeros is a full bucket. */
struct rate {
	uint64_t full_at_us; /* when it will be full again */
};

/* Takes one token; 0, or in how many milliseconds there is one (nothing is taken then). */
uint64_t rate_take(struct rate *rate, const struct rate_limit *limit, uint64_t now_us);

/* Takes one token even if there is none: 0, or after how many milliseconds that would be paid. */
uint64_t rate_owe(struct rate *rate, const struct rate_limit *limit, uint64_t now_us);

#endif
