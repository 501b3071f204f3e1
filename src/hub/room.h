/*
 * room.h - which connections of this worker are in which room, and how the log reaches them.
 *
 * Each pass reads what is new in the log once, joins the messages of a room to one run of frames
 * and writes that once to every member. A member whose socket does not take it all is behind: it
 * has no queue, only a position in the log, and is served from there, with runs of its own, as its
 * socket takes them. When it is at the worker's own position again, it rejoins the others.
 */
#ifndef PLAZA_HUB_ROOM_H
#define PLAZA_HUB_ROOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/span.h"
#include "hub/log.h"
#include "hub/ws.h"

struct room;

enum member_state {
	MEMBER_OUT,     /* in no room */
	MEMBER_JOINING, /* waits until the worker has read what was published before it came */
	MEMBER_LIVE,    /* gets the room's runs */
	MEMBER_BEHIND   /* is served from the log at `pos` */
};

struct member {
	struct ws_conn conn; /* the owner hands its events on */
	struct room *room;
	size_t index; /* in room->member */
	enum member_state state;
	/* JOINING: from here on it gets messages. BEHIND: what it has not been written yet. */
	uint64_t pos;
	/* BEHIND: how much of room->bytes the kernel took, and how much more its socket owes. */
	uint64_t taken;
	size_t unsent;
	struct member *prev, *next; /* JOINING: in the order of pos */
	struct member *next_lost;   /* found too far behind during a pass */
	unsigned lost_code;
};

struct shard_reader {
	uint64_t pos;
	struct member joining; /* head of a ring */
};

#define ROOM_SPARE_RUNS 8

struct rooms {
	struct chat_log *log;
	uint64_t queue_max; /* bytes of frames */
	struct room **bucket;
	size_t n_buckets; /* a power of two */
	size_t n_rooms;
	struct shard_reader reader[CHAT_LOG_SHARDS];
	unsigned first_shard; /* to be read in the next pass: each is first in turn */
	struct room *dirty;   /* rooms with a run that is not written yet */
	struct member *lost;
	size_t n_spare;
	struct buffer spare[ROOM_SPARE_RUNS];
};

/* Begins at the log's present end. False on out-of-memory, logged. */
bool rooms_init(struct rooms *rooms, struct chat_log *log, uint64_t queue_max);
/* Every member must have left. */
void rooms_fini(struct rooms *rooms);

/* [A-Za-z0-9._-]{1,64}, but not "." and "..". */
bool room_name_valid(struct span name);

/* It gets every message that is published from now on. False on out-of-memory. */
bool rooms_join(struct rooms *rooms, struct member *m, struct span name)
    __attribute__((warn_unused_result));
/* Idempotent. */
void rooms_leave(struct rooms *rooms, struct member *m);

struct span room_name(const struct room *room);
uint64_t room_hash(const struct room *room);

/*
 * Once per pass: delivers what is new, within a budget. Members that are too far behind are closed.
 * True when there is more to do.
 */
bool rooms_deliver(struct rooms *rooms);

/* Whether the log has something that has not been read. */
bool rooms_have_news(const struct rooms *rooms);

/* From on_writable: brings a member that is behind forward, within a budget. */
void rooms_catch_up(struct rooms *rooms, struct member *m);

#endif
