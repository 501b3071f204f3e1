/*
 * uuid.c - see uuid.h.
 */
#include "base/uuid.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"

/* Random bytes of many ids at a time: a system call for each would cost more than all the rest. */
#define POOL_SIZE   640
#define RANDOM_SIZE 10

static bool
take_random(unsigned char *to)
{
	static unsigned char pool[POOL_SIZE];
	static size_t left;

	if (left < RANDOM_SIZE) {
		ssize_t n;

		do
			n = getrandom(pool, sizeof(pool), 0);
		while (n < 0 && errno == EINTR);
		if (n != (ssize_t)sizeof(pool))
			return false;
		left = POOL_SIZE;
	}
	left -= RANDOM_SIZE;
	memcpy(to, pool + left, RANDOM_SIZE);
	return true;
}

/*
 * Of ids of one millisecond, and while the clock goes back, rand_a counts (RFC 9562 section 6.2,
 * method 1); where its 12 bits end the time goes on by itself.
 */
bool
uuid_make(struct uuid *uuid)
{
	static uint64_t last_ms;
	static unsigned count;
	unsigned char *b = uuid->byte;
	const uint64_t ms = clock_realtime_ms();

	if (!take_random(b + 6))
		return false;
	if (ms > last_ms) {
		last_ms = ms;
		/* half of it is left to count with */
		count = ((unsigned)b[6] << 8 | b[7]) & 0x7ff;
	} else if (++count > 0xfff) {
		last_ms++;
		count = 0;
	}
	for (int i = 0; i < 6; i++)
		b[i] = (unsigned char)(last_ms >> (40 - 8 * i));
	b[6] = (unsigned char)(0x70 | count >> 8);
	b[7] = (unsigned char)count;
	b[8] = (unsigned char)(0x80 | (b[8] & 0x3f));
	return true;
}

static int
digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
is_dash_at(size_t i)
{
	return i == 8 || i == 13 || i == 18 || i == 23;
}

bool
uuid_parse(struct span text, struct uuid *uuid)
{
	size_t n = 0;

	if (text.len != UUID_TEXT_SIZE - 1)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (is_dash_at(i)) {
			if (text.ptr[i] != '-')
				return false;
			continue;
		}
		const int value = digit(text.ptr[i]);
		if (value < 0)
			return false;
		unsigned char *b = &uuid->byte[n / 2];
		*b = (unsigned char)(n % 2 ? *b << 4 | value : value);
		n++;
	}
	return true;
}

void
uuid_print(const struct uuid *uuid, char text[UUID_TEXT_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	size_t n = 0;

	for (size_t i = 0; i < UUID_TEXT_SIZE - 1; i++) {
		if (is_dash_at(i)) {
			text[i] = '-';
			continue;
		}
		const unsigned char b = uuid->byte[n / 2];
		text[i] = digits[n % 2 ? b & 0xf : b >> 4];
		n++;
	}
	text[UUID_TEXT_SIZE - 1] = '\0';
}

bool
uuid_is_v7(const struct uuid *uuid)
{
	return uuid->byte[6] >> 4 == 7 && uuid->byte[8] >> 6 == 2;
}

uint64_t
uuid_time_ms(const struct uuid *uuid)
{
	uint64_t ms = 0;

	for (int i = 0; i < 6; i++)
		ms = ms << 8 | uuid->byte[i];
	return ms;
}
