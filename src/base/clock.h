/*
 * clock.h - the two clocks: monotonic for durations, real for what people read.
 */
#ifndef PLAZA_BASE_CLOCK_H
#define PLAZA_BASE_CLOCK_H

#include <stdint.h>

/* CLOCK_MONOTONIC; the same for all processes of this machine. */
uint64_t clock_monotonic_us(void);

static inline uint64_t
clock_monotonic_ms(void)
{
	return clock_monotonic_us() / 1000;
}

/* CLOCK_REALTIME: it may be set back. */
uint64_t clock_realtime_ms(void);

/* A date of RFC 9110 5.6.7, IMF-fixdate, with its terminator. */
#define CLOCK_HTTP_DATE_SIZE sizeof("Sun, 06 Nov 1994 08:49:37 GMT")

/*
 * Writes the value that a Date field has now; `now_us` is the caller's recent clock_monotonic_us.
 * Returns until when, by that clock, it is right: less than a second.
 */
uint64_t clock_http_date(uint64_t now_us, char text[CLOCK_HTTP_DATE_SIZE]);

#endif
