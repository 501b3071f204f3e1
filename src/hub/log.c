/*
 * log.c - the broadcast log; log.h says how it works. Inside a shard's lock there is nothing but
 * copying and stores, so that a holder can only be late by being stopped or swapped out.
 */
#include "hub/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/log.h"
#include "base/siphash.h"

#define LOG_MAGIC    0x706c617a61630001 /* the last number is the layout's */
#define AREA_SIZE    8192
#define MIN_CAPACITY 4096
#define ALIGN        16
#define LOCK_MAX_NS  (50L * 1000 * 1000)

struct shard {
	_Alignas(64) pthread_mutex_t mutex;
	/* readers of all processes look at these two; the mutex has a cache line of its own */
	_Alignas(64) _Atomic uint64_t intent;
	_Atomic uint64_t tail;
};

struct chat_log_area {
	uint64_t magic;
	uint64_t capacity;
	uint64_t key[2];
	struct shard shard[CHAT_LOG_SHARDS];
	struct {
		_Alignas(32) _Atomic uint64_t pos[CHAT_LOG_SHARDS];
	} reader[CHAT_LOG_READERS];
};

_Static_assert(sizeof(struct chat_log_area) <= AREA_SIZE, "the data begins behind the area");

enum record_type { RECORD_MESSAGE = 1, RECORD_PAD };

/*
 * Every record begins at a multiple of ALIGN and is one piece: where it would cross the ring's end
 * there is padding up to the end. ALIGN bytes always fit before the end, and padding is no more.
 */
struct record_head {
	uint32_t len; /* of the whole record, a multiple of ALIGN */
	uint8_t type;
	uint8_t opcode;
	uint8_t room_len;
	uint8_t unused;
	uint64_t pos; /* its own: what does not say so is no record */
};
_Static_assert(sizeof(struct record_head) == ALIGN, "padding is a head alone");

struct message_head {
	struct record_head head;
	uint64_t hash;
	uint32_t payload_len;
	uint32_t unused;
	/* the room's name and the payload follow */
};

/* Lets a test end the process between any two steps of an append or a repair. */
#ifdef PLAZA_FAULTS
static void (*fault_hook)(const char *step);
#define FAULT(step)                       \
	do {                              \
		if (fault_hook)           \
			fault_hook(step); \
	} while (0)
#else
#define FAULT(step) ((void)0)
#endif

static uint64_t
shard_capacity(size_t size)
{
	return (size - AREA_SIZE) / CHAT_LOG_SHARDS / 64 * 64;
}

bool
chat_log_format(void *memory, size_t size)
{
	struct chat_log_area *area = memory;
	pthread_mutexattr_t attr;
	int err;

	if (size < AREA_SIZE + CHAT_LOG_SHARDS * (size_t)MIN_CAPACITY) {
		log_error("chat log: %zu bytes are too few", size);
		return false;
	}
	area->capacity = shard_capacity(size);
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
	area->magic = LOG_MAGIC;
	return true;
}

bool
chat_log_attach(struct chat_log *log, void *memory, size_t size)
{
	struct chat_log_area *area = memory;

	*log = (struct chat_log){.area = area};
	if (size < AREA_SIZE || area->magic != LOG_MAGIC ||
	    area->capacity > (size - AREA_SIZE) / CHAT_LOG_SHARDS) {
		log_error("chat log: the segment has none");
		return false;
	}
	log->capacity = area->capacity;
	for (unsigned i = 0; i < CHAT_LOG_SHARDS; i++)
		log->data[i] = (unsigned char *)memory + AREA_SIZE + i * log->capacity;
	return true;
}

uint64_t
chat_log_hash(const struct chat_log *log, struct span room)
{
	return siphash(log->area->key, room.ptr, room.len);
}

static size_t
payload_max(uint64_t capacity)
{
	/* a reader that is a few of the longest messages behind must not be lapped */
	return capacity / 8 - sizeof(struct message_head) - CHAT_LOG_ROOM_MAX;
}

