/*
 * log_area.h - how the broadcast log (log.h) lies in the segment. Only the log's own files include
 * it.
 *
 * In it, a room or a seat of a shard has a number from 1 on, so that zeroed memory is an empty
 * table and 0 says "none". What is marked (derived) can be told from the rest and is made anew
 * after a holder of the lock has died; everything else is changed in such steps that it is right
 * between any two of them.
 */
#ifndef PLAZA_HUB_LOG_AREA_H
#define PLAZA_HUB_LOG_AREA_H

#include <pthread.h>
#include <stdatomic.h>

#include "hub/log.h"

#define LOG_UNIT_BITS 12 /* the pool's unit, and the smallest ring: 4 KiB */
#define LOG_ORDERS    20 /* a block is a unit << order */
#define LOG_NEWS      4096
#define LOG_SEATS     131072 /* of a shard */
/* Nobody writes so much: what is beyond is damage. */
#define LOG_POSITION_MAX (UINT64_MAX / 4)

/* Lets a test end the process between any two steps. */
#ifdef PLAZA_FAULTS
extern void (*chat_log_fault)(const char *step);
#define FAULT(step)                           \
	do {                                  \
		if (chat_log_fault)           \
			chat_log_fault(step); \
	} while (0)
#else
#define FAULT(step) ((void)0)
#endif

struct log_list {
	uint32_t first, last;
};
struct log_link {
	uint32_t prev, next;
};

/*
 * What a message changes in its room, in one go: it is written into the half that is not in use,
 * then n_commits goes up. Readers take the half that n_commits names and look whether it still
 * does.
 */
struct room_commit {
	_Atomic uint64_t tail;
	_Atomic uint64_t seq;
	_Atomic uint64_t ts_ms;
	_Atomic uint64_t last; /* where the newest record begins, if it is still there */
};

/* Rooms without members, least recently used first. */
enum idle_list {
	IDLE_NOT,
	IDLE_EMPTY, /* no messages: nothing is lost with it */
	IDLE_KEPT,
	IDLE_LISTS
};

struct room_slot {
	_Alignas(64) _Atomic uint32_t incarnation; /* odd: there is a room */
	_Atomic uint32_t n_members;                /* (derived) */
	_Atomic uint64_t ring;                     /* see log_record.h */
	_Atomic uint64_t head;
	_Atomic uint64_t n_commits;
	struct room_commit commit[2];
	_Atomic uint64_t presence_seq;
	uint64_t hash;
	uint64_t used;           /* when it was last published to or left, by the shard's clock */
	struct rate rate;        /* of all its publishers together */
	struct log_list members; /* (derived) in the order of coming */
	struct log_link idle;    /* (derived) in the list `is_in` */
	struct log_link peers;   /* (derived) among those with a ring of the same order */
	_Atomic uint32_t chain; /* (derived) of rooms whose names fall together; or of free slots */
	uint8_t is_in;          /* (derived) enum idle_list */
	uint8_t name_len;
	char name[CHAT_LOG_ROOM_MAX];
};

enum seat_state { SEAT_FREE, SEAT_USED, SEAT_LEAVING };

struct seat_slot {
	_Atomic uint64_t word; /* see log_seats.c */
	uint64_t conn;
	uint64_t since_ms;
	uint64_t arrival;     /* by the shard's count */
	struct log_link link; /* (derived) among the room's members; `next` of free ones, too */
	uint8_t name_len;
	char name[CHAT_LOG_NAME_MAX];
};

/* A unit of the pool (derived). */
struct log_unit {
	struct log_link link; /* among free blocks */
	uint8_t order;
	bool is_free; /* it is the first of a free block */
	bool is_used; /* while it is made anew: some ring has it */
};

struct log_shard {
	_Alignas(64) pthread_mutex_t mutex;
	_Atomic uint32_t writing;                /* the room that was last written to */
	_Atomic uint32_t rooms_high, seats_high; /* slots up to these were ever used */
	uint32_t free_room, free_seat;           /* (derived) */
	struct log_list idle[IDLE_LISTS];        /* (derived) */
	struct log_list peers[LOG_ORDERS];       /* (derived) */
	struct log_list free[LOG_ORDERS];        /* (derived) blocks of the pool */
	uint64_t clock, arrivals;
	_Atomic uint64_t floor; /* the highest seq of all rooms that were evicted */
	/* what readers look at */
	_Alignas(64) _Atomic uint64_t news_end;
	_Atomic uint64_t epoch;
	_Atomic uint64_t resets;
	_Atomic uint64_t written;
	_Atomic uint64_t chains_version; /* odd: they are being changed */
	_Atomic uint32_t n_leaving;      /* some seats may be LEAVING */
};

/* A notice says its own number, so that a reader knows one that it was too late for. */
struct log_notice {
	_Atomic uint64_t number_room;
};

struct log_layout {
	uint32_t n_rooms;  /* of a shard, as all the following */
	uint32_t n_chains; /* a power of two */
	uint32_t n_units;
	uint32_t n_spare;   /* units behind those, see log_space.c */
	unsigned max_order; /* of the largest ring */
	uint64_t shard_size;
	/* offsets from the beginning of the shard's memory */
	uint64_t chains, rooms, seats, units, pool;
	uint64_t size; /* of everything */
};

#define LOG_MAGIC 0x706c617a61630002 /* the last number is the layout's */

struct chat_log_area {
	uint64_t magic;
	uint64_t key[2];
	struct log_layout layout;
	struct log_shard shard[CHAT_LOG_SHARDS];
	struct {
		_Alignas(32) _Atomic uint64_t written[CHAT_LOG_SHARDS];
	} reader[CHAT_LOG_READERS];
};

#define LOG_AREA_SIZE ((sizeof(struct chat_log_area) + 4095) / 4096 * 4096)

static inline unsigned char *
log_memory(struct chat_log_area *area, unsigned shard, uint64_t offset)
{
	return (unsigned char *)area + LOG_AREA_SIZE + shard * area->layout.shard_size + offset;
}

static inline struct log_notice *
log_notices(struct chat_log_area *area, unsigned shard)
{
	return (struct log_notice *)(void *)log_memory(area, shard, 0);
}

static inline _Atomic uint32_t *
log_chains(struct chat_log_area *area, unsigned shard)
{
	return (_Atomic uint32_t *)(void *)log_memory(area, shard, area->layout.chains);
}

static inline struct room_slot *
log_room_at(struct chat_log_area *area, unsigned shard, uint32_t number)
{
	return (struct room_slot *)(void *)log_memory(area, shard, area->layout.rooms) + number;
}

static inline struct seat_slot *
log_seat_at(struct chat_log_area *area, unsigned shard, uint32_t number)
{
	return (struct seat_slot *)(void *)log_memory(area, shard, area->layout.seats) + number;
}

static inline struct log_unit *
log_unit_at(struct chat_log_area *area, unsigned shard, uint32_t number)
{
	return (struct log_unit *)(void *)log_memory(area, shard, area->layout.units) + number + 1;
}

static inline unsigned
log_shard_of(uint64_t hash)
{
	return (unsigned)(hash >> 32) % CHAT_LOG_SHARDS;
}

/* Nothing that follows is seen by anyone who has not been able to see what precedes. */
static inline void
log_barrier(void)
{
	atomic_thread_fence(memory_order_seq_cst);
}

/* log_news.c */

/* Says, with the lock, that a room has news. */
void log_notify(struct chat_log_area *area, unsigned shard, uint32_t room);
/* Makes every reader look at all rooms of the shard. */
void log_notify_all(struct chat_log_area *area, unsigned shard);

#endif
