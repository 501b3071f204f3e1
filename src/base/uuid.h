/*
 * uuid.h - UUIDs of version 7 (RFC 9562), which begin with their time: the ids of jobs.
 */
#ifndef PLAZA_BASE_UUID_H
#define PLAZA_BASE_UUID_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/span.h"

#define UUID_TEXT_SIZE 37 /* with the terminator */

struct uuid {
	unsigned char byte[16];
};

/*
 * A new one of this moment, greater than the one that this process made before. False when the
 * kernel has no random bytes.
 */
bool uuid_make(struct uuid *uuid) __attribute__((warn_unused_result));

/* The 36 characters of RFC 9562 section 4 in either case, of any version. */
bool uuid_parse(struct span text, struct uuid *uuid) __attribute__((warn_unused_result));
void uuid_print(const struct uuid *uuid, char text[UUID_TEXT_SIZE]);

/* Version 7 in the variant of RFC 9562. */
bool uuid_is_v7(const struct uuid *uuid);
/* Of a v7: milliseconds of the Unix epoch. */
uint64_t uuid_time_ms(const struct uuid *uuid);

static inline int
uuid_compare(const struct uuid *a, const struct uuid *b)
{
	return memcmp(a->byte, b->byte, sizeof(a->byte));
}

#endif