size_t
chat_log_payload_max(const struct chat_log *log)
{
	return payload_max(log->capacity);
}

size_t
chat_log_payload_max_in(size_t size)
{
	return payload_max(shard_capacity(size));
}

static void
write_pad(struct chat_log *log, unsigned shard, uint64_t pos, uint64_t len)
{
	struct record_head pad = {.len = (uint32_t)len, .type = RECORD_PAD, .pos = pos};

	memcpy(log->data[shard] + pos % log->capacity, &pad, sizeof(pad));
}

/*
 * With the lock of a writer that died: its hole becomes padding. Never takes intent back, for the
 * bytes below it are damaged already. May itself be interrupted and done again.
 */
static void
repair(struct chat_log *log, unsigned shard)
{
	struct shard *s = &log->area->shard[shard];
	uint64_t intent = atomic_load_explicit(&s->intent, memory_order_relaxed);
	uint64_t tail = atomic_load_explicit(&s->tail, memory_order_relaxed);

	while (tail < intent) {
		uint64_t left = log->capacity - tail % log->capacity;
		uint64_t len = intent - tail < left ? intent - tail : left;

		write_pad(log, shard, tail, len);
		FAULT("repair: padded");
		tail += len;
		atomic_store_explicit(&s->tail, tail, memory_order_release);
		FAULT("repair: committed");
	}
}

/* The lock is ours with `err` 0 or EOWNERDEAD. */
static bool
locked(struct chat_log *log, unsigned shard, int err)
{
	struct shard *s = &log->area->shard[shard];

	if (err == EOWNERDEAD) {
		log_warning("chat log: a process died writing to shard %u; repaired", shard);
		repair(log, shard);
		err = pthread_mutex_consistent(&s->mutex);
		if (err)
			pthread_mutex_unlock(&s->mutex);
	}
	if (err && err != EBUSY && err != ETIMEDOUT)
		log_error("chat log: shard %u cannot be locked: %s", shard, strerror(err));
	return err == 0;
}

static bool
lock(struct chat_log *log, unsigned shard)
{
	struct shard *s = &log->area->shard[shard];
	int err = pthread_mutex_trylock(&s->mutex);

	if (err == EBUSY && !log->stuck[shard]) {
		struct timespec until;

		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += LOCK_MAX_NS;
		if (until.tv_nsec >= 1000000000L) {
			until.tv_nsec -= 1000000000L;
			until.tv_sec++;
		}
		err = pthread_mutex_clocklock(&s->mutex, CLOCK_MONOTONIC, &until);
		if (err == ETIMEDOUT)
			log_warning("chat log: shard %u has been locked for 50 ms", shard);
	}
	/* wait once, not once per message: the loop has others to serve */
	log->stuck[shard] = err == EBUSY || err == ETIMEDOUT;
	return locked(log, shard, err);
}

bool
chat_log_append(struct chat_log *log, uint64_t hash, struct span room, unsigned opcode,
		const void *payload, size_t len)
{
	unsigned shard = chat_log_shard(hash);
	struct shard *s = &log->area->shard[shard];

	if (room.len > CHAT_LOG_ROOM_MAX || len > chat_log_payload_max(log))
		return false;
	uint64_t need = (sizeof(struct message_head) + room.len + len + ALIGN - 1) / ALIGN * ALIGN;
	if (!lock(log, shard))
		return false;
	FAULT("locked");

	uint64_t tail = atomic_load_explicit(&s->tail, memory_order_relaxed);
	uint64_t left = log->capacity - tail % log->capacity;
	uint64_t pad = need > left ? left : 0;
	uint64_t pos = tail + pad;

	atomic_store_explicit(&s->intent, pos + need, memory_order_relaxed);
	/* no byte of the ring changes before every reader can see that it will */
	atomic_thread_fence(memory_order_seq_cst);
	FAULT("intent");

	if (pad)
		write_pad(log, shard, tail, pad);
	FAULT("padded");
	struct message_head m = {
	    .head = {.len = (uint32_t)need,
		     .type = RECORD_MESSAGE,
		     .opcode = (uint8_t)opcode,
		     .room_len = (uint8_t)room.len,
		     .pos = pos},
	    .hash = hash,
	    .payload_len = (uint32_t)len,
	};
	unsigned char *to = log->data[shard] + pos % log->capacity;
	memcpy(to, &m, sizeof(m));
	FAULT("half");
	memcpy(to + sizeof(m), room.ptr, room.len);
	if (len)
		memcpy(to + sizeof(m) + room.len, payload, len);
	FAULT("written");

	atomic_store_explicit(&s->tail, pos + need, memory_order_release);
	FAULT("committed");
	pthread_mutex_unlock(&s->mutex);
	FAULT("unlocked");
	return true;
}

