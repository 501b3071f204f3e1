/*
 * clock.h - the two clocks: monotonic for durations, real for what people read.
 */
#ifndef PLAZA_BASE_CLOCK_H
#define PLAZA_BASE_CLOCK_H

#include <stdint.h>

#include "base/span.h"

/* CLOCK_MONOTONIC; the same for all processes of this machine. */
uint64_t clock_monotonic_us(void);

static inline uint64_t
clock_monotonic_ms(void)
{
	return clock_monotonic_us() / 1000;
}

/*
 * The value of a Date field (RFC 9110 5.6.7, IMF-fixdate), made anew at most once a second;
 * `now_us` is the caller's recent clock_monotonic_us. Valid until the next call.
 */
struct span clock_http_date(uint64_t now_us);

#endif
