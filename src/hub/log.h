/*
 * log.h - the broadcast log: the rooms of all workers in the shared segment, their messages and
 * their members. It is the bus between workers, the one order of a room, and its history.
 *
 * It has CHAT_LOG_SHARDS shards, each with a lock, a table of rooms, a table of members and a pool
 * of memory; a room lives in one of them, by the hash of its name. Each room has a ring of its own
 * out of the pool, which overwrites its oldest messages and grows with use up to the room's share
 * (chat.room_log_size): a loud room ages out itself alone. When the pool is used up, the room with
 * the largest ring gives half of it to one that needs it.
 *
 * A position is a byte count since the room was made: it never goes back. What lies between `head`
 * and `tail` of a room are whole records. A record may go over the ring's end.
 *
 * Writers take the shard's robust mutex. Step by step, so that one killed at any instant leaves
 * nothing that a reader could take for a message:
 *   1. head moves up, over what will be overwritten
 *   2. the record's bytes, behind tail
 *   3. tail moves up: the commit
 *   4. a notice that this room has news, for readers; the lock is given back
 * What step 3 did not come to is not there: the next writer begins at the same tail. Everything
 * else in a shard (chains, free lists, the pool's tree, a room's seq) can be told from the rooms,
 * their records and the members in use, and is made anew by whoever finds a lock whose holder died.
 *
 * Readers take no lock and hold nothing back: they copy out, then look at head again; if it is
 * beyond what they read, or the room has another ring now, what they copied is thrown away.
 */
#ifndef PLAZA_HUB_LOG_H
#define PLAZA_HUB_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "hub/rate.h"
#include "proc/segment.h"

#define CHAT_LOG_SHARDS   4
#define CHAT_LOG_ROOM_MAX 64 /* bytes of a room's name */
#define CHAT_LOG_NAME_MAX 64 /* of a member's */
#define CHAT_LOG_ID_MAX   64 /* of a publisher's own id of a message (cid, Idempotency-Key) */
/* How long an id is remembered, if its record is there for so long. */
#define CHAT_LOG_ID_MS (5 * 60 * 1000)

struct chat_log_area;

struct chat_log_sizes {
	size_t bytes;     /* chat.log_size: the pools of all shards together */
	size_t room_max;  /* chat.room_log_size: a room's share of that */
	unsigned n_rooms; /* chat.max_rooms, over all shards */
};

/* One process's view of the log. */
struct chat_log {
	struct chat_log_area *area;
	uint64_t room_max; /* bytes of a room's largest ring */
	/* A lock was not to be had in time: until it is, writing fails at once. */
	bool stuck[CHAT_LOG_SHARDS];
	unsigned repaired;            /* locks of dead holders that this process has found */
	bool mended[CHAT_LOG_SHARDS]; /* repaired, and not said yet */
};

/* The memory that a log of these sizes takes, tables included; 0 when they are too small. */
size_t chat_log_memory(const struct chat_log_sizes *sizes);
/*
 * In the master, once, before the first fork: makes the log in zeroed, page-aligned shared memory
 * of chat_log_memory bytes. False, logged, when it is too small or the system refuses.
 */
bool chat_log_format(void *memory, size_t size, const struct chat_log_sizes *sizes);
/* The view of a log that was made in `memory`; nothing to give back. False, logged, if it was not.
 */
bool chat_log_attach(struct chat_log *log, void *memory, size_t size);

/* The longest payload that can be published in a log of these sizes: an eighth of a room's share.
 */
size_t chat_log_payload_max_in(const struct chat_log_sizes *sizes);
size_t chat_log_payload_max(const struct chat_log *log);

/* ---- rooms ---- */

/* A room's place in the log. It stays what it is as long as the room has a member. */
struct log_room {
	uint32_t index; /* below chat_log_room_limit */
	uint32_t incarnation;
	unsigned shard;
};

/* Indices of rooms are below this; at most chat.max_rooms and what rounding up adds. */
uint32_t chat_log_room_limit(const struct chat_log *log);

enum log_result {
	LOG_OK,
	LOG_BUSY, /* another process has held the shard's lock for 50 ms (it was stopped in there)
		   */
	LOG_TOO_LONG, /* the payload, or an id or a name is too long */
	LOG_RATE,     /* the room gets more than message->room_limit: again in retry_ms */
	LOG_FULL      /* no more rooms, or members, of this shard: all of them have members */
};

/* Whether the room is there, by its name (lock-free). It may be gone when it is used. */
bool chat_log_find_room(struct chat_log *log, struct span name, struct log_room *room);

struct log_view {
	uint64_t epoch; /* of the shard: a position holds only within it */
	uint64_t seq;   /* of the newest message */
	uint64_t head, tail;
	uint64_t presence_seq; /* raised by each join and leave */
	uint32_t n_members;
	char name[CHAT_LOG_ROOM_MAX];
	uint8_t name_len;
};
/* A consistent look (lock-free). False: the room has been taken from the table. */
bool chat_log_view(const struct chat_log *log, const struct log_room *room, struct log_view *view);

/* The epoch that a room of this name has or would get. */
uint64_t chat_log_epoch(const struct chat_log *log, struct span name);

/* ---- publishing ---- */

enum log_kind {
	LOG_TEXT = 1, /* UTF-8 */
	LOG_BINARY,
	LOG_JSON /* compact JSON text, but not a string: strings are LOG_TEXT */
};

struct log_message {
	struct span room;
	enum log_kind kind;
	uint64_t from;    /* the publisher's connection; 0: none (HTTP) */
	struct span name; /* the publisher's in this room, or empty */
	struct span id;   /* or empty */
	struct span payload;
	/* of all publishers of the room together, or NULL */
	const struct rate_limit *room_limit;
};

