/*
 * room.h - which listeners of this worker are in which room, and how the log reaches them.
 *
 * Each pass reads what is new in the rooms that have news, writes the messages of a room as one run
 * of bytes per kind of listener (wire.h) and gives that run to every member of the kind. A member
 * that does not take it is behind: it has no queue, only a position in its room, and is served from
 * there, with runs of its own, as it can take them. When it is at the worker's own position again,
 * it rejoins the others. A member that wants what was said before it came begins behind.
 */
#ifndef PLAZA_HUB_ROOM_H
#define PLAZA_HUB_ROOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/span.h"
#include "hub/counters.h"
#include "hub/log.h"
#include "hub/wire.h"

struct room;
struct member;

enum sink_result {
	SINK_SENT,    /* and it can take more */
	SINK_PARTIAL, /* accepted; no more until rooms_catch_up */
	SINK_STUCK,   /* not accepted; rooms_catch_up follows */
	SINK_REFUSED  /* not accepted: it is going away */
};

/* What a member's bytes go to. None of them may free the member or call on_closed from inside. */
struct sink_calls {
	/* WIRE_HEADROOM bytes in front of `bytes` may be written to. */
	enum sink_result (*write)(struct member *m, unsigned char *bytes, size_t len);
	/* It is behind and there is something for it: rooms_catch_up is to be called when it takes
	 * bytes, now or later. */
	void (*want)(struct member *m);
	/* It will be written to soon: what that touches may be fetched from memory. NULL: nothing
	 */
	void (*soon)(const struct member *m);
	/* It has left its room already. `code` as in frame.h: CLOSE_SLOW, _LOST, _INTERNAL. */
	void (*lose)(struct member *m, unsigned code);
};
#define WIRE_HEADROOM 16

enum member_state {
	MEMBER_OUT,   /* in no room */
	MEMBER_LIVE,  /* gets the room's runs */
	MEMBER_BEHIND /* is served from the log at `pos` */
};

/* All zeros, with calls and wire set, before rooms_join. */
struct member {
	const struct sink_calls *calls;
	enum wire wire;
	enum member_state state;
	bool skips_when_slow;
	bool has_gap; /* BEHIND: messages are missing in front of what it gets next */
	enum gap_why why;
	struct room *room;
	struct log_seat seat;
	size_t index; /* in its audience */
	/* BEHIND: what it gets next, by position and by seq; what lies before `fresh` is a replay
	 */
	uint64_t pos, seq, fresh;
	/* BEHIND: how much of the room's bytes it was given, and how much more its sink owes */
	uint64_t taken;
	size_t unsent;
	struct member *prev_lost, *next_lost; /* found too far behind during a pass */
	unsigned lost_code;
};

/* All rooms of one worker. */
struct rooms;

struct rooms_options {
	struct chat_log *log;
	struct chat_counters *counters;
	unsigned slot;
	uint64_t queue_max;      /* bytes of frames that a member may be behind */
	uint64_t history_max;    /* messages of a room that are given to those who come later */
	uint64_t history_age_ms; /* and for how long */
	struct wire_deflate *deflate;
	/* the members of a room are others than before; in rooms_deliver */
	void (*members_changed)(struct room *room, void *ctx);
	/* the room goes, and what room_presence points to with it */
	void (*room_gone)(struct room *room, void *ctx);
	void *ctx;
};

/* Begins at the log's present end. NULL on out-of-memory, logged. */
struct rooms *rooms_new(const struct rooms_options *options);
/* Every member must have left. */
void rooms_free(struct rooms **rooms);

/* [A-Za-z0-9._-]{1,64}, but not "." and "..". */
bool room_name_valid(struct span name);

/* Where a member begins. */
enum join_from {
	JOIN_NOW,  /* what is published from now on */
	JOIN_LAST, /* the last `last` messages first */
	JOIN_SINCE /* all after `since_seq` of `since_epoch`, or as much as is kept */
};
struct join_wish {
	enum join_from from;
	uint64_t last;
	uint64_t since_epoch, since_seq;
};
struct join_result {
	uint64_t epoch, seq; /* the room's newest when it joined: live messages follow that */
	uint64_t first;      /* the oldest that is kept */
	uint64_t replay;     /* messages that come first */
	bool is_recovered;   /* SINCE, and nothing is missing; else a gap is told first */
	uint32_t count;      /* members, this one included */
};

/*
 * It gets every message that is published from now on, after what it wishes for. `who` is copied.
 * LOG_BUSY, LOG_FULL; LOG_TOO_LONG stands for out of memory here.
 */
enum log_result rooms_join(struct rooms *rooms, struct member *m, struct span name,
			   const struct log_member *who, const struct join_wish *wish,
			   struct join_result *result) __attribute__((warn_unused_result));
/* Idempotent. */
void rooms_leave(struct rooms *rooms, struct member *m);

struct span room_name(const struct room *room);
const struct log_room *room_in_log(const struct room *room);
/* A pointer that the room keeps for presence.c; NULL at first. See room_gone. */
void **room_presence(struct room *room);
/* How many of a wire there are here. */
size_t room_members(const struct room *room, enum wire wire);

/*
 * Once per pass: delivers what is new, within a budget. Members that are too far behind are lost or
 * skipped. True when there is more to do.
 */
bool rooms_deliver(struct rooms *rooms);

/*
 * Whether, since this was asked last, members came or went here whose rooms have others elsewhere:
 * sleeping workers are to be rung.
 */
bool rooms_moved(struct rooms *rooms);
/* Whether the log has something that has not been read. */
bool rooms_have_news(const struct rooms *rooms);
/* How much of what was written into a shard has been given out, as chat_log_set_reader wants it. */
uint64_t rooms_seen(const struct rooms *rooms, unsigned shard);

/* When its sink takes bytes (again): brings a member that is behind forward, within a budget. */
void rooms_catch_up(struct rooms *rooms, struct member *m);

/* An event that is not in the log, for those on a wire that can say it. */
struct rooms_event {
	const char *name; /* see wire_event */
	struct span json;
	bool (*wanted)(struct member *m, void *ctx);
	/* for each that wants it, whether it took it; nothing is kept for one that did not */
	void (*told)(struct member *m, bool is_accepted, void *ctx);
	void *ctx;
};
/* False on out-of-memory: some have not been told. */
bool rooms_announce(struct rooms *rooms, struct room *room, const struct rooms_event *event)
    __attribute__((warn_unused_result));

#endif
