/*
 * clock.c - reading the clocks, and the Date text kept for a second.
 */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

uint64_t
clock_monotonic_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

struct span
clock_http_date(uint64_t now_us)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	static char text[40];
	static size_t len;
	static uint64_t fresh_until_us;

	if (now_us >= fresh_until_us || len == 0) {
		struct timespec ts;
		struct tm tm;

		clock_gettime(CLOCK_REALTIME, &ts);
		gmtime_r(&ts.tv_sec, &tm);
		/* strftime would speak the locale's language */
		len =
		    (size_t)snprintf(text, sizeof(text), "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
				     days + tm.tm_wday * 3, tm.tm_mday, months + tm.tm_mon * 3,
				     tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
		fresh_until_us = now_us + 1000000 - (uint64_t)ts.tv_nsec / 1000;
	}
	return span_from(text, len);
}
