/*
 * log.h - the broadcast log: a bounded run of messages in the shared segment that every worker
 * appends to and every worker reads. It is the bus between workers and the one order of a room.
 *
 * It has CHAT_LOG_SHARDS shards; a room lives in one of them, by its hash. A shard is a ring of
 * bytes that overwrites its oldest. A position is a byte count since the log was made: it never
 * goes back, and what lies between `intent - capacity` and `tail` can be read.
 *
 * Writers take the shard's robust mutex. Step by step, so that one killed at any instant leaves
 * nothing that a reader could take for a message:
 *   1. intent = tail + what is needed: from here on these bytes, and what they overwrite, are lost
 *   2. the record's bytes
 *   3. tail = intent: the commit
 * A successor that finds intent ahead of tail turns the hole into padding and goes on.
 *
 * Readers take no lock and hold nothing back: they copy out, then look at intent again; if the
 * writers have come round (they are lapped), what they copied may be anything and is thrown away.
 */
#ifndef PLAZA_HUB_LOG_H
#define PLAZA_HUB_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "proc/segment.h"

#define CHAT_LOG_SHARDS   4
#define CHAT_LOG_ROOM_MAX 64

struct chat_log_area;

/* One process's view of the log. */
struct chat_log {
	struct chat_log_area *area;
	unsigned char *data[CHAT_LOG_SHARDS];
	uint64_t capacity; /* of each shard, in bytes */
	/* A lock was not to be had in time: until it is, appending fails at once. */
	bool stuck[CHAT_LOG_SHARDS];
};

/*
 * In the master, once, before the first fork: makes the log in `size` bytes of zeroed, page-aligned
 * shared memory. False, logged, when it is too small or the system refuses.
 */
bool chat_log_format(void *memory, size_t size);

/* The view of a log that was made in `memory`; nothing to give back. False if it was not. */
bool chat_log_attach(struct chat_log *log, void *memory, size_t size);

/* The same for all processes; not to be guessed by clients. */
uint64_t chat_log_hash(const struct chat_log *log, struct span room);

static inline unsigned
chat_log_shard(uint64_t hash)
{
	return (unsigned)(hash >> 62);
}
_Static_assert(CHAT_LOG_SHARDS == 4, "the two highest bits of the hash choose the shard");

/* The longest payload that can be appended. */
size_t chat_log_payload_max(const struct chat_log *log);
/* The same before there is a log: of one that is made in `size` bytes. */
size_t chat_log_payload_max_in(size_t size);

/*
 * Appends one message. False when it can not be done now: another process has held the shard's
 * lock for 50 ms (it was stopped in there), or the payload is too long. `room` has at most
 * CHAT_LOG_ROOM_MAX bytes.
 */
bool chat_log_append(struct chat_log *log, uint64_t hash, struct span room, unsigned opcode,
		     const void *payload, size_t len) __attribute__((warn_unused_result));

/* The end of what is committed in a shard. */
uint64_t chat_log_tail(const struct chat_log *log, unsigned shard);

/* One message as a reader finds it: the head is copied, the payload still lies in the log. */
struct chat_log_record {
	uint64_t pos;
	uint64_t next; /* where the next one begins */
	uint64_t hash;
	unsigned opcode;
	size_t room_len;
	char room[CHAT_LOG_ROOM_MAX];
	size_t len;
	const unsigned char *payload; /* for chat_log_copy alone */
};

enum chat_log_read {
	CHAT_LOG_MESSAGE,
	CHAT_LOG_END,   /* nothing more before `end` */
	CHAT_LOG_LAPPED /* position lost: what was there is overwritten */
};

/* The first message at or after `pos` and before `end`, a tail seen earlier. */
enum chat_log_read chat_log_find(const struct chat_log *log, unsigned shard, uint64_t pos,
				 uint64_t end, struct chat_log_record *record);

/* Copies the payload. False: lapped meanwhile, and `out` has garbage. */
bool chat_log_copy(const struct chat_log *log, unsigned shard, const struct chat_log_record *record,
		   void *out) __attribute__((warn_unused_result));

/*
 * How far the reader of a slot has come, for those who want to wait for it (pace.h); 0 when there
 * is none. Readers never hold the log itself back.
 */
#define CHAT_LOG_READERS SEGMENT_SLOTS
void chat_log_set_reader(struct chat_log *log, unsigned slot, unsigned shard, uint64_t pos);
uint64_t chat_log_reader(const struct chat_log *log, unsigned slot, unsigned shard);

/* After a process has died: repairs what it was writing, if nobody has yet. */
void chat_log_repair(struct chat_log *log);

#endif
