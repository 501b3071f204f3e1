/*
 * log_format.c - makes the broadcast log in the segment: sizes, layout, locks.
 */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/log.h"
#include "hub/log_area.h"
#include "hub/log_pool.h"
#include "hub/log_record.h"
#include "hub/log_rooms.h"

/* Below this a room's share is too small for a message to speak of. */
#define ROOM_MAX_MIN ((size_t)16 * 1024)
#define UNITS_MAX    (1u << RING_UNIT_BITS)
#define ROOMS_MAX    (1u << 24)

static uint64_t
pages(uint64_t bytes)
{
	return (bytes + 4095) / 4096 * 4096;
}

/* False when the sizes are too small, or too large for the ring word. */
static bool
lay_out(const struct chat_log_sizes *sizes, struct log_layout *layout)
{
	uint64_t units = (uint64_t)sizes->bytes / CHAT_LOG_SHARDS >> LOG_UNIT_BITS;
	uint64_t offset = 0;

	*layout = (struct log_layout){0};
	if (sizes->room_max < ROOM_MAX_MIN || sizes->n_rooms == 0 || sizes->n_rooms > ROOMS_MAX ||
	    units < ROOM_MAX_MIN >> LOG_UNIT_BITS || units > UNITS_MAX / 2)
		return false;
	layout->n_units = (uint32_t)units;
	/* the largest ring is a block, and all of a shard at most */
	while (layout->max_order + 1 < LOG_ORDERS &&
	       (2ull << layout->max_order) <= sizes->room_max >> LOG_UNIT_BITS &&
	       (2ull << layout->max_order) <= units)
		layout->max_order++;
	layout->n_spare = 1u << (layout->max_order - 1);
	layout->n_rooms = (sizes->n_rooms + CHAT_LOG_SHARDS - 1) / CHAT_LOG_SHARDS;
	layout->n_chains = 16;
	while (layout->n_chains < layout->n_rooms)
		layout->n_chains *= 2;

	offset += pages(LOG_NEWS * sizeof(struct log_notice));
	layout->chains = offset;
	offset += pages((uint64_t)layout->n_chains * sizeof(_Atomic uint32_t));
	layout->rooms = offset;
	offset += pages((layout->n_rooms + 1ull) * sizeof(struct room_slot));
	layout->seats = offset;
	offset += pages((LOG_SEATS + 1ull) * sizeof(struct seat_slot));
	layout->units = offset;
	offset += pages((1ull + layout->n_units + layout->n_spare) * sizeof(struct log_unit));
	layout->pool = offset;
	offset += ((uint64_t)layout->n_units + layout->n_spare) << LOG_UNIT_BITS;
	layout->shard_size = offset;
	layout->size = LOG_AREA_SIZE + CHAT_LOG_SHARDS * offset;
	return true;
}

size_t
chat_log_memory(const struct chat_log_sizes *sizes)
{
	struct log_layout layout;

	return lay_out(sizes, &layout) ? (size_t)layout.size : 0;
}

/* An eighth of a room's share, or a reader a few of the longest behind would be lapped. */
static size_t
payload_max(const struct log_layout *layout)
{
	return ((size_t)1 << (layout->max_order + LOG_UNIT_BITS)) / 8 - sizeof(struct record_head) -
	       CHAT_LOG_NAME_MAX - CHAT_LOG_ID_MAX;
}

size_t
chat_log_payload_max_in(const struct chat_log_sizes *sizes)
{
	struct log_layout layout;

	return lay_out(sizes, &layout) ? payload_max(&layout) : 0;
}

size_t
chat_log_payload_max(const struct chat_log *log)
{
	return payload_max(&log->area->layout);
}

uint32_t
chat_log_room_limit(const struct chat_log *log)
{
	return log->area->layout.n_rooms * CHAT_LOG_SHARDS;
}

bool
chat_log_format(void *memory, size_t size, const struct chat_log_sizes *sizes)
{
	struct chat_log_area *area = memory;
	struct log_layout layout;
	pthread_mutexattr_t attr;
	int err;

	if (!lay_out(sizes, &layout) || size < layout.size) {
		log_error("chat log: %zu bytes are too few", size);
		return false;
	}
	area->layout = layout;
	if (getrandom(area->key, sizeof(area->key), 0) != (ssize_t)sizeof(area->key)) {
		log_error("chat log: no random key: %s", strerror(errno));
		return false;
	}
	err = pthread_mutexattr_init(&attr);
	if (!err) {
		err = pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
		if (!err)
			err = pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
		for (unsigned i = 0; i < CHAT_LOG_SHARDS && !err; i++)
			err = pthread_mutex_init(&area->shard[i].mutex, &attr);
		pthread_mutexattr_destroy(&attr);
	}
	if (err) {
		log_error("chat log: no shared lock: %s", strerror(err));
		return false;
	}
	for (unsigned i = 0; i < CHAT_LOG_SHARDS; i++) {
		atomic_store(&area->shard[i].epoch, log_next_epoch(area, i));
		log_pool_clear(area, i);
		log_pool_fill(area, i);
	}
	area->magic = LOG_MAGIC;
	return true;
}

bool
chat_log_attach(struct chat_log *log, void *memory, size_t size)
{
	struct chat_log_area *area = memory;

	*log = (struct chat_log){.area = area};
	if (size < LOG_AREA_SIZE || area->magic != LOG_MAGIC || area->layout.size > size) {
		log_error("chat log: the segment has none");
		return false;
	}
	log->room_max = 1ull << (area->layout.max_order + LOG_UNIT_BITS);
	return true;
}
