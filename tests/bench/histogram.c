/*
 * histogram.c - see histogram.h.
 */
#include "histogram.h"

#include <stddef.h>

static size_t
bucket_of(uint64_t value)
{
	if (value < HISTOGRAM_STEPS)
		return value;
	unsigned shift = 63 - (unsigned)__builtin_clzll(value) - HISTOGRAM_BITS;
	return ((size_t)(shift + 1) << HISTOGRAM_BITS) +
	       (size_t)((value >> shift) - HISTOGRAM_STEPS);
}

/* The largest value that is counted there. */
static uint64_t
bucket_top(size_t bucket)
{
	if (bucket < HISTOGRAM_STEPS)
		return bucket;
	unsigned shift = (unsigned)(bucket >> HISTOGRAM_BITS) - 1;
	return (((bucket & (HISTOGRAM_STEPS - 1)) + HISTOGRAM_STEPS + 1) << shift) - 1;
}

void
histogram_add(struct histogram *h, uint64_t ns)
{
	h->count[bucket_of(ns)]++;
	h->n++;
	if (ns > h->max)
		h->max = ns;
}

double
histogram_quantile(const struct histogram *h, double q)
{
	uint64_t rank = (uint64_t)((double)h->n * q), seen = 0;

	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->count[i];
		if (seen > rank) {
			uint64_t top = bucket_top(i);

			return (double)(top < h->max ? top : h->max) / 1e3;
		}
	}
	return (double)h->max / 1e3;
}
