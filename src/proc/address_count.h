/*
 * address_count.h - how many connections one address has, over all workers of both generations.
 *
 * Each slot of the segment has a table that only its process writes; a count is the sum over the
 * tables of the slots that have a process. So nothing needs a lock, and what a killed worker has
 * counted goes with its slot.
 *
 * A table is a count-min sketch: a few rows of counters, of which an address has one in each, found
 * by a keyed hash. The error has one side: a count is never too low, and too high only for an
 * address that shares its counter in every row with others, which nobody can bring about without
 * the key. An IPv4 address counts as a whole (also as ::ffff:a.b.c.d), an IPv6 one as its /64:
 * whoever has one address there has all of them.
 */
#ifndef PLAZA_PROC_ADDRESS_COUNT_H
#define PLAZA_PROC_ADDRESS_COUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct segment;

/* One process's way to count; must outlive every hold that was taken with it. */
struct address_count {
	const struct segment *segment;
	unsigned slot; /* its own */
};

/* One connection counted. All zeros: none. May be moved by assignment; one copy is released. */
struct address_hold {
	struct address_count *count;
	uint64_t hash;
};

/*
 * Counts one more connection of `address` (IPv4 mapped) in `hold`, which holds none. False, and
 * nothing held, when it would be more than `limit`; 0 is no limit, and counts all the same, for
 * those who have one. When several processes do this for an address at the same moment, more than
 * the one too many may be refused; there are never more than `limit`.
 */
bool address_hold_take(struct address_hold *hold, struct address_count *count,
		       const uint8_t address[16], uint64_t limit);

/* Idempotent. */
void address_hold_release(struct address_hold *hold);

/* Forgets what the last process of `slot` has counted; the slot has no process. */
void address_count_clear(const struct segment *segment, unsigned slot);

#define ADDRESS_NAME_MAX 64

/* "192.0.2.1", or "2001:db8:1:2::/64": what counts together. Returns `name`. */
const char *address_count_name(const uint8_t address[16], char name[ADDRESS_NAME_MAX]);

#endif