struct log_receipt {
	uint64_t epoch, seq;
	uint64_t ts_ms;    /* CLOCK_REALTIME; never goes back within a room */
	uint64_t retry_ms; /* LOG_RATE alone */
	bool is_duplicate; /* the id is remembered: seq and ts are those of then, nothing was
			      written */
};

/* Makes the room if there is none. */
enum log_result chat_log_publish(struct chat_log *log, const struct log_message *message,
				 struct log_receipt *receipt) __attribute__((warn_unused_result));

/* ---- reading ---- */

/* One message: everything but the payload is copied. */
struct log_record {
	uint64_t pos;
	uint64_t next; /* where the next one begins */
	uint64_t seq;
	uint64_t ts_ms;
	uint64_t from;
	enum log_kind kind;
	uint8_t name_len, id_len;
	char name[CHAT_LOG_NAME_MAX];
	char id[CHAT_LOG_ID_MAX];
	size_t len;       /* of the payload */
	uint64_t payload; /* its position, for chat_log_copy alone */
};

enum log_read {
	LOG_MESSAGE,
	LOG_END, /* nothing there yet */
	LOG_LOST /* it is overwritten, or the room is gone: see chat_log_view */
};

/* The message at `pos`, which is the view's head or tail or a record's `next`. Lock-free. */
enum log_read chat_log_read(const struct chat_log *log, const struct log_room *room, uint64_t pos,
			    struct log_record *record);

/* Copies the payload. False: lost meanwhile, and `out` has garbage. */
bool chat_log_copy(const struct chat_log *log, const struct log_room *room,
		   const struct log_record *record, void *out) __attribute__((warn_unused_result));

/*
 * Where to read on for messages from `seq` on: the position of the first that is kept and has this
 * seq or a higher one; the tail if there is none. False: the room is gone.
 */
bool chat_log_seek(const struct chat_log *log, const struct log_room *room, uint64_t seq,
		   uint64_t *pos);

/*
 * The oldest message that is given out as history: of the newest `max_messages`, none from before
 * `since_ms`. Its seq, or that of the next message if there is none. False: the room is gone.
 */
bool chat_log_first(const struct chat_log *log, const struct log_room *room, uint64_t max_messages,
		    uint64_t since_ms, uint64_t *first_seq);

/* ---- news ---- */

/*
 * Reads on from *cursor (0 at first) which rooms of a shard have news, messages or members; an
 * index may come several times. True: too many to tell, look at every room of the shard; *n is 0
 * then.
 */
bool chat_log_news(const struct chat_log *log, unsigned shard, uint64_t *cursor, uint32_t *index,
		   size_t max, size_t *n);
/* Whether chat_log_news would say anything. */
bool chat_log_has_news(const struct chat_log *log, unsigned shard, uint64_t cursor);
/* Where a reader that wants nothing from before begins. */
uint64_t chat_log_news_end(const struct chat_log *log, unsigned shard);

/*
 * The bytes that were ever written into a shard, and how many of them the reader of a slot has
 * seen, for those who want to wait for it (pace.h); 0 when there is none.
 */
#define CHAT_LOG_READERS SEGMENT_SLOTS
uint64_t chat_log_written(const struct chat_log *log, unsigned shard);
void chat_log_set_reader(struct chat_log *log, unsigned slot, unsigned shard, uint64_t written);
uint64_t chat_log_reader(const struct chat_log *log, unsigned slot, unsigned shard);

/* ---- members ---- */

/* Who is in a room, as others see it. */
struct log_member {
	uint64_t conn; /* unique in this log; never 0 */
	uint64_t since_ms;
	uint8_t name_len; /* 0: has not given one */
	char name[CHAT_LOG_NAME_MAX];
};

/* A place in the table of members. */
struct log_seat {
	struct log_room room;
	uint32_t index;
};

/* Makes the room if there is none. The seat is the slot's: chat_log_recover gives it back. */
enum log_result chat_log_join(struct chat_log *log, struct span room, unsigned slot,
			      const struct log_member *member, struct log_seat *seat)
    __attribute__((warn_unused_result));
/* When the lock cannot be had in time, the seat is given up a little later, by whoever has it. */
void chat_log_leave(struct chat_log *log, const struct log_seat *seat);

/*
 * Copies the members in the order in which they came, from `offset` on, at most `max`, with the
 * presence_seq and the count that this list belongs to. LOG_BUSY, or LOG_FULL if the room is gone.
 */
enum log_result chat_log_members(struct chat_log *log, const struct log_room *room, size_t offset,
				 struct log_member *out, size_t max, size_t *n,
				 uint64_t *presence_seq, uint32_t *count)
    __attribute__((warn_unused_result));

/* ---- after a death ---- */

/*
 * In the master, when the process of `slot` has died: repairs what it was writing, if nobody has
 * yet, and takes its members from their rooms.
 */
void chat_log_recover(struct chat_log *log, unsigned slot);

/* A look at all that is kept; all zeros: none is due. */
struct log_check {
	unsigned shard;       /* the next one to look at */
	uint32_t rooms;       /* of these so many have been looked at */
	unsigned shards_left; /* this one included */
};
/* One is due. If one is under way: it goes on for as long as all has been looked at from now on. */
void chat_log_check_begin(struct log_check *check);
/*
 * Checks records by their checksums, so many as take some milliseconds; a shard with a bad one
 * begins a new epoch. Whether there are more.
 */
bool chat_log_check(struct chat_log *log, struct log_check *check);

/* Of all shards: epochs that began because something was damaged. */
uint64_t chat_log_resets(const struct chat_log *log);

#endif
