/*
 * histogram.h - latencies in nanoseconds, counted. Not part of the daemon.
 */
#ifndef PLAZA_BENCH_HISTOGRAM_H
#define PLAZA_BENCH_HISTOGRAM_H

#include <stdint.h>

/* Log-linear: 64 steps in each power of two, so that a value is known to 1.6 %. */
#define HISTOGRAM_BITS    6
#define HISTOGRAM_STEPS   (1u << HISTOGRAM_BITS)
#define HISTOGRAM_BUCKETS (64 * HISTOGRAM_STEPS)

/* All zeros is an empty one. */
struct histogram {
	uint64_t count[HISTOGRAM_BUCKETS];
	uint64_t n, max;
};

void histogram_add(struct histogram *h, uint64_t ns);

/* In microseconds; 0.5 is the median. */
double histogram_quantile(const struct histogram *h, double q);

#endif
