/*
 * log_record.h - a room's ring and the records in it.
 *
 * A ring is a block of the pool: 15/16 of it are the ring itself, the rest is the memory of ids, a
 * table of positions. What is at position p lies at p modulo the ring's capacity; a record may go
 * over the end. Which block it is says one word, with a number that goes up with each change of it.
 */
#ifndef PLAZA_HUB_LOG_RECORD_H
#define PLAZA_HUB_LOG_RECORD_H

#include "hub/log_area.h"

/* The word: the number in 32 bits, the order + 1 in 8 (0: no ring), the first unit in 24. */
#define RING_UNIT_BITS 24

struct ring {
	unsigned char *bytes; /* NULL: none */
	unsigned order;
	uint32_t unit;
};

static inline struct ring
ring_of(struct chat_log_area *area, unsigned shard, uint64_t word)
{
	unsigned order = (unsigned)(word >> RING_UNIT_BITS) & 0xff;
	uint32_t unit = (uint32_t)word & ((1u << RING_UNIT_BITS) - 1);

	if (order == 0)
		return (struct ring){0};
	return (struct ring){
	    .bytes = log_memory(area, shard, area->layout.pool) + ((size_t)unit << LOG_UNIT_BITS),
	    .order = order - 1,
	    .unit = unit,
	};
}

/* The word that follows `before`. */
static inline uint64_t
ring_word(uint64_t before, uint32_t unit, unsigned order)
{
	return ((before >> 32) + 1) << 32 | (uint64_t)(order + 1) << RING_UNIT_BITS | unit;
}

static inline uint64_t
ring_no_word(uint64_t before)
{
	return ((before >> 32) + 1) << 32;
}

static inline uint64_t
ring_capacity(unsigned order)
{
	return 15ull << (order + LOG_UNIT_BITS - 4);
}

/* pos % capacity, by a division that the compiler knows how to do without one */
static inline uint64_t
ring_offset(unsigned order, uint64_t pos)
{
	unsigned bits = order + LOG_UNIT_BITS - 4;

	return (pos >> bits) % 15 << bits | (pos & ((1ull << bits) - 1));
}

void ring_get(const struct ring *ring, uint64_t pos, void *out, size_t len);
void ring_put(const struct ring *ring, uint64_t pos, const void *data, size_t len);

/*
 * In front of name, id and payload. A record is as long as these are, rounded up to a multiple
 * of 8. What the checksum is of begins with `id_hash`.
 */
struct record_head {
	uint64_t
	    id_before; /* position + 1 of the one before in the same row of ids; only with an id */
	uint32_t sum;
	uint32_t id_hash;
	uint64_t pos;
	uint64_t prev; /* of the same room; its own position if there was none */
	uint64_t seq;
	uint64_t ts_ms;
	uint64_t from;
	uint32_t len; /* of the payload */
	uint8_t kind, name_len, id_len, zero;
};
_Static_assert(sizeof(struct record_head) == 64, "no padding in it");

static inline uint64_t
record_size(size_t name_len, size_t id_len, size_t len)
{
	return (sizeof(struct record_head) + name_len + id_len + len + 7) / 8 * 8;
}

/* Whether the head can be that of a record at `pos`, all of which lies before `end`. */
bool record_is_sane(const struct record_head *head, uint64_t pos, uint64_t end);

/* The checksum of a sane record, from what lies in its ring; `head` is its own. */
uint32_t record_sum(const struct ring *ring, const struct record_head *head);

/*
 * The memory of ids: rows by the id's hash, each a chain of records from the newest back. Those
 * that lie before the room's head are not there any more.
 */
void ids_clear(const struct ring *ring);
/* The row's newest, position + 1. */
uint64_t *ids_row(const struct ring *ring, uint32_t id_hash);
/* Makes it anew from the records. */
void ids_rebuild(const struct ring *ring, uint64_t head, uint64_t tail);
/* The record with this id that is not older than since_ms. */
bool ids_find(const struct ring *ring, uint64_t head, uint64_t tail, uint32_t id_hash,
	      struct span id, uint64_t since_ms, struct record_head *found);

#endif
