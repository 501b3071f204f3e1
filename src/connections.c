/*
 * connections.c - the largest of a few shares that fits.
 */
#include "connections.h"

#include <stddef.h>

/* a reload has two generations for a while */
#define GENERATIONS 2

/* The best one first: more than these serve nobody better. */
static const struct connections shares[] = {
    {3, 3, 3}, {3, 2, 3}, {3, 2, 2}, {3, 1, 2}, {2, 1, 2}, {2, 1, 1}, {1, 1, 1},
};

#define N_SHARES (sizeof(shares) / sizeof(shares[0]))

static uint64_t
sum(const struct connections *share, unsigned workers)
{
	return GENERATIONS * ((uint64_t)workers * (share->store + share->jobs) + share->executor);
}

struct connections
connections_share(uint64_t limit, unsigned workers)
{
	for (size_t i = 0; i < N_SHARES; i++) {
		if (sum(&shares[i], workers) <= limit)
			return shares[i];
	}
	return (struct connections){0};
}

uint64_t
connections_needed(unsigned workers)
{
	return sum(&shares[N_SHARES - 1], workers);
}
