/*
 * address_count.c - the tables of address_count.h: counted in by their owners, summed up by all.
 */
#include "proc/address_count.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/siphash.h"
#include "proc/segment.h"

_Static_assert(ADDRESS_ROWS *ADDRESS_CELL_BITS <= 64, "one hash has the cells of all rows");

static bool
is_ipv4(const uint8_t address[16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	return memcmp(address, mapped, sizeof(mapped)) == 0;
}

/* The cell of a row for an address that hashes to `hash`. */
static _Atomic uint32_t *
cell_of(const struct segment *segment, unsigned slot, unsigned row, uint64_t hash)
{
	return &segment->addresses[slot]
		    .cell[row][hash >> (row * ADDRESS_CELL_BITS) & (ADDRESS_CELLS - 1)];
}

/* In one slot: the row that the fewest others share tells best. */
static uint32_t
count_in(const struct segment *segment, unsigned slot, uint64_t hash)
{
	uint32_t least = UINT32_MAX;

	for (unsigned row = 0; row < ADDRESS_ROWS; row++) {
		uint32_t n = atomic_load(cell_of(segment, slot, row, hash));

		least = n < least ? n : least;
	}
	return least;
}

static uint64_t
count_all(const struct segment *segment, uint64_t hash)
{
	uint64_t n = 0;

	for (unsigned slot = 0; slot < SEGMENT_SLOTS; slot++) {
		/* without a process it holds no connection, whatever its table says */
		if (atomic_load(&segment->slots[slot].pid) != 0)
			n += count_in(segment, slot, hash);
	}
	return n;
}

bool
address_hold_take(struct address_hold *hold, struct address_count *count, const uint8_t address[16],
		  uint64_t limit)
{
	assert(!hold->count);
	hold->count = count;
	hold->hash = siphash(count->segment->address_key, address, is_ipv4(address) ? 16 : 8);
	/*
	 * First counted, then looked, both sequentially consistent: of two processes that do this
	 * at the same time one at least sees the other's.
	 */
	for (unsigned row = 0; row < ADDRESS_ROWS; row++)
		atomic_fetch_add(cell_of(count->segment, count->slot, row, hold->hash), 1);
	if (limit == 0 || count_all(count->segment, hold->hash) <= limit)
		return true;
	address_hold_release(hold);
	return false;
}

void
address_hold_release(struct address_hold *hold)
{
	const struct address_count *count = hold->count;

	if (!count)
		return;
	hold->count = NULL;
	for (unsigned row = 0; row < ADDRESS_ROWS; row++)
		atomic_fetch_sub(cell_of(count->segment, count->slot, row, hold->hash), 1);
}

void
address_count_clear(const struct segment *segment, unsigned slot)
{
	struct address_table *table = &segment->addresses[slot];

	/* gives the pages back; they are zeros when they are touched again */
	if (madvise(table, sizeof(*table), MADV_REMOVE) != 0)
		memset(table, 0, sizeof(*table));
}

const char *
address_count_name(const uint8_t address[16], char name[ADDRESS_NAME_MAX])
{
	uint8_t network[16] = {0};

	if (is_ipv4(address)) {
		inet_ntop(AF_INET, address + 12, name, ADDRESS_NAME_MAX);
		return name;
	}
	memcpy(network, address, 8);
	inet_ntop(AF_INET6, network, name, ADDRESS_NAME_MAX);
	size_t len = strlen(name);
	snprintf(name + len, ADDRESS_NAME_MAX - len, "/64");
	return name;
}
