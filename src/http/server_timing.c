/*
 * server_timing.c - milliseconds with two decimals, without a printf: it is on every answer.
 */
#include "http/server_timing.h"

#include "base/put.h"

static char *
put_ms(char *p, uint64_t us)
{
	const uint64_t hundredths = us / 10;

	p = put_number(p, hundredths / 100);
	*p++ = '.';
	*p++ = (char)('0' + hundredths / 10 % 10);
	*p++ = (char)('0' + hundredths % 10);
	return p;
}

char *
server_timing_put(char *p, uint64_t waited_us, uint64_t took_us)
{
	p = PUT_LIT(p, "Server-Timing: queue;dur=");
	p = put_ms(p, waited_us);
	p = PUT_LIT(p, ", db;dur=");
	p = put_ms(p, took_us);
	p = PUT_LIT(p, "\r\n");
	*p = '\0';
	return p;
}
