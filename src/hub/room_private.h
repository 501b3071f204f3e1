/*
 * room_private.h - what the files that make up the rooms of a worker share: rooms.c (rooms and
 * their members), run.c (bytes for them), deliver.c (what is new), catch_up.c (laggards), join.c.
 */
#ifndef PLAZA_HUB_ROOM_PRIVATE_H
#define PLAZA_HUB_ROOM_PRIVATE_H

#include "hub/room.h"

#define SPARE_RUNS 8

/* The members of a room on one wire. */
struct audience {
	size_t n, cap;
	struct member **member;
	/* the run of this pass: WIRE_HEADROOM bytes, then messages; where it begins in the room */
	struct buffer run;
	uint64_t run_pos, run_seq, run_bytes;
	uint64_t run_messages;
};

struct room {
	struct room *prev, *next; /* all of the worker */
	struct room *next_due;    /* has news that is to be read */
	bool is_due;
	struct log_room in_log;
	uint64_t epoch;
	uint64_t pos; /* read so far */
	uint64_t seq; /* of the newest that was read */
	uint64_t presence_seq;
	/* bytes of frames that were read, ever; laggards are measured against it */
	uint64_t bytes;
	size_t n_members;
	struct audience audience[WIRES];
	void *presence;
	uint8_t name_len;
	char name[CHAT_LOG_ROOM_MAX];
};

struct rooms {
	struct rooms_options options;
	struct room **by_index; /* in the log */
	struct room all;        /* head of a ring */
	uint64_t cursor[CHAT_LOG_SHARDS];
	uint64_t seen[CHAT_LOG_SHARDS]; /* at least so much has been given out or is not wanted */
	struct room *due_first, *due_last;
	struct member *lost;
	bool has_moved;        /* since rooms_moved */
	struct buffer payload; /* of the record in hand */
	size_t n_spare;
	struct buffer spare[SPARE_RUNS];
};

/* ---- rooms.c ---- */

/* A room that has a member in the log already. NULL on out-of-memory. */
struct room *room_new(struct rooms *rooms, const struct log_room *in_log);
void room_free(struct rooms *rooms, struct room *room);
/* Its turn comes: it has news, or nobody is in it any more. */
void room_due(struct rooms *rooms, struct room *room);
struct room *rooms_next_due(struct rooms *rooms);
/* Somebody came or went: those who are in it elsewhere are to hear of that. */
void room_moved(struct rooms *rooms, const struct room *room);
bool audience_add(struct audience *a, struct member *m);
/* The only writer of member->state. */
void member_set_state(struct member *m, enum member_state state);
/* It leaves when the pass is over: until then rooms and their arrays stay as they are. */
void member_lose(struct rooms *rooms, struct member *m, unsigned code);
void rooms_close_lost(struct rooms *rooms);

/* ---- run.c ---- */

/* A run is at most this, or one longer message: what libwebsockets may hold for a client. */
#define RUN_MAX (64 * 1024)

void run_take(struct rooms *rooms, struct buffer *run);
void run_give(struct rooms *rooms, struct buffer *run);
/* Bytes of what is in it. */
size_t run_len(const struct buffer *run);
/* Room in front of the first byte. False on out-of-memory. */
bool run_begin(struct buffer *run);
/* On failure the run is as before. */
bool run_message(struct rooms *rooms, struct buffer *run, enum wire wire,
		 const struct wire_message *message);
/* What a member missed, up to `to`, if its wire can say so. On failure the run is as before. */
bool run_gap(struct rooms *rooms, struct buffer *run, const struct member *m, uint64_t to);
/* Whether a member's wire can say what is missing. */
bool tells_gaps(const struct member *m);
/* Into rooms->payload. False: it is overwritten. */
bool read_payload(struct rooms *rooms, const struct room *room, const struct log_record *record,
		  bool *is_out_of_memory);

/* ---- deliver.c ---- */

/*
 * What one pass may take from the log, and write to members, before sockets are looked at again.
 * A run goes to all members of its room: of writes there may be one round more.
 */
#define PASS_RECORDS 256
#define PASS_BYTES   (256 * 1024)
#define PASS_WRITES  4096

struct budget {
	size_t records, bytes, writes;
};
#define PASS_BUDGET ((struct budget){PASS_RECORDS, PASS_BYTES, PASS_WRITES})
/* Reads up to the room's end in the log. False: the budget was used up before. */
bool room_read(struct rooms *rooms, struct room *room, struct budget *budget);
void room_flush(struct rooms *rooms, struct room *room, struct budget *budget);

#endif