uint64_t
chat_log_tail(const struct chat_log *log, unsigned shard)
{
	return atomic_load_explicit(&log->area->shard[shard].tail, memory_order_acquire);
}

/* Whether what was read from `pos` on is what was written there. */
static bool
still_there(const struct chat_log *log, unsigned shard, uint64_t pos)
{
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&log->area->shard[shard].intent, memory_order_relaxed) - pos <=
	       log->capacity;
}

enum chat_log_read
chat_log_find(const struct chat_log *log, unsigned shard, uint64_t pos, uint64_t end,
	      struct chat_log_record *record)
{
	while (pos < end) {
		uint64_t offset = pos % log->capacity;
		const unsigned char *from = log->data[shard] + offset;
		struct message_head m;

		memcpy(&m.head, from, sizeof(m.head));
		if (m.head.type == RECORD_MESSAGE && log->capacity - offset >= sizeof(m)) {
			uint64_t left = log->capacity - offset - sizeof(m);
			size_t room_len = m.head.room_len;

			/* bounded by hand, for these bytes may be torn still */
			if (room_len > CHAT_LOG_ROOM_MAX)
				room_len = CHAT_LOG_ROOM_MAX;
			if (room_len > left)
				room_len = (size_t)left;
			memcpy(&m, from, sizeof(m));
			memcpy(record->room, from + sizeof(m), room_len);
			record->room_len = room_len;
		}
		if (!still_there(log, shard, pos) || m.head.pos != pos || m.head.len == 0 ||
		    m.head.len > end - pos)
			return CHAT_LOG_LAPPED;
		if (m.head.type == RECORD_MESSAGE) {
			record->pos = pos;
			record->next = pos + m.head.len;
			record->hash = m.hash;
			record->opcode = m.head.opcode;
			record->len = m.payload_len;
			record->payload = from + sizeof(m) + record->room_len;
			return CHAT_LOG_MESSAGE;
		}
		pos += m.head.len;
	}
	return CHAT_LOG_END;
}

bool
chat_log_copy(const struct chat_log *log, unsigned shard, const struct chat_log_record *record,
	      void *out)
{
	if (record->len)
		memcpy(out, record->payload, record->len);
	return still_there(log, shard, record->pos);
}

void
chat_log_set_reader(struct chat_log *log, unsigned slot, unsigned shard, uint64_t pos)
{
	atomic_store_explicit(&log->area->reader[slot].pos[shard], pos, memory_order_relaxed);
}

uint64_t
chat_log_reader(const struct chat_log *log, unsigned slot, unsigned shard)
{
	return atomic_load_explicit(&log->area->reader[slot].pos[shard], memory_order_relaxed);
}

void
chat_log_repair(struct chat_log *log)
{
	for (unsigned shard = 0; shard < CHAT_LOG_SHARDS; shard++) {
		struct shard *s = &log->area->shard[shard];

		/* EBUSY: a living process has it, and has repaired it if that was needed */
		if (locked(log, shard, pthread_mutex_trylock(&s->mutex)))
			pthread_mutex_unlock(&s->mutex);
	}
}
