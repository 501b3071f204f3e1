/*
 * put.h - pieces of text into room that the caller has made: each returns where the next one goes.
 */
#ifndef PLAZA_BASE_PUT_H
#define PLAZA_BASE_PUT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline char *
put(char *p, const char *data, size_t len)
{
	if (len)
		memcpy(p, data, len);
	return p + len;
}

/* A literal. */
#define PUT_LIT(p, s) put(p, s, sizeof(s) - 1)

/* At most 20 digits. */
static inline char *
put_number(char *p, uint64_t number)
{
	char digits[20];
	size_t n = sizeof(digits);

	do {
		digits[--n] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	return put(p, digits + n, sizeof(digits) - n);
}

#endif
